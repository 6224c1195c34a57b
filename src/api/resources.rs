//! What a pod asks for in sum: effective requests and limits, and its quality-of-service class.
//!
//! Follows `staging/src/k8s.io/component-helpers/resource/helpers.go` (the sums, with init
//! containers, sidecars, overhead, pod-level resources and resizes in flight) and
//! `pkg/apis/core/v1/helper/qos/qos.go`. Amounts are exact quantities in the notation they were
//! written in. Claims of devices are left out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Fields, fields, has_any, items, text};
use crate::base::quantity::Quantity;

/// Amounts by resource name.
pub type ResourceList = BTreeMap<String, Quantity>;

/// What to count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Count what the status reports of resizes in flight as well.
    pub use_status: bool,
    /// Leave out the pod's overhead.
    pub exclude_overhead: bool,
    /// Leave out pod-level resources.
    pub skip_pod_level: bool,
}

/// The list of resources in a field; texts that are no quantities are left out.
pub fn list(of: &Fields, name: &str) -> ResourceList {
    let entries = fields(of, name).into_iter().flatten();
    entries.filter_map(|(name, v)| Some((name.clone(), v.as_str()?.parse().ok()?))).collect()
}

/// The JSON of a list.
pub fn list_to_value(list: &ResourceList) -> Value {
    Value::Object(list.iter().map(|(k, v)| (k.clone(), v.to_string().into())).collect())
}

/// What the scheduler and the quota count for a pod in decoded form (`PodRequests`).
pub fn pod_requests(pod: &Fields, options: Options) -> ResourceList {
    let empty = Fields::new();
    let (spec, status) = (fields(pod, "spec").unwrap_or(&empty), fields(pod, "status"));
    let mut out = aggregate(pod, "requests", options);
    if !options.skip_pod_level
        && let Some(level) = fields(spec, "resources")
    {
        let requests = list(level, "requests");
        if requests.keys().any(|name| is_pod_level(name)) {
            let reported = status.filter(|_| options.use_status);
            let effective =
                reported.and_then(|s| Some((s, fields(s, "resources")?))).map(|(s, r)| {
                    effective_requests(
                        pod,
                        &requests,
                        &list(r, "requests"),
                        &list(s, "allocatedResources"),
                    )
                });
            replace(&mut out, requests, effective.as_ref());
        }
    }
    if !options.exclude_overhead {
        add(&mut out, &list(spec, "overhead"));
    }
    out
}

/// The sum of a pod's limits, the overhead added where there is a limit (`PodLimits`).
pub fn pod_limits(pod: &Fields, options: Options) -> ResourceList {
    let empty = Fields::new();
    let (spec, status) = (fields(pod, "spec").unwrap_or(&empty), fields(pod, "status"));
    let mut out = aggregate(pod, "limits", options);
    if !options.skip_pod_level && is_pod_level_set(pod) {
        let limits = fields(spec, "resources").map(|r| list(r, "limits")).unwrap_or_default();
        let reported = status.filter(|_| options.use_status).and_then(|s| fields(s, "resources"));
        let effective = reported.map(|r| effective_limits(pod, &limits, &list(r, "limits")));
        replace(&mut out, limits, effective.as_ref());
    }
    if !options.exclude_overhead {
        for (name, amount) in list(spec, "overhead") {
            if let Some(limit) = out.get_mut(&name).filter(|l| !l.is_zero()) {
                limit.add(&amount);
            }
        }
    }
    out
}

/// The sum over the containers alone (`AggregateContainerRequests`, `AggregateContainerLimits`):
/// `what` is `requests` or `limits`.
///
/// While an init container runs, the sidecars before it run too; the pod needs the larger of what
/// the running and what the initialising phase needs.
pub fn aggregate(pod: &Fields, what: &str, options: Options) -> ResourceList {
    let empty = Fields::new();
    let spec = fields(pod, "spec").unwrap_or(&empty);
    let mut sum = ResourceList::new();
    for container in items(spec, "containers") {
        add(&mut sum, &of_container(pod, container, what, options.use_status));
    }
    let mut sidecars = ResourceList::new();
    let mut starting = ResourceList::new();
    for container in items(spec, "initContainers") {
        let sidecar = text(container, "restartPolicy") == "Always";
        let mut own = of_container(pod, container, what, options.use_status && sidecar);
        if sidecar {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            add(&mut own, &sidecars);
            raise(&mut starting, &own);
        }
    }
    raise(&mut sum, &starting);
    sum
}

/// The quality-of-service class of a pod in decoded form (`GetPodQOS`).
pub fn qos_class(pod: &Fields) -> &'static str {
    let class = fields(pod, "status").map_or("", |s| text(s, "qosClass"));
    match class {
        "Guaranteed" => "Guaranteed",
        "Burstable" => "Burstable",
        "BestEffort" => "BestEffort",
        _ => compute_qos_class(pod),
    }
}

/// The class that the resources make (`ComputePodQOS`).
pub fn compute_qos_class(pod: &Fields) -> &'static str {
    let empty = Fields::new();
    let spec = fields(pod, "spec").unwrap_or(&empty);
    let (mut requests, mut limits) = (ResourceList::new(), ResourceList::new());
    let mut guaranteed = true;
    let mut count = |resources: &Fields, always_limited: bool| {
        add(&mut requests, &compute_amounts(resources, "requests"));
        let found = compute_amounts(resources, "limits");
        guaranteed &= found.len() == 2 || !always_limited && !has_any(resources, "limits");
        add(&mut limits, &found);
    };
    if let Some(level) = fields(spec, "resources") {
        count(level, false);
    } else {
        for container in items(spec, "containers").chain(items(spec, "initContainers")) {
            count(fields(container, "resources").unwrap_or(&empty), true);
        }
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    if guaranteed && requests == limits { "Guaranteed" } else { "Burstable" }
}

/// Whether pod-level resources may be given for a resource.
pub fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// Whether the pod has pod-level resources (`IsPodLevelResourcesSet`).
pub fn is_pod_level_set(pod: &Fields) -> bool {
    let level = fields(pod, "spec").and_then(|s| fields(s, "resources"));
    level.is_some_and(|r| {
        let names = ["requests", "limits"].into_iter().flat_map(|w| fields(r, w)).flatten();
        names.into_iter().any(|(name, _)| is_pod_level(name))
    })
}

/// Adds one list to another.
pub fn add(sum: &mut ResourceList, more: &ResourceList) {
    for (name, amount) in more {
        match sum.get_mut(name) {
            Some(have) => have.add(amount),
            None => {
                sum.insert(name.clone(), amount.clone());
            }
        }
    }
}

/// Raises amounts to those of another list.
fn raise(most: &mut ResourceList, other: &ResourceList) {
    for (name, amount) in other {
        if most.get(name).is_none_or(|have| amount > have) {
            most.insert(name.clone(), amount.clone());
        }
    }
}

/// Puts pod-level amounts in the place of summed ones.
fn replace(out: &mut ResourceList, given: ResourceList, effective: Option<&ResourceList>) {
    for (name, amount) in given.into_iter().filter(|(name, _)| is_pod_level(name)) {
        let amount = match effective {
            Some(list) => list.get(&name).cloned().unwrap_or_default(),
            None => amount,
        };
        out.insert(name, amount);
    }
}

fn of_container(pod: &Fields, container: &Fields, what: &str, use_status: bool) -> ResourceList {
    let resources = fields(container, "resources");
    let given = resources.map(|r| list(r, what)).unwrap_or_default();
    if !use_status {
        return given;
    }
    let name = text(container, "name");
    let statuses = fields(pod, "status")
        .into_iter()
        .flat_map(|s| items(s, "containerStatuses").chain(items(s, "initContainerStatuses")));
    let Some(status) = statuses.filter(|s| text(s, "name") == name).last() else { return given };
    let Some(actuated) = fields(status, "resources").map(|r| list(r, what)) else { return given };
    if what == "limits" {
        return effective_limits(pod, &given, &actuated);
    }
    effective_requests(pod, &given, &actuated, &list(status, "allocatedResources"))
}

fn effective_requests(
    pod: &Fields,
    given: &ResourceList,
    actuated: &ResourceList,
    allocated: &ResourceList,
) -> ResourceList {
    let mut out = if is_resize_infeasible(pod) { ResourceList::new() } else { given.clone() };
    raise(&mut out, actuated);
    raise(&mut out, allocated);
    out
}

fn effective_limits(pod: &Fields, given: &ResourceList, actuated: &ResourceList) -> ResourceList {
    let mut out = if is_resize_infeasible(pod) { ResourceList::new() } else { given.clone() };
    raise(&mut out, actuated);
    out
}

fn is_resize_infeasible(pod: &Fields) -> bool {
    let mut conditions = fields(pod, "status").into_iter().flat_map(|s| items(s, "conditions"));
    conditions
        .find(|c| text(c, "type") == "PodResizePending")
        .is_some_and(|c| text(c, "reason") == "Infeasible")
}

/// The amounts of CPU and memory above zero.
fn compute_amounts(resources: &Fields, what: &str) -> ResourceList {
    let mut amounts = list(resources, what);
    amounts.retain(|name, amount| matches!(name.as_str(), "cpu" | "memory") && amount.sign() > 0);
    amounts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(spec: &Value) -> Fields {
        json!({"spec": spec}).as_object().unwrap().clone()
    }

    fn asking(cpu: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}})
    }

    #[test]
    fn init_containers_count_by_their_maximum_and_sidecars_stay() {
        let mut sidecar = asking("100m");
        sidecar["restartPolicy"] = json!("Always");
        let pod = pod(&json!({
            "containers": [asking("200m"), asking("300m")],
            "initContainers": [sidecar, asking("2")],
            "overhead": {"cpu": "10m"},
        }));
        assert_eq!(pod_requests(&pod, Options::default())["cpu"].to_string(), "2110m");
        assert_eq!(pod_limits(&pod, Options::default())["cpu"].to_string(), "2110m");
    }

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        let check = |resources: Value, class: &str| {
            let pod = pod(&json!({"containers": [{"resources": resources}]}));
            assert_eq!(compute_qos_class(&pod), class);
        };
        check(json!({}), "BestEffort");
        check(json!({"requests": {"cpu": "1"}}), "Burstable");
        let all = json!({"cpu": "1", "memory": "1Gi"});
        check(
            json!({"requests": all, "limits": {"cpu": "1000m", "memory": "1024Mi"}}),
            "Guaranteed",
        );
        check(json!({"limits": all}), "Burstable");
    }
}

//! Pods (`pkg/quota/v1/evaluator/core/pods.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::super::resources::{ResourceList, add, is_pod_level};
use super::{Scope, number, parsed};
use crate::base::Map;
use crate::base::time::SimTime;
use crate::model::{Object, Pod, Qos, wire};

type WirePod = wire::core::PodSpec;

/// The resources of pods, besides those known by their prefix.
const PODS: [&str; 11] = [
    "count/pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];

/// What every container must give where a quota counts it (`validationSet`).
const MUST_BE_GIVEN: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

pub(super) fn answers_for(name: &str) -> bool {
    PODS.contains(&name)
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
        || is_extended_for_quota(name)
}

/// `isExtendedResourceNameForQuota`.
fn is_extended_for_quota(name: &str) -> bool {
    name.strip_prefix("requests.").is_some_and(|resource| {
        !is_native(name) || resource.starts_with("deviceclass.resource.kubernetes.io/")
    })
}

/// `helper.IsNativeResource`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a pod is counted besides its mere existence: it has not ended and is not stuck in its
/// deletion (`QuotaV1Pod`).
pub fn counts(pod: &Pod, now: SimTime) -> bool {
    !pod.is_terminal() && pod.meta.deletion.is_none_or(|d| now <= d.at + d.grace)
}

/// Whether a pod is in the scope Terminating (`IsTerminating`).
pub fn is_terminating(pod: &Pod) -> bool {
    pod.spec.active_deadline.is_some()
}

/// What pods of a spec use while they count (`podComputeUsageHelper` of the summed requests and limits).
pub(super) fn amounts(spec: &WirePod) -> ResourceList {
    under_quota_names(&summed(spec, What::Requests), &summed(spec, What::Limits))
}

/// The same of a pod, with what it has where that is more (`UseStatusResources`).
pub(super) fn amounts_of(pod: &Pod) -> ResourceList {
    match pod.counted_spec() {
        Some(spec) => amounts(&spec),
        None => amounts(&pod.spec.wire),
    }
}

/// The sum over pods: those of one spec are counted, then multiplied.
pub(super) fn sum<'a>(pods: impl Iterator<Item = &'a Object>, now: SimTime) -> ResourceList {
    let mut all = 0;
    let mut order: Vec<(&'a Pod, i64)> = Vec::new();
    let mut by_spec: Map<u64, usize> = Map::default();
    for object in pods {
        let Object::Pod(pod) = object else { continue };
        all += 1;
        if counts(pod, now) {
            if pod.status.is_resizing() {
                order.push((pod, 1));
                continue;
            }
            let next = order.len();
            let i = *by_spec.entry(pod.spec.digest).or_insert(next);
            if i == next {
                order.push((pod, 0));
            }
            order[i].1 += 1;
        }
    }
    let mut out = ResourceList::from([("count/pods".to_owned(), number(all))]);
    for (pod, count) in order {
        let mut of_spec = amounts_of(pod);
        for amount in of_spec.values_mut() {
            amount.mul(count);
        }
        add(&mut out, &of_spec);
    }
    out
}

/// What a quota of `names` wants of every container and some do not give (`Constraints`).
pub fn must_specify<'a>(names: impl Iterator<Item = &'a str>, spec: &WirePod) -> Option<String> {
    let level = spec.resources.as_ref();
    let lists = level.into_iter().flat_map(|r| [&r.requests, &r.limits]).flatten();
    if lists.into_iter().flatten().any(|(name, _)| is_pod_level(name)) {
        return None;
    }
    let required: BTreeSet<&str> = names.filter(|n| MUST_BE_GIVEN.contains(n)).collect();
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let resources = container.resources.as_ref();
        let given = under_quota_names(
            &parsed(resources.and_then(|r| r.requests.as_ref())),
            &parsed(resources.and_then(|r| r.limits.as_ref())),
        );
        for name in required.iter().filter(|n| !given.contains_key(**n)) {
            missing.entry(name).or_default().insert(&container.name);
        }
    }
    if missing.is_empty() {
        return None;
    }
    let of_each = missing.iter().map(|(name, containers)| {
        let containers: Vec<&str> = containers.iter().copied().collect();
        format!("{name} for: {}", containers.join(","))
    });
    Some(format!("must specify {}", of_each.collect::<Vec<_>>().join("; ")))
}

/// `podMatchesScopeFunc`.
pub(super) fn in_scope(pod: &Pod, scope: &Scope) -> bool {
    match scope.scope_name.as_str() {
        "Terminating" => is_terminating(pod),
        "NotTerminating" => !is_terminating(pod),
        "BestEffort" => pod.spec.qos == Qos::BestEffort,
        "NotBestEffort" => pod.spec.qos != Qos::BestEffort,
        "PriorityClass" => in_priority_class(pod, scope),
        "CrossNamespacePodAffinity" => reaches_other_namespaces(&pod.spec.wire),
        _ => false,
    }
}

fn in_priority_class(pod: &Pod, scope: &Scope) -> bool {
    let class = pod.spec.wire.priority_class_name.as_deref().filter(|c| !c.is_empty());
    let listed = class.is_some_and(|c| scope.values.iter().flatten().any(|v| v == c));
    match scope.operator.as_str() {
        "Exists" => class.is_some(),
        "DoesNotExist" => class.is_none(),
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    }
}

/// `usesCrossNamespacePodAffinity`.
fn reaches_other_namespaces(spec: &WirePod) -> bool {
    let reaches = |t: &wire::core::PodAffinityTerm| {
        t.namespaces.as_ref().is_some_and(|n| !n.is_empty()) || t.namespace_selector.is_some()
    };
    let Some(affinity) = &spec.affinity else { return false };
    let (to, away) = (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref());
    let required = [
        to.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref()),
        away.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref()),
    ];
    let preferred = [
        to.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref()),
        away.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref()),
    ];
    required.into_iter().flatten().flatten().any(reaches)
        || preferred.into_iter().flatten().flatten().any(|w| reaches(&w.pod_affinity_term))
}

/// Which of a container's two lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `resources.requests`.
    Requests,
    /// `resources.limits`.
    Limits,
}

/// What the containers of a pod need together: init containers by their maximum, sidecars throughout;
/// pod-level amounts in the place of the sums; overhead added (`PodRequests`, `PodLimits`).
fn summed(spec: &WirePod, what: What) -> ResourceList {
    let mut out = of_containers(spec, what);
    for (name, amount) in parsed(spec.overhead.as_ref()) {
        match (out.get_mut(&name), what) {
            (Some(have), What::Requests) => have.add(&amount),
            (Some(limit), What::Limits) if !limit.is_zero() => limit.add(&amount),
            (None, What::Requests) => {
                out.insert(name, amount);
            }
            (Some(_) | None, What::Limits) => {}
        }
    }
    out
}

/// The same without the overhead.
pub fn of_containers(spec: &WirePod, what: What) -> ResourceList {
    let of = |r: Option<&wire::core::ResourceRequirements>| {
        parsed(r.and_then(|r| match what {
            What::Requests => r.requests.as_ref(),
            What::Limits => r.limits.as_ref(),
        }))
    };
    let mut out = ResourceList::new();
    for container in &spec.containers {
        add(&mut out, &of(container.resources.as_ref()));
    }
    let (mut sidecars, mut starting) = (ResourceList::new(), ResourceList::new());
    for container in spec.init_containers.iter().flatten() {
        let mut own = of(container.resources.as_ref());
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut out, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            add(&mut own, &sidecars);
            raise(&mut starting, &own);
        }
    }
    raise(&mut out, &starting);
    for (name, amount) in of(spec.resources.as_ref()) {
        if is_pod_level(&name) {
            out.insert(name, amount);
        }
    }
    out
}

fn raise(most: &mut ResourceList, other: &ResourceList) {
    for (name, amount) in other {
        if most.get(name).is_none_or(|have| amount > have) {
            most.insert(name.clone(), amount.clone());
        }
    }
}

/// Requests and limits under the names that quotas use.
fn under_quota_names(requests: &ResourceList, limits: &ResourceList) -> ResourceList {
    let mut out = ResourceList::from([("pods".to_owned(), number(1))]);
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(request) = requests.get(name) {
            out.insert(name.to_owned(), request.clone());
            out.insert(format!("requests.{name}"), request.clone());
        }
        if let Some(limit) = limits.get(name) {
            out.insert(format!("limits.{name}"), limit.clone());
        }
    }
    for (name, request) in requests {
        let huge = name.starts_with("hugepages-");
        if huge {
            out.insert(name.clone(), request.clone());
        }
        if huge || !is_native(name) || name.starts_with("deviceclass.resource.kubernetes.io/") {
            out.insert(format!("requests.{name}"), request.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::quota::{Evaluator, printed};

    fn spec(spec: serde_json::Value) -> WirePod {
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn requests_count_twice_and_limits_once_under_their_quota_names() {
        let pod = spec(json!({"containers": [
            {"name": "a", "resources": {"requests": {"cpu": "100m", "nvidia.com/gpu": "1"},
                                        "limits": {"memory": "1Gi"}}},
            {"name": "b", "resources": {"requests": {"cpu": "1"}}}],
            "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "2"}}}]}));
        assert_eq!(
            printed(&amounts(&pod)),
            "cpu=2,limits.memory=1Gi,pods=1,requests.cpu=2,requests.nvidia.com/gpu=1"
        );
    }

    #[test]
    fn a_quota_of_cpu_wants_it_of_every_container() {
        let pod = spec(json!({"containers": [
            {"name": "b", "resources": {"requests": {"cpu": "1"}}}, {"name": "a"}]}));
        let names = ["pods", "requests.cpu", "limits.cpu", "requests.storage"];
        assert_eq!(
            must_specify(names.into_iter(), &pod).as_deref(),
            Some("must specify limits.cpu for: a,b; requests.cpu for: a")
        );
        assert_eq!(must_specify(["pods"].into_iter(), &pod), None);
    }

    #[test]
    fn evaluators_answer_for_their_names() {
        let check = |of: &Evaluator, name: &str, yes: bool| {
            assert_eq!(of.answers_for(name), yes, "{of:?} {name}");
        };
        check(&Evaluator::Pods, "requests.nvidia.com/gpu", true);
        check(&Evaluator::Pods, "requests.storage", false);
        check(&Evaluator::Pods, "hugepages-2Mi", true);
        check(&Evaluator::Claims, "gold.storageclass.storage.k8s.io/requests.storage", true);
        check(&Evaluator::Claims, "count/persistentvolumeclaims", true);
        check(&Evaluator::Services, "services.nodeports", true);
        check(&Evaluator::objects("deployments", "apps"), "count/deployments.apps", true);
        check(&Evaluator::objects("secrets", ""), "secrets", true);
    }
}

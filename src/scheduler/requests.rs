//! What a pod asks for, as the scheduler counts it.
//!
//! Follows `k8s.io/component-helpers/resource`, `PodRequests`, and `pkg/scheduler/framework/types.go`,
//! `PodInfo.CalculateResource`. Amounts are summed exactly, in thousandths, and rounded up once at the
//! end, as upstream rounds the sum of quantities and not each of them. Compiled once per template, so
//! nothing here is in a hot path.

use std::collections::BTreeMap;

use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Resources, wire};

/// The CPU that a container without a request counts for in scores
/// (`pkg/scheduler/util/pod_resources.go`, `DefaultMilliCPURequest`).
pub const DEFAULT_MILLI_CPU: i64 = 100;
/// The memory that a container without a request counts for in scores
/// (`pkg/scheduler/util/pod_resources.go`, `DefaultMemoryRequest`).
pub const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// What a pod takes from its node.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// The requests.
    pub requested: Resources,
    /// CPU for scoring, in thousandths: containers without a request count for a default.
    pub nonzero_cpu: i64,
    /// Memory for scoring.
    pub nonzero_memory: i64,
}

/// All sums that are taken of one template.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Requests {
    /// What the pod takes from its node.
    pub usage: Usage,
    /// For the scores of NodeResourcesFit: container defaults, but no pod-level resources.
    pub with_defaults: Resources,
}

/// Amounts in thousandths by resource name.
type Amounts = BTreeMap<Str, i128>;

/// The resources that a container or pod status reports, for pods that are being resized in place.
#[derive(Clone, Debug, Default)]
pub struct Reported<'a> {
    /// Per container: `status…resources.requests` and `allocatedResources`, where it has `resources`.
    pub containers: BTreeMap<&'a str, (Option<&'a List>, Option<&'a List>)>,
    /// The same of the pod as a whole.
    pub pod: Option<(Option<&'a List>, Option<&'a List>)>,
    /// Whether the resize was found infeasible: the spec then does not count.
    pub infeasible: bool,
}

type List = BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// The sums of a spec.
pub fn requests_of(spec: &wire::core::PodSpec) -> Requests {
    let none = Reported::default();
    Requests {
        usage: usage_of(spec, &none),
        with_defaults: rounded(&sum(spec, &none, &defaults(true, true), false)),
    }
}

/// What a pod takes from its node, given what its status reports.
pub fn usage_of(spec: &wire::core::PodSpec, reported: &Reported<'_>) -> Usage {
    let plain = sum(spec, reported, &Amounts::new(), true);
    let pod_level = requests_list(spec.resources.as_ref())
        .is_some_and(|l| l.keys().any(|name| is_pod_level(name)));
    let missing = |name: &str| !pod_level || !plain.contains_key(name);
    let fill = defaults(missing("cpu"), missing("memory"));
    let nonzero = rounded(&sum(spec, reported, &fill, true));
    Usage {
        requested: rounded(&plain),
        nonzero_cpu: nonzero.cpu_milli,
        nonzero_memory: nonzero.memory,
    }
}

/// Whether a resource is counted beside CPU, memory, ephemeral storage and pods
/// (`pkg/apis/core/v1/helper` and `pkg/scheduler/util`, `IsScalarResourceName`).
pub fn is_scalar(name: &str) -> bool {
    name.contains('/') || name.starts_with("hugepages-") || name.starts_with("attachable-volumes-")
}

/// A node's allocatable amounts, without the names that the scheduler does not count.
pub fn countable(mut amounts: Resources) -> Resources {
    amounts.extended.retain(|name, _| is_scalar(name));
    amounts
}

fn defaults(cpu: bool, memory: bool) -> Amounts {
    let cpu = cpu.then(|| (Str::new_static("cpu"), i128::from(DEFAULT_MILLI_CPU)));
    let memory = memory.then(|| (Str::new_static("memory"), i128::from(DEFAULT_MEMORY) * 1000));
    cpu.into_iter().chain(memory).collect()
}

fn sum(
    spec: &wire::core::PodSpec,
    reported: &Reported<'_>,
    fill: &Amounts,
    pod_level: bool,
) -> Amounts {
    let of = |c: &wire::core::Container| {
        let list = requests_list(c.resources.as_ref());
        let mut amounts = match reported.containers.get(c.name.as_str()) {
            Some((actuated, allocated)) => effective(reported, list, *actuated, *allocated),
            None => amounts(list),
        };
        for (name, amount) in fill {
            amounts.entry(name.clone()).or_insert(*amount);
        }
        amounts
    };
    let mut total = Amounts::new();
    for c in &spec.containers {
        add(&mut total, &of(c));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for c in spec.init_containers.iter().flatten() {
        let is_sidecar = c.restart_policy.as_deref() == Some("Always");
        let mut step = if is_sidecar { of(c) } else { plain_init(c, fill) };
        if is_sidecar {
            add(&mut total, &step);
        }
        add(&mut step, &sidecars);
        if is_sidecar {
            sidecars = step.clone();
        }
        raise(&mut peak, &step);
    }
    raise(&mut total, &peak);
    if pod_level {
        apply_pod_level(spec, reported, &mut total);
    }
    add(&mut total, &amounts(spec.overhead.as_ref()));
    total
}

/// Init containers that end are not resized in place.
fn plain_init(c: &wire::core::Container, fill: &Amounts) -> Amounts {
    let mut own = amounts(requests_list(c.resources.as_ref()));
    for (name, amount) in fill {
        own.entry(name.clone()).or_insert(*amount);
    }
    own
}

fn apply_pod_level(spec: &wire::core::PodSpec, reported: &Reported<'_>, total: &mut Amounts) {
    let Some(list) = requests_list(spec.resources.as_ref()) else { return };
    let own = match reported.pod {
        Some((actuated, allocated)) => effective(reported, Some(list), actuated, allocated),
        None => amounts(Some(list)),
    };
    for name in list.keys().filter(|name| is_pod_level(name)) {
        total.insert(name.into(), own.get(name.as_str()).copied().unwrap_or(0));
    }
}

fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// `determineEffectiveRequests`: the largest of what is asked for, actuated and allocated.
fn effective(
    reported: &Reported<'_>,
    spec: Option<&List>,
    actuated: Option<&List>,
    allocated: Option<&List>,
) -> Amounts {
    let mut largest = amounts(actuated);
    raise(&mut largest, &amounts(allocated));
    if !reported.infeasible {
        raise(&mut largest, &amounts(spec));
    }
    largest
}

fn requests_list(resources: Option<&wire::core::ResourceRequirements>) -> Option<&List> {
    resources.and_then(|r| r.requests.as_ref())
}

fn amounts(list: Option<&List>) -> Amounts {
    list.into_iter()
        .flatten()
        .filter_map(|(name, q)| Some((name.into(), milli(&q.0.parse().ok()?))))
        .collect()
}

/// Thousandths, exactly where they fit and rounded up to units beyond.
fn milli(q: &Quantity) -> i128 {
    let units = q.value();
    if units.unsigned_abs() < 1 << 52 {
        i128::from(q.milli_value())
    } else {
        i128::from(units) * 1000
    }
}

fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *to.entry(name.clone()).or_insert(0) += amount;
    }
}

fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let mine = to.entry(name.clone()).or_insert(*amount);
        *mine = (*mine).max(*amount);
    }
}

fn rounded(amounts: &Amounts) -> Resources {
    let narrow = |n: i128| i64::try_from(n).unwrap_or(i64::MAX);
    let units = |n: i128| narrow(n.div_euclid(1000) + i128::from(n.rem_euclid(1000) != 0));
    let mut out = Resources::default();
    for (name, amount) in amounts {
        match name.as_str() {
            "cpu" => out.cpu_milli = narrow(*amount),
            "memory" => out.memory = units(*amount),
            "ephemeral-storage" => out.ephemeral_storage = units(*amount),
            other if is_scalar(other) => {
                out.extended.insert(name.clone(), units(*amount));
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: serde_json::Value, cpu: i64, memory: i64, nonzero: (i64, i64)) {
        let usage = usage_of(&serde_json::from_value(spec).unwrap(), &Reported::default());
        assert_eq!((usage.requested.cpu_milli, usage.requested.memory), (cpu, memory));
        assert_eq!((usage.nonzero_cpu, usage.nonzero_memory), nonzero);
    }

    fn container(requests: serde_json::Value) -> serde_json::Value {
        json!({"name": "c", "resources": {"requests": requests}})
    }

    #[test]
    fn containers_add_up_and_init_containers_count_by_their_peak() {
        check(
            json!({
                "containers": [container(json!({"cpu": "100m", "memory": "1Ki"})), container(json!({"cpu": "0"}))],
                "initContainers": [container(json!({"cpu": "300m"}))],
            }),
            300,
            1024,
            (300, DEFAULT_MEMORY + 1024),
        );
    }

    #[test]
    fn a_sidecar_runs_beside_everything_after_it() {
        let mut sidecar = container(json!({"cpu": "50m"}));
        sidecar["restartPolicy"] = json!("Always");
        check(
            json!({
                "containers": [container(json!({"cpu": "100m"}))],
                "initContainers": [sidecar, container(json!({"cpu": "200m"}))],
            }),
            250,
            0,
            (250, 2 * DEFAULT_MEMORY),
        );
    }

    #[test]
    fn pod_level_requests_replace_the_sum_before_the_overhead() {
        check(
            json!({
                "containers": [container(json!({"cpu": "100m"}))],
                "resources": {"requests": {"cpu": "1"}},
                "overhead": {"cpu": "10m"},
            }),
            1010,
            0,
            (1010, DEFAULT_MEMORY),
        );
    }

    #[test]
    fn sums_are_rounded_up_once() {
        let half = || container(json!({"memory": "500m"}));
        check(json!({"containers": [half(), half()]}), 0, 1, (200, 1));
    }
}

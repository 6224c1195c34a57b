//! Whether a node takes a pod on that was bound to it.
//!
//! Follows `pkg/kubelet/lifecycle/predicate.go` (`generalFilter`): resources, node affinity, node
//! name, host ports and taints that do not even let pods stay. A pod that is refused has failed.
//!
//! Left out: topology and device managers, node features.

use crate::base::Str;
use crate::model::{Node, Pod, PodSpec, Qos, Resources, Taint, TaintEffect, wire};

/// Why a pod is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// In one word.
    pub(super) reason: Str,
    /// For people.
    pub(super) message: String,
}

/// What a node is short of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    /// Memory.
    pub(super) memory: bool,
    /// Room on its disk.
    pub(super) disk: bool,
}

/// Whether the node takes the pod on beside those it has; else the first reason against it.
pub(super) fn admit<'a>(
    pod: &Pod,
    node: &Node,
    others: impl Iterator<Item = &'a Pod> + Clone,
    pressure: Pressure,
) -> Result<(), Refusal> {
    if let Some(conditions) = unbearable(pod, pressure) {
        return Err(Refusal {
            reason: "Evicted".into(),
            message: format!("The node had condition: [{conditions}]. "),
        });
    }
    if pod.spec.wire.os.as_ref().is_some_and(|os| os.name != "linux") {
        return Err(Refusal {
            reason: "PodOSNotSupported".into(),
            message: "Failed to admit pod as the OS field doesn't match node OS".to_owned(),
        });
    }
    fits(pod, node, others.clone())?;
    if !affinity_matches(pod, node) {
        return Err(predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
    }
    let wanted = host_ports(&pod.spec);
    let mut others = others;
    let clash = |other: &Pod| {
        host_ports(&other.spec).iter().any(|taken| wanted.iter().any(|own| clashes(own, taken)))
    };
    if !wanted.is_empty() && others.any(clash) {
        let text = "node(s) didn't have free ports for the requested pod ports";
        return Err(predicate("NodePorts", text));
    }
    let untolerated = node.taints.iter().any(|t| {
        t.effect == TaintEffect::NoExecute && !pod.spec.tolerations.iter().any(|o| o.tolerates(t))
    });
    if untolerated {
        let text = "node(s) had taints that the pod didn't tolerate";
        return Err(predicate("TaintToleration", text));
    }
    Ok(())
}

/// The conditions of a node that keep the pod away (`eviction_manager.go`, `Admit`).
fn unbearable(pod: &Pod, pressure: Pressure) -> Option<&'static str> {
    let conditions = match (pressure.disk, pressure.memory) {
        (false, false) => return None,
        (false, true) if bears_pressure(pod) => return None,
        (false, true) => "MemoryPressure",
        (true, false) => "DiskPressure",
        (true, true) => "DiskPressure MemoryPressure",
    };
    (!super::pressure::is_critical(pod)).then_some(conditions)
}

/// Whether a node that is short of memory alone still takes the pod on.
fn bears_pressure(pod: &Pod) -> bool {
    let taint = Taint {
        key: "node.kubernetes.io/memory-pressure".into(),
        value: Str::default(),
        effect: TaintEffect::NoSchedule,
        added: None,
    };
    super::pressure::is_critical(pod)
        || pod.spec.qos != Qos::BestEffort
        || pod.spec.tolerations.iter().any(|t| t.tolerates(&taint))
}

fn predicate(name: &'static str, text: &str) -> Refusal {
    Refusal { reason: name.into(), message: format!("Predicate {name} failed: {text}") }
}

fn fits<'a>(pod: &Pod, node: &Node, others: impl Iterator<Item = &'a Pod>) -> Result<(), Refusal> {
    let has = &node.allocatable;
    let mut used = Resources::default();
    let mut count = 0;
    for other in others {
        used.add(&super::resize::counted(other));
        count += 1;
    }
    let wants = &pod.spec.requests;
    let check = |name: &str, wants: i64, used: i64, capacity: i64| {
        if wants <= 0 || wants <= capacity - used {
            return Ok(());
        }
        Err(Refusal {
            reason: format!("OutOf{name}").into(),
            message: format!(
                "Node didn't have enough resource: {name}, requested: {wants}, used: {used}, \
                 capacity: {capacity}"
            ),
        })
    };
    check("pods", 1, count, if has.pods > 0 { has.pods } else { i64::MAX })?;
    check("cpu", wants.cpu_milli, used.cpu_milli, has.cpu_milli)?;
    check("memory", wants.memory, used.memory, has.memory)?;
    let storage = (wants.ephemeral_storage, used.ephemeral_storage, has.ephemeral_storage);
    check("ephemeral-storage", storage.0, storage.1, storage.2)?;
    for (name, amount) in &wants.extended {
        // What the node does not know of is the cluster's own affair.
        if let Some(capacity) = has.extended.get(name) {
            check(name, *amount, used.extended.get(name).copied().unwrap_or(0), *capacity)?;
        }
    }
    Ok(())
}

fn host_ports(spec: &PodSpec) -> Vec<(Str, i32, Str)> {
    let ports = |c: &wire::core::Container| -> Vec<(Str, i32, Str)> {
        c.ports
            .iter()
            .flatten()
            .filter_map(|p| {
                let host = p.host_port.filter(|h| *h > 0)?;
                let protocol = p.protocol.as_deref().unwrap_or("TCP").into();
                Some((protocol, host, p.host_ip.as_deref().unwrap_or("0.0.0.0").into()))
            })
            .collect()
    };
    spec.wire.containers.iter().flat_map(ports).collect()
}

fn clashes(a: &(Str, i32, Str), b: &(Str, i32, Str)) -> bool {
    let any = |ip: &Str| ip.is_empty() || ip == "0.0.0.0";
    a.0 == b.0 && a.1 == b.1 && (any(&a.2) || any(&b.2) || a.2 == b.2)
}

/// Whether the node meets the pod's node selector and required node affinity
/// (`k8s.io/component-helpers/scheduling/corev1/nodeaffinity`).
fn affinity_matches(pod: &Pod, node: &Node) -> bool {
    let selector = pod.spec.wire.node_selector.iter().flatten();
    let labels = &node.meta.labels;
    if !selector.into_iter().all(|(k, v)| labels.get(k).is_some_and(|l| l == v)) {
        return false;
    }
    if pod.made_for.as_ref().is_some_and(|name| *name != node.meta.name) {
        return false;
    }
    let required = pod
        .spec
        .wire
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    let Some(required) = required else { return true };
    required.node_selector_terms.iter().any(|term| {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        let empty = expressions.is_empty() && fields.is_empty();
        !empty
            && expressions.iter().all(|e| meets(e, labels.get(&e.key).map(Str::as_str)))
            && fields
                .iter()
                .all(|e| meets(e, (e.key == "metadata.name").then_some(node.meta.name.as_str())))
    })
}

fn meets(e: &wire::core::NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = e.values.as_deref().unwrap_or_default();
    let listed = value.is_some_and(|v| values.iter().any(|w| w == v));
    let compared = || -> Option<std::cmp::Ordering> {
        let (value, bound) = (value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?);
        Some(value.cmp(&bound))
    };
    match e.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared() == Some(std::cmp::Ordering::Greater),
        "Lt" => compared() == Some(std::cmp::Ordering::Less),
        _ => false,
    }
}

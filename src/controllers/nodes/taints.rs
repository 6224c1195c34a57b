//! The taints that a node's state asks for.
//!
//! Follows `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `doNoScheduleTaintingPass`,
//! and `pkg/util/taints`.

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, Node, Taint, TaintEffect};

pub(super) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
pub(super) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(super) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Conditions, the status in which each becomes a taint, and which.
const OF_CONDITIONS: [(&str, ConditionStatus, &str); 6] = [
    ("Ready", ConditionStatus::False, NOT_READY),
    ("Ready", ConditionStatus::Unknown, UNREACHABLE),
    ("MemoryPressure", ConditionStatus::True, "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", ConditionStatus::True, "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", ConditionStatus::True, "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", ConditionStatus::True, "node.kubernetes.io/pid-pressure"),
];

/// The node with the `NoSchedule` taints that its conditions and its cordon ask for; `None` when it
/// has them.
pub(super) fn with_no_schedule(node: &Node, now: SimTime) -> Option<Node> {
    let mut wanted: Vec<&str> = Vec::new();
    for condition in node.conditions.iter() {
        let of =
            OF_CONDITIONS.iter().find(|(c, s, _)| condition.kind == *c && condition.status == *s);
        wanted.extend(of.map(|(.., key)| *key));
    }
    if node.unschedulable {
        wanted.push(UNSCHEDULABLE);
    }
    let ours = |key: &str| key == UNSCHEDULABLE || OF_CONDITIONS.iter().any(|(.., k)| key == *k);
    let keep = |t: &Taint| {
        t.effect != TaintEffect::NoSchedule
            || !ours(&t.key)
            || wanted.iter().any(|key| t.key == *key)
    };
    let missing: Vec<&str> =
        wanted.iter().copied().filter(|key| !has(node, key, TaintEffect::NoSchedule)).collect();
    swap(node, &missing, keep, TaintEffect::NoSchedule, now)
}

/// The node with one `NoExecute` taint and without its opposite.
pub(super) fn with_no_execute(
    node: &Node,
    key: &str,
    opposite: &str,
    now: SimTime,
) -> Option<Node> {
    let effect = TaintEffect::NoExecute;
    let missing: &[&str] = if has(node, key, effect) { &[] } else { &[key] };
    let keep = |t: &Taint| !(t.effect == effect && t.key == opposite);
    swap(node, missing, keep, effect, now)
}

/// The node without the `NoExecute` taints of nodes that are not ready (`markNodeAsReachable`).
pub(super) fn reachable(node: &Node, now: SimTime) -> Option<Node> {
    let effect = TaintEffect::NoExecute;
    let keep = |t: &Taint| !(t.effect == effect && (t.key == UNREACHABLE || t.key == NOT_READY));
    swap(node, &[], keep, effect, now)
}

/// Whether a node has a taint.
pub(super) fn has(node: &Node, key: &str, effect: TaintEffect) -> bool {
    node.taints.iter().any(|t| t.key == key && t.effect == effect)
}

/// The node with more taints and without those that are not kept; `None` where that is as it is
/// (`SwapNodeControllerTaint`).
fn swap(
    node: &Node,
    add: &[&str],
    keep: impl Fn(&Taint) -> bool,
    effect: TaintEffect,
    now: SimTime,
) -> Option<Node> {
    if add.is_empty() && node.taints.iter().all(&keep) {
        return None;
    }
    let added = add.iter().map(|key| Taint {
        key: (*key).into(),
        value: Str::default(),
        effect,
        added: Some(now.trunc_secs()),
    });
    let taints = node.taints.iter().filter(|t| keep(t)).cloned().chain(added).collect();
    Some(Node { taints, ..node.clone() })
}

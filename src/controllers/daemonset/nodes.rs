//! On which nodes a DaemonSet's pods should run, and what their pods tolerate and are pinned to.
//!
//! Follows `pkg/controller/daemon/daemon_controller.go` (`NodeShouldRunDaemonPod`),
//! `pkg/controller/daemon/util/daemonset_util.go` and, for node affinity,
//! `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.
//!
//! Left out: the feature gate TaintTolerationComparisonOperators, which is off by default.

use crate::base::Str;
use crate::model::wire::core::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Toleration,
};
use crate::model::{Node, Pod, TaintEffect};

/// The field of a node that pods are pinned by (`metav1.ObjectNameField`).
const NODE_NAME_FIELD: &str = "metadata.name";

/// Whether a daemon pod should run on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// One should be started there.
    pub should_run: bool,
    /// One that is there may stay.
    pub should_continue: bool,
}

impl Fit {
    const NO: Self = Self { should_run: false, should_continue: false };
}

/// Whether pods of this spec, which has the daemon tolerations, should run on a node. `pinned` is the
/// node that the template itself names (`NodeShouldRunDaemonPod`).
pub fn fit(
    node: &Node,
    pinned: Option<&Str>,
    spec: &PodSpec,
    tolerations: &[crate::model::Toleration],
) -> Fit {
    if pinned.is_some_and(|name| *name != node.meta.name) || !affinity_matches(spec, node) {
        return Fit::NO;
    }
    let untolerated = |effects: &[TaintEffect]| {
        node.taints
            .iter()
            .filter(|t| effects.contains(&t.effect))
            .any(|taint| !tolerations.iter().any(|t| t.tolerates(taint)))
    };
    if !untolerated(&[TaintEffect::NoExecute, TaintEffect::NoSchedule]) {
        return Fit { should_run: true, should_continue: true };
    }
    let should_continue = !untolerated(&[TaintEffect::NoExecute]);
    Fit { should_run: false, should_continue }
}

/// Whether a node meets a pod's node selector and required node affinity (`GetRequiredNodeAffinity`).
fn affinity_matches(spec: &PodSpec, node: &Node) -> bool {
    let label = |key: &str| node.meta.labels.get(key).map(Str::as_str);
    let mut wanted = spec.node_selector.iter().flatten();
    let required = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    wanted.all(|(key, value)| label(key) == Some(value))
        && required.is_none_or(|r| r.node_selector_terms.iter().any(|t| term_matches(t, node)))
}

/// Whether a node meets all of a term; an empty one is met by none, nor is one that cannot be read.
fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let label = |r: &NodeSelectorRequirement| node.meta.labels.get(&r.key).map(Str::as_str);
    let name = |r: &NodeSelectorRequirement| {
        (r.key == NODE_NAME_FIELD
            && values(r).len() == 1
            && ["In", "NotIn"].contains(&&*r.operator))
        .then_some(node.meta.name.as_str())
    };
    let by_label = term.match_expressions.as_deref().unwrap_or_default();
    let by_field = term.match_fields.as_deref().unwrap_or_default();
    (!by_label.is_empty() || !by_field.is_empty())
        && by_label.iter().all(|r| is_met(r, label(r)))
        && by_field.iter().all(|r| name(r).is_some_and(|name| is_met(r, Some(name))))
}

fn values(requirement: &NodeSelectorRequirement) -> &[String] {
    requirement.values.as_deref().unwrap_or_default()
}

fn is_met(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = values(requirement);
    let listed = || value.is_some_and(|v| values.iter().any(|w| w == v));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !values.is_empty() && !listed(),
        "Exists" => values.is_empty() && value.is_some(),
        "DoesNotExist" => values.is_empty() && value.is_none(),
        operator @ ("Gt" | "Lt") => {
            let [bound] = values else { return false };
            let number = |text: &str| text.parse::<i64>().ok();
            let Some((value, bound)) = value.and_then(number).zip(number(bound)) else {
                return false;
            };
            if operator == "Gt" { value > bound } else { value < bound }
        }
        _ => false,
    }
}

/// Adds what every daemon pod tolerates (`AddOrUpdateDaemonPodTolerations`).
pub fn tolerate(spec: &mut PodSpec) {
    let all = [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
        ("node.kubernetes.io/network-unavailable", "NoSchedule"),
    ];
    let of_host = spec.host_network == Some(true);
    let tolerations = spec.tolerations.get_or_insert_default();
    for (key, effect) in &all[..all.len() - usize::from(!of_host)] {
        let new = Toleration {
            key: Some((*key).to_owned()),
            operator: Some("Exists".to_owned()),
            value: None,
            effect: Some((*effect).to_owned()),
            toleration_seconds: None,
        };
        let mut is_there = false;
        for old in tolerations.iter_mut().filter(|old| alike(old, &new)) {
            *old = new.clone();
            is_there = true;
        }
        if !is_there {
            tolerations.push(new);
        }
    }
}

/// Whether two tolerations are about the same taints (`MatchToleration`).
fn alike(a: &Toleration, b: &Toleration) -> bool {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    text(&a.key) == text(&b.key)
        && text(&a.operator) == text(&b.operator)
        && text(&a.value) == text(&b.value)
        && text(&a.effect) == text(&b.effect)
}

/// The affinity of a pod that is made for one node (`ReplaceDaemonSetPodNodeNameNodeAffinity`).
pub fn pinned(affinity: Option<Affinity>, node: &str) -> Affinity {
    let by_name = NodeSelectorTerm {
        match_fields: Some(vec![NodeSelectorRequirement {
            key: NODE_NAME_FIELD.to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![node.to_owned()]),
        }]),
        match_expressions: None,
    };
    let mut affinity = affinity.unwrap_or_default();
    affinity
        .node_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution =
        Some(NodeSelector { node_selector_terms: vec![by_name] });
    affinity
}

/// The node that a pod is on or made for (`GetTargetNodeName`).
pub fn target(pod: &Pod) -> Option<Str> {
    if let Some(node) = pod.node.as_ref().or(pod.made_for.as_ref()) {
        return Some(node.clone());
    }
    // A pod that was not made by the controller, and is adopted.
    let affinity = pod.spec.wire.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|t| t.match_fields.iter().flatten());
    let mut by_name = fields.filter(|r| r.key == NODE_NAME_FIELD && r.operator == "In");
    match values(by_name.next()?) {
        [name] => Some(name.into()),
        _ => None,
    }
}

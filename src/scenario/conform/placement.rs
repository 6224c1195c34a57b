//! Which node a pod takes: judged only where its spec leaves one node open, or where a rule says
//! how it lies with its like.

use serde_json::Value;

use super::life::Life;
use super::trace_file::{HeaderNode, TraceFile};
use super::value::{count, field, is_set, list, text};

/// The one node that a pod's spec leaves open, if there is only one and the pod was bound.
pub(super) fn determined_node<'a>(file: &'a TraceFile, pod: &'a Life) -> Option<&'a str> {
    // Which of a DaemonSet's pods is which is free; the set of nodes is judged with the owner.
    if pod.node().is_none() || pod.is_of("DaemonSet") {
        return None;
    }
    let spec = &*pod.first().spec;
    if let Some(node) = text(spec, "nodeName").filter(|_| pod.added) {
        return Some(node);
    }
    let affinity = spec.get("affinity").and_then(|a| a.get("nodeAffinity"));
    let affinity = affinity.unwrap_or(&Value::Null);
    if !is_set(spec, "nodeSelector") && affinity.as_object().is_none_or(serde_json::Map::is_empty) {
        return None;
    }
    let mut fit: Vec<&HeaderNode> = file.header.nodes.iter().collect();
    if let Some(selector) = spec.get("nodeSelector").and_then(Value::as_object) {
        fit.retain(|n| selector.iter().all(|(k, v)| n.labels.get(k) == Some(v)));
    }
    let required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution");
    let terms = required.map_or(&[][..], |r| list(r, "nodeSelectorTerms"));
    if !terms.is_empty() {
        fit.retain(|n| terms.iter().any(|term| fits(term, n)));
    }
    let preferred = list(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
    if fit.len() > 1 && !preferred.is_empty() {
        let best = fit.iter().map(|n| preference(preferred, n)).max();
        fit.retain(|n| Some(preference(preferred, n)) == best);
    }
    match fit.as_slice() {
        [only] => Some(&only.name),
        _ => None,
    }
}

/// Whether something determines how a pod lies with its like: its spec, or the default spreading,
/// which the scheduler applies to the pods of these controllers (not of Jobs).
pub(super) fn is_spread(pod: &Life) -> bool {
    let spec = &*pod.first().spec;
    let affinity = spec.get("affinity").unwrap_or(&Value::Null);
    ["ReplicaSet", "StatefulSet", "ReplicationController"].into_iter().any(|k| pod.is_of(k))
        || is_set(spec, "topologySpreadConstraints")
        || is_set(affinity, "podAffinity")
        || is_set(affinity, "podAntiAffinity")
}

/// The node that a DaemonSet's pod was made for.
pub(super) fn daemon_node(pod: &Life) -> Option<&str> {
    let pinned = || {
        let affinity = pod.first().spec.get("affinity")?.get("nodeAffinity")?;
        let required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")?;
        let term = list(required, "nodeSelectorTerms").first()?;
        list(list(term, "matchFields").first()?, "values").first()?.as_str()
    };
    pod.node().or_else(pinned)
}

/// The sum of the weights of the terms that a node fits.
fn preference(terms: &[Value], node: &HeaderNode) -> i64 {
    let fitting = terms.iter().filter(|t| fits(t.get("preference").unwrap_or(&Value::Null), node));
    fitting.fold(0, |sum, t| sum.saturating_add(count(t, "weight").unwrap_or(0)))
}

/// Whether a node selector term matches a node. Only the operators that the recordings use are
/// known; with another one nothing is determined.
fn fits(term: &Value, node: &HeaderNode) -> bool {
    let fields = list(term, "matchExpressions").iter().chain(list(term, "matchFields"));
    fields.into_iter().all(|expression| {
        let key = text(expression, "key").unwrap_or_default();
        let name = Value::String(node.name.clone());
        let value = if key == "metadata.name" { Some(&name) } else { field(&node.labels, key) };
        let values = list(expression, "values");
        let among = value.is_some_and(|v| values.contains(v));
        match text(expression, "operator") {
            Some("In") => among,
            Some("NotIn") => !among,
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: &Value, expect: Option<&str>) {
        let node = |name: &str, disk: &str| json!({"name": name, "labels": {"disk": disk}});
        let header = json!({"type": "HEADER", "nodes":
            [node("node-1", "ssd"), node("node-2", "ssd"), node("node-3", "hdd")]});
        let pod = json!({"t": 0, "type": "ADDED", "kind": "Pod", "name": "p", "spec": spec});
        let bound = json!({"t": 1, "type": "MODIFIED", "kind": "Pod", "name": "p",
            "spec": {"nodeName": "node-9"}});
        let file = TraceFile::from_lines([header, pod, bound].map(|l| l.to_string()));
        assert_eq!(determined_node(&file, &file.lives[0]), expect, "{spec}");
    }

    #[test]
    fn a_node_is_determined_when_the_spec_leaves_only_one() {
        let term = |op: &str, values: &[&str]| json!({"matchExpressions": [{"key": "disk", "operator": op, "values": values}]});
        let required = |term: &Value| {
            json!({"affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
        };
        check(&json!({}), None);
        check(&json!({"nodeName": "node-1"}), Some("node-1"));
        check(&json!({"nodeSelector": {"disk": "hdd"}}), Some("node-3"));
        check(&json!({"nodeSelector": {"disk": "ssd"}}), None);
        check(&required(&term("NotIn", &["ssd"])), Some("node-3"));
        check(&required(&term("Exists", &[])), None);
        check(
            &json!({"affinity": {"nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution":
                    [{"weight": 5, "preference": term("In", &["hdd"])}]}}}),
            Some("node-3"),
        );
    }
}

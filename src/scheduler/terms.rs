//! Compiled terms of affinity: what nodes a pod wants, and what pods it wants near.
//!
//! Node terms follow `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`: terms are ORed, what
//! stands in a term is ANDed, a term that does not parse never matches where it is required and is an
//! error where it is preferred. Pod terms follow `k8s.io/kube-scheduler/framework`, `AffinityTerm`.

use crate::base::Str;
use crate::model::{Labels, Selector, wire};

/// One term of a node selector (`v1.NodeSelectorTerm`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTerm {
    /// Conditions on labels.
    pub labels: Vec<NodeRequirement>,
    /// Conditions on the node's name: whether it must be equal, and the value.
    pub names: Vec<(bool, Str)>,
    /// Values of `metadata.name In` conditions, one list per condition, as written.
    pub listed: Vec<Vec<Str>>,
    /// Why the term does not parse; empty where it does.
    pub errors: Vec<String>,
}

/// One condition on a node's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRequirement {
    /// The label.
    pub key: Str,
    /// The condition.
    pub op: NodeOp,
}

/// A condition on the value of a node's label (`v1.NodeSelectorOperator`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeOp {
    /// It is one of these.
    In(Vec<Str>),
    /// It is absent or none of these.
    NotIn(Vec<Str>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is a whole number greater than this.
    Gt(i64),
    /// It is a whole number less than this.
    Lt(i64),
}

/// A preferred node term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreferredNodeTerm {
    /// The term.
    pub term: NodeTerm,
    /// What a match is worth.
    pub weight: i64,
}

/// What a pod's `nodeSelector` and required node affinity ask for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RequiredNodes {
    /// `spec.nodeSelector`; every label must be equal.
    pub selector: Option<Vec<(Str, Str)>>,
    /// The required terms; none of them matching refuses the node. `None` where none are required.
    pub terms: Option<Vec<NodeTerm>>,
}

/// One term of pod affinity or anti-affinity (`v1.PodAffinityTerm`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTerm {
    /// The pods meant.
    pub selector: Selector,
    /// Their namespaces as listed. Empty with no namespace selector: the owning pod's own.
    pub namespaces: Vec<Str>,
    /// Their namespaces by label; `None` where the term has no such selector.
    pub namespace_selector: Option<Selector>,
    /// The node label whose values are the places.
    pub topology_key: Str,
    /// What a match is worth, where the term is preferred; 0 otherwise.
    pub weight: i64,
}

impl NodeTerm {
    /// Compiles a term; `path` is where it stands, for error texts. `None` for an empty term, which
    /// selects nothing.
    pub fn compile(term: &wire::core::NodeSelectorTerm, path: &str) -> Option<Self> {
        let mut out = Self { labels: vec![], names: vec![], listed: vec![], errors: vec![] };
        for (i, e) in term.match_expressions.iter().flatten().enumerate() {
            let path = format!("{path}.matchExpressions[{i}]");
            match NodeOp::compile(e, &path) {
                Ok(op) => out.labels.push(NodeRequirement { key: (&e.key).into(), op }),
                Err(errors) => out.errors.extend(errors),
            }
        }
        for (i, e) in term.match_fields.iter().flatten().enumerate() {
            let values: Vec<Str> = e.values.iter().flatten().map(Str::from).collect();
            if e.operator == "In" && e.key == "metadata.name" {
                out.listed.push(values.clone());
            }
            match (e.operator.as_str(), &values[..]) {
                ("In" | "NotIn", [one]) if e.key == "metadata.name" => {
                    out.names.push((e.operator == "In", one.clone()));
                }
                _ => out.errors.push(format!("{path}.matchFields[{i}]: Invalid value")),
            }
        }
        let empty = out.labels.is_empty() && out.names.is_empty() && out.errors.is_empty();
        (!empty).then_some(out)
    }

    /// Whether a node with these labels, whose name is not known, meets it.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.errors.is_empty() && self.labels.iter().all(|r| r.matches(labels))
    }

    /// Whether a node of that name with these labels meets it.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.matches_labels(labels)
            && self.names.iter().all(|(equal, value)| (value == name) == *equal)
    }
}

impl NodeRequirement {
    /// Whether labels meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.op {
            NodeOp::In(values) => value.is_some_and(|v| values.contains(v)),
            NodeOp::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            NodeOp::Exists => value.is_some(),
            NodeOp::DoesNotExist => value.is_none(),
            NodeOp::Gt(bound) => number().is_some_and(|n| n > *bound),
            NodeOp::Lt(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

impl NodeOp {
    /// As `labels.NewRequirement`, error texts included.
    fn compile(e: &wire::core::NodeSelectorRequirement, path: &str) -> Result<Self, Vec<String>> {
        let values: Vec<Str> = e.values.iter().flatten().map(Str::from).collect();
        let mut errors = Vec::new();
        let mut bound = 0;
        match e.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => errors.push(format!(
                "{path}.values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(format!(
                "{path}.values: Invalid value: values set must be empty for exists and does not exist"
            )),
            "Gt" | "Lt" => {
                if values.len() != 1 {
                    errors.push(format!("{path}.values: Invalid value: for 'Gt', 'Lt' operators, exactly one value is required"));
                }
                for (i, v) in values.iter().enumerate() {
                    match v.parse() {
                        Ok(n) => bound = n,
                        Err(_) => errors.push(format!("{path}.values[{i}]: Invalid value: {v:?}: for 'Gt', 'Lt' operators, the value must be an integer")),
                    }
                }
            }
            _ => {}
        }
        for (i, v) in values.iter().enumerate().filter(|(_, v)| !is_label_value(v)) {
            errors.push(format!(
                "{path}.values[{i}][{}]: Invalid value: {v:?}: {LABEL_VALUE}",
                e.key
            ));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(match e.operator.as_str() {
            "In" => Self::In(values),
            "NotIn" => Self::NotIn(values),
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            "Gt" => Self::Gt(bound),
            "Lt" => Self::Lt(bound),
            other => return Err(vec![format!("{path}.operator: Unsupported value: {other:?}")]),
        })
    }
}

const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label_value(value: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let outer = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    value.len() <= 63
        && bytes.iter().all(|b| inner(*b))
        && outer(bytes.first())
        && outer(bytes.last())
}

impl RequiredNodes {
    /// Compiles what a spec asks for.
    pub fn compile(spec: &wire::core::PodSpec) -> Self {
        let selector = spec
            .node_selector
            .as_ref()
            .map(|s| s.iter().map(|(k, v)| (k.into(), v.into())).collect());
        let affinity = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
        let required =
            affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        let terms = required.map(|r| {
            let path = |i: usize| format!("nodeSelectorTerms[{i}]");
            let all = r.node_selector_terms.iter().enumerate();
            all.filter_map(|(i, t)| NodeTerm::compile(t, &path(i))).collect()
        });
        Self { selector, terms }
    }

    /// Whether anything is asked for.
    pub fn is_any(&self) -> bool {
        self.selector.is_none() && self.terms.is_none()
    }

    /// Whether a node of that name with these labels will do. `pin` is the node that a DaemonSet made
    /// the pod for: it takes the place of conditions on the name in every term.
    pub fn matches(&self, pin: Option<&Str>, name: &str, labels: &Labels) -> bool {
        let selected = |s: &Vec<(Str, Str)>| s.iter().all(|(k, v)| labels.get(k) == Some(v));
        if !self.selector.as_ref().is_none_or(selected) {
            return false;
        }
        match (&self.terms, pin) {
            (None, pin) => pin.is_none_or(|pin| pin == name),
            (Some(terms), None) => terms.iter().any(|t| t.matches(name, labels)),
            (Some(terms), Some(pin)) => {
                pin == name && (terms.is_empty() || terms.iter().any(|t| t.matches_labels(labels)))
            }
        }
    }
}

impl PreferredNodeTerm {
    /// Compiles the preferred terms of a spec, or tells why one does not parse, as
    /// `NewPreferredSchedulingTerms` does. `None` where the spec has no such list.
    pub fn compile_all(spec: &wire::core::PodSpec) -> Option<Result<Vec<Self>, String>> {
        let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
        let list = affinity.preferred_during_scheduling_ignored_during_execution.as_ref()?;
        let (mut terms, mut errors) = (Vec::new(), Vec::<String>::new());
        for (i, t) in list.iter().enumerate().filter(|(_, t)| t.weight != 0) {
            let Some(term) = NodeTerm::compile(&t.preference, &format!("[{i}]")) else { continue };
            errors.extend(term.errors.iter().cloned());
            terms.push(Self { term, weight: t.weight.into() });
        }
        errors.dedup();
        Some(match &errors[..] {
            [] => Ok(terms),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        })
    }
}

impl PodTerm {
    /// Compiles a term. A selector that does not parse selects nothing; validation has refused it.
    pub fn compile(term: &wire::core::PodAffinityTerm, weight: i32) -> Self {
        let selector = |s| Selector::compile(s).unwrap_or(Selector::Nothing);
        Self {
            selector: selector(term.label_selector.as_ref()),
            namespaces: term.namespaces.iter().flatten().map(Str::from).collect(),
            namespace_selector: term.namespace_selector.as_ref().map(|s| selector(Some(s))),
            topology_key: (&term.topology_key).into(),
            weight: weight.into(),
        }
    }

    /// Whether the listed namespaces hold `namespace`, for a term of a pod in `own`.
    pub fn lists(&self, own: &str, namespace: &str) -> bool {
        if self.namespaces.is_empty() && self.namespace_selector.is_none() {
            return own == namespace;
        }
        self.namespaces.iter().any(|n| n == namespace)
    }

    /// Whether it selects a pod, for a term of a pod in `own` (`AffinityTerm.Matches`).
    /// `namespace_labels` are those of the selected pod's namespace.
    pub fn matches(
        &self,
        own: &str,
        namespace: &str,
        namespace_labels: &Labels,
        labels: &Labels,
    ) -> bool {
        let by_label = |s: &Selector| s.matches(namespace_labels);
        (self.lists(own, namespace) || self.namespace_selector.as_ref().is_some_and(by_label))
            && self.selector.matches(labels)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn required(terms: serde_json::Value) -> RequiredNodes {
        let spec = json!({"containers": [], "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
        RequiredNodes::compile(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn numbers_compare_as_numbers_and_other_values_never() {
        let gt = required(
            json!([{"matchExpressions": [{"key": "rank", "operator": "Gt", "values": ["9"]}]}]),
        );
        let on = |v: &str| gt.matches(None, "n", &Labels::from([("rank", v)]));
        assert_eq!([on("10"), on("9"), on("010"), on("x")], [true, false, true, false]);
    }

    #[test]
    fn an_empty_term_selects_nothing_and_terms_are_ored() {
        assert!(!required(json!([{}])).matches(None, "n", &Labels::default()));
        let name =
            json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]});
        assert!(required(json!([{}, name])).matches(None, "n", &Labels::default()));
    }

    #[test]
    fn a_daemon_pod_takes_only_the_node_it_was_made_for() {
        let any = RequiredNodes::default();
        let pin = Str::new("b");
        assert!(any.matches(Some(&pin), "b", &Labels::default()));
        assert!(!any.matches(Some(&pin), "a", &Labels::default()));
    }

    #[test]
    fn a_negative_number_is_an_error_where_it_is_preferred() {
        let spec = json!({"containers": [], "affinity": {"nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "rank", "operator": "Lt", "values": ["-5"]}]}}]}}});
        let error = PreferredNodeTerm::compile_all(&serde_json::from_value(spec).unwrap());
        let text = error.unwrap().unwrap_err();
        assert!(
            text.starts_with(
                "[0].matchExpressions[0].values[0][rank]: Invalid value: \"-5\": a valid"
            ),
            "{text}"
        );
    }
}

//! Validation of what steers scheduling: node selectors, affinity, tolerations, spreading.
//! After `pkg/apis/core/validation/validation.go`.

use super::pod::Leniency;
use super::{At, Errors, meta};
use crate::api::names;

/// The rules a pod insists on.
pub(super) const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
/// The rules a pod prefers.
pub(super) const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// `ValidateNodeSelector`.
pub(super) fn node_selector(selector: &At<'_>, any_value: bool, errors: &mut Errors) {
    if selector.is_empty("nodeSelectorTerms") {
        let detail = "must have at least one node selector term";
        errors.required(&selector.at("nodeSelectorTerms"), detail);
    }
    for term in selector.items("nodeSelectorTerms") {
        node_selector_term(&term, any_value, errors);
    }
}

/// `ValidateNodeSelectorTerm`.
fn node_selector_term(term: &At<'_>, any_value: bool, errors: &mut Errors) {
    for requirement in term.items("matchExpressions") {
        node_requirement(&requirement, any_value, errors);
    }
    for requirement in term.items("matchFields") {
        node_field_requirement(&requirement, errors);
    }
}

fn node_requirement(requirement: &At<'_>, any_value: bool, errors: &mut Errors) {
    let operator = requirement.text("operator");
    let (values, given) = (requirement.at("values"), requirement.len("values"));
    match operator {
        "In" | "NotIn" if given == 0 => {
            errors.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if given > 0 => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&values, detail);
        }
        "Gt" | "Lt" if given != 1 => {
            let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            errors.required(&values, detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => {
            let at = requirement.at("operator");
            errors.invalid(&at, operator, "not a valid selector operator");
        }
    }
    meta::label_name(requirement.text("key"), &requirement.at("key"), errors);
    if !any_value {
        for (i, value) in requirement.texts("values").enumerate() {
            errors.invalid_for(&values.index(i), value, names::label_value(value));
        }
    }
}

fn node_field_requirement(requirement: &At<'_>, errors: &mut Errors) {
    let (operator, key) = (requirement.text("operator"), requirement.text("key"));
    let values = requirement.at("values");
    if !matches!(operator, "In" | "NotIn") {
        errors.invalid(&requirement.at("operator"), operator, "not a valid selector operator");
    } else if requirement.len("values") != 1 {
        let detail =
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
        errors.required(&values, detail);
    }
    if key != "metadata.name" {
        errors.invalid(&requirement.at("key"), key, "not a valid field selector key");
        return;
    }
    for (i, value) in requirement.texts("values").enumerate() {
        errors.invalid_for(&values.index(i), value, meta::subdomain(value, false));
    }
}

/// Whether any value of a node selector cannot be a label's (`HasInvalidLabelValueInNodeSelectorTerms`).
pub(super) fn has_bad_label_value(selector: &At<'_>) -> bool {
    let terms = selector.items("nodeSelectorTerms");
    terms
        .flat_map(|term| term.items("matchExpressions"))
        .any(|rule| rule.texts("values").any(|value| !names::label_value(value).is_empty()))
}

/// `validateAffinity`.
pub(super) fn affinity(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let affinity = spec.get("affinity");
    let node = affinity.get("nodeAffinity");
    if node.has(REQUIRED) {
        node_selector(&node.get(REQUIRED), leniency.any_node_label_value, errors);
    }
    for term in node.items(PREFERRED) {
        weight(&term, errors);
        node_selector_term(&term.get("preference"), true, errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let rules = affinity.get(kind);
        for term in rules.items(REQUIRED) {
            pod_affinity_term(&term, leniency.any_label_value, errors);
        }
        for weighted in rules.items(PREFERRED) {
            weight(&weighted, errors);
            let term = weighted.get("podAffinityTerm");
            pod_affinity_term(&term, leniency.any_label_value, errors);
        }
    }
}

fn weight(term: &At<'_>, errors: &mut Errors) {
    if !(1..=100).contains(&term.int("weight")) {
        errors.invalid(&term.at("weight"), term.int("weight"), "must be in the range 1-100");
    }
}

fn pod_affinity_term(term: &At<'_>, any_value: bool, errors: &mut Errors) {
    meta::label_selector(&term.get("labelSelector"), any_value, errors);
    meta::label_selector(&term.get("namespaceSelector"), any_value, errors);
    for name in term.texts("namespaces") {
        errors.invalid_for(&term.at("namespace"), name, meta::label(name, false));
    }
    label_keys(term, errors);
    let (at, key) = (term.at("topologyKey"), term.text("topologyKey"));
    if key.is_empty() {
        errors.required(&at, "can not be empty");
    }
    meta::label_name(key, &at, errors);
}

/// `ValidateMatchLabelKeysAndMismatchLabelKeys`, for a term or a spread constraint.
fn label_keys(term: &At<'_>, errors: &mut Errors) {
    let selector = term.get("labelSelector");
    let mismatched = if term.knows("mismatchLabelKeys") {
        term.texts("mismatchLabelKeys").collect()
    } else {
        Vec::new()
    };
    for (name, given) in [
        ("matchLabelKeys", term.texts("matchLabelKeys").collect()),
        ("mismatchLabelKeys", mismatched.clone()),
    ] {
        if given.is_empty() {
            continue;
        }
        if !selector.is_set() {
            let detail = "must not be specified when labelSelector is not set";
            errors.forbidden(&term.path().child(name), detail);
            continue;
        }
        for (i, key) in given.into_iter().enumerate() {
            meta::label_name(key, &term.path().child(name).index(i), errors);
        }
    }
    let mut selected: Vec<&str> =
        selector.entries("matchLabels").into_iter().map(|(key, _)| key).collect();
    for requirement in selector.items("matchExpressions") {
        let key = requirement.text("key");
        let listed = term.texts("matchLabelKeys").enumerate().filter(|(_, k)| *k == key).last();
        if let Some((i, _)) = listed
            && selected.contains(&key)
        {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.invalid(&term.path().index(i), key, detail);
        }
        selected.push(key);
    }
    for (i, key) in term.texts("matchLabelKeys").enumerate() {
        if mismatched.contains(&key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&term.at("matchLabelKeys").index(i), key, detail);
        }
    }
}

/// `ValidateTolerations`.
pub(super) fn tolerations<'a>(tolerations: impl Iterator<Item = At<'a>>, errors: &mut Errors) {
    for toleration in tolerations {
        let (key, operator) = (toleration.text("key"), toleration.text("operator"));
        let (value, effect) = (toleration.text("value"), toleration.text("effect"));
        let at = toleration.at("operator");
        if !key.is_empty() {
            meta::label_name(key, &toleration.at("key"), errors);
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&at, operator, detail);
        }
        if toleration.has("tolerationSeconds") && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&toleration.at("effect"), effect, detail);
        }
        match operator {
            "Equal" | "" => {
                let messages = names::label_value(value);
                if !messages.is_empty() {
                    errors.invalid(&at, value, messages.join(";"));
                }
            }
            "Exists" if !value.is_empty() => {
                errors.invalid(&at, value, "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            "Lt" | "Gt" => errors.not_supported(&at, operator, &["Equal", "Exists", "Lt", "Gt"]),
            _ => errors.not_supported(&at, operator, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            errors.one_of(&toleration, "effect", &TAINT_EFFECTS);
        }
    }
}

/// `validateTaintEffect` of a node's taint, which must have one.
pub(super) fn taint_effect(taint: &At<'_>, errors: &mut Errors) {
    errors.require_one_of(taint, "effect", &TAINT_EFFECTS);
}

/// `validateTopologySpreadConstraints`.
pub(super) fn spread(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let constraints: Vec<At<'_>> = spec.items("topologySpreadConstraints").collect();
    for (i, constraint) in constraints.iter().enumerate() {
        let (key, action) = (constraint.text("topologyKey"), constraint.text("whenUnsatisfiable"));
        positive(constraint, "maxSkew", errors);
        if key.is_empty() {
            errors.required(&constraint.at("topologyKey"), "can not be empty");
        }
        errors.one_of(constraint, "whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]);
        let repeated = constraints[i + 1..]
            .iter()
            .any(|o| o.text("topologyKey") == key && o.text("whenUnsatisfiable") == action);
        if repeated {
            let at = constraint.path().child("{topologyKey, whenUnsatisfiable}");
            errors.duplicate(&at, format!("{{{key}, {action}}}"));
        }
        if let Some(domains) = constraint.opt_int("minDomains") {
            positive(constraint, "minDomains", errors);
            if action != "DoNotSchedule" {
                let detail = format!(
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                );
                errors.invalid(&constraint.at("minDomains"), domains, detail);
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.optional_one_of(constraint, policy, &["Honor", "Ignore"]);
        }
        if leniency.any_spread_label_keys {
            legacy_spread_keys(constraint, errors);
        } else {
            label_keys(constraint, errors);
        }
        if !leniency.any_spread_selector {
            meta::label_selector(&constraint.get("labelSelector"), false, errors);
        }
    }
}

/// `ValidateMatchLabelKeysInTopologySpread`: as they were checked before keys were merged into the
/// selector.
fn legacy_spread_keys(constraint: &At<'_>, errors: &mut Errors) {
    if constraint.is_empty("matchLabelKeys") {
        return;
    }
    let (at, selector) = (constraint.at("matchLabelKeys"), constraint.get("labelSelector"));
    if !selector.is_set() {
        errors.forbidden(&at, "must not be specified when labelSelector is not set");
    }
    for (i, key) in constraint.texts("matchLabelKeys").enumerate() {
        meta::label_name(key, &at.index(i), errors);
        let selected = selector.entries("matchLabels").iter().any(|(k, _)| *k == key)
            || selector.items("matchExpressions").any(|e| e.text("key") == key);
        if selected {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.invalid(&at.index(i), key, detail);
        }
    }
}

/// Whether a constraint's keys break today's rules, which updates then do not insist on.
pub(super) fn has_bad_spread_keys(spec: &At<'_>) -> bool {
    spec.items("topologySpreadConstraints").any(|constraint| {
        let mut errors = Errors::default();
        label_keys(&constraint, &mut errors);
        !errors.is_empty()
    })
}

/// `ValidatePositiveField`.
pub(super) fn positive(of: &At<'_>, name: &str, errors: &mut Errors) {
    if of.int(name) <= 0 {
        errors.invalid(&of.at(name), of.int(name), "must be greater than zero");
    }
}

/// `ValidateTopologySelectorTerm` of each allowed topology; the path is the list's.
pub(super) fn topology_term(term: &At<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for requirement in term.items("matchLabelExpressions") {
        let (key, values) = (requirement.text("key"), requirement.at("values"));
        if requirement.is_empty("values") {
            errors.required(&values, "");
        }
        let given: Vec<&str> = requirement.texts("values").collect();
        for (i, value) in given.iter().enumerate() {
            if given[..i].contains(value) {
                errors.duplicate(&values.index(i), *value);
            }
        }
        meta::label_name(key, &requirement.at("key"), errors);
        if seen.contains(&key) {
            errors.duplicate(&requirement.at("key"), key);
        }
        seen.push(key);
    }
}

/// `validateReadinessGates`, `validateSchedulingGates`.
pub(super) fn gates(spec: &At<'_>, errors: &mut Errors) {
    for gate in spec.items("readinessGates") {
        let name = gate.text("conditionType");
        errors.invalid_for(&gate.at("conditionType"), name, names::qualified_name(name));
    }
    let mut seen: Vec<&str> = Vec::new();
    for gate in spec.items("schedulingGates") {
        let name = gate.text("name");
        errors.invalid_for(gate.path(), name, names::qualified_name(name));
        if seen.contains(&name) {
            errors.duplicate(gate.path(), name);
        }
        seen.push(name);
    }
}

//! Validation of HorizontalPodAutoscalers. After `pkg/apis/autoscaling/validation/validation.go`.

use serde_json::{Value, json};

use super::{At, Errors, meta, resources};
use crate::api::{names, schema};

const KINDS: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

/// Which API versions a reference may have.
#[derive(Clone, Copy, Debug)]
struct Reference {
    any: bool,
    empty_group: bool,
}

/// autoscaling/v1: validated as the autoscaling/v2 object that it stands for.
pub(super) fn autoscaler_v1(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let of = schema::named("autoscaling/v2.HorizontalPodAutoscaler").expect("it is in the table");
    let new = as_v2(new.value());
    let old = old.map(|old| as_v2(old.value()));
    let old = old.as_ref().map(|old| At::new(of, old));
    autoscaler(&At::new(of, &new), old.as_ref(), errors);
}

/// The target of CPU is the only metric that autoscaling/v1 has.
fn as_v2(v1: &Value) -> Value {
    let mut out = v1.clone();
    let Some(spec) = out.get_mut("spec").and_then(Value::as_object_mut) else { return out };
    if let Some(percent) = spec.shift_remove("targetCPUUtilizationPercentage") {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        spec.insert("metrics".into(), json!([metric]));
    }
    out
}

/// `ValidateHorizontalPodAutoscaler`, `ValidateHorizontalPodAutoscalerUpdate`.
pub(super) fn autoscaler(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let (spec, before) = (new.get("spec"), old.map(|old| old.get("spec")));
    let was_zero = before.as_ref().is_some_and(|old| old.opt_int("minReplicas") == Some(0));
    let (min, max) = (spec.opt_int("minReplicas"), spec.int("maxReplicas"));
    let least = i64::from(!was_zero);
    if let Some(min) = min.filter(|min| *min < least) {
        let detail = format!("must be greater than or equal to {least}");
        errors.invalid(&spec.at("minReplicas"), min, detail);
    }
    if max == 0 {
        errors.required(&spec.at("maxReplicas"), "must be set and greater than 0");
    } else if max < 0 {
        errors.invalid(&spec.at("maxReplicas"), max, "must be greater than or equal to 1");
    }
    if min.is_some_and(|min| max < min) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&spec.at("maxReplicas"), max, detail);
    }
    let target = spec.get("scaleTargetRef");
    let kept = before.as_ref().is_some_and(|old| {
        let old = old.get("scaleTargetRef");
        ["apiVersion", "kind"].iter().all(|field| old.text(field) == target.text(field))
    });
    let empty_group = !kept && target.text("kind") == "ReplicationController";
    reference(&target, Reference { any: kept, empty_group }, errors);
    let objects = Reference { any: false, empty_group: true };
    let was_bad = before.as_ref().is_some_and(|old| {
        old.items("metrics").filter(|m| m.text("type") == "Object" && m.has("object")).any(|m| {
            bad_version(m.get("object").get("describedObject").text("apiVersion"), objects)
                .is_some()
        })
    });
    metrics(&spec, Reference { any: was_bad, ..objects }, errors);
    for direction in ["scaleUp", "scaleDown"] {
        rules(&spec.get("behavior").get(direction), errors);
    }
}

/// `ValidateCrossVersionObjectReference`.
fn reference(of: &At<'_>, allowed: Reference, errors: &mut Errors) {
    for field in ["kind", "name"] {
        match of.text(field) {
            "" => errors.required(&of.at(field), ""),
            text => errors.invalid_for(&of.at(field), text, names::path_segment(text, false)),
        }
    }
    let version = of.text("apiVersion");
    if let Some(why) = bad_version(version, allowed) {
        errors.invalid(&of.at("apiVersion"), version, why);
    }
}

/// `ValidateAPIVersion`.
fn bad_version(version: &str, allowed: Reference) -> Option<String> {
    if allowed.any {
        return None;
    }
    let group = match version.split_once('/') {
        None => "",
        Some(("", "")) => "",
        Some((_, rest)) if rest.contains('/') => {
            return Some(format!("unexpected GroupVersion string: {version}"));
        }
        Some((group, _)) => group,
    };
    let missing = group.is_empty() && !allowed.empty_group;
    missing.then(|| "apiVersion must specify API group".to_owned())
}

/// `validateMetrics`.
fn metrics(spec: &At<'_>, objects: Reference, errors: &mut Errors) {
    let mut from_outside = false;
    for metric in spec.items("metrics") {
        self::metric(&metric, objects, errors);
        from_outside |= matches!(metric.text("type"), "Object" | "External");
    }
    if spec.opt_int("minReplicas") == Some(0) && !from_outside {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden(&spec.at("metrics"), detail);
    }
}

/// `validateMetricSpec`.
fn metric(metric: &At<'_>, objects: Reference, errors: &mut Errors) {
    let kind = metric.text("type");
    let supported = ["ContainerResource", "External", "Object", "Pods", "Resource"];
    if kind.is_empty() {
        errors.required(&metric.at("type"), "must specify a metric source type");
    }
    errors.one_of(metric, "type", &supported);
    let mut present: Vec<&str> =
        KINDS.iter().map(|(_, field)| *field).filter(|field| metric.has(field)).collect();
    if let Some(field) = present.first() {
        source(field, &metric.get(field), objects, errors);
    }
    let expected = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    match expected {
        Some(field) if !metric.has(field) => {
            let detail = "must populate information for the given metric source";
            errors.required(&metric.at(field), detail);
        }
        Some(_) => {}
        None => errors.one_of(metric, "type", &supported),
    }
    if present.len() != 1 {
        present.retain(|field| Some(*field) != expected);
        for field in present {
            errors.forbidden(&metric.at(field), "must populate the given metric source only");
        }
    }
}

fn source(field: &str, source: &At<'_>, objects: Reference, errors: &mut Errors) {
    let target = source.get("target");
    let has = |field: &str| target.has(field);
    let at = |field: &str| target.at(field);
    if field == "object" {
        reference(&source.get("describedObject"), objects, errors);
    }
    match field {
        "object" | "external" | "pods" => {
            let metric = source.get("metric");
            match metric.text("name") {
                "" => errors.required(&metric.at("name"), "must specify a metric name"),
                name => {
                    let messages = names::path_segment(name, false);
                    errors.invalid_for(&metric.at("name"), name, messages);
                }
            }
        }
        _ => resource_source(field, source, errors),
    }
    self::target(&target, errors);
    match field {
        "object" if !has("value") && !has("averageValue") => {
            let detail = "must set either a target value or averageValue";
            errors.required(&at("averageValue"), detail);
        }
        "external" => match (has("value"), has("averageValue")) {
            (false, false) => {
                let detail = "must set either a target value for metric or a per-pod target";
                errors.required(&at("averageValue"), detail);
            }
            (true, true) => {
                let detail = "may not set both a target value for metric and a per-pod target";
                errors.forbidden(&at("value"), detail);
            }
            _ => {}
        },
        "pods" if !has("averageValue") => {
            errors.required(&at("averageValue"), "must specify a positive target averageValue");
        }
        "resource" | "containerResource" => {
            match (has("averageUtilization"), has("averageValue")) {
                (false, false) => {
                    let detail = "must set either a target raw value or a target utilization";
                    errors.required(&at("averageUtilization"), detail);
                }
                (true, true) => {
                    let detail = "may not set both a target raw value and a target utilization";
                    errors.forbidden(&at("averageValue"), detail);
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn resource_source(field: &str, source: &At<'_>, errors: &mut Errors) {
    let name = source.text("name");
    if name.is_empty() {
        errors.required(&source.at("name"), "must specify a resource name");
    } else if field == "containerResource" {
        resources::container_name(name, &source.at("name"), errors);
    }
    if field == "containerResource" {
        match source.text("container") {
            "" => errors.required(&source.at("container"), "must specify a container"),
            name => errors.invalid_for(&source.at("container"), name, names::dns1123_label(name)),
        }
    }
}

/// `validateMetricTarget`.
fn target(target: &At<'_>, errors: &mut Errors) {
    let kind = target.text("type");
    if kind.is_empty() {
        errors.required(&target.at("type"), "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let detail = "must be either Utilization, Value, or AverageValue";
        errors.invalid(&target.at("type"), kind, detail);
    }
    for field in ["value", "averageValue"] {
        let amount = resources::quantity(target.raw(field));
        if target.has(field) && amount.sign() != 1 {
            errors.invalid(&target.at(field), amount.to_string(), "must be positive");
        }
    }
    if let Some(percent) = target.opt_int("averageUtilization").filter(|percent| *percent < 1) {
        errors.invalid(&target.at("averageUtilization"), percent, "must be greater than 0");
    }
}

/// `validateScalingRules`.
fn rules(rules: &At<'_>, errors: &mut Errors) {
    const WINDOW_MAX: i64 = 3600;
    if !rules.is_set() {
        return;
    }
    if let Some(window) = rules.opt_int("stabilizationWindowSeconds") {
        let at = rules.at("stabilizationWindowSeconds");
        if window < 0 {
            errors.invalid(&at, window, "must be greater than or equal to zero");
        }
        if window > WINDOW_MAX {
            errors.invalid(&at, window, format!("must be less than or equal to {WINDOW_MAX}"));
        }
    }
    errors.optional_one_of(rules, "selectPolicy", &["Disabled", "Max", "Min"]);
    if rules.is_empty("policies") {
        errors.required(&rules.at("policies"), "must specify at least one Policy");
    }
    for policy in rules.items("policies") {
        scaling_policy(&policy, errors);
    }
    if rules.has("tolerance") {
        let amount = resources::quantity(rules.raw("tolerance"));
        if amount.sign() < 0 {
            let detail = "must be greater than or equal to 0";
            errors.invalid(&rules.at("tolerance"), amount.to_string(), detail);
        }
    }
}

/// `validateScalingPolicy`.
fn scaling_policy(policy: &At<'_>, errors: &mut Errors) {
    const PERIOD_MAX: i64 = 1800;
    errors.one_of(policy, "type", &["Percent", "Pods"]);
    for field in ["value", "periodSeconds"] {
        let number = policy.int(field);
        if number <= 0 {
            errors.invalid(&policy.at(field), number, "must be greater than zero");
        }
        if field == "periodSeconds" && number > PERIOD_MAX {
            let detail = format!("must be less than or equal to {PERIOD_MAX}");
            errors.invalid(&policy.at(field), number, detail);
        }
    }
}

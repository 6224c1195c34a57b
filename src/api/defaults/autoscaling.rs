//! Defaults of HorizontalPodAutoscalers. After `pkg/apis/autoscaling/{v1,v2}/defaults.go`.

use serde_json::{Value, json};

use crate::api::fields::{Fields, fields_mut, fields_or_new, fill_absent, has_any};

/// `SetDefaults_HorizontalPodAutoscaler` of autoscaling/v1. The target of 80 % CPU comes with the
/// conversion.
pub(super) fn v1(autoscaler: &mut Fields) {
    fill_absent(fields_or_new(autoscaler, "spec"), "minReplicas", 1);
}

/// `SetDefaults_HorizontalPodAutoscaler` of autoscaling/v2: 80 % CPU without metrics, and both
/// directions filled in once a behaviour is given.
pub(super) fn v2(autoscaler: &mut Fields) {
    let spec = fields_or_new(autoscaler, "spec");
    fill_absent(spec, "minReplicas", 1);
    if !has_any(spec, "metrics") {
        spec.insert("metrics".into(), json!([default_metric()]));
    }
    let Some(behavior) = fields_mut(spec, "behavior") else { return };
    let up = fields_or_new(behavior, "scaleUp");
    fill_absent(up, "stabilizationWindowSeconds", 0);
    rules(up, &[("Pods", 4), ("Percent", 100)]);
    rules(fields_or_new(behavior, "scaleDown"), &[("Percent", 100)]);
}

/// The metric of an autoscaler that names none.
pub(super) fn default_metric() -> Value {
    json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
    }})
}

/// `copyHPAScalingRules`.
fn rules(rules: &mut Fields, policies: &[(&str, i32)]) {
    fill_absent(rules, "selectPolicy", "Max");
    let policies: Vec<Value> = policies
        .iter()
        .map(|(kind, value)| json!({"type": kind, "value": value, "periodSeconds": 15}))
        .collect();
    fill_absent(rules, "policies", policies);
}

/// Annotations in which old versions carry what their fields cannot.
const ANNOTATIONS: [&str; 6] = [
    "autoscaling.alpha.kubernetes.io/metrics",
    "autoscaling.alpha.kubernetes.io/behavior",
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "autoscaling.alpha.kubernetes.io/conditions",
];

/// autoscaling/v2 says everything in fields: the annotations go.
pub(super) fn normalise_v2(autoscaler: &mut Fields) {
    if let Some(annotations) = fields_mut(fields_or_new(autoscaler, "metadata"), "annotations") {
        annotations.retain(|key, _| !ANNOTATIONS.contains(&key.as_str()));
    }
}

/// autoscaling/v1 as it comes back from storage: the target of 80 % CPU when nothing is said.
/// Metrics and behaviour in annotations are kept as they were written.
pub(super) fn normalise_v1(autoscaler: &mut Fields) {
    let metrics = fields_or_new(autoscaler, "metadata")
        .get("annotations")
        .is_some_and(|a| a.get(ANNOTATIONS[0]).is_some());
    if !metrics {
        let spec = fields_or_new(autoscaler, "spec");
        fill_absent(spec, "targetCPUUtilizationPercentage", 80);
    }
}

//! HorizontalPodAutoscalers of autoscaling/v1 and v2beta1 as those of v2.
//!
//! Follows pkg/apis/autoscaling/v1/conversion.go (v2beta1's, gone since, had the same metrics). In v1
//! all metrics but the CPU live in annotations.

use serde_json::{Map, Value, json};

use super::Filled;

const ANNOTATIONS: [&str; 6] = [
    METRICS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

pub(super) fn from_v1(object: &mut Map<String, Value>, _: &mut Filled) {
    let annotation = |name: &str| {
        let text = object.get("metadata")?.get("annotations")?.get(name)?.as_str()?;
        serde_json::from_str::<Value>(text).ok()
    };
    let mut metrics: Vec<Value> = match annotation(METRICS) {
        Some(Value::Array(old)) => old.into_iter().map(metric).collect(),
        _ => Vec::new(),
    };
    let behavior =
        annotation(BEHAVIOR).map(uncapitalised).filter(|it| *it != json!({}) && it.is_object());
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(target) =
        spec.shift_remove("targetCPUUtilizationPercentage").filter(|it| !it.is_null())
    {
        metrics.push(cpu(&target));
    }
    if !metrics.is_empty() {
        spec.insert("metrics".into(), metrics.into());
    }
    if let Some(behavior) = behavior {
        spec.insert("behavior".into(), behavior);
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.shift_remove("currentCPUUtilizationPercentage");
    }
    drop_annotations(object);
}

fn drop_annotations(object: &mut Map<String, Value>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return;
    };
    let before = annotations.len();
    annotations.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
    if annotations.is_empty() && before > 0 {
        metadata.shift_remove("annotations");
    }
}

fn cpu(target: &Value) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": target});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

pub(super) fn from_v2beta1(object: &mut Map<String, Value>, _: &mut Filled) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(Value::Array(metrics)) = spec.get_mut("metrics") {
        for slot in metrics {
            *slot = metric(slot.take());
        }
    }
    // Its status is in the old form as well, and is the controller's to write anew.
    object.shift_remove("status");
}

/// One metric in the form that v2beta1 and the annotations of v1 have. Fields it does not know stay.
fn metric(old: Value) -> Value {
    let Value::Object(mut metric) = old else { return old };
    for (source, convert) in [
        ("resource", resource as fn(&mut Map<String, Value>)),
        ("containerResource", resource),
        ("pods", pods),
        ("object", object_metric),
        ("external", external),
    ] {
        if let Some(Value::Object(source)) = metric.get_mut(source) {
            convert(source);
        }
    }
    Value::Object(metric)
}

/// Moves `from` into `into[to]`, if it is there.
fn take(source: &mut Map<String, Value>, from: &str, into: &mut Map<String, Value>, to: &str) {
    if let Some(value) = source.shift_remove(from).filter(|value| !value.is_null()) {
        into.insert(to.to_owned(), value);
    }
}

fn target(kind: &str) -> Map<String, Value> {
    let mut target = Map::new();
    target.insert("type".into(), kind.into());
    target
}

fn has(source: &Map<String, Value>, key: &str) -> bool {
    source.get(key).is_some_and(|value| !value.is_null())
}

fn resource(source: &mut Map<String, Value>) {
    let kind = if has(source, "targetAverageUtilization") { "Utilization" } else { "AverageValue" };
    let mut target = target(kind);
    take(source, "targetAverageUtilization", &mut target, "averageUtilization");
    take(source, "targetAverageValue", &mut target, "averageValue");
    source.insert("target".into(), target.into());
}

/// Takes the name and the selector of a metric out of `source`.
fn identifier(source: &mut Map<String, Value>, selector: &str) -> Value {
    let mut identifier = Map::new();
    take(source, "metricName", &mut identifier, "name");
    take(source, selector, &mut identifier, "selector");
    identifier.into()
}

fn pods(source: &mut Map<String, Value>) {
    let metric = identifier(source, "selector");
    let mut target = target("AverageValue");
    take(source, "targetAverageValue", &mut target, "averageValue");
    source.insert("metric".into(), metric);
    source.insert("target".into(), target.into());
}

fn object_metric(source: &mut Map<String, Value>) {
    let metric = identifier(source, "selector");
    let described = source.shift_remove("target").unwrap_or_else(|| json!({}));
    let average = has(source, "averageValue");
    let mut target = target(if average { "AverageValue" } else { "Value" });
    if average && matches!(source.get("targetValue").and_then(Value::as_str), Some("0" | "")) {
        source.shift_remove("targetValue");
    }
    take(source, "targetValue", &mut target, "value");
    take(source, "averageValue", &mut target, "averageValue");
    source.insert("describedObject".into(), described);
    source.insert("metric".into(), metric);
    source.insert("target".into(), target.into());
}

fn external(source: &mut Map<String, Value>) {
    let metric = identifier(source, "metricSelector");
    let mut target = target(if has(source, "targetValue") { "Value" } else { "AverageValue" });
    take(source, "targetValue", &mut target, "value");
    take(source, "targetAverageValue", &mut target, "averageValue");
    source.insert("metric".into(), metric);
    source.insert("target".into(), target.into());
}

/// The annotation holds Go's names (`ScaleUp`); the fields begin with a small letter. Nulls go.
fn uncapitalised(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|c| c.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), uncapitalised(value))
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(uncapitalised).collect(),
        value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(convert: fn(&mut Map<String, Value>, &mut Filled), mut object: Value) -> Value {
        convert(object.as_object_mut().unwrap(), &mut Filled::default());
        object
    }

    #[test]
    fn metrics_of_the_first_version_come_from_annotations() {
        let old = json!({
            "metadata": {"annotations": {
                METRICS: "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"q\",\"targetAverageValue\":\"1k\"}}]",
                BEHAVIOR: "{\"ScaleDown\":{\"StabilizationWindowSeconds\":60,\"SelectPolicy\":null}}",
            }},
            "spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 55},
        });
        assert_eq!(
            converted(from_v1, old),
            json!({
                "metadata": {},
                "spec": {
                    "maxReplicas": 5,
                    "metrics": [
                        {"type": "Pods", "pods": {
                            "metric": {"name": "q"},
                            "target": {"type": "AverageValue", "averageValue": "1k"}}},
                        {"type": "Resource", "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 55}}},
                    ],
                    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
                },
            })
        );
    }

    #[test]
    fn metrics_of_the_first_beta_get_a_target() {
        let old = json!({"spec": {"metrics": [
            {"type": "Object", "object": {"target": {"kind": "Service", "name": "s"}, "metricName": "hits", "targetValue": "10"}},
            {"type": "External", "external": {"metricName": "q", "metricSelector": {"matchLabels": {"a": "b"}}, "targetAverageValue": "3"}},
        ]}});
        assert_eq!(
            converted(from_v2beta1, old)["spec"]["metrics"],
            json!([
                {"type": "Object", "object": {
                    "describedObject": {"kind": "Service", "name": "s"},
                    "metric": {"name": "hits"},
                    "target": {"type": "Value", "value": "10"}}},
                {"type": "External", "external": {
                    "metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}},
                    "target": {"type": "AverageValue", "averageValue": "3"}}},
            ])
        );
    }
}

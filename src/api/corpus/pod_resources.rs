//! The `pod-resources` corpus: a pod's effective requests and limits, its class and priority.

use serde_json::{Map, Value, json};

use super::defaulting::difference;
use crate::api::fields::{Fields, fields, int};
use crate::api::resources::{self, Options, ResourceList};
use crate::api::{defaults, schema};

/// Checks one case.
pub fn check(case: &Value) -> Result<(), String> {
    let of = schema::kind("v1", "Pod").ok_or("no shape of pods")?;
    let decoded = schema::decode(of, &case["in"]["object"]).map_err(|e| e.to_string())?.value;
    let mut defaulted = decoded.clone();
    defaults::apply(of, &mut defaulted);
    let priority = |pod: &Value| pod["spec"].as_object().map_or(0, |spec| int(spec, "priority"));
    let ours = json!({
        "asGiven": sums(&decoded),
        "defaulted": sums(&defaulted),
        "priority": priority(&defaulted),
    });
    difference("", &ours, &case["out"]).map_or(Ok(()), Err)
}

fn sums(pod: &Value) -> Value {
    let empty = Fields::new();
    let pod = pod.as_object().unwrap_or(&empty);
    let plain = Options::default();
    let no_overhead = Options { exclude_overhead: true, ..plain };
    let skip = Options { skip_pod_level: true, ..plain };
    let status = Options { use_status: true, ..plain };
    json!({
        "aggregateContainerRequest": list(&resources::aggregate(pod, "requests", plain)),
        "requests": list(&resources::pod_requests(pod, plain)),
        "requestsNoOverhead": list(&resources::pod_requests(pod, no_overhead)),
        "requestsSkipPodLevel": list(&resources::pod_requests(pod, skip)),
        "requestsUseStatus": list(&resources::pod_requests(pod, status)),
        "limits": list(&resources::pod_limits(pod, plain)),
        "limitsSkipPodLevel": list(&resources::pod_limits(pod, skip)),
        "podLevelSet": fields(pod, "spec").is_some() && resources::is_pod_level_set(pod),
        "qosClass": resources::compute_qos_class(pod),
    })
}

fn list(amounts: &ResourceList) -> Value {
    let entries = amounts.iter().map(|(name, q)| {
        let shown = json!({"s": q.to_string(), "value": q.value(), "milli": q.milli_value()});
        (name.clone(), shown)
    });
    Value::Object(Map::from_iter(entries))
}

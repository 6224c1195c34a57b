//! The `pod-resources` corpus: a pod's effective requests and limits, its class and priority.
//!
//! The recorded sums of a case were taken one after the other of one object. Upstream's addition
//! changes a pod-level amount that needs arbitrary precision (`1.5Gi`) in place, so that each sum with
//! overhead leaves the overhead in the object for the next ([`left`]).

use serde_json::{Map, Value, json};

use super::defaulting::difference;
use crate::api::fields::{Fields, fields, int};
use crate::api::resources::{self, Options, ResourceList};
use crate::api::{defaults, schema};
use crate::base::quantity::Quantity;

/// Checks one case.
pub fn check(case: &Value) -> Result<(), String> {
    let of = schema::kind("v1", "Pod").ok_or("no shape of pods")?;
    let decoded = schema::decode(of, &case["in"]["object"]).map_err(|e| e.to_string())?.value;
    let mut defaulted = decoded.clone();
    defaults::apply(of, &mut defaulted);
    let priority = |pod: &Value| pod["spec"].as_object().map_or(0, |spec| int(spec, "priority"));
    let ours = json!({
        "asGiven": sums(&decoded, &case["in"]["object"]),
        "defaulted": sums(&defaulted, &case["in"]["object"]),
        "priority": priority(&defaulted),
    });
    difference("", &ours, &case["out"]).map_or(Ok(()), Err)
}

fn sums(pod: &Value, written: &Value) -> Value {
    let empty = Fields::new();
    let pod = pod.as_object().unwrap_or(&empty);
    let plain = Options::default();
    let no_overhead = Options { exclude_overhead: true, ..plain };
    let skip = Options { skip_pod_level: true, ..plain };
    let status = Options { use_status: true, ..plain };
    let after = left(pod, written);
    json!({
        "aggregateContainerRequest": list(&resources::aggregate(pod, "requests", plain)),
        "requests": list(&resources::pod_requests(pod, plain)),
        "requestsNoOverhead": list(&resources::pod_requests(&after, no_overhead)),
        "requestsSkipPodLevel": list(&resources::pod_requests(pod, skip)),
        "requestsUseStatus": list(&resources::pod_requests(&after, status)),
        "limits": list(&resources::pod_limits(pod, plain)),
        "limitsSkipPodLevel": list(&resources::pod_limits(pod, skip)),
        "podLevelSet": fields(pod, "spec").is_some() && resources::is_pod_level_set(pod),
        "qosClass": resources::compute_qos_class(pod),
    })
}

/// The pod as upstream's first sum of its requests leaves it; `written` is the pod as it was written,
/// since reading keeps only the canonical text.
fn left(pod: &Fields, written: &Value) -> Fields {
    let mut out = pod.clone();
    let Some(spec) = fields(pod, "spec") else { return out };
    let Some(level) = fields(spec, "resources") else { return out };
    let overhead = resources::list(spec, "overhead");
    let is_long = |name: &str, have: &Quantity| {
        let amounts = &written["spec"]["resources"];
        let text = amounts["requests"][name].as_str().or_else(|| amounts["limits"][name].as_str());
        let amount = text.and_then(|t| t.parse::<Quantity>().ok());
        amount.is_some_and(|q| q == *have && q.as_small().is_none())
    };
    for (name, mut amount) in resources::list(level, "requests") {
        if let Some(more) = overhead.get(&name).filter(|_| is_long(&name, &amount)) {
            amount.add(more);
            if let Some(spec) = out.get_mut("spec") {
                spec["resources"]["requests"][&name] = amount.to_string().into();
            }
        }
    }
    out
}

fn list(amounts: &ResourceList) -> Value {
    let entries = amounts.iter().map(|(name, q)| {
        let shown = json!({"s": q.to_string(), "value": q.value(), "milli": q.milli_value()});
        (name.clone(), shown)
    });
    Value::Object(Map::from_iter(entries))
}

//! Corpora `hpa-replicas` and `hpa-behavior`.

use std::time::Duration;

use serde_json::{Value, json};

use super::behavior::{Bounds, History, ScaleEvent, normalize};
use super::replicas::{
    Delays, Given, Measured, Proposal, Sample, Tolerances, for_average, for_utilization, for_value,
    for_value_per_pod,
};
use crate::api::corpus::same;
use crate::base::time::SimTime;
use crate::model::wire::autoscaling::HorizontalPodAutoscalerSpec;
use crate::model::{ConditionStatus, Phase};

const NOW: SimTime = SimTime::from_secs(1_000_000);
/// The window of every recorded measurement.
const WINDOW: Duration = Duration::from_mins(1);

/// Checks one case of `hpa-replicas`.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check_replicas(case: &Value) -> Result<(), String> {
    let (given_in, out) = (&case["in"], &case["out"]);
    let whole = |field: &str| given_in[field].as_i64().unwrap_or(0);
    // Memory is measured in thousands of what the cases are written in.
    let unit = if given_in["resource"] == "memory" { 1000 } else { 1 };
    let written: Vec<&Value> = given_in["pods"].as_array().into_iter().flatten().collect();
    let pods: Vec<Measured> = written.iter().map(|pod| measured(pod, unit)).collect();
    let ratio = |field: &str| given_in[field].as_f64().unwrap_or(0.1);
    let given = Given {
        current: i32::try_from(whole("currentReplicas")).unwrap_or(0),
        tolerances: Tolerances { down: ratio("toleranceDown"), up: ratio("toleranceUp") },
        delays: Delays::default(),
        pods: &pods,
        now: NOW,
    };
    let target = whole("targetMilli");
    let external = given_in["externalMetricsMilli"].as_array().into_iter().flatten();
    let total = external.filter_map(Value::as_i64).fold(0_i64, i64::saturating_add);
    let result = match given_in["fn"].as_str().unwrap_or_default() {
        "GetResourceReplicas" => {
            let resource = given_in["resource"].as_str().unwrap_or_default();
            let target = i32::try_from(whole("targetUtilization")).unwrap_or(0);
            for_utilization(given, resource == "cpu", target, |i| {
                let name = written[i]["name"].as_str().unwrap_or_default();
                written[i]["requestMilli"][resource].as_i64().ok_or_else(|| {
                    format!("missing request for {resource} in container c of Pod {name}")
                })
            })
        }
        "GetRawResourceReplicas(cpu)" => for_average(given, true, target),
        "GetMetricReplicas" => for_average(given, false, target),
        "GetObjectMetricReplicas" => for_value(given, whole("objectMetricMilli"), target),
        "GetExternalMetricReplicas" => for_value(given, total, target),
        "GetObjectPerPodMetricReplicas" => {
            Ok(for_value_per_pod(given, whole("objectMetricMilli"), target))
        }
        "GetExternalPerPodMetricReplicas" => Ok(for_value_per_pod(given, total, target)),
        other => return Err(format!("no function {other}")),
    };
    compare(&result, out, &written)
}

/// Where several pods lack a request, upstream names any of them.
fn compare(result: &Result<Proposal, String>, out: &Value, pods: &[&Value]) -> Result<(), String> {
    let recorded = out["error"].as_str();
    let error = result.as_ref().err().map(String::as_str);
    let stem = |text: &str| text.split(" of Pod ").next().unwrap_or_default().to_owned();
    let known =
        |text: &str| pods.iter().any(|p| p["name"].as_str().is_some_and(|n| text.ends_with(n)));
    if error.map(stem) != recorded.map(stem)
        || recorded.is_some_and(|e| e.contains(" of Pod ") && !known(e))
    {
        return same("error", &json!(error), &out["error"]);
    }
    let ours = result.as_ref().map_or(0, |p| p.replicas);
    same("replicas", &json!(ours), &out["replicas"])?;
    let Ok(proposal) = result else { return Ok(()) };
    for (field, ours) in [
        ("averageMilli", json!(proposal.usage)),
        ("valueMilli", json!(proposal.usage)),
        ("rawAverageMilli", json!(proposal.usage)),
        ("utilization", json!(proposal.utilization)),
    ] {
        if out.get(field).is_some() {
            same(field, &ours, &out[field])?;
        }
    }
    Ok(())
}

fn measured(pod: &Value, unit: i64) -> Measured {
    let phase = match pod["phase"].as_str().unwrap_or_default() {
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        "Pending" => Phase::Pending,
        _ => Phase::Unknown,
    };
    let since = ago(&pod["readyTransitionSecondsAgo"]);
    let ready = pod["ready"].as_str().map(ConditionStatus::parse);
    Measured {
        name: pod["name"].as_str().unwrap_or_default().into(),
        phase,
        deleting: pod["deleting"].as_bool().unwrap_or(false),
        started: ago(&pod["startedSecondsAgo"]),
        ready: ready.zip(since),
        sample: pod["metricMilli"].as_i64().map(|value| Sample {
            value: value * unit,
            at: ago(&pod["metricAgeSeconds"]).unwrap_or(NOW),
            window: WINDOW,
        }),
    }
}

fn ago(seconds: &Value) -> Option<SimTime> {
    seconds.as_f64().map(|s| NOW - Duration::from_secs_f64(s))
}

/// Checks one case of `hpa-behavior`.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check_behavior(case: &Value) -> Result<(), String> {
    let (given, out) = (&case["in"], &case["out"]);
    let spec: HorizontalPodAutoscalerSpec =
        serde_json::from_value(defaulted(&given["spec"])?).map_err(|e| e.to_string())?;
    let whole = |field: &str| i32::try_from(given[field].as_i64().unwrap_or(0)).unwrap_or(0);
    let listed = |field: &str| {
        let entries = given[field].as_array().into_iter().flatten();
        let value = |e: &Value| i32::try_from(e["value"].as_i64()?).ok();
        entries
            .filter_map(|e| Some((ago(&e["ageSeconds"])?, value(e)?)))
            .collect::<Vec<(SimTime, i32)>>()
    };
    let events = |field: &str| {
        let all = listed(field).into_iter();
        all.map(|(at, change)| ScaleEvent { at, change, outdated: false }).collect()
    };
    let mut history = History {
        recommendations: listed("recommendations"),
        ups: events("scaleUpEvents"),
        downs: events("scaleDownEvents"),
    };
    let bounds = Bounds {
        min: spec.min_replicas.unwrap_or(1),
        max: spec.max_replicas,
        current: whole("currentReplicas"),
    };
    let got =
        normalize(spec.behavior.as_ref(), &mut history, bounds, whole("desiredReplicas"), NOW);
    same("replicas", &json!(got.replicas), &out["replicas"])?;
    let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
        let status = ConditionStatus::from(holds).as_str();
        json!({"type": kind, "status": status, "reason": reason, "message": message})
    };
    let (limits, reason, message) = &got.limited;
    let conditions = json!([
        condition("AbleToScale", true, got.able.0, &got.able.1),
        condition("ScalingLimited", *limits, reason, message),
    ]);
    same("conditions", &conditions, &out["conditions"])
}

/// The spec as the API server defaults it.
fn defaulted(spec: &Value) -> Result<Value, String> {
    let object = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"}, "spec": spec});
    let of = crate::api::schema::kind("autoscaling/v2", "HorizontalPodAutoscaler")
        .ok_or("no shape of autoscalers")?;
    let mut decoded = crate::api::schema::decode(of, &object).map_err(|e| e.to_string())?.value;
    crate::api::defaults::apply(of, &mut decoded);
    Ok(crate::api::schema::encode(of, &decoded)["spec"].take())
}

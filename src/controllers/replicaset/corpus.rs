//! Corpus `pod-deletion-order`: which pods go first when there are too many.

use serde_json::{Value, json};

use super::rank;
use crate::api::corpus::same;
use crate::base::time::SimTime;
use crate::model::{
    ContainerState, ContainerStatus, Labels, Meta, Phase, Pod, PodCondition, PodStatus,
    PodTemplate, Uid, conditions,
};

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let now = time(&case["in"]["now"]);
    let given = case["in"]["pods"].as_array().map(Vec::as_slice).unwrap_or_default();
    let given: Vec<(Pod, u32)> = given.iter().map(pod).collect();
    let mut pods: Vec<&(Pod, u32)> = given.iter().collect();
    rank::sort(&mut pods, &|(a, x), (b, y)| rank::first_deleted(a, *x, b, *y, now).is_lt());
    let names: Vec<&str> = pods.iter().map(|(p, _)| p.meta.name.as_str()).collect();
    same("deleteOrder", &json!(names), &case["out"]["deleteOrder"])
}

fn time(text: &Value) -> Option<SimTime> {
    let at = chrono::DateTime::parse_from_rfc3339(text.as_str()?).ok()?;
    SimTime::from_utc(at.to_utc())
}

fn pod(given: &Value) -> (Pod, u32) {
    let text = |field: &str| given[field].as_str().unwrap_or_default();
    let template = PodTemplate {
        labels: Labels::default(),
        annotations: Labels::default(),
        finalizers: Vec::new(),
        node: None,
        spec: std::sync::Arc::new(crate::model::PodSpec::compile(Default::default())),
    };
    let cost = given["deletionCost"].as_str();
    let cost = cost.map(|c| ("controller.kubernetes.io/pod-deletion-cost".into(), c.into()));
    let ready = time(&given["readySince"]).map(|since| PodCondition {
        kind: conditions::READY.into(),
        status: true.into(),
        reason: "".into(),
        message: "".into(),
        since,
        observed_generation: 0,
    });
    let restarts = given["restartCounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pod = Pod {
        meta: Meta {
            name: text("name").into(),
            uid: Uid::parse(&format!("{}-0000-0000-0000-000000000000", text("uid")))
                .unwrap_or_default(),
            created: time(&given["creationTimestamp"]).unwrap_or_default(),
            annotations: cost.into_iter().collect(),
            ..Meta::default()
        },
        spec: template.spec,
        node: Some(text("nodeName")).filter(|n| !n.is_empty()).map(Into::into),
        identity: None,
        made_for: None,
        status: PodStatus {
            phase: match text("phase") {
                "Running" => Phase::Running,
                "Unknown" => Phase::Unknown,
                _ => Phase::Pending,
            },
            conditions: ready.into_iter().collect(),
            containers: restarts.iter().map(container).collect(),
            ..PodStatus::default()
        },
    };
    (pod, given["rank"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0))
}

fn container(restarts: &Value) -> ContainerStatus {
    ContainerStatus {
        name: "c".into(),
        state: ContainerState::Waiting { reason: "".into(), message: "".into() },
        last: None,
        ready: false,
        started: None,
        restart_count: restarts.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        image: "".into(),
        image_id: "".into(),
        container_id: 0,
        given: None,
    }
}

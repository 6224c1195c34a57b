//! Jobs and pods for the tests of this folder, written in a line each.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::round::{Memory, Round};
use crate::api::convert::{from_wire, pod_status_from_wire};
use crate::api::typed::Typed;
use crate::base::time::SimTime;
use crate::model::wire::{batch, core};
use crate::model::{Deletion, Job, Object, Pod, Uid};

/// The time of the tests.
pub(super) const NOW: SimTime = SimTime::from_secs(1_000_000);

/// `NOW` less that many seconds.
pub(super) fn ago(seconds: u64) -> SimTime {
    NOW - Duration::from_secs(seconds)
}

/// A Job with that spec, beside a template and the defaults that matter.
pub(super) fn job(spec: &Value) -> Job {
    let mut whole = json!({
        "parallelism": 1, "completions": 1, "backoffLimit": 6,
        "selector": {"matchLabels": {"job": "j"}},
        "template": {
            "metadata": {"labels": {"job": "j"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main"}]},
        },
    });
    if let (Some(whole), Some(spec)) = (whole.as_object_mut(), spec.as_object()) {
        for (field, value) in spec {
            if value.is_null() {
                whole.remove(field);
            } else {
                whole.insert(field.clone(), value.clone());
            }
        }
    }
    let meta = json!({"name": "j", "namespace": "default", "uid": Uid::from_random(7).to_string()});
    let document = json!({"metadata": meta, "spec": whole});
    let wire: batch::Job = serde_json::from_value(document).unwrap();
    let Ok(Object::Job(job)) = from_wire(Typed::Job(wire)) else { panic!("no Job") };
    Arc::unwrap_or_clone(job)
}

/// Pods of a Job, one for each text: `Running`, `Failed exit=3 ended=20`, `Pending index=2 deleted`,
/// `Running restarts=4`, `Succeeded counted`, `Failed index=1 failures=2 target`.
///
/// `ended` is how many seconds ago the container ended, `counted` says that the finalizer is gone,
/// `target` that a disruption took the pod away.
pub(super) fn pods_of(job: &Job, all: &[&str]) -> Vec<Arc<Pod>> {
    let numbered = all.iter().enumerate();
    numbered.map(|(i, text)| Arc::new(pod(job, u128::try_from(i).unwrap() + 1, text))).collect()
}

fn pod(job: &Job, number: u128, text: &str) -> Pod {
    let mut pod = super::pods::plain_pod(job);
    pod.node = (text != "Pending").then(|| "node-1".into());
    pod.meta.name = format!("j-{number}").into();
    pod.meta.uid = uid(number);
    pod.meta.created = ago(1000);
    let mut words = text.split_whitespace();
    let phase = words.next().unwrap_or_default();
    let (mut exit, mut ended, mut restarts) = (i32::from(phase == "Failed"), 1, 0);
    let mut conditions = Vec::new();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "exit" => exit = value.parse().unwrap(),
            "ended" => ended = value.parse().unwrap(),
            "restarts" => restarts = value.parse().unwrap(),
            "index" => annotate(&mut pod, super::pods::INDEX, value),
            "failures" => annotate(&mut pod, super::pods::INDEX_FAILURES, value),
            "ready" => conditions.push(json!({"type": "Ready", "status": "True"})),
            "target" => conditions.push(json!({"type": "DisruptionTarget", "status": "True"})),
            "counted" => pod.meta.finalizers.clear(),
            "deleted" => {
                let grace = Duration::from_secs(30);
                pod.meta.deletion = Some(Deletion { at: NOW + grace, grace });
            }
            other => panic!("{other}?"),
        }
    }
    let state = match phase {
        "Succeeded" | "Failed" => json!({"terminated": {
            "exitCode": exit, "startedAt": ago(900).to_rfc3339(), "finishedAt": ago(ended).to_rfc3339(),
        }}),
        "Running" => json!({"running": {"startedAt": ago(900).to_rfc3339()}}),
        _ => json!({"waiting": {"reason": "ContainerCreating"}}),
    };
    let container = json!({"name": "main", "image": "", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state});
    let status =
        json!({"phase": phase, "conditions": conditions, "containerStatuses": [container]});
    let status: core::PodStatus = serde_json::from_value(status).unwrap();
    pod.status = pod_status_from_wire(status);
    pod
}

fn annotate(pod: &mut Pod, name: &str, value: &str) {
    pod.meta.annotations = pod.meta.annotations.with(name, value);
}

/// The uid of the pod of that number, from 1 on.
pub(super) fn uid(number: u128) -> Uid {
    Uid::from_random(number << 64)
}

/// A look at a Job with these pods, all of whose news has been heard.
pub(super) fn look(job: &Job, all: &[&str]) -> Round {
    Round::new(job, pods_of(job, all), Memory { satisfied: true, ..Memory::default() }, NOW)
}

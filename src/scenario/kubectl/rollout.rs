//! `kubectl rollout`.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::args::Args;
use super::edit::change;
use super::resource::objects;
use super::{Look, Task};
use crate::api::convert;
use crate::model::{Kind, Object};
use crate::store::PatchType;

/// Numbers the revisions of a Deployment.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// Names the revision of a ReplicaSet's pods.
const HASH: &str = "pod-template-hash";

/// `kubectl rollout restart|pause|resume|undo KIND/NAME [--to-revision=N]`.
pub(super) fn rollout(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let Some((what, rest)) = args.words.split_first() else {
        return Err("error: kubectl rollout needs restart, pause, resume or undo".to_owned());
    };
    let mut of = args.clone();
    of.words = rest.to_vec();
    let mut tasks = VecDeque::new();
    for object in objects(&of, look)? {
        let (patch, kind, done) = match what.as_str() {
            "restart" => {
                let at = json!({"kubectl.kubernetes.io/restartedAt": look.now.to_rfc3339()});
                let patch = json!({"spec": {"template": {"metadata": {"annotations": at}}}});
                (patch, PatchType::Merge, "restarted")
            }
            "pause" => (json!({"spec": {"paused": true}}), PatchType::Merge, "paused"),
            "resume" => (json!({"spec": {"paused": null}}), PatchType::Merge, "resumed"),
            "undo" => {
                let to = args.number("to-revision")?.unwrap_or(0);
                (undo(&object, i64::from(to), look)?, PatchType::Json, "rolled back")
            }
            other => return Err(format!("error: \"kubectl rollout {other}\" is not modelled")),
        };
        tasks.push_back(change(&object, patch, kind, None, done));
    }
    Ok(tasks)
}

/// The patch that puts an earlier template in the place of the present one (`kubectl`'s rollbackers).
fn undo(object: &Object, to: i64, look: &Look<'_>) -> Result<Value, String> {
    let uid = object.meta().uid;
    let (kind, revision_of): (Kind, fn(&Object) -> i64) = match object.kind() {
        Kind::Deployment => (Kind::ReplicaSet, |o| {
            o.meta().annotations.get(REVISION).and_then(|r| r.parse().ok()).unwrap_or(0)
        }),
        Kind::StatefulSet | Kind::DaemonSet => (Kind::ControllerRevision, |o| match o {
            Object::ControllerRevision(r) => r.body.revision,
            _ => 0,
        }),
        kind => {
            return Err(format!(
                "error: no rollbacker has been implemented for {:?}",
                kind.as_str()
            ));
        }
    };
    let owned = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == uid);
    let mut history: Vec<(i64, &Object)> =
        look.store.list(kind).filter(owned).map(|o| (revision_of(o), o)).collect();
    history.sort_by_key(|(revision, _)| *revision);
    let wanted = if to > 0 {
        history.iter().find(|(revision, _)| *revision == to)
    } else {
        history.len().checked_sub(2).and_then(|i| history.get(i))
    };
    let Some((_, found)) = wanted else {
        return Err(if to > 0 {
            format!("error: unable to find specified revision {to} in history")
        } else {
            "error: no last revision to roll back to".to_owned()
        });
    };
    let whole = convert::to_wire(found).to_value();
    let mut template = match object.kind() {
        Kind::Deployment => whole["spec"]["template"].clone(),
        _ => whole["data"]["spec"]["template"].clone(),
    };
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.shift_remove(HASH);
    }
    if let Some(fields) = template.as_object_mut() {
        fields.shift_remove("$patch");
    }
    Ok(json!([{"op": "replace", "path": "/spec/template", "value": template}]))
}

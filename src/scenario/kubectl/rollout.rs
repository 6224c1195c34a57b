//! `kubectl rollout history|pause|restart|resume|undo`.
//!
//! After `pkg/cmd/rollout` and `pkg/polymorphichelpers`.

use serde_json::{Value, json};

use super::apply::LAST_APPLIED;
use super::args::Args;
use super::output::{DryRun, Printer, to_yaml};
use super::resource::{self, Info, Ways, to_value};
use super::table::{DRY_RUN, FILES, MANAGER, PRINT, SELECTOR, Treatment, Verb, number};
use super::{Cx, Done, Failure, OnError, Send, Task, Tasks, kept};
use crate::model::{Kind, Object};
use crate::store::{PatchType, Request, Store, WireVerb};

pub(super) const VERBS: &[Verb] = &[
    Verb {
        path: "rollout history",
        aliases: &[],
        usage: "rollout history (TYPE NAME | TYPE/NAME) [flags] [options]",
        about: "View previous rollout revisions and configurations.",
        flags: &[FILES, PRINT, SELECTOR, &[number("revision", "0")]],
        treatment: Treatment::Simplified("the pod template of a revision is shown as YAML"),
        plan: history,
    },
    Verb {
        path: "rollout pause",
        aliases: &[],
        usage: "rollout pause RESOURCE [options]",
        about: "Mark the provided resource as paused.",
        flags: &[FILES, PRINT, SELECTOR, MANAGER],
        treatment: Treatment::Modelled,
        plan: |args, cx| change(args, cx, &PAUSE),
    },
    Verb {
        path: "rollout resume",
        aliases: &[],
        usage: "rollout resume RESOURCE [options]",
        about: "Resume a paused resource.",
        flags: &[FILES, PRINT, SELECTOR, MANAGER],
        treatment: Treatment::Modelled,
        plan: |args, cx| change(args, cx, &RESUME),
    },
    Verb {
        path: "rollout restart",
        aliases: &[],
        usage: "rollout restart RESOURCE [options]",
        about: "Restart a resource.",
        flags: &[FILES, PRINT, SELECTOR, MANAGER],
        treatment: Treatment::Modelled,
        plan: |args, cx| change(args, cx, &RESTART),
    },
    Verb {
        path: "rollout undo",
        aliases: &[],
        usage: "rollout undo (TYPE NAME | TYPE/NAME) [flags] [options]",
        about: "Roll back to a previous rollout.",
        flags: &[FILES, PRINT, SELECTOR, DRY_RUN, &[number("to-revision", "0")]],
        treatment: Treatment::Modelled,
        plan: undo,
    },
];

/// Numbers the revisions of a Deployment.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// Why a revision was made.
const CAUSE: &str = "kubernetes.io/change-cause";
/// Names the revision of a ReplicaSet's pods.
const HASH: &str = "pod-template-hash";

/// The objects of a line of `kubectl rollout`.
pub(super) fn targets(args: &Args, cx: &Cx<'_>) -> Result<(Vec<Info>, Vec<Failure>), Failure> {
    if args.words.is_empty() && args.list("filename").is_empty() {
        return Err("required resource not specified".into());
    }
    let ways = Ways { bare_type: true, ..Ways::default() };
    Ok(resource::find(args, cx, ways)?.split())
}

fn nothing(cx: &Cx<'_>) -> Tasks {
    vec![Task::Warn(format!("No resources found in {} namespace.\n", cx.namespace))]
}

/// A change of workloads: what is done, and how.
struct Change {
    done: &'static str,
    edit: fn(&Info, &mut Value, &Cx<'_>) -> Result<(), String>,
}

const PAUSE: Change = Change {
    done: "paused",
    edit: |info, whole, _| {
        if info.resource.model != Kind::Deployment {
            return Err("pausing is not supported".to_owned());
        }
        if whole["spec"]["paused"] == true {
            return Err("is already paused".to_owned());
        }
        whole["spec"]["paused"] = true.into();
        Ok(())
    },
};

const RESUME: Change = Change {
    done: "resumed",
    edit: |info, whole, _| {
        if info.resource.model != Kind::Deployment {
            return Err("resuming is not supported".to_owned());
        }
        if whole["spec"]["paused"] != true {
            return Err("is not paused".to_owned());
        }
        if let Some(spec) = whole["spec"].as_object_mut() {
            spec.shift_remove("paused");
        }
        Ok(())
    },
};

const RESTART: Change = Change {
    done: "restarted",
    edit: |info, whole, cx| {
        match info.resource.model {
            Kind::Deployment if whole["spec"]["paused"] == true => {
                return Err("can't restart paused deployment (run rollout resume first)".to_owned());
            }
            Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet => {}
            _ => return Err("restarting is not supported".to_owned()),
        }
        let at = cx.look.now.trunc_secs().to_rfc3339();
        let meta = &mut whole["spec"]["template"]["metadata"];
        if !meta["annotations"].is_object() {
            meta["annotations"] = json!({});
        }
        meta["annotations"]["kubectl.kubernetes.io/restartedAt"] = at.into();
        Ok(())
    },
};

fn change(args: &Args, cx: &Cx<'_>, change: &Change) -> Result<Tasks, Failure> {
    let printer = Printer::of(args, change.done)?;
    let (infos, failures) = targets(args, cx)?;
    if infos.is_empty() && failures.is_empty() {
        return Ok(nothing(cx));
    }
    let mut tasks: Tasks = failures.into_iter().map(Task::Fail).collect();
    for info in infos {
        let before = info.wire();
        let mut after = before.clone();
        tasks.push(match (change.edit)(&info, &mut after, cx) {
            Err(why) => {
                let of = info.resource.qualified();
                Task::Fail(format!("error: {of} {:?} {why}", info.name).into())
            }
            Ok(()) if after == before => Task::Fail(
                format!("failed to create patch for {}: if restart has already been triggered within the past second, please wait before attempting to trigger another", info.name).into(),
            ),
            Ok(()) => {
                let on_error = OnError::Prefix("failed to patch: ".to_owned());
                super::patch::change(&info, &before, &after, args, &printer, on_error)?
            }
        });
    }
    Ok(tasks)
}

/// The kept revisions of a workload, by number.
fn revisions<'a>(info: &Info, store: &'a Store) -> Vec<(i64, &'a Object)> {
    let Some(owner) = info.object.as_ref() else { return Vec::new() };
    let uid = owner.meta().uid;
    let (kind, number): (Kind, fn(&Object) -> Option<i64>) = match owner.kind() {
        Kind::Deployment => {
            (Kind::ReplicaSet, |o| o.meta().annotations.get(REVISION)?.parse().ok())
        }
        _ => (Kind::ControllerRevision, |o| match o {
            Object::ControllerRevision(r) => Some(r.body.revision),
            _ => None,
        }),
    };
    let owned = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == uid);
    let mut found: Vec<(i64, &Object)> =
        store.list(kind).filter(owned).filter_map(|o| number(o).map(|n| (n, o))).collect();
    found.sort_by_key(|(n, _)| *n);
    found
}

/// The pod template of a kept revision.
fn template(object: &Object) -> Value {
    let whole = to_value(object);
    let mut template = match object.kind() {
        Kind::ReplicaSet => whole["spec"]["template"].clone(),
        _ => whole["data"]["spec"]["template"].clone(),
    };
    if let Some(fields) = template.as_object_mut() {
        fields.shift_remove("$patch");
    }
    template
}

fn without_hash(mut template: Value) -> Value {
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.shift_remove(HASH);
    }
    template
}

fn has_history(info: &Info) -> bool {
    matches!(info.resource.model, Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet)
}

fn undo(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    Printer::of(args, "")?;
    let (infos, failures) = targets(args, cx)?;
    let mut tasks: Tasks = failures.into_iter().map(Task::Fail).collect();
    for info in infos {
        if info.wire()["metadata"]["annotations"][LAST_APPLIED].is_string() {
            let title = format!("{}/{}", info.resource.plural, info.name);
            tasks.push(Task::Warn(format!("Warning: resource {title} was previously managed with 'kubectl apply'. Rolling back will not update the {LAST_APPLIED} annotation, which may cause unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file instead.\n")));
        }
        tasks.push(undo_one(&info, args, cx).unwrap_or_else(Task::Fail));
    }
    Ok(tasks)
}

fn undo_one(info: &Info, args: &Args, cx: &Cx<'_>) -> Result<Task, Failure> {
    if !has_history(info) {
        let r = &info.resource;
        let kind = dotted(&r.kind, &r.group);
        return Err(format!("no rollbacker has been implemented for {kind:?}").into());
    }
    let to = args.number("to-revision");
    let history = revisions(info, cx.look.store);
    let found = if to > 0 {
        history.iter().find(|(n, _)| *n == to)
    } else {
        history.len().checked_sub(2).and_then(|i| history.get(i))
    };
    let Some((_, found)) = found else {
        return Err(match (to, info.resource.model) {
            (0, Kind::Deployment) => {
                format!("no rollout history found for deployment {:?}", info.name)
            }
            (0, _) => "no last revision to roll back to".to_owned(),
            (to, _) => format!("unable to find specified revision {to} in history"),
        }
        .into());
    };
    let whole = info.wire();
    let wanted = without_hash(template(found));
    let dry_run = DryRun::of(args)?;
    if dry_run == DryRun::Client {
        let printer =
            Printer::of(args, &format!("will roll back to Pod Template:\n{}", to_yaml(&wanted)))?;
        return Ok(Task::print(&printer, &whole));
    }
    if whole["spec"]["paused"] == true {
        return Err("you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again".into());
    }
    if without_hash(whole["spec"]["template"].clone()) == wanted {
        let done = format!("skipped rollback (current template already matches revision {to})");
        return Ok(Task::print(&Printer::of(args, &done)?, &whole));
    }
    let mut patch = vec![json!({"op": "replace", "path": "/spec/template", "value": wanted})];
    if info.resource.model == Kind::Deployment {
        patch.push(json!({"op": "replace", "path": "/metadata/annotations",
            "value": annotations(&whole, &to_value(found))}));
    }
    let request = Request::Wire {
        verb: WireVerb::Patch(PatchType::Json),
        target: info.reference(),
        body: Box::new(patch.into()),
        subresource: None,
    };
    let printer = Printer::of(args, "rolled back")?;
    let on_error = OnError::Prefix(format!("failed restoring revision {to}: "));
    // What is printed is the object as it was before.
    let done = Done::Say(printer.print(&whole).0);
    Ok(Send::task(kept(request, dry_run), done, on_error))
}

fn dotted(kind: &str, group: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

/// The annotations of a Deployment that is rolled back: those that are its own, and the revision's.
fn annotations(deployment: &Value, revision: &Value) -> Value {
    const OWN: [&str; 6] = [
        LAST_APPLIED,
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    ];
    let of = |v: &Value| v["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let mut all = of(deployment);
    all.retain(|k, _| OWN.contains(&k.as_str()));
    all.extend(of(revision).into_iter().filter(|(k, _)| !OWN.contains(&k.as_str())));
    all.into()
}

fn history(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let revision = args.number("revision");
    if revision < 0 {
        return Err(format!("revision must be a positive integer: {revision}").into());
    }
    Printer::of(args, "")?;
    let (infos, failures) = targets(args, cx)?;
    let mut tasks: Tasks = failures.into_iter().map(Task::Fail).collect();
    for info in infos {
        tasks.push(history_of(&info, revision, args, cx).map_or_else(Task::Fail, Task::Say));
    }
    Ok(tasks)
}

fn history_of(info: &Info, revision: i64, args: &Args, cx: &Cx<'_>) -> Result<String, Failure> {
    if !has_history(info) {
        let r = &info.resource;
        return Err(format!(
            "no history viewer has been implemented for {:?}",
            dotted(&r.kind, &r.group)
        )
        .into());
    }
    let found = revisions(info, cx.look.store);
    let wanted = || found.iter().find(|(n, _)| *n == revision);
    if args.given("output") {
        let shown: Vec<&Object> = match revision {
            0 => found.iter().map(|(_, o)| *o).collect(),
            _ => vec![wanted().ok_or("unable to find the specified revision")?.1],
        };
        let printer = Printer::of(args, "")?;
        return Ok(shown.iter().map(|o| printer.print(&to_value(o)).0).collect());
    }
    let text = match revision {
        _ if found.is_empty() => "No rollout history found.".to_owned(),
        0 => {
            let mut text = String::from("REVISION  CHANGE-CAUSE\n");
            for (n, object) in &found {
                let cause = object.meta().annotations.get(CAUSE).map_or("<none>", |c| c.as_str());
                text.push_str(&format!("{n:<8}  {cause}\n"));
            }
            text
        }
        _ => {
            let (_, object) = wanted().ok_or("unable to find the specified revision")?;
            format!("Pod Template:\n{}", to_yaml(&template(object)))
        }
    };
    let with = if revision > 0 { format!("with revision #{revision}") } else { String::new() };
    Ok(format!("{} {with}\n{text}\n", info.title()))
}

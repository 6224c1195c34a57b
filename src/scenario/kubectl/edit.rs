//! `kubectl scale`, `kubectl set`, `kubectl patch`.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::args::Args;
use super::resource::{name, objects};
use super::{Look, Task};
use crate::api::convert;
use crate::model::Object;
use crate::store::{PatchType, Request, WireVerb};

/// `kubectl scale KIND/NAME --replicas=N`.
pub(super) fn scale(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let Some(replicas) = args.number("replicas")? else {
        return Err("error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0".to_owned());
    };
    let patch = json!({"spec": {"replicas": replicas}});
    let found = objects(args, look)?;
    Ok(found.iter().map(|o| change(o, patch.clone(), PatchType::Merge, None, "scaled")).collect())
}

/// `kubectl set image KIND/NAME CONTAINER=IMAGE…`.
pub(super) fn set(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let Some((what, rest)) = args.words.split_first() else {
        return Err("error: kubectl set needs what to set, such as \"image\"".to_owned());
    };
    if what == "env" {
        return set_env(args, rest, look);
    }
    if what != "image" {
        return Err(format!("error: \"kubectl set {what}\" is not modelled; use kubectl patch"));
    }
    let (images, named): (Vec<String>, Vec<String>) =
        rest.iter().cloned().partition(|w| w.contains('='));
    let mut of = args.clone();
    of.words = named;
    let mut tasks = VecDeque::new();
    for object in objects(&of, look)? {
        let whole = convert::to_wire(&object).to_value();
        let in_template = whole["spec"]["template"].is_object();
        let mut spec = if in_template {
            whole["spec"]["template"]["spec"].clone()
        } else {
            whole["spec"].clone()
        };
        let mut patch = serde_json::Map::new();
        for list in ["initContainers", "containers"] {
            let Some(containers) = spec[list].as_array_mut() else { continue };
            let before = containers.clone();
            for (container, image) in images.iter().filter_map(|w| w.split_once('=')) {
                for c in
                    containers.iter_mut().filter(|c| container == "*" || c["name"] == container)
                {
                    c["image"] = image.into();
                }
            }
            if *containers != before {
                patch.insert(list.to_owned(), Value::Array(containers.clone()));
            }
        }
        if patch.is_empty() {
            continue;
        }
        let patch = if in_template {
            json!({"spec": {"template": {"spec": patch}}})
        } else {
            json!({"spec": patch})
        };
        tasks.push_back(change(&object, patch, PatchType::Merge, None, "image updated"));
    }
    Ok(tasks)
}

/// `kubectl set env KIND/NAME NAME=VALUE… NAME-…`.
fn set_env(args: &Args, words: &[String], look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let is_change = |w: &String| w.contains('=') || w.ends_with('-');
    let (changes, named): (Vec<String>, Vec<String>) = words.iter().cloned().partition(is_change);
    let mut of = args.clone();
    of.words = named;
    let mut tasks = VecDeque::new();
    for object in objects(&of, look)? {
        let whole = convert::to_wire(&object).to_value();
        let mut containers = whole["spec"]["template"]["spec"]["containers"].clone();
        for container in containers.as_array_mut().into_iter().flatten() {
            let mut env = container["env"].as_array().cloned().unwrap_or_default();
            for word in &changes {
                let (name, value) = match word.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (word.trim_end_matches('-'), None),
                };
                match (env.iter_mut().find(|e| e["name"] == name), value) {
                    (Some(old), Some(value)) => *old = json!({"name": name, "value": value}),
                    (None, Some(value)) => env.push(json!({"name": name, "value": value})),
                    (_, None) => env.retain(|e| e["name"] != name),
                }
            }
            container["env"] = env.into();
        }
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        tasks.push_back(change(&object, patch, PatchType::Merge, None, "env updated"));
    }
    Ok(tasks)
}

/// `kubectl patch KIND/NAME --type=… -p PATCH [--subresource=status]`.
pub(super) fn patch(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let Some(text) = args.flag("patch") else {
        return Err(
            "error: must specify --patch or --patch-file containing the contents of the patch"
                .to_owned(),
        );
    };
    let body: Value =
        serde_json::from_str(text).map_err(|e| format!("error: unable to parse {text:?}: {e}"))?;
    let kind = match args.flag("type").unwrap_or("strategic") {
        "json" => PatchType::Json,
        "merge" => PatchType::Merge,
        "strategic" => PatchType::Strategic,
        other => {
            return Err(format!(
                "error: --type must be one of [json merge strategic], not {other:?}"
            ));
        }
    };
    let subresource = match args.flag("subresource") {
        None => None,
        Some("status") => Some("status"),
        Some("scale") => Some("scale"),
        Some(other) => {
            return Err(format!(
                "error: invalid subresource value: {other:?}. Must be one of [status scale resize]"
            ));
        }
    };
    let found = objects(args, look)?;
    Ok(found.iter().map(|o| change(o, body.clone(), kind, subresource, "patched")).collect())
}

/// A patch of an object, and what is printed when it is done.
pub(super) fn change(
    object: &Object,
    patch: Value,
    kind: PatchType,
    subresource: Option<&'static str>,
    done: &'static str,
) -> Task {
    let request = Request::Wire {
        verb: WireVerb::Patch(kind),
        target: object.reference(),
        body: Box::new(patch),
        subresource,
    };
    Task::Change { request: Box::new(request), object: name(object), done }
}

//! `kubectl label`, `kubectl annotate`, `kubectl taint`, `kubectl cordon`.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::args::Args;
use super::edit::change;
use super::resource::objects;
use super::{Look, Task};
use crate::api::convert;
use crate::model::Object;
use crate::store::PatchType;

/// `kubectl label KIND NAME KEY=VALUE… KEY-… [--overwrite]`.
pub(super) fn label(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    metadata(args, look, "labels", ["labeled", "unlabeled"])
}

/// `kubectl annotate KIND NAME KEY=VALUE… KEY-… [--overwrite]`.
pub(super) fn annotate(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    metadata(args, look, "annotations", ["annotated", "annotated"])
}

fn metadata(
    args: &Args,
    look: &Look<'_>,
    field: &str,
    [set, unset]: [&'static str; 2],
) -> Result<VecDeque<Task>, String> {
    let (changes, of) = split_changes(args);
    if changes.is_empty() {
        return Err(format!(
            "error: at least one {} update is required",
            field.trim_end_matches('s')
        ));
    }
    let mut wanted = Map::new();
    for word in &changes {
        match word.split_once('=') {
            Some((key, value)) => wanted.insert(key.to_owned(), value.into()),
            None => wanted.insert(word.trim_end_matches('-').to_owned(), Value::Null),
        };
    }
    let done = if wanted.values().all(Value::is_null) { unset } else { set };
    let overwrite = args.is_set("overwrite", false);
    let mut tasks = VecDeque::new();
    for object in objects(&of, look)? {
        let meta = object.meta();
        let current = if field == "labels" { &meta.labels } else { &meta.annotations };
        for (key, value) in wanted.iter().filter(|(_, v)| !v.is_null()) {
            if let Some(old) = current.get(key).filter(|old| Some(old.as_str()) != value.as_str())
                && !overwrite
            {
                return Err(format!(
                    "error: '{key}' already has a value ({old}), and --overwrite is false"
                ));
            }
        }
        let patch = json!({"metadata": {field: wanted}});
        tasks.push_back(change(&object, patch, PatchType::Merge, None, done));
    }
    Ok(tasks)
}

/// `kubectl taint nodes NODE KEY[=VALUE]:EFFECT… KEY[:EFFECT]-…`.
pub(super) fn taint(args: &Args, look: &Look<'_>) -> Result<VecDeque<Task>, String> {
    let is_taint = |w: &String| w.contains(':') || w.ends_with('-') || w.contains('=');
    let (changes, names): (Vec<String>, Vec<String>) =
        args.words.iter().cloned().partition(is_taint);
    let mut of = args.clone();
    of.words = names;
    let mut tasks = VecDeque::new();
    for object in objects(&of, look)? {
        let whole = convert::to_wire(&object).to_value();
        let mut taints = whole["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let mut added = false;
        for word in &changes {
            let (what, remove) = match word.strip_suffix('-') {
                Some(what) => (what, true),
                None => (word.as_str(), false),
            };
            let (pair, effect) = what.split_once(':').map_or((what, None), |(p, e)| (p, Some(e)));
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            taints.retain(|t| t["key"] != key || effect.is_some_and(|e| t["effect"] != e));
            if !remove {
                added = true;
                let mut taint = json!({"key": key, "effect": effect.unwrap_or_default()});
                if !value.is_empty() {
                    taint["value"] = value.into();
                }
                taints.push(taint);
            }
        }
        let patch = json!({"spec": {"taints": if taints.is_empty() { Value::Null } else { taints.into() }}});
        let done = if added { "tainted" } else { "untainted" };
        tasks.push_back(change(&object, patch, PatchType::Merge, None, done));
    }
    Ok(tasks)
}

/// `kubectl cordon NODE…`, `kubectl uncordon NODE…`.
pub(super) fn cordon(args: &Args, look: &Look<'_>, on: bool) -> Result<VecDeque<Task>, String> {
    let mut of = args.clone();
    of.words.insert(0, "nodes".to_owned());
    let done = if on { "cordoned" } else { "uncordoned" };
    let patch = json!({"spec": {"unschedulable": if on { json!(true) } else { Value::Null }}});
    let found = objects(&of, look)?;
    Ok(found
        .iter()
        .map(|node| match node {
            Object::Node(n) if n.unschedulable == on => {
                let done = if on { "already cordoned" } else { "already uncordoned" };
                change(node, json!({}), PatchType::Merge, None, done)
            }
            _ => change(node, patch.clone(), PatchType::Merge, None, done),
        })
        .collect())
}

/// The words that are changes (`key=value`, `key-`), and the command line without them.
fn split_changes(args: &Args) -> (Vec<String>, Args) {
    let is_change = |w: &String| w.contains('=') || w.ends_with('-');
    let (changes, names) = args.words.iter().cloned().partition(is_change);
    let mut of = args.clone();
    of.words = names;
    (changes, of)
}

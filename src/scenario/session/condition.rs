//! Conditions as they are typed: `pod/web Ready`, `deploy/web status.readyReplicas=3`, or as in expectations.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::monitor::Condition;
use super::super::runner::StepAction;
use super::super::simulation::snippets;
use crate::api::kinds;
use crate::model::Kind;

/// What a pod's phase can be.
const PHASES: [&str; 4] = ["Pending", "Running", "Succeeded", "Failed"];

/// Reads a condition.
///
/// # Errors
/// What is wrong with it, and how one looks.
pub(super) fn read(written: &str, folder: &Path) -> Result<Condition, String> {
    let written = written.trim();
    if written.is_empty() {
        return Err(hint("a condition is missing"));
    }
    let is_yaml = written.starts_with('{')
        || written.split_whitespace().next().is_some_and(|w| w.ends_with(':'));
    let whole = match is_yaml {
        true if written.starts_with('{') => written.to_owned(),
        true => format!("{{{written}}}"),
        false => short(written)?.to_string(),
    };
    let steps = snippets::step(&format!("await: {whole}"), folder, BTreeSet::new())
        .map_err(|problems| super::told(&problems))?;
    let found = steps.into_iter().find_map(|step| match step.action {
        StepAction::Await(awaited) => Arc::try_unwrap(awaited.condition).ok(),
        _ => None,
    });
    found.ok_or_else(|| hint("there is no condition"))
}

fn hint(text: &str) -> String {
    format!(
        "{text}\n  hint: as in `until pod/web Ready`, `until deploy/web status.readyReplicas=3`, `until pod/web gone`, \
         or as in expectations: `until event: {{reason: Killing}}`"
    )
}

/// `KIND/NAME [-n NAMESPACE] WHAT…` as a mapping of expectations.
fn short(written: &str) -> Result<Value, String> {
    let mut words: Vec<&str> = written.split_whitespace().collect();
    let namespace = match words.iter().position(|w| matches!(*w, "-n" | "--namespace")) {
        Some(at) if at + 1 < words.len() => {
            let name = words[at + 1];
            words.drain(at..at + 2);
            Some(name)
        }
        Some(_) => return Err(hint("-n is followed by a namespace")),
        None => None,
    };
    let Some((of, name)) = words.first().and_then(|w| w.split_once('/')) else {
        return Err(hint(&format!("{written:?} is no condition")));
    };
    let info = kinds::resolve(of).map_err(|e| e.to_string())?;
    let mut part =
        json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        part["metadata"]["namespace"] = namespace.into();
    }
    match words.get(1..).unwrap_or_default() {
        [] | ["exists"] => return Ok(json!({"object": part})),
        ["gone" | "deleted"] => return Ok(json!({"absent": part})),
        _ => {}
    }
    for word in &words[1..] {
        match word.split_once('=') {
            Some((path, value)) if path.contains('.') => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                set(&mut part, path, value)?;
            }
            Some((condition, status)) => add(&mut part, condition, status),
            None if info.model() == Kind::Pod && PHASES.contains(word) => {
                set(&mut part, "status.phase", (*word).into())?;
            }
            None => add(&mut part, word, "True"),
        }
    }
    Ok(json!({"object": part}))
}

fn add(part: &mut Value, condition: &str, status: &str) {
    let wanted = json!({"type": condition, "status": status});
    match &mut part["status"]["conditions"] {
        Value::Array(all) => all.push(wanted),
        none => *none = json!([wanted]),
    }
}

fn set(part: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let mut at = part;
    for field in path.split('.') {
        if field.is_empty() || !(at.is_object() || at.is_null()) {
            return Err(hint(&format!("{path:?} is no path of fields")));
        }
        at = &mut at[field];
    }
    *at = value;
    Ok(())
}

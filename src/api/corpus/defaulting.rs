//! The `defaulting` corpus: a manifest, and the object that the API server stores.

use serde_json::Value;

use crate::api::defaults::create::System;
use crate::api::defaults::service::FreeRanges;
use crate::api::registry;
use crate::api::validate::Policy;

/// What the recorded server gave to every object.
pub(super) const SYSTEM: System<'_> = System {
    namespace: "default",
    uid: "11111111-2222-3333-4444-555555555555",
    now: "2026-01-01T00:00:00Z",
    suffix: "abcde",
};

/// Checks one case.
pub fn check(case: &Value) -> Result<(), String> {
    let mut recorded = case["out"]["stored"].clone();
    let object = &case["in"]["object"];
    let ours = registry::create(object, SYSTEM, &mut FreeRanges::default(), Policy::default());
    let ours = ours.map_err(|refusal| format!("refused: {refusal:?}"))?.object;
    // The values that came from the machine's clock.
    for clock in ["/status/lastPhaseTransitionTime", "/status/conditions/0/lastTransitionTime"] {
        if let Some(at) = recorded.pointer_mut(clock) {
            *at = SYSTEM.now.into();
        }
    }
    // A LimitRange without a name gets a random one.
    if case["in"]["object"]["metadata"]["name"].as_str().is_none_or(str::is_empty)
        && case["in"]["kind"] == "LimitRange"
        && let Some(name) = recorded.pointer_mut("/metadata/name")
    {
        *name = SYSTEM.uid.into();
    }
    difference("", &ours, &recorded).map_or(Ok(()), Err)
}

/// The first place where two documents differ.
pub(super) fn difference(path: &str, ours: &Value, recorded: &Value) -> Option<String> {
    match (ours, recorded) {
        (Value::Object(a), Value::Object(b)) => {
            let missing = b.keys().find(|k| !a.contains_key(*k));
            if let Some(key) = missing {
                return Some(format!("{path}.{key}: missing, recorded {}", b[key]));
            }
            a.iter().find_map(|(key, value)| match b.get(key) {
                Some(other) => difference(&format!("{path}.{key}"), value, other),
                None => Some(format!("{path}.{key}: ours {value}, recorded nothing")),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| difference(&format!("{path}[{i}]"), a, b)),
        _ if ours == recorded || is_allocated(ours, recorded) => None,
        _ => Some(format!("{path}: ours {ours}, recorded {recorded}")),
    }
}

/// Whether a recorded placeholder stands for what the allocator gave.
fn is_allocated(ours: &Value, recorded: &Value) -> bool {
    match recorded.as_str() {
        Some("<clusterIP>") => ours.as_str().is_some_and(|a| a.starts_with("10.96.")),
        Some("<nodePort>") => ours.is_i64(),
        _ => false,
    }
}

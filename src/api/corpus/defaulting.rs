//! The `defaulting` corpus: a manifest, and the object that the API server stores.

use serde_json::Value;

use crate::api::defaults::create::System;
use crate::api::defaults::service::Allocator;
use crate::api::registry;

/// What the recorded server gave to every object.
pub(super) const SYSTEM: System<'_> = System {
    namespace: "default",
    uid: "11111111-2222-3333-4444-555555555555",
    now: "2026-01-01T00:00:00Z",
    suffix: "abcde",
};

/// The addresses and ports of the recording's cluster, where nothing is taken.
pub(super) struct Ranges {
    next_port: i64,
    taken: Vec<i64>,
}

impl Ranges {
    /// All free.
    pub(super) fn new() -> Self {
        Self { next_port: 32_000, taken: Vec::new() }
    }
}

impl Allocator for Ranges {
    fn next_address(&mut self) -> Value {
        "10.96.0.99".into()
    }

    fn take_address(&mut self, address: &str) -> Result<(), String> {
        let octet = address.split('.').nth(1).and_then(|o| o.parse::<u8>().ok());
        if address.starts_with("10.") && octet.is_some_and(|o| (96..112).contains(&o)) {
            return Ok(());
        }
        Err(format!(
            "the provided IP ({address}) is not in the valid range. The range of valid IPs is 10.96.0.0/12"
        ))
    }

    fn next_port(&mut self) -> Value {
        self.next_port += 1;
        self.next_port.into()
    }

    fn take_port(&mut self, port: i64) -> Result<(), String> {
        let range = "The range of valid ports is 30000-32767";
        if !(30000..=32767).contains(&port) {
            return Err(format!("provided port is not in the valid range. {range}"));
        }
        if self.taken.contains(&port) {
            return Err("provided port is already allocated".into());
        }
        self.taken.push(port);
        Ok(())
    }
}

/// Checks one case.
pub fn check(case: &Value) -> Result<(), String> {
    let mut recorded = case["out"]["stored"].clone();
    let ours = registry::create(&case["in"]["object"], SYSTEM, &mut Ranges::new());
    let ours = ours.map_err(|refusal| format!("refused: {refusal:?}"))?;
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

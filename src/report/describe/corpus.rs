//! The corpus of descriptions, held against ours.

use serde_json::Value;

use super::super::printers::Now;
use super::{Cluster, describe};
use crate::api::{defaults, registry, schema};

/// Checks one case of `describe`.
///
/// # Errors
/// The first line that differs.
pub fn check(case: &Value) -> Result<(), String> {
    let (input, out) = (&case["in"], &case["out"]);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let now: Now = chrono::DateTime::parse_from_rfc3339(&text(&input["now"]))
        .map_err(|e| e.to_string())?
        .to_utc();
    let objects: Vec<Value> =
        input["objects"].as_array().into_iter().flatten().map(read).collect::<Result<_, _>>()?;
    let list = |kind: &str, namespace: &str| {
        let wanted = |o: &&Value| {
            o["kind"] == kind && (namespace.is_empty() || o["metadata"]["namespace"] == namespace)
        };
        objects.iter().filter(wanted).cloned().collect()
    };
    let cluster = Cluster { now, list: &list, events: true };
    let (kind, name) = (text(&input["kind"]), text(&input["name"]));
    let object = objects
        .iter()
        .find(|o| o["kind"] == kind.as_str() && o["metadata"]["name"] == name.as_str())
        .ok_or("the object is not among the objects")?;
    compare(&describe(object, &cluster), &text(&out["text"]))
}

/// An object as the real describer got it: read, and so defaulted, by the server.
fn read(object: &Value) -> Result<Value, String> {
    let Some(of) = registry::struct_of(object) else { return Ok(object.clone()) };
    let mut value = schema::decode(of, object).map_err(|e| e.to_string())?.value;
    defaults::apply(of, &mut value);
    // The server's defaulting shares the template's labels; ours does it on creation.
    let bare = value["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty);
    if matches!(value["kind"].as_str(), Some("Job" | "ReplicationController")) && bare {
        value["metadata"]["labels"] = value["spec"]["template"]["metadata"]["labels"].clone();
    }
    Ok(value)
}

fn compare(ours: &str, recorded: &str) -> Result<(), String> {
    if ours == recorded {
        return Ok(());
    }
    let mut lines = ours.split('\n').zip(recorded.split('\n')).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((i, (a, b))) => Err(format!("line {}: ours {a:?}, recorded {b:?}", i + 1)),
        None => Err(format!(
            "ours has {} lines, recorded {}",
            ours.split('\n').count(),
            recorded.split('\n').count()
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::api::corpus::tests::check;

    #[test]
    fn objects_are_described_as_recorded() {
        check("describe-a.jsonl.zst", super::check, 1000);
    }
}

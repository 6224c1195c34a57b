//! The corpora of printed rows and durations, held against ours.

use serde_json::Value;

use super::{Now, columns, duration, row};
use crate::api::{defaults, registry, schema};
use crate::base::length;

fn now(input: &Value) -> Result<Now, String> {
    let text = input["now"].as_str().unwrap_or_default();
    chrono::DateTime::parse_from_rfc3339(text).map(|t| t.to_utc()).map_err(|e| e.to_string())
}

/// Checks one case of `printers-pod` or `printers-other`.
///
/// # Errors
/// The first cell that differs.
pub fn check_row(case: &Value) -> Result<(), String> {
    let (input, out) = (&case["in"], &case["out"]);
    let kind = input["kind"].as_str().unwrap_or_default();
    // The real printer got objects that had been read, and so defaulted, by the server.
    let mut object = input["object"].clone();
    if let Some(of) = registry::struct_of(&object) {
        object = schema::decode(of, &object).map_err(|e| e.to_string())?.value;
        defaults::apply(of, &mut object);
    }
    let ours = row(kind, &object, now(input)?);
    let recorded = out["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = columns(kind).iter().map(|c| c.name);
    for ((name, ours), recorded) in names.zip(&ours).zip(recorded) {
        if ours != recorded {
            return Err(format!("{kind} {name}: ours {ours}, recorded {recorded}"));
        }
    }
    if ours.len() != recorded.len() {
        return Err(format!("{kind}: ours has {} cells, recorded {}", ours.len(), recorded.len()));
    }
    Ok(())
}

/// Checks the columns of one kind, the case's id.
///
/// # Errors
/// The first column that differs.
pub fn check_columns(case: &Value) -> Result<(), String> {
    let kind = case["id"].as_str().ok_or("no kind")?;
    let recorded = case["out"].as_array().ok_or("no columns")?;
    let told = |c: &Value| (c["name"].as_str().unwrap_or_default().to_owned(), c["priority"] == 1);
    let recorded: Vec<_> = recorded.iter().map(told).collect();
    let ours: Vec<_> = columns(kind).iter().map(|c| (c.name.to_owned(), c.wide)).collect();
    if ours == recorded {
        return Ok(());
    }
    Err(format!("{kind}: ours {ours:?}, recorded {recorded:?} (name, wide)"))
}

/// Checks one case of `human-duration`.
///
/// # Errors
/// The first text that differs.
pub fn check_duration(case: &Value) -> Result<(), String> {
    let nanoseconds = case["in"]["ns"].as_i64().ok_or("no duration")?;
    let texts = [
        ("human", duration::human(nanoseconds)),
        ("short", duration::short(nanoseconds)),
        ("go", length::go(nanoseconds)),
    ];
    for (name, ours) in texts {
        let recorded = &case["out"][name];
        if *recorded != ours {
            return Err(format!("{name}: ours {ours:?}, recorded {recorded}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::api::corpus::tests::check;

    #[test]
    fn rows_and_durations_are_printed_as_recorded() {
        check("printers-pod-a.jsonl.zst", super::check_row, 1000);
        check("printers-other-a.jsonl.zst", super::check_row, 1000);
        check("human-duration-a.jsonl.zst", super::check_duration, 1000);
    }
}

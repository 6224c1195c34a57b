//! `strict-decoding`: a request body and what the API server says of it, strictly and leniently.

use serde_json::{Value, json};

use super::same;
use crate::api::kinds;
use crate::api::strict::request::{Endpoint, decode};

/// Compares the refusals, the message of the Status and the warnings.
///
/// # Errors
/// What differs.
pub fn check(case: &Value) -> Result<(), String> {
    let body = case["in"]["body"].as_str().ok_or("no body")?;
    let kind = case["in"]["kind"].as_str().ok_or("no kind")?;
    let (kind, version) = match kind.strip_suffix("V1") {
        Some(kind) => (kind, Some("v1")),
        None => (kind, None),
    };
    let info =
        kinds::anywhere(kind).ok_or_else(|| format!("the kind {kind} is not in the table"))?;
    let api_version =
        version.map_or_else(|| info.api_version(), |version| kinds::join(info.group, version));
    let endpoint = Endpoint { api_version: &api_version, kind };
    let verdict = decode(body, endpoint);
    let status = |error: &Option<String>| {
        error.as_ref().and_then(|error| verdict.status(error, endpoint)).unwrap_or_default()
    };
    let warnings = if verdict.lenient.is_some() { &[][..] } else { &verdict.warnings };
    let ours = [
        ("strictError", json!(verdict.strict.clone().unwrap_or_default())),
        ("lenientError", json!(verdict.lenient.clone().unwrap_or_default())),
        ("statusMessage", json!(status(&verdict.strict))),
        ("lenientStatusMessage", json!(status(&verdict.lenient))),
        ("warnings", json!(warnings)),
    ];
    for (field, value) in ours {
        let mut recorded = case["out"][field].clone();
        if recorded.is_null() {
            recorded = if field == "warnings" { json!([]) } else { json!("") };
        }
        same(field, &value, &recorded)?;
    }
    Ok(())
}

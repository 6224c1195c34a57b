//! The `validation-create` and `validation-update` corpora: field errors in order, and the Status.

use serde_json::{Value, json};

use super::defaulting::SYSTEM;
use super::same;
use crate::api::defaults::service::FreeRanges;
use crate::api::registry::{self, Refusal, Stored};
use crate::api::status::Status;
use crate::api::validate::{Errors, Policy};

/// The recorded server was started without `--allow-privileged`.
const POLICY: Policy = Policy { allow_privileged: false };

/// Checks one case of `validation-create`.
pub fn check_create(case: &Value) -> Result<(), String> {
    let object = &case["in"]["object"];
    let result = registry::create(object, SYSTEM, &mut FreeRanges::default(), POLICY);
    compare(object, result, &case["out"])
}

/// Checks one case of `validation-update`.
pub fn check_update(case: &Value) -> Result<(), String> {
    let (object, old) = (&case["in"]["object"], &case["in"]["old"]);
    let result = registry::update(object, old, &mut FreeRanges::default(), POLICY);
    // The errors were recorded before the namespaces were compared, which comes first in a request.
    if let Err(Refusal::BadRequest(message)) = &result {
        let change = registry::Change::prepare(object, old, &mut FreeRanges::default());
        let errors = change.map_err(|refusal| format!("{refusal:?}"))?.errors(POLICY);
        same_errors(Some(&Refusal::Invalid(errors)), &case["out"])?;
        return same("message", &message.as_str().into(), &case["out"]["message"]);
    }
    compare(object, result, &case["out"])
}

fn compare(object: &Value, result: Result<Stored, Refusal>, out: &Value) -> Result<(), String> {
    let of = registry::struct_of(object).ok_or("unknown kind")?;
    same_errors(result.as_ref().err(), out)?;
    let refusal = match result {
        Ok(stored) => {
            let recorded = out.get("warnings").cloned().unwrap_or_else(|| json!([]));
            same("warnings", &stored.warnings.into(), &recorded)?;
            return same("code", &Value::Null, &out["code"]);
        }
        Err(refusal) => refusal,
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let generated;
    let name = if name.is_empty() {
        let base = object["metadata"]["generateName"].as_str().unwrap_or_default();
        generated = base.chars().take(58).chain(SYSTEM.suffix.chars()).collect::<String>();
        if base.is_empty() { "" } else { generated.as_str() }
    } else {
        name
    };
    let status = Status::of_refusal(of, name, &refusal);
    same("code", &status.code.into(), &out["code"])?;
    same("reason", &status.reason.into(), &out["reason"])?;
    if unordered(out) {
        return Ok(());
    }
    same("message", &status.message.into(), &out["message"])
}

fn same_errors(refusal: Option<&Refusal>, out: &Value) -> Result<(), String> {
    let (mut ours, mut recorded) = (errors(refusal), recorded(out));
    if unordered(out) {
        ours.sort_by_key(Value::to_string);
        recorded.sort_by_key(Value::to_string);
    }
    for (i, (ours, recorded)) in ours.iter_mut().zip(&recorded).enumerate() {
        // What came before validation was recorded from the Status, which has no details.
        if recorded["detail"] == "" {
            ours["detail"] = "".into();
        }
        same(&format!("error {i}"), ours, recorded)?;
    }
    if ours.len() != recorded.len() {
        let extra: Vec<_> = ours.iter().skip(recorded.len()).collect();
        let missing: Vec<_> = recorded.iter().skip(ours.len()).collect();
        return Err(format!("ours has also {extra:?}, recorded has also {missing:?}"));
    }
    Ok(())
}

fn unordered(out: &Value) -> bool {
    out["unorderedErrors"].as_bool() == Some(true)
}

fn errors(refusal: Option<&Refusal>) -> Vec<Value> {
    match refusal {
        None => Vec::new(),
        Some(Refusal::Invalid(Errors(errors))) => errors
            .iter()
            .map(|e| {
                json!({
                    "type": e.kind.reason(), "field": e.field, "detail": e.detail, "body": e.body(),
                })
            })
            .collect(),
        Some(Refusal::UnknownKind) => vec!["unknown kind".into()],
        Some(Refusal::Decode(e)) => vec![e.to_string().into()],
        Some(Refusal::BadRequest(message) | Refusal::Internal(message)) => {
            vec![json!({"type": "", "field": "", "detail": "", "body": message})]
        }
    }
}

fn recorded(out: &Value) -> Vec<Value> {
    out["errors"].as_array().cloned().unwrap_or_default()
}

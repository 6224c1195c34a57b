//! Corpus `job-indexes`: sets of completion indexes, and success policies over them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::text;
use crate::api::corpus::same;
use crate::controllers::job::indexes::Indexes;
use crate::controllers::job::policy::match_success;
use crate::model::wire::batch::SuccessPolicy;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let completions = given["completions"].as_i64().unwrap_or_default();
    let set = |field: &str| Indexes::parse(text(&given[field]), completions);
    let numbers = |field: &str| -> BTreeSet<i64> {
        given[field].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
    };
    let result = match text(&given["op"]) {
        "parse" => set("indexes"),
        "add" => set("indexes").with(numbers("add")),
        "merge" => set("indexes").merge(&set("other")),
        "firstPending" => {
            let failed = given["failed"].as_str().map(|t| Indexes::parse(t, completions));
            let taken = set("succeeded").with(numbers("active")).merge(&failed.unwrap_or_default());
            let count = given["count"].as_u64().and_then(|n| usize::try_from(n).ok());
            let ours = taken.first_missing(count.unwrap_or_default(), completions);
            // Asked for none, Go answers with nil.
            let nil = ours.is_empty() && recorded["indexes"].is_null();
            let ours = if nil { Value::Null } else { json!(ours) };
            return same("indexes", &ours, &recorded["indexes"]);
        }
        "successPolicy" => {
            let policy: SuccessPolicy = serde_json::from_value(given["policy"].clone())
                .map_err(|e| format!("policy: {e}"))?;
            let message = match_success(Some(&policy), completions, &set("succeeded"));
            same("matched", &json!(message.is_some()), &recorded["matched"])?;
            return same("message", &json!(message.unwrap_or_default()), &recorded["message"]);
        }
        other => return Err(format!("unknown operation {other:?}")),
    };
    same("total", &json!(result.total()), &recorded["total"])?;
    same("indexes", &json!(result.to_string()), &recorded["indexes"])
}

//! Corpus `job-backoff`: how long a Job waits after failures.

use serde_json::{Value, json};

use crate::api::corpus::same;
use crate::base::time::SimTime;
use crate::controllers::job::backoff::Failures;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let given = |field: &str| case["in"][field].as_u64().unwrap_or_default();
    let last = SimTime::from_secs(1_000_000);
    let now = SimTime::from_secs(last.as_secs() + given("elapsedSinceLastFailureSeconds"));
    let count = u32::try_from(given("failures")).unwrap_or(u32::MAX);
    let until = Failures { count, last: Some(last) }.wait_until(now);
    let left = until.map_or(0, |until| until.since(now).as_secs());
    same("remainingSeconds", &json!(left), &case["out"]["remainingSeconds"])
}

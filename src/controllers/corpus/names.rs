//! Corpus `names`: what pods of Indexed Jobs are called.
//!
//! The names of StatefulSets' pods, of revisions and the like are in the same files.

use serde_json::{Value, json};

use super::text;
use crate::api::corpus::same;
use crate::controllers::job::names::{generate_name, hostname};

/// Checks a case about the pods of an Indexed Job.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn indexed_job_pod(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let (job, index) = (text(&given["job"]), given["index"].as_i64().unwrap_or_default());
    same("generateName", &json!(generate_name(job, index).as_str()), &recorded["generateName"])?;
    same("hostname", &json!(hostname(job, index).as_str()), &recorded["hostname"])
}

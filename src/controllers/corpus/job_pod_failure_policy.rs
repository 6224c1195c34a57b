//! Corpus `job-podfailurepolicy`: what a rule makes of a failed pod.

use serde_json::{Value, json};

use super::text;
use crate::api::convert::pod_from_wire;
use crate::api::corpus::same;
use crate::controllers::job::policy::{counts, match_failure};
use crate::model::wire::batch::PodFailurePolicy;
use crate::model::wire::core;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let policy: Option<PodFailurePolicy> =
        serde_json::from_value(given["policy"].clone()).map_err(|e| format!("policy: {e}"))?;
    let status: core::PodStatus =
        serde_json::from_value(given["podStatus"].clone()).map_err(|e| format!("status: {e}"))?;
    let mut pod = pod_from_wire(core::Pod { status: Some(status), ..core::Pod::default() });
    pod.meta.namespace = text(&given["namespace"]).into();
    pod.meta.name = text(&given["podName"]).into();
    let matched = match_failure(policy.as_ref(), &pod);
    let action = matched.as_ref().map(|m| m.action.as_str());
    same("action", &json!(action), &recorded["action"])?;
    same("message", &json!(matched.and_then(|m| m.fails_job)), &recorded["message"])?;
    let counted = counts(policy.as_ref(), &pod);
    same("countTowardsBackoffLimit", &json!(counted), &recorded["countTowardsBackoffLimit"])
}

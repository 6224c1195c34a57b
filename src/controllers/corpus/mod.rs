//! The recorded answers of the real controllers' functions, held against ours: one check per corpus.
//!
//! Each file here has a `check` that takes one case; see `api::corpus` for the form.

pub mod cron_decision;
pub mod cron_fire;
pub mod intorpercent;
pub mod job_backoff;
pub mod job_indexes;
pub mod job_pod_failure_policy;
pub mod names;
pub mod revision_hash;

pub use super::daemonset::corpus as daemonset_node;
pub use super::deployment::corpus as deployment_rollout;
pub use super::hpa::corpus as hpa;
pub use super::nodes::corpus as taint_eviction;
pub use super::replicaset::corpus as pod_deletion_order;

use chrono::DateTime;
use serde_json::Value;

use crate::base::time::SimTime;

/// A text of a case; empty where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A time of a case.
fn time(value: &Value) -> Option<SimTime> {
    let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    SimTime::from_utc(at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::corpus::tests::check;

    #[test]
    fn hashes_and_revisions_are_as_recorded() {
        check("revision-hash-a.jsonl.zst", revision_hash::check, 1000);
    }

    #[test]
    fn schedules_fire_as_recorded() {
        check("cron-fire-a.jsonl.zst", cron_fire::check, 1000);
    }

    #[test]
    fn cron_jobs_decide_as_recorded() {
        check("cron-decision-a.jsonl.zst", cron_decision::check, 1000);
    }

    #[test]
    fn percentages_are_rounded_as_recorded() {
        check("intorpercent-a.jsonl.zst", intorpercent::check, 1000);
    }

    #[test]
    fn jobs_back_off_as_recorded() {
        check("job-backoff-a.jsonl.zst", job_backoff::check, 1000);
    }

    #[test]
    fn sets_of_indexes_are_as_recorded() {
        check("job-indexes-a.jsonl.zst", job_indexes::check, 1000);
    }

    #[test]
    fn pod_failure_policies_match_as_recorded() {
        check("job-podfailurepolicy-a.jsonl.zst", job_pod_failure_policy::check, 1000);
    }

    #[test]
    fn pods_and_revisions_are_called_as_recorded() {
        check("names-a.jsonl.zst", names::check, 1000);
    }

    #[test]
    fn rollouts_step_as_recorded() {
        check("deployment-rollout-a.jsonl.zst", deployment_rollout::check, 1000);
    }

    #[test]
    fn pods_are_deleted_in_the_recorded_order() {
        check("pod-deletion-order-a.jsonl.zst", pod_deletion_order::check, 1000);
    }

    #[test]
    fn daemon_pods_run_on_the_recorded_nodes() {
        check("daemonset-node-a.jsonl.zst", daemonset_node::check, 1000);
    }

    #[test]
    fn autoscalers_calculate_replicas_as_recorded() {
        check("hpa-replicas-a.jsonl.zst", hpa::check_replicas, 1000);
    }

    #[test]
    fn autoscalers_hold_back_as_recorded() {
        check("hpa-behavior-a.jsonl.zst", hpa::check_behavior, 1000);
    }

    #[test]
    fn pods_stay_beside_taints_as_recorded() {
        check("taint-eviction-a.jsonl.zst", taint_eviction::check, 1000);
    }
}

//! How many pods a Job should have now, and which come or go.
//!
//! Follows `pkg/controller/job/job_controller.go`, `manageJob` and `activePodsForRemoval`. Pods either
//! come or go in one sync, never both; going comes first.

use std::sync::Arc;

use super::backoff::{Failures, finished_at};
use super::pods;
use super::round::Round;
use crate::base::time::SimTime;
use crate::controllers::pod_control::by_activity;
use crate::model::Pod;

/// The most pods that come or go in one sync (`MaxPodCreateDeletePerSync`).
const MOST_AT_ONCE: usize = 500;

/// What is done about the pods.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Nothing.
    Nothing,
    /// These are deleted.
    Delete(Vec<Arc<Pod>>),
    /// So many are made.
    Create(usize),
    /// One is made for each of these indexes.
    CreateIndexes(Vec<i64>),
    /// Some are to be made, but not before that time.
    BackOff(SimTime),
}

/// What is to be done about the pods of a Job that goes on.
pub(super) fn plan(round: &Round, now: SimTime) -> Action {
    let spec = &round.job.spec;
    let active = round.active.len();
    if spec.suspend {
        return Action::Delete(surplus(round, active));
    }
    let wanted = wanted(round);
    let mut going = surplus(round, active.saturating_sub(wanted));
    if !going.is_empty() {
        going.truncate(MOST_AT_ONCE);
        return Action::Delete(going);
    }
    let terminating =
        if pods::replaces_failed_only(&round.job) { round.terminating_count } else { 0 };
    let terminating = usize::try_from(terminating).unwrap_or(0);
    let missing = wanted.saturating_sub(terminating).saturating_sub(active);
    if missing == 0 {
        return Action::Nothing;
    }
    let by_index = spec.backoff_limit_per_index.is_some();
    if !by_index && let Some(until) = round.memory.failures.wait_until(now) {
        return Action::BackOff(until);
    }
    let missing = missing.min(MOST_AT_ONCE);
    if !spec.indexed {
        return Action::Create(missing);
    }
    let pending = pending_indexes(round, missing);
    if by_index { ready_indexes(round, pending, now) } else { Action::CreateIndexes(pending) }
}

/// How many pods should be active.
fn wanted(round: &Round) -> usize {
    let parallelism = usize::try_from(round.job.spec.parallelism.unwrap_or(1)).unwrap_or(0);
    match round.job.spec.completions {
        // After the first success of a work queue nothing new is started.
        None if round.succeeded > 0 => round.active.len(),
        None => parallelism,
        Some(completions) => {
            let left = i64::from(completions).saturating_sub(round.succeeded);
            usize::try_from(left).unwrap_or(0).min(parallelism)
        }
    }
}

/// The active pods to be deleted: in an Indexed Job those that double an index or have none that it
/// knows, and others until there are `at_least` (`activePodsForRemoval`).
fn surplus(round: &Round, at_least: usize) -> Vec<Arc<Pod>> {
    let (mut going, mut staying) = if round.job.spec.indexed {
        split_doubles(round)
    } else {
        (Vec::new(), round.active.clone())
    };
    if going.len() < at_least {
        staying.sort_by(|a, b| by_activity(a, b));
        staying.truncate(at_least - going.len());
        going.append(&mut staying);
    }
    going
}

/// The pods without an index of their own, and the others
/// (`appendDuplicatedIndexPodsForRemoval`). Of several for one index the last in the order of deletion
/// stays.
fn split_doubles(round: &Round) -> (Vec<Arc<Pod>>, Vec<Arc<Pod>>) {
    let mut sorted: Vec<(Option<i64>, &Arc<Pod>)> =
        round.active.iter().map(|p| (pods::valid_index(&round.job, p), p)).collect();
    sorted.sort_by_key(|(index, _)| *index);
    let (mut going, mut staying) = (Vec::new(), Vec::new());
    for same in sorted.chunk_by(|a, b| a.0 == b.0) {
        let mut pods: Vec<Arc<Pod>> = same.iter().map(|(_, p)| Arc::clone(p)).collect();
        if same.first().is_some_and(|(index, _)| index.is_some()) {
            pods.sort_by(|a, b| by_activity(a, b));
            staying.extend(pods.pop());
        }
        going.append(&mut pods);
    }
    (going, staying)
}

/// The first indexes without a pod that may still have one (`firstPendingIndexes`).
fn pending_indexes(round: &Round, most: usize) -> Vec<i64> {
    let mut taken = round.succeeded_indexes.with(pods::indexes_of(&round.active));
    if pods::replaces_failed_only(&round.job) {
        let terminating: Vec<Arc<Pod>> = round
            .pods
            .iter()
            .filter(|p| crate::controllers::pod_control::is_terminating(p))
            .cloned()
            .collect();
        taken = taken.with(pods::indexes_of(&terminating));
    }
    if let Some(failed) = &round.failed_indexes {
        taken = taken.merge(failed);
    }
    taken.first_missing(most, pods::completions(&round.job))
}

/// Those of the indexes whose own back-off is over, or when the first will be
/// (`getPodCreationInfoForIndependentIndexes`).
fn ready_indexes(round: &Round, pending: Vec<i64>, now: SimTime) -> Action {
    let until = |index: &i64| {
        let before = round.held_back.get(index)?;
        let failures = pods::absolute_failures(before).saturating_add(1);
        Failures { count: failures, last: Some(finished_at(before)) }.wait_until(now)
    };
    let first = pending.iter().filter_map(until).min();
    let ready: Vec<i64> = pending.into_iter().filter(|i| until(i).is_none()).collect();
    match first {
        Some(first) if ready.is_empty() => Action::BackOff(first),
        _ => Action::CreateIndexes(ready),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::fixture::{NOW, ago, job, look};
    use super::*;

    #[track_caller]
    fn check(spec: &Value, pods: &[&str], expected: &Action) {
        assert_eq!(plan(&look(&job(spec), pods), NOW), *expected, "{spec} {pods:?}");
    }

    /// The names of the pods that are deleted.
    #[track_caller]
    fn check_deleted(spec: &Value, pods: &[&str], expected: &[&str]) {
        let Action::Delete(going) = plan(&look(&job(spec), pods), NOW) else {
            panic!("nothing is deleted: {spec} {pods:?}");
        };
        let names: Vec<&str> = going.iter().map(|p| p.meta.name.as_str()).collect();
        assert_eq!(names, expected, "{spec} {pods:?}");
    }

    #[test]
    fn pods_are_made_up_to_the_parallelism_and_the_completions_left() {
        let spec = json!({"completions": 5, "parallelism": 2});
        check(&spec, &[], &Action::Create(2));
        check(&spec, &["Running"], &Action::Create(1));
        check(&spec, &["Running", "Pending"], &Action::Nothing);
        let last = ["Succeeded", "Succeeded", "Succeeded", "Succeeded", "Running"];
        check(&spec, &last, &Action::Nothing);
        check(&json!({"completions": 9, "parallelism": 0}), &[], &Action::Nothing);
        check(&json!({"completions": 5000, "parallelism": 5000}), &[], &Action::Create(500));
    }

    #[test]
    fn a_work_queue_makes_no_more_pods_after_its_first_success() {
        let spec = json!({"completions": null, "parallelism": 3});
        check(&spec, &["Running"], &Action::Create(2));
        check(&spec, &["Running", "Succeeded"], &Action::Nothing);
    }

    #[test]
    fn pods_too_many_go_in_the_order_of_their_worth() {
        let spec = json!({"completions": 9, "parallelism": 1});
        check_deleted(&spec, &["Running ready", "Pending", "Running"], &["j-2", "j-3"]);
        let suspended = json!({"suspend": true, "parallelism": 2, "completions": 2});
        check_deleted(&suspended, &["Running", "Pending"], &["j-2", "j-1"]);
        check(&suspended, &[], &Action::Delete(Vec::new()));
    }

    #[test]
    fn failures_hold_new_pods_back() {
        let spec = json!({});
        check(&spec, &["Failed ended=9"], &Action::BackOff(ago(9) + Duration::from_secs(10)));
        check(&spec, &["Failed ended=10"], &Action::Create(1));
        let twice = ["Failed ended=40", "Failed ended=15"];
        check(&spec, &twice, &Action::BackOff(ago(15) + Duration::from_secs(20)));
    }

    #[test]
    fn a_pod_being_deleted_is_replaced_at_once_or_when_it_has_failed() {
        let running = ["Running deleted"];
        // It counts as a failure from the time of its deletion on.
        check(&json!({}), &running, &Action::BackOff(NOW + Duration::from_secs(10)));
        check(&json!({"podReplacementPolicy": "Failed"}), &running, &Action::Nothing);
    }

    #[test]
    fn indexes_without_a_pod_get_one() {
        let spec = json!({"completionMode": "Indexed", "completions": 5, "parallelism": 3});
        check(&spec, &[], &Action::CreateIndexes(vec![0, 1, 2]));
        let some = ["Succeeded index=0", "Running index=2"];
        check(&spec, &some, &Action::CreateIndexes(vec![1, 3]));
    }

    #[test]
    fn pods_without_an_index_of_their_own_go() {
        let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2});
        let pods =
            ["Running index=0", "Pending index=0", "Running index=1", "Running", "Running index=7"];
        check_deleted(&spec, &pods, &["j-4", "j-5", "j-2"]);
    }

    #[test]
    fn each_index_has_a_back_off_of_its_own() {
        let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2,
            "backoffLimitPerIndex": 3});
        let pods = ["Failed index=0 failures=1 ended=15", "Failed index=1 ended=4"];
        check(&spec, &pods, &Action::BackOff(ago(15) + Duration::from_secs(20)));
        let pods = ["Failed index=0 failures=1 ended=15", "Failed index=1 ended=12"];
        check(&spec, &pods, &Action::CreateIndexes(vec![1]));
    }
}

//! Counting the pods that have ended, each exactly once.
//!
//! Follows `pkg/controller/job/job_controller.go`, `trackJobStatusAndRemoveFinalizers`: a pod holds a
//! finalizer until it is counted. The status first names the pods to be counted, then they lose the
//! finalizer, then the counters go up and the names go; a crash in between counts nothing twice.
//! Indexed Jobs count successes by their indexes and need no names for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::ToSmolStr as _;

use super::conditions::{COMPLETE, FAILED, FAILURE_TARGET, condition, held};
use super::conditions::{SUCCESS_CRITERIA_MET, ensure};
use super::indexes::Indexes;
use super::round::{Round, count};
use super::{pods, policy};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, JobStatus, Phase, Pod, Uid};

/// The most pods named in the status at once (`MaxUncountedPods`).
const MOST_UNCOUNTED: usize = 500;

/// What is to be done to count the pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Counting {
    /// The pods that lose their finalizer.
    pub(super) release: Vec<Arc<Pod>>,
    /// Pods that are still to be counted: those with the finalizer.
    pub(super) tracked: BTreeSet<Uid>,
    /// Whether there were too many to name all.
    pub(super) cut_short: bool,
    /// Whether the status has to be written before the finalizers go.
    pub(super) write_first: bool,
}

/// Names the pods to be counted in the status, and announces the end if there is one.
pub(super) fn begin(round: &mut Round, status_changed: bool, now: SimTime) -> Counting {
    if round.job.spec.indexed {
        round.pods.sort_by_key(|p| pods::index_of(p).unwrap_or(-1));
    }
    let tracked: BTreeSet<Uid> =
        round.pods.iter().filter(|p| round.is_tracked(p)).map(|p| p.meta.uid).collect();
    let mut counting = Counting { tracked, write_first: status_changed, ..Counting::default() };
    counting.write_first |= count_released(&mut round.job.status, &counting.tracked);
    let new_indexes = name_pods(round, &mut counting);
    if round.job.spec.indexed {
        counting.write_first |= write_indexes(round, new_indexes);
    }
    counting.write_first |= announce(round, now);
    counting
}

/// Counts the named pods that have lost their finalizer, and answers whether there were any
/// (`cleanUncountedPodsWithoutFinalizers`).
pub(super) fn count_released(status: &mut JobStatus, tracked: &BTreeSet<Uid>) -> bool {
    let named = Arc::make_mut(status.uncounted.get_or_insert_default());
    let before = (named.0.len(), named.1.len());
    named.0.retain(|uid| tracked.contains(uid));
    named.1.retain(|uid| tracked.contains(uid));
    let counted = (before.0 - named.0.len(), before.1 - named.1.len());
    status.succeeded = status.succeeded.saturating_add(count(counted.0));
    status.failed = status.failed.saturating_add(count(counted.1));
    counted != (0, 0)
}

/// Declares the end, once no pod is left to be counted or to stop, and answers whether it did
/// (`enactJobFinished`).
pub(super) fn declare(round: &mut Round, completed_at: SimTime, now: SimTime) -> bool {
    let (succeeded, failed) = round.uncounted();
    let left = succeeded.len() + failed.len();
    let Some(finish) = &round.finish else { return false };
    if left > 0 || round.terminating_count > 0 {
        return false;
    }
    let declared =
        condition(finish.kind, ConditionStatus::True, &finish.reason, &finish.message, now);
    let status = &mut round.job.status;
    ensure(&mut status.conditions, declared);
    if finish.kind == COMPLETE {
        status.completion_time = Some(completed_at.trunc_secs());
    }
    true
}

/// Goes through the pods; answers the indexes that succeeded newly.
fn name_pods(round: &mut Round, counting: &mut Counting) -> Vec<i64> {
    let mut named = round.job.status.uncounted.take().unwrap_or_default();
    let known: (BTreeSet<Uid>, BTreeSet<Uid>) =
        (named.0.iter().copied().collect(), named.1.iter().copied().collect());
    let mut new_indexes = Vec::new();
    for pod in round.pods.iter().filter(|p| round.is_tracked(p)) {
        let failed = pods::is_failed(&round.job, pod);
        if !may_release(round, pod, failed) {
            continue;
        }
        counting.release.push(pod.clone());
        let uid = pod.meta.uid;
        let index = pods::valid_index(&round.job, pod);
        if pod.status.phase == Phase::Succeeded && !known.1.contains(&uid) {
            if round.job.spec.indexed {
                let new = index.filter(|i| !round.indexes_before.has(*i));
                counting.write_first |= new.is_some();
                new_indexes.extend(new);
            } else if !known.0.contains(&uid) {
                counting.write_first = true;
                Arc::make_mut(&mut named).0.push(uid);
            }
        } else if (failed || ends_in_failure(round))
            && !known.1.contains(&uid)
            && (!round.job.spec.indexed || index.is_some())
            && policy::counts(round.job.spec.pod_failure_policy.as_deref(), pod)
        {
            counting.write_first = true;
            Arc::make_mut(&mut named).1.push(uid);
        }
        if new_indexes.len() + named.0.len() + named.1.len() >= MOST_UNCOUNTED {
            counting.cut_short = true;
            break;
        }
    }
    round.job.status.uncounted = Some(named);
    new_indexes
}

/// Whether a Job ends so that its unfinished pods count as failed.
fn ends_in_failure(round: &Round) -> bool {
    round.finish.as_ref().is_some_and(|f| !f.is_success_announced())
}

/// Whether a pod may lose its finalizer (`canRemoveFinalizer`).
fn may_release(round: &Round, pod: &Pod, failed: bool) -> bool {
    if round.job.meta.is_terminating()
        || round.finish.is_some()
        || pod.status.phase == Phase::Succeeded
    {
        return true;
    }
    let held_back = || {
        let index = pods::index_of(pod)?;
        round.held_back.get(&index).filter(|held| held.meta.uid == pod.meta.uid)
    };
    failed && held_back().is_none()
}

/// Brings the index texts of the status up to date, and answers whether they changed.
fn write_indexes(round: &mut Round, new: Vec<i64>) -> bool {
    let succeeded = round.succeeded_indexes.with(new);
    let text = |set: &Indexes| set.to_smolstr();
    let failed: Option<Str> = round.failed_indexes.as_ref().map(text);
    let completed: Option<Str> = Some(text(&succeeded)).filter(|t| !t.is_empty());
    let status = &mut round.job.status;
    let changed = completed != status.completed_indexes || failed != status.failed_indexes;
    status.succeeded = i32::try_from(succeeded.total()).unwrap_or(i32::MAX);
    status.completed_indexes = completed;
    status.failed_indexes = failed;
    round.succeeded_indexes = succeeded;
    changed
}

/// Writes the announcement of the end, if it is new, and turns the end into what is declared later.
/// Answers whether there was one to write.
fn announce(round: &mut Round, now: SimTime) -> bool {
    let Some(finish) = round.finish.take() else { return false };
    let conditions = &mut round.job.status.conditions;
    let (declared_as, new) = match finish.kind {
        FAILURE_TARGET => (FAILED, true),
        SUCCESS_CRITERIA_MET => (COMPLETE, held(conditions, SUCCESS_CRITERIA_MET).is_none()),
        declared => (declared, false),
    };
    if new {
        conditions.push(condition(
            finish.kind,
            ConditionStatus::True,
            &finish.reason,
            &finish.message,
            now,
        ));
    }
    round.finish = Some(finish.declared_as(declared_as));
    new
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{NOW, job, look, uid};
    use super::*;

    fn names(pods: &[Arc<Pod>]) -> Vec<&str> {
        pods.iter().map(|p| p.meta.name.as_str()).collect()
    }

    #[test]
    fn ended_pods_are_named_first_and_counted_once_their_finalizer_is_gone() {
        let job = job(&json!({"completions": 5, "parallelism": 5}));
        let pods = ["Succeeded", "Failed", "Running", "Succeeded counted"];
        let mut round = look(&job, &pods);
        let mut counting = begin(&mut round, false, NOW);
        assert!(counting.write_first);
        assert_eq!(names(&counting.release), ["j-1", "j-2"]);
        assert_eq!(round.uncounted(), (&[uid(1)][..], &[uid(2)][..]));
        let counts = |s: &JobStatus| (s.succeeded, s.failed);
        assert_eq!(counts(&round.job.status), (0, 0));
        for number in [1, 2] {
            counting.tracked.remove(&uid(number));
        }
        assert!(count_released(&mut round.job.status, &counting.tracked));
        assert_eq!(counts(&round.job.status), (1, 1));
        assert_eq!(round.uncounted(), (&[][..], &[][..]));
    }

    #[test]
    fn successes_of_indexes_are_counted_by_their_index_alone() {
        let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3});
        let mut round =
            look(&job(&spec), &["Succeeded index=2", "Succeeded index=0", "Running index=1"]);
        let counting = begin(&mut round, false, NOW);
        assert_eq!(names(&counting.release), ["j-2", "j-1"]);
        assert_eq!(round.uncounted(), (&[][..], &[][..]));
        assert_eq!(round.job.status.succeeded, 2);
        assert_eq!(round.job.status.completed_indexes.as_deref(), Some("0,2"));
    }

    #[test]
    fn when_a_job_fails_what_still_runs_counts_as_failed() {
        let mut round = look(
            &job(&json!({"backoffLimit": 0, "parallelism": 2, "completions": 2})),
            &["Failed", "Running"],
        );
        round.terminating_count = 1;
        let counting = begin(&mut round, false, NOW);
        assert_eq!(names(&counting.release), ["j-1", "j-2"]);
        assert_eq!(round.uncounted(), (&[][..], &[uid(1), uid(2)][..]));
        let kinds: Vec<_> = round.job.status.conditions.iter().map(|c| c.kind.as_str()).collect();
        assert_eq!(kinds, [FAILURE_TARGET]);
        assert!(!declare(&mut round, NOW, NOW), "pods are still to be counted");
        count_released(&mut round.job.status, &BTreeSet::new());
        assert!(!declare(&mut round, NOW, NOW), "a pod is still to stop");
        round.terminating_count = 0;
        assert!(declare(&mut round, NOW, NOW));
        assert!(round.job.status.is_true(FAILED) && round.job.status.completion_time.is_none());
    }

    #[test]
    fn a_failed_pod_keeps_its_finalizer_until_its_index_has_another() {
        let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2,
            "backoffLimitPerIndex": 2});
        let mut round = look(&job(&spec), &["Failed index=0", "Failed index=1", "Running index=1"]);
        let counting = begin(&mut round, false, NOW);
        assert_eq!(names(&counting.release), ["j-2"]);
    }
}

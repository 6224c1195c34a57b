//! One look at a Job: what its pods amount to, and whether that ends it.
//!
//! Follows the first half of `pkg/controller/job/job_controller.go`, `syncJob`. The order of the
//! questions is upstream's: an end announced earlier stands; then the failure policy, the back-off
//! limit, the deadline, the limits by index, and last the success policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backoff::{Failures, finished_at};
use super::conditions::{FAILED, FAILURE_TARGET, Finish, SUCCESS_CRITERIA_MET, held};
use super::indexes::Indexes;
use super::{pods, policy};
use crate::base::time::SimTime;
use crate::controllers::pod_control::{is_job_tracked, is_terminating};
use crate::model::{Job, Phase, Pod, RestartPolicy, Uid};

/// What the controller remembers about a Job between syncs.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Its failures since its last success.
    pub(super) failures: Failures,
    /// Pods whose finalizer was taken off, which the informer has not heard of yet.
    pub(super) untracked: BTreeSet<Uid>,
    /// Whether all creations and deletions asked for have been heard of.
    pub(super) satisfied: bool,
}

/// A Job being synced (`syncJobCtx`).
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// The Job with its status as it is to be.
    pub(super) job: Job,
    /// Its pods.
    pub(super) pods: Vec<Arc<Pod>>,
    /// Those that have not ended and are not being deleted.
    pub(super) active: Vec<Arc<Pod>>,
    /// What was remembered, with the failures of this look added.
    pub(super) memory: Memory,
    /// How it ends, if it does.
    pub(super) finish: Option<Finish>,
    /// Successes, those not counted in the status yet included.
    pub(super) succeeded: i64,
    /// Indexes that succeeded as of the status.
    pub(super) indexes_before: Indexes,
    /// Indexes that succeeded, those not counted in the status yet included.
    pub(super) succeeded_indexes: Indexes,
    /// Indexes that failed, where failures are limited by index.
    pub(super) failed_indexes: Option<Indexes>,
    /// Failed pods by index that keep their finalizer until their index has another pod, which takes
    /// over their count of failures.
    pub(super) held_back: BTreeMap<i64, Arc<Pod>>,
    /// The numbers for the status.
    pub(super) active_count: i32,
    /// See `active_count`.
    pub(super) ready_count: i32,
    /// See `active_count`.
    pub(super) terminating_count: i32,
    /// When it must be looked at again, whatever else happens: its deadline.
    pub(super) deadline: Option<SimTime>,
}

impl Round {
    /// Looks at a Job and its pods.
    pub(super) fn new(job: &Job, pods: Vec<Arc<Pod>>, memory: Memory, now: SimTime) -> Self {
        let mut job = job.clone();
        job.status.uncounted.get_or_insert_default();
        let active: Vec<_> = pods.iter().filter(|p| p.is_active()).cloned().collect();
        let mut round = Self {
            active_count: count(active.len()),
            ready_count: count(active.iter().filter(|p| p.is_ready()).count()),
            terminating_count: count(pods.iter().filter(|p| is_terminating(p)).count()),
            job,
            pods,
            active,
            memory,
            finish: None,
            succeeded: 0,
            indexes_before: Indexes::default(),
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            held_back: BTreeMap::new(),
            deadline: None,
        };
        round.assess(now);
        round
    }

    /// The uids in the status that are not counted yet: successes and failures.
    pub(super) fn uncounted(&self) -> (&[Uid], &[Uid]) {
        self.job.status.uncounted.as_deref().map_or((&[], &[]), |(s, f)| (s, f))
    }

    /// Whether a pod is still to be counted (`hasJobTrackingFinalizer` and not `expectedRmFinalizers`).
    pub(super) fn is_tracked(&self, pod: &Pod) -> bool {
        is_job_tracked(pod) && !self.memory.untracked.contains(&pod.meta.uid)
    }

    fn assess(&mut self, now: SimTime) {
        let (succeeded, failed) = self.newly_finished();
        let policy = self.job.spec.pod_failure_policy.as_deref();
        let counted = failed.iter().filter(|p| policy::counts(policy, p)).count();
        let times = |pods: &[&Arc<Pod>]| pods.iter().map(|p| finished_at(p)).collect::<Vec<_>>();
        let (successes, times_failed) = (times(&succeeded), times(&failed));
        let uncounted = self.uncounted();
        let failures = i64::from(self.job.status.failed) + wide(counted + uncounted.1.len());
        self.succeeded =
            i64::from(self.job.status.succeeded) + wide(successes.len() + uncounted.0.len());
        self.memory.failures = self.memory.failures.after(&successes, &times_failed);
        if self.job.status.start_time.is_none() && !self.job.spec.suspend {
            self.job.status.start_time = Some(now.trunc_secs());
        }
        self.finish = self.announced().or_else(|| self.failed_by_policy());
        if self.finish.is_none() {
            self.finish = self.failed_by_limit(failures).or_else(|| self.past_deadline(now));
        }
        if self.job.spec.indexed {
            self.assess_indexes();
        }
    }

    /// The pods that have ended and are not in the status (`getNewFinishedPods`).
    fn newly_finished(&self) -> (Vec<&Arc<Pod>>, Vec<&Arc<Pod>>) {
        let (succeeded, failed) = self.uncounted();
        let uncounted: BTreeSet<Uid> = succeeded.iter().chain(failed).copied().collect();
        let mut finished = (Vec::new(), Vec::new());
        for pod in self.pods.iter().filter(|p| self.is_valid(p)) {
            if uncounted.contains(&pod.meta.uid) {
                continue;
            }
            if pod.status.phase == Phase::Succeeded {
                finished.0.push(pod);
            } else if pods::is_failed(&self.job, pod) {
                finished.1.push(pod);
            }
        }
        finished
    }

    /// Whether a pod is still to be counted and, in an Indexed Job, has an index that the Job has
    /// (`getValidPodsWithFilter`).
    fn is_valid(&self, pod: &Pod) -> bool {
        self.is_tracked(pod)
            && (!self.job.spec.indexed || pods::valid_index(&self.job, pod).is_some())
    }

    fn announced(&self) -> Option<Finish> {
        let conditions = &self.job.status.conditions;
        let same = |kind, c: &crate::model::JobCondition| Finish {
            kind,
            reason: c.reason.clone(),
            message: c.message.clone(),
        };
        match held(conditions, SUCCESS_CRITERIA_MET) {
            Some(met) => Some(same(SUCCESS_CRITERIA_MET, met)),
            None => held(conditions, FAILURE_TARGET).map(|target| same(FAILED, target)),
        }
    }

    fn failed_by_policy(&self) -> Option<Finish> {
        let policy = self.job.spec.pod_failure_policy.as_deref()?;
        let failed = self.pods.iter().filter(|p| pods::is_failed(&self.job, p));
        let message = failed
            .filter_map(|p| policy::match_failure(Some(policy), p))
            .find_map(|m| m.fails_job)?;
        Some(Finish::failure("PodFailurePolicy", message))
    }

    fn failed_by_limit(&self, failures: i64) -> Option<Finish> {
        let exceeded = failures > i64::from(self.job.spec.backoff_limit);
        (exceeded || self.restarts_exceeded()).then(|| {
            let text = "Job has reached the specified backoff limit";
            Finish::failure("BackoffLimitExceeded", text)
        })
    }

    /// Whether the restarts of its containers reach the back-off limit, where they are restarted at all
    /// (`pastBackoffLimitOnFailure`).
    fn restarts_exceeded(&self) -> bool {
        if self.job.spec.template.spec.restart_policy != RestartPolicy::OnFailure {
            return false;
        }
        let alive = |p: &&Arc<Pod>| matches!(p.status.phase, Phase::Running | Phase::Pending);
        let restarts: u64 = self
            .pods
            .iter()
            .filter(alive)
            .flat_map(|p| p.status.init_containers.iter().chain(p.status.containers.iter()))
            .map(|c| u64::from(c.restart_count))
            .sum();
        match u64::try_from(self.job.spec.backoff_limit) {
            Ok(0) => restarts > 0,
            Ok(limit) => restarts >= limit,
            Err(_) => true,
        }
    }

    /// Whether it has been active for too long; notes when it will have been (`pastActiveDeadline`).
    fn past_deadline(&mut self, now: SimTime) -> Option<Finish> {
        let allowed = self.job.spec.active_deadline.filter(|_| !self.job.spec.suspend)?;
        let deadline = self.job.status.start_time? + allowed;
        if now >= deadline {
            let text = "Job was active longer than specified deadline";
            return Some(Finish::failure("DeadlineExceeded", text));
        }
        self.deadline = Some(deadline);
        None
    }

    fn assess_indexes(&mut self) {
        let job = &self.job;
        let completions = pods::completions(job);
        let text = job.status.completed_indexes.as_deref().unwrap_or_default();
        self.indexes_before = Indexes::parse(text, completions);
        let tracked = || self.pods.iter().filter(|p| is_job_tracked(p));
        let succeeded: BTreeSet<i64> = tracked()
            .filter(|p| p.status.phase == Phase::Succeeded)
            .filter_map(|p| pods::valid_index(job, p))
            .collect();
        self.succeeded_indexes = self.indexes_before.with(succeeded);
        self.succeeded = self.succeeded_indexes.total();
        if job.spec.backoff_limit_per_index.is_some() {
            let text = job.status.failed_indexes.as_deref().unwrap_or_default();
            let failed: BTreeSet<i64> = tracked()
                .filter(|p| pods::fails_index(job, p))
                .filter_map(|p| pods::valid_index(job, p))
                .collect();
            let failed = Indexes::parse(text, completions).with(failed);
            if self.finish.is_none() {
                self.finish = self.failed_by_indexes(failed.total(), completions);
            }
            self.failed_indexes = Some(failed);
            self.held_back = self.to_hold_back();
        }
        if self.finish.is_none() {
            let policy = self.job.spec.success_policy.as_deref();
            self.finish = policy::match_success(policy, completions, &self.succeeded_indexes)
                .map(|message| Finish::success("SuccessPolicy", message));
        }
    }

    fn failed_by_indexes(&self, failed: i64, completions: i64) -> Option<Finish> {
        if self.job.spec.max_failed_indexes.is_some_and(|max| failed > i64::from(max)) {
            let text = "Job has exceeded the specified maximal number of failed indexes";
            return Some(Finish::failure("MaxFailedIndexesExceeded", text));
        }
        let all_ended = failed > 0 && failed + self.succeeded >= completions;
        all_ended.then(|| Finish::failure("FailedIndexes", "Job has failed indexes"))
    }

    /// The last failed pod of every index that is to have another
    /// (`getPodsWithDelayedDeletionPerIndex`).
    fn to_hold_back(&self) -> BTreeMap<i64, Arc<Pod>> {
        let active = pods::indexes_of(&self.active);
        let mut held: BTreeMap<i64, Arc<Pod>> = BTreeMap::new();
        for pod in self.pods.iter().filter(|p| self.is_valid(p) && pods::is_failed(&self.job, p)) {
            let Some(index) = pods::valid_index(&self.job, pod) else { continue };
            let ended = self.succeeded_indexes.has(index)
                || self.failed_indexes.as_ref().is_some_and(|f| f.has(index));
            if ended || active.contains(&index) {
                continue;
            }
            let later = |old: &Arc<Pod>| {
                pods::absolute_failures(old) <= pods::absolute_failures(pod)
                    && finished_at(pod) >= finished_at(old)
            };
            if held.get(&index).is_none_or(later) {
                held.insert(index, pod.clone());
            }
        }
        held
    }
}

/// A number of pods as the status counts them.
pub(super) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn wide(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::conditions::COMPLETE;
    use super::super::fixture::{NOW, ago, job, look};
    use super::*;

    /// How a Job with that spec and these pods ends: condition, reason and message.
    #[track_caller]
    fn check(spec: &Value, pods: &[&str], expected: Option<(&str, &str)>) {
        let round = look(&job(spec), pods);
        let ends = round.finish.as_ref().map(|f| (f.kind, f.reason.as_str()));
        assert_eq!(ends, expected, "{spec} {pods:?}");
    }

    #[test]
    fn more_failures_than_the_limit_end_a_job() {
        let failed = Some((FAILURE_TARGET, "BackoffLimitExceeded"));
        check(&json!({"backoffLimit": 2}), &["Failed", "Failed"], None);
        check(&json!({"backoffLimit": 2}), &["Failed", "Failed", "Failed"], failed);
        check(&json!({"backoffLimit": 0}), &["Running deleted"], failed);
        check(
            &json!({"backoffLimit": 0, "podReplacementPolicy": "Failed"}),
            &["Running deleted"],
            None,
        );
    }

    #[test]
    fn as_many_restarts_as_the_limit_end_a_job_that_restarts_on_failure() {
        let restarting = |limit: i32| {
            json!({"backoffLimit": limit, "template": {
                "spec": {"restartPolicy": "OnFailure", "containers": [{"name": "main"}]}}})
        };
        let failed = Some((FAILURE_TARGET, "BackoffLimitExceeded"));
        check(&restarting(4), &["Running restarts=3"], None);
        check(&restarting(4), &["Running restarts=2", "Running restarts=2"], failed);
        check(&restarting(0), &["Running restarts=0"], None);
        check(&restarting(0), &["Running restarts=1"], failed);
        check(&json!({"backoffLimit": 1}), &["Running restarts=9"], None);
    }

    #[test]
    fn a_failure_policy_comes_before_the_back_off_limit() {
        let rules = json!([
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]);
        let spec = json!({"backoffLimit": 0, "podFailurePolicy": {"rules": rules}});
        check(&spec, &["Failed exit=42"], Some((FAILURE_TARGET, "PodFailurePolicy")));
        check(&spec, &["Failed exit=1"], Some((FAILURE_TARGET, "BackoffLimitExceeded")));
        check(&spec, &["Failed exit=1 target"], None);
        let round = look(&job(&spec), &["Failed exit=42"]);
        let text = "Container main for pod default/j-1 failed with exit code 42 matching FailJob \
                    rule at index 0";
        assert_eq!(round.finish.unwrap().message, text);
        // What is ignored holds the next pod back all the same.
        let round = look(&job(&spec), &["Failed exit=1 target ended=3"]);
        let until = round.memory.failures.wait_until(NOW).unwrap();
        assert_eq!(until, ago(3) + std::time::Duration::from_secs(10));
    }

    #[test]
    fn a_job_ends_at_its_deadline_and_asks_to_be_looked_at_then() {
        let mut job = job(&json!({"activeDeadlineSeconds": 60}));
        job.status.start_time = Some(ago(59));
        let round = look(&job, &["Running"]);
        assert_eq!(round.deadline, Some(NOW + std::time::Duration::from_secs(1)));
        job.status.start_time = Some(ago(60));
        let ends = look(&job, &["Running"]).finish.unwrap();
        assert_eq!((ends.kind, ends.reason.as_str()), (FAILURE_TARGET, "DeadlineExceeded"));
        let mut spec = (*job.spec).clone();
        spec.suspend = true;
        job.spec = std::sync::Arc::new(spec);
        assert_eq!(look(&job, &["Running"]).finish, None);
    }

    #[test]
    fn indexes_fail_on_their_own() {
        let spec = |most: Option<i32>| {
            json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3,
                "backoffLimit": 2_147_483_647, "backoffLimitPerIndex": 1, "maxFailedIndexes": most})
        };
        check(&spec(None), &["Failed index=0 failures=0"], None);
        check(&spec(None), &["Failed index=0 failures=1", "Running index=1"], None);
        let exceeded = Some((FAILURE_TARGET, "MaxFailedIndexesExceeded"));
        check(&spec(Some(0)), &["Failed index=0 failures=1", "Running index=1"], exceeded);
        let all = ["Failed index=0 failures=1", "Succeeded index=1", "Succeeded index=2"];
        check(&spec(None), &all, Some((FAILURE_TARGET, "FailedIndexes")));
        let round = look(&job(&spec(None)), &["Failed index=0", "Failed index=1 failures=1"]);
        assert_eq!(round.failed_indexes.unwrap().to_string(), "1");
        assert_eq!(round.held_back.keys().copied().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_success_policy_ends_a_job_before_all_indexes_succeed() {
        let rules = json!([{"succeededIndexes": "0,2-3", "succeededCount": 2}]);
        let spec = json!({"completionMode": "Indexed", "completions": 4, "parallelism": 4,
            "successPolicy": {"rules": rules}});
        check(&spec, &["Succeeded index=0", "Succeeded index=1"], None);
        let met = Some((SUCCESS_CRITERIA_MET, "SuccessPolicy"));
        check(&spec, &["Succeeded index=0", "Succeeded index=3", "Running index=1"], met);
    }

    #[test]
    fn an_end_that_was_announced_stands() {
        for (announced, ends) in
            [(FAILURE_TARGET, FAILED), (SUCCESS_CRITERIA_MET, SUCCESS_CRITERIA_MET)]
        {
            let mut job = job(&json!({"backoffLimit": 0}));
            let (reason, message) = ("Why".into(), "Because".into());
            let status = crate::model::ConditionStatus::True;
            let announced =
                super::super::conditions::condition(announced, status, &reason, &message, NOW);
            job.status.conditions.push(announced);
            let finish = look(&job, &["Failed", "Failed"]).finish.unwrap();
            assert_eq!((finish.kind, finish.reason.as_str()), (ends, "Why"));
            assert_ne!(finish.kind, COMPLETE);
        }
    }
}

//! The conditions of a Job: what it came to, or is coming to, and why.
//!
//! Follows `pkg/controller/job/job_controller.go` (`newCondition`, `ensureJobConditionStatus`). An end
//! is announced first (`FailureTarget`, `SuccessCriteriaMet`) and declared (`Failed`, `Complete`) once
//! no pod is left to be counted or to stop.

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, JobCondition};

/// The Job is about to fail.
pub(super) const FAILURE_TARGET: &str = "FailureTarget";
/// The Job is about to be complete.
pub(super) const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";
/// The Job has failed.
pub(super) const FAILED: &str = "Failed";
/// The Job is complete.
pub(super) const COMPLETE: &str = "Complete";
/// The Job makes no pods until it is resumed.
pub(super) const SUSPENDED: &str = "Suspended";

/// How a Job ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finish {
    /// The condition to be set.
    pub(super) kind: &'static str,
    /// Why, in one word.
    pub(super) reason: Str,
    /// Why, for people.
    pub(super) message: Str,
}

impl Finish {
    /// The Job is to fail.
    pub(super) fn failure(reason: &'static str, message: impl Into<Str>) -> Self {
        Self { kind: FAILURE_TARGET, reason: Str::new_static(reason), message: message.into() }
    }

    /// The Job is to be complete.
    pub(super) fn success(reason: &'static str, message: impl Into<Str>) -> Self {
        Self {
            kind: SUCCESS_CRITERIA_MET,
            reason: Str::new_static(reason),
            message: message.into(),
        }
    }

    /// The same end under another condition.
    #[must_use]
    pub(super) fn declared_as(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// Whether it is announced as a success.
    pub(super) fn is_success_announced(&self) -> bool {
        self.kind == SUCCESS_CRITERIA_MET
    }
}

/// A condition as of `now`, in whole seconds as stored.
pub(super) fn condition(
    kind: &'static str,
    status: ConditionStatus,
    reason: &Str,
    message: &Str,
    now: SimTime,
) -> JobCondition {
    JobCondition {
        kind: Str::new_static(kind),
        status,
        reason: reason.clone(),
        message: message.clone(),
        since: now.trunc_secs(),
        probed: now.trunc_secs(),
    }
}

/// The condition of a type, where it is true.
pub(super) fn held<'a>(all: &'a [JobCondition], kind: &str) -> Option<&'a JobCondition> {
    all.iter().find(|c| c.kind == kind).filter(|c| c.status == ConditionStatus::True)
}

/// Puts a condition in the place of its type, or at the end; one that is false is not added. Answers
/// whether anything changed (`ensureJobConditionStatus`).
pub(super) fn ensure(all: &mut Vec<JobCondition>, new: JobCondition) -> bool {
    match all.iter_mut().find(|c| c.kind == new.kind) {
        Some(old) => {
            let same =
                old.status == new.status && old.reason == new.reason && old.message == new.message;
            if !same {
                *old = new;
            }
            !same
        }
        None if new.status == ConditionStatus::False => false,
        None => {
            all.push(new);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_replaces_its_like_and_a_false_one_is_not_added() {
        let of = |status, reason: &str, secs| {
            condition(SUSPENDED, status, &reason.into(), &"".into(), SimTime::from_secs(secs))
        };
        let mut all = Vec::new();
        assert!(!ensure(&mut all, of(ConditionStatus::False, "JobResumed", 1)));
        assert!(ensure(&mut all, of(ConditionStatus::True, "JobSuspended", 2)));
        assert!(!ensure(&mut all, of(ConditionStatus::True, "JobSuspended", 3)));
        assert!(ensure(&mut all, of(ConditionStatus::False, "JobResumed", 4)));
        assert_eq!(all, [of(ConditionStatus::False, "JobResumed", 4)]);
    }
}

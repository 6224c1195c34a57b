//! What the API server refuses of a Job's new status.
//!
//! Follows `pkg/apis/batch/validation/validation.go`, `ValidateJobStatusUpdate`, with the options of
//! `pkg/registry/batch/job/strategy.go`: mostly a rule is held only where what it is about has changed.
//! The Job controller itself runs into one of them: while it waits after a failure it reports no active
//! pod, and its status is refused for as long as another pod is ready. Left out: the formats of
//! indexes.

use crate::api::validate::{Errors, Path};
use crate::model::{Job, JobStatus};

/// The errors of a Job's new status.
pub(super) fn check(new: &Job, old: &Job) -> Errors {
    let mut errors = Errors::default();
    let (now, was) = (&new.status, &old.status);
    let status = Path::new("status");
    let conditions = status.child("conditions");
    let (complete, failed) = (now.is_true("Complete"), now.is_true("Failed"));
    let completed = complete != was.is_true("Complete");
    let failed_now = failed != was.is_true("Failed");
    let finished = now.is_finished();
    let finished_now = finished != was.is_finished();
    let target_now = now.is_true("FailureTarget") != was.is_true("FailureTarget");
    if (completed || failed_now) && complete && failed {
        errors.invalid_unshown(&conditions, "cannot set Complete=True and Failed=true conditions");
    }
    if (completed || target_now) && complete && now.is_true("FailureTarget") {
        let text = "cannot set Complete=True and FailureTarget=true conditions";
        errors.invalid_unshown(&conditions, text);
    }
    times(new, old, completed, &mut errors);
    if failed_now && failed && !now.is_true("FailureTarget") {
        let text = "cannot set Failed=True condition without the FailureTarget=true condition";
        errors.invalid_unshown(&conditions, text);
    }
    let criteria = now.is_true("SuccessCriteriaMet");
    if (completed || criteria != was.is_true("SuccessCriteriaMet")) && complete && !criteria {
        let text =
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
        errors.invalid_unshown(&conditions, text);
    }
    counts(now, was, finished, finished_now, &mut errors);
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if was.is_true(kind) && !now.is_true(kind) {
            let text = format!("cannot disable the terminal {kind}=True condition");
            errors.invalid_unshown(&conditions, text);
        }
    }
    if now.failed < was.failed {
        let text = "cannot decrease the failed counter";
        errors.invalid(&status.child("failed"), i64::from(now.failed), text);
    }
    let scaled_down = new.spec.indexed && new.spec.completions == new.spec.parallelism;
    if now.succeeded < was.succeeded && !scaled_down {
        let text = "cannot decrease the succeeded counter";
        errors.invalid(&status.child("succeeded"), i64::from(now.succeeded), text);
    }
    if was.is_true("SuccessCriteriaMet") && !criteria {
        let text = "cannot disable the SuccessCriteriaMet=True condition";
        errors.invalid_unshown(&conditions, text);
    }
    errors
}

fn times(new: &Job, old: &Job, completed: bool, errors: &mut Errors) {
    let (now, was) = (&new.status, &old.status);
    let status = Path::new("status");
    let ended_at = status.child("completionTime");
    if completed || now.completion_time != was.completion_time {
        let complete = now.is_true("Complete");
        if now.completion_time.is_some() && !complete {
            let text = "cannot set completionTime when there is no Complete=True condition";
            errors.invalid_unshown(&ended_at, text);
        }
        if now.completion_time.is_none() && complete {
            errors.required(&ended_at, "completionTime is required for Complete jobs");
        }
    }
    let started = now.start_time != was.start_time;
    let resuming = was.is_true("Suspended") && !now.is_true("Suspended");
    if started && !resuming && was.start_time.is_some() && !new.spec.suspend {
        let text = "field is immutable for unsuspended job once set";
        errors.invalid_unshown(&status.child("startTime"), text);
    }
}

fn counts(
    now: &JobStatus,
    was: &JobStatus,
    finished: bool,
    finished_now: bool,
    errors: &mut Errors,
) {
    let status = Path::new("status");
    if (finished_now || now.active != was.active) && now.active > 0 && finished {
        let text = "active>0 is invalid for finished job";
        errors.invalid(&status.child("active"), i64::from(now.active), text);
    }
    if finished_now && finished && now.start_time.is_none() {
        errors.required(&status.child("startTime"), "startTime is required for finished job");
    }
    let ready = now.ready.unwrap_or(0);
    if (now.ready != was.ready || now.active != was.active) && ready > now.active {
        let text = "cannot set more ready pods than active";
        errors.invalid(&status.child("ready"), i64::from(ready), text);
    }
    let terminating = now.terminating.unwrap_or(0);
    if (finished_now || now.terminating != was.terminating) && finished && terminating > 0 {
        let text = "terminating>0 is invalid for finished job";
        errors.invalid(&status.child("terminating"), i64::from(terminating), text);
    }
}

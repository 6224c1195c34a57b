//! What a Job waits for, in plain words.

use smol_str::format_smolstr;

use super::round::Round;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Job, Kind, Phase, Ref};
use crate::trace::Waiting;

/// What a Job waits for after a sync; `None` when it has ended or its own status is all it waits for.
pub(super) fn reason(round: &Round, back_off: Option<SimTime>) -> Option<Waiting> {
    let job = &round.job;
    if job.status.is_finished() {
        return None;
    }
    let pods = |n: i32| if n == 1 { "1 pod".into() } else { format_smolstr!("{n} pods") };
    let active = i32::try_from(round.active.len()).unwrap_or(i32::MAX).max(round.active_count);
    let on = if round.finish.is_some() {
        format_smolstr!("{} to stop", pods(round.terminating_count))
    } else if job.spec.suspend {
        Str::new_static("spec.suspend to be lifted")
    } else if let Some(until) = back_off {
        let failures = round.memory.failures.count;
        format_smolstr!("the back-off after {failures} failures, until {}", until.to_rfc3339())
    } else if active == 0 && round.terminating_count > 0 {
        format_smolstr!("{} to stop before others are made", pods(round.terminating_count))
    } else if active == 0 {
        Str::new_static("spec.parallelism to allow a pod")
    } else if round.active.iter().all(|p| p.status.phase == Phase::Pending) {
        format_smolstr!("{} to start", pods(active))
    } else {
        format_smolstr!("{} to finish", pods(active))
    };
    Some(waiting(job, on))
}

/// A Job waits on something.
pub(super) fn waiting(job: &Job, on: Str) -> Waiting {
    Waiting { object: Ref { kind: Kind::Job, key: job.meta.key() }, uid: job.meta.uid, on }
}

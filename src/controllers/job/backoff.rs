//! How long a Job waits before it makes pods again after failures.
//!
//! Follows `pkg/controller/job/backoff_utils.go`. The record is kept by the controller, not in the
//! Job's status: it counts the failures since the last success, by the times at which pods finished.

use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, ContainerState, ContainerStatus, Pod, conditions};

/// 10 s doubling to 10 min (`DefaultJobPodFailureBackOff`, `MaxJobPodFailureBackOff`).
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(10), limit: Duration::from_secs(600) };

/// The failures of a Job since its last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last of them finished.
    pub last: Option<SimTime>,
}

impl Failures {
    /// The record after these pods, newly finished (`backoffStore.newBackoffRecord`).
    #[must_use]
    pub fn after(self, succeeded: &[SimTime], failed: &[SimTime]) -> Self {
        match succeeded.iter().max() {
            None => Self {
                count: self.count.saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX)),
                last: failed.iter().max().copied().or(self.last),
            },
            Some(success) => {
                let later = || failed.iter().filter(|f| *f > success);
                Self {
                    count: u32::try_from(later().count()).unwrap_or(u32::MAX),
                    last: later().max().copied(),
                }
            }
        }
    }

    /// Until when no pods are made (`backoffRecord.getRemainingTime`); `None` when they may be now.
    pub fn wait_until(self, now: SimTime) -> Option<SimTime> {
        let until = self.last? + BACKOFF.delay(self.count);
        (self.count > 0 && until > now).then_some(until)
    }
}

/// When a pod finished: the last container's end, or where none is known when it stopped being ready,
/// or when it was deleted, or when it was made (`getFinishedTime`). Whole seconds, as stored.
pub fn finished_at(pod: &Pod) -> SimTime {
    let at = containers_finished_at(pod).or_else(|| not_ready_since(pod)).or_else(|| {
        let deletion = pod.meta.deletion?;
        Some(deletion.at.trunc_secs() - deletion.grace)
    });
    at.unwrap_or(pod.meta.created).trunc_secs()
}

fn containers_finished_at(pod: &Pod) -> Option<SimTime> {
    let main = latest(None, pod.status.containers.iter());
    let sidecar = |s: &&ContainerStatus| {
        pod.spec.init_containers.iter().any(|c| c.name == s.name && c.is_sidecar())
    };
    latest(main, pod.status.init_containers.iter().filter(sidecar))
}

/// The latest end; `None` as soon as one container has none (`latestFinishTime`).
fn latest<'a>(
    before: Option<SimTime>,
    all: impl Iterator<Item = &'a ContainerStatus>,
) -> Option<SimTime> {
    let mut last = before;
    for status in all {
        let ContainerState::Terminated(end) = &status.state else { return None };
        last = last.max(Some(end.finished_at?));
    }
    last
}

fn not_ready_since(pod: &Pod) -> Option<SimTime> {
    let ready = pod.status.condition(conditions::READY)?;
    (ready.status == ConditionStatus::False).then_some(ready.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> SimTime {
        SimTime::from_secs(secs)
    }

    #[test]
    fn failures_add_up_until_a_success_and_only_later_ones_count_after_it() {
        let none = Failures::default();
        let two = none.after(&[], &[at(5), at(3)]);
        assert_eq!(two, Failures { count: 2, last: Some(at(5)) });
        assert_eq!(two.after(&[], &[]), two);
        assert_eq!(two.after(&[], &[at(9)]), Failures { count: 3, last: Some(at(9)) });
        assert_eq!(two.after(&[at(7)], &[]), none);
        assert_eq!(two.after(&[at(7)], &[at(7), at(8), at(9)]).count, 2);
    }

    #[test]
    fn the_wait_doubles_from_ten_seconds_and_counts_from_the_last_failure() {
        for (count, elapsed, left) in [(0, 0, 0), (1, 3, 7), (2, 3, 17), (7, 100, 500), (1, 10, 0)]
        {
            let failures = Failures { count, last: Some(at(1000)) };
            let now = at(1000 + elapsed);
            let wait = failures.wait_until(now).map_or(0, |t| t.since(now).as_secs());
            assert_eq!(wait, left, "{count} failures, {elapsed} s ago");
        }
    }
}

//! When an ended container is started again, and how long that is put off.
//!
//! Whether: the container's own restart policy and rules, else the pod's
//! (`pkg/api/v1/pod`, `ContainerShouldRestart`). How long: a back-off per container that doubles from
//! 10 s to 300 s (`k8s.io/client-go/util/flowcontrol`, `Backoff`), counted from the container's exit
//! and looked at only when the pod's worker wakes (`pkg/kubelet/kuberuntime`, `doBackOff`). The first
//! restart begins the series and is immediate. The series begins anew when an exit comes more than
//! twice the limit after the last restart that was put into it.

use std::time::Duration;

use super::runtime::{Nth, View, each};
use crate::base::time::SimTime;
use crate::model::{Container, PodSpec, RestartPolicy, wire};

/// The first back-off (`pkg/kubelet`, `initialNodeStatusUpdate…`: `backOffPeriod` of 10 s).
pub(super) const FIRST: Duration = Duration::from_secs(10);
/// No back-off is longer (`MaxCrashLoopBackOff`, `imageBackOffMax`).
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// One series of back-offs: a container's restarts or the pulls of one image for one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Series {
    /// How long the next attempt is put off.
    pub(super) delay: Duration,
    /// When the series was last continued.
    pub(super) updated: SimTime,
}

impl Series {
    fn expired(self, event: SimTime) -> bool {
        event.since(self.updated) > LIMIT * 2
    }

    /// Whether an attempt at `now` must still wait, counted from `event`
    /// (`Backoff.IsInBackOffSince`).
    pub(super) fn holds(self, event: SimTime, now: SimTime) -> bool {
        !self.expired(event) && now.since(event) < self.delay
    }

    /// Whether an attempt at `now` must still wait, counted from when the series was last continued
    /// (`Backoff.IsInBackOffSinceUpdate`).
    pub(super) fn holds_since_update(self, now: SimTime) -> bool {
        !self.expired(now) && now.since(self.updated) < self.delay
    }

    /// The series after one attempt more (`Backoff.Next`).
    pub(super) fn next(series: Option<Self>, event: SimTime, now: SimTime) -> Self {
        let delay = match series {
            Some(s) if !s.expired(event) => (s.delay * 2).min(LIMIT),
            _ => FIRST,
        };
        Self { delay, updated: now }
    }
}

/// The rule of a container that an exit code meets (`FindMatchingContainerRestartRule`).
fn matching_rule(spec: &PodSpec, n: Nth, code: i32) -> Option<&wire::core::ContainerRestartRule> {
    let init = spec.wire.init_containers.as_deref().unwrap_or_default();
    let wire = match n.index().checked_sub(init.len()) {
        None => init.get(n.index()),
        Some(main) => spec.wire.containers.get(main),
    }?;
    wire.restart_policy_rules.iter().flatten().find(|rule| {
        rule.exit_codes.as_ref().is_some_and(|codes| {
            let listed = codes.values.iter().flatten().any(|v| *v == code);
            match codes.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                _ => false,
            }
        })
    })
}

/// The action that starts all containers of a pod again.
const RESTART_ALL: &str = "RestartAllContainers";

/// Whether a container that ended with `code` is to run again (`ContainerShouldRestart`).
pub(super) fn restarts(spec: &PodSpec, n: Nth, c: &Container, code: i32) -> bool {
    let policy = match c.restart_policy {
        None => spec.restart_policy,
        Some(own) => {
            if matching_rule(spec, n, code)
                .is_some_and(|r| r.action == "Restart" || r.action == RESTART_ALL)
            {
                return true;
            }
            own
        }
    };
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => code != 0,
        RestartPolicy::Never => false,
    }
}

/// Whether a container is to be started, as far as the agent has seen it
/// (`pkg/kubelet/container`, `ShouldContainerBeRestarted`).
pub(super) fn to_be_started(
    spec: &PodSpec,
    deleted: bool,
    view: &View,
    n: Nth,
    c: &Container,
) -> bool {
    if deleted {
        return false;
    }
    match view.current(n) {
        None => true,
        Some(run) if run.is_running() => false,
        Some(run) => run.exited().is_none_or(|how| restarts(spec, n, c, how.exit_code)),
    }
}

/// Whether an exit code of this container starts all containers of the pod again.
pub(super) fn restarts_all(spec: &PodSpec, n: Nth, code: i32) -> bool {
    matching_rule(spec, n, code).is_some_and(|r| r.action == RESTART_ALL)
}

/// Whether some rule of the pod may start all its containers again
/// (`podutil.AllContainersCouldRestart`).
pub(super) fn may_restart_all(spec: &PodSpec) -> bool {
    let init = spec.wire.init_containers.iter().flatten();
    init.chain(&spec.wire.containers)
        .flat_map(|c| c.restart_policy_rules.iter().flatten())
        .any(|r| r.action == RESTART_ALL)
}

/// Whether a container has ended so that all start again (`ShouldAllContainersRestart`, the part that
/// looks at the runtime).
pub(super) fn all_restart(spec: &PodSpec, view: &View) -> bool {
    each(spec).any(|(n, _)| {
        view.current(n)
            .and_then(|run| run.exited())
            .is_some_and(|how| restarts_all(spec, n, how.exit_code))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_doubles_from_ten_seconds_and_starts_anew_after_a_long_run() {
        let at = SimTime::from_secs;
        let mut series = None;
        let mut delays = Vec::new();
        let mut now = at(1000);
        for _ in 0..7 {
            let next = Series::next(series, now, now);
            delays.push(next.delay.as_secs());
            series = Some(next);
            now += Duration::from_secs(1);
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
        let s = series.unwrap();
        assert!(s.holds(now, now + Duration::from_secs(299)));
        assert!(!s.holds(now, now + Duration::from_secs(300)));
        let late = s.updated + Duration::from_secs(601);
        assert!(!s.holds(late, late));
        assert_eq!(Series::next(series, late, late).delay, FIRST);
    }
}

//! The runs of a pod's containers, put together from what each status shows of them.
//!
//! A run is known by its number: `state` shows the run that `restartCount` counts, `lastState` the
//! one before it. Restarts follow a back-off of 10 s doubling to 300 s that the kubelet stretches
//! by up to a half (pkg/kubelet/kuberuntime/kuberuntime_manager.go, doBackOff, and
//! pkg/kubelet/pod_workers.go, completeWork), so that near the end of a run it is chance which
//! restarts are still seen.

use std::collections::BTreeMap;

use serde_json::Value;

use super::marks::{BASE_TOLERANCE, SETTLED, Window};
use super::value::{count, field, shown, text};

/// Numbers below this are the zero time of a start that failed.
const ZERO_TIME: f64 = -1e6;

/// One run of one container.
#[derive(Default)]
pub(super) struct Run {
    /// When it started, in seconds.
    pub(super) start: Option<f64>,
    /// When it ended, in seconds.
    pub(super) finish: Option<f64>,
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

/// The runs of all containers of a pod.
#[derive(Default)]
pub(super) struct Runs {
    by_number: BTreeMap<(String, i64), Run>,
    /// The highest restart count of each container.
    restarts: BTreeMap<String, i64>,
}

/// What the end of the scenario leaves to chance.
pub(super) struct Chance {
    /// The time from which on it is chance which restarts are still seen, in seconds.
    pub(super) unsure_since: Option<f64>,
    /// The number of restarts of every container is sure.
    pub(super) all_sure: bool,
    /// By container: its restarts, whether they are sure, and the latest end of its last run.
    containers: Vec<(String, i64, bool, Option<f64>)>,
}

impl Chance {
    /// The final restart counts that jitter leaves no choice about.
    pub(super) fn sure_restarts(&self, end: f64) -> impl Iterator<Item = (&str, i64)> {
        self.containers
            .iter()
            .filter(move |(_, _, sure, last)| *sure && last.is_none_or(|t| t <= end - SETTLED))
            .map(|(name, restarts, ..)| (name.as_str(), *restarts))
    }
}

impl Runs {
    /// Takes in the status of a container on a line at `t`.
    pub(super) fn take(&mut self, name: &str, status: &Value, t: f64, pod_deleted: bool) {
        let restarts = count(status, "restartCount").unwrap_or(0);
        let most = self.restarts.entry(name.to_owned()).or_insert(0);
        *most = (*most).max(restarts);
        for (which, number) in [("state", restarts), ("lastState", restarts.saturating_sub(1))] {
            let Some(state) = status.get(which) else { continue };
            if let Some(running) = field(state, "running") {
                let run = self.run(name, number);
                run.start = run.start.or_else(|| Some(seen_at(t, running.get("startedAt"))));
            }
            let Some(ended) = field(state, "terminated") else { continue };
            if pod_deleted && text(ended, "reason") == Some("ContainerStatusUnknown") {
                continue;
            }
            let number = if which == "lastState" { number.max(0) } else { number };
            let run = self.run(name, number);
            let started = ended.get("startedAt").and_then(Value::as_f64);
            if run.start.is_none() && started.is_some_and(|s| s > ZERO_TIME) {
                run.start = Some(seen_at(t, ended.get("startedAt")));
            }
            if run.code.is_none() {
                run.finish = Some(seen_at(t, ended.get("finishedAt")));
                run.code = field(ended, "exitCode").map(|c| shown(Some(c)));
                run.reason = field(ended, "reason").map(|r| shown(Some(r)));
                run.message = text(ended, "message").map(str::to_owned);
            }
        }
    }

    fn run(&mut self, name: &str, number: i64) -> &mut Run {
        self.by_number.entry((name.to_owned(), number)).or_default()
    }

    /// The runs by container and number.
    pub(super) fn all(&self) -> impl Iterator<Item = (&(String, i64), &Run)> {
        self.by_number.iter()
    }

    fn get(&self, name: &str, number: i64) -> Option<&Run> {
        self.by_number.get(&(name.to_owned(), number))
    }

    /// Where the back-off may put the start of a restart; `None` when none was waited for.
    pub(super) fn back_off(&self, name: &str, number: i64, start: f64) -> Option<Window> {
        let since = self.get(name, number.checked_sub(1)?)?.finish?;
        let delay = delay(number);
        let waited = delay > 0.0 && start - since >= 0.85 * delay - 1.5;
        waited.then_some(Window {
            since,
            from: delay - BASE_TOLERANCE,
            to: 1.5 * delay + BASE_TOLERANCE + 0.5,
        })
    }

    /// What the end of the object or run at `end` leaves to chance.
    pub(super) fn chance(&self, end: f64) -> Chance {
        let mut chance = Chance { unsure_since: None, all_sure: true, containers: Vec::new() };
        for (name, &restarts) in &self.restarts {
            let unsure_since = self.possibly_too_late(name, restarts, end);
            chance.unsure_since = match (chance.unsure_since, unsure_since) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let sure = unsure_since.is_none() && !self.next_is_due(name, restarts, end);
            let last = self.get(name, restarts);
            let last =
                last.and_then(|r| [r.start, r.finish].into_iter().flatten().max_by(f64::total_cmp));
            chance.containers.push((name.clone(), restarts, sure, last));
            chance.all_sure &= sure || restarts < 1;
        }
        chance
    }

    /// The start of the first run that would come after the end, had every back-off been as long as
    /// it can be.
    fn possibly_too_late(&self, name: &str, restarts: i64, end: f64) -> Option<f64> {
        let mut first: Option<f64> = None;
        // The latest time by which the run before may have ended, and that run's number.
        let mut late: Option<(i64, f64)> = None;
        for ((_, number), run) in
            self.by_number.range((name.to_owned(), 0)..=(name.to_owned(), restarts))
        {
            let Some(start) = run.start else {
                late = None;
                continue;
            };
            let before = late.filter(|(n, _)| n + 1 == *number);
            let backed_off = *number > 1 && self.back_off(name, *number, start).is_some();
            let mut until = match before {
                Some((_, late)) if backed_off => late + 1.5 * delay(*number) + 2.0,
                _ => start,
            };
            if backed_off && until > end {
                first = Some(first.map_or(start, |f| f.min(start)));
            }
            if let Some(finish) = run.finish {
                until += finish - start;
            }
            late = Some((*number, until));
        }
        first
    }

    /// Whether the next restart may be due before the end, had every back-off been as short as it
    /// can be.
    fn next_is_due(&self, name: &str, restarts: i64, end: f64) -> bool {
        let last = self.get(name, restarts).and_then(|run| run.finish);
        let Some(last) = last.filter(|_| restarts >= 1) else { return false };
        let first = self.get(name, 0).and_then(|run| run.finish).filter(|t| t.abs() > 0.0);
        let ran: f64 = self
            .by_number
            .iter()
            .filter(|((n, number), _)| n == name && *number != 0)
            .filter_map(|(_, run)| Some(run.finish? - run.start?))
            .sum();
        first.unwrap_or(last) + delays_until(restarts) + ran <= end + 1.0
    }
}

/// The back-off before a restart, in seconds: the first restart is immediate.
fn delay(restart: i64) -> f64 {
    match restart {
        ..=1 => 0.0,
        2 => 10.0,
        3 => 20.0,
        4 => 40.0,
        5 => 80.0,
        6 => 160.0,
        7.. => 300.0,
    }
}

/// The back-offs before the restarts from the second to the one after `restarts`, in seconds.
fn delays_until(restarts: i64) -> f64 {
    let growing: f64 = (2..=restarts.saturating_add(1).min(6)).map(delay).sum();
    let full = u32::try_from(restarts - 5).unwrap_or(if restarts > 5 { u32::MAX } else { 0 });
    growing + 300.0 * f64::from(full)
}

/// Time stamps inside objects are whole seconds; the line's own time tells more, when it is near.
fn seen_at(t: f64, stamp: Option<&Value>) -> f64 {
    let stamp = stamp.and_then(Value::as_f64).filter(|s| *s >= ZERO_TIME);
    stamp.map_or(t, |s| t.max(s).min(s + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_time_of_the_line_refines_a_stamp_of_whole_seconds() {
        assert!(near(seen_at(4.3, Some(&json!(4))), 4.3));
        assert!(near(seen_at(9.0, Some(&json!(4))), 5.0));
        assert!(near(seen_at(3.9, Some(&json!(4))), 4.0));
        assert!(near(seen_at(3.9, None), 3.9));
    }

    #[test]
    fn delays_double_to_five_minutes() {
        let sums: Vec<f64> = (1..=8).map(delays_until).collect();
        let expect = [10.0, 30.0, 70.0, 150.0, 310.0, 610.0, 910.0, 1210.0];
        assert!(sums.iter().zip(expect).all(|(a, b)| near(*a, b)), "{sums:?}");
    }

    fn crashing(last_start: f64) -> Runs {
        let mut runs = Runs::default();
        let state = |restarts: i64, start: f64, finish: f64| {
            json!({"restartCount": restarts, "state": {"terminated":
                {"exitCode": 1, "startedAt": start, "finishedAt": finish}}})
        };
        runs.take("main", &state(0, 1.0, 2.0), 2.0, false);
        runs.take("main", &state(1, 2.0, 3.0), 3.0, false);
        let running = json!({"restartCount": 2, "state": {"running": {"startedAt": last_start}}});
        runs.take("main", &running, last_start, false);
        runs
    }

    #[test]
    fn a_restart_near_the_end_is_chance() {
        let runs = crashing(14.0);
        assert!(runs.back_off("main", 2, 14.0).is_some());
        assert!(runs.back_off("main", 1, 2.0).is_none());
        let soon = runs.chance(15.0);
        assert!(!soon.all_sure && soon.unsure_since.is_some_and(|t| near(t, 14.0)));
        let later = runs.chance(60.0);
        assert!(later.all_sure && later.unsure_since.is_none());
        assert_eq!(later.sure_restarts(60.0).collect::<Vec<_>>(), [("main", 2)]);
    }
}

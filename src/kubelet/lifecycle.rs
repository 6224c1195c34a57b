//! Stopping containers: hooks, order, grace and signals.
//!
//! Follows `pkg/kubelet/kuberuntime` (`killContainer`, `killContainersWithSyncResult`,
//! `terminationOrdering`): the preStop hook runs within the grace, sidecars wait for the main
//! containers and for the sidecars after them, what is left of the grace, in whole seconds and at
//! least two, lies between the stop signal and the one that nothing survives.

use std::time::Duration;

use super::actions::KillReason;
use super::asking::{Hook, HookEnd};
use super::desk::Desk;
use super::runtime::{Nth, Run, container, each_init, each_main, is_init};
use super::worker::Worker;
use crate::base::time::SimTime;
use crate::model::PodSpec;
use crate::trace::EventType;

/// A container always has this many seconds between the two signals
/// (`minimumGracePeriodInSeconds`).
const MINIMUM_GRACE: u64 = 2;

/// Containers that are being stopped together.
#[derive(Clone, Debug)]
pub(super) struct Kills {
    kills: Vec<Kill>,
    /// Whether sidecars wait for their turn.
    ordered: bool,
}

/// One container that is being stopped.
#[derive(Clone, Debug)]
struct Kill {
    container: Nth,
    run: u64,
    /// What is left of the grace, in seconds.
    grace: u64,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// Its preStop hook runs.
    Hook { hook: Hook, began: SimTime },
    /// It waits for others to end first.
    Turn { began: SimTime },
    /// The stop signal was sent; the other follows at `kill_at`.
    Signalled { kill_at: SimTime, killed: bool },
    /// It has ended; the runtime says so at that time.
    Ended(SimTime),
    /// The runtime has said so.
    Done,
}

impl Kills {
    /// Stops the containers of a pod together.
    pub(super) fn all(
        worker: &mut Worker,
        running: &[Nth],
        grace: Option<u64>,
        d: &mut Desk<'_, '_>,
    ) -> Self {
        let kills = running
            .iter()
            .filter_map(|n| Kill::begin(worker, *n, None, KillReason::Unknown, grace, d))
            .collect();
        let ordered = each_init(worker.spec()).any(|(_, c)| c.is_sidecar());
        Self { kills, ordered }
    }

    /// Stops one container.
    pub(super) fn one(
        worker: &mut Worker,
        n: Nth,
        message: &str,
        reason: KillReason,
        grace: Option<u64>,
        d: &mut Desk<'_, '_>,
    ) -> Self {
        let kill = Kill::begin(worker, n, Some(message), reason, grace, d);
        Self { kills: kill.into_iter().collect(), ordered: false }
    }

    /// Whether all have ended.
    pub(super) fn is_done(&self) -> bool {
        self.kills.iter().all(|k| matches!(k.step, Step::Done))
    }

    /// Does what is due; whether anything was done.
    pub(super) fn step(&mut self, worker: &mut Worker, d: &mut Desk<'_, '_>) -> bool {
        let mut moved = false;
        for i in 0..self.kills.len() {
            let spec = worker.spec();
            let turn = !self.ordered || self.has_turn(spec, self.kills[i].container);
            while self.kills[i].step(worker, turn, d) {
                moved = true;
            }
        }
        moved
    }

    /// Whether everything that must end before this container has ended (`waitForTurn`).
    fn has_turn(&self, spec: &PodSpec, n: Nth) -> bool {
        if !is_init(spec, n) || !container(spec, n).is_some_and(|c| c.is_sidecar()) {
            return true;
        }
        let ended =
            |n: Nth| self.kills.iter().all(|k| k.container != n || matches!(k.step, Step::Done));
        let later = each_init(spec).find(|(m, c)| *m > n && c.is_sidecar());
        each_main(spec).all(|(m, _)| ended(m)) && later.is_none_or(|(m, _)| ended(m))
    }

    /// When something is due.
    pub(super) fn next_wake(&self) -> Option<SimTime> {
        self.kills.iter().filter_map(Kill::next_wake).min()
    }
}

impl Kill {
    fn begin(
        worker: &mut Worker,
        n: Nth,
        message: Option<&str>,
        reason: KillReason,
        grace: Option<u64>,
        d: &mut Desk<'_, '_>,
    ) -> Option<Self> {
        let seen = match reason {
            // It was started by this very sync, which has not looked since.
            KillReason::FailedPostStart => None,
            KillReason::Unknown
            | KillReason::StartupProbe
            | KillReason::LivenessProbe
            | KillReason::RestartAll => worker.seen.current(n),
        };
        let run = seen.or(worker.actual.current(n))?.id;
        let c = container(worker.spec(), n)?;
        let (name, hook) = (c.name.clone(), c.pre_stop.clone());
        let grace = grace.unwrap_or_else(|| grace_for(worker, n, reason));
        let text = message.map_or_else(|| format!("Stopping container {name}"), str::to_owned);
        worker.container_event(n, EventType::Normal, "Killing", &text, d);
        let began = d.cx.now;
        let step = match hook.filter(|_| grace > 0) {
            Some(handler) => Step::Hook { hook: Hook::begin(worker, n, &handler, d), began },
            None => Step::Turn { began },
        };
        Some(Self { container: n, run, grace, step })
    }

    /// One step; whether anything was done.
    fn step(&mut self, worker: &mut Worker, turn: bool, d: &mut Desk<'_, '_>) -> bool {
        let now = d.cx.now;
        match &mut self.step {
            Step::Hook { hook, began } => {
                let over = now.since(*began) >= Duration::from_secs(self.grace);
                let failed = match hook.poll(worker, d) {
                    Some(HookEnd::Succeeded) => false,
                    Some(HookEnd::Failed(_)) => true,
                    // The hook goes on by itself; its failure will still be told of.
                    None if over => {
                        let hook = std::mem::replace(hook, Hook::nothing());
                        worker.asking.push(super::asking::Asking::late_hook(self.container, hook));
                        false
                    }
                    None => return false,
                };
                if failed {
                    let n = self.container;
                    worker.container_event(
                        n,
                        EventType::Warning,
                        "FailedPreStopHook",
                        "PreStopHook failed",
                        d,
                    );
                }
                let spent = now.since(*began);
                self.spend(spent);
                self.step = Step::Turn { began: now };
                true
            }
            Step::Turn { began } => {
                let waited = now.since(*began);
                if !turn && waited < Duration::from_secs(self.grace) {
                    return false;
                }
                self.spend(waited);
                self.stop(worker, d);
                true
            }
            Step::Signalled { kill_at, killed } => {
                if Self::is_over(worker, self.container, self.run) {
                    self.step = Step::Ended(now + d.cx.latency.container_stop);
                    return true;
                }
                if *killed || *kill_at > now {
                    return false;
                }
                *killed = true;
                worker.signal(self.container, true, d);
                true
            }
            Step::Ended(at) if *at <= now => {
                self.step = Step::Done;
                true
            }
            Step::Ended(_) | Step::Done => false,
        }
    }

    /// The grace passes in whole seconds.
    fn spend(&mut self, length: Duration) {
        self.grace = self.grace.saturating_sub(length.as_secs());
    }

    fn stop(&mut self, worker: &mut Worker, d: &mut Desk<'_, '_>) {
        let grace = Duration::from_secs(self.grace.max(MINIMUM_GRACE));
        self.step = Step::Signalled { kill_at: d.cx.now + grace, killed: false };
        if !Self::is_over(worker, self.container, self.run) {
            worker.signal(self.container, false, d);
        }
    }

    fn is_over(worker: &Worker, n: Nth, run: u64) -> bool {
        worker.actual.current(n).is_none_or(|r: &Run| r.id != run || r.exited().is_some())
    }

    fn next_wake(&self) -> Option<SimTime> {
        match &self.step {
            Step::Hook { hook, began } => {
                let end = *began + Duration::from_secs(self.grace);
                Some(hook.next().map_or(end, |at| at.min(end)))
            }
            Step::Turn { began } => Some(*began + Duration::from_secs(self.grace)),
            Step::Signalled { kill_at, killed } => (!killed).then_some(*kill_at),
            Step::Ended(at) => Some(*at),
            Step::Done => None,
        }
    }
}

/// The grace of a container that is stopped for `reason`, in seconds (`setTerminationGracePeriod`).
fn grace_for(worker: &Worker, n: Nth, reason: KillReason) -> u64 {
    if let Some(deletion) = worker.pod.meta.deletion {
        return deletion.grace.as_secs();
    }
    let c = container(worker.spec(), n);
    let probe = match reason {
        KillReason::StartupProbe => c.and_then(|c| c.startup.as_ref()),
        KillReason::LivenessProbe => c.and_then(|c| c.liveness.as_ref()),
        KillReason::Unknown | KillReason::FailedPostStart | KillReason::RestartAll => None,
    };
    probe.and_then(|p| p.grace).unwrap_or(worker.spec().grace).as_secs()
}

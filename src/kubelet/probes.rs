//! Probes: a worker per container and kind of probe.
//!
//! Follows `pkg/kubelet/prober/worker.go` (`doProbe`) and `prober_manager.go` (`UpdatePodStatus`). A
//! worker's ticks are multiples of its period, counted from when it was made or last asked to run at
//! once; a tick that could do nothing is no event, and neither is one whose answer cannot change
//! ([`Answer::lasting`]): the worker then sleeps until its container does something else.
//!
//! A new container begins as not ready, alive, and not known to have started. A readiness probe that
//! has not succeeded yet is run at once whenever the pod's status is made, as upstream does.

use std::time::Duration;

use super::runtime::{Nth, each, is_init};
use crate::base::time::SimTime;
use crate::model::{Container, ContainerState, ContainerStatus, PodSpec, PodStatus, Probe};

/// What a probe says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet.
    Unknown,
    /// All is well.
    Success,
    /// Something is wrong.
    Failure,
}

/// The kinds of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProbeKind {
    /// Has it started?
    Startup,
    /// May it serve?
    Readiness,
    /// Must it be restarted?
    Liveness,
}

impl ProbeKind {
    /// As events name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    const fn initial(self) -> Outcome {
        match self {
            Self::Startup => Outcome::Unknown,
            Self::Readiness => Outcome::Failure,
            Self::Liveness => Outcome::Success,
        }
    }

    /// The probe of this kind of a container.
    pub(super) fn of(self, c: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => c.startup.as_ref(),
            Self::Readiness => c.readiness.as_ref(),
            Self::Liveness => c.liveness.as_ref(),
        }
    }
}

/// The answer of one run of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether it succeeded; `None` where it could not be run at all.
    pub(super) ok: Option<bool>,
    /// What it said.
    pub(super) text: String,
    /// Whether every later run would say the same until the container changes.
    pub(super) lasting: bool,
}

/// The probes of one pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    workers: Vec<Worker>,
}

/// One worker.
#[derive(Clone, Debug)]
struct Worker {
    container: Nth,
    kind: ProbeKind,
    period: Duration,
    /// From when its ticks are counted.
    base: SimTime,
    /// The latest tick that was looked at.
    ticked: SimTime,
    /// The next tick that is to be looked at; ticks that could do nothing pass unseen.
    armed: Option<SimTime>,
    /// It is to run at once.
    triggered: bool,
    /// A tick has come while a probe was under way: the next look is as soon as that is over.
    late: bool,
    /// The run of the container that it knows; 0 for none.
    run: u64,
    /// What holds for that run.
    result: Option<Outcome>,
    last: Outcome,
    in_a_row: u32,
    /// It waits for another run of the container.
    on_hold: bool,
    /// Its answer cannot change.
    settled: bool,
    /// A probe is under way.
    busy: bool,
}

/// A change of what holds of a container, to be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The kind of probe.
    pub(super) kind: ProbeKind,
    /// The run of the container.
    pub(super) run: u64,
    /// What holds now.
    pub(super) outcome: Outcome,
}

/// A probe that is to be run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The container.
    pub(super) container: Nth,
    /// The kind of probe.
    pub(super) kind: ProbeKind,
}

/// What a tick leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticked {
    /// Probes to be run.
    pub(super) asks: Vec<Ask>,
    /// What changed without a probe.
    pub(super) changes: Vec<Change>,
}

impl Probes {
    /// Makes the workers of a pod that has none yet (`AddPod`).
    pub(super) fn add(&mut self, spec: &PodSpec, now: SimTime) {
        if !self.workers.is_empty() {
            return;
        }
        for (n, c) in each(spec).filter(|(n, c)| !is_init(spec, *n) || c.is_sidecar()) {
            for kind in [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness] {
                let Some(probe) = kind.of(c) else { continue };
                self.workers.push(Worker {
                    container: n,
                    kind,
                    period: probe.period,
                    base: now,
                    ticked: now,
                    armed: None,
                    triggered: false,
                    late: false,
                    run: 0,
                    result: None,
                    last: Outcome::Unknown,
                    in_a_row: 0,
                    on_hold: false,
                    settled: false,
                    busy: false,
                });
            }
        }
    }

    /// Believes of a run that was found running what its status says.
    pub(super) fn believe(&mut self, n: Nth, run: u64, ready: bool, started: bool) {
        for w in self.workers.iter_mut().filter(|w| w.container == n) {
            let holds = match w.kind {
                ProbeKind::Startup => started,
                ProbeKind::Readiness => ready,
                ProbeKind::Liveness => true,
            };
            w.run = run;
            w.result = Some(if holds { Outcome::Success } else { w.kind.initial() });
            w.on_hold = w.kind == ProbeKind::Startup && started;
        }
    }

    /// Ends the workers that could stop or restart a container (`StopLivenessAndStartup`).
    pub(super) fn stop_liveness_and_startup(&mut self) {
        self.workers.retain(|w| w.kind == ProbeKind::Readiness);
    }

    /// Ends all workers.
    pub(super) fn remove(&mut self) {
        self.workers.clear();
    }

    /// What the liveness probe says of a run.
    pub(super) fn liveness(&self, run: u64) -> Option<Outcome> {
        self.result(ProbeKind::Liveness, run)
    }

    /// What the startup probe says of a run.
    pub(super) fn startup(&self, run: u64) -> Option<Outcome> {
        self.result(ProbeKind::Startup, run)
    }

    fn result(&self, kind: ProbeKind, run: u64) -> Option<Outcome> {
        self.workers.iter().find(|w| w.kind == kind && w.run == run && run != 0)?.result
    }

    /// Sets `started` and `ready` of container statuses, which stand in the order of the spec
    /// (`UpdatePodStatus`).
    pub(super) fn update(
        &mut self,
        spec: &PodSpec,
        init: &mut [ContainerStatus],
        main: &mut [ContainerStatus],
        now: SimTime,
    ) {
        let statuses = init.iter_mut().chain(main.iter_mut());
        for ((n, c), status) in each(spec).zip(statuses) {
            let started = self.is_started(n, status);
            status.started = Some(started);
            if is_init(spec, n) && !c.is_sidecar() {
                let ended = match &status.state {
                    ContainerState::Terminated(how) => how.exit_code == 0,
                    ContainerState::Waiting { .. } | ContainerState::Running { .. } => false,
                };
                status.ready = status.ready || ended;
                continue;
            }
            if started {
                status.ready = self.is_ready(n, status, now);
            }
        }
    }

    fn is_started(&self, n: Nth, status: &ContainerStatus) -> bool {
        if !matches!(status.state, ContainerState::Running { .. }) {
            return false;
        }
        if let Some(outcome) = self.startup(status.container_id) {
            return outcome == Outcome::Success;
        }
        status.started == Some(true) || self.worker(n, ProbeKind::Startup).is_none()
    }

    fn is_ready(&mut self, n: Nth, status: &ContainerStatus, now: SimTime) -> bool {
        let Some(i) = self.worker(n, ProbeKind::Readiness) else { return true };
        let w = &mut self.workers[i];
        if w.run == status.container_id && w.result == Some(Outcome::Success) {
            return true;
        }
        w.triggered = true;
        w.base = now;
        w.settled = false;
        false
    }

    fn worker(&self, n: Nth, kind: ProbeKind) -> Option<usize> {
        self.workers.iter().position(|w| w.container == n && w.kind == kind)
    }

    /// Looks at every worker whose tick has come (`doProbe`, up to the probing itself).
    pub(super) fn tick(&mut self, spec: &PodSpec, status: &PodStatus, now: SimTime) -> Ticked {
        let mut out = Ticked::default();
        for w in &mut self.workers {
            let due = w.triggered || w.armed.is_some_and(|at| at <= now);
            if w.busy || !due {
                continue;
            }
            w.triggered = false;
            w.armed = None;
            w.ticked = now;
            if w.look(spec, status, now, &mut out.changes) {
                w.busy = true;
                out.asks.push(Ask { container: w.container, kind: w.kind });
            }
        }
        out
    }

    /// Takes the answer to a probe; tells what changed.
    pub(super) fn answer(&mut self, ask: Ask, spec: &PodSpec, answer: &Answer) -> Option<Change> {
        let i = self.worker(ask.container, ask.kind)?;
        let w = &mut self.workers[i];
        w.busy = false;
        w.late = true;
        let probe = super::runtime::container(spec, w.container).and_then(|c| w.kind.of(c))?;
        let outcome = if answer.ok? { Outcome::Success } else { Outcome::Failure };
        if w.last == outcome {
            w.in_a_row += 1;
        } else {
            (w.last, w.in_a_row) = (outcome, 1);
        }
        let enough = match outcome {
            Outcome::Failure => probe.failure_threshold,
            Outcome::Success | Outcome::Unknown => probe.success_threshold,
        };
        if w.in_a_row < enough {
            return None;
        }
        let changed = w.result != Some(outcome);
        w.result = Some(outcome);
        w.settled = answer.lasting && outcome == Outcome::Success;
        let failed_alive = w.kind == ProbeKind::Liveness && outcome == Outcome::Failure;
        if failed_alive || w.kind == ProbeKind::Startup {
            (w.on_hold, w.in_a_row) = (true, 0);
        }
        changed.then_some(Change { kind: w.kind, run: w.run, outcome })
    }

    /// Notes which tick of each worker is to be looked at next: the first from now on that can do
    /// something.
    pub(super) fn arm(&mut self, spec: &PodSpec, status: &PodStatus, now: SimTime) {
        for w in &mut self.workers {
            if w.busy {
                w.armed = None;
                continue;
            }
            let after_last = w.ticked + Duration::from_nanos(1);
            let from = if std::mem::take(&mut w.late) { after_last } else { after_last.max(now) };
            let relevant = w.relevant(spec, status);
            w.armed = relevant.map(|at| next_tick(w.base, w.period, from.max(at)));
        }
    }

    /// When the next tick that can do something comes.
    pub(super) fn next_wake(&self) -> Option<SimTime> {
        let now = |w: &Worker| w.triggered.then_some(SimTime::ZERO);
        self.workers.iter().filter(|w| !w.busy).filter_map(|w| now(w).or(w.armed)).min()
    }
}

impl Worker {
    /// From when on a tick can do something.
    fn relevant(&self, spec: &PodSpec, status: &PodStatus) -> Option<SimTime> {
        let c = super::runtime::container(spec, self.container)?;
        let of = status.container(&c.name).filter(|s| s.container_id != 0)?;
        if status.phase.is_terminal() {
            return None;
        }
        if self.run != of.container_id {
            return Some(SimTime::ZERO);
        }
        self.relevant_to_run(c, of)
    }

    /// From when on a tick can do something about the run that the worker knows.
    fn relevant_to_run(&self, c: &Container, of: &ContainerStatus) -> Option<SimTime> {
        if self.on_hold || self.settled {
            return None;
        }
        let ContainerState::Running { started_at } = of.state else {
            return (self.result != Some(Outcome::Failure)).then_some(SimTime::ZERO);
        };
        let asks = (of.started == Some(true)) != (self.kind == ProbeKind::Startup);
        let delay = self.kind.of(c)?.initial_delay;
        asks.then(|| started_at.trunc_secs() + delay)
    }

    /// One look at the container; answers whether the probe is to be run.
    fn look(
        &mut self,
        spec: &PodSpec,
        status: &PodStatus,
        now: SimTime,
        changes: &mut Vec<Change>,
    ) -> bool {
        let Some(c) = super::runtime::container(spec, self.container) else { return false };
        let Some(of) = status.container(&c.name).filter(|s| s.container_id != 0) else {
            return false;
        };
        if status.phase.is_terminal() {
            return false;
        }
        if self.run != of.container_id {
            self.run = of.container_id;
            self.result = None;
            self.set(self.kind.initial(), changes);
            self.on_hold = false;
            self.settled = false;
        }
        if self.on_hold {
            return false;
        }
        let ContainerState::Running { started_at } = of.state else {
            self.set(Outcome::Failure, changes);
            return false;
        };
        let Some(probe) = self.kind.of(c) else { return false };
        let age = Duration::from_secs(now.since(started_at.trunc_secs()).as_secs());
        let asks = (of.started == Some(true)) != (self.kind == ProbeKind::Startup);
        age >= probe.initial_delay && asks
    }

    fn set(&mut self, outcome: Outcome, changes: &mut Vec<Change>) {
        if self.result != Some(outcome) {
            self.result = Some(outcome);
            changes.push(Change { kind: self.kind, run: self.run, outcome });
        }
    }
}

/// The first of `base`, `base + period`, … that is `from` or later.
pub(super) fn next_tick(base: SimTime, period: Duration, from: SimTime) -> SimTime {
    let period_nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    let behind = from.as_nanos().saturating_sub(base.as_nanos());
    let steps = behind.div_ceil(period_nanos);
    SimTime::from_nanos(base.as_nanos().saturating_add(steps.saturating_mul(period_nanos)))
}

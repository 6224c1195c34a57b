//! A pod's worker: the state machine that brings one pod up, keeps it up and takes it down.
//!
//! Follows `pkg/kubelet/pod_workers.go` (`podWorkerLoop`) and `pkg/kubelet/kubelet.go` (`SyncPod`,
//! `SyncTerminatingPod`, `SyncTerminatedPod`). A worker does one thing at a time. Between two syncs it
//! waits for a view of its containers that is newer than its last sync: the next relist, or one on
//! demand after a sync that did something. What it decides on is that view, never the truth.
//!
//! A sync that would find nothing to do is no event: a settled pod wants no wake at all.

use std::sync::Arc;
use std::time::Duration;

use super::acting::Acting;
use super::actions;
use super::body::Body;
use super::desk::Desk;
use super::eviction::Eviction;
use super::images::Image;
use super::lifecycle::Kills;
use super::probes::{Change, Outcome, ProbeKind, Probes};
use super::reports::Reports;
use super::resize::Resize;
use super::restarts::Series;
use super::runtime::{Nth, RunState, View, container, is_init};
use super::status::{self, Scene, StartFailure};
use super::volumes::{Changed, Mounts, Poll};
use super::waiting::Reason;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::Asked;
use crate::model::{Kind, Labels, Pod, PodSpec, Ref, Terminated, Uid};
use crate::trace::{EventType, FactId, FactKind, Regarding};

/// Other failures of a sync are tried again after this, stretched (`backOffPeriod`).
const SYNC_BACK_OFF: Duration = Duration::from_secs(10);
/// A sync is tried again after this at the latest, stretched (`resyncInterval`).
const RESYNC: Duration = Duration::from_secs(60);
/// Both are stretched by up to half (`workerBackOffPeriodJitterFactor`).
const STRETCH_PERCENT: u32 = 50;
/// From the stop of all containers until the pod's volumes are unmounted, and the wait between looks.
const UNMOUNT: Duration = Duration::from_millis(150);
const UNMOUNT_POLL: Duration = Duration::from_millis(300);
/// Volumes that are not there are looked for in pauses of at least this, however fast the run.
const LEAST_POLL: Duration = Duration::from_millis(100);
/// So many resyncs without news are counted at most (some three months); further ones count as one.
const RESYNCS_COUNTED: u64 = 100_000;
/// More steps than any pod takes within one instant; reaching it is an error of the state machine.
const STEPS_PER_INSTANT: usize = 10_000;

/// Where a pod is in its worker's hands (`PodWorkerState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The node refused it: nothing is ever done.
    Rejected,
    /// It is brought up and kept up.
    Syncing,
    /// Its containers are stopped.
    Terminating,
    /// Nothing of it runs; its volumes go.
    Terminated,
    /// The worker is done.
    Finished,
}

/// What a worker is doing.
#[derive(Clone, Debug, Default)]
pub(super) enum PodWork {
    /// Nothing; an update starts the next sync.
    #[default]
    Idle,
    /// A sync waits for the pod's volumes.
    Mounting {
        /// When it began to wait.
        since: SimTime,
        /// When it looks again.
        poll: SimTime,
        /// All containers are to start again.
        restart_all: bool,
    },
    /// A sync changes containers.
    Acting(Box<Acting>),
    /// All containers are being stopped for good.
    Stopping(Box<Kills>),
    /// The pod's volumes are being unmounted; looked at again then.
    Unmounting(SimTime),
}

/// What news of a pod means to its worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The pod is to have other resources than before.
    pub(super) resizes: bool,
    /// There is something that it would not have done or waited for without them. Most news tells the agent no
    /// more than what it has told the server.
    pub(super) stirs: bool,
}

/// A pod and its worker.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    /// The pod as last heard.
    pub(super) pod: Arc<Pod>,
    /// The pod in the newest version that the agent has seen, heard or replied.
    pub(super) newest: Arc<Pod>,
    /// What the latest news of it was.
    pub(super) cause: FactId,
    pub(super) life: Life,
    work: PodWork,
    /// An update waits for the worker.
    pending: bool,
    /// When the last sync ended; the beginning of time before the first.
    last_sync: SimTime,
    /// When its containers were last looked at on demand.
    observed: SimTime,
    /// When a sync is to be tried again.
    resync: Option<SimTime>,
    /// When the next relist finds a change.
    relist: Option<SimTime>,
    /// The grace of its termination in seconds; 0 before that begins.
    pub(super) grace: u64,
    /// When files of volumes are brought up to date.
    refresh_at: Option<SimTime>,
    /// When the eviction loop looks at its files.
    pub(super) over_at: Option<SimTime>,
    /// Why it is being evicted.
    pub(super) eviction: Option<Eviction>,
    /// When its containers had all been stopped.
    stopped_at: SimTime,
    /// When statuses are compared with the server's.
    reconcile: Option<SimTime>,
    /// Jittered waits drawn so far.
    draws: u64,
    /// The containers as they are.
    pub(super) actual: View,
    /// The containers as last seen.
    pub(super) seen: View,
    /// What runs in them, by place.
    pub(super) bodies: Vec<Option<Box<Body>>>,
    /// What containers that ended had asked of the network.
    pub(super) asked: Vec<(Nth, Vec<Asked>)>,
    /// How often each container was made.
    pub(super) made: Vec<u32>,
    pub(super) failures: Vec<StartFailure>,
    /// Back-offs of restarts, by container and image.
    pub(super) restarts: Vec<(Nth, Str, Series)>,
    /// Back-offs of pulls, by image, with the last error.
    pub(super) pulls: Vec<(Arc<Image>, Series, Str)>,
    pub(super) probes: Probes,
    /// Probes under way.
    pub(super) asking: Vec<super::asking::Asking>,
    pub(super) mounts: Mounts,
    pub(super) reports: Reports,
    /// Its resize under way.
    pub(super) resize: Option<Box<Resize>>,
    /// Bytes that it has written.
    pub(super) written: i64,
    /// What the pod was last said to wait for.
    pub(super) waiting: Reason,
}

impl Worker {
    /// The worker of a pod heard of for the first time.
    pub(super) fn new(pod: Arc<Pod>, cause: FactId) -> Self {
        Self {
            newest: Arc::clone(&pod),
            pod,
            cause,
            life: Life::Syncing,
            work: PodWork::Idle,
            pending: false,
            last_sync: SimTime::ZERO,
            observed: SimTime::ZERO,
            resync: None,
            relist: None,
            grace: 0,
            refresh_at: None,
            over_at: None,
            eviction: None,
            stopped_at: SimTime::ZERO,
            reconcile: None,
            draws: 0,
            actual: View::default(),
            seen: View::default(),
            bodies: Vec::new(),
            asked: Vec::new(),
            made: Vec::new(),
            failures: Vec::new(),
            restarts: Vec::new(),
            pulls: Vec::new(),
            probes: Probes::default(),
            asking: Vec::new(),
            mounts: Mounts::default(),
            reports: Reports::default(),
            resize: None,
            written: 0,
            waiting: Reason::Nothing,
        }
    }

    /// Takes over what a crash has left of the pod's containers.
    pub(super) fn take_over(&mut self, view: View, made: Vec<u32>) {
        self.seen = view.clone();
        self.actual = view;
        self.made = made;
        if self.pod.is_terminal() {
            self.life = Life::Terminated;
        }
    }

    /// The machine has crashed: whatever runs is gone at once.
    pub(super) fn lose(&mut self, d: &mut Desk<'_, '_>) {
        for n in 0..self.bodies.len() {
            self.drop_body(Nth(u16::try_from(n).unwrap_or(u16::MAX)), d);
        }
        self.forget_written(d);
    }

    /// The pod's uid.
    pub(super) fn uid(&self) -> Uid {
        self.pod.meta.uid
    }

    /// What all pods of its template share.
    pub(super) fn spec(&self) -> &PodSpec {
        &self.pod.spec
    }

    /// News of the pod has come (`HandlePodUpdates`, `HandlePodReconcile`).
    pub(super) fn hear(&mut self, pod: Arc<Pod>, cause: FactId, d: &mut Desk<'_, '_>) -> Heard {
        let resizes = self.wanted_spec().resizes_to(&pod.spec);
        if pod.meta.resource_version >= self.newest.meta.resource_version {
            self.newest = Arc::clone(&pod);
        }
        let pod = self.allocated(pod);
        let old = std::mem::replace(&mut self.pod, pod);
        self.cause = cause;
        // Before the agent has made a status itself, and where others have a say in it, it goes by what it hears.
        let mut stirs =
            self.reports.latest().is_none() || !self.pod.spec.readiness_gates.is_empty();
        if resizes || differs_in_what_is_wanted(&old, &self.pod) {
            self.volumes_changed(&Changed::Own, d);
            self.update(d);
            stirs = true;
        } else if !self.pod.spec.readiness_gates.is_empty() && self.gates_changed() {
            self.update(d);
        }
        if self.reports.differs(&self.newest, self.may_run()) && self.life != Life::Finished {
            self.reconcile.get_or_insert(d.node.phases.status_after(d.cx.now));
            stirs = true;
        }
        Heard { resizes, stirs }
    }

    /// An object has changed that files of the pod's volumes are made from: they follow at the pod's
    /// next resync. Resyncs that find nothing are no events, so the next one is computed here.
    pub(super) fn volumes_changed(&mut self, changed: &Changed, d: &Desk<'_, '_>) -> bool {
        if self.life != Life::Syncing || !self.mounts.follow(&self.pod, changed) {
            return false;
        }
        let now = d.cx.now;
        let key = self.uid().to_string();
        let mut at = self.last_sync;
        for n in 0..RESYNCS_COUNTED {
            let mut stream = d.cx.rng.numbered_stream("pod-resync", &key, n);
            at = d.node.phases.sync_from(at + stream.jitter(RESYNC, STRETCH_PERCENT));
            if at > now {
                break;
            }
        }
        self.refresh_at = Some(at.max(now));
        true
    }

    /// Files that programs look at have changed.
    fn stir_bodies(&mut self) {
        self.bodies.iter_mut().flatten().for_each(|b| b.stir());
    }

    /// Whether a program waits for the network to change.
    pub(super) fn waits_for_network(&self) -> bool {
        self.bodies.iter().flatten().any(|b| b.waits_for_network)
    }

    /// The network has changed; whether that may matter to a program.
    pub(super) fn network_changed(&mut self) -> bool {
        let mut any = false;
        for body in self.bodies.iter_mut().flatten().filter(|b| b.waits_for_network) {
            body.network_changed();
            any = true;
        }
        any
    }

    /// An update for the worker (`UpdatePod`).
    pub(super) fn update(&mut self, d: &mut Desk<'_, '_>) {
        if matches!(self.life, Life::Finished | Life::Rejected) {
            return;
        }
        let ends = self.pod.meta.is_terminating() || self.pod.is_terminal();
        if self.life == Life::Syncing && ends {
            self.begin_to_end(d);
        }
        if self.life == Life::Terminating {
            self.grace = self.effective_grace();
        }
        self.pending = true;
    }

    /// The pod is gone from the server: what is left of it must go (`HandlePodRemoves`).
    pub(super) fn remove(&mut self, d: &mut Desk<'_, '_>) {
        if self.life == Life::Rejected {
            self.life = Life::Finished;
        }
        if self.life == Life::Syncing {
            self.begin_to_end(d);
        }
        if self.life == Life::Terminating {
            self.grace = self.effective_grace();
        }
        self.pending = self.life != Life::Finished;
    }

    /// Ends the pod for the agent's own reasons, with a grace in seconds.
    pub(super) fn end_with_grace(&mut self, grace: u64, d: &Desk<'_, '_>) {
        self.begin_to_end(d);
        self.grace = grace;
        self.pending = true;
    }

    fn begin_to_end(&mut self, d: &Desk<'_, '_>) {
        self.life = Life::Terminating;
        // Volumes are brought up to date by syncs of pods that go on.
        (self.resync, self.refresh_at) = (None, None);
        // The wait for volumes is the one thing that termination cuts short.
        if matches!(self.work, PodWork::Mounting { .. }) {
            self.work = PodWork::Idle;
            self.last_sync = d.cx.now;
        }
    }

    /// The grace of the termination, in seconds; it can only shrink (`calculateEffectiveGracePeriod`).
    fn effective_grace(&self) -> u64 {
        let asked = self.pod.meta.deletion.map(|del| del.grace.as_secs());
        let grace = match (asked, self.grace) {
            (Some(asked), 0) => asked,
            (Some(asked), before) => asked.min(before),
            (None, 0) => self.spec().grace.as_secs(),
            (None, before) => before,
        };
        grace.max(1)
    }

    /// Whether containers of the pod may still run, as the status reporter must assume.
    pub(super) fn may_run(&self) -> bool {
        matches!(self.life, Life::Syncing | Life::Terminating)
    }

    /// Whether nothing more will ever happen.
    pub(super) fn is_done(&self) -> bool {
        self.life == Life::Finished
    }

    /// The server refused what it was told: it is told again at `at` (`syncBatch`).
    pub(super) fn report_refused(&mut self, at: SimTime) {
        self.reports.refuse();
        self.reconcile.get_or_insert(at);
    }

    /// When something is to be done next.
    pub(super) fn next_wake(
        &self,
        d: &super::node::NodeState,
        relist: Duration,
    ) -> Option<SimTime> {
        let work = match &self.work {
            PodWork::Idle if self.pending => Some(self.begins(d, relist)),
            PodWork::Idle => self.resync,
            PodWork::Mounting { poll, .. } => {
                Some(self.mounts.next_try().map_or(*poll, |t| t.min(*poll)))
            }
            PodWork::Acting(acting) => acting.next_wake(),
            PodWork::Stopping(kills) => kills.next_wake(),
            PodWork::Unmounting(at) => Some(*at),
        };
        let bodies = self.bodies.iter().flatten().filter_map(|b| b.next());
        let asking = self.asking.iter().filter_map(super::asking::Asking::next);
        [
            work,
            self.relist,
            // What only starts a sync waits for the end of the one under way.
            self.refresh_at.filter(|_| self.idle()),
            self.over_at.filter(|_| self.life == Life::Syncing),
            self.reconcile,
            self.probes.next_wake(),
            self.deadline().filter(|_| self.heeds_deadline()).map(|at| d.phases.sync_from(at)),
        ]
        .into_iter()
        .flatten()
        .chain(bodies)
        .chain(asking)
        .min()
    }

    /// When the next sync can begin: at once, or with the first view that is newer than the last sync.
    fn begins(&self, node: &super::node::NodeState, relist: Duration) -> SimTime {
        if self.last_sync == SimTime::ZERO || self.observed > self.last_sync {
            return SimTime::ZERO;
        }
        node.phases.relist_after(self.last_sync, relist)
    }

    /// Does what is due now.
    pub(super) fn advance(&mut self, d: &mut Desk<'_, '_>) {
        for _ in 0..STEPS_PER_INSTANT {
            let moved = self.run_bodies(d)
                | self.run_relist(d)
                | self.run_probes(d)
                | self.run_timers(d)
                | self.step(d);
            if !moved {
                if let Some(waiting) = self.news_of_waiting() {
                    d.cx.fact(self.cause, FactKind::Waiting(waiting.into()));
                }
                let status = self.reports.current(&self.pod);
                self.probes.arm(&self.pod.spec, status, d.cx.now);
                return;
            }
        }
        debug_assert!(false, "a pod's worker never came to rest");
    }

    fn run_timers(&mut self, d: &mut Desk<'_, '_>) -> bool {
        let now = d.cx.now;
        let mut moved = false;
        if self.reconcile.is_some_and(|at| at <= now) {
            self.reconcile = None;
            if self.reports.take_refused() || self.reports.differs(&self.newest, self.may_run()) {
                self.reports.repeat();
            }
            moved = true;
        }
        if self.over_at.is_some_and(|at| at <= now) {
            self.evict_for_files(d);
            moved = true;
        }
        let over = self.deadline().is_some_and(|at| d.node.phases.sync_from(at) <= now);
        if over && self.heeds_deadline() {
            self.pending = true;
            moved = true;
        }
        if self.refresh_at.is_some_and(|at| at <= now) && self.idle() {
            self.refresh_at = None;
            self.pending = true;
            moved = true;
        }
        if self.resync.is_some_and(|at| at <= now) && self.idle() {
            self.resync = None;
            self.pending = true;
            moved = true;
        }
        moved
    }

    /// Whether a deadline that has passed starts a sync: one that is to come or under way sees it by itself.
    fn heeds_deadline(&self) -> bool {
        self.life == Life::Syncing && !self.pending && self.idle()
    }

    const fn idle(&self) -> bool {
        matches!(self.work, PodWork::Idle)
    }

    /// The container whose image is being pulled.
    pub(super) fn pulling(&self) -> Option<Nth> {
        match &self.work {
            PodWork::Acting(acting) => acting.pulling(),
            PodWork::Idle
            | PodWork::Mounting { .. }
            | PodWork::Stopping(_)
            | PodWork::Unmounting(_) => None,
        }
    }

    /// When the pod has been active for too long (`pastActiveDeadline`).
    fn deadline(&self) -> Option<SimTime> {
        let limit = self.spec().active_deadline?;
        let status = self.reports.current(&self.pod);
        status.start_time.map(|start| start + limit)
    }

    /// One step of the state machine; whether anything was done.
    fn step(&mut self, d: &mut Desk<'_, '_>) -> bool {
        let now = d.cx.now;
        match std::mem::take(&mut self.work) {
            PodWork::Idle => {
                let ready = self.begins(d.node, d.cx.latency.pleg_relist) <= now;
                if !self.pending || !ready || self.life == Life::Finished {
                    return false;
                }
                self.pending = false;
                self.resync = None;
                self.work = match self.life {
                    Life::Syncing => self.begin_sync(d),
                    Life::Terminating => self.begin_stop(d),
                    Life::Terminated => self.begin_unmount(d),
                    Life::Rejected | Life::Finished => PodWork::Idle,
                };
                true
            }
            PodWork::Mounting { since, poll, restart_all } => {
                self.mounts.attempt(&self.pod, d, self.cause);
                if poll > now {
                    self.work = PodWork::Mounting { since, poll, restart_all };
                    return false;
                }
                self.work = self.poll_mounts(since, poll, restart_all, d);
                true
            }
            PodWork::Acting(mut acting) => {
                let moved = acting.step(self, d);
                if acting.is_done() {
                    self.end_sync(&acting, d);
                    return true;
                }
                self.work = PodWork::Acting(acting);
                moved
            }
            PodWork::Stopping(mut kills) => {
                let moved = kills.step(self, d);
                if kills.is_done() {
                    self.end_stop(d);
                    return true;
                }
                self.work = PodWork::Stopping(kills);
                moved
            }
            PodWork::Unmounting(at) if at > now => {
                self.work = PodWork::Unmounting(at);
                false
            }
            PodWork::Unmounting(_) => {
                self.end_unmount(d);
                true
            }
        }
    }

    /// Makes the status from what was seen, and keeps it.
    fn make_status(&mut self, terminal: bool, truth: bool, d: &mut Desk<'_, '_>) {
        let evicted = self.deadline().is_some_and(|at| at <= d.cx.now);
        if evicted {
            self.pod_event(EventType::Normal, "DeadlineExceeded", DEADLINE, d);
        }
        let scene = Scene {
            pod: &self.pod,
            old: self.reports.current(&self.pod),
            seen: if truth { &self.actual } else { &self.seen },
            failures: &self.failures,
            resize: self.resize.as_deref(),
            terminal,
            evicted: evicted.then_some(("DeadlineExceeded", DEADLINE)),
            host_ip: d.node.address,
            now: d.cx.now,
            skew: d.node.skew,
        };
        let mut made = status::generate(&scene, &mut self.probes);
        if let Some(eviction) =
            self.eviction.as_ref().filter(|_| self.life == Life::Terminating && !terminal)
        {
            eviction.mark(&mut made, self.pod.meta.generation, d);
        }
        self.reports.set(made, self.pod.meta.is_terminating());
    }

    /// `SyncPod`, up to the wait for volumes.
    fn begin_sync(&mut self, d: &mut Desk<'_, '_>) -> PodWork {
        self.note_resize(d);
        self.make_status(false, false, d);
        let status = self.reports.current(&self.pod);
        let restart_all = status.is_true(super::conditions::ALL_CONTAINERS_RESTARTING);
        if status.phase.is_terminal() {
            // The pod's life is over by itself: it is taken down next.
            self.life = Life::Terminating;
            self.grace = self.effective_grace();
            self.pending = true;
            self.last_sync = d.cx.now;
            return PodWork::Idle;
        }
        let now = d.cx.now;
        self.poll_mounts(now, now, restart_all, d)
    }

    fn poll_mounts(
        &mut self,
        since: SimTime,
        poll: SimTime,
        restart_all: bool,
        d: &mut Desk<'_, '_>,
    ) -> PodWork {
        match self.mounts.poll(&self.pod, since, d) {
            Poll::Mounted => {}
            Poll::Wait => {
                let poll = poll + d.cx.latency.volume_poll.max(LEAST_POLL);
                return PodWork::Mounting { since, poll, restart_all };
            }
            Poll::Failed(event) => {
                if let Some(text) = event {
                    self.pod_event(EventType::Warning, "FailedMount", &text, d);
                }
                self.fail_sync(None, d);
                return PodWork::Idle;
            }
        }
        self.probes.add(&self.pod.spec, d.cx.now);
        self.refresh_at = None;
        if self.mounts.refresh(&self.pod, d) {
            self.stir_bodies();
        }
        let plan = actions::compute(&self.pod, &self.seen, &self.probes, restart_all);
        PodWork::Acting(Box::new(Acting::new(plan, self.seen.clone(), restart_all)))
    }

    /// The rest of `SyncPod`, once its actions are done.
    fn end_sync(&mut self, acting: &Acting, d: &mut Desk<'_, '_>) {
        for (n, failure) in acting.starts() {
            self.failures.retain(|f| f.container != n);
            if let Some(f) = failure {
                let (reason, message) = (f.reason.clone(), f.message.clone());
                self.failures.push(StartFailure { container: n, reason, message });
            }
        }
        if acting.failed() {
            return self.fail_sync(acting.back_off_ends(), d);
        }
        self.last_sync = d.cx.now;
        // Whatever was set is looked at once more, though no container has changed its state.
        if acting.restarted_all() || acting.resized() {
            self.pending = true;
        }
        if acting.did_something() {
            self.look(d);
        }
    }

    /// A sync failed: it is tried again (`completeWork`).
    fn fail_sync(&mut self, back_off_ends: Option<SimTime>, d: &mut Desk<'_, '_>) {
        let now = d.cx.now;
        self.last_sync = now;
        let wait = back_off_ends.map_or(SYNC_BACK_OFF, |at| at.since(now)).min(RESYNC);
        let key = self.uid().to_string();
        let mut stream = d.cx.rng.numbered_stream("pod-sync-retry", &key, self.draws);
        self.draws += 1;
        let at = now + stream.jitter(wait, STRETCH_PERCENT);
        self.resync = Some(d.node.phases.sync_from(at));
    }

    /// `SyncTerminatingPod`, up to the stop of all containers.
    fn begin_stop(&mut self, d: &mut Desk<'_, '_>) -> PodWork {
        self.make_status(false, false, d);
        self.probes.stop_liveness_and_startup();
        let running = actions::running(&self.pod.spec, &self.seen);
        PodWork::Stopping(Box::new(Kills::all(self, &running, Some(self.grace), d)))
    }

    /// The rest of `SyncTerminatingPod`.
    fn end_stop(&mut self, d: &mut Desk<'_, '_>) {
        self.stop_sandbox(d);
        self.probes.remove();
        self.asking.clear();
        self.drop_resize();
        self.make_status(true, true, d);
        self.life = Life::Terminated;
        self.stopped_at = d.cx.now;
        self.last_sync = d.cx.now;
        self.pending = true;
    }

    /// `SyncTerminatedPod`.
    fn begin_unmount(&mut self, d: &mut Desk<'_, '_>) -> PodWork {
        self.make_status(true, false, d);
        let now = d.cx.now;
        let gone = self.stopped_at + UNMOUNT;
        PodWork::Unmounting(if gone <= now { now } else { now + UNMOUNT_POLL })
    }

    fn end_unmount(&mut self, d: &mut Desk<'_, '_>) {
        let status = status::terminated(&self.pod, self.reports.current(&self.pod));
        self.reports.set(status, true);
        self.reports.finish();
        self.life = Life::Finished;
        self.last_sync = d.cx.now;
        (self.pending, self.relist, self.reconcile) = (false, None, None);
        (self.resync, self.refresh_at, self.over_at) = (None, None, None);
        self.lose(d);
        self.bodies = Vec::new();
        self.mounts.clear(d);
        self.mounts = Mounts::default();
        self.failures = Vec::new();
        self.restarts = Vec::new();
        self.pulls = Vec::new();
    }

    /// The sandbox is taken down.
    pub(super) fn stop_sandbox(&mut self, d: &mut Desk<'_, '_>) {
        let Some(sandbox) = self.actual.sandbox.as_mut().filter(|s| s.ready) else { return };
        sandbox.ready = false;
        if let Some(ip) = sandbox.ip
            && !self.pod.spec.host_network
        {
            d.node.free_address(ip);
        }
        self.changed(Duration::ZERO, d);
    }

    /// Something about the containers has changed: the next relist will find it.
    pub(super) fn changed(&mut self, after: Duration, d: &Desk<'_, '_>) {
        let at = d.node.phases.relist_after(d.cx.now + after, d.cx.latency.pleg_relist);
        self.relist = Some(self.relist.map_or(at, |t| t.min(at)));
    }

    fn run_relist(&mut self, d: &Desk<'_, '_>) -> bool {
        if self.relist.is_none_or(|at| at > d.cx.now) {
            return false;
        }
        self.relist = None;
        self.take_view();
        true
    }

    /// Looks at the containers on demand (`RequestRelist`).
    fn look(&mut self, d: &Desk<'_, '_>) {
        self.relist = None;
        self.observed = d.cx.now + Duration::from_nanos(1);
        self.take_view();
    }

    /// Sees the containers as they are; news wakes the worker.
    fn take_view(&mut self) {
        if self.seen == self.actual {
            return;
        }
        let news = self.seen.sandbox != self.actual.sandbox
            || self.actual.runs.iter().enumerate().any(|(i, runs)| {
                let old = self.seen.runs.get(i).and_then(|r| r.current.as_ref());
                match (&runs.current, old) {
                    (Some(new), old) => {
                        new.state != RunState::Created
                            && old.is_none_or(|o| o.id != new.id || o.state != new.state)
                    }
                    (None, old) => old.is_some(),
                }
            });
        self.seen = self.actual.clone();
        if news && self.life != Life::Finished {
            self.pending = true;
        }
    }

    /// Lets the programs of the containers run; whether one ended.
    fn run_bodies(&mut self, d: &mut Desk<'_, '_>) -> bool {
        let now = d.cx.now;
        if !self.bodies.iter().flatten().any(|b| b.next().is_some_and(|at| at <= now)) {
            return false;
        }
        let mut ended = false;
        for i in 0..self.bodies.len() {
            let n = Nth(u16::try_from(i).unwrap_or(u16::MAX));
            let Some(ending) = self.run_body(n, d) else { continue };
            self.drop_body(n, d);
            self.note_end(n, ending, d);
            ended = true;
        }
        self.look_at_files(d);
        self.count_written(d);
        // A signal may have come to one that had its turn.
        ended || self.bodies.iter().flatten().any(|b| b.is_stirred())
    }

    /// A container has ended.
    pub(super) fn note_end(&mut self, n: Nth, ending: Terminated, d: &Desk<'_, '_>) {
        if let Some(run) = self.actual.current_mut(n) {
            run.state = RunState::Exited(Arc::new(Terminated { container_id: run.id, ..ending }));
        }
        self.changed(d.cx.latency.container_stop, d);
    }

    /// A probe has changed what holds of a container.
    pub(super) fn probe_changed(&mut self, change: Change, d: &Desk<'_, '_>) {
        let (run, ok) = (change.run, change.outcome == Outcome::Success);
        match change.kind {
            ProbeKind::Liveness if change.outcome != Outcome::Failure => return,
            ProbeKind::Liveness => {}
            ProbeKind::Readiness => self.set_ready(run, ok, d.node.skew.show(d.cx.now)),
            ProbeKind::Startup => self.set_started(run, ok),
        }
        if self.life == Life::Syncing || self.life == Life::Terminating {
            self.pending = true;
        }
    }

    fn gates_changed(&self) -> bool {
        let gates = &self.pod.spec.readiness_gates;
        let shown =
            |pod: &Pod| -> Vec<bool> { gates.iter().map(|g| pod.status.is_true(g)).collect() };
        let all = shown(&self.pod).iter().all(|held| *held);
        let ready = self.pod.is_ready();
        let containers = self.pod.status.is_true(crate::model::conditions::CONTAINERS_READY);
        containers && all != ready
    }

    /// An event about the refusal of the pod, whose reason depends on the resource.
    pub(super) fn refusal_event(&self, reason: &Str, message: &str, d: &mut Desk<'_, '_>) {
        let regarding = Regarding {
            object: Ref { kind: Kind::Pod, key: self.pod.meta.key() },
            uid: self.uid(),
            field_path: Str::default(),
        };
        d.event(self.cause, regarding, EventType::Warning, reason, message);
    }

    /// An event about the pod.
    pub(super) fn pod_event(
        &self,
        event_type: EventType,
        reason: &'static str,
        message: &str,
        d: &mut Desk<'_, '_>,
    ) {
        let regarding = Regarding {
            object: Ref { kind: Kind::Pod, key: self.pod.meta.key() },
            uid: self.uid(),
            field_path: Str::default(),
        };
        d.event(self.cause, regarding, event_type, reason, message);
    }

    /// An event about a container of the pod.
    pub(super) fn container_event(
        &self,
        n: Nth,
        event_type: EventType,
        reason: &'static str,
        message: &str,
        d: &mut Desk<'_, '_>,
    ) {
        let spec = &self.pod.spec;
        let group = match super::runtime::ephemeral(spec, n) {
            Some(_) => "ephemeralContainers",
            None if is_init(spec, n) => "initContainers",
            None => "containers",
        };
        let name = container(spec, n).map(|c| c.name.as_str()).unwrap_or_default();
        let object = Ref { kind: Kind::Pod, key: self.pod.meta.key() };
        let regarding = Regarding::container(object, self.uid(), group, name);
        d.event(self.cause, regarding, event_type, reason, message);
    }

    /// `name_namespace(uid)`, as the agent's messages name the pod.
    pub(super) fn full_name(&self) -> String {
        format!("{}_{}({})", self.pod.meta.name, self.pod.meta.namespace, self.uid())
    }
}

const DEADLINE: &str = "Pod was active on the node longer than the specified deadline";

/// Whether more than the status has changed (`pkg/kubelet/config`, `podsDifferSemantically`).
fn differs_in_what_is_wanted(old: &Pod, new: &Pod) -> bool {
    let labels = |a: &Labels, b: &Labels| a != b;
    old.meta.deletion != new.meta.deletion
        || !Arc::ptr_eq(&old.spec, &new.spec) && old.spec.digest != new.spec.digest
        || labels(&old.meta.labels, &new.meta.labels)
        || labels(&old.meta.annotations, &new.meta.annotations)
}

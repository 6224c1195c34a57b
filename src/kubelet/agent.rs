//! One node's agent: its pods' workers and what they wait for.
//!
//! Follows `pkg/kubelet/kubelet.go` (`HandlePodAdditions`, `HandlePodUpdates`, `HandlePodRemoves`). The
//! agent reads the log of the pods bound to its node. Each worker says when it next wants to be woken;
//! the agent keeps them in one order and asks the engine for the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::admission::{self, Pressure};
use super::adopt;
use super::desk::Desk;
use super::machine::{self, Left, Machine, PODS_AFTER, READY_AFTER, REPORTS_AFTER};
use super::node::{NodeState, Phases};
use super::pressure;
use super::resize;
use super::runtime;
use super::shared::Shared;
use super::volumes::Changed;
use super::worker::{Life, Worker};
use crate::base::time::SimTime;
use crate::engine::{Answer, Cx, Token, WakeReason};
use crate::model::{ConditionStatus, Kind, Node, Object, Phase, Pod, PodStatus, Ref, Uid};
use crate::store::{Logs, Request};
use crate::trace::{Change, EventType, FactId, Regarding};

/// A worker that came to rest with something still due, which is a defect, rests at least so long.
const LEAST_REST: Duration = Duration::from_millis(100);

/// The agent of one node.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) node: NodeState,
    /// How far the node's log has been read.
    position: u64,
    /// Boxed: the nodes of the map are half empty, and what comes between others moves them.
    pub(super) pods: BTreeMap<Uid, Box<Watched>>,
    due: BTreeSet<(SimTime, Uid)>,
    /// Whose request a token stands for.
    tokens: BTreeMap<Token, Uid>,
    next_token: u64,
    machine: Machine,
    /// When the node is to be reported as ready, where it joined without being so.
    report_at: Option<SimTime>,
    /// The report of the node that is under way.
    reporting: Option<Token>,
    /// Whether the node was cordoned when it was last looked at.
    cordoned: bool,
    /// When a change of that is told.
    tell_cordon_at: Option<SimTime>,
    strain: Strain,
    /// Pods whose resize waits.
    pub(super) resizes: resize::Pending,
    /// Whether it can reach the API server no more.
    pub(super) cut_off: bool,
}

/// How short of memory a node is.
#[derive(Clone, Copy, Debug, Default)]
struct Strain {
    /// When too little was free for the last time; `None` once that is long enough ago.
    met: Option<SimTime>,
    /// When the eviction loop acts next.
    acts_at: Option<SimTime>,
    /// When nothing at all will be free.
    exhausted_at: Option<SimTime>,
}

/// A pod's worker and when it is due.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) worker: Worker,
    due: Option<SimTime>,
    /// The pod is gone from the server.
    gone: bool,
}

impl Agent {
    /// The worker of a pod.
    pub(super) fn worker(&self, pod: Uid) -> Option<&Worker> {
        self.pods.get(&pod).map(|w| &w.worker)
    }

    /// The worker of a pod, to be asked for what it hands out once.
    pub(super) fn worker_mut(&mut self, pod: Uid) -> Option<&mut Worker> {
        self.pods.get_mut(&pod).map(|w| &mut w.worker)
    }

    /// The agent of a node that begins to work now.
    pub(super) fn new(node: NodeState) -> Self {
        Self {
            node,
            position: 0,
            pods: BTreeMap::new(),
            due: BTreeSet::new(),
            tokens: BTreeMap::new(),
            next_token: 0,
            machine: Machine::Up,
            report_at: None,
            reporting: None,
            cordoned: false,
            tell_cordon_at: None,
            strain: Strain::default(),
            resizes: resize::Pending::default(),
            cut_off: false,
        }
    }

    /// The machine's node was deleted, and it registers anew: its disk is as it was, and it takes up what is
    /// still bound to a node of its name.
    pub(super) fn rejoined(self, mut node: NodeState, cx: &Cx<'_>) -> Self {
        node.boots = self.node.boots + 1;
        node.phases = Phases::draw(cx.rng, &node.name, node.boots, cx.now);
        node.images = self.node.images;
        node.disk = self.node.disk;
        let remains = match self.machine {
            Machine::Down(remains) | Machine::Booting { remains, .. } => remains,
            Machine::Up => machine::Remains::new(),
        };
        let since = cx.now - PODS_AFTER;
        Self {
            position: self.position,
            next_token: self.next_token,
            machine: Machine::Booting { since, reported: true, remains },
            ..Self::new(node)
        }
    }

    /// How far the node's log has been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// When the agent wants to be woken.
    pub(super) fn next_wake(&self) -> Option<(SimTime, WakeReason)> {
        let own = match &self.machine {
            Machine::Down(_) => return None,
            Machine::Booting { since, reported: false, .. } => Some(*since + REPORTS_AFTER),
            Machine::Booting { since, .. } => Some(*since + PODS_AFTER),
            Machine::Up => {
                let Strain { acts_at, exhausted_at, .. } = self.strain;
                let again_at = self.resizes.again_at;
                let disk = self.node.disk.next_wake();
                let all =
                    [self.report_at, self.tell_cordon_at, acts_at, exhausted_at, again_at, disk];
                all.into_iter().flatten().min()
            }
        };
        let pods = self.due.first().map(|(at, _)| (*at, "pod worker"));
        pods.into_iter().chain(own.map(|at| (at, "node"))).min_by_key(|(at, _)| *at)
    }

    /// News of pods has come.
    pub(super) fn sync(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        if !self.is_up() || self.cut_off {
            return;
        }
        self.look_at_node(shared, cx);
        let logs: &Logs = cx.logs;
        let Some(log) = logs.node(&self.node.name) else { return };
        let (news, end) = log.read(self.position, cx.heard_until());
        self.position = end;
        for entry in news {
            let Object::Pod(pod) = &entry.object else { continue };
            match entry.change {
                Change::Deleted => self.remove(pod, entry.fact, shared, cx),
                Change::Added | Change::Modified => self.hear(pod, entry.fact, shared, cx),
            }
        }
    }

    /// The time has come for which a worker asked.
    pub(super) fn wake(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        self.wake_machine(shared, cx);
        if !self.is_up() {
            return;
        }
        self.relieve(shared, cx);
        self.relieve_disk(shared, cx);
        if self.resizes.again_at.is_some_and(|at| at <= cx.now) {
            self.retry_resizes(None, shared, cx);
        }
        while let Some((at, uid)) = self.due.first().copied()
            && at <= cx.now
        {
            self.due.remove(&(at, uid));
            if let Some(watched) = self.pods.get_mut(&uid) {
                watched.due = None;
            }
            self.run(uid, shared, cx);
        }
    }

    /// A reply to a request about a pod.
    pub(super) fn reply(&mut self, answer: &Answer, shared: &mut Shared, cx: &mut Cx<'_>) {
        if self.reporting.take_if(|token| *token == answer.token).is_some() {
            if answer.reply.as_ref().is_err_and(|e| !e.is_not_found()) {
                // Tried again with the next update of the status (`nodeStatusUpdateFrequency`).
                self.report_at = Some(self.node.phases.status_after(cx.now));
            }
            return;
        }
        let Some(uid) = self.tokens.remove(&answer.token) else { return };
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        let pod = match &answer.reply {
            Ok(Some(Object::Pod(pod))) if pod.meta.uid == uid => Some(pod),
            Ok(_) | Err(_) => None,
        };
        let worker = &mut watched.worker;
        if let Some(pod) = pod
            && pod.meta.resource_version > worker.newest.meta.resource_version
        {
            worker.newest = Arc::clone(pod);
        }
        let token = Token(self.next_token);
        let cause = worker.cause;
        if worker.reports.reply(pod, token, cause, cx) {
            self.next_token += 1;
            self.tokens.insert(token, uid);
        }
        let refused = answer.reply.as_ref().is_err_and(|e| !e.is_not_found());
        if refused {
            worker.report_refused(self.node.phases.status_after(cx.now));
        }
        if refused || worker.reports.has_news() || !self.rests(uid, cx.now) {
            self.run(uid, shared, cx);
        }
    }

    /// Whether a worker has nothing due that it would do if it were run now.
    fn rests(&self, uid: Uid, now: SimTime) -> bool {
        let watched = self.pods.get(&uid);
        watched.is_some_and(|w| !w.gone && w.due.is_none_or(|at| at > now))
    }

    /// The network has changed.
    pub(super) fn network_changed(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        self.poke(shared, cx, |worker, _| worker.network_changed());
    }

    /// An object has changed that volumes may be made from.
    pub(super) fn volumes_changed(
        &mut self,
        changed: &Changed,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) {
        self.poke(shared, cx, |worker, desk| worker.volumes_changed(changed, desk));
    }

    /// Lets every worker go on that `f` says is concerned.
    fn poke(
        &mut self,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
        f: impl Fn(&mut Worker, &Desk<'_, '_>) -> bool,
    ) {
        let desk = Desk { cx, node: &mut self.node, shared };
        let touched: Vec<Uid> = self
            .pods
            .iter_mut()
            .filter_map(|(uid, w)| f(&mut w.worker, &desk).then_some(*uid))
            .collect();
        for uid in touched {
            self.run(uid, shared, cx);
        }
    }

    fn hear(&mut self, pod: &Arc<Pod>, fact: FactId, shared: &mut Shared, cx: &mut Cx<'_>) {
        let uid = pod.meta.uid;
        if self.pods.contains_key(&uid) {
            let mut desk = Desk { cx, node: &mut self.node, shared };
            let Some(watched) = self.pods.get_mut(&uid) else { return };
            let old = Arc::clone(&watched.worker.pod);
            let heard = watched.worker.hear(Arc::clone(pod), fact, &mut desk);
            let new = Arc::clone(&watched.worker.pod);
            if heard.resizes {
                self.resize(uid, shared, cx);
            } else if self.frees(&old, &new) {
                self.retry_resizes(Some(uid), shared, cx);
            }
            if !heard.stirs && self.rests(uid, cx.now) {
                return;
            }
        } else {
            self.add(pod, fact, None, shared, cx);
        }
        self.run(uid, shared, cx);
    }

    /// A pod heard of for the first time; `left` is what a crash has left of it.
    fn add(
        &mut self,
        pod: &Arc<Pod>,
        fact: FactId,
        left: Option<Left>,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) {
        let mut worker = Worker::new(Arc::clone(pod), fact);
        let mut desk = Desk { cx, node: &mut self.node, shared };
        let found = if left.is_none() { adopt::found(pod, &mut desk) } else { None };
        let adopted = found.is_some();
        if let Some(left) = left {
            worker.take_over(left.view, left.made);
            worker.take_over_allocation(left.allocated);
        } else if let Some((view, made)) = found {
            worker.take_over(view, made);
        }
        if adopted {
            worker.revive(&mut desk);
        }
        let refusal = match shared.node(self.node.slot) {
            Some(node) if !adopted && !pod.meta.is_terminating() && !pod.is_terminal() => {
                let active = self.active().map(|w| &*w.pod);
                admission::admit(&worker.pod, node, active, self.pressure()).err()
            }
            Some(_) | None => None,
        };
        let mut desk = Desk { cx, node: &mut self.node, shared };
        match refusal {
            Some(refusal) => {
                worker.life = Life::Rejected;
                let event_reason = refusal.reason.clone();
                worker.refusal_event(&event_reason, &refusal.message, &mut desk);
                let status = PodStatus {
                    phase: Phase::Failed,
                    reason: refusal.reason,
                    message: format!("Pod was rejected: {}", refusal.message).into(),
                    conditions: Arc::clone(&pod.status.conditions),
                    start_time: Some(desk.cx.now.trunc_secs()),
                    observed_generation: pod.meta.generation,
                    ..PodStatus::default()
                };
                worker.reports.set(status, false);
            }
            None => worker.update(&mut desk),
        }
        let watched = Watched { worker, due: None, gone: false };
        self.pods.insert(pod.meta.uid, Box::new(watched));
    }

    fn remove(&mut self, pod: &Arc<Pod>, fact: FactId, shared: &mut Shared, cx: &mut Cx<'_>) {
        let uid = pod.meta.uid;
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        watched.gone = true;
        watched.worker.cause = fact;
        let mut desk = Desk { cx, node: &mut self.node, shared };
        watched.worker.remove(&mut desk);
        self.run(uid, shared, cx);
        self.retry_resizes(None, shared, cx);
    }

    /// The pods that the node has taken on and that may run.
    pub(super) fn active(&self) -> impl Iterator<Item = &Worker> + Clone {
        let workers = self.pods.values().filter(|w| !w.gone).map(|w| &w.worker);
        workers.filter(|w| w.may_run() && w.life != Life::Rejected)
    }

    /// What the node is short of.
    pub(super) const fn pressure(&self) -> Pressure {
        Pressure { memory: self.strain.met.is_some(), disk: self.node.disk.is_pressed() }
    }

    /// Lets a worker do what is due, tells the server what it made, and notes when it is due again.
    pub(super) fn run(&mut self, uid: Uid, shared: &mut Shared, cx: &mut Cx<'_>) {
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        let worker = &mut watched.worker;
        let mut desk = Desk { cx, node: &mut self.node, shared };
        worker.advance(&mut desk);
        if worker.waits_for_network() {
            shared.network_waiters.insert(self.node.slot);
        }
        if !watched.gone {
            let token = Token(self.next_token);
            let (may_run, cause) = (worker.may_run(), worker.cause);
            let newest = Arc::clone(&worker.newest);
            if worker.reports.send(&newest, may_run, token, cause, cx) {
                self.next_token += 1;
                self.tokens.insert(token, uid);
            }
        }
        if std::mem::take(&mut self.node.uses.changed) {
            self.watch_memory(shared, cx.now);
        }
        self.look_at_disk(cx.now);
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        let worker = &mut watched.worker;
        let relist: Duration = cx.latency.pleg_relist;
        let now = cx.now;
        let next = worker.next_wake(&self.node, relist);
        // It has done all that can be done now: something still due would be found undone for ever.
        debug_assert!(
            next.is_none_or(|at| at > now),
            "a worker at rest has something due: {worker:?}"
        );
        let next = next.map(|at| if at <= now { now + relist.max(LEAST_REST) } else { at });
        if watched.gone && worker.is_done() {
            if let Some(due) = watched.due {
                self.due.remove(&(due, uid));
            }
            self.pods.remove(&uid);
            return;
        }
        if watched.due == next {
            return;
        }
        if let Some(due) = watched.due {
            self.due.remove(&(due, uid));
        }
        watched.due = next;
        if let Some(at) = next {
            self.due.insert((at, uid));
        }
    }

    /// Computes when memory runs short, from what runs now.
    pub(super) fn watch_memory(&mut self, shared: &Shared, now: SimTime) {
        let Some(allowed) = shared.allocatable(self.node.slot).map(|a| a.memory) else { return };
        let (uses, phases) = (&self.node.uses, self.node.phases);
        let soonest = now + Duration::from_nanos(1);
        let short = uses.first_tick_over(allowed, phases, soonest);
        let relaxes = self.strain.met.map(|met| phases.eviction_from(met + pressure::TRANSITION));
        self.strain.acts_at = short.into_iter().chain(relaxes).min();
        self.strain.exhausted_at = uses.first_over(allowed + pressure::THRESHOLD, soonest);
    }

    /// Frees memory where too little is left (`synchronize`), and notes when that is over.
    fn relieve(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        let due = |at: Option<SimTime>| at.is_some_and(|at| at <= cx.now);
        let (acts, exhausted) = (due(self.strain.acts_at), due(self.strain.exhausted_at));
        if !acts && !exhausted {
            return;
        }
        let Some(allowed) = shared.allocatable(self.node.slot).map(|a| a.memory) else { return };
        if exhausted {
            self.kill_for_memory(allowed + pressure::THRESHOLD, shared, cx);
        }
        let used = self.node.uses.total(cx.now);
        if acts && used > allowed {
            let was = self.strain.met.replace(cx.now);
            let text = "Attempting to reclaim memory";
            self.node_event(EventType::Warning, "EvictionThresholdMet", text, shared, cx);
            self.evict_for_memory(allowed + pressure::THRESHOLD - used, shared, cx);
            if was.is_none() {
                self.report_at = Some(self.node.phases.status_after(cx.now));
            }
        } else if acts && self.strain.met.is_some_and(|met| met + pressure::TRANSITION <= cx.now) {
            self.strain.met = None;
            self.report_at = Some(self.node.phases.status_after(cx.now));
        }
        self.watch_memory(shared, cx.now);
    }

    /// Evicts the pod that is first in the order of eviction.
    fn evict_for_memory(&mut self, available: i64, shared: &mut Shared, cx: &mut Cx<'_>) {
        let (uses, now) = (&self.node.uses, cx.now);
        let candidates = self.pods.iter().filter(|(_, w)| {
            w.worker.life == Life::Syncing && !pressure::is_critical(&w.worker.pod)
        });
        let first = candidates
            .min_by_key(|(uid, w)| (pressure::rank(&w.worker.pod, uses.of_pod(**uid, now)), **uid));
        let Some(uid) = first.map(|(uid, _)| *uid) else { return };
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        let spec = Arc::clone(&watched.worker.pod.spec);
        let used = runtime::each(&spec).map(|(n, c)| (c, uses.of(uid, n, now)));
        let message = pressure::message(available, used);
        let mut desk = Desk { cx, node: &mut self.node, shared };
        watched.worker.evict(message, true, &mut desk);
        self.run(uid, shared, cx);
    }

    /// The kernel kills the container that it gives the highest score.
    fn kill_for_memory(&mut self, capacity: i64, shared: &mut Shared, cx: &mut Cx<'_>) {
        let (uses, now) = (&self.node.uses, cx.now);
        let scored = self.pods.iter().flat_map(|(uid, w)| {
            let pod = &w.worker.pod;
            runtime::each(&pod.spec).filter_map(move |(n, c)| {
                let used = uses.of(*uid, n, now);
                (used > 0)
                    .then(|| (pressure::oom_score(pod, c, used, capacity), *uid, n, c.name.clone()))
            })
        });
        let Some((_, uid, n, name)) = scored.max() else { return };
        let text = format!("System OOM encountered, victim process: {name}");
        self.node_event(EventType::Warning, "SystemOOM", &text, shared, cx);
        if let Some(watched) = self.pods.get_mut(&uid) {
            watched.worker.run_out_of_memory(n, now);
        }
        self.run(uid, shared, cx);
    }

    /// Whether the agent works.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.machine, Machine::Up)
    }

    /// The machine crashes: nothing of the agent's memory is left.
    pub(super) fn crash(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        let remains = match std::mem::replace(&mut self.machine, Machine::Up) {
            Machine::Up => {
                for watched in self.pods.values_mut() {
                    let mut desk = Desk { cx, node: &mut self.node, shared };
                    watched.worker.lose(&mut desk);
                }
                let pods = std::mem::take(&mut self.pods);
                pods.into_iter()
                    .filter(|(_, w)| !w.gone)
                    .map(|(uid, w)| (uid, machine::remains_of(w.worker)))
                    .collect()
            }
            Machine::Down(remains) | Machine::Booting { remains, .. } => remains,
        };
        self.machine = Machine::Down(remains);
        self.resizes = resize::Pending::default();
        self.due.clear();
        self.tokens.clear();
        (self.report_at, self.tell_cordon_at, self.strain) = (None, None, Strain::default());
        self.reporting = None;
        self.node.images.crash();
        self.node.disk.crash();
        let renewed = self.node.phases.lease_before(cx.now);
        self.send_lease(Some(renewed), cx);
    }

    /// The machine boots.
    pub(super) fn boot(&mut self, cx: &Cx<'_>) {
        self.machine = match std::mem::replace(&mut self.machine, Machine::Up) {
            Machine::Down(remains) => Machine::Booting { since: cx.now, reported: false, remains },
            running => running,
        };
    }

    fn wake_machine(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        if let Machine::Booting { since, reported, .. } = &mut self.machine {
            let since = *since;
            if !*reported && since + REPORTS_AFTER <= cx.now {
                *reported = true;
                self.report_boot(shared, cx);
            }
            if since + PODS_AFTER <= cx.now {
                self.take_up_pods(since, shared, cx);
            }
        }
        if self.report_at.is_some_and(|at| at <= cx.now) {
            self.report_at = None;
            self.report_node(shared, cx);
        }
        if self.tell_cordon_at.is_some_and(|at| at <= cx.now) {
            self.tell_cordon_at = None;
            let reason = if self.cordoned { "NodeNotSchedulable" } else { "NodeSchedulable" };
            self.node_status_event(reason, shared, cx);
        }
    }

    /// The agent has started: the lease is renewed again, the node is ready.
    fn report_boot(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        self.node.boots += 1;
        self.node.phases = Phases::draw(cx.rng, &self.node.name, self.node.boots, cx.now);
        self.node_event(EventType::Normal, "Starting", "Starting kubelet.", shared, cx);
        for reason in START_REASONS {
            self.node_status_event(reason, shared, cx);
        }
        let boot = cx.rng.numbered_stream("boot-id", &self.node.name, self.node.boots).wide();
        let name = &self.node.name;
        let text = format!("Node {name} has been rebooted, boot id: {}", Uid::from_random(boot));
        self.node_event(EventType::Warning, "Rebooted", &text, shared, cx);
        self.send_lease(None, cx);
        self.report_node(shared, cx);
    }

    /// Reports the node as well, where the server does not have it so.
    fn report_node(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        let Some(node) = shared.node(self.node.slot) else { return };
        let pressure = self.pressure();
        let Some(conditions) = machine::conditions(node, pressure, cx.now) else { return };
        let was_ready = node.is_ready();
        let was = ["MemoryPressure", "DiskPressure"].map(|k| node.condition(k).map(|c| c.status));
        let mut new = Node::clone(node);
        new.conditions = conditions;
        new.meta.resource_version = 0;
        let token = self.new_token();
        self.reporting = Some(token);
        cx.send(token, FactId::NONE, Request::UpdateStatus(new.into()));
        if !was_ready {
            self.node_status_event("NodeReady", shared, cx);
        }
        let names = [
            (pressure.memory, "NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
            (pressure.disk, "NodeHasDiskPressure", "NodeHasNoDiskPressure"),
        ];
        for (was, (is, pressed, well)) in was.into_iter().zip(names) {
            match (was, is) {
                (Some(ConditionStatus::True), false) => self.node_status_event(well, shared, cx),
                (Some(ConditionStatus::False), true) => self.node_status_event(pressed, shared, cx),
                _ => {}
            }
        }
    }

    /// What the disk holds of pods meets what the server has of them.
    fn take_up_pods(&mut self, since: SimTime, shared: &mut Shared, cx: &mut Cx<'_>) {
        let Machine::Booting { mut remains, .. } =
            std::mem::replace(&mut self.machine, Machine::Up)
        else {
            return;
        };
        let mut wanted: BTreeMap<Uid, (Arc<Pod>, FactId)> = remains
            .iter()
            .map(|(uid, left)| (*uid, (Arc::clone(&left.pod), FactId::NONE)))
            .collect();
        let logs: &Logs = cx.logs;
        if let Some(log) = logs.node(&self.node.name) {
            let (news, end) = log.read(self.position, cx.heard_until());
            self.position = end;
            for entry in news {
                let Object::Pod(pod) = &entry.object else { continue };
                match entry.change {
                    Change::Deleted => wanted.remove(&pod.meta.uid),
                    Change::Added | Change::Modified => {
                        wanted.insert(pod.meta.uid, (Arc::clone(pod), entry.fact))
                    }
                };
            }
        }
        self.node.free_all_addresses();
        let mut order: Vec<(Arc<Pod>, FactId)> = wanted.into_values().collect();
        order.sort_by_key(|(pod, _)| (pod.meta.created, pod.meta.uid));
        for (pod, fact) in order {
            let uid = pod.meta.uid;
            let left = remains.remove(&uid).map(|mut left| {
                machine::mark_lost(&mut left.view, since);
                left
            });
            self.add(&pod, fact, left, shared, cx);
            self.run(uid, shared, cx);
        }
        let waits = self.pods.iter().filter(|(_, w)| w.worker.has_resize_pending());
        for uid in waits.map(|(uid, _)| *uid).collect::<Vec<Uid>>() {
            self.resize(uid, shared, cx);
            self.run(uid, shared, cx);
        }
        self.look_at_node(shared, cx);
    }

    /// Reports the node anew.
    pub(super) fn report_soon(&mut self, now: SimTime) {
        self.report_at = Some(now);
    }

    /// Notes whether the node is ready and whether it is cordoned.
    fn look_at_node(&mut self, shared: &Shared, cx: &Cx<'_>) {
        let Some(node) = shared.node(self.node.slot) else { return };
        if node.unschedulable != self.cordoned {
            self.cordoned = node.unschedulable;
            let at = self.node.phases.status_after(cx.now);
            self.tell_cordon_at = match self.tell_cordon_at {
                // Undone before anybody told of it.
                Some(_) => None,
                None => Some(at),
            };
        }
        self.look_at_room(shared, cx.now);
        let Some(node) = shared.node(self.node.slot) else { return };
        if !node.is_ready() && node.lease_stopped.is_none() && self.report_at.is_none() {
            self.report_at = Some(cx.now + READY_AFTER);
        }
    }

    pub(super) fn send_lease(&mut self, stopped: Option<SimTime>, cx: &mut Cx<'_>) {
        let request = Request::Lease { node: self.node.name.clone(), stopped };
        let token = self.new_token();
        cx.send(token, FactId::NONE, request);
    }

    fn new_token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    fn node_status_event(&mut self, reason: &'static str, shared: &mut Shared, cx: &mut Cx<'_>) {
        let text = format!("Node {} status is now: {reason}", self.node.name);
        self.node_event(EventType::Normal, reason, &text, shared, cx);
    }

    pub(super) fn node_event(
        &mut self,
        event_type: EventType,
        reason: &'static str,
        message: &str,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) {
        let regarding = Regarding {
            object: Ref::new(Kind::Node, "", self.node.name.clone()),
            uid: shared.node(self.node.slot).map(|n| n.meta.uid).unwrap_or_default(),
            field_path: crate::base::Str::default(),
        };
        let mut desk = Desk { cx, node: &mut self.node, shared };
        desk.event(FactId::NONE, regarding, event_type, reason, message);
    }
}

/// What an agent says of its node when it starts.
const START_REASONS: [&str; 3] =
    ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"];

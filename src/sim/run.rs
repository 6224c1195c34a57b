//! The loop.

use std::cell::Cell;

use super::events::Recorder;
use super::faults::{self, FaultRule, Faults, Verdict};
use super::nudges::{Agenda, watchers};
use super::options::Options;
use crate::apiserver::ApiServer;
use crate::base::Str;
use crate::base::digest::Digest;
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::controllers::Controllers;
use crate::engine::{
    Answer, Call, Component, ComponentId, Cx, Event, Latency, Out, Queue, Token, WakeReason,
};
use crate::kubelet::{CommandEnd, Execution, Kubelets};
use crate::model::{Kind, Object, Uid};
use crate::scheduler::Scheduler;
use crate::store::{Reply, Request, Store};
use crate::trace::{Fact, FactId, FactKind};

/// A simulated cluster.
#[derive(Clone, Debug)]
pub struct Sim {
    now: SimTime,
    queue: Queue<Event>,
    api: ApiServer,
    controllers: Controllers,
    scheduler: Scheduler,
    pub(super) kubelets: Kubelets,
    pub(super) agenda: Agenda,
    recorder: Recorder,
    out: Out,
    replies: Vec<Answer>,
    pub(super) latency: Latency,
    rng: Rng,
    digest: Digest,
    stats: Stats,
    last_change: SimTime,
    pub(super) faults: Faults,
    /// Reused: node agents to be armed anew.
    rearmed: Vec<ComponentId>,
    /// The store's revision at which its logs are trimmed next.
    trim_at: u64,
    /// The store's revision at which the recorder of events forgets next.
    forget_at: u64,
    /// The most events that it handles.
    max_events: u64,
}

/// The logs are trimmed once in so many changes. Each time all cursors are looked at; but what is dropped
/// soon is still in the processor's caches, where the next versions of objects then go.
const TRIM_EVERY: u64 = 1024;
/// The recorder of events forgets once in so many changes: each time all its sources are looked at.
const FORGET_EVERY: u64 = 16_384;

/// Why the loop stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to happen, ever.
    Quiet,
    /// The time asked for has come.
    Limit,
    /// A reply for the world has come.
    Replied,
    /// It was told to halt.
    Halted,
    /// As many events were handled as it may.
    Spent,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events handled.
    pub events: u64,
    /// Of these: news.
    pub nudges: u64,
    /// Of these: wakes.
    pub wakes: u64,
    /// Of these: requests carried out.
    pub requests: u64,
    /// Of these: replies.
    pub replies: u64,
    /// Facts recorded.
    pub facts: u64,
}

/// What a component is driven by.
enum Act {
    Sync,
    Wake,
    Reply(Answer),
}

impl Act {
    fn on(self, component: &mut impl Component, cx: &mut Cx<'_>) -> Option<(SimTime, WakeReason)> {
        match self {
            Self::Sync => component.sync(cx),
            Self::Wake => component.wake(cx),
            Self::Reply(answer) => component.reply(answer, cx),
        }
        component.next_wake()
    }
}

impl Sim {
    /// A cluster without nodes, at its first instant.
    pub fn new(options: Options) -> Self {
        let rng = Rng::new(options.seed);
        let recorder = Recorder::new(&options.scheduler);
        let mut scheduler = Scheduler::new(options.scheduler);
        if let Some(pod) = options.explained {
            scheduler.watch(pod);
        }
        scheduler.watch_first(options.explained_first);
        let mut kubelets = Kubelets::new(options.images);
        kubelets.set_behaviors(options.behaviors);
        let Latency { api_write, api_reply, watch, .. } = options.latency;
        Self {
            now: options.start.0,
            queue: Queue::new(options.shuffle_ties, &[api_write, api_reply, watch]),
            api: ApiServer::new(rng),
            controllers: Controllers::new(options.cloud),
            recorder,
            scheduler,
            kubelets,
            agenda: Agenda::default(),
            out: Out::default(),
            replies: Vec::new(),
            latency: options.latency,
            rng,
            digest: Digest::new(options.seed),
            stats: Stats::default(),
            last_change: options.start.0,
            faults: Faults::default(),
            rearmed: Vec::new(),
            trim_at: TRIM_EVERY,
            forget_at: FORGET_EVERY,
            max_events: u64::MAX,
        }
    }

    /// The virtual time.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Why a pod went where it went, or goes nowhere; of its last attempt, where it is the pod that
    /// the options name.
    pub fn explain(
        &self,
        pod: &std::sync::Arc<crate::model::Pod>,
    ) -> super::scheduling::Explanation {
        super::scheduling::explain(&self.scheduler.kept(pod, self.now))
    }

    /// The last decisions about the pods whose decisions were kept ([`Options::explained_first`]).
    pub fn explained(&self) -> Vec<(crate::model::Uid, super::scheduling::Explanation)> {
        let all = self.scheduler.all_kept();
        all.map(|(uid, kept)| (uid, super::scheduling::explain(kept))).collect()
    }

    /// The store, to be looked at.
    pub fn store(&self) -> &Store {
        self.api.store()
    }

    /// The run's digest so far.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// How much has happened.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// When an object last changed.
    pub fn last_change(&self) -> SimTime {
        self.last_change
    }

    /// The randomness of the run.
    pub fn rng(&self) -> Rng {
        self.rng
    }

    /// The latencies of the run.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// The node agents, for the world's machines.
    pub fn kubelets(&self) -> &Kubelets {
        &self.kubelets
    }

    /// Sends a request from outside, at `at` or now.
    pub fn send(&mut self, at: SimTime, token: Token, cause: FactId, request: Request) {
        let call = Call { from: ComponentId::World, token, cause, request };
        self.queue.push(at.max(self.now) + self.latency.api_write, Event::Arrive(Box::new(call)));
    }

    /// Puts an object into the store at once, without latency: the cluster as it is before it starts.
    ///
    /// # Errors
    /// As the API server refuses it.
    pub fn seed(&mut self, request: Request, f: &mut dyn FnMut(&Fact)) -> Reply {
        let call = Call { from: ComponentId::World, token: Token(0), cause: FactId::NONE, request };
        let reply = self.api.handle(call, self.now, &mut self.out.facts);
        self.flush(f);
        reply
    }

    /// Puts an object into the store as it was found in another cluster, with its uid and its status.
    ///
    /// # Errors
    /// A Service whose address is taken.
    pub fn restore(&mut self, object: Object, f: &mut dyn FnMut(&Fact)) -> Reply {
        let reply = self.api.restore(object, self.now, &mut self.out.facts);
        self.flush(f);
        reply
    }

    /// Records a fact of the world's.
    pub fn record(&mut self, cause: FactId, kind: FactKind, f: &mut dyn FnMut(&Fact)) -> FactId {
        let id = self.out.facts.push(self.now, cause, kind);
        self.flush(f);
        id
    }

    /// The node crashes, with everything that runs on it.
    pub fn stop_node(&mut self, node: &str, f: &mut dyn FnMut(&Fact)) {
        self.machine(node, f, |kubelets, id, cx| kubelets.stop_node(id, cx));
    }

    /// The node boots.
    pub fn start_node(&mut self, node: &str, f: &mut dyn FnMut(&Fact)) {
        self.machine(node, f, |kubelets, id, cx| kubelets.start_node(id, cx));
    }

    /// Adds a rule by which requests are delayed or refused, behind those there are.
    pub fn add_fault(&mut self, rule: FaultRule) {
        self.faults.add(rule);
    }

    /// Takes all such rules away.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Starts a command in a container of a pod on `node`. `None` where the container does not run; the
    /// runtime's words where it has no such program.
    pub fn exec(
        &mut self,
        node: &str,
        pod: Uid,
        container: &str,
        words: &[Str],
        f: &mut dyn FnMut(&Fact),
    ) -> Option<Result<Execution, String>> {
        let mut started = None;
        self.machine(node, f, |kubelets, id, cx| {
            started = kubelets.exec(id, pod, container, words, cx);
        });
        started
    }

    /// How a command in a container ended, once it has.
    pub fn exec_end(&mut self, command: &Execution) -> Option<CommandEnd> {
        self.kubelets.exec_end(command)
    }

    /// The replies to the world's requests since the last call.
    pub fn take_replies(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.replies)
    }

    /// Has it stop once so many events have been handled since it was made.
    pub fn set_max_events(&mut self, events: u64) {
        self.max_events = events;
    }

    /// Lets things happen until `limit`, a reply for the world, or until nothing is left to happen.
    /// Facts are handed to `f` as they come. When it stops for the limit the clock stands at it.
    ///
    /// # Panics
    /// When time would go backwards: a defect of the engine.
    pub fn run_until(&mut self, limit: SimTime, f: &mut dyn FnMut(&Fact)) -> Outcome {
        self.run_while(limit, &Cell::new(true), f)
    }

    /// Lets things happen as [`Sim::run_until`] does, but no further than the event after which `going` is
    /// false; it then answers [`Outcome::Halted`], with the clock at that event.
    ///
    /// # Panics
    /// When time would go backwards: a defect of the engine.
    pub fn run_while(
        &mut self,
        limit: SimTime,
        going: &Cell<bool>,
        f: &mut dyn FnMut(&Fact),
    ) -> Outcome {
        while self.stats.events < self.max_events {
            let Some((at, event)) = self.queue.pop_until(limit) else { break };
            assert!(at >= self.now, "time went backwards");
            self.now = at;
            self.dispatch(event);
            self.flush(f);
            if !self.replies.is_empty() {
                return Outcome::Replied;
            }
            if !going.get() {
                return Outcome::Halted;
            }
        }
        if self.stats.events >= self.max_events {
            return Outcome::Spent;
        }
        if self.queue.is_empty() {
            return Outcome::Quiet;
        }
        self.now = self.now.max(limit);
        Outcome::Limit
    }

    /// Drops what makes no difference any more: a copy of a simulation holds it too.
    pub fn tidy(&mut self) {
        self.trim_logs();
        self.recorder.forget(self.now);
    }

    /// Moves the clock on to `at` when nothing is due before.
    pub fn advance_to(&mut self, at: SimTime) {
        if self.queue.next_at().is_none_or(|next| next >= at) {
            self.now = self.now.max(at);
        }
    }

    fn dispatch(&mut self, event: Event) {
        self.stats.events += 1;
        self.digest.word(self.now.as_nanos());
        match event {
            Event::Nudge(id) => {
                self.stats.nudges += 1;
                self.digest.word(1 << 60 | id.code());
                self.drive(id, Act::Sync);
            }
            Event::Wake(id) => {
                if self.agenda.due(id, self.now) {
                    self.stats.wakes += 1;
                    self.digest.word(2 << 60 | id.code());
                    self.drive(id, Act::Wake);
                }
            }
            Event::Arrive(call) => self.arrive(*call),
            Event::Reply(id, answer) => {
                self.stats.replies += 1;
                self.digest.word(4 << 60 | id.code());
                if id == ComponentId::World {
                    self.replies.push(*answer);
                } else {
                    self.drive(id, Act::Reply(*answer));
                }
            }
        }
    }

    fn arrive(&mut self, call: Call) {
        self.stats.requests += 1;
        self.digest.word(3 << 60 | call.from.code());
        let (from, token) = (call.from, call.token);
        let reply = match self.faults.judge(&call, self.now, self.rng) {
            Verdict::Pass => self.api.handle(call, self.now, &mut self.out.facts),
            Verdict::Fail(reason) => Err(faults::refusal(&call.request, reason)),
            Verdict::Delay(length) => {
                self.queue.push(self.now + length, Event::Arrive(Box::new(call)));
                return;
            }
        };
        let answer = Box::new(Answer { token, reply });
        self.queue.push(self.now + self.latency.api_reply, Event::Reply(from, answer));
    }

    /// Lets a component handle an event, and asks it when it wants to be woken.
    fn drive(&mut self, id: ComponentId, act: Act) {
        let mut cx = Cx {
            now: self.now,
            me: id,
            logs: self.api.store().logs(),
            rng: self.rng,
            latency: &self.latency,
            out: &mut self.out,
        };
        let wake = match id {
            ComponentId::World => None,
            ComponentId::Controllers => act.on(&mut self.controllers, &mut cx),
            ComponentId::Scheduler => act.on(&mut self.scheduler, &mut cx),
            ComponentId::Network | ComponentId::Kubelet(_) => {
                match act {
                    Act::Sync => self.kubelets.sync(id, &mut cx),
                    Act::Wake => self.kubelets.wake(id, &mut cx),
                    Act::Reply(answer) => self.kubelets.reply(id, answer, &mut cx),
                }
                self.rearm_kubelets(id);
                self.kubelets.next_wake(id)
            }
        };
        let at = wake.map(|(at, _)| at.max(self.now));
        if let Some(at) = self.agenda.arm(id, at) {
            self.queue.push(at, Event::Wake(id));
        }
    }

    /// Agents share the network: an event of one may change when others want to be woken.
    fn rearm_kubelets(&mut self, driven: ComponentId) {
        let mut rearmed = std::mem::take(&mut self.rearmed);
        rearmed.extend(self.kubelets.take_rearmed());
        for id in rearmed.drain(..).filter(|id| *id != driven) {
            let at = self.kubelets.next_wake(id).map(|(at, _)| at.max(self.now));
            if let Some(at) = self.agenda.arm(id, at) {
                self.queue.push(at, Event::Wake(id));
            }
        }
        self.rearmed = rearmed;
    }

    /// Does something to the machine of a node, outside any event.
    pub(super) fn machine(
        &mut self,
        node: &str,
        f: &mut dyn FnMut(&Fact),
        act: impl FnOnce(&mut Kubelets, ComponentId, &mut Cx<'_>),
    ) {
        if let Some(id) = self.agenda.kubelet(node) {
            self.component(id, f, act);
        }
    }

    /// Does something to a node agent, or to what all of them share, outside any event.
    pub(super) fn component(
        &mut self,
        id: ComponentId,
        f: &mut dyn FnMut(&Fact),
        act: impl FnOnce(&mut Kubelets, ComponentId, &mut Cx<'_>),
    ) {
        let mut cx = Cx {
            now: self.now,
            me: id,
            logs: self.api.store().logs(),
            rng: self.rng,
            latency: &self.latency,
            out: &mut self.out,
        };
        act(&mut self.kubelets, id, &mut cx);
        self.rearm_kubelets(id);
        let at = self.kubelets.next_wake(id).map(|(at, _)| at.max(self.now));
        if let Some(at) = self.agenda.arm(id, at) {
            self.queue.push(at, Event::Wake(id));
        }
        self.flush(f);
    }

    /// Turns what was left behind into events and facts.
    fn flush(&mut self, f: &mut dyn FnMut(&Fact)) {
        let Out { calls, events, facts } = &mut self.out;
        // Most events leave nothing behind, and even to drain nothing takes its time.
        if !calls.is_empty() {
            for (at, call) in calls.drain(..) {
                self.queue.push(at + self.latency.api_write, Event::Arrive(Box::new(call)));
            }
        }
        if !events.is_empty() {
            for (cause, record) in events.drain(..) {
                self.recorder.record(self.now, cause, record, facts);
            }
        }
        if self.out.facts.is_empty() {
            return;
        }
        let mut facts = std::mem::take(&mut self.out.facts);
        for fact in facts.take() {
            self.stats.facts += 1;
            self.digest.word(fact.id.0);
            if let FactKind::Object { object, old, .. } = &fact.kind {
                self.last_change = self.now;
                self.digest.word(object.meta().resource_version);
                self.nudge(object, old.as_ref());
            }
            f(&fact);
        }
        self.out.facts = facts;
        if self.store().revision() >= self.trim_at {
            self.trim_logs();
            self.trim_at = self.store().revision() + TRIM_EVERY;
        }
        if self.store().revision() >= self.forget_at {
            self.recorder.forget(self.now);
            self.forget_at = self.store().revision() + FORGET_EVERY;
        }
    }

    /// Drops what every reader of the logs has passed.
    fn trim_logs(&mut self) {
        let logs = self.api.store_mut().logs_mut();
        let (agenda, kubelets) = (&self.agenda, &self.kubelets);
        logs.trim_nodes(|node| kubelets.position_on(node, agenda.slot_of(node)));
        for kind in Kind::ALL.iter().copied() {
            let heard = self.controllers.view().position(kind);
            let heard = self.scheduler.position(kind).map_or(heard, |p| p.min(heard));
            let of_kind = self.kubelets.positions().filter(|(k, _)| *k == kind);
            let least = of_kind.fold(heard, |least, (_, p)| least.min(p));
            logs.trim(kind, least);
        }
    }

    /// Tells everybody who watches the object that there is news.
    fn nudge(&mut self, object: &Object, old: Option<&Object>) {
        let at = self.now + self.latency.watch;
        let kind = object.kind();
        for id in watchers(kind) {
            self.queue_nudge(*id, at);
        }
        match object {
            Object::Pod(pod) => {
                let node = pod.node.as_deref().and_then(|n| self.agenda.kubelet(n));
                if let Some(id) = node {
                    self.queue_nudge(id, at);
                }
            }
            Object::Node(node) => {
                if old.is_none()
                    && let Some(slot) = self.api.store().slot(Kind::Node, &node.meta.key())
                {
                    self.agenda.learn_node(object, slot);
                }
                if let Some(id) = self.agenda.kubelet(&node.meta.name) {
                    self.queue_nudge(id, at);
                }
                if self.api.store().find(&object.reference()).is_none() {
                    self.agenda.forget_node(&node.meta.name);
                }
            }
            _ => {}
        }
    }

    fn queue_nudge(&mut self, id: ComponentId, at: SimTime) {
        if self.agenda.nudge(id, at) {
            self.queue.push(at, Event::Nudge(id));
        }
    }
}

//! The scheduler as a part of the cluster: news in, requests out.
//!
//! Follows `pkg/scheduler/schedule_one.go` around the pure cycle. One cycle runs at a time and takes
//! [`crate::engine::Latency::scheduling`]; the chosen pod is assumed at once and bound in the
//! background. Nothing ticks: there is a wake-up only while a pod can be tried, and when a back-off or a
//! long wait of one ends.

mod eviction;
mod failure;
mod news_in;
mod prebind;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::format_smolstr;

use self::eviction::Preemptions;
use self::prebind::Waits;
use super::compile::Template;
use super::config::Config;
use super::cycle::{self, Cluster, Decision, Outcome, Scratch};
use super::explain::Kept;
use super::feed::Feed;
use super::plugins::{View, volume_binding};
use super::pod::PodInfo;
use super::preemption::{self, PostFilter};
use super::queue::{Queue, Queued};
use super::storage::Reservation;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::{Answer, Component, Cx, Token, WakeReason};
use crate::model::{Key, Kind, Pod, Ref, Uid};
use crate::store::{Reply, Request};
use crate::trace::{EventRecord, EventType, FactId, FactKind, Regarding, Waiting};

/// Decisions of many pods are kept in clusters that are not larger: each is a copy of the world.
const KEEPING_NODES: usize = 50;

/// kube-scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    feed: Feed,
    /// Up to where the log of each kind has been read.
    cursors: Vec<(Kind, u64)>,
    /// What each waiting pod was last said to wait for.
    said: Map<Uid, Str>,
    scratch: Scratch,
    /// The cycle that failed and whose time is not over yet.
    failing: Option<Failing>,
    busy_until: SimTime,
    started: Option<SimTime>,
    /// Requests whose replies matter.
    calls: Map<Token, Pending>,
    preemptions: Preemptions,
    waits: Waits,
    next_token: u64,
    /// The pod whose last decision is kept, to be explained.
    watched: Option<Key>,
    kept: BTreeMap<Uid, Box<Kept>>,
    /// Of so many pods the last decision is kept, whichever are tried first.
    keeps: usize,
}

#[derive(Clone, Debug)]
struct Failing {
    queued: Queued,
    decision: Decision,
    post: Option<PostFilter>,
}

/// What a reply is for.
#[derive(Clone, Debug)]
enum Pending {
    Bind(Box<Binding>),
    Evict(eviction::Step),
}

#[derive(Clone, Debug)]
struct Binding {
    queued: Queued,
    node: Str,
}

/// The kinds that are heard of, in the order in which news is taken: pods last.
const HEARD: [Kind; 12] = [
    Kind::Namespace,
    Kind::Service,
    Kind::ReplicationController,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::PodDisruptionBudget,
    Kind::StorageClass,
    Kind::PersistentVolume,
    Kind::PersistentVolumeClaim,
    Kind::Inert,
    Kind::Node,
    Kind::Pod,
];

impl Scheduler {
    /// A scheduler that has heard of nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            feed: Feed::new(config),
            cursors: HEARD.iter().map(|kind| (*kind, 0)).collect(),
            said: Map::default(),
            scratch: Scratch::default(),
            failing: None,
            busy_until: SimTime::ZERO,
            started: None,
            calls: Map::default(),
            preemptions: Preemptions::default(),
            waits: Waits::default(),
            next_token: 0,
            watched: None,
            kept: BTreeMap::new(),
            keeps: 0,
        }
    }

    /// Keeps what is known at each decision about a pod; it changes nothing else.
    pub fn watch(&mut self, pod: Key) {
        self.watched = Some(pod);
    }

    /// Keeps what is known at the last decision about each of the first `pods` that are tried, in clusters
    /// of at most [`KEEPING_NODES`]; it changes nothing else.
    pub fn watch_first(&mut self, pods: usize) {
        self.keeps = pods;
    }

    /// The decisions that are kept, by the pods' uids.
    pub fn all_kept(&self) -> impl Iterator<Item = (Uid, &Kept)> {
        self.kept.iter().map(|(uid, kept)| (*uid, &**kept))
    }

    fn keeps(&self, pod: &PodInfo) -> bool {
        self.watched.as_ref().is_some_and(|w| *w == pod.pod.meta.key())
            || self.keeps > 0
                && (self.kept.len() < self.keeps || self.kept.contains_key(&pod.uid()))
                && self.feed.cluster.snapshot.order().len() <= KEEPING_NODES
    }

    /// The last decision about a pod, if it is the watched one and was tried; otherwise what is known
    /// now, with no attempt.
    pub fn kept(&self, pod: &Arc<Pod>, now: SimTime) -> Kept {
        match self.kept.get(&pod.meta.uid) {
            Some(kept) => Kept::clone(kept),
            None => {
                let template = Arc::new(Template::compile(&pod.spec));
                self.keep(&Arc::new(PodInfo::new(pod.clone(), template)), 0, now)
            }
        }
    }

    fn keep(&self, pod: &Arc<PodInfo>, attempt: u32, at: SimTime) -> Kept {
        Kept {
            at,
            pod: pod.clone(),
            attempt,
            cluster: self.feed.cluster.clone(),
            config: self.feed.config.clone(),
            offset: 0,
        }
    }

    /// Up to where the log of a kind has been read; `None` for kinds that are not heard of.
    pub fn position(&self, kind: Kind) -> Option<u64> {
        self.cursors.iter().find(|(k, _)| *k == kind).map(|(_, position)| *position)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.feed.config
    }

    /// What is known of the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.feed.cluster
    }

    /// The pods that wait.
    pub fn queue(&self) -> &Queue {
        &self.feed.queue
    }

    /// Runs a cycle, if none is running and a pod can be tried.
    fn run(&mut self, cx: &mut Cx<'_>) {
        if self.failing.is_some() || cx.now < self.busy_until {
            return;
        }
        while let Some(queued) = self.feed.queue.pop() {
            let uid = queued.info.uid();
            if queued.info.is_terminating() {
                let (namespace, name) = (queued.info.namespace(), queued.info.name());
                let text = format_smolstr!("skip schedule deleting pod: {namespace}/{name}");
                record(cx, &queued, EventType::Warning, "FailedScheduling", text);
                self.feed.queue.done(uid);
            } else if self.feed.is_assumed(uid) {
                self.feed.queue.done(uid);
            } else {
                self.cycle(queued, cx);
                return;
            }
        }
    }

    fn cycle(&mut self, queued: Queued, cx: &mut Cx<'_>) {
        let pod = queued.info.clone();
        if self.feed.profile(&pod).is_none() {
            self.feed.queue.done(pod.uid());
            return;
        }
        if self.keeps(&pod) {
            let kept = Box::new(self.keep(&pod, queued.attempts, cx.now));
            self.kept.insert(pod.uid(), kept);
        }
        let Some(profile) = self.feed.config.profile(&pod.template.scheduler_name) else { return };
        let (cluster, scratch) = (&mut self.feed.cluster, &mut self.scratch);
        let config = &self.feed.config;
        let decision = cycle::schedule(cluster, config, profile, &pod, scratch, None);
        self.busy_until = cx.now + cx.latency.scheduling;
        let state = &mut scratch.state;
        match &decision.outcome {
            Outcome::Node(slot) => {
                let view = View::new(cluster, &profile.args, &pod);
                let node = cluster.snapshot.node(*slot);
                let reservation = volume_binding::reservation(&view, state, node);
                let node = node.name.clone();
                self.assume(queued, node, reservation, cx);
            }
            Outcome::Unfit(diagnosis) => {
                let rng = cx.rng;
                let kept = self.kept.get_mut(&pod.uid());
                let offset = |nodes: usize| {
                    let drawn = draw(rng, &pod, queued.attempts, nodes);
                    if let Some(kept) = kept {
                        kept.offset = drawn as u64;
                    }
                    drawn
                };
                let post = (diagnosis.nodes > 0).then(|| {
                    preemption::post_filter(cluster, profile, &pod, state, diagnosis, offset, None)
                });
                self.failing = Some(Failing { queued, decision, post });
            }
            Outcome::Error(_) => {
                self.failing = Some(Failing { queued, decision, post: None });
            }
        }
        if self.busy_until <= cx.now {
            self.fail(cx);
        }
    }

    /// The pod counts on the node from now on; binding goes on in the background.
    fn assume(&mut self, queued: Queued, node: Str, reservation: Reservation, cx: &mut Cx<'_>) {
        self.feed.assume(&queued.info, &node, reservation.clone());
        self.feed.queue.done(queued.info.uid());
        if reservation.is_empty() {
            self.bind(queued, node, cx.latency.scheduling, cx);
        } else {
            self.bind_volumes(queued, node, reservation, cx);
        }
    }

    fn bind(&mut self, queued: Queued, node: Str, after: std::time::Duration, cx: &mut Cx<'_>) {
        let meta = &queued.info.pod.meta;
        let request = Request::Bind { pod: meta.key(), uid: meta.uid, node: node.clone() };
        let token = self.token();
        let cause = queued.cause;
        self.calls.insert(token, Pending::Bind(Box::new(Binding { queued, node })));
        cx.send_after(after, token, cause, request);
    }

    /// A binding was carried out, or refused.
    fn bound(&mut self, binding: Binding, reply: Reply, cx: &mut Cx<'_>) {
        let Binding { queued, node } = binding;
        match reply {
            Ok(_) => {
                let (namespace, name) = (queued.info.namespace(), queued.info.name());
                let text = format_smolstr!("Successfully assigned {namespace}/{name} to {node}");
                record(cx, &queued, EventType::Normal, "Scheduled", text);
            }
            Err(error) => {
                let text =
                    format_smolstr!("running Bind plugin \"DefaultBinder\": {}", error.message);
                self.binding_failed(queued, text, cx);
            }
        }
    }

    /// The pod is not on its node after all (`handleBindingCycleError`).
    fn binding_failed(&mut self, queued: Queued, text: Str, cx: &mut Cx<'_>) {
        self.feed.forget(queued.info.uid(), cx.now);
        let decision = Decision { outcome: Outcome::Error(text), evaluated: 0, feasible: 0 };
        self.failed(Failing { queued, decision, post: None }, cx);
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Says what a pod waits for, where that is new.
    fn say_waiting(&mut self, pod: &PodInfo, on: Str, cause: FactId, cx: &mut Cx<'_>) {
        if self.feed.waiting(pod.uid()).is_some() {
            self.tell_waiting(pod, on, cause, cx);
        }
    }

    fn tell_waiting(&mut self, pod: &PodInfo, on: Str, cause: FactId, cx: &mut Cx<'_>) {
        let uid = pod.uid();
        if self.said.get(&uid) == Some(&on) {
            return;
        }
        self.said.insert(uid, on.clone());
        let object = Ref { kind: Kind::Pod, key: pod.pod.meta.key() };
        cx.fact(cause, FactKind::Waiting(Arc::new(Waiting { object, uid, on })));
    }
}

impl Component for Scheduler {
    fn sync(&mut self, cx: &mut Cx<'_>) {
        self.started.get_or_insert(cx.now);
        self.listen(cx);
        self.look_at_volumes(cx);
        self.run(cx);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        if cx.now >= self.busy_until {
            self.fail(cx);
        }
        self.look_at_volumes(cx);
        self.feed.flush(cx.now);
        self.run(cx);
    }

    fn reply(&mut self, answer: Answer, cx: &mut Cx<'_>) {
        match self.calls.remove(&answer.token) {
            Some(Pending::Bind(binding)) => self.bound(*binding, answer.reply, cx),
            Some(Pending::Evict(step)) => self.evicted(step, &answer.reply, cx),
            None => return,
        }
        self.run(cx);
    }

    fn next_wake(&self) -> Option<(SimTime, WakeReason)> {
        let cycle = if self.failing.is_some() {
            Some((self.busy_until, "scheduling cycle"))
        } else if self.feed.queue.has_ready() {
            Some((self.busy_until, "pod to schedule"))
        } else {
            let flush = self.started.and_then(|started| self.feed.queue.next_flush(started));
            flush.map(|at| (at, "pod that waits"))
        };
        let volumes = self.waits.next_look().map(|at| (at, "volumes to be bound"));
        [cycle, volumes].into_iter().flatten().min()
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

/// The place from which nodes are tried for preemption.
fn draw(rng: crate::base::rng::Rng, pod: &PodInfo, attempt: u32, nodes: usize) -> usize {
    let key = pod.pod.meta.key().to_string();
    let mut stream = rng.numbered_stream("preemption-offset", &key, attempt.into());
    usize::try_from(stream.below(nodes as u64)).unwrap_or(0)
}

/// Records an API event about a pod that is being scheduled.
fn record(
    cx: &mut Cx<'_>,
    queued: &Queued,
    event_type: EventType,
    reason: &'static str,
    message: Str,
) {
    let by = &queued.info.template.scheduler_name;
    cx.event(queued.cause, event(&queued.info, by, event_type, reason, message));
}

fn event(
    pod: &PodInfo,
    by: &Str,
    event_type: EventType,
    reason: &'static str,
    message: Str,
) -> EventRecord {
    let meta = &pod.pod.meta;
    let object = Ref { kind: Kind::Pod, key: meta.key() };
    EventRecord {
        regarding: Regarding { object, uid: meta.uid, field_path: Str::default() },
        event_type,
        reason: Str::new_static(reason),
        message,
        component: by.clone(),
        host: Str::default(),
    }
}

//! The scheduler as a part of the cluster: news in, requests out.
//!
//! Follows `pkg/scheduler/schedule_one.go` and `eventhandlers.go` around the pure cycle. One cycle runs
//! at a time and takes [`crate::engine::Latency::scheduling`]; the chosen pod is assumed at once and
//! bound in the background. Nothing ticks: there is a wake-up only while a pod can be tried, and when a
//! back-off or a long wait of one ends.

mod failure;
mod news_in;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use smol_str::format_smolstr;

use super::compile::Templates;
use super::config::{Config, Profile};
use super::cycle::{self, Cluster, Decision, Outcome, Scratch};
use super::news::{Hints, News};
use super::plugins::PluginId;
use super::pod::PodInfo;
use super::queue::{Queue, Queued};
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::{Answer, Component, Cx, Token, WakeReason};
use crate::model::{Kind, Ref, Uid};
use crate::store::{Informer, Reply, Request};
use crate::trace::{EventRecord, EventType, FactId, FactKind, Regarding, Waiting};

/// kube-scheduler.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    cluster: Cluster,
    queue: Queue,
    templates: Templates,
    informers: Vec<(Kind, Informer)>,
    /// Pods without a node, as last heard of.
    waiting: Map<Uid, Known>,
    /// Pods assumed to be on a node that the API server has not confirmed.
    assumed: Map<Uid, Arc<PodInfo>>,
    scratch: Scratch,
    /// The cycle that failed and whose time is not over yet.
    failing: Option<Failing>,
    busy_until: SimTime,
    started: Option<SimTime>,
    bindings: Map<Token, Binding>,
    next_token: u64,
}

#[derive(Clone, Debug)]
struct Known {
    info: Arc<PodInfo>,
    /// What it was last said to wait for.
    waits_for: Str,
}

#[derive(Debug)]
struct Failing {
    queued: Queued,
    decision: Decision,
}

#[derive(Debug)]
struct Binding {
    queued: Queued,
    node: Str,
}

/// The kinds that are heard of, in the order in which news is taken: pods last.
const HEARD: [Kind; 7] = [
    Kind::Namespace,
    Kind::Service,
    Kind::ReplicationController,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::Node,
    Kind::Pod,
];

impl Scheduler {
    /// A scheduler that has heard of nothing yet.
    pub fn new(config: Config) -> Self {
        let delays = Backoff { first: config.initial_backoff, limit: config.max_backoff };
        let profile = config.profiles.first();
        let gates = profile.map(|p| p.pre_enqueue.clone()).unwrap_or_default();
        Self {
            queue: Queue::new(delays, gates, PluginId::ALL.iter().copied()),
            config,
            cluster: Cluster::default(),
            templates: Templates::default(),
            informers: HEARD.iter().map(|kind| (*kind, Informer::default())).collect(),
            waiting: Map::default(),
            assumed: Map::default(),
            scratch: Scratch::default(),
            failing: None,
            busy_until: SimTime::ZERO,
            started: None,
            bindings: Map::default(),
            next_token: 0,
        }
    }

    /// Up to where the log of a kind has been read; `None` for kinds that are not heard of.
    pub fn position(&self, kind: Kind) -> Option<u64> {
        self.informers.iter().find(|(k, _)| *k == kind).map(|(_, i)| i.position())
    }

    /// What is known of the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The pods that wait.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Runs a cycle, if none is running and a pod can be tried.
    fn run(&mut self, cx: &mut Cx<'_>) {
        if self.failing.is_some() || cx.now < self.busy_until {
            return;
        }
        while let Some(queued) = self.queue.pop() {
            let uid = queued.info.uid();
            if queued.info.is_terminating() {
                let (namespace, name) = (queued.info.namespace(), queued.info.name());
                let text = format_smolstr!("skip schedule deleting pod: {namespace}/{name}");
                self.record(cx, &queued, EventType::Warning, "FailedScheduling", text);
                self.queue.done(uid);
            } else if self.assumed.contains_key(&uid) {
                self.queue.done(uid);
            } else {
                self.cycle(queued, cx);
                return;
            }
        }
    }

    fn cycle(&mut self, queued: Queued, cx: &mut Cx<'_>) {
        let name = &queued.info.template.scheduler_name;
        let Some(profile) = self.config.profile(name) else {
            self.queue.done(queued.info.uid());
            return;
        };
        let (cluster, scratch) = (&mut self.cluster, &mut self.scratch);
        let decision = cycle::schedule(cluster, &self.config, profile, &queued.info, scratch, None);
        self.busy_until = cx.now + cx.latency.scheduling;
        match decision.outcome {
            Outcome::Node(slot) => self.assume_and_bind(queued, slot, cx),
            Outcome::Unfit(_) | Outcome::Error(_) => {
                self.failing = Some(Failing { queued, decision });
                if self.busy_until <= cx.now {
                    self.fail(cx);
                }
            }
        }
    }

    /// The pod counts on the node from now on; binding goes on in the background.
    fn assume_and_bind(&mut self, queued: Queued, slot: u32, cx: &mut Cx<'_>) {
        let pod = queued.info.clone();
        let uid = pod.uid();
        let node = self.cluster.snapshot.node(slot).name.clone();
        self.cluster.snapshot.set_pod(&node, pod.clone(), &mut self.cluster.index);
        self.cluster.nominator.withdraw(uid);
        self.assumed.insert(uid, pod.clone());
        self.queue.done(uid);
        let request = Request::Bind { pod: pod.pod.meta.key(), uid, node: node.clone() };
        let token = self.token();
        let cause = queued.cause;
        self.bindings.insert(token, Binding { queued, node });
        cx.send_after(cx.latency.scheduling, token, cause, request);
    }

    /// A binding was carried out, or refused.
    fn bound(&mut self, binding: Binding, reply: Reply, cx: &mut Cx<'_>) {
        let Binding { queued, node } = binding;
        let error = match reply {
            Ok(_) => {
                let (namespace, name) = (queued.info.namespace(), queued.info.name());
                let text = format_smolstr!("Successfully assigned {namespace}/{name} to {node}");
                self.record(cx, &queued, EventType::Normal, "Scheduled", text);
                return;
            }
            Err(error) => error,
        };
        let uid = queued.info.uid();
        self.forget(uid, cx.now);
        let text = format_smolstr!("running Bind plugin \"DefaultBinder\": {}", error.message);
        let outcome = Outcome::Error(text);
        let decision = Decision { outcome, evaluated: 0, feasible: 0 };
        self.failed(queued, decision, cx);
    }

    /// A pod that was assumed is not on its node after all.
    fn forget(&mut self, uid: Uid, now: SimTime) {
        if self.assumed.remove(&uid).is_none() {
            return;
        }
        if let Some(pod) = self.cluster.snapshot.remove_pod(uid, &mut self.cluster.index) {
            self.hear(&News::pod_gone(pod), now);
        }
    }

    /// Tells the waiting pods of news.
    fn hear(&mut self, news: &News, now: SimTime) {
        let Some(profile) = self.config.profiles.first() else { return };
        let hints = Hints { world: &self.cluster.world, args: &profile.args };
        self.queue.hear(news, now, &hints, |_| true);
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Records an API event about a pod.
    fn record(
        &self,
        cx: &mut Cx<'_>,
        queued: &Queued,
        event_type: EventType,
        reason: &'static str,
        message: Str,
    ) {
        let meta = &queued.info.pod.meta;
        let regarding = Regarding {
            object: Ref { kind: Kind::Pod, key: meta.key() },
            uid: meta.uid,
            field_path: Str::default(),
        };
        let record = EventRecord {
            regarding,
            event_type,
            reason: Str::new_static(reason),
            message,
            component: queued.info.template.scheduler_name.clone(),
            host: Str::default(),
        };
        cx.event(queued.cause, record);
    }

    /// Says what a pod waits for, where that is new.
    fn say_waiting(&mut self, uid: Uid, on: Str, cause: FactId, cx: &mut Cx<'_>) {
        let Some(known) = self.waiting.get_mut(&uid) else { return };
        if known.waits_for == on {
            return;
        }
        known.waits_for = on.clone();
        let object = Ref { kind: Kind::Pod, key: known.info.pod.meta.key() };
        cx.fact(cause, FactKind::Waiting(Arc::new(Waiting { object, uid, on })));
    }

    fn flush(&mut self, now: SimTime) {
        let Some(profile) = self.config.profiles.first() else { return };
        let hints = Hints { world: &self.cluster.world, args: &profile.args };
        self.queue.flush(now, &hints);
    }
}

impl Component for Scheduler {
    fn sync(&mut self, cx: &mut Cx<'_>) {
        self.started.get_or_insert(cx.now);
        self.listen(cx);
        self.run(cx);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        if cx.now >= self.busy_until {
            self.fail(cx);
        }
        self.flush(cx.now);
        self.run(cx);
    }

    fn reply(&mut self, answer: Answer, cx: &mut Cx<'_>) {
        if let Some(binding) = self.bindings.remove(&answer.token) {
            self.bound(binding, answer.reply, cx);
            self.run(cx);
        }
    }

    fn next_wake(&self) -> Option<(SimTime, WakeReason)> {
        if self.failing.is_some() {
            return Some((self.busy_until, "scheduling cycle"));
        }
        if self.queue.has_ready() {
            return Some((self.busy_until, "pod to schedule"));
        }
        let started = self.started?;
        self.queue.next_flush(started).map(|at| (at, "pod that waits"))
    }
}

/// The profile that a pod asks for, if this scheduler serves it.
fn serves<'a>(config: &'a Config, pod: &PodInfo) -> Option<&'a Profile> {
    config.profile(&pod.template.scheduler_name)
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

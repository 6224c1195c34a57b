//! One node's agent: its pods' workers and what they wait for.
//!
//! Follows `pkg/kubelet/kubelet.go` (`HandlePodAdditions`, `HandlePodUpdates`, `HandlePodRemoves`). The
//! agent reads the log of the pods bound to its node. Each worker says when it next wants to be woken;
//! the agent keeps them in one order and asks the engine for the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::admission;
use super::desk::Desk;
use super::node::NodeState;
use super::shared::Shared;
use super::worker::{Life, Worker};
use crate::base::time::SimTime;
use crate::engine::{Answer, Cx, Token, WakeReason};
use crate::model::{Object, Phase, Pod, PodStatus, Uid};
use crate::store::{Logs, Request};
use crate::trace::{Change, FactId};

/// The agent of one node.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) node: NodeState,
    /// How far the node's log has been read.
    position: u64,
    pods: BTreeMap<Uid, Watched>,
    due: BTreeSet<(SimTime, Uid)>,
    /// Whose request a token stands for.
    tokens: BTreeMap<Token, Uid>,
    next_token: u64,
    /// Whether the machine runs.
    up: bool,
}

/// A pod's worker and when it is due.
#[derive(Debug)]
struct Watched {
    worker: Worker,
    due: Option<SimTime>,
    /// The pod is gone from the server.
    gone: bool,
}

impl Agent {
    /// The agent of a node that begins to work now.
    pub(super) fn new(node: NodeState) -> Self {
        Self {
            node,
            position: 0,
            pods: BTreeMap::new(),
            due: BTreeSet::new(),
            tokens: BTreeMap::new(),
            next_token: 0,
            up: true,
        }
    }

    /// How far the node's log has been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// When the agent wants to be woken.
    pub(super) fn next_wake(&self) -> Option<(SimTime, WakeReason)> {
        if !self.up {
            return None;
        }
        self.due.first().map(|(at, _)| (*at, "pod worker"))
    }

    /// News of pods has come.
    pub(super) fn sync(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        if !self.up {
            return;
        }
        let logs: &Logs = cx.logs;
        let Some(log) = logs.node(&self.node.name) else { return };
        for entry in log.read(self.position, cx.heard_until()) {
            self.position += 1;
            let Object::Pod(pod) = &entry.object else { continue };
            match entry.change {
                Change::Deleted => self.remove(pod, entry.fact, shared, cx),
                Change::Added | Change::Modified => self.hear(pod, entry.fact, shared, cx),
            }
        }
    }

    /// The time has come for which a worker asked.
    pub(super) fn wake(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        if !self.up {
            return;
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
        let Some(uid) = self.tokens.remove(&answer.token) else { return };
        if !self.up {
            return;
        }
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
        self.run(uid, shared, cx);
    }

    /// Wakes every worker whose answers depend on something that has changed outside.
    pub(super) fn poke(
        &mut self,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
        f: impl Fn(&mut Worker) -> bool,
    ) {
        let touched: Vec<Uid> =
            self.pods.iter_mut().filter_map(|(uid, w)| f(&mut w.worker).then_some(*uid)).collect();
        for uid in touched {
            self.run(uid, shared, cx);
        }
    }

    fn hear(&mut self, pod: &Arc<Pod>, fact: FactId, shared: &mut Shared, cx: &mut Cx<'_>) {
        let uid = pod.meta.uid;
        if self.pods.contains_key(&uid) {
            let mut desk = Desk { cx, node: &mut self.node, shared };
            if let Some(watched) = self.pods.get_mut(&uid) {
                watched.worker.hear(Arc::clone(pod), fact, &mut desk);
            }
        } else {
            self.add(pod, fact, shared, cx);
        }
        self.run(uid, shared, cx);
    }

    fn add(&mut self, pod: &Arc<Pod>, fact: FactId, shared: &mut Shared, cx: &mut Cx<'_>) {
        let mut worker = Worker::new(Arc::clone(pod), fact);
        let active = self
            .pods
            .values()
            .filter(|w| w.worker.may_run() && w.worker.life != Life::Rejected)
            .map(|w| &*w.worker.pod);
        let refusal = match shared.node(self.node.slot) {
            Some(node) if !pod.meta.is_terminating() && !pod.is_terminal() => {
                admission::admit(pod, node, active).err()
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
        self.pods.insert(pod.meta.uid, Watched { worker, due: None, gone: false });
    }

    fn remove(&mut self, pod: &Arc<Pod>, fact: FactId, shared: &mut Shared, cx: &mut Cx<'_>) {
        let uid = pod.meta.uid;
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        watched.gone = true;
        watched.worker.cause = fact;
        let mut desk = Desk { cx, node: &mut self.node, shared };
        watched.worker.remove(&mut desk);
        self.run(uid, shared, cx);
    }

    /// Lets a worker do what is due, tells the server what it made, and notes when it is due again.
    fn run(&mut self, uid: Uid, shared: &mut Shared, cx: &mut Cx<'_>) {
        let Some(watched) = self.pods.get_mut(&uid) else { return };
        let worker = &mut watched.worker;
        let mut desk = Desk { cx, node: &mut self.node, shared };
        worker.advance(&mut desk);
        if !watched.gone {
            let token = Token(self.next_token);
            let (may_run, cause) = (worker.may_run(), worker.cause);
            let newest = Arc::clone(&worker.newest);
            if worker.reports.send(&newest, may_run, token, cause, cx) {
                self.next_token += 1;
                self.tokens.insert(token, uid);
            }
        }
        let relist: Duration = cx.latency.pleg_relist;
        let next = worker.next_wake(&self.node, relist).map(|at| at.max(cx.now));
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

    /// The machine crashes: nothing of the agent's memory is left.
    pub(super) fn crash(&mut self, cx: &mut Cx<'_>) {
        self.up = false;
        self.due.clear();
        let request = Request::Lease { node: self.node.name.clone(), stopped: Some(cx.now) };
        let token = Token(self.next_token);
        self.next_token += 1;
        cx.send(token, FactId::NONE, request);
    }

    /// The machine boots.
    pub(super) fn boot(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        self.up = true;
        let request = Request::Lease { node: self.node.name.clone(), stopped: None };
        let token = Token(self.next_token);
        self.next_token += 1;
        cx.send(token, FactId::NONE, request);
        self.sync(shared, cx);
    }
}

//! Pods that nobody will finish: of nodes that are gone or out of service, never placed, or too many
//! that have ended.
//!
//! Upstream looks every 20 s; here the rounds come when there may be something to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::next_round;
use super::taints::OUT_OF_SERVICE;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    ConditionStatus, Key, Kind, Node, Object, Phase, Pod, PodCondition, conditions,
};
use crate::store::{DeleteOptions, Delta, Reply, Request};
use crate::trace::Change;

/// How often the controller looks (`gcCheckPeriod`).
const PERIOD: Duration = Duration::from_secs(20);
/// How long a node must be gone (`quarantineTime`).
const QUARANTINE: Duration = Duration::from_secs(40);
/// How many ended pods are kept (`--terminated-pod-gc-threshold`).
const TERMINATED: usize = 12_500;

/// The controller.
#[derive(Clone, Debug)]
pub struct PodGcController {
    /// Nodes that are gone and had pods, and when they are believed to be.
    gone: BTreeMap<Str, SimTime>,
    /// Terminating pods that were never placed.
    unplaced: BTreeSet<Key>,
    /// Nodes that are out of service.
    out_of_service: BTreeSet<Str>,
    /// How many pods have ended and are still there.
    terminated: usize,
    /// How many of them are kept.
    threshold: usize,
}

impl Default for PodGcController {
    fn default() -> Self {
        Self {
            gone: BTreeMap::new(),
            unplaced: BTreeSet::new(),
            out_of_service: BTreeSet::new(),
            terminated: 0,
            threshold: TERMINATED,
        }
    }
}

/// A pod that is to go, and what its status says of it besides that it has failed.
type Doomed = (Arc<Pod>, Option<PodCondition>);

/// What was asked.
#[derive(Clone, Debug)]
pub enum Work {
    /// Those of the pods that have not ended were told that they have failed.
    Told(Vec<Arc<Pod>>),
    /// They were deleted, but for those that could not be told.
    Deleted {
        /// The nodes of those that could not.
        untold: Vec<Option<Str>>,
    },
}

impl Controller for PodGcController {
    type Key = ();
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Pod, Kind::Node]);
    const NAME: &'static str = "pod-garbage-collector-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<()>,
    ) {
        let look = next_round(now, PERIOD);
        let at = match delta.new {
            Object::Node(node) => self.heard_of_node(node, delta.change, view, look),
            Object::Pod(pod) => {
                let old = match delta.old {
                    Some(Object::Pod(old)) => Some(&**old),
                    _ => None,
                };
                self.heard_of_pod(pod, old, delta.change, view, look)
            }
            _ => None,
        };
        if let Some(at) = at {
            queue.add_at(at, (), delta.fact);
        }
    }

    fn sync(&mut self, (): &(), cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let mut doomed: Vec<Doomed> = Vec::new();
        doomed.extend(self.too_many(cx).into_iter().map(|p| (p, None)));
        doomed.extend(self.on_nodes_out_of_service(cx).into_iter().map(|p| (p, None)));
        let orphaned = self.orphaned(cx).into_iter();
        doomed.extend(orphaned.map(|p| {
            let condition = gone_with_its_node(&p, cx.now);
            (p, Some(condition))
        }));
        let keys = self.unplaced.iter();
        let unplaced = keys.filter_map(|key| cx.view.typed::<Pod>(Kind::Pod, key));
        doomed.extend(unplaced.map(|p| (Arc::clone(p), None)));
        let unended = doomed.iter().filter(|(p, _)| !p.is_terminal());
        let requests = unended.map(|(p, condition)| fail(p, condition.clone())).collect();
        Step::Ask { requests, then: Work::Told(doomed.into_iter().map(|(p, _)| p).collect()) }
    }

    fn resume(
        &mut self,
        (): &(),
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work {
            Work::Told(pods) => {
                let (mut requests, mut untold) = (Vec::new(), Vec::new());
                let mut replies = replies.iter();
                for pod in pods {
                    // What cannot be told that it has failed is not deleted
                    // (`markFailedAndDeletePodWithCondition`).
                    if !pod.is_terminal() && replies.next().is_some_and(Result::is_err) {
                        untold.push(pod.node.clone());
                    } else {
                        requests.push(delete(&pod));
                    }
                }
                Step::Ask { requests, then: Work::Deleted { untold } }
            }
            Work::Deleted { untold } => {
                let refused = replies.iter().any(|r| r.as_ref().is_err_and(|e| !e.is_not_found()));
                let soon = next_round(cx.now + PERIOD / 2, PERIOD);
                // A node that is gone is looked for again only after another quarantine.
                for node in untold.iter().flatten() {
                    if cx.view.get(Kind::Node, &Key::new("", node.clone())).is_none() {
                        self.gone.entry(node.clone()).or_insert(soon + QUARANTINE);
                    }
                }
                // A pod that a finalizer keeps is deleted again in the next round, as upstream does;
                // that changes nothing, so the round is only held when something was refused.
                let again = (refused || !untold.is_empty()).then_some(soon);
                let next = self.gone.values().copied().filter(|at| *at > cx.now).chain(again).min();
                next.map_or_else(Step::done, Step::again_at)
            }
        }
    }
}

impl PodGcController {
    fn heard_of_node(
        &mut self,
        node: &Node,
        change: Change,
        view: &View,
        look: SimTime,
    ) -> Option<SimTime> {
        let name = &node.meta.name;
        if change == Change::Deleted {
            self.out_of_service.remove(name);
            view.pods_on(name).next()?;
            self.gone.insert(name.clone(), look + QUARANTINE);
            return Some(look + QUARANTINE);
        }
        self.gone.remove(name);
        if node.taints.iter().any(|t| t.key == OUT_OF_SERVICE) {
            self.out_of_service.insert(name.clone());
            return Some(look);
        }
        self.out_of_service.remove(name);
        None
    }

    fn heard_of_pod(
        &mut self,
        pod: &Pod,
        old: Option<&Pod>,
        change: Change,
        view: &View,
        look: SimTime,
    ) -> Option<SimTime> {
        let is_there = change != Change::Deleted;
        self.terminated -= usize::from(old.is_some_and(Pod::is_terminal));
        self.terminated += usize::from(is_there && pod.is_terminal());
        let unplaced = is_there && pod.meta.is_terminating() && pod.node.is_none();
        if !unplaced {
            self.unplaced.remove(&pod.meta.key());
        }
        if !is_there {
            return None;
        }
        let is_new = |old: bool, new: bool| new && !old;
        if is_new(old.is_some_and(Pod::is_terminal), pod.is_terminal())
            && self.terminated > self.threshold
        {
            return Some(look);
        }
        if unplaced && self.unplaced.insert(pod.meta.key()) {
            return Some(look);
        }
        let node = pod.node.as_ref()?;
        let was_bound = old.is_some_and(|o| o.node.is_some());
        if !was_bound && view.get(Kind::Node, &Key::new("", node.clone())).is_none() {
            return Some(*self.gone.entry(node.clone()).or_insert(look + QUARANTINE));
        }
        let was_terminating = old.is_some_and(|o| o.meta.is_terminating());
        let leaves = is_new(was_terminating, pod.meta.is_terminating());
        (leaves && self.out_of_service.contains(node)).then_some(look)
    }

    /// The ended pods that are too many (`gcTerminated`).
    fn too_many(&self, cx: &SyncCx<'_, '_>) -> Vec<Arc<Pod>> {
        if self.terminated <= self.threshold {
            return Vec::new();
        }
        let pods = cx.view.kind(Kind::Pod).iter();
        let mut ended: Vec<Arc<Pod>> = pods
            .filter_map(|(_, o)| <&Arc<Pod>>::try_from(o).ok())
            .filter(|p| p.is_terminal())
            .map(Arc::clone)
            .collect();
        let is_evicted = |p: &Pod| p.status.phase == Phase::Failed && p.status.reason == "Evicted";
        ended.sort_by_cached_key(|p| (Reverse(is_evicted(p)), p.meta.created, p.meta.key()));
        ended.truncate(ended.len().saturating_sub(self.threshold));
        ended
    }

    /// Terminating pods of nodes that are out of service (`gcTerminating`).
    fn on_nodes_out_of_service(&self, cx: &SyncCx<'_, '_>) -> Vec<Arc<Pod>> {
        let is_ill = |name: &&Str| {
            let node = cx.view.typed::<Node>(Kind::Node, &Key::new("", (*name).clone()));
            node.is_some_and(|n| !n.is_ready())
        };
        let nodes = self.out_of_service.iter().filter(is_ill);
        let pods = nodes.flat_map(|name| cx.view.pods_on(name));
        pods.filter(|p| p.meta.is_terminating()).map(Arc::clone).collect()
    }

    /// Pods of nodes that have been gone for a while (`gcOrphaned`).
    fn orphaned(&mut self, cx: &SyncCx<'_, '_>) -> Vec<Arc<Pod>> {
        let now = cx.now;
        let due: Vec<Str> =
            self.gone.iter().filter(|(_, at)| **at <= now).map(|(n, _)| n.clone()).collect();
        let mut pods = Vec::new();
        for node in due {
            self.gone.remove(&node);
            if cx.view.get(Kind::Node, &Key::new("", node.clone())).is_none() {
                pods.extend(cx.view.pods_on(&node).map(Arc::clone));
            }
        }
        pods
    }
}

/// What an orphan's status says (`gcOrphaned`).
fn gone_with_its_node(pod: &Pod, now: SimTime) -> PodCondition {
    PodCondition {
        kind: conditions::DISRUPTION_TARGET.into(),
        status: ConditionStatus::True,
        reason: "DeletionByPodGC".into(),
        message: Str::new_static("PodGC: node no longer exists"),
        since: now,
        observed_generation: pod.meta.generation,
    }
}

fn delete(pod: &Arc<Pod>) -> Request {
    Request::Delete {
        target: Object::Pod(Arc::clone(pod)).reference(),
        options: DeleteOptions { grace: Some(Duration::ZERO), ..DeleteOptions::of(pod.meta.uid) },
    }
}

fn fail(pod: &Pod, condition: Option<PodCondition>) -> Request {
    let mut status = pod.status.clone();
    status.phase = Phase::Failed;
    if let Some(condition) = condition {
        status.conditions = status.with_condition(condition);
    }
    Request::PodStatus { pod: pod.meta.key(), uid: pod.meta.uid, status: Box::new(status) }
}

//! Readiness and taints of nodes.
//!
//! Upstream monitors every node each 5 s and looks each 100 ms whether a node may get its `NoExecute`
//! taint. Here the rounds come when something has changed, or when a lease grows too old.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::next_round;
use super::taints::{self, NOT_READY, UNREACHABLE};
use super::zones::{Disruption, Zones};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    ConditionStatus, Key, Kind, Node, NodeCondition, Object, Pod, PodCondition, TaintEffect,
    conditions,
};
use crate::store::{Delta, MetaChange, Reply, Request};
use crate::trace::{Change, EventType, Regarding};

/// How long a lease may be old (`--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(50);
/// How often nodes are looked at (`--node-monitor-period`).
const PERIOD: Duration = Duration::from_secs(5);
/// How often a node may get its taint (`NodeEvictionPeriod`).
const TAINTING: Duration = Duration::from_millis(100);
/// Nodes with this label do not count for the health of their zone.
const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";
/// Labels, and the older names under which they are kept as well (`labelReconcileInfo`).
const OLD_LABELS: [(&str, &str); 2] = [
    ("kubernetes.io/os", "beta.kubernetes.io/os"),
    ("kubernetes.io/arch", "beta.kubernetes.io/arch"),
];

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct NodeLifecycleController {
    /// When it first heard of a node: those of that time were there before it.
    began: Option<SimTime>,
    /// Nodes it has told of.
    known: BTreeMap<Str, Regarding>,
    /// Nodes that count as heard of at that time, whatever their leases say.
    probed: BTreeMap<Str, SimTime>,
    zones: Zones,
    /// When the nodes are looked at next.
    monitor: Option<SimTime>,
    /// A node whose taint was refused: it needs no second token.
    refused: Option<Str>,
    /// Nodes whose pods could not all be told that they are not ready (`nodesToRetry`).
    untold: BTreeSet<Str>,
}

/// What is synced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// The `NoSchedule` taints and labels of a node.
    Node(Str),
    /// All nodes' health, and the nodes that wait for a `NoExecute` taint.
    Round,
}

/// What was asked.
#[derive(Clone, Debug)]
pub enum Work {
    /// Taints and labels of a node.
    Node,
    /// Statuses of nodes and pods.
    Monitored {
        /// Nodes that then change one taint for its opposite.
        swap: Vec<Str>,
        /// Which of the requests tell the pods of which node.
        told: Vec<(Range<usize>, Str)>,
    },
    /// Taints after that.
    Swapped,
    /// The `NoExecute` taint of a node.
    Tainted(Str),
}

impl Controller for NodeLifecycleController {
    type Key = Item;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Node]);
    const NAME: &'static str = "node-controller";
    const WORKERS: usize = 8;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Item>,
    ) {
        let (Kind::Node, Object::Node(node)) = (kind, delta.new) else { return };
        let name = &node.meta.name;
        let began = *self.began.get_or_insert(now);
        if delta.change != Change::Deleted {
            queue.add(Item::Node(name.clone()), delta.fact);
        }
        if now == began && delta.change == Change::Added {
            self.known.insert(name.clone(), Regarding::object(delta.new));
        }
        let at_rest = node.is_ready() && node.lease_stopped.is_none();
        let is_news = match delta.old {
            Some(Object::Node(old)) => {
                old.conditions != node.conditions
                    || old.lease_stopped != node.lease_stopped
                    || old.taints != node.taints
                    || Zones::of(old) != Zones::of(node)
            }
            _ => now > began || !at_rest,
        };
        if is_news || delta.change == Change::Deleted {
            let at = next_round(now, PERIOD);
            self.monitor = Some(self.monitor.map_or(at, |m| m.min(at)));
            queue.add_at(at, Item::Round, delta.fact);
        }
    }

    fn sync(&mut self, key: &Item, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        match key {
            Item::Node(name) => sync_node(name, cx),
            Item::Round if self.monitor.is_some_and(|at| at <= cx.now) => {
                self.monitor = None;
                self.look(cx)
            }
            Item::Round => self.taint_next(cx),
        }
    }

    fn resume(
        &mut self,
        _key: &Item,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let refused = replies.iter().any(|r| r.as_ref().is_err_and(|e| !e.is_not_found()));
        match work {
            Work::Node if refused => Step::failed(),
            Work::Node => Step::done(),
            Work::Monitored { swap, told } => {
                let lacks = |range: &Range<usize>| {
                    let mut replies = replies.get(range.clone()).unwrap_or_default().iter();
                    replies.any(|r| r.as_ref().is_err_and(|e| !e.is_not_found()))
                };
                let untold = told.into_iter().filter(|(range, _)| lacks(range));
                self.untold = untold.map(|(_, node)| node).collect();
                if refused {
                    self.monitor = Some(next_round(cx.now + TAINTING, PERIOD));
                }
                let requests = replies.iter().filter_map(|r| match r {
                    Ok(Some(Object::Node(node))) if swap.contains(&node.meta.name) => {
                        swapped(node, cx.now)
                    }
                    _ => None,
                });
                let requests: Vec<Request> = requests.map(|n| Request::Update(n.into())).collect();
                Step::Ask { requests, then: Work::Swapped }
            }
            Work::Swapped => {
                if refused {
                    self.monitor = Some(next_round(cx.now + TAINTING, PERIOD));
                }
                self.again(cx)
            }
            Work::Tainted(node) => {
                self.refused = refused.then_some(node);
                self.again(cx)
            }
        }
    }
}

impl NodeLifecycleController {
    /// When the rounds go on.
    fn again(&mut self, cx: &SyncCx<'_, '_>) -> Step<Work> {
        let now = cx.now;
        let retry = self.refused.as_ref().map(|_| now);
        let taint = retry.or_else(|| self.zones.next_at());
        let taint = taint.map(|at| next_round(at.max(now) + Duration::from_nanos(1), TAINTING));
        let leases = cx.view.kind(Kind::Node).iter().filter_map(|(_, o)| match o {
            Object::Node(node) => self.lost_at(node),
            _ => None,
        });
        self.monitor = self.monitor.into_iter().chain(leases).min();
        let next = self.monitor.into_iter().chain(taint).min();
        next.map_or_else(Step::done, |at| Step::again_at(at.max(now)))
    }

    /// When a node counts as lost; `None` while it renews its lease, or when it is known to be lost.
    fn lost_at(&self, node: &Node) -> Option<SimTime> {
        let unknown = node.condition("Ready").is_some_and(|c| c.status == ConditionStatus::Unknown);
        let stopped = node.lease_stopped.filter(|_| !unknown)?;
        let probed = self.probed.get(&node.meta.name).copied().unwrap_or(stopped);
        Some(next_round(stopped.max(probed) + GRACE, PERIOD))
    }

    /// One round of `monitorNodeHealth`.
    fn look(&mut self, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let nodes: Vec<Arc<Node>> = cx
            .view
            .kind(Kind::Node)
            .iter()
            .filter_map(|(_, o)| <&Arc<Node>>::try_from(o).ok().map(Arc::clone))
            .collect();
        self.tell_of(&nodes, cx);
        let (mut requests, mut swap, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let mut counts: BTreeMap<Str, (usize, usize)> = BTreeMap::new();
        for node in &nodes {
            let zone = Zones::of(node);
            let mut ready = node.condition("Ready").map(|c| c.status);
            let is_lost = self.lost_at(node).is_some_and(|at| at <= cx.now);
            let was_ready = ready == Some(ConditionStatus::True);
            if is_lost {
                lost(node, was_ready, cx, &mut requests);
                ready = Some(ConditionStatus::Unknown);
            }
            let again = !was_ready && self.untold.contains(&node.meta.name);
            if again || is_lost && was_ready {
                let from = requests.len();
                tell_pods(&node.meta.name, cx, &mut requests);
                told.push((from..requests.len(), node.meta.name.clone()));
            }
            if node.meta.labels.get(EXCLUDED).is_none() {
                let (well, ill) = counts.entry(zone.clone()).or_default();
                let is_ready = ready == Some(ConditionStatus::True);
                (*well, *ill) = (*well + usize::from(is_ready), *ill + usize::from(!is_ready));
            }
            match ready {
                Some(ConditionStatus::True) => {
                    self.zones.forget(&zone, &node.meta.name);
                    let healed = taints::reachable(node, cx.now);
                    requests.extend(healed.map(|n| Request::Update(n.into())));
                }
                Some(status) => {
                    let (key, opposite) = of_status(status);
                    if taints::has(node, opposite, TaintEffect::NoExecute) {
                        swap.push(node.meta.name.clone());
                        if !is_lost {
                            let new = taints::with_no_execute(node, key, opposite, cx.now);
                            requests.extend(new.map(|n| Request::Update(n.into())));
                        }
                    } else if !taints::has(node, key, TaintEffect::NoExecute) {
                        self.zones.await_taint(&zone, &node.meta.name);
                    }
                }
                None => {}
            }
        }
        self.handle_disruption(&nodes, &counts, cx.now, &mut requests);
        Step::Ask { requests, then: Work::Monitored { swap, told } }
    }

    /// Says which nodes have come and gone.
    fn tell_of(&mut self, nodes: &[Arc<Node>], cx: &mut SyncCx<'_, '_>) {
        for node in nodes {
            let name = &node.meta.name;
            if !self.known.contains_key(name) {
                let on = Regarding::object(&Object::Node(Arc::clone(node)));
                let text = format!("Node {name} event: Registered Node {name} in Controller");
                cx.event_on(on.clone(), EventType::Normal, "RegisteredNode", text);
                self.known.insert(name.clone(), on);
            }
        }
        if self.known.len() == nodes.len() {
            return;
        }
        let is_there = |name: &Str| cx.view.get(Kind::Node, &Key::new("", name.clone())).is_some();
        let gone: Vec<Str> = self.known.keys().filter(|n| !is_there(n)).cloned().collect();
        for name in gone {
            self.probed.remove(&name);
            if let Some(on) = self.known.remove(&name) {
                let text = format!("Node {name} event: Removing Node {name} from Controller");
                cx.event_on(on, EventType::Normal, "RemovingNode", text);
            }
        }
    }

    fn handle_disruption(
        &mut self,
        nodes: &[Arc<Node>],
        counts: &BTreeMap<Str, (usize, usize)>,
        now: SimTime,
        requests: &mut Vec<Request>,
    ) {
        match self.zones.take_in(counts, now) {
            Disruption::None => {}
            Disruption::Entered => {
                for node in nodes {
                    self.zones.forget(&Zones::of(node), &node.meta.name);
                    let healed = taints::reachable(node, now);
                    requests.extend(healed.map(|n| Request::Update(n.into())));
                }
            }
            Disruption::Left => {
                self.probed = nodes.iter().map(|n| (n.meta.name.clone(), now)).collect();
            }
        }
    }

    /// Gives the next node that may have it its `NoExecute` taint (`doNoExecuteTaintingPass`).
    fn taint_next(&mut self, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        while let Some(name) = self.refused.take().or_else(|| self.zones.next(cx.now)) {
            let key = Key::new("", name.clone());
            let Some(node) = cx.view.typed::<Node>(Kind::Node, &key) else { continue };
            if let Some(tainted) = swapped(node, cx.now) {
                return Step::ask(Request::Update(tainted.into()), Work::Tainted(name));
            }
        }
        self.again(cx)
    }
}

/// The taint of a node that is not ready, and its opposite.
const fn of_status(status: ConditionStatus) -> (&'static str, &'static str) {
    match status {
        ConditionStatus::Unknown => (UNREACHABLE, NOT_READY),
        ConditionStatus::True | ConditionStatus::False => (NOT_READY, UNREACHABLE),
    }
}

/// The node with the `NoExecute` taint of its state in the place of the opposite one.
fn swapped(node: &Node, now: SimTime) -> Option<Node> {
    let status = node.condition("Ready").map(|c| c.status)?;
    if status == ConditionStatus::True {
        return None;
    }
    let (key, opposite) = of_status(status);
    taints::with_no_execute(node, key, opposite, now)
}

/// `doNoScheduleTaintingPass`, `reconcileNodeLabels`.
fn sync_node(name: &Str, cx: &SyncCx<'_, '_>) -> Step<Work> {
    let Some(node) = cx.view.typed::<Node>(Kind::Node, &Key::new("", name.clone())) else {
        return Step::done();
    };
    let mut requests = Vec::new();
    if let Some(tainted) = taints::with_no_schedule(node, cx.now) {
        requests.push(Request::Update(tainted.into()));
    }
    let changes: Vec<MetaChange> = OLD_LABELS
        .iter()
        .filter_map(|(new, old)| {
            let value = node.meta.labels.get(new)?;
            let differs = node.meta.labels.get(old) != Some(value);
            differs.then(|| MetaChange::Label((*old).into(), Some(value.clone())))
        })
        .collect();
    if !changes.is_empty() {
        let target = Object::Node(Arc::clone(node)).reference();
        requests.push(Request::PatchMeta { target, uid: node.meta.uid, changes });
    }
    Step::Ask { requests, then: Work::Node }
}

/// The node is no longer heard of: its conditions are unknown (`tryUpdateNodeHealth`).
fn lost(node: &Arc<Node>, was_ready: bool, cx: &mut SyncCx<'_, '_>, requests: &mut Vec<Request>) {
    let mut all: Vec<NodeCondition> = node.conditions.to_vec();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let unknown = |reason: &str, message: &str| NodeCondition {
            kind: kind.into(),
            status: ConditionStatus::Unknown,
            reason: reason.into(),
            message: message.into(),
            since: cx.now.trunc_secs(),
        };
        match all.iter_mut().find(|c| c.kind == kind) {
            None => {
                all.push(unknown("NodeStatusNeverUpdated", "Kubelet never posted node status."))
            }
            Some(c) if c.status == ConditionStatus::Unknown => {}
            Some(c) => *c = unknown("NodeStatusUnknown", "Kubelet stopped posting node status."),
        }
    }
    let new = Node { conditions: all.into(), ..Node::clone(node) };
    requests.push(Request::UpdateStatus(new.into()));
    if !was_ready {
        return;
    }
    let name = node.meta.name.clone();
    let text = format!("Node {name} status is now: NodeNotReady");
    cx.event(&Object::Node(Arc::clone(node)), EventType::Normal, "NodeNotReady", text);
}

/// The pods of a node that is no longer heard of are not ready (`MarkPodsNotReady`).
fn tell_pods(node: &str, cx: &mut SyncCx<'_, '_>, requests: &mut Vec<Request>) {
    let ready: Vec<Arc<Pod>> =
        cx.view.pods_on(node).filter(|p| p.is_ready()).map(Arc::clone).collect();
    for pod in ready {
        let object = Object::Pod(Arc::clone(&pod));
        cx.event(&object, EventType::Warning, "NodeNotReady", "Node is not ready");
        let condition = PodCondition {
            kind: conditions::READY.into(),
            status: ConditionStatus::False,
            reason: Str::default(),
            message: Str::default(),
            since: cx.now,
            observed_generation: pod.meta.generation,
        };
        requests.push(Request::PodConditions {
            pod: pod.meta.key(),
            uid: pod.meta.uid,
            conditions: vec![condition],
            nominated_node: None,
        });
    }
}

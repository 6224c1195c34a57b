//! Readiness and taints of nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::next_round;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Done, Retry, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    ConditionStatus, Key, Kind, Node, NodeCondition, Object, Pod, PodCondition, Taint, TaintEffect,
    conditions,
};
use crate::store::{Delta, Reply, Request};
use crate::trace::{Change, EventType, Regarding};

/// How long a lease may be old (`--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(50);
/// How often nodes are looked at (`--node-monitor-period`).
const PERIOD: Duration = Duration::from_secs(5);

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const MEMORY_PRESSURE: &str = "node.kubernetes.io/memory-pressure";
const DISK_PRESSURE: &str = "node.kubernetes.io/disk-pressure";
const PID_PRESSURE: &str = "node.kubernetes.io/pid-pressure";
const NETWORK_UNAVAILABLE: &str = "node.kubernetes.io/network-unavailable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The controller.
#[derive(Debug, Default)]
pub struct NodeLifecycleController {
    /// When it first heard of a node: those of that time were there before it.
    began: Option<SimTime>,
    /// What is to be said of nodes that have come or gone, when the controller next looks.
    news: BTreeMap<Str, (SimTime, Regarding, bool)>,
}

impl Controller for NodeLifecycleController {
    type Key = Str;
    type Work = ();

    const NAME: &'static str = "node-controller";
    const WORKERS: usize = 8;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Str>,
    ) {
        if kind != Kind::Node {
            return;
        }
        let name = &delta.new.meta().name;
        queue.add(name.clone(), delta.fact);
        let began = *self.began.get_or_insert(now);
        if delta.change != Change::Modified && now > began {
            let look = next_round(now, PERIOD);
            let came = delta.change == Change::Added;
            self.news.insert(name.clone(), (look, Regarding::object(delta.new), came));
            queue.add_at(look, name.clone(), delta.fact);
        }
    }

    fn sync(&mut self, key: &Str, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        if self.news.get(key).is_some_and(|(look, ..)| *look <= cx.now)
            && let Some((_, node, came)) = self.news.remove(key)
        {
            let (reason, done) = if came {
                ("RegisteredNode", format!("Registered Node {key} in Controller"))
            } else {
                ("RemovingNode", format!("Removing Node {key} from Controller"))
            };
            let text = format!("Node {key} event: {done}");
            cx.event_on(node, EventType::Normal, reason, text);
        }
        let key = Key::new("", key.clone());
        let Some(node) = cx.view.typed::<Node>(Kind::Node, &key).map(Arc::clone) else {
            return Step::done();
        };
        let unknown = node.condition("Ready").is_some_and(|c| c.status == ConditionStatus::Unknown);
        if let Some(stopped) = node.lease_stopped
            && !unknown
        {
            let due = next_round(stopped + GRACE, PERIOD);
            if cx.now < due {
                return Step::Done(Done { retry: Retry::At(due), waiting: None });
            }
            return lost(&node, cx);
        }
        match with_taints(&node, cx.now) {
            Some(tainted) => Step::ask(Request::Update(tainted.into()), ()),
            None => Step::done(),
        }
    }

    fn resume(
        &mut self,
        _key: &Str,
        _work: (),
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        let refused = replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404));
        if refused { Step::failed() } else { Step::done() }
    }
}

/// The node is no longer heard of: its conditions are unknown, its pods not ready
/// (`tryUpdateNodeHealth`, `MarkPodsNotReady`).
fn lost(node: &Arc<Node>, cx: &mut SyncCx<'_, '_>) -> Step<()> {
    let name = node.meta.name.clone();
    let object = Object::Node(Arc::clone(node));
    let text = format!("Node {name} status is now: NodeNotReady");
    cx.event(&object, EventType::Normal, "NodeNotReady", text);
    let mut new = Node::clone(node);
    new.conditions = node
        .conditions
        .iter()
        .map(|c| NodeCondition {
            status: ConditionStatus::Unknown,
            reason: "NodeStatusUnknown".into(),
            message: "Kubelet stopped posting node status.".into(),
            since: cx.now.trunc_secs(),
            kind: c.kind.clone(),
        })
        .collect();
    let mut requests = vec![Request::UpdateStatus(new.into())];
    let ready: Vec<Arc<Pod>> =
        cx.view.pods_on(&name).filter(|p| p.is_ready()).map(Arc::clone).collect();
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
    Step::Ask { requests, then: () }
}

/// The node with the taints that its state asks for; `None` when it has them
/// (`doNoScheduleTaintingPass`, `processTaintBaseEviction`).
fn with_taints(node: &Node, now: SimTime) -> Option<Node> {
    let ready = node.condition("Ready").map_or(ConditionStatus::Unknown, |c| c.status);
    let holds =
        |kind: &str| node.condition(kind).is_some_and(|c| c.status == ConditionStatus::True);
    let wanted: Vec<(&str, TaintEffect)> = [
        (UNSCHEDULABLE, TaintEffect::NoSchedule, node.unschedulable),
        (UNREACHABLE, TaintEffect::NoSchedule, ready == ConditionStatus::Unknown),
        (UNREACHABLE, TaintEffect::NoExecute, ready == ConditionStatus::Unknown),
        (NOT_READY, TaintEffect::NoSchedule, ready == ConditionStatus::False),
        (NOT_READY, TaintEffect::NoExecute, ready == ConditionStatus::False),
        (MEMORY_PRESSURE, TaintEffect::NoSchedule, holds("MemoryPressure")),
        (DISK_PRESSURE, TaintEffect::NoSchedule, holds("DiskPressure")),
        (PID_PRESSURE, TaintEffect::NoSchedule, holds("PIDPressure")),
        (NETWORK_UNAVAILABLE, TaintEffect::NoSchedule, holds("NetworkUnavailable")),
    ]
    .into_iter()
    .filter(|(.., on)| *on)
    .map(|(key, effect, _)| (key, effect))
    .collect();
    const OURS: [&str; 7] = [
        UNSCHEDULABLE,
        UNREACHABLE,
        NOT_READY,
        MEMORY_PRESSURE,
        DISK_PRESSURE,
        PID_PRESSURE,
        NETWORK_UNAVAILABLE,
    ];
    let ours = |t: &Taint| OURS.contains(&t.key.as_str());
    let is_wanted = |t: &Taint| wanted.iter().any(|(k, e)| t.key == *k && t.effect == *e);
    let kept: Vec<Taint> =
        node.taints.iter().filter(|t| !ours(t) || is_wanted(t)).cloned().collect();
    let missing =
        wanted.iter().filter(|(k, e)| !kept.iter().any(|t| t.key == *k && t.effect == *e));
    let added = missing.map(|(key, effect)| Taint {
        key: (*key).into(),
        value: Str::default(),
        effect: *effect,
        added: Some(now.trunc_secs()),
    });
    let all: Vec<Taint> = kept.iter().cloned().chain(added).collect();
    if all[..] == node.taints[..] {
        return None;
    }
    Some(Node { taints: all.into(), ..node.clone() })
}

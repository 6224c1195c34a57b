//! Pods that a `NoExecute` taint drives away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    ConditionStatus, Key, Kind, Node, Object, Pod, PodCondition, Taint, TaintEffect, Toleration,
    Uid, conditions,
};
use crate::store::{DeleteOptions, Delta, Reply, Request};
use crate::trace::EventType;

/// The controller.
#[derive(Debug, Default)]
pub struct TaintEvictionController {
    /// Since when a pod has been on a node with taints that it only tolerates for a while.
    since: BTreeMap<Uid, SimTime>,
}

/// What is asked first: the condition, then the deletion.
#[derive(Debug)]
pub enum Work {
    /// The pod was told why it goes.
    Told(Arc<Pod>),
    /// It was deleted.
    Deleted,
}

impl Controller for TaintEvictionController {
    type Key = Key;
    type Work = Work;

    const NAME: &'static str = "taint-eviction-controller";
    const WORKERS: usize = 8;

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (delta.old, delta.new) {
            (old, Object::Pod(pod)) => {
                let was = matches!(old, Some(Object::Pod(old)) if old.node.is_some());
                if pod.node.is_some() && !was {
                    queue.add(pod.meta.key(), delta.fact);
                }
                if delta.change == crate::trace::Change::Deleted {
                    self.since.remove(&pod.meta.uid);
                }
            }
            (old, Object::Node(node)) => {
                let before = match old {
                    Some(Object::Node(old)) => executing(&old.taints),
                    _ => Vec::new(),
                };
                if before != executing(&node.taints) {
                    for pod in view.pods_on(&node.meta.name) {
                        queue.add(pod.meta.key(), delta.fact);
                    }
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(pod) = cx.view.typed::<Pod>(Kind::Pod, key).map(Arc::clone) else {
            return Step::done();
        };
        if pod.meta.is_terminating() || pod.status.phase.is_terminal() {
            return Step::done();
        }
        let node = pod.node.as_ref().map(|n| Key::new("", n.clone()));
        let node = node.and_then(|key| cx.view.typed::<Node>(Kind::Node, &key));
        let taints = node.map(|n| executing(&n.taints)).unwrap_or_default();
        match stays(&pod.spec.tolerations, &taints) {
            Stay::ForEver => {
                if self.since.remove(&pod.meta.uid).is_some() {
                    let text = format!("Cancelling deletion of Pod {}", pod.meta.key());
                    let object = Object::Pod(pod);
                    cx.event(&object, EventType::Normal, "TaintManagerEviction", text);
                }
                Step::done()
            }
            Stay::For(length) => {
                let since = *self.since.entry(pod.meta.uid).or_insert(cx.now);
                if cx.now < since + length {
                    return Step::again_at(since + length);
                }
                evict(pod, cx)
            }
        }
    }

    fn resume(
        &mut self,
        _key: &Key,
        work: Work,
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        if replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404)) {
            return Step::failed();
        }
        match work {
            Work::Told(pod) => {
                let target = Object::Pod(Arc::clone(&pod)).reference();
                let options = DeleteOptions::of(pod.meta.uid);
                Step::ask(Request::Delete { target, options }, Work::Deleted)
            }
            Work::Deleted => Step::done(),
        }
    }
}

/// How long a pod stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    ForEver,
    For(Duration),
}

/// How long tolerations let a pod stay beside taints (`getMinTolerationTime`): not at all when one is not
/// tolerated, else as long as the shortest toleration that is used.
fn stays(tolerations: &[Toleration], taints: &[&Taint]) -> Stay {
    let mut shortest: Option<Duration> = None;
    for taint in taints {
        let used: Vec<&Toleration> = tolerations.iter().filter(|t| t.tolerates(taint)).collect();
        if used.is_empty() {
            return Stay::For(Duration::ZERO);
        }
        for seconds in used.iter().filter_map(|t| t.seconds) {
            let length = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            shortest = Some(shortest.map_or(length, |s| s.min(length)));
        }
    }
    shortest.map_or(Stay::ForEver, Stay::For)
}

fn executing(taints: &[Taint]) -> Vec<&Taint> {
    taints.iter().filter(|t| t.effect == TaintEffect::NoExecute).collect()
}

fn evict(pod: Arc<Pod>, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
    let object = Object::Pod(Arc::clone(&pod));
    let text = format!("Marking for deletion Pod {}", pod.meta.key());
    cx.event(&object, EventType::Normal, "TaintManagerEviction", text);
    let condition = PodCondition {
        kind: conditions::DISRUPTION_TARGET.into(),
        status: ConditionStatus::True,
        reason: "DeletionByTaintManager".into(),
        message: Str::new_static("Taint manager: deleting due to NoExecute taint"),
        since: cx.now,
        observed_generation: pod.meta.generation,
    };
    let request = Request::PodConditions {
        pod: pod.meta.key(),
        uid: pod.meta.uid,
        conditions: vec![condition],
        nominated_node: None,
    };
    Step::ask(request, Work::Told(pod))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TolerationOperator;

    #[test]
    fn the_shortest_used_toleration_counts() {
        let taint = Taint {
            key: "k".into(),
            value: Str::default(),
            effect: TaintEffect::NoExecute,
            added: None,
        };
        let tolerates = |seconds| Toleration {
            key: "k".into(),
            operator: TolerationOperator::Exists,
            value: Str::default(),
            effect: None,
            seconds,
        };
        let secs = |n| Stay::For(Duration::from_secs(n));
        assert_eq!(stays(&[], &[&taint]), secs(0));
        assert_eq!(stays(&[tolerates(None)], &[&taint]), Stay::ForEver);
        assert_eq!(stays(&[tolerates(Some(30)), tolerates(Some(10))], &[&taint]), secs(10));
        assert_eq!(stays(&[tolerates(Some(-1))], &[&taint]), secs(0));
        assert_eq!(stays(&[], &[]), Stay::ForEver);
    }
}

//! Pods that a `NoExecute` taint drives away.
//!
//! A pod is first told why it goes; one that cannot be told is not deleted. Either is tried a few times
//! and then given up until the pod's or its node's next change (`deletePodHandler`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    ConditionStatus, Key, Kind, Node, Object, Pod, PodCondition, Taint, TaintEffect, Toleration,
    conditions,
};
use crate::store::{DeleteOptions, Delta, Reply, Request};
use crate::trace::{Change, EventType, Regarding};

/// How often a deletion is tried (`retries`).
const TRIES: u32 = 5;
/// How long it waits between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct TaintEvictionController {
    /// Deletions that are due later (`TimedWorkerQueue`).
    scheduled: BTreeMap<Key, Scheduled>,
    /// Deletions that were refused, and how often.
    refused: BTreeMap<Key, (Arc<Pod>, u32)>,
}

/// A deletion that is due later.
#[derive(Clone, Debug)]
struct Scheduled {
    pod: Regarding,
    at: SimTime,
}

/// What is asked first: the condition, then the deletion.
#[derive(Clone, Debug)]
pub enum Work {
    /// The pod was told why it goes, after so many tries that failed.
    Told(Arc<Pod>, u32),
    /// It was deleted.
    Deleted(Arc<Pod>, u32),
}

impl Controller for TaintEvictionController {
    type Key = Key;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Pod, Kind::Node]);
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
                let is_news = match old {
                    _ if delta.change == Change::Deleted => {
                        self.scheduled.contains_key(&pod.meta.key())
                    }
                    Some(Object::Pod(old)) => {
                        let tolerated = || old.spec.tolerations == pod.spec.tolerations;
                        old.node != pod.node || !Arc::ptr_eq(&old.spec, &pod.spec) && !tolerated()
                    }
                    _ => true,
                };
                if is_news && pod.node.is_some() {
                    queue.add(pod.meta.key(), delta.fact);
                }
            }
            // Deletions that are due stay so when their node goes.
            (_, Object::Node(_)) if delta.change == Change::Deleted => {}
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
        if let Some((pod, tries)) = self.refused.remove(key) {
            return tell(pod, tries, cx);
        }
        let pod = cx.view.typed::<Pod>(Kind::Pod, key).map(Arc::clone);
        let due = self.scheduled.get(key).map(|s| (s.at, s.pod.uid));
        let Some(pod) = pod.filter(|p| due.is_none_or(|(_, uid)| uid == p.meta.uid)) else {
            self.cancel(key, cx);
            return Step::done();
        };
        if due.is_some_and(|(at, _)| at <= cx.now) {
            self.scheduled.remove(key);
            return evict(pod, cx);
        }
        let node = pod.node.as_ref().map(|n| Key::new("", n.clone()));
        let Some(node) = node.and_then(|key| cx.view.typed::<Node>(Kind::Node, &key)) else {
            return due.map_or_else(Step::done, |(at, _)| Step::again_at(at));
        };
        let taints = executing(&node.taints);
        match stays(&pod.spec.tolerations, &taints) {
            Stay::ForEver => {
                self.cancel(key, cx);
                Step::done()
            }
            Stay::For(length) if length.is_zero() => {
                self.cancel(key, cx);
                evict(pod, cx)
            }
            // What is due already stays so, whatever the new taints and tolerations allow.
            Stay::For(length) => {
                let scheduled = self.scheduled.entry(key.clone()).or_insert_with(|| Scheduled {
                    pod: Regarding::object(&Object::Pod(pod)),
                    at: cx.now + length,
                });
                Step::again_at(scheduled.at)
            }
        }
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let refused = replies.iter().any(Result::is_err);
        match work {
            Work::Told(pod, tries) | Work::Deleted(pod, tries) if refused => {
                let is_there = cx.view.by_uid(pod.meta.uid).is_some();
                if !is_there || tries + 1 == TRIES {
                    return Step::done();
                }
                self.refused.insert(key.clone(), (pod, tries + 1));
                Step::again_at(cx.now + PAUSE)
            }
            Work::Told(pod, tries) => {
                let target = Object::Pod(Arc::clone(&pod)).reference();
                let options = DeleteOptions::of(pod.meta.uid);
                Step::ask(Request::Delete { target, options }, Work::Deleted(pod, tries))
            }
            Work::Deleted(..) => Step::done(),
        }
    }
}

impl TaintEvictionController {
    /// Takes back a deletion that is due later (`cancelWorkWithEvent`).
    fn cancel(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) {
        if let Some(scheduled) = self.scheduled.remove(key) {
            let text = format!("Cancelling deletion of Pod {key}");
            cx.event_on(scheduled.pod, EventType::Normal, "TaintManagerEviction", text);
        }
    }
}

/// How long a pod stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    ForEver,
    For(Duration),
}

/// The first toleration for each taint; `None` when one is not tolerated (`GetMatchingTolerations`).
pub(super) fn used_tolerations<'a>(
    tolerations: &'a [Toleration],
    taints: &[&Taint],
) -> Option<Vec<&'a Toleration>> {
    taints.iter().map(|taint| tolerations.iter().find(|t| t.tolerates(taint))).collect()
}

/// How long tolerations let a pod stay beside taints (`processPodOnNode`, `getMinTolerationTime`): not
/// at all when one is not tolerated, else as long as the shortest toleration that is used.
pub(super) fn stays(tolerations: &[Toleration], taints: &[&Taint]) -> Stay {
    let Some(used) = used_tolerations(tolerations, taints) else {
        return Stay::For(Duration::ZERO);
    };
    let seconds = used.iter().filter_map(|t| t.seconds).min();
    seconds.map_or(Stay::ForEver, |s| Stay::For(Duration::from_secs(u64::try_from(s).unwrap_or(0))))
}

fn executing(taints: &[Taint]) -> Vec<&Taint> {
    taints.iter().filter(|t| t.effect == TaintEffect::NoExecute).collect()
}

fn evict(pod: Arc<Pod>, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
    let object = Object::Pod(Arc::clone(&pod));
    let text = format!("Marking for deletion Pod {}", pod.meta.key());
    cx.event(&object, EventType::Normal, "TaintManagerEviction", text);
    tell(pod, 0, cx)
}

/// Begins a try (`addConditionAndDeletePod`).
fn tell(pod: Arc<Pod>, tries: u32, cx: &SyncCx<'_, '_>) -> Step<Work> {
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
    Step::ask(request, Work::Told(pod, tries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TolerationOperator;

    #[test]
    fn the_first_toleration_that_fits_a_taint_is_the_one_used() {
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
        assert_eq!(stays(&[tolerates(Some(30)), tolerates(Some(10))], &[&taint]), secs(30));
        assert_eq!(stays(&[tolerates(Some(-1))], &[&taint]), secs(0));
        assert_eq!(stays(&[], &[]), Stay::ForEver);
    }
}

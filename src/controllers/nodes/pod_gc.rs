//! Pods whose node is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::next_round;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{ConditionStatus, Key, Kind, Object, Phase, Pod, PodCondition, conditions};
use crate::store::{DeleteOptions, Delta, Reply, Request};
use crate::trace::Change;

/// How often the controller looks (`gcCheckPeriod`).
const PERIOD: Duration = Duration::from_secs(20);
/// How long a node must be gone (`quarantineTime`).
const QUARANTINE: Duration = Duration::from_secs(40);

/// The controller.
#[derive(Debug, Default)]
pub struct PodGcController {
    /// Nodes that are gone, and when that was first seen.
    gone: BTreeMap<Str, SimTime>,
}

/// What was asked.
#[derive(Debug)]
pub enum Work {
    /// The pods were told that they have failed.
    Told(Vec<Arc<Pod>>),
    /// They were deleted.
    Deleted,
}

impl Controller for PodGcController {
    type Key = Str;
    type Work = Work;

    const NAME: &'static str = "pod-garbage-collector-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Str>,
    ) {
        match delta.new {
            Object::Node(node) if delta.change == Change::Deleted => {
                let seen = next_round(now, PERIOD);
                self.gone.insert(node.meta.name.clone(), seen);
                queue.add_at(seen + QUARANTINE, node.meta.name.clone(), delta.fact);
            }
            Object::Node(node) => {
                self.gone.remove(&node.meta.name);
            }
            Object::Pod(pod) if delta.change == Change::Added => {
                let Some(node) = &pod.node else { return };
                if view.get(Kind::Node, &Key::new("", node.clone())).is_none() {
                    let seen = *self.gone.entry(node.clone()).or_insert(next_round(now, PERIOD));
                    queue.add_at((seen + QUARANTINE).max(now), node.clone(), delta.fact);
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Str, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        if cx.view.get(Kind::Node, &Key::new("", key.clone())).is_some() {
            return Step::done();
        }
        let pods: Vec<Arc<Pod>> = cx.view.pods_on(key).map(Arc::clone).collect();
        let mut requests = Vec::new();
        for pod in pods.iter().filter(|p| !p.status.phase.is_terminal()) {
            let mut status = pod.status.clone();
            status.phase = Phase::Failed;
            status.conditions = status.with_condition(PodCondition {
                kind: conditions::DISRUPTION_TARGET.into(),
                status: ConditionStatus::True,
                reason: "DeletionByPodGC".into(),
                message: Str::new_static("PodGC: node no longer exists"),
                since: cx.now,
                observed_generation: pod.meta.generation,
            });
            let (pod, uid) = (pod.meta.key(), pod.meta.uid);
            requests.push(Request::PodStatus { pod, uid, status: Box::new(status) });
        }
        Step::Ask { requests, then: Work::Told(pods) }
    }

    fn resume(
        &mut self,
        _key: &Str,
        work: Work,
        _replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work {
            Work::Told(pods) => {
                let requests = pods
                    .iter()
                    .map(|pod| Request::Delete {
                        target: Object::Pod(Arc::clone(pod)).reference(),
                        options: DeleteOptions {
                            grace: Some(Duration::ZERO),
                            ..DeleteOptions::of(pod.meta.uid)
                        },
                    })
                    .collect();
                Step::Ask { requests, then: Work::Deleted }
            }
            Work::Deleted => Step::done(),
        }
    }
}

//! Preemption carried out: victims are marked and deleted in the background.
//!
//! Follows `pkg/scheduler/framework/preemption/executor.go` with the feature gate
//! SchedulerAsyncPreemption on. All victims but the last go at once, the last when they are gone; until
//! its deletion has begun the preemptor is held back.

use std::sync::Arc;

use smol_str::format_smolstr;

use super::{Pending, Scheduler, event};
use crate::base::{Map, Str};
use crate::engine::Cx;
use crate::model::{ConditionStatus, Kind, PodCondition, Ref, Uid, conditions};
use crate::scheduler::pod::{PREEMPTION_BY_SCHEDULER, PodInfo};
use crate::scheduler::queue::Queued;
use crate::store::{ApiError, DeleteOptions, ErrorReason, Reply, Request};
use crate::trace::{EventType, FactId};

/// Preemptions under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Preemptions {
    by_preemptor: Map<Uid, Preemption>,
    /// The last victim of a preemption, with its preemptor.
    last_victims: Map<Uid, Uid>,
}

#[derive(Clone, Debug)]
struct Preemption {
    node: Str,
    by: Str,
    cause: FactId,
    /// The victims whose deletion is not done, the last one not among them.
    outstanding: usize,
    last: Option<Arc<PodInfo>>,
    failed: bool,
}

/// What a reply says of a victim.
#[derive(Clone, Debug)]
pub(super) struct Step {
    preemptor: Uid,
    victim: Arc<PodInfo>,
    /// Whether its deletion was asked for; else its condition was.
    deletion: bool,
}

impl Scheduler {
    /// Begins to make room on a node.
    pub(super) fn preempt(
        &mut self,
        queued: &Queued,
        node: &Str,
        victims: &[Arc<PodInfo>],
        cx: &mut Cx<'_>,
    ) {
        // The deletion of victims that are going already was asked for before.
        let mut going: Vec<Arc<PodInfo>> =
            victims.iter().filter(|v| !v.is_terminating()).cloned().collect();
        let Some(last) = going.pop() else { return };
        let preemptor = queued.info.uid();
        self.feed.queue.preempting(preemptor);
        self.withdraw_lower(&queued.info, node, queued.cause, cx);
        let preemption = Preemption {
            node: node.clone(),
            by: queued.info.template.scheduler_name.clone(),
            cause: queued.cause,
            outstanding: going.len(),
            last: Some(last),
            failed: false,
        };
        self.preemptions.by_preemptor.insert(preemptor, preemption);
        for victim in going {
            self.mark(preemptor, victim, cx);
        }
        self.go_on(preemptor, cx);
    }

    /// A victim is going, or is gone: if it is the last one, its preemptor is held back no more.
    pub(super) fn victim_goes(&mut self, victim: Uid) {
        if let Some(preemptor) = self.preemptions.last_victims.remove(&victim) {
            self.feed.queue.preempted(preemptor);
        }
    }

    /// The API server has answered about a victim.
    pub(super) fn evicted(&mut self, step: Step, reply: &Reply, cx: &mut Cx<'_>) {
        let Step { preemptor, victim, deletion } = step;
        let Some(preemption) = self.preemptions.by_preemptor.get_mut(&preemptor) else { return };
        match reply {
            Ok(_) if !deletion => {
                self.delete(preemptor, victim, cx);
                return;
            }
            Ok(_) => {
                let text =
                    format_smolstr!("Preempted by pod {preemptor} on node {}", preemption.node);
                let by = preemption.by.clone();
                let record = event(&victim, &by, EventType::Normal, "Preempted", text);
                cx.event(preemption.cause, record);
            }
            Err(error) => preemption.failed |= !is_gone(error),
        }
        preemption.outstanding = preemption.outstanding.saturating_sub(1);
        self.go_on(preemptor, cx);
    }

    /// Takes on the last victim when the others are done, and ends when it is done as well.
    fn go_on(&mut self, preemptor: Uid, cx: &mut Cx<'_>) {
        let Some(preemption) = self.preemptions.by_preemptor.get_mut(&preemptor) else { return };
        if preemption.outstanding > 0 {
            return;
        }
        let last = preemption.last.take().filter(|_| !preemption.failed);
        if let Some(last) = last {
            preemption.outstanding = 1;
            self.preemptions.last_victims.insert(last.uid(), preemptor);
            self.mark(preemptor, last, cx);
            return;
        }
        let failed = preemption.failed;
        self.preemptions.by_preemptor.remove(&preemptor);
        self.preemptions.last_victims.retain(|_, p| *p != preemptor);
        self.feed.queue.preempted(preemptor);
        if failed {
            // Nothing may change that would bring the preemptor back.
            self.feed.queue.activate(preemptor);
        }
    }

    fn mark(&mut self, preemptor: Uid, victim: Arc<PodInfo>, cx: &mut Cx<'_>) {
        let Some(preemption) = self.preemptions.by_preemptor.get(&preemptor) else { return };
        let (cause, by) = (preemption.cause, &preemption.by);
        let condition = PodCondition {
            kind: Str::new_static(conditions::DISRUPTION_TARGET),
            status: ConditionStatus::True,
            reason: Str::new_static(PREEMPTION_BY_SCHEDULER),
            message: format_smolstr!("{by}: preempting to accommodate a higher priority pod"),
            since: cx.now,
            observed_generation: 0,
        };
        let request = Request::PodConditions {
            pod: victim.pod.meta.key(),
            uid: victim.uid(),
            conditions: vec![condition],
            nominated_node: None,
        };
        let token = self.token();
        self.calls.insert(token, Pending::Evict(Step { preemptor, victim, deletion: false }));
        cx.send(token, cause, request);
    }

    fn delete(&mut self, preemptor: Uid, victim: Arc<PodInfo>, cx: &mut Cx<'_>) {
        let cause = self.preemptions.by_preemptor.get(&preemptor).map_or(FactId::NONE, |p| p.cause);
        let target = Ref { kind: Kind::Pod, key: victim.pod.meta.key() };
        let request = Request::Delete { target, options: DeleteOptions::of(victim.uid()) };
        let token = self.token();
        self.calls.insert(token, Pending::Evict(Step { preemptor, victim, deletion: true }));
        cx.send(token, cause, request);
    }

    /// Pods of lower priority that had the node set aside may no longer fit there
    /// (`getLowerPriorityNominatedPods`, `clearNominatedNodeName`).
    fn withdraw_lower(&mut self, pod: &PodInfo, node: &Str, cause: FactId, cx: &mut Cx<'_>) {
        let lower = |p: &&Arc<PodInfo>| p.priority() < pod.priority();
        let nominated = self.feed.cluster.nominator.on(node);
        let pods: Vec<Arc<PodInfo>> = nominated.iter().filter(lower).cloned().collect();
        for p in pods {
            self.patch(&p, None, Some(Str::default()), cause, cx);
        }
    }
}

fn is_gone(error: &ApiError) -> bool {
    error.reason == ErrorReason::NotFound
}

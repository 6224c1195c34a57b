//! A pod as the scheduler holds it.

use std::sync::Arc;

use super::compile::Template;
use super::requests::{Reported, Usage, usage_of};
use super::volumes::{ClaimRef, claims_of};
use crate::base::Str;
use crate::model::{ConditionStatus, Labels, Pod, Uid, conditions};

/// A pod with its compiled template.
#[derive(Clone, Debug)]
pub struct PodInfo {
    /// The pod as last heard of.
    pub pod: Arc<Pod>,
    /// What it shares with its like.
    pub template: Arc<Template>,
    /// What it takes from its node, where an in-place resize makes that differ from its template.
    pub resized: Option<Arc<Usage>>,
}

impl PodInfo {
    /// A pod of that template.
    pub fn new(pod: Arc<Pod>, template: Arc<Template>) -> Self {
        let counted = pod.counted_spec();
        let resized = counted.map(|spec| Arc::new(usage_of(&spec, &Reported::default())));
        Self { pod, template, resized }
    }

    /// Its uid.
    pub fn uid(&self) -> Uid {
        self.pod.meta.uid
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Str {
        &self.pod.meta.namespace
    }

    /// Its name.
    pub fn name(&self) -> &Str {
        &self.pod.meta.name
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        &self.pod.meta.labels
    }

    /// Its priority.
    pub fn priority(&self) -> i32 {
        self.template.priority
    }

    /// What it takes from its node.
    pub fn usage(&self) -> &Usage {
        self.resized.as_deref().unwrap_or(&self.template.requests.usage)
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.pod.meta.is_terminating()
    }

    /// Whether it is being deleted because the scheduler preempted it
    /// (`pkg/scheduler/framework/plugins/defaultpreemption`, `podTerminatingByPreemption`).
    pub fn is_preempted(&self) -> bool {
        let target = || self.pod.status.condition(conditions::DISRUPTION_TARGET);
        self.is_terminating()
            && target().is_some_and(|c| {
                c.status == ConditionStatus::True && c.reason == PREEMPTION_BY_SCHEDULER
            })
    }

    /// The node its status nominates; empty where none is.
    pub fn nominated(&self) -> &Str {
        &self.pod.status.nominated_node
    }

    /// The claims it uses.
    pub fn claims(&self) -> impl Iterator<Item = ClaimRef> + '_ {
        claims_of(&self.pod, &self.template.volumes)
    }

    /// The claims it names itself, without those that are made for it.
    pub fn named_claims(&self) -> impl Iterator<Item = Str> + '_ {
        self.claims().filter(|c| !c.ephemeral).map(|c| c.claim)
    }

    /// Whether it uses any claim or disk that could matter to scheduling.
    pub fn has_volumes(&self) -> bool {
        !self.template.volumes.is_empty()
            || self.pod.identity.as_ref().is_some_and(|i| !i.claims.is_empty())
    }
}

/// The reason of the condition DisruptionTarget on a preempted pod
/// (`v1.PodReasonPreemptionByScheduler`).
pub const PREEMPTION_BY_SCHEDULER: &str = "PreemptionByScheduler";

//! What one scheduling cycle knows: the typed counterpart of upstream's `CycleState` map.

use smallvec::SmallVec;

use super::plugins::{
    PluginId, PluginSet, allocation_scores, inter_pod_affinity, pod_topology_spread,
    volume_binding, volume_restrictions, volume_zone,
};
use super::verdicts::Verdicts;
use crate::base::Str;

/// What plugins have worked out for the pod of this cycle. Reused from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub struct CycleState {
    /// Plugins that have nothing to filter for this pod.
    pub skip_filter: PluginSet,
    /// Plugins that have nothing to score for this pod.
    pub skip_score: PluginSet,
    /// What is known of nodes for pods that found none.
    pub verdicts: Verdicts,
    /// What NodeResourcesFit has scored.
    pub fit_scores: allocation_scores::Remembered,
    /// What NodeResourcesBalancedAllocation has scored.
    pub balanced_scores: allocation_scores::Remembered,
    /// Claims that only one pod may use.
    pub restrictions: volume_restrictions::Filtering,
    /// The claims, bound and to be bound.
    pub binding: volume_binding::Filtering,
    /// Where the bound volumes can be reached from.
    pub places: Vec<volume_zone::Place>,
    /// Hard spread constraints and their counts.
    pub spread: pod_topology_spread::Filtering,
    /// Soft spread constraints and their counts.
    pub spread_score: pod_topology_spread::Scoring,
    /// Required pod affinity and its counts.
    pub affinity: inter_pod_affinity::Filtering,
    /// Preferred pod affinity and its sums.
    pub affinity_score: inter_pod_affinity::Scoring,
}

/// What [`CycleState::restore`] needs to undo changes that do not undo themselves.
#[derive(Clone, Debug)]
pub struct Mark(Vec<pod_topology_spread::CriticalPaths>);

impl CycleState {
    /// Remembers what adding a pod again would not bring back after taking it away.
    pub fn mark(&self) -> Mark {
        Mark(self.spread.least())
    }

    /// Brings it back. The counts themselves must have been brought back before.
    pub fn restore(&mut self, mark: Mark) {
        self.spread.set_least(mark.0);
    }
}

/// Whether taking pods away could help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// It could.
    Unschedulable,
    /// It could not.
    UnschedulableAndUnresolvable,
    /// The plugin failed.
    Error,
}

impl Code {
    /// As upstream writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unschedulable => "Unschedulable",
            Self::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
            Self::Error => "Error",
        }
    }
}

/// A plugin's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How final it is.
    pub code: Code,
    /// Why: all that apply.
    pub reasons: SmallVec<[Str; 2]>,
}

impl Refusal {
    /// A refusal that preemption might lift.
    pub fn unschedulable(reason: &'static str) -> Self {
        Self { code: Code::Unschedulable, reasons: SmallVec::from_elem(Str::new_static(reason), 1) }
    }

    /// A refusal that stays whatever pods are taken away.
    pub fn unresolvable(reason: impl Into<Str>) -> Self {
        let reasons = SmallVec::from_elem(reason.into(), 1);
        Self { code: Code::UnschedulableAndUnresolvable, reasons }
    }
}

/// A refusal with the plugin that spoke it; `None` for the scheduler itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Who.
    pub plugin: Option<PluginId>,
    /// What.
    pub refusal: Refusal,
}

//! Taints that pods must or should tolerate.
//!
//! Follows `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go`.

use super::{Plugin, PluginId, View, Window, normalise_by_max};
use crate::base::Str;
use crate::model::{Node, Taint, TaintEffect, Toleration};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};

/// The plugin.
pub struct TaintToleration;

const REASON: &str = "node(s) had untolerated taint(s)";

impl Plugin for TaintToleration {
    fn id(&self) -> PluginId {
        PluginId::TaintToleration
    }

    fn is_local(&self) -> bool {
        true
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        if tolerates_all(&view.pod.template.tolerations, node) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Str::new_static(REASON)))
    }

    fn filter_window(&self, view: &View<'_>, _: &CycleState, window: Window<'_>, mask: u64) -> u64 {
        if !view.snapshot.has_hard_taints() {
            return mask;
        }
        window.retain(mask, |slot| {
            tolerates_all(&view.pod.template.tolerations, view.snapshot.node(slot))
        })
    }

    fn score(&self, view: &View<'_>, _: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        if !view.snapshot.has_soft_taints() {
            scores.fill(0);
            return;
        }
        for (slot, score) in feasible.iter().zip(scores) {
            *score = soft_taints(&view.pod.template.tolerations, view.snapshot.node(*slot));
        }
    }

    fn interests(&self) -> &'static [Interest] {
        const NODE: Action = Action::ADD.or(Action::NODE_TAINT);
        &[(Resource::Node, NODE), (Resource::Pod, Action::POD_TOLERATION)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        if let Some((_, Some(new))) = news.pods() {
            return new.uid() == pod.uid();
        }
        let Some((old, Some(new))) = news.nodes() else { return true };
        let tolerated = |n: &Node| tolerates_each(&pod.template.tolerations, &n.taints);
        tolerated(new) && !old.is_some_and(|old| tolerated(old))
    }

    fn normalise(&self, _: &CycleState, _: &[u32], scores: &mut [i64]) {
        normalise_by_max(scores, true);
    }
}

/// Whether pods with these tolerations may go to a node with such taints
/// (`FindMatchingUntoleratedTaint` with `DoNotScheduleTaintsFilterFunc`).
pub fn tolerates_all(tolerations: &[Toleration], node: &NodeInfo) -> bool {
    !node.has_hard_taints || tolerates_each(tolerations, node.taints())
}

/// The same for taints by themselves.
pub fn tolerates_each(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    taints
        .iter()
        .filter(|t| t.effect != TaintEffect::PreferNoSchedule)
        .all(|taint| tolerations.iter().any(|t| t.tolerates(taint)))
}

/// How many taints of the node ask to be avoided and are not tolerated.
fn soft_taints(tolerations: &[Toleration], node: &NodeInfo) -> i64 {
    if !node.has_soft_taints {
        return 0;
    }
    let soft = |e: TaintEffect| e == TaintEffect::PreferNoSchedule;
    let counting = tolerations.iter().filter(|t| t.effect.is_none_or(soft));
    let untolerated = node
        .taints()
        .iter()
        .filter(|taint| soft(taint.effect) && !counting.clone().any(|t| t.tolerates(taint)));
    let count = untolerated.count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

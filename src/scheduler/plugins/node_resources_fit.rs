//! Whether the pod's requests fit, and how the node's use should look afterwards.
//!
//! Follows `pkg/scheduler/framework/plugins/noderesources/fit.go`, `least_allocated.go`,
//! `most_allocated.go`, `requested_to_capacity_ratio.go` and `resource_allocation.go`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{MAX_SCORE, Plugin, PluginId, Prep, View, Window};
use crate::base::Str;
use crate::model::{Node, Resources};
use crate::scheduler::config::{FitArgs, ResourceWeight, ShapePoint, Strategy};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource, Subject};
use crate::scheduler::node::{Load, NodeInfo};
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{Code, CycleState, Refusal};

/// The plugin.
pub struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn id(&self) -> PluginId {
        PluginId::NodeResourcesFit
    }

    fn is_local(&self) -> bool {
        true
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let asked = &view.pod.template.requests.usage.requested;
        fits(asked, node, &view.args.fit)
    }

    fn filter_window(&self, view: &View<'_>, _: &CycleState, window: Window<'_>, mask: u64) -> u64 {
        let asked = &view.pod.template.requests.usage.requested;
        if !asked.extended.is_empty() {
            let fit = &view.args.fit;
            return window.retain(mask, |slot| fits(asked, view.snapshot.node(slot), fit).is_ok());
        }
        // An amount that is not asked for fits even where more is taken than there is.
        let least = |n: i64| if n > 0 { n } else { i64::MIN };
        let (cpu, memory) = (least(asked.cpu_milli), least(asked.memory));
        let storage = least(asked.ephemeral_storage);
        window.retain(mask, |slot| {
            let l = &view.snapshot.node(slot).load;
            (l.pods < l.max_pods)
                & (cpu <= l.cpu.wrapping_sub(l.cpu_requested))
                & (memory <= l.memory.wrapping_sub(l.memory_requested))
                & (storage <= l.storage.wrapping_sub(l.storage_requested))
        })
    }

    fn interests(&self) -> &'static [Interest] {
        const POD: Action = Action::DELETE.or(Action::POD_SCALE_DOWN);
        const NODE: Action = Action::ADD.or(Action::NODE_ALLOCATABLE);
        &[(Resource::Pod, POD), (Resource::Node, NODE)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        match (news.pods(), news.nodes()) {
            (Some((Some(old), Some(new))), _) => {
                let placed = matches!(news.subject, Subject::AssignedPod(..));
                new.uid() == pod.uid() || placed && frees_what_is_asked(pod, old, new)
            }
            (_, Some((old, Some(new)))) => node_helps(pod, old, new),
            _ => true,
        }
    }

    fn pre_score(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
        feasible: &[u32],
    ) -> Result<bool, Str> {
        if prep.args.fit.is_default() {
            let asked = &prep.pod.template.requests.with_defaults;
            let (cpu, memory) = (asked.cpu_milli, asked.memory);
            let score = |node: &NodeInfo| least_allocated(&node.load, cpu, memory);
            state.fit_scores.prepare((cpu, memory), prep.snapshot, feasible, score);
        }
        Ok(true)
    }

    fn score(&self, view: &View<'_>, state: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        let asked = &view.pod.template.requests.with_defaults;
        let fit = &view.args.fit;
        if fit.is_default() {
            scores.copy_from_slice(state.fit_scores.current());
            return;
        }
        let nodes = feasible.iter().map(|slot| view.snapshot.node(*slot));
        for (node, score) in nodes.zip(scores) {
            *score = weighted(fit, asked, node);
        }
    }
}

/// Whether requests fit on a node beside its pods (`fitsRequest`).
///
/// # Errors
/// All that is short.
pub fn fits(asked: &Resources, node: &NodeInfo, args: &FitArgs) -> Result<(), Refusal> {
    let l = &node.load;
    let mut reasons = SmallVec::<[Str; 2]>::new();
    let mut beyond = false;
    if l.pods + 1 > l.max_pods {
        reasons.push(Str::new_static("Too many pods"));
    }
    for (name, want, have, taken) in [
        ("Insufficient cpu", asked.cpu_milli, l.cpu, l.cpu_requested),
        ("Insufficient memory", asked.memory, l.memory, l.memory_requested),
        ("Insufficient ephemeral-storage", asked.ephemeral_storage, l.storage, l.storage_requested),
    ] {
        if want > 0 && want > have.wrapping_sub(taken) {
            reasons.push(Str::new_static(name));
            beyond |= want > have;
        }
    }
    for (name, want) in asked.extended.iter().filter(|(n, w)| **w != 0 && !args.ignores(n)) {
        let of = |amounts: &std::collections::BTreeMap<Str, i64>| {
            amounts.get(name).copied().unwrap_or(0)
        };
        let have = of(&node.extended);
        if *want > have.wrapping_sub(of(&node.extended_requested)) {
            reasons.push(smol_str::format_smolstr!("Insufficient {name}"));
            beyond |= *want > have;
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let code = if beyond { Code::UnschedulableAndUnresolvable } else { Code::Unschedulable };
    Err(Refusal { code, reasons })
}

/// Whether a node could take a pod now, and could not before (`isSchedulableAfterNodeChange`).
fn node_helps(pod: &PodInfo, old: Option<&Arc<Node>>, new: &Arc<Node>) -> bool {
    let asked = &pod.template.requests.usage.requested;
    let empty = |node: &Arc<Node>| {
        let mut info = NodeInfo::new(0, node.meta.name.clone());
        info.set_node(Some(node.clone()));
        info
    };
    let new = empty(new);
    fits(asked, &new, &FitArgs::default()).is_ok()
        && old.is_none_or(|old| offers_more(asked, &empty(old), &new))
}

/// Whether a pod that asks for less now frees something that `pod` asks for
/// (`isSchedulableAfterPodScaleDown`).
fn frees_what_is_asked(pod: &PodInfo, old: &PodInfo, new: &PodInfo) -> bool {
    let asked = &pod.usage().requested;
    let (before, after) = (&old.usage().requested, &new.usage().requested);
    let less = |name: &Str| {
        let of = |r: &Resources| r.extended.get(name).copied().unwrap_or(0);
        of(before) > of(after)
    };
    (asked.cpu_milli != 0 && before.cpu_milli > after.cpu_milli)
        || (asked.memory != 0 && before.memory > after.memory)
        || (asked.ephemeral_storage != 0 && before.ephemeral_storage > after.ephemeral_storage)
        || asked.extended.iter().any(|(name, want)| *want != 0 && less(name))
}

/// Whether a node offers more than before of something that is asked for
/// (`haveAnyRequestedResourcesIncreased`).
fn offers_more(asked: &Resources, old: &NodeInfo, new: &NodeInfo) -> bool {
    let (a, b) = (&old.load, &new.load);
    let more = |name: &Str| {
        let of = |n: &NodeInfo| n.extended.get(name).copied().unwrap_or(0);
        of(new) > of(old)
    };
    b.max_pods > a.max_pods
        || (asked.cpu_milli > 0 && b.cpu > a.cpu)
        || (asked.memory > 0 && b.memory > a.memory)
        || (asked.ephemeral_storage > 0 && b.storage > a.storage)
        || asked.extended.iter().any(|(name, want)| *want != 0 && more(name))
}

/// The default strategy: CPU and memory, weight 1 each, more left is better.
#[inline]
fn least_allocated(load: &Load, cpu: i64, memory: i64) -> i64 {
    let (mut sum, mut count) = (0, 0);
    for (have, used) in [
        (load.cpu, load.cpu_nonzero.wrapping_add(cpu)),
        (load.memory, load.memory_nonzero.wrapping_add(memory)),
    ] {
        if have != 0 {
            sum += least_requested(used, have);
            count += 1;
        }
    }
    if count == 0 { 0 } else { sum / count }
}

fn least_requested(used: i64, have: i64) -> i64 {
    if used > have { 0 } else { scaled(have.wrapping_sub(used), have) }
}

/// `part * 100 / whole`; beyond 64 bits it wraps, as upstream's does.
fn scaled(part: i64, whole: i64) -> i64 {
    part.wrapping_mul(MAX_SCORE).wrapping_div(whole)
}

/// Any configured strategy.
fn weighted(args: &FitArgs, asked: &Resources, node: &NodeInfo) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for r in &args.resources {
        let (have, used) = allocation(r, asked, node);
        if have == 0 {
            continue;
        }
        let score = match &args.strategy {
            Strategy::LeastAllocated => least_requested(used, have),
            Strategy::MostAllocated => scaled(used.min(have), have),
            Strategy::RequestedToCapacityRatio(shape) => {
                let share = if used > have { MAX_SCORE } else { scaled(used, have) };
                on_line(shape, share)
            }
        };
        // A ratio of nothing does not count at all.
        if matches!(args.strategy, Strategy::RequestedToCapacityRatio(_)) && score <= 0 {
            continue;
        }
        sum += score * r.weight;
        weights += r.weight;
    }
    match (weights, &args.strategy) {
        (0, _) => 0,
        (_, Strategy::RequestedToCapacityRatio(_)) => rounded_ratio(sum, weights),
        _ => sum / weights,
    }
}

/// `math.Round` of the quotient of two non-negative integers: halves go up.
fn rounded_ratio(sum: i64, weights: i64) -> i64 {
    (2 * sum + weights) / (2 * weights)
}

/// What the node offers of a resource, and what is used of it with the pod
/// (`calculateNodeAllocatableRequest`). Extended resources that the pod does not ask for do not count.
fn allocation(r: &ResourceWeight, asked: &Resources, node: &NodeInfo) -> (i64, i64) {
    let l = &node.load;
    match r.name.as_str() {
        "cpu" => (l.cpu, l.cpu_nonzero.wrapping_add(asked.cpu_milli)),
        "memory" => (l.memory, l.memory_nonzero.wrapping_add(asked.memory)),
        "ephemeral-storage" => {
            (l.storage, l.storage_requested.wrapping_add(asked.ephemeral_storage))
        }
        name => {
            let want = asked.extended.get(name).copied().unwrap_or(0);
            if want == 0 {
                return (0, 0);
            }
            let taken = node.extended_requested.get(name).copied().unwrap_or(0);
            (node.extended.get(name).copied().unwrap_or(0), taken.wrapping_add(want))
        }
    }
}

/// As `pkg/scheduler/framework/plugins/helper/shape_score.go`, `BuildBrokenLinearFunction`.
fn on_line(shape: &[ShapePoint], share: i64) -> i64 {
    let Some(i) = shape.iter().position(|p| share <= p.utilization) else {
        return shape.last().map_or(0, |p| p.score);
    };
    let right = &shape[i];
    if i == 0 {
        return right.score;
    }
    let left = &shape[i - 1];
    left.score
        + (right.score - left.score) * (share - left.utilization)
            / (right.utilization - left.utilization)
}

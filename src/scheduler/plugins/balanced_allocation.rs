//! Nodes whose resources would be used evenly.
//!
//! Follows `pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go`. Upstream computes
//! the shares and their deviation in float64, and the truncated score depends on those bits; this file
//! does the same, in the same order, and lets no float out.

use super::{MAX_SCORE, Plugin, PluginId, Prep, View};
use crate::base::Str;
use crate::model::Resources;
use crate::scheduler::config::ResourceWeight;
use crate::scheduler::node::{Load, NodeInfo};
use crate::scheduler::state::CycleState;

/// The plugin.
pub struct BalancedAllocation;

impl Plugin for BalancedAllocation {
    fn id(&self) -> PluginId {
        PluginId::NodeResourcesBalancedAllocation
    }

    /// Pods that ask for none of the resources are not balanced: they would all go to one node.
    fn pre_score(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
        feasible: &[u32],
    ) -> Result<bool, Str> {
        let asked = &prep.pod.usage().requested;
        if !prep.args.balanced.iter().any(|r| amount(r, asked) != 0) {
            return Ok(false);
        }
        if is_default(&prep.args.balanced) {
            let (cpu, memory) = (asked.cpu_milli, asked.memory);
            let score = |node: &NodeInfo| of_two(&node.load, cpu, memory);
            state.balanced_scores.prepare((cpu, memory), prep.snapshot, feasible, score);
        }
        Ok(true)
    }

    fn score(&self, view: &View<'_>, state: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        let asked = &view.pod.usage().requested;
        let resources = &view.args.balanced;
        if is_default(resources) {
            scores.copy_from_slice(state.balanced_scores.current());
            return;
        }
        let nodes = feasible.iter().map(|slot| view.snapshot.node(*slot));
        for (node, score) in nodes.zip(scores) {
            *score = of_many(resources, asked, node);
        }
    }
}

/// Whether CPU and memory are balanced, as by default.
fn is_default(resources: &[ResourceWeight]) -> bool {
    matches!(resources, [a, b] if a.name == "cpu" && b.name == "memory")
}

/// From the values with and without the pod, both 50 to 100.
fn improvement(with: i64, without: i64) -> i64 {
    MAX_SCORE / 2 + (MAX_SCORE / 2 + with - without) / 2
}

#[inline]
fn of_two(load: &Load, cpu: i64, memory: i64) -> i64 {
    let (c, m) = (load.cpu_requested, load.memory_requested);
    if load.cpu == 0 || load.memory == 0 {
        return improvement(MAX_SCORE, MAX_SCORE);
    }
    let evenness =
        |c: i64, m: i64| value(((share(c, load.cpu) - share(m, load.memory)) / 2.0).abs());
    improvement(evenness(c.wrapping_add(cpu), m.wrapping_add(memory)), evenness(c, m))
}

fn of_many(resources: &[ResourceWeight], asked: &Resources, node: &NodeInfo) -> i64 {
    let mut with = Vec::with_capacity(resources.len());
    let mut without = Vec::with_capacity(resources.len());
    for r in resources {
        let want = amount(r, asked);
        let (have, taken) = match r.name.as_str() {
            "cpu" => (node.load.cpu, node.load.cpu_requested),
            "memory" => (node.load.memory, node.load.memory_requested),
            "ephemeral-storage" => (node.load.storage, node.load.storage_requested),
            _ if want == 0 => continue,
            name => (
                node.extended.get(name).copied().unwrap_or(0),
                node.extended_requested.get(name).copied().unwrap_or(0),
            ),
        };
        if have != 0 {
            with.push(share(taken.wrapping_add(want), have));
            without.push(share(taken, have));
        }
    }
    improvement(value(deviation(&with)), value(deviation(&without)))
}

fn amount(r: &ResourceWeight, asked: &Resources) -> i64 {
    match r.name.as_str() {
        "cpu" => asked.cpu_milli,
        "memory" => asked.memory,
        "ephemeral-storage" => asked.ephemeral_storage,
        name => asked.extended.get(name).copied().unwrap_or(0),
    }
}

fn share(used: i64, have: i64) -> f64 {
    let share = used as f64 / have as f64;
    if share > 1.0 { 1.0 } else { share }
}

fn deviation(shares: &[f64]) -> f64 {
    match shares {
        [] | [_] => 0.0,
        [a, b] => ((a - b) / 2.0).abs(),
        many => {
            let count = many.len() as f64;
            let mean = many.iter().fold(0.0, |sum, s| sum + s) / count;
            let squares = many.iter().fold(0.0, |sum, s| sum + (s - mean) * (s - mean));
            (squares / count).sqrt()
        }
    }
}

fn value(deviation: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "truncated as upstream does; 0 to 100")]
    let value = ((1.0 - deviation) * MAX_SCORE as f64) as i64;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_node_that_stays_even_is_in_the_middle() {
        let load = Load { cpu: 1000, memory: 1000, ..Load::default() };
        assert_eq!(of_two(&load, 100, 100), 75);
        assert_eq!(of_two(&load, 500, 0), 62);
        let uneven = Load { cpu_requested: 500, ..load };
        assert_eq!(of_two(&uneven, 0, 500), 87);
    }
}

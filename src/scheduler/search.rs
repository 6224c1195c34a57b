//! The search of a cycle: which nodes could take a pod, and why the others could not.
//!
//! Follows `pkg/scheduler/schedule_one.go` (`findNodesThatPassFilters`, `numFeasibleNodesToFind`) and
//! `pkg/scheduler/framework/runtime` (`RunFilterPluginsWithNominatedPods`).
//!
//! Nodes are filtered plugin by plugin over windows of 64, a bit for each node. Where a pod of the same
//! template has found no node before, what was found then is looked up instead ([`Known`]). What a
//! refused node was refused for is worked out only when somebody asks, that is when no node is left.

use std::sync::Arc;

use super::config::{Config, Profile};
use super::cycle::{Cluster, Record, Scratch};
use super::diagnosis::Diagnosis;
use super::node::{NodeInfo, Placed};
use super::nominator::Nominator;
use super::plugins::{PluginId, View, Window};
use super::pod::PodInfo;
use super::state::{CycleState, Status};
use super::verdicts::{self, Known};
use crate::model::Uid;

/// How many feasible nodes end the search (`numFeasibleNodesToFind`).
pub fn nodes_to_find(config: &Config, profile: &Profile, nodes: usize) -> usize {
    const LEAST: i64 = 100;
    let n = i64::try_from(nodes).unwrap_or(i64::MAX);
    if n < LEAST {
        return nodes;
    }
    let configured = profile.percentage_of_nodes_to_score;
    let percentage = match configured.unwrap_or(config.percentage_of_nodes_to_score) {
        0 => (50 - n / 125).max(5),
        p => i64::from(p),
    };
    usize::try_from((n * percentage / 100).max(LEAST)).unwrap_or(nodes)
}

/// Pods nominated to nodes that the cycle's pod must leave room for: those of at least its priority.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    nominator: &'a Nominator,
    priority: i32,
    but: Option<Uid>,
}

impl<'a> Beside<'a> {
    /// The pods beside which `pod` must fit: all others.
    pub fn of(cluster: &'a Cluster, pod: &PodInfo) -> Self {
        Self { but: Some(pod.uid()), ..Self::of_any(cluster, pod.priority()) }
    }

    /// The pods beside which any pod of a priority must fit that is not nominated itself.
    pub fn of_any(cluster: &'a Cluster, priority: i32) -> Self {
        Self { nominator: &cluster.nominator, priority, but: None }
    }

    /// Whether there are none at all.
    fn is_empty(self) -> bool {
        self.nominator.is_empty()
    }

    /// The pods beside which it must fit on one node.
    fn on(self, node: &NodeInfo) -> impl Iterator<Item = &'a Arc<PodInfo>> + Clone {
        let pods = self.nominator.on(&node.name);
        pods.iter().filter(move |p| Some(p.uid()) != self.but && p.priority() >= self.priority)
    }
}

/// Runs the filters on one node, first with the pods nominated to it and then without them
/// (`RunFilterPluginsWithNominatedPods`).
///
/// # Errors
/// The first refusal.
pub fn filter_node(
    view: &View<'_>,
    profile: &Profile,
    state: &mut CycleState,
    node: &NodeInfo,
    beside: Beside<'_>,
) -> Result<(), Status> {
    let pods = beside.on(node);
    if pods.clone().next().is_some() {
        let mark = state.mark();
        let mut fuller = node.clone();
        for pod in pods.clone() {
            fuller.add_pod(Placed::new(pod.clone(), None));
            adjust(view, profile, state, pod, node, 1);
        }
        let verdict = run_filters(view, profile, state, &fuller);
        for pod in pods {
            adjust(view, profile, state, pod, node, -1);
        }
        state.restore(mark);
        verdict?;
    }
    run_filters(view, profile, state, node)
}

/// Keeps the plugins' counts up while a pod comes to or leaves a node for the sake of argument.
pub fn adjust(
    view: &View<'_>,
    profile: &Profile,
    state: &mut CycleState,
    pod: &PodInfo,
    node: &NodeInfo,
    sign: i32,
) {
    for id in &profile.pre_filter {
        if !state.skip_filter.contains(*id) {
            id.plugin().adjust(view, state, pod, node, sign);
        }
    }
}

fn run_filters(
    view: &View<'_>,
    profile: &Profile,
    state: &CycleState,
    node: &NodeInfo,
) -> Result<(), Status> {
    for id in &profile.filter {
        if !state.skip_filter.contains(*id) {
            let verdict = id.plugin().filter(view, state, node);
            verdict.map_err(|refusal| Status { plugin: Some(*id), refusal })?;
        }
    }
    Ok(())
}

/// The search for feasible nodes.
pub struct Search<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The profile that serves the pod.
    pub profile: &'a Profile,
    /// The pod.
    pub pod: &'a PodInfo,
    /// What it must leave room for.
    pub beside: Beside<'a>,
    /// The nodes that PreFilter left, where not all.
    pub nodes: Option<&'a [u32]>,
}

/// The verdict on one node.
type Own = (u32, Option<Status>);

impl Search<'_> {
    /// Fills the feasible and the refused nodes of `scratch`. Where none is feasible, or a record is
    /// made, the diagnosis says why the others are not.
    pub fn run(
        &self,
        cluster: &Cluster,
        scratch: &mut Scratch,
        diagnosis: &mut Diagnosis,
        mut record: Option<&mut Record>,
    ) {
        let shared =
            self.nodes.is_none() && verdicts::are_shared(self.profile, &scratch.state, self.pod);
        let mut known = if shared { scratch.state.verdicts.take(cluster, self.pod) } else { None };
        let own = if shared { self.own(cluster, &mut scratch.state) } else { None };
        match known.as_mut().filter(|k| k.is_nearly_complete()) {
            Some(known) => {
                self.complete(cluster, &mut scratch.state, known);
                self.look_up(cluster, known, own.as_ref(), scratch, record.as_deref_mut());
            }
            None => self.ask(cluster, scratch, record.as_deref_mut()),
        }
        if scratch.feasible.is_empty() && shared {
            let known = known.get_or_insert_with(|| Known::nothing(cluster));
            self.complete(cluster, &mut scratch.state, known);
            diagnosis.statuses = known.statuses().clone();
            if let Some((slot, verdict)) = own {
                diagnosis.statuses.set(slot, verdict);
            }
            let kinds = diagnosis.statuses.kinds().iter().filter(|(_, nodes)| *nodes > 0);
            diagnosis.plugins.extend(kinds.filter_map(|(status, _)| status.plugin));
        } else if scratch.feasible.is_empty() || record.is_some() {
            self.explain(cluster, scratch, diagnosis);
        }
        if let Some(known) = known {
            scratch.state.verdicts.keep(self.pod, known);
        }
    }

    fn to_find(&self, nodes: usize) -> usize {
        nodes_to_find(self.config, self.profile, nodes)
    }

    /// Asks node after node until enough are found.
    fn ask(&self, cluster: &Cluster, scratch: &mut Scratch, record: Option<&mut Record>) {
        let view = View::new(cluster, &self.profile.args, self.pod);
        let nodes = self.nodes.unwrap_or_else(|| cluster.snapshot.order());
        let to_find = self.to_find(nodes.len());
        let filters: Vec<PluginId> = self
            .profile
            .filter
            .iter()
            .copied()
            .filter(|id| !scratch.state.skip_filter.contains(*id))
            .collect();
        let mut examined = 0;
        let mut slots = [0u32; 64];
        let mut place = if nodes.is_empty() { 0 } else { cluster.next_start % nodes.len() };
        'search: while examined < nodes.len() {
            let count = (nodes.len() - examined).min(64);
            for slot in slots.iter_mut().take(count) {
                *slot = nodes[place];
                place = if place + 1 == nodes.len() { 0 } else { place + 1 };
            }
            let window = Window { slots: &slots[..count] };
            let passed = self.filter_window(&view, &mut scratch.state, &filters, window);
            for (i, slot) in window.slots.iter().enumerate() {
                examined += 1;
                if passed & (1 << i) == 0 {
                    scratch.refused.push(*slot);
                } else if scratch.feasible.len() < to_find {
                    scratch.feasible.push(*slot);
                } else {
                    break 'search;
                }
            }
        }
        if let Some(r) = record {
            (r.to_find, r.examined) = (to_find, examined);
        }
    }

    /// The same from what is known.
    fn look_up(
        &self,
        cluster: &Cluster,
        known: &Known,
        own: Option<&Own>,
        scratch: &mut Scratch,
        record: Option<&mut Record>,
    ) {
        let nodes = cluster.snapshot.order();
        let to_find = self.to_find(nodes.len());
        let start = cluster.next_start % nodes.len();
        let mut examined = 0;
        for slot in nodes[start..].iter().chain(&nodes[..start]) {
            examined += 1;
            let passes = match own {
                Some((own, verdict)) if own == slot => verdict.is_none(),
                _ => known.statuses().kind(*slot).is_none(),
            };
            if !passes {
                scratch.refused.push(*slot);
            } else if scratch.feasible.len() < to_find {
                scratch.feasible.push(*slot);
            } else {
                break;
            }
        }
        if let Some(r) = record {
            (r.to_find, r.examined) = (to_find, examined);
        }
    }

    /// Judges the nodes that are not known.
    fn complete(&self, cluster: &Cluster, state: &mut CycleState, known: &mut Known) {
        let view = View::new(cluster, &self.profile.args, self.pod);
        let beside = Beside::of_any(cluster, self.pod.priority());
        known.complete(cluster, |node| filter_node(&view, self.profile, state, node, beside).err());
    }

    /// The verdict on the node that is set aside for the pod, beside all others that are.
    fn own(&self, cluster: &Cluster, state: &mut CycleState) -> Option<Own> {
        let name = cluster.nominator.node_of(self.pod.uid())?;
        let slot = cluster.snapshot.slot(name)?;
        let view = View::new(cluster, &self.profile.args, self.pod);
        let node = cluster.snapshot.node(slot);
        Some((slot, filter_node(&view, self.profile, state, node, self.beside).err()))
    }

    fn filter_window(
        &self,
        view: &View<'_>,
        state: &mut CycleState,
        filters: &[PluginId],
        window: Window<'_>,
    ) -> u64 {
        let all = if window.slots.len() == 64 { u64::MAX } else { (1 << window.slots.len()) - 1 };
        let mut mask = all;
        for id in filters {
            if mask == 0 {
                break;
            }
            mask = id.plugin().filter_window(view, state, window, mask);
        }
        if self.beside.is_empty() {
            return mask;
        }
        // A node takes the pod if it does both without and with the pods that are nominated to it.
        window.retain(mask, |slot| {
            let node = view.snapshot.node(slot);
            self.beside.on(node).next().is_none()
                || filter_node(view, self.profile, state, node, self.beside).is_ok()
        })
    }

    /// Works out what each refused node was refused for.
    fn explain(&self, cluster: &Cluster, scratch: &mut Scratch, diagnosis: &mut Diagnosis) {
        let view = View::new(cluster, &self.profile.args, self.pod);
        for slot in &scratch.refused {
            let node = view.snapshot.node(*slot);
            let state = &mut scratch.state;
            let verdict = filter_node(&view, self.profile, state, node, self.beside);
            if let Err(status) = verdict {
                if let Some(plugin) = status.plugin {
                    diagnosis.plugins.insert(plugin);
                }
                diagnosis.statuses.set(*slot, Some(status));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_nodes_searched_falls_with_their_number() {
        let (config, profile) = (Config::default(), Profile::default());
        for (nodes, find) in
            [(99, 99), (100, 100), (400, 188), (1000, 420), (5000, 500), (6000, 300)]
        {
            assert_eq!(nodes_to_find(&config, &profile, nodes), find, "{nodes}");
        }
    }
}

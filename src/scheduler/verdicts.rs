//! What is known of each node for pods of one template, from cycle to cycle.
//!
//! A pod that fits nowhere asks every node, and preemption tries many of them. Between two pods of a
//! template few nodes have changed: only those are asked and tried again. This holds for pods that are
//! refused, if at all, for what stands in their template and on the node ([`Plugin::is_local`]): for pods
//! with pod affinity, hard spreading or volumes a change elsewhere may change any verdict, and nothing
//! is remembered.
//!
//! A verdict here counts with all pods that are nominated to the node. A pod that is nominated itself
//! is judged anew on that one node, since it need not make room for itself.
//!
//! [`Plugin::is_local`]: super::plugins::Plugin::is_local

use super::config::Profile;
use super::cycle::Cluster;
use super::diagnosis::Statuses;
use super::node::NodeInfo;
use super::pod::PodInfo;
use super::preemption::Tried;
use super::state::{CycleState, Status};
use crate::base::Map;

/// As many templates are remembered at a time in any cluster.
const TEMPLATES: usize = 32;
/// And more where there are few nodes: for so many nodes in all, of a dozen bytes each.
const NODES: usize = 1 << 19;
/// With more nodes than this to be judged again, a search does better to ask those it comes upon.
const FEW: usize = 32;

/// What is known, by template.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    of: Map<u64, Box<Known>>,
}

/// What is known of the nodes for one template.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The refusals of nodes that are not stale; nodes without one can take the pod.
    statuses: Statuses,
    /// What came of trying to preempt.
    trials: Trials,
    stale: Vec<u32>,
    is_stale: Vec<bool>,
    nodes_seen: u64,
    nominations_seen: u64,
    budgets_seen: u64,
}

/// What came of trying to preempt on a node, by slot.
#[derive(Clone, Debug, Default)]
pub struct Trials(Vec<Option<Box<Tried>>>);

/// Whether what holds for a pod on a node holds for each pod of its template, whatever else there is.
/// PreFilter must have run.
pub fn are_shared(profile: &Profile, state: &CycleState, pod: &PodInfo) -> bool {
    let is_local =
        |id: &super::plugins::PluginId| state.skip_filter.contains(*id) || id.plugin().is_local();
    pod.pod.made_for.is_none() && pod.pod.node.is_none() && profile.filter.iter().all(is_local)
}

impl Verdicts {
    /// What is known for pods like this one, if anything, with what has changed since noted.
    pub fn take(&mut self, cluster: &Cluster, pod: &PodInfo) -> Option<Box<Known>> {
        let mut known = self.of.remove(&pod.template.digest)?;
        known.hear(cluster);
        Some(known)
    }

    /// Keeps what is known for pods like this one.
    pub fn keep(&mut self, pod: &PodInfo, known: Box<Known>) {
        let most = TEMPLATES.max(NODES / known.is_stale.len().max(1));
        if self.of.len() >= most {
            self.of.clear();
        }
        self.of.insert(pod.template.digest, known);
    }
}

impl Known {
    /// Nothing is known yet.
    pub fn nothing(cluster: &Cluster) -> Box<Self> {
        let mut new = Box::<Self>::default();
        new.forget(cluster);
        new
    }

    /// Whether few nodes are left to be judged.
    pub fn is_nearly_complete(&self) -> bool {
        self.stale.len() <= FEW
    }

    /// Judges the nodes that have changed. `judge` answers the refusal of a node.
    pub fn complete(
        &mut self,
        cluster: &Cluster,
        mut judge: impl FnMut(&NodeInfo) -> Option<Status>,
    ) {
        for slot in self.stale.drain(..) {
            self.is_stale[slot as usize] = false;
            let listed = cluster.snapshot.is_listed(slot);
            let status = if listed { judge(cluster.snapshot.node(slot)) } else { None };
            self.statuses.set(slot, status);
        }
    }

    /// The refusals of all nodes, if it is complete.
    pub fn statuses(&self) -> &Statuses {
        &self.statuses
    }

    /// What came of trying to preempt.
    pub fn trials(&mut self) -> &mut Trials {
        &mut self.trials
    }

    /// Notes what has changed.
    fn hear(&mut self, cluster: &Cluster) {
        let nodes = cluster.snapshot.changes().since(self.nodes_seen);
        let nominations = cluster.nominator.changes().since(self.nominations_seen);
        let (Some(nodes), Some(nominations)) = (nodes, nominations) else {
            return self.forget(cluster);
        };
        self.is_stale.resize(cluster.snapshot.nodes().len(), false);
        nodes.for_each(|slot| self.doubt(*slot));
        let slots = nominations.filter_map(|node| cluster.snapshot.slot(node));
        slots.for_each(|slot| self.doubt(slot));
        if self.budgets_seen != cluster.world.budget_changes() {
            self.trials = Trials::default();
        }
        self.read_all(cluster);
    }

    fn doubt(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.is_stale[slot as usize], true) {
            self.stale.push(slot);
        }
        self.trials.forget(slot);
    }

    fn forget(&mut self, cluster: &Cluster) {
        let nodes = cluster.snapshot.nodes();
        self.stale = nodes.iter().map(|n| n.slot).collect();
        self.is_stale = vec![true; nodes.len()];
        self.trials = Trials::default();
        self.read_all(cluster);
    }

    fn read_all(&mut self, cluster: &Cluster) {
        self.nodes_seen = cluster.snapshot.changes().end();
        self.nominations_seen = cluster.nominator.changes().end();
        self.budgets_seen = cluster.world.budget_changes();
    }
}

impl Trials {
    /// What came of it on a node, tried if it has not been.
    pub fn get(&mut self, slot: u32, attempt: impl FnOnce() -> Tried) -> &Tried {
        let i = slot as usize;
        if self.0.len() <= i {
            self.0.resize_with(i + 1, || None);
        }
        self.0[i].get_or_insert_with(|| Box::new(attempt()))
    }

    /// What came of it on a node that was tried.
    pub fn known(&self, slot: u32) -> Option<&Tried> {
        self.0.get(slot as usize)?.as_deref()
    }

    /// It is not known any more what came of it on a node.
    pub fn forget(&mut self, slot: u32) {
        if let Some(trial) = self.0.get_mut(slot as usize) {
            *trial = None;
        }
    }
}

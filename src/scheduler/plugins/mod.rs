//! The plugins: one file each, and the registry.
//!
//! A plugin is a named set of rules that take part in one or more steps of a cycle; each file names the
//! upstream plugin it follows. What a plugin works out for a pod goes into the typed
//! [`CycleState`]; the plugins themselves hold nothing.
//!
//! Left out: GangScheduling and the other plugins of pod groups (off in v1.36).

pub mod allocation_scores;
pub mod balanced_allocation;
pub mod default_preemption;
pub mod dynamic_resources;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_declared_features;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod pod_topology_spread;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod volume_binding;
pub mod volume_restrictions;
pub mod volume_zone;

use super::config::Args;
use super::cycle::Cluster;
use super::index::PodIndex;
use super::news::{Hints, Interest, News};
use super::node::NodeInfo;
use super::pod::PodInfo;
use super::snapshot::Snapshot;
use super::state::{CycleState, Refusal};
use super::world::World;
use crate::base::Str;

/// What a plugin may look at during a cycle.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The nodes.
    pub snapshot: &'a Snapshot,
    /// Counts of pods by node.
    pub index: &'a PodIndex,
    /// What is looked up by name.
    pub world: &'a World,
    /// The plugins' arguments.
    pub args: &'a Args,
    /// The pod to be placed.
    pub pod: &'a PodInfo,
}

impl<'a> View<'a> {
    /// A view of the cluster for one pod.
    pub fn new(cluster: &'a Cluster, args: &'a Args, pod: &'a PodInfo) -> Self {
        let Cluster { snapshot, index, world, .. } = cluster;
        Self { snapshot, index, world, args, pod }
    }
}

/// What a plugin may look at while it prepares itself; it may ask the index for new counts.
#[derive(Debug)]
pub struct Prep<'a> {
    /// The nodes.
    pub snapshot: &'a Snapshot,
    /// Counts of pods by node.
    pub index: &'a mut PodIndex,
    /// What is looked up by name.
    pub world: &'a World,
    /// The plugins' arguments.
    pub args: &'a Args,
    /// The pod to be placed.
    pub pod: &'a PodInfo,
}

impl Prep<'_> {
    /// The same, only to look at.
    pub fn view(&self) -> View<'_> {
        let Prep { snapshot, index, world, args, pod } = self;
        View { snapshot, index, world, args, pod }
    }
}

/// What PreFilter says of a pod that it does not refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreFilter {
    /// Filter the nodes.
    Go,
    /// There is nothing to filter.
    Skip,
    /// Only these nodes can do.
    Nodes(Vec<Str>),
}

/// Some nodes of a cycle, at most 64: a bit of a mask stands for each.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Their slots.
    pub slots: &'a [u32],
}

impl Window<'_> {
    /// Keeps the bits of `mask` for which `keep` holds.
    #[inline]
    pub fn retain(&self, mask: u64, mut keep: impl FnMut(u32) -> bool) -> u64 {
        let (mut left, mut out) = (mask, mask);
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            if !keep(self.slots[bit as usize]) {
                out &= !(1 << bit);
            }
        }
        out
    }
}

/// The rules of one plugin. Every step that a plugin does not take part in keeps its default.
pub trait Plugin: Sync {
    /// Which plugin it is.
    fn id(&self) -> PluginId;

    /// Whether its filter looks at nothing but the pod's template, the node and the arguments, the
    /// latter two with all that is on the node.
    fn is_local(&self) -> bool {
        false
    }

    /// Before all nodes: prepares `state`, or refuses the pod.
    ///
    /// # Errors
    /// The refusal.
    fn pre_filter(
        &self,
        _prep: &mut Prep<'_>,
        _state: &mut CycleState,
    ) -> Result<PreFilter, Refusal> {
        Ok(PreFilter::Go)
    }

    /// Whether the pod may go to a node.
    ///
    /// # Errors
    /// The refusal.
    fn filter(
        &self,
        _view: &View<'_>,
        _state: &CycleState,
        _node: &NodeInfo,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    /// The same for many nodes: keeps those bits of `mask` whose nodes pass.
    fn filter_window(
        &self,
        view: &View<'_>,
        state: &CycleState,
        window: Window<'_>,
        mask: u64,
    ) -> u64 {
        window.retain(mask, |slot| self.filter(view, state, view.snapshot.node(slot)).is_ok())
    }

    /// A pod comes to (`1`) or leaves (`-1`) a node for the sake of argument: keeps `state` up.
    fn adjust(
        &self,
        _view: &View<'_>,
        _state: &mut CycleState,
        _pod: &PodInfo,
        _node: &NodeInfo,
        _sign: i32,
    ) {
    }

    /// Before scores: prepares `state`, or says that there is nothing to score (`false`).
    ///
    /// # Errors
    /// The text of a failure.
    fn pre_score(
        &self,
        _prep: &mut Prep<'_>,
        _state: &mut CycleState,
        _feasible: &[u32],
    ) -> Result<bool, Str> {
        Ok(true)
    }

    /// The raw scores of the feasible nodes.
    fn score(&self, _view: &View<'_>, _state: &CycleState, _feasible: &[u32], _scores: &mut [i64]) {
    }

    /// Brings raw scores into 0 to 100.
    fn normalise(&self, _state: &CycleState, _feasible: &[u32], _scores: &mut [i64]) {}

    /// News that could make a pod schedulable that the plugin has refused (`EventsToRegister`).
    fn interests(&self) -> &'static [Interest] {
        &[]
    }

    /// Whether news of that kind is worth another try of a pod that the plugin has refused (its
    /// `QueueingHintFn`).
    fn hint(&self, _hints: &Hints<'_>, _pod: &PodInfo, _news: &News) -> bool {
        true
    }
}

/// The highest score of a node (`MaxNodeScore`).
pub const MAX_SCORE: i64 = 100;

/// As `pkg/scheduler/framework/plugins/helper/normalize_score.go`, `DefaultNormalizeScore`.
pub fn normalise_by_max(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0).max(0);
    if max == 0 {
        if reverse {
            scores.fill(MAX_SCORE);
        }
        return;
    }
    for s in scores {
        let share = MAX_SCORE * *s / max;
        *s = if reverse { MAX_SCORE - share } else { share };
    }
}

macro_rules! plugins {
    ($($id:ident: $plugin:expr,)*) => {
        /// A plugin by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PluginId {
            $(#[doc = concat!("`", stringify!($id), "`")] $id,)*
        }

        impl PluginId {
            /// Every plugin, sorted by name.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// Its name, as configurations and messages have it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$id => stringify!($id),)* }
            }
        }

        /// The registry: every plugin, in the order of [`PluginId::ALL`].
        pub static PLUGINS: &[&dyn Plugin] = &[$($plugin,)*];
    };
}

/// A step in which nothing is done: for plugins that act outside of the cycle's steps.
struct Absent(PluginId);

impl Plugin for Absent {
    fn id(&self) -> PluginId {
        self.0
    }
}

plugins! {
    DefaultBinder: &Absent(PluginId::DefaultBinder),
    DefaultPreemption: &default_preemption::DefaultPreemption,
    DynamicResources: &dynamic_resources::DynamicResources,
    ImageLocality: &image_locality::ImageLocality,
    InterPodAffinity: &inter_pod_affinity::InterPodAffinity,
    NodeAffinity: &node_affinity::NodeAffinity,
    NodeDeclaredFeatures: &node_declared_features::NodeDeclaredFeatures,
    NodeName: &node_name::NodeName,
    NodePorts: &node_ports::NodePorts,
    NodeResourcesBalancedAllocation: &balanced_allocation::BalancedAllocation,
    NodeResourcesFit: &node_resources_fit::NodeResourcesFit,
    NodeUnschedulable: &node_unschedulable::NodeUnschedulable,
    NodeVolumeLimits: &node_volume_limits::NodeVolumeLimits,
    PodTopologySpread: &pod_topology_spread::PodTopologySpread,
    PrioritySort: &Absent(PluginId::PrioritySort),
    SchedulingGates: &scheduling_gates::SchedulingGates,
    TaintToleration: &taint_toleration::TaintToleration,
    VolumeBinding: &volume_binding::VolumeBinding,
    VolumeRestrictions: &volume_restrictions::VolumeRestrictions,
    VolumeZone: &volume_zone::VolumeZone,
}

impl PluginId {
    /// The plugin.
    pub fn plugin(self) -> &'static dyn Plugin {
        PLUGINS[self as usize]
    }

    /// The plugin of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.as_str() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of plugins, sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PluginSet(u32);

impl PluginSet {
    /// Adds one.
    pub fn insert(&mut self, plugin: PluginId) {
        self.0 |= plugin.bit();
    }

    /// Whether it holds one.
    pub const fn contains(self, plugin: PluginId) -> bool {
        self.0 & plugin.bit() != 0
    }

    /// Whether it holds none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, sorted by name.
    pub fn iter(self) -> impl Iterator<Item = PluginId> {
        PluginId::ALL.iter().copied().filter(move |p| self.contains(*p))
    }
}

impl Extend<PluginId> for PluginSet {
    fn extend<I: IntoIterator<Item = PluginId>>(&mut self, plugins: I) {
        plugins.into_iter().for_each(|p| self.insert(p));
    }
}

impl FromIterator<PluginId> for PluginSet {
    fn from_iter<I: IntoIterator<Item = PluginId>>(plugins: I) -> Self {
        let mut out = Self::default();
        out.extend(plugins);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_and_complete() {
        let names: Vec<&str> = PluginId::ALL.iter().map(|p| p.as_str()).collect();
        assert!(names.is_sorted());
        assert!(PLUGINS.iter().zip(PluginId::ALL).all(|(p, id)| p.id() == *id));
        assert_eq!(PluginId::from_name("NodePorts"), Some(PluginId::NodePorts));
    }

    #[test]
    fn scores_are_scaled_by_the_highest() {
        let mut scores = [0, 1, 3];
        normalise_by_max(&mut scores, false);
        assert_eq!(scores, [0, 33, 100]);
        let mut none = [0, 0];
        normalise_by_max(&mut none, true);
        assert_eq!(none, [100, 100]);
    }
}

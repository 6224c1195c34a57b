//! The scheduler's configuration: profiles, plugins with their weights and arguments.
//!
//! Follows `pkg/scheduler/apis/config` and its `v1` defaults (`default_plugins.go`, `defaults.go`).

use std::time::Duration;

use super::plugins::PluginId;
use super::terms::{NodeTerm, PreferredNodeTerm};
use crate::base::Str;
use crate::model::wire;

/// A scheduler's configuration (`KubeSchedulerConfiguration`, `kubescheduler.config.k8s.io/v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Profiles; a pod takes that of its `schedulerName`.
    pub profiles: Vec<Profile>,
    /// How many percent of the nodes must be found feasible before the search ends; 0: adaptive.
    pub percentage_of_nodes_to_score: i32,
    /// The first back-off of a pod that did not fit.
    pub initial_backoff: Duration,
    /// The longest.
    pub max_backoff: Duration,
}

/// One profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The `schedulerName` it serves.
    pub scheduler_name: Str,
    /// Overrides that of the configuration.
    pub percentage_of_nodes_to_score: Option<i32>,
    /// Plugins of the PreFilter step, in order.
    pub pre_filter: Vec<PluginId>,
    /// Plugins of the Filter step, in order.
    pub filter: Vec<PluginId>,
    /// Plugins of the PreScore and Score steps, in order, with their weights.
    pub score: Vec<(PluginId, i64)>,
    /// Plugins of the PreEnqueue step, in order.
    pub pre_enqueue: Vec<PluginId>,
    /// Plugins of the PostFilter step, in order.
    pub post_filter: Vec<PluginId>,
    /// The plugins' arguments.
    pub args: Args,
}

/// Arguments of plugins.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// `NodeResourcesFitArgs`.
    pub fit: FitArgs,
    /// `NodeResourcesBalancedAllocationArgs.resources`.
    pub balanced: Vec<ResourceWeight>,
    /// `NodeAffinityArgs.addedAffinity`.
    pub added_affinity: AddedAffinity,
    /// `PodTopologySpreadArgs`.
    pub spread: SpreadArgs,
    /// `InterPodAffinityArgs`.
    pub inter_pod_affinity: InterPodAffinityArgs,
    /// `DefaultPreemptionArgs`.
    pub preemption: PreemptionArgs,
}

/// A resource that is scored, and its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceWeight {
    /// The resource.
    pub name: Str,
    /// The weight.
    pub weight: i64,
}

/// `NodeResourcesFitArgs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitArgs {
    /// How use is scored.
    pub strategy: Strategy,
    /// Of which resources.
    pub resources: Vec<ResourceWeight>,
    /// Extended resources that are not filtered by.
    pub ignored: Vec<Str>,
    /// Prefixes of such.
    pub ignored_groups: Vec<Str>,
}

/// A scoring strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The emptier the better.
    LeastAllocated,
    /// The fuller the better.
    MostAllocated,
    /// As the function through these points says, scores scaled to 0 to 100.
    RequestedToCapacityRatio(Vec<ShapePoint>),
}

/// A point of a scoring function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapePoint {
    /// Percent used.
    pub utilization: i64,
    /// The score there.
    pub score: i64,
}

/// Node affinity that the scheduler adds to every pod.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AddedAffinity {
    /// Required terms.
    pub required: Option<Vec<NodeTerm>>,
    /// Preferred terms.
    pub preferred: Vec<PreferredNodeTerm>,
}

/// `PodTopologySpreadArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadArgs {
    /// Constraints of pods that have none, without selectors.
    pub defaults: Vec<super::compile::Spread>,
    /// Whether those are the system's own (`defaultingType: System`).
    pub system: bool,
}

/// `InterPodAffinityArgs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterPodAffinityArgs {
    /// What required affinity of pods that are there is worth to a pod that comes.
    pub hard_weight: i64,
    /// Whether preferred terms of pods that are there do not count for a pod without any.
    pub ignore_preferred_of_existing: bool,
}

/// `DefaultPreemptionArgs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreemptionArgs {
    /// At least this share of the potential nodes is tried, in percent.
    pub min_candidates_percentage: i32,
    /// At least this many are.
    pub min_candidates: i32,
}

impl Default for FitArgs {
    fn default() -> Self {
        Self {
            strategy: Strategy::LeastAllocated,
            resources: cpu_and_memory(),
            ignored: Vec::new(),
            ignored_groups: Vec::new(),
        }
    }
}

fn cpu_and_memory() -> Vec<ResourceWeight> {
    ["cpu", "memory"].map(|name| ResourceWeight { name: Str::new_static(name), weight: 1 }).to_vec()
}

impl FitArgs {
    /// Whether the strategy is the default one over CPU and memory.
    pub fn is_default(&self) -> bool {
        let plain = |r: &ResourceWeight, name| r.name == name && r.weight == 1;
        self.strategy == Strategy::LeastAllocated
            && matches!(&self.resources[..], [a, b] if plain(a, "cpu") && plain(b, "memory"))
    }

    /// Whether an extended resource is not filtered by.
    pub fn ignores(&self, name: &str) -> bool {
        if self.ignored.is_empty() && self.ignored_groups.is_empty() {
            return false;
        }
        let group = name.split('/').next().unwrap_or_default();
        name.contains('/')
            && (self.ignored.iter().any(|i| i == name)
                || self.ignored_groups.iter().any(|g| g == group))
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            fit: FitArgs::default(),
            balanced: cpu_and_memory(),
            added_affinity: AddedAffinity::default(),
            spread: SpreadArgs { defaults: system_spread(), system: true },
            inter_pod_affinity: InterPodAffinityArgs {
                hard_weight: 1,
                ignore_preferred_of_existing: false,
            },
            preemption: PreemptionArgs { min_candidates_percentage: 10, min_candidates: 100 },
        }
    }
}

/// The system's default constraints
/// (`pkg/scheduler/framework/plugins/podtopologyspread/plugin.go`, `systemDefaultConstraints`).
fn system_spread() -> Vec<super::compile::Spread> {
    [("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5)]
        .map(|(key, max_skew)| super::compile::Spread {
            max_skew,
            topology_key: Str::new_static(key),
            selector: crate::model::Selector::Nothing,
            match_label_keys: Vec::new(),
            min_domains: 1,
            honour_affinity: true,
            honour_taints: false,
            hard: false,
        })
        .to_vec()
}

impl Default for Profile {
    fn default() -> Self {
        use PluginId as P;
        Self {
            scheduler_name: Str::new_static("default-scheduler"),
            percentage_of_nodes_to_score: None,
            pre_enqueue: vec![P::SchedulingGates, P::DynamicResources, P::DefaultPreemption],
            pre_filter: vec![
                P::NodeAffinity,
                P::NodePorts,
                P::NodeResourcesFit,
                P::VolumeRestrictions,
                P::NodeVolumeLimits,
                P::VolumeBinding,
                P::VolumeZone,
                P::PodTopologySpread,
                P::InterPodAffinity,
                P::DynamicResources,
                P::NodeDeclaredFeatures,
            ],
            filter: vec![
                P::NodeUnschedulable,
                P::NodeName,
                P::TaintToleration,
                P::NodeAffinity,
                P::NodePorts,
                P::NodeResourcesFit,
                P::VolumeRestrictions,
                P::NodeVolumeLimits,
                P::VolumeBinding,
                P::VolumeZone,
                P::PodTopologySpread,
                P::InterPodAffinity,
                P::DynamicResources,
                P::NodeDeclaredFeatures,
            ],
            post_filter: vec![P::DynamicResources, P::DefaultPreemption],
            score: vec![
                (P::TaintToleration, 3),
                (P::NodeAffinity, 2),
                (P::NodeResourcesFit, 1),
                (P::VolumeBinding, 1),
                (P::PodTopologySpread, 2),
                (P::InterPodAffinity, 2),
                (P::DynamicResources, 2),
                (P::NodeResourcesBalancedAllocation, 1),
                (P::ImageLocality, 1),
            ],
            args: Args::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profiles: vec![Profile::default()],
            percentage_of_nodes_to_score: 0,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// The profile that serves a `schedulerName`.
    pub fn profile(&self, scheduler_name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|p| p.scheduler_name == scheduler_name)
    }
}

impl AddedAffinity {
    /// Compiles `addedAffinity`.
    pub fn compile(affinity: &wire::core::NodeAffinity) -> Self {
        let spec = wire::core::PodSpec {
            affinity: Some(wire::core::Affinity {
                node_affinity: Some(affinity.clone()),
                ..Default::default()
            }),
            ..Default::default()
        };
        Self {
            required: super::terms::RequiredNodes::compile(&spec).terms,
            preferred: PreferredNodeTerm::compile_all(&spec)
                .and_then(Result::ok)
                .unwrap_or_default(),
        }
    }
}

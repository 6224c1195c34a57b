//! What the scheduler needs to know of a pod template, compiled once.
//!
//! Pods of one template share one [`Template`]; the cache keys on [`PodSpec::digest`]. Nothing here
//! depends on the pod's namespace or labels: terms that stand for "my own namespace" or "my own label"
//! keep that meaning and take the value when they are used.

use std::sync::Arc;

use super::requests::{Requests, requests_of};
use super::terms::{PodTerm, PreferredNodeTerm, RequiredNodes};
use super::volumes::Volume;
use crate::base::{Map, Str};
use crate::model::{Labels, PodSpec, PreemptionPolicy, Selector, Toleration, wire};

/// The compiled requirements of a pod template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The digest of the spec it was compiled from.
    pub digest: u64,
    /// `spec.priority`.
    pub priority: i32,
    /// `spec.schedulerName`.
    pub scheduler_name: Str,
    /// Whether it may preempt.
    pub may_preempt: bool,
    /// Names of closed scheduling gates.
    pub gates: Vec<Str>,
    /// Sums of resources.
    pub requests: Requests,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Required nodes.
    pub nodes: RequiredNodes,
    /// Preferred nodes; `None` without such a list, an error where one does not parse.
    pub preferred_nodes: Option<Result<Vec<PreferredNodeTerm>, String>>,
    /// Ports taken on the node.
    pub ports: Vec<HostPort>,
    /// Spread constraints, in order; `None` where the spec has none, so that the defaults apply.
    pub spread: Option<Vec<Spread>>,
    /// Pod affinity and anti-affinity.
    pub pods: PodTerms,
    /// Volumes that matter.
    pub volumes: Vec<Volume>,
    /// Image names as a container runtime lists them: init containers, containers, image volumes.
    pub images: Vec<Str>,
    /// How many containers and init containers there are.
    pub containers: i64,
    /// Features that a node must declare.
    pub features: Vec<&'static str>,
}

/// A port taken on the node's own address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// The address; `0.0.0.0` for all.
    pub ip: Str,
    /// TCP, UDP or SCTP.
    pub protocol: Str,
    /// The number.
    pub port: i32,
}

/// A topology spread constraint (`v1.TopologySpreadConstraint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The most by which a domain may exceed the least filled one.
    pub max_skew: i32,
    /// The node label whose values are the domains.
    pub topology_key: Str,
    /// The pods counted; without `match_label_keys`.
    pub selector: Selector,
    /// Labels of the pod whose values are added to the selector.
    pub match_label_keys: Vec<Str>,
    /// Fewer domains than this count as if one were empty.
    pub min_domains: i32,
    /// Whether only nodes count that meet the pod's node affinity.
    pub honour_affinity: bool,
    /// Whether only nodes count whose taints the pod tolerates.
    pub honour_taints: bool,
    /// Whether it forbids (`DoNotSchedule`) or only scores.
    pub hard: bool,
}

/// Terms of pod affinity and anti-affinity.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PodTerms {
    /// Pods that must be near.
    pub required: Vec<PodTerm>,
    /// Pods that must not be near.
    pub required_anti: Vec<PodTerm>,
    /// Pods that should be near.
    pub preferred: Vec<PodTerm>,
    /// Pods that should not be near.
    pub preferred_anti: Vec<PodTerm>,
}

impl PodTerms {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.required.is_empty()
            && self.required_anti.is_empty()
            && self.preferred.is_empty()
            && self.preferred_anti.is_empty()
    }

    fn compile(spec: &wire::core::PodSpec) -> Self {
        type Required = Option<Vec<wire::core::PodAffinityTerm>>;
        type Preferred = Option<Vec<wire::core::WeightedPodAffinityTerm>>;
        let hard =
            |terms: &Required| terms.iter().flatten().map(|t| PodTerm::compile(t, 0)).collect();
        let soft = |terms: &Preferred| {
            let one = |t: &wire::core::WeightedPodAffinityTerm| {
                PodTerm::compile(&t.pod_affinity_term, t.weight)
            };
            terms.iter().flatten().map(one).collect()
        };
        let mut out = Self::default();
        let Some(affinity) = &spec.affinity else { return out };
        if let Some(a) = &affinity.pod_affinity {
            out.required = hard(&a.required_during_scheduling_ignored_during_execution);
            out.preferred = soft(&a.preferred_during_scheduling_ignored_during_execution);
        }
        if let Some(a) = &affinity.pod_anti_affinity {
            out.required_anti = hard(&a.required_during_scheduling_ignored_during_execution);
            out.preferred_anti = soft(&a.preferred_during_scheduling_ignored_during_execution);
        }
        out
    }
}

impl Spread {
    /// Compiles a constraint.
    pub fn compile(c: &wire::core::TopologySpreadConstraint) -> Self {
        Self {
            max_skew: c.max_skew,
            topology_key: (&c.topology_key).into(),
            selector: Selector::compile(c.label_selector.as_ref()).unwrap_or(Selector::Nothing),
            match_label_keys: c.match_label_keys.iter().flatten().map(Str::from).collect(),
            min_domains: c.min_domains.unwrap_or(1),
            honour_affinity: c.node_affinity_policy.as_deref() != Some("Ignore"),
            honour_taints: c.node_taints_policy.as_deref() == Some("Honor"),
            hard: c.when_unsatisfiable != "ScheduleAnyway",
        }
    }

    /// The selector for a pod with these labels: `match_label_keys` that it has are added
    /// (`pkg/scheduler/framework/plugins/podtopologyspread/common.go`, `mergeLabelSetWithSelector`).
    pub fn selector_for(&self, labels: &Labels) -> Selector {
        let Selector::All(all) = &self.selector else { return Selector::Nothing };
        let mut merged = all.clone();
        for key in &self.match_label_keys {
            if let Some(value) = labels.get(key) {
                merged.push(crate::model::Requirement::In(key.clone(), vec![value.clone()]));
            }
        }
        Selector::All(merged)
    }
}

impl Template {
    /// Compiles a spec.
    pub fn compile(spec: &PodSpec) -> Self {
        let wire = &*spec.wire;
        let init = || wire.init_containers.iter().flatten();
        let volumes = Volume::compile_all(wire);
        let names = init().chain(&wire.containers).map(|c| c.image.as_deref().unwrap_or_default());
        let mounted = volumes.iter().filter_map(|v| match &v.source {
            super::volumes::Source::Image(reference) => Some(reference.as_str()),
            _ => None,
        });
        Self {
            digest: spec.digest,
            priority: spec.priority,
            scheduler_name: spec.scheduler_name.clone(),
            may_preempt: spec.preemption_policy != PreemptionPolicy::Never,
            gates: spec.scheduling_gates.clone(),
            requests: requests_of(wire),
            tolerations: tolerations(wire, &spec.tolerations),
            nodes: RequiredNodes::compile(wire),
            preferred_nodes: PreferredNodeTerm::compile_all(wire),
            ports: host_ports(wire),
            spread: wire
                .topology_spread_constraints
                .as_ref()
                .filter(|all| !all.is_empty())
                .map(|all| all.iter().map(Spread::compile).collect()),
            pods: PodTerms::compile(wire),
            images: names.chain(mounted).map(normalised_image).collect(),
            containers: i64::try_from(init().count() + wire.containers.len()).unwrap_or(i64::MAX),
            features: features(wire),
            volumes,
        }
    }
}

/// Compiled templates by the digest of their spec.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    by_digest: Map<u64, Arc<Template>>,
    sweep_at: usize,
}

impl Templates {
    /// The compiled form of a spec.
    pub fn get(&mut self, spec: &PodSpec) -> Arc<Template> {
        if let Some(known) = self.by_digest.get(&spec.digest) {
            return known.clone();
        }
        if self.by_digest.len() >= self.sweep_at {
            self.by_digest.retain(|_, t| Arc::strong_count(t) > 1);
            self.sweep_at = (self.by_digest.len() * 2).max(1024);
        }
        let new = Arc::new(Template::compile(spec));
        self.by_digest.insert(spec.digest, new.clone());
        new
    }
}

/// The tolerations that count: `Lt` and `Gt` tolerate nothing in v1.36
/// (feature gate TaintTolerationComparisonOperators is off).
fn tolerations(wire: &wire::core::PodSpec, compiled: &[Toleration]) -> Vec<Toleration> {
    let compares = |t: &wire::core::Toleration| matches!(t.operator.as_deref(), Some("Lt" | "Gt"));
    let written = wire.tolerations.iter().flatten();
    written.zip(compiled).filter(|(w, _)| !compares(w)).map(|(_, t)| t.clone()).collect()
}

/// Ports of containers and sidecars on the node's address (`schedutil.GetHostPorts`).
fn host_ports(wire: &wire::core::PodSpec) -> Vec<HostPort> {
    let sidecars = wire.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let all = wire.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten());
    let port = |p: &wire::core::ContainerPort| {
        let number = p.host_port.filter(|n| *n > 0)?;
        let or = |text: Option<&str>, default: &'static str| match text {
            None | Some("") => Str::new_static(default),
            Some(text) => text.into(),
        };
        Some(HostPort {
            ip: or(p.host_ip.as_deref(), "0.0.0.0"),
            protocol: or(p.protocol.as_deref(), "TCP"),
            port: number,
        })
    };
    all.filter_map(port).collect()
}

/// As `pkg/scheduler/framework/plugins/imagelocality`, `normalizedImageName`.
fn normalised_image(name: &str) -> Str {
    if name.rfind(':') <= name.rfind('/') { format!("{name}:latest").into() } else { name.into() }
}

/// Features that the pod needs (`k8s.io/component-helpers/nodedeclaredfeatures/features`).
fn features(wire: &wire::core::PodSpec) -> Vec<&'static str> {
    let all = wire.containers.iter().chain(wire.init_containers.iter().flatten());
    let restarts_all = |c: &wire::core::Container| {
        let mut rules = c.restart_policy_rules.iter().flatten();
        rules.any(|r| r.action == "RestartAllContainers")
    };
    let mut out = Vec::new();
    if all.clone().any(restarts_all) {
        out.push("RestartAllContainersOnContainerExits");
    }
    if wire.host_network == Some(true) && wire.host_users == Some(false) {
        out.push("UserNamespacesHostNetworkSupport");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_means_the_latest() {
        for (name, want) in [
            ("nginx", "nginx:latest"),
            ("nginx:1", "nginx:1"),
            ("host:5000/nginx", "host:5000/nginx:latest"),
            ("host:5000/nginx:2", "host:5000/nginx:2"),
        ] {
            assert_eq!(normalised_image(name), want);
        }
    }

    #[test]
    fn one_template_is_compiled_once() {
        let wire = wire::core::PodSpec::default();
        let mut templates = Templates::default();
        let a = templates.get(&PodSpec::compile(wire.clone()));
        let b = templates.get(&PodSpec::compile(wire));
        assert!(Arc::ptr_eq(&a, &b));
    }
}

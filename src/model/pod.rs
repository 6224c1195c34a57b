//! Pods: the most numerous objects, and the ones that change most.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Meta, PodSpec, equal};
use crate::base::Str;
use crate::base::time::SimTime;

/// A pod. What it shares with its like is in `spec`; the fields beside it differ from pod to pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its metadata.
    pub meta: Meta,
    /// What all pods of its template share.
    pub spec: Arc<PodSpec>,
    /// The node it is bound to (`spec.nodeName`).
    pub node: Option<Str>,
    /// A stable identity, where its controller gives one.
    pub identity: Option<Arc<PodIdentity>>,
    /// The node its DaemonSet made it for: a required node affinity on `metadata.name`
    /// (`pkg/controller/daemon/util`, `ReplaceDaemonSetPodNodeNameNodeAffinity`).
    pub made_for: Option<Str>,
    /// What the node agent reports.
    pub status: PodStatus,
}

impl PartialEq for Pod {
    fn eq(&self, other: &Self) -> bool {
        let Self { meta, spec, node, identity, made_for, status } = self;
        equal(spec, &other.spec)
            && *meta == other.meta
            && *node == other.node
            && *identity == other.identity
            && *made_for == other.made_for
            && *status == other.status
    }
}

/// The stable identity of a StatefulSet's or Indexed Job's pod.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PodIdentity {
    /// `spec.hostname`.
    pub hostname: Str,
    /// `spec.subdomain`; empty where there is none.
    pub subdomain: Str,
    /// Volumes that are claims of this pod alone: volume name, claim name.
    pub claims: Vec<(Str, Str)>,
}

/// Where a pod is in its life (`v1.PodPhase`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Phase {
    /// Not all containers have been started.
    #[default]
    Pending,
    /// Bound to a node; at least one container runs or restarts.
    Running,
    /// All containers ended with exit code 0 and stay so.
    Succeeded,
    /// All containers ended, at least one in failure.
    Failed,
    /// Its node could not be asked.
    Unknown,
}

impl Phase {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether no container will run again (`podutil.IsPodTerminal`).
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The observed state of a pod (`v1.PodStatus`).
#[derive(Clone, Debug, Default)]
pub struct PodStatus {
    /// Its phase.
    pub phase: Phase,
    /// Why it is in that phase, such as `Evicted`; empty where nothing is to be said.
    pub reason: Str,
    /// The same for people.
    pub message: Str,
    /// Conditions in the order in which the API server shows them.
    pub conditions: Arc<[PodCondition]>,
    /// Main containers, in the order of the spec.
    pub containers: Arc<[ContainerStatus]>,
    /// Init containers, in the order of the spec.
    pub init_containers: Arc<[ContainerStatus]>,
    /// Containers that were added to look at the pod, by name.
    pub ephemeral_containers: Arc<[ContainerStatus]>,
    /// When the node agent took the pod on.
    pub start_time: Option<SimTime>,
    /// Its address.
    pub pod_ip: Option<Ipv4Addr>,
    /// Its node's address.
    pub host_ip: Option<Ipv4Addr>,
    /// The node that preemption makes room on for it; empty where there is none.
    pub nominated_node: Str,
    /// The generation of the spec that the node agent has seen; 0 before it has.
    pub observed_generation: u64,
}

impl PartialEq for PodStatus {
    fn eq(&self, other: &Self) -> bool {
        let Self { phase, reason, message, conditions, containers, init_containers, .. } = self;
        let Self { ephemeral_containers, start_time, pod_ip, host_ip, .. } = self;
        let Self { nominated_node, observed_generation, .. } = self;
        *phase == other.phase
            && equal(conditions, &other.conditions)
            && equal(containers, &other.containers)
            && equal(init_containers, &other.init_containers)
            && equal(ephemeral_containers, &other.ephemeral_containers)
            && (reason, message) == (&other.reason, &other.message)
            && (start_time, pod_ip, host_ip) == (&other.start_time, &other.pod_ip, &other.host_ip)
            && *nominated_node == other.nominated_node
            && *observed_generation == other.observed_generation
    }
}

/// Condition types and reasons of pods (`pkg/apis/core`, `PodConditionType` and reasons).
pub mod conditions {
    /// The scheduler has placed it.
    pub const POD_SCHEDULED: &str = "PodScheduled";
    /// Its init containers have finished.
    pub const INITIALIZED: &str = "Initialized";
    /// It may serve.
    pub const READY: &str = "Ready";
    /// All its containers are ready.
    pub const CONTAINERS_READY: &str = "ContainersReady";
    /// Its sandbox stands.
    pub const READY_TO_START_CONTAINERS: &str = "PodReadyToStartContainers";
    /// It is about to be taken away by a disruption.
    pub const DISRUPTION_TARGET: &str = "DisruptionTarget";
}

/// True, False or Unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell.
    Unknown,
}

impl ConditionStatus {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// The status that a text names; anything unknown is [`ConditionStatus::Unknown`].
    pub fn parse(text: &str) -> Self {
        match text {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// One condition of a pod (`v1.PodCondition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodCondition {
    /// Which.
    pub kind: Str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word; may be empty.
    pub reason: Str,
    /// Why, for people; may be empty.
    pub message: Str,
    /// When `status` last changed.
    pub since: SimTime,
    /// The generation of the spec it was judged on; 0 where the writer does not say.
    pub observed_generation: u64,
}

/// The state of one container (`v1.ContainerStatus`).
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerStatus {
    /// Its name in the spec.
    pub name: Str,
    /// What it does now.
    pub state: ContainerState,
    /// How its previous run ended.
    pub last: Option<Arc<Terminated>>,
    /// Whether it is ready to serve.
    pub ready: bool,
    /// Whether its startup probe has passed; `None` before the node agent has looked.
    pub started: Option<bool>,
    /// How often it was started again.
    pub restart_count: u32,
    /// The image, as written before it is pulled and fully named afterwards.
    pub image: Str,
    /// The image's id; empty before it is pulled.
    pub image_id: Str,
    /// The number of the run that is or was the current one, unique in the simulation; 0: none yet.
    pub container_id: u64,
    /// What it has of resources, where that is not what its spec asks for.
    pub given: Option<Arc<super::Given>>,
}

// Nothing in it is unequal to itself, and so lists in the same place of memory are equal ones.
impl Eq for ContainerStatus {}

/// What a container does (`v1.ContainerState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// It does not run yet, or not now.
    Waiting {
        /// Why, in one word.
        reason: Str,
        /// Why, for people; may be empty.
        message: Str,
    },
    /// It runs.
    Running {
        /// Since when.
        started_at: SimTime,
    },
    /// It has ended.
    Terminated(Arc<Terminated>),
}

/// How a run of a container ended (`v1.ContainerStateTerminated`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminated {
    /// The exit code; 128 + n where signal n ended it.
    pub exit_code: i32,
    /// The signal that ended it, where the runtime reports one; 0 otherwise.
    pub signal: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown` …
    pub reason: Str,
    /// Its termination message; may be empty.
    pub message: Str,
    /// When it began; `None` where it never did.
    pub started_at: Option<SimTime>,
    /// When it ended; `None` where it never began.
    pub finished_at: Option<SimTime>,
    /// The number of the run; 0 where none was created.
    pub container_id: u64,
}

impl Pod {
    /// Whether it is in a phase from which no container runs again.
    pub fn is_terminal(&self) -> bool {
        self.status.phase.is_terminal()
    }

    /// Whether it counts for its controller (`controller.IsPodActive`).
    pub fn is_active(&self) -> bool {
        !self.is_terminal() && !self.meta.is_terminating()
    }

    /// Whether its condition `Ready` is true (`podutil.IsPodReady`).
    pub fn is_ready(&self) -> bool {
        self.status.is_true(conditions::READY)
    }

    /// Since when it is ready; `None` while it is not.
    pub fn ready_since(&self) -> Option<SimTime> {
        let ready = self.status.condition(conditions::READY)?;
        (ready.status == ConditionStatus::True).then_some(ready.since)
    }

    /// Whether it has been ready for `min_ready_seconds` at `now` (`podutil.IsPodAvailable`).
    pub fn is_available(&self, min_ready_seconds: u32, now: SimTime) -> bool {
        let min = std::time::Duration::from_secs(min_ready_seconds.into());
        // Conditions are stored in whole seconds, as the real ones.
        self.ready_since().is_some_and(|t| min.is_zero() || t.trunc_secs() + min <= now)
    }

    /// `spec.hostname`, or the name where the spec has none.
    pub fn hostname(&self) -> &Str {
        let own = self.identity.as_ref().map(|i| &i.hostname).filter(|h| !h.is_empty());
        own.or(self.spec.hostname.as_ref()).unwrap_or(&self.meta.name)
    }

    /// `spec.subdomain`; empty where there is none.
    pub fn subdomain(&self) -> &str {
        let own = self.identity.as_ref().map(|i| i.subdomain.as_str()).filter(|s| !s.is_empty());
        own.or(self.spec.subdomain.as_deref()).unwrap_or_default()
    }
}

impl PodStatus {
    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&PodCondition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }

    /// Whether the condition of that type is true.
    pub fn is_true(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|c| c.status == ConditionStatus::True)
    }

    /// The same conditions with this one put in the place of its type, or last. Where the status is
    /// unchanged the old transition time stays (`podutil.UpdatePodCondition`).
    #[must_use]
    pub fn with_condition(&self, mut new: PodCondition) -> Arc<[PodCondition]> {
        match self.conditions.iter().position(|c| c.kind == new.kind) {
            None => self.conditions.iter().cloned().chain([new]).collect(),
            Some(i) => {
                if self.conditions[i].status == new.status {
                    new.since = self.conditions[i].since;
                }
                let mut all: Vec<PodCondition> = self.conditions.to_vec();
                all[i] = new;
                all.into()
            }
        }
    }

    /// The status of a container, of whichever sort.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        let others = self.init_containers.iter().chain(self.ephemeral_containers.iter());
        self.containers.iter().chain(others).find(|c| c.name == name)
    }
}

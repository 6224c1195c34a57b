//! News of the cluster that may make waiting pods schedulable.
//!
//! Follows `k8s.io/kube-scheduler/framework`, `ClusterEvent`, and `pkg/scheduler/framework/events.go`:
//! a change is interpreted as specifically as possible, and a plugin is asked only about the kinds of
//! change it has registered for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{Args, Config};
use super::pod::PodInfo;
use super::storage::StorageChange;
use super::world::World;
use crate::model::{ConditionStatus, Node, Uid};

/// What has changed, in whose terms plugins register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Any pod.
    Pod,
    /// A node.
    Node,
    /// A persistent volume.
    PersistentVolume,
    /// A claim.
    PersistentVolumeClaim,
    /// A storage class.
    StorageClass,
    /// What a CSI driver says of a node.
    CsiNode,
    /// A CSI driver.
    CsiDriver,
    /// A volume attached to a node.
    VolumeAttachment,
    /// What a CSI driver can still provision.
    CsiStorageCapacity,
}

/// How it has changed: a set of kinds of change (`ActionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action(pub u32);

impl Action {
    /// It is new.
    pub const ADD: Self = Self(1);
    /// It is gone.
    pub const DELETE: Self = Self(1 << 1);
    /// A node's allocatable resources.
    pub const NODE_ALLOCATABLE: Self = Self(1 << 2);
    /// A node's labels.
    pub const NODE_LABEL: Self = Self(1 << 3);
    /// A node's taints, or whether it is cordoned.
    pub const NODE_TAINT: Self = Self(1 << 4);
    /// A node's conditions.
    pub const NODE_CONDITION: Self = Self(1 << 5);
    /// A node's annotations.
    pub const NODE_ANNOTATION: Self = Self(1 << 6);
    /// The features that a node declares.
    pub const NODE_FEATURE: Self = Self(1 << 7);
    /// A pod's labels.
    pub const POD_LABEL: Self = Self(1 << 8);
    /// A pod's requests became less.
    pub const POD_SCALE_DOWN: Self = Self(1 << 9);
    /// A pod's tolerations.
    pub const POD_TOLERATION: Self = Self(1 << 10);
    /// A pod's last scheduling gate was removed.
    pub const POD_GATES_GONE: Self = Self(1 << 11);
    /// Any change that is none of the more specific ones.
    pub const UPDATE: Self = Self(((1 << 13) - 1) & !3);

    /// Both.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a registration for `self` covers an incoming change, as specific as it is or more
    /// (`MatchClusterEvents`).
    pub const fn covers(self, incoming: Self) -> bool {
        self.0 & incoming.0 != 0 && incoming.0 <= self.0
    }
}

/// A kind of news that a plugin registers for.
pub type Interest = (Resource, Action);

/// A piece of news.
#[derive(Clone, Debug)]
pub struct News {
    /// How it has changed.
    pub action: Action,
    /// What has changed.
    pub subject: Subject,
}

/// An object before (unless it is new) and after (unless it is gone).
#[derive(Clone, Debug)]
pub enum Subject {
    /// A pod on a node, or one that was.
    AssignedPod(Option<Arc<PodInfo>>, Option<Arc<PodInfo>>),
    /// A pod that waits.
    WaitingPod(Option<Arc<PodInfo>>, Option<Arc<PodInfo>>),
    /// A node.
    Node(Option<Arc<Node>>, Option<Arc<Node>>),
    /// An object of storage.
    Storage(Resource, StorageChange),
    /// Everything: of use to all pods, or to one.
    Anything(Option<Uid>),
}

impl News {
    /// A pod has come onto a node.
    pub fn pod_placed(pod: Arc<PodInfo>) -> Self {
        Self { action: Action::ADD, subject: Subject::AssignedPod(None, Some(pod)) }
    }

    /// A pod has left its node, or the node set aside for it.
    pub fn pod_gone(pod: Arc<PodInfo>) -> Self {
        Self { action: Action::DELETE, subject: Subject::AssignedPod(Some(pod), None) }
    }

    /// A node is new.
    pub fn node_added(node: Arc<Node>) -> Self {
        Self { action: Action::ADD, subject: Subject::Node(None, Some(node)) }
    }

    /// A node is gone.
    pub fn node_gone(node: Arc<Node>) -> Self {
        Self { action: Action::DELETE, subject: Subject::Node(Some(node), None) }
    }

    /// Time to try everything again (`EventUnschedulableTimeout`).
    pub fn timeout() -> Self {
        Self { action: Action(u32::MAX), subject: Subject::Anything(None) }
    }

    /// Whether plugins with this registration are asked.
    pub fn concerns(&self, interest: Interest) -> bool {
        let same = match &self.subject {
            Subject::AssignedPod(..) | Subject::WaitingPod(..) => interest.0 == Resource::Pod,
            Subject::Node(..) => interest.0 == Resource::Node,
            Subject::Storage(resource, _) => interest.0 == *resource,
            Subject::Anything(_) => false,
        };
        same && interest.1.covers(self.action)
    }

    /// The pod before and after, if it is about a pod.
    pub fn pods(&self) -> Option<(Option<&Arc<PodInfo>>, Option<&Arc<PodInfo>>)> {
        match &self.subject {
            Subject::AssignedPod(old, new) | Subject::WaitingPod(old, new) => {
                Some((old.as_ref(), new.as_ref()))
            }
            Subject::Node(..) | Subject::Storage(..) | Subject::Anything(_) => None,
        }
    }

    /// The node before and after, if it is about a node.
    pub fn nodes(&self) -> Option<(Option<&Arc<Node>>, Option<&Arc<Node>>)> {
        match &self.subject {
            Subject::Node(old, new) => Some((old.as_ref(), new.as_ref())),
            Subject::AssignedPod(..)
            | Subject::WaitingPod(..)
            | Subject::Storage(..)
            | Subject::Anything(_) => None,
        }
    }
}

/// What plugins may look at to judge news.
#[derive(Clone, Copy, Debug)]
pub struct Hints<'a> {
    /// What is looked up by name.
    pub world: &'a World,
    /// The configuration.
    pub config: &'a Config,
}

impl Hints<'_> {
    /// The plugins' arguments for a pod.
    pub fn args(&self, pod: &PodInfo) -> Option<&Args> {
        self.config.profile(&pod.template.scheduler_name).map(|p| &p.args)
    }
}

/// The changes of a pod, as specific as possible (`PodSchedulingPropertiesChange`).
pub fn pod_changes(old: &PodInfo, new: &PodInfo) -> Vec<Action> {
    let mut out = Vec::new();
    if old.labels() != new.labels() {
        out.push(Action::POD_LABEL);
    }
    if old.usage() != new.usage() && is_scaled_down(old, new) {
        out.push(Action::POD_SCALE_DOWN);
    }
    if new.template.gates.is_empty() && !old.template.gates.is_empty() {
        out.push(Action::POD_GATES_GONE);
    }
    if old.pod.spec.tolerations.len() != new.pod.spec.tolerations.len() {
        out.push(Action::POD_TOLERATION);
    }
    if out.is_empty() {
        out.push(Action::UPDATE);
    }
    out
}

/// Whether any request became less (`extractPodScaleDown`).
fn is_scaled_down(old: &PodInfo, new: &PodInfo) -> bool {
    let (a, b) = (&old.usage().requested, &new.usage().requested);
    let extended = a.extended.iter().any(|(name, n)| b.extended.get(name).is_none_or(|m| n > m));
    a.cpu_milli > b.cpu_milli
        || a.memory > b.memory
        || a.ephemeral_storage > b.ephemeral_storage
        || extended
}

/// The changes of a node, as specific as possible (`NodeSchedulingPropertiesChange`), in upstream's
/// order. Empty where nothing changed that could matter.
pub fn node_changes(old: &Node, new: &Node) -> Vec<Action> {
    let conditions = |n: &Node| -> BTreeMap<_, ConditionStatus> {
        n.conditions.iter().map(|c| (c.kind.clone(), c.status)).collect()
    };
    let changes = [
        (old.unschedulable && !new.unschedulable, Action::NODE_TAINT),
        (old.allocatable != new.allocatable, Action::NODE_ALLOCATABLE),
        (old.meta.labels != new.meta.labels, Action::NODE_LABEL),
        (old.taints != new.taints, Action::NODE_TAINT),
        (conditions(old) != conditions(new), Action::NODE_CONDITION),
        (old.meta.annotations != new.meta.annotations, Action::NODE_ANNOTATION),
        (declared_features(old) != declared_features(new), Action::NODE_FEATURE),
    ];
    changes.into_iter().filter(|(changed, _)| *changed).map(|(_, action)| action).collect()
}

/// The features that a node declares, sorted.
pub fn declared_features(node: &Node) -> &[String] {
    let status = node.rest.status.as_ref();
    status.and_then(|s| s.declared_features.as_deref()).unwrap_or_default()
}

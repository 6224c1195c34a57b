//! Nodes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{ConditionStatus, Meta, Resources, wire};
use crate::base::Str;
use crate::base::time::SimTime;

/// A node (`v1.Node`).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its metadata.
    pub meta: Meta,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// Its taints.
    pub taints: Arc<[Taint]>,
    /// What pods may use.
    pub allocatable: Resources,
    /// Its conditions.
    pub conditions: Arc<[NodeCondition]>,
    /// When its lease was last renewed, once it no longer is; `None` while the node agent renews it.
    /// Renewals are no events: this changes when the agent stops or comes back.
    pub lease_stopped: Option<SimTime>,
    /// Its address.
    pub internal_ip: Option<Ipv4Addr>,
    /// The first address of its pod network, a /24 unless the manifest says otherwise.
    pub pod_cidr: Str,
    /// Images present before the run, as the scheduler counts them.
    pub images: Arc<[wire::core::ContainerImage]>,
    /// The rest of the API form, for `-o yaml`: capacity, node info, features …; `spec` and `status`
    /// fields that stand above are left out of it.
    pub rest: Arc<wire::core::Node>,
}

/// A taint (`v1.Taint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// The key.
    pub key: Str,
    /// The value; may be empty.
    pub value: Str,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
    /// When it was added, where the writer says so.
    pub added: Option<SimTime>,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaintEffect {
    /// No new pods.
    NoSchedule,
    /// Rather no new pods.
    PreferNoSchedule,
    /// No pods at all.
    NoExecute,
}

impl TaintEffect {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }

    /// The effect that a text names.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "NoSchedule" => Some(Self::NoSchedule),
            "PreferNoSchedule" => Some(Self::PreferNoSchedule),
            "NoExecute" => Some(Self::NoExecute),
            _ => None,
        }
    }
}

/// One condition of a node (`v1.NodeCondition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCondition {
    /// Which: `Ready`, `MemoryPressure` …
    pub kind: Str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: Str,
    /// Why, for people.
    pub message: Str,
    /// When `status` last changed.
    pub since: SimTime,
}

impl Node {
    /// Whether its condition `Ready` is true.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == ConditionStatus::True)
    }

    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&NodeCondition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }

    /// Its host name: the label, or the node's name.
    pub fn hostname(&self) -> &Str {
        self.meta.labels.get("kubernetes.io/hostname").unwrap_or(&self.meta.name)
    }
}

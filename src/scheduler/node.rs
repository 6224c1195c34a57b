//! A node as the scheduler holds it: the object, the pods on it, and what they take.
//!
//! Follows `pkg/scheduler/framework/types.go`, `NodeInfo`. The amounts that every cycle reads stand
//! first and together ([`Load`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compile::HostPort;
use super::index::ClassId;
use super::pod::PodInfo;
use super::requests::{Usage, countable};
use crate::base::Str;
use crate::model::{Labels, Node, Taint, TaintEffect, Uid};

/// What a node offers and what its pods take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Load {
    /// CPU in thousandths that pods may take.
    pub cpu: i64,
    /// Memory that pods may take.
    pub memory: i64,
    /// CPU that pods request.
    pub cpu_requested: i64,
    /// Memory that pods request.
    pub memory_requested: i64,
    /// CPU for scoring: pods without a request count for a default.
    pub cpu_nonzero: i64,
    /// Memory for scoring.
    pub memory_nonzero: i64,
    /// How many pods may be on it.
    pub max_pods: i64,
    /// How many are.
    pub pods: i64,
    /// Ephemeral storage that pods may take.
    pub storage: i64,
    /// Ephemeral storage that pods request.
    pub storage_requested: i64,
}

/// One image on a node, as counted when the node was last copied into the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageOnNode {
    /// Its size in bytes.
    pub size: i64,
    /// How many nodes have it.
    pub nodes: i64,
}

/// A pod on a node.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its uid, by which it is looked for without a look at the pod itself.
    pub uid: Uid,
    /// The pod.
    pub info: Arc<PodInfo>,
    /// Its class in the index; `None` on copies of a node that a cycle tries things out on.
    pub class: Option<ClassId>,
}

impl Placed {
    /// A pod of that class.
    pub fn new(info: Arc<PodInfo>, class: Option<ClassId>) -> Self {
        Self { uid: info.uid(), info, class }
    }
}

/// A node and its pods.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// Amounts.
    pub load: Load,
    /// Whether it has a taint with the effect NoSchedule or NoExecute.
    pub has_hard_taints: bool,
    /// Whether it has a taint with the effect PreferNoSchedule.
    pub has_soft_taints: bool,
    /// Whether it is cordoned.
    pub is_cordoned: bool,
    /// Grows with every change of the node or of a pod on it; no two changes of a cluster share one.
    pub generation: u64,
    /// Its place in [`super::snapshot::Snapshot::nodes`].
    pub slot: u32,
    /// The object; `None` while only pods name it.
    pub node: Option<Arc<Node>>,
    /// Its name.
    pub name: Str,
    /// Extended resources offered.
    pub extended: BTreeMap<Str, i64>,
    /// Extended resources requested.
    pub extended_requested: BTreeMap<Str, i64>,
    /// The pods on it.
    pub pods: Vec<Placed>,
    /// Ports taken. A set, as upstream: a port taken twice is free once one of the two is gone.
    pub ports: BTreeSet<HostPort>,
    /// Images on it.
    pub images: Arc<BTreeMap<Str, ImageOnNode>>,
}

impl NodeInfo {
    /// A node without object and pods.
    pub fn new(slot: u32, name: Str) -> Self {
        Self {
            load: Load::default(),
            has_hard_taints: false,
            has_soft_taints: false,
            is_cordoned: false,
            generation: 0,
            slot,
            node: None,
            name,
            extended: BTreeMap::new(),
            extended_requested: BTreeMap::new(),
            pods: Vec::new(),
            ports: BTreeSet::new(),
            images: Arc::default(),
        }
    }

    /// Its labels; none while it has no object.
    pub fn labels(&self) -> &Labels {
        static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::default);
        self.node.as_ref().map_or(&NONE, |n| &n.meta.labels)
    }

    /// Its taints.
    pub fn taints(&self) -> &[Taint] {
        self.node.as_ref().map(|n| &*n.taints).unwrap_or_default()
    }

    /// Takes on a new object, or none.
    pub fn set_node(&mut self, node: Option<Arc<Node>>) {
        self.node = node;
        self.is_cordoned = self.node.as_ref().is_some_and(|n| n.unschedulable);
        let any = |effect: &[TaintEffect]| self.taints().iter().any(|t| effect.contains(&t.effect));
        let hard = any(&[TaintEffect::NoSchedule, TaintEffect::NoExecute]);
        let soft = any(&[TaintEffect::PreferNoSchedule]);
        (self.has_hard_taints, self.has_soft_taints) = (hard, soft);
        let offered = self.node.as_ref().map(|n| countable(n.allocatable.clone()));
        let offered = offered.unwrap_or_default();
        self.load.cpu = offered.cpu_milli;
        self.load.memory = offered.memory;
        self.load.storage = offered.ephemeral_storage;
        self.load.max_pods = offered.pods;
        self.extended = offered.extended;
    }

    /// Puts a pod on it.
    pub fn add_pod(&mut self, placed: Placed) {
        self.take(placed.info.usage(), 1);
        for port in &placed.info.template.ports {
            self.ports.insert(port.clone());
        }
        self.pods.push(placed);
    }

    /// Takes a pod off it.
    pub fn remove_pod(&mut self, uid: Uid) -> Option<Placed> {
        let i = self.pods.iter().position(|p| p.uid == uid)?;
        let placed = self.pods.swap_remove(i);
        self.take(placed.info.usage(), -1);
        for port in &placed.info.template.ports {
            self.ports.remove(port);
        }
        Some(placed)
    }

    /// Puts the newer version of a pod in the place of the older where they take the same and are
    /// counted alike; `false` where they do not.
    pub fn replace_pod(&mut self, info: &Arc<PodInfo>) -> bool {
        let same = |old: &PodInfo| {
            Arc::ptr_eq(&old.template, &info.template)
                && old.resized == info.resized
                && old.is_terminating() == info.is_terminating()
                && old.labels() == info.labels()
                // A port that was freed by a pod with the same port is taken again by an update.
                && info.template.ports.is_empty()
        };
        let uid = info.uid();
        match self.pods.iter_mut().find(|p| p.uid == uid) {
            Some(p) if same(&p.info) => {
                p.info = info.clone();
                true
            }
            _ => false,
        }
    }

    /// Sums wrap at 64 bits, as upstream's do: what was added can always be taken away again.
    fn take(&mut self, usage: &Usage, sign: i64) {
        let change =
            |sum: &mut i64, amount: i64| *sum = sum.wrapping_add(amount.wrapping_mul(sign));
        let load = &mut self.load;
        load.pods += sign;
        change(&mut load.cpu_requested, usage.requested.cpu_milli);
        change(&mut load.memory_requested, usage.requested.memory);
        change(&mut load.storage_requested, usage.requested.ephemeral_storage);
        change(&mut load.cpu_nonzero, usage.nonzero_cpu);
        change(&mut load.memory_nonzero, usage.nonzero_memory);
        for (name, amount) in &usage.requested.extended {
            change(self.extended_requested.entry(name.clone()).or_insert(0), *amount);
        }
    }
}

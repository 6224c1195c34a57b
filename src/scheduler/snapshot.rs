//! The nodes and what is on them, in the order in which a cycle looks at them.
//!
//! Follows `pkg/scheduler/backend/cache`: the cache and the snapshot that each cycle takes of it. A
//! cycle here is atomic, so that one structure serves as both; what upstream's copying makes visible is
//! kept all the same. A node's view of its images is taken when the node was last copied, which is at
//! the first cycle after something changed on it ([`Snapshot::refresh`]), and the order of nodes is
//! taken anew only when a node came or went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::index::PodIndex;
use super::journal::Journal;
use super::node::{ImageOnNode, NodeInfo, Placed};
use super::pod::PodInfo;
use super::tree::{NodeTree, ZoneKey, zone_key};
use crate::base::{Map, Str};
use crate::model::{Node, Uid};

/// All nodes with their pods.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    nodes: Vec<NodeInfo>,
    by_name: Map<Str, u32>,
    tree: NodeTree,
    zones: Vec<ZoneKey>,
    order: Vec<u32>,
    listed: Vec<bool>,
    listed_count: usize,
    dirty: Vec<u32>,
    is_dirty: Vec<bool>,
    images: BTreeMap<Str, (i64, BTreeSet<u32>)>,
    pods: Map<Uid, u32>,
    with_soft_taints: usize,
    with_hard_taints: usize,
    cordoned: usize,
    /// The slots of nodes that changed, one for each generation.
    changes: Journal<u32>,
}

impl Snapshot {
    /// The nodes of a cycle, as slots, in the order in which it looks at them.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The node in a slot.
    pub fn node(&self, slot: u32) -> &NodeInfo {
        &self.nodes[slot as usize]
    }

    /// All nodes by slot, among them such without an object.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// The slot of the node of that name, if it takes part in cycles.
    pub fn slot(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied().filter(|s| self.listed[*s as usize])
    }

    /// Whether the node in a slot takes part in cycles.
    pub fn is_listed(&self, slot: u32) -> bool {
        self.listed[slot as usize]
    }

    /// The nodes that have changed, or a pod on them.
    pub fn changes(&self) -> &Journal<u32> {
        &self.changes
    }

    /// The object of the node of that name.
    pub fn object(&self, name: &str) -> Option<&Arc<Node>> {
        let slot = self.by_name.get(name)?;
        self.nodes[*slot as usize].node.as_ref()
    }

    /// The node that a pod is on.
    pub fn node_of(&self, pod: Uid) -> Option<&NodeInfo> {
        self.pods.get(&pod).map(|slot| self.node(*slot))
    }

    /// The pod as it is on its node.
    pub fn pod(&self, pod: Uid) -> Option<&Arc<PodInfo>> {
        self.node_of(pod)?.pods.iter().find(|p| p.uid == pod).map(|p| &p.info)
    }

    /// Whether any node has a taint with the effect PreferNoSchedule.
    pub fn has_soft_taints(&self) -> bool {
        self.with_soft_taints > 0
    }

    /// Whether any node has a taint with the effect NoSchedule or NoExecute.
    pub fn has_hard_taints(&self) -> bool {
        self.with_hard_taints > 0
    }

    /// Whether any node is cordoned.
    pub fn has_cordoned(&self) -> bool {
        self.cordoned > 0
    }

    /// Whether any node lists an image.
    pub fn has_images(&self) -> bool {
        !self.images.is_empty()
    }

    /// Sets a node's object, or takes it away, and keeps the counts of nodes up.
    fn set_object(&mut self, i: usize, node: Option<Arc<Node>>) {
        let count = |s: &mut Self, up: bool| {
            let n = &s.nodes[i];
            let has = [n.has_soft_taints, n.has_hard_taints, n.is_cordoned].map(usize::from);
            let sums = [&mut s.with_soft_taints, &mut s.with_hard_taints, &mut s.cordoned];
            for (sum, has) in sums.into_iter().zip(has) {
                *sum = if up { *sum + has } else { *sum - has };
            }
        };
        count(self, false);
        self.nodes[i].set_node(node);
        count(self, true);
    }

    /// A node has come or has changed.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let slot = self.slot_of(&node.meta.name);
        let i = slot as usize;
        let zone = zone_key(&node.meta.labels);
        self.drop_images(slot);
        match self.nodes[i].node {
            None => self.tree.add(zone.clone(), slot),
            Some(_) if self.zones[i] != zone => {
                self.tree.remove(&self.zones[i], slot);
                self.tree.add(zone.clone(), slot);
            }
            Some(_) => {}
        }
        self.zones[i] = zone;
        for image in &*node.images {
            for name in image.names.iter().flatten() {
                let size = image.size_bytes.unwrap_or(0);
                let known = self.images.entry(name.into());
                known.or_insert_with(|| (size, BTreeSet::new())).1.insert(slot);
            }
        }
        self.set_object(i, Some(node));
        self.mark(slot);
    }

    /// A node has gone. Its pods stay until they are removed themselves.
    pub fn remove_node(&mut self, name: &str) {
        let Some(slot) = self.by_name.get(name).copied() else { return };
        let i = slot as usize;
        if self.nodes[i].node.is_none() {
            return;
        }
        self.tree.remove(&self.zones[i], slot);
        self.drop_images(slot);
        self.set_object(i, None);
        self.mark(slot);
    }

    /// A pod is on a node from now on, or has changed there.
    pub fn set_pod(&mut self, node: &Str, pod: Arc<PodInfo>, index: &mut PodIndex) {
        let slot = self.slot_of(node);
        if let Some(old) = self.pods.get(&pod.uid()).copied() {
            if old == slot && self.nodes[slot as usize].replace_pod(&pod) {
                self.mark(slot);
                return;
            }
            self.remove_pod(pod.uid(), index);
        }
        let listed = self.listed[slot as usize];
        let class = listed.then(|| index.add(slot, &pod));
        self.pods.insert(pod.uid(), slot);
        self.nodes[slot as usize].add_pod(Placed::new(pod, class));
        self.mark(slot);
    }

    /// A pod is no longer on any node. Answers the pod.
    pub fn remove_pod(&mut self, uid: Uid, index: &mut PodIndex) -> Option<Arc<PodInfo>> {
        let slot = self.pods.remove(&uid)?;
        let placed = self.nodes[slot as usize].remove_pod(uid)?;
        if let Some(class) = placed.class {
            index.remove(slot, &placed.info, class);
        }
        self.mark(slot);
        Some(placed.info)
    }

    /// Brings what a cycle sees up to date, as `Cache.UpdateSnapshot` does at its beginning.
    pub fn refresh(&mut self, index: &mut PodIndex) {
        if self.dirty.is_empty() {
            return;
        }
        let mut relist = false;
        for slot in std::mem::take(&mut self.dirty) {
            let i = slot as usize;
            self.is_dirty[i] = false;
            let Some(node) = self.nodes[i].node.clone() else { continue };
            index.set_node(slot, Some(&node.meta.labels));
            self.view_images(slot, &node);
            if !self.listed[i] {
                self.list(slot, index);
                relist = true;
            }
        }
        if self.listed_count > self.tree.len() {
            for i in 0..self.nodes.len() {
                if self.listed[i] && self.nodes[i].node.is_none() {
                    self.unlist(i, index);
                }
            }
            relist = true;
        }
        if relist {
            self.order = self.tree.list();
        }
    }

    fn list(&mut self, slot: u32, index: &mut PodIndex) {
        self.listed[slot as usize] = true;
        self.listed_count += 1;
        for placed in &mut self.nodes[slot as usize].pods {
            placed.class = Some(index.add(slot, &placed.info));
        }
    }

    fn unlist(&mut self, i: usize, index: &mut PodIndex) {
        self.listed[i] = false;
        self.listed_count -= 1;
        let slot = self.nodes[i].slot;
        index.set_node(slot, None);
        for placed in &mut self.nodes[i].pods {
            if let Some(class) = placed.class.take() {
                index.remove(slot, &placed.info, class);
            }
        }
    }

    fn view_images(&mut self, slot: u32, node: &Node) {
        let old = &mut self.nodes[slot as usize].images;
        if node.images.is_empty() && old.is_empty() {
            return;
        }
        let mut view = BTreeMap::new();
        for name in node.images.iter().flat_map(|i| i.names.iter().flatten()) {
            if let Some((size, nodes)) = self.images.get(name.as_str()) {
                let nodes = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
                view.insert(name.into(), ImageOnNode { size: *size, nodes });
            }
        }
        *old = Arc::new(view);
    }

    fn drop_images(&mut self, slot: u32) {
        let Some(node) = &self.nodes[slot as usize].node else { return };
        for name in node.images.iter().flat_map(|i| i.names.iter().flatten()) {
            if let Some((_, nodes)) = self.images.get_mut(name.as_str()) {
                nodes.remove(&slot);
                if nodes.is_empty() {
                    self.images.remove(name.as_str());
                }
            }
        }
    }

    fn slot_of(&mut self, name: &Str) -> u32 {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let slot = u32::try_from(self.nodes.len()).expect("nodes fit in 32 bits");
        self.nodes.push(NodeInfo::new(slot, name.clone()));
        self.zones.push(ZoneKey::default());
        self.listed.push(false);
        self.is_dirty.push(false);
        self.by_name.insert(name.clone(), slot);
        slot
    }

    fn mark(&mut self, slot: u32) {
        self.changes.note(slot);
        self.nodes[slot as usize].generation = self.changes.end();
        if !std::mem::replace(&mut self.is_dirty[slot as usize], true) {
            self.dirty.push(slot);
        }
    }
}

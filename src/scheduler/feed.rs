//! What the scheduler makes of news: objects become what it knows, changes move waiting pods.
//!
//! Follows `pkg/scheduler/eventhandlers.go`. Knows no informers and sends nothing: the component feeds
//! it from the store's logs, the conformance corpus from its own operations.

mod objects;

use std::sync::Arc;

use super::compile::Templates;
use super::config::{Config, Profile};
use super::cycle::Cluster;
use super::news::{Action, Hints, News, Resource, Subject, node_changes, pod_changes};
use super::plugins::PluginId;
use super::pod::PodInfo;
use super::queue::{Queue, Queued};
use super::storage::{
    Attachment, Capacity, Claim, Class, CsiNode, Reservation, StorageChange, Volume,
};
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::model::{Key, Node, Pod, Uid};
use crate::trace::FactId;

/// What the scheduler knows, and the pods that wait.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The configuration.
    pub config: Config,
    /// Nodes, pods on them, and the rest.
    pub cluster: Cluster,
    /// Pods that wait.
    pub queue: Queue,
    templates: Templates,
    /// Pods without a node that this scheduler serves, as last heard of.
    waiting: Map<Uid, Arc<PodInfo>>,
    /// Pods assumed to be on a node that the API server has not confirmed, with what they will take.
    assumed: Map<Uid, Reservation>,
}

impl Feed {
    /// Nothing is known yet.
    pub fn new(config: Config) -> Self {
        let delays = Backoff { first: config.initial_backoff, limit: config.max_backoff };
        let gates = config.profiles.iter();
        let gates = gates.map(|p| (p.scheduler_name.clone(), p.pre_enqueue.clone())).collect();
        Self {
            queue: Queue::new(delays, gates, PluginId::ALL.iter().copied()),
            config,
            cluster: Cluster::default(),
            templates: Templates::default(),
            waiting: Map::default(),
            assumed: Map::default(),
        }
    }

    /// A pod with its compiled template.
    pub fn info(&mut self, pod: &Arc<Pod>) -> Arc<PodInfo> {
        Arc::new(PodInfo::new(pod.clone(), self.templates.get(&pod.spec)))
    }

    /// The profile that serves a pod.
    pub fn profile(&self, pod: &PodInfo) -> Option<&Profile> {
        self.config.profile(&pod.template.scheduler_name)
    }

    /// A pod without a node, as last heard of.
    pub fn waiting(&self, uid: Uid) -> Option<&Arc<PodInfo>> {
        self.waiting.get(&uid)
    }

    /// Whether a pod is assumed to be on a node.
    pub fn is_assumed(&self, uid: Uid) -> bool {
        self.assumed.contains_key(&uid)
    }

    /// A node has come, has changed, or has gone (`None`).
    pub fn set_node(&mut self, name: &str, new: Option<&Arc<Node>>, now: SimTime) {
        let old = self.cluster.snapshot.object(name).cloned();
        match (old, new) {
            (None, Some(new)) => {
                self.cluster.snapshot.set_node(new.clone());
                self.hear(&News::node_added(new.clone()), now);
            }
            (Some(old), Some(new)) => {
                self.cluster.snapshot.set_node(new.clone());
                for action in node_changes(&old, new) {
                    let subject = Subject::Node(Some(old.clone()), Some(new.clone()));
                    self.hear(&News { action, subject }, now);
                }
            }
            (Some(old), None) => {
                self.hear(&News::node_gone(old.clone()), now);
                self.cluster.snapshot.remove_node(name);
            }
            (None, None) => {}
        }
    }

    /// A pod has come or has changed. Answers whether it is one that waits.
    pub fn set_pod(&mut self, new: Arc<PodInfo>, fact: FactId, now: SimTime) -> bool {
        let uid = new.uid();
        match (self.waiting.get(&uid), &new.pod.node) {
            (Some(_), Some(_)) => {
                self.placed(new, now);
                self.waiting.remove(&uid);
                self.queue.delete(uid, &mut self.cluster.nominator);
            }
            (Some(_), None) => self.waiting_changed(new, fact, now),
            (None, Some(_)) => match self.cluster.snapshot.pod(uid).cloned() {
                Some(old) => self.placed_changed(&old, &new, now),
                None => self.placed(new, now),
            },
            (None, None) => self.came(new, fact, now),
        }
        self.waiting.contains_key(&uid)
    }

    /// A pod is gone, or has ended, which comes to the same.
    pub fn remove_pod(&mut self, uid: Uid, now: SimTime) {
        if let Some(old) = self.waiting.remove(&uid) {
            self.queue.delete(uid, &mut self.cluster.nominator);
            if self.is_assumed(uid) {
                self.forget(uid, now);
            } else if !old.nominated().is_empty() {
                self.hear_below(&old, now);
            }
            return;
        }
        self.take_off(uid, now);
    }

    /// A pod counts on a node from now on, and takes its volumes there (`assumeAndReserve`).
    pub fn assume(&mut self, pod: &Arc<PodInfo>, node: &Str, reservation: Reservation) {
        self.cluster.snapshot.set_pod(node, pod.clone(), &mut self.cluster.index);
        self.cluster.nominator.withdraw(pod.uid());
        self.cluster.world.storage.reserve(&reservation, node);
        self.assumed.insert(pod.uid(), reservation);
    }

    /// A pod that was assumed is not on its node after all.
    pub fn forget(&mut self, uid: Uid, now: SimTime) {
        if let Some(reservation) = self.assumed.remove(&uid) {
            self.cluster.world.storage.release(&reservation);
            self.take_off(uid, now);
        }
    }

    /// A pod comes back from its cycle: it did not fit. `node` is the node set aside for it: `None`
    /// leaves that as it is.
    pub fn put_back(&mut self, queued: Queued, node: Option<&Str>, now: SimTime) {
        let pod = queued.info.clone();
        let hints = Hints { world: &self.cluster.world, config: &self.config };
        self.queue.put_back(queued, now, &hints);
        self.cluster.nominator.nominate(&pod, node);
    }

    /// Time has passed.
    pub fn flush(&mut self, now: SimTime) {
        let hints = Hints { world: &self.cluster.world, config: &self.config };
        self.queue.flush(now, &hints);
    }

    /// Tells the waiting pods of news.
    pub fn hear(&mut self, news: &News, now: SimTime) {
        let hints = Hints { world: &self.cluster.world, config: &self.config };
        self.queue.hear(news, now, &hints, |_| true);
    }

    /// A claim has come, has changed, or has gone (`None`).
    pub fn set_claim(&mut self, key: &Key, new: Option<Arc<Claim>>, now: SimTime) {
        let old = self.cluster.world.storage.set_claim(key, new.clone());
        let change = |old, new| StorageChange::Claim(old, new);
        self.storage_changed(Resource::PersistentVolumeClaim, old, new, change, now);
    }

    /// A volume has come, has changed, or has gone (`None`).
    pub fn set_volume(&mut self, name: &Str, new: Option<Arc<Volume>>, now: SimTime) {
        let old = self.cluster.world.storage.set_volume(name, new.clone());
        let change = |old, new| StorageChange::Volume(old, new);
        self.storage_changed(Resource::PersistentVolume, old, new, change, now);
    }

    /// A class has come, has changed, or has gone (`None`).
    pub fn set_class(&mut self, name: &Str, new: Option<Arc<Class>>, now: SimTime) {
        let classes = &mut self.cluster.world.storage.classes;
        let old = match new.clone() {
            Some(new) => classes.insert(name.clone(), new),
            None => classes.remove(name),
        };
        let change = |old, new| StorageChange::Class(old, new);
        self.storage_changed(Resource::StorageClass, old, new, change, now);
    }

    /// What CSI drivers say of a node is new, or has gone (`None`).
    pub fn set_csi_node(&mut self, name: &Str, new: Option<Arc<CsiNode>>, now: SimTime) {
        let nodes = &mut self.cluster.world.storage.csi_nodes;
        let old = match new.clone() {
            Some(new) => nodes.insert(name.clone(), new),
            None => nodes.remove(name),
        };
        let change = |old, new| StorageChange::CsiNode(old, new);
        self.storage_changed(Resource::CsiNode, old, new, change, now);
    }

    /// What a CSI driver can provision is new, or has gone (`None`).
    pub fn set_capacity(&mut self, key: &Key, new: Option<Arc<Capacity>>, now: SimTime) {
        let capacities = &mut self.cluster.world.storage.capacities;
        let old = match new.clone() {
            Some(new) => capacities.insert(key.clone(), new),
            None => capacities.remove(key),
        };
        let change = |old, new| StorageChange::Capacity(old, new);
        self.storage_changed(Resource::CsiStorageCapacity, old, new, change, now);
    }

    /// A CSI driver says whether its capacity is tracked, or has gone (`None`).
    pub fn set_driver(&mut self, name: &Str, tracks: Option<bool>, now: SimTime) {
        let drivers = &mut self.cluster.world.storage.drivers;
        let old = match tracks {
            Some(tracks) => drivers.insert(name.clone(), tracks),
            None => drivers.remove(name),
        };
        if old == Some(true) && tracks == Some(false) {
            let change = StorageChange::DriverStoppedTracking(name.clone());
            let subject = Subject::Storage(Resource::CsiDriver, change);
            self.hear(&News { action: Action::UPDATE, subject }, now);
        }
    }

    /// A volume was attached to a node, or was detached (`None`).
    pub fn set_attachment(&mut self, name: &Str, new: Option<Attachment>, now: SimTime) {
        let attachments = &mut self.cluster.world.storage.attachments;
        match new {
            Some(new) => {
                attachments.insert(name.clone(), new);
            }
            None => {
                attachments.remove(name);
                let subject = Subject::Storage(Resource::VolumeAttachment, StorageChange::Gone);
                self.hear(&News { action: Action::DELETE, subject }, now);
            }
        }
    }

    fn storage_changed<T>(
        &mut self,
        resource: Resource,
        old: Option<Arc<T>>,
        new: Option<Arc<T>>,
        change: impl FnOnce(Option<Arc<T>>, Arc<T>) -> StorageChange,
        now: SimTime,
    ) {
        let (action, change) = match (old, new) {
            (None, Some(new)) => (Action::ADD, change(None, new)),
            (Some(old), Some(new)) => (Action::UPDATE, change(Some(old), new)),
            (_, None) => (Action::DELETE, StorageChange::Gone),
        };
        self.hear(&News { action, subject: Subject::Storage(resource, change) }, now);
    }

    /// A pod without a node has come.
    fn came(&mut self, pod: Arc<PodInfo>, fact: FactId, now: SimTime) {
        if self.profile(&pod).is_none() {
            return;
        }
        self.waiting.insert(pod.uid(), pod.clone());
        self.cluster.index.know_topologies(&pod.template);
        self.queue.add(pod, now, fact, &mut self.cluster.nominator);
    }

    /// A pod is on a node, whoever put it there.
    fn placed(&mut self, pod: Arc<PodInfo>, now: SimTime) {
        let Some(node) = pod.pod.node.clone() else { return };
        if let Some(reservation) = self.assumed.remove(&pod.uid()) {
            self.cluster.world.storage.release(&reservation);
        }
        self.cluster.snapshot.set_pod(&node, pod.clone(), &mut self.cluster.index);
        self.hear(&News::pod_placed(pod), now);
    }

    /// A pod on a node has changed.
    fn placed_changed(&mut self, old: &Arc<PodInfo>, new: &Arc<PodInfo>, now: SimTime) {
        let Some(node) = new.pod.node.clone() else { return };
        self.cluster.snapshot.set_pod(&node, new.clone(), &mut self.cluster.index);
        for action in pod_changes(old, new) {
            // No plugin looks at other pods for anything but the more specific changes.
            if action != Action::UPDATE {
                let subject = Subject::AssignedPod(Some(old.clone()), Some(new.clone()));
                self.hear(&News { action, subject }, now);
            }
        }
    }

    /// A pod without a node has changed (`updatePodInSchedulingQueue`).
    fn waiting_changed(&mut self, new: Arc<PodInfo>, fact: FactId, now: SimTime) {
        let uid = new.uid();
        let Some(old) = self.waiting.insert(uid, new.clone()) else { return };
        if self.is_assumed(uid) {
            if new.is_terminating() && !old.is_terminating() {
                self.forget(uid, now);
            }
            return;
        }
        let hints = Hints { world: &self.cluster.world, config: &self.config };
        let nominator = &mut self.cluster.nominator;
        self.queue.update(&old, new.clone(), now, fact, &hints, nominator);
        if !old.nominated().is_empty() && old.nominated() != new.nominated() {
            self.hear_below(&old, now);
        }
    }

    fn take_off(&mut self, uid: Uid, now: SimTime) {
        if let Some(pod) = self.cluster.snapshot.remove_pod(uid, &mut self.cluster.index) {
            self.hear(&News::pod_gone(pod), now);
        }
    }

    /// Room that was set aside for a pod is free: good for pods of at most its priority.
    fn hear_below(&mut self, pod: &Arc<PodInfo>, now: SimTime) {
        let hints = Hints { world: &self.cluster.world, config: &self.config };
        let priority = pod.priority();
        let news = News::pod_gone(pod.clone());
        self.queue.hear(&news, now, &hints, |p| p.priority() <= priority);
    }
}

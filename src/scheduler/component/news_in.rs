//! What the informers bring, handed to the feed.

use std::sync::Arc;

use super::Scheduler;
use crate::engine::Cx;
use crate::model::{Inert, Kind, Labels, Object, Pod, Selector};
use crate::scheduler::plugins::scheduling_gates;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::storage::{Attachment, Capacity, CsiNode};
use crate::store::Entry;
use crate::trace::{Change, FactId};

impl Scheduler {
    /// Takes all news that has been heard by now.
    pub(super) fn listen(&mut self, cx: &mut Cx<'_>) {
        let (logs, until) = (cx.logs, cx.heard_until());
        for i in 0..self.cursors.len() {
            let (kind, position) = self.cursors[i];
            for entry in logs.kind(kind).read(position, until) {
                self.cursors[i].1 += 1;
                self.take(entry, cx);
            }
        }
    }

    fn take(&mut self, entry: &Entry, cx: &mut Cx<'_>) {
        let gone = entry.change == Change::Deleted;
        let (now, feed) = (cx.now, &mut self.feed);
        let key = || entry.object.key();
        match &entry.object {
            Object::Pod(pod) => self.take_pod(pod, gone || pod.is_terminal(), entry.fact, cx),
            Object::Node(node) => feed.set_node(&node.meta.name, (!gone).then_some(node), now),
            Object::PersistentVolumeClaim(c) => {
                self.storage_news(now);
                self.feed.set_claim(&key(), (!gone).then(|| c.clone()), now);
            }
            Object::PersistentVolume(v) => {
                self.storage_news(now);
                self.feed.set_volume(&v.meta.name, (!gone).then(|| v.clone()), now);
            }
            Object::StorageClass(c) => {
                feed.set_class(&c.meta.name, (!gone).then(|| c.clone()), now);
            }
            Object::Inert(inert) => self.take_inert(inert, gone, cx),
            other => self.look_up(other, gone),
        }
    }

    /// Objects that are only looked up: their changes move no pod.
    fn look_up(&mut self, object: &Object, gone: bool) {
        let world = &mut self.feed.cluster.world;
        let key = object.key();
        match object {
            Object::Namespace(ns) if gone => {
                world.namespaces.remove(&ns.meta.name);
            }
            Object::Namespace(ns) => {
                world.namespaces.insert(ns.meta.name.clone(), ns.meta.labels.clone());
            }
            Object::PodDisruptionBudget(_) if gone => {
                world.budgets.remove(&key);
            }
            Object::PodDisruptionBudget(b) => {
                world.budgets.insert(key, b.clone());
            }
            Object::Service(service) => {
                let selector = service.body.spec.as_ref().and_then(|s| s.selector.as_ref());
                let labels = |s: &std::collections::BTreeMap<String, String>| -> Labels {
                    s.iter().map(|(k, v)| (k.into(), v.into())).collect()
                };
                world.set_service(&key, selector.filter(|_| !gone).map(labels));
            }
            Object::ReplicationController(rc) => {
                let selector = rc.spec.wire.selector.iter().flatten();
                let selector = (!gone).then(|| Selector::from_labels(selector));
                world.set_owner(Kind::ReplicationController, key, selector);
            }
            Object::ReplicaSet(rs) => {
                let selector = (!gone).then(|| rs.spec.selector.clone());
                world.set_owner(Kind::ReplicaSet, key, selector);
            }
            Object::StatefulSet(ss) => {
                let selector = (!gone).then(|| ss.spec.selector.clone());
                world.set_owner(Kind::StatefulSet, key, selector);
            }
            _ => {}
        }
    }

    fn take_pod(&mut self, pod: &Arc<Pod>, gone: bool, fact: FactId, cx: &mut Cx<'_>) {
        let uid = pod.meta.uid;
        if gone || pod.meta.is_terminating() {
            self.victim_goes(uid);
        }
        if gone {
            self.feed.remove_pod(uid, cx.now);
            self.said.remove(&uid);
            return;
        }
        let known = self.feed.waiting(uid).or_else(|| self.feed.cluster.snapshot.pod(uid));
        let info = match known {
            Some(old) if Arc::ptr_eq(&old.pod.spec, &pod.spec) => {
                Arc::new(PodInfo::new(pod.clone(), old.template.clone()))
            }
            _ => self.feed.info(pod),
        };
        let gates = !info.template.gates.is_empty();
        let waits = self.feed.set_pod(info.clone(), fact, cx.now);
        if !waits {
            self.said.remove(&uid);
        } else if gates {
            self.say_waiting(&info, scheduling_gates::reason(&info).into(), fact, cx);
        }
    }

    /// Objects of kinds that the simulation keeps without behaviour, and the scheduler looks at.
    fn take_inert(&mut self, inert: &Inert, gone: bool, cx: &mut Cx<'_>) {
        let (now, feed, name) = (cx.now, &mut self.feed, &inert.meta.name);
        if !inert.api_version.starts_with("storage.k8s.io/") {
            return;
        }
        match inert.kind.as_str() {
            "CSINode" => {
                let node = (!gone).then(|| Arc::new(CsiNode::decode(inert)));
                feed.set_csi_node(name, node, now);
            }
            "CSIDriver" => {
                let spec = inert.body.get("spec");
                let tracks = spec.and_then(|s| s["storageCapacity"].as_bool()).unwrap_or(false);
                feed.set_driver(name, (!gone).then_some(tracks), now);
            }
            "CSIStorageCapacity" => {
                let capacity = (!gone).then(|| Arc::new(Capacity::decode(inert)));
                feed.set_capacity(&inert.meta.key(), capacity, now);
            }
            "VolumeAttachment" => {
                feed.set_attachment(name, (!gone).then(|| Attachment::decode(inert)), now);
            }
            _ => {}
        }
    }
}

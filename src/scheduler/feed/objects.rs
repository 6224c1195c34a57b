//! Objects other than pods, as they come, change and go.

use std::sync::Arc;

use super::Feed;
use crate::base::time::SimTime;
use crate::model::{Inert, Kind, Labels, Object, Selector};
use crate::scheduler::storage::{Attachment, Capacity, CsiNode};

impl Feed {
    /// An object that is no pod has come or has changed, or has gone (`gone`). Kinds that the scheduler
    /// does not look at change nothing.
    pub fn set_object(&mut self, object: &Object, gone: bool, now: SimTime) {
        let key = || object.key();
        match object {
            Object::Node(node) => self.set_node(&node.meta.name, (!gone).then_some(node), now),
            Object::PersistentVolumeClaim(c) => {
                self.set_claim(&key(), (!gone).then(|| c.clone()), now);
            }
            Object::PersistentVolume(v) => {
                self.set_volume(&v.meta.name, (!gone).then(|| v.clone()), now);
            }
            Object::StorageClass(c) => {
                self.set_class(&c.meta.name, (!gone).then(|| c.clone()), now);
            }
            Object::Inert(inert) => self.set_inert(inert, gone, now),
            other => self.look_up(other, gone),
        }
    }

    /// Objects that are only looked up: their changes move no pod.
    fn look_up(&mut self, object: &Object, gone: bool) {
        let world = &mut self.cluster.world;
        let key = object.key();
        match object {
            Object::Namespace(ns) if gone => {
                world.namespaces.remove(&ns.meta.name);
            }
            Object::Namespace(ns) => {
                world.namespaces.insert(ns.meta.name.clone(), ns.meta.labels.clone());
            }
            Object::PodDisruptionBudget(b) => {
                world.set_budget(key, (!gone).then(|| b.clone()));
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

    /// Objects of kinds that the simulation keeps without behaviour, and the scheduler looks at.
    fn set_inert(&mut self, inert: &Inert, gone: bool, now: SimTime) {
        let name = &inert.meta.name;
        if !inert.api_version.starts_with("storage.k8s.io/") {
            return;
        }
        match inert.kind.as_str() {
            "CSINode" => {
                let node = (!gone).then(|| Arc::new(CsiNode::decode(inert)));
                self.set_csi_node(name, node, now);
            }
            "CSIDriver" => {
                let spec = inert.body.get("spec");
                let tracks = spec.and_then(|s| s["storageCapacity"].as_bool()).unwrap_or(false);
                self.set_driver(name, (!gone).then_some(tracks), now);
            }
            "CSIStorageCapacity" => {
                let capacity = (!gone).then(|| Arc::new(Capacity::decode(inert)));
                self.set_capacity(&inert.meta.key(), capacity, now);
            }
            "VolumeAttachment" => {
                self.set_attachment(name, (!gone).then(|| Attachment::decode(inert)), now);
            }
            _ => {}
        }
    }
}

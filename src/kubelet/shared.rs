//! What all agents share: what they hear together, names of images, and what has been assumed.
//!
//! Every real agent watches these objects for itself; here one set of informers serves all, since each
//! hears the same at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::contents::Payloads;
use super::env::{self, Env, SharedEnv};
use super::images::{ImageModel, Images};
use super::told::ImageBehavior;
use crate::base::Str;
use crate::container::{Network, VolumeId, Volumes};
use crate::engine::Cx;
use crate::model::{Key, Kind, Object, Resources, Slot, Whole, wire};
use crate::store::{Delta, Informer};
use crate::trace::Assumption;

/// The kinds that agents hear of together, beside their pods.
pub(super) const KINDS: [Kind; 7] = [
    Kind::Node,
    Kind::ConfigMap,
    Kind::Secret,
    Kind::PersistentVolumeClaim,
    Kind::PersistentVolume,
    Kind::Service,
    Kind::EndpointSlice,
];

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    informers: Vec<Informer>,
    /// What is assumed of images.
    pub(super) image_model: ImageModel,
    /// What is told of the programs of images.
    pub(super) behaviors: Vec<ImageBehavior>,
    /// Names of images.
    pub(super) images: Images,
    /// Who can be found and reached from inside containers.
    pub(super) network: Network,
    /// The network has changed since it was last looked at.
    pub(super) network_changed: bool,
    /// Nodes with containers that wait for the network to change.
    pub(super) network_waiters: BTreeSet<Slot>,
    /// The files of all volumes.
    pub(super) volumes: Volumes,
    /// Volumes that outlive pods, by a name in the cluster.
    pub(super) kept_volumes: BTreeMap<String, VolumeId>,
    last_volume: u32,
    /// Files of volumes that many pods have alike.
    pub(super) payloads: Payloads,
    /// What has been assumed so far, each once.
    pub(super) assumed: BTreeSet<Assumption>,
    /// Variables of Services by namespace and whether its own Services count; emptied when Services
    /// change.
    service_env: BTreeMap<(Str, bool), Arc<SharedEnv>>,
}

impl Shared {
    /// Nothing heard yet.
    pub(super) fn new(image_model: ImageModel) -> Self {
        Self {
            informers: KINDS.iter().map(|_| Informer::default()).collect(),
            image_model,
            behaviors: Vec::new(),
            images: Images::default(),
            network: Network::new(),
            network_changed: false,
            network_waiters: BTreeSet::new(),
            volumes: Volumes::new(),
            kept_volumes: BTreeMap::new(),
            last_volume: 0,
            payloads: Payloads::default(),
            assumed: BTreeSet::new(),
            service_env: BTreeMap::new(),
        }
    }

    /// Hears the news, calling `f` with each change.
    pub(super) fn hear(&mut self, cx: &Cx<'_>, mut f: impl FnMut(Kind, Delta<'_>)) {
        let until = cx.heard_until();
        for (kind, informer) in KINDS.iter().zip(&mut self.informers) {
            let (log, before) = (cx.logs.kind(*kind), informer.position());
            if log.end() == before {
                continue;
            }
            informer.advance(log, until, |delta| f(*kind, delta));
            if *kind == Kind::Service && informer.position() != before {
                self.service_env.clear();
            }
        }
    }

    /// Where the cursors stand.
    pub(super) fn positions(&self) -> impl Iterator<Item = (Kind, u64)> {
        KINDS.iter().zip(&self.informers).map(|(kind, informer)| (*kind, informer.position()))
    }

    fn of(&self, kind: Kind) -> &Informer {
        let i =
            KINDS.iter().position(|k| *k == kind).expect("only kinds of the list are asked for");
        &self.informers[i]
    }

    /// How far the news of ConfigMaps and Secrets has been heard.
    pub(super) fn sources_heard(&self) -> [u64; 2] {
        [Kind::ConfigMap, Kind::Secret].map(|kind| self.of(kind).position())
    }

    /// A number for a volume that is new.
    pub(super) fn new_volume(&mut self) -> VolumeId {
        self.last_volume += 1;
        VolumeId(self.last_volume)
    }

    /// An object of one of the shared kinds.
    pub(super) fn object(&self, kind: Kind, key: &Key) -> Option<&Object> {
        self.of(kind).by_key(key)
    }

    /// A ConfigMap.
    pub(super) fn config_map(
        &self,
        namespace: &Str,
        name: &str,
    ) -> Option<&Whole<wire::core::ConfigMap>> {
        match self.of(Kind::ConfigMap).by_key(&Key::new(namespace.clone(), name))? {
            Object::ConfigMap(map) => Some(map),
            _ => None,
        }
    }

    /// A Secret.
    pub(super) fn secret(&self, namespace: &Str, name: &str) -> Option<&Whole<wire::core::Secret>> {
        match self.of(Kind::Secret).by_key(&Key::new(namespace.clone(), name))? {
            Object::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// A claim.
    pub(super) fn claim(&self, key: &Key) -> Option<&Whole<wire::core::PersistentVolumeClaim>> {
        match self.of(Kind::PersistentVolumeClaim).by_key(key)? {
            Object::PersistentVolumeClaim(claim) => Some(claim),
            _ => None,
        }
    }

    /// A node.
    pub(super) fn node(&self, slot: Slot) -> Option<&crate::model::Node> {
        match self.of(Kind::Node).get(slot)? {
            Object::Node(node) => Some(node),
            _ => None,
        }
    }

    /// What pods may use of a node.
    pub(super) fn allocatable(&self, slot: Slot) -> Option<&Resources> {
        self.node(slot).map(|n| &n.allocatable)
    }

    /// The variables that tell of Services to a container in `namespace`; `links`: of those of the
    /// namespace too, not of the API server's alone (`getServiceEnvVarMap`).
    pub(super) fn service_env(&mut self, namespace: &Str, links: bool) -> Arc<SharedEnv> {
        let key = (namespace.clone(), links);
        if let Some(known) = self.service_env.get(&key) {
            return Arc::clone(known);
        }
        let made = self.make_service_env(namespace, links).into_iter();
        let made: SharedEnv = made.map(|(k, v)| (k.into(), v.into())).collect();
        let made = Arc::new(made);
        self.service_env.insert(key, Arc::clone(&made));
        made
    }

    fn make_service_env(&self, namespace: &Str, links: bool) -> Env {
        let mut env = Env::new();
        let mut add = |master: bool| {
            for (_, object) in self.of(Kind::Service).iter() {
                let Object::Service(service) = object else { continue };
                let is_master =
                    service.meta.namespace == "default" && service.meta.name == "kubernetes";
                let own = links && service.meta.namespace == *namespace;
                if is_master != master || !(is_master || own) {
                    continue;
                }
                let Some(spec) = &service.body.spec else { continue };
                let ip = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None");
                if let Some(ip) = ip {
                    let ports = spec.ports.as_deref().unwrap_or_default();
                    env::of_service(&service.meta.name, ip, ports, &mut env);
                }
            }
        };
        add(true);
        add(false);
        env
    }
}

//! Storage as the scheduler looks at it: claims, volumes, classes, and what CSI drivers say.
//!
//! Claims, volumes and classes are the API objects. What the simulation keeps without behaviour
//! (CSINode, CSIDriver, CSIStorageCapacity, VolumeAttachment) has small structs of its own here. What a
//! pod that is being bound will take is assumed at once, as upstream's assume caches do.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::terms::NodeTerm;
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Inert, Key, Labels, Selector, Uid, Whole, wire};

/// A claim.
pub type Claim = Whole<wire::core::PersistentVolumeClaim>;
/// A volume.
pub type Volume = Whole<wire::core::PersistentVolume>;
/// A class.
pub type Class = Whole<wire::storage::StorageClass>;

/// The node that was chosen for a claim (`volume.AnnSelectedNode`).
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Set on a claim whose binding is complete (`volume.AnnBindCompleted`).
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MIGRATED_PLUGINS: &str = "storage.alpha.kubernetes.io/migrated-plugins";
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// What CSI drivers say of a node (`storage.k8s.io/v1.CSINode`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CsiNode {
    /// How many volumes of a driver may be attached, where the driver says so.
    pub limits: BTreeMap<Str, i64>,
    /// The annotation that names the migrated in-tree plugins.
    pub migrated: Str,
}

/// What a CSI driver can still provision (`storage.k8s.io/v1.CSIStorageCapacity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The class.
    pub class: Str,
    /// The nodes that can reach it; `None` for none.
    pub nodes: Option<Selector>,
    /// The largest volume, or what is left in all; `None` where nothing is said.
    pub limit: Option<i64>,
}

/// A volume attached to a node (`storage.k8s.io/v1.VolumeAttachment`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The node.
    pub node: Str,
    /// The driver.
    pub attacher: Str,
    /// The volume.
    pub volume: Str,
}

/// All storage.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Claims.
    pub claims: BTreeMap<Key, Arc<Claim>>,
    /// Volumes by name.
    pub volumes: BTreeMap<Str, Arc<Volume>>,
    /// Classes by name.
    pub classes: BTreeMap<Str, Arc<Class>>,
    /// By node.
    pub csi_nodes: BTreeMap<Str, Arc<CsiNode>>,
    /// CSI drivers by name: whether capacity is tracked.
    pub drivers: BTreeMap<Str, bool>,
    /// Capacities.
    pub capacities: BTreeMap<Key, Arc<Capacity>>,
    /// Attachments by name.
    pub attachments: BTreeMap<Str, Attachment>,
    taken: BTreeMap<Str, (Key, Uid)>,
    selected: BTreeMap<Key, Str>,
}

/// A change of an object of storage, as plugins judge it.
#[derive(Clone, Debug)]
pub enum StorageChange {
    /// A claim: before, and now.
    Claim(Option<Arc<Claim>>, Arc<Claim>),
    /// A volume: before, and now.
    Volume(Option<Arc<Volume>>, Arc<Volume>),
    /// A class: before, and now.
    Class(Option<Arc<Class>>, Arc<Class>),
    /// What CSI drivers say of a node: before, and now.
    CsiNode(Option<Arc<CsiNode>>, Arc<CsiNode>),
    /// A driver of that name stopped tracking its capacity.
    DriverStoppedTracking(Str),
    /// A capacity: before, and now.
    Capacity(Option<Arc<Capacity>>, Arc<Capacity>),
    /// Something went.
    Gone,
}

/// The volumes that a pod on its way to a node will take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reservation {
    /// Claims to be bound, each to a volume.
    pub bind: Vec<(Key, Str)>,
    /// Claims to be provisioned on the node.
    pub provision: Vec<Key>,
}

impl Reservation {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.bind.is_empty() && self.provision.is_empty()
    }
}

impl Storage {
    /// A claim by name.
    pub fn claim(&self, namespace: &Str, name: &Str) -> Option<&Arc<Claim>> {
        self.claims.get(&Key { namespace: namespace.clone(), name: name.clone() })
    }

    /// The claim that a volume is bound to or set aside for; an empty name where there is none.
    pub fn owner_of<'a>(&'a self, volume: &'a Volume) -> Option<(Key, Option<Uid>)> {
        if let Some((key, uid)) = self.taken.get(&volume.meta.name) {
            return Some((key.clone(), Some(*uid)));
        }
        let reference = volume.body.spec.as_ref()?.claim_ref.as_ref()?;
        let text = |t: &Option<String>| Str::from(t.as_deref().unwrap_or_default());
        let key = Key { namespace: text(&reference.namespace), name: text(&reference.name) };
        Some((key, reference.uid.as_deref().and_then(Uid::parse)))
    }

    /// The node chosen for a claim, if one is.
    pub fn selected_node<'a>(&'a self, claim: &'a Claim) -> Option<&'a Str> {
        let assumed = self.selected.get(&claim.meta.key());
        assumed.or_else(|| claim.meta.annotations.get(SELECTED_NODE))
    }

    /// A pod is on its way to `node`: what it will take is taken (`AssumePodVolumes`).
    pub fn reserve(&mut self, reservation: &Reservation, node: &Str) {
        for (claim, volume) in &reservation.bind {
            if let Some(found) = self.claims.get(claim) {
                self.taken.insert(volume.clone(), (claim.clone(), found.meta.uid));
            }
        }
        for claim in &reservation.provision {
            self.selected.insert(claim.clone(), node.clone());
        }
    }

    /// The pod does not go there after all, or the objects themselves show it by now.
    pub fn release(&mut self, reservation: &Reservation) {
        for (_, volume) in &reservation.bind {
            self.taken.remove(volume);
        }
        for claim in &reservation.provision {
            self.selected.remove(claim);
        }
    }

    /// A claim has come, changed or gone. What was assumed of it gives way.
    pub fn set_claim(&mut self, key: &Key, claim: Option<Arc<Claim>>) -> Option<Arc<Claim>> {
        self.selected.remove(key);
        match claim {
            Some(claim) => self.claims.insert(key.clone(), claim),
            None => self.claims.remove(key),
        }
    }

    /// A volume has come, changed or gone. What was assumed of it gives way.
    pub fn set_volume(&mut self, name: &Str, volume: Option<Arc<Volume>>) -> Option<Arc<Volume>> {
        self.taken.remove(name);
        match volume {
            Some(volume) => self.volumes.insert(name.clone(), volume),
            None => self.volumes.remove(name),
        }
    }

    /// Whether a claim of a known class waits for its first pod (`IsDelayBindingMode`).
    pub fn waits_for_consumer(&self, claim: &Claim) -> bool {
        self.classes.get(&claim_class(claim)).is_some_and(|c| class_waits(c))
    }
}

/// Whether claims of the class wait for their first pod.
pub fn class_waits(class: &Class) -> bool {
    class.body.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
}

/// The class of a claim; may be empty (`GetPersistentVolumeClaimClass`).
pub fn claim_class(claim: &Claim) -> Str {
    let spec = claim.body.spec.as_ref();
    let named = || spec.and_then(|s| s.storage_class_name.as_deref()).unwrap_or_default().into();
    claim.meta.annotations.get(BETA_CLASS).cloned().unwrap_or_else(named)
}

/// The class of a volume; may be empty (`GetPersistentVolumeClass`).
pub fn volume_class(volume: &Volume) -> Str {
    let spec = volume.body.spec.as_ref();
    let named = || spec.and_then(|s| s.storage_class_name.as_deref()).unwrap_or_default().into();
    volume.meta.annotations.get(BETA_CLASS).cloned().unwrap_or_else(named)
}

/// The volume that a claim names; may be empty.
pub fn volume_name(claim: &Claim) -> &str {
    claim.body.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default()
}

/// Whether a claim is bound for good (`isPVCFullyBound`).
pub fn is_bound(claim: &Claim) -> bool {
    !volume_name(claim).is_empty() && claim.meta.annotations.get(BIND_COMPLETED).is_some()
}

/// Whether a claim has an access mode.
pub fn has_access_mode(claim: &Claim, mode: &str) -> bool {
    let modes = claim.body.spec.as_ref().and_then(|s| s.access_modes.as_ref());
    modes.into_iter().flatten().any(|m| m == mode)
}

/// How much a claim asks for.
pub fn claim_size(claim: &Claim) -> Option<Quantity> {
    let resources = claim.body.spec.as_ref()?.resources.as_ref()?;
    resources.requests.as_ref()?.get("storage")?.0.parse().ok()
}

/// How much a volume holds.
pub fn volume_size(volume: &Volume) -> Quantity {
    let capacity = volume.body.spec.as_ref().and_then(|s| s.capacity.as_ref());
    let text = capacity.and_then(|c| c.get("storage"));
    text.and_then(|q| q.0.parse().ok()).unwrap_or(Quantity::ZERO)
}

/// The required terms of a volume's node affinity; `None` where every node will do.
pub fn volume_nodes(volume: &Volume) -> Option<Vec<NodeTerm>> {
    let affinity = volume.body.spec.as_ref()?.node_affinity.as_ref()?;
    let terms = affinity.required.as_ref()?.node_selector_terms.iter();
    Some(terms.filter_map(|t| NodeTerm::compile(t, "")).collect())
}

/// Whether a volume can be reached from a node with these labels (`CheckNodeAffinity`).
pub fn reaches(terms: Option<&[NodeTerm]>, labels: &Labels) -> bool {
    terms.is_none_or(|terms| terms.iter().any(|t| t.matches_labels(labels)))
}

/// Whether a class provisions volumes.
pub fn provisions(class: &Class) -> bool {
    !class.body.provisioner.is_empty() && class.body.provisioner != NO_PROVISIONER
}

/// Whether a class provisions volumes for nodes with these labels
/// (`v1helper.MatchTopologySelectorTerms`).
pub fn class_reaches(class: &Class, labels: &Labels) -> bool {
    let Some(terms) = class.body.allowed_topologies.as_ref().filter(|t| !t.is_empty()) else {
        return true;
    };
    let holds = |e: &wire::core::TopologySelectorLabelRequirement| {
        labels.get(&e.key).is_some_and(|v| e.values.iter().any(|w| w == v.as_str()))
    };
    let term = |t: &wire::core::TopologySelectorTerm| {
        let all = t.match_label_expressions.as_deref().unwrap_or_default();
        !all.is_empty() && all.iter().all(holds)
    };
    terms.iter().any(term)
}

impl CsiNode {
    /// Reads a CSINode; what is missing counts as not said.
    pub fn decode(object: &Inert) -> Self {
        let drivers = object.body.get("spec").and_then(|s| s["drivers"].as_array());
        let limit =
            |d: &Value| Some((d["name"].as_str()?.into(), d["allocatable"]["count"].as_i64()?));
        let migrated = object.meta.annotations.get(MIGRATED_PLUGINS);
        Self {
            limits: drivers.into_iter().flatten().filter_map(limit).collect(),
            migrated: migrated.cloned().unwrap_or_default(),
        }
    }
}

impl Capacity {
    /// Reads a CSIStorageCapacity; what is missing counts as not said.
    pub fn decode(object: &Inert) -> Self {
        let amount = |key: &str| {
            let text = object.body.get(key)?.as_str()?;
            text.parse::<Quantity>().ok().map(|q| q.value())
        };
        let nodes = object.body.get("nodeTopology").filter(|n| !n.is_null()).map(|n| {
            let selector = serde_json::from_value(n.clone()).ok();
            selector.and_then(|s| Selector::compile(Some(&s)).ok()).unwrap_or(Selector::Nothing)
        });
        Self {
            class: object
                .body
                .get("storageClassName")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .into(),
            nodes,
            limit: amount("maximumVolumeSize").or_else(|| amount("capacity")),
        }
    }
}

impl Attachment {
    /// Reads a VolumeAttachment; what is missing is empty.
    pub fn decode(object: &Inert) -> Self {
        let none = Value::Null;
        let spec = object.body.get("spec").unwrap_or(&none);
        let text = |v: &Value| Str::from(v.as_str().unwrap_or_default());
        Self {
            node: text(&spec["nodeName"]),
            attacher: text(&spec["attacher"]),
            volume: text(&spec["source"]["persistentVolumeName"]),
        }
    }
}

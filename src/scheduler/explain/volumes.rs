//! The changes that come into question where volumes keep a pod away: claims, volumes, classes, limits.
//!
//! A claim that PreFilter refuses counts for the whole pod ([`of_claims`]); what a node's filters refuse
//! counts for that node ([`of_node`]). A change is a set of objects as they would be then.

use std::sync::Arc;

use super::changes::{Act, Kind, Trial};
use super::nearby::{label, remove, would_meet};
use crate::base::Str;
use crate::model::{Key, Meta, Selector, wire};
use crate::scheduler::cycle::Cluster;
use crate::scheduler::node::NodeInfo;
use crate::scheduler::plugins::{
    PluginId, node_volume_limits, volume_binding, volume_restrictions, volume_zone,
};
use crate::scheduler::pod::PodInfo;
use crate::scheduler::storage::{
    BIND_COMPLETED, Capacity, Claim, Class, CsiNode, Storage, Volume, claim_class, class_reaches,
    class_waits, is_bound, provisions, reaches, volume_name, volume_nodes,
};
use crate::scheduler::terms::NodeTerm;

type ClaimSpec = wire::core::PersistentVolumeClaimSpec;

/// An object of storage as it would be.
pub(super) enum Stored {
    Claim(Arc<Claim>),
    Volume(Arc<Volume>),
    Class(Arc<Class>),
    CsiNode(Str, Arc<CsiNode>),
    Capacity(Key, Arc<Capacity>),
}

impl Stored {
    /// Puts it in the place of what is there.
    pub(super) fn put(&self, storage: &mut Storage) {
        match self {
            Self::Claim(claim) => {
                storage.set_claim(&claim.meta.key(), Some(claim.clone()));
            }
            Self::Volume(volume) => {
                storage.set_volume(&volume.meta.name, Some(volume.clone()));
            }
            Self::Class(class) => {
                storage.classes.insert(class.meta.name.clone(), class.clone());
            }
            Self::CsiNode(node, said) => {
                storage.csi_nodes.insert(node.clone(), said.clone());
            }
            Self::Capacity(key, capacity) => {
                storage.capacities.insert(key.clone(), capacity.clone());
            }
        }
    }
}

fn trial(text: String, size: i64, objects: Vec<Stored>) -> Trial {
    Trial { kind: Kind::Storage, text, size, act: Act::Store(objects) }
}

/// Changes of the pod's claims, for what PreFilter says of them.
pub(super) fn of_claims(cluster: &Cluster, pod: &PodInfo) -> Vec<Trial> {
    let storage = &cluster.world.storage;
    let mut out = Vec::new();
    // A claim made for the pod comes by itself.
    for used in pod.claims().filter(|c| !c.ephemeral) {
        let name = &used.claim;
        let Some(claim) = storage.claim(pod.namespace(), name) else {
            out.push(missing(storage, pod, name));
            continue;
        };
        let phase = claim.body.status.as_ref().and_then(|s| s.phase.as_deref());
        if claim.meta.is_terminating() || phase == Some("Lost") {
            let fresh = Claim {
                meta: Meta::named(pod.namespace().clone(), name.clone()),
                ..(**claim).clone()
            };
            let text =
                format!("recreate persistentvolumeclaim {name}, with a persistentvolume for it");
            out.push(trial(text, 3, bound(&fresh)));
        } else if is_bound(claim) {
            let volume = volume_name(claim);
            if !storage.volumes.contains_key(volume) {
                let text = format!(
                    "create persistentvolume {volume}, to which persistentvolumeclaim {name} is bound"
                );
                out.push(trial(text, 1, bound(claim)));
            }
        } else if volume_name(claim).is_empty() && !storage.waits_for_consumer(claim) {
            out.extend(unbound(storage, claim));
        }
    }
    out
}

/// A claim that does not exist.
fn missing(storage: &Storage, pod: &PodInfo, name: &Str) -> Trial {
    let meta = Meta::named(pod.namespace().clone(), name.clone());
    let is_default = |c: &&Arc<Class>| {
        c.meta.annotations.get(DEFAULT_CLASS).is_some_and(|v| v == "true")
            && class_waits(c)
            && provisions(c)
    };
    if let Some(class) = storage.classes.values().find(is_default) {
        let class = class.meta.name.as_str();
        let spec = ClaimSpec { storage_class_name: Some(class.into()), ..ClaimSpec::default() };
        let body = wire::core::PersistentVolumeClaim { spec: Some(spec), ..Default::default() };
        let claim = Claim { meta, body: Arc::new(body) };
        let text = format!(
            "create persistentvolumeclaim {name} (storageclass {class} provisions its volume)"
        );
        return trial(text, 1, vec![Stored::Claim(Arc::new(claim))]);
    }
    let claim = Claim { meta, body: Arc::default() };
    let text = format!("create persistentvolumeclaim {name} and a persistentvolume for it");
    trial(text, 2, bound(&claim))
}

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// A claim that nobody binds and that does not wait for a pod.
fn unbound(storage: &Storage, claim: &Claim) -> Vec<Trial> {
    let (name, class) = (&claim.meta.name, claim_class(claim));
    let text = format!("create {} for persistentvolumeclaim {name}", described(claim));
    let mut out = vec![trial(text, 2, bound(claim))];
    if !class.is_empty() && !storage.classes.contains_key(&class) {
        let body = wire::storage::StorageClass {
            provisioner: "wavetank.dev/any".to_owned(),
            volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
            ..Default::default()
        };
        let new = Class { meta: Meta::named("", class.clone()), body: Arc::new(body) };
        let text = format!(
            "create storageclass {class} with a provisioner (volumeBindingMode: WaitForFirstConsumer)"
        );
        out.push(trial(text, 1, vec![Stored::Class(Arc::new(new))]));
    }
    let others = storage.classes.values().filter(|c| class_waits(c) && provisions(c));
    for other in others.filter(|c| c.meta.name != class).take(2) {
        let other = &other.meta.name;
        let fresh = with_spec(claim, |spec| spec.storage_class_name = Some(other.to_string()));
        let text = format!("recreate persistentvolumeclaim {name} with storageClassName: {other}");
        out.push(trial(text, 3, vec![Stored::Claim(Arc::new(fresh))]));
    }
    out
}

/// The claim bound to a volume that every node reaches, and the volume.
fn bound(claim: &Claim) -> Vec<Stored> {
    let named = volume_name(claim);
    let name = if named.is_empty() { format!("for-{}", claim.meta.name) } else { named.to_owned() };
    let mut now = with_spec(claim, |spec| spec.volume_name = Some(name.clone()));
    now.meta.annotations = now.meta.annotations.with(BIND_COMPLETED, "yes");
    now.meta.deletion = None;
    let volume = Volume { meta: Meta::named("", name), body: Arc::default() };
    vec![Stored::Claim(Arc::new(now)), Stored::Volume(Arc::new(volume))]
}

fn with_spec(claim: &Claim, change: impl FnOnce(&mut ClaimSpec)) -> Claim {
    let mut new = claim.clone();
    let body = Arc::make_mut(&mut new.body);
    body.status = None;
    change(body.spec.get_or_insert_default());
    new
}

/// The volume that a claim asks for, in words.
fn described(claim: &Claim) -> String {
    let spec = claim.body.spec.as_ref();
    let requests = spec.and_then(|s| s.resources.as_ref()?.requests.as_ref());
    let size = requests.and_then(|r| r.get("storage")).map_or("1Gi", |q| q.0.as_str());
    let class = claim_class(claim);
    let modes = spec.and_then(|s| s.access_modes.as_ref()).map(|m| m.join(", "));
    let class = Some(class).filter(|c| !c.is_empty()).map(|c| format!("storageClassName {c}"));
    let more: Vec<String> = [class, modes].into_iter().flatten().collect();
    match &more[..] {
        [] => format!("a persistentvolume of {size}"),
        more => format!("a persistentvolume of {size} ({})", more.join(", ")),
    }
}

/// Changes for a node that a plugin of volumes has refused.
pub(super) fn of_node(
    cluster: &Cluster,
    pod: &PodInfo,
    node: &NodeInfo,
    plugin: PluginId,
) -> Vec<Trial> {
    let storage = &cluster.world.storage;
    match plugin {
        PluginId::VolumeBinding => binding(storage, pod, node),
        PluginId::VolumeZone => zones(storage, pod, node),
        PluginId::NodeVolumeLimits => limits(storage, pod, node),
        PluginId::VolumeRestrictions => sharing(cluster, pod, node),
        _ => Vec::new(),
    }
}

fn claims<'a>(storage: &'a Storage, pod: &'a PodInfo) -> impl Iterator<Item = &'a Arc<Claim>> {
    pod.claims().filter_map(|used| storage.claim(pod.namespace(), &used.claim))
}

/// The volumes that the pod's claims are bound to.
fn volumes<'a>(storage: &'a Storage, pod: &'a PodInfo) -> impl Iterator<Item = &'a Arc<Volume>> {
    claims(storage, pod).filter_map(|claim| storage.volumes.get(volume_name(claim)))
}

fn binding(storage: &Storage, pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let mut out = Vec::new();
    for volume in volumes(storage, pod) {
        let terms = volume_nodes(volume);
        if reaches(terms.as_deref(), node.labels()) {
            continue;
        }
        let mut near = Volume::clone(volume);
        if let Some(spec) = &mut Arc::make_mut(&mut near.body).spec {
            spec.node_affinity = None;
        }
        let text = format!(
            "let every node reach persistentvolume {} (drop its nodeAffinity)",
            volume.meta.name
        );
        out.push(trial(text, 3, vec![Stored::Volume(Arc::new(near))]));
        out.extend(terms.iter().flatten().filter_map(|term| label_for(term, node)));
    }
    let waiting = |claim: &&Arc<Claim>| {
        volume_name(claim).is_empty()
            && storage.waits_for_consumer(claim)
            && storage.selected_node(claim).is_none_or(|selected| *selected == node.name)
    };
    for claim in claims(storage, pod).filter(waiting) {
        out.extend(volume_for(storage, claim, node));
    }
    out
}

/// The one label with which a node would meet the term of a volume.
fn label_for(term: &NodeTerm, node: &NodeInfo) -> Option<Trial> {
    let unmet: Vec<_> = term.labels.iter().filter(|r| !r.matches(node.labels())).collect();
    // A node's own name is no label to be given to another.
    let [one] = unmet[..] else { return None };
    let is_given = one.key != "kubernetes.io/hostname" && term.names.is_empty();
    is_given.then(|| would_meet(one).map(|value| label(node, &one.key, value)))?
}

/// What would give a claim that waits for the pod a volume near a node.
fn volume_for(storage: &Storage, claim: &Claim, node: &NodeInfo) -> Option<Trial> {
    let class = storage.classes.get(&claim_class(claim))?;
    let class_name = &class.meta.name;
    if !provisions(class) {
        let text =
            format!("create {} for persistentvolumeclaim {}", described(claim), claim.meta.name);
        return Some(trial(text, 2, vec![Stored::Volume(Arc::new(free_volume(claim)))]));
    }
    if !class_reaches(class, node.labels()) {
        let mut wide = Class::clone(class);
        Arc::make_mut(&mut wide.body).allowed_topologies = None;
        let text = format!("drop the allowedTopologies of storageclass {class_name}");
        return Some(trial(text, 3, vec![Stored::Class(Arc::new(wide))]));
    }
    let driver = &class.body.provisioner;
    if volume_binding::has_capacity(storage, driver, class_name, claim, node.labels()) {
        return None;
    }
    let spec = claim.body.spec.as_ref();
    let requests = spec.and_then(|s| s.resources.as_ref()?.requests.as_ref());
    let size = requests.and_then(|r| r.get("storage")).map_or("1", |q| q.0.as_str());
    let capacity = Capacity {
        class: class_name.clone(),
        nodes: Some(Selector::All(Vec::new())),
        limit: Some(i64::MAX),
    };
    let text =
        format!("let {driver} have {size} left for storageclass {class_name} near {}", node.name);
    let key = Key::new("", "left");
    Some(trial(text, 4, vec![Stored::Capacity(key, Arc::new(capacity))]))
}

/// A free volume of just what a claim asks for.
fn free_volume(claim: &Claim) -> Volume {
    let wanted = claim.body.spec.clone().unwrap_or_default();
    let spec = wire::core::PersistentVolumeSpec {
        capacity: wanted.resources.and_then(|r| r.requests),
        access_modes: wanted.access_modes,
        volume_mode: wanted.volume_mode,
        volume_attributes_class_name: wanted.volume_attributes_class_name,
        storage_class_name: Some(claim_class(claim).to_string()),
        ..Default::default()
    };
    let status = wire::core::PersistentVolumeStatus {
        phase: Some("Available".to_owned()),
        ..Default::default()
    };
    let body = wire::core::PersistentVolume {
        spec: Some(spec),
        status: Some(status),
        ..Default::default()
    };
    let mut meta = Meta::named("", format!("for-{}", claim.meta.name));
    let selector = wanted.selector.and_then(|s| s.match_labels);
    meta.labels = selector.iter().flatten().map(|(k, v)| (k.into(), v.into())).collect();
    Volume { meta, body: Arc::new(body) }
}

/// Volumes that are bound to another zone.
fn zones(storage: &Storage, pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let mut out = Vec::new();
    for volume in volumes(storage, pod) {
        let keys: Vec<Str> = volume_zone::unmet(&volume.meta.labels, node.labels());
        let [key] = &keys[..] else { continue };
        let mut anywhere = Volume::clone(volume);
        anywhere.meta.labels = anywhere.meta.labels.without(key);
        let text = format!("take the label {key} from persistentvolume {}", volume.meta.name);
        out.push(trial(text, 3, vec![Stored::Volume(Arc::new(anywhere))]));
        let value = volume.meta.labels.get(key).filter(|v| !v.contains("__"));
        if node.labels().get(key).is_none()
            && let Some(value) = value
        {
            out.push(label(node, key, Some(value.clone())));
        }
    }
    out
}

/// A driver that can attach no more.
fn limits(storage: &Storage, pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let exceeded = node_volume_limits::exceeded(storage, pod, node);
    let [(driver, count)] = &exceeded[..] else { return Vec::new() };
    let mut raised =
        storage.csi_nodes.get(&node.name).map(|n| CsiNode::clone(n)).unwrap_or_default();
    raised.limits.insert(driver.clone(), *count);
    let text = format!("raise the limit of {driver} on {} to {count} volumes", node.name);
    let raised = Stored::CsiNode(node.name.clone(), Arc::new(raised));
    let mut out = vec![trial(text, 2, vec![raised])];
    let users = node.pods.iter().filter(|p| p.info.claims().next().is_some());
    for user in users.take(3) {
        out.push(remove(&user.info, node, &format!("which has a volume of {driver}")));
    }
    out
}

/// Disks and claims that one pod alone may use.
fn sharing(cluster: &Cluster, pod: &PodInfo, node: &NodeInfo) -> Vec<Trial> {
    let storage = &cluster.world.storage;
    let mut out = Vec::new();
    for user in node.pods.iter().filter(|p| volume_restrictions::shares(pod, &p.info)).take(2) {
        out.push(remove(&user.info, node, "which uses the same volume"));
    }
    for claim in claims(storage, pod) {
        if !crate::scheduler::storage::has_access_mode(claim, "ReadWriteOncePod") {
            continue;
        }
        let name = &claim.meta.name;
        let many = with_spec(claim, |s| s.access_modes = Some(vec!["ReadWriteOnce".to_owned()]));
        let text =
            format!("recreate persistentvolumeclaim {name} with accessModes: [ReadWriteOnce]");
        out.push(trial(text, 4, vec![Stored::Claim(Arc::new(many))]));
        for other in cluster.snapshot.nodes().iter().filter(|n| n.slot != node.slot) {
            let users = other.pods.iter().filter(|p| {
                p.info.namespace() == pod.namespace() && p.info.named_claims().any(|c| c == *name)
            });
            let why = format!("which uses persistentvolumeclaim {name} for itself");
            out.extend(users.take(2).map(|p| remove(&p.info, other, &why)));
        }
    }
    out
}

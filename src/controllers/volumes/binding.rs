//! Which volume a claim gets, and the writes that bind them.

use std::sync::Arc;

use super::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, Claim, Class, PROVISIONED_BY, SELECTED_NODE, Volume,
    class_of, volume_name,
};
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Key, Meta, Object, Selector, wire};
use crate::store::{DeleteOptions, Request};

/// The claim that a volume is bound to or kept for.
pub(super) fn claim_of(volume: &Volume) -> Option<Key> {
    let claim = volume.body.spec.as_ref()?.claim_ref.as_ref()?;
    Some(Key::new(claim.namespace.clone().unwrap_or_default(), claim.name.clone()?))
}

/// Whether a claim may have a volume: nobody has it, or it is kept for this claim.
pub(super) fn is_free_for(volume: &Volume, claim: &Claim) -> bool {
    let reference = volume.body.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
    reference.is_none_or(|r| {
        r.name.as_deref() == Some(claim.meta.name.as_str())
            && r.namespace.as_deref() == Some(claim.meta.namespace.as_str())
            && r.uid.as_deref().is_none_or(|u| u.is_empty() || u == claim.meta.uid.to_string())
    })
}

/// The smallest volume that fits; one that is kept for the claim before all others
/// (`volume.FindMatchingVolume`). With `late` only the latter: the scheduler chooses the rest.
pub(super) fn best_match<'a>(
    claim: &Claim,
    volumes: impl Iterator<Item = &'a Arc<Volume>>,
    late: bool,
) -> Option<&'a Arc<Volume>> {
    let wanted = requested(claim);
    let mut best: Option<(Quantity, &Arc<Volume>)> = None;
    for volume in volumes {
        if volume.meta.is_terminating() || !is_free_for(volume, claim) || !fits(volume, claim) {
            continue;
        }
        let size = capacity(volume);
        if wanted.as_ref().is_some_and(|w| size < *w) {
            continue;
        }
        if claim_of(volume).is_some() {
            return Some(volume);
        }
        if !late && best.as_ref().is_none_or(|(s, _)| size < *s) {
            best = Some((size, volume));
        }
    }
    best.map(|(_, volume)| volume)
}

/// Whether class, mode, access modes and labels suit.
fn fits(volume: &Volume, claim: &Claim) -> bool {
    let (Some(v), Some(c)) = (volume.body.spec.as_ref(), claim.body.spec.as_ref()) else {
        return false;
    };
    let class = v.storage_class_name.as_deref().unwrap_or_default();
    let mode = |m: &Option<String>| m.clone().unwrap_or_else(|| "Filesystem".to_owned());
    let selector = c.selector.as_ref().and_then(|s| Selector::compile(Some(s)).ok());
    class == class_of(claim)
        && mode(&v.volume_mode) == mode(&c.volume_mode)
        && c.access_modes.iter().flatten().all(|m| v.access_modes.iter().flatten().any(|x| x == m))
        && selector.is_none_or(|s| s.matches(&volume.meta.labels))
}

fn requested(claim: &Claim) -> Option<Quantity> {
    let resources = claim.body.spec.as_ref()?.resources.as_ref()?;
    resources.requests.as_ref()?.get("storage")?.0.parse().ok()
}

fn capacity(volume: &Volume) -> Quantity {
    let amounts = volume.body.spec.as_ref().and_then(|s| s.capacity.as_ref());
    let size = amounts.and_then(|c| c.get("storage")).and_then(|q| q.0.parse().ok());
    size.unwrap_or_else(|| Quantity::from_i64(0, crate::base::quantity::Format::BinarySi))
}

/// The writes of `ctrl.bind`: the volume points to the claim and is Bound, the claim names the volume
/// and is Bound.
pub(super) fn bind(claim: &Arc<Claim>, volume: &Arc<Volume>) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut pointed = Volume::clone(volume);
    let spec = Arc::make_mut(&mut pointed.body).spec.get_or_insert_default();
    if spec.claim_ref.as_ref().is_none_or(|r| r.uid.is_none()) {
        if spec.claim_ref.is_none() {
            pointed.meta.annotations = pointed.meta.annotations.with(BOUND_BY_CONTROLLER, "yes");
        }
        spec.claim_ref = Some(reference(claim));
        requests.push(Request::Update(pointed.clone().into()));
    }
    requests.extend(volume_phase(&pointed, "Bound"));
    let mut named = Claim::clone(claim);
    let spec = Arc::make_mut(&mut named.body).spec.get_or_insert_default();
    if volume_name(claim).is_none() {
        spec.volume_name = Some(volume.meta.name.to_string());
        named.meta.annotations = named.meta.annotations.with(BOUND_BY_CONTROLLER, "yes");
    }
    named.meta.annotations = named.meta.annotations.with(BIND_COMPLETED, "yes");
    requests.push(Request::Update(named.clone().into()));
    requests.extend(claim_bound(&named, volume));
    requests
}

/// What is left to do for a claim whose binding was completed.
pub(super) fn complete(claim: &Claim, volume: Option<&Volume>) -> Vec<Request> {
    match volume {
        Some(volume) => claim_bound(claim, volume).into_iter().collect(),
        None if volume_name(claim).is_some() && !claim.meta.is_terminating() => {
            let mut lost = claim.clone();
            let status = Arc::make_mut(&mut lost.body).status.get_or_insert_default();
            if status.phase.as_deref() == Some("Lost") {
                return Vec::new();
            }
            status.phase = Some("Lost".to_owned());
            vec![Request::UpdateStatus(lost.into())]
        }
        None => Vec::new(),
    }
}

/// What is to be done for a volume (`syncVolume`): Available without a claim, Released or deleted when
/// its claim has gone.
pub(super) fn plan_volume(volume: &Volume, claim: Option<&Claim>) -> Vec<Request> {
    let spec = volume.body.spec.as_ref();
    let Some(reference) = spec.and_then(|s| s.claim_ref.as_ref()) else {
        return volume_phase(volume, "Available").into_iter().collect();
    };
    let Some(uid) = reference.uid.as_deref().filter(|u| !u.is_empty()) else {
        // Kept for a claim that has not come.
        return volume_phase(volume, "Available").into_iter().collect();
    };
    if claim.is_some_and(|c| c.meta.uid.to_string() == uid) {
        return Vec::new();
    }
    let mut requests: Vec<Request> = volume_phase(volume, "Released").into_iter().collect();
    let policy = spec.and_then(|s| s.persistent_volume_reclaim_policy.as_deref());
    if policy == Some("Delete") && !volume.meta.is_terminating() {
        let target = Object::from(volume.clone()).reference();
        requests.push(Request::Delete { target, options: DeleteOptions::of(volume.meta.uid) });
    }
    requests
}

/// The volume that the model of a provisioner makes for a claim.
pub(super) fn provisioned(claim: &Claim, class: &Class) -> Request {
    let spec = claim.body.spec.as_ref();
    let name = format!("pvc-{}", claim.meta.uid);
    let mut meta = Meta::named("", name.clone());
    meta.annotations =
        meta.annotations.with(PROVISIONED_BY, Str::from(class.body.provisioner.as_str()));
    let storage = spec.and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.clone());
    let node = claim.meta.annotations.get(SELECTED_NODE);
    let body = wire::core::PersistentVolume {
        spec: Some(wire::core::PersistentVolumeSpec {
            capacity: storage,
            access_modes: spec.and_then(|s| s.access_modes.clone()),
            claim_ref: Some(reference(claim)),
            storage_class_name: Some(class.meta.name.to_string()),
            persistent_volume_reclaim_policy: Some(
                class.body.reclaim_policy.clone().unwrap_or_else(|| "Delete".to_owned()),
            ),
            volume_mode: spec.and_then(|s| s.volume_mode.clone()),
            host_path: Some(wire::core::HostPathVolumeSource {
                path: format!("/var/lib/wavetank/{name}"),
                type_: Some("DirectoryOrCreate".to_owned()),
            }),
            node_affinity: node.map(|n| on_node(n)),
            ..Default::default()
        }),
        ..Default::default()
    };
    Request::Create(Volume { meta, body: Arc::new(body) }.into())
}

fn on_node(node: &str) -> wire::core::VolumeNodeAffinity {
    let by_name = wire::core::NodeSelectorRequirement {
        key: "kubernetes.io/hostname".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    wire::core::VolumeNodeAffinity {
        required: Some(wire::core::NodeSelector {
            node_selector_terms: vec![wire::core::NodeSelectorTerm {
                match_expressions: Some(vec![by_name]),
                match_fields: None,
            }],
        }),
    }
}

fn reference(claim: &Claim) -> wire::core::ObjectReference {
    wire::core::ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("PersistentVolumeClaim".to_owned()),
        namespace: Some(claim.meta.namespace.to_string()),
        name: Some(claim.meta.name.to_string()),
        uid: Some(claim.meta.uid.to_string()),
        resource_version: Some(claim.meta.resource_version.to_string()),
        field_path: None,
    }
}

fn volume_phase(volume: &Volume, phase: &str) -> Option<Request> {
    let mut new = volume.clone();
    let status = Arc::make_mut(&mut new.body).status.get_or_insert_default();
    if status.phase.as_deref() == Some(phase) {
        return None;
    }
    status.phase = Some(phase.to_owned());
    Some(Request::UpdateStatus(new.into()))
}

fn claim_bound(claim: &Claim, volume: &Volume) -> Option<Request> {
    let mut new = claim.clone();
    let spec = volume.body.spec.as_ref();
    let status = Arc::make_mut(&mut new.body).status.get_or_insert_default();
    if status.phase.as_deref() == Some("Bound") {
        return None;
    }
    status.phase = Some("Bound".to_owned());
    status.access_modes = spec.and_then(|s| s.access_modes.clone());
    status.capacity = spec.and_then(|s| s.capacity.clone());
    Some(Request::UpdateStatus(new.into()))
}

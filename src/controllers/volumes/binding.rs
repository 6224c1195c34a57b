//! Which volume a claim gets, and the writes that bind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    BETA_CLASS, BIND_COMPLETED, BOUND_BY_CONTROLLER, Claim, Class, PROVISIONED_BY, SELECTED_NODE,
    Volume, class_of, volume_name,
};
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Key, Meta, Object, Selector, wire};
use crate::store::{DeleteOptions, Request};
use crate::trace::EventType;

/// What is to be asked, in order, and said.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) requests: Vec<Request>,
    pub(super) events: Vec<(Object, EventType, &'static str, String)>,
}

impl Plan {
    pub(super) const fn asks(requests: Vec<Request>) -> Self {
        Self { requests, events: Vec::new() }
    }
}

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

/// The volume for a claim (`findByClaim`, `FindMatchingVolume`): of the volumes with the fewest access
/// modes that hold those asked for, one that is kept for the claim, else the smallest. With `late` only
/// the former: the scheduler chooses the rest.
pub(super) fn best_match<'a>(
    claim: &Claim,
    volumes: impl Iterator<Item = &'a Arc<Volume>>,
    late: bool,
) -> Option<&'a Arc<Volume>> {
    let wanted = requested(claim);
    let mut by_modes: BTreeMap<(usize, Vec<&str>), Vec<&Arc<Volume>>> = BTreeMap::new();
    for volume in volumes {
        let fits = !volume.meta.is_terminating()
            && is_free_for(volume, claim)
            && has_modes(volume, claim)
            && same_mode(volume, claim)
            && same_attributes(volume, claim)
            && wanted.as_ref().is_none_or(|w| capacity(volume) >= *w);
        if fits {
            let modes = modes_of(volume);
            by_modes.entry((modes.len(), modes)).or_default().push(volume);
        }
    }
    by_modes.into_values().find_map(|group| {
        let kept = group.iter().copied().find(|v| claim_of(v).is_some());
        let suits = |v: &&Arc<Volume>| {
            phase_of(v) == "Available" && class_of_volume(v) == class_of(claim) && selects(claim, v)
        };
        let others = group.iter().copied().filter(suits);
        let smallest = others.min_by(|a, b| capacity(a).cmp(&capacity(b)));
        kept.or(smallest.filter(|_| !late))
    })
}

/// Why a claim cannot have the volume that it names (`checkVolumeSatisfyClaim`).
pub(super) fn mismatch(volume: &Volume, claim: &Claim) -> Option<String> {
    let wanted = requested(claim);
    if volume.meta.is_terminating() {
        return Some(format!("the volume is marked for deletion {:?}", volume.meta.name));
    }
    let text = if wanted.is_some_and(|w| capacity(volume).value() < w.value()) {
        "requested PV is too small"
    } else if class_of_volume(volume) != class_of(claim) {
        "storageClassName does not match"
    } else if !same_attributes(volume, claim) {
        "volumeAttributesClassName does not match"
    } else if !same_mode(volume, claim) {
        "incompatible volumeMode"
    } else if !has_modes(volume, claim) {
        "incompatible accessMode"
    } else {
        return None;
    };
    Some(text.to_owned())
}

fn has_modes(volume: &Volume, claim: &Claim) -> bool {
    let wanted = claim.body.spec.as_ref().and_then(|s| s.access_modes.as_ref());
    let there = modes_of(volume);
    wanted.into_iter().flatten().all(|m| there.contains(&m.as_str()))
}

fn modes_of(volume: &Volume) -> Vec<&str> {
    let modes = volume.body.spec.as_ref().and_then(|s| s.access_modes.as_ref());
    let mut modes: Vec<&str> = modes.into_iter().flatten().map(String::as_str).collect();
    modes.sort_unstable();
    modes.dedup();
    modes
}

/// Whether both are file systems or both are block devices.
pub(super) fn same_mode(volume: &Volume, claim: &Claim) -> bool {
    let (v, c) = (volume.body.spec.as_ref(), claim.body.spec.as_ref());
    let mode = |m: Option<&String>| m.map_or("Filesystem", String::as_str).to_owned();
    mode(v.and_then(|s| s.volume_mode.as_ref())) == mode(c.and_then(|s| s.volume_mode.as_ref()))
}

fn same_attributes(volume: &Volume, claim: &Claim) -> bool {
    let (v, c) = (volume.body.spec.as_ref(), claim.body.spec.as_ref());
    let named = |m: Option<&String>| m.map_or("", String::as_str).to_owned();
    named(v.and_then(|s| s.volume_attributes_class_name.as_ref()))
        == named(c.and_then(|s| s.volume_attributes_class_name.as_ref()))
}

fn selects(claim: &Claim, volume: &Volume) -> bool {
    let selector = claim.body.spec.as_ref().and_then(|s| s.selector.as_ref());
    let selector = selector.map(|s| Selector::compile(Some(s)));
    selector.is_none_or(|s| s.is_ok_and(|s| s.matches(&volume.meta.labels)))
}

fn class_of_volume(volume: &Volume) -> Str {
    let spec = volume.body.spec.as_ref();
    let named = spec.and_then(|s| s.storage_class_name.as_deref()).unwrap_or_default();
    volume.meta.annotations.get(BETA_CLASS).cloned().unwrap_or_else(|| named.into())
}

/// Where a volume stands in its life.
pub(super) fn phase_of(volume: &Volume) -> &str {
    volume.body.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// The size that a claim asks for.
pub(super) fn requested(claim: &Claim) -> Option<Quantity> {
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

/// What is to be done for a claim whose binding was completed (`syncBoundClaim`).
pub(super) fn complete(claim: &Arc<Claim>, volume: Option<&Arc<Volume>>) -> Plan {
    if claim.meta.is_terminating() {
        return Plan::default();
    }
    let reference = volume.and_then(|v| v.body.spec.as_ref()).map(|s| s.claim_ref.as_ref());
    match (volume, reference) {
        (Some(volume), Some(Some(r))) if r.uid.as_deref() == Some(&claim.meta.uid.to_string()) => {
            Plan::asks(claim_bound(claim, volume).into_iter().collect())
        }
        (Some(volume), Some(None)) => Plan::asks(bind(claim, volume)),
        (Some(_), _) => lost(
            claim,
            "ClaimMisbound",
            "Two claims are bound to the same volume, this one is bound incorrectly",
        ),
        (None, _) if volume_name(claim).is_some() => lost(
            claim,
            "ClaimLost",
            "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
        ),
        (None, _) => lost(
            claim,
            "ClaimLost",
            "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
        ),
    }
}

fn lost(claim: &Claim, reason: &'static str, text: &str) -> Plan {
    let mut lost = claim.clone();
    let status = Arc::make_mut(&mut lost.body).status.get_or_insert_default();
    if status.phase.as_deref() == Some("Lost") {
        return Plan::default();
    }
    status.phase = Some("Lost".to_owned());
    (status.access_modes, status.capacity) = (None, None);
    Plan {
        requests: vec![Request::UpdateStatus(lost.into())],
        events: vec![(Object::from(claim.clone()), EventType::Warning, reason, text.to_owned())],
    }
}

/// What is to be done for a volume (`syncVolume`): Available without a claim, Bound with one that
/// names it, free again or reclaimed otherwise.
pub(super) fn plan_volume(volume: &Volume, claim: Option<&Claim>) -> Plan {
    let spec = volume.body.spec.as_ref();
    let phase = |phase: &str| Plan::asks(volume_phase(volume, phase).into_iter().collect());
    let reference = spec.and_then(|s| s.claim_ref.as_ref());
    // Without a uid it is kept for a claim that has not come.
    let Some(uid) = reference.and_then(|r| r.uid.as_deref()).filter(|u| !u.is_empty()) else {
        return phase("Available");
    };
    let Some(claim) = claim.filter(|c| c.meta.uid.to_string() == uid) else {
        return release(volume);
    };
    match volume_name(claim) {
        None if !same_mode(volume, claim) => mode_mismatch(volume, claim),
        None => Plan::default(),
        Some(name) if name == volume.meta.name => phase("Bound"),
        Some(_) if is_provisioned(volume) && policy(volume) == "Delete" => release(volume),
        Some(_) => Plan::asks(unbind(volume)),
    }
}

fn mode_mismatch(volume: &Volume, claim: &Claim) -> Plan {
    let on_volume = format!(
        "Cannot bind PersistentVolume to requested PersistentVolumeClaim {:?} due to incompatible \
         volumeMode.",
        claim.meta.name
    );
    let on_claim = format!(
        "Cannot bind PersistentVolume {:?} to requested PersistentVolumeClaim due to incompatible \
         volumeMode.",
        volume.meta.name
    );
    let warning = EventType::Warning;
    Plan {
        requests: Vec::new(),
        events: vec![
            (Object::from(volume.clone()), warning, "VolumeMismatch", on_volume),
            (Object::from(claim.clone()), warning, "VolumeMismatch", on_claim),
        ],
    }
}

/// The claim of a volume is gone: it is released, and reclaimed as its policy says (`reclaimVolume`).
fn release(volume: &Volume) -> Plan {
    let mut plan = Plan::default();
    if !matches!(phase_of(volume), "Released" | "Failed") {
        plan.requests.extend(volume_phase(volume, "Released"));
    }
    match policy(volume) {
        "Retain" => plan,
        "Recycle" => {
            fail(plan, volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
        }
        "Delete" if volume.meta.is_terminating() => plan,
        "Delete" => match no_deleter(volume) {
            Some(why) => fail(plan, volume, "VolumeFailedDelete", &why),
            None => {
                let target = Object::from(volume.clone()).reference();
                let options = DeleteOptions::of(volume.meta.uid);
                plan.requests.push(Request::Delete { target, options });
                plan
            }
        },
        _ => fail(
            plan,
            volume,
            "VolumeUnknownReclaimPolicy",
            "Volume has unrecognized PersistentVolumeReclaimPolicy",
        ),
    }
}

fn policy(volume: &Volume) -> &str {
    let spec = volume.body.spec.as_ref();
    spec.and_then(|s| s.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Retain")
}

fn is_provisioned(volume: &Volume) -> bool {
    volume.meta.annotations.get(PROVISIONED_BY).is_some()
}

/// Why nobody can delete what a volume stands for; external provisioners and CSI drivers can.
fn no_deleter(volume: &Volume) -> Option<String> {
    let spec = volume.body.spec.as_ref()?;
    if is_provisioned(volume) || spec.csi.is_some() {
        return None;
    }
    match &spec.host_path {
        Some(host) if host.path.starts_with("/tmp/") => None,
        Some(host) => Some(format!(
            "host_path deleter only supports /tmp/.+ but received provided {}",
            host.path
        )),
        None => Some(format!(
            "error getting deleter volume plugin for volume {:?}: no deletable volume plugin matched",
            volume.meta.name
        )),
    }
}

fn fail(mut plan: Plan, volume: &Volume, reason: &'static str, text: &str) -> Plan {
    if phase_of(volume) == "Failed" {
        return plan;
    }
    let mut failed = volume.clone();
    let status = Arc::make_mut(&mut failed.body).status.get_or_insert_default();
    (status.phase, status.message) = (Some("Failed".to_owned()), Some(text.to_owned()));
    plan.requests.push(Request::UpdateStatus(failed.into()));
    let object = Object::from(volume.clone());
    plan.events.push((object, EventType::Warning, reason, text.to_owned()));
    plan
}

/// The volume is free again, or kept for its claim where the user wrote it so (`unbindVolume`).
fn unbind(volume: &Volume) -> Vec<Request> {
    let mut free = volume.clone();
    let spec = Arc::make_mut(&mut free.body).spec.get_or_insert_default();
    if volume.meta.annotations.get(BOUND_BY_CONTROLLER).is_some() {
        spec.claim_ref = None;
        free.meta.annotations = free.meta.annotations.without(BOUND_BY_CONTROLLER);
    } else if let Some(reference) = &mut spec.claim_ref {
        reference.uid = None;
    }
    let mut requests = vec![Request::Update(free.clone().into())];
    requests.extend(volume_phase(&free, "Available"));
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
            node_affinity: node.map(|n| on_node(n)).or_else(|| in_topologies(class)),
            ..Default::default()
        }),
        ..Default::default()
    };
    Request::Create(Volume { meta, body: Arc::new(body) }.into())
}

/// Where the class lets its volumes be.
fn in_topologies(class: &Class) -> Option<wire::core::VolumeNodeAffinity> {
    let allowed = class.body.allowed_topologies.as_ref().filter(|a| !a.is_empty())?;
    let term = |t: &wire::core::TopologySelectorTerm| {
        let expressions = t.match_label_expressions.iter().flatten();
        let expressions = expressions.map(|e| wire::core::NodeSelectorRequirement {
            key: e.key.clone(),
            operator: "In".to_owned(),
            values: Some(e.values.clone()),
        });
        wire::core::NodeSelectorTerm {
            match_expressions: Some(expressions.collect()),
            match_fields: None,
        }
    };
    let node_selector_terms = allowed.iter().map(term).collect();
    let required = Some(wire::core::NodeSelector { node_selector_terms });
    Some(wire::core::VolumeNodeAffinity { required })
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

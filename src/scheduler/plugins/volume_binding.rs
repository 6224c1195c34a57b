//! Claims that must be bound before their pod can run, and where they can be.
//!
//! Follows `pkg/scheduler/framework/plugins/volumebinding` (`volume_binding.go`, `binder.go`) and
//! `k8s.io/component-helpers/storage/volume`, `FindMatchingVolume`. Scoring is off in v1.36 (feature gate
//! StorageCapacityScoring). Left out: the translation of in-tree volumes to CSI.

use std::sync::Arc;

use super::volume_restrictions::not_found;
use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Labels, Selector};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource, Subject};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{Code, CycleState, Refusal};
use crate::scheduler::storage::{
    Claim, Reservation, Storage, StorageChange, Volume, claim_class, claim_size, class_reaches,
    is_bound, provisions, reaches, volume_class, volume_name, volume_nodes, volume_size,
};
use crate::scheduler::terms::NodeTerm;
use crate::scheduler::volumes::{ClaimRef, Source};

/// The plugin.
pub struct VolumeBinding;

const NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
const BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";
const NOT_ENOUGH: &str = "node(s) did not have enough free storage";
const NO_VOLUME: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const IMMEDIATE: &str = "pod has unbound immediate PersistentVolumeClaims";

/// The claims of the cycle's pod.
#[derive(Clone, Debug, Default)]
pub struct Filtering {
    /// Where each bound claim's volume can be reached from, in order; `None` where it does not exist.
    bound: Vec<Option<Option<Vec<NodeTerm>>>>,
    /// Claims that wait for this pod.
    delayed: Vec<Arc<Claim>>,
    /// Volumes of their classes, by name.
    volumes: Vec<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    volume: Arc<Volume>,
    size: Quantity,
    nodes: Option<Vec<NodeTerm>>,
    class: Str,
}

impl Plugin for VolumeBinding {
    fn id(&self) -> PluginId {
        PluginId::VolumeBinding
    }

    fn pre_filter(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
    ) -> Result<PreFilter, Refusal> {
        if !prep.pod.has_volumes() {
            return Ok(PreFilter::Skip);
        }
        let storage = &prep.world.storage;
        let mut claims = Vec::new();
        for used in prep.pod.claims() {
            claims.push(usable(storage, prep.pod, &used)?);
        }
        if claims.is_empty() {
            return Ok(PreFilter::Skip);
        }
        state.binding = Filtering::default();
        let s = &mut state.binding;
        for claim in claims {
            if is_bound(&claim) {
                let volume = storage.volumes.get(volume_name(&claim));
                s.bound.push(volume.map(|v| volume_nodes(v)));
            } else if volume_name(&claim).is_empty() && storage.waits_for_consumer(&claim) {
                s.delayed.push(claim);
            } else {
                return Err(Refusal::unresolvable(Str::new_static(IMMEDIATE)));
            }
        }
        s.volumes = candidates(storage, &s.delayed);
        Ok(PreFilter::Go)
    }

    fn filter(&self, view: &View<'_>, state: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let found = find(&view.world.storage, &state.binding, node);
        found.map(|_| ()).map_err(|reasons| Refusal {
            code: Code::UnschedulableAndUnresolvable,
            reasons: reasons.into_iter().map(Str::new_static).collect(),
        })
    }

    fn pre_score(&self, _: &mut Prep<'_>, _: &mut CycleState, _: &[u32]) -> Result<bool, Str> {
        Ok(false)
    }

    fn interests(&self) -> &'static [Interest] {
        const ANY: Action = Action::ADD.or(Action::UPDATE);
        const NODE: Action = Action::ADD.or(Action::NODE_LABEL);
        &[
            (Resource::StorageClass, ANY),
            (Resource::PersistentVolumeClaim, ANY),
            (Resource::PersistentVolume, ANY),
            (Resource::Node, NODE),
            (Resource::CsiNode, ANY),
            (Resource::CsiDriver, Action::UPDATE),
            (Resource::CsiStorageCapacity, ANY),
        ]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        let Subject::Storage(_, change) = &news.subject else { return true };
        match change {
            StorageChange::Claim(_, claim) => {
                claim.meta.namespace == *pod.namespace()
                    && pod.claims().any(|c| c.claim == claim.meta.name)
            }
            StorageChange::Class(Some(old), new) => {
                old.body.allowed_topologies != new.body.allowed_topologies
            }
            StorageChange::CsiNode(Some(old), new) => old.migrated != new.migrated,
            StorageChange::DriverStoppedTracking(driver) => {
                let of_driver = |s: &Source| matches!(s, Source::Csi(d) if d == driver);
                pod.template.volumes.iter().any(|v| of_driver(&v.source))
            }
            StorageChange::Capacity(Some(old), new) => {
                new.limit.is_some_and(|new| old.limit.is_none_or(|old| new > old))
            }
            StorageChange::Class(None, _)
            | StorageChange::Volume(..)
            | StorageChange::CsiNode(None, _)
            | StorageChange::Capacity(None, _)
            | StorageChange::Gone => true,
        }
    }
}

/// What a pod would take on a node that has passed the filter: nothing where all its claims are bound.
pub fn reservation(view: &View<'_>, state: &CycleState, node: &NodeInfo) -> Reservation {
    if state.skip_filter.contains(PluginId::VolumeBinding) {
        return Reservation::default();
    }
    find(&view.world.storage, &state.binding, node).unwrap_or_default()
}

/// A claim of the pod that could be used (`podHasPVCs`).
fn usable(storage: &Storage, pod: &PodInfo, used: &ClaimRef) -> Result<Arc<Claim>, Refusal> {
    let name = used.claim.as_str();
    let refuse = |text: String| Err(Refusal::unresolvable(text));
    let Some(claim) = storage.claim(pod.namespace(), &used.claim) else {
        if !used.ephemeral {
            return Err(not_found(&used.claim));
        }
        return refuse(format!(
            "waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}"
        ));
    };
    let phase = claim.body.status.as_ref().and_then(|s| s.phase.as_deref());
    if phase == Some("Lost") {
        let volume = volume_name(claim);
        return refuse(format!(
            "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
        ));
    }
    if claim.meta.is_terminating() {
        return refuse(format!("persistentvolumeclaim {name:?} is being deleted"));
    }
    if used.ephemeral && claim.meta.controller().is_none_or(|o| o.uid != pod.uid()) {
        let (namespace, pod) = (pod.namespace(), pod.name());
        return refuse(format!(
            "PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"
        ));
    }
    Ok(claim.clone())
}

/// The volumes of the classes of claims that wait.
fn candidates(storage: &Storage, delayed: &[Arc<Claim>]) -> Vec<Candidate> {
    if delayed.is_empty() {
        return Vec::new();
    }
    let classes: Vec<Str> = delayed.iter().map(|c| claim_class(c)).collect();
    let candidate = |volume: &Arc<Volume>| {
        let class = volume_class(volume);
        classes.contains(&class).then(|| Candidate {
            size: volume_size(volume),
            nodes: volume_nodes(volume),
            volume: volume.clone(),
            class,
        })
    };
    storage.volumes.values().filter_map(candidate).collect()
}

/// What the pod would take on a node, or why it cannot be had there (`FindPodVolumes`).
fn find(
    storage: &Storage,
    s: &Filtering,
    node: &NodeInfo,
) -> Result<Reservation, Vec<&'static str>> {
    let mut reasons = Vec::new();
    let mut missing = false;
    for volume in &s.bound {
        let Some(nodes) = volume else {
            missing = true;
            break;
        };
        if !reaches(nodes.as_deref(), node.labels()) {
            reasons.push(NODE_CONFLICT);
            break;
        }
    }
    let found = find_delayed(storage, s, node);
    if let Err(reason) = &found {
        reasons.push(reason);
    }
    if missing {
        reasons.push(NO_VOLUME);
    }
    found.ok().filter(|_| reasons.is_empty()).ok_or(reasons)
}

fn find_delayed(
    storage: &Storage,
    s: &Filtering,
    node: &NodeInfo,
) -> Result<Reservation, &'static str> {
    let mut reservation = Reservation::default();
    let (mut to_match, mut to_provision): (Vec<&Arc<Claim>>, Vec<&Arc<Claim>>) = (vec![], vec![]);
    for claim in &s.delayed {
        match storage.selected_node(claim) {
            Some(selected) if *selected != node.name => return Err(BIND_CONFLICT),
            Some(_) => to_provision.push(claim),
            None => to_match.push(claim),
        }
    }
    let size = |c: &Arc<Claim>| claim_size(c).unwrap_or(Quantity::ZERO);
    to_match.sort_by_key(|a| size(a));
    for claim in to_match {
        match matching(storage, s, claim, node.labels(), &reservation) {
            Some(volume) => {
                reservation.bind.push((claim.meta.key(), volume.meta.name.clone()));
            }
            None => to_provision.push(claim),
        }
    }
    for claim in to_provision {
        let class = storage.classes.get(&claim_class(claim)).filter(|c| provisions(c));
        let class = class.filter(|c| class_reaches(c, node.labels())).ok_or(BIND_CONFLICT)?;
        let (provisioner, name) = (&class.body.provisioner, &class.meta.name);
        if !has_capacity(storage, provisioner, name, claim, node.labels()) {
            return Err(NOT_ENOUGH);
        }
        reservation.provision.push(claim.meta.key());
    }
    Ok(reservation)
}

/// The volume that a claim would take on a node (`FindMatchingVolume`).
fn matching<'a>(
    storage: &Storage,
    s: &'a Filtering,
    claim: &Claim,
    node: &Labels,
    reservation: &Reservation,
) -> Option<&'a Arc<Volume>> {
    let wanted = claim_size(claim).unwrap_or(Quantity::ZERO);
    let class = claim_class(claim);
    let key = claim.meta.key();
    let spec = claim.body.spec.as_ref()?;
    let selector = spec.selector.as_ref().map(|s| Selector::compile(Some(s)));
    let selector = selector.and_then(Result::ok);
    let mut best: Option<&Candidate> = None;
    for c in s.volumes.iter().filter(|c| c.class == class) {
        let volume = &*c.volume;
        if reservation.bind.iter().any(|(_, taken)| *taken == volume.meta.name) {
            continue;
        }
        let owner = storage.owner_of(volume);
        let is_mine = owner.as_ref().is_some_and(|(owner, uid)| {
            *owner == key && uid.is_none_or(|uid| uid == claim.meta.uid)
        });
        let fits = c.size >= wanted && same_kind(claim, volume) && !volume.meta.is_terminating();
        if (owner.is_some() && !is_mine) || !fits {
            continue;
        }
        let near = reaches(c.nodes.as_deref(), node);
        if is_mine {
            return near.then_some(&c.volume);
        }
        let selected = selector.as_ref().is_none_or(|s| s.matches(&volume.meta.labels));
        let free = is_available(volume) && selected && near && has_modes(claim, volume);
        if free && best.is_none_or(|b| b.size > c.size) {
            best = Some(c);
        }
    }
    best.map(|c| &c.volume)
}

/// Whether volume mode and attributes class are equal.
fn same_kind(claim: &Claim, volume: &Volume) -> bool {
    let (a, b) = (claim.body.spec.as_ref(), volume.body.spec.as_ref());
    let mode = |m: Option<&str>| m.unwrap_or("Filesystem").to_owned();
    let modes = (
        mode(a.and_then(|s| s.volume_mode.as_deref())),
        mode(b.and_then(|s| s.volume_mode.as_deref())),
    );
    let class = |c: Option<&str>| c.unwrap_or_default().to_owned();
    let classes = (
        class(a.and_then(|s| s.volume_attributes_class_name.as_deref())),
        class(b.and_then(|s| s.volume_attributes_class_name.as_deref())),
    );
    modes.0 == modes.1 && classes.0 == classes.1
}

fn is_available(volume: &Volume) -> bool {
    volume.body.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Available")
}

/// Whether a volume has all the access modes of a claim (`CheckAccessModes`).
fn has_modes(claim: &Claim, volume: &Volume) -> bool {
    let wanted = claim.body.spec.as_ref().and_then(|s| s.access_modes.as_deref());
    let offered = volume.body.spec.as_ref().and_then(|s| s.access_modes.as_deref());
    let offered = offered.unwrap_or_default();
    wanted.unwrap_or_default().iter().all(|m| offered.contains(m))
}

/// Whether a driver that tracks its capacity has enough near a node (`hasEnoughCapacity`).
pub fn has_capacity(
    storage: &Storage,
    provisioner: &str,
    class: &str,
    claim: &Claim,
    node: &Labels,
) -> bool {
    let Some(size) = claim_size(claim) else { return true };
    if !storage.drivers.get(provisioner).copied().unwrap_or(false) {
        return true;
    }
    storage.capacities.values().any(|c| {
        c.class == class
            && c.limit.is_some_and(|limit| limit >= size.value())
            && c.nodes.as_ref().is_some_and(|s| s.matches(node))
    })
}

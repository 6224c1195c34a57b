//! Claims and volumes: binding, provisioning, reclaiming, protection.
//!
//! Follows `pkg/controller/volume/persistentvolume/pv_controller.go` (`syncUnboundClaim`,
//! `syncBoundClaim`, `syncVolume`; everything is looked at again every 15 s while a claim waits) and
//! `pkg/controller/volume/{pvcprotection,pvprotection}`. Classes whose provisioner is
//! `kubernetes.io/no-provisioner` bind to volumes that exist; for every other provisioner a model of
//! an external one makes a volume of the size that is asked for, one second after it is asked.
//!
//! [`expand`] lets claims grow. Left out: recycling (a volume that asks for it fails, as one without a
//! recycler does), volume health, and provisioners that fail.

mod binding;
mod expand;
mod protection;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::binding::Plan;
use self::expand::Stage;
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::view::View;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Object, Pod, Uid, Whole, wire};
use crate::store::{Delta, Reply, Request};
use crate::trace::{Change, EventType, Waiting};

pub use protection::ProtectionController;

pub(super) type Claim = Whole<wire::core::PersistentVolumeClaim>;
pub(super) type Volume = Whole<wire::core::PersistentVolume>;
pub(super) type Class = Whole<wire::storage::StorageClass>;

/// The controller looks at everything again in this period (`--pvclaimbinder-sync-period`).
const RESYNC: Duration = Duration::from_secs(15);
/// The time that the model of an external provisioner takes.
const PROVISIONING: Duration = Duration::from_secs(1);
/// Says that the controller chose the other side of a binding.
pub(super) const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Says that a claim's binding is done.
pub(super) const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// The node that the scheduler has chosen for a claim's first pod.
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Who made a volume.
pub(super) const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// The class of a claim or volume, before there was a field for it.
pub(super) const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// Who shall make the volume of a claim.
const PROVISIONERS: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];
/// Provisioners that were part of Kubernetes, and the drivers that they became
/// (`k8s.io/csi-translation-lib`).
const MIGRATED: [(&str, &str); 7] = [
    ("kubernetes.io/aws-ebs", "ebs.csi.aws.com"),
    ("kubernetes.io/azure-disk", "disk.csi.azure.com"),
    ("kubernetes.io/azure-file", "file.csi.azure.com"),
    ("kubernetes.io/cinder", "cinder.csi.openstack.org"),
    ("kubernetes.io/gce-pd", "pd.csi.storage.gke.io"),
    ("kubernetes.io/portworx-volume", "pxd.portworx.com"),
    ("kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com"),
];

/// What is synced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A claim.
    Claim(Key),
    /// A volume, by name.
    Volume(Str),
}

/// The controller that binds claims to volumes.
#[derive(Clone, Debug, Default)]
pub struct PersistentVolumeController {
    /// When the model's provisioner was asked for a claim.
    asked: BTreeMap<Uid, SimTime>,
    /// Since when a claim's volume grows.
    growing: BTreeMap<Uid, SimTime>,
    /// Claims whose file system grows with the next pod that runs with it.
    grown: BTreeSet<Key>,
}

/// A sync that waits for replies: what is still to be asked for, in order.
#[derive(Clone, Debug, Default)]
pub struct Rest(Vec<Request>);

impl Controller for PersistentVolumeController {
    type Key = Item;
    type Work = Rest;

    const HEARS: Kinds = Kinds::of(&[
        Kind::PersistentVolumeClaim,
        Kind::PersistentVolume,
        Kind::StorageClass,
        Kind::Pod,
    ]);
    const NAME: &'static str = "persistentvolume-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Item>,
    ) {
        match (kind, delta.new) {
            (Kind::PersistentVolumeClaim, Object::PersistentVolumeClaim(claim)) => {
                if delta.change == Change::Deleted {
                    self.asked.remove(&claim.meta.uid);
                    self.growing.remove(&claim.meta.uid);
                    self.grown.remove(&claim.meta.key());
                    if let Some(volume) = volume_name(claim) {
                        queue.add(Item::Volume(volume), delta.fact);
                    }
                } else {
                    queue.add(Item::Claim(claim.meta.key()), delta.fact);
                }
            }
            (Kind::PersistentVolume, Object::PersistentVolume(volume)) => {
                queue.add(Item::Volume(volume.meta.name.clone()), delta.fact);
                if let Some(claim) = binding::claim_of(volume) {
                    queue.add(Item::Claim(claim), delta.fact);
                }
            }
            (Kind::StorageClass, _) => {
                for (_, claim) in view.kind(Kind::PersistentVolumeClaim).iter() {
                    queue.add(Item::Claim(claim.key()), delta.fact);
                }
            }
            (Kind::Pod, Object::Pod(pod)) if !self.grown.is_empty() && runs(pod) => {
                for claim in protection::claims_of(pod).filter(|c| self.grown.contains(c)) {
                    queue.add(Item::Claim(claim), delta.fact);
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Item, cx: &mut SyncCx<'_, '_>) -> Step<Rest> {
        match key {
            Item::Volume(name) => {
                let key = Key::new("", name.clone());
                let Some(volume) = cx.view.typed::<Volume>(Kind::PersistentVolume, &key) else {
                    return Step::done();
                };
                let claim = binding::claim_of(volume)
                    .and_then(|key| cx.view.typed::<Claim>(Kind::PersistentVolumeClaim, &key));
                carry_out(binding::plan_volume(volume, claim.map(|c| &**c)), cx)
            }
            Item::Claim(key) => {
                let claim = cx.view.typed::<Claim>(Kind::PersistentVolumeClaim, key);
                let Some(claim) = claim.map(Arc::clone) else { return Step::done() };
                self.sync_claim(&claim, cx)
            }
        }
    }

    fn resume(
        &mut self,
        _key: &Item,
        Rest(mut rest): Rest,
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<Rest> {
        if replies.iter().any(Result::is_err) {
            return Step::failed();
        }
        // Each answer carries the revision that the next write of the same object builds on.
        for object in replies.into_iter().flatten().flatten() {
            for request in &mut rest {
                if let Request::Update(next) | Request::UpdateStatus(next) = request
                    && next.meta().uid == object.meta().uid
                {
                    next.meta_mut().resource_version = 0;
                }
            }
        }
        next(rest)
    }
}

/// Asks for the first of several requests and keeps the others.
fn next(mut requests: Vec<Request>) -> Step<Rest> {
    if requests.is_empty() {
        return Step::done();
    }
    let first = requests.remove(0);
    Step::ask(first, Rest(requests))
}

/// Says what is to be said, and asks for the rest.
fn carry_out(plan: Plan, cx: &mut SyncCx<'_, '_>) -> Step<Rest> {
    for (object, event_type, reason, text) in plan.events {
        cx.event(&object, event_type, reason, text);
    }
    next(plan.requests)
}

impl PersistentVolumeController {
    fn sync_claim(&mut self, claim: &Arc<Claim>, cx: &mut SyncCx<'_, '_>) -> Step<Rest> {
        if claim.meta.annotations.get(BIND_COMPLETED).is_some() {
            return self.sync_bound(claim, cx);
        }
        if claim.meta.is_terminating() {
            return Step::done();
        }
        if let Some(name) = volume_name(claim) {
            return sync_named(claim, name, cx);
        }
        let object = Object::PersistentVolumeClaim(Arc::clone(claim));
        if let Some(volume) = match_of(claim, cx) {
            return next(binding::bind(claim, volume));
        }
        if let Some(request) = default_class(claim, cx) {
            return next(vec![request]);
        }
        let class_name = class_of(claim);
        if class_name.is_empty() {
            let text = "no persistent volumes available for this claim and no storage class is set";
            cx.event(&object, EventType::Normal, "FailedBinding", text);
            return wait(&object, cx.now, "a volume that fits: it names no storage class");
        }
        let key = Key::new("", class_name.clone());
        let Some(class) = cx.view.typed::<Class>(Kind::StorageClass, &key) else {
            let text = format!("storageclass.storage.k8s.io {class_name:?} not found");
            cx.event(&object, EventType::Warning, "ProvisioningFailed", text);
            let on = format!("storage class {class_name}, which does not exist");
            return wait(&object, cx.now, &on);
        };
        let class = Arc::clone(class);
        if waits_for_consumer(&class) && claim.meta.annotations.get(SELECTED_NODE).is_none() {
            return wait_for_consumer(&object, claim, cx);
        }
        let Some(provisioner) = external(&class.body.provisioner) else {
            let text = format!("no volume plugin matched name: {}", class.body.provisioner);
            cx.event(&object, EventType::Warning, "ProvisioningFailed", text);
            return wait(&object, cx.now, "a volume that fits: its class makes none");
        };
        self.provision(claim, &class, provisioner, cx)
    }

    /// A claim whose binding was completed: it may be lost, and it may grow.
    fn sync_bound(&mut self, claim: &Arc<Claim>, cx: &mut SyncCx<'_, '_>) -> Step<Rest> {
        let volume = volume_name(claim)
            .and_then(|n| cx.view.typed::<Volume>(Kind::PersistentVolume, &Key::new("", n)));
        let plan = binding::complete(claim, volume);
        let Some(volume) = volume.filter(|_| plan.requests.is_empty()).map(Arc::clone) else {
            return carry_out(plan, cx);
        };
        let (key, uid) = (claim.meta.key(), claim.meta.uid);
        match expand::stage(claim) {
            Stage::None => Step::done(),
            Stage::Asked => {
                self.growing.insert(uid, cx.now);
                carry_out(expand::begin(claim, cx.now), cx)
            }
            Stage::Growing => {
                let due = *self.growing.entry(uid).or_insert(cx.now) + expand::RESIZING;
                if cx.now < due {
                    return Step::again_at(due);
                }
                carry_out(expand::grow(claim, &volume, cx.now), cx)
            }
            Stage::Grown => {
                let mut pods = cx.view.pods_in(&claim.meta.namespace);
                if pods.any(|p| runs(p) && protection::claims_of(p).any(|c| c == key)) {
                    self.grown.remove(&key);
                    return carry_out(expand::finish(claim), cx);
                }
                self.grown.insert(key);
                Step::done()
            }
        }
    }

    /// The model of an external provisioner.
    fn provision(
        &mut self,
        claim: &Arc<Claim>,
        class: &Class,
        provisioner: &str,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Rest> {
        if let Some(request) = name_provisioner(claim, provisioner) {
            return next(vec![request]);
        }
        let object = Object::PersistentVolumeClaim(Arc::clone(claim));
        match self.asked.get(&claim.meta.uid) {
            None => {
                self.asked.insert(claim.meta.uid, cx.now);
                let text = format!(
                    "Waiting for a volume to be created either by the external provisioner \
                     '{provisioner}' or manually by the system administrator. If volume creation is \
                     delayed, please verify that the provisioner is running and correctly registered."
                );
                cx.event(&object, EventType::Normal, "ExternalProvisioning", text);
                cx.assume(
                    format!("provisioner {provisioner}"),
                    "makes a volume of the size that is asked for within a second",
                );
                Step::again_at(cx.now + PROVISIONING)
            }
            Some(asked) if cx.now < *asked + PROVISIONING => Step::again_at(*asked + PROVISIONING),
            Some(_) => Step::ask(binding::provisioned(claim, class), Rest::default()),
        }
    }
}

/// A claim that names a volume gets that one or none.
fn sync_named(claim: &Arc<Claim>, name: Str, cx: &mut SyncCx<'_, '_>) -> Step<Rest> {
    let object = Object::PersistentVolumeClaim(Arc::clone(claim));
    let key = Key::new("", name.clone());
    let Some(volume) = cx.view.typed::<Volume>(Kind::PersistentVolume, &key).map(Arc::clone) else {
        return wait(&object, cx.now, &format!("volume {name}, which does not exist"));
    };
    if !binding::is_free_for(&volume, claim) {
        let text = format!("volume {name:?} already bound to a different claim.");
        cx.event(&object, EventType::Warning, "FailedBinding", text);
        return wait(&object, cx.now, &format!("volume {name}, which another claim has"));
    }
    if binding::claim_of(&volume).is_none()
        && let Some(why) = binding::mismatch(&volume, claim)
    {
        let text = format!("Cannot bind to requested volume {name:?}: {why}");
        cx.event(&object, EventType::Warning, "VolumeMismatch", text);
        return wait(&object, cx.now, &format!("volume {name} to suit it: {why}"));
    }
    next(binding::bind(claim, &volume))
}

/// The volume that fits a claim best; volumes of a class that waits for its consumer are chosen by the
/// scheduler.
fn match_of<'a>(claim: &Claim, cx: &SyncCx<'a, '_>) -> Option<&'a Arc<Volume>> {
    let key = Key::new("", class_of(claim));
    let class = cx.view.typed::<Class>(Kind::StorageClass, &key);
    let volumes = cx.view.kind(Kind::PersistentVolume).iter();
    let volumes = volumes.filter_map(|(_, o)| <&Arc<Volume>>::try_from(o).ok());
    let late = class.is_some_and(|c| waits_for_consumer(c));
    binding::best_match(claim, volumes, late)
}

/// A claim that says nothing of a class gets the default one, though it came later
/// (`assignDefaultStorageClass`): of several the newest, then the first by name.
fn default_class(claim: &Claim, cx: &SyncCx<'_, '_>) -> Option<Request> {
    const DEFAULT: [&str; 2] = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    let named = claim.body.spec.as_ref().is_some_and(|s| s.storage_class_name.is_some());
    if named || claim.meta.annotations.get(BETA_CLASS).is_some() {
        return None;
    }
    let classes = cx.view.kind(Kind::StorageClass).iter().map(|(_, o)| o.meta());
    let is_default = |m: &&crate::model::Meta| {
        DEFAULT.iter().any(|key| m.annotations.get(key).is_some_and(|v| v == "true"))
    };
    let newest = classes
        .filter(is_default)
        .min_by_key(|m| (std::cmp::Reverse(m.created), m.name.clone()))?;
    let mut new = claim.clone();
    let spec = Arc::make_mut(&mut new.body).spec.get_or_insert_default();
    spec.storage_class_name = Some(newest.name.to_string());
    Some(Request::Update(new.into()))
}

/// Who makes the volumes of a class, outside of Kubernetes; `None` where nobody does.
fn external(provisioner: &str) -> Option<&str> {
    match MIGRATED.iter().find(|(old, _)| *old == provisioner) {
        Some((_, driver)) => Some(driver),
        None => (!provisioner.starts_with("kubernetes.io/")).then_some(provisioner),
    }
}

/// The claim says who shall make its volume (`setClaimProvisioner`).
fn name_provisioner(claim: &Claim, provisioner: &str) -> Option<Request> {
    let annotations = &claim.meta.annotations;
    let says = |key: &&str| annotations.get(key).is_some_and(|p| p == provisioner);
    if PROVISIONERS.iter().all(says) {
        return None;
    }
    let changes = PROVISIONERS
        .iter()
        .map(|key| crate::store::MetaChange::Annotation((*key).into(), Some(provisioner.into())));
    Some(Request::PatchMeta {
        target: Object::from(claim.clone()).reference(),
        uid: claim.meta.uid,
        changes: changes.collect(),
    })
}

fn runs(pod: &Pod) -> bool {
    pod.status.phase == crate::model::Phase::Running && !pod.meta.is_terminating()
}

/// A claim of a class that waits for its first consumer says whom it waits for
/// (`ctrl.emitEventForUnboundDelayBindingClaim`).
fn wait_for_consumer(object: &Object, claim: &Claim, cx: &mut SyncCx<'_, '_>) -> Step<Rest> {
    let uses = |p: &&Arc<Pod>| {
        let own = p.identity.iter().flat_map(|i| &i.claims).map(|(_, c)| c.as_str());
        let volumes = p.spec.wire.volumes.iter().flatten();
        let shared = volumes.filter_map(|v| v.persistent_volume_claim.as_ref());
        own.chain(shared.map(|c| c.claim_name.as_str())).any(|c| c == claim.meta.name)
    };
    let pods = cx.view.pods_in(&claim.meta.namespace).filter(uses);
    let names: Vec<String> =
        pods.filter(|p| p.node.is_none()).map(|p| p.meta.name.to_string()).collect();
    let (reason, text) = match names.as_slice() {
        [] => (
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding".to_owned(),
        ),
        [one] => ("WaitForPodScheduled", format!("waiting for pod {one} to be scheduled")),
        many => {
            ("WaitForPodScheduled", format!("waiting for pods {} to be scheduled", many.join(",")))
        }
    };
    cx.event(object, EventType::Normal, reason, text.clone());
    let on = text.trim_start_matches("waiting for ").to_owned();
    wait(object, cx.now, &on)
}

fn wait(object: &Object, now: SimTime, on: &str) -> Step<Rest> {
    let waiting = Waiting { object: object.reference(), uid: object.meta().uid, on: on.into() };
    Step::Done(Done { retry: Retry::At(now + RESYNC), waiting: Some(waiting) })
}

/// The volume that a claim names.
pub(super) fn volume_name(claim: &Claim) -> Option<Str> {
    let name = claim.body.spec.as_ref()?.volume_name.as_deref()?;
    (!name.is_empty()).then(|| name.into())
}

/// The class that a claim names; empty for none.
pub(super) fn class_of(claim: &Claim) -> Str {
    let spec = claim.body.spec.as_ref();
    let named = spec.and_then(|s| s.storage_class_name.as_deref()).unwrap_or_default();
    claim.meta.annotations.get(BETA_CLASS).cloned().unwrap_or_else(|| named.into())
}

fn waits_for_consumer(class: &Class) -> bool {
    class.body.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
}

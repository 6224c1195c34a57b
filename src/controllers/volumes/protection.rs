//! Protection: a claim that a pod uses and a volume that a claim uses stay until they are free.
//!
//! Follows `pkg/controller/volume/pvcprotection` and `pvprotection`.

use std::sync::Arc;

use super::{Item, Volume};
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Meta, Object, Pod, finalizers};
use crate::store::{Delta, MetaChange, Reply, Request};
use crate::trace::Waiting;

/// The controller that takes the protecting finalizers away.
#[derive(Clone, Debug, Default)]
pub struct ProtectionController;

impl Controller for ProtectionController {
    type Key = Item;
    type Work = ();

    const HEARS: Kinds =
        Kinds::of(&[Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::Pod]);
    const NAME: &'static str = "pvc-protection-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Item>,
    ) {
        match delta.new {
            Object::PersistentVolumeClaim(claim) if protected(&claim.meta) => {
                queue.add(Item::Claim(claim.meta.key()), delta.fact);
            }
            Object::PersistentVolume(volume) if protected(&volume.meta) => {
                queue.add(Item::Volume(volume.meta.name.clone()), delta.fact);
            }
            Object::Pod(pod) => {
                let was_over = matches!(delta.old, Some(Object::Pod(old)) if over(old));
                let is_over = over(pod) || delta.change == crate::trace::Change::Deleted;
                if is_over && !was_over || delta.change == crate::trace::Change::Deleted {
                    for claim in claims_of(pod) {
                        queue.add(Item::Claim(claim), delta.fact);
                    }
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Item, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        let (object, user, finalizer) = match key {
            Item::Claim(key) => {
                let Some(object) = cx.view.get(Kind::PersistentVolumeClaim, key) else {
                    return Step::done();
                };
                let user = cx
                    .view
                    .pods_in(&key.namespace)
                    .find(|p| !over(p) && claims_of(p).any(|c| c == *key))
                    .map(|p| format!("pod {} to go", p.meta.name));
                (object, user, finalizers::PVC_PROTECTION)
            }
            Item::Volume(name) => {
                let Some(object) = cx.view.get(Kind::PersistentVolume, &Key::new("", name.clone()))
                else {
                    return Step::done();
                };
                let bound = <&Arc<Volume>>::try_from(object).ok().filter(|v| {
                    v.body.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound")
                });
                let user = bound.map(|_| "its claim to go".to_owned());
                (object, user, finalizers::PV_PROTECTION)
            }
        };
        if !protected(object.meta()) {
            return Step::done();
        }
        let (target, uid) = (object.reference(), object.meta().uid);
        if let Some(on) = user {
            let waiting = Waiting { object: target, uid, on: on.into() };
            return Step::Done(Done { retry: Retry::OnNews, waiting: Some(waiting) });
        }
        let changes = vec![MetaChange::RemoveFinalizer(finalizer.into())];
        Step::ask(Request::PatchMeta { target, uid, changes }, ())
    }

    fn resume(
        &mut self,
        _key: &Item,
        _work: (),
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        let refused = replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404));
        if refused { Step::failed() } else { Step::done() }
    }
}

/// Whether the object is being deleted and only protection keeps it.
fn protected(meta: &Meta) -> bool {
    meta.is_terminating()
        && (meta.has_finalizer(finalizers::PVC_PROTECTION)
            || meta.has_finalizer(finalizers::PV_PROTECTION))
}

/// Whether a pod no longer uses its claims.
fn over(pod: &Pod) -> bool {
    pod.status.phase.is_terminal()
}

/// The claims that a pod uses.
pub(super) fn claims_of(pod: &Pod) -> impl Iterator<Item = Key> {
    let own = pod.identity.iter().flat_map(|i| &i.claims).map(|(_, claim)| claim.clone());
    let volumes = pod.spec.wire.volumes.iter().flatten();
    let shared = volumes.filter_map(|v| v.persistent_volume_claim.as_ref());
    let shared = shared.map(|c| crate::base::Str::from(c.claim_name.as_str()));
    own.chain(shared).map(|name| Key { namespace: pod.meta.namespace.clone(), name })
}

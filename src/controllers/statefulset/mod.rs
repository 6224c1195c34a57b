//! StatefulSets: pods with stable names and claims, made and replaced in order.
//!
//! Follows `pkg/controller/statefulset`. The event handlers stand here; the sync is a script
//! ([`sync`]) over what was known when it began: the set, its pods, revisions and claims.

pub mod identity;
mod members;
pub mod retention;
mod revisions;
mod status;
mod sync;

use std::sync::Arc;

use self::sync::Inputs;
use super::consistency::Wrote;
use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::script::{self, Aside, Run};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Meta, Object, OwnerRef, Pod, Ref, StatefulSet, Uid};
use crate::store::{ApiError, Delta, Reply};
use crate::trace::{Change, Waiting};

/// The StatefulSet controller.
#[derive(Debug, Default)]
pub struct StatefulSetController {
    wrote: Wrote<Key>,
}

impl Controller for StatefulSetController {
    type Key = Key;
    type Work = Run<Inputs>;
    const NAME: &'static str = "statefulset-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::StatefulSet, new) => queue.add(new.meta().key(), delta.fact),
            (Kind::Pod, Object::Pod(pod)) => observe_pod(pod, delta, view, now, queue),
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Run<Inputs>> {
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let Some(set) = cx.view.typed::<StatefulSet>(Kind::StatefulSet, key) else {
            return Step::done();
        };
        let (inputs, object) = (gather(set, cx.view), about(set));
        script::begin(inputs, cx, sync::sync, |aside| self.hear(key, &aside))
            .step(|e| failed(object, &e))
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Run<Inputs>,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Run<Inputs>> {
        let object = about(&work.inputs.set);
        script::go_on(work, replies, cx, sync::sync, |aside| self.hear(key, &aside))
            .step(|e| failed(object, &e))
    }
}

impl StatefulSetController {
    fn hear(&mut self, key: &Key, aside: &Aside) {
        if let Aside::Wrote(kind, revision) = aside
            && [Kind::Pod, Kind::PersistentVolumeClaim, Kind::StatefulSet].contains(kind)
        {
            self.wrote.wrote(key, *kind, *revision);
        }
    }
}

fn about(set: &StatefulSet) -> (Ref, Uid) {
    (Ref { kind: Kind::StatefulSet, key: set.meta.key() }, set.meta.uid)
}

fn failed((object, uid): (Ref, Uid), error: &ApiError) -> Done {
    let on = smol_str::format_smolstr!("the API server to accept its request: {error}");
    Done { retry: Retry::BackOff, waiting: Some(Waiting { object, uid, on }) }
}

/// What a sync begins with.
fn gather(set: &Arc<StatefulSet>, view: &View) -> Inputs {
    let meta = &set.meta;
    let as_pod = |o: &Object| <&Arc<Pod>>::try_from(o).ok().cloned();
    let orphans = view.orphans(&meta.namespace, Kind::Pod).filter_map(as_pod);
    let pods: Vec<Arc<Pod>> = view.pods_of(meta.uid).cloned().chain(orphans).collect();
    let own = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == meta.uid);
    let revisions = view
        .owned_by(meta.uid, Kind::ControllerRevision)
        .filter(own)
        .chain(view.orphans(&meta.namespace, Kind::ControllerRevision))
        .filter(|o| set.spec.selector.matches(&o.meta().labels))
        .filter_map(|o| <&revisions::Stored>::try_from(o).ok().cloned())
        .collect();
    let claims = sync::claim_references(set, &pods)
        .iter()
        .filter_map(|r| {
            let claim = view.typed::<identity::Claim>(r.kind, &r.key)?;
            Some((r.key.name.clone(), claim.clone()))
        })
        .collect();
    Inputs { set: set.clone(), pods, revisions, claims }
}

/// The set that an owner reference names, if it is still that one (`resolveControllerRef`).
fn resolve<'a>(view: &'a View, of: &Meta, owner: &OwnerRef) -> Option<&'a Arc<StatefulSet>> {
    let found = view.by_uid(owner.uid)?.try_into().ok();
    found.filter(|s: &&Arc<StatefulSet>| s.meta.namespace == of.namespace)
}

/// `addPod`, `updatePod` and `deletePod`.
fn observe_pod(
    pod: &Arc<Pod>,
    delta: &Delta<'_>,
    view: &View,
    now: SimTime,
    queue: &mut WorkQueue<Key>,
) {
    let owner = pod.meta.controller();
    let old: Option<&Arc<Pod>> = delta.old.and_then(|o| o.try_into().ok());
    let was = old.and_then(|o| o.meta.controller());
    let deleted = delta.change == Change::Deleted;
    if !deleted
        && was != owner
        && let Some(was) = was
        && let Some(set) = resolve(view, &pod.meta, was)
    {
        queue.add(set.meta.key(), delta.fact);
    }
    if let Some(owner) = owner {
        let Some(set) = resolve(view, &pod.meta, owner) else { return };
        queue.add(set.meta.key(), delta.fact);
        let wait = sync::min_ready_seconds(set);
        if wait > 0 && pod.is_ready() && old.is_some_and(|o| !o.is_ready()) {
            let at = now + std::time::Duration::from_secs(wait.into());
            queue.add_at(at, set.meta.key(), delta.fact);
        }
    } else if !deleted
        && old.is_none_or(|o| o.meta.labels != pod.meta.labels || was.is_some())
        && !pod.meta.labels.is_empty()
    {
        for object in view.in_namespace(&pod.meta.namespace, Kind::StatefulSet) {
            if let Object::StatefulSet(set) = object
                && !set.spec.selector.is_empty()
                && set.spec.selector.matches(&pod.meta.labels)
            {
                queue.add(set.meta.key(), delta.fact);
            }
        }
    }
}

//! Deployments: ReplicaSets that are rolled out one after the other.
//!
//! Follows `pkg/controller/deployment`. The event handlers stand here; the sync is a script
//! ([`sync`]) over what was known when it began: the Deployment, its ReplicaSets and those of nobody.

pub mod annotations;
pub mod corpus;
pub mod numbers;
mod rollback;
mod rollout;
pub mod status;
pub mod sync;

use std::sync::Arc;

use self::sync::Inputs;
use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::script::{self, Run};
use super::view::View;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Deployment, Key, Kind, Meta, Object, OwnerRef, Pod, ReplicaSet, Uid};
use crate::store::{ApiError, Delta, Reply};
use crate::trace::{Change, FactId, Waiting};

/// How often a failing Deployment is tried again before it is left alone (`maxRetries`).
const MAX_RETRIES: u32 = 15;

/// The Deployment controller.
#[derive(Debug, Default)]
pub struct DeploymentController;

impl Controller for DeploymentController {
    type Key = Key;
    type Work = Run<Inputs>;
    const NAME: &'static str = "deployment-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::Deployment, new) => queue.add(new.meta().key(), delta.fact),
            (Kind::ReplicaSet, Object::ReplicaSet(set)) => observe_set(set, delta, view, queue),
            (Kind::Pod, Object::Pod(pod)) if delta.change == Change::Deleted => {
                observe_deleted_pod(pod, delta.fact, view, queue);
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Run<Inputs>> {
        let Some(deployment) = cx.view.typed::<Deployment>(Kind::Deployment, key) else {
            return Step::done();
        };
        let inputs = gather(deployment, cx.view);
        let object = about(deployment);
        let failures = cx.failures;
        script::begin(inputs, cx, sync::sync, |_| {}).step(|e| failed(object, failures, &e))
    }

    fn resume(
        &mut self,
        _key: &Key,
        work: Run<Inputs>,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Run<Inputs>> {
        let object = about(&work.inputs.deployment);
        let failures = cx.failures;
        script::go_on(work, replies, cx, sync::sync, |_| {}).step(|e| failed(object, failures, &e))
    }
}

/// The name of a Deployment's ReplicaSet with that hash (`generateReplicaSetName`).
pub fn replica_set_name(deployment: &str, hash: &str) -> Str {
    /// `validation.DNS1123SubdomainMaxLength`.
    const LONGEST: usize = 253;
    let most = LONGEST.saturating_sub(hash.len() + 1);
    let prefix = deployment.get(..most).filter(|_| most > 0).unwrap_or(deployment);
    smol_str::format_smolstr!("{prefix}-{hash}")
}

fn about(deployment: &Deployment) -> (crate::model::Ref, Uid) {
    let meta = &deployment.meta;
    (crate::model::Ref { kind: Kind::Deployment, key: meta.key() }, meta.uid)
}

/// `handleErr`.
fn failed((object, uid): (crate::model::Ref, Uid), failures: u32, error: &ApiError) -> Done {
    let gives_up = error.is_namespace_terminating() || failures >= MAX_RETRIES;
    let retry = if gives_up { Retry::OnNews } else { Retry::BackOff };
    let on = smol_str::format_smolstr!("the API server to accept its request: {error}");
    Done { retry, waiting: (!error.is_conflict()).then_some(Waiting { object, uid, on }) }
}

/// What a sync begins with.
fn gather(deployment: &Arc<Deployment>, view: &View) -> Inputs {
    let meta = &deployment.meta;
    let as_set = |o: &Object| <&Arc<ReplicaSet>>::try_from(o).ok().cloned();
    let own = sets_of(meta.uid, view).cloned();
    let orphans = view.orphans(&meta.namespace, Kind::ReplicaSet).filter_map(as_set);
    let sets: Vec<Arc<ReplicaSet>> = own.chain(orphans).collect();
    let with_pods = if numbers::strategy(deployment) == "Recreate" {
        let runs = |uid: &Uid| view.pods_of(*uid).any(|p| !p.is_terminal());
        sets.iter().map(|s| s.meta.uid).filter(runs).collect()
    } else {
        Vec::new()
    };
    Inputs { deployment: deployment.clone(), sets, with_pods }
}

/// The ReplicaSets that `owner` manages.
fn sets_of(owner: Uid, view: &View) -> impl Iterator<Item = &Arc<ReplicaSet>> {
    view.owned_by(owner, Kind::ReplicaSet)
        .filter_map(|o| o.try_into().ok())
        .filter(move |s: &&Arc<ReplicaSet>| s.meta.controller().is_some_and(|o| o.uid == owner))
}

/// The Deployment that an owner reference names, if it is still that one (`resolveControllerRef`).
fn resolve<'a>(view: &'a View, of: &Meta, owner: &OwnerRef) -> Option<&'a Arc<Deployment>> {
    let found = view.by_uid(owner.uid)?.try_into().ok();
    found.filter(|d: &&Arc<Deployment>| d.meta.namespace == of.namespace)
}

/// `addReplicaSet`, `updateReplicaSet` and `deleteReplicaSet`.
fn observe_set(set: &Arc<ReplicaSet>, delta: &Delta<'_>, view: &View, queue: &mut WorkQueue<Key>) {
    let owner = set.meta.controller();
    let old: Option<&Arc<ReplicaSet>> = delta.old.and_then(|o| o.try_into().ok());
    let was = old.and_then(|o| o.meta.controller());
    let deleted = delta.change == Change::Deleted;
    if !deleted
        && was != owner
        && let Some(was) = was
        && let Some(d) = resolve(view, &set.meta, was)
    {
        queue.add(d.meta.key(), delta.fact);
    }
    if let Some(owner) = owner {
        if let Some(d) = resolve(view, &set.meta, owner) {
            queue.add(d.meta.key(), delta.fact);
        }
    } else if !deleted
        && old.is_none_or(|o| o.meta.labels != set.meta.labels || was.is_some())
        && !set.meta.labels.is_empty()
    {
        for object in view.in_namespace(&set.meta.namespace, Kind::Deployment) {
            if let Object::Deployment(d) = object
                && !d.spec.selector.is_empty()
                && d.spec.selector.matches(&set.meta.labels)
            {
                queue.add(d.meta.key(), delta.fact);
            }
        }
    }
}

/// A Deployment that recreates its pods goes on when the last old one is gone (`deletePod`).
fn observe_deleted_pod(pod: &Pod, cause: FactId, view: &View, queue: &mut WorkQueue<Key>) {
    let Some(owner) = pod.meta.controller_of_kind(Kind::ReplicaSet) else { return };
    let Some(set) = view.by_uid(owner.uid) else { return };
    let Some(owner) = set.meta().controller() else { return };
    let Some(d) = resolve(view, set.meta(), owner) else { return };
    if numbers::strategy(d) == "Recreate"
        && sets_of(d.meta.uid, view).all(|s| view.pods_of(s.meta.uid).next().is_none())
    {
        queue.add(d.meta.key(), cause);
    }
}

//! A DaemonSet's revisions.
//!
//! Follows `pkg/controller/daemon/update.go`: `constructHistory`, `snapshot`, `dedupCurHistories`,
//! `cleanupHistory`.

use std::sync::Arc;

use super::plan::HASH_LABEL;
use crate::base::Str;
use crate::controllers::hash;
use crate::controllers::history::{self, Revision};
use crate::controllers::pod_control::{self, Claim};
use crate::controllers::script::{Halt, Script};
use crate::model::{DaemonSet, Kind, Meta, Object, OwnerRef, Pod, Ref, Whole, wire};
use crate::store::{DeleteOptions, ErrorReason, MetaChange, Request};

/// A stored revision, shared.
pub(super) type Stored = Arc<Revision>;

/// The wanted revision and the others (`constructHistory`).
pub(super) fn construct(
    set: &DaemonSet,
    candidates: &[Stored],
    pods: &[Arc<Pod>],
    script: &mut Script<'_>,
) -> Result<(Stored, Vec<Stored>), Halt> {
    let data = history::data_of(&set.spec, |s| &s.template);
    let (mut current, mut old) = (Vec::new(), Vec::new());
    for revision in claim(set, candidates, script)? {
        let revision = label(revision, script)?;
        let is_current = revision.body.data.as_ref().is_some_and(|d| d.0 == data.1);
        if is_current { current.push(revision) } else { old.push(revision) }
    }
    let next = old.iter().map(|r| r.body.revision).max().unwrap_or(0).max(0) + 1;
    let Some(mut kept) = without_doubles(current, pods, script)? else {
        return Ok((snapshot(set, data.1.clone(), next, script)?, old));
    };
    if kept.body.revision < next {
        let mut newer = Revision::clone(&kept);
        Arc::make_mut(&mut newer.body).revision = next;
        kept = stored(&script.ask(Request::Update(newer.into()))??)?;
    }
    Ok((kept, old))
}

/// `controlledHistories`.
fn claim(
    set: &DaemonSet,
    candidates: &[Stored],
    script: &mut Script<'_>,
) -> Result<Vec<Stored>, Halt> {
    let (mut own, mut refused) = (Vec::new(), None);
    for revision in candidates {
        let claim = pod_control::claim(&set.meta, &set.spec.selector, &revision.meta);
        let target = (reference(revision), revision.meta.uid);
        let request =
            pod_control::claim_request_for(claim, Kind::DaemonSet, &set.meta, target, None);
        match request.map(|r| script.ask(r)).transpose()? {
            None if claim == Claim::Owned => own.push(revision.clone()),
            Some(Ok(object)) if claim == Claim::Adopt => own.push(stored(&object)?),
            Some(Err(e)) if !pod_control::claim_is_settled(claim, &e) => refused = Some(e),
            None | Some(_) => {}
        }
    }
    refused.map_or(Ok(own), |e| Err(e.into()))
}

/// A revision without a hash label gets its name as one.
fn label(revision: Stored, script: &mut Script<'_>) -> Result<Stored, Halt> {
    if revision.meta.labels.get(HASH_LABEL).is_some() {
        return Ok(revision);
    }
    let mut labelled = Revision::clone(&revision);
    labelled.meta.labels = labelled.meta.labels.with(HASH_LABEL, labelled.meta.name.clone());
    stored(&script.ask(Request::Update(labelled.into()))??)
}

/// Of several revisions with the wanted template the latest; the others are deleted, their pods
/// relabelled (`dedupCurHistories`).
fn without_doubles(
    mut current: Vec<Stored>,
    pods: &[Arc<Pod>],
    script: &mut Script<'_>,
) -> Result<Option<Stored>, Halt> {
    let latest = current.iter().enumerate().max_by_key(|(i, r)| (r.body.revision, *i));
    let Some((at, _)) = latest else { return Ok(None) };
    let kept = current.swap_remove(at);
    if current.is_empty() {
        return Ok(Some(kept));
    }
    let hash = kept.meta.labels.get(HASH_LABEL);
    for pod in pods.iter().filter(|p| p.meta.labels.get(HASH_LABEL) != hash) {
        let changes = vec![MetaChange::Label(Str::new_static(HASH_LABEL), hash.cloned())];
        let target = pod_control::reference(pod);
        script.ask_done(Request::PatchMeta { target, uid: pod.meta.uid, changes })??;
    }
    for double in &current {
        delete(double, script)?;
    }
    Ok(Some(kept))
}

/// Stores the set's template as a new revision (`snapshot`).
fn snapshot(
    set: &DaemonSet,
    data: serde_json::Value,
    number: i64,
    script: &mut Script<'_>,
) -> Result<Stored, Halt> {
    let hash = hash::template_hash(&set.spec.wire.template, set.status.collision_count);
    let revision: Revision = Whole {
        meta: Meta {
            name: smol_str::format_smolstr!("{}-{hash}", set.meta.name),
            namespace: set.meta.namespace.clone(),
            labels: set.spec.template.labels.with(HASH_LABEL, hash),
            annotations: set.meta.annotations.clone(),
            owners: OwnerRef::controller_of(Kind::DaemonSet, &set.meta).into(),
            ..Meta::default()
        },
        body: Arc::new(wire::apps::ControllerRevision {
            data: Some(k8s_openapi::apimachinery::pkg::runtime::RawExtension(data)),
            revision: number,
            ..Default::default()
        }),
    };
    let taken = match script.ask(Request::Create(revision.clone().into()))? {
        Err(error) if error.reason == ErrorReason::AlreadyExists => error,
        other => return stored(&other?),
    };
    let existing = stored(&script.ask(Request::Get(reference(&revision)))??)?;
    if existing.body.data == revision.body.data {
        return Ok(existing);
    }
    // Another template has the same hash: the next attempt hashes the count as well.
    let target = Ref { kind: Kind::DaemonSet, key: set.meta.key() };
    let Object::DaemonSet(newest) = script.ask(Request::Get(target))?? else {
        return Err(Halt::failed("the answer is no DaemonSet"));
    };
    if newest.status.collision_count != set.status.collision_count {
        return Err(Halt::failed("found a stale collision count"));
    }
    let mut newest = DaemonSet::clone(&newest);
    let count = newest.status.collision_count.unwrap_or(0);
    newest.status.collision_count = Some(count.saturating_add(1));
    script.ask_done(Request::UpdateStatus(newest.into()))??;
    Err(taken.into())
}

/// Deletes the oldest revisions that no pod is at, beyond the history limit (`cleanupHistory`).
pub(super) fn clean_up(
    set: &DaemonSet,
    old: &[Stored],
    pods: &[Arc<Pod>],
    script: &mut Script<'_>,
) -> Result<(), Halt> {
    let keep = usize::try_from(set.spec.wire.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let beyond = old.len().saturating_sub(keep);
    let live = |r: &Stored| {
        let hash = r.meta.labels.get(HASH_LABEL);
        pods.iter().any(|p| hash.is_some() && p.meta.labels.get(HASH_LABEL) == hash)
    };
    let mut old: Vec<&Stored> = old.iter().collect();
    old.sort_by_key(|r| r.body.revision);
    if beyond > 0 {
        for revision in old.into_iter().filter(|r| !live(r)).take(beyond) {
            delete(revision, script)?;
        }
    }
    Ok(())
}

fn delete(revision: &Revision, script: &mut Script<'_>) -> Result<(), Halt> {
    let options = DeleteOptions::default();
    Ok(script.ask_done(Request::Delete { target: reference(revision), options })??)
}

fn reference(revision: &Revision) -> Ref {
    Ref { kind: Kind::ControllerRevision, key: revision.meta.key() }
}

fn stored(object: &Object) -> Result<Stored, Halt> {
    <&Stored>::try_from(object)
        .cloned()
        .map_err(|()| Halt::failed("the answer is no ControllerRevision"))
}

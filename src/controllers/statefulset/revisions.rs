//! A StatefulSet's revisions: which one is current, which one is wanted, which ones are kept.
//!
//! Follows `pkg/controller/statefulset/stateful_set_control.go` (`getStatefulSetRevisions`,
//! `truncateHistory`) and `pkg/controller/history/controller_history.go`.

use std::sync::Arc;

use crate::base::Str;
use crate::controllers::history::{self, Revision};
use crate::controllers::script::{Halt, Script};
use crate::controllers::{hash, pod_control};
use crate::model::{Kind, Meta, Object, OwnerRef, Ref, StatefulSet, Whole, wire};
use crate::store::{DeleteOptions, ErrorReason, Request};

/// A stored revision, shared.
pub(super) type Stored = Arc<Revision>;

/// The revisions that matter in a sync.
#[derive(Clone, Debug)]
pub(super) struct Revisions {
    /// The one that pods are updated from.
    pub current: Stored,
    /// The one that pods are updated to.
    pub update: Stored,
    /// Collisions of names so far.
    pub collisions: i32,
}

/// Which stored revisions hold the template of a set. Comparing them is dear, and both are mostly those
/// that they were in the sync before.
#[derive(Clone, Debug, Default)]
pub(super) struct Alike {
    data: Option<Arc<(String, serde_json::Value)>>,
    known: Vec<(Stored, bool)>,
}

impl Alike {
    /// Of this set and these revisions; what `before` knows of them is not looked at again.
    pub(super) fn of(set: &StatefulSet, revisions: &[Stored], before: &Self) -> Self {
        let data = history::data_of(&set.spec, |s| &s.template);
        let known = before.data.as_ref().is_some_and(|d| Arc::ptr_eq(d, &data));
        let known = |r: &Stored| before.recall(r).filter(|_| known);
        let same = |r: &Stored| (r.clone(), known(r).unwrap_or_else(|| holds(r, &data.1)));
        let known = revisions.iter().map(same).collect();
        Self { data: Some(data), known }
    }

    fn recall(&self, revision: &Stored) -> Option<bool> {
        self.known.iter().find(|(r, _)| Arc::ptr_eq(r, revision)).map(|(_, same)| *same)
    }
}

fn holds(revision: &Revision, data: &serde_json::Value) -> bool {
    revision.body.data.as_ref().is_some_and(|d| d.0 == *data)
}

/// Takes orphaned revisions that the set selects (`adoptOrphanRevisions`).
pub(super) fn adopt(
    set: &StatefulSet,
    revisions: &mut [Stored],
    script: &mut Script<'_>,
) -> Result<(), Halt> {
    for revision in revisions.iter_mut().filter(|r| r.meta.controller().is_none()) {
        let target = Ref { kind: Kind::ControllerRevision, key: revision.meta.key() };
        let request = pod_control::claim_request_for(
            pod_control::Claim::Adopt,
            Kind::StatefulSet,
            &set.meta,
            (target, revision.meta.uid),
            None,
        );
        if let Some(request) = request {
            *revision = stored(&script.ask(request)??)?;
        }
    }
    Ok(())
}

/// The current and the wanted revision; the latter is made where there is none
/// (`getStatefulSetRevisions`). `revisions` are sorted.
pub(super) fn get(
    set: &StatefulSet,
    revisions: &[Stored],
    alike: &Alike,
    script: &mut Script<'_>,
) -> Result<Revisions, Halt> {
    let mut collisions = set.status.collision_count.unwrap_or(0);
    let next = revisions.last().map_or(1, |r| r.body.revision.saturating_add(1));
    let data = history::data_of(&set.spec, |s| &s.template);
    let same = |r: &&Stored| alike.recall(r).unwrap_or_else(|| holds(r, &data.1));
    let equal = revisions.iter().rev().find(same);
    let update = match (equal, revisions.last()) {
        (Some(equal), Some(last)) if same(&last) => {
            debug_assert_eq!(equal.meta.name, last.meta.name, "the last equal one is the last");
            last.clone()
        }
        // The set goes back to an earlier template: its revision becomes the latest.
        (Some(equal), _) => renumber(equal, next, script)?,
        (None, _) => create(set, (&data.0, data.1.clone()), next, &mut collisions, script)?,
    };
    let shown = set.status.current_revision.as_deref().unwrap_or_default();
    let current = revisions.iter().find(|r| r.meta.name == shown);
    Ok(Revisions { current: current.unwrap_or(&update).clone(), update, collisions })
}

/// `UpdateControllerRevision`.
fn renumber(revision: &Stored, number: i64, script: &mut Script<'_>) -> Result<Stored, Halt> {
    let mut next = Revision::clone(revision);
    let body = Arc::make_mut(&mut next.body);
    body.revision = number;
    match script.ask(Request::Update(next.clone().into()))? {
        Err(error) if error.is_conflict() => {
            let target = Ref { kind: Kind::ControllerRevision, key: next.meta.key() };
            let newest = stored(&script.ask(Request::Get(target))??)?;
            next.meta = newest.meta.clone();
            stored(&script.ask(Request::Update(next.into()))??)
        }
        other => stored(&other?),
    }
}

/// `NewControllerRevision` and `CreateControllerRevision`.
fn create(
    set: &StatefulSet,
    (data, json): (&str, serde_json::Value),
    number: i64,
    collisions: &mut i32,
    script: &mut Script<'_>,
) -> Result<Stored, Halt> {
    let label = hash::revision_hash(data.as_bytes(), Some(*collisions));
    let mut revision: Revision = Whole {
        meta: Meta {
            namespace: set.meta.namespace.clone(),
            labels: set.spec.template.labels.with(history::HASH_LABEL, label),
            annotations: set.meta.annotations.clone(),
            owners: OwnerRef::controller_of(Kind::StatefulSet, &set.meta).into(),
            ..Meta::default()
        },
        body: Arc::new(wire::apps::ControllerRevision {
            data: Some(k8s_openapi::apimachinery::pkg::runtime::RawExtension(json)),
            revision: number,
            ..Default::default()
        }),
    };
    loop {
        let hash = hash::revision_hash(data.as_bytes(), Some(*collisions));
        revision.meta.name = history::name(&set.meta.name, &hash);
        match script.ask(Request::Create(revision.clone().into()))? {
            Err(error) if error.reason == ErrorReason::AlreadyExists => {
                let target = Ref { kind: Kind::ControllerRevision, key: revision.meta.key() };
                let existing = stored(&script.ask(Request::Get(target))??)?;
                if existing.body.data == revision.body.data {
                    return Ok(existing);
                }
                *collisions = collisions.saturating_add(1);
            }
            other => return stored(&other?),
        }
    }
}

/// The deletions of the oldest revisions that no pod is at, beyond the history limit, one after the other
/// (`truncateHistory`).
pub(super) fn truncate(
    set: &StatefulSet,
    revisions: &[Stored],
    live: impl Fn(&str) -> bool,
) -> Vec<Request> {
    let history: Vec<&Stored> = revisions.iter().filter(|r| !live(&r.meta.name)).collect();
    let limit = set.spec.wire.revision_history_limit.unwrap_or(10);
    let Ok(limit) = usize::try_from(limit) else { return Vec::new() };
    let surplus = history.len().saturating_sub(limit);
    let delete = |revision: &&Stored| {
        let target = Ref { kind: Kind::ControllerRevision, key: revision.meta.key() };
        Request::Delete { target, options: DeleteOptions::default() }
    };
    history[..surplus].iter().map(delete).collect()
}

/// What revisions are sorted by (`SortControllerRevisions`).
pub(super) fn order(revision: &Stored) -> (i64, crate::base::time::SimTime, Str) {
    let meta = &revision.meta;
    (revision.body.revision, meta.created.trunc_secs(), meta.name.clone())
}

fn stored(object: &Object) -> Result<Stored, Halt> {
    <&Stored>::try_from(object)
        .cloned()
        .map_err(|()| Halt::failed("the answer is no ControllerRevision"))
}

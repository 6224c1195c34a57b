//! The event handlers: which sets a change concerns.
//!
//! Follows `pkg/controller/daemon/daemon_controller.go`. The queue of changed nodes is left out: a
//! node's change is looked at when it is heard of.

use std::sync::Arc;
use std::time::Duration;

use super::kept::{fit, template_of};
use super::{DaemonSetController, plan};
use crate::base::time::SimTime;
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{DaemonSet, Key, Kind, Meta, Node, Object, OwnerRef, Pod, Uid};
use crate::store::Delta;
use crate::trace::{Change, FactId};

impl DaemonSetController {
    /// `addPod`, `updatePod` and `deletePod`.
    pub(super) fn observe_pod(
        &mut self,
        pod: &Arc<Pod>,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        let owner = pod.meta.controller();
        if delta.change == Change::Deleted || pod.meta.is_terminating() {
            if let Some(set) = owner.and_then(|o| resolve(view, &pod.meta, o)) {
                let key = set.meta.key();
                self.expectations.deleted(&key, pod.meta.uid);
                queue.add(key, delta.fact);
            }
            return;
        }
        let old: Option<&Arc<Pod>> = delta.old.and_then(|o| o.try_into().ok());
        let was = old.and_then(|o| o.meta.controller());
        if !view.owners_stay()
            && was != owner
            && let Some(set) = was.and_then(|was| resolve(view, &pod.meta, was))
        {
            queue.add(set.meta.key(), delta.fact);
        }
        if let Some(owner) = owner {
            let Some(set) = resolve(view, &pod.meta, owner) else { return };
            let key = set.meta.key();
            if delta.change == Change::Added {
                self.expectations.created(&key);
            }
            let wait = u64::from(plan::min_ready_seconds(set));
            if wait > 0 && pod.is_ready() && old.is_some_and(|o| !o.is_ready()) {
                queue.add_at(now + Duration::from_secs(wait + 1), key.clone(), delta.fact);
            }
            queue.add(key, delta.fact);
        } else if old.is_none_or(|o| o.meta.labels != pod.meta.labels || was.is_some()) {
            enqueue_matching(view, &pod.meta, delta.fact, queue);
        }
    }

    /// `addNode`, `updateNode` and `syncNodeUpdate`.
    pub(super) fn observe_node(
        &mut self,
        node: &Arc<Node>,
        delta: &Delta<'_>,
        view: &View,
        queue: &mut WorkQueue<Key>,
    ) {
        let old: Option<&Arc<Node>> = delta.old.and_then(|o| o.try_into().ok());
        let alike = |o: &&Arc<Node>| o.meta.labels == node.meta.labels && o.taints == node.taints;
        if delta.change == Change::Deleted || old.as_ref().is_some_and(alike) {
            return;
        }
        let name = &node.meta.name;
        let owners: crate::base::Set<Uid> =
            view.pods_on(name).filter_map(|p| p.meta.controller()).map(|o| o.uid).collect();
        for (_, object) in view.kind(Kind::DaemonSet).iter() {
            let Object::DaemonSet(set) = object else { continue };
            let template = match self.kept.get(&set.meta.key()) {
                Some(kept) if Arc::ptr_eq(&kept.of, &set.spec) => kept.template.clone(),
                _ => template_of(set),
            };
            let fit = fit(&template, node);
            let scheduled = owners.contains(&set.meta.uid);
            let misplaced = scheduled && set.status.number_misscheduled > 0;
            if fit.should_run && !scheduled || !fit.should_continue && scheduled || misplaced {
                queue.add(set.meta.key(), delta.fact);
            }
        }
    }
}

/// The set that an owner reference names, if it is still that one (`resolveControllerRef`).
fn resolve<'a>(view: &'a View, of: &Meta, owner: &OwnerRef) -> Option<&'a Arc<DaemonSet>> {
    if !owner.is_kind(Kind::DaemonSet) {
        return None;
    }
    let found = view.by_uid(owner.uid)?.try_into().ok();
    found.filter(|s: &&Arc<DaemonSet>| s.meta.namespace == of.namespace)
}

/// Enqueues every set that selects an orphan.
fn enqueue_matching(view: &View, of: &Meta, cause: FactId, queue: &mut WorkQueue<Key>) {
    if of.labels.is_empty() {
        return;
    }
    for object in view.in_namespace(&of.namespace, Kind::DaemonSet) {
        if let Object::DaemonSet(set) = object
            && !set.spec.selector.is_empty()
            && set.spec.selector.matches(&of.labels)
        {
            queue.add(set.meta.key(), cause);
        }
    }
}

/// `addHistory`, `updateHistory` and `deleteHistory`.
pub(super) fn observe_revision(
    revision: &Object,
    delta: &Delta<'_>,
    view: &View,
    queue: &mut WorkQueue<Key>,
) {
    let meta = revision.meta();
    let was = delta.old.and_then(|o| o.meta().controller());
    let owner = meta.controller();
    let deleted = delta.change == Change::Deleted;
    if !deleted
        && was != owner
        && let Some(set) = was.and_then(|was| resolve(view, meta, was))
    {
        queue.add(set.meta.key(), delta.fact);
    }
    if let Some(owner) = owner {
        if delta.change != Change::Added
            && let Some(set) = resolve(view, meta, owner)
        {
            queue.add(set.meta.key(), delta.fact);
        }
    } else if !deleted && delta.old.is_none_or(|o| o.meta().labels != meta.labels || was.is_some())
    {
        enqueue_matching(view, meta, delta.fact, queue);
    }
}

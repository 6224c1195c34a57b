//! The garbage collector: objects go when their owners have gone.
//!
//! Follows `pkg/controller/garbagecollector`: who owns whom, which is part of what the controllers have
//! heard ([`View::dependents`]: absent owners included), and a queue of objects that may have to be deleted. An object whose owners are all absent is deleted; one that
//! still has an owner loses its references to absent ones. Foreground deletion waits until no dependent
//! blocks it; orphaning takes the owner out of its dependents first; owners that wait for each other
//! are untied. An owner that the informers do not
//! know is looked up at the API server before anything is believed of it.

use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::view::View;
use crate::api::kinds;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Kind, Meta, Object, OwnerRef, Ref, Uid, finalizers};
use crate::store::{DeleteOptions, Delta, MetaChange, Propagation, Reply, Request};
use crate::trace::{Change, EventType, FactId, Regarding, Waiting};

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct GarbageCollector {
    /// Events about references into other namespaces, told at the next sync.
    to_tell: Vec<(Regarding, String)>,
}

/// A sync that waits for replies.
#[derive(Clone, Debug)]
pub enum Work {
    /// Owners that the informers do not know are looked up.
    Owners(Vec<OwnerRef>),
    /// Dependents lose their owner; then the owner loses its orphan finalizer.
    Orphaned,
    /// The object's references block nothing any more; then it is deleted, dependents first.
    Unblocked,
    /// The last thing that was to be asked for.
    Last,
}

impl Controller for GarbageCollector {
    type Key = Uid;
    type Work = Work;

    const NAME: &'static str = "garbage-collector-controller";
    const WORKERS: usize = 20;

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Uid>,
    ) {
        let meta = delta.new.meta();
        if delta.change == Change::Deleted {
            for dependent in dependents(meta.uid, view) {
                queue.add(dependent, delta.fact);
            }
            let heard = delta.old.map(|old| &*old.meta().owners).unwrap_or_default();
            let mut owners: Vec<Uid> = heard.iter().map(|owner| owner.uid).collect();
            owners.sort_unstable();
            owners.dedup();
            for owner in owners {
                if view.by_uid(owner).is_some_and(|o| deletes_dependents(o.meta())) {
                    queue.add(owner, delta.fact);
                }
            }
            return;
        }
        let old = delta.old.map(Object::meta);
        if !view.owners_stay() {
            if meta.owners.iter().any(|o| !is_known(o, meta, view)) {
                queue.add(meta.uid, delta.fact);
            }
            self.complain(delta.new, view);
            self.recheck(meta, old, delta.fact, view, queue);
            for owner in old.into_iter().flat_map(|o| &o.owners) {
                if view.by_uid(owner.uid).is_some_and(|o| deletes_dependents(o.meta())) {
                    queue.add(owner.uid, delta.fact);
                }
            }
        }
        // Each wait begins for itself: what goes in the foreground may yet be asked to leave its
        // dependents behind (`processTransitions`).
        let begins = |waits: fn(&Meta) -> bool| waits(meta) && !old.is_some_and(waits);
        if begins(orphans_dependents) {
            queue.add(meta.uid, delta.fact);
        } else if begins(deletes_dependents) {
            queue.add(meta.uid, delta.fact);
            for dependent in dependents(meta.uid, view) {
                queue.add(dependent, delta.fact);
            }
        }
    }

    fn sync(&mut self, key: &Uid, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        for (regarding, message) in self.to_tell.drain(..) {
            cx.event_on(regarding, EventType::Warning, "OwnerRefInvalidNamespace", message);
        }
        let Some(item) = cx.view.by_uid(*key) else { return Step::done() };
        let meta = item.meta();
        if orphans_dependents(meta) {
            return Self::orphan(item, cx);
        }
        if deletes_dependents(meta) {
            return Self::foreground(item, cx);
        }
        if meta.is_terminating() || meta.owners.is_empty() {
            return Step::done();
        }
        let unknown: Vec<OwnerRef> =
            meta.owners.iter().filter(|o| !is_known(o, meta, cx.view)).cloned().collect();
        if unknown.iter().any(|o| is_out_of_reach(o, meta)) {
            // An object of the whole cluster cannot have an owner in a namespace: nothing is done.
            return Step::done();
        }
        if let Some(stranger) = unknown.iter().find(|o| owner_ref(o, meta, cx.view).is_none()) {
            // Without a resource for its kind nobody can tell whether the owner exists.
            let on = format!(
                "a kind {} in {}, to look up its owner",
                stranger.kind, stranger.api_version
            );
            let waiting = Waiting { object: item.reference(), uid: meta.uid, on: on.into() };
            return Step::Done(Done { retry: Retry::BackOff, waiting: Some(waiting) });
        }
        let requests =
            unknown.iter().filter_map(|o| owner_ref(o, meta, cx.view)).map(Request::Get).collect();
        Step::Ask { requests, then: Work::Owners(unknown) }
    }

    fn resume(
        &mut self,
        key: &Uid,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work {
            Work::Owners(unknown) => {
                let found = |(owner, reply): (&OwnerRef, &Reply)| match reply {
                    Ok(Some(object)) if object.meta().uid == owner.uid => None,
                    _ => Some(owner.uid),
                };
                let absent: Vec<Uid> = unknown.iter().zip(&replies).filter_map(found).collect();
                Self::decide(*key, &absent, cx)
            }
            Work::Orphaned | Work::Unblocked
                if replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404)) =>
            {
                Step::failed()
            }
            Work::Unblocked => {
                let Some(item) = cx.view.by_uid(*key) else { return Step::done() };
                delete(item, Propagation::Foreground)
            }
            Work::Orphaned => {
                let Some(item) = cx.view.by_uid(*key) else { return Step::done() };
                let change = MetaChange::RemoveFinalizer(finalizers::ORPHAN.into());
                Step::ask(patch(item, vec![change]), Work::Last)
            }
            Work::Last => {
                let refused = replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404));
                if refused { Step::failed() } else { Step::done() }
            }
        }
    }
}

impl GarbageCollector {
    /// What becomes of an object, now that it is known which of its owners are absent
    /// (`attemptToDeleteItem`).
    fn decide(key: Uid, absent: &[Uid], cx: &SyncCx<'_, '_>) -> Step<Work> {
        let Some(item) = cx.view.by_uid(key) else { return Step::done() };
        let meta = item.meta();
        let is_absent = |o: &&OwnerRef| absent.contains(&o.uid);
        let waits = |o: &&OwnerRef| {
            is_known(o, meta, cx.view)
                && cx.view.by_uid(o.uid).is_some_and(|owner| deletes_dependents(owner.meta()))
        };
        let solid = meta.owners.iter().any(|o| !is_absent(&o) && !waits(&o));
        if solid {
            let gone = meta.owners.iter().filter(|o| is_absent(o) || waits(o));
            let changes: Vec<MetaChange> = gone.map(|o| MetaChange::RemoveOwner(o.uid)).collect();
            if changes.is_empty() {
                return Step::done();
            }
            return Step::ask(patch(item, changes), Work::Last);
        }
        let waited_for = meta.owners.iter().any(|o| waits(&o));
        let dependents = dependents(key, cx.view);
        if waited_for && !dependents.is_empty() {
            let deleting =
                |d: &Uid| cx.view.by_uid(*d).is_some_and(|o| deletes_dependents(o.meta()));
            if dependents.iter().any(deleting) {
                // Owner and dependent wait for each other: this object lets go first.
                let blocking = meta.owners.iter().filter(|o| o.block_owner_deletion);
                let changes = blocking.map(|o| MetaChange::BlockOwnerDeletion(o.uid, false));
                return Step::ask(patch(item, changes.collect()), Work::Unblocked);
            }
            return delete(item, Propagation::Foreground);
        }
        let propagation = if meta.has_finalizer(finalizers::ORPHAN) {
            Propagation::Orphan
        } else if meta.has_finalizer(finalizers::FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        delete(item, propagation)
    }

    /// Notes references to owners that live in another namespace (`addDependentToOwners`).
    fn complain(&mut self, dependent: &Object, view: &View) {
        let meta = dependent.meta();
        for owner in &meta.owners {
            let Some(found) = view.by_uid(owner.uid).map(Object::meta) else { continue };
            if found.namespace.is_empty() || found.namespace == meta.namespace {
                continue;
            }
            let text = format!(
                "ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace {:?}",
                owner.api_version,
                owner.kind,
                meta.namespace,
                owner.name,
                owner.uid,
                meta.namespace.as_str()
            );
            self.to_tell.push((Regarding::object(dependent), text));
        }
    }

    /// A new object may be the owner that others name wrongly: they are looked at again.
    fn recheck(
        &mut self,
        owner: &Meta,
        old: Option<&Meta>,
        cause: FactId,
        view: &View,
        queue: &mut WorkQueue<Uid>,
    ) {
        if old.is_some() {
            return;
        }
        for uid in dependents(owner.uid, view) {
            let Some(dependent) = view.by_uid(uid) else { continue };
            let refs = dependent.meta().owners.iter().filter(|o| o.uid == owner.uid);
            if refs.into_iter().any(|o| !is_known(o, dependent.meta(), view)) {
                self.complain(dependent, view);
                queue.add(uid, cause);
            }
        }
    }

    /// Foreground deletion: once no dependent blocks it, the object may go; dependents that have come
    /// meanwhile are deleted as well (`processDeletingDependentsItem`).
    fn foreground(item: &Object, cx: &SyncCx<'_, '_>) -> Step<Work> {
        let uid = item.meta().uid;
        let blocks =
            |o: &&Object| o.meta().owners.iter().any(|r| r.uid == uid && r.block_owner_deletion);
        let dependents = dependents(uid, cx.view);
        let blocking: Vec<&Object> =
            dependents.iter().filter_map(|d| cx.view.by_uid(*d)).filter(blocks).collect();
        if blocking.is_empty() {
            let change = MetaChange::RemoveFinalizer(finalizers::FOREGROUND.into());
            return Step::ask(patch(item, vec![change]), Work::Last);
        }
        let untouched = blocking.iter().filter(|o| !o.meta().is_terminating());
        let mut requests = Vec::new();
        for object in untouched {
            if let Step::Ask { requests: more, .. } = Self::decide(object.meta().uid, &[], cx) {
                requests.extend(more);
            }
        }
        if !requests.is_empty() {
            return Step::Ask { requests, then: Work::Last };
        }
        let on = format!("{} dependents to be deleted first", blocking.len());
        let waiting = Waiting { object: item.reference(), uid, on: on.into() };
        Step::Done(Done { retry: Retry::OnNews, waiting: Some(waiting) })
    }

    /// Orphaning: every dependent loses this owner (`orphanDependents`).
    fn orphan(item: &Object, cx: &SyncCx<'_, '_>) -> Step<Work> {
        let uid = item.meta().uid;
        let dependents = dependents(uid, cx.view);
        let requests = dependents
            .iter()
            .filter_map(|d| cx.view.by_uid(*d))
            .map(|d| patch(d, vec![MetaChange::RemoveOwner(uid)]))
            .collect();
        Step::Ask { requests, then: Work::Orphaned }
    }
}

/// What an object owns, in the order of uids.
fn dependents(owner: Uid, view: &View) -> Vec<Uid> {
    let mut all: Vec<Uid> = view.dependents(owner).map(|object| object.meta().uid).collect();
    all.sort_unstable();
    all
}

fn deletes_dependents(meta: &Meta) -> bool {
    meta.is_terminating() && meta.has_finalizer(finalizers::FOREGROUND)
}

fn orphans_dependents(meta: &Meta) -> bool {
    meta.is_terminating() && meta.has_finalizer(finalizers::ORPHAN)
}

fn patch(object: &Object, changes: Vec<MetaChange>) -> Request {
    Request::PatchMeta { target: object.reference(), uid: object.meta().uid, changes }
}

/// Whether the owner that a reference names is there: with that uid, kind and name, in the dependent's
/// namespace or the whole cluster's (`ownerReferenceMatchesCoordinates`).
fn is_known(owner: &OwnerRef, of: &Meta, view: &View) -> bool {
    view.by_uid(owner.uid).is_some_and(|found| {
        let meta = found.meta();
        let kind = match found {
            Object::Inert(inert) => &inert.kind,
            _ => found.kind().as_str(),
        };
        owner.kind == kind
            && meta.name == owner.name
            && (meta.namespace.is_empty() || meta.namespace == of.namespace)
    })
}

/// Whether an object of the whole cluster names an owner that lives in a namespace.
fn is_out_of_reach(owner: &OwnerRef, of: &Meta) -> bool {
    let served = kinds::served(&owner.api_version, &owner.kind);
    of.namespace.is_empty() && served.is_some_and(|info| info.namespaced)
}

fn delete(item: &Object, propagation: Propagation) -> Step<Work> {
    let uid = item.meta().uid;
    let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::of(uid) };
    Step::ask(Request::Delete { target: item.reference(), options }, Work::Last)
}

/// The object that an owner reference names; `None` for a kind that no resource serves.
fn owner_ref(owner: &OwnerRef, of: &Meta, view: &View) -> Option<Ref> {
    let Some(info) = kinds::served(&owner.api_version, &owner.kind) else {
        return super::custom::is_declared(view, &owner.api_version, &owner.kind).then(|| {
            let group = kinds::split(&owner.api_version).0;
            let name = format!("{}.{group}/{}", owner.kind, owner.name);
            Ref::new(Kind::Inert, of.namespace.clone(), name)
        });
    };
    let kind = info.model();
    let namespace = if info.namespaced { of.namespace.clone() } else { Default::default() };
    if kind != Kind::Inert {
        return Some(Ref::new(kind, namespace, owner.name.clone()));
    }
    let group = owner.api_version.split_once('/').map_or("", |(g, _)| g);
    Some(Ref::new(kind, namespace, format!("{}.{group}/{}", owner.kind, owner.name)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::Bench;
    use super::*;
    use crate::api::convert;
    use crate::api::typed::Typed;
    use crate::model::{Deletion, StatefulSet};

    type Owner<'a> = (&'a str, &'a str, &'a Meta);

    /// Puts an object of a kind with owners; answers its metadata.
    fn put(
        bench: &mut Bench<GarbageCollector>,
        (api_version, kind, namespace, name): (&str, &str, &str, &str),
        owners: &[Owner<'_>],
    ) -> Meta {
        let owners: Vec<Value> = owners
            .iter()
            .map(|(api_version, kind, meta)| {
                json!({"apiVersion": api_version, "kind": kind, "name": meta.name.as_str(),
                       "uid": meta.uid.to_string(), "blockOwnerDeletion": true})
            })
            .collect();
        let metadata = json!({"name": name, "namespace": namespace, "ownerReferences": owners});
        let manifest = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        let object = convert::from_wire(Typed::decode(&manifest).unwrap()).unwrap();
        bench.put(object).meta().clone()
    }

    fn map(bench: &mut Bench<GarbageCollector>, name: &str, owners: &[Owner<'_>]) -> Meta {
        put(bench, ("v1", "ConfigMap", "default", name), owners)
    }

    fn absent(name: &str) -> Meta {
        let uid = Uid::from_random(0x5 << 100);
        Meta { uid, ..Meta::named("default", name) }
    }

    #[test]
    fn an_object_goes_once_it_has_no_owner_left() {
        let mut bench = Bench::<GarbageCollector>::new();
        let owner = map(&mut bench, "owner", &[]);
        let gone = absent("gone");
        map(&mut bench, "both", &[("v1", "ConfigMap", &owner), ("v1", "ConfigMap", &gone)]);
        map(&mut bench, "one", &[("v1", "ConfigMap", &gone)]);
        assert_eq!(
            bench.run(),
            [
                "get ConfigMap gone: refused",
                "get ConfigMap gone: refused",
                "patch ConfigMap both",
                "delete ConfigMap one"
            ],
        );
        bench.remove(Kind::ConfigMap, "owner");
        let lines = bench.run();
        assert_eq!(lines.last().map(String::as_str), Some("delete ConfigMap both"));
    }

    #[test]
    fn an_owner_in_another_namespace_is_none() {
        let mut bench = Bench::<GarbageCollector>::new();
        let owner = put(&mut bench, ("v1", "ConfigMap", "other", "owner"), &[]);
        map(&mut bench, "child", &[("v1", "ConfigMap", &owner)]);
        let lines = bench.run();
        assert!(
            lines[0].starts_with(
                "OwnerRefInvalidNamespace ownerRef [v1/ConfigMap, namespace: default, "
            ) || lines[1].starts_with("OwnerRefInvalidNamespace"),
            "{lines:?}"
        );
        assert_eq!(lines.last().map(String::as_str), Some("delete ConfigMap child"));
    }

    #[test]
    fn an_object_of_the_whole_cluster_stays_whatever_owner_in_a_namespace_it_names() {
        let mut bench = Bench::<GarbageCollector>::new();
        let volume = ("v1", "PersistentVolume", "", "pv");
        put(&mut bench, volume, &[("v1", "ConfigMap", &absent("gone"))]);
        assert_eq!(bench.run(), Vec::<String>::new());
    }

    #[test]
    fn owners_that_wait_for_each_other_are_untied() {
        let mut bench = Bench::<GarbageCollector>::new();
        let first = map(&mut bench, "first", &[]);
        let second = map(&mut bench, "second", &[("v1", "ConfigMap", &first)]);
        let owner =
            OwnerRef { controller: false, ..OwnerRef::controller_of(Kind::ConfigMap, &second) };
        let deletion = Deletion { at: bench.now, grace: Default::default() };
        bench.change::<crate::model::Whole<crate::model::wire::core::ConfigMap>>(
            Kind::ConfigMap,
            "first",
            |first| {
                first.meta.owners.push(owner);
                first.meta.deletion = Some(deletion);
                first.meta.finalizers.push(finalizers::FOREGROUND.into());
            },
        );
        let lines = bench.run();
        let place = |line: &str| lines.iter().position(|l| l == line);
        let (patched, deleted) =
            (place("patch ConfigMap second"), place("delete ConfigMap second"));
        assert!(patched.is_some() && patched < deleted, "{lines:?}");
    }

    #[test]
    fn what_comes_while_its_owner_goes_is_deleted_too() {
        let mut bench = Bench::<GarbageCollector>::new();
        bench.apply(
            Kind::StatefulSet,
            "web",
            &json!({"replicas": 1, "serviceName": "web",
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]}}}),
        );
        let uid = bench.get(Kind::StatefulSet, "web").meta().uid.to_string();
        let owned = |name: &str| {
            json!({"name": name, "namespace": "default",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet",
                    "name": "web", "uid": uid, "controller": true, "blockOwnerDeletion": true}]})
        };
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": owned("web-0"),
            "spec": {"containers": [{"name": "c", "image": "i"}]}}));
        bench.run();
        let now = bench.now;
        bench.change::<StatefulSet>(Kind::StatefulSet, "web", |set| {
            set.meta.deletion = Some(Deletion { at: now, grace: Default::default() });
            set.meta.finalizers.push(finalizers::FOREGROUND.into());
        });
        bench.put_manifest(&json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": owned("web-1"), "revision": 1}));
        let lines = bench.run();
        assert!(lines.iter().any(|l| l == "delete ControllerRevision web-1"), "{lines:?}");
        assert!(bench.get(Kind::StatefulSet, "web").meta().finalizers.is_empty());
    }

    #[test]
    fn what_goes_in_the_foreground_may_yet_leave_its_dependents_behind() {
        type Map = crate::model::Whole<crate::model::wire::core::ConfigMap>;
        let mut bench = Bench::<GarbageCollector>::new();
        let owner = map(&mut bench, "owner", &[]);
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "dependent", "namespace": "default", "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
                 "uid": owner.uid.to_string(), "blockOwnerDeletion": true}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}}));
        let mut wait_for = |finalizer: &str| {
            let now = bench.now;
            bench.change::<Map>(Kind::ConfigMap, "owner", |map| {
                map.meta.deletion = Some(Deletion { at: now, grace: Default::default() });
                map.meta.finalizers = [finalizer.into()].into_iter().collect();
            });
            bench.run()
        };
        wait_for(finalizers::FOREGROUND);
        let lines = wait_for(finalizers::ORPHAN);
        assert!(lines.iter().any(|l| l == "patch ConfigMap owner"), "{lines:?}");
        assert!(bench.get(Kind::Pod, "dependent").meta().owners.is_empty());
    }
}

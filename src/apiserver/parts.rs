//! The parts of an object that requests change separately: what is wanted, and what is.

use std::sync::Arc;

use crate::model::{Kind, Object};

/// Whether the API server counts changes of the kind's spec (`metadata.generation`).
pub(super) const fn counts_generations(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::Job
            | Kind::CronJob
            | Kind::DaemonSet
            | Kind::StatefulSet
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::EndpointSlice
            | Kind::PodDisruptionBudget
            | Kind::Inert
    )
}

/// Puts the status of `from` in the place of that of `onto`. Kinds without status are left alone.
pub(super) fn take_status(onto: &mut Object, from: &Object) {
    match (onto, from) {
        (Object::Pod(a), Object::Pod(b)) => Arc::make_mut(a).status = b.status.clone(),
        (Object::Job(a), Object::Job(b)) => Arc::make_mut(a).status = b.status.clone(),
        (Object::CronJob(a), Object::CronJob(b)) => Arc::make_mut(a).status = b.status.clone(),
        (Object::DaemonSet(a), Object::DaemonSet(b)) => Arc::make_mut(a).status = b.status.clone(),
        (Object::StatefulSet(a), Object::StatefulSet(b)) => {
            Arc::make_mut(a).status = b.status.clone();
        }
        (Object::Deployment(a), Object::Deployment(b)) => {
            Arc::make_mut(a).status = b.status.clone()
        }
        (Object::ReplicaSet(a), Object::ReplicaSet(b)) => {
            Arc::make_mut(a).status = b.status.clone()
        }
        (Object::ReplicationController(a), Object::ReplicationController(b)) => {
            Arc::make_mut(a).status = b.status.clone();
        }
        (Object::Node(a), Object::Node(b)) => {
            let (node, from) = (Arc::make_mut(a), b);
            node.allocatable = from.allocatable.clone();
            node.conditions = Arc::clone(&from.conditions);
            node.images = Arc::clone(&from.images);
            node.internal_ip = from.internal_ip;
            let status = from.rest.status.clone();
            Arc::make_mut(&mut node.rest).status = status;
        }
        (Object::Service(a), Object::Service(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::PersistentVolume(a), Object::PersistentVolume(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::PersistentVolumeClaim(a), Object::PersistentVolumeClaim(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::PodDisruptionBudget(a), Object::PodDisruptionBudget(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::HorizontalPodAutoscaler(a), Object::HorizontalPodAutoscaler(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::Namespace(a), Object::Namespace(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::ResourceQuota(a), Object::ResourceQuota(b)) => {
            Arc::make_mut(&mut Arc::make_mut(a).body).status = b.body.status.clone();
        }
        (Object::Inert(a), Object::Inert(b)) if a.kind == "Ingress" => {
            let body = Arc::make_mut(&mut Arc::make_mut(a).body);
            match b.body.get("status") {
                Some(status) => body.insert("status".to_owned(), status.clone()),
                None => body.remove("status"),
            };
        }
        (onto, from) => debug_assert_eq!(onto.kind(), from.kind(), "statuses are of one kind"),
    }
}

/// A namespace's finalizers in its spec change by a subresource of their own
/// (`pkg/registry/core/namespace/strategy.go`, `PrepareForUpdate`).
pub(super) fn keep_finalizers_of_spec(new: &mut Object, old: &Object) {
    if let (Object::Namespace(new), Object::Namespace(old)) = (new, old) {
        let body = Arc::make_mut(&mut Arc::make_mut(new).body);
        let finalizers = old.body.spec.as_ref().and_then(|s| s.finalizers.clone());
        body.spec.get_or_insert_default().finalizers = finalizers;
    }
}

/// Counts the templates that a DaemonSet has had, in an annotation that only the server writes
/// (`pkg/registry/apps/daemonset/strategy.go`, `PrepareForUpdate`).
pub(super) fn count_templates(new: &mut Object, old: &Object) {
    const COUNT: &str = "deprecated.daemonset.template.generation";
    let (Object::DaemonSet(set), Object::DaemonSet(old)) = (&*new, old) else { return };
    let before = old.meta.annotations.get(COUNT).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let count = before + u64::from(set.spec.wire.template != old.spec.wire.template);
    let annotations = match count {
        0 => set.meta.annotations.without(COUNT),
        n => set.meta.annotations.with(COUNT, smol_str::format_smolstr!("{n}")),
    };
    new.meta_mut().annotations = annotations;
}

/// Whether both want the same: everything but metadata and status is equal.
pub(super) fn same_spec(a: &Object, b: &Object) -> bool {
    if a.same(b) {
        return true;
    }
    let mut dressed = b.clone();
    *dressed.meta_mut() = a.meta().clone();
    take_status(&mut dressed, a);
    dressed == *a
}

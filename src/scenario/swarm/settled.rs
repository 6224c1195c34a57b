//! Whether every workload has reached what it wants.

use std::collections::BTreeSet;

use crate::model::{Kind, Object, Pod, Ref, Selector, Uid};
use crate::store::Store;

/// What has not reached what it wants, in words. `stuck` are workloads that cannot.
pub(super) fn unsettled(store: &Store, stuck: &BTreeSet<Ref>) -> Vec<String> {
    let mut out = Vec::new();
    for kind in Kind::ALL {
        for object in store.list(*kind) {
            let reference = object.reference();
            if stuck.contains(&reference) {
                continue;
            }
            if let Some(why) = unsettled_object(store, object, stuck) {
                out.push(format!("{reference}: {why}"));
            }
        }
    }
    out
}

fn unsettled_object(store: &Store, object: &Object, stuck: &BTreeSet<Ref>) -> Option<String> {
    if object.meta().is_terminating() {
        return Some(format!("is terminating, finalizers {:?}", object.meta().finalizers));
    }
    match object {
        Object::Deployment(d) => {
            let (wanted, status) = (d.spec.wire.replicas.unwrap_or(1), &d.status);
            let counts = [status.replicas, status.updated_replicas, status.available_replicas];
            let observed = status.observed_generation == i64::try_from(d.meta.generation).ok();
            let settled = observed && counts.iter().all(|n| n.unwrap_or(0) == wanted);
            (!settled).then(|| format!("wants {wanted}, {counts:?}, observed {observed}"))
        }
        Object::ReplicaSet(r) => {
            let owned = object
                .meta()
                .controller()
                .map(|o| Ref::new(Kind::Deployment, "default", o.name.clone()));
            if owned.is_some_and(|o| stuck.contains(&o)) {
                return None;
            }
            let (wanted, status) = (r.spec.wire.replicas.unwrap_or(1), &r.status);
            let ready = status.available_replicas.unwrap_or(0);
            let settled = status.replicas == wanted && ready == wanted;
            (!settled).then(|| format!("wants {wanted}, has {} and {ready}", status.replicas))
        }
        Object::StatefulSet(s) => {
            let (wanted, status) = (s.spec.wire.replicas.unwrap_or(1), &s.status);
            let ready = status.ready_replicas.unwrap_or(0);
            let updated = status.current_revision == status.update_revision;
            let settled = status.replicas == wanted && ready == wanted && updated;
            (!settled).then(|| {
                format!("wants {wanted}, has {} and {ready}, updated {updated}", status.replicas)
            })
        }
        Object::DaemonSet(d) => {
            let status = &d.status;
            let wanted = i32::try_from(store.len(Kind::Node)).unwrap_or(0);
            let counts = [
                status.desired_number_scheduled,
                status.current_number_scheduled,
                status.number_ready,
                status.updated_number_scheduled.unwrap_or(0),
                status.number_available.unwrap_or(0),
            ];
            counts.iter().any(|n| *n != wanted).then(|| format!("wants {wanted}, {counts:?}"))
        }
        Object::Job(j) => {
            let of_schedule = j.meta.controller_of_kind(Kind::CronJob).is_some();
            let ended = j.status.is_finished() && j.status.active == 0;
            (!ended && !of_schedule && !j.spec.suspend).then(|| format!("{:?}", j.status))
        }
        Object::Service(s) => unsettled_service(store, s.meta.name.as_str(), s),
        Object::Pod(pod) => unsettled_pod(store, pod, stuck),
        Object::Node(node) => (!node.is_ready() || !node.taints.is_empty())
            .then(|| format!("ready {}, {:?}", node.is_ready(), node.taints)),
        _ => None,
    }
}

fn unsettled_pod(store: &Store, pod: &Pod, stuck: &BTreeSet<Ref>) -> Option<String> {
    let owner = pod.meta.controller()?;
    let top = |uid: Uid| store.by_uid(uid).and_then(|o| o.meta().controller().cloned());
    if top(owner.uid).is_some_and(|o| {
        o.kind == "CronJob" || stuck.contains(&Ref::new(Kind::Deployment, "default", o.name))
    }) {
        return None;
    }
    if store.by_uid(owner.uid).is_none() {
        return Some(format!("its {} {} is gone", owner.kind, owner.name));
    }
    let settled = pod.is_ready() || pod.is_terminal();
    (!settled).then(|| format!("{} on {:?}", pod.status.phase.as_str(), pod.node))
}

/// The ready endpoints of a Service are the ready pods that it selects.
fn unsettled_service(
    store: &Store,
    name: &str,
    service: &crate::model::Whole<crate::model::wire::core::Service>,
) -> Option<String> {
    let labels = service.body.spec.as_ref()?.selector.as_ref()?;
    let selector = Selector::from_labels(labels);
    let ready: BTreeSet<String> = store
        .list(Kind::Pod)
        .filter_map(|o| match o {
            Object::Pod(p) if selector.matches(&p.meta.labels) && p.is_ready() => {
                Some(p.meta.name.to_string())
            }
            _ => None,
        })
        .collect();
    let mut served = BTreeSet::new();
    for object in store.list(Kind::EndpointSlice) {
        let Object::EndpointSlice(slice) = object else { continue };
        if slice.meta.labels.get("kubernetes.io/service-name").map(|n| n.as_str()) != Some(name) {
            continue;
        }
        for endpoint in slice.body.endpoints.iter().flatten() {
            if endpoint.conditions.as_ref().and_then(|c| c.ready) == Some(true) {
                served.extend(endpoint.target_ref.as_ref().and_then(|t| t.name.clone()));
            }
        }
    }
    (ready != served).then(|| format!("ready {ready:?}, served {served:?}"))
}

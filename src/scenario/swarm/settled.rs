//! Whether every workload has reached what it wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{
    ConditionStatus, EndpointTarget, Kind, Object, Phase, Pod, PodSpec, Ref, RestartPolicy,
    Selector,
};
use crate::store::Store;

/// What has not reached what it wants, in words; what cannot, since nobody has its image, is left out.
pub(super) fn unsettled(store: &Store) -> Vec<String> {
    let mut out = Vec::new();
    for kind in Kind::ALL {
        for object in store.list(*kind) {
            if let Some(why) = unsettled_object(store, object) {
                out.push(format!("{}: {why}", object.reference()));
            }
        }
    }
    out
}

/// Pods that nobody will ever start, and that a person would delete: of pods that never restart, a node
/// that crashed after their first container leaves no sandbox, and none is made again
/// (`computePodActions`).
pub(super) fn left_by_crashes(store: &Store) -> Vec<Ref> {
    let is_left = |pod: &Pod| {
        pod.status.phase == Phase::Pending
            && pod.spec.restart_policy == RestartPolicy::Never
            && pod.status.init_containers.iter().any(|c| c.container_id != 0)
            && pod
                .status
                .condition("PodReadyToStartContainers")
                .is_some_and(|c| c.status == ConditionStatus::False)
    };
    let pods = store.list(Kind::Pod).filter_map(|o| <&Arc<Pod>>::try_from(o).ok());
    pods.filter(|p| is_left(p)).map(|p| Ref { kind: Kind::Pod, key: p.meta.key() }).collect()
}

/// Whether pods of a template never start.
fn never_starts(spec: &PodSpec) -> bool {
    spec.containers.iter().any(|c| c.image.starts_with("registry.invalid/"))
}

fn unsettled_object(store: &Store, object: &Object) -> Option<String> {
    if object.meta().is_terminating() {
        return Some(format!("is terminating, finalizers {:?}", object.meta().finalizers));
    }
    match object {
        Object::Deployment(d) if never_starts(&d.spec.template.spec) => None,
        Object::ReplicaSet(r) if never_starts(&r.spec.template.spec) => None,
        Object::Deployment(d) => {
            let (wanted, status) = (d.spec.wire.replicas.unwrap_or(1), &d.status);
            let counts = [status.replicas, status.updated_replicas, status.available_replicas];
            let observed = status.observed_generation == i64::try_from(d.meta.generation).ok();
            let settled = observed && counts.iter().all(|n| n.unwrap_or(0) == wanted);
            (!settled).then(|| format!("wants {wanted}, {counts:?}, observed {observed}"))
        }
        Object::ReplicaSet(r) => {
            let (wanted, status) = (r.spec.wire.replicas.unwrap_or(1), &r.status);
            let ready = status.available_replicas.unwrap_or(0);
            let settled = status.replicas == wanted && ready == wanted;
            (!settled).then(|| format!("wants {wanted}, has {} and {ready}", status.replicas))
        }
        Object::ReplicationController(r) => {
            let (wanted, status) = (r.spec.wire.replicas.unwrap_or(1), &r.status);
            let ready = status.available_replicas.unwrap_or(0);
            let settled = status.replicas == wanted && ready == wanted;
            (!settled).then(|| format!("wants {wanted}, has {} and {ready}", status.replicas))
        }
        Object::StatefulSet(s) => {
            let (wanted, status) = (s.spec.wire.replicas.unwrap_or(1), &s.status);
            let ready = status.ready_replicas.unwrap_or(0);
            let strategy = s.spec.wire.update_strategy.as_ref();
            let rolls = strategy.is_none_or(|s| s.type_.as_deref() != Some("OnDelete"));
            let partition = strategy.and_then(|s| s.rolling_update.as_ref()?.partition);
            let updated = status.current_revision == status.update_revision
                || !rolls
                || partition.unwrap_or(0) > 0;
            let settled = status.replicas == wanted && ready == wanted && updated;
            (!settled).then(|| {
                format!("wants {wanted}, has {} and {ready}, updated {updated}", status.replicas)
            })
        }
        Object::DaemonSet(d) => {
            let status = &d.status;
            let wanted = i32::try_from(store.len(Kind::Node)).unwrap_or(0);
            let strategy = d.spec.wire.update_strategy.as_ref().and_then(|s| s.type_.as_deref());
            let updated = match strategy {
                Some("OnDelete") => wanted,
                _ => status.updated_number_scheduled.unwrap_or(0),
            };
            let counts = [
                status.desired_number_scheduled,
                status.current_number_scheduled,
                status.number_ready,
                updated,
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
        Object::Pod(pod) => unsettled_pod(store, pod),
        Object::Node(node) => (!node.is_ready() || !node.taints.is_empty())
            .then(|| format!("ready {}, {:?}", node.is_ready(), node.taints)),
        _ => None,
    }
}

fn unsettled_pod(store: &Store, pod: &Pod) -> Option<String> {
    let owner = pod.meta.controller()?;
    let top = store.by_uid(owner.uid).and_then(|o| o.meta().controller().cloned());
    if top.is_some_and(|o| o.kind == "CronJob") || never_starts(&pod.spec) {
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
        for endpoint in slice.endpoints.iter().filter(|e| e.ready == Some(true)) {
            if let Some(EndpointTarget::Pod { name, .. }) = &endpoint.target {
                served.insert(name.to_string());
            }
        }
    }
    (ready != served).then(|| format!("ready {ready:?}, served {served:?}"))
}

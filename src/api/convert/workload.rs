//! Deployments, ReplicaSets, ReplicationControllers, StatefulSets and DaemonSets.

use std::sync::Arc;

use super::ConvertError;
use super::meta::{meta_from_wire, meta_to_wire};
use super::pod::template_from_wire;
use crate::model::{
    DaemonSet, Deployment, ReplicaSet, ReplicationController, RevisionData, Selector, StatefulSet,
    Workload, wire,
};

/// Both directions for a kind whose spec has a template that must be there and a label selector.
macro_rules! conversions {
    ($($from:ident, $to:ident: $model:ident = $wire:ident, $template:expr;)*) => {$(
        pub(super) fn $from(o: wire::apps::$wire) -> Result<$model, ConvertError> {
            let spec = o.spec.unwrap_or_default();
            let spec = Workload {
                template: template_from_wire($template(&spec)),
                selector: Selector::compile(Some(&spec.selector))?,
                wire: spec,
                revision: RevisionData::default(),
            };
            let (meta, status) = (meta_from_wire(o.metadata), o.status.unwrap_or_default());
            Ok($model { meta, spec: Arc::new(spec), status })
        }

        pub(super) fn $to(o: &$model) -> wire::apps::$wire {
            wire::apps::$wire {
                metadata: meta_to_wire(&o.meta),
                spec: Some(o.spec.wire.clone()),
                status: Some(o.status.clone()),
            }
        }
    )*};
}

conversions! {
    deployment, deployment_to_wire: Deployment = Deployment, |s: &wire::apps::DeploymentSpec| s.template.clone();
    replica_set, replica_set_to_wire: ReplicaSet = ReplicaSet, |s: &wire::apps::ReplicaSetSpec| s.template.clone().unwrap_or_default();
    stateful_set, stateful_set_to_wire: StatefulSet = StatefulSet, |s: &wire::apps::StatefulSetSpec| s.template.clone();
    daemon_set, daemon_set_to_wire: DaemonSet = DaemonSet, |s: &wire::apps::DaemonSetSpec| s.template.clone();
}

pub(super) fn replication_controller(
    o: wire::core::ReplicationController,
) -> ReplicationController {
    let spec = o.spec.unwrap_or_default();
    let spec = Workload {
        template: template_from_wire(spec.template.clone().unwrap_or_default()),
        selector: Selector::from_labels(spec.selector.iter().flatten()),
        wire: spec,
        revision: RevisionData::default(),
    };
    let (meta, status) = (meta_from_wire(o.metadata), o.status.unwrap_or_default());
    ReplicationController { meta, spec: Arc::new(spec), status }
}

pub(super) fn replication_controller_to_wire(
    o: &ReplicationController,
) -> wire::core::ReplicationController {
    wire::core::ReplicationController {
        metadata: meta_to_wire(&o.meta),
        spec: Some(o.spec.wire.clone()),
        status: Some(o.status.clone()),
    }
}

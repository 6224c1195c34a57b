//! Between the API's typed objects and the objects the simulation works on.
//!
//! [`from_wire`] takes an object that has been defaulted and validated; what cannot be represented
//! (managed fields, self links) is dropped. [`to_wire`] is what the API server would answer: what the
//! compact forms share is written out again (the node, a stable identity, the pinned node, the random
//! name of the service-account volume).

mod endpoints;
mod job;
mod meta;
mod node;
mod pod;
mod slice;
mod whole;
mod workload;

use std::sync::Arc;

pub use meta::{meta_from_wire, meta_to_wire, uid};
pub use node::node_from_wire;
pub use pod::{SERVICE_ACCOUNT_VOLUME, pod_from_wire, pod_status_from_wire, template_from_wire};

use super::typed::{Other, Typed};
use crate::base::Str;
use crate::model::{Inert, Object, SelectorError};

/// Why a typed object cannot be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A selector with an unknown operator; validation refuses it before.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// A kind that is never stored, such as an Eviction.
    #[error("a {0} is a request, not an object that is stored")]
    NotStored(&'static str),
}

/// The simulation's form of a typed object.
///
/// # Errors
/// See [`ConvertError`].
pub fn from_wire(typed: Typed) -> Result<Object, ConvertError> {
    Ok(match typed {
        Typed::Pod(o) => pod_from_wire(o).into(),
        Typed::Node(o) => node_from_wire(o).into(),
        Typed::Job(o) => job::job_from_wire(o)?.into(),
        Typed::CronJob(o) => job::cron_job_from_wire(o)?.into(),
        Typed::DaemonSet(o) => workload::daemon_set(o)?.into(),
        Typed::StatefulSet(o) => workload::stateful_set(o)?.into(),
        Typed::Deployment(o) => workload::deployment(o)?.into(),
        Typed::ReplicaSet(o) => workload::replica_set(o)?.into(),
        Typed::ReplicationController(o) => workload::replication_controller(o).into(),
        Typed::ControllerRevision(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::Service(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::EndpointSlice(o) => slice::slice_from_wire(o).into(),
        Typed::Endpoints(o) => endpoints::endpoints_from_wire(o).into(),
        Typed::ConfigMap(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::Secret(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::PersistentVolume(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::PersistentVolumeClaim(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::StorageClass(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::PodDisruptionBudget(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::HorizontalPodAutoscaler(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::Namespace(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::ResourceQuota(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::LimitRange(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::PriorityClass(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::ServiceAccount(o) => whole::take(o, |o| &mut o.metadata).into(),
        Typed::Eviction(_) => return Err(ConvertError::NotStored("Eviction")),
        // Kept as documents: nothing in the simulation looks at them.
        typed @ Typed::Lease(_) => {
            inert(Other { metadata: typed.meta().clone(), document: typed.to_value() })
        }
        Typed::Other(other) => inert(other),
    })
}

/// The typed API object, as the API server would answer it.
pub fn to_wire(object: &Object) -> Typed {
    match object {
        Object::Pod(o) => Typed::Pod(pod::pod_to_wire(o)),
        Object::Node(o) => Typed::Node(node::node_to_wire(o)),
        Object::Job(o) => Typed::Job(job::job_to_wire(o)),
        Object::CronJob(o) => Typed::CronJob(job::cron_job_to_wire(o)),
        Object::DaemonSet(o) => Typed::DaemonSet(workload::daemon_set_to_wire(o)),
        Object::StatefulSet(o) => Typed::StatefulSet(workload::stateful_set_to_wire(o)),
        Object::Deployment(o) => Typed::Deployment(workload::deployment_to_wire(o)),
        Object::ReplicaSet(o) => Typed::ReplicaSet(workload::replica_set_to_wire(o)),
        Object::ReplicationController(o) => {
            Typed::ReplicationController(workload::replication_controller_to_wire(o))
        }
        Object::ControllerRevision(o) => {
            Typed::ControllerRevision(whole::give(o, |o| &mut o.metadata))
        }
        Object::Service(o) => Typed::Service(whole::give(o, |o| &mut o.metadata)),
        Object::EndpointSlice(o) => Typed::EndpointSlice(slice::slice_to_wire(o)),
        Object::Endpoints(o) => Typed::Endpoints(endpoints::endpoints_to_wire(o)),
        Object::ConfigMap(o) => Typed::ConfigMap(whole::give(o, |o| &mut o.metadata)),
        Object::Secret(o) => Typed::Secret(whole::give(o, |o| &mut o.metadata)),
        Object::PersistentVolume(o) => Typed::PersistentVolume(whole::give(o, |o| &mut o.metadata)),
        Object::PersistentVolumeClaim(o) => {
            Typed::PersistentVolumeClaim(whole::give(o, |o| &mut o.metadata))
        }
        Object::StorageClass(o) => Typed::StorageClass(whole::give(o, |o| &mut o.metadata)),
        Object::PodDisruptionBudget(o) => {
            Typed::PodDisruptionBudget(whole::give(o, |o| &mut o.metadata))
        }
        Object::HorizontalPodAutoscaler(o) => {
            Typed::HorizontalPodAutoscaler(whole::give(o, |o| &mut o.metadata))
        }
        Object::Namespace(o) => Typed::Namespace(whole::give(o, |o| &mut o.metadata)),
        Object::ResourceQuota(o) => Typed::ResourceQuota(whole::give(o, |o| &mut o.metadata)),
        Object::LimitRange(o) => Typed::LimitRange(whole::give(o, |o| &mut o.metadata)),
        Object::PriorityClass(o) => Typed::PriorityClass(whole::give(o, |o| &mut o.metadata)),
        Object::ServiceAccount(o) => Typed::ServiceAccount(whole::give(o, |o| &mut o.metadata)),
        Object::Inert(o) => {
            let mut document = serde_json::Map::new();
            document.insert("apiVersion".into(), o.api_version.as_str().into());
            document.insert("kind".into(), o.kind.as_str().into());
            document.insert("metadata".into(), serde_json::Value::Null);
            document.extend(o.body.iter().map(|(k, v)| (k.clone(), v.clone())));
            Typed::Other(Other { metadata: meta_to_wire(&o.meta), document: document.into() })
        }
    }
}

fn inert(other: Other) -> Object {
    let text = |field: &str| Str::from(other.document[field].as_str().unwrap_or_default());
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let body = match other.document {
        serde_json::Value::Object(fields) => fields
            .into_iter()
            .filter(|(k, _)| !matches!(k.as_str(), "apiVersion" | "kind" | "metadata"))
            .collect(),
        _ => serde_json::Map::new(),
    };
    Inert { meta: meta_from_wire(other.metadata), api_version, kind, body: Arc::new(body) }.into()
}

//! The objects of the simulated cluster, in the form in which the simulation works on them.
//!
//! Three sizes of thing, by how many there are and how often they change:
//!
//! - *Pods*, *Nodes* and *Jobs* are compact structs of our own. What all pods of one template share is
//!   compiled once into a [`PodSpec`] behind an `Arc`; what differs (node, hostname, claims) stands
//!   beside it. A status update copies a few hundred bytes.
//! - The other workloads (Deployment, ReplicaSet, StatefulSet, DaemonSet, CronJob …) keep the typed API
//!   spec behind an `Arc`, next to the compiled template and selector ([`Workload`]).
//! - Everything else is the typed API object as it is, its metadata taken out ([`Whole`]), or, where
//!   the simulation gives a kind no behaviour, the document itself ([`Inert`]).
//!
//! [`Object`] is the closed sum of them. There is no behaviour here beyond what keeps the values well
//! formed. Wire forms (JSON, defaulting, validation) are made in `api`.

use std::sync::Arc;

mod endpoint_slice;
mod endpoints;
mod ids;
mod labels;
mod meta;
mod node;
mod object;
mod owners;
mod pod;
mod pod_spec;
mod resizing;
mod resources;
mod selector;
mod workload;

pub use endpoint_slice::{Endpoint, EndpointHints, EndpointSlice, EndpointTarget};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints};
pub use ids::{Key, Kind, Ref, Slot, Uid};
pub use labels::Labels;
pub use meta::{Deletion, Meta, OwnerRef, finalizers};
pub use node::{Node, NodeCondition, Taint, TaintEffect};
pub use object::{Inert, Object, Whole};
pub use owners::Owners;
pub use pod::{
    ConditionStatus, ContainerState, ContainerStatus, Phase, Pod, PodCondition, PodIdentity,
    PodStatus, Terminated, conditions,
};
pub use pod_spec::{
    Container, EphemeralContainer, Handler, HttpGet, PodSpec, PodTemplate, PortRef,
    PreemptionPolicy, Probe, PullPolicy, Qos, RestartPolicy, Toleration, TolerationOperator,
};
pub use resizing::{Amounts, Given, Resizable, conditions as resize_conditions};
pub use resources::Resources;
pub use selector::{Requirement, Selector, SelectorError};
pub use workload::{
    CronJob, CronJobSpec, DaemonSet, Deployment, Job, JobCondition, JobSpec, JobStatus,
    JobTemplate, ReplicaSet, ReplicationController, RevisionData, StatefulSet, Workload,
};

/// The typed API objects, under one short name.
pub mod wire {
    pub use k8s_openapi::api::apps::v1 as apps;
    pub use k8s_openapi::api::autoscaling::v2 as autoscaling;
    pub use k8s_openapi::api::batch::v1 as batch;
    pub use k8s_openapi::api::core::v1 as core;
    pub use k8s_openapi::api::discovery::v1 as discovery;
    pub use k8s_openapi::api::policy::v1 as policy;
    pub use k8s_openapi::api::scheduling::v1 as scheduling;
    pub use k8s_openapi::api::storage::v1 as storage;
    pub use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
    pub use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
}

/// Whether two shared values are equal: at once where they are one.
pub(crate) fn equal<T: PartialEq + ?Sized>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// The same of lists that stand for an empty one where there is none.
pub(crate) fn equal_lists<T: PartialEq>(one: &Option<Arc<[T]>>, other: &Option<Arc<[T]>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => equal(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// A virtual time as the typed API objects carry it, in whole seconds as Kubernetes stores it.
pub fn wire_time(at: crate::base::time::SimTime) -> wire::meta::Time {
    let secs = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    wire::meta::Time(jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX))
}

/// A virtual time with its microseconds, as `metav1.MicroTime` stores it.
pub fn wire_micro_time(at: crate::base::time::SimTime) -> wire::meta::MicroTime {
    let micros = i64::try_from(at.as_nanos() / 1_000).unwrap_or(i64::MAX);
    wire::meta::MicroTime(jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX))
}

/// The virtual time that an API time names; times before 1970 count as 1970.
pub fn sim_time(at: &wire::meta::Time) -> crate::base::time::SimTime {
    let nanos = at.0.as_nanosecond().max(0);
    crate::base::time::SimTime::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

//! API objects as typed values: the closed sum of the kinds that the simulation gives a behaviour.
//!
//! The types are those of `k8s-openapi`; what Go does beyond them (which empty fields are written,
//! what `null` means, how a type error reads) comes from [`super::schema`], so that JSON read here
//! and written back is the JSON of the API server. Kinds without behaviour stay documents.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::{self, DecodeError, Struct};
use crate::model::wire;

/// An object, by kind.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "rare objects, moved once or twice on the way in and out"
)]
pub enum Typed {
    /// v1 Pod
    Pod(wire::core::Pod),
    /// batch/v1 Job
    Job(wire::batch::Job),
    /// batch/v1 CronJob
    CronJob(wire::batch::CronJob),
    /// apps/v1 DaemonSet
    DaemonSet(wire::apps::DaemonSet),
    /// apps/v1 StatefulSet
    StatefulSet(wire::apps::StatefulSet),
    /// apps/v1 Deployment
    Deployment(wire::apps::Deployment),
    /// apps/v1 ReplicaSet
    ReplicaSet(wire::apps::ReplicaSet),
    /// v1 ReplicationController
    ReplicationController(wire::core::ReplicationController),
    /// apps/v1 ControllerRevision
    ControllerRevision(wire::apps::ControllerRevision),
    /// v1 Service
    Service(wire::core::Service),
    /// discovery.k8s.io/v1 EndpointSlice
    EndpointSlice(wire::discovery::EndpointSlice),
    /// v1 Endpoints
    Endpoints(wire::core::Endpoints),
    /// v1 ConfigMap
    ConfigMap(wire::core::ConfigMap),
    /// v1 Secret
    Secret(wire::core::Secret),
    /// v1 PersistentVolume
    PersistentVolume(wire::core::PersistentVolume),
    /// v1 PersistentVolumeClaim
    PersistentVolumeClaim(wire::core::PersistentVolumeClaim),
    /// storage.k8s.io/v1 StorageClass
    StorageClass(wire::storage::StorageClass),
    /// policy/v1 PodDisruptionBudget
    PodDisruptionBudget(wire::policy::PodDisruptionBudget),
    /// autoscaling/v2 HorizontalPodAutoscaler
    HorizontalPodAutoscaler(wire::autoscaling::HorizontalPodAutoscaler),
    /// v1 Namespace
    Namespace(wire::core::Namespace),
    /// v1 Node
    Node(wire::core::Node),
    /// v1 ResourceQuota
    ResourceQuota(wire::core::ResourceQuota),
    /// v1 LimitRange
    LimitRange(wire::core::LimitRange),
    /// scheduling.k8s.io/v1 PriorityClass
    PriorityClass(wire::scheduling::PriorityClass),
    /// v1 ServiceAccount
    ServiceAccount(wire::core::ServiceAccount),
    /// coordination.k8s.io/v1 Lease
    Lease(k8s_openapi::api::coordination::v1::Lease),
    /// policy/v1 Eviction
    Eviction(wire::policy::Eviction),
    /// Any other kind, in the JSON the API server writes.
    Other(Other),
}

/// An object of a kind without behaviour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Other {
    /// Its metadata, which the document does not repeat.
    pub metadata: wire::meta::ObjectMeta,
    /// The document.
    pub document: Value,
}

/// Calls `$body` with the typed object of any kind but [`Typed::Other`] bound to `$object`.
macro_rules! each {
    ($typed:expr, $object:ident => $body:expr, $other:ident => $rest:expr) => {
        match $typed {
            Typed::Pod($object) => $body,
            Typed::Job($object) => $body,
            Typed::CronJob($object) => $body,
            Typed::DaemonSet($object) => $body,
            Typed::StatefulSet($object) => $body,
            Typed::Deployment($object) => $body,
            Typed::ReplicaSet($object) => $body,
            Typed::ReplicationController($object) => $body,
            Typed::ControllerRevision($object) => $body,
            Typed::Service($object) => $body,
            Typed::EndpointSlice($object) => $body,
            Typed::Endpoints($object) => $body,
            Typed::ConfigMap($object) => $body,
            Typed::Secret($object) => $body,
            Typed::PersistentVolume($object) => $body,
            Typed::PersistentVolumeClaim($object) => $body,
            Typed::StorageClass($object) => $body,
            Typed::PodDisruptionBudget($object) => $body,
            Typed::HorizontalPodAutoscaler($object) => $body,
            Typed::Namespace($object) => $body,
            Typed::Node($object) => $body,
            Typed::ResourceQuota($object) => $body,
            Typed::LimitRange($object) => $body,
            Typed::PriorityClass($object) => $body,
            Typed::ServiceAccount($object) => $body,
            Typed::Lease($object) => $body,
            Typed::Eviction($object) => $body,
            Typed::Other($other) => $rest,
        }
    };
}

impl Typed {
    /// Reads an object by its `apiVersion` and `kind`. Unknown fields are dropped.
    ///
    /// # Errors
    /// A value of a wrong type, with Go's text for it.
    pub fn decode(json: &Value) -> Result<Self, DecodeError> {
        Self::from_normal(match struct_of(json) {
            Some(of) => schema::encode(of, &schema::decode(of, json)?.value),
            None => json.clone(),
        })
    }

    /// Reads an object from JSON as [`schema::encode`] writes it; a kind that it does not write may be as it is.
    ///
    /// # Errors
    /// A value that the type refuses.
    pub fn from_normal(normal: Value) -> Result<Self, DecodeError> {
        Ok(match struct_of(&normal).map_or("", |of| of.key) {
            "core/v1.Pod" => Self::Pod(read(normal)?),
            "batch/v1.Job" => Self::Job(read(normal)?),
            "batch/v1.CronJob" => Self::CronJob(read(normal)?),
            "apps/v1.DaemonSet" => Self::DaemonSet(read(normal)?),
            "apps/v1.StatefulSet" => Self::StatefulSet(read(normal)?),
            "apps/v1.Deployment" => Self::Deployment(read(normal)?),
            "apps/v1.ReplicaSet" => Self::ReplicaSet(read(normal)?),
            "core/v1.ReplicationController" => Self::ReplicationController(read(normal)?),
            "apps/v1.ControllerRevision" => Self::ControllerRevision(read(normal)?),
            "core/v1.Service" => Self::Service(read(normal)?),
            "discovery/v1.EndpointSlice" => Self::EndpointSlice(read(normal)?),
            "core/v1.Endpoints" => Self::Endpoints(read(normal)?),
            "core/v1.ConfigMap" => Self::ConfigMap(read(normal)?),
            "core/v1.Secret" => Self::Secret(read(normal)?),
            "core/v1.PersistentVolume" => Self::PersistentVolume(read(normal)?),
            "core/v1.PersistentVolumeClaim" => Self::PersistentVolumeClaim(read(normal)?),
            "storage/v1.StorageClass" => Self::StorageClass(read(normal)?),
            "policy/v1.PodDisruptionBudget" => Self::PodDisruptionBudget(read(normal)?),
            "autoscaling/v2.HorizontalPodAutoscaler" => {
                Self::HorizontalPodAutoscaler(read(normal)?)
            }
            "core/v1.Namespace" => Self::Namespace(read(normal)?),
            "core/v1.Node" => Self::Node(read(normal)?),
            "core/v1.ResourceQuota" => Self::ResourceQuota(read(normal)?),
            "core/v1.LimitRange" => Self::LimitRange(read(normal)?),
            "scheduling/v1.PriorityClass" => Self::PriorityClass(read(normal)?),
            "core/v1.ServiceAccount" => Self::ServiceAccount(read(normal)?),
            "coordination/v1.Lease" => Self::Lease(read(normal)?),
            "policy/v1.Eviction" => Self::Eviction(read(normal)?),
            _ => Self::Other(other(normal)?),
        })
    }

    /// The JSON that the API server writes for it.
    pub fn to_value(&self) -> Value {
        each!(self, object => write(object), other => {
            let mut document = other.document.clone();
            if let Some(fields) = document.as_object_mut() {
                let metadata = serde_json::to_value(&other.metadata).unwrap_or_default();
                fields.insert("metadata".into(), metadata);
            }
            document
        })
    }

    /// Its metadata.
    pub fn meta(&self) -> &wire::meta::ObjectMeta {
        each!(self, object => &object.metadata, other => &other.metadata)
    }

    /// Its metadata, to be changed.
    pub fn meta_mut(&mut self) -> &mut wire::meta::ObjectMeta {
        each!(self, object => &mut object.metadata, other => &mut other.metadata)
    }
}

fn struct_of(json: &Value) -> Option<&'static Struct> {
    schema::kind(json["apiVersion"].as_str()?, json["kind"].as_str()?)
}

/// The normal form fits the type but for values that only k8s-openapi's own types refuse.
fn read<T: DeserializeOwned>(normal: Value) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(normal)
        .map_err(|e| DecodeError { path: e.path().to_string(), message: e.inner().to_string() })
}

fn other(mut document: Value) -> Result<Other, DecodeError> {
    let metadata = match document.get_mut("metadata").map(Value::take) {
        Some(Value::Null) | None => wire::meta::ObjectMeta::default(),
        Some(metadata) => read(metadata)?,
    };
    Ok(Other { metadata, document })
}

/// The JSON of one object of a kind in the table.
///
/// # Panics
/// Never: the API types serialise into JSON.
fn write<T: Serialize>(object: &T) -> Value {
    let json = serde_json::to_value(object).expect("API objects are JSON");
    match struct_of(&json) {
        Some(of) => schema::encode(of, &json),
        None => json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_written_back_as_the_api_server_would() {
        let check = |given: Value, text: &str| {
            assert_eq!(Typed::decode(&given).unwrap().to_value().to_string(), text);
        };
        check(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {}},
                   "spec": {"clusterIP": "", "ports": [{"port": 80, "targetPort": "http"}]}}),
            r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80,"targetPort":"http"}]},"status":{"loadBalancer":{}}}"#,
        );
        check(
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "size": 3}),
            r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"size":3}"#,
        );
    }

    #[test]
    fn metadata_is_reached_whatever_the_kind() {
        for kind in ["Pod", "Node", "Mystery"] {
            let json = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}});
            let mut typed = Typed::decode(&json).unwrap();
            typed.meta_mut().namespace = Some("here".into());
            assert_eq!(typed.meta().name.as_deref(), Some("a"));
            assert_eq!(typed.to_value()["metadata"]["namespace"], "here");
        }
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_path() {
        let json = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"parallelism": "2"}});
        let error = Typed::decode(&json).unwrap_err();
        assert_eq!(error.path, "spec.parallelism");
    }
}

//! The closed sum of all objects.

use std::sync::Arc;

use super::{
    CronJob, DaemonSet, Deployment, EndpointSlice, Endpoints, Job, Key, Kind, Meta, Node, Pod, Ref,
    ReplicaSet, ReplicationController, StatefulSet, wire,
};
use crate::base::Str;

/// A rare kind: the typed API object as it is, its metadata (always empty there) taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole<T> {
    /// Its metadata.
    pub meta: Meta,
    /// The API object without metadata.
    pub body: Arc<T>,
}

/// An object of a kind without behaviour: kept as the document that was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Inert {
    /// Its metadata. Its key's name is the object's own; kinds do not clash, see [`Object::reference`].
    pub meta: Meta,
    /// Its `apiVersion`.
    pub api_version: Str,
    /// Its `kind`.
    pub kind: Str,
    /// The document, without `apiVersion`, `kind` and `metadata`.
    pub body: Arc<serde_json::Map<String, serde_json::Value>>,
}

macro_rules! objects {
    ($($kind:ident($ty:ty),)*) => {
        /// Any object. Cloning shares it.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object {
            $(#[doc = concat!("A ", stringify!($kind), ".")] $kind(Arc<$ty>),)*
        }

        impl Object {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            pub fn meta(&self) -> &Meta {
                match self { $(Self::$kind(o) => &o.meta,)* }
            }

            /// Its metadata, to be changed; a shared object is copied first.
            pub fn meta_mut(&mut self) -> &mut Meta {
                match self { $(Self::$kind(o) => &mut Arc::make_mut(o).meta,)* }
            }

            /// Whether both are the very same value in memory.
            pub fn same(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(a), Self::$kind(b)) => Arc::ptr_eq(a, b),)*
                    _ => false,
                }
            }
        }

        $(impl From<$ty> for Object {
            fn from(o: $ty) -> Self { Self::$kind(Arc::new(o)) }
        })*

        $(impl<'a> TryFrom<&'a Object> for &'a Arc<$ty> {
            type Error = ();
            fn try_from(o: &'a Object) -> Result<Self, ()> {
                if let Object::$kind(o) = o { Ok(o) } else { Err(()) }
            }
        })*
    };
}

objects! {
    Pod(Pod),
    Node(Node),
    Job(Job),
    CronJob(CronJob),
    DaemonSet(DaemonSet),
    StatefulSet(StatefulSet),
    Deployment(Deployment),
    ReplicaSet(ReplicaSet),
    ReplicationController(ReplicationController),
    ControllerRevision(Whole<wire::apps::ControllerRevision>),
    Service(Whole<wire::core::Service>),
    EndpointSlice(EndpointSlice),
    Endpoints(Endpoints),
    ConfigMap(Whole<wire::core::ConfigMap>),
    Secret(Whole<wire::core::Secret>),
    PersistentVolume(Whole<wire::core::PersistentVolume>),
    PersistentVolumeClaim(Whole<wire::core::PersistentVolumeClaim>),
    StorageClass(Whole<wire::storage::StorageClass>),
    PodDisruptionBudget(Whole<wire::policy::PodDisruptionBudget>),
    HorizontalPodAutoscaler(Whole<wire::autoscaling::HorizontalPodAutoscaler>),
    Namespace(Whole<wire::core::Namespace>),
    ResourceQuota(Whole<wire::core::ResourceQuota>),
    LimitRange(Whole<wire::core::LimitRange>),
    PriorityClass(Whole<wire::scheduling::PriorityClass>),
    ServiceAccount(Whole<wire::core::ServiceAccount>),
    Inert(Inert),
}

impl Object {
    /// Its namespace and name. Inert kinds share a table: their keys carry the kind before the name
    /// (`Ingress.networking.k8s.io/web`), which no name can clash with, since names hold no slash.
    pub fn key(&self) -> Key {
        let meta = self.meta();
        match self {
            Self::Inert(o) => {
                let group = o.api_version.split_once('/').map_or("", |(g, _)| g);
                Key::new(meta.namespace.clone(), format!("{}.{group}/{}", o.kind, meta.name))
            }
            _ => meta.key(),
        }
    }

    /// Its kind, namespace and name.
    pub fn reference(&self) -> Ref {
        Ref { kind: self.kind(), key: self.key() }
    }
}

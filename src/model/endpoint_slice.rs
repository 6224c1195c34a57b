//! EndpointSlices: the addresses behind a Service.
//!
//! A slice is written anew whenever one of its hundred endpoints changes, and with each pod that
//! becomes ready one does. So the endpoints are shared: a new version of a slice shares with the old one
//! all endpoints that stayed as they were, and whether two are the same is one comparison of pointers.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Meta, Uid, wire};
use crate::base::Str;

/// An EndpointSlice (`discovery.k8s.io/v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSlice {
    /// Its metadata.
    pub meta: Meta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: Str,
    /// The ports of every endpoint; none and an empty list are one.
    pub ports: Arc<[wire::discovery::EndpointPort]>,
    /// The endpoints; none and an empty list are one.
    pub endpoints: Vec<Arc<Endpoint>>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    /// Its addresses, all of them of one endpoint; consumers use the first.
    pub addresses: SmallVec<[Str; 1]>,
    /// Whether it takes traffic; absent counts as ready.
    pub ready: Option<bool>,
    /// Whether it could take traffic, terminating or not; absent counts as `ready`.
    pub serving: Option<bool>,
    /// Whether it is about to go; absent counts as not.
    pub terminating: Option<bool>,
    /// Its name below that of a headless Service.
    pub hostname: Option<Str>,
    /// The node it is on.
    pub node_name: Option<Str>,
    /// The zone it is in.
    pub zone: Option<Str>,
    /// What it is an endpoint of.
    pub target: Option<EndpointTarget>,
    /// For whom it is meant.
    pub hints: Option<Arc<EndpointHints>>,
    /// `deprecatedTopology`, of slices written to the beta API.
    pub deprecated_topology: Option<Arc<BTreeMap<String, String>>>,
}

// Nothing in it is unequal to itself, and so endpoints in the same place of memory are equal ones.
impl Eq for Endpoint {}

impl Endpoint {
    /// Whether connections are made to it.
    pub fn is_ready(&self) -> bool {
        self.ready != Some(false)
    }

    /// The uid of its pod.
    pub fn pod(&self) -> Option<Uid> {
        match self.target {
            Some(EndpointTarget::Pod { uid, .. }) => Some(uid),
            _ => None,
        }
    }
}

/// What an endpoint refers to (`targetRef`).
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointTarget {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: Str,
        /// Its name.
        name: Str,
        /// Its uid.
        uid: Uid,
    },
    /// Anything else, or a pod that is not wholly named.
    Other(Arc<wire::core::ObjectReference>),
}

/// For whom an endpoint is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointHints {
    /// For clients in these zones.
    pub zones: Vec<Str>,
    /// For clients on these nodes.
    pub nodes: Vec<Str>,
}

//! Endpoints: the addresses behind a Service in the form that EndpointSlices have replaced.
//!
//! As in slices, a new version shares with the old one all addresses that stayed as they were.

use std::sync::Arc;

use super::{EndpointTarget, Meta, Uid, wire};
use crate::base::Str;

/// An Endpoints object (`v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    /// Its metadata.
    pub meta: Meta,
    /// Addresses with the ports that all of them have; none and an empty list are one.
    pub subsets: Vec<EndpointSubset>,
}

/// Addresses with ports that all of them have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointSubset {
    /// Those that take traffic.
    pub addresses: Vec<Arc<EndpointAddress>>,
    /// Those that do not yet or no longer.
    pub not_ready: Vec<Arc<EndpointAddress>>,
    /// The ports of each.
    pub ports: Arc<[wire::core::EndpointPort]>,
}

/// One address.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointAddress {
    /// The address itself.
    pub ip: Str,
    /// Its name below that of a headless Service.
    pub hostname: Option<Str>,
    /// The node it is on.
    pub node_name: Option<Str>,
    /// What it is an address of.
    pub target: Option<EndpointTarget>,
}

// Nothing in it is unequal to itself, and so addresses in the same place of memory are equal ones.
impl Eq for EndpointAddress {}

impl EndpointAddress {
    /// The uid of its pod.
    pub fn pod(&self) -> Option<Uid> {
        match self.target {
            Some(EndpointTarget::Pod { uid, .. }) => Some(uid),
            _ => None,
        }
    }
}

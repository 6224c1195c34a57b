//! Endpoints.

use std::sync::Arc;

use super::meta::{meta_from_wire, meta_to_wire};
use super::slice::{target_from_wire, target_to_wire};
use crate::base::Str;
use crate::model::wire::core as api;
use crate::model::{EndpointAddress, EndpointSubset, Endpoints};

pub(super) fn endpoints_from_wire(endpoints: api::Endpoints) -> Endpoints {
    let subsets = endpoints.subsets.into_iter().flatten().map(|subset| EndpointSubset {
        addresses: shared(subset.addresses),
        not_ready: shared(subset.not_ready_addresses),
        ports: subset.ports.unwrap_or_default().into(),
    });
    Endpoints { subsets: subsets.collect(), meta: meta_from_wire(endpoints.metadata) }
}

pub(super) fn endpoints_to_wire(endpoints: &Endpoints) -> api::Endpoints {
    let addresses = |all: &[Arc<EndpointAddress>]| {
        (!all.is_empty()).then(|| all.iter().map(|a| address_to_wire(a)).collect())
    };
    let subsets: Vec<_> = endpoints
        .subsets
        .iter()
        .map(|subset| api::EndpointSubset {
            addresses: addresses(&subset.addresses),
            not_ready_addresses: addresses(&subset.not_ready),
            ports: (!subset.ports.is_empty()).then(|| subset.ports.to_vec()),
        })
        .collect();
    api::Endpoints {
        metadata: meta_to_wire(&endpoints.meta),
        subsets: (!subsets.is_empty()).then_some(subsets),
    }
}

fn shared(addresses: Option<Vec<api::EndpointAddress>>) -> Vec<Arc<EndpointAddress>> {
    addresses.into_iter().flatten().map(|a| Arc::new(address_from_wire(a))).collect()
}

fn address_from_wire(address: api::EndpointAddress) -> EndpointAddress {
    EndpointAddress {
        ip: address.ip.into(),
        hostname: address.hostname.map(Str::from),
        node_name: address.node_name.map(Str::from),
        target: address.target_ref.map(target_from_wire),
    }
}

fn address_to_wire(address: &EndpointAddress) -> api::EndpointAddress {
    let text = |s: &Option<Str>| s.as_ref().map(ToString::to_string);
    api::EndpointAddress {
        ip: address.ip.to_string(),
        hostname: text(&address.hostname),
        node_name: text(&address.node_name),
        target_ref: address.target.as_ref().map(target_to_wire),
    }
}

//! EndpointSlices.

use std::sync::Arc;

use super::meta::{meta_from_wire, meta_to_wire};
use crate::base::Str;
use crate::model::wire::discovery as api;
use crate::model::{Endpoint, EndpointHints, EndpointSlice, EndpointTarget, Uid, wire};

pub(super) fn slice_from_wire(slice: api::EndpointSlice) -> EndpointSlice {
    EndpointSlice {
        meta: meta_from_wire(slice.metadata),
        address_type: slice.address_type.into(),
        ports: slice.ports.unwrap_or_default().into(),
        endpoints: slice.endpoints.into_iter().flatten().map(|e| Arc::new(from_wire(e))).collect(),
    }
}

pub(super) fn slice_to_wire(slice: &EndpointSlice) -> api::EndpointSlice {
    let endpoints: Vec<_> = slice.endpoints.iter().map(|e| to_wire(e)).collect();
    api::EndpointSlice {
        metadata: meta_to_wire(&slice.meta),
        address_type: slice.address_type.to_string(),
        endpoints: (!endpoints.is_empty()).then_some(endpoints),
        ports: (!slice.ports.is_empty()).then(|| slice.ports.to_vec()),
    }
}

fn from_wire(endpoint: api::Endpoint) -> Endpoint {
    let conditions = endpoint.conditions.unwrap_or_default();
    let hints = endpoint.hints.map(|hints| {
        let zones = hints.for_zones.into_iter().flatten().map(|z| z.name.into());
        let nodes = hints.for_nodes.into_iter().flatten().map(|n| n.name.into());
        Arc::new(EndpointHints { zones: zones.collect(), nodes: nodes.collect() })
    });
    Endpoint {
        addresses: endpoint.addresses.into_iter().map(Str::from).collect(),
        ready: conditions.ready,
        serving: conditions.serving,
        terminating: conditions.terminating,
        hostname: endpoint.hostname.map(Str::from),
        node_name: endpoint.node_name.map(Str::from),
        zone: endpoint.zone.map(Str::from),
        target: endpoint.target_ref.map(target_from_wire),
        hints,
        deprecated_topology: endpoint.deprecated_topology.map(Arc::new),
    }
}

fn to_wire(endpoint: &Endpoint) -> api::Endpoint {
    let text = |s: &Option<Str>| s.as_ref().map(ToString::to_string);
    let hints = endpoint.hints.as_ref().map(|hints| {
        let zones: Vec<_> =
            hints.zones.iter().map(|z| api::ForZone { name: z.to_string() }).collect();
        let nodes: Vec<_> =
            hints.nodes.iter().map(|n| api::ForNode { name: n.to_string() }).collect();
        api::EndpointHints {
            for_nodes: (!nodes.is_empty()).then_some(nodes),
            for_zones: (!zones.is_empty()).then_some(zones),
        }
    });
    api::Endpoint {
        addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
        conditions: Some(api::EndpointConditions {
            ready: endpoint.ready,
            serving: endpoint.serving,
            terminating: endpoint.terminating,
        }),
        deprecated_topology: endpoint.deprecated_topology.as_deref().cloned(),
        hints,
        hostname: text(&endpoint.hostname),
        node_name: text(&endpoint.node_name),
        target_ref: endpoint.target.as_ref().map(target_to_wire),
        zone: text(&endpoint.zone),
    }
}

pub(super) fn target_from_wire(reference: wire::core::ObjectReference) -> EndpointTarget {
    let target = match (&reference.namespace, &reference.name, &reference.uid) {
        (Some(namespace), Some(name), Some(uid)) => {
            Uid::parse(uid).map(|uid| EndpointTarget::Pod {
                namespace: namespace.as_str().into(),
                name: name.as_str().into(),
                uid,
            })
        }
        _ => None,
    };
    // A reference that says more, or says it otherwise, is kept as it is.
    match target {
        Some(target) if target_to_wire(&target) == reference => target,
        _ => EndpointTarget::Other(Arc::new(reference)),
    }
}

pub(super) fn target_to_wire(target: &EndpointTarget) -> wire::core::ObjectReference {
    match target {
        EndpointTarget::Pod { namespace, name, uid } => wire::core::ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.to_string()),
            name: Some(name.to_string()),
            uid: Some(uid.to_string()),
            ..Default::default()
        },
        EndpointTarget::Other(reference) => wire::core::ObjectReference::clone(reference),
    }
}

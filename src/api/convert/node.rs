//! Nodes.

use std::sync::Arc;

use super::meta::{list, meta_from_wire, meta_to_wire, some, text};
use crate::base::Str;
use crate::model::{
    ConditionStatus, Node, NodeCondition, Resources, Taint, TaintEffect, sim_time, wire, wire_time,
};

/// A node in the simulation's form.
pub fn node_from_wire(mut o: wire::core::Node) -> Node {
    let meta = meta_from_wire(std::mem::take(&mut o.metadata));
    let mut spec = o.spec.take().unwrap_or_default();
    let mut status = o.status.take().unwrap_or_default();
    let taints = spec.taints.take().into_iter().flatten().filter_map(taint).collect();
    let conditions = status.conditions.take().into_iter().flatten().map(condition).collect();
    let amounts = status.allocatable.as_ref().or(status.capacity.as_ref());
    let internal_ip = status
        .addresses
        .iter()
        .flatten()
        .find(|a| a.type_ == "InternalIP")
        .and_then(|a| a.address.parse().ok());
    Node {
        meta,
        unschedulable: spec.unschedulable.take().unwrap_or(false),
        taints,
        allocatable: amounts.map(Resources::from_list).unwrap_or_default(),
        conditions,
        lease_stopped: None,
        internal_ip,
        pod_cidr: text(spec.pod_cidr.clone()),
        images: status.images.take().unwrap_or_default().into(),
        rest: Arc::new(wire::core::Node { spec: Some(spec), status: Some(status), ..o }),
    }
}

pub(super) fn node_to_wire(o: &Node) -> wire::core::Node {
    let mut node = wire::core::Node::clone(&o.rest);
    node.metadata = meta_to_wire(&o.meta);
    let spec = node.spec.get_or_insert_default();
    spec.unschedulable = o.unschedulable.then_some(true);
    spec.taints = list(o.taints.iter().map(taint_to_wire));
    let status = node.status.get_or_insert_default();
    status.conditions = list(o.conditions.iter().map(condition_to_wire));
    status.images = list(o.images.iter().cloned());
    node
}

fn taint(t: wire::core::Taint) -> Option<Taint> {
    Some(Taint {
        effect: TaintEffect::parse(&t.effect)?,
        key: t.key.into(),
        value: text(t.value),
        added: t.time_added.as_ref().map(sim_time),
    })
}

fn taint_to_wire(t: &Taint) -> wire::core::Taint {
    wire::core::Taint {
        key: t.key.to_string(),
        value: some(&t.value),
        effect: t.effect.as_str().to_owned(),
        time_added: t.added.map(wire_time),
    }
}

fn condition(c: wire::core::NodeCondition) -> NodeCondition {
    NodeCondition {
        kind: Str::from(c.type_),
        status: ConditionStatus::parse(&c.status),
        reason: text(c.reason),
        message: text(c.message),
        since: c.last_transition_time.as_ref().map(sim_time).unwrap_or_default(),
    }
}

fn condition_to_wire(c: &NodeCondition) -> wire::core::NodeCondition {
    wire::core::NodeCondition {
        type_: c.kind.to_string(),
        status: c.status.as_str().to_owned(),
        reason: some(&c.reason),
        message: some(&c.message),
        last_transition_time: Some(wire_time(c.since)),
        last_heartbeat_time: None,
    }
}

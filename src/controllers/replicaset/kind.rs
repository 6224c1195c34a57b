//! What differs between ReplicaSets and ReplicationControllers: types and names.

use std::fmt::Debug;
use std::sync::Arc;

use crate::model::{Kind, Meta, Object, PodTemplate, Selector, wire};

/// One of the two kinds.
pub trait SetKind: Debug {
    /// The controller's name, as it signs events.
    const NAME: &'static str;
    /// The kind.
    const KIND: Kind;

    /// What the controller looks at.
    ///
    /// # Panics
    /// When the object is of another kind.
    fn read(set: &Object) -> State<'_>;

    /// The object with another status.
    fn with_status(set: &Object, status: &Status) -> Object;
}

/// A set as the controller sees it.
#[derive(Debug)]
pub struct State<'a> {
    /// Its metadata.
    pub meta: &'a Meta,
    /// Pods wanted.
    pub replicas: i32,
    /// `minReadySeconds`.
    pub min_ready_seconds: u32,
    /// Which pods are its own.
    pub selector: &'a Selector,
    /// What its pods look like.
    pub template: &'a PodTemplate,
    /// Whether it reports terminating pods.
    pub counts_terminating: bool,
    /// Its status.
    pub status: Status,
}

/// The status of either kind (`apps/v1.ReplicaSetStatus`).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Status {
    /// Active pods.
    pub replicas: i32,
    /// Those with all labels of the template.
    pub fully_labeled: i32,
    /// Those that are ready.
    pub ready: i32,
    /// Those that have been ready for `minReadySeconds`.
    pub available: i32,
    /// Pods that are being deleted; `None` where they are not reported.
    pub terminating: Option<i32>,
    /// The generation acted upon.
    pub observed_generation: i64,
    /// Its conditions.
    pub conditions: Vec<wire::apps::ReplicaSetCondition>,
}

/// ReplicaSets.
#[derive(Clone, Debug)]
pub struct OfReplicaSet;

/// ReplicationControllers.
#[derive(Clone, Debug)]
pub struct OfReplicationController;

impl SetKind for OfReplicaSet {
    const NAME: &'static str = "replicaset-controller";
    const KIND: Kind = Kind::ReplicaSet;

    fn read(set: &Object) -> State<'_> {
        let Object::ReplicaSet(set) = set else { unreachable!("only ReplicaSets are synced here") };
        let (wire, status) = (&set.spec.wire, &set.status);
        State {
            meta: &set.meta,
            replicas: wire.replicas.unwrap_or(1),
            min_ready_seconds: seconds(wire.min_ready_seconds),
            selector: &set.spec.selector,
            template: &set.spec.template,
            counts_terminating: true,
            status: Status {
                replicas: status.replicas,
                fully_labeled: status.fully_labeled_replicas.unwrap_or(0),
                ready: status.ready_replicas.unwrap_or(0),
                available: status.available_replicas.unwrap_or(0),
                terminating: status.terminating_replicas,
                observed_generation: status.observed_generation.unwrap_or(0),
                conditions: status.conditions.clone().unwrap_or_default(),
            },
        }
    }

    fn with_status(set: &Object, status: &Status) -> Object {
        let mut set = set.clone();
        if let Object::ReplicaSet(set) = &mut set {
            Arc::make_mut(set).status = wire::apps::ReplicaSetStatus {
                replicas: status.replicas,
                fully_labeled_replicas: Some(status.fully_labeled),
                ready_replicas: Some(status.ready),
                available_replicas: Some(status.available),
                terminating_replicas: status.terminating,
                observed_generation: Some(status.observed_generation),
                conditions: some(status.conditions.clone()),
            };
        }
        set
    }
}

impl SetKind for OfReplicationController {
    const NAME: &'static str = "replication-controller";
    const KIND: Kind = Kind::ReplicationController;

    fn read(set: &Object) -> State<'_> {
        let Object::ReplicationController(set) = set else {
            unreachable!("only ReplicationControllers are synced here")
        };
        let (wire, status) = (&set.spec.wire, &set.status);
        let conditions = status.conditions.iter().flatten();
        State {
            meta: &set.meta,
            replicas: wire.replicas.unwrap_or(1),
            min_ready_seconds: seconds(wire.min_ready_seconds),
            selector: &set.spec.selector,
            template: &set.spec.template,
            counts_terminating: false,
            status: Status {
                replicas: status.replicas,
                fully_labeled: status.fully_labeled_replicas.unwrap_or(0),
                ready: status.ready_replicas.unwrap_or(0),
                available: status.available_replicas.unwrap_or(0),
                terminating: None,
                observed_generation: status.observed_generation.unwrap_or(0),
                conditions: conditions
                    .cloned()
                    .map(|c| wire::apps::ReplicaSetCondition {
                        last_transition_time: c.last_transition_time,
                        message: c.message,
                        reason: c.reason,
                        status: c.status,
                        type_: c.type_,
                    })
                    .collect(),
            },
        }
    }

    fn with_status(set: &Object, status: &Status) -> Object {
        let mut set = set.clone();
        if let Object::ReplicationController(set) = &mut set {
            let conditions = status.conditions.iter().cloned();
            Arc::make_mut(set).status = wire::core::ReplicationControllerStatus {
                replicas: status.replicas,
                fully_labeled_replicas: Some(status.fully_labeled),
                ready_replicas: Some(status.ready),
                available_replicas: Some(status.available),
                observed_generation: Some(status.observed_generation),
                conditions: some(
                    conditions
                        .map(|c| wire::core::ReplicationControllerCondition {
                            last_transition_time: c.last_transition_time,
                            message: c.message,
                            reason: c.reason,
                            status: c.status,
                            type_: c.type_,
                        })
                        .collect(),
                ),
            };
        }
        set
    }
}

fn seconds(n: Option<i32>) -> u32 {
    n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

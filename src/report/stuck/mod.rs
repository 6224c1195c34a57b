//! What is stuck, on what, and what would help.
//!
//! At the end of a run every object that does not get on is followed along what it waits for: a workload
//! waits for its pods, a pod for its node, claims, ConfigMaps, and for the Services that its program asks
//! for, a Service for the pods behind it, a deletion for finalizers and for what is inside. That is a graph
//! ([`WaitGraph`]); where it ends is a [`Root`]: what nobody in the cluster will change by itself. A circle
//! without an end is a deadlock.
//!
//! What a pod waits for over the network is not guessed from its text: the simulation knows what its
//! processes asked for and what came of it.
//!
//! Each root comes with [`Fix`]es, the smallest change first, as edits of what the user wrote. Whether one
//! helps is found out by running again (`scenario::remedy`).
//!
//! Nothing here decides anything in a cluster, so there is no upstream file that it follows.

mod deletion;
mod ends;
mod fix;
mod graph;
mod look;
mod network;
mod placing;
mod pods;
mod probes;
mod refusals;
mod sources;
mod told;
mod workloads;

use serde_json::{Value, json};

pub use fix::{Change, Edit, Fix};
pub use graph::{Reason, WaitGraph};
pub use told::Told;

use super::timeline::name;
use crate::model::Ref;
use crate::sim::Sim;
use look::Look;

/// What kind of thing holds an object up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// No node has enough of what is asked for.
    Resources,
    /// No node has the labels that are asked for.
    NodeLabels,
    /// Nodes are kept for others.
    Taint,
    /// Nodes take no new pods.
    Cordoned,
    /// A rule about which pods may stand together.
    PodAffinity,
    /// A rule about how pods are spread.
    TopologySpread,
    /// A port of the node that is taken.
    HostPort,
    /// A volume that is elsewhere.
    VolumeZone,
    /// A claim that gets no volume.
    UnboundClaim,
    /// An object that is referred to and does not exist.
    MissingObject,
    /// A key that is referred to and does not exist.
    MissingKey,
    /// An image that cannot be had.
    Image,
    /// A probe that fails.
    Probe,
    /// A Service that selects no pod.
    ServiceSelector,
    /// A port on which nobody listens.
    ServicePort,
    /// A name that no DNS knows.
    UnknownHost,
    /// Objects that wait for each other.
    Deadlock,
    /// A quota that is used up.
    Quota,
    /// A LimitRange that refuses.
    LimitRange,
    /// Another refusal of the API server.
    Refused,
    /// A disruption budget that allows nothing.
    Budget,
    /// A finalizer that nobody removes.
    Finalizer,
    /// A scheduling gate that nobody opens.
    SchedulingGate,
    /// A readiness gate whose condition nobody sets.
    ReadinessGate,
    /// A rollout that is paused.
    Paused,
    /// A Job or a schedule that is suspended.
    Suspended,
    /// A pod of an earlier revision that is not replaced by itself.
    BrokenRevision,
    /// The program ends in failure.
    ProgramFails,
    /// The program misses a variable.
    MissingVariable,
    /// The program uses more memory than it may.
    OutOfMemory,
    /// The program cannot be started.
    CannotStart,
    /// A deadline that was too short.
    Deadline,
    /// The pod may not push others aside.
    Preemption,
    /// A machine that is down.
    NodeDown,
    /// A node or a scheduler that does not exist.
    MissingNode,
    /// The program runs on, and asks nobody.
    ProgramWaits,
    /// A node that drove pods away for lack of something.
    Evicted,
}

impl Code {
    /// Its name for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::NodeLabels => "nodeLabels",
            Self::Taint => "taint",
            Self::Cordoned => "cordoned",
            Self::PodAffinity => "podAffinity",
            Self::TopologySpread => "topologySpread",
            Self::HostPort => "hostPort",
            Self::VolumeZone => "volumeZone",
            Self::UnboundClaim => "unboundClaim",
            Self::MissingObject => "missingObject",
            Self::MissingKey => "missingKey",
            Self::Image => "image",
            Self::Probe => "probe",
            Self::ServiceSelector => "serviceSelector",
            Self::ServicePort => "servicePort",
            Self::UnknownHost => "unknownHost",
            Self::Deadlock => "deadlock",
            Self::Quota => "quota",
            Self::LimitRange => "limitRange",
            Self::Refused => "refused",
            Self::Budget => "budget",
            Self::Finalizer => "finalizer",
            Self::SchedulingGate => "schedulingGate",
            Self::ReadinessGate => "readinessGate",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::BrokenRevision => "brokenRevision",
            Self::ProgramFails => "programFails",
            Self::MissingVariable => "missingVariable",
            Self::OutOfMemory => "outOfMemory",
            Self::CannotStart => "cannotStart",
            Self::Deadline => "deadline",
            Self::Preemption => "preemption",
            Self::NodeDown => "nodeDown",
            Self::MissingNode => "missingNode",
            Self::ProgramWaits => "programWaits",
            Self::Evicted => "evicted",
        }
    }
}

/// Where waiting ends: what nobody in the cluster will change by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    /// What kind of thing it is.
    pub code: Code,
    /// The object in which it lies; the one that the user wrote, where there is one.
    pub at: Ref,
    /// In a sentence.
    pub text: String,
    /// What would help, the smallest change first; empty where nothing can be said.
    pub fixes: Vec<Fix>,
}

/// A stuck object and what holds it up.
#[derive(Clone, Debug, PartialEq)]
pub struct Stuck {
    /// `deployment/web`.
    pub object: String,
    /// Where waiting ends, the first found first.
    pub roots: Vec<Root>,
    /// The way to the first of them: `pod/web-1 waits for service/db`.
    pub path: Vec<String>,
}

impl Stuck {
    /// As JSON, without what was tried.
    pub fn to_json(&self) -> Value {
        let roots: Vec<Value> = self
            .roots
            .iter()
            .map(|root| {
                let fixes: Vec<&str> = root.fixes.iter().map(|f| f.text.as_str()).collect();
                json!({"cause": root.code.as_str(), "object": name(&root.at), "text": root.text, "fixes": fixes})
            })
            .collect();
        json!({"object": self.object, "rootCauses": roots, "waitsFor": self.path})
    }
}

/// So many roots of one object are told.
const ROOTS: usize = 3;

/// Follows stuck objects to what holds them up.
pub fn find(sim: &Sim, told: &Told, objects: &[Ref]) -> (WaitGraph, Vec<Stuck>) {
    let look = Look::new(sim, told);
    let mut graph = WaitGraph::default();
    graph.grow(objects.iter().cloned(), &|of| look.reasons(of));
    let stuck = objects
        .iter()
        .map(|object| {
            let mut roots = graph.roots_of(object);
            if roots.is_empty()
                && let Some(circle) = graph.circle_of(object)
            {
                roots.push(look.deadlock(object, &circle, &graph));
            }
            roots.truncate(ROOTS);
            let path = graph.path(object, roots.first());
            Stuck { object: name(object), roots, path }
        })
        .collect();
    (graph, stuck)
}

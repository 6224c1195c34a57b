//! Everything that can move the simulation. Closed on purpose: adding a variant breaks every match.

use super::context::Call;
use crate::model::Slot;
use crate::store::Reply;

/// An event of the simulation.
#[derive(Clone, Debug)]
pub enum Event {
    /// News has reached a component: its informers can advance.
    Nudge(ComponentId),
    /// The time has come for which a component asked.
    Wake(ComponentId),
    /// A request reaches the API server.
    Arrive(Box<Call>),
    /// A reply reaches the component that asked.
    Reply(ComponentId, Box<Answer>),
}

/// A part of the cluster that is driven by events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComponentId {
    /// Whoever stands outside: kubectl, the steps of the scenario, the machines.
    World,
    /// kube-controller-manager.
    Controllers,
    /// kube-scheduler.
    Scheduler,
    /// The cluster network: DNS, service addresses, and what all node agents hear together.
    Network,
    /// The node agent of the node in that slot.
    Kubelet(Slot),
}

impl ComponentId {
    /// A number for the run's digest.
    pub const fn code(self) -> u64 {
        match self {
            Self::World => 1,
            Self::Controllers => 2,
            Self::Scheduler => 3,
            Self::Network => 4,
            Self::Kubelet(slot) => 0x1_0000_0000 | slot.0 as u64,
        }
    }
}

/// A component's own number for a request, to know the reply by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Token(pub u64);

/// A reply on its way.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request it answers.
    pub token: Token,
    /// The answer.
    pub reply: Reply,
}

//! The assembly: one API server, the controllers, the scheduler, the node agents, and the loop that
//! drives them. The only module that knows every component.
//!
//! The outside world (kubectl, the steps of a scenario) is not a component: it stands beside the loop,
//! sends requests with [`Sim::send`], runs the loop until its replies are back
//! ([`Outcome::Replied`]) or a time has come, and looks at the store as kubectl would.
//!
//! [`FaultRule`]s delay or refuse requests, and [`invariants`] judge every change: for tests of the
//! simulation itself.
//!
//! Order is `(time, tie, sequence)`. Every event is folded into the run's digest: two runs with one
//! seed give one number.

mod disturbances;
mod events;
mod faults;
pub mod invariants;
mod nudges;
mod options;
mod run;

pub use faults::{Callers, Concerns, FaultRule, Verdict};

/// The scheduler's settings and explanations, for those who set the one and tell the other.
pub mod scheduling {
    pub use crate::scheduler::Config;
    pub use crate::scheduler::config_file;
    pub use crate::scheduler::explain::{
        Change, Explanation, NodeRow, NodeState, Preempting, Score, Verdict, explain,
    };
}

/// What happens to machines and images, for those who say so.
pub mod machines {
    pub use crate::kubelet::{
        Asked, Growth, ImageBehavior, ImageModel, Met, Missing, Preloaded, Pulls, Question,
        RegistryFault, Skew,
    };
}

pub use options::{Options, Start};
pub use run::{Outcome, Sim, Stats};

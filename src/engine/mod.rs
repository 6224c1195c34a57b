//! The closed event loop: what moves the simulation, in which order, and what a component may touch.
//!
//! Knows no Kubernetes behaviour. [`Event`] is the whole vocabulary; [`Queue`] orders it by time, tie
//! and sequence; [`Component`] is the one seam through which the parts of the cluster are driven;
//! [`Cx`] is what a component may touch while it handles an event: hear news, change only itself,
//! leave requests and facts.

#![warn(clippy::wildcard_enum_match_arm)]

mod component;
mod context;
mod event;
mod latency;
mod queue;
mod work_queue;

pub use component::{Component, WakeReason};
pub use context::{Call, Cx, Out};
pub use event::{Answer, ComponentId, Event, Token};
pub use latency::Latency;
pub use queue::Queue;
pub use work_queue::WorkQueue;

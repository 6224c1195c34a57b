//! kube-controller-manager: the controllers and the plumbing they share.
//!
//! A controller is what upstream's is: event handlers that turn news into keys, a work queue of keys,
//! and a sync of one key at a time that compares what is wanted with what is and asks the API server
//! for the difference. The plumbing is here once: one set of informers ([`View`]), per controller a
//! [`Lane`] with its work queue, its workers, its client-side rate limit and the requests in flight.
//!
//! A sync is a state machine moved by value. It ends ([`Step::Done`]) or asks ([`Step::Ask`]) and is
//! resumed with the replies; meanwhile its worker is busy and its key is not synced again, as a blocked
//! goroutine would have it. What to do is computed by pure planners in each controller's file, from
//! what the informers have heard; nothing here reads the store.

pub mod cloud;
pub mod consistency;
mod controller;
pub mod corpus;
pub mod cronjob;
mod custom;
pub mod daemonset;
pub mod deployment;
pub mod disruption;
pub mod endpoints;
mod expectations;
#[cfg(test)]
mod fixture;
pub mod garbage;
pub mod hash;
pub mod history;
pub mod hpa;
pub mod job;
mod lane;
mod manager;
pub mod namespaces;
pub mod nodes;
pub mod pod_control;
pub mod quota;
pub mod replicaset;
#[cfg(test)]
mod rest;
pub mod scaled;
pub mod script;
pub mod statefulset;
pub mod ttl;
mod view;
pub mod volumes;

pub use controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
pub use expectations::Expectations;
pub use lane::{Lane, RateLimit};
pub use manager::Controllers;
pub use view::View;

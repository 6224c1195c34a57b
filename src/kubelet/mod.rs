//! The node agents: kubelet and what it drives.
//!
//! A pod that is bound to a node is brought up by that node's agent: volumes, sandbox, images,
//! containers in order; it is kept up by restarts and probes, and taken down with hooks, grace and
//! signals. What the agent does is split as upstream:
//!
//! - [`Kubelets`] owns all agents, what they hear together (ConfigMaps, Secrets, claims, Services …)
//!   and the network that containers see;
//! - an agent (`agent`) reads the log of its node's pods and has one worker per pod;
//! - a worker (`worker`) is a by-value state machine: a sync decides what to do from the containers as
//!   last seen (`actions`, pure) and does it step by step (`acting`, `lifecycle`);
//! - the containers as they are and as they were last seen are two [`View`](runtime::View)s: relists
//!   carry the one over to the other, as PLEG does;
//! - the status of a pod is made from what was seen (`status`, `conditions`, pure) and told to the API
//!   server (`reports`);
//! - what a pod is to have of resources is set aside for it and then set (`resize`); whose processes a
//!   container sees is in `pids`.
//!
//! Nothing ticks. Relists, resyncs, volume loops and probes have periods, but what a tick would find
//! is computed: the next relist after an exit, the next sync tick after a back-off. A tick that would
//! find nothing is no event, so that a settled pod costs nothing.
//!
//! Memory is used, and files beyond those of scripts are written, where annotations of a pod say so
//! (`told`); what follows is in `pressure`, `disk` and `eviction`.
//!
//! Left out: static pods, device and CPU managers, dynamic resources, the kubelet's own API.

mod acting;
mod actions;
mod admission;
mod adopt;
mod agent;
mod asking;
mod body;
mod commands;
mod conditions;
mod contents;
mod desk;
mod dial;
mod disk;
mod disturbances;
mod env;
mod eviction;
mod host;
mod hostname;
mod images;
mod kubelets;
mod lifecycle;
mod machine;
mod node;
mod pids;
mod pressure;
mod probes;
mod readiness;
mod reports;
mod resize;
mod resolver;
mod restarts;
mod runtime;
mod security;
mod services;
mod shared;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod volumes;
mod waiting;
mod worker;

pub use commands::{CommandEnd, Execution};
pub use disturbances::Skew;
pub use images::{Image, ImageModel, Missing, Preloaded, Pulls, RegistryFault};
pub use kubelets::Kubelets;
pub use told::ImageBehavior;

pub use crate::container::behavior::Growth;
pub use crate::container::{Asked, Met, Question};

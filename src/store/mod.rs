//! The store: objects, indexes, and an append-only log per kind.
//!
//! One writer (the API server) holds `&mut Store`; everybody else reads the [`Logs`] through cursors.
//! An [`Informer`] is a cursor and a copy of what it has passed: what a process has *heard*, which may
//! be older than what is true. Watch latency, coalescing and resync are cursor arithmetic. Log entries
//! behind every cursor are dropped ([`Logs::trim`]).
//!
//! The vocabulary of what can be asked of the API server stands here as well ([`Request`], [`Reply`]),
//! so that the engine can move requests without looking inside.

#![warn(clippy::wildcard_enum_match_arm)]

mod informer;
mod log;
mod request;
mod table;

pub use informer::{Delta, Informer};
pub use log::{Entry, KindLog, Logs, NodeLog};
pub use request::{
    ApiError, DeleteOptions, ErrorReason, MetaChange, PatchType, Propagation, Reply, Request,
    WireVerb,
};
pub use table::Store;

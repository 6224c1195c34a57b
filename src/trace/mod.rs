//! The stream of facts: everything that happened, in order, each with its cause.
//!
//! A fact is the third vocabulary beside events (what moves the simulation) and requests (what
//! components want). Every output is a fold over facts: timeline, recorded trace, assertions, `why`.
//! Facts are handed out as they happen and kept only by those who need them.

#![warn(clippy::wildcard_enum_match_arm)]

mod fact;

pub use fact::{
    Assumption, Change, EventRecord, EventType, Fact, FactId, FactKind, Facts, Output,
    OutputStream, Regarding, StepDone, Waiting,
};

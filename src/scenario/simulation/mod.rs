//! Simulation files: a cluster, what is done to it, and what is expected of it.
//!
//! [`written`] is the form of the file and the source of its published JSON Schema ([`schema`]);
//! [`read()`] makes a [`Simulation`] of it, or tells all that is wrong, each with its place. What can be
//! misspelt is held against what there is: fields, kinds, names of steps and nodes, fields of objects in
//! expectations. The form of recorded scenarios is read too ([`crate::scenario::recorded`]).
//!
//! A file holds one Simulation; further documents in it are manifests that are applied at the start.

mod cluster;
mod conditions;
mod expectations;
mod file;
mod read;
pub mod schema;
pub mod snippets;
mod steps;
#[cfg(test)]
mod tests;
pub mod written;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::monitor::Expectation;
use super::runner::Plan;
use crate::api::diagnostic::Diagnostic;

pub use read::{is_simulation, read, read_with};

/// The version of our own files.
pub const API_VERSION: &str = "wavetank.dev/v1alpha1";
/// The kind of these.
pub const KIND: &str = "Simulation";

/// A simulation, ready to be run any number of times.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its file.
    pub file: PathBuf,
    /// The files and folders that it was made of, its own first.
    pub sources: Vec<PathBuf>,
    /// Why it is not to be run, where it says so itself.
    pub skipped: Option<String>,
    /// What is simulated.
    pub plan: Plan,
    /// How many nodes it begins with.
    pub nodes: usize,
    /// What is expected.
    pub expectations: Arc<Vec<Expectation>>,
    /// Kinds that are kept without behaviour, and how many objects of each.
    pub inert: Vec<(String, usize)>,
    /// What is told beside errors.
    pub warnings: Vec<Diagnostic>,
}

/// What is expected of a step without being written: that it is carried out, or refused if it is meant to be.
pub(super) fn expected_of(number: u32, name: String, refused: Option<&str>) -> Vec<Expectation> {
    expectations::of_step(number, name, refused, false, None)
}

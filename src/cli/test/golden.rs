//! Timelines that are kept beside simulations.

use std::fs;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::scenario::simulation::Simulation;
use crate::scenario::trial::Trial;

/// What became of a timeline that is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Kept {
    /// None is kept.
    #[default]
    None,
    /// It is the same.
    Same,
    /// It was written, anew or for the first time.
    Written,
    /// It differs.
    Differs {
        /// The file.
        file: PathBuf,
        /// How.
        diff: String,
    },
    /// It cannot be read or written.
    Broken(String),
}

impl Kept {
    /// Whether it speaks against the simulation.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self, Self::Differs { .. } | Self::Broken(_))
    }
}

/// Lines of context in a difference.
const CONTEXT: usize = 2;

/// The file in which a simulation's timeline is kept.
fn file_of(simulation: &Path) -> PathBuf {
    if simulation.is_dir() {
        return simulation.join("timeline.txt");
    }
    simulation.with_extension("timeline.txt")
}

/// Holds a run against the timeline that is kept, or keeps it.
pub(super) fn hold(simulation: &Simulation, trial: &Trial, update: bool) -> Kept {
    let file = file_of(&simulation.file);
    let now = trial.golden();
    let before = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Kept::Broken(format!("{} cannot be read: {error}", file.display())),
    };
    match before {
        Some(before) if before == now => Kept::Same,
        None if !update => Kept::None,
        _ if update => match fs::write(&file, now) {
            Ok(()) => Kept::Written,
            Err(error) => Kept::Broken(format!("{} cannot be written: {error}", file.display())),
        },
        before => {
            let before = before.unwrap_or_default();
            let diff = TextDiff::from_lines(&before, &now);
            let diff =
                diff.unified_diff().context_radius(CONTEXT).header("kept", "now").to_string();
            Kept::Differs { file, diff }
        }
    }
}

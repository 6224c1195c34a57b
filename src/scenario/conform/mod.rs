//! The judge: a recorded trace of a real cluster held against a simulated one.
//!
//! Both traces are reduced to *milestones*: facts that a user of the cluster would notice, each
//! belonging to one object under a name that does not depend on random suffixes, uids or hashes
//! (`identity`, `text`). The milestones of the two sides are paired object by object and label by
//! label (`pairing`). What stays alone is *missing* (only the real cluster has it) or *extra* (only
//! the simulation has it), what pairs at too different a time is *late*, and early counts as late
//! too (`compare`).
//!
//! ```text
//! score = matched / (matched + missing + extra + late)
//! ```
//!
//! A scenario passes when the score is at least 0.97, no *terminal* fact (final phases and counts,
//! terminal conditions, restart counts, exit codes of steps) is wrong, and no milestone is off by
//! more than 5 s beyond its tolerance. A second real run excuses whatever differs between the two
//! real runs (`verdict`).
//!
//! Reading a trace gives a `TraceFile`, reducing it a `Reduced` (`reduce`; the kinds are in `pods`,
//! `runs`, `placement`, `workloads`, `rest`, `steps`, `events`), two of them a `Comparison`, and
//! that a [`Verdict`]. Beside this the folder has the frame for [`corpus`] files, which hold single
//! functions against what the real code computed.
//!
//! This is a judge and no part of the simulation: times are seconds as floats, as the recordings
//! have them, since they are only subtracted and held against tolerances of a second and more, and
//! nothing that is judged here flows back into a run. They are ordered by `total_cmp` and never
//! tested for equality. What decides a verdict, the score, is a ratio of whole numbers.
//!
//! Left out: judging the nodes of all pods or of none (the recordings' own comparison has both as
//! options).

mod compare;
pub mod corpus;
mod events;
mod identity;
mod life;
mod logs;
mod marks;
mod pairing;
mod placement;
mod pods;
mod reduce;
mod report;
mod rest;
mod runs;
mod sequence;
mod steps;
#[cfg(test)]
mod tests;
mod text;
mod trace_file;
mod value;
mod verdict;
pub mod views;
mod workloads;

use std::io;
use std::path::{Path, PathBuf};

use compare::Comparison;
pub use logs::Logs;
pub use pairing::{MAX_ALIGNMENT, MAX_GROUP};
use reduce::Reduced;
pub use trace_file::MAX_TRACE_BYTES;
use trace_file::TraceFile;
pub(in crate::scenario) use trace_file::read_text;
use verdict::Second;
pub use verdict::{Problem, ProblemKind, Score, Verdict};

/// A second real run less like the first than so many hundredths is not believed.
const SECOND_RUN: usize = 70;

/// Why two traces cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    /// A trace or a log cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A trace or a log is larger than [`MAX_TRACE_BYTES`].
    #[error("{} is larger than {MAX_TRACE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There are too many exchangeable objects or marks to pair them.
    #[error("{group}: too many to be paired, the limit is {limit}")]
    Crowded {
        /// The group of objects, or the mark.
        group: String,
        /// How many there may be.
        limit: usize,
    },
}

/// A trace, recorded or simulated, ready to be compared.
pub struct Recording {
    reduced: Reduced,
    logs: Option<Logs>,
    /// The name of its folder, for a trace that does not name its scenario.
    folder: String,
}

impl Recording {
    /// Reads a trace file (`trace.jsonl`, `trace.2.jsonl`, or either with `.zst`) and the logs beside
    /// it (`logs/`, `logs.2/`).
    ///
    /// # Errors
    /// When a file cannot be read or is too large. Lines that cannot be understood are no error;
    /// they fail a simulated trace.
    pub fn read(trace: &Path) -> Result<Self, ConformError> {
        let text = trace_file::read_text(trace)?;
        let folder = trace.parent().unwrap_or_else(|| Path::new(""));
        let logs = Logs::read(&folder.join(logs_beside(trace)))?;
        let mut recording = Self::from_lines(text.lines(), logs);
        recording.folder =
            folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(recording)
    }

    /// Takes a trace from its lines, and its logs if they shall be judged.
    pub fn from_lines<S: AsRef<str>>(
        lines: impl IntoIterator<Item = S>,
        logs: Option<Logs>,
    ) -> Self {
        let reduced = Reduced::of(TraceFile::from_lines(lines));
        Self { reduced, logs, folder: String::new() }
    }

    fn sides(&self) -> (&Reduced, Option<&Logs>) {
        (&self.reduced, self.logs.as_ref())
    }
}

/// The folder of logs beside a trace: `trace.2.jsonl` has `logs.2`.
fn logs_beside(trace: &Path) -> String {
    let name = trace.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".zst").unwrap_or(&name);
    let pass = name.strip_prefix("trace.").and_then(|rest| rest.strip_suffix(".jsonl"));
    pass.map_or_else(|| "logs".to_owned(), |pass| format!("logs.{pass}"))
}

/// Judges a simulated trace file by a recorded one, and by a second recording where there is one.
///
/// # Errors
/// When a file cannot be read or is too large, or when there are too many exchangeable objects.
pub fn judge(
    real: &Path,
    second: Option<&Path>,
    simulated: &Path,
) -> Result<Verdict, ConformError> {
    let real = Recording::read(real)?;
    let second = second.map(Recording::read).transpose()?;
    judge_recordings(&real, second.as_ref(), &Recording::read(simulated)?)
}

/// Judges a simulated trace by a recorded one, and by a second recording where there is one.
///
/// # Errors
/// When there are too many exchangeable objects to be paired.
pub fn judge_recordings(
    real: &Recording,
    second: Option<&Recording>,
    simulated: &Recording,
) -> Result<Verdict, ConformError> {
    let first = Comparison::of(real.sides(), simulated.sides())?;
    let second = match second {
        None => None,
        Some(second) => Some(Second {
            with_simulated: Comparison::of(second.sides(), simulated.sides())?,
            of_real: Comparison::of(real.sides(), second.sides())?,
        }),
    };
    let believed = second.as_ref().filter(|s| s.likeness().is_at_least(SECOND_RUN));
    let scenario = real.reduced.scenario.clone().unwrap_or_else(|| real.folder.clone());
    let mut verdict = Verdict::of(scenario, &simulated.reduced.broken, &first, believed);
    if let (Some(second), None) = (&second, believed) {
        let likeness = second.likeness().as_number();
        verdict.note = format!("second real run ignored, {likeness:.2} like the first");
    }
    Ok(verdict)
}

//! Files that a run writes for other programs.

use std::fs;
use std::path::PathBuf;

use super::{exit_code, ui};
use crate::base::time::SimTime;
use crate::report::machine::{Facts, Lives, Trace, metrics};
use crate::report::table::Format;
use crate::store::Store;
use crate::trace::Fact;

/// Which files a run writes for other programs.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Outputs {
    /// Write every fact, one JSON object per line; schemas/facts.json is their schema
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Write a trace to be opened with ui.perfetto.dev or chrome://tracing
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Write the state at the end as Prometheus text, under the names of kube-state-metrics
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Write the lives of all pods as a table: Parquet where the name ends with .parquet, CSV otherwise
    #[arg(long, value_name = "FILE")]
    pods: Option<PathBuf>,
}

/// The folds behind them.
pub(super) struct Writers {
    facts: Option<Facts>,
    trace: Option<Trace>,
    lives: Option<Lives>,
}

impl Outputs {
    /// What listens to a run that starts at `start`.
    pub(super) fn writers(&self, start: SimTime) -> Writers {
        Writers {
            facts: self.facts.as_ref().map(|_| Facts::new(start)),
            trace: self.perfetto.as_ref().map(|_| Trace::new(start)),
            lives: self.pods.as_ref().map(|_| Lives::new(start)),
        }
    }

    /// Writes the files; answers with the exit code.
    pub(super) fn write(&self, writers: Writers, store: &Store, end: SimTime) -> u8 {
        let all = [
            (&self.facts, writers.facts.map(|facts| facts.finish().into_bytes())),
            (&self.perfetto, writers.trace.map(|trace| trace.finish(end).into_bytes())),
            (&self.metrics, self.metrics.as_ref().map(|_| metrics(store).into_bytes())),
            (
                &self.pods,
                self.pods
                    .as_ref()
                    .zip(writers.lives)
                    .map(|(file, lives)| lives.table().bytes(Format::of(file))),
            ),
        ];
        let mut code = exit_code::OK;
        for (file, bytes) in all {
            if let (Some(file), Some(bytes)) = (file, bytes)
                && let Err(error) = fs::write(file, bytes)
            {
                ui::err(&format!("error: cannot write {}: {error}", file.display()));
                code = exit_code::IO;
            }
        }
        code
    }
}

impl Writers {
    /// Takes in a fact.
    pub(super) fn hear(&mut self, fact: &Fact) {
        if let Some(facts) = &mut self.facts {
            facts.observe(fact);
        }
        if let Some(trace) = &mut self.trace {
            trace.observe(fact);
        }
        if let Some(lives) = &mut self.lives {
            lives.observe(fact);
        }
    }
}

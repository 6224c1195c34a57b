//! Files that a run writes for other programs.

use std::fs;
use std::path::{Path, PathBuf};

use super::{exit_code, ui};
use crate::base::time::SimTime;
use crate::report::machine::{Facts, Lives, Trace, metrics};
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
    /// Write the lives of all pods as a table (CSV)
    #[arg(long, value_name = "FILE.csv", value_parser = table)]
    pods: Option<PathBuf>,
}

fn table(path: &str) -> Result<PathBuf, String> {
    if Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")) {
        return Err(
            "Parquet is not written; a name that ends with .csv gives a table as CSV".to_owned()
        );
    }
    Ok(path.into())
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
            (&self.facts, writers.facts.map(Facts::finish)),
            (&self.perfetto, writers.trace.map(|trace| trace.finish(end))),
            (&self.metrics, self.metrics.as_ref().map(|_| metrics(store))),
            (&self.pods, writers.lives.map(|lives| lives.csv())),
        ];
        let mut code = exit_code::OK;
        for (file, text) in all {
            if let (Some(file), Some(text)) = (file, text)
                && let Err(error) = fs::write(file, text)
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

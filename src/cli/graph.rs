//! `wavetank graph`: floats manifests quietly and draws who manages whom, or what waits for what.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::floats::{self, Floats};
use super::{exit_code, ui};
use crate::model::Pod;
use crate::report::graph::{self, Graph};
use crate::report::summary::{Gathered, Summary};
use crate::scenario::recorded;
use crate::scenario::remedy::{self, Effort};
use crate::scenario::runner::End;

/// Draw who manages whom, or what waits for what: as DOT, Mermaid or SVG
///
/// PATHS and the options of the run are those of `wavetank run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is drawn
    #[arg(value_enum)]
    of: Of,
    #[command(flatten)]
    floats: Floats,
    /// Look at the cluster at this time of the run, such as 90s; by default at its end
    #[arg(long, value_name = "TIME", value_parser = recorded::duration, conflicts_with = "length")]
    at: Option<Duration>,
    /// Only objects of these namespaces (of `ownership`)
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    namespace: Vec<String>,
    /// The form
    #[arg(short, long, value_enum, default_value_t = Form::Dot)]
    output: Form,
    /// Write it to a file rather than to standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// Who manages whom
    Ownership,
    /// What waits for what, and where that ends
    Waits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Dot,
    Mermaid,
    Svg,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let (mut plan, inert) = match floats::prepare(&args.floats, true) {
        Ok(prepared) => (prepared.plan, prepared.inert),
        Err(refused) => return refused.tell(),
    };
    if let Some(at) = args.at {
        plan.end = End::After(at);
    }
    let again = plan.clone();
    let mut gathered = Gathered::default();
    let mut runner = match floats::build(plan, &mut |_| {}) {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    runner.run(&mut |fact| gathered.observe(fact));
    let sim = runner.sim();
    let drawn: Graph = match args.of {
        Of::Ownership => graph::ownership(sim.store(), &args.namespace),
        Of::Waits => {
            let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
            let mut summary = Summary::of(sim.store(), sim.now(), &gathered, inert, &blocked);
            let waits = remedy::find(&again, &runner, &gathered, &mut summary, Effort::Tell);
            graph::waits(&waits, sim.store())
        }
    };
    let text = match args.output {
        Form::Dot => drawn.dot(),
        Form::Mermaid => drawn.mermaid(),
        Form::Svg => graph::svg(&drawn),
    };
    match &args.to {
        None => ui::out(&text),
        Some(file) => {
            if let Err(error) = fs::write(file, text) {
                ui::err(&format!("error: cannot write {}: {error}", file.display()));
                return exit_code::IO;
            }
        }
    }
    exit_code::OK
}

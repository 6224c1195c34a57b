//! `wavetank events`: the API events of a run as `kubectl events` prints them.

use super::look::{self, Line, When};

/// Print the events of a run, as kubectl events does
///
/// PATHS and the options of the run are those of `wavetank run`. Like a cluster, a run keeps an event for
/// an hour. With `--watch` events are printed as they are recorded, from the start of the run or from `--at`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    when: When,
    /// Only events about this object (kubectl's --for)
    #[arg(long, value_name = "TYPE/NAME")]
    about: Option<String>,
    /// Only events of these types: Normal, Warning
    #[arg(long, value_name = "TYPES")]
    types: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// No column titles
    #[arg(long)]
    no_headers: bool,
    /// How to print: yaml, json, name, jsonpath=…, go-template=…
    #[arg(short, long, value_name = "FORM")]
    output: Option<String>,
    /// Print the events that there are, then each that is recorded, until the run ends
    #[arg(short = 'w', long)]
    watch: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let line = Line::new(&["events"])
        .flag("for", args.about.as_ref())
        .flag("types", args.types.as_ref())
        .flag("output", args.output.as_ref())
        .switch("all-namespaces", args.all_namespaces)
        .switch("no-headers", args.no_headers);
    match args.watch {
        true => look::watch(&args.when, &line, true, false),
        false => look::run(&args.when, &line),
    }
}

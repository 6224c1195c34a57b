//! `wavetank describe`: objects of a run as `kubectl describe` prints them.

use super::look::{self, Line, When};

/// Describe objects of a run, as kubectl describe does
///
/// TARGET is a type (`pods`) or an object (`pod/web-0`). PATHS and the options of the run are those of
/// `wavetank run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A type, or TYPE/NAME
    target: String,
    #[command(flatten)]
    when: When,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Whether to show events; by default where one object is described
    #[arg(long, value_name = "BOOL")]
    show_events: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let words: Vec<&str> = match args.target.contains('/') {
        true => std::iter::once("describe").chain(args.target.split(',')).collect(),
        false => vec!["describe", &args.target],
    };
    let line = Line::new(&words)
        .flag("selector", args.selector.as_ref())
        .flag("show-events", args.show_events.as_ref())
        .switch("all-namespaces", args.all_namespaces);
    look::run(&args.when, &line)
}

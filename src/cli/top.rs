//! `wavetank top`: what pods and nodes of a run use, as `kubectl top` prints it.

use super::look::{self, Line, When};
use super::{exit_code, ui};

/// Print what pods or nodes of a run use, as kubectl top does
///
/// TARGET is `pods`, `nodes`, `pod/NAME` or `node/NAME`. Usage is not measured: it is what the annotations
/// `wavetank.dev/load.cpu` and `wavetank.dev/load.memory` of pods state.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// pods, nodes, pod/NAME or node/NAME
    target: String,
    #[command(flatten)]
    when: When,
    /// Only those with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Only pods with these fields: metadata.name, metadata.namespace
    #[arg(long, value_name = "FIELDS")]
    field_selector: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// cpu or memory
    #[arg(long, value_name = "FIELD")]
    sort_by: Option<String>,
    /// Each container of the pods
    #[arg(long)]
    containers: bool,
    /// The sum of all pods
    #[arg(long)]
    sum: bool,
    /// Parts of what nodes have, not of what they can give to pods
    #[arg(long)]
    show_capacity: bool,
    /// No column titles
    #[arg(long)]
    no_headers: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let (of, name) = match args.target.split_once('/') {
        Some((of, name)) => (of, Some(name)),
        None => (args.target.as_str(), None),
    };
    if !matches!(of, "pod" | "pods" | "po" | "node" | "nodes" | "no") {
        ui::err(&format!("error: {of:?} is not measured: pods and nodes are"));
        return exit_code::USAGE;
    }
    let words: Vec<&str> = ["top", of].into_iter().chain(name).collect();
    let line = Line::new(&words)
        .flag("selector", args.selector.as_ref())
        .flag("field-selector", args.field_selector.as_ref())
        .flag("sort-by", args.sort_by.as_ref())
        .switch("all-namespaces", args.all_namespaces)
        .switch("containers", args.containers)
        .switch("sum", args.sum)
        .switch("show-capacity", args.show_capacity)
        .switch("no-headers", args.no_headers);
    look::run(&args.when, &line)
}

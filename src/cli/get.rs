//! `wavetank get`: objects of a run as `kubectl get` prints them.

use super::look::{self, Line, When};
use super::{exit_code, ui};

/// Print objects of a run, as kubectl get does
///
/// TARGET is a type (`pods`, `deploy,rs,pods`, `all`) or objects (`pod/web-0`, `deploy/web,svc/web`). PATHS
/// and the options of the run are those of `wavetank run`.
///
/// With `--watch` a row is printed for every change while the run goes on: from its start, or from `--at`, to
/// its end. From the start, what is named need not exist yet.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A type, several, or TYPE/NAME
    target: String,
    #[command(flatten)]
    when: When,
    /// How to print: wide, yaml, json, name, jsonpath=…, custom-columns=…, go-template=… and the forms with -file
    #[arg(short, long, value_name = "FORM")]
    output: Option<String>,
    /// The template of -o jsonpath or go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Only objects with these fields, such as status.phase=Running
    #[arg(long, value_name = "FIELDS")]
    field_selector: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// The order of the list: a field such as .metadata.creationTimestamp
    #[arg(long, value_name = "PATH")]
    sort_by: Option<String>,
    /// Labels to show as columns
    #[arg(short = 'L', long, value_name = "LABELS")]
    label_columns: Option<String>,
    /// All labels as a column
    #[arg(long)]
    show_labels: bool,
    /// The type before each name
    #[arg(long)]
    show_kind: bool,
    /// No column titles
    #[arg(long)]
    no_headers: bool,
    /// Say nothing of objects that there are not
    #[arg(long)]
    ignore_not_found: bool,
    /// Print what there is, then every change, until the run ends
    #[arg(short = 'w', long)]
    watch: bool,
    /// Print every change, not what there is at first
    #[arg(long)]
    watch_only: bool,
    /// What each change is: ADDED, MODIFIED, DELETED; for --watch and --watch-only
    #[arg(long)]
    output_watch_events: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    // Several TYPE/NAME are words of their own for kubectl.
    let words: Vec<&str> = match args.target.contains('/') {
        true => std::iter::once("get").chain(args.target.split(',')).collect(),
        false => vec!["get", &args.target],
    };
    let line = Line::new(&words)
        .flag("output", args.output.as_ref())
        .flag("template", args.template.as_ref())
        .flag("selector", args.selector.as_ref())
        .flag("field-selector", args.field_selector.as_ref())
        .flag("sort-by", args.sort_by.as_ref())
        .flag("label-columns", args.label_columns.as_ref())
        .switch("all-namespaces", args.all_namespaces)
        .switch("show-labels", args.show_labels)
        .switch("show-kind", args.show_kind)
        .switch("no-headers", args.no_headers)
        .switch("ignore-not-found", args.ignore_not_found);
    let watched = args.watch || args.watch_only;
    if args.output_watch_events && !watched {
        ui::err(
            "error: --output-watch-events option can only be used with --watch or --watch-only",
        );
        return exit_code::USAGE;
    }
    match watched {
        // kubectl's --watch-only wins over --watch.
        true => look::watch(&args.when, &line, !args.watch_only, args.output_watch_events),
        false => look::run(&args.when, &line),
    }
}

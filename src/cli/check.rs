//! `wavetank check`: is the input what the API server would take?

use super::input::Input;
use super::{exit_code, ui};
use crate::api::diagnostic::exchange::{to_json, to_sarif};
use crate::api::diagnostic::{Diagnostic, Severity, render};
use crate::report::timeline::count;

/// Check manifests as the API server would, without running anything
///
/// Reads PATHS, tells everything that is wrong at once, each with file, line, field, the server's own
/// words and a hint, and exits with 3 when the API server would refuse something.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// How to print what is found: for people, as JSON for editors, as SARIF 2.1.0 for code scanning
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Exit with 1 when there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Print errors alone: no warnings, and nothing when all is well
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
    Sarif,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    if args.input.is_empty() {
        ui::err(
            "error: nothing to check\n  hint: name files or folders, or pipe manifests in with -f -",
        );
        return exit_code::USAGE;
    }
    let (mut problems, manifests) = match args.input.load() {
        Ok(loaded) => (loaded.warnings, Some(loaded.manifests.len())),
        Err(problems) => (problems, None),
    };
    let warned = problems.iter().any(|p| p.severity == Severity::Warning);
    if args.quiet {
        problems.retain(Diagnostic::is_error);
    }
    match args.output {
        Output::Text => text(args, &problems, manifests),
        Output::Json => ui::out(&format!("{:#}\n", to_json(&problems))),
        Output::Sarif => ui::out(&format!("{:#}\n", to_sarif(&problems))),
    }
    match manifests {
        None => exit_code::BAD_INPUT,
        Some(_) if warned && args.deny_warnings => exit_code::FAILED,
        Some(_) => exit_code::OK,
    }
}

fn text(args: &Args, problems: &[Diagnostic], manifests: Option<usize>) {
    if !problems.is_empty() {
        ui::err(render::render(problems, ui::diagnostic_style()).trim_end());
    }
    if let Some(number) = manifests.filter(|_| !args.quiet) {
        let well = if problems.is_empty() { "all is well" } else { "nothing is refused" };
        ui::out(&format!("{}: {well}\n", count(number, "manifest")));
    }
}

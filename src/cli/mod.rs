//! The command line: one file per command, the exit codes, and the only places that print, read the
//! environment or look at the machine's clock.

mod check;
mod checkpoint;
mod cluster_file;
mod conform;
mod convert;
mod describe;
mod diff;
mod events;
pub mod exit_code;
mod explain;
mod floats;
mod get;
mod graph;
mod input;
mod inputs;
mod interrupt;
mod logs;
mod look;
mod manual;
mod outputs;
mod run;
mod scheduler_config;
mod shell;
mod stop;
mod sweep;
mod test;
mod top;
mod tui;
mod ui;
mod verdict;
mod wall;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A Kubernetes cluster in a wave tank: ordinary manifests, the whole control loop, virtual time.
#[derive(Debug, Parser)]
#[command(name = "wavetank", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Explain(Box<explain::Args>),
    Why(Box<why::Args>),
    Shell(Box<shell::Args>),
    Test(Box<test::Args>),
    Diff(diff::Args),
    Sweep(Box<sweep::Args>),
    Check(check::Args),
    Convert(convert::Args),
    Get(Box<get::Args>),
    Describe(Box<describe::Args>),
    Logs(Box<logs::Args>),
    Events(Box<events::Args>),
    Top(Box<top::Args>),
    Graph(Box<graph::Args>),
    Conform(conform::Args),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no error.
            let code = if error.use_stderr() { exit_code::USAGE } else { exit_code::OK };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let code = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Shell(args) => shell::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Describe(args) => describe::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    };
    ExitCode::from(code)
}

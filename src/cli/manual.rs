//! `wavetank completions` and `wavetank man`: made of the command line itself.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, exit_code, ui};

/// Print a completion script for a shell
///
/// For bash, for example: `wavetank completions bash > /etc/bash_completion.d/wavetank`.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write man pages: one of the program and one of each command
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder, which is made if it is not there
    dir: PathBuf,
}

/// Prints a completion script.
pub(super) fn completions(args: &Completions) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wavetank", &mut script);
    ui::out(&String::from_utf8_lossy(&script));
    exit_code::OK
}

/// Writes man pages.
pub(super) fn man(args: &Man) -> u8 {
    let written = fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir));
    match written {
        Ok(()) => exit_code::OK,
        Err(error) => {
            ui::err(&format!("error: cannot write to {}: {error}", args.dir.display()));
            exit_code::IO
        }
    }
}

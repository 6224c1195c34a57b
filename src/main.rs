//! The `wavetank` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    wavetank::cli::main()
}

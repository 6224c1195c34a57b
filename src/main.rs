//! The `wavetank` binary.

use std::process::ExitCode;

/// Manifests are trees of small strings and maps, containers and their files are too, and both come and go
/// by the million: the system's allocator was a fifth of the time of `wavetank check` on 10,000
/// documents. The library leaves the choice to its user.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wavetank::cli::main()
}

//! Whole processes: what a user waits for.
//!
//! `cargo bench --bench whole_process`. One item is one run of the program, from its start to its exit.

#![expect(missing_docs, reason = "a bench is no library")]

use std::process::{Command, Stdio};

fn main() {
    divan::main();
}

fn wavetank(args: &[&str]) {
    let done = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(done.is_ok_and(|s| s.success()), "the run failed");
}

#[divan::bench(sample_count = 20)]
fn run_seed() {
    wavetank(&["run", "fixtures/seed"]);
}

#[divan::bench(sample_count = 20)]
fn run_seed_for_a_day() {
    wavetank(&["run", "fixtures/seed", "--for", "1d"]);
}

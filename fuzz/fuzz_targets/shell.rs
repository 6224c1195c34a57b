//! Fuzzes what `bodies/shell.rs` does, which the tests do with the corpus.

#![no_main]

#[path = "../bodies/shell.rs"]
mod shell;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shell::take(data));

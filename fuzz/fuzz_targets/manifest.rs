//! Fuzzes what `bodies/manifest.rs` does, which the tests do with the corpus.

#![no_main]

#[path = "../bodies/manifest.rs"]
mod manifest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| manifest::take(data));

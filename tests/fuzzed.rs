//! What is fuzzed, on the inputs that fuzzing begins with: they run, and the targets stay whole.

use std::fs;
use std::path::Path;

#[path = "../fuzz/bodies/manifest.rs"]
mod manifest;
#[path = "../fuzz/bodies/shell.rs"]
mod shell;

/// The inputs of a target, by name.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inputs: Vec<_> = files.map(|path| fs::read(path).unwrap()).collect();
    assert!(!inputs.is_empty());
    inputs
}

#[test]
fn manifests_to_fuzz_from_are_taken() {
    inputs("manifest").iter().for_each(|input| manifest::take(input));
}

#[test]
fn scripts_to_fuzz_from_are_taken() {
    inputs("shell").iter().for_each(|input| shell::take(input));
}

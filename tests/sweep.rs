//! `wavetank sweep`: grids, seeds, shards, and the Indexed Job that runs them on a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn wavetank(args: &[&str], index: Option<usize>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.args(args).current_dir(root()).env_remove("JOB_COMPLETION_INDEX");
    if let Some(index) = index {
        command.env("JOB_COMPLETION_INDEX", index.to_string());
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The manifest in docs/sweep.md.
fn manifest() -> String {
    let page = fs::read_to_string(root().join("docs/sweep.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The Simulation that the manifest holds, as a file.
fn simulation() -> PathBuf {
    let manifest = manifest();
    let (_, rest) = manifest.split_once("simulation.yaml: |\n").unwrap();
    let (inner, _) = rest.split_once("---\n").unwrap();
    let path = folder().join("simulation.yaml");
    let lines = inner.lines().map(|l| format!("{}\n", l.strip_prefix("    ").unwrap_or(l)));
    fs::write(&path, lines.collect::<String>()).unwrap();
    path
}

#[test]
fn enough_nodes_are_found_and_rows_are_the_same_each_time() {
    let file = simulation().display().to_string();
    let args = ["sweep", &file, "--set", "cluster.nodes=2..5", "--seeds", "3", "-o", "csv"];
    let (rows, again) = (text(&wavetank(&args, None)), text(&wavetank(&args, None)));
    assert_eq!(rows, again);
    let verdicts: Vec<(&str, &str)> = rows
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (cells[1], cells[3]))
        .collect();
    // A node has four CPUs, each of the twelve pods wants one.
    let of = |nodes, verdict| [(nodes, verdict); 3];
    let wanted: Vec<_> =
        [of("2", "failed"), of("3", "passed"), of("4", "passed"), of("5", "passed")].concat();
    assert_eq!(verdicts, wanted, "{rows}");
}

#[test]
fn shards_of_an_indexed_job_put_together_are_the_whole() {
    let file = simulation().display().to_string();
    let common = ["sweep", &file, "--set", "cluster.nodes=3..5", "--seeds", "2", "-o", "csv"];
    let whole = text(&wavetank(&common, None));
    let mut parts = vec!["sweep".to_owned(), "-o".into(), "csv".into(), "--merge".into()];
    for index in 0..4 {
        let part = folder().join(format!("{index}.csv")).display().to_string();
        let mut args = common.to_vec();
        args.extend(["--shards", "4", "--out", &part]);
        drop(text(&wavetank(&args, Some(index))));
        parts.push(part);
    }
    let merged: Vec<&str> = parts.iter().map(String::as_str).collect();
    assert_eq!(text(&wavetank(&merged, None)), whole);
    let lacking = wavetank(&merged[..merged.len() - 1], None);
    assert!(String::from_utf8_lossy(&lacking.stderr).contains("missing"));
}

#[test]
fn the_documented_indexed_job_runs_to_completion() {
    let path = folder().join("job.yaml");
    fs::write(&path, manifest()).unwrap();
    let told = text(&wavetank(&["run", &path.display().to_string(), "--exit-code"], None));
    assert!(told.contains("job/sweep"), "{told}");
    assert!(told.contains("4 succeeded"), "{told}");
}

#[test]
fn wrong_parameters_are_refused_with_their_place_and_a_hint() {
    let file = simulation().display().to_string();
    let refused = |args: &[&str], code: i32, words: &[&str]| {
        let all: Vec<&str> = ["sweep", &file].iter().chain(args).copied().collect();
        let out = wavetank(&all, None);
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{told}");
        for word in words {
            assert!(told.contains(word), "no {word:?} in:\n{told}");
        }
    };
    refused(&["--set", "cluster.nodez=3"], 3, &["cluster.nodez", "did you mean"]);
    refused(&["--set", "manifests[7].spec=3"], 3, &["cannot be set", "[7]"]);
    refused(&["--set", "cluster.nodes=many"], 3, &["whole number"]);
    refused(&["--set", "cluster.nodes"], 2, &["PATH=VALUES"]);
    refused(&["--set", "cluster.nodes=1..9999", "--seeds", "1000"], 2, &["1000000 runs"]);
    refused(&["--shards", "4"], 2, &["JOB_COMPLETION_INDEX"]);
}

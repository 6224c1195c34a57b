//! Checkpoints: a run that is saved and resumed is the run that was never broken.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkpoints").join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn wavetank(at: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.current_dir(at).args(["run", "--fixes", "none", "-q", "--facts", "facts.jsonl"]);
    command.args(args).output().unwrap()
}

/// What a run came to: its summary with the digest, and every fact.
fn came(at: &Path, args: &[&str]) -> (String, String) {
    let out = wavetank(at, args);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let facts = fs::read_to_string(at.join("facts.jsonl")).unwrap();
    (String::from_utf8(out.stdout).unwrap(), facts)
}

fn with_manifests(name: &str) -> PathBuf {
    let folder = folder(name);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seed")).unwrap()
    {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

const RUN: [&str; 4] =
    [".", "--seed=7", "--for=5m", "--step=20s scale statefulset/web --replicas=3"];

/// Breaks the run off after a hundred events. Answers its checkpoint, which is `here.txt`.
fn broken_off(at: &Path) -> String {
    let args = [&RUN[..], &["--max-events", "100", "--save", "here.txt"]].concat();
    assert_eq!(wavetank(at, &args).status.code(), Some(5));
    fs::read_to_string(at.join("here.txt")).unwrap()
}

#[test]
fn a_run_that_is_stopped_anywhere_and_resumed_is_the_unbroken_run() {
    let at = with_manifests("anywhere");
    let whole = came(&at, &RUN);
    // In the middle of an instant, of a kubectl command, of a rest.
    for events in ["1", "7", "50", "120", "333"] {
        let mut args = RUN.to_vec();
        args.extend(["--max-events", events, "--save", "here.yaml"]);
        let out = wavetank(&at, &args);
        assert_eq!(out.status.code(), Some(5), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(came(&at, &["--resume", "here.yaml"]), whole, "after {events} events");
        fs::remove_file(at.join("here.yaml")).unwrap();
    }
}

#[test]
fn a_run_that_is_over_goes_on_for_longer_and_can_be_saved_again() {
    let at = with_manifests("longer");
    let mut long = RUN;
    long[2] = "--for=20m";
    let whole = came(&at, &long);
    let mut args = RUN.to_vec();
    args.extend(["--save", "a.yaml"]);
    drop(came(&at, &args));
    drop(came(&at, &["--resume", "a.yaml", "--for", "10m", "--save", "b.yaml"]));
    assert_eq!(came(&at, &["--resume", "b.yaml", "--for", "20m"]), whole);
    let early = wavetank(&at, &["--resume", "b.yaml", "--for", "1s"]);
    assert_eq!(early.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&early.stderr).contains("before it came to the checkpoint"));
}

#[test]
fn a_checkpoint_holds_its_files_as_they_were() {
    let at = with_manifests("files");
    fs::write(
        at.join("cluster.txt"),
        "apiVersion: wavetank.dev/v1alpha1\nkind: Cluster\nnodes:\n- {count: 2, name: worker}\n",
    )
    .unwrap();
    let run = [".", "--for=2m", "--cluster=cluster.txt"];
    let whole = came(&at, &run);
    let mut args = run.to_vec();
    args.extend(["--max-events", "100", "--save", "../here.txt"]);
    assert_eq!(wavetank(&at, &args).status.code(), Some(5));
    fs::remove_file(at.join("cluster.txt")).unwrap();
    fs::write(at.join("counter-job.yaml"), "kind: Nothing\n").unwrap();
    assert_eq!(came(&at, &["--resume", "../here.txt"]), whole);
}

#[test]
fn simulations_and_op_lists_are_resumed_too() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |name: &str| folder(name).join("file").display().to_string();
    let op_list = "--scheduler-perf=fixtures/scheduler-perf/performance-config.yaml";
    for (name, run) in [
        ("simulation", vec!["simulations/2-workloads/06-rolling-update.yaml"]),
        ("op-list", vec![op_list, "--case=RoomIsMade"]),
    ] {
        let (facts, saved) = (file(name), file(&format!("{name}-saved")));
        let summary = |args: &[&str], code: i32| {
            let mut all = args.to_vec();
            all.extend(["--facts", &facts, "-q", "--fixes", "none"]);
            let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
            let out = command.current_dir(at).arg("run").args(all).output().unwrap();
            assert_eq!(out.status.code(), Some(code), "{}", String::from_utf8_lossy(&out.stderr));
            (out.stdout, fs::read(&facts).unwrap())
        };
        let whole = summary(&run, 0);
        let mut args = run.clone();
        args.extend(["--max-events", "90", "--save", &saved]);
        drop(summary(&args, 5));
        assert!(summary(&["--resume", &saved], 0) == whole, "{name}");
    }
}

#[test]
fn what_cannot_be_gone_on_from_is_told() {
    let at = with_manifests("refused");
    let text = broken_off(&at);
    let refused = |text: &str, code: i32, word: &str| {
        fs::write(at.join("other.txt"), text).unwrap();
        let out = wavetank(&at, &["--resume", "other.txt"]);
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{told}");
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    };
    refused(&text[..text.len() / 2], 3, "damaged");
    refused("kind: Pod\n", 3, "no checkpoint");
    let input = wavetank(&at, &["-", "--save", "x.txt"]);
    assert!(String::from_utf8_lossy(&input.stderr).contains("standard input"));
    let both = wavetank(&at, &["--resume", "here.txt", "--seed", "3"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_run_that_comes_to_another_state_is_not_gone_on_with() {
    let at = with_manifests("another-state");
    let text = broken_off(&at);
    // As if it had been written by a program that simulates otherwise: whole, but of another digest.
    let (first, rest) = text.split_once('\n').unwrap();
    let (before, after) = rest.split_once("\ndigest: ").unwrap();
    let (digest, after) = after.split_once('\n').unwrap();
    let other: String = digest.chars().rev().collect();
    assert_ne!(digest, other);
    let rest = format!("{before}\ndigest: {other}\n{after}");
    let words = first.rsplit_once(' ').unwrap().0;
    let sum = wavetank::base::digest::digest_of(0, rest.as_bytes());
    fs::write(at.join("other.txt"), format!("{words} {sum:016x}\n{rest}")).unwrap();
    let out = wavetank(&at, &["--resume", "other.txt"]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(6), "{told}");
    assert!(told.contains("the run is not the one that was saved"), "{told}");
    assert!(told.contains("make the run anew"), "{told}");
}

#[test]
fn a_run_that_needs_more_memory_than_it_may_is_saved_where_it_stands() {
    let at = folder("memory");
    let many = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 150\n  \
        selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
        spec: {containers: [{name: web, image: nginx:1.27}]}\n";
    fs::write(at.join("many.yaml"), many).unwrap();
    let run = [".", "--nodes=4", "--for=5m"];
    let whole = came(&at, &run);
    // The process has more than that from its start; it is looked at once in a thousand facts.
    let args = [&run[..], &["--max-memory", "1Mi", "--save", "here.txt"]].concat();
    let out = wavetank(&at, &args);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(5), "{told}");
    assert!(told.contains("--max-memory"), "the bound is named:\n{told}");
    assert_eq!(came(&at, &["--resume", "here.txt"]), whole);
}

#[test]
#[cfg(unix)]
fn ctrl_c_saves_where_the_run_stands() {
    let at = with_manifests("interrupt");
    let endless = [".", "--seed=7", "--for=8000h", "--save=here.txt", "--fixes=none"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.current_dir(&at).arg("run").args(endless);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("statefulset") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the timeline is told as it comes");
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let saved = fs::read_to_string(at.join("here.txt")).unwrap();
    let events = saved.lines().find_map(|l| l.strip_prefix("events: ")).unwrap();
    let further = (events.parse::<u64>().unwrap() + 500).to_string();
    let until = |args: &[&str]| {
        let out = wavetank(&at, &[args, &["--max-events", &further]].concat());
        assert_eq!(out.status.code(), Some(5), "{}", String::from_utf8_lossy(&out.stderr));
        (out.stdout, fs::read_to_string(at.join("facts.jsonl")).unwrap())
    };
    let resumed = until(&["--resume", "here.txt"]);
    assert_eq!(resumed, until(&[".", "--seed=7", "--for=8000h"]));
}

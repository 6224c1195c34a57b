//! `wavetank test` as a user meets it: what it prints, its exit codes, its reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const OK: i32 = 0;
const FAILED: i32 = 1;
const BAD_INPUT: i32 = 3;

const HEAD: &str = "apiVersion: wavetank.dev/v1alpha1\nkind: Simulation\n";

/// A Job of which about one run in five fails for good.
const CHANCE: &str = "manifests:
- apiVersion: batch/v1
  kind: Job
  metadata: {name: work}
  spec:
    backoffLimit: 0
    template: {spec: {restartPolicy: Never, containers: [{name: work, image: example.com/work:1}]}}
behaviors: [{image: 'example.com/*', duration: 3s, exitCode: '0 80%, 1 20%'}]
for: 1m
steps:
- {at: 30s, kubectl: get jobs}
- {at: 40s, kubectl: get pods}
expect:
- name: the work is done
  within: 30s
  object: {kind: Job, metadata: {name: work}, status: {succeeded: 1}}
";

/// A folder of the test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("test-command").join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join(name), format!("{HEAD}{content}")).unwrap();
}

fn wavetank(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .arg("test")
        .args(args)
        .current_dir(folder)
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap()
}

fn told(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A pod that runs.
const POD: &str = "for: 30s
manifests:
- {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: nginx:1.27}]}}
expect:
- name: it runs
  within: 10s
  object: {kind: Pod, metadata: {name: web}, status: {phase: Running}}
";

/// A pod that is expected to end, and does not.
fn wrong() -> String {
    POD.replace("phase: Running", "phase: Succeeded")
}

#[test]
fn what_holds_passes_and_what_is_violated_fails_with_the_reason() {
    let folder = folder("verdicts");
    write(&folder, "a.yaml", POD);
    write(&folder, "b.yaml", &wrong());
    fs::write(folder.join("other.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")
        .unwrap();
    let out = wavetank(&folder, &["."]);
    assert_eq!(out.status.code(), Some(FAILED), "{}", told(&out));
    let text = told(&out);
    for words in [
        "pass  a ",
        "FAIL  b ",
        "violated at 10.000s: it runs (./b.yaml:",
        "pod/web: status.phase is \"Running\", not \"Succeeded\"",
        "again: wavetank run ./b.yaml",
        "1 passed, 1 failed of 2 simulations",
    ] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    assert_eq!(wavetank(&folder, &["a.yaml"]).status.code(), Some(OK));
    assert_eq!(told(&out), told(&wavetank(&folder, &[".", "--jobs", "1"])), "in any order");
}

#[test]
fn filters_choose_by_name_and_label() {
    let folder = folder("filters");
    write(&folder, "a.yaml", &format!("metadata: {{name: first, labels: {{speed: slow}}}}\n{POD}"));
    write(&folder, "b.yaml", &format!("metadata: {{name: second}}\n{}", wrong()));
    assert_eq!(wavetank(&folder, &[".", "-k", "fir"]).status.code(), Some(OK));
    assert_eq!(wavetank(&folder, &[".", "-k", "speed=slow"]).status.code(), Some(OK));
    assert_eq!(wavetank(&folder, &[".", "-k", "sec"]).status.code(), Some(FAILED));
    assert_eq!(wavetank(&folder, &[".", "-k", "third"]).status.code(), Some(BAD_INPUT));
    let listed = told(&wavetank(&folder, &[".", "--list"]));
    assert!(listed.contains("first ") && listed.contains("second "), "{listed}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_others_are_run() {
    let folder = folder("unreadable");
    write(&folder, "a.yaml", POD);
    write(&folder, "b.yaml", &POD.replace("within: 10s", "wihtin: 10s"));
    let out = wavetank(&folder, &["."]);
    assert_eq!(out.status.code(), Some(BAD_INPUT));
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(errors.contains("b.yaml:8:") && errors.contains("\"within\"?"), "{errors}");
    assert!(told(&out).contains("pass  a "), "{}", told(&out));
    assert_eq!(wavetank(&folder, &["nowhere"]).status.code(), Some(BAD_INPUT));
}

#[test]
fn many_seeds_tell_which_fail_and_what_the_failure_needs() {
    let folder = folder("seeds");
    write(&folder, "chance.yaml", CHANCE);
    let out = wavetank(&folder, &["chance.yaml", "--seeds", "40"]);
    let text = told(&out);
    assert_eq!(out.status.code(), Some(FAILED), "{text}");
    assert!(text.contains(" of 40: seeds "), "{text}");
    assert!(text.contains("fails with 1 of its 3 steps"), "{text}");
    assert_eq!(text, told(&wavetank(&folder, &["chance.yaml", "--seeds", "40"])));
    let seed = text.split("--seed ").nth(1).unwrap().split(' ').next().unwrap();
    let again = wavetank(&folder, &["chance.yaml", "--seed", seed]);
    assert_eq!(again.status.code(), Some(FAILED), "seed {seed}: {}", told(&again));
}

#[test]
fn a_kept_timeline_is_held_against_and_written_anew() {
    let folder = folder("golden");
    write(&folder, "a.yaml", POD);
    assert_eq!(wavetank(&folder, &["a.yaml", "--update"]).status.code(), Some(OK));
    let kept = fs::read_to_string(folder.join("a.timeline.txt")).unwrap();
    assert!(kept.contains("pod/web") && kept.ends_with("after 30s, the time is up\n"), "{kept}");
    assert_eq!(wavetank(&folder, &["a.yaml"]).status.code(), Some(OK));
    write(&folder, "a.yaml", &POD.replace("name: web, image", "name: app, image"));
    let out = wavetank(&folder, &["a.yaml"]);
    let text = told(&out);
    assert_eq!(out.status.code(), Some(FAILED), "{text}");
    assert!(text.contains("-     0.4") && text.contains("+     0.4"), "{text}");
    assert!(text.contains("--update"), "{text}");
}

#[test]
fn the_junit_report_has_a_suite_for_each_simulation_and_a_case_for_each_expectation() {
    let folder = folder("junit");
    write(&folder, "a.yaml", POD);
    write(&folder, "b.yaml", &wrong());
    assert_eq!(wavetank(&folder, &[".", "--junit", "report.xml"]).status.code(), Some(FAILED));
    let report = fs::read_to_string(folder.join("report.xml")).unwrap();
    for words in [
        "<testsuites>",
        "<testsuite name=\"a\"",
        "<testcase name=\"it runs\" classname=\"b\"",
        "<failure",
        "status.phase is",
    ] {
        assert!(report.contains(words), "no {words:?} in:\n{report}");
    }
    assert_eq!(report.matches("<failure").count(), 1, "{report}");
}

#[test]
fn annotations_for_github_name_file_and_line() {
    let folder = folder("github");
    write(&folder, "b.yaml", &wrong());
    let text = told(&wavetank(&folder, &["b.yaml", "--github"]));
    assert!(text.contains("::error file=b.yaml,line=7,col=3,title=b::violated at"), "{text}");
    let annotation = text.lines().find(|l| l.starts_with("::error")).unwrap();
    assert!(annotation.contains("%0A"), "{annotation}");
}

#[test]
fn a_run_that_takes_too_long_is_stopped_and_told() {
    let folder = folder("timeout");
    let endless = "for: 360d\nmanifests:\n- {apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: \
                   [{name: x, image: busybox, command: [sh, -c, 'while true; do echo x; sleep 1; done']}]}}\n";
    write(&folder, "endless.yaml", endless);
    let out = wavetank(&folder, &["endless.yaml", "--timeout", "200ms"]);
    assert_eq!(out.status.code(), Some(FAILED), "{}", told(&out));
    assert!(told(&out).contains("longer than 200ms of real time"), "{}", told(&out));
}

#[test]
fn run_takes_a_simulation_too_and_tells_its_verdict() {
    let folder = folder("run");
    write(&folder, "b.yaml", &wrong());
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_wavetank"))
            .arg("run")
            .args(args)
            .current_dir(&folder)
            .output()
            .unwrap()
    };
    let out = run(&["b.yaml"]);
    assert_eq!(out.status.code(), Some(FAILED));
    assert!(told(&out).contains("2 expectations: 1 violated"), "{}", told(&out));
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["b.yaml", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["violations"][0]["since"], "10.000s");
    let both = run(&["b.yaml", "--nodes", "2", "--cluster", "b.yaml"]);
    assert_ne!(both.status.code(), Some(OK));
    let other = run(&["b.yaml", "--scenario", "b.yaml"]);
    assert_eq!(other.status.code(), Some(BAD_INPUT));
}

#[test]
fn a_suite_that_fails_is_run_again_with_what_it_was_given() {
    let folder = folder("given");
    let test = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: given}\nspec:\n  steps:\n  - try:\n    \
                - error: {resource: {apiVersion: v1, kind: Namespace, metadata: {name: ($values.space)}}}\n";
    fs::write(folder.join("chainsaw-test.yaml"), test).unwrap();
    let configuration = "apiVersion: chainsaw.kyverno.io/v1alpha2\nkind: Configuration\nmetadata: {name: c}\n\
                         spec: {timeouts: {error: 4s}, discovery: {testFile: x}}\n";
    fs::write(folder.join(".chainsaw.yaml"), configuration).unwrap();
    fs::write(folder.join("values.yaml"), "space: default\n").unwrap();
    let out = wavetank(&folder, &[".", "--values", "values.yaml"]);
    let said = told(&out);
    assert_eq!(out.status.code(), Some(FAILED), "{said}");
    assert!(said.contains("after 4s"), "the file in the folder is read:\n{said}");
    assert!(
        said.contains("again: wavetank test --values values.yaml ./chainsaw-test.yaml\n"),
        "{said}"
    );
    let noted = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(noted.contains("note: .chainsaw.yaml: spec.discovery.testFile"), "{noted}");
    let out = wavetank(&folder, &[".", "--values", "nowhere.yaml"]);
    assert_eq!(out.status.code(), Some(BAD_INPUT));
}

//! The judge, held against the verdicts that the recordings' own comparison program gives.
//!
//! The second recording of a scenario stands for a simulation: as it is, with gaps, and slowed
//! down. The expected numbers are that program's.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Logs, Recording, judge, judge_recordings};
use crate::scenario::recorded::{ScenarioDir, find_scenarios};
use serde_json::Value;

/// A scenario, whether it passes, and its matched, missing, extra and late facts.
type Expected = (&'static str, bool, [usize; 4]);

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden")
}

fn scenario(name: &str) -> ScenarioDir {
    ScenarioDir::at(&golden().join(name)).unwrap()
}

/// Judges each scenario's second recording, changed by `change`, by the first.
fn check(change: impl Fn(Vec<String>) -> Vec<String>, expected: &[Expected]) {
    for (name, passed, counts) in expected {
        let scenario = scenario(name);
        let mut text = String::new();
        let file = File::open(scenario.second.unwrap()).unwrap();
        ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        let lines = change(text.lines().map(str::to_owned).collect());
        let logs = Logs::read(&scenario.dir.join("logs.2")).unwrap();
        let real = Recording::read(&scenario.trace).unwrap();
        let v = judge_recordings(&real, None, &Recording::from_lines(lines, logs)).unwrap();
        let got = [v.matched, v.missing, v.extra, v.late];
        assert_eq!((v.passed, got), (*passed, *counts), "{}", v.report(30));
    }
}

#[test]
fn a_second_recording_passes_as_a_simulation() {
    check(
        |lines| lines,
        &[
            ("deploy-rolling-update", true, [209, 0, 0, 0]),
            ("job-backoff-never", true, [93, 0, 0, 0]),
            ("pod-crashloop-always", true, [36, 0, 0, 0]),
            ("seed-cronjob-hourly", true, [106, 0, 0, 0]),
            ("seed-daemonset-fluentd", true, [59, 0, 0, 0]),
            ("seed-init-checkbackend", true, [136, 0, 0, 0]),
            ("seed-job-counter", true, [43, 0, 0, 0]),
            ("seed-statefulset-web", true, [132, 0, 0, 0]),
        ],
    );
}

#[test]
fn a_trace_with_gaps_lacks_facts() {
    let gaps = |lines: Vec<String>| {
        lines.into_iter().enumerate().filter(|(i, _)| i % 5 != 4).map(|(_, line)| line).collect()
    };
    check(
        gaps,
        &[
            ("deploy-rolling-update", false, [186, 16, 9, 12]),
            ("job-backoff-never", false, [89, 3, 1, 1]),
            ("pod-crashloop-always", false, [34, 1, 0, 1]),
            ("seed-cronjob-hourly", false, [91, 13, 1, 2]),
            ("seed-daemonset-fluentd", false, [51, 9, 3, 0]),
            ("seed-init-checkbackend", false, [123, 14, 2, 0]),
            ("seed-job-counter", false, [41, 2, 0, 0]),
            ("seed-statefulset-web", false, [126, 11, 6, 2]),
        ],
    );
}

#[test]
fn a_cluster_that_is_a_quarter_slower_is_late() {
    let slower = |line: String| {
        let mut row: Value = serde_json::from_str(&line).unwrap();
        if let Some(t) = row["t"].as_f64() {
            row["t"] = (t * 1.25).into();
        }
        row.to_string()
    };
    check(
        |lines| lines.into_iter().map(slower).collect(),
        &[
            ("deploy-rolling-update", false, [152, 0, 0, 61]),
            ("job-backoff-never", false, [70, 0, 0, 23]),
            ("pod-crashloop-always", true, [36, 0, 0, 0]),
            ("seed-cronjob-hourly", false, [74, 0, 0, 33]),
            ("seed-daemonset-fluentd", true, [59, 0, 0, 0]),
            ("seed-init-checkbackend", false, [105, 0, 0, 31]),
            ("seed-job-counter", true, [43, 0, 0, 0]),
            ("seed-statefulset-web", false, [99, 0, 0, 33]),
        ],
    );
}

#[test]
fn every_recording_passes_by_itself_and_its_second_run() {
    let scenarios = find_scenarios([golden()]).unwrap();
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        let v = judge(&scenario.trace, scenario.second.as_deref(), &scenario.trace).unwrap();
        assert!(v.passed && v.score().matched == v.score().of, "{}", v.report(30));
        assert_eq!(v.scenario, scenario.name);
    }
}

#[test]
fn every_recorded_scenario_can_be_read() {
    for dir in find_scenarios([golden()]).unwrap() {
        let scenario = dir.scenario().unwrap();
        assert_eq!(scenario.name, dir.name);
        assert!(!scenario.steps.is_empty());
        let header = dir.header().unwrap();
        assert!(!header.wall_start.is_empty());
        assert!(header.nodes.iter().all(|n| !n.labels.is_empty() && !n.allocatable.is_empty()));
    }
}

#[test]
fn a_broken_line_fails_a_simulated_trace() {
    let scenario = scenario("seed-job-counter");
    let real = Recording::read(&scenario.trace).unwrap();
    let simulated = Recording::from_lines(["{\"t\":"], None);
    let v = judge_recordings(&real, None, &simulated).unwrap();
    assert!(!v.passed && v.broken.len() == 1);
}

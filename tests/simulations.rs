//! Whole runs: the same input and seed give the same bytes, whoever else is running.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use wavetank::scenario::recorded::ScenarioDir;
use wavetank::scenario::replay::{Replayed, replay};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The recorded scenarios that are kept with the tests.
fn scenarios() -> Vec<ScenarioDir> {
    let folder = root().join("tests/conformance/golden");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.iter().filter_map(|path| ScenarioDir::at(path)).collect()
}

fn same(a: &Replayed, b: &Replayed) -> bool {
    a.digest == b.digest && a.lines == b.lines && a.logs == b.logs
}

#[test]
fn every_scenario_run_twice_gives_the_same_digest_and_the_same_bytes() {
    let all = scenarios();
    assert!(!all.is_empty(), "no scenarios are kept with the tests");
    for scenario in all {
        let (first, second) = (replay(&scenario, 7).unwrap(), replay(&scenario, 7).unwrap());
        assert!(same(&first, &second), "{} differs from run to run", scenario.name);
    }
}

#[test]
fn runs_beside_each_other_do_not_disturb_each_other() {
    let all = scenarios();
    let alone: Vec<Replayed> = all.iter().map(|s| replay(s, 3).unwrap()).collect();
    let beside: Vec<Replayed> = thread::scope(|scope| {
        let running: Vec<_> =
            all.iter().map(|s| scope.spawn(move || replay(s, 3).unwrap())).collect();
        running.into_iter().map(|r| r.join().unwrap()).collect()
    });
    for ((scenario, a), b) in all.iter().zip(&alone).zip(&beside) {
        assert!(same(a, b), "{} differs when others run beside it", scenario.name);
    }
}

fn wavetank(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wavetank")).args(args).current_dir(root()).output().unwrap()
}

#[test]
fn the_program_prints_the_same_bytes_twice_in_every_form() {
    for form in ["timeline", "json", "yaml"] {
        let args = ["run", "fixtures/seed", "--for", "90s", "-o", form];
        let (first, second) = (wavetank(&args), wavetank(&args));
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        assert!(!first.stdout.is_empty());
        assert_eq!(first.stdout, second.stdout, "-o {form}");
    }
}

#[test]
fn another_seed_is_another_run_and_says_so() {
    let text = |seed: &str| {
        let out = wavetank(&["run", "fixtures/seed/counter-job.yaml", "--seed", seed]);
        String::from_utf8(out.stdout).unwrap()
    };
    assert_ne!(text("1"), text("2"));
    assert!(text("2").contains("seed 2"));
}

#[test]
fn any_legal_order_of_simultaneous_events_completes_the_job() {
    for seed in ["1", "2", "3", "4", "5"] {
        let args = ["run", "fixtures/seed/counter-job.yaml", "--shuffle-ties", seed];
        let text = String::from_utf8(wavetank(&args).stdout).unwrap();
        assert!(text.contains("complete, 1 succeeded"), "with ties shuffled by {seed}:\n{text}");
    }
}

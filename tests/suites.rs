//! Suites of chainsaw and kuttl, run without a cluster: each has the verdict that it has on one.

use std::path::{Path, PathBuf};

use wavetank::scenario::suites::{is_suite, read};
use wavetank::scenario::trial::{Settings, Trial, run};

fn suites(tool: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/suites").join(tool);
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let test = path.join("chainsaw-test.yaml");
            (name, if test.exists() { test } else { path })
        })
        .collect();
    found.sort();
    found
}

fn trial(path: &Path) -> Trial {
    let simulation = read(path).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    run(&simulation, &Settings { timeline: true, ..Settings::default() }).unwrap()
}

#[test]
fn suites_pass_and_fail_as_they_do_on_a_cluster() {
    let mut passed = 0;
    for (name, path) in suites("chainsaw").into_iter().chain(suites("kuttl")) {
        if name == "unsupported" {
            continue;
        }
        assert!(is_suite(&path), "{}", path.display());
        let trial = trial(&path);
        let told = format!("{}: {:#?}\n{}", path.display(), trial.violations, trial.timeline);
        assert_eq!(trial.violations.is_empty(), name != "fails", "{told}");
        passed += usize::from(name != "fails");
    }
    assert!(passed >= 10, "{passed} suites");
}

#[test]
fn a_failed_assertion_ends_the_test_and_tells_what_is_not_so() {
    let fails = suites("chainsaw").into_iter().find(|(name, _)| name == "fails").unwrap();
    let trial = trial(&fails.1);
    assert_eq!(trial.violations.len(), 1, "{:#?}", trial.violations);
    let why = trial.violations[0].why.join("\n");
    assert!(trial.timeline.contains("readyReplicas is 2, not 3"), "{}", trial.timeline);
    assert!(why.contains("the step ended with 1"), "{why}");
    assert!(!trial.timeline.contains("configmap"), "what follows is not done:\n{}", trial.timeline);
}

#[test]
fn what_is_not_supported_is_named() {
    let suite = suites("chainsaw").into_iter().find(|(name, _)| name == "unsupported").unwrap();
    let problems = read(&suite.1).unwrap_err();
    let told: Vec<String> = problems.iter().map(|p| p.message.clone()).collect();
    assert!(told.iter().any(|t| t.contains("script is not supported")), "{told:?}");
    assert!(told.iter().any(|t| t.contains("binding")), "{told:?}");
}

//! Suites of chainsaw and kuttl, run without a cluster: each has the verdict that it has on one.

use std::path::{Path, PathBuf};

use wavetank::scenario::simulation::Simulation;
use wavetank::scenario::suites::{self, Settings as Given, is_suite};
use wavetank::scenario::trial::{Settings, Trial, run};

fn read(path: &Path) -> Result<Vec<Simulation>, Vec<wavetank::api::diagnostic::Diagnostic>> {
    suites::read(path, &Given::default())
}

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

fn trials(path: &Path) -> Vec<(Option<String>, Trial)> {
    let all = read(path).unwrap_or_else(|e| panic!("{}: {e:#?}", path.display()));
    let settings = Settings { timeline: true, ..Settings::default() };
    all.iter().map(|s| (s.skipped.clone(), run(s, &settings).unwrap())).collect()
}

fn trial(path: &Path) -> Trial {
    trials(path).remove(0).1
}

#[test]
fn suites_pass_and_fail_as_they_do_on_a_cluster() {
    let mut passed = 0;
    for (name, path) in suites("chainsaw").into_iter().chain(suites("kuttl")) {
        if name == "unsupported" {
            continue;
        }
        assert!(is_suite(&path), "{}", path.display());
        for (skipped, trial) in trials(&path) {
            let told = format!("{}: {:#?}\n{}", path.display(), trial.violations, trial.timeline);
            let holds = name != "fails" && skipped.is_none();
            assert_eq!(trial.violations.is_empty(), holds, "{told}");
            passed += usize::from(holds);
        }
    }
    assert!(passed >= 24, "{passed} tests");
}

#[test]
fn a_failed_assertion_ends_the_test_and_tells_what_is_not_so() {
    let fails = suites("chainsaw").into_iter().find(|(name, _)| name == "fails").unwrap();
    let trial = trial(&fails.1);
    assert_eq!(trial.violations.len(), 1, "{:#?}", trial.violations);
    let why = trial.violations[0].why.join("\n");
    assert!(trial.timeline.contains("readyReplicas is 2, not 3"), "{}", trial.timeline);
    assert!(why.contains("the step ended with 1"), "{why}");
    assert!(
        !trial.timeline.contains("configmap/chainsaw-quick-start"),
        "what follows is not done:\n{}",
        trial.timeline
    );
}

#[test]
fn scenarios_are_tests_of_their_own_and_a_test_may_say_that_it_is_skipped() {
    let find = |wanted: &str| suites("chainsaw").into_iter().find(|(n, _)| n == wanted).unwrap().1;
    let names: Vec<String> =
        read(&find("scenarios")).unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["scenarios[1]", "scenarios[2]"]);
    let skipped = read(&find("skipped")).unwrap();
    assert_eq!(skipped[0].skipped.as_deref(), Some("its file says skip: true"));
}

#[test]
fn settings_of_all_tests_stand_in_the_folder_above() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/suites/kuttl-settings/slow");
    let trial = trial(&folder);
    assert!(trial.violations.is_empty(), "{:#?}\n{}", trial.violations, trial.timeline);
}

#[test]
fn what_is_not_supported_is_named() {
    let wanted = [
        (
            "chainsaw",
            &[
                "cluster is not supported",
                "\"make\" is not supported",
                "\"helm\" is not supported",
                "\"|\" is a shell's",
                "proxy is not supported",
                "x509_decode is not supported",
                "compiler \"cel\" is not supported",
                "dryRun is not supported",
                "kubectl port-forward is refused",
            ][..],
        ),
        (
            "kuttl",
            &[
                "kubeconfig is not supported",
                "\"helm\" is not supported",
                "\"|\" is a shell's",
                "in the background are not supported",
                "assertAll is not supported",
            ][..],
        ),
    ];
    for (tool, all) in wanted {
        let suite = suites(tool).into_iter().find(|(name, _)| name == "unsupported").unwrap();
        let problems = read(&suite.1).unwrap_err();
        let told: Vec<String> = problems.iter().map(|p| p.message.clone()).collect();
        for words in all {
            assert!(told.iter().any(|t| t.contains(words)), "no {words:?} in {told:#?}");
        }
    }
}

/// A file in a folder of the test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suites").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

const TEST: &str = "apiVersion: chainsaw.kyverno.io/v1alpha1
kind: Test
metadata: {name: given}
spec:
  steps:
  - try:
    - apply:
        resource:
          apiVersion: v1
          kind: ConfigMap
          metadata: {name: settings}
          data: {size: ($values.cup.size), colour: ($values.cup.colour), where: ($namespace)}
    - assert:
        resource:
          apiVersion: v1
          kind: ConfigMap
          metadata: {name: settings}
          data: {size: large, colour: blue, where: marina}
    - error:
        resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}
";

#[test]
fn chainsaws_configuration_and_values_are_read_as_chainsaw_reads_them() {
    let test = file("given/chainsaw-test.yaml", TEST);
    let first = file("values-1.yaml", "cup: {size: small, colour: blue}\nlid: true\n");
    let second = file("values-2.yaml", "cup: {size: large}\n");
    let flat = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\n\
                spec: {namespace: marina, parallel: 4, timeouts: {error: 7s, assert: 1m}}\n";
    let nested = "apiVersion: chainsaw.kyverno.io/v1alpha2\nkind: Configuration\nmetadata: {name: c}\nspec:\n  \
                  namespace: {name: marina}\n  timeouts: {error: 7s}\n  execution: {failFast: true}\n  \
                  discovery: {testFile: other}\n";
    for (text, notes) in [(flat, 0), (nested, 1)] {
        let configuration = file("configuration.yaml", text);
        let given = Given::read(Some(&configuration), &[first.clone(), second.clone()]).unwrap();
        assert_eq!(given.notes.len(), notes, "{:?}", given.notes);
        let simulation = suites::read(&test, &given).unwrap().remove(0);
        assert!(simulation.sources.ends_with(&[configuration, first.clone(), second.clone()]));
        let settings = Settings { timeline: true, ..Settings::default() };
        let trial = run(&simulation, &settings).unwrap();
        assert_eq!(trial.violations.len(), 1, "the map is there:\n{}", trial.timeline);
        assert!(
            trial.timeline.contains(" 7.") && !trial.timeline.contains("30."),
            "{}",
            trial.timeline
        );
    }
    // Without them the values are not there.
    assert!(!trial(&test).violations.is_empty());
}

#[test]
fn a_configuration_that_is_none_is_refused_with_its_place() {
    let head =
        "apiVersion: chainsaw.kyverno.io/v1alpha2\nkind: Configuration\nmetadata: {name: c}\n";
    let cases = [
        ("spec: {timeouts: {asert: 5s}}", "unknown timeout \"asert\""),
        ("spec: {timeouts: {assert: soon}}", "\"soon\" is no length of time"),
        ("spec: {templatng: {enabled: false}}", "did you mean \"templating\"?"),
        ("spec: {namespace: {nme: x}}", "did you mean \"name\"?"),
        ("spec: {clusters: {a: {}}}", "clusters is not supported"),
        ("spec: {templating: {compiler: cel}}", "compiler \"cel\" is not supported"),
    ];
    for (spec, words) in cases {
        let path = file("wrong.yaml", &format!("{head}{spec}\n"));
        let problems = Given::read(Some(&path), &[]).unwrap_err();
        assert!(problems[0].message.contains(words), "{spec}: {problems:#?}");
        assert!(problems[0].location.is_some(), "{problems:#?}");
    }
    let list = file("list.yaml", "- a\n- b\n");
    let problems = Given::read(None, &[list]).unwrap_err();
    assert!(problems[0].message.contains("values are one mapping"), "{problems:#?}");
    let test = file("a-test.yaml", TEST);
    let problems = Given::read(Some(&test), &[]).unwrap_err();
    assert!(problems[0].message.contains("holds no Configuration"), "{problems:#?}");
}

//! Sessions as they are typed.

use super::*;
use crate::scenario::cluster::{NodeSpec, Storage};
use crate::scenario::snapshot::Snapshot;
use crate::sim::Options;

fn session() -> Session {
    let options = Options::default();
    let nodes =
        (0..3).map(|i| NodeSpec::worker(format!("node-{}", i + 1)).object(i, options.start.0));
    let deployment = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}}}});
    let apply = TimedStep {
        action: StepAction::Apply { source: "web.yaml".into(), documents: vec![deployment] },
        ..TimedStep::default()
    };
    let plan = Plan {
        nodes: nodes.collect(),
        options,
        snapshot: Snapshot::default(),
        storage: Storage::Provisioner,
        steps: vec![apply],
        end: End::Quiet,
    };
    Session::new(plan, Base::Other("a test"), PathBuf::from(".")).unwrap()
}

/// Types lines; each must go well. Answers what the last printed.
#[track_caller]
fn typed(session: &mut Session, lines: &[&str]) -> String {
    let mut last = String::new();
    for line in lines {
        let answer = session.line(line);
        assert_eq!(answer.error, None, "{line}\n{}", answer.text);
        last = answer.text;
    }
    last
}

#[track_caller]
fn refused(session: &mut Session, line: &str, words: &[&str]) {
    let error = session.line(line).error.unwrap_or_else(|| panic!("{line} goes well"));
    for word in words {
        assert!(error.contains(word), "{line}: no {word:?} in {error}");
    }
}

#[test]
fn time_passes_by_steps_by_lengths_and_until_something_holds() {
    let mut s = session();
    let first = typed(&mut s, &["step"]);
    assert!(first.contains("$ kubectl apply -f web.yaml"), "{first}");
    typed(&mut s, &["step 3"]);
    assert!(s.now() > s.tank.runner.start());
    let ready = typed(&mut s, &["until deploy/web Available"]);
    assert!(ready.contains("ready"), "{ready}");
    typed(&mut s, &["expect deploy/web status.readyReplicas=2", "run 30s"]);
    assert!(typed(&mut s, &["run"]).contains("nothing"));
    let pods = typed(&mut s, &["get pods"]);
    assert_eq!(pods.matches("Running").count(), 2, "{pods}");
}

#[test]
fn back_is_the_same_cluster_as_it_was_then() {
    let mut s = session();
    typed(&mut s, &["run 20s"]);
    let (before, digest) = (typed(&mut s, &["get pods -o yaml"]), typed(&mut s, &["now"]));
    typed(&mut s, &["scale deployment/web --replicas=5", "run 1m", "killPod web-*", "run 10s"]);
    assert_eq!(typed(&mut s, &["get pods"]).matches("Running").count(), 5);
    typed(&mut s, &["back", "back"]);
    assert!(typed(&mut s, &["back"]).contains("it is 20.000s"));
    assert_eq!(typed(&mut s, &["get pods -o yaml"]), before);
    assert_eq!(typed(&mut s, &["now"]), digest);
    typed(&mut s, &["run 25s"]);
    assert!(typed(&mut s, &["back 25s"]).contains("it is 20.000s"));
    assert_eq!(typed(&mut s, &["now"]), digest, "looking and passing leave no trace");
    typed(&mut s, &["back 1h"]);
    refused(&mut s, "back", &["nothing to go back to"]);
}

/// What a session is, as far as anybody can see, and how it goes on.
fn seen(session: &mut Session) -> Vec<String> {
    let mut seen = vec![session.when(), session.branches()];
    for line in
        ["get all -A -o yaml", "get events", "why deploy/web", "run 40s", "now", "why deploy/web"]
    {
        seen.push(session.line(line).text);
    }
    seen
}

/// Goes back with copies of the run and without: it comes to the same.
#[track_caller]
fn goes_back_alike(before: &[&str], back: &[&str]) {
    let mut ends = Vec::new();
    for spacing in [10, 60, u64::MAX] {
        let mut s = session();
        s.spacing = spacing;
        typed(&mut s, before);
        let copies = s.forks.times();
        assert!(copies.is_sorted() && copies.len() <= 12, "{copies:?}");
        assert_eq!(copies.len() == 1, spacing == u64::MAX, "{copies:?}");
        typed(&mut s, back);
        let end = s.now();
        assert!(s.forks.times().iter().all(|at| *at <= end), "copies of what is undone are gone");
        ends.push(seen(&mut s));
    }
    assert_eq!(ends[0], ends[2], "{before:?} {back:?}");
    assert_eq!(ends[1], ends[2], "{before:?} {back:?}");
}

#[test]
fn from_a_copy_of_the_run_back_is_where_it_is_from_the_start() {
    let play = [
        "until deploy/web Available",
        "scale deployment/web --replicas=5",
        "run 10s",
        "killPod web-*",
        "run 2m",
        "stopNode node-1",
        "step 9",
        "run 7m",
        "startNode node-1",
        "run",
    ];
    goes_back_alike(&play, &["back"]);
    goes_back_alike(&play, &["back", "back", "back"]);
    goes_back_alike(&play, &["back 1s"]);
    goes_back_alike(
        &play,
        &["back 5m", "run 1m", "delete pod -l app=web --wait=false", "back 30s"],
    );
    goes_back_alike(&play, &["back 1h", "run 20s"]);
    goes_back_alike(
        &play,
        &["branch other", "back 4m", "scale deploy/web --replicas=1", "run 1m", "switch main"],
    );
}

#[test]
fn copies_of_a_run_are_few_and_the_nearer_the_denser() {
    let mut s = session();
    s.spacing = 5;
    typed(&mut s, &["until deploy/web Available"]);
    for n in 0..70 {
        typed(&mut s, &[&format!("scale deploy/web --replicas={}", 1 + n % 4), "run 3s"]);
    }
    let (times, now) = (s.forks.times(), s.now());
    assert_eq!((times.len(), times[0]), (12, s.tank.runner.start()));
    let ages: Vec<u64> = times.iter().map(|at| now.since(*at).as_secs()).collect();
    assert!(ages[11] < 12 && ages[6] < ages[0] / 4, "{ages:?}");
}

#[test]
fn branches_are_courses_of_events_that_can_be_compared() {
    let mut s = session();
    typed(&mut s, &["until deploy/web Available", "branch five"]);
    typed(
        &mut s,
        &["scale deployment/web --replicas=5", "until deploy/web status.readyReplicas=5"],
    );
    let diff = typed(&mut s, &["diff main"]);
    assert!(diff.contains("~ deployment/web: spec.replicas is 5, not 2"), "{diff}");
    assert_eq!(diff.matches("+ pod/web-").count(), 3, "{diff}");
    assert!(typed(&mut s, &["branches"]).contains("* five"));
    typed(&mut s, &["switch main"]);
    assert_eq!(typed(&mut s, &["get pods"]).matches("Running").count(), 2);
    assert!(s.prompt().starts_with("main "));
    refused(&mut s, "switch fvie", &["did you mean five?"]);
    refused(&mut s, "branch five", &["switch five"]);
    refused(&mut s, "branch a b", &["letters, digits"]);
}

#[test]
fn lines_are_kubectls_steps_of_files_and_questions() {
    let mut s = session();
    typed(
        &mut s,
        &[
            "until deploy/web Available",
            "stopNode node-1",
            "run 2m",
            "expect node/node-1 Ready=Unknown",
        ],
    );
    let why = typed(&mut s, &["kubectl delete pod --all --wait=false", "run 1m", "why deploy/web"]);
    assert!(!why.is_empty());
    let pod = typed(&mut s, &["get pods -o name"]);
    let pod = pod.lines().last().unwrap().to_owned();
    assert!(typed(&mut s, &[&format!("explain {pod}")]).contains("node-"), "{pod}");
    assert!(typed(&mut s, &["describe deployment web"]).contains("Name:"));
    assert!(typed(&mut s, &["help until"]).contains("time passes"));
    assert!(typed(&mut s, &["help scale"]).contains("replicas"));
    assert_eq!(typed(&mut s, &["# a remark", ""]), "");
    assert!(s.line("quit").over);
}

#[test]
fn what_is_wrong_is_told_with_what_was_perhaps_meant() {
    let mut s = session();
    refused(&mut s, "stopNode node-9", &["there is no node", "node-1"]);
    refused(&mut s, "killPod nothing", &["there is no pod/nothing"]);
    refused(&mut s, "run soon", &["soon", "run 30s"]);
    refused(&mut s, "step many", &["no number"]);
    refused(&mut s, "until pod", &["no condition", "until pod/web Ready"]);
    refused(&mut s, "until podd/x Ready", &["podd"]);
    refused(
        &mut s,
        "until pod/nothing Ready within 10s",
        &["does not hold after 10s", "there is no pod/nothing", "`back`"],
    );
    refused(&mut s, "expect {cel: pods.size() == 100}", &["does not hold"]);
    refused(&mut s, "expect {cle: pods.size() == 100}", &["cle"]);
    refused(&mut s, "get podds", &["podds"]);
    refused(&mut s, "brnch x", &["did you mean branch?"]);
    refused(&mut s, "why pod/web", &["there were web-"]);
    refused(&mut s, "why nothing/x", &["nothing"]);
    refused(&mut s, "explain deploy/web", &["is not scheduled"]);
    refused(&mut s, "diff main", &["branch NAME"]);
    refused(&mut s, "save", &["save web.yaml"]);
    refused(&mut s, "save x.yaml", &["cannot be saved"]);
    for line in [
        "do",
        "do {",
        "do: x",
        ":",
        "until {",
        "expect event:",
        "back -1s",
        "step 0",
        "help nothing",
        "switch",
    ] {
        assert!(s.line(line).error.is_some(), "{line}");
    }
}

#[test]
fn words_are_completed_from_what_there_is() {
    let mut s = session();
    typed(&mut s, &["until deploy/web Available", "branch other"]);
    let of = |s: &Session, line: &str| s.complete(line, line.len()).1;
    assert!(of(&s, "unt").contains(&"until".to_owned()));
    assert!(of(&s, "sca").contains(&"scale".to_owned()));
    assert_eq!(of(&s, "stopNode node-").len(), 3);
    assert_eq!(of(&s, "get pods web-").len(), 2);
    assert_eq!(of(&s, "delete deployment/w"), ["deployment/web"]);
    assert_eq!(of(&s, "get po -n kube-s"), ["kube-system"]);
    assert_eq!(of(&s, "until deployment/web Av"), ["Available"]);
    assert_eq!(of(&s, "switch m"), ["main"]);
    assert!(of(&s, "describe dep").iter().any(|w| w.starts_with("deployment")));
    assert!(of(&s, "run ").is_empty());
}

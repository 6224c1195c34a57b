//! Forks: a copy of a simulation goes on as the simulation itself would, and neither notices the other.

use std::time::Duration;

use serde_json::{Value, json};
use wavetank::scenario::cluster::{NodeSpec, Storage};
use wavetank::scenario::runner::{End, Plan, Runner, StepAction, TimedStep};
use wavetank::sim::Options;

/// Workloads that are in the middle of something at any time: sleeping scripts, restarts, probes.
fn manifests() -> Vec<Value> {
    let pods = |name: &str, script: &str| {
        json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c",
            "image": "busybox:1.36", "command": ["sh", "-c", script],
            "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 2}}]}})
    };
    let workload = |kind: &str, name: &str, script: &str| {
        json!({"apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": 3, "serviceName": name, "selector": {"matchLabels": {"app": name}},
                "template": pods(name, script)}})
    };
    let mut deployment = workload("Deployment", "web", "sleep 5; touch /tmp/ready; sleep 1000000");
    deployment["spec"].as_object_mut().unwrap().remove("serviceName");
    vec![
        deployment,
        workload(
            "StatefulSet",
            "db",
            "for i in 1 2 3; do echo $i; sleep 2; done; touch /tmp/ready; sleep 1000000",
        ),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    ]
}

fn step(at: Duration, action: StepAction) -> TimedStep {
    TimedStep { at, written: format!("{at:?}"), action, ..TimedStep::default() }
}

fn plan(length: Duration) -> Plan {
    let node = |i: u32| NodeSpec::worker(format!("node-{i}")).object(i, Options::default().start.0);
    let apply = StepAction::Apply { source: "all.yaml".into(), documents: manifests() };
    Plan {
        options: Options::default(),
        snapshot: Default::default(),
        nodes: (0..3).map(node).collect(),
        storage: Storage::None,
        steps: vec![step(Duration::ZERO, apply)],
        end: End::After(length),
    }
}

fn drain(length: Duration) -> TimedStep {
    step(length, StepAction::Kubectl("drain node-1 --ignore-daemonsets --force".into()))
}

/// The digest of a run to its end, and how many facts it told.
fn told(runner: &mut Runner) -> (u64, usize) {
    let mut facts = 0;
    runner.run(&mut |_| facts += 1);
    (runner.sim().digest(), facts)
}

#[test]
fn a_fork_goes_on_as_the_whole_run_would() {
    for seconds in [1, 4, 9, 30, 100] {
        let length = Duration::from_secs(seconds);
        let mut base = Runner::new(plan(length), &mut |_| {}).unwrap();
        let (before, heard) = told(&mut base);
        let mut whole = plan(length);
        whole.steps.push(drain(length));
        whole.end = End::Quiet;
        let whole = told(&mut Runner::new(whole, &mut |_| {}).unwrap());
        let fork = told(&mut base.fork(drain(length)));
        assert_eq!(fork.0, whole.0, "after {seconds} s");
        assert_ne!(fork.0, before, "something happened");
        assert!(fork.1 > 0 && whole.1 > fork.1 + heard / 2, "it told of what came after alone");
    }
}

#[test]
fn forks_do_not_disturb_each_other_nor_what_they_were_forked_from() {
    let length = Duration::from_secs(9);
    let mut base = Runner::new(plan(length), &mut |_| {}).unwrap();
    let (before, _) = told(&mut base);
    let first = told(&mut base.fork(drain(length)));
    let crash = step(length, StepAction::StopNode("node-2".into()));
    let other = told(&mut base.fork(crash));
    assert_eq!(base.sim().digest(), before);
    let again = told(&mut base.fork(drain(length)));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
}

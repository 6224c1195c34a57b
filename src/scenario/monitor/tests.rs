//! Claims against made-up facts: when each is judged, and what is told.

use serde_json::json;

use super::*;
use crate::api::convert::from_wire;
use crate::api::typed::Typed;
use crate::model::{Kind, Object};
use crate::trace::{Change, FactId, FactKind};

const START: SimTime = SimTime::from_secs(1000);

fn pod(ready: bool) -> Object {
    let status = if ready { "True" } else { "False" };
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "00000000-0000-0000-0000-000000000001"},
        "spec": {"containers": [{"name": "main", "image": "nginx"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}});
    from_wire(Typed::decode(&pod).unwrap()).unwrap()
}

fn ready(name: &str) -> Condition {
    Condition::Objects(Box::new(Objects {
        choice: Choice {
            kind: Kind::Pod,
            inert: None,
            name: Some(Pattern(name.into())),
            namespace: Some("default".into()),
            labels: Vec::new(),
        },
        part: json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        filter: None,
        tree: None,
        wanted: Wanted::Count(Comparison::SOME),
    }))
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Plays changes of a pod's readiness at times, to the end at `end`: when the claim proves wrong, if so.
fn played(after: Start, claim: Claim, changes: &[(u64, bool)], end: u64) -> Option<(u64, String)> {
    let expectation =
        Expectation { name: String::new(), after, claim, condition: ready("web"), place: None };
    let all = [expectation];
    let mut monitors = Monitors::new(&all, START);
    let mut old: Option<Object> = None;
    for (i, (at, is_ready)) in changes.iter().enumerate() {
        let object = pod(*is_ready);
        let change = if old.is_none() { Change::Added } else { Change::Modified };
        let kind = FactKind::Object { change, object: object.clone(), old: old.replace(object) };
        let id = FactId(u64::try_from(i).unwrap() + 1);
        monitors.observe(&Fact { at: START + secs(*at), id, cause: FactId::NONE, kind });
    }
    let violations = monitors.finish(START + secs(end));
    assert!(violations.len() <= 1, "{violations:?}");
    violations.into_iter().next().map(|v| (v.at.since(START).as_secs(), v.found))
}

#[track_caller]
fn check(claim: Claim, changes: &[(u64, bool)], end: u64, wanted: Option<u64>) {
    let told = format!("{claim:?} {changes:?}");
    let got = played(Start::Beginning, claim, changes, end);
    assert_eq!(got.as_ref().map(|(at, _)| *at), wanted, "{told}: {got:?}");
}

const COMES: &[(u64, bool)] = &[(1, false), (10, true)];
const FLAPS: &[(u64, bool)] = &[(1, false), (10, true), (20, false), (30, true)];

#[test]
fn a_claim_about_a_moment_is_judged_with_all_that_happens_in_it() {
    check(Claim::At(secs(10)), COMES, 60, None);
    check(Claim::At(secs(9)), COMES, 60, Some(9));
    check(Claim::At(secs(25)), FLAPS, 60, Some(25));
    check(Claim::At(secs(90)), COMES, 60, Some(60));
    check(Claim::Finally, COMES, 60, None);
    check(Claim::Finally, &FLAPS[..3], 60, Some(60));
}

#[test]
fn a_claim_about_some_moment_holds_from_the_first_on() {
    check(Claim::Within(secs(10)), COMES, 60, None);
    check(Claim::Within(secs(5)), COMES, 60, Some(5));
    check(Claim::Within(secs(12)), FLAPS, 60, None);
    check(Claim::Within(secs(90)), &COMES[..1], 60, Some(60));
}

#[test]
fn what_is_to_stay_must_hold_without_a_break() {
    let stays = |within: Option<u64>, length| Claim::Stays {
        within: within.map(secs),
        length: secs(length),
    };
    check(stays(None, 10), FLAPS, 60, None);
    check(stays(None, 25), FLAPS, 60, None);
    check(stays(None, 40), FLAPS, 60, Some(60));
    check(stays(Some(5), 10), FLAPS, 60, Some(5));
    check(stays(Some(15), 30), FLAPS, 60, Some(20));
}

#[test]
fn always_and_never_are_about_every_moment() {
    check(Claim::Always(None), COMES, 60, Some(0));
    check(Claim::Never(None), COMES, 60, Some(10));
    check(Claim::Never(Some(secs(5))), COMES, 60, None);
    let from_ten = |claim| played(Start::At(secs(10)), claim, FLAPS, 60).map(|(at, _)| at);
    assert_eq!(from_ten(Claim::Always(None)), Some(20));
    assert_eq!(from_ten(Claim::Always(Some(secs(5)))), None);
    let when = || Start::When(Box::new(ready("web")));
    assert_eq!(played(when(), Claim::Always(None), FLAPS, 60).map(|(at, _)| at), Some(20));
    assert_eq!(played(when(), Claim::Always(None), COMES, 60), None);
}

#[test]
fn times_are_counted_as_it_comes_to_hold() {
    let times = |least, most| Claim::Times { least, most, until: None };
    check(times(2, 2), FLAPS, 60, None);
    check(times(1, 1), FLAPS, 60, Some(30));
    check(times(3, u64::MAX), FLAPS, 60, Some(60));
    check(Claim::Times { least: 1, most: 1, until: Some(secs(25)) }, FLAPS, 60, None);
}

#[test]
fn what_never_comes_to_count_is_told() {
    let got = played(Start::Step(3, "scale".to_owned()), Claim::Finally, COMES, 60);
    assert_eq!(got, Some((60, "step \"scale\" was never done".to_owned())));
}

#[test]
fn a_trigger_is_due_once_its_condition_has_held_for_long_enough() {
    let condition = ready("web");
    let mut trigger = Trigger::new(Arc::new(condition), secs(5), START);
    let mut due = Vec::new();
    for (at, is_ready) in FLAPS {
        let kind = FactKind::Object { change: Change::Added, object: pod(*is_ready), old: None };
        let fact = Fact { at: START + secs(*at), id: FactId(1), cause: FactId::NONE, kind };
        trigger.observe(&fact);
        due.push(trigger.due().map(|at| at.since(START).as_secs()));
    }
    assert_eq!(due, [None, Some(15), None, Some(35)]);
}

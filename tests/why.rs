//! Every restart, wait, eviction and failure of recorded scenarios has a cause that is known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wavetank::model::{Kind, Object, Phase, Pod};
use wavetank::report::why::{self, Past};
use wavetank::scenario::recorded::{ScenarioDir, find_scenarios};
use wavetank::scenario::replay;

/// Whether an object asks for an answer that matters.
fn asks(object: &Object) -> bool {
    match object {
        Object::Pod(pod) => {
            let restarted = |p: &Pod| {
                let all = p.status.init_containers.iter().chain(p.status.containers.iter());
                all.map(|c| c.restart_count).sum::<u32>() > 0
            };
            restarted(pod)
                || pod.meta.deletion.is_some()
                || matches!(pod.status.phase, Phase::Pending | Phase::Failed | Phase::Unknown)
        }
        Object::Job(job) => job.status.is_true("Failed"),
        _ => false,
    }
}

/// Asks why of everything in a scenario; adds how chains end, and tells those that end nowhere.
fn ask(dir: &ScenarioDir, ends: &mut BTreeMap<&'static str, usize>, nowhere: &mut Vec<String>) {
    let mut past = Past::default();
    let (_, runner) = replay::run(dir, 1, &mut |fact| past.observe(fact)).unwrap();
    let sim = runner.sim();
    let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
    for kind in [Kind::Pod, Kind::Job] {
        for object in past.all(kind).filter(|o| asks(o)) {
            let of = object.reference();
            let answers = why::why(&past, object, sim.now(), &blocked);
            if answers.is_empty() {
                nowhere.push(format!("{}: {of}: no answer", dir.name));
            }
            for answer in answers {
                match answer.end() {
                    Some(end) => *ends.entry(end.as_str()).or_default() += 1,
                    None => {
                        let text = why::text(&of, &[answer], None, runner.start());
                        nowhere.push(format!("{}: {text}", dir.name));
                    }
                }
            }
        }
    }
}

#[test]
fn no_chain_of_causes_ends_in_the_middle_of_nowhere() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden");
    let more = std::env::var_os("WAVETANK_RECORDINGS").map(PathBuf::from);
    let folders: Vec<PathBuf> = std::iter::once(kept).chain(more).collect();
    let (mut ends, mut nowhere) = (BTreeMap::new(), Vec::new());
    for dir in find_scenarios(&folders).unwrap() {
        ask(&dir, &mut ends, &mut nowhere);
    }
    assert!(nowhere.is_empty(), "{}", nowhere.join("\n"));
    assert!(ends.values().sum::<usize>() >= 10, "{ends:?}");
}

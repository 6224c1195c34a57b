//! Short cuts against the long way: what is kept from cycle to cycle changes no decision.
//!
//! A world is made at random and changed step by step: pods come and are scheduled, pods go, nodes are
//! cordoned and tainted. One scheduler lives through all of it with its counts, remembered scores and
//! windows. Before each decision another is built from nothing but the objects that are there; both
//! must decide alike, down to every score, and every node must be judged by the windows as it is by the
//! filters one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::config::Config;
use super::cycle::{self, Outcome, Record, Scratch};
use super::feed::Feed;
use crate::api::convert::from_wire;
use crate::api::typed::Typed;
use crate::base::time::SimTime;
use crate::model::{Object, Pod, Uid};
use crate::trace::FactId;

const NOW: SimTime = SimTime::from_secs(1_767_225_600);

#[derive(Clone, Debug)]
enum Step {
    /// A pod of a template comes and is scheduled.
    Pod(usize),
    /// One of the placed pods goes.
    Gone(usize),
    /// A node is changed: whether it is cordoned, which taint it has.
    Node(usize, bool, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TEMPLATES).prop_map(Step::Pod),
        2 => any::<usize>().prop_map(Step::Gone),
        1 => (any::<usize>(), any::<bool>(), 0..4_u8).prop_map(|(n, c, t)| Step::Node(n, c, t)),
    ]
}

const TEMPLATES: usize = 9;

fn template(i: usize) -> Value {
    let app = |name: &str| json!({"matchLabels": {"app": name}});
    let near = |kind: &str, key: &str, name: &str| {
        json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution":
            [{"labelSelector": app(name), "topologyKey": key}]}}})
    };
    let soft = |kind: &str, name: &str| {
        json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 7, "podAffinityTerm": {"labelSelector": app(name), "topologyKey": "zone"}}]}}})
    };
    let spread = |otherwise: &str| {
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
            "whenUnsatisfiable": otherwise, "labelSelector": app("a")}]})
    };
    let spec = match i {
        0 | 1 => json!({}),
        2 => spread("DoNotSchedule"),
        3 => spread("ScheduleAnyway"),
        4 => near("podAffinity", "zone", "a"),
        5 => near("podAntiAffinity", "kubernetes.io/hostname", "b"),
        6 => soft("podAffinity", "a"),
        7 => soft("podAntiAffinity", "b"),
        _ => json!({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"zone": "z1"}}),
    };
    let cpu = ["100m", "700m", "250m"][i % 3];
    let name = ["a", "b"][i % 2];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "x",
            "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}]}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

fn object(manifest: &Value) -> Object {
    from_wire(Typed::decode(manifest).unwrap()).unwrap()
}

fn node(i: usize, cordoned: bool, taint: u8) -> Value {
    let cpu = ["1", "2", "4"][i % 3];
    let effect = ["", "NoSchedule", "PreferNoSchedule", "NoExecute"][usize::from(taint)];
    let taints =
        if effect.is_empty() { json!([]) } else { json!([{"key": "k", "effect": effect}]) };
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("n{i}"),
            "labels": {"kubernetes.io/hostname": format!("n{i}"), "zone": format!("z{}", i % 3)}},
        "spec": {"unschedulable": cordoned, "taints": taints},
        "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "6"}}})
}

/// The objects that are there, in the order in which they came.
#[derive(Default)]
struct World {
    nodes: Vec<Value>,
    pods: BTreeMap<u128, Arc<Pod>>,
}

impl World {
    fn feed(&self, next_start: usize) -> Feed {
        let mut feed = Feed::new(Config::default());
        for node in &self.nodes {
            feed.set_object(&object(node), false, NOW);
        }
        for pod in self.pods.values() {
            let info = feed.info(pod);
            feed.set_pod(info, FactId::NONE, NOW);
        }
        feed.cluster.next_start = next_start;
        feed
    }
}

/// A decision as a text that shows every part of it.
fn decide(feed: &mut Feed, scratch: &mut Scratch, pod: &Arc<Pod>) -> (Option<String>, String) {
    let info = feed.info(pod);
    let config = Config::default();
    let mut record = Record::default();
    let (cluster, profile) = (&mut feed.cluster, &config.profiles[0]);
    let decision = cycle::schedule(cluster, &config, profile, &info, scratch, Some(&mut record));
    let examined = record.feasible.len() + record.statuses.len();
    let name = |slot: u32| cluster.snapshot.node(slot).name.to_string();
    let feasible: Vec<String> = record.feasible.iter().map(|s| name(*s)).collect();
    let refused: BTreeMap<String, String> =
        record.statuses.iter().map(|(s, status)| (name(*s), format!("{status:?}"))).collect();
    let scores: Vec<String> = record.scores.iter().map(|s| format!("{s:?}")).collect();
    let (node, said) = match &decision.outcome {
        Outcome::Node(slot) => (Some(name(*slot)), String::new()),
        Outcome::Unfit(d) => (None, d.message()),
        Outcome::Error(text) => (None, text.to_string()),
    };
    // A node that the windows refuse and the filters one by one would not has no status.
    assert_eq!(examined, record.examined, "{feasible:?} {refused:?}");
    let text = format!("{node:?} {said} {feasible:?} {refused:?} {scores:?} {:?}", record.totals);
    (node, text)
}

fn run(count: usize, steps: &[Step]) {
    let mut world =
        World { nodes: (0..count).map(|i| node(i, false, 0)).collect(), pods: BTreeMap::new() };
    let templates: Vec<Arc<Pod>> = (0..TEMPLATES)
        .map(|i| match object(&template(i)) {
            Object::Pod(pod) => pod,
            _ => unreachable!("a template is a pod"),
        })
        .collect();
    let mut feed = world.feed(0);
    let mut scratch = Scratch::default();
    for (i, step) in (1..).zip(steps) {
        match step {
            Step::Pod(t) => {
                let mut pod = Pod::clone(&templates[*t]);
                pod.meta.uid = Uid::from_random(i);
                pod.meta.name = format!("p{i}").into();
                let start = feed.cluster.next_start;
                let long_way =
                    decide(&mut world.feed(start), &mut Scratch::default(), &Arc::new(pod.clone()));
                let short_cut = decide(&mut feed, &mut scratch, &Arc::new(pod.clone()));
                assert_eq!(short_cut, long_way, "{step:?}");
                if let Some(node) = short_cut.0 {
                    pod.node = Some(node.into());
                    let pod = Arc::new(pod);
                    world.pods.insert(i, pod.clone());
                    let info = feed.info(&pod);
                    feed.set_pod(info, FactId::NONE, NOW);
                }
            }
            Step::Gone(n) => {
                let key = world.pods.keys().nth(n % world.pods.len().max(1)).copied();
                if let Some(pod) = key.and_then(|key| world.pods.remove(&key)) {
                    feed.remove_pod(pod.meta.uid, NOW);
                }
            }
            Step::Node(n, cordoned, taint) => {
                let i = n % count;
                world.nodes[i] = node(i, *cordoned, *taint);
                feed.set_object(&object(&world.nodes[i]), false, NOW);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_changes_no_decision(
        count in 1..9_usize,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        run(count, &steps);
    }
}

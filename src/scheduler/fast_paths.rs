//! Short cuts against the long way: what is kept from cycle to cycle changes no decision.
//!
//! A world is made at random and changed step by step: pods come and are scheduled or preempt others,
//! pods go, nodes are cordoned and tainted, a disruption budget changes. One scheduler lives through all
//! of it with its counts, remembered scores, verdicts and windows. Before each decision another is built
//! from nothing but the objects that are there; both must decide alike, down to every score and every
//! victim, and every node must be judged by the windows as it is by the filters one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::config::Config;
use super::cycle::{self, Outcome, Record, Scratch};
use super::feed::Feed;
use super::pod::PodInfo;
use super::preemption::{self, DryRun, Nomination};
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
    /// One of the pods with a node set aside is tried again.
    Again(usize),
    /// A disruption budget allows so much.
    Budget(i32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TEMPLATES).prop_map(Step::Pod),
        4 => (IMPORTANT..TEMPLATES).prop_map(Step::Pod),
        2 => any::<usize>().prop_map(Step::Gone),
        2 => any::<usize>().prop_map(Step::Again),
        1 => (0..3).prop_map(Step::Budget),
        1 => (any::<usize>(), any::<bool>(), 0..4_u8).prop_map(|(n, c, t)| Step::Node(n, c, t)),
    ]
}

const TEMPLATES: usize = 13;
/// From here on templates have a priority.
const IMPORTANT: usize = 9;

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
        8 => json!({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"zone": "z1"}}),
        9 | 10 => json!({"priority": 10}),
        11 => json!({"priority": 20}),
        _ => near("podAntiAffinity", "zone", "b"),
    };
    let cpu = if i < IMPORTANT { ["100m", "700m", "250m"][i % 3] } else { "900m" };
    let name = ["a", "b"][i % 2];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "x",
            "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}]}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    if i == 12 {
        pod["spec"]["priority"] = json!(10);
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

fn budget(allowed: i32) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 0, "desiredHealthy": 0,
            "expectedPods": 0}})
}

/// The objects that are there, in the order in which they came.
#[derive(Default)]
struct World {
    nodes: Vec<Value>,
    budget: Option<Value>,
    pods: BTreeMap<Uid, Arc<Pod>>,
    /// Pods with a node set aside.
    nominated: Vec<Arc<Pod>>,
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
        for object in self.budget.iter().map(object) {
            feed.set_object(&object, false, NOW);
        }
        for pod in &self.nominated {
            let info = feed.info(pod);
            // As of every pod that waits.
            feed.cluster.index.know_topologies(&info.template);
            feed.cluster.nominator.nominate(&info, None);
        }
        feed
    }
}

/// What a decision came to.
struct Decided {
    node: Option<String>,
    preempts: Option<(String, Vec<Arc<PodInfo>>)>,
    /// Every part of it, as a text.
    text: String,
}

/// Decides, with everything written down if `told`.
fn decide(feed: &mut Feed, scratch: &mut Scratch, pod: &Arc<Pod>, told: bool) -> Decided {
    let info = feed.info(pod);
    let config = Config::default();
    let mut record = told.then(Record::default);
    let (cluster, profile) = (&mut feed.cluster, &config.profiles[0]);
    let decision = cycle::schedule(cluster, &config, profile, &info, scratch, record.as_mut());
    let name = |slot: u32| cluster.snapshot.node(slot).name.to_string();
    let mut dry = told.then(DryRun::default);
    let (mut node, mut preempts, mut text) = (None, None, String::new());
    match &decision.outcome {
        Outcome::Node(slot) => node = Some(name(*slot)),
        Outcome::Error(error) => text = error.to_string(),
        Outcome::Unfit(d) => {
            let state = &mut scratch.state;
            let post =
                preemption::post_filter(cluster, profile, &info, state, d, |n| n / 2, dry.as_mut());
            let refused: Vec<String> =
                d.statuses.iter().map(|(s, status)| format!("{}: {status:?}", name(s))).collect();
            text = format!("{} {} {refused:?} {:?}", d.message(), post.message, d.plugins);
            if let Nomination::Node(slot, victims) = post.nomination {
                let uids: Vec<Uid> = victims.iter().map(|p| p.uid()).collect();
                text += &format!(" {} {uids:?}", name(slot));
                preempts = Some((name(slot), victims));
            }
        }
    }
    text += &format!(" {} {}", decision.evaluated, cluster.next_start);
    if let (Some(record), Some(dry)) = (record, dry) {
        text += &tell(&record, &dry, &name);
    }
    Decided { node, preempts, text }
}

fn tell(record: &Record, dry: &DryRun, name: &impl Fn(u32) -> String) -> String {
    let feasible: Vec<String> = record.feasible.iter().map(|s| name(*s)).collect();
    let refused: BTreeMap<String, String> =
        record.statuses.iter().map(|(s, status)| (name(s), format!("{status:?}"))).collect();
    // A node that the windows refuse and the filters one by one would not has no status.
    let examined = record.feasible.len() + record.statuses.len();
    let nominated = matches!(record.nominated, Some((_, Some(true))));
    assert!(nominated || examined == record.examined, "{feasible:?} {refused:?}");
    let trial = |(slot, result): &(u32, Result<preemption::Victims, _>)| {
        let uids = |v: &preemption::Victims| {
            (v.pods.iter().map(|p| p.uid()).collect::<Vec<_>>(), v.violations)
        };
        format!("{} {:?}", name(*slot), result.as_ref().map(uids))
    };
    let tried: Vec<String> = dry.nodes.iter().map(trial).collect();
    format!("{feasible:?} {refused:?} {:?} {:?} {tried:?}", record.scores, record.totals)
}

/// A world, and the scheduler that lives through its changes.
struct Life {
    world: World,
    feed: Feed,
    scratch: Scratch,
}

impl Life {
    /// Decides in both ways, and lets it come true.
    fn schedule(&mut self, pod: Pod, step: &Step, turn: u64) {
        let told = turn % 2 == 0;
        let pod = Arc::new(pod);
        let start = self.feed.cluster.next_start;
        let mut new = self.world.feed(start);
        let long_way = decide(&mut new, &mut Scratch::default(), &pod, told);
        let short_cut = decide(&mut self.feed, &mut self.scratch, &pod, told);
        assert_eq!(short_cut.text, long_way.text, "{step:?}");
        assert_eq!(short_cut.node, long_way.node, "{step:?}");
        let mut pod = Pod::clone(&pod);
        if let Some(node) = short_cut.node {
            pod.node = Some(node.into());
            // Of pods that started at once the order on the node would decide.
            pod.status.start_time = Some(NOW + Duration::from_secs(turn));
            self.forget(pod.meta.uid);
            let pod = Arc::new(pod);
            self.world.pods.insert(pod.meta.uid, pod.clone());
            let info = self.feed.info(&pod);
            self.feed.set_pod(info, FactId::NONE, NOW);
        } else if let Some((node, victims)) = short_cut.preempts {
            pod.status.nominated_node = node.into();
            self.forget(pod.meta.uid);
            let pod = Arc::new(pod);
            let info = self.feed.info(&pod);
            self.feed.cluster.nominator.nominate(&info, None);
            self.world.nominated.push(pod);
            // Victims take their time.
            let gone = if turn % 3 == 0 { victims.len() } else { 0 };
            for victim in &victims[..gone] {
                self.world.pods.remove(&victim.uid());
                self.feed.remove_pod(victim.uid(), NOW);
            }
        }
    }

    fn forget(&mut self, uid: Uid) {
        self.world.nominated.retain(|p| p.meta.uid != uid);
        self.feed.cluster.nominator.withdraw(uid);
    }

    fn go(&mut self, step: &Step, turn: u64, templates: &[Arc<Pod>]) {
        match step {
            Step::Pod(t) => {
                let mut pod = Pod::clone(&templates[*t]);
                pod.meta.uid = Uid::from_random(turn.into());
                pod.meta.name = format!("p{turn}").into();
                self.schedule(pod, step, turn);
            }
            Step::Again(n) => {
                let all = &self.world.nominated;
                if let Some(pod) = all.get(n % all.len().max(1)) {
                    self.schedule(Pod::clone(pod), step, turn);
                }
            }
            Step::Gone(n) => {
                let all = &self.world.pods;
                let key = all.keys().nth(n % all.len().max(1)).copied();
                if let Some(pod) = key.and_then(|key| self.world.pods.remove(&key)) {
                    self.feed.remove_pod(pod.meta.uid, NOW);
                }
            }
            Step::Node(n, cordoned, taint) => {
                let i = n % self.world.nodes.len();
                self.world.nodes[i] = node(i, *cordoned, *taint);
                self.feed.set_object(&object(&self.world.nodes[i]), false, NOW);
            }
            Step::Budget(allowed) => {
                let budget = budget(*allowed);
                self.feed.set_object(&object(&budget), false, NOW);
                self.world.budget = Some(budget);
            }
        }
    }
}

fn run(count: usize, steps: &[Step]) {
    let nodes = (0..count).map(|i| node(i, false, 0)).collect();
    let world = World { nodes, ..World::default() };
    let templates: Vec<Arc<Pod>> = (0..TEMPLATES)
        .map(|i| match object(&template(i)) {
            Object::Pod(pod) => pod,
            _ => unreachable!("a template is a pod"),
        })
        .collect();
    let mut life = Life { feed: world.feed(0), world, scratch: Scratch::default() };
    for (turn, step) in (1..).zip(steps) {
        life.go(step, turn, &templates);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_changes_no_decision(
        count in 1..7_usize,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(count, &steps);
    }
}

#[test]
fn a_nominated_pod_keeps_others_away_by_a_label_that_no_placed_pod_has_asked_for() {
    use Step::{Gone, Pod};
    run(4, &[Pod(1), Pod(0), Pod(5), Pod(3), Pod(8), Pod(5), Pod(12), Gone(0), Pod(1)]);
}

//! Scheduling: pods a second through the whole path, on one core.
//!
//! `cargo bench --bench scheduling [-- WORD…]` runs the shapes whose names hold one of the words. Each is
//! after one of kube-scheduler's own performance suite (`test/integration/scheduler_perf`), at 5,000
//! nodes: pods that are there already, then pods that are timed from the news of their creation
//! through queue, cycle, assuming and the news of their binding. No API server takes part.

#![expect(missing_docs, reason = "a bench is no library")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_methods, reason = "the machine's clock is what it measures with")]

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use wavetank::api::convert::from_wire;
use wavetank::api::typed::Typed;
use wavetank::base::time::SimTime;
use wavetank::model::{Object, Pod, Uid};
use wavetank::scheduler::config::Config;
use wavetank::scheduler::cycle::{self, Outcome, Scratch};
use wavetank::scheduler::feed::Feed;
use wavetank::scheduler::plugins::{View, volume_binding};
use wavetank::scheduler::preemption::{self, Nomination};
use wavetank::trace::FactId;

const NODES: usize = 5000;
const NOW: SimTime = SimTime::from_secs(1_767_225_600);

/// A scheduler and the pods it has been given.
struct Rig {
    feed: Feed,
    config: Config,
    scratch: Scratch,
    made: u32,
    placed: usize,
    preempted: usize,
    unfit: usize,
    large: Option<Arc<Pod>>,
    churned: Option<Arc<Pod>>,
}

fn object(manifest: &Value) -> Object {
    let typed = Typed::decode(manifest).expect("the manifest is right");
    from_wire(typed).expect("the manifest is right")
}

impl Rig {
    fn new(node: impl Fn(usize) -> Value) -> Self {
        let mut rig = Self {
            feed: Feed::new(Config::default()),
            config: Config::default(),
            scratch: Scratch::default(),
            made: 0,
            placed: 0,
            preempted: 0,
            unfit: 0,
            large: None,
            churned: None,
        };
        for namespace in 0..100 {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": format!("ns-{namespace}"), "labels": {"team": "devops"}}});
            rig.feed.set_object(&object(&manifest), false, NOW);
        }
        for i in 0..NODES {
            let mut manifest = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": format!("node-{i}"), "labels": {
                    "kubernetes.io/hostname": format!("node-{i}"),
                    "topology.kubernetes.io/zone": format!("zone-{}", i % 3)}},
                "status": {"allocatable": {"cpu": "4", "memory": "32Gi", "pods": "110"}},
            });
            let more = node(i);
            for (key, value) in more.as_object().into_iter().flatten() {
                manifest["spec"][key.as_str()] = value.clone();
            }
            rig.feed.set_object(&object(&manifest), false, NOW);
        }
        rig
    }

    fn named(&mut self, template: &Arc<Pod>, namespace: usize) -> Arc<Pod> {
        self.made += 1;
        let mut pod = Pod::clone(template);
        pod.meta.name = format!("pod-{}", self.made).into();
        if !template.meta.labels.get("own").is_some() && namespace > 0 {
            pod.meta.namespace = format!("ns-{}", namespace % 100).into();
        }
        pod.meta.uid = Uid::from_random(u128::from(self.made) << 80 | 7);
        Arc::new(pod)
    }

    fn come(&mut self, pod: &Arc<Pod>) {
        let info = self.feed.info(pod);
        self.feed.set_pod(info, FactId::NONE, NOW);
    }

    /// Takes pods from the queue until none is ready, at most `limit`.
    fn schedule(&mut self, limit: usize) {
        for _ in 0..limit {
            let Some(queued) = self.feed.queue.pop() else { return };
            self.cycle(queued);
        }
    }

    fn cycle(&mut self, mut queued: wavetank::scheduler::queue::Queued) {
        let pod = queued.info.clone();
        let profile = &self.config.profiles[0];
        let (cluster, scratch) = (&mut self.feed.cluster, &mut self.scratch);
        let decision = cycle::schedule(cluster, &self.config, profile, &pod, scratch, None);
        match decision.outcome {
            Outcome::Node(slot) => {
                let view = View::new(cluster, &profile.args, &pod);
                let node = cluster.snapshot.node(slot);
                let reserved = volume_binding::reservation(&view, &mut scratch.state, node);
                let node = node.name.clone();
                self.feed.assume(&pod, &node, reserved);
                self.feed.queue.done(pod.uid());
                let mut bound = Pod::clone(&pod.pod);
                bound.node = Some(node);
                self.placed += 1;
                self.come(&Arc::new(bound));
            }
            Outcome::Unfit(diagnosis) => {
                self.unfit += 1;
                let state = &mut scratch.state;
                let post =
                    preemption::post_filter(cluster, profile, &pod, state, &diagnosis, |_| 0, None);
                queued.rejected_by = diagnosis.plugins;
                let node = match &post.nomination {
                    Nomination::Keep => None,
                    Nomination::Clear => Some(Default::default()),
                    Nomination::Node(slot, _) => Some(cluster.snapshot.node(*slot).name.clone()),
                };
                self.feed.put_back(queued, node.as_ref(), NOW);
                if let Nomination::Node(_, victims) = post.nomination {
                    self.preempted += victims.len();
                    for victim in victims {
                        self.feed.remove_pod(victim.uid(), NOW);
                    }
                }
            }
            Outcome::Error(text) => panic!("{text}"),
        }
    }
}

/// How often the cluster changes while pods are scheduled, in pods.
const CHURN: usize = 20;

impl Rig {
    /// A node without room, a Service and an important pod too large for any node come, and go the next
    /// time (`churn`, mode `recreate`).
    fn churn_mixed(&mut self, turn: usize) {
        let name = format!("churn-{}", turn / 2);
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"allocatable": {"pods": "0"}}});
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "ns-0"}, "spec": {"selector": {"app": "foo"},
                "ports": [{"port": 8080, "protocol": "TCP"}]}});
        let goes = turn % 2 == 1;
        self.feed.set_object(&object(&node), goes, NOW);
        self.feed.set_object(&object(&service), goes, NOW);
        match self.churned.take().filter(|_| goes) {
            Some(pod) => self.feed.remove_pod(pod.meta.uid, NOW),
            None => self.churn_pods(turn),
        }
    }

    /// An important pod too large for any node comes (mode `create`).
    fn churn_pods(&mut self, _: usize) {
        let large = self.large.get_or_insert_with(|| template(&with_priority(10, "9"))).clone();
        let pod = self.named(&large, 0);
        self.come(&pod);
        self.churned = Some(pod);
        self.schedule(1);
    }
}

/// What is measured: nodes, what is there, what comes.
struct Shape {
    /// What changes beside, called again and again with the number of the turn.
    churn: fn(&mut Rig, usize),
    name: &'static str,
    node: fn(usize) -> Value,
    there: Vec<(Value, usize)>,
    come: Vec<Value>,
    count: usize,
}

fn plain(_: usize) -> Value {
    json!({})
}

fn pod(labels: Value, spec: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns-0", "labels": labels},
        "spec": {"containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10",
            "resources": {"requests": {"cpu": "100m", "memory": "500Mi"}}}]},
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key.as_str()] = value.clone();
    }
    pod
}

fn near(kind: &str, hard: bool, labels: &Value, key: &str, more: Value) -> Value {
    let mut term = json!({"labelSelector": {"matchLabels": labels}, "topologyKey": key});
    for (k, v) in more.as_object().into_iter().flatten() {
        term[k.as_str()] = v.clone();
    }
    if hard {
        json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    } else {
        json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 1, "podAffinityTerm": term}]}}})
    }
}

fn spread(hard: bool) -> Value {
    let otherwise = if hard { "DoNotSchedule" } else { "ScheduleAnyway" };
    json!({"topologySpreadConstraints": [{"maxSkew": 5, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": otherwise, "labelSelector": {"matchLabels": {"color": "blue"}}}]})
}

fn nodes_named(prefix: &str) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchExpressions": [{"key": prefix, "operator": "In",
            "values": ["zone-1", "zone-2"]}]}]}}}})
}

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

fn with_priority(priority: i32, cpu: &str) -> Value {
    let mut p = pod(json!({}), json!({"priority": priority}));
    p["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!(cpu);
    p
}

fn shapes() -> Vec<Shape> {
    let none = || json!({});
    let basic = || pod(none(), none());
    let blue = json!({"color": "blue"});
    let own = json!({"color": "green", "own": "yes"});
    let shape = |name, there: Vec<(Value, usize)>, come: Vec<Value>, count| Shape {
        name,
        node: plain,
        there,
        come,
        count,
        churn: |_, _| {},
    };
    let alike = |name, template: Value, there, count| {
        shape(name, vec![(template.clone(), there)], vec![template], count)
    };
    let blue_near = |kind, hard, key, more| pod(blue.clone(), near(kind, hard, &blue, key, more));
    let selector = || json!({"namespaceSelector": {"matchLabels": {"team": "devops"}}});
    let tolerant = || {
        pod(
            none(),
            json!({"tolerations": [{"key": "foo", "value": "bar", "operator": "Equal",
            "effect": "NoSchedule"}]}),
        )
    };
    let lonely = pod(own.clone(), near("podAntiAffinity", true, &own, HOST, none()));
    vec![
        shape("basic, 1,000 placed", vec![(basic(), 1000)], vec![basic()], 10_000),
        shape("basic, 5,000 placed", vec![(basic(), 5000)], vec![basic()], 10_000),
        shape("basic, 20,000 placed", vec![(basic(), 20_000)], vec![basic()], 10_000),
        shape("basic, 100,000 placed", vec![(basic(), 100_000)], vec![basic()], 10_000),
        alike("node affinity", pod(none(), nodes_named(ZONE)), 5000, 5000),
        Shape {
            node: |i| match i % 2 {
                0 => json!({"taints": [{"key": "foo", "value": "bar", "effect": "NoSchedule"}]}),
                _ => json!({"taints": [{"key": "soft", "effect": "PreferNoSchedule"}]}),
            },
            ..alike("taints", tolerant(), 5000, 5000)
        },
        alike("topology spreading", pod(blue.clone(), spread(true)), 5000, 5000),
        alike("preferred topology spreading", pod(blue.clone(), spread(false)), 5000, 5000),
        alike("pod affinity", blue_near("podAffinity", true, ZONE, none()), 5000, 5000),
        alike("pod anti-affinity", lonely.clone(), 1000, 2000),
        alike("preferred pod affinity", blue_near("podAffinity", false, HOST, none()), 5000, 5000),
        alike(
            "preferred pod anti-affinity",
            blue_near("podAntiAffinity", false, HOST, none()),
            5000,
            5000,
        ),
        alike(
            "pod affinity, namespaceSelector",
            blue_near("podAffinity", true, ZONE, selector()),
            5000,
            5000,
        ),
        alike(
            "pod anti-affinity, namespaceSelector",
            blue_near("podAntiAffinity", true, HOST, selector()),
            1000,
            2000,
        ),
        alike(
            "preferred pod affinity, namespaceSelector",
            blue_near("podAffinity", false, ZONE, selector()),
            5000,
            5000,
        ),
        alike(
            "preferred pod anti-affinity, namespaceSelector",
            blue_near("podAntiAffinity", false, HOST, selector()),
            5000,
            5000,
        ),
        shape(
            "preemption",
            vec![(with_priority(0, "900m"), 20_000)],
            vec![with_priority(10, "3000m")],
            2000,
        ),
        shape(
            "unschedulable, 10,000 waiting",
            vec![(basic(), 1000), (with_priority(0, "9"), 10_000)],
            vec![basic()],
            10_000,
        ),
        Shape {
            churn: Rig::churn_pods,
            ..shape("unschedulable, one more in 20", vec![(basic(), 1000)], vec![basic()], 10_000)
        },
        Shape {
            churn: Rig::churn_mixed,
            ..shape("churn", vec![(basic(), 1000)], vec![basic()], 10_000)
        },
        shape("daemonset", vec![(basic(), 1000)], Vec::new(), 5000),
        shape(
            "gated, 10,000 waiting",
            vec![
                (basic(), 1000),
                (pod(none(), json!({"schedulingGates": [{"name": "wait"}]})), 10_000),
            ],
            vec![basic()],
            10_000,
        ),
        shape(
            "mixed",
            vec![
                (basic(), 2000),
                (blue_near("podAffinity", true, ZONE, none()), 2000),
                (lonely.clone(), 1000),
                (blue_near("podAffinity", false, HOST, none()), 2000),
                (blue_near("podAntiAffinity", false, HOST, none()), 2000),
            ],
            vec![basic()],
            5000,
        ),
    ]
}

fn template(manifest: &Value) -> Arc<Pod> {
    let Object::Pod(pod) = object(manifest) else { panic!("it is a pod") };
    pod
}

/// A DaemonSet's pods, each for one node.
fn daemons(count: usize) -> Vec<Arc<Pod>> {
    let base = template(&pod(json!({}), json!({})));
    let one = |i: usize| {
        let mut pod = Pod::clone(&base);
        pod.made_for = Some(format!("node-{}", i % NODES).into());
        Arc::new(pod)
    };
    (0..count).map(one).collect()
}

fn measure(shape: &Shape) {
    let mut rig = Rig::new(shape.node);
    for (manifest, count) in &shape.there {
        let template = template(manifest);
        for i in 0..*count {
            let pod = rig.named(&template, i);
            rig.come(&pod);
        }
        rig.schedule(*count);
    }
    let templates = match shape.come.is_empty() {
        true => daemons(shape.count),
        false => shape.come.iter().map(template).collect(),
    };
    let pods: Vec<Arc<Pod>> =
        (0..shape.count).map(|i| rig.named(&templates[i % templates.len()], i)).collect();
    let (before, unfit) = (rig.placed, rig.unfit);
    let start = Instant::now();
    for (i, pod) in pods.iter().enumerate() {
        if i % CHURN == 0 {
            (shape.churn)(&mut rig, i / CHURN);
        }
        rig.come(pod);
        rig.schedule(1);
    }
    rig.schedule(shape.count);
    let seconds = start.elapsed().as_secs_f64();
    let placed = rig.placed - before;
    let per_second = placed as f64 / seconds;
    println!(
        "{:50} {per_second:>10.0} pods/s  {placed} placed, {} unfit, {} preempted",
        shape.name,
        rig.unfit - unfit,
        rig.preempted
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for shape in shapes() {
        if words.is_empty() || words.iter().any(|w| shape.name.contains(w.as_str())) {
            measure(&shape);
        }
    }
}

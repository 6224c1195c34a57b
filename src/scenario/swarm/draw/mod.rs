//! What a seed draws: nodes, workloads, what is done to them, and what fails meanwhile.

mod disturbances;
mod policies;
mod workloads;

use std::time::Duration;

use serde_json::Value;

use crate::base::rng::{Rng, Stream};
use crate::base::time::SimTime;
use crate::engine::Latency;
use crate::model::Ref;
use crate::scenario::cluster::NodeSpec;
use crate::sim::{Callers, Concerns, FaultRule, Verdict};
use crate::store::Propagation;

/// What is done to the cluster.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An object is created.
    Apply(Value),
    /// An object is patched.
    Patch(Ref, Value),
    /// An object is deleted.
    Delete(Ref, Option<Propagation>),
    /// One of the pods that there are is deleted, with its grace or without.
    Kill { number: u64, at_once: bool },
    /// All pods of a node but those of DaemonSets are evicted, where their budgets allow it.
    EvictAll(String),
    /// A node crashes.
    StopNode(String),
    /// A node boots; one whose node was deleted registers anew.
    StartNode(String),
    /// A node joins.
    AddNode(Value),
}

/// A rule of faults, its times counted from the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) begin: Duration,
    pub(super) end: Duration,
    from: Callers,
    of: Concerns,
    permille: u32,
    verdict: Verdict,
}

impl Fault {
    pub(super) const fn at(&self, begin: SimTime, end: SimTime) -> FaultRule {
        let Self { from, of, permille, verdict, .. } = *self;
        FaultRule { from, of, begin, end, permille, verdict }
    }
}

/// The world of a seed.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) latency: Latency,
    pub(super) nodes: Vec<Value>,
    pub(super) faults: Vec<Fault>,
    /// What is done, in the order of time since the start.
    pub(super) acts: Vec<(Duration, Act)>,
    /// When the first phase ends.
    pub(super) length: Duration,
    /// What heals.
    pub(super) healing: Vec<Act>,
}

/// Draws the world of a seed; a calm one has workloads and what limits them, and nothing else happens.
pub(super) fn plan(seed: u64, calm: bool) -> Planned {
    let rng = Rng::new(seed);
    let mut d = Drawing {
        draw: rng.stream("swarm", "plan"),
        planned: Planned {
            latency: Latency::default(),
            nodes: Vec::new(),
            faults: Vec::new(),
            acts: Vec::new(),
            length: Duration::from_secs(60),
            healing: Vec::new(),
        },
        targets: Vec::new(),
        node_names: Vec::new(),
        crowded: false,
        start: SimTime::from_secs(1_767_225_600),
    };
    d.cluster();
    let count = 1 + d.below(4);
    for i in 0..count {
        d.workload(i);
    }
    d.policies();
    if !calm {
        d.disturbances();
        d.faults();
    }
    d.planned.acts.sort_by_key(|(at, _)| *at);
    let last = d.planned.acts.last().map_or(Duration::ZERO, |(at, _)| *at);
    d.planned.length = last + Duration::from_secs(d.below(60));
    d.planned
}

struct Drawing {
    draw: Stream,
    planned: Planned,
    targets: Vec<Ref>,
    node_names: Vec<String>,
    /// Nodes are small: pods wait for each other, and a DaemonSet's pod might find no room for ever.
    crowded: bool,
    /// When nodes have been ready since.
    start: SimTime,
}

impl Drawing {
    fn below(&mut self, n: u64) -> u64 {
        self.draw.below(n)
    }

    fn chance(&mut self, permille: u64) -> bool {
        self.draw.below(1000) < permille
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        let count = u64::try_from(of.len()).unwrap_or(1);
        let i = self.draw.below(count);
        of[usize::try_from(i).unwrap_or(0)].clone()
    }

    fn at(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from * 1000 + self.below((to - from) * 1000))
    }

    fn act(&mut self, at: Duration, act: Act) {
        self.planned.acts.push((at, act));
    }

    fn cluster(&mut self) {
        let count = 1 + self.below(4);
        self.crowded = count > 1 && self.chance(150);
        for i in 0..count {
            let mut node = NodeSpec::worker(format!("node-{}", i + 1));
            let zone = self.pick(&["zone-a", "zone-b", ""]);
            if !zone.is_empty() {
                node.labels.insert("topology.kubernetes.io/zone".to_owned(), zone.to_owned());
            }
            if self.crowded && i > 0 {
                node.capacity.insert("cpu".to_owned(), "200m".to_owned());
            }
            let index = u32::try_from(i).unwrap_or(0);
            self.planned.nodes.push(node.object(index, self.start));
            self.node_names.push(node.name);
        }
        if self.chance(300) {
            self.planned.latency.image_pull = Duration::from_secs(self.below(20));
        }
        if self.chance(200) {
            self.planned.latency.watch = Duration::from_millis(self.below(200));
        }
    }
}

impl Planned {
    /// What was drawn, line by line.
    pub(super) fn described(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} nodes, pulls of {:?}, watch {:?}",
            self.nodes.len(),
            self.latency.image_pull,
            self.latency.watch
        )];
        for fault in &self.faults {
            lines.push(format!(
                "{:?}..{:?}: {:?} of {:?} of {:?}, {} in 1000",
                fault.begin, fault.end, fault.verdict, fault.of, fault.from, fault.permille
            ));
        }
        lines.extend(self.acts.iter().map(|(at, act)| format!("{at:?} {}", act.described())));
        lines.extend(self.healing.iter().map(|act| format!("heal {}", act.described())));
        lines
    }
}

impl Act {
    fn described(&self) -> String {
        match self {
            Self::Apply(document) => format!("apply {document}"),
            Self::Patch(target, patch) => format!("patch {target} {patch}"),
            Self::Delete(target, how) => format!("delete {target} {how:?}"),
            Self::Kill { number, at_once } => format!("kill a pod ({number}, {at_once})"),
            Self::StopNode(node) => format!("stop {node}"),
            Self::StartNode(node) => format!("start {node}"),
            Self::EvictAll(node) => format!("evict the pods of {node}"),
            Self::AddNode(node) => format!("add {}", node["metadata"]["name"]),
        }
    }
}

//! Swarm runs: a cluster, workloads and faults drawn from a seed, judged by what must always hold.
//!
//! Two phases. In the first, nodes crash and return, pods are killed, the API delays and refuses
//! requests, workloads are scaled, rolled out, suspended and deleted, and every change of an object
//! passes the [invariants](crate::sim::invariants): safety. Then everything is healed and the faults
//! end, and each workload must reach what it wants, or be stuck in the way it was drawn to be:
//! liveness ([`settled`]).
//!
//! A run is a function of its seed: `cargo run --release --example swarm -- --from SEED --seeds 1`
//! repeats one.

mod draw;
mod settled;

use std::fmt;
use std::time::Duration;

use self::draw::{Act, Planned};
use super::cluster::{self, Storage};
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::model::{Kind, Object, Ref};
use crate::sim::invariants::{Invariants, Violation};
use crate::sim::{Options, Outcome, Sim};
use crate::store::{DeleteOptions, Request, WireVerb};
use crate::trace::{Fact, FactId};

/// How long the cluster has to settle once everything is healed.
const PATIENCE: Duration = Duration::from_mins(40);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_secs(20);
/// The store is audited when so many events have passed.
const AUDIT_EVENTS: u64 = 500;

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The seed.
    pub seed: u64,
    /// What must not be and was.
    pub violations: Vec<Violation>,
    /// What had not settled when patience was over.
    pub unsettled: Vec<String>,
    /// How many events passed.
    pub events: u64,
    /// The run's digest.
    pub digest: u64,
    /// What was drawn, for people.
    pub plan: Vec<String>,
}

impl Outcomes {
    /// Whether nothing is to be complained of.
    pub fn is_well(&self) -> bool {
        self.violations.is_empty() && self.unsettled.is_empty()
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} events, digest {:016x}", self.seed, self.events, self.digest)?;
        for line in &self.plan {
            writeln!(f, "  {line}")?;
        }
        for violation in &self.violations {
            writeln!(f, "  violated: {violation}")?;
        }
        for line in &self.unsettled {
            writeln!(f, "  not settled: {line}")?;
        }
        Ok(())
    }
}

/// Runs the world of a seed.
pub fn run(seed: u64) -> Outcomes {
    watch(seed, &mut |_| {})
}

/// Runs the world of a seed without anything that disturbs it.
pub fn run_calm(seed: u64) -> Outcomes {
    go(seed, &draw::plan(seed, true), &mut |_| {})
}

/// Runs the world of a seed, and shows every fact.
pub fn watch(seed: u64, show: &mut dyn FnMut(&Fact)) -> Outcomes {
    go(seed, &draw::plan(seed, false), show)
}

fn go(seed: u64, planned: &Planned, show: &mut dyn FnMut(&Fact)) -> Outcomes {
    let mut swarm = Swarm::new(seed, planned, show);
    swarm.disturb(planned, show);
    swarm.heal(planned, show);
    let unsettled = swarm.settle(show);
    Outcomes {
        seed,
        violations: swarm.invariants.violations().to_vec(),
        unsettled,
        events: swarm.sim.stats().events,
        digest: swarm.sim.digest(),
        plan: planned.described(),
    }
}

struct Swarm {
    sim: Sim,
    invariants: Invariants,
    start: SimTime,
    audited: u64,
    rng: Rng,
    /// The nodes that there were at first.
    nodes: Vec<serde_json::Value>,
}

impl Swarm {
    fn new(seed: u64, planned: &Planned, show: &mut dyn FnMut(&Fact)) -> Self {
        let options = Options { seed, latency: planned.latency.clone(), ..Options::default() };
        let mut invariants = Invariants::default();
        let mut sim = Sim::new(options);
        let nodes = &planned.nodes;
        let built = cluster::build(&mut sim, nodes, Storage::Provisioner, &mut |fact| {
            invariants.check(fact);
            show(fact);
        });
        built.expect("drawn nodes are valid");
        let start = sim.now();
        Self { sim, invariants, start, audited: 0, rng: Rng::new(seed), nodes: nodes.clone() }
    }

    /// The first phase.
    fn disturb(&mut self, planned: &Planned, show: &mut dyn FnMut(&Fact)) {
        for rule in &planned.faults {
            let shift = |at: Duration| self.start + at;
            let rule = rule.at(shift(rule.begin), shift(rule.end));
            self.sim.add_fault(rule);
        }
        for (at, act) in &planned.acts {
            self.run_to(self.start + *at, show);
            self.act(act, show);
            if !self.invariants.violations().is_empty() {
                return;
            }
        }
        self.run_to(self.start + planned.length, show);
    }

    /// The second phase begins: no more faults, every node is there and takes pods.
    fn heal(&mut self, planned: &Planned, show: &mut dyn FnMut(&Fact)) {
        self.sim.clear_faults();
        for act in &planned.healing {
            self.act(act, show);
        }
    }

    /// Waits until all is as it should be; what is not when patience is over.
    fn settle(&mut self, show: &mut dyn FnMut(&Fact)) -> Vec<String> {
        let until = self.sim.now() + PATIENCE;
        let mut help = Some(self.sim.now() + PATIENCE / 4);
        loop {
            self.run_to(self.sim.now() + LOOK, show);
            if !self.invariants.violations().is_empty() {
                return Vec::new();
            }
            let unsettled = settled::unsettled(self.sim.store());
            if unsettled.is_empty() || self.sim.now() >= until {
                self.invariants.audit(self.sim.store(), self.sim.now());
                return unsettled;
            }
            if help.take_if(|at| *at <= self.sim.now()).is_some() {
                for target in settled::left_by_crashes(self.sim.store()) {
                    self.send(Request::Delete { target, options: DeleteOptions::default() });
                }
            }
        }
    }

    fn run_to(&mut self, at: SimTime, show: &mut dyn FnMut(&Fact)) {
        let invariants = &mut self.invariants;
        loop {
            let outcome = self.sim.run_until(at, &mut |fact| {
                invariants.check(fact);
                show(fact);
            });
            if outcome != Outcome::Replied {
                break;
            }
            self.sim.take_replies();
        }
        self.sim.advance_to(at);
        let events = self.sim.stats().events;
        if events >= self.audited + AUDIT_EVENTS {
            self.audited = events;
            self.invariants.audit(self.sim.store(), self.sim.now());
        }
    }

    fn act(&mut self, act: &Act, show: &mut dyn FnMut(&Fact)) {
        let invariants = &mut self.invariants;
        let mut check = |fact: &Fact| {
            invariants.check(fact);
            show(fact);
        };
        match act {
            Act::Apply(document) => {
                let text = |field: &str| document[field].as_str().unwrap_or_default();
                let kind = Kind::from_name(text("kind")).unwrap_or(Kind::Inert);
                let name = document["metadata"]["name"].as_str().unwrap_or_default();
                let namespace = if kind.namespaced() { "default" } else { "" };
                let target = Ref::new(kind, namespace, name);
                self.wire(WireVerb::Create, target, document);
            }
            Act::Patch(target, patch) => {
                let verb = WireVerb::Patch(crate::store::PatchType::Merge);
                self.wire(verb, target.clone(), patch);
            }
            Act::Delete(target, propagation) => {
                let options = DeleteOptions { propagation: *propagation, ..Default::default() };
                self.send(Request::Delete { target: target.clone(), options });
            }
            Act::Kill { number, at_once } => self.kill(*number, *at_once),
            Act::EvictAll(node) => self.evict_all(node),
            Act::StopNode(node) => self.sim.stop_node(node, &mut check),
            Act::StartNode(node) => {
                let there = self.sim.store().find(&Ref::new(Kind::Node, "", node.as_str()));
                let known = self.nodes.iter().find(|n| n["metadata"]["name"] == node.as_str());
                match known.filter(|_| there.is_none()) {
                    Some(document) => {
                        let document = cluster::registering(document.clone());
                        cluster::join(&mut self.sim, &document, &mut check)
                            .expect("drawn nodes are valid");
                    }
                    None => self.sim.start_node(node, &mut check),
                }
            }
            Act::AddNode(document) => {
                cluster::join(&mut self.sim, document, &mut check).expect("drawn nodes are valid");
            }
        }
    }

    /// Evicts the pods of a node but those of DaemonSets.
    fn evict_all(&mut self, node: &str) {
        let pods: Vec<Ref> = self
            .sim
            .store()
            .list(Kind::Pod)
            .filter_map(|object| match object {
                Object::Pod(p) if p.node.as_deref() == Some(node) => Some(p),
                _ => None,
            })
            .filter(|p| p.meta.controller_of_kind(Kind::DaemonSet).is_none())
            .map(|p| Ref { kind: Kind::Pod, key: p.meta.key() })
            .collect();
        for pod in pods {
            self.send(Request::Evict { pod: pod.key, options: DeleteOptions::default() });
        }
    }

    /// Deletes one of the pods that there are.
    fn kill(&mut self, number: u64, at_once: bool) {
        let mut pods: Vec<Ref> = self.sim.store().list(Kind::Pod).map(Object::reference).collect();
        pods.sort_unstable();
        if pods.is_empty() {
            return;
        }
        let count = u64::try_from(pods.len()).unwrap_or(1);
        let pick = self.rng.numbered_stream("swarm-kill", "", number).below(count);
        let target = pods.swap_remove(usize::try_from(pick).unwrap_or(0));
        let grace = at_once.then_some(Duration::ZERO);
        let options = DeleteOptions { grace, ..Default::default() };
        self.send(Request::Delete { target, options });
    }

    fn wire(&mut self, verb: WireVerb, target: Ref, body: &serde_json::Value) {
        let body = Box::new(body.clone());
        self.send(Request::Wire { verb, target, body, subresource: None });
    }

    fn send(&mut self, request: Request) {
        self.sim.send(self.sim.now(), Token(0), FactId::NONE, request);
    }
}

#[cfg(test)]
mod tests;

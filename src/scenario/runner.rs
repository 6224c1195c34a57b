//! Running a scenario: the steps at their times, the cluster in between, until its end.

use std::time::Duration;

use serde_json::Value;

use super::cluster::{self, Storage};
use super::kubectl::{Invocation, Look, Next};
use super::snapshot::Snapshot;
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::model::{Kind, Object};
use crate::sim::{Options, Outcome, Sim};
use crate::store::ApiError;
use crate::trace::{Fact, FactId, FactKind, StepDone};

/// The namespace of everything that names none.
pub const NAMESPACE: &str = "default";

/// How long nothing may have changed before a run counts as settled: longer than the longest restart
/// back-off of the node agent with its jitter, 300 s x 1.5.
pub const SETTLED: Duration = Duration::from_secs(460);

/// No run without `--for` goes on for longer than this.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed, start time, latencies.
    pub options: Options,
    /// The cluster as it was found, to begin with.
    pub snapshot: Snapshot,
    /// The nodes at the start, as documents; not made when the snapshot has nodes.
    pub nodes: Vec<Value>,
    /// Where volumes come from.
    pub storage: Storage,
    /// What is done, in the order of time.
    pub steps: Vec<TimedStep>,
    /// When it ends.
    pub end: End,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After so much virtual time.
    After(Duration),
    /// When nothing is left to happen, or nothing has changed for [`SETTLED`] and every schedule has come
    /// round once.
    Quiet,
}

/// One step.
#[derive(Clone, Debug)]
pub struct TimedStep {
    /// When it is due, since the start.
    pub at: Duration,
    /// The same as it was written.
    pub written: String,
    /// What is done.
    pub action: StepAction,
    /// Whether it is meant to be refused.
    pub expect_error: bool,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepAction {
    /// `kubectl apply -f SOURCE` of these documents.
    Apply {
        /// The file's name.
        source: String,
        /// What it holds.
        documents: Vec<Value>,
    },
    /// `kubectl apply -f SOURCE` of a file that kubectl cannot read.
    Refused {
        /// The file's name.
        source: String,
        /// What kubectl says.
        why: String,
    },
    /// A kubectl command line.
    Kubectl(String),
    /// The node crashes.
    StopNode(String),
    /// The node boots.
    StartNode(String),
    /// A node joins.
    AddNode(String),
}

/// A scenario being run.
#[derive(Debug)]
pub struct Runner {
    sim: Sim,
    start: SimTime,
    limit: SimTime,
    end: End,
    steps: Vec<TimedStep>,
    next_step: usize,
    nodes: u32,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to happen.
    Quiet,
    /// Nothing has changed for [`SETTLED`], though something still wakes now and then.
    Settled,
    /// The time was up.
    Limit,
}

impl Runner {
    /// Builds the cluster.
    ///
    /// # Errors
    /// A node or base object that the API server refuses, or two Services of a dump with one address.
    pub fn new(plan: Plan, f: &mut dyn FnMut(&Fact)) -> Result<Self, Box<ApiError>> {
        let start = plan.options.start.0;
        let limit = match plan.end {
            End::After(length) => start + length,
            End::Quiet => start + LONGEST,
        };
        let mut sim = Sim::new(plan.options);
        plan.snapshot.restore(&mut sim, &plan.nodes, plan.storage, f)?;
        let nodes = u32::try_from(sim.store().len(Kind::Node)).unwrap_or(u32::MAX);
        Ok(Self { sim, start, limit, end: plan.end, steps: plan.steps, next_step: 0, nodes })
    }

    /// The simulation, to be looked at.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// When it started.
    pub fn start(&self) -> SimTime {
        self.start
    }

    /// Runs to the end.
    pub fn run(&mut self, f: &mut dyn FnMut(&Fact)) -> Ended {
        while let Some(step) = self.steps.get(self.next_step).cloned() {
            let due = (self.start + step.at).min(self.limit);
            self.run_to(due, f);
            if self.start + step.at > self.limit {
                return Ended::Limit;
            }
            self.step(&step, f);
            self.next_step += 1;
        }
        match self.end {
            End::After(_) => {
                self.run_to(self.limit, f);
                Ended::Limit
            }
            End::Quiet => self.run_until_quiet(f),
        }
    }

    fn run_to(&mut self, at: SimTime, f: &mut dyn FnMut(&Fact)) {
        while self.sim.run_until(at, f) == Outcome::Replied {
            self.sim.take_replies();
        }
        self.sim.advance_to(at);
    }

    fn run_until_quiet(&mut self, f: &mut dyn FnMut(&Fact)) -> Ended {
        let mut patient_until = self.start;
        loop {
            let settled = self.sim.last_change().max(patient_until) + SETTLED;
            let limit = settled.min(self.limit);
            match self.sim.run_until(limit, f) {
                Outcome::Quiet => return Ended::Quiet,
                Outcome::Replied => {
                    self.sim.take_replies();
                }
                Outcome::Limit if limit == self.limit => return Ended::Limit,
                Outcome::Limit if self.sim.last_change().max(patient_until) + SETTLED > limit => {}
                Outcome::Limit if self.awaits_schedule() => patient_until = limit,
                Outcome::Limit => return Ended::Settled,
            }
        }
    }

    /// Whether a schedule has not come round yet: a run lasts until each has, once.
    fn awaits_schedule(&self) -> bool {
        self.sim.store().list(Kind::CronJob).any(|o| match o {
            Object::CronJob(c) => {
                c.spec.wire.suspend != Some(true) && c.status.last_schedule_time.is_none()
            }
            _ => false,
        })
    }

    /// Carries out one step, running the cluster while kubectl waits.
    fn step(&mut self, step: &TimedStep, f: &mut dyn FnMut(&Fact)) {
        let began = self.sim.now();
        let (action, arg) = match &step.action {
            StepAction::Apply { source, .. } | StepAction::Refused { source, .. } => {
                ("apply", source)
            }
            StepAction::Kubectl(line) => ("kubectl", line),
            StepAction::StopNode(node) => ("stop-node", node),
            StepAction::StartNode(node) => ("start-node", node),
            StepAction::AddNode(node) => ("add-node", node),
        };
        let begun = FactKind::StepBegun { action, arg: arg.into() };
        self.sim.record(FactId::NONE, begun, f);
        let mut done = StepDone {
            index: u32::try_from(self.next_step).unwrap_or(u32::MAX),
            at: step.written.clone(),
            action,
            arg: arg.clone(),
            exit_code: 0,
            stdout: String::new(),
            stderr: String::new(),
            expect_error: step.expect_error,
            began,
        };
        match &step.action {
            StepAction::Apply { source, documents } => {
                let run = Invocation::apply(documents.clone(), source, NAMESPACE);
                self.kubectl(run, &mut done, f);
            }
            StepAction::Refused { why, .. } => {
                done.exit_code = 1;
                done.stderr = format!("{why}\n");
            }
            StepAction::Kubectl(line) => {
                let start = self.sim.now() + self.sim.latency().kubectl_start;
                self.run_to(start.min(self.limit), f);
                let look = Look { store: self.sim.store(), now: self.sim.now() };
                let run = Invocation::parse(line, NAMESPACE, &look);
                self.kubectl(run, &mut done, f);
            }
            StepAction::StopNode(node) => self.sim.stop_node(node, f),
            StepAction::StartNode(node) => self.sim.start_node(node, f),
            StepAction::AddNode(node) => {
                self.nodes += 1;
                let document = cluster::NodeSpec::worker(node.as_str());
                let object = document.object(self.nodes - 1, self.sim.now());
                let object = cluster::registering(object);
                done.exit_code = i32::from(cluster::join(&mut self.sim, &object, f).is_err());
            }
        }
        self.sim.record(FactId::NONE, FactKind::Step(done.into()), f);
    }

    fn kubectl(&mut self, mut run: Invocation, done: &mut StepDone, f: &mut dyn FnMut(&Fact)) {
        if self.sim.now() == done.began {
            self.run_to((done.began + self.sim.latency().kubectl_start).min(self.limit), f);
        }
        loop {
            let look = Look { store: self.sim.store(), now: self.sim.now() };
            match run.next(&look) {
                Next::Exit(code) => {
                    done.exit_code = code;
                    break;
                }
                Next::At(at) => {
                    self.run_to(at.min(self.limit), f);
                    if at >= self.limit {
                        break;
                    }
                }
                Next::Send(request) => {
                    self.sim.send(self.sim.now(), Token(0), FactId::NONE, *request);
                    let mut warnings = Vec::new();
                    let outcome = self.sim.run_until(self.limit, &mut |fact| {
                        if let (FactKind::Warned(text), FactId::NONE) = (&fact.kind, fact.cause) {
                            warnings.push(text.clone());
                        }
                        f(fact);
                    });
                    if outcome != Outcome::Replied {
                        break;
                    }
                    run.warn(&warnings);
                    for answer in self.sim.take_replies() {
                        run.reply(answer.reply);
                    }
                }
            }
        }
        done.stdout = run.stdout;
        done.stderr = run.stderr;
    }
}

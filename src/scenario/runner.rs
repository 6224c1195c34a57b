//! Running a scenario: the steps at their times, the cluster in between, until its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{self, Storage};
use super::kubectl;
use super::kubectl::{
    Command, Ended as CommandEnded, Files, History, Invocation, Look, Next, Session,
};
use super::snapshot::Snapshot;
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::kubelet::CommandEnd;
use crate::model::{Kind, Object, Ref};
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
    /// The files that it may name.
    pub files: Files,
    /// Whether the namespace counts as given with `--namespace`, as in recorded scenarios.
    pub namespace_given: bool,
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
    /// The machines of the world, by the names of their nodes, as they register.
    machines: BTreeMap<String, Value>,
    history: History,
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
        let machines = sim.store().list(Kind::Node).map(machine).collect();
        let asked = |s: &TimedStep| matches!(&s.action, StepAction::Kubectl(line) if kubectl::asks_history(line));
        let history = History::new(plan.steps.iter().any(asked));
        let (end, steps) = (plan.end, plan.steps);
        Ok(Self { sim, start, limit, end, steps, next_step: 0, machines, history })
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
        let mut history = std::mem::take(&mut self.history);
        let ended = self.run_heard(&mut Ear { f, history: &mut history });
        self.history = history;
        ended
    }

    fn run_heard(&mut self, ear: &mut Ear<'_>) -> Ended {
        while let Some(step) = self.steps.get(self.next_step).cloned() {
            let due = (self.start + step.at).min(self.limit);
            self.run_to(due, ear);
            if self.start + step.at > self.limit {
                return Ended::Limit;
            }
            self.step(&step, ear);
            self.next_step += 1;
        }
        match self.end {
            End::After(_) => {
                self.run_to(self.limit, ear);
                Ended::Limit
            }
            End::Quiet => self.run_until_quiet(ear),
        }
    }

    fn run_to(&mut self, at: SimTime, ear: &mut Ear<'_>) {
        while self.sim.run_until(at, &mut |fact| ear.hear(fact)) == Outcome::Replied {
            self.sim.take_replies();
        }
        self.sim.advance_to(at);
    }

    fn run_until_quiet(&mut self, ear: &mut Ear<'_>) -> Ended {
        let mut patient_until = self.start;
        loop {
            let settled = self.sim.last_change().max(patient_until) + SETTLED;
            let limit = settled.min(self.limit);
            match self.sim.run_until(limit, &mut |fact| ear.hear(fact)) {
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
    fn step(&mut self, step: &TimedStep, ear: &mut Ear<'_>) {
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
        self.sim.record(FactId::NONE, begun, &mut |fact| ear.hear(fact));
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
        let session = Session {
            namespace: NAMESPACE,
            namespace_given: step.namespace_given,
            files: &step.files,
        };
        match &step.action {
            StepAction::Refused { why, .. } => {
                done.exit_code = 1;
                done.stderr = format!("{why}\n");
            }
            StepAction::Apply { .. } | StepAction::Kubectl(_) => {
                self.run_to((began + self.sim.latency().kubectl_start).min(self.limit), ear);
                let look = self.look(ear.history);
                let run = match &step.action {
                    StepAction::Apply { source, documents } => {
                        Invocation::apply(documents.clone(), source, &look, &session)
                    }
                    _ => Invocation::parse(arg, &look, &session),
                };
                self.kubectl(run, &mut done, ear);
            }
            StepAction::StopNode(node)
            | StepAction::StartNode(node)
            | StepAction::AddNode(node) => {
                if let Err(why) = self.machine(&step.action, node, ear) {
                    done.exit_code = 1;
                    done.stderr = format!("error: {why}\n");
                }
            }
        }
        self.sim.record(FactId::NONE, FactKind::Step(done.into()), &mut |fact| ear.hear(fact));
    }

    /// Does something to a machine of the world's.
    fn machine(
        &mut self,
        action: &StepAction,
        node: &str,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        let known = self.machines.contains_key(node);
        match action {
            StepAction::AddNode(_) => {
                let index = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
                let document = cluster::NodeSpec::worker(node).object(index, self.sim.now());
                self.machines.insert(node.to_owned(), document);
                self.register(node, ear)
            }
            StepAction::StartNode(_) if known => {
                if self.sim.store().find(&Ref::new(Kind::Node, "", node)).is_none() {
                    // Its node was deleted: it registers anew, once its agent has started.
                    self.run_to((self.sim.now() + AGENT_START).min(self.limit), ear);
                    return self.register(node, ear);
                }
                self.sim.start_node(node, &mut |fact| ear.hear(fact));
                Ok(())
            }
            _ if known => {
                self.sim.stop_node(node, &mut |fact| ear.hear(fact));
                Ok(())
            }
            _ => Err(format!("there is no machine {node:?}")),
        }
    }

    /// The node of a machine registers.
    fn register(&mut self, node: &str, ear: &mut Ear<'_>) -> Result<(), String> {
        let Some(document) = self.machines.get(node) else { return Ok(()) };
        let object = cluster::registering(document.clone());
        cluster::join(&mut self.sim, &object, &mut |fact| ear.hear(fact)).map_err(|e| e.to_string())
    }

    fn look<'a>(&'a self, history: &'a History) -> Look<'a> {
        Look { store: self.sim.store(), now: self.sim.now(), history }
    }

    fn kubectl(&mut self, mut run: Invocation, done: &mut StepDone, ear: &mut Ear<'_>) {
        let ended = loop {
            let next = run.next(&self.look(ear.history));
            match next {
                Next::Exit(code) => break Some(code),
                Next::At(at) => {
                    self.run_to(at.min(self.limit), ear);
                    if at >= self.limit {
                        break None;
                    }
                }
                Next::Send(request) => {
                    self.sim.send(self.sim.now(), Token(0), FactId::NONE, *request);
                    let mut warnings = Vec::new();
                    let outcome = self.sim.run_until(self.limit, &mut |fact| {
                        if let (FactKind::Warned(text), FactId::NONE) = (&fact.kind, fact.cause) {
                            warnings.push(text.clone());
                        }
                        ear.hear(fact);
                    });
                    if outcome != Outcome::Replied {
                        break None;
                    }
                    run.warn(&warnings);
                    for answer in self.sim.take_replies() {
                        run.reply(answer.reply);
                    }
                }
                Next::Run(command) => match self.command(&command, ear) {
                    Ok(ended) => run.ended(ended),
                    Err(Unfinished) => break None,
                },
            }
        };
        let (stdout, stderr) = run.printed();
        done.stdout = stdout;
        done.stderr = stderr;
        done.exit_code = ended.unwrap_or(1);
        if ended.is_none() {
            done.stderr.push_str("error: kubectl was still waiting when the run ended\n");
        }
    }

    /// Runs a command in a container to its end, or says why it cannot be run.
    fn command(
        &mut self,
        command: &Command,
        ear: &mut Ear<'_>,
    ) -> Result<Result<CommandEnded, String>, Unfinished> {
        let end = |end: CommandEnd| CommandEnded {
            code: end.code,
            stdout: end.stdout,
            stderr: end.stderr,
        };
        let node = match self.sim.store().find(&command.pod) {
            Some(Object::Pod(pod)) if pod.meta.uid == command.uid => pod.node.clone(),
            _ => None,
        };
        let absent = || {
            format!(
                "unable to upgrade connection: container not found ({:?})",
                command.container.as_str()
            )
        };
        let Some(node) = node else { return Ok(Err(absent())) };
        let (pod, container) = (command.uid, command.container.as_str());
        let started =
            self.sim.exec(&node, pod, container, &command.words, &mut |fact| ear.hear(fact));
        let execution = match started {
            None => return Ok(Err(absent())),
            Some(Err(why)) => return Ok(Err(why)),
            Some(Ok(execution)) => execution,
        };
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(ended) = self.sim.exec_end(&execution) {
                return Ok(Ok(end(ended)));
            }
            let at = self.sim.now() + pause;
            if at >= self.limit {
                return Err(Unfinished);
            }
            self.run_to(at, ear);
            pause = (pause * 2).min(LOOK);
        }
    }
}

/// From power-on until a node's agent registers.
const AGENT_START: Duration = Duration::from_millis(850);

/// What a machine registers with: its node as it was found, without what happened to it.
fn machine(node: &Object) -> (String, Value) {
    let whole = crate::api::convert::to_wire(node).to_value();
    let metadata =
        json!({"name": whole["metadata"]["name"], "labels": whole["metadata"]["labels"]});
    let spec = json!({"podCIDR": whole["spec"]["podCIDR"], "podCIDRs": whole["spec"]["podCIDRs"],
        "taints": whole["spec"]["taints"].as_array().cloned().unwrap_or_default()});
    let document = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec,
        "status": whole["status"]});
    (node.meta().name.to_string(), document)
}

/// A command in a container is looked at so often.
const LOOK: Duration = Duration::from_millis(50);

/// The run is over before a command is.
struct Unfinished;

/// Who hears of facts: the caller, and what kubectl can ask about the past.
struct Ear<'e> {
    f: &'e mut dyn FnMut(&Fact),
    history: &'e mut History,
}

impl Ear<'_> {
    fn hear(&mut self, fact: &Fact) {
        self.history.observe(fact);
        (self.f)(fact);
    }
}

//! Running a scenario: the steps at their times, the cluster in between, until its end.
//!
//! Steps with a time come in their order; a step that waits for a condition comes when the condition holds,
//! between the others. A fault that lasts for a while brings a step that undoes it.

mod faults;
mod marks;
mod operations;
mod order;
mod perf;
mod play;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{self, NodeSpec, Storage};
use super::kubectl;
use super::kubectl::{
    Command, Ended as CommandEnded, Files, History, Invocation, Look, Next, Session,
};
use super::monitor::{Condition, Trigger};
use super::scheduler_perf::Op;
use super::snapshot::Snapshot;
use super::suites::operation::{Operation, Remembered};
use crate::base::time::SimTime;
use crate::engine::Token;
use crate::kubelet::CommandEnd;
use crate::model::{Kind, Object, Ref};
use crate::report::timeline::duration;
use crate::sim::{Options, Outcome, Sim};
use crate::store::ApiError;
use crate::trace::{Fact, FactId, FactKind, StepDone};

pub use faults::{Fault, KilledPod};
pub use marks::Mark;

use marks::Marks;
use order::{Next as NextStep, Order};

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
    /// With the last of its steps, the first that fails, or after so much virtual time.
    WithSteps(Duration),
}

impl End {
    const fn with_steps(self) -> bool {
        matches!(self, Self::WithSteps(_))
    }
}

/// One step.
#[derive(Clone, Debug)]
pub struct TimedStep {
    /// When it is due, since the start; for one that waits for a condition, not before.
    pub at: Duration,
    /// What it waits for.
    pub when: Option<When>,
    /// How long what it does lasts, if that ends by itself.
    pub lasts: Option<Duration>,
    /// It is left out; the other steps keep their numbers.
    pub skipped: bool,
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

/// What a step waits for.
#[derive(Clone, Debug)]
pub struct When {
    /// The condition.
    pub condition: Arc<Condition>,
    /// How long it must have held.
    pub held: Duration,
}

/// A condition that a step waits for while it is carried out.
#[derive(Clone, Debug)]
pub struct Awaited {
    /// The condition.
    pub condition: Arc<Condition>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Default for TimedStep {
    /// A kubectl command line at the start, without words.
    fn default() -> Self {
        Self {
            at: Duration::ZERO,
            when: None,
            lasts: None,
            skipped: false,
            written: "0s".to_owned(),
            action: StepAction::Kubectl(String::new()),
            expect_error: false,
            files: Files::default(),
            namespace_given: false,
        }
    }
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
    AddNode(Box<NodeSpec>),
    /// It waits until a condition holds, and fails when that takes too long.
    Await(Awaited),
    /// It waits for so long.
    Sleep(Duration),
    /// An operation of another tool's suite.
    Operation(Arc<Operation>),
    /// An op of kube-scheduler's performance suite.
    Perf(Arc<Op>),
    /// Something goes wrong.
    Fault(Fault),
    /// What went wrong is right again.
    Undo(Fault),
}

impl StepAction {
    /// What it is called, and what it is about.
    pub fn name(&self) -> (&'static str, String) {
        match self {
            Self::Apply { source, .. } | Self::Refused { source, .. } => ("apply", source.clone()),
            Self::Kubectl(line) => ("kubectl", line.clone()),
            Self::StopNode(node) => ("stop-node", node.clone()),
            Self::StartNode(node) => ("start-node", node.clone()),
            Self::AddNode(node) => ("add-node", node.name.clone()),
            Self::Await(awaited) => ("await", awaited.condition.to_string()),
            Self::Sleep(length) => ("sleep", duration(*length)),
            Self::Operation(operation) => operation.title.clone(),
            Self::Perf(op) => (op.opcode(), op.about()),
            Self::Fault(fault) => (fault.name(), fault.to_string()),
            Self::Undo(fault) => ("end of", format!("{} {fault}", fault.name())),
        }
    }

    /// What undoes it, for what can be undone.
    pub fn undone(&self) -> Option<Self> {
        match self {
            Self::StopNode(node) => Some(Self::StartNode(node.clone())),
            Self::Fault(fault) if fault.lasts() => Some(Self::Undo(fault.clone())),
            _ => None,
        }
    }
}

/// A scenario being run.
#[derive(Clone, Debug)]
pub struct Runner {
    sim: Sim,
    start: SimTime,
    limit: SimTime,
    end: End,
    order: Order,
    /// Where somebody says that it is to stop before its end.
    stop: Option<Arc<std::sync::atomic::AtomicBool>>,
    /// The machines of the world, by the names of their nodes, as they register.
    machines: Arc<BTreeMap<String, Value>>,
    history: History,
    /// What operations of a suite have remembered.
    remembered: Remembered,
    /// What ops of kube-scheduler's performance suite leave to those that follow.
    perf: perf::State,
    marks: Marks,
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
    /// Its steps were done, or one failed.
    Steps,
    /// It was told to stop.
    Stopped,
    /// As many events were handled as it may.
    Spent,
}

impl Runner {
    /// Builds the cluster.
    ///
    /// # Errors
    /// A node or base object that the API server refuses, or two Services of a dump with one address.
    pub fn new(plan: Plan, f: &mut dyn FnMut(&Fact)) -> Result<Self, Box<ApiError>> {
        let start = plan.options.start.0;
        let limit = match plan.end {
            End::After(length) | End::WithSteps(length) => start + length,
            End::Quiet => start + LONGEST,
        };
        let mut sim = Sim::new(plan.options);
        let mut order = Order::new(plan.steps, start);
        plan.snapshot.restore(&mut sim, &plan.nodes, plan.storage, &mut |fact| {
            order.observe(fact);
            f(fact);
        })?;
        let machines = Arc::new(sim.store().list(Kind::Node).map(machine).collect());
        let asked = |s: &TimedStep| match &s.action {
            StepAction::Kubectl(line) => kubectl::asks_history(line),
            StepAction::Operation(operation) => operation.runs_commands(),
            _ => false,
        };
        let history = History::new(order.all().any(asked));
        Ok(Self {
            sim,
            start,
            limit,
            end: plan.end,
            order,
            stop: None,
            machines,
            history,
            remembered: Remembered::default(),
            perf: perf::State::default(),
            marks: Marks::default(),
        })
    }

    /// Drops what makes no difference any more, so that forks are small.
    pub fn tidy(&mut self) {
        self.sim.tidy();
    }

    /// The same cluster, as it stands between two runs, with a step more that is due now; it goes on until
    /// nothing is left to happen. What both have in common is shared until one of them changes it.
    #[must_use]
    pub fn fork(&self, step: TimedStep) -> Self {
        let mut fork = self.clone();
        (fork.end, fork.limit) = (End::Quiet, self.start + LONGEST);
        fork.order.append(self.sim.now(), step);
        fork
    }

    /// Has the run stop soon after `stop` is set.
    pub fn stop_with(&mut self, stop: Arc<std::sync::atomic::AtomicBool>) {
        self.stop = Some(stop);
    }

    /// Has the run end once so many events have been handled.
    pub fn set_max_events(&mut self, events: u64) {
        self.marks.set_max_events(events, &mut self.sim);
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
        let mut order = std::mem::take(&mut self.order);
        let going = Cell::new(true);
        let stop = self.stop.take();
        let mut ear = Ear {
            f,
            history: &mut history,
            order: &mut order,
            going: &going,
            awaited: None,
            stop,
            heard: 0,
            spent: false,
        };
        let ended = self.run_heard(&mut ear);
        (self.history, self.order) = (history, order);
        ended
    }

    fn run_heard(&mut self, ear: &mut Ear<'_>) -> Ended {
        loop {
            if ear.spent {
                return Ended::Spent;
            }
            if ear.is_stopped() {
                return Ended::Stopped;
            }
            match ear.order.next(self.sim.now()) {
                NextStep::Now(number, step) => {
                    if self.sim.now() > self.limit {
                        return Ended::Limit;
                    }
                    self.step(number, &step, ear);
                }
                NextStep::At(due) => {
                    let halted = self.run_to(due.min(self.limit), ear);
                    if !halted && due > self.limit {
                        return Ended::Limit;
                    }
                }
                NextStep::Nothing => {
                    let ended = match self.end {
                        End::After(_) => {
                            let halted = self.run_to(self.limit, ear);
                            (!halted).then_some(Ended::Limit)
                        }
                        End::Quiet => self.run_until_quiet(ear),
                        End::WithSteps(_) => Some(Ended::Steps),
                    };
                    if let Some(ended) = ended {
                        return ended;
                    }
                }
            }
        }
    }

    /// Runs to that time, or until a step is due that waited for a condition: whether it is so.
    fn run_to(&mut self, at: SimTime, ear: &mut Ear<'_>) -> bool {
        let going = ear.going;
        going.set(true);
        loop {
            match self.run_sim(at, going, ear) {
                Outcome::Replied => {
                    self.sim.take_replies();
                }
                Outcome::Halted | Outcome::Spent => return true,
                Outcome::Quiet | Outcome::Limit => break,
            }
        }
        self.sim.advance_to(at);
        false
    }

    fn run_sim(&mut self, until: SimTime, going: &Cell<bool>, ear: &mut Ear<'_>) -> Outcome {
        self.run_with(until, going, ear, &mut |_| {})
    }

    /// Runs while kubectl waits: conditions of steps are looked at afterwards.
    fn pass_to(&mut self, at: SimTime, ear: &mut Ear<'_>) {
        while self.run_to(at, ear) {
            if ear.is_stopped() {
                return;
            }
        }
    }

    fn run_until_quiet(&mut self, ear: &mut Ear<'_>) -> Option<Ended> {
        let mut patient_until = self.start;
        let going = ear.going;
        going.set(true);
        loop {
            let settled = self.sim.last_change().max(patient_until) + SETTLED;
            let limit = settled.min(self.limit);
            match self.run_sim(limit, going, ear) {
                Outcome::Quiet => return Some(Ended::Quiet),
                Outcome::Replied => {
                    self.sim.take_replies();
                }
                Outcome::Halted | Outcome::Spent => return None,
                Outcome::Limit if limit == self.limit => return Some(Ended::Limit),
                Outcome::Limit if self.sim.last_change().max(patient_until) + SETTLED > limit => {}
                Outcome::Limit if self.awaits_schedule() => patient_until = limit,
                Outcome::Limit => return Some(Ended::Settled),
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
    fn step(&mut self, number: u32, step: &TimedStep, ear: &mut Ear<'_>) {
        let began = self.sim.now();
        let (action, arg) = step.action.name();
        let begun = FactKind::StepBegun { action, arg: arg.as_str().into() };
        self.sim.record(FactId::NONE, begun, &mut |fact| ear.hear(fact));
        let mut done = StepDone {
            index: number,
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
                self.pass_to((began + self.sim.latency().kubectl_start).min(self.limit), ear);
                let look = self.look(ear.history);
                let run = match &step.action {
                    StepAction::Apply { source, documents } => {
                        Invocation::apply(documents.clone(), source, &look, &session)
                    }
                    _ => Invocation::parse(&arg, &look, &session),
                };
                self.kubectl(run, &mut done, ear);
            }
            StepAction::StopNode(_)
            | StepAction::StartNode(_)
            | StepAction::AddNode(_)
            | StepAction::Await(_)
            | StepAction::Sleep(_)
            | StepAction::Operation(_)
            | StepAction::Perf(_)
            | StepAction::Fault(_)
            | StepAction::Undo(_) => {
                let carried_out = self.act(step, &mut done, ear);
                if let Err(why) = carried_out {
                    done.exit_code = 1;
                    done.stderr = format!("error: {why}\n");
                }
            }
        }
        if let (Some(length), Some(undo)) = (step.lasts, step.action.undone()) {
            ear.order.insert(began + length, undo);
        }
        if done.exit_code != 0 && !done.expect_error && self.end.with_steps() {
            ear.order.clear();
        }
        self.sim.record(FactId::NONE, FactKind::Step(done.into()), &mut |fact| ear.hear(fact));
    }

    /// Does what a step that is not kubectl's does.
    fn act(
        &mut self,
        step: &TimedStep,
        done: &mut StepDone,
        ear: &mut Ear<'_>,
    ) -> Result<(), String> {
        match &step.action {
            StepAction::StopNode(node) => self.stop_machine(node, ear),
            StepAction::StartNode(node) => self.start_machine(node, ear),
            StepAction::AddNode(spec) => self.add_machine(spec, ear),
            StepAction::Await(awaited) => self.wait_for(awaited, ear),
            StepAction::Sleep(length) => {
                self.pass_to((self.sim.now() + *length).min(self.limit), ear);
                Ok(())
            }
            StepAction::Operation(operation) => self.operate(operation, &step.files, done, ear),
            StepAction::Perf(op) => self.perf(op, done, ear),
            StepAction::Undo(fault) => self.undo(fault, ear),
            StepAction::Fault(fault) => self.befall(fault, step.lasts, ear),
            _ => Ok(()),
        }
    }

    /// Runs until a condition holds.
    fn wait_for(&mut self, awaited: &Awaited, ear: &mut Ear<'_>) -> Result<(), String> {
        let until = (self.sim.now() + awaited.timeout).min(self.limit);
        let mut trigger =
            Trigger::new(Arc::clone(&awaited.condition), Duration::ZERO, self.sim.now());
        trigger.prime(self.sim.store(), self.sim.now());
        ear.awaited = Some(trigger);
        let holds = |ear: &Ear<'_>| ear.awaited.as_ref().is_some_and(|t| t.due().is_some());
        while !holds(ear) && self.sim.now() < until && !ear.is_stopped() {
            self.run_to(until, ear);
        }
        let held = holds(ear);
        let trigger = ear.awaited.take();
        if held {
            return Ok(());
        }
        let why = trigger.map_or_else(Vec::new, |t| t.explain());
        Err(format!(
            "it does not hold after {}: {}\n  {}",
            duration(awaited.timeout),
            awaited.condition,
            why.join("\n  ")
        ))
    }

    /// The machine crashes.
    fn stop_machine(&mut self, node: &str, ear: &mut Ear<'_>) -> Result<(), String> {
        // A machine whose node was deleted has no agent to be stopped.
        drop(self.at_work(node, ear));
        self.known(node)?;
        self.sim.stop_node(node, &mut |fact| ear.hear(fact));
        Ok(())
    }

    /// The machine boots.
    fn start_machine(&mut self, node: &str, ear: &mut Ear<'_>) -> Result<(), String> {
        self.known(node)?;
        if self.sim.store().find(&Ref::new(Kind::Node, "", node)).is_none() {
            // Its node was deleted: it registers anew, once its agent has started.
            self.pass_to((self.sim.now() + AGENT_START).min(self.limit), ear);
            return self.register(node, ear);
        }
        self.sim.start_node(node, &mut |fact| ear.hear(fact));
        Ok(())
    }

    fn known(&self, node: &str) -> Result<(), String> {
        if self.machines.contains_key(node) {
            return Ok(());
        }
        Err(format!("there is no machine {node:?}"))
    }

    /// A machine is there from now on, and joins.
    fn add_machine(&mut self, spec: &NodeSpec, ear: &mut Ear<'_>) -> Result<(), String> {
        let index = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        let document = spec.object(index, self.sim.now());
        Arc::make_mut(&mut self.machines).insert(spec.name.clone(), document);
        self.register(&spec.name, ear)
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
                    self.pass_to(at.min(self.limit), ear);
                    if at >= self.limit || ear.is_stopped() {
                        break None;
                    }
                }
                Next::Send(request) => {
                    self.sim.send(self.sim.now(), Token(0), FactId::NONE, *request);
                    let mut warnings = Vec::new();
                    let going = Cell::new(true);
                    let outcome = self.run_with(self.limit, &going, ear, &mut |fact| {
                        if let (FactKind::Warned(text), FactId::NONE) = (&fact.kind, fact.cause) {
                            warnings.push(text.clone());
                        }
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
            self.pass_to(at, ear);
            if ear.is_stopped() {
                return Err(Unfinished);
            }
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

/// Every so many facts it is asked whether the run is to stop.
const ASKED: u32 = 256;

/// Who hears of facts: the caller, what kubectl can ask about the past, the steps that wait.
struct Ear<'e> {
    f: &'e mut dyn FnMut(&Fact),
    history: &'e mut History,
    order: &'e mut Order,
    going: &'e Cell<bool>,
    /// What the step under way waits for.
    awaited: Option<Trigger>,
    stop: Option<Arc<std::sync::atomic::AtomicBool>>,
    heard: u32,
    /// As many events were handled as may be.
    spent: bool,
}

impl Ear<'_> {
    fn hear(&mut self, fact: &Fact) {
        self.history.observe(fact);
        if self.order.observe(fact) {
            self.going.set(false);
        }
        if let Some(awaited) = &mut self.awaited {
            awaited.observe(fact);
            if awaited.due().is_some() {
                self.going.set(false);
            }
        }
        self.heard = self.heard.wrapping_add(1);
        if self.heard.is_multiple_of(ASKED) && self.is_stopped() {
            self.going.set(false);
        }
        (self.f)(fact);
    }

    fn is_stopped(&self) -> bool {
        self.spent
            || self.stop.as_ref().is_some_and(|s| s.load(std::sync::atomic::Ordering::Relaxed))
    }
}

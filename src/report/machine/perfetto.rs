//! A run as a trace for Perfetto and Chrome (trace-event JSON).
//!
//! Nodes are processes and pods their threads; what manages pods stands in a process of its own, as do the
//! steps. A slice is a state: a pod's, or a container's run within it; an instant is an API event. Arrows lead
//! from a fact to what followed from it, where that is another object.
//!
//! Times are microseconds since the start, as the form asks for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ContainerState, Object, Pod, Ref, Uid};
use crate::report::timeline::name;
use crate::trace::{Change, EventType, Fact, FactId, FactKind, StepDone};

/// The process of the steps.
const STEPS: u64 = 1;
/// The process of what manages pods, and of pods without a node.
const CONTROL: u64 = 2;
/// The first process of a node.
const NODES: u64 = 10;
/// How long the slice of a change is shown, in microseconds; arrows begin and end at slices.
const MOMENT: u64 = 500;

/// A fold of facts into a trace.
#[derive(Debug)]
pub struct Trace {
    start: SimTime,
    events: Vec<Value>,
    nodes: BTreeMap<Str, u64>,
    threads: BTreeMap<(u64, String), u64>,
    pods: BTreeMap<Uid, Course>,
    /// Where a fact stands: process, thread, time.
    places: BTreeMap<FactId, (u64, u64, u64)>,
    arrows: u64,
}

/// A pod under way.
#[derive(Debug)]
struct Course {
    process: u64,
    thread: u64,
    state: String,
    since: u64,
    /// Containers that run, with their beginnings.
    running: BTreeMap<Str, u64>,
}

impl Trace {
    /// The trace of a run that starts at `start`.
    pub fn new(start: SimTime) -> Self {
        let mut trace = Self {
            start,
            events: Vec::new(),
            nodes: BTreeMap::new(),
            threads: BTreeMap::new(),
            pods: BTreeMap::new(),
            places: BTreeMap::new(),
            arrows: 0,
        };
        trace.name_process(STEPS, "steps");
        trace.name_process(CONTROL, "controllers and pods without a node");
        trace
    }

    fn micros(&self, at: SimTime) -> u64 {
        u64::try_from(at.since(self.start).as_micros()).unwrap_or(u64::MAX)
    }

    fn name_process(&mut self, process: u64, name: &str) {
        self.events.push(json!({"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}));
        self.events.push(json!({"ph": "M", "name": "process_sort_index", "pid": process, "tid": 0, "args": {"sort_index": process}}));
    }

    fn node(&mut self, node: &Str) -> u64 {
        if let Some(process) = self.nodes.get(node) {
            return *process;
        }
        let process = NODES + self.nodes.len() as u64;
        self.nodes.insert(node.clone(), process);
        self.name_process(process, &format!("node {node}"));
        process
    }

    fn thread(&mut self, process: u64, name: &str) -> u64 {
        if let Some(thread) = self.threads.get(&(process, name.to_owned())) {
            return *thread;
        }
        let thread = self.threads.len() as u64 + 1;
        self.threads.insert((process, name.to_owned()), thread);
        self.events.push(json!({"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": name}}));
        thread
    }

    fn slice(
        &mut self,
        (process, thread): (u64, u64),
        name: &str,
        from: u64,
        to: u64,
        args: &Value,
    ) {
        let length = to.saturating_sub(from);
        self.events.push(json!({"ph": "X", "name": name, "pid": process, "tid": thread, "ts": from, "dur": length, "args": args}));
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        match &fact.kind {
            FactKind::Object { change, object, .. } => self.object(fact, *change, object),
            FactKind::Event { record, .. } => {
                let Some((process, thread)) =
                    self.stands(&record.regarding.object, record.regarding.uid)
                else {
                    return;
                };
                let at = self.micros(fact.at);
                let scope = if record.event_type == EventType::Warning { "p" } else { "t" };
                self.events.push(json!({"ph": "i", "name": record.reason.as_str(), "pid": process, "tid": thread,
                    "ts": at, "s": scope, "args": {"message": record.message.as_str(), "type": record.event_type.as_str()}}));
            }
            FactKind::Step(done) => self.step(fact, done),
            FactKind::Output(_)
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Waiting(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    /// The thread of an object.
    fn stands(&mut self, object: &Ref, uid: Uid) -> Option<(u64, u64)> {
        match self.pods.get(&uid) {
            Some(course) => Some((course.process, course.thread)),
            None if shown(object) => Some((CONTROL, self.thread(CONTROL, &name(object)))),
            None => None,
        }
    }

    fn step(&mut self, fact: &Fact, done: &StepDone) {
        let thread = self.thread(STEPS, "steps");
        let (from, to) = (self.micros(done.began), self.micros(fact.at));
        let title = format!("{} {}", done.action, done.arg);
        let args =
            json!({"exitCode": done.exit_code, "stdout": done.stdout, "stderr": done.stderr});
        self.slice((STEPS, thread), &title, from, to.max(from + MOMENT), &args);
    }

    fn object(&mut self, fact: &Fact, change: Change, object: &Object) {
        let of = object.reference();
        if !shown(&of) {
            return;
        }
        let at = self.micros(fact.at);
        let place = match object {
            Object::Pod(pod) => self.pod(pod, change, at),
            _ => {
                let thread = self.thread(CONTROL, &name(&of));
                let what = change.as_str().to_ascii_lowercase();
                self.slice((CONTROL, thread), &what, at, at + MOMENT, &json!({"fact": fact.id.0}));
                (CONTROL, thread)
            }
        };
        self.places.insert(fact.id, (place.0, place.1, at));
        if let Some((process, thread, from)) = self.places.get(&fact.cause).copied()
            && (process, thread) != place
        {
            self.arrows += 1;
            let id = self.arrows;
            self.events.push(json!({"ph": "s", "name": "cause", "cat": "cause", "id": id, "pid": process, "tid": thread, "ts": from}));
            self.events.push(json!({"ph": "f", "bp": "e", "name": "cause", "cat": "cause", "id": id, "pid": place.0, "tid": place.1, "ts": at}));
        }
    }

    fn pod(&mut self, pod: &Pod, change: Change, at: u64) -> (u64, u64) {
        let of = name(&Ref { kind: crate::model::Kind::Pod, key: pod.meta.key() });
        let process = match &pod.node {
            Some(node) => self.node(node),
            None => CONTROL,
        };
        let thread = self.thread(process, &of);
        let state = state(pod);
        let before = self.pods.remove(&pod.meta.uid);
        let mut running = BTreeMap::new();
        let mut since = at;
        if let Some(course) = before {
            let moves =
                course.process != process || course.state != state || change == Change::Deleted;
            if moves {
                self.slice(
                    (course.process, course.thread),
                    &course.state,
                    course.since,
                    at,
                    &json!({}),
                );
            } else {
                since = course.since;
            }
            running = course.running;
        }
        self.containers(pod, &mut running, (process, thread), at, change);
        if change != Change::Deleted {
            self.pods.insert(pod.meta.uid, Course { process, thread, state, since, running });
        }
        (process, thread)
    }

    fn containers(
        &mut self,
        pod: &Pod,
        running: &mut BTreeMap<Str, u64>,
        place: (u64, u64),
        at: u64,
        change: Change,
    ) {
        for c in pod.status.init_containers.iter().chain(pod.status.containers.iter()) {
            let runs =
                matches!(c.state, ContainerState::Running { .. }) && change != Change::Deleted;
            match (runs, running.get(&c.name).copied()) {
                (true, None) => drop(running.insert(c.name.clone(), at)),
                (false, Some(from)) => {
                    running.remove(&c.name);
                    // Runs of several containers overlap, so each has a thread of its own below the pod's.
                    let of = name(&Ref { kind: crate::model::Kind::Pod, key: pod.meta.key() });
                    let thread = self.thread(place.0, &format!("{of} {}", c.name));
                    let args = json!({"restarts": c.restart_count});
                    self.slice((place.0, thread), &c.name, from, at, &args);
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }

    /// The trace, with what is still under way ended at `end`.
    pub fn finish(mut self, end: SimTime) -> String {
        let at = self.micros(end);
        for (_, course) in std::mem::take(&mut self.pods) {
            self.slice(
                (course.process, course.thread),
                &course.state,
                course.since,
                at,
                &json!({}),
            );
            for (container, from) in course.running {
                let title = self
                    .threads
                    .iter()
                    .find(|((p, _), t)| *p == course.process && **t == course.thread);
                let of = title.map(|((_, of), _)| of.clone()).unwrap_or_default();
                let thread = self.thread(course.process, &format!("{of} {container}"));
                self.slice((course.process, thread), &container, from, at, &json!({}));
            }
        }
        let mut out = String::from("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
        let lines: Vec<String> = self.events.iter().map(Value::to_string).collect();
        out.push_str(&lines.join(",\n"));
        out.push_str("\n]}\n");
        out
    }
}

/// Kinds that are told of: what a user makes or asks about.
fn shown(object: &Ref) -> bool {
    use crate::model::Kind;
    let quiet = [
        Kind::Node,
        Kind::EndpointSlice,
        Kind::ControllerRevision,
        Kind::ServiceAccount,
        Kind::Namespace,
        Kind::PriorityClass,
        Kind::StorageClass,
    ];
    // What every cluster has is not told.
    let own = object.key.name == "kube-root-ca.crt" || object.key.name == "kubernetes";
    !quiet.contains(&object.kind) && !own && object.key.namespace != "kube-system"
}

/// The state of a pod in a word.
fn state(pod: &Pod) -> String {
    if pod.meta.is_terminating() {
        return "Terminating".to_owned();
    }
    let waits = pod.status.containers.iter().chain(pod.status.init_containers.iter()).find_map(
        |c| match &c.state {
            ContainerState::Waiting { reason, .. } if reason != "PodInitializing" => {
                Some(reason.to_string())
            }
            _ => None,
        },
    );
    match waits {
        Some(reason) => reason,
        None if pod.is_ready() => "Ready".to_owned(),
        None => pod.status.phase.as_str().to_owned(),
    }
}

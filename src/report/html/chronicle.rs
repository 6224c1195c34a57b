//! What the page shows, gathered from facts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::state::{self, State};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ContainerState, Meta, Node, Object, Pod, Uid};
use crate::report::markup::escaped;
use crate::report::summary::Summary;
use crate::report::timeline::name;
use crate::trace::{Change, Fact, FactKind, Output, OutputStream};

/// How many events the page holds; later ones are counted.
const EVENTS_MAX: usize = 20_000;
/// How many lines of output the page holds; later ones are counted.
const LINES_MAX: usize = 20_000;
/// Longer lines of output are cut.
const LINE_CHARS_MAX: usize = 500;

/// A fold of facts into what the page shows.
#[derive(Debug)]
pub struct Chronicle {
    start: SimTime,
    pods: Vec<Life>,
    pod_by_uid: BTreeMap<Uid, usize>,
    nodes: Vec<Machine>,
    node_by_name: BTreeMap<Str, usize>,
    /// The owner of what owns pods: a ReplicaSet's Deployment, a Job's CronJob.
    owners: BTreeMap<Uid, String>,
    events: Vec<Value>,
    events_left_out: usize,
    lines: Vec<Value>,
    lines_left_out: usize,
    steps: Vec<Value>,
}

/// The life of a pod.
#[derive(Debug)]
struct Life {
    namespace: Str,
    name: Str,
    owner: String,
    node: Option<Str>,
    cpu_milli: i64,
    memory: i64,
    born: u64,
    placed: Option<u64>,
    gone: Option<u64>,
    states: Vec<(u64, State, Str)>,
    /// When, which container, how it ended before.
    restarts: Vec<(u64, Str, Str, i32)>,
    restart_counts: BTreeMap<Str, u32>,
    /// Why it went to its node, or to none, as `wavetank explain` tells it; empty where that is not known.
    explained: String,
    /// Why it is as it is, as `wavetank why` tells it; empty where that was not asked.
    causes: String,
    /// Whether containers were added to look at it (`kubectl debug`).
    debugged: bool,
}

/// A node over time.
#[derive(Debug)]
struct Machine {
    name: Str,
    cpu_milli: i64,
    memory: i64,
    pods: i64,
    /// When it was ready, not ready, cordoned or gone.
    states: Vec<(u64, &'static str)>,
}

/// What stands above the page.
#[derive(Debug)]
pub struct Heading<'a> {
    /// What was run: the names of files.
    pub title: &'a str,
    /// How the run ended, for people.
    pub ended: &'a str,
    /// The seed.
    pub seed: u64,
    /// The digest.
    pub digest: u64,
    /// When it ended.
    pub end: SimTime,
}

impl Chronicle {
    /// The chronicle of a run that starts at `start`.
    pub fn new(start: SimTime) -> Self {
        Self {
            start,
            pods: Vec::new(),
            pod_by_uid: BTreeMap::new(),
            nodes: Vec::new(),
            node_by_name: BTreeMap::new(),
            owners: BTreeMap::new(),
            events: Vec::new(),
            events_left_out: 0,
            lines: Vec::new(),
            lines_left_out: 0,
            steps: Vec::new(),
        }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        let at = self.millis(fact.at);
        match &fact.kind {
            FactKind::Object { change, object, .. } => self.object(at, *change, object),
            FactKind::Event { record, count, .. } => {
                if self.events.len() == EVENTS_MAX {
                    self.events_left_out += 1;
                    return;
                }
                let (about, kind) = (name(&record.regarding.object), record.event_type.as_str());
                let (reason, message) = (record.reason.as_str(), record.message.as_str());
                let pod = self.pod_by_uid.get(&record.regarding.uid);
                self.events.push(json!([at, kind, about, reason, message, count, pod]));
            }
            FactKind::Output(output) => self.output(at, output),
            FactKind::Step(step) => {
                let began = self.millis(step.began);
                self.steps.push(json!([
                    began,
                    format!("{} {}", step.action, step.arg),
                    step.exit_code
                ]));
            }
            FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Waiting(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    fn millis(&self, at: SimTime) -> u64 {
        let since = if at > self.start { at.since(self.start) } else { Duration::ZERO };
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn object(&mut self, at: u64, change: Change, object: &Object) {
        match object {
            Object::Pod(pod) => self.pod(at, change, pod),
            Object::Node(node) => self.node(at, change, node),
            Object::ReplicaSet(_) | Object::Job(_) if change == Change::Added => {
                if let Some(owner) = object.meta().controller() {
                    let title = format!("{}/{}", owner.kind, owner.name);
                    self.owners.insert(object.meta().uid, title);
                }
            }
            _ => {}
        }
    }

    fn pod(&mut self, at: u64, change: Change, pod: &Pod) {
        let index = match self.pod_by_uid.get(&pod.meta.uid) {
            Some(index) => *index,
            None => self.new_pod(at, pod),
        };
        let life = &mut self.pods[index];
        if life.node.is_none() && pod.node.is_some() {
            life.node.clone_from(&pod.node);
            life.placed = Some(at);
        }
        if change == Change::Deleted {
            life.gone = Some(at);
            return;
        }
        let (state, word) = state::of(pod);
        if life.states.last().is_none_or(|(_, last, said)| (*last, said) != (state, &word)) {
            life.states.push((at, state, word));
        }
        let status = &pod.status;
        life.debugged |= !status.ephemeral_containers.is_empty();
        for container in status.init_containers.iter().chain(status.containers.iter()) {
            let before = life.restart_counts.entry(container.name.clone()).or_default();
            if container.restart_count > *before {
                *before = container.restart_count;
                let last = container.last.as_deref().or(match &container.state {
                    ContainerState::Terminated(end) => Some(end),
                    ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
                });
                let (reason, code) =
                    last.map_or(("".into(), 0), |end| (end.reason.clone(), end.exit_code));
                life.restarts.push((at, container.name.clone(), reason, code));
            }
        }
    }

    /// Keeps why a pod went to its node, or to none.
    pub fn explain(&mut self, pod: Uid, why: String) {
        if let Some(index) = self.pod_by_uid.get(&pod) {
            self.pods[*index].explained = why;
        }
    }

    /// The first `most` pods about which a reader will ask why: that started again, failed, do not get
    /// on, or were looked at with further containers.
    pub fn troubled(&self, most: usize) -> Vec<Uid> {
        let asks = |life: &Life| {
            let end = life.states.last().map(|(_, state, _)| *state);
            !life.restarts.is_empty()
                || life.debugged
                || !matches!(end, Some(State::Ready | State::Succeeded) | None)
        };
        let pods = self.pod_by_uid.iter().filter(|(_, i)| asks(&self.pods[**i]));
        let mut found: Vec<(usize, Uid)> = pods.map(|(uid, i)| (*i, *uid)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, uid)| uid).take(most).collect()
    }

    /// Keeps why a pod is as it is.
    pub fn tell_causes(&mut self, pod: Uid, causes: String) {
        if let Some(index) = self.pod_by_uid.get(&pod) {
            self.pods[*index].causes = causes;
        }
    }

    fn new_pod(&mut self, at: u64, pod: &Pod) -> usize {
        let index = self.pods.len();
        self.pods.push(Life {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            owner: self.owner(&pod.meta),
            node: None,
            cpu_milli: pod.spec.requests.cpu_milli,
            memory: pod.spec.requests.memory,
            born: at,
            placed: None,
            gone: None,
            states: Vec::new(),
            restarts: Vec::new(),
            restart_counts: BTreeMap::new(),
            explained: String::new(),
            causes: String::new(),
            debugged: false,
        });
        self.pod_by_uid.insert(pod.meta.uid, index);
        index
    }

    /// The workload a pod is of, from the top: `Deployment/web`; empty for a pod by itself.
    fn owner(&self, pod: &Meta) -> String {
        pod.controller().map_or_else(String::new, |owner| {
            let above = self.owners.get(&owner.uid);
            above.cloned().unwrap_or_else(|| format!("{}/{}", owner.kind, owner.name))
        })
    }

    fn node(&mut self, at: u64, change: Change, node: &Node) {
        let index = *self.node_by_name.entry(node.meta.name.clone()).or_insert_with(|| {
            self.nodes.push(Machine {
                name: node.meta.name.clone(),
                cpu_milli: 0,
                memory: 0,
                pods: 0,
                states: Vec::new(),
            });
            self.nodes.len() - 1
        });
        let machine = &mut self.nodes[index];
        let allocatable = &node.allocatable;
        (machine.cpu_milli, machine.memory) = (allocatable.cpu_milli, allocatable.memory);
        machine.pods = allocatable.pods;
        let state = if change == Change::Deleted {
            "gone"
        } else if !node.is_ready() {
            "not ready"
        } else if node.unschedulable {
            "cordoned"
        } else {
            "ready"
        };
        if machine.states.last().is_none_or(|(_, last)| *last != state) {
            machine.states.push((at, state));
        }
    }

    fn output(&mut self, at: u64, output: &Output) {
        if self.lines.len() == LINES_MAX {
            self.lines_left_out += 1;
            return;
        }
        let text: String = output.text.chars().take(LINE_CHARS_MAX).collect();
        let (pod, stderr) =
            (self.pod_by_uid.get(&output.uid), output.stream == OutputStream::Stderr);
        self.lines.push(json!([at, pod, output.container.as_str(), text, u8::from(stderr)]));
    }

    /// The page.
    pub fn page(&self, heading: &Heading<'_>, summary: &Summary) -> String {
        let data = self.data(heading, summary).to_string();
        // Nothing in the data may end the element it stands in.
        let data = data.replace('<', "\\u003c");
        include_str!("page.html")
            .replace("/*STYLE*/", include_str!("page.css"))
            .replace("/*SCRIPT*/", include_str!("page.js"))
            .replace("TITLE", &escaped(heading.title))
            .replace("/*DATA*/", &data)
    }

    fn data(&self, heading: &Heading<'_>, summary: &Summary) -> Value {
        let number = |node: &Option<Str>| {
            node.as_ref().and_then(|node| self.node_by_name.get(node)).copied()
        };
        let pods: Vec<Value> = self
            .pods
            .iter()
            .map(|pod| {
                let states: Vec<Value> = pod
                    .states
                    .iter()
                    .map(|(at, state, word)| json!([at, *state as u8, word.as_str()]))
                    .collect();
                let restarts: Vec<Value> = pod
                    .restarts
                    .iter()
                    .map(|(at, container, reason, code)| {
                        json!([at, container.as_str(), reason.as_str(), code])
                    })
                    .collect();
                json!({
                    "ns": pod.namespace.as_str(), "name": pod.name.as_str(), "owner": pod.owner,
                    "node": number(&pod.node), "cpu": pod.cpu_milli, "memory": pod.memory,
                    "born": pod.born, "placed": pod.placed, "gone": pod.gone,
                    "states": states, "restarts": restarts, "why": pod.explained,
                    "causes": pod.causes,
                })
            })
            .collect();
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|node| {
                json!({
                    "name": node.name.as_str(), "cpu": node.cpu_milli, "memory": node.memory,
                    "pods": node.pods, "states": node.states,
                })
            })
            .collect();
        json!({
            "title": heading.title, "ended": heading.ended, "seed": heading.seed,
            "digest": format!("{:016x}", heading.digest),
            "start": self.start.to_rfc3339(), "end": self.millis(heading.end),
            "summary": summary.to_json(), "pods": pods, "nodes": nodes,
            "events": self.events, "eventsLeftOut": self.events_left_out,
            "lines": self.lines, "linesLeftOut": self.lines_left_out, "steps": self.steps,
        })
    }
}

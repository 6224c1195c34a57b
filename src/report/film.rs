//! A run as a film: what its pods and nodes were at any moment, and what the timeline says until then.
//!
//! [`Film`] is a fold over facts. It keeps each change that can be seen, in the order of time; a [`Scene`] is
//! what the changes up to a moment come to. Going on applies those that follow, going back begins anew.

use std::collections::BTreeMap;

use super::html::{State, state_of};
use super::timeline::{Detail, Line, Style, Timeline, render};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Node, Object, Pod, Uid};
use crate::trace::{Change, Fact, FactKind};

/// A film holds no more changes than this; what comes later is not shown.
const MAX_CHANGES: usize = 2_000_000;

/// A pod as a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRow {
    /// Its namespace.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
    /// Its node, once it has one.
    pub node: Str,
    /// What it is doing.
    pub state: State,
    /// The word that kubectl has for it.
    pub word: Str,
    /// How many of its containers are ready, and how many there are.
    pub ready: (usize, usize),
    /// How often its containers were started again.
    pub restarts: u32,
    /// When it was created.
    pub since: SimTime,
    /// What it requests.
    pub cpu_milli: i64,
    /// What it requests, in bytes.
    pub memory: i64,
}

/// A node as a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// `Ready`, `NotReady`, with `SchedulingDisabled` where it is cordoned.
    pub word: &'static str,
    /// Whether all is well with it.
    pub well: bool,
    /// What pods may request.
    pub cpu_milli: i64,
    /// What pods may request, in bytes.
    pub memory: i64,
}

#[derive(Clone, Debug)]
enum Shot {
    Pod(Uid, Option<PodRow>),
    Node(Str, Option<NodeRow>),
    Line,
}

/// A run, to be looked at.
#[derive(Debug)]
pub struct Film {
    start: SimTime,
    end: SimTime,
    shots: Vec<(SimTime, Shot)>,
    lines: Vec<String>,
    timeline: Timeline,
    style: Style,
}

/// What there is at a moment.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The changes that it is made of.
    shots: usize,
    /// The pods.
    pub pods: BTreeMap<Uid, PodRow>,
    /// The nodes by name.
    pub nodes: BTreeMap<Str, NodeRow>,
    /// How many lines of the timeline there are by then.
    pub lines: usize,
}

impl Film {
    /// The film of a run that begins at `start`.
    pub fn new(start: SimTime) -> Self {
        let style = Style { colour: false, start };
        Self {
            start,
            end: start,
            shots: Vec::new(),
            lines: Vec::new(),
            timeline: Timeline::new(Detail::Usual),
            style,
        }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        self.end = self.end.max(fact.at);
        if self.shots.len() >= MAX_CHANGES {
            return;
        }
        if let FactKind::Object { change, object, .. } = &fact.kind {
            let gone = *change == Change::Deleted;
            match object {
                Object::Pod(pod) if pod.meta.namespace != "kube-system" => {
                    let row = (!gone).then(|| pod_row(pod));
                    self.shots.push((fact.at, Shot::Pod(pod.meta.uid, row)));
                }
                Object::Node(node) => {
                    let row = (!gone).then(|| node_row(node));
                    self.shots.push((fact.at, Shot::Node(node.meta.name.clone(), row)));
                }
                _ => {}
            }
        }
        self.timeline.observe(fact);
        let lines = self.timeline.take();
        self.add(&lines);
    }

    fn add(&mut self, lines: &[Line]) {
        for line in lines {
            self.lines.push(render(line, self.style).trim_end().to_owned());
            self.shots.push((line.at, Shot::Line));
        }
    }

    /// The run is over.
    pub fn finish(&mut self, end: SimTime) {
        let lines = self.timeline.finish(end);
        self.add(&lines);
        self.end = self.end.max(end);
        // What the timeline held back was earlier.
        self.shots.sort_by_key(|(at, _)| *at);
    }

    /// When it begins and ends.
    pub fn span(&self) -> (SimTime, SimTime) {
        (self.start, self.end)
    }

    /// The timeline's lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Makes a scene that of a moment.
    pub fn turn(&self, scene: &mut Scene, at: SimTime) {
        let wanted = self.shots.partition_point(|(when, _)| *when <= at);
        if wanted < scene.shots {
            *scene = Scene::default();
        }
        for (_, shot) in &self.shots[scene.shots..wanted] {
            match shot {
                Shot::Pod(uid, Some(row)) => drop(scene.pods.insert(*uid, row.clone())),
                Shot::Pod(uid, None) => drop(scene.pods.remove(uid)),
                Shot::Node(name, Some(row)) => drop(scene.nodes.insert(name.clone(), row.clone())),
                Shot::Node(name, None) => drop(scene.nodes.remove(name)),
                Shot::Line => scene.lines += 1,
            }
        }
        scene.shots = wanted;
    }

    /// The next moment after `at` of which the timeline tells something.
    pub fn next(&self, at: SimTime) -> Option<SimTime> {
        let from = self.shots.partition_point(|(when, _)| *when <= at);
        let mut told = self.shots[from..].iter().filter(|(_, shot)| matches!(shot, Shot::Line));
        told.next().map(|(when, _)| *when)
    }

    /// The last moment before `at` of which the timeline tells something.
    pub fn previous(&self, at: SimTime) -> Option<SimTime> {
        let to = self.shots.partition_point(|(when, _)| *when < at);
        let told = self.shots[..to].iter().rev().find(|(_, shot)| matches!(shot, Shot::Line));
        told.map(|(when, _)| *when)
    }
}

fn pod_row(pod: &Pod) -> PodRow {
    let (state, word) = state_of(pod);
    let containers = &pod.status.containers;
    let ready = containers.iter().filter(|c| c.ready).count();
    PodRow {
        namespace: pod.meta.namespace.clone(),
        name: pod.meta.name.clone(),
        node: pod.node.clone().unwrap_or_default(),
        state,
        word,
        ready: (ready, pod.spec.containers.len()),
        restarts: containers.iter().map(|c| c.restart_count).sum(),
        since: pod.meta.created,
        cpu_milli: pod.spec.requests.cpu_milli,
        memory: pod.spec.requests.memory,
    }
}

fn node_row(node: &Node) -> NodeRow {
    let word = match (node.is_ready(), node.unschedulable) {
        (true, false) => "Ready",
        (true, true) => "Ready,SchedulingDisabled",
        (false, false) => "NotReady",
        (false, true) => "NotReady,SchedulingDisabled",
    };
    NodeRow {
        word,
        well: word == "Ready",
        cpu_milli: node.allocatable.cpu_milli,
        memory: node.allocatable.memory,
    }
}

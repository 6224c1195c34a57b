//! The lives of pods as a table: one line for each pod there was, in the order of their creation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ContainerState, Object, Phase, Pod, Uid, conditions};
use crate::trace::{Change, Fact, FactKind};

/// The columns. Times are seconds since the start; empty where something has not happened.
const COLUMNS: [&str; 15] = [
    "namespace",
    "pod",
    "uid",
    "owner",
    "node",
    "created",
    "scheduled",
    "started",
    "ready",
    "finished",
    "deleted",
    "phase",
    "reason",
    "restarts",
    "exit_code",
];

/// A fold of facts into the lives of pods.
#[derive(Debug)]
pub struct Lives {
    start: SimTime,
    order: Vec<Uid>,
    lives: BTreeMap<Uid, Life>,
}

#[derive(Debug, Default)]
struct Life {
    namespace: Str,
    name: Str,
    owner: String,
    node: Str,
    created: Option<SimTime>,
    scheduled: Option<SimTime>,
    started: Option<SimTime>,
    ready: Option<SimTime>,
    finished: Option<SimTime>,
    deleted: Option<SimTime>,
    phase: &'static str,
    reason: Str,
    restarts: u32,
    exit_code: Option<i32>,
}

impl Lives {
    /// The lives of a run that starts at `start`.
    pub fn new(start: SimTime) -> Self {
        Self { start, order: Vec::new(), lives: BTreeMap::new() }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        let FactKind::Object { change, object: Object::Pod(pod), .. } = &fact.kind else { return };
        let order = &mut self.order;
        let life = self.lives.entry(pod.meta.uid).or_insert_with(|| {
            order.push(pod.meta.uid);
            born(pod, fact.at)
        });
        let once = |place: &mut Option<SimTime>, is: bool| {
            if is && place.is_none() {
                *place = Some(fact.at);
            }
        };
        if let Some(node) = &pod.node {
            life.node = node.clone();
        }
        let status = &pod.status;
        once(&mut life.scheduled, pod.node.is_some());
        let runs = |s: &ContainerState| !matches!(s, ContainerState::Waiting { .. });
        once(&mut life.started, status.containers.iter().any(|c| runs(&c.state)));
        once(&mut life.ready, pod.is_ready());
        once(&mut life.finished, status.phase.is_terminal());
        once(&mut life.deleted, *change == Change::Deleted);
        life.phase = status.phase.as_str();
        life.reason = waits_for(pod);
        life.restarts = status.containers.iter().map(|c| c.restart_count).sum();
        life.exit_code = status
            .containers
            .iter()
            .filter_map(|c| match (&c.state, &c.last) {
                (ContainerState::Terminated(end), _) | (_, Some(end)) => Some(end.exit_code),
                _ => None,
            })
            .max();
    }

    /// The table as CSV, with its head.
    pub fn csv(&self) -> String {
        let mut out = COLUMNS.join(",") + "\n";
        for uid in &self.order {
            let Some(life) = self.lives.get(uid) else { continue };
            let time = |at: Option<SimTime>| {
                at.map_or(String::new(), |at| format!("{:.3}", at.since(self.start).as_secs_f64()))
            };
            let cells = [
                life.namespace.to_string(),
                life.name.to_string(),
                uid.to_string(),
                life.owner.clone(),
                life.node.to_string(),
                time(life.created),
                time(life.scheduled),
                time(life.started),
                time(life.ready),
                time(life.finished),
                time(life.deleted),
                life.phase.to_owned(),
                life.reason.to_string(),
                life.restarts.to_string(),
                life.exit_code.map_or(String::new(), |code| code.to_string()),
            ];
            let cells: Vec<String> = cells.iter().map(|c| cell(c)).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}", cells.join(","));
        }
        out
    }
}

fn born(pod: &Pod, at: SimTime) -> Life {
    let owner = pod
        .meta
        .controller()
        .map_or(String::new(), |o| format!("{}/{}", o.kind.to_lowercase(), o.name));
    Life {
        namespace: pod.meta.namespace.clone(),
        name: pod.meta.name.clone(),
        owner,
        created: Some(at),
        phase: Phase::Pending.as_str(),
        ..Life::default()
    }
}

/// Why a pod is as it is, in one word, where its status says so.
fn waits_for(pod: &Pod) -> Str {
    let status = &pod.status;
    if !status.reason.is_empty() {
        return status.reason.clone();
    }
    if let Some(c) = status.condition(conditions::POD_SCHEDULED).filter(|_| pod.node.is_none()) {
        return c.reason.clone();
    }
    let all = status.init_containers.iter().chain(status.containers.iter());
    let waits = all.filter_map(|c| match &c.state {
        ContainerState::Waiting { reason, .. } => Some(reason.clone()),
        ContainerState::Terminated(end) if end.exit_code != 0 => Some(end.reason.clone()),
        _ => None,
    });
    waits.into_iter().next().unwrap_or_default()
}

/// A cell of a CSV table (RFC 4180).
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        assert_eq!(cell("a b"), "a b");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"a\""), "\"say \"\"a\"\"\"");
    }
}

//! The lives of pods as a table: one line for each pod there was, in the order of their creation.

use std::collections::BTreeMap;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ContainerState, Object, Phase, Pod, Uid, conditions};
use crate::report::table::{Cells, Column, Table};
use crate::trace::{Change, Fact, FactKind};

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

    /// The table. Times are seconds since the start; nothing where something has not happened.
    pub fn table(&self) -> Table {
        let lives: Vec<(&Uid, &Life)> =
            self.order.iter().filter_map(|uid| Some((uid, self.lives.get(uid)?))).collect();
        let column = |name: &str, cells| Column { name: name.to_owned(), cells };
        let text = |name: &str, value: &dyn Fn(&Life) -> &str| {
            let cells = lives.iter().map(|(_, life)| value(life).to_owned()).collect();
            column(name, Cells::Text(cells))
        };
        let time = |name: &str, value: fn(&Life) -> Option<SimTime>| {
            let since = |at: SimTime| at.since(self.start);
            let cells = lives.iter().map(|(_, life)| value(life).map(since)).collect();
            column(name, Cells::Seconds(cells))
        };
        let uids = lives.iter().map(|(uid, _)| uid.to_string()).collect();
        let restarts = lives.iter().map(|(_, life)| Some(u64::from(life.restarts))).collect();
        let codes = lives.iter().map(|(_, life)| life.exit_code.map(i64::from)).collect();
        Table::new(vec![
            text("namespace", &|l| &l.namespace),
            text("pod", &|l| &l.name),
            column("uid", Cells::Text(uids)),
            text("owner", &|l| &l.owner),
            text("node", &|l| &l.node),
            time("created", |l| l.created),
            time("scheduled", |l| l.scheduled),
            time("started", |l| l.started),
            time("ready", |l| l.ready),
            time("finished", |l| l.finished),
            time("deleted", |l| l.deleted),
            text("phase", &|l| l.phase),
            text("reason", &|l| &l.reason),
            column("restarts", Cells::Counts(restarts)),
            column("exit_code", Cells::Numbers(codes)),
        ])
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

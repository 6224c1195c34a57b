//! What a run was like, in numbers: when workloads were ready, how few of their pods served, what waited,
//! what restarted, where pods went.
//!
//! A fold over facts. A workload counts from the moment at which it first had all the pods that it wants;
//! what is missing after that is what its users notice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::model::{Kind, Object, Pod, Uid, conditions};
use crate::report::timeline::{duration, name};
use crate::trace::{Change, EventType, Fact, FactKind};

/// What one workload was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// How many pods it wants, at the end.
    pub wanted: i32,
    /// How many are ready, at the end.
    pub ready: i32,
    /// When it first had all that it wants, since the start.
    pub ready_after: Option<Duration>,
    /// The fewest that were ready after that, until it was to have none or was deleted.
    pub fewest: Option<i32>,
    /// For how long none was ready after that.
    pub downtime: Duration,
    /// For a Job: how it ended.
    pub ended: Option<&'static str>,
    /// Since when none has been ready that should be.
    none_since: Option<SimTime>,
    gone: bool,
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Workloads that nothing owns, by name.
    pub workloads: BTreeMap<String, Workload>,
    /// How many pods were made.
    pub pods_created: u64,
    /// How often containers were restarted.
    pub restarts: u64,
    /// How many pods were evicted or failed.
    pub failed: u64,
    /// Pods that are Pending at the end, and why, where that is known.
    pub pending: BTreeMap<String, String>,
    /// How many pods are on each node at the end.
    pub placements: BTreeMap<String, usize>,
    /// Warnings by reason.
    pub warnings: BTreeMap<String, u64>,
    /// How long the run was.
    pub length: Duration,
    start: SimTime,
    pods: Map<Uid, Known>,
    /// Pods that no node has.
    unplaced: BTreeMap<Uid, Object>,
}

/// What is known of a pod.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Where it is, until it has ended.
    node: Option<Str>,
    restarts: u64,
    failed: bool,
}

impl Measures {
    /// Of a run that starts at `start`.
    pub fn new(start: SimTime) -> Self {
        Self { start, ..Self::default() }
    }

    /// Begins anew from `now` on with what is there: what was before does not count.
    pub fn count_from(&mut self, now: SimTime) {
        (self.pods_created, self.restarts, self.failed) = (0, 0, 0);
        self.warnings.clear();
        for workload in self.workloads.values_mut() {
            workload.downtime = Duration::ZERO;
            workload.none_since = workload.none_since.map(|_| now);
            workload.fewest = workload.ready_after.map(|_| workload.ready);
            workload.ready_after = workload.ready_after.map(|_| Duration::ZERO);
        }
        self.start = now;
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        match &fact.kind {
            FactKind::Object { change, object, old } => match object {
                Object::Pod(pod) => self.pod(pod, object, *change, old.is_none()),
                _ if object.meta().controller().is_none() => {
                    self.workload(object, *change, fact.at);
                }
                _ => {}
            },
            FactKind::Event { record, .. } if record.event_type == EventType::Warning => {
                *self.warnings.entry(record.reason.to_string()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn pod(&mut self, pod: &Pod, object: &Object, change: Change, is_new: bool) {
        let uid = pod.meta.uid;
        let old = self.pods.remove(&uid).unwrap_or_default();
        let node = pod.node.clone().filter(|_| change != Change::Deleted && !pod.is_terminal());
        if old.node != node {
            self.moved(old.node.as_ref(), node.as_ref());
        }
        if pod.node.is_none() && change != Change::Deleted {
            self.unplaced.insert(uid, object.clone());
        } else {
            self.unplaced.remove(&uid);
        }
        if change == Change::Deleted {
            return;
        }
        self.pods_created += u64::from(is_new);
        let all = pod.status.init_containers.iter().chain(pod.status.containers.iter());
        let restarts: u64 = all.map(|c| u64::from(c.restart_count)).sum();
        self.restarts += restarts.saturating_sub(old.restarts);
        let failed = pod.status.phase == crate::model::Phase::Failed;
        self.failed += u64::from(failed && !old.failed);
        self.pods.insert(uid, Known { node, restarts, failed: failed || old.failed });
    }

    fn moved(&mut self, from: Option<&Str>, to: Option<&Str>) {
        if let Some(from) = from
            && let Some(count) = self.placements.get_mut(from.as_str())
        {
            *count -= 1;
            if *count == 0 {
                self.placements.remove(from.as_str());
            }
        }
        if let Some(to) = to {
            match self.placements.get_mut(to.as_str()) {
                Some(count) => *count += 1,
                None => drop(self.placements.insert(to.to_string(), 1)),
            }
        }
    }

    fn workload(&mut self, object: &Object, change: Change, now: SimTime) {
        let Some((wanted, ready, ended)) = standing(object) else { return };
        let start = self.start;
        let entry = self.workloads.entry(name(&object.reference())).or_default();
        (entry.wanted, entry.ready, entry.ended) = (wanted, ready, ended);
        entry.gone = change == Change::Deleted;
        if ready >= wanted && wanted > 0 && entry.ready_after.is_none() {
            entry.ready_after = Some(now.since(start));
        }
        if entry.ready_after.is_none() || wanted == 0 || entry.gone || ended.is_some() {
            entry.settle(now);
            return;
        }
        entry.fewest = Some(entry.fewest.map_or(ready, |f| f.min(ready)));
        if ready == 0 {
            entry.none_since.get_or_insert(now);
        } else {
            entry.settle(now);
        }
    }

    /// The run is over.
    pub fn finish(&mut self, end: SimTime) {
        self.length = end.since(self.start);
        for workload in self.workloads.values_mut() {
            workload.settle(end);
        }
        self.workloads.retain(|_, w| !w.gone);
        for object in self.unplaced.values() {
            let Object::Pod(pod) = object else { continue };
            let why = pod.status.condition(conditions::POD_SCHEDULED);
            let why = why.map_or_else(String::new, |c| c.message.to_string());
            self.pending.insert(name(&object.reference()), why);
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let seconds = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let workloads: serde_json::Map<String, Value> = self
            .workloads
            .iter()
            .map(|(name, w)| {
                let value = json!({"wanted": w.wanted, "ready": w.ready,
                    "readyAfterMs": w.ready_after.map(seconds), "fewestReady": w.fewest,
                    "downtimeMs": seconds(w.downtime), "ended": w.ended});
                (name.clone(), value)
            })
            .collect();
        json!({"workloads": workloads, "podsCreated": self.pods_created, "restarts": self.restarts,
            "failed": self.failed, "pending": self.pending, "placements": self.placements,
            "warnings": self.warnings, "lengthMs": seconds(self.length)})
    }
}

impl Workload {
    fn settle(&mut self, now: SimTime) {
        if let Some(since) = self.none_since.take() {
            self.downtime += now.since(since);
        }
    }

    /// How it stands, in a few words.
    pub fn in_words(&self) -> String {
        if let Some(ended) = self.ended {
            return ended.to_owned();
        }
        match self.ready_after {
            Some(at) => {
                format!("{} of {}, first all after {}", self.ready, self.wanted, duration(at))
            }
            None => format!("{} of {}, never all", self.ready, self.wanted),
        }
    }
}

/// How many pods a workload wants and has ready, and how a Job ended.
fn standing(object: &Object) -> Option<(i32, i32, Option<&'static str>)> {
    let or = |n: Option<i32>| n.unwrap_or(0);
    Some(match object {
        Object::Deployment(d) => {
            (d.spec.wire.replicas.unwrap_or(1), or(d.status.ready_replicas), None)
        }
        Object::ReplicaSet(r) => {
            (r.spec.wire.replicas.unwrap_or(1), or(r.status.ready_replicas), None)
        }
        Object::StatefulSet(s) => {
            (s.spec.wire.replicas.unwrap_or(1), or(s.status.ready_replicas), None)
        }
        Object::DaemonSet(d) => (d.status.desired_number_scheduled, d.status.number_ready, None),
        Object::Job(job) => {
            let ended = match () {
                () if job.status.is_true("Complete") => Some("complete"),
                () if job.status.is_true("Failed") => Some("failed"),
                () => None,
            };
            (0, 0, ended)
        }
        _ => return None,
    })
}

/// The kinds that have a standing of their own.
pub const ROLLED_OUT: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];

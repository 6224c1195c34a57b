//! The summary at the end of a run: what completed, what runs, what is stuck and on what, what was
//! assumed, what is not modelled.

mod causes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::stuck::{Stuck, Told};
use super::timeline::{count, duration, name};
use crate::base::time::SimTime;
use crate::model::{
    ContainerState, CronJob, Job, Kind, Meta, Object, Phase, Pod, Ref, Uid, sim_time,
};
use crate::store::Store;
use crate::trace::{Assumption, Change, Fact, FactKind};

/// What a run comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// What has done its work.
    pub completed: Vec<Entry>,
    /// What runs as it should.
    pub running: Vec<Entry>,
    /// What is on its way or not as it should be.
    pub stuck: Vec<Entry>,
    /// What was assumed.
    pub assumed: Vec<Assumption>,
    /// What the input asks for and the simulation does not model.
    pub unmodelled: Vec<Assumption>,
    /// Kinds that are kept without behaviour, and how many objects of each.
    pub inert: Vec<(String, usize)>,
    /// What holds the stuck objects up, and what would help, where that was looked for.
    pub found: BTreeMap<Ref, Found>,
}

/// Why an object is stuck: the root causes, with what was found to help.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where its waiting ends.
    pub stuck: Stuck,
    /// What helps.
    pub remedy: Remedy,
}

/// What helps a stuck object.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// This change was tried: in a run with it the object gets on and nothing else is stuck that was not.
    Works(String),
    /// This change suggests itself, and was not found to help: why not.
    Unverified(String, String),
    /// Nothing suggests itself.
    None,
}

impl Found {
    /// The root causes and the remedy, in lines.
    pub fn lines(&self) -> Vec<String> {
        let causes = self.stuck.roots.iter().map(|root| format!("root cause: {}", root.text));
        let fix = match &self.remedy {
            Remedy::Works(fix) => Some(format!("fix: {fix} (tried: it works)")),
            Remedy::Unverified(fix, why) => Some(format!("fix: {fix} (not verified: {why})")),
            Remedy::None => None,
        };
        causes.chain(fix).collect()
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        let mut json = self.stuck.to_json();
        json["fix"] = match &self.remedy {
            Remedy::Works(fix) => json!({"text": fix, "verified": true}),
            Remedy::Unverified(fix, why) => json!({"text": fix, "verified": false, "because": why}),
            Remedy::None => Value::Null,
        };
        json
    }
}

/// The kinds that are shown whatever their state, in this order.
const SHOWN: [Kind; 11] = [
    Kind::Job,
    Kind::CronJob,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Pod,
    Kind::PersistentVolumeClaim,
    Kind::Service,
    Kind::Namespace,
];

/// One object of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which object.
    pub of: Ref,
    /// The same as it is shown: `deployment/web`.
    pub object: String,
    /// How it stands: `2 of 2 ready`.
    pub state: String,
    /// Why it does not get on; empty where it does.
    pub causes: Vec<String>,
}

/// What a summary needs of the facts.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    assumed: BTreeSet<Assumption>,
    unmodelled: BTreeSet<Assumption>,
    runs: BTreeMap<Uid, usize>,
    told: Told,
}

impl Gathered {
    /// What is known of the reasons why objects are stuck.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        self.told.observe(fact);
        match &fact.kind {
            FactKind::Assumed(a) => {
                self.assumed.insert(Assumption::clone(a));
            }
            FactKind::Unmodelled(a) => {
                self.unmodelled.insert(Assumption::clone(a));
            }
            FactKind::Object { change: Change::Deleted, object, .. } => {
                self.runs.remove(&object.meta().uid);
            }
            FactKind::Object { object, old: None, .. } => {
                if is_own(object) {
                    self.unmodelled.extend(super::unmodelled::of(object));
                } else if let Object::Job(job) = object
                    && let Some(owner) = job.meta.controller_of_kind(Kind::CronJob)
                {
                    *self.runs.entry(owner.uid).or_insert(0) += 1;
                }
            }
            FactKind::Object { .. }
            | FactKind::Event { .. }
            | FactKind::Output(_)
            | FactKind::Waiting(_)
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Step(_) => {}
        }
    }
}

impl Summary {
    /// Looks at a cluster at the end of a run. `blocked` tells where a container's script stands.
    pub fn of(
        store: &Store,
        now: SimTime,
        gathered: &Gathered,
        inert: Vec<(String, usize)>,
        blocked: &dyn Fn(&Pod, &str) -> Option<String>,
    ) -> Self {
        let mut summary = Self {
            assumed: gathered.assumed.iter().cloned().collect(),
            unmodelled: gathered.unmodelled.iter().cloned().collect(),
            inert,
            ..Self::default()
        };
        let look = causes::Look { store, now, waiting: gathered.told.waiting(), blocked };
        for kind in SHOWN.iter().chain(Kind::ALL.iter().filter(|k| !SHOWN.contains(k))) {
            let mut objects: Vec<&Object> = store.list(*kind).filter(|o| is_own(o)).collect();
            objects.sort_by(|a, b| a.key().cmp(&b.key()));
            for object in objects {
                summary.add(object, &look, gathered);
            }
        }
        summary
    }

    fn add(&mut self, object: &Object, look: &causes::Look<'_>, gathered: &Gathered) {
        let entry = |state: String, causes: Vec<String>| Entry {
            of: object.reference(),
            object: name(&object.reference()),
            state,
            causes,
        };
        match object {
            Object::Job(job) => self.add_job(job, object, look),
            Object::CronJob(cron) => {
                let runs = gathered.runs.get(&cron.meta.uid).copied().unwrap_or(0);
                let causes = look.of_schedule(cron);
                let entry = entry(schedule(cron, runs), causes);
                if entry.causes.is_empty() {
                    self.running.push(entry);
                } else {
                    self.stuck.push(entry);
                }
            }
            Object::Node(node) => {
                let refused = gathered.told.drain_refused(&node.meta.name);
                if let Some(why) = refused.filter(|_| node.unschedulable) {
                    self.stuck.push(entry("not drained".to_owned(), vec![why]));
                }
            }
            Object::Pod(pod) => self.add_pod(pod, object, look),
            Object::PersistentVolumeClaim(claim) => {
                let phase = claim.body.status.as_ref().and_then(|s| s.phase.as_deref());
                if phase != Some("Bound") {
                    let causes = look.waiting_for(claim.meta.uid);
                    self.stuck.push(entry("not bound".to_owned(), causes));
                }
            }
            Object::Service(_) | Object::Namespace(_) => {
                let causes = look.waiting_for(object.meta().uid);
                let terminating = object.meta().is_terminating();
                if terminating || !causes.is_empty() {
                    let state = if terminating { "being deleted" } else { "without an address" };
                    self.stuck.push(entry(state.to_owned(), causes));
                }
            }
            _ => {
                let Some((ready, wanted)) = replicas(object) else {
                    if object.meta().is_terminating() {
                        let causes = look.waiting_for(object.meta().uid);
                        self.stuck.push(entry("being deleted".to_owned(), causes));
                    }
                    return;
                };
                let mut state = format!("{ready} of {wanted} ready");
                let updated = updated(object).filter(|updated| *updated < wanted);
                if let Some(updated) = updated.filter(|updated| *updated < ready) {
                    let _ = write!(state, ", {updated} of the new version");
                }
                if ready >= wanted && updated.is_none() {
                    self.running.push(entry(state, Vec::new()));
                } else {
                    self.stuck.push(entry(state, look.of_workload(object.meta())));
                }
            }
        }
    }

    fn add_pod(&mut self, pod: &Pod, object: &Object, look: &causes::Look<'_>) {
        let entry = |state: String, causes: Vec<String>| Entry {
            of: object.reference(),
            object: name(&object.reference()),
            state,
            causes,
        };
        match pod.status.phase {
            Phase::Succeeded => self.completed.push(entry("succeeded".to_owned(), Vec::new())),
            Phase::Failed => {
                self.stuck.push(entry("failed".to_owned(), look.of_pod(pod)));
            }
            Phase::Running if pod.is_ready() => {
                self.running.push(entry(placed(pod), Vec::new()));
            }
            Phase::Pending | Phase::Running | Phase::Unknown => {
                self.stuck.push(entry("not ready".to_owned(), look.of_pod(pod)));
            }
        }
    }

    fn add_job(&mut self, job: &Job, object: &Object, look: &causes::Look<'_>) {
        let status = &job.status;
        let took = match (status.start_time, status.completion_time) {
            (Some(a), Some(b)) => format!(" in {}", duration(b.since(a))),
            _ => String::new(),
        };
        let entry = |state: String, causes: Vec<String>| Entry {
            of: object.reference(),
            object: name(&object.reference()),
            state,
            causes,
        };
        if status.is_true("Complete") {
            let state = format!("complete, {} succeeded{took}", status.succeeded);
            self.completed.push(entry(state, Vec::new()));
        } else if status.is_true("Failed") {
            let failed = status.conditions.iter().find(|c| c.kind == "Failed");
            let why = failed.map(|c| c.message.to_string()).into_iter().collect();
            let state = format!("failed, {} failed, {} succeeded", status.failed, status.succeeded);
            self.stuck.push(entry(state, why));
        } else {
            let mut causes = look.of_workload(&job.meta);
            if causes.is_empty() {
                causes = look.waiting_for(job.meta.uid);
            }
            let state = format!("{} active, {} succeeded", status.active, status.succeeded);
            if causes.is_empty() && status.active > 0 {
                self.running.push(entry(state, causes));
            } else {
                self.stuck.push(entry(state, causes));
            }
        }
    }

    /// The summary as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let rows = |all: &[Entry]| -> Vec<Row> { all.iter().map(|e| e.row(&self.found)).collect() };
        section(&mut text, "completed", &rows(&self.completed));
        section(&mut text, "running", &rows(&self.running));
        section(&mut text, "stuck", &rows(&self.stuck));
        let said = |a: &Assumption| Row {
            object: a.subject.to_string(),
            state: a.text.to_string(),
            below: Vec::new(),
        };
        section(&mut text, "assumed", &self.assumed.iter().map(said).collect::<Vec<_>>());
        section(&mut text, "not modelled", &self.unmodelled.iter().map(said).collect::<Vec<_>>());
        let inert = |(kind, n): &(String, usize)| Row {
            object: kind.clone(),
            state: format!("{}, kept without behaviour", count(*n, "object")),
            below: Vec::new(),
        };
        section(&mut text, "inert", &self.inert.iter().map(inert).collect::<Vec<_>>());
        text
    }

    /// The summary as JSON.
    pub fn to_json(&self) -> Value {
        let entries = |all: &[Entry]| -> Vec<Value> {
            all.iter()
                .map(|e| {
                    let mut entry =
                        json!({"object": e.object, "state": e.state, "causes": e.causes});
                    if let Some(found) = self.found.get(&e.of) {
                        let found = found.to_json();
                        for field in ["rootCauses", "waitsFor", "fix"] {
                            entry[field] = found[field].clone();
                        }
                    }
                    entry
                })
                .collect()
        };
        let said = |all: &[Assumption]| -> Vec<Value> {
            all.iter()
                .map(|a| json!({"subject": a.subject.as_str(), "text": a.text.as_str()}))
                .collect()
        };
        let inert: BTreeMap<&str, usize> =
            self.inert.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
        json!({
            "completed": entries(&self.completed),
            "running": entries(&self.running),
            "stuck": entries(&self.stuck),
            "assumed": said(&self.assumed),
            "notModelled": said(&self.unmodelled),
            "inert": inert,
        })
    }
}

/// The width of the column of section names.
const SECTION: usize = 12;

/// A line of a summary, with those below it.
struct Row {
    object: String,
    state: String,
    below: Vec<String>,
}

impl Entry {
    fn row(&self, found: &BTreeMap<Ref, Found>) -> Row {
        let mut below = self.causes.clone();
        below.extend(found.get(&self.of).into_iter().flat_map(Found::lines));
        Row { object: self.object.clone(), state: self.state.clone(), below }
    }
}

fn section(text: &mut String, title: &str, entries: &[Row]) {
    let width = entries.iter().map(|e| e.object.chars().count()).max().unwrap_or(0).min(36);
    for (i, entry) in entries.iter().enumerate() {
        let title = if i == 0 { title } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{title:>SECTION$}  {:<width$}  {}", entry.object, entry.state);
        for line in &entry.below {
            let _ = writeln!(text, "{:SECTION$}    {line}", "");
        }
    }
}

/// Whether an object is the user's own and not made by a controller.
fn is_own(object: &Object) -> bool {
    object.meta().controller().is_none()
}

fn placed(pod: &Pod) -> String {
    let restarts: u32 = pod.status.containers.iter().map(|c| c.restart_count).sum();
    let again = match restarts {
        0 => String::new(),
        n => format!(", {}", count(usize::try_from(n).unwrap_or(usize::MAX), "restart")),
    };
    format!("ready on {}{again}", pod.node.as_deref().unwrap_or("no node"))
}

fn schedule(cron: &CronJob, runs: usize) -> String {
    let last = cron.status.last_schedule_time.as_ref().map(sim_time);
    let last = last.map(|t| format!(", last at {}", t.to_utc().format("%Y-%m-%d %H:%M")));
    let schedule = &cron.spec.wire.schedule;
    format!("{schedule:?}: {}{}", count(runs, "run"), last.unwrap_or_default())
}

/// Ready and wanted pods of a workload.
fn replicas(object: &Object) -> Option<(i32, i32)> {
    let or = |n: Option<i32>| n.unwrap_or(0);
    Some(match object {
        Object::Deployment(d) => (or(d.status.ready_replicas), d.spec.wire.replicas.unwrap_or(1)),
        Object::ReplicaSet(r) => (or(r.status.ready_replicas), r.spec.wire.replicas.unwrap_or(1)),
        Object::ReplicationController(r) => {
            (or(r.status.ready_replicas), r.spec.wire.replicas.unwrap_or(1))
        }
        Object::StatefulSet(s) => (or(s.status.ready_replicas), s.spec.wire.replicas.unwrap_or(1)),
        Object::DaemonSet(d) => (d.status.number_ready, d.status.desired_number_scheduled),
        _ => return None,
    })
}

/// How many pods of a workload are of the version that is rolled out; `None` where that is left to others.
fn updated(object: &Object) -> Option<i32> {
    let or = |n: Option<i32>| n.unwrap_or(0);
    match object {
        Object::Deployment(d) => Some(or(d.status.updated_replicas)),
        Object::StatefulSet(s) => {
            let strategy = s.spec.wire.update_strategy.as_ref();
            let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
            let whole = rolling.and_then(|r| r.partition).unwrap_or(0) == 0;
            let by_itself = strategy.is_none_or(|s| s.type_.as_deref() != Some("OnDelete"));
            let under_way = s.status.current_revision != s.status.update_revision;
            (whole && by_itself && under_way).then_some(or(s.status.updated_replicas))
        }
        Object::DaemonSet(d) => {
            let strategy = d.spec.wire.update_strategy.as_ref();
            let by_itself = strategy.is_none_or(|s| s.type_.as_deref() != Some("OnDelete"));
            by_itself.then_some(or(d.status.updated_number_scheduled))
        }
        _ => None,
    }
}

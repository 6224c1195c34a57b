//! A trace reduced to its units of milestones and its counts of events.
//!
//! The files beside this one know what is a milestone of which kind (`pods`, `workloads`, `rest`);
//! here are what they share (lives, gauges, conditions), what spans several objects (how many pods
//! each owner made, how they are spread, crash loops that make counts flap), and the order in which
//! all of it is put together.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{self, EventKey};
use super::identity::Identities;
use super::life::{Life, State};
use super::marks::{Gauge, Level, SETTLED, SOLID, Showing, Unit};
use super::placement;
use super::steps;
use super::trace_file::TraceFile;
use super::value::{field, list, shown, text};
use super::{pods, rest, workloads};

/// A trace as the comparison sees it.
pub(super) struct Reduced {
    pub(super) scenario: Option<String>,
    /// The times of the steps, in order.
    pub(super) steps: Vec<f64>,
    pub(super) units: Vec<Unit>,
    pub(super) events: BTreeMap<EventKey, u64>,
    /// What is random in the texts of this trace.
    pub(super) identities: Identities,
    pub(super) broken: Vec<String>,
}

/// What the reduction of one object may look at.
pub(super) struct Context<'a> {
    pub(super) file: &'a TraceFile,
    pub(super) ids: &'a Identities,
    /// The end of the run, in seconds.
    pub(super) end: f64,
    /// The nodes that a step stopped.
    pub(super) stopped: BTreeSet<&'a str>,
    /// The pods with a volume that could not be mounted at first.
    pub(super) mounts_failed: BTreeSet<&'a str>,
}

/// The units of a trace in order of their first mention, which is the order the pairing sees.
#[derive(Default)]
pub(super) struct Units {
    all: Vec<Unit>,
    by_key: BTreeMap<String, usize>,
}

impl Units {
    /// The unit of a key, made when it is new.
    pub(super) fn unit(&mut self, key: &str, group: &str) -> &mut Unit {
        let at = self.by_key.get(key).copied().unwrap_or_else(|| {
            self.all.push(Unit::new(key, group));
            self.by_key.insert(key.to_owned(), self.all.len() - 1);
            self.all.len() - 1
        });
        &mut self.all[at]
    }
}

impl Reduced {
    /// Reduces a trace.
    pub(super) fn of(file: TraceFile) -> Self {
        let identities = Identities::of(&file);
        let cx = Context {
            file: &file,
            ids: &identities,
            end: file.end(),
            stopped: file
                .steps
                .iter()
                .filter(|s| s.action == "stop-node")
                .map(|s| s.arg.as_str())
                .collect(),
            mounts_failed: events::mounts_failed(&file),
        };
        let mut units = Units::default();
        let mut unsure = BTreeSet::new();
        for i in 0..file.lives.len() {
            reduce_life(&cx, i, &mut units, &mut unsure);
        }
        rest::endpoints(&cx, &mut units);
        rest::revisions(&cx, &mut units);
        pods_of_owners(&cx, &mut units);
        for step in &file.steps {
            steps::reduce(&cx, step, &mut units);
        }
        let events = events::counts(&cx);
        let mut units = units.all;
        excuse_flapping(&mut units, &unsure);
        let mut serial = 0;
        for unit in &mut units {
            unit.sort();
            for mark in &mut unit.marks {
                serial += 1;
                mark.serial = serial;
            }
        }
        let mut steps: Vec<f64> = file.steps.iter().map(|s| s.t).collect();
        steps.sort_by(f64::total_cmp);
        let TraceFile { header, broken, .. } = file;
        Self { scenario: header.scenario, steps, units, events, identities, broken }
    }
}

fn reduce_life(cx: &Context<'_>, i: usize, units: &mut Units, unsure: &mut BTreeSet<String>) {
    let life = &cx.file.lives[i];
    let who = cx.ids.get(i);
    if matches!(
        life.kind.as_str(),
        "Namespace" | "Event" | "EndpointSlice" | "ControllerRevision" | "PriorityClass"
    ) {
        return;
    }
    if life.kind == "StatefulSet" {
        workloads::statefulset(cx, i, units);
        return;
    }
    let unit = units.unit(&who.key, &who.group);
    match life.kind.as_str() {
        "Pod" => {
            if !pods::reduce(cx, i, unit) {
                unsure.insert(unit.family.clone());
            }
        }
        "Job" => workloads::job(cx, i, unit),
        "CronJob" => workloads::cronjob(cx, life, unit),
        "Deployment" => workloads::deployment(cx, life, unit),
        "ReplicaSet" | "ReplicationController" => workloads::replicaset(cx, i, unit),
        "DaemonSet" => workloads::daemonset(cx, life, unit),
        "PodDisruptionBudget" => rest::disruption_budget(cx, life, unit),
        "ResourceQuota" => rest::quota(cx, life, unit),
        "PersistentVolumeClaim" => rest::volume_claim(cx, life, unit),
        "PersistentVolume" => rest::volume(cx, life, unit),
        "Node" => rest::node(cx, life, unit),
        _ => cx.life(life, unit),
    }
}

/// How the value of a gauge is read from a state; `None` is the gauge's own nothing.
pub(super) type Reading<'a> = (String, Box<dyn Fn(&State) -> Option<Level> + 'a>);

impl Context<'_> {
    /// A message without anything random in it.
    pub(super) fn text(&self, s: &str) -> String {
        self.ids.names.text(s)
    }

    /// When an object ends: its deletion, or the end of the run.
    pub(super) fn end_of(&self, life: &Life) -> f64 {
        life.gone.map_or(self.end, |gone| gone.min(self.end))
    }

    /// Created, deletion requested, gone: the same for every kind but pods.
    pub(super) fn life(&self, life: &Life, unit: &mut Unit) {
        unit.uid.clone_from(&life.uid);
        if life.added {
            unit.at(life.born, "created");
        }
        if let Some(state) = life.deletion_requested() {
            let finalizers = shown_finalizers(state);
            let solid = life.gone.is_none_or(|gone| gone - state.t >= SOLID);
            unit.at(state.t, format!("deletion requested{finalizers}")).solid = solid;
        }
        match life.gone {
            None => unit.terminal("exists at the end"),
            Some(gone) => {
                unit.at(gone, "gone");
                if self.end - gone > 2.0 {
                    unit.terminal("gone at the end");
                }
            }
        }
    }

    /// One gauge for each reading; where a state has no value it is `nothing`.
    pub(super) fn gauges(
        &self,
        life: &Life,
        unit: &mut Unit,
        nothing: &Level,
        readings: Vec<Reading<'_>>,
    ) -> Vec<Gauge> {
        let how = Showing::until(self.end_of(life), life.gone.is_none());
        let mut gauges = Vec::new();
        for (name, read) in readings {
            let mut gauge = Gauge::default();
            for state in life.alive() {
                gauge.put(state.t, read(state).unwrap_or_else(|| nothing.clone()));
            }
            gauge.show(unit, &name, how.skip_first(gauge.begins_blank()));
            gauges.push(gauge);
        }
        gauges
    }

    /// Every condition as a gauge of status, reason and message, solid when held `hold` seconds.
    pub(super) fn conditions(&self, life: &Life, unit: &mut Unit, hold: f64) {
        let mut gauges: BTreeMap<String, Gauge> = BTreeMap::new();
        for state in life.alive() {
            let mut seen = BTreeSet::new();
            for condition in list(&state.status, "conditions") {
                let what = shown(condition.get("type"));
                let mut value = shown(condition.get("status"));
                if let Some(reason) = text(condition, "reason") {
                    value = format!("{value} {reason}");
                }
                if let Some(message) = text(condition, "message") {
                    value = format!("{value} \"{}\"", self.text(message));
                }
                gauges.entry(what.clone()).or_default().put(state.t, Level::Text(value));
                seen.insert(what);
            }
            for (_, gauge) in gauges.iter_mut().filter(|(what, _)| !seen.contains(*what)) {
                gauge.put(state.t, Level::text("absent"));
            }
        }
        let end = self.end_of(life);
        for (what, gauge) in &gauges {
            gauge.show(unit, what, Showing::until(end, life.gone.is_none()).hold(hold));
            let Some((since, last)) = gauge.points().last().filter(|_| life.gone.is_some()) else {
                continue;
            };
            let lasting = end - since >= SETTLED || matches!(what.as_str(), "Complete" | "Failed");
            if lasting && *last != Level::text("absent") {
                unit.terminal(format!("ended {what} {last}"));
            }
        }
    }
}

/// A reading of a field of the status.
pub(super) fn status(name: &str, key: &'static str) -> Reading<'static> {
    (name.to_owned(), Box::new(move |s| reading(field(&s.status, key))))
}

/// The level of a field, if it is there.
pub(super) fn reading(value: Option<&serde_json::Value>) -> Option<Level> {
    value.map(|v| Level::of(Some(v), &Level::Unknown))
}

fn shown_finalizers(state: &State) -> String {
    let mut names: Vec<&str> = list(&state.meta, "finalizers")
        .iter()
        .filter_map(serde_json::Value::as_str)
        .filter(|f| matches!(*f, "foregroundDeletion" | "orphan") || f.contains("example"))
        .collect();
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(",")) }
}

/// How many pods each owner made in all, and how they are spread over the nodes at the end.
fn pods_of_owners(cx: &Context<'_>, units: &mut Units) {
    let mut made: BTreeMap<Option<&str>, (usize, f64)> = BTreeMap::new();
    let mut spread: BTreeMap<&str, BTreeMap<Option<&str>, usize>> = BTreeMap::new();
    for (i, pod) in cx.file.lives.iter().enumerate().filter(|(_, l)| l.kind == "Pod") {
        let owner = cx.ids.owner_key(i);
        if pod.added {
            let (n, latest) = made.entry(owner).or_insert((0, pod.born));
            *n += 1;
            *latest = latest.max(pod.born);
        }
        if let Some(owner) = owner.filter(|_| pod.gone.is_none() && placement::is_spread(pod)) {
            *spread.entry(owner).or_default().entry(pod.node()).or_default() += 1;
        }
    }
    for (owner, (n, latest)) in made {
        let key = owner.map_or("Pods without owner".to_owned(), |o| format!("Pods of {o}"));
        let unit = units.unit(&key, &key);
        if let Some(owner) = owner {
            owner.clone_into(&mut unit.family);
        }
        unit.fact(format!("made in all {n}")).terminal = latest < cx.end - 3.0;
    }
    for (owner, mut on) in spread {
        let pending = on.remove(&None).unwrap_or(0);
        let mut counts: Vec<usize> = on.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let shape: Vec<String> = counts.iter().map(usize::to_string).collect();
        let waiting = if pending > 0 { format!(", {pending} pending") } else { String::new() };
        let key = format!("Pods of {owner}");
        units.unit(&key, &key).fact(format!("finally spread {}{waiting}", shape.join("/")));
    }
}

/// Where a pod is in a crash loop, the counts of ready pods above it flip at times that are random:
/// only where they end is required, and not even that where the end of the run is a matter of
/// chance (`unsure` families).
fn excuse_flapping(units: &mut [Unit], unsure: &BTreeSet<String>) {
    let mut since: BTreeMap<String, f64> = BTreeMap::new();
    for unit in units.iter() {
        for window in unit.marks.iter().filter_map(|m| m.window) {
            let first = since.entry(unit.family.clone()).or_insert(f64::INFINITY);
            *first = first.min(window.since - 1.0);
        }
    }
    let first = since.values().copied().min_by(f64::total_cmp);
    let flips = ["ready ", "available ", "unavailable ", "addresses "];
    let pooled = ["currentHealthy ", "disruptionsAllowed ", "DisruptionAllowed ", "Available "];
    for unit in units.iter_mut() {
        let kind = unit.key.split(' ').next().unwrap_or_default().to_owned();
        if kind == "Pod" {
            continue;
        }
        let start = match kind.as_str() {
            "EndpointSlice" | "PodDisruptionBudget" => first,
            _ => since.get(&unit.family).copied(),
        };
        let by_chance = unsure.contains(&unit.family);
        for mark in &mut unit.marks {
            let last = mark.what.strip_prefix("finally ");
            if by_chance && last.is_some_and(|what| flips.iter().any(|f| what.starts_with(f))) {
                mark.excuse();
            }
            let random = start.zip(mark.t).is_some_and(|(start, t)| t >= start - 1.0);
            if random && flips.iter().chain(&pooled).any(|f| mark.what.starts_with(f)) {
                mark.solid = false;
            }
        }
    }
}

/// The node names of the header.
pub(super) fn node_names(file: &TraceFile) -> BTreeSet<&str> {
    file.header.nodes.iter().map(|n| n.name.as_str()).collect()
}

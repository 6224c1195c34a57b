//! The milestones of a pod: its making, binding, phases, conditions, containers and end.
//!
//! The runs of its containers are in `runs`, the node it takes in `placement`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::life::{Life, State};
use super::marks::{Gauge, Level, Mark, SETTLED, SOLID, Showing, Unit};
use super::placement;
use super::reduce::{Context, node_names};
use super::runs::{Chance, Run, Runs};
use super::value::{count, field, is_set, list, number, pairs, shown, text};
use crate::base::Str;

/// Waiting reasons that are a failure, and the name under which each is told: of one failing pull
/// `ErrX` and `XBackOff` alternate, and which of them a status update catches is chance.
fn failing(reason: &str) -> Option<&str> {
    match reason {
        "ErrImagePull" | "ImagePullBackOff" => Some("ImagePull"),
        "CrashLoopBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "ImageInspectError" => Some(reason),
        _ => None,
    }
}

/// Labels that are generated per object.
const GENERATED_LABELS: [&str; 7] = [
    "pod-template-hash",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "controller-revision-hash",
    "pod-template-generation",
    "job-name",
    "batch.kubernetes.io/job-name",
];

/// What the lines of a pod show.
#[derive(Default)]
struct Seen {
    /// When it was bound, and to which node.
    bound: Option<(f64, String)>,
    /// When its deletion was asked for, and with which grace.
    deleted: Option<(f64, String)>,
    phase: Gauge,
    ready: Gauge,
    /// The `Ready` condition by line: when, and how many restarts there were until then.
    flips: Vec<(f64, i64)>,
    conditions: BTreeMap<String, Gauge>,
    /// Why it could not be scheduled (reason and message), and since when.
    unscheduled: BTreeMap<(String, String), f64>,
    runs: Runs,
    /// Failing to start, by container and reason, and since when.
    waiting: BTreeMap<(String, String), f64>,
    /// `ready` and `started` by container.
    containers: BTreeMap<(String, &'static str), Gauge>,
}

/// How much an exit and readiness may be off because of the phase of a probe's period, in seconds.
#[derive(Clone, Copy, Default)]
struct ProbeSlack {
    exit: f64,
    ready: f64,
}

/// Adds the milestones of the pod number `i`; false when the end of the run makes it a matter of
/// chance which of its restarts are still seen.
pub(super) fn reduce(cx: &Context<'_>, i: usize, unit: &mut Unit) -> bool {
    let pod = &cx.file.lives[i];
    unit.family = family(cx, i);
    unit.uid.clone_from(&pod.uid);
    let end = cx.end_of(pod);
    let seen = Seen::of(cx, pod);
    if pod.added {
        unit.at(pod.born, "created");
    }
    unit.fact(format!("facts {}", facts(cx, pod)));
    show_requests(pod, &seen, unit, end);
    let probes = probe_slacks(pod);
    show_runs(cx, pod, &seen, &probes, unit);
    let chance = seen.runs.chance(end);
    if pod.gone.is_none() {
        for (container, restarts) in chance.sure_restarts(end) {
            unit.terminal(format!("finally {container} restarted {restarts} times"));
        }
    }
    let slack = probes.values().fold(0.0, |most: f64, p| most.max(p.ready));
    show_state(pod, &seen, slack, unit, end);
    show_containers(pod, &seen, slack, unit, end);
    show_end(cx, pod, unit);
    excuse_chance(&chance, unit);
    if let Some(node) = placement::determined_node(cx.file, pod).and(unit.node.clone()) {
        unit.fact(format!("on {node}"));
    }
    chance.all_sure
}

/// The top of its owners, where the trace shows or names one.
fn family(cx: &Context<'_>, i: usize) -> String {
    let named = || {
        let owner = cx.file.lives[i].owner.as_ref()?;
        Some(format!("{} {}", owner.kind, owner.name))
    };
    let top = cx.ids.top_owner_key(i).map(str::to_owned);
    top.or_else(named).unwrap_or_else(|| cx.ids.get(i).key.clone())
}

/// What a pod is made with: labels, resources, QoS class, priority.
fn facts(cx: &Context<'_>, pod: &Life) -> String {
    let spec = &pod.first().spec;
    let of_a_node = |k: &str| k.starts_with("topology.kubernetes.io/") || k.ends_with("hostname");
    let keep = |k: &str| !GENERATED_LABELS.contains(&k) && !of_a_node(k);
    let labels = pod.first().meta.get("labels").unwrap_or(&Value::Null);
    let mut facts = vec![format!("labels {}", pairs(labels, keep, |v| cx.text(&v)))];
    for container in containers(spec) {
        let resources = container.get("resources").unwrap_or(&Value::Null);
        for which in ["requests", "limits"].into_iter().filter(|w| is_set(resources, w)) {
            let name = shown(container.get("name"));
            let amounts = pairs(&resources[which], |_| true, |v| v);
            facts.push(format!("{name} {which} {amounts}"));
        }
    }
    facts.extend(pod.states.iter().find_map(|s| text(&s.status, "qosClass")).map(str::to_owned));
    if is_set(spec, "priority") {
        facts.push(format!("priority {}", shown(spec.get("priority"))));
    }
    facts.join("; ")
}

/// Init containers, then containers.
fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    list(spec, "initContainers").iter().chain(list(spec, "containers"))
}

fn probe_slacks(pod: &Life) -> BTreeMap<String, ProbeSlack> {
    let of = |container: &Value| {
        let mut slack = ProbeSlack::default();
        for which in ["livenessProbe", "startupProbe", "readinessProbe"] {
            let Some(probe) = field(container, which).filter(|_| is_set(container, which)) else {
                continue;
            };
            let period = number(probe, "periodSeconds").filter(|p| *p > 0.0).unwrap_or(10.0);
            let half = period.min(10.0) * 0.5;
            slack.ready = slack.ready.max(half);
            if which != "readinessProbe" {
                slack.exit = slack.exit.max(half);
            }
        }
        slack
    };
    containers(&pod.first().spec).map(|c| (shown(c.get("name")), of(c))).collect()
}

impl Seen {
    fn of(cx: &Context<'_>, pod: &Life) -> Self {
        let mut seen = Self::default();
        for (n, state) in pod.states.iter().enumerate() {
            // Its last state stands on the line of its deletion, and is no news.
            let last = pod.gone.is_some() && n + 1 == pod.states.len();
            if let Some(node) = text(&state.spec, "nodeName").filter(|_| seen.bound.is_none()) {
                seen.bound = Some((state.t, node.to_owned()));
            }
            let going = field(&state.meta, "deletionTimestamp").is_some() && !last;
            if going && seen.deleted.is_none() {
                let grace = state.meta.get("deletionGracePeriodSeconds");
                let grace = grace.map_or("?".to_owned(), |g| shown(Some(g)));
                seen.deleted = Some((state.t, grace));
            }
            if let Some(phase) = text(&state.status, "phase").filter(|_| !last) {
                seen.phase.put(state.t, with_reason(phase, text(&state.status, "reason")));
            }
            seen.take_conditions(cx, state, last);
            seen.take_containers(state, last);
        }
        seen
    }

    fn take_conditions(&mut self, cx: &Context<'_>, state: &State, last: bool) {
        for condition in list(&state.status, "conditions") {
            let what = shown(condition.get("type"));
            let status = shown(condition.get("status"));
            let reason = text(condition, "reason");
            match what.as_str() {
                "PodScheduled" if status == "False" => {
                    let message = text(condition, "message").map(|m| cx.text(m));
                    let why = (
                        shown(condition.get("reason")),
                        message.unwrap_or_else(|| shown(condition.get("message"))),
                    );
                    self.unscheduled.entry(why).or_insert(state.t);
                }
                "PodScheduled" | "ContainersReady" | "PodReadyToStartContainers" => {}
                _ if last => {}
                "Ready" => {
                    // Counted by restarts, so that each flip pairs with that of the same run.
                    self.flips.push((state.t, restarts(&state.status)));
                    self.ready.put(state.t, with_reason(&status, reason));
                }
                "Initialized" => self.put_condition(&what, state.t, Level::Text(status)),
                "DisruptionTarget" => {
                    let mut level = with_reason(&status, reason);
                    if let Some(message) = text(condition, "message") {
                        let message = cx.ids.names.text_without_nodes(message);
                        level = Level::Text(format!("{level} \"{message}\""));
                    }
                    self.put_condition(&what, state.t, level);
                }
                _ => self.put_condition(&what, state.t, with_reason(&status, reason)),
            }
        }
    }

    fn put_condition(&mut self, what: &str, t: f64, level: Level) {
        self.conditions.entry(what.to_owned()).or_default().put(t, level);
    }

    fn take_containers(&mut self, state: &State, last: bool) {
        for status in statuses(&state.status) {
            let name = shown(status.get("name"));
            self.runs.take(&name, status, state.t, self.deleted.is_some());
            let reason = status.get("state").and_then(|s| s.get("waiting"));
            if let Some(reason) = reason.and_then(|w| failing(text(w, "reason")?)) {
                self.waiting.entry((name.clone(), reason.to_owned())).or_insert(state.t);
            }
            if last {
                continue;
            }
            let ready = self.containers.entry((name.clone(), "ready")).or_default();
            ready.put(state.t, Level::of(status.get("ready"), &Level::Unknown));
            if let Some(started) = field(status, "started") {
                let gauge = self.containers.entry((name, "started")).or_default();
                gauge.put(state.t, Level::of(Some(started), &Level::Unknown));
            }
        }
    }
}

fn with_reason(value: &str, reason: Option<&str>) -> Level {
    Level::Text(reason.map_or_else(|| value.to_owned(), |r| format!("{value} {r}")))
}

fn statuses(status: &Value) -> impl Iterator<Item = &Value> {
    list(status, "initContainerStatuses").iter().chain(list(status, "containerStatuses"))
}

fn restarts(status: &Value) -> i64 {
    statuses(status).fold(0, |n, s| n.saturating_add(count(s, "restartCount").unwrap_or(0)))
}

/// What was asked of the pod and what it waited for: binding, deletion, reasons.
fn show_requests(pod: &Life, seen: &Seen, unit: &mut Unit, end: f64) {
    if let Some((t, node)) = &seen.bound {
        unit.node = Some(Str::from(node));
        let unbound_at_first = text(&pod.first().spec, "nodeName").is_none();
        if *t > pod.born || pod.added && unbound_at_first {
            unit.at(*t, "scheduled");
        }
    }
    if let Some((t, grace)) = &seen.deleted {
        let solid = pod.gone.is_none_or(|gone| gone - t > 0.5);
        unit.at(*t, format!("deletion requested, grace {grace}")).solid = solid;
    }
    for ((reason, message), t) in &seen.unscheduled {
        let held = seen.bound.as_ref().map_or(end, |(bound, _)| *bound) - t;
        let mark = unit.at(*t, format!("not scheduled: {reason} \"{message}\""));
        mark.solid = held >= SOLID;
    }
    for ((container, reason), t) in &seen.waiting {
        // Seen only when the kubelet next writes the status, which may be one back-off later.
        unit.at(*t, format!("{container} waiting: {reason}")).slack = 15.0;
    }
}

/// When each run of each container started and how it ended.
fn show_runs(
    cx: &Context<'_>,
    pod: &Life,
    seen: &Seen,
    probes: &BTreeMap<String, ProbeSlack>,
    unit: &mut Unit,
) {
    let could_not_start: BTreeSet<&str> = seen
        .waiting
        .keys()
        .filter(|(_, reason)| reason != "CrashLoopBackOff")
        .map(|(container, _)| container.as_str())
        .collect();
    for ((container, number), run) in seen.runs.all() {
        let name =
            if *number == 0 { container.clone() } else { format!("{container} run {number}") };
        if let Some(start) = run.start {
            // Starting takes the kubelet 0.2 to 2.5 s, as mounts and its load have it.
            let mark = unit.at(start, format!("{name} started"));
            mark.loosen(1.2);
            mark.window = seen.runs.back_off(container, *number, start);
            let waited = seen.bound.as_ref().map_or(0.0, |(bound, _)| start - bound);
            let held_up = could_not_start.contains(container.as_str())
                || cx.mounts_failed.contains(pod.name.as_str());
            if *number == 0 && waited > 4.0 && held_up {
                mark.loosen((0.5 * waited + 1.0).min(45.0));
            }
        }
        if run.code.is_some() || run.finish.is_some() {
            let exit_slack = probes.get(container).map_or(0.0, |p| p.exit);
            let mark = exit(cx, run, &name, unit);
            mark.slack = exit_slack;
            mark.loose = exit_slack > 0.0;
            let settled = run.finish.is_some_and(|t| cx.end - t > SETTLED);
            mark.terminal = pod.gone.is_some() || settled;
        }
    }
}

fn exit<'a>(cx: &Context<'_>, run: &Run, name: &str, unit: &'a mut Unit) -> &'a mut Mark {
    let none = || "None".to_owned();
    let code = run.code.clone().unwrap_or_else(none);
    let reason = run.reason.clone().unwrap_or_else(none);
    let message = run.message.as_deref().map(|m| format!(" message \"{}\"", cx.text(m)));
    let mark = unit.fact(format!("{name} exited {code} {reason}{}", message.unwrap_or_default()));
    mark.t = run.finish;
    mark
}

/// Phase, readiness and the other conditions.
fn show_state(pod: &Life, seen: &Seen, slack: f64, unit: &mut Unit, end: f64) {
    let finally = pod.gone.is_none();
    let phases = seen.phase.points();
    let until = match phases.last() {
        Some((t, _)) if !finally => end.max(*t),
        _ => end,
    };
    let pending = phases.first().is_some_and(|(_, p)| *p == Level::text("Pending"));
    let how = Showing::until(until, finally).skip_first(pending);
    for mark in seen.phase.show(unit, "phase", how) {
        let ended = mark.what.contains("Succeeded") || mark.what.contains("Failed");
        if mark.t.is_some() && ended {
            mark.loosen(1.0); // the kubelet looks for ended containers once a second
        }
    }
    for mark in seen.ready.show(unit, "Ready", Showing::until(end, finally).slack(slack)) {
        let Some(t) = mark.t else { continue };
        let flip = seen.flips.iter().find(|(at, _)| at.total_cmp(&t).is_eq());
        if let Some((_, restarts)) = flip.filter(|(_, restarts)| *restarts != 0) {
            mark.what = format!("{} (after restart {restarts})", mark.what);
        }
    }
    for (what, gauge) in &seen.conditions {
        let marks = gauge.show(unit, what, Showing::until(end, finally));
        if what == "DisruptionTarget" {
            // Why a pod was taken away matters however shortly it was told.
            for mark in marks.iter_mut().filter(|m| m.t.is_some()) {
                mark.solid = true;
                mark.terminal = true;
            }
        }
    }
}

/// `started` and `ready` of single containers, where they tell more than the pod's conditions.
fn show_containers(pod: &Life, seen: &Seen, slack: f64, unit: &mut Unit, end: f64) {
    let spec = &pod.first().spec;
    let several = list(spec, "containers").len() > 1;
    for ((name, what), gauge) in &seen.containers {
        let container = containers(spec).filter(|c| shown(c.get("name")) == *name).last();
        let has = |key: &str| container.is_some_and(|c| is_set(c, key));
        let tells = match *what {
            "started" => has("startupProbe"),
            _ => several || has("restartPolicy"),
        };
        if tells {
            let how = Showing::until(end, false).slack(slack).skip_first(gauge.begins_blank());
            gauge.show(unit, &format!("{name} {what}"), how);
        }
    }
}

fn show_end(cx: &Context<'_>, pod: &Life, unit: &mut Unit) {
    let Some(gone) = pod.gone else {
        unit.terminal("exists at the end");
        return;
    };
    let known = node_names(cx.file);
    let lost = unit.node.as_deref().is_some_and(|node| {
        cx.stopped.contains(node) || !known.is_empty() && !known.contains(node)
    });
    let mark = unit.at(gone, "gone");
    if lost {
        mark.loosen(20.0); // the pod garbage collector comes every 20 s
    }
    if cx.end - gone > 3.0 {
        unit.terminal("gone at the end");
    }
}

/// What the end of the run leaves to chance is not required.
fn excuse_chance(chance: &Chance, unit: &mut Unit) {
    let of_readiness = |what: &str| {
        let Some(what) = what.strip_prefix("finally ") else { return false };
        let behind = what.split_once(' ').map_or("", |(_, rest)| rest);
        what.starts_with("Ready ") || behind.starts_with("ready ") || behind.starts_with("started ")
    };
    for mark in &mut unit.marks {
        let late = chance.unsure_since.zip(mark.t).is_some_and(|(since, t)| t >= since - 0.05);
        if late || !chance.all_sure && of_readiness(&mark.what) {
            mark.excuse();
        }
    }
}

//! The milestones of Jobs, CronJobs, Deployments, ReplicaSets, StatefulSets and DaemonSets: the
//! counts in their status, their conditions, and the order in which they made their pods.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::life::{Life, State};
use super::marks::{Gauge, Level, SOLID, Unit};
use super::placement::daemon_node;
use super::reduce::{Context, Reading, Units, reading, status};
use super::value::{count, field, is_set, list, number, shown, text};

/// A count that a status leaves out is zero.
const ZERO: Level = Level::Count(0);

/// A revision annotation of the deployment controller.
const DEPLOYMENT_ANNOTATION: &str = "deployment.kubernetes.io/";

/// Adds the milestones of the Job number `i`.
pub(super) fn job(cx: &Context<'_>, i: usize, unit: &mut Unit) {
    let job = &cx.file.lives[i];
    if let Some(owner) = cx.ids.owner_key(i) {
        owner.clone_into(&mut unit.family);
    }
    cx.life(job, unit);
    let indexes = |name: &str, key: &'static str| -> Reading<'_> {
        let read = move |s: &State| Some(Level::text(text(&s.status, key).unwrap_or_default()));
        (name.to_owned(), Box::new(read))
    };
    let flag = |name: &str, of: fn(&State) -> bool| -> Reading<'_> {
        (name.to_owned(), Box::new(move |s| Some(Level::choice(of(s), "yes", "none"))))
    };
    cx.gauges(
        job,
        unit,
        &ZERO,
        vec![
            status("succeeded", "succeeded"),
            status("failed", "failed"),
            status("active", "active"),
            status("ready", "ready"),
            status("terminating", "terminating"),
            flag("started", |s| field(&s.status, "startTime").is_some()),
            indexes("completedIndexes", "completedIndexes"),
            indexes("failedIndexes", "failedIndexes"),
            flag("suspend", |s| is_set(&s.spec, "suspend")),
        ],
    );
    cx.conditions(job, unit, 1.0);
    let given = |s: &&State| s.status.as_object().is_some_and(|s| !s.is_empty());
    let last = job.states.iter().rfind(given);
    if let Some(t) = last.and_then(|s| number(&s.status, "completionTime")) {
        unit.at(t, "completionTime");
    }
    let annotations = job.first().meta.get("annotations").unwrap_or(&Value::Null);
    if let Some(t) = number(annotations, "batch.kubernetes.io/cronjob-scheduled-timestamp") {
        unit.at(t, "scheduled for");
    }
}

/// Adds the milestones of a CronJob.
pub(super) fn cronjob(cx: &Context<'_>, cron_job: &Life, unit: &mut Unit) {
    cx.life(cron_job, unit);
    let active = |s: &State| i64::try_from(list(&s.status, "active").len()).ok().map(Level::Count);
    cx.gauges(cron_job, unit, &ZERO, vec![("active".to_owned(), Box::new(active))]);
    for key in ["lastScheduleTime", "lastSuccessfulTime"] {
        let mut seen = None;
        for state in &cron_job.states {
            let value = field(&state.status, key);
            if value.is_none() || value == seen {
                continue;
            }
            seen = value;
            unit.at(state.t, format!("{key} set"));
            if let Some(t) = value.and_then(Value::as_f64) {
                unit.at(t, format!("{key} value"));
            }
        }
    }
}

/// Adds the milestones of a Deployment.
pub(super) fn deployment(cx: &Context<'_>, deployment: &Life, unit: &mut Unit) {
    cx.life(deployment, unit);
    let gauges = cx.gauges(
        deployment,
        unit,
        &ZERO,
        vec![
            status("replicas", "replicas"),
            status("updated", "updatedReplicas"),
            status("ready", "readyReplicas"),
            status("available", "availableReplicas"),
            status("unavailable", "unavailableReplicas"),
            status("terminating", "terminatingReplicas"),
            annotation("revision"),
        ],
    );
    cx.conditions(deployment, unit, SOLID);
    let end = deployment.gone.unwrap_or(cx.end);
    let number = |n: Option<i64>| n.map_or_else(|| "None".to_owned(), |n| n.to_string());
    let most = gauges.first().and_then(|replicas| replicas.counts_held(end).max());
    unit.fact(format!("most replicas at a time {}", number(most)));
    let least = available_once_full(deployment).counts_held(end).min();
    unit.fact(format!("least available afterwards {}", number(least)));
}

/// The available replicas once all that were wanted were available.
fn available_once_full(deployment: &Life) -> Gauge {
    let mut gauge = Gauge::default();
    let (mut wanted, mut full) = (None, false);
    for state in &deployment.states {
        let wants = count(&state.spec, "replicas").unwrap_or(1);
        if wanted != Some(wants) {
            (wanted, full) = (Some(wants), false);
        }
        let available = count(&state.status, "availableReplicas").unwrap_or(0);
        full |= available >= wants;
        if full {
            gauge.put(state.t, Level::Count(available.min(wants)));
        }
    }
    gauge
}

/// Adds the milestones of the ReplicaSet or ReplicationController number `i`.
pub(super) fn replicaset(cx: &Context<'_>, i: usize, unit: &mut Unit) {
    let set = &cx.file.lives[i];
    if let Some(owner) = cx.ids.owner_key(i) {
        owner.clone_into(&mut unit.family);
    }
    cx.life(set, unit);
    let wants = |s: &State| reading(field(&s.spec, "replicas"));
    let gauges = cx.gauges(
        set,
        unit,
        &ZERO,
        vec![
            ("wants".to_owned(), Box::new(wants)),
            status("replicas", "replicas"),
            status("ready", "readyReplicas"),
            status("available", "availableReplicas"),
            annotation("revision"),
        ],
    );
    cx.conditions(set, unit, SOLID);
    let turns = gauges.first().map_or_else(Vec::new, Gauge::turns);
    let turns: Vec<String> = turns.iter().map(i64::to_string).collect();
    unit.fact(format!("wants over time {}", turns.join(",")));
    for key in ["desired-replicas", "max-replicas", "revision-history"] {
        if let Some(value) = annotated(set.last(), key) {
            unit.fact(format!("finally {key} {}", shown(Some(value))));
        }
    }
}

fn annotated<'a>(state: &'a State, key: &str) -> Option<&'a Value> {
    field(state.meta.get("annotations")?, &format!("{DEPLOYMENT_ANNOTATION}{key}"))
}

fn annotation(key: &'static str) -> Reading<'static> {
    (key.to_owned(), Box::new(move |s| reading(annotated(s, key))))
}

/// Adds the milestones of the StatefulSet number `i`, and the revision of each of its pods.
pub(super) fn statefulset(cx: &Context<'_>, i: usize, units: &mut Units) {
    let set = &cx.file.lives[i];
    let who = cx.ids.get(i);
    let lives = cx.file.lives.iter().enumerate();
    let pods: Vec<(usize, &Life)> = lives.filter(|(_, pod)| is_of(pod, set)).collect();
    let revisions = Revisions::of(set, &pods);
    let unit = units.unit(&who.key, &who.group);
    cx.life(set, unit);
    cx.gauges(
        set,
        unit,
        &ZERO,
        vec![
            status("replicas", "replicas"),
            status("ready", "readyReplicas"),
            status("available", "availableReplicas"),
            status("current", "currentReplicas"),
            status("updated", "updatedReplicas"),
            revisions.reading("currentRevision"),
            revisions.reading("updateRevision"),
        ],
    );
    cx.conditions(set, unit, SOLID);
    // Pods made within a moment of each other are not ordered under Parallel.
    let parallel = text(&set.first().spec, "podManagementPolicy") == Some("Parallel");
    let together = if parallel { 1.2 } else { 0.0 };
    let made = pods.iter().filter(|(_, p)| p.added).map(|(_, p)| (p.born, p.name.as_str()));
    let deleted =
        pods.iter().filter_map(|(_, p)| Some((p.deletion_requested()?.t, p.name.as_str())));
    let (made, deleted): (Vec<_>, Vec<_>) = (made.collect(), deleted.collect());
    unit.fact(format!("pods created in the order {}", in_order(made, together)));
    if !deleted.is_empty() {
        unit.fact(format!("pods deleted in the order {}", in_order(deleted, together)));
    }
    for (p, pod) in &pods {
        if let Some(revision) = pod.label(REVISION_LABEL).and_then(|hash| revisions.name(hash)) {
            let who = cx.ids.get(*p);
            units.unit(&who.key, &who.group).fact(format!("revision {revision}"));
        }
    }
}

/// The label that names the revision a pod was made from.
const REVISION_LABEL: &str = "controller-revision-hash";

/// The revisions of a StatefulSet, numbered in the order in which they are first met: as current
/// ones, as updates, on pods.
struct Revisions(BTreeMap<String, usize>);

impl Revisions {
    fn of(set: &Life, pods: &[(usize, &Life)]) -> Self {
        let status = |key| set.alive().iter().filter_map(move |s| text(&s.status, key));
        let labels = pods.iter().filter_map(|(_, pod)| pod.label(REVISION_LABEL));
        let mut numbers = BTreeMap::new();
        for hash in status("currentRevision").chain(status("updateRevision")).chain(labels) {
            let next = numbers.len() + 1;
            numbers.entry(hash.to_owned()).or_insert(next);
        }
        Self(numbers)
    }

    fn name(&self, hash: &str) -> Option<String> {
        self.0.get(hash).map(|n| format!("rev{n}"))
    }

    fn reading(&self, key: &'static str) -> Reading<'_> {
        let read = move |s: &State| self.name(text(&s.status, key)?).map(Level::Text);
        (key.to_owned(), Box::new(read))
    }
}

fn is_of(pod: &Life, set: &Life) -> bool {
    let named = |o: &super::life::Owner| o.kind == "StatefulSet" && o.name == *set.name;
    pod.kind == "Pod"
        && pod.owner.as_ref().is_some_and(named)
        && set.gone.is_none_or(|gone| pod.born <= gone)
        && pod.born >= set.born - 0.5
}

/// `web-0, web-1` by time; names not more than `together` seconds apart are put in a sorted set.
fn in_order(mut items: Vec<(f64, &str)>, together: f64) -> String {
    items.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let mut last: Option<f64> = None;
    for (t, name) in items {
        let apart = last.is_none_or(|last| together <= 0.0 || t - last > together);
        last = Some(t);
        match groups.last_mut() {
            Some(group) if !apart => group.push(name),
            _ => groups.push(vec![name]),
        }
    }
    let shown = groups.into_iter().map(|mut group| {
        group.sort_unstable();
        if let [only] = group.as_slice() {
            (*only).to_owned()
        } else {
            format!("{{{}}}", group.join(" "))
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Adds the milestones of a DaemonSet.
pub(super) fn daemonset(cx: &Context<'_>, set: &Life, unit: &mut Unit) {
    cx.life(set, unit);
    cx.gauges(
        set,
        unit,
        &ZERO,
        vec![
            status("desired", "desiredNumberScheduled"),
            status("current", "currentNumberScheduled"),
            status("ready", "numberReady"),
            status("updated", "updatedNumberScheduled"),
            status("available", "numberAvailable"),
            status("unavailable", "numberUnavailable"),
            status("misscheduled", "numberMisscheduled"),
        ],
    );
    let mine = |pod: &&Life| {
        let named = |o: &super::life::Owner| o.kind == "DaemonSet" && o.name == *set.name;
        pod.kind == "Pod" && pod.owner.as_ref().is_some_and(named)
    };
    let pods = cx.file.lives.iter().filter(mine);
    let nodes: BTreeSet<&str> = pods.map(|p| daemon_node(p).unwrap_or("None")).collect();
    let nodes: Vec<&str> = nodes.into_iter().collect();
    unit.fact(format!("pods were made for {}", nodes.join(", ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_made_together_are_not_ordered() {
        let pods = || vec![(3.0, "web-2"), (0.5, "web-1"), (0.0, "web-0")];
        assert_eq!(in_order(pods(), 0.0), "web-0, web-1, web-2");
        assert_eq!(in_order(pods(), 1.2), "{web-0 web-1}, web-2");
        assert_eq!(in_order(Vec::new(), 1.2), "");
    }

    #[test]
    fn the_least_available_counts_once_all_were_available() {
        let line = |t: f64, wants: i64, available: i64| {
            format!(
                r#"{{"t":{t},"type":"MODIFIED","kind":"Deployment","name":"web",
                "spec":{{"replicas":{wants}}},"status":{{"availableReplicas":{available}}}}}"#
            )
            .replace('\n', " ")
        };
        let rows = [line(0.0, 3, 1), line(5.0, 3, 3), line(9.0, 3, 2), line(12.0, 3, 3)];
        let file = super::super::trace_file::TraceFile::from_lines(rows);
        let gauge = available_once_full(&file.lives[0]);
        assert_eq!(gauge.counts_held(20.0).min(), Some(2));
    }
}

//! One recorded step, and ours beside it.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::same;
use super::stage::{NOW, Stage};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Uid;
use crate::scheduler::cycle::{self, Cluster, Decision, Outcome, Record};
use crate::scheduler::diagnosis::Diagnosis;
use crate::scheduler::plugins::{PluginSet, View, scheduling_gates, volume_binding};
use crate::scheduler::preemption::{self, DryRun, Nomination, PostFilter, Victims};
use crate::scheduler::queue::{Place, Queued};
use crate::scheduler::state::Status;

/// Fields of a recorded step that are no answers.
const GIVEN: [&str; 7] = ["i", "before", "pod", "podRef", "attempt", "effects", "nodeOrder"];

/// Carries out a step and compares what comes of it.
pub(super) fn check(stage: &mut Stage, recorded: &Value) -> Result<(), String> {
    stage.apply(&recorded["before"])?;
    let key = match &recorded["pod"] {
        Value::Null => recorded["podRef"].as_str().unwrap_or_default().to_owned(),
        pod => {
            stage.put(pod)?;
            let of = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
            format!("{}/{}", of("namespace"), of("name"))
        }
    };
    let uid = stage.uid(&key).ok_or_else(|| format!("there is no pod {key}"))?;
    let mut ours = Map::new();
    match stage.feed.queue.pop_this(uid) {
        None => gated(stage, uid, &mut ours),
        Some(queued) => cycle(stage, queued, recorded, &mut ours)?,
    }
    stage.apply(&recorded["effects"])?;
    ours.insert("queue".into(), queues(stage));
    let mut theirs = recorded.as_object().cloned().unwrap_or_default();
    theirs.retain(|field, _| !GIVEN.contains(&field.as_str()));
    same(&key, &Value::Object(ours), &Value::Object(theirs))
}

fn gated(stage: &Stage, uid: Uid, ours: &mut Map<String, Value>) {
    let Some(queued) = stage.feed.queue.get(uid) else { return };
    let Some(plugin) = queued.gated_by else { return };
    let status = json!({"plugin": plugin.as_str(), "code": "UnschedulableAndUnresolvable",
        "reasons": [scheduling_gates::reason(&queued.info)]});
    ours.insert("preEnqueue".into(), status);
    ours.insert("result".into(), json!({"outcome": "gated"}));
}

/// Where the queue holds each pod.
fn queues(stage: &Stage) -> Value {
    let of = |place| {
        let pods = stage.feed.queue.list(place);
        let mut keys: Vec<String> = pods.iter().map(|q| Stage::key(&q.info)).collect();
        keys.sort();
        json!(keys)
    };
    json!({"active": of(Place::Active), "backoff": of(Place::Backoff),
        "unschedulable": of(Place::Unschedulable)})
}

fn cycle(
    stage: &mut Stage,
    queued: Queued,
    recorded: &Value,
    ours: &mut Map<String, Value>,
) -> Result<(), String> {
    let pod = queued.info.clone();
    let config = stage.feed.config.clone();
    let profile = stage.feed.profile(&pod).ok_or("no profile serves the pod")?.clone();
    ours.insert("startIndex".into(), json!(stage.feed.cluster.next_start));
    let mut record = Record::default();
    let (cluster, scratch) = (&mut stage.feed.cluster, &mut stage.scratch);
    let decision = cycle::schedule(cluster, &config, &profile, &pod, scratch, Some(&mut record));
    if let Some(order) = recorded.get("nodeOrder") {
        let names = cluster.snapshot.order().iter().map(|s| name(cluster, *s));
        same("nodeOrder", &names.collect(), order)?;
    }
    let mut dry = DryRun::default();
    let mut post = None;
    let mut reservation = None;
    match &decision.outcome {
        Outcome::Unfit(diagnosis) if diagnosis.nodes > 0 => {
            let state = &mut scratch.state;
            let dry = Some(&mut dry);
            post = Some(preemption::post_filter(
                cluster,
                &profile,
                &pod,
                state,
                diagnosis,
                |_| 0,
                dry,
            ));
        }
        Outcome::Node(slot) => {
            let view = View::new(cluster, &profile.args, &pod);
            let node = cluster.snapshot.node(*slot);
            let reserved = volume_binding::reservation(&view, &mut scratch.state, node);
            reservation = Some((node.name.clone(), reserved));
        }
        Outcome::Unfit(_) | Outcome::Error(_) => {}
    }
    say_search(cluster, &decision, &record, ours);
    say_scores(cluster, &record, ours);
    if let Some(post) = &post {
        ours.insert("postFilter".into(), say_post_filter(cluster, post, &dry));
    }
    ours.insert("result".into(), result(cluster, &decision, post.as_ref()));
    if let Outcome::Error(text) = &decision.outcome
        && !record.feasible.is_empty()
    {
        ours.insert("scoreError".into(), json!(text.as_str()));
    }
    match reservation {
        Some((node, reserved)) => {
            stage.feed.assume(&pod, &node, reserved);
            stage.feed.queue.done(pod.uid());
        }
        None => put_back(stage, queued, &decision, post.as_ref()),
    }
    Ok(())
}

fn put_back(stage: &mut Stage, mut queued: Queued, decision: &Decision, post: Option<&PostFilter>) {
    queued.rejected_by = plugins(decision);
    let node = match post.map(|p| &p.nomination) {
        Some(Nomination::Keep) => None,
        Some(Nomination::Clear) | None => Some(Str::default()),
        Some(Nomination::Node(slot, _)) => {
            Some(stage.feed.cluster.snapshot.node(*slot).name.clone())
        }
    };
    stage.feed.put_back(queued, node.as_ref(), NOW);
}

fn plugins(decision: &Decision) -> PluginSet {
    match &decision.outcome {
        Outcome::Unfit(diagnosis) => diagnosis.plugins,
        Outcome::Node(_) | Outcome::Error(_) => PluginSet::default(),
    }
}

fn name(cluster: &Cluster, slot: u32) -> Value {
    json!(cluster.snapshot.node(slot).name.as_str())
}

fn names(plugins: PluginSet) -> Value {
    plugins.iter().map(|p| p.as_str()).collect()
}

fn refusal(status: &Status) -> Value {
    let mut out = json!({"code": status.refusal.code.as_str(),
        "reasons": status.refusal.reasons.iter().map(Str::as_str).collect::<Vec<_>>()});
    if let Some(plugin) = status.plugin {
        out["plugin"] = json!(plugin.as_str());
    }
    out
}

fn say_search(
    cluster: &Cluster,
    decision: &Decision,
    record: &Record,
    ours: &mut Map<String, Value>,
) {
    let refused = match &decision.outcome {
        Outcome::Unfit(d) if d.pre_filter.is_some() => d.absent.as_ref(),
        Outcome::Unfit(_) | Outcome::Node(_) | Outcome::Error(_) => None,
    };
    if let Outcome::Unfit(d) = &decision.outcome
        && d.nodes == 0
    {
        return;
    }
    if !record.skip_filter.is_empty() {
        ours.insert("skipFilter".into(), names(record.skip_filter));
    }
    if let Some(status) = refused {
        ours.insert("preFilter".into(), refusal(status));
        return;
    }
    if let Some(only) = &record.only_nodes {
        let mut only: Vec<&str> = only.iter().map(Str::as_str).collect();
        only.sort_unstable();
        ours.insert("preFilterNodes".into(), json!(only));
    }
    if let Some((node, verdict)) = &record.nominated {
        let mut said = json!({"node": node.as_str()});
        match verdict {
            Some(feasible) => said["feasible"] = json!(feasible),
            None => said["missing"] = json!(true),
        }
        ours.insert("nominated".into(), said);
    }
    if !record.statuses.is_empty() {
        let of = |(slot, status): (u32, &Status)| {
            (cluster.snapshot.node(slot).name.to_string(), refusal(status))
        };
        ours.insert("filter".into(), Value::Object(record.statuses.iter().map(of).collect()));
    }
    let feasible = record.feasible.iter().map(|s| name(cluster, *s));
    ours.insert("feasible".into(), feasible.collect());
}

fn say_scores(cluster: &Cluster, record: &Record, ours: &mut Map<String, Value>) {
    if record.totals.is_empty() {
        return;
    }
    ours.insert("skipScore".into(), names(record.skip_score));
    let mut scores = Map::new();
    for s in &record.scores {
        let of = |(slot, score): (&u32, &i64)| {
            (cluster.snapshot.node(*slot).name.to_string(), json!([score, score * s.weight]))
        };
        let nodes = record.feasible.iter().zip(&s.normalised).map(of);
        scores.insert(s.plugin.as_str().to_owned(), Value::Object(nodes.collect()));
    }
    ours.insert("scores".into(), Value::Object(scores));
    let named = |slot: &u32| cluster.snapshot.node(*slot).name.to_string();
    let totals = record.feasible.iter().zip(&record.totals);
    let best = record.totals.iter().max();
    let ties = totals.clone().filter(|(_, t)| Some(*t) == best).map(|(s, _)| json!(named(s)));
    ours.insert("ties".into(), ties.collect());
    let totals = totals.map(|(slot, total)| (named(slot), json!(total)));
    ours.insert("totals".into(), Value::Object(totals.collect()));
}

fn say_post_filter(cluster: &Cluster, post: &PostFilter, dry: &DryRun) -> Value {
    let mut out = Map::new();
    if !post.message.is_empty() {
        out.insert("message".into(), json!(post.message.as_str()));
    }
    if !dry.ineligible.is_empty() {
        out.insert("ineligible".into(), json!(dry.ineligible.as_str()));
    }
    if matches!(post.nomination, Nomination::Clear) {
        out.insert("clearNomination".into(), json!(true));
    }
    if !dry.nodes.is_empty() {
        let found = |(slot, result): &(u32, Result<Victims, Status>)| {
            let said = match result {
                Ok(v) => json!({"victims": keys(v), "pdbViolations": v.violations}),
                Err(status) => refusal(status),
            };
            (cluster.snapshot.node(*slot).name.to_string(), said)
        };
        out.insert("dryRun".into(), Value::Object(dry.nodes.iter().map(found).collect()));
        out.insert("numCandidates".into(), json!(dry.wanted));
        out.insert("numPotentialNodes".into(), json!(dry.potential));
        out.insert("offset".into(), json!(0));
    }
    if let Nomination::Node(slot, victims) = &post.nomination {
        out.insert("nominatedNode".into(), name(cluster, *slot));
        let victims: Vec<String> = victims.iter().map(|p| Stage::key(p)).collect();
        out.insert("victims".into(), json!(victims));
        say_candidates(cluster, dry, &mut out);
    }
    Value::Object(out)
}

fn say_candidates(cluster: &Cluster, dry: &DryRun, out: &mut Map<String, Value>) {
    let candidates = || dry.nodes.iter().filter_map(|(s, r)| Some((*s, r.as_ref().ok()?)));
    let best = candidates().map(|(_, v)| v.rank()).min();
    let ties = candidates().filter(|(_, v)| Some(v.rank()) == best).map(|(s, _)| name(cluster, s));
    out.insert("ties".into(), ties.collect());
    let criteria = |(slot, victims): (u32, &Victims)| {
        let (violations, highest, sum, count, Reverse(start)) = victims.rank();
        // A pod that has not started counts as started at this moment.
        let start = if start == SimTime::MAX { NOW } else { start };
        let seconds = start.to_utc().timestamp();
        (
            cluster.snapshot.node(slot).name.to_string(),
            json!([violations, highest, sum, count, seconds]),
        )
    };
    out.insert("criteria".into(), Value::Object(candidates().map(criteria).collect()));
}

fn keys(victims: &Victims) -> Vec<String> {
    victims.pods.iter().map(|p| Stage::key(p)).collect()
}

fn result(cluster: &Cluster, decision: &Decision, post: Option<&PostFilter>) -> Value {
    match &decision.outcome {
        Outcome::Node(slot) => json!({"outcome": "scheduled", "node": name(cluster, *slot),
            "evaluatedNodes": decision.evaluated, "feasibleNodes": decision.feasible}),
        Outcome::Unfit(diagnosis) => {
            let post_filter = post.map(|p| p.message.clone()).unwrap_or_default();
            let whole = Diagnosis { post_filter, ..(**diagnosis).clone() };
            let mut out = json!({"outcome": "unschedulable", "reason": "Unschedulable",
                "message": whole.message()});
            if !whole.plugins.is_empty() {
                out["unschedulablePlugins"] = names(whole.plugins);
            }
            out
        }
        Outcome::Error(text) => {
            json!({"outcome": "error", "reason": "SchedulerError", "message": text.as_str()})
        }
    }
}

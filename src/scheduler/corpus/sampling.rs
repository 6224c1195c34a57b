//! Large clusters, of which a cycle looks at a part: which nodes, in which order, from where.

use serde_json::{Map, Value, json};

use super::same;
use super::stage::Stage;
use crate::base::Str;
use crate::scheduler::Config;
use crate::scheduler::cycle::{self, Cluster, Outcome, Record};

/// Checks one case.
///
/// # Errors
/// The first step in which ours differs, and how.
pub fn check(case: &Value) -> Result<(), String> {
    let percentage = case["percentageOfNodesToScore"].as_i64().unwrap_or(0);
    let percentage_of_nodes_to_score = i32::try_from(percentage).map_err(|e| e.to_string())?;
    let mut stage = Stage::new(Config { percentage_of_nodes_to_score, ..Config::default() });
    stage.set_up(&case["world"])?;
    let steps = case["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (i, step) in steps.iter().enumerate() {
        let first = (i == 0).then_some(&case["nodeOrder"]);
        let order = step.get("nodeOrder").or(first);
        self::step(&mut stage, step, order)
            .map_err(|difference| format!("step {i} of {}: {difference}", steps.len()))?;
    }
    Ok(())
}

fn step(stage: &mut Stage, recorded: &Value, order: Option<&Value>) -> Result<(), String> {
    stage.apply(&recorded["before"])?;
    let pod = &recorded["pod"];
    stage.put(pod)?;
    let of = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
    let key = format!("{}/{}", of("namespace"), of("name"));
    let uid = stage.uid(&key).ok_or("the pod is gone")?;
    let queued = stage.feed.queue.pop_this(uid).ok_or("the pod does not wait")?;
    let config = stage.feed.config.clone();
    let profile = stage.feed.profile(&queued.info).ok_or("no profile serves the pod")?.clone();
    let start = stage.feed.cluster.next_start;
    let mut record = Record::default();
    let (cluster, scratch) = (&mut stage.feed.cluster, &mut stage.scratch);
    let decision =
        cycle::schedule(cluster, &config, &profile, &queued.info, scratch, Some(&mut record));
    if let Some(order) = order {
        let names = cluster.snapshot.order().iter().map(|s| name(cluster, *s));
        same("nodeOrder", &names.collect(), order)?;
    }
    let mut ours = Map::new();
    ours.insert("startIndex".into(), json!(start));
    ours.insert("nextStartIndex".into(), json!(cluster.next_start));
    say(cluster, &record, &mut ours);
    let theirs = recorded.as_object().ok_or("a step is an object")?;
    for (field, value) in &ours {
        same(field, value, theirs.get(field).unwrap_or(&Value::Null))?;
    }
    let result = &recorded["result"];
    let (outcome, node) = match &decision.outcome {
        Outcome::Node(slot) => ("scheduled", name(cluster, *slot)),
        Outcome::Unfit(_) => ("unschedulable", Value::Null),
        Outcome::Error(_) => ("error", Value::Null),
    };
    same("outcome", &json!(outcome), &result["outcome"])?;
    same("node", &node, result.get("node").unwrap_or(&Value::Null))?;
    let node = Str::from(result["node"].as_str().unwrap_or_default());
    stage.feed.queue.done(uid);
    if node.is_empty() {
        return Ok(());
    }
    let bind = json!([{"op": "bind", "pod": key, "node": node.as_str()}]);
    stage.apply(&bind)
}

fn name(cluster: &Cluster, slot: u32) -> Value {
    json!(cluster.snapshot.node(slot).name.as_str())
}

fn say(cluster: &Cluster, record: &Record, ours: &mut Map<String, Value>) {
    let order = cluster.snapshot.order();
    let place = |slot: &u32| order.iter().position(|s| s == slot).unwrap_or(usize::MAX);
    ours.insert("numToFind".into(), json!(record.to_find));
    ours.insert("examined".into(), json!(record.examined));
    ours.insert("rejected".into(), json!(record.statuses.len()));
    ours.insert("feasibleCount".into(), json!(record.feasible.len()));
    let places: Vec<usize> = record.feasible.iter().map(place).collect();
    ours.insert("feasible".into(), runs(&places));
    let best = record.totals.iter().max();
    if let Some(best) = best {
        let ties: Vec<usize> = places
            .iter()
            .zip(&record.totals)
            .filter(|(_, t)| *t == best)
            .map(|(p, _)| *p)
            .collect();
        ours.insert("best".into(), json!(best));
        ours.insert("ties".into(), runs(&ties));
        let mut totals: Vec<(i64, usize)> = Vec::new();
        for total in &record.totals {
            match totals.last_mut() {
                Some((last, n)) if last == total => *n += 1,
                _ => totals.push((*total, 1)),
            }
        }
        ours.insert("totals".into(), json!(totals));
    }
}

/// `[first, length]` of each run of following numbers.
fn runs(places: &[usize]) -> Value {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match out.last_mut() {
            Some((first, n)) if *first + *n == *place => *n += 1,
            _ => out.push((*place, 1)),
        }
    }
    json!(out)
}

//! What would help what is stuck, found out by running again.
//!
//! A run is the same each time, so what differs in a run with one change more is the change's doing. The
//! changes that suggest themselves for each stuck object are tried, the smallest first, until one helps: the
//! object gets on, and nothing is stuck that was not. How much is tried is bounded by what the runs cost in
//! events; what was not tried is said to be unverified.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::cluster::NodeSpec;
use super::runner::{End, Plan, Runner, StepAction, TimedStep};
use crate::model::{Key, Kind, Object, Pod, Ref};
use crate::report::stuck::{self, Change, Edit, Fix, WaitGraph};
use crate::report::summary::{Found, Gathered, Remedy, Summary};
use crate::report::timeline::duration;
use crate::store::Store;

/// So many runs are made.
const RUNS: usize = 40;
/// So many events are handled in all of them together; a run that alone has more is not repeated.
const EVENTS: u64 = 4_000_000;
/// So many changes are tried for one object.
const CHANGES: usize = 6;
/// How much longer a run with a command at its end goes on.
const LONGER: Duration = Duration::from_secs(600);

/// How much is found out about what is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Root causes, and changes that suggest themselves.
    Tell,
    /// Changes are tried.
    Try,
}

/// Finds out why what is stuck is so, and what helps. `plan` is what `runner` ran.
pub fn find(
    plan: &Plan,
    runner: &Runner,
    gathered: &Gathered,
    summary: &mut Summary,
    effort: Effort,
) -> WaitGraph {
    let objects: Vec<Ref> = summary.stuck.iter().map(|e| e.of.clone()).collect();
    let (graph, all) = stuck::find(runner.sim(), gathered.told(), &objects);
    let mut trials = Trials::new(plan, runner, objects.iter().cloned().collect());
    for (object, stuck) in objects.into_iter().zip(all) {
        let fixes: Vec<&Fix> = stuck.roots.iter().flat_map(|root| &root.fixes).collect();
        let remedy = trials.remedy(&object, &fixes, effort);
        summary.found.insert(object, Found { stuck, remedy });
    }
    graph
}

/// Why one object does not get on and what helps; `None` where nothing holds it up. Without a `plan`, or where
/// the object belongs to nothing that is stuck, no change is tried.
pub fn of(
    plan: Option<&Plan>,
    runner: &Runner,
    gathered: &Gathered,
    object: &Object,
) -> Option<Found> {
    let sim = runner.sim();
    let there = sim.store().get(object.kind(), &object.key())?;
    if there.meta().uid != object.meta().uid {
        return None;
    }
    let reference = object.reference();
    let stuck = stuck::find(sim, gathered.told(), std::slice::from_ref(&reference)).1.pop()?;
    if stuck.roots.is_empty() {
        return None;
    }
    let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
    let summary = Summary::of(sim.store(), sim.now(), gathered, Vec::new(), &blocked);
    let known: BTreeSet<Ref> = summary.stuck.into_iter().map(|entry| entry.of).collect();
    let fixes: Vec<&Fix> = stuck.roots.iter().flat_map(|root| &root.fixes).collect();
    let remedy = match (plan, at_top(sim.store(), object, &known)) {
        (Some(plan), Some(top)) => {
            Trials::new(plan, runner, known).remedy(&top, &fixes, Effort::Try)
        }
        _ => fixes.first().map_or(Remedy::None, |fix| {
            Remedy::Unverified(fix.text.clone(), "nothing was tried".to_owned())
        }),
    };
    Some(Found { stuck, remedy })
}

/// The object itself or the nearest above it that is among `known`.
fn at_top(store: &Store, object: &Object, known: &BTreeSet<Ref>) -> Option<Ref> {
    /// A pod, its ReplicaSet or Job, and what made that.
    const STOREYS: usize = 4;
    let mut at = object;
    for _ in 0..STOREYS {
        let reference = at.reference();
        if known.contains(&reference) {
            return Some(reference);
        }
        let owner = at.meta().controller()?;
        let kind = Kind::ALL.iter().copied().find(|kind| owner.is_kind(*kind))?;
        at = store.get(kind, &Key::new(&*at.meta().namespace, &*owner.name))?;
    }
    None
}

/// What is tried, and what came of it.
struct Trials<'p> {
    plan: &'p Plan,
    length: Duration,
    events: u64,
    spent: u64,
    /// What is stuck without a change.
    known: BTreeSet<Ref>,
    /// What is stuck with a change, by its text.
    tried: BTreeMap<String, Result<BTreeSet<Ref>, String>>,
}

impl<'p> Trials<'p> {
    fn new(plan: &'p Plan, runner: &Runner, known: BTreeSet<Ref>) -> Self {
        Self {
            plan,
            length: runner.sim().now().since(runner.start()),
            events: runner.sim().stats().events,
            spent: 0,
            known,
            tried: BTreeMap::new(),
        }
    }

    /// The first change that helps an object, or why none was found.
    fn remedy(&mut self, object: &Ref, fixes: &[&Fix], effort: Effort) -> Remedy {
        let Some(first) = fixes.first() else { return Remedy::None };
        let unverified = |why: String| Remedy::Unverified(first.text.clone(), why);
        if effort == Effort::Tell {
            return unverified("nothing was tried".to_owned());
        }
        let mut why = None;
        for fix in fixes.iter().take(CHANGES) {
            let failed = match self.outcome(fix) {
                Ok(stuck) if stuck.contains(object) => "tried: it does not help alone".to_owned(),
                Ok(stuck) => match stuck.difference(&self.known).next() {
                    Some(other) => {
                        format!("tried: then {} is stuck", crate::report::timeline::name(other))
                    }
                    None => return Remedy::Works(fix.text.clone()),
                },
                Err(why) => why,
            };
            why.get_or_insert(failed);
        }
        unverified(why.unwrap_or_default())
    }

    /// What is stuck in a run with a change.
    fn outcome(&mut self, fix: &Fix) -> Result<BTreeSet<Ref>, String> {
        if fix.edits.is_empty() {
            return Err("a trial changes manifests alone".to_owned());
        }
        if let Some(known) = self.tried.get(&fix.text) {
            return known.clone();
        }
        if self.tried.len() == RUNS || self.spent.saturating_add(self.events) > EVENTS {
            return Err("too much to be run again".to_owned());
        }
        let outcome = self.run(fix);
        self.tried.insert(fix.text.clone(), outcome.clone());
        outcome
    }

    fn run(&mut self, fix: &Fix) -> Result<BTreeSet<Ref>, String> {
        let mut plan = self.plan.clone();
        plan.options.explained_first = 0;
        for edit in &fix.edits {
            apply(edit, &mut plan, self.length)?;
        }
        let mut gathered = Gathered::default();
        let mut refused = None;
        let mut runner = Runner::new(plan, &mut |_| {}).map_err(|e| e.to_string())?;
        let steps = self.plan.steps.len();
        runner.run(&mut |fact| {
            gathered.observe(fact);
            if let crate::trace::FactKind::Step(done) = &fact.kind
                && done.exit_code != 0
                && done.index as usize >= steps
            {
                refused = Some(done.stderr.trim_end().to_owned());
            }
        });
        let sim = runner.sim();
        self.spent += sim.stats().events;
        if let Some(refused) = refused {
            return Err(format!("tried: {refused}"));
        }
        let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
        let summary = Summary::of(sim.store(), sim.now(), &gathered, Vec::new(), &blocked);
        Ok(summary.stuck.into_iter().map(|entry| entry.of).collect())
    }
}

/// Carries out an edit; `length` is how long the run took without it.
fn apply(edit: &Edit, plan: &mut Plan, length: Duration) -> Result<(), String> {
    let nowhere = |what: &str| format!("{what} is not in the manifests");
    match edit {
        Edit::Manifest { object, changes } => {
            let name = crate::report::timeline::name(object);
            let mut found = false;
            for document in documents(plan).filter(|d| is(d, object)) {
                found = true;
                if !changes.iter().all(|change| change.apply(document)) {
                    return Err(nowhere(&format!("what is to be changed of {name}")));
                }
            }
            if found {
                return Ok(());
            }
            at_end(plan, length, patch(object, changes));
        }
        Edit::Words { object, under, from, to } => {
            let mut replaced = 0;
            for document in documents(plan).filter(|d| is(d, object)) {
                if let Some(place) = document.pointer_mut(under) {
                    replace(place, from, to, &mut replaced);
                }
            }
            if replaced == 0 {
                return Err(nowhere(from));
            }
        }
        Edit::Add(document) => add(plan, document.clone()),
        Edit::Node { name, changes } => {
            let of_name = |n: &&mut Value| n["metadata"]["name"] == name.as_str();
            let node = plan.nodes.iter_mut().find(of_name).ok_or_else(|| nowhere(name))?;
            if !changes.iter().all(|change| change.apply(node)) {
                return Err(nowhere(&format!("what is to be changed of node/{name}")));
            }
        }
        Edit::NodeLike(name) => {
            let of_name = |n: &&Value| n["metadata"]["name"] == name.as_str();
            let node = plan.nodes.iter().find(of_name).ok_or_else(|| nowhere(name))?;
            let spec = like(node, &format!("{name}-new"));
            let index = u32::try_from(plan.nodes.len()).unwrap_or(u32::MAX);
            let document = spec.object(index, plan.options.start.0);
            plan.nodes.push(document);
        }
        Edit::Kubectl(line) => at_end(plan, length, StepAction::Kubectl(line.clone())),
        Edit::StartNode(node) => at_end(plan, length, StepAction::StartNode(node.clone())),
    }
    Ok(())
}

/// The documents that are applied.
fn documents(plan: &mut Plan) -> impl Iterator<Item = &mut Value> {
    plan.steps.iter_mut().flat_map(|step| match &mut step.action {
        StepAction::Apply { documents, .. } => documents.as_mut_slice(),
        _ => &mut [],
    })
}

fn is(document: &Value, object: &Ref) -> bool {
    let metadata = &document["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or(super::runner::NAMESPACE);
    document["kind"] == object.kind.as_str()
        && metadata["name"] == object.key.name.as_str()
        && (!object.kind.namespaced() || namespace == object.key.namespace)
}

fn replace(place: &mut Value, from: &str, to: &str, replaced: &mut usize) {
    match place {
        Value::String(text) if text.contains(from) => {
            *text = text.replace(from, to);
            *replaced += 1;
        }
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, from, to, replaced)),
        Value::Object(fields) => fields.values_mut().for_each(|v| replace(v, from, to, replaced)),
        _ => {}
    }
}

/// Adds a document before those that may need it, after the namespaces.
fn add(plan: &mut Plan, document: Value) {
    let first = plan.steps.iter_mut().find_map(|step| match &mut step.action {
        StepAction::Apply { documents, .. } => Some(documents),
        _ => None,
    });
    match first {
        Some(documents) => {
            let after = documents.iter().rposition(|d| d["kind"] == "Namespace");
            documents.insert(after.map_or(0, |i| i + 1), document);
        }
        None => plan.steps.insert(
            0,
            TimedStep {
                action: StepAction::Apply { source: "fix".to_owned(), documents: vec![document] },
                ..TimedStep::default()
            },
        ),
    }
}

/// Does something when the run would be over, and lets it go on.
fn at_end(plan: &mut Plan, length: Duration, action: StepAction) {
    plan.steps.push(TimedStep {
        at: length,
        written: duration(length),
        action,
        ..TimedStep::default()
    });
    plan.end = match plan.end {
        End::Quiet => End::Quiet,
        End::After(_) | End::WithSteps(_) => End::After(length + LONGER),
    };
}

/// The same change of an object that is in no manifest, as `kubectl patch`.
fn patch(object: &Ref, changes: &[Change]) -> StepAction {
    let operation = |c: &Change| match &c.value {
        Some(value) => serde_json::json!({"op": "add", "path": c.path, "value": value}),
        None => serde_json::json!({"op": "remove", "path": c.path}),
    };
    let operations: Value = changes.iter().map(operation).collect();
    let namespace = if object.kind.namespaced() {
        format!(" -n {}", object.key.namespace)
    } else {
        String::new()
    };
    StepAction::Kubectl(format!(
        "patch {} {}{namespace} --type=json -p '{operations}'",
        object.kind.as_str().to_ascii_lowercase(),
        object.key.name
    ))
}

/// A node like another one, without what keeps pods off it for now.
fn like(node: &Value, name: &str) -> NodeSpec {
    let texts = |v: &Value| -> BTreeMap<String, String> {
        let all = v.as_object().into_iter().flatten();
        all.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    };
    let mut labels = texts(&node["metadata"]["labels"]);
    labels.remove("kubernetes.io/hostname");
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let passing =
        |t: &Value| t["key"].as_str().is_some_and(|k| k.starts_with("node.kubernetes.io/"));
    NodeSpec {
        labels,
        capacity: texts(&node["status"]["capacity"]),
        allocatable: texts(&node["status"]["allocatable"]),
        taints: taints.into_iter().filter(|t| !passing(t)).collect(),
        ..NodeSpec::worker(name)
    }
}

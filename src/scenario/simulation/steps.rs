//! Steps as they are written, made ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::cluster;
use super::conditions::{self, Steps, join};
use super::expectations;
use super::file::File;
use super::schema;
use super::written::{self, BoolOrText, NameOrKillPod, NameOrNodes, OneOrMany, PathOrObject};
use crate::api::diagnostic::Location;
use crate::api::load::Manifest;
use crate::api::suggest;
use crate::base::Str;
use crate::engine::ComponentId;
use crate::model::Kind;
use crate::report::timeline::duration;
use crate::scenario::kubectl::Files;
use crate::scenario::monitor::{Choice, Expectation, Pattern};
use crate::scenario::runner::{Awaited, Fault, KilledPod, NAMESPACE, StepAction, TimedStep, When};
use crate::sim::machines::{Growth, Skew};
use crate::sim::{Callers, Concerns, Verdict};
use crate::store::ErrorReason;

/// How long `await` waits that says nothing else.
const AWAITED: Duration = Duration::from_secs(300);

/// Steps made ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// The steps, in the order of the file.
    pub(super) steps: Vec<TimedStep>,
    /// What is expected of them.
    pub(super) expectations: Vec<Expectation>,
    /// Named steps: the number of the last thing that each does.
    pub(super) names: Steps,
}

/// What steps may speak of.
pub(super) struct World<'w> {
    /// Nodes by name; empty where that is not known.
    pub(super) nodes: BTreeSet<String>,
    /// Changes documents before they are applied.
    pub(super) prepare: &'w dyn Fn(&mut Value),
}

/// Makes steps ready; their numbers begin behind those that `ready` has already.
pub(super) fn compile(
    file: &mut File,
    all: &[written::Step],
    world: &mut World<'_>,
    ready: &mut Ready,
) {
    let first = ready.steps.len();
    number(file, all, first, &mut ready.names);
    let mut at = Duration::ZERO;
    for (i, step) in all.iter().enumerate() {
        let path = format!("steps[{i}]");
        let actions = actions(file, &path, step, &ready.names, world);
        match (step.at, &step.when) {
            (Some(_), Some(_)) => file.wrong(&path, "a step has a time or a condition, not both"),
            (Some(time), None) => at = time.0,
            (None, _) => {}
        }
        let when = step.when.as_ref().and_then(|when| {
            let inner = join(&path, "when");
            let condition = conditions::compile(file, &inner, &when.condition, &ready.names)?;
            let held = when.held.map_or(Duration::ZERO, |l| l.0);
            Some(When { condition: Arc::new(condition), held })
        });
        let after = step.when.as_ref().and_then(|w| w.after).map_or(Duration::ZERO, |l| l.0);
        let due = if step.when.is_some() { after } else { at };
        if step.lasts.is_some() && actions.iter().all(|a| a.undone().is_none()) {
            file.wrong(&join(&path, "for"), "nothing of this step lasts: `for` goes with faults");
        }
        let refused = match &step.refused {
            None | Some(BoolOrText::Bool(false)) => None,
            Some(BoolOrText::Bool(true)) => Some(""),
            Some(BoolOrText::Text(text)) => Some(text.as_str()),
        };
        let span = schema::place(&file.source, &file.tree, file.node(&path));
        let place = Some(Location { source: Arc::clone(&file.source), span });
        for action in actions {
            let index = u32::try_from(ready.steps.len()).unwrap_or(u32::MAX);
            let (verb, arg) = action.name();
            let name = step.name.clone().unwrap_or_else(|| format!("{verb} {arg}"));
            let waits = when.is_some();
            ready.expectations.extend(expectations::of_step(
                index,
                name,
                refused,
                waits,
                place.clone(),
            ));
            ready.steps.push(TimedStep {
                at: due,
                when: when.clone(),
                lasts: step.lasts.map(|l| l.0).filter(|_| action.undone().is_some()),
                skipped: false,
                written: if waits { "when".to_owned() } else { duration(due) },
                action,
                expect_error: refused.is_some(),
                files: Files { root: file.folder.clone(), confined: false },
                namespace_given: false,
            });
        }
    }
}

/// Gives named steps the number of the last thing that they do.
fn number(file: &mut File, all: &[written::Step], first: usize, names: &mut Steps) {
    let mut next = first;
    for (i, step) in all.iter().enumerate() {
        next += match &step.kubectl {
            Some(lines) => lines.all().len().max(1),
            None => match &step.add_node {
                Some(NameOrNodes::Nodes(nodes)) => nodes.count.unwrap_or(1).max(1) as usize,
                _ => 1,
            },
        };
        if let Some(name) = &step.name {
            let last = u32::try_from(next - 1).unwrap_or(u32::MAX);
            if names.insert(name.clone(), last).is_some() {
                file.wrong(&format!("steps[{i}].name"), format!("there are two steps {name:?}"));
            }
        }
    }
}

/// What a step does. Where that is wrong it is noted, and there is something else in its place.
fn actions(
    file: &mut File,
    path: &str,
    s: &written::Step,
    names: &Steps,
    world: &mut World<'_>,
) -> Vec<StepAction> {
    let mut found: Vec<Vec<StepAction>> = Vec::new();
    let one = |action: StepAction| vec![action];
    if let Some(what) = &s.apply {
        let (source, documents) = documents(file, &join(path, "apply"), what, world.prepare);
        found.push(one(StepAction::Apply { source, documents }));
    }
    if let Some(what) = &s.delete {
        found.push(one(StepAction::Kubectl(deletion(file, &join(path, "delete"), what))));
    }
    if let Some(lines) = &s.kubectl {
        lines.all().iter().for_each(|line| file_names(line).for_each(|f| drop(file.path(f))));
        let bare = |line: &String| line.trim().strip_prefix("kubectl ").unwrap_or(line).to_owned();
        found.push(lines.all().iter().map(|l| StepAction::Kubectl(bare(l))).collect());
    }
    if let Some(condition) = &s.awaited {
        let condition = conditions::compile(file, &join(path, "await"), condition, names);
        let timeout = s.timeout.map_or(AWAITED, |l| l.0);
        found.extend(
            condition.map(|c| one(StepAction::Await(Awaited { condition: Arc::new(c), timeout }))),
        );
    } else if s.timeout.is_some() {
        file.wrong(&join(path, "timeout"), "`timeout` goes with `await`");
    }
    found.extend(s.sleep.map(|l| one(StepAction::Sleep(l.0))));
    let mut node = |field: &str, name: &Option<String>| {
        let name = name.clone()?;
        known_node(file, &join(path, field), &name, &world.nodes);
        Some(name)
    };
    found.extend(node("stopNode", &s.stop_node).map(|n| one(StepAction::StopNode(n))));
    found.extend(node("startNode", &s.start_node).map(|n| one(StepAction::StartNode(n))));
    let fault = |fault: Fault| vec![StepAction::Fault(fault)];
    found.extend(node("deleteNode", &s.delete_node).map(|n| fault(Fault::DeleteNode(n))));
    found.extend(node("partitionNode", &s.partition_node).map(|n| fault(Fault::Partition(n))));
    if let Some(added) = &s.add_node {
        found.push(joining(file, &join(path, "addNode"), added, world));
    }
    found.extend(s.stop_zone.clone().map(|z| fault(Fault::StopZone(z))));
    found.extend(s.start_zone.clone().map(|z| fault(Fault::StartZone(z))));
    found.extend(s.kill_pod.as_ref().map(|k| fault(Fault::KillPod(killed_pod(k)))));
    found.extend(s.kill_process.as_ref().map(|k| fault(killed_process(k))));
    if let Some(api) = &s.api_fault {
        found.extend(api_fault(file, &join(path, "apiFault"), api).map(fault));
    }
    if let Some(registry) = &s.registry_fault {
        let images = registry.images.clone().unwrap_or_else(|| "*".to_owned());
        found.push(fault(Fault::Registry { images, slow: registry.slow.map(|l| l.0) }));
    }
    if let Some(out) = s.dns_outage {
        let action = if out { StepAction::Fault(Fault::Dns) } else { StepAction::Undo(Fault::Dns) };
        found.push(one(action));
    }
    if let Some(clock) = &s.clock_skew {
        known_node(file, &join(path, "clockSkew.node"), &clock.node, &world.nodes);
        let length = |l: Option<written::Length>| l.map_or(Duration::ZERO, |l| l.0);
        let skew = Skew { ahead: length(clock.ahead), behind: length(clock.behind) };
        if skew.ahead.is_zero() == skew.behind.is_zero() {
            file.wrong(&join(path, "clockSkew"), "a clock is `ahead` or `behind`");
        }
        found.push(fault(Fault::Clock { node: clock.node.clone(), skew }));
    }
    if let Some(memory) = &s.memory_pressure {
        known_node(file, &join(path, "memoryPressure.node"), &memory.node, &world.nodes);
        match Growth::parse(&memory.uses) {
            Ok(uses) => found.push(fault(Fault::Memory {
                node: memory.node.clone(),
                uses,
                written: memory.uses.clone(),
            })),
            Err(why) => file.wrong(&join(path, "memoryPressure.uses"), why),
        }
    }
    only(file, path, found)
}

/// The files that a kubectl line names.
fn file_names(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace();
    let pairs = words.clone().zip(words.clone().skip(1));
    let after = pairs.filter(|(flag, _)| matches!(*flag, "-f" | "--filename")).map(|(_, f)| f);
    let joint = words.filter_map(|w| w.strip_prefix("--filename="));
    after.chain(joint).map(|f| f.trim_matches(['\'', '"']))
}

/// The one action of a step.
fn only(file: &mut File, path: &str, mut found: Vec<Vec<StepAction>>) -> Vec<StepAction> {
    match found.len() {
        1 => found.remove(0),
        0 => {
            if file.problems.is_empty() {
                let known = "apply, delete, kubectl, await, sleep, stopNode, startNode, addNode, deleteNode, \
                             stopZone, startZone, killPod, killProcess, apiFault, registryFault, \
                             dnsOutage, clockSkew, memoryPressure, partitionNode";
                file.wrong(path, format!("a step has one action of {known}"));
            }
            Vec::new()
        }
        n => {
            let hint = "make a step of each: one without a time follows the one before".to_owned();
            file.wrong_with(path, format!("a step has one action, not {n}"), Some(hint));
            Vec::new()
        }
    }
}

fn known_node(file: &mut File, path: &str, name: &str, nodes: &BTreeSet<String>) {
    if nodes.is_empty() || nodes.contains(name) {
        return;
    }
    let near = suggest::nearest(name, nodes.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let some: Vec<&str> = nodes.iter().map(String::as_str).take(5).collect();
            format!("there are {}", some.join(", "))
        }
    };
    file.wrong_with(path, format!("there is no node {name:?}"), Some(hint));
}

/// The documents of paths and manifests, and what kubectl is said to be given.
pub(super) fn documents(
    file: &mut File,
    path: &str,
    what: &OneOrMany<PathOrObject>,
    prepare: &dyn Fn(&mut Value),
) -> (String, Vec<Value>) {
    let (source, manifests) = manifests(file, path, what);
    let documents = manifests.into_iter().map(|m| {
        let mut value = m.value;
        prepare(&mut value);
        value
    });
    (source, documents.collect())
}

/// The manifests of paths and those written in place, in their order.
pub(super) fn manifests(
    file: &mut File,
    path: &str,
    what: &OneOrMany<PathOrObject>,
) -> (String, Vec<Manifest>) {
    let place = |i: usize| match what {
        OneOrMany::One(_) => path.to_owned(),
        OneOrMany::Many(_) => format!("{path}[{i}]"),
    };
    let (mut names, mut found) = (Vec::new(), Vec::new());
    for (i, one) in what.all().iter().enumerate() {
        match one {
            PathOrObject::Path(given) => {
                names.push(given.clone());
                found.extend(file.load(&[given], &place(i)));
            }
            PathOrObject::Object(_) => {
                let inner = file.load_inner(&[place(i)]);
                names.extend(inner.iter().map(Manifest::title));
                found.extend(inner);
            }
        }
    }
    (names.join(" -f "), found)
}

/// The kubectl line that deletes what manifests name.
fn deletion(file: &mut File, path: &str, what: &OneOrMany<PathOrObject>) -> String {
    let only_paths = what.all().iter().all(|w| matches!(w, PathOrObject::Path(_)));
    if only_paths {
        let paths = what.all().iter().filter_map(|w| match w {
            PathOrObject::Path(path) => {
                drop(file.path(path));
                Some(format!(" -f '{path}'"))
            }
            PathOrObject::Object(_) => None,
        });
        return format!("delete{}", paths.collect::<String>());
    }
    // What is written in place has a name; kubectl deletes by names of one namespace at a time.
    let (_, manifests) = manifests(file, path, what);
    let mut namespaces: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for manifest in &manifests {
        let kind = manifest.info.map_or_else(|| manifest.kind.to_lowercase(), |i| i.resource());
        let name = format!("{kind}/{}", manifest.name());
        namespaces.entry(manifest.namespace()).or_default().push(name);
    }
    if namespaces.len() > 1 {
        file.wrong(path, "a step deletes in one namespace: make a step of each");
    }
    let (namespace, names) = namespaces.pop_first().unwrap_or_default();
    let of = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
    format!("delete {}{of}", names.join(" "))
}

fn joining(
    file: &mut File,
    path: &str,
    added: &NameOrNodes,
    world: &mut World<'_>,
) -> Vec<StepAction> {
    let specs = match added {
        NameOrNodes::Name(name) => vec![crate::scenario::cluster::NodeSpec::worker(name)],
        NameOrNodes::Nodes(nodes) => {
            let first = if nodes.name.is_none() { world.nodes.len() } else { 0 };
            cluster::of_group(file, path, nodes, first)
        }
    };
    for spec in &specs {
        if !world.nodes.is_empty() && !world.nodes.insert(spec.name.clone()) {
            file.wrong(path, format!("there is a node {:?} already", spec.name));
        }
    }
    specs.into_iter().map(|s| StepAction::AddNode(Box::new(s))).collect()
}

fn pods(
    name: Option<&String>,
    namespace: Option<&String>,
    labels: &BTreeMap<String, String>,
) -> Choice {
    Choice {
        kind: Kind::Pod,
        inert: None,
        name: name.map(|n| Pattern(n.into())),
        namespace: Some(namespace.map_or(NAMESPACE.into(), Str::from)),
        labels: labels.iter().map(|(k, v)| (k.into(), v.into())).collect(),
    }
}

fn killed_pod(killed: &NameOrKillPod) -> KilledPod {
    match killed {
        NameOrKillPod::Name(name) => {
            KilledPod { choice: pods(Some(name), None, &BTreeMap::new()), all: false, grace: None }
        }
        NameOrKillPod::Pod(k) => KilledPod {
            choice: pods(
                k.name.as_ref(),
                k.namespace.as_ref(),
                &k.labels.clone().unwrap_or_default(),
            ),
            all: k.all == Some(true),
            grace: k.grace.map(|g| g.0),
        },
    }
}

fn killed_process(k: &written::KillProcess) -> Fault {
    Fault::KillProcess {
        pod: pods(Some(&k.pod), k.namespace.as_ref(), &BTreeMap::new()),
        container: k.container.clone(),
        kill: k.signal != Some(written::KillSignal::Term),
    }
}

fn api_fault(file: &mut File, path: &str, api: &written::ApiFault) -> Option<Fault> {
    let verdict = match (api.error, api.delay) {
        (Some(error), None) => Verdict::Fail(match error {
            written::ApiErrorKind::Conflict => ErrorReason::Conflict,
            written::ApiErrorKind::TooManyRequests => ErrorReason::TooManyRequests,
            written::ApiErrorKind::InternalError => ErrorReason::InternalError,
        }),
        (None, Some(delay)) if !delay.0.is_zero() => Verdict::Delay(delay.0),
        (None, None) => Verdict::Fail(ErrorReason::InternalError),
        (None, Some(_)) => {
            file.wrong(&join(path, "delay"), "a delay takes some time");
            return None;
        }
        (Some(_), Some(_)) => {
            file.wrong(path, "requests are refused with an `error` or take a `delay` longer");
            return None;
        }
    };
    if matches!(verdict, Verdict::Delay(_)) && api.percent.is_none_or(|p| p == 100) {
        // A request is judged anew when it comes: without an end it would never arrive.
        file.wrong(path, "a delay needs a `percent` below 100: what comes late is judged again");
        return None;
    }
    let of = match (api.requests, &api.kind) {
        (None, None) => Concerns::All,
        (Some(written::ApiRequests::Creates), None) => Concerns::Creates,
        (Some(written::ApiRequests::Updates), None) => Concerns::Updates,
        (Some(written::ApiRequests::Deletes), None) => Concerns::Deletes,
        (None, Some(kind)) => match Kind::from_name(kind).filter(|k| *k != Kind::Inert) {
            Some(kind) => Concerns::Kind(kind),
            None => {
                let near = suggest::nearest(kind, Kind::ALL.iter().map(|k| k.as_str()));
                let hint = near.map(|n| format!("did you mean \"{n}\"?"));
                file.wrong_with(&join(path, "kind"), format!("there is no kind {kind:?}"), hint);
                return None;
            }
        },
        (Some(_), Some(_)) => {
            file.wrong(path, "requests are chosen by what they do or by their kind, not both");
            return None;
        }
    };
    let from = match api.from {
        None => Callers::Everybody,
        Some(written::ApiCaller::Controllers) => Callers::One(ComponentId::Controllers),
        Some(written::ApiCaller::Scheduler) => Callers::One(ComponentId::Scheduler),
        Some(written::ApiCaller::Kubelets) => Callers::Kubelets,
    };
    Some(Fault::Api { from, of, permille: api.percent.unwrap_or(100) * 10, verdict })
}

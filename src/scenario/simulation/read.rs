//! From a file to a simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::conditions::join;
use super::file::{File, folder_of};
use super::steps::{Ready, World};
use super::written::{self, OneOrMany, PathOrObject, Written};
use super::{API_VERSION, KIND, Simulation, cluster, expectations, schema, steps};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::documents::{Document, ErrorKind, read_documents};
use crate::api::limits::Limits;
use crate::api::load::{self, Manifest};
use crate::api::source::Source;
use crate::api::suggest;
use crate::api::tree::{Step, Tree, write_path};
use crate::base::time::SimTime;
use crate::controllers::hpa::load::Profile;
use crate::scenario::cluster::Storage;
use crate::scenario::kubectl::Files;
use crate::scenario::recorded::{MAX_SCENARIO_BYTES, Scenario};
use crate::scenario::replay;
use crate::scenario::runner::{End, Plan, StepAction, TimedStep};
use crate::scenario::snapshot::{self, Snapshot};
use crate::sim::scheduling::{Config, config_file};
use crate::sim::{Options, Start};

/// Whether a file is a Simulation or a scenario's, by its first words: enough to find them in a folder of
/// other files. What cannot be read is none.
pub fn is_simulation(path: &Path) -> bool {
    let Ok(text) = text_of(path) else { return false };
    let field = |name: &str, value: &str| {
        text.lines().any(|line| {
            let rest = line.strip_prefix(name).and_then(|r| r.strip_prefix(':'));
            rest.is_some_and(|r| r.split('#').next().unwrap_or_default().trim() == value)
        })
    };
    field("kind", KIND) && text.contains("wavetank.dev/")
        || path.file_name().is_some_and(|n| n == "scenario.yaml") && Scenario::parse(&text).is_ok()
}

/// Reads a simulation.
///
/// # Errors
/// All that is wrong with it and with what it names.
pub fn read(path: &Path) -> Result<Simulation, Vec<Diagnostic>> {
    read_with(path, &[])
}

/// Reads a simulation with other values for some of its fields than are written.
///
/// # Errors
/// All that is wrong with it, with the values and with what it names.
pub fn read_with(path: &Path, sets: &[(Vec<Step>, Value)]) -> Result<Simulation, Vec<Diagnostic>> {
    let text = text_of(path).map_err(|problem| vec![*problem])?;
    let source = Source::new(path.display().to_string(), text);
    let (mut document, others) = documents(&source)?;
    for (at, value) in sets {
        document.tree = document.tree.with(at, value).map_err(|why| {
            let text = format!("{} cannot be set: {why}", write_path(at));
            vec![
                Diagnostic::new(Code::UnknownField, text)
                    .at(&source, document.tree.node(Tree::ROOT).span),
            ]
        })?;
    }
    let has = |key: &str| document.tree.child(Tree::ROOT, key).is_some();
    if !has("apiVersion") && !has("kind") && has("duration") && others.is_empty() {
        if !sets.is_empty() {
            let text = format!(
                "{} is a recorded scenario: only fields of a Simulation can be set",
                path.display()
            );
            return Err(vec![Diagnostic::new(Code::UnknownField, text)]);
        }
        return scenario(path, &source);
    }
    let mut file = File {
        source: Arc::clone(&source),
        tree: Arc::new(document.tree),
        folder: folder_of(path),
        named: vec![path.to_owned()],
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    for repeated in &document.repeated {
        let text = format!("the key \"{}\" is repeated", repeated.key);
        file.problems.push(
            Diagnostic::new(Code::DuplicateField, text).at(&source, repeated.again).related(
                &source,
                repeated.first,
                "it stands here first",
            ),
        );
    }
    schema::check(&source, &Arc::clone(&file.tree), &mut file.problems);
    if !file.problems.is_empty() {
        return Err(file.problems);
    }
    let written = decode(&file)?;
    let simulation = compile(&mut file, path, &written, &others);
    if file.problems.iter().any(Diagnostic::is_error) {
        return Err(file.problems);
    }
    Ok(simulation)
}

fn text_of(path: &Path) -> Result<String, Box<Diagnostic>> {
    let bound = format!("a simulation may have {MAX_SCENARIO_BYTES} bytes");
    load::text_of(path, MAX_SCENARIO_BYTES, &bound)
}

/// The document of the simulation, and the text of the others as a source of manifests.
fn documents(source: &Arc<Source>) -> Result<(Document, Vec<Arc<Tree>>), Vec<Diagnostic>> {
    let (mut simulations, mut others, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for document in read_documents(source.text(), &Limits::default()) {
        match document {
            Ok(d) if d.tree.is_empty() || d.tree.value(Tree::ROOT).is_null() => {}
            Ok(d) => {
                let text = |key| d.tree.text(Tree::ROOT, key).map_or("", |t| t.as_str());
                let own = text("kind") == KIND && text("apiVersion").starts_with("wavetank.dev/");
                let scenario = text("kind").is_empty() && text("apiVersion").is_empty();
                if own || scenario {
                    simulations.push(d);
                } else {
                    others.push(Arc::new(d.tree));
                }
            }
            Err(e) => {
                let code = match e.kind {
                    ErrorKind::Yaml => Code::YamlSyntax,
                    ErrorKind::Json => Code::JsonSyntax,
                    ErrorKind::Limit => Code::Limit,
                };
                problems.push(Diagnostic::new(code, e.problem).at(source, e.span));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let hint = format!("it begins with\napiVersion: {API_VERSION}\nkind: {KIND}");
    let wrong = |text: String| Diagnostic::new(Code::NothingToLoad, text).hint(hint.clone());
    match simulations.len() {
        0 => Err(vec![wrong(format!("{} holds no Simulation", source.name()))]),
        1 => Ok((simulations.remove(0), others)),
        _ => {
            let second = simulations.swap_remove(1);
            let text = "a file holds one Simulation; this is the second".to_owned();
            Err(vec![wrong(text).at(source, second.tree.node(Tree::ROOT).span)])
        }
    }
}

pub(super) fn decode(file: &File) -> Result<Written, Vec<Diagnostic>> {
    let value = file.tree.value(Tree::ROOT);
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        vec![file.problem(if path == "." { "" } else { &path }, e.inner().to_string())]
    })
}

/// Makes the simulation; what is wrong is noted, and something else stands in its place.
fn compile(file: &mut File, path: &Path, w: &Written, others: &[Arc<Tree>]) -> Simulation {
    let snapshot = dumps(file, w.from.as_ref());
    let start = start(file, w.start_time.as_deref(), &snapshot);
    let (nodes, names) = cluster::nodes(file, w.cluster.as_ref(), start);
    let known = if snapshot.is_empty() { names } else { BTreeSet::new() };
    let mut manifests = initial(file, w.manifests.as_ref(), others);
    let profiles = profiles(file, w.load.as_ref());
    let prepare = |document: &mut Value| attach(document, &profiles);
    manifests.1.iter_mut().for_each(|m| prepare(&mut m.value));
    let inert = load::Loaded { manifests: manifests.1.clone(), warnings: Vec::new() }.inert_kinds();
    let mut ready = Ready::default();
    if !manifests.1.is_empty() {
        let documents = manifests.1.iter().map(|m| m.value.clone()).collect();
        ready.steps.push(TimedStep {
            action: StepAction::Apply { source: manifests.0, documents },
            files: Files { root: file.folder.clone(), confined: false },
            ..TimedStep::default()
        });
        ready.expectations.extend(expectations::of_step(0, "apply".to_owned(), None, false, None));
    }
    let written = w.steps.as_deref().unwrap_or_default();
    let mut world = World { nodes: known, prepare: &prepare };
    steps::compile(file, written, &mut world, &mut ready);
    needed(file, &profiles, &ready.steps);
    for (i, e) in w.expect.iter().flatten().enumerate() {
        let made = expectations::compile(file, &format!("expect[{i}]"), e, &ready.names);
        ready.expectations.extend(made);
    }
    let end = end(file, w, &ready.steps);
    let (images, bandwidth) = cluster::images(file, w.cluster.as_ref());
    let mut latency = cluster::latency(w.cluster.as_ref());
    latency.image_bandwidth = bandwidth;
    let options = Options {
        seed: w.seed.unwrap_or(1),
        start: Start(start),
        latency,
        scheduler: scheduler(file, w.scheduler.as_ref()),
        cloud: w.cluster.as_ref().and_then(|c| c.cloud).unwrap_or(true),
        images,
        behaviors: cluster::behaviors(file, w.behaviors.as_ref()),
        ..Options::default()
    };
    let storage = match w.cluster.as_ref().and_then(|c| c.storage) {
        None | Some(written::Storage::Provisioner) => Storage::Provisioner,
        Some(written::Storage::None) => Storage::None,
    };
    let metadata = w.metadata.clone().unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let count = Some(snapshot.nodes()).filter(|n| *n > 0).unwrap_or(nodes.len());
    Simulation {
        name: metadata.name.unwrap_or(stem),
        description: w.description.clone().unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        file: path.to_owned(),
        sources: std::mem::take(&mut file.named),
        skipped: None,
        plan: Plan { options, snapshot, nodes, storage, steps: ready.steps, end },
        nodes: count,
        expectations: Arc::new(ready.expectations),
        inert,
        warnings: std::mem::take(&mut file.warnings),
    }
}

fn start(file: &mut File, written: Option<&str>, snapshot: &Snapshot) -> SimTime {
    let fallback = snapshot.taken.unwrap_or(Start::default().0);
    let Some(text) = written else { return fallback };
    let read = chrono::DateTime::parse_from_rfc3339(text).ok();
    read.and_then(|t| SimTime::from_utc(t.to_utc())).unwrap_or_else(|| {
        let wrong = format!("{text:?} is no time such as 2026-03-29T00:55:00Z, from 1970 on");
        file.wrong("startTime", wrong);
        fallback
    })
}

fn dumps(file: &mut File, from: Option<&OneOrMany<String>>) -> Snapshot {
    let Some(from) = from else { return Snapshot::default() };
    let paths: Vec<PathBuf> = from.all().iter().map(|p| file.path(p)).collect();
    // A server wrote it: another release's fields are no mistakes, and rules may have been others then.
    let options = load::Options {
        validation: load::FieldValidation::Ignore,
        rules: load::Rules::Left,
        ..load::Options::default()
    };
    let read = load::load_with(&paths, None, options).and_then(|l| snapshot::read(&l.manifests));
    match read {
        Ok(snapshot) => {
            file.warnings.extend(snapshot.notes.iter().cloned());
            if snapshot.is_empty() {
                file.wrong("from", "the dump holds no objects of a cluster");
            }
            snapshot
        }
        Err(problems) => {
            file.problems.extend(problems);
            Snapshot::default()
        }
    }
}

/// The manifests that are applied at the start, and what kubectl is said to be given.
fn initial(
    file: &mut File,
    written: Option<&OneOrMany<PathOrObject>>,
    others: &[Arc<Tree>],
) -> (String, Vec<Manifest>) {
    let (mut source, mut all) = match written {
        Some(what) => steps::manifests(file, "manifests", what),
        None => (String::new(), Vec::new()),
    };
    for tree in others {
        let loaded = load::load_parts(&file.source, tree, &[Tree::ROOT], load::Options::default());
        all.extend(file.take(loaded));
    }
    if !others.is_empty() {
        let name = Path::new(file.source.name()).file_name().unwrap_or_default().to_string_lossy();
        let joint = if source.is_empty() { "" } else { " -f " };
        source = format!("{source}{joint}{name}");
    }
    (source, all)
}

fn end(file: &mut File, w: &Written, steps: &[TimedStep]) -> End {
    let Some(length) = w.length else { return End::Quiet };
    if w.until.is_some() {
        file.wrong("until", "a simulation has a length or runs until quiet, not both");
    }
    let last = steps.iter().filter(|s| s.when.is_none()).map(|s| s.at).max().unwrap_or_default();
    if last > length.0 {
        file.wrong("for", "it ends before the last of its steps");
    }
    End::After(length.0)
}

/// The text of a file that the simulation names.
fn named_text(file: &mut File, path: &str) -> Result<Arc<Source>, Box<Diagnostic>> {
    let full = file.path(path);
    text_of(&full).map(|text| Source::new(full.display().to_string(), text))
}

fn scheduler(file: &mut File, written: Option<&PathOrObject>) -> Config {
    let source = match written {
        None => return Config::default(),
        Some(PathOrObject::Path(path)) => match named_text(file, path) {
            Ok(source) => source,
            Err(problem) => {
                file.problems.push(*problem);
                return Config::default();
            }
        },
        Some(PathOrObject::Object(object)) => {
            let value = Value::Object(object.0.clone());
            Source::new(format!("{} (scheduler)", file.source.name()), format!("{value:#}"))
        }
    };
    match config_file::read(&source) {
        Ok(settings) => {
            file.warnings.extend(settings.warnings);
            settings.config
        }
        Err(problems) => {
            file.problems.extend(problems);
            Config::default()
        }
    }
}

/// Annotations of autoscalers, by namespace and name.
type Profiles = BTreeMap<(String, String), Vec<(String, String)>>;

fn profiles(file: &mut File, load: Option<&Vec<written::Load>>) -> Profiles {
    let mut all = Profiles::new();
    for (i, load) in load.into_iter().flatten().enumerate() {
        let path = format!("load[{i}]");
        let mut told = Vec::new();
        let metrics = load.metrics.iter().flatten();
        let metrics = metrics.map(|(name, text)| (format!("metric.{name}"), text));
        let own = [("cpu", &load.cpu), ("memory", &load.memory)];
        let own = own.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.as_ref()?)));
        for (key, text) in own.chain(metrics) {
            if let Err(why) = Profile::parse(text) {
                let at =
                    key.strip_prefix("metric.").map_or(key.clone(), |m| format!("metrics.{m}"));
                file.wrong(&join(&path, &at), why.to_string());
            }
            told.push((format!("wavetank.dev/load.{key}"), text.clone()));
        }
        let namespace = load.namespace.clone().unwrap_or_else(|| "default".to_owned());
        all.entry((namespace, load.autoscaler.clone())).or_default().extend(told);
    }
    all
}

/// The autoscaler that a document is.
fn autoscaler(document: &Value) -> Option<(String, String)> {
    (document["kind"] == "HorizontalPodAutoscaler").then_some(())?;
    let text = |field: &str| document["metadata"][field].as_str().map(str::to_owned);
    Some((text("namespace").unwrap_or_else(|| "default".to_owned()), text("name")?))
}

/// Gives an autoscaler its load profiles.
fn attach(document: &mut Value, profiles: &Profiles) {
    let Some(key) = autoscaler(document) else { return };
    for (annotation, text) in profiles.get(&key).into_iter().flatten() {
        document["metadata"]["annotations"][annotation.as_str()] = text.as_str().into();
    }
}

/// Tells of load profiles whose autoscaler is never applied.
fn needed(file: &mut File, profiles: &Profiles, steps: &[TimedStep]) {
    let applied: BTreeSet<(String, String)> = steps
        .iter()
        .filter_map(|s| match &s.action {
            StepAction::Apply { documents, .. } => Some(documents),
            _ => None,
        })
        .flatten()
        .filter_map(autoscaler)
        .collect();
    let kubectl =
        |s: &TimedStep| matches!(&s.action, StepAction::Kubectl(l) if l.contains("autoscale"));
    if steps.iter().any(kubectl) {
        return;
    }
    for (i, key) in profiles.keys().enumerate().filter(|(_, key)| !applied.contains(key)) {
        let near = suggest::nearest(&key.1, applied.iter().map(|(_, name)| name.as_str()));
        let hint = near.map(|n| format!("did you mean {n:?}?"));
        let text = format!("no HorizontalPodAutoscaler {:?} is applied", key.1);
        file.wrong_with(&format!("load[{i}].autoscaler"), text, hint);
    }
}

/// A recorded scenario's steps on a cluster of three workers.
fn scenario(path: &Path, source: &Arc<Source>) -> Result<Simulation, Vec<Diagnostic>> {
    let scenario = Scenario::parse(source.text()).map_err(|why| {
        let text = format!("{}: {why}", source.name());
        vec![Diagnostic::new(Code::Invalid, text)]
    })?;
    let folder = folder_of(path);
    let mut ready = Ready::default();
    for (i, step) in (0..).zip(&scenario.steps) {
        let made = replay::step(&folder, step);
        let (verb, arg) = made.action.name();
        let refused = step.expect_error.then_some("");
        ready.expectations.extend(expectations::of_step(
            i,
            format!("{verb} {arg}"),
            refused,
            false,
            None,
        ));
        ready.steps.push(made);
    }
    let options = Options::default();
    let nodes: Vec<Value> = (0..3)
        .map(|i| {
            let name = format!("node-{}", i + 1);
            crate::scenario::cluster::NodeSpec::worker(name).object(i, options.start.0)
        })
        .collect();
    Ok(Simulation {
        name: scenario.name,
        description: scenario.description,
        labels: BTreeMap::from([("area".to_owned(), scenario.area)]),
        file: path.to_owned(),
        // Its steps name files of its folder.
        sources: vec![path.to_owned(), folder],
        skipped: None,
        nodes: nodes.len(),
        plan: Plan {
            options,
            snapshot: Snapshot::default(),
            nodes,
            storage: Storage::Provisioner,
            steps: ready.steps,
            end: End::After(scenario.duration),
        },
        expectations: Arc::new(ready.expectations),
        inert: Vec::new(),
        warnings: Vec::new(),
    })
}

//! Test suites of other tools, run without a cluster: the declarative subset of chainsaw and kuttl.
//!
//! A suite becomes a [`Simulation`]: its operations are steps that follow one another ([`Operation`]), its
//! assertions are steps that wait until what is asserted holds or their time is up. The first that fails ends
//! the run, as it ends the test. A test has a namespace of its own, as on a cluster.
//!
//! What is not supported is named where it stands, and the suite is refused: nothing of a host is executed, so
//! there are no scripts and commands but kubectl's.

mod chainsaw;
pub(in crate::scenario) mod commands;
mod kuttl;
pub mod operation;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{NodeSpec, Storage};
use super::jmespath::Scope;
use super::kubectl::Files;
use super::monitor::{AssertionTree, Choice, Comparison, Condition, Objects, Pattern, Wanted};
use super::runner::{End, NAMESPACE, Plan, StepAction, TimedStep};
use super::simulation::{Simulation, expected_of};
use super::snapshot::Snapshot;
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::kinds;
use crate::api::limits::Limits;
use crate::api::load::{self, Manifest};
use crate::base::Str;
use crate::model::Kind;
use crate::sim::Options;

pub use settings::{DEFAULT_FILE, Settings};

use operation::{Binding, Check, Operation, Output, What};

/// How long an assertion waits that says nothing else (chainsaw and kuttl agree).
const ASSERT: Duration = Duration::from_secs(30);
/// A suite that waits longer than this altogether is ended.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Whether a file or folder is a suite of one of these tools.
pub fn is_suite(path: &Path) -> bool {
    if path.is_dir() { kuttl::is_suite(path) } else { chainsaw::is_suite(path) }
}

/// Reads a suite: a test, or several where a file holds several, or scenarios of one. `settings` are those of
/// chainsaw's suites; kuttl's have their own in the folder above.
///
/// # Errors
/// All that is wrong with it, and what of it is not supported.
pub fn read(path: &Path, settings: &Settings) -> Result<Vec<Simulation>, Vec<Diagnostic>> {
    if path.is_dir() { kuttl::read(path).map(|s| vec![s]) } else { chainsaw::read(path, settings) }
}

/// A suite under reading.
struct Suite {
    folder: PathBuf,
    /// The namespace of the test.
    namespace: Str,
    /// What is bound from the start.
    base: Scope,
    /// The bindings of the test and of the step under reading.
    bindings: Vec<Binding>,
    /// The number of the step under reading.
    step: u32,
    steps: Vec<TimedStep>,
    names: Vec<String>,
    problems: Vec<Diagnostic>,
}

/// An operation as a suite notes it.
struct Noted {
    verb: &'static str,
    about: String,
    what: What,
    own: Vec<Binding>,
    checks: Vec<Check>,
    outputs: Vec<Output>,
}

impl Noted {
    fn new(verb: &'static str, about: impl Into<String>, what: What) -> Self {
        let (own, checks, outputs) = (Vec::new(), Vec::new(), Vec::new());
        Self { verb, about: about.into(), what, own, checks, outputs }
    }
}

impl Suite {
    fn new(folder: PathBuf, namespace: &str) -> Self {
        Self {
            folder,
            namespace: namespace.into(),
            base: Scope::default(),
            bindings: Vec::new(),
            step: 0,
            steps: Vec::new(),
            names: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Notes what is not supported.
    fn refuse(&mut self, manifest: &Manifest, path: &str, text: impl Into<String>) {
        self.problems.push(manifest.diagnostic(Code::Invalid, path, text));
    }

    /// Notes what is wrong with a file.
    fn wrong(&mut self, file: &Path, text: impl std::fmt::Display) {
        let text = format!("{}: {text}", file.display());
        self.problems.push(Diagnostic::new(Code::Invalid, text));
    }

    fn note(&mut self, noted: Noted) {
        let Noted { verb, about, what, own, checks, outputs } = noted;
        self.names.push(format!("{verb} {about}"));
        let operation = Operation {
            title: (verb, about),
            step: self.step,
            namespace: self.namespace.clone(),
            base: self.base.clone(),
            bindings: self.bindings.clone(),
            own,
            what,
            checks,
            outputs,
        };
        self.steps.push(TimedStep {
            action: StepAction::Operation(Arc::new(operation)),
            files: Files { root: self.folder.clone(), confined: false },
            ..TimedStep::default()
        });
    }

    /// The namespace of the test is made, unless it is one that every cluster has.
    fn make_namespace(&mut self, metadata: Value) {
        let mut document = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        document["metadata"]["name"] = self.namespace.as_str().into();
        if self.namespace != NAMESPACE {
            let what = What::Store {
                how: operation::How::Apply,
                document,
                template: true,
                subresource: None,
            };
            self.note(Noted::new("create", format!("namespace/{}", self.namespace), what));
        }
    }

    /// The documents of files of the suite, as they are: what is wrong with one the API server says.
    fn documents(&mut self, path: &str) -> Vec<Value> {
        let full = self.folder.join(path);
        let mut found = Vec::new();
        for file in files(&full) {
            match documents(&file) {
                Ok(documents) => found.extend(documents),
                Err(problem) => self.problems.push(*problem),
            }
        }
        found
    }

    fn finish(self, name: String, file: &Path) -> Result<Simulation, Vec<Diagnostic>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let options = Options::default();
        let node = |i: u32| NodeSpec::worker(format!("node-{}", i + 1)).object(i, options.start.0);
        let nodes: Vec<Value> = (0..3).map(node).collect();
        let expected = |(i, name): (u32, String)| expected_of(i, name, None);
        let expectations = Arc::new((0..).zip(self.names).flat_map(expected).collect());
        Ok(Simulation {
            name,
            description: String::new(),
            labels: BTreeMap::new(),
            file: file.to_owned(),
            sources: vec![file.to_owned(), self.folder],
            skipped: None,
            nodes: nodes.len(),
            plan: Plan {
                options,
                snapshot: Snapshot::default(),
                nodes,
                storage: Storage::Provisioner,
                steps: self.steps,
                end: End::WithSteps(LONGEST),
            },
            expectations,
            inert: Vec::new(),
            warnings: Vec::new(),
        })
    }
}

/// The manifests of a file or folder, or of a pattern with `*` in its last part.
fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let pattern = name.contains('*').then_some(name.as_str());
    let folder = match pattern {
        Some(_) => path.parent().unwrap_or(Path::new(".")),
        None if path.is_dir() => path,
        None => return vec![path.to_owned()],
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MAX_FILES).flatten();
    let is_meant = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        let yaml = p.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        p.is_file() && pattern.map_or(yaml, |pattern| crate::base::wildcard::fits(pattern, &name))
    };
    let mut found: Vec<PathBuf> = entries.map(|e| e.path()).filter(is_meant).collect();
    found.sort();
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

/// No folder of a suite may hold more files than this.
const MAX_FILES: usize = 10_000;

/// No file of a suite is larger.
const MOST_BYTES: u64 = 16 << 20;

/// The text of a file of a suite.
fn text(file: &Path) -> Result<String, Box<Diagnostic>> {
    load::text_of(file, MOST_BYTES, &format!("a file of a suite may have {MOST_BYTES} bytes"))
}

/// The documents of a file as they are; those of a List one by one.
fn documents(file: &Path) -> Result<Vec<Value>, Box<Diagnostic>> {
    let name = file.display();
    let text = text(file)?;
    let mut found = Vec::new();
    for document in crate::api::documents::read_documents(&text, &Limits::default()) {
        let read = document.map_err(|e| {
            Box::new(Diagnostic::new(Code::YamlSyntax, format!("{name}: {}", e.problem)))
        })?;
        if read.tree.is_empty() {
            continue;
        }
        let value = read.tree.value(crate::api::tree::Tree::ROOT);
        match value["items"].as_array() {
            Some(items) if value["kind"] == "List" => found.extend(items.iter().cloned()),
            _ => found.extend(Some(value).filter(|v| !v.is_null())),
        }
    }
    Ok(found)
}

/// The test in a file, with its places.
fn manifests(path: &Path) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let options = load::Options { rules: load::Rules::Left, ..load::Options::default() };
    Ok(load::load_with(&[path.to_owned()], None, options)?.manifests)
}

/// A part of an object without what chooses it.
fn asserted_of(part: &Value) -> Value {
    let mut rest = part.clone();
    if let Some(fields) = rest.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
            metadata.remove("namespace");
        }
    }
    rest
}

/// The condition that an object is there that has a part, or of which a tree holds.
fn condition(
    part: &Value,
    namespace: &str,
    tree: Option<AssertionTree>,
) -> Result<Condition, String> {
    let choice = choice(part, namespace)?;
    let tree = match tree {
        Some(tree) => tree,
        None => AssertionTree::literal(&asserted_of(part))?,
    };
    Ok(Condition::Objects(Box::new(Objects {
        choice,
        part: Value::Object(serde_json::Map::new()),
        filter: None,
        tree: Some(tree),
        wanted: Wanted::Count(Comparison::SOME),
    })))
}

/// The objects that a reference or a part of an object names: by name, or by labels.
pub(in crate::scenario) fn choice(of: &Value, namespace: &str) -> Result<Choice, String> {
    let text = |v: &Value| v.as_str().map(Str::from);
    let (Some(version), Some(kind)) = (of["apiVersion"].as_str(), of["kind"].as_str()) else {
        return Err("an object is named with apiVersion and kind".to_owned());
    };
    let (group, _) = kinds::split(version);
    let info = kinds::in_group(group, kind);
    let model = info.map_or(Kind::Inert, kinds::KindInfo::model);
    let namespaced = info.is_none_or(|i| i.namespaced);
    let named = if of["metadata"].is_object() { &of["metadata"] } else { of };
    let labels = if of["labels"].is_object() { &of["labels"] } else { &named["labels"] };
    let name = text(&named["name"]).filter(|n| !n.is_empty());
    let by_labels = labels.as_object().filter(|_| name.is_none()).into_iter().flatten();
    Ok(Choice {
        kind: model,
        inert: (model == Kind::Inert).then(|| (kind.into(), group.into())),
        name: name.map(Pattern),
        namespace: namespaced
            .then(|| text(&named["namespace"]).filter(|n| !n.is_empty()))
            .map(|n| n.unwrap_or_else(|| namespace.into())),
        labels: by_labels.filter_map(|(k, v)| Some((k.into(), v.as_str()?.into()))).collect(),
    })
}

/// The words of the kubectl line that deletes what a reference names.
///
/// # Errors
/// A reference without apiVersion or kind.
pub(in crate::scenario) fn deletion(of: &Value, namespace: &str) -> Result<Vec<String>, String> {
    let choice = choice(of, namespace)?;
    let kind = of["kind"].as_str().unwrap_or_default();
    let group = kinds::split(of["apiVersion"].as_str().unwrap_or_default()).0;
    let resource = match kinds::in_group(group, kind) {
        Some(info) => info.resource(),
        None if group.is_empty() => kind.to_lowercase(),
        None => format!("{}.{group}", kind.to_lowercase()),
    };
    let mut words = vec!["delete".to_owned(), resource];
    let labels: Vec<String> = choice.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    match choice.name {
        Some(Pattern(name)) => words.push(name.to_string()),
        None if labels.is_empty() => words.push("--all".to_owned()),
        None => words.extend(["-l".to_owned(), labels.join(",")]),
    }
    words.extend(["--wait=false".to_owned(), "--ignore-not-found".to_owned()]);
    if let Some(namespace) = choice.namespace {
        words.extend(["-n".to_owned(), namespace.to_string()]);
    }
    Ok(words)
}

/// The condition that a chainsaw `wait` waits for.
///
/// # Errors
/// What of it is not supported.
pub(in crate::scenario) fn awaited(body: &Value, namespace: &str) -> Result<Condition, String> {
    let choice = choice(body, namespace)?;
    let nothing = || Value::Object(serde_json::Map::new());
    let objects = |part: Value, wanted| {
        let choice = choice.clone();
        Condition::Objects(Box::new(Objects { choice, part, filter: None, tree: None, wanted }))
    };
    let some = || objects(nothing(), Wanted::Count(Comparison::SOME));
    let what = &body["for"];
    if !what["deletion"].is_null() {
        return Ok(objects(nothing(), Wanted::Count(Comparison::NONE)));
    }
    if !what["creation"].is_null() {
        return Ok(some());
    }
    if let Some(name) = what["condition"]["name"].as_str() {
        let status = what["condition"]["value"].as_str().unwrap_or("True");
        let part = json!({"status": {"conditions": [{"type": name, "status": status}]}});
        return Ok(Condition::All(vec![some(), objects(part, Wanted::Every)]));
    }
    if let Some(path) = what["jsonPath"]["path"].as_str() {
        let path =
            path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('.');
        let wanted = what["jsonPath"]["value"].clone();
        let mut part = wanted;
        for field in path.split('.').rev() {
            if field.contains(['[', '*', '?', '\\']) {
                return Err(format!(
                    "wait for jsonPath {path:?} is not supported: fields alone are"
                ));
            }
            part = json!({field: part});
        }
        return Ok(Condition::All(vec![some(), objects(part, Wanted::Every)]));
    }
    Err("wait is supported for a condition, a jsonPath of fields, creation and deletion".to_owned())
}

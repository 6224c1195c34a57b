//! Test suites of other tools, run without a cluster: the declarative subset of chainsaw and kuttl.
//!
//! A suite becomes a [`Simulation`]: its operations are steps that follow one another, its assertions are steps
//! that wait ([`StepAction::Await`]) until what is asserted holds or their time is up. The first that fails
//! ends the run, as it ends the test.
//!
//! What is not supported is named where it stands, and the suite is refused: nothing of a host is executed, so
//! there are no scripts and commands but kubectl's.

mod chainsaw;
mod kuttl;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::cluster::{NodeSpec, Storage};
use super::kubectl::Files;
use super::monitor::{AssertionTree, Choice, Comparison, Condition, Objects, Wanted};
use super::runner::{Awaited, End, Plan, StepAction, TimedStep};
use super::simulation::{Simulation, expected_of};
use super::snapshot::Snapshot;
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::kinds;
use crate::api::limits::Limits;
use crate::api::load::{self, Manifest};
use crate::base::Str;
use crate::model::Kind;
use crate::scenario::monitor::Pattern;
use crate::scenario::runner::NAMESPACE;
use crate::sim::Options;

/// How long an assertion waits that says nothing else (chainsaw and kuttl agree).
const ASSERT: Duration = Duration::from_secs(30);
/// A suite that waits longer than this altogether is ended.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Whether a file or folder is a suite of one of these tools.
pub fn is_suite(path: &Path) -> bool {
    if path.is_dir() { kuttl::is_suite(path) } else { chainsaw::is_suite(path) }
}

/// Reads a suite.
///
/// # Errors
/// All that is wrong with it, and what of it is not supported.
pub fn read(path: &Path) -> Result<Simulation, Vec<Diagnostic>> {
    if path.is_dir() { kuttl::read(path) } else { chainsaw::read(path) }
}

/// A suite under reading.
struct Suite {
    folder: PathBuf,
    steps: Vec<TimedStep>,
    names: Vec<String>,
    problems: Vec<Diagnostic>,
}

impl Suite {
    fn new(folder: PathBuf) -> Self {
        Self { folder, steps: Vec::new(), names: Vec::new(), problems: Vec::new() }
    }

    /// Notes what is not supported.
    fn refuse(&mut self, manifest: &Manifest, path: &str, text: impl Into<String>) {
        self.problems.push(manifest.diagnostic(Code::Invalid, path, text));
    }

    fn step(&mut self, name: String, action: StepAction, refused: bool) {
        self.names.push(name);
        self.steps.push(TimedStep {
            action,
            expect_error: refused,
            files: Files { root: self.folder.clone(), confined: false },
            ..TimedStep::default()
        });
    }

    /// The manifests of a file of the suite.
    fn load(&mut self, file: &str) -> Vec<Manifest> {
        let options = load::Options { rules: load::Rules::Left, ..load::Options::default() };
        match load::load_with(&[self.folder.join(file)], None, options) {
            Ok(loaded) => loaded.manifests,
            Err(problems) => {
                self.problems.extend(problems);
                Vec::new()
            }
        }
    }

    /// The documents of a file of assertions: parts of objects, which are not held against the API.
    fn parts(&mut self, file: &Path) -> Vec<Value> {
        match documents(file) {
            Ok(documents) => documents,
            Err(problem) => {
                self.problems.push(*problem);
                Vec::new()
            }
        }
    }

    /// Waits until an object has a part, or until none has.
    fn assert(&mut self, part: &Value, holds: bool, timeout: Duration, at: &Manifest, path: &str) {
        let condition = match condition(part) {
            Ok(condition) => condition,
            Err(why) => return self.refuse(at, path, why),
        };
        let condition = if holds { condition } else { Condition::Not(Box::new(condition)) };
        let what = condition.to_string();
        let verb = if holds { "assert" } else { "error" };
        self.step(
            format!("{verb} {what}"),
            StepAction::Await(Awaited { condition: Arc::new(condition), timeout }),
            false,
        );
    }

    fn finish(self, name: String, file: &Path) -> Result<Simulation, Vec<Diagnostic>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let options = Options::default();
        let node = |i: u32| NodeSpec::worker(format!("node-{}", i + 1)).object(i, options.start.0);
        let nodes: Vec<Value> = (0..3).map(node).collect();
        let expected = |(i, (name, step)): (u32, (String, &TimedStep))| {
            expected_of(i, name, step.expect_error.then_some(""))
        };
        let expectations = (0..).zip(self.names.into_iter().zip(&self.steps)).flat_map(expected);
        let expectations = Arc::new(expectations.collect());
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

/// The documents of a file as they are.
fn documents(file: &Path) -> Result<Vec<Value>, Box<Diagnostic>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| {
        Box::new(Diagnostic::new(Code::Unreadable, format!("{name} cannot be read: {e}")))
    })?;
    let mut found = Vec::new();
    for document in crate::api::documents::read_documents(&text, &Limits::default()) {
        let read = document.map_err(|e| {
            Box::new(Diagnostic::new(Code::YamlSyntax, format!("{name}: {}", e.problem)))
        })?;
        if !read.tree.is_empty() {
            let value = read.tree.value(crate::api::tree::Tree::ROOT);
            found.extend(Some(value).filter(|v| !v.is_null()));
        }
    }
    Ok(found)
}

/// The condition that an object is there that has a part.
fn condition(part: &Value) -> Result<Condition, String> {
    let choice = choice(part)?;
    let mut rest = part.clone();
    if let Some(fields) = rest.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
            metadata.remove("namespace");
        }
    }
    let tree = AssertionTree::read(&rest)?;
    Ok(Condition::Objects(Box::new(Objects {
        choice,
        part: Value::Object(serde_json::Map::new()),
        filter: None,
        tree: Some(tree),
        wanted: Wanted::Count(Comparison::SOME),
    })))
}

/// The objects that a reference or a part of an object names.
fn choice(of: &Value) -> Result<Choice, String> {
    let text = |v: &Value| v.as_str().map(Str::from);
    let (Some(version), Some(kind)) = (of["apiVersion"].as_str(), of["kind"].as_str()) else {
        return Err("an object is named with apiVersion and kind".to_owned());
    };
    let (group, _) = kinds::split(version);
    let info = kinds::in_group(group, kind);
    let model = info.map_or(Kind::Inert, kinds::KindInfo::model);
    let namespaced = info.is_none_or(|i| i.namespaced);
    let named = if of["metadata"].is_object() { &of["metadata"] } else { of };
    let labels = of["labels"].as_object().into_iter().flatten();
    Ok(Choice {
        kind: model,
        inert: (model == Kind::Inert).then(|| (kind.into(), group.into())),
        name: text(&named["name"]).map(Pattern),
        namespace: namespaced.then(|| {
            // A test's own namespace is the default one here.
            let own = |n: &Str| *n != "($namespace)";
            text(&named["namespace"]).filter(own).unwrap_or_else(|| NAMESPACE.into())
        }),
        labels: labels.filter_map(|(k, v)| Some((k.into(), v.as_str()?.into()))).collect(),
    })
}

/// The kubectl line that deletes what a reference names.
fn deletion(of: &Value) -> Result<String, String> {
    let choice = choice(of)?;
    let kind = of["kind"].as_str().unwrap_or_default();
    let group = kinds::split(of["apiVersion"].as_str().unwrap_or_default()).0;
    let resource =
        kinds::in_group(group, kind).map_or_else(|| kind.to_lowercase(), kinds::KindInfo::resource);
    let namespace = choice.namespace.map_or_else(String::new, |n| format!(" -n {n}"));
    if let Some(Pattern(name)) = choice.name {
        return Ok(format!("delete {resource} {name}{namespace} --ignore-not-found"));
    }
    let labels: Vec<String> = choice.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if labels.is_empty() {
        return Ok(format!("delete {resource} --all{namespace}"));
    }
    Ok(format!("delete {resource} -l {}{namespace}", labels.join(",")))
}

//! kuttl's tests: folders of numbered files, `00-install.yaml`, `00-assert.yaml`, `00-errors.yaml`.
//!
//! Files with one number are a step: what is to be applied, then what is to hold, then what is not. A
//! `TestStep` (`kuttl.dev`) may apply, delete, assert; a `TestAssert` gives the time of a step's assertions.
//! Commands are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ASSERT, Suite, deletion};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::load::Manifest;
use crate::scenario::runner::StepAction;
use crate::scenario::simulation::Simulation;

/// No folder may hold more files than this.
const MAX_FILES: usize = 10_000;

/// The files of one step.
#[derive(Debug, Default)]
struct Files {
    install: Vec<PathBuf>,
    asserts: Vec<PathBuf>,
    errors: Vec<PathBuf>,
}

/// The steps of a folder, by number.
fn steps(folder: &Path) -> BTreeMap<u64, Files> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MAX_FILES);
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    let mut steps: BTreeMap<u64, Files> = BTreeMap::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else {
            continue;
        };
        let Some((number, what)) = stem.split_once('-') else { continue };
        let Ok(number) = number.parse() else { continue };
        let step = steps.entry(number).or_default();
        match what {
            "assert" => step.asserts.push(path),
            "errors" => step.errors.push(path),
            _ => step.install.push(path),
        }
    }
    steps
}

/// Whether a folder is a test of kuttl's: one of its numbered files asserts something.
pub(super) fn is_suite(folder: &Path) -> bool {
    steps(folder).values().any(|s| !s.asserts.is_empty() || !s.errors.is_empty())
}

/// Reads a test.
pub(super) fn read(folder: &Path) -> Result<Simulation, Vec<Diagnostic>> {
    let mut suite = Suite::new(folder.to_owned());
    for files in steps(folder).into_values() {
        step(&mut suite, &files);
    }
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if suite.steps.is_empty() && suite.problems.is_empty() {
        let text = format!("{} holds no step", folder.display());
        return Err(vec![Diagnostic::new(Code::NothingToLoad, text)]);
    }
    suite.finish(name, folder)
}

fn step(suite: &mut Suite, files: &Files) {
    let mut timeout = ASSERT;
    for file in &files.install {
        install(suite, file);
    }
    let mut parts = Vec::new();
    for (file, holds) in
        files.asserts.iter().map(|f| (f, true)).chain(files.errors.iter().map(|f| (f, false)))
    {
        for part in suite.parts(file) {
            if is_own(&part) {
                let seconds = part["timeout"].as_u64();
                timeout = seconds.map_or(timeout, Duration::from_secs);
                for field in ["commands", "collectors"] {
                    if field == "commands" && !part[field].is_null() {
                        suite.problems.push(unsupported(file, field));
                    }
                }
                continue;
            }
            parts.push((part, holds, file.clone()));
        }
    }
    for (part, holds, file) in parts {
        match super::condition(&part) {
            Ok(_) => {
                let place = placeless(&file);
                suite.assert(&part, holds, timeout, &place, "");
            }
            Err(why) => suite
                .problems
                .push(Diagnostic::new(Code::Invalid, format!("{}: {why}", file.display()))),
        }
    }
}

fn is_own(part: &serde_json::Value) -> bool {
    part["apiVersion"].as_str().is_some_and(|v| v.starts_with("kuttl.dev/"))
}

fn unsupported(file: &Path, field: &str) -> Diagnostic {
    let text =
        format!("{}: {field} is not supported: nothing of a host is executed", file.display());
    Diagnostic::new(Code::Invalid, text)
}

/// Applies the objects of a file, and does what its TestSteps say.
fn install(suite: &mut Suite, file: &Path) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (own, documents): (Vec<_>, Vec<_>) = suite.parts(file).into_iter().partition(is_own);
    for step in &own {
        for field in ["commands", "kubeconfig", "kubeconfigLoading", "unitTest"] {
            if !step[field].is_null() && step[field] != serde_json::Value::Bool(false) {
                suite.problems.push(unsupported(file, field));
            }
        }
        for reference in step["delete"].as_array().into_iter().flatten() {
            match deletion(reference) {
                Ok(line) => suite.step(line.clone(), StepAction::Kubectl(line), false),
                Err(why) => suite
                    .problems
                    .push(Diagnostic::new(Code::Invalid, format!("{}: {why}", file.display()))),
            }
        }
        for path in step["apply"].as_array().into_iter().flatten().filter_map(|p| p.as_str()) {
            let documents = suite.load(path).into_iter().map(|m| m.value).collect();
            let source = path.to_owned();
            suite.step(format!("apply {source}"), StepAction::Apply { source, documents }, false);
        }
    }
    if !documents.is_empty() {
        suite.step(format!("apply {name}"), StepAction::Apply { source: name, documents }, false);
    }
}

/// A manifest that stands for a file as a place.
fn placeless(file: &Path) -> Manifest {
    use std::sync::Arc;

    use crate::api::load::Origin;
    use crate::api::source::Source;
    use crate::api::tree::Tree;

    let value = serde_json::Value::Object(serde_json::Map::new());
    Manifest {
        origin: Origin {
            source: Source::new(file.display().to_string(), ""),
            document: 1,
            tree: Arc::new(Tree::from_value(&value)),
            root: Tree::ROOT,
        },
        api_version: crate::base::Str::default(),
        kind: crate::base::Str::default(),
        info: None,
        value,
    }
}

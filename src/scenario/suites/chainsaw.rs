//! chainsaw's tests: `kind: Test` of `chainsaw.kyverno.io`.
//!
//! Supported are apply, create, update, patch, delete, assert, error, sleep and wait; what only looks (describe, events,
//! get, podLogs) and what comes after a failure (catch, finally) has no effect on a verdict and is passed over.
//! A test has the namespace `default` to itself.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{ASSERT, Suite, choice, deletion};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::load::{self, Manifest};
use crate::base::length;
use crate::scenario::monitor::{Comparison, Condition, Objects, Wanted};
use crate::scenario::runner::{Awaited, StepAction};
use crate::scenario::simulation::Simulation;

const GROUP: &str = "chainsaw.kyverno.io/";

/// Whether a file is a test of chainsaw's.
pub(super) fn is_suite(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |start: &str| text.lines().any(|l| l.starts_with(start));
    line("apiVersion: chainsaw.kyverno.io/") && line("kind: Test") && !line("kind: TestStep")
}

/// Reads a test.
pub(super) fn read(path: &Path) -> Result<Simulation, Vec<Diagnostic>> {
    let options = load::Options { rules: load::Rules::Left, ..load::Options::default() };
    let loaded = load::load_with(&[path.to_owned()], None, options)?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let mut suite = Suite::new(folder);
    let is_test = |m: &&Manifest| m.api_version.starts_with(GROUP) && m.kind == "Test";
    let Some(test) = loaded.manifests.iter().find(is_test) else {
        let text = format!("{} holds no Test of chainsaw's", path.display());
        return Err(vec![Diagnostic::new(Code::NothingToLoad, text)]);
    };
    let spec = &test.value["spec"];
    for field in ["bindings", "scenarios", "cluster", "clusters"] {
        if !spec[field].is_null() {
            suite.refuse(test, &format!("spec.{field}"), format!("spec.{field} is not supported"));
        }
    }
    let timeouts =
        |field: &str| spec["timeouts"][field].as_str().and_then(|t| length::parse(t).ok());
    let assert = timeouts("assert").unwrap_or(ASSERT);
    let error = timeouts("error").unwrap_or(ASSERT);
    for (i, step) in spec["steps"].as_array().into_iter().flatten().enumerate() {
        for field in ["use", "bindings", "cluster", "clusters", "template"] {
            if !step[field].is_null() && step[field] != Value::Bool(false) {
                let at = format!("spec.steps[{i}].{field}");
                suite.refuse(test, &at, format!("{field} is not supported"));
            }
        }
        for (j, operation) in step["try"].as_array().into_iter().flatten().enumerate() {
            let at = format!("spec.steps[{i}].try[{j}]");
            self::operation(&mut suite, test, &at, operation, assert, error);
        }
    }
    if suite.steps.is_empty() && suite.problems.is_empty() {
        suite.refuse(test, "spec.steps", "the test does nothing");
    }
    let name = match test.name() {
        "" => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        name => name.to_owned(),
    };
    suite.finish(name, path)
}

fn operation(
    suite: &mut Suite,
    test: &Manifest,
    at: &str,
    operation: &Value,
    assert: Duration,
    error: Duration,
) {
    let named = operation.as_object().into_iter().flat_map(serde_json::Map::keys);
    let about = |k: &&String| {
        !matches!(k.as_str(), "description" | "bindings" | "outputs" | "compiler" | "template")
    };
    let Some(name) = named.clone().find(about) else { return };
    for field in ["bindings", "outputs"] {
        if !operation[field].is_null() {
            suite.refuse(test, &format!("{at}.{field}"), format!("{field} is not supported"));
        }
    }
    let body = &operation[name.as_str()];
    let here = format!("{at}.{name}");
    let timeout = body["timeout"].as_str().and_then(|t| length::parse(t).ok());
    match name.as_str() {
        "apply" | "create" | "update" | "patch" => change(suite, test, &here, name, body),
        "assert" => parts(suite, test, &here, body, true, timeout.unwrap_or(assert)),
        "error" => parts(suite, test, &here, body, false, timeout.unwrap_or(error)),
        "delete" => delete(suite, test, &here, body),
        "sleep" => match body["duration"].as_str().map(length::parse) {
            Some(Ok(length)) => {
                suite.step(format!("sleep {}", body["duration"]), StepAction::Sleep(length), false)
            }
            _ => suite.refuse(test, &here, "sleep needs a duration"),
        },
        "wait" => wait(suite, test, &here, body, timeout.unwrap_or(ASSERT)),
        "describe" | "events" | "get" | "podLogs" => {}
        other => suite.refuse(
            test,
            &here,
            format!("{other} is not supported: nothing of a host is executed"),
        ),
    }
}

/// The documents that an operation names or holds.
fn change(suite: &mut Suite, test: &Manifest, at: &str, verb: &str, body: &Value) {
    let refused = expects_error(body);
    let (source, documents) = match (body["file"].as_str(), &body["resource"]) {
        (Some(file), _) => {
            let manifests = suite.load(file);
            (file.to_owned(), manifests.into_iter().map(|m| m.value).collect())
        }
        (None, Value::Object(_)) => {
            let resource = &body["resource"];
            let name = resource["metadata"]["name"].as_str().unwrap_or_default();
            (
                format!("{}/{name}", resource["kind"].as_str().unwrap_or_default()),
                vec![resource.clone()],
            )
        }
        (None, _) => return suite.refuse(test, at, format!("{verb} needs a file or a resource")),
    };
    // What is created and what is patched is applied: the outcome is the same, but that creating what is there
    // is not refused.
    suite.step(format!("{verb} {source}"), StepAction::Apply { source, documents }, refused);
}

/// Whether an operation is expected to be refused.
fn expects_error(body: &Value) -> bool {
    let checks = body["expect"].as_array().into_iter().flatten();
    checks.map(|e| &e["check"]).any(|check| check["($error != null)"] == Value::Bool(true))
}

fn parts(
    suite: &mut Suite,
    test: &Manifest,
    at: &str,
    body: &Value,
    holds: bool,
    timeout: Duration,
) {
    let all = match (body["file"].as_str(), &body["resource"]) {
        (Some(file), _) => {
            let file = suite.folder.join(file);
            suite.parts(&file)
        }
        (None, Value::Object(_)) => vec![body["resource"].clone()],
        (None, _) => return suite.refuse(test, at, "it needs a file or a resource"),
    };
    for part in all {
        suite.assert(&part, holds, timeout, test, at);
    }
}

fn delete(suite: &mut Suite, test: &Manifest, at: &str, body: &Value) {
    if let Some(file) = body["file"].as_str() {
        let line = format!("delete -f '{file}' --ignore-not-found");
        return suite.step(line.clone(), StepAction::Kubectl(line), false);
    }
    match deletion(&body["ref"]) {
        Ok(line) => suite.step(line.clone(), StepAction::Kubectl(line), false),
        Err(why) => suite.refuse(test, at, why),
    }
}

fn wait(suite: &mut Suite, test: &Manifest, at: &str, body: &Value, timeout: Duration) {
    let choice = match choice(body) {
        Ok(choice) => choice,
        Err(why) => return suite.refuse(test, at, why),
    };
    let condition = &body["for"]["condition"];
    let objects = |part: Value, wanted| {
        Condition::Objects(Box::new(Objects {
            choice: choice.clone(),
            part,
            filter: None,
            tree: None,
            wanted,
        }))
    };
    let condition = if !body["for"]["deletion"].is_null() {
        objects(Value::Object(serde_json::Map::new()), Wanted::Count(Comparison::NONE))
    } else if let Some(name) = condition["name"].as_str() {
        let status = condition["value"].as_str().unwrap_or("True");
        let part =
            serde_json::json!({"status": {"conditions": [{"type": name, "status": status}]}});
        let some = Condition::Objects(Box::new(Objects {
            choice: choice.clone(),
            part: Value::Object(serde_json::Map::new()),
            filter: None,
            tree: None,
            wanted: Wanted::Count(Comparison::SOME),
        }));
        Condition::All(vec![some, objects(part, Wanted::Every)])
    } else {
        return suite.refuse(test, at, "wait is supported for a condition and for deletion");
    };
    let name = format!("wait until {condition}");
    let condition = std::sync::Arc::new(condition);
    suite.step(name, StepAction::Await(Awaited { condition, timeout }), false);
}

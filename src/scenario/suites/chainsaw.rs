//! chainsaw's tests: `kind: Test` of `chainsaw.kyverno.io`.
//!
//! Supported are apply, create, update, patch, delete, assert, error, sleep and wait with bindings, outputs,
//! checks, templates, step templates, scenarios, `finally` and `cleanup`; of commands and scripts those that
//! are kubectl lines. What only looks (describe, events, get, podLogs) and what comes after a failure (catch)
//! has no effect on a verdict and is passed over, as is what says how chainsaw itself runs and cleans up.
//! A test has a namespace of its own, `chainsaw-` and its name, or the one that it or the configuration
//! ([`super::settings`]) names.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::operation::{Binding, Check, How, Output, What, bound};
use super::settings::Settings;
use super::{ASSERT, Noted, Suite, commands, manifests};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::load::Manifest;
use crate::base::length;
use crate::scenario::jmespath::{Nowhere, Scope, template};
use crate::scenario::simulation::Simulation;

const GROUP: &str = "chainsaw.kyverno.io/";

/// How long a deletion may take that says nothing else.
const DELETE: Duration = Duration::from_secs(15);
/// How long a command may take that says nothing else.
const EXEC: Duration = Duration::from_secs(5);

/// Whether a file is a test of chainsaw's.
pub(super) fn is_suite(path: &Path) -> bool {
    let text = super::text(path).unwrap_or_default();
    let is = |start: &str| text.lines().any(|l| l.trim_end() == start);
    text.lines().any(|l| l.starts_with("apiVersion: chainsaw.kyverno.io/")) && is("kind: Test")
}

/// Reads the tests of a file, each once for each of its scenarios.
pub(super) fn read(path: &Path, settings: &Settings) -> Result<Vec<Simulation>, Vec<Diagnostic>> {
    let all = manifests(path)?;
    let is_test = |m: &&Manifest| m.api_version.starts_with(GROUP) && m.kind == "Test";
    let tests: Vec<&Manifest> = all.iter().filter(is_test).collect();
    if tests.is_empty() {
        let text = format!("{} holds no Test of chainsaw's", path.display());
        return Err(vec![Diagnostic::new(Code::NothingToLoad, text)]);
    }
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (i, test) in tests.iter().enumerate() {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut name = if test.name().is_empty() { stem } else { test.name().to_owned() };
        if tests.iter().filter(|t| t.name() == test.name()).count() > 1 {
            name = format!("{name}-{}", i + 1);
        }
        let scenarios = test.value["spec"]["scenarios"].as_array();
        let none = [Value::Null];
        for (n, scenario) in scenarios.map_or(&none[..], Vec::as_slice).iter().enumerate() {
            let name = scenarios.map_or_else(|| name.clone(), |_| format!("{name}[{}]", n + 1));
            match read_test(path, settings, test, name, (n + 1, scenario)) {
                Ok(simulation) => found.push(simulation),
                Err(wrong) if n == 0 => problems.extend(wrong),
                Err(_) => {}
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn read_test(
    path: &Path,
    settings: &Settings,
    test: &Manifest,
    name: String,
    (scenario_id, scenario): (usize, &Value),
) -> Result<Simulation, Vec<Diagnostic>> {
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let spec = &test.value["spec"];
    // What the test says of its namespace stands over what the configuration says.
    let own = &spec["namespaceTemplate"]["metadata"];
    let metadata = if own.is_object() { own } else { &settings.namespace_template["metadata"] };
    let namespace = spec["namespace"]
        .as_str()
        .or(settings.namespace.as_deref())
        .or(metadata["name"].as_str())
        .map_or_else(|| format!("chainsaw-{}", test.name().trim_matches('-')), str::to_owned);
    let mut suite = Suite::new(folder, &namespace);
    for field in ["cluster", "clusters", "namespaceTemplateCompiler"] {
        unsupported(&mut suite, test, "spec", spec, field);
    }
    compiler(&mut suite, test, "spec", spec);
    let info = json!({"id": 1, "scenarioId": scenario_id, "metadata": test.value["metadata"]});
    suite.base = [
        ("namespace", Value::from(namespace.as_str())),
        ("test", info),
        ("values", settings.values.clone()),
        ("config", json!({})),
        ("client", json!({})),
        ("cluster", json!({})),
    ]
    .into_iter()
    .fold(Scope::default(), |scope, (name, value)| scope.with(name, value));
    suite.make_namespace(if metadata.is_object() { metadata.clone() } else { json!({}) });
    let mut outer = bindings(&mut suite, test, "spec.scenarios", &scenario["bindings"]);
    outer.extend(bindings(&mut suite, test, "spec", &spec["bindings"]));
    let mut cleanup = Vec::new();
    for (i, step) in spec["steps"].as_array().into_iter().flatten().enumerate() {
        suite.step = u32::try_from(i + 1).unwrap_or(u32::MAX);
        let at = format!("spec.steps[{i}]");
        let times =
            Times::default().of(&settings.timeouts).of(&spec["timeouts"]).of(&step["timeouts"]);
        let said = |field: &str, all: &Value| {
            let near = [&step[field], &spec[field], all].into_iter().find(|v| !v.is_null());
            near.cloned().unwrap_or_default()
        };
        let template = said("template", &settings.template) != Value::Bool(false);
        let cascade = said("deletionPropagationPolicy", &settings.propagation);
        let ways = Ways { times, template, cascade };
        for field in ["cluster", "clusters"] {
            unsupported(&mut suite, test, &at, step, field);
        }
        compiler(&mut suite, test, &at, step);
        let used = used(&mut suite, test, &at, step, &outer);
        let body = used.as_ref().unwrap_or(step);
        suite.bindings = outer.clone();
        let own = bindings(&mut suite, test, &at, &body["bindings"]);
        suite.bindings.extend(own);
        let given = bindings(&mut suite, test, &at, &step["use"]["with"]["bindings"]);
        suite.bindings.extend(given);
        let reader = Reader { test, ways: ways.clone() };
        for part in ["try", "finally"] {
            for (j, operation) in body[part].as_array().into_iter().flatten().enumerate() {
                reader.operation(&mut suite, &format!("{at}.{part}[{j}]"), operation);
            }
        }
        cleanup.push((at, body["cleanup"].clone(), suite.bindings.clone(), ways));
    }
    // What a step cleans up is cleaned up at the end, the last step's first.
    for (at, operations, bindings, ways) in cleanup.into_iter().rev() {
        suite.bindings = bindings;
        let reader = Reader { test, ways };
        for (j, operation) in operations.as_array().into_iter().flatten().enumerate() {
            reader.operation(&mut suite, &format!("{at}.cleanup[{j}]"), operation);
        }
    }
    if spec["steps"].as_array().is_none_or(Vec::is_empty) && suite.problems.is_empty() {
        suite.refuse(test, "spec.steps", "the test does nothing");
    }
    let skipped =
        (spec["skip"] == Value::Bool(true)).then(|| "its file says skip: true".to_owned());
    let description = spec["description"].as_str().unwrap_or_default().to_owned();
    let mut simulation = suite.finish(name, path)?;
    simulation.sources.extend_from_slice(&settings.files);
    Ok(Simulation { skipped, description, ..simulation })
}

fn unsupported(suite: &mut Suite, test: &Manifest, at: &str, of: &Value, field: &str) {
    let given = &of[field];
    let empty = given.is_null() || given.as_object().is_some_and(serde_json::Map::is_empty);
    // A cluster that is named by nothing, or by a binding that may be so, is the one there is.
    if !empty && given != "" && !given.as_str().is_some_and(|t| t.starts_with("($")) {
        let text = format!("{field} is not supported: there is one cluster");
        suite.refuse(test, &format!("{at}.{field}"), text);
    }
}

fn compiler(suite: &mut Suite, test: &Manifest, at: &str, of: &Value) {
    if of["compiler"].as_str().is_some_and(|c| c != "jp") {
        let text = format!("compiler {} is not supported: JMESPath (jp) is", of["compiler"]);
        suite.refuse(test, &format!("{at}.compiler"), text);
    }
}

/// The bindings of a list.
fn bindings(suite: &mut Suite, test: &Manifest, at: &str, list: &Value) -> Vec<Binding> {
    let mut found = Vec::new();
    for (i, each) in list.as_array().into_iter().flatten().enumerate() {
        let at = format!("{at}.bindings[{i}]");
        compiler(suite, test, &at, each);
        let Some(name) = each["name"].as_str() else {
            suite.refuse(test, &at, "a binding has a name");
            continue;
        };
        let binding = Binding { name: name.to_owned(), value: each["value"].clone() };
        let whole = json!([binding.name, binding.value]);
        if let Err(why) = template::readable(&whole) {
            suite.refuse(test, &at, why);
            continue;
        }
        found.push(binding);
    }
    found
}

/// The step template that a step uses.
fn used(
    suite: &mut Suite,
    test: &Manifest,
    at: &str,
    step: &Value,
    outer: &[Binding],
) -> Option<Value> {
    let written = step["use"]["template"].as_str()?;
    let at = format!("{at}.use.template");
    let found = plain(suite, written, outer).and_then(|file| {
        let path = suite.folder.join(&file);
        let all = super::documents(&path).map_err(|p| p.message)?;
        let template = all.into_iter().find(|d| d["kind"] == "StepTemplate");
        template.ok_or_else(|| format!("{} holds no StepTemplate", path.display()))
    });
    match found {
        Ok(template) => Some(template["spec"].clone()),
        Err(why) => {
            suite.refuse(test, &at, why);
            None
        }
    }
}

/// A text that may be an expression over what is known before the test runs.
fn plain(suite: &Suite, written: &str, bindings: &[Binding]) -> Result<String, String> {
    let scope = bound(suite.base.clone(), bindings, &Nowhere)?;
    match template::filled(&written.into(), &scope, &Nowhere)? {
        Value::String(text) => Ok(text),
        other => Err(format!("{written} comes to {other}, which is no text")),
    }
}

/// How long operations may take.
#[derive(Clone, Copy)]
struct Times {
    assert: Duration,
    error: Duration,
    delete: Duration,
    exec: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { assert: ASSERT, error: ASSERT, delete: DELETE, exec: EXEC }
    }
}

impl Times {
    /// With what is written of them.
    fn of(self, written: &Value) -> Self {
        let time = |field: &str, default| parsed(&written[field]).unwrap_or(default);
        Self {
            assert: time("assert", self.assert),
            error: time("error", self.error),
            delete: time("delete", self.delete),
            exec: time("exec", self.exec),
        }
    }
}

fn parsed(written: &Value) -> Option<Duration> {
    written.as_str().and_then(|t| length::parse(t).ok())
}

/// What of an operation's mapping is about it and not what it does.
const ABOUT: [&str; 4] = ["description", "compiler", "continueOnError", "template"];

/// How operations are carried out that say nothing else.
#[derive(Clone)]
struct Ways {
    times: Times,
    template: bool,
    /// The deletion propagation policy; null where none is said.
    cascade: Value,
}

struct Reader<'t> {
    test: &'t Manifest,
    ways: Ways,
}

impl Reader<'_> {
    fn operation(&self, suite: &mut Suite, at: &str, operation: &Value) {
        let named = operation.as_object().into_iter().flat_map(serde_json::Map::keys);
        let Some(name) = named.into_iter().find(|k| !ABOUT.contains(&k.as_str())) else { return };
        let body = &operation[name.as_str()];
        let here = format!("{at}.{name}");
        compiler(suite, self.test, at, operation);
        if operation["continueOnError"] == Value::Bool(true) {
            suite.refuse(
                self.test,
                &format!("{at}.continueOnError"),
                "continueOnError is not supported",
            );
        }
        for field in ["cluster", "clusters"] {
            unsupported(suite, self.test, &here, body, field);
        }
        if body["dryRun"] == Value::Bool(true) {
            suite.refuse(self.test, &format!("{here}.dryRun"), "dryRun is not supported");
        }
        let timeout = parsed(&body["timeout"]);
        match name.as_str() {
            "apply" => self.store(suite, &here, "apply", How::Apply, body),
            "create" => self.store(suite, &here, "create", How::Create, body),
            "update" => self.store(suite, &here, "update", How::Update, body),
            "patch" => self.store(suite, &here, "patch", How::Patch, body),
            "assert" => {
                self.assert(suite, &here, "assert", body, timeout.unwrap_or(self.ways.times.assert))
            }
            "error" => {
                self.assert(suite, &here, "error", body, timeout.unwrap_or(self.ways.times.error))
            }
            "delete" => self.delete(suite, &here, body, timeout.unwrap_or(self.ways.times.delete)),
            "sleep" => match parsed(&body["duration"]) {
                Some(length) => {
                    let about = crate::report::timeline::duration(length);
                    suite.note(Noted::new("sleep", about, What::Sleep(length)));
                }
                None => suite.refuse(self.test, &here, "sleep needs a duration"),
            },
            "wait" => self.wait(suite, &here, body, timeout.unwrap_or(ASSERT)),
            "command" | "script" => self.command(suite, &here, name, body, timeout),
            "describe" | "events" | "get" | "podLogs" => {}
            other => suite.refuse(self.test, &here, format!("{other} is not supported")),
        }
    }

    /// The checks and outputs of an operation, and its bindings.
    fn with(&self, suite: &mut Suite, at: &str, body: &Value, mut noted: Noted) -> Noted {
        noted.own = bindings(suite, self.test, at, &body["bindings"]);
        for (i, each) in body["expect"].as_array().into_iter().flatten().enumerate() {
            let (of, tree) = (each["match"].clone(), each["check"].clone());
            self.readable(suite, &format!("{at}.expect[{i}]"), &tree);
            noted.checks.push(Check { of, tree });
        }
        if body["check"].is_object() {
            self.readable(suite, &format!("{at}.check"), &body["check"]);
            noted.checks.push(Check { of: Value::Null, tree: body["check"].clone() });
        }
        for (i, each) in body["outputs"].as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}.outputs[{i}]");
            let made = bindings(suite, self.test, &at, &json!([each]));
            noted.outputs.extend(
                made.into_iter().map(|binding| Output { of: each["match"].clone(), binding }),
            );
        }
        noted
    }

    fn readable(&self, suite: &mut Suite, at: &str, tree: &Value) {
        if let Err(why) = crate::scenario::monitor::AssertionTree::read(tree, Scope::default()) {
            suite.refuse(self.test, at, why);
        }
    }

    /// The documents that an operation names or holds.
    fn documents(&self, suite: &mut Suite, at: &str, body: &Value) -> Vec<Value> {
        match (body["file"].as_str(), &body["resource"]) {
            (Some(file), _) => match plain(suite, file, &suite.bindings.clone()) {
                Ok(file) => suite.documents(&file),
                Err(why) => {
                    suite.refuse(self.test, &format!("{at}.file"), why);
                    Vec::new()
                }
            },
            (None, resource @ Value::Object(_)) => vec![resource.clone()],
            (None, _) => {
                suite.refuse(self.test, at, "it needs a file or a resource");
                Vec::new()
            }
        }
    }

    fn store(&self, suite: &mut Suite, at: &str, verb: &'static str, how: How, body: &Value) {
        let subresource = match body["subresource"].as_str() {
            None => None,
            Some("status") => Some("status"),
            Some("resize") => Some("resize"),
            Some(other) => {
                return suite.refuse(
                    self.test,
                    at,
                    format!("subresource {other:?} is not supported"),
                );
            }
        };
        let template = body["template"].as_bool().unwrap_or(self.ways.template);
        for document in self.documents(suite, at, body) {
            if template && let Err(why) = template::readable(&document) {
                suite.refuse(self.test, at, why);
            }
            let about = about(&document);
            let what = What::Store { how, document, template, subresource };
            let noted = self.with(suite, at, body, Noted::new(verb, about, what));
            suite.note(noted);
        }
    }

    fn assert(
        &self,
        suite: &mut Suite,
        at: &str,
        verb: &'static str,
        body: &Value,
        timeout: Duration,
    ) {
        for part in self.documents(suite, at, body) {
            self.readable(suite, at, &part);
            let about = about(&part);
            let what = What::Assert { parts: vec![(part, verb == "assert")], trees: true, timeout };
            let noted = self.with(suite, at, body, Noted::new(verb, about, what));
            suite.note(noted);
        }
    }

    fn delete(&self, suite: &mut Suite, at: &str, body: &Value, timeout: Duration) {
        let references = match body["ref"].is_object() {
            true => vec![body["ref"].clone()],
            false => self.documents(suite, at, body),
        };
        for mut reference in references {
            if !reference["apiVersion"].is_string() || !reference["kind"].is_string() {
                suite.refuse(self.test, at, "an object is named with apiVersion and kind");
                continue;
            }
            let policy = &body["deletionPropagationPolicy"];
            let policy = if policy.is_null() { &self.ways.cascade } else { policy };
            let cascade = policy.as_str().map(str::to_lowercase).unwrap_or_default();
            reference["cascade"] = cascade.into();
            let about = about(&reference);
            let noted = Noted::new("delete", about, What::Delete { reference, timeout });
            let noted = self.with(suite, at, body, noted);
            suite.note(noted);
        }
    }

    fn wait(&self, suite: &mut Suite, at: &str, body: &Value, timeout: Duration) {
        let mut body = body.clone();
        if let Some(selector) = body["selector"].as_str() {
            let pairs = selector.split(',').map(|p| p.split_once('='));
            let labels: Option<serde_json::Map<String, Value>> = pairs
                .map(|p| p.map(|(k, v)| (k.to_owned(), v.trim_start_matches('=').into())))
                .collect();
            match labels {
                Some(labels) => body["labels"] = labels.into(),
                None => {
                    let text = format!(
                        "selector {selector:?} is not supported: labels that are equal are"
                    );
                    suite.refuse(self.test, &format!("{at}.selector"), text);
                }
            }
        }
        if let Err(why) = super::awaited(&body, "") {
            return suite.refuse(self.test, at, why);
        }
        let noted = Noted::new("wait", about(&body), What::Wait { body: body.clone(), timeout });
        let noted = self.with(suite, at, &body, noted);
        suite.note(noted);
    }

    fn command(
        &self,
        suite: &mut Suite,
        at: &str,
        name: &str,
        body: &Value,
        timeout: Option<Duration>,
    ) {
        let read = if name == "script" {
            commands::of_script(body["content"].as_str().unwrap_or_default())
        } else {
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            let arguments = body["args"].as_array().into_iter().flatten().map(text);
            let words = std::iter::once(text(&body["entrypoint"])).chain(arguments).collect();
            commands::of_words(words).map(|words| vec![words])
        };
        let lines = match read {
            Ok(lines) if lines.is_empty() => return,
            Ok(lines) => lines,
            Err(why) => return suite.refuse(self.test, at, format!("{name}: {why}")),
        };
        let env = bindings(suite, self.test, at, &body["env"]);
        let about = lines.first().map(|l| l.join(" ")).unwrap_or_default();
        let _limit = timeout.unwrap_or(self.ways.times.exec);
        let what = What::Kubectl { lines, env, retry: Duration::ZERO, forgiving: false };
        let noted = self.with(suite, at, body, Noted::new("kubectl", about, what));
        suite.note(noted);
    }
}

/// What an object is called in short: `configmap/web`.
fn about(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("bindings").to_lowercase();
    let named = if object["metadata"].is_object() { &object["metadata"] } else { object };
    match named["name"].as_str() {
        Some(name) => format!("{kind}/{name}"),
        None => kind,
    }
}

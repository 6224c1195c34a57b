//! kuttl's tests: folders of numbered files, `00-install.yaml`, `00-assert.yaml`, `00-errors.yaml`.
//!
//! Files with one number are a step: objects are deleted, commands run and objects applied as its `TestStep`
//! and its manifests say, then all that is asserted must hold at once, and nothing of what is in its files of
//! errors. A `TestAssert` gives the time for that. A folder with a number is a step of all its files. Commands
//! that are kubectl lines are run, others refused; what collects for people is passed over. A test has a
//! namespace of its own, `kuttl-test-` and its name.
//!
//! A `kuttl-test.yaml` in the folder above tells the time of assertions, a namespace, and manifests that are
//! there before the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::operation::{How, What};
use super::{ASSERT, Noted, Suite, commands, documents};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::scenario::jmespath::Scope;
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

impl Files {
    /// Adds a file by what stands in its name before the next minus: `assert`, `errors` or anything else.
    fn add(&mut self, what: &str, path: PathBuf) {
        match what.split('-').next() {
            Some("assert") => self.asserts.push(path),
            Some("errors") => self.errors.push(path),
            _ => self.install.push(path),
        }
    }
}

fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MAX_FILES).flatten();
    let named = entries.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()));
    let mut found: Vec<_> = named.collect();
    found.sort();
    found
}

fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"))
}

/// The steps of a folder, by number.
fn steps(folder: &Path) -> BTreeMap<u64, Files> {
    let mut steps: BTreeMap<u64, Files> = BTreeMap::new();
    for (name, path) in entries(folder) {
        let is_folder = path.is_dir();
        let Some(stem_of) = stem(&name).or(is_folder.then_some(name.as_str())) else { continue };
        let Some((number, what)) = stem_of.split_once('-') else { continue };
        let Ok(number) = number.parse() else { continue };
        let step = steps.entry(number).or_default();
        if !is_folder {
            step.add(what, path);
            continue;
        }
        for (name, path) in entries(&path) {
            if let Some(what) = stem(&name) {
                let bare = what.split_once('-').filter(|(n, _)| n.parse::<u64>().is_ok());
                step.add(bare.map_or(what, |(_, rest)| rest), path);
            }
        }
    }
    steps
}

/// Whether a folder is a test of kuttl's: one of its numbered files asserts something, or is a `TestStep`.
pub(super) fn is_suite(folder: &Path) -> bool {
    let own =
        |path: &PathBuf| super::text(path).is_ok_and(|t| t.contains("apiVersion: kuttl.dev/"));
    steps(folder)
        .values()
        .any(|s| !s.asserts.is_empty() || !s.errors.is_empty() || s.install.iter().any(own))
}

/// Reads a test.
pub(super) fn read(folder: &Path) -> Result<Simulation, Vec<Diagnostic>> {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let settings = folder.join("..").join("kuttl-test.yaml");
    let settings = match settings.is_file() {
        true => documents(&settings).map_err(|p| vec![*p])?,
        false => Vec::new(),
    };
    let settings = settings.into_iter().find(|d| d["kind"] == "TestSuite").unwrap_or_default();
    let namespace = settings["namespace"].as_str().filter(|n| !n.is_empty());
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let own = format!("kuttl-test-{}", plain.trim_matches('-'));
    let mut suite = Suite::new(folder.to_owned(), namespace.unwrap_or(&own));
    suite.base = Scope::default().with("namespace", suite.namespace.as_str().into());
    suite.make_namespace(json!({}));
    before(&mut suite, &settings);
    let timeout = settings["timeout"].as_u64().map_or(ASSERT, Duration::from_secs);
    let steps = steps(folder);
    for (number, files) in &steps {
        suite.step = u32::try_from(*number).unwrap_or(u32::MAX).saturating_add(1);
        step(&mut suite, files, timeout);
    }
    if steps.is_empty() && suite.problems.is_empty() {
        let text = format!("{} holds no step", folder.display());
        return Err(vec![Diagnostic::new(Code::NothingToLoad, text)]);
    }
    suite.finish(name, folder)
}

/// What is there before the test, as the settings of all tests say.
fn before(suite: &mut Suite, settings: &Value) {
    let file = suite.folder.join("../kuttl-test.yaml");
    let folders = settings["manifestDirs"].as_array().into_iter().flatten();
    let all = folders.chain([&settings["crdDir"]]).filter_map(Value::as_str);
    for path in all {
        // Such paths begin where kuttl is run: beside the settings, or above.
        let mut bases = file.ancestors().skip(1).take(6).map(|a| a.join(path));
        match bases.find(|p| p.exists()) {
            Some(found) => {
                for manifest in super::files(&found) {
                    match documents(&manifest) {
                        Ok(all) => apply(suite, all),
                        Err(problem) => suite.problems.push(*problem),
                    }
                }
            }
            None => suite.wrong(&file, format!("the path {path:?} does not exist")),
        }
    }
    for command in settings["commands"].as_array().into_iter().flatten() {
        self::command(suite, &file, command, Duration::ZERO);
    }
}

fn apply(suite: &mut Suite, all: Vec<Value>) {
    for document in all {
        let kind = document["kind"].as_str().unwrap_or_default().to_lowercase();
        let about = format!("{kind}/{}", document["metadata"]["name"].as_str().unwrap_or_default());
        let what = What::Store { how: How::Apply, document, template: false, subresource: None };
        suite.note(Noted::new("apply", about, what));
    }
}

/// The objects and the own documents of a file. A file that is meant for other runs than those without labels
/// is left out.
fn parts(suite: &mut Suite, file: &Path) -> (Vec<Value>, Vec<Value>) {
    let all = match documents(file) {
        Ok(all) => all,
        Err(problem) => {
            suite.problems.push(*problem);
            Vec::new()
        }
    };
    let is_own =
        |part: &Value| part["apiVersion"].as_str().is_some_and(|v| v.starts_with("kuttl.dev/"));
    let (own, objects): (Vec<_>, Vec<_>) = all.into_iter().partition(is_own);
    let labelled = |part: &Value| {
        let selector = &part["testRunSelector"];
        let wanted = selector["matchLabels"].as_object().is_some_and(|l| !l.is_empty());
        let needs = |e: &Value| matches!(e["operator"].as_str(), Some("In" | "Exists"));
        wanted || selector["matchExpressions"].as_array().is_some_and(|all| all.iter().any(needs))
    };
    if own.iter().any(labelled) { (Vec::new(), Vec::new()) } else { (own, objects) }
}

fn step(suite: &mut Suite, files: &Files, mut timeout: Duration) {
    let (mut objects, mut asserted): (Vec<Value>, Vec<(Value, bool)>) = Default::default();
    let mut waiting: Vec<(PathBuf, Value)> = Vec::new();
    let mut seconds = None;
    for file in &files.install {
        let (own, found) = parts(suite, file);
        objects.extend(found);
        for own in &own {
            match own["kind"].as_str() {
                Some("TestStep") => {
                    test_step(suite, file, own, &mut objects, &mut asserted);
                }
                Some("TestAssert") => test_assert(suite, file, own, &mut seconds, &mut waiting),
                _ => {}
            }
        }
    }
    let both =
        files.asserts.iter().map(|f| (f, true)).chain(files.errors.iter().map(|f| (f, false)));
    for (file, holds) in both {
        let (own, found) = parts(suite, file);
        asserted.extend(checked(suite, file, found).into_iter().map(|part| (part, holds)));
        for own in own.iter().filter(|o| o["kind"] == "TestAssert") {
            test_assert(suite, file, own, &mut seconds, &mut waiting);
        }
    }
    timeout = seconds.map_or(timeout, Duration::from_secs);
    apply(suite, objects);
    if !asserted.is_empty() {
        let about = crate::report::timeline::count(asserted.len(), "part");
        let what = What::Assert { parts: asserted, trees: false, timeout };
        suite.note(Noted::new("assert", about, what));
    }
    for (file, command) in waiting {
        self::command(suite, &file, &command, timeout);
    }
}

/// What a TestStep says: deletions and commands come first.
fn test_step(
    suite: &mut Suite,
    file: &Path,
    step: &Value,
    objects: &mut Vec<Value>,
    asserted: &mut Vec<(Value, bool)>,
) {
    for field in ["kubeconfig", "context"] {
        if !step[field].is_null() {
            suite.wrong(file, format!("{field} is not supported: there is one cluster"));
        }
    }
    for reference in step["delete"].as_array().into_iter().flatten() {
        if let Err(why) = super::choice(reference, "") {
            suite.wrong(file, why);
            continue;
        }
        let kind = reference["kind"].as_str().unwrap_or_default().to_lowercase();
        let named =
            if reference["metadata"].is_object() { &reference["metadata"] } else { reference };
        let about = named["name"].as_str().map_or(kind.clone(), |n| format!("{kind}/{n}"));
        let what = What::Delete { reference: reference.clone(), timeout: ASSERT };
        suite.note(Noted::new("delete", about, what));
    }
    for command in step["commands"].as_array().into_iter().flatten() {
        self::command(suite, file, command, Duration::ZERO);
    }
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let read = |suite: &mut Suite, field: &str| {
        let mut found = Vec::new();
        for path in step[field].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let path = path.replace("$NAMESPACE", &suite.namespace);
            if path.starts_with("http://") || path.starts_with("https://") {
                suite.wrong(
                    file,
                    format!("{path} is not fetched: wavetank does not use the network"),
                );
                continue;
            }
            for file in super::files(&folder.join(&path)) {
                let (_, parts) = parts(suite, &file);
                found.extend(parts);
            }
        }
        found
    };
    objects.extend(read(suite, "apply"));
    let holds = read(suite, "assert");
    let errors = read(suite, "error");
    asserted.extend(checked(suite, file, holds).into_iter().map(|p| (p, true)));
    asserted.extend(checked(suite, file, errors).into_iter().map(|p| (p, false)));
}

/// Parts that name their kind; others are told.
fn checked(suite: &mut Suite, file: &Path, parts: Vec<Value>) -> Vec<Value> {
    let mut kept = Vec::new();
    for part in parts {
        match super::choice(&part, "") {
            Ok(_) => kept.push(part),
            Err(why) => suite.wrong(file, why),
        }
    }
    kept
}

fn test_assert(
    suite: &mut Suite,
    file: &Path,
    own: &Value,
    seconds: &mut Option<u64>,
    waiting: &mut Vec<(PathBuf, Value)>,
) {
    *seconds = own["timeout"].as_u64().or(*seconds);
    for field in ["resourceRefs", "assertAll", "assertAny"] {
        if !own[field].is_null() {
            suite.wrong(file, format!("{field} is not supported: parts of objects are"));
        }
    }
    let commands = own["commands"].as_array().into_iter().flatten();
    waiting.extend(commands.map(|c| (file.to_owned(), c.clone())));
}

/// A command: a kubectl line, or a script of them.
fn command(suite: &mut Suite, file: &Path, command: &Value, retry: Duration) {
    let read = match (command["command"].as_str(), command["script"].as_str()) {
        (Some(line), _) => commands::of_line(line).map(|words| vec![words]),
        (None, Some(script)) => commands::of_script(script),
        (None, None) => Err("a command has `command` or `script`".to_owned()),
    };
    if command["background"] == Value::Bool(true) {
        return suite.wrong(file, "commands in the background are not supported");
    }
    let mut lines = match read {
        Ok(lines) if lines.is_empty() => return,
        Ok(lines) => lines,
        Err(why) => return suite.wrong(file, why),
    };
    if command["namespaced"] == Value::Bool(true) {
        let namespace = suite.namespace.to_string();
        lines.iter_mut().for_each(|l| l.extend(["--namespace".to_owned(), namespace.clone()]));
    }
    let about = lines.first().map(|l| l.join(" ")).unwrap_or_default();
    let forgiving = command["ignoreFailure"] == Value::Bool(true);
    let what = What::Kubectl { lines, env: Vec::new(), retry, forgiving };
    suite.note(Noted::new("kubectl", about, what));
}

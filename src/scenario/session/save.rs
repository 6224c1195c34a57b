//! A session as a Simulation file.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Branch, Did};
use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::tree::Tree;
use crate::api::yaml;
use crate::base::time::SimTime;
use crate::scenario::simulation::{API_VERSION, KIND};

/// What a session began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// Manifests, so many workers, a seed.
    Manifests {
        /// The files and folders.
        paths: Vec<PathBuf>,
        /// How many workers.
        nodes: u32,
        /// The seed.
        seed: u64,
    },
    /// A Simulation file.
    Simulation(PathBuf),
    /// What a file cannot say, and why.
    Other(&'static str),
}

/// Writes the file that `rest` names. Answers what was written.
pub(super) fn save(
    base: &Base,
    folder: &Path,
    rest: &str,
    branch: &Branch,
    start: SimTime,
    end: Duration,
) -> Result<String, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (name, force) = match words.as_slice() {
        [name] => (*name, false),
        [name, "--force"] | ["--force", name] => (*name, true),
        _ => return Err("a file is named, as in `save web.yaml`".to_owned()),
    };
    let file = folder.join(name);
    if file.exists() && !force {
        return Err(format!("{name} exists\n  hint: `save {name} --force` writes it anew"));
    }
    let mut document = begun(base, &file)?;
    let mut steps: Vec<Value> = document["steps"].as_array().cloned().unwrap_or_default();
    for entry in &branch.log {
        let mut step = match &entry.did {
            Did::Kubectl(line) => json!({"kubectl": line}),
            Did::Step(line) => written(line)?,
        };
        if let Some(fields) = step.as_object_mut() {
            let at = exact(entry.at.since(start));
            fields.shift_insert(0, "at".to_owned(), at.into());
        }
        steps.push(step);
    }
    if !steps.is_empty() {
        document["steps"] = steps.into();
    }
    let last = Duration::from_secs(end.as_secs() + u64::from(end.subsec_nanos() > 0));
    document["for"] = exact(last.max(Duration::from_secs(1))).into();
    if let Some(fields) = document.as_object_mut() {
        fields.shift_remove("until");
    }
    let text = yaml::write::to_string(&document).map_err(|e| e.to_string())?;
    fs::write(&file, text).map_err(|error| format!("{name} cannot be written: {error}"))?;
    Ok(format!(
        "{name}: {} in {}\n",
        crate::report::timeline::count(branch.log.len(), "step"),
        exact(last)
    ))
}

/// The file up to its steps.
fn begun(base: &Base, file: &Path) -> Result<Value, String> {
    match base {
        Base::Other(why) => Err(format!("{why} cannot be saved as a Simulation")),
        Base::Manifests { paths, nodes, seed } => {
            let to = file.parent().unwrap_or(Path::new("."));
            let paths: Vec<Value> = paths.iter().map(|p| relative(p, to).into()).collect();
            let mut document = json!({"apiVersion": API_VERSION, "kind": KIND, "seed": seed,
                "for": "1s", "cluster": {"nodes": nodes}});
            if !paths.is_empty() {
                document["manifests"] = paths.into();
            }
            Ok(document)
        }
        Base::Simulation(of) => {
            let place = |p: &Path| {
                fs::canonicalize(
                    p.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")),
                )
                .ok()
            };
            if place(of) != place(file) {
                return Err(format!(
                    "{} names its manifests from its own folder\n  hint: save beside it",
                    of.display()
                ));
            }
            let text = fs::read_to_string(of)
                .map_err(|e| format!("{} cannot be read: {e}", of.display()))?;
            let all = read_documents(&text, &Limits::default());
            let own = all.into_iter().flatten().map(|d| d.tree.value(Tree::ROOT));
            let mut own = own.filter(|d| !d.is_null());
            let document = own.find(|d| d["kind"] == KIND);
            document.ok_or_else(|| format!("{} holds no Simulation", of.display()))
        }
    }
}

/// A step that was typed, as a value.
fn written(line: &str) -> Result<Value, String> {
    let read = read_documents(line, &Limits::default()).into_iter().next();
    match read {
        Some(Ok(document)) => Ok(document.tree.value(Tree::ROOT)),
        _ => Err(format!("{line:?} is no step")),
    }
}

/// A path as it is named from a folder.
fn relative(path: &Path, from: &Path) -> String {
    let full = |p: &Path| fs::canonicalize(p).unwrap_or_else(|_| p.to_owned());
    let from = full(if from.as_os_str().is_empty() { Path::new(".") } else { from });
    let path = full(path);
    let shared = path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let made: PathBuf = up.chain(path.components().skip(shared)).collect();
    if made.as_os_str().is_empty() { ".".to_owned() } else { made.display().to_string() }
}

/// A length of time to the nanosecond, as files have it.
fn exact(length: Duration) -> String {
    let nanos = length.subsec_nanos();
    let parts = [
        (length.as_secs(), "s"),
        (u64::from(nanos / 1_000_000), "ms"),
        (u64::from(nanos / 1_000 % 1_000), "us"),
        (u64::from(nanos % 1_000), "ns"),
    ];
    let text: String =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

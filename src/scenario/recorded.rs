//! Recorded scenarios: folders with manifests, the steps that were taken on a real cluster, and the
//! trace of what it did.
//!
//! `scenario.yaml` is read strictly: an unknown key, a step without an action or with two, or a
//! length of time that is none is an error that names the file and the place. What the steps mean is
//! not known here.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::conform::{ConformError, read_text};

/// No `scenario.yaml` may be larger than this: 1 MiB.
pub const MAX_SCENARIO_BYTES: u64 = 1 << 20;

pub use crate::base::length::{MAX_DURATION, parse as duration};

/// A scenario as its file says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// Its name, that of its folder.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// The part of Kubernetes it is about, such as `job` or `node`.
    pub area: String,
    /// It ran alone in its cluster, so that nodes may be stopped and are recorded.
    pub isolated: bool,
    /// How long it is watched.
    pub duration: Duration,
    /// What is done, in the order of the file.
    pub steps: Vec<Step>,
}

/// One step of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// When, after the start.
    pub at: Duration,
    /// What is done.
    pub action: Action,
    /// It is meant to be refused.
    pub expect_error: bool,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// `kubectl apply -f` of a file of the scenario's folder.
    Apply(String),
    /// `kubectl` with these arguments, quoted as for a shell.
    Kubectl(String),
    /// The node crashes, with all its containers.
    StopNode(String),
    /// The node boots again.
    StartNode(String),
    /// A node joins the cluster.
    AddNode(String),
}

/// The folder of a scenario and the recordings in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ScenarioDir {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// The first recording.
    pub trace: PathBuf,
    /// The second recording of the same steps, if there is one.
    pub second: Option<PathBuf>,
}

/// The first line of a recorded trace: the cluster it began with.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The calendar time of step 0, as RFC 3339. CronJobs depend on it.
    pub wall_start: String,
    /// The nodes that stood at step 0.
    #[serde(default)]
    pub nodes: Vec<RecordedNode>,
}

/// A node of a recorded cluster.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedNode {
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: serde_json::Map<String, serde_json::Value>,
    /// Its resources.
    #[serde(default)]
    pub capacity: serde_json::Map<String, serde_json::Value>,
    /// What of them pods may use.
    #[serde(default)]
    pub allocatable: serde_json::Map<String, serde_json::Value>,
    /// The addresses of its pods.
    #[serde(default, rename = "podCIDR")]
    pub pod_cidr: String,
    /// Its own address.
    #[serde(default, rename = "internalIP")]
    pub internal_ip: String,
}

/// Why a scenario cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// `scenario.yaml` is larger than [`MAX_SCENARIO_BYTES`].
    #[error("{} is larger than {MAX_SCENARIO_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place where it is known.
        problem: String,
    },
    /// Neither a scenario's folder nor a folder of such folders.
    #[error(
        "{} has neither a scenario.yaml with a trace.jsonl beside it nor folders that have",
        path.display()
    )]
    NoScenario {
        /// The folder.
        path: PathBuf,
    },
    /// The trace cannot be read.
    #[error(transparent)]
    Trace(#[from] ConformError),
}

/// The scenarios in folders, each either one scenario's or a folder of such folders: in the order
/// given, those of one folder by name.
///
/// # Errors
/// When a folder cannot be read or has no scenario.
pub fn find_scenarios<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<Vec<ScenarioDir>, ScenarioError> {
    let mut found = Vec::new();
    for path in paths {
        let path = path.as_ref();
        if let Some(one) = ScenarioDir::at(path) {
            found.push(one);
            continue;
        }
        let failed = |source: io::Error| ScenarioError::Read { path: path.to_owned(), source };
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            inside.extend(ScenarioDir::at(&entry.map_err(failed)?.path()));
        }
        if inside.is_empty() {
            return Err(ScenarioError::NoScenario { path: path.to_owned() });
        }
        inside.sort();
        found.append(&mut inside);
    }
    Ok(found)
}

impl ScenarioDir {
    /// The scenario of a folder; `None` when the folder has no `scenario.yaml` or no trace.
    pub fn at(dir: &Path) -> Option<Self> {
        let trace = |name: &str| {
            [dir.join(name), dir.join(format!("{name}.zst"))].into_iter().find(|p| p.is_file())
        };
        dir.join("scenario.yaml").is_file().then_some(())?;
        // A folder given as `.` or `..` has its name only in full.
        let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Some(Self {
            name: full.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            dir: dir.to_owned(),
            trace: trace("trace.jsonl")?,
            second: trace("trace.2.jsonl"),
        })
    }

    /// Reads `scenario.yaml`.
    ///
    /// # Errors
    /// When it cannot be read or is not what it should be.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        Scenario::read(&self.dir.join("scenario.yaml"))
    }

    /// The kinds of objects that the first recording watched: those of which it has a line.
    ///
    /// # Errors
    /// When the trace cannot be read.
    pub fn kinds(&self) -> Result<BTreeSet<String>, ScenarioError> {
        #[derive(Deserialize)]
        struct Line {
            kind: Option<String>,
        }
        let text = read_text(&self.trace)?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        Ok(lines.filter_map(|line| line.kind).collect())
    }

    /// Reads the first line of the first recording.
    ///
    /// # Errors
    /// When the trace cannot be read or does not begin with a header.
    pub fn header(&self) -> Result<Header, ScenarioError> {
        let text = read_text(&self.trace)?;
        let first = text.lines().next().unwrap_or_default();
        serde_json::from_str(first).map_err(|e| ScenarioError::Invalid {
            path: self.trace.clone(),
            problem: format!("the first line is no header: {e}"),
        })
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    area: String,
    #[serde(default)]
    isolated: bool,
    duration: String,
    #[serde(default)]
    steps: Vec<WrittenStep>,
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenStep {
    at: String,
    apply: Option<String>,
    kubectl: Option<String>,
    stop_node: Option<String>,
    start_node: Option<String>,
    add_node: Option<String>,
    #[serde(default)]
    expect_error: bool,
}

impl Scenario {
    /// Reads a scenario's file.
    ///
    /// # Errors
    /// When it cannot be read or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let path = path.to_owned();
        let failed = |source: io::Error| ScenarioError::Read { path: path.clone(), source };
        if fs::metadata(&path).map_err(failed)?.len() > MAX_SCENARIO_BYTES {
            return Err(ScenarioError::TooLarge { path });
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        Self::parse(&text).map_err(|problem| ScenarioError::Invalid { path, problem })
    }

    /// Reads the text of a `scenario.yaml`.
    ///
    /// # Errors
    /// What is wrong with it and where, fit to be read behind the file's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        let duration = duration(&written.duration).map_err(|e| format!("duration: {e}"))?;
        let steps = written.steps.into_iter().enumerate();
        let steps = steps.map(|(i, step)| step.mean().map_err(|e| format!("steps[{i}]: {e}")));
        Ok(Self {
            name: written.name,
            description: written.description,
            area: written.area,
            isolated: written.isolated,
            duration,
            steps: steps.collect::<Result<_, _>>()?,
        })
    }
}

impl WrittenStep {
    fn mean(self) -> Result<Step, String> {
        let actions = [
            self.apply.map(Action::Apply),
            self.kubectl.map(Action::Kubectl),
            self.stop_node.map(Action::StopNode),
            self.start_node.map(Action::StartNode),
            self.add_node.map(Action::AddNode),
        ];
        let mut actions = actions.into_iter().flatten();
        let action = actions.next().filter(|_| actions.next().is_none()).ok_or(
            "a step has exactly one of apply, kubectl, stop-node, start-node and add-node",
        )?;
        let at = duration(&self.at).map_err(|e| format!("at: {e}"))?;
        Ok(Step { at, action, expect_error: self.expect_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &str = "name: x\nduration: 60s\nsteps:\n";

    #[test]
    fn a_scenario_is_read_with_its_steps() {
        let text = format!(
            "{STEPS}- {{at: 0s, apply: pod.yaml}}\n\
             - {{at: 1m, kubectl: \"delete pod x\", expect-error: true}}\n\
             - {{at: 70s, stop-node: node-2}}\n"
        );
        let got = Scenario::parse(&text).unwrap();
        assert_eq!((got.name.as_str(), got.duration.as_secs(), got.isolated), ("x", 60, false));
        let step =
            |at, action, expect_error| Step { at: Duration::from_secs(at), action, expect_error };
        assert_eq!(
            got.steps,
            [
                step(0, Action::Apply("pod.yaml".to_owned()), false),
                step(60, Action::Kubectl("delete pod x".to_owned()), true),
                step(70, Action::StopNode("node-2".to_owned()), false),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let check = |text: &str, expect: &str| {
            let got = Scenario::parse(text).unwrap_err();
            assert!(got.contains(expect), "{got}");
        };
        check(&format!("{STEPS}- {{at: 0s}}"), "steps[0]: a step has exactly one of");
        check(&format!("{STEPS}- {{at: 0s, apply: a, kubectl: b}}"), "steps[0]: a step has");
        check(&format!("{STEPS}- {{at: soon, apply: a}}"), "steps[0]: at: \"soon\" is no length");
        check(&format!("{STEPS}- {{at: 0s, aply: a}}"), "unknown field `aply`");
        check("name: x\n", "missing field `duration`");
    }
}

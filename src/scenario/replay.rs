//! A recorded scenario, run in simulation: the recording's nodes, start time and steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cluster::{NodeSpec, Storage};
use super::conform::Logs;
use super::kubectl::Files;
use super::recorded::{Action, Header, RecordedNode, Scenario, ScenarioDir, ScenarioError};
use super::runner::{End, NAMESPACE, Plan, Runner, StepAction, TimedStep};
use crate::api::load;
use crate::base::time::SimTime;
use crate::model::Kind;
use crate::report::Recorder;
use crate::sim::{Options, Start};
use crate::trace::Fact;

/// A simulated run of a recorded scenario.
#[derive(Debug)]
pub struct Replayed {
    /// The trace's lines.
    pub lines: Vec<String>,
    /// The logs by file name.
    pub logs: BTreeMap<String, String>,
    /// The run's digest.
    pub digest: u64,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its files cannot be read.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The header's start time is none.
    #[error("{}: wallStart {text:?} is no RFC 3339 time", path.display())]
    Start {
        /// The recording.
        path: PathBuf,
        /// What stands there.
        text: String,
    },
    /// A file of the recording cannot be read.
    #[error("{}: {problem}", path.display())]
    Recording {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The API server refuses the cluster.
    #[error("the cluster cannot be built: {0}")]
    Cluster(#[from] Box<crate::store::ApiError>),
}

/// The cluster and steps of a recorded scenario, to be run with a seed.
///
/// # Errors
/// See [`ReplayError`].
pub fn plan(dir: &ScenarioDir, seed: u64) -> Result<Plan, ReplayError> {
    let (scenario, header) = (dir.scenario()?, dir.header()?);
    let start = start(dir, &header)?;
    Ok(Plan {
        options: Options { seed, start: Start(start), cloud: false, ..Options::default() },
        snapshot: super::snapshot::Snapshot::default(),
        nodes: nodes(&header, start),
        storage: Storage::None,
        // The recorder's kubectl was told the namespace on every line.
        steps: scenario
            .steps
            .iter()
            .map(|s| TimedStep { namespace_given: true, ..step(&dir.dir, s) })
            .collect(),
        end: End::After(scenario.duration),
    })
}

fn start(dir: &ScenarioDir, header: &Header) -> Result<SimTime, ReplayError> {
    chrono::DateTime::parse_from_rfc3339(&header.wall_start)
        .ok()
        .and_then(|t| SimTime::from_utc(t.to_utc()))
        .ok_or_else(|| ReplayError::Start {
            path: dir.trace.clone(),
            text: header.wall_start.clone(),
        })
}

/// Runs a recorded scenario with a seed.
///
/// # Errors
/// See [`ReplayError`]. A manifest that cannot be loaded is no error here: kubectl refuses it at its step.
pub fn replay(dir: &ScenarioDir, seed: u64) -> Result<Replayed, ReplayError> {
    run(dir, seed, &mut |_| {}).map(|(replayed, _)| replayed)
}

/// Runs a recorded scenario with a seed, tells every fact, and hands out the cluster at its end.
///
/// # Errors
/// See [`ReplayError`].
pub fn run(
    dir: &ScenarioDir,
    seed: u64,
    f: &mut dyn FnMut(&Fact),
) -> Result<(Replayed, Runner), ReplayError> {
    let (scenario, header) = (dir.scenario()?, dir.header()?);
    let first = first_line(&scenario, &header);
    let mut recorder = Recorder::new(start(dir, &header)?, NAMESPACE, &first);
    recorder.watch(dir.kinds()?.iter().filter_map(|kind| Kind::from_name(kind)));
    let mut runner = Runner::new(plan(dir, seed)?, f)?;
    runner.run(&mut |fact| {
        recorder.observe(fact);
        f(fact);
    });
    let (lines, logs) = recorder.finish();
    let digest = runner.sim().digest();
    Ok((Replayed { lines, logs, digest }, runner))
}

impl Replayed {
    /// The logs as the judge reads them.
    pub fn judged_logs(&self) -> Logs {
        Logs::from_files(&self.logs)
    }
}

fn first_line(scenario: &Scenario, header: &Header) -> Value {
    let nodes: Vec<Value> = header
        .nodes
        .iter()
        .map(|n| {
            json!({"name": n.name, "labels": n.labels, "capacity": n.capacity,
                   "allocatable": n.allocatable, "podCIDR": n.pod_cidr, "internalIP": n.internal_ip})
        })
        .collect();
    json!({"type": "HEADER", "scenario": scenario.name, "wallStart": header.wall_start,
           "duration": scenario.duration.as_secs(), "server": "v1.36.2", "nodes": nodes})
}

fn nodes(header: &Header, start: SimTime) -> Vec<Value> {
    let texts = |map: &serde_json::Map<String, Value>| -> BTreeMap<String, String> {
        map.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
    };
    let spec = |n: &RecordedNode| NodeSpec {
        labels: texts(&n.labels),
        capacity: texts(&n.capacity),
        allocatable: texts(&n.allocatable),
        pod_cidr: n.pod_cidr.clone(),
        internal_ip: n.internal_ip.clone(),
        ..NodeSpec::worker(n.name.as_str())
    };
    let numbered = header.nodes.iter().zip(0..);
    numbered.map(|(n, i)| spec(n).object(i, start)).collect()
}

/// A step of a scenario whose files are in `folder`.
pub fn step(folder: &Path, step: &super::recorded::Step) -> TimedStep {
    let action = match &step.action {
        Action::Apply(file) => apply(folder, file),
        Action::Kubectl(line) => StepAction::Kubectl(line.clone()),
        Action::StopNode(node) => StepAction::StopNode(node.clone()),
        Action::StartNode(node) => StepAction::StartNode(node.clone()),
        Action::AddNode(node) => StepAction::AddNode(Box::new(NodeSpec::worker(node))),
    };
    let seconds = step.at.as_secs();
    let written = match step.at.subsec_millis() {
        0 => format!("{seconds}s"),
        ms => format!("{seconds}.{ms:03}s"),
    };
    let files = Files { root: folder.to_owned(), confined: true };
    let expect_error = step.expect_error;
    TimedStep { at: step.at, written, action, expect_error, files, ..TimedStep::default() }
}

fn apply(folder: &Path, file: &str) -> StepAction {
    let source = file.to_owned();
    // A recorded kubectl left the rules of the API to the server, which refuses in its own words.
    let options = load::Options { rules: load::Rules::Left, ..load::Options::default() };
    match load::load_with(&[folder.join(file)], None, options) {
        Ok(loaded) => {
            let documents = loaded.manifests.into_iter().map(|m| m.value).collect();
            StepAction::Apply { source, documents }
        }
        Err(problems) => {
            let server =
                problems.iter().map(|p| p.server.clone().unwrap_or_else(|| p.message.clone()));
            let why = server.collect::<Vec<_>>().join("\n");
            StepAction::Refused { source, why }
        }
    }
}

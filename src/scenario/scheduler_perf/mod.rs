//! Op lists of kube-scheduler's own performance suite (test/integration/scheduler_perf): a file of test cases, each
//! with a `workloadTemplate` of ops and `workloads` that fill in its parameters, and templates of objects beside
//! it.
//!
//! An op is a step: one after the other, `createPods` until all its pods have a node unless it says otherwise,
//! looked at once a second for ten minutes at most, as upstream looks. Pods are created by thirty clients beside
//! each other. `churn` and deletions with `skipWaitToCompletion` go on behind the ops that follow.
//!
//! It is the cluster that differs. Upstream has an API server and a scheduler alone, and nodes that are only
//! objects; here nodes have agents, so that pods start and take their grace when they are deleted, and the
//! controllers run. Nodes are ready when they are made. A namespace gets its service account with it, and a
//! `priority` without a class gets a class, since the admission plugins that upstream switches off are on here.
//! What is told is throughput in virtual time, which the latencies of the model decide: not how fast a scheduler
//! computes, and thresholds are not judged.
//!
//! The volumes of `createPods` are bound before its pods are created, and `updateAny` leaves to a pod what
//! admission gave it, and to a node its addresses.
//!
//! Dynamic resource allocation and steady states, which it alone uses, are refused by name. Feature gates are as
//! they are by default.

mod read;
mod template;
mod throughput;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::runner::TimedStep;
use crate::sim::scheduling::Config;

pub use read::{Wanted, read};
pub use template::Template;
pub(in crate::scenario) use throughput::has;
pub use throughput::{Measured, Throughput};

/// No op makes more objects than this.
pub const MOST_OBJECTS: usize = 500_000;
/// No test case has more ops than this, with those of `createPodSets` counted.
pub const MOST_OPS: usize = 10_000;

/// A workload that can be run.
#[derive(Clone, Debug)]
pub struct SchedulerPerf {
    /// Test case and workload, as `SchedulingBasic/500Nodes`.
    pub name: String,
    /// Its ops, in order.
    pub steps: Vec<TimedStep>,
    /// The scheduler's settings that it names.
    pub scheduler: Option<Config>,
    /// What it asks for without effect.
    pub notes: Vec<String>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// An op with its numbers filled in.
#[derive(Clone, Debug)]
pub enum Op {
    /// `createNodes`.
    CreateNodes {
        /// How many.
        count: usize,
        /// What they are called unless the template says: this and a number.
        prefix: String,
        /// What they are like; the suite's own node otherwise.
        template: Option<Template>,
        /// A label that nodes get: its key, and values in turn.
        label: Option<NodeLabel>,
        /// What nodes can take besides (`nodeAllocatableStrategy`).
        allocatable: Option<Arc<Allocatable>>,
        /// How many features a node declares beside those that it has.
        features: usize,
    },
    /// `createNamespaces`.
    CreateNamespaces {
        /// What they are called: this and a number.
        prefix: String,
        /// How many.
        count: usize,
        /// What they are like.
        template: Option<Template>,
    },
    /// `createPods`.
    CreatePods {
        /// Where.
        namespace: String,
        /// How many.
        count: usize,
        /// What they are like.
        template: Template,
        /// Whether the op lasts until all of them have a node.
        wait: bool,
        /// Whether it is measured.
        measured: bool,
        /// A volume of each pod's own, and its claim.
        volume: Option<Box<(Template, Template)>>,
    },
    /// `deletePods`.
    DeletePods {
        /// Where.
        namespace: String,
        /// Which.
        labels: BTreeMap<String, String>,
        /// Whether the op lasts until all deletions were sent.
        wait: bool,
        /// How often one is deleted; all at once otherwise.
        every: Option<Duration>,
    },
    /// `churn`.
    Churn {
        /// So many objects of each template are deleted again in turn; otherwise none is.
        recreate: Option<usize>,
        /// No more than this are created.
        most: Option<usize>,
        /// How often.
        every: Duration,
        /// Where.
        namespace: String,
        /// What.
        templates: Vec<Template>,
    },
    /// `barrier`.
    Barrier {
        /// The namespaces; all that are waited for otherwise.
        namespaces: Vec<String>,
        /// Which pods.
        labels: BTreeMap<String, String>,
        /// Whether pods that were tried count.
        attempted: bool,
    },
    /// `sleep`.
    Sleep(Duration),
    /// `createAny`.
    CreateAny {
        /// Where; for kinds without one, nowhere.
        namespace: Option<String>,
        /// What.
        template: Template,
        /// How many.
        count: usize,
    },
    /// `updateAny`.
    UpdateAny {
        /// Where; for kinds without one, nowhere.
        namespace: Option<String>,
        /// What stands in the place of each object.
        template: Template,
        /// How many.
        count: usize,
        /// How often one is updated; all at once otherwise.
        every: Option<Duration>,
        /// The part of the object that is updated; all of it otherwise.
        subresource: Option<&'static str>,
    },
    /// `startCollectingMetrics`.
    Start(Measure),
    /// `stopCollectingMetrics`.
    Stop,
}

/// A label that nodes get.
#[derive(Clone, Debug)]
pub struct NodeLabel {
    /// Its key.
    pub key: String,
    /// Its values in turn; each node its own otherwise.
    pub values: Vec<String>,
}

/// What nodes can take besides what a template says.
#[derive(Clone, Debug, Default)]
pub struct Allocatable {
    /// Amounts of resources.
    pub amounts: BTreeMap<String, String>,
    /// How many volumes of each driver.
    pub drivers: BTreeMap<String, Option<u32>>,
    /// Volume plugins of old whose work a driver does.
    pub migrated: Vec<String>,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What it is called.
    pub name: String,
    /// Where the pods are that count.
    pub namespaces: Vec<String>,
    /// Which of them.
    pub labels: BTreeMap<String, String>,
}

/// Amounts by resource, which may be written as numbers.
pub(in crate::scenario) fn quantities(written: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    written.iter().map(|(k, v)| (k.clone(), text(v))).collect()
}

impl Op {
    /// What it is called in files.
    pub fn opcode(&self) -> &'static str {
        match self {
            Self::CreateNodes { .. } => "createNodes",
            Self::CreateNamespaces { .. } => "createNamespaces",
            Self::CreatePods { .. } => "createPods",
            Self::DeletePods { .. } => "deletePods",
            Self::Churn { .. } => "churn",
            Self::Barrier { .. } => "barrier",
            Self::Sleep(_) => "sleep",
            Self::CreateAny { .. } => "createAny",
            Self::UpdateAny { .. } => "updateAny",
            Self::Start(_) => "startCollectingMetrics",
            Self::Stop => "stopCollectingMetrics",
        }
    }

    /// What it is about, for people.
    pub fn about(&self) -> String {
        let count = crate::report::timeline::count;
        let time = crate::report::timeline::duration;
        match self {
            Self::CreateNodes { count: n, .. } => count(*n, "node"),
            Self::CreateNamespaces { prefix, count: n, .. } => {
                format!("{} {prefix}-…", count(*n, "namespace"))
            }
            Self::CreatePods { namespace, count: n, .. } => {
                format!("{} in {namespace}", count(*n, "pod"))
            }
            Self::DeletePods { namespace, .. } => format!("of {namespace}"),
            Self::Churn { every, namespace, .. } => {
                format!("every {} in {namespace}", time(*every))
            }
            Self::Barrier { namespaces, .. } if namespaces.is_empty() => "everywhere".to_owned(),
            Self::Barrier { namespaces, .. } => namespaces.join(", "),
            Self::Sleep(length) => time(*length),
            Self::CreateAny { template, count: n, .. }
            | Self::UpdateAny { template, count: n, .. } => {
                format!("{} of {}", count(*n, "object"), template.file)
            }
            Self::Start(measure) => measure.name.clone(),
            Self::Stop => String::new(),
        }
    }

    /// What begins to be measured with it.
    fn begins(&self) -> Option<Measure> {
        match self {
            Self::CreatePods { namespace, measured: true, .. } => Some(Measure {
                name: namespace.clone(),
                namespaces: vec![namespace.clone()],
                labels: BTreeMap::new(),
            }),
            Self::Start(measure) => Some(measure.clone()),
            _ => None,
        }
    }

    /// Whether what is measured ends with it.
    fn ends(&self) -> bool {
        matches!(self, Self::Stop | Self::CreatePods { measured: true, .. })
    }
}

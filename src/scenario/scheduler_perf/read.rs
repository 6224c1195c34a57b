//! From a file of test cases to the ops of one workload.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    Allocatable, MOST_OBJECTS, MOST_OPS, Measure, NodeLabel, Op, SchedulerPerf, Template,
    quantities,
};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::load;
use crate::api::source::Source;
use crate::api::tree::{Tree, parse_path};
use crate::scenario::recorded;
use crate::scenario::runner::{StepAction, TimedStep};
use crate::sim::scheduling::{Config, config_file};

/// No file of cases or templates is larger.
const MOST_BYTES: u64 = 4 << 20;

/// A parameter that no op names: the suite's own test has its nodes declare so many features more.
const DECLARED_FEATURES: &str = "numNodeDeclaredFeatures";
/// No node declares more.
const MOST_FEATURES: usize = 1000;

/// Which workload of a file is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `CASE/WORKLOAD` or, where it is the only one, `CASE`; nothing where the file has one alone.
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TestCase {
    name: String,
    #[serde(default)]
    feature_gates: BTreeMap<String, bool>,
    #[serde(default)]
    metrics_collector_config: Option<Value>,
    workload_template: Vec<Value>,
    workloads: Vec<Workload>,
    #[serde(default)]
    scheduler_config_path: Option<String>,
    #[serde(default)]
    default_pod_template_path: Option<String>,
    #[serde(default, rename = "labels")]
    _labels: Vec<String>,
    #[serde(default, rename = "defaultThresholdMetricSelector")]
    _selector: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Workload {
    name: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    #[serde(default)]
    feature_gates: BTreeMap<String, bool>,
    #[serde(default, rename = "labels")]
    _labels: Vec<String>,
    #[serde(default, rename = "threshold")]
    _threshold: Option<Value>,
    #[serde(default, rename = "thresholdMetricSelector")]
    _selector: Option<Value>,
}

/// A count and where it may come from; flattened into each op that has one.
type Labels = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateNodes {
    count: Option<usize>,
    count_param: Option<String>,
    node_template_path: Option<String>,
    label_node_prepare_strategy: Option<LabelStrategy>,
    unique_node_label_strategy: Option<UniqueStrategy>,
    node_allocatable_strategy: Option<AllocatableStrategy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct AllocatableStrategy {
    node_allocatable: Map<String, Value>,
    csi_node_allocatable: BTreeMap<String, Driver>,
    migrated_plugins: Vec<String>,
}

/// How many volumes of a driver a node takes (`storage.k8s.io/v1.VolumeNodeResources`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Driver {
    count: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LabelStrategy {
    label_key: String,
    label_values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UniqueStrategy {
    label_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateNamespaces {
    prefix: String,
    count: Option<usize>,
    count_param: Option<String>,
    namespace_template_path: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct CreatePods {
    count: Option<usize>,
    count_param: Option<String>,
    steady_state: bool,
    steady_state_param: Option<String>,
    #[serde(rename = "duration")]
    _duration: Option<String>,
    #[serde(rename = "durationParam")]
    _duration_param: Option<String>,
    collect_metrics: bool,
    namespace: Option<String>,
    pod_template_path: Option<String>,
    skip_wait_to_completion: bool,
    persistent_volume_template_path: Option<String>,
    persistent_volume_claim_template_path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreatePodSets {
    count: Option<usize>,
    count_param: Option<String>,
    namespace_prefix: String,
    create_pods_op: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeletePods {
    namespace: String,
    #[serde(default)]
    label_selector: Labels,
    #[serde(default)]
    skip_wait_to_completion: bool,
    #[serde(default)]
    delete_pods_per_second: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Churn {
    mode: String,
    #[serde(default)]
    number: usize,
    #[serde(default)]
    interval_milliseconds: u64,
    namespace: Option<String>,
    #[serde(default)]
    template_paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Barrier {
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    label_selector: Labels,
    stage_requirement: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sleep {
    duration: Option<String>,
    duration_param: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateAny {
    namespace: Option<String>,
    template_path: String,
    count: Option<usize>,
    count_param: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateAny {
    namespace: Option<String>,
    template_path: String,
    count: Option<usize>,
    count_param: Option<String>,
    #[serde(default)]
    update_per_second: u32,
    #[serde(default)]
    subresources: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StartCollecting {
    #[serde(default)]
    name: String,
    namespaces: Vec<String>,
    #[serde(default)]
    label_selector: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopCollecting {}

/// Reads one workload of a file, and the files that it names.
///
/// # Errors
/// What is wrong with the file, with its place; a workload that it does not have; what is not modelled.
pub fn read(file: &Path, wanted: &Wanted) -> Result<SchedulerPerf, Vec<Diagnostic>> {
    let source = Source::new(file.display().to_string(), text_of(file).map_err(|e| vec![*e])?);
    let mut documents = Vec::new();
    for document in read_documents(source.text(), &Limits::default()) {
        match document {
            Ok(d) if d.tree.is_empty() => {}
            Ok(d) => documents.push(d.tree),
            Err(e) => {
                return Err(vec![Diagnostic::new(Code::YamlSyntax, e.problem).at(&source, e.span)]);
            }
        }
    }
    let text = "it holds no list of test cases, as performance-config.yaml of scheduler_perf does";
    let tree = match documents.len() {
        1 if documents[0].value(Tree::ROOT).is_array() => documents.remove(0),
        _ => {
            return Err(vec![Diagnostic::new(
                Code::NothingToLoad,
                format!("{}: {text}", source.name()),
            )]);
        }
    };
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let reading = Reading { source, tree, folder };
    let cases: Vec<TestCase> = serde_path_to_error::deserialize(reading.tree.value(Tree::ROOT))
        .map_err(|e| vec![reading.problem(&e.path().to_string(), &e.inner().to_string())])?;
    let (number, case, workload) = chosen(&cases, wanted).map_err(|text| {
        vec![Diagnostic::new(Code::NothingToLoad, format!("{}: {text}", reading.source.name()))]
    })?;
    let files = vec![file.to_owned()];
    let compiling =
        Compiling { reading: &reading, number, case, workload, used: BTreeSet::new(), files };
    compiling.compile().map_err(|problem| vec![*problem])
}

/// The workload that is wanted.
fn chosen<'c>(
    cases: &'c [TestCase],
    wanted: &Wanted,
) -> Result<(usize, &'c TestCase, &'c Workload), String> {
    let all = || {
        let each = cases.iter().enumerate();
        each.flat_map(|(i, case)| case.workloads.iter().map(move |w| (i, case, w)))
    };
    let name = |case: &TestCase, workload: &Workload| format!("{}/{}", case.name, workload.name);
    let fits: Vec<_> = match &wanted.name {
        None => all().collect(),
        Some(wanted) => {
            all().filter(|(_, c, w)| c.name == *wanted || name(c, w) == *wanted).collect()
        }
    };
    let names = |of: &[(usize, &TestCase, &Workload)]| {
        let names = of.iter().map(|(_, c, w)| format!("\n    {}", name(c, w)));
        names.collect::<String>()
    };
    match (fits.as_slice(), &wanted.name) {
        ([one], _) => Ok(*one),
        ([], Some(wanted)) => Err(format!(
            "it has no workload {wanted}\n  hint: --case takes one of{}",
            names(&all().collect::<Vec<_>>())
        )),
        ([], None) => Err("it has no workloads".to_owned()),
        (many, _) => Err(format!(
            "it has {} workloads that fit\n  hint: name one with --case:{}",
            many.len(),
            names(many)
        )),
    }
}

fn text_of(path: &Path) -> Result<String, Box<Diagnostic>> {
    load::text_of(path, MOST_BYTES, &format!("{MOST_BYTES} bytes are the most"))
}

/// A file that is being read.
struct Reading {
    source: Arc<Source>,
    tree: Tree,
    folder: PathBuf,
}

impl Reading {
    fn problem(&self, path: &str, text: &str) -> Diagnostic {
        let node = self.tree.find(Tree::ROOT, &parse_path(path)).0;
        let problem =
            Diagnostic::new(Code::Invalid, text).at(&self.source, self.tree.node(node).span);
        if path.is_empty() || path == "." { problem } else { problem.path(path) }
    }
}

/// One workload of it, being made into steps.
struct Compiling<'r> {
    reading: &'r Reading,
    number: usize,
    case: &'r TestCase,
    workload: &'r Workload,
    /// Parameters that were used.
    used: BTreeSet<String>,
    /// Files that were read.
    files: Vec<PathBuf>,
}

/// What is wrong with an op.
type Wrong<T> = Result<T, String>;

impl Compiling<'_> {
    fn compile(mut self) -> Result<SchedulerPerf, Box<Diagnostic>> {
        let mut ops: Vec<Op> = Vec::new();
        for (i, written) in self.case.workload_template.iter().enumerate() {
            let made = self.op(written, ops.len());
            let path = format!("[{}].workloadTemplate[{i}]", self.number);
            ops.extend(made.map_err(|why| Box::new(self.reading.problem(&path, &why)))?);
            if ops.len() > MOST_OPS {
                let text = format!("there are more than {MOST_OPS} ops with it");
                return Err(Box::new(self.reading.problem(&path, &text)));
            }
        }
        if let Some(unused) = self.workload.params.keys().find(|p| !self.used.contains(*p)) {
            let path = format!("[{}].workloads", self.number);
            let text = format!("the parameter {unused} of {} is used by no op", self.workload.name);
            return Err(Box::new(self.reading.problem(&path, &text)));
        }
        let scheduler = self.scheduler()?;
        let step =
            |op: Op| TimedStep { action: StepAction::Perf(Arc::new(op)), ..TimedStep::default() };
        Ok(SchedulerPerf {
            name: format!("{}/{}", self.case.name, self.workload.name),
            steps: ops.into_iter().map(step).collect(),
            scheduler,
            notes: self.notes(),
            files: self.files,
        })
    }

    fn notes(&self) -> Vec<String> {
        let gates: BTreeMap<&String, &bool> =
            self.case.feature_gates.iter().chain(&self.workload.feature_gates).collect();
        let mut notes = Vec::new();
        if !gates.is_empty() {
            let gates: Vec<String> = gates.iter().map(|(g, on)| format!("{g}={on}")).collect();
            notes.push(format!(
                "feature gates are as they are by default, whatever it says: {}",
                gates.join(", ")
            ));
        }
        if self.case.metrics_collector_config.is_some() {
            notes.push("of its metrics SchedulingThroughput alone is collected".to_owned());
        }
        notes
    }

    fn scheduler(&mut self) -> Result<Option<Config>, Box<Diagnostic>> {
        let Some(path) = &self.case.scheduler_config_path else { return Ok(None) };
        let path = self.reading.folder.join(path);
        self.files.push(path.clone());
        let source = Source::new(path.display().to_string(), text_of(&path)?);
        let read = config_file::read(&source);
        read.map(|settings| Some(settings.config))
            .map_err(|mut problems| Box::new(problems.swap_remove(0)))
    }

    /// The ops that one op is; `index` is the number of the first.
    fn op(&mut self, written: &Value, index: usize) -> Wrong<Vec<Op>> {
        let mut rest = written.as_object().ok_or("an op is a mapping with an opcode")?.clone();
        let opcode = rest.remove("opcode").and_then(|o| o.as_str().map(str::to_owned));
        let opcode = opcode.ok_or("the op has no opcode")?;
        let rest = Value::Object(rest);
        let one = |op| Ok(vec![op]);
        match opcode.as_str() {
            "createNodes" => self.create_nodes(decode(rest)?, index).and_then(one),
            "createNamespaces" => {
                let op: CreateNamespaces = decode(rest)?;
                let count = self.count(op.count, op.count_param.as_deref())?;
                let template = self.template(op.namespace_template_path.as_deref())?;
                one(Op::CreateNamespaces { prefix: op.prefix, count, template })
            }
            "createPods" => {
                self.create_pods(decode(rest)?, format!("namespace-{index}")).and_then(one)
            }
            "createPodSets" => self.create_pod_sets(decode(rest)?),
            "deletePods" => {
                let op: DeletePods = decode(rest)?;
                let every = Duration::from_secs(1).checked_div(op.delete_pods_per_second);
                let wait = !op.skip_wait_to_completion;
                one(Op::DeletePods {
                    namespace: op.namespace,
                    labels: op.label_selector,
                    wait,
                    every,
                })
            }
            "churn" => self.churn(decode(rest)?, index).and_then(one),
            "barrier" => {
                let op: Barrier = decode(rest)?;
                let attempted = match op.stage_requirement.as_deref() {
                    None | Some("" | "Scheduled") => false,
                    Some("Attempted") => true,
                    Some(other) => {
                        return Err(format!(
                            "stageRequirement is \"{other}\", and may be Scheduled or Attempted"
                        ));
                    }
                };
                one(Op::Barrier { namespaces: op.namespaces, labels: op.label_selector, attempted })
            }
            "sleep" => {
                let op: Sleep = decode(rest)?;
                let text = match op.duration_param {
                    Some(param) => self.param(&param)?.as_str().unwrap_or_default().to_owned(),
                    None => op.duration.unwrap_or_default(),
                };
                one(Op::Sleep(recorded::duration(&text)?))
            }
            "createAny" => {
                let op: CreateAny = decode(rest)?;
                let count = self.count(op.count.or(Some(1)), op.count_param.as_deref())?;
                let template = self.file(&op.template_path)?;
                one(Op::CreateAny {
                    namespace: op.namespace.filter(|n| !n.is_empty()),
                    template,
                    count,
                })
            }
            "startCollectingMetrics" => {
                let op: StartCollecting = decode(rest)?;
                if op.namespaces.is_empty() {
                    return Err("namespaces cannot be empty".to_owned());
                }
                one(Op::Start(Measure {
                    name: op.name,
                    namespaces: op.namespaces,
                    labels: op.label_selector,
                }))
            }
            "stopCollectingMetrics" => decode::<StopCollecting>(rest).map(|_| vec![Op::Stop]),
            "createResourceDriver" | "allocResourceClaims" | "createResourceClaims" => {
                Err(format!("{opcode} is not modelled: there is no dynamic resource allocation"))
            }
            "updateAny" => self.update_any(decode(rest)?).and_then(one),
            _ => Err(format!(
                "there is no op {opcode}: createNodes, createNamespaces, createPods, createPodSets, deletePods, \
                 churn, barrier, sleep, createAny, updateAny, startCollectingMetrics and stopCollectingMetrics are known"
            )),
        }
    }

    fn create_nodes(&mut self, op: CreateNodes, index: usize) -> Wrong<Op> {
        let strategies = usize::from(op.label_node_prepare_strategy.is_some())
            + usize::from(op.unique_node_label_strategy.is_some())
            + usize::from(op.node_allocatable_strategy.is_some());
        if strategies > 1 {
            return Err("an op has one strategy for its nodes at most".to_owned());
        }
        let label = match (op.label_node_prepare_strategy, op.unique_node_label_strategy) {
            (Some(label), _) if label.label_values.is_empty() => {
                return Err("labelNodePrepareStrategy has no labelValues".to_owned());
            }
            (Some(label), _) => {
                Some(NodeLabel { key: label.label_key, values: label.label_values })
            }
            (None, Some(label)) => Some(NodeLabel { key: label.label_key, values: Vec::new() }),
            (None, None) => None,
        };
        let features = match self.workload.params.contains_key(DECLARED_FEATURES) {
            true => self.count(None, Some(&format!("${DECLARED_FEATURES}")))?,
            false => 0,
        };
        if features > MOST_FEATURES {
            return Err(format!("{features} features of a node are more than {MOST_FEATURES}"));
        }
        Ok(Op::CreateNodes {
            count: self.count(op.count, op.count_param.as_deref())?,
            prefix: format!("node-{index}-"),
            template: self.template(op.node_template_path.as_deref())?,
            label,
            allocatable: op.node_allocatable_strategy.map(|s| Arc::new(s.into())),
            features,
        })
    }

    fn create_pods(&mut self, op: CreatePods, namespace: String) -> Wrong<Op> {
        let steady = match &op.steady_state_param {
            Some(param) => {
                self.param(param)?.as_bool().ok_or("steadyStateParam is no truth value")?
            }
            None => op.steady_state,
        };
        if steady {
            return Err("steadyState is not modelled".to_owned());
        }
        let paths =
            (&op.persistent_volume_template_path, &op.persistent_volume_claim_template_path);
        let volume = match paths {
            (Some(volume), Some(claim)) => Some(Box::new((self.file(volume)?, self.file(claim)?))),
            (None, None) => None,
            _ => {
                return Err(
                    "persistentVolumeTemplatePath and persistentVolumeClaimTemplatePath go together"
                        .to_owned(),
                );
            }
        };
        if op.collect_metrics && op.skip_wait_to_completion {
            return Err("collectMetrics and skipWaitToCompletion cannot be true at the same time"
                .to_owned());
        }
        let path =
            op.pod_template_path.as_deref().or(self.case.default_pod_template_path.as_deref());
        let template = match path {
            Some(path) => self.file(path)?,
            None => Template::fixed("the suite's own pod", base_pod()),
        };
        Ok(Op::CreatePods {
            namespace: op.namespace.unwrap_or(namespace),
            count: self.count(op.count, op.count_param.as_deref())?,
            template,
            wait: !op.skip_wait_to_completion,
            measured: op.collect_metrics,
            volume,
        })
    }

    fn update_any(&mut self, op: UpdateAny) -> Wrong<Op> {
        let subresource = match &op.subresources[..] {
            [] => None,
            [one] if one == "status" => Some("status"),
            [one] if one == "resize" => Some("resize"),
            other => {
                return Err(format!(
                    "subresources are {}, and may be status or resize",
                    other.join(", ")
                ));
            }
        };
        Ok(Op::UpdateAny {
            namespace: op.namespace.filter(|n| !n.is_empty()),
            template: self.file(&op.template_path)?,
            count: self.count(op.count.or(Some(1)), op.count_param.as_deref())?,
            every: Duration::from_secs(1).checked_div(op.update_per_second),
            subresource,
        })
    }

    fn create_pod_sets(&mut self, op: CreatePodSets) -> Wrong<Vec<Op>> {
        let count = self.count(op.count, op.count_param.as_deref())?;
        if count > MOST_OPS {
            return Err(format!("there are more than {MOST_OPS} ops with it"));
        }
        let mut pods = op.create_pods_op.as_object().ok_or("createPodsOp is no op")?.clone();
        match pods.remove("opcode") {
            None => {}
            Some(opcode) if opcode == "createPods" => {}
            Some(_) => return Err("the opcode of createPodsOp is createPods".to_owned()),
        }
        let pods: CreatePods = decode(Value::Object(pods))?;
        let of = |i| CreatePods {
            namespace: Some(format!("{}-{i}", op.namespace_prefix)),
            ..pods.clone()
        };
        (0..count).map(|i| self.create_pods(of(i), String::new())).collect()
    }

    fn churn(&mut self, op: Churn, index: usize) -> Wrong<Op> {
        let recreate = match (op.mode.as_str(), op.number) {
            ("recreate", 0) => return Err("number cannot be 0 when mode is recreate".to_owned()),
            ("recreate", number) if number > MOST_OBJECTS => {
                return Err(format!("{number} objects are more than {MOST_OBJECTS}"));
            }
            ("recreate", number) => Some(number),
            ("create", _) => None,
            (mode, _) => return Err(format!("mode is \"{mode}\", and may be recreate or create")),
        };
        if op.template_paths.is_empty() {
            return Err("churn has no templatePaths".to_owned());
        }
        let every = if op.interval_milliseconds == 0 { 500 } else { op.interval_milliseconds };
        Ok(Op::Churn {
            recreate,
            most: Some(op.number).filter(|n| *n > 0 && recreate.is_none()),
            every: Duration::from_millis(every),
            namespace: op.namespace.unwrap_or_else(|| format!("namespace-{index}")),
            templates: op.template_paths.iter().map(|p| self.file(p)).collect::<Wrong<_>>()?,
        })
    }

    /// The value of a parameter, `$name`.
    fn param(&mut self, written: &str) -> Wrong<Value> {
        let name = written
            .strip_prefix('$')
            .ok_or_else(|| format!("\"{written}\" is no parameter, such as $initPods"))?;
        self.used.insert(name.to_owned());
        let value = self.workload.params.get(name);
        value
            .cloned()
            .ok_or_else(|| format!("the workload {} has no parameter {name}", self.workload.name))
    }

    fn count(&mut self, count: Option<usize>, param: Option<&str>) -> Wrong<usize> {
        let count = match param {
            Some(param) => {
                let value = self.param(param)?;
                let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
                number
                    .ok_or_else(|| format!("{param} is {value}, and a count is a whole number"))?
            }
            None => count.ok_or("it has neither count nor countParam")?,
        };
        if count > MOST_OBJECTS {
            return Err(format!("{count} objects are more than {MOST_OBJECTS}"));
        }
        Ok(count)
    }

    fn template(&mut self, path: Option<&str>) -> Wrong<Option<Template>> {
        path.map(|path| self.file(path)).transpose()
    }

    fn file(&mut self, path: &str) -> Wrong<Template> {
        let full = self.reading.folder.join(path);
        if !self.files.contains(&full) {
            self.files.push(full.clone());
        }
        let text = text_of(&full).map_err(|problem| problem.message.clone())?;
        Template::read(path.to_owned(), &text)
    }
}

impl From<AllocatableStrategy> for Allocatable {
    fn from(written: AllocatableStrategy) -> Self {
        Self {
            amounts: quantities(&written.node_allocatable),
            drivers: written.csi_node_allocatable.into_iter().map(|(k, d)| (k, d.count)).collect(),
            migrated: written.migrated_plugins,
        }
    }
}

fn decode<T: DeserializeOwned>(value: Value) -> Wrong<T> {
    serde_json::from_value(value).map_err(|e| e.to_string())
}

/// What pods are like where nothing is said of them.
fn base_pod() -> Value {
    let resources = json!({"limits": {"cpu": "100m", "memory": "500Mi"}, "requests": {"cpu": "100m", "memory": "500Mi"}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "pod-"},
        "spec": {"containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10.2",
            "ports": [{"containerPort": 80}], "resources": resources}]}})
}

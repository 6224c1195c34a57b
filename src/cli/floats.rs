//! What every command that floats manifests is told: which manifests, in which cluster, how long.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;

use super::cluster_file::{self, Cluster};
use super::input::Input;
use super::{exit_code, scheduler_config, ui};
use crate::api::diagnostic::{Diagnostic, render as diagnostics};
use crate::api::load::{self, Loaded};
use crate::base::length;
use crate::base::time::SimTime;
use crate::scenario::monitor::Expectation;
use crate::scenario::openb::{self, Openb};
use crate::scenario::recorded;
use crate::scenario::runner::{End, LONGEST, Plan, Runner, StepAction, TimedStep};
use crate::scenario::scheduler_perf::{self, Throughput, Wanted};
use crate::scenario::simulation::{self, Simulation};
use crate::scenario::snapshot::{self, Snapshot};
use crate::sim::{Options, Start};
use crate::trace::Fact;

/// The options of a run, as every command that makes one takes them.
#[derive(Debug, clap::Args)]
pub(super) struct Floats {
    #[command(flatten)]
    pub(super) input: Input,
    /// How many nodes the cluster has: workers with 4 CPUs and 8Gi each
    #[arg(long, value_name = "N", default_value_t = NODES, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(super) nodes: u32,
    /// A file that describes the cluster: Node manifests, or a short form with count, capacity, labels, taints
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    pub(super) cluster: Option<PathBuf>,
    /// The cluster to begin with: a dump of a live one, `kubectl get … -A -o yaml` or json
    ///
    /// Pods keep their nodes, statuses and ages; the clock starts at the latest time in the dump. Dumps of
    /// several commands may be given; `-` is standard input.
    #[arg(long, value_name = "DUMP", conflicts_with = "cluster")]
    pub(super) from: Vec<PathBuf>,
    /// A cluster trace in the openb form (Alibaba's GPU trace of 2023): its list of nodes and its list of pods
    ///
    /// The nodes are the cluster; pods are created and end as the trace says. Manifests may be given besides.
    #[arg(long, num_args = 2, value_names = ["NODES.csv", "PODS.csv"], conflicts_with_all = ["cluster", "from", "nodes"])]
    pub(super) openb: Vec<PathBuf>,
    /// A file of test cases of kube-scheduler's own performance suite (scheduler_perf): the ops of a workload are
    /// carried out, and its SchedulingThroughput is told in virtual time
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cluster", "from", "nodes", "openb", "scenario", "step", "paths", "filename"])]
    pub(super) scheduler_perf: Option<PathBuf>,
    /// Which test case and workload of --scheduler-perf, such as SchedulingBasic/500Nodes
    #[arg(long, value_name = "CASE/WORKLOAD", requires = "scheduler_perf")]
    pub(super) case: Option<String>,
    /// A KubeSchedulerConfiguration (v1): the scheduler's profiles, plugins and their arguments
    #[arg(long, value_name = "FILE")]
    pub(super) scheduler_config: Option<PathBuf>,
    /// How much virtual time to simulate, such as 90s, 10m, 3h, 2d
    #[arg(long = "for", value_name = "TIME", value_parser = length_of)]
    pub(super) length: Option<Duration>,
    /// Stop when nothing is left to happen or nothing has changed for a while (the default)
    #[arg(long, conflicts_with = "length")]
    pub(super) until_quiet: bool,
    /// The virtual time at the start, such as 2026-03-29T00:55:00Z [default: 2026-01-01T00:00:00Z, or
    /// when the --from dump was taken]
    #[arg(long, value_name = "TIME", value_parser = start)]
    pub(super) start: Option<Start>,
    /// The seed of all randomness: the same input and seed give the same output [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Try another legal order of simultaneous events, drawn from this seed
    #[arg(long, value_name = "SEED")]
    pub(super) shuffle_ties: Option<u64>,
    /// A kubectl command at a time, such as '20s scale deployment/web --replicas=5'; may be repeated
    #[arg(long, value_name = "TIME COMMAND")]
    pub(super) step: Vec<String>,
    /// A file of timed steps (apply, kubectl, stop-node …) and a duration
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
}

/// How many nodes there are where nothing is said.
const NODES: u32 = 3;

impl Floats {
    /// The words of a command line that say the same.
    pub(super) fn words(&self) -> Vec<String> {
        let (mut words, paths) = self.input.words();
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("--{name}={value}")));
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        option("nodes", Some(self.nodes).filter(|n| *n != NODES).map(|n| n.to_string()));
        option("cluster", path(&self.cluster));
        self.from.iter().for_each(|from| option("from", Some(from.display().to_string())));
        option("scheduler-perf", path(&self.scheduler_perf));
        option("case", self.case.clone());
        option("scheduler-config", path(&self.scheduler_config));
        let nanos = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
        option("for", self.length.map(|length| length::go(nanos(length))));
        let start = |start: Start| start.0.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true);
        option("start", self.start.map(start));
        option("seed", self.seed.map(|seed| seed.to_string()));
        option("shuffle-ties", self.shuffle_ties.map(|seed| seed.to_string()));
        self.step.iter().for_each(|step| option("step", Some(step.clone())));
        option("scenario", path(&self.scenario));
        if self.until_quiet {
            words.push("--until-quiet".to_owned());
        }
        if let [nodes, pods] = self.openb.as_slice() {
            let paths = [nodes, pods].map(|path| path.display().to_string());
            words.push("--openb".to_owned());
            words.extend(paths);
        }
        if !paths.is_empty() {
            words.push("--".to_owned());
            words.extend(paths);
        }
        words
    }
}

fn length_of(text: &str) -> Result<Duration, String> {
    recorded::duration(text)
}

fn start(text: &str) -> Result<Start, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .and_then(|t| SimTime::from_utc(t.to_utc()))
        .map(Start)
        .ok_or_else(|| "not a time such as 2026-03-29T00:55:00Z, from 1970 on".to_owned())
}

/// Why a run does not begin.
pub(super) enum Refused {
    /// Manifests or the cluster cannot be loaded.
    Input(Vec<Diagnostic>),
    /// Something else, for people.
    Text(String),
    /// The command line names nothing to run.
    Nothing,
}

impl Refused {
    /// Says so on standard error; answers with the exit code.
    pub(super) fn tell(&self) -> u8 {
        match self {
            Self::Nothing => {
                ui::err(
                    "error: nothing to run\n  hint: name files or folders, pipe manifests in with -f -, or give a --scenario or a --from dump",
                );
                return exit_code::USAGE;
            }
            Self::Input(problems) => {
                ui::err(diagnostics::render(problems, ui::diagnostic_style()).trim_end());
            }
            Self::Text(text) => ui::err(&format!("error: {text}")),
        }
        exit_code::BAD_INPUT
    }
}

/// A run that can begin.
pub(super) struct Prepared {
    /// What is simulated.
    pub(super) plan: Plan,
    /// Kinds that are kept without behaviour, and how many objects of each.
    pub(super) inert: Vec<(String, usize)>,
    /// How many nodes there are.
    pub(super) nodes: usize,
    /// What is expected of it.
    pub(super) expectations: Arc<Vec<Expectation>>,
    /// What measures it, for an op list of kube-scheduler's performance suite.
    pub(super) throughput: Option<Throughput>,
}

/// Builds the cluster of a plan, or tells why it cannot be and answers the exit code.
pub(super) fn build(plan: Plan, ear: &mut dyn FnMut(&Fact)) -> Result<Runner, u8> {
    Runner::new(plan, ear).map_err(|error| {
        ui::err(&format!("error: the cluster cannot be built: {error}"));
        exit_code::BAD_INPUT
    })
}

/// A cluster of workers to which nothing was applied yet.
pub(super) fn empty(args: &Floats) -> Plan {
    let start = args.start.unwrap_or_default();
    let Cluster { nodes, storage } = Cluster::workers(args.nodes, start.0);
    let options = Options {
        seed: args.seed.unwrap_or(1),
        start,
        shuffle_ties: args.shuffle_ties,
        ..Options::default()
    };
    Plan {
        options,
        snapshot: Snapshot::default(),
        nodes,
        storage,
        steps: Vec::new(),
        end: End::Quiet,
    }
}

/// Loads what a run needs; `quiet` says nothing of warnings.
pub(super) fn prepare(args: &Floats, quiet: bool) -> Result<Prepared, Refused> {
    if args.input.is_empty()
        && args.scenario.is_none()
        && args.from.is_empty()
        && args.openb.is_empty()
        && args.scheduler_perf.is_none()
    {
        return Err(Refused::Nothing);
    }
    if let Some(file) = &args.scheduler_perf {
        return prepare_scheduler_perf(args, file, quiet);
    }
    if let Some(file) = simulation_file(args) {
        return prepare_simulation(args, &file, quiet);
    }
    let loaded = load_manifests(args)?;
    if !loaded.warnings.is_empty() && !quiet {
        ui::err(diagnostics::render(&loaded.warnings, ui::diagnostic_style()).trim_end());
    }
    let snapshot = snapshot(args, quiet)?;
    let start = args.start.or(snapshot.taken.map(Start)).unwrap_or_default();
    let openb = openb(args)?;
    let cluster = match (&args.cluster, &openb) {
        (Some(file), _) => cluster_file::read(file, start.0).map_err(Refused::Input)?,
        (None, Some(trace)) => Cluster::of(&trace.nodes, start.0),
        (None, None) => Cluster::workers(args.nodes, start.0),
    };
    let scheduler = match &args.scheduler_config {
        Some(file) => scheduler_config::read(file, quiet).map_err(Refused::Input)?,
        None => Options::default().scheduler,
    };
    let inert = loaded.inert_kinds();
    let mut steps = Vec::new();
    if !loaded.manifests.is_empty() {
        steps.push(first_step(args, loaded));
    }
    let mut scenario_length = None;
    if let Some(file) = &args.scenario {
        let scenario = recorded::Scenario::read(file).map_err(|e| Refused::Text(e.to_string()))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        steps.extend(scenario.steps.iter().map(|s| crate::scenario::replay::step(folder, s)));
        scenario_length = Some(scenario.duration);
    }
    if let Some(trace) = openb {
        steps.extend(trace.steps);
        scenario_length = scenario_length.max(Some(trace.length));
    }
    for text in &args.step {
        steps.push(kubectl_step(text).map_err(Refused::Text)?);
    }
    steps.sort_by_key(|s| s.at);
    let end = args.length.or(scenario_length).map_or(End::Quiet, End::After);
    let options = Options {
        seed: args.seed.unwrap_or(1),
        start,
        scheduler,
        shuffle_ties: args.shuffle_ties,
        ..Options::default()
    };
    let nodes = Some(snapshot.nodes()).filter(|n| *n > 0).unwrap_or(cluster.nodes.len());
    let Cluster { nodes: workers, storage } = cluster;
    let plan = Plan { options, snapshot, nodes: workers, storage, steps, end };
    Ok(Prepared { plan, inert, nodes, expectations: Arc::default(), throughput: None })
}

/// Reads an op list of kube-scheduler's performance suite: it makes its nodes itself.
fn prepare_scheduler_perf(args: &Floats, file: &Path, quiet: bool) -> Result<Prepared, Refused> {
    let wanted = Wanted { name: args.case.clone() };
    let perf = scheduler_perf::read(file, &wanted).map_err(Refused::Input)?;
    if !quiet {
        perf.notes.iter().for_each(|note| ui::err(&format!("note: {}: {note}", file.display())));
    }
    let ops = perf.steps.iter().filter_map(|step| match &step.action {
        StepAction::Perf(op) => Some(&**op),
        _ => None,
    });
    let throughput = Some(Throughput::new(&perf.name, ops));
    let mut plan = Plan { nodes: Vec::new(), ..empty(args) };
    plan.options.scheduler = match (&args.scheduler_config, perf.scheduler) {
        (Some(file), _) => scheduler_config::read(file, quiet).map_err(Refused::Input)?,
        (None, Some(config)) => config,
        (None, None) => plan.options.scheduler,
    };
    plan.end = End::WithSteps(args.length.unwrap_or(LONGEST));
    plan.steps = perf.steps;
    Ok(Prepared { plan, inert: Vec::new(), nodes: 0, expectations: Arc::default(), throughput })
}

/// The trace that was named.
fn openb(args: &Floats) -> Result<Option<Openb>, Refused> {
    let [nodes, pods] = args.openb.as_slice() else { return Ok(None) };
    let bound = format!("{} MiB are the most", MOST_BYTES >> 20);
    let read = |path: &Path| {
        let text = load::text_of(path, MOST_BYTES, &bound);
        text.map(|text| (path.display().to_string(), text)).map_err(|p| Refused::Input(vec![*p]))
    };
    let (nodes, pods) = (read(nodes)?, read(pods)?);
    openb::read((&nodes.0, &nodes.1), (&pods.0, &pods.1)).map(Some).map_err(Refused::Text)
}

/// No list of a trace is larger.
const MOST_BYTES: u64 = 64 << 20;

/// The Simulation file that was named, if it was that.
fn simulation_file(args: &Floats) -> Option<PathBuf> {
    let named = args.input.named();
    named.iter().find(|path| path.is_file() && simulation::is_simulation(path)).cloned()
}

/// Reads a Simulation; what the command line says besides stands over what the file says.
fn prepare_simulation(args: &Floats, file: &Path, quiet: bool) -> Result<Prepared, Refused> {
    let cluster = args.cluster.is_some()
        || !args.from.is_empty()
        || args.scenario.is_some()
        || !args.openb.is_empty();
    if args.input.named().len() > 1 || cluster || args.scheduler_config.is_some() {
        return Err(Refused::Text(format!(
            "{} is a Simulation: it names its manifests and its cluster itself\n  hint: give it alone, or put \
             what you name besides into the file",
            file.display()
        )));
    }
    let read = simulation::read(file).map_err(Refused::Input)?;
    if !read.warnings.is_empty() && !quiet {
        ui::err(diagnostics::render(&read.warnings, ui::diagnostic_style()).trim_end());
    }
    let Simulation { mut plan, nodes, inert, expectations, .. } = read;
    plan.options.seed = args.seed.unwrap_or(plan.options.seed);
    plan.options.start = args.start.unwrap_or(plan.options.start);
    plan.options.shuffle_ties = args.shuffle_ties;
    match args.length {
        Some(length) => plan.end = End::After(length),
        None if args.until_quiet => plan.end = End::Quiet,
        None => {}
    }
    for text in &args.step {
        plan.steps.push(kubectl_step(text).map_err(Refused::Text)?);
    }
    Ok(Prepared { plan, inert, nodes, expectations, throughput: None })
}

/// The cluster to begin with: what `--from` names, or an empty one.
fn snapshot(args: &Floats, quiet: bool) -> Result<Snapshot, Refused> {
    if args.from.is_empty() {
        return Ok(Snapshot::default());
    }
    let mut stdin = io::stdin();
    let reader: Option<&mut dyn Read> =
        if args.from.iter().any(|p| p.as_os_str() == "-") { Some(&mut stdin) } else { None };
    // A server wrote it: another release's fields are no mistakes, and rules may have been others then.
    let options = load::Options {
        validation: load::FieldValidation::Ignore,
        rules: load::Rules::Left,
        ..load::Options::default()
    };
    let loaded = load::load_with(&args.from, reader, options).map_err(Refused::Input)?;
    let snapshot = snapshot::read(&loaded.manifests).map_err(Refused::Input)?;
    if snapshot.is_empty() {
        let names: Vec<String> = args.from.iter().map(|p| p.display().to_string()).collect();
        let text = format!(
            "{} holds no objects of a cluster\n  hint: make a dump with \"kubectl get nodes,namespaces,all,\
             configmaps,secrets,pvc,pv,pdb,endpointslices,controllerrevisions -A -o yaml\"",
            names.join(", ")
        );
        return Err(Refused::Text(text));
    }
    if !snapshot.notes.is_empty() && !quiet {
        ui::err(diagnostics::render(&snapshot.notes, ui::diagnostic_style()).trim_end());
    }
    Ok(snapshot)
}

fn load_manifests(args: &Floats) -> Result<Loaded, Refused> {
    if args.input.is_empty() {
        return Ok(Loaded { manifests: Vec::new(), warnings: Vec::new() });
    }
    args.input.load().map_err(Refused::Input)
}

fn first_step(args: &Floats, loaded: Loaded) -> TimedStep {
    let paths: Vec<String> = args.input.named().iter().map(|p| p.display().to_string()).collect();
    let documents = loaded.manifests.into_iter().map(|m| m.value).collect();
    TimedStep {
        action: StepAction::Apply { source: paths.join(" -f "), documents },
        ..TimedStep::default()
    }
}

fn kubectl_step(text: &str) -> Result<TimedStep, String> {
    let (at, command) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    let due = length_of(at).map_err(|e| {
        format!("--step {text:?}: {e}\n  hint: a step is a time and a kubectl command, as in '20s delete pod web-0'")
    })?;
    let command = command.trim();
    let command = command.strip_prefix("kubectl ").unwrap_or(command);
    Ok(TimedStep {
        at: due,
        written: at.to_owned(),
        action: StepAction::Kubectl(command.to_owned()),
        ..TimedStep::default()
    })
}

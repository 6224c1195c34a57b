//! `wavetank run`: floats manifests and tells what happens.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster_file::{self, Cluster};
use super::input::Input;
use super::wall::Wall;
use super::{exit_code, ui};
use crate::api::diagnostic::{Diagnostic, render as diagnostics};
use crate::api::load::Loaded;
use crate::api::{convert, yaml};
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Pod};
use crate::report::Recorder;
use crate::report::summary::{Gathered, Summary};
use crate::report::timeline::{Detail, Line, Style, Timeline, duration, render};
use crate::scenario::recorded;
use crate::scenario::runner::{
    End, Ended, LONGEST, NAMESPACE, Plan, Runner, SETTLED, StepAction, TimedStep,
};
use crate::sim::{Options, Start};

/// Float manifests in a simulated cluster and tell what happens
///
/// PATHS are files and folders of manifests: YAML or JSON, several documents in a file, Lists. They are
/// applied at the start, in the order given; then the cluster runs in virtual time until nothing is left
/// to happen, nothing has changed for a while, or the time of --for is up.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// How many nodes the cluster has: workers with 4 CPUs and 8Gi each
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    nodes: u32,
    /// A file that describes the cluster: Node manifests, or a short form with count, capacity, labels, taints
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    cluster: Option<PathBuf>,
    /// How much virtual time to simulate, such as 90s, 10m, 3h, 2d
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Duration>,
    /// Stop when nothing is left to happen or nothing has changed for a while (the default)
    #[arg(long, conflicts_with = "length")]
    until_quiet: bool,
    /// The virtual time at the start, such as 2026-03-29T00:55:00Z
    #[arg(long, value_name = "TIME", value_parser = start, default_value = "2026-01-01T00:00:00Z")]
    start: Start,
    /// The seed of all randomness: the same input and seed give the same output
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Try another legal order of simultaneous events, drawn from this seed
    #[arg(long, value_name = "SEED")]
    shuffle_ties: Option<u64>,
    /// A kubectl command at a time, such as '20s scale deployment/web --replicas=5'; may be repeated
    #[arg(long, value_name = "TIME COMMAND")]
    step: Vec<String>,
    /// A file of timed steps (apply, kubectl, stop-node …) and a duration
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// What to print: the timeline, or the result as one JSON or YAML document
    #[arg(short, long, value_enum, default_value_t = Output::Timeline)]
    output: Output,
    /// Write the trace of the run, one JSON object per line
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
    /// Print the summary alone
    #[arg(short, long)]
    quiet: bool,
    /// Print everything: normal events and inner objects too
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// Exit with 1 when something is stuck or has failed
    #[arg(long)]
    exit_code: bool,
    /// Print how many events of which kind were handled
    #[arg(long)]
    stats: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Timeline,
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

fn length(text: &str) -> Result<Duration, String> {
    recorded::duration(text)
}

fn start(text: &str) -> Result<Start, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .and_then(|t| SimTime::from_utc(t.to_utc()))
        .map(Start)
        .ok_or_else(|| "not a time such as 2026-03-29T00:55:00Z, from 1970 on".to_owned())
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    if args.input.is_empty() && args.scenario.is_none() {
        ui::err(
            "error: nothing to run\n  hint: name files or folders, pipe manifests in with -f -, or give a --scenario",
        );
        return exit_code::USAGE;
    }
    match prepare(args) {
        Ok(prepared) => float(args, prepared),
        Err(Refused::Input(problems)) => {
            ui::err(diagnostics::render(&problems, ui::diagnostic_style()).trim_end());
            exit_code::BAD_INPUT
        }
        Err(Refused::Text(text)) => {
            ui::err(&format!("error: {text}"));
            exit_code::BAD_INPUT
        }
    }
}

/// Why a run does not begin.
enum Refused {
    Input(Vec<Diagnostic>),
    Text(String),
}

struct Prepared {
    plan: Plan,
    inert: Vec<(String, usize)>,
    nodes: usize,
}

fn prepare(args: &Args) -> Result<Prepared, Refused> {
    let loaded = load_manifests(args)?;
    if !loaded.warnings.is_empty() && !args.quiet {
        ui::err(diagnostics::render(&loaded.warnings, ui::diagnostic_style()).trim_end());
    }
    let cluster = match &args.cluster {
        Some(file) => cluster_file::read(file, args.start.0).map_err(Refused::Input)?,
        None => Cluster::workers(args.nodes, args.start.0),
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
    for text in &args.step {
        steps.push(kubectl_step(text).map_err(Refused::Text)?);
    }
    steps.sort_by_key(|s| s.at);
    let end = args.length.or(scenario_length).map_or(End::Quiet, End::After);
    let options = Options {
        seed: args.seed,
        start: args.start,
        shuffle_ties: args.shuffle_ties,
        ..Options::default()
    };
    let nodes = cluster.nodes.len();
    let plan = Plan { options, nodes: cluster.nodes, storage: cluster.storage, steps, end };
    Ok(Prepared { plan, inert, nodes })
}

fn load_manifests(args: &Args) -> Result<Loaded, Refused> {
    if args.input.is_empty() {
        return Ok(Loaded { manifests: Vec::new(), warnings: Vec::new() });
    }
    args.input.load().map_err(Refused::Input)
}

fn first_step(args: &Args, loaded: Loaded) -> TimedStep {
    let paths: Vec<String> = args.input.named().iter().map(|p| p.display().to_string()).collect();
    let documents = loaded.manifests.into_iter().map(|m| m.value).collect();
    TimedStep {
        at: Duration::ZERO,
        written: "0s".to_owned(),
        action: StepAction::Apply { source: paths.join(" -f "), documents },
        expect_error: false,
    }
}

fn kubectl_step(text: &str) -> Result<TimedStep, String> {
    let (at, command) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    let due = length(at).map_err(|e| {
        format!("--step {text:?}: {e}\n  hint: a step is a time and a kubectl command, as in '20s delete pod web-0'")
    })?;
    let command = command.trim();
    let command = command.strip_prefix("kubectl ").unwrap_or(command);
    Ok(TimedStep {
        at: due,
        written: at.to_owned(),
        action: StepAction::Kubectl(command.to_owned()),
        expect_error: false,
    })
}

/// What listens to a run.
struct Listeners {
    timeline: Timeline,
    gathered: Gathered,
    recorder: Option<Recorder>,
    style: Style,
    /// Whether lines are printed as they come; otherwise they are kept.
    print: bool,
    kept: Vec<Line>,
}

impl Listeners {
    fn hear(&mut self, fact: &crate::trace::Fact) {
        self.gathered.observe(fact);
        if let Some(recorder) = &mut self.recorder {
            recorder.observe(fact);
        }
        self.timeline.observe(fact);
        let lines = self.timeline.take();
        self.tell(lines);
    }

    fn tell(&mut self, lines: Vec<Line>) {
        if self.print {
            for line in &lines {
                ui::out(&render(line, self.style));
            }
        } else {
            self.kept.extend(lines);
        }
    }
}

fn float(args: &Args, prepared: Prepared) -> u8 {
    let wall = Wall::now();
    let Prepared { plan, inert, nodes } = prepared;
    let start = plan.options.start.0;
    let colour = match args.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => io::stdout().is_terminal(),
    };
    let timeline = args.output == Output::Timeline;
    if timeline && !args.quiet {
        let nodes = crate::report::timeline::count(nodes, "node");
        ui::out(&format!(
            "wavetank · {nodes} · starts {} · seed {}\n\n",
            start.to_rfc3339(),
            args.seed
        ));
    }
    let header = json!({"type": "HEADER", "scenario": "run", "wallStart": start.to_rfc3339(),
        "server": "v1.36.2", "nodes": header_nodes(&plan.nodes)});
    let mut listeners = Listeners {
        timeline: Timeline::new(if args.verbose { Detail::Everything } else { Detail::Usual }),
        gathered: Gathered::default(),
        recorder: args.trace.as_ref().map(|_| Recorder::new(start, NAMESPACE, &header)),
        style: Style { colour, start },
        print: timeline && !args.quiet,
        kept: Vec::new(),
    };
    let mut runner = match Runner::new(plan, &mut |_| {}) {
        Ok(runner) => runner,
        Err(error) => {
            ui::err(&format!("error: the cluster cannot be built: {error}"));
            return exit_code::BAD_INPUT;
        }
    };
    let ended = runner.run(&mut |fact| listeners.hear(fact));
    let now = runner.sim().now();
    let last = listeners.timeline.finish(now);
    listeners.tell(last);
    let sim = runner.sim();
    let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
    let summary = Summary::of(sim.store(), now, &listeners.gathered, inert, &blocked);
    match args.output {
        Output::Timeline => {
            let length = duration(now.since(start));
            let how = describe(ended);
            ui::out(&format!("\nafter {length} of virtual time, {how}\n\n{}\n", summary.render()));
            ui::out(&format!("digest {:016x}, {} events\n", sim.digest(), sim.stats().events));
        }
        Output::Json | Output::Yaml => {
            let document = result(&runner, args, ended, &listeners.kept, &summary);
            match args.output {
                Output::Yaml => ui::out(&yaml::write::to_string(&document).unwrap_or_default()),
                _ => ui::out(&format!("{document:#}\n")),
            }
        }
    }
    finish(args, &runner, listeners.recorder, wall, &summary)
}

/// What goes to standard error and to files: nothing of it changes what is printed as the result.
fn finish(
    args: &Args,
    runner: &Runner,
    recorder: Option<Recorder>,
    wall: Wall,
    summary: &Summary,
) -> u8 {
    if args.stats {
        let s = runner.sim().stats();
        ui::err(&format!(
            "{} events: {} nudges, {} wakes, {} requests, {} replies; {} facts",
            s.events, s.nudges, s.wakes, s.requests, s.replies, s.facts
        ));
    }
    if !args.quiet {
        ui::err(&format!("real time {}", duration(wall.elapsed())));
    }
    if let (Some(file), Some(recorder)) = (&args.trace, recorder) {
        let (lines, _) = recorder.finish();
        if let Err(error) = fs::write(file, lines.join("\n") + "\n") {
            ui::err(&format!("error: cannot write {}: {error}", file.display()));
            return exit_code::IO;
        }
    }
    if args.exit_code && !summary.stuck.is_empty() { exit_code::FAILED } else { exit_code::OK }
}

fn describe(ended: Ended) -> String {
    match ended {
        Ended::Quiet => "nothing is left to happen".to_owned(),
        Ended::Settled => format!("nothing has changed for {}", duration(SETTLED)),
        Ended::Limit => "the time is up".to_owned(),
    }
}

fn header_nodes(nodes: &[Value]) -> Vec<Value> {
    nodes
        .iter()
        .map(|n| {
            json!({"name": n["metadata"]["name"], "labels": n["metadata"]["labels"],
                "capacity": n["status"]["capacity"], "allocatable": n["status"]["allocatable"]})
        })
        .collect()
}

/// The result as one document.
fn result(runner: &Runner, args: &Args, ended: Ended, lines: &[Line], summary: &Summary) -> Value {
    let (sim, start) = (runner.sim(), runner.start());
    let timeline: Vec<Value> = lines
        .iter()
        .map(|l| {
            json!({"at": l.at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                "object": l.object, "container": l.container,
                "tone": format!("{:?}", l.tone).to_ascii_lowercase(), "text": l.text})
        })
        .collect();
    let kinds = Kind::ALL.iter().copied();
    let mut objects: Vec<&Object> = kinds.flat_map(|k| sim.store().list(k)).filter(shown).collect();
    objects.sort_by_key(|o| o.reference());
    let objects: Vec<Value> = objects.iter().map(|o| convert::to_wire(o).to_value()).collect();
    json!({
        "seed": args.seed,
        "start": start.to_rfc3339(),
        "end": sim.now().to_rfc3339(),
        "ended": describe(ended),
        "longest": duration(LONGEST),
        "digest": format!("{:016x}", sim.digest()),
        "summary": summary.to_json(),
        "timeline": timeline,
        "objects": objects,
    })
}

/// Objects that every cluster has are left out.
fn shown(object: &&Object) -> bool {
    let meta = object.meta();
    let system =
        matches!(meta.namespace.as_str(), "kube-system" | "kube-public" | "kube-node-lease");
    let base =
        matches!(object.kind(), Kind::Namespace | Kind::ServiceAccount | Kind::PriorityClass)
            && (meta.name == "default"
                || meta.name.starts_with("kube-")
                || meta.name.starts_with("system-"));
    !system && !base && meta.name != "kube-root-ca.crt"
}

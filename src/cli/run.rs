//! `wavetank run`: floats manifests and tells what happens.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::checkpoint::{self, Checkpoint};
use super::floats::{self, Floats, Prepared};
use super::outputs::{Outputs, Writers};
use super::stop::{self, Stop};
use super::verdict;
use super::wall::Wall;
use super::{exit_code, ui};
use crate::api::{convert, yaml};
use crate::model::{Kind, Object, Pod};
use crate::report::Recorder;
use crate::report::explain;
use crate::report::html::{Chronicle, Heading};
use crate::report::summary::{Gathered, Summary};
use crate::report::timeline::{Detail, Line, Style, Timeline, duration, render};
use crate::report::why::{self, Past};
use crate::scenario::monitor::{Expectation, Monitors, Violation};
use crate::scenario::remedy::{self, Effort};
use crate::scenario::runner::{Ended, LONGEST, NAMESPACE, Plan, Runner, SETTLED};
use crate::scenario::scheduler_perf::Throughput;
use crate::scenario::verify::{self, Tried, Trying};

/// Float manifests in a simulated cluster and tell what happens
///
/// PATHS are files and folders of manifests: YAML or JSON, several documents in a file, Lists. They are
/// applied at the start, in the order given; then the cluster runs in virtual time until nothing is left
/// to happen, nothing has changed for a while, or the time of --for is up.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    floats: Floats,
    /// What to print: the timeline, or the result as one JSON or YAML document
    #[arg(short, long, value_enum, default_value_t = Output::Timeline)]
    output: Output,
    /// Write the trace of the run, one JSON object per line
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write a report of the run to look at in a browser: one page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Play the run on the terminal: pause, speed, step, back
    #[arg(long, conflicts_with_all = ["output", "trace", "html", "verify"])]
    tui: bool,
    #[command(flatten)]
    outputs: Outputs,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
    /// Print the summary alone
    #[arg(short, long)]
    quiet: bool,
    /// Print everything: normal events and inner objects too
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// After the run, try each workload, node or zone in turn: does a rollout or a drain finish, is the loss
    /// of a node or a zone recovered from? Exits with 1 when not
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_enum)]
    verify: Vec<Verify>,
    /// End the run once so many events have been handled, tell what is known by then and exit with 5
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_events: Option<u64>,
    /// End the run once the process takes more memory than this, such as 2Gi, tell what is known by then and
    /// exit with 5
    #[arg(long, value_name = "SIZE", value_parser = stop::memory)]
    max_memory: Option<u64>,
    /// When the run ends or is ended, write a checkpoint of where it stands, to go on from with --resume
    #[arg(long, value_name = "FILE", conflicts_with = "tui")]
    save: Option<PathBuf>,
    /// Go on from a checkpoint: the run is made again up to there, without a word, and must be the same
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tui", "paths", "filename", "validate", "nodes", "cluster",
        "from", "openb", "scheduler_perf", "case", "scheduler_config", "start", "seed", "shuffle_ties", "step",
        "scenario"])]
    resume: Option<PathBuf>,
    /// What to do about what is stuck at the end: try the changes that suggest themselves by running again
    /// with each, tell them untried, or look for no causes
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Fixes::Try)]
    fixes: Fixes,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fixes {
    /// Root causes, and changes of which each was tried in a run of its own
    Try,
    /// Root causes, and changes that were not tried
    Tell,
    /// Neither
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Verify {
    /// Each workload is rolled out anew
    Rollout,
    /// Each node is drained
    Drain,
    /// Each node crashes
    NodeLoss,
    /// Each zone crashes
    ZoneLoss,
}

/// Tries what was asked for; `None` where the cluster cannot be built, which the run itself has told.
fn tried(args: &Args, plan: &Plan) -> Option<Vec<Tried>> {
    let mut all = Vec::new();
    for what in &args.verify {
        let trying = match what {
            Verify::Rollout => Trying::Rollout,
            Verify::Drain => Trying::Drain,
            Verify::NodeLoss => Trying::NodeLoss,
            Verify::ZoneLoss => Trying::ZoneLoss,
        };
        all.extend(verify::verify(plan, trying).ok()?);
    }
    Some(all)
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    if args.tui {
        return super::tui::run(&args.floats);
    }
    let began = match &args.resume {
        None => begin(args),
        Some(file) => resume(args, file),
    };
    began.unwrap_or_else(|(text, code)| {
        ui::err(&format!("error: {text}"));
        code
    })
}

fn begin(args: &Args) -> Result<u8, checkpoint::Refused> {
    let save = args.save.as_ref().map(|_| Checkpoint::of(&args.floats)).transpose()?;
    Ok(match floats::prepare(&args.floats, args.quiet) {
        Ok(prepared) => float(args, &args.floats, prepared, None, save),
        Err(refused) => refused.tell(),
    })
}

/// Makes the run of a checkpoint again, and goes on; how long it takes may be another now.
fn resume(args: &Args, file: &Path) -> Result<u8, checkpoint::Refused> {
    let checkpoint = Checkpoint::read(file)?;
    let mut floats = checkpoint.floats()?;
    if args.floats.length.is_some() || args.floats.until_quiet {
        (floats.length, floats.until_quiet) = (args.floats.length, args.floats.until_quiet);
    }
    let save = args.save.as_ref().map(|_| checkpoint.clone().run_as(&floats));
    // Warnings were told when it was made.
    Ok(match checkpoint.with_files(&floats, || floats::prepare(&floats, true))? {
        Ok(prepared) => float(args, &floats, prepared, Some(checkpoint), save),
        Err(refused) => refused.tell(),
    })
}

/// What listens to a run.
struct Listeners {
    timeline: Timeline,
    gathered: Gathered,
    recorder: Option<Recorder>,
    chronicle: Option<Chronicle>,
    /// What causes are looked up in, for the page.
    past: Option<Past>,
    writers: Writers,
    style: Style,
    /// Whether lines are printed as they come.
    print: bool,
    /// Whether they are kept, for a document at the end.
    keep: bool,
    /// Set once the run has come to what was told before.
    reached: Option<Arc<AtomicBool>>,
    kept: Vec<Line>,
}

impl Listeners {
    fn new(args: &Args, plan: &Plan) -> Self {
        let start = plan.options.start.0;
        let colour = match args.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => io::stdout().is_terminal(),
        };
        let header = json!({"type": "HEADER", "scenario": "run", "wallStart": start.to_rfc3339(),
            "server": "v1.36.2", "nodes": header_nodes(&plan.nodes)});
        Self {
            timeline: Timeline::new(if args.verbose { Detail::Everything } else { Detail::Usual }),
            gathered: Gathered::default(),
            recorder: args.trace.as_ref().map(|_| Recorder::new(start, NAMESPACE, &header)),
            chronicle: args.html.as_ref().map(|_| Chronicle::new(start)),
            past: args.html.as_ref().map(|_| Past::default()),
            writers: args.outputs.writers(start),
            style: Style { colour, start },
            print: args.output == Output::Timeline && !args.quiet,
            keep: args.output != Output::Timeline,
            reached: None,
            kept: Vec::new(),
        }
    }

    /// Takes in a fact of the making of the cluster, which is told to nobody but files.
    fn hear_begin(&mut self, fact: &crate::trace::Fact) {
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.observe(fact);
        }
        if let Some(past) = &mut self.past {
            past.observe(fact);
        }
        self.writers.hear(fact);
    }

    fn hear(&mut self, fact: &crate::trace::Fact) {
        self.gathered.observe(fact);
        if let Some(recorder) = &mut self.recorder {
            recorder.observe(fact);
        }
        self.hear_begin(fact);
        self.timeline.observe(fact);
        let lines = self.timeline.take();
        self.tell(lines);
    }

    fn tell(&mut self, lines: Vec<Line>) {
        let told = |reached: &Arc<AtomicBool>| reached.load(Ordering::Relaxed);
        if self.print {
            if !self.reached.as_ref().is_none_or(told) {
                return;
            }
            for line in &lines {
                ui::out(&render(line, self.style));
            }
        } else if self.keep {
            self.kept.extend(lines);
        }
    }
}

/// What a run came to, besides its lines.
struct Came {
    ended: Ended,
    summary: Summary,
    violations: Vec<Violation>,
    tried: Vec<Tried>,
    throughput: Option<Throughput>,
}

impl Came {
    fn is_good(&self) -> bool {
        let failed = self.throughput.as_ref().is_some_and(|t| t.failed().is_some());
        self.violations.is_empty() && self.tried.iter().all(|t| t.recovers) && !failed
    }
}

fn float(
    args: &Args,
    floats: &Floats,
    prepared: Prepared,
    from: Option<Checkpoint>,
    save: Option<Checkpoint>,
) -> u8 {
    let wall = Wall::now();
    let Prepared { mut plan, inert, nodes, expectations, mut throughput } = prepared;
    if args.html.is_some() {
        plan.options.explained_first = EXPLAINED;
    }
    let (start, seed) = (plan.options.start.0, plan.options.seed);
    if args.output == Output::Timeline && !args.quiet {
        let nodes = crate::report::timeline::count(nodes, "node");
        let at = start.to_rfc3339();
        ui::out(&format!("wavetank · {nodes} · starts {at} · seed {seed}\n\n"));
        if let Some(from) = &from {
            ui::out(&format!(
                "resumes at {}, after {} events\n\n",
                from.time(),
                from.mark().events
            ));
        }
    }
    let again = (!args.verify.is_empty() || args.fixes != Fixes::None).then(|| plan.clone());
    let mut monitors = Monitors::new(&expectations, start);
    let mut listeners = Listeners::new(args, &plan);
    // The cluster's own objects are made here, and told to nobody but the page and to what is expected.
    let built = floats::build(plan, &mut |fact| {
        monitors.observe(fact);
        listeners.hear_begin(fact);
    });
    let mut runner = match built {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    let mut stop = Stop::new(args.max_memory);
    runner.stop_with(stop.flag());
    runner.set_max_events(args.max_events.unwrap_or(u64::MAX));
    listeners.reached = from.as_ref().map(|from| runner.hold_against(from.mark()));
    let ended = runner.run(&mut |fact| {
        stop.hear();
        if let Some(throughput) = &mut throughput {
            throughput.observe(fact);
        }
        monitors.observe(fact);
        listeners.hear(fact);
    });
    if let Some(from) = &from
        && let Err(code) = come_again(from, &runner, listeners.reached.as_ref())
    {
        return code;
    }
    let now = runner.sim().now();
    let last = listeners.timeline.finish(now);
    listeners.tell(last);
    // What was cut short is not run again.
    let whole = again.filter(|_| !matches!(ended, Ended::Stopped | Ended::Spent));
    let came = Came {
        ended,
        summary: summary(args, whole.as_ref(), &runner, &listeners.gathered, inert),
        violations: monitors.finish(now),
        tried: whole.and_then(|plan| tried(args, &plan)).unwrap_or_default(),
        throughput,
    };
    print(args, &runner, seed, &expectations, &listeners.kept, &came);
    let code = match finish(args, &runner, listeners.recorder, wall, &came.summary) {
        exit_code::OK if !came.is_good() => exit_code::FAILED,
        code => code,
    };
    let code = match args.outputs.write(listeners.writers, runner.sim().store(), runner.sim().now())
    {
        exit_code::OK => code,
        failed => failed,
    };
    let code = match cut_short(args, ended, &stop) {
        Some((why, cut)) => {
            ui::err(&format!(
                "error: the run was ended before its time: {why}; what is told of it is not its end"
            ));
            cut
        }
        None => code,
    };
    let told = listeners.chronicle.zip(listeners.past);
    let page = told.map(|(c, past)| page(args, floats, c, &past, &runner, seed, &came));
    let failed = page.and_then(Result::err).or(saved(args, &runner, save).err());
    failed.unwrap_or(code)
}

/// Whether a run that goes on from a checkpoint has come to it, and was the same there.
fn come_again(
    from: &Checkpoint,
    runner: &Runner,
    reached: Option<&Arc<AtomicBool>>,
) -> Result<(), u8> {
    let events = from.mark().events;
    if let Some(found) = runner.differs() {
        ui::err(&format!(
            "error: the run is not the one that was saved: after {events} events its digest is {:016x}, and was \
             {:016x}\n  hint: the checkpoint was written by wavetank {}, and what it simulates has changed since; \
             make the run anew",
            found.digest,
            from.mark().digest,
            from.program()
        ));
        return Err(exit_code::CHANGED);
    }
    if reached.is_some_and(|reached| !reached.load(Ordering::Relaxed)) {
        ui::err(&format!(
            "error: the run ended before it came to the checkpoint, at {} after {events} events\n  hint: --for and \
             --max-events count from the start of the run",
            from.time()
        ));
        return Err(exit_code::USAGE);
    }
    Ok(())
}

/// Writes the checkpoint.
fn saved(args: &Args, runner: &Runner, save: Option<Checkpoint>) -> Result<(), u8> {
    let (Some(file), Some(checkpoint)) = (&args.save, save) else { return Ok(()) };
    let (mark, at) = runner.mark();
    let text = checkpoint.at(mark, at.max(runner.start()).to_rfc3339()).text();
    fs::write(file, text).map_err(|error| {
        ui::err(&format!("error: cannot write {}: {error}", file.display()));
        exit_code::IO
    })?;
    if !args.quiet {
        ui::err(&format!("saved; go on with wavetank run --resume {}", file.display()));
    }
    Ok(())
}

/// What the run came to, with what holds up what is stuck; `again` is what was run.
fn summary(
    args: &Args,
    again: Option<&Plan>,
    runner: &Runner,
    gathered: &Gathered,
    inert: Vec<(String, usize)>,
) -> Summary {
    let sim = runner.sim();
    let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
    let mut summary = Summary::of(sim.store(), sim.now(), gathered, inert, &blocked);
    let effort = match args.fixes {
        Fixes::Try => Some(Effort::Try),
        Fixes::Tell => Some(Effort::Tell),
        Fixes::None => None,
    };
    if let (Some(plan), Some(effort)) = (again, effort) {
        remedy::find(plan, runner, gathered, &mut summary, effort);
    }
    summary
}

/// So many pods are explained on the page, and so many are asked why they are as they are.
const EXPLAINED: usize = 200;

/// Prints what the run came to.
fn print(
    args: &Args,
    runner: &Runner,
    seed: u64,
    expectations: &[Expectation],
    kept: &[Line],
    came: &Came,
) {
    let (sim, start) = (runner.sim(), runner.start());
    match args.output {
        Output::Timeline => {
            let length = duration(sim.now().since(start));
            let (how, summary) = (describe(came.ended), came.summary.render());
            ui::out(&format!("\nafter {length} of virtual time, {how}\n\n{summary}\n"));
            ui::out(&format!("digest {:016x}, {} events\n", sim.digest(), sim.stats().events));
            ui::out(&verdict::told(expectations, &came.violations, start));
            ui::out(&verdict::tried(&came.tried));
            if let Some(throughput) = &came.throughput {
                ui::out(&throughput.told());
            }
        }
        Output::Json | Output::Yaml => {
            let mut document = result(runner, seed, came.ended, kept, &came.summary);
            if !expectations.is_empty() {
                let all = came.violations.iter().map(|v| verdict::violation_json(v, start));
                document["violations"] = all.collect();
            }
            if !args.verify.is_empty() {
                document["verdicts"] = verdict::tried_json(&came.tried);
            }
            if let Some(throughput) = &came.throughput {
                document["schedulerPerf"] = throughput.json();
            }
            match args.output {
                Output::Yaml => ui::out(&yaml::write::to_string(&document).unwrap_or_default()),
                _ => ui::out(&format!("{document:#}\n")),
            }
        }
    }
}

/// Writes the report to look at.
fn page(
    args: &Args,
    floats: &Floats,
    mut chronicle: Chronicle,
    past: &Past,
    runner: &Runner,
    seed: u64,
    came: &Came,
) -> Result<(), u8> {
    let Some(file) = &args.html else { return Ok(()) };
    for (pod, explanation) in runner.sim().explained() {
        chronicle.explain(pod, explain::text(&explanation, runner.start()));
    }
    let (sim, input) = (runner.sim(), &floats.input);
    let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
    for pod in chronicle.troubled(EXPLAINED) {
        let Some(object) = past.last(pod) else { continue };
        let answers = why::why(past, object, sim.now(), &blocked);
        let text = why::text(&object.reference(), &answers, None, runner.start());
        chronicle.tell_causes(pod, text);
    }
    let paths = input.paths.iter().chain(&input.filename).chain(&floats.scenario);
    let names: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    let heading = Heading {
        title: &names.join(" "),
        ended: &describe(came.ended),
        seed,
        digest: sim.digest(),
        end: sim.now(),
    };
    fs::write(file, chronicle.page(&heading, &came.summary)).map_err(|error| {
        ui::err(&format!("error: cannot write {}: {error}", file.display()));
        exit_code::IO
    })
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

/// Why a run was ended before its time, and the exit code of that.
fn cut_short(args: &Args, ended: Ended, stop: &Stop) -> Option<(String, u8)> {
    match ended {
        Ended::Spent => {
            let most = args.max_events.unwrap_or(u64::MAX);
            Some((
                format!("{most} events were handled, and --max-events is {most}"),
                exit_code::BOUND,
            ))
        }
        Ended::Stopped => {
            let code = if stop.interrupted() { exit_code::INTERRUPTED } else { exit_code::BOUND };
            Some((stop.why().unwrap_or_default(), code))
        }
        Ended::Quiet | Ended::Settled | Ended::Limit | Ended::Steps => None,
    }
}

fn describe(ended: Ended) -> String {
    match ended {
        Ended::Quiet => "nothing is left to happen".to_owned(),
        Ended::Settled => format!("nothing has changed for {}", duration(SETTLED)),
        Ended::Limit => "the time is up".to_owned(),
        Ended::Steps => "its steps are done".to_owned(),
        Ended::Stopped => "it was told to stop".to_owned(),
        Ended::Spent => "it has handled as many events as it may".to_owned(),
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
fn result(runner: &Runner, seed: u64, ended: Ended, lines: &[Line], summary: &Summary) -> Value {
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
        "seed": seed,
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

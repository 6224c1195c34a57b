//! `wavetank test`: runs simulations and holds them against what they expect.

mod find;
mod golden;
mod html;
mod junit;
mod pool;
mod print;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::wall::{self, Wall};
use super::{exit_code, ui};
use crate::api::diagnostic::{Diagnostic, render};
use crate::report::timeline::duration;
use crate::scenario::recorded;
use crate::scenario::seeds::{self, Shrunk};
use crate::scenario::simulation::Simulation;
use crate::scenario::suites;
use crate::scenario::trial::{self, Settings, Trial};

use golden::Kept;
use pool::{Job, Outcome};

/// Run simulations and hold them against what they expect
///
/// PATHS are Simulation files, and folders in which they are looked for. Each is run in virtual time, many
/// beside each other; what is violated is told with the moment and the facts that led there, and the exit
/// code is 1. A timeline that is kept beside a simulation (NAME.timeline.txt) must be the same as ever.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Simulation files and folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only simulations whose name holds this text, or that have this label (KEY=VALUE); may be repeated
    #[arg(short = 'k', long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Run each with so many seeds, with other legal orders of what happens at one instant
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: Option<u64>,
    /// The seed, or the first of --seeds, in the place of the files' own
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Do not look for the steps that a failing seed needs
    #[arg(long)]
    no_shrink: bool,
    /// Write the timelines that are kept beside the simulations anew
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    update: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a report to look at; the one FORMAT is html
    #[arg(long, num_args = 2, value_names = ["FORMAT", "FILE"])]
    report: Option<Vec<String>>,
    /// Run again what a changed file belongs to, until Ctrl-C
    #[arg(long, conflicts_with_all = ["junit", "report", "list", "fail_fast"])]
    watch: bool,
    /// How many run beside each other [default: as many as the machine has processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// How much real time one run may take
    #[arg(long, value_name = "TIME", value_parser = recorded::duration, default_value = "5m")]
    timeout: Duration,
    /// Stop at the first simulation that fails
    #[arg(long)]
    fail_fast: bool,
    /// Tell what there is and run nothing
    #[arg(long)]
    list: bool,
    /// Print failures and the last line alone
    #[arg(short, long)]
    quiet: bool,
    /// Print the objects of violations, and what is expected of what passes
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// The configuration of chainsaw's suites [default: .chainsaw.yaml, where the folder has one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Values for chainsaw's suites, bound as $values; may be repeated, later files stand over earlier ones
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    values: Vec<PathBuf>,
    /// Print annotations for GitHub Actions too [default: when run there]
    #[arg(long)]
    github: bool,
}

/// What came of one simulation.
#[derive(Debug, Default)]
struct Verdict {
    /// Failing runs, by seed; only the first are kept whole.
    failed: Vec<Trial>,
    /// All seeds that failed.
    seeds: Vec<u64>,
    /// How many runs there were.
    runs: u64,
    /// A run that passed.
    passed: Option<Trial>,
    /// Why it could not be run.
    broken: Option<String>,
    /// What a failing seed needs.
    shrunk: Option<Shrunk>,
    /// What became of the timeline that is kept.
    kept: Kept,
    /// How much real time it took.
    took: Duration,
}

impl Verdict {
    fn is_good(&self) -> bool {
        self.failed.is_empty() && self.broken.is_none() && !self.kept.is_bad()
    }
}

/// So many failing runs of a simulation are kept whole.
const WHOLE: usize = 3;

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    if let Some([format, _]) = args.report.as_deref()
        && format != "html"
    {
        ui::err(&format!(
            "error: {format:?} is no format of reports\n  hint: `--report html FILE`; `--junit FILE` \
             writes JUnit's"
        ));
        return exit_code::USAGE;
    }
    if args.watch {
        return watch::run(args);
    }
    let settings = match chainsaw(args) {
        Ok(settings) => settings,
        Err(problems) => {
            ui::err(render::render(&problems, ui::diagnostic_style()).trim_end());
            return exit_code::BAD_INPUT;
        }
    };
    let (simulations, problems) = match find::find(&args.paths, &args.filter, &settings) {
        Ok(found) => found,
        Err(text) => {
            ui::err(&format!("error: {text}"));
            return exit_code::BAD_INPUT;
        }
    };
    tell_problems(args, &simulations, &problems);
    if args.list {
        for simulation in &simulations {
            ui::out(&format!("{}\n", print::listed(simulation)));
        }
        return if problems.is_empty() { exit_code::OK } else { exit_code::BAD_INPUT };
    }
    if simulations.is_empty() && problems.is_empty() {
        ui::err("error: no simulation fits the filters\n  hint: `--list` tells what there is");
        return exit_code::BAD_INPUT;
    }
    round(args, &simulations, &problems)
}

/// What chainsaw's suites are read with; what of it has no effect is told.
fn chainsaw(args: &Args) -> Result<suites::Settings, Vec<Diagnostic>> {
    let default = Path::new(suites::DEFAULT_FILE);
    let file = args.config.as_deref().or_else(|| default.is_file().then_some(default));
    let settings = suites::Settings::read(file, &args.values)?;
    for note in &settings.notes {
        let of = file.unwrap_or(default).display();
        ui::err(&format!("note: {of}: {note}"));
    }
    Ok(settings)
}

/// Runs simulations once, tells what came of them and writes the reports.
fn round(args: &Args, simulations: &[Arc<Simulation>], problems: &[Diagnostic]) -> u8 {
    let wall = Wall::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut verdicts: Vec<Verdict> = simulations.iter().map(|_| Verdict::default()).collect();
    let ran = all(args, simulations, &mut verdicts, &stop);
    if let Err(text) = ran {
        ui::err(&format!("error: {text}"));
        return exit_code::IO;
    }
    let interrupted = stop.load(Ordering::Relaxed) && !(args.fail_fast && any_bad(&verdicts));
    let bad = verdicts.iter().filter(|v| !v.is_good()).count();
    let last = print::last_line(simulations, &verdicts, problems.len(), interrupted);
    ui::out(&last);
    ui::err(&format!("real time {}", duration(wall.elapsed())));
    if let Err(code) = reports(args, simulations, &verdicts, last.trim()) {
        return code;
    }
    match () {
        () if interrupted => exit_code::INTERRUPTED,
        () if !problems.is_empty() => exit_code::BAD_INPUT,
        () if bad > 0 => exit_code::FAILED,
        () => exit_code::OK,
    }
}

/// Writes the reports that are asked for.
fn reports(
    args: &Args,
    simulations: &[Arc<Simulation>],
    verdicts: &[Verdict],
    head: &str,
) -> Result<(), u8> {
    let write = |file: &Path, text: String| {
        fs::write(file, text).map_err(|error| {
            ui::err(&format!("error: cannot write {}: {error}", file.display()));
            exit_code::IO
        })
    };
    if let Some(file) = &args.junit {
        write(file, junit::report(simulations, verdicts, &wall::date()))?;
    }
    if let Some([_, file]) = args.report.as_deref() {
        write(Path::new(file), html::page(simulations, verdicts, head))?;
    }
    Ok(())
}

fn any_bad(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|v| !v.is_good())
}

fn tell_problems(args: &Args, simulations: &[Arc<Simulation>], problems: &[Diagnostic]) {
    if !problems.is_empty() {
        ui::err(render::render(problems, ui::diagnostic_style()).trim_end());
        if args.github || on_github() {
            problems.iter().for_each(|p| ui::out(&print::annotation_of(p)));
        }
    }
    let warnings: Vec<Diagnostic> =
        simulations.iter().flat_map(|s| s.warnings.iter().cloned()).collect();
    if args.verbose && !warnings.is_empty() {
        ui::err(render::render(&warnings, ui::diagnostic_style()).trim_end());
    }
}

/// Whether the program runs in GitHub Actions.
fn on_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true")
}

/// Runs all simulations, telling of each as soon as all before it are told of.
fn all(
    args: &Args,
    simulations: &[Arc<Simulation>],
    verdicts: &mut [Verdict],
    stop: &Arc<AtomicBool>,
) -> Result<(), String> {
    let mut jobs = Vec::new();
    let mut open: BTreeMap<usize, u64> = BTreeMap::new();
    for (i, simulation) in simulations.iter().enumerate() {
        let seeds = match &simulation.skipped {
            Some(_) => 0..0,
            None => seeds_of(args, simulation),
        };
        open.insert(i, seeds.end - seeds.start);
        for seed in seeds {
            let mut settings = seeds::settings(simulation, seed, stop);
            settings.timeline = args.seeds.is_none();
            jobs.push(Job { number: i, simulation: Arc::clone(simulation), settings });
        }
    }
    let total = jobs.len();
    let mut told = 0;
    let progress = print::Progress::new(total);
    let tell = |told: &mut usize, verdicts: &mut [Verdict], open: &BTreeMap<usize, u64>| {
        while *told < simulations.len() && open.get(told) == Some(&0) {
            let (simulation, verdict) = (&simulations[*told], &mut verdicts[*told]);
            finish(args, simulation, verdict, stop);
            progress.aside(|| print::tell(args, simulation, verdict));
            if args.fail_fast && !verdict.is_good() {
                stop.store(true, Ordering::Relaxed);
            }
            *told += 1;
        }
    };
    tell(&mut told, verdicts, &open);
    let pool = pool::Pool { jobs: args.jobs, timeout: args.timeout, stop: Arc::clone(stop) };
    pool.run(jobs, &mut |number, settings: &Settings, outcome, took| {
        progress.advance();
        take(&mut verdicts[number], settings, outcome, took);
        let left = open.entry(number).or_default();
        *left = left.saturating_sub(1);
        tell(&mut told, verdicts, &open);
    })
}

fn seeds_of(args: &Args, simulation: &Simulation) -> std::ops::Range<u64> {
    let first = args.seed.unwrap_or(simulation.plan.options.seed);
    first..first.saturating_add(args.seeds.unwrap_or(1))
}

/// Takes in what came of one run.
fn take(verdict: &mut Verdict, settings: &Settings, outcome: Outcome, took: Duration) {
    verdict.took += took;
    match outcome {
        Outcome::Done(trial) if trial.passed() => {
            verdict.runs += 1;
            verdict.passed = Some(*trial);
        }
        Outcome::Done(trial) => {
            verdict.runs += 1;
            verdict.seeds.push(trial.seed);
            verdict.failed.push(*trial);
            verdict.failed.sort_by_key(|t| t.seed);
            verdict.failed.truncate(WHOLE);
        }
        Outcome::Broken(text) => {
            let seed = settings.seed.unwrap_or_default();
            verdict.broken.get_or_insert(format!("with seed {seed}: {text}"));
        }
        Outcome::Stopped => {}
    }
}

/// What is to be done once all runs of a simulation are done.
fn finish(args: &Args, simulation: &Simulation, verdict: &mut Verdict, stop: &Arc<AtomicBool>) {
    verdict.seeds.sort_unstable();
    if args.seeds.is_some() && !args.no_shrink && !stop.load(Ordering::Relaxed) {
        let first = verdict.failed.first();
        let shrunk = first.and_then(|f| seeds::shrink(simulation, f, stop).ok().flatten());
        verdict.shrunk = shrunk;
    }
    if args.report.is_some()
        && args.seeds.is_some()
        && let Some(failed) = verdict.failed.first_mut()
    {
        // Many runs keep no timelines; the report shows that of the first failure.
        let settings =
            Settings { timeline: true, ..seeds::settings(simulation, failed.seed, stop) };
        if let Ok(again) = trial::run(simulation, &settings) {
            *failed = again;
        }
    }
    let trial = verdict.passed.as_ref().or(verdict.failed.first());
    if let Some(trial) = trial.filter(|_| args.seeds.is_none() && args.seed.is_none()) {
        verdict.kept = golden::hold(simulation, trial, args.update);
    }
}

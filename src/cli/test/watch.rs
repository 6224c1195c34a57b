//! `wavetank test --watch`: what a changed file belongs to is run again, until somebody presses Ctrl-C.
//!
//! Files are looked at a few times a second: sizes and times of change, which every file system has. A change
//! counts once two looks agree, so that a file that is being written is read when it is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::runtime::{Builder, Runtime};

use super::super::interrupt::on_interrupt;
use super::find::{self, MAX_DEPTH, MAX_ENTRIES};
use super::{Args, chainsaw, round, tell_problems};
use crate::api::diagnostic::render;
use crate::cli::{exit_code, ui};
use crate::report::timeline::count;
use crate::scenario::simulation::Simulation;
use crate::scenario::suites;

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What is remembered of files: size and time of change.
type Print = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Runs the command until Ctrl-C.
pub(super) fn run(args: &Args) -> u8 {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = match Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui::err(&format!("error: cannot start threads: {error}"));
            return exit_code::IO;
        }
    };
    on_interrupt(&stop);
    let mut known: BTreeMap<(PathBuf, String), Print> = BTreeMap::new();
    loop {
        let mut sources = args.paths.clone();
        sources.extend(args.config.iter().chain(&args.values).cloned());
        // What is changed while runs are under way counts as changed after them.
        let mut all = print_of(&sources);
        let settings = chainsaw(args).unwrap_or_else(|problems| {
            ui::err(render::render(&problems, ui::diagnostic_style()).trim_end());
            suites::Settings::default()
        });
        match find::find(&args.paths, &args.filter, &settings) {
            Err(text) => ui::err(&format!("error: {text}")),
            Ok((simulations, problems)) => {
                sources.extend(simulations.iter().flat_map(|s| s.sources.iter().cloned()));
                all = print_of(&sources);
                let now: BTreeMap<_, _> = simulations.iter().map(|s| (name(s), of(s))).collect();
                let is_new = |s: &&Arc<Simulation>| known.get(&name(s)) != now.get(&name(s));
                let touched: Vec<_> = simulations.iter().filter(is_new).cloned().collect();
                tell_problems(args, &touched, &problems);
                if !touched.is_empty() || !problems.is_empty() {
                    round(args, &touched, &problems);
                }
                known = now;
            }
        }
        ui::err(&format!("watching {}; Ctrl-C ends", count(all.len(), "file")));
        if !runtime_waits(&runtime, &sources, &mut all, &stop) {
            return exit_code::INTERRUPTED;
        }
    }
}

fn name(simulation: &Simulation) -> (PathBuf, String) {
    (simulation.file.clone(), simulation.name.clone())
}

fn of(simulation: &Simulation) -> Print {
    print_of(&simulation.sources)
}

/// Waits until files change. Answers whether they did: else everything is to end.
fn runtime_waits(
    runtime: &Runtime,
    sources: &[PathBuf],
    all: &mut Print,
    stop: &Arc<AtomicBool>,
) -> bool {
    runtime.block_on(async {
        let mut look = tokio::time::interval(LOOK);
        let mut changed = false;
        loop {
            look.tick().await;
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            let now = print_of(sources);
            let same = now == *all;
            if same && changed {
                return true;
            }
            changed |= !same;
            *all = now;
        }
    })
}

/// What files, and manifests in folders, are like now.
fn print_of(paths: &[PathBuf]) -> Print {
    let mut print = Print::new();
    for path in paths {
        add(path, true, 0, &mut print);
    }
    print
}

fn add(path: &Path, named: bool, depth: usize, print: &mut Print) {
    let Ok(data) = fs::metadata(path) else { return };
    if !data.is_dir() {
        let is_manifest =
            path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if named || is_manifest {
            print.insert(path.to_owned(), (data.len(), data.modified().ok()));
        }
        return;
    }
    if depth > MAX_DEPTH {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().take(MAX_ENTRIES).flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && print.len() < MAX_ENTRIES {
            add(&entry.path(), false, depth + 1, print);
        }
    }
}

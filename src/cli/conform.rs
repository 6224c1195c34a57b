//! `wavetank conform`: holds wavetank against recordings of real clusters and computed data.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{exit_code, ui};
use crate::scenario::conform::corpus::{self, Corpus};
use crate::scenario::conform::{Recording, Verdict, judge_recordings, views};
use crate::scenario::recorded::{ScenarioDir, find_scenarios};
use crate::scenario::replay::{Replayed, replay};

/// Hold wavetank against recordings of a real cluster, and against data computed by the real code
///
/// PATHS are folders of recorded scenarios (a scenario.yaml with a trace.jsonl beside it), folders of
/// such folders, or corpus files (*.jsonl, *.jsonl.zst, printers-columns.json). Each scenario is run and judged, each corpus
/// case is computed and compared; a line is printed for each, and last how many agree.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario folders and corpus files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write the simulated traces to DIR/<scenario>/trace.jsonl and logs/
    #[arg(long, value_name = "DIR")]
    trace_dir: Option<PathBuf>,
    /// Print one JSON document instead of lines
    #[arg(long)]
    json: bool,
    /// Show every difference
    #[arg(long, short)]
    verbose: bool,
    /// Compare what kubectl printed at the end (describe-*.txt, final-get.txt), not the traces
    #[arg(long)]
    texts: bool,
    /// The seed of the simulated runs
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How many disagreements of a corpus file are shown.
const EXAMPLES: usize = 3;

#[derive(Default)]
struct Tally {
    agreed: usize,
    total: usize,
    rows: Vec<Value>,
    broken: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    let mut tally = Tally::default();
    let (files, folders): (Vec<&PathBuf>, Vec<&PathBuf>) =
        args.paths.iter().partition(|p| p.is_file());
    if !folders.is_empty() {
        match find_scenarios(folders) {
            Ok(found) if args.texts => found.iter().for_each(|s| texts(s, args, &mut tally)),
            Ok(found) => found.iter().for_each(|s| scenario(s, args, &mut tally)),
            Err(error) => {
                ui::err(&format!("error: {error}"));
                return exit_code::BAD_INPUT;
            }
        }
    }
    for file in files {
        match corpus::corpus_of(file) {
            Some(known) => corpus_file(known, file, args, &mut tally),
            None => {
                let known: Vec<&str> = corpus::CORPORA.iter().map(|c| c.name).collect();
                ui::err(&format!(
                    "error: {} is no corpus that can be checked\n  hint: a corpus is known by its base \
                     name; known are {}",
                    file.display(),
                    known.join(", ")
                ));
                tally.broken = true;
            }
        }
    }
    if args.json {
        let all = json!({"agree": tally.agreed, "of": tally.total, "results": tally.rows});
        ui::out(&format!("{all:#}\n"));
    } else {
        ui::out(&format!("{} of {} agree\n", tally.agreed, tally.total));
    }
    if tally.broken {
        exit_code::BAD_INPUT
    } else if tally.agreed < tally.total {
        exit_code::FAILED
    } else {
        exit_code::OK
    }
}

fn scenario(dir: &ScenarioDir, args: &Args, tally: &mut Tally) {
    tally.total += 1;
    match simulate(dir, args) {
        Ok(verdict) => {
            tally.agreed += usize::from(verdict.passed);
            if args.json {
                tally.rows.push(verdict.to_json());
                return;
            }
            let mark = if verdict.passed { "pass" } else { "FAIL" };
            let reason = if verdict.passed { String::new() } else { verdict.reason() };
            let line =
                format!("{mark} {:.3} {}  {reason}", verdict.score().as_number(), verdict.scenario);
            ui::out(&format!("{}\n", line.trim_end()));
            if args.verbose && !verdict.problems.is_empty() {
                ui::out(&format!("{}\n", verdict.report(usize::MAX)));
            }
        }
        Err(error) => {
            tally.broken = true;
            if args.json {
                tally.rows.push(json!({"scenario": dir.name, "passed": false, "error": error}));
            } else {
                ui::out(&format!("FAIL 0.000 {}  {error}\n", dir.name));
            }
        }
    }
}

fn texts(dir: &ScenarioDir, args: &Args, tally: &mut Tally) {
    let found = match views::compare(dir, args.seed) {
        Ok(found) => found,
        Err(error) => {
            tally.broken = true;
            ui::err(&format!("error: {}: {error}", dir.name));
            return;
        }
    };
    let equal = found.iter().filter(|v| v.differences.is_empty()).count();
    tally.agreed += equal;
    tally.total += found.len();
    if args.json {
        let shown = |v: &views::View| json!({"file": v.file, "differences": v.differences});
        let rows: Vec<Value> = found.iter().map(shown).collect();
        tally.rows.push(json!({"scenario": dir.name, "equal": equal, "texts": rows}));
        return;
    }
    let mark = if equal == found.len() { "pass" } else { "FAIL" };
    ui::out(&format!("{mark} {equal} of {} texts {}\n", found.len(), dir.name));
    for view in found.iter().filter(|v| !v.differences.is_empty()) {
        let shown = if args.verbose { usize::MAX } else { EXAMPLES };
        ui::out(&format!("  {}: {} differences\n", view.file, view.differences.len()));
        for line in view.differences.iter().take(shown) {
            ui::out(&format!("    {line}\n"));
        }
    }
}

fn simulate(dir: &ScenarioDir, args: &Args) -> Result<Verdict, String> {
    let simulated = replay(dir, args.seed).map_err(|e| e.to_string())?;
    if let Some(base) = &args.trace_dir {
        let folder = base.join(&dir.name);
        write(&folder, &simulated)
            .map_err(|e| format!("cannot write {}: {e}", folder.display()))?;
    }
    let text = |e: crate::scenario::conform::ConformError| e.to_string();
    let real = Recording::read(&dir.trace).map_err(text)?;
    let second = dir.second.as_deref().map(Recording::read).transpose().map_err(text)?;
    let logs = simulated.judged_logs();
    let ours = Recording::from_lines(&simulated.lines, Some(logs));
    judge_recordings(&real, second.as_ref(), &ours).map_err(text)
}

fn write(folder: &Path, run: &Replayed) -> io::Result<()> {
    let logs = folder.join("logs");
    fs::create_dir_all(&logs)?;
    fs::write(folder.join("trace.jsonl"), run.lines.join("\n") + "\n")?;
    for (name, text) in &run.logs {
        fs::write(logs.join(name), text)?;
    }
    Ok(())
}

fn corpus_file(known: &Corpus, file: &Path, args: &Args, tally: &mut Tally) {
    let examples = if args.verbose { usize::MAX } else { EXAMPLES };
    let agreement = match corpus::check_file(known, file, examples) {
        Ok(agreement) => agreement,
        Err(error) => {
            ui::err(&format!("error: {error}"));
            tally.broken = true;
            return;
        }
    };
    tally.agreed += agreement.agreed;
    tally.total += agreement.cases;
    let shown =
        |d: &corpus::Disagreement| json!({"line": d.line, "id": d.id, "difference": d.difference});
    if args.json {
        let examples: Vec<Value> = agreement.examples.iter().map(shown).collect();
        tally.rows.push(json!({"corpus": known.name, "file": file.display().to_string(),
            "agree": agreement.agreed, "of": agreement.cases, "examples": examples}));
        return;
    }
    let mark = if agreement.agreed == agreement.cases { "pass" } else { "FAIL" };
    let (agreed, cases) = (agreement.agreed, agreement.cases);
    ui::out(&format!("{mark} {agreed} of {cases} {}  {}\n", known.name, known.what));
    if !agreement.levels.is_empty() {
        let level = |(name, (agreed, cases)): (&String, &(usize, usize))| {
            format!("{name} {agreed} of {cases}")
        };
        let levels: Vec<String> = agreement.levels.iter().map(level).collect();
        ui::out(&format!("  by level: {}\n", levels.join(", ")));
    }
    for d in &agreement.examples {
        let id = d.id.as_deref().unwrap_or("?");
        ui::out(&format!("  line {} {id}: {}\n", d.line, d.difference));
    }
}

//! What `wavetank test` prints.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::golden::Kept;
use super::{Args, Verdict, on_github};
use crate::api::diagnostic::Diagnostic;
use crate::cli::ui;
use crate::cli::verdict::violation_text;
use crate::report::timeline::{count, duration};
use crate::scenario::monitor::Violation;
use crate::scenario::simulation::Simulation;
use crate::scenario::suites;
use crate::scenario::trial::Trial;

/// So many failing seeds are named.
const SEEDS: usize = 10;
/// So many lines of a changed timeline are shown.
const DIFF_LINES: usize = 80;
/// The width of the column of names.
const NAME: usize = 36;

/// A simulation in a line of `--list`.
pub(super) fn listed(simulation: &Simulation) -> String {
    let about = simulation.description.lines().next().unwrap_or_default();
    format!("{:<NAME$}  {}  {about}", simulation.name, simulation.file.display())
        .trim_end()
        .to_owned()
}

/// The command that makes a failed run again.
fn again(args: &Args, simulation: &Simulation, seed: u64) -> String {
    let seeded = args.seeds.is_some() || args.seed.is_some();
    let file = simulation.file.display();
    let seed_flag = if seeded { format!("--seed {seed} ") } else { String::new() };
    if suites::is_suite(&simulation.file) {
        let config = args.config.iter().map(|file| format!("--config {} ", file.display()));
        let values = args.values.iter().map(|file| format!("--values {} ", file.display()));
        let given: String = config.chain(values).collect();
        return format!("test {seed_flag}{given}{file}");
    }
    let shuffled = match args.seeds {
        Some(_) if simulation.plan.options.seed != seed => format!("--shuffle-ties {seed} "),
        _ => String::new(),
    };
    format!("run {seed_flag}{shuffled}{file}")
}

/// Tells what came of a simulation.
pub(super) fn tell(args: &Args, simulation: &Simulation, verdict: &Verdict) {
    if let Some(why) = &simulation.skipped {
        if !args.quiet {
            ui::out(&format!("skip  {:<NAME$}  {why}\n", simulation.name));
        }
        return;
    }
    if verdict.runs == 0 && verdict.broken.is_none() {
        return;
    }
    let good = verdict.is_good();
    if good && args.quiet {
        return;
    }
    let mut text = head(simulation, verdict, good);
    if let Some(why) = &verdict.broken {
        let _ = writeln!(text, "  error: {why}");
    }
    let start = simulation.plan.options.start.0;
    if let Some(trial) = verdict.failed.first() {
        for violation in &trial.violations {
            let told = violation_text(&simulation.expectations, violation, start, args.verbose);
            text.push_str(&indented(&told));
        }
        text.push_str(&needed(verdict));
        let _ = writeln!(text, "  again: wavetank {}", again(args, simulation, trial.seed));
    }
    kept(&verdict.kept, &mut text);
    if args.verbose && good {
        for expectation in simulation.expectations.iter().filter(|e| e.place.is_some()) {
            let name = expectation.name.as_str();
            let _ = match name {
                "" => writeln!(text, "  ✓ {expectation}"),
                name => writeln!(text, "  ✓ {name}"),
            };
        }
    }
    if args.github || on_github() {
        annotations(simulation, verdict, &mut text);
    }
    ui::out(&text);
}

fn head(simulation: &Simulation, verdict: &Verdict, good: bool) -> String {
    let mark = if good { "pass" } else { "FAIL" };
    let trial = verdict.failed.first().or(verdict.passed.as_ref());
    let written = simulation.expectations.iter().filter(|e| e.place.is_some()).count();
    // Suites of other tools have steps that assert, and no expectations beside them.
    let mut told = vec![match written {
        0 => count(simulation.plan.steps.len(), "step"),
        n => count(n, "expectation"),
    }];
    told.extend(trial.map(|t: &Trial| format!("{} of virtual time", duration(t.length))));
    if verdict.runs > 1 {
        let runs = thousands(verdict.runs);
        told.push(match verdict.seeds.len() {
            0 => format!("holds with {runs} seeds"),
            n => format!("fails in {} of {runs}: {}", thousands(n as u64), seeds(&verdict.seeds)),
        });
    }
    if verdict.kept == Kept::Written {
        told.push("timeline written".to_owned());
    }
    format!("{mark}  {:<NAME$}  {}\n", simulation.name, told.join(", "))
}

/// `seeds 17, 402, 977`.
pub(super) fn seeds(all: &[u64]) -> String {
    let named: Vec<String> = all.iter().take(SEEDS).map(u64::to_string).collect();
    let more = if all.len() > SEEDS { " …" } else { "" };
    let word = if all.len() == 1 { "seed" } else { "seeds" };
    format!("{word} {}{more}", named.join(", "))
}

/// `1,000`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The steps that a failure needs.
fn needed(verdict: &Verdict) -> String {
    let Some(shrunk) = &verdict.shrunk else { return String::new() };
    let (left, of) = (shrunk.steps.len(), shrunk.of);
    let mut text = format!("  seed {} fails with {left} of its {of} steps:\n", shrunk.seed);
    for step in &shrunk.steps {
        let _ = writeln!(text, "    {step}");
    }
    text
}

fn kept(kept: &Kept, text: &mut String) {
    match kept {
        Kept::Differs { file, diff } => {
            let _ = writeln!(text, "  its timeline is not as it was ({}):", file.display());
            let lines: Vec<&str> = diff.lines().collect();
            for line in lines.iter().take(DIFF_LINES) {
                let _ = writeln!(text, "    {line}");
            }
            if lines.len() > DIFF_LINES {
                let _ = writeln!(text, "    … {} more lines", lines.len() - DIFF_LINES);
            }
            let _ = writeln!(text, "  hint: `--update` keeps the new one");
        }
        Kept::Broken(why) => {
            let _ = writeln!(text, "  error: {why}");
        }
        Kept::None | Kept::Same | Kept::Written => {}
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// The last line.
pub(super) fn last_line(
    simulations: &[Arc<Simulation>],
    verdicts: &[Verdict],
    unread: usize,
    interrupted: bool,
) -> String {
    let all = simulations.len();
    let bad = verdicts.iter().filter(|v| !v.is_good()).count();
    let done = verdicts.iter().filter(|v| v.runs > 0 || v.broken.is_some()).count();
    let skipped = simulations.iter().filter(|s| s.skipped.is_some()).count();
    let mut parts = vec![format!("{} passed", done - bad)];
    if bad > 0 {
        parts.push(format!("{bad} failed"));
    }
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    if done + skipped < all {
        parts.push(format!("{} not run", all - done - skipped));
    }
    if unread > 0 {
        parts.push(format!("{} in files that cannot be read", count(unread, "problem")));
    }
    let head = if interrupted { "interrupted: " } else { "" };
    format!("{head}{} of {}\n", parts.join(", "), count(all, "simulation"))
}

/// Annotations of a simulation for GitHub Actions.
fn annotations(simulation: &Simulation, verdict: &Verdict, text: &mut String) {
    let mut annotate = |violation: &Violation| {
        let expectation = simulation.expectations.get(violation.expectation);
        let place = expectation.and_then(|e| e.place.as_ref());
        let at = place.map_or_else(String::new, |p| {
            let place = p.place();
            format!("file={},line={},col={},", p.source.name(), place.line, place.column)
        });
        let start = simulation.plan.options.start.0;
        let told = violation_text(&simulation.expectations, violation, start, false);
        let _ = writeln!(text, "::error {at}title={}::{}", property(&simulation.name), data(&told));
    };
    if let Some(trial) = verdict.failed.first() {
        trial.violations.iter().for_each(&mut annotate);
    }
    let file = simulation.file.display();
    match &verdict.kept {
        Kept::Differs { diff, .. } => {
            let _ = writeln!(text, "::error file={file},title=timeline changed::{}", data(diff));
        }
        Kept::Broken(why) => {
            let _ = writeln!(text, "::error file={file}::{}", data(why));
        }
        Kept::None | Kept::Same | Kept::Written => {}
    }
    if let Some(why) = &verdict.broken {
        let _ = writeln!(text, "::error file={file}::{}", data(why));
    }
}

/// The annotation of a problem with a file.
pub(super) fn annotation_of(problem: &Diagnostic) -> String {
    let at = problem.location.as_ref().map_or_else(String::new, |l| {
        let place = l.place();
        format!(" file={},line={},col={}", l.source.name(), place.line, place.column)
    });
    let level = problem.severity.as_str().replace("note", "notice");
    format!("::{level}{at}::{}\n", data(&problem.message))
}

/// A text as workflow commands have it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as properties of workflow commands have it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The bar on a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many runs.
    pub(super) fn new(total: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// One more is done.
    pub(super) fn advance(&self) {
        self.0.inc(1);
    }

    /// Prints something with the bar out of the way.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_seeds_are_told_in_short() {
        assert_eq!([1, 999, 1_000, 1_234_567].map(thousands), ["1", "999", "1,000", "1,234,567"]);
        assert_eq!(seeds(&[7]), "seed 7");
        assert_eq!(seeds(&[17, 402, 977]), "seeds 17, 402, 977");
        assert!(seeds(&(1..20).collect::<Vec<_>>()).ends_with("10 …"));
    }

    #[test]
    fn annotations_are_one_line_each() {
        assert_eq!(data("50%\nof it"), "50%25%0Aof it");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }
}

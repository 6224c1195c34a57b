//! The report of a test run as one self-contained page: which simulations hold, and of those that do not the
//! moment, what was expected and found, what led there, the objects then, and the timeline, with links from
//! one to the other.
//!
//! The page has no script and asks nothing of any network: what folds is a `details` element, what leads
//! somewhere is a link.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Verdict;
use super::golden::Kept;
use super::print::seeds;
use crate::api::yaml;
use crate::base::time::SimTime;
use crate::report::markup::escaped;
use crate::report::timeline::{clock, count, duration};
use crate::scenario::monitor::Violation;
use crate::scenario::simulation::Simulation;
use crate::scenario::trial::Trial;

/// No more lines of a timeline are on the page.
const LINES: usize = 5_000;

/// The report as HTML.
pub(super) fn page(simulations: &[Arc<Simulation>], verdicts: &[Verdict], head: &str) -> String {
    let mut body = String::new();
    let all: Vec<(usize, &Simulation, &Verdict)> =
        simulations.iter().zip(verdicts).enumerate().map(|(i, (s, v))| (i, &**s, v)).collect();
    contents(&mut body, &all);
    for (i, simulation, verdict) in &all {
        section(&mut body, *i, simulation, verdict);
    }
    include_str!("page.html")
        .replace("/*STYLE*/", include_str!("page.css"))
        .replace("HEAD", &escaped(head))
        .replace("BODY", &body)
}

/// The word and the class of a verdict.
fn mark(simulation: &Simulation, verdict: &Verdict) -> (&'static str, &'static str) {
    match () {
        () if simulation.skipped.is_some() => ("skipped", "none"),
        () if !verdict.is_good() => ("failed", "bad"),
        () if verdict.runs == 0 => ("not run", "none"),
        () => ("passed", "good"),
    }
}

fn contents(text: &mut String, all: &[(usize, &Simulation, &Verdict)]) {
    text.push_str(
        "<table><thead><tr><th>verdict</th><th>simulation</th><th>expectations</th>\
                   <th>virtual time</th><th></th></tr></thead><tbody>\n",
    );
    for (i, simulation, verdict) in all {
        let (word, class) = mark(simulation, verdict);
        let trial = verdict.failed.first().or(verdict.passed.as_ref());
        let length = trial.map_or_else(String::new, |t| duration(t.length));
        let _ = writeln!(
            text,
            "<tr class=\"{class}\"><td>{word}</td><td><a href=\"#s{i}\">{}</a></td><td>{}</td>\
             <td>{length}</td><td>{}</td></tr>",
            escaped(&simulation.name),
            simulation.expectations.iter().filter(|e| e.place.is_some()).count(),
            escaped(&simulation.skipped.clone().unwrap_or_else(|| in_short(verdict))),
        );
    }
    text.push_str("</tbody></table>\n");
}

/// What there is to say of a verdict in a line.
fn in_short(verdict: &Verdict) -> String {
    let mut told = Vec::new();
    if verdict.runs > 1 {
        told.push(match verdict.seeds.len() {
            0 => format!("holds with {} seeds", verdict.runs),
            n => format!("fails in {n} of {}: {}", verdict.runs, seeds(&verdict.seeds)),
        });
    } else if let Some(trial) = verdict.failed.first() {
        told.push(format!("{} violated", trial.violations.len()));
    }
    told.extend(verdict.broken.clone());
    if verdict.kept.is_bad() {
        told.push("its timeline is not as it was".to_owned());
    }
    told.join(", ")
}

fn section(text: &mut String, i: usize, simulation: &Simulation, verdict: &Verdict) {
    let (word, class) = mark(simulation, verdict);
    let _ = writeln!(
        text,
        "<section id=\"s{i}\" class=\"{class}\" aria-labelledby=\"t{i}\">\n<h2 id=\"t{i}\">{} \
         <small>{word}</small></h2>\n<p class=\"soft\">{}</p>",
        escaped(&simulation.name),
        escaped(&simulation.file.display().to_string()),
    );
    if !simulation.description.is_empty() {
        let _ = writeln!(text, "<p>{}</p>", escaped(&simulation.description));
    }
    if let Some(why) = &verdict.broken {
        let _ = writeln!(text, "<p class=\"why\">{}</p>", escaped(why));
    }
    let trial = verdict.failed.first().or(verdict.passed.as_ref());
    if let Some(trial) = trial {
        track(text, i, simulation, trial);
        for (n, violation) in trial.violations.iter().enumerate() {
            article(text, (i, n), simulation, trial, violation);
        }
    }
    needed(text, verdict);
    held(text, simulation, verdict);
    if let Kept::Differs { diff, .. } = &verdict.kept {
        let _ = writeln!(
            text,
            "<details open><summary>its timeline is not as it was</summary><pre tabindex=\"0\" \
             role=\"region\" aria-label=\"what differs\">{}</pre></details>",
            escaped(diff)
        );
    }
    if let Some(trial) = trial.filter(|t| !t.timeline.is_empty()) {
        timeline(text, (i, &simulation.name), trial, !verdict.is_good());
    }
    text.push_str("</section>\n");
}

/// The run as a line, with a mark at the moment of each violation.
fn track(text: &mut String, i: usize, simulation: &Simulation, trial: &Trial) {
    let start = simulation.plan.options.start.0;
    let length = trial.length.as_millis().max(1);
    let _ = write!(text, "<div class=\"track\"><span>0s</span><div>");
    for (n, violation) in trial.violations.iter().enumerate() {
        let at = violation.at.since(start.min(violation.at)).as_millis();
        let permille = (at * 1000 / length).min(1000);
        let told = escaped(&format!("violated at {}", clock(violation.at, start)));
        let _ = write!(
            text,
            "<a href=\"#s{i}v{n}\" style=\"left:{}.{}%\" title=\"{told}\" aria-label=\"{told}\"></a>",
            permille / 10,
            permille % 10
        );
    }
    let _ = writeln!(text, "</div><span>{}</span></div>", duration(trial.length));
}

fn article(
    text: &mut String,
    (i, n): (usize, usize),
    simulation: &Simulation,
    trial: &Trial,
    violation: &Violation,
) {
    let start = simulation.plan.options.start.0;
    let expectation = simulation.expectations.get(violation.expectation);
    let name = expectation.map(|e| e.name.as_str()).filter(|n| !n.is_empty());
    let place = expectation.and_then(|e| e.place.as_ref()).map(ToString::to_string);
    let at = clock(violation.at, start);
    let moment = match line_at(trial, violation.at) {
        Some(line) => format!("<a href=\"#s{i}l{line}\">{at}</a>"),
        None => at,
    };
    let _ = writeln!(
        text,
        "<article id=\"s{i}v{n}\">\n<h3>violated at {moment}: {}</h3>\n<p class=\"soft\">{}</p>\n<dl>\
         <dt>expected</dt><dd>{}</dd><dt>found</dt><dd>{}</dd>",
        escaped(name.unwrap_or(&violation.expected)),
        escaped(&place.unwrap_or_default()),
        escaped(&violation.expected),
        escaped(&violation.found),
    );
    if !violation.why.is_empty() {
        text.push_str("<dt>because</dt><dd><ul>");
        for line in &violation.why {
            let _ = write!(text, "<li>{}</li>", escaped(line));
        }
        text.push_str("</ul></dd>");
    }
    if !violation.chain.is_empty() {
        text.push_str("<dt>after</dt><dd><ol>");
        for fact in &violation.chain {
            let (at, what) = fact.split_once("  ").unwrap_or(("", fact));
            let told = escaped(at);
            let at = match line_of(trial, at) {
                Some(line) => format!("<a href=\"#s{i}l{line}\">{told}</a>"),
                None => told,
            };
            let _ = write!(text, "<li>{at} {}</li>", escaped(what));
        }
        text.push_str("</ol></dd>");
    }
    text.push_str("</dl>\n");
    for object in &violation.objects {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let yaml = yaml::write::to_string(object).unwrap_or_default();
        let _ = writeln!(
            text,
            "<details><summary>{0} as it was then</summary><pre tabindex=\"0\" role=\"region\" \
             aria-label=\"{0}\">{1}</pre></details>",
            escaped(&format!("{kind}/{name}")),
            escaped(&yaml)
        );
    }
    text.push_str("</article>\n");
}

/// The last line of the timeline that is not after that time.
fn line_at(trial: &Trial, at: SimTime) -> Option<usize> {
    trial.moments.partition_point(|m| *m <= at).checked_sub(1).filter(|n| *n < LINES)
}

/// The first line of the timeline with that time.
fn line_of(trial: &Trial, at: &str) -> Option<usize> {
    let mut lines = trial.timeline.lines().take(LINES);
    lines.position(|l| !at.is_empty() && l.split_whitespace().next() == Some(at))
}

/// The steps that a failure needs.
fn needed(text: &mut String, verdict: &Verdict) {
    let Some(shrunk) = &verdict.shrunk else { return };
    let _ = write!(
        text,
        "<p>seed {} fails with {} of its {} steps:</p><ol class=\"steps\">",
        shrunk.seed,
        shrunk.steps.len(),
        shrunk.of
    );
    for step in &shrunk.steps {
        let _ = write!(text, "<li>{}</li>", escaped(step));
    }
    text.push_str("</ol>\n");
}

/// What is expected and holds.
fn held(text: &mut String, simulation: &Simulation, verdict: &Verdict) {
    if verdict.runs == 0 {
        return;
    }
    let is_violated =
        |i: usize| verdict.failed.iter().any(|t| t.violations.iter().any(|v| v.expectation == i));
    let each = simulation.expectations.iter().enumerate();
    let written = each.filter(|(i, e)| e.place.is_some() && !is_violated(*i));
    let mut lines = String::new();
    let mut n = 0;
    for (_, expectation) in written {
        let words = match expectation.name.as_str() {
            "" => expectation.to_string(),
            name => name.to_owned(),
        };
        n += 1;
        let _ = write!(lines, "<li>{}</li>", escaped(&words));
    }
    if n > 0 {
        let told = count(n, "expectation");
        let _ = writeln!(
            text,
            "<details><summary>{told} that {}</summary><ul>{lines}</ul></details>",
            if n == 1 { "holds" } else { "hold" }
        );
    }
}

fn timeline(text: &mut String, (i, name): (usize, &str), trial: &Trial, open: bool) {
    let total = trial.timeline.lines().count();
    let open = if open { " open" } else { "" };
    let _ = writeln!(
        text,
        "<details{open}><summary>timeline, {}</summary>\n<div class=\"lines\" \
         tabindex=\"0\" role=\"region\" aria-label=\"timeline of {}\">",
        count(total, "line"),
        escaped(name)
    );
    let violated = |n: usize| {
        let here = trial.violations.iter().any(|v| line_at(trial, v.at) == Some(n));
        if here { " class=\"here\"" } else { "" }
    };
    for (n, line) in trial.timeline.lines().take(LINES).enumerate() {
        let _ = writeln!(text, "<div id=\"s{i}l{n}\"{}>{}</div>", violated(n), escaped(line));
    }
    if total > LINES {
        let _ = writeln!(text, "<div>… {} more lines</div>", total - LINES);
    }
    text.push_str("</div></details>\n");
}

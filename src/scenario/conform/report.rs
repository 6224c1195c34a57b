//! A verdict as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::text::short;
use super::verdict::{Problem, ProblemKind, Score, Verdict};

impl Score {
    /// As a number between 0 and 1, for showing only.
    pub fn as_number(self) -> f64 {
        if self.of == 0 {
            return 0.0;
        }
        let number = |n: usize| u32::try_from(n).map_or(f64::from(u32::MAX), f64::from);
        number(self.matched) / number(self.of)
    }
}

impl ProblemKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Late => "late",
            Self::Extra => "extra",
        }
    }
}

impl Verdict {
    /// The verdict in words, with at most `limit` of the wrong terminal facts and as many of the
    /// other differences.
    pub fn report(&self, limit: usize) -> String {
        let mut out = self.summary();
        let mut line = |text: String| {
            out.push('\n');
            out.push_str(&text);
        };
        if !self.note.is_empty() {
            line(format!("  note: {}", self.note));
        }
        for broken in self.broken.iter().take(3) {
            line(format!("  broken line: {broken}"));
        }
        let (terminal, rest): (Vec<&Problem>, Vec<&Problem>) =
            self.problems.iter().partition(|p| p.terminal);
        if !terminal.is_empty() {
            line("  wrong terminal facts:".to_owned());
            terminal.iter().take(limit).for_each(|p| line(format!("    {}", p.text())));
        }
        if !rest.is_empty() {
            line("  in order of time:".to_owned());
            rest.iter().take(limit).for_each(|p| line(format!("    {}", p.text())));
        }
        if rest.len() > limit {
            line(format!("    ... and {} more (--verbose shows all)", rest.len() - limit));
        }
        out
    }

    /// The verdict in one line.
    pub fn summary(&self) -> String {
        let mut out = format!(
            "{} {}: score {:.4} ({} matched, {} missing, {} extra, {} late",
            if self.passed { "PASS" } else { "FAIL" },
            self.scenario,
            self.score().as_number(),
            self.matched,
            self.missing,
            self.extra,
            self.late
        );
        if self.not_judged > 0 {
            write!(out, ", {} not judged", self.not_judged).expect("a string takes everything");
        }
        out.push(')');
        out
    }

    /// Why it did not pass, in one line of at most 260 characters; empty when nothing is wrong.
    pub fn reason(&self) -> String {
        if let Some(broken) = self.broken.first() {
            return format!("broken line in the simulated trace: {broken}");
        }
        let terminal = self.problems.iter().find(|p| p.terminal);
        let gross = || self.problems.iter().find(|p| p.gross);
        let first = terminal.or_else(gross).or_else(|| self.problems.first());
        first.map_or_else(String::new, |p| short(&p.line(&short(&p.what, 150)), 260))
    }

    /// The verdict for programs, under the names that the conformance data use.
    pub fn to_json(&self) -> Value {
        let rounded: f64 =
            format!("{:.4}", self.score().as_number()).parse().expect("a number as just written");
        json!({
            "scenario": self.scenario,
            "passed": self.passed,
            "score": rounded,
            "matched": self.matched,
            "missing": self.missing,
            "extra": self.extra,
            "late": self.late,
            "note": self.note,
            "notJudged": self.not_judged,
            "broken": self.broken,
            "problems": self.problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Problem {
    /// The difference in one line.
    pub fn text(&self) -> String {
        self.line(&self.what)
    }

    fn line(&self, what: &str) -> String {
        let time = |t: Option<f64>| t.map_or_else(|| "-".to_owned(), |t| format!("{t:.1}s"));
        let (real, simulated) = (time(self.real), time(self.simulated));
        let details = match (self.kind, self.real.or(self.simulated)) {
            (ProblemKind::Late, _) if self.real.is_none() => {
                let instead = self.instead.as_ref().map(|other| format!(": {other}"));
                format!(" [{}{}]", self.note, instead.unwrap_or_default())
            }
            (ProblemKind::Late, _) => {
                format!(" [real {real}, simulated {simulated}: {}]", self.note)
            }
            (_, Some(_)) => format!(" [real {real}, simulated {simulated}]"),
            (_, None) => String::new(),
        };
        format!("{:7} {}: {what}{details}", self.kind.name(), self.object)
    }

    fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.name(),
            "object": self.object,
            "what": self.what,
            "real": self.real,
            "simulated": self.simulated,
            "note": self.note,
            "terminal": self.terminal,
            "gross": self.gross,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> Verdict {
        let problem = |kind, what: &str, real, terminal| Problem {
            kind,
            object: "Pod web-0".to_owned(),
            what: what.to_owned(),
            instead: None,
            real,
            simulated: None,
            note: String::new(),
            terminal,
            gross: false,
        };
        Verdict {
            scenario: "s".to_owned(),
            passed: false,
            matched: 2,
            missing: 2,
            extra: 0,
            late: 0,
            not_judged: 1,
            note: String::new(),
            broken: Vec::new(),
            problems: vec![
                problem(ProblemKind::Missing, "Ready True", Some(3.04), false),
                problem(ProblemKind::Missing, "exists at the end", None, true),
            ],
        }
    }

    #[test]
    fn a_report_tells_the_terminal_facts_first() {
        let expect = "\
FAIL s: score 0.5000 (2 matched, 2 missing, 0 extra, 0 late, 1 not judged)
  wrong terminal facts:
    missing Pod web-0: exists at the end
  in order of time:
    missing Pod web-0: Ready True [real 3.0s, simulated -]";
        assert_eq!(verdict().report(12), expect);
        assert_eq!(verdict().reason(), "missing Pod web-0: exists at the end");
    }

    #[test]
    fn the_json_names_are_those_of_the_conformance_data() {
        let json = verdict().to_json();
        assert_eq!(json["notJudged"], 1);
        assert_eq!(json["problems"][0]["kind"], "missing");
        assert!(json["score"].as_f64().is_some_and(|s| (s - 0.5).abs() < 1e-9));
    }
}

//! Violations for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::api::yaml;
use crate::base::time::SimTime;
use crate::report::timeline::{clock, count};
use crate::scenario::monitor::{Expectation, Violation};
use crate::scenario::verify::Tried;

/// So many lines of an object are shown.
const OBJECT_LINES: usize = 60;

/// What came of a run's expectations, in words; nothing where there were none.
pub(super) fn told(
    expectations: &[Expectation],
    violations: &[Violation],
    start: SimTime,
) -> String {
    if expectations.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for violation in violations {
        text.push('\n');
        text.push_str(&violation_text(expectations, violation, start, false));
    }
    let kept = expectations.len() - violations.len().min(expectations.len());
    let all = count(expectations.len(), "expectation");
    let verdict = if violations.is_empty() { "all hold" } else { "violated" };
    // Writing to a string cannot fail.
    let _ = match violations.len() {
        0 => writeln!(text, "\n{all}: {verdict}"),
        n => writeln!(text, "\n{all}: {n} {verdict}, {kept} hold"),
    };
    text
}

/// A violation: what was expected, what was so, why, and what led there.
pub(super) fn violation_text(
    expectations: &[Expectation],
    violation: &Violation,
    start: SimTime,
    objects: bool,
) -> String {
    let expectation = expectations.get(violation.expectation);
    let place = expectation.and_then(|e| e.place.as_ref()).map(|p| format!(" ({p})"));
    let name = expectation.map(|e| e.name.as_str()).filter(|n| !n.is_empty());
    let at = clock(violation.at, start);
    let mut text = String::new();
    let head = name.unwrap_or(&violation.expected);
    let _ = writeln!(text, "violated at {at}: {head}{}", place.unwrap_or_default());
    if name.is_some() {
        let _ = writeln!(text, "  expected  {}", violation.expected);
    }
    let _ = writeln!(text, "  found     {}", violation.found);
    for (i, line) in violation.why.iter().enumerate() {
        let title = if i == 0 { "because" } else { "" };
        let _ = writeln!(text, "  {title:<9} {line}");
    }
    for (i, line) in violation.chain.iter().enumerate() {
        let title = if i == 0 { "after" } else { "" };
        let _ = writeln!(text, "  {title:<9} {line}");
    }
    if objects {
        for object in &violation.objects {
            let yaml = yaml::write::to_string(object).unwrap_or_default();
            let _ = writeln!(text, "  then");
            for line in yaml.lines().take(OBJECT_LINES) {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// What came of trials, in words; nothing where there were none.
pub(super) fn tried(all: &[Tried]) -> String {
    let mut text = String::new();
    for tried in all {
        let mark = if tried.recovers { "✓" } else { "✗" };
        let gap = if text.is_empty() { "\n" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{gap}{mark} {}: {}", tried.what, tried.verdict);
        for line in &tried.because {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// What came of trials, as JSON.
pub(super) fn tried_json(all: &[Tried]) -> Value {
    let each = all.iter().map(|t| {
        json!({"what": t.what, "recovers": t.recovers, "verdict": t.verdict, "because": t.because})
    });
    each.collect()
}

/// A violation as JSON.
pub(super) fn violation_json(violation: &Violation, start: SimTime) -> Value {
    json!({
        "at": violation.at.to_rfc3339(),
        "since": clock(violation.at, start),
        "expected": violation.expected,
        "found": violation.found,
        "because": violation.why,
        "after": violation.chain,
        "objects": violation.objects,
    })
}

//! The JUnit report: a suite for each simulation, a case for each expectation.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Verdict;
use super::golden::Kept;
use crate::cli::verdict::violation_text;
use crate::scenario::simulation::Simulation;
use crate::scenario::trial::Trial;

/// The report as XML.
pub(super) fn report(simulations: &[std::sync::Arc<Simulation>], verdicts: &[Verdict]) -> String {
    let mut report = Report::new("wavetank");
    for (simulation, verdict) in simulations.iter().zip(verdicts) {
        report.add_test_suite(suite(simulation, verdict));
    }
    // Writing into memory fails for texts alone that XML cannot hold; they are replaced before.
    report.to_string().unwrap_or_default()
}

fn suite(simulation: &Simulation, verdict: &Verdict) -> TestSuite {
    let mut suite = TestSuite::new(clean(&simulation.name));
    suite.set_time(verdict.took);
    let start = simulation.plan.options.start.0;
    let failed = verdict.failed.first();
    for (i, expectation) in simulation.expectations.iter().enumerate() {
        let name = match expectation.name.as_str() {
            "" => expectation.to_string(),
            name => name.to_owned(),
        };
        let of_this = |t: &&Trial| t.violations.iter().any(|v| v.expectation == i);
        let violation = verdict.failed.iter().find(of_this);
        let violation =
            violation.and_then(|t| Some((t, t.violations.iter().find(|v| v.expectation == i)?)));
        let status = match violation {
            None if failed.is_none() && verdict.passed.is_none() => TestCaseStatus::skipped(),
            None => TestCaseStatus::success(),
            Some((trial, violation)) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(clean(&format!("{}: {}", violation.expected, violation.found)));
                status.set_type("violation");
                let text = violation_text(&simulation.expectations, violation, start, true);
                status.set_description(clean(&format!("seed {}\n{text}", trial.seed)));
                status
            }
        };
        suite.add_test_case(case(simulation, &name, status));
    }
    let mut extra = |name: &str, kind: NonSuccessKind, text: &str| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(clean(text.lines().next().unwrap_or_default()));
        status.set_description(clean(text));
        suite.add_test_case(case(simulation, name, status));
    };
    if let Some(why) = &verdict.broken {
        extra("it can be run", NonSuccessKind::Error, why);
    }
    match &verdict.kept {
        Kept::Differs { diff, .. } => {
            extra("its timeline is as it was", NonSuccessKind::Failure, diff);
        }
        Kept::Broken(why) => extra("its timeline is as it was", NonSuccessKind::Error, why),
        Kept::None | Kept::Same | Kept::Written => {}
    }
    suite
}

fn case(simulation: &Simulation, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(&simulation.name));
    case
}

/// A text that XML can hold.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect()
}

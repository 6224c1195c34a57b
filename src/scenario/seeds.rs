//! Many runs of one simulation: with which seeds it fails, and what the failure needs.
//!
//! Another seed is another run in all that is drawn: names, back-off jitter, behaviours with chances, and
//! the legal order of what happens at one instant. What fails is made smaller by leaving steps out, one
//! after the other, as long as the same expectation is violated in the same way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::runner::{Plan, StepAction, TimedStep};
use super::simulation::Simulation;
use super::trial::{Settings, Trial, run_plan};
use crate::store::ApiError;

/// No more runs than this are spent on making a failure smaller.
const MOST_RUNS: usize = 200;

/// The settings of the run with that seed. The file's own seed keeps the usual order of what happens at one
/// instant.
pub fn settings(simulation: &Simulation, seed: u64, stop: &Arc<AtomicBool>) -> Settings {
    let own = simulation.plan.options.seed == seed;
    Settings {
        seed: Some(seed),
        shuffle_ties: (!own).then_some(seed),
        stop: Some(Arc::clone(stop)),
        timeline: false,
    }
}

/// A failure made smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// The seed.
    pub seed: u64,
    /// The steps that it needs, as a user reads them.
    pub steps: Vec<String>,
    /// How many steps there are in the file.
    pub of: usize,
    /// What came of the run with these steps alone.
    pub trial: Trial,
}

/// Leaves out what a failure does not need.
///
/// # Errors
/// As [`super::trial::run`].
pub fn shrink(
    simulation: &Simulation,
    failed: &Trial,
    stop: &Arc<AtomicBool>,
) -> Result<Option<Shrunk>, Box<ApiError>> {
    let Some(first) = failed.violations.first() else { return Ok(None) };
    let wanted = (first.expectation, first.found.clone());
    let before: BTreeSet<usize> = failed.violations.iter().map(|v| v.expectation).collect();
    let same = |t: &Trial| {
        t.violations.iter().any(|v| (v.expectation, &v.found) == (wanted.0, &wanted.1))
            && t.violations.iter().all(|v| before.contains(&v.expectation))
    };
    let settings = settings(simulation, failed.seed, stop);
    let mut plan: Plan = simulation.plan.clone();
    let (mut best, mut runs) = (failed.clone(), 0);
    loop {
        let before = left(&plan).count();
        for i in (0..plan.steps.len()).rev() {
            // Without what is applied at the start there is nothing that could hold.
            let initial = i == 0 && matches!(plan.steps[i].action, StepAction::Apply { .. });
            if initial || plan.steps[i].skipped || runs >= MOST_RUNS || stop.load(Ordering::Relaxed)
            {
                continue;
            }
            plan.steps[i].skipped = true;
            runs += 1;
            let trial = run_plan(simulation, plan.clone(), &settings)?;
            if same(&trial) {
                best = trial;
            } else {
                plan.steps[i].skipped = false;
            }
        }
        if left(&plan).count() == before || runs >= MOST_RUNS {
            break;
        }
    }
    let steps = left(&plan).map(told).collect();
    Ok(Some(Shrunk { seed: failed.seed, steps, of: plan.steps.len(), trial: best }))
}

fn left(plan: &Plan) -> impl Iterator<Item = &TimedStep> {
    plan.steps.iter().filter(|s| !s.skipped)
}

/// A step in a line: `60s stop-node node-1`.
fn told(step: &TimedStep) -> String {
    let (verb, arg) = step.action.name();
    let verb = if verb == "apply" { "kubectl apply -f" } else { verb };
    let when = step.when.as_ref().map(|w| format!("when ({})", w.condition));
    let when = when.unwrap_or_else(|| step.written.clone());
    format!("{when}  {verb} {arg}")
}

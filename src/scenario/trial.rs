//! One run of a simulation with its expectations: what came of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::monitor::{Monitors, Violation};
use super::runner::{Ended, Plan, Runner};
use super::simulation::Simulation;
use crate::base::time::SimTime;
use crate::report::timeline::{Detail, Line, Style, Timeline, duration, render};
use crate::store::ApiError;
use crate::trace::Fact;

/// How a simulation is run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The seed, in the place of the file's.
    pub seed: Option<u64>,
    /// Draws the order of simultaneous events from that seed.
    pub shuffle_ties: Option<u64>,
    /// Set from outside when the run is to stop.
    pub stop: Option<Arc<AtomicBool>>,
    /// Whether its timeline is kept.
    pub timeline: bool,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The seed.
    pub seed: u64,
    /// What proved wrong, by time.
    pub violations: Vec<Violation>,
    /// The timeline; empty unless it was asked for.
    pub timeline: String,
    /// When what stands in each line of it was.
    pub moments: Vec<SimTime>,
    /// How it ended.
    pub ended: Ended,
    /// How much virtual time it took.
    pub length: Duration,
    /// Its digest.
    pub digest: u64,
    /// How many events were handled.
    pub events: u64,
}

impl Trial {
    /// Whether all that was expected is so.
    pub fn passed(&self) -> bool {
        self.violations.is_empty() && !matches!(self.ended, Ended::Stopped | Ended::Spent)
    }

    /// The timeline as it is kept beside a simulation: with how the run ended.
    pub fn golden(&self) -> String {
        let how = match self.ended {
            Ended::Quiet => "nothing is left to happen",
            Ended::Settled => "nothing changes any more",
            Ended::Limit => "the time is up",
            Ended::Steps => "its steps are done",
            Ended::Stopped => "it was told to stop",
            Ended::Spent => "it has handled as many events as it may",
        };
        format!("{}\nafter {}, {how}\n", self.timeline, duration(self.length))
    }
}

/// A timeline as text.
#[derive(Debug, Default)]
struct Told {
    text: String,
    moments: Vec<SimTime>,
}

impl Told {
    fn add(&mut self, line: &Line, style: Style) {
        let text = render(line, style);
        self.moments.extend(text.lines().map(|_| line.at));
        self.text.push_str(&text);
    }
}

/// Runs a simulation.
///
/// # Errors
/// A cluster that the API server refuses.
pub fn run(simulation: &Simulation, settings: &Settings) -> Result<Trial, Box<ApiError>> {
    run_plan(simulation, simulation.plan.clone(), settings)
}

/// Runs a simulation with another plan in the place of its own.
///
/// # Errors
/// As [`run`].
pub fn run_plan(
    simulation: &Simulation,
    mut plan: Plan,
    settings: &Settings,
) -> Result<Trial, Box<ApiError>> {
    if let Some(seed) = settings.seed {
        plan.options.seed = seed;
    }
    plan.options.shuffle_ties = settings.shuffle_ties;
    let (seed, start) = (plan.options.seed, plan.options.start.0);
    let mut monitors = Monitors::new(&simulation.expectations, start);
    let mut told = settings.timeline.then(|| (Timeline::new(Detail::Usual), Told::default()));
    let style = Style { colour: false, start };
    let mut runner = Runner::new(plan, &mut |fact| monitors.observe(fact))?;
    if let Some(stop) = &settings.stop {
        runner.stop_with(Arc::clone(stop));
    }
    let ended = runner.run(&mut |fact: &Fact| {
        monitors.observe(fact);
        if let Some((timeline, text)) = &mut told {
            timeline.observe(fact);
            timeline.take().iter().for_each(|line| text.add(line, style));
        }
    });
    let now = runner.sim().now();
    let told = told.map_or_else(Told::default, |(mut timeline, mut text)| {
        timeline.finish(now).iter().for_each(|line| text.add(line, style));
        text
    });
    Ok(Trial {
        seed,
        violations: monitors.finish(now),
        timeline: told.text,
        moments: told.moments,
        ended,
        length: now.since(start),
        digest: runner.sim().digest(),
        events: runner.sim().stats().events,
    })
}

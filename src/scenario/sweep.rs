//! Sweeps: one Simulation file, run at every point of a grid of parameters and with many seeds.
//!
//! A parameter is a field of the file and the values that it takes (`cluster.nodes=3..50`). The runs are
//! numbered, points first and seeds within them, so that a number means the same run on every machine: a
//! shard is every N-th of them, and what shards wrote can be put together again.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;

use super::measure::Measures;
use super::monitor::Monitors;
use super::runner::{Ended, Runner};
use super::seeds;
use super::simulation::{self, Simulation};
use crate::api::diagnostic::Diagnostic;
use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::tree::{Step, Tree, parse_path};
use crate::store::ApiError;

/// No more runs than this in one sweep.
pub const MOST_RUNS: u64 = 1_000_000;
/// No more values than this of one parameter.
pub const MOST_VALUES: usize = 10_000;

/// A field of a Simulation file and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its path, as it was written.
    pub path: String,
    /// What it takes, in order.
    pub values: Vec<Value>,
}

impl Parameter {
    /// Reads `PATH=VALUES`: values with commas between them, or `FIRST..LAST` and `FIRST..LAST..STEP` for
    /// whole numbers, both ends included.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, values) = text.split_once('=').ok_or_else(|| {
            format!("`{text}` is no PATH=VALUES, such as cluster.nodes=3..50 or seed=1,2,3")
        })?;
        let (path, values) = (path.trim(), values.trim());
        if path.is_empty() || values.is_empty() {
            return Err(format!("`{text}` lacks the path or the values"));
        }
        let mut all = Vec::new();
        for part in values.split(',') {
            match range(part.trim())? {
                Some(numbers) => all.extend(numbers),
                None => all.push(scalar(part.trim())),
            }
            if all.len() > MOST_VALUES {
                return Err(format!("`{path}` takes more than {MOST_VALUES} values"));
            }
        }
        Ok(Self { path: path.to_owned(), values: all })
    }

    fn steps(&self) -> Vec<Step> {
        parse_path(&self.path)
    }
}

/// `3..50` or `0..100..10`; `None` for what is no range.
fn range(part: &str) -> Result<Option<Vec<Value>>, String> {
    let Some((first, rest)) = part.split_once("..") else { return Ok(None) };
    let (last, step) = rest.split_once("..").unwrap_or((rest, "1"));
    let number = |text: &str| text.trim().parse::<i64>();
    let (Ok(first), Ok(last), Ok(step)) = (number(first), number(last), number(step)) else {
        return Err(format!("`{part}` is no range of whole numbers, such as 3..50 or 0..100..10"));
    };
    if step < 1 || last < first {
        return Err(format!("`{part}` holds no number: it goes up, by at least 1"));
    }
    let count = (last.abs_diff(first) / step.unsigned_abs()).saturating_add(1);
    if usize::try_from(count).is_ok_and(|count| count <= MOST_VALUES) {
        let numbers = (0..).map_while(|i: i64| Some(first + i * step).filter(|n| *n <= last));
        return Ok(Some(numbers.map(Value::from).collect()));
    }
    Err(format!("`{part}` holds {count} values, and {MOST_VALUES} are the most"))
}

/// A value as YAML has it: a number, a truth value, null or text.
fn scalar(text: &str) -> Value {
    let read = read_documents(text, &Limits::default()).into_iter().next();
    match read {
        Some(Ok(document)) if !document.tree.is_empty() => document.tree.value(Tree::ROOT),
        _ => Value::String(text.to_owned()),
    }
}

/// A value as a cell shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Which of the runs are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The first of them, counted from 0.
    pub index: u64,
    /// Every so many.
    pub of: u64,
}

impl Shard {
    /// All of them.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

/// One run and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number within the sweep.
    pub run: u64,
    /// The parameters' values, in the order of the parameters.
    pub values: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// `passed`, `failed`, `stopped`.
    pub verdict: Verdict,
    /// How many expectations were violated, and what the first of them is called.
    pub violations: usize,
    /// The first of them.
    pub first_violation: String,
    /// Virtual time until the last workload first had all its pods; `None` where one never had.
    pub ready_after: Option<Duration>,
    /// Virtual time for which workloads had no ready pod after that, added up.
    pub downtime: Duration,
    /// Pods that were made.
    pub pods: u64,
    /// Restarts of containers.
    pub restarts: u64,
    /// Pods that failed or were evicted.
    pub failed_pods: u64,
    /// Pods that have no node at the end.
    pub pending: usize,
    /// The length of the run.
    pub length: Duration,
    /// How many events were handled.
    pub events: u64,
    /// The digest of the run.
    pub digest: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All that was expected was so.
    Passed,
    /// Something was not.
    Failed,
    /// It was told to stop.
    Stopped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        })
    }
}

/// A sweep that can be run.
#[derive(Debug)]
pub struct Sweep {
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    points: Vec<(Vec<String>, Arc<Simulation>)>,
    seeds: u64,
}

impl Sweep {
    /// Reads the file once for every point.
    ///
    /// # Errors
    /// All that is wrong with the file, at the first point where something is; or too many runs.
    pub fn read(file: &Path, parameters: Vec<Parameter>, seeds: u64) -> Result<Self, Refused> {
        let count = parameters.iter().try_fold(seeds, |n, p| n.checked_mul(p.values.len() as u64));
        match count {
            Some(runs) if runs <= MOST_RUNS => {}
            _ => return Err(Refused::TooMany),
        }
        let mut points = Vec::new();
        let mut at = vec![0_usize; parameters.len()];
        loop {
            let chosen = || parameters.iter().zip(&at).map(|(p, i)| (p, &p.values[*i]));
            let sets: Vec<(Vec<Step>, Value)> =
                chosen().map(|(p, value)| (p.steps(), value.clone())).collect();
            let read = simulation::read_with(file, &sets);
            let names = || chosen().map(|(p, v)| format!("{}={}", p.path, shown(v)));
            let simulation = read.map_err(|problems| Refused::Point {
                sets: names().collect::<Vec<_>>().join(" "),
                problems,
            })?;
            points.push((chosen().map(|(_, v)| shown(v)).collect(), Arc::new(simulation)));
            // The last parameter turns fastest.
            let Some(turn) = (0..at.len()).rev().find(|i| at[*i] + 1 < parameters[*i].values.len())
            else {
                return Ok(Self { parameters, points, seeds });
            };
            at[turn] += 1;
            at[turn + 1..].fill(0);
        }
    }

    /// How many runs there are, in all shards.
    pub fn len(&self) -> u64 {
        self.points.len() as u64 * self.seeds
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of a shard's runs.
    pub fn numbers(&self, shard: Shard) -> impl Iterator<Item = u64> + Send + use<> {
        let of = usize::try_from(shard.of).unwrap_or(usize::MAX);
        (shard.index..self.len()).step_by(of.max(1))
    }

    /// Makes one run.
    ///
    /// # Errors
    /// A cluster that the API server refuses.
    pub fn run(&self, number: u64, stop: &Arc<AtomicBool>) -> Result<Row, Box<ApiError>> {
        let point = usize::try_from(number / self.seeds).unwrap_or(usize::MAX);
        let (values, simulation) = &self.points[point];
        let mut plan = simulation.plan.clone();
        let seed = plan.options.seed + number % self.seeds;
        let settings = seeds::settings(simulation, seed, stop);
        (plan.options.seed, plan.options.shuffle_ties) = (seed, settings.shuffle_ties);
        let start = plan.options.start.0;
        let (mut monitors, mut measures) =
            (Monitors::new(&simulation.expectations, start), Measures::new(start));
        let mut runner = Runner::new(plan, &mut |fact| {
            monitors.observe(fact);
            measures.observe(fact);
        })?;
        runner.stop_with(Arc::clone(stop));
        let ended = runner.run(&mut |fact| {
            monitors.observe(fact);
            measures.observe(fact);
        });
        let now = runner.sim().now();
        measures.finish(now);
        let violations = monitors.finish(now);
        let verdict = match (ended, violations.is_empty()) {
            (Ended::Stopped | Ended::Spent, _) => Verdict::Stopped,
            (_, true) => Verdict::Passed,
            (_, false) => Verdict::Failed,
        };
        let first = violations.first().map(|v| simulation.expectations[v.expectation].name.clone());
        let waited = measures.workloads.values().filter(|w| w.wanted > 0);
        let ready =
            waited.map(|w| w.ready_after).try_fold(Duration::ZERO, |most, w| Some(most.max(w?)));
        Ok(Row {
            run: number,
            values: values.clone(),
            seed,
            verdict,
            violations: violations.len(),
            first_violation: first.unwrap_or_default(),
            ready_after: ready,
            downtime: measures.workloads.values().map(|w| w.downtime).sum(),
            pods: measures.pods_created,
            restarts: measures.restarts,
            failed_pods: measures.failed,
            pending: measures.pending.len(),
            length: now.since(start),
            events: runner.sim().stats().events,
            digest: runner.sim().digest(),
        })
    }
}

/// Why a sweep cannot be run.
#[derive(Debug)]
pub enum Refused {
    /// More than [`MOST_RUNS`].
    TooMany,
    /// The file is wrong with these values.
    Point {
        /// The values.
        sets: String,
        /// What is wrong.
        problems: Vec<Diagnostic>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Value> {
        Parameter::parse(text).unwrap().values
    }

    #[test]
    fn values_are_lists_and_ranges_with_both_ends() {
        assert_eq!(values("a.b=3..6"), [json!(3), json!(4), json!(5), json!(6)]);
        assert_eq!(values("a=0..25..10,7"), [json!(0), json!(10), json!(20), json!(7)]);
        assert_eq!(
            values("a=true,100m,1.5,x"),
            [json!(true), json!("100m"), json!(1.5), json!("x")]
        );
    }

    #[test]
    fn what_holds_no_values_is_refused_with_the_reason() {
        for (wrong, why) in [
            ("nodes", "PATH=VALUES"),
            ("=3", "lacks"),
            ("a=", "lacks"),
            ("a=5..3", "goes up"),
            ("a=1..9..0", "by at least 1"),
            ("a=1..x", "whole numbers"),
            ("a=1..99999999", "10000 are the most"),
            ("a=-9223372036854775808..9223372036854775807", "are the most"),
        ] {
            let refused = Parameter::parse(wrong).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
    }
}

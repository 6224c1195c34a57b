//! Copies of a session's run at earlier times, from which going back begins.
//!
//! A copy shares with the run what neither has changed, so that it costs little; there are no more than
//! [`MOST`]. They all lie on the run as it is: each is the run up to its time. Where there would be too many,
//! the one goes whose absence costs least in proportion to how long ago it was, so that they stand close to
//! each other near now and far from each other long ago. The first, at the start, stays.

use std::sync::Arc;

use super::super::runner::Runner;
use super::tank::Told;
use super::{Branch, Entry};
use crate::base::time::SimTime;

/// There are no more copies.
const MOST: usize = 12;

/// The run at an earlier time.
#[derive(Debug)]
pub(super) struct Fork {
    /// When that was.
    at: SimTime,
    /// How many lines had changed the cluster.
    lines: usize,
    /// How much had been heard of the run.
    heard: u64,
    /// How many facts its past held, of which the run's own past has the same.
    pub(super) facts: usize,
    /// The run.
    pub(super) runner: Runner,
    /// What was told of it, without its past.
    pub(super) told: Told,
}

/// The copies, the latest last.
#[derive(Debug, Default)]
pub(super) struct Forks(Vec<Fork>);

impl Forks {
    /// How much had been heard of the run when it was copied last.
    pub(super) fn heard(&self) -> u64 {
        self.0.last().map_or(0, |fork| fork.heard)
    }

    /// Keeps a copy of the run after so many lines.
    pub(super) fn keep(&mut self, runner: &Runner, told: &Told, lines: usize) {
        let mut runner = runner.clone();
        runner.tidy();
        // What is made again from it is made whole.
        runner.stop_with(Arc::default());
        let (at, heard, facts) = (runner.sim().now(), told.heard, told.past.len());
        self.0.push(Fork { at, lines, heard, facts, runner, told: told.without_past() });
        if self.0.len() > MOST {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let now = self.heard();
        // How much more would have to be made again, and how long ago that was.
        let cost = |i: usize| {
            let (before, after) = (self.0[i - 1].heard, self.0[i + 1].heard);
            (u128::from(after - before), u128::from(now - before).max(1))
        };
        let cheaper = |a: &usize, b: &usize| {
            let ((a, of_a), (b, of_b)) = (cost(*a), cost(*b));
            (a * of_b).cmp(&(b * of_a))
        };
        if let Some(i) = (1..self.0.len() - 1).min_by(cheaper) {
            self.0.remove(i);
        }
    }

    /// The latest copy that lies on a branch too, which began like the run whose lines were `log`: what follows
    /// it has to be made again. How many lines the copy has seen stands beside it.
    pub(super) fn nearest(&self, branch: &Branch, log: &[Entry]) -> Option<(&Fork, usize)> {
        let fork = self.0.iter().rev().find(|fork| fork.is_on(branch, log))?;
        Some((fork, fork.lines))
    }

    /// Lets go of what does not lie on a branch, where the run was the one whose lines were `log`.
    pub(super) fn retain(&mut self, branch: &Branch, log: &[Entry]) {
        self.0.retain(|fork| fork.is_on(branch, log));
    }

    /// When the copies were made.
    #[cfg(test)]
    pub(super) fn times(&self) -> Vec<SimTime> {
        self.0.iter().map(|fork| fork.at).collect()
    }
}

impl Fork {
    fn is_on(&self, branch: &Branch, log: &[Entry]) -> bool {
        self.at <= branch.now
            && branch.log.get(..self.lines).is_some_and(|lines| log.starts_with(lines))
            && branch.log[self.lines..].iter().all(|entry| entry.at >= self.at)
    }
}

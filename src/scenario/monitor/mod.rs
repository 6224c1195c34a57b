//! Expectations over time: what is claimed of a run, watched while it runs.
//!
//! A fold over facts. A [`Condition`] is something that holds of a cluster or happens in it; a [`Claim`]
//! says when and how often; an [`Expectation`] is both. [`Monitors`] hear every fact and hand out a
//! [`Violation`] for each claim that proves wrong, with the moment, the facts that led there and the
//! objects as they were then. Conditions of steps ([`Trigger`]) are watched by the same eyes.
//!
//! Nothing is asked of the store: a run with expectations is the same run.

mod cel;
mod chain;
mod claim;
mod condition;
mod eye;
mod partial;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use cel::Expression;
pub use claim::{Claim, Expectation, Start};
pub use condition::{
    Choice, Comparison, Condition, EventPattern, ExitPattern, LogPattern, Objects, Pattern,
    StepPattern, Wanted,
};
pub use partial::{differences, has};
pub use tree::AssertionTree;

use chain::Chain;
use claim::{Broken, Watch};
use eye::{Eye, Seen};

use crate::api::convert;
use crate::base::time::SimTime;
use crate::model::Kind;
use crate::store::Store;
use crate::trace::{Change, Fact, FactId, FactKind};

/// A claim that proved wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The expectation's number.
    pub expectation: usize,
    /// When it showed.
    pub at: SimTime,
    /// What was expected.
    pub expected: String,
    /// What was so instead, in short.
    pub found: String,
    /// In which way, in lines.
    pub why: Vec<String>,
    /// The facts that led there, the earliest first.
    pub chain: Vec<String>,
    /// The objects that it is about, as they were then.
    pub objects: Vec<Value>,
}

/// The watch over a run's expectations.
#[derive(Debug)]
pub struct Monitors<'c> {
    watches: Vec<Watch<'c>>,
    chain: Chain,
    now: SimTime,
    violations: Vec<Violation>,
}

impl<'c> Monitors<'c> {
    /// Watches these expectations in a run that starts at `start`.
    pub fn new(expectations: &'c [Expectation], start: SimTime) -> Self {
        let watches = expectations.iter().map(|e| Watch::on(e, start)).collect();
        Self { watches, chain: Chain::new(start), now: start, violations: Vec::new() }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        // Where nothing is expected, nothing will have to be told of what led to a violation.
        if self.watches.is_empty() {
            return;
        }
        if fact.at > self.now {
            self.pass(fact.at);
        }
        self.chain.observe(fact);
        let seen = Seen::new(fact);
        for i in 0..self.watches.len() {
            let broken = self.watches[i].observe(&seen);
            self.note(i, broken);
        }
    }

    /// The clock moves on.
    fn pass(&mut self, to: SimTime) {
        for i in 0..self.watches.len() {
            let broken = self.watches[i].pass(to);
            self.note(i, broken);
            let broken = self.watches[i].end_of_moment(self.now);
            self.note(i, broken);
        }
        self.now = to;
    }

    fn note(&mut self, number: usize, broken: Option<Broken>) {
        let Some(Broken { at, what }) = broken else { return };
        let watch = &self.watches[number];
        let condition = &watch.expectation.condition;
        let objects = watch.eye.objects(condition);
        let mut why = watch.eye.explain(condition);
        why.extend(self.chain.troubles(&objects));
        self.violations.push(Violation {
            expectation: number,
            at,
            expected: watch.expectation.to_string(),
            found: what,
            why,
            chain: self.chain.to(watch.eye.last),
            objects: objects.iter().map(|o| convert::to_wire(o).to_value()).collect(),
        });
    }

    /// Whether everything has been judged.
    pub fn is_over(&self) -> bool {
        self.watches.iter().all(Watch::is_over)
    }

    /// The run is over: what proved wrong, by time.
    pub fn finish(mut self, end: SimTime) -> Vec<Violation> {
        if end > self.now {
            self.pass(end);
        }
        for i in 0..self.watches.len() {
            let broken = self.watches[i].end_of_moment(end);
            self.note(i, broken);
            let broken = self.watches[i].finish(end);
            self.note(i, broken);
        }
        self.violations.sort_by_key(|v| (v.at, v.expectation));
        self.violations
    }
}

/// A condition that something waits for.
#[derive(Clone, Debug)]
pub struct Trigger {
    condition: Arc<Condition>,
    eye: Eye,
    after: SimTime,
    held: Duration,
    since: Option<SimTime>,
}

impl Trigger {
    /// Waits for a condition to hold for so long, from `after` on.
    pub fn new(condition: Arc<Condition>, held: Duration, after: SimTime) -> Self {
        Self { eye: Eye::on(&condition), condition, after, held, since: None }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        let concerned = self.eye.observe(&self.condition, &Seen::new(fact));
        if concerned && fact.at < self.after {
            self.eye.forget();
        }
        let holds = self.eye.holds(&self.condition);
        self.since = holds.then(|| self.since.unwrap_or(fact.at.max(self.after)));
    }

    /// Looks at a cluster as it stands at `now`.
    pub fn prime(&mut self, store: &Store, now: SimTime) {
        for object in Kind::ALL.iter().flat_map(|kind| store.list(*kind)) {
            let kind =
                FactKind::Object { change: Change::Added, object: object.clone(), old: None };
            self.eye.observe(
                &self.condition,
                &Seen::new(&Fact { at: now, id: FactId::NONE, cause: FactId::NONE, kind }),
            );
        }
        self.since = self.eye.holds(&self.condition).then_some(now);
    }

    /// Why it holds or does not, in lines.
    pub fn explain(&self) -> Vec<String> {
        self.eye.explain(&self.condition)
    }

    /// When it is due, if nothing changes.
    pub fn due(&self) -> Option<SimTime> {
        self.since.map(|since| since + self.held)
    }
}

#[cfg(test)]
mod tests;

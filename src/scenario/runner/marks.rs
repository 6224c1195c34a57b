//! Where a run stood: marks of it, for checkpoints, and runs that are held against one.
//!
//! A mark is a number of events and the digest right after the last of them. What somebody does between two
//! events (a step that is told of, a machine that is stopped) folds into the digest too, so a mark is taken
//! when the simulation hands back after an event, before anything else is done.
//!
//! A run that is told to stop winds up what it is at: a step that waits is told to have failed. From the moment
//! it is told, it is no longer the run that it would have been, and its mark stays.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Ear, Runner};
use crate::base::time::SimTime;
use crate::sim::{Outcome, Sim};
use crate::trace::Fact;

/// Where a run stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How many events had been handled.
    pub events: u64,
    /// The digest after the last of them.
    pub digest: u64,
}

/// The marks of a run.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    last: Mark,
    at: SimTime,
    /// It was told to stop: the mark stays as it is.
    stays: bool,
    max_events: u64,
    /// What it is held against once it comes there.
    wanted: Option<Mark>,
    /// Whether it came there, and was the same.
    reached: Arc<AtomicBool>,
    /// What it was there where it was another.
    differs: Option<Mark>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            last: Mark { events: 0, digest: 0 },
            at: SimTime::ZERO,
            stays: false,
            max_events: u64::MAX,
            wanted: None,
            reached: Arc::default(),
            differs: None,
        }
    }
}

impl Marks {
    pub(super) fn set_max_events(&mut self, events: u64, sim: &mut Sim) {
        self.max_events = events;
        sim.set_max_events(self.bound());
    }

    /// As many events may be handled before somebody looks.
    fn bound(&self) -> u64 {
        self.max_events.min(self.wanted.map_or(u64::MAX, |mark| mark.events))
    }

    /// The simulation has handed back.
    fn look(&mut self, sim: &Sim, stopped: bool) {
        let mark = Mark { events: sim.stats().events, digest: sim.digest() };
        if !self.stays && mark.events > self.last.events {
            (self.last, self.at) = (mark, sim.now());
        }
        self.stays |= stopped;
        if let Some(wanted) = self.wanted.take_if(|wanted| wanted.events == mark.events) {
            if wanted == mark {
                self.reached.store(true, Ordering::Relaxed);
            } else {
                self.differs = Some(mark);
            }
        }
    }
}

impl Runner {
    /// Where it stands, or stood when it was told to stop, and when that was.
    pub fn mark(&self) -> (Mark, SimTime) {
        (self.marks.last, self.marks.at)
    }

    /// Has the run held against a mark once it comes there: it ends there where it is another, and what is
    /// answered is set where it is the same.
    pub fn hold_against(&mut self, mark: Mark) -> Arc<AtomicBool> {
        if mark.events == 0 {
            self.marks.reached.store(true, Ordering::Relaxed);
        } else {
            self.marks.wanted = Some(mark);
            self.sim.set_max_events(self.marks.bound());
        }
        Arc::clone(&self.marks.reached)
    }

    /// What the run was where it is held against a mark, if that is another.
    pub fn differs(&self) -> Option<Mark> {
        self.marks.differs
    }

    /// Runs the simulation; facts are heard by `also` and then by the ear.
    pub(super) fn run_with(
        &mut self,
        until: SimTime,
        going: &Cell<bool>,
        ear: &mut Ear<'_>,
        also: &mut dyn FnMut(&Fact),
    ) -> Outcome {
        self.marks.stays |= ear.is_stopped();
        loop {
            let outcome = self.sim.run_while(until, going, &mut |fact| {
                also(fact);
                ear.hear(fact);
            });
            let held = self.marks.wanted.is_some();
            self.marks.look(&self.sim, ear.is_stopped());
            if held && self.marks.wanted.is_none() {
                self.sim.set_max_events(self.marks.bound());
                ear.spent |= self.marks.differs.is_some();
                if outcome == Outcome::Spent && !ear.spent {
                    continue;
                }
            }
            ear.spent |= outcome == Outcome::Spent;
            return outcome;
        }
    }
}

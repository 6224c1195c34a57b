//! A scenario that somebody plays: time passes for as long as they say, and steps are theirs.

use std::cell::Cell;
use std::ops::ControlFlow;

use super::order::Next as NextStep;
use super::{Ear, Ended, Order, Runner, TimedStep};
use crate::base::time::SimTime;
use crate::scenario::kubectl::{History, Invocation, Session};
use crate::trace::{Fact, FactKind, StepDone};

/// The number of a step that is not of the plan.
const OWN: u32 = u32::MAX;

impl Runner {
    /// Keeps what kubectl can ask about the past from now on.
    pub fn keep_history(&mut self) {
        self.history = History::new(true);
    }

    /// Lets time pass up to `until`, or until `f` says that it is enough; then everything that is due at that
    /// instant has happened too. Steps of the plan come at their times. Answers whether `f` has said so.
    pub fn play(&mut self, until: SimTime, f: &mut dyn FnMut(&Fact) -> ControlFlow<()>) -> bool {
        let (going, enough) = (Cell::new(true), Cell::new(false));
        let until = until.min(self.limit);
        let mut hear = |fact: &Fact| {
            if f(fact).is_break() {
                enough.set(true);
                going.set(false);
            }
        };
        self.with_ear(&mut hear, &going, |runner, ear| {
            while !enough.get() && !ear.is_stopped() {
                match ear.order.next(runner.sim.now()) {
                    NextStep::Now(number, step) => runner.step(number, &step, ear),
                    NextStep::At(due) if due <= until => {
                        runner.run_to(due, ear);
                    }
                    NextStep::At(_) | NextStep::Nothing => {
                        if !runner.run_to(until, ear) {
                            break;
                        }
                    }
                }
            }
            let now = runner.sim.now();
            runner.pass_to(now, ear);
        });
        enough.get()
    }

    /// Lets time pass until nothing is left to happen, or nothing changes any more.
    pub fn settle(&mut self, f: &mut dyn FnMut(&Fact)) -> Ended {
        let going = Cell::new(true);
        self.with_ear(f, &going, |runner, ear| {
            loop {
                if ear.is_stopped() {
                    return Ended::Stopped;
                }
                match ear.order.next(runner.sim.now()) {
                    NextStep::Now(number, step) => runner.step(number, &step, ear),
                    NextStep::At(due) => {
                        runner.run_to(due.min(runner.limit), ear);
                    }
                    NextStep::Nothing => {
                        if let Some(ended) = runner.run_until_quiet(ear) {
                            return ended;
                        }
                    }
                }
            }
        })
    }

    /// Carries out a step now. Answers what came of it.
    pub fn perform(&mut self, step: &TimedStep, f: &mut dyn FnMut(&Fact)) -> Option<StepDone> {
        let going = Cell::new(true);
        let mut done = None;
        let mut hear = |fact: &Fact| {
            if let FactKind::Step(step) = &fact.kind
                && step.index == OWN
            {
                done = Some((**step).clone());
            }
            f(fact);
        };
        self.with_ear(&mut hear, &going, |runner, ear| {
            runner.step(OWN, step, ear);
            let now = runner.sim.now();
            runner.pass_to(now, ear);
        });
        done
    }

    /// What kubectl prints of a line that only looks, and its exit code; `None` for a line that does more.
    pub fn glance(&self, words: &[String], session: &Session<'_>) -> Option<(String, String, i32)> {
        Invocation::glance(words, &self.look(&self.history), session)
    }

    fn with_ear<T>(
        &mut self,
        f: &mut dyn FnMut(&Fact),
        going: &Cell<bool>,
        act: impl FnOnce(&mut Self, &mut Ear<'_>) -> T,
    ) -> T {
        let mut history = std::mem::take(&mut self.history);
        let mut order: Order = std::mem::take(&mut self.order);
        let stop = self.stop.clone();
        let mut ear = Ear {
            f,
            history: &mut history,
            order: &mut order,
            going,
            awaited: None,
            stop,
            heard: 0,
            spent: false,
        };
        let made = act(self, &mut ear);
        (self.history, self.order) = (history, order);
        made
    }
}

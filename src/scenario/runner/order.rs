//! The order of a run's steps: by time, and those that wait for a condition when it holds.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{StepAction, TimedStep, When};
use crate::base::time::SimTime;
use crate::scenario::monitor::Trigger;
use crate::trace::Fact;

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// This step, with its number.
    Now(u32, Box<TimedStep>),
    /// Something, at that time, unless a condition comes to hold before.
    At(SimTime),
    /// Nothing, unless a condition comes to hold.
    Nothing,
}

/// The steps that are left.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    timed: VecDeque<(SimTime, u32, TimedStep)>,
    waiting: Vec<Waiting>,
    /// The number of the next step that is inserted.
    numbers: u32,
}

/// A step that waits for a condition.
#[derive(Clone, Debug)]
struct Waiting {
    number: u32,
    step: TimedStep,
    trigger: Trigger,
}

impl Order {
    pub(super) fn new(steps: Vec<TimedStep>, start: SimTime) -> Self {
        let mut order = Self::default();
        for step in steps {
            let number = order.numbers;
            order.numbers += 1;
            if step.skipped {
                continue;
            }
            match &step.when {
                None => order.timed.push_back((start + step.at, number, step)),
                Some(When { condition, held }) => {
                    let trigger = Trigger::new(Arc::clone(condition), *held, start + step.at);
                    order.waiting.push(Waiting { number, step, trigger });
                }
            }
        }
        order.timed.make_contiguous().sort_by_key(|(at, number, _)| (*at, *number));
        order
    }

    /// The steps that are left.
    pub(super) fn all(&self) -> impl Iterator<Item = &TimedStep> {
        self.timed.iter().map(|(_, _, s)| s).chain(self.waiting.iter().map(|w| &w.step))
    }

    /// A step that comes at that time, behind those that are due then.
    pub(super) fn insert(&mut self, at: SimTime, action: StepAction) {
        self.append(at, TimedStep { action, written: String::new(), ..TimedStep::default() });
    }

    /// A step of the plan that comes at that time, behind those that are due then.
    pub(super) fn append(&mut self, at: SimTime, step: TimedStep) {
        let place = self.timed.partition_point(|(due, ..)| *due <= at);
        self.timed.insert(place, (at, self.numbers, step));
        self.numbers += 1;
    }

    /// Nothing is left to be done.
    pub(super) fn clear(&mut self) {
        self.timed.clear();
        self.waiting.clear();
    }

    /// Takes in a fact. Answers whether a step is due now that waited for a condition, or will be.
    pub(super) fn observe(&mut self, fact: &Fact) -> bool {
        let mut due = false;
        for waiting in &mut self.waiting {
            let before = waiting.trigger.due();
            waiting.trigger.observe(fact);
            let now = waiting.trigger.due();
            due |= now.is_some() && now != before;
        }
        due
    }

    /// What comes next at `now`.
    pub(super) fn next(&mut self, now: SimTime) -> Next {
        let due = |w: &Waiting| w.trigger.due();
        let ready = self.waiting.iter().position(|w| due(w).is_some_and(|at| at <= now));
        if let Some(i) = ready {
            let Waiting { number, step, .. } = self.waiting.remove(i);
            return Next::Now(number, Box::new(step));
        }
        if self.timed.front().is_some_and(|(at, ..)| *at <= now)
            && let Some((_, number, step)) = self.timed.pop_front()
        {
            return Next::Now(number, Box::new(step));
        }
        let first = self.timed.front().map(|(at, ..)| *at);
        match self.waiting.iter().filter_map(due).chain(first).min() {
            Some(at) => Next::At(at),
            None => Next::Nothing,
        }
    }
}

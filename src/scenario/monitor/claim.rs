//! What is claimed of a condition: when it holds, how long, how often, before what.
//!
//! A claim is judged when something changes and when its time is up, and never in between: what holds of a
//! cluster holds until the next fact. A moment counts with everything that happens in it.

use std::fmt;
use std::time::Duration;

use super::condition::Condition;
use super::eye::{Eye, Seen};
use crate::api::diagnostic::Location;
use crate::base::time::SimTime;
use crate::report::timeline::duration;
use crate::trace::FactKind;

/// A condition and what is claimed of it.
#[derive(Debug)]
pub struct Expectation {
    /// What is expected, in words; may be empty.
    pub name: String,
    /// From when on it counts.
    pub after: Start,
    /// The claim.
    pub claim: Claim,
    /// The condition.
    pub condition: Condition,
    /// Where it is written.
    pub place: Option<Location>,
}

/// From when on something counts.
#[derive(Debug)]
pub enum Start {
    /// From the start of the run.
    Beginning,
    /// From this time since the start.
    At(Duration),
    /// From the end of the step with this number.
    Step(u32, String),
    /// From when this first holds.
    When(Box<Condition>),
}

/// A claim. Its times count from where the expectation begins to count.
#[derive(Debug)]
pub enum Claim {
    /// It holds at the end.
    Finally,
    /// It holds at this time.
    At(Duration),
    /// It holds at some moment until then.
    Within(Duration),
    /// It begins to hold, until then if a time is given, and holds for so long.
    Stays {
        /// Until when it must begin.
        within: Option<Duration>,
        /// How long it must hold.
        length: Duration,
    },
    /// It holds all the time, until then if a time is given.
    Always(Option<Duration>),
    /// It holds at no time, until then if a time is given.
    Never(Option<Duration>),
    /// It comes to hold, or happens, so often.
    Times {
        /// At least so often.
        least: u64,
        /// At most so often.
        most: u64,
        /// Until when it is counted.
        until: Option<Duration>,
    },
    /// It first holds before this does.
    Before(Box<Condition>),
}

/// A claim that does not hold, and the moment at which that shows.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) at: SimTime,
    pub(super) what: String,
}

/// A claim under watch.
#[derive(Debug)]
pub(super) struct Watch<'c> {
    pub(super) expectation: &'c Expectation,
    pub(super) eye: Eye,
    gate: Option<Eye>,
    rival: Option<Eye>,
    began: Option<SimTime>,
    held_since: Option<SimTime>,
    rises: u64,
    over: bool,
}

impl<'c> Watch<'c> {
    pub(super) fn on(expectation: &'c Expectation, start: SimTime) -> Self {
        let gate = match &expectation.after {
            Start::When(condition) => Some(Eye::on(condition)),
            Start::Beginning | Start::At(_) | Start::Step(..) => None,
        };
        let rival = match &expectation.claim {
            Claim::Before(condition) => Some(Eye::on(condition)),
            _ => None,
        };
        let began = match expectation.after {
            Start::Beginning => Some(start),
            Start::At(at) => Some(start + at),
            Start::Step(..) | Start::When(_) => None,
        };
        let eye = Eye::on(&expectation.condition);
        Self { expectation, eye, gate, rival, began, held_since: None, rises: 0, over: false }
    }

    /// Whether it has been judged.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The clock moves on to `now`: what was due before is judged by what held until now.
    pub(super) fn pass(&mut self, now: SimTime) -> Option<Broken> {
        if self.over {
            return None;
        }
        if let Some(began) = self.began
            && began < now
        {
            // What it counts from may have come without a fact of its own.
            let broken = self.judge(began);
            if broken.is_some() || self.over {
                return broken;
            }
        }
        let due = self.due()?;
        (due < now).then(|| self.fall_due(due)).flatten()
    }

    /// Takes in a fact.
    pub(super) fn observe(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        if self.over {
            return None;
        }
        let now = seen.fact.at;
        let concerned = self.eye.observe(&self.expectation.condition, seen);
        let rivalled = match (&self.expectation.claim, &mut self.rival) {
            (Claim::Before(other), Some(eye)) => eye.observe(other, seen),
            _ => false,
        };
        let begins = self.began.is_none() && self.opens(seen);
        if begins {
            self.began = Some(now);
            self.eye.forget();
        }
        let began = self.began.is_some_and(|began| began <= now);
        if !began && concerned {
            self.eye.forget();
        }
        (began && (concerned || rivalled || begins)).then(|| self.judge(now)).flatten()
    }

    fn opens(&mut self, seen: &Seen<'_>) -> bool {
        match (&self.expectation.after, &mut self.gate) {
            (Start::Step(index, _), _) => {
                matches!(&seen.fact.kind, FactKind::Step(done) if done.index == *index)
            }
            (Start::When(condition), Some(gate)) => {
                gate.observe(condition, seen);
                gate.holds(condition)
            }
            _ => false,
        }
    }

    /// When it falls due next, if nothing changes.
    fn due(&self) -> Option<SimTime> {
        let began = self.began?;
        match self.expectation.claim {
            Claim::At(at) | Claim::Within(at) => Some(began + at),
            Claim::Stays { within, length } => match (self.held_since, within) {
                (Some(since), _) => Some(since + length),
                (None, within) => within.map(|w| began + w),
            },
            Claim::Always(until) | Claim::Never(until) | Claim::Times { until, .. } => {
                until.map(|u| began + u)
            }
            Claim::Finally | Claim::Before(_) => None,
        }
    }

    /// Judges it after a change at `now`, or at the moment from which it counts.
    fn judge(&mut self, now: SimTime) -> Option<Broken> {
        let holds = self.holds();
        let rose = holds && self.held_since.is_none();
        let fell = !holds && self.held_since.is_some();
        match (holds, self.held_since) {
            (true, None) => self.held_since = Some(now),
            (false, Some(_)) => self.held_since = None,
            _ => {}
        }
        self.rises += u64::from(rose);
        let broken = |text: String| Some(Broken { at: now, what: text });
        match &self.expectation.claim {
            Claim::Within(_) if holds => self.over = true,
            // A moment counts with all that happens in it: it is judged when the clock moves on.
            Claim::Always(_) | Claim::Finally | Claim::At(_) | Claim::Within(_) => {}
            Claim::Stays { within: Some(within), .. }
                if fell && self.began.is_some_and(|began| began + *within < now) =>
            {
                self.over = true;
                return broken("it holds no longer".to_owned());
            }
            Claim::Stays { .. } => {}
            Claim::Never(_) if holds => {
                self.over = true;
                return broken("it holds".to_owned());
            }
            Claim::Never(_) => {}
            Claim::Times { most, .. } => {
                let times = self.times();
                if times > *most {
                    self.over = true;
                    return broken(format!("it is the {} time", ordinal(times)));
                }
            }
            Claim::Before(other) => {
                let rival = self.rival.as_ref().is_some_and(|eye| eye.holds(other));
                if rival && self.rises == 0 {
                    self.over = true;
                    return broken(format!("before it: {other}"));
                }
                self.over = self.rises > 0 && !rival;
            }
        }
        None
    }

    /// What was claimed to hold at every moment and does not at this one, which is over.
    pub(super) fn end_of_moment(&mut self, at: SimTime) -> Option<Broken> {
        let always = matches!(self.expectation.claim, Claim::Always(_));
        let counts =
            self.began.is_some_and(|began| began <= at) && self.due().is_none_or(|due| at <= due);
        if self.over || !always || !counts || self.holds() {
            return None;
        }
        self.over = true;
        Some(Broken { at, what: "it does not hold".to_owned() })
    }

    fn holds(&self) -> bool {
        self.eye.holds(&self.expectation.condition)
    }

    fn times(&self) -> u64 {
        self.eye.times().unwrap_or(self.rises)
    }

    fn fall_due(&mut self, due: SimTime) -> Option<Broken> {
        let holds = self.holds();
        let broken = |text: String| Some(Broken { at: due, what: text });
        self.over = true;
        match self.expectation.claim {
            Claim::At(_) | Claim::Within(_) | Claim::Finally if holds => None,
            Claim::At(_) | Claim::Finally => broken("it does not hold".to_owned()),
            Claim::Within(_) => broken("it has not held by then".to_owned()),
            Claim::Stays { .. } if self.held_since.is_some() => None,
            Claim::Stays { .. } => broken("it does not hold by then".to_owned()),
            Claim::Times { least, .. } if self.times() < least => {
                broken(format!("it was {} so far", in_times(self.times())))
            }
            Claim::Times { .. } | Claim::Always(_) | Claim::Never(_) | Claim::Before(_) => None,
        }
    }

    /// The run is over.
    pub(super) fn finish(&mut self, end: SimTime) -> Option<Broken> {
        if let Some(broken) = self.pass(end + Duration::from_nanos(1)) {
            return Some(broken);
        }
        if self.over {
            return None;
        }
        self.over = true;
        let broken = |text: String| Some(Broken { at: end, what: text });
        if self.began.is_none_or(|began| began > end) {
            return broken(match &self.expectation.after {
                Start::Step(_, name) => format!("step {name:?} was never done"),
                Start::When(condition) => format!("it never counted: {condition}"),
                Start::Beginning | Start::At(_) => "the run ended before it counts".to_owned(),
            });
        }
        let holds = self.holds();
        match self.expectation.claim {
            Claim::Finally if holds => None,
            Claim::Finally => broken("it does not hold at the end".to_owned()),
            Claim::At(_) => broken("the run ended before that time".to_owned()),
            Claim::Within(_) => broken("it has not held when the run ended".to_owned()),
            Claim::Stays { length, .. } => broken(match self.held_since {
                Some(since) => format!(
                    "it has held for {} when the run ended, not {}",
                    duration(end.since(since)),
                    duration(length)
                ),
                None => "it does not hold when the run ended".to_owned(),
            }),
            Claim::Times { least, .. } if self.times() < least => {
                broken(format!("it was {}", in_times(self.times())))
            }
            Claim::Before(_) if self.rises == 0 => broken("it never held".to_owned()),
            Claim::Times { .. } | Claim::Always(_) | Claim::Never(_) | Claim::Before(_) => None,
        }
    }
}

fn in_times(n: u64) -> String {
    match n {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

fn ordinal(n: u64) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// `within 1m: deployment/web has status.readyReplicas 3`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.after {
            Start::Beginning => {}
            Start::At(at) => write!(f, "after {}, ", duration(*at))?,
            Start::Step(_, name) => write!(f, "after step {name:?}, ")?,
            Start::When(condition) => write!(f, "after ({condition}), ")?,
        }
        let until = |f: &mut fmt::Formatter<'_>, until: Option<Duration>| match until {
            Some(until) => write!(f, " until {}", duration(until)),
            None => Ok(()),
        };
        match &self.claim {
            Claim::Finally => write!(f, "at the end")?,
            Claim::At(at) => write!(f, "at {}", duration(*at))?,
            Claim::Within(at) => write!(f, "within {}", duration(*at))?,
            Claim::Stays { within, length } => {
                if let Some(within) = within {
                    write!(f, "within {}, ", duration(*within))?;
                }
                write!(f, "for {}", duration(*length))?;
            }
            Claim::Always(at) => write!(f, "always").and_then(|()| until(f, *at))?,
            Claim::Never(at) => write!(f, "never").and_then(|()| until(f, *at))?,
            Claim::Times { least, most, until: at } => {
                match (*least, *most) {
                    (least, most) if least == most => write!(f, "exactly {}", in_times(least))?,
                    (0, most) => write!(f, "at most {}", in_times(most))?,
                    (least, u64::MAX) => write!(f, "at least {}", in_times(least))?,
                    (least, most) => write!(f, "{least} to {most} times")?,
                }
                until(f, *at)?;
            }
            Claim::Before(other) => write!(f, "before ({other})")?,
        }
        write!(f, ": {}", self.condition)
    }
}

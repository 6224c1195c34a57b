//! The verdict: what is held against a simulation once a second real run has excused what it can.
//!
//! Whatever differs between the two real runs is not held against the simulation: it may agree
//! with either, and times may lie anywhere between the two.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Comparison, Late, Why};
use super::marks::Mark;

/// A milestone off by this much more than its tolerance, in seconds, fails the scenario.
const GROSS: f64 = 5.0;

/// What became of a simulated scenario.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The name of the scenario.
    pub scenario: String,
    /// The score is at least 0.97, every terminal fact is right, no milestone is grossly off and no
    /// line of the simulated trace is broken.
    pub passed: bool,
    /// How many facts agree.
    pub matched: usize,
    /// How many facts only the real run has.
    pub missing: usize,
    /// How many facts only the simulation has.
    pub extra: usize,
    /// How many facts both have, at too different a time, count or text.
    pub late: usize,
    /// How many differences the second real run excuses.
    pub not_judged: usize,
    /// What is remarkable about the judging itself; empty when nothing is.
    pub note: String,
    /// The lines of the simulated trace that cannot be read.
    pub broken: Vec<String>,
    /// The differences that count, in order of time.
    pub problems: Vec<Problem>,
}

/// A part of a whole, kept as whole numbers so that it compares exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Score {
    /// How many agree.
    pub matched: usize,
    /// Of how many.
    pub of: usize,
}

/// How a fact is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProblemKind {
    /// Only the real run has it.
    Missing,
    /// Both have it, at too different a time (early as well as late), count or text.
    Late,
    /// Only the simulation has it.
    Extra,
}

/// One difference that counts.
#[derive(Clone, Debug)]
pub struct Problem {
    /// How it is wrong.
    pub kind: ProblemKind,
    /// The object, under its name without random parts.
    pub object: String,
    /// The fact.
    pub what: String,
    /// The simulation's wording, where that is what differs.
    pub instead: Option<String>,
    /// When in the real run, in seconds since step 0.
    pub real: Option<f64>,
    /// When in the simulation, in seconds since step 0.
    pub simulated: Option<f64>,
    /// How far it is off.
    pub note: String,
    /// It fails the scenario whatever the score.
    pub terminal: bool,
    /// Its time is so far off that it fails the scenario whatever the score.
    pub gross: bool,
}

impl Score {
    /// Whether it is at least so many hundredths; nothing at all is not.
    pub fn is_at_least(self, hundredths: usize) -> bool {
        self.of > 0 && self.matched * 100 >= hundredths * self.of
    }
}

/// The comparisons with a second real run: of it with the simulation, and of the first with it.
pub(super) struct Second<'a> {
    pub(super) with_simulated: Comparison<'a>,
    pub(super) of_real: Comparison<'a>,
}

impl Second<'_> {
    /// How much the two real runs agree. One that agrees little is a failed recording, which would
    /// excuse everything.
    pub(super) fn likeness(&self) -> Score {
        let (matched, of) = self.of_real.matched_of_all();
        if of == 0 { Score { matched: 1, of: 1 } } else { Score { matched, of } }
    }
}

impl Verdict {
    /// The part of the facts that agree.
    pub fn score(&self) -> Score {
        let apart = self.missing + self.extra + self.late;
        Score { matched: self.matched, of: self.matched + apart }
    }

    /// Judges by a comparison and what a second real run excuses of it.
    pub(super) fn of(
        scenario: String,
        broken: &[String],
        first: &Comparison<'_>,
        second: Option<&Second<'_>>,
    ) -> Self {
        let mut excuses = Excuses::of(second);
        let mut tally = Tally { matched: first.matched.len(), ..Tally::default() };
        tally.missing(first, &mut excuses);
        tally.extra(first, &mut excuses);
        for late in &first.late {
            tally.late(late, &excuses);
        }
        let Tally { matched, not_judged, mut problems } = tally;
        problems.sort_by(|a, b| in_order(a).total_cmp(&in_order(b)).then(a.kind.cmp(&b.kind)));
        let count = |kind| problems.iter().filter(|p| p.kind == kind).count();
        let mut verdict = Self {
            scenario,
            passed: false,
            matched,
            missing: count(ProblemKind::Missing),
            extra: count(ProblemKind::Extra),
            late: count(ProblemKind::Late),
            not_judged,
            note: String::new(),
            broken: broken.to_vec(),
            problems,
        };
        let fatal = verdict.problems.iter().any(|p| p.terminal || p.gross);
        verdict.passed = verdict.score().is_at_least(97) && !fatal && verdict.broken.is_empty();
        verdict
    }
}

/// The place of a problem in time; facts without a time come last.
fn in_order(problem: &Problem) -> f64 {
    match problem.kind {
        ProblemKind::Missing | ProblemKind::Late => problem.real,
        ProblemKind::Extra => problem.simulated,
    }
    .unwrap_or(f64::INFINITY)
}

/// A unit's key and a label.
type Signature = (String, String);

fn signature(mark: &Mark) -> Signature {
    (mark.unit.to_string(), mark.what.clone())
}

/// What two real runs do not have in common, and where the second one has what the first one has.
#[derive(Default)]
struct Excuses {
    gone_in_second: BTreeMap<Signature, usize>,
    only_in_second: BTreeMap<Signature, usize>,
    missing_in_second: BTreeSet<Signature>,
    /// Where the second run is late: its first time of each fact, if it has one.
    late_in_second: BTreeMap<Signature, Option<f64>>,
    /// The second run's time of a mark of the first.
    twin: BTreeMap<usize, Option<f64>>,
    /// The simulated marks that agree with the second run.
    agrees_with_second: BTreeSet<usize>,
}

impl Excuses {
    fn of(second: Option<&Second<'_>>) -> Self {
        let mut excuses = Self::default();
        let Some(Second { with_simulated, of_real }) = second else { return excuses };
        for mark in &of_real.missing {
            *excuses.gone_in_second.entry(signature(mark)).or_default() += 1;
            excuses.missing_in_second.insert(signature(mark));
        }
        for mark in &of_real.extra {
            *excuses.only_in_second.entry(signature(mark)).or_default() += 1;
        }
        for late in &of_real.late {
            excuses.late_in_second.entry(signature(&late.real)).or_insert(late.simulated.t);
        }
        let borrowed = |mark: &Cow<'_, Mark>| Some(mark.serial).filter(|serial| *serial > 0);
        for (real, other) in &of_real.matched {
            excuses.twin.extend(borrowed(real).map(|serial| (serial, other.t)));
        }
        let agreeing = with_simulated.matched.iter().filter_map(|(_, mark)| borrowed(mark));
        excuses.agrees_with_second.extend(agreeing);
        excuses
    }

    /// Whether the second run has a late fact anywhere between the first one and the simulation.
    fn excuses_time(&self, late: &Late<'_>, tolerance: f64) -> bool {
        if self.agrees_with_second.contains(&late.simulated.serial) {
            return true;
        }
        let other = self.late_in_second.get(&signature(&late.real));
        let other = other.or_else(|| self.twin.get(&late.real.serial)).copied().flatten();
        let (Some(a), Some(b), Some(c)) = (late.real.t, late.simulated.t, other) else {
            return false;
        };
        a.min(c) - tolerance <= b && b <= a.max(c) + tolerance
    }
}

/// The counting of what is held against a simulation.
#[derive(Default)]
struct Tally {
    matched: usize,
    not_judged: usize,
    problems: Vec<Problem>,
}

impl Tally {
    fn missing(&mut self, first: &Comparison<'_>, excuses: &mut Excuses) {
        for mark in &first.missing {
            if used_up(&mut excuses.gone_in_second, mark) {
                self.not_judged += 1;
            } else {
                let terminal = mark.terminal;
                self.problems.push(Problem {
                    terminal,
                    real: mark.t,
                    ..problem(ProblemKind::Missing, mark)
                });
            }
        }
    }

    fn extra(&mut self, first: &Comparison<'_>, excuses: &mut Excuses) {
        let terminal: BTreeSet<&str> =
            first.missing.iter().filter(|m| m.terminal).map(|m| m.unit.as_str()).collect();
        for mark in &first.extra {
            if used_up(&mut excuses.only_in_second, mark) {
                self.not_judged += 1;
                continue;
            }
            // The real run had not settled, so that there is no final value to hold against it.
            let unsettled = mark.terminal && mark.what.starts_with("finally");
            if !unsettled || terminal.contains(mark.unit.as_str()) {
                self.problems
                    .push(Problem { simulated: mark.t, ..problem(ProblemKind::Extra, mark) });
            }
        }
    }

    fn late(&mut self, late: &Late<'_>, excuses: &Excuses) {
        let Late { real, simulated, why } = late;
        let mut problem = Problem {
            real: real.t,
            simulated: simulated.t,
            instead: (real.what != simulated.what).then(|| simulated.what.clone()),
            ..problem(ProblemKind::Late, real)
        };
        let (Why::Time { tolerance }, Some(a), Some(b)) = (why, real.t, simulated.t) else {
            let signature = signature(real);
            if excuses.late_in_second.contains_key(&signature)
                || excuses.missing_in_second.contains(&signature)
            {
                self.not_judged += 1;
                return;
            }
            problem.note = match why {
                Why::Times { real, simulated } => format!("{real} times, not {simulated}"),
                Why::Text | Why::Time { .. } => "another text".to_owned(),
            };
            self.problems.push(problem);
            return;
        };
        if excuses.excuses_time(late, *tolerance) {
            self.matched += 1;
            return;
        }
        problem.note = format!("{:+.1} s, allowed {tolerance:.1}", b - a);
        problem.gross = (b - a).abs() > tolerance + GROSS;
        self.problems.push(problem);
    }
}

/// Takes one excuse for a fact, if there is one left.
fn used_up(excuses: &mut BTreeMap<Signature, usize>, mark: &Mark) -> bool {
    match excuses.get_mut(&signature(mark)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

fn problem(kind: ProblemKind, mark: &Mark) -> Problem {
    Problem {
        kind,
        object: mark.unit.to_string(),
        what: mark.what.clone(),
        instead: None,
        real: None,
        simulated: None,
        note: String::new(),
        terminal: false,
        gross: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(
        matched: usize,
        missing: &[(&str, bool)],
        late: &[(f64, f64)],
    ) -> Comparison<'static> {
        let fact = |what: &str| Mark::new("Job j", what);
        let at = |t: f64| {
            let mut mark = fact("started");
            mark.t = Some(t);
            Cow::Owned(mark)
        };
        let missing = missing.iter().map(|(what, terminal)| {
            let mut mark = fact(what);
            mark.terminal = *terminal;
            Cow::Owned(mark)
        });
        let late = late.iter().map(|(a, b)| Late {
            real: at(*a),
            simulated: at(*b),
            why: Why::Time { tolerance: 2.0 },
        });
        let same = || (Cow::Owned(fact("x")), Cow::Owned(fact("x")));
        Comparison {
            matched: (0..matched).map(|_| same()).collect(),
            missing: missing.collect(),
            extra: Vec::new(),
            late: late.collect(),
        }
    }

    fn check(
        first: &Comparison<'_>,
        second: Option<&Second<'_>>,
        passed: bool,
        counts: [usize; 4],
    ) {
        let v = Verdict::of("s".to_owned(), &[], first, second);
        assert_eq!((v.passed, [v.matched, v.missing, v.late, v.not_judged]), (passed, counts));
    }

    #[test]
    fn a_score_of_exactly_97_hundredths_passes() {
        let three = [("a", false), ("b", false), ("c", false)];
        check(&comparison(97, &three, &[]), None, true, [97, 3, 0, 0]);
        check(&comparison(96, &three, &[]), None, false, [96, 3, 0, 0]);
        check(&comparison(0, &[], &[]), None, false, [0, 0, 0, 0]);
    }

    #[test]
    fn a_wrong_terminal_fact_or_a_gross_delay_fails_whatever_the_score() {
        check(&comparison(1000, &[("finally x", true)], &[]), None, false, [1000, 1, 0, 0]);
        check(&comparison(1000, &[], &[(10.0, 16.9)]), None, true, [1000, 0, 1, 0]);
        check(&comparison(1000, &[], &[(10.0, 17.1)]), None, false, [1000, 0, 1, 0]);
    }

    #[test]
    fn what_differs_between_two_real_runs_is_excused() {
        let second = Second {
            with_simulated: Comparison::default(),
            of_real: comparison(0, &[("a", false)], &[(10.0, 20.0)]),
        };
        let first = comparison(50, &[("a", false), ("a", false)], &[(10.0, 21.0)]);
        check(&first, Some(&second), true, [51, 1, 0, 1]);
        check(&first, None, false, [50, 2, 1, 0]);
    }
}

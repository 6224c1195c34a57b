//! Milestones, the units they belong to, and gauges that turn values over time into milestones.

use std::fmt;

use serde_json::Value;

use crate::base::Str;

/// Seconds that every milestone may be off.
pub(super) const BASE_TOLERANCE: f64 = 1.6;

/// A value counts when it was held this long, in seconds; a shorter one may be hidden by the
/// batching of updates.
pub(super) const SOLID: f64 = 2.5;

/// A final value is judged when the real cluster held it this long at the end, in seconds.
pub(super) const SETTLED: f64 = 5.0;

/// Values held shorter than this, in seconds, do not count for minimum and maximum.
const FLICKER: f64 = 0.4;

/// One milestone: a fact about one object that a user of the cluster would notice.
#[derive(Clone)]
pub(super) struct Mark {
    /// The key of its unit.
    pub(super) unit: Str,
    /// The label; two marks can only pair when their labels are equal.
    pub(super) what: String,
    /// When, in seconds since step 0; `None` for a fact without a time.
    pub(super) t: Option<f64>,
    /// False: shown too briefly to be required of the other side, but it may pair with a solid
    /// mark there.
    pub(super) solid: bool,
    /// A wrong one fails the scenario whatever the score.
    pub(super) terminal: bool,
    /// Extra seconds of tolerance, for the phase of a probe and the like.
    pub(super) slack: f64,
    /// Where a jittered back-off may put it.
    pub(super) window: Option<Window>,
    /// Its time is random, so that later milestones may share its deviation.
    pub(super) loose: bool,
    /// Its place in its trace, which tells equal marks apart; zero for one made by a comparison.
    pub(super) serial: usize,
}

/// A mark is on time as well when it comes `from` to `to` seconds after `since`.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) since: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Mark {
    /// A solid mark without a time.
    pub(super) fn new(unit: impl Into<Str>, what: impl Into<String>) -> Self {
        Self {
            unit: unit.into(),
            what: what.into(),
            t: None,
            solid: true,
            terminal: false,
            slack: 0.0,
            window: None,
            loose: false,
            serial: 0,
        }
    }

    /// Allows it `slack` seconds more, since its time is random.
    pub(super) fn loosen(&mut self, slack: f64) {
        self.slack = slack;
        self.loose = true;
    }

    /// Neither required nor decisive any more.
    pub(super) fn excuse(&mut self) {
        self.solid = false;
        self.terminal = false;
    }
}

/// All the milestones of one object, or of one pooled thing such as a Service's endpoints.
pub(super) struct Unit {
    /// The identity without random parts, as it is printed.
    pub(super) key: Str,
    /// The units of one group are paired with those of the other side by best assignment.
    pub(super) group: Str,
    /// What it belongs to at the top: delays add up within a family.
    pub(super) family: String,
    pub(super) uid: Option<Str>,
    pub(super) node: Option<Str>,
    pub(super) marks: Vec<Mark>,
}

impl Unit {
    /// A unit without marks.
    pub(super) fn new(key: &str, group: &str) -> Self {
        let (key, group) = (Str::from(key), Str::from(group));
        Self { family: key.to_string(), key, group, uid: None, node: None, marks: Vec::new() }
    }

    /// Adds a fact without a time.
    pub(super) fn fact(&mut self, what: impl Into<String>) -> &mut Mark {
        self.push(what.into(), None)
    }

    /// Adds a milestone at `t` seconds.
    pub(super) fn at(&mut self, t: f64, what: impl Into<String>) -> &mut Mark {
        self.push(what.into(), Some(t))
    }

    /// Adds a fact that fails the scenario when it is wrong.
    pub(super) fn terminal(&mut self, what: impl Into<String>) {
        self.fact(what).terminal = true;
    }

    fn push(&mut self, what: String, t: Option<f64>) -> &mut Mark {
        let mut mark = Mark::new(self.key.clone(), what);
        mark.t = t;
        self.marks.push(mark);
        self.marks.last_mut().expect("just pushed")
    }

    /// Puts the marks in order of time, those without a time at the end.
    pub(super) fn sort(&mut self) {
        self.marks.sort_by(|a, b| match (a.t, b.t) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
    }
}

/// One value of a [`Gauge`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// Not known; has no milestone.
    Unknown,
    /// A whole number.
    Count(i64),
    /// Anything else, as it is shown.
    Text(String),
}

impl Level {
    /// The value of a field; `otherwise` where there is none.
    pub(super) fn of(value: Option<&Value>, otherwise: &Self) -> Self {
        match value {
            None | Some(Value::Null) => otherwise.clone(),
            Some(other) => other
                .as_i64()
                .map_or_else(|| Self::Text(super::value::shown(Some(other))), Self::Count),
        }
    }

    /// A text.
    pub(super) fn text(s: impl Into<String>) -> Self {
        Self::Text(s.into())
    }

    /// One of two words.
    pub(super) fn choice(yes: bool, then: &str, otherwise: &str) -> Self {
        Self::text(if yes { then } else { otherwise })
    }

    /// What an object begins with before anything happens to it.
    fn is_blank(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Count(n) => *n == 0,
            Self::Text(s) => matches!(s.as_str(), "" | "none" | "False"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("None"),
            Self::Count(n) => n.fmt(f),
            Self::Text(s) => f.write_str(s),
        }
    }
}

/// A value over time; becomes one mark per value that was held long enough.
#[derive(Default)]
pub(super) struct Gauge {
    points: Vec<(f64, Level)>,
}

/// How a gauge becomes marks.
#[derive(Clone, Copy)]
pub(super) struct Showing {
    /// The end of the object or of the run, in seconds.
    pub(super) end: f64,
    /// The first value needs no mark.
    pub(super) skip_first: bool,
    /// How long a value is held to be solid, in seconds.
    pub(super) hold: f64,
    /// The last value is a fact of its own.
    pub(super) finally: bool,
    /// Extra tolerance of each mark, in seconds.
    pub(super) slack: f64,
}

impl Showing {
    /// Every value until `end`, the last one as a fact of its own where `finally`.
    pub(super) fn until(end: f64, finally: bool) -> Self {
        Self { end, skip_first: false, hold: SOLID, finally, slack: 0.0 }
    }

    /// Without a mark for the first value, where that is so.
    pub(super) fn skip_first(self, skip_first: bool) -> Self {
        Self { skip_first, ..self }
    }

    /// With values solid when held this many seconds.
    pub(super) fn hold(self, hold: f64) -> Self {
        Self { hold, ..self }
    }

    /// With this many seconds more of tolerance.
    pub(super) fn slack(self, slack: f64) -> Self {
        Self { slack, ..self }
    }
}

impl Gauge {
    /// The value is `level` from `t` on.
    pub(super) fn put(&mut self, t: f64, level: Level) {
        if self.points.last().is_none_or(|(_, last)| *last != level) {
            self.points.push((t, level));
        }
    }

    /// The values that were put, each different from the one before it.
    pub(super) fn points(&self) -> &[(f64, Level)] {
        &self.points
    }

    /// Whether it began with what means "nothing yet".
    pub(super) fn begins_blank(&self) -> bool {
        self.points.first().is_some_and(|(_, level)| level.is_blank())
    }

    /// Adds the marks to a unit and returns them.
    pub(super) fn show<'a>(&self, unit: &'a mut Unit, name: &str, how: Showing) -> &'a mut [Mark] {
        let before = unit.marks.len();
        let mut held = None;
        for (i, (from, to, level)) in self.spans(how.end).enumerate() {
            let solid = to - from >= how.hold;
            if !(how.skip_first && i == 0 || *level == Level::Unknown) {
                let mark = unit.at(from, format!("{name} {level}"));
                // A flicker and the return from it may both be lost in a batch of updates.
                mark.solid = solid && held != Some(level);
                mark.slack = how.slack;
                mark.loose = how.slack > 0.0;
            }
            if solid || i == 0 {
                held = Some(level);
            }
        }
        if let Some((from, level)) = self.points.last().filter(|_| how.finally) {
            let settled = how.end - from >= SETTLED || *from <= 0.5;
            let mark = unit.fact(format!("finally {name} {level}"));
            mark.solid = settled;
            mark.terminal = settled;
        }
        &mut unit.marks[before..]
    }

    /// The numbers that were held for more than a moment.
    pub(super) fn counts_held(&self, end: f64) -> impl Iterator<Item = i64> {
        self.spans(end).filter(|(from, to, _)| to - from >= FLICKER).filter_map(|(_, _, l)| match l
        {
            Level::Count(n) => Some(*n),
            Level::Unknown | Level::Text(_) => None,
        })
    }

    /// The turning points of a number over time: 0, 1, 2, 4, 3, 0 has 0, 4, 0.
    pub(super) fn turns(&self) -> Vec<i64> {
        let mut out: Vec<i64> = Vec::new();
        for (_, level) in &self.points {
            let Level::Count(n) = level else { continue };
            match out.as_mut_slice() {
                [.., a, b] if b.cmp(&a) == n.cmp(b) && a != b => *b = *n,
                _ => out.push(*n),
            }
        }
        out
    }

    fn spans(&self, end: f64) -> impl Iterator<Item = (f64, f64, &Level)> {
        let ends = self.points.iter().skip(1).map(|(t, _)| *t).chain([end]);
        self.points.iter().zip(ends).map(|((from, level), to)| (*from, to, level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(points: &[(f64, i64)]) -> Gauge {
        let mut gauge = Gauge::default();
        for (t, n) in points {
            gauge.put(*t, Level::Count(*n));
        }
        gauge
    }

    fn check(points: &[(f64, i64)], how: Showing, expect: &[(&str, bool, bool)]) {
        let mut unit = Unit::new("Job j", "Job j");
        gauge(points).show(&mut unit, "active", how);
        let got: Vec<(&str, bool, bool)> =
            unit.marks.iter().map(|m| (m.what.as_str(), m.solid, m.terminal)).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn a_value_held_too_briefly_is_not_solid_and_neither_is_the_return_from_it() {
        check(
            &[(0.0, 1), (5.0, 2), (6.0, 1)],
            Showing::until(20.0, false),
            &[("active 1", true, false), ("active 2", false, false), ("active 1", false, false)],
        );
    }

    #[test]
    fn the_last_value_is_terminal_when_it_was_held_to_the_end() {
        check(
            &[(0.0, 0), (10.0, 3)],
            Showing::until(20.0, true).skip_first(true),
            &[("active 3", true, false), ("finally active 3", true, true)],
        );
        check(
            &[(0.0, 0), (18.0, 3)],
            Showing::until(20.0, true).skip_first(true),
            &[("active 3", false, false), ("finally active 3", false, false)],
        );
    }

    #[test]
    fn turning_points_leave_out_what_lies_on_the_way() {
        let turns = |ns: &[i64]| {
            let points: Vec<(f64, i64)> = ns.iter().map(|n| (0.0, *n)).collect();
            gauge(&points).turns()
        };
        assert_eq!(turns(&[0, 1, 2, 4, 3, 0]), [0, 4, 0]);
        assert_eq!(turns(&[3, 2, 4]), [3, 2, 4]);
        assert_eq!(turns(&[]), [0; 0]);
    }
}

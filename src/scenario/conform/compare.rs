//! One trace held against another: what pairs on time, what pairs at too different a time, and
//! what stays alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::ConformError;
use super::events::{EventKey, counts_agree, is_by_chance};
use super::logs::{self, Logs};
use super::marks::{BASE_TOLERANCE, Mark};
use super::pairing::{align, by_label, labels, pair_units};
use super::reduce::Reduced;
use super::sequence::Likeness;
use super::text::short;

/// ... or this part of the time since what came before it.
const RELATIVE_TOLERANCE: f64 = 0.06;

/// The recorder's machine was busy: a simulation may be this much earlier, in seconds.
const EARLY_TOLERANCE: f64 = 2.8;

/// A deviation of more than this, in seconds, is one that later milestones may share.
const NOTABLE: f64 = 0.8;

/// The longest time in seconds for which milestones may share the deviation of a random one.
const LONGEST_REACH: f64 = 75.0;

/// The same fact on both sides.
pub(super) type Match<'a> = (Cow<'a, Mark>, Cow<'a, Mark>);

/// A fact that both sides have, but not alike.
pub(super) struct Late<'a> {
    pub(super) real: Cow<'a, Mark>,
    pub(super) simulated: Cow<'a, Mark>,
    pub(super) why: Why,
}

/// What is not alike.
pub(super) enum Why {
    /// The time, by more than so many seconds.
    Time { tolerance: f64 },
    /// How many times an event occurred.
    Times { real: u64, simulated: u64 },
    /// The text of an event, or a log.
    Text,
}

/// The raw result of holding one trace against another.
#[derive(Default)]
pub(super) struct Comparison<'a> {
    pub(super) matched: Vec<Match<'a>>,
    pub(super) missing: Vec<Cow<'a, Mark>>,
    pub(super) extra: Vec<Cow<'a, Mark>>,
    pub(super) late: Vec<Late<'a>>,
}

/// A pair of marks, and the family of the real one's unit.
#[derive(Clone, Copy)]
struct Paired<'a> {
    real: &'a Mark,
    simulated: &'a Mark,
    family: &'a str,
}

impl<'a> Comparison<'a> {
    /// Holds a simulated trace against a real one, and their logs where both have them.
    ///
    /// # Errors
    /// When there are more exchangeable objects than can be paired.
    pub(super) fn of(
        real: (&'a Reduced, Option<&Logs>),
        simulated: (&'a Reduced, Option<&Logs>),
    ) -> Result<Self, ConformError> {
        let mut out = Self::default();
        let mut paired = Vec::new();
        let mut uids: BTreeMap<&str, &str> = BTreeMap::new();
        for (a, b) in pair_units(&real.0.units, &simulated.0.units)? {
            let (a, b) = match (a, b) {
                (Some(a), Some(b)) => (a, b),
                (a, b) => {
                    out.missing.extend(a.map_or(&[][..], |a| &a.marks).iter().filter_map(solid));
                    out.extra.extend(b.map_or(&[][..], |b| &b.marks).iter().filter_map(solid));
                    continue;
                }
            };
            if let (Some(x), Some(y)) = (&a.uid, &b.uid) {
                uids.insert(x, y);
            }
            for (x, y) in by_label(&labels(a), &labels(b)) {
                let aligned = align(x, y)?;
                let family = a.family.as_str();
                let pairs = aligned.pairs.into_iter();
                paired.extend(pairs.map(|(real, simulated)| Paired { real, simulated, family }));
                out.missing.extend(aligned.only_real.into_iter().filter_map(solid));
                out.extra.extend(aligned.only_simulated.into_iter().filter_map(solid));
            }
        }
        out.compare_times(&real.0.steps, paired);
        out.compare_events(real.0, simulated.0);
        if let (Some(x), Some(y)) = (real.1, simulated.1) {
            logs::compare((real.0, x), (simulated.0, y), &uids, &mut out);
        }
        Ok(out)
    }

    /// How many facts there are, and how many of them agree.
    pub(super) fn matched_of_all(&self) -> (usize, usize) {
        let apart = self.missing.len() + self.extra.len() + self.late.len();
        (self.matched.len(), self.matched.len() + apart)
    }

    fn compare_times(&mut self, steps: &[f64], mut paired: Vec<Paired<'a>>) {
        // Random milestones a little before their time, so that they explain what comes with them.
        let when = |p: &Paired<'_>| {
            let early = if p.real.loose || p.simulated.loose { 0.6 } else { 0.0 };
            p.real.t.map_or(-early, |t| t - early)
        };
        paired.sort_by(|p, q| {
            p.real.t.is_none().cmp(&q.real.t.is_none()).then(when(p).total_cmp(&when(q)))
        });
        let mut clock = Clock { steps, ..Clock::default() };
        for pair in paired {
            let Paired { real, simulated, family } = pair;
            // Not counted where neither is solid, but it explains what follows.
            let counts = real.solid || simulated.solid;
            let verdict = match (real.t, simulated.t) {
                (Some(a), Some(b)) => clock.judge(pair, a, b),
                _ => Ok(()),
            };
            if let Some(t) = real.t.filter(|_| simulated.t.is_some()) {
                clock.of_unit.insert(&real.unit, t);
                clock.of_family.insert(family, t);
            }
            let (real, simulated) = (Cow::Borrowed(real), Cow::Borrowed(simulated));
            match verdict {
                _ if !counts => {}
                Ok(()) => self.matched.push((real, simulated)),
                Err(tolerance) => {
                    self.late.push(Late { real, simulated, why: Why::Time { tolerance } });
                }
            }
        }
    }

    fn compare_events(&mut self, real: &Reduced, simulated: &Reduced) {
        let (a, b) = (&real.events, &simulated.events);
        let mut only_b: BTreeMap<&EventKey, u64> =
            b.iter().filter(|(k, _)| !a.contains_key(k)).map(|(k, n)| (k, *n)).collect();
        for (key, &n) in a {
            let mark: Cow<'a, Mark> = Cow::Owned(event_mark(key));
            let Some(&m) = b.get(key) else { continue };
            let twin = mark.clone();
            if counts_agree(key, n, m) {
                self.matched.push((mark, twin));
            } else {
                let why = Why::Times { real: n, simulated: m };
                self.late.push(Late { real: mark, simulated: twin, why });
            }
        }
        for key in a.keys().filter(|k| !b.contains_key(k)) {
            let mut mark = event_mark(key);
            // The same event with another text counts once.
            if let Some(other) = most_alike(key, only_b.keys().copied()) {
                only_b.remove(other);
                let (real, simulated) = (Cow::Owned(mark), Cow::Owned(event_mark(other)));
                self.late.push(Late { real, simulated, why: Why::Text });
                continue;
            }
            // An event of which the simulation knows nothing at all.
            let known = b.keys().any(|k| k.who == key.who && k.reason == key.reason);
            mark.terminal = !known && !is_by_chance(&key.reason);
            self.missing.push(Cow::Owned(mark));
        }
        self.extra.extend(only_b.into_keys().map(|k| Cow::Owned(event_mark(k))));
    }
}

fn solid(mark: &Mark) -> Option<Cow<'_, Mark>> {
    mark.solid.then_some(Cow::Borrowed(mark))
}

/// An event as a fact.
fn event_mark(key: &EventKey) -> Mark {
    let EventKey { who, event_type, reason, message, field } = key;
    let field = if field.is_empty() { String::new() } else { format!(" ({field})") };
    let what = format!("{event_type} {reason} \"{}\"{field}", short(message, 150));
    Mark::new(format!("Event on {who}"), what)
}

/// The first of the events with the most similar text, among those that differ in text alone.
fn most_alike<'a>(
    key: &EventKey,
    others: impl Iterator<Item = &'a EventKey>,
) -> Option<&'a EventKey> {
    let mut best: Option<(Likeness, &EventKey)> = None;
    for other in others.filter(|o| o.same_but_for_text(key)) {
        let likeness = Likeness::of_texts(&other.message, &key.message);
        if best.is_none_or(|(most, _)| likeness.exceeds(most)) {
            best = Some((likeness, other));
        }
    }
    best.map(|(_, other)| other)
}

/// What the milestones so far say about how late the next ones may be.
#[derive(Default)]
struct Clock<'a> {
    /// The times of the steps, in order.
    steps: &'a [f64],
    /// The latest milestone of each unit and of each family.
    of_unit: BTreeMap<&'a str, f64>,
    of_family: BTreeMap<&'a str, f64>,
    /// Random milestones that were accepted.
    random: Vec<Random>,
    /// The last accepted deviation in each family.
    drift: BTreeMap<&'a str, f64>,
}

/// A random milestone that deviated: what comes soon after it may deviate as much.
struct Random {
    t: f64,
    deviation: f64,
    reach: f64,
}

impl<'a> Clock<'a> {
    /// Whether a real milestone at `a` and a simulated one at `b` are at the same time; if not, the
    /// tolerance that they had.
    fn judge(&mut self, pair: Paired<'a>, a: f64, b: f64) -> Result<(), f64> {
        let Paired { real, simulated, family } = pair;
        let step = self.steps.partition_point(|s| *s <= a + 0.01).checked_sub(1);
        let since = step.map_or(0.0, |i| self.steps[i]);
        let before = self.of_unit.get(real.unit.as_str()).or_else(|| self.of_family.get(family));
        let base = before.copied().unwrap_or(since).max(0.0);
        let tolerance = BASE_TOLERANCE.max(RELATIVE_TOLERANCE * (a - base));
        let slack = real.slack.max(simulated.slack);
        let off = b - a;
        let on_time = -tolerance.max(EARLY_TOLERANCE) - slack <= off && off <= tolerance + slack;
        let in_window = || both_in_window(real, simulated);
        let mut inherited = None;
        if !on_time && !in_window() {
            inherited = self.inherited(a, off, tolerance + slack);
            if inherited.is_none() && !self.is_drift(family, off, tolerance + slack, a - since) {
                return Err(tolerance + slack);
            }
        }
        self.drift.insert(family, off);
        let random = real.loose || simulated.loose || inherited.is_some();
        if random && off.abs() > NOTABLE {
            let wild = real.window.is_some() || simulated.window.is_some() || slack > 2.0;
            let reach = if wild { LONGEST_REACH } else { inherited.unwrap_or(20.0) };
            self.random.push(Random { t: a, deviation: off, reach });
        }
        Ok(())
    }

    /// The reach of a random milestone shortly before whose deviation explains this one.
    fn inherited(&self, a: f64, off: f64, allowed: f64) -> Option<f64> {
        let mut recent = self.random.iter().rev().take_while(|r| r.t >= a - LONGEST_REACH);
        let explains = |r: &&Random| {
            a - r.reach <= r.t && r.t <= a + 0.6 && (off - r.deviation).abs() <= allowed
        };
        recent.find(explains).map(|r| r.reach)
    }

    /// Whether small delays that add up along a rollout explain it.
    fn is_drift(&self, family: &str, off: f64, allowed: f64, since_step: f64) -> bool {
        let most = allowed + (RELATIVE_TOLERANCE * since_step).min(3.0);
        self.drift
            .get(family)
            .is_some_and(|drift| (off - drift).abs() <= allowed && off.abs() <= most)
    }
}

/// Whether both lie where the jitter of a back-off may put them.
fn both_in_window(real: &Mark, simulated: &Mark) -> bool {
    let (Some(x), Some(y)) = (real.window, simulated.window) else { return false };
    let (from, to) = (x.from.min(y.from), x.to.max(y.to));
    [(real.t, x), (simulated.t, y)]
        .into_iter()
        .all(|(t, w)| t.is_some_and(|t| from <= t - w.since && t - w.since <= to))
}

#[cfg(test)]
mod tests {
    use super::super::marks::Window;
    use super::*;

    fn mark(t: f64, loosen: Option<f64>, window: Option<Window>) -> Mark {
        let mut mark = Mark::new("Pod p", "x");
        mark.t = Some(t);
        mark.window = window;
        if let Some(slack) = loosen {
            mark.loosen(slack);
        }
        mark
    }

    fn judged(pairs: &[(Mark, Mark)], steps: &[f64]) -> Vec<bool> {
        let mut clock = Clock { steps, ..Clock::default() };
        let mut verdicts = Vec::new();
        for (real, simulated) in pairs {
            let pair = Paired { real, simulated, family: "f" };
            verdicts.push(clock.judge(pair, real.t.unwrap(), simulated.t.unwrap()).is_ok());
        }
        verdicts
    }

    #[test]
    fn a_milestone_may_be_a_little_late_and_somewhat_more_early() {
        let check = |real: f64, simulated: f64, ok: bool| {
            let pair = (mark(real, None, None), mark(simulated, None, None));
            assert_eq!(judged(&[pair], &[0.0]), [ok], "{real} {simulated}");
        };
        check(10.0, 11.5, true);
        check(10.0, 11.7, false);
        check(10.0, 7.3, true);
        check(10.0, 7.1, false);
        check(100.0, 105.9, true);
        check(100.0, 106.1, false);
    }

    #[test]
    fn what_follows_a_random_milestone_may_share_its_deviation() {
        let loose = (mark(10.0, Some(6.0), None), mark(16.0, Some(6.0), None));
        let next = (mark(12.0, None, None), mark(18.0, None, None));
        assert_eq!(judged(&[loose, next.clone()], &[0.0]), [true, true]);
        assert_eq!(judged(&[next], &[0.0]), [false]);
    }

    #[test]
    fn a_restart_may_be_anywhere_in_its_window() {
        let window = |since| Some(Window { since, from: 18.4, to: 32.1 });
        let pair = (mark(30.0, None, window(10.0)), mark(42.0, None, window(11.0)));
        assert_eq!(judged(&[pair], &[29.0]), [true]);
    }
}

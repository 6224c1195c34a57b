//! Load profiles: what pods use and what metrics read, as a function of time.
//!
//! There is no metrics server in a simulation: usage is not measured but stated. A profile stands in
//! an annotation of the autoscaler, or of the pod template for what each pod uses by itself:
//!
//! | annotation | what it states |
//! |---|---|
//! | `wavetank.dev/load.cpu`, `wavetank.dev/load.memory` | what a pod uses; a pod's containers share it |
//! | `wavetank.dev/load.cpu.CONTAINER`, `….memory.CONTAINER` | what one container uses |
//! | `wavetank.dev/load.metric.NAME` | a pods, object or external metric |
//!
//! The autoscaler's annotation comes before the pods' own. Times count from the creation of the object
//! that carries the annotation. A profile is one of
//!
//! - `250m`: constant,
//! - `0s=100m 2m=500m`: steps, each value from its time on,
//! - `ramp 0s=100m 10m=900m`: straight lines between the points,
//! - `sine 100m..900m every 10m`: a wave that starts at its middle and rises,
//!
//! and with the word `total` before it, it is shared by the ready pods in equal parts.
//!
//! Samples follow metrics-server's resolution: they are taken every [`SCRAPE`], counted from the
//! epoch, and a pod has its first with the second one after its last container started. A cluster
//! without any profile behaves as one without metrics server.

use std::fmt;
use std::time::Duration;

use crate::base::quantity::Quantity;
use crate::base::time::SimTime;

/// How often samples are taken (metrics-server's `--metric-resolution`).
pub const SCRAPE: Duration = Duration::from_secs(15);
/// No profile has more points than this.
pub const MAX_POINTS: usize = 1000;

/// What is used, as a function of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whether the ready pods share it.
    pub total: bool,
    /// Its course.
    pub shape: Shape,
}

/// The course of a profile; values are thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Always the same.
    Constant(i64),
    /// Each value from its time on; the first also before.
    Steps(Vec<(Duration, i64)>),
    /// Straight lines between the points, level outside.
    Ramp(Vec<(Duration, i64)>),
    /// A wave between two values.
    Sine {
        /// The least.
        low: i64,
        /// The most.
        high: i64,
        /// The length of one wave.
        period: Duration,
    },
}

/// A text that is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Something else stands where an amount is expected.
    #[error("{0:?} is no amount such as \"250m\"")]
    Amount(String),
    /// Something else stands where a time is expected.
    #[error("{0:?} is no time such as \"90s\", \"2m\" or \"1h30m\"")]
    Time(String),
    /// The points are out of order.
    #[error("{0:?} does not come after the point before it")]
    Order(String),
    /// A wave is written otherwise.
    #[error("a wave is written as \"sine LOW..HIGH every PERIOD\"")]
    Sine,
    /// There is nothing.
    #[error(
        "a profile is an amount, points such as \"0s=100m 2m=500m\", \"ramp\" with points, or \"sine LOW..HIGH every PERIOD\""
    )]
    Empty,
    /// There is too much.
    #[error("a profile has at most {MAX_POINTS} points")]
    TooMany,
}

impl Profile {
    /// Reads a profile; see the module.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let mut words: Vec<&str> =
            text.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty()).collect();
        let total = words.first() == Some(&"total");
        if total {
            words.remove(0);
        }
        let shape = match words.as_slice() {
            [] => return Err(ProfileError::Empty),
            ["ramp", points @ ..] => Shape::Ramp(points_of(points)?),
            ["sine", range, "every", period] => {
                let (low, high) = range.split_once("..").ok_or(ProfileError::Sine)?;
                let period = time(period)?;
                if period.is_zero() {
                    return Err(ProfileError::Sine);
                }
                Shape::Sine { low: amount(low)?, high: amount(high)?, period }
            }
            ["sine", ..] => return Err(ProfileError::Sine),
            [one] if !one.contains('=') => Shape::Constant(amount(one)?),
            points => Shape::Steps(points_of(points)?),
        };
        Ok(Self { total, shape })
    }

    /// The value in thousandths, so long after the beginning.
    pub fn at(&self, elapsed: Duration) -> i64 {
        match &self.shape {
            Shape::Constant(value) => *value,
            Shape::Steps(points) => {
                let passed = points.partition_point(|(at, _)| *at <= elapsed);
                points[passed.saturating_sub(1)].1
            }
            Shape::Ramp(points) => {
                let passed = points.partition_point(|(at, _)| *at <= elapsed);
                match (points.get(passed.wrapping_sub(1)), points.get(passed)) {
                    (Some(&from), Some(&to)) => between(from, to, elapsed),
                    (Some(&(_, value)), None) | (None, Some(&(_, value))) => value,
                    (None, None) => 0,
                }
            }
            Shape::Sine { low, high, period } => {
                let middle = i64::midpoint(*low, *high);
                let reach = i128::from(high.saturating_sub(*low)) / 2;
                let wave = sine(elapsed, *period);
                middle.saturating_add(narrow(reach * i128::from(wave) / i128::from(ONE)))
            }
        }
    }

    /// When the value may next differ, so long after the beginning; `None` when it never will.
    pub fn changes_after(&self, elapsed: Duration) -> Option<Duration> {
        match &self.shape {
            Shape::Constant(_) => None,
            Shape::Steps(points) => points.iter().map(|(at, _)| *at).find(|at| *at > elapsed),
            Shape::Ramp(points) => {
                let (first, last) = (points.first()?.0, points.last()?.0);
                (elapsed < last).then(|| first.max(elapsed + Duration::from_nanos(1)))
            }
            Shape::Sine { .. } => Some(elapsed + Duration::from_nanos(1)),
        }
    }
}

impl fmt::Display for Profile {
    /// As [`Profile::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: i64| Quantity::from_milli(value, crate::base::quantity::Format::DecimalSi);
        let written = |points: &[(Duration, i64)]| {
            let texts = points.iter().map(|(at, v)| format!("{}ms={}", at.as_millis(), shown(*v)));
            texts.collect::<Vec<_>>().join(" ")
        };
        if self.total {
            f.write_str("total ")?;
        }
        match &self.shape {
            Shape::Constant(value) => write!(f, "{}", shown(*value)),
            Shape::Steps(points) => f.write_str(&written(points)),
            Shape::Ramp(points) => write!(f, "ramp {}", written(points)),
            Shape::Sine { low, high, period } => {
                write!(f, "sine {}..{} every {}ms", shown(*low), shown(*high), period.as_millis())
            }
        }
    }
}

/// The time of the last sample at `now`.
pub fn last_scrape(now: SimTime) -> SimTime {
    let period = nanos(SCRAPE);
    SimTime::from_nanos(now.as_nanos() / period * period)
}

/// The first sample at `at` or after it.
pub fn scrape_from(at: SimTime) -> SimTime {
    let period = nanos(SCRAPE);
    SimTime::from_nanos(at.as_nanos().div_ceil(period).saturating_mul(period))
}

fn points_of(words: &[&str]) -> Result<Vec<(Duration, i64)>, ProfileError> {
    if words.is_empty() {
        return Err(ProfileError::Empty);
    }
    if words.len() > MAX_POINTS {
        return Err(ProfileError::TooMany);
    }
    let mut points: Vec<(Duration, i64)> = Vec::with_capacity(words.len());
    for word in words {
        let (at, value) =
            word.split_once('=').ok_or_else(|| ProfileError::Time((*word).to_owned()))?;
        let at = time(at)?;
        if points.last().is_some_and(|(before, _)| *before >= at) {
            return Err(ProfileError::Order((*word).to_owned()));
        }
        points.push((at, amount(value)?));
    }
    Ok(points)
}

fn amount(text: &str) -> Result<i64, ProfileError> {
    let quantity: Quantity = text.parse().map_err(|_| ProfileError::Amount(text.to_owned()))?;
    Ok(quantity.milli_value())
}

/// A time such as `1h30m`; at most some centuries.
fn time(text: &str) -> Result<Duration, ProfileError> {
    let wrong = || ProfileError::Time(text.to_owned());
    let (mut rest, mut sum) = (text, Duration::ZERO);
    if text.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let (unit, millis) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))
            .ok_or_else(wrong)?;
        let part = Duration::from_millis(number.checked_mul(millis).ok_or_else(wrong)?);
        sum = sum.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[unit.len()..];
    }
    Ok(sum)
}

fn between(from: (Duration, i64), to: (Duration, i64), at: Duration) -> i64 {
    let length = i128::from(nanos(to.0 - from.0)).max(1);
    let passed = i128::from(nanos(at.saturating_sub(from.0)));
    let rise = i128::from(to.1) - i128::from(from.1);
    from.1.saturating_add(narrow(rise * passed / length))
}

/// One, in [`QUARTER`].
const ONE: i64 = 1_000_000;
/// The sine of the first quarter of a wave in 32 steps, in millionths.
const QUARTER: [i64; 33] = [
    0, 49_068, 98_017, 146_730, 195_090, 242_980, 290_285, 336_890, 382_683, 427_555, 471_397,
    514_103, 555_570, 595_699, 634_393, 671_559, 707_107, 740_951, 773_010, 803_208, 831_470,
    857_729, 881_921, 903_989, 923_880, 941_544, 956_940, 970_031, 980_785, 989_177, 995_185,
    998_795, 1_000_000,
];

/// The sine in millionths, from a table: the same on every machine.
fn sine(elapsed: Duration, period: Duration) -> i64 {
    const STEPS: u128 = 128;
    const PARTS: u128 = 1000;
    let place = elapsed.as_nanos() % period.as_nanos() * STEPS * PARTS / period.as_nanos();
    let (step, part) = (place / PARTS, i64::try_from(place % PARTS).unwrap_or(0));
    let of = |step: u128| {
        let i = usize::try_from(step % (STEPS / 4)).unwrap_or(0);
        match step / (STEPS / 4) % 4 {
            0 => QUARTER[i],
            1 => QUARTER[32 - i],
            2 => -QUARTER[i],
            _ => -QUARTER[32 - i],
        }
    };
    of(step) + (of(step + 1) - of(step)) * part / 1000
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_profile_has_its_value_at_every_time() {
        let check = |text: &str, values: &[(u64, i64)]| {
            let profile = Profile::parse(text).unwrap();
            for (at, value) in values {
                assert_eq!(profile.at(secs(*at)), *value, "{text} at {at}");
            }
            assert_eq!(Profile::parse(&profile.to_string()).unwrap(), profile, "{text}");
        };
        check("250m", &[(0, 250), (1_000_000, 250)]);
        check("total 2", &[(5, 2000)]);
        check("10s=1 1m=3", &[(0, 1000), (10, 1000), (59, 1000), (60, 3000), (900, 3000)]);
        check("ramp 0s=100m, 10m=900m", &[(0, 100), (300, 500), (600, 900), (601, 900)]);
        check(
            "sine 100m..900m every 8m",
            &[(0, 500), (120, 900), (240, 500), (360, 100), (480, 500), (60, 782)],
        );
    }

    #[test]
    fn what_is_no_profile_is_refused_with_its_place() {
        let check = |text: &str, error: &str| {
            assert_eq!(Profile::parse(text).unwrap_err().to_string(), error, "{text}");
        };
        check("much", "\"much\" is no amount such as \"250m\"");
        check("0s=1 0s=2", "\"0s=2\" does not come after the point before it");
        check("ramp 1x=2", "\"1x\" is no time such as \"90s\", \"2m\" or \"1h30m\"");
        check("sine 1..2", "a wave is written as \"sine LOW..HIGH every PERIOD\"");
        check(
            "99999999999999999999h=1",
            "\"99999999999999999999h\" is no time such as \"90s\", \"2m\" or \"1h30m\"",
        );
        assert_eq!(Profile::parse("total"), Err(ProfileError::Empty));
    }

    #[test]
    fn a_profile_says_when_it_changes() {
        let after = |text: &str, at: u64| Profile::parse(text).unwrap().changes_after(secs(at));
        assert_eq!(after("1", 0), None);
        assert_eq!(after("0s=1 60s=2", 0), Some(secs(60)));
        assert_eq!(after("0s=1 60s=2", 60), None);
        assert_eq!(after("ramp 10s=1 60s=2", 0), Some(secs(10)));
        assert_eq!(after("ramp 10s=1 60s=2", 60), None);
        assert!(after("sine 1..2 every 1m", 7).is_some());
    }
}

//! What differs from run to run: lengths of time and exit codes, by list or by chance.
//!
//! Distributions are computed in whole numbers, so that every machine draws the same.

use std::time::Duration;

use super::{code, length, list};
use crate::base::rng::Stream;

/// No length that is drawn is longer: a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A length of time for each run; the last of them serves all further runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Varying(Vec<One>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum One {
    Exactly(Duration),
    Between(Duration, Duration),
    Exponential(Duration),
    Normal(Duration, Duration),
    Forever,
}

impl Varying {
    /// Reads `30s`, `10s..60s`, `exponential 30s`, `normal 30s 5s`, `forever`, or several with commas.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        list(text)?.iter().map(|one| One::parse(one)).collect::<Result<_, _>>().map(Self)
    }

    /// The length of the run after `attempt` others; `None` for one without end.
    pub fn draw(&self, attempt: u32, stream: &mut Stream) -> Option<Duration> {
        let last = self.0.len().saturating_sub(1);
        let at = usize::try_from(attempt).unwrap_or(usize::MAX).min(last);
        self.0.get(at)?.draw(stream)
    }
}

impl One {
    fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["forever"] => Ok(Self::Forever),
            ["exponential", mean] => length(mean).map(Self::Exponential),
            ["normal", mean, deviation] => Ok(Self::Normal(length(mean)?, length(deviation)?)),
            [one] => match one.split_once("..") {
                None => length(one).map(Self::Exactly),
                Some((from, to)) => {
                    let (from, to) = (length(from)?, length(to)?);
                    if from > to {
                        return Err(format!("{text:?} ends before it begins"));
                    }
                    Ok(Self::Between(from, to))
                }
            },
            _ => Err(format!(
                "{text:?} is no length of time such as 30s, 10s..60s, exponential 30s, normal 30s 5s or \
                 forever"
            )),
        }
    }

    fn draw(self, stream: &mut Stream) -> Option<Duration> {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let drawn = match self {
            Self::Forever => return None,
            Self::Exactly(length) => length,
            Self::Between(from, to) => from + stream.up_to(to - from + Duration::from_nanos(1)),
            Self::Exponential(mean) => {
                let product = u128::from(nanos(mean)) * u128::from(minus_ln(stream.word()));
                Duration::from_nanos(u64::try_from(product >> 32).unwrap_or(u64::MAX))
            }
            Self::Normal(mean, deviation) => {
                // The sum of twelve even draws of 32 bits has the mean 6 and the deviation 1.
                let sum: i128 = (0..12).map(|_| i128::from(stream.word() >> 32)).sum();
                let off = ((sum - (6 << 32)) * i128::from(nanos(deviation))) >> 32;
                let length = i128::from(nanos(mean)) + off;
                Duration::from_nanos(u64::try_from(length.max(0)).unwrap_or(u64::MAX))
            }
        };
        Some(drawn.min(LONGEST))
    }
}

/// The negative natural logarithm of `(word + 1) / 2^64`, with 32 binary places.
fn minus_ln(word: u64) -> u64 {
    // log2 by squaring: the leading place gives the whole part, each squaring one place more.
    const LN_2: u128 = 2_977_044_472; // ln 2 with 32 binary places
    let x = u128::from(word) + 1;
    let whole = 127 - x.leading_zeros();
    let mut mantissa = if whole <= 63 { x << (63 - whole) } else { x >> 1 };
    let mut fraction: u64 = 0;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            fraction |= 1;
            mantissa >>= 1;
        }
    }
    let log2 = (u64::from(whole) << 32) | fraction;
    let missing = (64_u64 << 32) - log2;
    u64::try_from((u128::from(missing) * LN_2) >> 32).unwrap_or(u64::MAX)
}

/// Exit codes, for each run or by weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    /// One for each run; the last serves all further runs.
    InTurn(Vec<u8>),
    /// By weight.
    Weighted(Vec<(u8, u64)>),
}

impl Codes {
    /// Reads `1`, `1, 1, 0` or `0 90%, 1 10%`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = list(text)?;
        if !text.contains('%') {
            return parts.iter().map(|one| code(one)).collect::<Result<_, _>>().map(Self::InTurn);
        }
        let wrong = || format!("{text:?} are no exit codes by weight such as 0 90%, 1 10%");
        let one = |part: &&str| {
            let (number, weight) = part.split_once(char::is_whitespace).ok_or_else(wrong)?;
            let weight = weight.trim().strip_suffix('%').ok_or_else(wrong)?;
            let weight: u32 = weight.parse().map_err(|_| wrong())?;
            Ok((code(number)?, u64::from(weight)))
        };
        let all: Vec<(u8, u64)> = parts.iter().map(one).collect::<Result<_, String>>()?;
        let sum: u64 = all.iter().map(|(_, weight)| *weight).sum();
        if sum == 0 { Err(wrong()) } else { Ok(Self::Weighted(all)) }
    }

    /// The code of the run after `attempt` others.
    pub fn draw(&self, attempt: u32, stream: &mut Stream) -> u8 {
        match self {
            Self::InTurn(codes) => {
                let at = usize::try_from(attempt)
                    .unwrap_or(usize::MAX)
                    .min(codes.len().saturating_sub(1));
                codes.get(at).copied().unwrap_or(0)
            }
            Self::Weighted(all) => {
                let mut left = stream.below(all.iter().map(|(_, weight)| *weight).sum());
                for (code, weight) in all {
                    if left < *weight {
                        return *code;
                    }
                    left -= weight;
                }
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// The mean of many draws, in milliseconds.
    fn mean(text: &str) -> u128 {
        let varying = Varying::parse(text).unwrap();
        let mut stream = Rng::new(7).stream("behavior", text);
        let sum: u128 =
            (0..10_000).map(|_| varying.draw(0, &mut stream).unwrap().as_millis()).sum();
        sum / 10_000
    }

    #[test]
    fn draws_lie_around_their_mean() {
        for (text, millis) in [
            ("30s", 30_000),
            ("10s..50s", 30_000),
            ("exponential 30s", 30_000),
            ("normal 30s 5s", 30_000),
        ] {
            let mean = mean(text);
            assert!(mean.abs_diff(millis) < 900, "{text}: {mean}");
        }
        let far = Varying::parse("normal 1s 30s").unwrap();
        let mut stream = Rng::new(7).stream("behavior", "far");
        assert!((0..100).any(|_| far.draw(0, &mut stream) == Some(Duration::ZERO)));
    }

    #[test]
    fn the_logarithm_is_right_at_known_places() {
        assert_eq!(minus_ln(u64::MAX), 0);
        let at = |word: u64, expect: u64| {
            let got = minus_ln(word);
            assert!(got.abs_diff(expect) < 16, "{got} {expect}");
        };
        at((1 << 63) - 1, 2_977_044_472); // ln 2
        at((1 << 62) - 1, 2 * 2_977_044_472);
        at(0, 64 * 2_977_044_472);
    }

    #[test]
    fn each_run_has_its_own_length_and_the_last_repeats() {
        let varying = Varying::parse("1s, 2s, forever").unwrap();
        let mut stream = Rng::new(1).stream("behavior", "x");
        let drawn: Vec<Option<u64>> =
            (0..4).map(|n| varying.draw(n, &mut stream).map(|d| d.as_secs())).collect();
        assert_eq!(drawn, [Some(1), Some(2), None, None]);
    }

    #[test]
    fn codes_come_by_weight() {
        let codes = Codes::parse("0 90%, 7 10%").unwrap();
        let mut stream = Rng::new(1).stream("behavior", "x");
        let failed = (0..1000).filter(|_| codes.draw(0, &mut stream) == 7).count();
        assert!((70..130).contains(&failed), "{failed}");
        for text in ["0 x%", "0 0%", "0%", "1 50"] {
            assert!(Codes::parse(text).is_err(), "{text}");
        }
    }
}

//! An amount that grows evenly from the start of a run: memory, or bytes on a disk.

use std::time::Duration;

use crate::base::quantity::Quantity;

const NANOS: i128 = 1_000_000_000;

/// So much at the start, so much more in a second, at most so much; in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    start: i64,
    per_second: i64,
    max: i64,
}

impl Growth {
    /// Reads `100Mi`, `50Mi +1Mi/s` or `50Mi +1Mi/s max 500Mi`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no amount such as 100Mi or 50Mi +1Mi/s max 500Mi");
        let amount = |word: &str| {
            let quantity: Quantity = word.parse().map_err(|_| wrong())?;
            Some(quantity.value()).filter(|n| *n >= 0).ok_or_else(wrong)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (growth, max) = match words[..] {
            [_] => ("+0/s", None),
            [_, "max", _] => return Err(wrong()),
            [_, growth] => (growth, None),
            [_, growth, "max", max] => (growth, Some(amount(max)?)),
            _ => return Err(wrong()),
        };
        let per_second =
            growth.strip_prefix('+').and_then(|g| g.strip_suffix("/s")).ok_or_else(wrong)?;
        let start = amount(words[0])?;
        Ok(Self { start, per_second: amount(per_second)?, max: max.unwrap_or(i64::MAX).max(start) })
    }

    /// The amount at an age of the run.
    pub fn at(&self, age: Duration) -> i64 {
        let nanos = i128::try_from(age.as_nanos()).unwrap_or(i128::MAX / NANOS);
        let grown = i128::from(self.per_second).saturating_mul(nanos) / NANOS;
        let amount = i128::from(self.start).saturating_add(grown).min(i128::from(self.max));
        i64::try_from(amount).unwrap_or(i64::MAX)
    }

    /// At which age of the run the amount first is at least so much; `None` where it never is.
    pub fn reaches(&self, amount: i64) -> Option<Duration> {
        if amount <= self.start {
            return Some(Duration::ZERO);
        }
        if self.per_second == 0 || amount > self.max {
            return None;
        }
        let missing = i128::from(amount - self.start) * NANOS;
        let nanos = (missing + i128::from(self.per_second) - 1) / i128::from(self.per_second);
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_grows_evenly_up_to_its_limit() {
        let secs = Duration::from_secs;
        let mi = |n: i64| n << 20;
        let flat = Growth::parse("100Mi").unwrap();
        assert_eq!((flat.at(secs(0)), flat.at(secs(1_000_000))), (mi(100), mi(100)));
        assert_eq!((flat.reaches(mi(100)), flat.reaches(mi(101))), (Some(secs(0)), None));
        let grows = Growth::parse("50Mi +2Mi/s max 90Mi").unwrap();
        assert_eq!((grows.at(secs(5)), grows.at(secs(50))), (mi(60), mi(90)));
        assert_eq!((grows.reaches(mi(64)), grows.reaches(mi(91))), (Some(secs(7)), None));
        let endless = Growth::parse("0 +1/s").unwrap();
        assert_eq!(endless.reaches(3), Some(secs(3)));
        assert_eq!(endless.at(Duration::MAX), i64::MAX);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "x",
            "-1",
            "1Mi 2Mi",
            "1Mi +2Mi",
            "1Mi max 2Mi",
            "1Mi +1Mi/s max",
            "1 +1/s max 2 3",
        ] {
            assert!(Growth::parse(text).is_err(), "{text}");
        }
    }
}

//! Decimal numbers of any length with a fixed count of digits after the point, as `bc` and `dc` know them.

use num_bigint::{BigInt, Sign};

use crate::container::text::push;

/// Digits of a number, before and after the point; what would be longer is refused.
pub(super) const MAX_DIGITS: usize = 20_000;
/// The largest `scale`.
pub(super) const MAX_SCALE: usize = 1_000;

/// A number: `digits` / 10^`scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) digits: BigInt,
    pub(super) scale: usize,
}

/// Why there is no result.
pub(super) type Fault = &'static str;

pub(super) const TOO_LONG: Fault = "number longer than 20000 digits";

fn power_of_ten(n: usize) -> BigInt {
    BigInt::from(10).pow(u32::try_from(n.min(4 * MAX_DIGITS)).unwrap_or(0))
}

impl Number {
    /// A whole number.
    pub(super) fn whole(n: i64) -> Self {
        Self { digits: n.into(), scale: 0 }
    }

    /// Whether it is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.digits.sign() == Sign::NoSign
    }

    /// How long it is, in machine words: what work with it costs.
    pub(super) fn words(&self) -> usize {
        usize::try_from(self.digits.bits() / 64).unwrap_or(usize::MAX) + self.scale / 16 + 1
    }

    /// A text of digits in a base; letters are digits too.
    pub(super) fn read(text: &str, base: u32) -> Result<Self, Fault> {
        if text.len() > MAX_DIGITS {
            return Err(TOO_LONG);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        // A lone digit may be larger than the base allows.
        let most = if text.len() == 1 { 36 } else { base };
        let value = |c: char| c.to_digit(36).unwrap_or(0).min(most - 1);
        let mut digits = BigInt::default();
        for c in whole.chars().chain(fraction.chars()) {
            digits = digits * base + value(c);
        }
        let scale = fraction.len();
        if base != 10 && scale > 0 {
            let divisor = BigInt::from(base).pow(u32::try_from(scale).unwrap_or(0));
            digits = digits * power_of_ten(scale) / divisor;
        }
        Ok(Self { digits, scale })
    }

    /// The same with so many digits after the point; what is more is cut off.
    pub(super) fn scaled(&self, scale: usize) -> Self {
        let digits = if scale >= self.scale {
            &self.digits * power_of_ten(scale - self.scale)
        } else {
            &self.digits / power_of_ten(self.scale - scale)
        };
        Self { digits, scale }
    }

    fn checked(self) -> Result<Self, Fault> {
        // Three and a third bits to a digit.
        if self.digits.bits() > 4 * MAX_DIGITS as u64 { Err(TOO_LONG) } else { Ok(self) }
    }

    /// The negative of it.
    pub(super) fn negated(&self) -> Self {
        Self { digits: -&self.digits, scale: self.scale }
    }

    /// The sum.
    pub(super) fn plus(&self, other: &Self) -> Result<Self, Fault> {
        let scale = self.scale.max(other.scale);
        Self { digits: self.scaled(scale).digits + other.scaled(scale).digits, scale }.checked()
    }

    /// The difference.
    pub(super) fn minus(&self, other: &Self) -> Result<Self, Fault> {
        self.plus(&other.negated())
    }

    /// The product under a `scale`.
    pub(super) fn times(&self, other: &Self, scale: usize) -> Result<Self, Fault> {
        let full = Self { digits: &self.digits * &other.digits, scale: self.scale + other.scale };
        let keep = full.scale.min(scale.max(self.scale).max(other.scale));
        full.scaled(keep).checked()
    }

    /// The quotient under a `scale`.
    pub(super) fn over(&self, other: &Self, scale: usize) -> Result<Self, Fault> {
        if other.is_zero() {
            return Err("divide by zero");
        }
        let digits = &self.digits * power_of_ten(scale + other.scale)
            / (&other.digits * power_of_ten(self.scale));
        Self { digits, scale }.checked()
    }

    /// The remainder of [`Number::over`].
    pub(super) fn modulo(&self, other: &Self, scale: usize) -> Result<Self, Fault> {
        let quotient = self.over(other, scale)?;
        let scale = self.scale.max(scale + other.scale);
        let product =
            Self { digits: &quotient.digits * &other.digits, scale: quotient.scale + other.scale };
        self.minus(&product).map(|n| n.scaled(scale))
    }

    /// The power by a whole number under a `scale`.
    pub(super) fn power(&self, exponent: &Self, scale: usize) -> Result<Self, Fault> {
        let exponent = exponent.scaled(0).digits;
        let times = u32::try_from(exponent.magnitude()).map_err(|_| "exponent too large")?;
        if u64::from(times).saturating_mul(self.digits.bits().max(1)) > 4 * MAX_DIGITS as u64 {
            return Err(TOO_LONG);
        }
        if self.scale.saturating_mul(times as usize) > MAX_DIGITS {
            return Err(TOO_LONG);
        }
        let full = Self {
            digits: self.digits.pow(times),
            scale: self.scale.saturating_mul(times as usize),
        };
        if exponent.sign() == Sign::Minus {
            return Self::whole(1).over(&full, scale);
        }
        let keep = full.scale.min(scale.max(self.scale));
        Ok(full.scaled(keep))
    }

    /// The square root under a `scale`.
    pub(super) fn root(&self, scale: usize) -> Result<Self, Fault> {
        if self.digits.sign() == Sign::Minus {
            return Err("negative number");
        }
        let scale = scale.max(self.scale);
        let digits = (self.scaled(2 * scale).digits).sqrt();
        Self { digits, scale }.checked()
    }

    /// Which of two is larger.
    pub(super) fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        self.scaled(scale).digits.cmp(&other.scaled(scale).digits)
    }

    /// It as a small number, cut off.
    pub(super) fn small(&self) -> Option<i64> {
        i64::try_from(self.scaled(0).digits).ok()
    }

    /// It as text in a base, without a zero before the point.
    pub(super) fn shown(&self, base: u32) -> String {
        let unit = power_of_ten(self.scale);
        let magnitude = BigInt::from(self.digits.magnitude().clone());
        let (whole, mut fraction) = (&magnitude / &unit, &magnitude % &unit);
        let mut out = String::from(if self.digits.sign() == Sign::Minus { "-" } else { "" });
        if base <= 36 {
            if whole.sign() != Sign::NoSign || self.scale == 0 || self.is_zero() {
                out.push_str(&whole.to_str_radix(base).to_uppercase());
            }
        } else {
            let (_, digits) = whole.to_radix_be(base.min(256));
            for digit in digits {
                push(&mut out, format_args!(" {digit:02}"));
            }
        }
        if self.scale == 0 || self.is_zero() {
            return out;
        }
        out.push('.');
        let mut reached = BigInt::from(1);
        while reached < unit {
            fraction *= base;
            let digit = &fraction / &unit;
            fraction %= &unit;
            reached *= base;
            let digit = u32::try_from(digit).unwrap_or(0);
            match char::from_digit(digit, 36).filter(|_| base <= 36) {
                Some(c) => out.push(c.to_ascii_uppercase()),
                None => push(&mut out, format_args!(" {digit:02}")),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_follow_posix() {
        let n = |t: &str| Number::read(t, 10).unwrap();
        assert_eq!(n("10").over(&n("3"), 2).unwrap().shown(10), "3.33");
        assert_eq!(n("1").over(&n("2"), 3).unwrap().shown(10), ".500");
        assert_eq!(n("1.25").times(&n("1.5"), 0).unwrap().shown(10), "1.87");
        assert_eq!(n("7").modulo(&n("3"), 0).unwrap().shown(10), "1");
        assert_eq!(
            n("2").power(&n("100"), 0).unwrap().shown(10),
            "1267650600228229401496703205376"
        );
        assert_eq!(n("2").root(5).unwrap().shown(10), "1.41421");
        assert_eq!(n("255").shown(16), "FF");
        assert_eq!(Number::read("FF", 16).unwrap().shown(10), "255");
        assert_eq!(n("1").over(&n("0"), 0), Err("divide by zero"));
        assert_eq!(n("9").power(&n("999999"), 0), Err(TOO_LONG));
        assert_eq!(n("-5").shown(10), "5");
        assert_eq!(n("0").minus(&n(".5")).unwrap().shown(10), "-.5");
    }
}

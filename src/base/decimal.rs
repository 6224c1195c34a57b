//! Signed decimal numbers of any length: a whole number times a power of ten.
//!
//! It serves [`super::quantity`] where 64 bits do not suffice, as `gopkg.in/inf.v0` serves
//! Kubernetes. The magnitude is held in limbs of nine decimal digits, so that shifting by powers of
//! ten and printing, which is nearly all a quantity asks for, stay cheap. Nothing here is rounded
//! unless a function's name says so; callers bound the length of what they parse.

use std::cmp::Ordering;

const LIMB: u64 = 1_000_000_000;
const LIMB_DIGITS: u32 = 9;

/// `±magnitude × 10^exponent`. The representation is kept as given: 10×10⁰ and 1×10¹ compare equal
/// but are different representations, as in Go.
#[derive(Clone, Debug)]
pub struct Decimal {
    negative: bool,
    /// Little-endian limbs below [`LIMB`], no zero limb at the end; empty is zero.
    limbs: Vec<u32>,
    exponent: i32,
}

impl Decimal {
    /// `value × 10^exponent`.
    pub fn new(value: i64, exponent: i32) -> Self {
        let mut limbs = Vec::with_capacity(3);
        let mut rest = value.unsigned_abs();
        while rest > 0 {
            limbs.push(limb(rest % LIMB));
            rest /= LIMB;
        }
        Self { negative: value < 0, limbs, exponent }
    }

    /// The number written by ASCII digits (anything else is skipped), times `10^exponent`.
    pub fn from_digits(digits: &[u8], exponent: i32, negative: bool) -> Self {
        let digits: Vec<u8> = digits.iter().copied().filter(u8::is_ascii_digit).collect();
        let limbs = digits
            .rchunks(LIMB_DIGITS as usize)
            .map(|chunk| chunk.iter().fold(0, |sum, d| sum * 10 + u32::from(d - b'0')))
            .collect();
        let mut this = Self { negative, limbs, exponent };
        this.trim();
        this
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// The power of ten it is held with.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// The same digits with another power of ten.
    #[must_use]
    pub fn with_exponent(mut self, exponent: i32) -> Self {
        self.exponent = exponent;
        self
    }

    /// The negative of it.
    #[must_use]
    pub fn negated(mut self) -> Self {
        self.negative = !self.negative && !self.is_zero();
        self
    }

    /// Times a whole number.
    #[must_use]
    pub fn times(mut self, factor: i64) -> Self {
        self.mul_small(factor.unsigned_abs());
        self.negative = (self.negative != (factor < 0)) && !self.is_zero();
        self
    }

    /// Held with the power of ten `exponent`: digits below it are cut and, when any of them is not
    /// zero, the last remaining digit moves away from zero. Says whether nothing was lost.
    #[must_use]
    pub fn rounded_up_to(mut self, exponent: i32) -> (Self, bool) {
        let mut exact = true;
        if exponent > self.exponent {
            let negative = self.negative;
            exact = !self.shift_down(exponent.abs_diff(self.exponent));
            if !exact {
                self.add_magnitude(&[1]);
                self.negative = negative;
            }
        } else {
            self.shift_up(self.exponent.abs_diff(exponent));
        }
        self.exponent = exponent;
        (self, exact)
    }

    /// The sum, held with the smaller power of ten.
    #[must_use]
    pub fn plus(mut self, mut other: Self) -> Self {
        align(&mut self, &mut other);
        if self.negative == other.negative {
            self.add_magnitude(&other.limbs);
            return self;
        }
        if cmp_magnitude(&self.limbs, &other.limbs) == Ordering::Less {
            std::mem::swap(&mut self, &mut other);
        }
        self.sub_magnitude(&other.limbs);
        self.negative = self.negative && !self.is_zero();
        self
    }

    /// Compares the numbers, not their representations.
    pub fn compare(&self, other: &Self) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign != Ordering::Equal || self.is_zero() {
            return by_sign;
        }
        let (mut a, mut b) = (self.clone(), other.clone());
        align(&mut a, &mut b);
        let order = cmp_magnitude(&a.limbs, &b.limbs);
        if self.negative { order.reverse() } else { order }
    }

    /// The digits as a whole number, if it fits 64 bits (the power of ten is not looked at).
    pub fn digits_as_i64(&self) -> Option<i64> {
        let mut sum: i128 = 0;
        for l in self.limbs.iter().rev() {
            sum = sum.checked_mul(i128::from(LIMB))?.checked_add(i128::from(*l))?;
        }
        i64::try_from(if self.negative { -sum } else { sum }).ok()
    }

    /// The digits as a whole number modulo 2^64, as Go's `big.Int.Int64`.
    pub fn digits_wrapping(&self) -> i64 {
        let low = self
            .limbs
            .iter()
            .rev()
            .fold(0u64, |sum, l| sum.wrapping_mul(LIMB).wrapping_add(u64::from(*l)));
        let low = low.cast_signed();
        if self.negative { low.wrapping_neg() } else { low }
    }

    /// The digits with their sign, without the power of ten.
    pub fn digits(&self) -> String {
        use std::fmt::Write as _;
        let Some((top, rest)) = self.limbs.split_last() else { return "0".into() };
        let mut out = String::with_capacity(self.limbs.len() * LIMB_DIGITS as usize + 1);
        if self.negative {
            out.push('-');
        }
        write!(out, "{top}").expect("writing to a String succeeds");
        for l in rest.iter().rev() {
            write!(out, "{l:09}").expect("writing to a String succeeds");
        }
        out
    }

    /// Moves all factors of ten from the digits to the power of ten.
    #[must_use]
    pub fn without_trailing_zeros(mut self) -> Self {
        let whole = self.limbs.iter().take_while(|l| **l == 0).count();
        self.limbs.drain(..whole);
        self.exponent += i32::try_from(whole).unwrap_or(i32::MAX / 9) * 9;
        while let Some(low) = self.limbs.first() {
            if low % 10 != 0 {
                break;
            }
            self.div_small(10);
            self.exponent += 1;
        }
        self
    }

    /// How often the digits can be divided by `factor`, and what is left then.
    #[must_use]
    pub fn without_factors(mut self, factor: u32) -> (Self, i32) {
        let mut times = 0;
        while !self.is_zero() {
            let mut quotient = self.clone();
            if quotient.div_small(factor) != 0 {
                break;
            }
            self = quotient;
            times += 1;
        }
        (self, times)
    }

    /// The whole part of the digits divided by `10^places`, rounded towards zero, and whether
    /// anything was cut.
    #[must_use]
    pub fn truncated(mut self, places: u32) -> (Self, bool) {
        let cut = self.shift_down(places);
        (self, cut)
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self.negative = self.negative && !self.limbs.is_empty();
    }

    fn mul_small(&mut self, factor: u64) {
        let mut carry: u128 = 0;
        for l in &mut self.limbs {
            let product = u128::from(*l) * u128::from(factor) + carry;
            *l = limb_of(product);
            carry = product / u128::from(LIMB);
        }
        while carry > 0 {
            self.limbs.push(limb_of(carry));
            carry /= u128::from(LIMB);
        }
        self.trim();
    }

    fn div_small(&mut self, divisor: u32) -> u32 {
        let mut remainder: u64 = 0;
        for l in self.limbs.iter_mut().rev() {
            let current = remainder * LIMB + u64::from(*l);
            *l = limb(current / u64::from(divisor));
            remainder = current % u64::from(divisor);
        }
        self.trim();
        limb(remainder)
    }

    /// Times `10^places`.
    fn shift_up(&mut self, places: u32) {
        if self.is_zero() {
            return;
        }
        self.mul_small(10u64.pow(places % LIMB_DIGITS));
        let whole = (places / LIMB_DIGITS) as usize;
        self.limbs.splice(0..0, std::iter::repeat_n(0, whole));
    }

    /// Divides by `10^places` towards zero; says whether any digit that was cut is not zero.
    fn shift_down(&mut self, places: u32) -> bool {
        let whole = ((places / LIMB_DIGITS) as usize).min(self.limbs.len());
        let mut cut = self.limbs.drain(..whole).any(|l| l != 0);
        cut |= self.div_small(10u32.pow(places % LIMB_DIGITS)) != 0;
        cut
    }

    fn add_magnitude(&mut self, other: &[u32]) {
        let mut carry = 0;
        for i in 0..self.limbs.len().max(other.len()) {
            if i == self.limbs.len() {
                self.limbs.push(0);
            }
            let sum = u64::from(self.limbs[i]) + u64::from(*other.get(i).unwrap_or(&0)) + carry;
            self.limbs[i] = limb(sum % LIMB);
            carry = sum / LIMB;
        }
        if carry > 0 {
            self.limbs.push(limb(carry));
        }
    }

    /// Subtracts a magnitude that is not larger.
    fn sub_magnitude(&mut self, other: &[u32]) {
        let mut borrow = 0;
        for i in 0..self.limbs.len() {
            let take = u64::from(*other.get(i).unwrap_or(&0)) + borrow;
            let have = u64::from(self.limbs[i]);
            borrow = u64::from(have < take);
            self.limbs[i] = limb(have + borrow * LIMB - take);
        }
        self.trim();
    }
}

/// Brings two numbers to the smaller of their powers of ten.
fn align(a: &mut Decimal, b: &mut Decimal) {
    let exponent = a.exponent.min(b.exponent);
    for d in [a, b] {
        d.shift_up(d.exponent.abs_diff(exponent));
        d.exponent = exponent;
    }
}

fn cmp_magnitude(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn limb(value: u64) -> u32 {
    u32::try_from(value).expect("a limb is below 10^9")
}

fn limb_of(value: u128) -> u32 {
    u32::try_from(value % u128::from(LIMB)).expect("a limb is below 10^9")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str, exponent: i32) -> Decimal {
        Decimal::from_digits(text.as_bytes(), exponent, text.starts_with('-'))
    }

    #[test]
    fn digits_survive_parsing_and_printing() {
        for text in ["0", "7", "-1000000000", "123456789012345678901234567890"] {
            assert_eq!(decimal(text, 0).digits(), text);
        }
        assert_eq!(decimal("-000", 0).digits(), "0");
    }

    #[test]
    fn sums_are_exact_across_signs_and_powers_of_ten() {
        let check = |a: Decimal, b: Decimal, digits: &str, exponent| {
            let sum = a.plus(b);
            assert_eq!((sum.digits().as_str(), sum.exponent()), (digits, exponent));
        };
        check(decimal("999999999", 0), decimal("1", 0), "1000000000", 0);
        check(decimal("1", 9), decimal("-1", 0), "999999999", 0);
        check(decimal("5", -3), decimal("-5", -3), "0", -3);
        check(decimal("1", 0), decimal("-2", 18), "-1999999999999999999", 0);
    }

    #[test]
    fn rounding_moves_away_from_zero() {
        let check = |text, to, digits: &str, exact| {
            let (rounded, was_exact) = decimal(text, 0).rounded_up_to(to);
            assert_eq!((rounded.digits().as_str(), was_exact), (digits, exact));
        };
        check("1001", 3, "2", false);
        check("-1001", 3, "-2", false);
        check("1000", 3, "1", true);
        check("1", 12, "1", false);
        check("-1", 12, "-1", false);
        check("1", -12, "1000000000000", true);
    }

    #[test]
    fn numbers_compare_by_value() {
        assert_eq!(decimal("10", 0).compare(&decimal("1", 1)), Ordering::Equal);
        assert_eq!(decimal("-10", 0).compare(&decimal("-1", 0)), Ordering::Less);
        assert_eq!(decimal("-1", 0).compare(&decimal("0", 5)), Ordering::Less);
    }

    #[test]
    fn too_long_digits_wrap_as_in_go() {
        assert_eq!(decimal("18446744073709551617", 0).digits_wrapping(), 1);
        assert_eq!(decimal("18446744073709551617", 0).digits_as_i64(), None);
        assert_eq!(decimal("-9223372036854775808", 0).digits_as_i64(), Some(i64::MIN));
    }
}

//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`.
//!
//! Follows `staging/src/k8s.io/apimachinery/pkg/api/resource` (`quantity.go`, `amount.go`,
//! `math.go`, `scale_int.go`, `suffix.go`) to the digit, its overflows included: a quantity is a
//! whole number times a power of ten, small ones in 64 bits, others in a [`Decimal`], and it
//! remembers in which of the three notations it was written. There are no floats.
//!
//! Left out: the approximate floating-point views. Exponents and lengths are bounded
//! ([`EXPONENT_MAX`], [`TEXT_MAX`]), where upstream would work for hours on `1e999999999`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::Str;
use super::decimal::Decimal;

/// The largest power of ten, either way, that a quantity may be written with.
pub const EXPONENT_MAX: i32 = 10_000;
/// The longest text that is read as a quantity, in bytes.
pub const TEXT_MAX: usize = 10_000;

/// The notation a quantity is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// `12M`: 12 × 10^6.
    #[default]
    DecimalSi,
    /// `12Mi`: 12 × 2^20.
    BinarySi,
    /// `12e6`.
    DecimalExponent,
}

impl Format {
    /// The name of the Go constant: `DecimalSI`, `BinarySI`, `DecimalExponent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DecimalSi => "DecimalSI",
            Self::BinarySi => "BinarySI",
            Self::DecimalExponent => "DecimalExponent",
        }
    }
}

/// Why a text is not a quantity; the texts are those of `quantity.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuantityError {
    /// It does not have the shape of a quantity.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The suffix is none of the known ones.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// Longer or larger than this program accepts.
    #[error(
        "quantities must not be longer than {TEXT_MAX} characters or have an exponent beyond {EXPONENT_MAX}"
    )]
    Bound,
}

/// A fixed-point number with the notation it was written in.
///
/// Two quantities are equal when their numbers are, whatever their notations.
#[derive(Clone, Debug, Default)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The text it was parsed from, where upstream keeps it verbatim (`1.500` stays `1.500`).
    text: Option<Str>,
}

#[derive(Clone, Debug)]
enum Amount {
    /// `value × 10^scale`
    Small {
        value: i64,
        scale: i32,
    },
    Large(Box<Decimal>),
}

impl Default for Amount {
    fn default() -> Self {
        Self::Small { value: 0, scale: 0 }
    }
}

impl Quantity {
    /// Zero, in decimal notation.
    pub const ZERO: Self = Self {
        amount: Amount::Small { value: 0, scale: 0 },
        format: Format::DecimalSi,
        text: None,
    };

    /// A whole number in the given notation (`NewQuantity`).
    pub const fn from_i64(value: i64, format: Format) -> Self {
        Self { amount: Amount::Small { value, scale: 0 }, format, text: None }
    }

    /// Thousandths in the given notation (`NewMilliQuantity`).
    pub const fn from_milli(value: i64, format: Format) -> Self {
        Self { amount: Amount::Small { value, scale: -3 }, format, text: None }
    }

    /// `value × 10^scale` in decimal notation (`NewScaledQuantity`).
    pub const fn from_scaled(value: i64, scale: i32) -> Self {
        Self { amount: Amount::Small { value, scale }, format: Format::DecimalSi, text: None }
    }

    /// The notation it prints in.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        match &self.amount {
            Amount::Small { value, .. } => *value == 0,
            Amount::Large(d) => d.is_zero(),
        }
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match &self.amount {
            Amount::Small { value, .. } => i32::from(*value > 0) - i32::from(*value < 0),
            Amount::Large(d) => d.sign(),
        }
    }

    /// The number as a whole one, rounded up (negative ones too, as upstream); beyond 64 bits the
    /// result is upstream's: 0 for numbers held in 64 bits, wrapped for longer ones.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// Thousandths, rounded up; see [`Quantity::value`] for what does not fit.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// The number divided by `10^scale`, rounded up (`ScaledValue`).
    pub fn scaled_value(&self, scale: i32) -> i64 {
        match &self.amount {
            Amount::Small { value, scale: own } if *own < scale => {
                round_up(*value, own.abs_diff(scale)).0
            }
            Amount::Small { value, scale: own } => {
                wrapping_times_power_of_ten(*value, own.abs_diff(scale))
            }
            Amount::Large(d) => large_scaled_value(d, scale),
        }
    }

    /// The number, if it is whole and was short enough to be held in 64 bits (`AsInt64`).
    pub fn as_i64(&self) -> Option<i64> {
        match &self.amount {
            Amount::Small { value, scale } => {
                times_power_of_ten(*value, u32::try_from(*scale).ok()?)
            }
            Amount::Large(_) => None,
        }
    }

    /// The digits and the power of ten it is held with: their product is the exact number.
    pub fn parts(&self) -> (String, i32) {
        match &self.amount {
            Amount::Small { value, scale } => (value.to_string(), *scale),
            Amount::Large(d) => (d.digits(), d.exponent()),
        }
    }

    /// The number and the power of ten it is held with, where it is held in 64 bits.
    pub const fn as_small(&self) -> Option<(i64, i32)> {
        match &self.amount {
            Amount::Small { value, scale } => Some((*value, *scale)),
            Amount::Large(_) => None,
        }
    }

    /// The text it was parsed from, where upstream keeps it; empty otherwise.
    pub fn kept_text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Adds in place; a zero takes over the other's notation.
    pub fn add(&mut self, other: &Self) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        if let (Amount::Small { .. }, Amount::Small { value, scale }) =
            (&self.amount, &other.amount)
            && self.add_small(*value, *scale)
        {
            return;
        }
        self.amount = Amount::Large(Box::new(self.to_decimal().plus(other.to_decimal())));
    }

    /// Subtracts in place; a zero takes over the other's notation.
    pub fn sub(&mut self, other: &Self) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        if let (Amount::Small { .. }, Amount::Small { value, scale }) =
            (&self.amount, &other.amount)
            && self.add_small(value.wrapping_neg(), *scale)
        {
            return;
        }
        self.amount = Amount::Large(Box::new(self.to_decimal().plus(other.to_decimal().negated())));
    }

    /// Multiplies in place. False when the digits no longer fit 64 bits (`Mul`).
    pub fn mul(&mut self, factor: i64) -> bool {
        self.text = None;
        if let Amount::Small { value, scale } = self.amount {
            if value == 0 {
                return true;
            }
            if factor == 0 {
                self.amount = Amount::default();
                return true;
            }
            if let Some(product) = value.checked_mul(factor)
                && (if scale >= 0 {
                    times_power_of_ten(product, scale.unsigned_abs()).is_some()
                } else {
                    round_up(product, scale.unsigned_abs()).1
                })
            {
                self.amount = Amount::Small { value: product, scale };
                return true;
            }
        }
        let product = self.to_decimal().times(factor);
        let fits = product.digits_as_i64().is_some();
        self.amount = Amount::Large(Box::new(product));
        fits
    }

    /// Changes the sign in place.
    pub fn neg(&mut self) {
        self.text = None;
        match &mut self.amount {
            Amount::Small { value, .. } => *value = value.wrapping_neg(),
            Amount::Large(d) => **d = d.as_ref().clone().negated(),
        }
    }

    /// Rounds in place to a multiple of `10^scale`, away from zero; false if that lost anything
    /// (`RoundUp`). A resource list is read with `round_up(-3)`.
    pub fn round_up(&mut self, scale: i32) -> bool {
        match &self.amount {
            Amount::Small { scale: own, .. } if *own >= scale => true,
            Amount::Small { value, scale: own } => {
                let (value, exact) = round_up(*value, own.abs_diff(scale));
                self.amount = Amount::Small { value, scale };
                self.text = None;
                exact
            }
            Amount::Large(d) => {
                let (rounded, _) = d.as_ref().clone().rounded_up_to(scale);
                let exact = rounded.compare(d) == Ordering::Equal;
                self.amount = Amount::Large(Box::new(rounded));
                self.text = None;
                exact
            }
        }
    }

    /// The canonical text, whatever text it was parsed from (`CanonicalizeBytes`).
    pub fn canonical(&self) -> String {
        if self.is_zero() {
            return "0".into();
        }
        match self.format {
            Format::DecimalSi | Format::DecimalExponent => self.decimal_text(self.format),
            Format::BinarySi => self.binary_text(),
        }
    }

    fn to_decimal(&self) -> Decimal {
        match &self.amount {
            Amount::Small { value, scale } => Decimal::new(*value, *scale),
            Amount::Large(d) => d.as_ref().clone(),
        }
    }

    /// `int64Amount.Add`: false, and nothing changed, when 64 bits do not suffice.
    fn add_small(&mut self, value: i64, scale: i32) -> bool {
        let Amount::Small { value: own, scale: own_scale } = &mut self.amount else { return false };
        if value == 0 {
            return true;
        }
        if *own == 0 {
            (*own, *own_scale) = (value, scale);
            return true;
        }
        let low = scale.min(*own_scale);
        let sum = times_power_of_ten(*own, own_scale.abs_diff(low))
            .zip(times_power_of_ten(value, scale.abs_diff(low)))
            .and_then(|(a, b)| a.checked_add(b));
        let Some(sum) = sum else { return false };
        (*own, *own_scale) = (sum, low);
        true
    }

    fn decimal_text(&self, format: Format) -> String {
        let d = self.to_decimal().without_trailing_zeros();
        let exponent = d.exponent().div_euclid(3) * 3;
        let (d, _) = d.rounded_up_to(exponent);
        let suffix = match format {
            Format::DecimalExponent if exponent == 0 => String::new(),
            Format::DecimalExponent => format!("e{exponent}"),
            Format::DecimalSi | Format::BinarySi => decimal_suffix(exponent).to_owned(),
        };
        d.digits() + &suffix
    }

    fn binary_text(&self) -> String {
        let bound = |n| self.cmp(&Self::from_i64(n, Format::BinarySi));
        if bound(-1024) == Ordering::Greater && bound(1024) == Ordering::Less {
            return self.decimal_text(Format::DecimalSi);
        }
        let exact = self.to_decimal();
        let (whole, _) = exact.clone().rounded_up_to(0);
        if whole.compare(&exact) != Ordering::Equal {
            return self.decimal_text(Format::DecimalSi);
        }
        if whole.digits_as_i64() == Some(i64::MIN) {
            return whole.digits(); // upstream cannot negate it and so finds no factors
        }
        let (mantissa, times) = whole.without_factors(1024);
        let suffix = usize::try_from(times).ok().and_then(|t| BINARY_SUFFIXES.get(t));
        mantissa.digits() + suffix.unwrap_or(&"")
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    /// Reads a quantity (`ParseQuantity`). Spaces around it are an error here; the API server
    /// trims them before (`UnmarshalJSON`).
    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        if text.is_empty() {
            return Err(ParseQuantityError::Format);
        }
        if text.len() > TEXT_MAX {
            return Err(ParseQuantityError::Bound);
        }
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let pieces = Pieces::of(text)?;
        let (binary_power, exponent, format) = interpret_suffix(pieces.suffix)?;
        if exponent.abs() > EXPONENT_MAX {
            return Err(ParseQuantityError::Bound);
        }
        Ok(parse_small(text, &pieces, binary_power, exponent, format)
            .unwrap_or_else(|| parse_large(&pieces, binary_power, exponent, format)))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => f.write_str(&self.canonical()),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Amount::Small { value: a, scale: x }, Amount::Small { value: b, scale: y }) =
            (&self.amount, &other.amount)
            && x.abs_diff(*y) <= 18
        {
            let low = x.min(y);
            let at = |v: i64, s: &i32| i128::from(v) * 10i128.pow(s.abs_diff(*low));
            return at(*a, x).cmp(&at(*b, y));
        }
        self.to_decimal().compare(&other.to_decimal())
    }
}

const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL_SUFFIXES: [(&str, i32); 10] = [
    ("", 0),
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// The suffix of a power of ten; none when there is none, as upstream.
fn decimal_suffix(exponent: i32) -> &'static str {
    DECIMAL_SUFFIXES.iter().find(|(_, e)| *e == exponent).map_or("", |(s, _)| s)
}

/// The binary power (bits to shift by), the decimal power and the notation that a suffix means.
fn interpret_suffix(suffix: &str) -> Result<(u32, i32, Format), ParseQuantityError> {
    if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(s, _)| *s == suffix) {
        return Ok((0, *exponent, Format::DecimalSi));
    }
    if let Some((_, bits)) =
        BINARY_SUFFIXES.iter().zip((0..).step_by(10)).find(|(s, _)| **s == suffix)
    {
        return Ok((bits, 0, Format::BinarySi));
    }
    let digits = suffix.strip_prefix(['e', 'E']).filter(|d| !d.is_empty());
    let parsed: i64 = digits.and_then(|d| d.parse().ok()).ok_or(ParseQuantityError::Suffix)?;
    let exponent = i32::try_from(parsed).map_err(|_| ParseQuantityError::Bound)?;
    Ok((0, exponent, Format::DecimalExponent))
}

/// A quantity's text cut at its seams (`parseQuantityString`).
struct Pieces<'a> {
    negative: bool,
    /// The digits before the point, without leading zeros; `0` if there are none.
    whole: &'a str,
    /// The digits behind the point.
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str) -> Result<Self, ParseQuantityError> {
        let negative = text.starts_with('-');
        let rest = text.strip_prefix(['-', '+']).unwrap_or(text).trim_start_matches('0');
        let (whole, rest) = split_digits(rest);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let after_letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let after_sign = after_letters.strip_prefix(['-', '+']).unwrap_or(after_letters);
        if !split_digits(after_sign).1.is_empty() {
            return Err(ParseQuantityError::Format);
        }
        Ok(Self { negative, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix })
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The fast path of `ParseQuantity`: what surely fits 64 bits. It keeps the text where upstream
/// holds it to be canonical already.
fn parse_small(
    text: &str,
    pieces: &Pieces<'_>,
    binary_power: u32,
    exponent: i32,
    format: Format,
) -> Option<Quantity> {
    let digits = pieces.whole.len() + pieces.fraction.len();
    let room = match format {
        Format::DecimalSi | Format::DecimalExponent => 18,
        Format::BinarySi if pieces.fraction.is_empty() => {
            14usize.checked_sub((binary_power as usize) * 3 / 10)?
        }
        Format::BinarySi => return None,
    };
    let scale = exponent - i32::try_from(pieces.fraction.len()).ok()?;
    if digits > room || scale < -9 {
        return None;
    }
    let shifted = format!("{}{}", pieces.whole, pieces.fraction);
    let value: i64 = shifted.parse().ok()?;
    let product = value.checked_mul(1 << binary_power)?;
    let canonical = match format {
        Format::BinarySi => value & 7 != 0,
        Format::DecimalSi | Format::DecimalExponent => {
            scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
        }
    };
    Some(Quantity {
        amount: Amount::Small { value: if pieces.negative { -product } else { product }, scale },
        format,
        text: canonical.then(|| Str::new(text)),
    })
}

/// The slow path of `ParseQuantity`: rounded up to nanos, binary notation capped at 2^63-1.
fn parse_large(pieces: &Pieces<'_>, binary_power: u32, exponent: i32, format: Format) -> Quantity {
    let mut digits = pieces.whole.as_bytes().to_vec();
    digits.extend_from_slice(pieces.fraction.as_bytes());
    let places = i32::try_from(pieces.fraction.len()).expect("bounded by TEXT_MAX");
    let mut amount =
        Decimal::from_digits(&digits, exponent - places, false).times(1i64 << binary_power);
    if !amount.is_zero() {
        amount = amount.rounded_up_to(-9).0;
    }
    let mut format = format;
    if format == Format::BinarySi {
        let most = Decimal::new(i64::MAX, 0);
        if amount.compare(&most) == Ordering::Greater {
            amount = most;
        }
        if !amount.is_zero() && amount.compare(&Decimal::new(1, 0)) == Ordering::Less {
            format = Format::DecimalSi;
        }
    }
    let amount = if pieces.negative { amount.negated() } else { amount };
    Quantity { amount: Amount::Large(Box::new(amount)), format, text: None }
}

/// `value × 10^places`, if it fits (`positiveScaleInt64`).
fn times_power_of_ten(value: i64, places: u32) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10i64.checked_pow(places)?)
}

/// As [`times_power_of_ten`]; what does not fit wraps when it is multiplied at one go and is zero
/// otherwise, for that is what `positiveScaleInt64` leaves behind.
fn wrapping_times_power_of_ten(value: i64, places: u32) -> i64 {
    match places {
        0..=3 | 6 | 9 => value.wrapping_mul(10i64.pow(places)),
        _ => times_power_of_ten(value, places).unwrap_or(0),
    }
}

/// `value / 10^places` away from zero, and whether that was exact (`negativeScaleInt64`).
fn round_up(value: i64, places: u32) -> (i64, bool) {
    let Some(divisor) = 10i64.checked_pow(places) else {
        return (value.signum(), value == 0);
    };
    let exact = value % divisor == 0;
    (value / divisor + if exact { 0 } else { value.signum() }, exact)
}

/// `scaledValue` of `scale_int.go`, with its overflows and its rounding of negative numbers.
fn large_scaled_value(d: &Decimal, scale: i32) -> i64 {
    if d.exponent() >= scale {
        // Go computes the power as a float and converts it; what does not fit becomes the minimum.
        let power = 10i64.checked_pow(d.exponent().abs_diff(scale)).unwrap_or(i64::MIN);
        return d.digits_wrapping().wrapping_mul(power);
    }
    let places = d.exponent().abs_diff(scale);
    let below_max = d.compare(&Decimal::new(i64::MAX, d.exponent())) == Ordering::Less;
    if below_max && let Some(divisor) = 10i64.checked_pow(places) {
        let digits = d.digits_wrapping();
        return digits / divisor + i64::from(digits % divisor != 0);
    }
    let (whole, cut) = d.clone().truncated(places);
    // Go divides towards minus infinity and adds one: for negative numbers that is truncation.
    whole.digits_wrapping().wrapping_add(i64::from(cut && d.sign() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn a_quantity_prints_in_the_notation_it_was_written_in() {
        let check = |text: &str, canonical: &str| assert_eq!(q(text).canonical(), canonical);
        check("1.5", "1500m");
        check("1.5Gi", "1536Mi");
        check("0.1m", "100u");
        check("1000k", "1M");
        check("12e6", "12e6");
        check("0.1Ki", "102400m");
        check("-0", "0");
        check("100Ei", "9223372036854775807");
    }

    #[test]
    fn some_texts_are_kept_verbatim() {
        assert_eq!(q("1.500").to_string(), "1.500");
        assert_eq!(q("+1").to_string(), "+1");
        assert_eq!(q("1000").to_string(), "1k");
    }

    #[test]
    fn values_round_up() {
        assert_eq!((q("1m").value(), q("1500m").value(), q("100u").milli_value()), (1, 2, 1));
        assert_eq!((q("128Mi").value(), q("1").milli_value()), (134_217_728, 1000));
    }

    #[test]
    fn bad_texts_say_what_is_wrong() {
        let check = |text: &str, error| assert_eq!(text.parse::<Quantity>(), Err(error), "{text}");
        check("", ParseQuantityError::Format);
        check(" 1", ParseQuantityError::Format);
        check("1.2.3", ParseQuantityError::Format);
        check("1K", ParseQuantityError::Suffix);
        check("1e", ParseQuantityError::Suffix);
        check("1e10001", ParseQuantityError::Bound);
        check(&"1".repeat(TEXT_MAX + 1), ParseQuantityError::Bound);
    }

    #[test]
    fn sums_take_the_notation_of_the_first_that_is_not_zero() {
        let mut sum = Quantity::ZERO;
        sum.add(&q("1Gi"));
        sum.add(&q("1G"));
        assert_eq!(sum.to_string(), "2073741824");
        assert_eq!(sum.format(), Format::BinarySi);
        sum.sub(&q("1G"));
        assert_eq!(sum.to_string(), "1Gi");
    }

    #[test]
    fn numbers_are_equal_whatever_their_notation() {
        assert_eq!(q("1"), q("1000m"));
        assert!(q("1Ki") > q("1k"));
        assert!(q("1e30") > q("1"));
    }
}

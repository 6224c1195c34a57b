//! Values and arrays of awk.

use crate::base::Str;
use crate::container::coreutils::numbers::leading_float;
use crate::container::coreutils::printf::float_text;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing was assigned yet: both 0 and the empty text.
    Unset,
    Number(f64),
    Text(Str),
    /// Text from outside that looks like a number, and so is one where it is compared.
    Input(Str),
}

impl Value {
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Unset => 0.0,
            Self::Number(n) => *n,
            Self::Text(t) | Self::Input(t) => {
                leading_float(t.as_bytes()).filter(|_| !is_word(t)).map_or(0.0, |(n, _)| n)
            }
        }
    }

    /// The text, numbers in this format unless they are whole.
    pub(super) fn text(&self, format: &str) -> Str {
        match self {
            Self::Unset => Str::default(),
            Self::Number(n) => number_text(*n, format),
            Self::Text(t) | Self::Input(t) => t.clone(),
        }
    }

    /// The number that it is when it is compared.
    pub(super) fn numeric(&self) -> Option<f64> {
        match self {
            Self::Unset => Some(0.0),
            Self::Number(n) => Some(*n),
            Self::Text(_) => None,
            Self::Input(t) => {
                let (n, len) = leading_float(t.as_bytes()).filter(|_| !is_word(t))?;
                t[len..].trim().is_empty().then_some(n)
            }
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Unset => false,
            Self::Number(n) => *n != 0.0,
            Self::Text(t) => !t.is_empty(),
            Self::Input(t) => self.numeric().map_or(!t.is_empty(), |n| n != 0.0),
        }
    }
}

/// `inf` and `nan` are words in awk.
fn is_word(text: &str) -> bool {
    text.trim_start().trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_alphabetic())
}

/// A number as text: whole ones in full, others by `%.6g` or what CONVFMT says.
pub(super) fn number_text(n: f64, format: &str) -> Str {
    if n == 0.0 {
        return "0".into();
    }
    if n.fract() == 0.0 && n.abs() < 1e18 {
        return format!("{n:.0}").into();
    }
    if format == "%.6g" {
        let sign = if n < 0.0 { "-" } else { "" };
        return format!("{sign}{}", float_text(n.abs(), 'g', Some(6), false)).into();
    }
    super::functions::format(format, &[Value::Number(n)], format).into()
}

/// Chains of the first table, and of those that follow as it grows.
const SIZES: [u32; 6] = [61, 251, 1021, 4093, 16_381, 65_521];
/// Elements of one array.
pub(super) const MAX_ELEMENTS: usize = 1 << 20;

/// An array, in the order in which busybox goes through its own.
#[derive(Clone, Debug)]
pub(super) struct Array {
    items: std::collections::BTreeMap<Str, (Value, u64)>,
    /// When an element came, which decides its place in its chain.
    next: u64,
    size: usize,
}

impl Default for Array {
    fn default() -> Self {
        Self { items: std::collections::BTreeMap::new(), next: 1, size: 0 }
    }
}

impl Array {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.items.get(key).map(|(v, _)| v)
    }

    pub(super) fn set(&mut self, key: Str, value: Value) {
        if let Some((old, _)) = self.items.get_mut(&key) {
            *old = value;
            return;
        }
        self.items.insert(key, (value, self.next));
        self.next += 1;
        if self.size + 1 < SIZES.len()
            && self.items.len() > usize::try_from(SIZES[self.size]).unwrap_or(0) * 8
        {
            self.grow();
        }
    }

    /// A larger table turns chains around: elements are moved from the front.
    fn grow(&mut self) {
        let old = self.keys();
        self.size += 1;
        for key in old {
            if let Some((_, came)) = self.items.get_mut(&key) {
                *came = self.next;
                self.next += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.items.remove(key);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The keys in the order of iteration.
    pub(super) fn keys(&self) -> Vec<Str> {
        let size = SIZES[self.size];
        let mut keys: Vec<(u32, u64, &Str)> =
            self.items.iter().map(|(k, (_, came))| (hash(k) % size, u64::MAX - came, k)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, k)| k.clone()).collect()
    }
}

/// busybox' hash of a key, over its bytes as signed characters.
fn hash(key: &str) -> u32 {
    crate::container::text::encode(key).iter().fold(0u32, |h, &b| {
        let c = i32::from(b.cast_signed()).cast_unsigned();
        c.wrapping_add(h << 6).wrapping_sub(h)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_whole_or_with_six_digits() {
        let text = |n: f64| number_text(n, "%.6g").to_string();
        assert_eq!(text(3.0), "3");
        assert_eq!(text(-0.0), "0");
        assert_eq!(text(0.1 + 0.2), "0.3");
        assert_eq!(text(-1.5), "-1.5");
        assert_eq!(text(1e6), "1000000");
        assert_eq!(text(1_234_567.8), "1.23457e+06");
        assert_eq!(text(-20.0), "-20");
    }

    #[test]
    fn input_that_looks_like_a_number_is_one() {
        assert_eq!(Value::Input(" 10 ".into()).numeric(), Some(10.0));
        assert_eq!(Value::Input("10x".into()).numeric(), None);
        assert_eq!(Value::Text("10".into()).numeric(), None);
        assert!(Value::Text("3x".into()).number() > 2.5 && Value::Text("3x".into()).number() < 3.5);
        assert!(!Value::Input("0".into()).is_true());
        assert!(Value::Text("0".into()).is_true());
    }

    #[test]
    fn arrays_have_busybox_order() {
        let mut array = Array::default();
        for key in ["a", "b", "c", "1", "2"] {
            array.set(key.into(), Value::Unset);
        }
        let keys: Vec<String> = array.keys().iter().map(ToString::to_string).collect();
        assert_eq!(keys, ["a", "b", "c", "1", "2"]);
    }
}

//! `seq`, and `yes`, which writes for ever.

use super::options::Syntax;
use super::{Begun, Call, Waiting};
use crate::container::os::Sys;
use crate::container::process::Step;
use crate::container::text::{encode, push};

const SYNTAX: Syntax = Syntax {
    short: "+ws:",
    long: &[("equal-width", 'w'), ("separator", 's')],
    usage: "[-w] [-s SEP] [FIRST [INC]] LAST",
    status: 1,
};

/// A decimal number: its digits as one whole number, and how many of them are behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: i128,
    places: u32,
}

/// The most digits behind the point, and the largest exponent.
const MAX_PLACES: u32 = 15;

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((m, e)) => (m, e.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{part}");
        if all.is_empty() || all.len() > 18 || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut value: i128 = all.parse().ok()?;
        let mut places = u32::try_from(part.len()).ok()?;
        if exponent > 0 {
            value = value.checked_mul(10i128.checked_pow(exponent.unsigned_abs().min(18))?)?;
        } else {
            places += exponent.unsigned_abs();
        }
        (places <= MAX_PLACES)
            .then_some(Self { digits: if negative { -value } else { value }, places })
    }

    /// The same number in units of 10^-places.
    const fn scaled(self, places: u32) -> i128 {
        self.digits * 10i128.pow(places - self.places)
    }
}

/// `seq` under way.
#[derive(Clone, Debug)]
pub(crate) struct Seq {
    next: i128,
    last: i128,
    step: i128,
    places: u32,
    /// Digits behind the point that are printed.
    shown: u32,
    width: usize,
    separator: Vec<u8>,
    any: bool,
}

/// `seq`
pub(super) fn seq(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let words = &options.operands;
    let numbers: Option<Vec<Decimal>> = words.iter().map(|w| Decimal::read(w)).collect();
    let one = Decimal { digits: 1, places: 0 };
    let (first, step, last) = match numbers.as_deref() {
        Some(&[last]) => (one, one, last),
        Some(&[first, last]) => (first, one, last),
        Some(&[first, step, last]) => (first, step, last),
        _ => return call.usage(SYNTAX.usage, 1),
    };
    let places = first.places.max(step.places).max(last.places);
    let shown = first.places.max(step.places);
    let whole = words.iter().map(|w| w.split('.').next().unwrap_or("").len()).max().unwrap_or(0);
    let width = match options.has('w') {
        true if shown > 0 => whole + 1 + usize::try_from(shown).unwrap_or(0),
        true => whole,
        false => 0,
    };
    let seq = Seq {
        next: first.scaled(places),
        last: last.scaled(places),
        step: step.scaled(places),
        places,
        shown,
        width,
        separator: options.value('s').map_or_else(|| b"\n".to_vec(), |s| encode(s)),
        any: false,
    };
    Begun::Wait(Waiting::Seq(Box::new(seq)))
}

impl Seq {
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        while if self.step >= 0 { self.next <= self.last } else { self.next >= self.last } {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            if self.any {
                sys.out(&self.separator);
            }
            self.any = true;
            let text = self.text();
            sys.out(text.as_bytes());
            self.next += self.step;
        }
        if self.any {
            sys.out(b"\n");
        }
        Step::Exit(0)
    }

    fn text(&self) -> String {
        let unit = 10i128.pow(self.places - self.shown);
        let value = self.next / unit;
        let mut digits = value.unsigned_abs().to_string();
        let shown = usize::try_from(self.shown).unwrap_or(0);
        if shown > 0 {
            digits = format!("{digits:0>width$}", width = shown + 1);
            digits.insert(digits.len() - shown, '.');
        }
        let sign = if self.next < 0 { "-" } else { "" };
        let width = self.width.saturating_sub(sign.len());
        let mut out = String::from(sign);
        push(&mut out, format_args!("{digits:0>width$}"));
        out
    }
}

/// `yes` under way.
#[derive(Clone, Debug)]
pub(crate) struct Yes {
    block: Vec<u8>,
}

/// `yes`
pub(super) fn yes(call: &mut Call<'_, '_, '_>) -> Begun {
    let words = match call.args.first() {
        Some(dashes) if dashes == "--" => &call.args[1..],
        _ => call.args,
    };
    let line = if words.is_empty() { "y".to_owned() } else { words.join(" ") };
    let line = encode(&format!("{line}\n"));
    // A writer that fills pages, as the C library's buffer does.
    let block = line.repeat((4096 / line.len()).max(1));
    Begun::Wait(Waiting::Yes(Box::new(Yes { block })))
}

impl Yes {
    pub(super) fn resume(&self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            if sys.write(1, &self.block).is_err() {
                return Step::Exit(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(Decimal::read("1.50"), Some(Decimal { digits: 150, places: 2 }));
        assert_eq!(Decimal::read("-.5"), Some(Decimal { digits: -5, places: 1 }));
        assert_eq!(Decimal::read("1e2"), Some(Decimal { digits: 100, places: 0 }));
        assert_eq!(Decimal::read("x"), None);
        assert_eq!(Decimal::read(""), None);
    }

    #[test]
    fn numbers_are_padded_to_one_width() {
        let seq = |next, places, shown, width| Seq {
            next,
            last: 0,
            step: 1,
            places,
            shown,
            width,
            separator: Vec::new(),
            any: false,
        };
        assert_eq!(seq(5, 0, 0, 3).text(), "005");
        assert_eq!(seq(-5, 0, 0, 3).text(), "-05");
        assert_eq!(seq(5, 1, 1, 0).text(), "0.5");
        assert_eq!(seq(-105, 2, 2, 0).text(), "-1.05");
    }
}

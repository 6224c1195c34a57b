//! `seq`, and `yes`, which writes for ever.

use super::options::Syntax;
use super::{Begun, Call, Waiting, numbers};
use crate::container::os::Sys;
use crate::container::process::Step;
use crate::container::text::encode;

const SYNTAX: Syntax = Syntax {
    short: "+ws:",
    long: &[("equal-width", 'w'), ("separator", 's')],
    usage: "[-w] [-s SEP] [FIRST [INC]] LAST",
    status: 1,
};

/// The most digits behind the point.
const MAX_PLACES: usize = 100;

/// A number as `strtod` reads it, all of it.
fn number(text: &str) -> Option<f64> {
    numbers::leading_float(text.as_bytes()).filter(|(_, len)| *len == text.len()).map(|(n, _)| n)
}

/// `seq` under way.
///
/// The numbers are computed as the C program computes them, each from the first, so that the same
/// rounding decides about the last one.
#[derive(Clone, Debug)]
pub(crate) struct Seq {
    first: f64,
    last: f64,
    step: f64,
    count: u32,
    places: usize,
    width: usize,
    separator: Vec<u8>,
}

/// `seq`
pub(super) fn seq(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let words = &options.operands;
    let numbers: Option<Vec<f64>> = words.iter().map(|w| number(w)).collect();
    let (first, step, last) = match numbers.as_deref() {
        Some(&[last]) => (1.0, 1.0, last),
        Some(&[first, last]) => (first, 1.0, last),
        Some(&[first, step, last]) => (first, step, last),
        _ => return call.usage(SYNTAX.usage, 1),
    };
    let whole = words.iter().map(|w| w.find('.').unwrap_or(w.len())).max().unwrap_or(0);
    let behind = |w: &str| w.find('.').map_or(0, |dot| w.len() - dot - 1);
    let places = words.iter().rev().skip(1).map(|w| behind(w)).max().unwrap_or(0).min(MAX_PLACES);
    let width = match options.has('w') {
        true if places > 0 => whole + 1 + places,
        true => whole,
        false => 0,
    };
    let separator = options.value('s').map_or_else(|| b"\n".to_vec(), |s| encode(s));
    let seq = Seq { first, last, step, count: 0, places, width, separator };
    Begun::Wait(Waiting::Seq(Box::new(seq)))
}

impl Seq {
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            let value = self.first + f64::from(self.count) * self.step;
            let goes_on = if self.step >= 0.0 { value <= self.last } else { value >= self.last };
            if !goes_on {
                break;
            }
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            if self.count > 0 {
                sys.out(&self.separator);
            }
            let text = format!("{value:0width$.places$}", width = self.width, places = self.places);
            sys.out(text.as_bytes());
            self.count = self.count.wrapping_add(1);
        }
        if self.count > 0 {
            sys.out(b"\n");
        }
        Step::Exit(0)
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
    fn numbers_are_read_whole_or_not_at_all() {
        assert_eq!(number("1.50"), Some(1.5));
        assert_eq!(number("-.5"), Some(-0.5));
        assert_eq!(number("1e2"), Some(100.0));
        assert_eq!(number("1x"), None);
        assert_eq!(number(""), None);
    }
}

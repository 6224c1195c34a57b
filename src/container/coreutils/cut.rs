//! `cut`

use super::lines::{ByLine, LineTool};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Next};
use crate::container::os::Sys;
use crate::container::regex::Regex;
use crate::container::text::encode;

use super::lines::bytewise;

const SYNTAX: Syntax = Syntax {
    short: "b:c:f:F:d:O:Dsnz",
    long: &[
        ("bytes", 'b'),
        ("characters", 'c'),
        ("delimiter", 'd'),
        ("fields", 'f'),
        ("only-delimited", 's'),
        ("output-delimiter", 'O'),
        ("zero-terminated", 'z'),
    ],
    usage: "{-b|c LIST | -f|F LIST [-d SEP] [-s]} [-D] [-O SEP] [FILE]...",
    status: 1,
};

/// How a line falls into pieces.
#[derive(Clone, Debug)]
enum Pieces {
    Bytes,
    /// Fields between single bytes.
    Fields(u8),
    /// Fields between matches.
    Runs(Box<Regex>),
}

/// `cut` under way.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// First and last pieces, from 0.
    ranges: Vec<(usize, usize)>,
    pieces: Pieces,
    between: Vec<u8>,
    only_delimited: bool,
    /// Ranges are printed as given, not in order (`-D`).
    as_given: bool,
    end: u8,
}

/// `cut`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut lists = options.given.iter().filter(|(c, _)| "bcfF".contains(*c));
    let (kind, list) = match (lists.next(), lists.next()) {
        (Some((kind, list)), None) => (*kind, list.clone()),
        (None, _) => {
            call.err("expected a list of bytes, characters, or fields");
            return Begun::Exit(1);
        }
        (Some(_), Some(_)) => return call.usage(SYNTAX.usage, 1),
    };
    let separator = options.value('d').cloned();
    let fields = kind == 'f' || kind == 'F';
    if !fields && (options.has('s') || separator.is_some()) {
        let what = if options.has('s') {
            "suppressing non-delimited lines makes sense"
        } else {
            "a delimiter may be specified"
        };
        call.err(&format!("{what} only when operating on fields"));
        return Begun::Exit(1);
    }
    let pieces = match kind {
        'f' => Pieces::Fields(
            separator.as_ref().map_or(b'\t', |d| encode(d).first().copied().unwrap_or(0)),
        ),
        'F' => {
            let source = separator.as_deref().unwrap_or("[[:space:]]+");
            match Regex::extended(source, false) {
                Ok(regex) => Pieces::Runs(Box::new(regex)),
                Err(_) => {
                    call.err(&format!("bad regex '{source}'"));
                    return Begun::Exit(1);
                }
            }
        }
        _ => Pieces::Bytes,
    };
    let as_given = options.has('D');
    let ranges = match ranges(&list, as_given) {
        Ok(ranges) => ranges,
        Err(complaint) => {
            call.err(&complaint);
            return Begun::Exit(1);
        }
    };
    let between = match (options.value('O'), kind, &separator) {
        (Some(between), _, _) => encode(between),
        (None, 'f', Some(d)) => encode(d).first().copied().into_iter().collect(),
        (None, 'f', None) => b"\t".to_vec(),
        (None, 'F', _) => b" ".to_vec(),
        (None, _, _) => Vec::new(),
    };
    let end = if options.has('z') { 0 } else { b'\n' };
    let cut = Cut { ranges, pieces, between, only_delimited: options.has('s'), as_given, end };
    Begun::filter(AnyFilter::Cut(Box::new(ByLine::ending_with(cut, end))), options.operands)
}

/// Reads `1,3-5,-2,7-`.
fn ranges(list: &str, as_given: bool) -> Result<Vec<(usize, usize)>, String> {
    let mut ranges = Vec::new();
    let number = |text: &str, none: usize| {
        if text.is_empty() {
            return Ok(none);
        }
        match text.parse::<usize>() {
            // busybox takes 0 for 1.
            Ok(n) => Ok(n.max(1)),
            Err(_) => Err(format!("invalid number '{text}'")),
        }
    };
    for item in list.split(',') {
        let (low, high) = match item.split_once('-') {
            Some(("", "")) | None if item.is_empty() || item == "-" => {
                return Err("missing list of positions".to_owned());
            }
            Some((low, high)) => (number(low, 1)?, number(high, usize::MAX)?),
            None => {
                let n = number(item, 1)?;
                (n, n)
            }
        };
        ranges.push((low - 1, high.saturating_sub(1)));
    }
    if !as_given {
        ranges.sort_unstable();
    }
    Ok(ranges)
}

impl Cut {
    fn bytes(&self, line: &[u8]) -> Vec<u8> {
        let mut printed = vec![false; line.len()];
        let mut out = Vec::with_capacity(line.len());
        for &(low, high) in &self.ranges {
            let to = high.saturating_add(1).min(line.len());
            for at in low..to.max(low) {
                if !std::mem::replace(&mut printed[at], true) {
                    out.push(line[at]);
                }
            }
        }
        out
    }

    /// The chosen fields; a range beyond the last one is an empty field.
    fn picked<'f>(&self, fields: &'f [Vec<u8>]) -> Vec<&'f [u8]> {
        let runs = matches!(self.pieces, Pieces::Runs(_));
        let mut picked: Vec<&[u8]> = Vec::new();
        let mut done = 0;
        for &(low, high) in &self.ranges {
            let from = if self.as_given { low } else { low.max(done) };
            let to = high.saturating_add(1).min(fields.len());
            if low >= fields.len() || high < low {
                picked.push(b"");
            }
            picked.extend(fields.iter().take(to).skip(from).map(Vec::as_slice));
            done = done.max(to);
        }
        if runs {
            picked.retain(|f| !f.is_empty());
        }
        picked
    }

    /// The fields of a line.
    fn fields(&self, line: &[u8]) -> Vec<Vec<u8>> {
        match &self.pieces {
            Pieces::Bytes => vec![line.to_vec()],
            Pieces::Fields(d) => line.split(|b| b == d).map(<[u8]>::to_vec).collect(),
            Pieces::Runs(regex) => {
                let text = bytewise(line);
                let (mut fields, mut at) = (Vec::new(), 0);
                while let Some((a, b)) =
                    regex.find_at(&text, at).and_then(|s| s[0]).filter(|(a, b)| b > a)
                {
                    fields.push(encode(&text[at..a]));
                    at = b;
                }
                fields.push(encode(&text[at..]));
                fields
            }
        }
    }
}

impl LineTool for Cut {
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], _: bool) -> Next {
        let mut out = match &self.pieces {
            Pieces::Bytes => self.bytes(line),
            Pieces::Fields(_) | Pieces::Runs(_) => {
                let fields = self.fields(line);
                if fields.len() == 1 && matches!(self.pieces, Pieces::Fields(_)) {
                    if self.only_delimited {
                        return Next::More;
                    }
                    line.to_vec()
                } else {
                    self.picked(&fields).join(&self.between[..])
                }
            }
        };
        out.push(self.end);
        sys.out(&out);
        Next::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_numbers_and_ranges() {
        assert_eq!(ranges("3,1-2", false), Ok(vec![(0, 1), (2, 2)]));
        assert_eq!(ranges("3,1-", true), Ok(vec![(2, 2), (0, usize::MAX - 1)]));
        assert_eq!(ranges("-2", false), Ok(vec![(0, 1)]));
        assert_eq!(ranges("0", false), Ok(vec![(0, 0)]));
        assert_eq!(ranges("x", false), Err("invalid number 'x'".into()));
        assert_eq!(ranges("-", false), Err("missing list of positions".into()));
    }
}

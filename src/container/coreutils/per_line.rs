//! Small tools that change or copy lines: `rev`, `tac`, `nl`, `fold`, `expand`, `unexpand`, `paste`,
//! `comm`.

use super::lines::{ByLine, Gather, Gathered, LineTool, split_lines};
use super::options::Syntax;
use super::{AnyFilter, Begun, Call, Next};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::text::encode;

/// `rev`
pub(super) fn rev(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax { short: "", long: &[], usage: "[FILE]...", status: 1 };
    match call.options(syntax) {
        Ok(options) => Begun::filter(AnyFilter::Rev(ByLine::new(Rev)), options.operands),
        Err(begun) => begun,
    }
}

/// `rev` under way.
#[derive(Clone, Debug)]
pub(crate) struct Rev;

impl LineTool for Rev {
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], ended: bool) -> Next {
        let mut out: Vec<u8> = line.iter().rev().copied().collect();
        if ended {
            out.push(b'\n');
        }
        sys.out(&out);
        Next::More
    }
}

/// `tac`
pub(super) fn tac(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax { short: "", long: &[], usage: "[FILE]...", status: 1 };
    match call.options(syntax) {
        Ok(options) => {
            let files = options.operands.clone();
            let gather = Gather::new("tac", options, |tool, sys| {
                for input in &tool.inputs {
                    for line in input.bytes.split_inclusive(|&b| b == b'\n').rev() {
                        sys.out(line);
                    }
                }
                u8::from(tool.failed)
            });
            Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
        }
        Err(begun) => begun,
    }
}

/// `nl` under way.
#[derive(Clone, Debug)]
pub(crate) struct Nl {
    all: bool,
    nonempty: bool,
    next: i64,
    step: i64,
    width: usize,
    separator: Vec<u8>,
}

/// `nl`
pub(super) fn nl(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "pw:s:v:i:b:",
        long: &[
            ("body-numbering", 'b'),
            ("line-increment", 'i'),
            ("no-renumber", 'p'),
            ("number-separator", 's'),
            ("number-width", 'w'),
            ("starting-line-number", 'v'),
        ],
        usage: "[-b STYLE] [-i N] [-s STRING] [-v N] [-w N] [FILE]...",
        status: 1,
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut number = |letter: char, none: i64| match options.value(letter) {
        None => Ok(none),
        Some(text) => text.parse::<i64>().map_err(|_| call.bad_number(text, 1)),
    };
    let numbers = number('v', 1).and_then(|v| Ok((v, number('i', 1)?, number('w', 6)?)));
    let (next, step, width) = match numbers {
        Ok(numbers) => numbers,
        Err(begun) => return begun,
    };
    let style = options.value('b').map_or("t", Str::as_str);
    let nl = Nl {
        all: style.starts_with('a'),
        nonempty: style.starts_with('t'),
        next,
        step,
        width: usize::try_from(width.clamp(0, 1000)).unwrap_or(6),
        separator: options.value('s').map_or_else(|| b"\t".to_vec(), |s| encode(s)),
    };
    Begun::filter(AnyFilter::Nl(ByLine::new(nl)), options.operands)
}

impl LineTool for Nl {
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], _: bool) -> Next {
        let mut out = Vec::with_capacity(line.len() + 10);
        if self.all || self.nonempty && !line.is_empty() {
            out.extend(format!("{:width$}", self.next, width = self.width).bytes());
            out.extend_from_slice(&self.separator);
            self.next = self.next.saturating_add(self.step);
        } else {
            out.resize(self.width + self.separator.len(), b' ');
        }
        out.extend_from_slice(line);
        out.push(b'\n');
        sys.out(&out);
        Next::More
    }
}

/// `fold` under way.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    bytes: bool,
    spaces: bool,
    width: usize,
}

/// `fold`
pub(super) fn fold(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "bsw:",
        long: &[("bytes", 'b'), ("spaces", 's'), ("width", 'w')],
        usage: "[-bs] [-w WIDTH] [FILE]...",
        status: 1,
    };
    let args: Vec<Str> = call
        .args
        .iter()
        .map(|a| match a.strip_prefix('-') {
            Some(n) if n.starts_with(|c: char| c.is_ascii_digit()) => format!("-w{n}").into(),
            _ => a.clone(),
        })
        .collect();
    let options = match call.options_of(&args, syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let text = options.value('w').map_or("80", Str::as_str);
    let Some(width) = text.parse().ok().filter(|w| (1..=10_000).contains(w)) else {
        return call.bad_number(text, 1);
    };
    let fold = Fold { bytes: options.has('b'), spaces: options.has('s'), width };
    Begun::filter(AnyFilter::Fold(ByLine::new(fold)), options.operands)
}

impl Fold {
    const fn column(&self, column: usize, b: u8) -> usize {
        match b {
            _ if self.bytes => column + 1,
            b'\t' => column + 8 - column % 8,
            8 => column.saturating_sub(1),
            b'\r' => 0,
            _ => column + 1,
        }
    }
}

impl LineTool for Fold {
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], ended: bool) -> Next {
        let (mut start, mut column, mut i) = (0, 0, 0);
        let mut out = Vec::with_capacity(line.len() + 2);
        while i < line.len() {
            let next = self.column(column, line[i]);
            if next <= self.width || i == start {
                column = next;
                i += 1;
                continue;
            }
            let blank = line[start..i].iter().rposition(|b| matches!(b, b' ' | b'\t'));
            let cut = match blank.filter(|_| self.spaces) {
                Some(blank) => start + blank + 1,
                None => i,
            };
            out.extend_from_slice(&line[start..cut]);
            out.push(b'\n');
            start = cut;
            column = line[start..i].iter().fold(0, |c, &b| self.column(c, b));
        }
        out.extend_from_slice(&line[start..]);
        if ended {
            out.push(b'\n');
        }
        sys.out(&out);
        Next::More
    }
}

/// `expand` and `unexpand` under way.
#[derive(Clone, Debug)]
pub(crate) struct Tabs {
    width: usize,
    /// Only the blanks before the first other character.
    initial: bool,
    back: bool,
}

/// `expand` and `unexpand`
pub(super) fn expand(call: &mut Call<'_, '_, '_>) -> Begun {
    let back = call.name == "unexpand";
    let syntax = if back {
        Syntax {
            short: "ft:a",
            long: &[("all", 'a'), ("first-only", 'f'), ("tabs", 't')],
            usage: "[-fa][-t N] [FILE]...",
            status: 1,
        }
    } else {
        Syntax {
            short: "it:",
            long: &[("initial", 'i'), ("tabs", 't')],
            usage: "[-i] [-t N] [FILE]...",
            status: 1,
        }
    };
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let text = options.value('t').map_or("8", Str::as_str);
    let Some(width) = text.parse().ok().filter(|w| *w > 0) else {
        return call.bad_number(text, 1);
    };
    let initial = if back {
        options.has('f') || !options.has('a') && !options.has('t')
    } else {
        options.has('i')
    };
    Begun::filter(AnyFilter::Tabs(ByLine::new(Tabs { width, initial, back })), options.operands)
}

impl LineTool for Tabs {
    fn line(&mut self, sys: &mut Sys<'_, '_>, line: &[u8], ended: bool) -> Next {
        let mut out = Vec::with_capacity(line.len() + 16);
        let (mut column, mut blanks, mut leading) = (0usize, 0usize, true);
        for &b in line {
            let blank = b == b' ' || b == b'\t';
            if self.initial && !leading || !blank && !self.back {
                leading &= blank;
                out.push(b);
                column += 1;
                continue;
            }
            let next = if b == b'\t' { (column / self.width + 1) * self.width } else { column + 1 };
            if !self.back {
                out.resize(out.len() + next - column, b' ');
            } else if blank {
                blanks += next - column;
                if next % self.width == 0 {
                    out.push(b'\t');
                    blanks = 0;
                }
            } else {
                out.resize(out.len() + blanks, b' ');
                blanks = 0;
                leading = false;
                out.push(b);
            }
            column = next;
        }
        out.resize(out.len() + blanks, b' ');
        if ended {
            out.push(b'\n');
        }
        sys.out(&out);
        Next::More
    }
}

/// `paste`
pub(super) fn paste(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax {
        short: "d:s",
        long: &[("delimiters", 'd'), ("serial", 's')],
        usage: "[-d LIST] [-s] [FILE]...",
        status: 1,
    };
    match call.options(syntax) {
        Ok(options) => {
            let files = options.operands.clone();
            let gather = Gather::new("paste", options, pasted);
            Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
        }
        Err(begun) => begun,
    }
}

fn pasted(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    if tool.failed {
        return 1;
    }
    let list = tool.options.value('d').map_or_else(|| b"\t".to_vec(), |d| delimiters(&encode(d)));
    let put = |out: &mut Vec<u8>, i: usize| {
        if let Some(&b) = list.get(i % list.len().max(1)).filter(|b| **b != 0) {
            out.push(b);
        }
    };
    let mut out = Vec::new();
    // The same input named twice is read in turns.
    let twice = tool.inputs.len() > 1 && tool.inputs.iter().all(|i| i.name == "-");
    let texts: Vec<Vec<&[u8]>> = if twice {
        let all = split_lines(&tool.inputs[0].bytes);
        let n = tool.inputs.len();
        (0..n).map(|i| all.iter().skip(i).step_by(n).copied().collect()).collect()
    } else {
        tool.inputs.iter().map(|i| split_lines(&i.bytes)).collect()
    };
    if tool.options.has('s') {
        for lines in &texts {
            for (i, line) in lines.iter().enumerate() {
                if i > 0 {
                    put(&mut out, i - 1);
                }
                out.extend_from_slice(line);
            }
            if !lines.is_empty() {
                out.push(b'\n');
            }
        }
    } else {
        let rows = texts.iter().map(Vec::len).max().unwrap_or(0);
        for row in 0..rows {
            let mut used = 0;
            for (i, lines) in texts.iter().enumerate() {
                let Some(line) = lines.get(row) else { continue };
                out.extend_from_slice(line);
                if i + 1 < texts.len() {
                    put(&mut out, used);
                    used += 1;
                } else {
                    out.push(b'\n');
                }
            }
        }
    }
    sys.out(&out);
    0
}

/// The bytes of a `-d` list with its escapes; `\0` is none.
fn delimiters(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(&b) = bytes.next() {
        out.push(match b {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'0') => 0,
                Some(&other) => other,
                None => b'\\',
            },
            b => b,
        });
    }
    out
}

/// `comm`
pub(super) fn comm(call: &mut Call<'_, '_, '_>) -> Begun {
    let syntax = Syntax { short: "123", long: &[], usage: "[-123] FILE1 FILE2", status: 1 };
    match call.options(syntax) {
        Ok(options) if options.operands.len() != 2 => call.usage(syntax.usage, 1),
        Ok(options) => {
            let files = options.operands.clone();
            let gather = Gather::new("comm", options, compared);
            Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
        }
        Err(begun) => begun,
    }
}

fn compared(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    let [a, b] = &tool.inputs[..] else { return 1 };
    let (a, b) = (split_lines(&a.bytes), split_lines(&b.bytes));
    let hidden = ['1', '2', '3'].map(|c| tool.options.has(c));
    let mut out = Vec::new();
    let mut put = |line: &[u8], column: usize| {
        if !hidden[column] {
            let tabs = hidden[..column].iter().filter(|h| !**h).count();
            out.extend(std::iter::repeat_n(b'\t', tabs));
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    };
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let order = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.cmp(y),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, _) => std::cmp::Ordering::Greater,
        };
        match order {
            std::cmp::Ordering::Less => {
                put(a[i], 0);
                i += 1;
            }
            std::cmp::Ordering::Greater => {
                put(b[j], 1);
                j += 1;
            }
            std::cmp::Ordering::Equal => {
                put(a[i], 2);
                i += 1;
                j += 1;
            }
        }
    }
    sys.out(&out);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_have_escapes() {
        assert_eq!(delimiters(b",\\n\\0\\\\"), b",\n\0\\");
    }
}

//! `od`, `hexdump` (`hd`) and `xxd`.

use super::lines::{Gather, Gathered};
use super::options::{Options, Syntax};
use super::printf::float_text;
use super::{AnyFilter, Begun, Call, numbers};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::Sys;
use crate::container::text::push;

/// A number as these tools read it: decimal, `0x`, octal, with a size suffix.
fn number(text: &str) -> Option<usize> {
    let n = if let Some(hex) = text.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok()?
    } else if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) {
        u64::from_str_radix(text, 8).ok()?
    } else {
        numbers::size(text)?
    };
    usize::try_from(n).ok()
}

fn start(
    call: &mut Call<'_, '_, '_>,
    syntax: Syntax,
    (skip, most): (char, char),
    work: fn(&mut Gathered, &mut Sys<'_, '_>) -> u8,
) -> Begun {
    let options = match call.options(syntax) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut sizes = [0, usize::MAX];
    for (size, letter) in sizes.iter_mut().zip([skip, most]) {
        if let Some(text) = options.value(letter) {
            match number(text) {
                Some(n) => *size = n,
                None => return call.bad_number(text, 1),
            }
        }
    }
    let files = options.operands.clone();
    let gather = Gather::new(call.name, options, work)
        .up_to(sizes[0].saturating_add(sizes[1]))
        .complaining(|name, e: Errno| format!("{name}: {e}"));
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

/// The bytes that are shown, and the offset of the first.
fn shown(tool: &mut Gathered, skip: char) -> (Vec<u8>, usize) {
    let mut bytes = tool.joined();
    let skip = tool.options.value(skip).and_then(|s| number(s)).unwrap_or(0).min(bytes.len());
    bytes.drain(..skip);
    (bytes, skip)
}

/// How a unit of bytes is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    kind: char,
    size: usize,
}

impl Unit {
    /// The width of a unit in `od`.
    const fn width(self) -> usize {
        match (self.kind, self.size) {
            ('a' | 'c', _) => 3,
            ('o', 1) => 3,
            ('o', 2) => 6,
            ('o', 4) => 11,
            ('o', _) => 22,
            ('x', n) => n * 2,
            ('u', 1) => 3,
            ('u', 2) => 5,
            ('u', 4) => 10,
            ('d', 1) => 4,
            ('d', 2) => 6,
            ('d', 4) => 11,
            ('f', 4) => 15,
            ('f', _) => 23,
            _ => 20,
        }
    }

    fn text(self, bytes: &[u8]) -> String {
        let mut all = [0u8; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        let value = u64::from_le_bytes(all);
        let width = self.width();
        match self.kind {
            'a' => format!("{:>width$}", named(bytes[0])),
            'c' => format!("{:>width$}", character(bytes[0])),
            'o' => format!("{value:0width$o}"),
            'x' => format!("{value:0width$x}"),
            'd' => {
                let shift = 64 - 8 * u32::try_from(self.size).unwrap_or(8);
                format!("{:>width$}", (value << shift).cast_signed() >> shift)
            }
            'f' => {
                let (n, digits) = if self.size == 4 {
                    let bits = u32::try_from(value & 0xffff_ffff).unwrap_or(0);
                    (f64::from(f32::from_bits(bits)), 7)
                } else {
                    (f64::from_bits(value), 14)
                };
                let sign = if n.is_sign_negative() { "-" } else { "" };
                let text = format!("{sign}{}", float_text(n.abs(), 'e', Some(digits), true));
                format!("{text:>width$}")
            }
            _ => format!("{value:>width$}"),
        }
    }
}

/// A byte as `-c` shows it.
fn character(b: u8) -> String {
    match b {
        0 => "\\0".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        9 => "\\t".to_owned(),
        10 => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        13 => "\\r".to_owned(),
        0x20..=0x7e => char::from(b).to_string(),
        b => format!("{b:03o}"),
    }
}

/// A byte as `-a` shows it.
fn named(b: u8) -> String {
    const NAMES: [&str; 33] = [
        "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "nl", "vt", "ff", "cr",
        "so", "si", "dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub",
        "esc", "fs", "gs", "rs", "us", "sp",
    ];
    match b & 0x7f {
        n @ 0..=32 => NAMES[usize::from(n)].to_owned(),
        127 => "del".to_owned(),
        n => char::from(n).to_string(),
    }
}

const OD: Syntax = Syntax {
    short: "abcdfhilovxsA:j:N:t:w::S:BDFHILOX",
    long: &[
        ("address-radix", 'A'),
        ("format", 't'),
        ("output-duplicates", 'v'),
        ("read-bytes", 'N'),
        ("skip-bytes", 'j'),
        ("width", 'w'),
    ],
    usage: "[-abcdfhilovxs] [-t TYPE] [-A RADIX] [-N SIZE] [-j SKIP] [-S MINSTR] [-w WIDTH] [FILE]...",
    status: 1,
};

/// `od`
pub(super) fn od(call: &mut Call<'_, '_, '_>) -> Begun {
    start(call, OD, ('j', 'N'), |tool, sys| {
        if tool.failed && tool.inputs.is_empty() {
            return 1;
        }
        let units = match units(&tool.options) {
            Ok(units) => units,
            Err(complaint) => {
                tool.err(sys, &complaint);
                return 1;
            }
        };
        if tool.options.has('S') {
            sys.complain("od -S is not modelled: it prints nothing".to_owned());
            return 1;
        }
        let width = match tool.options.value('w') {
            None => 16,
            Some(w) if w.is_empty() => 32,
            Some(w) => number(w).filter(|w| *w > 0).unwrap_or(16),
        };
        let radix = tool.options.value('A').and_then(|r| r.chars().next()).unwrap_or('o');
        let all = tool.options.has('v');
        let (bytes, from) = shown(tool, 'j');
        let address = |at: usize| match radix {
            'd' => format!("{at:07}"),
            'x' => format!("{at:06x}"),
            'n' => String::new(),
            _ => format!("{at:07o}"),
        };
        let mut out = String::new();
        rows(&bytes, width, all, |row| match row {
            Row::Same => out.push_str("*\n"),
            Row::Bytes(at, row) => {
                for (i, unit) in units.iter().enumerate() {
                    let start = address(from + at);
                    let start = if i == 0 { start } else { " ".repeat(start.len()) };
                    out.push_str(&start);
                    for chunk in row.chunks(unit.size) {
                        push(&mut out, format_args!(" {}", unit.text(chunk)));
                    }
                    out.push('\n');
                }
            }
            Row::End(at) => {
                if radix != 'n' {
                    push(&mut out, format_args!("{}\n", address(from + at)));
                }
            }
        });
        sys.out(out.as_bytes());
        u8::from(tool.failed)
    })
}

/// The types that the options of `od` name.
fn units(options: &Options) -> Result<Vec<Unit>, String> {
    let mut units = Vec::new();
    for (letter, value) in &options.given {
        let unit = |kind, size| Unit { kind, size };
        match letter {
            'a' => units.push(unit('a', 1)),
            'b' => units.push(unit('o', 1)),
            'c' => units.push(unit('c', 1)),
            'd' => units.push(unit('u', 2)),
            'D' => units.push(unit('u', 4)),
            'f' => units.push(unit('f', 4)),
            'F' => units.push(unit('f', 8)),
            'h' | 'x' => units.push(unit('x', 2)),
            'H' | 'X' => units.push(unit('x', 4)),
            'i' | 's' => units.push(unit('d', 2)),
            'I' | 'l' | 'L' => units.push(unit('d', 4)),
            'o' | 'B' => units.push(unit('o', 2)),
            'O' => units.push(unit('o', 4)),
            't' => types(value, &mut units)?,
            _ => {}
        }
    }
    if units.is_empty() {
        units.push(Unit { kind: 'o', size: 2 });
    }
    Ok(units)
}

fn types(text: &Str, units: &mut Vec<Unit>) -> Result<(), String> {
    let mut chars = text.chars().peekable();
    while let Some(kind) = chars.next() {
        let bad = || format!("invalid character '{kind}' in type string '{text}'");
        let mut size = match kind {
            'a' | 'c' => 1,
            'f' => 8,
            'd' | 'o' | 'u' | 'x' => 4,
            _ => return Err(bad()),
        };
        match chars.peek().copied() {
            _ if matches!(kind, 'a' | 'c') => {}
            Some('C') => size = 1,
            Some('S') => size = 2,
            Some('I' | 'F') => size = 4,
            Some('L' | 'D') => size = 8,
            Some(d) if d.is_ascii_digit() => {
                size = usize::try_from(d.to_digit(10).unwrap_or(0)).unwrap_or(0);
                if !matches!(size, 1 | 2 | 4 | 8) {
                    return Err(format!(
                        "invalid type string '{text}'; {size}-byte integral type is not supported"
                    ));
                }
            }
            _ => {
                units.push(Unit { kind, size });
                continue;
            }
        }
        if !matches!(kind, 'a' | 'c') {
            chars.next();
        }
        units.push(Unit { kind, size });
    }
    Ok(())
}

/// A row of a dump.
enum Row<'b> {
    Bytes(usize, &'b [u8]),
    /// The row before is repeated, once or more.
    Same,
    End(usize),
}

fn rows(bytes: &[u8], width: usize, all: bool, mut put: impl FnMut(Row<'_>)) {
    let (mut last, mut starred): (Option<&[u8]>, bool) = (None, false);
    for (i, row) in bytes.chunks(width).enumerate() {
        if !all && last == Some(row) && row.len() == width {
            if !std::mem::replace(&mut starred, true) {
                put(Row::Same);
            }
            continue;
        }
        starred = false;
        put(Row::Bytes(i * width, row));
        last = Some(row);
    }
    put(Row::End(bytes.len()));
}

const HEXDUMP: Syntax = Syntax {
    short: "bcdoxCe:f:n:s:v",
    long: &[],
    usage: "[-bcdoxCv] [-e FMT] [-f FMT_FILE] [-n LEN] [-s OFS] [FILE]...",
    status: 1,
};

/// `hexdump` and `hd`
pub(super) fn hexdump(call: &mut Call<'_, '_, '_>) -> Begun {
    start(call, HEXDUMP, ('s', 'n'), |tool, sys| {
        let all = tool.options.has('v');
        let canonical = tool.options.has('C') || tool.name == "hd";
        let formats: Vec<Str> = tool.options.values('e').cloned().collect();
        let kind = tool.options.given.iter().rev().find(|(c, _)| "bcdox".contains(*c));
        let kind = kind.map_or(' ', |(c, _)| *c);
        let (bytes, from) = shown(tool, 's');
        if !formats.is_empty() {
            return formatted(tool, sys, &formats, &bytes, from, all);
        }
        let mut out = String::new();
        rows(&bytes, 16, all, |row| match row {
            Row::Same => out.push_str("*\n"),
            Row::Bytes(at, row) if canonical => canonical_row(&mut out, from + at, row),
            Row::Bytes(at, row) => {
                let (size, cell) = match kind {
                    'b' | 'c' => (1, 4),
                    ' ' => (2, 5),
                    _ => (2, 8),
                };
                let mut line = format!("{:07x}", from + at);
                for chunk in row.chunks(size) {
                    let value = chunk.iter().rev().fold(0u32, |v, b| v << 8 | u32::from(*b));
                    let text = match kind {
                        'b' => format!("{value:03o}"),
                        'c' => character(chunk[0]),
                        'd' => format!("{value:05}"),
                        'o' => format!("{value:06o}"),
                        _ => format!("{value:04x}"),
                    };
                    push(&mut line, format_args!("{text:>cell$}"));
                }
                push(&mut out, format_args!("{line:<width$}\n", width = 7 + cell * 16 / size));
            }
            Row::End(at) if at > 0 => {
                let width = if canonical { 8 } else { 7 };
                push(&mut out, format_args!("{:0width$x}\n", from + at));
            }
            Row::End(_) => {}
        });
        sys.out(out.as_bytes());
        u8::from(tool.failed)
    })
}

fn printable(b: u8) -> char {
    if matches!(b, 0x20..=0x7e) { char::from(b) } else { '.' }
}

fn canonical_row(out: &mut String, at: usize, row: &[u8]) {
    let mut line = format!("{at:08x}");
    for (i, b) in row.iter().enumerate() {
        let gap = if i % 8 == 0 { "  " } else { " " };
        push(&mut line, format_args!("{gap}{b:02x}"));
    }
    let text: String = row.iter().map(|b| printable(*b)).collect();
    push(out, format_args!("{line:<60}|{text}|\n"));
}

/// One part of a `-e` format: how often, how many bytes, and the text around them.
#[derive(Debug)]
struct Part {
    times: usize,
    size: usize,
    text: String,
}

/// Reads `4/1 "%02x " "\n"`.
fn parts(format: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = format.trim_start();
    while !rest.is_empty() {
        let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
        let n = digits(rest);
        let (mut times, mut size) = (rest[..n].parse().ok(), None);
        rest = rest[n..].trim_start();
        if let Some(after) = rest.strip_prefix('/') {
            let n = digits(after);
            size = after[..n].parse().ok();
            times = times.or(Some(1));
            rest = after[n..].trim_start();
        }
        let body = rest.strip_prefix('"')?;
        let mut text = String::new();
        let mut chars = body.char_indices();
        let end = loop {
            match chars.next()? {
                (i, '"') => break i,
                (_, '\\') => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    '0' => '\0',
                    other => other,
                }),
                (_, c) => text.push(c),
            }
        };
        rest = body[end + 1..].trim_start();
        let takes = text.contains('%') && !text.contains("_a");
        let default = if text.contains('c') || text.contains("_") { 1 } else { 4 };
        let size = if takes { size.unwrap_or(default) } else { 0 };
        parts.push(Part { times: times.unwrap_or(1), size, text });
    }
    Some(parts)
}

fn formatted(
    tool: &Gathered,
    sys: &mut Sys<'_, '_>,
    formats: &[Str],
    bytes: &[u8],
    from: usize,
    all: bool,
) -> u8 {
    let mut units = Vec::new();
    for format in formats {
        let Some(parts) = parts(format) else {
            tool.err(sys, &format!("bad format {{{format}}}"));
            return 1;
        };
        units.push(parts);
    }
    let width =
        units.iter().map(|u| u.iter().map(|p| p.times * p.size).sum()).max().unwrap_or(0).max(1);
    let mut out = String::new();
    rows(bytes, width, all, |row| match row {
        Row::Same => out.push_str("*\n"),
        Row::End(_) => {}
        Row::Bytes(at, row) => {
            for unit in &units {
                let mut used = 0;
                for part in unit {
                    for i in 0..part.times {
                        let chunk = row.get(used..(used + part.size).min(row.len())).unwrap_or(&[]);
                        let last = i + 1 == part.times;
                        out.push_str(&one(part, chunk, from + at + used, last));
                        used += part.size;
                    }
                }
            }
        }
    });
    sys.out(out.as_bytes());
    u8::from(tool.failed)
}

/// One use of a part; without bytes left its conversion becomes blanks.
fn one(part: &Part, chunk: &[u8], at: usize, last: bool) -> String {
    let text = if last && part.times > 1 { part.text.trim_end_matches(' ') } else { &part.text };
    let Some(percent) = text.find('%') else { return text.to_owned() };
    let spec = &text[percent + 1..];
    let len = spec.find(|c: char| c.is_ascii_alphabetic() || c == '_').unwrap_or(spec.len());
    let width: usize = spec[..len]
        .trim_start_matches(['0', '-', '.'])
        .split('.')
        .next()
        .unwrap_or("")
        .parse()
        .unwrap_or(0);
    let zero = spec.starts_with('0') || spec[..len].contains('.');
    let tail_at = len
        + if spec[len..].starts_with("_a") {
            3
        } else if spec[len..].starts_with('_') {
            2
        } else {
            1
        };
    let tail = spec.get(tail_at..).unwrap_or("");
    let value = chunk.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    let body = match &spec.as_bytes()[len..] {
        [b'_', b'a', b'd', ..] => format!("{at}"),
        [b'_', b'a', b'o', ..] => format!("{at:o}"),
        [b'_', b'a', ..] => format!("{at:x}"),
        _ if chunk.is_empty() => String::new(),
        [b'x', ..] => format!("{value:x}"),
        [b'X', ..] => format!("{value:X}"),
        [b'o', ..] => format!("{value:o}"),
        [b'c', ..] => char::from(chunk[0]).to_string(),
        [b'_', b'p', ..] => printable(chunk[0]).to_string(),
        [b'_', b'c', ..] => character(chunk[0]),
        _ => value.to_string(),
    };
    let address = spec[len..].starts_with("_a");
    let body = if zero && (address || !chunk.is_empty()) {
        format!("{body:0>width$}")
    } else {
        format!("{body:>width$}")
    };
    format!("{}{body}{tail}", &text[..percent])
}

const XXD: Syntax = Syntax {
    short: "g:c:pil:n:s:o:ru",
    long: &[],
    usage: "[-pri] [-g N] [-c N] [-l LEN] [-s OFS] [-o OFS] [FILE]",
    status: 1,
};

/// `xxd`
pub(super) fn xxd(call: &mut Call<'_, '_, '_>) -> Begun {
    start(call, XXD, ('s', 'l'), |tool, sys| {
        if tool.failed {
            return 1;
        }
        let size = |letter: char| tool.options.value(letter).and_then(|v| number(v));
        let plain = tool.options.has('p');
        let include = tool.options.has('i');
        let columns = size('c').filter(|c| *c > 0).unwrap_or(match (plain, include) {
            (true, _) => 30,
            (false, true) => 12,
            (false, false) => 16,
        });
        let group = size('g').unwrap_or(2).clamp(1, columns);
        let more = size('o').unwrap_or(0);
        let reverse = tool.options.has('r');
        let name = tool.inputs.first().map(|i| i.name.clone()).unwrap_or_default();
        let (bytes, from) = shown(tool, 's');
        if reverse {
            sys.out(&undumped(&bytes, plain));
            return 0;
        }
        let mut out = String::new();
        if include {
            included(&mut out, &name, &bytes, columns);
            sys.out(out.as_bytes());
            return 0;
        }
        for (i, row) in bytes.chunks(columns).enumerate() {
            let mut line = String::new();
            for (j, b) in row.iter().enumerate() {
                let gap = if !plain && j % group == 0 { " " } else { "" };
                push(&mut line, format_args!("{gap}{b:02x}"));
            }
            if plain {
                push(&mut out, format_args!("{line}\n"));
                continue;
            }
            let width = columns * 2 + columns.div_ceil(group);
            let text: String = row.iter().map(|b| printable(*b)).collect();
            let at = from + more + i * columns;
            push(&mut out, format_args!("{at:08x}:{line:<width$}  {text}\n"));
        }
        sys.out(out.as_bytes());
        0
    })
}

fn included(out: &mut String, name: &str, bytes: &[u8], columns: usize) {
    let symbol: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let named = name != "-";
    if named {
        push(out, format_args!("unsigned char {symbol}[] = {{\n"));
    }
    for row in bytes.chunks(columns) {
        let cells: Vec<String> = row.iter().map(|b| format!("0x{b:02x},")).collect();
        push(out, format_args!("  {}\n", cells.join(" ")));
    }
    if named {
        push(out, format_args!("}};\nunsigned int {symbol}_len = {};\n", bytes.len()));
    }
}

/// The bytes that a dump shows.
fn undumped(dump: &[u8], plain: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for line in dump.split(|b| *b == b'\n') {
        let text = String::from_utf8_lossy(line);
        let digits = if plain {
            text.as_ref()
        } else {
            match text.split_once(':') {
                Some((_, rest)) => {
                    rest.strip_prefix(' ').unwrap_or(rest).split("  ").next().unwrap_or("")
                }
                None => continue,
            }
        };
        let nibbles: Vec<u8> = digits
            .chars()
            .filter_map(|c| c.to_digit(16))
            .filter_map(|d| u8::try_from(d).ok())
            .collect();
        out.extend(nibbles.chunks_exact(2).map(|p| p[0] << 4 | p[1]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_od_s_widths() {
        let text = |kind, size, bytes: &[u8]| Unit { kind, size }.text(bytes);
        assert_eq!(text('o', 2, b"ab"), "061141");
        assert_eq!(text('d', 1, &[0xff]), "  -1");
        assert_eq!(text('x', 4, b"abc\n"), "0a636261");
        assert_eq!(text('c', 1, b"\n"), " \\n");
        assert_eq!(text('u', 2, b"a"), "   97");
    }

    #[test]
    fn dumps_come_back() {
        assert_eq!(undumped(b"6162\n0a", true), b"ab\n");
        assert_eq!(undumped(b"00000000: 6162 0a                      ab.\n", false), b"ab\n");
    }
}

//! `sort`
//!
//! Keys, flags and the comparison of equal keys as busybox has them: a key's own flags replace the
//! global ones; lines whose keys are equal are compared as a whole unless `-s` is given.

use std::cmp::Ordering;

use super::lines::{Gather, Gathered, fits};
use super::options::{Options, Syntax};
use super::{AnyFilter, Begun, Call};
use crate::container::fs::Errno;
use crate::container::os::{OpenMode, Sys};
use crate::container::text::encode;

const SYNTAX: Syntax = Syntax {
    short: "ngMucszbrdfihVmS:T:o:k:t:",
    long: &[
        ("check", 'c'),
        ("dictionary-order", 'd'),
        ("field-separator", 't'),
        ("general-numeric-sort", 'g'),
        ("human-numeric-sort", 'h'),
        ("ignore-case", 'f'),
        ("ignore-leading-blanks", 'b'),
        ("key", 'k'),
        ("merge", 'm'),
        ("month-sort", 'M'),
        ("numeric-sort", 'n'),
        ("output", 'o'),
        ("reverse", 'r'),
        ("stable", 's'),
        ("unique", 'u'),
        ("version-sort", 'V'),
        ("zero-terminated", 'z'),
    ],
    usage: "[-nrughMcszbdfiokt] [-o FILE] [-k START[.OFS][OPTS][,END[.OFS][OPTS]] [-t CHAR] [FILE]...",
    status: 2,
};

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Bytes,
    Number,
    General,
    Human,
    Month,
    Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flags {
    by: By,
    reverse: bool,
    blanks: bool,
    end_blanks: bool,
    dictionary: bool,
    fold: bool,
    printable: bool,
}

const PLAIN: Flags = Flags {
    by: By::Bytes,
    reverse: false,
    blanks: false,
    end_blanks: false,
    dictionary: false,
    fold: false,
    printable: false,
};

impl Flags {
    /// Takes a letter in; false when it is none of these.
    const fn set(&mut self, letter: char) -> bool {
        match letter {
            'n' => self.by = By::Number,
            'g' => self.by = By::General,
            'h' => self.by = By::Human,
            'M' => self.by = By::Month,
            'V' => self.by = By::Version,
            'r' => self.reverse = true,
            'b' => self.blanks = true,
            'd' => self.dictionary = true,
            'f' => self.fold = true,
            'i' => self.printable = true,
            _ => return false,
        }
        true
    }
}

/// A key: first and last field with offsets, from 1; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    range: [usize; 4],
    flags: Option<Flags>,
}

/// The order that the options ask for.
#[derive(Clone, Debug)]
struct Order {
    keys: Vec<Key>,
    flags: Flags,
    separator: Option<u8>,
    whole: bool,
}

/// `sort`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let options = match call.options(SYNTAX) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    if let Err(complaint) = order(&options) {
        call.err(&complaint);
        return Begun::Exit(2);
    }
    let files = options.operands.clone();
    let gather =
        Gather::new(call.name, options, work).complaining(|name, e: Errno| format!("{name}: {e}"));
    Begun::filter(AnyFilter::Gather(Box::new(gather)), files)
}

fn order(options: &Options) -> Result<Order, String> {
    let mut flags = PLAIN;
    for (letter, _) in &options.given {
        flags.set(*letter);
    }
    let separator = match options.value('t').map(|t| encode(t)) {
        None => None,
        Some(t) if t == b"\\0" => Some(0),
        Some(t) if t.len() == 1 => Some(t[0]),
        Some(_) => return Err("bad -t parameter".to_owned()),
    };
    let mut keys = Vec::new();
    for text in options.values('k') {
        keys.push(key(text)?);
    }
    if keys.is_empty() {
        keys.push(Key { range: [1, 0, 0, 0], flags: None });
    }
    let whole = !options.has('s');
    Ok(Order { keys, flags, separator, whole })
}

/// Reads `START[.OFS][OPTS][,END[.OFS][OPTS]]`.
fn key(text: &str) -> Result<Key, String> {
    let mut key = Key { range: [0; 4], flags: None };
    for (i, part) in text.splitn(2, ',').enumerate() {
        let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
        let n = digits(part);
        let field: usize = part[..n].parse().map_err(|_| "bad field specification".to_owned())?;
        if field == 0 && i == 0 {
            return Err("bad field specification".to_owned());
        }
        key.range[2 * i] = field;
        let mut rest = &part[n..];
        if let Some(offset) = rest.strip_prefix('.') {
            let n = digits(offset);
            key.range[2 * i + 1] = offset[..n].parse().unwrap_or(0);
            rest = &offset[n..];
        }
        for letter in rest.chars() {
            let flags = key.flags.get_or_insert(PLAIN);
            match letter {
                'b' if i == 1 => flags.end_blanks = true,
                letter if flags.set(letter) => {}
                _ => return Err("unknown key option".to_owned()),
            }
        }
    }
    Ok(key)
}

fn work(tool: &mut Gathered, sys: &mut Sys<'_, '_>) -> u8 {
    if tool.failed {
        return 2;
    }
    let options = tool.options.clone();
    let Ok(order) = order(&options) else { return 2 };
    let end = if options.has('z') { 0 } else { b'\n' };
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut total = 0;
    for input in &tool.inputs {
        let bytes = input.bytes.strip_suffix(&[end]).unwrap_or(&input.bytes);
        if input.bytes.is_empty() {
            continue;
        }
        for line in bytes.split(|&b| b == end) {
            total += line.len() + 24;
            lines.push(line.to_vec());
        }
    }
    if !fits(sys, total) {
        return 2;
    }
    // About as many comparisons as a merge sort makes.
    sys.work(lines.len() * usize::try_from(lines.len().max(1).ilog2()).unwrap_or(1) / 4);
    if options.has('c') {
        return checked(tool, sys, &order, &lines, options.has('u'));
    }
    lines.sort_by(|a, b| order.compare(a, b));
    if options.has('u') {
        lines.dedup_by(|b, a| order.compare_keys(a, b) == Ordering::Equal);
    }
    let mut out = Vec::with_capacity(total);
    for line in &lines {
        out.extend_from_slice(line);
        out.push(end);
    }
    match options.value('o').filter(|f| *f != "-") {
        None => sys.out(&out),
        Some(file) => {
            let written = sys.open(file, OpenMode::WRITE, 3).and_then(|fd| {
                let written = sys.write(fd, &out);
                sys.close(fd);
                written
            });
            if let Err(e) = written {
                tool.err(sys, &format!("can't open '{file}': {e}"));
                return 2;
            }
        }
    }
    0
}

/// `-c`: says where the order is broken.
fn checked(
    tool: &Gathered,
    sys: &mut Sys<'_, '_>,
    order: &Order,
    lines: &[Vec<u8>],
    unique: bool,
) -> u8 {
    for (i, pair) in lines.windows(2).enumerate() {
        let order = order.compare(&pair[0], &pair[1]);
        if order == Ordering::Greater || unique && order == Ordering::Equal {
            tool.err(sys, &format!("Check line {}", i + 1));
            return 1;
        }
    }
    0
}

impl Order {
    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let keys = self.compare_keys(a, b);
        if keys == Ordering::Equal && self.whole {
            let bytes = a.cmp(b);
            return if self.flags.reverse { bytes.reverse() } else { bytes };
        }
        keys
    }

    fn compare_keys(&self, a: &[u8], b: &[u8]) -> Ordering {
        for key in &self.keys {
            let flags = key.flags.unwrap_or(self.flags);
            let (x, y) = (self.part(a, key, flags), self.part(b, key, flags));
            let order = by(flags.by, &x, &y);
            if order != Ordering::Equal {
                return if flags.reverse { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }

    /// The byte at which the `n` fields before a key end.
    fn skip(&self, line: &[u8], n: usize, through: bool) -> usize {
        let (mut at, mut separated) = (0, false);
        for _ in 0..n {
            if let Some(separator) = self.separator {
                separated = false;
                while at < line.len() {
                    at += 1;
                    if line[at - 1] == separator {
                        separated = true;
                        break;
                    }
                }
            } else {
                at += line[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
                at += line[at..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
            }
        }
        if through && separated { at - 1 } else { at }
    }

    /// The text of a key in a line.
    fn part(&self, line: &[u8], key: &Key, flags: Flags) -> Vec<u8> {
        let [first, first_offset, last, last_offset] = key.range;
        let mut start = self.skip(line, first.saturating_sub(1), false);
        let mut end = if last == 0 { line.len() } else { self.skip(line, last, true) };
        if flags.blanks {
            start += line[start..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        }
        if flags.end_blanks {
            while end > start && line[end - 1].is_ascii_whitespace() {
                end -= 1;
            }
        }
        if last_offset > 0 {
            end = last_offset.min(line.len());
        }
        if first_offset > 0 {
            start = (start + first_offset - 1).min(line.len());
        }
        let mut part = line[start..end.max(start)].to_vec();
        if flags.dictionary {
            part.retain(|b| b.is_ascii_whitespace() || b.is_ascii_alphanumeric());
        }
        if flags.printable {
            part.retain(|b| matches!(b, 0x20..=0x7e));
        }
        if flags.fold {
            part.make_ascii_uppercase();
        }
        part
    }
}

fn by(by: By, x: &[u8], y: &[u8]) -> Ordering {
    match by {
        By::Bytes => x.cmp(y),
        By::Number => {
            let n = |t: &[u8]| super::numbers::leading_float(t).map_or(0.0, |(n, _)| n);
            n(x).partial_cmp(&n(y)).unwrap_or(Ordering::Equal)
        }
        By::General | By::Human => {
            match (super::numbers::leading_float(x), super::numbers::leading_float(y)) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some((a, i)), Some((b, j))) => {
                    let scales = if by == By::Human {
                        scale(&x[i..]).cmp(&scale(&y[j..]))
                    } else {
                        Ordering::Equal
                    };
                    scales.then(a.total_cmp(&b))
                }
            }
        }
        By::Month => month(x).cmp(&month(y)),
        By::Version => versions(x, y),
    }
}

/// The power of a thousand that a suffix stands for.
fn scale(tail: &[u8]) -> Option<usize> {
    let first = *tail.first()?;
    let at = b"KMGTPEZY".iter().position(|&s| s == first.to_ascii_uppercase())?;
    (at == 0 || first.is_ascii_uppercase()).then_some(at)
}

fn month(text: &[u8]) -> Option<usize> {
    const NAMES: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let start = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let name = text.get(start..start + 3)?.to_ascii_lowercase();
    NAMES.iter().position(|n| *n == name)
}

/// Compares as `strverscmp`: runs of digits by their value, those with leading zeros as fractions.
pub(super) fn versions(x: &[u8], y: &[u8]) -> Ordering {
    let same = x.iter().zip(y).take_while(|(a, b)| a == b).count();
    // The run of digits that the difference stands in, if any.
    let run = x[..same].iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let digits = |t: &[u8]| t[same - run..].iter().take_while(|b| b.is_ascii_digit()).count();
    let (a, b) = (digits(x), digits(y));
    if a == 0 || b == 0 || a == run && b == run {
        return x[same..].cmp(&y[same..]);
    }
    let fraction =
        |t: &[u8]| t[same - run] == b'0' && digits(t) > 1 || t[same - run] == b'0' && run > 0;
    if fraction(x) || fraction(y) {
        return x[same..].cmp(&y[same..]);
    }
    a.cmp(&b).then_with(|| x[same..].cmp(&y[same..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &str, lines: &str, want: &str) {
        let args: Vec<crate::base::Str> = options.split_whitespace().map(Into::into).collect();
        let options = super::super::options::read(&args, SYNTAX).unwrap();
        let order = order(&options).unwrap();
        let mut lines: Vec<&str> = lines.split('|').collect();
        lines.sort_by(|a, b| order.compare(a.as_bytes(), b.as_bytes()));
        assert_eq!(lines.join("|"), want, "{args:?}");
    }

    #[test]
    fn lines_are_ordered_by_their_keys() {
        check("", "b|a|B", "B|a|b");
        check("-f", "b|a|B", "a|B|b");
        check("-n", "10|9|-1|x", "-1|x|9|10");
        check("-nr", "10|9|11", "11|10|9");
        check("-k2", "a 2|b 1", "b 1|a 2");
        check("-t: -k2,2n -k1,1r", "a:2|b:2|c:1", "c:1|b:2|a:2");
        check("-t: -k2.2", "a:12|b:21", "b:21|a:12");
        check("-V", "v1.10|v1.9|v1.2", "v1.2|v1.9|v1.10");
        check("-M", "Mar|jan|x|Feb", "x|jan|Feb|Mar");
        check("-h", "1G|2K|3M|10", "10|2K|3M|1G");
        check("-g", "1e3|5|x", "x|5|1e3");
        check("-d", "b-c|b a|.a", ".a|b a|b-c");
    }

    #[test]
    fn keys_that_cannot_be_read_are_errors() {
        assert_eq!(key("0"), Err("bad field specification".into()));
        assert_eq!(key("x"), Err("bad field specification".into()));
        assert_eq!(key("1q"), Err("unknown key option".into()));
    }
}

//! Functions of awk that only compute: `printf`'s formats, `substr`, `gensub` and their kin.

use super::values::Value;
use crate::base::Str;
use crate::container::coreutils::printf::float_text;
use crate::container::regex::Regex;
use crate::container::text::byte_char;

/// Fields wider than this are cut.
const MAX_WIDTH: usize = 1 << 16;

/// Whether a function may have so many arguments.
pub(super) fn takes(name: &str, n: usize) -> bool {
    let (least, most) = match name {
        "and" | "or" | "xor" | "lshift" | "rshift" | "atan2" | "index" => (2, 2),
        "compl" | "cos" | "exp" | "int" | "log" | "sin" | "sqrt" | "system" | "tolower"
        | "toupper" | "close" => (1, 1),
        "fflush" | "length" | "srand" => (0, 1),
        "mktime" => (0, 1),
        "rand" | "systime" => (0, 0),
        "gensub" => (3, 4),
        "match" => (2, 2),
        "sprintf" => (1, usize::MAX),
        "substr" => (2, 3),
        "strftime" => (0, 3),
        _ => return false,
    };
    (least..=most).contains(&n)
}

/// One `%` of a format.
#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    blank: bool,
    sharp: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// `sprintf`
pub(super) fn format(format: &str, args: &[Value], number_format: &str) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut args = args.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.blank = true,
                '#' => spec.sharp = true,
                _ => spec.zero = true,
            }
        }
        let mut size = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Option<i64> {
            if chars.next_if_eq(&'*').is_some() {
                return Some(integer(args.next().map_or(0.0, Value::number)));
            }
            let mut n = None;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                n = Some((n.unwrap_or(0i64) * 10 + i64::from(d)).min(1 << 20));
            }
            n
        };
        let width = size(&mut chars).unwrap_or(0);
        spec.left |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(0).min(MAX_WIDTH);
        if chars.next_if_eq(&'.').is_some() {
            let n = size(&mut chars).unwrap_or(0);
            spec.precision = usize::try_from(n).ok().map(|p| p.min(MAX_WIDTH));
        }
        while chars.next_if(|c| "hlLqjzt".contains(*c)).is_some() {}
        match chars.next() {
            None => out.push('%'),
            Some('%') => out.push('%'),
            Some(conversion) => {
                let arg = args.next().cloned().unwrap_or(Value::Unset);
                out.push_str(&converted(conversion, &spec, &arg, number_format));
            }
        }
    }
    out
}

fn converted(conversion: char, spec: &Spec, arg: &Value, number_format: &str) -> String {
    match conversion {
        's' => {
            let text = arg.text(number_format);
            let text = match spec.precision {
                Some(p) => text.chars().take(p).collect(),
                None => text.to_string(),
            };
            pad(&text, spec, ' ')
        }
        'c' => {
            let text = match arg {
                Value::Number(n) => {
                    byte_char(u8::try_from(integer(*n) & 0xff).unwrap_or(0)).to_string()
                }
                other => other.text(number_format).chars().take(1).collect(),
            };
            pad(&text, spec, ' ')
        }
        'd' | 'i' => {
            let n = arg.number();
            let (negative, digits) = if n.is_nan() || n.abs() < 9.2e18 {
                (integer(n) < 0, integer(n).unsigned_abs().to_string())
            } else {
                (n < 0.0, i64::MAX.to_string())
            };
            numeric(negative, "", &digits, spec, true)
        }
        'o' | 'x' | 'X' | 'u' => {
            let n = integer(arg.number()).cast_unsigned();
            let (digits, prefix) = match conversion {
                'o' => (format!("{n:o}"), "0"),
                'x' => (format!("{n:x}"), "0x"),
                'X' => (format!("{n:X}"), "0X"),
                _ => (n.to_string(), ""),
            };
            numeric(false, if spec.sharp && n != 0 { prefix } else { "" }, &digits, spec, true)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let n = arg.number();
            let digits = float_text(n.abs(), conversion, spec.precision, spec.sharp);
            numeric(n.is_sign_negative() && !n.is_nan(), "", &digits, spec, false)
        }
        other => format!("%{other}"),
    }
}

fn numeric(negative: bool, prefix: &str, digits: &str, spec: &Spec, whole: bool) -> String {
    let sign = match (negative, spec.plus, spec.blank) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let digits = match spec.precision {
        Some(p) if whole => format!("{digits:0>p$}"),
        _ => digits.to_owned(),
    };
    let zero = spec.zero && !spec.left && !(whole && spec.precision.is_some());
    if zero {
        let width = spec.width.saturating_sub(sign.len() + prefix.len());
        return format!("{sign}{prefix}{digits:0>width$}");
    }
    pad(&format!("{sign}{prefix}{digits}"), spec, ' ')
}

fn pad(text: &str, spec: &Spec, with: char) -> String {
    let len = text.chars().count();
    let fill: String = std::iter::repeat_n(with, spec.width.saturating_sub(len)).collect();
    if spec.left { format!("{text}{fill}") } else { format!("{fill}{text}") }
}

/// The whole part of a number.
#[expect(clippy::cast_possible_truncation, reason = "numbers beyond the range become its ends")]
pub(super) const fn integer(n: f64) -> i64 {
    n as i64
}

/// An index in a text as a number.
#[expect(clippy::cast_precision_loss, reason = "texts are shorter than 2^52")]
pub(super) const fn number_of(n: usize) -> f64 {
    n as f64
}

/// `substr`, with the positions rounded; as in busybox, one before the first counts as the first.
pub(super) fn substr(text: &str, from: f64, len: Option<f64>) -> String {
    let round = |n: f64| if n.is_nan() { 0 } else { integer((n + 0.5).floor()) };
    let skip = usize::try_from(round(from).saturating_sub(1)).unwrap_or(0);
    let take = len.map_or(usize::MAX, |len| usize::try_from(round(len)).unwrap_or(0));
    text.chars().skip(skip).take(take).collect()
}

/// `sub` and `gsub`: the new text and how often something was replaced.
pub(super) fn substituted(text: &str, regex: &Regex, by: &str, all: bool) -> (String, usize) {
    replaced(text, regex, by, if all { 0 } else { 1 }, false)
}

/// Replaces the match of this number, or all for 0. `groups` lets `\1` stand for a group.
pub(super) fn replaced(
    text: &str,
    regex: &Regex,
    by: &str,
    which: usize,
    groups: bool,
) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut from, mut seen, mut count) = (0, 0, 0, 0);
    let mut last_end = None;
    while let Some(spans) = regex.find_at(text, from) {
        let (a, b) = spans[0].unwrap_or((from, from));
        if !(a == b && last_end == Some(a)) {
            seen += 1;
            if which == 0 || which == seen {
                out.push_str(&text[at..a]);
                insert(&mut out, text, &spans, by, groups);
                at = b;
                count += 1;
                if which != 0 {
                    break;
                }
            }
        }
        last_end = Some(b);
        from = if b > a {
            b
        } else {
            match text[b..].chars().next() {
                Some(c) => b + c.len_utf8(),
                None => break,
            }
        };
    }
    out.push_str(&text[at..]);
    (out, count)
}

fn insert(out: &mut String, text: &str, spans: &[Option<(usize, usize)>], by: &str, groups: bool) {
    let group = |n: usize| spans.get(n).copied().flatten().map_or("", |(a, b)| &text[a..b]);
    let mut chars = by.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str(group(0)),
            '\\' => match chars.peek().copied() {
                Some('&') => {
                    chars.next();
                    out.push('&');
                }
                Some('\\') => {
                    chars.next();
                    out.push('\\');
                }
                Some(d) if groups && d.is_ascii_digit() => {
                    chars.next();
                    let n = d.to_digit(10).and_then(|d| usize::try_from(d).ok()).unwrap_or(0);
                    out.push_str(group(n));
                }
                _ => out.push('\\'),
            },
            c => out.push(c),
        }
    }
}

/// The parts of a text, as `FS` and `split` have them.
pub(super) fn split(text: &str, separator: &Separator) -> Vec<Str> {
    if text.is_empty() {
        return Vec::new();
    }
    match separator {
        Separator::Blanks => {
            text.split([' ', '\t', '\n']).filter(|p| !p.is_empty()).map(Str::from).collect()
        }
        Separator::Nothing => text.chars().map(|c| Str::from(c.to_string())).collect(),
        Separator::Char(c) => text.split(*c).map(Str::from).collect(),
        Separator::Regex(regex) => {
            let (mut parts, mut at) = (Vec::new(), 0);
            let mut from = 0;
            while let Some((a, b)) = regex.find_at(text, from).and_then(|s| s[0]) {
                if a == b {
                    match text[b..].chars().next() {
                        Some(c) => from = b + c.len_utf8(),
                        None => break,
                    }
                    continue;
                }
                parts.push(Str::from(&text[at..a]));
                at = b;
                from = b;
            }
            parts.push(Str::from(&text[at..]));
            parts
        }
    }
}

/// What stands between fields.
#[derive(Clone, Debug)]
pub(super) enum Separator {
    /// Runs of blanks, and none at the ends.
    Blanks,
    /// Every character is a field.
    Nothing,
    Char(char),
    Regex(Box<Regex>),
}

impl Separator {
    /// The separator that a text means.
    pub(super) fn new(text: &str, regex: impl FnOnce(&str) -> Option<Regex>) -> Self {
        let mut chars = text.chars();
        match (chars.next(), chars.next(), chars.next()) {
            (None, _, _) => Self::Nothing,
            (Some(' '), None, _) => Self::Blanks,
            (Some(c), None, _) => Self::Char(c),
            (Some('\\'), Some(c), None) if !c.is_ascii_alphanumeric() => Self::Char(c),
            _ => regex(text).map_or(Self::Blanks, |r| Self::Regex(Box::new(r))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(f: &str, arg: &Value, want: &str) {
        assert_eq!(format(f, std::slice::from_ref(arg), "%.6g"), want, "{f}");
    }

    #[test]
    fn formats_are_those_of_c() {
        check("%5d|", &Value::Number(42.0), "   42|");
        check("%-5d|", &Value::Number(42.0), "42   |");
        check("%05d", &Value::Number(-42.0), "-0042");
        check("%.2f", &Value::Text("3.14159".into()), "3.14");
        check("%c", &Value::Number(65.0), "A");
        check("%c", &Value::Text("hello".into()), "h");
        check("%x", &Value::Number(255.0), "ff");
        check("%#o", &Value::Number(8.0), "010");
        check("%e", &Value::Number(12345.678), "1.234568e+04");
        check("%.3s|", &Value::Text("abcdef".into()), "abc|");
        check("%+d", &Value::Number(5.0), "+5");
        check("%5.1f%%", &Value::Number(99.95), "100.0%");
        check("%s", &Value::Number(0.1), "0.1");
    }

    #[test]
    fn parts_of_texts_are_found() {
        assert_eq!(substr("hello", 2.0, Some(3.0)), "ell");
        assert_eq!(substr("hello", 0.0, Some(2.0)), "he");
        assert_eq!(substr("hello", -1.0, None), "hello");
        assert_eq!(substr("hello", 4.0, Some(9.0)), "lo");
        assert_eq!(substr("hello", 9.0, None), "");
        let regex = Regex::extended("b*", false).unwrap();
        assert_eq!(substituted("abc", &regex, "x", true), ("xaxcx".into(), 3));
        let regex = Regex::extended("(a)(b)", false).unwrap();
        assert_eq!(replaced("abab", &regex, "\\2\\1", 2, true), ("abba".into(), 1));
        assert_eq!(substituted("ab", &regex, "[&]\\&", false), ("[ab]&".into(), 1));
    }

    #[test]
    fn fields_are_split() {
        let parts = |t: &str, s: &str| {
            let separator = Separator::new(s, |r| Regex::extended(r, false).ok());
            split(t, &separator).join("|")
        };
        assert_eq!(parts("  a  b ", " "), "a|b");
        assert_eq!(parts("a,,b", ","), "a||b");
        assert_eq!(parts("a1b22c", "[0-9]+"), "a|b|c");
        assert_eq!(parts("abc", ""), "a|b|c");
        assert_eq!(parts("a|b", "|"), "a|b");
        assert_eq!(parts("", ","), "");
    }
}

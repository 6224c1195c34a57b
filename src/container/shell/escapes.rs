//! Backslash escapes: of `echo -e`, `printf`, `$'...'`.

use crate::container::text::{byte_char, rejoin};

/// The text of `$'...'`. Only bash knows `\u` and `\c`.
pub(crate) fn ansi(raw: &str, bash: bool) -> String {
    let mut out = String::new();
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('x') => match number(&mut chars, 16, 2) {
                Some(n) => out.push(byte_char(low_byte(n))),
                None => out.push_str("\\x"),
            },
            Some(d @ '0'..='7') => {
                let first = d.to_digit(8).unwrap_or(0);
                let n = more_digits(&mut chars, first, 8, 2);
                out.push(byte_char(low_byte(n)));
            }
            Some(u @ ('u' | 'U')) if bash => {
                match number(&mut chars, 16, if u == 'u' { 4 } else { 8 }) {
                    Some(n) => out.push(char::from_u32(n).unwrap_or('\u{FFFD}')),
                    None => out.extend(['\\', u]),
                }
            }
            Some('c') if bash => {
                if let Some(c) = chars.next() {
                    out.push(char::from(u8::try_from(c).unwrap_or(b'?') & 0x1f));
                }
            }
            Some('e' | 'E') => out.push('\x1b'),
            Some(c) => match simple(c) {
                Some(plain) => out.push(plain),
                None if matches!(c, '\'' | '"' | '?') => out.push(c),
                None => out.extend(['\\', c]),
            },
            None => out.push('\\'),
        }
    }
    rejoin(&out)
}

/// The result of [`echo`]: the text, and whether `\c` ended it.
pub(crate) struct Escaped {
    pub(crate) text: String,
    pub(crate) stop: bool,
}

/// The escapes of `echo -e` and of `%b`: octal numbers begin with 0 (`\0101`), in `%b` they need not.
pub(crate) fn echo(raw: &str, bare_octal: bool, bash: bool) -> Escaped {
    let mut out = String::new();
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('c') => return Escaped { text: rejoin(&out), stop: true },
            Some('0') => {
                let n = more_digits(&mut chars, 0, 8, 3);
                out.push(byte_char(low_byte(n)));
            }
            Some(d @ '1'..='7') if bare_octal => {
                let n = more_digits(&mut chars, d.to_digit(8).unwrap_or(0), 8, 2);
                out.push(byte_char(low_byte(n)));
            }
            Some('x') => match number(&mut chars, 16, 2) {
                Some(n) => out.push(byte_char(low_byte(n))),
                None => out.push_str("\\x"),
            },
            Some(u @ ('u' | 'U')) if bash => {
                match number(&mut chars, 16, if u == 'u' { 4 } else { 8 }) {
                    Some(n) => out.push(char::from_u32(n).unwrap_or('\u{FFFD}')),
                    None => out.extend(['\\', u]),
                }
            }
            Some('e' | 'E') => out.push('\x1b'),
            Some(c) => match simple(c) {
                Some(plain) => out.push(plain),
                None => out.extend(['\\', c]),
            },
            None => out.push('\\'),
        }
    }
    Escaped { text: rejoin(&out), stop: false }
}

/// The control character of a one-letter escape, or the backslash.
pub(crate) const fn simple(c: char) -> Option<char> {
    Some(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        _ => return None,
    })
}

type Chars<'c> = std::iter::Peekable<std::str::Chars<'c>>;

/// Up to `max` digits; `None` without any.
pub(crate) fn number(chars: &mut Chars<'_>, radix: u32, max: usize) -> Option<u32> {
    let first = chars.peek()?.to_digit(radix)?;
    chars.next();
    Some(more_digits(chars, first, radix, max - 1))
}

/// Up to `max` more digits after a first value.
pub(crate) fn more_digits(chars: &mut Chars<'_>, first: u32, radix: u32, max: usize) -> u32 {
    let mut value = first;
    for _ in 0..max {
        let Some(d) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix).wrapping_add(d);
        chars.next();
    }
    value
}

/// The low eight bits.
pub(crate) fn low_byte(n: u32) -> u8 {
    u8::try_from(n & 0xff).expect("eight bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_follow_each_form() {
        assert_eq!(ansi(r"a\tb\x41\101\u0042", true), "a\tbAAB");
        assert_eq!(ansi(r"\u0042", false), r"\u0042");
        assert_eq!(echo(r"\x41\0102\101", false, true).text, "AB\\101");
        assert_eq!(echo(r"\101", true, true).text, "A");
        let cut = echo(r"one\ctwo", false, false);
        assert_eq!((cut.text.as_str(), cut.stop), ("one", true));
    }
}

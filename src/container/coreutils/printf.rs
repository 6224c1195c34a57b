//! `printf`, as a program and for the shells' own.

use super::{Begun, Call};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::shell::escapes;
use crate::container::text::{encode, push};

/// What `printf` does.
#[derive(Debug, Default)]
pub(crate) struct Formatted {
    pub(crate) bytes: Vec<u8>,
    /// Messages without the name of the tool.
    pub(crate) errors: Vec<String>,
    pub(crate) status: u8,
}

/// One `%` of a format.
#[derive(Debug, Default)]
struct Spec {
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
    conversion: char,
    /// The format inside `%(...)T`.
    time: String,
}

struct Printer<'a> {
    args: &'a [Str],
    next: usize,
    bash: bool,
    now: SimTime,
    out: String,
    errors: Vec<String>,
    status: u8,
    stop: bool,
}

/// Fields wider than this are cut: no script needs them, and they cost memory.
const MAX_WIDTH: usize = 1 << 16;

/// Formats arguments; the format is used again until all are used up.
pub(crate) fn format(format: &str, args: &[Str], bash: bool, now: SimTime) -> Formatted {
    let mut printer = Printer {
        args,
        next: 0,
        bash,
        now,
        out: String::new(),
        errors: Vec::new(),
        status: 0,
        stop: false,
    };
    loop {
        let before = printer.next;
        printer.once(format);
        if printer.stop
            || printer.next >= args.len()
            || printer.next == before
            || printer.out.len() > 1 << 26
        {
            break;
        }
    }
    let text = crate::container::text::rejoin(&printer.out);
    Formatted { bytes: encode(&text), errors: printer.errors, status: printer.status }
}

impl Printer<'_> {
    fn take(&mut self) -> Option<&str> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        Some(arg)
    }

    fn once(&mut self, format: &str) {
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    if self.escape(&mut chars) {
                        self.stop = true;
                        return;
                    }
                }
                '%' if chars.peek() == Some(&'%') => {
                    chars.next();
                    self.out.push('%');
                }
                '%' => match self.spec(&mut chars) {
                    Some(spec) => self.convert(&spec),
                    None => return,
                },
                c => self.out.push(c),
            }
            if self.stop {
                return;
            }
        }
    }

    /// True when `\c` ends all output.
    fn escape(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
        let Some(&c) = chars.peek() else {
            self.out.push('\\');
            return false;
        };
        match c {
            '0'..='7' => {
                chars.next();
                let n = escapes::more_digits(chars, c.to_digit(8).unwrap_or(0), 8, 2);
                self.out.push(crate::container::text::byte_char(escapes::low_byte(n)));
            }
            'x' => {
                chars.next();
                match escapes::number(chars, 16, 2) {
                    Some(n) => {
                        self.out.push(crate::container::text::byte_char(escapes::low_byte(n)))
                    }
                    None => self.out.push_str("\\x"),
                }
            }
            'u' | 'U' if self.bash => {
                chars.next();
                match escapes::number(chars, 16, if c == 'u' { 4 } else { 8 }) {
                    Some(n) => self.out.push(char::from_u32(n).unwrap_or('\u{FFFD}')),
                    None => self.out.extend(['\\', c]),
                }
            }
            'c' => return true,
            'e' | 'E' if self.bash || c == 'e' => {
                chars.next();
                self.out.push('\x1b');
            }
            '"' | '\'' if self.bash => {
                chars.next();
                self.out.push(c);
            }
            c => {
                chars.next();
                match escapes::simple(c) {
                    Some(plain) => self.out.push(plain),
                    None => self.out.extend(['\\', c]),
                }
            }
        }
        false
    }

    fn spec(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Spec> {
        let mut spec = Spec::default();
        let mut text = String::from("%");
        while let Some(&c) = chars.peek().filter(|c| "-+ #0'".contains(**c)) {
            spec.flags.push(c);
            text.push(c);
            chars.next();
        }
        spec.width = self.size(chars, &mut text, &mut spec.flags);
        if chars.peek() == Some(&'.') {
            chars.next();
            text.push('.');
            spec.precision = Some(self.size(chars, &mut text, &mut String::new()).unwrap_or(0));
        }
        while chars.peek().is_some_and(|c| "hlLqjzt".contains(*c) && !(self.bash && *c == 'q')) {
            chars.next();
        }
        if self.bash && chars.peek() == Some(&'(') {
            chars.next();
            spec.time = chars.by_ref().take_while(|c| *c != ')').collect();
        }
        match chars.next() {
            Some(c)
                if "diouxXfFeEgGaAcsb".contains(c) || self.bash && matches!(c, 'q' | 'Q' | 'T') =>
            {
                spec.conversion = c;
                Some(spec)
            }
            other => {
                text.extend(other);
                let message = match (self.bash, other) {
                    (true, None) => {
                        format!("`{}': missing format character", other.map_or('%', |c| c))
                    }
                    (true, Some(c)) => format!("`{c}': invalid format character"),
                    (false, _) => format!("{text}: invalid format"),
                };
                self.errors.push(message);
                self.status = 1;
                self.stop = true;
                None
            }
        }
    }

    fn size(
        &mut self,
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
        text: &mut String,
        flags: &mut String,
    ) -> Option<usize> {
        if chars.peek() == Some(&'*') {
            chars.next();
            let n = self.take().and_then(|a| a.parse::<i64>().ok()).unwrap_or(0);
            if n < 0 {
                flags.push('-');
            }
            return usize::try_from(n.unsigned_abs()).ok().map(|n| n.min(MAX_WIDTH));
        }
        let mut digits = String::new();
        while let Some(&c) = chars.peek().filter(|c| c.is_ascii_digit()) {
            digits.push(c);
            text.push(c);
            chars.next();
        }
        if digits.is_empty() {
            None
        } else {
            Some(digits.parse().unwrap_or(MAX_WIDTH).min(MAX_WIDTH))
        }
    }

    fn convert(&mut self, spec: &Spec) {
        match spec.conversion {
            's' => {
                let text = self.take().unwrap_or("").to_owned();
                self.padded(&cut(&text, spec.precision), spec);
            }
            'c' => {
                let text: String = self.take().unwrap_or("").chars().take(1).collect();
                self.padded(&text, spec);
            }
            'b' => {
                let text = self.take().unwrap_or("").to_owned();
                let done = escapes::echo(&text, true, self.bash);
                self.padded(&cut(&done.text, spec.precision), spec);
                self.stop = done.stop;
            }
            'q' | 'Q' => {
                let text = self.take().unwrap_or("").to_owned();
                self.padded(&crate::container::shell::backslash_quoted(&text), spec);
            }
            'T' => {
                let seconds = self.take().and_then(|a| a.parse::<i64>().ok()).unwrap_or(-1);
                let at = match u64::try_from(seconds) {
                    Ok(s) => SimTime::from_secs(s.min(9_000_000_000)),
                    Err(_) => self.now,
                };
                let format = if spec.time.is_empty() { "%H:%M:%S" } else { &spec.time };
                let text = super::date::at(format, at);
                self.padded(&text, spec);
            }
            'd' | 'i' | 'o' | 'u' | 'x' | 'X' => self.integer(spec),
            _ => self.float(spec),
        }
    }

    fn bad_number(&mut self, text: &str) {
        let message = if self.bash {
            format!("{text}: invalid number")
        } else {
            format!("invalid number '{text}'")
        };
        self.errors.push(message);
        self.status = 1;
    }

    fn integer(&mut self, spec: &Spec) {
        let given = self.take().map(ToOwned::to_owned);
        let text = given.clone().unwrap_or_default();
        let (value, whole) = parse_integer(&text);
        let missing = given.is_none();
        // bash prints what it could read; busybox 0.
        let value = if whole || self.bash { value } else { 0 };
        if !whole && !(missing && self.bash) && !(text.is_empty() && self.bash) {
            self.bad_number(&text);
        }
        let negative = value < 0 && matches!(spec.conversion, 'd' | 'i');
        let magnitude = if negative {
            value.unsigned_abs()
        } else {
            u128::from(u64::from_le_bytes(i64::try_from(value).map_or_else(
                |_| u64::try_from(value).unwrap_or(u64::MAX).to_le_bytes(),
                i64::to_le_bytes,
            )))
        };
        let mut digits = match spec.conversion {
            'o' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        if let Some(p) = spec.precision {
            digits = if p == 0 && magnitude == 0 {
                String::new()
            } else {
                format!("{}{digits}", "0".repeat(p.saturating_sub(digits.len())))
            };
        }
        let prefix = match spec.conversion {
            'd' | 'i' if negative => "-",
            'd' | 'i' if spec.flags.contains('+') => "+",
            'd' | 'i' if spec.flags.contains(' ') => " ",
            'x' if spec.flags.contains('#') && magnitude != 0 => "0x",
            'X' if spec.flags.contains('#') && magnitude != 0 => "0X",
            'o' if spec.flags.contains('#') && !digits.starts_with('0') => "0",
            _ => "",
        };
        self.numeric(prefix, &digits, spec, spec.precision.is_none());
    }

    fn numeric(&mut self, prefix: &str, digits: &str, spec: &Spec, may_zero: bool) {
        let width = spec.width.unwrap_or(0);
        let len = prefix.len() + digits.len();
        let fill = width.saturating_sub(len);
        if spec.flags.contains('-') {
            push(&mut self.out, format_args!("{prefix}{digits}{}", " ".repeat(fill)));
        } else if spec.flags.contains('0') && may_zero {
            push(&mut self.out, format_args!("{prefix}{}{digits}", "0".repeat(fill)));
        } else {
            push(&mut self.out, format_args!("{}{prefix}{digits}", " ".repeat(fill)));
        }
    }

    fn float(&mut self, spec: &Spec) {
        let given = self.take().map(ToOwned::to_owned);
        let text = given.clone().unwrap_or_default();
        let value = if let Some(c) = text.strip_prefix(['\'', '"']) {
            c.chars().next().map(|c| f64::from(u32::from(c)))
        } else {
            text.trim().parse::<f64>().ok()
        };
        let value = match value {
            Some(value) => value,
            None => {
                if !(given.is_none() && self.bash) && !(text.is_empty() && self.bash) {
                    self.bad_number(&text);
                }
                0.0
            }
        };
        let body =
            float_text(value.abs(), spec.conversion, spec.precision, spec.flags.contains('#'));
        let prefix = if value.is_sign_negative() {
            "-"
        } else if spec.flags.contains('+') {
            "+"
        } else if spec.flags.contains(' ') {
            " "
        } else {
            ""
        };
        self.numeric(prefix, &body, spec, value.is_finite());
    }

    fn padded(&mut self, text: &str, spec: &Spec) {
        let len = crate::container::text::byte_len(text);
        let fill = " ".repeat(spec.width.unwrap_or(0).saturating_sub(len));
        if spec.flags.contains('-') {
            push(&mut self.out, format_args!("{text}{fill}"));
        } else {
            push(&mut self.out, format_args!("{fill}{text}"));
        }
    }
}

fn cut(text: &str, precision: Option<usize>) -> String {
    match precision {
        Some(n) if n < text.len() => {
            let bytes = encode(text);
            crate::container::text::decode(&bytes[..n.min(bytes.len())])
        }
        _ => text.to_owned(),
    }
}

/// The number at the start of a text, and whether it is all of it.
fn parse_integer(text: &str) -> (i128, bool) {
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return (c.chars().next().map_or(0, |c| i128::from(u32::from(c))), true);
    }
    let trimmed = text.trim_start();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(d) => (true, d),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (radix, digits) =
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (16, hex)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (8, digits)
        } else {
            (10, digits)
        };
    let len = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    let value = i128::from_str_radix(&digits[..len], radix).unwrap_or(0);
    let value = if negative { -value } else { value };
    (value.clamp(i128::from(i64::MIN), i128::from(u64::MAX)), len > 0 && len == digits.len())
}

/// A number that is not negative, in one of C's floating-point formats.
pub(crate) fn float_text(
    value: f64,
    conversion: char,
    precision: Option<usize>,
    keep_zeros: bool,
) -> String {
    let upper = conversion.is_ascii_uppercase();
    let text = if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        "inf".to_owned()
    } else {
        let p = precision.unwrap_or(6).min(MAX_WIDTH);
        match conversion.to_ascii_lowercase() {
            'f' => format!("{value:.p$}"),
            'e' => exponent(value, p),
            'a' => format!("0x{:x}p+0", 0),
            _ => general(value, p.max(1), keep_zeros),
        }
    };
    if upper { text.to_uppercase() } else { text }
}

/// `1.5e+00`
fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exp) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exp) = exp.strip_prefix('-').map_or(('+', exp), |e| ('-', e));
    format!("{digits}e{sign}{exp:0>2}")
}

/// `%g`
fn general(value: f64, precision: usize, keep_zeros: bool) -> String {
    let scientific = exponent(value, precision - 1);
    let exp: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    let (mut digits, tail) = if exp < -4 || exp >= limit {
        let (d, e) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        (d.to_owned(), format!("e{e}"))
    } else {
        let places = usize::try_from(limit - 1 - exp).unwrap_or(0);
        (format!("{value:.places$}"), String::new())
    };
    if !keep_zeros && digits.contains('.') {
        let len = digits.trim_end_matches('0').trim_end_matches('.').len();
        digits.truncate(len);
    }
    format!("{digits}{tail}")
}

/// `printf`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let rest =
        if call.args.first().is_some_and(|a| a == "--") { &call.args[1..] } else { call.args };
    let Some(text) = rest.first() else { return call.usage("FORMAT [ARG]...", 1) };
    let result = format(text, &rest[1..], false, call.sys.now());
    call.sys.out(&result.bytes);
    for text in &result.errors {
        call.err(text);
    }
    Begun::Exit(result.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], want: &str) {
        let words: Vec<Str> = words.iter().map(|&w| w.into()).collect();
        let done = format(&words[0], &words[1..], false, SimTime::ZERO);
        assert_eq!(String::from_utf8(done.bytes).unwrap(), want);
    }

    #[test]
    fn formats_follow_c() {
        check(&["%5d|%-5d|%05d|%+d\\n", "42", "42", "42", "42"], "   42|42   |00042|+42\n");
        check(&["%5.3s|", "abcdef"], "  abc|");
        check(&["%s=%s\\n", "a", "1", "b"], "a=1\nb=\n");
        check(
            &["%.2f %5.1f %e %g", "3.14159", "2.5", "12345.678", "0.0001"],
            "3.14   2.5 1.234568e+04 0.0001",
        );
        check(&["%x %X %o %c %%", "255", "255", "8", "hello"], "ff FF 10 h %");
        check(&["%b", "a\\tb\\c", "never"], "a\tb");
        check(&["%g %g", "100000", "1000000"], "100000 1e+06");
    }
}

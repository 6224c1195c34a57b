//! Numbers and sizes as the tools read them.

/// A size with a suffix: `10`, `2k`, `1M`, `1MB`, `512b`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match &text[digits..] {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "k" | "K" | "KiB" => 1 << 10,
        "kB" | "KB" | "kD" => 1000,
        "m" | "M" | "MiB" => 1 << 20,
        "MB" | "MD" => 1_000_000,
        "g" | "G" | "GiB" => 1 << 30,
        "GB" | "GD" => 1_000_000_000,
        "T" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The number at the start of a text, as `strtod` reads it, and the length of it with the blanks before.
pub(crate) fn leading_float(text: &[u8]) -> Option<(f64, usize)> {
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
    let rest = &text[blanks..];
    let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
    let digits = |from: usize| {
        rest[from.min(rest.len())..].iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut any = whole > 0;
    if rest.get(end) == Some(&b'.') {
        let part = digits(end + 1);
        any |= part > 0;
        end += 1 + part;
    }
    if !any {
        let word = rest[sign..].to_ascii_lowercase();
        let negative = rest.first() == Some(&b'-');
        if word.starts_with(b"inf") {
            let len = if word.starts_with(b"infinity") { 8 } else { 3 };
            let value = if negative { f64::NEG_INFINITY } else { f64::INFINITY };
            return Some((value, blanks + sign + len));
        }
        return word.starts_with(b"nan").then_some((f64::NAN, blanks + sign + 3));
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let number = std::str::from_utf8(&rest[..end]).ok()?.trim_start_matches('+');
    Some((number.parse().ok()?, blanks + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(size("2k"), Some(2048));
        assert_eq!(size("1M"), Some(1 << 20));
        assert_eq!(size("1kB"), Some(1000));
        assert_eq!(size("x"), None);
    }

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        let read = |t: &str| leading_float(t.as_bytes());
        assert_eq!(read(" -1.5e2x"), Some((-150.0, 7)));
        assert_eq!(read("3e"), Some((3.0, 1)));
        assert_eq!(read(".5."), Some((0.5, 2)));
        assert_eq!(read("x"), None);
        assert_eq!(read("-inf"), Some((f64::NEG_INFINITY, 4)));
    }
}

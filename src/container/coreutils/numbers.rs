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
}

//! Durations as the tools read them: `5`, `.5`, `1m`, `2h`, `1d`, `infinity`.

use std::time::Duration;

use crate::base::Str;

/// Longer than any simulation: a sleep that never ends.
const FOREVER: Duration = Duration::from_secs(u64::MAX / 2_000_000_000);

/// One duration.
pub(crate) fn one(text: &str) -> Option<Duration> {
    if matches!(text, "inf" | "infinity") {
        return Some(FOREVER);
    }
    let (digits, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        b'd' => (&text[..text.len() - 1], 86_400),
        _ => (text, 1),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && part.is_empty()
        || !(whole.bytes().chain(part.bytes())).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX / 1000) };
    let nanos: u64 = format!("{part:0<9}")[..9].parse().ok()?;
    let total = u128::from(seconds) * 1_000_000_000 * factor + u128::from(nanos) * factor;
    Some(u64::try_from(total).map_or(FOREVER, Duration::from_nanos).min(FOREVER))
}

/// The sum of durations; `None` without any, `Err` with the text of a bad one.
pub(crate) fn total(words: &[Str]) -> Result<Option<Duration>, String> {
    let mut sum: Option<Duration> = None;
    for word in words {
        let length = one(word).ok_or_else(|| word.to_string())?;
        sum = Some(sum.unwrap_or_default().saturating_add(length).min(FOREVER));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_fractions() {
        assert_eq!(one("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(one(".5"), Some(Duration::from_millis(500)));
        assert_eq!(one("2m"), Some(Duration::from_secs(120)));
        assert_eq!(one("abc"), None);
        assert_eq!(one(""), None);
        assert_eq!(one("infinity"), Some(FOREVER));
        assert_eq!(total(&["1".into(), "2s".into()]), Ok(Some(Duration::from_secs(3))));
    }
}

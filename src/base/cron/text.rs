//! Reading schedules as text.
//!
//! Follows `github.com/robfig/cron/v3`, `Parser.Parse` and `getRange`, with Go's own texts for numbers
//! and durations that cannot be read.

use std::time::Duration;

use chrono_tz::Tz;
use smol_str::format_smolstr;

use super::fields::{Fields, STAR, Set};
use super::zone::load_location;

/// A schedule as read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parsed {
    /// A fixed length of time.
    Every(Duration),
    /// Five fields in a zone.
    Fields(Fields, Tz),
}

/// The bounds of a field, and the names of its numbers.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds =
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// Reads a schedule.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    if text.is_empty() {
        return Err("empty spec string".to_owned());
    }
    let mut rest = text;
    let mut zone = Tz::UTC;
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        let (zone_part, after) = text.split_once(' ').ok_or(
            // The parser runs into Go's own check, which Kubernetes reports.
            "invalid schedule format: runtime error: slice bounds out of range [:-1]",
        )?;
        let name = zone_part.split_once('=').map_or("", |(_, name)| name);
        zone = load_location(name).map_err(|e| format!("provided bad location {name}: {e}"))?;
        rest = after.trim();
    }
    if rest.starts_with('@') {
        return descriptor(rest, zone);
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = words[..] else {
        let found = words.join(" ");
        return Err(format!("expected exactly 5 fields, found {}: [{found}]", words.len()));
    };
    let fields = Fields {
        minute: field(minute, &MINUTES)?,
        hour: field(hour, &HOURS)?,
        day: field(day, &DAYS)?,
        month: field(month, &MONTHS)?,
        weekday: field(weekday, &WEEKDAYS)?,
    };
    Ok(Parsed::Fields(fields, zone))
}

fn descriptor(text: &str, zone: Tz) -> Result<Parsed, String> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(length) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let nanos =
                go_duration(length).map_err(|e| format!("failed to parse duration {text}: {e}"))?;
            let seconds = u64::try_from(nanos).unwrap_or(0) / 1_000_000_000;
            return Ok(Parsed::Every(Duration::from_secs(seconds.max(1))));
        }
    };
    match parse(fields)? {
        Parsed::Fields(fields, _) => Ok(Parsed::Fields(fields, zone)),
        every @ Parsed::Every(_) => Ok(every),
    }
}

fn field(text: &str, bounds: &Bounds) -> Result<Set, String> {
    let ranges = text.split(',').filter(|r| !r.is_empty());
    ranges.map(|r| range(r, bounds)).try_fold(Set(0), |all, r| Ok(Set(all.0 | r?)))
}

fn range(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let limits: Vec<&str> = parts[0].split('-').collect();
    let mut star = 0;
    let (start, mut end) = if matches!(limits[0], "*" | "?") {
        star = STAR;
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(limits[0], bounds.names, bounds.min)?;
        match limits[..] {
            [_] => (start, start),
            [_, end] => (start, number_or_name(end, bounds.names, bounds.min)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if limits.len() == 1 {
                end = bounds.max;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    let Bounds { min, max, .. } = bounds;
    if start < *min {
        return Err(format!("beginning of range ({start}) below minimum ({min}): {text}"));
    }
    if end > *max {
        return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((start..=end).step_by(step).fold(star, |bits, n| bits | 1 << n))
}

fn number_or_name(text: &str, names: &[&str], first: u64) -> Result<u64, String> {
    match (first..).zip(names).find(|(_, name)| text.eq_ignore_ascii_case(name)) {
        Some((number, _)) => Ok(number),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fault = if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        "invalid syntax"
    } else if let Ok(n) = text.parse::<i64>() {
        return u64::try_from(n).map_err(|_| format!("negative number ({n}) not allowed: {text}"));
    } else {
        "value out of range"
    };
    let quoted = quote(text);
    Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {quoted}: {fault}"))
}

/// A text in quotes, as Go writes it (`strconv.Quote`).
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            ' ' => quoted.push(c),
            c if u32::from(c) < 0x80 && c.is_control() => {
                quoted.extend(format_smolstr!("\\x{:02x}", u32::from(c)).chars());
            }
            c if c.is_control() || c.is_whitespace() => {
                quoted.extend(format_smolstr!("\\u{:04x}", u32::from(c)).chars());
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A duration as Go writes it, in nanoseconds (`time.ParseDuration`).
///
/// # Errors
/// Go's own text.
pub fn go_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote_bytes(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    const LIMIT: u128 = 1 << 63;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        if leading(whole).is_none() {
            return Err(invalid());
        }
        if end == 0 {
            return Err(format!("time: missing unit in duration {}", quote_bytes(text)));
        }
        let (unit, after) = after.split_at(end);
        let Some(nanos) = unit_nanos(unit) else {
            let (unit, text) = (quote_bytes(unit), quote_bytes(text));
            return Err(format!("time: unknown unit {unit} in duration {text}"));
        };
        total += leading(whole).unwrap_or(LIMIT) * nanos + part(fraction, nanos);
        if total > LIMIT {
            return Err(invalid());
        }
        rest = after;
    }
    let total = i128::try_from(total).unwrap_or(i128::MAX);
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The number before the point; `None` where it is too large.
fn leading(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0u128, |n, d| {
        let n = n * 10 + u128::from(d - b'0');
        (n <= 1 << 63).then_some(n)
    })
}

/// The part behind the point, in whole nanoseconds. Eighteen digits are finer than any unit.
fn part(digits: &str, nanos: u128) -> u128 {
    let (value, scale) = digits
        .bytes()
        .take(18)
        .fold((0u128, 1u128), |(n, scale), d| (n * 10 + u128::from(d - b'0'), scale * 10));
    value * nanos / scale
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A text in quotes as the `time` package puts it, which spells out every byte beyond ASCII.
fn quote_bytes(text: &str) -> String {
    let mut quoted = String::from("\"");
    for b in text.bytes() {
        match b {
            b'"' | b'\\' => quoted.extend(['\\', char::from(b)]),
            b' '..0x80 => quoted.push(char::from(b)),
            _ => quoted.extend(format_smolstr!("\\x{b:02x}").chars()),
        }
    }
    quoted.push('"');
    quoted
}

//! `date`, and the formats of `strftime`.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Timelike as _, Utc};

use super::{Begun, Call};
use crate::base::time::SimTime;
use crate::container::text::push;

const USAGE: &str = "[OPTIONS] [+FMT] [[-s] TIME]";

/// A time by a format, as `strftime` of the C library in the C locale and in UTC.
pub(crate) fn strftime(format: &str, at: DateTime<Utc>) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut pad = None;
        let mut letter = chars.next();
        while let Some(flag @ ('-' | '_' | '0' | '^' | 'E' | 'O')) = letter {
            pad = Some(flag);
            letter = chars.next();
        }
        let Some(letter) = letter else {
            out.push('%');
            break;
        };
        field(letter, pad, at, &mut out);
    }
    out
}

fn number(out: &mut String, n: i64, width: usize, fill: char, pad: Option<char>) {
    match pad {
        Some('-') => push(out, n),
        Some('_') => push(out, format_args!("{n:width$}")),
        Some('0') => push(out, format_args!("{n:0width$}")),
        _ if fill == ' ' => push(out, format_args!("{n:width$}")),
        _ => push(out, format_args!("{n:0width$}")),
    }
}

fn field(letter: char, pad: Option<char>, at: DateTime<Utc>, out: &mut String) {
    const DAYS: [&str; 7] =
        ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let day = DAYS[usize::try_from(at.weekday().num_days_from_sunday()).expect("below 7")];
    let month = MONTHS[usize::try_from(at.month0()).expect("below 12")];
    let hour12 = i64::from(if at.hour().is_multiple_of(12) { 12 } else { at.hour() % 12 });
    let mut text =
        |t: &str| if pad == Some('^') { out.push_str(&t.to_uppercase()) } else { out.push_str(t) };
    match letter {
        'a' => text(&day[..3]),
        'A' => text(day),
        'b' | 'h' => text(&month[..3]),
        'B' => text(month),
        'p' => text(if at.hour() < 12 { "AM" } else { "PM" }),
        'P' => text(if at.hour() < 12 { "am" } else { "pm" }),
        'Z' => text("UTC"),
        'z' => text("+0000"),
        '%' => text("%"),
        'n' => text("\n"),
        't' => text("\t"),
        'c' => text(&strftime("%a %b %e %H:%M:%S %Y", at)),
        'x' | 'D' => text(&strftime("%m/%d/%y", at)),
        'X' | 'T' => text(&strftime("%H:%M:%S", at)),
        'r' => text(&strftime("%I:%M:%S %p", at)),
        'R' => text(&strftime("%H:%M", at)),
        'F' => text(&strftime("%Y-%m-%d", at)),
        'C' => number(out, i64::from(at.year() / 100), 2, '0', pad),
        'd' => number(out, i64::from(at.day()), 2, '0', pad),
        'e' => number(out, i64::from(at.day()), 2, ' ', pad),
        'g' => number(out, i64::from(at.iso_week().year() % 100), 2, '0', pad),
        'G' => number(out, i64::from(at.iso_week().year()), 4, '0', pad),
        'H' => number(out, i64::from(at.hour()), 2, '0', pad),
        'I' => number(out, hour12, 2, '0', pad),
        'j' => number(out, i64::from(at.ordinal()), 3, '0', pad),
        'k' => number(out, i64::from(at.hour()), 2, ' ', pad),
        'l' => number(out, hour12, 2, ' ', pad),
        'm' => number(out, i64::from(at.month()), 2, '0', pad),
        'M' => number(out, i64::from(at.minute()), 2, '0', pad),
        's' => push(out, at.timestamp()),
        'S' => number(out, i64::from(at.second()), 2, '0', pad),
        'u' => push(out, at.weekday().number_from_monday()),
        'U' => number(
            out,
            i64::from((at.ordinal0() + 7 - at.weekday().num_days_from_sunday()) / 7),
            2,
            '0',
            pad,
        ),
        'V' => number(out, i64::from(at.iso_week().week()), 2, '0', pad),
        'w' => push(out, at.weekday().num_days_from_sunday()),
        'W' => number(
            out,
            i64::from((at.ordinal0() + 7 - at.weekday().num_days_from_monday()) / 7),
            2,
            '0',
            pad,
        ),
        'y' => number(out, i64::from(at.year() % 100), 2, '0', pad),
        'Y' => number(out, i64::from(at.year()), 1, '0', pad),
        // What the C library does not know is printed as it stands.
        other => out.extend(['%', other]),
    }
}

/// A time as `date -d` of busybox reads it.
pub(crate) fn parse(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(seconds) = text.strip_prefix('@') {
        return DateTime::from_timestamp(seconds.parse().ok()?, 0);
    }
    let text = text.trim();
    let today = now.date_naive();
    let formats = [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y.%m.%d-%H:%M:%S",
        "%Y.%m.%d-%H:%M",
    ];
    if let Some(t) = formats.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()) {
        return Some(t.and_utc());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_hms_opt(0, 0, 0)?.and_utc());
    }
    if let Ok(day) =
        NaiveDateTime::parse_from_str(&format!("{text} {}", now.year()), "%m.%d-%H:%M %Y")
    {
        return Some(day.and_utc());
    }
    let time =
        ["%H:%M:%S", "%H:%M"].iter().find_map(|f| chrono::NaiveTime::parse_from_str(text, f).ok());
    if let Some(time) = time {
        return Some(today.and_time(time).and_utc());
    }
    compact(text, now)
}

/// `[[CC]YY]MMDDhhmm[.ss]` in date's own order MMDDhhmm[[YY]YY][.ss].
fn compact(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "0"));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let two = |i: usize| digits.get(i..i + 2)?.parse::<u32>().ok();
    let year = match digits.len() {
        8 => now.year(),
        10 => 2000 + i32::try_from(two(8)?).ok()?,
        12 => digits[8..].parse().ok()?,
        _ => return None,
    };
    let day = NaiveDate::from_ymd_opt(year, two(0)?, two(2)?)?;
    Some(day.and_hms_opt(two(4)?, two(6)?, seconds.parse().ok()?)?.and_utc())
}

/// `date`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let now = call.sys.now();
    let mut at = now;
    let mut format: Option<String> = None;
    let mut given: Option<String> = None;
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        if let Some(f) = arg.strip_prefix('+') {
            format = Some(f.to_owned());
            continue;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            given = Some(arg.to_string());
            continue;
        };
        if let Some(long) = letters.strip_prefix('-') {
            match long.split_once('=').unwrap_or((long, "")) {
                ("utc" | "universal", _) => {}
                ("date", value) => given = Some(value.to_owned()),
                ("iso-8601", value) => format = Some(iso(value).to_owned()),
                ("rfc-2822" | "rfc-email", _) => {
                    format = Some("%a, %d %b %Y %H:%M:%S %z".to_owned())
                }
                _ => return call.bad_option('-', USAGE, 1),
            }
            continue;
        }
        let mut chars = letters.char_indices();
        while let Some((i, letter)) = chars.next() {
            let attached = &letters[i + letter.len_utf8()..];
            match letter {
                'u' => {}
                'R' => format = Some("%a, %d %b %Y %H:%M:%S %z".to_owned()),
                'I' => {
                    format = Some(iso(attached).to_owned());
                    break;
                }
                'd' | 'r' | 's' | 'D' => {
                    let value = if attached.is_empty() {
                        args.next().map(ToString::to_string)
                    } else {
                        Some(attached.to_owned())
                    };
                    let Some(value) = value else { return call.usage(USAGE, 1) };
                    if letter == 'r' {
                        match call.sys.stat(&value, true) {
                            Ok(stat) => at = stat.mtime,
                            Err(e) => {
                                call.err(&format!("can't stat '{value}': {e}"));
                                return Begun::Exit(1);
                            }
                        }
                    } else if letter != 'D' {
                        given = Some(value);
                    }
                    break;
                }
                other => return call.bad_option(other, USAGE, 1),
            }
        }
    }
    let mut time = at.to_utc();
    if let Some(text) = given {
        match parse(&text, now.to_utc()) {
            Some(t) => time = t,
            None => {
                call.err(&format!("invalid date '{text}'"));
                return Begun::Exit(1);
            }
        }
    }
    let format = format.unwrap_or_else(|| "%a %b %e %H:%M:%S UTC %Y".to_owned());
    call.out(&format!("{}\n", strftime(&format, time)));
    Begun::Exit(0)
}

fn iso(precision: &str) -> &'static str {
    match precision {
        "" | "date" => "%Y-%m-%d",
        "hours" | "h" => "%Y-%m-%dT%H%z",
        "minutes" | "m" => "%Y-%m-%dT%H:%M%z",
        _ => "%Y-%m-%dT%H:%M:%S%z",
    }
}

/// The time by a format, for other tools.
pub(crate) fn at(format: &str, time: SimTime) -> String {
    strftime(format, time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        let now = DateTime::from_timestamp(1_736_935_200, 0).unwrap();
        assert_eq!(strftime("%a %b %e %H:%M:%S UTC %Y", now), "Wed Jan 15 10:00:00 UTC 2025");
        assert_eq!(strftime("%-d %N %j %I%p", now), "15 %N 015 10AM");
        let read = |t: &str| parse(t, now).map(|t| t.timestamp());
        assert_eq!(read("2024-02-29 12:00:00"), Some(1_709_208_000));
        assert_eq!(read("@86400"), Some(86_400));
        assert_eq!(read("12:30"), Some(1_736_944_200));
        assert_eq!(read("tomorrow"), None);
    }
}

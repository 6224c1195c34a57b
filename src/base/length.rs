//! Lengths of time as people and as Go write them.

use std::time::Duration;

/// No length of time may be longer than this: 366 days.
pub const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

/// A length of time such as `14s`, `1m30s`, `500ms` or `2d`: numbers with units, down to nanoseconds.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no length of time such as 14s, 1m30s or 500ms");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let nanos: u64 = match unit {
            "d" => 86_400_000_000_000,
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(nanos).map(Duration::from_nanos);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|sum| *sum <= MAX_DURATION)
            .ok_or_else(|| format!("{text:?} is longer than 366 days"))?;
        rest = tail;
    }
    Ok(total)
}

/// `1h2m3.5s`, `12ms`, `0s`: as Go's `time.Duration` writes itself.
pub fn go(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let n = nanoseconds.unsigned_abs();
    let decimal = |n: u64, unit: u64, name: &str| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", n % unit);
        match fraction.trim_end_matches('0') {
            "" => format!("{}{name}", n / unit),
            fraction => format!("{}.{fraction}{name}", n / unit),
        }
    };
    let text = match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{n}ns"),
        1_000..1_000_000 => decimal(n, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(n, 1_000_000, "ms"),
        _ => {
            let minute = 60_000_000_000;
            let (minutes, rest) = (n / minute, n % minute);
            let seconds = decimal(rest, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_numbers_with_units() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(parse(text).ok(), millis.map(Duration::from_millis), "{text}");
        };
        check("0s", Some(0));
        check("14s", Some(14_000));
        check("1m30s", Some(90_000));
        check("500ms", Some(500));
        check("2h", Some(7_200_000));
        check("", None);
        check("14", None);
        check("s", None);
        check("-1s", None);
        check("1 s", None);
        check("99999999999999999999s", None);
        check("400h400h8000h", None);
    }

    #[test]
    fn go_writes_units_down_to_the_nanosecond() {
        for (n, wanted) in [
            (0, "0s"),
            (1_500, "1.5µs"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000, "-1.5ms"),
        ] {
            assert_eq!(go(n), wanted);
        }
    }
}

//! Texts as Go prints them: the node agent's messages carry durations, lists and quoted names.

use std::time::Duration;

/// A length of time as `time.Duration.String` writes it: `302ms`, `1.5s`, `1m20s`, `0s`.
pub(super) fn go_duration(d: Duration) -> String {
    let nanos = d.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let (unit, name) = match nanos {
        ..1_000 => (1, "ns"),
        ..1_000_000 => (1_000, "µs"),
        ..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    if name != "s" {
        return format!("{}{name}", decimal(nanos, unit));
    }
    let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    let seconds = decimal(rest, unit);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

fn decimal(n: u128, unit: u128) -> String {
    let (whole, part) = (n / unit, n % unit);
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{part:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// A list of words as `%v` writes a slice: `[a b]`.
pub(super) fn go_list<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    format!("[{}]", words.join(" "))
}

/// A text as `%q` writes it; control characters and quotes are escaped.
pub(super) fn go_quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let check =
            |nanos, expect: &str| assert_eq!(go_duration(Duration::from_nanos(nanos)), expect);
        check(0, "0s");
        check(302_000_000, "302ms");
        check(1_500_000_000, "1.5s");
        check(10_000_000_000, "10s");
        check(80_000_000_000, "1m20s");
        check(300_000_000_000, "5m0s");
        check(3_661_000_000_000, "1h1m1s");
        check(1_013_000_000, "1.013s");
    }

    #[test]
    fn lists_are_written_as_go_writes_them() {
        assert_eq!(go_list(&["one", "two"]), "[one two]");
        assert_eq!(go_list::<&str>(&[]), "[]");
    }
}

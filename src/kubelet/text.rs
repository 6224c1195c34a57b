//! Texts as Go prints them: the node agent's messages carry durations, lists and quoted names.

use std::time::Duration;

use crate::base::length;

/// A length of time as `time.Duration.String` writes it: `302ms`, `1.5s`, `1m20s`, `0s`.
pub(super) fn go_duration(d: Duration) -> String {
    // Go's own hold no more than an i64 of nanoseconds, 292 years.
    length::go(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// An amount of bytes as `resource.Quantity.String` writes it with binary suffixes: `100Mi`, `1536Ki`.
pub(super) fn binary_si(bytes: i64) -> String {
    let (mut amount, mut suffix) = (bytes, "");
    for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
        if amount == 0 || amount % 1024 != 0 {
            break;
        }
        (amount, suffix) = (amount / 1024, next);
    }
    format!("{amount}{suffix}")
}

/// A list of words as `%v` writes a slice: `[a b]`.
pub(super) fn go_list<S: AsRef<str>>(words: &[S]) -> String {
    let mut list =
        String::with_capacity(words.iter().map(|w| w.as_ref().len() + 1).sum::<usize>() + 2);
    for word in words {
        list.push_str(if list.is_empty() { "[" } else { " " });
        list.push_str(word.as_ref());
    }
    list.push_str(if list.is_empty() { "[]" } else { "]" });
    list
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
    fn amounts_have_the_largest_suffix_that_is_exact() {
        let check = |bytes, expect: &str| assert_eq!(binary_si(bytes), expect);
        check(0, "0");
        check(1000, "1000");
        check(1536 << 10, "1536Ki");
        check(100 << 20, "100Mi");
        check(1 << 40, "1Ti");
    }

    #[test]
    fn lists_are_written_as_go_writes_them() {
        assert_eq!(go_list(&["one", "two"]), "[one two]");
        assert_eq!(go_list::<&str>(&[]), "[]");
    }
}

//! Durations as people read them.
//!
//! Follows `k8s.io/apimachinery/pkg/util/duration/duration.go`: two or three significant figures.

const SECOND: i64 = 1_000_000_000;
const DAYS_OF_YEAR: i64 = 365;

/// `2m`, `7h59m`, `3d4h`, `2y12d`: what `kubectl get` prints of an age. Up to two seconds below zero count
/// as none, for clocks differ; below that it is `<invalid>`.
pub fn human(nanoseconds: i64) -> String {
    let seconds = nanoseconds / SECOND;
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    let two = |large: i64, unit: char, small: i64, below: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{below}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, 'd', hours % 24, 'h'),
        () if days < 2 * DAYS_OF_YEAR => format!("{days}d"),
        () if days < 8 * DAYS_OF_YEAR => two(days / DAYS_OF_YEAR, 'y', days % DAYS_OF_YEAR, 'd'),
        () => format!("{}y", days / DAYS_OF_YEAR),
    }
}

/// The same with one figure: `2m`, `7h`, `3d`, `2y`.
pub fn short(nanoseconds: i64) -> String {
    let seconds = nanoseconds / SECOND;
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match () {
        () if seconds < 60 => format!("{seconds}s"),
        () if minutes < 60 => format!("{minutes}m"),
        () if hours < 24 => format!("{hours}h"),
        () if hours < 24 * DAYS_OF_YEAR => format!("{}d", hours / 24),
        () => format!("{}y", rounded_years(nanoseconds)),
    }
}

/// Whole years as upstream counts them: from hours in floating point, so that a year that lacks a few
/// nanoseconds counts.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the rounding is upstream's; an i64 of nanoseconds holds 292 years"
)]
fn rounded_years(nanoseconds: i64) -> i64 {
    const HOUR: i64 = 3600 * SECOND;
    let hours = (nanoseconds / HOUR) as f64 + (nanoseconds % HOUR) as f64 / HOUR as f64;
    (hours / 24.0 / DAYS_OF_YEAR as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_or_three_figures() {
        for (seconds, wanted, brief) in [
            (-3, "<invalid>", "<invalid>"),
            (-1, "0s", "0s"),
            (119, "119s", "1m"),
            (120, "2m", "2m"),
            (599, "9m59s", "9m"),
            (3600 * 3, "3h", "3h"),
            (3600 * 47, "47h", "1d"),
            (3600 * 49, "2d1h", "2d"),
            (86400 * 800, "2y70d", "2y"),
        ] {
            assert_eq!(
                (human(seconds * SECOND).as_str(), short(seconds * SECOND).as_str()),
                (wanted, brief)
            );
        }
    }
}

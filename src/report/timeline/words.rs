//! Numbers in words.

use std::time::Duration;

use crate::base::time::SimTime;

/// A time since the start as the timeline's first column: `0.084s`, `1m03.500s`, `2h00m00s`, `3d04h00m`.
pub fn clock(at: SimTime, start: SimTime) -> String {
    let since = at.since(start);
    let (secs, ms) = (since.as_secs(), since.subsec_millis());
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match secs {
        0..60 => format!("{secs}.{ms:03}s"),
        60..3600 => format!("{minutes}m{:02}.{ms:03}s", secs % 60),
        3600..86_400 => format!("{hours}h{minutes:02}m{:02}.{}s", secs % 60, ms / 100),
        _ => format!("{days}d{hours:02}h{minutes:02}m{:02}s", secs % 60),
    }
}

/// A length of time: `0s`, `85ms`, `1.2s`, `42s`, `7m40s`, `3h`, `2d4h`.
pub fn duration(length: Duration) -> String {
    let (secs, ms) = (length.as_secs(), length.subsec_millis());
    let parts = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match secs {
        0 if ms == 0 => "0s".to_owned(),
        0 => format!("{ms}ms"),
        1..10 if ms >= 100 => format!("{secs}.{}s", ms / 100),
        1..60 => format!("{secs}s"),
        60..3600 => parts(secs / 60, "m", secs % 60, "s"),
        3600..86_400 => parts(secs / 3600, "h", secs / 60 % 60, "m"),
        _ => parts(secs / 86_400, "d", secs / 3600 % 24, "h"),
    }
}

/// `1 pod`, `3 pods`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_exact_enough() {
        let at = |ms: u64| {
            let start = SimTime::from_secs(1000);
            clock(start + Duration::from_millis(ms), start)
        };
        let clocks = [84, 63_500, 3_661_200, 273_600_000].map(at);
        assert_eq!(clocks, ["0.084s", "1m03.500s", "1h01m01.2s", "3d04h00m00s"]);
        let lengths = [0, 85, 1_234, 42_000, 460_000, 10_800_000].map(Duration::from_millis);
        assert_eq!(lengths.map(duration), ["0s", "85ms", "1.2s", "42s", "7m40s", "3h"]);
    }
}

//! The machine's clock: how long a run took, and the date of a report. The one place that looks at it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment on the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall(Instant);

impl Wall {
    /// Now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the named edge: real time spent is told to the user"
    )]
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// The real time since then.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The date and time of day in UTC, as `2026-01-05T08:00:00`.
#[expect(clippy::disallowed_methods, reason = "the named edge: reports say when they were made")]
pub(super) fn date() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    let date = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%S").to_string()
}

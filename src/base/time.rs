//! Virtual time: a point on the simulation's clock, in nanoseconds since the Unix epoch.
//!
//! An integer newtype, never a float and never the machine's clock. Lengths of time are
//! [`std::time::Duration`], which is an exact integer as well. Calendars (chrono) are a view of a
//! point, made at the edges.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// A point in virtual time: nanoseconds since 1970-01-01T00:00:00Z, up to the year 2554.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimTime(u64);

impl SimTime {
    /// The Unix epoch.
    pub const ZERO: Self = Self(0);
    /// A point that is never reached: "no limit".
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The point `secs` seconds after the epoch.
    ///
    /// # Panics
    /// Beyond the year 2554, which no input reaches: parsers bound their times.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, truncated: the precision in which Kubernetes stores times.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// This point with its fraction of a second cut off, as `metav1.Time` is stored.
    pub const fn trunc_secs(self) -> Self {
        Self(self.0 - self.0 % 1_000_000_000)
    }

    /// The time from `earlier` to here; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This point plus a length, stopping at [`SimTime::MAX`].
    pub fn saturating_add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This point minus a length, stopping at the epoch.
    pub fn saturating_sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The same point on the calendar, in UTC.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    /// The point that a calendar time names; `None` before the epoch or after the year 2262.
    pub fn from_utc(at: DateTime<Utc>) -> Option<Self> {
        at.timestamp_nanos_opt().and_then(|n| u64::try_from(n).ok()).map(Self)
    }

    /// As the API writes a `metav1.Time`: `2026-11-23T09:39:34Z`.
    pub fn to_rfc3339(self) -> String {
        self.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

impl Add<Duration> for SimTime {
    type Output = Self;
    fn add(self, length: Duration) -> Self {
        self.saturating_add(length)
    }
}

impl AddAssign<Duration> for SimTime {
    fn add_assign(&mut self, length: Duration) {
        *self = *self + length;
    }
}

impl Sub<Duration> for SimTime {
    type Output = Self;
    fn sub(self, length: Duration) -> Self {
        self.saturating_sub(length)
    }
}

impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            return f.write_str("never");
        }
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_written_as_the_api_writes_it() {
        let t = SimTime::from_secs(1_795_426_774) + Duration::from_millis(250);
        assert_eq!(t.to_rfc3339(), "2026-11-23T09:39:34Z");
        assert_eq!(format!("{t:?}"), "2026-11-23T09:39:34.250Z");
        assert_eq!(t.trunc_secs(), SimTime::from_secs(1_795_426_774));
        assert_eq!(SimTime::from_utc(t.to_utc()), Some(t));
    }

    #[test]
    fn time_saturates_at_both_ends() {
        assert_eq!(SimTime::MAX + Duration::from_secs(1), SimTime::MAX);
        assert_eq!(SimTime::ZERO - Duration::from_secs(1), SimTime::ZERO);
        assert_eq!(SimTime::ZERO.since(SimTime::MAX), Duration::ZERO);
    }
}

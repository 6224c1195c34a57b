//! A stretch of time in which a zone keeps its offset.

use chrono_tz::Tz;

use super::zone::offset_at;

/// A stretch of time, in seconds since the epoch, with one offset. Empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    from: i64,
    until: i64,
    offset: i64,
}

/// How far a span is looked for back and ahead: over a month, and over a year.
const DAYS: (i64, i64) = (33, 400);
const DAY: i64 = 86_400;

impl Span {
    /// The span around `at`: this one, if `at` lies well within it, or a new one.
    pub(super) fn around(&mut self, at: i64, zone: Tz) -> Self {
        if !self.holds(at - DAYS.0 * DAY, at) {
            *self = Self::new(at, zone);
        }
        *self
    }

    /// The offset, in seconds east of UTC.
    pub(super) fn offset(self) -> i64 {
        self.offset
    }

    /// Whether all from `first` to `last` lies in it.
    pub(super) fn holds(self, first: i64, last: i64) -> bool {
        self.from <= first && last < self.until
    }

    fn new(at: i64, zone: Tz) -> Self {
        let offset = offset_at(zone, at);
        if zone == Tz::UTC {
            return Self { from: i64::MIN, until: i64::MAX, offset };
        }
        // Looking once a day would miss a change that is taken back within a day; there is none.
        let keeps = |day: &i64| offset_at(zone, at + day * DAY) == offset;
        let back = (1..=DAYS.0).take_while(|day| keeps(&-day)).count();
        let ahead = (1..=DAYS.1).take_while(keeps).count();
        let days = |n: usize| i64::try_from(n).unwrap_or(0) * DAY;
        Self { from: at - days(back), until: at + days(ahead), offset }
    }
}

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

/// How far a span is looked for: longer than any zone that changes at all keeps its offset in a year.
const DAYS: i64 = 400;
const DAY: i64 = 86_400;

impl Span {
    /// The span that begins at or before `at`: this one, if `at` lies in it, or a new one.
    pub(super) fn around(&mut self, at: i64, zone: Tz) -> Self {
        if !self.contains(at) {
            *self = Self::from(at, zone);
        }
        *self
    }

    /// The offset, in seconds east of UTC.
    pub(super) fn offset(self) -> i64 {
        self.offset
    }

    /// Whether a time lies in it.
    pub(super) fn contains(self, at: i64) -> bool {
        self.from <= at && at < self.until
    }

    fn from(at: i64, zone: Tz) -> Self {
        let offset = offset_at(zone, at);
        if zone == Tz::UTC {
            return Self { from: at, until: i64::MAX, offset };
        }
        // Looking once a day would miss a change that is taken back within a day; there is none.
        let mut until = at;
        for _ in 0..DAYS {
            if offset_at(zone, until + DAY) != offset {
                return Self { from: at, until: change(zone, until, offset), offset };
            }
            until += DAY;
        }
        Self { from: at, until, offset }
    }
}

/// The first second within a day after `before` at which the offset is another.
fn change(zone: Tz, before: i64, offset: i64) -> i64 {
    let (mut same, mut other) = (before, before + DAY);
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        if offset_at(zone, middle) == offset {
            same = middle;
        } else {
            other = middle;
        }
    }
    other
}

//! A number and what it was a moment ago.

use super::LAG;
use crate::base::time::SimTime;

/// A number that some may still act on as it was before: for [`LAG`] after a change both hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    now: i32,
    high: i32,
    low: i32,
    until: SimTime,
}

impl Recent {
    /// It is `value` from now on.
    pub(super) fn set(&mut self, value: i32, at: SimTime) {
        if value == self.now {
            return;
        }
        let (high, low) =
            if at < self.until { (self.high, self.low) } else { (self.now, self.now) };
        (self.high, self.low) = (high.max(self.now), low.min(self.now));
        (self.now, self.until) = (value, at + LAG);
    }

    /// The most that it may be taken for.
    pub(super) fn most(&self, at: SimTime) -> i32 {
        if at < self.until { self.now.max(self.high) } else { self.now }
    }

    /// The least that it may be taken for.
    pub(super) fn least(&self, at: SimTime) -> i32 {
        if at < self.until { self.now.min(self.low) } else { self.now }
    }
}

//! The five fields of a schedule as sets of numbers.

use std::str::FromStr as _;

/// Five fields, each a set of numbers as bits (`cron.SpecSchedule`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Minutes.
    pub(super) minute: Set,
    /// Hours.
    pub(super) hour: Set,
    /// Days of the month, from 1 on.
    pub(super) day: Set,
    /// Months, from 1 on.
    pub(super) month: Set,
    /// Days of the week, Sunday being 0.
    pub(super) weekday: Set,
}

/// A set of numbers below 63; the highest bit says that a star was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(pub(super) u64);

/// The bit that stands for a star (`cron.starBit`).
pub(super) const STAR: u64 = 1 << 63;

impl Set {
    /// Whether the number is in the set.
    pub(super) fn has(self, number: u32) -> bool {
        1u64.checked_shl(number).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether a star was written.
    pub(super) fn is_star(self) -> bool {
        self.0 & STAR != 0
    }

    fn is_empty(self) -> bool {
        self.0 & !STAR == 0
    }

    fn list(self, shift: u32) -> String {
        let numbers = (0..63).filter(|n| self.has(*n)).map(|n| (n + shift).to_string());
        numbers.collect::<Vec<_>>().join(",")
    }
}

impl Fields {
    /// Whether both day fields must match, and not either (`dayMatches`).
    pub(super) fn both_days(&self) -> bool {
        self.day.is_star() || self.weekday.is_star()
    }

    /// The fields as schedules of the `cron` crate, which match whenever one of them does; none where
    /// nothing can match.
    pub(super) fn halves(&self) -> Vec<cron::Schedule> {
        let every = Set(u64::MAX);
        if self.both_days() {
            self.half(self.day, self.weekday).into_iter().collect()
        } else {
            let halves = [self.half(self.day, every), self.half(every, self.weekday)];
            halves.into_iter().flatten().collect()
        }
    }

    fn half(&self, day: Set, weekday: Set) -> Option<cron::Schedule> {
        if [self.minute, self.hour, day, self.month, weekday].iter().any(|s| s.is_empty()) {
            return None;
        }
        let or_star =
            |set: Set, text: String| if set == Set(u64::MAX) { "*".to_owned() } else { text };
        let text = format!(
            "0 {} {} {} {} {}",
            self.minute.list(0),
            self.hour.list(0),
            or_star(day, day.list(0)),
            self.month.list(0),
            or_star(weekday, weekday.list(1)),
        );
        Some(cron::Schedule::from_str(&text).expect("numbers within the bounds of their fields"))
    }
}

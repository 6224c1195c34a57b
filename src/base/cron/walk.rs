//! The search for the next time, step by step.
//!
//! Follows `github.com/robfig/cron/v3`, `SpecSchedule.Next`: a field that does not match is moved on
//! until it does, and a field that runs over starts the search again. The steps are real hours and
//! minutes, so that what a zone skips or repeats comes out as it does there.

use chrono::{Datelike as _, NaiveDateTime, Timelike as _};
use chrono_tz::Tz;

use super::fields::Fields;
use super::zone::{date, local_at};

/// How many years ahead are searched.
pub(super) const YEARS: i32 = 5;

/// Steps after which a search is given up: robfig/cron would go on for ever where a zone skips a whole
/// day.
const MOST_STEPS: u32 = 100_000;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// The first time after `after`, both in seconds since the epoch.
pub(super) fn next(fields: &Fields, after: i64, zone: Tz) -> Option<i64> {
    let mut walk = Walk { at: after + 1, reset: false, steps: 0, zone };
    let last_year = walk.local().year() + YEARS;
    while walk.local().year() <= last_year && walk.steps < MOST_STEPS {
        if walk.month(fields)
            && walk.day(fields)
            && walk.hour(fields)
            && walk.minute(fields)
            && walk.second()
        {
            return Some(walk.at);
        }
    }
    None
}

/// Each step answers `false` when the search must start again.
struct Walk {
    at: i64,
    /// Whether the lesser fields have been set to their beginning.
    reset: bool,
    steps: u32,
    zone: Tz,
}

impl Walk {
    fn local(&self) -> NaiveDateTime {
        local_at(self.zone, self.at)
    }

    fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps < MOST_STEPS
    }

    fn month(&mut self, fields: &Fields) -> bool {
        while !fields.month.has(self.local().month()) {
            let local = self.local();
            if !self.reset {
                self.reset = true;
                self.at = date(self.zone, local.year(), local.month(), 1, 0);
            }
            let local = self.local();
            self.at = date(self.zone, local.year(), local.month() + 1, local.day(), clock(&local));
            if self.local().month() == 1 || !self.step() {
                return false;
            }
        }
        true
    }

    fn day(&mut self, fields: &Fields) -> bool {
        while !self.day_matches(fields) {
            let local = self.local();
            if !self.reset {
                self.reset = true;
                self.at = date(self.zone, local.year(), local.month(), local.day(), 0);
            }
            let local = self.local();
            self.at = date(self.zone, local.year(), local.month(), local.day() + 1, clock(&local));
            // Midnight may have been skipped or repeated.
            let hour = i64::from(self.local().hour());
            if hour > 12 {
                self.at += (24 - hour) * HOUR;
            } else {
                self.at -= hour * HOUR;
            }
            if self.local().day() == 1 || !self.step() {
                return false;
            }
        }
        true
    }

    fn hour(&mut self, fields: &Fields) -> bool {
        while !fields.hour.has(self.local().hour()) {
            if !self.reset {
                self.reset = true;
                let local = self.local();
                let hour = i64::from(local.hour()) * HOUR;
                self.at = date(self.zone, local.year(), local.month(), local.day(), hour);
            }
            self.at += HOUR;
            if self.local().hour() == 0 || !self.step() {
                return false;
            }
        }
        true
    }

    fn minute(&mut self, fields: &Fields) -> bool {
        while !fields.minute.has(self.local().minute()) {
            if !self.reset {
                self.reset = true;
                self.at -= self.at.rem_euclid(MINUTE);
            }
            self.at += MINUTE;
            if self.local().minute() == 0 || !self.step() {
                return false;
            }
        }
        true
    }

    /// Schedules are for the full minute.
    fn second(&mut self) -> bool {
        while self.local().second() != 0 {
            self.reset = true;
            self.at += 1;
            if self.local().second() == 0 {
                return false;
            }
        }
        true
    }

    fn day_matches(&self, fields: &Fields) -> bool {
        let local = self.local();
        let day = fields.day.has(local.day());
        let weekday = fields.weekday.has(local.weekday().num_days_from_sunday());
        if fields.both_days() { day && weekday } else { day || weekday }
    }
}

/// Seconds since midnight.
fn clock(local: &NaiveDateTime) -> i64 {
    local.num_seconds_from_midnight().into()
}

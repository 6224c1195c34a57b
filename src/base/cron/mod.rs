//! Cron schedules with the meaning that Kubernetes gives them.
//!
//! Kubernetes reads schedules by `github.com/robfig/cron/v3` (`ParseStandard`, `SpecSchedule.Next`):
//! five fields, names, steps and macros; the days of the month and of the week are alternatives unless
//! one of the fields holds a star; a time that a zone skips is skipped, one that it repeats comes
//! twice; a search ends after five years. Its texts for what it refuses are kept as they are.
//!
//! The searching is done by the `cron` crate, which is used here and nowhere else. It knows neither
//! alternatives of days nor five-year bounds, and counts weekdays from Sunday as 1; so a schedule is
//! handed to it as plain numbers, in two halves where days are alternatives, and it searches in local
//! time as if the zone's offset stayed what it is. Where the zone changes its offset on the way,
//! [`walk`] goes step by step as robfig/cron does. The crate's years end in 2100: beyond, every search
//! is walked.

mod fields;
mod span;
mod text;
mod walk;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use self::fields::Fields;
use self::span::Span;
pub use self::text::{go_duration, quote};
pub use self::zone::load_location;
use super::time::SimTime;

/// A schedule, with what it has found lately.
///
/// Searching is a function of the schedule and the time alone; what is kept only makes it faster.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Arc<Rule>,
    span: Span,
    found: [(SimTime, Option<SimTime>); REMEMBERED],
    oldest: usize,
}

/// How many answers are kept: a controller asks for the same few again and again.
const REMEMBERED: usize = 6;

#[derive(Clone, Debug)]
enum Rule {
    /// `@every`: a fixed length of whole seconds.
    Every(Duration),
    /// Five fields in a zone.
    Fields(Halves, Tz),
}

/// The fields as robfig/cron keeps them, and as schedules of the `cron` crate: one, or two where either
/// day field may match.
#[derive(Clone, Debug)]
struct Halves {
    fields: Fields,
    halves: Vec<cron::Schedule>,
}

impl Schedule {
    /// Reads a schedule, which may begin with `TZ=<zone>` or `CRON_TZ=<zone>`; without it the zone is
    /// UTC (`parsers.ParseCronScheduleWithPanicRecovery`).
    ///
    /// # Errors
    /// What Kubernetes says about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = match text::parse(text)? {
            text::Parsed::Every(length) => Rule::Every(length),
            text::Parsed::Fields(fields, zone) => {
                let halves = fields.halves();
                Rule::Fields(Halves { fields, halves }, zone)
            }
        };
        Ok(Self {
            rule: Arc::new(rule),
            span: Span::default(),
            found: [(SimTime::MAX, None); REMEMBERED],
            oldest: 0,
        })
    }

    /// The first time after `after`; `None` where there is none within five years.
    pub fn next(&mut self, after: SimTime) -> Option<SimTime> {
        if let Some((_, found)) = self.found.iter().find(|(asked, _)| *asked == after) {
            return *found;
        }
        let found = self.search(after);
        self.found[self.oldest] = (after, found);
        self.oldest = (self.oldest + 1) % REMEMBERED;
        found
    }

    fn search(&mut self, after: SimTime) -> Option<SimTime> {
        match &*self.rule {
            Rule::Every(length) => Some(after.trunc_secs() + *length),
            Rule::Fields(fields, zone) => {
                let after = i64::try_from(after.as_secs()).ok()?;
                let found = match fields.jump(after, *zone, &mut self.span) {
                    Jump::To(at) => Some(at),
                    Jump::Nowhere => None,
                    Jump::Unsure => walk::next(&fields.fields, after, *zone),
                };
                found.and_then(|at| u64::try_from(at).ok()).map(SimTime::from_secs)
            }
        }
    }
}

/// What a search in local time came to.
enum Jump {
    /// To that time, in seconds since the epoch.
    To(i64),
    /// There is no such time.
    Nowhere,
    /// The offset changes on the way, or the calendar of the `cron` crate ends.
    Unsure,
}

const DAY: i64 = 86_400;

/// The last year in which the `cron` crate searches.
const LAST_YEAR: i32 = 2100;

impl Halves {
    /// Searches in local time with the offset that holds at `after`.
    ///
    /// A walk steps from the beginning of the month, day or hour, and over midnights. Where one of those
    /// is skipped or repeated it comes out of step; so the offset must have held since the month began,
    /// and hold for a day after the time that is found, with a day to spare.
    fn jump(&self, after: i64, zone: Tz, span: &mut Span) -> Jump {
        let span = span.around(after, zone);
        let offset = span.offset();
        let Some(local) = DateTime::from_timestamp(after + offset, 0) else { return Jump::Unsure };
        let last_year = start_year(local) + walk::YEARS;
        let first = self.halves.iter().filter_map(|half| half.after(&local).next()).min();
        let begin = after - (i64::from(local.day()) + 1) * DAY;
        match first {
            Some(found) if span.holds(begin, found.timestamp() - offset + DAY) => {
                if found.year() > last_year {
                    return Jump::Nowhere;
                }
                Jump::To(found.timestamp() - offset)
            }
            None if last_year <= LAST_YEAR => Jump::Nowhere,
            Some(_) | None => Jump::Unsure,
        }
    }
}

/// The year from which five are counted: that of the second after.
fn start_year(local: DateTime<Utc>) -> i32 {
    (local + chrono::Duration::seconds(1)).year()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> SimTime {
        SimTime::from_utc(DateTime::parse_from_rfc3339(text).unwrap().to_utc()).unwrap()
    }

    #[track_caller]
    fn check(schedule: &str, from: &str, expected: &[&str]) {
        let mut schedule = Schedule::parse(schedule).unwrap();
        let mut at = utc(from);
        for next in expected {
            at = schedule.next(at).unwrap();
            assert_eq!(at.to_rfc3339(), *next);
        }
    }

    #[test]
    fn day_fields_are_alternatives_unless_one_holds_a_star() {
        // The 1st, and every Monday.
        let expected = ["2026-06-08T00:00:00Z", "2026-06-15T00:00:00Z"];
        check("0 0 1 * mon", "2026-06-01T00:00:00Z", &expected);
        // A step of two takes the star away, a step of one leaves it.
        check("0 0 */1 * mon", "2026-06-01T00:00:00Z", &expected);
        check("0 0 */2 * mon", "2026-06-01T00:00:00Z", &["2026-06-03T00:00:00Z"]);
        check("0 0 13 * fri,?", "2026-06-01T00:00:00Z", &["2026-06-13T00:00:00Z"]);
    }

    #[test]
    fn a_skipped_time_is_skipped_and_a_repeated_one_comes_twice() {
        let berlin = "TZ=Europe/Berlin 30 2 * * *";
        check(berlin, "2026-03-28T12:00:00Z", &["2026-03-30T00:30:00Z"]);
        let twice = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"];
        check(berlin, "2026-10-24T12:00:00Z", &twice);
    }

    #[test]
    fn the_search_ends_after_five_years() {
        let mut never = Schedule::parse("0 0 30 2 *").unwrap();
        assert_eq!(never.next(utc("2026-01-01T00:00:00Z")), None);
        check("0 0 29 2 *", "2096-01-01T00:00:00Z", &["2096-02-29T00:00:00Z"]);
        let mut leap = Schedule::parse("0 0 29 2 *").unwrap();
        assert_eq!(leap.next(utc("2096-03-01T00:00:00Z")), None);
        let mut nothing = Schedule::parse(", * * * *").unwrap();
        assert_eq!(nothing.next(utc("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn every_counts_whole_seconds_from_the_last_time() {
        check("@every 90.7s", "2026-01-01T00:00:00.5Z", &["2026-01-01T00:01:30Z"]);
        check("@every 1ms", "2026-01-01T00:00:00Z", &["2026-01-01T00:00:01Z"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn jumping_and_walking_come_to_the_same(
            minute in "(\\*|\\*/7|[0-5]?[0-9])", hour in "(\\*|[01]?[0-9]|0-3|\\*/5)",
            dom in "(\\*|\\*/9|[1-9]|2[0-9]|31)", month in "(\\*|[1-9]|3,10|2)",
            dow in "(\\*|[0-6]|1-5)", zone in 0usize..9, from in 946_684_800i64..2_500_000_000,
        ) {
            let zones =
                ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata",
                 "Africa/Casablanca", "Asia/Amman", "America/Asuncion", "Antarctica/Troll"];
            let text = format!("TZ={} {minute} {hour} {dom} {month} {dow}", zones[zone]);
            let mut schedule = Schedule::parse(&text).unwrap();
            let Rule::Fields(halves, zone) = &*schedule.rule.clone() else { unreachable!() };
            let mut at = from;
            for _ in 0..4 {
                let walked = walk::next(&halves.fields, at, *zone);
                let after = SimTime::from_secs(u64::try_from(at).unwrap());
                let found = schedule.next(after).map(|t| i64::try_from(t.as_secs()).unwrap());
                prop_assert_eq!(found, walked, "{} after {}", text, at);
                let Some(next) = walked else { break };
                at = next;
            }
        }
    }
}

//! Time zones as Go's `time` package handles them.

use std::str::FromStr as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

/// The zone of a name (`time.LoadLocation`); the local zone of the simulated machines is UTC.
///
/// # Errors
/// What Go says about a name it does not know.
pub fn load_location(name: &str) -> Result<Tz, String> {
    if matches!(name, "" | "UTC" | "Local") {
        return Ok(Tz::UTC);
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err("time: invalid location name".to_owned());
    }
    // The database is a tree of files: a doubled slash is as good as one.
    let path: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let zone = match (name, path.join("/").as_str()) {
        (name, _) if name.ends_with('/') => None,
        // The zone of a machine that was never told its own.
        (_, "Factory") => Some(Tz::UTC),
        (_, path) => Tz::from_str(path).ok(),
    };
    zone.ok_or_else(|| format!("unknown time zone {name}"))
}

/// The offset of a zone at a time, in seconds east of UTC.
pub(super) fn offset_at(zone: Tz, at: i64) -> i64 {
    let Some(at) = DateTime::from_timestamp(at, 0) else { return 0 };
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into()
}

/// The local time at a time.
pub(super) fn local_at(zone: Tz, at: i64) -> NaiveDateTime {
    let local = at.saturating_add(offset_at(zone, at));
    DateTime::from_timestamp(local, 0).unwrap_or_default().naive_utc()
}

/// The time at which a zone shows a date and so many seconds of the day (`time.Date`): a day or month beyond its bounds runs
/// over into the next; a skipped time takes the offset before or after the change, as Go picks it.
pub(super) fn date(zone: Tz, year: i32, month: u32, day: u32, seconds: i64) -> i64 {
    let months = month.saturating_sub(1);
    let year = year.saturating_add(i32::try_from(months / 12).unwrap_or(0));
    let first = NaiveDate::from_ymd_opt(year, months % 12 + 1, 1).unwrap_or_default();
    let after = TimeDelta::days(i64::from(day) - 1) + TimeDelta::seconds(seconds);
    let local = (first.and_time(chrono::NaiveTime::MIN) + after).and_utc().timestamp();
    let guess = offset_at(zone, local);
    if guess == 0 { local } else { local - offset_at(zone, local - guess) }
}

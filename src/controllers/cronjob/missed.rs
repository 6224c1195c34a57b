//! Which run of a CronJob is due, and when the next one is.
//!
//! Follows `pkg/controller/cronjob/utils.go`, `mostRecentScheduleTime`, `nextScheduleTime` and
//! `nextScheduleTimeDuration`. Missed runs are not counted one by one: the length between two runs
//! tells roughly how many there were.

use std::time::Duration;

use crate::base::cron::Schedule;
use crate::base::time::SimTime;
use crate::model::{CronJob, sim_time};

/// Runs are begun this long after their time, for clocks that do not quite agree
/// (`nextScheduleDelta`).
const DELTA: Duration = Duration::from_millis(100);

/// More missed runs than this are "many".
const FEW: u64 = 100;

/// A schedule that can be read but names no two times, such as the 31st of February.
pub const IMPOSSIBLE: &str = "time difference between two schedules is less than 1 second";

/// What the next run depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The last run, or when the CronJob was made.
    pub last: SimTime,
    /// How late a run may begin (`startingDeadlineSeconds`).
    pub deadline: Option<Duration>,
}

impl Since {
    /// What the next run of a CronJob depends on.
    pub fn of(cron_job: &CronJob) -> Self {
        let last = cron_job.status.last_schedule_time.as_ref().map(sim_time);
        let deadline = cron_job.spec.wire.starting_deadline_seconds;
        Self {
            last: last.unwrap_or(cron_job.meta.created.trunc_secs()),
            deadline: deadline.map(|n| Duration::from_secs(u64::try_from(n).unwrap_or(0))),
        }
    }
}

/// How many runs were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// None, or one that is not late by a whole period.
    None,
    /// Up to a hundred.
    Few,
    /// More.
    Many,
}

/// The last run that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// From when on runs are considered.
    pub since: SimTime,
    /// When it was due; `None` where none was.
    pub at: Option<SimTime>,
    /// How many were missed.
    pub missed: Missed,
}

/// The last run that was due at `now` (`mostRecentScheduleTime`).
///
/// # Errors
/// [`IMPOSSIBLE`].
pub fn due(
    since: Since,
    now: SimTime,
    schedule: &mut Schedule,
    with_deadline: bool,
) -> Result<Due, &'static str> {
    let deadline = since.deadline.filter(|_| with_deadline).map(|d| now - d);
    let from = deadline.map_or(since.last, |d| d.max(since.last));
    let none = Due { since: from, at: None, missed: Missed::None };
    let Some(first) = schedule.next(from) else { return Err(IMPOSSIBLE) };
    let second = schedule.next(first);
    if now < first {
        return Ok(none);
    }
    let second = second.ok_or(IMPOSSIBLE)?;
    if now < second {
        return Ok(Due { at: Some(first), ..none });
    }
    let period = second.since(first).as_secs();
    if period < 1 {
        return Err(IMPOSSIBLE);
    }
    let missed = now.since(first).as_secs() / period + 1;
    // One period earlier than the guess: periods may differ in length.
    let guess = i128::from(first.as_nanos())
        + (i128::from(missed) - 2) * i128::from(period) * 1_000_000_000;
    let mut at = None;
    let mut next = schedule.next(SimTime::from_nanos(u64::try_from(guess).unwrap_or(0)));
    while let Some(run) = next.filter(|run| *run <= now) {
        at = Some(run);
        next = schedule.next(run);
    }
    let missed = if missed > FEW { Missed::Many } else { Missed::Few };
    Ok(Due { at, missed, ..none })
}

/// When the CronJob is to be looked at again (`nextScheduleTimeDuration`); `None` where its schedule
/// has no time left.
pub fn next_look(since: Since, now: SimTime, schedule: &mut Schedule) -> Option<SimTime> {
    let from = match due(since, now, schedule, false) {
        Err(_) => now,
        Ok(Due { at: Some(at), .. }) => at,
        Ok(Due { missed: Missed::None, since, .. }) => since,
        Ok(Due { missed: Missed::Few | Missed::Many, .. }) => now,
    };
    schedule.next(from).map(|at| at + DELTA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64, minutes: u64) -> SimTime {
        SimTime::from_secs(20_000 * 86_400 + hours * 3600 + minutes * 60)
    }

    #[track_caller]
    fn check(since: Since, now: SimTime, due_at: Option<SimTime>, missed: Missed, next: SimTime) {
        let mut hourly = Schedule::parse("0 * * * *").unwrap();
        let due = due(since, now, &mut hourly, true).unwrap();
        assert_eq!((due.at, due.missed), (due_at, missed));
        assert_eq!(next_look(since, now, &mut hourly), Some(next + DELTA));
    }

    #[test]
    fn the_last_of_the_missed_runs_is_due() {
        let since = Since { last: at(1, 0), deadline: None };
        check(since, at(1, 59), None, Missed::None, at(2, 0));
        check(since, at(2, 0), Some(at(2, 0)), Missed::None, at(3, 0));
        check(since, at(7, 30), Some(at(7, 0)), Missed::Few, at(8, 0));
        check(since, at(200, 30), Some(at(200, 0)), Missed::Many, at(201, 0));
    }

    #[test]
    fn what_is_later_than_the_deadline_is_not_considered() {
        let since = Since { last: at(1, 0), deadline: Some(Duration::from_secs(600)) };
        check(since, at(7, 9), Some(at(7, 0)), Missed::None, at(8, 0));
        check(since, at(7, 30), None, Missed::None, at(8, 0));
    }

    #[test]
    fn a_day_that_never_comes_is_an_error() {
        let mut never = Schedule::parse("59 23 31 2 *").unwrap();
        let since = Since { last: at(1, 0), deadline: None };
        assert_eq!(due(since, at(2, 0), &mut never, true), Err(IMPOSSIBLE));
        assert_eq!(next_look(since, at(2, 0), &mut never), None);
    }
}

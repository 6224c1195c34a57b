//! The CronJob controller: a Job at each time of a schedule.
//!
//! Follows `pkg/controller/cronjob/cronjob_controllerv2.go` and `utils.go`. The event handlers stand
//! here; the sync is a script ([`sync`]) over the CronJob, its Jobs and its schedule
//! ([`crate::base::cron`]); which run is due is computed in [`missed`].
//!
//! Left out: the event `UnParseableCronJobSchedule` of an update, which the API server refuses.

mod active;
pub mod missed;
pub mod sync;

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::format_smolstr;

use self::missed::{Due, Since, due, next_look};
use self::sync::{End, Inputs, names_zone};
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::script::{self, Outcome, Run};
use super::view::View;
use crate::base::cron::{Schedule, load_location};
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::WorkQueue;
use crate::model::{CronJob, Job, Key, Kind, OwnerRef, Ref, Slot};
use crate::store::{ApiError, Delta, Reply};
use crate::trace::{Change, Waiting};

/// The CronJob controller.
#[derive(Clone, Debug, Default)]
pub struct CronJobController {
    /// Schedules as read, by CronJob.
    schedules: Map<Key, Read>,
    /// Jobs by the CronJob that their owner reference names, whatever its uid.
    jobs: Map<Key, BTreeSet<Slot>>,
    /// The last syncs that found nothing to do, by CronJob.
    rests: Map<Key, Rest>,
}

/// A schedule as read from a text.
#[derive(Clone, Debug)]
struct Read {
    /// As written, and its zone.
    text: (String, Option<String>),
    schedule: Result<Schedule, String>,
    names_zone: bool,
    /// When to look again, and what is said of it.
    next: Option<(SimTime, Str)>,
}

/// A sync that found nothing to do. Most news of a Job changes nothing that the next one would look at:
/// it ends in the same way.
#[derive(Clone, Debug)]
struct Rest {
    cron_job: Arc<CronJob>,
    jobs: Vec<Arc<Job>>,
    until: SimTime,
    done: Done,
}

impl Rest {
    /// How a sync of the CronJob with these Jobs ends, if it must end as this one did.
    fn end<'a>(
        &self,
        cron_job: &Arc<CronJob>,
        mut jobs: impl Iterator<Item = &'a Arc<Job>>,
        now: SimTime,
    ) -> Option<Done> {
        let alike = |a: &Arc<Job>, b: &Arc<Job>| {
            Arc::ptr_eq(a, b)
                || a.meta.uid == b.meta.uid
                    && sync::finished(a) == sync::finished(b)
                    && a.status.completion_time == b.status.completion_time
        };
        let same = now < self.until
            && Arc::ptr_eq(&self.cron_job, cron_job)
            && self.jobs.iter().all(|a| jobs.next().is_some_and(|b| alike(a, b)))
            && jobs.next().is_none();
        same.then(|| self.done.clone())
    }
}

/// A sync that waits for an answer.
#[derive(Clone, Debug)]
pub enum Work {
    /// It is on its way.
    Runs(Box<Run<Inputs>>),
    /// The status of the CronJob is written, and that is all: how it ends if that is not refused.
    Writes(Arc<CronJob>, Result<Done, Box<ApiError>>),
}

impl Controller for CronJobController {
    type Key = Key;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::CronJob, Kind::Job]);
    const NAME: &'static str = "cronjob-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        if kind == Kind::Job
            && let Ok(job) = <&Arc<Job>>::try_from(delta.new)
        {
            let old = delta.old.and_then(|o| o.try_into().ok());
            self.job_changed(delta, job, old, view, queue);
        } else if kind == Kind::CronJob
            && let Ok(cron_job) = delta.new.try_into()
        {
            let old = delta.old.and_then(|o| o.try_into().ok());
            self.cron_job_changed(delta, cron_job, old, now, queue);
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(cron_job) = cx.view.typed::<CronJob>(Kind::CronJob, key) else {
            self.schedules.remove(key);
            self.rests.remove(key);
            return Step::done();
        };
        let view = cx.view;
        let slots = self.jobs.get(key).into_iter().flatten();
        let jobs = slots
            .filter_map(|slot| view.kind(Kind::Job).get(*slot))
            .filter_map(|o| <&Arc<Job>>::try_from(o).ok());
        if let Some(rest) = self.rests.get(key)
            && let Some(done) = rest.end(cron_job, jobs.clone(), cx.now)
        {
            return Step::Done(done);
        }
        let (cron_job, jobs) = (Arc::clone(cron_job), jobs.cloned().collect());
        let about = Arc::clone(&cron_job);
        let inputs = self.inputs(key, cron_job, jobs, cx.now);
        let outcome = script::begin(inputs, cx, sync::sync, |_| {});
        if let Outcome::Done(inputs, End { write: None, done: Ok(done), rests_until }) = &outcome
            && let Some(until) = *rests_until
        {
            let (cron_job, jobs) = (Arc::clone(&inputs.cron_job), inputs.jobs.clone());
            self.rests.insert(key.clone(), Rest { cron_job, jobs, until, done: done.clone() });
        }
        step(outcome, about)
    }

    fn resume(
        &mut self,
        _key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work {
            Work::Runs(run) => {
                let about = run.inputs.cron_job.clone();
                step(script::go_on(*run, replies, cx, sync::sync, |_| {}), about)
            }
            Work::Writes(about, done) => {
                let refused = replies.into_iter().find_map(Result::err);
                ended(refused.map_or(done, Err), &about)
            }
        }
    }
}

/// The step that a sync of a CronJob has come to.
fn step(outcome: Outcome<Inputs, End>, about: Arc<CronJob>) -> Step<Work> {
    match outcome {
        Outcome::Ask(requests, run) => Step::Ask { requests, then: Work::Runs(Box::new(run)) },
        Outcome::Done(_, End { write: Some(write), done, .. }) => {
            Step::ask(write, Work::Writes(about, done))
        }
        Outcome::Done(_, End { write: None, done, .. }) => ended(done, &about),
        Outcome::Refused(error) => ended(Err(error), &about),
    }
}

fn ended(done: Result<Done, Box<ApiError>>, about: &CronJob) -> Step<Work> {
    Step::Done(done.unwrap_or_else(|error| failed(about, &error)))
}

impl CronJobController {
    /// What a sync begins with: among it the schedule, read once, and when to look at it again. What the
    /// sync will ask of the schedule is asked here first, so that the copy it gets knows the answers.
    fn inputs(
        &mut self,
        key: &Key,
        cron_job: Arc<CronJob>,
        jobs: Vec<Arc<Job>>,
        now: SimTime,
    ) -> Inputs {
        let read = self.schedules.entry(key.clone()).or_insert_with(|| Read::new(&cron_job));
        let spec = &cron_job.spec.wire;
        if read.text.0 != spec.schedule || read.text.1 != spec.time_zone {
            *read = Read::new(&cron_job);
        }
        if let Ok(schedule) = &mut read.schedule {
            let since = Since::of(&cron_job);
            let due = due(since, now, schedule, true);
            if due.is_ok()
                && let Some(at) = next_look(since, now, schedule)
                && read.next.as_ref().is_none_or(|(known, _)| *known != at)
            {
                read.next = Some((at, sync::next_run(Some(at))));
            }
            if let Ok(Due { at: Some(run), .. }) = due {
                // Once the run has begun, the next one is looked for from there.
                next_look(Since { last: run, ..since }, now, schedule);
            }
        }
        let (schedule, next) = (read.schedule.clone(), read.next.clone());
        Inputs { cron_job, jobs, schedule, names_zone: read.names_zone, next }
    }

    /// `updateCronJob`, and the handlers of new and deleted ones.
    fn cron_job_changed(
        &mut self,
        delta: &Delta<'_>,
        cron_job: &Arc<CronJob>,
        old: Option<&Arc<CronJob>>,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        let key = cron_job.meta.key();
        let (new_spec, old_spec) = (&cron_job.spec.wire, old.map(|o| &o.spec.wire));
        let rescheduled = delta.change == Change::Modified
            && old_spec.is_some_and(|o| {
                o.schedule != new_spec.schedule || o.time_zone != new_spec.time_zone
            });
        if !rescheduled {
            return queue.add(key, delta.fact);
        }
        if let Ok(mut schedule) = Schedule::parse(&effective(cron_job)) {
            let at = next_look(Since::of(cron_job), now, &mut schedule).unwrap_or(now);
            queue.add_at(at, key, delta.fact);
        }
    }

    /// `addJob`, `updateJob` and `deleteJob`.
    fn job_changed(
        &mut self,
        delta: &Delta<'_>,
        job: &Job,
        old: Option<&Arc<Job>>,
        view: &View,
        queue: &mut WorkQueue<Key>,
    ) {
        let namespace = &job.meta.namespace;
        let owner = job.meta.controller();
        let old_owner = old.and_then(|o| o.meta.controller());
        let named =
            |owner: &OwnerRef| Key { namespace: namespace.clone(), name: owner.name.clone() };
        let gone = delta.change == Change::Deleted;
        let moved = !view.owners_stay() && owner != old_owner;
        if gone || moved {
            if let Some(key) = old_owner.map(named)
                && let Some(slots) = self.jobs.get_mut(&key)
            {
                slots.remove(&delta.slot);
                if slots.is_empty() {
                    self.jobs.remove(&key);
                }
            }
            if let Some(key) = owner.filter(|_| !gone).map(named) {
                self.jobs.entry(key).or_default().insert(delta.slot);
            }
        }
        let mut wake = |owner: &OwnerRef| {
            let key = named(owner);
            if owner.is_kind(Kind::CronJob)
                && view.get(Kind::CronJob, &key).is_some_and(|c| c.meta().uid == owner.uid)
            {
                queue.add(key, delta.fact);
            }
        };
        if moved && let Some(old_owner) = old_owner {
            wake(old_owner);
        }
        if let Some(owner) = owner {
            wake(owner);
        }
    }
}

impl Read {
    fn new(cron_job: &CronJob) -> Self {
        let spec = &cron_job.spec.wire;
        let text = (spec.schedule.clone(), spec.time_zone.clone());
        let names_zone = names_zone(&spec.schedule);
        let schedule = Schedule::parse(&effective(cron_job));
        Self { text, schedule, names_zone, next: None }
    }
}

/// The schedule of a CronJob as it is handed to the parser.
fn effective(cron_job: &CronJob) -> String {
    with_zone(&cron_job.spec.wire.schedule, cron_job.spec.wire.time_zone.as_deref())
}

/// A schedule with a CronJob's zone put before it, unless it names one itself or the zone is unknown
/// (`formatSchedule`).
pub fn with_zone(schedule: &str, zone: Option<&str>) -> String {
    match zone {
        Some(zone) if !names_zone(schedule) && load_location(zone).is_ok() => {
            format!("TZ={zone} {schedule}")
        }
        Some(_) | None => schedule.to_owned(),
    }
}

fn failed(cron_job: &CronJob, error: &ApiError) -> Done {
    let waiting = Waiting {
        object: Ref { kind: Kind::CronJob, key: cron_job.meta.key() },
        uid: cron_job.meta.uid,
        on: format_smolstr!("the API server to accept its request: {error}"),
    };
    Done { retry: Retry::BackOff, waiting: (!error.is_conflict()).then_some(waiting) }
}

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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::format_smolstr;

use self::missed::{Since, due, next_look};
use self::sync::Inputs;
use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::script::{self, Run};
use super::view::View;
use crate::base::cron::{Schedule, load_location};
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{CronJob, Job, Key, Kind, OwnerRef, Ref, Slot};
use crate::store::{ApiError, Delta, Reply};
use crate::trace::{Change, Waiting};

/// The CronJob controller.
#[derive(Clone, Debug, Default)]
pub struct CronJobController {
    /// Schedules as read, by CronJob.
    schedules: BTreeMap<Key, Read>,
    /// Jobs by the CronJob that their owner reference names, whatever its uid.
    jobs: BTreeMap<Key, BTreeSet<Slot>>,
}

/// A schedule as read from a text.
#[derive(Clone, Debug)]
struct Read {
    text: String,
    schedule: Result<Schedule, String>,
}

impl Controller for CronJobController {
    type Key = Key;
    type Work = Box<Run<Inputs>>;

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

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Box<Run<Inputs>>> {
        let Some(cron_job) = cx.view.typed::<CronJob>(Kind::CronJob, key).cloned() else {
            self.schedules.remove(key);
            return Step::done();
        };
        let slots = self.jobs.get(key).into_iter().flatten();
        let jobs = slots
            .filter_map(|slot| cx.view.kind(Kind::Job).get(*slot))
            .filter_map(|o| <&Arc<Job>>::try_from(o).ok().cloned())
            .collect();
        let inputs = Inputs { schedule: self.read(&cron_job, cx.now), cron_job, jobs };
        let about = inputs.cron_job.clone();
        boxed(script::begin(inputs, cx, sync::sync, |_| {}).step(|e| failed(&about, &e)))
    }

    fn resume(
        &mut self,
        _key: &Key,
        work: Box<Run<Inputs>>,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Box<Run<Inputs>>> {
        let about = work.inputs.cron_job.clone();
        boxed(script::go_on(*work, replies, cx, sync::sync, |_| {}).step(|e| failed(&about, &e)))
    }
}

impl CronJobController {
    /// The schedule of a CronJob, read once. What the sync will ask of it is asked here first, so that
    /// the copy it gets knows the answers.
    fn read(&mut self, cron_job: &CronJob, now: SimTime) -> Result<Schedule, String> {
        let text = effective(cron_job);
        let read = self.schedules.entry(cron_job.meta.key()).or_insert_with(|| Read::new(&text));
        if read.text != text {
            *read = Read::new(&text);
        }
        if let Ok(schedule) = &mut read.schedule {
            let since = Since::of(cron_job);
            if due(since, now, schedule, true).is_ok() {
                next_look(since, now, schedule);
            }
        }
        read.schedule.clone()
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
        if gone || owner != old_owner {
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
        if owner != old_owner
            && let Some(old_owner) = old_owner
        {
            wake(old_owner);
        }
        if let Some(owner) = owner {
            wake(owner);
        }
    }
}

impl Read {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), schedule: Schedule::parse(text) }
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
        Some(zone) if !schedule.contains("TZ") && load_location(zone).is_ok() => {
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

fn boxed(step: Step<Run<Inputs>>) -> Step<Box<Run<Inputs>>> {
    match step {
        Step::Done(done) => Step::Done(done),
        Step::Ask { requests, then } => Step::Ask { requests, then: Box::new(then) },
    }
}

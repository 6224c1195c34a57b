//! One sync of a CronJob, as upstream orders it.
//!
//! Follows `pkg/controller/cronjob/cronjob_controllerv2.go`, `sync` and `syncCronJob`, as a script:
//! first the history is cut to its limits, then the list of running Jobs is brought up to date, then a
//! run that is due begins. What is last, the write of the status, is part of how the script ends:
//! nothing more depends on its answer than whether the sync has failed.

use std::sync::Arc;
use std::time::Duration;

use smol_str::{SmolStr, format_smolstr};

use super::active::{self, Listed};
use super::missed::{Missed, Since, due, next_look};
use crate::base::Str;
use crate::base::cron::{Schedule, load_location, quote};
use crate::base::time::SimTime;
use crate::controllers::controller::{Done, Retry};
use crate::controllers::script::{Aside, Halt, Script};
use crate::model::{
    CronJob, Job, JobStatus, Key, Kind, Meta, Object, OwnerRef, Ref, Uid, sim_time, wire_time,
};
use crate::store::{ApiError, DeleteOptions, ErrorReason, Propagation, Request};
use crate::trace::EventType::{self, Normal, Warning};
use crate::trace::{Regarding, Waiting};

/// The annotation with the time of the run (`batch.CronJobScheduledTimestampAnnotation`).
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What a sync begins with.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The CronJob.
    pub cron_job: Arc<CronJob>,
    /// The Jobs that say it manages them.
    pub jobs: Vec<Arc<Job>>,
    /// Its schedule, or what is wrong with it.
    pub schedule: Result<Schedule, String>,
    /// Whether the schedule as it is written seems to name a zone.
    pub names_zone: bool,
    /// A time at which to look again, and what is said of it: mostly the one that is wanted.
    pub next: Option<(SimTime, Str)>,
}

/// The end of a sync.
#[derive(Clone, Debug)]
pub struct End {
    /// The write of the status that is asked for at last. If it is refused, that is how the sync ends.
    pub write: Option<Request>,
    /// How it ends otherwise.
    pub done: Result<Done, Box<ApiError>>,
    /// Set where it asked nothing of that kind and said nothing: until then it ends so again, as long as
    /// the CronJob and its Jobs are as they were.
    pub rests_until: Option<SimTime>,
}

/// How the middle part of a sync ended.
#[derive(Default)]
struct Synced {
    /// When to look again.
    look: Option<SimTime>,
    /// What the API server refused: the sync is to be repeated.
    refused: Option<Box<ApiError>>,
    /// What it waits for.
    on: Option<Str>,
    /// When the first run after the last one is, where none is due.
    none_before: Option<SimTime>,
}

impl Synced {
    fn waits(on: impl Into<Str>) -> Self {
        Self { on: Some(on.into()), ..Self::default() }
    }

    fn refused(error: Box<ApiError>) -> Self {
        Self { refused: Some(error), ..Self::default() }
    }
}

/// The whole sync.
pub(in crate::controllers) fn sync(inputs: &Inputs, script: &mut Script<'_>) -> Result<End, Halt> {
    let copy = Arc::clone(&inputs.cron_job);
    let listed = Listed::of(&copy);
    let mut round = Round { copy, fresh: None, listed, changed: false, spoke: false, inputs };
    round.clean_up(script)?;
    let synced = round.go(script)?;
    let rests_until = synced.none_before.filter(|_| !round.spoke);
    let write = round.changed.then(|| Request::UpdateStatus(Object::CronJob(round.copy)));
    if let Some(error) = synced.refused {
        return Ok(End { write, done: Err(error), rests_until: None });
    }
    let waiting = synced.on.map(|on| {
        let meta = &inputs.cron_job.meta;
        Waiting { object: reference(&meta.key(), Kind::CronJob), uid: meta.uid, on }
    });
    let done = Done { retry: synced.look.map_or(Retry::OnNews, Retry::At), waiting };
    Ok(End { write, done: Ok(done), rests_until })
}

/// A sync on its way.
struct Round<'a> {
    inputs: &'a Inputs,
    /// The CronJob with its status as it is to be written; the one that it was until it changes.
    copy: Arc<CronJob>,
    /// A newer version of it that was asked for: from then on it is looked at, and changed, in place of
    /// the copy, which is written all the same. Upstream has it so, and repeats the sync when that
    /// turns out to be a conflict.
    fresh: Option<Arc<CronJob>>,
    /// The Jobs in the list of the one that is looked at.
    listed: Listed,
    changed: bool,
    /// Whether an event was recorded.
    spoke: bool,
}

/// The one that is looked at, to be changed.
fn changed<'r>(copy: &'r mut Arc<CronJob>, fresh: &'r mut Option<Arc<CronJob>>) -> &'r mut CronJob {
    Arc::make_mut(fresh.as_mut().unwrap_or(copy))
}

impl Round<'_> {
    fn now(&self) -> &CronJob {
        self.fresh.as_ref().unwrap_or(&self.copy)
    }

    fn cron_job(&mut self) -> &mut CronJob {
        changed(&mut self.copy, &mut self.fresh)
    }

    /// Takes a Job off the list.
    fn unlist(&mut self, uid: Uid) {
        let Self { copy, fresh, listed, .. } = self;
        listed.remove(changed(copy, fresh), uid);
    }

    /// Puts a Job on the list.
    fn list(&mut self, job: &Job) {
        let Self { copy, fresh, listed, .. } = self;
        listed.add(changed(copy, fresh), job);
    }

    fn event(
        &mut self,
        script: &mut Script<'_>,
        of: EventType,
        reason: &str,
        text: impl Into<Str>,
    ) {
        self.spoke = true;
        let meta = &self.inputs.cron_job.meta;
        script.aside(Aside::Event {
            regarding: Regarding {
                object: reference(&meta.key(), Kind::CronJob),
                uid: meta.uid,
                field_path: Str::default(),
            },
            event_type: of,
            reason: reason.into(),
            message: text.into(),
        });
    }

    /// Deletes the oldest of the Jobs that ended, beyond the limits (`cleanupFinishedJobs`).
    fn clean_up(&mut self, script: &mut Script<'_>) -> Result<(), Halt> {
        let spec = &self.inputs.cron_job.spec.wire;
        let limits = [
            ("Complete", spec.successful_jobs_history_limit),
            ("Failed", spec.failed_jobs_history_limit),
        ];
        for (end, limit) in limits {
            let Some(limit) = limit else { continue };
            let limit = usize::try_from(limit).unwrap_or(0);
            if self.inputs.jobs.len() <= limit {
                continue;
            }
            let ended = self.inputs.jobs.iter().filter(|j| finished(j) == Some(end));
            let surplus = ended.clone().count().saturating_sub(limit);
            if surplus == 0 {
                continue;
            }
            let mut ended: Vec<&Arc<Job>> = ended.collect();
            ended.sort_by_key(|j| (start(j).is_none(), start(j), &j.meta.name));
            for job in &ended[..surplus] {
                if self.delete(&job.meta, script)? {
                    self.changed = true;
                }
            }
        }
        Ok(())
    }

    /// Deletes a Job and takes it off the list; `false` when that was refused (`deleteJob`).
    fn delete(&mut self, job: &Meta, script: &mut Script<'_>) -> Result<bool, Halt> {
        let options =
            DeleteOptions { propagation: Some(Propagation::Background), ..Default::default() };
        let target = reference(&job.key(), Kind::Job);
        if let Err(error) = script.ask_done(Request::Delete { target, options })? {
            self.event(script, Warning, "FailedDelete", format_smolstr!("Deleted job: {error}"));
            return Ok(false);
        }
        self.unlist(job.uid);
        self.event(script, Normal, "SuccessfulDelete", format_smolstr!("Deleted job {}", job.name));
        Ok(true)
    }

    /// `syncCronJob`.
    fn go(&mut self, script: &mut Script<'_>) -> Result<Synced, Halt> {
        let now = script.now();
        for job in &self.inputs.jobs {
            if let Some(refused) = self.look_at(job, script)? {
                return Ok(Synced::refused(refused));
            }
        }
        if let Some(refused) = self.look_for_missing(script)? {
            return Ok(Synced::refused(refused));
        }
        let spec = self.now().spec.clone();
        if self.now().meta.is_terminating() {
            return Ok(Synced::default());
        }
        if let Some(zone) = &spec.wire.time_zone
            && let Err(why) = load_location(zone)
        {
            let text = format_smolstr!("invalid timeZone: {}: {why}", quote(zone));
            self.event(script, Warning, "UnknownTimeZone", text);
            return Ok(Synced::waits("a time zone that is known"));
        }
        if spec.wire.suspend == Some(true) {
            return Ok(Synced::waits("spec.suspend to be lifted"));
        }
        let written = &spec.wire.schedule;
        if self.inputs.names_zone {
            let text = format_smolstr!(
                "CRON_TZ or TZ used in schedule {} is not officially supported, see \
                 https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
                quote(written)
            );
            self.event(script, Warning, "UnsupportedSchedule", text);
        }
        match &self.inputs.schedule {
            Ok(schedule) => self.run(now, schedule.clone(), script),
            Err(why) => {
                let text = format_smolstr!("unparseable schedule: {} : {why}", quote(written));
                self.event(script, Warning, "UnparseableSchedule", text);
                Ok(Synced::waits("a schedule that can be read"))
            }
        }
    }

    /// Brings the status up to date with one Job.
    fn look_at(
        &mut self,
        job: &Job,
        script: &mut Script<'_>,
    ) -> Result<Option<Box<ApiError>>, Halt> {
        let listed = self.listed.holds(job.meta.uid);
        let Some(end) = finished(job) else {
            if listed {
                return Ok(None);
            }
            let target = reference(&self.now().meta.key(), Kind::CronJob);
            match script.ask(Request::Get(target))? {
                Err(error) => return Ok(Some(error)),
                Ok(Object::CronJob(fresh)) => {
                    let listed = Listed::of(&fresh);
                    if listed.holds(job.meta.uid) {
                        (self.fresh, self.listed) = (Some(fresh), listed);
                        return Ok(None);
                    }
                }
                Ok(_) => {}
            }
            let text = "Saw a job that the controller did not create or forgot";
            let text = format_smolstr!("{text}: {}", job.meta.name);
            self.event(script, Warning, "UnexpectedJob", text);
            return Ok(None);
        };
        if listed {
            self.unlist(job.meta.uid);
            let text = format_smolstr!("Saw completed job: {}, condition: {end}", job.meta.name);
            self.event(script, Normal, "SawCompletedJob", text);
            self.changed = true;
        }
        if end == "Complete" {
            let completed = job.status.completion_time.map(SimTime::trunc_secs);
            let last = self.now().status.last_successful_time.as_ref();
            if last.is_none_or(|last| Some(sim_time(last)) < completed) {
                self.cron_job().status.last_successful_time = completed.map(wire_time);
                self.changed = true;
            }
        }
        Ok(None)
    }

    /// Takes Jobs off the list that do not exist any more.
    fn look_for_missing(&mut self, script: &mut Script<'_>) -> Result<Option<Box<ApiError>>, Halt> {
        let exists = |uid| self.inputs.jobs.iter().any(|j| j.meta.uid == uid);
        let missing = self.listed.entries(self.now()).filter(|(_, uid)| !exists(*uid));
        let missing: Vec<_> =
            missing.map(|(reference, uid)| (active::key(reference), uid)).collect();
        for (key, uid) in missing {
            match script.ask(Request::Get(reference(&key, Kind::Job)))? {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {
                    let text = format_smolstr!("Active job went missing: {}", key.name);
                    self.event(script, Normal, "MissingJob", text);
                    self.unlist(uid);
                    self.changed = true;
                }
                Err(error) => return Ok(Some(error)),
            }
        }
        Ok(None)
    }

    /// Begins the run that is due, if there is one.
    fn run(
        &mut self,
        now: SimTime,
        mut schedule: Schedule,
        script: &mut Script<'_>,
    ) -> Result<Synced, Halt> {
        let since = Since::of(self.now());
        let due = match due(since, now, &mut schedule, true) {
            Ok(due) => due,
            Err(why) => {
                let written = &self.now().spec.wire.schedule;
                let text = format_smolstr!("invalid schedule: {written} : {why}");
                self.event(script, Warning, "InvalidSchedule", text);
                return Ok(Synced::waits("a schedule that names a time"));
            }
        };
        let mut later = |this: &Self, held_by: Option<&str>| {
            let look = next_look(Since::of(this.now()), now, &mut schedule);
            let on = Some(this.next_run(look, held_by));
            Ok(Synced { look, on, ..Synced::default() })
        };
        let Some(at) = due.at else {
            let synced = later(self, None)?;
            return Ok(Synced { none_before: schedule.next(since.last), ..synced });
        };
        if due.missed == Missed::Many {
            let text = "too many missed start times. Set or decrease \
                        .spec.startingDeadlineSeconds or check clock skew";
            self.event(script, Warning, "TooManyMissedTimes", text);
        }
        if since.deadline.is_some_and(|deadline| at + deadline < now) {
            let date = at.to_utc().format("%a, %d %b %Y %H:%M:%S +0000");
            let text = format_smolstr!("Missed scheduled time to start a job: {date}");
            self.event(script, Warning, "MissSchedule", text);
            return later(self, None);
        }
        let name = job_name(&self.now().meta.name, at);
        let last = self.now().status.last_schedule_time.as_ref().map(sim_time);
        if active::holds_name(self.now(), &name) || last == Some(at) {
            return later(self, None);
        }
        let spec = Arc::clone(&self.now().spec);
        let policy = spec.wire.concurrency_policy.as_deref();
        if policy == Some("Forbid") && !active::is_empty(self.now()) {
            let text = "Not starting job because prior execution is running and concurrency \
                        policy is Forbid";
            self.event(script, Normal, "JobAlreadyActive", text);
            return later(self, Some("the running Job to finish (concurrencyPolicy: Forbid)"));
        }
        if policy == Some("Replace")
            && let Some(refused) = self.replace(script)?
        {
            return Ok(Synced::refused(refused));
        }
        if let Some(end) = self.create(name, at, script)? {
            return Ok(end);
        }
        self.cron_job().status.last_schedule_time = Some(wire_time(at));
        self.changed = true;
        later(self, None)
    }

    /// What is said of the time at which to look again, and of what else is waited for.
    fn next_run(&self, look: Option<SimTime>, held_by: Option<&str>) -> Str {
        match (held_by, &self.inputs.next) {
            (Some(what), _) => format_smolstr!("{what}; its next run is at {}", shown(look)),
            (None, Some((at, text))) if Some(*at) == look => text.clone(),
            (None, _) => next_run(look),
        }
    }

    /// Deletes what still runs.
    fn replace(&mut self, script: &mut Script<'_>) -> Result<Option<Box<ApiError>>, Halt> {
        let listed: Vec<_> = self.now().status.active.iter().flatten().map(active::key).collect();
        for key in listed {
            let job = match script.ask(Request::Get(reference(&key, Kind::Job)))? {
                Ok(job) => job,
                Err(error) => {
                    let text = format_smolstr!("Get job: {error}");
                    self.event(script, Warning, "FailedGet", text);
                    return Ok(Some(error));
                }
            };
            if !self.delete(job.meta(), script)? {
                let text = format!("could not replace job {key}");
                return Ok(Some(ApiError::new(ErrorReason::InternalError, text)));
            }
            self.changed = true;
        }
        Ok(None)
    }

    /// Makes the Job of a run and lists it; an end where there is nothing more to do.
    fn create(
        &mut self,
        name: Str,
        at: SimTime,
        script: &mut Script<'_>,
    ) -> Result<Option<Synced>, Halt> {
        let key = Key { namespace: self.now().meta.namespace.clone(), name: name.clone() };
        let new = || Request::Create(job_for(self.now(), name, at).into());
        let job = match script.ask_for(new)? {
            Ok(job) => {
                let text = format_smolstr!("Created job {}", job.meta().name);
                self.event(script, Normal, "SuccessfulCreate", text);
                job
            }
            Err(error) if error.is_namespace_terminating() => {
                return Ok(Some(Synced::refused(error)));
            }
            Err(error) if error.reason == ErrorReason::AlreadyExists => {
                let job = match script.ask(Request::Get(reference(&key, Kind::Job)))? {
                    Ok(job) => job,
                    Err(error) => return Ok(Some(Synced::refused(error))),
                };
                let own = job.meta().controller().is_some_and(|o| o.uid == self.now().meta.uid);
                if !own || self.listed.holds(job.meta().uid) {
                    return Ok(Some(Synced::default()));
                }
                job
            }
            Err(error) => {
                let text = format_smolstr!("Error creating job: {error}");
                self.event(script, Warning, "FailedCreate", text);
                return Ok(Some(Synced::refused(error)));
            }
        };
        if let Object::Job(job) = &job {
            self.list(job);
        }
        Ok(None)
    }
}

/// The name of the Job of a run: the CronJob's, and the minutes since the epoch (`getJobName`).
pub fn job_name(cron_job: &str, at: SimTime) -> Str {
    format_smolstr!("{cron_job}-{}", at.as_secs() / 60)
}

/// The Job of a run (`getJobFromTemplate2`). What is large in it is shared with the template.
fn job_for(cron_job: &CronJob, name: Str, at: SimTime) -> Job {
    let template = &cron_job.spec.job;
    Job {
        meta: Meta {
            name,
            namespace: cron_job.meta.namespace.clone(),
            labels: template.labels.clone(),
            annotations: template.annotations.with(SCHEDULED, scheduled_timestamp(cron_job, at)),
            owners: OwnerRef::controller_of(Kind::CronJob, &cron_job.meta).into(),
            ..Meta::default()
        },
        spec: template.spec.clone(),
        status: JobStatus::default(),
    }
}

/// The time of a run in the CronJob's zone.
fn scheduled_timestamp(cron_job: &CronJob, at: SimTime) -> SmolStr {
    let zone = cron_job.spec.wire.time_zone.as_deref().unwrap_or_default();
    match load_location(zone) {
        Ok(zone) if zone != chrono_tz::Tz::UTC => {
            let local = at.to_utc().with_timezone(&zone);
            local.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into()
        }
        Ok(_) | Err(_) => at.to_rfc3339().into(),
    }
}

/// Whether a schedule seems to name a zone, which is for `timeZone` to do.
pub fn names_zone(schedule: &str) -> bool {
    schedule.contains("TZ")
}

/// How a Job ended, if it has (`jobutil.FinishedCondition`).
pub(super) fn finished(job: &Job) -> Option<&str> {
    let ended = |c: &&crate::model::JobCondition| {
        matches!(c.kind.as_str(), "Complete" | "Failed")
            && c.status == crate::model::ConditionStatus::True
    };
    job.status.conditions.iter().find(ended).map(|c| c.kind.as_str())
}

fn start(job: &Job) -> Option<SimTime> {
    job.status.start_time.map(SimTime::trunc_secs)
}

fn reference(key: &Key, kind: Kind) -> Ref {
    Ref { kind, key: key.clone() }
}

/// What is said of the time at which to look again.
pub(super) fn next_run(look: Option<SimTime>) -> Str {
    format_smolstr!("its next run at {}", shown(look))
}

/// The time of the run that is begun when looking again.
fn shown(look: Option<SimTime>) -> String {
    look.map_or_else(|| "none".into(), |at| (at - Duration::from_millis(100)).to_rfc3339())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::convert::from_wire;
    use crate::api::typed::Typed;
    use crate::controllers::script::play;
    use crate::store::Reply;

    fn cron_job(zone: Option<&str>) -> CronJob {
        let wire = serde_json::from_value(json!({
            "metadata": {"name": "c", "namespace": "default", "uid": Uid::from_random(1).to_string(),
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"schedule": "0 * * * *", "timeZone": zone, "jobTemplate": {"spec": {
                "template": {"spec": {"containers": [{"name": "main"}]}}}}},
        }));
        let typed = Typed::CronJob(wire.unwrap());
        let Ok(Object::CronJob(cron_job)) = from_wire(typed) else { panic!("a CronJob") };
        Arc::unwrap_or_clone(cron_job)
    }

    /// Syncs a minute past one o'clock; answers what was asked, and the events.
    fn run(
        cron_job: &CronJob,
        jobs: Vec<Arc<Job>>,
        mut answer: impl FnMut(&Request) -> Reply,
    ) -> (Vec<&'static str>, Vec<Str>) {
        let now = cron_job.meta.created + Duration::from_secs(3660);
        let schedule = Schedule::parse(&cron_job.spec.wire.schedule);
        let cron_job = Arc::new(cron_job.clone());
        let inputs = Inputs { cron_job, jobs, schedule, names_zone: false, next: None };
        let mut asked = Vec::new();
        let mut answer = |request: &Request| {
            let words = [
                (matches!(request, Request::Get(_)), "get"),
                (matches!(request, Request::Create(_)), "create"),
                (matches!(request, Request::UpdateStatus(_)), "status"),
            ];
            asked.extend(words.into_iter().filter(|(so, _)| *so).map(|(_, word)| word));
            answer(request)
        };
        let (end, asides) = play(inputs, now, sync, &mut answer);
        if let Ok(End { write: Some(write), .. }) = end {
            answer(&write).unwrap();
        }
        let reason = |aside| {
            let Aside::Event { reason, .. } = aside else { return None };
            Some(reason)
        };
        (asked, asides.into_iter().filter_map(reason).collect())
    }

    #[test]
    fn a_run_carries_its_time_in_the_zone_of_its_cron_job() {
        for (zone, stamp) in [
            (None, "2026-01-01T01:00:00Z"),
            (Some("Asia/Kolkata"), "2026-01-01T06:30:00+05:30"),
            (Some("Europe/London"), "2026-01-01T01:00:00Z"),
        ] {
            let at = SimTime::from_secs(1_767_229_200);
            let job = job_for(&cron_job(zone), job_name("c", at), at);
            assert_eq!(job.meta.name, "c-29453820");
            assert_eq!(job.meta.annotations.get(SCHEDULED).map(Str::as_str), Some(stamp));
        }
    }

    #[test]
    fn a_job_that_was_made_but_not_listed_is_listed() {
        let cron_job = cron_job(None);
        let at = cron_job.meta.created + Duration::from_secs(3600);
        let made: Object = job_for(&cron_job, job_name("c", at), at).into();
        let (asked, events) = run(&cron_job, Vec::new(), |request| {
            if matches!(request, Request::Create(_)) {
                Err(ApiError::already_exists(Kind::Job, "c-29453820"))
            } else if matches!(request, Request::Get(_)) {
                Ok(Some(made.clone()))
            } else {
                let Request::UpdateStatus(Object::CronJob(written)) = request else {
                    panic!("nothing else is asked");
                };
                assert!(active::holds_name(written, "c-29453820"));
                Ok(Some(Object::CronJob(written.clone())))
            }
        });
        assert_eq!((asked, events), (vec!["create", "get", "status"], Vec::new()));
    }

    #[test]
    fn a_job_listed_by_a_newer_status_is_not_unexpected() {
        let old = cron_job(None);
        let at = old.meta.created + Duration::from_secs(3600);
        let mut job = job_for(&old, job_name("c", at), at);
        job.meta.uid = Uid::from_random(2);
        let mut newer = old.clone();
        Listed::of(&old).add(&mut newer, &job);
        newer.status.last_schedule_time = Some(wire_time(at));
        let (asked, events) = run(&old, vec![Arc::new(job)], |_| Ok(Some(newer.clone().into())));
        assert_eq!((asked, events), (vec!["get"], Vec::new()));
    }
}

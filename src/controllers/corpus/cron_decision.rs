//! Corpus `cron-decision`: whole syncs of CronJobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{text, time};
use crate::api::corpus::same;
use crate::base::cron::Schedule;
use crate::base::time::SimTime;
use crate::controllers::cronjob::missed::{Missed, Since, due, next_look};
use crate::controllers::cronjob::sync::{End, Inputs, names_zone, sync};
use crate::controllers::cronjob::with_zone;
use crate::controllers::script::{Aside, play};
use crate::controllers::{Done, Retry};
use crate::model::{
    ConditionStatus, CronJob, CronJobSpec, Deletion, Job, JobCondition, JobSpec, JobTemplate, Key,
    Kind, Labels, Meta, Object, OwnerRef, PodTemplate, Selector, Uid, sim_time, wire, wire_time,
};
use crate::store::{ApiError, ErrorReason, Reply, Request};

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let now = time(&given["now"]).ok_or("no time")?;
    let inputs = inputs(given);
    same("effective", &json!(effective(given)), &recorded["effective"])?;
    same("parseError", &json!(inputs.schedule.as_ref().err()), &recorded["parseError"])?;
    decision(&inputs, now, recorded)?;
    let mut server = Server::new(given, &inputs);
    let (end, asides) = play(inputs, now, sync, |request| server.answer(request));
    let end = end.and_then(|End { write, done, .. }| match write {
        Some(write) => server.answer(&write).and(done),
        None => done,
    });
    let events: Vec<String> = asides.into_iter().filter_map(event).collect();
    same("events", &json!(events), &recorded["events"])?;
    same("createdJobs", &json!(server.created), &recorded["createdJobs"])?;
    same("deletedJobs", &json!(server.deleted), &recorded["deletedJobs"])?;
    if let Some(stamp) = recorded.get("createdScheduledTimestamp") {
        same("createdScheduledTimestamp", &json!(server.scheduled), stamp)?;
    }
    let error = end.as_ref().err().map(ToString::to_string);
    same("syncError", &json!(error), &recorded["syncError"])?;
    let look = match end {
        Ok(Done { retry: Retry::At(at), .. }) => Some(nanos(now, Some(at))),
        Ok(_) | Err(_) => None,
    };
    same("syncRequeueNs", &json!(look), &recorded["syncRequeueNs"])?;
    server.compare(recorded)
}

/// Which run is due, by the functions on their own.
fn decision(inputs: &Inputs, now: SimTime, recorded: &Value) -> Result<(), String> {
    let Ok(mut schedule) = inputs.schedule.clone() else { return Ok(()) };
    let since = Since::of(&inputs.cron_job);
    let at = |t: Option<SimTime>| json!(t.map(SimTime::to_rfc3339));
    let (due_at, error) = match due(since, now, &mut schedule, true) {
        Ok(due) => {
            let missed = match due.missed {
                Missed::None => "none",
                Missed::Few => "few",
                Missed::Many => "many",
            };
            same("missed", &json!(missed), &recorded["missed"])?;
            (due.at, None)
        }
        Err(why) => (None, Some(why)),
    };
    same("mostRecentScheduleTime", &at(due_at), &recorded["mostRecentScheduleTime"])?;
    same("mostRecentError", &json!(error), &recorded["mostRecentError"])?;
    let next = nanos(now, next_look(since, now, &mut schedule));
    same("nextScheduleDurationNs", &json!(next), &recorded["nextScheduleDurationNs"])
}

/// A length of time as Go has it; without a time it is as far back as it goes.
fn nanos(now: SimTime, at: Option<SimTime>) -> i64 {
    let as_i64 = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
    at.map_or(i64::MIN, |at| as_i64(at.since(now)) - as_i64(now.since(at)))
}

fn event(aside: Aside) -> Option<String> {
    let Aside::Event { event_type, reason, message, .. } = aside else { return None };
    Some(format!("{} {reason} {message}", event_type.as_str()))
}

/// An API server that refuses nothing.
struct Server {
    cron_job: Arc<CronJob>,
    jobs: BTreeMap<Key, Arc<Job>>,
    created: Vec<String>,
    deleted: Vec<String>,
    scheduled: Option<String>,
    written: Option<Arc<CronJob>>,
}

impl Server {
    fn new(given: &Value, inputs: &Inputs) -> Self {
        let mut jobs: BTreeMap<Key, Arc<Job>> =
            inputs.jobs.iter().map(|j| (j.meta.key(), j.clone())).collect();
        for listed in list(&given["statusActive"]) {
            if listed["exists"].as_bool() == Some(true) {
                let job = Job {
                    meta: meta(listed),
                    spec: inputs.cron_job.spec.job.spec.clone(),
                    status: Default::default(),
                };
                jobs.insert(job.meta.key(), Arc::new(job));
            }
        }
        Self {
            cron_job: inputs.cron_job.clone(),
            jobs,
            created: Vec::new(),
            deleted: Vec::new(),
            scheduled: None,
            written: None,
        }
    }

    fn answer(&mut self, request: &Request) -> Reply {
        match request {
            Request::Get(target) if target.kind == Kind::CronJob => {
                Ok(Some(Object::CronJob(self.cron_job.clone())))
            }
            Request::Get(target) => match self.jobs.get(&target.key) {
                Some(job) => Ok(Some(Object::Job(job.clone()))),
                None => Err(ApiError::not_found(Kind::Job, &target.key.name)),
            },
            Request::Delete { target, .. } => {
                self.deleted.push(target.key.name.to_string());
                Ok(None)
            }
            Request::Create(object) => {
                let meta = object.meta();
                self.created.push(meta.name.to_string());
                let stamp = "batch.kubernetes.io/cronjob-scheduled-timestamp";
                self.scheduled = meta.annotations.get(stamp).map(ToString::to_string);
                Ok(Some(object.clone()))
            }
            Request::UpdateStatus(Object::CronJob(written)) => {
                self.written = Some(written.clone());
                Ok(Some(Object::CronJob(written.clone())))
            }
            Request::UpdateStatus(_)
            | Request::Update(_)
            | Request::PodStatus { .. }
            | Request::PodConditions { .. }
            | Request::PatchMeta { .. }
            | Request::Bind { .. }
            | Request::Lease { .. }
            | Request::DeleteCollection { .. }
            | Request::Evict { .. }
            | Request::Wire { .. }
            | Request::DryRun(_) => {
                let text = "a CronJob's sync does not ask for this";
                Err(ApiError::new(ErrorReason::MethodNotAllowed, text))
            }
        }
    }

    fn compare(&self, recorded: &Value) -> Result<(), String> {
        same("updateStatus", &json!(self.written.is_some()), &recorded["updateStatus"])?;
        let status = &self.written.as_ref().unwrap_or(&self.cron_job).status;
        let active: Vec<_> =
            status.active.iter().flatten().filter_map(|r| r.name.as_deref()).collect();
        same("newStatusActive", &json!(active), &recorded["newStatusActive"])?;
        let shown =
            |t: &Option<wire::meta::Time>| json!(t.as_ref().map(|t| sim_time(t).to_rfc3339()));
        let last = shown(&status.last_schedule_time);
        same("newLastScheduleTime", &last, &recorded["newLastScheduleTime"])?;
        let last = shown(&status.last_successful_time);
        same("newLastSuccessfulTime", &last, &recorded["newLastSuccessfulTime"])
    }
}

fn effective(given: &Value) -> String {
    with_zone(text(&given["schedule"]), given["timeZone"].as_str())
}

fn inputs(given: &Value) -> Inputs {
    let number = |field: &str| given[field].as_i64();
    let small = |field: &str| number(field).and_then(|n| i32::try_from(n).ok());
    let string = |field: &str| given[field].as_str().map(str::to_owned);
    let job = Arc::new(job_spec());
    let spec = CronJobSpec {
        wire: wire::batch::CronJobSpec {
            schedule: string("schedule").unwrap_or_default(),
            time_zone: string("timeZone"),
            starting_deadline_seconds: number("startingDeadlineSeconds"),
            concurrency_policy: string("concurrencyPolicy"),
            suspend: given["suspend"].as_bool(),
            successful_jobs_history_limit: small("successfulJobsHistoryLimit"),
            failed_jobs_history_limit: small("failedJobsHistoryLimit"),
            ..Default::default()
        },
        job: JobTemplate {
            labels: Labels::default(),
            annotations: Labels::default(),
            spec: job.clone(),
        },
    };
    let listed = list(&given["statusActive"])
        .iter()
        .chain(list(&given["jobs"]).iter().filter(|j| j["inActive"].as_bool() == Some(true)));
    let active: Vec<_> = listed.map(reference).collect();
    let mut own = Meta::named("default", text(&given["name"]));
    own.uid = uid(&json!("own"));
    own.created = time(&given["creationTimestamp"]).unwrap_or_default();
    if given["deletionTimestampSet"].as_bool() == Some(true) {
        own.deletion = Some(Deletion { at: own.created, grace: Duration::ZERO });
    }
    let at = |field: &str| time(&given[field]).map(wire_time);
    let cron_job = CronJob {
        meta: own,
        spec: Arc::new(spec),
        status: wire::batch::CronJobStatus {
            active: (!active.is_empty()).then_some(active),
            last_schedule_time: at("lastScheduleTime"),
            last_successful_time: at("lastSuccessfulTime"),
        },
    };
    let jobs = list(&given["jobs"]).iter().map(|j| Arc::new(job_of(j, &cron_job, &job))).collect();
    Inputs {
        schedule: Schedule::parse(&effective(given)),
        names_zone: names_zone(text(&given["schedule"])),
        cron_job: Arc::new(cron_job),
        jobs,
        next: None,
    }
}

fn job_of(given: &Value, owner: &CronJob, spec: &Arc<JobSpec>) -> Job {
    let mut meta = meta(given);
    meta.owners = OwnerRef::controller_of(Kind::CronJob, &owner.meta).into();
    let mut job = Job { meta, spec: spec.clone(), status: Default::default() };
    job.status.start_time = time(&given["startTime"]);
    job.status.completion_time = time(&given["completionTime"]);
    let state = text(&given["state"]);
    if matches!(state, "Complete" | "Failed") {
        job.status.conditions.push(JobCondition {
            kind: state.into(),
            status: ConditionStatus::True,
            reason: Default::default(),
            message: Default::default(),
            since: SimTime::ZERO,
            probed: SimTime::ZERO,
        });
    }
    job
}

fn job_spec() -> JobSpec {
    JobSpec {
        parallelism: None,
        completions: None,
        active_deadline: None,
        backoff_limit: 6,
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        indexed: false,
        suspend: false,
        ttl: None,
        pod_failure_policy: None,
        success_policy: None,
        replace_failed_only: false,
        managed_by: None,
        manual_selector: None,
        selector_wire: None,
        selector: Selector::Nothing,
        template: PodTemplate {
            node: None,
            labels: Labels::default(),
            annotations: Labels::default(),
            finalizers: Vec::new(),
            spec: Arc::new(crate::model::PodSpec::compile(Default::default())),
        },
        template_meta: None,
    }
}

fn meta(given: &Value) -> Meta {
    let mut meta = Meta::named("default", text(&given["name"]));
    meta.uid = uid(&given["uid"]);
    meta
}

fn reference(given: &Value) -> wire::core::ObjectReference {
    wire::core::ObjectReference {
        name: Some(text(&given["name"]).to_owned()),
        namespace: Some("default".to_owned()),
        uid: Some(uid(&given["uid"]).to_string()),
        ..Default::default()
    }
}

/// A uid for a short name such as `u0`.
fn uid(name: &Value) -> Uid {
    let bits = text(name).bytes().fold(1u128, |bits, b| bits << 8 | u128::from(b));
    Uid::from_random(bits)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

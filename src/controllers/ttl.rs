//! The TTL-after-finished controller: Jobs that have ended go after `ttlSecondsAfterFinished`.
//!
//! Follows `pkg/controller/ttlafterfinished/ttlafterfinished_controller.go`. Before it deletes, it looks
//! once more at the Job as it is.

use std::sync::Arc;

use smol_str::format_smolstr;

use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{ConditionStatus, Job, Key, Kind, Object, Ref};
use crate::store::{DeleteOptions, Delta, Propagation, Reply, Request};
use crate::trace::{Change, Waiting};

/// The TTL-after-finished controller.
#[derive(Clone, Debug, Default)]
pub struct TtlAfterFinished;

/// What a sync waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The Job as it is.
    Look,
    /// Its deletion.
    Delete,
}

impl Controller for TtlAfterFinished {
    type Key = Key;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Job]);
    const NAME: &'static str = "ttl-after-finished-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _: &View,
        _: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        if kind == Kind::Job
            && delta.change != Change::Deleted
            && let Ok(job) = <&Arc<Job>>::try_from(delta.new)
            && expires_at(job).is_some()
        {
            queue.add(job.meta.key(), delta.fact);
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(job) = cx.view.typed::<Job>(Kind::Job, key) else { return Step::done() };
        match look(job, cx.now) {
            Look::Nothing => Step::done(),
            Look::Later(at) => later(job, at),
            Look::Expired => Step::ask(Request::Get(reference(key)), Work::Look),
        }
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let reply = replies.into_iter().next().unwrap_or(Ok(None));
        match (work, reply) {
            (Work::Look, Err(error)) if error.is_not_found() => Step::done(),
            (Work::Look | Work::Delete, Err(_)) => Step::failed(),
            (Work::Look, Ok(Some(Object::Job(job)))) => match look(&job, cx.now) {
                Look::Nothing => Step::done(),
                Look::Later(at) => later(&job, at),
                Look::Expired => {
                    let options = DeleteOptions {
                        uid: Some(job.meta.uid),
                        propagation: Some(Propagation::Foreground),
                        ..DeleteOptions::default()
                    };
                    let target = reference(key);
                    Step::ask(Request::Delete { target, options }, Work::Delete)
                }
            },
            (Work::Look | Work::Delete, Ok(_)) => Step::done(),
        }
    }
}

/// What is to be done about a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It has not ended, is being deleted, or stays.
    Nothing,
    /// It goes at that time.
    Later(SimTime),
    /// It goes now.
    Expired,
}

fn look(job: &Job, now: SimTime) -> Look {
    match expires_at(job) {
        None => Look::Nothing,
        Some(at) if at <= now => Look::Expired,
        Some(at) => Look::Later(at),
    }
}

/// When a Job is to be deleted, if it has ended and is to be (`needsCleanup`, `timeLeft`).
fn expires_at(job: &Job) -> Option<SimTime> {
    let ttl = job.spec.ttl.filter(|_| !job.meta.is_terminating())?;
    let ended = job.status.conditions.iter().find(|c| {
        matches!(c.kind.as_str(), "Complete" | "Failed") && c.status == ConditionStatus::True
    })?;
    Some(ended.since.trunc_secs() + ttl)
}

fn later(job: &Job, at: SimTime) -> Step<Work> {
    let on = format_smolstr!("its deletion at {}", at.to_rfc3339());
    let waiting = Waiting { object: reference(&job.meta.key()), uid: job.meta.uid, on };
    Step::Done(Done { retry: Retry::At(at), waiting: Some(waiting) })
}

fn reference(key: &Key) -> Ref {
    Ref { kind: Kind::Job, key: key.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::JobCondition;

    /// A Job with a condition since second 100.
    fn ended(condition: &str, ttl: Option<u64>) -> Job {
        let wire = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "j"},
            "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}},
        }));
        let typed = crate::api::typed::Typed::Job(wire.unwrap());
        let Ok(Object::Job(job)) = crate::api::convert::from_wire(typed) else { panic!("a Job") };
        let mut job = Arc::unwrap_or_clone(job);
        let mut spec = (*job.spec).clone();
        spec.ttl = ttl.map(Duration::from_secs);
        job.spec = Arc::new(spec);
        job.status.conditions.push(JobCondition {
            kind: condition.into(),
            status: ConditionStatus::True,
            reason: "".into(),
            message: "".into(),
            since: SimTime::from_secs(100),
            probed: SimTime::from_secs(100),
        });
        job
    }

    #[test]
    fn a_job_goes_its_time_after_it_ended() {
        let now = SimTime::from_secs(110);
        for (condition, ttl, expected) in [
            ("Complete", Some(10), Look::Expired),
            ("Failed", Some(0), Look::Expired),
            ("Complete", Some(11), Look::Later(SimTime::from_secs(111))),
            ("Complete", None, Look::Nothing),
            ("FailureTarget", Some(1), Look::Nothing),
        ] {
            assert_eq!(look(&ended(condition, ttl), now), expected, "{condition} {ttl:?}");
        }
    }
}

//! Pods that hold the Job controller's finalizer with no Job left to count them.
//!
//! Follows `pkg/controller/job/job_controller.go`, `syncOrphanPod`: the controller's second queue, with
//! workers of its own. A pod loses the finalizer when it has no managing Job, or when that Job has ended
//! or is gone. Where upstream lists the namespace by the Job's selector, the pods that the Job owns are
//! looked at: those without an owner come by their own news.

use std::sync::Arc;
use std::time::Duration;

use super::{managed_by_other, resolve};
use crate::base::Str;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::controllers::pod_control::{is_job_tracked, reference};
use crate::controllers::{Controller, Kinds, Step, SyncCx, View};
use crate::engine::WorkQueue;
use crate::model::{Job, Key, Kind, Pod, Uid, finalizers};
use crate::store::{Delta, ErrorReason, MetaChange, Reply, Request};
use crate::trace::Change;

/// The Job controller's care for orphans.
#[derive(Clone, Debug, Default)]
pub struct JobOrphans;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Orphan {
    /// One pod.
    Pod(Key),
    /// All pods of a Job that has ended or is gone.
    Job(Uid),
}

impl Controller for JobOrphans {
    type Key = Orphan;
    type Work = ();

    const HEARS: Kinds = Kinds::of(&[Kind::Job, Kind::Pod]);
    const NAME: &'static str = "job-controller";
    const WORKERS: usize = 5;
    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(60) };

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _: SimTime,
        queue: &mut WorkQueue<Orphan>,
    ) {
        if kind == Kind::Job {
            let Ok(job) = <&Arc<Job>>::try_from(delta.new) else { return };
            let ended = delta.change == Change::Modified && job.status.is_finished();
            if ended || delta.change == Change::Deleted {
                queue.add(Orphan::Job(job.meta.uid), delta.fact);
            }
        } else if kind == Kind::Pod {
            let Ok(pod) = <&Arc<Pod>>::try_from(delta.new) else { return };
            if is_job_tracked(pod) && is_news(pod, delta.change, view) {
                queue.add(Orphan::Pod(pod.meta.key()), delta.fact);
            }
        }
    }

    fn sync(&mut self, key: &Orphan, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        let requests: Vec<Request> = match key {
            Orphan::Pod(key) => {
                let pod = cx.view.typed::<Pod>(Kind::Pod, key);
                pod.filter(|p| is_orphan(p, cx.view)).map(release).into_iter().collect()
            }
            Orphan::Job(uid) => {
                cx.view.pods_of(*uid).filter(|p| is_orphan(p, cx.view)).map(release).collect()
            }
        };
        if requests.is_empty() { Step::done() } else { Step::Ask { requests, then: () } }
    }

    fn resume(
        &mut self,
        key: &Orphan,
        (): (),
        replies: Vec<Reply>,
        _: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        let refused =
            replies.into_iter().any(|r| r.is_err_and(|e| e.reason != ErrorReason::NotFound));
        // Of many pods upstream leaves those that could not be changed as they are.
        match key {
            Orphan::Pod(_) if refused => Step::failed(),
            Orphan::Pod(_) | Orphan::Job(_) => Step::done(),
        }
    }
}

/// Whether a pod's change may make it an orphan: it has no owner, or is being deleted while its Job has
/// ended or is gone (`addPod`, `updatePod`, `deletePod`).
fn is_news(pod: &Pod, change: Change, view: &View) -> bool {
    match pod.meta.controller() {
        None => true,
        Some(owner) => {
            let deleted = change == Change::Deleted || pod.meta.is_terminating();
            let job = || resolve(view, &pod.meta.namespace, owner);
            deleted && job().is_none_or(|job| job.status.is_finished())
        }
    }
}

/// Whether nobody will count the pod (`handleSingleOrphanPod`).
fn is_orphan(pod: &Pod, view: &View) -> bool {
    let counted_by = |owner: &crate::model::OwnerRef| {
        if !owner.is_kind(Kind::Job) || owner.api_version != "batch/v1" {
            return true;
        }
        let job = resolve(view, &pod.meta.namespace, owner);
        job.is_some_and(|job| managed_by_other(job).is_some() || !job.status.is_finished())
    };
    is_job_tracked(pod) && !pod.meta.controller().is_some_and(counted_by)
}

fn release(pod: &Arc<Pod>) -> Request {
    let finalizer = Str::new_static(finalizers::JOB_TRACKING);
    Request::PatchMeta {
        target: reference(pod),
        uid: pod.meta.uid,
        changes: vec![MetaChange::RemoveFinalizer(finalizer)],
    }
}

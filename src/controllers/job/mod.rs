//! The Job controller: pods until enough of them have succeeded, or too many have failed.
//!
//! Follows `pkg/controller/job` at v1.36 with the feature gates at their defaults. One sync looks at
//! the Job and its pods ([`round`]), decides which pods come or go ([`manage`]), names and counts the
//! ones that ended ([`track`]) and goes through the API calls in upstream's order ([`sync`]). What
//! failures and success mean is in [`policy`], sets of indexes in [`indexes`], the wait after failures
//! in [`backoff`]. Pods that lost their Job while they still hold its finalizer are [`orphans`].
//!
//! Left out: Workload and PodGroup objects (`WorkloadWithJob`, off by default) and the metrics.

pub mod backoff;
mod conditions;
#[cfg(test)]
mod fixture;
pub mod indexes;
mod manage;
pub mod names;
mod orphans;
mod pods;
pub mod policy;
mod round;
mod sync;
mod track;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use smol_str::format_smolstr;

use self::backoff::Failures;
use self::round::{Memory, Round};
use self::sync::{BATCH_PERIOD, Running};
use super::consistency::Wrote;
use super::pod_control::{Claim, claim, claim_is_settled, claim_request, is_job_tracked};
use super::{Controller, Done, Expectations, Kinds, Retry, Step, SyncCx, View};
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::WorkQueue;
use crate::model::{Job, Key, Kind, OwnerRef, Pod, PodSpec, Uid, finalizers};
use crate::store::{Delta, Reply};
use crate::trace::{Change, FactId};

pub use orphans::JobOrphans;

/// The name by which `spec.managedBy` means this controller (`batch.JobControllerName`).
const OWN_NAME: &str = "kubernetes.io/job-controller";

/// The label of the generated selector (`batch.ControllerUidLabel`).
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

/// The Job controller.
#[derive(Clone, Debug, Default)]
pub struct JobController {
    expected: Expectations<Key>,
    known: BTreeMap<Key, Known>,
    wrote: Wrote<Key>,
    /// Jobs whose selector was written by hand: any pod might be theirs.
    selecting: BTreeSet<Key>,
    /// Pods without an owner that carry a Job's uid: the only ones that other Jobs select.
    strays: BTreeSet<Key>,
    /// Pod specs of Indexed Jobs with the index among the variables, by the template's digest.
    indexed_specs: Map<u64, Arc<PodSpec>>,
}

/// What is remembered of one Job.
#[derive(Clone, Debug, Default)]
struct Known {
    failures: Failures,
    /// Pods whose finalizer was taken off, which the informer has not heard of yet.
    untracked: BTreeSet<Uid>,
    /// The uid of a Job that has ended, which the informer has not heard of yet.
    ended: Option<Uid>,
}

/// A sync that waits for replies.
#[derive(Clone, Debug)]
pub struct Work(Waits);

#[derive(Clone, Debug)]
enum Waits {
    /// Pods are being adopted or released.
    Claiming(Box<Claiming>),
    /// The rest.
    Running(Box<Running>),
}

#[derive(Clone, Debug)]
struct Claiming {
    job: Arc<Job>,
    satisfied: bool,
    pods: Vec<Arc<Pod>>,
    asked: Vec<(Claim, Arc<Pod>)>,
}

impl Controller for JobController {
    type Key = Key;
    type Work = Work;

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
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        let mut news = News { view, now, queue, cause: delta.fact };
        if kind == Kind::Pod
            && let Ok(pod) = delta.new.try_into()
        {
            let old = delta.old.and_then(|o| o.try_into().ok());
            self.pod_changed(delta.change, pod, old, &mut news);
        } else if kind == Kind::Job
            && let Ok(job) = delta.new.try_into()
        {
            let old = delta.old.and_then(|o| o.try_into().ok());
            self.job_changed(delta.change, job, old, &mut news);
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let Some(job) = cx.view.typed::<Job>(Kind::Job, key).cloned() else {
            self.expected.forget(key);
            self.known.remove(key);
            self.wrote.forget(key);
            return Step::done();
        };
        if let Some(other) = managed_by_other(&job) {
            let on = format_smolstr!("its own controller {other}");
            let waiting = Some(waiting::waiting(&job, on));
            return Step::Done(Done { retry: Retry::OnNews, waiting });
        }
        if job.status.is_finished() {
            self.known.remove(key);
            self.wrote.forget(key);
            return Step::done();
        }
        if self.known.get(key).is_some_and(|k| k.ended == Some(job.meta.uid)) {
            return Step::done();
        }
        let satisfied = self.expected.satisfied(key, cx.now);
        self.claim_pods(key, job, satisfied, cx)
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work.0 {
            Waits::Claiming(claiming) => self.claimed(key, *claiming, replies, cx),
            Waits::Running(run) => running(self.go_on(key, run, replies, cx)),
        }
    }
}

impl JobController {
    /// Finds the Job's pods, adopting and releasing as its selector has it (`getPodsForJob`).
    fn claim_pods(
        &mut self,
        key: &Key,
        job: Arc<Job>,
        satisfied: bool,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let (mut pods, mut asked) = (Vec::new(), Vec::new());
        let owned = cx.view.pods_of(job.meta.uid);
        for pod in owned.chain(self.orphans_for(&job, cx.view)) {
            match claim(&job.meta, &job.spec.selector, &pod.meta) {
                Claim::Owned => pods.push(pod.clone()),
                Claim::Ignore => {}
                what @ (Claim::Adopt | Claim::Release) => asked.push((what, pod.clone())),
            }
        }
        if asked.is_empty() {
            return self.look(key, &job, pods, satisfied, cx);
        }
        let requests = asked
            .iter()
            .filter_map(|(what, pod)| {
                let finalizer = Some(finalizers::JOB_TRACKING);
                claim_request(*what, Kind::Job, &job.meta, pod, finalizer)
            })
            .collect();
        let claiming = Claiming { job, satisfied, pods, asked };
        Step::Ask { requests, then: Work(Waits::Claiming(Box::new(claiming))) }
    }

    /// The pods without an owner that the Job might select.
    fn orphans_for<'a>(&self, job: &Job, view: &'a View) -> Vec<&'a Arc<Pod>> {
        let namespace = &job.meta.namespace;
        if self.selecting.contains(&job.meta.key()) {
            let orphans = view.orphans(namespace, Kind::Pod);
            return orphans.filter_map(|o| o.try_into().ok()).collect();
        }
        in_namespace(&self.strays, namespace)
            .filter_map(|key| view.typed::<Pod>(Kind::Pod, key))
            .collect()
    }

    fn claimed(
        &mut self,
        key: &Key,
        claiming: Claiming,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let Claiming { job, satisfied, mut pods, asked } = claiming;
        let mut failed = false;
        for ((what, pod), reply) in asked.into_iter().zip(replies) {
            self.wrote.note(key, &reply);
            match reply {
                Ok(_) if what == Claim::Adopt => {
                    let mut adopted = (*pod).clone();
                    if !is_job_tracked(&adopted) {
                        let finalizer = Str::new_static(finalizers::JOB_TRACKING);
                        adopted.meta.finalizers.push(finalizer);
                    }
                    pods.push(Arc::new(adopted));
                }
                Ok(_) => {}
                Err(error) => failed |= !claim_is_settled(what, &error),
            }
        }
        if failed {
            return Step::failed();
        }
        self.look(key, &job, pods, satisfied, cx)
    }

    fn look(
        &mut self,
        key: &Key,
        job: &Job,
        pods: Vec<Arc<Pod>>,
        satisfied: bool,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let known = self.known.get(key);
        let memory = Memory {
            failures: known.map(|k| k.failures).unwrap_or_default(),
            untracked: known.map(|k| k.untracked.clone()).unwrap_or_default(),
            satisfied,
        };
        let round = Round::new(job, pods, memory, cx.now);
        running(self.begin(key, round, cx))
    }
}

/// What a change comes with.
struct News<'a> {
    view: &'a View,
    now: SimTime,
    queue: &'a mut WorkQueue<Key>,
    cause: FactId,
}

impl News<'_> {
    /// Has a Job synced together with what else happens within the batch period.
    fn batched(&mut self, job: Key) {
        self.queue.add_at(self.now + BATCH_PERIOD, job, self.cause);
    }

    fn at_once(&mut self, job: Key) {
        self.queue.add(job, self.cause);
    }

    /// The Job that an owner reference means (`resolveControllerRef`).
    fn resolve(&self, namespace: &Str, owner: &OwnerRef) -> Option<&Arc<Job>> {
        resolve(self.view, namespace, owner)
    }
}

fn resolve<'a>(view: &'a View, namespace: &Str, owner: &OwnerRef) -> Option<&'a Arc<Job>> {
    if !owner.is_kind(Kind::Job) {
        return None;
    }
    let key = Key { namespace: namespace.clone(), name: owner.name.clone() };
    view.typed::<Job>(Kind::Job, &key).filter(|job| job.meta.uid == owner.uid)
}

/// The event handlers (`addJob`, `updateJob`, `deleteJob`, `addPod`, `updatePod`, `deletePod`).
impl JobController {
    fn job_changed(
        &mut self,
        change: Change,
        job: &Arc<Job>,
        old: Option<&Arc<Job>>,
        news: &mut News<'_>,
    ) {
        let key = job.meta.key();
        match change {
            Change::Added => {
                if job.spec.manual_selector == Some(true) {
                    self.selecting.insert(key.clone());
                }
                news.at_once(key);
            }
            Change::Deleted => {
                self.selecting.remove(&key);
                self.known.remove(&key);
                self.wrote.forget(&key);
                news.at_once(key);
            }
            // What is left to be done then is done for its orphans.
            Change::Modified if job.status.is_finished() => {}
            Change::Modified => {
                if old.is_some_and(|o| o.meta.generation == job.meta.generation) {
                    news.batched(key.clone());
                } else {
                    news.at_once(key.clone());
                }
                let changed =
                    old.is_none_or(|o| o.spec.active_deadline != job.spec.active_deadline);
                if changed
                    && let (Some(start), Some(allowed)) =
                        (job.status.start_time, job.spec.active_deadline)
                {
                    news.queue.add_at(start + allowed, key, news.cause);
                }
            }
        }
    }

    fn pod_changed(
        &mut self,
        change: Change,
        pod: &Arc<Pod>,
        old: Option<&Arc<Pod>>,
        news: &mut News<'_>,
    ) {
        self.note_stray(change, pod);
        if change == Change::Deleted || pod.meta.is_terminating() {
            return self.pod_deleted(pod, change == Change::Deleted, news);
        }
        let owner = pod.meta.controller();
        let old_owner = old.and_then(|o| o.meta.controller());
        let moved = change == Change::Modified && !news.view.owners_stay() && owner != old_owner;
        if moved
            && let Some(old_owner) = old_owner
            && let Some(key) = news.resolve(&pod.meta.namespace, old_owner).map(|j| j.meta.key())
        {
            self.heard_of(&key, pod, false);
            news.batched(key);
        }
        if let Some(owner) = owner {
            let Some(key) = news.resolve(&pod.meta.namespace, owner).map(|j| j.meta.key()) else {
                return;
            };
            if change == Change::Added {
                self.expected.created(&key);
            }
            self.heard_of(&key, pod, false);
            return news.batched(key);
        }
        let relabelled = old.is_none_or(|o| o.meta.labels != pod.meta.labels);
        if moved || relabelled {
            for key in self.selecting_jobs(pod, news.view) {
                news.batched(key);
            }
        }
    }

    fn pod_deleted(&mut self, pod: &Arc<Pod>, gone: bool, news: &mut News<'_>) {
        let Some(owner) = pod.meta.controller() else { return };
        let job = news.resolve(&pod.meta.namespace, owner);
        let Some(key) = job.filter(|j| !j.status.is_finished()).map(|j| j.meta.key()) else {
            return;
        };
        self.expected.deleted(&key, pod.meta.uid);
        self.heard_of(&key, pod, gone);
        news.batched(key);
    }

    /// Notes that a pod has lost its finalizer, or is gone.
    fn heard_of(&mut self, job: &Key, pod: &Pod, gone: bool) {
        if (gone || !is_job_tracked(pod))
            && let Some(known) = self.known.get_mut(job)
        {
            known.untracked.remove(&pod.meta.uid);
        }
    }

    fn note_stray(&mut self, change: Change, pod: &Pod) {
        let stray = change != Change::Deleted
            && pod.meta.controller().is_none()
            && pod.meta.labels.get(CONTROLLER_UID).is_some();
        if stray {
            self.strays.insert(pod.meta.key());
        } else if !self.strays.is_empty() {
            self.strays.remove(&pod.meta.key());
        }
    }

    /// The Jobs that would adopt a pod (`getPodJobs`): the one whose uid it carries, and any with a
    /// selector by hand.
    fn selecting_jobs(&self, pod: &Pod, view: &View) -> Vec<Key> {
        let named = pod.meta.labels.get(CONTROLLER_UID).and_then(|uid| Uid::parse(uid));
        let named = named.and_then(|uid| view.by_uid(uid)).map(crate::model::Object::key);
        in_namespace(&self.selecting, &pod.meta.namespace)
            .cloned()
            .chain(named)
            .filter(|key| {
                view.typed::<Job>(Kind::Job, key)
                    .is_some_and(|job| job.spec.selector.matches(&pod.meta.labels))
            })
            .collect()
    }
}

fn in_namespace<'a>(keys: &'a BTreeSet<Key>, namespace: &'a Str) -> impl Iterator<Item = &'a Key> {
    let from = Key { namespace: namespace.clone(), name: Str::default() };
    keys.range(from..).take_while(move |key| key.namespace == *namespace)
}

/// The other controller that manages a Job, if any (`managedByExternalController`).
fn managed_by_other(job: &Job) -> Option<&Str> {
    job.spec.managed_by.as_ref().filter(|name| *name != OWN_NAME)
}

fn running(step: Step<Box<Running>>) -> Step<Work> {
    match step {
        Step::Done(done) => Step::Done(done),
        Step::Ask { requests, then } => Step::Ask { requests, then: Work(Waits::Running(then)) },
    }
}

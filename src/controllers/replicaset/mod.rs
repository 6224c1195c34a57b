//! ReplicaSets and ReplicationControllers: a number of like pods.
//!
//! Follows `pkg/controller/replicaset/replica_set.go` and `replica_set_utils.go`, and
//! `pkg/controller/replication`, which wraps them. A sync claims pods, creates or deletes the
//! difference (creations in batches of 1, 2, 4 …, of at most 500 pods a sync), and writes the status.
//! What is to be done is computed in [`plan`], who is deleted first in [`rank`].

pub mod corpus;
mod kind;
pub mod plan;
pub mod rank;

use std::sync::Arc;

use self::kind::{SetKind, State, Status};
use self::plan::Manage;
use super::consistency::Wrote;
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::expectations::Expectations;
use super::pod_control::{self, Claim};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Object, Pod, Uid};
use crate::store::{ApiError, DeleteOptions, Delta, Reply, Request};
use crate::trace::{Change, EventType, FactId, Waiting};

/// The ReplicaSet controller.
pub type ReplicaSetController = Replicas<kind::OfReplicaSet>;
/// The ReplicationController controller.
pub type ReplicationControllerController = Replicas<kind::OfReplicationController>;

/// The controller of one of the two kinds.
#[derive(Clone, Debug)]
pub struct Replicas<K> {
    expectations: Expectations<Key>,
    wrote: Wrote<Key>,
    kind: std::marker::PhantomData<K>,
}

impl<K> Default for Replicas<K> {
    fn default() -> Self {
        Self {
            expectations: Expectations::default(),
            wrote: Wrote::default(),
            kind: std::marker::PhantomData,
        }
    }
}

/// A sync that waits for replies.
#[derive(Clone, Debug)]
pub struct Work {
    set: Object,
    active: Vec<Arc<Pod>>,
    terminating: i32,
    /// Why the number of pods could not be made right.
    error: Option<Box<ApiError>>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Pods are being adopted and released; the replies go with these.
    Claim(Vec<(Claim, Arc<Pod>)>),
    /// Pods are being created.
    Create {
        /// How many in this batch.
        batch: u32,
        /// How many after it.
        left: u32,
    },
    /// Pods are being deleted.
    Delete(Vec<Arc<Pod>>),
    /// The status is being written, for the first or the second time.
    Status { status: Status, again: bool },
}

impl<K: SetKind> Controller for Replicas<K> {
    type Key = Key;
    type Work = Work;
    const HEARS: Kinds = Kinds::of(&[K::KIND, Kind::Pod]);
    const NAME: &'static str = K::NAME;
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        if kind == Kind::Pod {
            if let Object::Pod(pod) = delta.new {
                self.observe_pod(pod, delta, view, now, queue);
            }
        } else if kind == K::KIND {
            let key = delta.new.meta().key();
            if delta.change == Change::Deleted {
                self.expectations.forget(&key);
                self.wrote.forget(&key);
            }
            queue.add(key, delta.fact);
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let Some(set) = cx.view.get(K::KIND, key).cloned() else {
            self.expectations.forget(key);
            return Step::done();
        };
        let state = K::read(&set);
        let (mut active, mut claims, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        let mut terminating = 0;
        let orphans = cx.view.orphans(&key.namespace, Kind::Pod).filter_map(|o| o.try_into().ok());
        for pod in cx.view.pods_of(state.meta.uid).chain(orphans) {
            let claim = pod_control::claim(state.meta, state.selector, &pod.meta);
            if !pod.is_active() {
                let counts = claim == Claim::Owned && pod_control::is_terminating(pod);
                terminating += i32::from(counts);
                continue;
            }
            if claim == Claim::Owned {
                active.push(pod.clone());
            }
            if let Some(request) = pod_control::claim_request(claim, K::KIND, state.meta, pod, None)
            {
                claims.push((claim, pod.clone()));
                requests.push(request);
            }
        }
        let work = Work { set, active, terminating, error: None, stage: Stage::Claim(claims) };
        if requests.is_empty() {
            return self.manage(key, work, cx);
        }
        Step::Ask { requests, then: work }
    }

    fn resume(
        &mut self,
        key: &Key,
        mut work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match std::mem::replace(&mut work.stage, Stage::Claim(Vec::new())) {
            Stage::Claim(claims) => match self.claimed(key, &claims, &replies) {
                Ok(adopted) => {
                    work.active.extend(adopted);
                    self.manage(key, work, cx)
                }
                Err(error) => failed_with(&work.set, &error),
            },
            Stage::Create { batch, left } => self.created(key, work, (batch, left), &replies, cx),
            Stage::Delete(pods) => self.deleted(key, work, &pods, &replies, cx),
            Stage::Status { status, again } => self.stored(key, work, status, again, &replies, cx),
        }
    }
}

impl<K: SetKind> Replicas<K> {
    /// `addPod`, `updatePod` and `deletePod`.
    fn observe_pod(
        &mut self,
        pod: &Arc<Pod>,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        let owner = pod.meta.controller_of_kind(K::KIND);
        if delta.change == Change::Deleted || pod.meta.is_terminating() {
            if let Some(owner) = owner
                && let Some(key) = resolve::<K>(view, pod, owner.uid)
            {
                self.expectations.deleted(&key, pod.meta.uid);
                queue.add(key, delta.fact);
            }
            return;
        }
        let old: Option<&Arc<Pod>> = delta.old.and_then(|o| o.try_into().ok());
        let old_owner = old.and_then(|o| o.meta.controller_of_kind(K::KIND));
        if let Some((before, was)) = old.zip(old_owner)
            && owner.is_none_or(|o| o.uid != was.uid)
            && let Some(key) = resolve::<K>(view, before, was.uid)
        {
            queue.add(key, delta.fact);
        }
        if let Some(owner) = owner {
            let Some(key) = resolve::<K>(view, pod, owner.uid) else { return };
            if delta.change == Change::Added {
                self.expectations.created(&key);
            }
            let ready = pod.is_ready() && old.is_some_and(|o| !o.is_ready());
            if ready
                && let Some(set) = view.get(K::KIND, &key)
                && K::read(set).min_ready_seconds > 0
            {
                let wait = u64::from(K::read(set).min_ready_seconds);
                let at = now + std::time::Duration::from_secs(wait);
                queue.add_at(at, key.clone(), delta.fact);
            }
            queue.add(key, delta.fact);
        } else if pod.meta.controller().is_none()
            && old.is_none_or(|o| o.meta.labels != pod.meta.labels || o.meta.controller().is_some())
        {
            enqueue_matching::<K>(view, pod, delta.fact, queue);
        }
    }

    /// Takes the replies to adoptions and releases; answers the pods adopted.
    fn claimed(
        &mut self,
        key: &Key,
        claims: &[(Claim, Arc<Pod>)],
        replies: &[Reply],
    ) -> Result<Vec<Arc<Pod>>, Box<ApiError>> {
        let mut adopted = Vec::new();
        for ((claim, pod), reply) in claims.iter().zip(replies) {
            self.wrote.note(key, reply);
            match reply {
                Ok(_) if *claim == Claim::Adopt => adopted.push(pod.clone()),
                Ok(_) => {}
                Err(error) if pod_control::claim_is_settled(*claim, error) => {}
                Err(error) => return Err(error.clone()),
            }
        }
        Ok(adopted)
    }

    /// `manageReplicas`.
    fn manage(&mut self, key: &Key, mut work: Work, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let state = K::read(&work.set);
        if state.meta.is_terminating() || !self.expectations.satisfied(key, cx.now) {
            return self.write_status(key, work, cx);
        }
        match plan::manage(work.active.len(), state.replicas) {
            Manage::Nothing => self.write_status(key, work, cx),
            Manage::Create(count) => {
                self.expectations.expect_creations(key, count, cx.now);
                work.stage = Stage::Create { batch: 1, left: count - 1 };
                Step::Ask { requests: creations::<K>(&work.set, 1), then: work }
            }
            Manage::Delete(count) => {
                let ranks = ranks::<K>(&work.set, &work.active, cx.view);
                let pods = rank::to_delete(&work.active, &ranks, count, cx.now);
                let uids = pods.iter().map(|p| p.meta.uid);
                self.expectations.expect_deletions(key, uids, cx.now);
                let requests = pods.iter().map(|p| deletion(p)).collect();
                work.stage = Stage::Delete(pods);
                Step::Ask { requests, then: work }
            }
        }
    }

    /// A batch of creations has been answered (`slowStartBatch`).
    fn created(
        &mut self,
        key: &Key,
        mut work: Work,
        (batch, left): (u32, u32),
        replies: &[Reply],
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let mut skipped = 0;
        for reply in replies {
            self.wrote.note(key, reply);
            match reply {
                Ok(Some(pod)) => {
                    let text = format!("Created pod: {}", pod.meta().name);
                    cx.event(&work.set, EventType::Normal, "SuccessfulCreate", text);
                }
                Ok(None) => {}
                // Every creation will fail there, and none is counted as a failure.
                Err(error) if error.is_namespace_terminating() => {}
                Err(error) => {
                    let text = format!("Error creating: {error}");
                    cx.event(&work.set, EventType::Warning, "FailedCreate", text);
                    work.error.get_or_insert_with(|| error.clone());
                    skipped += 1;
                }
            }
        }
        if work.error.is_some() {
            skipped += left;
        }
        for _ in 0..skipped {
            self.expectations.created(key);
        }
        let next = left.min(batch.saturating_mul(2));
        if work.error.is_some() || next == 0 {
            return self.write_status(key, work, cx);
        }
        work.stage = Stage::Create { batch: next, left: left - next };
        Step::Ask { requests: creations::<K>(&work.set, next), then: work }
    }

    fn deleted(
        &mut self,
        key: &Key,
        mut work: Work,
        pods: &[Arc<Pod>],
        replies: &[Reply],
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        for (pod, reply) in pods.iter().zip(replies) {
            match reply {
                Ok(_) => {
                    let text = format!("Deleted pod: {}", pod.meta.name);
                    cx.event(&work.set, EventType::Normal, "SuccessfulDelete", text);
                }
                Err(error) => {
                    self.expectations.deleted(key, pod.meta.uid);
                    if !error.is_not_found() {
                        let text = format!("Error deleting: {error}");
                        cx.event(&work.set, EventType::Warning, "FailedDelete", text);
                        let why = format!("unable to delete pods: {error}");
                        work.error.get_or_insert_with(|| ApiError::new(error.reason, why));
                    }
                }
            }
        }
        self.write_status(key, work, cx)
    }

    /// `calculateStatus` and the first attempt of `updateReplicaSetStatus`.
    fn write_status(&mut self, key: &Key, mut work: Work, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let state = K::read(&work.set);
        let error = work.error.as_deref();
        let status = plan::status(&state, &work.active, work.terminating, error, cx.now);
        if status == state.status {
            return self.end(key, &work, cx);
        }
        let stored = K::with_status(&work.set, &status);
        work.stage = Stage::Status { status, again: false };
        Step::ask(Request::UpdateStatus(stored), work)
    }

    /// The status has been written, or not: then it is tried once more on the newest version.
    fn stored(
        &mut self,
        key: &Key,
        mut work: Work,
        status: Status,
        again: bool,
        replies: &[Reply],
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match replies.first() {
            Some(Err(error)) if !again && !error.is_not_found() => {
                let mut stored = K::with_status(&work.set, &status);
                stored.meta_mut().resource_version = 0;
                work.stage = Stage::Status { status, again: true };
                Step::ask(Request::UpdateStatus(stored), work)
            }
            Some(Err(error)) => failed_with(&work.set, error),
            Some(reply @ Ok(_)) => {
                self.wrote.note(key, reply);
                work.set = K::with_status(&work.set, &status);
                self.end(key, &work, cx)
            }
            None => Step::failed(),
        }
    }

    fn end(&self, key: &Key, work: &Work, cx: &SyncCx<'_, '_>) -> Step<Work> {
        if let Some(error) = &work.error {
            return failed_with(&work.set, error);
        }
        let state = K::read(&work.set);
        let outstanding = self.expectations.outstanding(key);
        let waiting = plan::waits_for(&state, outstanding).map(|on| Waiting {
            object: work.set.reference(),
            uid: state.meta.uid,
            on,
        });
        let retry = match plan::next_check(&state, &work.active, cx.now) {
            Some(at) => Retry::At(at),
            None => Retry::OnNews,
        };
        Step::Done(Done { retry, waiting })
    }
}

/// The sync has failed; the set waits for what refused it.
fn failed_with(set: &Object, error: &ApiError) -> Step<Work> {
    let on = smol_str::format_smolstr!("the API server to accept its request: {error}");
    let waiting = Waiting { object: set.reference(), uid: set.meta().uid, on };
    Step::Done(Done { retry: Retry::BackOff, waiting: Some(waiting) })
}

/// The key of the set that a pod's owner reference names, if it is still that one.
fn resolve<K: SetKind>(view: &View, pod: &Pod, uid: Uid) -> Option<Key> {
    let owner = view.by_uid(uid)?;
    let same = owner.kind() == K::KIND && owner.meta().namespace == pod.meta.namespace;
    same.then(|| owner.meta().key())
}

/// Enqueues every set that selects an orphan.
fn enqueue_matching<K: SetKind>(view: &View, pod: &Pod, cause: FactId, queue: &mut WorkQueue<Key>) {
    if pod.meta.labels.is_empty() {
        return;
    }
    for set in view.in_namespace(&pod.meta.namespace, K::KIND) {
        let state = K::read(set);
        if !state.selector.is_empty() && state.selector.matches(&pod.meta.labels) {
            queue.add(set.meta().key(), cause);
        }
    }
}

fn creations<K: SetKind>(set: &Object, count: u32) -> Vec<Request> {
    let State { meta, template, .. } = K::read(set);
    let owner = crate::model::OwnerRef::controller_of(K::KIND, meta);
    let pod: Object = pod_control::from_template(template, &meta.namespace, owner).into();
    (0..count).map(|_| Request::Create(pod.clone())).collect()
}

fn deletion(pod: &Pod) -> Request {
    Request::Delete { target: pod_control::reference(pod), options: DeleteOptions::default() }
}

/// How many active pods of the sets with the same controller share each pod's node
/// (`getPodsRankedByRelatedPodsOnSameNode`).
fn ranks<K: SetKind>(set: &Object, pods: &[Arc<Pod>], view: &View) -> Vec<u32> {
    let mut on_node = crate::base::Map::<_, u32>::default();
    let related = set.meta().controller().map(|owner| owner.uid);
    for related in related.into_iter().flat_map(|uid| view.owned_by(uid, K::KIND)) {
        let state = K::read(related);
        for pod in view.pods_of(state.meta.uid).filter(|p| p.is_active()) {
            if state.selector.matches(&pod.meta.labels) {
                *on_node.entry(pod.node.clone()).or_default() += 1;
            }
        }
    }
    pods.iter().map(|p| on_node.get(&p.node).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::Bench;
    use super::*;
    use crate::model::{Phase, ReplicaSet};
    use crate::store::ErrorReason;

    fn spec(replicas: i32) -> Value {
        json!({
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}},
        })
    }

    fn bench(replicas: i32) -> Bench<ReplicaSetController> {
        let mut bench = Bench::new();
        bench.apply(Kind::ReplicaSet, "web", &spec(replicas));
        bench
    }

    fn resize(bench: &mut Bench<ReplicaSetController>, replicas: i32) {
        bench.change::<ReplicaSet>(Kind::ReplicaSet, "web", |set| {
            Arc::make_mut(&mut set.spec).wire.replicas = Some(replicas);
            set.meta.generation += 1;
        });
    }

    #[test]
    fn pods_are_made_in_growing_batches_and_counted_once_heard_of() {
        let lines = bench(4).run();
        let first = [
            "create Pod -> web-1",
            "SuccessfulCreate Created pod: web-1",
            "create Pod -> web-2",
            "create Pod -> web-3",
            "SuccessfulCreate Created pod: web-2",
            "SuccessfulCreate Created pod: web-3",
            "create Pod -> web-4",
            "SuccessfulCreate Created pod: web-4",
            "status ReplicaSet web",
        ];
        assert_eq!(lines[..9], first);
        assert_eq!(
            lines[9..],
            ["web waits for pods to be ready: 0 of 4 are", "status ReplicaSet web"]
        );
    }

    #[test]
    fn a_refused_creation_ends_the_batches_and_is_told_in_a_condition() {
        let mut bench = bench(5);
        bench.refuse = |request| match request {
            Request::Create(_) => {
                Some(ApiError::forbidden(Kind::Pod, "web-", "exceeded quota: pods"))
            }
            _ => None,
        };
        let lines = bench.run();
        assert_eq!(lines[0], "create Pod: refused");
        assert_eq!(
            lines[1],
            "FailedCreate Error creating: pods \"web-\" is forbidden: exceeded quota: pods"
        );
        assert_eq!(lines[2], "status ReplicaSet web");
        let Object::ReplicaSet(set) = bench.get(Kind::ReplicaSet, "web") else { panic!() };
        let condition = &set.status.conditions.as_ref().unwrap()[0];
        assert_eq!(condition.reason.as_deref(), Some("FailedCreate"));
        bench.refuse = |_| None;
        bench.wait(1);
        assert_eq!(bench.run().iter().filter(|l| l.starts_with("create")).count(), 5);
        let Object::ReplicaSet(set) = bench.get(Kind::ReplicaSet, "web") else { panic!() };
        assert_eq!(set.status.conditions, None);
    }

    #[test]
    fn unready_pods_go_first_and_deleted_ones_are_waited_for() {
        let mut bench = bench(3);
        bench.run();
        bench.make_ready("web-1");
        bench.make_ready("web-3");
        bench.run();
        resize(&mut bench, 2);
        let lines = bench.run();
        assert_eq!(lines[0], "delete Pod web-2");
        assert_eq!(lines[1], "SuccessfulDelete Deleted pod: web-2");
        let Object::ReplicaSet(set) = bench.get(Kind::ReplicaSet, "web") else { panic!() };
        assert_eq!((set.status.replicas, set.status.ready_replicas), (2, Some(2)));
    }

    #[test]
    fn a_failed_pod_is_replaced_and_left_alone() {
        let mut bench = bench(1);
        bench.run();
        bench.make_ready("web-1");
        bench.run();
        bench.make("web-1", Phase::Failed);
        assert_eq!(bench.run()[0], "create Pod -> web-2");
        assert_eq!(bench.names(Kind::Pod), ["web-1", "web-2"]);
    }

    #[test]
    fn a_pod_of_nobody_is_adopted_and_one_that_is_no_longer_selected_released() {
        let mut bench = bench(1);
        bench.run();
        let pod = json!({"containers": []});
        bench.apply(Kind::Pod, "stray", &pod);
        bench.run();
        bench.change::<Pod>(Kind::Pod, "stray", |p| {
            p.meta.labels = p.meta.labels.with("app", "web")
        });
        let lines = bench.run();
        assert_eq!(lines[0], "patch Pod stray");
        assert!(lines[1].starts_with("delete Pod"), "{lines:?}");
        let left = bench.names(Kind::Pod)[0].clone();
        bench.change::<Pod>(Kind::Pod, &left, |p| p.meta.labels = p.meta.labels.with("app", "db"));
        let lines = bench.run();
        assert_eq!(lines[0], format!("patch Pod {left}"));
        assert!(lines[1].starts_with("create Pod"), "{lines:?}");
    }

    #[test]
    fn pods_become_available_after_their_time_without_news() {
        let mut bench = Bench::<ReplicaSetController>::new();
        let mut spec = spec(1);
        spec["minReadySeconds"] = 10.into();
        bench.apply(Kind::ReplicaSet, "web", &spec);
        bench.run();
        bench.make_ready("web-1");
        let lines = bench.run();
        assert_eq!(
            lines.last().unwrap(),
            "web waits for pods to stay ready for 10 s: 0 of 1 have been"
        );
        assert_eq!(bench.wakes_in(), Some(10));
        bench.wait(10);
        assert_eq!(bench.run(), ["status ReplicaSet web", "web waits no longer"]);
        assert_eq!(bench.wakes_in(), None);
    }

    #[test]
    fn a_status_that_is_refused_is_written_once_more() {
        let mut bench = bench(0);
        bench.refuse = |request| match request {
            Request::UpdateStatus(o) if o.meta().resource_version != 0 => {
                Some(ApiError::new(ErrorReason::Conflict, "changed"))
            }
            _ => None,
        };
        assert_eq!(bench.run(), ["status ReplicaSet web: refused", "status ReplicaSet web"]);
    }
}

//! DaemonSets: one pod on every node that should have one.
//!
//! Follows `pkg/controller/daemon`. The controller and the writing of the status stand here; the rest
//! of a sync is a script ([`sync`]). Pods are pinned to their nodes by affinity and placed by the
//! scheduler.

pub mod corpus;
mod handlers;
mod kept;
pub mod nodes;
pub mod plan;
mod revisions;
mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::handlers::observe_revision;
use self::kept::Kept;
use self::plan::{ByNode, Situation};
use self::sync::{Inputs, Managed};
use super::consistency::Wrote;
use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::expectations::Expectations;
use super::pod_control::{self, Claim};
use super::script::{self, Aside, Outcome, Run};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::wire::apps::DaemonSetStatus;
use crate::model::{DaemonSet, Key, Kind, Meta, Object, Pod, Ref, wire};
use crate::store::{ApiError, Delta, Reply, Request};
use crate::trace::{Change, EventType, Waiting};

/// The DaemonSet controller.
#[derive(Debug, Default)]
pub struct DaemonSetController {
    expectations: Expectations<Key>,
    wrote: Wrote<Key>,
    kept: BTreeMap<Key, Kept>,
}

/// A sync that waits for replies.
#[derive(Debug)]
pub enum Work {
    /// Pods and revisions.
    Managing(Box<Run<Inputs>>),
    /// The status.
    Status {
        /// The set as it is written.
        set: Box<DaemonSet>,
        /// What the sync has come to.
        managed: Managed,
        /// Whether this is the second attempt.
        again: bool,
    },
}

impl Controller for DaemonSetController {
    type Key = Key;
    type Work = Work;
    const NAME: &'static str = "daemonset-controller";
    const WORKERS: usize = 2;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::DaemonSet, new) => {
                let key = new.meta().key();
                if delta.change == Change::Deleted {
                    self.expectations.forget(&key);
                    self.wrote.forget(&key);
                    self.kept.remove(&key);
                }
                queue.add(key, delta.fact);
            }
            (Kind::Pod, Object::Pod(pod)) => self.observe_pod(pod, delta, view, now, queue),
            (Kind::Node, Object::Node(node)) => self.observe_node(node, delta, view, queue),
            (Kind::ControllerRevision, revision) => {
                observe_revision(revision, delta, view, queue);
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let Some(set) = cx.view.typed::<DaemonSet>(Kind::DaemonSet, key).cloned() else {
            self.expectations.forget(key);
            self.kept.remove(key);
            return Step::done();
        };
        if set.spec.wire.selector == wire::meta::LabelSelector::default() {
            let text = "This daemon set is selecting all pods. A non-empty selector is required.";
            cx.event(&Object::DaemonSet(set), EventType::Warning, "SelectingAll", text);
            return Step::done();
        }
        if set.meta.is_terminating() {
            return Step::done();
        }
        let satisfied = self.expectations.satisfied(key, cx.now);
        let inputs = self.gather(key, &set, satisfied, cx.view);
        let now = cx.now;
        let outcome = script::begin(inputs, cx, sync::sync, |a| self.hear(key, a, now));
        self.go_on(key, outcome, cx)
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let now = cx.now;
        match work {
            Work::Managing(run) => {
                let hear = |a: Aside| self.hear(key, a, now);
                let outcome = script::go_on(*run, replies, cx, sync::sync, hear);
                self.go_on(key, outcome, cx)
            }
            Work::Status { set, managed, again } => {
                self.stored(key, (set, managed, again), &replies, cx)
            }
        }
    }
}

impl DaemonSetController {
    /// What a script says besides.
    fn hear(&mut self, key: &Key, aside: Aside, now: SimTime) {
        match aside {
            Aside::ExpectCreations(count) => {
                self.expectations.expect_creations(key, count, now);
            }
            Aside::ExpectDeletions(uids) => self.expectations.expect_deletions(key, uids, now),
            Aside::CreationsFailed(count) => {
                for _ in 0..count {
                    self.expectations.created(key);
                }
            }
            Aside::DeletionFailed(uid) => self.expectations.deleted(key, uid),
            Aside::Wrote(kind, revision) if [Kind::Pod, Kind::DaemonSet].contains(&kind) => {
                self.wrote.wrote(key, kind, revision);
            }
            Aside::FailedAgain(node) => {
                if let Some(kept) = self.kept.get_mut(key) {
                    let next = plan::one_more(kept.failures.get(&node).copied(), now);
                    kept.failures.insert(node, next);
                }
            }
            Aside::Wrote(..) | Aside::Event { .. } => {}
        }
    }

    fn go_on(
        &mut self,
        key: &Key,
        outcome: Outcome<Inputs, Managed>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match outcome {
            Outcome::Ask(requests, run) => {
                Step::Ask { requests, then: Work::Managing(Box::new(run)) }
            }
            Outcome::Refused(error) => match cx.view.get(Kind::DaemonSet, key) {
                Some(set) => Step::Done(failed(set.meta(), &error)),
                None => Step::failed(),
            },
            Outcome::Done(inputs, managed) => self.write_status(key, &inputs, managed, cx),
        }
    }

    /// The first half of `updateDaemonSetStatus`: counts what is heard of by now.
    fn write_status(
        &mut self,
        key: &Key,
        inputs: &Inputs,
        managed: Managed,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let set = &inputs.set;
        let own = |p: &&Arc<Pod>| {
            pod_control::claim(&set.meta, &set.spec.selector, &p.meta) == Claim::Owned
        };
        let pods: Vec<Arc<Pod>> = cx.view.pods_of(set.meta.uid).filter(own).cloned().collect();
        let at = Situation {
            set,
            nodes: &inputs.nodes,
            pods: &ByNode::of(&pods),
            hash: &managed.hash,
            now: cx.now,
        };
        let mut status = at.status();
        let generation = i64::try_from(set.meta.generation).unwrap_or(i64::MAX);
        let observed = set.status.observed_generation.unwrap_or(0);
        let same = normal(&status) == normal(&set.status) && observed >= generation;
        if managed.acted {
            status.observed_generation = Some(generation);
        }
        let mut next = DaemonSet::clone(set);
        next.status = status;
        if same {
            return self.end(key, &next, &managed, cx.now);
        }
        let request = Request::UpdateStatus(next.clone().into());
        Step::ask(request, Work::Status { set: Box::new(next), managed, again: false })
    }

    fn stored(
        &mut self,
        key: &Key,
        (mut set, managed, again): (Box<DaemonSet>, Managed, bool),
        replies: &[Reply],
        cx: &SyncCx<'_, '_>,
    ) -> Step<Work> {
        match replies.first() {
            Some(Err(error)) if !again && !error.is_not_found() => {
                set.meta.resource_version = 0;
                let request = Request::UpdateStatus(DaemonSet::clone(&set).into());
                Step::ask(request, Work::Status { set, managed, again: true })
            }
            Some(Err(error)) => {
                Step::Done(failed(&set.meta, managed.error.as_ref().unwrap_or(error)))
            }
            Some(reply @ Ok(_)) => {
                self.wrote.note(key, reply);
                self.end(key, &set, &managed, cx.now)
            }
            None => Step::failed(),
        }
    }

    fn end(&self, key: &Key, set: &DaemonSet, managed: &Managed, now: SimTime) -> Step<Work> {
        let min_ready = Duration::from_secs(plan::min_ready_seconds(set).into());
        let available = set.status.number_available.unwrap_or(0);
        let unready = !min_ready.is_zero() && set.status.number_ready != available;
        let check = unready.then_some(now + min_ready);
        let again_at = [managed.again_at, check].into_iter().flatten().min();
        if let Some(error) = &managed.error {
            let mut done = failed(&set.meta, error);
            done.retry = again_at.map_or(Retry::BackOff, Retry::BackOffAtMost);
            return Step::Done(done);
        }
        let on = waits_for(set, managed, self.expectations.outstanding(key));
        let (object, uid) = (reference(&set.meta), set.meta.uid);
        Step::Done(Done {
            retry: again_at.map_or(Retry::OnNews, Retry::At),
            waiting: on.map(|on| Waiting { object, uid, on }),
        })
    }
}

/// The counts of a status, absent ones as zero.
fn normal(s: &DaemonSetStatus) -> [i32; 7] {
    [
        s.desired_number_scheduled,
        s.current_number_scheduled,
        s.number_misscheduled,
        s.number_ready,
        s.updated_number_scheduled.unwrap_or(0),
        s.number_available.unwrap_or(0),
        s.number_unavailable.unwrap_or(0),
    ]
}

fn waits_for(
    set: &DaemonSet,
    managed: &Managed,
    outstanding: Option<(u32, usize)>,
) -> Option<crate::base::Str> {
    use smol_str::format_smolstr as text;
    let status = &set.status;
    let (wanted, updated) =
        (status.desired_number_scheduled, status.updated_number_scheduled.unwrap_or(0));
    let (ready, available) = (status.number_ready, status.number_available.unwrap_or(0));
    if managed.again_at.is_some() {
        Some(text!("the back-off of a pod that has failed"))
    } else if let Some((created, deleted)) = outstanding {
        Some(text!("news of {} pods that it has created or deleted", created as usize + deleted))
    } else if ready < wanted {
        Some(text!("pods to be ready: {ready} of {wanted} are"))
    } else if available < wanted {
        let min = plan::min_ready_seconds(set);
        Some(text!("pods to stay ready for {min} s: {available} of {wanted} have been"))
    } else if updated < wanted && plan::is_rolling(set) {
        Some(text!("pods to be updated: {updated} of {wanted} are"))
    } else {
        None
    }
}

fn failed(set: &Meta, error: &ApiError) -> Done {
    let on = smol_str::format_smolstr!("the API server to accept its request: {error}");
    let waiting = Waiting { object: reference(set), uid: set.uid, on };
    Done { retry: Retry::BackOff, waiting: Some(waiting) }
}

fn reference(set: &Meta) -> Ref {
    Ref { kind: Kind::DaemonSet, key: set.key() }
}

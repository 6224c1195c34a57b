//! DaemonSets: one pod on every node that should have one.
//!
//! Follows `pkg/controller/daemon`. Event handlers, what is kept between syncs and the status stand
//! here; the rest of a sync is a script ([`sync`]). Pods are pinned to their nodes by affinity and
//! placed by the scheduler. The queue of changed nodes is left out: a node's change is looked at when
//! it is heard of.

pub mod corpus;
pub mod nodes;
pub mod plan;
mod revisions;
mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::plan::{ByNode, Candidate, Failures, Situation};
use self::sync::{Inputs, Managed};
use super::consistency::Wrote;
use super::controller::{Controller, Done, Retry, Step, SyncCx};
use super::expectations::Expectations;
use super::pod_control::{self, Claim};
use super::script::{self, Aside, Outcome, Run};
use super::view::View;
use crate::api::convert;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::wire::apps::DaemonSetStatus;
use crate::model::{
    DaemonSet, Key, Kind, Meta, Node, Object, OwnerRef, Pod, PodTemplate, Ref, Uid, wire,
};
use crate::store::{ApiError, Delta, Reply, Request};
use crate::trace::{Change, EventType, FactId, Waiting};

/// The DaemonSet controller.
#[derive(Debug, Default)]
pub struct DaemonSetController {
    expectations: Expectations<Key>,
    wrote: Wrote<Key>,
    kept: BTreeMap<Key, Kept>,
}

/// What is kept of a set between syncs.
#[derive(Debug)]
struct Kept {
    set: Uid,
    /// The template that `template` and `nodes` were computed from.
    of: Arc<crate::model::Workload<wire::apps::DaemonSetSpec>>,
    template: PodTemplate,
    /// The revision of the nodes' informer that `nodes` was computed at.
    at: u64,
    nodes: Arc<[Candidate]>,
    /// Failures by node, of this observed generation.
    failures: Failures,
    observed_generation: i64,
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

    /// What a sync begins with; what does not change from sync to sync is computed once.
    fn gather(&mut self, key: &Key, set: &Arc<DaemonSet>, satisfied: bool, view: &View) -> Inputs {
        let observed_generation = set.status.observed_generation.unwrap_or(0);
        let kept = self.keep(key, set, view);
        if kept.observed_generation != observed_generation {
            // The back-off is one of the observed generation.
            kept.failures = Failures::default();
            kept.observed_generation = observed_generation;
        }
        let (namespace, uid) = (&set.meta.namespace, set.meta.uid);
        let as_pod = |o: &Object| <&Arc<Pod>>::try_from(o).ok().cloned();
        let orphans = view.orphans(namespace, Kind::Pod).filter_map(as_pod);
        let as_revision = |o: &Object| <&revisions::Stored>::try_from(o).ok().cloned();
        let own = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == uid);
        let revisions = view
            .owned_by(uid, Kind::ControllerRevision)
            .filter(own)
            .chain(view.orphans(namespace, Kind::ControllerRevision))
            .filter_map(as_revision);
        Inputs {
            set: set.clone(),
            template: kept.template.clone(),
            nodes: kept.nodes.clone(),
            pods: view.pods_of(uid).cloned().chain(orphans).collect(),
            revisions: revisions.collect(),
            failures: kept.failures.clone(),
            satisfied,
        }
    }

    /// The set's template and nodes, computed anew where they have changed.
    fn keep(&mut self, key: &Key, set: &Arc<DaemonSet>, view: &View) -> &mut Kept {
        let at = view.kind(Kind::Node).revision();
        let old = self.kept.remove(key).filter(|k| k.set == set.meta.uid);
        let same_spec = old.as_ref().is_some_and(|k| Arc::ptr_eq(&k.of, &set.spec));
        let (template, failures, observed_generation) = match &old {
            Some(k) if same_spec => (k.template.clone(), k.failures.clone(), k.observed_generation),
            Some(k) => (template_of(set), k.failures.clone(), k.observed_generation),
            None => (template_of(set), Failures::default(), 0),
        };
        let nodes = match old {
            Some(k) if same_spec && k.at == at => k.nodes,
            _ => candidates(&template, view),
        };
        self.kept.entry(key.clone()).or_insert(Kept {
            set: set.meta.uid,
            of: set.spec.clone(),
            template,
            at,
            nodes,
            failures,
            observed_generation,
        })
    }

    /// `addPod`, `updatePod` and `deletePod`.
    fn observe_pod(
        &mut self,
        pod: &Arc<Pod>,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        let owner = pod.meta.controller();
        if delta.change == Change::Deleted || pod.meta.is_terminating() {
            if let Some(set) = owner.and_then(|o| resolve(view, &pod.meta, o)) {
                let key = set.meta.key();
                self.expectations.deleted(&key, pod.meta.uid);
                queue.add(key, delta.fact);
            }
            return;
        }
        let old: Option<&Arc<Pod>> = delta.old.and_then(|o| o.try_into().ok());
        let was = old.and_then(|o| o.meta.controller());
        if was != owner
            && let Some(set) = was.and_then(|was| resolve(view, &pod.meta, was))
        {
            queue.add(set.meta.key(), delta.fact);
        }
        if let Some(owner) = owner {
            let Some(set) = resolve(view, &pod.meta, owner) else { return };
            let key = set.meta.key();
            if delta.change == Change::Added {
                self.expectations.created(&key);
            }
            let wait = u64::from(plan::min_ready_seconds(set));
            if wait > 0 && pod.is_ready() && old.is_some_and(|o| !o.is_ready()) {
                queue.add_at(now + Duration::from_secs(wait + 1), key.clone(), delta.fact);
            }
            queue.add(key, delta.fact);
        } else if old.is_none_or(|o| o.meta.labels != pod.meta.labels || was.is_some()) {
            enqueue_matching(view, &pod.meta, delta.fact, queue);
        }
    }

    /// `addNode`, `updateNode` and `syncNodeUpdate`.
    fn observe_node(
        &mut self,
        node: &Arc<Node>,
        delta: &Delta<'_>,
        view: &View,
        queue: &mut WorkQueue<Key>,
    ) {
        let old: Option<&Arc<Node>> = delta.old.and_then(|o| o.try_into().ok());
        let alike = |o: &&Arc<Node>| o.meta.labels == node.meta.labels && o.taints == node.taints;
        if delta.change == Change::Deleted || old.as_ref().is_some_and(alike) {
            return;
        }
        let name = &node.meta.name;
        let owners: crate::base::Set<Uid> =
            view.pods_on(name).filter_map(|p| p.meta.controller()).map(|o| o.uid).collect();
        for (_, object) in view.kind(Kind::DaemonSet).iter() {
            let Object::DaemonSet(set) = object else { continue };
            let template = match self.kept.get(&set.meta.key()) {
                Some(kept) if Arc::ptr_eq(&kept.of, &set.spec) => kept.template.clone(),
                _ => template_of(set),
            };
            let fit = fit(&template, node);
            let scheduled = owners.contains(&set.meta.uid);
            let misplaced = scheduled && set.status.number_misscheduled > 0;
            if fit.should_run && !scheduled || !fit.should_continue && scheduled || misplaced {
                queue.add(set.meta.key(), delta.fact);
            }
        }
    }
}

/// The set's template with the daemon tolerations.
fn template_of(set: &DaemonSet) -> PodTemplate {
    let mut template = set.spec.wire.template.clone();
    nodes::tolerate(template.spec.get_or_insert_default());
    convert::template_from_wire(template)
}

fn fit(template: &PodTemplate, node: &Node) -> nodes::Fit {
    nodes::fit(node, template.node.as_ref(), &template.spec.wire, &template.spec.tolerations)
}

/// Every node, and whether pods of this template should run there.
fn candidates(template: &PodTemplate, view: &View) -> Arc<[Candidate]> {
    let nodes = view.kind(Kind::Node).iter().filter_map(|(_, o)| <&Arc<Node>>::try_from(o).ok());
    nodes.map(|node| (node.clone(), fit(template, node))).collect()
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

/// The set that an owner reference names, if it is still that one (`resolveControllerRef`).
fn resolve<'a>(view: &'a View, of: &Meta, owner: &OwnerRef) -> Option<&'a Arc<DaemonSet>> {
    let found = view.by_uid(owner.uid)?.try_into().ok();
    found.filter(|s: &&Arc<DaemonSet>| s.meta.namespace == of.namespace)
}

/// Enqueues every set that selects an orphan.
fn enqueue_matching(view: &View, of: &Meta, cause: FactId, queue: &mut WorkQueue<Key>) {
    if of.labels.is_empty() {
        return;
    }
    for object in view.in_namespace(&of.namespace, Kind::DaemonSet) {
        if let Object::DaemonSet(set) = object
            && !set.spec.selector.is_empty()
            && set.spec.selector.matches(&of.labels)
        {
            queue.add(set.meta.key(), cause);
        }
    }
}

/// `addHistory`, `updateHistory` and `deleteHistory`.
fn observe_revision(revision: &Object, delta: &Delta<'_>, view: &View, queue: &mut WorkQueue<Key>) {
    let meta = revision.meta();
    let was = delta.old.and_then(|o| o.meta().controller());
    let owner = meta.controller();
    let deleted = delta.change == Change::Deleted;
    if !deleted
        && was != owner
        && let Some(set) = was.and_then(|was| resolve(view, meta, was))
    {
        queue.add(set.meta.key(), delta.fact);
    }
    if let Some(owner) = owner {
        if delta.change != Change::Added
            && let Some(set) = resolve(view, meta, owner)
        {
            queue.add(set.meta.key(), delta.fact);
        }
    } else if !deleted && delta.old.is_none_or(|o| o.meta().labels != meta.labels || was.is_some())
    {
        enqueue_matching(view, meta, delta.fact, queue);
    }
}

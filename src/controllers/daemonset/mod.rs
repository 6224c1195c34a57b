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
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
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
#[derive(Clone, Debug, Default)]
pub struct DaemonSetController {
    expectations: Expectations<Key>,
    wrote: Wrote<Key>,
    kept: BTreeMap<Key, Kept>,
}

/// A sync that waits for replies.
#[derive(Clone, Debug)]
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
    const HEARS: Kinds =
        Kinds::of(&[Kind::DaemonSet, Kind::Pod, Kind::Node, Kind::ControllerRevision]);
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::Bench;
    use super::*;
    use crate::model::{Phase, Taint, TaintEffect};

    fn spec(image: &str, more: &Value) -> Value {
        let mut spec = json!({
            "selector": {"matchLabels": {"app": "agent"}}, "revisionHistoryLimit": 10,
            "updateStrategy": {
                "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
            },
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "agent", "image": image}]},
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        spec
    }

    fn bench(nodes: &[&str], more: &Value) -> Bench<DaemonSetController> {
        let mut bench = Bench::new();
        bench.nodes(nodes);
        bench.apply(Kind::DaemonSet, "agent", &spec("agent:1", more));
        bench
    }

    fn apply(bench: &mut Bench<DaemonSetController>, spec: &Value) {
        let mut other = Bench::<DaemonSetController>::new();
        other.apply(Kind::DaemonSet, "agent", spec);
        let new = stored(&other);
        bench.change::<DaemonSet>(Kind::DaemonSet, "agent", |set| {
            set.spec = new.spec.clone();
            set.meta.generation += 1;
        });
    }

    fn stored(bench: &Bench<DaemonSetController>) -> Arc<DaemonSet> {
        let Object::DaemonSet(set) = bench.get(Kind::DaemonSet, "agent") else { panic!() };
        set
    }

    /// Every pod becomes ready, every deleted one goes.
    fn settle_pods(bench: &mut Bench<DaemonSetController>) {
        for name in bench.names(Kind::Pod) {
            let object = bench.get(Kind::Pod, &name);
            if object.meta().is_terminating() {
                bench.remove(Kind::Pod, &name);
            } else if !matches!(&object, Object::Pod(p) if p.is_ready()) {
                bench.make_ready(&name);
            }
        }
    }

    /// What was asked of pods.
    fn asked(lines: Vec<String>) -> Vec<String> {
        lines
            .into_iter()
            .filter(|l| l.starts_with("create P") || l.starts_with("delete P"))
            .collect()
    }

    fn settle(bench: &mut Bench<DaemonSetController>) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..12 {
            bench.wait(1);
            all.extend(asked(bench.run()));
            settle_pods(bench);
        }
        all
    }

    fn nodes_of(bench: &Bench<DaemonSetController>) -> Vec<String> {
        let pods = bench.names(Kind::Pod);
        let mut nodes: Vec<String> = pods
            .iter()
            .filter_map(|name| match bench.get(Kind::Pod, name) {
                Object::Pod(pod) => nodes::target(&pod).map(|n| n.to_string()),
                other => panic!("{other:?}"),
            })
            .collect();
        nodes.sort();
        nodes
    }

    #[test]
    fn every_node_gets_a_pod_that_is_made_for_it() {
        let mut bench = bench(&["a", "b", "c"], &json!({}));
        let lines = bench.run();
        assert!(lines[0].starts_with("create ControllerRevision 1 -> agent-"), "{lines:?}");
        assert_eq!(asked(lines).len(), 3);
        assert_eq!(nodes_of(&bench), ["a", "b", "c"]);
        settle(&mut bench);
        let status = stored(&bench).status.clone();
        assert_eq!((status.desired_number_scheduled, status.number_ready), (3, 3));
        assert_eq!(status.number_unavailable, Some(0));
    }

    #[test]
    fn a_new_node_gets_a_pod_and_one_without_the_label_loses_it() {
        let mut bench = bench(&["a"], &json!({}));
        settle(&mut bench);
        bench.nodes(&["b"]);
        assert_eq!(asked(bench.run()).len(), 1);
        settle(&mut bench);
        let mut selective = spec("agent:1", &json!({}));
        selective["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
        bench.change_node("a", |n| n.meta.labels = n.meta.labels.with("disk", "ssd"));
        apply(&mut bench, &selective);
        settle(&mut bench);
        assert_eq!(nodes_of(&bench), ["a"]);
    }

    #[test]
    fn a_taint_keeps_new_pods_away_and_leaves_old_ones_unless_it_evicts() {
        let taint = |effect| Taint { key: "k".into(), value: "".into(), effect, added: None };
        let mut bench = bench(&["a", "b"], &json!({}));
        settle(&mut bench);
        bench.change_node("a", |n| n.taints = Arc::new([taint(TaintEffect::NoSchedule)]));
        assert!(settle(&mut bench).is_empty());
        bench.change_node("a", |n| n.taints = Arc::new([taint(TaintEffect::NoExecute)]));
        assert_eq!(settle(&mut bench).len(), 1);
        assert_eq!(nodes_of(&bench), ["b"]);
        bench.change_node("a", |n| n.taints = Arc::new([]));
        settle(&mut bench);
        assert_eq!(nodes_of(&bench), ["a", "b"]);
    }

    #[test]
    fn an_update_takes_as_many_pods_at_once_as_may_be_missing() {
        let mut bench = bench(&["a", "b", "c"], &json!({}));
        settle(&mut bench);
        apply(&mut bench, &spec("agent:2", &json!({})));
        let mut deleted = Vec::new();
        for _ in 0..8 {
            bench.wait(1);
            let lines = asked(bench.run());
            deleted.push(lines.iter().filter(|l| l.starts_with("delete")).count());
            settle_pods(&mut bench);
        }
        assert!(deleted.iter().all(|n| *n <= 1), "{deleted:?}");
        assert_eq!(deleted.iter().sum::<usize>(), 3);
        assert_eq!(stored(&bench).status.updated_number_scheduled, Some(3));
    }

    #[test]
    fn with_a_surge_the_new_pod_comes_before_the_old_one_goes() {
        let surge = json!({"updateStrategy": {
            "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }});
        let mut bench = bench(&["a", "b"], &surge);
        settle(&mut bench);
        apply(&mut bench, &spec("agent:2", &surge));
        bench.wait(1);
        let lines = asked(bench.run());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("create"), "{lines:?}");
        assert_eq!(nodes_of(&bench).len(), 3);
        settle(&mut bench);
        assert_eq!(nodes_of(&bench), ["a", "b"]);
        assert_eq!(stored(&bench).status.updated_number_scheduled, Some(2));
    }

    #[test]
    fn with_on_delete_a_pod_is_replaced_when_somebody_deletes_it() {
        let by_hand = json!({"updateStrategy": {"type": "OnDelete"}});
        let mut bench = bench(&["a"], &by_hand);
        settle(&mut bench);
        apply(&mut bench, &spec("agent:2", &by_hand));
        assert!(settle(&mut bench).is_empty());
        let pod = bench.names(Kind::Pod)[0].clone();
        bench.remove(Kind::Pod, &pod);
        settle(&mut bench);
        assert_eq!(stored(&bench).status.updated_number_scheduled, Some(1));
    }

    #[test]
    fn failed_pods_are_replaced_after_a_growing_wait() {
        let mut bench = bench(&["a"], &json!({}));
        settle(&mut bench);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let pod = bench.names(Kind::Pod)[0].clone();
            bench.make(&pod, Phase::Failed);
            let lines = bench.run();
            let waited = lines.iter().all(|l| !l.starts_with("delete"));
            waits.push(if waited { bench.wakes_in() } else { None });
            if waited {
                bench.wait(bench.wakes_in().unwrap());
                bench.run();
            }
            bench.remove(Kind::Pod, &pod);
            bench.run();
            settle_pods(&mut bench);
            bench.run();
        }
        assert_eq!(waits, [None, Some(1), Some(2), Some(4)]);
    }

    #[test]
    fn a_template_that_comes_back_takes_its_old_revision() {
        let mut bench = bench(&["a"], &json!({}));
        settle(&mut bench);
        for image in ["agent:2", "agent:1"] {
            apply(&mut bench, &spec(image, &json!({})));
            settle(&mut bench);
        }
        let names = bench.names(Kind::ControllerRevision);
        let mut numbers: Vec<i64> = names
            .iter()
            .map(|name| match bench.get(Kind::ControllerRevision, name) {
                Object::ControllerRevision(r) => r.body.revision,
                other => panic!("{other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [2, 3]);
    }

    #[test]
    fn unscheduled_pods_of_a_node_that_is_gone_are_deleted() {
        let mut bench = bench(&["a", "b"], &json!({}));
        bench.run();
        bench.remove(Kind::Node, "b");
        bench.change::<DaemonSet>(Kind::DaemonSet, "agent", |s| s.meta.generation += 1);
        bench.wait(1);
        assert_eq!(asked(bench.run()).len(), 1);
        assert_eq!(nodes_of(&bench), ["a"]);
    }
}

//! Autoscalers: a target's replicas follow metrics.
//!
//! Follows `pkg/controller/podautoscaler`. Upstream looks at every autoscaler each 15 s. Here nothing
//! ticks: after a look that changed nothing the next one comes with the first look of that rhythm at
//! which something can differ: after news of the autoscaler, its target or its pods, when a load
//! profile changes ([`load`]), or when a remembered recommendation or scale event ages. What the looks
//! in between would have remembered is filled in. An autoscaler that fails is looked at every 15 s,
//! since each look says so in events.
//!
//! [`replicas`] is the arithmetic of one metric, [`behavior`] what holds it back, [`metrics`] joins
//! both kinds of metrics to the status, [`plan`] is one whole look.
//!
//! Left out: scaling to and from zero (`HPAScaleToZero`, off by default).

pub mod behavior;
pub mod corpus;
pub mod load;
mod metrics;
mod plan;
pub mod replicas;
mod target;
#[cfg(test)]
mod tests;
mod usage;

pub use usage::{Used, states_load, used};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use self::behavior::{DOWNSCALE_STABILIZATION, History};
use self::plan::{Plan, Rescale, Said, Scene};
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Object, Pod, Ref, Selector, Whole, wire};
use crate::store::{Delta, PatchType, Reply, Request, WireVerb};
use crate::trace::{Change, FactId, Waiting};

pub(super) type Hpa = Whole<wire::autoscaling::HorizontalPodAutoscaler>;

/// How often upstream looks (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: Duration = Duration::from_secs(15);

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct HorizontalController {
    known: BTreeMap<Key, Known>,
}

/// What the controller knows of one autoscaler.
#[derive(Clone, Debug)]
struct Known {
    /// When it was first heard of: looks come a number of periods later.
    since: SimTime,
    target: Option<Ref>,
    /// The target's selector at the last look; `Nothing` before.
    selector: Selector,
    history: History,
    /// What the last look recommended, where the next ones would recommend the same.
    steady: Option<(SimTime, i32)>,
}

/// A look that waits for replies.
#[derive(Clone, Debug)]
pub enum Work {
    /// The target is being scaled.
    Rescale(Box<Looked>),
    /// The status is being written.
    Status(Box<Looked>),
}

/// A look, as far as it has come.
#[derive(Clone, Debug)]
pub struct Looked {
    hpa: Arc<Hpa>,
    plan: Plan,
}

impl Controller for HorizontalController {
    type Key = Key;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[
        Kind::HorizontalPodAutoscaler,
        Kind::Pod,
        Kind::Deployment,
        Kind::ReplicaSet,
        Kind::StatefulSet,
        Kind::ReplicationController,
    ]);
    const NAME: &'static str = "horizontal-pod-autoscaler";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::HorizontalPodAutoscaler, Object::HorizontalPodAutoscaler(hpa)) => {
                self.heard_of(hpa, delta, now, queue);
            }
            _ if self.known.is_empty() => {}
            (Kind::Pod, Object::Pod(pod)) => {
                let old = match delta.old {
                    Some(Object::Pod(old)) => Some(&**old),
                    _ => None,
                };
                if delta.change != Change::Modified || old.is_some_and(|old| differs(old, pod)) {
                    self.wake(now, queue, delta.fact, |key, known| {
                        key.namespace == pod.meta.namespace
                            && known.selector.matches(&pod.meta.labels)
                    });
                }
            }
            (
                Kind::Deployment
                | Kind::ReplicaSet
                | Kind::StatefulSet
                | Kind::ReplicationController,
                object,
            ) => {
                let key = object.key();
                self.wake(now, queue, delta.fact, |_, known| {
                    known.target.as_ref().is_some_and(|t| target::names(t, kind, &key))
                });
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let hpa = cx.view.typed::<Hpa>(Kind::HorizontalPodAutoscaler, key).map(Arc::clone);
        let (Some(hpa), Some(known)) = (hpa, self.known.get_mut(key)) else {
            self.known.remove(key);
            return Step::done();
        };
        if let Some((last, recommended)) = known.steady.take() {
            let skipped = cx.now - PERIOD;
            if skipped > last {
                known.history.recommendations.push((skipped, recommended));
            }
        }
        let scene = self.scene(key, &hpa, cx);
        let Some(known) = self.known.get_mut(key) else { return Step::done() };
        let mut plan = plan::plan(&scene, &mut known.history);
        say(&hpa, &mut plan.events, cx);
        match &plan.rescale {
            Some(rescale) => {
                let request = scale_request(rescale);
                Step::ask(request, Work::Rescale(Looked { hpa, plan }.into()))
            }
            None => self.write(key, Looked { hpa, plan }, cx),
        }
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let error = replies.into_iter().find_map(Result::err);
        match work {
            Work::Rescale(mut looked) => {
                if let Some(rescale) = looked.plan.rescale.take() {
                    let text = error.map(|e| e.message.clone());
                    looked.plan.rescaled(&rescale, text.as_deref(), cx.now);
                    say(&looked.hpa, &mut looked.plan.events, cx);
                    let behavior = looked.hpa.body.spec.behavior.as_ref();
                    if let (None, Some(known)) = (&text, self.known.get_mut(key)) {
                        known.history.scaled(behavior, rescale.from, rescale.to, cx.now);
                    }
                }
                self.write(key, *looked, cx)
            }
            Work::Status(mut looked) => {
                if let Some(error) = error {
                    let text = error.message.clone();
                    let said = (crate::trace::EventType::Warning, "FailedUpdateStatus", text);
                    say(&looked.hpa, &mut vec![said], cx);
                    looked.plan.failed = true;
                }
                self.end(key, looked.plan, true, &looked.hpa, cx)
            }
        }
    }
}

impl HorizontalController {
    fn heard_of(&mut self, hpa: &Hpa, delta: &Delta<'_>, now: SimTime, queue: &mut WorkQueue<Key>) {
        let key = hpa.meta.key();
        if delta.change == Change::Deleted {
            self.known.remove(&key);
            return;
        }
        let target = target::reference(&key.namespace, &hpa.body.spec.scale_target_ref).ok();
        let known = self.known.entry(key.clone()).or_insert_with(|| Known {
            since: now,
            target: None,
            selector: Selector::Nothing,
            history: History::default(),
            steady: None,
        });
        known.target = target;
        queue.add_at(next_look(known.since, now), key, delta.fact);
    }

    /// Looks at some of the autoscalers with their next look.
    fn wake(
        &self,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
        cause: FactId,
        concerns: impl Fn(&Key, &Known) -> bool,
    ) {
        for (key, known) in self.known.iter().filter(|(key, known)| concerns(key, known)) {
            queue.add_at(next_look(known.since, now), key.clone(), cause);
        }
    }

    /// What there is to be seen; the target's selector is noted.
    fn scene<'a>(&mut self, key: &Key, hpa: &'a Hpa, cx: &SyncCx<'_, '_>) -> Scene<'a> {
        let none = |error| Scene {
            hpa,
            scale: Err(error),
            pods: Vec::new(),
            selecting: Vec::new(),
            now: cx.now,
        };
        let found = target::reference(&key.namespace, &hpa.body.spec.scale_target_ref)
            .and_then(|reference| target::scale(cx.view, &reference));
        let (scale, selector) = match found {
            Ok(found) => found,
            Err(error) => return none(error),
        };
        let mine = cx.view.pods_in(&key.namespace).filter(|p| selector.matches(&p.meta.labels));
        let pods: Vec<Arc<Pod>> = mine.map(Arc::clone).collect();
        if let Some(known) = self.known.get_mut(key) {
            known.selector = selector;
        }
        let others = self.known.iter().filter(|(other, known)| {
            other.namespace == key.namespace
                && pods.iter().any(|p| known.selector.matches(&p.meta.labels))
        });
        let selecting = others.map(|(other, _)| other.clone()).collect();
        Scene { hpa, scale: Ok(scale), pods, selecting, now: cx.now }
    }

    /// Writes the status where it differs (`updateStatusIfNeeded`).
    fn write(&mut self, key: &Key, looked: Looked, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        if looked.hpa.body.status.as_ref() == Some(&looked.plan.status) {
            return self.end(key, looked.plan, false, &looked.hpa, cx);
        }
        let mut new = Hpa::clone(&looked.hpa);
        Arc::make_mut(&mut new.body).status = Some(looked.plan.status.clone());
        Step::ask(Request::UpdateStatus(new.into()), Work::Status(looked.into()))
    }

    /// Ends a look, and says when the next one is.
    fn end(
        &mut self,
        key: &Key,
        mut plan: Plan,
        changed: bool,
        hpa: &Arc<Hpa>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        say(hpa, &mut plan.after, cx);
        let waiting = plan.waits_for().map(|on| Waiting {
            object: Object::HorizontalPodAutoscaler(Arc::clone(hpa)).reference(),
            uid: hpa.meta.uid,
            on: on.into(),
        });
        let Some(known) = self.known.get_mut(key) else { return Step::done() };
        let next = |at: SimTime| Retry::At(next_look(known.since, at));
        if plan.failed || changed {
            return Step::Done(Done { retry: next(cx.now), waiting });
        }
        let ages = ages(&known.history, hpa, plan.recommended, cx.now);
        let differs = plan.changes.into_iter().chain(ages).min();
        // A look at the very time counts: it comes no earlier than what it waits for.
        let retry = differs.map_or(Retry::OnNews, |at| next(at - Duration::from_nanos(1)));
        known.steady = plan.recommended.map(|r| (cx.now, r));
        Step::Done(Done { retry, waiting })
    }
}

/// When what is remembered next stops to count.
fn ages(history: &History, hpa: &Hpa, recommended: Option<i32>, now: SimTime) -> Option<SimTime> {
    let behavior = hpa.body.spec.behavior.as_ref();
    let rules = behavior.into_iter().flat_map(|b| b.scale_up.iter().chain(&b.scale_down));
    let secs = |n: i32| Duration::from_secs(u64::try_from(n).unwrap_or(0));
    let windows: Vec<Duration> = rules
        .clone()
        .filter_map(|r| r.stabilization_window_seconds.map(secs))
        .chain([DOWNSCALE_STABILIZATION])
        .collect();
    let periods: Vec<Duration> =
        rules.flat_map(|r| r.policies.iter().flatten()).map(|p| secs(p.period_seconds)).collect();
    let others = history.recommendations.iter().filter(|(_, r)| Some(*r) != recommended);
    let by_window = others.flat_map(|(at, _)| windows.iter().map(move |w| *at + *w));
    let events = history.ups.iter().chain(&history.downs);
    let by_period = events.flat_map(|e| periods.iter().map(move |p| e.at + *p));
    let moment = Duration::from_nanos(1);
    by_window.chain(by_period).map(|at| at + moment).filter(|at| *at > now).min()
}

/// Whether what an autoscaler looks at differs.
fn differs(old: &Pod, new: &Pod) -> bool {
    old.status.phase != new.status.phase
        || old.status.conditions != new.status.conditions
        || old.status.containers != new.status.containers
        || old.meta.labels != new.meta.labels
        || old.meta.annotations != new.meta.annotations
        || old.meta.deletion != new.meta.deletion
}

/// The first look after `after`, in the rhythm of an autoscaler heard of at `since`.
fn next_look(since: SimTime, after: SimTime) -> SimTime {
    let period = u64::try_from(PERIOD.as_nanos()).unwrap_or(u64::MAX);
    let passed = after.as_nanos().saturating_sub(since.as_nanos()) / period;
    let ahead = (passed + 1).saturating_mul(period);
    SimTime::from_nanos(since.as_nanos().saturating_add(ahead))
}

fn say(hpa: &Arc<Hpa>, events: &mut Vec<Said>, cx: &mut SyncCx<'_, '_>) {
    let object = Object::HorizontalPodAutoscaler(Arc::clone(hpa));
    for (event_type, reason, text) in events.drain(..) {
        cx.event(&object, event_type, reason, text);
    }
}

/// The update of the target's `scale` subresource.
fn scale_request(rescale: &Rescale) -> Request {
    Request::Wire {
        verb: WireVerb::Patch(PatchType::Merge),
        target: rescale.target.clone(),
        body: Box::new(json!({"spec": {"replicas": rescale.to}})),
        subresource: Some("scale"),
    }
}

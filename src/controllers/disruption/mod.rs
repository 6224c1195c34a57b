//! The disruption controller: how many pods of a budget may be taken away now.
//!
//! Follows `pkg/controller/disruption`. The numbers are planned in [`plan`]; this file has the event
//! handlers and the writing. Which budgets a pod falls under is looked up among those of its namespace.
//! A condition DisruptionTarget that no deletion follows is taken back after two minutes. One worker
//! does what upstream gives to three, one for each of its queues.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use self::plan::{Budget, Numbers};
use super::controller::{Controller, Kinds, Step, SyncCx};
use super::view::View;
use crate::base::Str;
use crate::base::digest::digest_of;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{ConditionStatus, Key, Kind, Object, Pod, PodCondition, Selector, conditions};
use crate::store::{Delta, Reply, Request};
use crate::trace::{Change, EventType, FactId, Regarding};

/// How long an announced disruption waits for its deletion (`stalePodDisruptionTimeout`).
const STALE_AFTER: Duration = Duration::from_secs(120);
/// From a time that is due until it is past, as the queue's first back-off has it.
const PAST: Duration = Duration::from_millis(5);

/// The places of the smallest Go map.
const MAP_GROUP: usize = 8;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct DisruptionController {
    /// Events of the handlers, told at the next sync.
    to_tell: Vec<(Regarding, String)>,
}

/// What is synced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A budget.
    Budget(Key),
    /// A pod whose disruption was announced.
    Announced(Key),
}

/// A sync that waits for its reply.
#[derive(Clone, Debug)]
pub enum Work {
    /// A budget's status; looked at again at that time.
    Status(Option<SimTime>),
    /// The last thing that was to be asked for.
    Last,
}

impl Controller for DisruptionController {
    type Key = Item;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::PodDisruptionBudget, Kind::Pod]);
    const NAME: &'static str = "controllermanager";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Item>,
    ) {
        match (kind, delta.new) {
            (Kind::PodDisruptionBudget, object) => {
                queue.add(Item::Budget(object.key()), delta.fact);
            }
            (Kind::Pod, Object::Pod(pod)) => {
                if !view.kind(Kind::PodDisruptionBudget).is_empty() {
                    self.observe_pod(pod, delta.fact, view, queue);
                }
                if delta.change != Change::Deleted
                    && let Some(at) = stale_at(pod)
                {
                    queue.add_at(at.max(now), Item::Announced(pod.meta.key()), delta.fact);
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Item, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        for (regarding, message) in self.to_tell.drain(..) {
            cx.event_on(regarding, EventType::Warning, "MultiplePodDisruptionBudgets", message);
        }
        match key {
            Item::Budget(key) => sync_budget(key, cx),
            Item::Announced(key) => sync_announced(key, cx),
        }
    }

    fn resume(
        &mut self,
        _key: &Item,
        work: Work,
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work {
            _ if replies.iter().any(Result::is_err) => Step::failed(),
            Work::Status(Some(at)) => Step::again_at(at + PAST),
            Work::Status(None) | Work::Last => Step::done(),
        }
    }
}

impl DisruptionController {
    /// Notes the pod's budget; of several one, with a complaint (`getPdbForPod`).
    ///
    /// Upstream takes the first that a Go map gives. A small map is one group of eight places, filled in
    /// the order of creation, and is walked from a place drawn at random: the oldest budget comes first
    /// for every place that is empty. Here the pod's version draws the place.
    fn observe_pod(
        &mut self,
        pod: &Arc<Pod>,
        fact: FactId,
        view: &View,
        queue: &mut WorkQueue<Item>,
    ) {
        let budgets = view.in_namespace(&pod.meta.namespace, Kind::PodDisruptionBudget);
        let budgets: Vec<&Arc<Budget>> = budgets.filter_map(|o| o.try_into().ok()).collect();
        let selects = |b: &Budget| selector(b).is_some_and(|s| s.matches(&pod.meta.labels));
        let matching = budgets.iter().filter(|b| selects(b)).count();
        let version = digest_of(pod.meta.resource_version, &pod.meta.uid.bits().to_le_bytes());
        let places = budgets.len().max(MAP_GROUP);
        let start = usize::try_from(version >> 32).unwrap_or_default() % places;
        let mut walk = (0..places).filter_map(|i| budgets.get((start + i) % places));
        let Some(chosen) = walk.find(|b| selects(b)) else { return };
        if matching > 1 {
            let (namespace, name) = (pod.meta.namespace.as_str(), pod.meta.name.as_str());
            let text = format!(
                "Pod {namespace:?}/{name:?} matches multiple PodDisruptionBudgets.  Chose {:?} \
                 arbitrarily.",
                chosen.meta.name.as_str()
            );
            self.to_tell.push((Regarding::object(&Object::Pod(Arc::clone(pod))), text));
        }
        queue.add(Item::Budget(chosen.meta.key()), fact);
    }
}

fn selector(budget: &Budget) -> Option<Selector> {
    let selector = budget.body.spec.as_ref().and_then(|s| s.selector.as_ref());
    Selector::compile(selector).ok()
}

/// `trySync`, and `failSafe` where it fails.
fn sync_budget(key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
    let Some(budget) = cx.view.typed::<Budget>(Kind::PodDisruptionBudget, key) else {
        return Step::done();
    };
    let on = Object::PodDisruptionBudget(Arc::clone(budget));
    let selector = selector(budget).unwrap_or(Selector::Nothing);
    let pods: Vec<&Arc<Pod>> =
        cx.view.pods_in(&key.namespace).filter(|p| selector.matches(&p.meta.labels)).collect();
    if pods.is_empty() {
        cx.event(&on, EventType::Normal, "NoPods", "No matching pods found");
    }
    let numbers =
        match plan::numbers(budget, &pods, &|owner| plan::scale_of(owner, key, cx.view), cx.now) {
            Ok(numbers) => numbers,
            Err(why) => {
                let text = format!("Failed to calculate the number of expected pods: {why}");
                cx.event(&on, EventType::Warning, "CalculateExpectedPodCountFailed", text);
                let failed = plan::failed(budget, &why, cx.now);
                return Step::ask(Request::UpdateStatus(failed.into()), Work::Last);
            }
        };
    let Numbers { unmanaged, not_deleted, recheck, .. } = &numbers;
    if *unmanaged {
        let shown = plan::shown_selector(budget);
        let text = format!(
            "Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. \
             As a result, the status of the PDB cannot be calculated correctly, which may result in \
             undefined behavior. To account for these pods please set \".spec.minAvailable\" field of \
             the PDB to an integer value."
        );
        cx.event(&on, EventType::Warning, "UnmanagedPods", text);
    }
    for pod in not_deleted {
        // Upstream names the namespace twice.
        let text =
            format!("Pod was expected by PDB {0}/{0} to be deleted but it wasn't", key.namespace);
        cx.event(&Object::Pod(Arc::clone(pod)), EventType::Warning, "NotDeleted", text);
    }
    match plan::status(budget, &numbers, cx.now) {
        Some(new) => Step::ask(Request::UpdateStatus(new.into()), Work::Status(*recheck)),
        None => recheck.map_or_else(Step::done, |at| Step::again_at(at + PAST)),
    }
}

/// Takes an announcement back that no deletion has followed (`syncStalePodDisruption`).
fn sync_announced(key: &Key, cx: &SyncCx<'_, '_>) -> Step<Work> {
    let Some(pod) = cx.view.typed::<Pod>(Kind::Pod, key) else { return Step::done() };
    match stale_at(pod) {
        None => Step::done(),
        Some(at) if at > cx.now => Step::again_at(at),
        Some(_) => {
            let over = PodCondition {
                kind: conditions::DISRUPTION_TARGET.into(),
                status: ConditionStatus::False,
                reason: Str::default(),
                message: Str::default(),
                since: cx.now,
                observed_generation: 0,
            };
            let request = Request::PodConditions {
                pod: key.clone(),
                uid: pod.meta.uid,
                conditions: vec![over],
                nominated_node: None,
            };
            Step::ask(request, Work::Last)
        }
    }
}

/// When the announced disruption of a pod that is not being deleted is stale
/// (`nonTerminatingPodHasStaleDisruptionCondition`).
fn stale_at(pod: &Pod) -> Option<SimTime> {
    if pod.meta.is_terminating() || pod.is_terminal() {
        return None;
    }
    let condition = pod.status.condition(conditions::DISRUPTION_TARGET)?;
    let stands =
        condition.status == ConditionStatus::True && condition.reason != "TerminationByKubelet";
    stands.then(|| condition.since + STALE_AFTER)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::Bench;
    use super::*;

    fn bench(spec: &Value) -> Bench<DisruptionController> {
        let mut bench = Bench::new();
        bench.apply(Kind::PodDisruptionBudget, "b", spec);
        bench
    }

    /// Pods of a StatefulSet that wants `replicas`.
    fn members(bench: &mut Bench<DisruptionController>, replicas: i32, names: &[&str]) {
        let template = json!({"metadata": {"labels": {"app": "db"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}});
        bench.apply(
            Kind::StatefulSet,
            "db",
            &json!({"replicas": replicas, "serviceName": "db", "template": template,
                    "selector": {"matchLabels": {"app": "db"}}}),
        );
        let owner = bench.get(Kind::StatefulSet, "db");
        for name in names {
            bench.apply(Kind::Pod, name, &template["spec"]);
            bench.change::<Pod>(Kind::Pod, name, |pod| {
                pod.meta.labels = pod.meta.labels.with("app", "db");
                let owner = crate::model::OwnerRef::controller_of(Kind::StatefulSet, owner.meta());
                pod.meta.owners.push(owner);
            });
            bench.make_ready(name);
        }
    }

    /// Healthy, desired, expected, allowed.
    fn numbers(bench: &Bench<DisruptionController>) -> [i32; 4] {
        let budget = bench.get(Kind::PodDisruptionBudget, "b");
        let status = <&Arc<Budget>>::try_from(&budget).unwrap().body.status.clone().unwrap();
        [
            status.current_healthy,
            status.desired_healthy,
            status.expected_pods,
            status.disruptions_allowed,
        ]
        .map(Option::unwrap)
    }

    #[test]
    fn the_scale_of_the_owner_is_what_percentages_and_maxima_count_from() {
        let selector = json!({"matchLabels": {"app": "db"}});
        let check = |spec: Value, expected: [i32; 4]| {
            let mut bench = bench(&spec);
            members(&mut bench, 5, &["db-0", "db-1", "db-2", "db-3"]);
            bench.run();
            assert_eq!(numbers(&bench), expected, "{spec}");
            assert_eq!(bench.run(), Vec::<String>::new());
        };
        check(json!({"maxUnavailable": 2, "selector": selector}), [4, 3, 5, 1]);
        check(json!({"maxUnavailable": "30%", "selector": selector}), [4, 3, 5, 1]);
        check(json!({"minAvailable": "50%", "selector": selector}), [4, 3, 5, 1]);
        // A plain minimum counts the pods that are there.
        check(json!({"minAvailable": 2, "selector": selector}), [4, 2, 4, 2]);
    }

    #[test]
    fn pods_of_nobody_are_told_of_and_a_budget_without_pods_too() {
        let mut bench =
            bench(&json!({"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}}));
        // Its own status is news to it: it looks, and says so, once more.
        let none = "NoPods No matching pods found";
        assert_eq!(bench.run(), [none, "status PodDisruptionBudget b", none]);
        bench.apply(Kind::Pod, "lone", &json!({"containers": [{"name": "c", "image": "i"}]}));
        bench.change::<Pod>(Kind::Pod, "lone", |pod| {
            pod.meta.labels = pod.meta.labels.with("app", "x");
        });
        let lines = bench.run();
        assert!(
            lines[0].starts_with(
                "UnmanagedPods Pods selected by this PodDisruptionBudget (selector: \
                 &LabelSelector{MatchLabels:map[string]string{app: x,},\
                 MatchExpressions:[]LabelSelectorRequirement{},}) were found"
            ),
            "{lines:?}"
        );
    }

    #[test]
    fn an_owner_without_a_scale_fails_the_sync_and_allows_nothing() {
        let mut bench =
            bench(&json!({"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}}));
        bench.apply(Kind::Pod, "p", &json!({"containers": [{"name": "c", "image": "i"}]}));
        bench.change::<Pod>(Kind::Pod, "p", |pod| {
            pod.meta.labels = pod.meta.labels.with("app", "x");
            let owner = crate::model::Meta::named("default", "job");
            pod.meta.owners.push(crate::model::OwnerRef::controller_of(Kind::Job, &owner));
        });
        let lines = bench.run();
        assert_eq!(
            lines[..2],
            [
                "CalculateExpectedPodCountFailed Failed to calculate the number of expected pods: \
                 jobs.batch does not implement the scale subresource",
                "status PodDisruptionBudget b",
            ]
        );
        assert_eq!(lines.len(), 4, "its own status is news once: {lines:?}");
    }
}

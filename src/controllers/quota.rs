//! The resource quota controller: what a namespace uses of its quotas, counted anew.
//!
//! Follows `pkg/controller/resourcequota`. The API server charges what is created; this controller
//! confirms the limits of a new or changed quota, and gives back what is free again: it counts a whole
//! namespace when an object that a quota counts is gone or no longer counts. A pod that is stuck in its
//! deletion stops counting with no news at all; upstream sees it at the next of its recalculations,
//! which come every five minutes, and so it is looked for then.

use std::sync::Arc;
use std::time::Duration;

use super::controller::{Controller, Step, SyncCx};
use super::view::View;
use crate::api::quota::{self, Evaluator, Quota};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Object};
use crate::store::{Delta, Reply, Request};
use crate::trace::{Change, FactId};

/// The period of full recalculation (`--resource-quota-sync-period`).
const RESYNC: Duration = Duration::from_secs(5 * 60);

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ResourceQuotaController;

impl Controller for ResourceQuotaController {
    type Key = Key;
    type Work = ();

    const NAME: &'static str = "resourcequota-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        if let (Kind::ResourceQuota, Object::ResourceQuota(quota)) = (kind, delta.new) {
            let unchanged = match delta.old {
                Some(Object::ResourceQuota(old)) => {
                    quota::equal(&quota::wanted(old), &quota::wanted(quota))
                }
                _ => false,
            };
            if delta.change == Change::Deleted || !unchanged {
                queue.add(quota.meta.key(), delta.fact);
            }
        }
        if view.kind(Kind::ResourceQuota).is_empty() {
            return;
        }
        if delta.change == Change::Deleted || replenishes(delta) {
            let namespace = &delta.new.meta().namespace;
            for key in counted_by(delta.new, namespace, view) {
                queue.add(key, delta.fact);
            }
        }
        stuck(delta, view, queue, delta.fact);
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        let Some(quota) = cx.view.typed::<Quota>(Kind::ResourceQuota, key) else {
            return Step::done();
        };
        let list = |kind| cx.view.in_namespace(&key.namespace, kind).collect();
        match plan(quota, quota::calculate(quota, list, cx.now)) {
            Some(new) => Step::ask(Request::UpdateStatus(new.into()), ()),
            None => Step::done(),
        }
    }

    fn resume(
        &mut self,
        _key: &Key,
        _work: (),
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        if replies.iter().any(Result::is_err) { Step::failed() } else { Step::done() }
    }
}

/// The quota with its new status; `None` where nothing changes (`syncResourceQuota`).
fn plan(quota: &Quota, counted: crate::api::resources::ResourceList) -> Option<Quota> {
    let wanted = quota::wanted(quota);
    let (hard, before) = (quota::hard(quota), quota::used(quota));
    let mut used = before.clone();
    used.extend(counted);
    used.retain(|name, _| wanted.contains_key(name));
    let status = quota.body.status.as_ref();
    let first = status.is_none_or(|s| s.hard.is_none() || s.used.is_none());
    let dirty = first || !quota::equal(&wanted, &hard) || !quota::equal(&used, &before);
    dirty.then(|| quota::with_status(quota, &wanted, &used))
}

/// The quotas of a namespace that count an object.
fn counted_by(object: &Object, namespace: &Str, view: &View) -> Vec<Key> {
    let Some(evaluator) = Evaluator::of(object) else { return Vec::new() };
    let quotas = view.in_namespace(namespace, Kind::ResourceQuota);
    let quotas = quotas.filter_map(|o| <&Arc<Quota>>::try_from(o).ok());
    quotas
        .filter(|q| quota::hard(q).keys().any(|name| evaluator.answers_for(name)))
        .map(|q| q.meta.key())
        .collect()
}

/// Whether a change may free something (`DefaultUpdateFilter`).
fn replenishes(delta: &Delta<'_>) -> bool {
    match (delta.old, delta.new) {
        (Some(Object::Pod(old)), Object::Pod(new)) => {
            quota::is_terminating(old) != quota::is_terminating(new)
                || !old.is_terminal() && new.is_terminal()
        }
        (Some(Object::Service(old)), Object::Service(new)) => {
            service_type(old) != service_type(new)
        }
        (Some(Object::PersistentVolumeClaim(old)), Object::PersistentVolumeClaim(new)) => {
            let allocated =
                |c: &crate::model::Whole<crate::model::wire::core::PersistentVolumeClaim>| {
                    c.body.status.as_ref().and_then(|s| s.allocated_resources.clone())
                };
            allocated(old) != allocated(new)
        }
        _ => false,
    }
}

/// `GetQuotaServiceType`.
fn service_type(service: &crate::model::Whole<crate::model::wire::core::Service>) -> Option<&str> {
    let of = service.body.spec.as_ref().and_then(|s| s.type_.as_deref());
    of.filter(|t| matches!(*t, "NodePort" | "LoadBalancer"))
}

/// Looks again when a pod that is being deleted would no longer count, at the recalculation after that.
fn stuck(delta: &Delta<'_>, view: &View, queue: &mut WorkQueue<Key>, cause: FactId) {
    let Object::Pod(pod) = delta.new else { return };
    let Some(deletion) = pod.meta.deletion.filter(|_| delta.change == Change::Modified) else {
        return;
    };
    if delta.old.is_some_and(|old| old.meta().is_terminating()) || pod.is_terminal() {
        return;
    }
    let over = deletion.at + deletion.grace;
    let periods = over.as_nanos() / u64::try_from(RESYNC.as_nanos()).unwrap_or(u64::MAX) + 1;
    let at = SimTime::from_secs(periods.saturating_mul(RESYNC.as_secs()));
    for key in counted_by(delta.new, &pod.meta.namespace, view) {
        queue.add_at(at, key, cause);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::Bench;
    use super::*;
    use crate::api::convert;
    use crate::api::typed::Typed;
    use crate::model::Phase;

    fn object(manifest: serde_json::Value) -> Object {
        convert::from_wire(Typed::decode(&manifest).unwrap()).unwrap()
    }

    fn bench(hard: serde_json::Value) -> Bench<ResourceQuotaController> {
        let mut bench = Bench::new();
        bench.put(object(json!({"apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard}})));
        bench
    }

    fn pod(name: &str) -> Object {
        object(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "i",
                "resources": {"requests": {"cpu": "250m"}}}]}}))
    }

    fn used(bench: &Bench<ResourceQuotaController>) -> String {
        let quota = bench.get(Kind::ResourceQuota, "q");
        quota::printed(&quota::used(<&Arc<Quota>>::try_from(&quota).unwrap()))
    }

    #[test]
    fn a_new_quota_is_counted_and_a_second_sync_changes_nothing() {
        let mut bench =
            bench(json!({"pods": "5", "requests.cpu": "2", "count/secrets": "1", "x": "1"}));
        bench.put(pod("a"));
        bench.put(pod("b"));
        assert_eq!(bench.run(), ["status ResourceQuota q"]);
        assert_eq!(used(&bench), "count/secrets=0,pods=2,requests.cpu=500m");
        assert_eq!(bench.run(), Vec::<String>::new());
    }

    #[test]
    fn what_has_ended_or_gone_is_given_back() {
        let mut bench = bench(json!({"pods": "5", "count/pods": "9"}));
        bench.put(pod("a"));
        bench.put(pod("b"));
        bench.run();
        bench.make("a", Phase::Succeeded);
        assert_eq!(bench.run(), ["status ResourceQuota q"]);
        assert_eq!(used(&bench), "count/pods=2,pods=1");
    }
}

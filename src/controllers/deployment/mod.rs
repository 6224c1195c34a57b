//! Deployments: ReplicaSets that are rolled out one after the other.
//!
//! Follows `pkg/controller/deployment`. The event handlers stand here; the sync is a script
//! ([`sync`]) over what was known when it began: the Deployment, its ReplicaSets and those of nobody.

pub mod annotations;
pub mod corpus;
pub mod numbers;
mod rollback;
mod rollout;
pub mod status;
pub mod sync;

use std::sync::{Arc, OnceLock};

use self::sync::Inputs;
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::script::{self, Run};
use super::view::View;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Deployment, Key, Kind, Meta, Object, OwnerRef, Pod, ReplicaSet, Uid};
use crate::store::{ApiError, Delta, Reply};
use crate::trace::{Change, FactId, Waiting};

/// How often a failing Deployment is tried again before it is left alone (`maxRetries`).
const MAX_RETRIES: u32 = 15;

/// The Deployment controller.
#[derive(Clone, Debug, Default)]
pub struct DeploymentController;

impl Controller for DeploymentController {
    type Key = Key;
    type Work = Run<Inputs>;
    const HEARS: Kinds = Kinds::of(&[Kind::Deployment, Kind::ReplicaSet, Kind::Pod]);
    const NAME: &'static str = "deployment-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::Deployment, new) => queue.add(new.meta().key(), delta.fact),
            (Kind::ReplicaSet, Object::ReplicaSet(set)) => observe_set(set, delta, view, queue),
            (Kind::Pod, Object::Pod(pod)) if delta.change == Change::Deleted => {
                observe_deleted_pod(pod, delta.fact, view, queue);
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Run<Inputs>> {
        let Some(deployment) = cx.view.typed::<Deployment>(Kind::Deployment, key) else {
            return Step::done();
        };
        let inputs = gather(deployment, cx.view);
        let object = about(deployment);
        let failures = cx.failures;
        script::begin(inputs, cx, sync::sync, |_| {}).step(|e| failed(object, failures, &e))
    }

    fn resume(
        &mut self,
        _key: &Key,
        work: Run<Inputs>,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Run<Inputs>> {
        let object = about(&work.inputs.deployment);
        let failures = cx.failures;
        script::go_on(work, replies, cx, sync::sync, |_| {}).step(|e| failed(object, failures, &e))
    }
}

/// The name of a Deployment's ReplicaSet with that hash (`generateReplicaSetName`).
pub fn replica_set_name(deployment: &str, hash: &str) -> Str {
    /// `validation.DNS1123SubdomainMaxLength`.
    const LONGEST: usize = 253;
    let most = LONGEST.saturating_sub(hash.len() + 1);
    let prefix = deployment.get(..most).filter(|_| most > 0).unwrap_or(deployment);
    smol_str::format_smolstr!("{prefix}-{hash}")
}

fn about(deployment: &Deployment) -> (crate::model::Ref, Uid) {
    let meta = &deployment.meta;
    (crate::model::Ref { kind: Kind::Deployment, key: meta.key() }, meta.uid)
}

/// `handleErr`.
fn failed((object, uid): (crate::model::Ref, Uid), failures: u32, error: &ApiError) -> Done {
    let gives_up = error.is_namespace_terminating() || failures >= MAX_RETRIES;
    let retry = if gives_up { Retry::OnNews } else { Retry::BackOff };
    let on = smol_str::format_smolstr!("the API server to accept its request: {error}");
    Done { retry, waiting: (!error.is_conflict()).then_some(Waiting { object, uid, on }) }
}

/// What a sync begins with.
fn gather(deployment: &Arc<Deployment>, view: &View) -> Inputs {
    let meta = &deployment.meta;
    let as_set = |o: &Object| <&Arc<ReplicaSet>>::try_from(o).ok().cloned();
    let own = sets_of(meta.uid, view).cloned();
    let orphans = view.orphans(&meta.namespace, Kind::ReplicaSet).filter_map(as_set);
    let sets: Vec<Arc<ReplicaSet>> = own.chain(orphans).collect();
    let with_pods = if numbers::strategy(deployment) == "Recreate" {
        let runs = |uid: &Uid| view.pods_of(*uid).any(|p| !p.is_terminal());
        sets.iter().map(|s| s.meta.uid).filter(runs).collect()
    } else {
        Vec::new()
    };
    Inputs { deployment: deployment.clone(), sets, with_pods, hash: OnceLock::new() }
}

/// The ReplicaSets that `owner` manages.
fn sets_of(owner: Uid, view: &View) -> impl Iterator<Item = &Arc<ReplicaSet>> {
    view.owned_by(owner, Kind::ReplicaSet)
        .filter_map(|o| o.try_into().ok())
        .filter(move |s: &&Arc<ReplicaSet>| s.meta.controller().is_some_and(|o| o.uid == owner))
}

/// The Deployment that an owner reference names, if it is still that one (`resolveControllerRef`).
fn resolve<'a>(view: &'a View, of: &Meta, owner: &OwnerRef) -> Option<&'a Arc<Deployment>> {
    if !owner.is_kind(Kind::Deployment) {
        return None;
    }
    let found = view.by_uid(owner.uid)?.try_into().ok();
    found.filter(|d: &&Arc<Deployment>| d.meta.namespace == of.namespace)
}

/// `addReplicaSet`, `updateReplicaSet` and `deleteReplicaSet`.
fn observe_set(set: &Arc<ReplicaSet>, delta: &Delta<'_>, view: &View, queue: &mut WorkQueue<Key>) {
    let owner = set.meta.controller();
    let old: Option<&Arc<ReplicaSet>> = delta.old.and_then(|o| o.try_into().ok());
    let was = old.and_then(|o| o.meta.controller());
    let deleted = delta.change == Change::Deleted;
    if !deleted
        && !view.owners_stay()
        && was != owner
        && let Some(was) = was
        && let Some(d) = resolve(view, &set.meta, was)
    {
        queue.add(d.meta.key(), delta.fact);
    }
    if let Some(owner) = owner {
        if let Some(d) = resolve(view, &set.meta, owner) {
            queue.add(d.meta.key(), delta.fact);
        }
    } else if !deleted
        && old.is_none_or(|o| o.meta.labels != set.meta.labels || was.is_some())
        && !set.meta.labels.is_empty()
    {
        for object in view.in_namespace(&set.meta.namespace, Kind::Deployment) {
            if let Object::Deployment(d) = object
                && !d.spec.selector.is_empty()
                && d.spec.selector.matches(&set.meta.labels)
            {
                queue.add(d.meta.key(), delta.fact);
            }
        }
    }
}

/// A Deployment that recreates its pods goes on when the last old one is gone (`deletePod`).
fn observe_deleted_pod(pod: &Pod, cause: FactId, view: &View, queue: &mut WorkQueue<Key>) {
    let Some(owner) = pod.meta.controller_of_kind(Kind::ReplicaSet) else { return };
    let Some(set) = view.by_uid(owner.uid) else { return };
    let Some(owner) = set.meta().controller() else { return };
    let Some(d) = resolve(view, set.meta(), owner) else { return };
    if numbers::strategy(d) == "Recreate"
        && sets_of(d.meta.uid, view).all(|s| view.pods_of(s.meta.uid).next().is_none())
    {
        queue.add(d.meta.key(), cause);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::Bench;
    use super::*;
    use crate::store::Request;

    /// A Deployment of an image, with further fields of the spec.
    fn spec(replicas: i32, image: &str, more: &Value) -> Value {
        let mut spec = json!({
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        spec
    }

    fn bench(replicas: i32, more: &Value) -> Bench<DeploymentController> {
        let mut bench = Bench::new();
        bench.apply(Kind::Deployment, "web", &spec(replicas, "web:1", more));
        bench
    }

    #[test]
    fn a_recreate_does_not_wait_for_pods_of_a_bare_replica_set() {
        let mut bench = Bench::<DeploymentController>::new();
        let template = json!({"metadata": {"labels": {"app": "other"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let bare = json!({"replicas": 1, "selector": {"matchLabels": {"app": "other"}},
            "template": template});
        bench.apply(Kind::ReplicaSet, "other", &bare);
        let uid = bench.get(Kind::ReplicaSet, "other").meta().uid.to_string();
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "other-1", "namespace": "default", "labels": {"app": "other"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                    "name": "other", "uid": uid, "controller": true}]},
            "spec": template["spec"]}));
        bench.make_ready("other-1");
        let recreate = json!({"strategy": {"type": "Recreate"}});
        bench.apply(Kind::Deployment, "web", &spec(1, "web:1", &recreate));
        let lines = bench.run();
        assert!(lines.iter().any(|l| l.starts_with("create ReplicaSet")), "{lines:?}");
    }

    /// Changes the Deployment's spec as kubectl would.
    fn apply(bench: &mut Bench<DeploymentController>, spec: &Value) {
        let mut other = Bench::<DeploymentController>::new();
        other.apply(Kind::Deployment, "web", spec);
        let Object::Deployment(new) = other.get(Kind::Deployment, "web") else { panic!() };
        bench.change::<Deployment>(Kind::Deployment, "web", |d| {
            d.spec = new.spec.clone();
            d.meta.generation += 1;
        });
    }

    /// Lets the ReplicaSet controller have made every pod available.
    fn settle(bench: &mut Bench<DeploymentController>) {
        for name in bench.names(Kind::ReplicaSet) {
            settle_one(bench, &name, |wanted| wanted);
        }
    }

    fn settle_one(
        bench: &mut Bench<DeploymentController>,
        name: &str,
        available: impl Fn(i32) -> i32,
    ) {
        bench.change::<ReplicaSet>(Kind::ReplicaSet, name, |set| {
            let wanted = numbers::size(set);
            set.status.replicas = wanted;
            set.status.ready_replicas = Some(available(wanted));
            set.status.available_replicas = Some(available(wanted));
            set.status.observed_generation = i64::try_from(set.meta.generation).ok();
            set.status.terminating_replicas = Some(0);
        });
    }

    /// What was asked of ReplicaSets, and the events.
    fn asked(lines: Vec<String>) -> Vec<String> {
        let of_sets = |l: &String| l.contains("ReplicaSet ") && !l.starts_with("Scal");
        lines.into_iter().filter(of_sets).collect()
    }

    fn sizes(bench: &Bench<DeploymentController>) -> Vec<i32> {
        let names = bench.names(Kind::ReplicaSet);
        let mut sets: Vec<Arc<ReplicaSet>> = names
            .iter()
            .map(|n| match bench.get(Kind::ReplicaSet, n) {
                Object::ReplicaSet(set) => set,
                other => panic!("{other:?}"),
            })
            .collect();
        sets.sort_by_key(|s| annotations::revision(&s.meta.annotations));
        sets.iter().map(|s| numbers::size(s)).collect()
    }

    fn progressing(bench: &Bench<DeploymentController>) -> (String, String) {
        let Object::Deployment(d) = bench.get(Kind::Deployment, "web") else { panic!() };
        let c = status::get(&d.status, status::conditions::PROGRESSING).unwrap();
        (c.status.clone(), c.reason.clone().unwrap_or_default())
    }

    #[test]
    fn a_new_deployment_makes_its_replica_set_at_full_size() {
        let mut bench = bench(4, &json!({}));
        let lines = bench.run();
        let name = bench.names(Kind::ReplicaSet)[0].clone();
        assert_eq!(lines[0], format!("create ReplicaSet of 4 -> {name}"));
        assert_eq!(lines[1], format!("ScalingReplicaSet Scaled up replica set {name} from 0 to 4"));
        // The second write of one sync is of a version that is no longer the newest.
        assert_eq!(lines[2..4], ["status Deployment web", "status Deployment web: refused"]);
        assert_eq!(progressing(&bench), ("True".into(), "NewReplicaSetCreated".into()));
        bench.wait(1);
        bench.run();
        settle(&mut bench);
        bench.run();
        assert_eq!(progressing(&bench), ("True".into(), "NewReplicaSetAvailable".into()));
    }

    #[test]
    fn a_rolling_update_goes_up_by_the_surge_and_down_by_what_is_available() {
        let mut bench = bench(4, &json!({}));
        bench.run();
        settle(&mut bench);
        bench.wait(1);
        bench.run();
        apply(&mut bench, &spec(4, "web:2", &json!({})));
        let mut seen = Vec::new();
        for _ in 0..12 {
            bench.wait(1);
            bench.run();
            if seen.last() != Some(&sizes(&bench)) {
                seen.push(sizes(&bench));
            }
            settle(&mut bench);
        }
        assert_eq!(seen, [[3, 2], [1, 4], [0, 4]].map(|s| s.to_vec()));
        assert_eq!(progressing(&bench).1, "NewReplicaSetAvailable");
    }

    #[test]
    fn an_update_whose_pods_never_become_available_stops_and_times_out() {
        let mut bench = bench(4, &json!({"progressDeadlineSeconds": 10}));
        bench.run();
        settle(&mut bench);
        bench.wait(1);
        bench.run();
        apply(&mut bench, &spec(4, "web:2", &json!({"progressDeadlineSeconds": 10})));
        for _ in 0..3 {
            bench.wait(1);
            bench.run();
            for name in bench.names(Kind::ReplicaSet) {
                let Object::ReplicaSet(set) = bench.get(Kind::ReplicaSet, &name) else { panic!() };
                let is_new = set.meta.annotations.get(annotations::REVISION).unwrap() == "2";
                settle_one(&mut bench, &name, |n| if is_new { 0 } else { n });
            }
        }
        bench.wait(1);
        bench.run();
        assert_eq!(sizes(&bench), [3, 2]);
        let wakes_in = bench.wakes_in().expect("the deadline is looked at");
        assert!((5..=11).contains(&wakes_in), "{wakes_in}");
        bench.wait(wakes_in);
        bench.run();
        assert_eq!(progressing(&bench), ("False".into(), "ProgressDeadlineExceeded".into()));
        assert_eq!(sizes(&bench), [3, 2]);
    }

    #[test]
    fn recreating_waits_until_the_old_pods_have_gone() {
        let recreate = json!({"strategy": {"type": "Recreate"}});
        let mut bench = bench(2, &recreate);
        bench.run();
        settle(&mut bench);
        bench.wait(1);
        bench.run();
        apply(&mut bench, &spec(2, "web:2", &recreate));
        bench.wait(1);
        bench.run();
        assert_eq!(sizes(&bench), [0], "the old ones first");
        settle(&mut bench);
        bench.wait(1);
        bench.run();
        assert_eq!(sizes(&bench), [0, 2]);
    }

    #[test]
    fn a_change_of_size_in_the_middle_of_a_rollout_is_shared_out() {
        let mut bench = bench(10, &json!({}));
        bench.run();
        settle(&mut bench);
        bench.wait(1);
        bench.run();
        apply(&mut bench, &spec(10, "web:2", &json!({})));
        bench.wait(1);
        bench.run();
        assert_eq!(sizes(&bench), [8, 5]);
        apply(&mut bench, &spec(20, "web:2", &json!({})));
        bench.wait(1);
        bench.run();
        assert_eq!(sizes(&bench), [15, 10]);
    }

    #[test]
    fn a_paused_deployment_is_scaled_but_not_rolled_out() {
        let mut bench = bench(2, &json!({}));
        bench.run();
        settle(&mut bench);
        bench.wait(1);
        bench.run();
        apply(&mut bench, &spec(3, "web:2", &json!({"paused": true})));
        bench.wait(1);
        bench.run();
        bench.wait(1);
        bench.run();
        assert_eq!(sizes(&bench), [3]);
        assert_eq!(progressing(&bench), ("Unknown".into(), "DeploymentPaused".into()));
    }

    #[test]
    fn going_back_uses_the_old_replica_set_under_a_new_revision() {
        let mut bench = bench(1, &json!({}));
        for image in ["web:1", "web:2", "web:1"] {
            apply(&mut bench, &spec(1, image, &json!({})));
            for _ in 0..4 {
                bench.wait(1);
                bench.run();
                settle(&mut bench);
            }
        }
        let sets = bench.names(Kind::ReplicaSet);
        assert_eq!(sets.len(), 2);
        let history = sets.iter().find_map(|name| {
            let meta = bench.get(Kind::ReplicaSet, name).meta().clone();
            meta.annotations.get(annotations::REVISION_HISTORY).cloned()
        });
        assert_eq!(history.as_deref(), Some("1"));
        let revision = bench.get(Kind::Deployment, "web").meta().annotations.clone();
        assert_eq!(revision.get(annotations::REVISION).map(Str::as_str), Some("3"));
    }

    #[test]
    fn the_annotation_of_an_old_rollback_field_is_carried_out_and_cleared() {
        let mut bench = bench(1, &json!({}));
        for image in ["web:1", "web:2"] {
            apply(&mut bench, &spec(1, image, &json!({})));
            for _ in 0..4 {
                bench.wait(1);
                bench.run();
                settle(&mut bench);
            }
        }
        bench.change::<Deployment>(Kind::Deployment, "web", |d| {
            d.meta.annotations = d.meta.annotations.with(annotations::ROLLBACK_TO, "1");
        });
        let lines = bench.run();
        assert!(
            lines.contains(
                &"DeploymentRollback Rolled back deployment \"web\" to revision 1".to_owned()
            ),
            "{lines:#?}"
        );
        let Object::Deployment(d) = bench.get(Kind::Deployment, "web") else { panic!() };
        assert_eq!(d.meta.annotations.get(annotations::ROLLBACK_TO), None);
        let image = d.spec.wire.template.spec.as_ref().unwrap().containers[0].image.clone();
        assert_eq!(image.as_deref(), Some("web:1"));
    }

    #[test]
    fn a_foreign_replica_set_of_the_same_name_is_a_collision() {
        let mut bench = bench(1, &json!({}));
        let lines = bench.run();
        let name = lines[0].rsplit(' ').next().unwrap().to_owned();
        bench.remove(Kind::ReplicaSet, &name);
        bench.apply(
            Kind::ReplicaSet,
            &name,
            &json!({"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": []}}}),
        );
        bench.wait(1);
        let lines = asked(bench.run());
        assert_eq!(lines[0], "create ReplicaSet of 1: refused");
        assert_eq!(lines[1], format!("get ReplicaSet {name}"));
        bench.wait(1);
        bench.run();
        let Object::Deployment(d) = bench.get(Kind::Deployment, "web") else { panic!() };
        assert_eq!(d.status.collision_count, Some(1));
        assert_eq!(bench.names(Kind::ReplicaSet).len(), 2);
    }

    #[test]
    fn old_replica_sets_beyond_the_limit_are_deleted() {
        let limit = json!({"revisionHistoryLimit": 1});
        let mut bench = bench(1, &limit);
        for image in ["web:1", "web:2", "web:3", "web:4"] {
            apply(&mut bench, &spec(1, image, &limit));
            for _ in 0..5 {
                bench.wait(1);
                bench.run();
                settle(&mut bench);
            }
        }
        assert_eq!(bench.names(Kind::ReplicaSet).len(), 2);
    }

    #[test]
    fn a_deployment_that_keeps_failing_is_left_alone_at_last() {
        let mut bench = bench(1, &json!({}));
        bench.refuse = |request| {
            let refused = matches!(request, Request::Create(_));
            refused.then(|| ApiError::forbidden(Kind::ReplicaSet, "web", "no"))
        };
        let mut tries = 0;
        for _ in 0..40 {
            tries += bench.run().iter().filter(|l| l.starts_with("create")).count();
            bench.wait(200);
        }
        assert!((16..=20).contains(&tries), "{tries}");
        assert_eq!(progressing(&bench), ("False".into(), "ReplicaSetCreateError".into()));
    }
}

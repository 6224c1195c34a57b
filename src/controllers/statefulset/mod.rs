//! StatefulSets: pods with stable names and claims, made and replaced in order.
//!
//! Follows `pkg/controller/statefulset`. The event handlers stand here; the sync is a script
//! ([`sync`]) over what was known when it began: the set, its pods, revisions and claims.

pub mod identity;
mod members;
pub mod retention;
mod revisions;
mod status;
mod sync;

use std::sync::Arc;

use self::revisions::{Alike, Stored};
use self::sync::{Candidate, End, Inputs};
use super::consistency::Wrote;
use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::script::{self, Aside, Outcome, Run};
use super::view::View;
use crate::base::Map;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Meta, Object, OwnerRef, Pod, Ref, StatefulSet, Uid};
use crate::store::{ApiError, Delta, Reply, Request};
use crate::trace::{Change, Waiting};

/// The StatefulSet controller.
#[derive(Clone, Debug, Default)]
pub struct StatefulSetController {
    wrote: Wrote<Key>,
    /// Which revisions hold the template of their set, by set.
    alike: Map<Key, Arc<Alike>>,
}

/// A sync that waits for answers.
#[derive(Clone, Debug)]
pub struct Work(Waits);

#[derive(Clone, Debug)]
enum Waits {
    /// It is on its way.
    Runs(Run<Inputs>),
    /// The status is written, again if that was a conflict; the rest follows.
    Writes { set: Box<StatefulSet>, again: bool, rest: Rest },
    /// A revision is deleted; the rest follows.
    Deletes(Rest),
}

/// What is left of a sync that has been decided.
#[derive(Clone, Debug)]
struct Rest {
    about: (Ref, Uid),
    /// What is deleted, one after the other.
    deletions: std::vec::IntoIter<Request>,
    /// How it ends then.
    done: Result<Done, Box<ApiError>>,
}

impl Rest {
    fn step(mut self) -> Step<Work> {
        match self.deletions.next() {
            Some(deletion) => Step::ask(deletion, Work(Waits::Deletes(self))),
            None => {
                let Self { about, done, .. } = self;
                Step::Done(done.unwrap_or_else(|error| failed(about, &error)))
            }
        }
    }
}

impl Controller for StatefulSetController {
    type Key = Key;
    type Work = Work;
    const HEARS: Kinds = Kinds::of(&[Kind::StatefulSet, Kind::Pod]);
    const NAME: &'static str = "statefulset-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::StatefulSet, new) => queue.add(new.meta().key(), delta.fact),
            (Kind::Pod, Object::Pod(pod)) => observe_pod(pod, delta, view, now, queue),
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let Some(set) = cx.view.typed::<StatefulSet>(Kind::StatefulSet, key) else {
            self.alike.remove(key);
            return Step::done();
        };
        let revisions = revisions_of(set, cx.view);
        let alike = self.alike.entry(key.clone()).or_default();
        *alike = Arc::new(Alike::of(set, &revisions, alike));
        let inputs = gather(set, revisions, Arc::clone(alike), cx.view);
        let about = about(set);
        step(script::begin(inputs, cx, sync::sync, |aside| self.hear(key, &aside)), about)
    }

    fn resume(
        &mut self,
        key: &Key,
        Work(work): Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        match work {
            Waits::Runs(run) => {
                let about = about(&run.inputs.set);
                let hear = |aside| self.hear(key, &aside);
                step(script::go_on(run, replies, cx, sync::sync, hear), about)
            }
            Waits::Writes { mut set, again, mut rest } => {
                let reply = replies.into_iter().next().unwrap_or(Ok(None));
                self.wrote.note(key, &reply);
                match reply {
                    // It is repeated at once on the newest version, where upstream waits 10 ms.
                    Err(error) if error.is_conflict() && !again => {
                        set.meta.resource_version = 0;
                        write(set, true, rest)
                    }
                    Err(error) => {
                        rest.done = rest.done.and(Err(error));
                        rest.step()
                    }
                    Ok(_) => rest.step(),
                }
            }
            Waits::Deletes(rest) => match replies.into_iter().find_map(Result::err) {
                Some(error) => Step::Done(failed(rest.about, &error)),
                None => rest.step(),
            },
        }
    }
}

/// The step that the sync of a set has come to.
fn step(outcome: Outcome<Inputs, End>, about: (Ref, Uid)) -> Step<Work> {
    match outcome {
        Outcome::Ask(requests, run) => Step::Ask { requests, then: Work(Waits::Runs(run)) },
        Outcome::Refused(error) => Step::Done(failed(about, &error)),
        Outcome::Done(_, End { write: set, deletions, done }) => {
            let rest = Rest { about, deletions: deletions.into_iter(), done };
            match set {
                Some(set) => write(Box::new(set), false, rest),
                None => rest.step(),
            }
        }
    }
}

fn write(set: Box<StatefulSet>, again: bool, rest: Rest) -> Step<Work> {
    let request = Request::UpdateStatus(StatefulSet::clone(&set).into());
    Step::ask(request, Work(Waits::Writes { set, again, rest }))
}

impl StatefulSetController {
    fn hear(&mut self, key: &Key, aside: &Aside) {
        if let Aside::Wrote(kind, revision) = aside
            && [Kind::Pod, Kind::PersistentVolumeClaim, Kind::StatefulSet].contains(kind)
        {
            self.wrote.wrote(key, *kind, *revision);
        }
    }
}

fn about(set: &StatefulSet) -> (Ref, Uid) {
    (Ref { kind: Kind::StatefulSet, key: set.meta.key() }, set.meta.uid)
}

fn failed((object, uid): (Ref, Uid), error: &ApiError) -> Done {
    let on = smol_str::format_smolstr!("the API server to accept its request: {error}");
    Done { retry: Retry::BackOff, waiting: Some(Waiting { object, uid, on }) }
}

/// What a sync begins with.
fn gather(
    set: &Arc<StatefulSet>,
    revisions: Vec<Stored>,
    alike: Arc<Alike>,
    view: &View,
) -> Inputs {
    let meta = &set.meta;
    let orphans = view.orphans(&meta.namespace, Kind::Pod).filter_map(|o| o.try_into().ok());
    let pods = view.pods_of(meta.uid).chain(orphans);
    let pods: Vec<Candidate> = pods.map(|pod| Candidate::of(set, pod)).collect();
    let claims = sync::claim_references(set, &pods)
        .iter()
        .filter_map(|r| {
            let claim = view.typed::<identity::Claim>(r.kind, &r.key)?;
            Some((r.key.name.clone(), claim.clone()))
        })
        .collect();
    Inputs { set: set.clone(), pods, revisions, alike, claims }
}

/// The revisions that are a set's own or nobody's and that it selects.
fn revisions_of(set: &StatefulSet, view: &View) -> Vec<Stored> {
    let meta = &set.meta;
    let own = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == meta.uid);
    view.owned_by(meta.uid, Kind::ControllerRevision)
        .filter(own)
        .chain(view.orphans(&meta.namespace, Kind::ControllerRevision))
        .filter(|o| set.spec.selector.matches(&o.meta().labels))
        .filter_map(|o| <&Stored>::try_from(o).ok().cloned())
        .collect()
}

/// The set that an owner reference names, if it is still that one (`resolveControllerRef`).
fn resolve<'a>(view: &'a View, of: &Meta, owner: &OwnerRef) -> Option<&'a Arc<StatefulSet>> {
    if !owner.is_kind(Kind::StatefulSet) {
        return None;
    }
    let found = view.by_uid(owner.uid)?.try_into().ok();
    found.filter(|s: &&Arc<StatefulSet>| s.meta.namespace == of.namespace)
}

/// `addPod`, `updatePod` and `deletePod`.
fn observe_pod(
    pod: &Arc<Pod>,
    delta: &Delta<'_>,
    view: &View,
    now: SimTime,
    queue: &mut WorkQueue<Key>,
) {
    let owner = pod.meta.controller();
    let old: Option<&Arc<Pod>> = delta.old.and_then(|o| o.try_into().ok());
    let was = old.and_then(|o| o.meta.controller());
    let deleted = delta.change == Change::Deleted;
    if !deleted
        && !view.owners_stay()
        && was != owner
        && let Some(was) = was
        && let Some(set) = resolve(view, &pod.meta, was)
    {
        queue.add(set.meta.key(), delta.fact);
    }
    if let Some(owner) = owner {
        let Some(set) = resolve(view, &pod.meta, owner) else { return };
        queue.add(set.meta.key(), delta.fact);
        let wait = sync::min_ready_seconds(set);
        if wait > 0 && pod.is_ready() && old.is_some_and(|o| !o.is_ready()) {
            let at = now + std::time::Duration::from_secs(wait.into());
            queue.add_at(at, set.meta.key(), delta.fact);
        }
    } else if !deleted
        && old.is_none_or(|o| o.meta.labels != pod.meta.labels || was.is_some())
        && !pod.meta.labels.is_empty()
    {
        for object in view.in_namespace(&pod.meta.namespace, Kind::StatefulSet) {
            if let Object::StatefulSet(set) = object
                && !set.spec.selector.is_empty()
                && set.spec.selector.matches(&pod.meta.labels)
            {
                queue.add(set.meta.key(), delta.fact);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::Bench;
    use super::super::history;
    use super::*;
    use crate::model::Phase;

    fn spec(replicas: i32, image: &str, more: &Value) -> Value {
        let mut spec = json!({
            "replicas": replicas, "serviceName": "web", "revisionHistoryLimit": 10,
            "podManagementPolicy": "OrderedReady",
            "selector": {"matchLabels": {"app": "web"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
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

    fn bench(replicas: i32, more: &Value) -> Bench<StatefulSetController> {
        let mut bench = Bench::new();
        bench.apply(Kind::StatefulSet, "web", &spec(replicas, "web:1", more));
        bench
    }

    /// Changes the set's spec as kubectl would.
    fn apply(bench: &mut Bench<StatefulSetController>, spec: &Value) {
        let mut other = Bench::<StatefulSetController>::new();
        other.apply(Kind::StatefulSet, "web", spec);
        let new = stored(&other);
        bench.change::<StatefulSet>(Kind::StatefulSet, "web", |set| {
            set.spec = new.spec.clone();
            set.meta.generation += 1;
        });
    }

    fn stored(bench: &Bench<StatefulSetController>) -> Arc<StatefulSet> {
        let Object::StatefulSet(set) = bench.get(Kind::StatefulSet, "web") else { panic!() };
        set
    }

    /// Runs until nothing more happens, every pod becoming ready and every deleted one going; answers
    /// what was asked of pods and claims, in order.
    fn settle(bench: &mut Bench<StatefulSetController>) -> Vec<String> {
        let mut asked = Vec::new();
        for _ in 0..20 {
            bench.wait(1);
            let lines = bench.run();
            let of_pods = |l: &String| {
                (l.starts_with("create P") || l.starts_with("delete P"))
                    && !l.contains(" Pod web-0 ")
            };
            asked.extend(lines.into_iter().filter(of_pods));
            for name in bench.names(Kind::Pod) {
                let object = bench.get(Kind::Pod, &name);
                if object.meta().is_terminating() {
                    bench.remove(Kind::Pod, &name);
                } else if !matches!(&object, Object::Pod(p) if p.is_ready()) {
                    bench.make_ready(&name);
                }
            }
        }
        asked
    }

    fn image(bench: &Bench<StatefulSetController>, pod: &str) -> String {
        let Object::Pod(pod) = bench.get(Kind::Pod, pod) else { panic!() };
        pod.spec.containers[0].image.to_string()
    }

    #[test]
    fn the_next_pod_is_made_once_the_one_before_is_ready() {
        let mut bench = bench(2, &json!({}));
        let lines = bench.run();
        assert!(lines[0].starts_with("create ControllerRevision 1 -> web-"), "{lines:?}");
        assert_eq!(lines[1], "create Pod -> web-0");
        assert!(lines.contains(
            &"SuccessfulCreate Create Pod web-0 in StatefulSet web successful".to_owned()
        ));
        assert_eq!(lines.last().unwrap(), "web waits for web-0 to be running and ready");
        assert_eq!(bench.names(Kind::Pod), ["web-0"]);
        bench.make_ready("web-0");
        bench.run();
        assert_eq!(bench.names(Kind::Pod), ["web-0", "web-1"]);
    }

    #[test]
    fn in_parallel_all_pods_are_made_at_once() {
        let mut bench = bench(5, &json!({"podManagementPolicy": "Parallel"}));
        bench.run();
        assert_eq!(bench.names(Kind::Pod).len(), 5);
    }

    #[test]
    fn claims_come_before_their_pod_and_stay_when_it_goes() {
        let claim = json!({"metadata": {"name": "data"}, "spec": {}});
        let mut bench = bench(2, &json!({"volumeClaimTemplates": [claim]}));
        assert_eq!(
            settle(&mut bench),
            [
                "create PersistentVolumeClaim -> data-web-0",
                "create Pod -> web-0",
                "create PersistentVolumeClaim -> data-web-1",
                "create Pod -> web-1",
            ]
        );
        apply(&mut bench, &spec(1, "web:1", &json!({})));
        assert_eq!(settle(&mut bench), ["delete Pod web-1"]);
        let claims = bench.names(Kind::PersistentVolumeClaim);
        assert_eq!(claims, ["data-web-0", "data-web-1"]);
    }

    #[test]
    fn claims_that_go_with_scaled_down_pods_belong_to_these() {
        let claim = json!({"metadata": {"name": "data"}, "spec": {}});
        let more = json!({
            "volumeClaimTemplates": [claim],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"},
        });
        let mut bench = bench(2, &more);
        settle(&mut bench);
        let owner = |bench: &Bench<StatefulSetController>, claim: &str| {
            let meta = bench.get(Kind::PersistentVolumeClaim, claim).meta().clone();
            meta.owners.iter().map(|o| o.kind.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(owner(&bench, "data-web-1"), ["StatefulSet"]);
        apply(&mut bench, &spec(1, "web:1", &more));
        settle(&mut bench);
        assert_eq!(owner(&bench, "data-web-1"), ["Pod"]);
        assert_eq!(owner(&bench, "data-web-0"), ["StatefulSet"]);
    }

    #[test]
    fn pods_go_from_the_last_to_the_first() {
        let mut bench = bench(4, &json!({}));
        settle(&mut bench);
        apply(&mut bench, &spec(1, "web:1", &json!({})));
        assert_eq!(
            settle(&mut bench),
            ["delete Pod web-3", "delete Pod web-2", "delete Pod web-1"]
        );
    }

    #[test]
    fn an_update_replaces_the_last_pod_first_down_to_the_partition() {
        let mut bench = bench(3, &json!({}));
        settle(&mut bench);
        let partition =
            json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}});
        apply(&mut bench, &spec(3, "web:2", &partition));
        assert_eq!(
            settle(&mut bench),
            ["delete Pod web-2", "create Pod -> web-2", "delete Pod web-1", "create Pod -> web-1"]
        );
        let images = ["web-0", "web-1", "web-2"].map(|pod| image(&bench, pod));
        assert_eq!(images, ["web:1", "web:2", "web:2"]);
        let status = stored(&bench).status.clone();
        assert_eq!((status.current_replicas, status.updated_replicas), (Some(1), Some(2)));
        assert_ne!(status.current_revision, status.update_revision);
        // A pod below the partition comes back at the revision it had.
        bench.remove(Kind::Pod, "web-0");
        settle(&mut bench);
        assert_eq!(image(&bench, "web-0"), "web:1");
    }

    #[test]
    fn a_broken_update_is_not_healed_by_going_back() {
        let mut bench = bench(2, &json!({}));
        settle(&mut bench);
        apply(&mut bench, &spec(2, "broken", &json!({})));
        bench.wait(1);
        bench.run();
        bench.remove(Kind::Pod, "web-1");
        bench.run();
        bench.make("web-1", Phase::Pending);
        bench.run();
        apply(&mut bench, &spec(2, "web:1", &json!({})));
        bench.wait(1);
        let lines = bench.run();
        assert!(lines.iter().all(|l| !l.starts_with("delete")), "{lines:?}");
        assert_eq!(image(&bench, "web-1"), "broken");
        bench.remove(Kind::Pod, "web-1");
        settle(&mut bench);
        assert_eq!(image(&bench, "web-1"), "web:1");
    }

    #[test]
    fn a_template_that_comes_back_takes_its_old_revision() {
        let mut bench = bench(1, &json!({}));
        settle(&mut bench);
        for image in ["web:2", "web:1"] {
            apply(&mut bench, &spec(1, image, &json!({})));
            settle(&mut bench);
        }
        let revisions = bench.names(Kind::ControllerRevision);
        let mut numbers: Vec<i64> = revisions
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
    fn revisions_that_no_pod_is_at_go_beyond_the_limit() {
        let limit = json!({"revisionHistoryLimit": 1});
        let mut bench = bench(1, &limit);
        for image in ["web:1", "web:2", "web:3", "web:4"] {
            apply(&mut bench, &spec(1, image, &limit));
            settle(&mut bench);
        }
        assert_eq!(bench.names(Kind::ControllerRevision).len(), 2);
    }

    #[test]
    fn a_pod_that_has_ended_is_deleted_and_made_again() {
        let mut bench = bench(1, &json!({}));
        settle(&mut bench);
        bench.make("web-0", Phase::Failed);
        assert_eq!(bench.run()[0], "delete Pod web-0");
    }

    #[test]
    fn with_on_delete_nothing_is_replaced() {
        let by_hand = json!({"updateStrategy": {"type": "OnDelete"}});
        let mut bench = bench(2, &by_hand);
        settle(&mut bench);
        apply(&mut bench, &spec(2, "web:2", &by_hand));
        assert!(settle(&mut bench).is_empty());
        bench.remove(Kind::Pod, "web-0");
        settle(&mut bench);
        let images = ["web-0", "web-1"].map(|pod| image(&bench, pod));
        assert_eq!(images, ["web:2", "web:1"]);
    }

    #[test]
    fn ordinals_may_start_anywhere() {
        let mut bench = bench(2, &json!({"ordinals": {"start": 5}}));
        settle(&mut bench);
        assert_eq!(bench.names(Kind::Pod), ["web-5", "web-6"]);
    }

    #[test]
    fn a_pod_is_available_only_after_its_time() {
        let mut bench = bench(2, &json!({"minReadySeconds": 30}));
        bench.run();
        bench.wait(1);
        bench.run();
        bench.make_ready("web-0");
        let lines = bench.run();
        assert_eq!(lines.last().unwrap(), "web waits for web-0 to stay ready for 30 s");
        assert_eq!(bench.wakes_in(), Some(30));
        bench.wait(30);
        bench.run();
        assert_eq!(bench.names(Kind::Pod), ["web-0", "web-1"]);
    }

    #[test]
    fn a_collision_of_revision_names_is_counted() {
        let mut bench = bench(1, &json!({}));
        let lines = bench.run();
        let name = lines[0].rsplit(' ').next().unwrap().to_owned();
        bench.change::<history::Revision>(Kind::ControllerRevision, &name, |r| {
            r.meta.owners = crate::model::Owners::default();
            r.meta.labels = crate::model::Labels::default();
            Arc::make_mut(&mut r.body).data = None;
        });
        bench.change::<StatefulSet>(Kind::StatefulSet, "web", |set| set.meta.generation += 1);
        bench.wait(1);
        bench.run();
        assert_eq!(stored(&bench).status.collision_count, Some(1));
        assert_eq!(bench.names(Kind::ControllerRevision).len(), 2);
    }
}

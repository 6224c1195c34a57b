//! That violations are found: on changes made up.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::convert;
use crate::api::typed::Typed;
use crate::model::{Pod, Uid};
use crate::trace::FactId;

struct Story {
    invariants: Invariants,
    at: SimTime,
    revision: u64,
}

impl Story {
    fn new() -> Self {
        let at = SimTime::from_secs(1_000_000);
        Self { invariants: Invariants::default(), at, revision: 0 }
    }

    fn tell(&mut self, change: Change, old: Option<&Object>, mut new: Object) -> Object {
        self.revision += 1;
        self.at += Duration::from_secs(1);
        new.meta_mut().resource_version = self.revision;
        let kind = FactKind::Object { change, object: new.clone(), old: old.cloned() };
        let id = FactId(self.revision);
        self.invariants.check(&Fact { at: self.at, id, cause: FactId::NONE, kind });
        new
    }

    fn found(&self) -> Vec<&'static str> {
        self.invariants.violations().iter().map(|v| v.invariant).collect()
    }
}

fn object(uid: u128, manifest: &Value) -> Object {
    let mut object = convert::from_wire(Typed::decode(manifest).unwrap()).unwrap();
    object.meta_mut().uid = Uid::from_random(uid << 96);
    object
}

fn pod(uid: u128, name: &str, spec: &Value) -> Object {
    let mut whole = json!({"containers": [{"name": "c", "image": "i",
        "resources": {"requests": {"cpu": "600m"}}}]});
    for (field, value) in spec.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    object(
        uid,
        &json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"}, "spec": whole}),
    )
}

fn changed(object: &Object, f: impl FnOnce(&mut Pod)) -> Object {
    let Object::Pod(pod) = object else { return object.clone() };
    let mut pod = Pod::clone(pod);
    f(&mut pod);
    pod.into()
}

#[test]
fn a_life_that_goes_back_is_found() {
    use crate::model::Phase;
    let mut story = Story::new();
    let new = story.tell(Change::Added, None, pod(1, "p", &json!({"nodeName": "n"})));
    let runs = story.tell(
        Change::Modified,
        Some(&new),
        changed(&new, |p| p.status.phase = Phase::Running),
    );
    let failed = changed(&runs, |p| p.status.phase = Phase::Failed);
    let failed = story.tell(Change::Modified, Some(&runs), failed);
    assert_eq!(story.found(), Vec::<&str>::new());
    story.tell(
        Change::Modified,
        Some(&failed),
        changed(&failed, |p| p.status.phase = Phase::Running),
    );
    assert_eq!(story.found(), ["a pod's phase does not go back"]);
}

#[test]
fn a_full_node_is_found() {
    let mut story = Story::new();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
        "status": {"allocatable": {"cpu": "1", "pods": "10"}}});
    story.tell(Change::Added, None, object(9, &node));
    for (uid, name) in [(1, "a"), (2, "b")] {
        let new = story.tell(Change::Added, None, pod(uid, name, &json!({})));
        let placed = changed(&new, |p| p.node = Some("n".into()));
        story.tell(Change::Modified, Some(&new), placed);
    }
    assert_eq!(story.found(), ["what pods of a node request is there"]);
}

#[test]
fn a_node_that_is_not_there_is_found() {
    let mut story = Story::new();
    let new = story.tell(Change::Added, None, pod(1, "p", &json!({})));
    story.tell(Change::Modified, Some(&new), changed(&new, |p| p.node = Some("n".into())));
    assert_eq!(story.found(), ["a pod is placed on a node that is there"]);
}

#[test]
fn an_object_that_goes_with_finalizers_is_found() {
    let mut story = Story::new();
    let mut new = pod(1, "p", &json!({}));
    new.meta_mut().finalizers.push("x/y".into());
    let new = story.tell(Change::Added, None, new);
    story.tell(Change::Deleted, Some(&new), new.clone());
    assert_eq!(story.found(), ["an object does not go while it has finalizers"]);
}

#[test]
fn one_pod_too_many_is_found() {
    let mut story = Story::new();
    let set = object(
        7,
        &json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "s", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}}}),
    );
    let set = story.tell(Change::Added, None, set);
    for (uid, name) in [(1, "a"), (2, "b")] {
        let mut new = pod(uid, name, &json!({}));
        new.meta_mut().owners.push(crate::model::OwnerRef {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: "s".into(),
            uid: set.meta().uid,
            controller: true,
            block_owner_deletion: true,
        });
        story.tell(Change::Added, None, new);
    }
    assert_eq!(story.found(), ["a ReplicaSet makes no more pods than it wants"]);
}

//! The component driven by hand: news in, requests out, `next_wake` and jump.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::convert::{from_wire, to_wire};
use crate::api::typed::Typed;
use crate::base::rng::Rng;
use crate::engine::{Call, ComponentId, Latency, Out};
use crate::model::{Key, Object};
use crate::store::Store;

/// A scheduler before a store that takes whatever it is given.
struct Bench {
    store: Store,
    scheduler: Scheduler,
    latency: Latency,
    now: SimTime,
    out: Out,
}

impl Bench {
    fn new() -> Self {
        Self {
            store: Store::default(),
            scheduler: Scheduler::new(Config::default()),
            latency: Latency { watch: Duration::ZERO, ..Latency::default() },
            now: SimTime::from_secs(1_000_000),
            out: Out::default(),
        }
    }

    fn put(&mut self, manifest: Value) {
        let typed = Typed::decode(&manifest).unwrap();
        self.store_object(from_wire(typed).unwrap());
    }

    fn store_object(&mut self, mut object: Object) {
        let name = object.key().to_string();
        let revision = self.store.next_revision();
        let meta = object.meta_mut();
        meta.resource_version = revision;
        if meta.uid == Uid::default() {
            meta.uid = Uid::from_random(Rng::new(1).stream("uid", &name).wide());
        }
        self.store.put(self.now, object, FactId(revision));
    }

    fn step(&mut self, act: impl FnOnce(&mut Scheduler, &mut Cx<'_>)) -> Vec<Request> {
        let mut cx = Cx {
            now: self.now,
            me: ComponentId::Scheduler,
            logs: self.store.logs(),
            rng: Rng::new(1),
            latency: &self.latency,
            out: &mut self.out,
        };
        act(&mut self.scheduler, &mut cx);
        let calls: Vec<(SimTime, Call)> = self.out.calls.drain(..).collect();
        calls.into_iter().map(|(_, call)| call.request).collect()
    }

    fn sync(&mut self) -> Vec<Request> {
        self.step(|s, cx| s.sync(cx))
    }

    /// Jumps to the next wake-up, if it is not later than `limit` from now.
    fn wake(&mut self, limit: Duration) -> Option<Vec<Request>> {
        let (at, _) = self.scheduler.next_wake()?;
        if at > self.now + limit {
            return None;
        }
        self.now = self.now.max(at);
        Some(self.step(|s, cx| s.wake(cx)))
    }

    fn pod(&mut self, name: &str, cpu: &str) {
        self.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}));
    }

    fn node(&mut self, name: &str, cpu: &str) {
        self.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}}));
    }
}

fn bound_to(requests: &[Request]) -> Option<(&str, &str)> {
    match requests {
        [Request::Bind { pod, node, .. }] => Some((&pod.name, node)),
        _ => None,
    }
}

#[test]
fn a_pod_is_bound_to_the_emptier_node_one_cycle_after_another() {
    let mut b = Bench::new();
    b.node("a", "2");
    b.node("b", "4");
    b.pod("one", "1");
    b.pod("two", "1");
    assert_eq!(bound_to(&b.sync()), Some(("one", "b")));
    let begun = b.now;
    assert_eq!(bound_to(&b.wake(Duration::from_secs(1)).unwrap()), Some(("two", "b")));
    assert_eq!(b.now.since(begun), b.latency.scheduling);
    assert_eq!(b.scheduler.next_wake(), None);
}

#[test]
fn a_pod_that_does_not_fit_waits_until_a_node_comes() {
    let mut b = Bench::new();
    b.node("a", "1");
    b.pod("big", "2");
    assert!(b.sync().is_empty());
    let written = b.wake(Duration::from_secs(1)).unwrap();
    let [Request::PodConditions { conditions, .. }] = &written[..] else { panic!("{written:?}") };
    assert!(conditions[0].message.starts_with("0/1 nodes are available: 1 Insufficient cpu."));
    assert!(b.wake(Duration::from_secs(299)).is_none());
    b.node("b", "4");
    // No other pod is active, so its back-off is no wait.
    assert_eq!(bound_to(&b.sync()), Some(("big", "b")));
}

#[test]
fn a_gated_pod_is_not_tried() {
    let mut b = Bench::new();
    b.node("a", "1");
    b.put(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "gated", "namespace": "default"},
        "spec": {"containers": [{"name": "c"}], "schedulingGates": [{"name": "later"}]}}));
    assert!(b.sync().is_empty());
    assert_eq!(b.scheduler.next_wake(), None);
    assert!(b.out.events.is_empty());
    let Some(Object::Pod(pod)) = b.store.get(Kind::Pod, &Key::new("default", "gated")).cloned()
    else {
        panic!("it is stored")
    };
    let Typed::Pod(mut wire) = to_wire(&Object::Pod(pod)) else { panic!("a pod") };
    wire.spec.as_mut().unwrap().scheduling_gates = None;
    b.store_object(from_wire(Typed::Pod(wire)).unwrap());
    assert_eq!(bound_to(&b.sync()), Some(("gated", "a")));
}

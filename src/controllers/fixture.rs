//! A controller on a bench: a lane, what it has heard, and an API server that does as it is told.
//!
//! For tests of whole syncs: objects are put, the lane runs until it asks no more, and everything it
//! asked and said is read as lines of text.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::controller::Controller;
use super::lane::{Lane, Tokens};
use super::view::View;
use crate::api::convert;
use crate::api::patch as patches;
use crate::api::typed::Typed;
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::engine::{Answer, ComponentId, Cx, Latency, Out};
use crate::model::{
    ConditionStatus, Deletion, JobStatus, Kind, Node, Object, Phase, Pod, PodCondition, Ref, Uid,
    conditions,
};
use crate::store::{ApiError, Reply, Request, Store};
use crate::trace::{FactId, FactKind};

/// When the tests begin.
pub(super) const BEGIN: SimTime = SimTime::from_secs(1_000_000);

/// What the server refuses: the request's line, and how.
pub(super) type Refusal = fn(&Request) -> Option<Box<ApiError>>;

/// A controller with everything around it.
pub(super) struct Bench<C: Controller> {
    store: Store,
    view: View,
    lane: Lane<C>,
    out: Out,
    tokens: u64,
    made: u32,
    uids: u128,
    /// Now.
    pub(super) now: SimTime,
    /// What the server refuses.
    pub(super) refuse: Refusal,
}

impl<C: Controller + Default> Bench<C> {
    pub(super) fn new() -> Self {
        Self {
            store: Store::default(),
            view: View::default(),
            lane: Lane::default(),
            out: Out::default(),
            tokens: 0,
            made: 0,
            uids: 0,
            now: BEGIN,
            refuse: |_| None,
        }
    }

    /// Stores a manifest of the group `apps/v1`, or of `v1` for Pods and Nodes.
    pub(super) fn apply(&mut self, kind: Kind, name: &str, spec: &Value) {
        let manifest = json!({
            "apiVersion": kind.api_version(), "kind": kind.as_str(), "spec": spec,
            "metadata": {"name": name, "namespace": "default"},
        });
        self.put_manifest(&manifest);
    }

    /// Stores a whole manifest.
    pub(super) fn put_manifest(&mut self, manifest: &Value) {
        self.put(convert::from_wire(Typed::decode(manifest).unwrap()).unwrap());
    }

    /// Stores an object, new or changed, and lets the controller hear of it.
    pub(super) fn put(&mut self, mut object: Object) -> Object {
        let old = self.store.find(&object.reference()).cloned();
        let revision = self.store.next_revision();
        self.uids += 1;
        let uid = Uid::from_random(self.uids << 96);
        let meta = object.meta_mut();
        match &old {
            None => (meta.uid, meta.created, meta.generation) = (uid, self.now, 1),
            Some(old) => {
                (meta.uid, meta.created) = (old.meta().uid, old.meta().created);
                meta.resource_version = old.meta().resource_version;
            }
        }
        if old.as_ref() == Some(&object) {
            return object;
        }
        object.meta_mut().resource_version = revision;
        self.store.put(self.now, object.clone(), FactId::NONE);
        self.hear();
        object
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        let last = self.get(kind, name);
        self.store.remove(self.now, last, FactId::NONE);
        self.hear();
    }

    /// Changes an object of the namespace, as somebody else would.
    pub(super) fn change<T: Clone>(&mut self, kind: Kind, name: &str, f: impl FnOnce(&mut T))
    where
        for<'a> &'a Arc<T>: TryFrom<&'a Object>,
        Object: From<T>,
    {
        let object = self.get(kind, name);
        let Ok(typed) = <&Arc<T>>::try_from(&object) else { panic!("{kind} {name}") };
        let mut typed = T::clone(typed);
        f(&mut typed);
        self.put(typed.into());
    }

    /// The object of the namespace.
    pub(super) fn get(&self, kind: Kind, name: &str) -> Object {
        let namespace = if kind.namespaced() { "default" } else { "" };
        self.store.find(&Ref::new(kind, namespace, name)).cloned().expect(name)
    }

    /// The names of all objects of a kind.
    pub(super) fn names(&self, kind: Kind) -> Vec<String> {
        let mut names: Vec<String> =
            self.store.list(kind).map(|o| o.meta().name.to_string()).collect();
        names.sort();
        names
    }

    /// Lets a pod be placed and be ready since now.
    pub(super) fn make_ready(&mut self, pod: &str) {
        let now = self.now;
        self.change::<Pod>(Kind::Pod, pod, |pod| {
            pod.node = pod.node.clone().or_else(|| pod.made_for.clone()).or(Some("node-1".into()));
            pod.status.phase = Phase::Running;
            pod.status.conditions = ready(true, now);
        });
    }

    /// Lets a pod fall ill, or end.
    pub(super) fn make(&mut self, pod: &str, phase: Phase) {
        let now = self.now;
        self.change::<Pod>(Kind::Pod, pod, |pod| {
            pod.status.phase = phase;
            pod.status.conditions = ready(false, now);
        });
    }

    /// Adds nodes of these names.
    pub(super) fn nodes(&mut self, names: &[&str]) {
        for name in names {
            let manifest = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
            self.put(convert::from_wire(Typed::decode(&manifest).unwrap()).unwrap());
        }
    }

    /// Changes a node.
    pub(super) fn change_node(&mut self, name: &str, f: impl FnOnce(&mut Node)) {
        self.change::<Node>(Kind::Node, name, f);
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// When the controller wants to be woken, in seconds from now.
    pub(super) fn wakes_in(&self) -> Option<u64> {
        self.next_wake().map(|at| at.since(self.now).as_secs())
    }

    /// When the controller wants to be woken.
    pub(super) fn next_wake(&self) -> Option<SimTime> {
        let due = self.lane.due();
        (due != SimTime::MAX).then(|| due.max(self.now))
    }

    /// Runs until nothing is asked any more; answers what was asked and said.
    pub(super) fn run(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.with_lane(|lane, view, cx, sent| lane.run(view, cx, &mut Tokens { lane: 0, sent }));
        for _ in 0..1000 {
            let calls: Vec<_> = self.out.calls.drain(..).collect();
            self.collect(&mut lines);
            if calls.is_empty() {
                return lines;
            }
            for (_, call) in calls {
                let reply = self.answer(&call.request, &mut lines);
                self.hear();
                let answer = Answer { token: call.token, reply };
                self.with_lane(|lane, view, cx, sent| {
                    let mut tokens = Tokens { lane: 0, sent };
                    lane.reply(answer, view, cx, &mut tokens);
                    lane.run(view, cx, &mut tokens);
                });
            }
        }
        panic!("it asks and asks: {:#?}", &lines[lines.len() - 20..]);
    }

    fn hear(&mut self) {
        let (lane, now) = (&mut self.lane, self.now);
        self.view.advance(self.store.logs(), SimTime::MAX, |view, kind, delta| {
            lane.observe(kind, delta, view, now);
        });
    }

    fn with_lane(&mut self, f: impl FnOnce(&mut Lane<C>, &View, &mut Cx<'_>, &mut u64)) {
        let mut cx = Cx {
            now: self.now,
            me: ComponentId::Controllers,
            logs: self.store.logs(),
            rng: Rng::new(1),
            latency: &Latency::instant(),
            out: &mut self.out,
        };
        f(&mut self.lane, &self.view, &mut cx, &mut self.tokens);
    }

    fn collect(&mut self, lines: &mut Vec<String>) {
        for (_, event) in self.out.events.drain(..) {
            lines.push(format!("{} {}", event.reason, event.message));
        }
        for fact in self.out.facts.take() {
            if let FactKind::Waiting(waiting) = fact.kind {
                let name = &waiting.object.key.name;
                lines.push(match waiting.on.as_str() {
                    "" => format!("{name} waits no longer"),
                    on => format!("{name} waits for {on}"),
                });
            }
        }
    }

    fn answer(&mut self, request: &Request, lines: &mut Vec<String>) -> Reply {
        let mut line = described(request);
        if let Some(error) = (self.refuse)(request) {
            lines.push(format!("{line}: refused"));
            return Err(error);
        }
        let reply = match request {
            Request::Create(object) => self.create(object.clone()),
            Request::Update(object) => {
                self.check_version(object).map(|()| Some(self.update(object.clone())))
            }
            Request::UpdateStatus(object) => {
                self.check_version(object).map(|()| Some(self.put(object.clone())))
            }
            Request::Delete { target, .. } => self.delete(target),
            Request::Get(target) => match self.store.find(target) {
                Some(object) => Ok(Some(object.clone())),
                None => Err(ApiError::not_found(target.kind, &target.key.name)),
            },
            Request::PatchMeta { target, changes, .. } => {
                let mut object = self.store.find(target).cloned().expect("it is there");
                for change in changes {
                    patch(&mut object, change);
                }
                Ok(Some(self.put(object)))
            }
            Request::PodStatus { pod, status, .. } => {
                let mut object = self.get(Kind::Pod, &pod.name);
                if let Object::Pod(pod) = &mut object {
                    Arc::make_mut(pod).status = status.as_ref().clone();
                }
                Ok(Some(self.put(object)))
            }
            Request::PodConditions { pod, conditions, .. } => {
                let mut object = self.get(Kind::Pod, &pod.name);
                if let Object::Pod(pod) = &mut object {
                    let status = &mut Arc::make_mut(pod).status;
                    for condition in conditions {
                        status.conditions = status.with_condition(condition.clone());
                    }
                }
                Ok(Some(self.put(object)))
            }
            Request::Wire { target, body, .. } => {
                let object = self.store.find(target).expect("it is there");
                let old = convert::to_wire(object).to_value();
                let new = patches::apply(patches::PatchType::Merge, None, &old, body).unwrap();
                let mut new = convert::from_wire(Typed::decode(&new).unwrap()).unwrap();
                *new.meta_mut() = object.meta().clone();
                Ok(Some(self.put(new)))
            }
            other => panic!("no controller here asks {other:?}"),
        };
        if let (Request::Create(_), Ok(Some(object))) = (request, &reply) {
            line = format!("{line} -> {}", object.meta().name);
        }
        let outcome = if reply.is_err() { ": refused" } else { "" };
        lines.push(line + outcome);
        reply
    }

    fn create(&mut self, mut object: Object) -> Reply {
        if object.meta().name.is_empty() {
            self.made += 1;
            let name = format!("{}{}", object.meta().generate_name, self.made);
            object.meta_mut().name = name.into();
        }
        if self.store.find(&object.reference()).is_some() {
            return Err(ApiError::already_exists(object.kind(), &object.meta().name));
        }
        Ok(Some(self.put(object)))
    }

    /// A conflict, unless the writer has seen the newest version or does not care.
    fn check_version(&self, object: &Object) -> Result<(), Box<ApiError>> {
        let meta = object.meta();
        let newest = self.store.find(&object.reference()).map_or(0, |o| o.meta().resource_version);
        let fits = meta.resource_version == 0 || meta.resource_version == newest;
        if fits { Ok(()) } else { Err(ApiError::conflict(object.kind(), &meta.name)) }
    }

    fn update(&mut self, mut object: Object) -> Object {
        object.meta_mut().generation += 1;
        self.put(object)
    }

    /// Pods that have been placed are marked, everything else goes at once.
    fn delete(&mut self, target: &Ref) -> Reply {
        let Some(mut object) = self.store.find(target).cloned() else {
            return Err(ApiError::not_found(target.kind, &target.key.name));
        };
        if matches!(&object, Object::Pod(pod) if pod.node.is_some()) {
            let grace = Duration::from_secs(30);
            object.meta_mut().deletion = Some(Deletion { at: self.now + grace, grace });
            return Ok(Some(self.put(object)));
        }
        self.store.remove(self.now, object.clone(), FactId::NONE);
        Ok(Some(object))
    }
}

fn ready(holds: bool, since: SimTime) -> Arc<[PodCondition]> {
    let status = ConditionStatus::from(holds);
    let kind = conditions::READY.into();
    let (reason, message) = Default::default();
    Arc::new([PodCondition { kind, status, reason, message, since, observed_generation: 0 }])
}

fn patch(object: &mut Object, change: &crate::store::MetaChange) {
    use crate::store::MetaChange;
    let meta = object.meta_mut();
    match change {
        MetaChange::AddOwner(owner) => meta.owners.push(owner.as_ref().clone()),
        MetaChange::RemoveOwner(uid) => meta.owners.retain(|o| o.uid != *uid),
        MetaChange::BlockOwnerDeletion(uid, block) => meta.owners.edit(|owners| {
            for owner in owners.iter_mut().filter(|o| o.uid == *uid) {
                owner.block_owner_deletion = *block;
            }
        }),
        MetaChange::AddFinalizer(name) => meta.finalizers.push(name.clone()),
        MetaChange::RemoveFinalizer(name) => meta.finalizers.retain(|f| f != name),
        MetaChange::Label(key, Some(value)) => {
            meta.labels = meta.labels.with(key.clone(), value.clone());
        }
        MetaChange::Annotation(key, Some(value)) => {
            meta.annotations = meta.annotations.with(key.clone(), value.clone());
        }
        other => panic!("no controller here changes {other:?}"),
    }
}

/// A request in a line.
fn described(request: &Request) -> String {
    let name = |o: &Object| format!("{} {}", o.kind(), o.meta().name);
    match request {
        Request::Create(o) if o.meta().name.is_empty() => format!("create {}", o.kind()),
        Request::Create(o) => format!("create {}{}", o.kind(), size(o)),
        Request::Update(o) => format!("update {}{}", name(o), size(o)),
        Request::UpdateStatus(Object::Job(job)) => {
            format!("status Job {}: {}", job.meta.name, counts(&job.status))
        }
        Request::UpdateStatus(o) => format!("status {}", name(o)),
        Request::Delete { target, .. } => format!("delete {} {}", target.kind, target.key.name),
        Request::PatchMeta { target, .. } => format!("patch {} {}", target.kind, target.key.name),
        Request::Get(target) => format!("get {} {}", target.kind, target.key.name),
        Request::PodStatus { pod, status, .. } => {
            format!("pod status {}: {}", pod.name, status.phase.as_str())
        }
        Request::PodConditions { pod, conditions, .. } => {
            let kinds: Vec<&str> = conditions.iter().map(|c| c.kind.as_str()).collect();
            format!("conditions {}: {}", pod.name, kinds.join(" "))
        }
        Request::Wire { target, body, .. } => {
            format!("patch {} {}: {body}", target.kind, target.key.name)
        }
        other => format!("{other:?}"),
    }
}

/// A Job's counts, those still to be counted behind a plus, and its conditions.
fn counts(status: &JobStatus) -> String {
    let (active, done, lost) = (status.active, status.succeeded, status.failed);
    let named = status.uncounted.as_deref().map_or((0, 0), |(s, f)| (s.len(), f.len()));
    let counts =
        format!("{active} active, {done}+{} succeeded, {lost}+{} failed", named.0, named.1);
    status.conditions.iter().fold(counts, |text, c| text + ", " + &c.kind)
}

fn size(object: &Object) -> String {
    match object {
        Object::ReplicaSet(set) => format!(" of {}", set.spec.wire.replicas.unwrap_or(1)),
        Object::ControllerRevision(r) => format!(" {}", r.body.revision),
        _ => String::new(),
    }
}

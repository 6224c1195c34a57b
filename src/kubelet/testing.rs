//! A small cluster for tests: a store that does what agents ask of it, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Kubelets;
use super::images::Image;
use super::runtime::{Run, RunState, Sandbox, View, each};
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::engine::{Answer, ComponentId, Cx, Event, Latency, Out, Queue};
use crate::model::{ConditionStatus, ContainerState, ContainerStatus, Key};
use crate::model::{
    Deletion, Kind, Meta, Node, NodeCondition, Object, Pod, PodSpec, PodStatus, Resources, Slot,
    Terminated, Uid, Whole,
};
use crate::store::{ApiError, ErrorReason, Request, Store};
use crate::trace::{FactId, FactKind};

/// The virtual time at which every test cluster begins.
pub(super) const START: SimTime = SimTime::from_secs(1_000_000);

/// One node and its agent.
pub(super) struct Cluster {
    pub(super) now: SimTime,
    pub(super) store: Store,
    pub(super) kubelets: Kubelets,
    queue: Queue<Event>,
    out: Out,
    latency: Latency,
    armed: BTreeMap<ComponentId, SimTime>,
    uids: u128,
    /// So many of the next requests are refused.
    pub(super) refusals: u32,
    /// Events handled.
    pub(super) events: u64,
    /// What happened: `seconds text`.
    pub(super) story: Vec<String>,
}

impl Cluster {
    /// A cluster with the node `node-1`.
    pub(super) fn new() -> Self {
        Self::with_nodes(1)
    }

    /// A cluster with the node `node-1`, whose disk has this size.
    pub(super) fn with_disk(size: &str) -> Self {
        let mut c = Self::with_nodes(0);
        let mut node = c.node("node-1");
        let capacity = json!({"capacity": {"ephemeral-storage": size}});
        Arc::make_mut(&mut node.rest).status = serde_json::from_value(capacity).unwrap();
        c.put(node.into());
        c.run(Duration::from_millis(10));
        c
    }

    /// A cluster with nodes `node-1` and so on.
    pub(super) fn with_nodes(count: u32) -> Self {
        let mut c = Self {
            now: START,
            store: Store::default(),
            kubelets: Kubelets::default(),
            queue: Queue::new(None, &[]),
            out: Out::default(),
            latency: Latency::default(),
            armed: BTreeMap::new(),
            uids: 0,
            refusals: 0,
            events: 0,
            story: Vec::new(),
        };
        for i in 1..=count {
            let node = c.node(&format!("node-{i}"));
            c.put(node.into());
        }
        c.run(Duration::from_millis(10));
        c
    }

    fn node(&mut self, name: &str) -> Node {
        let ready = NodeCondition {
            kind: "Ready".into(),
            status: ConditionStatus::True,
            reason: "KubeletReady".into(),
            message: "kubelet is posting ready status".into(),
            since: START,
        };
        Node {
            meta: self.meta("", name),
            unschedulable: false,
            taints: Arc::default(),
            allocatable: Resources {
                cpu_milli: 4000,
                memory: 8 << 30,
                pods: 110,
                ..Resources::default()
            },
            conditions: Arc::new([ready]),
            lease_stopped: None,
            internal_ip: Some([10, 0, 0, 11].into()),
            pod_cidr: "10.244.0.0/24".into(),
            images: Arc::default(),
            rest: Arc::default(),
        }
    }

    fn meta(&mut self, namespace: &str, name: &str) -> Meta {
        self.uids += 1;
        let mut meta = Meta::named(namespace, name);
        meta.uid = Uid::from_random(self.uids);
        meta.created = self.now;
        meta.generation = 1;
        meta
    }

    /// Stores an object and tells who watches it.
    pub(super) fn put(&mut self, mut object: Object) {
        object.meta_mut().resource_version = self.store.next_revision();
        let (kind, key) = (object.kind(), object.key());
        let node = node_of(&object);
        self.store.put(self.now, object, FactId::NONE);
        debug_assert!(self.store.get(kind, &key).is_some());
        self.tell(node);
    }

    fn tell(&mut self, node: Option<Slot>) {
        let id = node.map_or(ComponentId::Network, ComponentId::Kubelet);
        self.queue.push(self.now + self.latency.watch, Event::Nudge(id));
    }

    /// Makes a pod from its spec, bound to the first node.
    pub(super) fn pod(&mut self, name: &str, spec: Value) {
        self.pod_on("node-1", name, spec);
    }

    /// Makes a pod from its spec with annotations `wavetank.dev/KEY`, bound to the first node.
    pub(super) fn told(&mut self, name: &str, told: &[(&str, &str)], spec: Value) {
        let annotation = |(key, value): &(&str, &str)| {
            (crate::base::Str::from(format!("wavetank.dev/{key}")), crate::base::Str::from(*value))
        };
        let annotations = told.iter().map(annotation).collect();
        let spec = serde_json::from_value(spec).unwrap();
        let mut meta = self.meta("default", name);
        meta.annotations = annotations;
        self.put(
            Pod {
                meta,
                spec: Arc::new(PodSpec::compile(spec)),
                node: Some("node-1".into()),
                identity: None,
                made_for: None,
                status: PodStatus::default(),
            }
            .into(),
        );
    }

    /// Makes a pod from its spec, bound to a node.
    pub(super) fn pod_on(&mut self, node: &str, name: &str, spec: Value) {
        let spec = serde_json::from_value(spec).unwrap();
        let pod = Pod {
            meta: self.meta("default", name),
            spec: Arc::new(PodSpec::compile(spec)),
            node: Some(node.into()),
            identity: None,
            made_for: None,
            status: PodStatus::default(),
        };
        self.put(pod.into());
    }

    /// Makes a ConfigMap.
    pub(super) fn config_map(&mut self, name: &str, data: &[(&str, &str)]) {
        let meta = self.meta("default", name);
        let data: BTreeMap<String, String> =
            data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let body = serde_json::from_value(json!({"data": data})).unwrap();
        self.put(Object::ConfigMap(Arc::new(Whole { meta, body: Arc::new(body) })));
    }

    /// The pod of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Pod>> {
        match self.store.get(Kind::Pod, &Key::new("default", name))? {
            Object::Pod(pod) => Some(pod),
            _ => None,
        }
    }

    /// Changes a pod.
    pub(super) fn change(&mut self, name: &str, f: impl FnOnce(&mut Pod)) {
        let mut pod = Pod::clone(self.get(name).unwrap());
        f(&mut pod);
        self.put(pod.into());
    }

    /// Asks for a pod's deletion.
    pub(super) fn delete(&mut self, name: &str, grace: u64) {
        let grace = Duration::from_secs(grace);
        let at = self.now + grace;
        self.change(name, |pod| pod.meta.deletion = Some(Deletion { at, grace }));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, length: Duration) {
        let limit = self.now + length;
        while let Some((at, event)) = self.queue.pop_until(limit) {
            self.now = at;
            self.events += 1;
            match event {
                Event::Nudge(id) => self.drive(id, |k, id, cx| k.sync(id, cx)),
                Event::Wake(id) => {
                    if self.armed.get(&id) == Some(&at) {
                        self.armed.remove(&id);
                        self.drive(id, |k, id, cx| k.wake(id, cx));
                    }
                }
                Event::Arrive(call) => {
                    let reply = self.serve(call.request);
                    let answer = Answer { token: call.token, reply };
                    let at = self.now + self.latency.api_reply;
                    self.queue.push(at, Event::Reply(call.from, Box::new(answer)));
                }
                Event::Reply(id, answer) => self.drive(id, |k, id, cx| k.reply(id, *answer, cx)),
            }
        }
        self.now = limit;
    }

    /// Whether anything is still to happen by itself.
    pub(super) fn is_quiet(&self) -> bool {
        self.armed.is_empty() && self.queue.is_empty()
    }

    /// Does something to the agent of the node.
    pub(super) fn drive(
        &mut self,
        id: ComponentId,
        act: impl FnOnce(&mut Kubelets, ComponentId, &mut Cx<'_>),
    ) {
        let mut cx = Cx {
            now: self.now,
            me: id,
            logs: self.store.logs(),
            rng: Rng::new(1),
            latency: &self.latency,
            out: &mut self.out,
        };
        act(&mut self.kubelets, id, &mut cx);
        let mut ids: Vec<ComponentId> = self.kubelets.take_rearmed().collect();
        ids.push(id);
        for id in ids {
            match self.kubelets.next_wake(id) {
                Some((at, _)) => {
                    let at = at.max(self.now);
                    if self.armed.insert(id, at) != Some(at) {
                        self.queue.push(at, Event::Wake(id));
                    }
                }
                None => {
                    self.armed.remove(&id);
                }
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        for (at, call) in self.out.calls.drain(..) {
            self.queue.push(at + self.latency.api_write, Event::Arrive(Box::new(call)));
        }
        let seconds = self.now.since(START).as_millis();
        let stamp = format!("{}.{:03}", seconds / 1000, seconds % 1000);
        for (_, record) in self.out.events.drain(..) {
            self.story.push(format!("{stamp} {}: {}", record.reason, record.message));
        }
        for fact in self.out.facts.take() {
            if let FactKind::Output(line) = fact.kind {
                self.story.push(format!("{stamp} > {}", line.text));
            }
        }
    }

    fn serve(&mut self, request: Request) -> crate::store::Reply {
        if self.refusals > 0 {
            self.refusals -= 1;
            return Err(ApiError::new(ErrorReason::InternalError, "refused"));
        }
        match request {
            Request::PodStatus { pod, uid, status } => {
                let Some(Object::Pod(old)) = self.store.get(Kind::Pod, &pod) else {
                    return Err(ApiError::not_found(Kind::Pod, &pod.name));
                };
                assert_eq!(old.meta.uid, uid, "an agent asks about its own pods");
                let mut new = Pod::clone(old);
                let line = describe(&status);
                new.status = *status;
                let seconds = self.now.since(START).as_millis();
                self.story.push(format!("{}.{:03} = {line}", seconds / 1000, seconds % 1000));
                self.put(new.into());
                Ok(self.store.get(Kind::Pod, &pod).cloned())
            }
            Request::Delete { target, options } => {
                let Some(object) = self.store.find(&target).cloned() else {
                    return Err(ApiError::not_found(target.kind, &target.key.name));
                };
                assert_eq!(options.grace, Some(Duration::ZERO), "the agent removes at once");
                let mut last = object;
                last.meta_mut().resource_version = self.store.next_revision();
                let seconds = self.now.since(START).as_millis();
                self.story.push(format!("{}.{:03} gone", seconds / 1000, seconds % 1000));
                self.store.remove(self.now, last.clone(), FactId::NONE);
                self.tell(node_of(&last));
                Ok(Some(last))
            }
            Request::Lease { .. } => Ok(None),
            Request::UpdateStatus(object) => {
                self.put(object.clone());
                Ok(Some(object))
            }
            other => panic!("agents do not ask for {other:?}"),
        }
    }

    /// What happened since the last call, without the tests' own start.
    pub(super) fn take_story(&mut self) -> String {
        self.story.drain(..).collect::<Vec<_>>().join("\n")
    }
}

/// The node whose agent hears of an object alone; none where all do.
fn node_of(object: &Object) -> Option<Slot> {
    let Object::Pod(pod) = object else { return None };
    let number: u32 = pod.node.as_ref()?.strip_prefix("node-")?.parse().ok()?;
    Some(Slot(number - 1))
}

/// A status in one line: `Running main(running, ready) ip`.
fn describe(status: &PodStatus) -> String {
    let one = |c: &ContainerStatus| {
        let state = match &c.state {
            ContainerState::Waiting { reason, .. } => format!("waiting {reason}"),
            ContainerState::Running { .. } => "running".to_owned(),
            ContainerState::Terminated(t) => format!("{} {}", t.reason, t.exit_code),
        };
        let ready = if c.ready { ", ready" } else { "" };
        let restarts = match c.restart_count {
            0 => String::new(),
            n => format!(", {n} restarts"),
        };
        format!("{}({state}{ready}{restarts})", c.name)
    };
    let all = status.init_containers.iter().chain(status.containers.iter());
    let containers: Vec<String> = all.map(one).collect();
    let why = if status.reason.is_empty() { String::new() } else { format!(" {}", status.reason) };
    format!("{}{why} {}", status.phase.as_str(), containers.join(" "))
}

/// A pod of these containers: `a`, `init:i`, `sidecar:s`; `+never` and `+onfailure` set its policy.
pub(super) fn pod_of(containers: &str) -> Pod {
    let (mut init, mut main) = (Vec::new(), Vec::new());
    let mut policy = "Always";
    for word in containers.split_whitespace() {
        let image = "nginx:1.25";
        match word.split_once(':') {
            Some(("init", name)) => init.push(json!({"name": name, "image": image})),
            Some((_, name)) => {
                init.push(json!({"name": name, "image": image, "restartPolicy": "Always"}));
            }
            None => match word {
                "+never" => policy = "Never",
                "+onfailure" => policy = "OnFailure",
                name => main.push(json!({"name": name, "image": image})),
            },
        }
    }
    let spec = json!({"initContainers": init, "containers": main, "restartPolicy": policy});
    Pod {
        meta: Meta::named("default", "pod"),
        spec: Arc::new(PodSpec::compile(serde_json::from_value(spec).unwrap())),
        node: Some("node-1".into()),
        identity: None,
        made_for: None,
        status: PodStatus::default(),
    }
}

/// The containers of a pod in this state: `a=running`, `a=3` for its exit code; `-` without a sandbox,
/// `-1` after the loss of the second.
pub(super) fn view_of(spec: &PodSpec, state: &str) -> View {
    let image = Arc::new(Image {
        written: "nginx:1.25".into(),
        full: "docker.io/library/nginx:1.25".into(),
        id: "docker.io/library/nginx@sha256:0".into(),
    });
    let standing = Sandbox { attempt: 0, ready: true, ip: None };
    let mut view = View { sandbox: Some(standing), ..View::default() };
    for word in state.split_whitespace() {
        if let Some(attempt) = word.strip_prefix('-') {
            let lost = attempt.parse().ok();
            view.sandbox = lost.map(|attempt| Sandbox { attempt, ready: false, ip: None });
            continue;
        }
        let (name, what) = word.split_once('=').unwrap();
        let (n, _) = each(spec).find(|(_, c)| c.name == name).unwrap();
        let state = match what.parse() {
            Ok(exit_code) => RunState::Exited(Arc::new(Terminated {
                exit_code,
                signal: 0,
                reason: "Error".into(),
                message: "".into(),
                started_at: Some(START),
                finished_at: Some(START),
                container_id: 0,
            })),
            Err(_) => RunState::Running(START),
        };
        let id = u64::from(n.0) + 1;
        view.push(
            n,
            Run { id, attempt: 0, sandbox: 0, image: Arc::clone(&image), state, actuated: None },
        );
    }
    view
}

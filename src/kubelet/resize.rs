//! Pods are resized in place: what is set aside for them, and what their containers have.
//!
//! Follows `pkg/kubelet/allocation/allocation_manager.go` (`RetryPendingResizes`,
//! `handlePodResourcesResize`, `sortPendingResizes`) and `pkg/kubelet/kuberuntime` (`computePodResizeAction`,
//! `validateMemoryResizeAction`). A worker's pod has the resources that the node has set aside for it; what
//! it is to have beside that waits here until it fits. Then the pod's next sync brings it to the running
//! containers, in place or, where their `resizePolicy` says so, by a restart.
//!
//! What does not fit is tried again when pods are removed or end, and when a pod gets by with less. Upstream
//! also tries every three minutes; that finds something only where the node itself has changed, and is done
//! then.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::admission;
use super::agent::Agent;
use super::desk::Desk;
use super::env::wire_container;
use super::runtime::{Nth, Run, View, container, each, ephemeral, is_init};
use super::shared::Shared;
use super::worker::{Life, Worker};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::engine::Cx;
use crate::model::resize_conditions::{DEFERRED, ERROR, IN_PROGRESS, PENDING};
use crate::model::{Given, Pod, PodCondition, PodSpec, Qos, Resizable, Resources, Uid, wire};
use crate::trace::EventType;

/// The runtime takes so long to set a container's resources.
pub(super) const SETTING: Duration = Duration::from_millis(20);
/// What does not fit is tried again after this (`retryDelay`).
const RETRY: Duration = Duration::from_mins(3);

/// A pod's resize under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Resize {
    /// The spec with what the pod is to have, where that is not what is set aside for it.
    wanted: Option<Arc<PodSpec>>,
    pending: Option<PodCondition>,
    in_progress: Option<PodCondition>,
}

impl Resize {
    /// The conditions that tell of it.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &PodCondition> {
        self.pending.iter().chain(&self.in_progress)
    }

    fn is_over(&self) -> bool {
        self.wanted.is_none() && self.pending.is_none() && self.in_progress.is_none()
    }
}

/// What becomes of a running container whose resources are not those set aside for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// They are set while it runs.
    InPlace,
    /// It starts again with them.
    Restart,
}

/// What a run needs to have what is set aside for its container (`computePodResizeAction`).
pub(super) fn change(spec: &PodSpec, n: Nth, run: &Run) -> Change {
    let Some(actuated) = run.actuated.as_deref().filter(|_| run.is_running()) else {
        return Change::None;
    };
    let Some(c) = wire_container(spec, n) else { return Change::None };
    let (has, wants) = (Resizable::of(Some(actuated)), Resizable::of(c.resources.as_ref()));
    if has == wants {
        return Change::None;
    }
    let cpu = has.cpu_request != wants.cpu_request || has.cpu_limit != wants.cpu_limit;
    let memory =
        has.memory_request != wants.memory_request || has.memory_limit != wants.memory_limit;
    let restarts = |name: &str| {
        let mut policies = c.resize_policy.iter().flatten();
        policies.any(|p| p.resource_name == name && p.restart_policy == "RestartContainer")
    };
    match (cpu && restarts("cpu")) || (memory && restarts("memory")) {
        true => Change::Restart,
        false => Change::InPlace,
    }
}

/// Whether a running container does not have what is set aside for it (`IsPodResizeInProgress`).
fn is_in_progress(spec: &PodSpec, seen: &View) -> bool {
    each(spec).any(|(n, c)| {
        let resizable = !is_init(spec, n) || c.is_sidecar();
        resizable && seen.current(n).is_some_and(|run| change(spec, n, run) != Change::None)
    })
}

/// What the status says of a container's resources, where that is not what the pod's spec asks for
/// (`convertContainerStatusResources`).
pub(super) fn given(pod: &Pod, resize: Option<&Resize>, n: Nth, run: &Run) -> Option<Arc<Given>> {
    let resize = resize?;
    if ephemeral(&pod.spec, n).is_some() {
        return None;
    }
    let of = |spec: &PodSpec| {
        wire_container(spec, n).and_then(|c| c.resources.clone()).unwrap_or_default()
    };
    let allocated = of(&pod.spec);
    let actuated = run.actuated.as_deref().filter(|_| run.is_running());
    let actual = actuated.map_or_else(|| allocated.clone(), |a| set(a, &allocated));
    let asked = resize.wanted.as_deref().map_or_else(|| allocated.clone(), of);
    if actual == asked && allocated.requests == asked.requests {
        return None;
    }
    Some(Arc::new(Given { actual, allocated: allocated.requests }))
}

/// What is set aside, with the CPU and memory that the runtime has set.
fn set(
    actuated: &wire::core::ResourceRequirements,
    allocated: &wire::core::ResourceRequirements,
) -> wire::core::ResourceRequirements {
    let mut shown = allocated.clone();
    let merge = |to: &mut Option<crate::model::Amounts>, from: &Option<crate::model::Amounts>| {
        for name in ["cpu", "memory"] {
            if let Some(amount) = from.as_ref().and_then(|list| list.get(name)) {
                to.get_or_insert_default().insert(name.to_owned(), amount.clone());
            }
        }
    };
    merge(&mut shown.requests, &actuated.requests);
    merge(&mut shown.limits, &actuated.limits);
    shown
}

/// What a pod takes from its node, with what its containers have where that is more.
pub(super) fn counted(pod: &Pod) -> Cow<'_, Resources> {
    match pod.counted_spec() {
        Some(spec) => Cow::Owned(PodSpec::compile(spec).requests),
        None => Cow::Borrowed(&pod.spec.requests),
    }
}

impl Worker {
    /// The spec as the API server has it, with what the pod is to have.
    pub(super) fn wanted_spec(&self) -> &Arc<PodSpec> {
        let wanted = self.resize.as_ref().and_then(|r| r.wanted.as_ref());
        wanted.unwrap_or(&self.pod.spec)
    }

    /// The pod as heard of, with the resources that are set aside for it in the place of those that it is
    /// to have (`UpdatePodFromAllocation`).
    pub(super) fn allocated(&mut self, pod: Arc<Pod>) -> Arc<Pod> {
        if !self.pod.spec.resizes_to(&pod.spec) {
            if let Some(resize) = &mut self.resize {
                resize.wanted = None;
            }
            return pod;
        }
        let resize = self.resize.get_or_insert_default();
        let known = resize.wanted.as_ref().is_some_and(|w| w.digest == pod.spec.digest);
        let spec = if known {
            Arc::clone(&self.pod.spec)
        } else {
            Arc::new(with_resources_of(&pod.spec, &self.pod.spec))
        };
        resize.wanted = Some(Arc::clone(&pod.spec));
        Arc::new(Pod { spec, ..Pod::clone(&pod) })
    }

    /// Takes up what was set aside for the pod before its machine crashed.
    pub(super) fn take_over_allocation(&mut self, spec: Arc<PodSpec>) {
        let pod = Arc::new(Pod { spec, ..Pod::clone(&self.pod) });
        let heard = std::mem::replace(&mut self.pod, pod);
        self.pod = self.allocated(heard);
    }

    /// What the pod is to have is set aside for it from now on.
    fn allocate(&mut self, d: &mut Desk<'_, '_>) {
        let Some(wanted) = self.resize.as_mut().and_then(|r| r.wanted.take()) else { return };
        for view in [&mut self.actual, &mut self.seen] {
            for (n, _) in each(&self.pod.spec) {
                let Some(run) = view.current_mut(n).filter(|r| r.exited().is_none()) else {
                    continue;
                };
                let before = wire_container(&self.pod.spec, n).and_then(|c| c.resources.clone());
                run.actuated.get_or_insert_with(|| Arc::new(before.unwrap_or_default()));
            }
        }
        self.pod = Arc::new(Pod { spec: wanted, ..Pod::clone(&self.pod) });
        let generation = self.pod.meta.generation;
        let begun = condition(IN_PROGRESS, "", "", None, generation, d.cx.now);
        let resize = self.resize.get_or_insert_default();
        (resize.pending, resize.in_progress) = (None, Some(begun));
        let text = told("Pod resize started", &self.pod.spec, generation, "");
        self.pod_event(EventType::Normal, "ResizeStarted", &text, d);
    }

    /// What the pod is to have cannot be set aside for it (`SetPodResizePendingCondition`).
    fn defer(&mut self, message: &str, d: &mut Desk<'_, '_>) {
        let generation = self.pod.meta.generation;
        let resize = self.resize.get_or_insert_default();
        let old = resize.pending.take();
        let news = old
            .as_ref()
            .is_none_or(|c| c.reason != DEFERRED || c.observed_generation != generation);
        let new = condition(PENDING, DEFERRED, message, old.as_ref(), generation, d.cx.now);
        resize.pending = Some(new);
        if news {
            let text = told("Pod resize Deferred", self.wanted_spec(), generation, message);
            self.pod_event(EventType::Warning, "ResizeDeferred", &text, d);
        }
    }

    /// Nothing is waited for any more.
    fn settle(&mut self) {
        if let Some(resize) = &mut self.resize {
            resize.pending = None;
        }
        self.forget_resize();
    }

    fn forget_resize(&mut self) {
        self.resize.take_if(|r| r.is_over());
    }

    /// Whether the resize goes on; if it has come to its end, an event says so (`SyncPod`).
    pub(super) fn note_resize(&mut self, d: &mut Desk<'_, '_>) {
        if self.resize.is_none() {
            return;
        }
        let spec = Arc::clone(&self.pod.spec);
        let goes_on = is_in_progress(&spec, &self.seen);
        let Some(resize) = &mut self.resize else { return };
        let generation = self.pod.meta.generation;
        if goes_on {
            let begun = || condition(IN_PROGRESS, "", "", None, generation, d.cx.now);
            resize.in_progress.get_or_insert_with(begun);
        } else if let Some(done) = resize.in_progress.take() {
            let text = told("Pod resize completed", &spec, done.observed_generation, "");
            self.pod_event(EventType::Normal, "ResizeCompleted", &text, d);
        }
    }

    /// The pod is over: so is its resize.
    pub(super) fn drop_resize(&mut self) {
        if let Some(resize) = &mut self.resize {
            (resize.pending, resize.in_progress) = (None, None);
        }
        self.forget_resize();
    }

    /// Sets the resources of running containers to what is set aside for them; why not, where the runtime
    /// would refuse (`doPodResizeAction`).
    pub(super) fn set_resources(
        &mut self,
        all: &[Nth],
        d: &mut Desk<'_, '_>,
    ) -> Result<(), String> {
        if let Some(why) = self.below_use(all, d) {
            return Err(why);
        }
        for n in all {
            if let Some(run) = self.actual.current_mut(*n) {
                run.actuated = None;
            }
            self.heed_limit(*n, d);
        }
        self.changed(Duration::ZERO, d);
        Ok(())
    }

    /// Whether a limit of memory would fall below what is used (`validateMemoryResizeAction`).
    fn below_use(&self, all: &[Nth], d: &Desk<'_, '_>) -> Option<String> {
        let mut errors = Vec::new();
        for n in all {
            let c = container(&self.pod.spec, *n)?;
            let limit = c.limits.memory;
            let has = self.actual.current(*n).and_then(|r| r.actuated.as_deref());
            let before = Resizable::of(has).memory_limit;
            let used = d.node.uses.of(self.uid(), *n, d.cx.now);
            if limit != 0 && (before == 0 || limit < before) && used >= limit {
                errors.push(format!(
                    "attempting to set container {:?} memory limit ({limit}) below current usage ({used})",
                    c.name
                ));
            }
        }
        match errors.len() {
            0 => None,
            1 => Some(format!("cannot decrease memory limits: {}", errors[0])),
            _ => Some(format!("cannot decrease memory limits: [{}]", errors.join(", "))),
        }
    }

    /// The runtime has refused to set resources.
    pub(super) fn resize_failed(&mut self, why: &str, d: &mut Desk<'_, '_>) {
        let resize = self.resize.get_or_insert_default();
        let old = resize.in_progress.take();
        let generation = old.as_ref().map_or(self.pod.meta.generation, |c| c.observed_generation);
        let news = old.as_ref().is_none_or(|c| c.reason != ERROR || c.message != why);
        let new = condition(IN_PROGRESS, ERROR, why, old.as_ref(), generation, d.cx.now);
        resize.in_progress = Some(new);
        if news {
            let text = told("Pod resize error", &self.pod.spec, generation, why);
            self.pod_event(EventType::Warning, "ResizeError", &text, d);
        }
    }

    pub(super) fn has_resize_pending(&self) -> bool {
        self.resize.as_ref().is_some_and(|r| r.wanted.is_some())
    }

    /// Where its resize stands among those that wait; the least is tried first.
    fn resize_rank(&self) -> (bool, std::cmp::Reverse<i32>, bool, SimTime) {
        let (has, wants) = (&self.pod.spec.requests, &self.wanted_spec().requests);
        let grows = wants.memory > has.memory || wants.cpu_milli > has.cpu_milli;
        let since = self.resize.as_ref().and_then(|r| r.pending.as_ref()).map(|c| c.since);
        (
            grows,
            std::cmp::Reverse(self.pod.spec.priority),
            self.pod.spec.qos != Qos::Guaranteed,
            since.unwrap_or(SimTime::MAX),
        )
    }
}

/// A spec with the resources that the containers of another have.
fn with_resources_of(spec: &PodSpec, other: &PodSpec) -> PodSpec {
    let mut new = wire::core::PodSpec::clone(&spec.wire);
    let of = |name: &str| {
        let init = other.wire.init_containers.iter().flatten();
        other.wire.containers.iter().chain(init).find(|c| c.name == name)
    };
    for c in new.containers.iter_mut().chain(new.init_containers.iter_mut().flatten()) {
        if let Some(old) = of(&c.name) {
            c.resources = old.resources.clone();
        }
    }
    PodSpec::compile(new)
}

/// A condition, in the place of an old one (`updatedPodResizeCondition`).
fn condition(
    kind: &'static str,
    reason: &'static str,
    message: &str,
    old: Option<&PodCondition>,
    generation: u64,
    now: SimTime,
) -> PodCondition {
    let since = old.filter(|c| c.reason == reason).map_or(now.trunc_secs(), |c| c.since);
    PodCondition {
        kind: Str::new_static(kind),
        status: true.into(),
        reason: Str::new_static(reason),
        message: message.into(),
        since,
        observed_generation: generation,
    }
}

/// What an event says of a resize (`podResizeMessage`).
fn told(what: &str, spec: &PodSpec, generation: u64, error: &str) -> String {
    let list = |all: &[wire::core::Container]| -> Value {
        let one = |c: &wire::core::Container| json!({"name": c.name, "resources": ordered(c.resources.as_ref())});
        all.iter().map(one).collect()
    };
    let mut summary = Map::new();
    let init = spec.wire.init_containers.as_deref().unwrap_or_default();
    for (name, all) in [("initContainers", init), ("containers", &*spec.wire.containers)] {
        if !all.is_empty() {
            summary.insert(name.to_owned(), list(all));
        }
    }
    summary.insert("generation".to_owned(), generation.into());
    if !error.is_empty() {
        summary.insert("error".to_owned(), error.into());
    }
    format!("{what}: {}", Value::Object(summary))
}

/// Resources with the limits before the requests, as Go's struct has them.
fn ordered(resources: Option<&wire::core::ResourceRequirements>) -> Value {
    let mut out = Map::new();
    let lists = resources.map(|r| [("limits", &r.limits), ("requests", &r.requests)]);
    for (name, list) in lists.into_iter().flatten() {
        if let Some(list) = list.as_ref().filter(|l| !l.is_empty()) {
            out.insert(name.to_owned(), json!(list));
        }
    }
    Value::Object(out)
}

/// The pods of a node whose resize waits, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    pods: Vec<Uid>,
    /// What the node could give when they were last tried.
    tried_with: Option<Resources>,
    /// When they were last tried.
    tried_at: SimTime,
    /// When they are tried again, as the node has changed.
    pub(super) again_at: Option<SimTime>,
}

impl Agent {
    /// What a pod is to have has changed (`PushPendingResize`).
    pub(super) fn resize(&mut self, uid: Uid, shared: &mut Shared, cx: &mut Cx<'_>) {
        let Some(worker) = self.worker_mut(uid) else { return };
        if !worker.has_resize_pending() {
            worker.settle();
            return;
        }
        if !self.resizes.pods.contains(&uid) {
            self.resizes.pods.push(uid);
        }
        let mut order = std::mem::take(&mut self.resizes.pods);
        order.retain(|uid| self.pods.contains_key(uid));
        order.sort_by_key(|uid| self.worker(*uid).map(Worker::resize_rank));
        self.resizes.pods = order;
        self.retry_resizes(Some(uid), shared, cx);
    }

    /// Tries the resizes that wait (`retryPendingResizes`); the worker of `running` is let go on by the
    /// caller.
    pub(super) fn retry_resizes(
        &mut self,
        running: Option<Uid>,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) {
        if self.resizes.pods.is_empty() {
            return;
        }
        (self.resizes.tried_at, self.resizes.again_at) = (cx.now, None);
        self.resizes.tried_with = shared.allocatable(self.node.slot).cloned();
        for uid in std::mem::take(&mut self.resizes.pods) {
            let (waits, news) = self.try_resize(uid, shared, cx);
            if waits {
                self.resizes.pods.push(uid);
            }
            if news && running != Some(uid) {
                self.run(uid, shared, cx);
            }
        }
    }

    /// Whether the resize still waits, and whether there is anything new about it.
    fn try_resize(&mut self, uid: Uid, shared: &mut Shared, cx: &mut Cx<'_>) -> (bool, bool) {
        let Some(worker) = self.worker(uid).filter(|w| w.life == Life::Syncing) else {
            return (false, false);
        };
        if !worker.has_resize_pending() {
            if let Some(worker) = self.worker_mut(uid) {
                worker.settle();
            }
            return (false, false);
        }
        let Some(node) = shared.node(self.node.slot) else { return (true, false) };
        let wanted = Pod { spec: Arc::clone(worker.wanted_spec()), ..Pod::clone(&worker.pod) };
        let others = self.active().filter(|w| w.uid() != uid).map(|w| &*w.pod);
        let verdict = admission::admit(&wanted, node, others, self.pressure());
        let mut desk = Desk { cx, node: &mut self.node, shared };
        let Some(watched) = self.pods.get_mut(&uid) else { return (false, false) };
        let worker = &mut watched.worker;
        match verdict {
            Ok(()) => {
                worker.allocate(&mut desk);
                worker.update(&mut desk);
                (false, true)
            }
            Err(refusal) => {
                let before = worker.resize.as_ref().and_then(|r| r.pending.clone());
                worker.defer(&refusal.message, &mut desk);
                let news =
                    worker.resize.as_ref().and_then(|r| r.pending.as_ref()) != before.as_ref();
                if news {
                    worker.update(&mut desk);
                }
                (true, news)
            }
        }
    }

    /// A pod's status has changed: whether resizes that wait are to be tried (`HandlePodReconcile`).
    pub(super) fn frees(&self, old: &Pod, new: &Pod) -> bool {
        if self.resizes.pods.is_empty() {
            return false;
        }
        let (before, after) = (counted(old), counted(new));
        (new.is_terminal() && !old.is_terminal())
            || after.memory < before.memory
            || after.cpu_milli < before.cpu_milli
    }

    /// Notes when resizes are to be tried again because the node has changed.
    pub(super) fn look_at_room(&mut self, shared: &Shared, now: SimTime) {
        if self.resizes.pods.is_empty() {
            return;
        }
        let has = shared.allocatable(self.node.slot);
        if has != self.resizes.tried_with.as_ref() {
            self.resizes.again_at = Some((self.resizes.tried_at + RETRY).max(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::engine::ComponentId;
    use crate::kubelet::testing::Cluster;
    use crate::model::{PodSpec, Slot, resize_conditions as kinds};

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn amounts(cpu: &str, memory: &str) -> Value {
        json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}})
    }

    fn spec(resources: &Value, more: &Value) -> Value {
        let mut main = json!({"name": "main", "image": "nginx:1.25", "resources": resources});
        main.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"containers": [main]})
    }

    /// The pod is to have other resources, as after a request of its part `resize`.
    fn resize(c: &mut Cluster, pod: &str, resources: &Value) {
        c.change(pod, |pod| {
            let mut wire = (*pod.spec.wire).clone();
            wire.containers[0].resources = serde_json::from_value(resources.clone()).unwrap();
            pod.spec = PodSpec::compile(wire).into();
            pod.meta.generation += 1;
        });
    }

    /// What is told of resizes, without times.
    fn told(c: &Cluster) -> Vec<String> {
        let about = |l: &&String| l.contains("esize");
        let text = |l: &String| l.split_once(' ').map_or_else(String::new, |(_, t)| t.to_owned());
        c.story.iter().filter(about).map(text).collect()
    }

    /// The reason and message of a condition.
    fn condition(c: &Cluster, pod: &str, kind: &str) -> Option<(String, String)> {
        let pod = c.get(pod).unwrap();
        let found = pod.status.condition(kind)?;
        Some((found.reason.to_string(), found.message.to_string()))
    }

    #[test]
    fn a_running_container_gets_other_resources_without_a_restart() {
        let mut c = Cluster::new();
        c.pod("web", spec(&amounts("500m", "1Gi"), &json!({})));
        c.run(secs(5));
        resize(&mut c, "web", &amounts("1", "2Gi"));
        c.run(secs(5));
        let containers = r#""containers":[{"name":"main","resources":{"limits":{"cpu":"1","memory":"2Gi"},"requests":{"cpu":"1","memory":"2Gi"}}}]"#;
        let events = ["Started: Pod resize started", "Completed: Pod resize completed"]
            .map(|event| format!("Resize{event}: {{{containers},\"generation\":2}}"));
        assert_eq!(told(&c), events);
        let pod = c.get("web").unwrap();
        let main = &pod.status.containers[0];
        assert_eq!((main.restart_count, main.given.is_some()), (0, false));
        assert_eq!(pod.status.observed_generation, 2);
        assert!(pod.status.condition(kinds::IN_PROGRESS).is_none());
        assert!(c.is_quiet());
    }

    #[test]
    fn a_container_starts_again_where_its_policy_asks_for_that_resource() {
        let policy = json!({"resizePolicy":
            [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]});
        let mut c = Cluster::new();
        c.pod("web", spec(&amounts("500m", "1Gi"), &policy));
        c.run(secs(5));
        resize(&mut c, "web", &amounts("1", "1Gi"));
        c.run(secs(5));
        assert_eq!(c.get("web").unwrap().status.containers[0].restart_count, 0);
        resize(&mut c, "web", &amounts("1", "2Gi"));
        c.run(secs(60));
        let text = "Killing: Container main resize requires restart";
        assert!(told(&c).iter().any(|l| l == text), "{:#?}", c.story);
        let pod = c.get("web").unwrap();
        assert_eq!((pod.status.containers[0].restart_count, pod.is_ready()), (1, true));
        assert_eq!(told(&c).iter().filter(|l| l.starts_with("ResizeCompleted")).count(), 2);
    }

    #[test]
    fn a_resize_without_room_is_deferred_until_a_pod_is_gone() {
        let mut c = Cluster::new();
        c.pod("web", spec(&amounts("1", "1Gi"), &json!({})));
        c.pod("other", spec(&amounts("2", "1Gi"), &json!({"terminationGracePeriodSeconds": 1})));
        c.run(secs(5));
        resize(&mut c, "web", &amounts("3", "1Gi"));
        c.run(secs(600));
        let why =
            "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000";
        let told_of = condition(&c, "web", kinds::PENDING);
        assert_eq!(told_of, Some(("Deferred".into(), why.into())));
        let given = c.get("web").unwrap().status.containers[0].given.clone().unwrap();
        assert_eq!(json!(given.allocated), json!({"cpu": "1", "memory": "1Gi"}));
        assert_eq!(json!(given.actual.limits), json!({"cpu": "1", "memory": "1Gi"}));
        let deferred = told(&c);
        assert_eq!(deferred.len(), 1, "{deferred:#?}");
        assert!(deferred[0].starts_with("ResizeDeferred: Pod resize Deferred: {"));
        assert!(deferred[0].ends_with(&format!("\"generation\":2,\"error\":{:?}}}", why)));
        assert!(c.is_quiet());
        c.delete("other", 1);
        c.run(secs(30));
        assert_eq!(condition(&c, "web", kinds::PENDING), None);
        assert!(c.get("web").unwrap().status.containers[0].given.is_none(), "{:#?}", c.story);
        assert!(told(&c).last().unwrap().starts_with("ResizeCompleted"));
    }

    #[test]
    fn room_goes_to_the_resize_of_the_most_important_pod_first() {
        let mut c = Cluster::new();
        for (name, priority) in [("low", 1), ("high", 9)] {
            let mut pod = spec(&amounts("1", "1Gi"), &json!({}));
            pod["priority"] = json!(priority);
            c.pod(name, pod);
        }
        c.pod("other", spec(&amounts("2", "1Gi"), &json!({"terminationGracePeriodSeconds": 1})));
        c.run(secs(5));
        resize(&mut c, "low", &amounts("2500m", "1Gi"));
        c.run(secs(2));
        resize(&mut c, "high", &amounts("2500m", "1Gi"));
        c.run(secs(2));
        c.delete("other", 1);
        c.run(secs(30));
        assert_eq!(condition(&c, "high", kinds::PENDING), None);
        assert!(condition(&c, "low", kinds::PENDING).is_some());
    }

    #[test]
    fn a_limit_below_what_is_used_is_refused_and_tried_again() {
        let mut c = Cluster::new();
        c.told("web", &[("memory", "600Mi")], spec(&amounts("1", "1Gi"), &json!({})));
        c.run(secs(5));
        resize(&mut c, "web", &amounts("1", "512Mi"));
        c.run(secs(60));
        let why = "cannot decrease memory limits: attempting to set container \"main\" memory limit \
            (536870912) below current usage (629145600)";
        assert_eq!(condition(&c, "web", kinds::IN_PROGRESS), Some(("Error".into(), why.into())));
        assert_eq!(told(&c).iter().filter(|l| l.starts_with("ResizeError")).count(), 1);
        resize(&mut c, "web", &amounts("1", "768Mi"));
        c.run(secs(30));
        assert_eq!(condition(&c, "web", kinds::IN_PROGRESS), None, "{:#?}", c.story);
    }

    #[test]
    fn a_container_is_killed_at_the_limit_that_it_was_resized_to() {
        let mut c = Cluster::new();
        c.told("web", &[("memory", "100Mi +10Mi/s")], spec(&amounts("1", "1Gi"), &json!({})));
        c.run(secs(5));
        resize(&mut c, "web", &amounts("1", "300Mi"));
        c.run(secs(10));
        assert_eq!(c.get("web").unwrap().status.containers[0].restart_count, 0);
        c.run(secs(10));
        assert_eq!(c.get("web").unwrap().status.containers[0].restart_count, 1, "{:#?}", c.story);
    }

    #[test]
    fn what_was_set_aside_outlives_a_crash_of_the_node() {
        let mut c = Cluster::new();
        c.pod("web", spec(&amounts("1", "1Gi"), &json!({})));
        c.pod("other", spec(&amounts("2", "1Gi"), &json!({})));
        c.run(secs(5));
        resize(&mut c, "web", &amounts("3", "1Gi"));
        c.run(secs(5));
        let id = ComponentId::Kubelet(Slot(0));
        c.drive(id, |k, id, cx| k.stop_node(id, cx));
        c.run(secs(5));
        c.drive(id, |k, id, cx| k.start_node(id, cx));
        c.run(secs(30));
        let pod = c.get("web").unwrap();
        assert!(pod.is_ready() && pod.status.phase.as_str() == "Running", "{:#?}", c.story);
        assert!(condition(&c, "web", kinds::PENDING).is_some());
    }
}

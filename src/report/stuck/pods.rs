//! Why a pod is not ready.

use std::sync::Arc;

use serde_json::json;

use super::fix::{Change, Edit};
use super::look::Look;
use super::refusals::between;
use super::{Code, Fix, Reason};
use crate::api::suggest;
use crate::model::{
    Container, ContainerState, ContainerStatus, Kind, Node, Object, Phase, Pod, Ref, conditions,
};
use crate::report::timeline::{count, duration, name};

impl Look<'_> {
    /// Why a pod does not get on.
    pub(super) fn pod(&self, pod: &Arc<Pod>) -> Vec<Reason> {
        if pod.meta.is_terminating() {
            return self.going_pod(pod);
        }
        match pod.status.phase {
            Phase::Succeeded => return Vec::new(),
            Phase::Failed => return self.failed_pod(pod),
            Phase::Running if pod.is_ready() => return Vec::new(),
            Phase::Running | Phase::Pending | Phase::Unknown => {}
        }
        if pod.node.is_none() {
            return self.unplaced(pod);
        }
        if let Some(node) = self.node_of(pod).filter(|n| n.lease_stopped.is_some()) {
            return vec![self.node_down(node)];
        }
        let mut reasons = self.mounts(pod);
        if !reasons.is_empty() {
            return reasons;
        }
        for c in pod.status.init_containers.iter() {
            let done = matches!(&c.state, ContainerState::Terminated(t) if t.exit_code == 0);
            if !(done || c.ready && c.started == Some(true)) {
                // What comes after it has not begun.
                return self.container(pod, c, true);
            }
        }
        for c in pod.status.containers.iter().filter(|c| !c.ready) {
            reasons.extend(self.container(pod, c, false));
        }
        if reasons.is_empty() {
            reasons.extend(self.readiness_gate(pod));
        }
        reasons
    }

    pub(super) fn node_of(&self, pod: &Pod) -> Option<&Arc<Node>> {
        match self.store.find(&Ref::new(Kind::Node, "", pod.node.clone()?)) {
            Some(Object::Node(node)) => Some(node),
            _ => None,
        }
    }

    pub(super) fn node_down(&self, node: &Node) -> Reason {
        let at = Ref { kind: Kind::Node, key: node.meta.key() };
        let since = node
            .lease_stopped
            .map_or(String::new(), |t| format!(" for {}", duration(self.now.since(t))));
        let fix = Fix::new(
            format!("start {}", name(&at)),
            vec![Edit::StartNode(node.meta.name.to_string())],
        );
        Self::root(
            Code::NodeDown,
            at.clone(),
            format!("{} has been down{since}", name(&at)),
            vec![fix],
        )
    }

    /// A pod without a node.
    fn unplaced(&self, pod: &Arc<Pod>) -> Vec<Reason> {
        let source = self.source(pod);
        if !pod.spec.scheduling_gates.is_empty() {
            let gates: Vec<&str> =
                pod.spec.scheduling_gates.iter().map(smol_str::SmolStr::as_str).collect();
            let gates = gates.join(", ");
            let text = format!("nobody opens the scheduling gate {gates}");
            let take = source.fix(
                &format!("take the scheduling gate {gates} away (spec.schedulingGates)"),
                vec![Change::remove(source.path("/schedulingGates"))],
            );
            return vec![Self::root(Code::SchedulingGate, source.object, text, vec![take])];
        }
        self.placing(pod)
    }

    /// A volume that cannot be mounted.
    fn mounts(&self, pod: &Pod) -> Vec<Reason> {
        let waits = |c: &ContainerStatus| matches!(&c.state, ContainerState::Waiting { reason, .. } if reason == "ContainerCreating" || reason == "PodInitializing");
        let all = pod.status.init_containers.iter().chain(pod.status.containers.iter());
        if !all.clone().all(waits)
            && pod.status.containers.len() + pod.status.init_containers.len() > 0
        {
            return Vec::new();
        }
        let mut failed = self.told.warnings(pod.meta.uid).filter(|r| r.reason == "FailedMount");
        let Some(record) = failed.next() else { return Vec::new() };
        match self.source_missing(pod, &record.message) {
            Some(reason) => vec![reason],
            None => {
                let at = self.source(pod).object;
                vec![Self::root(Code::Refused, at, record.message.trim_end(), Vec::new())]
            }
        }
    }

    /// A container that does not get on.
    fn container(&self, pod: &Pod, status: &ContainerStatus, init: bool) -> Vec<Reason> {
        let Some(spec) = pod.spec.container(&status.name) else { return Vec::new() };
        match &status.state {
            ContainerState::Waiting { reason, message } => match reason.as_str() {
                "PodInitializing" | "ContainerCreating" => Vec::new(),
                "CreateContainerConfigError" => match self.source_missing(pod, message) {
                    Some(reason) => vec![reason],
                    None => vec![self.cannot_start(pod, spec, message)],
                },
                "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                    vec![self.image(pod, spec, reason, message)]
                }
                "CrashLoopBackOff" => match &status.last {
                    Some(end) => self.ended(pod, spec, end, init),
                    None => Vec::new(),
                },
                _ => vec![self.cannot_start(pod, spec, message)],
            },
            ContainerState::Terminated(end) => self.ended(pod, spec, end, init),
            ContainerState::Running { started_at } => {
                let probed = if init && status.started != Some(false) {
                    None
                } else {
                    self.probed(pod, spec, status)
                };
                if let Some(reason) = probed {
                    return vec![reason];
                }
                let waits = self.waits_over_network(pod, &status.name, init);
                if !waits.is_empty() {
                    return waits;
                }
                if let Some(end) = status.last.as_ref().filter(|end| end.exit_code != 0) {
                    return self.ended(pod, spec, end, init);
                }
                let since = duration(self.now.since(*started_at));
                let stands = self.sim.kubelets().blocked_on(pod, &status.name);
                let what = if init { "init container" } else { "container" };
                let at = stands.map_or(String::new(), |s| {
                    format!(": {}", s.split(';').next().unwrap_or(&s).trim_start_matches("1: "))
                });
                let text =
                    format!("{what} {} has run for {since} and does not end{at}", status.name);
                if init {
                    vec![Self::root(Code::ProgramWaits, self.source(pod).object, text, Vec::new())]
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn readiness_gate(&self, pod: &Pod) -> Option<Reason> {
        let unset = |gate: &&crate::base::Str| {
            pod.status
                .condition(gate)
                .is_none_or(|c| c.status != crate::model::ConditionStatus::True)
        };
        let gate = pod.spec.readiness_gates.iter().find(unset)?;
        pod.status.condition(conditions::CONTAINERS_READY)?;
        let source = self.source(pod);
        let text =
            format!("nobody sets the condition {gate}, which is a readiness gate of the pods");
        let i = pod.spec.readiness_gates.iter().position(|g| g == gate)?;
        let path = if pod.spec.readiness_gates.len() == 1 {
            "/readinessGates".to_owned()
        } else {
            format!("/readinessGates/{i}")
        };
        let take = source.fix(
            &format!("take the readiness gate {gate} away"),
            vec![Change::remove(source.path(&path))],
        );
        Some(Self::root(Code::ReadinessGate, source.object, text, vec![take]))
    }

    /// The place of a container in the spec.
    pub(super) fn place(pod: &Pod, container: &Container) -> Option<String> {
        let in_group = |all: &[Container]| all.iter().position(|c| c.name == container.name);
        match in_group(&pod.spec.containers) {
            Some(i) => Some(format!("/containers/{i}")),
            None => in_group(&pod.spec.init_containers).map(|i| format!("/initContainers/{i}")),
        }
    }

    /// An image that cannot be had.
    fn image(&self, pod: &Pod, c: &Container, reason: &str, message: &str) -> Reason {
        let source = self.source(pod);
        let text = match reason {
            "InvalidImageName" => {
                format!("image {:?} of container {} is no name of an image", c.image, c.name)
            }
            "ErrImageNeverPull" => {
                format!("image {} is not on the node, and imagePullPolicy is Never", c.image)
            }
            _ => {
                let why = between(message, "failed to resolve reference", "not found")
                    .map_or("cannot be pulled", |_| "is in no registry");
                format!("image {} of container {} {why}", c.image, c.name)
            }
        };
        let mut fixes = Vec::new();
        if let Some(place) = Self::place(pod, c) {
            let set = |image: &str, why: &str| {
                source.fix(
                    &format!("set the image of container {} to {image} {why}", c.name),
                    vec![Change::set(source.path(&format!("{place}/image")), image)],
                )
            };
            if reason == "ErrImageNeverPull" {
                fixes.push(source.fix(
                    &format!("set imagePullPolicy of container {} to IfNotPresent", c.name),
                    vec![Change::set(
                        source.path(&format!("{place}/imagePullPolicy")),
                        "IfNotPresent",
                    )],
                ));
            }
            let images = self.images();
            if let Some(near) = suggest::nearest(&c.image, images.iter().map(String::as_str)) {
                fixes.push(set(near, "(which other pods run)"));
            }
            if let Some(earlier) = self.earlier_image(&source.object, c) {
                let line = format!(
                    "rollout undo {}/{} -n {}",
                    source.object.kind.as_str().to_ascii_lowercase(),
                    source.object.key.name,
                    source.object.key.namespace
                );
                let text =
                    format!("go back to {earlier}, which the earlier version ran: kubectl {line}");
                fixes.push(Fix::new(text, vec![Edit::Kubectl(line)]));
            }
            if fixes.is_empty() {
                let cut = c.image.rsplit('/').next().unwrap_or(&c.image);
                let plain = cut.split(['@', ':']).next().unwrap_or(cut);
                if !plain.is_empty() && *plain != *c.image {
                    fixes.push(set(plain, "(if that is what is meant)"));
                }
            }
        }
        Self::root(Code::Image, source.object, text, fixes)
    }

    /// Images that run.
    fn images(&self) -> Vec<String> {
        let ready = self.pods().filter(|p| p.is_ready());
        let mut all: Vec<String> =
            ready.flat_map(|p| p.spec.containers.iter().map(|c| c.image.to_string())).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What an earlier version of a Deployment ran in a container, where it still has ready pods or had them.
    fn earlier_image(&self, of: &Ref, c: &Container) -> Option<String> {
        let Some(owner) = self.store.find(of).filter(|o| o.kind() == Kind::Deployment) else {
            return None;
        };
        let mut sets: Vec<&Object> = self.here(Kind::ReplicaSet, &of.key.namespace);
        sets.retain(|s| s.meta().controller().is_some_and(|o| o.uid == owner.meta().uid));
        sets.sort_by_key(|s| std::cmp::Reverse(s.meta().created));
        sets.iter().find_map(|set| {
            let wire = self.wire(set);
            let containers = wire.pointer("/spec/template/spec/containers")?.as_array()?.clone();
            let image = containers.iter().find(|x| x["name"] == c.name.as_str())?["image"]
                .as_str()?
                .to_owned();
            (image != *c.image).then_some(image)
        })
    }

    pub(super) fn cannot_start(&self, pod: &Pod, c: &Container, message: &str) -> Reason {
        let source = self.source(pod);
        let text = format!("container {} cannot be started: {}", c.name, message.trim_end());
        let mut fixes = Vec::new();
        if let Some(place) =
            Self::place(pod, c).filter(|_| !c.command.is_empty() && message.contains("exec"))
        {
            fixes.push(source.fix(
                &format!("drop the command of container {}, so that its image's own runs", c.name),
                vec![Change::remove(source.path(&format!("{place}/command")))],
            ));
        }
        if message.contains("runAsNonRoot")
            && let Some(place) = Self::place(pod, c)
        {
            fixes.push(source.fix(
                &format!("set securityContext.runAsUser of container {} to 1000", c.name),
                vec![Change::set(
                    source.path(&format!("{place}/securityContext/runAsUser")),
                    json!(1000),
                )],
            ));
        }
        Self::root(Code::CannotStart, source.object, text, fixes)
    }

    /// A node that is being emptied.
    pub(super) fn node(&self, node: &Node) -> Vec<Reason> {
        if node.lease_stopped.is_some() {
            return vec![self.node_down(node)];
        }
        if !node.unschedulable || self.told.drain_refused(&node.meta.name).is_none() {
            return Vec::new();
        }
        let here = self.pods().filter(|p| p.node.as_deref() == Some(node.meta.name.as_str()));
        let mut budgets: Vec<Ref> = here
            .filter(|p| p.meta.controller_of_kind(Kind::DaemonSet).is_none())
            .flat_map(|p| self.budgets_over(p))
            .collect();
        budgets.sort();
        budgets.dedup();
        budgets.iter().filter_map(|b| self.budget(b)).collect()
    }

    /// The budgets that protect a pod and allow nothing.
    fn budgets_over(&self, pod: &Pod) -> Vec<Ref> {
        let all = self.here(Kind::PodDisruptionBudget, &pod.meta.namespace);
        let over = all.into_iter().filter(|o| {
            let wire = self.wire(o);
            let labels =
                wire["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
            let selects = labels.iter().all(|(k, v)| {
                pod.meta.labels.get(k).is_some_and(|l| *l == *v.as_str().unwrap_or_default())
            });
            selects && wire["status"]["disruptionsAllowed"].as_i64().unwrap_or(0) == 0
        });
        over.map(Object::reference).collect()
    }

    /// A budget that allows no disruption: pods that are missing, or no room at all.
    fn budget(&self, of: &Ref) -> Option<Reason> {
        let wire = self.wire(self.store.find(of)?);
        let (healthy, desired, expected) = (
            wire["status"]["currentHealthy"].as_i64().unwrap_or(0),
            wire["status"]["desiredHealthy"].as_i64().unwrap_or(0),
            wire["status"]["expectedPods"].as_i64().unwrap_or(0),
        );
        let pods = count(usize::try_from(healthy).unwrap_or(0), "healthy pod");
        let text = format!("{} allows no disruption: {pods}, {desired} must be there", name(of));
        if healthy < expected {
            let labels =
                wire["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
            let sick = self.pods().find(|p| {
                !p.is_ready()
                    && p.meta.namespace == of.key.namespace
                    && labels.iter().all(|(k, v)| {
                        p.meta.labels.get(k).is_some_and(|l| *l == *v.as_str().unwrap_or_default())
                    })
            });
            if let Some(sick) = sick {
                let object = Ref { kind: Kind::Pod, key: sick.meta.key() };
                return Some(Reason::WaitsFor { object, why: format!("to be ready: {text}") });
            }
        }
        let mut fixes = Vec::new();
        let selected = self.pods().find(|p| {
            let labels = wire["spec"]["selector"]["matchLabels"].as_object();
            p.meta.namespace == of.key.namespace
                && labels.into_iter().flatten().all(|(k, v)| {
                    p.meta.labels.get(k).is_some_and(|l| *l == *v.as_str().unwrap_or_default())
                })
        });
        if let Some(pod) = selected {
            let owner = self.source(pod).object;
            if matches!(owner.kind, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet) {
                let n = expected + 1;
                let changes = vec![Change::set("/spec/replicas", json!(n))];
                let edits = vec![Edit::Manifest { object: owner.clone(), changes }];
                fixes
                    .push(Fix::new(format!("set spec.replicas to {n} in {}", name(&owner)), edits));
            }
        }
        let changes = vec![
            Change::remove("/spec/minAvailable"),
            Change::set("/spec/maxUnavailable", json!(1)),
        ];
        let edits = vec![Edit::Manifest { object: of.clone(), changes }];
        fixes.push(Fix::new(
            format!(
                "set spec.maxUnavailable to 1, in the place of what stands there, in {}",
                name(of)
            ),
            edits,
        ));
        Some(Self::root(Code::Budget, of.clone(), text, fixes))
    }
}

//! The conditions of a pod that the node agent keeps.
//!
//! Follows `pkg/kubelet/status/generate.go`. Conditions of others (readiness gates, disruption) stay
//! as they are and come first.

use std::sync::Arc;

use smallvec::SmallVec;

use super::resize::Resize;
use super::runtime::{View, each_init, each_main};
use super::text::go_list;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::conditions::{
    CONTAINERS_READY, DISRUPTION_TARGET, INITIALIZED, POD_SCHEDULED, READY,
    READY_TO_START_CONTAINERS,
};
use crate::model::{
    ConditionStatus, ContainerState, ContainerStatus, Phase, Pod, PodCondition, PodStatus,
    resize_conditions,
};

/// A rule has all containers of the pod start again (`v1.AllContainersRestarting`).
pub(super) const ALL_CONTAINERS_RESTARTING: &str = "AllContainersRestarting";

const POD_COMPLETED: &str = "PodCompleted";
const POD_FAILED: &str = "PodFailed";

/// Whether the node agent keeps conditions of this type (`pkg/kubelet/types`,
/// `PodConditionByKubelet`).
pub(super) fn is_own(kind: &str) -> bool {
    matches!(
        kind,
        POD_SCHEDULED
            | READY
            | INITIALIZED
            | CONTAINERS_READY
            | READY_TO_START_CONTAINERS
            | ALL_CONTAINERS_RESTARTING
            | resize_conditions::PENDING
            | resize_conditions::IN_PROGRESS
    )
}

/// What conditions are made from.
pub(super) struct Facts<'a> {
    /// The pod as the API server has it.
    pub(super) pod: &'a Pod,
    /// The status before.
    pub(super) old: &'a PodStatus,
    /// The containers as last seen.
    pub(super) seen: &'a View,
    /// Statuses of init containers, in the order of the spec.
    pub(super) init: &'a [ContainerStatus],
    /// Statuses of main containers, by name.
    pub(super) main: &'a [ContainerStatus],
    /// The phase.
    pub(super) phase: Phase,
    /// Whether all containers are starting again; `None` where no rule asks for that.
    pub(super) restarting: Option<bool>,
    /// The pod's resize under way.
    pub(super) resize: Option<&'a Resize>,
    /// Now.
    pub(super) now: SimTime,
}

/// A condition before its time is known.
#[derive(Clone)]
struct Draft {
    status: ConditionStatus,
    reason: Str,
    message: Str,
}

impl Draft {
    fn holds() -> Self {
        Self { status: ConditionStatus::True, reason: Str::default(), message: Str::default() }
    }

    fn lacks(reason: &'static str, message: String) -> Self {
        Self {
            status: ConditionStatus::False,
            reason: Str::new_static(reason),
            message: message.into(),
        }
    }

    fn because(mut self, reason: &'static str) -> Self {
        self.reason = Str::new_static(reason);
        self
    }
}

/// All conditions of a pod.
pub(super) fn generate(facts: &Facts<'_>) -> Arc<[PodCondition]> {
    let mut all: SmallVec<[PodCondition; 6]> =
        facts.pod.status.conditions.iter().filter(|c| !is_own(&c.kind)).cloned().collect();
    all.extend(facts.resize.iter().flat_map(|r| r.conditions()).cloned());
    if let Some(target) = facts.old.condition(DISRUPTION_TARGET) {
        match all.iter_mut().find(|c| c.kind == DISRUPTION_TARGET) {
            Some(c) => *c = target.clone(),
            None => all.push(target.clone()),
        }
    }
    let sandbox = !facts.seen.needs_sandbox();
    let ready = Draft { status: sandbox.into(), ..Draft::holds() };
    all.push(facts.dated(READY_TO_START_CONTAINERS, ready));
    all.push(facts.dated(INITIALIZED, facts.initialized()));
    let containers = facts.containers_ready();
    let pod_ready = facts.ready(&all, &containers);
    all.push(facts.dated(READY, pod_ready));
    all.push(facts.dated(CONTAINERS_READY, containers));
    all.push(facts.dated(POD_SCHEDULED, Draft::holds()));
    if let Some(restarting) = facts.restarting {
        let mut condition = facts.dated(ALL_CONTAINERS_RESTARTING, facts.restarting(restarting));
        condition.observed_generation = 0;
        all.push(condition);
    }
    // Most looks at a pod find its conditions as they were.
    if *all == *facts.old.conditions {
        Arc::clone(&facts.old.conditions)
    } else {
        all.as_slice().into()
    }
}

/// The pod's readiness after the readiness of a container has changed
/// (`pkg/kubelet/status`, `SetContainerReadiness`): the conditions of `old` with `Ready` and
/// `ContainersReady` made anew.
pub(super) fn with_readiness(facts: &Facts<'_>) -> Arc<[PodCondition]> {
    let containers = facts.containers_ready();
    let ready = facts.dated(READY, facts.ready(&facts.old.conditions, &containers));
    let containers = facts.dated(CONTAINERS_READY, containers);
    let changed = |c: &PodCondition| match &*c.kind {
        READY => ready.clone(),
        CONTAINERS_READY => containers.clone(),
        _ => c.clone(),
    };
    facts.old.conditions.iter().map(changed).collect()
}

/// The sandbox stands: the condition says so before the rest of the status is made anew.
pub(super) fn set_sandbox_ready(status: &mut PodStatus, now: SimTime) {
    let mark = |c: &PodCondition| {
        let about = c.kind == READY_TO_START_CONTAINERS && c.status != ConditionStatus::True;
        if !about {
            return c.clone();
        }
        PodCondition { status: ConditionStatus::True, since: now, ..c.clone() }
    };
    status.conditions = status.conditions.iter().map(mark).collect();
}

impl Facts<'_> {
    fn dated(&self, kind: &'static str, draft: Draft) -> PodCondition {
        let since = match self.old.condition(kind) {
            Some(c) if c.status == draft.status => c.since,
            _ => self.now.trunc_secs(),
        };
        PodCondition {
            kind: Str::new_static(kind),
            status: draft.status,
            reason: draft.reason,
            message: draft.message,
            since,
            observed_generation: self.pod.meta.generation,
        }
    }

    fn main_status(&self, name: &str) -> Option<&ContainerStatus> {
        self.main.iter().find(|s| s.name == name)
    }

    /// `GeneratePodInitializedCondition`.
    fn initialized(&self) -> Draft {
        if self.phase == Phase::Succeeded {
            return Draft::holds().because(POD_COMPLETED);
        }
        let started = |s: &ContainerStatus| !matches!(s.state, ContainerState::Waiting { .. });
        if self.init.is_empty() || self.main.iter().any(started) || self.old.is_true(INITIALIZED) {
            return Draft::holds();
        }
        let incomplete: Vec<&str> = each_init(&self.pod.spec)
            .zip(self.init)
            .filter(|((_, c), s)| match c.is_sidecar() {
                true => s.started != Some(true),
                false => !s.ready,
            })
            .map(|((_, c), _)| c.name.as_str())
            .collect();
        if incomplete.is_empty() {
            return Draft::holds();
        }
        let text = format!("containers with incomplete status: {}", go_list(&incomplete));
        Draft::lacks("ContainersNotInitialized", text)
    }

    /// `GenerateContainersReadyCondition`.
    fn containers_ready(&self) -> Draft {
        match self.phase {
            Phase::Succeeded => return Draft::lacks(POD_COMPLETED, String::new()),
            Phase::Failed => return Draft::lacks(POD_FAILED, String::new()),
            Phase::Pending | Phase::Running | Phase::Unknown => {}
        }
        let sidecars = each_init(&self.pod.spec)
            .zip(self.init)
            .filter(|((_, c), s)| c.is_sidecar() && !s.ready)
            .map(|((_, c), _)| c.name.as_str());
        let main = each_main(&self.pod.spec)
            .filter(|(_, c)| self.main_status(&c.name).is_none_or(|s| !s.ready))
            .map(|(_, c)| c.name.as_str());
        let unready: Vec<&str> = sidecars.chain(main).collect();
        if unready.is_empty() {
            return Draft::holds();
        }
        let text = format!("containers with unready status: {}", go_list(&unready));
        Draft::lacks("ContainersNotReady", text)
    }

    /// `GeneratePodReadyCondition`; `conditions` holds those of others, `containers` is that of the containers.
    fn ready(&self, conditions: &[PodCondition], containers: &Draft) -> Draft {
        if containers.status != ConditionStatus::True {
            return containers.clone();
        }
        let mut missing = Vec::new();
        for gate in &self.pod.spec.readiness_gates {
            match conditions.iter().find(|c| c.kind == *gate) {
                None => missing.push(format!(
                    "corresponding condition of pod readiness gate {gate:?} does not exist."
                )),
                Some(c) if c.status != ConditionStatus::True => missing.push(format!(
                    "the status of pod readiness gate {gate:?} is not \"True\", but {}",
                    c.status.as_str()
                )),
                Some(_) => {}
            }
        }
        if missing.is_empty() {
            return Draft::holds();
        }
        Draft::lacks("ReadinessGatesNotReady", missing.join(", "))
    }

    /// `GenerateAllContainersRestartingCondition`.
    fn restarting(&self, restarting: bool) -> Draft {
        match self.phase {
            Phase::Succeeded => Draft::lacks(POD_COMPLETED, String::new()),
            Phase::Failed => Draft::lacks(POD_FAILED, String::new()),
            Phase::Pending | Phase::Running | Phase::Unknown if restarting => Draft {
                status: ConditionStatus::True,
                reason: "RestartAllContainersStarted".into(),
                message: "container exited with restart policy rule".into(),
            },
            Phase::Pending | Phase::Running | Phase::Unknown => Draft::lacks("", String::new()),
        }
    }
}

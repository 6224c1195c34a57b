//! What the agent tells the API server of a pod: its status, and that it is gone.
//!
//! Follows `pkg/kubelet/status/status_manager.go`. The latest status is kept with a version; one patch
//! at a time is under way, and what changed meanwhile goes with the next. A final phase is held back
//! while containers may still run (`mergePodStatus`). A pod whose deletion was asked for is removed
//! once its worker is done and the server has its final status (`canBeDeleted`).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::conditions;
use crate::engine::{Cx, Token};
use crate::model::{ConditionStatus, Kind, Pod, PodCondition, PodStatus, Ref, conditions as kinds};
use crate::store::{DeleteOptions, Request};
use crate::trace::FactId;

/// The agent's side of a pod's status.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    /// The status as the agent last made it.
    latest: Option<Box<PodStatus>>,
    version: u32,
    sent: u32,
    /// A request is under way.
    waiting: bool,
    /// The worker is done with the pod.
    finished: bool,
    /// The pod's removal was asked for.
    removing: bool,
    /// The last request was refused: it is repeated with the next round of statuses.
    refused: bool,
}

impl Reports {
    /// The status as the agent last made it, else as the API server has it.
    pub(super) fn current<'a>(&'a self, pod: &'a Pod) -> &'a PodStatus {
        self.latest.as_deref().unwrap_or(&pod.status)
    }

    /// The status as the agent last made it.
    pub(super) fn latest(&self) -> Option<&PodStatus> {
        self.latest.as_deref()
    }

    /// Takes a new status (`updateStatusInternal`). `force` reports it even if nothing changed.
    pub(super) fn set(&mut self, status: PodStatus, force: bool) {
        if !force && self.latest.as_deref().is_some_and(|old| same(old, &status)) {
            return;
        }
        self.latest = Some(Box::new(status));
        self.version += 1;
    }

    /// Changes the kept status in place.
    pub(super) fn change(&mut self, f: impl FnOnce(&mut PodStatus)) {
        if let Some(latest) = self.latest.as_deref_mut() {
            f(latest);
            self.version += 1;
        }
    }

    /// The worker is done with the pod.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether the server differs from what was told it (`needsReconcile`).
    pub(super) fn differs(&self, pod: &Pod, may_run: bool) -> bool {
        !self.waiting
            && self.sent == self.version
            && self.latest.is_some()
            && !same(&self.merged(pod, may_run), &pod.status)
    }

    /// Whether there is something that the server has not been told.
    pub(super) fn has_news(&self) -> bool {
        self.sent != self.version
    }

    /// Has the status told again.
    pub(super) fn repeat(&mut self) {
        self.version += 1;
    }

    /// The last request was refused.
    pub(super) fn refuse(&mut self) {
        (self.refused, self.removing) = (true, false);
    }

    /// Whether the last request was refused; it is then to be repeated.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Sends what is to be told, unless a request is under way. Answers whether one is now.
    pub(super) fn send(
        &mut self,
        pod: &Arc<Pod>,
        may_run: bool,
        token: Token,
        cause: FactId,
        cx: &mut Cx<'_>,
    ) -> bool {
        if self.waiting || self.latest.is_none() || self.sent == self.version {
            return false;
        }
        let status = self.merged(pod, may_run);
        // The agent reads the pod from the server before it patches it.
        let read = cx.latency.api_write + cx.latency.api_reply;
        let changed = (*status != pod.status).then(|| Box::new(status.into_owned()));
        self.sent = self.version;
        let Some(status) = changed else { return self.remove(pod, read, token, cause, cx) };
        let request = Request::PodStatus { pod: pod.meta.key(), uid: pod.meta.uid, status };
        cx.send_after(read, token, cause, request);
        self.waiting = true;
        true
    }

    /// A reply has come; `pod` is the pod as the server has it, `None` if it is gone or refused.
    /// Answers whether another request is under way.
    pub(super) fn reply(
        &mut self,
        pod: Option<&Arc<Pod>>,
        token: Token,
        cause: FactId,
        cx: &mut Cx<'_>,
    ) -> bool {
        self.waiting = false;
        match pod {
            Some(pod) => self.remove(pod, Duration::ZERO, token, cause, cx),
            None => false,
        }
    }

    /// Asks for the removal of a pod that is done, if its deletion was asked for.
    fn remove(
        &mut self,
        pod: &Arc<Pod>,
        wait: Duration,
        token: Token,
        cause: FactId,
        cx: &mut Cx<'_>,
    ) -> bool {
        let due = pod.meta.is_terminating() && pod.is_terminal() && self.finished;
        if !due || self.removing {
            return false;
        }
        self.removing = true;
        self.waiting = true;
        let options =
            DeleteOptions { grace: Some(Duration::ZERO), ..DeleteOptions::of(pod.meta.uid) };
        let target = Ref { kind: Kind::Pod, key: pod.meta.key() };
        cx.send_after(wait, token, cause, Request::Delete { target, options });
        true
    }

    /// The status as it is told (`mergePodStatus`).
    fn merged<'a>(&'a self, pod: &'a Pod, may_run: bool) -> Cow<'a, PodStatus> {
        let Some(latest) = self.latest.as_deref() else { return Cow::Borrowed(&pod.status) };
        let mut status = Cow::Borrowed(latest);
        if let Some(conditions) = merged_conditions(latest, pod, may_run) {
            status.to_mut().conditions = conditions;
        }
        if status.phase.is_terminal() && !pod.is_terminal() && may_run {
            let status = status.to_mut();
            status.phase = pod.status.phase;
            status.reason = pod.status.reason.clone();
            status.message = pod.status.message.clone();
        }
        if status.nominated_node != pod.status.nominated_node {
            status.to_mut().nominated_node = pod.status.nominated_node.clone();
        }
        if status.phase.is_terminal() && claims_readiness(&status) {
            unready(status.to_mut());
        }
        status
    }
}

/// Conditions of others as the server has them, with the agent's own; `None` where those of the kept status
/// are these.
fn merged_conditions(latest: &PodStatus, pod: &Pod, may_run: bool) -> Option<Arc<[PodCondition]>> {
    let of_others = |c: &&PodCondition| !conditions::is_own(&c.kind);
    // A disruption by this agent is told of once no container runs any more.
    let ends = latest.phase.is_terminal() && !pod.is_terminal() && !may_run;
    let disruption = latest.condition(kinds::DISRUPTION_TARGET).filter(|_| ends);
    let others = || {
        let kept = pod.status.conditions.iter().filter(of_others);
        kept.filter(|c| disruption.is_none_or(|d| d.kind != c.kind)).chain(disruption)
    };
    let own = || latest.conditions.iter().filter(|c| conditions::is_own(&c.kind));
    let unchanged = others().eq(latest.conditions.iter().filter(of_others));
    (!unchanged).then(|| others().chain(own()).cloned().collect())
}

/// Whether a status says that the pod or its containers are ready.
fn claims_readiness(status: &PodStatus) -> bool {
    status.is_true(kinds::READY) || status.is_true(kinds::CONTAINERS_READY)
}

/// A pod that is over is not ready, whatever its containers' last probes said.
fn unready(status: &mut PodStatus) {
    let reason = match status.phase {
        crate::model::Phase::Succeeded => "PodCompleted",
        _ => "PodFailed",
    };
    let over = |c: &PodCondition| {
        let about = c.kind == kinds::READY || c.kind == kinds::CONTAINERS_READY;
        if !about {
            return c.clone();
        }
        PodCondition {
            status: ConditionStatus::False,
            reason: reason.into(),
            message: crate::base::Str::default(),
            ..c.clone()
        }
    };
    status.conditions = status.conditions.iter().map(over).collect();
}

/// Whether two statuses say the same, conditions of others left aside
/// (`isPodStatusByKubeletEqual`).
fn same(a: &PodStatus, b: &PodStatus) -> bool {
    let same_conditions = || {
        let own = |c: &&PodCondition| conditions::is_own(&c.kind);
        a.conditions.iter().filter(own).eq(b.conditions.iter().filter(own))
    };
    let rest = a.phase == b.phase
        && a.reason == b.reason
        && a.message == b.message
        && a.containers == b.containers
        && a.init_containers == b.init_containers
        && a.ephemeral_containers == b.ephemeral_containers
        && a.start_time == b.start_time
        && a.pod_ip == b.pod_ip
        && a.host_ip == b.host_ip
        && a.observed_generation == b.observed_generation;
    rest && (Arc::ptr_eq(&a.conditions, &b.conditions) || same_conditions())
}

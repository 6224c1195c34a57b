//! What is asked of pods (and of their nodes' leases) directly: statuses, conditions, binding.

use std::sync::Arc;

use super::update::check_uid;
use super::{ApiServer, Handling};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{
    ConditionStatus, ContainerState, ContainerStatus, Key, Kind, Object, Pod, PodCondition,
    PodStatus, Ref, Terminated, Uid, conditions,
};
use crate::store::{ApiError, ErrorReason, Reply};

/// Node labels that a pod gets when it is bound, or made on a node (admission plugin PodTopologyLabels).
const TOPOLOGY_LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

impl ApiServer {
    /// Gives a pod the topology labels of its node.
    pub(in crate::apiserver) fn label_by_node(&self, pod: &mut Pod) {
        let Some(node) = &pod.node else { return };
        let Some(node) = self.store.get(Kind::Node, &Key::new("", node.clone())) else { return };
        for label in TOPOLOGY_LABELS {
            if let Some(value) = node.meta().labels.get(label) {
                pod.meta.labels = pod.meta.labels.with(label, value.clone());
            }
        }
    }

    /// The node agent's status of a pod.
    pub(super) fn pod_status(
        &mut self,
        key: &Key,
        uid: Uid,
        mut status: PodStatus,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored_pod(key, uid)?;
        truncate(&mut status);
        if old.status == status {
            return Ok(Some(Object::Pod(old)));
        }
        let mut new = Pod::clone(&old);
        new.status = status;
        Ok(Some(self.commit(new.into(), h)))
    }

    /// Conditions of a pod, and its nominated node.
    pub(super) fn pod_conditions(
        &mut self,
        key: &Key,
        uid: Uid,
        conditions: Vec<PodCondition>,
        nominated_node: Option<Str>,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored_pod(key, uid)?;
        let mut new = Pod::clone(&old);
        for mut condition in conditions {
            condition.since = condition.since.trunc_secs();
            new.status.conditions = new.status.with_condition(condition);
        }
        if let Some(node) = nominated_node {
            new.status.nominated_node = node;
        }
        if new.status == old.status {
            return Ok(Some(Object::Pod(old)));
        }
        Ok(Some(self.commit(new.into(), h)))
    }

    /// Binds a pod to a node (`pkg/registry/core/pod/storage`, `assignPod`).
    pub(super) fn bind(&mut self, key: &Key, uid: Uid, node: &Str, h: &mut Handling<'_>) -> Reply {
        let old = self.stored_pod(key, uid)?;
        let refuse = |why: String| {
            let text =
                format!("Operation cannot be fulfilled on pods/binding {:?}: {why}", key.name);
            Err(ApiError::new(ErrorReason::Conflict, text))
        };
        if old.meta.is_terminating() {
            return refuse(format!(
                "pod {} is being deleted, cannot be assigned to a host",
                key.name
            ));
        }
        if let Some(bound) = &old.node {
            return refuse(format!("pod {} is already assigned to node {bound:?}", key.name));
        }
        if !old.spec.scheduling_gates.is_empty() {
            return refuse(format!("pod {} has non-empty .spec.schedulingGates", key.name));
        }
        let mut new = Pod::clone(&old);
        new.node = Some(node.clone());
        self.label_by_node(&mut new);
        new.status.nominated_node = Str::default();
        new.status.conditions = new.status.with_condition(PodCondition {
            kind: conditions::POD_SCHEDULED.into(),
            status: ConditionStatus::True,
            reason: Str::default(),
            message: Str::default(),
            since: h.now.trunc_secs(),
            observed_generation: 0,
        });
        Ok(Some(self.commit(new.into(), h)))
    }

    /// A node's lease stops or goes on.
    pub(super) fn lease(
        &mut self,
        node: &Str,
        stopped: Option<SimTime>,
        h: &mut Handling<'_>,
    ) -> Reply {
        let old = self.stored(&Ref::new(Kind::Node, "", node.clone()))?;
        let mut new = old.clone();
        if let Object::Node(n) = &mut new {
            Arc::make_mut(n).lease_stopped = stopped;
        }
        if new == old {
            return Ok(Some(old));
        }
        Ok(Some(self.commit(new, h)))
    }

    fn stored_pod(&self, key: &Key, uid: Uid) -> Result<Arc<Pod>, Box<ApiError>> {
        match self.store.get(Kind::Pod, key) {
            Some(object @ Object::Pod(pod)) => {
                check_uid(object, uid)?;
                Ok(Arc::clone(pod))
            }
            _ => Err(ApiError::not_found(Kind::Pod, &key.name)),
        }
    }
}

/// The API stores whole seconds.
fn truncate(status: &mut PodStatus) {
    let whole = |t: SimTime| t == t.trunc_secs();
    if !status.conditions.iter().all(|c| whole(c.since)) {
        status.conditions = status
            .conditions
            .iter()
            .map(|c| PodCondition { since: c.since.trunc_secs(), ..c.clone() })
            .collect();
    }
    status.start_time = status.start_time.map(SimTime::trunc_secs);
    for containers in
        [&mut status.containers, &mut status.init_containers, &mut status.ephemeral_containers]
    {
        if !containers.iter().all(is_whole) {
            *containers = containers.iter().map(truncated).collect();
        }
    }
}

/// Whether all its times are whole seconds.
fn is_whole(c: &ContainerStatus) -> bool {
    let whole = |t: SimTime| t == t.trunc_secs();
    let ended =
        |t: &Arc<Terminated>| t.started_at.is_none_or(whole) && t.finished_at.is_none_or(whole);
    let state = match &c.state {
        ContainerState::Waiting { .. } => true,
        ContainerState::Running { started_at } => whole(*started_at),
        ContainerState::Terminated(t) => ended(t),
    };
    state && c.last.as_ref().is_none_or(ended)
}

fn truncated(c: &ContainerStatus) -> ContainerStatus {
    let ended = |t: &Arc<Terminated>| {
        Arc::new(Terminated {
            started_at: t.started_at.map(SimTime::trunc_secs),
            finished_at: t.finished_at.map(SimTime::trunc_secs),
            ..Terminated::clone(t)
        })
    };
    let state = match &c.state {
        ContainerState::Waiting { .. } => c.state.clone(),
        ContainerState::Running { started_at } => {
            ContainerState::Running { started_at: started_at.trunc_secs() }
        }
        ContainerState::Terminated(t) => ContainerState::Terminated(ended(t)),
    };
    ContainerStatus { state, last: c.last.as_ref().map(ended), ..c.clone() }
}

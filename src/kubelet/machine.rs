//! The node as a machine: it crashes, boots, and reports itself.
//!
//! Follows `pkg/kubelet/kubelet_node_status.go` and `pkg/kubelet/nodestatus/setters.go`. While an agent
//! lives it renews its node's lease and nothing of the node changes: that is no event. A crash leaves
//! the lease as it was last renewed and the containers' remains on the disk. After a boot the agent
//! first reports its node as ready and then takes up its pods: what ran has ended with exit code 255.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::admission::Pressure;
use super::runtime::{RunState, View};
use super::worker::Worker;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, Node, NodeCondition, Pod, PodSpec, Terminated, Uid};

/// From power-on until the agent first reports its node.
pub(super) const REPORTS_AFTER: Duration = Duration::from_millis(850);
/// From power-on until the agent takes up its pods.
pub(super) const PODS_AFTER: Duration = Duration::from_millis(1600);
/// From joining the cluster until a new node's agent reports it as ready.
pub(super) const READY_AFTER: Duration = Duration::from_millis(300);

/// Whether the machine runs.
#[derive(Clone, Debug)]
pub(super) enum Machine {
    /// The agent works.
    Up,
    /// It is off; this is on its disk.
    Down(Remains),
    /// It boots.
    Booting {
        /// When it was switched on.
        since: SimTime,
        /// Whether the node has been reported.
        reported: bool,
        /// What was on its disk.
        remains: Remains,
    },
}

/// What a crash leaves: the agent's pods as last heard of, and their containers.
pub(super) type Remains = BTreeMap<Uid, Left>;

/// What a crash leaves of one pod.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// The pod as last heard of.
    pub(super) pod: Arc<Pod>,
    /// The spec with what is set aside for it.
    pub(super) allocated: Arc<PodSpec>,
    /// Its containers.
    pub(super) view: View,
    /// How often each was made.
    pub(super) made: Vec<u32>,
}

/// The containers of a worker after a crash at `at`: whatever ran or was made has ended, and the
/// sandbox is down.
pub(super) fn remains_of(worker: Worker) -> Left {
    let (allocated, wanted) = (Arc::clone(&worker.pod.spec), Arc::clone(worker.wanted_spec()));
    let pod = match Arc::ptr_eq(&allocated, &wanted) {
        true => worker.pod,
        false => Arc::new(Pod { spec: wanted, ..Pod::clone(&worker.pod) }),
    };
    Left { pod, allocated, view: worker.actual, made: worker.made }
}

/// The runtime of a booted machine finds that what ran is gone.
pub(super) fn mark_lost(view: &mut View, now: SimTime) {
    if let Some(sandbox) = &mut view.sandbox {
        sandbox.ready = false;
        sandbox.ip = None;
    }
    for run in view.runs.iter_mut().filter_map(|r| r.current.as_mut()) {
        let started_at = match run.state {
            RunState::Exited(_) => continue,
            RunState::Running(since) => Some(since),
            RunState::Created => None,
        };
        run.state = RunState::Exited(Arc::new(Terminated {
            exit_code: 255,
            signal: 0,
            reason: Str::new_static("Unknown"),
            message: Str::default(),
            started_at,
            finished_at: Some(now),
            container_id: run.id,
        }));
    }
}

/// The node's conditions as its agent reports them, with what it is short of; `None` where they are so
/// already (`setters.go`, `MemoryPressureCondition` and its like).
pub(super) fn conditions(
    node: &Node,
    pressure: Pressure,
    now: SimTime,
) -> Option<Arc<[NodeCondition]>> {
    const MEMORY: (&str, ConditionStatus, &str, &str) = (
        "MemoryPressure",
        ConditionStatus::True,
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    );
    const DISK: (&str, ConditionStatus, &str, &str) = (
        "DiskPressure",
        ConditionStatus::True,
        "KubeletHasDiskPressure",
        "kubelet has disk pressure",
    );
    const WELL: [(&str, ConditionStatus, &str, &str); 4] = [
        (
            "MemoryPressure",
            ConditionStatus::False,
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            ConditionStatus::False,
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            ConditionStatus::False,
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", ConditionStatus::True, "KubeletReady", "kubelet is posting ready status"),
    ];
    let own = |kind: &str| WELL.iter().any(|(k, ..)| *k == kind);
    let others = node.conditions.iter().filter(|c| !own(&c.kind)).cloned();
    let told = WELL.iter().map(|c| match c.0 {
        "MemoryPressure" if pressure.memory => &MEMORY,
        "DiskPressure" if pressure.disk => &DISK,
        _ => c,
    });
    let fresh = told.map(|(kind, status, reason, message)| NodeCondition {
        kind: Str::new_static(kind),
        status: *status,
        reason: Str::new_static(reason),
        message: Str::new_static(message),
        since: match node.condition(kind) {
            Some(c) if c.status == *status => c.since,
            _ => now.trunc_secs(),
        },
    });
    let all: Arc<[NodeCondition]> = others.chain(fresh).collect();
    let same = all.len() == node.conditions.len()
        && all.iter().all(|c| node.condition(&c.kind) == Some(c));
    (!same).then_some(all)
}

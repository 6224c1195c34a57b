//! What a container runtime keeps for one pod: its sandbox and the runs of its containers.
//!
//! A [`View`] is a list of facts about them. The runtime has the true one; the node agent's cache has
//! the one of the last relist (`pkg/kubelet/container/cache.go`, filled by `pkg/kubelet/pleg`), and
//! the agent decides on that alone. Of each container the current run and the one before are kept, as
//! the agent's garbage collection keeps them (`MaxPerPodContainerCount` 1).

use std::net::Ipv4Addr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::images::Image;
use crate::base::time::SimTime;
use crate::model::{Container, EphemeralContainer, PodSpec, Terminated, wire};

/// A container of a pod, by its place: init containers first, then main containers, then those that were added, as in
/// the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nth(pub(super) u16);

impl Nth {
    /// The container's place in a list of all containers of its pod.
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The containers of a pod in order, each with its place.
pub(super) fn each(spec: &PodSpec) -> impl DoubleEndedIterator<Item = (Nth, &Container)> {
    let total =
        spec.init_containers.len() + spec.containers.len() + spec.ephemeral_containers.len();
    let total = u16::try_from(total).unwrap_or(u16::MAX);
    (0..total).map(Nth).filter_map(|n| container(spec, n).map(|c| (n, c)))
}

/// The init containers of a pod in order, each with its place.
pub(super) fn each_init(spec: &PodSpec) -> impl DoubleEndedIterator<Item = (Nth, &Container)> {
    each(spec).filter(|(n, _)| is_init(spec, *n))
}

/// The main containers of a pod in order, each with its place.
pub(super) fn each_main(spec: &PodSpec) -> impl DoubleEndedIterator<Item = (Nth, &Container)> {
    each(spec).filter(|(n, _)| !is_init(spec, *n) && ephemeral(spec, *n).is_none())
}

/// The containers that were added to a pod, each with its place.
pub(super) fn each_ephemeral(spec: &PodSpec) -> impl DoubleEndedIterator<Item = (Nth, &Container)> {
    each(spec).filter(|(n, _)| ephemeral(spec, *n).is_some())
}

/// The added container at a place; nothing where one of the others is.
pub(super) fn ephemeral(spec: &PodSpec, n: Nth) -> Option<&EphemeralContainer> {
    let others = spec.init_containers.len() + spec.containers.len();
    spec.ephemeral_containers.get(n.index().checked_sub(others)?)
}

/// The container at a place.
pub(super) fn container(spec: &PodSpec, n: Nth) -> Option<&Container> {
    let init = spec.init_containers.len();
    match n.index().checked_sub(init) {
        None => spec.init_containers.get(n.index()),
        Some(main) => {
            spec.containers.get(main).or_else(|| ephemeral(spec, n).map(|added| &added.container))
        }
    }
}

/// Whether the container at a place is an init container.
pub(super) fn is_init(spec: &PodSpec, n: Nth) -> bool {
    n.index() < spec.init_containers.len()
}

/// The sandbox and the runs of a pod's containers.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct View {
    /// The latest sandbox.
    pub(super) sandbox: Option<Sandbox>,
    /// Runs by the place of their container; a container without an entry has none.
    pub(super) runs: SmallVec<[Runs; 1]>,
}

/// A sandbox: what the containers of a pod share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sandbox {
    /// How often a sandbox of this pod was made before.
    pub(super) attempt: u32,
    /// Whether it stands.
    pub(super) ready: bool,
    /// Its address.
    pub(super) ip: Option<Ipv4Addr>,
}

/// The latest runs of one container.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Runs {
    /// The latest.
    pub(super) current: Option<Run>,
    /// The one before it.
    pub(super) previous: Option<Run>,
}

/// One run of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Its number, unique in the simulation.
    pub(super) id: u64,
    /// How often the container was started before (`restartCount`).
    pub(super) attempt: u32,
    /// The sandbox it ran in, by that one's attempt.
    pub(super) sandbox: u32,
    /// The image it was made from.
    pub(super) image: Arc<Image>,
    /// What it does.
    pub(super) state: RunState,
    /// What it has of resources, where that may not be what the pod's spec says.
    pub(super) actuated: Option<Arc<wire::core::ResourceRequirements>>,
}

/// What a run does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RunState {
    /// It is made but does not run yet.
    Created,
    /// It runs since then.
    Running(SimTime),
    /// It has ended.
    Exited(Arc<Terminated>),
}

impl Run {
    /// How it ended, once it has.
    pub(super) fn exited(&self) -> Option<&Arc<Terminated>> {
        match &self.state {
            RunState::Exited(how) => Some(how),
            RunState::Created | RunState::Running(_) => None,
        }
    }

    /// Whether it runs.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, RunState::Running(_))
    }
}

impl View {
    /// The latest run of a container.
    pub(super) fn current(&self, n: Nth) -> Option<&Run> {
        self.runs.get(n.index()).and_then(|r| r.current.as_ref())
    }

    /// The run before the latest.
    pub(super) fn previous(&self, n: Nth) -> Option<&Run> {
        self.runs.get(n.index()).and_then(|r| r.previous.as_ref())
    }

    /// The latest run of a container, to be changed.
    pub(super) fn current_mut(&mut self, n: Nth) -> Option<&mut Run> {
        self.runs.get_mut(n.index()).and_then(|r| r.current.as_mut())
    }

    /// Puts a new run before the latest one, which becomes the previous one.
    pub(super) fn push(&mut self, n: Nth, run: Run) {
        if self.runs.len() <= n.index() {
            self.runs.resize_with(n.index() + 1, Runs::default);
        }
        let runs = &mut self.runs[n.index()];
        runs.previous = runs.current.replace(run);
    }

    /// Forgets all runs of a container.
    pub(super) fn forget(&mut self, n: Nth) {
        if let Some(runs) = self.runs.get_mut(n.index()) {
            *runs = Runs::default();
        }
    }

    /// The sandbox, if it stands.
    pub(super) fn ready_sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref().filter(|s| s.ready)
    }

    /// Whether a new sandbox is needed (`pkg/kubelet/kuberuntime/util`, `PodSandboxChanged`).
    pub(super) fn needs_sandbox(&self) -> bool {
        self.ready_sandbox().is_none()
    }

    /// Whether any main container was ever made (`HasAnyRegularContainerCreated`).
    pub(super) fn any_main_created(&self, spec: &PodSpec) -> bool {
        each_main(spec).any(|(n, _)| self.current(n).is_some())
    }

    /// Whether any main container was made in the sandbox that stands
    /// (`HasAnyActiveRegularContainerStarted`).
    pub(super) fn any_main_active(&self, spec: &PodSpec) -> bool {
        let Some(sandbox) = self.ready_sandbox() else { return false };
        each_main(spec)
            .filter_map(|(n, _)| self.current(n))
            .any(|run| run.sandbox == sandbox.attempt)
    }
}

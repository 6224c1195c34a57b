//! What a pod is doing, in one of eight words.

use crate::base::Str;
use crate::model::{ContainerState, ContainerStatus, Phase, Pod};

/// What a pod is doing, as the colours of the page tell it apart. The numbers stand in the page's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It has no node.
    Pending = 0,
    /// It has a node; its images, volumes or init containers are under way.
    Starting = 1,
    /// Its containers run, and it may not serve.
    Running = 2,
    /// It may serve.
    Ready = 3,
    /// A container waits for something that went wrong, or has just failed.
    Trouble = 4,
    /// It is being deleted.
    Terminating = 5,
    /// All its containers ended well.
    Succeeded = 6,
    /// It ended, and not well.
    Failed = 7,
}

/// What `pod` is doing, and the word that kubectl has for it.
pub fn of(pod: &Pod) -> (State, Str) {
    let status = &pod.status;
    match status.phase {
        Phase::Succeeded => return (State::Succeeded, "Completed".into()),
        Phase::Failed if status.reason.is_empty() => return (State::Failed, "Error".into()),
        Phase::Failed => return (State::Failed, status.reason.clone()),
        Phase::Pending | Phase::Running | Phase::Unknown => {}
    }
    if pod.meta.is_terminating() {
        return (State::Terminating, "Terminating".into());
    }
    if pod.node.is_none() {
        return (State::Pending, "Pending".into());
    }
    let is_initializing = !status.is_true(crate::model::conditions::INITIALIZED);
    if is_initializing && let Some(reason) = trouble(&status.init_containers) {
        return (State::Trouble, smol_str::format_smolstr!("Init:{reason}"));
    }
    if let Some(reason) = trouble(&status.containers) {
        return (State::Trouble, reason);
    }
    if pod.is_ready() {
        return (State::Ready, "Ready".into());
    }
    let is_waiting = |c: &ContainerStatus| matches!(c.state, ContainerState::Waiting { .. });
    if is_initializing && !status.init_containers.is_empty() {
        (State::Starting, "Init".into())
    } else if status.containers.is_empty() || status.containers.iter().any(is_waiting) {
        (State::Starting, "ContainerCreating".into())
    } else {
        (State::Running, "Running".into())
    }
}

/// Why the first container that is in trouble is.
fn trouble(containers: &[ContainerStatus]) -> Option<Str> {
    containers.iter().find_map(|container| match &container.state {
        ContainerState::Waiting { reason, .. }
            if !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing" | "") =>
        {
            Some(reason.clone())
        }
        ContainerState::Terminated(end) if end.exit_code != 0 => Some(end.reason.clone()),
        ContainerState::Waiting { .. }
        | ContainerState::Running { .. }
        | ContainerState::Terminated(_) => None,
    })
}

//! What became of a pod from one version to the next.

use super::words::duration;
use super::{Line, Tone, name};
use crate::base::time::SimTime;
use crate::model::{
    ConditionStatus, ContainerState, ContainerStatus, Kind, Phase, Pod, PodStatus, Ref, Terminated,
    conditions,
};

/// Whether a warning says what a line made from the pod's status says already.
pub(super) fn shown_by_status(reason: &str) -> bool {
    matches!(reason, "BackOff" | "FailedScheduling")
}

/// The statuses of all containers of a pod.
fn all_statuses(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let added = status.ephemeral_containers.iter();
    status.init_containers.iter().chain(status.containers.iter()).chain(added)
}

/// Says what changed.
pub(super) fn changed(at: SimTime, old: &Pod, new: &Pod, lines: &mut Vec<Line>) {
    let object = name(&Ref { kind: Kind::Pod, key: new.meta.key() });
    let mut say = |container: &str, tone: Tone, text: String| {
        let (object, container) = (object.clone(), container.to_owned());
        lines.push(Line { at, object, container, tone, text });
    };
    if old.meta.deletion.is_none()
        && let Some(deletion) = new.meta.deletion
    {
        let grace = deletion.grace;
        let within =
            if grace.is_zero() { String::new() } else { format!(", {} to stop", duration(grace)) };
        say("", Tone::Ended, format!("is being deleted{within}"));
    }
    if let (None, Some(node)) = (&old.node, &new.node) {
        say("", Tone::Progress, format!("placed on {node}"));
    }
    scheduling(old, new, &mut say);
    let before = all_statuses(&old.status);
    let before: Vec<&ContainerStatus> = before.collect();
    for status in all_statuses(&new.status) {
        let was = before.iter().find(|c| c.name == status.name).copied();
        container(was, status, &mut say);
    }
    ready(old, new, &mut say);
    if old.status.phase != new.status.phase {
        let status = &new.status;
        let why = [status.reason.as_str(), status.message.as_str()];
        let why: Vec<&str> = why.into_iter().filter(|w| !w.is_empty()).collect();
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(", ")) };
        match status.phase {
            Phase::Succeeded => say("", Tone::Good, "succeeded".to_owned()),
            Phase::Failed => say("", Tone::Bad, format!("failed{why}")),
            Phase::Unknown => say("", Tone::Bad, format!("is in an unknown state{why}")),
            Phase::Pending | Phase::Running => {}
        }
    }
    if old.status.nominated_node != new.status.nominated_node
        && !new.status.nominated_node.is_empty()
        && new.node.is_none()
    {
        let text = format!("is to run on {}", new.status.nominated_node);
        say("", Tone::Waiting, text);
    }
}

fn scheduling(old: &Pod, new: &Pod, say: &mut impl FnMut(&str, Tone, String)) {
    let refused = |p: &Pod| {
        p.status
            .condition(conditions::POD_SCHEDULED)
            .filter(|c| c.status == ConditionStatus::False)
            .map(|c| c.message.clone())
    };
    let (before, now) = (refused(old), refused(new));
    if let Some(message) = now
        && before.as_ref() != Some(&message)
    {
        say("", Tone::Waiting, format!("cannot be placed: {message}"));
    }
}

fn ready(old: &Pod, new: &Pod, say: &mut impl FnMut(&str, Tone, String)) {
    if old.is_ready() == new.is_ready() {
        return;
    }
    if new.is_ready() {
        say("", Tone::Good, "ready".to_owned());
    } else if !new.status.phase.is_terminal() && new.meta.deletion.is_none() {
        let why = new.status.condition(conditions::READY).map(|c| c.reason.as_str());
        if why != Some("PodCompleted") {
            say("", Tone::Bad, "no longer ready".to_owned());
        }
    }
}

fn container(
    was: Option<&ContainerStatus>,
    now: &ContainerStatus,
    say: &mut impl FnMut(&str, Tone, String),
) {
    if was.is_some_and(|w| w.state == now.state && w.restart_count == now.restart_count) {
        return;
    }
    let restarted = was.is_some_and(|w| now.restart_count > w.restart_count);
    // A run that began and ended between two reports shows only as the last state.
    if restarted
        && let Some(last) = &now.last
        && was.is_some_and(|w| w.last != now.last && !is_end(&w.state, last))
    {
        ended(&now.name, last, say);
    }
    match &now.state {
        ContainerState::Waiting { reason, message } => {
            let same = was.is_some_and(|w| match &w.state {
                ContainerState::Waiting { reason: r, message: m } => r == reason && m == message,
                ContainerState::Running { .. } | ContainerState::Terminated(_) => false,
            });
            if same || matches!(reason.as_str(), "ContainerCreating" | "PodInitializing") {
                return;
            }
            let text = if message.is_empty() {
                reason.to_string()
            } else {
                format!("{reason}: {message}")
            };
            say(&now.name, Tone::Waiting, text);
        }
        ContainerState::Running { .. } => {
            let again = match now.restart_count {
                0 => "started".to_owned(),
                1 => "started again".to_owned(),
                n => format!("started again ({n} restarts)"),
            };
            say(&now.name, Tone::Progress, again);
        }
        ContainerState::Terminated(t) => ended(&now.name, t, say),
    }
}

fn is_end(state: &ContainerState, end: &Terminated) -> bool {
    matches!(state, ContainerState::Terminated(t) if **t == *end)
}

fn ended(container: &str, t: &Terminated, say: &mut impl FnMut(&str, Tone, String)) {
    let ran = match (t.started_at, t.finished_at) {
        (Some(a), Some(b)) if b > a => format!(" after {}", duration(b.since(a))),
        _ => String::new(),
    };
    let message = t.message.trim_end();
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    if t.exit_code == 0 {
        say(container, Tone::Ended, format!("exited 0{ran}{message}"));
    } else {
        let reason = if t.reason == "Error" { String::new() } else { format!(" {}", t.reason) };
        say(container, Tone::Bad, format!("exited {}{reason}{ran}{message}", t.exit_code));
    }
}

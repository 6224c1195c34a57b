//! A Deployment's status and its conditions.
//!
//! Follows `pkg/controller/deployment/sync.go` (`calculateStatus`), `progress.go` and the conditions'
//! part of `util/deployment_util.go`.

use std::time::Duration;

use super::numbers::{self, Set, available, size, sum, wanted};
use crate::base::time::SimTime;
use crate::model::wire::apps::{DeploymentCondition, DeploymentStatus};
use crate::model::{Deployment, ReplicaSet, sim_time, wire_time};

/// Condition types.
pub mod conditions {
    /// The rollout goes on, or has gone well.
    pub const PROGRESSING: &str = "Progressing";
    /// Enough pods are available.
    pub const AVAILABLE: &str = "Available";
    /// Pods cannot be created or deleted.
    pub const REPLICA_FAILURE: &str = "ReplicaFailure";
}

/// Reasons of conditions (`pkg/controller/deployment/util/deployment_util.go`).
pub mod reasons {
    /// A ReplicaSet made progress.
    pub const REPLICA_SET_UPDATED: &str = "ReplicaSetUpdated";
    /// The new ReplicaSet could not be created.
    pub const REPLICA_SET_CREATE_ERROR: &str = "ReplicaSetCreateError";
    /// The new ReplicaSet was created.
    pub const NEW_REPLICA_SET_CREATED: &str = "NewReplicaSetCreated";
    /// The new ReplicaSet was there already.
    pub const FOUND_NEW_REPLICA_SET: &str = "FoundNewReplicaSet";
    /// The rollout is complete.
    pub const NEW_REPLICA_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
    /// There was no progress for too long.
    pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    /// It was paused.
    pub const DEPLOYMENT_PAUSED: &str = "DeploymentPaused";
    /// It was resumed.
    pub const DEPLOYMENT_RESUMED: &str = "DeploymentResumed";
    /// Enough pods are available.
    pub const MINIMUM_REPLICAS_AVAILABLE: &str = "MinimumReplicasAvailable";
    /// Too few pods are available.
    pub const MINIMUM_REPLICAS_UNAVAILABLE: &str = "MinimumReplicasUnavailable";
}

/// A condition that has just come about (`NewDeploymentCondition`).
pub fn condition(
    kind: &str,
    status: &str,
    reason: &str,
    message: String,
    now: SimTime,
) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message),
        last_update_time: Some(wire_time(now)),
        last_transition_time: Some(wire_time(now)),
    }
}

/// The condition of that type.
pub fn get<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().flatten().find(|c| c.type_ == kind)
}

/// Sets a condition, last in the list; one with the same status and reason stays as it is
/// (`SetDeploymentCondition`).
pub fn set(status: &mut DeploymentStatus, mut new: DeploymentCondition) {
    if let Some(old) = get(status, &new.type_) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.last_transition_time.clone_from(&old.last_transition_time);
        }
    }
    remove(status, &new.type_);
    status.conditions.get_or_insert_default().push(new);
}

/// Removes a condition (`RemoveDeploymentCondition`).
pub fn remove(status: &mut DeploymentStatus, kind: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|c| c.type_ != kind);
    }
}

/// The status in a form that can be compared: absent numbers are zero, absent lists empty.
pub fn normal(status: &DeploymentStatus) -> DeploymentStatus {
    let number = |n: Option<i32>| Some(n.unwrap_or(0));
    DeploymentStatus {
        available_replicas: number(status.available_replicas),
        collision_count: status.collision_count,
        conditions: Some(status.conditions.clone().unwrap_or_default()),
        observed_generation: Some(status.observed_generation.unwrap_or(0)),
        ready_replicas: number(status.ready_replicas),
        replicas: number(status.replicas),
        terminating_replicas: status.terminating_replicas,
        unavailable_replicas: number(status.unavailable_replicas),
        updated_replicas: number(status.updated_replicas),
    }
}

/// The status that shows these ReplicaSets (`calculateStatus`).
pub fn calculate(d: &Deployment, new: Option<&Set>, old: &[Set], now: SimTime) -> DeploymentStatus {
    let all = || old.iter().chain(new);
    let available = sum(all(), available);
    let mut status = DeploymentStatus {
        observed_generation: Some(i64::try_from(d.meta.generation).unwrap_or(i64::MAX)),
        replicas: Some(sum(all(), |s| s.status.replicas)),
        updated_replicas: Some(sum(new, |s| s.status.replicas)),
        ready_replicas: Some(sum(all(), |s| s.status.ready_replicas.unwrap_or(0))),
        available_replicas: Some(available),
        unavailable_replicas: Some((sum(all(), size) - available).max(0)),
        terminating_replicas: terminating(all().map(|s| s.as_ref())),
        collision_count: d.status.collision_count,
        conditions: Some(d.status.conditions.clone().unwrap_or_default()),
    };
    let enough = available >= wanted(d) - numbers::max_unavailable(d);
    let (holds, reason, message) = if enough {
        let text = "Deployment has minimum availability.";
        ("True", reasons::MINIMUM_REPLICAS_AVAILABLE, text)
    } else {
        let text = "Deployment does not have minimum availability.";
        ("False", reasons::MINIMUM_REPLICAS_UNAVAILABLE, text)
    };
    set(&mut status, condition(conditions::AVAILABLE, holds, reason, message.into(), now));
    status
}

/// Terminating pods of all ReplicaSets; `None` while one that was synced does not tell
/// (`GetTerminatingReplicaCountForReplicaSets`).
fn terminating<'a>(sets: impl Iterator<Item = &'a ReplicaSet>) -> Option<i32> {
    sets.map(|s| {
        let synced = s.status.observed_generation.unwrap_or(0) != 0;
        s.status.terminating_replicas.or((!synced).then_some(0))
    })
    .sum()
}

/// The status during a rollout: the progress is judged as well (`syncRolloutStatus`).
pub fn calculate_rollout(
    d: &Deployment,
    new: Option<&Set>,
    old: &[Set],
    now: SimTime,
) -> DeploymentStatus {
    let mut status = calculate(d, new, old, now);
    if deadline(d).is_none() {
        remove(&mut status, conditions::PROGRESSING);
    }
    let current = get(&d.status, conditions::PROGRESSING);
    let was_complete = status.replicas == status.updated_replicas
        && current.is_some_and(|c| c.reason.as_deref() == Some(reasons::NEW_REPLICA_SET_AVAILABLE));
    if deadline(d).is_some() && !was_complete {
        judge_progress(d, new, current, &mut status, now);
    }
    // Only one failure is shown, the new ReplicaSet's before those of old ones.
    let failure = new.into_iter().chain(old).find_map(|set| {
        let conditions = set.status.conditions.iter().flatten();
        conditions.clone().find(|c| c.type_ == conditions::REPLICA_FAILURE)
    });
    match failure {
        Some(c) => set(
            &mut status,
            DeploymentCondition {
                type_: c.type_.clone(),
                status: c.status.clone(),
                reason: c.reason.clone(),
                message: c.message.clone(),
                last_update_time: c.last_transition_time.clone(),
                last_transition_time: c.last_transition_time.clone(),
            },
        ),
        None => remove(&mut status, conditions::REPLICA_FAILURE),
    }
    status
}

fn judge_progress(
    d: &Deployment,
    new: Option<&Set>,
    current: Option<&DeploymentCondition>,
    status: &mut DeploymentStatus,
    now: SimTime,
) {
    let subject = match new {
        Some(set) => format!("ReplicaSet \"{}\"", set.meta.name),
        None => format!("Deployment \"{}\"", d.meta.name),
    };
    let progressing = |holds: &str, reason: &str, what: &str| {
        condition(conditions::PROGRESSING, holds, reason, format!("{subject} {what}"), now)
    };
    if is_complete(d, status) {
        let reason = reasons::NEW_REPLICA_SET_AVAILABLE;
        set(status, progressing("True", reason, "has successfully progressed."));
    } else if has_progressed(&d.status, status) {
        let mut new = progressing("True", reasons::REPLICA_SET_UPDATED, "is progressing.");
        // The update time tells when progress was last made, though reason and status stay.
        if let Some(current) = current {
            if current.status == "True" {
                new.last_transition_time.clone_from(&current.last_transition_time);
            }
            remove(status, conditions::PROGRESSING);
        }
        set(status, new);
    } else if has_timed_out(d, status, now) {
        let reason = reasons::PROGRESS_DEADLINE_EXCEEDED;
        set(status, progressing("False", reason, "has timed out progressing."));
    }
}

/// Whether all pods are new and available (`DeploymentComplete`).
pub fn is_complete(d: &Deployment, status: &DeploymentStatus) -> bool {
    let all = |n: Option<i32>| n.unwrap_or(0) == wanted(d);
    all(status.updated_replicas)
        && all(status.replicas)
        && all(status.available_replicas)
        && status.observed_generation.unwrap_or(0)
            >= i64::try_from(d.meta.generation).unwrap_or(i64::MAX)
}

/// Whether there is progress between two statuses (`DeploymentProgressing`).
fn has_progressed(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    let n = |n: Option<i32>| n.unwrap_or(0);
    let old = |s: &DeploymentStatus| n(s.replicas) - n(s.updated_replicas);
    n(after.updated_replicas) > n(before.updated_replicas)
        || old(after) < old(before)
        || n(after.ready_replicas) > n(before.ready_replicas)
        || n(after.available_replicas) > n(before.available_replicas)
}

/// Whether there has been no progress for too long (`DeploymentTimedOut`).
fn has_timed_out(d: &Deployment, status: &DeploymentStatus, now: SimTime) -> bool {
    let Some(deadline) = deadline(d) else { return false };
    let Some(current) = get(status, conditions::PROGRESSING) else { return false };
    match current.reason.as_deref() {
        Some(reasons::NEW_REPLICA_SET_AVAILABLE) => false,
        Some(reasons::PROGRESS_DEADLINE_EXCEEDED) => true,
        _ => current.last_update_time.as_ref().is_some_and(|t| sim_time(t) + deadline < now),
    }
}

/// `progressDeadlineSeconds`; `None` where there is no limit (`HasProgressDeadline`).
pub fn deadline(d: &Deployment) -> Option<Duration> {
    let seconds = d.spec.wire.progress_deadline_seconds.filter(|n| *n != i32::MAX)?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// When the progress has to be looked at again although nothing has happened
/// (`requeueStuckDeployment`).
pub fn next_check(d: &Deployment, status: &DeploymentStatus, now: SimTime) -> Option<SimTime> {
    let deadline = deadline(d)?;
    let current = get(&d.status, conditions::PROGRESSING)?;
    // A rollout that once was complete does not time out any more (`has_timed_out`): upstream looks again ten
    // times a second for as long as its pods are missing, and nothing can come of it.
    let settled = matches!(
        current.reason.as_deref(),
        Some(reasons::PROGRESS_DEADLINE_EXCEEDED | reasons::NEW_REPLICA_SET_AVAILABLE)
    );
    if is_complete(d, status) || settled {
        return None;
    }
    let due = sim_time(current.last_update_time.as_ref()?) + deadline;
    let second = Duration::from_secs(1);
    // Within the last second it is tried again and again, after the least back-off.
    Some(if due < now + second { now + Duration::from_millis(5) } else { due + second })
}

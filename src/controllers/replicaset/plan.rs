//! What a set's controller is to do: how many pods to make or delete, and what status to write.

use std::sync::Arc;
use std::time::Duration;

use super::kind::{State, Status};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Labels, Pod, wire, wire_time};
use crate::store::ApiError;

/// The most pods created or deleted in one sync (`BurstReplicas`).
pub const BURST_REPLICAS: u32 = 500;

/// The condition of a set whose pods cannot be created or deleted.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// What to do about the number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manage {
    /// It is right.
    Nothing,
    /// So many more.
    Create(u32),
    /// So many less.
    Delete(u32),
}

/// What to do about `active` pods where `wanted` are wanted (`manageReplicas`).
pub fn manage(active: usize, wanted: i32) -> Manage {
    let active = u32::try_from(active).unwrap_or(u32::MAX);
    let wanted = u32::try_from(wanted).unwrap_or(0);
    let difference = active.abs_diff(wanted).min(BURST_REPLICAS);
    match active.cmp(&wanted) {
        std::cmp::Ordering::Less => Manage::Create(difference),
        std::cmp::Ordering::Equal => Manage::Nothing,
        std::cmp::Ordering::Greater => Manage::Delete(difference),
    }
}

/// The status that shows these pods (`calculateStatus`). It equals the old one where nothing has to be
/// written.
pub fn status(
    state: &State<'_>,
    active: &[Arc<Pod>],
    terminating: i32,
    error: Option<&ApiError>,
    now: SimTime,
) -> Status {
    let count = |holds: &dyn Fn(&Pod) -> bool| {
        i32::try_from(active.iter().filter(|p| holds(p)).count()).unwrap_or(i32::MAX)
    };
    let template = &state.template.labels;
    let mut conditions = state.status.conditions.clone();
    let failed = conditions.iter().any(|c| c.type_ == REPLICA_FAILURE);
    match error {
        Some(error) if !failed => conditions.push(wire::apps::ReplicaSetCondition {
            type_: REPLICA_FAILURE.into(),
            status: "True".into(),
            last_transition_time: Some(wire_time(now)),
            reason: Some(
                match manage(active.len(), state.replicas) {
                    Manage::Create(_) => "FailedCreate",
                    Manage::Delete(_) => "FailedDelete",
                    Manage::Nothing => "",
                }
                .into(),
            ),
            message: Some(error.to_string()),
        }),
        None if failed => conditions.retain(|c| c.type_ != REPLICA_FAILURE),
        Some(_) | None => {}
    }
    Status {
        replicas: count(&|_| true),
        fully_labeled: count(&|p| holds_all(&p.meta.labels, template)),
        ready: count(&Pod::is_ready),
        available: count(&|p| p.is_available(state.min_ready_seconds, now)),
        terminating: state.counts_terminating.then_some(terminating),
        observed_generation: i64::try_from(state.meta.generation).unwrap_or(i64::MAX),
        conditions,
    }
}

/// When a ready pod will next become available (`FindMinNextPodAvailabilityCheck`), while some are not.
pub fn next_check(state: &State<'_>, active: &[Arc<Pod>], now: SimTime) -> Option<SimTime> {
    let min = Duration::from_secs(state.min_ready_seconds.into());
    if min.is_zero() || state.status.ready == state.status.available {
        return None;
    }
    let available_at = |p: &Arc<Pod>| p.ready_since().map(|t| t.trunc_secs() + min);
    Some(active.iter().filter_map(available_at).filter(|t| *t > now).min().unwrap_or(now + min))
}

/// What a set waits for, in words; `None` while all its pods are as wanted.
pub fn waits_for(state: &State<'_>, outstanding: Option<(u32, usize)>) -> Option<Str> {
    use smol_str::format_smolstr as text;
    let wanted = usize::try_from(state.replicas).unwrap_or(0);
    match outstanding {
        Some((created, _)) if created > 0 => {
            return Some(text!("news of {created} pods that it has created"));
        }
        Some((_, deleted)) if deleted > 0 => {
            return Some(text!("news of {deleted} pods that it has deleted"));
        }
        _ => {}
    }
    let (ready, available) = (state.status.ready, state.status.available);
    if ready < state.replicas {
        Some(text!("pods to be ready: {ready} of {wanted} are"))
    } else if available < state.replicas {
        let min = state.min_ready_seconds;
        Some(text!("pods to stay ready for {min} s: {available} of {wanted} have been"))
    } else {
        None
    }
}

fn holds_all(labels: &Labels, wanted: &Labels) -> bool {
    labels == wanted || wanted.iter().all(|(k, v)| labels.get(k) == Some(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_made_or_deleted_up_to_the_burst() {
        for (active, wanted, then) in [
            (0, 0, Manage::Nothing),
            (1, 3, Manage::Create(2)),
            (3, 1, Manage::Delete(2)),
            (0, 9999, Manage::Create(500)),
            (9999, 0, Manage::Delete(500)),
            (2, -1, Manage::Delete(2)),
        ] {
            assert_eq!(manage(active, wanted), then, "{active} of {wanted}");
        }
    }
}

//! The strategies: rolling, recreating, and following a change of size.
//!
//! Follows `pkg/controller/deployment/rolling.go`, `recreate.go` and the part `scale` of `sync.go`.

use super::numbers::{self, Set, active, available, max_unavailable, size, sum, wanted};
use super::status;
use super::sync::Rollout;
use crate::controllers::controller::Done;
use crate::controllers::script::Halt;
use crate::model::Uid;

impl Rollout<'_, '_> {
    /// `rolloutRolling`.
    pub(super) fn roll(&mut self, sets: &[Set]) -> Result<Done, Halt> {
        let (new, old) = self.new_and_old(sets, true)?;
        let Some(new) = new else { return Err(Halt::failed("there is no new ReplicaSet")) };
        if reconcile_new(self, &new, &old)? || reconcile_old(self, &new, &old)? {
            return self.write_rollout_status(Some(&new), &old);
        }
        if status::is_complete(&self.d, &self.d.status) {
            self.clean_up(&old)?;
        }
        self.write_rollout_status(Some(&new), &old)
    }

    /// `rolloutRecreate`.
    pub(super) fn recreate(&mut self, sets: &[Set], with_pods: &[Uid]) -> Result<Done, Halt> {
        let (mut new, mut old) = self.new_and_old(sets, false)?;
        let mut scaled = false;
        for set in active(&old) {
            scaled |= self.scale_set(&set, 0, false)?.0;
        }
        let others_run = sum(&old, |s| s.status.replicas) > 0
            || old.iter().any(|s| with_pods.contains(&s.meta.uid));
        if scaled || others_run {
            return self.write_rollout_status(new.as_ref(), &old);
        }
        if new.is_none() {
            (new, old) = self.new_and_old(sets, true)?;
        }
        let Some(new) = new else { return Err(Halt::failed("there is no new ReplicaSet")) };
        self.scale_set(&new, wanted(&self.d), false)?;
        if status::is_complete(&self.d, &self.d.status) {
            self.clean_up(&old)?;
        }
        self.write_rollout_status(Some(&new), &old)
    }
}

/// Gives the new ReplicaSet the size it may have; answers whether it changed
/// (`reconcileNewReplicaSet`).
pub(super) fn reconcile_new(
    at: &mut Rollout<'_, '_>,
    new: &Set,
    old: &[Set],
) -> Result<bool, Halt> {
    let wanted = wanted(&at.d);
    let next = match size(new).cmp(&wanted) {
        std::cmp::Ordering::Equal => return Ok(false),
        std::cmp::Ordering::Greater => wanted,
        std::cmp::Ordering::Less => {
            let all = old.iter().chain([new]);
            numbers::new_size(&at.d, all, size(new)).map_err(|e| Halt::failed(e.to_string()))?
        }
    };
    Ok(at.scale_set(new, next, false)?.0)
}

/// Scales old ReplicaSets down as far as availability allows; answers whether any was
/// (`reconcileOldReplicaSets`).
pub(super) fn reconcile_old(
    at: &mut Rollout<'_, '_>,
    new: &Set,
    old: &[Set],
) -> Result<bool, Halt> {
    let mut old_active = active(old);
    if old_active.is_empty() {
        return Ok(false);
    }
    let min_available = wanted(&at.d) - max_unavailable(&at.d);
    let new_unavailable = size(new) - available(new);
    let most = sum(old.iter().chain([new]), size) - min_available - new_unavailable;
    if most <= 0 {
        return Ok(false);
    }
    // A refusal ends the attempt without being an error: the sync goes on to the status.
    let cleaned = match clean_up_unhealthy(at, &mut old_active, most) {
        Err(Halt::Refused(_)) => return Ok(false),
        other => other?,
    };
    let scaled = match scale_down_old(at, &mut old_active, new, min_available) {
        Err(Halt::Refused(_)) => return Ok(false),
        other => other?,
    };
    Ok(cleaned + scaled > 0)
}

/// Takes pods that are not available from old ReplicaSets first (`cleanupUnhealthyReplicas`).
fn clean_up_unhealthy(at: &mut Rollout<'_, '_>, old: &mut [Set], most: i32) -> Result<i32, Halt> {
    old.sort_by_key(numbers::creation_key);
    let mut total = 0;
    for set in old {
        if total >= most {
            break;
        }
        if size(set) == 0 || size(set) == available(set) {
            continue;
        }
        let less = (most - total).min(size(set) - available(set));
        if less < 0 {
            return Err(Halt::failed("got invalid request to scale down"));
        }
        let next = size(set) - less;
        *set = at.scale_set(set, next, false)?.1;
        total += less;
    }
    Ok(total)
}

/// `scaleDownOldReplicaSetsForRollingUpdate`.
fn scale_down_old(
    at: &mut Rollout<'_, '_>,
    old: &mut [Set],
    new: &Set,
    min_available: i32,
) -> Result<i32, Halt> {
    let spare = sum(old.iter().chain([new]), available) - min_available;
    if spare <= 0 {
        return Ok(0);
    }
    old.sort_by_key(numbers::creation_key);
    let mut total = 0;
    for set in old.iter() {
        if total >= spare {
            break;
        }
        if size(set) == 0 {
            continue;
        }
        let less = size(set).min(spare - total);
        at.scale_set(set, size(set) - less, false)?;
        total += less;
    }
    Ok(total)
}

/// Follows a change of the Deployment's size (`scale`). `old` has the newest first.
pub(super) fn scale(at: &mut Rollout<'_, '_>, new: Option<&Set>, old: &[Set]) -> Result<(), Halt> {
    let wanted = wanted(&at.d);
    if let Some(only) = numbers::active_or_latest(new, old) {
        at.scale_set(&only, wanted, false)?;
        return Ok(());
    }
    if new.is_some_and(|new| numbers::is_saturated(&at.d, new)) {
        for set in active(old) {
            at.scale_set(&set, 0, false)?;
        }
        return Ok(());
    }
    if numbers::is_rolling(&at.d) {
        let all: Vec<Set> = old.iter().chain(new).cloned().collect();
        for (set, size) in numbers::proportional(&at.d, &all) {
            at.scale_set(&set, size, true)?;
        }
    }
    Ok(())
}

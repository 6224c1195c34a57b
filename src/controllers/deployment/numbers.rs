//! A rollout's arithmetic: how many pods there may be, how many each ReplicaSet shall have.
//!
//! Follows `pkg/controller/deployment/util/deployment_util.go`: `ResolveFenceposts`, `MaxSurge`,
//! `MaxUnavailable`, `NewRSNewReplicas`, `GetReplicaSetProportion`, `IsSaturated`.

use std::sync::Arc;

use super::annotations::{self, DESIRED_REPLICAS, MAX_REPLICAS};
use crate::controllers::scaled::{ScaleError, scaled};
use crate::model::{Deployment, ReplicaSet, wire};

/// A ReplicaSet, shared.
pub type Set = Arc<ReplicaSet>;

/// `spec.replicas` of a Deployment.
pub fn wanted(d: &Deployment) -> i32 {
    d.spec.wire.replicas.unwrap_or(1)
}

/// `spec.replicas` of a ReplicaSet.
pub fn size(set: &ReplicaSet) -> i32 {
    set.spec.wire.replicas.unwrap_or(1)
}

/// `status.availableReplicas` of a ReplicaSet.
pub fn available(set: &ReplicaSet) -> i32 {
    set.status.available_replicas.unwrap_or(0)
}

/// The sum of a number over ReplicaSets.
pub fn sum<'a>(sets: impl IntoIterator<Item = &'a Set>, of: impl Fn(&ReplicaSet) -> i32) -> i32 {
    sets.into_iter().map(|s| of(s)).fold(0, i32::wrapping_add)
}

/// The ReplicaSets that shall have pods (`FilterActiveReplicaSets`).
pub fn active(sets: &[Set]) -> Vec<Set> {
    sets.iter().filter(|s| size(s) > 0).cloned().collect()
}

/// Whether it rolls.
pub fn is_rolling(d: &Deployment) -> bool {
    strategy(d) == "RollingUpdate"
}

/// The strategy's type.
pub fn strategy(d: &Deployment) -> &str {
    let strategy = d.spec.wire.strategy.as_ref().and_then(|s| s.type_.as_deref());
    strategy.unwrap_or("RollingUpdate")
}

/// `maxSurge` and `maxUnavailable` as numbers, unavailable being 1 where both would be 0
/// (`ResolveFenceposts`).
///
/// # Errors
/// A text that is no percentage.
pub fn fenceposts(
    surge: Option<&wire::IntOrString>,
    unavailable: Option<&wire::IntOrString>,
    wanted: i32,
) -> Result<(i32, i32), ScaleError> {
    let surge = surge.map_or(Ok(0), |v| scaled(v, wanted, true))?;
    let unavailable = unavailable.map_or(Ok(0), |v| scaled(v, wanted, false))?;
    Ok((surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable }))
}

fn rolling(d: &Deployment) -> Option<&wire::apps::RollingUpdateDeployment> {
    d.spec.wire.strategy.as_ref().and_then(|s| s.rolling_update.as_ref())
}

fn resolved(d: &Deployment) -> (i32, i32) {
    let rolling = rolling(d);
    let surge = rolling.and_then(|r| r.max_surge.as_ref());
    let unavailable = rolling.and_then(|r| r.max_unavailable.as_ref());
    // Validation has refused what does not resolve; upstream takes zeros then.
    fenceposts(surge, unavailable, wanted(d)).unwrap_or((0, 0))
}

/// The pods there may be beyond the wanted ones (`MaxSurge`).
pub fn max_surge(d: &Deployment) -> i32 {
    if is_rolling(d) { resolved(d).0 } else { 0 }
}

/// The pods that may be missing (`MaxUnavailable`).
pub fn max_unavailable(d: &Deployment) -> i32 {
    if !is_rolling(d) || wanted(d) == 0 {
        return 0;
    }
    resolved(d).1.min(wanted(d))
}

/// The pods that must be available (`MinAvailable`).
pub fn min_available(d: &Deployment) -> i32 {
    if is_rolling(d) { wanted(d) - max_unavailable(d) } else { 0 }
}

/// The size that the new ReplicaSet may have now (`NewRSNewReplicas`); `all` are all ReplicaSets, the
/// new one among them.
///
/// # Errors
/// A `maxSurge` that is no percentage.
pub fn new_size<'a>(
    d: &Deployment,
    all: impl IntoIterator<Item = &'a Set>,
    new: i32,
) -> Result<i32, ScaleError> {
    if !is_rolling(d) {
        return Ok(wanted(d));
    }
    // Here a surge of 0 is not told apart from none.
    let surge = rolling(d).and_then(|r| r.max_surge.as_ref());
    let surge = surge.map_or(Ok(0), |v| scaled(v, wanted(d), true))?;
    let (now, most) = (sum(all, size), wanted(d).wrapping_add(surge));
    if now >= most {
        return Ok(new);
    }
    Ok(new + (most - now).min(wanted(d) - new))
}

/// How much of the `to_add` pods a ReplicaSet gets, `added` having been given away
/// (`GetReplicaSetProportion`).
pub fn proportion(d: &Deployment, set: &ReplicaSet, to_add: i32, added: i32) -> i32 {
    if size(set) == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let (share, allowed) = (fraction(d, set), to_add - added);
    if to_add > 0 { share.min(allowed) } else { share.max(allowed) }
}

/// The change that keeps a ReplicaSet's share of the whole (`getReplicaSetFraction`).
fn fraction(d: &Deployment, set: &ReplicaSet) -> i32 {
    if wanted(d) == 0 {
        return -size(set);
    }
    let most = wanted(d) + max_surge(d);
    let before = annotations::number(&set.meta.annotations, MAX_REPLICAS)
        .filter(|n| *n != 0)
        .or(d.status.replicas)
        .unwrap_or(0);
    if before == 0 {
        return 0;
    }
    // The product wraps at 32 bits, as upstream's.
    let new = round(i64::from(size(set).wrapping_mul(most)), i64::from(before));
    i32::try_from(new).unwrap_or(i32::MAX).wrapping_sub(size(set))
}

/// The quotient, rounded half away from zero (`integer.RoundToInt32`).
fn round(a: i64, b: i64) -> i64 {
    let (twice, both) = (2 * a.abs() + b.abs(), 2 * b.abs());
    (a.signum() * b.signum()) * (twice / both)
}

/// Whether a ReplicaSet has all the pods of the Deployment, available, and was sized for it
/// (`IsSaturated`).
pub fn is_saturated(d: &Deployment, set: &ReplicaSet) -> bool {
    let desired = set.meta.annotations.get(DESIRED_REPLICAS).and_then(|t| t.parse::<i32>().ok());
    size(set) == wanted(d) && desired == Some(wanted(d)) && available(set) == wanted(d)
}

/// The one ReplicaSet that a change of size goes to: the only active one, or the newest where none is
/// (`FindActiveOrLatest`).
pub fn active_or_latest(new: Option<&Set>, old: &[Set]) -> Option<Set> {
    let mut all: Vec<&Set> = old.iter().chain(new).filter(|s| size(s) > 0).collect();
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Some(only.clone()),
        (Some(_), false) => None,
        (None, _) => new.or_else(|| old.iter().max_by_key(|s| creation_key(s))).cloned(),
    }
}

/// What ReplicaSets are ordered by, the oldest first (`ReplicaSetsByCreationTimestamp`).
pub fn creation_key(set: &Set) -> (crate::base::time::SimTime, crate::base::Str) {
    (set.meta.created.trunc_secs(), set.meta.name.clone())
}

/// The sizes that keep each active ReplicaSet's share when the Deployment's size changes, in the order
/// in which they are written (`scale`).
pub fn proportional(d: &Deployment, sets: &[Set]) -> Vec<(Set, i32)> {
    let mut sets = active(sets);
    let allowed = if wanted(d) > 0 { wanted(d) + max_surge(d) } else { 0 };
    let to_add = allowed - sum(&sets, size);
    // From the larger to the smaller; of one size, the newer first when growing, the older first when
    // shrinking.
    sets.sort_by(|a, b| {
        let by_age = match to_add.cmp(&0) {
            std::cmp::Ordering::Greater => creation_key(b).cmp(&creation_key(a)),
            std::cmp::Ordering::Less => creation_key(a).cmp(&creation_key(b)),
            std::cmp::Ordering::Equal => return std::cmp::Ordering::Equal,
        };
        size(b).cmp(&size(a)).then(by_age)
    });
    let mut added = 0;
    let mut sizes: Vec<(Set, i32)> = Vec::with_capacity(sets.len());
    for set in sets {
        let share = proportion(d, &set, to_add, added);
        added += share;
        let new = size(&set) + share;
        sizes.push((set, new));
    }
    // What is left over goes to the largest.
    if let Some((_, largest)) = sizes.first_mut()
        && to_add != 0
    {
        *largest = (*largest + to_add - added).max(0);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_away_from_zero() {
        for (a, b, then) in [(5, 2, 3), (-5, 2, -3), (4, 3, 1), (-4, 3, -1), (0, 7, 0)] {
            assert_eq!(round(a, b), then, "{a}/{b}");
        }
    }

    #[test]
    fn one_pod_may_be_missing_where_neither_surge_nor_absence_would_be_allowed() {
        let percent = |n: &str| wire::IntOrString::String(n.into());
        for (surge, unavailable, wanted, then) in [
            ("0%", "1%", 2, (0, 1)),
            ("1%", "25%", 2, (1, 0)),
            ("25%", "25%", 10, (3, 2)),
            ("0%", "0%", 5, (0, 1)),
        ] {
            let both = fenceposts(Some(&percent(surge)), Some(&percent(unavailable)), wanted);
            assert_eq!(both, Ok(then), "{surge} {unavailable} {wanted}");
        }
    }
}

//! The annotations by which a Deployment and its ReplicaSets keep their revisions and sizes.
//!
//! Follows `pkg/controller/deployment/util/deployment_util.go`: `SetNewReplicaSetAnnotations`,
//! `SetReplicasAnnotations`, `Revision` and what is around them.

use crate::base::Str;
use crate::model::Labels;

/// The rollout's number.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// The numbers of earlier rollouts of the same template.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// `spec.replicas` of the Deployment when the ReplicaSet was sized.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// The same and `maxSurge`.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Asks for a rollback, as `spec.rollbackTo` of extensions/v1beta1 is kept.
pub const ROLLBACK_TO: &str = "deprecated.deployment.rollback.to";
/// What `kubectl apply` keeps.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The revision history is kept to this many characters (`maxRevHistoryLengthInChars`).
const HISTORY_LENGTH: usize = 2000;

/// Whether an annotation stays with its object (`annotationsToSkip`).
pub fn is_skipped(key: &str) -> bool {
    [LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO]
        .contains(&key)
}

/// The revision in these annotations: 0 where there is none, `None` where it is no number.
pub fn revision(annotations: &Labels) -> Option<i64> {
    annotations.get(REVISION).map_or(Some(0), |text| text.parse().ok())
}

/// The highest revision (`MaxRevision`); what is no number is passed over.
pub fn max_revision<'a>(all: impl Iterator<Item = &'a Labels>) -> i64 {
    all.filter_map(revision).max().unwrap_or(0).max(0)
}

/// The second highest revision (`LastRevision`).
pub fn last_revision<'a>(all: impl Iterator<Item = &'a Labels>) -> i64 {
    let (mut max, mut second) = (0, 0);
    for v in all.filter_map(revision) {
        if v >= max {
            (second, max) = (max, v);
        } else if v > second {
            second = v;
        }
    }
    second
}

/// A non-negative number in an annotation (`getNonNegativeInt32FromAnnotation`).
pub fn number(annotations: &Labels, key: &str) -> Option<i32> {
    let text = annotations.get(key)?;
    // A sign is not accepted.
    text.parse::<u32>().ok().filter(|_| !text.starts_with('+')).and_then(|n| i32::try_from(n).ok())
}

/// A ReplicaSet's annotations with the Deployment's size in them (`SetReplicasAnnotations`).
pub fn with_sizes(annotations: &Labels, desired: i32, max: i32) -> Labels {
    annotations.with(DESIRED_REPLICAS, desired.to_string()).with(MAX_REPLICAS, max.to_string())
}

/// A new ReplicaSet's annotations after those of its Deployment, with revision `new`
/// (`SetNewReplicaSetAnnotations`).
pub fn of_new_set(deployment: &Labels, set: &Labels, new: i64) -> Labels {
    let copied = deployment.iter().filter(|(k, _)| !is_skipped(k));
    let mut all = copied.fold(set.clone(), |all, (k, v)| all.with(k.clone(), v.clone()));
    let old = set.get(REVISION);
    let old_number = match old.map(Str::as_str) {
        None | Some("") => 0,
        Some(text) => match text.parse::<i64>() {
            Ok(n) => n,
            Err(_) => return all,
        },
    };
    if old_number >= new {
        return all;
    }
    all = all.with(REVISION, new.to_string());
    let Some(old) = old else { return all };
    // The set served an earlier rollout: that is remembered.
    let history = set.get(REVISION_HISTORY).map(Str::as_str).unwrap_or_default();
    match extended(history, old) {
        Some(history) => all.with(REVISION_HISTORY, history),
        None => all,
    }
}

/// The history with one number more, the oldest dropped where it would be too long.
fn extended(history: &str, old: &str) -> Option<String> {
    let numbers: Vec<&str> = history.split(',').collect();
    if numbers[0].is_empty() {
        return Some(old.to_owned());
    }
    let (mut length, mut start) = (history.len() + old.len() + 1, 0);
    while length > HISTORY_LENGTH && start < numbers.len() {
        length -= (numbers[start].len() + 1).min(length);
        start += 1;
    }
    (length <= HISTORY_LENGTH).then(|| {
        let kept = numbers[start..].iter().copied().chain([old]);
        kept.collect::<Vec<_>>().join(",")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_serves_again_remembers_its_earlier_revisions() {
        let deployment = Labels::from([("team", "a"), (REVISION, "2"), (LAST_APPLIED, "{}")]);
        let first = of_new_set(&deployment, &Labels::default(), 1);
        assert_eq!(first, Labels::from([("team", "a"), (REVISION, "1")]));
        let again = of_new_set(&deployment, &first, 3);
        assert_eq!(again, Labels::from([("team", "a"), (REVISION, "3"), (REVISION_HISTORY, "1")]));
        let third = of_new_set(&deployment, &again, 5);
        assert_eq!(third.get(REVISION_HISTORY).map(Str::as_str), Some("1,3"));
        assert_eq!(of_new_set(&deployment, &third, 5), third);
    }

    #[test]
    fn the_history_drops_its_oldest_numbers_when_it_is_long() {
        let long = vec!["123"; 500].join(",");
        let next = extended(&long, "99").unwrap();
        assert!(next.len() <= HISTORY_LENGTH && next.ends_with(",99"));
        assert_eq!(extended("", "1").as_deref(), Some("1"));
    }

    #[test]
    fn the_last_revision_is_the_second_highest() {
        let all: Vec<Labels> =
            ["3", "x", "7", "5"].iter().map(|r| Labels::from([(REVISION, *r)])).collect();
        assert_eq!((max_revision(all.iter()), last_revision(all.iter())), (7, 5));
    }
}

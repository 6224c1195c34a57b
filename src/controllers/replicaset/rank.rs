//! Which pods are deleted first when there are too many.
//!
//! Follows `pkg/controller/controller_utils.go`, `ActivePodsWithRanks.Less`. That is no total order: a
//! pod may come before a second and the second before a third that comes before the first, since ages
//! of one magnitude are told apart by uid where they differ and by what follows where they do not.
//! The sort here takes any answers; up to 12 pods are sorted by insertion, as Go sorts them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::base::time::SimTime;
use crate::controllers::pod_control::{max_restarts, phase_rank};
use crate::model::Pod;

/// The annotation that makes a pod dearer or cheaper to delete (`core.PodDeletionCost`).
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods to delete; `ranks` tells for each pod how many related ones share its node.
pub fn to_delete(pods: &[Arc<Pod>], ranks: &[u32], count: u32, now: SimTime) -> Vec<Arc<Pod>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count >= pods.len() {
        return pods.to_vec();
    }
    let mut ranked: Vec<(&Arc<Pod>, u32)> = pods.iter().zip(ranks.iter().copied()).collect();
    sort(&mut ranked, &|(a, x), (b, y)| first_deleted(a, *x, b, *y, Some(now)).is_lt());
    ranked.into_iter().take(count).map(|(p, _)| p.clone()).collect()
}

/// Sorts stably. Unlike the library's, it never objects to a `less` that is no order.
pub fn sort<T: Copy>(all: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    const BY_INSERTION: usize = 12;
    if all.len() <= BY_INSERTION {
        for end in 1..all.len() {
            let mut i = end;
            while i > 0 && less(&all[i], &all[i - 1]) {
                all.swap(i, i - 1);
                i -= 1;
            }
        }
        return;
    }
    let (left, right) = all.split_at_mut(all.len() / 2);
    sort(left, less);
    sort(right, less);
    let (left, right) = (left.to_vec(), right.to_vec());
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    for place in all {
        let from_right = match (l.peek(), r.peek()) {
            (Some(l), Some(r)) => less(r, l),
            (l, _) => l.is_none(),
        };
        let next = if from_right { r.next() } else { l.next() };
        *place = *next.expect("both halves together are as long as the whole");
    }
}

/// Which of two pods is deleted first, the lesser. Without `now`, times are compared exactly.
pub fn first_deleted(a: &Pod, rank_a: u32, b: &Pod, rank_b: u32, now: Option<SimTime>) -> Ordering {
    (a.node.is_some().cmp(&b.node.is_some()))
        .then_with(|| phase_rank(a.status.phase).cmp(&phase_rank(b.status.phase)))
        .then_with(|| a.is_ready().cmp(&b.is_ready()))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)))
        .then_with(|| rank_b.cmp(&rank_a))
        .then_with(|| match (a.ready_since(), b.ready_since()) {
            (Some(x), Some(y)) => younger(a, x, b, y, now),
            _ => Ordering::Equal,
        })
        .then_with(|| max_restarts(b).cmp(&max_restarts(a)))
        .then_with(|| younger(a, a.meta.created, b, b.meta.created, now))
}

/// The later time first, an absent one before all. Ages are compared by their magnitude, powers of
/// two of nanoseconds; where that is the same, the uid decides.
fn younger(a: &Pod, at_a: SimTime, b: &Pod, at_b: SimTime, now: Option<SimTime>) -> Ordering {
    let (at_a, at_b) = (at_a.trunc_secs(), at_b.trunc_secs());
    if at_a == at_b {
        return Ordering::Equal;
    }
    let absent = |at| at == SimTime::ZERO;
    if absent(at_a) || absent(at_b) {
        return absent(at_b).cmp(&absent(at_a));
    }
    let Some(now) = now else { return at_b.cmp(&at_a) };
    magnitude(at_a, now).cmp(&magnitude(at_b, now)).then_with(|| a.meta.uid.cmp(&b.meta.uid))
}

/// The whole part of the binary logarithm of an age; less than any for what is not past.
fn magnitude(at: SimTime, now: SimTime) -> Option<u32> {
    now.as_nanos().saturating_sub(at.as_nanos()).checked_ilog2()
}

/// The pod's deletion cost; 0 where none, or nonsense, is written
/// (`pkg/apis/core/helper`, `GetDeletionCostFromPodAnnotations`).
fn deletion_cost(pod: &Pod) -> i32 {
    let Some(text) = pod.meta.annotations.get(DELETION_COST) else { return 0 };
    // Neither a plus sign nor leading zeros are accepted.
    let well_begun = text == "0" || text.starts_with(|c| matches!(c, '-' | '1'..='9'));
    text.parse().ok().filter(|_| well_begun).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_keep_their_order_however_many_there_are() {
        for n in [0_u32, 1, 12, 13, 100, 257] {
            let mut all: Vec<(u32, u32)> = (0..n).map(|i| (i * 7919 % 10, i)).collect();
            let mut expected = all.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort(&mut all, &|a, b| a.0 < b.0);
            assert_eq!(all, expected, "{n}");
        }
    }

    #[test]
    fn answers_that_are_no_order_are_taken_as_they_come() {
        // Each of three comes before the next one, and the last before the first.
        let mut all: Vec<u32> = (0..200).map(|i| i * 31 % 101).collect();
        let mut expected = all.clone();
        sort(&mut all, &|a, b| (b + 3 - a % 3) % 3 == 1);
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected);
    }
}

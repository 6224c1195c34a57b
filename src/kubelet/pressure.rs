//! What runs uses of a node's memory, and what the agent does when that is too much.
//!
//! Follows `pkg/kubelet/eviction` for memory: when less than the hard threshold of 100Mi is free at a tick
//! of the eviction loop (10 s), the node is under pressure and one pod is evicted, chosen by whether it uses
//! more than it asked for, by priority, and by how much more it uses (`rankMemoryPressure`). The condition
//! goes five minutes after the pressure has. When nothing is free the kernel kills the container whose
//! `oom_score` is highest (`pkg/kubelet/qos/policy.go`).
//!
//! A program uses memory only where its pod's annotations say so; the total then changes evenly between
//! starts and ends, and the next tick that finds too much is computed. Left out: soft thresholds, and pressure
//! of process numbers, for which there is no threshold by default.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::node::Phases;
use super::runtime::Nth;
use super::text::binary_si;
use crate::base::time::SimTime;
use crate::container::behavior::Growth;
use crate::model::{Container, Pod, Qos, Uid};

/// So much must be free (`memory.available`); what pods may use of a node already leaves it out.
pub(super) const THRESHOLD: i64 = 100 << 20;
/// How long the condition outlasts the pressure (`evictionPressureTransitionPeriod`).
pub(super) const TRANSITION: Duration = Duration::from_secs(300);
/// Pods of at least this priority are critical: they are never evicted.
const CRITICAL: i32 = 2_000_000_000;

/// What one run of a container uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    since: SimTime,
    growth: Growth,
}

/// What the runs of a node use, as far as anybody tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    of: BTreeMap<(Uid, Nth), Use>,
    /// Runs have begun or ended since it was last looked at.
    pub(super) changed: bool,
}

impl Uses {
    /// A run begins.
    pub(super) fn begin(&mut self, pod: Uid, n: Nth, growth: Growth, now: SimTime) {
        self.of.insert((pod, n), Use { since: now, growth });
        self.changed = true;
    }

    /// A run has ended.
    pub(super) fn end(&mut self, pod: Uid, n: Nth) {
        self.changed |= self.of.remove(&(pod, n)).is_some();
    }

    /// What a container uses.
    pub(super) fn of(&self, pod: Uid, n: Nth, now: SimTime) -> i64 {
        self.of.get(&(pod, n)).map_or(0, |u| u.growth.at(now.since(u.since)))
    }

    /// How what a container uses grows, and since when.
    pub(super) fn growth_of(&self, pod: Uid, n: Nth) -> Option<(SimTime, Growth)> {
        self.of.get(&(pod, n)).map(|u| (u.since, u.growth))
    }

    /// What a pod uses.
    pub(super) fn of_pod(&self, pod: Uid, now: SimTime) -> i64 {
        let range = (pod, Nth(0))..=(pod, Nth(u16::MAX));
        let all = self.of.range(range).map(|(_, u)| u.growth.at(now.since(u.since)));
        all.fold(0, i64::saturating_add)
    }

    /// What all use.
    pub(super) fn total(&self, now: SimTime) -> i64 {
        let all = self.of.values().map(|u| u.growth.at(now.since(u.since)));
        all.fold(0, i64::saturating_add)
    }

    /// The first tick of the eviction loop from `now` on at which more than `allowed` is used, if no run
    /// begins or ends.
    pub(super) fn first_tick_over(
        &self,
        allowed: i64,
        phases: Phases,
        now: SimTime,
    ) -> Option<SimTime> {
        self.first_over(allowed, now).map(|at| phases.eviction_from(at))
    }

    /// When more than `allowed` is first used, to the millisecond.
    pub(super) fn first_over(&self, allowed: i64, now: SimTime) -> Option<SimTime> {
        let over = |ms: u64| self.total(now.saturating_add(Duration::from_millis(ms))) > allowed;
        if self.of.is_empty() || !over(FAR) {
            return None;
        }
        // What is used never shrinks while runs neither begin nor end.
        let (mut low, mut high) = (0, FAR);
        while low < high {
            let middle = low.midpoint(high);
            if over(middle) { high = middle } else { low = middle + 1 }
        }
        Some(now.saturating_add(Duration::from_millis(low)))
    }
}

/// So many milliseconds ahead pressure is looked for: ten years.
const FAR: u64 = 10 * 366 * 86_400_000;

/// The order in which pods are evicted; the least goes first.
pub(super) fn rank(pod: &Pod, used: i64) -> (bool, i32, i64) {
    let asked = pod.spec.requests.memory;
    (used <= asked, pod.spec.priority, asked.saturating_sub(used))
}

/// Whether a pod is never evicted.
pub(super) fn is_critical(pod: &Pod) -> bool {
    pod.spec.priority >= CRITICAL
}

/// Memory is counted in pages of so many bytes.
const PAGE: i64 = 4096;

/// What an evicted pod is told (`evictionMessage`).
pub(super) fn message<'a>(
    available: i64,
    containers: impl Iterator<Item = (&'a Container, i64)>,
) -> String {
    let available = binary_si(in_pages(available.max(0)));
    let used = containers.map(|(c, used)| (c.name.as_str(), used, c.requests.memory));
    low("memory", &binary_si(THRESHOLD), &available, used)
}

/// The same for any resource; containers with what they use and ask for.
pub(super) fn low<'a>(
    resource: &str,
    threshold: &str,
    available: &str,
    containers: impl Iterator<Item = (&'a str, i64, i64)>,
) -> String {
    let mut text = format!(
        "The node was low on resource: {resource}. Threshold quantity: {threshold}, available: {available}. "
    );
    for (name, used, asked) in containers.filter(|(_, used, asked)| used > asked) {
        let used = if resource == "memory" { in_pages(used) } else { used };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "Container {name} was using {}, request is {}, has larger consumption of {resource}. ",
            binary_si(used),
            binary_si(asked)
        );
    }
    text
}

fn in_pages(bytes: i64) -> i64 {
    bytes / PAGE * PAGE
}

/// How readily the kernel kills a container of a pod, in thousandths (`GetContainerOOMScoreAdjust` and the
/// share of the memory that it uses).
pub(super) fn oom_score(pod: &Pod, c: &Container, used: i64, capacity: i64) -> i64 {
    let share = |bytes: i64| i64::try_from(i128::from(bytes) * 1000 / i128::from(capacity.max(1)));
    let share = |bytes: i64| share(bytes).unwrap_or(1000);
    let adjusted = match pod.spec.qos {
        _ if is_critical(pod) => -997,
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => (1000 - share(c.requests.memory)).clamp(3, 999),
    };
    adjusted + share(used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::testing::pod_of;

    fn uses(all: &[&str]) -> Uses {
        let mut uses = Uses::default();
        for (i, text) in all.iter().enumerate() {
            let pod = Uid::from_random(u128::try_from(i).unwrap());
            uses.begin(pod, Nth(0), Growth::parse(text).unwrap(), SimTime::from_secs(100));
        }
        uses
    }

    #[test]
    fn the_time_of_too_much_is_computed() {
        let at = |all: &[&str], allowed: i64| {
            let at = uses(all).first_over(allowed << 20, SimTime::from_secs(100));
            at.map(|t| t.since(SimTime::from_secs(100)).as_millis())
        };
        assert_eq!(at(&["10Mi", "10Mi +1Mi/s"], 50), Some(30_001));
        assert_eq!(at(&["10Mi +1Mi/s", "10Mi +1Mi/s"], 50), Some(15_001));
        assert_eq!(at(&["60Mi"], 50), Some(0));
        assert_eq!(at(&["10Mi +1Mi/s max 50Mi"], 50), None);
        assert_eq!(at(&[], 0), None);
    }

    #[test]
    fn pods_that_use_more_than_they_asked_for_go_first_then_the_least_important() {
        let pod = |asked: i64, priority: i32| {
            let mut pod = pod_of("a");
            let mut spec = (*pod.spec).clone();
            (spec.requests.memory, spec.priority) = (asked, priority);
            pod.spec = spec.into();
            pod
        };
        let mut all = [
            ("modest", 100, 0, 50),
            ("greedy", 10, 0, 90),
            ("worse", 10, 0, 99),
            ("vital", 10, 9, 500),
        ];
        all.sort_by_key(|(_, asked, priority, used)| rank(&pod(*asked, *priority), *used));
        assert_eq!(all.map(|(name, ..)| name), ["worse", "greedy", "vital", "modest"]);
    }

    #[test]
    fn an_evicted_pod_is_told_which_containers_used_too_much() {
        let pod = pod_of("a b");
        let used = pod.spec.containers.iter().zip([(50 << 20) + 1, 0]);
        assert_eq!(
            message(1536 << 10, used),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 1536Ki. Container a \
             was using 50Mi, request is 0, has larger consumption of memory. "
        );
    }
}

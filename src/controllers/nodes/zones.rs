//! How fast nodes that are not ready may be emptied, zone by zone.
//!
//! Follows `pkg/controller/nodelifecycle`: `ComputeZoneState`, `handleDisruption`,
//! `setLimiterInZone`, and `scheduler/rate_limited_queue.go`. Nodes wait in their zone's queue for the
//! `NoExecute` taint; the queue's limit depends on how much of the zone, and of the cluster, is ill.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Node;

/// Time for one node at `--node-eviction-rate=0.1`.
const NORMAL: Duration = Duration::from_secs(10);
/// Time for one node at `--secondary-node-eviction-rate=0.01`.
const SECONDARY: Duration = Duration::from_secs(100);
/// `--large-cluster-size-threshold`: smaller zones that are partly ill are not emptied at all.
const LARGE: usize = 50;
/// `--unhealthy-zone-threshold=0.55`, in per cent.
const UNHEALTHY_PERCENT: usize = 55;

/// How ill a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum ZoneState {
    /// Not looked at yet.
    #[default]
    Initial,
    /// Most nodes are ready.
    Normal,
    /// No node is ready.
    FullDisruption,
    /// More than two nodes, and 55 % of all, are not ready.
    PartialDisruption,
}

impl ZoneState {
    /// `ComputeZoneState`.
    pub(super) fn of(ready: usize, not_ready: usize) -> Self {
        if ready == 0 && not_ready > 0 {
            Self::FullDisruption
        } else if not_ready > 2 && not_ready * 100 >= (ready + not_ready) * UNHEALTHY_PERCENT {
            Self::PartialDisruption
        } else {
            Self::Normal
        }
    }
}

/// All zones.
#[derive(Clone, Debug, Default)]
pub(super) struct Zones(BTreeMap<Str, Zone>);

#[derive(Clone, Debug)]
struct Zone {
    state: ZoneState,
    limiter: Limiter,
    waiting: VecDeque<Str>,
    /// Nodes that wait or have waited; these are not queued again.
    known: BTreeSet<Str>,
}

/// A token bucket that holds one token; without interval it never yields one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limiter {
    interval: Option<Duration>,
    next: SimTime,
}

impl Limiter {
    const fn new(interval: Option<Duration>) -> Self {
        Self { interval, next: SimTime::ZERO }
    }

    fn try_accept(&mut self, now: SimTime) -> bool {
        let Some(interval) = self.interval.filter(|_| self.next <= now) else { return false };
        self.next = now + interval;
        true
    }

    /// `SwapLimiter`: a limiter that was drained makes a drained one.
    fn swap(&mut self, interval: Option<Duration>, now: SimTime) {
        if self.interval == interval {
            return;
        }
        let mut new = Self::new(interval);
        if !self.try_accept(now) {
            new.try_accept(now);
        }
        *self = new;
    }
}

/// What a change of the zones' states means for all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disruption {
    /// Nothing.
    None,
    /// No node of the cluster is ready any more: no pods are driven away, all nodes lose the taints.
    Entered,
    /// Some node is ready again: all nodes count as heard of now.
    Left,
}

impl Zones {
    /// The zone of a node (`GetZoneKey`).
    pub(super) fn of(node: &Node) -> Str {
        let label = |beta: &str, stable: &str| {
            let labels = &node.meta.labels;
            labels.get(beta).or_else(|| labels.get(stable)).cloned().unwrap_or_default()
        };
        let zone = label("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone");
        let region =
            label("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region");
        if zone.is_empty() && region.is_empty() {
            return Str::default();
        }
        format!("{region}:{zone}").into()
    }

    /// A node is not ready and has no taint for it: it waits for one (`markNodeForTainting`).
    pub(super) fn await_taint(&mut self, zone: &Str, node: &Str) {
        let zone = self.zone(zone);
        zone.forget(node);
        zone.known.insert(node.clone());
        zone.waiting.push_back(node.clone());
    }

    /// A node is ready again.
    pub(super) fn forget(&mut self, zone: &Str, node: &Str) {
        self.zone(zone).forget(node);
    }

    /// The next node that may get its taint now; it then counts as done.
    pub(super) fn next(&mut self, now: SimTime) -> Option<Str> {
        for zone in self.0.values_mut() {
            if !zone.waiting.is_empty() && zone.limiter.try_accept(now) {
                return zone.waiting.pop_front();
            }
        }
        None
    }

    /// When the next node may get its taint; `None` while none waits or none may.
    pub(super) fn next_at(&self) -> Option<SimTime> {
        let waiting = self.0.values().filter(|z| !z.waiting.is_empty());
        waiting.filter(|z| z.limiter.interval.is_some()).map(|z| z.limiter.next).min()
    }

    /// Takes in how many nodes of each zone are ready and not ready (`handleDisruption`).
    pub(super) fn take_in(
        &mut self,
        counts: &BTreeMap<Str, (usize, usize)>,
        now: SimTime,
    ) -> Disruption {
        let new: BTreeMap<&Str, ZoneState> =
            counts.iter().map(|(k, (ready, ill))| (k, ZoneState::of(*ready, *ill))).collect();
        for zone in counts.keys() {
            self.zone(zone);
        }
        self.0.retain(|k, z| counts.contains_key(k) || !z.waiting.is_empty());
        let all = !counts.is_empty() && new.values().all(|s| *s == ZoneState::FullDisruption);
        let counted = self.0.iter().filter(|(k, _)| counts.contains_key(*k));
        let was = !counts.is_empty()
            && counted.into_iter().all(|(_, z)| z.state == ZoneState::FullDisruption);
        if all && was {
            return Disruption::None;
        }
        for (key, zone) in &mut self.0 {
            let Some(state) = new.get(key).copied() else { continue };
            if all {
                zone.limiter.swap(None, now);
            } else if was || state != zone.state {
                let size = counts.get(key).map_or(0, |(ready, ill)| ready + ill);
                zone.limiter.swap(interval(state, size), now);
            }
            zone.state = state;
        }
        match (all, was) {
            (true, _) => Disruption::Entered,
            (false, true) => Disruption::Left,
            (false, false) => Disruption::None,
        }
    }

    fn zone(&mut self, key: &Str) -> &mut Zone {
        self.0.entry(key.clone()).or_insert_with(|| Zone {
            state: ZoneState::Initial,
            limiter: Limiter::new(Some(NORMAL)),
            waiting: VecDeque::new(),
            known: BTreeSet::new(),
        })
    }
}

impl Zone {
    fn forget(&mut self, node: &Str) {
        if self.known.remove(node) {
            self.waiting.retain(|n| n != node);
        }
    }
}

/// `setLimiterInZone`.
const fn interval(state: ZoneState, size: usize) -> Option<Duration> {
    match state {
        ZoneState::PartialDisruption if size > LARGE => Some(SECONDARY),
        ZoneState::PartialDisruption => None,
        ZoneState::Initial | ZoneState::Normal | ZoneState::FullDisruption => Some(NORMAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime::from_secs(1000);

    fn counts(of: &[(&str, usize, usize)]) -> BTreeMap<Str, (usize, usize)> {
        of.iter().map(|(zone, ready, ill)| ((*zone).into(), (*ready, *ill))).collect()
    }

    #[test]
    fn a_zone_is_as_ill_as_its_nodes() {
        for (ready, ill, state) in [
            (3, 0, ZoneState::Normal),
            (1, 2, ZoneState::Normal),
            (0, 1, ZoneState::FullDisruption),
            (2, 3, ZoneState::PartialDisruption),
            (9, 11, ZoneState::PartialDisruption),
            (10, 12, ZoneState::Normal),
            (0, 0, ZoneState::Normal),
        ] {
            assert_eq!(ZoneState::of(ready, ill), state, "{ready} {ill}");
        }
    }

    #[test]
    fn one_node_in_ten_seconds_gets_its_taint() {
        let mut zones = Zones::default();
        let zone = Str::from("a");
        for node in ["n1", "n2"] {
            zones.await_taint(&zone, &node.into());
        }
        assert_eq!(zones.next(NOW).as_deref(), Some("n1"));
        assert_eq!((zones.next(NOW), zones.next_at()), (None, Some(NOW + NORMAL)));
        assert_eq!(zones.next(NOW + NORMAL).as_deref(), Some("n2"));
    }

    #[test]
    fn a_small_zone_that_is_partly_ill_is_not_emptied() {
        let mut zones = Zones::default();
        let zone = Str::from("a");
        assert_eq!(zones.take_in(&counts(&[("a", 2, 3)]), NOW), Disruption::None);
        zones.await_taint(&zone, &"n1".into());
        assert_eq!((zones.next(NOW), zones.next_at()), (None, None));
        zones.take_in(&counts(&[("a", 30, 40)]), NOW);
        assert_eq!(zones.next(NOW), None, "the state is as before, so is the limit");
        zones.take_in(&counts(&[("a", 70, 0)]), NOW);
        zones.take_in(&counts(&[("a", 30, 40)]), NOW);
        assert_eq!(zones.next_at(), Some(NOW + SECONDARY));
    }

    #[test]
    fn nothing_is_emptied_while_no_node_of_the_cluster_is_ready() {
        let mut zones = Zones::default();
        zones.take_in(&counts(&[("a", 2, 0), ("b", 1, 0)]), NOW);
        let ill = counts(&[("a", 0, 2), ("b", 0, 1)]);
        assert_eq!(zones.take_in(&ill, NOW), Disruption::Entered);
        assert_eq!(zones.take_in(&ill, NOW), Disruption::None);
        zones.await_taint(&"a".into(), &"n1".into());
        assert_eq!((zones.next(NOW), zones.next_at()), (None, None));
        assert_eq!(zones.take_in(&counts(&[("a", 0, 2), ("b", 1, 0)]), NOW), Disruption::Left);
        assert!(zones.next_at().is_some());
    }
}

//! The order in which nodes are looked at: zone by zone in turn.
//!
//! Follows `pkg/scheduler/backend/cache/node_tree.go`: per zone the node names in order of arrival; the
//! zones in order of first appearance; the list takes the first of every zone, then the second, and so
//! on. A zone that loses its last node leaves and comes back last.

use crate::base::Str;
use crate::model::Labels;

/// The nodes by zone.
#[derive(Clone, Debug, Default)]
pub struct NodeTree {
    zones: Vec<(ZoneKey, Vec<u32>)>,
    len: usize,
}

/// Region and zone; nodes with neither share one key.
pub type ZoneKey = (Str, Str);

/// The zone of a node with these labels: the beta labels win over today's
/// (`k8s.io/component-helpers/node/topology`, `GetZoneKey`).
pub fn zone_key(labels: &Labels) -> ZoneKey {
    let first = |old: &str, new: &str| {
        labels.get(old).or_else(|| labels.get(new)).cloned().unwrap_or_default()
    };
    (
        first("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
        first("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    )
}

impl NodeTree {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a node to its zone, at the end.
    pub fn add(&mut self, zone: ZoneKey, slot: u32) {
        match self.zones.iter_mut().find(|(key, _)| *key == zone) {
            Some((_, nodes)) if nodes.contains(&slot) => return,
            Some((_, nodes)) => nodes.push(slot),
            None => self.zones.push((zone, vec![slot])),
        }
        self.len += 1;
    }

    /// Removes a node from its zone.
    pub fn remove(&mut self, zone: &ZoneKey, slot: u32) {
        let Some(z) = self.zones.iter().position(|(key, _)| key == zone) else { return };
        let Some(i) = self.zones[z].1.iter().position(|s| *s == slot) else { return };
        self.zones[z].1.remove(i);
        self.len -= 1;
        if self.zones[z].1.is_empty() {
            self.zones.remove(z);
        }
    }

    /// All nodes, in the order in which they are looked at.
    pub fn list(&self) -> Vec<u32> {
        let mut out = Vec::with_capacity(self.len);
        let mut round = 0;
        while out.len() < self.len {
            out.extend(self.zones.iter().filter_map(|(_, nodes)| nodes.get(round)));
            round += 1;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> ZoneKey {
        (Str::default(), name.into())
    }

    #[test]
    fn zones_take_turns_and_exhausted_ones_are_passed_over() {
        let mut tree = NodeTree::default();
        for (z, slot) in [("a", 0), ("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            tree.add(zone(z), slot);
        }
        assert_eq!(tree.list(), [0, 2, 4, 1, 3]);
    }

    #[test]
    fn a_zone_that_was_empty_comes_back_last() {
        let mut tree = NodeTree::default();
        for (z, slot) in [("a", 0), ("b", 1)] {
            tree.add(zone(z), slot);
        }
        tree.remove(&zone("a"), 0);
        tree.add(zone("a"), 0);
        assert_eq!((tree.list(), tree.len()), (vec![1, 0], 2));
    }

    #[test]
    fn the_beta_labels_win() {
        let labels = Labels::from([
            ("failure-domain.beta.kubernetes.io/zone", "old"),
            ("topology.kubernetes.io/zone", "new"),
            ("topology.kubernetes.io/region", "r"),
        ]);
        assert_eq!(zone_key(&labels), ("r".into(), "old".into()));
    }
}

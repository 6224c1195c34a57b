//! Expectations: what a controller has asked for and not yet heard of.
//!
//! Follows `pkg/controller/controller_utils.go`, `ControllerExpectations` and
//! `UIDTrackingControllerExpectations`: while creations or deletions are outstanding, a key is not
//! synced for its replicas; what is not heard of within five minutes is given up.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Duration;

use crate::base::Map;
use crate::base::time::SimTime;
use crate::model::Uid;

/// How long an expectation holds (`controller.ExpectationsTimeout`).
const TIMEOUT: Duration = Duration::from_secs(300);

/// Expectations per key.
#[derive(Clone, Debug)]
pub struct Expectations<K> {
    keys: Map<K, Expected>,
}

#[derive(Clone, Debug)]
struct Expected {
    creations: u32,
    deletions: BTreeSet<Uid>,
    since: SimTime,
}

impl<K> Default for Expectations<K> {
    fn default() -> Self {
        Self { keys: Map::default() }
    }
}

impl<K: Clone + Eq + Hash> Expectations<K> {
    /// Expects so many creations for the key, beside what it expects already.
    pub fn expect_creations(&mut self, key: &K, count: u32, now: SimTime) {
        let e = self.entry(key, now);
        e.creations += count;
        e.since = now;
    }

    /// Expects these deletions for the key, beside what it expects already.
    pub fn expect_deletions(&mut self, key: &K, uids: impl IntoIterator<Item = Uid>, now: SimTime) {
        let e = self.entry(key, now);
        e.deletions.extend(uids);
        e.since = now;
    }

    /// A creation was heard of, or failed.
    pub fn created(&mut self, key: &K) {
        if let Some(e) = self.keys.get_mut(key) {
            e.creations = e.creations.saturating_sub(1);
        }
        self.settle(key);
    }

    /// A deletion was heard of, or failed.
    pub fn deleted(&mut self, key: &K, uid: Uid) {
        if let Some(e) = self.keys.get_mut(key) {
            e.deletions.remove(&uid);
        }
        self.settle(key);
    }

    /// Whether nothing is outstanding for the key, or it has been for too long.
    pub fn satisfied(&self, key: &K, now: SimTime) -> bool {
        self.keys.get(key).is_none_or(|e| {
            e.creations == 0 && e.deletions.is_empty() || now.since(e.since) > TIMEOUT
        })
    }

    /// How many creations and deletions are outstanding for the key; `None` where nothing is.
    pub fn outstanding(&self, key: &K) -> Option<(u32, usize)> {
        self.keys.get(key).map(|e| (e.creations, e.deletions.len()))
    }

    /// Forgets the key.
    pub fn forget(&mut self, key: &K) {
        self.keys.remove(key);
    }

    fn entry(&mut self, key: &K, now: SimTime) -> &mut Expected {
        let new = || Expected { creations: 0, deletions: BTreeSet::new(), since: now };
        let entry = self.keys.entry(key.clone()).or_insert_with(new);
        if now.since(entry.since) > TIMEOUT {
            // What was given up is not waited for again.
            *entry = new();
        }
        entry
    }

    fn settle(&mut self, key: &K) {
        if self.keys.get(key).is_some_and(|e| e.creations == 0 && e.deletions.is_empty()) {
            self.keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expecting_nothing_is_satisfied_at_once() {
        let mut e = Expectations::default();
        let now = SimTime::from_secs(1);
        e.expect_creations(&"a", 0, now);
        e.expect_deletions(&"a", [], now);
        assert!(e.satisfied(&"a", now));
    }

    #[test]
    fn a_key_is_satisfied_once_all_was_heard_of_or_after_five_minutes() {
        let mut e = Expectations::default();
        let at = SimTime::from_secs;
        e.expect_creations(&"a", 2, at(0));
        e.created(&"a");
        assert!(!e.satisfied(&"a", at(1)));
        assert!(e.satisfied(&"a", at(301)));
        e.created(&"a");
        assert!(e.satisfied(&"a", at(1)));
        let uid = Uid::from_random(1);
        e.expect_deletions(&"a", [uid], at(2));
        assert!(!e.satisfied(&"a", at(2)));
        e.deleted(&"a", uid);
        assert!(e.satisfied(&"a", at(2)));
    }
}

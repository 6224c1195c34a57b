//! A work queue of keys: without duplicates, with delays and with a back-off per key.
//!
//! Follows `k8s.io/client-go/util/workqueue`: a key that is being worked on and is added again waits
//! until it is done; a delayed key is added when its time has come, the earlier time winning; failures
//! are counted per key until it is forgotten.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::trace::FactId;

/// A queue of keys of type `K`.
#[derive(Clone, Debug)]
pub struct WorkQueue<K> {
    ready: VecDeque<K>,
    /// Keys that are in `ready` or shall be again once done, with the fact that asked for them.
    dirty: BTreeMap<K, FactId>,
    working: BTreeSet<K>,
    delayed: BTreeSet<(SimTime, K)>,
    delayed_at: BTreeMap<K, (SimTime, FactId)>,
    failures: BTreeMap<K, u32>,
    backoff: Backoff,
}

impl<K: Clone + Ord> WorkQueue<K> {
    /// An empty queue. The controllers' default back-off is 5 ms doubling to 1000 s
    /// (`workqueue.DefaultTypedControllerRateLimiter`).
    pub fn new() -> Self {
        Self::with_backoff(Backoff {
            first: Duration::from_millis(5),
            limit: Duration::from_secs(1000),
        })
    }

    /// An empty queue with a back-off of its own.
    pub fn with_backoff(backoff: Backoff) -> Self {
        Self {
            ready: VecDeque::new(),
            dirty: BTreeMap::new(),
            working: BTreeSet::new(),
            delayed: BTreeSet::new(),
            delayed_at: BTreeMap::new(),
            failures: BTreeMap::new(),
            backoff,
        }
    }

    /// Adds a key, because of `cause`. A key that waits already keeps its place and takes the new cause.
    pub fn add(&mut self, key: K, cause: FactId) {
        if self.dirty.insert(key.clone(), cause).is_none() && !self.working.contains(&key) {
            self.ready.push_back(key);
        }
    }

    /// Adds a key at `at`, unless it is to be added earlier anyway.
    pub fn add_at(&mut self, at: SimTime, key: K, cause: FactId) {
        if let Some((old, _)) = self.delayed_at.get(&key) {
            if *old <= at {
                return;
            }
            self.delayed.remove(&(*old, key.clone()));
        }
        self.delayed_at.insert(key.clone(), (at, cause));
        self.delayed.insert((at, key));
    }

    /// Adds a key after the back-off for one failure more, and tells when that will be.
    pub fn add_rate_limited(&mut self, now: SimTime, key: K, cause: FactId) -> SimTime {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        *failures += 1;
        let at = now + self.backoff.delay(*failures);
        self.add_at(at, key, cause);
        at
    }

    /// How often the key has failed since it was last forgotten.
    pub fn failures(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or(0)
    }

    /// Forgets the key's failures.
    pub fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// Moves the delayed keys whose time has come into the queue.
    pub fn promote(&mut self, now: SimTime) {
        while let Some((at, _)) = self.delayed.first()
            && *at <= now
        {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            let cause = self.delayed_at.remove(&key).map_or(FactId::NONE, |(_, cause)| cause);
            self.add(key, cause);
        }
    }

    /// Takes the next key to work on, with the fact that asked for it. [`WorkQueue::done`] must follow.
    pub fn take(&mut self) -> Option<(K, FactId)> {
        let key = self.ready.pop_front()?;
        let cause = self.dirty.remove(&key).unwrap_or_default();
        self.working.insert(key.clone());
        Some((key, cause))
    }

    /// The key is done; it goes to the end of the queue if it was added meanwhile.
    pub fn done(&mut self, key: &K) {
        self.working.remove(key);
        if self.dirty.contains_key(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// Whether a key can be taken now.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next delayed key is due.
    pub fn next_delayed(&self) -> Option<SimTime> {
        self.delayed.first().map(|(at, _)| *at)
    }

    /// How many keys are being worked on.
    pub fn working(&self) -> usize {
        self.working.len()
    }
}

impl<K: Clone + Ord> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_added_while_it_is_worked_on_comes_once_more() {
        let mut q = WorkQueue::new();
        q.add("a", FactId(1));
        q.add("a", FactId(2));
        assert_eq!(q.take(), Some(("a", FactId(2))));
        q.add("a", FactId(3));
        assert_eq!(q.take(), None);
        q.done(&"a");
        assert_eq!(q.take(), Some(("a", FactId(3))));
        q.done(&"a");
        assert_eq!(q.take(), None);
    }

    #[test]
    fn the_earlier_of_two_delays_wins() {
        let mut q = WorkQueue::new();
        let at = SimTime::from_secs;
        q.add_at(at(9), "a", FactId(1));
        q.add_at(at(5), "a", FactId(2));
        q.add_at(at(7), "a", FactId(3));
        assert_eq!(q.next_delayed(), Some(at(5)));
        q.promote(at(5));
        assert_eq!((q.take(), q.next_delayed()), (Some(("a", FactId(2))), None));
    }

    #[test]
    fn failures_double_the_delay_until_they_are_forgotten() {
        let mut q = WorkQueue::new();
        let now = SimTime::from_secs(1);
        let ms = |q: &mut WorkQueue<&str>| {
            let at = q.add_rate_limited(now, "a", FactId::NONE);
            q.promote(SimTime::MAX);
            let _ = q.take();
            q.done(&"a");
            at.since(now).as_millis()
        };
        assert_eq!([ms(&mut q), ms(&mut q), ms(&mut q)], [5, 10, 20]);
        q.forget(&"a");
        assert_eq!(ms(&mut q), 5);
    }
}

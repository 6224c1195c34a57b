//! A work queue of keys: without duplicates, with delays and with a back-off per key.
//!
//! Follows `k8s.io/client-go/util/workqueue`: a key that is being worked on and is added again waits
//! until it is done; a delayed key is added when its time has come, the earlier time winning; failures
//! are counted per key until it is forgotten.

use std::collections::{BTreeSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use crate::base::Map;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::trace::FactId;

/// A queue of keys of type `K`.
#[derive(Clone, Debug)]
pub struct WorkQueue<K> {
    ready: VecDeque<K>,
    delayed: BTreeSet<(SimTime, K)>,
    /// What is known of each key that is neither forgotten nor at rest.
    keys: Map<K, State>,
    /// How many keys are being worked on.
    working: usize,
    backoff: Backoff,
}

/// What is known of a key, in one place: the queue is asked several things for each sync.
#[derive(Clone, Debug, Default)]
struct State {
    /// Set where the key is in `ready` or shall be again once done: the fact that asked for it.
    dirty: Option<FactId>,
    working: bool,
    /// When it is to be added, and the fact that asked for that.
    delayed: Option<(SimTime, FactId)>,
    failures: u32,
}

impl State {
    fn is_at_rest(&self) -> bool {
        self.dirty.is_none() && !self.working && self.delayed.is_none() && self.failures == 0
    }
}

impl<K: Clone + Ord + Hash> WorkQueue<K> {
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
            delayed: BTreeSet::new(),
            keys: Map::default(),
            working: 0,
            backoff,
        }
    }

    /// Adds a key, because of `cause`. A key that waits already keeps its place and takes the new cause.
    pub fn add(&mut self, key: K, cause: FactId) {
        let Some(state) = self.keys.get_mut(&key) else {
            self.keys.insert(key.clone(), State { dirty: Some(cause), ..State::default() });
            return self.ready.push_back(key);
        };
        if state.dirty.replace(cause).is_none() && !state.working {
            self.ready.push_back(key);
        }
    }

    /// Adds a key at `at`, unless it is to be added earlier anyway.
    pub fn add_at(&mut self, at: SimTime, key: K, cause: FactId) {
        let state = self.keys.entry(key.clone()).or_default();
        if let Some((old, _)) = state.delayed {
            if old <= at {
                return;
            }
            state.delayed = Some((at, cause));
            self.delayed.remove(&(old, key.clone()));
        } else {
            state.delayed = Some((at, cause));
        }
        self.delayed.insert((at, key));
    }

    /// Adds a key after the back-off for one failure more, and tells when that will be.
    pub fn add_rate_limited(&mut self, now: SimTime, key: K, cause: FactId) -> SimTime {
        let state = self.keys.entry(key.clone()).or_default();
        state.failures += 1;
        let failures = state.failures;
        let at = now + self.backoff.delay(failures);
        self.add_at(at, key, cause);
        at
    }

    /// Moves the delayed keys whose time has come into the queue.
    pub fn promote(&mut self, now: SimTime) {
        while let Some((at, _)) = self.delayed.first()
            && *at <= now
        {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            let delayed = self.keys.get_mut(&key).and_then(|state| state.delayed.take());
            self.add(key, delayed.map_or(FactId::NONE, |(_, cause)| cause));
        }
    }

    /// Takes the next key to work on, with the fact that asked for it and how often it has failed since it
    /// was last forgotten. [`WorkQueue::done`] or [`WorkQueue::done_well`] must follow.
    pub fn take(&mut self) -> Option<(K, FactId, u32)> {
        let key = self.ready.pop_front()?;
        let state = self.keys.get_mut(&key)?;
        let cause = state.dirty.take().unwrap_or_default();
        self.working += usize::from(!state.working);
        state.working = true;
        Some((key, cause, state.failures))
    }

    /// The key is done; it goes to the end of the queue if it was added meanwhile.
    pub fn done(&mut self, key: &K) {
        self.done_after(key, |_| {});
    }

    /// The same, and its failures are forgotten.
    pub fn done_well(&mut self, key: &K) {
        self.done_after(key, |state| state.failures = 0);
    }

    fn done_after(&mut self, key: &K, change: impl FnOnce(&mut State)) {
        let Some(state) = self.keys.get_mut(key) else { return };
        change(state);
        self.working -= usize::from(state.working);
        state.working = false;
        if state.dirty.is_some() {
            self.ready.push_back(key.clone());
        } else if state.is_at_rest() {
            self.keys.remove(key);
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
        self.working
    }
}

impl<K: Clone + Ord + Hash> Default for WorkQueue<K> {
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
        assert_eq!(q.take(), Some(("a", FactId(2), 0)));
        q.add("a", FactId(3));
        assert_eq!(q.take(), None);
        q.done(&"a");
        assert_eq!(q.take(), Some(("a", FactId(3), 0)));
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
        assert_eq!((q.take(), q.next_delayed()), (Some(("a", FactId(2), 0)), None));
    }

    #[test]
    fn nothing_is_kept_of_a_key_at_rest() {
        let mut q = WorkQueue::new();
        q.add("a", FactId(1));
        q.add_rate_limited(SimTime::ZERO, "a", FactId(2));
        assert_eq!(q.take(), Some(("a", FactId(1), 1)));
        q.done(&"a");
        q.promote(SimTime::MAX);
        assert_eq!((q.take(), q.working()), (Some(("a", FactId(2), 1)), 1));
        q.done_well(&"a");
        assert!(q.keys.is_empty() && q.working() == 0);
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
        q.add("a", FactId::NONE);
        let _ = q.take();
        q.done_well(&"a");
        assert_eq!(ms(&mut q), 5);
    }
}

//! The event queue: ordered by time, then tie, then the order of insertion.
//!
//! Most events are for the instant being handled or shortly after it. Those of the very instant take a
//! first-in-first-out lane beside the heap; the order is the same as if all went through the heap.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::base::digest::mix;
use crate::base::time::SimTime;

/// A queue of things to happen.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Pending<E>>,
    lane: VecDeque<(u64, E)>,
    lane_at: SimTime,
    seq: u64,
    shuffle: Option<u64>,
}

#[derive(Clone, Debug)]
struct Pending<E> {
    at: SimTime,
    tie: u64,
    seq: u64,
    event: E,
}

impl<E> PartialEq for Pending<E> {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl<E> Eq for Pending<E> {}

impl<E> PartialOrd for Pending<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Pending<E> {
    /// The reverse of the order of happening: the heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.tie, other.seq).cmp(&(self.at, self.tie, self.seq))
    }
}

impl<E> Queue<E> {
    /// An empty queue. With `shuffle`, simultaneous events happen in an order drawn from that seed
    /// instead of the order of insertion: every such order is legal.
    pub fn new(shuffle: Option<u64>) -> Self {
        Self {
            heap: BinaryHeap::new(),
            lane: VecDeque::new(),
            lane_at: SimTime::ZERO,
            seq: 0,
            shuffle,
        }
    }

    /// Adds an event for `at`.
    pub fn push(&mut self, at: SimTime, event: E) {
        self.seq += 1;
        let seq = self.seq;
        match self.shuffle {
            None if at == self.lane_at => self.lane.push_back((seq, event)),
            None => self.heap.push(Pending { at, tie: 0, seq, event }),
            Some(seed) => {
                let tie = mix(seed ^ mix(seq));
                self.heap.push(Pending { at, tie, seq, event });
            }
        }
    }

    /// Takes the next event, if it is due at `limit` or before.
    pub fn pop_until(&mut self, limit: SimTime) -> Option<(SimTime, E)> {
        let in_heap = self.heap.peek().map(|p| (p.at, p.seq));
        if let Some((seq, _)) = self.lane.front() {
            // What was inserted for this instant before the instant began is older than the lane.
            let heap_first = in_heap.is_some_and(|h| h < (self.lane_at, *seq));
            if !heap_first {
                if self.lane_at > limit {
                    return None;
                }
                return self.lane.pop_front().map(|(_, event)| (self.lane_at, event));
            }
        }
        let (at, _) = in_heap?;
        if at > limit {
            return None;
        }
        if self.lane.is_empty() {
            self.lane_at = at;
        }
        self.heap.pop().map(|p| (p.at, p.event))
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<SimTime> {
        let lane = (!self.lane.is_empty()).then_some(self.lane_at);
        match (lane, self.heap.peek().map(|p| p.at)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.heap.len() + self.lane.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(q: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| q.pop_until(SimTime::MAX).map(|(_, e)| e)).collect()
    }

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_insertion() {
        let mut q = Queue::new(None);
        for (at, e) in [(2, 1), (1, 2), (2, 3), (1, 4)] {
            q.push(SimTime::from_secs(at), e);
        }
        assert_eq!(q.pop_until(SimTime::ZERO), None);
        assert_eq!(q.pop_until(SimTime::from_secs(1)).map(|p| p.1), Some(2));
        q.push(SimTime::from_secs(1), 5); // the same instant: after what was there before
        q.push(SimTime::from_secs(2), 6);
        assert_eq!(drain(&mut q), [4, 5, 1, 3, 6]);
    }

    #[test]
    fn shuffled_ties_are_another_order_of_the_same_events_and_reproducible() {
        let run = |shuffle| {
            let mut q = Queue::new(shuffle);
            for e in 0..50 {
                q.push(SimTime::from_secs(1), e);
            }
            drain(&mut q)
        };
        assert_eq!(run(Some(3)), run(Some(3)));
        assert_ne!(run(Some(3)), run(None));
        let mut sorted = run(Some(3));
        sorted.sort_unstable();
        assert_eq!(sorted, run(None));
    }
}

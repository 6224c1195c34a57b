//! The event queue: ordered by time, then tie, then the order of insertion.
//!
//! Most events come a known delay after the one being handled: at the same instant, or once a request, a
//! reply or news has travelled. As time does not go back, those of one delay are inserted in the order in
//! which they are due, and wait in a first-in-first-out lane beside the heap. The order of events is the same
//! as if all went through the heap.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use smallvec::SmallVec;

use crate::base::digest::mix;
use crate::base::time::SimTime;

/// A queue of things to happen.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Pending<E>>,
    lanes: SmallVec<[Lane<E>; 4]>,
    /// When the event was due that was taken last.
    now: SimTime,
    seq: u64,
    shuffle: Option<u64>,
}

/// Events that were inserted for so long after the one that was handled.
#[derive(Clone, Debug)]
struct Lane<E> {
    /// In nanoseconds.
    delay: u64,
    events: VecDeque<(SimTime, u64, E)>,
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
    /// instead of the order of insertion: every such order is legal. `usual` are the delays that many
    /// events have; they make no difference but to speed.
    pub fn new(shuffle: Option<u64>, usual: &[Duration]) -> Self {
        let mut lanes: SmallVec<[Lane<E>; 4]> = SmallVec::new();
        for delay in [Duration::ZERO].iter().chain(usual) {
            let delay = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            if lanes.iter().all(|lane| lane.delay != delay) {
                lanes.push(Lane { delay, events: VecDeque::new() });
            }
        }
        Self { heap: BinaryHeap::new(), lanes, now: SimTime::ZERO, seq: 0, shuffle }
    }

    /// Adds an event for `at`.
    pub fn push(&mut self, at: SimTime, event: E) {
        self.seq += 1;
        let seq = self.seq;
        if let Some(seed) = self.shuffle {
            let tie = mix(seed ^ mix(seq));
            return self.heap.push(Pending { at, tie, seq, event });
        }
        let after = at.as_nanos().checked_sub(self.now.as_nanos());
        match self.lanes.iter_mut().find(|lane| Some(lane.delay) == after) {
            Some(lane) => lane.events.push_back((at, seq, event)),
            None => self.heap.push(Pending { at, tie: 0, seq, event }),
        }
    }

    /// Takes the next event, if it is due at `limit` or before.
    pub fn pop_until(&mut self, limit: SimTime) -> Option<(SimTime, E)> {
        let (at, lane) = self.first()?;
        if at > limit {
            return None;
        }
        self.now = at;
        match lane {
            Some(lane) => self.lanes[lane].events.pop_front().map(|(at, _, event)| (at, event)),
            None => self.heap.pop().map(|p| (p.at, p.event)),
        }
    }

    /// When the next event is due, and the lane that it waits in; none for the heap.
    fn first(&self) -> Option<(SimTime, Option<usize>)> {
        // Lanes are in use only where all ties are equal.
        let mut first = self.heap.peek().map(|p| (p.at, p.seq, None));
        for (i, lane) in self.lanes.iter().enumerate() {
            if let Some((at, seq, _)) = lane.events.front()
                && first.is_none_or(|(least, before, _)| (*at, *seq) < (least, before))
            {
                first = Some((*at, *seq, Some(i)));
            }
        }
        first.map(|(at, _, lane)| (at, lane))
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<SimTime> {
        self.first().map(|(at, _)| at)
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.heap.len() + self.lanes.iter().map(|lane| lane.events.len()).sum::<usize>()
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
        let mut q = Queue::new(None, &[]);
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
            let mut q = Queue::new(shuffle, &[]);
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

    #[test]
    fn lanes_of_usual_delays_change_nothing_of_the_order() {
        let delays = [0, 1, 2, 4].map(Duration::from_millis);
        let mut stream = crate::base::rng::Rng::new(5).stream("queue", "");
        let (mut with, mut without) = (Queue::new(None, &delays[1..]), Queue::new(None, &[]));
        let mut now = SimTime::from_secs(1);
        for event in 0..5000_u32 {
            let word = stream.word();
            let delay = delays.get((word % 6) as usize).copied();
            let at = now + delay.unwrap_or(Duration::from_micros(word >> 8 & 0xfff));
            with.push(at, event);
            without.push(at, event);
            if word >> 32 & 1 == 0 {
                let (one, other) = (with.pop_until(SimTime::MAX), without.pop_until(SimTime::MAX));
                assert_eq!(one, other);
                now = one.map_or(now, |(at, _)| at);
            }
        }
        assert_eq!(with.len(), without.len());
        assert_eq!(drain(&mut with), drain(&mut without));
    }
}

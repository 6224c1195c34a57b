//! The bare engine: how many events a second pass through queue, digest and dispatch.
//!
//! `cargo bench --bench engine`. One item is one event: popped, folded into the digest, handled by a
//! component that schedules its next wake. With 5,000 and with 150,000 events pending: a cluster's node
//! agents, and all its pods.

#![expect(missing_docs, reason = "a bench is no library")]

use std::time::Duration;

use wavetank::base::digest::Digest;
use wavetank::base::time::SimTime;
use wavetank::engine::{ComponentId, Event, Queue};
use wavetank::model::Slot;

fn main() {
    divan::main();
}

/// Events handled in one round.
const EVENTS: u64 = 1_000_000;

#[divan::bench(args = [5_000, 150_000], sample_count = 5)]
fn wake_and_rearm(bencher: divan::Bencher<'_, '_>, pending: u32) {
    bencher.counter(divan::counter::ItemsCount::new(EVENTS)).bench_local(|| {
        let mut queue = Queue::new(None, &[]);
        let start = SimTime::from_secs(1_000_000);
        for i in 0..pending {
            let at = start + Duration::from_micros(u64::from(i) * 7919 % 1_000_000);
            queue.push(at, Event::Wake(ComponentId::Kubelet(Slot(i))));
        }
        let mut digest = Digest::new(1);
        for _ in 0..EVENTS {
            let Some((at, event)) = queue.pop_until(SimTime::MAX) else { break };
            digest.word(at.as_nanos());
            match event {
                Event::Wake(id) | Event::Nudge(id) => {
                    digest.word(id.code());
                    let later = Duration::from_micros(1 + digest.value() % 1_000_000);
                    queue.push(at + later, Event::Wake(id));
                }
                Event::Arrive(_) | Event::Reply(..) => {}
            }
        }
        digest.value()
    });
}

/// Three of four events are for the very instant, as in a control loop: they take the lane.
#[divan::bench(args = [5_000, 150_000], sample_count = 5)]
fn mostly_immediate(bencher: divan::Bencher<'_, '_>, pending: u32) {
    bencher.counter(divan::counter::ItemsCount::new(EVENTS)).bench_local(|| {
        let mut queue = Queue::new(None, &[]);
        let start = SimTime::from_secs(1_000_000);
        for i in 0..pending {
            let at = start + Duration::from_micros(u64::from(i) * 7919 % 1_000_000);
            queue.push(at, Event::Wake(ComponentId::Kubelet(Slot(i))));
        }
        let mut digest = Digest::new(1);
        for n in 0..EVENTS {
            let Some((at, event)) = queue.pop_until(SimTime::MAX) else { break };
            digest.word(at.as_nanos());
            match event {
                Event::Wake(id) | Event::Nudge(id) => {
                    digest.word(id.code());
                    let wait = if n % 4 == 0 { 1 + digest.value() % 1_000_000 } else { 0 };
                    queue.push(at + Duration::from_micros(wait), Event::Nudge(id));
                }
                Event::Arrive(_) | Event::Reply(..) => {}
            }
        }
        digest.value()
    });
}

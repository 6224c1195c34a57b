//! Schedules: how many fire times a second are found.
//!
//! `cargo bench --bench schedules`. One item is one fire time of a year of them, each asked for once
//! from the one before.

#![expect(missing_docs, reason = "a bench is no library")]

use wavetank::base::cron::Schedule;
use wavetank::base::time::SimTime;

fn main() {
    divan::main();
}

/// 2026-01-01T00:00:00Z.
const START: SimTime = SimTime::from_secs(1_767_225_600);
/// 2027-01-01T00:00:00Z.
const END: SimTime = SimTime::from_secs(1_798_761_600);

#[divan::bench(
    args = [
        "*/5 * * * *",
        "0 9 1 * mon",
        "TZ=Europe/Berlin */5 * * * *",
        "TZ=America/New_York 30 2 * * 1-5",
    ],
    sample_count = 5
)]
fn a_year(bencher: divan::Bencher<'_, '_>, text: &str) {
    let fires = |schedule: &mut Schedule| {
        let mut at = START;
        let mut count = 0u64;
        while let Some(next) = schedule.next(at).filter(|next| *next < END) {
            at = next;
            count += 1;
        }
        count
    };
    let parse = || Schedule::parse(text).expect("a schedule");
    bencher
        .with_inputs(parse)
        .input_counter(move |schedule| {
            divan::counter::ItemsCount::new(fires(&mut schedule.clone()))
        })
        .bench_local_refs(fires);
}

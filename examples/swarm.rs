//! Runs many swarm worlds and prints those that fail, each with its seed.
//!
//! `cargo run --release --example swarm -- --seeds 10000 --from 0`; with `--watch SEED` one world is
//! run and every fact of it is printed, with `--calm` nothing disturbs the worlds.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;
use std::time::Instant;

use wavetank::api::convert;
use wavetank::scenario::swarm;
use wavetank::trace::FactKind;

fn main() -> ExitCode {
    let (mut from, mut seeds) = (0_u64, 1000_u64);
    let mut run: fn(u64) -> swarm::Outcomes = swarm::run;
    #[expect(clippy::disallowed_methods, reason = "a program reads its arguments")]
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--calm" {
            run = swarm::run_calm;
            continue;
        }
        let value = args.next().and_then(|v| v.parse().ok());
        match (arg.as_str(), value) {
            ("--from", Some(n)) => from = n,
            ("--seeds", Some(n)) => seeds = n,
            ("--watch", Some(n)) => return watch(n),
            _ => {
                println!("usage: swarm [--calm] [--from SEED] [--seeds COUNT] [--watch SEED]");
                return ExitCode::from(2);
            }
        }
    }
    #[expect(clippy::disallowed_methods, reason = "real time spent is told")]
    let began = Instant::now();
    let (mut events, mut ill) = (0, 0);
    for seed in from..from.saturating_add(seeds) {
        let outcomes = run(seed);
        events += outcomes.events;
        if !outcomes.is_well() {
            ill += 1;
            println!("{outcomes}");
        }
    }
    let took = began.elapsed();
    println!("{seeds} worlds from seed {from}: {ill} ill, {events} events, {took:?}");
    ExitCode::from(u8::from(ill > 0))
}

fn watch(seed: u64) -> ExitCode {
    let outcomes = swarm::watch(seed, &mut |fact| match &fact.kind {
        FactKind::Object { change, object, .. } => {
            let wire = convert::to_wire(object).to_value();
            let (spec, status) = (&wire["spec"], &wire["status"]);
            let (node, replicas) = (&spec["nodeName"], &spec["replicas"]);
            let reference = object.reference();
            let change = change.as_str();
            println!("{:?} {change} {reference} {node} {replicas} {status}", fact.at);
        }
        FactKind::Event { record, .. } => println!(
            "{:?} event {} {} {}",
            fact.at, record.regarding.object, record.reason, record.message
        ),
        FactKind::Waiting(waiting) => {
            println!("{:?} {} waits for {}", fact.at, waiting.object, waiting.on);
        }
        FactKind::Output(_)
        | FactKind::Warned(_)
        | FactKind::StepBegun { .. }
        | FactKind::Step(_)
        | FactKind::Assumed(_)
        | FactKind::Unmodelled(_) => {}
    });
    println!("{outcomes}");
    ExitCode::from(u8::from(!outcomes.is_well()))
}

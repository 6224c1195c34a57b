//! Containers that run a script: how many a second of real time, and what one that sleeps costs in memory.
//!
//! `cargo bench --bench scripts`. The script is the one of `fixtures/seed/counter-job.yaml`: a loop that prints and
//! sleeps. `to_the_end` starts one container after the other and runs each until it has exited, with virtual time
//! jumping from wake to wake; one item is one container. `asleep` starts them all and leaves them in their first
//! sleep; divan's allocation columns, divided by the number of containers, are the bytes of one.

#![expect(missing_docs, reason = "a bench is no library")]

use std::net::Ipv4Addr;

use wavetank::base::Str;
use wavetank::base::time::SimTime;
use wavetank::container::{Container, Network, StartSpec, Volumes, World};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

const COUNTER: &str = "for i in 1 2 3 ; do echo $i ; done";
/// The same with a sleep in each round.
const SLEEPY: &str = "for i in 1 2 3 ; do echo $i ; sleep 1 ; done";

fn with_spec<T>(script: &str, shell: &str, f: impl FnOnce(&StartSpec<'_>) -> T) -> T {
    let argv: [Str; 3] = [shell.into(), "-c".into(), script.into()];
    let env: [(Str, Str); 3] = [
        ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
        ("HOSTNAME".into(), "counter-x7k2p".into()),
        ("HOME".into(), "/root".into()),
    ];
    f(&StartSpec {
        image: "tools",
        argv: Some(&argv),
        env: &env,
        hostname: "counter-x7k2p",
        pod_ip: Some(Ipv4Addr::new(10, 244, 1, 7)),
        ..StartSpec::default()
    })
}

/// Runs one container to its end.
fn run_one(spec: &StartSpec<'_>, network: &Network, volumes: &mut Volumes) -> usize {
    let mut now = SimTime::from_secs(1_000);
    let mut container =
        Container::start(spec, &mut World { now, network, volumes }).expect("sh is there");
    let mut written = 0;
    loop {
        let progress = container.run(&mut World { now, network, volumes });
        written += progress.output.len();
        if progress.ended.is_some() {
            return written;
        }
        now = progress.wake.expect("the script sleeps or ends");
    }
}

#[divan::bench(args = [("bash", "counter"), ("sh", "counter"), ("bash", "sleepy"), ("sh", "sleepy")], sample_count = 5)]
fn to_the_end(bencher: divan::Bencher<'_, '_>, (shell, which): (&str, &str)) {
    const CONTAINERS: usize = 20_000;
    let script = if which == "counter" { COUNTER } else { SLEEPY };
    let network = Network::new();
    bencher.counter(divan::counter::ItemsCount::new(CONTAINERS)).bench_local(|| {
        with_spec(script, shell, |spec| {
            let mut volumes = Volumes::new();
            (0..CONTAINERS).map(|_| run_one(spec, &network, &mut volumes)).sum::<usize>()
        })
    });
}

#[divan::bench(args = ["bash", "sh"], sample_count = 1, sample_size = 1)]
fn asleep(bencher: divan::Bencher<'_, '_>, shell: &str) {
    const CONTAINERS: usize = 100_000;
    let network = Network::new();
    bencher.counter(divan::counter::ItemsCount::new(CONTAINERS)).bench_local(|| {
        with_spec(SLEEPY, shell, |spec| {
            let mut volumes = Volumes::new();
            let mut all = Vec::with_capacity(CONTAINERS);
            for _ in 0..CONTAINERS {
                let mut world = World {
                    now: SimTime::from_secs(1_000),
                    network: &network,
                    volumes: &mut volumes,
                };
                let mut container = Container::start(spec, &mut world).expect("sh is there");
                let progress = container.run(&mut world);
                assert!(progress.wake.is_some(), "it sleeps");
                all.push(container);
            }
            all
        })
    });
}

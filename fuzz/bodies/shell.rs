//! Bytes as a script in a container: it must not panic, hang, or take more memory than its limits say.
//!
//! The first byte chooses the shell (bit 0: bash) and how it is given the script (bit 1: on standard input). The
//! container has a small world (a name, a web server, a black hole), is told to stop after a minute of virtual
//! time and killed after another, and a probe runs beside it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use wavetank::base::Str;
use wavetank::base::time::SimTime;
use wavetank::container::{
    Container, DnsRecord, HttpRule, Limits, Listener, Network, Signal, StartSpec, Volumes, World,
};

/// Instants at which a container may wake; a script that sleeps for less and less is cut there.
const INSTANTS: u32 = 400;

fn limits() -> Limits {
    Limits {
        script_bytes: 1 << 14,
        depth: 100,
        processes: 24,
        steps_per_instant: 20_000,
        output_bytes: 1 << 16,
        file_bytes: 1 << 18,
        memory_bytes: 1 << 18,
    }
}

fn network() -> Network {
    let mut network = Network::new();
    let web = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 20));
    network.set_name("web.default.svc.cluster.local", DnsRecord::one(web));
    network.listen(SocketAddr::new(web, 80), Listener::Http([HttpRule::default()].into()));
    network.listen(SocketAddr::new(web, 5432), Listener::Postgres { accepting: true });
    network.listen(SocketAddr::new(web, 6379), Listener::Redis);
    network.black_hole(Ipv4Addr::new(10, 97, 0, 0), 16);
    network
}

/// Takes in one input.
pub fn take(data: &[u8]) {
    let Some((&how, script)) = data.split_first() else { return };
    let script = String::from_utf8_lossy(script).into_owned();
    let shell = Str::from(if how & 1 == 0 { "sh" } else { "bash" });
    let by_input = how & 2 != 0;
    let argv: Vec<Str> =
        if by_input { vec![shell] } else { vec![shell, "-c".into(), script.as_str().into()] };
    let env: [(Str, Str); 2] =
        [("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), "/root".into())];
    let spec = StartSpec {
        image: "tools",
        argv: Some(&argv),
        env: &env,
        pod_ip: Some(Ipv4Addr::new(10, 244, 1, 7)),
        stdin: if by_input { script.as_bytes() } else { b"" },
        limits: limits(),
        ..StartSpec::default()
    };
    run(&spec, &network());
}

fn run(spec: &StartSpec<'_>, network: &Network) {
    let mut volumes = Volumes::new();
    let start = SimTime::from_secs(1_736_935_200);
    let mut now = start;
    let mut world = World { now, network, volumes: &mut volumes };
    let Ok(mut container) = Container::start(spec, &mut world) else { return };
    let probe: [Str; 3] = ["sh".into(), "-c".into(), "ps; cat /tmp/ready".into()];
    let stop = [Duration::from_secs(60), Duration::from_secs(120)].map(|d| start + d);
    let mut stops = 0;
    for instant in 0..INSTANTS {
        let progress = container.run(&mut World { now, network, volumes: &mut volumes });
        if progress.ended.is_some() {
            return;
        }
        // What it is doing can always be told.
        assert!(container.blocked_on().len() < 1 << 20, "a description has bounds");
        if instant == 3 {
            let mut world = World { now, network, volumes: &mut volumes };
            // A container without that program has no probe.
            let _id = container.exec(spec, &probe, &mut world);
        }
        let next = [progress.wake, stop.get(stops).copied()].into_iter().flatten().min();
        let Some(next) = next else { return };
        assert!(next >= now, "no container wakes in the past");
        now = next;
        if stop.get(stops).is_some_and(|at| *at <= now) {
            let signal = if stops == 0 { Signal::TERM } else { Signal::KILL };
            stops += 1;
            container.signal(signal, &mut World { now, network, volumes: &mut volumes });
        }
    }
}

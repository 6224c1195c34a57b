//! Tools that ask for names or for a sign of life: `getent`, `host`, `dig`, `ping`.

use std::net::IpAddr;
use std::time::Duration;

use super::dialling::address;
use super::{Begun, Call, Waiting, durations};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::net::DnsAnswer;
use crate::container::net::dns::{note_name, resolv_conf};
use crate::container::os::Sys;
use crate::container::process::{Step, Wait};
use crate::container::text::push;

/// `getent`
pub(super) fn getent(call: &mut Call<'_, '_, '_>) -> Begun {
    let words: Vec<Str> = call.args.iter().filter(|a| !a.starts_with('-')).cloned().collect();
    let Some((database, keys)) = words.split_first() else {
        call.err("wrong number of arguments");
        return Begun::Exit(1);
    };
    let mut out = String::new();
    let mut status = 0;
    match database.as_str() {
        "hosts" | "ahosts" | "ahostsv4" => {
            for key in keys {
                match address(call.sys, key) {
                    Some(ip) if database == "hosts" => {
                        let name = full_name(call.sys, key, ip);
                        push(&mut out, format_args!("{:<15} {name}\n", ip.to_string()));
                    }
                    Some(ip) => {
                        let ip = ip.to_string();
                        push(&mut out, format_args!("{ip:<15} STREAM {key}\n"));
                        push(&mut out, format_args!("{ip:<15} DGRAM  \n{ip:<15} RAW    \n"));
                    }
                    None => status = 2,
                }
            }
        }
        "passwd" | "group" => {
            let file = format!("/etc/{database}");
            let text = call.sys.content(&file).unwrap_or_default();
            let text = crate::container::text::decode(&text);
            if keys.is_empty() {
                out.push_str(&text);
            }
            for key in keys {
                let fits = |line: &&str| {
                    let mut fields = line.split(':');
                    fields.next() == Some(key.as_str()) || fields.nth(1) == Some(key.as_str())
                };
                match text.lines().find(fits) {
                    Some(line) => push(&mut out, format_args!("{line}\n")),
                    None => status = 2,
                }
            }
        }
        other => {
            call.sys.err(&format!("Unknown database: {other}\n"));
            return Begun::Exit(1);
        }
    }
    call.out(&out);
    Begun::Exit(status)
}

/// The name under which an address was found.
fn full_name(sys: &Sys<'_, '_>, host: &str, ip: IpAddr) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return sys.world.network.ask_reverse(ip).unwrap_or(host).to_owned();
    }
    match sys.world.network.ask_reverse(ip) {
        Some(name) if name.starts_with(host) => name.to_owned(),
        Some(_) | None => host.to_owned(),
    }
}

/// `host`: follows the search list.
pub(super) fn host(call: &mut Call<'_, '_, '_>) -> Begun {
    let Some(name) = call.args.iter().find(|a| !a.starts_with('-')).cloned() else {
        call.sys.err("Usage: host [-aCdilrTvVw] [-t type] hostname [server]\n");
        return Begun::Exit(1);
    };
    if let Ok(ip) = name.parse::<IpAddr>() {
        let text = match call.sys.world.network.ask_reverse(ip) {
            Some(found) => format!("{} domain name pointer {found}.\n", reversed(ip)),
            None => format!("Host {}. not found: 3(NXDOMAIN)\n", reversed(ip)),
        };
        let failed = text.starts_with("Host ");
        call.out(&text);
        return Begun::Exit(u8::from(failed));
    }
    let conf = resolv_conf(call.sys);
    let dots = name.matches('.').count();
    let mut names: Vec<String> = conf.search.iter().map(|d| format!("{name}.{d}")).collect();
    if dots >= conf.ndots || name.ends_with('.') {
        names.insert(0, name.to_string());
    } else {
        names.push(name.to_string());
    }
    for full in names {
        if let DnsAnswer::Found(record) = call.sys.world.network.ask_at(conf.server.into(), &full) {
            let full = full.trim_end_matches('.');
            let lines: String = record
                .addresses
                .iter()
                .map(|ip| match ip {
                    IpAddr::V4(ip) => format!("{full} has address {ip}\n"),
                    IpAddr::V6(ip) => format!("{full} has IPv6 address {ip}\n"),
                })
                .collect();
            call.out(&lines);
            note_name(call.sys, &name, true);
            return Begun::Exit(0);
        }
    }
    note_name(call.sys, &name, false);
    let why = if call.sys.world.network.dns_up { "3(NXDOMAIN)" } else { "2(SERVFAIL)" };
    call.out(&format!("Host {name} not found: {why}\n"));
    Begun::Exit(1)
}

fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => v6.to_string(),
    }
}

/// `dig`: asks for the name as it is, or along the search list with `+search`.
pub(super) fn dig(call: &mut Call<'_, '_, '_>) -> Begun {
    let (mut short, mut search, mut reverse) = (false, false, false);
    let mut kind = "A".to_owned();
    let mut name: Option<Str> = None;
    for arg in call.args {
        match arg.as_str() {
            "+short" => short = true,
            "+search" => search = true,
            "-x" => reverse = true,
            "A" | "AAAA" | "SRV" | "PTR" | "CNAME" | "MX" | "TXT" | "NS" | "ANY" => {
                kind = arg.to_string();
            }
            other if other.starts_with(['+', '@', '-']) => {}
            _ => name = Some(arg.clone()),
        }
    }
    let Some(name) = name else { return Begun::Exit(0) };
    let mut names = vec![name.to_string()];
    let conf = resolv_conf(call.sys);
    if search {
        names.splice(0..0, conf.search.iter().map(|d| format!("{name}.{d}")));
    }
    let mut answers: Vec<String> = Vec::new();
    let mut asked = name.to_string();
    let mut found = false;
    if reverse {
        if let Ok(ip) = name.parse::<IpAddr>() {
            asked = reversed(ip);
            kind = "PTR".to_owned();
            answers.extend(call.sys.world.network.ask_reverse(ip).map(|n| format!("{n}.")));
            found = !answers.is_empty();
        }
    } else {
        for full in names {
            let DnsAnswer::Found(record) = call.sys.world.network.ask_at(conf.server.into(), &full)
            else {
                continue;
            };
            let wants_v4 = kind == "A";
            let fits =
                |ip: &&IpAddr| ip.is_ipv4() == wants_v4 && matches!(kind.as_str(), "A" | "AAAA");
            answers = record.addresses.iter().filter(fits).map(ToString::to_string).collect();
            asked = full;
            found = true;
            break;
        }
    }
    if !reverse {
        note_name(call.sys, &name, found);
    }
    let asked = format!("{}.", asked.trim_end_matches('.'));
    let mut out = String::new();
    if short {
        answers.iter().for_each(|a| push(&mut out, format_args!("{a}\n")));
    } else {
        let status = match (found, call.sys.world.network.dns_up) {
            (true, _) => "NOERROR",
            (false, true) => "NXDOMAIN",
            (false, false) => "SERVFAIL",
        };
        let words = call.args.join(" ");
        push(
            &mut out,
            format_args!(
                "\n; <<>> DiG 9.18 <<>> {words}\n;; global options: +cmd\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: {status}, id: 0\n;; flags: qr aa rd; QUERY: 1, ANSWER: {}, AUTHORITY: 0, ADDITIONAL: 1\n\n;; QUESTION SECTION:\n;{asked}\t\tIN\t{kind}\n\n",
                answers.len()
            ),
        );
        if !answers.is_empty() {
            out.push_str(";; ANSWER SECTION:\n");
            answers
                .iter()
                .for_each(|a| push(&mut out, format_args!("{asked}\t30\tIN\t{kind}\t{a}\n")));
            out.push('\n');
        }
        let server = call.sys.world.network.dns_server;
        push(
            &mut out,
            format_args!(";; Query time: 0 msec\n;; SERVER: {server}#53({server}) (UDP)\n\n"),
        );
    }
    call.out(&out);
    Begun::Exit(if call.sys.world.network.dns_up { 0 } else { 9 })
}

/// `ping` under way.
#[derive(Clone, Debug)]
pub(crate) struct Pinging {
    host: String,
    ip: IpAddr,
    count: Option<u32>,
    interval: Duration,
    /// How long the last packet is waited for, and how long the whole may take.
    patience: Duration,
    deadline: Option<SimTime>,
    quiet: bool,
    sent: u32,
    heard: u32,
    next: SimTime,
}

const PING: &str = "[OPTIONS] HOST";

/// `ping`
pub(super) fn ping(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut count = None;
    let mut interval = Duration::from_secs(1);
    let mut patience = Duration::from_secs(10);
    let mut deadline = None;
    let mut quiet = false;
    let mut host: Option<Str> = None;
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            host = Some(arg.clone());
            continue;
        };
        match letters.chars().next().unwrap_or('-') {
            'q' => quiet = true,
            '4' | '6' | 'A' => {}
            letter @ ('c' | 'i' | 'W' | 'w' | 's' | 't' | 'I' | 'p') => {
                let value = match &letters[1..] {
                    "" => args.next().cloned().unwrap_or_default(),
                    rest => rest.into(),
                };
                let time = durations::one(&value);
                match letter {
                    'c' => count = value.parse().ok(),
                    'i' => interval = time.unwrap_or(interval),
                    'W' => patience = time.unwrap_or(patience),
                    'w' => deadline = time,
                    _ => {}
                }
            }
            other => return call.bad_option(other, PING, 1),
        }
    }
    let Some(host) = host else { return call.usage(PING, 1) };
    let Some(ip) = address(call.sys, &host) else {
        call.err(&format!("bad address '{host}'"));
        return Begun::Exit(1);
    };
    call.out(&format!("PING {host} ({ip}): 56 data bytes\n"));
    call.sys.flush();
    let now = call.sys.now();
    // An interruption ends it as its end does, with the statistics.
    call.sys.disposition(crate::container::process::Signal::INT, true, false);
    Begun::Wait(Waiting::Pinging(Box::new(Pinging {
        host: host.to_string(),
        ip,
        count,
        interval: interval.max(Duration::from_millis(1)),
        patience,
        deadline: deadline.map(|d| now.saturating_add(d)),
        quiet,
        sent: 0,
        heard: 0,
        next: now,
    })))
}

impl Pinging {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        let now = sys.now();
        if !sys.take_signals().is_empty() || self.deadline.is_some_and(|at| now >= at) {
            return self.end(sys);
        }
        if now < self.next {
            let until = self.deadline.map_or(self.next, |at| at.min(self.next));
            return Step::Block(Wait::Until(until));
        }
        if self.count.is_some_and(|count| self.sent >= count) {
            return self.end(sys);
        }
        let answered = sys.answers(self.ip);
        if answered {
            self.heard += 1;
            if !self.quiet {
                let line =
                    format!("64 bytes from {}: seq={} ttl=64 time=0.050 ms\n", self.ip, self.sent);
                sys.out(line.as_bytes());
                sys.flush();
            }
        }
        self.sent += 1;
        let last = self.count.is_some_and(|count| self.sent >= count);
        if last && answered {
            return self.end(sys);
        }
        let pause = if last { self.patience } else { self.interval };
        self.next = now.saturating_add(pause);
        Step::Block(Wait::Until(self.deadline.map_or(self.next, |at| at.min(self.next))))
    }

    fn end(&self, sys: &mut Sys<'_, '_>) -> Step {
        let lost = if self.sent == 0 { 0 } else { (self.sent - self.heard) * 100 / self.sent };
        let mut text = format!(
            "\n--- {} ping statistics ---\n{} packets transmitted, {} packets received, {lost}% packet loss\n",
            self.host, self.sent, self.heard
        );
        if self.heard > 0 {
            text.push_str("round-trip min/avg/max = 0.050/0.050/0.050 ms\n");
        }
        sys.out(text.as_bytes());
        Step::Exit(u8::from(self.heard == 0))
    }
}

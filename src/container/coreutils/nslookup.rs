//! `nslookup`, as busybox 1.36 (its own resolver, `FEATURE_NSLOOKUP_BIG`) prints and counts.
//!
//! A name with a dot is asked as it is. A name without one is asked with each search domain, and any
//! answer that is missing makes the status 1, even when another domain has the name.
//! [`NslookupStyle`](crate::container::NslookupStyle) `FirstMatch` is the behaviour of other images'
//! nslookup, which follow the search list up to the first answer.

use std::net::IpAddr;

use super::{Begun, Call};
use crate::container::NslookupStyle;
use crate::container::net::DnsAnswer;
use crate::container::net::dns::{note_name, resolv_conf, resolve};
use crate::container::text::push;

const USAGE: &str = "[-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]";

/// `nslookup`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut words = Vec::new();
    let (mut a, mut aaaa) = (true, true);
    for arg in call.args {
        let lower = arg.to_ascii_lowercase();
        if let Some(kind) = lower
            .strip_prefix("-type=")
            .or_else(|| lower.strip_prefix("-querytype="))
            .or_else(|| lower.strip_prefix("-q="))
        {
            (a, aaaa) = (kind == "a" || kind == "any", kind == "aaaa" || kind == "any");
        } else if !arg.starts_with('-') {
            words.push(arg.to_string());
        }
    }
    let Some(name) = words.first().cloned() else { return call.usage(USAGE, 1) };
    let server: IpAddr = match words.get(1) {
        Some(server) => match resolve(call.sys, server) {
            Some(ip) => ip,
            None => {
                call.err(&format!("bad address '{server}'"));
                return Begun::Exit(1);
            }
        },
        None => resolv_conf(call.sys).server.into(),
    };
    let mut out = format!("Server:\t\t{server}\nAddress:\t{server}:53\n\n");
    let configured = resolv_conf(call.sys).server;
    if server != IpAddr::from(configured)
        && server != IpAddr::from(call.sys.world.network.dns_server)
    {
        call.out(&out);
        call.sys.flush();
        call.sys.err(";; connection timed out; no servers could be reached\n");
        return Begun::Exit(1);
    }
    let asked = name.clone();
    let failed = if let Ok(ip) = name.parse::<IpAddr>() {
        reverse(call, ip, &mut out)
    } else if call.sys.os.nslookup == NslookupStyle::FirstMatch {
        first_match(call, server, &name, &mut out)
    } else {
        let names = if name.contains('.') { vec![name] } else { searched(call, &name) };
        let mut failed = false;
        // All names are asked for one type, then all for the other.
        for (wanted, v4) in [(a, true), (aaaa, false)] {
            for name in names.iter().filter(|_| wanted) {
                failed |= ask(call, server, name.trim_end_matches('.'), v4, &mut out);
            }
        }
        failed
    };
    if asked.parse::<IpAddr>().is_err() {
        note_name(call.sys, &asked, !failed);
    }
    call.out(&out);
    Begun::Exit(u8::from(failed))
}

fn searched(call: &mut Call<'_, '_, '_>, name: &str) -> Vec<String> {
    let search = resolv_conf(call.sys).search;
    if search.is_empty() {
        vec![name.to_owned()]
    } else {
        search.iter().map(|d| format!("{name}.{d}")).collect()
    }
}

/// Asks for the addresses of one family; true when the name is not there.
fn ask(call: &Call<'_, '_, '_>, server: IpAddr, name: &str, v4: bool, out: &mut String) -> bool {
    match call.sys.world.network.ask_at(server, name) {
        DnsAnswer::Found(record) => {
            if record.external {
                out.push_str("Non-authoritative answer:\n");
            }
            for ip in record.addresses.iter().filter(|ip| ip.is_ipv4() == v4) {
                push(out, format_args!("Name:\t{name}\nAddress: {ip}\n"));
            }
            out.push('\n');
            false
        }
        answer => {
            let why = if answer == DnsAnswer::ServFail { "SERVFAIL" } else { "NXDOMAIN" };
            push(out, format_args!("** server can't find {name}: {why}\n\n"));
            true
        }
    }
}

/// Follows the search list up to the first answer and prints that alone.
fn first_match(call: &mut Call<'_, '_, '_>, server: IpAddr, name: &str, out: &mut String) -> bool {
    let mut names = searched(call, name);
    let shown = names.first().cloned().unwrap_or_else(|| name.to_owned());
    names.push(name.to_owned());
    for name in names {
        if let DnsAnswer::Found(record) = call.sys.world.network.ask_at(server, &name) {
            for ip in &record.addresses {
                push(out, format_args!("Name:\t{name}\nAddress: {ip}\n"));
            }
            out.push('\n');
            return false;
        }
    }
    let why = if call.sys.world.network.dns_up { "NXDOMAIN" } else { "SERVFAIL" };
    push(out, format_args!("** server can't find {shown}: {why}\n\n"));
    true
}

fn reverse(call: &Call<'_, '_, '_>, ip: IpAddr, out: &mut String) -> bool {
    let name = match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(_) => ip.to_string(),
    };
    match call.sys.world.network.ask_reverse(ip) {
        Some(target) => {
            push(out, format_args!("{name}\tname = {target}\n\n"));
            false
        }
        None => {
            let why = if call.sys.world.network.dns_up { "NXDOMAIN" } else { "SERVFAIL" };
            push(out, format_args!("** server can't find {name}: {why}\n\n"));
            true
        }
    }
}

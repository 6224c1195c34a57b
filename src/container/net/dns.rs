//! Names: the cluster's DNS and the resolver of the C library.

use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use super::{Met, Network, Question};
use crate::container::os::Sys;

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// IPv4 addresses are A records, IPv6 ones AAAA records. Never empty: CoreDNS has no such name.
    pub addresses: SmallVec<[IpAddr; 1]>,
    /// Whether the answer comes from outside the cluster (non-authoritative).
    pub external: bool,
}

/// What the cluster's DNS answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer<'n> {
    /// The name is there.
    Found(&'n DnsRecord),
    /// There is no such name.
    NxDomain,
    /// The DNS does not work.
    ServFail,
}

impl DnsRecord {
    /// A name of the cluster with one address.
    pub fn one(address: IpAddr) -> Self {
        Self { addresses: smallvec::smallvec![address], external: false }
    }
}

impl Network {
    /// Asks the DNS for a name exactly as given.
    pub fn ask(&self, name: &str) -> DnsAnswer<'_> {
        if !self.dns_up {
            return DnsAnswer::ServFail;
        }
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        match self.names.get(lower.as_str()) {
            Some(record) => DnsAnswer::Found(record),
            None => DnsAnswer::NxDomain,
        }
    }

    /// The same of a certain server: one that is not the cluster's knows only what is outside.
    pub fn ask_at(&self, server: IpAddr, name: &str) -> DnsAnswer<'_> {
        if server == IpAddr::from(self.dns_server) {
            return self.ask(name);
        }
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        match self.names.get(lower.as_str()).filter(|record| record.external) {
            Some(record) => DnsAnswer::Found(record),
            None => DnsAnswer::NxDomain,
        }
    }

    /// The name of an address.
    pub fn ask_reverse(&self, address: IpAddr) -> Option<&str> {
        if self.dns_up { self.addresses.get(&address).map(smol_str::SmolStr::as_str) } else { None }
    }
}

/// The resolver's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    pub(crate) server: Ipv4Addr,
    pub(crate) search: Vec<String>,
    pub(crate) ndots: usize,
}

/// What /etc/resolv.conf of this container says.
pub(crate) fn resolv_conf(sys: &mut Sys<'_, '_>) -> ResolvConf {
    let mut conf =
        ResolvConf { server: sys.world.network.dns_server, search: Vec::new(), ndots: 1 };
    let text = sys
        .content("/etc/resolv.conf")
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .unwrap_or_default();
    let mut named = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            // The first is asked; the others only where it is silent.
            Some("nameserver") => {
                if let Some(ip) = words.next().and_then(|w| w.parse().ok()).filter(|_| !named) {
                    conf.server = ip;
                    named = true;
                }
            }
            Some("search") => conf.search = words.map(str::to_owned).collect(),
            Some("options") => {
                conf.ndots = words
                    .find_map(|w| w.strip_prefix("ndots:")?.parse().ok())
                    .unwrap_or(conf.ndots);
            }
            Some(_) | None => {}
        }
    }
    conf
}

/// The address of a host as `getaddrinfo` finds it: a literal, /etc/hosts, then the DNS along the
/// search list.
pub(crate) fn resolve(sys: &mut Sys<'_, '_>, host: &str) -> Option<IpAddr> {
    if let Ok(ip) = host.parse() {
        return Some(ip);
    }
    let hosts = sys.content("/etc/hosts").unwrap_or_default();
    for line in String::from_utf8_lossy(&hosts).lines() {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        if let Some(ip) = words.next().and_then(|w| w.parse::<Ipv4Addr>().ok())
            && words.any(|w| w.eq_ignore_ascii_case(host))
        {
            return Some(ip.into());
        }
    }
    if host == "localhost" {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let conf = resolv_conf(sys);
    let dots = host.matches('.').count();
    let mut names: Vec<String> = Vec::new();
    if host.ends_with('.') || dots >= conf.ndots {
        names.push(host.to_owned());
    }
    if !host.ends_with('.') {
        names.extend(conf.search.iter().map(|domain| format!("{host}.{domain}")));
        if dots < conf.ndots {
            names.push(host.to_owned());
        }
    }
    let network = sys.world.network;
    let found = names.iter().find_map(|name| match network.ask_at(conf.server.into(), name) {
        DnsAnswer::Found(record) => record.addresses.first().copied(),
        DnsAnswer::NxDomain | DnsAnswer::ServFail => None,
    });
    note_name(sys, host, found.is_some());
    found
}

/// Keeps that a name was asked for, and whether it was there.
pub(crate) fn note_name(sys: &mut Sys<'_, '_>, host: &str, found: bool) {
    let met = match (found, sys.world.network.dns_up) {
        (true, _) => Met::Answer,
        (false, true) => Met::NoName,
        (false, false) => Met::Silence,
    };
    sys.note_asked(Question::Name(host.into()), met);
}

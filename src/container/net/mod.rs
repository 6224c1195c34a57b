//! Who can be found and reached from inside a container: plain data, kept by the owner of the cluster.
//!
//! A [`Network`] holds DNS names and listeners by address and port. Nothing in it runs: the owner
//! inserts and removes records as Services, EndpointSlices and pods change, and containers look them
//! up when a process resolves or connects. A connection copies what it needs of its listener, so that
//! a change of the network does not reach into it.
//!
//! Modelled: cluster DNS as CoreDNS answers it (A, AAAA, PTR, headless names, NXDOMAIN, SERVFAIL while
//! it is down), service addresses that forward to endpoints and refuse without one, black holes, and
//! servers that speak enough HTTP, PostgreSQL and Redis for probes and wait loops. Left out: latency
//! of packets, UDP other than DNS, TLS, network policies (the owner can leave a listener out).

pub(crate) mod asked;
pub(crate) mod dns;
pub(crate) mod http;
pub(crate) mod sockets;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use smallvec::SmallVec;

pub use asked::{Asked, Met, Question};
pub use dns::{DnsAnswer, DnsRecord};
pub use http::{HttpReply, HttpRule};

use crate::base::time::SimTime;
use crate::base::{Map, Str};

/// How the program behind a port behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Accepts and says what [`TcpServer`] says.
    Tcp(Arc<TcpServer>),
    /// Answers HTTP by rules; the last that matches wins.
    Http(Arc<[HttpRule]>),
    /// A PostgreSQL server, perhaps still starting up.
    Postgres {
        /// Whether it accepts connections already.
        accepting: bool,
    },
    /// A Redis server.
    Redis,
    /// A service address: every connection goes to one of these; none, and it is refused.
    Forward(SmallVec<[SocketAddr; 2]>),
    /// Packets vanish; only a timeout ends an attempt.
    BlackHole,
}

/// A plain TCP server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpServer {
    /// Sent when a connection opens.
    pub banner: Vec<u8>,
    /// Whether it closes after the banner.
    pub close: bool,
    /// Whether it sends back what it gets.
    pub echo: bool,
}

/// A request that a process sent to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it arrived.
    pub at: SimTime,
    /// The server.
    pub to: SocketAddr,
    /// `METHOD path` of HTTP, the command of Redis.
    pub line: String,
    /// The body of an HTTP request that has one.
    pub body: Option<Vec<u8>>,
}

/// What a connection attempt meets.
#[derive(Clone, Debug)]
pub(crate) enum Reached {
    /// A server, at the address that really answers.
    Open(Listener),
    /// Nobody listens.
    Refused,
    /// No answer at all.
    Nothing,
}

/// Everything that can be found and reached.
#[derive(Clone, Debug)]
pub struct Network {
    /// The address of the cluster's DNS, as resolv.conf names it.
    pub dns_server: Ipv4Addr,
    /// Whether it answers; SERVFAIL otherwise.
    pub dns_up: bool,
    /// The domain of the cluster.
    pub cluster_domain: Str,
    names: Map<Str, DnsRecord>,
    addresses: Map<IpAddr, Str>,
    listeners: Map<SocketAddr, Listener>,
    /// How many servers an address has, forwarding ones aside.
    hosts: Map<IpAddr, u32>,
    black_holes: Vec<(Ipv4Addr, u8)>,
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// A network with a DNS at 10.96.0.10 and nobody else.
    pub fn new() -> Self {
        Self {
            dns_server: Ipv4Addr::new(10, 96, 0, 10),
            dns_up: true,
            cluster_domain: "cluster.local".into(),
            names: Map::default(),
            addresses: Map::default(),
            listeners: Map::default(),
            hosts: Map::default(),
            black_holes: Vec::new(),
        }
    }

    /// Gives a name (fully qualified, without the last dot) its addresses, in place of earlier ones.
    pub fn set_name(&mut self, name: &str, record: DnsRecord) {
        for address in &record.addresses {
            self.addresses.entry(*address).or_insert_with(|| name.into());
        }
        self.names.insert(name.into(), record);
    }

    /// Takes a name away.
    pub fn remove_name(&mut self, name: &str) {
        if let Some(record) = self.names.remove(name) {
            for address in &record.addresses {
                if self.addresses.get(address).is_some_and(|n| n == name) {
                    self.addresses.remove(address);
                }
            }
        }
    }

    /// Lets something listen at an address and port, in place of what was there.
    pub fn listen(&mut self, at: SocketAddr, listener: Listener) {
        self.close(at);
        if is_host(&listener) {
            *self.hosts.entry(at.ip()).or_default() += 1;
        }
        self.listeners.insert(at, listener);
    }

    /// Stops what listens at an address and port.
    pub fn close(&mut self, at: SocketAddr) -> Option<Listener> {
        let gone = self.listeners.remove(&at)?;
        if is_host(&gone)
            && let Some(count) = self.hosts.get_mut(&at.ip())
        {
            *count -= 1;
            if *count == 0 {
                self.hosts.remove(&at.ip());
            }
        }
        Some(gone)
    }

    /// What listens at an address and port.
    pub fn listener(&self, at: SocketAddr) -> Option<&Listener> {
        self.listeners.get(&at)
    }

    /// Makes a whole range of addresses swallow packets.
    pub fn black_hole(&mut self, net: Ipv4Addr, prefix: u8) {
        self.black_holes.push((net, prefix.min(32)));
    }

    /// Whether several endpoints may answer at an address.
    pub(crate) fn has_choice(&self, to: SocketAddr) -> bool {
        matches!(self.listeners.get(&to), Some(Listener::Forward(endpoints)) if endpoints.len() > 1)
    }

    /// What an attempt to connect meets. `draw` chooses among several endpoints.
    pub(crate) fn reach(&self, to: SocketAddr, draw: u64) -> Reached {
        match self.listeners.get(&to) {
            Some(Listener::BlackHole) => Reached::Nothing,
            Some(Listener::Forward(endpoints)) if endpoints.is_empty() => Reached::Refused,
            Some(Listener::Forward(endpoints)) => {
                let n = usize::try_from(draw % endpoints.len() as u64).unwrap_or(0);
                match self.listeners.get(&endpoints[n]) {
                    Some(Listener::Forward(_)) | None => Reached::Refused,
                    Some(Listener::BlackHole) => Reached::Nothing,
                    Some(listener) => Reached::Open(listener.clone()),
                }
            }
            Some(listener) => Reached::Open(listener.clone()),
            None if self.is_black_hole(to.ip()) => Reached::Nothing,
            None => Reached::Refused,
        }
    }

    /// Whether a machine or a pod has this address, as far as a name or a listener tells.
    pub(crate) fn is_alive(&self, ip: IpAddr) -> bool {
        if self.is_black_hole(ip) {
            return false;
        }
        let named = self.addresses.get(&ip).and_then(|name| self.names.get(name));
        if named.is_some_and(|record| record.external || record.addresses.len() > 1) {
            return true;
        }
        self.hosts.contains_key(&ip)
    }

    fn is_black_hole(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(ip) = ip else { return false };
        self.black_holes.iter().any(|&(net, prefix)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            u32::from(ip) & mask == u32::from(net) & mask
        })
    }
}

/// Whether what listens there is a program, and not an address that leads to others.
const fn is_host(listener: &Listener) -> bool {
    !matches!(listener, Listener::Forward(_) | Listener::BlackHole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_service_without_endpoints_refuses() {
        let mut net = Network::new();
        net.black_hole(Ipv4Addr::new(10, 97, 0, 0), 16);
        net.listen(at("10.96.0.20:80"), Listener::Forward(SmallVec::new()));
        assert!(matches!(net.reach(at("10.96.0.20:80"), 0), Reached::Refused));
        net.listen(at("10.244.1.2:8080"), Listener::Redis);
        net.listen(
            at("10.96.0.20:80"),
            Listener::Forward(smallvec::smallvec![at("10.244.1.2:8080")]),
        );
        assert!(matches!(net.reach(at("10.96.0.20:80"), 7), Reached::Open(Listener::Redis)));
        assert!(matches!(net.reach(at("10.97.4.4:80"), 0), Reached::Nothing));
        assert!(matches!(net.reach(at("10.96.0.21:80"), 0), Reached::Refused));
    }
}

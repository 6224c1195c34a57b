//! Addresses of Services (`pkg/registry/core/service`).

use serde_json::Value;
use std::net::Ipv4Addr;

use super::ApiServer;
use crate::api::defaults::service::Allocator;
use crate::model::{Key, Object, Whole, wire};
use crate::store::{ApiError, ErrorReason};

/// The service network of a default cluster: 10.96.0.0/12.
const SERVICE_NET: u32 = 0x0a60_0000;
/// Addresses in it.
const SERVICE_ADDRESSES: u64 = 1 << 20;
/// The addresses at its start that are not given out unasked.
const RESERVED_ADDRESSES: u32 = 256;
/// Its broadcast address.
const LAST_ADDRESS: u32 = (1 << 20) - 1;
/// The default node ports.
const NODE_PORTS: std::ops::Range<u16> = 30_000..32_768;

impl ApiServer {
    /// Takes the addresses and node ports of a new Service out of the pools.
    pub(super) fn allocate_addresses(
        &mut self,
        service: &Whole<wire::core::Service>,
    ) -> Result<(), Box<ApiError>> {
        let Some(spec) = &service.body.spec else { return Ok(()) };
        if let Some(ip) = spec.cluster_ip.as_ref().and_then(|ip| ip.parse::<Ipv4Addr>().ok())
            && !self.cluster_ips.insert(ip)
        {
            let text = format!(
                "Service {:?} is invalid: spec.clusterIPs: Invalid value: [\"{ip}\"]: failed to \
                 allocate IP {ip}: provided IP is already allocated",
                service.meta.name
            );
            return Err(ApiError::new(ErrorReason::Invalid, text));
        }
        for port in spec.ports.iter().flatten().filter_map(|p| p.node_port) {
            self.node_ports.insert(u16::try_from(port).unwrap_or(0));
        }
        Ok(())
    }

    /// The pools as the Service of that name sees them.
    pub(super) fn addresses(&self, service: &Key) -> Addresses<'_> {
        Addresses { server: self, key: service.to_string(), ports: Vec::new() }
    }

    /// Gives back what a removed Service held.
    pub(super) fn release_addresses(&mut self, object: &Object) {
        let Object::Service(service) = object else { return };
        let Some(spec) = &service.body.spec else { return };
        if let Some(Ok(ip)) = spec.cluster_ip.as_ref().map(|ip| ip.parse::<Ipv4Addr>()) {
            self.cluster_ips.remove(&ip);
        }
        for port in spec.ports.iter().flatten().filter_map(|p| p.node_port) {
            self.node_ports.remove(&u16::try_from(port).unwrap_or(0));
        }
    }
}

/// What is free, for one Service that is being created. Nothing is taken yet.
pub(super) struct Addresses<'a> {
    server: &'a ApiServer,
    key: String,
    /// Ports chosen so far.
    ports: Vec<u16>,
}

impl Allocator for Addresses<'_> {
    /// Drawn for the Service, then the next free one. The first addresses of the range are kept for
    /// Services that ask for them, as `kubernetes` and `kube-dns` do.
    fn next_address(&mut self) -> Value {
        let start = self.server.rng.stream("cluster-ip", &self.key).below(SERVICE_ADDRESSES);
        (0..SERVICE_ADDRESSES)
            .filter_map(|i| u32::try_from((start + i) % SERVICE_ADDRESSES).ok())
            .filter(|n| (RESERVED_ADDRESSES..LAST_ADDRESS).contains(n))
            .map(|n| Ipv4Addr::from(SERVICE_NET + n))
            .find(|ip| !self.server.cluster_ips.contains(ip))
            .map_or(Value::Null, |ip| ip.to_string().into())
    }

    fn take_address(&mut self, address: &str) -> Result<(), String> {
        let ip: Option<Ipv4Addr> = address.parse().ok();
        match ip.map(u32::from) {
            Some(ip) if (SERVICE_NET + 1..SERVICE_NET + LAST_ADDRESS).contains(&ip) => {}
            _ => {
                return Err(format!(
                    "the provided IP ({address}) is not in the valid range. The range of valid IPs is \
                     10.96.0.0/12"
                ));
            }
        }
        if ip.is_some_and(|ip| self.server.cluster_ips.contains(&ip)) {
            return Err("provided IP is already allocated".to_owned());
        }
        Ok(())
    }

    fn next_port(&mut self) -> Value {
        let count = u64::from(NODE_PORTS.end - NODE_PORTS.start);
        let start = self.server.rng.stream("node-port", &self.key).below(count);
        let port = (0..count)
            .filter_map(|i| u16::try_from((start + i) % count).ok())
            .map(|offset| NODE_PORTS.start + offset)
            .find(|p| !self.server.node_ports.contains(p) && !self.ports.contains(p));
        self.ports.extend(port);
        port.map_or(Value::Null, Value::from)
    }

    fn take_port(&mut self, port: i64) -> Result<(), String> {
        let Some(port) = u16::try_from(port).ok().filter(|p| NODE_PORTS.contains(p)) else {
            return Err("provided port is not in the valid range. The range of valid ports is \
                        30000-32767"
                .to_owned());
        };
        if self.server.node_ports.contains(&port) || self.ports.contains(&port) {
            return Err("provided port is already allocated".to_owned());
        }
        self.ports.push(port);
        Ok(())
    }
}

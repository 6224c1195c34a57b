//! Addresses of Services (`pkg/registry/core/service`).

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::ApiServer;
use crate::model::{Object, Whole, wire};
use crate::store::{ApiError, ErrorReason};

/// The service network of a default cluster: 10.96.0.0/12.
const SERVICE_NET: u32 = 0x0a60_0000;
/// Addresses in it.
const SERVICE_ADDRESSES: u64 = 1 << 20;
/// The default node ports.
const NODE_PORTS: std::ops::Range<u16> = 30_000..32_768;

impl ApiServer {
    /// Gives a new Service its addresses and node ports, as far as it has none of its own.
    pub(super) fn allocate_addresses(
        &mut self,
        service: &mut Arc<Whole<wire::core::Service>>,
    ) -> Result<(), Box<ApiError>> {
        let whole = Arc::make_mut(service);
        let key = whole.meta.key().to_string();
        let Some(spec) = &mut Arc::make_mut(&mut whole.body).spec else { return Ok(()) };
        let kind = spec.type_.as_deref().unwrap_or("ClusterIP").to_owned();
        if kind == "ExternalName" {
            return Ok(());
        }
        match spec.cluster_ip.as_deref() {
            None | Some("") => {
                let ip = self.free_address(&key)?.to_string();
                spec.cluster_ip = Some(ip.clone());
                spec.cluster_ips = Some(vec![ip]);
            }
            Some("None") => spec.cluster_ips = Some(vec!["None".to_owned()]),
            Some(ip) => {
                let wanted: Option<Ipv4Addr> = ip.parse().ok();
                if wanted.is_some_and(|ip| !self.cluster_ips.insert(ip)) {
                    let text = format!(
                        "Service {:?} is invalid: spec.clusterIPs: Invalid value: [\"{ip}\"]: \
                         failed to allocate IP {ip}: provided IP is already allocated",
                        whole.meta.name
                    );
                    return Err(ApiError::new(ErrorReason::Invalid, text));
                }
                spec.cluster_ips = Some(vec![ip.to_owned()]);
            }
        }
        spec.ip_families.get_or_insert_with(|| vec!["IPv4".to_owned()]);
        spec.ip_family_policy.get_or_insert_with(|| "SingleStack".to_owned());
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            for port in spec.ports.iter_mut().flatten().filter(|p| p.node_port.unwrap_or(0) == 0) {
                port.node_port = Some(i32::from(self.free_node_port(&key)?));
            }
        }
        Ok(())
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

    /// A free address: drawn for the Service, then the next free one. The first addresses are those of
    /// `kubernetes` and `kube-dns`.
    fn free_address(&mut self, key: &str) -> Result<Ipv4Addr, Box<ApiError>> {
        let start = self.rng.stream("cluster-ip", key).below(SERVICE_ADDRESSES);
        for i in 0..SERVICE_ADDRESSES {
            let n = u32::try_from((start + i) % SERVICE_ADDRESSES).expect("20 bits");
            if n < 256 || n == u32::try_from(SERVICE_ADDRESSES - 1).expect("20 bits") {
                continue;
            }
            let ip = Ipv4Addr::from(SERVICE_NET + n);
            if self.cluster_ips.insert(ip) {
                return Ok(ip);
            }
        }
        Err(ApiError::new(
            ErrorReason::InternalError,
            "failed to allocate a serviceIP: range is full",
        ))
    }

    fn free_node_port(&mut self, key: &str) -> Result<u16, Box<ApiError>> {
        let count = u64::from(NODE_PORTS.end - NODE_PORTS.start);
        let start = self.rng.stream("node-port", key).below(count);
        for i in 0..count {
            let offset = u16::try_from((start + i) % count).expect("node ports are 16 bits");
            if self.node_ports.insert(NODE_PORTS.start + offset) {
                return Ok(NODE_PORTS.start + offset);
            }
        }
        Err(ApiError::new(
            ErrorReason::InternalError,
            "failed to allocate a nodePort: range is full",
        ))
    }
}

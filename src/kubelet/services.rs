//! What Services make of the network: names in the cluster's DNS, addresses that forward.
//!
//! Follows CoreDNS' `kubernetes` plugin for names (a Service's own name, its endpoints' names where it
//! is headless) and kube-proxy for addresses: a connection to a Service's address goes to one of its
//! ready endpoints, and is refused where there is none.
//!
//! Left out: ExternalName (the name leads outside), external traffic, session affinity, topology hints,
//! caching in the DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use smallvec::SmallVec;

use super::shared::Shared;
use crate::base::{Map, Str};
use crate::container::{DnsRecord, Listener, Network};
use crate::model::wire::discovery::EndpointPort;
use crate::model::{Endpoint, EndpointSlice, Key, Object, wire};

/// What Services have put into the network, so that it can be taken out again.
#[derive(Clone, Debug, Default)]
pub(super) struct Services {
    /// Slices by the key of their Service and their own name.
    slices: Map<Key, BTreeMap<Str, Slice>>,
    /// The Service of each slice.
    of_slice: Map<Key, Key>,
    /// What stands in the network for a Service.
    shown: Map<Key, Shown>,
    /// Services whose part of the network is to be made anew.
    dirty: BTreeSet<Key>,
}

/// A slice as it was last heard of.
#[derive(Clone, Debug)]
struct Slice {
    ports: Arc<[EndpointPort]>,
    endpoints: Vec<Known>,
}

/// An endpoint whose addresses have been read.
#[derive(Clone, Debug)]
struct Known {
    endpoint: Arc<Endpoint>,
    addresses: SmallVec<[IpAddr; 1]>,
}

impl Known {
    fn is_at_addresses_of(&self, other: &Arc<Endpoint>) -> bool {
        Arc::ptr_eq(&self.endpoint, other) || self.endpoint.addresses == other.addresses
    }
}

impl Slice {
    /// Reads a slice. Of the one `before`, which mostly had all endpoints but one in the same order, it takes over
    /// what was read.
    fn read(slice: &EndpointSlice, before: Option<Self>) -> Self {
        let mut old = before.map(|b| b.endpoints).unwrap_or_default().into_iter().peekable();
        let mut endpoints = Vec::with_capacity(slice.endpoints.len());
        for endpoint in &slice.endpoints {
            let left = slice.endpoints.len() - endpoints.len();
            // Where more are left than are needed, some were taken out.
            while old.len() > left && old.next_if(|k| !k.is_at_addresses_of(endpoint)).is_some() {}
            let addresses = match old.next_if(|k| k.is_at_addresses_of(endpoint)) {
                Some(known) => known.addresses,
                None => {
                    // Where as many are left, it stands in another's place.
                    if old.len() == left {
                        old.next();
                    }
                    endpoint.addresses.iter().filter_map(|a| a.parse().ok()).collect()
                }
            };
            endpoints.push(Known { endpoint: Arc::clone(endpoint), addresses });
        }
        Self { ports: Arc::clone(&slice.ports), endpoints }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    names: BTreeMap<String, SmallVec<[IpAddr; 1]>>,
    addresses: BTreeMap<SocketAddr, SmallVec<[SocketAddr; 2]>>,
}

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Services {
    /// A Service has changed.
    pub(super) fn touch(&mut self, service: Key) {
        self.dirty.insert(service);
    }

    /// A slice has changed, or is gone.
    pub(super) fn touch_slice(&mut self, slice: &EndpointSlice, gone: bool) {
        let (key, namespace) = (slice.meta.key(), slice.meta.namespace.clone());
        let service = slice.meta.labels.get(SERVICE_NAME).cloned();
        let service = service.map(|name| Key { namespace, name }).filter(|_| !gone);
        let moved = self.of_slice.get(&key) != service.as_ref();
        if moved && let Some(before) = self.of_slice.remove(&key) {
            if let Some(slices) = self.slices.get_mut(&before) {
                slices.remove(&key.name);
            }
            self.dirty.insert(before);
        }
        let Some(service) = service else { return };
        let slices = self.slices.entry(service.clone()).or_default();
        let before = slices.remove(&key.name);
        slices.insert(key.name.clone(), Slice::read(slice, before));
        if moved {
            self.of_slice.insert(key, service.clone());
        }
        self.dirty.insert(service);
    }

    /// Whether the network is up to date.
    pub(super) fn is_settled(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Brings the network up to date; whether anything in it has changed.
    pub(super) fn settle(&mut self, shared: &Shared, network: &mut Network) -> bool {
        let mut changed = false;
        for key in std::mem::take(&mut self.dirty) {
            let new = self.wanted(&key, shared, network);
            let old = self.shown.remove(&key).unwrap_or_default();
            if new != old {
                replace(network, &old, &new);
                changed = true;
            }
            if new != Shown::default() {
                self.shown.insert(key, new);
            }
        }
        changed
    }

    fn wanted(&self, key: &Key, shared: &Shared, network: &Network) -> Shown {
        let mut shown = Shown::default();
        let Some(Object::Service(service)) = shared.object(crate::model::Kind::Service, key) else {
            return shown;
        };
        let Some(spec) = &service.body.spec else { return shown };
        let domain = &network.cluster_domain;
        let name = format!("{}.{}.svc.{domain}", key.name, key.namespace);
        let slices = self.slices.get(key).into_iter().flat_map(BTreeMap::values);
        let cluster_ip = spec.cluster_ip.as_deref().unwrap_or_default();
        if let Ok(ip) = cluster_ip.parse::<IpAddr>() {
            shown.names.insert(name, smallvec::smallvec![ip]);
            let ports = spec.ports.as_deref().unwrap_or_default();
            for port in ports {
                let Ok(number) = u16::try_from(port.port) else { continue };
                shown.addresses.insert(SocketAddr::new(ip, number), SmallVec::new());
            }
            for slice in slices {
                forward(ip, ports, slice, &mut shown);
            }
        } else if cluster_ip == "None" {
            let early = spec.publish_not_ready_addresses == Some(true);
            for slice in slices {
                headless(&name, slice, early, &mut shown);
            }
        }
        shown
    }
}

fn forward(ip: IpAddr, ports: &[wire::core::ServicePort], slice: &Slice, shown: &mut Shown) {
    for port in ports {
        let name = port.name.as_deref().unwrap_or_default();
        let target = slice.ports.iter().find(|p| {
            p.name.as_deref().unwrap_or_default() == name
                && p.protocol.as_deref().unwrap_or("TCP")
                    == port.protocol.as_deref().unwrap_or("TCP")
        });
        let target = target.and_then(|p| p.port).and_then(|p| u16::try_from(p).ok());
        let (Some(target), Ok(number)) = (target, u16::try_from(port.port)) else { continue };
        let all = shown.addresses.entry(SocketAddr::new(ip, number)).or_default();
        let ready = slice.endpoints.iter().filter(|known| known.endpoint.is_ready());
        all.reserve(slice.endpoints.len());
        all.extend(ready.flat_map(|k| &k.addresses).map(|a| SocketAddr::new(*a, target)));
    }
}

fn headless(name: &str, slice: &Slice, early: bool, shown: &mut Shown) {
    for Known { endpoint, addresses } in &slice.endpoints {
        if !early && !endpoint.is_ready() {
            continue;
        }
        for ip in addresses.iter().copied() {
            shown.names.entry(name.to_owned()).or_default().push(ip);
            let own = match endpoint.hostname.as_deref().filter(|h| !h.is_empty()) {
                Some(host) => host.to_owned(),
                None => ip.to_string().replace(['.', ':'], "-"),
            };
            shown.names.entry(format!("{own}.{name}")).or_default().push(ip);
        }
    }
}

fn replace(network: &mut Network, old: &Shown, new: &Shown) {
    for name in old.names.keys().filter(|n| !new.names.contains_key(*n)) {
        network.remove_name(name);
    }
    for (name, addresses) in &new.names {
        if old.names.get(name) != Some(addresses) {
            network.remove_name(name);
            network.set_name(name, DnsRecord { addresses: addresses.clone(), external: false });
        }
    }
    for at in old.addresses.keys().filter(|a| !new.addresses.contains_key(*a)) {
        network.close(*at);
    }
    for (at, endpoints) in &new.addresses {
        if old.addresses.get(at) != Some(endpoints) {
            network.listen(*at, Listener::Forward(endpoints.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_of_a_slice_is_taken_over_wherever_endpoints_come_and_go() {
        let slice = |addresses: &str| EndpointSlice {
            meta: crate::model::Meta::default(),
            address_type: "IPv4".into(),
            ports: Arc::default(),
            endpoints: addresses
                .split_whitespace()
                .map(|a| Arc::new(Endpoint { addresses: [a.into()].into(), ..Endpoint::default() }))
                .collect(),
        };
        let mut read = None;
        for addresses in [
            "10.0.0.1 10.0.0.2 10.0.0.3",
            "10.0.0.1 10.0.0.3",
            "10.0.0.1 10.0.0.4 x",
            "10.0.0.9 10.0.0.1 10.0.0.4",
            "10.0.0.4",
            "10.0.0.5 10.0.0.4 fd00::1",
            "",
        ] {
            let new = slice(addresses);
            let known = Slice::read(&new, read.take());
            let told: Vec<IpAddr> =
                known.endpoints.iter().flat_map(|k| k.addresses.iter().copied()).collect();
            let expect: Vec<IpAddr> =
                addresses.split_whitespace().filter_map(|a| a.parse().ok()).collect();
            assert_eq!((told, known.endpoints.len()), (expect, new.endpoints.len()), "{addresses}");
            read = Some(known);
        }
    }
}

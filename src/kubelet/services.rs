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

use smallvec::SmallVec;

use super::shared::Shared;
use crate::base::Str;
use crate::container::{DnsRecord, Listener, Network};
use crate::model::{EndpointSlice, Key, Object, wire};

/// What Services have put into the network, so that it can be taken out again.
#[derive(Clone, Debug, Default)]
pub(super) struct Services {
    /// Slices by the key of their Service.
    slices: BTreeMap<Key, BTreeSet<Str>>,
    /// The Service of each slice.
    of_slice: BTreeMap<Key, Key>,
    /// What stands in the network for a Service.
    shown: BTreeMap<Key, Shown>,
    /// Services whose part of the network is to be made anew.
    dirty: BTreeSet<Key>,
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
        if let Some(before) = self.of_slice.remove(&key) {
            if let Some(names) = self.slices.get_mut(&before) {
                names.remove(&key.name);
            }
            self.dirty.insert(before);
        }
        if let Some(service) = service {
            self.slices.entry(service.clone()).or_default().insert(key.name.clone());
            self.of_slice.insert(key, service.clone());
            self.dirty.insert(service);
        }
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
        let slices = self.slices.get(key).into_iter().flatten().filter_map(|slice| {
            let key = Key { namespace: key.namespace.clone(), name: slice.clone() };
            match shared.object(crate::model::Kind::EndpointSlice, &key) {
                Some(Object::EndpointSlice(slice)) => Some(slice),
                _ => None,
            }
        });
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

fn forward(
    ip: IpAddr,
    ports: &[wire::core::ServicePort],
    slice: &EndpointSlice,
    shown: &mut Shown,
) {
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
        let ready = slice.endpoints.iter().filter(|e| e.is_ready());
        let addresses = ready.flat_map(|e| e.addresses.iter()).filter_map(|a| a.parse().ok());
        all.extend(addresses.map(|a| SocketAddr::new(a, target)));
    }
}

fn headless(name: &str, slice: &EndpointSlice, early: bool, shown: &mut Shown) {
    for endpoint in slice.endpoints.iter().filter(|e| early || e.is_ready()) {
        for ip in endpoint.addresses.iter().filter_map(|a| a.parse::<IpAddr>().ok()) {
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

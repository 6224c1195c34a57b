//! The endpoints controller: the addresses behind each Service as one object.
//!
//! Follows `pkg/controller/endpoint/endpoints_controller.go`: a Service with a selector has Endpoints of
//! its name, whose subsets hold the pods that have the same ports; of more than a thousand addresses the
//! first are kept and an annotation says so. Where upstream orders subsets by a hash of all that is in
//! them, here they are ordered by their ports.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::basis::{Based, Basis, note};
use super::groups::Groups;
use super::plan::explicit_hostname;
use super::{HEADLESS, Service, TRIGGER_TIME, text_of};
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::controllers::consistency::Wrote;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    EndpointAddress, EndpointSubset, EndpointTarget, Endpoints, Key, Kind, Labels, Meta, Object,
    Pod, Ref, Slot, Uid, wire,
};
use crate::store::{DeleteOptions, Delta, Reply, Request};
use crate::trace::{Change, EventType};

/// Addresses of one object (`maxCapacity`).
const MAX_ADDRESSES: usize = 1000;
/// Says that there are more.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Marks the Endpoints of this controller.
const MANAGED_BY: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");
/// How often a Service is tried again (`maxRetries`).
const MAX_RETRIES: u32 = 15;

type Port = wire::core::EndpointPort;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct EndpointsController {
    /// Shared with copies of the controller until they change.
    known: Map<Key, Arc<Known>>,
    wrote: Wrote<Key>,
}

/// The addresses of a Service's pods as they were last made.
#[derive(Clone, Debug, Default)]
struct Known {
    basis: Basis,
    /// The labels of the Endpoints.
    labels: Labels,
    groups: Groups,
    /// In the order in which they are written.
    addresses: Vec<Made>,
    packing: Packing,
    /// The Endpoints that were as they should be, where nothing has changed since.
    settled: Option<Arc<Endpoints>>,
}

/// How the addresses become subsets, as long as the same groups have pods.
#[derive(Clone, Debug, Default)]
struct Packing {
    /// The groups that have pods.
    groups: Vec<usize>,
    /// The groups of each subset, and its ports.
    subsets: Vec<(Vec<usize>, Arc<[Port]>)>,
}

/// The address of a pod.
#[derive(Clone, Debug, PartialEq)]
struct Made {
    slot: Slot,
    group: usize,
    ready: bool,
    address: Arc<EndpointAddress>,
}

impl Made {
    fn order(&self) -> (&Str, Option<Uid>) {
        (&self.address.ip, self.address.pod())
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub enum Work {
    /// The Endpoints were made or changed.
    Write(Object),
    /// Those of a Service that is gone were deleted.
    Delete,
}

impl Controller for EndpointsController {
    type Key = Key;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Service, Kind::Pod, Kind::Endpoints]);
    const NAME: &'static str = "endpoint-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        if kind == Kind::Endpoints && delta.change == Change::Deleted {
            queue.add(delta.new.key(), delta.fact);
        }
        note(&mut self.known, kind, delta, view, queue);
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(service) = cx.view.typed::<Service>(Kind::Service, key) else {
            self.known.remove(key);
            let target = Ref { kind: Kind::Endpoints, key: key.clone() };
            let options = DeleteOptions::default();
            return Step::ask(Request::Delete { target, options }, Work::Delete);
        };
        let spec = service.body.spec.as_ref().filter(|s| s.selector.is_some());
        if spec.is_none_or(|s| s.type_.as_deref() == Some("ExternalName")) {
            self.known.remove(key);
            return Step::done();
        }
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let known = Arc::make_mut(self.known.entry(key.clone()).or_default());
        known.refresh(key, service, cx.view);
        let current = cx.view.typed::<Endpoints>(Kind::Endpoints, key);
        if let (Some(current), Some(settled)) = (current, &known.settled)
            && Arc::ptr_eq(current, settled)
        {
            return Step::done();
        }
        let Some(wanted) = plan(service, known, current.map(|c| &**c), cx.now) else {
            known.settled = current.cloned();
            return Step::done();
        };
        let object = Object::from(wanted);
        let request = match current {
            None => Request::Create(object.clone()),
            Some(_) => Request::Update(object.clone()),
        };
        Step::ask(request, Work::Write(object))
    }

    fn resume(
        &mut self,
        key: &Key,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        let failed = match (work, replies.into_iter().next()) {
            (Work::Write(object), Some(Err(error))) => {
                let is_new = object.meta().resource_version == 0;
                if is_new && error.is_namespace_terminating() {
                    return Step::done();
                }
                let (reason, text) = match is_new {
                    true => ("FailedToCreateEndpoint", "create endpoint for service"),
                    false => ("FailedToUpdateEndpoint", "update endpoint"),
                };
                let text = format!("Failed to {text} {key}: {error}");
                cx.event(&object, EventType::Warning, reason, text);
                true
            }
            (Work::Write(_), Some(reply)) => {
                self.wrote.note(key, &reply);
                false
            }
            (Work::Delete, Some(Err(error))) => !error.is_not_found(),
            (Work::Delete, _) | (_, None) => {
                self.wrote.forget(key);
                false
            }
        };
        if failed && cx.failures < MAX_RETRIES { Step::failed() } else { Step::done() }
    }
}

/// The Endpoints of a Service as they should be; `None` when they are (`syncService`).
fn plan(
    service: &Service,
    known: &mut Known,
    current: Option<&Endpoints>,
    now: SimTime,
) -> Option<Endpoints> {
    known.pack(service);
    if let Some(current) = current
        && known.are(&current.subsets)
        && labels_fit(&current.meta.labels, &service.meta.labels)
        && !current.meta.annotations.get(OVER_CAPACITY).is_some()
        && count(&current.subsets) <= MAX_ADDRESSES
    {
        return None;
    }
    let mut subsets = known.subsets();
    let mut meta = current.map_or_else(
        || Meta::named(service.meta.namespace.clone(), service.meta.name.clone()),
        |c| c.meta.clone(),
    );
    meta.labels = known.labels.clone();
    meta.annotations = meta.annotations.with(TRIGGER_TIME, now.to_rfc3339());
    meta.annotations = if truncate(&mut subsets) {
        meta.annotations.with(OVER_CAPACITY, "truncated")
    } else {
        meta.annotations.without(OVER_CAPACITY)
    };
    Some(Endpoints { meta, subsets })
}

/// The labels of the Endpoints of a Service.
fn labels(service: &Service) -> Labels {
    let labels = service.meta.labels.without(HEADLESS).with(MANAGED_BY.0, MANAGED_BY.1);
    if is_headless(service) { labels.with(HEADLESS, "") } else { labels }
}

/// Whether a Service has no address of its own (`IsServiceIPSet`).
fn is_headless(service: &Service) -> bool {
    let ip = service.body.spec.as_ref().and_then(|s| s.cluster_ip.as_deref());
    matches!(ip, None | Some("" | "None"))
}

/// Whether the labels are those of the Service, but for the controller's own
/// (`labelsCorrectForEndpoints`).
fn labels_fit(labels: &Labels, wanted: &Labels) -> bool {
    let own = |key: &Str| *key == HEADLESS || *key == MANAGED_BY.0;
    labels.get(MANAGED_BY.0).is_some_and(|v| v == MANAGED_BY.1)
        && labels.into_iter().filter(|(k, _)| !own(k)).eq(wanted)
}

impl Based for Known {
    fn basis(&mut self) -> &mut Basis {
        &mut self.basis
    }
}

impl Known {
    /// Brings the addresses up to date.
    fn refresh(&mut self, key: &Key, service: &Arc<Service>, view: &View) {
        let mut changed = self.basis.take_changed();
        if !self.basis.is(service) {
            let labels = labels(service);
            *self = Self { basis: Basis::of(service), labels, ..Self::default() };
            changed = view.services().of(key).collect();
        }
        let spec = service.body.spec.as_ref();
        let publish = spec.is_some_and(|s| s.publish_not_ready_addresses == Some(true));
        for slot in changed {
            let pod = match view.kind(Kind::Pod).get(slot) {
                Some(Object::Pod(pod)) if view.services().selects(key, slot) => Some(pod),
                _ => None,
            };
            let address = pod.and_then(|pod| Some((pod, address(service, pod, publish)?)));
            let old = self.addresses.iter().position(|made| made.slot == slot);
            let old = old.map(|place| self.addresses.remove(place));
            if let Some(old) = &old {
                self.groups.leave(old.group);
            }
            let new = address.map(|(pod, address)| Made {
                slot,
                group: self.groups.enter(service, pod),
                ready: publish || pod.is_ready(),
                address: match &old {
                    Some(old) if *old.address == address => Arc::clone(&old.address),
                    _ => Arc::new(address),
                },
            });
            if old != new {
                self.settled = None;
            }
            let Some(new) = new else { continue };
            let place = self.addresses.partition_point(|made| made.order() < new.order());
            self.addresses.insert(place, new);
        }
    }

    /// Finds the subsets of a Service: each port goes with all its addresses, ports of the same addresses
    /// go together (`RepackSubsets`). Of a headless Service without ports the addresses stay together.
    fn pack(&mut self, service: &Service) {
        let groups = || self.groups.iter().map(|(place, _)| place);
        if groups().eq(self.packing.groups.iter().copied()) {
            return;
        }
        let groups: Vec<usize> = groups().collect();
        let mut of_port: BTreeMap<String, (Port, Vec<usize>)> = BTreeMap::new();
        for (place, group) in self.groups.iter() {
            for port in group.ports.iter().cloned().map(port) {
                let name = port.name.as_deref().unwrap_or_default();
                let protocol = port.protocol.as_deref().unwrap_or_default();
                let key = format!("{name}:{}:{protocol}", port.port);
                let (_, places) = of_port.entry(key).or_insert_with(|| (port, Vec::new()));
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        let ports = service.body.spec.as_ref().and_then(|s| s.ports.as_ref());
        let mut by_groups: Vec<(Vec<usize>, Vec<Port>)> = Vec::new();
        if ports.is_none_or(Vec::is_empty) && is_headless(service) && !groups.is_empty() {
            by_groups.push((groups.clone(), Vec::new()));
        }
        for (port, places) in of_port.into_values() {
            match by_groups.iter_mut().find(|(p, _)| *p == places) {
                Some((_, ports)) => ports.push(port),
                None => by_groups.push((places, vec![port])),
            }
        }
        let in_order = |(places, mut ports): (Vec<usize>, Vec<Port>)| {
            if ports.len() > 1 {
                ports.sort_by_cached_key(hash);
            }
            (places, ports.into())
        };
        self.packing = Packing { groups, subsets: by_groups.into_iter().map(in_order).collect() };
    }

    /// The addresses of some groups, those that are ready or the others.
    fn of(&self, groups: &[usize], ready: bool) -> impl Iterator<Item = &Arc<EndpointAddress>> {
        let all = groups.len() == self.packing.groups.len();
        let made = self.addresses.iter().filter(move |made| made.ready == ready);
        made.filter(move |made| all || groups.contains(&made.group)).map(|made| &made.address)
    }

    /// Whether the subsets are these.
    fn are(&self, subsets: &[EndpointSubset]) -> bool {
        let is = |(now, (groups, ports)): (&EndpointSubset, &(Vec<usize>, Arc<[Port]>))| {
            (Arc::ptr_eq(&now.ports, ports) || now.ports == *ports)
                && self.of(groups, true).eq(&now.addresses)
                && self.of(groups, false).eq(&now.not_ready)
        };
        subsets.len() == self.packing.subsets.len()
            && subsets.iter().zip(&self.packing.subsets).all(is)
    }

    /// The subsets.
    fn subsets(&self) -> Vec<EndpointSubset> {
        let list = |groups: &[usize], ready| {
            let mut list = Vec::with_capacity(self.of(groups, ready).count());
            list.extend(self.of(groups, ready).cloned());
            list
        };
        let subset = |(groups, ports): &(Vec<usize>, Arc<[Port]>)| EndpointSubset {
            addresses: list(groups, true),
            not_ready: list(groups, false),
            ports: Arc::clone(ports),
        };
        self.packing.subsets.iter().map(subset).collect()
    }
}

/// The address of a pod, if it belongs to its Service's (`ShouldPodBeInEndpoints`,
/// `podToEndpointAddressForService`).
fn address(service: &Service, pod: &Pod, publish: bool) -> Option<EndpointAddress> {
    let ip = pod.status.pod_ip.filter(|_| !pod.status.phase.is_terminal())?;
    if pod.meta.is_terminating() && !publish {
        return None;
    }
    Some(EndpointAddress {
        ip: text_of(ip),
        hostname: explicit_hostname(service, pod),
        node_name: pod.node.clone(),
        target: Some(EndpointTarget::Pod {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            uid: pod.meta.uid,
        }),
    })
}

/// The port in the form of Endpoints (`endpointPortFromServicePort`).
fn port(port: wire::discovery::EndpointPort) -> Port {
    Port {
        name: port.name.filter(|n| !n.is_empty()),
        port: port.port.unwrap_or(0),
        protocol: port.protocol,
        app_protocol: port.app_protocol,
    }
}

/// By what ports are sorted: FNV-128a of the Go structure's dump (`portsByHash`).
fn hash(port: &Port) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let app = match &port.app_protocol {
        None => "(*string)<nil>".to_owned(),
        Some(app) => format!("(*string){app}"),
    };
    let text = format!(
        "(v1.EndpointPort){{Name:(string){} Port:(int32){} Protocol:(v1.Protocol){} AppProtocol:{app}}}",
        port.name.as_deref().unwrap_or_default(),
        port.port,
        port.protocol.as_deref().unwrap_or_default(),
    );
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

fn count(subsets: &[EndpointSubset]) -> usize {
    subsets.iter().map(|s| s.addresses.len() + s.not_ready.len()).sum()
}

/// Keeps as many addresses as there is room for, ready ones first, from each subset by its share
/// (`truncateEndpoints`); answers whether there were too many.
fn truncate(subsets: &mut [EndpointSubset]) -> bool {
    let ready: usize = subsets.iter().map(|s| s.addresses.len()).sum();
    let not_ready = count(subsets) - ready;
    if ready + not_ready <= MAX_ADDRESSES {
        return false;
    }
    let too_many_ready = ready > MAX_ADDRESSES;
    let (room, of) = match too_many_ready {
        true => (MAX_ADDRESSES, ready),
        false => (MAX_ADDRESSES - ready, not_ready),
    };
    let mut left = room;
    for subset in subsets {
        let list = match too_many_ready {
            true => {
                subset.not_ready.clear();
                &mut subset.addresses
            }
            false => &mut subset.not_ready,
        };
        list.truncate((list.len() * room).div_ceil(of).min(left));
        left -= list.len();
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::fixture::Bench;

    fn service(bench: &mut Bench<EndpointsController>, spec: Value) {
        bench.apply(Kind::Service, "web", &spec);
    }

    fn pod(bench: &mut Bench<EndpointsController>, n: u8, ready: bool, port: u16) {
        let name = format!("p{n}");
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
            "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i",
                "ports": [{"name": "http", "containerPort": port}]}]}}));
        if ready {
            bench.make_ready(&name);
        }
        bench.change::<Pod>(Kind::Pod, &name, |p| p.status.pod_ip = Some([10, 0, 0, n].into()));
    }

    /// The subsets as text: `ready|not ready|ports`.
    fn shown(bench: &Bench<EndpointsController>) -> Vec<String> {
        let Object::Endpoints(endpoints) = bench.get(Kind::Endpoints, "web") else { panic!() };
        let ips = |list: &[Arc<EndpointAddress>]| {
            list.iter()
                .map(|a| a.ip.rsplit('.').next().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let ports = |s: &EndpointSubset| {
            s.ports.iter().map(|p| p.port.to_string()).collect::<Vec<_>>().join(" ")
        };
        let line = |s: &EndpointSubset| {
            format!("{}|{}|{}", ips(&s.addresses), ips(&s.not_ready), ports(s))
        };
        endpoints.subsets.iter().map(line).collect()
    }

    #[test]
    fn pods_with_the_same_ports_are_one_subset_and_leave_when_they_terminate() {
        let mut bench = Bench::<EndpointsController>::new();
        service(
            &mut bench,
            json!({"selector": {"app": "web"}, "clusterIP": "10.96.0.9",
            "ports": [{"name": "a", "port": 80, "targetPort": "http"}]}),
        );
        assert_eq!(bench.run(), ["create Endpoints -> web"], "without pods it is there, and empty");
        assert_eq!(shown(&bench), Vec::<String>::new());
        for (n, ready) in [(2, true), (1, true), (3, false)] {
            pod(&mut bench, n, ready, 8080);
        }
        pod(&mut bench, 4, true, 9090);
        assert_eq!(bench.run(), ["update Endpoints web"]);
        assert_eq!(shown(&bench), ["1 2|3|8080", "4||9090"]);
        assert_eq!(bench.run(), Vec::<String>::new());
        let now = bench.now;
        bench.change::<Pod>(Kind::Pod, "p1", |p| {
            let grace = std::time::Duration::from_secs(30);
            p.meta.deletion = Some(crate::model::Deletion { at: now, grace });
        });
        bench.run();
        assert_eq!(shown(&bench), ["2|3|8080", "4||9090"]);
        bench.remove(Kind::Service, "web");
        assert_eq!(bench.run()[0], "delete Endpoints web");
    }

    #[test]
    fn a_service_without_a_selector_is_left_to_whoever_writes_its_endpoints() {
        let mut bench = Bench::<EndpointsController>::new();
        service(&mut bench, json!({"ports": [{"port": 80}]}));
        assert_eq!(bench.run(), Vec::<String>::new());
    }

    #[test]
    fn a_headless_service_has_addresses_without_ports_too() {
        let mut bench = Bench::<EndpointsController>::new();
        service(
            &mut bench,
            json!({"selector": {"app": "web"}, "clusterIP": "None",
            "publishNotReadyAddresses": true}),
        );
        pod(&mut bench, 1, false, 80);
        bench.run();
        assert_eq!(shown(&bench), ["1||"], "what is not ready is published");
        let labels = bench.get(Kind::Endpoints, "web").meta().labels.clone();
        assert!(labels.get(HEADLESS).is_some() && labels.get(MANAGED_BY.0).is_some());
    }

    #[test]
    fn of_more_than_a_thousand_addresses_ready_ones_are_kept_by_the_share_of_their_subset() {
        let address = |_| {
            Arc::new(EndpointAddress {
                ip: "10.0.0.1".into(),
                hostname: None,
                node_name: None,
                target: None,
            })
        };
        let subset = |ready: usize, not_ready: usize| EndpointSubset {
            addresses: (0..ready).map(address).collect(),
            not_ready: (0..not_ready).map(address).collect(),
            ports: Arc::default(),
        };
        let left = |mut subsets: Vec<EndpointSubset>| {
            let cut = truncate(&mut subsets);
            let sizes = subsets.iter().map(|s| (s.addresses.len(), s.not_ready.len())).collect();
            (cut, sizes)
        };
        assert_eq!(left(vec![subset(500, 500)]), (false, vec![(500, 500)]));
        assert_eq!(
            left(vec![subset(900, 300), subset(50, 100)]),
            (true, vec![(900, 38), (50, 12)])
        );
        assert_eq!(left(vec![subset(1000, 9), subset(500, 0)]), (true, vec![(667, 0), (333, 0)]));
    }
}

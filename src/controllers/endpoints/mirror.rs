//! The EndpointSlice mirroring controller: slices for the Endpoints that somebody writes by hand.
//!
//! Follows `pkg/controller/endpointslicemirroring`: Endpoints of a Service without a selector become
//! slices, one for each subset and family of addresses, of at most a thousand endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{SERVICE_NAME, Service, TRIGGER_TIME, service_of};
use crate::base::Str;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::controllers::consistency::Wrote;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{
    Endpoint, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Key, Kind, Labels, Meta,
    Object, OwnerRef, wire,
};
use crate::store::{DeleteOptions, Delta, Reply, Request};
use crate::trace::{Change, EventType};

/// Marks the slices of this controller.
const MANAGED_BY: (&str, &str) =
    ("endpointslice.kubernetes.io/managed-by", "endpointslicemirroring-controller.k8s.io");
/// A label of Endpoints that are not to be mirrored.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// An annotation of Endpoints that are a lock.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// What `kubectl apply` keeps.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Endpoints of one subset (`--mirroring-max-endpoints-per-subset`).
const MAX_ENDPOINTS: usize = 1000;
/// How often Endpoints are tried again (`maxRetries`).
const MAX_RETRIES: u32 = 15;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct EndpointSliceMirroringController {
    wrote: Wrote<Key>,
}

impl Controller for EndpointSliceMirroringController {
    type Key = Key;
    type Work = ();

    const HEARS: Kinds = Kinds::of(&[Kind::Service, Kind::Endpoints, Kind::EndpointSlice]);
    const NAME: &'static str = "endpoint-slice-mirroring-controller";
    const WORKERS: usize = 5;
    /// `defaultSyncBackOff`, `maxSyncBackOff`.
    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(100) };

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match delta.new {
            // Of the Endpoints of a Service with a selector there would be nothing to do.
            Object::Endpoints(endpoints) => {
                let key = endpoints.meta.key();
                let service = view.typed::<Service>(Kind::Service, &key);
                if service.is_none_or(|s| !selects(s)) {
                    queue.add(key, delta.fact);
                }
            }
            Object::Service(service) => {
                let selected = matches!(delta.old, Some(Object::Service(old)) if selects(old));
                if !selects(service) || (delta.old.is_some() && !selected) {
                    queue.add(service.meta.key(), delta.fact);
                }
            }
            Object::EndpointSlice(slice) if delta.change == Change::Deleted && is_mirror(slice) => {
                if let Some(service) = service_of(slice) {
                    queue.add(service, delta.fact);
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        if !self.wrote.heard(key, cx.view) {
            return Step::failed();
        }
        let slices: Vec<&Arc<EndpointSlice>> = cx
            .view
            .in_namespace(&key.namespace, Kind::EndpointSlice)
            .filter_map(|o| o.try_into().ok())
            .filter(|s: &&Arc<EndpointSlice>| {
                is_mirror(s) && s.meta.labels.get(SERVICE_NAME) == Some(&key.name)
            })
            .collect();
        let endpoints = cx.view.typed::<Endpoints>(Kind::Endpoints, key).filter(|e| mirrors(e));
        let service = cx.view.typed::<Service>(Kind::Service, key).filter(|s| !selects(s));
        let (Some(endpoints), Some(_)) = (endpoints, service) else {
            let requests = slices.into_iter().map(delete).collect();
            return Step::Ask { requests, then: () };
        };
        let wanted = wanted(endpoints);
        let object = Object::Endpoints(Arc::clone(endpoints));
        if wanted.invalid > 0 {
            let text = format!(
                "Skipped {} invalid IP addresses when mirroring to EndpointSlices",
                wanted.invalid
            );
            cx.event(&object, EventType::Warning, "InvalidIPAddress", text);
        }
        if wanted.skipped > wanted.invalid {
            let text = format!(
                "A max of {MAX_ENDPOINTS} addresses can be mirrored to EndpointSlices per Endpoints \
                 subset. {} addresses were skipped",
                wanted.skipped
            );
            cx.event(&object, EventType::Warning, "TooManyAddressesToMirror", text);
        }
        Step::Ask { requests: plan(endpoints, wanted.slices, &slices), then: () }
    }

    fn resume(
        &mut self,
        key: &Key,
        (): (),
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        for reply in &replies {
            self.wrote.note(key, reply);
        }
        let failed = replies.iter().any(|r| r.as_ref().is_err_and(|e| !e.is_not_found()));
        if failed && cx.failures < MAX_RETRIES { Step::failed() } else { Step::done() }
    }
}

fn selects(service: &Service) -> bool {
    service.body.spec.as_ref().is_some_and(|s| s.selector.is_some())
}

fn is_mirror(slice: &EndpointSlice) -> bool {
    slice.meta.labels.get(MANAGED_BY.0).is_some_and(|v| v == MANAGED_BY.1)
}

/// Whether Endpoints are mirrored at all (`shouldMirror`).
fn mirrors(endpoints: &Endpoints) -> bool {
    let skipped = endpoints.meta.labels.get(SKIP).is_some_and(|v| v == "true");
    !skipped && !endpoints.meta.annotations.get(LEADER).is_some()
}

fn delete(slice: &Arc<EndpointSlice>) -> Request {
    Request::Delete {
        target: Object::EndpointSlice(Arc::clone(slice)).reference(),
        options: DeleteOptions::of(slice.meta.uid),
    }
}

/// By what slices are told apart: whether their addresses are of IPv6, and their ports.
type Group = (bool, String);

/// What the slices should hold.
#[derive(Default)]
struct Wanted {
    slices: BTreeMap<Group, (Vec<wire::discovery::EndpointPort>, Vec<Arc<Endpoint>>)>,
    invalid: usize,
    skipped: usize,
}

/// Goes through the subsets (`reconcile`).
fn wanted(endpoints: &Endpoints) -> Wanted {
    let mut wanted = Wanted::default();
    for subset in &endpoints.subsets {
        let ports: Vec<_> = subset.ports.iter().map(port).collect();
        let group = super::groups::group_of(&ports);
        let ready = subset.addresses.iter().map(|a| (a, true));
        let mut taken = 0;
        for (address, ready) in ready.chain(subset.not_ready.iter().map(|a| (a, false))) {
            if taken == MAX_ENDPOINTS {
                break;
            }
            let Some((is_v6, endpoint)) = endpoint(address, ready) else {
                wanted.invalid += 1;
                continue;
            };
            taken += 1;
            let slice = wanted.slices.entry((is_v6, group.clone()));
            slice.or_insert_with(|| (ports.clone(), Vec::new())).1.push(Arc::new(endpoint));
        }
        wanted.skipped += total(subset) - taken;
    }
    wanted
}

fn total(subset: &EndpointSubset) -> usize {
    subset.addresses.len() + subset.not_ready.len()
}

fn port(port: &wire::core::EndpointPort) -> wire::discovery::EndpointPort {
    wire::discovery::EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    }
}

/// The endpoint of an address, and whether it is of IPv6 (`addressToEndpoint`).
fn endpoint(address: &EndpointAddress, ready: bool) -> Option<(bool, Endpoint)> {
    let ip: IpAddr = address.ip.parse().ok()?;
    let endpoint = Endpoint {
        addresses: [Str::from(ip.to_string())].into_iter().collect(),
        ready: Some(ready),
        hostname: address.hostname.clone(),
        node_name: address.node_name.clone(),
        target: address.target.clone(),
        ..Endpoint::default()
    };
    Some((ip.is_ipv6(), endpoint))
}

/// The requests that make the slices what they should be (`reconcileByPortMapping`, `finalize`).
fn plan(
    endpoints: &Endpoints,
    wanted: BTreeMap<Group, (Vec<wire::discovery::EndpointPort>, Vec<Arc<Endpoint>>)>,
    slices: &[&Arc<EndpointSlice>],
) -> Vec<Request> {
    let meta = slice_meta(endpoints);
    let (mut create, mut requests) = (Vec::new(), Vec::new());
    let mut left: Vec<&Arc<EndpointSlice>> = slices.to_vec();
    for ((is_v6, group), (ports, endpoints)) in wanted {
        let family = if is_v6 { "IPv6" } else { "IPv4" };
        let fits = |s: &&Arc<EndpointSlice>| {
            s.address_type == family && super::groups::group_of(&s.ports) == group
        };
        let place = left.iter().position(fits);
        let slice = EndpointSlice {
            meta: meta.clone(),
            address_type: family.into(),
            ports: ports.into(),
            endpoints,
        };
        let Some(old) = place.map(|p| left.remove(p)) else {
            create.push(slice);
            continue;
        };
        let same = old.endpoints == slice.endpoints
            && old.meta.labels == meta.labels
            && without_trigger(&old.meta.annotations) == meta.annotations;
        if !same {
            requests.push(Request::Update(renewed(old, slice).into()));
        }
    }
    // A slice that would go takes the place of one of its family that would be made.
    for slice in create {
        let old = left.iter().position(|s| s.address_type == slice.address_type);
        requests.push(match old.map(|p| left.remove(p)) {
            Some(old) => Request::Update(renewed(old, slice).into()),
            None => Request::Create(slice.into()),
        });
    }
    requests.extend(left.into_iter().map(delete));
    requests
}

/// The old slice with what the new one says.
fn renewed(old: &EndpointSlice, new: EndpointSlice) -> EndpointSlice {
    let (labels, annotations) = (new.meta.labels, new.meta.annotations);
    EndpointSlice { meta: Meta { labels, annotations, ..old.meta.clone() }, ..new }
}

fn without_trigger(annotations: &Labels) -> Labels {
    annotations.without(TRIGGER_TIME).without(LAST_APPLIED)
}

/// The metadata of a new slice (`newEndpointSlice`).
fn slice_meta(endpoints: &Endpoints) -> Meta {
    let labels = endpoints.meta.labels.clone();
    Meta {
        namespace: endpoints.meta.namespace.clone(),
        generate_name: format!("{}-", endpoints.meta.name).into(),
        labels: labels
            .with(SERVICE_NAME, endpoints.meta.name.clone())
            .with(MANAGED_BY.0, MANAGED_BY.1),
        annotations: without_trigger(&endpoints.meta.annotations),
        owners: OwnerRef::controller_of(Kind::Endpoints, &endpoints.meta).into(),
        ..Meta::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::fixture::Bench;

    fn bench(subsets: &Value) -> Bench<EndpointSliceMirroringController> {
        let mut bench = Bench::new();
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "db", "namespace": "default"}, "spec": {"ports": [{"port": 5432}]}}));
        write(&mut bench, subsets);
        bench
    }

    fn write(bench: &mut Bench<EndpointSliceMirroringController>, subsets: &Value) {
        bench.put_manifest(&json!({"apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": "db", "namespace": "default", "labels": {"team": "a"}},
            "subsets": subsets}));
    }

    fn slice(bench: &Bench<EndpointSliceMirroringController>) -> Arc<EndpointSlice> {
        let name = bench.names(Kind::EndpointSlice).pop().unwrap();
        let Object::EndpointSlice(slice) = bench.get(Kind::EndpointSlice, &name) else { panic!() };
        slice
    }

    #[test]
    fn endpoints_written_by_hand_become_a_slice_and_go_with_their_service() {
        let port = json!([{"port": 5432}]);
        let mut bench = bench(&json!([{"addresses": [{"ip": "192.0.2.7"}],
            "notReadyAddresses": [{"ip": "192.0.2.8"}], "ports": port}]));
        assert_eq!(bench.run(), ["create EndpointSlice -> db-1"]);
        let made = slice(&bench);
        let ready: Vec<_> =
            made.endpoints.iter().map(|e| (e.addresses[0].as_str(), e.ready)).collect();
        assert_eq!(ready, [("192.0.2.7", Some(true)), ("192.0.2.8", Some(false))]);
        assert_eq!(made.meta.labels.get("team").map(Str::as_str), Some("a"));
        assert_eq!(bench.run(), Vec::<String>::new());
        write(&mut bench, &json!([{"addresses": [{"ip": "192.0.2.9"}], "ports": port}]));
        assert_eq!(bench.run(), ["update EndpointSlice db-1"]);
        bench.remove(Kind::Service, "db");
        assert_eq!(bench.run(), ["delete EndpointSlice db-1"]);
    }

    #[test]
    fn what_is_too_much_or_no_address_is_told() {
        let addresses: Vec<Value> = (0..1002)
            .map(|n| json!({"ip": format!("192.0.{}.{}", n / 250, n % 250)}))
            .chain([json!({"ip": "nowhere"})])
            .collect();
        let mut bench = bench(&json!([{"addresses": [{"ip": "nowhere"}]}, {"addresses": addresses,
            "ports": [{"port": 1}]}]));
        let lines = bench.run();
        assert!(lines[..2].iter().any(|l| l.starts_with("InvalidIPAddress Skipped 1 invalid")));
        assert!(
            lines[..2].iter().any(|l| l.ends_with("subset. 4 addresses were skipped")),
            "{lines:?}"
        );
        assert_eq!(slice(&bench).endpoints.len(), MAX_ENDPOINTS);
    }
}

//! What a cloud would do: addresses for Services of type LoadBalancer, and for Ingresses.
//!
//! For Services this is the service controller of a cloud-controller-manager
//! (`k8s.io/cloud-provider/controllers/service`), its finalizer and its events, over a cloud that is an
//! assumption: an address of 198.18.0.0/15 is there after [`PROVISIONING`]. For an Ingress some
//! controller is assumed that serves every class. Both assumptions are told when first made. A Service
//! with a `loadBalancerClass` belongs to someone else and gets nothing. A cluster without a cloud
//! (`Options::cloud`) has none of this: what asks for an address waits.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::controller::{Controller, Done, Kinds, Retry, Step, SyncCx};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{Inert, Key, Kind, Object, Slot, Uid, Whole, wire};
use crate::store::{Delta, MetaChange, Reply, Request};
use crate::trace::{Change, EventType, Waiting};

/// How long a cloud takes to set a load balancer up.
pub const PROVISIONING: Duration = Duration::from_secs(5);
/// Keeps a Service until its load balancer is gone (`service.kubernetes.io/load-balancer-cleanup`).
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
/// The addresses given away: by the place of the object, those of Ingresses in the upper half.
const ADDRESSES: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const HALF: u32 = 1 << 16;

type Service = Whole<wire::core::Service>;

/// The controller.
#[derive(Clone, Debug)]
pub struct CloudController {
    /// Whether there is a cloud.
    cloud: bool,
    /// When load balancers that are being set up will stand.
    due: BTreeMap<Uid, SimTime>,
}

impl CloudController {
    /// A controller in a cluster with a cloud or without.
    pub const fn new(cloud: bool) -> Self {
        Self { cloud, due: BTreeMap::new() }
    }
}

impl Default for CloudController {
    fn default() -> Self {
        Self::new(true)
    }
}

/// What is synced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A Service.
    Service(Key),
    /// An Ingress.
    Ingress(Key),
}

/// A sync that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The finalizer is put on; then the cloud works for a while.
    Held,
    /// The address is written.
    Ensured,
    /// The finalizer is taken off.
    Released,
    /// An Ingress's address is written.
    Last,
}

impl Controller for CloudController {
    type Key = Item;
    type Work = Work;

    const HEARS: Kinds = Kinds::of(&[Kind::Service, Kind::Inert]);
    const NAME: &'static str = "service-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        now: SimTime,
        queue: &mut WorkQueue<Item>,
    ) {
        if delta.change == Change::Deleted {
            return;
        }
        match (kind, delta.new) {
            (Kind::Service, Object::Service(service))
                if wants_balancer(service) || service.meta.has_finalizer(FINALIZER) =>
            {
                queue.add(Item::Service(service.meta.key()), delta.fact);
            }
            (Kind::Inert, object @ Object::Inert(inert)) if self.cloud && is_ingress(inert) => {
                if !has_address(inert) {
                    queue.add_at(now + PROVISIONING, Item::Ingress(object.key()), delta.fact);
                }
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Item, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        match key {
            Item::Service(key) => self.sync_service(key, cx),
            Item::Ingress(key) => sync_ingress(key, cx),
        }
    }

    fn resume(
        &mut self,
        key: &Item,
        work: Work,
        replies: Vec<Reply>,
        cx: &mut SyncCx<'_, '_>,
    ) -> Step<Work> {
        if replies.iter().any(|r| r.as_ref().is_err_and(|e| e.code != 404)) {
            return Step::failed();
        }
        let (Item::Service(_), Some(Ok(Some(object)))) = (key, replies.first()) else {
            return Step::done();
        };
        match work {
            Work::Held => {
                cx.event(
                    object,
                    EventType::Normal,
                    "EnsuringLoadBalancer",
                    "Ensuring load balancer",
                );
                cx.assume(
                    "Services of type LoadBalancer",
                    "get an address after 5s, as a cloud would give them one",
                );
                let due = cx.now + PROVISIONING;
                self.due.insert(object.meta().uid, due);
                waiting(object, due)
            }
            Work::Ensured => {
                self.due.remove(&object.meta().uid);
                cx.event(object, EventType::Normal, "EnsuredLoadBalancer", "Ensured load balancer");
                Step::done()
            }
            Work::Released => {
                cx.event(object, EventType::Normal, "DeletedLoadBalancer", "Deleted load balancer");
                Step::done()
            }
            Work::Last => Step::done(),
        }
    }
}

impl CloudController {
    /// `syncLoadBalancerIfNeeded`.
    fn sync_service(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
        let Some(service) = cx.view.typed::<Service>(Kind::Service, key) else {
            return Step::done();
        };
        let on = Object::Service(Arc::clone(service));
        let change = |change| Request::PatchMeta {
            target: on.reference(),
            uid: service.meta.uid,
            changes: vec![change],
        };
        let held = service.meta.has_finalizer(FINALIZER);
        if service.meta.is_terminating() || !wants_balancer(service) {
            self.due.remove(&service.meta.uid);
            if !held {
                return Step::done();
            }
            cx.event(&on, EventType::Normal, "DeletingLoadBalancer", "Deleting load balancer");
            let mut requests = Vec::new();
            if !service.meta.is_terminating() {
                requests.push(Request::UpdateStatus(with_address(service, None).into()));
            }
            requests.push(change(MetaChange::RemoveFinalizer(FINALIZER.into())));
            return Step::Ask { requests, then: Work::Released };
        }
        if !self.cloud {
            let on = Waiting {
                object: on.reference(),
                uid: service.meta.uid,
                on: "a load balancer, which this cluster has no cloud to give".into(),
            };
            return Step::Done(Done { retry: Retry::OnNews, waiting: Some(on) });
        }
        if address(service).is_some() {
            return Step::done();
        }
        if !held {
            return Step::ask(change(MetaChange::AddFinalizer(FINALIZER.into())), Work::Held);
        }
        // The finalizer's coming is news as well: the cloud is still at work then.
        if let Some(due) = self.due.get(&service.meta.uid).filter(|due| **due > cx.now) {
            return waiting(&on, *due);
        }
        let slot = cx.view.kind(Kind::Service).slot(key).unwrap_or(Slot(0));
        let ip = Ipv4Addr::from(ADDRESSES + slot.0 % (HALF - 1) + 1);
        Step::ask(Request::UpdateStatus(with_address(service, Some(ip)).into()), Work::Ensured)
    }
}

/// Waits until the cloud is done.
fn waiting(object: &Object, due: SimTime) -> Step<Work> {
    let waiting = Waiting {
        object: object.reference(),
        uid: object.meta().uid,
        on: "its load balancer to be set up".into(),
    };
    Step::Done(Done { retry: Retry::At(due), waiting: Some(waiting) })
}

/// Whether a Service asks for a load balancer of this cloud (`wantsLoadBalancer`).
fn wants_balancer(service: &Service) -> bool {
    service.body.spec.as_ref().is_some_and(|spec| {
        spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none()
    })
}

fn address(service: &Service) -> Option<&wire::core::LoadBalancerIngress> {
    let status = service.body.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()
}

/// The Service with its load balancer at that address, or with none.
fn with_address(service: &Service, ip: Option<Ipv4Addr>) -> Service {
    let mut new = service.clone();
    let ingress = ip.map(|ip| {
        let ip_mode = Some("VIP".to_owned());
        vec![wire::core::LoadBalancerIngress {
            ip: Some(ip.to_string()),
            ip_mode,
            ..Default::default()
        }]
    });
    let status = Arc::make_mut(&mut new.body).status.get_or_insert_default();
    status.load_balancer = Some(wire::core::LoadBalancerStatus { ingress });
    new
}

fn is_ingress(inert: &Inert) -> bool {
    inert.kind == "Ingress" && inert.api_version.starts_with("networking.k8s.io/")
}

fn has_address(inert: &Inert) -> bool {
    let status = inert.body.get("status").and_then(|s| s.pointer("/loadBalancer/ingress/0"));
    status.is_some()
}

fn sync_ingress(key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<Work> {
    let Some(Object::Inert(inert)) = cx.view.get(Kind::Inert, key) else { return Step::done() };
    if inert.meta.is_terminating() || has_address(inert) {
        return Step::done();
    }
    cx.assume("Ingresses", "get an address after 5s, whatever their class; no request passes them");
    let slot = cx.view.kind(Kind::Inert).slot(key).unwrap_or(Slot(0));
    let ip = Ipv4Addr::from(ADDRESSES + HALF + slot.0 % (HALF - 1) + 1);
    let mut new = Inert::clone(inert);
    let status = json!({"loadBalancer": {"ingress": [{"ip": ip.to_string()}]}});
    Arc::make_mut(&mut new.body).insert("status".into(), status);
    Step::ask(Request::UpdateStatus(new.into()), Work::Last)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Bench;
    use super::*;
    use crate::api::convert;
    use crate::api::typed::Typed;

    fn bench() -> Bench<CloudController> {
        let mut bench = Bench::new();
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
        bench.apply(Kind::Service, "web", &spec);
        bench
    }

    #[test]
    fn a_load_balancer_has_its_address_after_a_while_and_is_let_go() {
        let mut bench = bench();
        assert_eq!(
            bench.run(),
            [
                "patch Service web",
                "EnsuringLoadBalancer Ensuring load balancer",
                "web waits for its load balancer to be set up",
            ]
        );
        assert_eq!(bench.wakes_in(), Some(5));
        bench.wait(5);
        let lines = bench.run();
        assert_eq!(
            lines[..2],
            ["status Service web", "EnsuredLoadBalancer Ensured load balancer"],
            "{lines:?}"
        );
        let Object::Service(service) = bench.get(Kind::Service, "web") else { panic!("a Service") };
        assert_eq!(address(&service).unwrap().ip.as_deref(), Some("198.18.0.1"));
        assert_eq!(bench.run(), Vec::<String>::new());
        bench.change::<Service>(Kind::Service, "web", |service| {
            Arc::make_mut(&mut service.body).spec.as_mut().unwrap().type_ =
                Some("ClusterIP".into());
        });
        let lines = bench.run();
        assert_eq!(lines[0], "DeletingLoadBalancer Deleting load balancer");
        assert!(lines.contains(&"DeletedLoadBalancer Deleted load balancer".to_owned()));
    }

    #[test]
    fn an_ingress_gets_an_address_once() {
        let mut bench = Bench::<CloudController>::new();
        let manifest = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "web", "namespace": "default"}, "spec": {}});
        bench.put(convert::from_wire(Typed::decode(&manifest).unwrap()).unwrap());
        assert_eq!(bench.run(), Vec::<String>::new());
        bench.wait(5);
        assert_eq!(bench.run(), ["status Inert web"]);
        bench.wait(5);
        assert_eq!(bench.run(), Vec::<String>::new());
    }
}

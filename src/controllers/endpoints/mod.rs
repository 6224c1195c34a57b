//! The EndpointSlice controller: the addresses behind each Service.
//!
//! Follows `pkg/controller/endpointslice/endpointslice_controller.go` and the reconciler in
//! `k8s.io/endpointslice`: a Service with a selector has slices of at most 100 endpoints, one group of
//! slices for each way its ports map to its pods' ports; a Service that selects nothing has one empty
//! slice. Which Services a pod belongs to is kept in an index ([`index`]), so that a pod's change costs
//! its own Services and not all of them; what the slices should be is planned in [`plan`].
//!
//! A Service whose traffic is to stay close has hints by zone and node. Left out: the older
//! `topology-mode` annotation and dual-stack addresses. The older Endpoints are kept by [`legacy`], and
//! those that a user writes become slices by [`mirror`].

mod index;
mod legacy;
mod mirror;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use self::index::Members;
pub use self::legacy::EndpointsController;
pub use self::mirror::EndpointSliceMirroringController;
use super::controller::{Controller, Step, SyncCx};
use super::view::View;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::WorkQueue;
use crate::model::{Endpoint, EndpointSlice, Key, Kind, Node, Object, Pod, Slot, Whole, wire};
use crate::store::{Delta, Reply};
use crate::trace::Change;

/// Marks the slices of this controller.
pub(super) const MANAGED_BY: (&str, &str) =
    ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io");
/// Names a slice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Marks the slices of a headless Service.
pub(super) const HEADLESS: &str = "service.kubernetes.io/headless";
/// When the change that a slice shows was made.
pub(super) const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

pub(super) type Service = Whole<wire::core::Service>;
pub(super) type Slice = EndpointSlice;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct EndpointSliceController {
    members: Members,
    known: Map<Key, Known>,
    /// How often a node's zone may have changed.
    zones: u64,
}

/// The endpoints of a Service's pods as they were last made: most pods are the same at the next look.
#[derive(Clone, Debug, Default)]
struct Known {
    service: Option<Arc<Service>>,
    zones: u64,
    /// In the order of the pods' slots.
    of_pods: Vec<Made>,
}

/// An endpoint and the version of the pod that it was made of.
#[derive(Clone, Debug)]
struct Made {
    slot: Slot,
    pod: Arc<Pod>,
    endpoint: Arc<Endpoint>,
}

impl Controller for EndpointSliceController {
    type Key = Key;
    type Work = ();

    const NAME: &'static str = "endpoint-slice-controller";
    const WORKERS: usize = 5;
    /// `defaultSyncBackOff`, `maxSyncBackOff`.
    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(1000) };

    fn observe(
        &mut self,
        _kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match delta.new {
            Object::Service(service) if delta.change == Change::Deleted => {
                self.known.remove(&service.meta.key());
            }
            Object::Node(node) => {
                let before = match delta.old {
                    Some(Object::Node(old)) => zone_of(old),
                    _ => None,
                };
                let now = zone_of(node).filter(|_| delta.change != Change::Deleted);
                self.zones += u64::from(before != now);
            }
            Object::EndpointSlice(slice) if delta.change == Change::Deleted => {
                if let Some(service) = service_of(slice) {
                    queue.add(service, delta.fact);
                }
            }
            _ => {}
        }
        note(&mut self.members, delta, view, queue);
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        let Some(service) = cx.view.typed::<Service>(Kind::Service, key) else {
            return Step::done();
        };
        let Some(spec) = service.body.spec.as_ref().filter(|s| s.selector.is_some()) else {
            return Step::done();
        };
        if service.meta.is_terminating() || spec.type_.as_deref() == Some("ExternalName") {
            return Step::done();
        }
        let made = self.endpoints(key, service, cx.view);
        let slices: Vec<&Arc<Slice>> = cx
            .view
            .owned_by(service.meta.uid, Kind::EndpointSlice)
            .filter_map(|o| o.try_into().ok())
            .filter(|s: &&Arc<Slice>| {
                s.meta.labels.get(MANAGED_BY.0).is_some_and(|v| v == MANAGED_BY.1)
            })
            .collect();
        let requests = plan::plan(service, made, &slices, cx.now);
        if requests.is_empty() {
            return Step::done();
        }
        Step::Ask { requests, then: () }
    }

    fn resume(
        &mut self,
        _key: &Key,
        _work: (),
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        if replies.iter().any(Result::is_err) { Step::failed() } else { Step::done() }
    }
}

impl EndpointSliceController {
    /// The endpoints of a Service's pods; those of pods that have not changed are there already.
    fn endpoints(&mut self, key: &Key, service: &Arc<Service>, view: &View) -> &[Made] {
        let zone = |node: &str| {
            let node: &Arc<Node> = view.typed(Kind::Node, &Key::new("", node))?;
            zone_of(node).cloned()
        };
        let known = self.known.entry(key.clone()).or_default();
        if known.zones != self.zones || known.service.as_ref().is_none_or(|s| s != service) {
            *known =
                Known { service: Some(Arc::clone(service)), zones: self.zones, ..Known::default() };
        }
        let mut before = std::mem::take(&mut known.of_pods).into_iter().peekable();
        let pods = view.kind(Kind::Pod);
        for slot in self.members.of(key) {
            let Some(Object::Pod(pod)) = pods.get(slot) else { continue };
            if !plan::belongs(pod) {
                continue;
            }
            while before.next_if(|made| made.slot < slot).is_some() {}
            let same = before.next_if(|made| made.slot == slot && Arc::ptr_eq(&made.pod, pod));
            known.of_pods.push(same.unwrap_or_else(|| {
                let endpoint = Arc::new(plan::endpoint(service, pod, &zone));
                Made { slot, pod: Arc::clone(pod), endpoint }
            }));
        }
        &known.of_pods
    }
}

fn zone_of(node: &Node) -> Option<&Str> {
    node.meta.labels.get("topology.kubernetes.io/zone")
}

/// Notes news of Services and pods, and the keys of the Services that they concern.
fn note(members: &mut Members, delta: &Delta<'_>, view: &View, queue: &mut WorkQueue<Key>) {
    let gone = delta.change == Change::Deleted;
    match delta.new {
        Object::Service(service) => {
            if gone {
                members.remove_service(service);
            } else {
                members.set_service(service, view);
            }
            queue.add(service.meta.key(), delta.fact);
        }
        Object::Pod(pod) => {
            let old = match delta.old {
                Some(Object::Pod(old)) => Some(old),
                _ => None,
            };
            if !gone && old.is_some_and(|old| !matters(old, pod)) {
                return;
            }
            for key in members.move_pod(delta.slot, old, (!gone).then_some(pod)) {
                queue.add(key, delta.fact);
            }
        }
        _ => {}
    }
}

/// The pods of a Service, in the order of their slots.
fn pods_of<'a>(members: &'a Members, service: &Key, view: &'a View) -> Vec<&'a Arc<Pod>> {
    let pods = view.kind(Kind::Pod);
    let objects = members.of(service).filter_map(|slot| pods.get(slot));
    objects.filter_map(|o| o.try_into().ok()).collect()
}

/// Whether a change of a pod may change endpoints (`podEndpointsChanged`).
fn matters(old: &Pod, new: &Pod) -> bool {
    old.status.pod_ip != new.status.pod_ip
        || old.is_ready() != new.is_ready()
        || old.meta.is_terminating() != new.meta.is_terminating()
        || old.status.phase.is_terminal() != new.status.phase.is_terminal()
        || old.node != new.node
        || old.meta.labels != new.meta.labels
}

fn service_of(slice: &Slice) -> Option<Key> {
    let name = slice.meta.labels.get(SERVICE_NAME)?;
    Some(Key { namespace: slice.meta.namespace.clone(), name: name.clone() })
}

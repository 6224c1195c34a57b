//! The EndpointSlice controller: the addresses behind each Service.
//!
//! Follows `pkg/controller/endpointslice/endpointslice_controller.go` and the reconciler in
//! `k8s.io/endpointslice`: a Service with a selector has slices of at most 100 endpoints, one group of
//! slices for each way its ports map to its pods' ports; a Service that selects nothing has one empty
//! slice. Which Services a pod belongs to is kept in an index ([`index`]), so that a pod's change costs
//! its own Services and not all of them; what the slices should be is planned in [`plan`].
//!
//! A Service whose traffic is to stay close has hints by zone and node. Left out: the older
//! `topology-mode` annotation, dual-stack addresses, and the legacy Endpoints objects.

mod index;
mod plan;

use std::sync::Arc;

use self::index::Members;
use super::controller::{Controller, Step, SyncCx};
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::WorkQueue;
use crate::model::{EndpointSlice, Key, Kind, Node, Object, Pod, Whole, wire};
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
#[derive(Debug, Default)]
pub struct EndpointSliceController {
    members: Members,
}

impl Controller for EndpointSliceController {
    type Key = Key;
    type Work = ();

    const NAME: &'static str = "endpoint-slice-controller";
    const WORKERS: usize = 5;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Key>,
    ) {
        match (kind, delta.new) {
            (Kind::Service, Object::Service(service)) => {
                if delta.change == Change::Deleted {
                    self.members.remove_service(service);
                } else {
                    self.members.set_service(service, view);
                }
                queue.add(service.meta.key(), delta.fact);
            }
            (Kind::Pod, Object::Pod(pod)) => {
                let old = match delta.old {
                    Some(Object::Pod(old)) => Some(old),
                    _ => None,
                };
                let gone = delta.change == Change::Deleted;
                if !gone && old.is_some_and(|old| !matters(old, pod)) {
                    return;
                }
                for key in self.members.move_pod(delta.slot, old, (!gone).then_some(pod)) {
                    queue.add(key, delta.fact);
                }
            }
            (Kind::EndpointSlice, Object::EndpointSlice(slice))
                if delta.change == Change::Deleted =>
            {
                if let Some(service) = service_of(slice) {
                    queue.add(service, delta.fact);
                }
            }
            _ => {}
        }
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
        let pods = cx.view.kind(Kind::Pod);
        let pods: Vec<&Arc<Pod>> = self
            .members
            .of(key)
            .filter_map(|slot| pods.get(slot))
            .filter_map(|o| o.try_into().ok())
            .collect();
        let zone = |node: &str| {
            let node: &Arc<Node> = cx.view.typed(Kind::Node, &Key::new("", node))?;
            node.meta.labels.get("topology.kubernetes.io/zone").cloned()
        };
        let slices: Vec<&Arc<Slice>> = cx
            .view
            .owned_by(service.meta.uid, Kind::EndpointSlice)
            .filter_map(|o| o.try_into().ok())
            .filter(|s: &&Arc<Slice>| {
                s.meta.labels.get(MANAGED_BY.0).is_some_and(|v| v == MANAGED_BY.1)
            })
            .collect();
        let requests = plan::plan(service, &pods, &slices, &zone, cx.now);
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

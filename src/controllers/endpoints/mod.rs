//! The EndpointSlice controller: the addresses behind each Service.
//!
//! Follows `pkg/controller/endpointslice/endpointslice_controller.go` and the reconciler in
//! `k8s.io/endpointslice`: a Service with a selector has slices of at most 100 endpoints, one group of
//! slices for each way its ports map to its pods' ports; a Service that selects nothing has one empty
//! slice. Which Services a pod belongs to is kept in an index ([`index`]), so that a pod's change costs
//! its own Services and not all of them, and what was made of a Service's pods ([`known`]), so that it
//! costs itself and not all of those; what the slices should be is planned in [`plan`].
//!
//! A Service whose traffic is to stay close has hints by zone and node. Left out: the older
//! `topology-mode` annotation and dual-stack addresses. The older Endpoints are kept by [`legacy`], and
//! those that a user writes become slices by [`mirror`].

mod basis;
mod groups;
mod index;
mod known;
mod legacy;
mod mirror;
mod plan;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStrBuilder;

use self::basis::note;
pub(super) use self::index::Members;
use self::known::Known;
pub use self::legacy::EndpointsController;
pub use self::mirror::EndpointSliceMirroringController;
use super::controller::{Controller, Kinds, Step, SyncCx};
use super::view::View;
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::WorkQueue;
use crate::model::{EndpointSlice, Key, Kind, Node, Object, Whole, wire};
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
    /// Shared with copies of the controller until they change.
    known: Map<Key, Arc<Known>>,
    /// How often a node's zone may have changed.
    zones: u64,
}

impl Controller for EndpointSliceController {
    type Key = Key;
    type Work = ();

    const HEARS: Kinds = Kinds::of(&[Kind::Service, Kind::Pod, Kind::Node, Kind::EndpointSlice]);
    const NAME: &'static str = "endpoint-slice-controller";
    const WORKERS: usize = 5;
    /// `defaultSyncBackOff`, `maxSyncBackOff`.
    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(1000) };

    fn observe(
        &mut self,
        kind: Kind,
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
        note(&mut self.known, kind, delta, view, queue);
    }

    fn sync(&mut self, key: &Key, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        let service = cx.view.typed::<Service>(Kind::Service, key).filter(|s| has_slices(s));
        let Some(service) = service else {
            self.known.remove(key);
            return Step::done();
        };
        let known = Arc::make_mut(self.known.entry(key.clone()).or_default());
        known.refresh(key, service, self.zones, cx.view);
        let slices: Vec<&Arc<Slice>> = cx
            .view
            .owned_by(service.meta.uid, Kind::EndpointSlice)
            .filter_map(|o| o.try_into().ok())
            .filter(|s: &&Arc<Slice>| {
                s.meta.labels.get(MANAGED_BY.0).is_some_and(|v| v == MANAGED_BY.1)
            })
            .collect();
        if known.is_settled(&slices) {
            return Step::done();
        }
        let requests = plan::plan(service, known, &slices, cx.now);
        if requests.is_empty() {
            known.settle(&slices);
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

/// Whether the controller keeps slices of a Service.
fn has_slices(service: &Service) -> bool {
    let has = |spec: &wire::core::ServiceSpec| {
        spec.selector.is_some() && spec.type_.as_deref() != Some("ExternalName")
    };
    !service.meta.is_terminating() && service.body.spec.as_ref().is_some_and(has)
}

fn zone_of(node: &Node) -> Option<&Str> {
    node.meta.labels.get("topology.kubernetes.io/zone")
}

fn service_of(slice: &Slice) -> Option<Key> {
    let name = slice.meta.labels.get(SERVICE_NAME)?;
    Some(Key { namespace: slice.meta.namespace.clone(), name: name.clone() })
}

/// An address as text. It is written for each change of a pod: without the machinery of formatting.
fn text_of(ip: Ipv4Addr) -> Str {
    let mut text = SmolStrBuilder::new();
    for (i, octet) in ip.octets().into_iter().enumerate() {
        if i > 0 {
            text.push('.');
        }
        for unit in [100, 10, 1] {
            if octet >= unit || unit == 1 {
                text.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_formatted() {
        for ip in [[0, 9, 10, 99], [100, 101, 110, 199], [200, 205, 250, 255]].map(Ipv4Addr::from) {
            assert_eq!(text_of(ip), ip.to_string());
        }
    }
}

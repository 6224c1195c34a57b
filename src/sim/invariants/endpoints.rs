//! EndpointSlices: traffic goes to pods that are there and ready.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, LAG, Seen};
use crate::base::time::SimTime;
use crate::model::{EndpointTarget, Key, Object, Uid};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// Pods: whether they are ready, and since when they are not.
    ready: BTreeMap<Uid, Result<(), SimTime>>,
    /// Services that want addresses of pods that are not ready as well.
    publishing: BTreeSet<Key>,
}

impl Endpoints {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        match seen.new {
            Object::Pod(pod) => {
                let serves = pod.is_ready() && seen.change != Change::Deleted;
                let entry = self.ready.entry(pod.meta.uid).or_insert(Err(SimTime::ZERO));
                if serves {
                    *entry = Ok(());
                } else if entry.is_ok() {
                    *entry = Err(seen.at);
                }
            }
            Object::Service(service) => {
                let spec = service.body.spec.as_ref();
                if spec.and_then(|s| s.publish_not_ready_addresses) == Some(true) {
                    self.publishing.insert(service.meta.key());
                }
            }
            Object::EndpointSlice(slice) if seen.change != Change::Deleted => {
                let service = slice.meta.labels.get("kubernetes.io/service-name");
                let service = service.map(|n| Key::new(slice.meta.namespace.clone(), n.clone()));
                if service.is_some_and(|key| self.publishing.contains(&key)) {
                    return;
                }
                for endpoint in slice.endpoints.iter().filter(|e| e.ready == Some(true)) {
                    let Some(EndpointTarget::Pod { name, uid, .. }) = &endpoint.target else {
                        continue;
                    };
                    let known = self.ready.get(uid);
                    let serves = match known {
                        Some(Ok(())) => true,
                        Some(Err(since)) => seen.at < *since + LAG,
                        None => false,
                    };
                    if !serves {
                        let name = name.to_string();
                        found.say(seen.at, seen.new, "a ready endpoint is a ready pod", name);
                    }
                }
            }
            _ => {}
        }
    }
}

//! What something was made of: a Service, and its pods as they were then.

use std::sync::Arc;

use super::Service;
use crate::base::Map;
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Slot};
use crate::store::Delta;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Basis {
    service: Option<Arc<Service>>,
    /// Pods that have changed since.
    changed: Vec<Slot>,
}

/// What rests on a Service and its pods.
pub(super) trait Based: Clone {
    /// What it was made of.
    fn basis(&mut self) -> &mut Basis;
}

impl Basis {
    /// A Service; none of its pods has changed yet.
    pub(super) fn of(service: &Arc<Service>) -> Self {
        Self { service: Some(Arc::clone(service)), changed: Vec::new() }
    }

    /// The Service.
    pub(super) fn service(&self) -> Option<&Arc<Service>> {
        self.service.as_ref()
    }

    /// Whether it is still this Service.
    pub(super) fn is(&self, service: &Arc<Service>) -> bool {
        self.service.as_ref().is_some_and(|s| Arc::ptr_eq(s, service) || s == service)
    }

    /// The pods that have changed, in the order of their slots; they count as looked at.
    pub(super) fn take_changed(&mut self) -> Vec<Slot> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
    }
}

/// Notes a change of a Service or a pod in what rests on it, and the keys of the Services.
pub(super) fn note<T: Based>(
    known: &mut Map<Key, Arc<T>>,
    kind: Kind,
    delta: &Delta<'_>,
    view: &View,
    queue: &mut WorkQueue<Key>,
) {
    for key in view.concerned() {
        if let Some(known) = known.get_mut(key).filter(|_| kind == Kind::Pod) {
            Arc::make_mut(known).basis().changed.push(delta.slot);
        }
        queue.add(key.clone(), delta.fact);
    }
}

//! Which pods each Service selects, kept as news comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Service;
use crate::base::{Map, Str};
use crate::controllers::view::View;
use crate::model::{Key, Kind, Labels, Pod, Requirement, Selector, Slot};

/// The pods of each Service, and the Services that each label may lead to.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pods: Map<Key, BTreeSet<Slot>>,
    selectors: Map<Key, Selector>,
    /// Services by namespace and one label of their selector: a pod without it is none of theirs.
    by_label: Map<(Str, Str, Str), BTreeSet<Key>>,
}

impl Members {
    /// A Service is new, or may have another selector.
    pub(super) fn set_service(&mut self, service: &Service, view: &View) {
        let key = service.meta.key();
        let wanted = service.body.spec.as_ref().and_then(|s| s.selector.as_ref());
        let selector = Selector::from_labels(wanted.into_iter().flatten());
        if self.selectors.get(&key) == Some(&selector) {
            return;
        }
        self.remove_service(service);
        if let Some((label, value)) = wanted.into_iter().flatten().next() {
            let lead = (key.namespace.clone(), label.into(), value.into());
            self.by_label.entry(lead).or_default().insert(key.clone());
            let pods = view.kind(Kind::Pod);
            let selected = view
                .pods_in(&key.namespace)
                .filter(|p| selector.matches(&p.meta.labels))
                .filter_map(|p| pods.slot(&p.meta.key()));
            self.pods.insert(key.clone(), selected.collect());
        }
        self.selectors.insert(key, selector);
    }

    /// A Service is gone.
    pub(super) fn remove_service(&mut self, service: &Service) {
        let key = service.meta.key();
        self.pods.remove(&key);
        let Some(Selector::All(all)) = self.selectors.remove(&key) else { return };
        if let Some(Requirement::In(label, values)) = all.first() {
            for value in values {
                let lead = (key.namespace.clone(), label.clone(), value.clone());
                if let Some(services) = self.by_label.get_mut(&lead) {
                    services.remove(&key);
                }
            }
        }
    }

    /// A pod has come, changed or gone: the Services that it concerns, before or now.
    pub(super) fn move_pod(
        &mut self,
        slot: Slot,
        old: Option<&Arc<Pod>>,
        new: Option<&Arc<Pod>>,
    ) -> BTreeSet<Key> {
        let mut concerned = BTreeSet::new();
        if let Some(old) = old {
            for key in self.selecting(&old.meta.namespace, &old.meta.labels) {
                if let Some(pods) = self.pods.get_mut(&key) {
                    pods.remove(&slot);
                }
                concerned.insert(key);
            }
        }
        if let Some(new) = new {
            for key in self.selecting(&new.meta.namespace, &new.meta.labels) {
                self.pods.entry(key.clone()).or_default().insert(slot);
                concerned.insert(key);
            }
        }
        concerned
    }

    /// The pods of a Service, in the order of their slots.
    pub(super) fn of(&self, key: &Key) -> impl Iterator<Item = Slot> {
        self.pods.get(key).into_iter().flatten().copied()
    }

    fn selecting(&self, namespace: &Str, labels: &Labels) -> Vec<Key> {
        let mut found = Vec::new();
        for (label, value) in labels {
            let lead = (namespace.clone(), label.clone(), value.clone());
            let Some(services) = self.by_label.get(&lead) else { continue };
            let selects = |k: &&Key| self.selectors.get(*k).is_some_and(|s| s.matches(labels));
            found.extend(services.iter().filter(selects).cloned());
        }
        found
    }
}

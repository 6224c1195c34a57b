//! Which pods each Service selects, kept as news comes.
//!
//! It belongs to what the controllers have heard: both controllers of endpoints look into it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Service;
use crate::base::{Map, Str};
use crate::controllers::view::View;
use crate::model::{Key, Kind, Labels, Object, Pod, Requirement, Selector, Slot};
use crate::store::Delta;
use crate::trace::Change;

/// The pods of each Service, and the Services that each label may lead to.
#[derive(Clone, Debug, Default)]
pub(in crate::controllers) struct Members {
    /// Shared with copies until they change.
    pods: Map<Key, Arc<BTreeSet<Slot>>>,
    selectors: Map<Key, Selector>,
    /// Services by namespace and one label of their selector, its key and its value: a pod without it is
    /// none of theirs. Few labels of a pod lead anywhere, so one step at a time finds that out soonest.
    by_label: Map<Str, Map<Str, Map<Str, BTreeSet<Key>>>>,
    /// How often a selector has come, changed or gone.
    age: u64,
    /// The Services of the pod in each slot: what changes in a pod are rarely its labels. Slots lie in
    /// chunks, which copies share until they change.
    of_pod: Vec<Arc<[Option<Found>; CHUNK]>>,
}

/// The Services of a pod, in order, as found at an age.
#[derive(Clone, Debug)]
struct Found {
    age: u64,
    services: Arc<[Key]>,
}

/// Slots of a chunk.
const CHUNK: usize = 64;

impl Members {
    /// Notes news of a Service or a pod, and puts the Services that it concerns, before or now, into
    /// `concerned`, in order.
    pub(in crate::controllers) fn note(
        &mut self,
        delta: &Delta<'_>,
        view: &View,
        concerned: &mut Vec<Key>,
    ) {
        let gone = delta.change == Change::Deleted;
        match delta.new {
            Object::Service(service) => {
                if gone {
                    self.remove_service(service);
                } else {
                    self.set_service(service, view);
                }
                concerned.push(service.meta.key());
            }
            Object::Pod(pod) => {
                let old = match delta.old {
                    Some(Object::Pod(old)) => Some(old),
                    _ => None,
                };
                if !gone && old.is_some_and(|old| !matters(old, pod)) {
                    return;
                }
                self.move_pod(delta.slot, old, (!gone).then_some(pod), concerned);
            }
            _ => {}
        }
    }

    /// The pods of a Service, in the order of their slots.
    pub(super) fn of(&self, key: &Key) -> impl Iterator<Item = Slot> {
        self.pods.get(key).into_iter().flat_map(|slots| slots.iter().copied())
    }

    /// Whether a Service selects the pod in a slot.
    pub(super) fn selects(&self, key: &Key, slot: Slot) -> bool {
        self.pods.get(key).is_some_and(|pods| pods.contains(&slot))
    }

    /// A Service is new, or may have another selector.
    fn set_service(&mut self, service: &Service, view: &View) {
        let key = service.meta.key();
        let wanted = service.body.spec.as_ref().and_then(|s| s.selector.as_ref());
        let selector = Selector::from_labels(wanted.into_iter().flatten());
        if self.selectors.get(&key) == Some(&selector) {
            return;
        }
        self.remove_service(service);
        self.age += 1;
        if let Some((label, value)) = wanted.into_iter().flatten().next() {
            let leads = self.by_label.entry(key.namespace.clone()).or_default();
            let leads = leads.entry(label.into()).or_default();
            leads.entry(value.into()).or_default().insert(key.clone());
            let pods = view.kind(Kind::Pod);
            let selected = view
                .pods_in(&key.namespace)
                .filter(|p| selector.matches(&p.meta.labels))
                .filter_map(|p| pods.slot(&p.meta.key()));
            self.pods.insert(key.clone(), Arc::new(selected.collect()));
        }
        self.selectors.insert(key, selector);
    }

    /// A Service is gone.
    fn remove_service(&mut self, service: &Service) {
        let key = service.meta.key();
        self.age += 1;
        self.pods.remove(&key);
        let Some(Selector::All(all)) = self.selectors.remove(&key) else { return };
        if let Some(Requirement::In(label, values)) = all.first()
            && let Some(leads) = self.by_label.get_mut(&key.namespace)
            && let Some(leads) = leads.get_mut(label)
        {
            for value in values {
                if let Some(services) = leads.get_mut(value) {
                    services.remove(&key);
                }
            }
        }
    }

    /// A pod has come, changed or gone.
    fn move_pod(
        &mut self,
        slot: Slot,
        old: Option<&Arc<Pod>>,
        new: Option<&Arc<Pod>>,
        concerned: &mut Vec<Key>,
    ) {
        let was = old.map(|old| self.of_pod(slot, old));
        if let (Some(old), Some(new), Some(was)) = (old, new, &was)
            && old.meta.labels == new.meta.labels
            && old.meta.namespace == new.meta.namespace
        {
            return concerned.extend_from_slice(was);
        }
        self.keep(slot, None);
        for key in was.iter().flat_map(|was| was.iter()) {
            if let Some(pods) = self.pods.get_mut(key) {
                Arc::make_mut(pods).remove(&slot);
            }
            concerned.push(key.clone());
        }
        let now = new.map(|new| self.of_pod(slot, new));
        for key in now.iter().flat_map(|now| now.iter()) {
            Arc::make_mut(self.pods.entry(key.clone()).or_default()).insert(slot);
            concerned.push(key.clone());
        }
        concerned.sort_unstable();
        concerned.dedup();
    }

    /// The Services that select the pod in a slot, in order.
    fn of_pod(&mut self, slot: Slot, pod: &Pod) -> Arc<[Key]> {
        let (chunk, place) = (slot.index() / CHUNK, slot.index() % CHUNK);
        let known = self.of_pod.get(chunk).and_then(|chunk| chunk[place].as_ref());
        if let Some(found) = known.filter(|found| found.age == self.age) {
            return Arc::clone(&found.services);
        }
        let mut services = Vec::new();
        self.selecting(&pod.meta.namespace, &pod.meta.labels, &mut services);
        services.sort_unstable();
        services.dedup();
        let services: Arc<[Key]> = services.into();
        self.keep(slot, Some(Found { age: self.age, services: Arc::clone(&services) }));
        services
    }

    fn keep(&mut self, slot: Slot, found: Option<Found>) {
        let (chunk, place) = (slot.index() / CHUNK, slot.index() % CHUNK);
        if self.of_pod.len() <= chunk {
            self.of_pod.resize_with(chunk + 1, || Arc::new([const { None }; CHUNK]));
        }
        Arc::make_mut(&mut self.of_pod[chunk])[place] = found;
    }

    fn selecting(&self, namespace: &Str, labels: &Labels, found: &mut Vec<Key>) {
        let Some(leads) = self.by_label.get(namespace) else { return };
        for (label, value) in labels {
            let services = leads.get(label).and_then(|leads| leads.get(value));
            let Some(services) = services else { continue };
            let selects = |k: &&Key| self.selectors.get(*k).is_some_and(|s| s.matches(labels));
            found.extend(services.iter().filter(selects).cloned());
        }
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
        || old.meta.uid != new.meta.uid
}

//! The endpoints of a Service's pods as they were last made.
//!
//! A Service is synced whenever one of its pods becomes ready or goes: what is kept here makes that cost the
//! pods that have changed and not all of them.

use std::sync::Arc;

use super::basis::{Based, Basis};
use super::groups::{Groups, Port};
use super::plan;
use super::{Service, Slice, zone_of};
use crate::base::{Map, Str};
use crate::controllers::view::View;
use crate::model::{Endpoint, Key, Kind, Labels, Node, Object, Pod, Slot, Uid};

/// What is kept of a Service.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    basis: Basis,
    /// How often a node's zone may have changed when the endpoints were made.
    zones: u64,
    /// The labels of its slices.
    labels: Labels,
    groups: Groups,
    /// In the order of the pods' slots.
    pods: Vec<(Slot, Uid)>,
    of_pod: Map<Uid, Made>,
    /// How often it was planned.
    round: u64,
    /// The slices that were as they should be, where nothing has changed since.
    settled: Option<Vec<Arc<Slice>>>,
}

/// The endpoint of a pod.
#[derive(Clone, Debug)]
struct Made {
    group: usize,
    endpoint: Arc<Endpoint>,
    /// The round in which it was last found in a slice.
    taken: u64,
}

impl Based for Known {
    fn basis(&mut self) -> &mut Basis {
        &mut self.basis
    }
}

impl Known {
    /// Brings the endpoints up to date.
    pub(super) fn refresh(&mut self, key: &Key, service: &Arc<Service>, zones: u64, view: &View) {
        let mut changed = self.basis.take_changed();
        if !self.basis.is(service) || self.zones != zones {
            *self = Self::of(service);
            self.zones = zones;
            changed = view.services().of(key).collect();
        }
        let zone = |node: &str| {
            let node: &Arc<Node> = view.typed(Kind::Node, &Key::new("", node))?;
            zone_of(node).cloned()
        };
        for slot in changed {
            let pod = match view.kind(Kind::Pod).get(slot) {
                Some(Object::Pod(pod)) if view.services().selects(key, slot) => Some(pod),
                _ => None,
            };
            self.set(slot, pod.filter(|p| plan::belongs(p)), &zone);
        }
    }

    /// Whether these slices were found to be as they should be, and nothing has changed since.
    pub(super) fn is_settled(&self, slices: &[&Arc<Slice>]) -> bool {
        self.settled.as_ref().is_some_and(|settled| {
            settled.len() == slices.len()
                && settled.iter().zip(slices).all(|(a, b)| Arc::ptr_eq(a, b))
        })
    }

    /// These slices are as they should be.
    pub(super) fn settle(&mut self, slices: &[&Arc<Slice>]) {
        self.settled = Some(slices.iter().map(|s| Arc::clone(s)).collect());
    }

    /// Of a Service, without endpoints.
    pub(super) fn of(service: &Arc<Service>) -> Self {
        let labels = plan::slice_labels(service);
        Self { basis: Basis::of(service), labels, ..Self::default() }
    }

    /// The pod in a slot is this one, or none that has an endpoint.
    pub(super) fn set(
        &mut self,
        slot: Slot,
        pod: Option<&Arc<Pod>>,
        zone: &dyn Fn(&str) -> Option<Str>,
    ) {
        let place = self.pods.binary_search_by_key(&slot, |(slot, _)| *slot);
        if pod.is_some() || place.is_ok() {
            self.replace(slot, place, pod, zone);
        }
    }

    fn replace(
        &mut self,
        slot: Slot,
        place: Result<usize, usize>,
        pod: Option<&Arc<Pod>>,
        zone: &dyn Fn(&str) -> Option<Str>,
    ) {
        let service = self.basis.service();
        let endpoint = pod.zip(service).map(|(pod, service)| plan::endpoint(service, pod, zone));
        let old = place.ok().and_then(|place| self.of_pod.remove(&self.pods[place].1));
        if let Some(old) = &old {
            self.groups.leave(old.group);
        }
        match (pod, place) {
            (Some(pod), Ok(place)) => self.pods[place].1 = pod.meta.uid,
            (Some(pod), Err(place)) => self.pods.insert(place, (slot, pod.meta.uid)),
            (None, Ok(place)) => drop(self.pods.remove(place)),
            (None, Err(_)) => {}
        }
        let new = pod.zip(service).zip(endpoint).map(|((pod, service), endpoint)| {
            let group = self.groups.enter(service, pod);
            let endpoint = match &old {
                Some(old) if *old.endpoint == endpoint => Arc::clone(&old.endpoint),
                _ => Arc::new(endpoint),
            };
            (pod.meta.uid, Made { group, endpoint, taken: 0 })
        });
        let same = |old: &Made, new: &Made| {
            old.group == new.group && Arc::ptr_eq(&old.endpoint, &new.endpoint)
        };
        if !old.zip(new.as_ref()).is_some_and(|(old, (_, new))| same(&old, new)) {
            self.settled = None;
        }
        self.of_pod.extend(new);
    }

    /// The labels of the Service's slices.
    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Begins to hand out endpoints; answers the groups in order, as their places, texts and ports.
    pub(super) fn begin(&mut self) -> Vec<(usize, String, Arc<[Port]>)> {
        self.round += 1;
        let groups = self.groups.iter().map(|(place, g)| (place, g.text.clone(), g.ports.clone()));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        groups
    }

    /// The endpoint of a pod, if it is of that group, with these addresses, and was not taken in this round.
    pub(super) fn take(&mut self, group: usize, old: &Endpoint) -> Option<&Arc<Endpoint>> {
        let made = self.of_pod.get_mut(&old.pod()?)?;
        if made.group != group || made.taken == self.round {
            return None;
        }
        if made.endpoint.addresses != old.addresses {
            return None;
        }
        made.taken = self.round;
        Some(&made.endpoint)
    }

    /// The endpoints of a group that nobody took, of which so many were.
    pub(super) fn rest(&self, group: usize, taken: usize) -> Vec<Arc<Endpoint>> {
        if self.groups.get(group).pods == taken {
            return Vec::new();
        }
        let made = self.pods.iter().filter_map(|(_, uid)| self.of_pod.get(uid));
        let left = made.filter(|made| made.group == group && made.taken != self.round);
        left.map(|made| Arc::clone(&made.endpoint)).collect()
    }
}

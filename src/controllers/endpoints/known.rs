//! The endpoints of a Service's pods as they were last made.
//!
//! A Service is synced whenever one of its pods becomes ready or goes: what is kept here makes that cost the
//! pods that have changed and not all of them.

use std::sync::Arc;

use super::basis::{Based, Basis};
use super::groups::{Group, Groups, Port};
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
    /// The pods in the order of their slots, and the places of their endpoints.
    pods: Vec<(Slot, usize)>,
    /// The endpoints. One that has gone leaves its place to another.
    made: Vec<Option<Made>>,
    free: Vec<usize>,
    of_pod: Map<Uid, usize>,
    /// Where the endpoints of each slice were found in `made` when the slice was last looked through. It
    /// is a guess: the endpoints of most slices are those that they had then.
    found: Map<Uid, Vec<usize>>,
    /// How often it was planned.
    round: u64,
    /// The slices that were as they should be, where nothing has changed since.
    settled: Option<Vec<Arc<Slice>>>,
}

/// The endpoint of a pod.
#[derive(Clone, Debug)]
struct Made {
    pod: Uid,
    group: usize,
    endpoint: Arc<Endpoint>,
    /// The round in which it was last found in a slice.
    taken: u64,
}

/// What takes the place of an endpoint in a slice, and where that was made.
#[derive(Debug)]
enum Taken {
    /// The endpoint itself.
    AsItStands(usize),
    /// The endpoint as it is now.
    Changed(usize, Arc<Endpoint>),
    /// Nothing: it is not wanted there.
    Gone,
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
        let old = place.ok().and_then(|place| self.leave(self.pods[place].1));
        let service = self.basis.service();
        let new = pod.zip(service).map(|(pod, service)| {
            let endpoint = plan::endpoint(service, pod, zone);
            let group = self.groups.enter(service, pod);
            let endpoint = match &old {
                Some(old) if *old.endpoint == endpoint => Arc::clone(&old.endpoint),
                _ => Arc::new(endpoint),
            };
            Made { pod: pod.meta.uid, group, endpoint, taken: 0 }
        });
        let same = |old: &Made, new: &Made| {
            old.group == new.group && Arc::ptr_eq(&old.endpoint, &new.endpoint)
        };
        if !old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| same(old, new)) {
            self.settled = None;
        }
        match (new.map(|new| self.enter(new)), place) {
            (Some(made), Ok(place)) => self.pods[place].1 = made,
            (Some(made), Err(place)) => self.pods.insert(place, (slot, made)),
            (None, Ok(place)) => drop(self.pods.remove(place)),
            (None, Err(_)) => {}
        }
    }

    /// Enters an endpoint; answers its place.
    fn enter(&mut self, made: Made) -> usize {
        let pod = made.pod;
        let place = match self.free.pop() {
            Some(place) => {
                self.made[place] = Some(made);
                place
            }
            None => {
                self.made.push(Some(made));
                self.made.len() - 1
            }
        };
        self.of_pod.insert(pod, place);
        place
    }

    /// Takes the endpoint in a place out.
    fn leave(&mut self, place: usize) -> Option<Made> {
        let made = self.made[place].take()?;
        self.of_pod.remove(&made.pod);
        self.groups.leave(made.group);
        self.free.push(place);
        Some(made)
    }

    /// The labels of the Service's slices.
    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Begins to hand out endpoints; answers the groups in order, as their places, texts and ports.
    pub(super) fn begin(&mut self, slices: &[&Arc<Slice>]) -> Vec<(usize, Arc<str>, Arc<[Port]>)> {
        self.round += 1;
        if self.found.len() > slices.len() {
            self.found.retain(|uid, _| slices.iter().any(|slice| slice.meta.uid == *uid));
        }
        let shared = |(place, group): (usize, &Group)| {
            (place, Arc::clone(&group.text), Arc::clone(&group.ports))
        };
        let mut groups: Vec<_> = self.groups.iter().map(shared).collect();
        groups.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        groups
    }

    /// The endpoints of a slice that are still wanted among those of a group, in their order and as they
    /// are now; `None` where these are those that it has. Nobody else is given them in this round.
    pub(super) fn take_kept(&mut self, slice: &Slice, group: usize) -> Option<Vec<Arc<Endpoint>>> {
        let mut found = self.found.remove(&slice.meta.uid).unwrap_or_default();
        let mut kept: Option<Vec<Arc<Endpoint>>> = None;
        let mut count = 0;
        for (i, old) in slice.endpoints.iter().enumerate() {
            let (place, changed) = match self.take(group, old, found.get(i).copied()) {
                Taken::AsItStands(place) => (Some(place), None),
                Taken::Changed(place, new) => (Some(place), Some(new)),
                Taken::Gone => (None, None),
            };
            if kept.is_none() && (place.is_none() || changed.is_some()) {
                kept = Some(slice.endpoints[..i].to_vec());
            }
            let Some(place) = place else { continue };
            // No more are kept than were looked at: a guess that is yet to be read stays.
            match found.get_mut(count) {
                Some(found) => *found = place,
                None => found.push(place),
            }
            count += 1;
            if let Some(kept) = &mut kept {
                kept.push(changed.unwrap_or_else(|| Arc::clone(old)));
            }
        }
        found.truncate(count);
        self.found.insert(slice.meta.uid, found);
        kept
    }

    /// What takes the place of an endpoint in a slice: that of its pod, if it is of that group and was not
    /// taken in this round.
    fn take(&mut self, group: usize, old: &Arc<Endpoint>, guess: Option<usize>) -> Taken {
        let is = |place: &usize| {
            let made = self.made.get(*place).and_then(Option::as_ref);
            made.is_some_and(|made| Arc::ptr_eq(&made.endpoint, old))
        };
        let of_pod = || self.of_pod.get(&old.pod()?).copied();
        let Some(place) = guess.filter(is).or_else(of_pod) else { return Taken::Gone };
        let made = self.made[place].as_mut().filter(|made| made.group == group);
        let Some(made) = made.filter(|made| made.taken != self.round) else { return Taken::Gone };
        let stands = Arc::ptr_eq(&made.endpoint, old);
        if !stands && made.endpoint.addresses != old.addresses {
            return Taken::Gone;
        }
        made.taken = self.round;
        if stands {
            return Taken::AsItStands(place);
        }
        // Hints are given afterwards, to all.
        let Some(hints) = &old.hints else {
            if made.endpoint != *old {
                return Taken::Changed(place, Arc::clone(&made.endpoint));
            }
            made.endpoint = Arc::clone(old);
            return Taken::AsItStands(place);
        };
        let new = Endpoint { hints: Some(Arc::clone(hints)), ..Endpoint::clone(&made.endpoint) };
        match new == **old {
            true => Taken::AsItStands(place),
            false => Taken::Changed(place, Arc::new(new)),
        }
    }

    /// The endpoints of a group that nobody took, of which so many were.
    pub(super) fn rest(&self, group: usize, taken: usize) -> Vec<Arc<Endpoint>> {
        if self.groups.get(group).pods == taken {
            return Vec::new();
        }
        let made = self.pods.iter().filter_map(|(_, place)| self.made[*place].as_ref());
        let left = made.filter(|made| made.group == group && made.taken != self.round);
        left.map(|made| Arc::clone(&made.endpoint)).collect()
    }
}

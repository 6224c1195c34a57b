//! What the controllers have heard: the shared informers and their indexes.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use super::endpoints::Members;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::model::{Key, Kind, Object, Pod, Slot, Uid};
use crate::store::{Delta, Informer, Logs};
use crate::trace::Change;

/// The shared informers of kube-controller-manager.
#[derive(Clone, Debug)]
pub struct View {
    informers: Vec<Informer>,
    /// Where each of them stands.
    positions: [u64; Kind::COUNT],
    /// Objects by the uid of each of their owners.
    by_owner: Map<Uid, Shared<(Kind, Slot)>>,
    /// Namespaced objects without a managing owner, of the kinds that a controller might adopt.
    orphans: BTreeSet<(Str, Kind, Slot)>,
    /// Objects by kind and namespace.
    by_namespace: Map<(Kind, Str), Shared<Slot>>,
    /// Pods by node.
    pods_on: Map<Str, Shared<Slot>>,
    /// Objects by uid.
    by_uid: Map<Uid, (Kind, Slot)>,
    /// Pods by Service.
    services: Members,
    /// The Services that the change being passed concerns.
    concerned: Vec<Key>,
    /// What the change being passed leaves as it was.
    stays: Stays,
}

/// The kinds that controllers adopt.
const ADOPTABLE: [Kind; 3] = [Kind::Pod, Kind::ReplicaSet, Kind::ControllerRevision];

impl Default for View {
    fn default() -> Self {
        Self {
            informers: vec![Informer::default(); Kind::COUNT],
            positions: [0; Kind::COUNT],
            by_owner: Map::default(),
            orphans: BTreeSet::new(),
            by_namespace: Map::default(),
            pods_on: Map::default(),
            by_uid: Map::default(),
            services: Members::default(),
            concerned: Vec::new(),
            stays: Stays::default(),
        }
    }
}

impl View {
    /// The informer of a kind.
    pub fn kind(&self, kind: Kind) -> &Informer {
        &self.informers[kind.index()]
    }

    /// The object of that kind, namespace and name.
    pub fn get(&self, kind: Kind, key: &Key) -> Option<&Object> {
        self.kind(kind).by_key(key)
    }

    /// The typed object of that namespace and name, such as an `&Arc<Job>`.
    pub fn typed<'a, T>(&'a self, kind: Kind, key: &Key) -> Option<&'a Arc<T>>
    where
        &'a Arc<T>: TryFrom<&'a Object>,
    {
        self.get(kind, key).and_then(|o| o.try_into().ok())
    }

    /// The object with that uid.
    pub fn by_uid(&self, uid: Uid) -> Option<&Object> {
        let (kind, slot) = self.by_uid.get(&uid)?;
        self.kind(*kind).get(*slot)
    }

    /// The objects of a kind that `owner` owns, managing or not, in the order of their slots.
    pub fn owned_by(&self, owner: Uid, kind: Kind) -> impl Iterator<Item = &Object> {
        let range = (kind, Slot(0))..=(kind, Slot(u32::MAX));
        self.by_owner
            .get(&owner)
            .into_iter()
            .flat_map(move |set| set.range(range.clone()))
            .filter_map(|(kind, slot)| self.kind(*kind).get(*slot))
    }

    /// The objects of any kind that `owner` owns.
    pub fn dependents(&self, owner: Uid) -> impl Iterator<Item = &Object> {
        self.by_owner
            .get(&owner)
            .into_iter()
            .flat_map(|set| set.iter())
            .filter_map(|(kind, slot)| self.kind(*kind).get(*slot))
    }

    /// The pods that `owner` manages.
    pub fn pods_of(&self, owner: Uid) -> impl Iterator<Item = &Arc<Pod>> {
        self.owned_by(owner, Kind::Pod)
            .filter_map(as_pod)
            .filter(move |p| p.meta.controller().is_some_and(|o| o.uid == owner))
    }

    /// The objects of a kind in a namespace that nobody manages (Pods, ReplicaSets and
    /// ControllerRevisions only).
    pub fn orphans(&self, namespace: &Str, kind: Kind) -> impl Iterator<Item = &Object> {
        debug_assert!(ADOPTABLE.contains(&kind), "no orphans of {kind} are kept");
        let from = (namespace.clone(), kind, Slot(0));
        let to = (namespace.clone(), kind, Slot(u32::MAX));
        self.orphans.range(from..=to).filter_map(|(_, kind, slot)| self.kind(*kind).get(*slot))
    }

    /// The objects of a kind in a namespace, in the order of their slots.
    pub fn in_namespace(&self, namespace: &Str, kind: Kind) -> impl Iterator<Item = &Object> {
        let slots = self.by_namespace.get(&(kind, namespace.clone()));
        let slots = slots.into_iter().flat_map(|set| set.iter());
        slots.filter_map(move |slot| self.kind(kind).get(*slot))
    }

    /// The pods of a namespace, in the order of their slots.
    pub fn pods_in(&self, namespace: &Str) -> impl Iterator<Item = &Arc<Pod>> {
        self.in_namespace(namespace, Kind::Pod).filter_map(as_pod)
    }

    /// The pods bound to a node, in the order of their slots.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods_at(self.pods_on.get(node).map(|set| &**set))
    }

    /// Advances every informer, calling `f` with the view after each change and the change.
    pub(super) fn advance(
        &mut self,
        logs: &Logs,
        until: SimTime,
        mut f: impl FnMut(&Self, Kind, &Delta<'_>),
    ) {
        for kind in Kind::ALL.iter().copied() {
            let place = kind.index();
            if self.positions[place] == logs.ends()[place] {
                continue;
            }
            for entry in logs.kind(kind).read(self.positions[place], until) {
                self.positions[place] += 1;
                let old = self.informers[kind.index()].pass(entry);
                let new = (entry.change != Change::Deleted).then_some(&entry.object);
                let stays = old.as_ref().zip(new).map(|(old, new)| Stays::of(old, new));
                let stays = stays.unwrap_or_default();
                if let Some(old) = &old {
                    self.unindex(old, entry.slot, stays);
                }
                if let Some(new) = new {
                    self.index(new, entry.slot, stays);
                }
                let delta = Delta {
                    change: entry.change,
                    slot: entry.slot,
                    old: old.as_ref(),
                    new: &entry.object,
                    fact: entry.fact,
                };
                self.stays = stays;
                self.note_services(kind, &delta);
                f(self, kind, &delta);
            }
        }
    }

    /// Notes which Services a change concerns.
    fn note_services(&mut self, kind: Kind, delta: &Delta<'_>) {
        self.concerned.clear();
        if matches!(kind, Kind::Pod | Kind::Service) {
            let mut concerned = std::mem::take(&mut self.concerned);
            let mut services = std::mem::take(&mut self.services);
            services.note(delta, self, &mut concerned);
            (self.services, self.concerned) = (services, concerned);
        }
    }

    /// The pods of each Service.
    pub(super) fn services(&self) -> &Members {
        &self.services
    }

    /// The Services that the change being passed concerns, if it may change their endpoints.
    pub(super) fn concerned(&self) -> &[Key] {
        &self.concerned
    }

    /// Whether the change being passed leaves the object there with the owners that it had.
    pub(super) fn owners_stay(&self) -> bool {
        self.stays.owners
    }

    /// The revision of the latest change of a kind that was heard of; 0 before the first.
    pub fn revision(&self, kind: Kind) -> u64 {
        self.kind(kind).revision()
    }

    /// The least position any reader of a kind's log stands at: this view's.
    pub fn position(&self, kind: Kind) -> u64 {
        self.positions[kind.index()]
    }

    fn pods_at<'a>(
        &'a self,
        slots: Option<&'a BTreeSet<Slot>>,
    ) -> impl Iterator<Item = &'a Arc<Pod>> {
        let pods = self.kind(Kind::Pod);
        slots.into_iter().flatten().filter_map(|s| pods.get(*s)).filter_map(as_pod)
    }

    /// Enters an object where it was not.
    fn index(&mut self, new: &Object, slot: Slot, stays: Stays) {
        let (kind, meta) = (new.kind(), new.meta());
        if !stays.uid {
            self.by_uid.insert(meta.uid, (kind, slot));
        }
        if !stays.owners {
            for owner in &meta.owners {
                insert(&mut self.by_owner, owner.uid, (kind, slot));
            }
            if ADOPTABLE.contains(&kind) && meta.controller().is_none() {
                self.orphans.insert((meta.namespace.clone(), kind, slot));
            }
        }
        if !stays.there {
            insert(&mut self.by_namespace, (kind, meta.namespace.clone()), slot);
        }
        if let Some(node) = node_of(new).filter(|_| !stays.node) {
            insert(&mut self.pods_on, node.clone(), slot);
        }
    }

    /// Takes an old version out where the new one, if any, will not stand.
    fn unindex(&mut self, old: &Object, slot: Slot, stays: Stays) {
        let (kind, meta) = (old.kind(), old.meta());
        if !stays.uid {
            self.by_uid.remove(&meta.uid);
        }
        if !stays.owners {
            for owner in &meta.owners {
                remove(&mut self.by_owner, &owner.uid, &(kind, slot));
            }
            if ADOPTABLE.contains(&kind) && meta.controller().is_none() {
                self.orphans.remove(&(meta.namespace.clone(), kind, slot));
            }
        }
        if !stays.there {
            remove(&mut self.by_namespace, &(kind, meta.namespace.clone()), &slot);
        }
        if let Some(node) = node_of(old).filter(|_| !stays.node) {
            remove(&mut self.pods_on, node, &slot);
        }
    }
}

/// What a change leaves as it was: mostly all of it, so that no index changes.
#[derive(Clone, Copy, Debug, Default)]
struct Stays {
    there: bool,
    uid: bool,
    owners: bool,
    node: bool,
}

impl Stays {
    fn of(old: &Object, new: &Object) -> Self {
        let (a, b) = (old.meta(), new.meta());
        Self {
            there: true,
            uid: a.uid == b.uid,
            owners: a.owners == b.owners,
            node: node_of(old) == node_of(new),
        }
    }
}

fn node_of(object: &Object) -> Option<&Str> {
    as_pod(object)?.node.as_ref()
}

fn as_pod(object: &Object) -> Option<&Arc<Pod>> {
    object.try_into().ok()
}

/// A set in an index, shared by copies of the view until one of them changes it.
type Shared<T> = Arc<BTreeSet<T>>;

fn insert<K: Hash + Eq, V: Ord + Clone>(map: &mut Map<K, Shared<V>>, key: K, value: V) {
    Arc::make_mut(map.entry(key).or_default()).insert(value);
}

fn remove<K: Hash + Eq, V: Ord + Clone>(map: &mut Map<K, Shared<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        let set = Arc::make_mut(set);
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

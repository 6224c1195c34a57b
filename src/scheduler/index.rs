//! Counts of pods by node, kept up with every pod that comes and goes.
//!
//! Upstream walks all pods of all nodes in every cycle that spreads pods or has affinity terms. Here
//! pods of one namespace with equal labels form a *class*; what a selector selects is decided once per
//! class, and a *tally* holds how many selected pods each node has. A cycle then works on counts per
//! node, whatever the number of pods. The counts are those that upstream's walk would find, so the
//! results are the same to the bit.
//!
//! Three more look-ups of the same kind stand beside it: the value of a topology key on every node
//! ([`Topology`]), the pods with affinity terms of their own ([`Affine`]), and the use of claims.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compile::Template;
use super::pod::PodInfo;
use crate::base::digest::Digest;
use crate::base::{Map, Str};
use crate::model::{Labels, Requirement, Selector};

/// A class of pods: one namespace, equal labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(u32);

/// A tally kept by the index. Valid until the next one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyId(u32);

/// A topology key known to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopologyId(u32);

/// Which pods a tally counts: those that meet every scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate(pub Vec<Scope>);

/// Pods by namespace and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Their namespaces; `None` for all.
    pub namespaces: Option<Vec<Str>>,
    /// Their labels.
    pub selector: Selector,
}

/// How many selected pods a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Count {
    /// Those that are not being deleted.
    pub live: i32,
    /// All.
    pub total: i32,
}

/// The values of one node label over all nodes.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The label.
    pub key: Str,
    /// Its values seen so far; a value's place is its number.
    pub values: Vec<Str>,
    /// The number of the value that each node has, by slot; [`Topology::MISSING`] without the label.
    pub of: Vec<u32>,
    numbers: Map<Str, u32>,
    /// How many nodes have the label.
    nodes: usize,
}

/// Pods with affinity terms: those of one template in one namespace.
#[derive(Clone, Debug)]
pub struct Affine {
    /// The template.
    pub template: Arc<Template>,
    /// The namespace.
    pub namespace: Str,
    /// How many there are per node: slot and number, by slot.
    pub on: Vec<(u32, i32)>,
}

/// The index.
#[derive(Clone, Debug, Default)]
pub struct PodIndex {
    classes: Vec<Class>,
    free: Vec<ClassId>,
    by_key: Map<(Str, Labels), ClassId>,
    classes_in: BTreeMap<Str, BTreeSet<ClassId>>,
    tallies: Vec<Option<Tally>>,
    by_predicate: Map<u64, TallyId>,
    /// Tallies that count pods of a namespace, and perhaps of others.
    tallies_in: BTreeMap<Str, Tallies>,
    /// Tallies that name no namespaces.
    tallies_everywhere: Vec<TallyId>,
    uses: u64,
    topologies: Vec<Topology>,
    by_topology: Map<Str, TopologyId>,
    affine: Vec<Affine>,
    by_affine: Map<(u64, Str), u32>,
    claims: Map<(Str, Str), u32>,
    labels: Vec<Option<Labels>>,
}

/// Tallies by a label that every pod has which they count, so that a new class is held against few.
#[derive(Clone, Debug, Default)]
struct Tallies {
    by_label: Map<(Str, Str), Vec<TallyId>>,
    /// Those whose pods need not have any label in common.
    rest: Vec<TallyId>,
}

#[derive(Clone, Debug)]
struct Class {
    namespace: Str,
    labels: Labels,
    on: Vec<(u32, Count)>,
    tallies: Vec<TallyId>,
}

#[derive(Clone, Debug)]
struct Tally {
    predicate: Predicate,
    digest: u64,
    counts: Vec<Count>,
    /// The slots whose counts are not zero, in order.
    on: Vec<u32>,
    used: u64,
}

/// More tallies than this are not kept; the least recently used go first.
const TALLIES_MAX: usize = 1024;

impl Topology {
    /// The number of no value.
    pub const MISSING: u32 = u32::MAX;

    /// The number of the value on the node in `slot`, if it has one.
    pub fn value(&self, slot: u32) -> Option<usize> {
        let number = *self.of.get(slot as usize)?;
        (number != Self::MISSING).then_some(number as usize)
    }

    /// Whether each of so many nodes has the label.
    pub fn is_on_all(&self, nodes: usize) -> bool {
        self.nodes == nodes
    }

    fn set(&mut self, slot: u32, labels: Option<&Labels>) {
        let i = slot as usize;
        if self.of.len() <= i {
            self.of.resize(i + 1, Self::MISSING);
        }
        self.nodes -= usize::from(self.of[i] != Self::MISSING);
        let Some(value) = labels.and_then(|l| l.get(&self.key)) else {
            self.of[i] = Self::MISSING;
            return;
        };
        self.nodes += 1;
        self.of[i] = match self.numbers.get(value) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.values.len()).expect("values fit in 32 bits");
                self.values.push(value.clone());
                self.numbers.insert(value.clone(), number);
                number
            }
        };
    }
}

impl Predicate {
    /// Pods of one namespace.
    pub fn within(namespace: &Str, selector: Selector) -> Self {
        Self(vec![Scope { namespaces: Some(vec![namespace.clone()]), selector }])
    }

    /// The only namespaces whose pods it may hold for; `None` for all.
    fn namespaces(&self) -> Option<&[Str]> {
        self.0.iter().find_map(|s| s.namespaces.as_deref())
    }

    fn holds(&self, namespace: &Str, labels: &Labels) -> bool {
        self.0.iter().all(|s| {
            s.namespaces.as_ref().is_none_or(|n| n.contains(namespace))
                && s.selector.matches(labels)
        })
    }

    /// A label that every pod has which it holds for, if it asks for one.
    fn label(&self) -> Option<(&Str, &Str)> {
        let requirements = self.0.iter().flat_map(|s| match &s.selector {
            Selector::All(all) => &all[..],
            Selector::Nothing => &[],
        });
        requirements.into_iter().find_map(|r| match r {
            Requirement::In(key, values) if values.len() == 1 => Some((key, &values[0])),
            _ => None,
        })
    }

    fn digest(&self) -> u64 {
        let mut d = Digest::new(0);
        for scope in &self.0 {
            d.word(scope.namespaces.as_ref().map_or(u64::MAX, |n| n.len() as u64));
            for n in scope.namespaces.iter().flatten() {
                d.bytes(n.as_bytes());
            }
            let Selector::All(all) = &scope.selector else {
                d.word(1);
                continue;
            };
            for r in all {
                let (op, key, values) = match r {
                    Requirement::In(k, v) => (2, k, &v[..]),
                    Requirement::NotIn(k, v) => (3, k, &v[..]),
                    Requirement::Exists(k) => (4, k, &[][..]),
                    Requirement::DoesNotExist(k) => (5, k, &[][..]),
                };
                d.word(op);
                d.bytes(key.as_bytes());
                for v in values {
                    d.bytes(v.as_bytes());
                }
            }
        }
        d.value()
    }
}

impl PodIndex {
    /// A node has come (with labels), has changed, or has gone (`None`).
    pub fn set_node(&mut self, slot: u32, labels: Option<&Labels>) {
        let i = slot as usize;
        if self.labels.len() <= i {
            self.labels.resize(i + 1, None);
        }
        if self.labels[i].as_ref() == labels {
            return;
        }
        self.labels[i] = labels.cloned();
        for t in &mut self.topologies {
            t.set(slot, labels);
        }
    }

    /// Counts a pod on the node in `slot`.
    pub fn add(&mut self, slot: u32, pod: &PodInfo) -> ClassId {
        let id = self.class_of(pod);
        self.count(id, slot, pod.is_terminating(), 1);
        if !pod.template.pods.is_empty() {
            let i = self.affine_of(pod);
            add_at(&mut self.affine[i].on, slot, 1);
        }
        if pod.has_volumes() {
            for claim in pod.named_claims() {
                *self.claims.entry((pod.namespace().clone(), claim)).or_insert(0) += 1;
            }
        }
        id
    }

    /// No longer counts a pod that was counted as of class `id`.
    pub fn remove(&mut self, slot: u32, pod: &PodInfo, id: ClassId) {
        self.count(id, slot, pod.is_terminating(), -1);
        let class = &mut self.classes[id.0 as usize];
        if class.on.is_empty() {
            self.by_key.remove(&(class.namespace.clone(), class.labels.clone()));
            if let Some(all) = self.classes_in.get_mut(&class.namespace) {
                all.remove(&id);
                if all.is_empty() {
                    self.classes_in.remove(&class.namespace);
                }
            }
            class.tallies.clear();
            self.free.push(id);
        }
        if !pod.template.pods.is_empty() {
            let i = self.affine_of(pod);
            add_at(&mut self.affine[i].on, slot, -1);
        }
        if pod.has_volumes() {
            for claim in pod.named_claims() {
                let key = (pod.namespace().clone(), claim);
                if let Some(n) = self.claims.get_mut(&key) {
                    *n -= 1;
                    if *n == 0 {
                        self.claims.remove(&key);
                    }
                }
            }
        }
    }

    /// The tally of a predicate; it is made when it is asked for the first time.
    pub fn tally(&mut self, predicate: Predicate) -> TallyId {
        self.uses += 1;
        let digest = predicate.digest();
        if let Some(id) = self.by_predicate.get(&digest)
            && let Some(tally) = &mut self.tallies[id.0 as usize]
            && tally.predicate == predicate
        {
            tally.used = self.uses;
            return *id;
        }
        self.make_tally(predicate, digest)
    }

    /// The counts of a tally by slot. Slots beyond the end have none.
    pub fn counts(&self, id: TallyId) -> &[Count] {
        self.tallies[id.0 as usize].as_ref().map(|t| &t.counts[..]).unwrap_or_default()
    }

    /// The slots that have any pod of a tally, in order.
    pub fn slots(&self, id: TallyId) -> &[u32] {
        self.tallies[id.0 as usize].as_ref().map(|t| &t.on[..]).unwrap_or_default()
    }

    /// The values of a node label.
    pub fn topology(&mut self, key: &Str) -> TopologyId {
        if let Some(id) = self.by_topology.get(key) {
            return *id;
        }
        let id = TopologyId(u32::try_from(self.topologies.len()).expect("keys fit in 32 bits"));
        let (values, of, numbers) = (Vec::new(), Vec::new(), Map::default());
        let mut new = Topology { key: key.clone(), values, of, numbers, nodes: 0 };
        for (slot, labels) in (0..).zip(&self.labels) {
            new.set(slot, labels.as_ref());
        }
        self.topologies.push(new);
        self.by_topology.insert(key.clone(), id);
        id
    }

    /// Gets to know the topology keys of a template's terms.
    pub fn know_topologies(&mut self, template: &Template) {
        let terms = &template.pods;
        let required = terms.required.iter().chain(&terms.required_anti);
        for t in required.chain(&terms.preferred).chain(&terms.preferred_anti) {
            self.topology(&t.topology_key);
        }
    }

    /// A node label that has been asked for before.
    pub fn known_topology(&self, key: &str) -> Option<TopologyId> {
        self.by_topology.get(key).copied()
    }

    /// The values of a known node label.
    pub fn values(&self, id: TopologyId) -> &Topology {
        &self.topologies[id.0 as usize]
    }

    /// Pods with affinity terms, by template and namespace.
    pub fn affine(&self) -> &[Affine] {
        &self.affine
    }

    /// Whether any pod on a node uses that claim.
    pub fn is_claim_used(&self, namespace: &Str, claim: &Str) -> bool {
        !self.claims.is_empty() && self.claims.contains_key(&(namespace.clone(), claim.clone()))
    }

    fn class_of(&mut self, pod: &PodInfo) -> ClassId {
        let key = (pod.namespace().clone(), pod.labels().clone());
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let holds = |t: &Tally| t.predicate.holds(&key.0, &key.1);
        let of_namespace = self.tallies_in.get(&key.0).into_iter();
        let in_question =
            of_namespace.flat_map(|t| t.concerning(&key.1)).chain(&self.tallies_everywhere);
        let tallies = in_question
            .filter(|id| self.tallies[id.0 as usize].as_ref().is_some_and(holds))
            .copied()
            .collect();
        let (namespace, labels) = key.clone();
        let class = Class { namespace, labels, on: Vec::new(), tallies };
        let id = match self.free.pop() {
            Some(id) => {
                self.classes[id.0 as usize] = class;
                id
            }
            None => {
                self.classes.push(class);
                ClassId(u32::try_from(self.classes.len() - 1).expect("classes fit in 32 bits"))
            }
        };
        self.classes_in.entry(key.0.clone()).or_default().insert(id);
        self.by_key.insert(key, id);
        id
    }

    fn count(&mut self, id: ClassId, slot: u32, terminating: bool, sign: i32) {
        let class = &mut self.classes[id.0 as usize];
        let change = Count { live: if terminating { 0 } else { sign }, total: sign };
        match class.on.binary_search_by_key(&slot, |(s, _)| *s) {
            Ok(i) => {
                class.on[i].1.add(change);
                if class.on[i].1 == Count::default() {
                    class.on.remove(i);
                }
            }
            Err(i) => class.on.insert(i, (slot, change)),
        }
        for t in &class.tallies {
            if let Some(tally) = &mut self.tallies[t.0 as usize] {
                tally.add(slot, change);
            }
        }
    }

    fn make_tally(&mut self, predicate: Predicate, digest: u64) -> TallyId {
        if self.by_predicate.len() >= TALLIES_MAX {
            self.drop_old_tallies();
        }
        let place = self.tallies.iter().position(Option::is_none).unwrap_or_else(|| {
            self.tallies.push(None);
            self.tallies.len() - 1
        });
        let id = TallyId(u32::try_from(place).expect("tallies are few"));
        let mut namespaces = predicate.namespaces().map(<[Str]>::to_vec);
        if let Some(all) = &mut namespaces {
            all.sort();
            all.dedup();
        }
        let label = predicate.label().map(|(key, value)| (key.clone(), value.clone()));
        let (counts, on) = (Vec::new(), Vec::new());
        let mut tally = Tally { predicate, digest, counts, on, used: self.uses };
        let mut take = |class: &mut Class| {
            if tally.predicate.holds(&class.namespace, &class.labels) {
                class.tallies.push(id);
                for (slot, count) in &class.on {
                    tally.add(*slot, *count);
                }
            }
        };
        match namespaces {
            None => {
                self.classes.iter_mut().filter(|c| !c.on.is_empty()).for_each(take);
                self.tallies_everywhere.push(id);
            }
            Some(namespaces) => {
                for namespace in namespaces {
                    for class in self.classes_in.get(&namespace).into_iter().flatten() {
                        take(&mut self.classes[class.0 as usize]);
                    }
                    self.tallies_in.entry(namespace).or_default().push(label.clone(), id);
                }
            }
        }
        self.tallies[place] = Some(tally);
        self.by_predicate.insert(digest, id);
        id
    }

    /// Drops the less recently used half.
    fn drop_old_tallies(&mut self) {
        let mut used: Vec<u64> = self.tallies.iter().flatten().map(|t| t.used).collect();
        used.sort_unstable();
        let limit = used.get(used.len() / 2).copied().unwrap_or(0);
        for t in &mut self.tallies {
            if let Some(old) = t.take_if(|t| t.used < limit) {
                self.by_predicate.remove(&old.digest);
            }
        }
        let stands = |t: &TallyId| self.tallies[t.0 as usize].is_some();
        for class in &mut self.classes {
            class.tallies.retain(stands);
        }
        self.tallies_everywhere.retain(stands);
        self.tallies_in.retain(|_, tallies| {
            tallies.retain(stands);
            !tallies.is_empty()
        });
    }

    fn affine_of(&mut self, pod: &PodInfo) -> usize {
        let key = (pod.template.digest, pod.namespace().clone());
        if let Some(i) = self.by_affine.get(&key) {
            return *i as usize;
        }
        self.know_topologies(&pod.template);
        let (template, namespace) = (pod.template.clone(), pod.namespace().clone());
        self.affine.push(Affine { template, namespace, on: Vec::new() });
        let i = self.affine.len() - 1;
        self.by_affine.insert(key, u32::try_from(i).expect("templates fit in 32 bits"));
        i
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.live += other.live;
        self.total += other.total;
    }
}

impl Tally {
    fn add(&mut self, slot: u32, change: Count) {
        let i = slot as usize;
        if self.counts.len() <= i {
            self.counts.resize(i + 1, Count::default());
        }
        let count = &mut self.counts[i];
        let was_there = *count != Count::default();
        count.add(change);
        if was_there == (*count != Count::default()) {
            return;
        }
        match self.on.binary_search(&slot) {
            Ok(place) => {
                self.on.remove(place);
            }
            Err(place) => self.on.insert(place, slot),
        }
    }
}

impl Tallies {
    fn push(&mut self, label: Option<(Str, Str)>, id: TallyId) {
        match label {
            Some(label) => self.by_label.entry(label).or_default().push(id),
            None => self.rest.push(id),
        }
    }

    /// Those that may count pods with these labels.
    fn concerning<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a TallyId> {
        let by_label = labels.iter().filter_map(|l| self.by_label.get(l)).flatten();
        by_label.chain(&self.rest)
    }

    fn retain(&mut self, keep: impl Fn(&TallyId) -> bool) {
        self.by_label.retain(|_, tallies| {
            tallies.retain(&keep);
            !tallies.is_empty()
        });
        self.rest.retain(&keep);
    }

    fn is_empty(&self) -> bool {
        self.by_label.is_empty() && self.rest.is_empty()
    }
}

fn add_at(on: &mut Vec<(u32, i32)>, slot: u32, change: i32) {
    match on.binary_search_by_key(&slot, |(s, _)| *s) {
        Ok(i) => {
            on[i].1 += change;
            if on[i].1 == 0 {
                on.remove(i);
            }
        }
        Err(i) => on.insert(i, (slot, change)),
    }
}

//! The facts of a run, kept, and found by object.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::time::SimTime;
use crate::model::{Key, Kind, Object, Uid};
use crate::trace::{Change, EventRecord, Fact, FactId, FactKind, Waiting};

/// A step of the scenario, as far as it has come.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) began: SimTime,
    pub(super) action: &'static str,
    pub(super) arg: String,
}

impl Step {
    /// `step 2, kubectl scale deployment/web --replicas=3`.
    pub(super) fn words(&self, number: usize) -> String {
        let verb = match self.action {
            "apply" => "kubectl apply -f",
            action => action,
        };
        format!("step {number}, {verb} {}", self.arg)
    }
}

/// The facts of a run.
#[derive(Debug, Default)]
pub struct Past {
    facts: Vec<Fact>,
    /// The places of the facts about each object: of its versions, and of events about it.
    objects: BTreeMap<Uid, Vec<usize>>,
    events: BTreeMap<Uid, Vec<usize>>,
    /// What each object waits for, and since when.
    waiting: BTreeMap<Uid, (SimTime, Arc<Waiting>)>,
    steps: Vec<Step>,
}

impl Past {
    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        let at = self.facts.len();
        match &fact.kind {
            FactKind::Object { object, .. } => {
                self.objects.entry(object.meta().uid).or_default().push(at);
            }
            FactKind::Event { record, .. } => {
                self.events.entry(record.regarding.uid).or_default().push(at);
            }
            FactKind::Waiting(waiting) if waiting.on.is_empty() => {
                self.waiting.remove(&waiting.uid);
            }
            FactKind::Waiting(waiting) => {
                self.waiting.insert(waiting.uid, (fact.at, Arc::clone(waiting)));
            }
            FactKind::StepBegun { action, arg } => {
                self.steps.push(Step { began: fact.at, action, arg: arg.to_string() });
            }
            // What containers write, and what is only told, causes nothing.
            FactKind::Output(_)
            | FactKind::Warned(_)
            | FactKind::Step(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => return,
        }
        self.facts.push(fact.clone());
    }

    /// The past as it was when it held so many facts.
    #[must_use]
    pub fn up_to(&self, facts: usize) -> Self {
        let mut past = Self::default();
        self.facts.iter().take(facts).for_each(|fact| past.observe(fact));
        past
    }

    /// The fact of a number.
    pub(super) fn fact(&self, id: FactId) -> Option<&Fact> {
        let found = self.facts.binary_search_by_key(&id, |f| f.id).ok()?;
        self.facts.get(found)
    }

    /// The versions of an object, in order: when, how it came, before, now.
    pub(super) fn versions(&self, uid: Uid) -> impl DoubleEndedIterator<Item = Version<'_>> {
        let places = self.objects.get(&uid).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|i| Version::of(&self.facts[*i]))
    }

    /// The events about an object, in order.
    pub(super) fn events(
        &self,
        uid: Uid,
    ) -> impl DoubleEndedIterator<Item = (&Fact, &EventRecord)> {
        let places = self.events.get(&uid).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|i| match &self.facts[*i].kind {
            FactKind::Event { record, .. } => Some((&self.facts[*i], &**record)),
            _ => None,
        })
    }

    /// What an object waits for.
    pub(super) fn waiting(&self, uid: Uid) -> Option<(SimTime, &str)> {
        self.waiting.get(&uid).map(|(at, w)| (*at, w.on.as_str()))
    }

    /// The step under way at a time, with its number from 1 on: the last that had begun.
    pub(super) fn step_at(&self, at: SimTime) -> Option<(usize, &Step)> {
        let begun = self.steps.partition_point(|s| s.began <= at);
        self.steps[..begun].last().map(|s| (begun, s))
    }

    /// The last step of an action about `arg` that had begun by then.
    pub(super) fn step_about(
        &self,
        action: &str,
        arg: &str,
        by: SimTime,
    ) -> Option<(usize, &Step)> {
        let begun = self.steps.partition_point(|s| s.began <= by);
        let found = self.steps[..begun].iter().rposition(|s| s.action == action && s.arg == arg)?;
        Some((found + 1, &self.steps[found]))
    }

    /// The last version of every object of a kind, gone ones included.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects.keys().filter_map(move |uid| {
            let last = self.versions(*uid).next_back()?.new;
            (last.kind() == kind).then_some(last)
        })
    }

    /// The object of that name, one that still is before one that is gone, the youngest of those.
    pub fn find(&self, kind: Kind, key: &Key) -> Option<&Object> {
        let named = self.all(kind).filter(|o| o.key() == *key);
        named.max_by_key(|o| {
            let meta = o.meta();
            let gone =
                self.versions(meta.uid).next_back().is_some_and(|v| v.change == Change::Deleted);
            (!gone, meta.created, meta.resource_version)
        })
    }

    /// The last version of an object.
    pub fn last(&self, uid: Uid) -> Option<&Object> {
        self.versions(uid).next_back().map(|v| v.new)
    }

    /// How many facts are kept.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }
}

/// One version of an object.
#[derive(Clone, Copy)]
pub(super) struct Version<'a> {
    pub(super) at: SimTime,
    pub(super) cause: FactId,
    pub(super) change: Change,
    pub(super) old: Option<&'a Object>,
    pub(super) new: &'a Object,
}

impl<'a> Version<'a> {
    /// What a fact says of an object.
    pub(super) fn of(fact: &'a Fact) -> Option<Self> {
        match &fact.kind {
            FactKind::Object { change, object, old } => Some(Self {
                at: fact.at,
                cause: fact.cause,
                change: *change,
                old: old.as_ref(),
                new: object,
            }),
            _ => None,
        }
    }

    /// Whether its deletion was asked for here, or it went without.
    pub(super) fn begins_deletion(&self) -> bool {
        let before = self.old.is_some_and(|o| o.meta().deletion.is_some());
        !before && (self.new.meta().deletion.is_some() || self.change == Change::Deleted)
    }
}

//! What has happened that the store does not hold: API events, and what containers wrote.
//!
//! A fold over facts. The server forgets events after an hour, and so does this; of a container's output
//! the node agent keeps two runs, of all output together a bounded number of lines is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Ref, Uid};
use crate::trace::{EventRecord, Fact, FactKind, Output};

/// The API server keeps events so long (`--event-ttl`).
pub(super) const EVENT_TTL: Duration = Duration::from_secs(3600);
/// Events kept at most.
const MAX_EVENTS: usize = 50_000;
/// Lines of output kept at most; the oldest go first.
const MAX_LINES: usize = 1_000_000;

/// Events and output so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: BTreeMap<Arc<EventRecord>, (Arc<EventRecord>, Seen)>,
    /// The names that events of the latest instants have: instant, namespace, object.
    names: BTreeSet<(SimTime, Str, Str)>,
    lines: VecDeque<(SimTime, Arc<Output>)>,
    keep: Keep,
}

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keep {
    #[default]
    Nothing,
    Events,
    All,
}

/// How often an event was recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) count: u32,
    pub(super) first: SimTime,
    pub(super) last: SimTime,
    /// What the event is named for: the instant of its first record, moved on by a nanosecond for each other
    /// event of its object at that instant.
    pub(super) named: SimTime,
}

impl History {
    /// A history that is kept, or one that is not, where nobody will ask for it.
    pub fn new(keep: bool) -> Self {
        Self { keep: if keep { Keep::All } else { Keep::Nothing }, ..Self::default() }
    }

    /// A history of events alone.
    pub fn of_events() -> Self {
        Self { keep: Keep::Events, ..Self::default() }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        if self.keep == Keep::Nothing {
            return;
        }
        match &fact.kind {
            FactKind::Event { record, count, first } => {
                let key = record.identity();
                if self.events.len() >= MAX_EVENTS && !self.events.contains_key(&key) {
                    self.forget(fact.at);
                }
                let known = self.events.get(&key).filter(|(_, seen)| seen.first == *first);
                let named = match known {
                    Some((_, seen)) => seen.named,
                    None => self.name(&record.regarding.object, *first, fact.at),
                };
                let seen = Seen { count: *count, first: *first, last: fact.at, named };
                self.events.insert(key, (Arc::clone(record), seen));
            }
            FactKind::Output(output) if self.keep == Keep::All => {
                if self.lines.len() >= MAX_LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back((fact.at, Arc::clone(output)));
            }
            FactKind::Object { .. }
            | FactKind::Output(_)
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Step(_)
            | FactKind::Waiting(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    /// The instant that a new event is named for: two of one object and nanosecond are told apart.
    fn name(&mut self, object: &Ref, first: SimTime, now: SimTime) -> SimTime {
        // What was named for earlier instants cannot be hit any more.
        self.names = self.names.split_off(&(first.min(now), Str::default(), Str::default()));
        let (namespace, of) = (super::events::namespace(object), super::events::named(object).2);
        let mut named = first;
        while !self.names.insert((named, namespace.into(), of.into())) {
            named = named.saturating_add(Duration::from_nanos(1));
        }
        named
    }

    /// How often an event was recorded; `None` where it is not known (any more).
    pub(super) fn seen(&self, record: &Arc<EventRecord>) -> Option<Seen> {
        self.events.get(&record.identity()).map(|(_, seen)| *seen)
    }

    /// Drops events whose time is up, and the oldest where that is not enough.
    fn forget(&mut self, now: SimTime) {
        self.events.retain(|_, (_, seen)| now.since(seen.last) <= EVENT_TTL);
        if self.events.len() >= MAX_EVENTS {
            let oldest =
                self.events.iter().min_by_key(|(_, (_, s))| s.last).map(|(key, _)| Arc::clone(key));
            if let Some(oldest) = oldest {
                self.events.remove(&oldest);
            }
        }
    }

    /// The events that the server still has.
    pub(super) fn events(&self, now: SimTime) -> impl Iterator<Item = (&EventRecord, Seen)> {
        let fresh = self.events.values().filter(move |(_, s)| now.since(s.last) <= EVENT_TTL);
        fresh.map(|(r, s)| (&**r, *s))
    }

    /// What a run of a container wrote.
    pub(super) fn lines(
        &self,
        pod: Uid,
        container: &str,
        attempt: u32,
    ) -> impl Iterator<Item = (SimTime, &Output)> {
        let container = Str::from(container);
        let of = move |o: &Output| o.uid == pod && o.attempt == attempt && o.container == container;
        self.lines.iter().map(|(at, o)| (*at, &**o)).filter(move |(_, o)| of(o))
    }
}

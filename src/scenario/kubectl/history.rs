//! What has happened that the store does not hold: API events, and what containers wrote.
//!
//! A fold over facts. The server forgets events after an hour, and so does this; of a container's output
//! the node agent keeps two runs, of all output together a bounded number of lines is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Uid;
use crate::trace::{EventRecord, EventType, Fact, FactKind, Output};

/// The API server keeps events so long (`--event-ttl`).
pub(super) const EVENT_TTL: Duration = Duration::from_secs(3600);
/// Events kept at most.
const MAX_EVENTS: usize = 50_000;
/// What begins the message of an event that stands for several (`EventAggregatorByReasonMessageFunc`).
const COMBINED: &str = "(combined from similar events): ";
/// Lines of output kept at most; the oldest go first.
const MAX_LINES: usize = 1_000_000;

/// Events and output so far.
#[derive(Debug, Default)]
pub struct History {
    events: BTreeMap<Arc<EventRecord>, Seen>,
    lines: VecDeque<(SimTime, Arc<Output>)>,
    keep: bool,
}

/// How often an event was recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) count: u32,
    pub(super) first: SimTime,
    pub(super) last: SimTime,
}

impl History {
    /// A history that is kept, or one that is not, where nobody will ask for it.
    pub fn new(keep: bool) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        if !self.keep {
            return;
        }
        match &fact.kind {
            FactKind::Event { record, count, first } => {
                if self.events.len() >= MAX_EVENTS && !self.events.contains_key(record) {
                    self.forget(fact.at);
                }
                let mut seen = Seen { count: *count, first: *first, last: fact.at };
                if let Some(before) = self.combined_before(record) {
                    seen = Seen { count: before.count + 1, first: before.first, ..seen };
                }
                self.events.insert(Arc::clone(record), seen);
            }
            FactKind::Output(output) => {
                if self.lines.len() >= MAX_LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back((fact.at, Arc::clone(output)));
            }
            FactKind::Object { .. }
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Step(_)
            | FactKind::Waiting(_)
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    /// Takes out the event that `record` continues though its message differs: similar events that are
    /// combined are one object, which tells the latest message.
    fn combined_before(&mut self, record: &EventRecord) -> Option<Seen> {
        if !record.message.starts_with(COMBINED) {
            return None;
        }
        let continues = |r: &&Arc<EventRecord>| {
            r.message.starts_with(COMBINED)
                && r.regarding == record.regarding
                && r.reason == record.reason
                && r.event_type == record.event_type
                && (&r.component, &r.host) == (&record.component, &record.host)
        };
        // Records are ordered by their object first.
        let least = EventRecord {
            event_type: EventType::Normal,
            reason: Str::default(),
            message: Str::default(),
            component: Str::default(),
            host: Str::default(),
            regarding: record.regarding.clone(),
        };
        let before = self.events.range(Arc::new(least)..);
        let same = |(r, _): &(&Arc<EventRecord>, &Seen)| r.regarding == record.regarding;
        let found = before.take_while(same).map(|(r, _)| r).find(continues).cloned()?;
        self.events.remove(&found)
    }

    /// Drops events whose time is up, and the oldest where that is not enough.
    fn forget(&mut self, now: SimTime) {
        self.events.retain(|_, seen| now.since(seen.last) <= EVENT_TTL);
        if self.events.len() >= MAX_EVENTS {
            let oldest = self.events.iter().min_by_key(|(_, s)| s.last).map(|(r, _)| Arc::clone(r));
            if let Some(oldest) = oldest {
                self.events.remove(&oldest);
            }
        }
    }

    /// The events that the server still has.
    pub(super) fn events(&self, now: SimTime) -> impl Iterator<Item = (&EventRecord, Seen)> {
        let fresh = move |(_, s): &(&Arc<EventRecord>, &Seen)| now.since(s.last) <= EVENT_TTL;
        self.events.iter().filter(fresh).map(|(r, s)| (&**r, *s))
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

//! The facts that led to something, told as the timeline tells them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::time::SimTime;
use crate::model::{Object, Uid};
use crate::report::timeline::{Detail, Line, Timeline, clock, name};
use crate::trace::{Change, EventRecord, EventType, Fact, FactId, FactKind, Waiting};

/// So many facts are remembered.
const REMEMBERED: usize = 20_000;
/// So many facts of a chain are told.
const TOLD: usize = 8;
/// So many troubles of objects are told.
const TROUBLES: usize = 6;

/// What is remembered of a run.
#[derive(Debug)]
pub(super) struct Chain {
    start: SimTime,
    facts: VecDeque<Fact>,
    /// Objects' owners.
    owners: BTreeMap<Uid, Uid>,
    waiting: BTreeMap<Uid, Arc<Waiting>>,
    warnings: BTreeMap<Uid, (SimTime, Arc<EventRecord>)>,
}

impl Chain {
    pub(super) fn new(start: SimTime) -> Self {
        Self {
            start,
            facts: VecDeque::new(),
            owners: BTreeMap::new(),
            waiting: BTreeMap::new(),
            warnings: BTreeMap::new(),
        }
    }

    pub(super) fn observe(&mut self, fact: &Fact) {
        match &fact.kind {
            FactKind::Object { object, old: None, .. } => {
                if let Some(owner) = object.meta().controller() {
                    self.owners.insert(object.meta().uid, owner.uid);
                }
            }
            FactKind::Waiting(waiting) if waiting.on.is_empty() => {
                self.waiting.remove(&waiting.uid);
            }
            FactKind::Waiting(waiting) => {
                self.waiting.insert(waiting.uid, Arc::clone(waiting));
            }
            FactKind::Event { record, .. } if record.event_type == EventType::Warning => {
                self.warnings.insert(record.regarding.uid, (fact.at, Arc::clone(record)));
            }
            _ => {}
        }
        if self.facts.len() >= REMEMBERED
            && let Some(oldest) = self.facts.pop_front()
        {
            self.forget(&oldest);
        }
        self.facts.push_back(fact.clone());
    }

    /// Once nothing is remembered of an object's end, nothing is kept of the object.
    fn forget(&mut self, oldest: &Fact) {
        if let FactKind::Object { change: Change::Deleted, object, .. } = &oldest.kind {
            let uid = object.meta().uid;
            self.owners.remove(&uid);
            self.waiting.remove(&uid);
            self.warnings.remove(&uid);
        }
    }

    fn fact(&self, id: FactId) -> Option<&Fact> {
        let at = self.facts.binary_search_by_key(&id, |f| f.id).ok()?;
        self.facts.get(at)
    }

    /// The facts that led to one, and that one, in lines.
    pub(super) fn to(&self, last: FactId) -> Vec<String> {
        let mut lines = VecDeque::new();
        let mut next = self.fact(last);
        while let Some(fact) = next.filter(|_| lines.len() < TOLD) {
            if let Some(line) = self.tell(fact) {
                lines.push_front(line);
            }
            next = self.fact(fact.cause).filter(|cause| cause.id < fact.id);
        }
        lines.into()
    }

    fn tell(&self, fact: &Fact) -> Option<String> {
        let mut timeline = Timeline::new(Detail::Everything);
        timeline.observe(fact);
        let lines = timeline.finish(fact.at);
        let at = clock(fact.at, self.start);
        let text = |l: &Line| match (l.object.as_str(), l.container.as_str()) {
            ("", _) => l.text.clone(),
            (object, "") => format!("{object} {}", l.text),
            (object, container) => format!("{object} {container} {}", l.text),
        };
        match (lines.is_empty(), &fact.kind) {
            (false, _) => {
                let told: Vec<String> = lines.iter().map(text).collect();
                Some(format!("{at}  {}", told.join("; ")))
            }
            (true, FactKind::Object { object, change, .. }) => {
                let change = change.as_str().to_lowercase();
                Some(format!("{at}  {} {change}", name(&object.reference())))
            }
            (true, _) => None,
        }
    }

    /// What keeps objects, and what they own, from getting on.
    pub(super) fn troubles(&self, objects: &[&Object]) -> Vec<String> {
        let uids: Vec<Uid> = objects.iter().map(|o| o.meta().uid).collect();
        let concerns = |uid: Uid| {
            let mut next = Some(uid);
            for _ in 0..8 {
                match next {
                    Some(uid) if uids.contains(&uid) => return true,
                    Some(uid) => next = self.owners.get(&uid).copied(),
                    None => return false,
                }
            }
            false
        };
        let waits = self.waiting.values().filter(|w| concerns(w.uid));
        let waits = waits.map(|w| format!("{} waits: {}", name(&w.object), w.on));
        let warned = self.warnings.iter().filter(|(uid, _)| concerns(**uid));
        let warned = warned.map(|(_, (at, record))| {
            let about = name(&record.regarding.object);
            let at = clock(*at, self.start);
            format!("{about} was warned of at {at}: {}: {}", record.reason, record.message)
        });
        waits.chain(warned).take(TROUBLES).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Inert, Kind, Meta, OwnerRef};

    #[test]
    fn what_is_long_gone_is_forgotten() {
        let mut chain = Chain::new(SimTime::ZERO);
        let mut meta = Meta::named("default", "child");
        meta.uid = Uid::from_random(1);
        let mut owner = Meta::named("default", "owner");
        owner.uid = Uid::from_random(2);
        meta.owners.push(OwnerRef::controller_of(Kind::Job, &owner));
        let child =
            Inert { meta, api_version: "v1".into(), kind: "Pod".into(), body: Arc::default() };
        let child = Object::from(child);
        let mut id = 0;
        let mut observe = |change, old| {
            id += 1;
            let kind = FactKind::Object { change, object: child.clone(), old };
            let (at, cause) = (SimTime::from_secs(id), FactId::NONE);
            chain.observe(&Fact { at, id: FactId(id), cause, kind });
            chain.owners.len()
        };
        assert_eq!(observe(Change::Added, None), 1);
        assert_eq!(observe(Change::Deleted, Some(child.clone())), 1, "its end is remembered");
        let later = (0..REMEMBERED).map(|_| observe(Change::Modified, Some(child.clone())));
        assert_eq!(later.last(), Some(0));
    }
}

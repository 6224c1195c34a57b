//! The objects themselves.

use super::log::{Entry, Logs};
use crate::base::Map;
use crate::base::time::SimTime;
use crate::model::{Key, Kind, Object, Ref, Slot, Uid};
use crate::trace::{Change, FactId};

/// All objects, by kind and slot, and the logs of their changes.
#[derive(Clone, Debug)]
pub struct Store {
    revision: u64,
    tables: Vec<Table>,
    by_uid: Map<Uid, (Kind, Slot)>,
    logs: Logs,
}

#[derive(Clone, Debug, Default)]
struct Table {
    slots: Vec<Option<Object>>,
    free: Vec<Slot>,
    by_key: Map<Key, Slot>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            revision: 0,
            tables: vec![Table::default(); Kind::COUNT],
            by_uid: Map::default(),
            logs: Logs::default(),
        }
    }
}

impl Store {
    /// The logs, for everybody who does not write.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The logs, to be trimmed by the run loop.
    pub fn logs_mut(&mut self) -> &mut Logs {
        &mut self.logs
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The object of that kind, namespace and name.
    pub fn get(&self, kind: Kind, key: &Key) -> Option<&Object> {
        let table = &self.tables[kind.index()];
        table.by_key.get(key).and_then(|s| table.slots[s.index()].as_ref())
    }

    /// The slot of the object of that kind, namespace and name.
    pub fn slot(&self, kind: Kind, key: &Key) -> Option<Slot> {
        self.tables[kind.index()].by_key.get(key).copied()
    }

    /// The object that a reference names.
    pub fn find(&self, object: &Ref) -> Option<&Object> {
        self.get(object.kind, &object.key)
    }

    /// The object with that uid.
    pub fn by_uid(&self, uid: Uid) -> Option<&Object> {
        let (kind, slot) = self.by_uid.get(&uid)?;
        self.tables[kind.index()].slots[slot.index()].as_ref()
    }

    /// All objects of a kind, in the order of their slots.
    pub fn list(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.tables[kind.index()].slots.iter().flatten()
    }

    /// How many objects of a kind there are.
    pub fn len(&self, kind: Kind) -> usize {
        self.tables[kind.index()].by_key.len()
    }

    /// Whether there is no object of a kind.
    pub fn is_empty(&self, kind: Kind) -> bool {
        self.len(kind) == 0
    }

    /// The revision that the next change will have. The writer stamps it into the object.
    pub fn next_revision(&self) -> u64 {
        self.revision + 1
    }

    /// Stores a new object or a new version of one, and logs it. Whether it is new shows from its key.
    /// Answers the version before.
    pub fn put(&mut self, at: SimTime, object: Object, fact: FactId) -> Option<Object> {
        self.revision += 1;
        debug_assert_eq!(
            object.meta().resource_version,
            self.revision,
            "the writer stamps revisions"
        );
        let (kind, key, uid) = (object.kind(), object.key(), object.meta().uid);
        let table = &mut self.tables[kind.index()];
        let (slot, old) = match table.by_key.get(&key) {
            Some(slot) => (*slot, table.slots[slot.index()].replace(object.clone())),
            None => {
                let slot = table.free.pop().unwrap_or_else(|| {
                    table.slots.push(None);
                    Slot(u32::try_from(table.slots.len() - 1).expect("slots are 32 bits"))
                });
                table.slots[slot.index()] = Some(object.clone());
                table.by_key.insert(key, slot);
                self.by_uid.insert(uid, (kind, slot));
                (slot, None)
            }
        };
        let change = if old.is_some() { Change::Modified } else { Change::Added };
        self.logs.append(Entry { revision: self.revision, at, slot, change, object, fact });
        old
    }

    /// Removes an object, logging `last` as its last version. Does nothing when it is gone already.
    pub fn remove(&mut self, at: SimTime, last: Object, fact: FactId) {
        let table = &mut self.tables[last.kind().index()];
        let Some(slot) = table.by_key.remove(&last.key()) else { return };
        self.revision += 1;
        table.slots[slot.index()] = None;
        table.free.push(slot);
        self.by_uid.remove(&last.meta().uid);
        let revision = self.revision;
        self.logs.append(Entry { revision, at, slot, change: Change::Deleted, object: last, fact });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Informer;
    use super::*;
    use crate::model::{Inert, Meta};

    fn thing(store: &Store, name: &str, uid: u128) -> Object {
        let mut meta = Meta::named("default", name);
        meta.uid = Uid::from_random(uid);
        meta.resource_version = store.next_revision();
        Inert { meta, api_version: "v1".into(), kind: "Thing".into(), body: Default::default() }
            .into()
    }

    #[test]
    fn an_informer_hears_only_what_was_committed_by_then() {
        let mut store = Store::default();
        let at = SimTime::from_secs;
        let a = thing(&store, "a", 1);
        store.put(at(1), a.clone(), FactId(1));
        let b = thing(&store, "b", 2);
        store.put(at(2), b, FactId(2));
        store.remove(at(3), a.clone(), FactId(3));

        let mut heard = Informer::default();
        let mut news = Vec::new();
        let log = |s: &Store| s.logs().kind(Kind::Inert).clone();
        heard.advance(&log(&store), at(1), |d| news.push((d.change, d.new.meta().name.clone())));
        assert_eq!(news, [(Change::Added, "a".into())]);
        assert!(heard.by_key(&a.key()).is_some() && store.get(Kind::Inert, &a.key()).is_none());
        heard.advance(&log(&store), at(9), |d| news.push((d.change, d.new.meta().name.clone())));
        assert_eq!(news.len(), 3);
        assert_eq!(heard.len(), 1);
        assert!(heard.by_key(&a.key()).is_none());
    }

    #[test]
    fn a_slot_is_used_again_after_its_object_is_gone() {
        let mut store = Store::default();
        let a = thing(&store, "a", 1);
        store.put(SimTime::ZERO, a.clone(), FactId::NONE);
        store.remove(SimTime::ZERO, a, FactId::NONE);
        let b = thing(&store, "b", 2);
        store.put(SimTime::ZERO, b, FactId::NONE);
        let slots: Vec<Slot> =
            store.logs().kind(Kind::Inert).read(0, SimTime::MAX).map(|e| e.slot).collect();
        assert_eq!(slots, [Slot(0), Slot(0), Slot(0)]);
    }
}

//! Informers: what one process has heard of one kind.

use super::log::{Entry, KindLog};
use crate::base::Map;
use crate::base::time::SimTime;
use crate::model::{Key, Object, Slot};
use crate::trace::{Change, FactId};

/// A cursor into a log and a copy of the objects it has passed.
#[derive(Clone, Debug, Default)]
pub struct Informer {
    position: u64,
    revision: u64,
    items: Vec<Option<Object>>,
    by_key: Map<Key, Slot>,
    live: usize,
}

/// One change as an informer passes it.
#[derive(Debug)]
pub struct Delta<'a> {
    /// What became of the object.
    pub change: Change,
    /// The object's slot.
    pub slot: Slot,
    /// The object as it was heard of before; `None` when added.
    pub old: Option<&'a Object>,
    /// The object now; as it was last, when deleted.
    pub new: &'a Object,
    /// The fact that tells of it.
    pub fact: FactId,
}

impl Informer {
    /// Passes every entry committed at `until` or before, calling `f` with each change.
    pub fn advance(&mut self, log: &KindLog, until: SimTime, mut f: impl FnMut(Delta<'_>)) {
        for entry in log.read(self.position, until) {
            let old = self.pass(entry);
            f(Delta {
                change: entry.change,
                slot: entry.slot,
                old: old.as_ref(),
                new: &entry.object,
                fact: entry.fact,
            });
        }
    }

    /// Passes the next entry, which must be the one at the cursor, and answers the version before.
    pub fn pass(&mut self, entry: &Entry) -> Option<Object> {
        self.position += 1;
        self.revision = entry.revision;
        self.apply(entry)
    }

    /// Where the cursor stands.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The store's revision with the newest entry passed; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The object in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Object> {
        self.items.get(slot.index()).and_then(Option::as_ref)
    }

    /// The object of that namespace and name.
    pub fn by_key(&self, key: &Key) -> Option<&Object> {
        self.by_key.get(key).and_then(|slot| self.get(*slot))
    }

    /// The slot of the object of that namespace and name.
    pub fn slot(&self, key: &Key) -> Option<Slot> {
        self.by_key.get(key).copied()
    }

    /// All objects heard of, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Object)> {
        self.items.iter().enumerate().filter_map(|(i, o)| {
            let slot = Slot(u32::try_from(i).expect("slots are 32 bits"));
            o.as_ref().map(|o| (slot, o))
        })
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn apply(&mut self, entry: &Entry) -> Option<Object> {
        let i = entry.slot.index();
        if i >= self.items.len() {
            self.items.resize(i + 1, None);
        }
        match entry.change {
            Change::Deleted => {
                self.by_key.remove(&entry.object.key());
                let old = self.items[i].take();
                self.live -= usize::from(old.is_some());
                old
            }
            Change::Added | Change::Modified => {
                let old = self.items[i].replace(entry.object.clone());
                if old.is_none() {
                    self.by_key.insert(entry.object.key(), entry.slot);
                    self.live += 1;
                }
                old
            }
        }
    }
}

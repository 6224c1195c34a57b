//! The logs that informers read.
//!
//! What every reader of a kind has passed is dropped. A node's log is read by the node's agent, and by
//! another from the beginning when the node comes back: of what is dropped there the last entry of each
//! pod that is still there is kept, as a watch begins with a list.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::model::{Kind, Object, Slot};
use crate::trace::{Change, FactId};

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The store's revision with it.
    pub revision: u64,
    /// When it was committed.
    pub at: SimTime,
    /// The object's slot.
    pub slot: Slot,
    /// What became of it.
    pub change: Change,
    /// The object now; as it was last, when deleted.
    pub object: Object,
    /// The fact that tells of it.
    pub fact: FactId,
}

/// The changes of one kind. Positions count from 0 and never repeat.
#[derive(Clone, Debug, Default)]
pub struct KindLog {
    base: u64,
    entries: VecDeque<Entry>,
}

impl KindLog {
    /// The position after the newest entry.
    pub fn end(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// The entries from `position` on that were committed at `until` or before.
    ///
    /// # Panics
    /// When entries from `position` on have been trimmed: the caller's cursor was not counted.
    pub fn read(&self, position: u64, until: SimTime) -> impl Iterator<Item = &Entry> {
        assert!(position >= self.base, "a cursor fell behind the log's trimmed part");
        let skip = usize::try_from(position - self.base).expect("a log fits in memory");
        let from = skip.min(self.entries.len());
        self.entries.range(from..).take_while(move |e| e.at <= until)
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    fn trim(&mut self, position: u64, mut dropped: impl FnMut(Entry)) {
        while self.base < position
            && let Some(entry) = self.entries.pop_front()
        {
            self.base += 1;
            dropped(entry);
        }
        // After a burst the space would stay for the rest of the run.
        if self.entries.capacity() > 4 * self.entries.len().max(256) {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}

/// The changes of the pods bound to one node.
#[derive(Clone, Debug, Default)]
pub struct NodeLog {
    log: KindLog,
    /// The last of the dropped entries of each pod that is still there.
    kept: BTreeMap<Slot, Entry>,
}

impl NodeLog {
    /// The entries from `position` on that were committed at `until` or before, and the position after
    /// them. Where some were dropped, the pods as they were then stand for them, in the order of their
    /// last change.
    pub fn read(&self, position: u64, until: SimTime) -> (impl Iterator<Item = &Entry>, u64) {
        let start = position.max(self.log.base);
        let new = self.log.read(start, until);
        let end = start + self.log.read(start, until).count() as u64;
        let mut kept: Vec<&Entry> = Vec::new();
        if position < self.log.base {
            kept.extend(self.kept.values());
            kept.sort_by_key(|e| e.revision);
        }
        (kept.into_iter().chain(new), end)
    }

    fn trim(&mut self, position: u64) {
        let kept = &mut self.kept;
        self.log.trim(position, |entry| match entry.change {
            Change::Deleted => drop(kept.remove(&entry.slot)),
            Change::Added | Change::Modified => drop(kept.insert(entry.slot, entry)),
        });
    }
}

/// All logs: one per kind, and one per node with the pods bound to it.
#[derive(Clone, Debug)]
pub struct Logs {
    kinds: Vec<KindLog>,
    /// The end of each of them: readers that follow many look for those that have moved.
    ends: [u64; Kind::COUNT],
    /// Shared with copies until they change.
    nodes: Map<Str, Arc<NodeLog>>,
    /// The nodes whose logs have entries, for the others not to be looked at when logs are trimmed.
    filled: Vec<Str>,
}

impl Default for Logs {
    fn default() -> Self {
        let kinds = vec![KindLog::default(); Kind::COUNT];
        Self { kinds, ends: [0; Kind::COUNT], nodes: Map::default(), filled: Vec::new() }
    }
}

impl Logs {
    /// The log of a kind.
    pub fn kind(&self, kind: Kind) -> &KindLog {
        &self.kinds[kind.index()]
    }

    /// The position after the newest entry of each kind, in the order of [`Kind::ALL`].
    pub fn ends(&self) -> &[u64; Kind::COUNT] {
        &self.ends
    }

    /// The log of the pods bound to a node; `None` before the first.
    pub fn node(&self, name: &str) -> Option<&NodeLog> {
        self.nodes.get(name).map(|log| &**log)
    }

    /// Appends an entry to the log of its kind, and a bound pod's also to that of its node.
    pub(super) fn append(&mut self, entry: Entry) {
        if let Object::Pod(pod) = &entry.object
            && let Some(node) = &pod.node
        {
            let log = match self.nodes.get_mut(node) {
                Some(log) => log,
                None => self.nodes.entry(node.clone()).or_default(),
            };
            let log = &mut Arc::make_mut(log).log;
            if log.entries.is_empty() {
                self.filled.push(node.clone());
            }
            log.push(entry.clone());
        }
        let kind = entry.object.kind().index();
        self.ends[kind] += 1;
        self.kinds[kind].push(entry);
    }

    /// Drops the entries of a kind before `position`: the least of all cursors on it.
    pub fn trim(&mut self, kind: Kind, position: u64) {
        self.kinds[kind.index()].trim(position, drop);
    }

    /// Drops the entries of nodes' logs before the position of the reader of each; none where `position`
    /// knows no reader.
    pub fn trim_nodes(&mut self, position: impl Fn(&Str) -> Option<u64>) {
        let nodes = &mut self.nodes;
        self.filled.retain(|node| {
            let Some(log) = nodes.get_mut(node) else { return false };
            if let Some(position) = position(node).filter(|p| log.log.base < *p) {
                Arc::make_mut(log).trim(position);
            }
            !log.log.entries.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Inert, Meta};

    fn entry(slot: u32, revision: u64, change: Change) -> Entry {
        let meta = Meta { resource_version: revision, ..Meta::named("default", "thing") };
        let (at, fact) = (SimTime::from_secs(revision), FactId(revision));
        let body = Default::default();
        let object = Inert { meta, api_version: "v1".into(), kind: "Thing".into(), body };
        Entry { revision, at, slot: Slot(slot), change, object: object.into(), fact }
    }

    fn read(log: &NodeLog, position: u64) -> (Vec<u64>, u64) {
        let (entries, end) = log.read(position, SimTime::from_secs(4));
        (entries.map(|e| e.revision).collect(), end)
    }

    #[test]
    fn a_reader_that_comes_late_finds_what_is_left_of_the_part_that_was_dropped() {
        let mut log = NodeLog::default();
        let all = [
            entry(0, 1, Change::Added),
            entry(1, 2, Change::Added),
            entry(0, 3, Change::Modified),
            entry(1, 4, Change::Deleted),
            entry(2, 5, Change::Added),
        ];
        all.into_iter().for_each(|e| log.log.push(e));
        assert_eq!(read(&log, 0), (vec![1, 2, 3, 4], 4));
        log.trim(3);
        assert_eq!(read(&log, 3), (vec![4], 4));
        assert_eq!(read(&log, 0), (vec![2, 3, 4], 4));
        log.trim(4);
        assert_eq!(read(&log, 0), (vec![3], 4));
    }
}

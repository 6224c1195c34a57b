//! The logs that informers read.

use std::collections::VecDeque;

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

/// The changes of one kind, or of one node's pods. Positions count from 0 and never repeat.
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

    fn trim(&mut self, position: u64) {
        while self.base < position && self.entries.pop_front().is_some() {
            self.base += 1;
        }
    }
}

/// All logs: one per kind, and one per node with the pods bound to it.
#[derive(Clone, Debug)]
pub struct Logs {
    kinds: Vec<KindLog>,
    nodes: Map<Str, KindLog>,
}

impl Default for Logs {
    fn default() -> Self {
        Self { kinds: vec![KindLog::default(); Kind::COUNT], nodes: Map::default() }
    }
}

impl Logs {
    /// The log of a kind.
    pub fn kind(&self, kind: Kind) -> &KindLog {
        &self.kinds[kind.index()]
    }

    /// The log of the pods bound to a node; `None` before the first.
    pub fn node(&self, name: &str) -> Option<&KindLog> {
        self.nodes.get(name)
    }

    /// Appends an entry to the log of its kind, and a bound pod's also to that of its node.
    pub(super) fn append(&mut self, entry: Entry) {
        if let Object::Pod(pod) = &entry.object
            && let Some(node) = &pod.node
        {
            match self.nodes.get_mut(node) {
                Some(log) => log.push(entry.clone()),
                None => self.nodes.entry(node.clone()).or_default().push(entry.clone()),
            }
        }
        self.kinds[entry.object.kind().index()].push(entry);
    }

    /// Drops the entries of a kind before `position`: the least of all cursors on it.
    pub fn trim(&mut self, kind: Kind, position: u64) {
        self.kinds[kind.index()].trim(position);
    }

    /// Drops the entries of a node's log before `position`.
    pub fn trim_node(&mut self, node: &str, position: u64) {
        if let Some(log) = self.nodes.get_mut(node) {
            log.trim(position);
        }
    }
}

//! What a controller has written and not yet heard of.
//!
//! Follows `pkg/controller/util/consistency/consistency.go`: a key whose writes have not come back
//! through the informers is not synced; it fails and is tried again after its back-off.

use std::hash::Hash;

use smallvec::SmallVec;

use super::view::View;
use crate::base::Map;
use crate::model::Kind;
use crate::store::Reply;

/// The latest write per key and kind.
#[derive(Clone, Debug)]
pub struct Wrote<K> {
    keys: Map<K, SmallVec<[(Kind, u64); 3]>>,
}

impl<K> Default for Wrote<K> {
    fn default() -> Self {
        Self { keys: Map::default() }
    }
}

impl<K: Clone + Eq + Hash> Wrote<K> {
    /// Notes the object that a write for `key` has returned.
    pub fn note(&mut self, key: &K, reply: &Reply) {
        if let Ok(Some(object)) = reply {
            self.wrote(key, object.kind(), object.meta().resource_version);
        }
    }

    /// Notes that an object of a kind was written for `key`.
    pub fn wrote(&mut self, key: &K, kind: Kind, revision: u64) {
        let writes = self.keys.entry(key.clone()).or_default();
        match writes.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, latest)) => *latest = revision.max(*latest),
            None => writes.push((kind, revision)),
        }
    }

    /// Whether everything that was written for `key` has been heard of; what has been is forgotten.
    pub fn heard(&mut self, key: &K, view: &View) -> bool {
        let Some(writes) = self.keys.get(key) else { return true };
        let heard = writes.iter().all(|(kind, revision)| view.revision(*kind) >= *revision);
        if heard {
            self.keys.remove(key);
        }
        heard
    }

    /// Forgets the key.
    pub fn forget(&mut self, key: &K) {
        self.keys.remove(key);
    }
}

//! A small map: entries in one sorted allocation.
//!
//! A container has a handful of descriptors, processes and variables, and a simulation has a hundred thousand
//! containers. A tree's nodes have room for eleven entries each; this has room for those that are there. Look-ups
//! are binary searches, changes move what comes after, which only large tables would feel.

use std::borrow::Borrow;
use std::ops::Index;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

/// Up to here tables grow by one: most have one entry or two for all their lives.
const SMALL: usize = 3;

impl<K, V> Table<K, V> {
    /// An empty table.
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> Table<K, V> {
    /// A table with room for so many entries.
    pub(crate) fn with_room(entries: usize) -> Self {
        Self { entries: Vec::with_capacity(entries) }
    }

    fn put(&mut self, at: usize, key: K, value: V) {
        if self.entries.len() < SMALL {
            self.entries.reserve_exact(1);
        }
        self.entries.insert(at, (key, value));
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries.binary_search_by(|(k, _)| k.borrow().cmp(key))
    }

    /// The value of a key.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| &self.entries[at].1)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| &mut self.entries[at].1)
    }

    /// Whether a key is there.
    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Gives a key a value; answers with the one before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.put(at, key, value);
                None
            }
        }
    }

    /// Takes a key away, with its value.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| self.entries.remove(at).1)
    }

    /// The value of a key, made if it is not there.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.place(&key) {
            Ok(at) => at,
            Err(at) => {
                self.put(at, key, make());
                at
            }
        };
        &mut self.entries[at].1
    }

    /// A table of the entries that `keep` says, without room for more.
    pub(crate) fn filtered(&self, keep: impl Fn(&V) -> bool) -> Self
    where
        K: Clone,
        V: Clone,
    {
        let mut entries = Vec::with_capacity(self.entries.iter().filter(|(_, v)| keep(v)).count());
        entries.extend(self.entries.iter().filter(|(_, v)| keep(v)).cloned());
        Self { entries }
    }

    /// Keeps the entries that `keep` says.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(k, v)| keep(k, v));
    }

    /// Gives back the room that is not used.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The values, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, v)| v)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries, by key.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter().map(|(k, v)| (k, v))
    }

    /// The keys, in order.
    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.entries.iter().map(|(k, _)| k)
    }

    /// The values, by key.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.entries.iter().map(|(_, v)| v)
    }
}

impl<K: Ord, V> Index<&K> for Table<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).expect("the caller knows that the key is there")
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut table = Self { entries: entries.into_iter().collect() };
        table.entries.sort_by(|a, b| a.0.cmp(&b.0));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_in_order() {
        let mut table: Table<u32, char> = [(3, 'c'), (1, 'a')].into_iter().collect();
        assert_eq!(table.insert(2, 'b'), None);
        assert_eq!(table.insert(1, 'A'), Some('a'));
        *table.get_or_insert_with(4, || 'x') = 'd';
        assert_eq!(table.values().collect::<String>(), "Abcd");
        assert_eq!(table.remove(&2), Some('b'));
        assert_eq!((table.len(), table.contains_key(&2), table[&3]), (3, false, 'c'));
        assert_eq!(table.keys().next_back(), Some(&4));
    }
}

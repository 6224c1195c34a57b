//! Labels and annotations: small sorted maps that are shared.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::base::Str;

/// A map from text to text, sorted by key. Cloning shares it; changing makes a new one.
///
/// Pods of one template share one allocation of 48 bytes per entry.
#[derive(Clone, Eq, Default)]
pub struct Labels(Option<Arc<[(Str, Str)]>>);

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        super::equal_lists(&self.0, &other.0)
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Labels {
    /// The entries in the order of their keys.
    pub fn iter(&self) -> std::slice::Iter<'_, (Str, Str)> {
        self.as_slice().iter()
    }

    /// The entries, sorted by key.
    pub fn as_slice(&self) -> &[(Str, Str)] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Str> {
        let all = self.as_slice();
        if all.len() <= 8 {
            return all.iter().find(|(k, _)| k == key).map(|(_, v)| v);
        }
        all.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok().map(|i| &all[i].1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// The same entries with `key` set to `value`.
    #[must_use]
    pub fn with(&self, key: impl Into<Str>, value: impl Into<Str>) -> Self {
        let (key, value) = (key.into(), value.into());
        let all = self.as_slice();
        let place = all.partition_point(|(k, _)| *k < key);
        let (before, mut after) = all.split_at(place);
        if let Some((old, rest)) = after.split_first().filter(|((k, _), _)| *k == key) {
            if old.1 == value {
                return self.clone();
            }
            after = rest;
        }
        let mut entries = Vec::with_capacity(all.len() + 1);
        entries.extend_from_slice(before);
        entries.push((key, value));
        entries.extend_from_slice(after);
        Self(Some(entries.into()))
    }

    /// The same entries without `key`.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        if self.get(key).is_none() {
            return self.clone();
        }
        self.iter().filter(|(k, _)| k != key).cloned().collect()
    }
}

impl FromIterator<(Str, Str)> for Labels {
    /// Of two entries with one key the later stays.
    fn from_iter<I: IntoIterator<Item = (Str, Str)>>(entries: I) -> Self {
        let mut all: Vec<(Str, Str)> = entries.into_iter().collect();
        let in_order = all.is_sorted_by(|(a, _), (b, _)| a < b);
        if !in_order {
            all.reverse();
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            all.dedup_by(|(a, _), (b, _)| a == b);
        }
        if all.is_empty() { Self(None) } else { Self(Some(all.into())) }
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a (Str, Str);
    type IntoIter = std::slice::Iter<'a, (Str, Str)>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(k, v)| (k, v))).finish()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(entries: [(&str, &str); N]) -> Self {
        entries.into_iter().map(|(k, v)| (Str::new(k), Str::new(v))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_makes_a_new_sorted_map_and_leaves_the_old() {
        let a = Labels::from([("b", "2"), ("a", "1")]);
        let b = a.with("c", "3").with("a", "0").without("b");
        assert_eq!(a, Labels::from([("a", "1"), ("b", "2")]));
        assert_eq!(b, Labels::from([("a", "0"), ("c", "3")]));
        assert_eq!(b.get("c").map(Str::as_str), Some("3"));
        let twice = Labels::from([("b", "1"), ("a", "1"), ("b", "2"), ("b", "3")]);
        assert_eq!(twice, Labels::from([("a", "1"), ("b", "3")]), "the last one stays");
        assert!(b.without("a").without("c").is_empty());
    }
}

//! The owners of an object: a short list that is shared.

use std::ops::Deref;
use std::sync::Arc;

use super::OwnerRef;

/// The owner references of an object, in their order. Cloning shares them; changing makes a new list.
///
/// All versions of an object have one list, so two of them are mostly told alike by a look at where it is.
#[derive(Clone, Debug, Eq, Default)]
pub struct Owners(Option<Arc<[OwnerRef]>>);

impl PartialEq for Owners {
    fn eq(&self, other: &Self) -> bool {
        super::equal_lists(&self.0, &other.0)
    }
}

impl Owners {
    /// Changes the list.
    pub fn edit<T>(&mut self, change: impl FnOnce(&mut Vec<OwnerRef>) -> T) -> T {
        let mut owners = self.to_vec();
        let result = change(&mut owners);
        *self = owners.into();
        result
    }

    /// Adds an owner behind the others.
    pub fn push(&mut self, owner: OwnerRef) {
        self.edit(|owners| owners.push(owner));
    }

    /// Leaves only those of which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&OwnerRef) -> bool) {
        self.edit(|owners| owners.retain(keep));
    }
}

impl Deref for Owners {
    type Target = [OwnerRef];

    fn deref(&self) -> &[OwnerRef] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<OwnerRef>> for Owners {
    fn from(owners: Vec<OwnerRef>) -> Self {
        Self((!owners.is_empty()).then(|| owners.into()))
    }
}

impl From<OwnerRef> for Owners {
    fn from(owner: OwnerRef) -> Self {
        Self(Some(Arc::new([owner])))
    }
}

impl FromIterator<OwnerRef> for Owners {
    fn from_iter<I: IntoIterator<Item = OwnerRef>>(owners: I) -> Self {
        owners.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a Owners {
    type Item = &'a OwnerRef;
    type IntoIter = std::slice::Iter<'a, OwnerRef>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Meta};

    #[test]
    fn a_list_without_owners_equals_one_that_lost_them() {
        let mut owners = Owners::from(OwnerRef::controller_of(Kind::Job, &Meta::named("a", "b")));
        assert_ne!(owners, Owners::default());
        let same: Owners = owners.iter().cloned().collect();
        assert_eq!(owners, same);
        owners.retain(|_| false);
        assert_eq!(owners, Owners::default());
    }
}

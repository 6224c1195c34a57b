//! Parts that most containers never need: nothing at all until they are first changed.
//!
//! A simulation holds a hundred thousand sleeping scripts, and nearly none of them has a socket, a named pipe or a
//! directory stack. What is seldom there stands behind one pointer, which is null as long as nothing is in it.

use std::ops::{Deref, DerefMut};

/// What can be looked at while it is not there.
pub(crate) trait Empty: Default + 'static {
    /// The one that stands for all that were never changed.
    fn empty() -> &'static Self;
}

/// A value behind a pointer that is made with the first change.
#[derive(Clone, Debug)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Seldom<T> {
    /// The value to be changed, where it is there already.
    pub(crate) fn there(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Forgets it.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T: Default> Seldom<T> {
    /// The value itself.
    pub(crate) fn into_inner(self) -> T {
        self.0.map_or_else(T::default, |boxed| *boxed)
    }
}

impl<T: Empty> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::empty())
    }
}

impl<T: Empty> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

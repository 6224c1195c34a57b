//! Kinds that stay the typed API object.

use std::sync::Arc;

use super::meta::{meta_from_wire, meta_to_wire};
use crate::model::{Whole, wire};

/// Takes the metadata out.
pub(super) fn take<T>(mut object: T, meta: fn(&mut T) -> &mut wire::meta::ObjectMeta) -> Whole<T> {
    let metadata = std::mem::take(meta(&mut object));
    Whole { meta: meta_from_wire(metadata), body: Arc::new(object) }
}

/// Puts the metadata back.
pub(super) fn give<T: Clone>(
    whole: &Whole<T>,
    meta: fn(&mut T) -> &mut wire::meta::ObjectMeta,
) -> T {
    let mut object = T::clone(&whole.body);
    *meta(&mut object) = meta_to_wire(&whole.meta);
    object
}

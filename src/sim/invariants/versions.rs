//! Versions, identity and finalizers of objects of any kind.

use super::{Found, Seen};
use crate::model::{Object, finalizers};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Versions {
    latest: u64,
}

impl Versions {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        let (at, new) = (seen.at, seen.new);
        let meta = new.meta();
        if meta.resource_version <= self.latest {
            let text = format!("{} after {}", meta.resource_version, self.latest);
            found.say(at, new, "each change has a higher resourceVersion", text);
        }
        self.latest = self.latest.max(meta.resource_version);
        if seen.change == Change::Added && seen.old.is_some()
            || seen.change != Change::Added && seen.old.is_none()
        {
            let text = format!("{:?}", seen.change);
            found.say(at, new, "an object is added once and changed while it is there", text);
        }
        if seen.change == Change::Deleted && !meta.finalizers.is_empty() {
            let text = format!("{:?}", meta.finalizers);
            found.say(at, new, "an object does not go while it has finalizers", text);
        }
        let Some(old) = seen.old.map(Object::meta) else { return };
        if old.uid != meta.uid || old.created != meta.created {
            let text = format!("{} was {}", meta.uid, old.uid);
            found.say(at, new, "an object keeps its uid and creationTimestamp", text);
        }
        if meta.generation < old.generation {
            let text = format!("{} after {}", meta.generation, old.generation);
            found.say(at, new, "a generation does not go down", text);
        }
        if old.deletion.is_some() {
            if meta.deletion.is_none() {
                let text = String::new();
                found.say(at, new, "a deletion that was asked for is not taken back", text);
            }
            // Another deletion may ask otherwise for what becomes of the dependents.
            let of_deletion = |f: &str| f == finalizers::ORPHAN || f == finalizers::FOREGROUND;
            let added = meta.finalizers.iter().find(|f| !old.has_finalizer(f) && !of_deletion(f));
            if let Some(added) = added {
                let text = added.to_string();
                found.say(at, new, "no finalizer is added once deletion is asked for", text);
            }
        }
    }
}

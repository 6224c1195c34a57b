//! Owners and what they own: nothing is forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Found, Seen};
use crate::base::time::SimTime;
use crate::model::{Kind, Uid};
use crate::store::Store;
use crate::trace::Change;

/// For so long a dependent may outlive its owner: the garbage collector's retries included.
const GRACE: Duration = Duration::from_mins(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    gone: BTreeMap<Uid, SimTime>,
}

impl Ownership {
    pub(super) fn see(&mut self, seen: Seen<'_>) {
        if seen.change == Change::Deleted {
            self.gone.insert(seen.new.meta().uid, seen.at);
        }
    }

    /// An object whose owners have all gone goes too, unless it is on its way.
    pub(super) fn audit(&self, store: &Store, now: SimTime, found: &mut Found) {
        for kind in
            [Kind::Pod, Kind::ReplicaSet, Kind::Job, Kind::ControllerRevision, Kind::EndpointSlice]
        {
            for object in store.list(kind) {
                let meta = object.meta();
                if meta.owners.is_empty() || meta.is_terminating() {
                    continue;
                }
                let long_gone = |uid: &Uid| self.gone.get(uid).is_some_and(|at| *at + GRACE < now);
                if meta.owners.iter().all(|o| long_gone(&o.uid)) {
                    let text = format!("owned by {}", meta.owners[0].name);
                    found.say(now, object, "a dependent goes with its owner", text);
                }
            }
        }
    }
}

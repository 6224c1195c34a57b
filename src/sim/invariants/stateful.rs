//! Pods of StatefulSets: one for each identity, in their order.

use std::collections::BTreeMap;

use super::{Found, LAG, Seen};
use crate::base::time::SimTime;
use crate::model::{Object, Pod, StatefulSet, Uid, conditions};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stateful {
    sets: BTreeMap<Uid, Set>,
}

#[derive(Debug, Default)]
struct Set {
    name: crate::base::Str,
    start: i32,
    /// One behind the last ordinal, and the same before the last change and until when.
    end: i32,
    before: i32,
    until: SimTime,
    ordered: bool,
    /// It is being deleted.
    gone: bool,
    /// Pods by ordinal: which, and since when it is gone.
    pods: BTreeMap<i32, (Uid, Option<SimTime>)>,
    /// Since when the pod of an ordinal is not ready; none while it is.
    unready: BTreeMap<i32, SimTime>,
}

impl Stateful {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        match seen.new {
            Object::StatefulSet(set) => self.set(seen, set),
            Object::Pod(pod) => self.pod(seen, pod, found),
            _ => {}
        }
    }

    fn set(&mut self, seen: Seen<'_>, set: &StatefulSet) {
        let wire = &set.spec.wire;
        let known = self.sets.entry(set.meta.uid).or_default();
        known.name = set.meta.name.clone();
        known.gone = set.meta.is_terminating() || seen.change == Change::Deleted;
        known.ordered = wire.pod_management_policy.as_deref() != Some("Parallel");
        known.start = wire.ordinals.as_ref().and_then(|o| o.start).unwrap_or(0);
        let end = known.start + wire.replicas.unwrap_or(1);
        if end != known.end {
            let held = if seen.at < known.until { known.before } else { 0 };
            (known.before, known.until, known.end) = (known.end.max(held), seen.at + LAG, end);
        }
    }

    fn pod(&mut self, seen: Seen<'_>, pod: &Pod, found: &mut Found) {
        let owner = pod.meta.controller().map(|o| o.uid);
        let Some(set) = owner.and_then(|uid| self.sets.get_mut(&uid)) else { return };
        let Some(ordinal) = set.ordinal(&pod.meta.name) else { return };
        set.judge_deletion(seen, pod, ordinal, found);
        if seen.change == Change::Deleted {
            set.pods.insert(ordinal, (pod.meta.uid, Some(seen.at)));
            return;
        }
        let before = set.pods.insert(ordinal, (pod.meta.uid, None));
        if seen.change != Change::Added {
            return;
        }
        if let Some((uid, None)) = before
            && uid != pod.meta.uid
        {
            let text = format!("{uid} is still there");
            found.say(seen.at, seen.new, "an identity has one pod at a time", text);
        }
        let end = if seen.at < set.until { set.end.max(set.before) } else { set.end };
        if ordinal >= end {
            let text = format!("{ordinal} of {end}");
            found.say(seen.at, seen.new, "a StatefulSet makes the pods that it wants", text);
        }
        let missing = (set.start..ordinal).find(|o| match set.pods.get(o) {
            None => true,
            Some((_, gone)) => gone.is_some_and(|at| at + LAG < seen.at),
        });
        if let Some(missing) = missing.filter(|_| set.ordered) {
            let text = format!("ordinal {missing} is not there");
            found.say(seen.at, seen.new, "pods of a StatefulSet come in their order", text);
        }
    }
}

impl Set {
    /// A pod that the controller takes away to replace it: all behind it are ready.
    fn judge_deletion(&mut self, seen: Seen<'_>, pod: &Pod, ordinal: i32, found: &mut Found) {
        let serves = pod.is_ready() && pod.is_active() && seen.change != Change::Deleted;
        let served = !self.unready.contains_key(&ordinal) && self.pods.contains_key(&ordinal);
        if serves {
            self.unready.remove(&ordinal);
        } else {
            self.unready.entry(ordinal).or_insert(seen.at);
        }
        let disturbed = pod.status.is_true(conditions::DISRUPTION_TARGET);
        let wanted = (self.start..self.end).contains(&ordinal) && self.until < seen.at;
        let taken = served && pod.meta.is_terminating() && !seen.by_step && !disturbed && wanted;
        if !taken || self.gone {
            return;
        }
        let waits = (ordinal + 1..self.end).find(|o| {
            self.unready.get(o).is_some_and(|at| *at + LAG < seen.at) || !self.pods.contains_key(o)
        });
        if let Some(waits) = waits {
            let text = format!("ordinal {waits} is not ready");
            let invariant = "a StatefulSet replaces one pod after the other";
            found.say(seen.at, seen.new, invariant, text);
        }
    }

    fn ordinal(&self, pod: &str) -> Option<i32> {
        pod.strip_prefix(self.name.as_str())?.strip_prefix('-')?.parse().ok()
    }
}

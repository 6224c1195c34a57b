//! Pods of ReplicaSets, and ReplicaSets of Deployments: never more than wanted and the surge.
//!
//! A Deployment counts what its ReplicaSets want, not the pods that there are: a pod whose deletion
//! the API refuses for a while may be one more.

use std::collections::{BTreeMap, BTreeSet};

use super::recent::Recent;
use super::{Found, Seen};
use crate::base::time::SimTime;
use crate::controllers::scaled::scaled;
use crate::model::{Deployment, Object, Pod, Uid};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    sets: BTreeMap<Uid, Limit>,
    deployments: BTreeMap<Uid, Limit>,
    /// What the ReplicaSets of each Deployment want.
    wanted: BTreeMap<Uid, BTreeMap<Uid, Recent>>,
}

/// How many pods an owner may have, and which it has.
#[derive(Debug, Default)]
struct Limit {
    allowed: Recent,
    active: BTreeSet<Uid>,
}

impl Replicas {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        let (meta, gone) = (seen.new.meta(), seen.change == Change::Deleted);
        match seen.new {
            Object::ReplicaSet(set) => {
                let wanted = if gone { 0 } else { set.spec.wire.replicas.unwrap_or(1) };
                self.sets.entry(meta.uid).or_default().allowed.set(wanted, seen.at);
                self.share(seen, wanted, found);
            }
            Object::Deployment(deployment) => {
                let most = if gone { 0 } else { most(deployment) };
                self.deployments.entry(meta.uid).or_default().allowed.set(most, seen.at);
            }
            Object::Pod(pod) => self.pod(seen, pod, found),
            _ => {}
        }
    }

    /// What a Deployment's ReplicaSets want together, when one of them wants more.
    fn share(&mut self, seen: Seen<'_>, wanted: i32, found: &mut Found) {
        let uid = seen.new.meta().uid;
        let owner = seen.new.meta().controller().map(|o| o.uid);
        for (deployment, sets) in &mut self.wanted {
            if Some(*deployment) != owner {
                sets.remove(&uid);
            }
        }
        let Some(owner) = owner else { return };
        let sets = self.wanted.entry(owner).or_default();
        let share = sets.entry(uid).or_default();
        let before = share.most(SimTime::MAX);
        share.set(wanted, seen.at);
        // What the others want it may not have heard of.
        let others = sets.iter().filter(|(set, _)| **set != uid);
        let sum = wanted + others.map(|(_, share)| share.least(seen.at)).sum::<i32>();
        let Some(limit) = self.deployments.get(&owner) else { return };
        let most = limit.allowed.most(seen.at);
        if wanted > before && sum > most {
            let invariant = "a Deployment wants no more pods than its replicas and the surge";
            found.say(seen.at, seen.new, invariant, format!("{sum} of {most}"));
        }
    }

    fn pod(&mut self, seen: Seen<'_>, pod: &Pod, found: &mut Found) {
        let Some(set) = pod.meta.controller().map(|o| o.uid) else {
            // An orphan counts for nobody.
            for limit in self.sets.values_mut() {
                limit.active.remove(&pod.meta.uid);
            }
            return;
        };
        let Some(limit) = self.sets.get_mut(&set) else { return };
        if seen.change == Change::Deleted || !pod.is_active() {
            limit.active.remove(&pod.meta.uid);
        } else if limit.active.insert(pod.meta.uid) && seen.change == Change::Added {
            let (count, most) = (limit.active.len(), limit.allowed.most(seen.at));
            if i32::try_from(count).is_ok_and(|n| n > most) {
                let invariant = "a ReplicaSet makes no more pods than it wants";
                found.say(seen.at, seen.new, invariant, format!("{count} of {most}"));
            }
        }
    }
}

/// The most pods that a Deployment may have while it rolls out.
fn most(deployment: &Deployment) -> i32 {
    let wire = &deployment.spec.wire;
    let wanted = wire.replicas.unwrap_or(1);
    let rolling = wire.strategy.as_ref().and_then(|s| s.rolling_update.as_ref());
    let surge = rolling.and_then(|r| r.max_surge.as_ref());
    wanted + surge.and_then(|s| scaled(s, wanted, true).ok()).unwrap_or(0)
}

//! Whether claims go with their pod or their set: the owners that the retention policy gives them.
//!
//! Follows `pkg/controller/statefulset/stateful_set_utils.go`: `isClaimOwnerUpToDate`,
//! `updateClaimOwnerRefForSetAndPod` and what they use.

use super::identity;
use crate::model::{self, Kind, Meta, OwnerRef, Pod, StatefulSet};

/// What happens to a set's claims (`StatefulSetPersistentVolumeClaimRetentionPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// They go with the set.
    pub delete_with_set: bool,
    /// They go with a pod that is scaled down.
    pub delete_with_pod: bool,
}

/// A set's policy; without one claims stay.
pub fn policy(set: &StatefulSet) -> Policy {
    let policy = set.spec.wire.persistent_volume_claim_retention_policy.as_ref();
    let deletes = |text: Option<&String>| text.is_some_and(|t| t == "Delete");
    Policy {
        delete_with_set: deletes(policy.and_then(|p| p.when_deleted.as_ref())),
        delete_with_pod: deletes(policy.and_then(|p| p.when_scaled.as_ref())),
    }
}

/// The set and the pod that may own a claim.
#[derive(Clone, Copy, Debug)]
pub struct Owners<'a> {
    /// The set.
    pub set: &'a StatefulSet,
    /// The pod.
    pub pod: &'a Pod,
}

impl Owners<'_> {
    /// Whether a claim's owners are as the policy wants them, or in a state that is left alone
    /// (`isClaimOwnerUpToDate`).
    pub fn up_to_date(self, claim: &Meta) -> bool {
        let Self { set, pod } = self;
        if is_stale(claim, &set.meta, Kind::StatefulSet) || is_stale(claim, &pod.meta, Kind::Pod) {
            return true;
        }
        let (by_set, by_pod) = (owns(claim, &set.meta), owns(claim, &pod.meta));
        if self.has_unexpected_controller(claim) {
            return !by_set && !by_pod;
        }
        let mine = |o: &&OwnerRef| o.uid == set.meta.uid || o.uid == pod.meta.uid;
        if claim.owners.iter().filter(mine).any(|o| !o.controller) {
            return false;
        }
        (by_set, by_pod) == self.wanted()
    }

    /// Whether the set, and whether the pod, shall own a claim.
    fn wanted(self) -> (bool, bool) {
        let scaled_down = !identity::in_range(self.set, identity::ordinal(self.pod));
        let policy = policy(self.set);
        match (policy.delete_with_pod, policy.delete_with_set) {
            (false, false) => (false, false),
            (false, true) => (true, false),
            (true, false) => (false, scaled_down),
            (true, true) => (!scaled_down, scaled_down),
        }
    }

    /// The owners that a claim shall have (`updateClaimOwnerRefForSetAndPod`).
    pub fn corrected(self, claim: &Meta) -> model::Owners {
        let Self { set, pod } = self;
        let others = claim.owners.iter().filter(|o| {
            !matches(o, &set.meta, Kind::StatefulSet) && !matches(o, &pod.meta, Kind::Pod)
        });
        let mut owners: Vec<OwnerRef> = others.cloned().collect();
        if self.has_unexpected_controller(claim) {
            return owners.into();
        }
        let (by_set, by_pod) = self.wanted();
        let wanted = [(by_set, Kind::StatefulSet, &set.meta), (by_pod, Kind::Pod, &pod.meta)];
        for (_, kind, owner) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            if owners.iter().all(|o| o.uid != owner.uid) {
                owners.push(OwnerRef::controller_of(kind, owner));
            }
        }
        owners.into()
    }

    /// Whether another controller manages a claim that the policy wants to manage
    /// (`hasUnexpectedController`).
    pub fn has_unexpected_controller(self, claim: &Meta) -> bool {
        let Self { set, pod } = self;
        let policy = policy(set);
        if !policy.delete_with_pod && !policy.delete_with_set {
            return false;
        }
        claim.owners.iter().any(|o| {
            if matches(o, &set.meta, Kind::StatefulSet) {
                o.uid != set.meta.uid
            } else if matches(o, &pod.meta, Kind::Pod) {
                o.uid != pod.meta.uid
            } else {
                o.controller
            }
        })
    }
}

/// Whether a claim names an owner of that name that is not this one (`hasStaleOwnerRef`).
pub fn is_stale(claim: &Meta, owner: &Meta, kind: Kind) -> bool {
    claim.owners.iter().find(|o| matches(o, owner, kind)).is_some_and(|o| o.uid != owner.uid)
}

fn matches(reference: &OwnerRef, object: &Meta, kind: Kind) -> bool {
    reference.is_kind(kind)
        && reference.api_version == kind.api_version()
        && reference.name == object.name
}

fn owns(claim: &Meta, owner: &Meta) -> bool {
    claim.owners.iter().any(|o| o.uid == owner.uid)
}

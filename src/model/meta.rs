//! Object metadata.

use std::time::Duration;

use smallvec::SmallVec;

use super::{Key, Kind, Labels, Owners, Uid};
use crate::base::Str;
use crate::base::time::SimTime;

/// Names of finalizers with behaviour.
pub mod finalizers {
    /// Dependents are deleted first (`metav1.FinalizerDeleteDependents`).
    pub const FOREGROUND: &str = "foregroundDeletion";
    /// Dependents lose their owner first (`metav1.FinalizerOrphanDependents`).
    pub const ORPHAN: &str = "orphan";
    /// The Job controller has not counted this pod yet (`batch.JobTrackingFinalizer`).
    pub const JOB_TRACKING: &str = "batch.kubernetes.io/job-tracking";
    /// A claim that a pod still uses (`volumeutil.PVCProtectionFinalizer`).
    pub const PVC_PROTECTION: &str = "kubernetes.io/pvc-protection";
    /// A volume that is bound (`volumeutil.PVProtectionFinalizer`).
    pub const PV_PROTECTION: &str = "kubernetes.io/pv-protection";
}

/// The metadata of every object (`metav1.ObjectMeta`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Meta {
    /// The name.
    pub name: Str,
    /// The namespace; empty for cluster-wide kinds.
    pub namespace: Str,
    /// The prefix from which the API server made the name; empty where the name was given.
    pub generate_name: Str,
    /// Set by the API server on creation.
    pub uid: Uid,
    /// The store's revision at the last change; 0 before the object is stored.
    pub resource_version: u64,
    /// Counts changes of what is wanted (the spec); 0 for kinds that do not count.
    pub generation: u64,
    /// When the API server stored it.
    pub created: SimTime,
    /// Set once deletion is requested.
    pub deletion: Option<Deletion>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// Owners; at most one of them is the controller.
    pub owners: Owners,
    /// What must be done before the object may go.
    pub finalizers: SmallVec<[Str; 1]>,
}

/// A requested deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it is due (`deletionTimestamp`: the request's time plus the grace).
    pub at: SimTime,
    /// The grace (`deletionGracePeriodSeconds`), whole seconds.
    pub grace: Duration,
}

/// One owner of an object (`metav1.OwnerReference`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRef {
    /// The owner's `apiVersion`.
    pub api_version: Str,
    /// The owner's kind, known to the simulation or not.
    pub kind: Str,
    /// The owner's name, in the same namespace or cluster-wide.
    pub name: Str,
    /// The owner's uid.
    pub uid: Uid,
    /// Whether it is the managing controller.
    pub controller: bool,
    /// Whether foreground deletion of the owner waits for this object.
    pub block_owner_deletion: bool,
}

impl OwnerRef {
    /// The reference by which a controller owns what it creates (`metav1.NewControllerRef`).
    pub fn controller_of(kind: Kind, owner: &Meta) -> Self {
        Self {
            api_version: Str::new_static(kind.api_version()),
            kind: Str::new_static(kind.as_str()),
            name: owner.name.clone(),
            uid: owner.uid,
            controller: true,
            block_owner_deletion: true,
        }
    }

    /// Whether it names an object of `kind`.
    pub fn is_kind(&self, kind: Kind) -> bool {
        self.kind == kind.as_str()
    }
}

impl Meta {
    /// The metadata of a new object `namespace/name`.
    pub fn named(namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), ..Self::default() }
    }

    /// The namespace and name.
    pub fn key(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// The owner that manages the object, if any (`metav1.GetControllerOf`).
    pub fn controller(&self) -> Option<&OwnerRef> {
        self.owners.iter().find(|o| o.controller)
    }

    /// The managing owner, if it is of `kind`.
    pub fn controller_of_kind(&self, kind: Kind) -> Option<&OwnerRef> {
        self.controller().filter(|o| o.is_kind(kind))
    }

    /// Whether deletion was requested.
    pub fn is_terminating(&self) -> bool {
        self.deletion.is_some()
    }

    /// Whether `finalizer` is still to be done.
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|f| f == finalizer)
    }
}

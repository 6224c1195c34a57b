//! Ending a pod that uses more than it may: of its volumes, of its containers' own files, of a node.
//!
//! Follows `pkg/kubelet/eviction/eviction_manager.go` (`localStorageEviction`, `evictPod`). What a pod has
//! written is looked at where programs have run; the eviction loop acts on it at its next tick. Upstream
//! measures volumes once a minute, so that a real eviction may come up to that much later.
//!
//! As upstream, the phase is made anew once all containers have ended: an evicted pod whose containers all
//! end with 0 has succeeded in the end, and its reason is gone.

use std::time::Duration;

use super::desk::Desk;
use super::runtime::{each, each_main};
use super::text::binary_si;
use super::worker::{Life, Worker};
use crate::base::Str;
use crate::model::conditions::DISRUPTION_TARGET;
use crate::model::{ConditionStatus, Phase, PodCondition, PodSpec, PodStatus};
use crate::trace::EventType;

/// An evicted pod's containers have so many seconds to end (`immediateEvictionGracePeriodSeconds`).
const GRACE: u64 = 1;

/// Why a pod is evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Eviction {
    /// For people.
    message: Str,
    /// Whether the pod is the target of a disruption, and not itself at fault.
    disrupts: bool,
}

impl Eviction {
    /// Writes it into the status of the pod whose containers are about to be stopped.
    pub(super) fn mark(&self, status: &mut PodStatus, generation: u64, d: &Desk<'_, '_>) {
        (status.phase, status.reason) = (Phase::Failed, Str::new_static("Evicted"));
        status.message = self.message.clone();
        if self.disrupts {
            status.conditions = status.with_condition(PodCondition {
                kind: Str::new_static(DISRUPTION_TARGET),
                status: ConditionStatus::True,
                reason: Str::new_static("TerminationByKubelet"),
                message: self.message.clone(),
                since: d.cx.now.trunc_secs(),
                observed_generation: generation,
            });
        }
    }
}

/// Whether a pod may exceed something that is measured in its files.
pub(super) fn is_limited(spec: &PodSpec) -> bool {
    let limited = |v: &crate::model::wire::core::Volume| {
        v.empty_dir.as_ref().is_some_and(|e| e.size_limit.is_some())
    };
    spec.wire.volumes.iter().flatten().any(limited)
        || each(spec).any(|(_, c)| c.limits.ephemeral_storage > 0)
}

impl Worker {
    /// Ends the pod (`evictPod`).
    pub(super) fn evict(&mut self, message: String, disrupts: bool, d: &mut Desk<'_, '_>) {
        if self.life != Life::Syncing {
            return;
        }
        self.pod_event(EventType::Warning, "Evicted", &message, d);
        self.eviction = Some(Eviction { message: message.into(), disrupts });
        self.end_with_grace(GRACE, d);
    }

    /// Notes when the eviction loop will find that the pod has written too much, if it has.
    pub(super) fn look_at_files(&mut self, d: &Desk<'_, '_>) {
        let looks = self.life == Life::Syncing && self.over_at.is_none();
        if looks && is_limited(self.spec()) && self.excess(d).is_some() {
            self.over_at = Some(d.node.phases.eviction_from(d.cx.now));
        }
    }

    /// Notes when a container that starts will have written too much, if what is told of it says so.
    pub(super) fn expect_files(&mut self, after: Duration, d: &Desk<'_, '_>) {
        let at = d.node.phases.eviction_from(d.cx.now.saturating_add(after));
        self.over_at = Some(self.over_at.map_or(at, |over| over.min(at)));
    }

    /// Evicts the pod if it still has written too much.
    pub(super) fn evict_for_files(&mut self, d: &mut Desk<'_, '_>) {
        self.over_at = None;
        if let Some(message) = self.excess(d) {
            self.evict(message, false, d);
        }
    }

    /// What of its files is too much (`emptyDirLimitEviction`, `podEphemeralStorageLimitEviction`,
    /// `containerEphemeralStorageLimitEviction`).
    fn excess(&self, d: &Desk<'_, '_>) -> Option<String> {
        let spec = self.spec();
        let mut volumes = 0_i64;
        for volume in spec.wire.volumes.iter().flatten() {
            let Some(source) = &volume.empty_dir else { continue };
            let used = self.mounts.bytes_of(&volume.name, d);
            let limit = source.size_limit.as_ref();
            let bytes = limit.and_then(|q| q.0.parse::<crate::base::quantity::Quantity>().ok());
            if let (Some(text), Some(bytes)) = (limit, bytes.map(|q| q.value()).filter(|b| *b > 0))
                && used > bytes
            {
                let (name, limit) = (&volume.name, &text.0);
                return Some(format!(
                    "Usage of EmptyDir volume {name:?} exceeds the limit {limit:?}. "
                ));
            }
            if source.medium.as_deref() != Some("Memory") {
                volumes = volumes.saturating_add(used);
            }
        }
        let own: Vec<_> =
            each_main(spec).map(|(n, c)| (c, self.bytes_of_body(n, d.cx.now))).collect();
        // The pod's limit is the sum of those that its containers have.
        let limit: i64 = own.iter().map(|(c, _)| c.limits.ephemeral_storage).sum();
        if limit > 0 {
            let used: i64 = own.iter().map(|(_, used)| *used).sum();
            if used.saturating_add(volumes) > limit {
                let limit = binary_si(limit);
                return Some(format!(
                    "Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
                ));
            }
        }
        own.iter().find(|(c, used)| (1..*used).contains(&c.limits.ephemeral_storage)).map(
            |(c, _)| {
                let limit = binary_si(c.limits.ephemeral_storage);
                format!(
                    "Container {} exceeded its local ephemeral storage limit {limit:?}. ",
                    c.name
                )
            },
        )
    }
}

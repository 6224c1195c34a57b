//! A StatefulSet's status.
//!
//! Follows `pkg/controller/statefulset/stateful_set_control.go` (`updateStatus`,
//! `updateStatefulSetStatus`) and `stateful_set_utils.go`.

use std::sync::Arc;
use std::time::Duration;

use super::identity::revision_of;
use super::sync::{Candidate, Sync, is_rolling, min_ready_seconds};
use crate::base::time::SimTime;
use crate::model::wire::apps::StatefulSetStatus;
use crate::model::{Phase, Pod, StatefulSet};

impl Sync<'_> {
    /// The status that shows these pods (`updateStatus`).
    pub(super) fn count<'p>(&self, pods: impl Iterator<Item = &'p Arc<Pod>>) -> StatefulSetStatus {
        let (current_revision, update_revision) =
            (&self.revisions.current.meta.name, &self.revisions.update.meta.name);
        let (mut replicas, mut ready, mut available, mut current, mut updated) = (0, 0, 0, 0, 0);
        for pod in pods {
            replicas += 1;
            let is_ready = pod.status.phase == Phase::Running && pod.is_ready();
            ready += i32::from(is_ready);
            available += i32::from(is_ready && self.is_available(pod));
            if !pod.meta.is_terminating() {
                let revision = revision_of(pod);
                current += i32::from(revision == current_revision);
                updated += i32::from(revision == update_revision);
            }
        }
        StatefulSetStatus {
            observed_generation: Some(i64::try_from(self.set.meta.generation).unwrap_or(i64::MAX)),
            replicas,
            ready_replicas: Some(ready),
            available_replicas: Some(available),
            current_replicas: Some(current),
            updated_replicas: Some(updated),
            current_revision: Some(current_revision.to_string()),
            update_revision: Some(update_revision.to_string()),
            collision_count: Some(self.revisions.collisions),
            conditions: None,
        }
    }

    /// The set with its status as it is to be written, if it is (`updateStatefulSetStatus`).
    pub(super) fn with_status(&self, status: &mut StatefulSetStatus) -> Option<StatefulSet> {
        let wanted = Some(self.set.spec.wire.replicas.unwrap_or(1));
        if is_rolling(self.set)
            && status.updated_replicas == wanted
            && status.ready_replicas == wanted
            && Some(status.replicas) == wanted
        {
            status.current_replicas = status.updated_replicas;
            status.current_revision.clone_from(&status.update_revision);
        }
        is_inconsistent(&self.set.status, status)
            .then(|| StatefulSet { status: status.clone(), ..self.set.clone() })
    }

    /// When a ready pod will be available, while some are not.
    pub(super) fn next_check(
        &self,
        status: &StatefulSetStatus,
        pods: &[&Candidate],
    ) -> Option<SimTime> {
        let min = Duration::from_secs(min_ready_seconds(self.set).into());
        if min.is_zero() || status.ready_replicas == status.available_replicas {
            return None;
        }
        let due = pods.iter().filter_map(|p| p.pod.ready_since()).map(|t| t.trunc_secs() + min);
        Some(due.filter(|t| *t > self.now).min().unwrap_or(self.now + min))
    }
}

/// `inconsistentStatus`.
fn is_inconsistent(old: &StatefulSetStatus, new: &StatefulSetStatus) -> bool {
    let number = |n: Option<i32>| n.unwrap_or(0);
    fn text(t: Option<&String>) -> &str {
        t.map(String::as_str).unwrap_or_default()
    }
    new.observed_generation.unwrap_or(0) > old.observed_generation.unwrap_or(0)
        || new.replicas != old.replicas
        || number(new.current_replicas) != number(old.current_replicas)
        || number(new.ready_replicas) != number(old.ready_replicas)
        || number(new.updated_replicas) != number(old.updated_replicas)
        || text(new.current_revision.as_ref()) != text(old.current_revision.as_ref())
        || number(new.available_replicas) != number(old.available_replicas)
        || text(new.update_revision.as_ref()) != text(old.update_revision.as_ref())
}

//! What probes change in the status that is told: readiness and start of one container.
//!
//! Follows `pkg/kubelet/status/status_manager.go` (`SetContainerReadiness`, `SetContainerStartup`): the
//! status is changed in place, without a sync.

use super::conditions;
use super::worker::Worker;
use crate::base::time::SimTime;
use crate::model::{ContainerStatus, PodStatus};

impl Worker {
    /// `SetContainerReadiness`.
    pub(super) fn set_ready(&mut self, run: u64, ready: bool, now: SimTime) {
        let Some(old) = self.reports.latest() else { return };
        let Some(mut new) =
            with_container(old, run, |c| (c.ready != ready).then(|| c.ready = ready).is_some())
        else {
            return;
        };
        new.conditions = conditions::with_readiness(&conditions::Facts {
            pod: &self.pod,
            old,
            seen: &self.seen,
            init: &new.init_containers,
            main: &new.containers,
            phase: new.phase,
            restarting: None,
            resize: None,
            now,
        });
        self.reports.set(new, false);
    }

    /// `SetContainerStartup`.
    pub(super) fn set_started(&mut self, run: u64, started: bool) {
        let Some(old) = self.reports.latest() else { return };
        let changed = with_container(old, run, |c| {
            (c.started != Some(started)).then(|| c.started = Some(started)).is_some()
        });
        if let Some(new) = changed {
            self.reports.set(new, false);
        }
    }
}

/// The status with one container changed, if `f` changes it.
fn with_container(
    old: &PodStatus,
    run: u64,
    f: impl FnOnce(&mut ContainerStatus) -> bool,
) -> Option<PodStatus> {
    let mut new = old.clone();
    let find = |all: &[ContainerStatus]| all.iter().position(|c| c.container_id == run && run != 0);
    if let Some(i) = find(&new.containers) {
        let mut all = new.containers.to_vec();
        f(&mut all[i]).then(|| new.containers = all.into())?;
    } else {
        let i = find(&new.init_containers)?;
        let mut all = new.init_containers.to_vec();
        f(&mut all[i]).then(|| new.init_containers = all.into())?;
    }
    Some(new)
}

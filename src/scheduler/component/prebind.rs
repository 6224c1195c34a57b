//! Volumes that must be bound before their pod is.
//!
//! Follows `pkg/scheduler/framework/plugins/volumebinding/binder.go`, `BindPodVolumes`: volumes that
//! were found are set aside for their claims, claims to be provisioned get the chosen node as an
//! annotation, and then it is looked every second whether all claims of the pod are bound. A look that
//! cannot have changed anything is not taken: the next one counts after news of storage.

use std::sync::Arc;
use std::time::Duration;

use smol_str::format_smolstr;

use super::Scheduler;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::engine::Cx;
use crate::model::{Key, Kind, Ref, wire};
use crate::scheduler::queue::Queued;
use crate::scheduler::storage::{Reservation, SELECTED_NODE, Volume, is_bound};
use crate::store::{MetaChange, Request};
use crate::trace::FactId;

/// Between looks.
const PERIOD: Duration = Duration::from_secs(1);
/// After this long the binding has failed (`VolumeBindingArgs.bindTimeoutSeconds`).
const TIMEOUT: Duration = Duration::from_secs(600);

/// Pods whose volumes are being bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits(Vec<Wait>);

#[derive(Clone, Debug)]
struct Wait {
    queued: Queued,
    node: Str,
    began: SimTime,
    /// When to look again: the beat after the latest news.
    look_at: Option<SimTime>,
}

impl Waits {
    /// When to look next.
    pub(super) fn next_look(&self) -> Option<SimTime> {
        self.0.iter().map(|w| w.look_at.unwrap_or(w.began + TIMEOUT)).min()
    }
}

impl Wait {
    /// The first beat at `now` or later, but not the beginning itself.
    fn next_beat(&self, now: SimTime) -> SimTime {
        let passed = now.since(self.began).as_nanos().div_ceil(PERIOD.as_nanos()).max(1);
        self.began + PERIOD * u32::try_from(passed).unwrap_or(u32::MAX)
    }
}

impl Scheduler {
    /// Asks for the volumes of a pod that is assumed to be on a node.
    pub(super) fn bind_volumes(
        &mut self,
        queued: Queued,
        node: Str,
        reservation: Reservation,
        cx: &mut Cx<'_>,
    ) {
        let cause = queued.cause;
        // While the pod waits for its volumes its status shows where it is going.
        self.patch(&queued.info, None, Some(node.clone()), cause, cx);
        for (claim, volume) in &reservation.bind {
            self.set_aside(claim, volume, cause, cx);
        }
        for claim in &reservation.provision {
            self.select_node(claim, &node, cause, cx);
        }
        let mut wait = Wait { queued, node, began: self.busy_until, look_at: None };
        wait.look_at = Some(wait.next_beat(cx.now));
        self.waits.0.push(wait);
    }

    /// News of storage has come: pods that wait for volumes look at the next beat.
    pub(super) fn storage_news(&mut self, now: SimTime) {
        for wait in &mut self.waits.0 {
            let beat = wait.next_beat(now);
            wait.look_at = Some(wait.look_at.map_or(beat, |at| at.min(beat)));
        }
    }

    /// Looks whether volumes are bound, where it is time to.
    pub(super) fn look_at_volumes(&mut self, cx: &mut Cx<'_>) {
        if self.waits.0.is_empty() {
            return;
        }
        for mut wait in std::mem::take(&mut self.waits.0) {
            let timed_out = cx.now >= wait.began + TIMEOUT;
            if !timed_out && wait.look_at.is_none_or(|at| at > cx.now) {
                self.waits.0.push(wait);
                continue;
            }
            wait.look_at = None;
            match self.are_volumes_bound(&wait) {
                Ok(true) => self.bind(wait.queued, wait.node, Duration::ZERO, cx),
                Ok(false) if !timed_out => self.waits.0.push(wait),
                Ok(false) => self.volumes_failed(wait, "context deadline exceeded", cx),
                Err(why) => self.volumes_failed(wait, &why, cx),
            }
        }
    }

    fn volumes_failed(&mut self, wait: Wait, why: &str, cx: &mut Cx<'_>) {
        let text =
            format_smolstr!("running PreBind plugin \"VolumeBinding\": binding volumes: {why}");
        self.binding_failed(wait.queued, text, cx);
    }

    /// As `checkBindings`, for all claims of the pod.
    fn are_volumes_bound(&self, wait: &Wait) -> Result<bool, String> {
        let pod = &wait.queued.info;
        if self.feed.waiting(pod.uid()).is_none() {
            let name = pod.name();
            return Err(format!("pod does not exist any more: pod {name:?} not found"));
        }
        let storage = &self.feed.cluster.world.storage;
        for used in pod.claims() {
            match storage.claim(pod.namespace(), &used.claim) {
                Some(claim) if is_bound(claim) => {}
                Some(_) => return Ok(false),
                None => {
                    let key = Key { namespace: pod.namespace().clone(), name: used.claim };
                    return Err(format!("failed to get pvc {:?} from cache", key.to_string()));
                }
            }
        }
        Ok(true)
    }

    /// Sets a volume aside for a claim: the volume controller binds the two.
    fn set_aside(&mut self, claim: &Key, volume: &Str, cause: FactId, cx: &mut Cx<'_>) {
        let storage = &self.feed.cluster.world.storage;
        let (Some(volume), Some(claim)) = (storage.volumes.get(volume), storage.claims.get(claim))
        else {
            return;
        };
        let reference = wire::core::ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some(Kind::PersistentVolumeClaim.as_str().to_owned()),
            namespace: Some(claim.meta.namespace.to_string()),
            name: Some(claim.meta.name.to_string()),
            uid: Some(claim.meta.uid.to_string()),
            resource_version: Some(claim.meta.resource_version.to_string()),
            ..Default::default()
        };
        let mut volume = Volume::clone(volume);
        Arc::make_mut(&mut volume.body).spec.get_or_insert_default().claim_ref = Some(reference);
        let token = self.token();
        cx.send_after(cx.latency.scheduling, token, cause, Request::Update(volume.into()));
    }

    /// Tells the provisioner which node a claim's volume is for.
    fn select_node(&mut self, claim: &Key, node: &Str, cause: FactId, cx: &mut Cx<'_>) {
        let Some(found) = self.feed.cluster.world.storage.claims.get(claim) else { return };
        let request = Request::PatchMeta {
            target: Ref { kind: Kind::PersistentVolumeClaim, key: claim.clone() },
            uid: found.meta.uid,
            changes: vec![MetaChange::Annotation(
                Str::new_static(SELECTED_NODE),
                Some(node.clone()),
            )],
        };
        let token = self.token();
        cx.send_after(cx.latency.scheduling, token, cause, request);
    }
}

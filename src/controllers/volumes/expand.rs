//! A claim that asks for more than its volume has: expansion.
//!
//! Follows `pkg/controller/volume/expand` and, as a model of a CSI driver's resizer and of the node
//! agent, what they do to the claim: the volume grows [`RESIZING`] after it is asked; its file system
//! with the first pod that runs with it. That a class allows expansion at all is the API server's to
//! check (admission plugin PersistentVolumeClaimResize).

use std::sync::Arc;
use std::time::Duration;

use super::binding::{self, Plan};
use super::{Claim, Volume};
use crate::base::time::SimTime;
use crate::model::wire::core::PersistentVolumeClaimCondition;
use crate::model::{Object, wire_time};
use crate::store::Request;
use crate::trace::EventType;

/// How long the model's resizer takes.
pub(super) const RESIZING: Duration = Duration::from_secs(1);
const GROWS: &str = "Resizing";
const GROWN: &str = "FileSystemResizePending";

/// How far an expansion has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// None is under way.
    None,
    /// The volume is to grow.
    Asked,
    /// The volume grows.
    Growing,
    /// The file system is to grow.
    Grown,
}

/// How far the expansion of a bound claim has come.
pub(super) fn stage(claim: &Claim) -> Stage {
    let status = claim.body.status.as_ref();
    let has = |kind: &str| {
        let conditions = status.and_then(|s| s.conditions.as_ref());
        conditions.into_iter().flatten().any(|c| c.type_ == kind && c.status == "True")
    };
    if has(GROWN) {
        return Stage::Grown;
    }
    if has(GROWS) {
        return Stage::Growing;
    }
    let capacity = status.and_then(|s| s.capacity.as_ref()).and_then(|c| c.get("storage"));
    let there = capacity.and_then(|q| q.0.parse::<crate::base::quantity::Quantity>().ok());
    let is_more = binding::requested(claim).zip(there).is_some_and(|(w, t)| w > t);
    let is_bound = status.and_then(|s| s.phase.as_deref()) == Some("Bound");
    if is_more && is_bound { Stage::Asked } else { Stage::None }
}

/// The expansion begins.
pub(super) fn begin(claim: &Arc<Claim>, now: SimTime) -> Plan {
    let text = "waiting for an external controller to expand this PVC";
    let event = (object(claim), EventType::Normal, "ExternalExpanding", text.to_owned());
    Plan { requests: vec![with_condition(claim, GROWS, now)], events: vec![event] }
}

/// The volume has grown; a block device is done with that.
pub(super) fn grow(claim: &Arc<Claim>, volume: &Volume, now: SimTime) -> Plan {
    let size = claim.body.spec.as_ref().and_then(|s| s.resources.as_ref());
    let size = size.and_then(|r| r.requests.as_ref()).and_then(|r| r.get("storage")).cloned();
    let Some(size) = size else { return Plan::default() };
    let mut larger = volume.clone();
    let spec = Arc::make_mut(&mut larger.body).spec.get_or_insert_default();
    let is_block = spec.volume_mode.as_deref() == Some("Block");
    spec.capacity.get_or_insert_default().insert("storage".to_owned(), size);
    let mut plan = Plan::asks(vec![Request::Update(larger.into())]);
    if is_block {
        plan.requests.push(done(claim));
        return plan;
    }
    plan.requests.push(with_condition(claim, GROWN, now));
    let text = "Require file system resize of volume on node".to_owned();
    plan.events.push((object(claim), EventType::Normal, "FileSystemResizeRequired", text));
    plan
}

/// The file system has grown: a pod runs with it.
pub(super) fn finish(claim: &Arc<Claim>) -> Plan {
    let volume = super::volume_name(claim).unwrap_or_default();
    let text = format!("MountVolume.NodeExpandVolume succeeded for volume {volume:?}");
    let event = (object(claim), EventType::Normal, "FileSystemResizeSuccessful", text);
    Plan { requests: vec![done(claim)], events: vec![event] }
}

fn object(claim: &Arc<Claim>) -> Object {
    Object::PersistentVolumeClaim(Arc::clone(claim))
}

fn with_condition(claim: &Claim, kind: &str, now: SimTime) -> Request {
    let mut new = claim.clone();
    let status = Arc::make_mut(&mut new.body).status.get_or_insert_default();
    let text = if kind == GROWN {
        "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
    } else {
        ""
    };
    status.conditions = Some(vec![PersistentVolumeClaimCondition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        last_transition_time: Some(wire_time(now)),
        message: Some(text.to_owned()).filter(|t| !t.is_empty()),
        ..Default::default()
    }]);
    Request::UpdateStatus(new.into())
}

fn done(claim: &Claim) -> Request {
    let mut new = claim.clone();
    let body = Arc::make_mut(&mut new.body);
    let size = body.spec.as_ref().and_then(|s| s.resources.as_ref());
    let size = size.and_then(|r| r.requests.as_ref()).and_then(|r| r.get("storage")).cloned();
    let status = body.status.get_or_insert_default();
    status.conditions = None;
    if let Some(size) = size {
        status.capacity.get_or_insert_default().insert("storage".to_owned(), size);
    }
    Request::UpdateStatus(new.into())
}

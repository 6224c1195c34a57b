//! What became of nodes, claims, volumes and endpoints.

use super::Tone;
use crate::model::{ConditionStatus, Node, Object, wire};

type Said = Vec<(Tone, String)>;

/// Says what changed.
pub(super) fn changed(old: &Object, new: &Object, said: &mut Said) {
    match (old, new) {
        (Object::Node(old), Object::Node(new)) => node(old, new, said),
        (Object::PersistentVolumeClaim(old), Object::PersistentVolumeClaim(new)) => {
            let phase = |c: &wire::core::PersistentVolumeClaim| {
                c.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default()
            };
            if phase(&old.body) != phase(&new.body) {
                let volume = new.body.spec.as_ref().and_then(|s| s.volume_name.clone());
                let (tone, text) = match (phase(&new.body).as_str(), volume) {
                    ("Bound", Some(volume)) => (Tone::Good, format!("bound to {volume}")),
                    ("Lost", _) => (Tone::Bad, "has lost its volume".to_owned()),
                    (phase, _) => (Tone::Waiting, phase.to_ascii_lowercase()),
                };
                said.push((tone, text));
            }
        }
        (Object::EndpointSlice(_), Object::EndpointSlice(new)) => {
            let (ready, all) =
                (new.endpoints.iter().filter(|e| e.is_ready()).count(), new.endpoints.len());
            said.push((Tone::Quiet, format!("{ready} of {all} addresses ready")));
        }
        _ => {}
    }
}

fn node(old: &Node, new: &Node, said: &mut Said) {
    if old.unschedulable != new.unschedulable {
        let text = if new.unschedulable { "cordoned" } else { "uncordoned" };
        said.push((Tone::Progress, text.to_owned()));
    }
    if old.lease_stopped.is_none() && new.lease_stopped.is_some() {
        said.push((Tone::Bad, "stopped".to_owned()));
    } else if old.lease_stopped.is_some() && new.lease_stopped.is_none() {
        said.push((Tone::Progress, "is back".to_owned()));
    }
    if old.is_ready() != new.is_ready() {
        match new.condition("Ready") {
            Some(c) if c.status == ConditionStatus::True => {
                said.push((Tone::Good, "ready".to_owned()));
            }
            Some(c) => said.push((Tone::Bad, format!("not ready: {}", c.message))),
            None => {}
        }
    }
    for taint in new
        .taints
        .iter()
        .filter(|t| !old.taints.iter().any(|o| o.key == t.key && o.effect == t.effect))
    {
        said.push((Tone::Progress, format!("tainted {}:{}", taint.key, taint.effect.as_str())));
    }
    for taint in old
        .taints
        .iter()
        .filter(|t| !new.taints.iter().any(|n| n.key == t.key && n.effect == t.effect))
    {
        said.push((
            Tone::Progress,
            format!("no longer tainted {}:{}", taint.key, taint.effect.as_str()),
        ));
    }
}

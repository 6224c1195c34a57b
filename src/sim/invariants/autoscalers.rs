//! Autoscalers: nobody else scales a workload, and they keep to their limits.

use std::collections::BTreeMap;

use super::{Found, LAG, Seen};
use crate::base::time::SimTime;
use crate::model::{Key, Object};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Autoscalers {
    /// The limits of each autoscaler by the Deployment that it scales, and when it went.
    limits: BTreeMap<Key, (i32, i32, Option<SimTime>)>,
}

impl Autoscalers {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        match (seen.old, seen.new) {
            (_, Object::HorizontalPodAutoscaler(hpa)) => {
                let (spec, target) = (&hpa.body.spec, &hpa.body.spec.scale_target_ref);
                if target.kind != "Deployment" {
                    return;
                }
                let key = Key::new(hpa.meta.namespace.clone(), target.name.as_str());
                let gone = (seen.change == Change::Deleted).then_some(seen.at);
                let least = spec.min_replicas.unwrap_or(1);
                self.limits.insert(key, (least, spec.max_replicas, gone));
                let wanted = hpa.body.status.as_ref().map_or(0, |s| s.desired_replicas);
                if wanted > spec.max_replicas {
                    let text = format!("{wanted} of {}", spec.max_replicas);
                    found.say(seen.at, seen.new, "an autoscaler keeps to its limits", text);
                }
            }
            (Some(Object::Deployment(old)), Object::Deployment(new)) => {
                let wanted = new.spec.wire.replicas.unwrap_or(1);
                if seen.by_step || old.spec.wire.replicas == new.spec.wire.replicas {
                    return;
                }
                let limits = self.limits.get(&new.meta.key());
                let allowed = limits.is_some_and(|(least, most, gone)| {
                    (*least..=*most).contains(&wanted) && gone.is_none_or(|at| seen.at < at + LAG)
                });
                if !allowed {
                    let text = format!("{wanted}, {limits:?}");
                    let invariant = "only an autoscaler scales by itself, and within its limits";
                    found.say(seen.at, seen.new, invariant, text);
                }
            }
            _ => {}
        }
    }
}

//! Disruption budgets: no eviction leaves fewer healthy pods than they want.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Found, LAG, Seen};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Key, Labels, Object, Pod, Selector, Uid, Whole, conditions, wire};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    budgets: BTreeMap<Key, Budget>,
    pods: BTreeMap<Uid, Watched>,
}

#[derive(Debug)]
struct Budget {
    selector: Selector,
    /// How many pods it wants healthy, as it last counted, and when that was.
    desired: i32,
    counted: SimTime,
}

#[derive(Debug)]
struct Watched {
    namespace: Str,
    labels: Labels,
    /// Since when it is not healthy by something that its budget could not forbid.
    lost: Option<SimTime>,
    /// It was evicted.
    evicted: bool,
}

impl Budgets {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        match seen.new {
            Object::PodDisruptionBudget(budget) => self.budget(seen, budget),
            Object::Pod(pod) => self.pod(seen, pod, found),
            _ => {}
        }
    }

    fn budget(&mut self, seen: Seen<'_>, budget: &Arc<Whole<wire::policy::PodDisruptionBudget>>) {
        let key = budget.meta.key();
        let selector = budget.body.spec.as_ref().and_then(|s| s.selector.as_ref());
        let (Ok(selector), true) = (Selector::compile(selector), seen.change != Change::Deleted)
        else {
            self.budgets.remove(&key);
            return;
        };
        let desired = budget.body.status.as_ref().and_then(|s| s.desired_healthy).unwrap_or(0);
        self.budgets.insert(key, Budget { selector, desired, counted: seen.at });
    }

    fn pod(&mut self, seen: Seen<'_>, pod: &Pod, found: &mut Found) {
        let uid = pod.meta.uid;
        let healthy = pod.is_ready() && pod.is_active() && seen.change != Change::Deleted;
        let target = pod.status.condition(conditions::DISRUPTION_TARGET);
        let evicted = target.is_some_and(|c| c.reason == "EvictionByEvictionAPI");
        let was_healthy = self.pods.get(&uid).is_some_and(|w| w.lost.is_none() && !w.evicted);
        if healthy || was_healthy {
            let (namespace, labels) = (pod.meta.namespace.clone(), pod.meta.labels.clone());
            let lost = (!healthy).then_some(seen.at);
            self.pods.insert(uid, Watched { namespace, labels, lost, evicted });
        }
        if !evicted || !was_healthy || seen.by_step && seen.change == Change::Deleted {
            return;
        }
        for (key, budget) in &self.budgets {
            let selects =
                |w: &Watched| w.namespace == key.namespace && budget.selector.matches(&w.labels);
            if !self.pods.get(&uid).is_some_and(selects) {
                continue;
            }
            // What has ceased to be healthy since the budget counted is counted still.
            let held = |w: &&Watched| {
                !w.evicted && w.lost.is_none_or(|at| seen.at.min(budget.counted) < at + LAG)
            };
            let left = self.pods.values().filter(|w| selects(w)).filter(held).count();
            if i32::try_from(left).is_ok_and(|n| n < budget.desired) {
                let text = format!("{}: {left} of {}", key.name, budget.desired);
                found.say(seen.at, seen.new, "an eviction leaves what the budget wants", text);
            }
        }
    }
}

//! Pods that are not to be tried yet.
//!
//! Follows `pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go`.

use super::{Plugin, PluginId};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::pod::PodInfo;

/// The plugin.
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn id(&self) -> PluginId {
        PluginId::SchedulingGates
    }

    fn interests(&self) -> &'static [Interest] {
        &[(Resource::Pod, Action::POD_GATES_GONE)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        matches!(news.pods(), Some((_, Some(new))) if new.uid() == pod.uid())
    }
}

/// What a pod with closed gates waits for.
pub fn reason(pod: &PodInfo) -> String {
    format!("waiting for scheduling gates: [{}]", pod.template.gates.join(" "))
}

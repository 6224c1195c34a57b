//! Keeps a pod from being tried while its preemption is under way; the preemption itself is in
//! [`crate::scheduler::preemption`].
//!
//! Follows `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`.

use super::{Plugin, PluginId};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::pod::PodInfo;

/// The plugin.
pub struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    fn id(&self) -> PluginId {
        PluginId::DefaultPreemption
    }

    fn interests(&self) -> &'static [Interest] {
        &[(Resource::Pod, Action::DELETE)]
    }

    /// The plugins that refused the pod decide; this one only lets the news through.
    fn hint(&self, _: &Hints<'_>, _: &PodInfo, _: &News) -> bool {
        false
    }
}

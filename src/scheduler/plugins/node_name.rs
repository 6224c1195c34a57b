//! Holds a pod to the node it names.
//!
//! Follows `pkg/scheduler/framework/plugins/nodename/node_name.go`. A pod with a node name is not
//! queued, so in a cycle it has nothing to refuse; preemption and other callers may ask all the same.

use super::{Plugin, PluginId, View, Window};
use crate::base::Str;
use crate::scheduler::news::{Action, Interest, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::state::{CycleState, Refusal};

/// The plugin.
pub struct NodeName;

const REASON: &str = "node(s) didn't match the requested node name";

impl Plugin for NodeName {
    fn id(&self) -> PluginId {
        PluginId::NodeName
    }

    fn is_local(&self) -> bool {
        true
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        match &view.pod.pod.node {
            Some(name) if *name != node.name => Err(Refusal::unresolvable(Str::new_static(REASON))),
            _ => Ok(()),
        }
    }

    fn interests(&self) -> &'static [Interest] {
        &[(Resource::Node, Action::ADD)]
    }

    fn filter_window(
        &self,
        view: &View<'_>,
        state: &CycleState,
        window: Window<'_>,
        mask: u64,
    ) -> u64 {
        if view.pod.pod.node.is_none() {
            return mask;
        }
        window.retain(mask, |slot| self.filter(view, state, view.snapshot.node(slot)).is_ok())
    }
}

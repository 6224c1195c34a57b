//! Keeps pods off cordoned nodes.
//!
//! Follows `pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go`.

use super::{Plugin, PluginId, View, Window};
use crate::base::Str;
use crate::model::{Taint, TaintEffect, Toleration};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};

/// The plugin.
pub struct NodeUnschedulable;

/// The taint that stands for a cordoned node (`v1.TaintNodeUnschedulable`).
pub const TAINT: &str = "node.kubernetes.io/unschedulable";

const REASON: &str = "node(s) were unschedulable";

impl Plugin for NodeUnschedulable {
    fn id(&self) -> PluginId {
        PluginId::NodeUnschedulable
    }

    fn is_local(&self) -> bool {
        true
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        if !node.is_cordoned || tolerates(&view.pod.template.tolerations) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Str::new_static(REASON)))
    }

    fn filter_window(&self, view: &View<'_>, _: &CycleState, window: Window<'_>, mask: u64) -> u64 {
        if !view.snapshot.has_cordoned() {
            return mask;
        }
        window.retain(mask, |slot| {
            !view.snapshot.node(slot).is_cordoned || tolerates(&view.pod.template.tolerations)
        })
    }

    fn interests(&self) -> &'static [Interest] {
        const NODE: Action = Action::ADD.or(Action::NODE_TAINT);
        &[(Resource::Node, NODE), (Resource::Pod, Action::POD_TOLERATION)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        if let Some((_, Some(new))) = news.pods() {
            return new.uid() == pod.uid() && tolerates(&new.template.tolerations);
        }
        let Some((old, Some(new))) = news.nodes() else { return true };
        !new.unschedulable && old.is_none_or(|old| old.unschedulable)
    }
}

/// Whether pods with these tolerations may go to cordoned nodes.
pub fn tolerates(tolerations: &[Toleration]) -> bool {
    let taint = Taint {
        key: Str::new_static(TAINT),
        value: Str::default(),
        effect: TaintEffect::NoSchedule,
        added: None,
    };
    tolerations.iter().any(|t| t.tolerates(&taint))
}

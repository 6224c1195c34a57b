//! Features that a node must declare to run a pod.
//!
//! Follows `pkg/scheduler/framework/plugins/nodedeclaredfeatures/nodedeclaredfeatures.go`.

use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::base::Str;
use crate::scheduler::news::{Action, Hints, Interest, News, Resource, declared_features};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};

/// The plugin.
pub struct NodeDeclaredFeatures;

const REASON: &str = "node(s) didn't match Pod's required features";

impl Plugin for NodeDeclaredFeatures {
    fn id(&self) -> PluginId {
        PluginId::NodeDeclaredFeatures
    }

    fn is_local(&self) -> bool {
        true
    }

    fn pre_filter(&self, prep: &mut Prep<'_>, _: &mut CycleState) -> Result<PreFilter, Refusal> {
        let none = prep.pod.template.features.is_empty();
        Ok(if none { PreFilter::Skip } else { PreFilter::Go })
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let declared = node.node.as_ref().map(|n| declared_features(n)).unwrap_or_default();
        let has = |f: &&str| declared.iter().any(|d| d == f);
        if view.pod.template.features.iter().all(has) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Str::new_static(REASON)))
    }

    fn interests(&self) -> &'static [Interest] {
        const NODE: Action = Action::ADD.or(Action::NODE_FEATURE);
        &[(Resource::Node, NODE), (Resource::Pod, Action::UPDATE)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        match news.pods() {
            Some((Some(old), Some(new))) => {
                new.uid() == pod.uid() && old.template.features != new.template.features
            }
            _ => true,
        }
    }
}

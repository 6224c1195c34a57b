//! Resource claims (DRA). Not modelled: the plugin has nothing to filter, and scores every node 0, as
//! upstream's does for pods without claims
//! (`pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go`).

use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::scheduler::state::{CycleState, Refusal};

/// The plugin.
pub struct DynamicResources;

impl Plugin for DynamicResources {
    fn id(&self) -> PluginId {
        PluginId::DynamicResources
    }

    fn is_local(&self) -> bool {
        true
    }

    fn pre_filter(&self, _: &mut Prep<'_>, _: &mut CycleState) -> Result<PreFilter, Refusal> {
        Ok(PreFilter::Skip)
    }

    fn score(&self, _: &View<'_>, _: &CycleState, _: &[u32], scores: &mut [i64]) {
        scores.fill(0);
    }
}

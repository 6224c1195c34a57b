//! Nodes that have the images already.
//!
//! Follows `pkg/scheduler/framework/plugins/imagelocality/image_locality.go`. Upstream multiplies an
//! image's size by the share of nodes that have it in float64 and truncates; this file does the same.

use super::{MAX_SCORE, Plugin, PluginId, View};
use crate::scheduler::node::{ImageOnNode, NodeInfo};
use crate::scheduler::state::CycleState;

/// The plugin.
pub struct ImageLocality;

const MIB: i64 = 1024 * 1024;
/// Less than this counts as nothing.
const LOW: i64 = 23 * MIB;
/// More than this, per container, counts as no more.
const HIGH: i64 = 1000 * MIB;

impl Plugin for ImageLocality {
    fn id(&self) -> PluginId {
        PluginId::ImageLocality
    }

    fn score(&self, view: &View<'_>, _: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        if !view.snapshot.has_images() {
            scores.fill(0);
            return;
        }
        let template = &view.pod.template;
        let nodes = view.snapshot.order().len();
        let high = HIGH.saturating_mul(template.containers);
        let of_node = |node: &NodeInfo| -> i64 {
            let on = |name| node.images.get(name);
            template.images.iter().filter_map(on).map(|image| spread(image, nodes)).sum()
        };
        for (slot, score) in feasible.iter().zip(scores) {
            let node = view.snapshot.node(*slot);
            if node.images.is_empty() {
                *score = 0;
                continue;
            }
            let sum = of_node(node).min(high).max(LOW);
            *score = if high > LOW { MAX_SCORE * (sum - LOW) / (high - LOW) } else { 0 };
        }
    }
}

/// An image's size, scaled by how many nodes have it.
fn spread(image: &ImageOnNode, nodes: usize) -> i64 {
    let share = image.nodes as f64 / nodes as f64;
    #[expect(clippy::cast_possible_truncation, reason = "truncated as upstream")]
    let scaled = (image.size as f64 * share) as i64;
    scaled
}

//! Scores of nodes by what is allocated on them, remembered from pod to pod.
//!
//! The default scores of NodeResourcesFit and NodeResourcesBalancedAllocation depend on what the pod asks
//! for and on the node alone. Pods of one template ask for the same, and between two of them one node
//! has changed: a score is worked out anew only where the node's generation is another.

use crate::base::Map;
use crate::scheduler::node::NodeInfo;
use crate::scheduler::snapshot::Snapshot;

/// Remembered scores of one plugin.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// By CPU and memory asked for: per slot the generation that was scored, and the score.
    tables: Map<(i64, i64), Vec<(u64, i64)>>,
    current: Vec<i64>,
}

/// More kinds of requests than this are not remembered at a time.
const TABLES_MAX: usize = 64;

impl Remembered {
    /// Works out the scores of the feasible nodes for a pod that asks for so much CPU and memory.
    pub fn prepare(
        &mut self,
        asked: (i64, i64),
        snapshot: &Snapshot,
        feasible: &[u32],
        score: impl Fn(&NodeInfo) -> i64,
    ) {
        if self.tables.len() >= TABLES_MAX && !self.tables.contains_key(&asked) {
            self.tables.clear();
        }
        let table = self.tables.entry(asked).or_default();
        table.resize(snapshot.nodes().len(), (0, 0));
        self.current.clear();
        self.current.extend(feasible.iter().map(|slot| {
            let node = snapshot.node(*slot);
            let known = &mut table[*slot as usize];
            if known.0 != node.generation {
                *known = (node.generation, score(node));
            }
            known.1
        }));
    }

    /// The scores that were worked out last, as the feasible nodes.
    pub fn current(&self) -> &[i64] {
        &self.current
    }
}

//! One scheduling cycle: which node a pod goes to, or why it goes nowhere.
//!
//! Follows `pkg/scheduler/schedule_one.go` (`schedulePod`, `findNodesThatFitPod`,
//! `prioritizeNodes`) and `pkg/scheduler/framework/runtime`, with one worker:
//! upstream's parallel search examines the same nodes, but in an order that depends on timing. Pure:
//! nothing here knows of time, requests or queues.
//!
//! Nodes are filtered plugin by plugin over windows of 64, a bit for each node; what a refused node was
//! refused for is worked out only when somebody asks, that is when no node is left.

use std::sync::Arc;

use super::config::{Config, Profile};
use super::diagnosis::{Diagnosis, Statuses};
use super::index::PodIndex;
use super::nominator::Nominator;
use super::plugins::{PluginId, PluginSet, PreFilter, Prep, View};
use super::pod::PodInfo;
use super::search::{Beside, Search, filter_node};
use super::snapshot::Snapshot;
use super::state::{Code, CycleState, Refusal, Status};
use super::world::World;
use crate::base::Str;

/// What the scheduler knows of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Nodes and the pods on them, assumed ones among them.
    pub snapshot: Snapshot,
    /// Counts of pods by node.
    pub index: PodIndex,
    /// What is looked up by name.
    pub world: World,
    /// Pods with a node set aside.
    pub nominator: Nominator,
    /// Where the next search begins in the order of nodes.
    pub next_start: usize,
}

/// How a cycle ended.
#[derive(Clone, Debug)]
pub struct Decision {
    /// With what.
    pub outcome: Outcome,
    /// How many nodes were looked at.
    pub evaluated: usize,
    /// How many of them could take the pod.
    pub feasible: usize,
}

/// With what a cycle ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A node, by slot.
    Node(u32),
    /// No node.
    Unfit(Box<Diagnosis>),
    /// A failure.
    Error(Str),
}

/// Everything a cycle worked out, for those who explain or check it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Plugins that had nothing to filter.
    pub skip_filter: PluginSet,
    /// The nodes that PreFilter left, where it left not all.
    pub only_nodes: Option<Vec<Str>>,
    /// The nominated node, and whether it could take the pod; `None` where it does not exist.
    pub nominated: Option<(Str, Option<bool>)>,
    /// Feasible nodes in the order in which they were found.
    pub feasible: Vec<u32>,
    /// Refusals by slot.
    pub statuses: Statuses,
    /// How many nodes were asked for.
    pub to_find: usize,
    /// How many nodes were examined, the one too many among them.
    pub examined: usize,
    /// Plugins that had nothing to score.
    pub skip_score: PluginSet,
    /// Scores, in the order of the plugins.
    pub scores: Vec<Scores>,
    /// Sums of the weighted scores, as `feasible`.
    pub totals: Vec<i64>,
}

/// What one plugin scored, as [`Record::feasible`].
#[derive(Clone, Debug)]
pub struct Scores {
    /// The plugin.
    pub plugin: PluginId,
    /// Its weight.
    pub weight: i64,
    /// What it says.
    pub raw: Vec<i64>,
    /// The same, 0 to 100.
    pub normalised: Vec<i64>,
}

/// Buffers and state of a cycle, reused by the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// What the plugins have worked out.
    pub state: CycleState,
    pub(super) feasible: Vec<u32>,
    pub(super) refused: Vec<u32>,
    scores: Vec<i64>,
    totals: Vec<i64>,
}

/// Finds a node for a pod.
pub fn schedule(
    cluster: &mut Cluster,
    config: &Config,
    profile: &Profile,
    pod: &Arc<PodInfo>,
    scratch: &mut Scratch,
    mut record: Option<&mut Record>,
) -> Decision {
    cluster.snapshot.refresh(&mut cluster.index);
    scratch.clear();
    let nodes = cluster.snapshot.order().len();
    if nodes == 0 {
        return Decision::unfit(Diagnosis::default());
    }
    let mut diagnosis = Diagnosis { nodes, ..Diagnosis::default() };
    let left = pre_filter(cluster, profile, pod, &mut scratch.state, &mut diagnosis);
    if let Some(r) = record.as_deref_mut() {
        r.skip_filter = scratch.state.skip_filter;
    }
    let only = match left {
        Ok(only) => only,
        Err(Stop::Refused) => return Decision::unfit(diagnosis),
        Err(Stop::Failed(text)) => return Decision::error(text),
    };
    if let Some(r) = record.as_deref_mut() {
        r.only_nodes.clone_from(&only);
    }
    let beside = Beside::of(cluster, pod);
    let restricted = only.is_some();
    if let Some(slot) = try_nominated(
        cluster,
        profile,
        pod,
        scratch,
        beside,
        &mut diagnosis,
        restricted,
        record.as_deref_mut(),
    ) {
        return Decision { outcome: Outcome::Node(slot), evaluated: 1, feasible: 1 };
    }
    let candidates = only.map(|names| restrict(cluster, &names));
    if candidates.is_some() {
        let names: Vec<&str> = diagnosis.plugins.iter().map(PluginId::as_str).collect();
        let text = format!("node(s) didn't satisfy plugin(s) [{}]", names.join(" "));
        diagnosis.absent = Some(Status { plugin: None, refusal: Refusal::unresolvable(text) });
    }
    let nominated = diagnosis.statuses.iter().next().map(|(slot, _)| slot);
    let search = Search { config, profile, pod, beside, nodes: candidates.as_deref() };
    search.run(cluster, scratch, &mut diagnosis, record.as_deref_mut());
    let extra = nominated.is_some_and(|slot| !scratch.refused.contains(&slot));
    let refused = scratch.refused.len() + usize::from(extra);
    let evaluated = scratch.feasible.len() + refused;
    cluster.next_start = (cluster.next_start + evaluated) % nodes;
    if let Some(r) = record.as_deref_mut() {
        r.statuses.clone_from(&diagnosis.statuses);
        r.feasible.clone_from(&scratch.feasible);
    }
    let feasible = scratch.feasible.len();
    let outcome = match scratch.feasible[..] {
        [] => {
            return Decision { outcome: Outcome::Unfit(Box::new(diagnosis)), evaluated, feasible };
        }
        [only] => Outcome::Node(only),
        _ => match score(cluster, profile, pod, scratch, record) {
            Ok(slot) => Outcome::Node(slot),
            Err(text) => Outcome::Error(text),
        },
    };
    Decision { outcome, evaluated, feasible }
}

impl Decision {
    fn unfit(diagnosis: Diagnosis) -> Self {
        Self { outcome: Outcome::Unfit(Box::new(diagnosis)), evaluated: 0, feasible: 0 }
    }

    fn error(text: Str) -> Self {
        Self { outcome: Outcome::Error(text), evaluated: 0, feasible: 0 }
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.state.skip_filter = PluginSet::default();
        self.state.skip_score = PluginSet::default();
        self.feasible.clear();
        self.refused.clear();
    }
}
enum Stop {
    Refused,
    Failed(Str),
}

fn prep<'a>(cluster: &'a mut Cluster, profile: &'a Profile, pod: &'a PodInfo) -> Prep<'a> {
    Prep {
        snapshot: &cluster.snapshot,
        index: &mut cluster.index,
        world: &cluster.world,
        args: &profile.args,
        pod,
    }
}

/// Runs the PreFilter plugins. Answers the nodes they leave, where not all.
fn pre_filter(
    cluster: &mut Cluster,
    profile: &Profile,
    pod: &PodInfo,
    state: &mut CycleState,
    diagnosis: &mut Diagnosis,
) -> Result<Option<Vec<Str>>, Stop> {
    let mut only: Option<Vec<Str>> = None;
    let mut prep = prep(cluster, profile, pod);
    for id in &profile.pre_filter {
        match id.plugin().pre_filter(&mut prep, state) {
            Ok(PreFilter::Go) => {}
            Ok(PreFilter::Skip) => state.skip_filter.insert(*id),
            Ok(PreFilter::Nodes(names)) => {
                diagnosis.plugins.insert(*id);
                only = Some(match only {
                    Some(before) => before.into_iter().filter(|n| names.contains(n)).collect(),
                    None => names,
                });
            }
            Err(refusal) if refusal.code == Code::Error => {
                let text = refusal.reasons.join(", ");
                let name = id.as_str();
                return Err(Stop::Failed(
                    format!("running PreFilter plugin {name:?}: {text}").into(),
                ));
            }
            Err(refusal) => {
                diagnosis.plugins = PluginSet::from_iter([*id]);
                diagnosis.pre_filter = Some(refusal.reasons.join(", ").into());
                diagnosis.absent = Some(Status { plugin: Some(*id), refusal });
                return Err(Stop::Refused);
            }
        }
    }
    Ok(only)
}

/// The slots of nodes by name, in node order, rotated by the start index: upstream has them in the
/// random order of a Go map.
fn restrict(cluster: &Cluster, names: &[Str]) -> Vec<u32> {
    let mut slots: Vec<u32> = names.iter().filter_map(|n| cluster.snapshot.slot(n)).collect();
    if slots.len() > 1 {
        let order = cluster.snapshot.order();
        slots = order.iter().copied().filter(|s| slots.contains(s)).collect();
    }
    slots
}

/// Tries the node that the pod's status nominates, by itself.
#[expect(clippy::too_many_arguments, reason = "the parts of one cycle, borrowed apart")]
fn try_nominated(
    cluster: &Cluster,
    profile: &Profile,
    pod: &PodInfo,
    scratch: &mut Scratch,
    beside: Beside<'_>,
    diagnosis: &mut Diagnosis,
    restricted: bool,
    record: Option<&mut Record>,
) -> Option<u32> {
    if pod.nominated().is_empty() {
        return None;
    }
    let slot = cluster.snapshot.slot(pod.nominated());
    let verdict = slot.map(|slot| {
        let view = View::new(cluster, &profile.args, pod);
        let node = cluster.snapshot.node(slot);
        filter_node(&view, profile, &mut scratch.state, node, beside)
    });
    if let Some(r) = record {
        r.nominated = Some((pod.nominated().clone(), verdict.as_ref().map(Result::is_ok)));
        if let (Some(slot), Some(Ok(()))) = (slot, &verdict) {
            r.feasible = vec![slot];
        }
    }
    match (slot?, verdict?) {
        (slot, Ok(())) => Some(slot),
        (slot, Err(status)) => {
            // Upstream notes the plugin in a copy of the diagnosis, which is only shared where
            // PreFilter has named plugins before.
            if let (Some(plugin), true) = (status.plugin, restricted) {
                diagnosis.plugins.insert(plugin);
            }
            diagnosis.statuses.set(slot, Some(status));
            None
        }
    }
}

/// Scores the feasible nodes and takes the best.
fn score(
    cluster: &mut Cluster,
    profile: &Profile,
    pod: &PodInfo,
    scratch: &mut Scratch,
    mut record: Option<&mut Record>,
) -> Result<u32, Str> {
    let feasible = &scratch.feasible;
    let state = &mut scratch.state;
    let mut prep = prep(cluster, profile, pod);
    for (id, _) in &profile.score {
        match id.plugin().pre_score(&mut prep, state, feasible) {
            Ok(true) => {}
            Ok(false) => state.skip_score.insert(*id),
            Err(text) => {
                return Err(format!("running PreScore plugin {:?}: {text}", id.as_str()).into());
            }
        }
    }
    let view = prep.view();
    scratch.totals.clear();
    scratch.totals.resize(feasible.len(), 0);
    scratch.scores.clear();
    scratch.scores.resize(feasible.len(), 0);
    for (id, weight) in &profile.score {
        if state.skip_score.contains(*id) {
            continue;
        }
        let scores = &mut scratch.scores;
        id.plugin().score(&view, state, feasible, scores);
        let raw = record.is_some().then(|| scores.clone());
        id.plugin().normalise(state, feasible, scores);
        for (total, score) in scratch.totals.iter_mut().zip(&*scores) {
            // As upstream's sums, which wrap.
            *total = total.wrapping_add(score.wrapping_mul(*weight));
        }
        if let (Some(r), Some(raw)) = (record.as_deref_mut(), raw) {
            let normalised = scores.clone();
            r.scores.push(Scores { plugin: *id, weight: *weight, raw, normalised });
        }
    }
    if let Some(r) = record {
        r.skip_score = state.skip_score;
        r.totals.clone_from(&scratch.totals);
    }
    Ok(feasible[best(&scratch.totals)])
}

/// The place of the node that is taken: the root of a binary heap made over the totals, as Go's
/// `container/heap` makes it. Among equal totals nothing is drawn; the order alone decides.
///
/// While the heap is made a place yields only to a greater child, and to the left one if both are
/// equal. So the root is the first of the greatest in preorder, and no heap has to be made.
fn best(totals: &[i64]) -> usize {
    let (mut greatest, mut first) = (i64::MIN, (preorder(0), 0));
    for (place, total) in totals.iter().enumerate() {
        if *total < greatest {
            continue;
        }
        let this = (preorder(place), place);
        if *total > greatest || this < first {
            (greatest, first) = (*total, this);
        }
    }
    first.1
}

/// Orders places of a binary heap as a walk meets them that looks at a place before it goes left and then
/// right: the turns from the root, read from the top, and of two places on one path the upper first.
fn preorder(place: usize) -> (usize, u32) {
    let path = place + 1;
    let aligned = path << path.leading_zeros();
    (aligned, path.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn among_equal_totals_the_heap_decides() {
        assert_eq!(best(&[1, 1, 1]), 0);
        assert_eq!(best(&[0, 1, 1]), 1);
        assert_eq!(best(&[0, 0, 0, 2, 2]), 3);
        assert_eq!(best(&[1, 0, 2, 2, 2]), 3);
    }

    /// The root of a heap that is really made.
    fn root(totals: &[i64]) -> usize {
        let n = totals.len();
        let mut places: Vec<usize> = (0..n).collect();
        for start in (0..n / 2).rev() {
            let mut i = start;
            while 2 * i + 1 < n {
                let (left, right) = (2 * i + 1, 2 * i + 2);
                let greater = right < n && totals[places[right]] > totals[places[left]];
                let child = if greater { right } else { left };
                if totals[places[child]] <= totals[places[i]] {
                    break;
                }
                places.swap(i, child);
                i = child;
            }
        }
        places[0]
    }

    #[test]
    fn the_first_of_the_greatest_in_preorder_is_the_root_of_the_heap() {
        let mut stream = crate::base::rng::Rng::new(7).stream("totals", "");
        for n in 1..200 {
            let totals: Vec<i64> = (0..n).map(|_| (stream.word() % 4) as i64).collect();
            assert_eq!(best(&totals), root(&totals), "{totals:?}");
        }
    }
}

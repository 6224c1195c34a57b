//! One scheduling cycle: which node a pod goes to, or why it goes nowhere.
//!
//! Follows `pkg/scheduler/schedule_one.go` (`schedulePod`, `findNodesThatFitPod`,
//! `findNodesThatPassFilters`, `prioritizeNodes`) and `pkg/scheduler/framework/runtime`, with one worker:
//! upstream's parallel search examines the same nodes, but in an order that depends on timing. Pure:
//! nothing here knows of time, requests or queues.
//!
//! Nodes are filtered plugin by plugin over windows of 64, a bit for each node; what a refused node was
//! refused for is worked out only when somebody asks, that is when no node is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{Config, Profile};
use super::index::PodIndex;
use super::node::{NodeInfo, Placed};
use super::nominator::Nominator;
use super::plugins::{PluginId, PluginSet, PreFilter, Prep, View, Window};
use super::pod::PodInfo;
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

/// Why no node could take a pod (`framework.Diagnosis`).
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// How many nodes there are.
    pub nodes: usize,
    /// The refusals of nodes that were looked at, by slot.
    pub statuses: BTreeMap<u32, Status>,
    /// What counts for every other node; without reasons where nothing is to be said.
    pub absent: Option<Status>,
    /// What PreFilter said, where it refused the pod.
    pub pre_filter: Option<Str>,
    /// Plugins that refused: a change of what they look at may help.
    pub plugins: PluginSet,
    /// What PostFilter said.
    pub post_filter: Str,
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
    pub statuses: BTreeMap<u32, Status>,
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
#[derive(Debug, Default)]
pub struct Scratch {
    /// What the plugins have worked out.
    pub state: CycleState,
    feasible: Vec<u32>,
    refused: Vec<u32>,
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
        &beside,
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
    let search = Search { config, profile, pod, beside: &beside, nodes: candidates.as_deref() };
    search.run(cluster, scratch, record.as_deref_mut());
    let extra = diagnosis.statuses.keys().filter(|s| !scratch.refused.contains(s)).count();
    let refused = scratch.refused.len() + extra;
    let evaluated = scratch.feasible.len() + refused;
    cluster.next_start = (cluster.next_start + evaluated) % nodes;
    let explain = scratch.feasible.is_empty() || record.is_some();
    if explain {
        let view = View::new(cluster, &profile.args, pod);
        explain_refusals(&view, &search, &mut scratch.state, &scratch.refused, &mut diagnosis);
    }
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

impl Diagnosis {
    /// The status of a node.
    pub fn status(&self, slot: u32) -> Option<&Status> {
        self.statuses.get(&slot).or(self.absent.as_ref())
    }

    /// The whole text (`FitError.Error`): counts per reason, and what the other steps said.
    pub fn message(&self) -> String {
        use std::fmt::Write as _;
        if self.nodes == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let mut text = format!("0/{} nodes are available:", self.nodes);
        if let Some(said) = &self.pre_filter {
            let _ = write!(text, " {said}.");
        } else {
            let entries = self.entries();
            if !entries.is_empty() {
                let _ = write!(text, " {}.", entries.join(", "));
            }
        }
        if !self.post_filter.is_empty() {
            let _ = write!(text, " {}", self.post_filter);
        }
        text
    }

    /// `<count> <reason>`, sorted as strings.
    fn entries(&self) -> Vec<String> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for reason in self.statuses.values().flat_map(|s| &s.refusal.reasons) {
            *counts.entry(reason).or_insert(0) += 1;
        }
        let others = self.nodes.saturating_sub(self.statuses.len());
        if let (Some(absent), true) = (&self.absent, others > 0) {
            for reason in &absent.refusal.reasons {
                *counts.entry(reason).or_insert(0) += others;
            }
        }
        let mut entries: Vec<String> =
            counts.into_iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        entries.sort_unstable();
        entries
    }
}

/// How many feasible nodes end the search (`numFeasibleNodesToFind`).
pub fn nodes_to_find(config: &Config, profile: &Profile, nodes: usize) -> usize {
    const LEAST: i64 = 100;
    let n = i64::try_from(nodes).unwrap_or(i64::MAX);
    if n < LEAST {
        return nodes;
    }
    let configured = profile.percentage_of_nodes_to_score;
    let percentage = match configured.unwrap_or(config.percentage_of_nodes_to_score) {
        0 => (50 - n / 125).max(5),
        p => i64::from(p),
    };
    usize::try_from((n * percentage / 100).max(LEAST)).unwrap_or(nodes)
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

/// Pods nominated to nodes that the cycle's pod must leave room for: those of at least its priority.
#[derive(Debug, Default)]
pub struct Beside(BTreeMap<u32, Vec<Arc<PodInfo>>>);

impl Beside {
    /// The pods beside which `pod` must fit, by slot.
    pub fn of(cluster: &Cluster, pod: &PodInfo) -> Self {
        let mut out = BTreeMap::new();
        if cluster.nominator.is_empty() {
            return Self(out);
        }
        for (node, pods) in cluster.nominator.iter() {
            let Some(slot) = cluster.snapshot.slot(node) else { continue };
            let counts = |p: &&Arc<PodInfo>| p.uid() != pod.uid() && p.priority() >= pod.priority();
            let pods: Vec<Arc<PodInfo>> = pods.iter().filter(counts).cloned().collect();
            if !pods.is_empty() {
                out.insert(slot, pods);
            }
        }
        Self(out)
    }
}

/// Runs the filters on one node, first with the pods nominated to it and then without them
/// (`RunFilterPluginsWithNominatedPods`).
///
/// # Errors
/// The first refusal.
pub fn filter_node(
    view: &View<'_>,
    profile: &Profile,
    state: &mut CycleState,
    node: &NodeInfo,
    beside: &Beside,
) -> Result<(), Status> {
    if let Some(pods) = beside.0.get(&node.slot) {
        let mark = state.mark();
        let mut fuller = node.clone();
        for pod in pods {
            fuller.add_pod(Placed { info: pod.clone(), class: None });
            adjust(view, profile, state, pod, node, 1);
        }
        let verdict = run_filters(view, profile, state, &fuller);
        for pod in pods {
            adjust(view, profile, state, pod, node, -1);
        }
        state.restore(mark);
        verdict?;
    }
    run_filters(view, profile, state, node)
}

/// Keeps the plugins' counts up while a pod comes to or leaves a node for the sake of argument.
pub fn adjust(
    view: &View<'_>,
    profile: &Profile,
    state: &mut CycleState,
    pod: &PodInfo,
    node: &NodeInfo,
    sign: i32,
) {
    for id in &profile.pre_filter {
        if !state.skip_filter.contains(*id) {
            id.plugin().adjust(view, state, pod, node, sign);
        }
    }
}

fn run_filters(
    view: &View<'_>,
    profile: &Profile,
    state: &CycleState,
    node: &NodeInfo,
) -> Result<(), Status> {
    for id in &profile.filter {
        if !state.skip_filter.contains(*id) {
            let verdict = id.plugin().filter(view, state, node);
            verdict.map_err(|refusal| Status { plugin: Some(*id), refusal })?;
        }
    }
    Ok(())
}

/// Tries the node that the pod's status nominates, by itself.
#[expect(clippy::too_many_arguments, reason = "the parts of one cycle, borrowed apart")]
fn try_nominated(
    cluster: &Cluster,
    profile: &Profile,
    pod: &PodInfo,
    scratch: &mut Scratch,
    beside: &Beside,
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
            diagnosis.statuses.insert(slot, status);
            None
        }
    }
}

/// The search for feasible nodes.
struct Search<'a> {
    config: &'a Config,
    profile: &'a Profile,
    pod: &'a PodInfo,
    beside: &'a Beside,
    nodes: Option<&'a [u32]>,
}

impl Search<'_> {
    /// Fills the feasible and the refused nodes of `scratch`.
    fn run(&self, cluster: &Cluster, scratch: &mut Scratch, record: Option<&mut Record>) {
        let view = View::new(cluster, &self.profile.args, self.pod);
        let nodes = self.nodes.unwrap_or_else(|| cluster.snapshot.order());
        let to_find = nodes_to_find(self.config, self.profile, nodes.len());
        let filters: Vec<PluginId> = self
            .profile
            .filter
            .iter()
            .copied()
            .filter(|id| !scratch.state.skip_filter.contains(*id))
            .collect();
        let mut examined = 0;
        let mut slots = [0u32; 64];
        let mut place = if nodes.is_empty() { 0 } else { cluster.next_start % nodes.len() };
        'search: while examined < nodes.len() {
            let count = (nodes.len() - examined).min(64);
            for slot in slots.iter_mut().take(count) {
                *slot = nodes[place];
                place = if place + 1 == nodes.len() { 0 } else { place + 1 };
            }
            let window = Window { slots: &slots[..count] };
            let passed = self.filter_window(&view, &mut scratch.state, &filters, window);
            for (i, slot) in window.slots.iter().enumerate() {
                examined += 1;
                if passed & (1 << i) == 0 {
                    scratch.refused.push(*slot);
                } else if scratch.feasible.len() < to_find {
                    scratch.feasible.push(*slot);
                } else {
                    break 'search;
                }
            }
        }
        if let Some(r) = record {
            (r.to_find, r.examined) = (to_find, examined);
        }
    }

    fn filter_window(
        &self,
        view: &View<'_>,
        state: &mut CycleState,
        filters: &[PluginId],
        window: Window<'_>,
    ) -> u64 {
        let all = if window.slots.len() == 64 { u64::MAX } else { (1 << window.slots.len()) - 1 };
        let mut special = 0;
        if !self.beside.0.is_empty() {
            special = all & !window.retain(all, |slot| !self.beside.0.contains_key(&slot));
        }
        let mut mask = all & !special;
        for id in filters {
            if mask == 0 {
                break;
            }
            mask = id.plugin().filter_window(view, state, window, mask);
        }
        let passed = window.retain(special, |slot| {
            let node = view.snapshot.node(slot);
            filter_node(view, self.profile, state, node, self.beside).is_ok()
        });
        mask | passed
    }
}

/// Works out what each refused node was refused for.
fn explain_refusals(
    view: &View<'_>,
    search: &Search<'_>,
    state: &mut CycleState,
    refused: &[u32],
    diagnosis: &mut Diagnosis,
) {
    let mut found = Vec::with_capacity(refused.len());
    for slot in refused {
        let node = view.snapshot.node(*slot);
        if let Err(status) = filter_node(view, search.profile, state, node, search.beside) {
            if let Some(plugin) = status.plugin {
                diagnosis.plugins.insert(plugin);
            }
            found.push((*slot, status));
        }
    }
    // A map made of many at once is made in a fraction of the time.
    let before = std::mem::take(&mut diagnosis.statuses);
    diagnosis.statuses = before.into_iter().chain(found).collect();
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
            *total += score * weight;
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
    Ok(feasible[best(&mut scratch.totals)])
}

/// The place of the node that is taken: the root of a binary heap made over the totals, as Go's
/// `container/heap` makes it. Among equal totals nothing is drawn; the order alone decides.
fn best(totals: &mut [i64]) -> usize {
    let n = totals.len();
    let mut places: Vec<u32> = (0..u32::try_from(n).unwrap_or(u32::MAX)).collect();
    let at = |places: &[u32], i: usize| totals[places[i] as usize];
    for start in (0..n / 2).rev() {
        let mut i = start;
        loop {
            let left = 2 * i + 1;
            if left >= n {
                break;
            }
            let right = left + 1;
            let greater = right < n && at(&places, right) > at(&places, left);
            let child = if greater { right } else { left };
            if at(&places, child) <= at(&places, i) {
                break;
            }
            places.swap(i, child);
            i = child;
        }
    }
    places[0] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_nodes_searched_falls_with_their_number() {
        let (config, profile) = (Config::default(), Profile::default());
        for (nodes, find) in
            [(99, 99), (100, 100), (400, 188), (1000, 420), (5000, 500), (6000, 300)]
        {
            assert_eq!(nodes_to_find(&config, &profile, nodes), find, "{nodes}");
        }
    }

    #[test]
    fn among_equal_totals_the_heap_decides() {
        assert_eq!(best(&mut [1, 1, 1]), 0);
        assert_eq!(best(&mut [0, 1, 1]), 1);
        assert_eq!(best(&mut [0, 0, 0, 2, 2]), 3);
        assert_eq!(best(&mut [1, 0, 2, 2, 2]), 3);
    }

    #[test]
    fn the_message_sorts_its_entries_as_strings() {
        let status = |reason| Status { plugin: None, refusal: Refusal::unschedulable(reason) };
        let mut d = Diagnosis { nodes: 11, ..Diagnosis::default() };
        d.statuses.extend((0..10).map(|i| (i, status("x"))));
        d.statuses.insert(10, status("a"));
        assert_eq!(d.message(), "0/11 nodes are available: 1 a, 10 x.");
    }
}

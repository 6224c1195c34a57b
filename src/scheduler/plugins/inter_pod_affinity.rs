//! Pods that want to be near other pods, or far from them.
//!
//! Follows `pkg/scheduler/framework/plugins/interpodaffinity` (`filtering.go`, `scoring.go`). Counts per
//! node come from the index instead of a walk over all pods. Upstream scales scores in float64 and
//! divides before it multiplies; the truncated result shows it, so this file does the same.

use std::sync::Arc;

use super::{MAX_SCORE, Plugin, PluginId, PreFilter, Prep, View};
use crate::base::Str;
use crate::model::{Labels, Node, Selector};
use crate::scheduler::index::{Count, PodIndex, Predicate, Scope, TopologyId};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};
use crate::scheduler::terms::PodTerm;
use crate::scheduler::world::World;

/// The plugin.
pub struct InterPodAffinity;

const AFFINITY: &str = "node(s) didn't match pod affinity rules";
const ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
const EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

/// Required affinity of the cycle's pod, and that of the pods that are there.
#[derive(Clone, Debug, Default)]
pub struct Filtering {
    affinity: Vec<TopologyId>,
    anti: Vec<(TopologyId, Scope)>,
    all_terms: Vec<Scope>,
    matches_itself: bool,
    near: Sums,
    far: Sums,
    existing: Sums,
}

/// Sums of preferences by place.
#[derive(Clone, Debug, Default)]
pub struct Scoring {
    sums: Sums,
    any: bool,
}

/// Numbers by topology key and value.
#[derive(Clone, Debug, Default)]
struct Sums {
    by_key: Vec<(TopologyId, Vec<i64>)>,
    /// How many are not zero.
    nonzero: usize,
}

impl Sums {
    fn add(&mut self, index: &PodIndex, key: TopologyId, slot: u32, amount: i64) -> bool {
        let Some(value) = index.values(key).value(slot) else { return false };
        let i = self.by_key.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            self.by_key.push((key, Vec::new()));
            self.by_key.len() - 1
        });
        let of_key = &mut self.by_key[i].1;
        if of_key.len() <= value {
            of_key.resize(value + 1, 0);
        }
        let (before, after) = (of_key[value], of_key[value] + amount);
        of_key[value] = after;
        self.nonzero = self.nonzero + usize::from(after != 0) - usize::from(before != 0);
        true
    }

    fn at(&self, index: &PodIndex, key: TopologyId, slot: u32) -> Option<i64> {
        let value = index.values(key).value(slot)?;
        let of_key = self.by_key.iter().find(|(k, _)| *k == key);
        Some(of_key.and_then(|(_, v)| v.get(value)).copied().unwrap_or(0))
    }

    /// The numbers of all the labels that a node has.
    fn of_node<'a>(&'a self, index: &'a PodIndex, slot: u32) -> impl Iterator<Item = i64> + 'a {
        self.by_key.iter().filter_map(move |(key, numbers)| {
            let value = index.values(*key).value(slot)?;
            Some(numbers.get(value).copied().unwrap_or(0))
        })
    }

    fn is_zero(&self) -> bool {
        self.nonzero == 0
    }
}

impl Plugin for InterPodAffinity {
    fn id(&self) -> PluginId {
        PluginId::InterPodAffinity
    }

    fn pre_filter(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
    ) -> Result<PreFilter, Refusal> {
        let s = &mut state.affinity;
        *s = Filtering::default();
        s.existing = existing_anti(prep);
        let terms = prep.pod.template.clone();
        let (near, far) = (&terms.pods.required, &terms.pods.required_anti);
        if near.is_empty() && far.is_empty() {
            return Ok(if s.existing.is_zero() { PreFilter::Skip } else { PreFilter::Go });
        }
        s.affinity = near.iter().map(|t| prep.index.topology(&t.topology_key)).collect();
        s.all_terms = near.iter().map(|t| scope(prep.pod, prep.world, t)).collect();
        s.matches_itself = !near.is_empty() && s.all_terms.iter().all(|t| in_scope(t, prep.pod));
        for t in far {
            let key = prep.index.topology(&t.topology_key);
            s.anti.push((key, scope(prep.pod, prep.world, t)));
        }
        count_required(prep, s);
        Ok(PreFilter::Go)
    }

    fn filter(&self, view: &View<'_>, state: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let s = &state.affinity;
        if !near_enough(view, s, node.slot) {
            return Err(Refusal::unresolvable(Str::new_static(AFFINITY)));
        }
        let there = |key| s.far.at(view.index, key, node.slot);
        if s.anti.iter().any(|(key, _)| there(*key).is_some_and(|n| n > 0)) {
            return Err(Refusal::unschedulable(ANTI_AFFINITY));
        }
        if s.existing.of_node(view.index, node.slot).any(|n| n > 0) {
            return Err(Refusal::unschedulable(EXISTING));
        }
        Ok(())
    }

    fn adjust(
        &self,
        view: &View<'_>,
        state: &mut CycleState,
        pod: &PodInfo,
        node: &NodeInfo,
        sign: i32,
    ) {
        let s = &mut state.affinity;
        let amount = i64::from(sign);
        let incoming = view.world.namespace_labels(view.pod.namespace());
        for t in &pod.template.pods.required_anti {
            let known = view.index.known_topology(&t.topology_key);
            if let Some(key) = known
                && selects(t, pod.namespace(), view.pod, incoming)
            {
                s.existing.add(view.index, key, node.slot, amount);
            }
        }
        if !s.all_terms.is_empty() && s.all_terms.iter().all(|t| in_scope(t, pod)) {
            for key in &s.affinity {
                s.near.add(view.index, *key, node.slot, amount);
            }
        }
        for (key, scope) in &s.anti {
            if in_scope(scope, pod) {
                s.far.add(view.index, *key, node.slot, amount);
            }
        }
    }

    fn pre_score(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
        _: &[u32],
    ) -> Result<bool, Str> {
        let s = &mut state.affinity_score;
        *s = Scoring::default();
        let own = &prep.pod.template.clone().pods;
        let has_own = !own.preferred.is_empty() || !own.preferred_anti.is_empty();
        if prep.args.inter_pod_affinity.ignore_preferred_of_existing && !has_own {
            return Ok(false);
        }
        for (terms, sign) in [(&own.preferred, 1), (&own.preferred_anti, -1)] {
            for t in terms {
                let scope = scope(prep.pod, prep.world, t);
                let key = prep.index.topology(&t.topology_key);
                let tally = prep.index.tally(Predicate(vec![scope]));
                let index = &*prep.index;
                for (slot, n) in totals(index.counts(tally)) {
                    s.any |= s.sums.add(index, key, slot, n * t.weight * sign);
                }
            }
        }
        add_existing(prep, s);
        Ok(s.any)
    }

    fn score(&self, view: &View<'_>, state: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        let sums = &state.affinity_score.sums;
        for (slot, score) in feasible.iter().zip(scores) {
            *score = sums.of_node(view.index, *slot).sum();
        }
    }

    fn interests(&self) -> &'static [Interest] {
        const POD: Action = Action::ADD.or(Action::POD_LABEL).or(Action::DELETE);
        const NODE: Action = Action::ADD.or(Action::NODE_LABEL);
        &[(Resource::Pod, POD), (Resource::Node, NODE)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        match (news.pods(), news.nodes()) {
            (Some((old, new)), _) => pod_helps(pod, old, new),
            (_, Some((old, Some(new)))) => node_helps(pod, old, new),
            _ => true,
        }
    }

    fn normalise(&self, _: &CycleState, _: &[u32], scores: &mut [i64]) {
        let min = scores.iter().copied().min().unwrap_or(0);
        let max = scores.iter().copied().max().unwrap_or(0);
        let range = (max - min) as f64;
        for s in scores {
            let share = if max > min { (*s - min) as f64 / range } else { 0.0 };
            #[expect(clippy::cast_possible_truncation, reason = "truncated as upstream; 0 to 100")]
            let scaled = (MAX_SCORE as f64 * share) as i64;
            *s = scaled;
        }
    }
}

/// Whether terms of `owner` all select another pod; its namespace's labels are not looked up
/// (`podMatchesAllAffinityTerms`).
fn selects_all(terms: &[PodTerm], owner: &PodInfo, other: &PodInfo) -> bool {
    let none = Labels::default();
    let one = |t: &PodTerm| t.matches(owner.namespace(), other.namespace(), &none, other.labels());
    !terms.is_empty() && terms.iter().all(one)
}

/// Whether a change of a pod could help one that was refused (`isSchedulableAfterPodChange`).
fn pod_helps(pod: &PodInfo, old: Option<&Arc<PodInfo>>, new: Option<&Arc<PodInfo>>) -> bool {
    let near = |p: &PodInfo| selects_all(&pod.template.pods.required, pod, p);
    let far = |p: &PodInfo| selects_all(&pod.template.pods.required_anti, pod, p);
    match (old, new) {
        (Some(_), Some(new)) if new.uid() == pod.uid() => true,
        (Some(old), Some(new)) => (!near(old) && near(new)) || (far(old) && !far(new)),
        (None, Some(new)) => near(new),
        (Some(old), None) => far(old) || selects_all(&old.template.pods.required_anti, old, pod),
        (None, None) => true,
    }
}

/// Whether a change of a node could help (`isSchedulableAfterNodeChange`).
fn node_helps(pod: &PodInfo, old: Option<&Arc<Node>>, new: &Arc<Node>) -> bool {
    let terms = &pod.template.pods;
    let Some(old) = old else {
        let known = |t: &PodTerm| new.meta.labels.get(&t.topology_key).is_some();
        return terms.required.iter().any(known) || !terms.required_anti.is_empty();
    };
    let values =
        |t: &PodTerm| (old.meta.labels.get(&t.topology_key), new.meta.labels.get(&t.topology_key));
    let joins = |t: &PodTerm| matches!(values(t), (before, Some(after)) if before != Some(after));
    let leaves = |t: &PodTerm| matches!(values(t), (Some(before), after) if after != Some(before));
    terms.required.iter().any(joins) || terms.required_anti.iter().any(leaves)
}

/// A term of the cycle's pod as a scope: namespaces that its selector matches are added by name, and
/// the selector is still tried on no labels at all (`mergeAffinityTermNamespacesIfNotEmpty`, and
/// `AffinityTerm.Matches` without namespace labels).
fn scope(pod: &PodInfo, world: &World, t: &PodTerm) -> Scope {
    let everywhere = |s: &Selector| s.matches(&Labels::default());
    let namespaces = if t.namespace_selector.as_ref().is_some_and(everywhere) {
        None
    } else {
        let own = t.namespaces.is_empty() && t.namespace_selector.is_none();
        let mut names = if own { vec![pod.namespace().clone()] } else { t.namespaces.clone() };
        for (name, labels) in &world.namespaces {
            let selected = t.namespace_selector.as_ref().is_some_and(|s| s.matches(labels));
            if selected && !names.contains(name) {
                names.push(name.clone());
            }
        }
        Some(names)
    };
    Scope { namespaces, selector: t.selector.clone() }
}

fn in_scope(scope: &Scope, pod: &PodInfo) -> bool {
    scope.namespaces.as_ref().is_none_or(|n| n.contains(pod.namespace()))
        && scope.selector.matches(pod.labels())
}

/// Whether a term of a pod in `own` selects the cycle's pod.
fn selects(t: &PodTerm, own: &Str, incoming: &PodInfo, namespace_labels: &Labels) -> bool {
    t.matches(own, incoming.namespace(), namespace_labels, incoming.labels())
}

fn totals(counts: &[Count]) -> impl Iterator<Item = (u32, i64)> + '_ {
    (0..).zip(counts).filter(|(_, c)| c.total != 0).map(|(slot, c)| (slot, c.total.into()))
}

/// Places where required anti-affinity of pods that are there keeps the cycle's pod away
/// (`getExistingAntiAffinityCounts`).
fn existing_anti(prep: &mut Prep<'_>) -> Sums {
    let mut sums = Sums::default();
    let labels = prep.world.namespace_labels(prep.pod.namespace());
    for i in 0..prep.index.affine().len() {
        let group = &prep.index.affine()[i];
        if group.on.is_empty() || group.template.pods.required_anti.is_empty() {
            continue;
        }
        let template = group.template.clone();
        for t in &template.pods.required_anti {
            let key = prep.index.topology(&t.topology_key);
            let group = &prep.index.affine()[i];
            if selects(t, &group.namespace, prep.pod, labels) {
                for (slot, n) in &group.on {
                    sums.add(prep.index, key, *slot, (*n).into());
                }
            }
        }
    }
    sums
}

/// As `getIncomingAffinityAntiAffinityCounts`.
fn count_required(prep: &mut Prep<'_>, s: &mut Filtering) {
    if !s.all_terms.is_empty() {
        let tally = prep.index.tally(Predicate(s.all_terms.clone()));
        for (slot, n) in totals(prep.index.counts(tally)) {
            for key in &s.affinity {
                s.near.add(prep.index, *key, slot, n);
            }
        }
    }
    for (key, scope) in &s.anti {
        let tally = prep.index.tally(Predicate(vec![scope.clone()]));
        for (slot, n) in totals(prep.index.counts(tally)) {
            s.far.add(prep.index, *key, slot, n);
        }
    }
}

/// As `satisfyPodAffinity`: the first pod of a group that wants its own kind near may go anywhere.
fn near_enough(view: &View<'_>, s: &Filtering, slot: u32) -> bool {
    let mut all_there = true;
    for key in &s.affinity {
        match s.near.at(view.index, *key, slot) {
            None => return false,
            Some(n) => all_there &= n > 0,
        }
    }
    all_there || (s.matches_itself && s.near.is_zero())
}

/// What the terms of pods that are there say of the cycle's pod.
fn add_existing(prep: &mut Prep<'_>, s: &mut Scoring) {
    let labels = prep.world.namespace_labels(prep.pod.namespace());
    let hard = prep.args.inter_pod_affinity.hard_weight;
    for i in 0..prep.index.affine().len() {
        if prep.index.affine()[i].on.is_empty() {
            continue;
        }
        let template = prep.index.affine()[i].template.clone();
        let terms = &template.pods;
        let required = terms.required.iter().filter(|_| hard > 0).map(|t| (t, hard));
        let preferred = terms.preferred.iter().map(|t| (t, t.weight));
        let anti = terms.preferred_anti.iter().map(|t| (t, -t.weight));
        for (t, weight) in required.chain(preferred).chain(anti) {
            let key = prep.index.topology(&t.topology_key);
            let group = &prep.index.affine()[i];
            if selects(t, &group.namespace, prep.pod, labels) {
                for (slot, n) in &group.on {
                    s.any |= s.sums.add(prep.index, key, *slot, i64::from(*n) * weight);
                }
            }
        }
    }
}

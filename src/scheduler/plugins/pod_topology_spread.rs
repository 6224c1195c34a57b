//! Pods spread evenly over zones, hosts or any other domains.
//!
//! Follows `pkg/scheduler/framework/plugins/podtopologyspread` (`filtering.go`, `scoring.go`,
//! `common.go`). Counts per node come from the index instead of a walk over all pods.
//!
//! Upstream weighs domains by the natural logarithm of their number and rounds a float64 sum; this file
//! computes both with the same operations in the same order. The logarithm is the one that Go uses
//! (FreeBSD's `e_log.c`), so that the result does not depend on the machine's mathematical library.

use std::sync::Arc;

use smallvec::SmallVec;

use super::taint_toleration::tolerates_all;
use super::{MAX_SCORE, Plugin, PluginId, PreFilter, Prep, View, node_affinity};
use crate::base::Str;
use crate::model::{Node, Selector};
use crate::scheduler::compile::Spread;
use crate::scheduler::config::SpreadArgs;
use crate::scheduler::index::{Count, Predicate, TallyId, Topology, TopologyId};
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};
use crate::scheduler::world::World;

/// The plugin.
pub struct PodTopologySpread;

const REASON: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str =
    "node(s) didn't match pod topology spread constraints (missing required label)";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Hard constraints of the cycle's pod.
#[derive(Clone, Debug, Default)]
pub struct Filtering {
    constraints: Vec<Hard>,
}

#[derive(Clone, Debug)]
struct Hard {
    topology: TopologyId,
    selector: Selector,
    selects_itself: bool,
    max_skew: i32,
    min_domains: i32,
    honour_affinity: bool,
    honour_taints: bool,
    /// Pods per domain, by the number of its value; `None` for what is no domain.
    counts: Vec<Option<i32>>,
    domains: usize,
    least: CriticalPaths,
}

/// The two least filled domains and their counts: enough to know the minimum while pods of one node
/// come and go (`criticalPaths`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CriticalPaths([(usize, i32); 2]);

impl CriticalPaths {
    const NEW: Self = Self([(usize::MAX, i32::MAX); 2]);

    fn update(&mut self, domain: usize, count: i32) {
        let p = &mut self.0;
        if let Some(i) = p.iter().position(|(d, _)| *d == domain) {
            p[i].1 = count;
            if p[0].1 > p[1].1 {
                p.swap(0, 1);
            }
        } else if count < p[0].1 {
            p[1] = p[0];
            p[0] = (domain, count);
        } else if count < p[1].1 {
            p[1] = (domain, count);
        }
    }
}

impl Filtering {
    /// The least filled domains of every constraint.
    pub fn least(&self) -> Vec<CriticalPaths> {
        self.constraints.iter().map(|c| c.least).collect()
    }

    /// Sets them.
    pub fn set_least(&mut self, least: Vec<CriticalPaths>) {
        for (c, least) in self.constraints.iter_mut().zip(least) {
            c.least = least;
        }
    }
}

impl Hard {
    /// The minimum that skew is measured from (`minMatchNum`).
    fn minimum(&self) -> i32 {
        let enough = i32::try_from(self.domains).unwrap_or(i32::MAX) >= self.min_domains;
        if enough { self.least.0[0].1 } else { 0 }
    }

    fn counts_node(&self, view: &View<'_>, node: &NodeInfo) -> bool {
        included(view.pod, node, self.honour_affinity, self.honour_taints)
    }
}

/// Soft constraints of the cycle's pod.
#[derive(Clone, Debug, Default)]
pub struct Scoring {
    constraints: Vec<Soft>,
    /// Whether each feasible node is left out; empty where none is.
    ignored: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Soft {
    topology: TopologyId,
    /// Whether each node is a domain of its own.
    per_node: bool,
    max_skew: i32,
    honour_affinity: bool,
    honour_taints: bool,
    tally: Option<TallyId>,
    /// Pods per domain, by the number of its value, the missing one last; `None` where no feasible node
    /// is in it.
    counts: Vec<Option<i64>>,
    weight: f64,
}

impl Plugin for PodTopologySpread {
    fn id(&self) -> PluginId {
        PluginId::PodTopologySpread
    }

    fn pre_filter(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
    ) -> Result<PreFilter, Refusal> {
        let wanted = constraints(prep.pod, prep.world, &prep.args.spread, true);
        if wanted.is_empty() {
            return Ok(PreFilter::Skip);
        }
        state.spread.constraints = wanted.into_iter().map(|c| hard(prep, c)).collect();
        count_hard(prep, &mut state.spread);
        Ok(PreFilter::Go)
    }

    fn filter(&self, view: &View<'_>, state: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        for c in &state.spread.constraints {
            let Some(domain) = view.index.values(c.topology).value(node.slot) else {
                return Err(Refusal::unresolvable(Str::new_static(NO_LABEL)));
            };
            let there = c.counts.get(domain).copied().flatten().unwrap_or(0);
            if there + i32::from(c.selects_itself) - c.minimum() > c.max_skew {
                return Err(Refusal::unschedulable(REASON));
            }
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
        if pod.namespace() != view.pod.namespace() {
            return;
        }
        let domain = |c: &Hard| view.index.values(c.topology).value(node.slot);
        if !state.spread.constraints.iter().all(|c| domain(c).is_some()) {
            return;
        }
        for c in &mut state.spread.constraints {
            let Some(domain) = view.index.values(c.topology).value(node.slot) else { continue };
            if c.selector.matches(pod.labels()) && c.counts_node(view, node) {
                c.counts.resize(c.counts.len().max(domain + 1), None);
                let count = c.counts[domain].unwrap_or(0) + sign;
                c.domains += usize::from(c.counts[domain].is_none());
                c.counts[domain] = Some(count);
                c.least.update(domain, count);
            }
        }
    }

    fn pre_score(
        &self,
        prep: &mut Prep<'_>,
        state: &mut CycleState,
        feasible: &[u32],
    ) -> Result<bool, Str> {
        let own = prep.pod.template.spread.is_some();
        let wanted = constraints(prep.pod, prep.world, &prep.args.spread, false);
        if wanted.is_empty() {
            return Ok(false);
        }
        let need_all = own || !prep.args.spread.system;
        let s = &mut state.spread_score;
        let tallies = tallies(prep, wanted.iter().map(|w| &w.selector));
        s.constraints.clear();
        s.constraints.extend(wanted.iter().zip(tallies).map(|(c, tally)| soft(prep, c, tally)));
        let view = prep.view();
        take_domains(&view, s, feasible, need_all);
        count_soft(&view, s, need_all);
        Ok(true)
    }

    fn score(&self, view: &View<'_>, state: &CycleState, feasible: &[u32], scores: &mut [i64]) {
        let s = &state.spread_score;
        let terms: SmallVec<[Term<'_>; 2]> =
            s.constraints.iter().map(|c| Term::of(view, c)).collect();
        for (slot, score) in feasible.iter().zip(&mut *scores) {
            *score = raw_score(&terms, *slot as usize);
        }
        for (score, _) in scores.iter_mut().zip(&s.ignored).filter(|(_, ignored)| **ignored) {
            *score = 0;
        }
    }

    fn interests(&self) -> &'static [Interest] {
        const POD: Action =
            Action::ADD.or(Action::POD_LABEL).or(Action::POD_TOLERATION).or(Action::DELETE);
        const NODE: Action =
            Action::ADD.or(Action::DELETE).or(Action::NODE_LABEL).or(Action::NODE_TAINT);
        &[(Resource::Pod, POD), (Resource::Node, NODE)]
    }

    fn hint(&self, hints: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        let Some(args) = hints.args(pod) else { return true };
        let constraints = constraints(pod, hints.world, &args.spread, true);
        match (news.pods(), news.nodes()) {
            (Some((old, new)), _) => pod_helps(pod, &constraints, old, new),
            (_, Some((old, new))) => node_helps(&constraints, old, new),
            (None, None) => true,
        }
    }

    fn normalise(&self, state: &CycleState, _: &[u32], scores: &mut [i64]) {
        let ignored = &state.spread_score.ignored;
        let (mut min, mut max) = (i64::MAX, 0);
        for (i, score) in scores.iter().enumerate() {
            if !ignored.get(i).is_some_and(|ignored| *ignored) {
                (min, max) = (min.min(*score), max.max(*score));
            }
        }
        // Neighbours mostly score alike, and a division costs more than a look.
        let mut last = (i64::MIN, 0);
        for score in scores.iter_mut() {
            if last.0 != *score {
                let share = |max: i64| MAX_SCORE * (max + min - *score) / max;
                last = (*score, if max == 0 { MAX_SCORE } else { share(max) });
            }
            *score = last.1;
        }
        for (score, _) in scores.iter_mut().zip(ignored).filter(|(_, ignored)| **ignored) {
            *score = 0;
        }
    }
}

/// A constraint with its selector for the cycle's pod.
struct Wanted {
    spread: Spread,
    selector: Selector,
}

/// Whether a change of a pod could help one that was refused (`isSchedulableAfterPodChange`).
fn pod_helps(
    pod: &PodInfo,
    constraints: &[Wanted],
    old: Option<&Arc<PodInfo>>,
    new: Option<&Arc<PodInfo>>,
) -> bool {
    let concerns = |p: &PodInfo| p.uid() == pod.uid() || p.namespace() == pod.namespace();
    if [old, new].into_iter().flatten().any(|p| !concerns(p)) {
        return false;
    }
    let selected = |p: &PodInfo| constraints.iter().any(|c| c.selector.matches(p.labels()));
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (Some(one), None) | (None, Some(one)) => return selected(one),
        (None, None) => return true,
    };
    let tolerates_more = new.uid() == pod.uid()
        && new.template.tolerations != old.template.tolerations
        && constraints.iter().any(|c| c.spread.honour_taints);
    let changed = |c: &Wanted| c.selector.matches(old.labels()) != c.selector.matches(new.labels());
    tolerates_more || (old.labels() != new.labels() && constraints.iter().any(changed))
}

/// Whether a change of a node could help (`isSchedulableAfterNodeChange`).
fn node_helps(constraints: &[Wanted], old: Option<&Arc<Node>>, new: Option<&Arc<Node>>) -> bool {
    let keys = || constraints.iter().map(|c| &c.spread.topology_key);
    let counts = |n: &Arc<Node>| keys().all(|k| n.meta.labels.get(k).is_some());
    match (old, new) {
        (Some(old), Some(new)) => {
            let moved = || keys().any(|k| old.meta.labels.get(k) != new.meta.labels.get(k));
            counts(old) != counts(new) || (counts(new) && (moved() || old.taints != new.taints))
        }
        (Some(one), None) | (None, Some(one)) => counts(one),
        (None, None) => true,
    }
}

/// The pod's own constraints of one kind, or the defaults of that kind where it has none at all.
fn constraints(pod: &PodInfo, world: &World, args: &SpreadArgs, hard: bool) -> Vec<Wanted> {
    let of_kind = |all: &[Spread]| -> Vec<Spread> {
        all.iter().filter(|c| c.hard == hard).cloned().collect()
    };
    if let Some(own) = &pod.template.spread {
        let labels = pod.labels();
        let with = |c: Spread| Wanted { selector: c.selector_for(labels), spread: c };
        return of_kind(own).into_iter().map(with).collect();
    }
    let defaults = of_kind(&args.defaults);
    if defaults.is_empty() {
        return Vec::new();
    }
    let Some(selector) = world.default_selector(pod) else { return Vec::new() };
    defaults.into_iter().map(|c| Wanted { spread: c, selector: selector.clone() }).collect()
}

/// Whether a node's pods count (`matchNodeInclusionPolicies`).
fn included(pod: &PodInfo, node: &NodeInfo, affinity: bool, taints: bool) -> bool {
    (!affinity || node_affinity::wants(pod, &node.name, node.labels()))
        && (!taints || tolerates_all(&pod.template.tolerations, node))
}

/// Whether every node's pods count, without looking.
fn includes_all(pod: &PodInfo, affinity: bool, taints: bool) -> bool {
    let any_node = pod.template.nodes.is_any() && pod.pod.made_for.is_none();
    (!affinity || any_node) && !taints
}

fn tally(prep: &mut Prep<'_>, selector: &Selector) -> Option<TallyId> {
    // A selector that selects everything counts nothing, as upstream has it.
    if selector.is_empty() || *selector == Selector::Nothing {
        return None;
    }
    Some(prep.index.tally(Predicate::within(prep.pod.namespace(), selector.clone())))
}

/// The tally of each selector; those of constraints of one pod are mostly the same.
fn tallies<'a>(
    prep: &mut Prep<'_>,
    selectors: impl Iterator<Item = &'a Selector>,
) -> SmallVec<[Option<TallyId>; 2]> {
    let mut last: Option<(&Selector, Option<TallyId>)> = None;
    let mut of = |selector: &'a Selector| match last {
        Some((same, tally)) if same == selector => tally,
        _ => {
            let tally = tally(prep, selector);
            last = Some((selector, tally));
            tally
        }
    };
    selectors.map(&mut of).collect()
}

fn hard(prep: &mut Prep<'_>, wanted: Wanted) -> Hard {
    let Wanted { spread: c, selector } = wanted;
    Hard {
        topology: prep.index.topology(&c.topology_key),
        selects_itself: selector.matches(prep.pod.labels()),
        selector,
        max_skew: c.max_skew,
        min_domains: c.min_domains,
        honour_affinity: c.honour_affinity,
        honour_taints: c.honour_taints,
        counts: Vec::new(),
        domains: 0,
        least: CriticalPaths::NEW,
    }
}

/// As `calPreFilterState`.
fn count_hard(prep: &mut Prep<'_>, s: &mut Filtering) {
    let tallies = tallies(prep, s.constraints.iter().map(|c| &c.selector));
    let view = prep.view();
    let topologies: Vec<&Topology> =
        s.constraints.iter().map(|c| view.index.values(c.topology)).collect();
    for (c, t) in s.constraints.iter_mut().zip(&topologies) {
        c.counts = vec![None; t.values.len()];
    }
    for slot in view.snapshot.order() {
        if !topologies.iter().all(|t| t.value(*slot).is_some()) {
            continue;
        }
        let node = view.snapshot.node(*slot);
        for (i, c) in s.constraints.iter_mut().enumerate() {
            let all = includes_all(view.pod, c.honour_affinity, c.honour_taints);
            let Some(domain) = topologies[i].value(*slot) else { continue };
            if all || c.counts_node(&view, node) {
                let pods = tallies[i].map_or(0, |t| live(&view, t, *slot));
                c.counts[domain] = Some(c.counts[domain].unwrap_or(0) + pods);
            }
        }
    }
    for c in &mut s.constraints {
        for (domain, count) in c.counts.iter().enumerate() {
            if let Some(count) = count {
                c.domains += 1;
                c.least.update(domain, *count);
            }
        }
    }
}

fn live(view: &View<'_>, tally: TallyId, slot: u32) -> i32 {
    view.index.counts(tally).get(slot as usize).map_or(0, |c| c.live)
}

fn soft(prep: &mut Prep<'_>, wanted: &Wanted, tally: Option<TallyId>) -> Soft {
    let c = &wanted.spread;
    Soft {
        topology: prep.index.topology(&c.topology_key),
        per_node: c.topology_key == HOSTNAME,
        max_skew: c.max_skew,
        honour_affinity: c.honour_affinity,
        honour_taints: c.honour_taints,
        tally,
        counts: Vec::new(),
        weight: 0.0,
    }
}

/// Finds the domains of the feasible nodes and weighs the constraints by their number
/// (`initPreScoreState`).
fn take_domains(view: &View<'_>, s: &mut Scoring, feasible: &[u32], need_all: bool) {
    let topologies: Vec<&Topology> =
        s.constraints.iter().map(|c| view.index.values(c.topology)).collect();
    let lacks = |slot: u32| topologies.iter().any(|t| t.value(slot).is_none());
    s.ignored.clear();
    let on_all = |t: &Topology| t.is_on_all(view.snapshot.order().len());
    if need_all && !topologies.iter().all(|t| on_all(t)) && feasible.iter().any(|slot| lacks(*slot))
    {
        s.ignored.extend(feasible.iter().map(|slot| lacks(*slot)));
    }
    let taken = s.ignored.iter().filter(|i| **i).count();
    for (c, t) in s.constraints.iter_mut().zip(&topologies) {
        let mut domains = feasible.len() - taken;
        if !c.per_node {
            domains = 0;
            c.counts = vec![None; t.values.len() + 1];
            let most = t.values.len() + usize::from(!on_all(t));
            for (i, slot) in feasible.iter().enumerate() {
                if domains == most {
                    break;
                }
                if s.ignored.get(i).copied().unwrap_or(false) {
                    continue;
                }
                let domain = t.value(*slot).unwrap_or(t.values.len());
                domains += usize::from(c.counts[domain].is_none());
                c.counts[domain] = Some(0);
            }
        }
        c.weight = ln(domains + 2);
    }
}

/// Counts the pods of the domains over all nodes.
fn count_soft(view: &View<'_>, s: &mut Scoring, need_all: bool) {
    let topologies: Vec<&Topology> =
        s.constraints.iter().map(|c| view.index.values(c.topology)).collect();
    for (i, c) in s.constraints.iter_mut().enumerate() {
        let (Some(tally), false) = (c.tally, c.per_node) else { continue };
        let all = includes_all(view.pod, c.honour_affinity, c.honour_taints);
        let counts = view.index.counts(tally);
        for slot in view.index.slots(tally) {
            let pods = counts[*slot as usize].live;
            if pods == 0 || (need_all && topologies.iter().any(|t| t.value(*slot).is_none())) {
                continue;
            }
            let node = view.snapshot.node(*slot);
            if !all && !included(view.pod, node, c.honour_affinity, c.honour_taints) {
                continue;
            }
            let domain = topologies[i].value(*slot).unwrap_or(topologies[i].values.len());
            if let Some(count) = &mut c.counts[domain] {
                *count += i64::from(pods);
            }
        }
    }
}

/// A constraint as a node is scored by it.
struct Term<'a> {
    /// The number of the domain of each node, by slot.
    domains: &'a [u32],
    /// Pods per node, by slot, where each node is a domain of its own.
    per_node: Option<&'a [Count]>,
    /// Pods per domain otherwise.
    counts: &'a [Option<i64>],
    weight: f64,
    at_least: f64,
}

impl<'a> Term<'a> {
    fn of(view: &View<'a>, c: &'a Soft) -> Self {
        let counts_of = |t: Option<TallyId>| t.map_or(&[][..], |t| view.index.counts(t));
        Self {
            domains: &view.index.values(c.topology).of,
            per_node: c.per_node.then(|| counts_of(c.tally)),
            counts: &c.counts,
            weight: c.weight,
            at_least: f64::from(c.max_skew - 1),
        }
    }
}

fn raw_score(terms: &[Term<'_>], slot: usize) -> i64 {
    let mut sum = 0.0;
    for term in terms {
        let domain = term.domains.get(slot).copied().unwrap_or(Topology::MISSING);
        if domain == Topology::MISSING {
            continue;
        }
        let count = match term.per_node {
            Some(counts) => counts.get(slot).map_or(0, |c| i64::from(c.live)),
            None => term.counts.get(domain as usize).copied().flatten().unwrap_or(0),
        };
        sum += count as f64 * term.weight + term.at_least;
    }
    rounded(sum)
}

/// The nearest whole number, halves away from zero, of a sum that is not negative and far below 2^53:
/// what is cut off is known exactly there.
fn rounded(sum: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a count, far below 2^53")]
    let whole = sum as i64;
    whole + i64::from(sum - whole as f64 >= 0.5)
}

/// The natural logarithm of a small whole number, as Go's `math.Log`: the number is split into
/// `2^k * (1 + f)` with `1 + f` between the square roots of 1/2 and 2, and the logarithm of `1 + f` is a
/// polynomial in `f / (2 + f)` (FreeBSD, `lib/msun/src/e_log.c`).
fn ln(n: usize) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const L: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    let mut k = 0.0;
    let mut fraction = n as f64;
    while fraction >= 1.0 {
        fraction /= 2.0;
        k += 1.0;
    }
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        k -= 1.0;
    }
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (L[0] + s4 * (L[2] + s4 * (L[4] + s4 * L[6])));
    let even = s4 * (L[1] + s4 * (L[3] + s4 * L[5]));
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + odd + even) + k * LN2_LOW)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_mathematical_library() {
        for n in 2..6000usize {
            let (ours, theirs) = (ln(n), (n as f64).ln());
            assert!((ours - theirs).abs() <= f64::EPSILON * theirs, "{n}: {ours} {theirs}");
        }
    }

    #[test]
    fn sums_are_rounded_as_the_mathematical_library_does() {
        let below_half = 0.5_f64.next_down();
        for sum in [0.0, below_half, 0.5, 1.499_999, 1.5, 2.5, 7.0, 1e9 + 0.5, 1e9 + 0.499] {
            assert!((rounded(sum) as f64 - sum.round()).abs() < 0.5, "{sum}");
        }
    }

    #[test]
    fn the_least_filled_domain_is_known_while_pods_come_and_go() {
        let mut least = CriticalPaths::NEW;
        for (domain, count) in [(0, 3), (1, 1), (2, 2)] {
            least.update(domain, count);
        }
        assert_eq!(least.0[0], (1, 1));
        least.update(1, 5);
        assert_eq!(least.0[0], (2, 2));
    }
}

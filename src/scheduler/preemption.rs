//! Making room: which pods of lower priority would have to go, and from which node.
//!
//! Follows `pkg/scheduler/framework/preemption/preemption.go` and
//! `pkg/scheduler/framework/plugins/defaultpreemption`. Pure: it names the victims and the node; who
//! deletes them is the component. The random choices of upstream (the offset from which nodes are
//! tried, and the pick among equals, which is Go's map order) are the caller's offset and the order of
//! nodes.

use std::cmp::Reverse;
use std::sync::Arc;

use super::config::Profile;
use super::cycle::{Beside, Cluster, Diagnosis, adjust, filter_node};
use super::node::{NodeInfo, Placed};
use super::plugins::{PluginId, View};
use super::pod::PodInfo;
use super::state::{Code, CycleState, Refusal, Status};
use super::world::Budget;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Selector, Uid};

/// What the PostFilter step came to.
#[derive(Clone, Debug)]
pub struct PostFilter {
    /// What becomes of the pod's nomination.
    pub nomination: Nomination,
    /// What is said of it; empty after success.
    pub message: Str,
}

/// What becomes of a pod's nomination.
#[derive(Clone, Debug)]
pub enum Nomination {
    /// It stays as it is.
    Keep,
    /// It is withdrawn.
    Clear,
    /// A node is set aside, once these pods have gone from it: most important first.
    Node(u32, Vec<Arc<PodInfo>>),
}

/// Everything a dry run found.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// Why the pod may not preempt; empty where it may.
    pub ineligible: Str,
    /// How many nodes might be helped by preemption.
    pub potential: usize,
    /// How many candidates were looked for.
    pub wanted: usize,
    /// What was found on each node that was tried.
    pub nodes: Vec<(u32, Result<Victims, Status>)>,
}

/// The pods that would have to go from one node.
#[derive(Clone, Debug)]
pub struct Victims {
    /// Most important first.
    pub pods: Vec<Arc<PodInfo>>,
    /// How many of them a disruption budget protects.
    pub violations: usize,
}

/// How good a candidate is: the least wins.
pub type Rank = (usize, i32, i64, usize, Reverse<SimTime>);

impl Victims {
    /// The rank: budget violations, highest priority, sum of priorities, number, start time
    /// (`pickOneNodeForPreemption`). The start time is the earliest among the victims of the highest
    /// priority, and the latest wins.
    pub fn rank(&self) -> Rank {
        let highest = self.pods.first().map_or(0, |p| p.priority());
        let sum = self.pods.iter().map(|p| i64::from(p.priority()) + (1 << 31)).sum();
        let tops = self.pods.iter().filter(|p| p.priority() == highest);
        let start = tops.map(|p| started(p)).min().unwrap_or(SimTime::MAX);
        (self.violations, highest, sum, self.pods.len(), Reverse(start))
    }
}

/// Runs the PostFilter plugins for a pod that fits nowhere. `offset` is drawn by the caller, in
/// `0..` the number it is given.
pub fn post_filter(
    cluster: &Cluster,
    profile: &Profile,
    pod: &PodInfo,
    state: &mut CycleState,
    diagnosis: &Diagnosis,
    offset: impl FnOnce(usize) -> usize,
    record: Option<&mut DryRun>,
) -> PostFilter {
    let mut said: Vec<Str> = Vec::new();
    let mut dry = DryRun::default();
    let mut nomination = Nomination::Keep;
    let mut offset = Some(offset);
    for id in &profile.post_filter {
        match id {
            // Resource claims are not modelled. Upstream's plugin fails where its PreFilter did not run.
            PluginId::DynamicResources if diagnosis.pre_filter.is_some() => {
                return PostFilter { nomination, message: Str::new_static("not found") };
            }
            PluginId::DynamicResources => said.push(Str::new_static("no new claims to deallocate")),
            PluginId::DefaultPreemption => {
                let Some(offset) = offset.take() else { continue };
                match preempt(cluster, profile, pod, state, diagnosis, offset, &mut dry) {
                    Ok(node) => {
                        nomination = node;
                        said.clear();
                        break;
                    }
                    Err(No::Ineligible(text)) => {
                        dry.ineligible = text.clone();
                        said.push(format!("preemption: {text}").into());
                    }
                    Err(No::Candidate(text)) => {
                        nomination = Nomination::Clear;
                        said.push(format!("preemption: {text}").into());
                    }
                    Err(No::Failed(text)) => {
                        said = vec![format!("preemption: {text}").into()];
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(record) = record {
        *record = dry;
    }
    PostFilter { nomination, message: said.join(", ").into() }
}

enum No {
    Ineligible(Str),
    Candidate(String),
    Failed(String),
}

/// As `Evaluator.Preempt`.
fn preempt(
    cluster: &Cluster,
    profile: &Profile,
    pod: &PodInfo,
    state: &mut CycleState,
    diagnosis: &Diagnosis,
    offset: impl FnOnce(usize) -> usize,
    dry: &mut DryRun,
) -> Result<Nomination, No> {
    if let Some(why) = ineligible(cluster, pod, diagnosis) {
        return Err(No::Ineligible(Str::new_static(why)));
    }
    let is_potential =
        |slot: &u32| diagnosis.status(*slot).is_some_and(|s| s.refusal.code == Code::Unschedulable);
    let potential: Vec<u32> =
        cluster.snapshot.order().iter().copied().filter(is_potential).collect();
    dry.potential = potential.len();
    dry.wanted = candidates_wanted(profile, potential.len());
    if !potential.is_empty() {
        let offset = offset(potential.len()) % potential.len();
        dry_run(cluster, profile, pod, state, &potential, offset, dry);
    }
    choose(cluster, diagnosis, dry)
}

/// Why the pod may not preempt, if it may not (`PodEligibleToPreemptOthers`).
fn ineligible(cluster: &Cluster, pod: &PodInfo, diagnosis: &Diagnosis) -> Option<&'static str> {
    if !pod.template.may_preempt {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    if pod.nominated().is_empty() {
        return None;
    }
    let slot = cluster.snapshot.slot(pod.nominated())?;
    let code = diagnosis.status(slot).map(|s| s.refusal.code);
    if code.is_none_or(|c| c == Code::UnschedulableAndUnresolvable) {
        return None;
    }
    let going = |p: &Placed| p.info.priority() < pod.priority() && p.info.is_preempted();
    let any = cluster.snapshot.node(slot).pods.iter().any(going);
    any.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// As `calculateNumCandidates`.
fn candidates_wanted(profile: &Profile, nodes: usize) -> usize {
    let args = profile.args.preemption;
    let least = usize::try_from(args.min_candidates).unwrap_or(0);
    let share = usize::try_from(args.min_candidates_percentage).unwrap_or(0);
    (nodes * share / 100).max(least).min(nodes)
}

/// As `DryRunPreemption`, with one worker.
fn dry_run(
    cluster: &Cluster,
    profile: &Profile,
    pod: &PodInfo,
    state: &mut CycleState,
    potential: &[u32],
    offset: usize,
    dry: &mut DryRun,
) {
    let view = View::new(cluster, &profile.args, pod);
    let trial =
        Trial { view, profile, beside: &Beside::of(cluster, pod), budgets: budgets(cluster) };
    let (mut found, mut harmless) = (0, false);
    for i in 0..potential.len() {
        let slot = potential[(offset + i) % potential.len()];
        let result = trial.victims(state, cluster.snapshot.node(slot));
        if let Ok(victims) = &result {
            found += 1;
            harmless |= victims.violations == 0;
        }
        dry.nodes.push((slot, result));
        if harmless && found >= dry.wanted {
            break;
        }
    }
}

/// Picks the best candidate, or says why there is none.
fn choose(cluster: &Cluster, diagnosis: &Diagnosis, dry: &DryRun) -> Result<Nomination, No> {
    let candidates = dry.nodes.iter().filter_map(|(slot, r)| Some((slot, r.as_ref().ok()?)));
    // Candidates that violate no budget stand first, each kind in the order in which it was found;
    // of equals the first is taken.
    let best = candidates.min_by_key(|(_, v)| v.rank());
    if let Some((slot, victims)) = best {
        return Ok(Nomination::Node(*slot, victims.pods.clone()));
    }
    let statuses = || dry.nodes.iter().filter_map(|(slot, r)| Some((*slot, r.as_ref().err()?)));
    let mut errors: Vec<String> = Vec::new();
    for (_, status) in statuses().filter(|(_, s)| s.refusal.code == Code::Error) {
        let text = status.refusal.reasons.join(", ");
        if !errors.contains(&text) {
            errors.push(text);
        }
    }
    match &errors[..] {
        [] => {}
        [one] => return Err(No::Failed(one.clone())),
        many => return Err(No::Failed(format!("[{}]", many.join(", ")))),
    }
    let not_helpful = Refusal::unresolvable("Preemption is not helpful for scheduling");
    let all = Diagnosis {
        nodes: cluster.snapshot.order().len().max(diagnosis.nodes),
        statuses: statuses().map(|(slot, s)| (slot, s.clone())).collect(),
        absent: Some(Status { plugin: None, refusal: not_helpful }),
        ..Diagnosis::default()
    };
    Err(No::Candidate(all.message()))
}

/// One pod's attempt at other pods' room.
struct Trial<'a> {
    view: View<'a>,
    profile: &'a Profile,
    beside: &'a Beside,
    budgets: Vec<(&'a Budget, Selector)>,
}

impl Trial<'_> {
    /// The pods that would have to go from a node (`SelectVictimsOnNode`).
    fn victims(&self, state: &mut CycleState, node: &NodeInfo) -> Result<Victims, Status> {
        let mark = state.mark();
        let mut copy = node.clone();
        let mut gone: Vec<Arc<PodInfo>> = Vec::new();
        let result = self.select(state, &mut copy, &mut gone);
        for pod in &gone {
            adjust(&self.view, self.profile, state, pod, node, 1);
        }
        state.restore(mark);
        result
    }

    fn select(
        &self,
        state: &mut CycleState,
        node: &mut NodeInfo,
        gone: &mut Vec<Arc<PodInfo>>,
    ) -> Result<Victims, Status> {
        let lower = |p: &&Placed| p.info.priority() < self.view.pod.priority();
        let mut potential: Vec<Arc<PodInfo>> =
            node.pods.iter().filter(lower).map(|p| p.info.clone()).collect();
        if potential.is_empty() {
            let none = Refusal::unresolvable("No preemption victims found for incoming pod");
            return Err(Status { plugin: None, refusal: none });
        }
        for pod in &potential {
            self.take(state, node, pod, gone);
        }
        filter_node(&self.view, self.profile, state, node, self.beside)?;
        potential.sort_by_key(|p| (Reverse(p.priority()), started(p)));
        let (protected, free) = self.split_by_budget(potential);
        let mut victims = Vec::new();
        for pod in &protected {
            self.reprieve(state, node, pod, gone, &mut victims);
        }
        let violations = victims.len();
        for pod in &free {
            self.reprieve(state, node, pod, gone, &mut victims);
        }
        if !protected.is_empty() && !free.is_empty() {
            victims.sort_by_key(|p| (Reverse(p.priority()), started(p)));
        }
        if victims.is_empty() {
            let text = format!("expected at least one victim pod on node {:?}", node.name.as_str());
            let mut refusal = Refusal::unresolvable(text);
            refusal.code = Code::Error;
            return Err(Status { plugin: None, refusal });
        }
        Ok(Victims { pods: victims, violations })
    }

    fn take(
        &self,
        state: &mut CycleState,
        node: &mut NodeInfo,
        pod: &Arc<PodInfo>,
        gone: &mut Vec<Arc<PodInfo>>,
    ) {
        node.remove_pod(pod.uid());
        adjust(&self.view, self.profile, state, pod, node, -1);
        gone.push(pod.clone());
    }

    /// Puts a pod back, if the cycle's pod still fits beside it; else it is a victim.
    fn reprieve(
        &self,
        state: &mut CycleState,
        node: &mut NodeInfo,
        pod: &Arc<PodInfo>,
        gone: &mut Vec<Arc<PodInfo>>,
        victims: &mut Vec<Arc<PodInfo>>,
    ) {
        let uid: Uid = pod.uid();
        node.add_pod(Placed { info: pod.clone(), class: None });
        adjust(&self.view, self.profile, state, pod, node, 1);
        gone.retain(|p| p.uid() != uid);
        if filter_node(&self.view, self.profile, state, node, self.beside).is_err() {
            self.take(state, node, pod, gone);
            victims.push(pod.clone());
        }
    }

    /// Splits off the pods whose disruption a budget does not allow, in order
    /// (`filterPodsWithPDBViolation`).
    fn split_by_budget(&self, pods: Vec<Arc<PodInfo>>) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
        let allowed =
            |b: &Budget| b.body.status.as_ref().and_then(|s| s.disruptions_allowed).unwrap_or(0);
        let mut left: Vec<i32> = self.budgets.iter().map(|(b, _)| allowed(b)).collect();
        pods.into_iter().partition(|pod| {
            let mut violates = false;
            for ((budget, selector), left) in self.budgets.iter().zip(&mut left) {
                let counts = !pod.labels().is_empty()
                    && budget.meta.namespace == *pod.namespace()
                    && selector.matches(pod.labels())
                    && !is_processed(budget, pod);
                if counts {
                    *left = left.saturating_sub(1);
                    violates |= *left < 0;
                }
            }
            violates
        })
    }
}

/// Budgets with a selector that selects something.
fn budgets(cluster: &Cluster) -> Vec<(&Budget, Selector)> {
    let all = cluster.world.budgets.values().map(|b| &**b);
    all.filter_map(|b| {
        let selector = b.body.spec.as_ref().and_then(|s| s.selector.as_ref());
        let selector = Selector::compile(selector).ok().filter(|s| !s.is_empty())?;
        Some((b, selector))
    })
    .collect()
}

/// Whether the API server has counted the pod's disruption already.
fn is_processed(budget: &Budget, pod: &PodInfo) -> bool {
    let status = budget.body.status.as_ref();
    let disrupted = status.and_then(|s| s.disrupted_pods.as_ref());
    disrupted.is_some_and(|d| d.contains_key(pod.name().as_str()))
}

/// When a pod started; one that has not counts as the latest (`GetPodStartTime`).
fn started(pod: &PodInfo) -> SimTime {
    pod.pod.status.start_time.unwrap_or(SimTime::MAX)
}

//! Making room: which pods of lower priority would have to go, and from which node.
//!
//! Follows `pkg/scheduler/framework/preemption/preemption.go` and
//! `pkg/scheduler/framework/plugins/defaultpreemption`. Pure: it names the victims and the node; who
//! deletes them is the component. The random choices of upstream (the offset from which nodes are
//! tried, and the pick among equals, which is Go's map order) are the caller's offset and the order of
//! nodes.

mod trial;

use std::cmp::Reverse;
use std::sync::Arc;

use self::trial::{Trial, started};
use super::config::Profile;
use super::cycle::Cluster;
use super::diagnosis::Diagnosis;
use super::node::Placed;
use super::plugins::PluginId;
use super::pod::PodInfo;
use super::state::{Code, CycleState, Refusal, Status};
use super::verdicts::{self, Trials};
use crate::base::Str;
use crate::base::time::SimTime;

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

/// What came of one node's dry run.
pub type Tried = Result<Candidate, Status>;

/// A node that could take the pod once others have gone.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Who would have to go.
    pub victims: Victims,
    /// How good it is.
    pub rank: Rank,
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
    mut record: Option<&mut DryRun>,
) -> PostFilter {
    let mut said: Vec<Str> = Vec::new();
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
                let record = record.as_deref_mut();
                match preempt(cluster, profile, pod, state, diagnosis, offset, record) {
                    Ok(node) => {
                        nomination = node;
                        said.clear();
                        break;
                    }
                    Err(No::Ineligible(text)) => {
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
    mut record: Option<&mut DryRun>,
) -> Result<Nomination, No> {
    if let Some(why) = ineligible(cluster, pod, diagnosis) {
        let text = Str::new_static(why);
        if let Some(r) = record {
            r.ineligible = text.clone();
        }
        return Err(No::Ineligible(text));
    }
    let mut potential = potential_nodes(cluster, diagnosis);
    let wanted = candidates_wanted(profile, potential.len());
    if !potential.is_empty() {
        let offset = offset(potential.len()) % potential.len();
        potential.rotate_left(offset);
    }
    if let Some(r) = record.as_deref_mut() {
        (r.potential, r.wanted) = (potential.len(), wanted);
    }
    // What is found holds for the next pod of the template as well, where nothing else matters; but not
    // on the node that is set aside for this very pod, which is tried without it.
    let shared = verdicts::are_shared(profile, state, pod);
    let mut known = if shared { state.verdicts.take(cluster, pod) } else { None };
    let mut unshared = Trials::default();
    let trials = known.as_mut().map_or(&mut unshared, |known| known.trials());
    let own = cluster.nominator.node_of(pod.uid()).and_then(|name| cluster.snapshot.slot(name));
    own.inspect(|slot| trials.forget(*slot));
    let tried = dry_run(&mut Trial::new(cluster, profile, pod, state), &potential, wanted, trials);
    let tried = &potential[..tried];
    if let Some(r) = record {
        let all = results(trials, tried);
        r.nodes = all.map(|(slot, t)| (slot, t.clone().map(|c| c.victims))).collect();
    }
    let nomination = choose(cluster, diagnosis, trials, tried);
    own.inspect(|slot| trials.forget(*slot));
    if let Some(known) = known {
        state.verdicts.keep(pod, known);
    }
    nomination
}

/// The nodes that preemption might help, in node order.
fn potential_nodes(cluster: &Cluster, diagnosis: &Diagnosis) -> Vec<u32> {
    let is_helped = |status: &Status| status.refusal.code == Code::Unschedulable;
    let statuses = &diagnosis.statuses;
    let kinds: Vec<bool> = statuses.kinds().iter().map(|(status, _)| is_helped(status)).collect();
    let absent = diagnosis.absent.as_ref().is_some_and(is_helped);
    let is_potential = |slot: &u32| statuses.kind(*slot).map_or(absent, |kind| kinds[kind]);
    cluster.snapshot.order().iter().copied().filter(is_potential).collect()
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

/// As `DryRunPreemption`, with one worker. Answers how many nodes were tried.
fn dry_run(trial: &mut Trial<'_>, potential: &[u32], wanted: usize, trials: &mut Trials) -> usize {
    let (mut found, mut harmless) = (0, false);
    for (i, slot) in potential.iter().enumerate() {
        if let Ok(candidate) = trials.get(*slot, || trial.on(*slot)) {
            found += 1;
            harmless |= candidate.victims.violations == 0;
        }
        if harmless && found >= wanted {
            return i + 1;
        }
    }
    potential.len()
}

fn results<'a>(trials: &'a Trials, tried: &'a [u32]) -> impl Iterator<Item = (u32, &'a Tried)> {
    tried.iter().filter_map(|slot| Some((*slot, trials.known(*slot)?)))
}

/// Picks the best candidate, or says why there is none.
fn choose(
    cluster: &Cluster,
    diagnosis: &Diagnosis,
    trials: &Trials,
    tried: &[u32],
) -> Result<Nomination, No> {
    // Candidates that violate no budget stand first, each kind in the order in which it was found;
    // of equals the first is taken.
    let candidates = results(trials, tried).filter_map(|(slot, t)| Some((slot, t.as_ref().ok()?)));
    if let Some((slot, best)) = candidates.min_by_key(|(_, candidate)| candidate.rank) {
        return Ok(Nomination::Node(slot, best.victims.pods.clone()));
    }
    let statuses =
        || results(trials, tried).filter_map(|(slot, t)| Some((slot, t.as_ref().err()?)));
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

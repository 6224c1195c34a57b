//! Why a pod goes where it goes, or nowhere.
//!
//! A decision is explained by making it again on the copy of the world that was kept when it was made
//! ([`Kept`]), with everything written down, and, where no node was found, by making it once more for
//! each small change that might help ([`changes`]): a change is told only if the pod then finds a node.
//! Pure, as the cycle is.

mod changes;
mod nearby;
#[cfg(test)]
mod tests;
mod volumes;

use std::sync::Arc;

pub use changes::{Change, Kind};

use super::config::{Config, Profile};
use super::cycle::{self, Cluster, Outcome, Record, Scratch};
use super::diagnosis::Diagnosis;
use super::pod::PodInfo;
use super::preemption::{self, DryRun, Nomination};
use super::state::Code;
use crate::base::Str;
use crate::base::time::SimTime;

/// A decision as it was met: the world before it, and the pod.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When.
    pub at: SimTime,
    /// The pod as it was then.
    pub pod: Arc<PodInfo>,
    /// How often it had been tried, this time included; 0 where it was not tried.
    pub attempt: u32,
    /// What the scheduler knew.
    pub cluster: Cluster,
    /// Its configuration.
    pub config: Config,
    /// Where the search for preemption began.
    pub offset: u64,
}

/// A decision, explained.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// `namespace/name`.
    pub pod: String,
    /// When it was made.
    pub at: SimTime,
    /// How often the pod had been tried, this time included.
    pub attempt: u32,
    /// The profile.
    pub scheduler: Str,
    /// What came of it.
    pub verdict: Verdict,
    /// The plugins that scored, in order, with their weights.
    pub scorers: Vec<(Str, i64)>,
    /// All nodes, in the order in which they were looked at.
    pub nodes: Vec<NodeRow>,
    /// What preemption found; `None` where it was not tried.
    pub preemption: Option<Preempting>,
    /// Changes that would have helped, smallest first.
    pub changes: Vec<Change>,
    /// How many more of the kinds that are told were not tried.
    pub more_changes: usize,
}

/// What came of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The pod went to a node.
    Placed(Str),
    /// No node could take it: the message, and the text with which PreFilter refused it, if it did.
    Unfit {
        /// The whole message.
        message: String,
        /// What PreFilter said.
        pre_filter: Option<Str>,
    },
    /// The cycle failed.
    Failed(Str),
    /// It was never tried: why.
    Untried(Str),
}

/// One node in a decision.
#[derive(Clone, Debug)]
pub struct NodeRow {
    /// Its name.
    pub name: Str,
    /// What was made of it.
    pub state: NodeState,
}

/// What was made of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// A plugin refused it.
    Refused {
        /// Which; empty for the scheduler itself.
        plugin: Str,
        /// Why.
        reasons: Vec<Str>,
        /// Whether taking pods away could help.
        resolvable: bool,
    },
    /// It could have taken the pod.
    Feasible {
        /// Raw, normalised and weighted score of each plugin; empty where nothing was scored.
        scores: Vec<Score>,
        /// The sum of the weighted scores.
        total: i64,
        /// Whether its total is the highest.
        best: bool,
        /// Whether it was taken.
        chosen: bool,
    },
    /// It was not looked at: enough had been found.
    NotExamined,
}

/// What one plugin gave one node; all zero where it had nothing to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Score {
    /// As the plugin counts.
    pub raw: i64,
    /// 0 to 100.
    pub normalised: i64,
    /// Times the weight.
    pub weighted: i64,
}

/// What preemption found.
#[derive(Clone, Debug)]
pub struct Preempting {
    /// What it says in the message; empty after success.
    pub message: Str,
    /// The node that is set aside.
    pub node: Option<Str>,
    /// Per node that was tried: the victims, most important first, with how many of them a budget
    /// protects, or why it does not help.
    pub candidates: Vec<(Str, Result<(Vec<String>, usize), String>)>,
}

/// Explains a decision.
pub fn explain(kept: &Kept) -> Explanation {
    let mut cluster = kept.cluster.clone();
    let pod = &kept.pod;
    let scheduler = pod.template.scheduler_name.clone();
    let mut out = Explanation {
        pod: format!("{}/{}", pod.namespace(), pod.name()),
        at: kept.at,
        attempt: kept.attempt,
        scheduler: scheduler.clone(),
        verdict: Verdict::Untried(Str::default()),
        scorers: Vec::new(),
        nodes: Vec::new(),
        preemption: None,
        changes: Vec::new(),
        more_changes: 0,
    };
    let Some(profile) = kept.config.profile(&scheduler) else {
        let names: Vec<&str> =
            kept.config.profiles.iter().map(|p| p.scheduler_name.as_str()).collect();
        let text = format!("no scheduler is called {scheduler}; there is {}", names.join(", "));
        out.verdict = Verdict::Untried(text.into());
        return out;
    };
    if kept.attempt == 0
        && let Some(node) = &pod.pod.node
    {
        let text = format!("its manifest names {node} (spec.nodeName): no scheduler is asked");
        out.verdict = Verdict::Untried(text.into());
        return out;
    }
    if !pod.template.gates.is_empty() {
        out.verdict = Verdict::Untried(super::plugins::scheduling_gates::reason(pod).into());
        return out;
    }
    let (mut scratch, mut record) = (Scratch::default(), Record::default());
    let decision =
        cycle::schedule(&mut cluster, &kept.config, profile, pod, &mut scratch, Some(&mut record));
    out.scorers = profile
        .score
        .iter()
        .filter(|(p, _)| record.scores.iter().any(|s| s.plugin == *p))
        .map(|(p, weight)| (Str::new_static(p.as_str()), *weight))
        .collect();
    let chosen = match &decision.outcome {
        Outcome::Node(slot) => Some(*slot),
        Outcome::Unfit(_) | Outcome::Error(_) => None,
    };
    out.nodes = rows(&cluster, &record, &decision.outcome, chosen);
    out.verdict = match decision.outcome {
        Outcome::Node(slot) => Verdict::Placed(cluster.snapshot.node(slot).name.clone()),
        Outcome::Error(text) => Verdict::Failed(text),
        Outcome::Unfit(mut diagnosis) => {
            if diagnosis.nodes > 0 {
                let found = preempting(kept, &cluster, profile, &mut scratch, &diagnosis);
                diagnosis.post_filter = found.message.clone();
                out.preemption = Some(found);
            }
            (out.changes, out.more_changes) = changes::find(kept, profile, &diagnosis);
            let pre_filter = diagnosis.pre_filter.clone();
            Verdict::Unfit { message: diagnosis.message(), pre_filter }
        }
    };
    out
}

fn rows(
    cluster: &Cluster,
    record: &Record,
    outcome: &Outcome,
    chosen: Option<u32>,
) -> Vec<NodeRow> {
    let absent = match outcome {
        Outcome::Unfit(d) => d.absent.as_ref().filter(|s| !s.refusal.reasons.is_empty()),
        Outcome::Node(_) | Outcome::Error(_) => None,
    };
    let best = record.totals.iter().max();
    let order = cluster.snapshot.order();
    let state = |slot: &u32| {
        let status = record.statuses.get(*slot);
        if let Some(i) = record.feasible.iter().position(|s| s == slot) {
            let scores = record.scores.iter().map(|s| Score {
                raw: s.raw[i],
                normalised: s.normalised[i],
                weighted: s.normalised[i] * s.weight,
            });
            let total = record.totals.get(i).copied().unwrap_or(0);
            let best = record.totals.is_empty() || Some(&total) == best;
            NodeState::Feasible {
                scores: scores.collect(),
                total,
                best,
                chosen: chosen == Some(*slot),
            }
        } else if let Some(status) = status.or(absent) {
            NodeState::Refused {
                plugin: status.plugin.map_or(Str::default(), |p| Str::new_static(p.as_str())),
                reasons: status.refusal.reasons.to_vec(),
                resolvable: status.refusal.code == Code::Unschedulable,
            }
        } else {
            NodeState::NotExamined
        }
    };
    order
        .iter()
        .map(|slot| NodeRow { name: cluster.snapshot.node(*slot).name.clone(), state: state(slot) })
        .collect()
}

fn preempting(
    kept: &Kept,
    cluster: &Cluster,
    profile: &Profile,
    scratch: &mut Scratch,
    diagnosis: &Diagnosis,
) -> Preempting {
    let mut dry = DryRun::default();
    let offset = |nodes: usize| usize::try_from(kept.offset % nodes.max(1) as u64).unwrap_or(0);
    let post = preemption::post_filter(
        cluster,
        profile,
        &kept.pod,
        &mut scratch.state,
        diagnosis,
        offset,
        Some(&mut dry),
    );
    let name = |slot: u32| cluster.snapshot.node(slot).name.clone();
    let node = match post.nomination {
        Nomination::Node(slot, _) => Some(name(slot)),
        Nomination::Keep | Nomination::Clear => None,
    };
    let candidates = dry.nodes.iter().map(|(slot, found)| {
        let found = match found {
            Ok(v) => {
                let key = |p: &Arc<PodInfo>| format!("{}/{}", p.namespace(), p.name());
                Ok((v.pods.iter().map(key).collect(), v.violations))
            }
            Err(status) => Err(status.refusal.reasons.join(", ")),
        };
        (name(*slot), found)
    });
    Preempting { message: post.message, node, candidates: candidates.collect() }
}

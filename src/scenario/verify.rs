//! Verdicts by trying: what becomes of a cluster, as it stands after a run, when a workload is rolled out anew, a
//! node is drained, a node or a zone is lost.
//!
//! Each trial goes on from a fork of the run as it stands, with one step more; a run is the same each time, so
//! what differs is the step's doing. "Can never finish" is thus proved by simulation: nothing has changed for
//! longer than any back-off lasts, and what things wait for is told. Trials know nothing of each other and
//! run on all cores.

use std::collections::BTreeSet;
use std::time::Duration;

use super::measure::{Measures, ROLLED_OUT, Workload};
use super::parallel::on_all_cores;
use super::runner::{Ended, Plan, Runner, StepAction, TimedStep};
use crate::base::time::SimTime;
use crate::model::{Kind, Object, Pod};
use crate::report::summary::{Gathered, Summary};
use crate::report::timeline::duration;
use crate::store::ApiError;
use crate::trace::{FactKind, StepDone};

/// No more nodes or workloads than this are tried.
pub const MOST: usize = 1000;
/// How long a drain may take.
const DRAIN_TIMEOUT: &str = "15m";

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trying {
    /// Each workload is rolled out anew.
    Rollout,
    /// Each node is drained.
    Drain,
    /// Each node crashes.
    NodeLoss,
    /// Each zone crashes.
    ZoneLoss,
}

/// What became of one trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// `drain of node-1`.
    pub what: String,
    /// Whether all is as it was in the end.
    pub recovers: bool,
    /// In a sentence.
    pub verdict: String,
    /// Why it does not, in lines.
    pub because: Vec<String>,
}

/// How a run ended, to be held against another.
struct Ending {
    length: Duration,
    measures: Measures,
    stuck: Vec<(String, String, Vec<String>)>,
    last_step: Option<StepDone>,
    ended: Ended,
    /// Disruption budgets that allow nothing.
    tight: Vec<String>,
    /// Workloads of which not all pods are of the latest version, by name.
    unrolled: Vec<(String, String)>,
}

/// Tries workloads, nodes or zones in turn, [`MOST`] of them. The last of the results tells when there were more.
///
/// # Errors
/// A cluster that the API server refuses.
pub fn verify(plan: &Plan, trying: Trying) -> Result<Vec<Tried>, Box<ApiError>> {
    let mut heard =
        Heard { measures: Measures::new(plan.options.start.0), gathered: Gathered::default() };
    let mut runner = Runner::new(plan.clone(), &mut |fact| heard.measures.observe(fact))?;
    let played = heard.play(&mut runner);
    let base = heard.clone().ending(played, &runner);
    runner.tidy();
    // A trial's times count from here.
    heard.measures.count_from(runner.sim().now());
    let steps = trials(&runner, trying);
    let all = steps.len();
    let mut tried = on_all_cores(steps.into_iter().take(MOST), |(what, action)| {
        let written = duration(base.length);
        let mut fork =
            runner.fork(TimedStep { at: base.length, written, action, ..TimedStep::default() });
        let mut heard = heard.clone();
        let played = heard.play(&mut fork);
        judge(what, trying, &base, &heard.ending(played, &fork))
    });
    if all > MOST {
        tried.push(Tried {
            what: format!("{} more", all - MOST),
            recovers: true,
            verdict: format!("not tried: no more than {MOST} are"),
            because: Vec::new(),
        });
    }
    Ok(tried)
}

/// What has been heard of a run so far.
#[derive(Clone)]
struct Heard {
    measures: Measures,
    gathered: Gathered,
}

impl Heard {
    /// Runs to the end; answers how it ended, and its last step.
    fn play(&mut self, runner: &mut Runner) -> (Ended, Option<StepDone>) {
        let mut last_step = None;
        let ended = runner.run(&mut |fact| {
            self.measures.observe(fact);
            self.gathered.observe(fact);
            if let FactKind::Step(done) = &fact.kind {
                last_step = Some(StepDone::clone(done));
            }
        });
        (ended, last_step)
    }

    /// What is to be held against another run.
    fn ending(self, (ended, last_step): (Ended, Option<StepDone>), runner: &Runner) -> Ending {
        let (sim, now): (_, SimTime) = (runner.sim(), runner.sim().now());
        let mut measures = self.measures;
        measures.finish(now);
        let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
        let summary = Summary::of(sim.store(), now, &self.gathered, Vec::new(), &blocked);
        let stuck = summary.stuck.into_iter().map(|e| (e.object, e.state, e.causes)).collect();
        Ending {
            length: now.since(runner.start()),
            measures,
            stuck,
            last_step,
            ended,
            tight: tight(runner),
            unrolled: unrolled(runner),
        }
    }
}

/// Disruption budgets that allow no disruption at the moment, and why.
fn tight(runner: &Runner) -> Vec<String> {
    let budgets = runner.sim().store().list(Kind::PodDisruptionBudget);
    let mut told: Vec<String> = budgets
        .filter_map(|o| match o {
            Object::PodDisruptionBudget(pdb) => Some((o.reference(), pdb.body.status.as_ref()?)),
            _ => None,
        })
        .filter(|(_, status)| status.disruptions_allowed.unwrap_or(0) == 0)
        .map(|(of, s)| {
            let name = crate::report::timeline::name(&of);
            let (healthy, desired) =
                (s.current_healthy.unwrap_or(0), s.desired_healthy.unwrap_or(0));
            format!("{name} allows no disruption: {healthy} healthy pods, {desired} must be")
        })
        .collect();
    told.sort();
    told
}

/// Workloads of which not all pods are of the latest version, and how many are.
fn unrolled(runner: &Runner) -> Vec<(String, String)> {
    let or = |n: Option<i32>| n.unwrap_or(0);
    let store = runner.sim().store();
    let standing = |object: &Object| match object {
        Object::Deployment(d) => {
            let (wanted, status) = (d.spec.wire.replicas.unwrap_or(1), &d.status);
            let (updated, all) = (or(status.updated_replicas), or(status.replicas));
            Some((wanted, updated.min(or(status.available_replicas)), all > wanted))
        }
        Object::StatefulSet(s) => {
            let (wanted, status) = (s.spec.wire.replicas.unwrap_or(1), &s.status);
            let same = status.current_revision == status.update_revision;
            let updated = if same { wanted } else { or(status.updated_replicas) };
            Some((wanted, updated, false))
        }
        Object::DaemonSet(d) => {
            let status = &d.status;
            Some((status.desired_number_scheduled, or(status.updated_number_scheduled), false))
        }
        _ => None,
    };
    let mut found = Vec::new();
    for object in ROLLED_OUT.iter().flat_map(|k| store.list(*k)) {
        let Some((wanted, updated, more)) = standing(object) else { continue };
        if updated < wanted || more {
            let name = crate::report::timeline::name(&object.reference());
            found.push((name, format!("{updated} of {wanted} pods are of the new version")));
        }
    }
    found.sort();
    found
}

/// What there is to be tried.
fn trials(runner: &Runner, trying: Trying) -> Vec<(String, StepAction)> {
    let store = runner.sim().store();
    let mut nodes: Vec<&Object> = store.list(Kind::Node).collect();
    nodes.sort_by_key(|o| o.key());
    let names = nodes.iter().map(|n| n.meta().name.to_string());
    match trying {
        Trying::Rollout => {
            let mut all: Vec<&Object> = ROLLED_OUT.iter().flat_map(|k| store.list(*k)).collect();
            all.sort_by_key(|o| o.reference());
            let restart = |o: &&Object| {
                let (kind, meta) = (o.kind().singular(), o.meta());
                let line =
                    format!("rollout restart {kind}/{} -n {}", meta.name, meta.namespace);
                let what = crate::report::timeline::name(&o.reference());
                (format!("rollout of {what}"), StepAction::Kubectl(line))
            };
            all.iter().map(restart).collect()
        }
        Trying::Drain => names
            .map(|n| {
                let line = format!(
                    "drain {n} --ignore-daemonsets --delete-emptydir-data --force --timeout={DRAIN_TIMEOUT}"
                );
                (format!("drain of {n}"), StepAction::Kubectl(line))
            })
            .collect(),
        Trying::NodeLoss => {
            names.map(|n| (format!("loss of {n}"), StepAction::StopNode(n))).collect()
        }
        Trying::ZoneLoss => {
            let zone = |o: &&Object| o.meta().labels.get("topology.kubernetes.io/zone").cloned();
            let zones: BTreeSet<_> = nodes.iter().filter_map(zone).collect();
            let stop = |z: crate::base::Str| {
                let fault = super::runner::Fault::StopZone(z.to_string());
                (format!("loss of zone {z}"), StepAction::Fault(fault))
            };
            zones.into_iter().map(stop).collect()
        }
    }
}

fn judge(what: String, trying: Trying, base: &Ending, after: &Ending) -> Tried {
    let known: BTreeSet<&str> = base.stuck.iter().map(|(object, ..)| object.as_str()).collect();
    let mut because = Vec::new();
    if let Some(step) = after.last_step.as_ref().filter(|s| s.exit_code != 0) {
        let mut said: Vec<&str> = step.stderr.lines().filter(|l| l.contains("error")).collect();
        said.dedup();
        because.extend(said.iter().take(2).map(|l| (*l).to_owned()));
        if step.stderr.contains("disruption budget") {
            because.extend(after.tight.iter().cloned());
        }
    }
    let refused = !because.is_empty();
    let mut waits = false;
    for (object, state, causes) in &after.stuck {
        if known.contains(object.as_str()) {
            continue;
        }
        waits = true;
        because.push(format!("{object}: {state}"));
        because.extend(causes.iter().map(|c| format!("  {c}")));
    }
    let before: BTreeSet<&str> = base.unrolled.iter().map(|(name, _)| name.as_str()).collect();
    for (name, how) in after.unrolled.iter().filter(|(n, _)| !before.contains(n.as_str())) {
        if trying == Trying::Rollout {
            waits = true;
            because.push(format!("{name}: {how}"));
            let pending = after.measures.pending.iter();
            because.extend(pending.map(|(pod, why)| format!("  {pod} is Pending: {why}")));
        }
    }
    let down = |w: &Workload| !w.downtime.is_zero();
    let downtime = after.measures.workloads.iter().filter(|(_, w)| down(w));
    let downtime: Vec<String> = downtime
        .map(|(name, w)| format!("{name} has no ready pod for {}", duration(w.downtime)))
        .collect();
    let recovers = !refused && !waits;
    let length = duration(after.length.saturating_sub(base.length));
    let verdict = match (recovers, downtime.is_empty()) {
        (true, true) => "everything is as it was in the end, and served all the while".to_owned(),
        (true, false) => format!("it recovers, but {}", downtime.join(", ")),
        (false, _) if refused => "it can never finish".to_owned(),
        (false, _) => {
            let never = match (trying, after.ended) {
                (_, Ended::Limit) => format!("it has not recovered after {length}"),
                (Trying::Rollout, _) => "it can never finish".to_owned(),
                _ => "it never recovers".to_owned(),
            };
            match downtime.is_empty() {
                true => never,
                false => format!("{never}, and {}", downtime.join(", ")),
            }
        }
    };
    Tried { what, recovers: recovers && downtime.is_empty(), verdict, because }
}

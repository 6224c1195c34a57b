//! What a DaemonSet's controller is to do: which pods to make and delete, what status to write.
//!
//! Follows `pkg/controller/daemon/daemon_controller.go` (`podsShouldBeOnNode`,
//! `updateDaemonSetStatus`) and `update.go` (`rollingUpdate`).

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::nodes::{self, Fit};
use crate::base::backoff::Backoff;
use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::controllers::scaled::{ScaleError, scaled};
use crate::model::wire::apps::{DaemonSetStatus, RollingUpdateDaemonSet};
use crate::model::{DaemonSet, Node, Phase, Pod};

/// The label with the hash of a pod's revision (`apps.DefaultDaemonSetUniqueLabelKey`).
pub const HASH_LABEL: &str = "controller-revision-hash";
/// The label with the template's generation (`extensions.DaemonSetTemplateGenerationKey`).
pub const GENERATION_LABEL: &str = "pod-template-generation";
/// The annotation of a set with it (`apps.DeprecatedTemplateGeneration`).
const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";

/// How long failed pods of one node wait for their replacement (`NewDaemonSetsController`'s
/// `failedPodsBackoff` in `cmd/kube-controller-manager/app/apps.go`).
pub const FAILED_POD_BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(15 * 60) };

/// A node and whether the set's pods should run there.
pub type Candidate = (Arc<Node>, Fit);

/// A node's back-off: how often its pods have failed, and when last.
pub type Failures = Map<Str, (u32, SimTime)>;

/// The pods of a set by the node that they are on or made for.
#[derive(Clone, Debug, Default)]
pub struct ByNode {
    pods: Map<Str, SmallVec<[Arc<Pod>; 1]>>,
    /// The nodes in the order in which they came up.
    order: Vec<Str>,
}

impl ByNode {
    /// Sorts pods to nodes; those that have ended and are being deleted are no longer counted
    /// (`getNodesToDaemonPods`).
    pub fn of(pods: &[Arc<Pod>]) -> Self {
        let mut this = Self::default();
        let mut crowded = Vec::new();
        for pod in pods {
            if pod.is_terminal() && pod.meta.is_terminating() {
                continue;
            }
            let Some(node) = nodes::target(pod) else { continue };
            let list = this.pods.entry(node.clone()).or_default();
            match list.len() {
                0 => this.order.push(node),
                1 => crowded.push(node),
                _ => {}
            }
            list.push(pod.clone());
        }
        for node in crowded {
            let pods = this.pods.get_mut(&node).expect("it was just there");
            pods.sort_by_key(|p| oldest_first(p));
        }
        this
    }

    /// The pods of a node, bound ones first, the oldest first.
    pub fn on(&self, node: &str) -> &[Arc<Pod>] {
        self.pods.get(node).map(SmallVec::as_slice).unwrap_or_default()
    }

    /// The nodes with pods that are not among `nodes`, in the order in which they came up.
    fn beyond<'a>(&'a self, nodes: &'a [Candidate]) -> impl Iterator<Item = &'a Str> {
        let there = nodes.iter().filter(|(n, _)| self.pods.contains_key(&n.meta.name)).count();
        let mut known: crate::base::Set<&Str> = crate::base::Set::default();
        // Mostly there are none.
        let left = if there == self.order.len() { &[] } else { &self.order[..] };
        if !left.is_empty() {
            known.extend(nodes.iter().map(|(n, _)| &n.meta.name));
        }
        left.iter().filter(move |n| !known.contains(n))
    }
}

/// `podByCreationTimestampAndPhase`.
fn oldest_first(pod: &Pod) -> (bool, SimTime, Str) {
    (pod.node.is_none(), pod.meta.created.trunc_secs(), pod.meta.name.clone())
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Nodes that need a pod.
    pub create: Vec<Str>,
    /// Pods to delete.
    pub delete: Vec<Arc<Pod>>,
    /// Of these, the ones that have ended, each with its node.
    pub ended: Vec<(Arc<Pod>, Str)>,
    /// When a failed pod may be replaced that may not be yet.
    pub again_at: Option<SimTime>,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The set.
    pub set: &'a DaemonSet,
    /// Every node.
    pub nodes: &'a [Candidate],
    /// The set's pods.
    pub pods: &'a ByNode,
    /// The hash of the wanted revision.
    pub hash: &'a str,
    /// Now.
    pub now: SimTime,
}

impl Situation<'_> {
    fn is_updated(&self, pod: &Pod) -> bool {
        let labels = &pod.meta.labels;
        let own = |label: &str| labels.get(label).map(Str::as_str);
        !self.hash.is_empty() && own(HASH_LABEL) == Some(self.hash)
            || generation(self.set)
                .is_some_and(|n| own(GENERATION_LABEL) == Some(n.to_string().as_str()))
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pod.is_available(min_ready_seconds(self.set), self.now)
    }

    /// `manage`: what the nodes themselves ask for.
    pub fn manage(&self, failures: &Failures) -> Plan {
        let mut plan = Plan::default();
        for (node, fit) in self.nodes {
            self.manage_node(&node.meta.name, *fit, failures, &mut plan);
        }
        // Unscheduled pods of nodes that are gone: nobody else would delete them.
        for node in self.pods.beyond(self.nodes) {
            plan.delete.extend(self.pods.on(node).iter().filter(|p| p.node.is_none()).cloned());
        }
        plan
    }

    /// `podsShouldBeOnNode`.
    fn manage_node(&self, node: &Str, fit: Fit, failures: &Failures, plan: &mut Plan) {
        let pods = self.pods.on(node);
        if fit.should_run && pods.is_empty() {
            plan.create.push(node.clone());
        } else if fit.should_continue {
            let mut running = Vec::new();
            for pod in pods.iter().filter(|p| !p.meta.is_terminating()) {
                if !pod.is_terminal() {
                    running.push(pod);
                    continue;
                }
                let delay = failures.get(node).and_then(|f| backs_off(*f, self.now));
                if let (Phase::Failed, Some(delay)) = (pod.status.phase, delay) {
                    let at = self.now + delay;
                    plan.again_at = Some(plan.again_at.map_or(at, |t| t.min(at)));
                    continue;
                }
                plan.delete.push(pod.clone());
                plan.ended.push((pod.clone(), node.clone()));
            }
            self.thin_out(node, fit, &running, plan);
        } else {
            plan.delete.extend(pods.iter().filter(|p| !p.meta.is_terminating()).cloned());
        }
    }

    /// Leaves one running pod on a node, or while surging an old and a new one.
    fn thin_out(&self, node: &Str, fit: Fit, running: &[&Arc<Pod>], plan: &mut Plan) {
        if !allows_surge(self.set) {
            plan.delete.extend(running.iter().skip(1).map(|p| (*p).clone()));
            return;
        }
        if running.len() <= 1 {
            if running.is_empty() && fit.should_run {
                plan.create.push(node.clone());
            }
            return;
        }
        let (mut new, mut old) = (None, None);
        for pod in running {
            let is_new = pod.meta.labels.get(HASH_LABEL).map(Str::as_str) == Some(self.hash);
            let place = if is_new { &mut new } else { &mut old };
            if place.is_none() {
                *place = Some(*pod);
            } else {
                plan.delete.push((*pod).clone());
            }
        }
        if let (Some(new), Some(old)) = (new, old)
            && (!old.is_ready() || self.is_available(new))
        {
            plan.delete.push(old.clone());
        }
    }

    /// `rollingUpdate`: which old pods go next, and where new ones come beside them.
    ///
    /// # Errors
    /// A `maxSurge` or `maxUnavailable` that is no percentage.
    pub fn roll(&self) -> Result<Plan, ScaleError> {
        let wanted = self.nodes.iter().filter(|(_, fit)| fit.should_run).count();
        let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
        let (surge, mut unavailable) = (surge(self.set, wanted)?, unavailable(self.set, wanted)?);
        if wanted > 0 && unavailable == 0 && surge == 0 {
            unavailable = 1;
        }
        let count = |n: i32| usize::try_from(n).unwrap_or(0);
        Ok(match surge {
            0 => self.roll_down_first(count(unavailable)),
            _ => self.roll_up_first(count(surge), count(wanted)),
        })
    }

    /// Every node with pods, and those that should have some; with its fit where it is known.
    fn rolled_nodes(&self) -> impl Iterator<Item = (&Str, Option<Fit>)> {
        let there = self.nodes.iter().filter_map(|(node, fit)| {
            let name = &node.meta.name;
            (fit.should_run || !self.pods.on(name).is_empty()).then_some((name, Some(*fit)))
        });
        let gone = self.pods.beyond(self.nodes).map(|n| (n, None));
        there.chain(gone)
    }

    /// The new and the old pod of a node; `None` where there are several of a kind
    /// (`findUpdatedPodsOnNode`).
    #[expect(clippy::type_complexity, reason = "a pair of pods, each of which may be missing")]
    fn pair(&self, node: &str) -> Option<(Option<&Arc<Pod>>, Option<&Arc<Pod>>)> {
        let (mut new, mut old) = (None, None);
        for pod in self.pods.on(node).iter().filter(|p| !p.meta.is_terminating()) {
            let place = if self.is_updated(pod) { &mut new } else { &mut old };
            if place.replace(pod).is_some() {
                return None;
            }
        }
        Some((new, old))
    }

    /// Without a surge old pods are deleted, as many as may be missing.
    fn roll_down_first(&self, most_unavailable: usize) -> Plan {
        let (mut unavailable, mut replaced, mut candidates) = (0, Vec::new(), Vec::new());
        for (node, _) in self.rolled_nodes() {
            match self.pair(node) {
                None | Some((None, None) | (Some(_), Some(_))) => unavailable += 1,
                Some((Some(new), None)) => unavailable += usize::from(!self.is_available(new)),
                Some((None, Some(old))) if !self.is_available(old) => {
                    replaced.push(old.clone());
                    unavailable += 1;
                }
                Some((None, Some(old))) if unavailable < most_unavailable => {
                    candidates.push(old.clone());
                }
                Some((None, Some(_))) => {}
            }
        }
        candidates.truncate(most_unavailable.saturating_sub(unavailable));
        replaced.extend(candidates);
        Plan { delete: replaced, ..Plan::default() }
    }

    /// With a surge new pods come first, and an old one goes once its node's new one is available.
    fn roll_up_first(&self, most_surge: usize, wanted: usize) -> Plan {
        let (mut plan, mut surging, mut available) = (Plan::default(), 0, 0);
        let (mut misplaced, mut candidates) = (Vec::new(), Vec::new());
        for (node, fit) in self.rolled_nodes() {
            let Some((new, old)) = self.pair(node) else {
                surging += 1;
                continue;
            };
            available += usize::from(old.or(new).is_some_and(|p| self.is_available(p)));
            let Some(old) = old else { continue };
            if let Some(new) = new {
                if self.is_available(new) {
                    plan.delete.push(old.clone());
                } else {
                    surging += 1;
                }
                continue;
            }
            let should_run = fit.is_some_and(|f| f.should_run);
            match (self.is_available(old), should_run) {
                (false, false) => plan.delete.push(old.clone()),
                (false, true) => plan.create.push(node.clone()),
                (true, false) => misplaced.push(old.clone()),
                (true, true) if surging < most_surge => candidates.push(node.clone()),
                (true, true) => {}
            }
        }
        // Pods on nodes where they no longer belong go only as others become available.
        plan.delete.extend(misplaced.into_iter().take(available.saturating_sub(wanted)));
        candidates.truncate(most_surge.saturating_sub(surging));
        plan.create.extend(candidates);
        plan
    }

    /// The status that shows these pods; the observed generation stays (`updateDaemonSetStatus`).
    pub fn status(&self) -> DaemonSetStatus {
        let mut status = self.set.status.clone();
        let (mut desired, mut current, mut misscheduled) = (0, 0, 0);
        let (mut ready, mut updated, mut available) = (0, 0, 0);
        for (node, fit) in self.nodes {
            let first = self.pods.on(&node.meta.name).first();
            if !fit.should_run {
                misscheduled += i32::from(first.is_some());
                continue;
            }
            desired += 1;
            let Some(pod) = first else { continue };
            current += 1;
            ready += i32::from(pod.is_ready());
            available += i32::from(self.is_available(pod));
            updated += i32::from(self.is_updated(pod));
        }
        status.desired_number_scheduled = desired;
        status.current_number_scheduled = current;
        status.number_misscheduled = misscheduled;
        status.number_ready = ready;
        status.updated_number_scheduled = Some(updated);
        status.number_available = Some(available);
        status.number_unavailable = Some(desired - available);
        status
    }
}

/// How long a node whose pods have failed still has to wait: the whole delay, as upstream counts it
/// anew (`IsInBackOffSinceUpdate`, `Get`); `None` once the time has come.
fn backs_off((failures, last): (u32, SimTime), now: SimTime) -> Option<Duration> {
    let delay = FAILED_POD_BACKOFF.delay(failures);
    (now.since(last) < delay).then_some(delay)
}

/// The failures of a node with one more (`Next`): after twice the longest delay they count anew.
pub fn one_more(before: Option<(u32, SimTime)>, now: SimTime) -> (u32, SimTime) {
    let counted = before.filter(|(_, last)| now.since(*last) <= FAILED_POD_BACKOFF.limit * 2);
    (counted.map_or(0, |(n, _)| n).saturating_add(1), now)
}

/// `minReadySeconds` of a set.
pub fn min_ready_seconds(set: &DaemonSet) -> u32 {
    set.spec.wire.min_ready_seconds.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// The template's generation; `None` where the annotation is missing or no number
/// (`GetTemplateGeneration`).
pub fn generation(set: &DaemonSet) -> Option<i64> {
    set.meta.annotations.get(GENERATION_ANNOTATION)?.parse().ok()
}

/// Whether old pods are replaced by the controller.
pub fn is_rolling(set: &DaemonSet) -> bool {
    let strategy = set.spec.wire.update_strategy.as_ref().and_then(|s| s.type_.as_deref());
    strategy.unwrap_or("RollingUpdate") == "RollingUpdate"
}

fn rolling(set: &DaemonSet) -> Option<&RollingUpdateDaemonSet> {
    let strategy = set.spec.wire.update_strategy.as_ref().filter(|_| is_rolling(set))?;
    strategy.rolling_update.as_ref()
}

/// `SurgeCount`.
fn surge(set: &DaemonSet, wanted: i32) -> Result<i32, ScaleError> {
    let surge = rolling(set).and_then(|r| r.max_surge.as_ref());
    surge.map_or(Ok(0), |s| scaled(s, wanted, true))
}

/// `UnavailableCount`.
fn unavailable(set: &DaemonSet, wanted: i32) -> Result<i32, ScaleError> {
    let unavailable = rolling(set).and_then(|r| r.max_unavailable.as_ref());
    unavailable.map_or(Ok(0), |u| scaled(u, wanted, true))
}

/// Whether a node may have an old and a new pod at once (`AllowsSurge`).
fn allows_surge(set: &DaemonSet) -> bool {
    surge(set, 1).is_ok_and(|n| n > 0)
}

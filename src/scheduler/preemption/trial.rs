//! A dry run on one node: who would have to go for a pod to fit.
//!
//! Follows `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`
//! (`SelectVictimsOnNode`, `filterPodsWithPDBViolation`).

use std::cmp::Reverse;
use std::sync::Arc;

use super::{Candidate, Tried, Victims};
use crate::base::time::SimTime;
use crate::model::Uid;
use crate::scheduler::config::Profile;
use crate::scheduler::cycle::Cluster;
use crate::scheduler::node::{NodeInfo, Placed};
use crate::scheduler::plugins::View;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::search::{Beside, adjust, filter_node};
use crate::scheduler::state::{Code, CycleState, Refusal, Status};
use crate::scheduler::world::Budget;

/// One pod's attempt at other pods' room.
pub(super) struct Trial<'a> {
    view: View<'a>,
    profile: &'a Profile,
    beside: Beside<'a>,
    state: &'a mut CycleState,
}

impl<'a> Trial<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        profile: &'a Profile,
        pod: &'a PodInfo,
        state: &'a mut CycleState,
    ) -> Self {
        let view = View::new(cluster, &profile.args, pod);
        Self { view, profile, beside: Beside::of(cluster, pod), state }
    }

    /// The pods that would have to go from a node (`SelectVictimsOnNode`).
    pub(super) fn on(&mut self, slot: u32) -> Tried {
        let node = self.view.snapshot.node(slot);
        if !node.pods.iter().any(|p| self.is_lower(p)) {
            // Said without a copy of the node: of many pods of one priority none can make room for another.
            let none = Refusal::unresolvable("No preemption victims found for incoming pod");
            return Err(Status { plugin: None, refusal: none });
        }
        let mark = self.state.mark();
        let mut copy = node.clone();
        let mut gone: Vec<Arc<PodInfo>> = Vec::new();
        let result = self.select(&mut copy, &mut gone);
        for pod in &gone {
            adjust(&self.view, self.profile, self.state, pod, node, 1);
        }
        self.state.restore(mark);
        result.map(|victims| Candidate { rank: victims.rank(), victims })
    }

    fn is_lower(&self, placed: &Placed) -> bool {
        placed.info.priority() < self.view.pod.priority()
    }

    fn select(
        &mut self,
        node: &mut NodeInfo,
        gone: &mut Vec<Arc<PodInfo>>,
    ) -> Result<Victims, Status> {
        let mut potential: Vec<Arc<PodInfo>> =
            node.pods.iter().filter(|p| self.is_lower(p)).map(|p| p.info.clone()).collect();
        for pod in &potential {
            self.take(node, pod, gone);
        }
        filter_node(&self.view, self.profile, self.state, node, self.beside)?;
        potential.sort_by_key(|p| (Reverse(p.priority()), started(p)));
        let (protected, free) = self.split_by_budget(potential);
        let mut victims = Vec::new();
        for pod in &protected {
            self.reprieve(node, pod, gone, &mut victims);
        }
        let violations = victims.len();
        for pod in &free {
            self.reprieve(node, pod, gone, &mut victims);
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

    fn take(&mut self, node: &mut NodeInfo, pod: &Arc<PodInfo>, gone: &mut Vec<Arc<PodInfo>>) {
        node.remove_pod(pod.uid());
        adjust(&self.view, self.profile, self.state, pod, node, -1);
        gone.push(pod.clone());
    }

    /// Puts a pod back, if the cycle's pod still fits beside it; else it is a victim.
    fn reprieve(
        &mut self,
        node: &mut NodeInfo,
        pod: &Arc<PodInfo>,
        gone: &mut Vec<Arc<PodInfo>>,
        victims: &mut Vec<Arc<PodInfo>>,
    ) {
        let uid: Uid = pod.uid();
        node.add_pod(Placed::new(pod.clone(), None));
        adjust(&self.view, self.profile, self.state, pod, node, 1);
        gone.retain(|p| p.uid() != uid);
        if filter_node(&self.view, self.profile, self.state, node, self.beside).is_err() {
            self.take(node, pod, gone);
            victims.push(pod.clone());
        }
    }

    /// Splits off the pods whose disruption a budget does not allow, in order
    /// (`filterPodsWithPDBViolation`).
    fn split_by_budget(&self, pods: Vec<Arc<PodInfo>>) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
        let allowed =
            |b: &Budget| b.body.status.as_ref().and_then(|s| s.disruptions_allowed).unwrap_or(0);
        let budgets = || self.view.world.budgets();
        let mut left: Vec<i32> = budgets().map(|(b, _)| allowed(b)).collect();
        pods.into_iter().partition(|pod| {
            let mut violates = false;
            for ((budget, selector), left) in budgets().zip(&mut left) {
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

/// Whether the API server has counted the pod's disruption already.
fn is_processed(budget: &Budget, pod: &PodInfo) -> bool {
    let status = budget.body.status.as_ref();
    let disrupted = status.and_then(|s| s.disrupted_pods.as_ref());
    disrupted.is_some_and(|d| d.contains_key(pod.name().as_str()))
}

/// When a pod started; one that has not counts as the latest (`GetPodStartTime`).
pub(super) fn started(pod: &PodInfo) -> SimTime {
    pod.pod.status.start_time.unwrap_or(SimTime::MAX)
}

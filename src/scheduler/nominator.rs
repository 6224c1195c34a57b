//! Pods that wait with a node set aside for them.
//!
//! Follows `pkg/scheduler/backend/queue/nominator.go`. The nomination is known here before the pod's
//! status shows it.

use std::sync::Arc;

use super::journal::Journal;
use super::pod::PodInfo;
use crate::base::{Map, Str};
use crate::model::Uid;

/// Nominated pods by node.
#[derive(Clone, Debug, Default)]
pub struct Nominator {
    by_node: Map<Str, Vec<Arc<PodInfo>>>,
    node_of: Map<Uid, Str>,
    changes: Journal<Str>,
}

impl Nominator {
    /// Whether no node is set aside.
    pub fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    /// Sets a node aside for a pod, in the place of any other. `None` takes the node of the pod's
    /// status; an empty name, or none there, withdraws the nomination.
    pub fn nominate(&mut self, pod: &Arc<PodInfo>, node: Option<&Str>) {
        self.withdraw(pod.uid());
        let node = node.unwrap_or_else(|| pod.nominated());
        if node.is_empty() {
            return;
        }
        self.changes.note(node.clone());
        self.node_of.insert(pod.uid(), node.clone());
        self.by_node.entry(node.clone()).or_default().push(pod.clone());
    }

    /// The pod has changed: a nomination that its status did not show before and does not show now
    /// stays (`UpdateNominatedPod`).
    pub fn update(&mut self, old: &PodInfo, new: &Arc<PodInfo>) {
        let kept = if old.nominated().is_empty() && new.nominated().is_empty() {
            self.node_of.get(&old.uid()).cloned()
        } else {
            None
        };
        self.withdraw(old.uid());
        self.nominate(new, kept.as_ref());
    }

    /// No node is set aside for the pod any more.
    pub fn withdraw(&mut self, pod: Uid) {
        let Some(node) = self.node_of.remove(&pod) else { return };
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|p| p.uid() != pod);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
        self.changes.note(node);
    }

    /// The node set aside for a pod.
    pub fn node_of(&self, pod: Uid) -> Option<&Str> {
        self.node_of.get(&pod)
    }

    /// The pods nominated to a node, in the order of their nomination.
    pub fn on(&self, node: &str) -> &[Arc<PodInfo>] {
        self.by_node.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// The nodes whose nominations have changed.
    pub fn changes(&self) -> &Journal<Str> {
        &self.changes
    }
}

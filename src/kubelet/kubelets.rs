//! All node agents together.

use super::agent::Agent;
use super::images::ImageModel;
use super::node::NodeState;
use super::shared::Shared;
use crate::base::time::SimTime;
use crate::engine::{Answer, ComponentId, Cx, WakeReason};
use crate::model::{Kind, Node, Object, Slot};
use crate::store::Logs;
use crate::trace::Change;

/// The owner of all node agents and of what they share.
///
/// The agents are driven by [`ComponentId`]: `Kubelet(slot)` is the agent of the node in that slot,
/// `Network` is what they hear together. An event of one may change when another wants to be woken:
/// after every event the run loop re-arms what [`Kubelets::take_rearmed`] names.
#[derive(Debug)]
pub struct Kubelets {
    agents: Vec<Option<Box<Agent>>>,
    shared: Shared,
    rearmed: Vec<ComponentId>,
}

impl Default for Kubelets {
    fn default() -> Self {
        Self::new(ImageModel::default())
    }
}

impl Kubelets {
    /// No agents yet: one is made for every node that is heard of.
    pub fn new(images: ImageModel) -> Self {
        Self { agents: Vec::new(), shared: Shared::new(images), rearmed: Vec::new() }
    }

    /// News has reached an agent, or all of them.
    pub fn sync(&mut self, id: ComponentId, cx: &mut Cx<'_>) {
        match id {
            ComponentId::Network => self.hear(cx),
            _ => self.with(id, cx, |agent, shared, cx| agent.sync(shared, cx)),
        }
    }

    /// The time has come for which an agent asked.
    pub fn wake(&mut self, id: ComponentId, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, shared, cx| agent.wake(shared, cx));
    }

    /// A reply to a request of an agent.
    pub fn reply(&mut self, id: ComponentId, answer: Answer, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, shared, cx| agent.reply(&answer, shared, cx));
    }

    /// The node of that agent crashes, with everything that runs on it.
    pub fn stop_node(&mut self, id: ComponentId, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, shared, cx| agent.crash(shared, cx));
    }

    /// The node of that agent boots.
    pub fn start_node(&mut self, id: ComponentId, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, _, cx| agent.boot(cx));
    }

    /// When an agent wants to be woken next, and why.
    pub fn next_wake(&self, id: ComponentId) -> Option<(SimTime, WakeReason)> {
        let ComponentId::Kubelet(slot) = id else { return None };
        self.agents.get(slot.index())?.as_ref()?.next_wake()
    }

    /// The components whose next wake may have changed since the last call.
    pub fn take_rearmed(&mut self) -> std::vec::Drain<'_, ComponentId> {
        self.rearmed.drain(..)
    }

    /// Where the cursors on the logs of kinds stand, for the logs to be trimmed.
    pub fn positions(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.shared.positions()
    }

    /// Drops the entries of nodes' logs that their agents have read.
    pub fn trim(&self, logs: &mut Logs) {
        for agent in self.agents.iter().flatten() {
            logs.trim_node(&agent.node.name, agent.position());
        }
    }

    fn with(
        &mut self,
        id: ComponentId,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut Agent, &mut Shared, &mut Cx<'_>),
    ) {
        let ComponentId::Kubelet(slot) = id else { return };
        let Some(Some(agent)) = self.agents.get_mut(slot.index()) else { return };
        f(agent, &mut self.shared, cx);
        self.rearmed.push(id);
    }

    fn hear(&mut self, cx: &mut Cx<'_>) {
        let mut nodes: Vec<(Slot, Change, Node)> = Vec::new();
        self.shared.hear(cx, |kind, delta| {
            if kind == Kind::Node
                && delta.change != Change::Modified
                && let Object::Node(node) = delta.new
            {
                nodes.push((delta.slot, delta.change, Node::clone(node)));
            }
        });
        for (slot, change, node) in nodes {
            if self.agents.len() <= slot.index() {
                self.agents.resize_with(slot.index() + 1, || None);
            }
            match change {
                Change::Added => {
                    let state = NodeState::new(&node, slot, cx.rng, cx.now);
                    self.agents[slot.index()] = Some(Box::new(Agent::new(state)));
                    // Pods may have been bound before the node was heard of.
                    let id = ComponentId::Kubelet(slot);
                    let me = std::mem::replace(&mut cx.me, id);
                    self.with(id, cx, |agent, shared, cx| agent.sync(shared, cx));
                    cx.me = me;
                }
                Change::Deleted | Change::Modified => self.agents[slot.index()] = None,
            }
        }
    }
}

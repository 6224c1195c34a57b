//! All node agents together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::agent::Agent;
use super::images::ImageModel;
use super::node::NodeState;
use super::services::Services;
use super::shared::Shared;
use super::told::ImageBehavior;
use super::volumes::Changed;
use super::worker::Worker;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::Asked;
use crate::engine::{Answer, ComponentId, Cx, WakeReason};
use crate::model::{Kind, Node, Object, Pod, Slot};
use crate::trace::Change;

/// The owner of all node agents and of what they share.
///
/// The agents are driven by [`ComponentId`]: `Kubelet(slot)` is the agent of the node in that slot,
/// `Network` is what they hear together. An event of one may change when another wants to be woken:
/// after every event the run loop re-arms what [`Kubelets::take_rearmed`] names.
#[derive(Clone, Debug)]
pub struct Kubelets {
    /// Shared with copies of the simulation until one of them works on it.
    agents: Vec<Option<Arc<Agent>>>,
    shared: Shared,
    services: Services,
    rearmed: Vec<ComponentId>,
    /// Machines whose node was deleted, by its name.
    departed: BTreeMap<Str, Arc<Agent>>,
    /// How many runs of containers the machines have had that stood in a slot before.
    runs: BTreeMap<Slot, u32>,
}

/// A change of the network may lead to another; so many in a row are followed within one event.
const NETWORK_ROUNDS: usize = 16;

impl Default for Kubelets {
    fn default() -> Self {
        Self::new(ImageModel::default())
    }
}

impl Kubelets {
    /// Where the program of a container stands, for people: "blocked at `sleep 3`, line 1". `None` for one
    /// that does not run.
    pub fn blocked_on(&self, pod: &Pod, container: &str) -> Option<String> {
        let mut workers = self.agents.iter().flatten().filter_map(|a| a.worker(pod.meta.uid));
        workers.find_map(|w| w.blocked_on(container))
    }

    /// What a container asked of the network, in its present run or its last, the latest question last.
    pub fn asked(&self, pod: &Pod, container: &str) -> &[Asked] {
        let mut workers = self.agents.iter().flatten().filter_map(|a| a.worker(pod.meta.uid));
        workers.find_map(|w| Some(w.asked(container)).filter(|a| !a.is_empty())).unwrap_or_default()
    }

    /// The ports on which a pod's containers listen.
    pub fn listens_on(&self, pod: &Pod) -> Vec<u16> {
        let mut workers = self.agents.iter().flatten().filter_map(|a| a.worker(pod.meta.uid));
        workers.next().map(Worker::listens_on).unwrap_or_default()
    }

    /// No agents yet: one is made for every node that is heard of.
    pub fn new(images: ImageModel) -> Self {
        Self {
            agents: Vec::new(),
            shared: Shared::new(images),
            services: Services::default(),
            rearmed: Vec::new(),
            departed: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
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

    /// Where the cursor on a node's log stands: that of the agent of the node in `slot`, if it bears that
    /// name, or of the machine of a deleted node.
    pub fn position_on(&self, node: &Str, slot: Option<Slot>) -> Option<u64> {
        let agent = slot.and_then(|slot| self.agents.get(slot.index())?.as_ref());
        let agent = agent.filter(|a| a.node.name == *node).or_else(|| self.departed.get(node));
        agent.map(|a| a.position())
    }

    /// What is assumed of images and registries.
    pub(super) fn image_model(&mut self) -> &mut ImageModel {
        &mut self.shared.image_model
    }

    /// The cluster's DNS answers, or not.
    pub(super) fn network_is(&mut self, up: bool, cx: &mut Cx<'_>) {
        self.shared.network_changed |= self.shared.network.dns_up != up;
        self.shared.network.dns_up = up;
        self.tell_network_changes(cx);
    }

    /// What is told of the programs of images, by no pod of its own.
    pub fn set_behaviors(&mut self, behaviors: Vec<ImageBehavior>) {
        self.shared.behaviors = behaviors;
    }

    /// Whether there is an agent of that id.
    pub fn has(&self, id: ComponentId) -> bool {
        let ComponentId::Kubelet(slot) = id else { return false };
        self.agents.get(slot.index()).is_some_and(Option::is_some)
    }

    /// The agent of that id.
    pub(super) fn agent_mut(&mut self, id: ComponentId) -> Option<&mut Agent> {
        let ComponentId::Kubelet(slot) = id else { return None };
        self.agents.get_mut(slot.index())?.as_mut().map(Arc::make_mut)
    }

    pub(super) fn with(
        &mut self,
        id: ComponentId,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut Agent, &mut Shared, &mut Cx<'_>),
    ) {
        let ComponentId::Kubelet(slot) = id else { return };
        let Some(Some(agent)) = self.agents.get_mut(slot.index()) else { return };
        f(Arc::make_mut(agent), &mut self.shared, cx);
        self.rearmed.push(id);
        self.tell_network_changes(cx);
    }

    /// Lets programs go on that wait for the network, where it has changed.
    fn tell_network_changes(&mut self, cx: &mut Cx<'_>) {
        for _ in 0..NETWORK_ROUNDS {
            if !std::mem::take(&mut self.shared.network_changed) {
                return;
            }
            for slot in std::mem::take(&mut self.shared.network_waiters) {
                self.visit(slot, cx, |agent, shared, cx| agent.network_changed(shared, cx));
            }
        }
    }

    /// Lets the agent in a slot do something on behalf of news that all hear.
    fn visit(
        &mut self,
        slot: Slot,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut Agent, &mut Shared, &mut Cx<'_>),
    ) {
        let Some(Some(agent)) = self.agents.get_mut(slot.index()) else { return };
        let id = ComponentId::Kubelet(slot);
        let me = std::mem::replace(&mut cx.me, id);
        f(Arc::make_mut(agent), &mut self.shared, cx);
        cx.me = me;
        self.rearmed.push(id);
    }

    /// What all agents hear together.
    fn hear(&mut self, cx: &mut Cx<'_>) {
        let mut nodes: Vec<(Slot, Option<Node>)> = Vec::new();
        let mut sources: Vec<Changed> = Vec::new();
        let services = &mut self.services;
        self.shared.hear(cx, |kind, delta| match delta.new {
            Object::Node(node) => match delta.change {
                Change::Added => nodes.push((delta.slot, Some(Node::clone(node)))),
                Change::Deleted => nodes.push((delta.slot, None)),
                Change::Modified => {}
            },
            Object::ConfigMap(map) if delta.change == Change::Modified => {
                sources.push(Changed::Map(map.meta.key()));
            }
            Object::Secret(secret) if delta.change == Change::Modified => {
                sources.push(Changed::Secret(secret.meta.key()));
            }
            Object::Service(service) => services.touch(service.meta.key()),
            Object::EndpointSlice(slice) => {
                services.touch_slice(slice, delta.change == Change::Deleted);
            }
            _ => debug_assert!(kind != Kind::Pod, "pods are heard of by their nodes"),
        });
        for (slot, node) in nodes {
            self.node_came_or_went(slot, node, cx);
        }
        if !sources.is_empty() {
            self.sources_changed(&sources, cx);
        }
        if !self.services.is_settled() {
            let mut network = std::mem::take(&mut self.shared.network);
            self.shared.network_changed |= self.services.settle(&self.shared, &mut network);
            self.shared.network = network;
        }
        self.tell_network_changes(cx);
    }

    fn node_came_or_went(&mut self, slot: Slot, node: Option<Node>, cx: &mut Cx<'_>) {
        if self.agents.len() <= slot.index() {
            self.agents.resize_with(slot.index() + 1, || None);
        }
        let Some(node) = node else {
            // Nobody drives what runs there any more; it counts as switched off.
            self.visit(slot, cx, |agent, shared, cx| agent.crash(shared, cx));
            if let Some(agent) = self.agents[slot.index()].take() {
                self.runs.insert(slot, agent.node.runs());
                self.departed.insert(agent.node.name.clone(), agent);
            }
            return;
        };
        let runs = self.runs.get(&slot).copied().unwrap_or(0);
        let state = NodeState::new(&node, slot, runs, cx);
        self.agents[slot.index()] = Some(match self.departed.remove(&node.meta.name) {
            Some(agent) => Arc::new(Arc::unwrap_or_clone(agent).rejoined(state, cx)),
            None => Arc::new(Agent::new(state)),
        });
        // Pods may have been bound before the node was heard of.
        self.visit(slot, cx, |agent, shared, cx| {
            agent.wake(shared, cx);
            agent.sync(shared, cx);
        });
    }

    /// Objects have changed that volumes may be made from.
    fn sources_changed(&mut self, sources: &[Changed], cx: &mut Cx<'_>) {
        let count = u32::try_from(self.agents.len()).unwrap_or(u32::MAX);
        for slot in (0..count).map(Slot) {
            for changed in sources {
                self.visit(slot, cx, |agent, shared, cx| {
                    agent.volumes_changed(changed, shared, cx);
                });
            }
        }
    }
}

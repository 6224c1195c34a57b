//! What befalls nodes from outside: a cable is cut, memory is used by something that is no pod, a process
//! is killed by hand, a clock goes wrong, the DNS or a registry is away.
//!
//! These stand for causes that no manifest tells of; a run without them is as if this were not here. An
//! agent that is cut off goes on with what it knows: its containers run, its statuses and its lease reach
//! nobody, and it hears of no change. Left out: what is on a node that is cut off can still be reached by
//! pods of other nodes, and its events are recorded.

use std::time::Duration;

use super::agent::Agent;
use super::desk::Desk;
use super::images::ImageModel;
use super::kubelets::Kubelets;
use super::runtime::{Nth, each};
use super::shared::Shared;
use crate::base::time::SimTime;
use crate::container::behavior::Growth;
use crate::engine::{ComponentId, Cx};
use crate::model::Uid;

/// How far the clock of a node is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// So much is it fast.
    pub ahead: Duration,
    /// So much is it slow.
    pub behind: Duration,
}

impl Skew {
    /// What that clock shows at `at`.
    pub(super) fn show(self, at: SimTime) -> SimTime {
        at + self.ahead - self.behind
    }
}

impl Kubelets {
    /// Cuts an agent off from the API server.
    pub fn cut_off(&mut self, id: ComponentId, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, _, cx| agent.cut_off(cx));
    }

    /// Joins an agent to the API server again.
    pub fn reconnect(&mut self, id: ComponentId, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, shared, cx| agent.reconnect(shared, cx));
    }

    /// Lets something beside pods use memory of a node, in place of what did before; `None` ends it.
    pub fn press(&mut self, id: ComponentId, growth: Option<Growth>, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, shared, cx| agent.press(growth, shared, cx));
    }

    /// Sets the clock of a node.
    pub fn set_clock(&mut self, id: ComponentId, skew: Skew, cx: &mut Cx<'_>) {
        self.with(id, cx, |agent, _, _| agent.node.skew = skew);
    }

    /// Signals the process of a container: SIGKILL if `kill`, else the one that its image asks to be stopped
    /// with. `false` where the container does not run.
    pub fn signal(
        &mut self,
        id: ComponentId,
        pod: Uid,
        container: &str,
        kill: bool,
        cx: &mut Cx<'_>,
    ) -> bool {
        let mut done = false;
        self.with(id, cx, |agent, shared, cx| {
            done = agent.signal(pod, container, kill, shared, cx);
        });
        done
    }

    /// Lets the cluster's DNS answer, or not.
    pub fn set_dns(&mut self, up: bool, cx: &mut Cx<'_>) {
        self.network_is(up, cx);
    }

    /// What is assumed of images and registries, to be changed from now on.
    pub fn images_mut(&mut self) -> &mut ImageModel {
        self.image_model()
    }
}

/// The pod that stands for whatever uses memory and is none.
const NO_POD: (Uid, Nth) = (Uid::from_random(0), Nth(0));

impl Agent {
    fn cut_off(&mut self, cx: &mut Cx<'_>) {
        if self.is_up() && !self.cut_off {
            let renewed = self.node.phases.lease_before(cx.now);
            self.send_lease(Some(renewed), cx);
        }
        self.cut_off = true;
    }

    fn reconnect(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.cut_off) && self.is_up() {
            self.send_lease(None, cx);
            self.report_soon(cx.now);
            self.sync(shared, cx);
        }
    }

    fn press(&mut self, growth: Option<Growth>, shared: &mut Shared, cx: &mut Cx<'_>) {
        match growth {
            Some(growth) => self.node.uses.begin(NO_POD.0, NO_POD.1, growth, cx.now),
            None => self.node.uses.end(NO_POD.0, NO_POD.1),
        }
        self.node.uses.changed = false;
        self.watch_memory(shared, cx.now);
    }

    fn signal(
        &mut self,
        pod: Uid,
        container: &str,
        kill: bool,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> bool {
        if !self.is_up() {
            return false;
        }
        let Some(worker) = self.pods.get_mut(&pod).map(|w| &mut w.worker) else { return false };
        let spec = std::sync::Arc::clone(&worker.pod.spec);
        let named = each(&spec).find(|(_, c)| c.name == container);
        let Some((n, _)) = named
            .filter(|(n, _)| worker.actual.current(*n).is_some_and(|run| run.exited().is_none()))
        else {
            return false;
        };
        let mut desk = Desk { cx, node: &mut self.node, shared };
        worker.signal(n, kill, &mut desk);
        self.run(pod, shared, cx);
        true
    }
}

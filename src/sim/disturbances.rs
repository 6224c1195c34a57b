//! What the world does to machines, networks and registries while a cluster runs.

use std::time::Duration;

use super::run::Sim;
use crate::base::Str;
use crate::engine::{ComponentId, Latency};
use crate::kubelet::{Growth, RegistryFault, Skew};
use crate::model::Uid;
use crate::trace::Fact;

impl Sim {
    /// Whether a node's agent is at work: that of a new node is once it has been heard of.
    pub fn has_agent(&self, node: &str) -> bool {
        self.agenda.kubelet(node).is_some_and(|id| self.kubelets.has(id))
    }

    /// Cuts a node off from the API server, or joins it again.
    pub fn cut_off(&mut self, node: &str, cut: bool, f: &mut dyn FnMut(&Fact)) {
        let Some(id) = self.agenda.kubelet(node) else { return };
        self.faults.cut_off(id, cut);
        self.machine(node, f, |kubelets, id, cx| match cut {
            true => kubelets.cut_off(id, cx),
            false => kubelets.reconnect(id, cx),
        });
    }

    /// Lets something that is no pod use memory of a node; `None` ends it.
    pub fn press_memory(&mut self, node: &str, use_: Option<Growth>, f: &mut dyn FnMut(&Fact)) {
        self.machine(node, f, |kubelets, id, cx| kubelets.press(id, use_, cx));
    }

    /// Sets a node's clock.
    pub fn set_clock(&mut self, node: &str, skew: Skew, f: &mut dyn FnMut(&Fact)) {
        self.machine(node, f, |kubelets, id, cx| kubelets.set_clock(id, skew, cx));
    }

    /// Signals the process of a container: SIGKILL, or the signal that its image asks to be stopped with.
    /// `false` where it does not run.
    pub fn signal(
        &mut self,
        node: &str,
        pod: Uid,
        container: &str,
        kill: bool,
        f: &mut dyn FnMut(&Fact),
    ) -> bool {
        let mut done = false;
        self.machine(node, f, |kubelets, id, cx| {
            done = kubelets.signal(id, pod, container, kill, cx);
        });
        done
    }

    /// Lets the cluster's DNS answer, or not.
    pub fn set_dns(&mut self, up: bool, f: &mut dyn FnMut(&Fact)) {
        self.component(ComponentId::Network, f, |kubelets, _, cx| kubelets.set_dns(up, cx));
    }

    /// Adds something that is wrong with a registry.
    pub fn add_registry_fault(&mut self, images: &str, slow: Option<Duration>) {
        let fault = RegistryFault { images: Str::from(images), slow };
        self.kubelets.images_mut().faults.push(fault);
    }

    /// Takes away what [`Sim::add_registry_fault`] added of these.
    pub fn remove_registry_fault(&mut self, images: &str, slow: Option<Duration>) {
        self.kubelets.images_mut().faults.retain(|f| f.images != images || f.slow != slow);
    }

    /// The latencies of the run, to be changed from now on.
    pub fn latency_mut(&mut self) -> &mut Latency {
        &mut self.latency
    }
}

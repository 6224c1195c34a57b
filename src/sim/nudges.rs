//! Who hears of which change, and who is to be woken when.

use crate::base::time::SimTime;
use crate::base::{Map, Str};
use crate::engine::ComponentId;
use crate::model::{Kind, Object, Slot};

/// Which components watch a kind. Node agents watch their own node and the pods bound to it, each by itself.
pub(super) const fn watchers(kind: Kind) -> &'static [ComponentId] {
    use ComponentId::{Controllers, Network, Scheduler};
    match kind {
        Kind::Pod => &[Controllers, Scheduler],
        Kind::Node | Kind::PersistentVolume | Kind::PersistentVolumeClaim | Kind::Service => {
            &[Controllers, Scheduler, Network]
        }
        Kind::EndpointSlice | Kind::ConfigMap | Kind::Secret => &[Controllers, Network],
        Kind::StorageClass
        | Kind::PodDisruptionBudget
        | Kind::Namespace
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::ReplicationController => &[Controllers, Scheduler],
        Kind::Job
        | Kind::CronJob
        | Kind::Endpoints
        | Kind::DaemonSet
        | Kind::Deployment
        | Kind::ControllerRevision
        | Kind::HorizontalPodAutoscaler
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::PriorityClass
        | Kind::ServiceAccount
        | Kind::Inert => &[Controllers],
    }
}

/// When each component was last nudged for, and when it is to be woken.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    singles: [Times; 4],
    kubelets: Vec<Times>,
    /// The slots of nodes by name.
    nodes: Map<Str, Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    nudge: Option<SimTime>,
    wake: Option<SimTime>,
}

impl Agenda {
    /// Notes a nudge; `false` when the component gets one at that time already.
    pub(super) fn nudge(&mut self, id: ComponentId, at: SimTime) -> bool {
        let times = self.times(id);
        let new = times.nudge != Some(at);
        times.nudge = Some(at);
        new
    }

    /// Notes when the component wants to be woken; the time for which an event must be queued, if any.
    pub(super) fn arm(&mut self, id: ComponentId, at: Option<SimTime>) -> Option<SimTime> {
        let times = self.times(id);
        if times.wake == at {
            return None;
        }
        times.wake = at;
        at
    }

    /// Whether a wake at that time is still wanted; it is spent.
    pub(super) fn due(&mut self, id: ComponentId, at: SimTime) -> bool {
        let times = self.times(id);
        let due = times.wake == Some(at);
        if due {
            times.wake = None;
        }
        due
    }

    /// Notes where a node stands in its table.
    pub(super) fn learn_node(&mut self, node: &Object, slot: Slot) {
        self.nodes.insert(node.meta().name.clone(), slot);
    }

    /// A node is gone; its slot may become another's.
    pub(super) fn forget_node(&mut self, name: &Str) {
        self.nodes.remove(name);
    }

    /// Where a node stands in its table.
    pub(super) fn slot_of(&self, node: &str) -> Option<Slot> {
        self.nodes.get(node).copied()
    }

    /// The node agent of a node.
    pub(super) fn kubelet(&self, node: &str) -> Option<ComponentId> {
        self.slot_of(node).map(ComponentId::Kubelet)
    }

    fn times(&mut self, id: ComponentId) -> &mut Times {
        match id {
            ComponentId::World => &mut self.singles[0],
            ComponentId::Controllers => &mut self.singles[1],
            ComponentId::Scheduler => &mut self.singles[2],
            ComponentId::Network => &mut self.singles[3],
            ComponentId::Kubelet(slot) => {
                let i = slot.index();
                if i >= self.kubelets.len() {
                    self.kubelets.resize(i + 1, Times::default());
                }
                &mut self.kubelets[i]
            }
        }
    }
}

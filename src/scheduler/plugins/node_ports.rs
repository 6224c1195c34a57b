//! Ports on the node's own address.
//!
//! Follows `pkg/scheduler/framework/plugins/nodeports/node_ports.go` and
//! `k8s.io/kube-scheduler/framework`, `HostPortInfo`.

use super::{Plugin, PluginId, PreFilter, Prep, View};
use crate::scheduler::compile::HostPort;
use crate::scheduler::news::{Action, Hints, Interest, News, Resource};
use crate::scheduler::node::NodeInfo;
use crate::scheduler::pod::PodInfo;
use crate::scheduler::state::{CycleState, Refusal};

/// The plugin.
pub struct NodePorts;

const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

impl Plugin for NodePorts {
    fn id(&self) -> PluginId {
        PluginId::NodePorts
    }

    fn is_local(&self) -> bool {
        true
    }

    fn pre_filter(&self, prep: &mut Prep<'_>, _: &mut CycleState) -> Result<PreFilter, Refusal> {
        let none = prep.pod.template.ports.is_empty();
        Ok(if none { PreFilter::Skip } else { PreFilter::Go })
    }

    fn interests(&self) -> &'static [Interest] {
        &[(Resource::Pod, Action::DELETE), (Resource::Node, Action::ADD)]
    }

    fn hint(&self, _: &Hints<'_>, pod: &PodInfo, news: &News) -> bool {
        let Some((Some(gone), _)) = news.pods() else { return true };
        let freed = &gone.template.ports;
        pod.template.ports.iter().any(|w| freed.iter().any(|f| clash(w, f)))
    }

    fn filter(&self, view: &View<'_>, _: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
        let wanted = &view.pod.template.ports;
        if wanted.iter().any(|w| node.ports.iter().any(|taken| clash(w, taken))) {
            return Err(Refusal::unschedulable(REASON));
        }
        Ok(())
    }
}

/// Whether two pods cannot both have their port (`HostPortInfo.CheckConflict`).
pub fn clash(a: &HostPort, b: &HostPort) -> bool {
    let any = |p: &HostPort| p.ip == "0.0.0.0";
    a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || any(a) || any(b))
}

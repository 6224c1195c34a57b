//! The ways in which the ports of a Service map to those of its pods: mostly one.

use std::sync::Arc;

use super::Service;
use crate::model::{Pod, PodSpec, PortRef, wire};

pub(super) type Port = wire::discovery::EndpointPort;

/// Pods for which the ports of their Service are the same.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// What tells it from the others ([`group_of`]).
    pub(super) text: Arc<str>,
    /// The ports.
    pub(super) ports: Arc<[Port]>,
    /// How many pods are in it.
    pub(super) pods: usize,
}

/// The groups of a Service. One that has lost its pods keeps its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    all: Vec<Group>,
    /// Pods of one spec map the ports alike.
    last: Option<(Arc<PodSpec>, usize)>,
}

impl Groups {
    /// Enters a pod; answers the place of its group.
    pub(super) fn enter(&mut self, service: &Service, pod: &Pod) -> usize {
        let known = self.last.as_ref().filter(|(spec, _)| Arc::ptr_eq(spec, &pod.spec));
        let known = known.map(|(_, place)| *place);
        let place = known.unwrap_or_else(|| self.place(service, pod));
        self.all[place].pods += 1;
        place
    }

    fn place(&mut self, service: &Service, pod: &Pod) -> usize {
        let ports = ports_of(service, pod);
        let text = group_of(&ports);
        let place = self.all.iter().position(|g| *g.text == *text).unwrap_or_else(|| {
            self.all.push(Group { text: text.into(), ports: ports.into(), pods: 0 });
            self.all.len() - 1
        });
        self.last = Some((Arc::clone(&pod.spec), place));
        place
    }

    /// A pod has left its group.
    pub(super) fn leave(&mut self, place: usize) {
        self.all[place].pods -= 1;
    }

    /// The group in a place.
    pub(super) fn get(&self, place: usize) -> &Group {
        &self.all[place]
    }

    /// The groups that have pods, with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Group)> {
        self.all.iter().enumerate().filter(|(_, group)| group.pods > 0)
    }
}

/// The ports of a pod under a Service's names (`getEndpointPorts`): those that the pod does not have
/// are left out.
fn ports_of(service: &Service, pod: &Pod) -> Vec<Port> {
    let spec = service.body.spec.as_ref();
    let mut out = Vec::new();
    for port in spec.and_then(|s| s.ports.as_ref()).into_iter().flatten() {
        let target = port
            .target_port
            .as_ref()
            .map_or_else(|| PortRef::Number(u16::try_from(port.port).unwrap_or(0)), PortRef::of);
        let number = match &target {
            PortRef::Number(n) => Some(*n),
            PortRef::Name(_) => {
                let sidecars = pod.spec.init_containers.iter().filter(|c| c.is_sidecar());
                pod.spec.containers.iter().chain(sidecars).find_map(|c| c.port(&target))
            }
        };
        let Some(number) = number else { continue };
        out.push(Port {
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(i32::from(number)),
            protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
            app_protocol: port.app_protocol.clone(),
        });
    }
    out
}

/// Equal for equal lists of ports.
pub(super) fn group_of(ports: &[Port]) -> String {
    let mut parts: Vec<String> = ports
        .iter()
        .map(|p| {
            let name = p.name.as_deref().unwrap_or_default();
            let protocol = p.protocol.as_deref().unwrap_or_default();
            format!("{name}:{}:{protocol}", p.port.unwrap_or(0))
        })
        .collect();
    parts.sort();
    parts.join(",")
}

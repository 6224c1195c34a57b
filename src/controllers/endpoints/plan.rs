//! What the slices of a Service should be, and what is to be asked for to get there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{HEADLESS, MANAGED_BY, SERVICE_NAME, Service, Slice, TRIGGER_TIME};
use crate::base::time::SimTime;
use crate::model::{Kind, Labels, Meta, Object, OwnerRef, Pod, PortRef, wire};
use crate::store::{DeleteOptions, Request};

/// Endpoints of one slice (`--max-endpoints-per-slice`).
const MAX_ENDPOINTS: usize = 100;

type Endpoint = wire::discovery::Endpoint;
type Port = wire::discovery::EndpointPort;

/// The requests that make the slices of a Service what they should be; none when they are.
///
/// Follows `reconciler.reconcile`: endpoints that stand in a slice stay there and are updated in place,
/// new ones fill slices up, a slice without endpoints goes unless it is the only one.
pub(super) fn plan(
    service: &Service,
    pods: &[&Arc<Pod>],
    slices: &[&Arc<Slice>],
    zone: &dyn Fn(&str) -> Option<String>,
    now: SimTime,
) -> Vec<Request> {
    let mut wanted: BTreeMap<String, (Vec<Port>, Vec<Endpoint>)> = BTreeMap::new();
    for pod in pods.iter().filter(|p| belongs(p)) {
        let ports = ports_of(service, pod);
        let group = wanted.entry(group_of(&ports)).or_insert_with(|| (ports, Vec::new()));
        group.1.push(endpoint(service, pod, zone));
    }
    let mut requests = Vec::new();
    let mut left: Vec<&Arc<Slice>> = slices.to_vec();
    let meta = slice_meta(service, now);
    for (group, (ports, mut endpoints)) in wanted {
        let (mine, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|s| {
            group_of(s.body.ports.as_deref().unwrap_or_default()) == group || is_empty(s)
        });
        left = others;
        for slice in mine {
            let kept = take_kept(slice, &mut endpoints);
            let room = MAX_ENDPOINTS.saturating_sub(kept.len()).min(endpoints.len());
            let all: Vec<Endpoint> = kept.into_iter().chain(endpoints.drain(..room)).collect();
            if all.is_empty() {
                left.push(slice);
            } else {
                requests.extend(update(slice, &meta, all, &ports));
            }
        }
        for chunk in endpoints.chunks(MAX_ENDPOINTS) {
            requests.push(create(&meta, chunk.to_vec(), &ports));
        }
    }
    let some =
        requests.iter().any(|r| matches!(r, Request::Create(_))) || slices.len() > left.len();
    // The last slice stays, empty, as a placeholder.
    let placeholder = if some { None } else { left.pop() };
    match placeholder {
        Some(slice) => requests.extend(update(slice, &meta, Vec::new(), &[])),
        None if !some => requests.push(create(&meta, Vec::new(), &[])),
        None => {}
    }
    requests.extend(left.iter().map(|slice| Request::Delete {
        target: Object::EndpointSlice(Arc::clone(slice)).reference(),
        options: DeleteOptions::of(slice.meta.uid),
    }));
    requests
}

/// Whether a pod has an endpoint at all (`ShouldPodBeInEndpoints`, terminating ones included).
fn belongs(pod: &Pod) -> bool {
    pod.status.pod_ip.is_some() && !pod.status.phase.is_terminal()
}

fn is_empty(slice: &Slice) -> bool {
    slice.body.endpoints.iter().flatten().next().is_none()
}

/// The endpoints of the slice that are still wanted, in their order and as they are now.
fn take_kept(slice: &Slice, endpoints: &mut Vec<Endpoint>) -> Vec<Endpoint> {
    let pod = |e: &Endpoint| e.target_ref.as_ref().and_then(|t| t.uid.clone());
    let mut kept = Vec::new();
    for old in slice.body.endpoints.iter().flatten() {
        if let Some(i) =
            endpoints.iter().position(|e| pod(e) == pod(old) && e.addresses == old.addresses)
        {
            kept.push(endpoints.remove(i));
        }
    }
    kept
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
fn group_of(ports: &[Port]) -> String {
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

/// The endpoint of a pod (`podToEndpoint`).
fn endpoint(service: &Service, pod: &Pod, zone: &dyn Fn(&str) -> Option<String>) -> Endpoint {
    let publish = service.body.spec.as_ref().and_then(|s| s.publish_not_ready_addresses);
    let serving = publish == Some(true) || pod.is_ready();
    let terminating = pod.meta.is_terminating();
    let address = pod.status.pod_ip.map(|ip| ip.to_string());
    let explicit = pod.identity.as_ref().map(|i| i.hostname.clone()).filter(|h| !h.is_empty());
    let hostname = explicit.or_else(|| pod.spec.hostname.clone());
    Endpoint {
        addresses: address.into_iter().collect(),
        conditions: Some(wire::discovery::EndpointConditions {
            ready: Some(serving && (publish == Some(true) || !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: hostname.filter(|_| pod.subdomain() == service.meta.name).map(|h| h.to_string()),
        node_name: pod.node.as_deref().map(str::to_owned),
        zone: pod.node.as_deref().and_then(zone),
        target_ref: Some(wire::core::ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some(pod.meta.namespace.to_string()),
            name: Some(pod.meta.name.to_string()),
            uid: Some(pod.meta.uid.to_string()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The metadata of a new slice of the Service.
fn slice_meta(service: &Service, now: SimTime) -> Meta {
    let mut labels: Labels = service.meta.labels.clone();
    labels = labels.with(MANAGED_BY.0, MANAGED_BY.1).with(SERVICE_NAME, service.meta.name.clone());
    if service.body.spec.as_ref().is_some_and(|s| s.cluster_ip.as_deref() == Some("None")) {
        labels = labels.with(HEADLESS, "");
    }
    Meta {
        namespace: service.meta.namespace.clone(),
        generate_name: format!("{}-", service.meta.name).into(),
        labels,
        annotations: Labels::default().with(TRIGGER_TIME, now.to_rfc3339()),
        owners: [OwnerRef::controller_of(Kind::Service, &service.meta)].into_iter().collect(),
        ..Meta::default()
    }
}

fn body(endpoints: Vec<Endpoint>, ports: &[Port]) -> wire::discovery::EndpointSlice {
    let empty = endpoints.is_empty();
    wire::discovery::EndpointSlice {
        address_type: "IPv4".to_owned(),
        endpoints: (!empty).then_some(endpoints),
        ports: (!empty || !ports.is_empty()).then(|| ports.to_vec()),
        ..Default::default()
    }
}

fn create(meta: &Meta, endpoints: Vec<Endpoint>, ports: &[Port]) -> Request {
    let slice = Slice { meta: meta.clone(), body: Arc::new(body(endpoints, ports)) };
    Request::Create(slice.into())
}

/// Nothing when the slice is as it should be.
fn update(
    slice: &Arc<Slice>,
    meta: &Meta,
    endpoints: Vec<Endpoint>,
    ports: &[Port],
) -> Option<Request> {
    let body = body(endpoints, ports);
    if *slice.body == body && slice.meta.labels == meta.labels {
        return None;
    }
    let mut new = Slice::clone(slice);
    new.meta.labels = meta.labels.clone();
    new.meta.annotations = new.meta.annotations.with(TRIGGER_TIME, trigger(meta));
    new.body = Arc::new(body);
    Some(Request::Update(new.into()))
}

fn trigger(meta: &Meta) -> crate::base::Str {
    meta.annotations.get(TRIGGER_TIME).cloned().unwrap_or_default()
}

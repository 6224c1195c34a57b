//! What the slices of a Service should be, and what is to be asked for to get there.

use std::sync::Arc;

use super::groups::{Port, group_of};
use super::known::Known;
use super::{HEADLESS, MANAGED_BY, SERVICE_NAME, Service, Slice, TRIGGER_TIME, text_of};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{
    Endpoint, EndpointHints, EndpointTarget, Kind, Labels, Meta, Object, OwnerRef, Pod,
};
use crate::store::{DeleteOptions, Request};

/// Endpoints of one slice (`--max-endpoints-per-slice`).
const MAX_ENDPOINTS: usize = 100;

/// What is to be done to the slices of one way of mapping ports.
#[derive(Debug, Default)]
struct Changes {
    create: Vec<Slice>,
    update: Vec<Slice>,
    unchanged: Vec<Arc<Slice>>,
    delete: Vec<Arc<Slice>>,
}

/// The requests that make the slices of a Service what they should be; none when they are
/// (`reconcileByAddressType`, `finalize`).
pub(super) fn plan(
    service: &Service,
    known: &mut Known,
    slices: &[&Arc<Slice>],
    now: SimTime,
) -> Vec<Request> {
    let frame = Frame { service, labels: known.labels().clone(), now };
    let mut changes = Changes::default();
    let mut left: Vec<&Arc<Slice>> = slices.to_vec();
    for (group, text, ports) in known.begin(slices) {
        let is_of_group =
            |s: &&Arc<Slice>| Arc::ptr_eq(&s.ports, &ports) || *group_of(&s.ports) == *text;
        let (mine, others): (Vec<_>, Vec<_>) = left.into_iter().partition(is_of_group);
        left = others;
        reconcile(&mine, known, (group, &ports), &frame, &mut changes);
    }
    changes.delete.extend(left.into_iter().cloned());
    // The last slice stays, empty, as a placeholder.
    if changes.delete.len() == slices.len() && changes.create.is_empty() {
        let placeholder = frame.new_slice(&Arc::default());
        let stands = |s: &Arc<Slice>| {
            same_content(s, &placeholder) && s.meta.labels == placeholder.meta.labels
        };
        if changes.delete.len() == 1 && stands(&changes.delete[0]) {
            changes.delete.clear();
        } else {
            changes.create.push(placeholder);
        }
    }
    hint(service, &mut changes);
    finish(changes, &frame)
}

/// Divides endpoints over slices (`reconcileByPortMapping`): those that stand somewhere stay there, new
/// ones go where something changes anyway, then where they all fit, then into new slices.
fn reconcile(
    mine: &[&Arc<Slice>],
    known: &mut Known,
    (group, ports): (usize, &Arc<[Port]>),
    frame: &Frame<'_>,
    changes: &mut Changes,
) {
    let (mut update, mut unchanged) = (Vec::new(), Vec::new());
    let mut taken = 0;
    for slice in mine {
        let kept = known.take_kept(slice, group);
        taken += kept.as_ref().map_or(slice.endpoints.len(), Vec::len);
        match kept {
            None if slice.meta.labels == frame.labels => unchanged.push(Arc::clone(slice)),
            Some(kept) if kept.is_empty() => changes.delete.push(Arc::clone(slice)),
            kept => {
                let endpoints = kept.unwrap_or_else(|| slice.endpoints.clone());
                update.push(frame.changed(slice, endpoints, ports));
            }
        }
    }
    let mut endpoints = known.rest(group, taken);
    // The fullest come first (`endpointSliceEndpointLen`).
    update.sort_by_key(|s: &Slice| std::cmp::Reverse(s.endpoints.len()));
    for slice in &mut update {
        fill(slice, &mut endpoints);
    }
    while !endpoints.is_empty() {
        let fits = (endpoints.len() < MAX_ENDPOINTS)
            .then(|| fullest_that_fits(&unchanged, endpoints.len()))
            .flatten();
        if let Some(i) = fits {
            let slice = unchanged.remove(i);
            let kept = slice.endpoints.clone();
            let mut slice = frame.changed(&slice, kept, ports);
            fill(&mut slice, &mut endpoints);
            update.push(slice);
        } else {
            let mut slice = frame.new_slice(ports);
            fill(&mut slice, &mut endpoints);
            changes.create.push(slice);
        }
    }
    changes.update.extend(update);
    changes.unchanged.extend(unchanged);
}

/// The slice that is fullest once so many more are in it, within the limit (`getSliceToFill`).
fn fullest_that_fits(slices: &[Arc<Slice>], more: usize) -> Option<usize> {
    let room = |s: &Slice| MAX_ENDPOINTS.checked_sub(s.endpoints.len() + more);
    let fitting = slices.iter().enumerate().filter_map(|(i, s)| Some((room(s)?, i)));
    fitting.filter(|(left, _)| *left < MAX_ENDPOINTS).min().map(|(_, i)| i)
}

/// Whether two slices hold the same, whatever they are called.
fn same_content(a: &Slice, b: &Slice) -> bool {
    a.address_type == b.address_type && a.ports == b.ports && a.endpoints == b.endpoints
}

/// Moves endpoints into a slice until it is full.
fn fill(slice: &mut Slice, endpoints: &mut Vec<Arc<Endpoint>>) {
    let room = MAX_ENDPOINTS.saturating_sub(slice.endpoints.len()).min(endpoints.len());
    slice.endpoints.extend(endpoints.drain(..room));
}

/// Says for which zones, and nodes, endpoints are meant (`trafficdist.ReconcileHints`).
fn hint(service: &Service, changes: &mut Changes) {
    let wanted = service.body.spec.as_ref().and_then(|s| s.traffic_distribution.as_deref());
    let close = match wanted {
        Some("PreferClose" | "PreferSameZone") => Some(false),
        Some("PreferSameNode") => Some(true),
        _ => None,
    };
    let hinted = |e: &Arc<Endpoint>| e.hints.is_some();
    let is_stale = |slice: &Slice| match close {
        None => slice.endpoints.iter().any(hinted),
        Some(_) => slice.endpoints.iter().any(|e| e.hints != hints_of(e, close)),
    };
    let stale = changes.unchanged.extract_if(.., |slice| is_stale(slice));
    changes.update.extend(stale.map(|slice| Slice::clone(&slice)));
    for slice in changes.create.iter_mut().chain(&mut changes.update) {
        if close.is_none() && !slice.endpoints.iter().any(hinted) {
            continue;
        }
        for endpoint in &mut slice.endpoints {
            let hints = hints_of(endpoint, close);
            if endpoint.hints != hints {
                Arc::make_mut(endpoint).hints = hints;
            }
        }
    }
}

/// The hints of one endpoint; one that is not ready keeps what it has. `close` tells whether to name
/// its node too; `None` where traffic goes anywhere.
fn hints_of(endpoint: &Endpoint, close: Option<bool>) -> Option<Arc<EndpointHints>> {
    let with_node = close?;
    if endpoint.ready != Some(true) {
        return endpoint.hints.clone();
    }
    let zones: Vec<Str> = endpoint.zone.clone().into_iter().collect();
    let nodes: Vec<Str> = endpoint.node_name.clone().filter(|_| with_node).into_iter().collect();
    (!zones.is_empty() || !nodes.is_empty()).then(|| Arc::new(EndpointHints { zones, nodes }))
}

/// The requests: a slice that would go takes the place of one that would be made (`finalize`).
fn finish(mut changes: Changes, frame: &Frame<'_>) -> Vec<Request> {
    let mut requests = Vec::new();
    while !changes.delete.is_empty()
        && let Some(new) = changes.create.pop()
    {
        let old = changes.delete.remove(0);
        changes.update.push(Slice { meta: old.meta.clone(), ..new });
    }
    if !frame.service.meta.is_terminating() {
        requests.extend(changes.create.into_iter().map(|s| Request::Create(s.into())));
    }
    for mut slice in changes.update {
        slice.meta.labels = frame.labels.clone();
        slice.meta.annotations = slice.meta.annotations.with(TRIGGER_TIME, frame.trigger());
        requests.push(Request::Update(slice.into()));
    }
    requests.extend(changes.delete.iter().map(|slice| Request::Delete {
        target: Object::EndpointSlice(Arc::clone(slice)).reference(),
        options: DeleteOptions::of(slice.meta.uid),
    }));
    requests
}

/// Whether a pod has an endpoint at all (`ShouldPodBeInEndpoints`, terminating ones included).
pub(super) fn belongs(pod: &Pod) -> bool {
    pod.status.pod_ip.is_some() && !pod.status.phase.is_terminal()
}

/// The name that a pod has below its Service's (`ShouldSetHostname`).
pub(super) fn explicit_hostname(service: &Service, pod: &Pod) -> Option<Str> {
    let own = pod.identity.as_ref().map(|i| i.hostname.clone()).filter(|h| !h.is_empty());
    let hostname = own.or_else(|| pod.spec.hostname.clone());
    hostname.filter(|_| pod.subdomain() == service.meta.name)
}

/// The endpoint of a pod (`podToEndpoint`).
pub(super) fn endpoint(
    service: &Service,
    pod: &Pod,
    zone: &dyn Fn(&str) -> Option<Str>,
) -> Endpoint {
    let publish = service.body.spec.as_ref().and_then(|s| s.publish_not_ready_addresses);
    let serving = pod.is_ready();
    let terminating = pod.meta.is_terminating();
    let address = pod.status.pod_ip.map(text_of);
    Endpoint {
        addresses: address.into_iter().collect(),
        ready: Some(publish == Some(true) || serving && !terminating),
        serving: Some(serving),
        terminating: Some(terminating),
        hostname: explicit_hostname(service, pod),
        node_name: pod.node.clone(),
        zone: pod.node.as_deref().and_then(zone),
        target: Some(EndpointTarget::Pod {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            uid: pod.meta.uid,
        }),
        ..Default::default()
    }
}

/// The labels of its Service that a slice does not take over (`isReservedLabelKey`).
const RESERVED: [&str; 3] = [SERVICE_NAME, MANAGED_BY.0, HEADLESS];

/// The labels of the slices of a Service.
pub(super) fn slice_labels(service: &Service) -> Labels {
    let mut labels: Labels = service.meta.labels.clone();
    for reserved in RESERVED {
        labels = labels.without(reserved);
    }
    labels = labels.with(MANAGED_BY.0, MANAGED_BY.1).with(SERVICE_NAME, service.meta.name.clone());
    if service.body.spec.as_ref().is_some_and(|s| s.cluster_ip.as_deref() == Some("None")) {
        labels = labels.with(HEADLESS, "");
    }
    labels
}

/// What all slices of a Service have in common.
struct Frame<'a> {
    service: &'a Service,
    labels: Labels,
    now: SimTime,
}

impl Frame<'_> {
    fn trigger(&self) -> Str {
        self.now.to_rfc3339().into()
    }

    /// A slice without endpoints.
    fn new_slice(&self, ports: &Arc<[Port]>) -> Slice {
        let service = &self.service.meta;
        let meta = Meta {
            namespace: service.namespace.clone(),
            generate_name: format!("{}-", service.name).into(),
            labels: self.labels.clone(),
            annotations: Labels::default().with(TRIGGER_TIME, self.trigger()),
            owners: OwnerRef::controller_of(Kind::Service, service).into(),
            ..Meta::default()
        };
        let address_type = Str::new_static("IPv4");
        Slice { meta, address_type, ports: Arc::clone(ports), endpoints: Vec::new() }
    }

    /// The slice with those endpoints.
    fn changed(&self, slice: &Slice, endpoints: Vec<Arc<Endpoint>>, ports: &Arc<[Port]>) -> Slice {
        let meta = Meta { labels: self.labels.clone(), ..slice.meta.clone() };
        let ports = if *slice.ports == **ports { &slice.ports } else { ports };
        let (address_type, ports) = (slice.address_type.clone(), Arc::clone(ports));
        Slice { meta, address_type, ports, endpoints }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::convert;
    use crate::api::typed::Typed;
    use crate::model::{ConditionStatus, PodCondition, Slot, Uid, conditions};

    fn object(manifest: &Value) -> Object {
        convert::from_wire(Typed::decode(manifest).unwrap()).unwrap()
    }

    fn service(spec: Value) -> Service {
        let Object::Service(service) = object(&json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"}, "spec": spec}))
        else {
            panic!("a Service")
        };
        Service::clone(&service)
    }

    fn pod(n: u32, ready: bool) -> Arc<Pod> {
        let Object::Pod(mut pod) = object(&json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("p{n}"), "namespace": "default"},
            "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}))
        else {
            panic!("a Pod")
        };
        let inner = Arc::make_mut(&mut pod);
        inner.meta.uid = Uid::from_random(u128::from(n) << 90);
        inner.status.pod_ip = Some(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        inner.status.conditions = Arc::new([PodCondition {
            kind: conditions::READY.into(),
            status: ConditionStatus::from(ready),
            reason: Default::default(),
            message: Default::default(),
            since: SimTime::ZERO,
            observed_generation: 0,
        }]);
        pod
    }

    /// Carries requests out on slices; answers what was asked as `create 3`, `update 4`, `delete`.
    fn apply(slices: &mut Vec<Arc<Slice>>, requests: Vec<Request>) -> Vec<String> {
        let mut lines = Vec::new();
        for request in requests {
            match request {
                Request::Create(Object::EndpointSlice(mut slice)) => {
                    lines.push(format!("create {}", slice.endpoints.len()));
                    let n = slices.len() as u128 + 1;
                    let meta = &mut Arc::make_mut(&mut slice).meta;
                    (meta.uid, meta.name) = (Uid::from_random(n << 80), format!("s{n}").into());
                    slices.push(slice);
                }
                Request::Update(Object::EndpointSlice(slice)) => {
                    lines.push(format!("update {}", slice.endpoints.len()));
                    let old = slices.iter_mut().find(|s| s.meta.name == slice.meta.name).unwrap();
                    *old = slice;
                }
                Request::Delete { target, .. } => {
                    lines.push("delete".into());
                    slices.retain(|s| s.meta.name != target.key.name);
                }
                other => panic!("{other:?}"),
            }
        }
        lines
    }

    fn round(service: &Service, pods: &[Arc<Pod>], slices: &mut Vec<Arc<Slice>>) -> Vec<String> {
        let known = slices.clone();
        let known: Vec<&Arc<Slice>> = known.iter().collect();
        let zone = |_: &str| Some("zone-a".into());
        let mut of_pods = Known::of(&Arc::new(service.clone()));
        for (slot, pod) in (0..).zip(pods) {
            of_pods.set(crate::model::Slot(slot), Some(pod).filter(|p| belongs(p)), &zone);
        }
        apply(slices, plan(service, &mut of_pods, &known, SimTime::ZERO))
    }

    #[test]
    fn slices_are_filled_up_kept_and_reused() {
        let web = service(json!({"selector": {"app": "web"}, "ports": [{"port": 80}]}));
        let mut slices = Vec::new();
        let mut pods: Vec<Arc<Pod>> = (0..250).map(|n| pod(n, true)).collect();
        assert_eq!(round(&web, &[], &mut slices), ["create 0"], "a placeholder");
        assert_eq!(round(&web, &[], &mut slices), Vec::<String>::new());
        // The placeholder, which maps no ports, becomes the last of the new slices.
        let lines = round(&web, &pods, &mut slices);
        assert_eq!(lines, ["create 100", "create 100", "update 50"]);
        assert_eq!(round(&web, &pods, &mut slices), Vec::<String>::new());
        pods.push(pod(250, true));
        assert_eq!(round(&web, &pods, &mut slices), ["update 51"]);
        pods.drain(..100);
        let lines = round(&web, &pods, &mut slices);
        assert!(lines.iter().all(|l| !l.starts_with("create")), "{lines:?}");
        assert_eq!(slices.iter().map(|s| s.endpoints.len()).sum::<usize>(), 151);
        assert!(round(&web, &[], &mut slices).contains(&"update 0".to_owned()));
        assert_eq!((slices.len(), slices[0].endpoints.len()), (1, 0), "one stays as a placeholder");
    }

    #[test]
    fn what_is_ready_serves_unless_everything_is_published() {
        let conditions = |service: &Service, pod: &Arc<Pod>| {
            let e = endpoint(service, pod, &|_| None);
            (e.ready.unwrap(), e.serving.unwrap(), e.terminating.unwrap())
        };
        let plain = service(json!({"selector": {"a": "b"}}));
        let all = service(json!({"selector": {"a": "b"}, "publishNotReadyAddresses": true}));
        let mut going = pod(1, true);
        Arc::make_mut(&mut going).meta.deletion = Some(crate::model::Deletion {
            at: SimTime::ZERO,
            grace: std::time::Duration::from_secs(9),
        });
        assert_eq!(conditions(&plain, &pod(1, false)), (false, false, false));
        assert_eq!(conditions(&plain, &going), (false, true, true));
        assert_eq!(conditions(&all, &pod(1, false)), (true, false, false));
        assert_eq!(conditions(&all, &going), (true, true, true));
    }

    #[test]
    fn traffic_that_stays_close_is_hinted() {
        let spec = |close: Value| {
            service(json!({"selector": {"a": "b"}, "ports": [{"port": 80}],
                           "trafficDistribution": close}))
        };
        let hints = |slices: &[Arc<Slice>]| {
            let hints = slices[0].endpoints[0].hints.clone();
            hints.map(|h| (!h.zones.is_empty(), !h.nodes.is_empty()))
        };
        let (pods, mut slices) = ([pod(1, true)], Vec::new());
        drop(round(&spec(Value::Null), &pods, &mut slices));
        assert_eq!(hints(&slices), None);
        assert_eq!(round(&spec(json!("PreferClose")), &pods, &mut slices), ["update 1"]);
        assert_eq!(hints(&slices), Some((true, false)));
        assert_eq!(round(&spec(json!("PreferSameNode")), &pods, &mut slices), ["update 1"]);
        assert_eq!(hints(&slices), Some((true, true)));
        assert_eq!(round(&spec(Value::Null), &pods, &mut slices), ["update 1"]);
        assert_eq!(hints(&slices), None);
    }

    /// Whether two lists ask for the same.
    fn alike(a: &[Request], b: &[Request]) -> bool {
        let pair = |(a, b): (&Request, &Request)| match (a, b) {
            (Request::Create(a), Request::Create(b)) | (Request::Update(a), Request::Update(b)) => {
                a == b
            }
            (Request::Delete { target: a, .. }, Request::Delete { target: b, .. }) => a == b,
            _ => false,
        };
        a.len() == b.len() && a.iter().zip(b).all(pair)
    }

    /// Changes a pod: it comes or goes, is ready or not, is another of its name or on another node.
    fn change(pods: &mut [Option<Arc<Pod>>], n: u32, how: u8) {
        let place = &mut pods[n as usize];
        let Some(pod) = place else {
            let mut new = pod(n, how.is_multiple_of(2));
            let spec = Arc::make_mut(&mut Arc::make_mut(&mut new).spec);
            let ports = (n % 3 > 0).then(|| ("http".into(), 8000 + (n % 3) as u16));
            for container in &mut spec.containers {
                container.ports = ports.clone().into_iter().collect();
            }
            *place = Some(new);
            return;
        };
        let pod = Arc::make_mut(pod);
        match how {
            0 => *place = None,
            1 => pod.meta.uid = Uid::from_random(pod.meta.uid.bits() ^ 1 << 89),
            2 => pod.node = Some("node-2".into()),
            3 => pod.status.pod_ip = Some(std::net::Ipv4Addr::from(0x0a01_0000 + n)),
            _ => {
                let ready = ConditionStatus::from(!pod.is_ready());
                Arc::make_mut(&mut pod.status.conditions)[0].status = ready;
            }
        }
    }

    /// What somebody else does to slices.
    fn meddle(slices: &mut Vec<Arc<Slice>>, how: u8) {
        let Some(first) = slices.first().cloned() else { return };
        let Some(last) = slices.last_mut().map(Arc::make_mut) else { return };
        match how {
            0 => last.endpoints.extend(first.endpoints.first().cloned()),
            1 => drop(last.endpoints.pop()),
            2 => last.meta.labels = last.meta.labels.with("by", "hand"),
            3 => last.endpoints.reverse(),
            4 => last.endpoints.iter_mut().for_each(|e| Arc::make_mut(e).zone = None),
            _ => slices.reverse(),
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 48, ..Default::default() })]

        #[test]
        fn what_is_known_of_earlier_rounds_changes_no_plan(
            close: bool,
            steps in proptest::collection::vec((0..130_u32, 1..90_u32, 0..6_u8, 0..12_u8), 1..25),
        ) {
            let web = Arc::new(service(json!({"selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": "http"}],
                "trafficDistribution": close.then_some("PreferClose")})));
            let zone = |node: &str| Some(format!("zone-of-{node}").into());
            let (mut known, mut pods) = (Known::of(&web), vec![None; 220]);
            let (mut slices, mut before) = (Vec::new(), Vec::new());
            for (first, count, how, meddled) in steps {
                let count = if how == 4 { 1 } else { count };
                for n in first..first + count {
                    change(&mut pods, n, how);
                    known.set(Slot(n), pods[n as usize].as_ref(), &zone);
                }
                meddle(&mut slices, meddled);
                // Now and then the slices are seen as they were, and what is asked is refused.
                let is_late = meddled == 11;
                let seen = if is_late { before.clone() } else { slices.clone() };
                let seen: Vec<&Arc<Slice>> = seen.iter().collect();
                let mut afresh = Known::of(&web);
                for (slot, pod) in (0..).map(Slot).zip(&pods) {
                    afresh.set(slot, pod.as_ref(), &zone);
                }
                let asked = plan(&web, &mut known, &seen, SimTime::ZERO);
                let whole = plan(&web, &mut afresh, &seen, SimTime::ZERO);
                proptest::prop_assert!(alike(&asked, &whole), "{asked:?}\n\n{whole:?}");
                if !is_late {
                    before = slices.clone();
                    apply(&mut slices, asked);
                }
            }
        }
    }
}

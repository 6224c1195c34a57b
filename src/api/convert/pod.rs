//! Pods and pod templates.

use std::sync::Arc;

use super::meta::{labels, list, meta_from_wire, meta_to_wire, some, text};
use crate::base::Str;
use crate::base::digest::digest_of;
use crate::base::rng::SUFFIX_ALPHABET;
use crate::model::{
    Amounts, ConditionStatus, ContainerState, ContainerStatus, Given, Phase, Pod, PodCondition,
    PodSpec, PodStatus, PodTemplate, Terminated, Uid, sim_time, wire, wire_time,
};

/// The service-account volume that admission adds. Each pod shows it with a suffix of its own; the
/// shared spec has it under this name.
pub const SERVICE_ACCOUNT_VOLUME: &str = "kube-api-access";

/// A pod in the simulation's form.
pub fn pod_from_wire(o: wire::core::Pod) -> Pod {
    let mut spec = o.spec.unwrap_or_default();
    let node = spec.node_name.take().filter(|n| !n.is_empty()).map(Str::from);
    rename_service_account_volume(&mut spec, |name| {
        let suffix = name.strip_prefix(SERVICE_ACCOUNT_VOLUME)?.strip_prefix('-')?;
        (suffix.len() == 5).then(|| SERVICE_ACCOUNT_VOLUME.to_owned())
    });
    let mut status = o.status.map(pod_status_from_wire).unwrap_or_default();
    forget_what_is_asked_for(&mut status, &spec);
    Pod {
        meta: meta_from_wire(o.metadata),
        spec: Arc::new(PodSpec::compile(spec)),
        node,
        identity: None,
        made_for: None,
        status,
    }
}

/// What a status says of a container's resources is kept where it differs from the spec alone.
fn forget_what_is_asked_for(status: &mut PodStatus, spec: &wire::core::PodSpec) {
    let asked = |c: &ContainerStatus| {
        let given = c.given.as_deref()?;
        let asked = container_of(spec, &c.name)?.resources.clone().unwrap_or_default();
        let same = given.actual == asked && given.allocated == asked.requests;
        same.then(|| ContainerStatus { given: None, ..c.clone() })
    };
    let added = &mut status.ephemeral_containers;
    for list in [&mut status.containers, &mut status.init_containers, added] {
        if list.iter().any(|c| c.given.is_some()) {
            *list = list.iter().map(|c| asked(c).unwrap_or_else(|| c.clone())).collect();
        }
    }
}

/// The container of that name; nothing where it was added to the pod.
fn container_of<'a>(
    spec: &'a wire::core::PodSpec,
    name: &str,
) -> Option<&'a wire::core::Container> {
    let init = spec.init_containers.iter().flatten();
    spec.containers.iter().chain(init).find(|c| c.name == name)
}

/// A template in the simulation's form.
pub fn template_from_wire(t: wire::core::PodTemplateSpec) -> PodTemplate {
    let (metadata, spec) = (t.metadata.unwrap_or_default(), t.spec.unwrap_or_default());
    PodTemplate {
        labels: labels(metadata.labels),
        annotations: labels(metadata.annotations),
        finalizers: metadata.finalizers.into_iter().flatten().map(Str::from).collect(),
        node: spec.node_name.as_deref().filter(|n| !n.is_empty()).map(Str::from),
        spec: Arc::new(PodSpec::compile(spec)),
    }
}

pub(super) fn pod_to_wire(o: &Pod) -> wire::core::Pod {
    wire::core::Pod {
        metadata: meta_to_wire(&o.meta),
        spec: Some(spec_to_wire(o)),
        status: Some(status_to_wire(o)),
    }
}

fn spec_to_wire(o: &Pod) -> wire::core::PodSpec {
    let mut spec = wire::core::PodSpec::clone(&o.spec.wire);
    spec.node_name = o.node.as_deref().map(str::to_owned);
    let suffix = volume_suffix(o.meta.uid);
    rename_service_account_volume(&mut spec, |name| {
        (name == SERVICE_ACCOUNT_VOLUME).then(|| format!("{name}-{suffix}"))
    });
    if let Some(identity) = &o.identity {
        if !identity.hostname.is_empty() {
            spec.hostname = some(&identity.hostname);
        }
        if !identity.subdomain.is_empty() {
            spec.subdomain = some(&identity.subdomain);
        }
        // As `pkg/controller/statefulset`, `updateStorage`: claims first, template volumes of other
        // names after them.
        let claims = identity.claims.iter().map(|(volume, claim)| claim_volume(volume, claim));
        let others = spec.volumes.take().into_iter().flatten();
        let others = others.filter(|v| !identity.claims.iter().any(|(name, _)| *name == v.name));
        spec.volumes = list(claims.chain(others));
    }
    if let Some(node) = &o.made_for {
        pin(&mut spec, node);
    }
    spec
}

fn claim_volume(volume: &str, claim: &str) -> wire::core::Volume {
    wire::core::Volume {
        name: volume.to_owned(),
        persistent_volume_claim: Some(wire::core::PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: None,
        }),
        ..Default::default()
    }
}

/// As `pkg/controller/daemon/util`, `ReplaceDaemonSetPodNodeNameNodeAffinity`.
fn pin(spec: &mut wire::core::PodSpec, node: &str) {
    let by_name = wire::core::NodeSelectorTerm {
        match_fields: Some(vec![wire::core::NodeSelectorRequirement {
            key: "metadata.name".to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![node.to_owned()]),
        }]),
        match_expressions: None,
    };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution =
        Some(wire::core::NodeSelector { node_selector_terms: vec![by_name] });
}

fn rename_service_account_volume(
    spec: &mut wire::core::PodSpec,
    rename: impl Fn(&str) -> Option<String>,
) {
    for volume in spec.volumes.iter_mut().flatten() {
        if let Some(new) = rename(&volume.name) {
            volume.name = new;
        }
    }
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    let added = spec.ephemeral_containers.iter_mut().flatten();
    let mounts =
        containers.map(|c| &mut c.volume_mounts).chain(added.map(|c| &mut c.volume_mounts));
    for mount in mounts.flat_map(|m| m.iter_mut().flatten()) {
        if let Some(new) = rename(&mount.name) {
            mount.name = new;
        }
    }
}

/// Five characters that belong to this pod.
fn volume_suffix(uid: Uid) -> String {
    let mut d = digest_of(0x5a, &uid.bits().to_le_bytes());
    (0..5)
        .map(|_| {
            let i = usize::try_from(d % 27).expect("below 27");
            d /= 27;
            char::from(SUFFIX_ALPHABET[i])
        })
        .collect()
}

/// A pod's status in the simulation's form.
pub fn pod_status_from_wire(s: wire::core::PodStatus) -> PodStatus {
    let containers = |l: Option<Vec<wire::core::ContainerStatus>>| {
        l.into_iter().flatten().map(container).collect()
    };
    PodStatus {
        phase: match s.phase.as_deref() {
            Some("Running") => Phase::Running,
            Some("Succeeded") => Phase::Succeeded,
            Some("Failed") => Phase::Failed,
            Some("Unknown") => Phase::Unknown,
            _ => Phase::Pending,
        },
        reason: text(s.reason),
        message: text(s.message),
        conditions: s.conditions.into_iter().flatten().map(condition).collect(),
        containers: containers(s.container_statuses),
        init_containers: containers(s.init_container_statuses),
        ephemeral_containers: containers(s.ephemeral_container_statuses),
        start_time: s.start_time.as_ref().map(sim_time),
        pod_ip: s.pod_ip.and_then(|ip| ip.parse().ok()),
        host_ip: s.host_ip.and_then(|ip| ip.parse().ok()),
        nominated_node: text(s.nominated_node_name),
        observed_generation: s.observed_generation.and_then(|g| u64::try_from(g).ok()).unwrap_or(0),
    }
}

fn status_to_wire(o: &Pod) -> wire::core::PodStatus {
    let s = &o.status;
    let pod_ip = s.pod_ip.map(|ip| ip.to_string());
    let host_ip = s.host_ip.map(|ip| ip.to_string());
    let of = |c: &ContainerStatus| container_to_wire(c, o);
    wire::core::PodStatus {
        phase: Some(s.phase.as_str().to_owned()),
        reason: some(&s.reason),
        message: some(&s.message),
        conditions: list(s.conditions.iter().map(condition_to_wire)),
        container_statuses: list(s.containers.iter().map(of)),
        init_container_statuses: list(s.init_containers.iter().map(of)),
        ephemeral_container_statuses: list(s.ephemeral_containers.iter().map(of)),
        start_time: s.start_time.map(wire_time),
        pod_ips: pod_ip.clone().map(|ip| vec![wire::core::PodIP { ip }]),
        pod_ip,
        host_ips: host_ip.clone().map(|ip| vec![wire::core::HostIP { ip }]),
        host_ip,
        nominated_node_name: some(&s.nominated_node),
        observed_generation: generation(s.observed_generation),
        qos_class: Some(o.spec.qos.as_str().to_owned()),
        ..Default::default()
    }
}

fn condition(c: wire::core::PodCondition) -> PodCondition {
    PodCondition {
        kind: c.type_.into(),
        status: ConditionStatus::parse(&c.status),
        reason: text(c.reason),
        message: text(c.message),
        since: c.last_transition_time.as_ref().map(sim_time).unwrap_or_default(),
        observed_generation: c.observed_generation.and_then(|g| u64::try_from(g).ok()).unwrap_or(0),
    }
}

fn condition_to_wire(c: &PodCondition) -> wire::core::PodCondition {
    wire::core::PodCondition {
        type_: c.kind.to_string(),
        status: c.status.as_str().to_owned(),
        reason: some(&c.reason),
        message: some(&c.message),
        last_transition_time: Some(wire_time(c.since)),
        last_probe_time: None,
        observed_generation: generation(c.observed_generation),
    }
}

fn generation(g: u64) -> Option<i64> {
    (g > 0).then(|| i64::try_from(g).unwrap_or(i64::MAX))
}

fn container(c: wire::core::ContainerStatus) -> ContainerStatus {
    let state = c.state.unwrap_or_default();
    let state = if let Some(t) = state.terminated {
        ContainerState::Terminated(Arc::new(terminated(t)))
    } else if let Some(r) = state.running {
        ContainerState::Running {
            started_at: r.started_at.as_ref().map(sim_time).unwrap_or_default(),
        }
    } else {
        let w = state.waiting.unwrap_or_default();
        ContainerState::Waiting { reason: text(w.reason), message: text(w.message) }
    };
    ContainerStatus {
        name: c.name.into(),
        state,
        last: c.last_state.and_then(|l| l.terminated).map(|t| Arc::new(terminated(t))),
        ready: c.ready,
        started: c.started,
        restart_count: u32::try_from(c.restart_count).unwrap_or(0),
        image: c.image.into(),
        image_id: c.image_id.into(),
        container_id: c.container_id.as_deref().map_or(0, run_number),
        given: c
            .resources
            .map(|actual| Arc::new(Given { actual, allocated: c.allocated_resources })),
    }
}

/// A container's status; what it does not hold itself (resources, mounts) is as the pod's spec has it.
fn container_to_wire(c: &ContainerStatus, pod: &Pod) -> wire::core::ContainerStatus {
    let state = match &c.state {
        ContainerState::Waiting { reason, message } => wire::core::ContainerState {
            waiting: Some(wire::core::ContainerStateWaiting {
                reason: some(reason),
                message: some(message),
            }),
            ..Default::default()
        },
        ContainerState::Running { started_at } => wire::core::ContainerState {
            running: Some(wire::core::ContainerStateRunning {
                started_at: Some(wire_time(*started_at)),
            }),
            ..Default::default()
        },
        ContainerState::Terminated(t) => terminated_to_wire(t),
    };
    let (resources, allocated_resources) = resources_of(c, pod);
    wire::core::ContainerStatus {
        name: c.name.to_string(),
        state: Some(state),
        last_state: Some(c.last.as_deref().map(terminated_to_wire).unwrap_or_default()),
        ready: c.ready,
        started: c.started,
        restart_count: i32::try_from(c.restart_count).unwrap_or(i32::MAX),
        image: c.image.to_string(),
        image_id: c.image_id.to_string(),
        container_id: run_id(c.container_id),
        resources,
        allocated_resources,
        ..Default::default()
    }
}

/// What the runtime has set for a container, and what the node agent has set aside for it; nothing before
/// it was first made.
fn resources_of(
    c: &ContainerStatus,
    pod: &Pod,
) -> (Option<wire::core::ResourceRequirements>, Option<Amounts>) {
    if let Some(given) = c.given.as_deref() {
        return (Some(given.actual.clone()), given.allocated.clone());
    }
    if c.container_id == 0 {
        return (None, None);
    }
    let asked = container_of(&pod.spec.wire, &c.name).and_then(|c| c.resources.clone());
    let asked = asked.unwrap_or_default();
    let allocated = asked.requests.clone();
    (Some(asked), allocated)
}

fn terminated(t: wire::core::ContainerStateTerminated) -> Terminated {
    Terminated {
        exit_code: t.exit_code,
        signal: t.signal.unwrap_or(0),
        reason: text(t.reason),
        message: text(t.message),
        started_at: t.started_at.as_ref().map(sim_time),
        finished_at: t.finished_at.as_ref().map(sim_time),
        container_id: t.container_id.as_deref().map_or(0, run_number),
    }
}

fn terminated_to_wire(t: &Terminated) -> wire::core::ContainerState {
    wire::core::ContainerState {
        terminated: Some(wire::core::ContainerStateTerminated {
            exit_code: t.exit_code,
            signal: (t.signal != 0).then_some(t.signal),
            reason: some(&t.reason),
            message: some(&t.message),
            started_at: t.started_at.map(wire_time),
            finished_at: t.finished_at.map(wire_time),
            container_id: run_id(t.container_id),
        }),
        ..Default::default()
    }
}

/// A run's number as a runtime shows it: 64 hexadecimal digits, the number in the last 16.
fn run_id(number: u64) -> Option<String> {
    if number == 0 {
        return None;
    }
    let bytes = number.to_le_bytes();
    let [a, b, c] = [1, 2, 3].map(|seed| digest_of(seed, &bytes));
    Some(format!("containerd://{a:016x}{b:016x}{c:016x}{number:016x}"))
}

/// The number back; another runtime's id gets the digest of its text.
fn run_number(id: &str) -> u64 {
    let digits = id.rsplit("//").next().unwrap_or(id);
    let last = digits.len().checked_sub(16).and_then(|i| digits.get(i..));
    last.and_then(|d| u64::from_str_radix(d, 16).ok())
        .filter(|n| run_id(*n).as_deref() == Some(id))
        .unwrap_or_else(|| digest_of(0, id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodIdentity;
    use serde_json::json;

    fn pod(spec: serde_json::Value) -> Pod {
        let json = json!({"metadata": {"name": "web-0", "namespace": "default"}, "spec": spec});
        pod_from_wire(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn what_pods_of_a_template_share_is_written_out_for_each() {
        let mut p = pod(json!({
            "containers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-abcde", "mountPath": "/x"}]}],
            "volumes": [{"name": "kube-api-access-abcde"}, {"name": "data", "emptyDir": {}}, {"name": "rest"}],
        }));
        p.node = Some("node-1".into());
        p.made_for = Some("node-1".into());
        p.identity = Some(Arc::new(PodIdentity {
            hostname: "web-0".into(),
            subdomain: "nginx".into(),
            claims: vec![("data".into(), "data-web-0".into())],
        }));
        let spec = serde_json::to_value(pod_to_wire(&p)).unwrap()["spec"].clone();
        assert_eq!(spec["nodeName"], "node-1");
        assert_eq!((&spec["hostname"], &spec["subdomain"]), (&json!("web-0"), &json!("nginx")));
        assert_eq!(spec["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-web-0");
        assert_eq!(spec["volumes"].as_array().unwrap().len(), 3);
        let name = spec["volumes"][1]["name"].as_str().unwrap();
        assert!(name.starts_with("kube-api-access-") && name.len() == 21);
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], name);
        let term = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"][0]["matchFields"][0];
        assert_eq!(term["values"], json!(["node-1"]));
    }

    #[test]
    fn a_run_number_survives_the_way_out_and_in() {
        let id = run_id(42).unwrap();
        assert_eq!(id.len(), "containerd://".len() + 64);
        assert_eq!(run_number(&id), 42);
        assert_ne!(run_number("docker://0000000000000000000000000000002a"), 42);
    }
}

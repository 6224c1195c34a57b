//! Defaults of pods and of what stands in them. After `pkg/apis/core/v1/defaults.go`.

use serde_json::Value;

use crate::api::fields::{
    Fields, fields, fields_mut, fields_or_new, fill, fill_absent, fill_int, flag, has_any, int,
    items_mut, text,
};
use crate::api::image;
use crate::api::resources::{self, Options, ResourceList};

/// `SetDefaults_Pod`: what a pod gets and a template does not.
pub(super) fn pod(pod: &mut Fields) {
    let spec = fields_or_new(pod, "spec");
    for list in ["containers", "initContainers"] {
        items_mut(spec, list).for_each(requests_from_limits);
    }
    limit_huge_pages(pod);
    request_pod_level(pod);
    let spec = fields_or_new(pod, "spec");
    fill_absent(spec, "enableServiceLinks", true);
    if flag(spec, "hostNetwork") {
        for list in ["containers", "initContainers"] {
            items_mut(spec, list).for_each(host_ports);
        }
    }
}

/// `SetDefaults_PodSpec`.
pub(super) fn pod_spec(spec: &mut Fields) {
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill_absent(spec, "securityContext", Fields::new());
    fill_absent(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
}

/// `SetDefaults_Container`.
pub(super) fn container(container: &mut Fields) {
    let policy = pull_policy(text(container, "image"));
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
}

/// Always for the tag `latest`, given or implied, else IfNotPresent.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if image::is_latest(image) { "Always" } else { "IfNotPresent" }
}

pub(super) fn container_port(port: &mut Fields) {
    fill(port, "protocol", "TCP");
}

/// `SetDefaults_Probe`.
pub(super) fn probe(probe: &mut Fields) {
    fill_int(probe, "timeoutSeconds", 1);
    fill_int(probe, "periodSeconds", 10);
    fill_int(probe, "successThreshold", 1);
    fill_int(probe, "failureThreshold", 3);
}

/// `SetDefaults_HTTPGetAction`.
pub(super) fn http_get(action: &mut Fields) {
    fill(action, "path", "/");
    fill(action, "scheme", "HTTP");
}

pub(super) fn grpc(action: &mut Fields) {
    fill_absent(action, "service", "");
}

/// `SetDefaults_ObjectFieldSelector`.
pub(super) fn field_selector(selector: &mut Fields) {
    fill(selector, "apiVersion", "v1");
}

pub(super) fn file_key(selector: &mut Fields) {
    fill_absent(selector, "optional", false);
}

/// A limit without a request is the request too.
fn requests_from_limits(container: &mut Fields) {
    let Some(resources) = fields_mut(container, "resources") else { return };
    let Some(limits) = fields(resources, "limits").cloned() else { return };
    let requests = fields_or_new(resources, "requests");
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

/// `defaultHostNetworkPorts`.
fn host_ports(container: &mut Fields) {
    for port in items_mut(container, "ports") {
        let number = int(port, "containerPort");
        fill_int(port, "hostPort", number);
    }
}

/// `defaultHugePagePodLimits`: pod-level limits of huge pages are those of the containers.
fn limit_huge_pages(pod: &mut Fields) {
    let Some(level) = pod_level(pod) else { return };
    if !has_any(level, "limits") && !has_any(level, "requests") {
        return;
    }
    let mut limits = resources::list(level, "limits");
    let requests = resources::list(level, "requests");
    for (name, amount) in resources::aggregate(pod, "limits", Options::default()) {
        if name.starts_with("hugepages-") && !requests.contains_key(&name) {
            limits.entry(name).or_insert(amount);
        }
    }
    set_pod_level(pod, "limits", &limits);
}

/// `defaultPodRequests`: pod-level requests are those of the containers, else the pod-level limits.
fn request_pod_level(pod: &mut Fields) {
    let Some(level) = pod_level(pod).filter(|level| has_any(level, "limits")) else { return };
    let mut requests = resources::list(level, "requests");
    let limits = resources::list(level, "limits");
    for (name, amount) in resources::aggregate(pod, "requests", Options::default()) {
        if matches!(name.as_str(), "cpu" | "memory") {
            requests.entry(name).or_insert(amount);
        }
    }
    for (name, amount) in limits {
        if resources::is_pod_level(&name) {
            requests.entry(name).or_insert(amount);
        }
    }
    set_pod_level(pod, "requests", &requests);
}

fn pod_level(pod: &Fields) -> Option<&Fields> {
    fields(pod, "spec").and_then(|spec| fields(spec, "resources"))
}

fn set_pod_level(pod: &mut Fields, what: &str, amounts: &ResourceList) {
    if !amounts.is_empty() {
        let level = fields_or_new(fields_or_new(pod, "spec"), "resources");
        let value: Value = resources::list_to_value(amounts);
        level.insert(what.into(), value);
    }
}

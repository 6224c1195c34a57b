//! Pods and pod templates. Follows `describePod` and `DescribePodTemplate`.

use serde_json::Value;

use super::super::printers::cells::{has, int, items, selector, since, text, time};
use super::containers::{self, Place};
use super::page::{Page, controller, date, put};
use super::{Cluster, events, volumes};
use crate::api::resources;

/// A pod.
pub(super) fn pod(page: &mut Page, pod: &Value, cluster: &Cluster<'_>) {
    page.head(pod);
    if has(pod, "/spec/priority") {
        put!(page, 0, "Priority:\t{}\n", int(pod, "/spec/priority"));
    }
    for (title, field) in [
        ("Priority Class Name", "/spec/priorityClassName"),
        ("Runtime Class Name", "/spec/runtimeClassName"),
        ("Service Account", "/spec/serviceAccountName"),
    ] {
        given(page, title, text(pod, field));
    }
    match text(pod, "/spec/nodeName") {
        "" => put!(page, 0, "Node:\t<none>\n"),
        node => put!(page, 0, "Node:\t{node}/{}\n", text(pod, "/status/hostIP")),
    }
    if has(pod, "/status/startTime") {
        put!(page, 0, "Start Time:\t{}\n", date(pod, "/status/startTime"));
    }
    page.meta(pod);
    status(page, pod, cluster);
    if pod["spec"]["resources"].is_object() {
        put!(page, 0, "Resources:\n");
        containers::resources(page, &pod["spec"]["resources"], 1);
    }
    let place = Place { pod: Some(pod), space: "" };
    for (label, specs, statuses) in [
        ("Init Containers", "/spec/initContainers", "/status/initContainerStatuses"),
        ("Containers", "/spec/containers", "/status/containerStatuses"),
        ("Ephemeral Containers", "/spec/ephemeralContainers", "/status/ephemeralContainerStatuses"),
    ] {
        if label == "Containers" || !items(pod, specs).is_empty() {
            containers::describe(page, label, items(pod, specs), items(pod, statuses), place);
        }
    }
    conditions(page, pod);
    volumes::describe(page, items(pod, "/spec/volumes"), place);
    let class = pod.as_object().map_or("", resources::qos_class);
    put!(page, 0, "QoS Class:\t{class}\n");
    page.labels("Node-Selectors", pod.pointer("/spec/nodeSelector"));
    page.tolerations("Tolerations", items(pod, "/spec/tolerations"));
    spread(page, pod, "");
    group(page, pod, "");
    events::describe(page, pod, cluster);
}

fn given(page: &mut Page, title: &str, value: &str) {
    if !value.is_empty() {
        put!(page, 0, "{title}:\t{value}\n");
    }
}

fn status(page: &mut Page, pod: &Value, cluster: &Cluster<'_>) {
    let phase = text(pod, "/status/phase");
    if has(pod, "/metadata/deletionTimestamp") && !matches!(phase, "Failed" | "Succeeded") {
        let lasts = since(time(pod, "/metadata/deletionTimestamp"), cluster.now);
        put!(page, 0, "Status:\tTerminating (lasts {lasts})\n");
        let grace = int(pod, "/metadata/deletionGracePeriodSeconds");
        put!(page, 0, "Termination Grace Period:\t{grace}s\n");
    } else {
        put!(page, 0, "Status:\t{phase}\n");
    }
    given(page, "Reason", text(pod, "/status/reason"));
    given(page, "Message", text(pod, "/status/message"));
    containers::seccomp(page, &pod["spec"], 0);
    put!(page, 0, "IP:\t{}\n", text(pod, "/status/podIP"));
    let addresses = items(pod, "/status/podIPs");
    if addresses.is_empty() {
        put!(page, 0, "IPs:\t<none>\n");
    } else {
        put!(page, 0, "IPs:\n");
        for address in addresses {
            put!(page, 1, "IP:\t{}\n", text(address, "/ip"));
        }
    }
    given(page, "Controlled By", &controller(pod).unwrap_or_default());
    given(page, "NominatedNodeName", text(pod, "/status/nominatedNodeName"));
}

fn conditions(page: &mut Page, pod: &Value) {
    let conditions = items(pod, "/status/conditions");
    let gates = items(pod, "/spec/readinessGates");
    if !gates.is_empty() {
        put!(page, 0, "Readiness Gates:\n  Type\tStatus\n");
        for gate in gates {
            let of = text(gate, "/conditionType");
            let found = conditions.iter().find(|c| text(c, "/type") == of);
            put!(page, 1, "{of} \t{} \n", found.map_or("<none>", |c| text(c, "/status")));
        }
    }
    if !conditions.is_empty() {
        put!(page, 0, "Conditions:\n  Type\tStatus\n");
        for condition in conditions {
            put!(page, 1, "{} \t{} \n", text(condition, "/type"), text(condition, "/status"));
        }
    }
}

/// Topology spread constraints, by their key.
fn spread(page: &mut Page, of: &Value, space: &str) {
    let mut constraints: Vec<&Value> =
        items(of, "/spec/topologySpreadConstraints").iter().collect();
    if constraints.is_empty() {
        return;
    }
    constraints.sort_by_key(|c| text(c, "/topologyKey"));
    put!(page, 0, "{space}Topology Spread Constraints:\t");
    for (i, constraint) in constraints.into_iter().enumerate() {
        if i > 0 {
            put!(page, 0, "{space}\t");
        }
        let (key, what) =
            (text(constraint, "/topologyKey"), text(constraint, "/whenUnsatisfiable"));
        put!(page, 0, "{key}:{what} when max skew {} is exceeded", int(constraint, "/maxSkew"));
        if constraint["labelSelector"].is_object() {
            let selector = selector(constraint, "/labelSelector");
            put!(page, 0, " for selector {}", selector.as_str().unwrap_or_default());
        }
        put!(page, 0, "\n");
    }
}

fn group(page: &mut Page, of: &Value, space: &str) {
    if of["spec"]["schedulingGroup"].is_object() {
        put!(page, 0, "{space}SchedulingGroup:\n");
        put!(page, 1, "PodGroupName:\t{}\n", text(of, "/spec/schedulingGroup/podGroupName"));
    }
}

/// A pod template.
pub(super) fn template(page: &mut Page, template: &Value) {
    put!(page, 0, "Pod Template:\n");
    if !template.is_object() {
        put!(page, 1, "<unset>");
        return;
    }
    page.labels("  Labels", template.pointer("/metadata/labels"));
    if template
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .is_some_and(|a| !a.is_empty())
    {
        page.annotations("  Annotations", template.pointer("/metadata/annotations"));
    }
    given(page, "  Service Account", text(template, "/spec/serviceAccountName"));
    let place = Place { pod: None, space: "  " };
    for (label, field) in
        [("Init Containers", "/spec/initContainers"), ("Containers", "/spec/containers")]
    {
        if label == "Containers" || !items(template, field).is_empty() {
            containers::describe(page, label, items(template, field), &[], place);
        }
    }
    volumes::describe(page, items(template, "/spec/volumes"), place);
    spread(page, template, "  ");
    given(page, "  Priority Class Name", text(template, "/spec/priorityClassName"));
    page.labels("  Node-Selectors", template.pointer("/spec/nodeSelector"));
    page.tolerations("  Tolerations", items(template, "/spec/tolerations"));
    group(page, template, "  ");
}

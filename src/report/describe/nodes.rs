//! Nodes, and what their pods ask of them. Follows `describeNode` and `describeNodeResource`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::printers::cells::{has, items, since, text, time};
use super::page::{Page, date, on, pairs, put, texts};
use super::{Cluster, containers, events};
use crate::api::resources::{self, Options, ResourceList};
use crate::base::quantity::Quantity;

/// A Node.
pub(super) fn node(page: &mut Page, node: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(node, "/metadata/name"));
    let roles = roles(node).join(",");
    put!(page, 0, "Roles:\t{}\n", super::page::or_none(&roles));
    page.meta(node);
    page.created(node);
    let mut taints: Vec<&Value> = items(node, "/spec/taints").iter().collect();
    taints.sort_by_key(|t| format!("{},{}", text(t, "/effect"), text(t, "/key")));
    let taints: Vec<String> = taints.into_iter().map(taint).collect();
    page.lines("Taints", &taints);
    put!(page, 0, "Unschedulable:\t{}\n", on(node, "/spec/unschedulable"));
    lease(page, node, cluster);
    conditions(page, node);
    put!(page, 0, "Addresses:\n");
    for address in items(node, "/status/addresses") {
        put!(page, 1, "{}:\t{}\n", text(address, "/type"), text(address, "/address"));
    }
    for (title, field) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        let Some(list) = node["status"][field].as_object().filter(|l| !l.is_empty()) else {
            continue;
        };
        put!(page, 0, "{title}:\n");
        let mut names: Vec<&String> = list.keys().collect();
        names.sort();
        for name in names {
            put!(page, 1, "{name}:\t{}\n", containers::amount(&list[name]));
        }
    }
    system(page, node);
    allocated(page, node, cluster);
    events::describe(page, node, cluster);
}

fn roles(node: &Value) -> Vec<&str> {
    let mut roles = BTreeSet::new();
    for (label, value) in pairs(node.pointer("/metadata/labels")) {
        match label.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => drop(roles.insert(role)),
            _ if label == "kubernetes.io/role" && !value.is_empty() => drop(roles.insert(value)),
            _ => {}
        }
    }
    roles.into_iter().collect()
}

/// `key=value:Effect` (`Taint.ToString`).
fn taint(taint: &Value) -> String {
    match ["/key", "/value", "/effect"].map(|p| text(taint, p)) {
        [key, "", ""] => key.to_owned(),
        [key, value, ""] => format!("{key}={value}:"),
        [key, "", effect] => format!("{key}:{effect}"),
        [key, value, effect] => format!("{key}={value}:{effect}"),
    }
}

fn lease(page: &mut Page, node: &Value, cluster: &Cluster<'_>) {
    let name = text(node, "/metadata/name");
    let leases = (cluster.list)("Lease", "kube-node-lease");
    let Some(lease) = leases.iter().find(|l| text(l, "/metadata/name") == name) else {
        put!(
            page,
            0,
            "Lease:\tFailed to get lease: leases.coordination.k8s.io {name:?} not found\n"
        );
        return;
    };
    put!(page, 0, "Lease:\n");
    let holder = super::page::plain(lease, "/spec/holderIdentity", "<unset>");
    put!(page, 1, "HolderIdentity:\t{holder}\n");
    for (title, field) in [("AcquireTime", "/spec/acquireTime"), ("RenewTime", "/spec/renewTime")] {
        let at = if has(lease, field) { date(lease, field) } else { "<unset>".to_owned() };
        put!(page, 1, "{title}:\t{at}\n");
    }
}

fn conditions(page: &mut Page, node: &Value) {
    let conditions = items(node, "/status/conditions");
    if conditions.is_empty() {
        return;
    }
    put!(
        page,
        0,
        "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n"
    );
    put!(page, 1, "----\t------\t-----------------\t------------------\t------\t-------\n");
    for c in conditions {
        let [of, status, reason, message] =
            ["/type", "/status", "/reason", "/message"].map(|p| text(c, p));
        let (beat, changed) = (date(c, "/lastHeartbeatTime"), date(c, "/lastTransitionTime"));
        put!(page, 1, "{of} \t{status} \t{beat} \t{changed} \t{reason} \t{message}\n");
    }
}

fn system(page: &mut Page, node: &Value) {
    put!(page, 0, "System Info:\n");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        put!(page, 1, "{title}:\t{}\n", text(node, &format!("/status/nodeInfo/{field}")));
    }
    let cidrs = texts(node, "/spec/podCIDRs").join(",");
    for (title, value) in [
        ("PodCIDR", text(node, "/spec/podCIDR")),
        ("PodCIDRs", &cidrs),
        ("ProviderID", text(node, "/spec/providerID")),
    ] {
        if !value.is_empty() {
            put!(page, 0, "{title}:\t{value}\n");
        }
    }
}

/// `amount (percent%)` of what can be given out, cut off to a whole number.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the percentage is upstream's, floating point and all"
)]
fn share(amount: &Quantity, of: &Quantity, milli: bool) -> String {
    let units = |q: &Quantity| if milli { q.milli_value() } else { q.value() } as f64;
    let all = units(of);
    let percent = if all > 0.0 { units(amount) / all * 100.0 } else { 0.0 };
    format!("{} ({}%)", amount.canonical(), percent as i64)
}

/// The pods on a node that have not ended, and what they have of it.
fn allocated(page: &mut Page, node: &Value, cluster: &Cluster<'_>) {
    let name = text(node, "/metadata/name");
    let mut pods = (cluster.list)("Pod", "");
    pods.retain(|p| {
        text(p, "/spec/nodeName") == name
            && !matches!(text(p, "/status/phase"), "Succeeded" | "Failed")
    });
    put!(page, 0, "Non-terminated Pods:\t({} in total)\n", pods.len());
    put!(
        page,
        1,
        "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n"
    );
    put!(
        page,
        1,
        "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n"
    );
    let there = ["allocatable", "capacity"].map(|f| node["status"][f].as_object());
    let there = there.into_iter().flatten().find(|l| !l.is_empty());
    let mut allocatable = ResourceList::new();
    for (name, amount) in there.into_iter().flatten() {
        if let Some(Ok(amount)) = amount.as_str().map(str::parse) {
            allocatable.insert(name.clone(), amount);
        }
    }
    let (mut requests, mut limits) = (ResourceList::new(), ResourceList::new());
    for pod in &pods {
        let Some(fields) = pod.as_object() else { continue };
        let options = Options { use_status: true, ..Options::default() };
        let asked = resources::pod_requests(fields, options);
        let most = resources::pod_limits(fields, options);
        let cells: Vec<String> = ["cpu", "memory"]
            .into_iter()
            .flat_map(|r| [(r, &asked), (r, &most)])
            .map(|(r, list)| share(&amount(list, r), &amount(&allocatable, r), r == "cpu"))
            .collect();
        let age = since(time(pod, "/metadata/creationTimestamp"), cluster.now);
        let (space, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        put!(page, 1, "{space}\t{name}\t\t{}\t{age}\n", cells.join("\t"));
        resources::add(&mut requests, &resources::pod_requests(fields, Options::default()));
        resources::add(&mut limits, &resources::pod_limits(fields, Options::default()));
    }
    put!(
        page,
        0,
        "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n"
    );
    put!(page, 1, "Resource\tRequests\tLimits\n");
    put!(page, 1, "--------\t--------\t------\n");
    let huge = |name: &&str| name.starts_with("hugepages-");
    let standard = ["cpu", "memory", "ephemeral-storage"];
    let names = || allocatable.keys().map(String::as_str);
    for name in standard.into_iter().chain(names().filter(huge)) {
        let of = amount(&allocatable, name);
        let [asked, most] =
            [&requests, &limits].map(|l| share(&amount(l, name), &of, name == "cpu"));
        put!(page, 1, "{name}\t{asked}\t{most}\n");
    }
    for name in names().filter(|n| !huge(n) && !standard.contains(n) && *n != "pods") {
        let [asked, most] = [&requests, &limits].map(|l| amount(l, name).canonical());
        put!(page, 1, "{name}\t{asked}\t{most}\n");
    }
}

fn amount(list: &ResourceList, name: &str) -> Quantity {
    list.get(name).cloned().unwrap_or_default()
}

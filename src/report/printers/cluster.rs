//! The cells of what a cluster is made of beside workloads and volumes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Now;
use super::cells::{
    age, entries, has, int, items, labels, name, quantity, since, text, text_or, time,
};

pub(super) fn config_map(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), (entries(o, "/data") + entries(o, "/binaryData")).into(), age(o, now)]
}

pub(super) fn secret(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), text(o, "/type").into(), entries(o, "/data").into(), age(o, now)]
}

pub(super) fn service_account(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), age(o, now)]
}

pub(super) fn namespace(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), text(o, "/status/phase").into(), age(o, now)]
}

pub(super) fn lease(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), text(o, "/spec/holderIdentity").into(), age(o, now)]
}

pub(super) fn other(o: &Value, _: Now) -> Vec<Value> {
    vec![name(o), text(o, "/metadata/creationTimestamp").into()]
}

pub(super) fn priority_class(o: &Value, now: Now) -> Vec<Value> {
    vec![
        name(o),
        int(o, "/value").into(),
        (o["globalDefault"] == true).into(),
        age(o, now),
        text(o, "/preemptionPolicy").into(),
    ]
}

pub(super) fn node(o: &Value, now: Now) -> Vec<Value> {
    let conditions = items(o, "/status/conditions");
    // Of conditions of one type the last counts.
    let ready = conditions.iter().rfind(|c| text(c, "/type") == "Ready");
    let ready = match ready.map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = if o.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        ",SchedulingDisabled"
    } else {
        ""
    };
    let address = |kind: &str| {
        let all = items(o, "/status/addresses");
        let of = all.iter().find(|a| text(a, "/type") == kind);
        Value::from(of.map_or("<none>", |a| text(a, "/address")))
    };
    let info = |field: &str| text(o, &format!("/status/nodeInfo/{field}")).to_owned();
    let known = |field: &str| match info(field) {
        empty if empty.is_empty() => "<unknown>".to_owned(),
        known => known,
    };
    let kernel = match info("architecture").as_str() {
        "" => known("kernelVersion"),
        architecture => format!("{} ({architecture})", known("kernelVersion")),
    };
    vec![
        name(o),
        format!("{ready}{cordoned}").into(),
        roles(o).into(),
        age(o, now),
        info("kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        known("osImage").into(),
        kernel.into(),
        known("containerRuntimeVersion").into(),
    ]
}

fn roles(o: &Value) -> String {
    let all = o.pointer("/metadata/labels").and_then(Value::as_object);
    let roles: BTreeSet<&str> = all
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    match roles.is_empty() {
        true => "<none>".to_owned(),
        false => roles.into_iter().collect::<Vec<_>>().join(","),
    }
}

pub(super) fn service(o: &Value, now: Now) -> Vec<Value> {
    let ports: Vec<String> = items(o, "/spec/ports")
        .iter()
        .map(|p| {
            let (port, protocol) = (int(p, "/port"), text(p, "/protocol"));
            match int(p, "/nodePort") {
                1.. => format!("{port}:{}/{protocol}", int(p, "/nodePort")),
                _ => format!("{port}/{protocol}"),
            }
        })
        .collect();
    let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
    let internal = match items(o, "/spec/clusterIPs").first() {
        Some(first) => first.as_str().unwrap_or_default(),
        None => "<none>",
    };
    vec![
        name(o),
        text(o, "/spec/type").into(),
        internal.into(),
        external(o).into(),
        ports.into(),
        age(o, now),
        labels(o, "/spec/selector"),
    ]
}

/// Where a Service is reached from outside, as `-o wide` prints it: whole.
fn external(o: &Value) -> String {
    let given: Vec<&str> = items(o, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    let balancers: BTreeSet<&str> = items(o, "/status/loadBalancer/ingress")
        .iter()
        .map(|i| text_or(i, "/ip", text(i, "/hostname")))
        .filter(|at| !at.is_empty())
        .collect();
    match text(o, "/spec/type") {
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => given.join(","),
        "LoadBalancer" => match balancers.into_iter().chain(given).collect::<Vec<_>>() {
            none if none.is_empty() => "<pending>".to_owned(),
            all => all.join(","),
        },
        "ExternalName" => text(o, "/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// At most three addresses, and how many there are beside (`formatEndpoints`).
pub(super) fn endpoints(o: &Value, now: Now) -> Vec<Value> {
    const SHOWN: usize = 3;
    let subsets = items(o, "/subsets");
    let mut all: Vec<String> = Vec::new();
    for subset in subsets {
        let ips = || items(subset, "/addresses").iter().map(|a| text(a, "/ip"));
        match items(subset, "/ports") {
            [] => all.extend(ips().map(str::to_owned)),
            ports => {
                for port in ports {
                    let port = int(port, "/port");
                    all.extend(ips().map(|ip| match ip.contains(':') {
                        true => format!("[{ip}]:{port}"),
                        false => format!("{ip}:{port}"),
                    }));
                }
            }
        }
    }
    let shown = match all.len().checked_sub(SHOWN) {
        _ if subsets.is_empty() => "<none>".to_owned(),
        Some(more @ 1..) => format!("{} + {more} more...", all[..SHOWN].join(",")),
        _ => all.join(","),
    };
    vec![name(o), shown.into(), age(o, now)]
}

pub(super) fn resource_quota(o: &Value, now: Now) -> Vec<Value> {
    let hard = o.pointer("/status/hard").and_then(Value::as_object);
    let mut names: Vec<&str> = hard.into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    names.sort_unstable();
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for name in names {
        let field = name.replace('~', "~0").replace('/', "~1");
        let used = quantity(o, &format!("/status/used/{field}"));
        let hard = quantity(o, &format!("/status/hard/{field}"));
        let column = if name.starts_with("limits.") { &mut limits } else { &mut requests };
        column.push(format!("{name}: {used}/{hard}"));
    }
    vec![name(o), requests.join(", ").into(), limits.join(", ").into(), age(o, now)]
}

pub(super) fn event(o: &Value, now: Now) -> Vec<Value> {
    let first = time(o, "/firstTimestamp").or_else(|| time(o, "/eventTime"));
    let first = since(first, now);
    let (last, count) = if has(o, "/series") {
        (since(time(o, "/series/lastObservedTime"), now), int(o, "/series/count"))
    } else {
        let last = time(o, "/lastTimestamp");
        let last = if last.is_some() { since(last, now) } else { first.clone() };
        (last, int(o, "/count").max(i64::from(int(o, "/count") == 0)))
    };
    let kind = text(o, "/involvedObject/kind").to_lowercase();
    let target = match text(o, "/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = text_or(o, "/source/component", text(o, "/reportingComponent"));
    let instance = text_or(o, "/source/host", text(o, "/reportingInstance"));
    let source = match instance {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    };
    vec![
        last.into(),
        text(o, "/type").into(),
        text(o, "/reason").into(),
        target.into(),
        text(o, "/involvedObject/fieldPath").into(),
        source.into(),
        text(o, "/message").trim().into(),
        first.into(),
        count.into(),
        name(o),
    ]
}

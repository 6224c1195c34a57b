//! `kubectl expose`: a Service for what is there.
//!
//! After `pkg/cmd/expose/expose.go` and `pkg/polymorphichelpers`.

use serde_json::{Value, json};

use super::args::Args;
use super::create::store;
use super::generators::number_or_text;
use super::output::Printer;
use super::resource::{self, Info, Resource, Ways};
use super::table::{DRY_RUN, FILES, MANAGER, PRINT, RECORD, SAVE, Treatment, Verb, text};
use super::{Cx, Failure, OnError, Task, Tasks};
use crate::model::Kind;

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "expose",
    aliases: &[],
    usage: "expose (-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name] [--name=name] [--external-ip=external-ip-of-service] [--type=type] [options]",
    about: "Expose a resource as a new Kubernetes service.",
    flags: &[
        FILES,
        PRINT,
        DRY_RUN,
        MANAGER,
        RECORD,
        SAVE,
        &[
            text("port"),
            text("protocol"),
            text("target-port"),
            text("name"),
            text("type"),
            text("selector"),
            text("labels").letter('l'),
            text("external-ip"),
            text("load-balancer-ip"),
            text("session-affinity"),
            text("cluster-ip"),
            text("overrides").refused("write the manifest"),
            text("override-type").or("merge").ignored("there are no --overrides"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

/// The longest name of a Service (`DNS1035LabelMaxLength`).
const MAX_NAME: usize = 63;

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let printer = Printer::of(args, "exposed")?;
    // `-l` gives labels here, and --selector is the Service's.
    let mut line = args.clone();
    line.clear("selector");
    let found = resource::find(&line, cx, Ways::default())?;
    let each = found.infos.into_iter().map(|info| {
        info.and_then(|info| one(&info, args, cx, &printer)).unwrap_or_else(Task::Fail)
    });
    Ok(each.collect())
}

fn one(info: &Info, args: &Args, cx: &Cx<'_>, printer: &Printer) -> Result<Task, Failure> {
    let exposable = matches!(
        info.resource.model,
        Kind::Pod
            | Kind::Service
            | Kind::ReplicationController
            | Kind::Deployment
            | Kind::ReplicaSet
    );
    let r = &info.resource;
    if !exposable {
        let kind =
            if r.group.is_empty() { r.kind.clone() } else { format!("{}.{}", r.kind, r.group) };
        return Err(format!("cannot expose a {kind}").into());
    }
    let whole = info.wire();
    let selector = match args.text("selector") {
        "" => own_selector(info, &whole)?,
        text => labels(text)?,
    };
    let own_labels = &whole["metadata"]["labels"];
    let labels = match args.text("labels") {
        "" => own_labels.clone(),
        text => labels(text)?,
    };
    let mut name = args.text("name").to_owned();
    if name.is_empty() {
        name = info.name.chars().take(MAX_NAME).collect();
    }
    let mut document = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name}, "spec": {"selector": selector}});
    if labels.as_object().is_some_and(|l| !l.is_empty()) {
        document["metadata"]["labels"] = labels;
    }
    let ports = ports(info, &whole, args)?;
    if !ports.is_empty() {
        document["spec"]["ports"] = ports.into();
    }
    options(args, &mut document["spec"])?;
    let namespace = cx.namespace.clone();
    let dry_run = super::output::DryRun::of(args)?;
    if dry_run != super::output::DryRun::Client || cx.namespace_given {
        document["metadata"]["namespace"] = namespace.clone().into();
    }
    let service = Info {
        resource: Resource::of(Kind::Service),
        namespace,
        name,
        object: None,
        document: None,
        source: String::new(),
    };
    store(&service, document, args, printer, OnError::Say)
}

fn options(args: &Args, spec: &mut Value) -> Result<(), Failure> {
    for (flag, field) in [("type", "type"), ("cluster-ip", "clusterIP")] {
        if !args.text(flag).is_empty() {
            spec[field] = args.text(flag).into();
        }
    }
    if !args.text("external-ip").is_empty() {
        spec["externalIPs"] = json!([args.text("external-ip")]);
    }
    if args.text("type") == "LoadBalancer" && !args.text("load-balancer-ip").is_empty() {
        spec["loadBalancerIP"] = args.text("load-balancer-ip").into();
    }
    match args.text("session-affinity") {
        "" => {}
        affinity @ ("None" | "ClientIP") => spec["sessionAffinity"] = affinity.into(),
        other => return Err(format!("unknown session affinity: {other}").into()),
    }
    Ok(())
}

/// The labels by which an object finds its pods (`MapBasedSelectorForObject`).
fn own_selector(info: &Info, whole: &Value) -> Result<Value, Failure> {
    let lead = "couldn't retrieve selectors via --selector flag or introspection: ";
    let spec = &whole["spec"];
    let found = match info.resource.model {
        Kind::Pod if !whole["metadata"]["labels"].is_object() => {
            return Err(format!("{lead}the pod has no labels and cannot be exposed").into());
        }
        Kind::Pod => &whole["metadata"]["labels"],
        Kind::Service if !spec["selector"].is_object() => {
            return Err(format!("{lead}the service has no pod selector set").into());
        }
        Kind::Service | Kind::ReplicationController => &spec["selector"],
        _ => {
            let expressions = spec["selector"]["matchExpressions"].as_array();
            if expressions.is_some_and(|e| !e.is_empty()) {
                return Err(format!(
                    "{lead}couldn't convert expressions - \"{}\" to map-based selector format",
                    spec["selector"]["matchExpressions"]
                )
                .into());
            }
            &spec["selector"]["matchLabels"]
        }
    };
    Ok(found.clone())
}

fn labels(text: &str) -> Result<Value, Failure> {
    let mut all = json!({});
    for part in text.split(',') {
        match part.split('=').collect::<Vec<_>>()[..] {
            ["", _] => return Err("unexpected empty label key".into()),
            [key, value] => all[key] = value.into(),
            _ => return Err(format!("unexpected label spec: {part}").into()),
        }
    }
    Ok(all)
}

/// The containers' ports, or the Service's own: number and protocol.
fn own_ports(info: &Info, whole: &Value) -> Vec<(String, String)> {
    let spec = match info.resource.model {
        Kind::Pod => &whole["spec"],
        Kind::Service => {
            return whole["spec"]["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|p| pair(p, "port"))
                .collect();
        }
        _ => &whole["spec"]["template"]["spec"],
    };
    let containers = spec["containers"].as_array().into_iter().flatten();
    let ports = containers.flat_map(|c| c["ports"].as_array().into_iter().flatten());
    ports.map(|p| pair(p, "containerPort")).collect()
}

fn pair(port: &Value, field: &str) -> (String, String) {
    (port[field].to_string(), port["protocol"].as_str().unwrap_or("TCP").to_owned())
}

fn ports(info: &Info, whole: &Value, args: &Args) -> Result<Vec<Value>, Failure> {
    let own = own_ports(info, whole);
    let given = args.text("port");
    let numbers: Vec<String> = match given {
        "" => {
            let mut unique: Vec<String> = Vec::new();
            for (number, _) in &own {
                if !unique.contains(number) {
                    unique.push(number.clone());
                }
            }
            unique
        }
        given => given.split(',').map(str::to_owned).collect(),
    };
    if numbers.is_empty() && args.text("cluster-ip") != "None" {
        return Err("couldn't find port via --port flag or introspection".into());
    }
    let mut ports = Vec::new();
    for (i, number) in numbers.iter().enumerate() {
        let port: i32 = number.parse().map_err(|_| {
            Failure::Plain(format!("strconv.Atoi: parsing {number:?}: invalid syntax"))
        })?;
        let target = match args.text("target-port") {
            "" => port.into(),
            text => number_or_text(text),
        };
        let mut protocols: Vec<String> =
            own.iter().filter(|(n, _)| n == number).map(|(_, p)| p.clone()).collect();
        if !args.text("protocol").is_empty() {
            protocols = vec![args.text("protocol").to_owned()];
        } else if protocols.is_empty() {
            protocols = vec!["TCP".to_owned()];
        }
        for protocol in &protocols {
            let mut entry = json!({"port": port, "protocol": protocol, "targetPort": target});
            if protocols.len() > 1 {
                entry["name"] = format!("port-{}-{}", i + 1, protocol.to_lowercase()).into();
            } else if numbers.len() > 1 {
                entry["name"] = format!("port-{}", i + 1).into();
            }
            ports.push(entry);
        }
    }
    Ok(ports)
}

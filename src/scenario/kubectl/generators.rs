//! The generators of `kubectl create`: a resource from what the command line tells.
//!
//! After `pkg/cmd/create/create_*.go`. Data (`configmap`, `secret`) and access (`role` and the like,
//! `ingress`) have files of their own.

mod access;
mod data;
mod ingress;

use serde_json::{Value, json};

use super::args::Args;
use super::create::{command, generated, name, require};
use super::resource::{self, Ways};
use super::table::{
    DRY_RUN, Flag, MANAGER, PRINT, SAVE, Treatment, VALIDATE, Verb, list, number, switch, text,
};
use super::{Cx, Failure, Tasks};

use crate::api::names;
use crate::api::selectors::LabelSelector;
use crate::base::quantity::Quantity;
pub(super) use access::subjects;

const fn verb(
    path: &'static str,
    aliases: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
    flags: &'static [&'static [Flag]],
    plan: fn(&Args, &Cx<'_>) -> Result<Tasks, Failure>,
) -> Verb {
    Verb { path, aliases, usage, about, flags, treatment: Treatment::Modelled, plan }
}

pub(super) const VERBS: &[Verb] = &[
    verb(
        "create deployment",
        &["deploy"],
        "create deployment NAME --image=image -- [COMMAND] [args...] [options]",
        "Create a deployment with the specified name.",
        &[
            PRINT,
            DRY_RUN,
            MANAGER,
            VALIDATE,
            SAVE,
            &[list("image"), number("port", "-1"), number("replicas", "1").letter('r')],
        ],
        deployment,
    ),
    verb(
        "create job",
        &[],
        "create job NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...] [options]",
        "Create a job with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[text("image"), text("from")]],
        job,
    ),
    verb(
        "create cronjob",
        &["cj"],
        "create cronjob NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...] [options]",
        "Create a cron job with the specified name.",
        &[
            PRINT,
            DRY_RUN,
            MANAGER,
            VALIDATE,
            SAVE,
            &[text("image"), text("schedule"), text("restart")],
        ],
        cronjob,
    ),
    verb(
        "create namespace",
        &["ns"],
        "create namespace NAME [--dry-run=server|client|none] [options]",
        "Create a namespace with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE],
        |args, cx| {
            let name = name(args)?;
            one(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
                "",
                args,
                cx,
            )
        },
    ),
    verb(
        "create serviceaccount",
        &["sa"],
        "create serviceaccount NAME [--dry-run=server|client|none] [options]",
        "Create a service account with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE],
        |args, cx| {
            let name = name(args)?;
            let document =
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
            one(document, "serviceaccount:", args, cx)
        },
    ),
    verb(
        "create quota",
        &["resourcequota"],
        "create quota NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2] [--dry-run=server|client|none] [options]",
        "Create a resource quota with the specified name, hard limits, and optional scopes.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[text("hard"), text("scopes")]],
        quota,
    ),
    verb(
        "create priorityclass",
        &["pc"],
        "create priorityclass NAME --value=VALUE --global-default=BOOL [--dry-run=server|client|none] [options]",
        "Create a priority class with the specified name, value, globalDefault and description.",
        &[
            PRINT,
            DRY_RUN,
            MANAGER,
            VALIDATE,
            SAVE,
            &[
                number("value", "0"),
                switch("global-default"),
                text("description"),
                text("preemption-policy").or("PreemptLowerPriority"),
            ],
        ],
        |args, cx| {
            let document = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": name(args)?}, "value": args.number("value"),
                "globalDefault": args.on("global-default"), "description": args.text("description"),
                "preemptionPolicy": args.text("preemption-policy")});
            one(document, "priorityclass:", args, cx)
        },
    ),
    verb(
        "create poddisruptionbudget",
        &["pdb"],
        "create poddisruptionbudget NAME --selector=SELECTOR --min-available=N [--dry-run=server|client|none] [options]",
        "Create a pod disruption budget with the specified name, selector, and desired minimum available pods.",
        &[
            PRINT,
            DRY_RUN,
            MANAGER,
            VALIDATE,
            SAVE,
            &[text("min-available"), text("max-unavailable"), text("selector")],
        ],
        budget,
    ),
    verb(
        "create service clusterip",
        &[],
        "create service clusterip NAME [--tcp=<port>:<targetPort>] [--dry-run=server|client|none] [options]",
        "Create a ClusterIP service with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[list("tcp"), text("clusterip")]],
        |args, cx| service(args, cx, "ClusterIP"),
    ),
    verb(
        "create service nodeport",
        &[],
        "create service nodeport NAME [--tcp=port:targetPort] [--dry-run=server|client|none] [options]",
        "Create a NodePort service with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[list("tcp"), number("node-port", "0")]],
        |args, cx| service(args, cx, "NodePort"),
    ),
    verb(
        "create service loadbalancer",
        &[],
        "create service loadbalancer NAME [--tcp=port:targetPort] [--dry-run=server|client|none] [options]",
        "Create a LoadBalancer service with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[list("tcp")]],
        |args, cx| service(args, cx, "LoadBalancer"),
    ),
    verb(
        "create service externalname",
        &[],
        "create service externalname NAME --external-name external.name [--dry-run=server|client|none] [options]",
        "Create an ExternalName service with the specified name.",
        &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[list("tcp"), text("external-name")]],
        |args, cx| service(args, cx, "ExternalName"),
    ),
    data::CONFIG_MAP,
    data::GENERIC,
    data::TLS,
    data::DOCKER,
    access::ROLE,
    access::CLUSTER_ROLE,
    access::ROLE_BINDING,
    access::CLUSTER_ROLE_BINDING,
    ingress::INGRESS,
];

fn one(document: Value, what: &str, args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    Ok(vec![generated(document, what, args, cx)?])
}

/// The container's name that an image gives.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let bare = last.split(':').next().unwrap_or(last);
    let bare = bare.split('@').next().unwrap_or(bare);
    let lower = bare.to_ascii_lowercase();
    let kept: String = lower
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
        .collect();
    kept.trim_matches('-').to_owned()
}

fn deployment(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    require(args, &["image"])?;
    let name = name(args)?;
    let (images, command) = (args.list("image"), command(args));
    if images.len() > 1 && !command.is_empty() {
        return Err("cannot specify multiple --image options and command".into());
    }
    let mut containers: Vec<Value> = Vec::new();
    for image in images {
        let mut container = json!({"name": container_name(image), "image": image, "resources": {}});
        if !command.is_empty() {
            container["command"] = command.clone().into();
        }
        containers.push(container);
    }
    let port = args.number("port");
    if port >= 0 {
        containers[0]["ports"] = json!([{"containerPort": port}]);
    }
    let labels = json!({"app": name});
    let document = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": args.number("replicas"), "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}});
    one(document, "deployment:", args, cx)
}

fn container(name: &str, args: &Args) -> Value {
    let mut container = json!({"name": name, "image": args.text("image"), "resources": {}});
    let command = command(args);
    if !command.is_empty() {
        container["command"] = command.into();
    }
    container
}

fn job(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    let (image, from) = (args.text("image"), args.text("from"));
    if image.is_empty() == from.is_empty() {
        return Err("either --image or --from must be specified".into());
    }
    if !from.is_empty() && !command(args).is_empty() {
        return Err("cannot specify --from and command".into());
    }
    let document = if from.is_empty() {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": {"metadata": {}, "spec": {
                "containers": [container(&name, args)], "restartPolicy": "Never"}}}})
    } else {
        job_from(&name, from, args, cx)?
    };
    one(document, "job:", args, cx)
}

/// A Job as the CronJob would make it.
fn job_from(name: &str, from: &str, args: &Args, cx: &Cx<'_>) -> Result<Value, Failure> {
    let line = args.with_words(vec![from.to_owned()]);
    let (infos, failures) =
        resource::find(&line, cx, Ways { no_files: true, ..Ways::default() })?.split();
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure);
    }
    let [info] = infos.as_slice() else { return Err("from must be an existing cronjob".into()) };
    if info.resource.kind != "CronJob" {
        return Err(format!("unknown object type *v1.{}", info.resource.kind).into());
    }
    let cron = info.wire();
    let template = &cron["spec"]["jobTemplate"];
    let mut annotations = json!({"cronjob.kubernetes.io/instantiate": "manual"});
    for (key, value) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
        annotations[key] = value.clone();
    }
    let mut metadata = json!({"name": name, "annotations": annotations,
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": info.name,
            "uid": cron["metadata"]["uid"], "controller": true}]});
    if template["metadata"]["labels"].is_object() {
        metadata["labels"] = template["metadata"]["labels"].clone();
    }
    Ok(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": template["spec"]}))
}

fn cronjob(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    require(args, &["image", "schedule"])?;
    let name = name(args)?;
    let restart = match args.text("restart") {
        "" => "OnFailure",
        other => other,
    };
    let document = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": args.text("schedule"), "jobTemplate": {"metadata": {"name": name},
            "spec": {"template": {"metadata": {}, "spec": {
                "containers": [container(&name, args)], "restartPolicy": restart}}}}}});
    one(document, "cronjob:", args, cx)
}

/// `cpu=1,memory=2Gi` (`populateResourceListV1`).
pub(super) fn resource_list(text: &str) -> Result<Value, Failure> {
    let mut all = json!({});
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let Some((name, amount)) = part.split_once('=').filter(|(_, a)| !a.contains('=')) else {
            return Err(
                format!("Invalid argument syntax {part}, expected <resource>=<value>").into()
            );
        };
        let quantity: Quantity = amount.parse().map_err(|e| Failure::Plain(format!("{e}")))?;
        all[name] = quantity.canonical().into();
    }
    Ok(all)
}

fn quota(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    let mut spec = json!({});
    if args.given("hard") {
        spec["hard"] = resource_list(args.text("hard"))?;
    }
    if !args.text("scopes").is_empty() {
        let scopes: Vec<&str> = args.text("scopes").split(',').collect();
        if scopes.contains(&"") {
            return Err("invalid resource quota scope \"\"".into());
        }
        spec["scopes"] = scopes.into();
    }
    let document = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec});
    one(document, "quota:", args, cx)
}

/// A whole number, or a text (`intstr.Parse`).
pub(super) fn number_or_text(text: &str) -> Value {
    text.parse::<i32>().map_or_else(|_| text.into(), Value::from)
}

fn budget(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    let (least, most) = (args.text("min-available"), args.text("max-unavailable"));
    if args.text("selector").is_empty() {
        return Err("a selector must be specified".into());
    }
    let amount = |text: &str| {
        let digits = text.strip_suffix('%').unwrap_or(text);
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    };
    let (field, value) = match (least, most) {
        ("", "") => return Err("one of min-available or max-unavailable must be specified".into()),
        (least, "") if amount(least) => ("minAvailable", least),
        (_, "") => return Err("invalid format specified for min-available".into()),
        ("", most) if amount(most) => ("maxUnavailable", most),
        ("", _) => return Err("invalid format specified for max-unavailable".into()),
        _ => return Err("min-available and max-unavailable cannot be both specified".into()),
    };
    let selector =
        LabelSelector::parse(args.text("selector")).and_then(|s| s.to_meta()).map_err(|e| {
            Failure::Plain(format!(
                "couldn't parse the selector string \"{}\": {e}",
                args.text("selector")
            ))
        })?;
    let document = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name}, "spec": {field: number_or_text(value), "selector": selector}});
    one(document, "poddisruptionbudgets:", args, cx)
}

fn service(args: &Args, cx: &Cx<'_>, of: &str) -> Result<Tasks, Failure> {
    if of == "ExternalName" {
        require(args, &["external-name"])?;
    }
    let name = name(args)?;
    let (cluster_ip, tcp) = (args.text("clusterip"), args.list("tcp"));
    if cluster_ip != "None" && tcp.is_empty() && of != "ExternalName" {
        return Err("at least one tcp port specifier must be provided".into());
    }
    let external = args.text("external-name");
    if of == "ExternalName" && !names::dns1123_subdomain(external).is_empty() {
        return Err(format!("invalid service external name {external}").into());
    }
    let mut ports = Vec::new();
    for pair in tcp {
        let (port, target) = port_pair(pair)?;
        let mut entry = json!({"name": pair.replace(':', "-"), "port": port, "protocol": "TCP",
            "targetPort": target});
        if args.number("node-port") != 0 {
            entry["nodePort"] = args.number("node-port").into();
        }
        ports.push(entry);
    }
    let labels = json!({"app": name});
    let mut spec = json!({"selector": labels, "type": of});
    if !ports.is_empty() {
        spec["ports"] = ports.into();
    }
    for (field, value) in [("clusterIP", cluster_ip), ("externalName", external)] {
        if !value.is_empty() {
            spec[field] = value.into();
        }
    }
    let document = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "labels": labels}, "spec": spec});
    one(document, &format!("{of} service:"), args, cx)
}

fn port_pair(text: &str) -> Result<(u16, Value), Failure> {
    let (port, target) = text.split_once(':').map_or((text, None), |(p, t)| (p, Some(t)));
    let port: u16 = port.parse().map_err(|_| {
        Failure::Plain(match port.parse::<i128>() {
            Ok(_) => format!("strconv.ParseUint: parsing {port:?}: value out of range"),
            Err(_) => format!("strconv.ParseUint: parsing {port:?}: invalid syntax"),
        })
    })?;
    let Some(target) = target else { return Ok((port, port.into())) };
    let wrong = match target.parse::<i64>() {
        Ok(number) => names::port_number(number),
        Err(_) => names::port_name(target),
    };
    if wrong.is_empty() { Ok((port, number_or_text(target))) } else { Err(wrong.join(",").into()) }
}

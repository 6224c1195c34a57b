//! `kubectl run`: one pod.
//!
//! After `pkg/cmd/run/run.go` and `pkg/generate/versioned/run.go`.

use serde_json::{Value, json};

use super::args::Args;
use super::create::{require, store};
use super::output::{DryRun, Printer};
use super::resource::{Info, Resource};
use super::table::{
    DRY_RUN, Flag, MANAGER, PRINT, RECORD, SAVE, Treatment, Verb, number, switch, text, texts, time,
};
use super::{Cx, Failure, OnError, Tasks};
use crate::api::{image, names};
use crate::model::Kind;

/// Why kubectl does not attach.
const ALONE: &str =
    "a step has nobody to attach; run the pod without it and read its output with kubectl logs";

const FLAGS: &[Flag] = &[
    text("image"),
    texts("annotations"),
    text("image-pull-policy"),
    texts("env"),
    text("port"),
    text("labels").letter('l'),
    text("restart").or("Always"),
    switch("command"),
    switch("expose"),
    switch("privileged"),
    switch("quiet").letter('q'),
    switch("rm").refused("the pod would be deleted when kubectl detaches, and a step does not attach: delete it in a step of its own"),
    switch("stdin").letter('i').refused(ALONE),
    switch("tty").letter('t').refused(ALONE),
    switch("attach").refused(ALONE),
    switch("leave-stdin-open").ignored("there is no standard input"),
    text("detach-keys").ignored("nothing is attached"),
    time("pod-running-timeout", "1m0s").ignored("nothing is attached"),
    text("overrides").refused("write the manifest"),
    text("override-type").or("merge").ignored("there are no --overrides"),
    text("cascade").or("background").ignored("there is no --rm"),
    switch("force").ignored("there is no --rm"),
    number("grace-period", "-1").ignored("there is no --rm"),
    time("timeout", "0s").ignored("there is no --rm"),
    switch("wait").ignored("there is no --rm"),
];

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "run",
    aliases: &[],
    usage: "run NAME --image=image [--env=\"key=value\"] [--port=port] [--dry-run=server|client] [--overrides=inline-json] [--command] -- [COMMAND] [args...] [options]",
    about: "Create and run a particular image in a pod.",
    flags: &[FLAGS, PRINT, DRY_RUN, MANAGER, RECORD, SAVE],
    treatment: Treatment::Simplified("nothing is attached: --rm, -i, -t and --attach are refused"),
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    require(args, &["image"])?;
    let usage = |text: &str| Failure::usage("run", text);
    let Some(name) = args.words.first().filter(|_| args.dash != Some(0)) else {
        return Err(usage("NAME is required for run"));
    };
    let given = args.text("image");
    if given.is_empty() {
        return Err("--image is required".into());
    }
    if image::parse(given).is_none() {
        return Err(format!("Invalid image name {given:?}: invalid reference format").into());
    }
    if args.on("expose") && args.text("port").is_empty() {
        return Err(usage("--port must be set when exposing a service"));
    }
    let restart = match args.text("restart") {
        "" => "Always",
        restart @ ("Always" | "OnFailure" | "Never") => restart,
        other => return Err(usage(&format!("invalid restart policy: {other}"))),
    };
    match args.text("image-pull-policy") {
        "" | "Always" | "IfNotPresent" | "Never" => {}
        other => return Err(usage(&format!("invalid image pull policy: {other}"))),
    }
    let pod = pod(name, restart, args)?;
    let printer = Printer::of(args, "created")?;
    let mut tasks = Tasks::new();
    if args.on("expose") {
        let service = service(name, args)?;
        tasks.push(store_as(Kind::Service, name, service, args, cx, &printer)?);
    }
    tasks.push(store_as(Kind::Pod, name, pod, args, cx, &printer)?);
    Ok(tasks)
}

fn store_as(
    kind: Kind,
    name: &str,
    mut document: Value,
    args: &Args,
    cx: &Cx<'_>,
    printer: &Printer,
) -> Result<super::Task, Failure> {
    if cx.namespace_given || DryRun::of(args)? != DryRun::Client {
        document["metadata"]["namespace"] = cx.namespace.clone().into();
    }
    let info = Info {
        resource: Resource::of(kind),
        namespace: cx.namespace.clone(),
        name: name.to_owned(),
        object: None,
        document: None,
        source: String::new(),
    };
    store(&info, document, args, printer, OnError::Say)
}

fn labels(name: &str, args: &Args) -> Result<Value, Failure> {
    let mut all = json!({});
    match args.text("labels") {
        "" => all["run"] = name.into(),
        text => {
            for part in text.split(',') {
                match part.split('=').collect::<Vec<_>>()[..] {
                    ["", _] => return Err("unexpected empty label key".into()),
                    [key, value] => all[key] = value.into(),
                    _ => return Err(format!("unexpected label spec: {part}").into()),
                }
            }
        }
    }
    Ok(all)
}

fn port(args: &Args) -> Result<Option<i32>, Failure> {
    match args.text("port") {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Failure::Plain(format!("strconv.Atoi: parsing {text:?}: invalid syntax"))),
    }
}

fn pod(name: &str, restart: &str, args: &Args) -> Result<Value, Failure> {
    let mut container = json!({"name": name, "image": args.text("image"), "resources": {}});
    let mut env = Vec::new();
    for pair in args.list("env") {
        match pair.split_once('=') {
            Some((key, value)) if names::env_var_name(key).is_empty() => {
                env.push(json!({"name": key, "value": value}));
            }
            _ => return Err(format!("invalid env: {pair}").into()),
        }
    }
    if !env.is_empty() {
        container["env"] = env.into();
    }
    let words = args.words.get(1..).unwrap_or_default();
    if !words.is_empty() {
        container[if args.on("command") { "command" } else { "args" }] = words.into();
    }
    if let Some(port) = port(args)? {
        container["ports"] = json!([{"containerPort": port}]);
    }
    if !args.text("image-pull-policy").is_empty() {
        container["imagePullPolicy"] = args.text("image-pull-policy").into();
    }
    if args.on("privileged") {
        container["securityContext"] = json!({"privileged": true});
    }
    let mut metadata = json!({"name": name, "labels": labels(name, args)?});
    for pair in args.list("annotations") {
        match pair.split_once('=') {
            Some((key, value)) => metadata["annotations"][key] = value.into(),
            None => return Err(format!("invalid annotation format: {pair}").into()),
        }
    }
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart}}))
}

fn service(name: &str, args: &Args) -> Result<Value, Failure> {
    let port = port(args)?;
    let mut metadata = json!({"name": name});
    if !args.text("labels").is_empty() {
        metadata["labels"] = labels(name, args)?;
    }
    Ok(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}],
            "selector": labels(name, args)?}}))
}

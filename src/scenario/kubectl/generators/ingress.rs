//! `kubectl create ingress`.
//!
//! After `pkg/cmd/create/create_ingress.go`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::super::args::Args;
use super::super::create::name;
use super::super::table::{DRY_RUN, MANAGER, PRINT, SAVE, VALIDATE, Verb, text, texts};
use super::super::{Cx, Failure, Tasks};
use super::{number_or_text, one, verb};

pub(super) const INGRESS: Verb = verb(
    "create ingress",
    &["ing"],
    "create ingress NAME --rule=host/path=service:port[,tls[=secret]] [options]",
    "Create an ingress with the specified name.",
    &[
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[text("class"), texts("rule"), text("default-backend"), texts("annotation")],
    ],
    ingress,
);

/// What a rule looks like: `host/path=service:port[,tls[=secret]]`.
static RULE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([\w*.\-]*)(/.*)=([\w\-]+):([\w\-]+)(,tls=?([\w\-]+)?)?").ok());

fn ingress(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    let (rules, backend) = (args.list("rule"), args.text("default-backend"));
    if rules.is_empty() && backend.is_empty() {
        return Err("not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)".into());
    }
    let right = |rule: &str| RULE.as_ref().is_some_and(|r| r.is_match(rule));
    if let Some(rule) = rules.iter().find(|r| !right(r)) {
        return Err(format!("rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]").into());
    }
    let mut annotations = json!({});
    for annotation in args.list("annotation") {
        let Some((key, value)) = annotation.split_once('=') else {
            return Err(format!(
                "annotation {annotation} is invalid and should be in format key=[value]"
            )
            .into());
        };
        annotations[key] = value.into();
    }
    let mut spec = json!({});
    if !args.text("class").is_empty() {
        spec["ingressClassName"] = args.text("class").into();
    }
    if !backend.is_empty() {
        if backend.matches(':').count() != 1 {
            return Err("default-backend should be in format servicename:serviceport".into());
        }
        spec["defaultBackend"] = service(backend);
    }
    let tls = secrets(rules);
    if !tls.is_empty() {
        spec["tls"] = tls.into();
    }
    let paths = hosts(rules);
    if !paths.is_empty() {
        spec["rules"] = paths.into();
    }
    let mut metadata = json!({"name": name});
    if annotations.as_object().is_some_and(|a| !a.is_empty()) {
        metadata["annotations"] = annotations;
    }
    let document = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": metadata, "spec": spec});
    one(document, "ingress:", args, cx)
}

fn service(text: &str) -> Value {
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    let port = match number_or_text(port) {
        Value::Number(number) => json!({"number": number}),
        port => json!({"name": port}),
    };
    json!({"service": {"name": name, "port": port}})
}

fn secrets(rules: &[String]) -> Vec<Value> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for rule in rules {
        let [rule, tls] = rule.split(',').collect::<Vec<_>>()[..] else { continue };
        let host = rule.split('/').next().unwrap_or_default();
        if seen.contains(&host) {
            continue;
        }
        seen.push(host);
        let secret = tls.split_once('=').map_or("", |(_, s)| s);
        match all.iter_mut().find(|(s, _)| s == secret) {
            Some((_, hosts)) => hosts.push(host.to_owned()),
            None if host.is_empty() && secret.is_empty() => {}
            None => {
                let hosts = if host.is_empty() { Vec::new() } else { vec![host.to_owned()] };
                all.push((secret.to_owned(), hosts));
            }
        }
    }
    let entry = |(secret, hosts): (String, Vec<String>)| {
        let mut entry = json!({});
        if !hosts.is_empty() {
            entry["hosts"] = hosts.into();
        }
        if !secret.is_empty() {
            entry["secretName"] = secret.into();
        }
        entry
    };
    all.into_iter().map(entry).collect()
}

fn hosts(rules: &[String]) -> Vec<Value> {
    let mut all: Vec<(String, Vec<Value>)> = Vec::new();
    for rule in rules {
        let rule = rule.split(',').next().unwrap_or_default();
        let (host, rest) = rule.split_once('/').unwrap_or((rule, ""));
        let (path, backend) = rest.split_once('=').unwrap_or((rest, ""));
        let path = format!("/{path}");
        let (path, of) = match path.strip_suffix('*') {
            Some(path) => (path.to_owned(), "Prefix"),
            None => (path, "Exact"),
        };
        let entry = json!({"backend": service(backend), "path": path, "pathType": of});
        match all.iter_mut().find(|(h, _)| h == host) {
            Some((_, paths)) => paths.push(entry),
            None => all.push((host.to_owned(), vec![entry])),
        }
    }
    let entry = |(host, paths): (String, Vec<Value>)| {
        let mut entry = json!({"http": {"paths": paths}});
        if !host.is_empty() {
            entry["host"] = host.into();
        }
        entry
    };
    all.into_iter().map(entry).collect()
}

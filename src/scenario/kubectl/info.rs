//! What kubectl tells about the cluster and itself: versions, types, permissions.
//!
//! After `pkg/cmd/version`, `apiresources`, `auth`, `clusterinfo`.

use serde_json::json;

use super::args::Args;
use super::get::aligned;
use super::output::{json as to_json, to_yaml};
use super::table::{Treatment, Verb, list, number, switch, text};
use super::{Cx, Failure, Task, Tasks};
use crate::api::kinds;

/// The version that is simulated.
const VERSION: &str = "v1.36.2";

pub(super) const VERBS: &[Verb] = &[
    Verb {
        path: "version",
        aliases: &[],
        usage: "version [options]",
        about: "Print the client and server version information for the current context.",
        flags: &[&[switch("client"), text("output").letter('o')]],
        treatment: Treatment::Simplified("git commits and build dates are left out"),
        plan: version,
    },
    Verb {
        path: "api-versions",
        aliases: &[],
        usage: "api-versions",
        about: "Print the supported API versions on the server, in the form of \"group/version\".",
        flags: &[],
        treatment: Treatment::Modelled,
        plan: |_, _| {
            let mut all: Vec<String> = kinds::all()
                .iter()
                .flat_map(|k| k.versions.iter().map(|v| kinds::join(k.group, v)))
                .collect();
            all.sort();
            all.dedup();
            Ok(vec![Task::Say(all.join("\n") + "\n")])
        },
    },
    Verb {
        path: "api-resources",
        aliases: &[],
        usage: "api-resources [options]",
        about: "Print the supported API resources on the server.",
        flags: &[&[
            text("output").letter('o'),
            switch("no-headers"),
            switch("namespaced").or("true"),
            text("api-group"),
            text("sort-by").or("name"),
            list("verbs").refused("verbs of types are not kept"),
            list("categories").refused("categories of types are not kept"),
            switch("cached").ignored("nothing is cached"),
        ]],
        treatment: Treatment::Simplified("types of v1.36 alone, without verbs"),
        plan: api_resources,
    },
    Verb {
        path: "auth can-i",
        aliases: &[],
        usage: "auth can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL] [options]",
        about: "Check whether an action is allowed.",
        flags: &[&[
            switch("all-namespaces").letter('A'),
            switch("quiet").letter('q'),
            text("subresource"),
            switch("list").refused("there is no authorisation"),
            switch("no-headers").ignored("nothing is listed"),
        ]],
        treatment: Treatment::Simplified("there is no authorisation: everything is allowed"),
        plan: can_i,
    },
    Verb {
        path: "cluster-info",
        aliases: &[],
        usage: "cluster-info [options]",
        about: "Display addresses of the control plane and services with label kubernetes.io/cluster-service=true.",
        flags: &[&[number("chunk-size", "500").ignored("lists come whole")]],
        treatment: Treatment::Simplified("the cluster has no address outside of the simulation"),
        plan: |_, _| {
            Ok(vec![Task::Say(
                "Kubernetes control plane is running in the simulation\n".to_owned(),
            )])
        },
    },
];

fn version(args: &Args, _: &Cx<'_>) -> Result<Tasks, Failure> {
    let info = json!({"gitVersion": VERSION, "major": "1", "minor": "36"});
    let mut all = json!({"clientVersion": info, "kustomizeVersion": "v5.7.1"});
    if !args.on("client") {
        all["serverVersion"] = info;
    }
    let text = match args.text("output") {
        "" => {
            let mut text = format!("Client Version: {VERSION}\nKustomize Version: v5.7.1\n");
            if !args.on("client") {
                text.push_str(&format!("Server Version: {VERSION}\n"));
            }
            text
        }
        "json" => to_json(&all),
        "yaml" => to_yaml(&all),
        _ => return Err("--output must be 'yaml' or 'json'".into()),
    };
    Ok(vec![Task::Say(text)])
}

fn api_resources(args: &Args, _: &Cx<'_>) -> Result<Tasks, Failure> {
    let mut infos: Vec<&kinds::KindInfo> = kinds::all()
        .iter()
        .filter(|k| !args.given("namespaced") || k.namespaced == args.on("namespaced"))
        .filter(|k| !args.given("api-group") || k.group == args.text("api-group"))
        .collect();
    match args.text("sort-by") {
        "kind" => infos.sort_by_key(|k| (k.kind, k.group)),
        "name" if args.given("sort-by") => infos.sort_by_key(|k| (k.plural, k.group)),
        "name" => infos.sort_by_key(|k| (k.group, k.plural)),
        _ => return Err("--sort-by accepts only name or kind".into()),
    }
    if args.text("output") == "name" {
        let names = infos.iter().map(|k| k.resource() + "\n");
        return Ok(vec![Task::Say(names.collect())]);
    }
    if !matches!(args.text("output"), "" | "wide") {
        return Err(format!("--output {} is not available", args.text("output")).into());
    }
    let mut table: Vec<Vec<String>> = Vec::new();
    if !args.on("no-headers") {
        table.push(
            ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"].map(str::to_owned).into(),
        );
    }
    table.extend(infos.iter().map(|k| {
        vec![
            k.plural.to_owned(),
            k.short.join(","),
            k.api_version(),
            k.namespaced.to_string(),
            k.kind.to_owned(),
        ]
    }));
    Ok(vec![Task::Say(aligned(&table))])
}

fn can_i(args: &Args, _: &Cx<'_>) -> Result<Tasks, Failure> {
    if !matches!(args.words.len(), 2 | 3) {
        return Err("you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.".into());
    }
    let mut tasks = Tasks::new();
    let of = args.words[1].split('/').next().unwrap_or_default();
    if of != "*" && !args.words[1].starts_with('/') {
        match kinds::resolve(of) {
            Err(_) => tasks.push(Task::Warn(format!(
                "Warning: the server doesn't have a resource type '{of}'\n\n"
            ))),
            Ok(info) if !info.namespaced => {
                let place = if info.group.is_empty() {
                    String::new()
                } else {
                    format!(" in group '{}'", info.group)
                };
                tasks.push(Task::Warn(format!(
                    "Warning: resource '{}' is not namespace scoped{place}\n\n",
                    info.plural
                )));
            }
            Ok(_) => {}
        }
    }
    if !args.on("quiet") {
        tasks.push(Task::Say("yes\n".to_owned()));
    }
    Ok(tasks)
}

//! `kubectl create role`, `clusterrole`, `rolebinding`, `clusterrolebinding`.
//!
//! After `pkg/cmd/create/create_role*.go` and `create_clusterrole*.go`. The objects are kept; nothing
//! reads them, since there is no authorisation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::args::Args;
use super::super::create::{name, require};
use super::super::table::{DRY_RUN, MANAGER, PRINT, SAVE, VALIDATE, Verb, list, text, texts};
use super::super::{Cx, Failure, Task, Tasks};
use super::{one, verb};
use crate::api::kinds;

const GROUP: &str = "rbac.authorization.k8s.io";
const VERSION: &str = "rbac.authorization.k8s.io/v1";

pub(super) const ROLE: Verb = verb(
    "create role",
    &[],
    "create role NAME --verb=verb --resource=resource.group/subresource [--resource-name=resourcename] [--dry-run=server|client|none] [options]",
    "Create a role with single rule.",
    &[
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[list("verb"), list("resource"), texts("resource-name")],
    ],
    |args, cx| role(args, cx, "Role"),
);

pub(super) const CLUSTER_ROLE: Verb = verb(
    "create clusterrole",
    &[],
    "create clusterrole NAME --verb=verb --resource=resource.group [--resource-name=resourcename] [--dry-run=server|client|none] [options]",
    "Create a cluster role.",
    &[
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[
            list("verb"),
            list("resource"),
            texts("resource-name"),
            list("non-resource-url"),
            list("aggregation-rule"),
        ],
    ],
    |args, cx| role(args, cx, "ClusterRole"),
);

pub(super) const ROLE_BINDING: Verb = verb(
    "create rolebinding",
    &[],
    "create rolebinding NAME --clusterrole=NAME|--role=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none] [options]",
    "Create a role binding for a particular role or cluster role.",
    &[
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[
            text("clusterrole"),
            text("role"),
            texts("user"),
            texts("group"),
            texts("serviceaccount"),
        ],
    ],
    |args, cx| binding(args, cx, "RoleBinding"),
);

pub(super) const CLUSTER_ROLE_BINDING: Verb = verb(
    "create clusterrolebinding",
    &[],
    "create clusterrolebinding NAME --clusterrole=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none] [options]",
    "Create a cluster role binding for a particular cluster role.",
    &[
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[text("clusterrole"), texts("user"), texts("group"), texts("serviceaccount")],
    ],
    |args, cx| binding(args, cx, "ClusterRoleBinding"),
);

/// Verbs that resources know.
const VERBS: [&str; 16] = [
    "*",
    "get",
    "delete",
    "list",
    "create",
    "update",
    "patch",
    "watch",
    "proxy",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "approve",
    "sign",
];
/// Verbs that paths know.
const PATH_VERBS: [&str; 8] = ["*", "get", "post", "put", "delete", "patch", "head", "options"];

fn role(args: &Args, cx: &Cx<'_>, kind: &str) -> Result<Tasks, Failure> {
    let name = name(args)?;
    let mut document = json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}});
    let paths = args.list("non-resource-url");
    let resources = args.list("resource");
    let verbs = verbs(args);
    let aggregated = args.list("aggregation-rule");
    if !aggregated.is_empty() {
        if !(paths.is_empty() && verbs.is_empty() && resources.is_empty()) {
            return Err("aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames".into());
        }
        let mut labels = json!({});
        for (key, value) in aggregated.iter().filter_map(|p| p.split_once('=')) {
            labels[key] = value.into();
        }
        document["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": labels}]});
        return one(document, "", args, cx);
    }
    if verbs.is_empty() {
        return Err("at least one verb must be specified".into());
    }
    if resources.is_empty() && (kind == "Role" || paths.is_empty()) {
        return Err(match kind {
            "Role" => "at least one resource must be specified",
            _ => "one of resource or nonResourceURL must be specified",
        }
        .into());
    }
    let mut tasks = Tasks::new();
    if !resources.is_empty() {
        for odd in verbs.iter().filter(|v| !VERBS.contains(&v.as_str())) {
            tasks.push(Task::Warn(format!("Warning: '{odd}' is not a standard resource verb\n")));
        }
    }
    check_paths(paths, &verbs)?;
    document["rules"] = rules(resources, paths, &verbs, args)?;
    tasks.extend(one(document, "", args, cx)?);
    Ok(tasks)
}

fn verbs(args: &Args) -> Vec<String> {
    let given = args.list("verb");
    if given.iter().any(|v| v == "*") {
        return vec!["*".to_owned()];
    }
    let mut verbs: Vec<String> = Vec::new();
    for verb in given {
        if !verbs.contains(verb) {
            verbs.push(verb.clone());
        }
    }
    verbs
}

fn check_paths(paths: &[String], verbs: &[String]) -> Result<(), Failure> {
    if paths.is_empty() {
        return Ok(());
    }
    if let Some(odd) = verbs.iter().find(|v| !PATH_VERBS.contains(&v.as_str())) {
        return Err(format!("invalid verb: '{odd}' for nonResourceURL").into());
    }
    for path in paths.iter().filter(|p| *p != "*") {
        if !path.starts_with('/') {
            return Err("nonResourceURL should start with /".into());
        }
        if path.trim_end_matches(['*']).contains('*') || path.ends_with("**") {
            return Err(
                "nonResourceURL only supports wildcard matches when '*' is at the end".into()
            );
        }
    }
    Ok(())
}

/// One rule for each API group, in order.
fn rules(
    resources: &[String],
    paths: &[String],
    verbs: &[String],
    args: &Args,
) -> Result<Value, Failure> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in resources {
        let (of, sub) = text.split_once('/').map_or((text.as_str(), None), |(r, s)| (r, Some(s)));
        let (bare, group) = of.split_once('.').unwrap_or((of, ""));
        if bare.is_empty() {
            return Err("resource must be specified if apiGroup/subresource specified".into());
        }
        let (mut plural, group) = if bare == "*" {
            ("*".to_owned(), group.to_owned())
        } else {
            let info = kinds::resolve(of).map_err(|_| {
                let place =
                    if group.is_empty() { String::new() } else { format!(" in group {group:?}") };
                Failure::Plain(format!("the server doesn't have a resource type {bare:?}{place}"))
            })?;
            (info.plural.to_owned(), info.group.to_owned())
        };
        if let Some(sub) = sub {
            plural = format!("{plural}/{sub}");
        }
        let known = groups.entry(group).or_default();
        if !known.contains(&plural) {
            known.push(plural);
        }
    }
    let mut names: Vec<&String> = Vec::new();
    for name in args.list("resource-name") {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut all: Vec<Value> = Vec::new();
    for (group, resources) in groups {
        let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        if !names.is_empty() {
            rule["resourceNames"] = json!(names);
        }
        all.push(rule);
    }
    if !paths.is_empty() {
        all.push(json!({"nonResourceURLs": paths, "verbs": verbs}));
    }
    Ok(all.into())
}

fn binding(args: &Args, cx: &Cx<'_>, kind: &str) -> Result<Tasks, Failure> {
    if kind == "ClusterRoleBinding" {
        require(args, &["clusterrole"])?;
    }
    let name = name(args)?;
    let (role, cluster) = (args.text("role"), args.text("clusterrole"));
    if role.is_empty() == cluster.is_empty() {
        return Err("exactly one of clusterrole or role must be specified".into());
    }
    let (of, to) = if role.is_empty() { ("ClusterRole", cluster) } else { ("Role", role) };
    let mut document = json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": of, "name": to}});
    let subjects = subjects(args, None)?;
    if !subjects.is_empty() {
        document["subjects"] = subjects.into();
    }
    let what = match kind {
        "RoleBinding" => "rolebinding:",
        _ => "clusterrolebinding:",
    };
    one(document, what, args, cx)
}

/// Who is bound, from `--user`, `--group` and `--serviceaccount`; a service account without a namespace
/// is of `namespace`, where that is allowed.
pub(in crate::scenario::kubectl) fn subjects(
    args: &Args,
    namespace: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    for (flag, kind) in [("user", "User"), ("group", "Group")] {
        for name in args.list(flag) {
            all.push(json!({"apiGroup": GROUP, "kind": kind, "name": name}));
        }
    }
    for account in args.list("serviceaccount") {
        let parts: Vec<&str> = account.split(':').collect();
        let (place, name) = match parts.as_slice() {
            [place, name] if !name.is_empty() => (*place, *name),
            _ => return Err("serviceaccount must be <namespace>:<name>".into()),
        };
        let place = match (place, namespace) {
            ("", Some(namespace)) => namespace,
            ("", None) => return Err("serviceaccount must be <namespace>:<name>".into()),
            (place, _) => place,
        };
        all.push(json!({"kind": "ServiceAccount", "name": name, "namespace": place}));
    }
    Ok(all)
}

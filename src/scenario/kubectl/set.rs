//! `kubectl set image|env|resources|serviceaccount|selector|subject`.
//!
//! After `pkg/cmd/set`: the object is changed in memory, and the difference is sent as a strategic merge
//! patch.

use serde_json::{Value, json};

use super::args::Args;
use super::generators::{resource_list, subjects};
use super::label::pairs;
use super::output::Printer;
use super::resource::{self, Info, Ways};
use super::table::{
    DRY_RUN, FILES, Flag, MANAGER, PRINT, RECORD, SELECTOR, Treatment, Verb, list, switch, text,
    texts,
};
use super::{Cx, Failure, OnError, Task, Tasks};
use crate::api::names;
use crate::api::selectors::LabelSelector;
use crate::base::wildcard::fits;
use crate::model::Kind;

const LOCAL: Flag = switch("local").refused("change the file");
const ALL: Flag = switch("all");

const fn verb(
    path: &'static str,
    usage: &'static str,
    about: &'static str,
    flags: &'static [&'static [Flag]],
    plan: fn(&Args, &Cx<'_>) -> Result<Tasks, Failure>,
) -> Verb {
    Verb { path, aliases: &[], usage, about, flags, treatment: Treatment::Modelled, plan }
}

pub(super) const VERBS: &[Verb] = &[
    verb(
        "set image",
        "set image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N [options]",
        "Update existing container image(s) of resources.",
        &[FILES, PRINT, DRY_RUN, SELECTOR, MANAGER, RECORD, &[ALL, LOCAL]],
        image,
    ),
    verb(
        "set env",
        "set env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N [options]",
        "Update environment variables on a pod template.",
        &[
            FILES,
            PRINT,
            DRY_RUN,
            SELECTOR,
            MANAGER,
            &[
                ALL,
                LOCAL,
                text("containers").letter('c').or("*"),
                texts("env").letter('e'),
                text("from"),
                list("keys"),
                text("prefix"),
                switch("list"),
                switch("resolve").refused("values of references are not printed"),
                switch("overwrite").or("true"),
            ],
        ],
        env,
    ),
    verb(
        "set resources",
        "set resources (-f FILENAME | TYPE NAME) ([--limits=LIMITS & --requests=REQUESTS] [options]",
        "Specify compute resource requirements (CPU, memory) for any resource that defines a pod template.",
        &[
            FILES,
            PRINT,
            DRY_RUN,
            SELECTOR,
            MANAGER,
            RECORD,
            &[ALL, LOCAL, text("containers").letter('c').or("*"), text("limits"), text("requests")],
        ],
        resources,
    ),
    Verb {
        aliases: &["sa"],
        ..verb(
            "set serviceaccount",
            "set serviceaccount (-f FILENAME | TYPE NAME) SERVICE_ACCOUNT [options]",
            "Update the service account of pod template resources.",
            &[FILES, PRINT, DRY_RUN, MANAGER, RECORD, &[ALL, LOCAL]],
            service_account,
        )
    },
    verb(
        "set selector",
        "set selector (-f FILENAME | TYPE NAME) EXPRESSIONS [--resource-version=version] [options]",
        "Set the selector on a resource.",
        &[FILES, PRINT, DRY_RUN, MANAGER, RECORD, &[ALL, LOCAL, text("resource-version")]],
        selector,
    ),
    verb(
        "set subject",
        "set subject (-f FILENAME | TYPE NAME) [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none] [options]",
        "Update the user, group, or service account in a role binding or cluster role binding.",
        &[
            FILES,
            PRINT,
            DRY_RUN,
            SELECTOR,
            MANAGER,
            &[ALL, LOCAL, texts("user"), texts("group"), texts("serviceaccount")],
        ],
        subject,
    ),
];

/// The objects of the words; the first that is not there ends the command.
fn targets(args: &Args, words: Vec<String>, cx: &Cx<'_>) -> Result<Vec<Info>, Failure> {
    if args.on("all") && args.given("selector") {
        return Err("cannot set --all and --selector at the same time".into());
    }
    if words.is_empty() && args.list("filename").is_empty() {
        return Err(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
                .into(),
        );
    }
    let ways = Ways { bare_type: args.on("all"), ..Ways::default() };
    let (infos, failures) = resource::find(&args.with_words(words), cx, ways)?.split();
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(infos),
    }
}

/// The pod spec in an object, as a pointer.
fn pod_spec(info: &Info) -> Result<&'static str, String> {
    match info.resource.model {
        Kind::Pod => Ok("/spec"),
        Kind::Deployment
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::ReplicationController
        | Kind::Job => Ok("/spec/template/spec"),
        Kind::CronJob => Ok("/spec/jobTemplate/spec/template/spec"),
        _ => Err(format!(
            "the object is not a pod or does not have a pod template: *{}.{}",
            info.resource.version, info.resource.kind
        )),
    }
}

/// Changes the pod specs of objects, and sends what differs.
fn edit_specs(
    infos: &[Info],
    args: &Args,
    done: &str,
    failed: &str,
    edit: &mut dyn FnMut(&Info, &mut Value, &mut Tasks) -> Result<(), String>,
) -> Result<Tasks, Failure> {
    let printer = Printer::of(args, done)?;
    let mut tasks = Tasks::new();
    for info in infos {
        let before = info.wire();
        let mut after = before.clone();
        let edited = pod_spec(info).and_then(|at| match after.pointer_mut(at) {
            Some(spec) => edit(info, spec, &mut tasks),
            None => Ok(()),
        });
        match edited {
            Err(why) => {
                let title = format!("{}/{}", info.resource.plural, info.name);
                tasks.push(Task::Fail(format!("error: {title} {why}\n").into()));
            }
            Ok(()) if after == before => {}
            Ok(()) => {
                let on_error = OnError::Prefix(failed.to_owned());
                tasks.push(super::patch::change(info, &before, &after, args, &printer, on_error)?);
            }
        }
    }
    Ok(tasks)
}

/// The containers of a pod spec whose names fit, init containers too.
fn containers<'a>(spec: &'a mut Value, fits: &'a dyn Fn(&str) -> bool) -> Vec<&'a mut Value> {
    let Some(fields) = spec.as_object_mut() else { return Vec::new() };
    fields
        .iter_mut()
        .filter(|(k, _)| matches!(k.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, v)| v.as_array_mut())
        .flatten()
        .filter(|c| c["name"].as_str().is_some_and(fits))
        .collect()
}

fn image(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let (objects, changes) = pairs(&args.words, "image")?;
    let wrong: Vec<&str> =
        changes.iter().filter(|w| !w.contains('=')).map(String::as_str).collect();
    if !wrong.is_empty() {
        return Err(format!("invalid image format: {}", wrong.join(", ")).into());
    }
    let infos = targets(args, objects, cx)?;
    let images: Vec<(&str, &str)> = changes.iter().filter_map(|w| w.split_once('=')).collect();
    if images.is_empty() {
        return Err("at least one image update is required".into());
    }
    if images.len() > 1 && images.iter().any(|(name, _)| *name == "*") {
        return Err("all containers are already specified by *, but saw more than one container_name=container_image pairs".into());
    }
    edit_specs(
        &infos,
        args,
        "image updated",
        "failed to patch image update to pod template: ",
        &mut |_, spec, tasks| {
            for (name, image) in &images {
                let named = |c: &str| *name == "*" || c == *name;
                let found = containers(spec, &named);
                if found.is_empty() {
                    tasks.push(Task::Fail(
                        format!("error: unable to find container named {name:?}").into(),
                    ));
                }
                for container in found {
                    container["image"] = (*image).into();
                }
            }
            Ok(())
        },
    )
}

/// Variables to be set, in order, and names to be removed.
struct Variables {
    set: Vec<Value>,
    remove: Vec<String>,
}

fn variables(
    args: &Args,
    words: &[String],
    cx: &Cx<'_>,
    tasks: &mut Tasks,
) -> Result<Variables, Failure> {
    let mut all = Variables { set: Vec::new(), remove: Vec::new() };
    for word in args.list("env").iter().chain(words) {
        if word == "-" {
            return Err("steps have no standard input\nwavetank hint: name the variables".into());
        }
        match word.split_once('=') {
            Some((name, value)) if names::env_var_name(name).is_empty() => {
                all.set.push(json!({"name": name, "value": value}));
            }
            Some((name, _)) => {
                return Err(format!(
                    "environment variables must be of the form key=value, but is {name:?}: {}",
                    names::env_var_name(name).join("; ")
                )
                .into());
            }
            None => all.remove.push(word.trim_end_matches('-').to_owned()),
        }
    }
    let from = args.text("from");
    if !args.list("keys").is_empty() && from.is_empty() {
        return Err(
            "when specifying --keys, a configmap or secret must be provided with --from".into()
        );
    }
    if !from.is_empty() {
        let source = targets(args, vec![from.to_owned()], cx)?;
        for info in source {
            all.set.extend(references(&info, args.list("keys"), tasks)?);
        }
    }
    for variable in &mut all.set {
        let name =
            format!("{}{}", args.text("prefix"), variable["name"].as_str().unwrap_or_default());
        variable["name"] = name.into();
    }
    Ok(all)
}

/// A variable for each key of a ConfigMap or Secret.
fn references(info: &Info, keys: &[String], tasks: &mut Tasks) -> Result<Vec<Value>, Failure> {
    let field = match info.resource.model {
        Kind::Secret => "secretKeyRef",
        Kind::ConfigMap => "configMapKeyRef",
        _ => return Err("unsupported resource specified in --from".into()),
    };
    let whole = info.wire();
    let data = whole["data"].as_object().into_iter().flatten();
    let mut all = Vec::new();
    for (key, _) in data.filter(|(k, _)| keys.is_empty() || keys.contains(k)) {
        let name: String =
            key.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_uppercase() } else { '_' }
                })
                .collect();
        if name != *key {
            tasks.push(Task::Warn(format!("Warning: key {key} transferred to {name}\n")));
        }
        all.push(json!({"name": name, "valueFrom": {field: {"key": key, "name": info.name}}}));
    }
    Ok(all)
}

fn env(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let is_change = |w: &String| w.contains('=') || w.ends_with('-');
    let first = args.words.iter().position(is_change).unwrap_or(args.words.len());
    let (objects, words) = args.words.split_at(first);
    if words.iter().any(|w| !is_change(w)) {
        return Err(format!(
            "all resources must be specified before environment changes: {}",
            args.words.join(" ")
        )
        .into());
    }
    if args.on("list") && args.given("output") {
        return Err("--list and --output may not be specified together".into());
    }
    let mut tasks = Tasks::new();
    let wanted = variables(args, words, cx, &mut tasks)?;
    let infos = targets(args, objects.to_vec(), cx)?;
    if wanted.set.is_empty() && wanted.remove.is_empty() && !args.on("list") {
        return Err("at least one environment variable must be provided".into());
    }
    let pattern = args.text("containers").to_owned();
    let (overwrite, listing) = (args.on("overwrite"), args.on("list"));
    let edited = edit_specs(
        &infos,
        args,
        "env updated",
        "failed to patch env update to pod template: ",
        &mut |info, spec, tasks| {
            let named = |c: &str| fits(&pattern, c);
            let found = containers(spec, &named);
            let title = format!("{}/{}", info.resource.kind, info.name);
            if found.is_empty() {
                tasks.push(Task::Warn(format!(
                    "Warning: {title} does not have any containers matching {pattern:?}\n"
                )));
            }
            for container in found {
                let old = container["env"].as_array().cloned().unwrap_or_default();
                if !overwrite {
                    refuse_overwrites(&old, &wanted.set)?;
                }
                let new = updated(old, &wanted);
                if listing {
                    tasks.push(Task::Say(listed(info, container, &new)));
                    continue;
                }
                if new.is_empty() {
                    if let Some(fields) = container.as_object_mut() {
                        fields.shift_remove("env");
                    }
                } else {
                    container["env"] = new.into();
                }
            }
            Ok(())
        },
    )?;
    tasks.extend(edited);
    Ok(tasks)
}

fn refuse_overwrites(old: &[Value], set: &[Value]) -> Result<(), String> {
    for variable in set {
        if let Some(known) = old.iter().find(|v| v["name"] == variable["name"]) {
            let name = known["name"].as_str().unwrap_or_default();
            return Err(match known["value"].as_str() {
                Some(value) => {
                    format!("'{name}' already has a value ({value}), and --overwrite is false")
                }
                None => format!("'{name}' already has a value, and --overwrite is false"),
            });
        }
    }
    Ok(())
}

fn updated(old: Vec<Value>, wanted: &Variables) -> Vec<Value> {
    let name = |v: &Value| v["name"].as_str().unwrap_or_default().to_owned();
    let mut covered = wanted.remove.clone();
    let mut new = Vec::new();
    for variable in old {
        let of = name(&variable);
        if covered.contains(&of) {
            continue;
        }
        match wanted.set.iter().find(|v| name(v) == of) {
            Some(newer) => {
                covered.push(of);
                new.push(newer.clone());
            }
            None => new.push(variable),
        }
    }
    for variable in &wanted.set {
        if !covered.contains(&name(variable)) {
            covered.push(name(variable));
            new.push(variable.clone());
        }
    }
    new
}

fn listed(info: &Info, container: &Value, env: &[Value]) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut lines =
        format!("# {} {}, container {}\n", info.resource.kind, info.name, text(&container["name"]));
    for variable in env {
        let name = text(&variable["name"]);
        let from = &variable["valueFrom"];
        if from.is_null() {
            lines.push_str(&format!("{name}={}\n", text(&variable["value"])));
            continue;
        }
        let what = [("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")]
            .iter()
            .find(|(field, _)| from[*field].is_object())
            .map(|(field, of)| {
                format!("{of} {}, key {}", text(&from[*field]["name"]), text(&from[*field]["key"]))
            })
            .unwrap_or_else(|| {
                let of_field = &from["fieldRef"]["fieldPath"];
                let of_resource = &from["resourceFieldRef"]["resource"];
                match of_field.as_str() {
                    Some(path) => format!("field path {path}"),
                    None => format!("resource field {}", text(of_resource)),
                }
            });
        lines.push_str(&format!("# {name} from {what}\n"));
    }
    lines
}

fn resources(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let infos = targets(args, args.words.clone(), cx)?;
    let (limits, requests) = (args.text("limits"), args.text("requests"));
    if limits.is_empty() && requests.is_empty() {
        return Err(
            "you must specify an update to requests or limits (in the form of --requests/--limits)"
                .into(),
        );
    }
    let wanted = [("limits", resource_list(limits)?), ("requests", resource_list(requests)?)];
    let pattern = args.text("containers").to_owned();
    edit_specs(
        &infos,
        args,
        "resource requirements updated",
        "failed to patch resources update to pod template ",
        &mut |_, spec, tasks| {
            let named = |c: &str| fits(&pattern, c);
            let found = containers(spec, &named);
            if found.is_empty() {
                tasks.push(Task::Fail(
                    format!("error: unable to find container named {pattern}").into(),
                ));
            }
            for container in found {
                for (field, amounts) in &wanted {
                    for (name, amount) in amounts.as_object().into_iter().flatten() {
                        container["resources"][*field][name] = amount.clone();
                    }
                }
            }
            Ok(())
        },
    )
}

fn service_account(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let Some((account, objects)) = args.words.split_last() else {
        return Err("serviceaccount is required".into());
    };
    let infos = targets(args, objects.to_vec(), cx)?;
    edit_specs(
        &infos,
        args,
        "serviceaccount updated",
        "failed to patch ServiceAccountName ",
        &mut |_, spec, _| {
            spec["serviceAccountName"] = account.as_str().into();
            Ok(())
        },
    )
}

fn selector(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let Some((expression, objects)) = args.words.split_last() else {
        return Err("one selector is required".into());
    };
    let parsed = LabelSelector::parse(expression).and_then(|s| s.to_meta()).map_err(|e| {
        Failure::Plain(format!("couldn't parse the selector string \"{expression}\": {e}"))
    })?;
    let printer = Printer::of(args, "selector updated")?;
    let ways = Ways { bare_type: args.on("all"), ..Ways::default() };
    let found = resource::find(&args.with_words(objects.to_vec()), cx, ways)?;
    let one = |info: Info| {
        if info.resource.model != Kind::Service {
            return Err("setting a selector is only supported for Services".into());
        }
        if parsed["matchExpressions"].as_array().is_some_and(|e| !e.is_empty()) {
            return Err(format!(
                "match expression {} not supported on this object",
                parsed["matchExpressions"]
            )
            .into());
        }
        let before = info.wire();
        let mut after = before.clone();
        after["spec"]["selector"] = parsed["matchLabels"].clone();
        super::patch::change(&info, &before, &after, args, &printer, OnError::Say)
    };
    Ok(found.infos.into_iter().map(|info| info.and_then(one).unwrap_or_else(Task::Fail)).collect())
}

fn subject(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let infos = targets(args, args.words.clone(), cx)?;
    let wanted = subjects(args, Some(&cx.namespace))?;
    if wanted.is_empty() {
        return Err("you must specify at least one value of user, group or serviceaccount".into());
    }
    let printer = Printer::of(args, "subjects updated")?;
    let mut tasks = Tasks::new();
    for info in infos {
        if !matches!(info.resource.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
            let title = format!("{}/{}", info.resource.plural, info.name);
            tasks.push(Task::Fail(format!("error: {title} setting subjects is only supported for RoleBinding/ClusterRoleBinding\n").into()));
            continue;
        }
        let before = info.wire();
        let mut after = before.clone();
        let mut all = before["subjects"].as_array().cloned().unwrap_or_default();
        for subject in &wanted {
            if !all.contains(subject) {
                all.push(subject.clone());
            }
        }
        after["subjects"] = all.into();
        if after != before {
            let on_error = OnError::Prefix("failed to patch subjects to rolebinding: ".to_owned());
            tasks.push(super::patch::change(&info, &before, &after, args, &printer, on_error)?);
        }
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_chosen_by_patterns() {
        for (name, pattern, is) in [
            ("web", "*", true),
            ("web", "web", true),
            ("web", "we", false),
            ("web-1", "web*", true),
            ("my-web", "*web", true),
            ("my-web-1", "*web*", true),
            ("db", "*web*", false),
        ] {
            assert_eq!(fits(pattern, name), is, "{name} {pattern}");
        }
    }
}

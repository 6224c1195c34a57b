//! `kubectl describe`.
//!
//! After `pkg/cmd/describe`; the texts are made in [`crate::report::describe`].

use std::time::Duration;

use serde_json::{Value, json};

use super::args::Args;
use super::resource::{self, Info, Resource, Ways};
use super::table::{FILES, SELECTOR, Treatment, Verb, number, switch};
use super::{Cx, Failure, Look, Task, Tasks, events};
use crate::api::kinds;
use crate::base::time::SimTime;
use crate::model::{Kind, Object};
use crate::report::describe::{self, Cluster};

/// The namespace of node leases.
const LEASES: &str = "kube-node-lease";

/// A node agent renews its lease so often.
const RENEWAL: Duration = Duration::from_secs(10);

pub(super) const VERBS: &[Verb] = &[Verb {
    path: "describe",
    aliases: &[],
    usage: "describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME) [options]",
    about: "Show details of a specific resource or group of resources.",
    flags: &[
        FILES,
        SELECTOR,
        &[
            switch("all-namespaces").letter('A'),
            switch("show-events").or("true"),
            number("chunk-size", "500").ignored("lists come whole"),
        ],
    ],
    treatment: Treatment::Modelled,
    plan,
}];

fn plan(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    if args.words.is_empty() && args.list("filename").is_empty() {
        let text = "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported resources.\n";
        return Err(text.into());
    }
    let found = resource::find(args, cx, Ways { bare_type: true, ..Ways::default() })?;
    let (infos, failures) = found.split();
    let several = infos.len() > 1 || !failures.is_empty();
    let events = if args.given("show-events") { args.on("show-events") } else { !several };
    if let ([of, prefix], [failure]) = (args.words.as_slice(), failures.as_slice())
        && failure.is_not_found()
    {
        return by_prefix(of, prefix, failure, events, args, cx);
    }
    let texts: Vec<String> = infos.iter().map(|i| text(i, events, cx)).collect();
    let mut tasks = Tasks::new();
    if texts.is_empty() && failures.is_empty() {
        tasks.push(Task::Warn(match args.on("all-namespaces") {
            true => "No resources found\n".to_owned(),
            false => format!("No resources found in {} namespace.\n", cx.namespace),
        }));
    }
    tasks.push(Task::Say(texts.join("\n\n")));
    tasks.extend(failures.into_iter().map(Task::Fail));
    Ok(tasks)
}

/// The objects whose names begin so, where none is called so.
fn by_prefix(
    of: &str,
    prefix: &str,
    failure: &Failure,
    events: bool,
    args: &Args,
    cx: &Cx<'_>,
) -> Result<Tasks, Failure> {
    let line = args.with_words(vec![of.to_owned()]);
    let found = resource::find(&line, cx, Ways { bare_type: true, ..Ways::default() })?;
    let (infos, _) = found.split();
    let begins = infos.iter().filter(|i| i.name.starts_with(prefix));
    let texts: Vec<String> = begins.map(|i| format!("{}\n", text(i, events, cx))).collect();
    if texts.is_empty() { Err(failure.clone()) } else { Ok(vec![Task::Say(texts.concat())]) }
}

fn text(info: &Info, events: bool, cx: &Cx<'_>) -> String {
    of_object(&info.wire(), events, &cx.look)
}

/// The description of an object of the cluster.
pub(in crate::scenario) fn of_object(object: &Value, events: bool, look: &Look<'_>) -> String {
    let list = |kind: &str, namespace: &str| listed(kind, namespace, look);
    describe::describe(object, &Cluster { now: look.now.to_utc(), list: &list, events })
}

/// The objects of a kind, in a namespace or in all.
fn listed(kind: &str, namespace: &str, look: &Look<'_>) -> Vec<Value> {
    let here = |at: &str| namespace.is_empty() || at == namespace;
    match kind {
        "Event" => {
            let all = events::documents(look).into_iter();
            all.filter(|e| here(e["metadata"]["namespace"].as_str().unwrap_or_default())).collect()
        }
        "Lease" if namespace == LEASES => {
            look.store.list(Kind::Node).filter_map(|o| lease(o, look.now)).collect()
        }
        _ => {
            let Some(info) = kinds::anywhere(kind) else { return Vec::new() };
            let of = Resource::from(info);
            let all = of.list(look.store).into_iter();
            all.filter(|o| here(&o.meta().namespace)).map(resource::to_value).collect()
        }
    }
}

/// The lease of a node: it is renewed without a write, so it stands in no store.
fn lease(node: &Object, now: SimTime) -> Option<Value> {
    let Object::Node(node) = node else { return None };
    let until = node.lease_stopped.unwrap_or(now);
    let ticks = until.since(node.meta.created).as_secs() / RENEWAL.as_secs();
    let renewed = node.meta.created + RENEWAL * u32::try_from(ticks).unwrap_or(u32::MAX);
    let name = node.meta.name.as_str();
    let at = renewed.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    Some(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASES},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": at}}))
}

//! Which objects a command line means.

use serde_json::Value;

use super::Look;
use super::args::Args;
use crate::model::{Kind, Object, Ref};

/// The kind that a resource argument names: `deploy`, `deployments`, `Deployment`, `statefulsets.apps`.
pub(super) fn kind(argument: &str) -> Result<Kind, String> {
    const SHORT: [(&str, Kind); 15] = [
        ("po", Kind::Pod),
        ("no", Kind::Node),
        ("cj", Kind::CronJob),
        ("ds", Kind::DaemonSet),
        ("sts", Kind::StatefulSet),
        ("deploy", Kind::Deployment),
        ("rs", Kind::ReplicaSet),
        ("rc", Kind::ReplicationController),
        ("svc", Kind::Service),
        ("cm", Kind::ConfigMap),
        ("pv", Kind::PersistentVolume),
        ("pvc", Kind::PersistentVolumeClaim),
        ("sc", Kind::StorageClass),
        ("pdb", Kind::PodDisruptionBudget),
        ("pc", Kind::PriorityClass),
    ];
    let bare = argument.split('.').next().unwrap_or(argument).to_ascii_lowercase();
    let named = Kind::ALL.iter().copied().filter(|k| *k != Kind::Inert);
    SHORT
        .iter()
        .find(|(short, _)| *short == bare)
        .map(|(_, kind)| *kind)
        .or_else(|| {
            named.clone().find(|k| k.plural() == bare || k.as_str().to_ascii_lowercase() == bare)
        })
        .ok_or_else(|| format!("error: the server doesn't have a resource type {argument:?}"))
}

/// The objects that the words name: `KIND/NAME …`, `KIND NAME …`, or `KIND` with a selector or `--all`.
pub(super) fn objects(args: &Args, look: &Look<'_>) -> Result<Vec<Object>, String> {
    let Some((first, rest)) = args.words.split_first() else {
        return Err("error: You must provide one or more resources by argument".to_owned());
    };
    if first.contains('/') {
        let pairs = args.words.iter().map(|w| w.split_once('/').unwrap_or((w.as_str(), "")));
        return pairs.map(|(k, name)| one(kind(k)?, name, args, look)).collect();
    }
    let kind = kind(first)?;
    if !rest.is_empty() {
        return rest.iter().map(|name| one(kind, name, args, look)).collect();
    }
    if args.flag("selector").is_none()
        && args.flag("field-selector").is_none()
        && !args.is_set("all", false)
    {
        return Err(format!(
            "error: resource(s) were provided, but no name was specified ({})",
            kind.plural()
        ));
    }
    let mut found: Vec<Object> = look
        .store
        .list(kind)
        .filter(|o| !kind.namespaced() || o.meta().namespace == args.namespace)
        .filter(|o| selected(o, args))
        .cloned()
        .collect();
    found.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
    Ok(found)
}

/// `deployment.apps/web`.
pub(super) fn name(object: &Object) -> String {
    format!("{}/{}", object.kind().singular(), object.meta().name)
}

/// `deployment.apps/web`, of a document.
pub(super) fn title(document: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (api, kind) = (text(&document["apiVersion"]), text(&document["kind"]).to_ascii_lowercase());
    let group = api.split_once('/').map(|(g, _)| format!(".{g}")).unwrap_or_default();
    format!("{kind}{group}/{}", text(&document["metadata"]["name"]))
}

/// The document, in `namespace` unless it names one or its kind has none.
pub(super) fn in_namespace(mut document: Value, namespace: &str) -> Value {
    let named = document["metadata"]["namespace"].as_str().is_some_and(|n| !n.is_empty());
    let kind = target(&document).kind;
    if !named && kind.namespaced() && document["metadata"].is_object() {
        document["metadata"]["namespace"] = namespace.into();
    }
    document
}

/// The object that a document is about.
pub(super) fn target(document: &Value) -> Ref {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (api, kind) = (text(&document["apiVersion"]), text(&document["kind"]));
    let group = api.split_once('/').map_or("", |(g, _)| g);
    let name = text(&document["metadata"]["name"]);
    let namespace = text(&document["metadata"]["namespace"]);
    match Kind::from_name(&kind).filter(|k| k.group() == group) {
        Some(kind) if kind.namespaced() => Ref::new(kind, namespace, name),
        Some(kind) => Ref::new(kind, "", name),
        None => Ref::new(Kind::Inert, namespace, format!("{kind}.{group}/{name}")),
    }
}

fn one(kind: Kind, name: &str, args: &Args, look: &Look<'_>) -> Result<Object, String> {
    let namespace = if kind.namespaced() { args.namespace.as_str() } else { "" };
    look.store.find(&Ref::new(kind, namespace, name)).cloned().ok_or_else(|| {
        let error = crate::store::ApiError::not_found(kind, name);
        format!("Error from server (NotFound): {}", error.message)
    })
}

fn selected(object: &Object, args: &Args) -> bool {
    let labels = &object.meta().labels;
    let by_label = args.flag("selector").is_none_or(|s| {
        s.split(',').all(|term| match term.split_once('=') {
            Some((k, v)) => labels.get(k).is_some_and(|x| x == v.trim_start_matches('=')),
            None => labels.get(term).is_some(),
        })
    });
    let by_field = args.flag("field-selector").is_none_or(|s| {
        s.split(',').all(|term| match (term.split_once('='), object) {
            (Some(("spec.nodeName", node)), Object::Pod(p)) => p.node.as_deref() == Some(node),
            (Some(("metadata.name", name)), o) => o.meta().name == name,
            (Some(("status.phase", phase)), Object::Pod(p)) => p.status.phase.as_str() == phase,
            _ => false,
        })
    });
    by_label && by_field
}

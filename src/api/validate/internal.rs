//! Values as upstream's internal types print them.
//!
//! The API server validates its own internal types, and errors and differences show those: as JSON
//! without tags, that is every field by its Go name, in the internal order, unset ones as `null`.
//! The internal types differ from the served ones in few places, which are listed here
//! (`pkg/apis/*/types.go`).

use serde_json::{Map, Value};

use super::At;
use super::error::go_json;
use crate::api::schema::{Shape, Struct};

/// The JSON text of a value as its internal type.
pub(super) fn text(of: &At<'_>) -> String {
    go_json(&value(of))
}

/// A value as an error shows it: a text quoted as Go does, anything else as its internal type's JSON.
pub(super) fn shown(of: &At<'_>) -> String {
    match value(of) {
        Value::String(text) => super::quote(&text),
        other => go_json(&other),
    }
}

/// The JSON of a value as its internal type.
pub(super) fn value(of: &At<'_>) -> Value {
    match (of.shape(), of.struct_type()) {
        (Some(shape), _) => field(shape, of.value()),
        (None, Some(kind)) if of.value().is_object() => strukt(kind, of.value()),
        (None, _) => of.value().clone(),
    }
}

/// A struct's JSON; fields that inlined structs bring stay on one level, as embedded ones do.
pub(super) fn strukt(of: &'static Struct, value: &Value) -> Value {
    if of.key.starts_with("meta/") {
        return crate::api::schema::encode(of, value);
    }
    let mut out = Map::new();
    let mut names: Vec<(&str, &str)> = of.names().filter(|(_, go)| !is_left_out(of, go)).collect();
    for (first, then) in moved(of.key) {
        if let Some(from) = names.iter().position(|(_, go)| go == then) {
            let field = names.remove(from);
            let to = names.iter().position(|(_, go)| go == first).map_or(0, |at| at + 1);
            names.insert(to, field);
        }
    }
    for (json, go) in names {
        let Some(shape) = of.field(json) else { continue };
        let field = value.get(json).unwrap_or(&Value::Null);
        if let (Shape::Struct(id), "ObjectMeta") = (shape, go) {
            // Embedded without a name: its own fields stand here, and they do have tags.
            let meta = crate::api::schema::encode(id.get(), field);
            out.extend(meta.as_object().cloned().unwrap_or_default());
            continue;
        }
        out.insert(go.to_owned(), self::field(shape, field));
    }
    if of.key == "core/v1.PodSpec"
        && let Some(context) = out.get_mut("SecurityContext").filter(|c| c.is_object())
    {
        move_host_namespaces(value, context);
    }
    Value::Object(out)
}

/// The host's namespaces stand in a pod's security context.
fn move_host_namespaces(spec: &Value, context: &mut Value) {
    let mut moved = Map::new();
    for (json, go) in
        [("hostNetwork", "HostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
    {
        moved.insert(go.into(), (spec[json] == Value::Bool(true)).into());
    }
    for (json, go) in
        [("shareProcessNamespace", "ShareProcessNamespace"), ("hostUsers", "HostUsers")]
    {
        moved.insert(go.into(), spec[json].clone());
    }
    if let Some(fields) = context.as_object() {
        moved.extend(fields.clone());
    }
    *context = Value::Object(moved);
}

fn field(shape: &Shape, value: &Value) -> Value {
    match (shape, value) {
        (Shape::Named(_, below), _) => field(below, value),
        (Shape::Pointer(_), Value::Null) => Value::Null,
        (Shape::Pointer(to), _) => field(to, value),
        (Shape::Struct(id), _) => strukt(id.get(), value),
        (Shape::List(of), Value::Array(items)) => {
            Value::Array(items.iter().map(|item| field(of, item)).collect())
        }
        (Shape::Map(to), Value::Object(entries)) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(sorted.into_iter().map(|(k, v)| (k.clone(), field(to, v))).collect())
        }
        (Shape::String, Value::Null) => "".into(),
        (Shape::Bool, Value::Null) => false.into(),
        (Shape::Int32 | Shape::Int64 | Shape::IntOrString, Value::Null) => 0.into(),
        (Shape::Quantity, Value::Null) => "0".into(),
        _ => value.clone(),
    }
}

/// Fields that the internal type does not have.
fn is_left_out(of: &Struct, go: &str) -> bool {
    match of.key {
        "core/v1.PodSpec" => matches!(
            go,
            "DeprecatedServiceAccount"
                | "HostNetwork"
                | "HostPID"
                | "HostIPC"
                | "ShareProcessNamespace"
                | "HostUsers"
        ),
        "core/v1.NodeSpec" => go == "PodCIDR",
        "core/v1.PodStatus" => go == "PodIP",
        "core/v1.Secret" => go == "StringData",
        _ => false,
    }
}

/// Fields that stand elsewhere in the internal type: the first, and what follows it.
fn moved(key: &str) -> &'static [(&'static str, &'static str)] {
    match key {
        "core/v1.PodSpec" => &[
            ("Subdomain", "SetHostnameAsFQDN"),
            ("Priority", "PreemptionPolicy"),
            ("RuntimeClassName", "Overhead"),
            ("Overhead", "EnableServiceLinks"),
        ],
        "core/v1.Volume" | "core/v1.VolumeSource" => &[("RBD", "Quobyte")],
        "core/v1.PodSecurityContext" => &[("FSGroup", "FSGroupChangePolicy")],
        "core/v1.PersistentVolumeSource" | "core/v1.PersistentVolumeSpec" => {
            &[("RBD", "Quobyte"), ("ISCSI", "FlexVolume")]
        }
        "autoscaling/v2.ContainerResourceMetricSource" => &[("Name", "Container")],
        _ => &[],
    }
}

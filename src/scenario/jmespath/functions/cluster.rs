//! Functions that ask the cluster.
//!
//! Their first argument is a client or a configuration (`$client`, `$config`): there is one cluster.

use serde_json::{Value, json};

use super::{Table, text, values};
use crate::scenario::jmespath::eval::{Argument, Evaluation};

pub(super) const TABLE: Table = &[
    ("time_now", 0, 0),
    ("time_now_utc", 0, 0),
    ("x_k8s_exists", 5, 5),
    ("x_k8s_get", 5, 5),
    ("x_k8s_list", 3, 4),
    ("x_k8s_resource_exists", 3, 3),
    ("x_k8s_server_version", 1, 1),
];

pub(super) fn call(
    cx: &Evaluation<'_>,
    name: &str,
    arguments: Vec<Argument<'_>>,
) -> Result<Value, String> {
    let arguments = values(arguments)?;
    match name {
        "time_now" | "time_now_utc" => return Ok(cx.world.now().into()),
        "x_k8s_server_version" => {
            return Ok(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2"}));
        }
        _ => {}
    }
    let (version, kind) = (text(arguments.get(1))?, text(arguments.get(2))?);
    if name == "x_k8s_resource_exists" {
        return Ok(cx.world.serves(version, kind).into());
    }
    let namespace = match arguments.get(3) {
        None | Some(Value::Null) => None,
        Some(given) => Some(text(Some(given))?).filter(|n| !n.is_empty()),
    };
    let items = cx.world.list(version, kind, namespace);
    if name == "x_k8s_list" {
        return Ok(json!({"apiVersion": version, "kind": format!("{kind}List"), "items": items}));
    }
    let wanted = text(arguments.get(4))?;
    let found = items.into_iter().find(|o| o["metadata"]["name"] == wanted);
    match (name, found) {
        ("x_k8s_exists", found) => Ok(found.is_some().into()),
        (_, Some(found)) => Ok(found),
        (_, None) => Err(format!("there is no {kind} {wanted:?}")),
    }
}

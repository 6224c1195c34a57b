//! Corpus `daemonset-node`: on which nodes daemon pods run, and what is added to them.

use serde_json::{Value, json};

use super::nodes;
use crate::api::corpus::same;
use crate::api::typed::Typed;
use crate::api::{convert, schema};
use crate::model::{Object, PodSpec, wire};

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let mut template: wire::core::PodSpec =
        serde_json::from_value(given["template"].clone()).map_err(|e| format!("template: {e}"))?;
    let node = node(&given["node"])?;
    nodes::tolerate(&mut template);
    same("podTolerations", &json!(template.tolerations), &recorded["podTolerations"])?;
    let affinity = nodes::pinned(template.affinity.clone(), &node.meta.name);
    let of = schema::named("core/v1.Affinity").ok_or("the table lacks the affinity")?;
    let affinity = schema::encode(of, &json!(affinity));
    same("podAffinityAfterNodePinning", &affinity, &recorded["podAffinityAfterNodePinning"])?;
    let pinned = template.node_name.as_deref().filter(|n| !n.is_empty()).map(Into::into);
    let spec = PodSpec::compile(template);
    let fit = nodes::fit(&node, pinned.as_ref(), &spec.wire, &spec.tolerations);
    same("shouldRun", &json!(fit.should_run), &recorded["shouldRun"])?;
    same("shouldContinueRunning", &json!(fit.should_continue), &recorded["shouldContinueRunning"])
}

fn node(given: &Value) -> Result<std::sync::Arc<crate::model::Node>, String> {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": given["name"], "labels": given["labels"]},
        "spec": {"taints": given["taints"], "unschedulable": given["unschedulable"]},
    });
    let typed = Typed::decode(&manifest).map_err(|e| format!("{}: {}", e.path, e.message))?;
    let object = convert::from_wire(typed).map_err(|e| e.to_string())?;
    let Object::Node(node) = object else { return Err("no Node".into()) };
    Ok(node)
}

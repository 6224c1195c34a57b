//! CustomResourceDefinitions: established at once.
//!
//! Upstream's controllers of `k8s.io/apiextensions-apiserver` (`pkg/controller/status`, `establish`) accept the
//! names and establish the definition a few milliseconds after it was created, and then some seconds later;
//! here the status has it from the start.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::model::Inert;

/// Gives a new definition the status of one that is served.
pub(in crate::apiserver) fn establish_definition(inert: &mut Arc<Inert>) {
    let definition = Arc::make_mut(inert);
    let since = definition.meta.created.to_rfc3339();
    let body = Arc::make_mut(&mut definition.body);
    let spec = body.get("spec").cloned().unwrap_or_default();
    let mut names = spec["names"].clone();
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    if let Some(fields) = names.as_object_mut() {
        fields.entry("listKind").or_insert_with(|| format!("{kind}List").into());
        fields.entry("singular").or_insert_with(|| kind.to_lowercase().into());
    }
    let versions = spec["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> =
        versions.filter(|v| v["storage"] == true).map(|v| v["name"].clone()).collect();
    let condition = |of: &str, reason: &str, message: &str| {
        json!({"type": of, "status": "True", "lastTransitionTime": since, "reason": reason,
            "message": message})
    };
    let conditions = [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    let status =
        json!({"acceptedNames": names, "conditions": conditions, "storedVersions": stored});
    body.insert("status".to_owned(), status);
}

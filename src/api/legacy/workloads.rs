//! Deployments, DaemonSets, ReplicaSets and StatefulSets of extensions/v1beta1 and apps/v1beta1.
//!
//! Follows pkg/apis/extensions/v1beta1/defaults.go and pkg/apis/apps/v1beta1/defaults.go. apps/v1beta2
//! has today's defaults already.

use serde_json::{Map, Value, json};

use super::{Filled, field, fill};

/// "Keep all", "no deadline": what the oldest version had instead of a number.
const UNLIMITED: i32 = i32::MAX;

/// The selector and the object's own labels were taken from the template where they were missing.
pub(super) fn labels_from_template(object: &mut Map<String, Value>, filled: &mut Filled) {
    let Some(labels) =
        field(object, &["spec", "template", "metadata", "labels"]).map(|l| l.clone())
    else {
        return;
    };
    let Some(map) = labels.as_object() else { return };
    let shown: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let shown = shown.join(",");
    if fill(object, &["spec", "selector"], json!({"matchLabels": labels})) {
        filled.note(format!("spec.selector from the labels of the template ({shown})"));
    }
    let own = field(object, &["metadata", "labels"]);
    let none = own.is_none_or(|own| own.as_object().is_some_and(Map::is_empty));
    if none
        && !map.is_empty()
        && let Some(metadata) =
            object.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
    {
        metadata.insert("labels".into(), labels);
        filled.note(format!("metadata.labels from the labels of the template ({shown})"));
    }
}

/// Notes a default that differs from today's.
fn fill_and_note(
    object: &mut Map<String, Value>,
    path: &[&str],
    value: Value,
    filled: &mut Filled,
) {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let note = format!("{}: {shown}", path.join("."));
    if fill(object, path, value) {
        filled.note(note);
    }
}

pub(super) fn extensions_deployment(object: &mut Map<String, Value>, filled: &mut Filled) {
    labels_from_template(object, filled);
    let kind =
        field(object, &["spec", "strategy", "type"]).and_then(|it| Some(it.as_str()?.to_owned()));
    let rolling = matches!(kind.as_deref(), None | Some("" | "RollingUpdate"))
        || field(object, &["spec", "strategy", "rollingUpdate"]).is_some();
    if rolling {
        for name in ["maxUnavailable", "maxSurge"] {
            fill_and_note(object, &["spec", "strategy", "rollingUpdate", name], json!(1), filled);
        }
    }
    for name in ["progressDeadlineSeconds", "revisionHistoryLimit"] {
        fill_and_note(object, &["spec", name], json!(UNLIMITED), filled);
    }
    rollback_to(object);
}

pub(super) fn apps_v1beta1_deployment(object: &mut Map<String, Value>, filled: &mut Filled) {
    labels_from_template(object, filled);
    fill_and_note(object, &["spec", "revisionHistoryLimit"], json!(2), filled);
    rollback_to(object);
}

/// The field `spec.rollbackTo` became an annotation.
fn rollback_to(object: &mut Map<String, Value>) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let Some(rollback) = spec.shift_remove("rollbackTo").filter(|rollback| !rollback.is_null())
    else {
        return;
    };
    let revision = rollback["revision"].as_i64().unwrap_or(0).to_string();
    fill(
        object,
        &["metadata", "annotations", "deprecated.deployment.rollback.to"],
        revision.into(),
    );
}

pub(super) fn extensions_daemon_set(object: &mut Map<String, Value>, filled: &mut Filled) {
    labels_from_template(object, filled);
    update_on_delete(object, filled);
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(generation) = spec.shift_remove("templateGeneration").and_then(|it| it.as_i64()) {
        let path = ["metadata", "annotations", "deprecated.daemonset.template.generation"];
        fill(object, &path, generation.to_string().into());
    }
}

pub(super) fn apps_v1beta1_stateful_set(object: &mut Map<String, Value>, filled: &mut Filled) {
    labels_from_template(object, filled);
    update_on_delete(object, filled);
}

fn update_on_delete(object: &mut Map<String, Value>, filled: &mut Filled) {
    if let Some(kind) =
        field(object, &["spec", "updateStrategy", "type"]).filter(|kind| **kind == "")
    {
        *kind = Value::Null;
    }
    fill_and_note(object, &["spec", "updateStrategy", "type"], json!("OnDelete"), filled);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(
        convert: fn(&mut Map<String, Value>, &mut Filled),
        spec: &Value,
    ) -> (Value, Vec<String>) {
        let mut object = json!({"metadata": {"name": "a", "labels": {"own": "x"}}, "spec": spec});
        let mut notes = Filled::default();
        convert(object.as_object_mut().unwrap(), &mut notes);
        (object["spec"].clone(), notes.notes().to_vec())
    }

    #[test]
    fn the_oldest_deployments_rolled_one_by_one_and_kept_all_revisions() {
        let template = json!({"metadata": {"labels": {"app": "a"}}});
        let (spec, notes) = filled(extensions_deployment, &json!({"template": template}));
        assert_eq!(
            spec,
            json!({
                "template": template,
                "selector": {"matchLabels": {"app": "a"}},
                "strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
                "progressDeadlineSeconds": 2147483647,
                "revisionHistoryLimit": 2147483647,
            })
        );
        assert_eq!(notes.len(), 5, "{notes:?}");
        let (spec, _) = filled(extensions_deployment, &json!({"strategy": {"type": "Recreate"}}));
        assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn what_is_written_is_kept() {
        let spec = json!({
            "selector": {"matchLabels": {"b": "c"}},
            "template": {"metadata": {"labels": {"app": "a"}}},
            "updateStrategy": {"type": "RollingUpdate"},
        });
        assert_eq!(filled(extensions_daemon_set, &spec), (spec.clone(), vec![]));
        assert_eq!(filled(apps_v1beta1_stateful_set, &spec), (spec, vec![]));
    }
}

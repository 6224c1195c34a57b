//! The revisions of StatefulSets and DaemonSets: what a ControllerRevision holds and is called.
//!
//! Follows `pkg/controller/history/controller_history.go`,
//! `pkg/controller/statefulset/stateful_set_utils.go` (`getPatch`) and
//! `pkg/controller/daemon/update.go` (`getPatch`). The data is a patch that puts the template back:
//! `{"spec":{"template":{"$patch":"replace", …}}}`, its keys sorted as Go sorts those of a map.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::api::{convert, schema};
use crate::base::Str;
use crate::model::{PodTemplate, Whole, Workload, wire};

/// The label of a revision with its hash (`ControllerRevisionHashLabel`).
pub const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// A stored revision.
pub type Revision = Whole<wire::apps::ControllerRevision>;

/// A revision's data for the template of a workload, as text and as JSON, made once for each version of
/// its spec.
pub fn data_of<S>(
    spec: &Workload<S>,
    template: impl FnOnce(&S) -> &wire::core::PodTemplateSpec,
) -> Arc<(String, Value)> {
    spec.revision.get_or_make(|| {
        let text = data(template(&spec.wire));
        let json = serde_json::from_str(&text).expect("the text is JSON that was just written");
        (text, json)
    })
}

/// The bytes of a revision's data: the patch that puts `template` back.
///
/// # Panics
/// Never: the table of types holds the template, and API types serialise.
pub fn data(template: &wire::core::PodTemplateSpec) -> String {
    let of = schema::named("core/v1.PodTemplateSpec").expect("the table holds the pod template");
    let json = serde_json::to_value(template).expect("API types always serialise");
    let mut template = sorted(&schema::encode(of, &json));
    if let Some(fields) = template.as_object_mut() {
        // `$` sorts before every letter.
        fields.shift_insert(0, "$patch".to_owned(), "replace".into());
    }
    let patch = serde_json::json!({"spec": {"template": template}});
    escape_html(&patch.to_string())
}

/// The template that a revision's data puts back; `None` where it is not such a patch.
pub fn template(revision: &Revision) -> Option<PodTemplate> {
    let data = revision.body.data.as_ref()?;
    let mut template = data.0.get("spec")?.get("template")?.clone();
    template.as_object_mut()?.shift_remove("$patch");
    let wire: wire::core::PodTemplateSpec = serde_json::from_value(template).ok()?;
    Some(convert::template_from_wire(wire))
}

/// The name of a revision (`ControllerRevisionName`).
pub fn name(owner: &str, hash: &str) -> Str {
    const LONGEST_PREFIX: usize = 223;
    let prefix = owner.get(..LONGEST_PREFIX).unwrap_or(owner);
    smol_str::format_smolstr!("{prefix}-{hash}")
}

/// A copy with all keys sorted.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut entries: Vec<_> = fields.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let sorted: Map<_, _> =
                entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            Value::Object(sorted)
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// JSON as Go writes it by default: fit to stand in HTML.
fn escape_html(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

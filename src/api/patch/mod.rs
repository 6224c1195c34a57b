//! Changing objects by patches, as kubectl makes them and the API server applies them.
//!
//! - [`json_patch`]: a list of operations (RFC 6902), as gopkg.in/evanphx/json-patch.v4 reads it.
//! - [`merge`]: a JSON merge patch (RFC 7396), and kubectl's three-way patch for custom resources.
//! - [`strategic`]: a merge patch that knows the types: lists are merged by key, `$patch`,
//!   `$setElementOrder`, `$retainKeys` and `$deleteFromPrimitiveList` steer it
//!   (k8s.io/apimachinery/pkg/util/strategicpatch `StrategicMergeMapPatch`).
//! - [`diff`]: the patches that `kubectl apply` (three-way) and `kubectl edit` (two-way) send
//!   (`CreateThreeWayMergePatch`, `CreateTwoWayMergePatch`).
//!
//! All of it works on plain values. What the server does around it (decoding, defaulting, validation,
//! which fields may not change) is not here.

pub mod diff;
pub mod json_patch;
pub mod merge;
mod meta;
pub mod strategic;

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::Struct;

/// The kinds of patches, by their content types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchType {
    /// `application/json-patch+json`
    Json,
    /// `application/merge-patch+json`
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

/// Why a patch is refused. The text is the server's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatchError {
    /// The patch is not well formed: 400, `BadRequest`.
    #[error("{0}")]
    Malformed(String),
    /// The patch does not fit the object: 422. The text is what the server knows; a client is told
    /// "the server rejected our request due to an error in our request".
    #[error("{0}")]
    Unprocessable(String),
    /// Custom resources take no strategic merge patches: 415.
    #[error(
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, \
         application/apply-patch+cbor"
    )]
    NotStrategic,
}

/// Applies `patch` to `object`, whose Go type is `of`; `None` for custom resources.
///
/// # Errors
/// Why the server refuses it.
pub fn apply(
    kind: PatchType,
    of: Option<&'static Struct>,
    object: &Value,
    patch: &Value,
) -> Result<Value, PatchError> {
    match (kind, of) {
        (PatchType::Json, _) => json_patch::apply(object, patch),
        (PatchType::Merge, _) => merge::apply(object, patch),
        (PatchType::Strategic, Some(of)) => strategic::apply(of, object, patch),
        (PatchType::Strategic, None) => Err(PatchError::NotStrategic),
    }
}

/// A value as Go's `%v` prints it: `map[name:web ports:[80 443]]`.
fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_value).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort();
            let mut text = String::from("map[");
            for (index, key) in keys.into_iter().enumerate() {
                let gap = if index == 0 { "" } else { " " };
                let _ = write!(text, "{gap}{key}:{}", go_value(&entries[key]));
            }
            text.push(']');
            text
        }
    }
}

//! JSON merge patches, and the three-way patch that `kubectl apply` makes for custom resources.
//!
//! Follows vendor/gopkg.in/evanphx/json-patch.v4 (`MergePatch`, `CreateMergePatch`) and
//! k8s.io/apimachinery/pkg/util/jsonmergepatch (`CreateThreeWayJSONMergePatch`).

use serde_json::{Map, Value};

use super::PatchError;

/// Applies a merge patch: objects are merged, null removes, everything else replaces.
///
/// # Errors
/// A patch that is no object.
pub fn apply(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    if !patch.is_object() {
        return Err(PatchError::Malformed("Invalid JSON Patch".to_owned()));
    }
    let mut document = object.clone();
    merge(&mut document, patch);
    Ok(document)
}

/// Documents are bounded in depth by the readers, so this may recurse.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(entries) = target else { return };
    for (key, change) in changes {
        if change.is_null() {
            entries.shift_remove(key);
        } else {
            merge(entries.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// The merge patch that leads from `current` to what `modified` asks for: changes and additions of
/// `modified` against `current`, and removals of what was in `original` (applied last) but is not in
/// `modified`. An empty object when there is nothing to do.
pub fn three_way(original: &Value, modified: &Value, current: &Value) -> Value {
    let additions = keep(between(current, modified), false);
    let removals = keep(between(original, modified), true);
    let mut patch = removals;
    overlay(&mut patch, &additions);
    patch
}

/// The merge patch from one document to another.
pub fn between(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for (key, value) in after {
        match before.get(key) {
            None => {
                patch.insert(key.clone(), value.clone());
            }
            Some(old) if old == value => {}
            Some(old) if old.is_object() && value.is_object() => {
                patch.insert(key.clone(), between(old, value));
            }
            Some(_) => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

/// Of a patch only the removals, or all but them; objects that get empty go.
fn keep(patch: Value, removals: bool) -> Value {
    let Value::Object(entries) = patch else { return patch };
    let mut kept = Map::new();
    for (key, value) in entries {
        match value {
            Value::Null if removals => {
                kept.insert(key, Value::Null);
            }
            Value::Null => {}
            Value::Object(inner) => {
                let empty = inner.is_empty();
                let inner = keep(Value::Object(inner), removals);
                if inner.as_object().is_some_and(|inner| !inner.is_empty()) || (empty && !removals)
                {
                    kept.insert(key, inner);
                }
            }
            value if !removals => {
                kept.insert(key, value);
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
        }
    }
    Value::Object(kept)
}

/// Puts one patch over another, nulls included.
fn overlay(patch: &mut Value, over: &Value) {
    match (patch, over) {
        (Value::Object(entries), Value::Object(changes)) => {
            for (key, change) in changes {
                match entries.get_mut(key) {
                    Some(old) => overlay(old, change),
                    None => {
                        entries.insert(key.clone(), change.clone());
                    }
                }
            }
        }
        (patch, over) => *patch = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_and_null_removes() {
        let object = json!({"a": {"b": 1, "c": [1, 2]}, "d": 2});
        let check =
            |patch: Value, wanted: Value| assert_eq!(apply(&object, &patch), Ok(wanted), "{patch}");
        check(json!({"a": {"b": null, "c": [3]}}), json!({"a": {"c": [3]}, "d": 2}));
        check(
            json!({"d": {"e": null, "f": 1}}),
            json!({"a": {"b": 1, "c": [1, 2]}, "d": {"f": 1}}),
        );
        check(json!({}), object.clone());
        assert!(apply(&object, &json!([])).is_err());
    }

    #[test]
    fn only_what_was_applied_before_is_removed() {
        let original = json!({"spec": {"a": 1, "b": 2}});
        let modified = json!({"spec": {"a": 1, "n": 5}});
        let current = json!({"spec": {"a": 9, "b": 2, "server": 3}, "status": {"x": 1}});
        let patch = three_way(&original, &modified, &current);
        assert_eq!(patch, json!({"spec": {"b": null, "a": 1, "n": 5}}));
        assert_eq!(
            apply(&current, &patch),
            Ok(json!({"spec": {"a": 1, "server": 3, "n": 5}, "status": {"x": 1}}))
        );
    }
}

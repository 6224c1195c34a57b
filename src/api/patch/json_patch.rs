//! Lists of operations: `add`, `remove`, `replace`, `move`, `copy`, `test`.
//!
//! Follows vendor/gopkg.in/evanphx/json-patch.v4 (`Patch.Apply`), with its departures from RFC 6902:
//! negative positions count from the end, and `replace` of a key that is not there adds it.

use serde_json::{Map, Value};

use super::PatchError;

/// How many operations the API server takes.
const MOST_OPERATIONS: usize = 10_000;

/// Applies the operations in order; nothing is changed if one of them fails.
///
/// # Errors
/// The first operation that does not apply.
pub fn apply(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations = patch.as_array().ok_or_else(|| {
        let found = kind(patch);
        let problem =
            format!("json: cannot unmarshal {found} into Go value of type jsonpatch.Patch");
        PatchError::Malformed(problem)
    })?;
    if operations.len() > MOST_OPERATIONS {
        let count = operations.len();
        return Err(PatchError::Malformed(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {count}"
        )));
    }
    let mut document = object.clone();
    for operation in operations {
        let Value::Object(operation) = operation else {
            let found = kind(operation);
            return Err(PatchError::Malformed(format!(
                "json: cannot unmarshal {found} into Go value of type jsonpatch.Operation"
            )));
        };
        step(&mut document, operation).map_err(PatchError::Unprocessable)?;
    }
    Ok(document)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn step(document: &mut Value, operation: &Map<String, Value>) -> Result<(), String> {
    let name = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
    let text = |field: &str| operation.get(field).and_then(Value::as_str).map(str::to_owned);
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let path = || text("path").ok_or_else(|| missing(name, "path"));
    match name {
        "add" => add(document, &path()?, value()),
        "remove" => remove(document, &path()?),
        "replace" => replace(document, &path()?, value()),
        "test" => test(document, &path()?, &value()),
        "move" | "copy" => {
            let from = text("from").ok_or_else(|| missing(name, "from"))?;
            transfer(document, name, &from, path)
        }
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn missing(operation: &str, field: &str) -> String {
    match (operation, field) {
        ("add" | "remove", _) => {
            format!("{operation} operation failed to decode path: missing value")
        }
        (_, "from") => format!(
            "{operation} operation failed to decode from: operation, missing from field: missing value"
        ),
        _ => format!(
            "{operation} operation failed to decode path: operation missing path field: missing value"
        ),
    }
}

/// The container that holds the last part of `path`, and that part.
fn parent<'v>(document: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let (parents, key) = path.rsplit_once('/')?;
    let mut at = document;
    for part in parents.split('/').skip(1) {
        let part = decode(part);
        at = match at {
            Value::Object(entries) => entries.get_mut(&part)?,
            Value::Array(items) => {
                let index = position(&part, items.len()).ok()?;
                items.get_mut(index)?
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    matches!(at, Value::Object(_) | Value::Array(_)).then(|| (at, decode(key)))
}

fn decode(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn bad_index(index: i64) -> String {
    format!("Unable to access invalid index: {index}: invalid index referenced")
}

/// A position in a list of `length`; negative ones count from the end. It may lie past the end.
fn position(key: &str, length: usize) -> Result<usize, String> {
    let index: i64 =
        key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))?;
    if index >= 0 {
        return usize::try_from(index).map_err(|_| bad_index(index));
    }
    usize::try_from(index.unsigned_abs())
        .ok()
        .and_then(|back| length.checked_sub(back))
        .ok_or_else(|| bad_index(index))
}

/// A position that is in the list.
fn existing(key: &str, length: usize) -> Result<usize, String> {
    let index = position(key, length)?;
    if index < length {
        return Ok(index);
    }
    Err(format!("Unable to access invalid index: {index}: invalid index referenced"))
}

fn insert(container: &mut Value, key: String, value: Value) -> Result<(), String> {
    match container {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            if key.parse::<i64>().is_err() {
                return Err(format!(
                    "value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax"
                ));
            }
            let index = position(&key, items.len() + 1)?;
            if index > items.len() {
                return Err(bad_index(i64::try_from(index).unwrap_or(i64::MAX)));
            }
            items.insert(index, value);
        }
        Value::Object(entries) => {
            entries.insert(key, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

fn get(container: &Value, key: &str) -> Result<Option<Value>, String> {
    match container {
        Value::Array(items) => Ok(Some(items[existing(key, items.len())?].clone())),
        Value::Object(entries) => Ok(entries.get(key).cloned()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(None),
    }
}

fn take(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Array(items) => {
            let index = existing(key, items.len())?;
            Ok(items.remove(index))
        }
        Value::Object(entries) => entries
            .shift_remove(key)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Value::Null),
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (container, key) = parent(document, path).ok_or_else(|| {
        format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
    })?;
    insert(container, key, value).map_err(|why| format!("error in add for path: '{path}': {why}"))
}

fn remove(document: &mut Value, path: &str) -> Result<(), String> {
    let (container, key) = parent(document, path).ok_or_else(|| {
        format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
    })?;
    let removed = take(container, &key);
    removed.map(drop).map_err(|why| format!("error in remove for path: '{path}': {why}"))
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array: %!w(<nil>)".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = parent(document, path).ok_or_else(|| {
        format!("replace operation does not apply: doc is missing path: {path}: missing value")
    })?;
    if let Value::Array(items) = container {
        let index = existing(&key, items.len()).map_err(|_| {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        })?;
        items[index] = value;
        return Ok(());
    }
    insert(container, key, value)
}

fn transfer(
    document: &mut Value,
    operation: &str,
    from: &str,
    path: impl Fn() -> Result<String, String>,
) -> Result<(), String> {
    let (container, key) = parent(document, from).ok_or_else(|| {
        format!(
            "{operation} operation does not apply: doc is missing from path: {from}: missing value"
        )
    })?;
    let value = if operation == "move" {
        take(container, &key).map_err(|why| format!("error in move for path: '{key}': {why}"))?
    } else {
        get(container, &key)
            .map_err(|why| format!("error in copy for from: '{from}': {why}"))?
            .unwrap_or(Value::Null)
    };
    let path = path()?;
    let (container, key) = parent(document, &path).ok_or_else(|| {
        format!(
            "{operation} operation does not apply: doc is missing destination path: {path}: missing value"
        )
    })?;
    insert(container, key, value).map_err(|why| match operation {
        "move" => format!("error in move for path: '{path}': {why}"),
        _ => format!("error while adding value during copy: {why}"),
    })
}

fn test(document: &mut Value, path: &str, value: &Value) -> Result<(), String> {
    let failed = || format!("testing value {path} failed: test failed");
    if path.is_empty() {
        return if document == value { Ok(()) } else { Err(failed()) };
    }
    let (container, key) = parent(document, path).ok_or_else(|| {
        format!("test operation does not apply: is missing path: {path}: missing value")
    })?;
    let found =
        get(container, &key).map_err(|why| format!("error in test for path: '{path}': {why}"))?;
    if found.unwrap_or(Value::Null) == *value { Ok(()) } else { Err(failed()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_apply_in_order() {
        let check = |patch: Value, wanted: Value| {
            let document = json!({"a": {"b": [1, 2]}, "x/y": 1});
            assert_eq!(apply(&document, &patch), Ok(wanted), "{patch}");
        };
        check(
            json!([{"op": "add", "path": "/a/b/-", "value": 3}]),
            json!({"a": {"b": [1, 2, 3]}, "x/y": 1}),
        );
        check(
            json!([{"op": "add", "path": "/a/b/0", "value": 0}]),
            json!({"a": {"b": [0, 1, 2]}, "x/y": 1}),
        );
        check(json!([{"op": "remove", "path": "/a/b/-1"}]), json!({"a": {"b": [1]}, "x/y": 1}));
        check(
            json!([{"op": "replace", "path": "/x~1y", "value": 2}]),
            json!({"a": {"b": [1, 2]}, "x/y": 2}),
        );
        check(
            json!([{"op": "replace", "path": "/new", "value": 2}]),
            json!({"a": {"b": [1, 2]}, "x/y": 1, "new": 2}),
        );
        check(
            json!([{"op": "move", "from": "/a/b", "path": "/c"}, {"op": "copy", "from": "/c/0", "path": "/d"}]),
            json!({"a": {}, "x/y": 1, "c": [1, 2], "d": 1}),
        );
        check(
            json!([{"op": "test", "path": "/a/b/1", "value": 2}]),
            json!({"a": {"b": [1, 2]}, "x/y": 1}),
        );
    }

    #[test]
    fn what_does_not_apply_is_told_in_the_words_of_the_server() {
        let check = |patch: Value, wanted: &str| {
            let error = apply(&json!({"a": [1]}), &patch).unwrap_err();
            assert_eq!(error.to_string(), wanted, "{patch}");
        };
        check(
            json!([{"op": "remove", "path": "/b"}]),
            "error in remove for path: '/b': Unable to remove nonexistent key: b: missing value",
        );
        check(
            json!([{"op": "add", "path": "/b/c", "value": 1}]),
            "add operation does not apply: doc is missing path: \"/b/c\": missing value",
        );
        check(
            json!([{"op": "add", "path": "/a/7", "value": 1}]),
            "error in add for path: '/a/7': Unable to access invalid index: 7: invalid index referenced",
        );
        check(
            json!([{"op": "replace", "path": "/a/1", "value": 1}]),
            "replace operation does not apply: doc is missing key: /a/1: missing value",
        );
        check(
            json!([{"op": "test", "path": "/a/0", "value": 2}]),
            "testing value /a/0 failed: test failed",
        );
        check(json!([{"op": "frob", "path": "/a"}]), "Unexpected kind: frob");
        check(
            json!({"op": "add"}),
            "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
        );
    }
}

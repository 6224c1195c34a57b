//! What cells are made of: fields of documents, times, lists.

use chrono::DateTime;
use serde_json::Value;

use super::Now;
use super::duration::human;
use crate::api::selectors::label::format_meta;
use crate::base::quantity::Quantity;

/// A text; empty where there is none.
pub(in crate::report) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A text, or `otherwise` where it is empty.
pub(in crate::report) fn text_or<'v>(
    object: &'v Value,
    pointer: &str,
    otherwise: &'v str,
) -> &'v str {
    match text(object, pointer) {
        "" => otherwise,
        text => text,
    }
}

/// A whole number; 0 where there is none.
pub(in crate::report) fn int(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// A list; empty where there is none.
pub(in crate::report) fn items<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How many entries a mapping has.
pub(in crate::report) fn entries(object: &Value, pointer: &str) -> usize {
    object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// Whether a field is there.
pub(in crate::report) fn has(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).is_some_and(|v| !v.is_null())
}

/// A time; `None` where there is none.
pub(in crate::report) fn time(object: &Value, pointer: &str) -> Option<Now> {
    DateTime::parse_from_rfc3339(text(object, pointer)).ok().map(|t| t.to_utc())
}

/// How long ago a time was (`translateTimestampSince`).
pub(in crate::report) fn since(time: Option<Now>, now: Now) -> String {
    match time {
        Some(time) => human((now - time).num_nanoseconds().unwrap_or(i64::MAX)),
        None => "<unknown>".to_owned(),
    }
}

/// The name of an object.
pub(in crate::report) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

/// The age of an object.
pub(in crate::report) fn age(object: &Value, now: Now) -> Value {
    since(time(object, "/metadata/creationTimestamp"), now).into()
}

/// The names and images of containers, each joined by commas (`layoutContainerCells`).
pub(in crate::report) fn containers(object: &Value, pointer: &str) -> [Value; 2] {
    let all = items(object, pointer);
    let joined =
        |field: &str| all.iter().map(|c| text(c, field)).collect::<Vec<_>>().join(",").into();
    [joined("/name"), joined("/image")]
}

/// A label selector as it is printed.
pub(in crate::report) fn selector(object: &Value, pointer: &str) -> Value {
    format_meta(object.pointer(pointer).unwrap_or(&Value::Null)).into()
}

/// Labels as they are printed, `<none>` where there are none (`labels.FormatLabels`).
pub(in crate::report) fn labels(object: &Value, pointer: &str) -> Value {
    let Some(map) = object.pointer(pointer).and_then(Value::as_object) else {
        return "<none>".into();
    };
    let mut pairs: Vec<(&str, &str)> =
        map.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if pairs.is_empty() { "<none>".into() } else { pairs.join(",").into() }
}

/// An amount in its canonical form; `0` where there is none.
pub(in crate::report) fn quantity(object: &Value, pointer: &str) -> String {
    let written = match object.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return "0".to_owned(),
    };
    written.parse::<Quantity>().map_or(written, |q| q.canonical())
}

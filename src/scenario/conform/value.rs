//! Reading the loosely typed JSON of a trace: a field that is absent, null or of another type is
//! simply not there, since a trace may leave out whatever it does not know.

use serde_json::Value;

/// The field `key` of an object, unless it is null.
pub(super) fn field<'a>(of: &'a Value, key: &str) -> Option<&'a Value> {
    of.get(key).filter(|v| !v.is_null())
}

/// The text in the field `key`, unless it is empty.
pub(super) fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key).and_then(Value::as_str).filter(|s| !s.is_empty())
}

/// The elements of the list in the field `key`; none when it is no list.
pub(super) fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The whole number in the field `key`.
pub(super) fn count(of: &Value, key: &str) -> Option<i64> {
    of.get(key).and_then(Value::as_i64)
}

/// The number in the field `key`.
pub(super) fn number(of: &Value, key: &str) -> Option<f64> {
    of.get(key).and_then(Value::as_f64)
}

/// Whether the field `key` holds anything but null, false, zero and emptiness.
pub(super) fn is_set(of: &Value, key: &str) -> bool {
    match of.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(b)) => *b,
        Some(Value::Number(n)) => n.as_f64().is_some_and(|n| n.abs() > 0.0),
        Some(Value::String(s)) => !s.is_empty(),
        Some(Value::Array(a)) => !a.is_empty(),
        Some(Value::Object(o)) => !o.is_empty(),
    }
}

/// A value as a label shows it. What is missing reads `None`, truth `True` and `False`.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "None".to_owned(),
        Some(Value::Bool(true)) => "True".to_owned(),
        Some(Value::Bool(false)) => "False".to_owned(),
        Some(Value::String(s)) => s.clone(),
        Some(other @ (Value::Number(_) | Value::Array(_) | Value::Object(_))) => other.to_string(),
    }
}

/// `key=value,key=value` by key, each value passed through `show`.
pub(super) fn pairs(
    of: &Value,
    keep: impl Fn(&str) -> bool,
    show: impl Fn(String) -> String,
) -> String {
    let mut fields: Vec<(&String, &Value)> =
        of.as_object().map_or_else(Vec::new, |o| o.iter().filter(|(k, _)| keep(k)).collect());
    fields.sort_by_key(|(k, _)| *k);
    let each: Vec<String> =
        fields.into_iter().map(|(k, v)| format!("{k}={}", show(shown(Some(v))))).collect();
    each.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_and_absent_are_the_same() {
        let v = json!({"a": null, "b": "", "c": 0, "d": [1]});
        assert!(field(&v, "a").is_none() && field(&v, "z").is_none());
        assert!(text(&v, "b").is_none());
        assert_eq!(count(&v, "c"), Some(0));
        assert_eq!(list(&v, "d").len(), 1);
        assert!(!is_set(&v, "c") && is_set(&v, "d") && !is_set(&v, "z"));
    }

    #[test]
    fn pairs_are_ordered_by_key() {
        let v = json!({"b": "2", "a": "1", "x": true});
        assert_eq!(pairs(&v, |k| k != "x", |s| s), "a=1,b=2");
        assert_eq!(shown(v.get("x")), "True");
    }
}

//! Reaching into objects in decoded form, as Go reaches into its structs: what is absent is zero.

use serde_json::{Map, Value};

/// The fields of a struct in decoded form.
pub type Fields = Map<String, Value>;

/// The text of a field; empty when it is absent.
pub fn text<'a>(of: &'a Fields, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The number in a field; 0 when it is absent.
pub fn int(of: &Fields, name: &str) -> i64 {
    of.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether a field is true.
pub fn flag(of: &Fields, name: &str) -> bool {
    of.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// The struct or map in a field, if it is there.
pub fn fields<'a>(of: &'a Fields, name: &str) -> Option<&'a Fields> {
    of.get(name).and_then(Value::as_object)
}

/// The structs of a list.
pub fn items<'a>(of: &'a Fields, name: &str) -> impl Iterator<Item = &'a Fields> {
    of.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The texts of a list.
pub fn texts<'a>(of: &'a Fields, name: &str) -> impl Iterator<Item = &'a str> {
    of.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The struct or map in a field, if it is there, to be changed.
pub fn fields_mut<'a>(of: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    of.get_mut(name).and_then(Value::as_object_mut)
}

/// The struct or map in a field, to be changed; made when it is absent.
pub fn fields_or_new<'a>(of: &'a mut Fields, name: &str) -> &'a mut Fields {
    let field = of.entry(name).or_insert_with(|| Value::Object(Fields::new()));
    if !field.is_object() {
        *field = Value::Object(Fields::new());
    }
    field.as_object_mut().expect("made an object above")
}

/// The structs of a list, to be changed.
pub fn items_mut<'a>(of: &'a mut Fields, name: &str) -> impl Iterator<Item = &'a mut Fields> {
    let items = of.get_mut(name).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Sets a text that is absent or empty.
pub fn fill(of: &mut Fields, name: &str, default: &str) {
    if text(of, name).is_empty() {
        of.insert(name.into(), default.into());
    }
}

/// Sets a field that is absent: a pointer in Go.
pub fn fill_absent(of: &mut Fields, name: &str, default: impl Into<Value>) {
    if !of.contains_key(name) {
        of.insert(name.into(), default.into());
    }
}

/// Sets a number that is absent or zero.
pub fn fill_int(of: &mut Fields, name: &str, default: i64) {
    if int(of, name) == 0 {
        of.insert(name.into(), default.into());
    }
}

/// Whether a list or a map has anything in it.
pub fn has_any(of: &Fields, name: &str) -> bool {
    match of.get(name) {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(entries)) => !entries.is_empty(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => false,
    }
}

//! The decoded form to the JSON that Go writes: fields in Go's order, empty ones left out or kept
//! as their tags say, maps sorted.

use serde_json::{Map, Number, Value};

use super::{Shape, Struct};

/// The JSON of an object in decoded form.
pub fn encode(of: &'static Struct, value: &Value) -> Value {
    let mut out = Map::new();
    for (name, marks, shape) in of.json_fields() {
        let field = value.get(name).filter(|v| !v.is_null());
        let left_out = match field {
            None => marks.omit_zero || marks.omit_empty && !is_struct(shape),
            Some(v) => marks.omit_empty && is_empty(shape, v),
        };
        if !left_out {
            out.insert(name.to_owned(), field.map_or_else(|| absent(shape), |v| write(shape, v)));
        }
    }
    Value::Object(out)
}

/// Whether the type is a struct in Go, which `omitempty` never leaves out.
fn is_struct(shape: &Shape) -> bool {
    match shape.underlying() {
        Shape::Struct(_)
        | Shape::Time
        | Shape::MicroTime
        | Shape::Quantity
        | Shape::IntOrString
        | Shape::Raw => true,
        Shape::String
        | Shape::Bool
        | Shape::Int32
        | Shape::Int64
        | Shape::Bytes
        | Shape::Pointer(_)
        | Shape::List(_)
        | Shape::Map(_)
        | Shape::Named(..) => false,
    }
}

/// Whether `omitempty` leaves a value out.
fn is_empty(shape: &Shape, value: &Value) -> bool {
    match (shape.underlying(), value) {
        (Shape::String | Shape::Bytes, Value::String(s)) => s.is_empty(),
        (Shape::Bool, Value::Bool(b)) => !b,
        (Shape::Int32 | Shape::Int64, Value::Number(n)) => n.as_i64() == Some(0),
        (Shape::List(_), Value::Array(items)) => items.is_empty(),
        (Shape::Map(_), Value::Object(entries)) => entries.is_empty(),
        _ => false,
    }
}

/// The JSON of a value of any type.
pub fn write(shape: &Shape, value: &Value) -> Value {
    match (shape, value) {
        (Shape::Struct(id), _) => encode(id.get(), value),
        (Shape::Pointer(to), _) => write(to, value),
        (Shape::Named(_, below), _) => write(below, value),
        (Shape::List(of), Value::Array(items)) => {
            Value::Array(items.iter().map(|item| write(of, item)).collect())
        }
        (Shape::Map(to), Value::Object(entries)) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            Value::Object(sorted.into_iter().map(|(k, v)| (k.clone(), write(to, v))).collect())
        }
        _ => value.clone(),
    }
}

/// The zero value as it is written.
fn absent(shape: &Shape) -> Value {
    match shape {
        Shape::String => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::IntOrString => Value::Number(Number::from(0)),
        Shape::Quantity => Value::String("0".into()),
        Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Raw
        | Shape::Pointer(_)
        | Shape::List(_)
        | Shape::Map(_) => Value::Null,
        Shape::Struct(id) => encode(id.get(), &Value::Null),
        Shape::Named(_, below) => absent(below),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::schema::kind;

    #[test]
    fn structs_are_always_written_and_empty_fields_are_not() {
        let check = |group: &str, name: &str, value: Value, text: &str| {
            assert_eq!(encode(kind(group, name).unwrap(), &value).to_string(), text);
        };
        check("v1", "Pod", json!({}), r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#);
        check(
            "v1",
            "ConfigMap",
            json!({"data": {"b": "", "a": "1"}, "metadata": {"labels": {}, "name": "c"}}),
            r#"{"metadata":{"name":"c"},"data":{"a":"1","b":""}}"#,
        );
        check(
            "apps/v1",
            "ReplicaSet",
            json!({"spec": {"replicas": 0, "minReadySeconds": 0}}),
            r#"{"metadata":{},"spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{"replicas":0}}"#,
        );
    }
}

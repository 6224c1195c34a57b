//! JSON to the decoded form, as `sigs.k8s.io/json` fills Go structs: by exact name, `null` as
//! nothing, and the first wrong type reported while reading goes on.

use serde_json::{Map, Number, Value};

use super::{Shape, Struct};
use crate::base::quantity::Quantity;

/// An object in decoded form, and what strict decoding would refuse.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// The object.
    pub value: Value,
    /// The paths of fields that the type does not have, in the document's order:
    /// `spec.containers[0].imag`.
    pub unknown: Vec<String>,
}

/// A value that does not fit its field's type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// Where, from the object: `spec.containers[0].image`.
    pub path: String,
    /// What Go says: `json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string`.
    pub message: String,
}

/// Reads JSON as the Go type would be filled from it. The first error in the document's order wins.
pub fn decode(of: &'static Struct, json: &Value) -> Result<Decoded, DecodeError> {
    let mut reader = Reader { path: Vec::new(), holder: "", unknown: Vec::new(), error: None };
    let value = reader.strukt(of, json);
    match reader.error {
        Some(error) => Err(error),
        None => Ok(Decoded { value, unknown: reader.unknown }),
    }
}

enum Step<'a> {
    Field(&'static str),
    Unknown(&'a str),
    Key(&'a str),
    Index(usize),
}

struct Reader<'a> {
    path: Vec<Step<'a>>,
    /// The name of the struct whose field is being read; empty at the root.
    holder: &'static str,
    unknown: Vec<String>,
    error: Option<DecodeError>,
}

impl<'a> Reader<'a> {
    /// A struct's value; `null` and what does not fit leave it zero.
    fn strukt(&mut self, of: &'static Struct, json: &'a Value) -> Value {
        let mut out = Map::with_capacity(json.as_object().map_or(0, Map::len));
        match json {
            Value::Null => {}
            Value::Object(fields) => {
                let outer = self.holder;
                self.holder = of.go_name().split_once('.').map_or("", |(_, name)| name);
                for (name, json) in fields {
                    self.field(of, name, json, &mut out);
                }
                self.holder = outer;
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.mismatch(kind_of(json), of.go_name());
            }
        }
        Value::Object(out)
    }

    fn field(
        &mut self,
        of: &'static Struct,
        name: &'a str,
        json: &'a Value,
        out: &mut Map<String, Value>,
    ) {
        let Some(flat) = of.by_json.get(name).map(|at| &of.flat[*at]) else {
            self.path.push(Step::Unknown(name));
            let path = self.path_text();
            self.unknown.push(path);
            self.path.pop();
            return;
        };
        self.path.push(Step::Field(flat.json));
        if let Some(value) = self.value(&flat.shape, json) {
            out.insert(name.to_owned(), value);
        }
        self.path.pop();
    }

    /// A value in decoded form; `None` is the zero value that is not written down.
    fn value(&mut self, shape: &Shape, json: &'a Value) -> Option<Value> {
        if json.is_null() {
            return None;
        }
        match shape {
            Shape::Pointer(to) => Some(self.value(to, json).unwrap_or_else(|| zero(to))),
            Shape::Named(_, below) => self.named(shape, below, json),
            Shape::Struct(id) => Some(self.strukt(id.get(), json)),
            Shape::List(of) => self.list(shape, of, json),
            Shape::Map(to) => self.map(shape, to, json),
            Shape::Raw => Some(json.clone()),
            Shape::String | Shape::Bool | Shape::Int32 | Shape::Int64 => {
                self.scalar(shape, shape, json)
            }
            Shape::Bytes => self.bytes(json),
            Shape::Time | Shape::MicroTime => self.time(shape, json),
            Shape::Quantity => self.quantity(json),
            Shape::IntOrString => self.int_or_string(json),
        }
    }

    fn named(&mut self, shape: &Shape, below: &Shape, json: &'a Value) -> Option<Value> {
        match below {
            Shape::List(of) => self.list(shape, of, json),
            Shape::Map(to) => self.map(shape, to, json),
            Shape::String | Shape::Bool | Shape::Int32 | Shape::Int64 => {
                self.scalar(below, shape, json)
            }
            Shape::Bytes
            | Shape::Time
            | Shape::MicroTime
            | Shape::Quantity
            | Shape::IntOrString
            | Shape::Raw
            | Shape::Pointer(_)
            | Shape::Struct(_)
            | Shape::Named(..) => self.value(below, json),
        }
    }

    fn list(&mut self, shape: &Shape, of: &Shape, json: &'a Value) -> Option<Value> {
        let Value::Array(items) = json else {
            return self.mismatch(kind_of(json), &shape.go_name());
        };
        let mut out = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            self.path.push(Step::Index(i));
            out.push(self.value(of, item).unwrap_or_else(|| zero(of)));
            self.path.pop();
        }
        Some(Value::Array(out))
    }

    fn map(&mut self, shape: &Shape, to: &Shape, json: &'a Value) -> Option<Value> {
        let Value::Object(entries) = json else {
            return self.mismatch(kind_of(json), &shape.go_name());
        };
        let mut out = Map::with_capacity(entries.len());
        for (key, entry) in entries {
            self.path.push(Step::Key(key));
            let value = self.value(to, entry).unwrap_or_else(|| zero(to));
            self.path.pop();
            out.insert(key.clone(), value);
        }
        Some(Value::Object(out))
    }

    /// A value of the type `shape`, which errors call by the name of `named`.
    fn scalar(&mut self, shape: &Shape, named: &Shape, json: &'a Value) -> Option<Value> {
        match (shape, json) {
            (Shape::String, Value::String(_)) | (Shape::Bool, Value::Bool(_)) => Some(json.clone()),
            (Shape::Int32 | Shape::Int64, Value::Number(n)) => {
                let fits =
                    n.as_i64().filter(|n| *shape == Shape::Int64 || i32::try_from(*n).is_ok());
                match fits {
                    Some(_) => Some(json.clone()),
                    None => self.mismatch(&format!("number {n}"), &named.go_name()),
                }
            }
            _ => self.mismatch(kind_of(json), &named.go_name()),
        }
    }

    fn bytes(&mut self, json: &'a Value) -> Option<Value> {
        let Value::String(text) = json else {
            return self.mismatch(kind_of(json), "[]uint8");
        };
        match illegal_base64_at(text) {
            None => Some(json.clone()),
            Some(at) => self.fail(format!("illegal base64 data at input byte {at}")),
        }
    }

    fn time(&mut self, shape: &Shape, json: &'a Value) -> Option<Value> {
        let Value::String(text) = json else {
            return self.fail(unnamed_mismatch(kind_of(json), "string"));
        };
        match text.parse::<jiff::Timestamp>() {
            Ok(at) if *shape == Shape::Time => {
                Some(Value::String(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
            }
            Ok(at) => Some(Value::String(at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())),
            Err(_) => self.fail(format!(
                "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
            )),
        }
    }

    /// `Quantity.UnmarshalJSON` takes the raw text, so a number will do and spaces are trimmed.
    fn quantity(&mut self, json: &'a Value) -> Option<Value> {
        let text = json.as_str().map_or_else(|| json.to_string(), |text| text.trim().to_owned());
        match text.parse::<Quantity>() {
            Ok(q) => Some(Value::String(q.to_string())),
            Err(e) => self.fail(e.to_string()),
        }
    }

    fn int_or_string(&mut self, json: &'a Value) -> Option<Value> {
        if let Value::Number(n) = json
            && n.as_i64().and_then(|n| i32::try_from(n).ok()).is_none()
        {
            return self.fail(unnamed_mismatch(&format!("number {n}"), "int32"));
        }
        if json.is_string() || json.is_number() {
            return Some(json.clone());
        }
        self.fail(unnamed_mismatch(kind_of(json), "int32"))
    }

    fn mismatch(&mut self, found: &str, expected: &str) -> Option<Value> {
        let fields: Vec<&str> = self
            .path
            .iter()
            .filter_map(|step| match step {
                Step::Field(name) => Some(*name),
                Step::Unknown(_) | Step::Key(_) | Step::Index(_) => None,
            })
            .collect();
        if fields.is_empty() {
            return self.fail(unnamed_mismatch(found, expected));
        }
        let field = fields.join(".");
        self.fail(format!(
            "json: cannot unmarshal {found} into Go struct field {}.{field} of type {expected}",
            self.holder
        ))
    }

    /// Notes the first error; always `None`, the zero value.
    fn fail(&mut self, message: String) -> Option<Value> {
        if self.error.is_none() {
            self.error = Some(DecodeError { path: self.path_text(), message });
        }
        None
    }

    fn path_text(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Index(i) => out.extend(["[", &i.to_string(), "]"]),
                Step::Field(name) | Step::Unknown(name) | Step::Key(name) => {
                    out.extend([if out.is_empty() { "" } else { "." }, name]);
                }
            }
        }
        out
    }
}

/// The zero value where one must be written down: an element of a list or a map.
fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::String | Shape::Bytes => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::IntOrString => Value::Number(Number::from(0)),
        Shape::Quantity => Value::String("0".into()),
        Shape::Time | Shape::MicroTime | Shape::Raw | Shape::Pointer(_) => Value::Null,
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Map(_) | Shape::Struct(_) => Value::Object(Map::new()),
        Shape::Named(_, below) => zero(below),
    }
}

fn unnamed_mismatch(found: &str, expected: &str) -> String {
    format!("json: cannot unmarshal {found} into Go value of type {expected}")
}

/// What Go calls a JSON value in an error.
fn kind_of(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Where Go's standard decoder stops at a text that is not padded base64.
pub(in crate::api) fn illegal_base64_at(text: &str) -> Option<usize> {
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let bytes: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, b)| !matches!(b, b'\r' | b'\n')).collect();
    let body = bytes.iter().take_while(|(_, b)| is_digit(*b)).count();
    let at = |n: usize| bytes.get(n).map_or(text.len(), |(at, _)| *at);
    let padding = match body % 4 {
        0 => 0,
        1 => return Some(at(body)),
        more => 4 - more,
    };
    let given = bytes[body..].iter().take(padding).take_while(|(_, b)| *b == b'=').count();
    if given < padding { Some(at(body + given)) } else { bytes.get(body + padding).map(|b| b.0) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::schema::kind;

    fn pod(json: &Value) -> Result<Decoded, DecodeError> {
        decode(kind("v1", "Pod").unwrap(), json)
    }

    #[test]
    fn a_wrong_type_is_reported_as_go_does() {
        let check = |json: Value, path: &str, message: &str| {
            let error = pod(&json).unwrap_err();
            assert_eq!((error.path.as_str(), error.message.as_str()), (path, message));
        };
        check(
            json!({"spec": {"containers": [{"image": 1}]}}),
            "spec.containers[0].image",
            "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
        );
        check(
            json!({"spec": {"containers": [1]}}),
            "spec.containers[0]",
            "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type v1.Container",
        );
        check(
            json!({"metadata": {"labels": ["a"]}}),
            "metadata.labels",
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        );
        check(
            json!({"spec": {"priority": 99_999_999_999_i64}}),
            "spec.priority",
            "json: cannot unmarshal number 99999999999 into Go struct field PodSpec.spec.priority of type int32",
        );
        check(json!([]), "", "json: cannot unmarshal array into Go value of type v1.Pod");
    }

    #[test]
    fn unknown_fields_are_dropped_and_listed() {
        let decoded =
            pod(&json!({"spec": {"Containers": [], "containers": [{"nam": 1}]}})).unwrap();
        assert_eq!(decoded.unknown, ["spec.Containers", "spec.containers[0].nam"]);
        assert_eq!(decoded.value, json!({"spec": {"containers": [{}]}}));
    }

    #[test]
    fn null_is_nothing_and_times_are_cut_to_seconds() {
        let decoded = pod(&json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00.5+01:00", "labels": null},
        }))
        .unwrap();
        assert_eq!(
            decoded.value,
            json!({"metadata": {"creationTimestamp": "2025-12-31T23:00:00Z"}})
        );
    }
}

//! A place in an object under validation: its value and its path, read as Go reads a struct.

use serde_json::Value;

use super::error::Path;
use crate::api::fields::Fields;
use crate::api::schema::{self, Shape, Struct};

static NULL: Value = Value::Null;

/// A value in decoded form and the path that errors about it name. What is absent is null.
///
/// It knows the Go struct it stands in, so that a field name that does not exist is found by any
/// test that passes by.
#[derive(Clone, Debug)]
pub struct At<'a> {
    value: &'a Value,
    path: Path,
    of: Option<&'static Struct>,
    shape: Option<&'static Shape>,
    policy: Policy,
}

/// How the API server was started, as far as validation asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `--allow-privileged`, without which no container may be privileged. Off if not given, but
    /// every installer gives it.
    pub allow_privileged: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { allow_privileged: true }
    }
}

impl<'a> At<'a> {
    /// An object, or any struct, from which paths begin.
    pub fn new(of: &'static Struct, value: &'a Value) -> Self {
        let policy = Policy::default();
        Self { value, path: Path::default(), of: Some(of), shape: None, policy }
    }

    /// The same place on a server that was started so.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How the server was started.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The same place under another path.
    #[must_use]
    pub fn with_path(mut self, path: Path) -> Self {
        self.path = path;
        self
    }

    /// The same place as if it held another value of its type.
    #[must_use]
    pub fn with_value<'b>(&self, value: &'b Value) -> At<'b> {
        At { value, path: self.path.clone(), of: self.of, shape: self.shape, policy: self.policy }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value; null when it is absent.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Whether there is anything: for a pointer, whether it is set.
    pub fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// The path of a field.
    pub fn at(&self, name: &str) -> Path {
        self.path.child(name)
    }

    /// A field.
    pub fn get(&self, name: &str) -> Self {
        Self {
            value: self.raw(name),
            path: self.path.child(name),
            of: self.struct_of(name),
            shape: self.of.and_then(|of| of.field(name)),
            policy: self.policy,
        }
    }

    /// A field's value; null when it is absent.
    pub fn raw(&self, name: &str) -> &'a Value {
        self.check(name);
        self.value.get(name).unwrap_or(&NULL)
    }

    /// Whether a field is there: for a pointer, whether it is set.
    pub fn has(&self, name: &str) -> bool {
        !self.raw(name).is_null()
    }

    /// A field's text; empty when it is absent.
    pub fn text(&self, name: &str) -> &'a str {
        self.raw(name).as_str().unwrap_or_default()
    }

    /// A pointer's text.
    pub fn opt_text(&self, name: &str) -> Option<&'a str> {
        self.raw(name).as_str()
    }

    /// A field's number; 0 when it is absent.
    pub fn int(&self, name: &str) -> i64 {
        self.raw(name).as_i64().unwrap_or_default()
    }

    /// A pointer's number.
    pub fn opt_int(&self, name: &str) -> Option<i64> {
        self.raw(name).as_i64()
    }

    /// Whether a field is true.
    pub fn flag(&self, name: &str) -> bool {
        self.raw(name).as_bool().unwrap_or_default()
    }

    /// A pointer's truth value.
    pub fn opt_flag(&self, name: &str) -> Option<bool> {
        self.raw(name).as_bool()
    }

    /// How many elements or entries a field has.
    pub fn len(&self, name: &str) -> usize {
        match self.raw(name) {
            Value::Array(items) => items.len(),
            Value::Object(entries) => entries.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    /// Whether a list or map has nothing in it.
    pub fn is_empty(&self, name: &str) -> bool {
        self.len(name) == 0
    }

    /// The elements of a list.
    pub fn items(&self, name: &str) -> impl DoubleEndedIterator<Item = At<'a>> + use<'a> {
        let (of, path) = (self.struct_of(name), self.path.child(name));
        let items: &'a [Value] = self.raw(name).as_array().map_or(&[], Vec::as_slice);
        let (shape, policy) = (None, self.policy);
        let place = move |(i, value)| At { value, path: path.index(i), of, shape, policy };
        items.iter().enumerate().map(place)
    }

    /// The texts of a list.
    pub fn texts(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        let items: &'a [Value] = self.raw(name).as_array().map_or(&[], Vec::as_slice);
        items.iter().map(|v| v.as_str().unwrap_or_default())
    }

    /// The entries of a map, sorted by key.
    pub fn entries(&self, name: &str) -> Vec<(&'a str, &'a Value)> {
        let entries = self.raw(name).as_object().into_iter().flatten();
        let mut out: Vec<(&'a str, &'a Value)> =
            entries.map(|(key, value)| (key.as_str(), value)).collect();
        out.sort_unstable_by_key(|(key, _)| *key);
        out
    }

    /// The value as the API server writes it.
    pub fn encoded(&self) -> Value {
        match (self.shape, self.of) {
            _ if self.value.is_null() => Value::Null,
            (Some(shape), _) => schema::write(shape, self.value),
            (None, Some(of)) if self.value.is_object() => schema::encode(of, self.value),
            (None, _) => self.value.clone(),
        }
    }

    /// The struct it stands in or is, if it is one.
    pub fn struct_type(&self) -> Option<&'static Struct> {
        self.of
    }

    /// The Go type of the field it is; unknown for an object and for an element of a list.
    pub fn shape(&self) -> Option<&'static Shape> {
        self.shape
    }

    /// Whether another place of the same type holds the same, as `Semantic.DeepEqual` sees it: no
    /// list and an empty one are the same, quantities are compared by what they are worth.
    pub fn same(&self, other: &At<'_>) -> bool {
        match (self.shape, self.of) {
            (Some(shape), _) => schema::same(shape, self.value, other.value),
            (None, Some(of)) => schema::same_struct(of, self.value, other.value),
            (None, None) => self.value == other.value,
        }
    }

    /// The struct's fields: their names in JSON and in Go.
    pub fn field_names(&self) -> Vec<(&'static str, &'static str)> {
        self.of.into_iter().flat_map(Struct::names).collect()
    }

    /// Whether a field is a pointer in Go, so that zero and unset differ.
    pub fn is_pointer(&self, name: &str) -> bool {
        matches!(self.of.and_then(|of| of.field(name)), Some(Shape::Pointer(_)))
    }

    /// Whether a field is a map in Go, so that empty and unset differ.
    pub fn is_map(&self, name: &str) -> bool {
        let shape = self.of.and_then(|of| of.field(name));
        shape.is_some_and(|s| matches!(s.underlying(), Shape::Map(_)))
    }

    /// Whether the struct has such a field at all.
    pub fn knows(&self, name: &str) -> bool {
        self.of.is_none_or(|of| of.field(name).is_some())
    }

    /// The fields themselves.
    pub fn fields(&self) -> Option<&'a Fields> {
        self.value.as_object()
    }

    fn struct_of(&self, name: &str) -> Option<&'static Struct> {
        let mut shape = self.of?.field(name)?;
        loop {
            shape = match shape {
                Shape::Struct(id) => return Some(id.get()),
                Shape::Pointer(to) | Shape::Map(to) => to,
                Shape::List(of) => of,
                Shape::Named(_, below) => below,
                Shape::String
                | Shape::Bool
                | Shape::Int32
                | Shape::Int64
                | Shape::Bytes
                | Shape::Time
                | Shape::MicroTime
                | Shape::Quantity
                | Shape::IntOrString
                | Shape::Raw => return None,
            };
        }
    }

    fn check(&self, name: &str) {
        debug_assert!(
            self.of.is_none_or(|of| of.field(name).is_some()),
            "{} has no field {name}",
            self.of.map_or("", |of| of.key)
        );
    }
}

//! Strict decoding: misspelt, repeated and mistyped fields, found as the API server finds them under
//! `fieldValidation=Strict`, kubectl's default.
//!
//! Follows vendor/sigs.k8s.io/json (`decodeState.object`, `array`, `literalStore`, `newFieldError`),
//! walking the Go shapes of [`super::schema`] over the document as it was written. The server stops
//! telling at the first wrong type, and tells of unknown fields only if there is none; here everything
//! is found, and [`server_text`] says what the server would have said.
//!
//! [`request`] is the whole way of a request body, from text to the server's answer.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a type names the one kind of value it takes; any other is wrong"
)]

pub mod request;

use std::fmt::Write as _;

use super::go_time;
use super::schema::{Shape, Struct};
use super::suggest;
use super::tree::{Data, NodeId, Step, Tree};
use crate::base::quantity::Quantity;

/// One thing that strict decoding refuses.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The field.
    pub path: Vec<Step>,
    /// The server's words for it.
    pub message: String,
    /// What was found instead of it: `number`, `array`, `number 99999999999`; empty where that says nothing.
    pub found: String,
    /// What the field takes, in plain words; empty for fields that do not exist.
    pub expected: String,
    /// What was perhaps meant.
    pub hint: Option<String>,
}

/// The kinds of [`Finding`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindingKind {
    /// The type has no such field.
    Unknown,
    /// The field is there already.
    Duplicate,
    /// The value has another type. Reading went on.
    Type,
    /// The value is refused by a type that reads itself; the server stops there.
    Fatal,
}

/// The order in which the server sees the fields of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// As they were written: JSON is sent as it is.
    Written,
    /// By name: kubectl converts YAML to JSON with sorted keys.
    Sorted,
}

/// How many findings of one document are kept.
const MOST: usize = 100;

/// Checks the object `root` of `tree` against its Go type.
pub fn check(of: &'static Struct, tree: &Tree, root: NodeId, order: Order) -> Vec<Finding> {
    let mut walk = Walk::new(tree, order);
    walk.object(of, root);
    walk.findings
}

/// Checks the metadata of an object whose type is not known otherwise.
pub fn check_metadata(tree: &Tree, root: NodeId, order: Order) -> Vec<Finding> {
    let mut walk = Walk::new(tree, order);
    let of = super::schema::named("meta/v1.ObjectMeta");
    if let (Some(of), Some(metadata)) = (of, tree.child(root, "metadata")) {
        walk.path.push(Step::Field("metadata".into()));
        walk.fields.push("metadata");
        walk.holders.push(of);
        walk.object(of, metadata);
    }
    walk.findings
}

/// What the server says of a document with these findings; `None` if it accepts it.
pub fn server_text(findings: &[Finding]) -> Option<String> {
    let first = |kind| findings.iter().find(|finding| finding.kind == kind);
    if let Some(finding) = first(FindingKind::Fatal).or_else(|| first(FindingKind::Type)) {
        return Some(finding.message.clone());
    }
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    (!messages.is_empty()).then(|| format!("strict decoding error: {}", messages.join(", ")))
}

struct Walk<'t> {
    tree: &'t Tree,
    order: Order,
    findings: Vec<Finding>,
    path: Vec<Step>,
    /// The path as Go's type errors have it: no positions, inlined structs by their Go name.
    fields: Vec<&'static str>,
    /// The structs that are being read, outermost first.
    holders: Vec<&'static Struct>,
}

impl<'t> Walk<'t> {
    fn new(tree: &'t Tree, order: Order) -> Self {
        let (findings, path) = (Vec::new(), Vec::new());
        Self { tree, order, findings, path, fields: Vec::new(), holders: Vec::new() }
    }

    fn data(&self, id: NodeId) -> &Data {
        &self.tree.node(id).data
    }

    /// The children of an object in the order in which the server reads them.
    fn entries(&self, id: NodeId) -> Vec<NodeId> {
        let mut entries: Vec<NodeId> = self.tree.children(id).collect();
        if self.order == Order::Sorted {
            entries.sort_by(|a, b| self.tree.node(*a).key.cmp(&self.tree.node(*b).key));
        }
        entries
    }

    fn object(&mut self, of: &'static Struct, id: NodeId) {
        if !matches!(self.data(id), Data::Mapping) {
            if !matches!(self.data(id), Data::Null) {
                self.mismatch(id, of.go_name(), "a mapping of fields");
            }
            return;
        }
        self.holders.push(of);
        let mut seen: Vec<&'static str> = Vec::new();
        for entry in self.entries(id) {
            let key = self.tree.node(entry).key.clone();
            let Some((inlined, name, shape)) = field(of, &key) else {
                self.path.push(Step::Field(key.clone()));
                self.unknown(of, &key);
                self.path.pop();
                continue;
            };
            let fields = self.fields.len();
            self.path.push(Step::Field(key));
            if seen.contains(&name) {
                self.duplicate();
            } else {
                seen.push(name);
            }
            self.fields.extend(inlined);
            self.fields.push(name);
            self.value(shape, entry);
            self.fields.truncate(fields);
            self.path.pop();
        }
        self.holders.pop();
    }

    fn value(&mut self, shape: &'static Shape, id: NodeId) {
        if matches!(self.data(id), Data::Null) {
            return;
        }
        match shape.underlying() {
            Shape::Pointer(to) => self.value(to, id),
            Shape::Struct(of) => self.object(of.get(), id),
            Shape::List(of) => self.list(shape, of, id),
            Shape::Map(to) => self.map(shape, to, id),
            Shape::String => match self.data(id) {
                Data::String(_) => {}
                _ => self.mismatch(id, &shape.go_name(), "a text"),
            },
            Shape::Bool => match self.data(id) {
                Data::Bool(_) => {}
                _ => self.mismatch(id, &shape.go_name(), "true or false"),
            },
            Shape::Int32 => self.integer(shape, id, i64::from(i32::MIN)..=i64::from(i32::MAX)),
            Shape::Int64 => self.integer(shape, id, i64::MIN..=i64::MAX),
            Shape::Bytes => self.bytes(id),
            Shape::Time => self.time(id, false),
            Shape::MicroTime => self.time(id, true),
            Shape::Quantity => self.quantity(id),
            Shape::IntOrString => self.int_or_string(id),
            Shape::Raw | Shape::Named(..) => {}
        }
    }

    fn list(&mut self, shape: &'static Shape, of: &'static Shape, id: NodeId) {
        if !matches!(self.data(id), Data::Sequence) {
            return self.mismatch(id, &shape.go_name(), "a list");
        }
        let items: Vec<NodeId> = self.tree.children(id).collect();
        for (index, item) in items.into_iter().enumerate() {
            self.path.push(Step::Index(index));
            self.value(of, item);
            self.path.pop();
        }
    }

    fn map(&mut self, shape: &'static Shape, to: &'static Shape, id: NodeId) {
        if !matches!(self.data(id), Data::Mapping) {
            return self.mismatch(id, &shape.go_name(), "a mapping");
        }
        let mut seen = std::collections::BTreeSet::new();
        for entry in self.entries(id) {
            let key = self.tree.node(entry).key.clone();
            self.path.push(Step::Field(key.clone()));
            if !seen.insert(key) {
                self.duplicate();
            }
            self.value(to, entry);
            self.path.pop();
        }
    }

    fn integer(&mut self, shape: &'static Shape, id: NodeId, range: std::ops::RangeInclusive<i64>) {
        let found = match self.data(id) {
            Data::Number(_, digits) if digits.parse().is_ok_and(|value| range.contains(&value)) => {
                return;
            }
            Data::Number(_, digits) => format!("number {digits}"),
            other => other.json_name().to_owned(),
        };
        let expected = match *range.end() == i64::MAX {
            true => "a whole number".to_owned(),
            false => format!("a whole number from {} to {}", range.start(), range.end()),
        };
        self.mismatch_of(&found, id, &shape.go_name(), &expected);
    }

    fn bytes(&mut self, id: NodeId) {
        let Data::String(text) = self.data(id) else {
            return self.mismatch(id, "[]uint8", "base64 text");
        };
        if let Some(at) = super::schema::illegal_base64_at(text) {
            let message = format!("illegal base64 data at input byte {at}");
            self.find(FindingKind::Type, message, "", "base64 text", None);
        }
    }

    fn time(&mut self, id: NodeId, micro: bool) {
        let expected = "a time such as \"2026-01-01T00:00:00Z\"";
        let (problem, found) = match self.data(id) {
            Data::String(text) => (go_time::check(text, micro).err(), ""),
            other => (Some(self.type_message(other.json_name(), "string")), other.json_name()),
        };
        if let Some(message) = problem {
            self.find(FindingKind::Fatal, message, found, expected, None);
        }
    }

    fn quantity(&mut self, id: NodeId) {
        let text = match self.data(id) {
            Data::String(text) => text.trim().to_owned(),
            Data::Number(_, digits) => digits.to_string(),
            Data::Null | Data::Bool(_) | Data::Sequence | Data::Mapping => {
                self.tree.value(id).to_string()
            }
        };
        if let Err(error) = text.parse::<Quantity>() {
            let expected = "a quantity such as \"500m\", \"2\" or \"1Gi\"";
            self.find(FindingKind::Fatal, error.to_string(), "", expected, None);
        }
    }

    fn int_or_string(&mut self, id: NodeId) {
        let found = match self.data(id) {
            Data::String(_) => return,
            Data::Number(_, digits) if digits.parse::<i32>().is_ok() => return,
            Data::Number(_, digits) => format!("number {digits}"),
            other => other.json_name().to_owned(),
        };
        let message = self.type_message(&found, "int32");
        self.find(FindingKind::Fatal, message, &found, "a whole number or a text", None);
    }

    fn type_message(&self, found: &str, expected: &str) -> String {
        match (self.holders.last(), self.fields.is_empty()) {
            (Some(holder), false) => {
                let holder = holder.go_name().rsplit('.').next().unwrap_or_default();
                let field = self.fields.join(".");
                format!(
                    "json: cannot unmarshal {found} into Go struct field {holder}.{field} of type {expected}"
                )
            }
            _ => format!("json: cannot unmarshal {found} into Go value of type {expected}"),
        }
    }

    fn mismatch(&mut self, id: NodeId, go_type: &str, expected: &str) {
        let found = self.data(id).json_name();
        self.mismatch_of(found, id, go_type, expected);
    }

    fn mismatch_of(&mut self, found: &str, id: NodeId, go_type: &str, expected: &str) {
        let message = self.type_message(found, go_type);
        let hint = self.quote_hint(id, expected);
        self.find(FindingKind::Type, message, found, expected, hint);
    }

    /// Numbers and truth values in the place of texts, or the other way round, are a matter of quotes.
    fn quote_hint(&self, id: NodeId, expected: &str) -> Option<String> {
        match self.data(id) {
            Data::Number(_, digits) if expected == "a text" => {
                Some(format!("quote it: \"{digits}\""))
            }
            Data::Bool(value) if expected == "a text" => Some(format!(
                "quote it: \"{value}\" (unquoted yes, no, on, off are truth values too)"
            )),
            Data::String(text) if expected != "a text" => {
                let number = expected.starts_with("a whole number") && text.parse::<i64>().is_ok();
                let truth =
                    expected == "true or false" && matches!(text.as_str(), "true" | "false");
                (number || truth).then(|| "write it without quotes".to_owned())
            }
            Data::Mapping if expected == "a list" => Some("begin each item with \"- \"".to_owned()),
            Data::Null
            | Data::Number(..)
            | Data::Bool(_)
            | Data::String(_)
            | Data::Sequence
            | Data::Mapping => None,
        }
    }

    fn duplicate(&mut self) {
        let message = format!("duplicate field {}", go_quote(&go_path(&self.path)));
        if !self.findings.iter().any(|finding| finding.message == message) {
            self.find(
                FindingKind::Duplicate,
                message,
                "",
                "",
                Some("remove one of the two".to_owned()),
            );
        }
    }

    fn unknown(&mut self, of: &'static Struct, key: &str) {
        let message = format!("unknown field {}", go_quote(&go_path(&self.path)));
        if !self.findings.iter().any(|finding| finding.message == message) {
            let hint = self.unknown_hint(of, key);
            self.find(FindingKind::Unknown, message, "", "", hint);
        }
    }

    /// The field that was meant: nearly the same name here, or the same name near by.
    fn unknown_hint(&self, of: &'static Struct, key: &str) -> Option<String> {
        if let Some(near) = suggest::nearest(key, of.json_fields().map(|(name, ..)| name)) {
            return Some(format!("did you mean \"{near}\"?"));
        }
        let parent = &self.path[..self.path.len() - 1];
        if let Some(below) = field_below(of, key) {
            let mut path = go_path(parent);
            if !path.is_empty() {
                path.push('.');
            }
            return Some(format!("\"{key}\" is a field of {path}{below}"));
        }
        let outer = self.holders.len() - 1;
        let level = (0..outer).rev().find(|level| field(self.holders[*level], key).is_some())?;
        let mut fields = (0..parent.len()).filter(|at| matches!(parent[*at], Step::Field(_)));
        let path = go_path(&parent[..fields.nth(level)?]);
        let place = if path.is_empty() { "the object itself" } else { &path };
        Some(format!("\"{key}\" is a field of {place}: check the indentation"))
    }

    fn find(
        &mut self,
        kind: FindingKind,
        message: String,
        found: &str,
        expected: &str,
        hint: Option<String>,
    ) {
        if self.findings.len() < MOST {
            let (path, found, expected) =
                (self.path.clone(), found.to_owned(), expected.to_owned());
            self.findings.push(Finding { kind, path, message, found, expected, hint });
        }
    }
}

/// The field that JSON calls `key`: the Go names of the inlined structs it lies in, its name, its type.
fn field(
    of: &'static Struct,
    key: &str,
) -> Option<(Vec<&'static str>, &'static str, &'static Shape)> {
    for field in &of.fields {
        match (field.json, &field.shape) {
            (Some(name), shape) if name == key => return Some((Vec::new(), name, shape)),
            (Some(_), _) => {}
            (None, Shape::Struct(id)) => {
                if let Some((mut inlined, name, shape)) = self::field(id.get(), key) {
                    inlined.insert(0, field.go);
                    return Some((inlined, name, shape));
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// Where below `of` a field `key` exists: the nearest place, among containers before others.
fn field_below(of: &'static Struct, key: &str) -> Option<String> {
    const LEVELS: usize = 4;
    let mut level = vec![(of, String::new())];
    for _ in 0..LEVELS {
        let mut next = Vec::new();
        let mut found = Vec::new();
        for (of, path) in &level {
            for (name, _, shape) in of.json_fields().filter(|(name, ..)| *name != "status") {
                let (Some(inner), suffix) = struct_below(shape) else { continue };
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{name}{suffix}");
                if field(inner, key).is_some() {
                    found.push((name != "containers", path.clone()));
                }
                next.push((inner, path));
            }
        }
        if let Some((_, path)) = found.into_iter().min_by_key(|(other, _)| *other) {
            return Some(path);
        }
        level = next;
    }
    None
}

/// The struct that a field holds, alone or in a list, and how its path goes on.
fn struct_below(shape: &Shape) -> (Option<&'static Struct>, &'static str) {
    match shape.underlying() {
        Shape::Struct(id) => (Some(id.get()), ""),
        Shape::Pointer(to) => struct_below(to),
        Shape::List(of) => (struct_below(of).0, "[]"),
        _ => (None, ""),
    }
}

/// A path as strict errors have it.
fn go_path(path: &[Step]) -> String {
    super::tree::write_path(path)
}

/// A text in quotes as Go's `strconv.Quote` writes it, for what field names hold.
fn go_quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

//! The JSON Schema of a Simulation, and files held against it.
//!
//! The schema is made of the types that files are decoded into ([`super::written`]). What of JSON Schema
//! those types come to is all that is understood here: references, alternatives, types, constants,
//! properties, items, bounds. Of alternatives the one counts whose kind of value was written, so that what is
//! wrong is told of what was meant.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::written::Written;
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::source::{Source, Span};
use crate::api::suggest;
use crate::api::tree::{Data, NodeId, Step, Tree, write_path};
use crate::base::length;

/// Where the schema is published.
pub const SCHEMA_ID: &str = "https://wavetank.dev/schemas/v1alpha1/simulation.json";

/// How deep references may lead without a value of the file being entered.
const MAX_REFERENCES: usize = 16;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(Written).to_value();
    schema["$id"] = SCHEMA_ID.into();
    close(&mut schema);
    schema
});

/// The schema that is published for editors.
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// No mapping may hold what its type does not name. Schemas are shallow, so this may recurse.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("unevaluatedProperties");
            if fields.contains_key("properties") && fields.get("type") == Some(&"object".into()) {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Holds a document against the schema; what is wrong goes to `problems`.
pub(super) fn check(source: &Arc<Source>, tree: &Tree, problems: &mut Vec<Diagnostic>) {
    let mut checker = Checker { source, tree, problems, path: Vec::new() };
    checker.value(&SCHEMA, Tree::ROOT);
}

struct Checker<'a> {
    source: &'a Arc<Source>,
    tree: &'a Tree,
    problems: &'a mut Vec<Diagnostic>,
    path: Vec<Step>,
}

impl Checker<'_> {
    /// Trees are bounded in depth, so this may recurse.
    fn value(&mut self, schema: &Value, node: NodeId) {
        let Some(schema) = resolve(schema, &self.tree.node(node).data) else {
            return self.mistyped(schema, node);
        };
        if !admits(schema, &self.tree.node(node).data) {
            return self.mistyped(schema, node);
        }
        match &self.tree.node(node).data {
            Data::Mapping => self.mapping(schema, node),
            Data::Sequence => {
                let items = schema.get("items");
                let children: Vec<NodeId> = self.tree.children(node).collect();
                for (i, child) in children.into_iter().enumerate() {
                    self.path.push(Step::Index(i));
                    if let Some(items) = items {
                        self.value(items, child);
                    }
                    self.path.pop();
                }
            }
            Data::String(text) => self.text(schema, node, text.as_str()),
            Data::Number(number, _) => self.number(schema, node, number),
            Data::Bool(value) => {
                let only = schema["enum"].as_array().is_some_and(|a| !a.contains(&(*value).into()));
                if only {
                    self.problem(
                        Code::Invalid,
                        node,
                        format!("{} is true or left out", self.name()),
                    );
                }
            }
            Data::Null => {}
        }
    }

    fn mapping(&mut self, schema: &Value, node: NodeId) {
        let properties = schema["properties"].as_object();
        let children: Vec<NodeId> = self.tree.children(node).collect();
        for child in children {
            let key = self.tree.node(child).key.clone();
            self.path.push(Step::Field(key.clone()));
            match properties.and_then(|p| p.get(key.as_str())) {
                Some(property) => self.value(property, child),
                None => match &schema["additionalProperties"] {
                    Value::Bool(false) => self.unknown(properties, child),
                    Value::Object(_) => self.value(&schema["additionalProperties"], child),
                    _ => {}
                },
            }
            self.path.pop();
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if self.tree.child(node, key).is_none() {
                let at =
                    if self.path.is_empty() { String::new() } else { format!("{}.", self.name()) };
                self.problem(Code::Invalid, node, format!("{at}{key} is missing"));
            }
        }
    }

    fn unknown(&mut self, properties: Option<&Map<String, Value>>, child: NodeId) {
        let key = self.tree.node(child).key.clone();
        let known: Vec<&str> =
            properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let hint = match suggest::nearest(&key, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known are {}", known.join(", ")),
        };
        let text = format!("unknown field \"{}\"", self.name());
        let span = self.tree.node(child).key_span;
        let problem = Diagnostic::new(Code::UnknownField, text).at(self.source, span);
        self.problems.push(problem.path(self.name()).hint(hint));
    }

    fn text(&mut self, schema: &Value, node: NodeId, text: &str) {
        let constants = constants(schema);
        if !constants.is_empty() && !constants.contains(&text) {
            let near = suggest::nearest(text, constants.iter().copied());
            let said = format!("{text:?} is none of {}", constants.join(", "));
            let problem = self.made(Code::Invalid, node, said);
            self.problems.push(problem.maybe_hint(near.map(|n| format!("did you mean \"{n}\"?"))));
        } else if schema.get("pattern").is_some()
            && let Err(wrong) = length::parse(text)
        {
            // Lengths of time are the only texts with a pattern.
            self.problem(Code::Invalid, node, wrong);
        }
    }

    fn number(&mut self, schema: &Value, node: NodeId, number: &serde_json::Number) {
        let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
        let Some(whole) = whole else { return };
        let bound = |key: &str| schema[key].as_f64();
        let (least, most) = (bound("minimum"), bound("maximum"));
        let low = least.is_some_and(|l| (whole as f64) < l);
        let high = most.is_some_and(|m| (whole as f64) > m);
        if low || high {
            let shown = |b: Option<f64>, none: &str| b.map_or(none.to_owned(), |b| format!("{b}"));
            let text = format!(
                "{whole} is out of bounds: {} to {}",
                shown(least, "any"),
                shown(most, "any")
            );
            self.problem(Code::Invalid, node, text);
        }
    }

    fn mistyped(&mut self, schema: &Value, node: NodeId) {
        let mut wanted = Vec::new();
        kinds(schema, &mut wanted, 0);
        wanted.retain(|k| *k != "null");
        let in_words = |kind: &str| match kind {
            "string" => "a text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a mapping",
            _ => "nothing",
        };
        let found = in_words(match self.tree.node(node).data.json_name() {
            "bool" => "boolean",
            other => other,
        });
        let name = if self.path.is_empty() { "the document".to_owned() } else { self.name() };
        let wanted: Vec<&str> = wanted.into_iter().map(in_words).collect();
        let problem = self.made(Code::WrongType, node, format!("{name} is {found}"));
        self.problems.push(problem.expected(wanted.join(" or ")));
    }

    fn name(&self) -> String {
        write_path(&self.path)
    }

    fn problem(&mut self, code: Code, node: NodeId, text: String) {
        let problem = self.made(code, node, text);
        self.problems.push(problem);
    }

    fn made(&self, code: Code, node: NodeId, text: String) -> Diagnostic {
        let problem =
            Diagnostic::new(code, text).at(self.source, place(self.source, self.tree, node));
        if self.path.is_empty() { problem } else { problem.path(self.name()) }
    }
}

/// Where a node is shown: its value where that is one line, else its key.
pub(super) fn place(source: &Source, tree: &Tree, node: NodeId) -> Span {
    let node = tree.node(node);
    let text = source.slice(node.span);
    if !node.span.is_empty() && !text.trim_end().contains('\n') {
        return node.span;
    }
    if !node.key_span.is_empty() {
        return node.key_span;
    }
    let first = text.find('\n').unwrap_or(text.len());
    Span::new(node.span.start as usize, node.span.start as usize + first.max(1))
}

/// The definition that a schema refers to, and of alternatives the one for that kind of value.
fn resolve<'s>(schema: &'s Value, data: &Data) -> Option<&'s Value> {
    resolve_within(schema, data, 0)
}

fn resolve_within<'s>(schema: &'s Value, data: &Data, depth: usize) -> Option<&'s Value> {
    if depth > MAX_REFERENCES {
        return None;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        return resolve_within(definition(reference)?, data, depth + 1);
    }
    if !constants(schema).is_empty() {
        return Some(schema);
    }
    match alternatives(schema) {
        Some(all) => all
            .iter()
            .filter_map(|one| resolve_within(one, data, depth + 1))
            .find(|one| admits(one, data)),
        None => Some(schema),
    }
}

fn definition(reference: &str) -> Option<&'static Value> {
    SCHEMA.pointer(reference.strip_prefix('#')?)
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema["anyOf"].as_array().or(schema["oneOf"].as_array())
}

/// The texts of a schema that is one of several constants.
fn constants(schema: &Value) -> Vec<&str> {
    if let Some(all) = schema["enum"].as_array() {
        return all.iter().filter_map(Value::as_str).collect();
    }
    if let Some(one) = schema["const"].as_str() {
        return vec![one];
    }
    let each = schema["oneOf"].as_array().into_iter().flatten();
    each.flat_map(|one| if one["oneOf"].is_array() { Vec::new() } else { constants(one) }).collect()
}

/// Whether a schema without references and alternatives is about that kind of value.
fn admits(schema: &Value, data: &Data) -> bool {
    let mut wanted = Vec::new();
    kinds(schema, &mut wanted, 0);
    let found = match data {
        Data::Null => "null",
        Data::Bool(_) => "boolean",
        Data::Number(number, _) if number.is_f64() => "number",
        Data::Number(..) => "integer",
        Data::String(_) => "string",
        Data::Sequence => "array",
        Data::Mapping => "object",
    };
    wanted.is_empty() || wanted.contains(&found) || found == "integer" && wanted.contains(&"number")
}

/// The kinds of values that a schema is about; none stands for any.
fn kinds<'s>(schema: &'s Value, found: &mut Vec<&'s str>, depth: usize) {
    if depth > MAX_REFERENCES {
        return;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(definition) {
        return kinds(target, found, depth + 1);
    }
    if let Some(all) = alternatives(schema) {
        return all.iter().for_each(|one| kinds(one, found, depth + 1));
    }
    let mut add = |kind: &'s str| {
        if !found.contains(&kind) {
            found.push(kind);
        }
    };
    match &schema["type"] {
        Value::String(one) => add(one),
        Value::Array(all) => all.iter().filter_map(Value::as_str).for_each(add),
        _ if schema["const"].is_string() => add("string"),
        _ => {}
    }
}

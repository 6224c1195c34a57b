//! A document as it was written: values in one flat list, each with the place it came from.
//!
//! Both readers (YAML and JSON) build this list, in the order of the text, parents before children.
//! Three things are taken from it: the plain [`serde_json::Value`] that the rest of the program works
//! on, the place of any field by its path, and what only the text knows: repeated keys of a JSON
//! object, the exact digits of a number.

use serde_json::{Map, Number, Value};

use super::source::Span;
use crate::base::Str;

/// The index of a node in its [`Tree`].
pub type NodeId = usize;

/// One document (or one item of a list) with the place of every part.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name under which the parent mapping holds it; empty elsewhere.
    pub key: Str,
    /// Where that name is written.
    pub key_span: Span,
    /// Where the value is written.
    pub span: Span,
    /// How many nodes belong to it, itself included.
    size: u32,
    /// What it is.
    pub data: Data,
}

/// What a value is, with the content of scalars.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// `null`, `~` or nothing at all.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, with its digits as they reach the API server.
    Number(Number, Str),
    /// Text.
    String(Str),
    /// A list.
    Sequence,
    /// A mapping.
    Mapping,
}

impl Data {
    /// The name that error texts of Go's JSON decoder give this kind of value.
    pub fn json_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(..) => "number",
            Self::String(_) => "string",
            Self::Sequence => "array",
            Self::Mapping => "object",
        }
    }
}

/// One step of a path into a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A field of a mapping.
    Field(Str),
    /// A position in a list.
    Index(usize),
}

impl Tree {
    /// The outermost value.
    pub const ROOT: NodeId = 0;

    /// The tree of a value that was not read from a text: it has no places.
    pub fn from_value(value: &Value) -> Self {
        let mut tree = Self::default();
        tree.append(Str::default(), value);
        tree
    }

    fn append(&mut self, key: Str, value: &Value) {
        let none = Span::default();
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Number(value) => Data::Number(value.clone(), value.to_string().into()),
            Value::String(text) => Data::String(text.into()),
            Value::Array(_) => Data::Sequence,
            Value::Object(_) => Data::Mapping,
        };
        let id = self.push(key, none, none, data);
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.append(Str::default(), item)),
            Value::Object(entries) => {
                entries.iter().for_each(|(key, entry)| self.append(key.into(), entry));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
        }
        self.close(id, 0);
    }

    /// Whether nothing was read at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node `id`.
    ///
    /// # Panics
    /// When `id` comes from another tree.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Appends a node; a sequence or mapping must be closed with [`Tree::close`] after its last child.
    pub fn push(&mut self, key: Str, key_span: Span, span: Span, data: Data) -> NodeId {
        self.nodes.push(Node { key, key_span, span, size: 1, data });
        self.nodes.len() - 1
    }

    /// Ends the sequence or mapping `id`, whose text ends before byte `end`.
    pub fn close(&mut self, id: NodeId, end: u32) {
        let size = self.nodes.len() - id;
        let node = &mut self.nodes[id];
        node.size = u32::try_from(size).expect("a document has fewer nodes than bytes");
        node.span.end = node.span.end.max(end);
    }

    /// Moves every place `by` bytes further on: the text was part of a larger one.
    pub fn shift(&mut self, by: u32) {
        for node in &mut self.nodes {
            node.span = node.span.shifted(by);
            node.key_span = node.key_span.shifted(by);
        }
    }

    /// The children of `id`, in the order of the text, repeated keys included.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let end = id + self.nodes[id].size as usize;
        let mut next = id + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let child = next;
                next += self.nodes[child].size as usize;
                child
            })
        })
    }

    /// The last child of the mapping `id` called `key`: the one that counts when a key is repeated.
    pub fn child(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let mapping = matches!(self.nodes[id].data, Data::Mapping);
        self.children(id).filter(|child| mapping && self.nodes[*child].key == key).last()
    }

    /// The text of the string field `key` of the mapping `id`.
    pub fn text(&self, id: NodeId, key: &str) -> Option<&Str> {
        match &self.nodes[self.child(id, key)?].data {
            Data::String(text) => Some(text),
            Data::Null | Data::Bool(_) | Data::Number(..) | Data::Sequence | Data::Mapping => None,
        }
    }

    /// Follows `path` from `root` as far as it is written; the flag tells whether it was followed whole.
    pub fn find(&self, root: NodeId, path: &[Step]) -> (NodeId, bool) {
        let mut at = root;
        for step in path {
            let next = match step {
                Step::Field(key) => self.child(at, key),
                Step::Index(index) if matches!(self.nodes[at].data, Data::Mapping) => {
                    self.child(at, &index.to_string())
                }
                Step::Index(index) => self.children(at).nth(*index),
            };
            match next {
                Some(child) => at = child,
                None => return (at, false),
            }
        }
        (at, true)
    }

    /// The same document with another value at `path`. Fields that are not there are made at the end of their
    /// mappings; the new value has the place of what it stands for.
    ///
    /// # Errors
    /// Where the path leads through something that has no such part, in words.
    pub fn with(&self, path: &[Step], value: &Value) -> Result<Self, String> {
        let mut out = Self::default();
        if self.is_empty() {
            return Err("the document is empty".to_owned());
        }
        self.copy_with(&mut out, Self::ROOT, path, value)?;
        Ok(out)
    }

    fn copy_with(
        &self,
        out: &mut Self,
        id: NodeId,
        path: &[Step],
        value: &Value,
    ) -> Result<(), String> {
        let node = &self.nodes[id];
        let Some((step, rest)) = path.split_first() else {
            out.place(node, value);
            return Ok(());
        };
        let (next, whole) = self.find(id, std::slice::from_ref(step));
        let wrong =
            |what: &str| Err(format!("{what} has no {}", write_path(std::slice::from_ref(step))));
        if !whole && !matches!((&node.data, step), (Data::Mapping | Data::Null, Step::Field(_))) {
            let what = node.data.json_name();
            return wrong(&format!(
                "\"{}\" is {} {what} and",
                node.key,
                if what == "array" { "an" } else { "a" }
            ));
        }
        let data = if whole { node.data.clone() } else { Data::Mapping };
        let copy = out.push(node.key.clone(), node.key_span, node.span, data);
        for child in self.children(id) {
            if whole && child == next {
                self.copy_with(out, child, rest, value)?;
            } else {
                let end = child + self.nodes[child].size as usize;
                out.nodes.extend_from_slice(&self.nodes[child..end]);
            }
        }
        if let (false, Step::Field(key)) = (whole, step) {
            let mut new = value.clone();
            for step in rest.iter().rev() {
                let Step::Field(key) = step else { return wrong("what is not there") };
                new = Value::Object([(key.to_string(), new)].into_iter().collect());
            }
            out.append(key.clone(), &new);
        }
        out.close(copy, 0);
        Ok(())
    }

    /// Appends a value in the place of a node.
    fn place(&mut self, node: &Node, value: &Value) {
        let first = self.nodes.len();
        self.append(node.key.clone(), value);
        for new in &mut self.nodes[first..] {
            (new.key_span, new.span) = (node.key_span, node.span);
        }
    }

    /// The path from `root` to `id`, which lies below it.
    pub fn path(&self, root: NodeId, id: NodeId) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = root;
        while at < id {
            let mapping = matches!(self.nodes[at].data, Data::Mapping);
            let below = self.children(at).enumerate().take_while(|(_, child)| *child <= id).last();
            let Some((index, child)) = below else { break };
            steps.push(match mapping {
                true => Step::Field(self.nodes[child].key.clone()),
                false => Step::Index(index),
            });
            at = child;
        }
        steps
    }

    /// The plain value of `id`. Of a repeated key the last one counts, in the place of the first.
    ///
    /// The readers bound how deep documents nest, so this may recurse.
    pub fn value(&self, id: NodeId) -> Value {
        match &self.nodes[id].data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(value, _) => Value::Number(value.clone()),
            Data::String(text) => Value::String(text.to_string()),
            Data::Sequence => {
                Value::Array(self.children(id).map(|child| self.value(child)).collect())
            }
            Data::Mapping => {
                // Counted first: a map that grows is moved again and again.
                let mut fields = Map::with_capacity(self.children(id).count());
                for child in self.children(id) {
                    fields.insert(self.nodes[child].key.to_string(), self.value(child));
                }
                Value::Object(fields)
            }
        }
    }
}

/// Reads a field path as Kubernetes writes it (`spec.containers[0].env[2].name`,
/// `metadata.labels[app.kubernetes.io/name]`): a bracket holds a number or a key.
///
/// A key that is all digits reads as a position; [`Tree::find`] tells the two apart by what is there.
pub fn parse_path(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = inner.split_once(']').unwrap_or((inner, ""));
            steps.push(match key.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Field(key.into()),
            });
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Field(rest[..end].into()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    steps
}

/// Writes a path as Kubernetes does: names joined by dots, positions in brackets.
pub fn write_path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Field(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_kubernetes_writes_them() {
        let check = |path: &str, written: &str| {
            assert_eq!(write_path(&parse_path(path)), written, "{path}");
        };
        check("spec.containers[0].env[12].name", "spec.containers[0].env[12].name");
        check("metadata.labels[app.kubernetes.io/name]", "metadata.labels.app.kubernetes.io/name");
        check("", "");
    }

    #[test]
    fn of_a_repeated_key_the_last_value_counts() {
        let mut tree = Tree::default();
        let none = Span::default();
        let root = tree.push(Str::default(), none, none, Data::Mapping);
        tree.push("a".into(), none, none, Data::Bool(false));
        tree.push("b".into(), none, none, Data::Null);
        tree.push("a".into(), none, none, Data::Bool(true));
        tree.close(root, 0);
        assert_eq!(tree.value(root), serde_json::json!({"a": true, "b": null}));
        assert_eq!(tree.child(root, "a"), Some(3));
        assert_eq!(tree.find(root, &parse_path("b.c")), (2, false));
    }
}

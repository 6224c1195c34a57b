//! Changes that would help, as edits of what the user wrote.

use serde_json::{Map, Value};

use crate::model::Ref;

/// A change that would help.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// The change, for people: what to do, without a full stop.
    pub text: String,
    /// The same as edits; empty where it cannot be tried.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// A fix that can be tried.
    pub(super) fn new(text: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self { text: text.into(), edits }
    }

    /// Advice that cannot be tried.
    pub(super) fn advice(text: impl Into<String>) -> Self {
        Self { text: text.into(), edits: Vec::new() }
    }
}

/// One edit of what is run.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A manifest is changed.
    Manifest {
        /// Which.
        object: Ref,
        /// How, in order.
        changes: Vec<Change>,
    },
    /// One text in a manifest's strings is replaced by another, wherever it stands under a path.
    Words {
        /// Which.
        object: Ref,
        /// A JSON pointer.
        under: String,
        /// What stands there.
        from: String,
        /// What is to stand there.
        to: String,
    },
    /// A manifest is added.
    Add(Value),
    /// A node of the cluster is changed.
    Node {
        /// Its name.
        name: String,
        /// How, in order.
        changes: Vec<Change>,
    },
    /// A node like another one joins from the start.
    NodeLike(String),
    /// A kubectl command at the end.
    Kubectl(String),
    /// A machine is started at the end.
    StartNode(String),
}

/// A field that is set or taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// A JSON pointer; `-` at its end stands for a new last item.
    pub path: String,
    /// The value; `None` takes the field away.
    pub value: Option<Value>,
}

impl Change {
    /// Sets a field; what leads there is made.
    pub(super) fn set(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { path: path.into(), value: Some(value.into()) }
    }

    /// Takes a field away.
    pub(super) fn remove(path: impl Into<String>) -> Self {
        Self { path: path.into(), value: None }
    }

    /// Carries it out; whether that was possible.
    pub fn apply(&self, document: &mut Value) -> bool {
        let unescaped = |key: &str| key.replace("~1", "/").replace("~0", "~");
        let keys: Vec<String> = self.path.split('/').skip(1).map(unescaped).collect();
        put(document, &keys, self.value.as_ref())
    }
}

/// Sets or takes away what stands at `keys`. Paths are as deep as manifests are, which is bounded.
fn put(place: &mut Value, keys: &[String], value: Option<&Value>) -> bool {
    let Some((key, rest)) = keys.split_first() else {
        return match value {
            Some(value) => {
                *place = value.clone();
                true
            }
            None => false,
        };
    };
    if place.is_null() {
        if value.is_none() {
            return true;
        }
        *place = if key == "-" { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match place {
        Value::Array(items) if key == "-" => {
            let mut new = Value::Null;
            let made = put(&mut new, rest, value);
            items.push(new);
            made
        }
        Value::Array(items) => {
            let Some(i) = key.parse::<usize>().ok().filter(|i| *i < items.len()) else {
                return false;
            };
            if rest.is_empty() && value.is_none() {
                items.remove(i);
                return true;
            }
            put(&mut items[i], rest, value)
        }
        Value::Object(fields) => match (rest.is_empty(), value) {
            (true, None) => {
                fields.shift_remove(key);
                true
            }
            (false, None) => fields.get_mut(key).is_none_or(|next| put(next, rest, None)),
            (_, Some(_)) => put(fields.entry(key.clone()).or_insert(Value::Null), rest, value),
        },
        _ => false,
    }
}

/// A name as a step of a JSON pointer.
pub(super) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_makes_what_leads_to_its_place() {
        let check = |change: Change, wanted: Option<Value>| {
            let mut document = json!({"spec": {"list": [{"a": 1}, {"b": 2}]}});
            let done = change.apply(&mut document);
            assert_eq!(done.then_some(document), wanted, "{change:?}");
        };
        check(
            Change::set("/spec/list/1/c~1d", "x"),
            Some(json!({"spec": {"list": [{"a": 1}, {"b": 2, "c/d": "x"}]}})),
        );
        check(
            Change::set("/spec/tolerations/-", json!({"key": "k"})),
            Some(json!({"spec": {"list": [{"a": 1}, {"b": 2}], "tolerations": [{"key": "k"}]}})),
        );
        check(Change::remove("/spec/list/0"), Some(json!({"spec": {"list": [{"b": 2}]}})));
        check(
            Change::remove("/spec/none/x"),
            Some(json!({"spec": {"list": [{"a": 1}, {"b": 2}]}})),
        );
        check(Change::set("/spec/list/7/x", 1), None);
    }
}

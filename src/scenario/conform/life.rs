//! The lives of objects: one object from its first line to its deletion, with its state after every
//! line.
//!
//! A line gives metadata and status whole, of `spec` and other bodies only the top-level fields that
//! changed. States share what did not change.

use std::sync::Arc;

use serde_json::{Value, json};

use super::value::{field, is_set, list, shown, text};
use crate::base::Str;

/// What a line says of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// The controller of an object, as its owner reference names it.
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: Option<String>,
}

/// One object from its first line to its deletion. One that is made anew under the same name, with
/// another uid, is another life.
pub(super) struct Life {
    pub(super) kind: Str,
    pub(super) name: Str,
    pub(super) uid: Option<Str>,
    /// When its first line came.
    pub(super) born: f64,
    /// The first line was `ADDED`: it did not exist before.
    pub(super) added: bool,
    /// When it was deleted.
    pub(super) gone: Option<f64>,
    /// Its controller when first seen.
    pub(super) owner: Option<Owner>,
    /// Its state after each line, never empty.
    pub(super) states: Vec<State>,
}

/// An object after one line of the trace. `null` stands for what no line has given yet.
#[derive(Clone)]
pub(super) struct State {
    pub(super) t: f64,
    pub(super) meta: Arc<Value>,
    pub(super) spec: Arc<Value>,
    pub(super) status: Arc<Value>,
    /// The other fields at top level, such as an EndpointSlice's `endpoints`.
    pub(super) rest: Arc<Value>,
}

impl Life {
    /// A life that begins with a line at `t`, which is to be fed to it.
    pub(super) fn new(kind: &str, name: &str, uid: Option<Str>, t: f64, first: Change) -> Self {
        Self {
            kind: Str::from(kind),
            name: Str::from(name),
            uid,
            born: t,
            added: first == Change::Added,
            gone: None,
            owner: None,
            states: Vec::new(),
        }
    }

    /// Takes in one line: `spec` by its top-level fields (whole for a Node), the rest by field,
    /// metadata and status whole.
    pub(super) fn feed(&mut self, t: f64, change: Change, row: Value) {
        let nothing = || Arc::new(Value::Null);
        let mut state = self.states.last().cloned().unwrap_or_else(|| State {
            t,
            meta: nothing(),
            spec: Arc::new(json!({})),
            status: nothing(),
            rest: Arc::new(json!({})),
        });
        state.t = t;
        let Value::Object(fields) = row else { return };
        for (key, value) in fields {
            match key.as_str() {
                "t" | "type" | "kind" | "name" | "rv" | "cells" => {}
                "metadata" if value.as_object().is_some_and(|m| !m.is_empty()) => {
                    state.meta = Arc::new(value);
                }
                "status" if !value.is_null() => state.status = Arc::new(value),
                "metadata" | "status" => {}
                "spec" => {
                    if self.kind == "Node" {
                        state.spec = Arc::new(json!({}));
                    }
                    merge(&mut state.spec, value);
                }
                _ => put(&mut state.rest, key, value),
            }
        }
        if self.owner.is_none() {
            self.owner = controller(&state.meta);
        }
        if change == Change::Deleted {
            self.gone = Some(t);
        }
        self.states.push(state);
    }

    /// The states before the object was gone.
    pub(super) fn alive(&self) -> &[State] {
        match self.states.as_slice() {
            [before @ .., _] if self.gone.is_some() && !before.is_empty() => before,
            all => all,
        }
    }

    /// The state after the first line.
    pub(super) fn first(&self) -> &State {
        self.states.first().expect("a life begins with its first line")
    }

    /// The state after the latest line.
    pub(super) fn last(&self) -> &State {
        self.states.last().expect("a life begins with its first line")
    }

    /// The value of a label when first seen.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.first().meta.get("labels").and_then(|l| text(l, key))
    }

    /// Whether a controller of this kind made it.
    pub(super) fn is_of(&self, kind: &str) -> bool {
        self.owner.as_ref().is_some_and(|o| o.kind == kind)
    }

    /// The first node that its spec names.
    pub(super) fn node(&self) -> Option<&str> {
        self.states.iter().find_map(|s| text(&s.spec, "nodeName"))
    }

    /// When its deletion was asked for.
    pub(super) fn deletion_requested(&self) -> Option<&State> {
        self.states.iter().find(|s| field(&s.meta, "deletionTimestamp").is_some())
    }
}

/// What a line lacks without which the milestones of its object cannot be told.
pub(super) fn lacking(change: Change, row: &Value) -> Option<&'static str> {
    let parts = |of: &str, key: &str| list(row.get(of).unwrap_or(&Value::Null), key).iter();
    let nameless = |c: &Value| c.get("name").is_none();
    let judged = |c: &Value| {
        let passed_over = ["PodScheduled", "ContainersReady", "PodReadyToStartContainers"];
        !text(c, "type").is_some_and(|what| passed_over.contains(&what))
    };
    let unknown = |c: &Value| judged(c) && c.get("status").and_then(Value::as_str).is_none();
    match row.get("kind").and_then(Value::as_str)? {
        "Pod"
            if parts("spec", "containers").chain(parts("spec", "initContainers")).any(nameless) =>
        {
            Some("a container without a name")
        }
        "Pod" if change != Change::Deleted && parts("status", "conditions").any(unknown) => {
            Some("a condition without a status")
        }
        "Node" if parts("spec", "taints").any(|t| t.get("key").is_none()) => {
            Some("a taint without a key")
        }
        "Node" if parts("spec", "taints").any(|t| t.get("effect").is_none()) => {
            Some("a taint without an effect")
        }
        _ => None,
    }
}

fn controller(meta: &Value) -> Option<Owner> {
    let refs = list(meta, "ownerReferences");
    refs.iter().find(|r| is_set(r, "controller")).map(|r| Owner {
        kind: shown(r.get("kind")),
        name: shown(r.get("name")),
        uid: text(r, "uid").map(str::to_owned),
    })
}

fn merge(spec: &mut Arc<Value>, news: Value) {
    let Value::Object(news) = news else { return };
    for (key, value) in news {
        if !value.is_null() {
            put(spec, key, value);
        } else if spec.get(&key).is_some()
            && let Some(fields) = Arc::make_mut(spec).as_object_mut()
        {
            fields.shift_remove(&key);
        }
    }
}

fn put(object: &mut Arc<Value>, key: String, value: Value) {
    if object.get(&key) == Some(&value) {
        return;
    }
    if let Some(fields) = Arc::make_mut(object).as_object_mut() {
        fields.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_line_changes_only_the_fields_of_spec_it_names() {
        let none = || Life::new("Job", "j", None, 0.0, Change::Added);
        let mut life = none();
        let feed = |life: &mut Life, t: f64, row: Value| life.feed(t, Change::Modified, row);
        feed(&mut life, 0.0, json!({"spec": {"a": 1, "b": 2}, "status": {"x": 1}}));
        feed(&mut life, 1.0, json!({"spec": {"a": null, "c": 3}}));
        feed(&mut life, 2.0, json!({"status": {}}));
        assert_eq!(*life.states[1].spec, json!({"b": 2, "c": 3}));
        assert_eq!(*life.states[1].status, json!({"x": 1}));
        assert_eq!(*life.states[2].status, json!({}));
    }

    #[test]
    fn a_nodes_spec_is_whole_on_every_line() {
        let mut node = Life::new("Node", "node-1", None, 0.0, Change::Modified);
        node.feed(0.0, Change::Modified, json!({"spec": {"unschedulable": true}}));
        node.feed(1.0, Change::Modified, json!({"spec": {"taints": []}}));
        assert_eq!(*node.last().spec, json!({"taints": []}));
    }

    #[test]
    fn the_state_on_the_line_of_the_deletion_is_no_longer_alive() {
        let mut life = Life::new("Job", "j", None, 0.0, Change::Added);
        life.feed(0.0, Change::Added, json!({}));
        life.feed(5.0, Change::Deleted, json!({"status": {"x": 1}}));
        assert_eq!((life.alive().len(), life.states.len()), (1, 2));
        assert!(life.gone.is_some_and(|t| t > 4.9));
    }
}

//! A template filled in.

use serde_json::Value;

use super::MAX_OUTPUT;
use super::functions;
use super::parse::{Base, Node, Operand, Pipe};
use crate::api::go_value;

/// A value, or none: what a missing field is.
pub(super) type Found = Option<Value>;

/// What was written, and why no more.
type Failed = (String, String);

/// Fills the nodes in.
pub(super) fn run(nodes: &[Node], data: &Value, missing: bool) -> Result<String, Failed> {
    let root = floats(data);
    let mut run =
        Run { out: String::new(), variables: vec![(String::new(), Some(root.clone()))], missing };
    match run.all(nodes, &Some(root)) {
        Ok(_) => Ok(run.out),
        Err(why) => Err((run.out, why)),
    }
}

/// A document as Go's decoder gives it to a template: every number is a float.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), floats(v))).collect(),
        other => other.clone(),
    }
}

struct Run {
    out: String,
    variables: Vec<(String, Found)>,
    missing: bool,
}

/// How a list of nodes ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Run {
    fn all(&mut self, nodes: &[Node], dot: &Found) -> Result<Flow, String> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
            if self.out.len() > MAX_OUTPUT {
                return Err(format!("the template writes more than {MAX_OUTPUT} bytes"));
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Found) -> Result<Flow, String> {
        let known = self.variables.len();
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Print(pipe) => {
                let value = self.pipe(pipe, dot)?;
                // Variables declared by an action live on behind it.
                if pipe.variables.is_empty() {
                    self.out.push_str(&shown(&value));
                }
                return Ok(Flow::On);
            }
            Node::If(pipe, yes, no) => {
                let chosen = if truth(&self.pipe(pipe, dot)?) { yes } else { no };
                let flow = self.all(chosen, dot)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::With(pipe, yes, no) => {
                let value = self.pipe(pipe, dot)?;
                let flow = if truth(&value) { self.all(yes, &value)? } else { self.all(no, dot)? };
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Range(pipe, body, none) => return self.range(pipe, body, none, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        pipe: &Pipe,
        body: &[Node],
        none: &[Node],
        dot: &Found,
    ) -> Result<Flow, String> {
        let known = self.variables.len();
        let bare = Pipe { variables: Vec::new(), ..pipe.clone() };
        let pairs: Vec<(Value, Value)> = match self.pipe(&bare, dot)? {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                items.into_iter().enumerate().map(|(i, v)| (Value::from(i), v)).collect()
            }
            Some(Value::Object(map)) => {
                let mut pairs: Vec<(String, Value)> = map.into_iter().collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                pairs.into_iter().map(|(k, v)| (Value::from(k), v)).collect()
            }
            Some(Value::Number(n)) if n.is_i64() => (0..n.as_i64().unwrap_or(0))
                .take(MAX_OUTPUT)
                .map(|i| (Value::from(i), Value::from(i)))
                .collect(),
            Some(other) => {
                return Err(format!("range can't iterate over {}", go_value::plain(&other)));
            }
        };
        if pairs.is_empty() {
            let flow = self.all(none, dot)?;
            self.variables.truncate(known);
            return Ok(flow);
        }
        for (key, value) in pairs {
            let values: Vec<Value> = match pipe.variables.len() {
                0 => Vec::new(),
                1 => vec![value.clone()],
                _ => vec![key, value.clone()],
            };
            for (name, value) in pipe.variables.iter().zip(values) {
                self.set(name, Some(value), pipe.declares);
            }
            let flow = self.all(body, &Some(value))?;
            if pipe.declares {
                self.variables.truncate(known);
            }
            if flow == Flow::Break {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(Flow::On)
    }

    fn set(&mut self, name: &str, value: Found, new: bool) {
        match self.variables.iter_mut().rfind(|(n, _)| n == name).filter(|_| !new) {
            Some(known) => known.1 = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Found) -> Result<Found, String> {
        let mut value: Option<Found> = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.flatten();
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.declares);
        }
        Ok(value)
    }

    fn command(
        &mut self,
        words: &[Operand],
        dot: &Found,
        last: Option<Found>,
    ) -> Result<Found, String> {
        let Some((first, rest)) = words.split_first() else { return Ok(None) };
        let Base::Function(name) = &first.base else {
            if !rest.is_empty() || last.is_some() {
                return Err("can't give argument to non-function".to_owned());
            }
            return self.operand(first, dot);
        };
        if matches!(name.as_str(), "and" | "or") {
            return self.short_circuit(name == "and", rest, dot, last);
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for operand in rest {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(last);
        let value = functions::call(name, &arguments)
            .map_err(|why| format!("error calling {name}: {why}"))?;
        self.fields(value, &first.fields)
    }

    /// `and` and `or` look no further than they must.
    fn short_circuit(
        &mut self,
        and: bool,
        rest: &[Operand],
        dot: &Found,
        last: Option<Found>,
    ) -> Result<Found, String> {
        let mut value = None;
        for operand in rest {
            value = self.operand(operand, dot)?;
            if truth(&value) != and {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn operand(&mut self, operand: &Operand, dot: &Found) -> Result<Found, String> {
        let value = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Variable(name) => {
                let known = self.variables.iter().rfind(|(n, _)| n == name);
                known.and_then(|(_, value)| value.clone())
            }
            Base::Text(text) => Some(text.clone().into()),
            Base::Int(number) => Some((*number).into()),
            Base::Float(number) => Some((*number).into()),
            Base::Bool(on) => Some((*on).into()),
            Base::Nil => return Err("nil is not a command".to_owned()),
            Base::Function(_) => self.command(std::slice::from_ref(operand), dot, None)?,
            Base::Pipe(pipe) => self.pipe(pipe, dot)?,
        };
        self.fields(value, &operand.fields)
    }

    fn fields(&self, value: Found, fields: &[String]) -> Result<Found, String> {
        let mut at = value;
        for name in fields {
            at = match at {
                Some(Value::Object(mut map)) => match map.shift_remove(name) {
                    None if !self.missing => {
                        return Err(format!("map has no entry for key {name:?}"));
                    }
                    found => found,
                },
                // What is not there has nothing in it.
                None => None,
                Some(Value::Null) => {
                    return Err(format!("nil data; no entry for key {name:?}"));
                }
                Some(_) => {
                    return Err(format!("can't evaluate field {name} in type interface {{}}"));
                }
            };
        }
        Ok(at)
    }
}

/// Whether a value counts as true: it is there and not empty.
pub(super) fn truth(value: &Found) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
    }
}

/// A value as an action prints it.
pub(super) fn shown(value: &Found) -> String {
    value.as_ref().map_or_else(
        || "<no value>".to_owned(),
        |v| match v {
            Value::Null => "<no value>".to_owned(),
            other => go_value::plain(other),
        },
    )
}

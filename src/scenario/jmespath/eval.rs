//! What a tree comes to.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::functions;
use super::parser::Node;
use super::{MAX_WORK, Scope, World};
use crate::api::suggest;

/// One evaluation.
pub(super) struct Evaluation<'e> {
    root: &'e Value,
    scope: &'e Scope,
    pub(super) world: &'e dyn World,
    work: Cell<u32>,
}

/// An argument of a function: a value, or a part of the expression that it applies itself.
pub(super) enum Argument<'n> {
    Value(Value),
    Reference(&'n Node),
}

impl<'e> Evaluation<'e> {
    pub(super) fn new(root: &'e Value, scope: &'e Scope, world: &'e dyn World) -> Self {
        Self { root, scope, world, work: Cell::new(0) }
    }

    /// What a part comes to for a value. Expressions are bounded in depth.
    pub(super) fn of(&self, node: &Node, value: &Value) -> Result<Value, String> {
        self.work.set(self.work.get() + 1);
        if self.work.get() > MAX_WORK {
            return Err(format!("it looks at more than {MAX_WORK} values"));
        }
        Ok(match node {
            Node::Current => value.clone(),
            Node::Root => self.root.clone(),
            Node::Variable(name) => self.variable(name)?,
            Node::Literal(literal) => literal.clone(),
            Node::Field(name) => value.get(name).cloned().unwrap_or(Value::Null),
            Node::Index(at) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                place(*at, items.len()).and_then(|i| items.get(i)).cloned().unwrap_or(Value::Null)
            }
            Node::Slice(parts) => slice(value, *parts),
            Node::Then(a, b) => {
                let left = self.of(a, value)?;
                // Of nothing no list and no object is made.
                match **b {
                    Node::List(_) | Node::Object(_) if left.is_null() => Value::Null,
                    _ => self.of(b, &left)?,
                }
            }
            Node::Each(..) | Node::EachValue(..) | Node::Flat(..) | Node::Filter(..) => {
                self.projected(node, value)?
            }
            Node::List(nodes) => {
                let each = nodes.iter().map(|n| self.of(n, value));
                Value::Array(each.collect::<Result<_, _>>()?)
            }
            Node::Object(fields) => {
                let each = fields.iter().map(|(key, n)| Ok((key.clone(), self.of(n, value)?)));
                Value::Object(each.collect::<Result<Map<_, _>, String>>()?)
            }
            Node::Call(name, arguments) => {
                let each = arguments.iter().map(|n| match n {
                    Node::Reference(inner) => Ok(Argument::Reference(inner)),
                    other => self.of(other, value).map(Argument::Value),
                });
                functions::call(self, name, each.collect::<Result<_, _>>()?)?
            }
            Node::Reference(_) => return Err("& stands before arguments alone".to_owned()),
            Node::Not(a) => (!is_true(&self.of(a, value)?)).into(),
            Node::Sign(plus, a) => {
                let operand = self.of(a, value)?;
                if *plus { operand } else { arithmetic("-", &0.into(), &operand)? }
            }
            Node::And(a, b) => {
                let left = self.of(a, value)?;
                if is_true(&left) { self.of(b, value)? } else { left }
            }
            Node::Or(a, b) => {
                let left = self.of(a, value)?;
                if is_true(&left) { left } else { self.of(b, value)? }
            }
            Node::Compare(how, a, b) => compare(how, &self.of(a, value)?, &self.of(b, value)?),
            Node::Arithmetic(how, a, b) => {
                arithmetic(how, &self.of(a, value)?, &self.of(b, value)?)?
            }
        })
    }

    /// What a projection comes to: nothing for what is no list or object.
    fn projected(&self, node: &Node, value: &Value) -> Result<Value, String> {
        Ok(match node {
            Node::Each(a, b) => match self.of(a, value)? {
                Value::Array(items) => self.each(&items, b)?,
                _ => Value::Null,
            },
            Node::EachValue(a, b) => match self.of(a, value)? {
                Value::Object(fields) => {
                    self.each(&fields.into_iter().map(|(_, v)| v).collect::<Vec<_>>(), b)?
                }
                _ => Value::Null,
            },
            Node::Flat(a, b) => match self.of(a, value)? {
                Value::Array(items) => self.each(&joined(items), b)?,
                _ => Value::Null,
            },
            Node::Filter(a, condition, b) => match self.of(a, value)? {
                Value::Array(items) => {
                    let mut kept = Vec::new();
                    for item in items {
                        if is_true(&self.of(condition, &item)?) {
                            kept.push(item);
                        }
                    }
                    self.each(&kept, b)?
                }
                _ => Value::Null,
            },
            _ => Value::Null,
        })
    }

    fn variable(&self, name: &str) -> Result<Value, String> {
        self.scope.get(name).cloned().ok_or_else(|| {
            let near = suggest::nearest(name, self.scope.names());
            let hint = near.map_or_else(String::new, |n| format!("; did you mean ${n}?"));
            format!("there is no binding ${name}{hint}")
        })
    }

    fn each(&self, items: &[Value], node: &Node) -> Result<Value, String> {
        let mut found = Vec::new();
        for item in items {
            let value = self.of(node, item)?;
            if !value.is_null() {
                found.push(value);
            }
        }
        Ok(Value::Array(found))
    }
}

/// Where an index that may count from the end stands.
pub(super) fn place(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at.checked_add(length)? } else { at };
    usize::try_from(at).ok().filter(|_| at < length)
}

/// Lists in a list, joined into it.
fn joined(items: Vec<Value>) -> Vec<Value> {
    let mut flat = Vec::new();
    for item in items {
        match item {
            Value::Array(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    flat
}

fn slice(value: &Value, [start, stop, step]: [Option<i64>; 3]) -> Value {
    let step = step.unwrap_or(1);
    let take = |length: usize| {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let bound = |at: Option<i64>, default: i64| match at {
            None => default,
            Some(at) if at < 0 => (at.saturating_add(length)).clamp(low, high),
            Some(at) => at.clamp(low, high),
        };
        let (first, last) = if step > 0 { (low, high) } else { (high, low) };
        let (mut at, stop) = (bound(start, first), bound(stop, last));
        let mut places = Vec::new();
        while (step > 0 && at < stop) || (step < 0 && at > stop) {
            places.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
        places
    };
    match value {
        Value::Array(items) => take(items.len()).into_iter().map(|i| items[i].clone()).collect(),
        Value::String(text) => {
            let chars: Vec<char> = text.chars().collect();
            take(chars.len()).into_iter().map(|i| chars[i]).collect::<String>().into()
        }
        _ => Value::Null,
    }
}

/// Whether a value counts as true: everything but false, nothing, and what is empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Whether two values are the same: `1` is `1.0`.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) => x.total_cmp(&y).is_eq(),
            _ => x == y,
        },
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn compare(how: &str, a: &Value, b: &Value) -> Value {
    match how {
        "==" => return same(a, b).into(),
        "!=" => return (!same(a, b)).into(),
        _ => {}
    }
    let order = match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x.as_f64().zip(y.as_f64()).map(|(x, y)| x.total_cmp(&y))
        }
        (Value::String(x), Value::String(y)) => Some(x.cmp(y)),
        _ => None,
    };
    order.map_or(Value::Null, |order| {
        Value::Bool(match how {
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_ge(),
        })
    })
}

/// A number as JSON has it: whole where it is.
pub(super) fn number(of: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    let whole = of as i64;
    let is_whole = of.fract().abs() <= 0.0 && of.abs() < 9e15;
    if is_whole {
        whole.into()
    } else {
        serde_json::Number::from_f64(of).map_or(Value::Null, Value::Number)
    }
}

/// Two numbers and what is made of them.
pub(super) fn arithmetic(how: &str, a: &Value, b: &Value) -> Result<Value, String> {
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else {
        return Err(format!("{a} {how} {b}: both must be numbers"));
    };
    let whole = a.as_i64().zip(b.as_i64());
    let exact = whole.and_then(|(x, y)| match how {
        "+" => x.checked_add(y),
        "-" => x.checked_sub(y),
        "*" => x.checked_mul(y),
        "%" if y != 0 => x.checked_rem(y),
        _ => None,
    });
    if let Some(exact) = exact {
        return Ok(exact.into());
    }
    if matches!(how, "/" | "//" | "%") && y.abs() <= 0.0 {
        return Err(format!("{a} {how} {b}: it is divided by 0"));
    }
    Ok(number(match how {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "//" => (x / y).floor(),
        _ => x % y,
    }))
}

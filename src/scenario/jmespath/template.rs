//! Values in which texts in parentheses are expressions.
//!
//! Follows kyverno-json: a text that stands wholly in parentheses is an expression, one between backslashes
//! (`\(text)\`) is meant as it is written. `(jp; …)` names the language, which may be no other.

use serde_json::{Map, Value};

use super::{Expression, Scope, World};

/// Values nest no deeper than this.
const MAX_DEPTH: usize = 64;

/// The expression that a text is, if it is one.
pub fn expression(text: &str) -> Option<Result<Expression, String>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let language =
        inner.split_once(';').filter(|(l, _)| l.chars().all(|c| c.is_ascii_alphanumeric()));
    Some(match language {
        None => Expression::compile(inner),
        Some(("jp", rest)) => Expression::compile(rest),
        Some(("cel", _)) => Err(format!("{text}: CEL in chainsaw's expressions is not supported")),
        Some((other, _)) => Err(format!("{text}: there is no language {other:?}")),
    })
}

/// A text as it is meant that is no expression.
pub fn unescaped(text: &str) -> &str {
    text.strip_prefix('\\')
        .and_then(|t| t.strip_suffix('\\'))
        .filter(|t| !t.is_empty())
        .unwrap_or(text)
}

/// A value with its expressions computed.
///
/// # Errors
/// Why one cannot be.
pub fn filled(written: &Value, scope: &Scope, world: &dyn World) -> Result<Value, String> {
    fill(written, scope, world, 0)
}

fn fill(written: &Value, scope: &Scope, world: &dyn World, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("a template nests at most {MAX_DEPTH} levels"));
    }
    let text = |text: &str| match expression(text) {
        Some(expression) => expression?.search(&Value::Null, scope, world),
        None => Ok(unescaped(text).into()),
    };
    Ok(match written {
        Value::String(written) => text(written)?,
        Value::Array(items) => {
            let each = items.iter().map(|item| fill(item, scope, world, depth + 1));
            Value::Array(each.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let mut made = Map::new();
            for (key, value) in fields {
                let key = match text(key)? {
                    Value::String(key) => key,
                    other => return Err(format!("{key} comes to {other}, which is no key")),
                };
                made.insert(key, fill(value, scope, world, depth + 1)?);
            }
            Value::Object(made)
        }
        other => other.clone(),
    })
}

/// Checks that all expressions of a value can be read.
///
/// # Errors
/// Why one cannot be.
pub fn readable(written: &Value) -> Result<(), String> {
    let text = |text: &str| expression(text).map_or(Ok(()), |e| e.map(drop));
    match written {
        Value::String(written) => text(written),
        Value::Array(items) => items.iter().try_for_each(readable),
        Value::Object(fields) => {
            fields.iter().try_for_each(|(k, v)| text(k).and_then(|()| readable(v)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

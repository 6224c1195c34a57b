//! The functions, family by family.
//!
//! A family is a table of names with how many arguments each takes, and one function that computes them.

mod cluster;
mod lists;
mod numbers;
mod texts;

use serde_json::Value;

use super::eval::{Argument, Evaluation};
use super::parser::Node;
use crate::api::suggest;

/// A family's table: a name, and the least and most arguments.
type Table = &'static [(&'static str, usize, usize)];
/// Computes a function of a family.
type Compute = fn(&Evaluation<'_>, &str, Vec<Argument<'_>>) -> Result<Value, String>;

const FAMILIES: [(Table, Compute); 4] = [
    (lists::TABLE, lists::call),
    (texts::TABLE, texts::call),
    (numbers::TABLE, numbers::call),
    (cluster::TABLE, cluster::call),
];

/// Functions of kyverno and chainsaw that are known and not played.
pub(super) const UNSUPPORTED: [&str; 18] = [
    "env",
    "random",
    "semver_compare",
    "time_add",
    "time_after",
    "time_before",
    "time_between",
    "time_diff",
    "time_parse",
    "time_since",
    "time_to_cron",
    "time_truncate",
    "time_utc",
    "x_metrics_decode",
    "x509_decode",
    "sha256",
    "image_normalize",
    "is_external_url",
];

fn find(name: &str) -> Option<(usize, usize, Compute)> {
    FAMILIES.iter().find_map(|(table, compute)| {
        let (_, least, most) = table.iter().find(|(n, ..)| *n == name)?;
        Some((*least, *most, *compute))
    })
}

/// Holds the functions of an expression against those there are.
pub(super) fn known(root: &Node) -> Result<(), String> {
    let mut wrong = None;
    root.each(&mut |node| {
        let Node::Call(name, arguments) = node else { return };
        let why = match find(name) {
            Some((least, most, _)) if (least..=most).contains(&arguments.len()) => return,
            Some((least, most, _)) if least == most => format!("{name} takes {least} arguments"),
            Some((least, most, _)) => format!("{name} takes {least} to {most} arguments"),
            None if UNSUPPORTED.contains(&name.as_str()) => {
                format!("the function {name} is not supported")
            }
            None => {
                let all = FAMILIES.iter().flat_map(|(table, _)| table.iter().map(|(n, ..)| *n));
                let near = suggest::nearest(name, all);
                let hint = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
                format!("there is no function {name}{hint}")
            }
        };
        wrong.get_or_insert(why);
    });
    wrong.map_or(Ok(()), Err)
}

/// Computes a function.
pub(super) fn call(
    cx: &Evaluation<'_>,
    name: &str,
    arguments: Vec<Argument<'_>>,
) -> Result<Value, String> {
    match find(name) {
        Some((.., compute)) => compute(cx, name, arguments).map_err(|why| format!("{name}: {why}")),
        None => Err(format!("there is no function {name}")),
    }
}

/// The arguments as values.
fn values(arguments: Vec<Argument<'_>>) -> Result<Vec<Value>, String> {
    let value = |a| match a {
        Argument::Value(value) => Ok(value),
        Argument::Reference(_) => Err("it takes no &expression here".to_owned()),
    };
    arguments.into_iter().map(value).collect()
}

fn text(value: Option<&Value>) -> Result<&str, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{other} is no text")),
        None => Err("a text is missing".to_owned()),
    }
}

fn list(value: Option<&Value>) -> Result<&Vec<Value>, String> {
    match value {
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(format!("{other} is no list")),
        None => Err("a list is missing".to_owned()),
    }
}

fn integer(value: Option<&Value>) -> Result<i64, String> {
    let whole = |v: &Value| v.as_i64().or_else(|| super::eval::number(v.as_f64()?).as_i64());
    match value {
        Some(v) => whole(v).ok_or_else(|| format!("{v} is no whole number")),
        None => Err("a number is missing".to_owned()),
    }
}

/// The kind of a value, as JavaScript calls it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as text: a text as it is, others as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

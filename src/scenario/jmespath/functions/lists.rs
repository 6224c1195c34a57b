//! Functions of lists and objects.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::{Table, as_text, integer, kind, list, text, values};
use crate::scenario::jmespath::eval::{Argument, Evaluation, place, same};
use crate::scenario::jmespath::parser::Node;

pub(super) const TABLE: Table = &[
    ("at", 2, 2),
    ("contains", 2, 2),
    ("from_items", 1, 1),
    ("group_by", 2, 2),
    ("items", 1, 3),
    ("keys", 1, 1),
    ("length", 1, 1),
    ("lookup", 2, 2),
    ("map", 2, 2),
    ("max", 1, 1),
    ("max_by", 2, 2),
    ("merge", 1, 32),
    ("min", 1, 1),
    ("min_by", 2, 2),
    ("not_null", 1, 32),
    ("object_from_lists", 2, 2),
    ("reverse", 1, 1),
    ("sort", 1, 1),
    ("sort_by", 2, 2),
    ("to_array", 1, 1),
    ("type", 1, 1),
    ("values", 1, 1),
    ("zip", 1, 32),
];

pub(super) fn call(
    cx: &Evaluation<'_>,
    name: &str,
    arguments: Vec<Argument<'_>>,
) -> Result<Value, String> {
    match name {
        "map" | "group_by" | "max_by" | "min_by" | "sort_by" => by(cx, name, arguments),
        _ => plain(name, &values(arguments)?),
    }
}

/// Functions that apply an expression to each item.
fn by(cx: &Evaluation<'_>, name: &str, arguments: Vec<Argument<'_>>) -> Result<Value, String> {
    let mut node: Option<&Node> = None;
    let mut items = None;
    for argument in arguments {
        match argument {
            Argument::Reference(reference) => node = Some(reference),
            Argument::Value(value) => items = Some(value),
        }
    }
    let node = node.ok_or("an &expression is missing")?;
    let items = list(items.as_ref())?;
    let mut keyed = Vec::new();
    for item in items {
        keyed.push((cx.of(node, item)?, item.clone()));
    }
    if name == "map" {
        return Ok(keyed.into_iter().map(|(key, _)| key).collect());
    }
    if name == "group_by" {
        let mut groups = Map::new();
        for (key, item) in keyed {
            let group = groups.entry(as_text(&key)).or_insert_with(|| json!([]));
            if let Value::Array(group) = group {
                group.push(item);
            }
        }
        return Ok(Value::Object(groups));
    }
    comparable(keyed.iter().map(|(key, _)| key))?;
    keyed.sort_by(|(a, _), (b, _)| order(a, b));
    Ok(match name {
        "sort_by" => keyed.into_iter().map(|(_, item)| item).collect(),
        "min_by" => keyed.into_iter().next().map_or(Value::Null, |(_, item)| item),
        _ => {
            // Of several that are largest the first is meant.
            let most = keyed.last().map(|(key, _)| key.clone());
            let first =
                keyed.into_iter().find(|(key, _)| most.as_ref().is_some_and(|m| same(key, m)));
            first.map_or(Value::Null, |(_, item)| item)
        }
    })
}

/// Only numbers and only texts can be put in order.
fn comparable<'v>(mut all: impl Iterator<Item = &'v Value> + Clone) -> Result<(), String> {
    let numbers = all.clone().all(Value::is_number);
    if numbers || all.all(Value::is_string) {
        return Ok(());
    }
    Err("all must be numbers, or all texts".to_owned())
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) => x.total_cmp(&y),
        _ => a.as_str().cmp(&b.as_str()),
    }
}

fn plain(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = arguments.first();
    let null = Value::Null;
    let value = first.unwrap_or(&null);
    let fields = || value.as_object().ok_or_else(|| format!("{value} is no object"));
    Ok(match name {
        "at" => {
            let (items, at) = (list(first)?, integer(arguments.get(1))?);
            place(at, items.len()).and_then(|i| items.get(i)).cloned().unwrap_or(Value::Null)
        }
        "contains" => match value {
            Value::String(whole) => whole.contains(&as_text(&arguments[1])).into(),
            Value::Array(items) => items.iter().any(|i| same(i, &arguments[1])).into(),
            other => return Err(format!("{other} is neither text nor list")),
        },
        "from_items" => {
            let mut made = Map::new();
            for pair in list(first)? {
                let pair = list(Some(pair))?;
                made.insert(
                    text(pair.first())?.to_owned(),
                    pair.get(1).cloned().unwrap_or_default(),
                );
            }
            Value::Object(made)
        }
        "items" => items(value, &arguments[1..])?,
        "keys" => fields()?.keys().map(|k| Value::from(k.as_str())).collect(),
        "values" => fields()?.values().cloned().collect(),
        "length" => match value {
            Value::String(text) => text.chars().count().into(),
            Value::Array(items) => items.len().into(),
            Value::Object(fields) => fields.len().into(),
            other => return Err(format!("{other} has no length")),
        },
        "lookup" => match value {
            Value::Object(fields) => {
                fields.get(text(arguments.get(1))?).cloned().unwrap_or_default()
            }
            _ => return plain("at", arguments),
        },
        "max" | "min" | "sort" | "merge" => whole(name, arguments)?,
        "not_null" => arguments.iter().find(|v| !v.is_null()).cloned().unwrap_or_default(),
        "object_from_lists" => {
            let (keys, values) = (list(first)?, list(arguments.get(1))?);
            let value = |i: usize| values.get(i).cloned().unwrap_or_default();
            keys.iter().enumerate().map(|(i, k)| (as_text(k), value(i))).collect()
        }
        "reverse" => match value {
            Value::String(text) => text.chars().rev().collect::<String>().into(),
            _ => list(first)?.iter().rev().cloned().collect(),
        },
        "to_array" => match value {
            Value::Array(_) => value.clone(),
            other => json!([other]),
        },
        "type" => kind(value).into(),
        _ => {
            let lists = arguments.iter().map(|a| list(Some(a))).collect::<Result<Vec<_>, _>>()?;
            let shortest = lists.iter().map(|l| l.len()).min().unwrap_or(0);
            (0..shortest).map(|i| lists.iter().map(|l| l[i].clone()).collect::<Value>()).collect()
        }
    })
}

/// Functions of all items, or all arguments, at once.
fn whole(name: &str, arguments: &[Value]) -> Result<Value, String> {
    Ok(match name {
        "max" | "min" | "sort" => {
            let mut items = list(arguments.first())?.clone();
            comparable(items.iter())?;
            items.sort_by(order);
            match name {
                "sort" => Value::Array(items),
                "min" => items.first().cloned().unwrap_or_default(),
                _ => items.last().cloned().unwrap_or_default(),
            }
        }
        _ => {
            let mut made = Map::new();
            for each in arguments {
                let fields = each.as_object().ok_or_else(|| format!("{each} is no object"))?;
                made.extend(fields.clone());
            }
            Value::Object(made)
        }
    })
}

/// The fields of an object as pairs, or as objects with fields of these two names.
fn items(of: &Value, names: &[Value]) -> Result<Value, String> {
    let pairs: Vec<(Value, &Value)> = match of {
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.as_str().into(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.into(), v)).collect(),
        other => return Err(format!("{other} has no items")),
    };
    if names.is_empty() {
        return Ok(pairs.into_iter().map(|(key, value)| json!([key, value])).collect());
    }
    let (key, value) = (text(names.first())?, text(names.get(1))?);
    Ok(pairs.into_iter().map(|(k, v)| json!({key: k, value: v})).collect())
}

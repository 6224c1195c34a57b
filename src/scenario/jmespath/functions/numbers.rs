//! Functions of numbers.

use serde_json::Value;

use super::{Table, as_text, integer, list, values};
use crate::scenario::jmespath::eval::{Argument, Evaluation, arithmetic, number};

pub(super) const TABLE: Table = &[
    ("abs", 1, 1),
    ("add", 2, 2),
    ("avg", 1, 1),
    ("ceil", 1, 1),
    ("divide", 2, 2),
    ("floor", 1, 1),
    ("modulo", 2, 2),
    ("multiply", 2, 2),
    ("round", 2, 2),
    ("subtract", 2, 2),
    ("sum", 1, 1),
    ("to_number", 1, 1),
];

pub(super) fn call(
    _: &Evaluation<'_>,
    name: &str,
    arguments: Vec<Argument<'_>>,
) -> Result<Value, String> {
    let arguments = values(arguments)?;
    let sign = match name {
        "add" => "+",
        "subtract" => "-",
        "multiply" => "*",
        "divide" => "/",
        "modulo" => "%",
        _ => "",
    };
    if !sign.is_empty() {
        return arithmetic(sign, &arguments[0], &arguments[1]);
    }
    if let "sum" | "avg" = name {
        let items = list(arguments.first())?;
        let mut total = Value::from(0);
        for item in items {
            total = arithmetic("+", &total, item)?;
        }
        return match (name, items.len()) {
            ("sum", _) => Ok(total),
            (_, 0) => Ok(Value::Null),
            (_, n) => arithmetic("/", &total, &n.into()),
        };
    }
    if name == "to_number" {
        let read = as_text(&arguments[0]).trim().parse::<f64>().ok();
        return Ok(read.filter(|n| n.is_finite()).map_or(Value::Null, number));
    }
    let of = arguments[0].as_f64().ok_or_else(|| format!("{} is no number", arguments[0]))?;
    Ok(number(match name {
        "abs" => of.abs(),
        "ceil" => of.ceil(),
        "floor" => of.floor(),
        _ => {
            let places = i32::try_from(integer(arguments.get(1))?.clamp(0, 15)).unwrap_or(0);
            let by = 10_f64.powi(places);
            (of * by).round() / by
        }
    }))
}

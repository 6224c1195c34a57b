//! The functions that templates may call: Go's predeclared ones, and kubectl's two.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

use super::eval::{Found, shown, truth};
use crate::api::go_value;
use crate::api::schema::illegal_base64_at;

/// Whether there is a function of that name.
pub(super) fn known(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "or"
            | "not"
            | "len"
            | "index"
            | "slice"
            | "print"
            | "printf"
            | "println"
            | "html"
            | "urlquery"
            | "eq"
            | "ne"
            | "lt"
            | "le"
            | "gt"
            | "ge"
            | "exists"
            | "base64decode"
    )
}

/// The value of a function; `and` and `or` are not called, since they may not look at all arguments.
pub(super) fn call(name: &str, arguments: &[Found]) -> Result<Found, String> {
    let text = |text: String| Ok(Some(Value::from(text)));
    match name {
        "not" => Ok(Some((!truth(one(arguments)?)).into())),
        "len" => length(one(arguments)?),
        "index" => index(arguments),
        "slice" => slice(arguments),
        "print" => text(print(arguments, false)),
        "println" => text(print(arguments, true)),
        "printf" => text(printf(arguments)?),
        "html" => text(html(&print(arguments, false))),
        "urlquery" => text(query(&print(arguments, false))),
        "eq" => equal(arguments).map(|yes| Some(yes.into())),
        "ne" => equal(arguments).map(|yes| Some((!yes).into())),
        "lt" => order(arguments).map(|o| Some(o.is_lt().into())),
        "le" => order(arguments).map(|o| Some(o.is_le().into())),
        "gt" => order(arguments).map(|o| Some(o.is_gt().into())),
        "ge" => order(arguments).map(|o| Some(o.is_ge().into())),
        "exists" => Ok(Some(index(arguments).is_ok_and(|found| found.is_some()).into())),
        "base64decode" => text(base64(one(arguments)?)?),
        _ => Err("it is not modelled".to_owned()),
    }
}

fn one(arguments: &[Found]) -> Result<&Found, String> {
    match arguments {
        [one] => Ok(one),
        all => Err(format!("wrong number of args: want 1 got {}", all.len())),
    }
}

/// The Go type of a value, as error texts have it.
fn kind(value: &Found) -> &'static str {
    match value {
        None | Some(Value::Null) => "nil",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Number(n)) if n.is_f64() => "float64",
        Some(Value::Number(_)) => "int",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "[]interface {}",
        Some(Value::Object(_)) => "map[string]interface {}",
    }
}

fn length(of: &Found) -> Result<Found, String> {
    let length = match of {
        Some(Value::String(text)) => text.len(),
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(map)) => map.len(),
        other => return Err(format!("len of type {}", kind(other))),
    };
    Ok(Some(length.into()))
}

/// A whole number; a float that is one counts.
fn whole(value: &Found) -> Option<i64> {
    match value {
        Some(Value::Number(n)) if !n.is_f64() => n.as_i64(),
        _ => None,
    }
}

fn index(arguments: &[Found]) -> Result<Found, String> {
    let Some((of, keys)) = arguments.split_first() else {
        return Err("wrong number of args: want at least 1 got 0".to_owned());
    };
    let mut at = of.clone();
    for key in keys {
        at = match (at, key) {
            (Some(Value::Object(mut map)), Some(Value::String(key))) => map.shift_remove(key),
            (Some(Value::Array(items)), key) => {
                let i = whole(key)
                    .ok_or_else(|| format!("cannot index slice/array with type {}", kind(key)))?;
                let found = usize::try_from(i).ok().and_then(|i| items.get(i).cloned());
                Some(found.ok_or_else(|| format!("index out of range: {i}"))?)
            }
            (None | Some(Value::Null), _) => return Err("index of untyped nil".to_owned()),
            (other, _) => return Err(format!("can't index item of type {}", kind(&other))),
        };
    }
    Ok(at)
}

fn slice(arguments: &[Found]) -> Result<Found, String> {
    let (of, bounds) = arguments.split_first().ok_or("wrong number of args")?;
    let number = |i: usize, otherwise: usize| match bounds.get(i) {
        None => Ok(otherwise),
        Some(bound) => whole(bound)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| format!("cannot index slice/array with type {}", kind(bound))),
    };
    let outside = |i: usize| format!("index out of range: {i}");
    match of {
        Some(Value::String(text)) => {
            let (from, to) = (number(0, 0)?, number(1, text.len())?);
            Ok(Some(text.get(from..to).ok_or_else(|| outside(to))?.into()))
        }
        Some(Value::Array(items)) => {
            let (from, to) = (number(0, 0)?, number(1, items.len())?);
            Ok(Some(items.get(from..to).ok_or_else(|| outside(to))?.to_vec().into()))
        }
        other => Err(format!("can't slice item of type {}", kind(other))),
    }
}

/// `fmt.Sprint` puts spaces between operands of which neither is a text, `Sprintln` between all.
fn print(arguments: &[Found], line: bool) -> String {
    let mut out = String::new();
    for (i, argument) in arguments.iter().enumerate() {
        let is_text = |a: &Found| matches!(a, Some(Value::String(_)));
        if i > 0 && (line || (!is_text(argument) && !is_text(&arguments[i - 1]))) {
            out.push(' ');
        }
        out.push_str(&nil_shown(argument));
    }
    if line {
        out.push('\n');
    }
    out
}

/// A value as `%v` writes it.
fn nil_shown(value: &Found) -> String {
    value.as_ref().map_or_else(|| "<nil>".to_owned(), go_value::plain)
}

fn printf(arguments: &[Found]) -> Result<String, String> {
    let Some((Some(Value::String(format)), values)) = arguments.split_first() else {
        return Err("wrong type for value; expected string".to_owned());
    };
    let (mut out, mut values) = (String::new(), values.iter());
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = String::new();
        while let Some(f) = chars.next_if(|c| "-+# 0123456789.".contains(*c)) {
            flags.push(f);
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                None => drop(write!(out, "%!{verb}(MISSING)")),
                Some(value) => out.push_str(&padded(&verbed(verb, &flags, value), &flags)),
            },
        }
    }
    let extra: Vec<String> = values.map(|v| format!("{}={}", kind(v), nil_shown(v))).collect();
    if !extra.is_empty() {
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(out)
}

fn verbed(verb: char, flags: &str, value: &Found) -> String {
    let precision: Option<usize> =
        flags.split_once('.').map(|(_, p)| p.parse().unwrap_or(0).min(1000));
    match (verb, value) {
        ('v', value) => nil_shown(value),
        ('s', Some(Value::String(text))) => match precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.clone(),
        },
        ('q', Some(Value::String(text))) => format!("{text:?}"),
        ('t', Some(Value::Bool(on))) => on.to_string(),
        ('d', Some(Value::Number(n))) if !n.is_f64() => n.to_string(),
        ('x', Some(Value::Number(n))) if !n.is_f64() => format!("{:x}", n.as_i64().unwrap_or(0)),
        ('f' | 'F', Some(Value::Number(n))) if n.is_f64() => {
            format!("{:.*}", precision.unwrap_or(6), n.as_f64().unwrap_or(0.0))
        }
        ('g', Some(Value::Number(n))) if n.is_f64() => go_value::float(n.as_f64().unwrap_or(0.0)),
        (_, None | Some(Value::Null)) => format!("%!{verb}(<nil>)"),
        (_, value) => format!("%!{verb}({}={})", kind(value), shown(value)),
    }
}

fn padded(text: &str, flags: &str) -> String {
    let left = flags.contains('-');
    let digits =
        flags.split('.').next().unwrap_or_default().trim_start_matches(['-', '+', '#', ' ']);
    let zeros = digits.starts_with('0') && !left;
    let width = digits.parse::<usize>().unwrap_or(0).min(1000);
    let missing = width.saturating_sub(text.chars().count());
    let pad = if zeros { "0" } else { " " }.repeat(missing);
    if left { format!("{text}{pad}") } else { format!("{pad}{text}") }
}

fn html(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn query(text: &str) -> String {
    let byte = |b: u8| match b {
        b' ' => "+".to_owned(),
        b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Whether the first value is one of the others.
fn equal(arguments: &[Found]) -> Result<bool, String> {
    let Some((first, others)) = arguments.split_first().filter(|(_, o)| !o.is_empty()) else {
        return Err("missing argument for comparison".to_owned());
    };
    for other in others {
        let same = match (first, other) {
            (None | Some(Value::Null), None | Some(Value::Null)) => true,
            (None | Some(Value::Null), _) | (_, None | Some(Value::Null)) => false,
            (a, b) if kind(a) != kind(b) => {
                return Err("incompatible types for comparison".to_owned());
            }
            (Some(Value::Array(_) | Value::Object(_)), _) => {
                return Err("non-comparable type".to_owned());
            }
            (a, b) => a == b,
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn order(arguments: &[Found]) -> Result<Ordering, String> {
    let [a, b] = arguments else {
        return Err(format!("wrong number of args: want 2 got {}", arguments.len()));
    };
    match (a, b) {
        (a, b) if kind(a) != kind(b) => Err("incompatible types for comparison".to_owned()),
        (Some(Value::String(a)), Some(Value::String(b))) => Ok(a.cmp(b)),
        (Some(Value::Number(a)), Some(Value::Number(b))) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            _ => {
                let (a, b) = (a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0));
                Ok(a.total_cmp(&b))
            }
        },
        _ => Err("invalid type for comparison".to_owned()),
    }
}

fn base64(of: &Found) -> Result<String, String> {
    let Some(Value::String(text)) = of else {
        return Err(format!("wrong type for value; expected string; got {}", kind(of)));
    };
    if let Some(at) = illegal_base64_at(text) {
        return Err(format!("base64 decode failed: illegal base64 data at input byte {at}"));
    }
    let digit = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for value in text.bytes().filter_map(digit) {
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap_or(0));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

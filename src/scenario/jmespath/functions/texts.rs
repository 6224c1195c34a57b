//! Functions of texts.

use regex::Regex;
use serde_json::Value;

use super::{Table, as_text, integer, list, text, values};
use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::tree::Tree;
use crate::base::wildcard;
use crate::scenario::jmespath::eval::{Argument, Evaluation};

pub(super) const TABLE: Table = &[
    ("as_string", 1, 1),
    ("base64_decode", 1, 1),
    ("base64_encode", 1, 1),
    ("compare", 2, 2),
    ("concat", 2, 2),
    ("ends_with", 2, 2),
    ("equal_fold", 2, 2),
    ("find_first", 2, 4),
    ("find_last", 2, 4),
    ("join", 2, 2),
    ("json_parse", 1, 1),
    ("label_match", 2, 2),
    ("lower", 1, 1),
    ("pad_left", 2, 3),
    ("pad_right", 2, 3),
    ("parse_json", 1, 1),
    ("parse_yaml", 1, 1),
    ("path_canonicalize", 1, 1),
    ("pattern_match", 2, 2),
    ("regex_match", 2, 2),
    ("regex_replace_all", 3, 3),
    ("regex_replace_all_literal", 3, 3),
    ("replace", 3, 4),
    ("replace_all", 3, 3),
    ("split", 2, 3),
    ("starts_with", 2, 2),
    ("to_boolean", 1, 1),
    ("to_lower", 1, 1),
    ("to_string", 1, 1),
    ("to_upper", 1, 1),
    ("trim", 1, 2),
    ("trim_left", 1, 2),
    ("trim_prefix", 2, 2),
    ("trim_right", 1, 2),
    ("trim_space", 1, 1),
    ("truncate", 2, 2),
    ("upper", 1, 1),
    ("wildcard", 2, 2),
];

/// No text may be padded to more than this.
const MAX_WIDTH: usize = 10_000;

pub(super) fn call(
    _: &Evaluation<'_>,
    name: &str,
    arguments: Vec<Argument<'_>>,
) -> Result<Value, String> {
    let arguments = values(arguments)?;
    match name {
        "join" => {
            let parts = list(arguments.get(1))?;
            let parts = parts.iter().map(|p| text(Some(p))).collect::<Result<Vec<_>, _>>()?;
            return Ok(parts.join(text(arguments.first())?).into());
        }
        "to_string" | "as_string" => return Ok(as_text(&arguments[0]).into()),
        "label_match" => {
            let labels = |v: &Value| v.as_object().cloned().ok_or(format!("{v} is no object"));
            let (wanted, has) = (labels(&arguments[0])?, labels(&arguments[1])?);
            return Ok(wanted.iter().all(|(k, v)| has.get(k) == Some(v)).into());
        }
        "regex_match" | "regex_replace_all" | "regex_replace_all_literal" => {
            return by_pattern(name, &arguments);
        }
        "find_first" | "find_last" | "pad_left" | "pad_right" | "truncate" | "replace"
        | "split" => {
            return counted(name, &arguments);
        }
        _ => {}
    }
    let one = text(arguments.first())?;
    let two = || text(arguments.get(1));
    Ok(match name {
        "base64_encode" => encoded(one.as_bytes()).into(),
        "base64_decode" => String::from_utf8_lossy(&decoded(one)?).into_owned().into(),
        "compare" => (one.cmp(two()?) as i8).into(),
        "concat" => format!("{one}{}", two()?).into(),
        "ends_with" => one.ends_with(two()?).into(),
        "starts_with" => one.starts_with(two()?).into(),
        "equal_fold" => (one.to_lowercase() == two()?.to_lowercase()).into(),
        "json_parse" | "parse_json" => {
            serde_json::from_str(one).map_err(|e| format!("{one:?} is no JSON: {e}"))?
        }
        "parse_yaml" => yaml(one)?,
        "lower" | "to_lower" => one.to_lowercase().into(),
        "upper" | "to_upper" => one.to_uppercase().into(),
        "path_canonicalize" => canonical(one).into(),
        "pattern_match" | "wildcard" => wildcard::fits(one, two()?).into(),
        "replace_all" => one.replace(two()?, text(arguments.get(2))?).into(),
        "to_boolean" => match one.to_lowercase().as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(format!("{one:?} is neither true nor false")),
        },
        "trim" | "trim_left" | "trim_right" => {
            let set = arguments.get(1).map_or(Ok(" \t\r\n"), |v| text(Some(v)))?;
            let is = |c: char| set.contains(c);
            match name {
                "trim" => one.trim_matches(is),
                "trim_left" => one.trim_start_matches(is),
                _ => one.trim_end_matches(is),
            }
            .into()
        }
        "trim_prefix" => one.strip_prefix(two()?).unwrap_or(one).into(),
        _ => one.trim().into(),
    })
}

fn by_pattern(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let pattern = text(arguments.first())?;
    let pattern =
        Regex::new(pattern).map_err(|_| format!("{pattern:?} is no regular expression"))?;
    let subject = as_text(&arguments[1]);
    if name == "regex_match" {
        return Ok(pattern.is_match(&subject).into());
    }
    let with = as_text(&arguments[2]);
    Ok(if name == "regex_replace_all" {
        pattern.replace_all(&subject, with.as_str()).into_owned().into()
    } else {
        pattern.replace_all(&subject, regex::NoExpand(&with)).into_owned().into()
    })
}

/// Functions of texts that take a number.
fn counted(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let one = text(arguments.first())?;
    let count = |i: usize| {
        let n = integer(arguments.get(i))?;
        usize::try_from(n).map_err(|_| format!("{n} is below 0"))
    };
    Ok(match name {
        "find_first" | "find_last" => {
            let chars: Vec<char> = one.chars().collect();
            let from = if arguments.len() > 2 { count(2)? } else { 0 }.min(chars.len());
            let to = if arguments.len() > 3 { count(3)? } else { chars.len() }.min(chars.len());
            let within: String = chars.get(from..to).unwrap_or_default().iter().collect();
            let wanted = text(arguments.get(1))?;
            let at = if name == "find_first" { within.find(wanted) } else { within.rfind(wanted) };
            at.map_or(Value::Null, |at| (from + within[..at].chars().count()).into())
        }
        "pad_left" | "pad_right" => {
            let width = count(1)?;
            if width > MAX_WIDTH {
                return Err(format!("a text is padded to {MAX_WIDTH} characters at most"));
            }
            let with = arguments.get(2).map_or(Ok(" "), |v| text(Some(v)))?;
            let missing = with.repeat(width.saturating_sub(one.chars().count()));
            if name == "pad_left" { format!("{missing}{one}") } else { format!("{one}{missing}") }
                .into()
        }
        "truncate" => one.chars().take(count(1)?).collect::<String>().into(),
        "replace" => {
            let (old, new) = (text(arguments.get(1))?, text(arguments.get(2))?);
            match arguments.get(3) {
                Some(n) if integer(Some(n))? >= 0 => one.replacen(old, new, count(3)?).into(),
                _ => one.replace(old, new).into(),
            }
        }
        _ => {
            let by = text(arguments.get(1))?;
            let limit = if arguments.len() > 2 { count(2)? + 1 } else { usize::MAX };
            if by.is_empty() {
                return Ok(one.chars().map(|c| Value::from(c.to_string())).collect());
            }
            one.splitn(limit, by).map(Value::from).collect()
        }
    })
}

fn yaml(written: &str) -> Result<Value, String> {
    let mut documents = read_documents(written, &Limits::default()).into_iter();
    match documents.next() {
        None => Ok(Value::Null),
        Some(Ok(document)) if document.tree.is_empty() => Ok(Value::Null),
        Some(Ok(document)) => Ok(document.tree.value(Tree::ROOT)),
        Some(Err(error)) => Err(format!("it is no YAML: {}", error.problem)),
    }
}

/// A path without `.`, `..` and doubled slashes.
fn canonical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match path.starts_with('/') {
        true => format!("/{joined}"),
        false if joined.is_empty() => ".".to_owned(),
        false => joined,
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4_usize {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{text:?} is no base64");
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.trim().trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|d| *d == digit).ok_or_else(wrong)?;
        bits = bits << 6 | u32::try_from(value).map_err(|_| wrong())?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 255).map_err(|_| wrong())?);
        }
    }
    Ok(bytes)
}

//! Values as Go's YAML writer prints them: keys in order, texts quoted only where they have to be.
//!
//! After `sigs.k8s.io/yaml/goyaml.v2`: a text that would be read as something else stands in double
//! quotes, one that cannot stand bare in single quotes, one of several lines as a block.

use serde_json::Value;

use crate::api::limits::Limits;
use crate::api::tree::Tree;
use crate::api::yaml;

/// In which order the keys of a mapping are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// By name, as kubectl prints them.
    Sorted,
    /// As they stand.
    Kept,
}

/// A value as a document, without a leading `---`. Documents are bounded in depth, so this may recurse.
pub fn write(value: &Value, keys: Keys) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(fields, 0, false, keys, &mut out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, keys, &mut out),
        scalar => {
            out.push_str(&inline(scalar, 2));
            out.push('\n');
        }
    }
    out
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', depth));
}

/// The entries of a mapping; `begun` where the first stands behind a dash.
fn mapping(
    fields: &serde_json::Map<String, Value>,
    depth: usize,
    begun: bool,
    keys: Keys,
    out: &mut String,
) {
    let mut names: Vec<&String> = fields.keys().collect();
    if keys == Keys::Sorted {
        names.sort();
    }
    for (i, key) in names.into_iter().enumerate() {
        if i > 0 || !begun {
            indent(depth, out);
        }
        out.push_str(&text(key, depth));
        out.push(':');
        match &fields[key] {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(inner, depth + 2, false, keys, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                sequence(items, depth, keys, out);
            }
            scalar => {
                out.push(' ');
                out.push_str(&inline(scalar, depth + 2));
                out.push('\n');
            }
        }
    }
}

fn sequence(items: &[Value], depth: usize, keys: Keys, out: &mut String) {
    for item in items {
        indent(depth, out);
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => mapping(inner, depth + 2, true, keys, out),
            Value::Array(inner) if !inner.is_empty() => {
                let mut below = String::new();
                sequence(inner, depth + 2, keys, &mut below);
                out.push_str(below.trim_start());
            }
            scalar => {
                out.push_str(&inline(scalar, depth + 2));
                out.push('\n');
            }
        }
    }
}

fn inline(value: &Value, depth: usize) -> String {
    match value {
        Value::String(t) => text(t, depth),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

fn text(value: &str, depth: usize) -> String {
    let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{feff}';
    if value.contains(odd) {
        return double(value);
    }
    if value.contains('\n') {
        return block(value, depth);
    }
    match read_as(value) {
        Read::Itself if !value.ends_with(' ') && !value.starts_with(' ') => value.to_owned(),
        Read::Other => double(value),
        Read::Itself | Read::Unreadable => format!("'{}'", value.replace('\'', "''")),
    }
}

/// What a bare text is read as.
enum Read {
    Itself,
    /// Another scalar: a number, a switch, nothing, a time.
    Other,
    Unreadable,
}

fn read_as(value: &str) -> Read {
    const OLD_SWITCHES: [&str; 12] =
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "off"];
    let sixties = value.contains(':') && value.chars().all(|c| c.is_ascii_digit() || c == ':');
    if value.is_empty() || OLD_SWITCHES.contains(&value) || sixties || is_time(value) {
        return Read::Other;
    }
    if matches!(value, "No" | "NO" | "Off" | "OFF" | "<<") {
        return Read::Other;
    }
    let Ok(document) = yaml::read_document(value, &Limits::default()) else {
        return Read::Unreadable;
    };
    match document.tree.value(Tree::ROOT) {
        Value::String(read) if read == value => Read::Itself,
        Value::String(_) | Value::Object(_) | Value::Array(_) => Read::Unreadable,
        // A comment is read as nothing, and so is nothing itself.
        Value::Null if value.starts_with('#') => Read::Unreadable,
        Value::Null | Value::Bool(_) | Value::Number(_) => Read::Other,
    }
}

/// Whether a text begins as a date does.
fn is_time(value: &str) -> bool {
    let parts: Vec<&str> =
        value.split(['T', 't', ' ']).next().unwrap_or_default().split('-').collect();
    let digits = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit());
    matches!(parts.as_slice(), [y, m, d] if y.len() == 4 && digits(y) && digits(m) && digits(d))
}

fn double(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text of several lines, each indented.
fn block(value: &str, depth: usize) -> String {
    let body = value.trim_end_matches('\n');
    let ends = value.len() - body.len();
    let mark = match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    let hint = if value.starts_with([' ', '\n']) { "2" } else { "" };
    let mut out = format!("|{hint}{}", &mark[1..]);
    let kept = if ends > 1 { &value[..value.len() - 1] } else { body };
    for line in kept.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(depth, &mut out);
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        for (value, written) in [
            ("web", "web"),
            ("1", "\"1\""),
            ("true", "\"true\""),
            ("yes", "\"yes\""),
            ("<<", "\"<<\""),
            ("", "\"\""),
            ("null", "\"null\""),
            ("2026-01-01T00:00:00Z", "\"2026-01-01T00:00:00Z\""),
            ("1.5", "\"1.5\""),
            ("25%", "25%"),
            ("a: b", "'a: b'"),
            ("*", "'*'"),
            ("# no", "'# no'"),
            ("it's", "it's"),
            ("{.a}", "'{.a}'"),
            ("a\tb", "\"a\\tb\""),
            ("100m", "100m"),
        ] {
            assert_eq!(text(value, 0), written, "{value:?}");
        }
    }

    #[test]
    fn lists_stand_at_the_depth_of_their_keys() {
        let value = json!({"b": [{"x": 1, "a": "t"}, 2], "a": {"k": []}, "c": "l1\nl2\n"});
        assert_eq!(
            write(&value, Keys::Sorted),
            "a:\n  k: []\nb:\n- a: t\n  x: 1\n- 2\nc: |\n  l1\n  l2\n"
        );
        assert_eq!(write(&json!({}), Keys::Kept), "{}\n");
    }
}

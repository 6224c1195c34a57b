//! KYAML, the form of YAML that `-o kyaml` prints: braces and brackets, texts in quotes, commas after everything.
//!
//! After `sigs.k8s.io/yaml/kyaml` as kubectl calls it (`k8s.io/cli-runtime/pkg/printers/kyaml.go`). Keys stand in
//! the order of their names, as Go's encoder of maps has them, and without quotes where nothing could be mistaken;
//! a text of several lines is folded, a line of its each. What has comments or aliases is never written here.

use std::fmt::Write as _;

use serde_json::Value;

use super::go::Keys;

/// How a line within a text is continued on the next.
const FOLD: &str = "\\\n";

/// A document with its header, keys in the order that is asked for.
pub fn write(value: &Value, keys: Keys) -> String {
    let mut out = String::from("---\n");
    node(value, 0, keys, &mut out);
    out.push('\n');
    out
}

/// A value at the place where the text stands; lines below it are indented by `depth`.
fn node(value: &Value, depth: usize, keys: Keys, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => quoted(text, depth + 1, true, out),
        Value::Array(items) => list(items, depth, keys, out),
        Value::Object(fields) if fields.is_empty() => out.push_str("{}"),
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            if keys == Keys::Sorted {
                fields.sort_by_key(|(name, _)| *name);
            }
            out.push_str("{\n");
            for (name, value) in fields {
                indent(depth + 1, out);
                match is_plain(name) {
                    true => out.push_str(name),
                    false => quoted(name, depth + 1, false, out),
                }
                out.push_str(": ");
                node(value, depth + 1, keys, out);
                out.push_str(",\n");
            }
            indent(depth, out);
            out.push('}');
        }
    }
}

/// A list: brackets stand together where it holds nothing but lists and maps.
fn list(items: &[Value], depth: usize, keys: Keys, out: &mut String) {
    if items.is_empty() {
        out.push_str("[]");
        return;
    }
    if items.iter().all(|item| item.is_array() || item.is_object()) {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            out.push_str(if i > 0 { ", " } else { "" });
            node(item, depth, keys, out);
        }
        out.push(']');
        return;
    }
    out.push_str("[\n");
    for item in items {
        indent(depth + 1, out);
        node(item, depth + 1, keys, out);
        out.push_str(",\n");
    }
    indent(depth, out);
    out.push(']');
}

fn indent(depth: usize, out: &mut String) {
    (0..depth).for_each(|_| out.push_str("  "));
}

/// A text in quotes; where it has lines and may be `folded`, a line of its is a line here.
fn quoted(text: &str, depth: usize, folded: bool, out: &mut String) {
    let folded = folded && text.contains('\n');
    out.push('"');
    if folded {
        out.push_str(FOLD);
    }
    let mut fresh = folded;
    for c in text.chars() {
        if fresh {
            indent(depth, out);
            // What a parser would take for indentation is escaped; other lines are set off by as much.
            out.push(if c.is_whitespace() && c != '\n' { '\\' } else { ' ' });
        }
        fresh = folded && c == '\n';
        escaped(c, out);
        if fresh {
            out.push_str(FOLD);
        }
    }
    if folded {
        if !fresh {
            out.push_str(FOLD);
        }
        indent(depth, out);
    }
    out.push('"');
}

fn escaped(c: char, out: &mut String) {
    let short = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        '\0' => "\\0",
        '\u{1b}' => "\\e",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        // Writing to a string cannot fail.
        c if u32::from(c) < 0x20 || c == '\u{7f}' => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
            return;
        }
        c if c.is_control() => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
            return;
        }
        c => {
            out.push(c);
            return;
        }
    };
    out.push_str(short);
}

/// Whether a key needs no quotes: letters, digits and `_`, within it `-`, `.` and `/` too, and nothing that could
/// be read as anything but a text.
fn is_plain(key: &str) -> bool {
    let last = key.chars().count().saturating_sub(1);
    let fits = |(i, c): (usize, char)| {
        c.is_alphanumeric() || c == '_' || (i > 0 && i < last && matches!(c, '-' | '.' | '/'))
    };
    !key.is_empty() && key.chars().enumerate().all(fits) && !is_ambiguous(key)
}

/// Whether a parser of YAML might read a bare text as no text (`isTypeAmbiguous`).
fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 13] =
        ["null", "true", "false", "t", "f", "y", "yes", "on", "n", "no", "off", "inf", "nan"];
    let word = text.to_lowercase();
    WORDS.contains(&word.as_str())
        || word == "infinity"
        || is_number(&text.replace('_', ""))
        || is_date(text)
}

/// Numbers in any of Go's notations, without a sign, which is no part of a plain key.
fn is_number(text: &str) -> bool {
    let all =
        |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let lower = text.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)];
    prefixed
        .iter()
        .any(|(prefix, radix)| lower.strip_prefix(prefix).is_some_and(|d| all(d, *radix)))
        || (lower.starts_with(|c: char| c.is_ascii_digit()) && lower.parse::<f64>().is_ok())
}

/// `2006-1-2`: a year of four digits, a month and a day.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, most: u32| {
        matches!(part.len(), 1 | 2) && part.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n))
    };
    match parts.as_slice() {
        [year, month, day] => {
            year.len() == 4
                && year.chars().all(|c| c.is_ascii_digit())
                && number(month, 12)
                && number(day, 31)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_lists_and_texts_are_written_as_kubectl_writes_them() {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "labels": {"no": "1", "app.kubernetes.io/name": "web", "2024-01-02": "x", "12": "y", "-a": ""}},
            "spec": {"containers": [{"name": "a", "args": ["-x", "say \"hi\""]}, {"name": "b", "ports": []}], "volumes": null},
            "status": {},
        });
        let text = "---\n{\n  apiVersion: \"v1\",\n  kind: \"Pod\",\n  metadata: {\n    labels: {\n      \"-a\": \"\",\n      \"12\": \"y\",\n      \"2024-01-02\": \"x\",\n      app.kubernetes.io/name: \"web\",\n      \"no\": \"1\",\n    },\n    name: \"web\",\n  },\n  spec: {\n    containers: [{\n      args: [\n        \"-x\",\n        \"say \\\"hi\\\"\",\n      ],\n      name: \"a\",\n    }, {\n      name: \"b\",\n      ports: [],\n    }],\n    volumes: null,\n  },\n  status: {},\n}\n";
        assert_eq!(write(&object, Keys::Sorted), text);
    }

    #[test]
    fn a_text_of_several_lines_is_folded_and_reads_back_as_it_was() {
        let text = "first\n  second\n\nlast\ttab";
        let object = json!({ "data": {"a.txt": text, "b.txt": "one\n"} });
        let written = write(&object, Keys::Sorted);
        assert_eq!(
            written,
            "---\n{\n  data: {\n    a.txt: \"\\\n       first\\n\\\n      \\  second\\n\\\n       \\n\\\n       last\\ttab\\\n      \",\n    b.txt: \"\\\n       one\\n\\\n      \",\n  },\n}\n"
        );
        let back: serde_json::Value = serde_yaml::from_str(&written).unwrap();
        assert_eq!(back, object);
    }
}

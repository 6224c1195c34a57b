//! Diagnostics for other programs: JSON for editors, SARIF 2.1.0 for code scanning.

use serde_json::{Map, Value, json};

use super::{Code, Diagnostic, Location, Severity};
use crate::api::source::Place;

/// All of `diagnostics` as one JSON document: `{"diagnostics": [...]}`.
///
/// Each has `severity`, `code`, `message` and, where they are known, `file`, `line`, `column`,
/// `endLine`, `endColumn` (from 1, in characters, the end being the place after the last character),
/// `object`, `path`, `server`, `expected`, `note`, `hint` and `related`.
pub fn to_json(diagnostics: &[Diagnostic]) -> Value {
    json!({"diagnostics": diagnostics.iter().map(one).collect::<Vec<_>>()})
}

fn one(diagnostic: &Diagnostic) -> Value {
    let mut object = Map::new();
    object.insert("severity".into(), diagnostic.severity.as_str().into());
    object.insert("code".into(), diagnostic.code.as_str().into());
    object.insert("message".into(), diagnostic.message.as_str().into());
    if let Some(location) = &diagnostic.location {
        insert_location(&mut object, location);
    }
    let texts = [
        ("object", &diagnostic.object),
        ("path", &diagnostic.path),
        ("server", &diagnostic.server),
        ("expected", &diagnostic.expected),
        ("note", &diagnostic.note),
        ("hint", &diagnostic.hint),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            object.insert(name.into(), text.as_str().into());
        }
    }
    if !diagnostic.related.is_empty() {
        let related = diagnostic.related.iter().map(|(location, why)| {
            let mut object = Map::new();
            object.insert("message".into(), why.as_str().into());
            insert_location(&mut object, location);
            Value::Object(object)
        });
        object.insert("related".into(), related.collect());
    }
    Value::Object(object)
}

fn insert_location(object: &mut Map<String, Value>, location: &Location) {
    let (start, end) = extent(location);
    object.insert("file".into(), location.source.name().into());
    object.insert("line".into(), start.line.into());
    object.insert("column".into(), start.column.into());
    object.insert("endLine".into(), end.line.into());
    object.insert("endColumn".into(), end.column.into());
}

fn extent(location: &Location) -> (Place, Place) {
    (location.place(), location.source.place(location.span.end))
}

/// All of `diagnostics` as a SARIF 2.1.0 log with one run.
pub fn to_sarif(diagnostics: &[Diagnostic]) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.as_str(),
                "shortDescription": {"text": code.description()},
                "defaultConfiguration": {"level": level(code.severity())},
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "wavetank",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": diagnostics.iter().map(sarif_result).collect::<Vec<_>>(),
        }],
    })
}

fn sarif_result(diagnostic: &Diagnostic) -> Value {
    let mut text = diagnostic.message.clone();
    let parts = [
        ("expected", &diagnostic.expected),
        ("note", &diagnostic.note),
        ("hint", &diagnostic.hint),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            text.push('\n');
            text.push_str(name);
            text.push_str(": ");
            text.push_str(part);
        }
    }
    let index = Code::ALL.iter().position(|code| *code == diagnostic.code).unwrap_or(0);
    let locations: Vec<Value> =
        diagnostic.location.iter().map(|l| sarif_location(l, None)).collect();
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|(location, why)| sarif_location(location, Some(why)))
        .collect();
    let mut result = json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": index,
        "level": level(diagnostic.severity),
        "message": {"text": text},
        "locations": locations,
    });
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

fn sarif_location(location: &Location, message: Option<&String>) -> Value {
    let (start, end) = extent(location);
    let mut value = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(location.source.name())},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        },
    });
    if let Some(message) = message {
        value["message"] = json!({"text": message});
    }
    value
}

fn level(severity: Severity) -> &'static str {
    severity.as_str()
}

/// A path as a relative URI: what is not allowed in one is escaped, `\` becomes `/`.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'\\' => uri.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            byte => uri.extend([String::from("%"), format!("{byte:02X}")]),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::source::{Source, Span};

    fn sample() -> Diagnostic {
        let source = Source::new("a b/web.yaml", "spec:\n  replica: 3\n");
        Diagnostic::new(Code::UnknownField, "unknown field \"spec.replica\"")
            .at(&source, Span::new(8, 15))
            .path("spec.replica")
    }

    #[test]
    fn json_has_the_place_from_one() {
        assert_eq!(
            to_json(&[sample()]),
            json!({"diagnostics": [{
                "severity": "error",
                "code": "unknown-field",
                "message": "unknown field \"spec.replica\"",
                "file": "a b/web.yaml",
                "line": 2, "column": 3, "endLine": 2, "endColumn": 10,
                "path": "spec.replica",
            }]})
        );
    }

    #[test]
    fn sarif_results_name_their_rule_and_a_valid_uri() {
        let log = to_sarif(&[sample()]);
        let result = &log["runs"][0]["results"][0];
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/web.yaml");
        assert_eq!(place["region"]["startColumn"], 3);
    }
}

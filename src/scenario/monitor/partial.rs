//! Parts of objects: whether an object has them, and where it differs.
//!
//! A mapping has a part if it has each of the part's fields; a list if both have equally many items and each
//! has its part, in order. Where the part's items all have a `type` or a `name`, as conditions and containers
//! have, they are paired by it and the list may hold more. A `null` is had by what is absent. In
//! `metadata.name` a `*` stands for any characters; numbers equal the texts that they are written as where
//! the API takes either.

use serde_json::{Map, Value};

/// So many differences are told.
const TOLD: usize = 5;

/// Whether `object` has `part`. Documents are bounded in depth, so this may recurse.
pub fn has(object: &Value, part: &Value) -> bool {
    match (object, part) {
        (Value::Object(object), Value::Object(part)) => has_fields(object, part),
        (Value::Array(items), Value::Array(parts)) => match paired_by(parts) {
            Some(key) => parts
                .iter()
                .all(|part| items.iter().any(|item| item[key] == part[key] && has(item, part))),
            None => items.len() == parts.len() && items.iter().zip(parts).all(|(i, p)| has(i, p)),
        },
        (Value::Null, Value::Array(parts)) => parts.is_empty(),
        (Value::Null, Value::Object(part)) => part.values().all(|p| has(&Value::Null, p)),
        _ => same(object, part),
    }
}

fn has_fields(object: &Map<String, Value>, part: &Map<String, Value>) -> bool {
    part.iter().all(|(key, part)| has(object.get(key).unwrap_or(&Value::Null), part))
}

/// The key by which all items of a part can be told apart.
fn paired_by(parts: &[Value]) -> Option<&'static str> {
    let all_have = |key: &&str| !parts.is_empty() && parts.iter().all(|p| p[*key].is_string());
    ["type", "name"].into_iter().find(all_have)
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_i64().is_some() && a.as_i64() == b.as_i64()
        }
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text)) => number.to_string() == *text,
        _ => a == b,
    }
}

/// Where `object` does not have `part`: `status.readyReplicas is 1, not 3`.
pub fn differences(object: &Value, part: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ(object, part, &mut String::new(), &mut found);
    if found.len() > TOLD {
        let more = found.len() - TOLD;
        found.truncate(TOLD);
        found.push(format!("and {more} more differences"));
    }
    found
}

fn differ(object: &Value, part: &Value, path: &mut String, found: &mut Vec<String>) {
    let before = path.len();
    match (object, part) {
        (Value::Object(_) | Value::Null, Value::Object(parts)) => {
            for (key, part) in parts {
                if before > 0 {
                    path.push('.');
                }
                path.push_str(key);
                differ(object.get(key).unwrap_or(&Value::Null), part, path, found);
                path.truncate(before);
            }
        }
        (Value::Array(items), Value::Array(parts)) => match paired_by(parts) {
            Some(key) => {
                for part in parts {
                    let name = part[key].as_str().unwrap_or_default();
                    path.push_str(&format!("[{name}]"));
                    match items.iter().find(|item| item[key] == part[key]) {
                        Some(item) => differ(item, part, path, found),
                        None => found.push(format!("{path} is not there")),
                    }
                    path.truncate(before);
                }
            }
            None if items.len() != parts.len() => {
                found.push(format!("{path} has {} items, not {}", items.len(), parts.len()));
            }
            None => {
                for (i, (item, part)) in items.iter().zip(parts).enumerate() {
                    path.push_str(&format!("[{i}]"));
                    differ(item, part, path, found);
                    path.truncate(before);
                }
            }
        },
        _ if has(object, part) => {}
        (Value::Null, _) => found.push(format!("{path} is not set, it should be {part}")),
        _ => found.push(format!("{path} is {}, not {part}", short(object))),
    }
}

/// A value in a line.
fn short(value: &Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_has_a_part_if_it_has_each_of_its_fields() {
        let object = json!({"a": {"b": 1, "c": "x"}, "list": [1, 2],
            "conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]});
        let check = |part: Value, wanted: bool| assert_eq!(has(&object, &part), wanted, "{part}");
        check(json!({}), true);
        check(json!({"a": {"b": 1}}), true);
        check(json!({"a": {"b": 2}}), false);
        check(json!({"a": {"d": null}}), true);
        check(json!({"a": {"b": null}}), false);
        check(json!({"list": [1, 2]}), true);
        check(json!({"list": [1]}), false);
        check(json!({"list": []}), false);
        check(json!({"conditions": [{"type": "B", "status": "False"}]}), true);
        check(json!({"conditions": [{"type": "B", "status": "True"}]}), false);
        check(json!({"conditions": [{"type": "C"}]}), false);
        check(json!({"none": []}), true);
        check(json!({"none": {"deep": {"x": null}}}), true);
        check(json!({"a": {"b": "1"}}), true);
    }

    #[test]
    fn differences_name_the_field_what_it_is_and_what_it_should_be() {
        let object = json!({"status": {"readyReplicas": 1,
            "conditions": [{"type": "Ready", "status": "False"}]}});
        let part = json!({"status": {"readyReplicas": 3, "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other"}]}});
        assert_eq!(
            differences(&object, &part),
            [
                "status.readyReplicas is 1, not 3",
                "status.phase is not set, it should be \"Running\"",
                "status.conditions[Ready].status is \"False\", not \"True\"",
                "status.conditions[Other] is not there",
            ]
        );
    }
}

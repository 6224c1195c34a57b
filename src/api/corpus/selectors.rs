//! The `label-selector`, `meta-labelselector` and `field-selector` corpora.

use serde_json::{Map, Value, json};

use super::same;
use crate::api::selectors::FieldSelector;
use crate::api::selectors::label::{LabelSelector, format_meta};

/// Checks one case of `label-selector`.
pub fn check_label(case: &Value) -> Result<(), String> {
    let (input, out) = (&case["in"], &case["out"]);
    let selector = match LabelSelector::parse(input["selector"].as_str().unwrap_or_default()) {
        Ok(selector) => selector,
        Err(e) => return same("error", &e.to_string().into(), &out["error"]),
    };
    same("error", &Value::Null, &out["error"])?;
    check_matches(&selector, input, out)?;
    let requirements: Vec<Value> = selector
        .requirements()
        .unwrap_or_default()
        .iter()
        .map(|r| {
            let mut values = r.values.clone();
            values.sort_unstable();
            json!({"key": r.key, "operator": r.operator.as_str(), "values": values})
        })
        .collect();
    let recorded = if out["requirements"].is_null() { &json!([]) } else { &out["requirements"] };
    same("requirements", &requirements.into(), recorded)?;
    same("selectable", &selector.requirements().is_some().into(), &out["selectable"])?;
    match selector.to_meta() {
        Ok(meta) => same("toLabelSelector", &meta, &out["toLabelSelector"]),
        Err(e) => same("toLabelSelectorError", &e.to_string().into(), &out["toLabelSelectorError"]),
    }
}

/// Checks one case of `meta-labelselector`.
pub fn check_meta(case: &Value) -> Result<(), String> {
    let (input, out) = (&case["in"], &case["out"]);
    same("format", &format_meta(&input["selector"]).into(), &out["format"])?;
    match LabelSelector::from_meta(&input["selector"]) {
        Ok(selector) => check_matches(&selector, input, out),
        Err(e) => same("error", &e.to_string().into(), &out["error"]),
    }
}

/// Checks one case of `field-selector`.
pub fn check_field(case: &Value) -> Result<(), String> {
    let (input, out) = (&case["in"], &case["out"]);
    let selector = match FieldSelector::parse(input["selector"].as_str().unwrap_or_default()) {
        Ok(selector) => selector,
        Err(e) => return same("error", &e.to_string().into(), &out["error"]),
    };
    same("error", &Value::Null, &out["error"])?;
    same("string", &selector.to_string().into(), &out["string"])?;
    same("empty", &selector.is_empty().into(), &out["empty"])?;
    let empty = Map::new();
    let matches: Vec<bool> = input["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|set| {
            let set = set.as_object().unwrap_or(&empty);
            selector.matches(|field| set.get(field).and_then(Value::as_str).unwrap_or_default())
        })
        .collect();
    same("matches", &matches.into(), &out["matches"])?;
    let requirements: Vec<Value> = selector
        .terms
        .iter()
        .map(|t| {
            let operator = if t.equal { "=" } else { "!=" };
            json!({"field": t.field, "operator": operator, "value": t.value})
        })
        .collect();
    let recorded = if out["requirements"].is_null() { &json!([]) } else { &out["requirements"] };
    same("requirements", &requirements.into(), recorded)
}

fn check_matches(selector: &LabelSelector, input: &Value, out: &Value) -> Result<(), String> {
    same("error", &Value::Null, &out["error"])?;
    same("string", &selector.to_string().into(), &out["string"])?;
    same("empty", &selector.is_empty().into(), &out["empty"])?;
    let sets = input["labels"].as_array().into_iter().flatten();
    let matches: Vec<bool> = sets.map(|l| selector.matches_json(l.as_object())).collect();
    same("matches", &matches.into(), &out["matches"])
}

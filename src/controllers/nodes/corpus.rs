//! Corpus `taint-eviction`: how long tolerations let a pod stay.

use serde_json::{Value, json};

use super::eviction::{Stay, stays, used_tolerations};
use crate::api::corpus::same;
use crate::base::Str;
use crate::model::{Taint, TaintEffect, Toleration, wire};

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, out) = (&case["in"], &case["out"]);
    let taints: Vec<wire::core::Taint> = list(&given["noExecuteTaints"])?;
    let taints: Vec<Taint> = taints
        .into_iter()
        .map(|t| Taint {
            key: t.key.into(),
            value: t.value.map(Str::from).unwrap_or_default(),
            effect: TaintEffect::NoExecute,
            added: None,
        })
        .collect();
    let taints: Vec<&Taint> = taints.iter().collect();
    let tolerations: Vec<wire::core::Toleration> = list(&given["tolerations"])?;
    let tolerations: Vec<Toleration> = tolerations.iter().map(Toleration::compile).collect();
    let used = used_tolerations(&tolerations, &taints);
    same("allTolerated", &json!(used.is_some()), &out["allTolerated"])?;
    let count = used.as_ref().map_or(0, Vec::len);
    same("used", &json!(count), &out["used"])?;
    match stays(&tolerations, &taints) {
        Stay::ForEver => same("evict", &json!("never"), &out["evict"]),
        Stay::For(_) if used.is_none() => same("evict", &json!("now"), &out["evict"]),
        Stay::For(length) => {
            same("evict", &json!("after"), &out["evict"])?;
            same("minTolerationSeconds", &json!(length.as_secs()), &out["minTolerationSeconds"])
        }
    }
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Result<Vec<T>, String> {
    let list: Option<Vec<T>> = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
    Ok(list.unwrap_or_default())
}

//! Corpus `revision-hash`: template hashes, the names made of them, and revision data.

use serde_json::{Value, json};

use crate::api::corpus::same;
use crate::api::defaults;
use crate::controllers::{deployment, hash, history};
use crate::model::wire;

/// Checks one case.
///
/// # Errors
/// The difference between ours and what was recorded.
pub fn check(case: &Value) -> Result<(), String> {
    let (given, recorded) = (&case["in"], &case["out"]);
    let template = defaults::pod_template(&given["object"]["spec"]["template"])
        .map_err(|e| format!("template: {}: {}", e.path, e.message))?;
    let template: wire::core::PodTemplateSpec =
        serde_json::from_value(template).map_err(|e| format!("template: {e}"))?;
    let collisions = given["collisionCount"].as_i64().and_then(|n| i32::try_from(n).ok());
    if let Some(text) = recorded["hashedText"].as_str() {
        let ours = hash::dump(&template);
        if ours != text {
            let at = ours.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let around =
                |t: &str| t.get(at.saturating_sub(40)..).map(|t| t[..t.len().min(160)].to_owned());
            return Err(format!("hashed text: {:?}, recorded {:?}", around(&ours), around(text)));
        }
    }
    let template_hash = hash::template_hash(&template, collisions);
    same("templateHash", &json!(template_hash.as_str()), &recorded["templateHash"])?;
    let name = given["object"]["metadata"]["name"].as_str().unwrap_or_default();
    if let Some(set) = recorded.get("replicaSet") {
        same(
            "replicaSet",
            &json!(deployment::replica_set_name(name, &template_hash).as_str()),
            set,
        )?;
    }
    if let Some(revision) = recorded.get("controllerRevision") {
        let data = history::data(&template);
        same("revisionData", &json!(data), &recorded["revisionData"])?;
        let revision_hash = match given["object"]["kind"].as_str() {
            Some("DaemonSet") => template_hash,
            _ => hash::revision_hash(data.as_bytes(), collisions),
        };
        same("controllerRevision", &json!(history::name(name, &revision_hash).as_str()), revision)?;
    }
    Ok(())
}

//! `legacy-defaulting`: manifests of old versions, defaulted and converted by the last server that had
//! them.
//!
//! The recordings stay in old versions; what counts here is the object of today that they stand for.
//! So three things must come to the same: the manifest read by us, and both recordings (the manifest
//! with the defaults of its version, and what was converted from it), each converted, defaulted and
//! prepared as a new object of the current version.

use serde_json::Value;

use crate::api::{defaults, legacy, registry, schema};

/// Compares the three.
///
/// # Errors
/// What differs.
pub fn check(case: &Value) -> Result<(), String> {
    let ours = current(&case["in"]["object"])?;
    for recorded in ["defaulted", "converted"] {
        let theirs = current(&case["out"][recorded])?;
        super::same(recorded, &ours, &theirs)?;
    }
    Ok(())
}

/// The object of today that `manifest` stands for.
fn current(manifest: &Value) -> Result<Value, String> {
    let mut manifest = manifest.clone();
    legacy::convert(&mut manifest);
    let of = registry::struct_of(&manifest).ok_or("the kind is not in the table")?;
    let mut decoded = schema::decode(of, &manifest).map_err(|error| error.to_string())?;
    defaults::apply(of, &mut decoded.value);
    defaults::create::normalise(of.key, &mut decoded.value);
    defaults::create::prepare(of.key, &mut decoded.value, "2026-01-01T00:00:00Z");
    defaults::create::canonicalise(of.key, &mut decoded.value);
    defaults::create::normalise(of.key, &mut decoded.value);
    let mut object = schema::encode(of, &decoded.value);
    // autoscaling/v1, in which some are recorded, keeps the CPU apart from the other metrics.
    if let Some(metrics) = object["spec"].get_mut("metrics").and_then(Value::as_array_mut) {
        metrics.sort_by_key(Value::to_string);
    }
    // A Job whose labels come from its template shares later additions with it, a written one does not.
    if let Some(labels) = object["metadata"].get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !name.ends_with("job-name") && !name.ends_with("controller-uid"));
    }
    Ok(object)
}

//! How the clusters of two branches differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::monitor::differences;
use crate::api::convert;
use crate::model::{Kind, Object, Ref};
use crate::report::timeline::name;
use crate::store::Store;

/// So many objects are told of.
const TOLD: usize = 200;

/// What differs between two clusters, a line for each object and field.
pub(super) fn between((here, a): (&str, &Store), (there, b): (&str, &Store)) -> String {
    let (of_a, of_b) = (objects(a), objects(b));
    let mut lines = Vec::new();
    for (reference, object) in &of_a {
        match of_b.get(reference) {
            None => lines.push(format!("+ {} is on {here} alone", name(reference))),
            Some(other) => {
                for difference in differences(object, other) {
                    lines.push(format!("~ {}: {difference}", name(reference)));
                }
            }
        }
    }
    for reference in of_b.keys().filter(|r| !of_a.contains_key(*r)) {
        lines.push(format!("- {} is on {there} alone", name(reference)));
    }
    if lines.is_empty() {
        return format!("{here} and {there} are the same\n");
    }
    let mut text = format!("~ tells how {here} is, and how {there} is not\n");
    for line in lines.iter().take(TOLD) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    if lines.len() > TOLD {
        let _ = writeln!(text, "… and {} more", lines.len() - TOLD);
    }
    text
}

/// The objects of a cluster, without what differs in every run.
fn objects(store: &Store) -> BTreeMap<Ref, Value> {
    let system = |o: &&Object| o.meta().namespace != "kube-system";
    let all = Kind::ALL.iter().flat_map(|kind| store.list(*kind)).filter(system);
    let cleaned = |o: &Object| {
        let mut value = convert::to_wire(o).to_value();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            for field in ["resourceVersion", "uid", "creationTimestamp", "ownerReferences"] {
                metadata.remove(field);
            }
        }
        without_times(&mut value);
        (o.reference(), value)
    };
    all.map(cleaned).collect()
}

/// Documents are bounded in depth, so this may recurse.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| {
                !key.ends_with("Time") && !key.ends_with("At") && key != "containerID"
            });
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

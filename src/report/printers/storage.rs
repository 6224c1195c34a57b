//! The cells of volumes, claims and classes.

use serde_json::Value;

use super::Now;
use super::cells::{age, has, items, name, quantity, text, text_or};

/// A class named by the annotation that came before the field.
const BETA_CLASS: &str = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class";

fn class_name(o: &Value) -> Value {
    match has(o, BETA_CLASS) {
        true => text(o, BETA_CLASS).into(),
        false => text(o, "/spec/storageClassName").into(),
    }
}

fn modes(o: &Value, pointer: &str) -> String {
    let all = items(o, pointer);
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let of = short.iter().filter(|(mode, _)| all.iter().any(|m| m == mode));
    of.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn phase(o: &Value) -> Value {
    match has(o, "/metadata/deletionTimestamp") {
        true => "Terminating".into(),
        false => text(o, "/status/phase").into(),
    }
}

fn or_unset(o: &Value, pointer: &str) -> Value {
    if has(o, pointer) { text(o, pointer).into() } else { "<unset>".into() }
}

pub(super) fn volume(o: &Value, now: Now) -> Vec<Value> {
    let claim = match has(o, "/spec/claimRef") {
        true => {
            format!("{}/{}", text(o, "/spec/claimRef/namespace"), text(o, "/spec/claimRef/name"))
        }
        false => String::new(),
    };
    vec![
        name(o),
        quantity(o, "/spec/capacity/storage").into(),
        modes(o, "/spec/accessModes").into(),
        text(o, "/spec/persistentVolumeReclaimPolicy").into(),
        phase(o),
        claim.into(),
        class_name(o),
        or_unset(o, "/spec/volumeAttributesClassName"),
        text(o, "/status/reason").into(),
        age(o, now),
        or_unset(o, "/spec/volumeMode"),
    ]
}

pub(super) fn claim(o: &Value, now: Now) -> Vec<Value> {
    let bound = !text(o, "/spec/volumeName").is_empty();
    let (capacity, access) = match bound {
        true => (quantity(o, "/status/capacity/storage"), modes(o, "/status/accessModes")),
        false => (String::new(), String::new()),
    };
    vec![
        name(o),
        phase(o),
        text(o, "/spec/volumeName").into(),
        capacity.into(),
        access.into(),
        class_name(o),
        or_unset(o, "/spec/volumeAttributesClassName"),
        age(o, now),
        or_unset(o, "/spec/volumeMode"),
    ]
}

pub(super) fn class(o: &Value, now: Now) -> Vec<Value> {
    let default = ["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"]
        .iter()
        .any(|k| text(o, &format!("/metadata/annotations/{k}~1is-default-class")) == "true");
    let mark = if default { " (default)" } else { "" };
    vec![
        format!("{}{mark}", text(o, "/metadata/name")).into(),
        text(o, "/provisioner").into(),
        text_or(o, "/reclaimPolicy", "Delete").into(),
        text_or(o, "/volumeBindingMode", "Immediate").into(),
        (o["allowVolumeExpansion"] == true).into(),
        age(o, now),
    ]
}

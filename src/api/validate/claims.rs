//! Validation of claims: PersistentVolumeClaims and their templates.
//! After `pkg/apis/core/validation/validation.go`.

use super::{At, Errors, meta, resources};
use crate::api::names;

/// Modes of access, in alphabetical order.
pub(super) const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// What an update does not insist on because the old object broke it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leniency {
    pub(super) any_label_value: bool,
    pub(super) any_source_group: bool,
}

/// `ValidatePersistentVolumeClaim`.
pub(super) fn claim(claim: &At<'_>, leniency: Leniency, errors: &mut Errors) {
    meta::create(&claim.get("metadata"), true, meta::subdomain, errors);
    spec(&claim.get("spec"), leniency, errors);
}

/// `ValidatePersistentVolumeClaimSpec`.
pub(super) fn spec(spec: &At<'_>, leniency: Leniency, errors: &mut Errors) {
    if spec.is_empty("accessModes") {
        errors.required(&spec.at("accessModes"), "at least 1 access mode is required");
    }
    meta::label_selector(&spec.get("selector"), leniency.any_label_value, errors);
    access_modes(spec, errors);
    storage_request(spec, errors);
    class_name(spec, "storageClassName", errors);
    errors.optional_one_of(spec, "volumeMode", &["Block", "Filesystem"]);
    let (source, reference) = (spec.get("dataSource"), spec.get("dataSourceRef"));
    if source.is_set() {
        data_source(&source, leniency, errors);
    }
    let mut namespace = "";
    if reference.is_set() {
        data_source(&reference, leniency, errors);
        namespace = reference.text("namespace");
        if !namespace.is_empty() {
            let messages = meta::label(namespace, false);
            errors.invalid_for(&reference.at("namespace"), namespace, messages);
        }
    }
    if source.is_set() && reference.is_set() {
        let same = source.opt_text("apiGroup") == reference.opt_text("apiGroup")
            && source.text("kind") == reference.text("kind")
            && source.text("name") == reference.text("name");
        let shown = &serde_json::json!({});
        if !namespace.is_empty() {
            let detail = "may not be specified when dataSourceRef.namespace is specified";
            errors.invalid(spec.path(), shown, detail);
        } else if !same {
            errors.invalid(spec.path(), shown, "must match dataSourceRef");
        }
    }
    class_name(spec, "volumeAttributesClassName", errors);
}

/// Each mode, and that the single-pod mode stands alone.
pub(super) fn access_modes(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.at("accessModes");
    let (mut single, mut other) = (false, false);
    for mode in spec.texts("accessModes") {
        if !ACCESS_MODES.contains(&mode) {
            errors.not_supported(&at, mode, &ACCESS_MODES);
        } else if mode == "ReadWriteOncePod" {
            single = true;
        } else {
            other = true;
        }
    }
    if single && other {
        errors.forbidden(&at, "may not use ReadWriteOncePod with other access modes");
    }
}

fn storage_request(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.at("resources").key("storage");
    let requests = spec.get("resources");
    match requests.raw("requests").get("storage") {
        None => errors.required(&at, ""),
        Some(amount) => {
            let amount = resources::quantity(amount);
            if resources::positive(&amount, &at, errors) {
                resources::amount("storage", &amount, &at, errors);
            }
        }
    }
}

fn class_name(spec: &At<'_>, field: &str, errors: &mut Errors) {
    let name = spec.text(field);
    if !name.is_empty() {
        errors.invalid_for(&spec.at(field), name, meta::subdomain(name, false));
    }
}

/// `validateDataSource`, `validateDataSourceRef`.
fn data_source(source: &At<'_>, leniency: Leniency, errors: &mut Errors) {
    errors.require_text(source, "name");
    errors.require_text(source, "kind");
    let (group, kind) = (source.text("apiGroup"), source.text("kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(source.path(), kind, detail);
    }
    if !group.is_empty() && !leniency.any_source_group {
        errors.invalid_for(&source.at("apiGroup"), group, names::dns1123_subdomain(group));
    }
}

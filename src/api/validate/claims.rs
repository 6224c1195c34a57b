//! Validation of claims: PersistentVolumeClaims and their templates.
//! After `pkg/apis/core/validation/validation.go`.

use serde_json::Value;

use super::{At, Errors, Path, diff, internal, meta, resources};
use crate::api::fields::Fields;
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

/// `ValidatePersistentVolumeClaim`, `ValidatePersistentVolumeClaimUpdate`.
pub(super) fn claim(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let metadata = new.get("metadata");
    let leniency = old.map_or_else(Leniency::default, |old| Leniency::of(&old.get("spec")));
    if let Some(old) = old {
        meta::update(&metadata, &old.get("metadata"), errors);
    }
    meta::create(&metadata, true, meta::subdomain, errors);
    spec(&new.get("spec"), leniency, errors);
    if let Some(old) = old {
        update(new, old, errors);
    }
}

impl Leniency {
    /// What the old claim allows (`ValidationOptionsForPersistentVolumeClaim`).
    fn of(spec: &At<'_>) -> Self {
        let mut errors = Errors::default();
        meta::label_selector(&spec.get("selector"), false, &mut errors);
        let bad_group = |field: &str| {
            let group = spec.get(field).text("apiGroup");
            !group.is_empty() && !names::dns1123_subdomain(group).is_empty()
        };
        Self {
            any_label_value: !errors.is_empty(),
            any_source_group: bad_group("dataSource") || bad_group("dataSourceRef"),
        }
    }
}

const CLASS_NOTE: &str = "volume.beta.kubernetes.io/storage-class";

/// What must not change.
fn update(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (spec, before) = (new.get("spec"), old.get("spec"));
    let note = |claim: &At<'_>| {
        let notes = claim.get("metadata").raw("annotations");
        notes.get(CLASS_NOTE).and_then(Value::as_str).map(str::to_owned)
    };
    let (note_now, note_before) = (note(new), note(old));
    let class = spec.opt_text("storageClassName");
    let unset = !before.has("storageClassName");
    let from_note = unset
        && note_before.is_some()
        && class == note_before.as_deref()
        && (note_now.is_none() || note_now == note_before);
    if !from_note && note_now.clone().unwrap_or_default() != note_before.clone().unwrap_or_default()
    {
        let at = new.at("metadata").child("annotations").child(CLASS_NOTE);
        errors.invalid(&at, note_now.unwrap_or_default(), "field is immutable");
    }
    let upgraded = from_note
        || unset && class.is_some() && (note_before.is_none() || class == note_before.as_deref());
    let bound = new.get("status").text("phase") == "Bound";
    let (changed, kept) = comparable(&spec, &before, upgraded, bound);
    let (changed, kept) = (spec.with_value(&changed), before.with_value(&kept));
    if !changed.same(&kept) {
        let text = diff::diff(&internal::value(&kept), &internal::value(&changed));
        errors.forbidden(spec.path(), format!("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{text}"));
    }
    let size = |of: &At<'_>, field: &str| {
        resources::quantity(of.raw(field).get("storage").unwrap_or(&Value::Null))
    };
    let now = size(&spec.get("resources"), "requests");
    if now < size(&before.get("resources"), "requests")
        && now <= size(&old.get("status"), "capacity")
    {
        let at = spec.path().child("resources.requests.storage");
        errors.forbidden(&at, "field can not be less than status.capacity");
    }
    let mode = spec.get("volumeMode").with_path(Path::new("volumeMode"));
    meta::immutable(&mode, &before.get("volumeMode"), errors);
    let attributes = spec.get("volumeAttributesClassName");
    if old.get("status").has("currentVolumeAttributesClassName")
        && !attributes.same(&before.get("volumeAttributesClassName"))
        && attributes.value().as_str().is_none_or(str::is_empty)
    {
        let to = if attributes.is_set() { "empty string" } else { "nil" };
        let detail = format!(
            "update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil"
        );
        errors.forbidden(attributes.path(), detail);
    }
}

/// Both specs without what may differ.
fn comparable(new: &At<'_>, old: &At<'_>, upgraded: bool, bound: bool) -> (Value, Value) {
    let (mut changed, mut kept) = (new.value().clone(), old.value().clone());
    let (Some(fields), Some(kept_fields)) = (changed.as_object_mut(), kept.as_object_mut()) else {
        return (changed, kept);
    };
    let put = |fields: &mut Fields, name: &str, value: &Value| {
        if value.is_null() {
            fields.shift_remove(name);
        } else {
            fields.insert(name.to_owned(), value.clone());
        }
    };
    if old.text("volumeName").is_empty() {
        put(kept_fields, "volumeName", new.raw("volumeName"));
    }
    if upgraded {
        put(fields, "storageClassName", old.raw("storageClassName"));
    }
    if bound {
        let class = "volumeAttributesClassName";
        put(fields, class, old.raw(class));
        let size = old.get("resources").raw("requests").get("storage");
        let size = size.cloned().unwrap_or_else(|| "0".into());
        if let Some(requests) = fields
            .get_mut("resources")
            .and_then(|r| r.get_mut("requests"))
            .and_then(Value::as_object_mut)
        {
            put(requests, "storage", &size);
        }
    }
    (changed, kept)
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

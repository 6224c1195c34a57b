//! Validation of object metadata, labels, annotations and label selectors.
//!
//! After `staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go`,
//! `pkg/apis/meta/v1/validation/validation.go`, and the additions of
//! `pkg/apis/core/validation/validation.go`.

use serde_json::Value;

use super::{At, Errors, Path, quote};
use crate::api::names::{self, Messages};

/// What a kind's names must be; the flag says that more is added to the name.
pub(super) type NameCheck = fn(&str, bool) -> Messages;

const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
const IMMUTABLE: &str = "field is immutable";

/// A DNS subdomain (`NameIsDNSSubdomain`).
pub(super) fn subdomain(name: &str, prefix: bool) -> Messages {
    names::dns1123_subdomain(&mask_dash(name, prefix))
}

/// A DNS label (`NameIsDNSLabel`).
pub(super) fn label(name: &str, prefix: bool) -> Messages {
    names::dns1123_label(&mask_dash(name, prefix))
}

/// What follows a trailing dash will make it right (`maskTrailingDash`).
fn mask_dash(name: &str, prefix: bool) -> String {
    match name.strip_suffix('-') {
        Some(rest) if prefix && !rest.is_empty() => {
            let mut masked = rest.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => name.to_owned(),
    }
}

/// Metadata of a new object (`ValidateObjectMeta` of core: generic checks, then finalizers).
pub(super) fn create(meta: &At<'_>, namespaced: bool, name: NameCheck, errors: &mut Errors) {
    accessor(meta, namespaced, name, errors);
    kube_finalizers(meta, errors);
}

/// Metadata of an object, new or changed, in a namespace.
pub(super) fn check(new: &At<'_>, old: Option<&At<'_>>, check: NameCheck, errors: &mut Errors) {
    match old {
        None => create(&new.get("metadata"), true, check, errors),
        Some(old) => update(&new.get("metadata"), &old.get("metadata"), errors),
    }
}

/// The same with a name check that is not applied to `generateName` (`ValidateObjectMetaWithOpts`).
pub(super) fn create_long_name(meta: &At<'_>, namespaced: bool, errors: &mut Errors) {
    let name = meta.text("name");
    if name.is_empty() {
        errors.required(&meta.at("name"), "name or generateName is required");
    } else {
        errors.invalid_for(&meta.at("name"), name, subdomain(name, false));
    }
    accessor_common(meta, namespaced, errors);
    kube_finalizers(meta, errors);
}

/// `ValidateObjectMetaAccessor`: what every kind's metadata must be.
pub(super) fn accessor(meta: &At<'_>, namespaced: bool, check: NameCheck, errors: &mut Errors) {
    let (name, base) = (meta.text("name"), meta.text("generateName"));
    if !base.is_empty() {
        errors.invalid_for(&meta.at("generateName"), base, check(base, true));
    }
    if name.is_empty() {
        errors.required(&meta.at("name"), "name or generateName is required");
    } else {
        errors.invalid_for(&meta.at("name"), name, check(name, false));
    }
    accessor_common(meta, namespaced, errors);
}

fn accessor_common(meta: &At<'_>, namespaced: bool, errors: &mut Errors) {
    let namespace = meta.text("namespace");
    match (namespaced, namespace) {
        (true, "") => errors.required(&meta.at("namespace"), ""),
        (true, _) => {
            errors.invalid_for(&meta.at("namespace"), namespace, label(namespace, false));
        }
        (false, "") => {}
        (false, _) => errors.forbidden(&meta.at("namespace"), "not allowed on this type"),
    }
    errors.non_negative(meta, "generation");
    labels(&meta.get("labels"), errors);
    annotations(&meta.get("annotations"), errors);
    owner_references(meta, errors);
    finalizers(meta, errors);
    managed_fields(meta, errors);
}

fn kube_finalizers(meta: &At<'_>, errors: &mut Errors) {
    for (i, name) in meta.texts("finalizers").enumerate() {
        kube_finalizer(name, &meta.at("finalizers").index(i), errors);
    }
}

/// `validateKubeFinalizerName`.
pub(super) fn kube_finalizer(name: &str, at: &Path, errors: &mut Errors) {
    let standard = matches!(name, "kubernetes" | "orphan" | "foregroundDeletion");
    if !name.contains('/') && !standard {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        errors.invalid(at, name, detail);
    }
}

/// Metadata of a changed object (`ValidateObjectMetaUpdate` of core).
pub(super) fn update(meta: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    accessor_update(meta, old, errors);
    kube_finalizers(meta, errors);
}

/// `ValidateObjectMetaAccessorUpdate`.
pub(super) fn accessor_update(meta: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    if old.has("deletionTimestamp") {
        no_new_finalizers(meta, old, errors);
    }
    if meta.text("resourceVersion").is_empty() {
        errors.invalid(&meta.at("resourceVersion"), "", "must be specified for an update");
    }
    if meta.int("generation") < old.int("generation") {
        let detail = "must not be decremented";
        errors.invalid(&meta.at("generation"), meta.int("generation"), detail);
    }
    for text in ["name", "namespace", "uid"] {
        if meta.text(text) != old.text(text) {
            errors.invalid(&meta.at(text), meta.text(text), IMMUTABLE);
        }
    }
    for pointer in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        immutable(&meta.get(pointer), &old.get(pointer), errors);
    }
    labels(&meta.get("labels"), errors);
    annotations(&meta.get("annotations"), errors);
    owner_references(meta, errors);
    managed_fields(meta, errors);
}

/// `ValidateImmutableField`.
pub(super) fn immutable(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    if !new.same(old) {
        errors.invalid_shown(new.path(), super::internal::shown(new), IMMUTABLE);
    }
}

fn no_new_finalizers(meta: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let mut extra: Vec<&str> =
        meta.texts("finalizers").filter(|f| !old.texts("finalizers").any(|o| o == *f)).collect();
    extra.sort_unstable();
    extra.dedup();
    if !extra.is_empty() {
        let quoted: Vec<String> = extra.iter().map(|f| quote(f)).collect();
        errors.forbidden(
            &meta.at("finalizers"),
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                quoted.join(", ")
            ),
        );
    }
}

/// `ValidateLabels`: every key and value.
pub(super) fn labels(labels: &At<'_>, errors: &mut Errors) {
    let entries = labels.value().as_object().into_iter().flatten();
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in entries {
        label_name(key, labels.path(), errors);
        let value = value.as_str().unwrap_or_default();
        errors.invalid_for(labels.path(), value, names::label_value(value));
    }
}

/// `ValidateLabelName`.
pub(super) fn label_name(key: &str, at: &Path, errors: &mut Errors) {
    errors.invalid_for(at, key, names::qualified_name(key));
}

/// `IsDomainPrefixedPath`.
pub(super) fn domain_prefixed_path(text: &str, at: &Path, errors: &mut Errors) {
    if text.is_empty() {
        return errors.required(at, "");
    }
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    if host.is_empty() || path.is_empty() {
        let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return errors.invalid(at, text, detail);
    }
    errors.invalid_for(at, host, names::dns1123_subdomain(host));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
    if !path.chars().all(allowed) {
        let format = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
        errors.invalid(at, path, names::format_error("Invalid path", format, &[]));
    }
}

/// `ValidateAnnotations`: every key, and the size of all.
pub(super) fn annotations(annotations: &At<'_>, errors: &mut Errors) {
    let entries = annotations.value().as_object().into_iter().flatten();
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    let mut bytes = 0;
    for (key, value) in entries {
        let messages = names::qualified_name(&key.to_lowercase());
        errors.invalid_for(annotations.path(), key.as_str(), messages);
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.too_long(annotations.path(), ANNOTATIONS_BYTES_MAX);
    }
}

fn owner_references(meta: &At<'_>, errors: &mut Errors) {
    let at = meta.at("ownerReferences");
    let mut controller: Option<String> = None;
    for owner in meta.items("ownerReferences") {
        let version = owner.text("apiVersion");
        if version.is_empty() || version.ends_with('/') || version.matches('/').count() > 1 {
            errors.invalid(&at.child("apiVersion"), version, "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if owner.text(field).is_empty() {
                errors.invalid(&at.child(field), "", "must not be empty");
            }
        }
        if version == "v1" && owner.text("kind") == "Event" {
            let shown = &owner.encoded();
            errors.invalid(&at, shown, "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner.flag("controller") {
            let this = format!("{}/{}", owner.text("kind"), owner.text("name"));
            match &controller {
                Some(first) => {
                    let all: Vec<Value> =
                        meta.items("ownerReferences").map(|o| o.encoded()).collect();
                    errors.invalid(&at, &Value::Array(all), format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    ));
                }
                None => controller = Some(this),
            }
        }
    }
}

fn finalizers(meta: &At<'_>, errors: &mut Errors) {
    let at = meta.at("finalizers");
    for name in meta.texts("finalizers") {
        errors.invalid_for(&at, name, names::qualified_name(name));
    }
    let has = |wanted: &str| meta.texts("finalizers").any(|f| f == wanted);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.invalid(&at, meta.raw("finalizers"), detail);
    }
}

fn managed_fields(meta: &At<'_>, errors: &mut Errors) {
    for entry in meta.items("managedFields") {
        let operation = entry.text("operation");
        if !matches!(operation, "Apply" | "Update") {
            errors.invalid(&entry.at("operation"), operation, "must be `Apply` or `Update`");
        }
        let kind = entry.text("fieldsType");
        if !matches!(kind, "" | "FieldsV1") {
            errors.invalid(&entry.at("fieldsType"), kind, "must be `FieldsV1`");
        }
        if entry.text("manager").len() > 128 {
            errors.too_long(&entry.at("manager"), 128);
        }
        if entry.text("subresource").len() > 256 {
            errors.too_long(&entry.at("subresource"), 256);
        }
    }
}

/// `ValidateLabelSelector`; with `any_value`, values are not looked at.
pub(super) fn label_selector(selector: &At<'_>, any_value: bool, errors: &mut Errors) {
    if !selector.is_set() {
        return;
    }
    labels(&selector.get("matchLabels"), errors);
    for requirement in selector.items("matchExpressions") {
        let (operator, values) = (requirement.text("operator"), requirement.get("values"));
        match operator {
            "In" | "NotIn" if requirement.is_empty("values") => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.required(values.path(), detail);
            }
            "Exists" | "DoesNotExist" if !requirement.is_empty("values") => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.forbidden(values.path(), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(
                &requirement.at("operator"),
                operator,
                "not a valid selector operator",
            ),
        }
        label_name(requirement.text("key"), &requirement.at("key"), errors);
        if !any_value {
            for (i, value) in requirement.texts("values").enumerate() {
                errors.invalid_for(&values.path().index(i), value, names::label_value(value));
            }
        }
    }
}

/// Whether a selector asks for a value that no label can have (`LabelSelectorHasInvalidLabelValue`).
pub(super) fn has_bad_selector_value(selector: &At<'_>) -> bool {
    selector
        .items("matchExpressions")
        .any(|rule| rule.texts("values").any(|value| !names::label_value(value).is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_may_end_with_a_dash() {
        assert!(subdomain("web-", true).is_empty());
        assert!(!subdomain("web-", false).is_empty());
        assert!(!subdomain("-", true).is_empty());
    }
}

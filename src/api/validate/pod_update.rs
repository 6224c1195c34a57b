//! Validation of changed pods: what may change, and what is said about everything else.
//! After `pkg/apis/core/validation/validation.go` (`ValidatePodUpdate` and its helpers).

use serde_json::{Map, Value};

use super::diff::diff;
use super::pod::{self, Leniency};
use super::{At, Errors, internal, meta, scheduling};
use crate::api::names;

const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const REQUIRED: &str = scheduling::REQUIRED;

/// `ValidatePodUpdate`.
pub(super) fn update(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let leniency = Leniency { is_pod: true, ..Leniency::of_pod(Some(old)) };
    meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    pod::metadata_and_spec(new, &leniency, errors);
    annotations(new, old, &leniency, errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    for list in ["containers", "initContainers"] {
        if !same_containers(&spec, &before, list, errors) {
            return;
        }
    }
    if !deadline(&spec, &before, errors) {
        return;
    }
    only_added_tolerations(&spec, &before, errors);
    only_removed_gates(&spec, &before, errors);
    if !spec.same(&before) {
        nothing_else(&spec, &before, errors);
    }
}

/// `ValidatePodEphemeralContainersUpdate`.
pub(super) fn ephemeral_containers(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    const FIELD: &str = "ephemeralContainers";
    let leniency = Leniency { is_pod: true, ..Leniency::of_pod(Some(old)) };
    meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    pod::metadata_and_spec(new, &leniency, errors);
    annotations(new, old, &leniency, errors);
    let (spec, before) = (new.get("spec"), old.get("spec"));
    for held in before.items(FIELD) {
        let name = held.text("name");
        let detail = match spec.items(FIELD).find(|c| c.text("name") == name) {
            None => format!("existing ephemeral containers {name:?} may not be removed\n"),
            Some(same) if same.same(&held) => continue,
            Some(changed) => {
                let lines = diff(held.value(), changed.value());
                format!("existing ephemeral containers {name:?} may not be changed\n{lines}")
            }
        };
        errors.forbidden(&spec.at(FIELD), detail);
    }
}

/// `ValidatePodSpecificAnnotationUpdates`.
pub(super) fn annotations(new: &At<'_>, old: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let (metadata, before) = (new.get("metadata"), old.get("metadata"));
    let at = metadata.at("annotations");
    let special = |key: &str| match key {
        pod::MIRROR => Some("mirror pod annotation"),
        key if key.starts_with(pod::APP_ARMOR) => Some("AppArmor annotations"),
        _ => None,
    };
    let notes = metadata.raw("annotations");
    for (key, value) in before.entries("annotations") {
        if let Some(what) = special(key).filter(|_| notes.get(key) != Some(value)) {
            errors.forbidden(&at.key(key), format!("may not remove or update {what}"));
        }
    }
    for (key, _) in metadata.entries("annotations") {
        if let Some(what) = special(key)
            && before.raw("annotations").get(key).is_none()
        {
            errors.forbidden(&at.key(key), format!("may not add {what}"));
        }
    }
    pod::annotations(&metadata, &new.get("spec"), leniency, errors);
}

/// `ValidateContainerUpdates`; says whether there is sense in going on.
fn same_containers(spec: &At<'_>, old: &At<'_>, list: &str, errors: &mut Errors) -> bool {
    if spec.len(list) != old.len(list) {
        errors.forbidden(&spec.at(list), "pod updates may not add or remove containers");
        return false;
    }
    for container in spec.items(list) {
        let image = container.text("image");
        if image.is_empty() {
            errors.required(&container.at("image"), "");
        }
        if image.trim() != image {
            let detail = "must not have leading or trailing whitespace";
            errors.invalid(&container.at("image"), image, detail);
        }
    }
    true
}

/// A deadline may come, and then only be brought nearer; says whether there is sense in going on.
fn deadline(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) -> bool {
    const FIELD: &str = "activeDeadlineSeconds";
    let at = spec.at(FIELD);
    match (spec.opt_int(FIELD), old.opt_int(FIELD)) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.invalid_for(&at, new, names::in_range(new, 0, i64::from(i32::MAX)));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.invalid(&at, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.invalid(&at, &Value::Null, detail);
            true
        }
        _ => true,
    }
}

/// `validateOnlyAddedTolerations`.
fn only_added_tolerations(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    const SECONDS: &str = "tolerationSeconds";
    let same_but_for_time = |a: &At<'_>, b: &At<'_>| {
        a.field_names().iter().all(|(json, _)| *json == SECONDS || a.get(json).same(&b.get(json)))
    };
    for before in old.items("tolerations") {
        if !spec.items("tolerations").any(|new| same_but_for_time(&before, &new)) {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            return errors.forbidden(&spec.at("tolerations"), detail);
        }
    }
    scheduling::tolerations(spec.items("tolerations"), errors);
}

/// `validateOnlyDeletedSchedulingGates`. Upstream's order is a map's; here it is the list's.
fn only_removed_gates(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let name = |gate: &At<'_>| gate.raw("name").as_str().unwrap_or_default().to_owned();
    let before: Vec<String> = old.items("schedulingGates").map(|gate| name(&gate)).collect();
    let gates: Vec<At<'_>> = spec.items("schedulingGates").collect();
    for (i, gate) in gates.iter().enumerate() {
        let this = name(gate);
        let again = gates[i + 1..].iter().any(|later| name(later) == this);
        if !before.contains(&this) && !again {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{this}'");
            errors.forbidden(&gate.at("name"), detail);
        }
    }
}

/// Whatever else differs is refused, with the difference.
fn nothing_else(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let mut munged = spec.value().as_object().cloned().unwrap_or_default();
    for list in ["containers", "initContainers"] {
        let images: Vec<Value> = old.items(list).map(|c| c.raw("image").clone()).collect();
        let containers = munged.get_mut(list).and_then(Value::as_array_mut);
        for (container, image) in containers.into_iter().flatten().zip(images) {
            if let Some(container) = container.as_object_mut() {
                put(container, "image", &image);
            }
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        put(&mut munged, field, old.raw(field));
    }
    const GRACE: &str = "terminationGracePeriodSeconds";
    if old.int(GRACE) < 0 && spec.opt_int(GRACE) == Some(1) {
        put(&mut munged, GRACE, old.raw(GRACE));
    }
    if !old.is_empty("schedulingGates") {
        gated(spec, old, &mut munged, errors);
    }
    let munged = Value::Object(munged);
    let new = spec.with_value(&munged);
    if !new.same(old) {
        let difference = diff(&internal::value(old), &internal::value(&new));
        let detail =
            format!("pod updates may not change fields other than {CHANGEABLE}\n{difference}");
        errors.forbidden(spec.path(), detail);
    }
}

/// A pod that waits behind its gates may be steered more narrowly.
fn gated(spec: &At<'_>, old: &At<'_>, munged: &mut Map<String, Value>, errors: &mut Errors) {
    let (selector, before) = (spec.get("nodeSelector"), old.get("nodeSelector"));
    if !selector.same(&before) {
        let kept = |(key, value): (&str, &Value)| selector.value().get(key) == Some(value);
        if !old.entries("nodeSelector").into_iter().all(kept) {
            let detail =
                "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.invalid(selector.path(), &selector.encoded(), detail);
        }
        put(munged, "nodeSelector", before.value());
    }
    let affinity =
        |of: &At<'_>| of.raw("affinity").get("nodeAffinity").cloned().unwrap_or_default();
    let (new, node_before) = (spec.get("affinity").get("nodeAffinity"), affinity(old));
    let before = old.get("affinity").get("nodeAffinity");
    if new.same(&before) {
        return;
    }
    affinity_narrows(&new, &before, errors);
    let alone = |affinity: &Value| {
        ["podAffinity", "podAntiAffinity"].iter().all(|kind| affinity[*kind].is_null())
    };
    match munged.get_mut("affinity") {
        None | Some(Value::Null) => {
            let mut affinity = Map::new();
            put(&mut affinity, "nodeAffinity", &node_before);
            if !node_before.is_null() {
                munged.insert("affinity".into(), affinity.into());
            }
        }
        Some(affinity) if !old.has("affinity") && alone(affinity) => {
            munged.shift_remove("affinity");
        }
        Some(affinity) => {
            if let Some(affinity) = affinity.as_object_mut() {
                put(affinity, "nodeAffinity", &node_before);
            }
        }
    }
}

/// `validateNodeAffinityMutation`: terms stay, and only gain requirements.
fn affinity_narrows(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    if !old.has(REQUIRED) {
        return;
    }
    let (new, old) = (new.get(REQUIRED), old.get(REQUIRED));
    let terms = new.get("nodeSelectorTerms");
    let count = old.len("nodeSelectorTerms");
    if count > 0 && count != new.len("nodeSelectorTerms") {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid_shown(terms.path(), internal::text(&terms), detail);
    }
    for (new, old) in new.items("nodeSelectorTerms").zip(old.items("nodeSelectorTerms")) {
        if !term_narrows(&new, &old) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid_shown(new.path(), internal::text(&new), detail);
        }
    }
}

/// `validateNodeSelectorTermHasOnlyAdditions`.
fn term_narrows(new: &At<'_>, old: &At<'_>) -> bool {
    let lists = ["matchExpressions", "matchFields"];
    let empty = |of: &At<'_>| lists.iter().all(|list| of.is_empty(list));
    if empty(old) && !empty(new) {
        return false;
    }
    lists.iter().all(|list| {
        new.len(list) >= old.len(list)
            && new.items(list).zip(old.items(list)).all(|(new, old)| new.same(&old))
    })
}

fn put(of: &mut Map<String, Value>, field: &str, value: &Value) {
    if value.is_null() {
        of.shift_remove(field);
    } else {
        of.insert(field.to_owned(), value.clone());
    }
}

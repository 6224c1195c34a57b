//! Validation of pods that are to be resized in place: what may change, and what is said about everything
//! else. After `pkg/apis/core/validation/validation.go` (`ValidatePodResize` and its helpers).
//!
//! Pods with resources of their own, beside those of their containers, are not resized: they are refused as
//! by a server on which that feature is off.

use serde_json::{Map, Value};

use super::pod::{self, Leniency};
use super::{At, Errors, Path, meta};
use crate::api::fields::Fields;
use crate::api::resources;

const POD_LEVEL: &str = "resize of pods with pod-level resources is forbidden when \
    InPlacePodLevelResourcesVerticalScalingEnabled feature gate is disabled";
const RESIZABLE: [&str; 2] = ["cpu", "memory"];

/// `ValidatePodResize`.
pub(super) fn check(new: &At<'_>, old: &At<'_>) -> Errors {
    let mut errors = Errors::default();
    let leniency = Leniency { is_pod: true, ..Leniency::of_pod(Some(old)) };
    meta::update(&new.get("metadata"), &old.get("metadata"), &mut errors);
    pod::metadata_and_spec(new, &leniency, &mut errors);
    if let Some(why) = never(old) {
        let mut errors = Errors::default();
        errors.forbidden(&Path::new(""), why);
        return errors;
    }
    let (spec, before) = (new.get("spec"), old.get("spec"));
    same_class(new, old, &spec, &mut errors);
    if has_own_resources(&spec) || has_own_resources(&before) {
        errors.forbidden(&Path::new(""), POD_LEVEL);
        return errors;
    }
    if !same_order(&spec, &before, &mut errors) {
        return errors;
    }
    for list in ["initContainers", "containers"] {
        for (container, before) in spec.items(list).zip(before.items(list)) {
            nothing_removed(&container, &before, &mut errors);
        }
    }
    let containers = unchanged(&spec, &before, "containers", &mut errors);
    let init = unchanged(&spec, &before, "initContainers", &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    let mut munged = spec.value().as_object().cloned().unwrap_or_default();
    for (list, value) in [("containers", containers), ("initContainers", init)] {
        if spec.has(list) {
            munged.insert(list.to_owned(), value);
        }
    }
    if !spec.with_value(&Value::Object(munged)).same(&before) {
        errors.forbidden(spec.path(), "only cpu and memory resources are mutable");
    }
    errors
}

/// Why a pod is never resized, if so.
fn never(old: &At<'_>) -> Option<&'static str> {
    if old.get("metadata").raw("annotations").get(pod::MIRROR).is_some() {
        return Some("static pods cannot be resized");
    }
    let windows = old.get("spec").get("os").text("name") == "windows";
    windows.then_some("windows pods cannot be resized")
}

fn same_class(new: &At<'_>, old: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    let none = Fields::new();
    let fields = |pod: &At<'_>| pod.fields().unwrap_or(&none).clone();
    let class = resources::qos_class(&fields(old));
    if class != resources::compute_qos_class(&fields(new)) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.invalid(spec.path(), class, detail);
    }
}

fn has_own_resources(spec: &At<'_>) -> bool {
    let own = spec.get("resources");
    !own.is_empty("requests") || !own.is_empty("limits")
}

/// `validatePodResizeContainerOrdering`; says whether there is sense in going on.
fn same_order(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) -> bool {
    let mut same = true;
    for list in ["containers", "initContainers"] {
        if spec.len(list) != old.len(list) {
            let detail = format!("{list} may not be added or removed on resize");
            errors.forbidden(&spec.at(list), detail);
            same = false;
            continue;
        }
        for (container, before) in spec.items(list).zip(old.items(list)) {
            if container.text("name") != before.text("name") {
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.forbidden(&container.at("name"), detail);
                same = false;
            }
        }
    }
    same
}

/// `validateContainerResize`.
fn nothing_removed(container: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (new, old) = (container.get("resources"), old.get("resources"));
    for list in ["requests", "limits"] {
        let kept = |(name, _): (&str, &Value)| new.raw(list).get(name).is_some();
        if !old.entries(list).into_iter().all(kept) {
            errors.forbidden(&new.at(list), format!("resource {list} cannot be removed"));
        }
    }
}

/// The containers of a list with the CPU and memory that they had before; whatever else differs is refused.
fn unchanged(spec: &At<'_>, old: &At<'_>, list: &str, errors: &mut Errors) -> Value {
    let init = list == "initContainers";
    let mut all = Vec::new();
    for (container, before) in spec.items(list).zip(old.items(list)) {
        let munged = Value::Object(without_changes(&container, &before));
        if !container.with_value(&munged).same(&before) {
            match init {
                true => errors.forbidden(
                    container.path(),
                    "only cpu and memory resources for init or sidecar containers are mutable",
                ),
                false => {
                    errors.forbidden(spec.path(), "only cpu and memory resources are mutable");
                }
            }
        }
        let sidecar = container.text("restartPolicy") == "Always";
        if init && !sidecar && !container.same(&before) {
            let restarts = container.items("resizePolicy");
            for _ in restarts.filter(|p| p.text("restartPolicy") == "RestartContainer") {
                let detail = "non-sidecar init containers with a resize policy of \
                    RestartContainer cannot be resized";
                errors.forbidden(container.path(), detail);
            }
        }
        all.push(munged);
    }
    Value::Array(all)
}

/// `dropCPUMemoryResourcesFromContainer`.
fn without_changes(container: &At<'_>, old: &At<'_>) -> Map<String, Value> {
    let mut munged = container.value().as_object().cloned().unwrap_or_default();
    let (new, old) = (container.get("resources"), old.get("resources"));
    let mut resources = Map::new();
    for list in ["limits", "requests"] {
        let mut amounts = new.raw(list).as_object().cloned().unwrap_or_default();
        for name in RESIZABLE {
            match old.raw(list).get(name) {
                Some(amount) => amounts.insert(name.to_owned(), amount.clone()),
                None => amounts.shift_remove(name),
            };
        }
        if !amounts.is_empty() || old.raw(list).is_object() {
            resources.insert(list.to_owned(), amounts.into());
        }
    }
    munged.insert("resources".to_owned(), resources.into());
    munged
}

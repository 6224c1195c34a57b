//! Validation of PersistentVolumes and StorageClasses. After
//! `pkg/apis/{core,storage}/validation/validation.go` and `pkg/volume/validation/pv_validation.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::sources::{self, Source};
use super::{At, Errors, Path, Shown, claims, diff, internal, meta, paths, resources, scheduling};
use crate::api::names;

/// The sources in the order they are tried: field, path when one too many, path otherwise.
const ORDER: [(&str, &str, &str); 22] = [
    ("hostPath", "hostPath", "hostPath"),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("nfs", "nfs", "nfs"),
    ("rbd", "rbd", "rbd"),
    ("quobyte", "quobyte", "quobyte"),
    ("cephfs", "cephFS", "cephfs"),
    ("iscsi", "iscsi", "iscsi"),
    ("cinder", "cinder", "cinder"),
    ("fc", "fc", "fc"),
    ("flexVolume", "flexVolume", "flexVolume"),
    ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO", "scaleIO"),
    ("local", "local", "local"),
    ("storageos", "storageos", "storageos"),
    ("csi", "csi", "csi"),
];

/// Sources that take mount options from the annotation.
const MOUNTED: [&str; 13] = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
];

/// What the strategy checks: the volume, its mount options, and on an update the volume again and
/// what must not change.
pub(super) fn volume(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let required = old.map(|o| o.get("spec").get("nodeAffinity").get("required"));
    let any_value = required.is_some_and(|r| scheduling::has_bad_label_value(&r));
    whole(new, any_value, errors);
    let (metadata, spec) = (new.get("metadata"), new.get("spec"));
    const OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
    let takes_options = MOUNTED.iter().any(|source| spec.has(source));
    if !takes_options && metadata.raw("annotations").get(OPTIONS).is_some() {
        let detail = "may not specify mount options for this volume type";
        errors.forbidden(&metadata.at("annotations").child(OPTIONS), detail);
    }
    if let Some(old) = old {
        whole(new, any_value, errors);
        update(&spec, &old.get("spec"), errors);
    }
}

/// `ValidatePersistentVolume`.
fn whole(volume: &At<'_>, any_value: bool, errors: &mut Errors) {
    let (metadata, spec) = (volume.get("metadata"), volume.get("spec"));
    meta::create(&metadata, false, meta::subdomain, errors);
    if spec.is_empty("accessModes") {
        errors.required(&spec.at("accessModes"), "");
    }
    claims::access_modes(&spec, errors);
    capacity(&spec, errors);
    if !spec.text("persistentVolumeReclaimPolicy").is_empty() {
        let policies = ["Delete", "Recycle", "Retain"];
        errors.one_of(&spec, "persistentVolumeReclaimPolicy", &policies);
    }
    let affinity = spec.get("nodeAffinity");
    if affinity.is_set() {
        if affinity.has("required") {
            scheduling::node_selector(&affinity.get("required"), any_value, errors);
        } else {
            let detail = "must specify required node constraints";
            errors.required(&affinity.at("required"), detail);
        }
    }
    source(&spec, metadata.text("name"), errors);
    classes(&spec, errors);
}

fn capacity(spec: &At<'_>, errors: &mut Errors) {
    let capacity = spec.get("capacity");
    let entries = spec.entries("capacity");
    if entries.is_empty() {
        errors.required(capacity.path(), "");
    }
    if entries.len() != 1 || entries[0].0 != "storage" {
        let shown = Shown::from(&capacity.encoded());
        errors.not_supported(capacity.path(), shown, &["storage"]);
    }
    for (resource, amount) in entries {
        let (amount, at) = (resources::quantity(amount), capacity.path().key(resource));
        resources::basic(&amount, &at, errors);
        resources::positive(&amount, &at, errors);
    }
}

fn source(spec: &At<'_>, name: &str, errors: &mut Errors) {
    let mut found = false;
    for (field, twice, path) in ORDER {
        let source = spec.get(field);
        if !source.is_set() {
            continue;
        }
        if found && field != "flexVolume" {
            let detail = "may not specify more than 1 volume type";
            errors.forbidden(&spec.path().child(twice), detail);
            continue;
        }
        found = true;
        one_source(field, &source.with_path(spec.path().child(path)), name, spec, errors);
    }
    if !found {
        errors.required(spec.path(), "must specify a volume type");
    }
    let host = spec.get("hostPath");
    if host.is_set()
        && is_root(host.text("path"))
        && spec.text("persistentVolumeReclaimPolicy") == "Recycle"
    {
        let detail = "may not be 'recycle' for a hostPath mount of '/'";
        errors.forbidden(&spec.at("persistentVolumeReclaimPolicy"), detail);
    }
}

/// Whether Go's `path.Clean` makes it `/`.
fn is_root(path: &str) -> bool {
    let mut depth: usize = 0;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

fn one_source(field: &str, source: &At<'_>, name: &str, spec: &At<'_>, errors: &mut Errors) {
    match field {
        "iscsi" if source.has("initiatorName") => {
            let portal = source.text("targetPortal");
            let mut later = Errors::default();
            sources::check(field, source, Source::Volume, &mut later);
            let mut later = later.into_iter();
            if portal.is_empty() {
                errors.0.extend(later.next());
            }
            if name.len() + 1 + portal.len() > 64 {
                let at = source.path().child("targetportal");
                errors.invalid(&at, portal, sources::INITIATOR_TOO_LONG);
            }
            errors.0.extend(later);
        }
        "csi" => csi(source, errors),
        "local" => {
            match source.text("path") {
                "" => errors.required(&source.at("path"), ""),
                path => paths::no_backsteps(path, &source.at("path"), errors),
            }
            if !spec.has("nodeAffinity") {
                let detail = "Local volume requires node affinity";
                errors.required(&spec.at("nodeAffinity"), detail);
            }
        }
        _ => sources::check(field, source, Source::Volume, errors),
    }
    match (field, source.knows("endpointsNamespace"), source.knows("secretNamespace")) {
        ("glusterfs", true, _) => {
            if let Some(namespace) = source.opt_text("endpointsNamespace") {
                let at = source.at("endpointsNamespace");
                if namespace.is_empty() {
                    let detail =
                        "if the endpointnamespace is set, it must be a valid namespace name";
                    errors.invalid(&at, namespace, detail);
                } else {
                    errors.invalid_for(&at, namespace, meta::label(namespace, false));
                }
            }
        }
        ("azureFile", _, true) if source.opt_text("secretNamespace") == Some("") => {
            errors.required(&source.at("secretNamespace"), "");
        }
        _ => {}
    }
}

/// `validateCSIPersistentVolumeSource`.
fn csi(source: &At<'_>, errors: &mut Errors) {
    sources::csi_driver(source, "driver", errors);
    errors.require_text(source, "volumeHandle");
    for secret in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let secret = source.get(secret);
        if !secret.is_set() {
            continue;
        }
        match secret.text("name") {
            "" => errors.required(&secret.at("name"), ""),
            name => errors.invalid_for(&secret.at("name"), name, names::dns1123_subdomain(name)),
        }
        match secret.text("namespace") {
            "" => errors.required(&secret.at("namespace"), ""),
            name => errors.invalid_for(&secret.at("namespace"), name, names::dns1123_label(name)),
        }
    }
}

fn classes(spec: &At<'_>, errors: &mut Errors) {
    let class = spec.text("storageClassName");
    if !class.is_empty() {
        let messages = names::dns1123_subdomain(class);
        errors.invalid_for(&spec.at("storageClassName"), class, messages);
    }
    errors.optional_one_of(spec, "volumeMode", &["Block", "Filesystem"]);
    let Some(class) = spec.opt_text("volumeAttributesClassName") else { return };
    let at = spec.at("volumeAttributesClassName");
    if class.is_empty() {
        errors.required(&at, "an empty string is disallowed");
    } else {
        errors.invalid_for(&at, class, names::dns1123_subdomain(class));
    }
    if !spec.has("csi") {
        let detail = "has to be specified when using volumeAttributesClassName";
        errors.required(&spec.at("csi"), detail);
    }
}

/// `ValidatePersistentVolumeUpdate`, after the volume itself.
fn update(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let secret = "controllerExpandSecretRef";
    let (csi, csi_before) = (spec.get("csi"), old.get("csi"));
    let added = csi_before.is_set() && !csi_before.has(secret) && csi.is_set() && csi.has(secret);
    let without = added.then(|| {
        let mut spec = spec.value().clone();
        if let Some(csi) = spec["csi"].as_object_mut() {
            csi.shift_remove(secret);
        }
        spec
    });
    let compared = without.as_ref().map_or(spec.clone(), |value| spec.with_value(value));
    if ORDER.iter().any(|(field, ..)| !compared.get(field).same(&old.get(field))) {
        let text = diff::diff(&sources_of(old), &sources_of(&compared));
        let at = spec.path().child("persistentvolumesource");
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{text}");
        errors.forbidden(&at, detail);
    }
    let mode = spec.get("volumeMode").with_path(Path::new("volumeMode"));
    meta::immutable(&mode, &old.get("volumeMode"), errors);
    node_affinity_update(spec, old, errors);
    let class = "volumeAttributesClassName";
    if old.has(class) && !spec.has(class) {
        errors.forbidden(&spec.at(class), "update from non-nil value to nil is forbidden");
    }
}

/// The source as its internal type, where it stands by itself.
fn sources_of(spec: &At<'_>) -> Value {
    let whole = internal::value(spec);
    let fields = whole.as_object().cloned().unwrap_or_default();
    let names = spec.field_names();
    let is_source = |go: &str| {
        names
            .iter()
            .any(|(json, name)| *name == go && ORDER.iter().any(|(field, ..)| field == json))
    };
    Value::Object(fields.into_iter().filter(|(go, _)| is_source(go)).collect::<Map<_, _>>())
}

/// `validatePvNodeAffinity`: topology labels may go from their old names to the current ones.
fn node_affinity_update(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (affinity, before) = (spec.get("nodeAffinity"), old.get("nodeAffinity"));
    if !before.is_set() {
        return;
    }
    let renamed = with_current_labels(before.value(), affinity.value());
    if !affinity.same(&before.with_value(&renamed)) {
        let detail = "field is immutable, except for updating from beta label to GA";
        let shown = internal::text(&affinity);
        errors.invalid_shown(&Path::new("nodeAffinity"), shown, detail);
    }
}

/// The old rules with those keys renamed that the new rules have under their current names.
fn with_current_labels(old: &Value, new: &Value) -> Value {
    let mut out = old.clone();
    let terms = out.pointer_mut("/required/nodeSelectorTerms").and_then(Value::as_array_mut);
    for (i, term) in terms.into_iter().flatten().enumerate() {
        for list in ["matchExpressions", "matchFields"] {
            let Some(rules) = term.get_mut(list).and_then(Value::as_array_mut) else { continue };
            for (j, rule) in rules.iter_mut().enumerate() {
                let at = format!("/required/nodeSelectorTerms/{i}/{list}/{j}/key");
                let key = new.pointer(&at).and_then(Value::as_str);
                if key.is_some() && rule["key"].as_str().and_then(current_label) == key {
                    rule["key"] = key.into();
                }
            }
        }
    }
    out
}

fn current_label(beta: &str) -> Option<&'static str> {
    Some(match beta {
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        _ => return None,
    })
}

/// `ValidateStorageClass` and, on an update, `ValidateStorageClassUpdate` after it.
pub(super) fn storage_class(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::create(&new.get("metadata"), false, meta::subdomain, errors);
    let provisioner = new.text("provisioner");
    if provisioner.is_empty() {
        errors.required(&new.at("provisioner"), "");
    } else {
        let messages = names::qualified_name(&provisioner.to_lowercase());
        let lower = provisioner.to_lowercase();
        errors.invalid_for(&new.at("provisioner"), lower, messages);
    }
    parameters(new, errors);
    if !new.text("reclaimPolicy").is_empty() {
        errors.one_of(new, "reclaimPolicy", &["Delete", "Retain"]);
    }
    if new.has("volumeBindingMode") {
        errors.one_of(new, "volumeBindingMode", &["Immediate", "WaitForFirstConsumer"]);
    } else {
        errors.required(&new.at("volumeBindingMode"), "");
    }
    topologies(new, errors);
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            meta::immutable(&new.get(field), &old.get(field), errors);
        }
    }
}

/// `validateParameters`.
fn parameters(class: &At<'_>, errors: &mut Errors) {
    const PARAMETERS_MAX: usize = 512;
    const BYTES_MAX: usize = 256 * 1024;
    let at = class.at("parameters");
    if class.len("parameters") > PARAMETERS_MAX {
        return errors.too_long(&at, PARAMETERS_MAX);
    }
    let mut bytes = 0;
    for (key, value) in class.entries("parameters") {
        if key.is_empty() {
            errors.invalid(&at, key, "field can not be empty.");
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > BYTES_MAX {
        errors.too_long(&at, BYTES_MAX);
    }
}

/// `validateAllowedTopologies`. Upstream compares each term with as many empty ones as there are
/// terms, and then with those before it.
fn topologies(class: &At<'_>, errors: &mut Errors) {
    let mut seen: Vec<BTreeMap<&str, BTreeSet<&str>>> =
        vec![BTreeMap::new(); class.len("allowedTopologies")];
    for term in class.items("allowedTopologies") {
        scheduling::topology_term(&term, errors);
        let rules: BTreeMap<&str, BTreeSet<&str>> = term
            .items("matchLabelExpressions")
            .map(|rule| (rule.text("key"), rule.texts("values").collect()))
            .collect();
        for _ in seen.iter().filter(|other| **other == rules) {
            errors.duplicate(&term.at("matchLabelExpressions"), "");
        }
        seen.push(rules);
    }
}

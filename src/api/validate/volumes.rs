//! Validation of a pod's volumes. After `pkg/apis/core/validation/validation.go`.
//!
//! Sources are tried in upstream's order; each but the first found is forbidden. Some of upstream's
//! paths are not the fields' own names, and stay as they are.

use super::pod::Leniency;
use super::sources::{self, Source};
use super::{At, Errors, claims, env, meta, paths};
use crate::api::names;

/// The sources in the order they are tried: field, path when one too many, path otherwise.
const ORDER: [(&str, &str, &str); 30] = [
    ("emptyDir", "emptyDir", "emptyDir"),
    ("hostPath", "hostPath", "hostPath"),
    ("gitRepo", "gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret", "secret"),
    ("nfs", "nfs", "nfs"),
    ("iscsi", "iscsi", "iscsi"),
    ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd", "rbd"),
    ("cinder", "cinder", "cinder"),
    ("cephfs", "cephFS", "cephfs"),
    ("quobyte", "quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI", "downwardAPI"),
    ("fc", "fc", "fc"),
    ("flexVolume", "flexVolume", "flexVolume"),
    ("configMap", "configMap", "configMap"),
    ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk", "azureDisk"),
    ("storageos", "storageos", "storageos"),
    ("projected", "projected", "projected"),
    ("scaleIO", "scaleIO", "scaleIO"),
    ("csi", "csi", "csi"),
    ("ephemeral", "ephemeral", "ephemeral"),
    ("image", "image", "image"),
];

/// `ValidateVolumes`: answers with the volumes that are right, for the mounts to refer to.
///
/// `pod_name` is the pod's, if there is a pod and it has one.
pub(super) fn volumes<'a>(
    spec: &At<'a>,
    pod_name: &str,
    leniency: &Leniency,
    errors: &mut Errors,
) -> Vec<At<'a>> {
    let made: Vec<String> = spec
        .items("volumes")
        .filter(|v| !pod_name.is_empty() && v.has("ephemeral"))
        .map(|v| format!("{pod_name}-{}", v.text("name")))
        .collect();
    let mut right: Vec<At<'a>> = Vec::new();
    for volume in spec.items("volumes") {
        let (name, at) = (volume.text("name"), volume.at("name"));
        let mut own = Errors::default();
        source(&volume, pod_name, leniency, &mut own);
        if name.is_empty() {
            own.required(&at, "");
        } else {
            own.invalid_for(&at, name, names::dns1123_label(name));
        }
        if right.iter().any(|v| v.text("name") == name) {
            own.duplicate(&at, name);
        }
        let claim = volume.get("persistentVolumeClaim");
        if own.is_empty() {
            right.push(volume);
        } else {
            errors.append(own);
        }
        if claim.is_set() && made.iter().any(|m| m == claim.text("claimName")) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(&claim.at("claimName"), claim.text("claimName"), detail);
        }
    }
    right
}

/// `validateVolumeSource`.
fn source(volume: &At<'_>, pod_name: &str, leniency: &Leniency, errors: &mut Errors) {
    let mut found = false;
    for (field, conflict, path) in ORDER {
        let source = volume.get(field);
        if !source.is_set() {
            continue;
        }
        if found {
            let detail = "may not specify more than 1 volume type";
            errors.forbidden(&volume.path().child(conflict), detail);
        } else {
            found = true;
            let source = source.with_path(volume.path().child(path));
            one(field, &source, volume, pod_name, leniency, errors);
        }
        if field == "iscsi" {
            initiator_length(volume, errors);
        }
    }
    if !found {
        errors.required(volume.path(), "must specify a volume type");
    }
}

fn one(
    field: &str,
    source: &At<'_>,
    volume: &At<'_>,
    pod_name: &str,
    leniency: &Leniency,
    errors: &mut Errors,
) {
    match field {
        "emptyDir" => {
            if super::resources::quantity(source.raw("sizeLimit")).sign() < 0 {
                let detail = "SizeLimit field must be a valid resource quantity";
                errors.forbidden(&source.at("sizeLimit"), detail);
            }
        }
        "secret" => named_files(source, "secretName", errors),
        "configMap" => named_files(source, "name", errors),
        "downwardAPI" => {
            mode(source, "defaultMode", errors);
            for file in source.items("items") {
                downward_file(&file, &file.clone().with_path(source.path().clone()), errors);
            }
        }
        "projected" => projected(source, leniency, errors),
        "persistentVolumeClaim" => errors.require_text(source, "claimName"),
        "csi" => csi(source, errors),
        "ephemeral" => ephemeral(source, volume, pod_name, errors),
        "image" => {
            if leniency.is_pod {
                errors.require_text(source, "reference");
            }
            super::containers::pull_policy(source, "pullPolicy", errors);
        }
        _ => sources::check(field, source, Source::Pod, errors),
    }
}

fn initiator_length(volume: &At<'_>, errors: &mut Errors) {
    let (iscsi, name) = (volume.get("iscsi"), volume.text("name"));
    if iscsi.has("initiatorName") && name.len() + 1 + iscsi.text("targetPortal").len() > 64 {
        errors.invalid(&volume.at("name"), name, sources::INITIATOR_TOO_LONG);
    }
}

/// A mode of a file: 0 to 0777.
fn mode(of: &At<'_>, name: &str, errors: &mut Errors) {
    if let Some(mode) = of.opt_int(name)
        && !(0..=0o777).contains(&mode)
    {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(&of.at(name), mode, detail);
    }
}

/// `validateSecretVolumeSource`, `validateConfigMapVolumeSource`.
fn named_files(source: &At<'_>, name: &str, errors: &mut Errors) {
    errors.require_text(source, name);
    mode(source, "defaultMode", errors);
    for item in source.items("items") {
        key_to_path(&item, errors);
    }
}

/// `validateKeyToPath`.
fn key_to_path(item: &At<'_>, errors: &mut Errors) {
    errors.require_text(item, "key");
    errors.require_text(item, "path");
    paths::not_reserved(item.text("path"), &item.at("path"), errors);
    mode(item, "mode", errors);
}

/// `validateDownwardAPIVolumeFile`; upstream's paths are those of the whole source.
fn downward_file(file: &At<'_>, shown: &At<'_>, errors: &mut Errors) {
    errors.require_text(shown, "path");
    paths::not_reserved(file.text("path"), &shown.at("path"), errors);
    let (field, resource) = (shown.get("fieldRef"), shown.get("resourceFieldRef"));
    if field.is_set() {
        env::field_ref(&field, &env::VOLUME_FIELDS, errors);
        if resource.is_set() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.invalid(shown.path(), "resource", detail);
        }
    } else if resource.is_set() {
        env::resource_ref(&resource, true, errors);
    } else {
        errors.required(shown.path(), "one of fieldRef and resourceFieldRef is required");
    }
    mode(shown, "mode", errors);
}

/// `validateProjectedVolumeSource`, `validateProjectionSources`. Trust bundles and pod certificates
/// have been dropped before: their features are off.
fn projected(volume: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    mode(volume, "defaultMode", errors);
    let mut seen: Vec<&str> = Vec::new();
    for source in volume.items("sources") {
        let mut kinds = 0;
        for kind in ["secret", "configMap"].map(|kind| source.get(kind)) {
            if !kind.is_set() {
                continue;
            }
            kinds += 1;
            errors.require_text(&kind, "name");
            for item in kind.items("items") {
                key_to_path(&item, errors);
                once(volume, &mut seen, item.text("path"), kind.text("name"), errors);
            }
        }
        let downward = source.get("downwardAPI");
        if downward.is_set() {
            kinds += 1;
            for file in downward.items("items") {
                let shown = file.clone().with_path(downward.path().clone());
                downward_file(&file, &shown, errors);
                once(volume, &mut seen, file.text("path"), file.text("path"), errors);
            }
        }
        let token = source.get("serviceAccountToken");
        if token.is_set() {
            kinds += 1;
            token_source(&token, volume, leniency, errors);
        }
        if kinds > 1 {
            errors.forbidden(source.path(), "may not specify more than 1 volume type per source");
        }
    }
}

/// Paths in a projected volume are unique.
fn once<'a>(
    volume: &At<'_>,
    seen: &mut Vec<&'a str>,
    path: &'a str,
    shown: &str,
    errors: &mut Errors,
) {
    if seen.contains(&path) {
        errors.invalid(volume.path(), shown, "conflicting duplicate paths");
    } else if !path.is_empty() {
        seen.push(path);
    }
}

fn token_source(token: &At<'_>, volume: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let seconds = token.int("expirationSeconds");
    let at = token.at("expirationSeconds");
    if seconds < 600 {
        errors.invalid(&at, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        errors.invalid(&at, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    let path = token.text("path");
    let at = volume.path().child("path");
    if path.is_empty() {
        errors.required(&at, "");
    } else if !leniency.any_token_path {
        paths::not_reserved(path, &at, errors);
    }
}

/// `validateCSIVolumeSource`.
fn csi(source: &At<'_>, errors: &mut Errors) {
    sources::csi_driver(source, "driver", errors);
    let secret = source.get("nodePublishSecretRef");
    if secret.is_set() {
        let name = secret.text("name");
        if name.is_empty() {
            errors.required(&secret.at("name"), "");
        } else {
            let at = source.path().child("name");
            errors.invalid_for(&at, name, meta::subdomain(name, false));
        }
    }
}

/// `validateEphemeralVolumeSource`, `ValidatePersistentVolumeClaimTemplate`.
fn ephemeral(source: &At<'_>, volume: &At<'_>, pod_name: &str, errors: &mut Errors) {
    let template = source.get("volumeClaimTemplate");
    if template.is_set() {
        let metadata = template.get("metadata");
        meta::annotations(&metadata.get("annotations"), errors);
        meta::labels(&metadata.get("labels"), errors);
        super::containers::allow_list(
            &metadata,
            &["annotations", "labels"],
            "cannot be set",
            errors,
        );
        claims::spec(&template.get("spec"), claims::Leniency::default(), errors);
    } else {
        errors.required(template.path(), "");
    }
    let name = volume.text("name");
    if !pod_name.is_empty() && !name.is_empty() {
        let claim = format!("{pod_name}-{name}");
        for message in meta::subdomain(&claim, false) {
            let detail = format!("PVC name {}: {message}", super::quote(&claim));
            errors.invalid(&volume.at("name"), name, detail);
        }
    }
}

/// Whether a mount's volume is there.
pub(super) fn is_there(volumes: &[At<'_>], name: &str) -> bool {
    volumes.iter().any(|v| v.text("name") == name)
}

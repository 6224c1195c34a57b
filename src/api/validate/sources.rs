//! Validation of the volume sources that pods and persistent volumes share.
//! After `pkg/apis/core/validation/validation.go`.

use std::sync::OnceLock;

use regex::Regex;

use super::{At, Errors, Path, paths};
use crate::api::names;

/// Whose source it is; persistent volumes name secrets with their namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Pod,
    Volume,
}

pub(super) const INITIATOR_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";

/// Checks one source by its field's name; those that only one of both has are checked there.
pub(super) fn check(field: &str, source: &At<'_>, whose: Source, errors: &mut Errors) {
    let mut require = |names: &[&str]| names.iter().for_each(|n| errors.require_text(source, n));
    match field {
        "hostPath" => host_path(source, errors),
        "gitRepo" => {
            require(&["repository"]);
            paths::descending(source.text("directory"), &source.at("directory"), errors);
        }
        "gcePersistentDisk" => disk(source, "pdName", errors),
        "awsElasticBlockStore" => disk(source, "volumeID", errors),
        "nfs" => {
            require(&["server", "path"]);
            let path = source.text("path");
            if !path.starts_with('/') {
                errors.invalid(&source.at("path"), path, "must be an absolute path");
            }
        }
        "iscsi" => iscsi(source, whose, errors),
        "glusterfs" => require(&["endpoints", "path"]),
        "flocker" => flocker(source, errors),
        "rbd" => {
            monitors(source, errors);
            errors.require_text(source, "image");
        }
        "cephfs" => monitors(source, errors),
        "cinder" => {
            require(&["volumeID"]);
            secret(source, whose, errors);
        }
        "quobyte" => quobyte(source, errors),
        "fc" => fibre_channel(source, errors),
        "flexVolume" => flex(source, errors),
        "azureFile" => require(&["secretName", "shareName"]),
        "vsphereVolume" => require(&["volumePath"]),
        "photonPersistentDisk" => require(&["pdID"]),
        "portworxVolume" => require(&["volumeID"]),
        "azureDisk" => azure_disk(source, errors),
        "storageos" => storage_os(source, whose, errors),
        "scaleIO" => require(&["gateway", "system", "volumeName"]),
        _ => {}
    }
}

/// `validateHostPathVolumeSource`.
fn host_path(source: &At<'_>, errors: &mut Errors) {
    let path = source.text("path");
    if path.is_empty() {
        errors.required(&source.at("path"), "");
        return;
    }
    paths::no_backsteps(path, &source.at("path"), errors);
    let kinds = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    errors.optional_one_of(source, "type", &kinds);
}

fn disk(source: &At<'_>, id: &str, errors: &mut Errors) {
    errors.require_text(source, id);
    let partition = source.int("partition");
    if !(0..=255).contains(&partition) {
        let detail = "must be between 1 and 255, inclusive";
        errors.invalid(&source.at("partition"), partition, detail);
    }
}

/// `validateISCSIVolumeSource`, `validateISCSIPersistentVolumeSource`.
fn iscsi(source: &At<'_>, whose: Source, errors: &mut Errors) {
    let loose = if whose == Source::Pod {
        "must be valid format starting with iqn, eui, or naa"
    } else {
        "must be valid format"
    };
    errors.require_text(source, "targetPortal");
    match source.text("iqn") {
        "" => errors.required(&source.at("iqn"), ""),
        iqn => initiator(iqn, &source.at("iqn"), loose, errors),
    }
    let lun = source.int("lun");
    errors.invalid_for(&source.at("lun"), lun, names::in_range(lun, 0, 255));
    let authenticated = source.flag("chapAuthDiscovery") || source.flag("chapAuthSession");
    if authenticated && !source.has("secretRef") {
        errors.required(&source.at("secretRef"), "");
    }
    if whose == Source::Volume && source.has("secretRef") {
        errors.require_text(&source.get("secretRef"), "name");
    }
    if let Some(name) = source.opt_text("initiatorName") {
        initiator(name, &source.path().child("initiatorname"), loose, errors);
    }
}

fn initiator(name: &str, at: &Path, loose: &str, errors: &mut Errors) {
    static FORMATS: OnceLock<[(&str, Regex); 3]> = OnceLock::new();
    let formats = FORMATS.get_or_init(|| {
        let format = |f| Regex::new(f).expect("the format is a regular expression");
        [
            ("iqn", format(r"iqn\.[0-9]{4}-[0-9]{2}\.([[:alnum:]\-.]+)(:[^,;*&$|\s]+)$")),
            ("eui", format("^eui.[[:alnum:]]{16}$")),
            ("naa", format("^naa.[[:alnum:]]{32}$")),
        ]
    });
    match formats.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        None => errors.invalid(at, name, loose),
        Some((_, format)) if !format.is_match(name) => {
            errors.invalid(at, name, "must be valid format");
        }
        Some(_) => {}
    }
}

/// `validateFlockerVolumeSource`.
fn flocker(source: &At<'_>, errors: &mut Errors) {
    let (name, uuid) = (source.text("datasetName"), source.text("datasetUUID"));
    if name.is_empty() && uuid.is_empty() {
        errors.required(source.path(), "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        let detail = "datasetName and datasetUUID can not be specified simultaneously";
        errors.invalid(source.path(), "resource", detail);
    }
    if name.contains('/') {
        errors.invalid(&source.at("datasetName"), name, "must not contain '/'");
    }
}

fn monitors(source: &At<'_>, errors: &mut Errors) {
    if source.is_empty("monitors") {
        errors.required(&source.at("monitors"), "");
    }
}

/// A secret, which a persistent volume names with its namespace.
fn secret(source: &At<'_>, whose: Source, errors: &mut Errors) {
    let secret = source.get("secretRef");
    if secret.is_set() {
        errors.require_text(&secret, "name");
        if whose == Source::Volume {
            errors.require_text(&secret, "namespace");
        }
    }
}

/// `validateQuobyteVolumeSource`.
fn quobyte(source: &At<'_>, errors: &mut Errors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = source.text("registry");
    if registry.is_empty() {
        errors.required(&source.at("registry"), PAIRS);
    } else if source.text("tenant").len() >= 65 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(&source.at("tenant"), detail);
    } else {
        for _ in registry.split(',').filter(|pair| !is_host_and_port(pair)) {
            errors.invalid(&source.at("registry"), registry, PAIRS);
        }
    }
    errors.require_text(source, "volume");
}

/// `net.SplitHostPort`.
fn is_host_and_port(pair: &str) -> bool {
    let Some((host, port)) = pair.rsplit_once(':') else { return false };
    let (host, bracketed) = match host.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(host) => (host, true),
            None => return false,
        },
        None => (host, false),
    };
    let stray = |text: &str| text.contains(['[', ']']);
    !stray(host) && !stray(port) && (bracketed || !host.contains(':'))
}

/// `validateFCVolumeSource`.
fn fibre_channel(source: &At<'_>, errors: &mut Errors) {
    let (names_given, ids) = (!source.is_empty("targetWWNs"), !source.is_empty("wwids"));
    let at = source.at("targetWWNs");
    if !names_given && !ids {
        errors.required(&at, "must specify either targetWWNs or wwids, but not both");
    }
    if names_given && ids {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid(&at, source.raw("targetWWNs"), detail);
    }
    if names_given {
        match source.opt_int("lun") {
            None => {
                errors.required(&source.at("lun"), "lun is required if targetWWNs is specified");
            }
            Some(lun) => {
                errors.invalid_for(&source.at("lun"), lun, names::in_range(lun, 0, 255));
            }
        }
    }
}

/// `validateFlexVolumeSource`.
fn flex(source: &At<'_>, errors: &mut Errors) {
    errors.require_text(source, "driver");
    for (key, _) in source.entries("options") {
        let namespace = key.split_once('/').map_or(key, |(namespace, _)| namespace);
        let namespace = format!(".{}", namespace.to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            errors.invalid(&source.at("options").key(key), key, detail);
        }
    }
}

/// `validateAzureDisk`.
fn azure_disk(source: &At<'_>, errors: &mut Errors) {
    errors.require_text(source, "diskName");
    errors.require_text(source, "diskURI");
    errors.optional_one_of(source, "cachingMode", &["None", "ReadOnly", "ReadWrite"]);
    errors.optional_one_of(source, "kind", &["Dedicated", "Managed", "Shared"]);
    let (at, uri) = (source.at("diskURI"), source.text("diskURI"));
    match source.opt_text("kind") {
        Some("Managed") if !uri.starts_with("/subscriptions/") => {
            errors.not_supported(&at, uri, &["/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"]);
        }
        Some("Managed") | None => {}
        Some(_) if !uri.starts_with("https://") => errors.not_supported(
            &at,
            uri,
            &["https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"],
        ),
        Some(_) => {}
    }
}

/// `validateStorageOSVolumeSource`.
fn storage_os(source: &At<'_>, whose: Source, errors: &mut Errors) {
    let (name, namespace) = (source.text("volumeName"), source.text("volumeNamespace"));
    if name.is_empty() {
        errors.required(&source.at("volumeName"), "");
    } else {
        errors.invalid_for(&source.at("volumeName"), name, names::dns1123_label(name));
    }
    if !namespace.is_empty() {
        let messages = names::dns1123_label(namespace);
        errors.invalid_for(&source.at("volumeNamespace"), namespace, messages);
    }
    secret(source, whose, errors);
}

/// `ValidateCSIDriverName`.
pub(super) fn csi_driver(of: &At<'_>, name: &str, errors: &mut Errors) {
    let (at, driver) = (of.at(name), of.text(name));
    if driver.is_empty() {
        errors.required(&at, "");
        return;
    }
    if driver.len() > 63 {
        errors.too_long(&at, 63);
    }
    errors.invalid_for(&at, driver, names::dns1123_subdomain(&driver.to_lowercase()));
}

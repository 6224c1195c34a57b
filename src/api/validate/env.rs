//! Validation of a container's environment and of references to fields and resources.
//! After `pkg/apis/core/validation/validation.go`.

use super::resources::quantity;
use super::{At, Errors, meta, paths};
use crate::api::names;

/// Fields that an environment variable may take its value from.
pub(super) const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields that a file of a downward API volume may hold.
pub(super) const VOLUME_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// `ValidateEnv`.
pub(super) fn env(container: &At<'_>, errors: &mut Errors) {
    for variable in container.items("env") {
        let name = variable.text("name");
        if name.is_empty() {
            errors.required(&variable.at("name"), "");
        } else {
            errors.invalid_for(&variable.at("name"), name, names::relaxed_env_var_name(name));
        }
        let from = variable.get("valueFrom");
        if from.is_set() {
            value_from(&from, variable.text("value"), errors);
        }
    }
}

/// `validateEnvVarValueFrom`.
fn value_from(from: &At<'_>, value: &str, errors: &mut Errors) {
    let mut sources = 0;
    let sources = &mut sources;
    let mut found = |name: &str| {
        let source = from.get(name);
        *sources += u32::from(source.is_set());
        Some(source).filter(At::is_set)
    };
    if let Some(field) = found("fieldRef") {
        field_ref(&field, &ENV_FIELDS, errors);
    }
    if let Some(resource) = found("resourceFieldRef") {
        resource_ref(&resource, false, errors);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(key) = found(name) {
            key_ref(&key, errors);
        }
    }
    if let Some(file) = found("fileKeyRef") {
        file_ref(&file, errors);
    }
    let detail = match *sources {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if !value.is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.invalid(from.path(), "", detail);
}

/// `validateObjectFieldSelector`.
pub(super) fn field_ref(field: &At<'_>, supported: &[&str], errors: &mut Errors) {
    for name in ["apiVersion", "fieldPath"] {
        if field.text(name).is_empty() {
            errors.required(&field.at(name), "");
            return;
        }
    }
    let path = field.text("fieldPath");
    let internal = match internal_path(field.text("apiVersion"), path) {
        Ok(internal) => internal,
        Err(e) => {
            let detail = format!("error converting fieldPath: {e}");
            errors.invalid(&field.at("fieldPath"), path, detail);
            return;
        }
    };
    match split_subscript(internal) {
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            let messages = names::qualified_name(&key);
            errors.invalid_for(field.path(), key, messages);
        }
        Some(("metadata.labels", key)) => meta::label_name(key, field.path(), errors),
        Some((path, _)) => errors.invalid(field.path(), path, "does not support subscript"),
        None if !supported.contains(&internal) => {
            errors.not_supported(&field.at("fieldPath"), internal, supported);
        }
        None => {}
    }
}

/// `ConvertDownwardAPIFieldLabel`.
fn internal_path<'a>(version: &str, path: &'a str) -> Result<&'a str, String> {
    if version != "v1" {
        return Err(format!("unsupported pod version: {version}"));
    }
    if let Some((field, _)) = split_subscript(path) {
        return match field {
            "metadata.annotations" | "metadata.labels" => Ok(path),
            _ => Err(format!("field label does not support subscript: {path}")),
        };
    }
    match path {
        "spec.host" => Ok("spec.nodeName"),
        "spec.restartPolicy" | "spec.schedulerName" | "status.phase" => Ok(path),
        _ if ENV_FIELDS.contains(&path) || VOLUME_FIELDS.contains(&path) => Ok(path),
        _ => Err(format!("field label not supported: {path}")),
    }
}

/// `metadata.labels['key']` (`SplitMaybeSubscriptedPath`).
fn split_subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['").filter(|(field, _)| !field.is_empty())
}

/// `validateContainerResourceFieldSelector`.
pub(super) fn resource_ref(resource: &At<'_>, volume: bool, errors: &mut Errors) {
    let name = resource.text("resource");
    let huge = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if volume && resource.text("containerName").is_empty() {
        errors.required(&resource.at("containerName"), "");
    } else if name.is_empty() {
        errors.required(&resource.at("resource"), "");
    } else if !RESOURCES.contains(&name) && !huge {
        errors.not_supported(&resource.at("resource"), name, &RESOURCES);
    }
    let divisor = quantity(resource.raw("divisor"));
    if divisor.is_zero() {
        return;
    }
    let text = divisor.to_string();
    let bytes = matches!(
        text.as_str(),
        "1" | "1k"
            | "1M"
            | "1G"
            | "1T"
            | "1P"
            | "1E"
            | "1Ki"
            | "1Mi"
            | "1Gi"
            | "1Ti"
            | "1Pi"
            | "1Ei"
    );
    let in_bytes = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the";
    let detail = match name {
        "limits.cpu" | "requests.cpu" if !matches!(text.as_str(), "1m" | "1") => {
            "only divisor's values 1m and 1 are supported with the cpu resource".to_owned()
        }
        "limits.memory" | "requests.memory" if !bytes => format!("{in_bytes} memory resource"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" if !bytes => {
            format!("{in_bytes} local ephemeral storage resource")
        }
        _ if huge && !bytes => format!("{in_bytes} hugepages resource"),
        _ => return,
    };
    errors.invalid(&resource.at("divisor"), name, detail);
}

/// `validateConfigMapKeySelector`, `validateSecretKeySelector`.
fn key_ref(reference: &At<'_>, errors: &mut Errors) {
    let (name, key) = (reference.text("name"), reference.text("key"));
    errors.invalid_for(&reference.at("name"), name, meta::subdomain(name, false));
    if key.is_empty() {
        errors.required(&reference.at("key"), "");
    } else {
        errors.invalid_for(&reference.at("key"), key, names::config_map_key(key));
    }
}

/// `validateFileKeySelector`.
fn file_ref(reference: &At<'_>, errors: &mut Errors) {
    let (key, volume) = (reference.text("key"), reference.text("volumeName"));
    if key.is_empty() {
        errors.required(&reference.at("key"), "");
    } else {
        errors.invalid_for(&reference.at("key"), key, names::relaxed_env_var_name(key));
    }
    if volume.is_empty() {
        errors.required(&reference.at("volumeName"), "");
    } else {
        errors.invalid_for(&reference.at("volumeName"), volume, names::dns1123_label(volume));
    }
    if reference.text("path").is_empty() {
        errors.required(&reference.at("path"), "");
    } else {
        paths::no_backsteps(reference.text("path"), &reference.at("path"), errors);
    }
}

/// `ValidateEnvFrom`.
pub(super) fn env_from(container: &At<'_>, errors: &mut Errors) {
    for source in container.items("envFrom") {
        let prefix = source.text("prefix");
        if !prefix.is_empty() {
            errors.invalid_for(&source.at("prefix"), prefix, names::relaxed_env_var_name(prefix));
        }
        let mut sources = 0;
        for reference in ["configMapRef", "secretRef"].map(|name| source.get(name)) {
            if !reference.is_set() {
                continue;
            }
            sources += 1;
            let name = reference.text("name");
            if name.is_empty() {
                errors.required(&reference.at("name"), "");
            } else {
                errors.invalid_for(&reference.at("name"), name, meta::subdomain(name, true));
            }
        }
        let at = container.at("envFrom");
        match sources {
            0 => errors.invalid(&at, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(&at, "", "may not have more than one field specified at a time"),
        }
    }
}

//! Validation of containers. After `pkg/apis/core/validation/validation.go`.

use serde_json::Value;

use super::pod::Context;
use super::resources::Holder;
use super::{At, Errors, env, paths, probes, resources, security, volumes};
use crate::api::names;

/// `validateContainers`.
pub(super) fn regular(spec: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    if spec.is_empty("containers") {
        errors.required(&spec.at("containers"), "");
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for container in spec.items("containers") {
        common(&container, cx, errors);
        let name = container.text("name");
        if seen.contains(&name) {
            errors.duplicate(&container.at("name"), name);
        }
        seen.push(name);
        probes::lifecycle(&container, cx, errors);
        probes::probes(&container, cx, errors);
        restart_policy(&container, errors);
    }
    host_ports(spec.items("containers"), errors);
}

/// `validateInitContainers`.
pub(super) fn init(spec: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = spec.items("containers").map(|c| c.text("name")).collect();
    for container in spec.items("initContainers") {
        common(&container, cx, errors);
        init_restart_policy(&container, errors);
        let name = container.text("name");
        if seen.contains(&name) {
            errors.duplicate(&container.at("name"), name);
        } else if !name.is_empty() {
            seen.push(name);
        }
        // Upstream checks each init container alone, as if it were the first.
        let alone = container.clone().with_path(spec.at("initContainers").index(0));
        host_ports(std::iter::once(alone), errors);
        let sidecar = container.text("restartPolicy") == "Always";
        if sidecar {
            probes::lifecycle(&container, cx, errors);
            probes::probes(&container, cx, errors);
        } else {
            for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if container.has(field) {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    errors.forbidden(&container.at(field), detail);
                }
            }
        }
        if !sidecar && !cx.leniency.any_init_resize {
            for policy in container.items("resizePolicy") {
                if policy.text("restartPolicy") == "RestartContainer" {
                    let detail =
                        "must not be set to 'RestartContainer' for non-sidecar initContainers";
                    errors.invalid(&policy.at("restartPolicy"), "RestartContainer", detail);
                }
            }
        }
    }
}

/// `validateEphemeralContainers`.
pub(super) fn ephemeral(spec: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let others: Vec<&str> = spec
        .items("containers")
        .chain(spec.items("initContainers"))
        .map(|c| c.text("name"))
        .collect();
    let mut seen = others.clone();
    for container in spec.items("ephemeralContainers") {
        common(&container, cx, errors);
        image_spaces(&container, errors);
        let name = container.text("name");
        if seen.contains(&name) {
            errors.duplicate(&container.at("name"), name);
        } else {
            seen.push(name);
        }
        let target = container.text("targetContainerName");
        if !target.is_empty() && !others.contains(&target) {
            errors.not_found(&container.at("targetContainerName"), target);
        }
        ephemeral_allow_list(&container, errors);
        for mount in container.items("volumeMounts") {
            for field in ["subPath", "subPathExpr"] {
                if !mount.text(field).is_empty() {
                    let detail = "cannot be set for an Ephemeral Container";
                    errors.forbidden(&mount.at(field), detail);
                }
            }
        }
    }
}

fn ephemeral_allow_list(container: &At<'_>, errors: &mut Errors) {
    let allowed = [
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "envFrom",
        "env",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
    ];
    allow_list(container, &allowed, "cannot be set for an Ephemeral Container", errors);
}

/// `validateFieldAllowList`: other fields must be zero. Errors name fields as Go does, but for the
/// first letter.
pub(super) fn allow_list(of: &At<'_>, allowed: &[&str], detail: &str, errors: &mut Errors) {
    for (name, go) in of.field_names() {
        let value = of.raw(name);
        let zero = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_i64() == Some(0) && !of.is_pointer(name),
            Value::String(text) => text.is_empty() && !of.is_pointer(name),
            Value::Array(_) => false,
            Value::Object(fields) => !of.is_pointer(name) && !of.is_map(name) && fields.is_empty(),
        };
        if !zero && !allowed.contains(&name) {
            let mut letters = go.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase());
            let lower: String = first.into_iter().chain(letters).collect();
            errors.forbidden(&of.path().child(&lower), detail);
        }
    }
}

/// `validateContainerCommon`.
fn common(container: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let name = container.text("name");
    if name.is_empty() {
        errors.required(&container.at("name"), "");
    } else {
        errors.invalid_for(&container.at("name"), name, names::dns1123_label(name));
    }
    errors.require_text(container, "image");
    let policies = ["File", "FallbackToLogsOnError"];
    errors.require_one_of(container, "terminationMessagePolicy", &policies);
    ports(container, errors);
    env::env(container, errors);
    env::env_from(container, errors);
    mounts(container, cx, errors);
    devices(container, cx, errors);
    pull_policy(container, "imagePullPolicy", errors);
    let any_huge_pages = cx.leniency.any_huge_pages;
    let holder = Holder::Container;
    let needs = container.get("resources");
    resources::requirements(&needs, holder, &cx.claims, any_huge_pages, errors);
    resize_policy(container, cx, errors);
    security::container(container, cx.host_users, errors);
}

/// `validatePullPolicy`.
pub(super) fn pull_policy(of: &At<'_>, name: &str, errors: &mut Errors) {
    errors.require_one_of(of, name, &["Always", "IfNotPresent", "Never"]);
}

/// `validateContainerPorts`.
fn ports(container: &At<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for port in container.items("ports") {
        let name = port.text("name");
        if !name.is_empty() {
            let messages = names::port_name(name);
            if !messages.is_empty() {
                errors.invalid_for(&port.at("name"), name, messages);
            } else if seen.contains(&name) {
                errors.duplicate(&port.at("name"), name);
            } else {
                seen.push(name);
            }
        }
        match port.int("containerPort") {
            0 => errors.required(&port.at("containerPort"), ""),
            n => errors.invalid_for(&port.at("containerPort"), n, names::port_number(n)),
        }
        let host = port.int("hostPort");
        if host != 0 {
            errors.invalid_for(&port.at("hostPort"), host, names::port_number(host));
        }
        errors.require_one_of(&port, "protocol", &["SCTP", "TCP", "UDP"]);
    }
}

/// `checkHostPortConflicts`.
fn host_ports<'a>(containers: impl Iterator<Item = At<'a>>, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for container in containers {
        for port in container.items("ports").filter(|p| p.int("hostPort") != 0) {
            let number = port.int("hostPort");
            let key = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
            if seen.contains(&key) {
                errors.duplicate(&port.at("hostPort"), key);
            } else {
                seen.push(key);
            }
        }
    }
}

/// `ValidateVolumeMounts`.
fn mounts(container: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let list = container.at("volumeMounts");
    let devices = || container.items("volumeDevices");
    let mut seen: Vec<&str> = Vec::new();
    for mount in container.items("volumeMounts") {
        let (name, path) = (mount.text("name"), mount.text("mountPath"));
        errors.require_text(&mount, "name");
        if !volumes::is_there(&cx.volumes, name) {
            errors.not_found(&mount.at("name"), name);
        }
        errors.require_text(&mount, "mountPath");
        if seen.contains(&path) {
            errors.invalid(&mount.at("mountPath"), path, "must be unique");
        }
        seen.push(path);
        if devices().any(|d| d.text("name") == name) {
            let detail = "must not already exist in volumeDevices";
            errors.invalid(&mount.at("name"), name, detail);
        }
        if last_by_name(devices(), "devicePath").iter().any(|(_, p)| *p == path) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid(&mount.at("mountPath"), path, detail);
        }
        let (sub, expression) = (mount.text("subPath"), mount.text("subPathExpr"));
        if !sub.is_empty() {
            paths::descending(sub, &list.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                errors.invalid(&mount.at("subPathExpr"), expression, detail);
            }
            paths::descending(expression, &list.child("subPathExpr"), errors);
        }
        propagation(&mount, container, errors);
        recursive_read_only(&mount, container, errors);
    }
}

/// A map by name keeps the last of those with one name.
fn last_by_name<'a>(
    items: impl DoubleEndedIterator<Item = At<'a>>,
    field: &str,
) -> Vec<(&'a str, &'a str)> {
    let mut out: Vec<(&str, &str)> = Vec::new();
    for item in items.rev() {
        if !out.iter().any(|(name, _)| *name == item.text("name")) {
            out.push((item.text("name"), item.text(field)));
        }
    }
    out
}

fn propagation(mount: &At<'_>, container: &At<'_>, errors: &mut Errors) {
    let Some(mode) = mount.opt_text("mountPropagation") else { return };
    let at = container.at("volumeMounts").child("mountPropagation");
    let modes = ["Bidirectional", "HostToContainer", "None"];
    if !modes.contains(&mode) {
        errors.not_supported(&at, mode, &modes);
    }
    let context = container.get("securityContext");
    if mode == "Bidirectional" && !context.flag("privileged") {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        errors.forbidden(&at, detail);
    }
}

fn recursive_read_only(mount: &At<'_>, container: &At<'_>, errors: &mut Errors) {
    let Some(mode) = mount.opt_text("recursiveReadOnly") else { return };
    let at = container.at("volumeMounts").child("recursiveReadOnly");
    match mode {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.flag("readOnly") {
                errors.forbidden(&at, "may only be specified when readOnly is true");
            }
            if mount.opt_text("mountPropagation").is_some_and(|m| m != "None") {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(&at, detail);
            }
        }
        _ => errors.not_supported(&at, mode, &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// `ValidateVolumeDevices`.
fn devices(container: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let mounts = last_by_name(container.items("volumeMounts"), "mountPath");
    let (mut names_seen, mut paths_seen): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for device in container.items("volumeDevices") {
        let (name, path) = (device.text("name"), device.text("devicePath"));
        let (at_name, at_path) = (device.at("name"), device.at("devicePath"));
        errors.require_text(&device, "name");
        if names_seen.contains(&name) {
            errors.invalid(&at_name, name, "must be unique");
        }
        match cx.volumes.iter().find(|v| v.text("name") == name) {
            Some(volume) if !volume.has("persistentVolumeClaim") && !volume.has("ephemeral") => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&at_name, name, detail);
            }
            Some(_) => {}
            None => errors.not_found(&at_name, name),
        }
        errors.require_text(&device, "devicePath");
        if paths_seen.contains(&path) {
            errors.invalid(&at_path, path, "must be unique");
        }
        if paths::has_backsteps(path) {
            errors.invalid(&at_path, path, "can not contain backsteps ('..')");
        } else {
            paths_seen.push(path);
        }
        if mounts.iter().any(|(n, _)| *n == name) {
            errors.invalid(&at_name, name, "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|(_, p)| *p == path) {
            errors.invalid(&at_path, path, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names_seen.push(name);
        }
    }
}

/// `validateResizePolicy`; upstream's paths are mostly the list's.
fn resize_policy(container: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let list = container.at("resizePolicy");
    let mut seen: Vec<&str> = Vec::new();
    for policy in container.items("resizePolicy") {
        let (resource, restart) = (policy.text("resourceName"), policy.text("restartPolicy"));
        if seen.contains(&resource) {
            errors.duplicate(policy.path(), resource);
        }
        seen.push(resource);
        let mut one_of = |value: &str, supported: &[&str]| {
            if value.is_empty() {
                errors.required(&list, "");
            } else if !supported.contains(&value) {
                errors.not_supported(&list, value, supported);
            }
        };
        one_of(resource, &["cpu", "memory"]);
        one_of(restart, &["NotRequired", "RestartContainer"]);
        if cx.restart_policy == "Never" && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.invalid(&list, restart, detail);
        }
    }
}

fn init_restart_policy(container: &At<'_>, errors: &mut Errors) {
    if container.has("restartPolicy") {
        restart_policy(container, errors);
    } else if !container.is_empty("restartPolicyRules") {
        let detail = "must specify restartPolicy when restart rules are used";
        errors.required(&container.at("restartPolicy"), detail);
    }
}

/// `validateContainerRestartPolicy`.
fn restart_policy(container: &At<'_>, errors: &mut Errors) {
    let rules = container.len("restartPolicyRules");
    if container.has("restartPolicy") {
        errors.one_of(container, "restartPolicy", &["Always", "Never", "OnFailure"]);
    } else if rules == 0 {
        return;
    } else {
        let detail = "must specify restartPolicy when restart rules are used";
        errors.required(&container.at("restartPolicy"), detail);
    }
    if rules > 20 {
        errors.too_many(&container.at("restartPolicyRules"), rules, 20);
    }
    for rule in container.items("restartPolicyRules") {
        errors.one_of(&rule, "action", &["Restart", "RestartAllContainers"]);
        let codes = rule.get("exitCodes");
        if !codes.is_set() {
            errors.required(codes.path(), "must be specified");
            continue;
        }
        errors.one_of(&codes, "operator", &["In", "NotIn"]);
        if codes.len("values") > 255 {
            errors.too_many(&codes.at("values"), codes.len("values"), 255);
        }
    }
}

/// `validateContainerOnlyForPod`.
pub(super) fn image_spaces(container: &At<'_>, errors: &mut Errors) {
    let image = container.text("image");
    if image.trim().len() != image.len() {
        let detail = "must not have leading or trailing whitespace";
        errors.invalid(&container.at("image"), image, detail);
    }
}

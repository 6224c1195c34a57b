//! Validation of security contexts and of what follows from a pod's operating system.
//! After `pkg/apis/core/validation/validation.go`.

use std::sync::OnceLock;

use regex::Regex;

use super::pod::Leniency;
use super::{At, Errors, all_containers, paths};
use crate::api::names;

/// `ValidateSecurityContext`.
pub(super) fn container(container: &At<'_>, host_users: bool, errors: &mut Errors) {
    let context = container.get("securityContext");
    if !context.is_set() {
        return;
    }
    if context.flag("privileged") && !context.policy().allow_privileged {
        errors.forbidden(&context.at("privileged"), "disallowed by cluster policy");
    }
    for id in ["runAsUser", "runAsGroup"] {
        user(&context, id, errors);
    }
    if let Some(mount) = context.opt_text("procMount") {
        errors.one_of(&context, "procMount", &["Default", "Unmasked"]);
        if host_users && mount == "Unmasked" {
            let detail = "`hostUsers` must be false to use `Unmasked`";
            errors.invalid(&context.at("procMount"), mount, detail);
        }
    }
    seccomp(&context.get("seccompProfile"), errors);
    if context.opt_flag("allowPrivilegeEscalation") == Some(false) {
        let shown = || super::internal::text(&context);
        if context.flag("privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid_shown(context.path(), shown(), detail);
        }
        for capability in context.get("capabilities").texts("add") {
            if capability == "CAP_SYS_ADMIN" {
                let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
                errors.invalid_shown(context.path(), shown(), detail);
            }
        }
    }
    windows_options(&context.get("windowsOptions"), errors);
    app_armor(&context.get("appArmorProfile"), errors);
}

/// `validatePodSpecSecurityContext`.
pub(super) fn pod(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let context = spec.get("securityContext");
    for id in ["fsGroup", "runAsUser", "runAsGroup"] {
        user(&context, id, errors);
    }
    let groups = context.raw("supplementalGroups").as_array().into_iter().flatten();
    for (i, group) in groups.enumerate() {
        let id = group.as_i64().unwrap_or_default();
        errors.invalid_for(&context.at("supplementalGroups").index(i), id, names::user_id(id));
    }
    if spec.flag("hostPID") && spec.flag("shareProcessNamespace") {
        let at = context.path().child("shareProcessNamespace");
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&at, true, detail);
    }
    sysctls(spec, &context, leniency, errors);
    errors.optional_one_of(&context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"]);
    seccomp(&context.get("seccompProfile"), errors);
    windows_options(&context.get("windowsOptions"), errors);
    app_armor(&context.get("appArmorProfile"), errors);
    errors.optional_one_of(&context, "supplementalGroupsPolicy", &["Merge", "Strict"]);
    let policies: &[&str] =
        if leniency.any_selinux_policy { &["MountOption", "Recursive"] } else { &["Recursive"] };
    errors.optional_one_of(&context, "seLinuxChangePolicy", policies);
}

fn user(context: &At<'_>, name: &str, errors: &mut Errors) {
    if let Some(id) = context.opt_int(name) {
        errors.invalid_for(&context.at(name), id, names::user_id(id));
    }
}

/// `validateSysctls`.
fn sysctls(spec: &At<'_>, context: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for sysctl in context.items("sysctls") {
        let (name, at) = (sysctl.text("name"), sysctl.at("name"));
        if name.is_empty() {
            errors.required(&at, "");
        } else if !is_sysctl_name(name) {
            let detail = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&at, name, detail);
        } else if seen.contains(&name) {
            errors.duplicate(&at, name);
        }
        if !leniency.any_sysctl
            && let Some(detail) = host_sysctl(spec, name)
        {
            errors.invalid(&at, name, detail);
        }
        seen.push(name);
    }
}

/// `ValidateHostSysctl`: what the host's own namespace would take over.
pub(super) fn host_sysctl(spec: &At<'_>, name: &str) -> Option<&'static str> {
    let normal = normal_sysctl(name);
    let stem = normal.split('*').next().unwrap_or_default();
    let net = stem.starts_with("net.");
    let ipc = stem.starts_with("fs.mqueue.")
        || matches!(
            stem,
            "kernel.sem"
                | "kernel.shmall"
                | "kernel.shmmax"
                | "kernel.shmmni"
                | "kernel.shm_rmid_forced"
                | "kernel.shm"
                | "kernel.msgmax"
                | "kernel.msgmnb"
                | "kernel.msgmni"
                | "kernel.msg"
        );
    if net && spec.flag("hostNetwork") {
        return Some("may not be specified when 'hostNetwork' is true");
    }
    (ipc && spec.flag("hostIPC")).then_some("may not be specified when 'hostIPC' is true")
}

/// With dots for separators (`NormalizeName`): when a slash comes first, both change places.
fn normal_sysctl(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('/') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        Some(_) | None => name.to_owned(),
    }
}

fn is_sysctl_name(name: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    name.len() <= 253
        && name.split(['.', '/']).all(|segment| {
            let bytes = segment.as_bytes();
            end(bytes.first()) && end(bytes.last()) && segment.bytes().all(inner)
        })
}

/// `validateSeccompProfileField`.
fn seccomp(profile: &At<'_>, errors: &mut Errors) {
    if !profile.is_set() {
        return;
    }
    let (kind, at) = (profile.text("type"), profile.at("localhostProfile"));
    if kind.is_empty() {
        let detail = "type is required when seccompProfile is set";
        errors.required(&profile.at("type"), detail);
    } else {
        errors.one_of(profile, "type", &["Localhost", "RuntimeDefault", "Unconfined"]);
    }
    match (kind, profile.opt_text("localhostProfile")) {
        ("Localhost", None) => {
            errors.required(&at, "must be set when seccomp type is Localhost");
        }
        ("Localhost", Some(path)) => paths::descending(path, &at, errors),
        (_, Some(_)) => {
            let detail = "can only be set when seccomp type is Localhost";
            errors.invalid_shown(&at, super::internal::text(profile), detail);
        }
        (_, None) => {}
    }
}

/// `ValidateAppArmorProfileField`.
fn app_armor(profile: &At<'_>, errors: &mut Errors) {
    if !profile.is_set() {
        return;
    }
    let at = profile.at("localhostProfile");
    match (profile.text("type"), profile.opt_text("localhostProfile")) {
        ("Localhost", None) => {
            errors.required(&at, "must be set when AppArmor type is Localhost");
        }
        ("Localhost", Some(path)) => {
            if path.trim() != path {
                errors.invalid(&at, path, "must not be padded with whitespace");
            } else if path.is_empty() {
                errors.required(&at, "must be set when AppArmor type is Localhost");
            }
            if path.len() > 4095 {
                errors.too_long(&at, 4095);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(path)) => {
            errors.invalid(&at, path, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => {
            let detail = "type is required when appArmorProfile is set";
            errors.required(&profile.at("type"), detail);
        }
        _ => errors.one_of(profile, "type", &["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

/// `validateWindowsSecurityContextOptions`.
fn windows_options(options: &At<'_>, errors: &mut Errors) {
    if let Some(name) = options.opt_text("gmsaCredentialSpecName") {
        let at = options.at("gmsaCredentialSpecName");
        errors.invalid_for(&at, name, names::dns1123_subdomain(name));
    }
    if let Some(spec) = options.opt_text("gmsaCredentialSpec") {
        let at = options.at("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid(&at, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > 64 * 1024 {
            errors.invalid(&at, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(name) = options.opt_text("runAsUserName") {
        for detail in windows_user(name) {
            errors.invalid(&options.at("runAsUserName"), name, detail);
        }
    }
}

/// What is wrong with a Windows user, with or without a domain.
fn windows_user(name: &str) -> Vec<&'static str> {
    if name.is_empty() {
        return vec!["runAsUserName cannot be an empty string"];
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters"];
    }
    let parts: Vec<&str> = name.split('\\').collect();
    let (domain, user) = match parts[..] {
        [user] => (None, user),
        [domain, user] => (Some(domain), user),
        _ => return vec!["runAsUserName cannot contain more than one backslash"],
    };
    let mut out = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            out.push("runAsUserName's Domain length must be under 256 characters");
        }
        if !is_windows_domain(domain) {
            out.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        out.push("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        out.push("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        out.push("runAsUserName's User cannot contain only periods or spaces");
    }
    if user
        .contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']'])
    {
        out.push(
            r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#,
        );
    }
    out
}

fn is_windows_domain(domain: &str) -> bool {
    static FORMAT: OnceLock<Regex> = OnceLock::new();
    let format = FORMAT.get_or_init(|| {
        let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
        let netbios = r#"[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}"#;
        Regex::new(&format!(r"^(?:{netbios}|{label}(?:\.{label})*)$"))
            .expect("the format is a regular expression")
    });
    format.is_match(domain)
}

/// `validateWindowsHostProcessPod`.
pub(super) fn host_process(spec: &At<'_>, errors: &mut Errors) {
    let of =
        |place: &At<'_>| place.get("securityContext").get("windowsOptions").opt_flag("hostProcess");
    let pod = of(spec);
    let (mut all, mut privileged) = (0, 0);
    for container in all_containers(spec) {
        all += 1;
        let own = of(&container);
        if let (Some(pod), Some(own)) = (pod, own)
            && pod != own
        {
            let at = container.at("securityContext").child("windowsOptions.hostProcess");
            let detail =
                format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.invalid(&at, own, detail);
        }
        privileged += u32::from(own.or(pod) == Some(true));
    }
    if privileged == 0 {
        return;
    }
    if privileged != all {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(spec.path(), "", detail);
    }
    if !spec.flag("hostNetwork") {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&spec.at("hostNetwork"), false, detail);
    }
    if !spec.policy().allow_privileged {
        let detail = "hostProcess containers are disallowed by cluster policy";
        errors.forbidden(spec.path(), detail);
    }
}

/// `validateOS`, `validateLinux`, `validateWindows`.
pub(super) fn operating_system(spec: &At<'_>, errors: &mut Errors) {
    let os = spec.get("os");
    match os.text("name") {
        _ if !os.is_set() => {}
        "" => errors.required(&os.at("name"), ""),
        "linux" => {
            for place in std::iter::once(spec.clone()).chain(all_containers(spec)) {
                let options = place.get("securityContext").get("windowsOptions");
                if options.is_set() {
                    let detail = "windows options cannot be set for a linux pod";
                    errors.forbidden(options.path(), detail);
                }
            }
        }
        "windows" => windows(spec, errors),
        name => errors.not_supported(os.path(), name, &["linux", "windows"]),
    }
}

fn windows(spec: &At<'_>, errors: &mut Errors) {
    let mut forbid = |of: &At<'_>, names: &[&str]| {
        for name in names {
            let set = match *name {
                "hostPID" | "hostIPC" => of.flag(name),
                "sysctls" => !of.is_empty(name),
                _ => of.has(name),
            };
            if set {
                errors.forbidden(&of.at(name), "cannot be set for a windows pod");
            }
        }
    };
    let context = spec.get("securityContext");
    forbid(&context, &["appArmorProfile", "seLinuxOptions"]);
    forbid(spec, &["hostUsers", "hostPID", "hostIPC"]);
    forbid(&context, &["seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls"]);
    forbid(spec, &["shareProcessNamespace"]);
    forbid(
        &context,
        &[
            "runAsUser",
            "runAsGroup",
            "supplementalGroups",
            "supplementalGroupsPolicy",
            "seLinuxChangePolicy",
        ],
    );
    for container in all_containers(spec) {
        forbid(
            &container.get("securityContext"),
            &[
                "appArmorProfile",
                "seLinuxOptions",
                "seccompProfile",
                "capabilities",
                "readOnlyRootFilesystem",
                "privileged",
                "allowPrivilegeEscalation",
                "procMount",
                "runAsUser",
                "runAsGroup",
            ],
        );
    }
}

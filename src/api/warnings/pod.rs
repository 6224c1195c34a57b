//! Warnings about pods and pod templates. After `pkg/api/pod/warnings.go`
//! (`warningsForPodSpecAndMeta`), and `pkg/registry/core/pod/strategy.go` for AppArmor's annotations.

use std::collections::BTreeMap;

use super::{addresses, claim_spec, deprecated_label, fraction, node_selector_term, overlaps};
use crate::api::validate::{At, Path, quote};

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";

/// Annotations that nothing reads any more.
const DEPRECATED_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

/// Volume sources that are on their way out or gone.
const DEPRECATED_VOLUMES: [(&str, &str, &str); 10] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("ephemeral", "", ""),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// The warnings about a new pod.
pub(super) fn pod(pod: &At<'_>, out: &mut Vec<String>) {
    spec_and_metadata(pod, false, out);
}

/// Profiles of AppArmor that annotations name, before they become fields.
pub(super) fn request(pod: &At<'_>, out: &mut Vec<String>) {
    let (spec, metadata) = (pod.get("spec"), pod.get("metadata"));
    if spec.get("os").text("name") != "windows" {
        for container in containers(&spec) {
            app_armor(&container, &spec, &metadata, out);
        }
    }
}

/// The warnings about a pod template.
pub(super) fn template(template: &At<'_>, out: &mut Vec<String>) {
    if template.is_set() {
        spec_and_metadata(template, true, out);
    }
}

fn spec_and_metadata(of: &At<'_>, is_template: bool, out: &mut Vec<String>) {
    let (spec, metadata) = (of.get("spec"), of.get("metadata"));
    scheduling(&spec, out);
    for (key, why) in DEPRECATED_ANNOTATIONS {
        note(&metadata, key, why, out);
    }
    volumes(&spec, out);
    overlaps::volumes(&spec, out);
    doubled(&spec, "hostAliases", "ip", out);
    doubled(&spec, "imagePullSecrets", "name", out);
    for secret in spec.items("imagePullSecrets").filter(|s| s.text("name").is_empty()) {
        out.push(format!("{}: invalid empty name \"\"", secret.at("name")));
    }
    for resource in ["memory", "ephemeral-storage"] {
        fraction(&spec.get("overhead"), resource, out);
    }
    if !spec.get("securityContext").has("seccompProfile") {
        seccomp(&metadata, SECCOMP_POD, out);
    }
    for container in containers(&spec) {
        of_container(&container, &spec, &metadata, is_template, out);
    }
    ports(&spec, out);
    port_names(&spec, out);
    if spec.int("terminationGracePeriodSeconds") < 0 {
        let at = spec.at("terminationGracePeriodSeconds");
        out.push(format!(
            "{at}: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    pod_affinity(&spec, out);
    addresses::of_list(&spec.get("dnsConfig"), "nameservers", out);
    for alias in spec.items("hostAliases") {
        addresses::address(&alias.at("ip"), alias.text("ip"), out);
    }
}

/// The containers in upstream's order of visiting.
fn containers<'a>(spec: &At<'a>) -> impl Iterator<Item = At<'a>> + use<'a> {
    let (init, regular) = (spec.items("initContainers"), spec.items("containers"));
    init.chain(regular).chain(spec.items("ephemeralContainers"))
}

fn note(metadata: &At<'_>, key: &str, why: &str, out: &mut Vec<String>) {
    if metadata.raw("annotations").get(key).is_some() {
        out.push(format!("{}: {why}", metadata.at("annotations").key(key)));
    }
}

fn seccomp(metadata: &At<'_>, key: &str, out: &mut Vec<String>) {
    let why = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
    note(metadata, key, why, out);
}

fn scheduling(spec: &At<'_>, out: &mut Vec<String>) {
    for (label, _) in spec.entries("nodeSelector") {
        if let Some(why) = deprecated_label(label) {
            out.push(format!("{}: {why}", spec.at("nodeSelector").key(label)));
        }
    }
    let node = spec.get("affinity").get("nodeAffinity");
    for term in node.get(REQUIRED).items("nodeSelectorTerms") {
        node_selector_term(&term, false, out);
    }
    for term in node.items(PREFERRED) {
        node_selector_term(&term.get("preference"), true, out);
    }
    for constraint in spec.items("topologySpreadConstraints") {
        let key = constraint.text("topologyKey");
        if let Some(why) = deprecated_label(key) {
            out.push(format!("{}: {key} is {why}", constraint.at("topologyKey")));
        }
        if !constraint.has("labelSelector") {
            out.push(format!("{}: {NO_SELECTOR}", constraint.at("labelSelector")));
        }
    }
}

fn volumes(spec: &At<'_>, out: &mut Vec<String>) {
    for volume in spec.items("volumes") {
        for (source, said, since) in DEPRECATED_VOLUMES {
            let given = volume.get(source);
            if !given.is_set() {
                continue;
            }
            if source == "ephemeral" {
                claim_spec(&given.get("volumeClaimTemplate").get("spec"), out);
            } else {
                out.push(format!("{}: {since}", volume.path().child(said)));
            }
        }
    }
}

/// The elements of a list that repeat an earlier one's `field`.
fn doubled(spec: &At<'_>, list: &str, field: &str, out: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for item in spec.items(list) {
        let value = item.text(field);
        if seen.contains(&value) {
            out.push(format!("{}: duplicate {field} {}", item.at(field), quote(value)));
        } else {
            seen.push(value);
        }
    }
}

fn of_container(
    container: &At<'_>,
    spec: &At<'_>,
    metadata: &At<'_>,
    is_template: bool,
    out: &mut Vec<String>,
) {
    let context = container.get("securityContext");
    if !context.has("seccompProfile") {
        seccomp(metadata, &format!("{SECCOMP_CONTAINER}{}", container.text("name")), out);
    }
    if is_template {
        app_armor(container, spec, metadata, out);
    }
    if container.knows("resources") {
        for resource in ["memory", "ephemeral-storage"] {
            for part in ["limits", "requests"] {
                fraction(&container.get("resources").get(part), resource, out);
            }
        }
    }
    variables(container, out);
}

/// An annotation instead of a field.
fn app_armor(container: &At<'_>, spec: &At<'_>, metadata: &At<'_>, out: &mut Vec<String>) {
    let key = format!("{APP_ARMOR}{}", container.text("name"));
    let notes = metadata.raw("annotations");
    let Some(profile) = notes.get(&key).and_then(serde_json::Value::as_str) else { return };
    let own = container.get("securityContext").get("appArmorProfile");
    let whole = spec.get("securityContext").get("appArmorProfile");
    let said = |of: &At<'_>| match of.text("type") {
        "RuntimeDefault" => profile == "runtime/default",
        "Unconfined" => profile == "unconfined",
        "Localhost" => profile.strip_prefix("localhost/") == of.opt_text("localhostProfile"),
        _ => false,
    };
    if !own.is_set() && !said(&whole) {
        let why = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
        note(metadata, &key, why, out);
    }
}

/// A variable that is set again, other than from its own value.
fn variables(container: &At<'_>, out: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for variable in container.items("env") {
        let (name, value) = (variable.text("name"), variable.text("value"));
        if !seen.contains(&name) {
            seen.push(name);
            continue;
        }
        let reference = format!("$({name})");
        if variable.has("valueFrom") || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                variable.path(),
                quote(name)
            ));
        }
    }
}

/// Ports that two containers, or one twice, declare.
fn ports(spec: &At<'_>, out: &mut Vec<String>) {
    let mut all: BTreeMap<(i64, &str), Vec<At<'_>>> = BTreeMap::new();
    for port in containers(spec).flat_map(|c| c.items("ports").collect::<Vec<_>>()) {
        let (ip, host) = (port.text("hostIP"), port.int("hostPort"));
        let (number, protocol) = (port.int("containerPort"), port.text("protocol"));
        if !ip.is_empty() && host == 0 {
            out.push(format!(
                "{}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{ip}}}",
                port.path(),
                port.text("name"),
            ));
        }
        let others = all.entry((number, protocol)).or_default();
        for other in &*others {
            let (other_ip, other_host) = (other.text("hostIP"), other.int("hostPort"));
            let how = if ip == other_ip && host == other_host {
                "duplicate port definition"
            } else if host == 0 || other_host == 0 {
                "overlapping port definition"
            } else if host == other_host && ip.is_empty() != other_ip.is_empty() {
                "dangerously ambiguous port definition"
            } else {
                continue;
            };
            out.push(format!("{}: {how} with {}", port.path(), other.path()));
        }
        others.push(port);
    }
}

fn port_names(spec: &At<'_>, out: &mut Vec<String>) {
    let mut all: BTreeMap<&str, Path> = BTreeMap::new();
    for port in containers(spec).flat_map(|c| c.items("ports").collect::<Vec<_>>()) {
        let name = port.text("name");
        if name.is_empty() {
            continue;
        }
        match all.get(name) {
            Some(other) => out.push(format!("{}: duplicate port name {} with {other}, services and probes that select ports by name will use {other}", port.path(), quote(name))),
            None => {
                all.insert(name, port.path().clone());
            }
        }
    }
}

fn pod_affinity(spec: &At<'_>, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let rules = spec.get("affinity").get(kind);
        let preferred = rules.items(PREFERRED).map(|weighted| weighted.get("podAffinityTerm"));
        for term in rules.items(REQUIRED).chain(preferred) {
            if !term.has("labelSelector") {
                out.push(format!("{}: {NO_SELECTOR}", term.at("labelSelector")));
            }
        }
    }
}

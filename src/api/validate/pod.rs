//! Validation of pods and pod templates. After `pkg/apis/core/validation/validation.go`, with the
//! options of `pkg/api/pod/util.go` at the defaults of v1.36.

use serde_json::Value;

use super::resources::Holder;
use super::{
    At, Errors, all_containers, containers, meta, resources, scheduling, security, volumes,
};
use crate::api::fields::Fields;
use crate::api::resources::{self as sums, Options};
use crate::api::{names, net, schema};

/// What is allowed here, mostly because the old object already does it
/// (`GetValidationOptionsFromPodSpecAndMeta`).
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, as upstream's options")]
pub(super) struct Leniency {
    pub(super) is_pod: bool,
    pub(super) any_deletion_cost: bool,
    pub(super) any_huge_pages: bool,
    pub(super) any_label_value: bool,
    pub(super) any_node_label_value: bool,
    pub(super) any_spread_selector: bool,
    pub(super) any_spread_label_keys: bool,
    pub(super) any_token_path: bool,
    pub(super) any_sysctl: bool,
    pub(super) any_selinux_policy: bool,
    pub(super) any_init_resize: bool,
    pub(super) any_block_device: bool,
}

/// What the containers of one pod share.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) leniency: Leniency,
    pub(super) volumes: Vec<At<'a>>,
    pub(super) claims: Vec<&'a str>,
    pub(super) grace_period: Option<i64>,
    pub(super) restart_policy: &'a str,
    pub(super) host_users: bool,
}

/// `ValidatePodCreate`.
pub(super) fn create(pod: &At<'_>, errors: &mut Errors) {
    metadata_and_spec(pod, &Leniency { is_pod: true, ..Leniency::default() }, errors);
    let spec = pod.get("spec");
    if !spec.is_empty("ephemeralContainers") {
        errors.forbidden(&spec.at("ephemeralContainers"), "cannot be set on create");
    }
    if !spec.text("nodeName").is_empty() && !spec.is_empty("schedulingGates") {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&spec.at("nodeName"), detail);
    }
    profiles_match(&pod.get("metadata"), &spec, errors);
}

/// `validatePodMetadataAndSpec`.
pub(super) fn metadata_and_spec(pod: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let (metadata, spec) = (pod.get("metadata"), pod.get("spec"));
    meta::create(&metadata, true, meta::subdomain, errors);
    annotations(&metadata, &spec, leniency, errors);
    pod_spec(&spec, Some(&metadata), leniency, errors);
    if spec.text("serviceAccountName").is_empty() {
        for volume in spec.items("volumes") {
            for source in volume.get("projected").items("sources") {
                if source.has("serviceAccountToken") {
                    let detail = "must not be specified when serviceAccountName is not set";
                    errors.forbidden(&source.at("serviceAccountToken"), detail);
                }
            }
        }
    }
    for container in spec.items("containers").chain(spec.items("initContainers")) {
        containers::image_spaces(&container, errors);
    }
}

/// `ValidatePodTemplateSpec`.
pub(super) fn template(template: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let (metadata, spec) = (template.get("metadata"), template.get("spec"));
    let at = template.path();
    meta::labels(&metadata.get("labels").with_path(at.child("labels")), errors);
    let notes = metadata.clone().with_path(at.clone());
    meta::annotations(&notes.get("annotations"), errors);
    annotations(&notes, &spec, leniency, errors);
    pod_spec(&spec, None, leniency, errors);
    profiles_match(&metadata, &spec, errors);
    if !spec.is_empty("ephemeralContainers") {
        let detail = "ephemeral containers not allowed in pod template";
        errors.forbidden(&spec.at("ephemeralContainers"), detail);
    }
}

/// `ValidatePodSpec`; `metadata` is a pod's, a template has none of its own.
fn pod_spec(spec: &At<'_>, metadata: Option<&At<'_>>, leniency: &Leniency, errors: &mut Errors) {
    if !spec.has("terminationGracePeriodSeconds") {
        errors.required(&spec.at("terminationGracePeriodSeconds"), "");
    }
    let pod_name = metadata.map_or("", |m| m.text("name"));
    let cx = Context {
        leniency: *leniency,
        volumes: volumes::volumes(spec, pod_name, leniency, errors),
        claims: spec
            .items("resourceClaims")
            .map(|c| c.text("name"))
            .filter(|name| !name.is_empty())
            .collect(),
        grace_period: spec.opt_int("terminationGracePeriodSeconds"),
        restart_policy: spec.text("restartPolicy"),
        host_users: spec.opt_flag("hostUsers") != Some(false),
    };
    resource_claims(spec, metadata, errors);
    containers::regular(spec, &cx, errors);
    containers::init(spec, &cx, errors);
    containers::ephemeral(spec, &cx, errors);
    pod_resources(spec, &cx, errors);
    host_network_ports(spec, leniency, errors);
    errors.require_one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.require_one_of(spec, "dnsPolicy", &policies);
    meta::labels(&spec.get("nodeSelector"), errors);
    security::pod(spec, leniency, errors);
    scheduling::affinity(spec, leniency, errors);
    dns_config(spec, errors);
    scheduling::gates(spec, errors);
    scheduling::spread(spec, leniency, errors);
    security::host_process(spec, errors);
    host_users(spec, leniency, errors);
    hostname_override(spec, errors);
    names_and_numbers(spec, errors);
    if spec.has("overhead") {
        overhead(spec, leniency, errors);
    }
    security::operating_system(spec, errors);
    file_key_volumes(spec, errors);
}

fn names_and_numbers(spec: &At<'_>, errors: &mut Errors) {
    let named = |name: &str, check: fn(&str) -> names::Messages, errors: &mut Errors| {
        let text = spec.text(name);
        if !text.is_empty() {
            errors.invalid_for(&spec.at(name), text, check(text));
        }
    };
    named("serviceAccountName", names::dns1123_subdomain, errors);
    named("nodeName", names::dns1123_subdomain, errors);
    if let Some(seconds) = spec.opt_int("activeDeadlineSeconds") {
        let messages = names::in_range(seconds, 1, i64::from(i32::MAX));
        errors.invalid_for(&spec.at("activeDeadlineSeconds"), seconds, messages);
    }
    named("hostname", names::dns1123_label, errors);
    named("subdomain", names::dns1123_label, errors);
    scheduling::tolerations(spec.items("tolerations"), errors);
    for alias in spec.items("hostAliases") {
        let ip = alias.text("ip");
        errors.invalid_for(&alias.at("ip"), ip, net::legacy_ip(ip));
        for (i, host) in alias.texts("hostnames").enumerate() {
            let at = alias.at("hostnames").index(i);
            errors.invalid_for(&at, host, names::dns1123_subdomain(host));
        }
    }
    named("priorityClassName", names::dns1123_subdomain, errors);
    if let Some(class) = spec.opt_text("runtimeClassName") {
        let messages = names::dns1123_subdomain(class);
        errors.invalid_for(&spec.at("runtimeClassName"), class, messages);
    }
    if spec.has("preemptionPolicy") {
        let policies = ["PreemptLowerPriority", "Never"];
        errors.require_one_of(spec, "preemptionPolicy", &policies);
    }
}

/// `validatePodResourceClaims`.
fn resource_claims(spec: &At<'_>, metadata: Option<&At<'_>>, errors: &mut Errors) {
    let mirror = metadata.is_some_and(|m| m.raw("annotations").get(MIRROR).is_some());
    let mut seen: Vec<&str> = Vec::new();
    for claim in spec.items("resourceClaims") {
        if mirror {
            errors.forbidden(&super::Path::new(""), "static pods do not support resource claims");
            continue;
        }
        let name = claim.text("name");
        if name.is_empty() {
            errors.required(&claim.at("name"), "");
        } else if seen.contains(&name) {
            errors.duplicate(&claim.at("name"), name);
        } else {
            errors.invalid_for(&claim.at("name"), name, names::dns1123_label(name));
            seen.push(name);
        }
        let kinds = ["resourceClaimName", "resourceClaimTemplateName"];
        let detail = match kinds.map(|kind| claim.has(kind)) {
            [true, true] => Some(
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            ),
            [false, false] => {
                Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
            }
            _ => None,
        };
        if let Some(detail) = detail {
            errors.invalid_shown(claim.path(), super::internal::text(&claim), detail);
        }
        for kind in kinds {
            if let Some(name) = claim.opt_text(kind) {
                errors.invalid_for(&claim.at(kind), name, names::dns1123_subdomain(name));
            }
        }
    }
}

pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
pub(super) const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// `ValidatePodSpecificAnnotations`; `holder` is what the annotations stand in.
pub(super) fn annotations(
    holder: &At<'_>,
    spec: &At<'_>,
    leniency: &Leniency,
    errors: &mut Errors,
) {
    let at = holder.at("annotations");
    let notes = holder.entries("annotations");
    let note = |key: &str| notes.iter().find(|(k, _)| *k == key).and_then(|(_, v)| v.as_str());
    if let Some(value) = note(MIRROR)
        && spec.text("nodeName").is_empty()
    {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        errors.invalid(&at.key(MIRROR), value, detail);
    }
    const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
    if let Some(text) = note(TOLERATIONS).filter(|t| !t.is_empty()) {
        noted_tolerations(text, &at, TOLERATIONS, errors);
    }
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(cost) = note(COST)
        && !leniency.any_deletion_cost
        && !is_deletion_cost(cost)
    {
        errors.invalid(&at.key(COST), cost, "must be a 32bit integer");
    }
    if let Some(profile) = note(SECCOMP_POD) {
        seccomp_note(profile, &at.child(SECCOMP_POD), errors);
    }
    for (key, profile) in &notes {
        if key.starts_with(SECCOMP_CONTAINER) {
            seccomp_note(profile.as_str().unwrap_or_default(), &at.child(key), errors);
        }
    }
    for (key, profile) in &notes {
        let Some(name) = key.strip_prefix(APP_ARMOR) else { continue };
        let profile = profile.as_str().unwrap_or_default();
        if !all_containers(spec).any(|c| c.text("name") == name) {
            errors.invalid(&at.key(key), name, "container not found");
        }
        let known = matches!(profile, "" | "runtime/default" | "unconfined");
        if !known && !profile.starts_with("localhost/") {
            let detail = format!("invalid AppArmor profile name: {}", super::quote(profile));
            errors.invalid(&at.key(key), profile, detail);
        }
    }
}

/// `GetDeletionCostFromPodAnnotations`: a 32-bit number without a plus sign or leading zeros.
pub(super) fn is_deletion_cost(cost: &str) -> bool {
    let leading = cost.starts_with('+') || (cost.starts_with('0') && cost != "0");
    !leading && cost.parse::<i32>().is_ok()
}

fn noted_tolerations(text: &str, at: &super::Path, key: &str, errors: &mut Errors) {
    let Ok(Value::Array(items)) = serde_json::from_str::<Value>(text) else {
        errors.invalid(at, key, "invalid character looking for beginning of value");
        return;
    };
    let of = schema::named("core/v1.Toleration").expect("it is in the table");
    let list = items.iter().enumerate();
    let places = list.map(|(i, item)| At::new(of, item).with_path(at.child(key).index(i)));
    scheduling::tolerations(places, errors);
}

/// `ValidateSeccompProfile`.
fn seccomp_note(profile: &str, at: &super::Path, errors: &mut Errors) {
    if matches!(profile, "runtime/default" | "docker/default" | "unconfined") {
        return;
    }
    match profile.strip_prefix("localhost/") {
        Some(path) => super::paths::descending(path, at, errors),
        None => errors.invalid(at, profile, "must be a valid seccomp profile"),
    }
}

/// `validateSeccompAnnotationsAndFields`, `validateAppArmorAnnotationsAndFieldsMatchOnCreate`:
/// what annotations and fields both say must agree.
fn profiles_match(metadata: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    let notes = metadata.raw("annotations");
    let note = |key: &str| notes.get(key).and_then(Value::as_str);
    let of_pod = spec.get("securityContext").get("seccompProfile");
    if let Some(note) = note(SECCOMP_POD).filter(|_| of_pod.is_set()) {
        profile_matches(&of_pod, note, "seccomp", errors);
    }
    for container in all_containers(spec) {
        let profile = container.get("securityContext").get("seccompProfile");
        let note = note(&format!("{SECCOMP_CONTAINER}{}", container.text("name")));
        if let Some(note) = note.filter(|_| profile.is_set()) {
            profile_matches(&profile, note, "seccomp", errors);
        }
    }
    if spec.get("os").text("name") == "windows" {
        return;
    }
    let of_pod = spec.get("securityContext").get("appArmorProfile");
    for container in all_containers(spec) {
        let own = container.get("securityContext").get("appArmorProfile");
        let at = own.path().clone();
        let profile = if own.is_set() { own } else { of_pod.clone().with_path(at) };
        let note = note(&format!("{APP_ARMOR}{}", container.text("name")));
        if let Some(note) = note.filter(|_| profile.is_set()) {
            profile_matches(&profile, note, "apparmor", errors);
        }
    }
}

fn profile_matches(profile: &At<'_>, note: &str, what: &str, errors: &mut Errors) {
    let fits = match profile.text("type") {
        "Unconfined" => note == "unconfined",
        "RuntimeDefault" => {
            note == "runtime/default" || what == "seccomp" && note == "docker/default"
        }
        "Localhost" => match note.strip_prefix("localhost/") {
            Some(path) if profile.opt_text("localhostProfile") != Some(path) => {
                let detail = format!("{what} profile in annotation and field must match");
                errors.forbidden(&profile.at("localhostProfile"), detail);
                return;
            }
            Some(_) => true,
            None => false,
        },
        _ => true,
    };
    if !fits {
        let detail = format!("{what} type in annotation and field must match");
        errors.forbidden(&profile.at("type"), detail);
    }
}

/// `validatePodResources`.
fn pod_resources(spec: &At<'_>, cx: &Context<'_>, errors: &mut Errors) {
    let level = spec.get("resources");
    if !level.is_set() {
        return;
    }
    if spec.get("os").text("name") == "windows" {
        errors.forbidden(level.path(), "may not be set for a windows pod");
        return;
    }
    if level.has("claims") {
        let detail = "claims may not be set for Resources at pod-level";
        errors.forbidden(&level.at("claims"), detail);
    }
    resources::requirements(&level, Holder::Pod, &cx.claims, cx.leniency.any_huge_pages, errors);
    let mut pod = Fields::new();
    pod.insert("spec".into(), spec.value().clone());
    let given = |what: &str, name: &str| level.raw(what).get(name).map(resources::quantity);
    for (name, sum) in sums::aggregate(&pod, "requests", Options::default()) {
        if let Some(given) = given("requests", &name).filter(|given| sum > *given) {
            let detail =
                format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.invalid(&level.at("requests").key(&name), given.to_string(), detail);
        }
    }
    for (name, sum) in sums::aggregate(&pod, "limits", Options::default()) {
        let given = given("limits", &name).filter(|_| resources::is_huge_pages(&name));
        if let Some(given) = given.filter(|given| sum > *given) {
            let detail =
                format!("must be greater than or equal to aggregate container limits of {sum}");
            errors.invalid(&level.at("limits").key(&name), given.to_string(), detail);
        }
    }
    for (i, container) in spec.items("containers").enumerate() {
        for (name, limit) in container.get("resources").entries("limits") {
            let limit = resources::quantity(limit);
            if let Some(most) = given("limits", name).filter(|most| limit > *most) {
                let at = level.path().child("containers").index(i).key(name).child("limits");
                let detail = format!("must be less than or equal to pod limits of {most}");
                errors.invalid(&at, limit.to_string(), detail);
            }
        }
    }
}

/// `validatePodHostNetworkDeps`.
fn host_network_ports(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    if !spec.flag("hostNetwork") {
        return;
    }
    for port in spec.items("containers").flat_map(|c| c.items("ports").collect::<Vec<_>>()) {
        let (host, own) = (port.int("hostPort"), port.int("containerPort"));
        if (leniency.is_pod || host != 0) && host != own {
            let detail = "must match `containerPort` when `hostNetwork` is true";
            errors.invalid(&port.at("hostPort"), host, detail);
        }
    }
}

/// `validatePodDNSConfig`.
fn dns_config(spec: &At<'_>, errors: &mut Errors) {
    let config = spec.get("dnsConfig");
    if spec.text("dnsPolicy") == "None" {
        if !config.is_set() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            errors.required(config.path(), detail);
            return;
        }
        if config.is_empty("nameservers") {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.required(&config.at("nameservers"), detail);
            return;
        }
    }
    let (servers, searches) = (config.get("nameservers"), config.get("searches"));
    if config.len("nameservers") > 3 {
        let detail = "must not have more than 3 nameservers";
        errors.invalid(servers.path(), servers.value(), detail);
    }
    for (i, server) in config.texts("nameservers").enumerate() {
        errors.invalid_for(&servers.path().index(i), server, net::legacy_ip(server));
    }
    if config.len("searches") > 32 {
        let detail = "must not have more than 32 search paths";
        errors.invalid(searches.path(), searches.value(), detail);
    }
    let list: Vec<&str> = config.texts("searches").collect();
    if list.join(" ").len() > 2048 {
        let detail =
            "must not have more than 2048 characters (including spaces) in the search list";
        errors.invalid(searches.path(), searches.value(), detail);
    }
    for (i, search) in list.into_iter().enumerate().filter(|(_, s)| *s != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        let messages = names::dns1123_subdomain_with_underscore(search);
        errors.invalid_for(&searches.path().index(i), search, messages);
    }
    for option in config.items("options") {
        if option.text("name").is_empty() {
            errors.required(option.path(), "must not be empty");
        }
    }
}

/// `validateHostUsers`.
fn host_users(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    if spec.opt_flag("hostUsers") != Some(false) {
        return;
    }
    const DETAIL: &str = "when `hostUsers` is false";
    for (name, path) in
        [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
    {
        if spec.flag(name) {
            errors.forbidden(&spec.path().child(path), DETAIL);
        }
    }
    if !leniency.any_block_device {
        for container in all_containers(spec) {
            if !container.is_empty("volumeDevices") {
                errors.forbidden(&container.at("volumeDevices"), DETAIL);
            }
        }
    }
}

/// `validatePodHostName`.
fn hostname_override(spec: &At<'_>, errors: &mut Errors) {
    let Some(name) = spec.opt_text("hostnameOverride") else { return };
    let at = spec.at("hostnameOverride");
    if spec.flag("setHostnameAsFQDN") {
        errors.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.flag("hostNetwork") {
        errors.forbidden(&at, "may not be specified when hostNetwork is true");
    }
    if name.len() > 64 {
        errors.too_long(&at, 64);
    }
    errors.invalid_for(&at, name, names::dns1123_subdomain(name));
}

/// `validateOverhead`: as if it were limits.
fn overhead(spec: &At<'_>, leniency: &Leniency, errors: &mut Errors) {
    let of = schema::named("core/v1.ResourceRequirements").expect("it is in the table");
    let limits = serde_json::json!({"limits": spec.raw("overhead")});
    let place = At::new(of, &limits).with_path(spec.at("overhead"));
    resources::requirements(&place, Holder::Container, &[], leniency.any_huge_pages, errors);
}

/// `validateFileKeyRefVolumes`.
fn file_key_volumes(spec: &At<'_>, errors: &mut Errors) {
    for container in all_containers(spec) {
        for variable in container.items("env") {
            let reference = variable.get("valueFrom").get("fileKeyRef");
            if !reference.is_set() {
                continue;
            }
            let (name, at) = (reference.text("volumeName"), reference.at("volumeName"));
            match spec.items("volumes").rfind(|v| v.text("name") == name) {
                None => errors.not_found(&at, name),
                Some(volume) if !volume.has("emptyDir") => {
                    errors.invalid(&at, name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    }
}

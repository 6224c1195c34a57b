//! Validation of Services. After `pkg/apis/core/validation/validation.go`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{At, Errors, Path, Shown, internal, meta, probes};
use crate::api::{names, net, schema};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// What must fit together of addresses and families (`ValidateServiceClusterIPsRelatedFields`).
pub fn cluster_ips(service: &Value, old: Option<&Value>) -> Errors {
    let of = schema::named("core/v1.Service").expect("it is in the table");
    let spec = At::new(of, service).get("spec");
    let mut errors = Errors::default();
    if spec.text("type") == "ExternalName" {
        return errors;
    }
    let addresses = spec.get("clusterIPs");
    let texts: Vec<&str> = spec.texts("clusterIPs").collect();
    match (spec.text("clusterIP"), texts.first()) {
        ("", Some(_)) => errors.invalid(
            addresses.path(),
            addresses.value(),
            "must be empty when `clusterIP` is not specified",
        ),
        ("", None) => {}
        (_, None) => errors.required(addresses.path(), ""),
        (single, Some(first)) if single != *first => errors.invalid(
            addresses.path(),
            addresses.value(),
            "first value must match `clusterIP`",
        ),
        (_, Some(_)) => {}
    }
    families(&spec, &mut errors);
    if stand_alone(&spec, &texts, old, &mut errors) {
        return errors;
    }
    if texts.len() > 1 && !is_dual_stack(&texts) {
        errors.invalid(
            addresses.path(),
            addresses.value(),
            "may specify no more than one IP for each IP family",
        );
    }
    if texts != ["None"] {
        for (i, (address, family)) in texts.iter().zip(spec.texts("ipFamilies")).enumerate() {
            if (family == "IPv6") != net::is_ipv6(address) && matches!(family, "IPv4" | "IPv6") {
                errors.invalid(
                    &addresses.path().index(i),
                    *address,
                    format!("expected an {family} value as indicated by `ipFamilies[{i}]`"),
                );
            }
        }
    }
    errors
}

fn families(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.at("ipFamilies");
    let mut seen: Vec<&str> = Vec::new();
    for (i, family) in spec.texts("ipFamilies").enumerate() {
        if !matches!(family, "IPv4" | "IPv6") {
            errors.not_supported(&at.index(i), family, &["IPv4", "IPv6"]);
        }
        if seen.contains(&family) {
            errors.duplicate(&at.index(i), family);
        }
        seen.push(family);
    }
    if let Some(policy) = spec.opt_text("ipFamilyPolicy") {
        let supported = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        if !supported.contains(&policy) {
            errors.not_supported(&spec.at("ipFamilyPolicy"), policy, &supported);
        }
    }
}

/// Checks each address by itself; says whether any is wrong.
fn stand_alone(spec: &At<'_>, texts: &[&str], old: Option<&Value>, errors: &mut Errors) -> bool {
    let at = spec.at("clusterIPs");
    let kept = old.map_or(&Value::Null, |old| &old["spec"]["clusterIPs"]);
    let mut wrong = false;
    for (i, address) in texts.iter().enumerate() {
        if i == 0 && *address == "None" {
            if texts.len() > 1 {
                wrong = true;
                let all = spec.raw("clusterIPs");
                errors.invalid(&at, all, "'None' must be the first and only value");
            }
            continue;
        }
        if kept.as_array().is_some_and(|k| k.iter().any(|v| v == address)) {
            continue;
        }
        let messages = net::legacy_ip(address);
        wrong |= !messages.is_empty();
        errors.invalid_for(&at.index(i), *address, messages);
    }
    if texts.len() > 2 {
        errors.invalid(&at, spec.raw("clusterIPs"), "may only hold up to 2 values");
    }
    wrong
}

/// `IsDualStackIPStrings`: at least one address of each family.
fn is_dual_stack(texts: &[&str]) -> bool {
    texts.iter().any(|t| net::is_ipv6(t)) && texts.iter().any(|t| !net::is_ipv6(t))
}

/// `ValidateServiceCreate`, `ValidateServiceUpdate`.
pub(super) fn service(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let metadata = new.get("metadata");
    meta::check(new, old, meta::label, errors);
    let spec = new.get("spec");
    if let Some(old) = old {
        let before = old.get("spec");
        kept_addresses(&spec, &before, errors);
        kept_families(&spec, &before, errors);
        balancer_class(&spec, Some(&before), errors);
        let port = "healthCheckNodePort";
        let both = needs_health_check(&spec) && needs_health_check(&before);
        if both && spec.int(port) != before.int(port) {
            errors.forbidden(&spec.at(port), "field is immutable");
        }
    }
    topology_annotations(&metadata, errors);
    if spec.is_empty("ports") && !is_headless(&spec) && spec.text("type") != "ExternalName" {
        errors.required(&spec.at("ports"), "");
    }
    kind(&spec, errors);
    ports(&spec, errors);
    meta::labels(&spec.get("selector"), errors);
    affinity(&spec, errors);
    errors.append(cluster_ips(new.value(), old.map(At::value)));
    external_addresses(&spec, old, errors);
    errors.require_one_of(
        &spec,
        "type",
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    );
    node_ports(&spec, errors);
    source_ranges(&metadata, &spec, old, errors);
    let balanced = spec.text("type") == "LoadBalancer";
    if spec.has("allocateLoadBalancerNodePorts") && !balanced {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        errors.forbidden(&spec.at("allocateLoadBalancerNodePorts"), detail);
    }
    if !spec.has("allocateLoadBalancerNodePorts") && balanced {
        errors.required(&Path::new("allocateLoadBalancerNodePorts"), "");
    }
    balancer_class(&spec, None, errors);
    traffic(&spec, errors);
}

fn is_headless(spec: &At<'_>) -> bool {
    spec.texts("clusterIPs").eq(["None"])
}

fn needs_health_check(spec: &At<'_>) -> bool {
    spec.text("type") == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local"
}

fn topology_annotations(metadata: &At<'_>, errors: &mut Errors) {
    let annotations = metadata.get("annotations");
    let text = |key: &str| annotations.value().get(key).and_then(Value::as_str);
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    const MODE: &str = "service.kubernetes.io/topology-mode";
    if let (Some(hints), Some(mode)) = (text(HINTS), text(MODE))
        && hints != mode
    {
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        errors.invalid(&annotations.path().key(MODE), mode, detail);
    }
}

/// What each type asks for.
fn kind(spec: &At<'_>, errors: &mut Errors) {
    match spec.text("type") {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&spec.at("clusterIPs").index(0), "None", detail);
        }
        "ExternalName" => {
            let detail = "may not be set for ExternalName services";
            for list in ["clusterIPs", "ipFamilies"] {
                if !spec.is_empty(list) {
                    errors.forbidden(&spec.at(list), detail);
                }
            }
            if spec.has("ipFamilyPolicy") {
                errors.forbidden(&spec.at("ipFamilyPolicy"), detail);
            }
            let name = spec.text("externalName");
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() {
                errors.required(&spec.at("externalName"), "");
            } else {
                let messages = names::dns1123_subdomain(name);
                errors.invalid_for(&spec.at("externalName"), name, messages);
            }
        }
        _ => {}
    }
}

/// `validateServicePort`, for each.
fn ports(spec: &At<'_>, errors: &mut Errors) {
    let several = spec.len("ports") > 1;
    let mut seen: Vec<&str> = Vec::new();
    for port in spec.items("ports") {
        let (name, at) = (port.text("name"), port.at("name"));
        if !name.is_empty() {
            errors.invalid_for(&at, name, names::dns1123_label(name));
            if seen.contains(&name) {
                errors.duplicate(&at, name);
            }
            seen.push(name);
        } else if several {
            errors.required(&at, "");
        }
        let number = port.int("port");
        errors.invalid_for(&port.at("port"), number, names::port_number(number));
        errors.require_one_of(&port, "protocol", &PROTOCOLS);
        probes::port(port.raw("targetPort"), &port.at("targetPort"), errors);
        if let Some(protocol) = port.opt_text("appProtocol") {
            errors.invalid_for(&port.at("appProtocol"), protocol, names::qualified_name(protocol));
        }
    }
}

fn affinity(spec: &At<'_>, errors: &mut Errors) {
    errors.require_one_of(spec, "sessionAffinity", &["ClientIP", "None"]);
    let config = spec.get("sessionAffinityConfig");
    match spec.text("sessionAffinity") {
        "ClientIP" => {
            let client = config.get("clientIP");
            let timeout = client.get("timeoutSeconds");
            let missing = [&config, &client, &timeout].into_iter().find(|place| !place.is_set());
            if let Some(place) = missing {
                errors.required(place.path(), "when session affinity type is ClientIP");
                return;
            }
            let seconds = client.int("timeoutSeconds");
            if !(1..=86400).contains(&seconds) {
                let detail = "must be greater than 0 and less than 86400";
                errors.invalid(timeout.path(), seconds, detail);
            }
        }
        "None" if config.is_set() => {
            let detail = "must not be set when session affinity is None";
            errors.forbidden(config.path(), detail);
        }
        _ => {}
    }
}

fn external_addresses(spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let before = old.map(|o| o.get("spec"));
    let was = |address: &str| {
        before.as_ref().is_some_and(|spec| spec.texts("externalIPs").any(|old| old == address))
    };
    for (i, address) in spec.texts("externalIPs").enumerate() {
        let at = spec.at("externalIPs").index(i);
        let messages = if was(address) { Vec::new() } else { net::legacy_ip(address) };
        if messages.is_empty() {
            endpoint_address(address, &at, errors);
        } else {
            errors.invalid_for(&at, address, messages);
        }
    }
}

/// `ValidateEndpointIP`: neither unspecified nor local.
pub(super) fn endpoint_address(text: &str, at: &Path, errors: &mut Errors) {
    let Some(ip) = net::parse_ip(text) else {
        return errors.invalid(at, text, "must be a valid IP address");
    };
    let ip = ip.to_canonical();
    if ip.is_unspecified() {
        errors.invalid(at, text, format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        let detail = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
        errors.invalid(at, text, detail);
    }
    let (unicast, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    if unicast {
        let detail = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        errors.invalid(at, text, detail);
    }
    if multicast {
        let detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.invalid(at, text, detail);
    }
}

fn node_ports(spec: &At<'_>, errors: &mut Errors) {
    if spec.text("type") == "ClusterIP" {
        for port in spec.items("ports").filter(|port| port.int("nodePort") != 0) {
            let detail = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&port.at("nodePort"), detail);
        }
    }
    let mut seen: Vec<(&str, i64)> = Vec::new();
    for port in spec.items("ports").filter(|port| port.int("nodePort") != 0) {
        let key = (port.text("protocol"), port.int("nodePort"));
        if seen.contains(&key) {
            errors.duplicate(&port.at("nodePort"), key.1);
        }
        seen.push(key);
    }
    let mut seen: Vec<(&str, i64)> = Vec::new();
    for port in spec.items("ports") {
        let key = (port.text("protocol"), port.int("port"));
        if seen.contains(&key) {
            let both = json!({"protocol": key.0, "port": key.1});
            errors.duplicate(port.path(), Shown(internal::text(&port.with_value(&both))));
        }
        seen.push(key);
    }
}

fn source_ranges(metadata: &At<'_>, spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    const NOTE: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let only = "may only be used when `type` is 'LoadBalancer'";
    let balanced = spec.text("type") == "LoadBalancer";
    let note_of = |metadata: &At<'_>| {
        metadata.raw("annotations").get(NOTE).and_then(Value::as_str).map(str::to_owned)
    };
    if !spec.is_empty("loadBalancerSourceRanges") {
        let at = spec.path().child("LoadBalancerSourceRanges");
        if !balanced {
            errors.forbidden(&at, only);
        }
        let before = old.map(|o| o.get("spec"));
        for (i, range) in spec.texts("loadBalancerSourceRanges").map(str::trim).enumerate() {
            let kept = before.as_ref().is_some_and(|spec| {
                spec.texts("loadBalancerSourceRanges").any(|old| old.trim() == range)
            });
            if !kept {
                errors.invalid_for(&at.index(i), range, net::legacy_cidr(range));
            }
        }
    } else if let Some(note) = note_of(metadata) {
        let at = metadata.at("annotations").key(NOTE);
        if !balanced {
            errors.forbidden(&at, only);
        }
        let kept = old.is_some_and(|o| note_of(&o.get("metadata")).as_ref() == Some(&note));
        if !kept && !note.trim().is_empty() {
            for range in note.trim().split(',').map(str::trim) {
                errors.invalid_for(&at, range, net::legacy_cidr(range));
            }
        }
    }
}

/// `validateLoadBalancerClassField`.
fn balancer_class(spec: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let class = spec.get("loadBalancerClass");
    let balanced = |spec: &At<'_>| spec.text("type") == "LoadBalancer";
    if let Some(old) = old
        && balanced(old)
        && balanced(spec)
        && old.raw("loadBalancerClass") != class.value()
    {
        errors.invalid(class.path(), class.value(), "may not change once set");
    }
    let Some(name) = class.value().as_str() else { return };
    if balanced(spec) {
        errors.invalid_for(class.path(), name, names::qualified_name(name));
    } else {
        errors.forbidden(class.path(), "may only be used when `type` is 'LoadBalancer'");
    }
}

/// `validateServiceExternalTrafficPolicy`, `validateServiceInternalTrafficFieldsValue`,
/// `validateServiceTrafficDistribution`.
fn traffic(spec: &At<'_>, errors: &mut Errors) {
    let kind = spec.text("type");
    let external = matches!(kind, "LoadBalancer" | "NodePort")
        || kind == "ClusterIP" && !spec.is_empty("externalIPs");
    let policy = spec.text("externalTrafficPolicy");
    if external {
        errors.require_one_of(spec, "externalTrafficPolicy", &["Cluster", "Local"]);
    } else if !policy.is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.invalid(&spec.at("externalTrafficPolicy"), policy, detail);
    }
    let (port, at) = (spec.int("healthCheckNodePort"), spec.at("healthCheckNodePort"));
    match (needs_health_check(spec), port) {
        (false, 0) => {}
        (false, _) => {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid(&at, port, detail);
        }
        (true, 0) => errors.required(&at, ""),
        (true, _) => errors.invalid_for(&at, port, names::port_number(port)),
    }
    if spec.has("internalTrafficPolicy") {
        errors.one_of(spec, "internalTrafficPolicy", &["Cluster", "Local"]);
    } else if matches!(kind, "NodePort" | "LoadBalancer" | "ClusterIP") {
        errors.required(&spec.at("internalTrafficPolicy"), "");
    }
    let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    errors.optional_one_of(spec, "trafficDistribution", &distributions);
}

/// `validateUpgradeDowngradeClusterIPs`.
fn kept_addresses(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let named = |spec: &At<'_>| spec.text("type") == "ExternalName";
    if named(spec) || named(old) || is_headless(spec) && is_headless(old) {
        return;
    }
    let (new, before): (Vec<&str>, Vec<&str>) =
        (spec.texts("clusterIPs").collect(), old.texts("clusterIPs").collect());
    let at = spec.at("clusterIPs");
    let shown = &spec.get("clusterIPs").encoded();
    let fixed = "may not change once set";
    if before.len() == new.len() {
        for (i, _) in before.iter().zip(&new).enumerate().filter(|(_, (old, new))| old != new) {
            errors.invalid(&at.index(i), shown, fixed);
        }
        return;
    }
    if new.is_empty() {
        errors.invalid(&at.index(0), shown, "primary clusterIP can not be unset");
    } else if !before.is_empty() && before[0] != new[0] {
        errors.invalid(&at.index(0), shown, fixed);
    }
    if before.len() > new.len() && new.len() == 1 {
        released(spec, "clusterIP", errors);
    }
}

/// `validateUpgradeDowngradeIPFamilies`.
fn kept_families(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let named = |spec: &At<'_>| spec.text("type") == "ExternalName";
    if named(spec) || named(old) || is_headless(spec) || is_headless(old) {
        return;
    }
    let (new, before): (Vec<&str>, Vec<&str>) =
        (spec.texts("ipFamilies").collect(), old.texts("ipFamilies").collect());
    let at = spec.at("ipFamilies").index(0);
    let (families, addresses) =
        (&spec.get("ipFamilies").encoded(), &spec.get("clusterIPs").encoded());
    let fixed = "may not change once set";
    if before.len() == new.len() {
        for _ in before.iter().zip(&new).filter(|(old, new)| old != new) {
            errors.invalid(&at, families, fixed);
        }
        return;
    }
    if before.len() > new.len() && spec.is_empty("clusterIPs") {
        errors.invalid(&at, families, "primary ipFamily can not be unset");
    }
    if let (Some(new), Some(old)) = (new.first(), before.first())
        && new != old
    {
        errors.invalid(&at, addresses, fixed);
    }
    if before.len() > new.len() && new.len() == 1 {
        released(spec, "ipFamily", errors);
    }
}

fn released(spec: &At<'_>, what: &str, errors: &mut Errors) {
    let policy = spec.get("ipFamilyPolicy");
    if policy.value().as_str() != Some("SingleStack") {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        errors.invalid(policy.path(), policy.value(), detail);
    }
}

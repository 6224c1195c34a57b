//! Validation of the kinds around workloads: Namespaces, Nodes, ConfigMaps, Secrets, Endpoints,
//! PodDisruptionBudgets, PriorityClasses, Leases, Events. After `pkg/apis/*/validation`.

use k8s_openapi::ByteString;
use serde::Deserialize as _;
use serde_json::Value;

use super::amounts::Amount;
use super::{At, Errors, Path, Shown, internal, meta, resources, scheduling, service};
use crate::api::limits::Limits;
use crate::api::{json, names, net};

const BYTES_MAX: usize = 1024 * 1024;

/// `ValidateNamespace`, and `ValidateNamespaceUpdate` after it.
pub(super) fn namespace(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::create(&new.get("metadata"), false, meta::label, errors);
    let spec = new.get("spec");
    let at = spec.at("finalizers");
    for name in spec.texts("finalizers") {
        errors.invalid_for(&at, name, names::qualified_name(name));
        meta::kube_finalizer(name, &at, errors);
    }
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    }
}

/// `ValidateServiceAccount`, after `ValidateServiceAccountUpdate`.
pub(super) fn service_account(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if old.is_some() {
        meta::check(new, old, meta::subdomain, errors);
    }
    meta::check(new, None, meta::subdomain, errors);
}

/// `ValidateNode`, and `ValidateNodeUpdate` after it.
pub(super) fn node(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let spec = new.get("spec");
    meta::create(&new.get("metadata"), false, meta::subdomain, errors);
    taints(new, errors);
    node_resources(new, errors);
    pod_networks(&spec, errors);
    let Some(old) = old else { return };
    meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    node_resources(new, errors);
    let before = old.get("spec");
    let fixed =
        |what: &str| format!("node updates may not change {what} except from \"\" to valid");
    let (now, then): (Vec<&str>, Vec<&str>) =
        (spec.texts("podCIDRs").collect(), before.texts("podCIDRs").collect());
    let changed = if now.len() == then.len() {
        now.iter().zip(&then).filter(|(now, then)| now != then).count()
    } else {
        usize::from(!then.is_empty())
    };
    for _ in 0..changed {
        errors.forbidden(&spec.at("podCIDRs"), fixed("podCIDR"));
    }
    let provider = before.text("providerID");
    if !provider.is_empty() && provider != spec.text("providerID") {
        errors.forbidden(&spec.at("providerID"), fixed("providerID"));
    }
    taints(new, errors);
    if spec.text("externalID") != before.text("externalID") {
        errors.forbidden(&spec.at("externalID"), "may not be updated");
    }
}

/// `validateNodeTaints`; their path is under the metadata.
fn taints(node: &At<'_>, errors: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (i, taint) in node.get("spec").items("taints").enumerate() {
        let taint = taint.with_path(node.at("metadata").child("taints").index(i));
        let (key, value) = (taint.text("key"), taint.text("value"));
        meta::label_name(key, &taint.at("key"), errors);
        let messages = names::label_value(value);
        if !messages.is_empty() {
            errors.invalid(&taint.at("value"), value, messages.join(";"));
        }
        scheduling::taint_effect(&taint, errors);
        let pair = (taint.text("effect"), key);
        if seen.contains(&pair) {
            let detail = "taints must be unique by key and effect pair";
            errors.duplicate_because(taint.path(), Shown(internal::text(&taint)), detail);
        } else {
            seen.push(pair);
        }
    }
}

fn node_resources(node: &At<'_>, errors: &mut Errors) {
    let status = node.get("status");
    for list in ["capacity", "allocatable"] {
        for (resource, amount) in status.entries(list) {
            let at = status.at(list).child(resource);
            resources::amount(resource, &resources::quantity(amount), &at, errors);
        }
    }
}

fn pod_networks(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.at("podCIDRs");
    let networks: Vec<&str> = spec.texts("podCIDRs").collect();
    for (i, network) in networks.iter().enumerate() {
        errors.invalid_for(&at.index(i), *network, net::legacy_cidr(network));
    }
    if networks.len() > 1 {
        let parsed: Vec<Option<bool>> =
            networks.iter().map(|n| net::parse_cidr(n).map(|(ip, _)| ip.is_ipv6())).collect();
        let wrong = parsed.iter().position(Option::is_none);
        if let Some(i) = wrong {
            errors.internal(&at, format!(
                "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{i}]: <nil> (invalid CIDR address: {})",
                networks[i]
            ));
        }
        let of_both = parsed.contains(&Some(true)) && parsed.contains(&Some(false));
        let dual = wrong.is_none() && of_both;
        if !dual || networks.len() > 2 {
            let detail = "may specify no more than one CIDR for each IP family";
            errors.invalid(&at, spec.raw("podCIDRs"), detail);
        }
    }
}

/// `ValidateConfigMap`, after `ValidateConfigMapUpdate`.
pub(super) fn config_map(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
        immutable_data(new, old, &["data", "binaryData"], errors);
    }
    meta::check(new, None, meta::subdomain, errors);
    let mut bytes = 0;
    for (key, value) in new.entries("data") {
        let at = new.at("data").key(key);
        errors.invalid_for(&at, key, names::config_map_key(key));
        if new.raw("binaryData").get(key).is_some() {
            errors.invalid(&at, key, "duplicate of key present in binaryData");
        }
        bytes += value.as_str().map_or(0, str::len);
    }
    for (key, value) in new.entries("binaryData") {
        let at = new.at("binaryData").key(key);
        errors.invalid_for(&at, key, names::config_map_key(key));
        bytes += decoded(value).len();
    }
    if bytes > BYTES_MAX {
        errors.too_long(&Path::new(""), BYTES_MAX);
    }
}

fn immutable_data(new: &At<'_>, old: &At<'_>, lists: &[&str], errors: &mut Errors) {
    let detail = "field is immutable when `immutable` is set";
    if !old.flag("immutable") {
        return;
    }
    if !new.flag("immutable") {
        errors.forbidden(&new.at("immutable"), detail);
    }
    for list in lists {
        if new.raw(list) != old.raw(list) {
            errors.forbidden(&new.at(list), detail);
        }
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    ByteString::deserialize(value).map(|bytes| bytes.0).unwrap_or_default()
}

/// `ValidateSecret`, after `ValidateSecretUpdate`.
pub(super) fn secret(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
        meta::immutable(&new.get("type"), &old.get("type"), errors);
        immutable_data(new, old, &["data"], errors);
    }
    meta::check(new, None, meta::subdomain, errors);
    let mut bytes = 0;
    for (key, value) in new.entries("data") {
        errors.invalid_for(&new.at("data").key(key), key, names::config_map_key(key));
        bytes += decoded(value).len();
    }
    if bytes > BYTES_MAX {
        errors.too_long(&new.at("data"), BYTES_MAX);
    }
    secret_type(new, errors);
}

fn secret_type(secret: &At<'_>, errors: &mut Errors) {
    let data = |key: &str| secret.raw("data").get(key);
    let at = |key: &str| secret.at("data").key(key);
    match secret.text("type") {
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            let annotations = secret.get("metadata").get("annotations");
            let account = annotations.value().get(ACCOUNT).and_then(Value::as_str);
            if account.is_none_or(str::is_empty) {
                errors.required(&annotations.path().key(ACCOUNT), "");
            }
        }
        "kubernetes.io/dockercfg" => docker_config(".dockercfg", secret, errors),
        "kubernetes.io/dockerconfigjson" => docker_config(".dockerconfigjson", secret, errors),
        "kubernetes.io/basic-auth" => {
            let keys = ["username", "password"];
            if keys.iter().all(|key| data(key).is_none()) {
                keys.iter().for_each(|key| errors.required(&at(key), ""));
            }
        }
        "kubernetes.io/ssh-auth" => {
            const KEY: &str = "ssh-privatekey";
            if data(KEY).is_none_or(|value| decoded(value).is_empty()) {
                errors.required(&at(KEY), "");
            }
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if data(key).is_none() {
                    errors.required(&at(key), "");
                }
            }
        }
        _ => {}
    }
}

fn docker_config(key: &str, secret: &At<'_>, errors: &mut Errors) {
    let at = secret.at("data").key(key);
    let Some(value) = secret.raw("data").get(key) else { return errors.required(&at, "") };
    let bytes = decoded(value);
    let text = String::from_utf8_lossy(&bytes);
    let hidden = "<secret contents redacted>";
    if let Err(error) = json::read_whole(&text, &Limits::default()) {
        errors.invalid(&at, hidden, error.problem.as_ref());
        return;
    }
    let kind = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(_)) => "array",
        Ok(Value::String(_)) => "string",
        Ok(Value::Number(_)) => "number",
        Ok(Value::Bool(_)) => "bool",
        Ok(Value::Null | Value::Object(_)) | Err(_) => return,
    };
    let detail =
        format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}");
    errors.invalid(&at, hidden, detail);
}

/// `ValidateEndpoints`, after `ValidateEndpointsUpdate`.
pub(super) fn endpoints(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
    }
    meta::check(new, None, meta::subdomain, errors);
    if old.is_some_and(|old| old.get("subsets").same(&new.get("subsets"))) {
        return;
    }
    for subset in new.items("subsets") {
        if subset.is_empty("addresses") && subset.is_empty("notReadyAddresses") {
            let detail = "must specify `addresses` or `notReadyAddresses`";
            errors.required(subset.path(), detail);
        }
        for address in subset.items("addresses").chain(subset.items("notReadyAddresses")) {
            endpoint_address(&address, errors);
        }
        let several = subset.len("ports") > 1;
        for port in subset.items("ports") {
            endpoint_port(&port, several, errors);
        }
    }
}

fn endpoint_address(address: &At<'_>, errors: &mut Errors) {
    let (ip, host) = (address.text("ip"), address.text("hostname"));
    errors.invalid_for(&address.at("ip"), ip, net::legacy_ip(ip));
    if !host.is_empty() {
        errors.invalid_for(&address.at("hostname"), host, names::dns1123_label(host));
    }
    if let Some(node) = address.opt_text("nodeName") {
        errors.invalid_for(&address.at("nodeName"), node, names::dns1123_subdomain(node));
    }
    service::endpoint_address(ip, &address.at("ip"), errors);
}

fn endpoint_port(port: &At<'_>, several: bool, errors: &mut Errors) {
    let (name, number) = (port.text("name"), port.int("port"));
    if !name.is_empty() {
        errors.invalid_for(&port.at("name"), name, names::dns1123_label(name));
    } else if several {
        errors.required(&port.at("name"), "");
    }
    errors.invalid_for(&port.at("port"), number, names::port_number(number));
    errors.require_one_of(port, "protocol", &["SCTP", "TCP", "UDP"]);
    if let Some(protocol) = port.opt_text("appProtocol") {
        errors.invalid_for(&port.at("appProtocol"), protocol, names::qualified_name(protocol));
    }
}

/// `ValidatePodDisruptionBudget`.
pub(super) fn disruption_budget(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let spec = new.get("spec");
    if spec.has("minAvailable") && spec.has("maxUnavailable") {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        errors.invalid_shown(spec.path(), internal::text(&spec), detail);
    }
    for field in ["minAvailable", "maxUnavailable"] {
        if spec.has(field) {
            let amount = Amount::of(&spec, field);
            amount.check(errors);
            amount.check_not_more_than_all(errors);
        }
    }
    let any_value =
        old.is_some_and(|old| meta::has_bad_selector_value(&old.get("spec").get("selector")));
    meta::label_selector(&spec.get("selector"), any_value, errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.optional_one_of(&spec, "unhealthyPodEvictionPolicy", &policies);
}

/// `ValidatePriorityClass`, `ValidatePriorityClassUpdate`.
pub(super) fn priority_class(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
        if new.int("value") != old.int("value") {
            errors.forbidden(&new.at("value"), "may not be changed in an update.");
        }
        meta::immutable(&new.get("preemptionPolicy"), &old.get("preemptionPolicy"), errors);
        return;
    }
    let metadata = new.get("metadata");
    meta::create(&metadata, false, meta::subdomain, errors);
    let name = metadata.text("name");
    if name.starts_with("system-") {
        if let Some(why) = not_a_system_class(new, name) {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
            );
            errors.forbidden(&metadata.at("name"), detail);
        }
    } else if new.int("value") > 1_000_000_000 {
        let detail = "maximum allowed value of a user defined priority is 1000000000";
        errors.forbidden(&new.at("value"), detail);
    }
    if new.has("preemptionPolicy") {
        let policies = ["PreemptLowerPriority", "Never"];
        errors.require_one_of(new, "preemptionPolicy", &policies);
    }
}

/// `IsKnownSystemPriorityClass`.
fn not_a_system_class(class: &At<'_>, name: &str) -> Option<String> {
    let value = match name {
        "system-node-critical" => 2_000_001_000,
        "system-cluster-critical" => 2_000_000_000,
        _ => return Some(format!("{name} is not a known system priority class")),
    };
    if class.int("value") != value {
        return Some(format!("value of {name} PriorityClass must be {value}"));
    }
    let default = class.flag("globalDefault");
    default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}

/// `ValidateLease`, `ValidateLeaseUpdate`.
pub(super) fn lease(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let (metadata, spec) = (new.get("metadata"), new.get("spec"));
    match old {
        None => meta::accessor(&metadata, true, meta::subdomain, errors),
        Some(old) => meta::accessor_update(&metadata, &old.get("metadata"), errors),
    }
    if let Some(seconds) = spec.opt_int("leaseDurationSeconds").filter(|s| *s <= 0) {
        errors.invalid(&spec.at("leaseDurationSeconds"), seconds, "must be greater than 0");
    }
    errors.non_negative(&spec, "leaseTransitions");
    let strategy = spec.get("strategy").with_path(spec.at("strategy").child("strategy"));
    match strategy.value().as_str() {
        Some(text) if text.contains('/') => {
            errors.invalid_for(strategy.path(), text, names::qualified_name(text));
        }
        Some(text) if text != "OldestEmulationVersion" => {
            errors.not_supported(strategy.path(), text, &["OldestEmulationVersion"]);
        }
        Some(_) | None => {}
    }
    let holder = spec.text("preferredHolder");
    if !holder.is_empty() && strategy.value().as_str().is_none_or(str::is_empty) {
        let detail = "may only be specified if `strategy` is defined";
        errors.forbidden(&spec.at("preferredHolder"), detail);
    }
}

/// `ValidateRuntimeClass`, `ValidateRuntimeClassUpdate`.
pub(super) fn runtime_class(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
        return meta::immutable(&new.get("handler"), &old.get("handler"), errors);
    }
    meta::create(&new.get("metadata"), false, meta::subdomain, errors);
    match new.text("handler") {
        "" => errors.required(&new.at("handler"), ""),
        name => errors.invalid_for(&new.at("handler"), name, names::dns1123_label(name)),
    }
    let overhead = new.get("overhead");
    for (resource, value) in overhead.entries("podFixed") {
        let (value, at) = (resources::quantity(value), overhead.at("limits").key(resource));
        resources::container_name(resource, &at, errors);
        resources::amount(resource, &value, &at, errors);
    }
    let placed = new.get("scheduling");
    meta::labels(&placed.get("nodeSelector"), errors);
    scheduling::tolerations(placed.items("tolerations"), errors);
    let key = |toleration: &At<'_>| {
        ["key", "operator", "value", "effect"].map(|part| toleration.text(part).to_owned())
    };
    let mut seen = Vec::new();
    for toleration in placed.items("tolerations") {
        if seen.contains(&key(&toleration)) {
            errors.duplicate(toleration.path(), Shown(internal::text(&toleration)));
        } else {
            seen.push(key(&toleration));
        }
    }
}

/// `legacyValidateEvent`: what core/v1 asks of an Event, new or changed.
pub(super) fn event(event: &At<'_>, errors: &mut Errors) {
    let namespace = event.get("metadata").text("namespace");
    let involved = event.get("involvedObject");
    let (of, at) = (involved.text("namespace"), involved.at("namespace"));
    let timed = event.has("eventTime");
    let right = match (timed, of) {
        (false, "") => matches!(namespace, "" | "default"),
        (false, of) => of == namespace,
        (true, "") => matches!(namespace, "default" | "kube-system"),
        (true, _) => true,
    };
    if !right {
        errors.invalid(&at, of, "does not match event.namespace");
    }
    if timed {
        timed_event(event, errors);
    }
    errors.invalid_for(&Path::new("namespace"), namespace, names::dns1123_subdomain(namespace));
}

fn timed_event(event: &At<'_>, errors: &mut Errors) {
    let controller = event.text("reportingComponent");
    let at = event.at("reportingComponent");
    if controller.is_empty() {
        errors.required(&at, "");
    }
    errors.invalid_for(&at, controller, names::qualified_name(controller));
    for (field, most) in
        [("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)]
    {
        let text = event.text(field);
        if text.is_empty() && field != "message" {
            errors.required(&event.at(field), "");
        }
        if text.len() > most {
            errors.invalid(&event.at(field), "", format!("can have at most {most} characters"));
        }
    }
}

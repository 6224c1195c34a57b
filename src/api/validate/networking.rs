//! Validation of Ingresses, IngressClasses and NetworkPolicies. After
//! `pkg/apis/networking/validation/validation.go`.

use serde_json::Value;

use super::{At, Errors, meta};
use crate::api::{names, net};

const CONTROLLER_BYTES_MAX: usize = 250;
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// What an Ingress that was there before is forgiven (`IngressValidationOptions`).
#[derive(Clone, Copy, Default)]
struct Forgiven {
    secret_names: bool,
    wildcard_rules: bool,
}

impl Forgiven {
    fn of(old: Option<&At<'_>>) -> Self {
        let Some(spec) = old.map(|old| old.get("spec")) else { return Self::default() };
        let bad_secret = |tls: At<'_>| {
            let name = tls.text("secretName");
            !name.is_empty() && !names::dns1123_subdomain(name).is_empty()
        };
        let bad_rule = |rule: At<'_>| {
            let mut errors = Errors::default();
            http(&rule, &mut errors);
            rule.text("host").contains('*') && !errors.is_empty()
        };
        Self {
            secret_names: spec.items("tls").any(bad_secret),
            wildcard_rules: spec.items("rules").any(bad_rule),
        }
    }
}

/// `ValidateIngressCreate`, `ValidateIngressUpdate`.
pub(super) fn ingress(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let metadata = new.get("metadata");
    if let Some(old) = old {
        meta::update(&metadata, &old.get("metadata"), errors);
    }
    meta::create(&metadata, true, meta::subdomain, errors);
    let spec = new.get("spec");
    ingress_spec(&spec, Forgiven::of(old), errors);
    let noted = metadata.raw("annotations").get(CLASS_ANNOTATION).and_then(Value::as_str);
    if let (None, Some(noted), Some(class)) = (old, noted, spec.opt_text("ingressClassName"))
        && noted != class
    {
        let at = new.path().child("annotations").child(CLASS_ANNOTATION);
        errors.invalid(&at, noted, "must match `ingressClassName` when both are specified");
    }
}

fn ingress_spec(spec: &At<'_>, forgiven: Forgiven, errors: &mut Errors) {
    if spec.is_empty("rules") && !spec.has("defaultBackend") {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.invalid(spec.path(), spec.raw("rules"), detail);
    }
    if spec.has("defaultBackend") {
        backend(&spec.get("defaultBackend"), errors);
    }
    for rule in spec.items("rules") {
        let host = rule.text("host");
        if !host.is_empty() {
            if net::parse_ip(host).is_some() {
                let detail = "must be a DNS name, not an IP address";
                errors.invalid(&rule.at("host"), host, detail);
            }
            errors.invalid_for(&rule.at("host"), host, host_name(host));
        }
        if !(host.contains('*') && forgiven.wildcard_rules) {
            http(&rule, errors);
        }
    }
    for tls in spec.items("tls") {
        for (i, host) in tls.texts("hosts").enumerate() {
            errors.invalid_for(&tls.at("hosts").index(i), host, host_name(host));
        }
        let name = tls.text("secretName");
        if !name.is_empty() && !forgiven.secret_names {
            errors.invalid_for(&tls.at("secretName"), name, names::dns1123_subdomain(name));
        }
    }
    if let Some(class) = spec.opt_text("ingressClassName") {
        errors.invalid_for(&spec.at("ingressClassName"), class, names::dns1123_subdomain(class));
    }
}

fn host_name(host: &str) -> names::Messages {
    if host.contains('*') {
        names::wildcard_dns1123_subdomain(host)
    } else {
        names::dns1123_subdomain(host)
    }
}

/// `validateHTTPIngressRuleValue`.
fn http(rule: &At<'_>, errors: &mut Errors) {
    if !rule.has("http") {
        return;
    }
    let http = rule.get("http");
    if http.is_empty("paths") {
        errors.required(&http.at("paths"), "");
    }
    for path in http.items("paths") {
        http_path(&path, errors);
    }
}

fn http_path(path: &At<'_>, errors: &mut Errors) {
    let Some(kind) = path.opt_text("pathType") else {
        return errors.required(&path.at("pathType"), "pathType must be specified");
    };
    let (text, at) = (path.text("path"), path.at("path"));
    let absolute = text.starts_with('/');
    match kind {
        "Exact" | "Prefix" => {
            if !absolute {
                errors.invalid(&at, text, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                if text.contains(part) {
                    errors.invalid(&at, text, format!("must not contain '{part}'"));
                }
            }
            for end in ["/..", "/."] {
                if text.ends_with(end) {
                    errors.invalid(&at, text, format!("cannot end with '{end}'"));
                }
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !absolute {
                errors.invalid(&at, text, "must be an absolute path");
            }
        }
        _ => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&path.at("pathType"), kind, &known);
        }
    }
    backend(&path.get("backend"), errors);
}

/// `validateIngressBackend`.
fn backend(backend: &At<'_>, errors: &mut Errors) {
    let (service, resource) = (backend.get("service"), backend.get("resource"));
    match (service.is_set(), resource.is_set()) {
        (true, true) => {
            let detail = "cannot set both resource and service backends";
            errors.invalid(backend.path(), "", detail);
        }
        (false, true) => reference(&resource, errors),
        (true, false) => service_backend(backend, &service, errors),
        (false, false) => {
            errors.invalid(backend.path(), "", "resource or service backend is required");
        }
    }
}

fn service_backend(backend: &At<'_>, service: &At<'_>, errors: &mut Errors) {
    let name = service.text("name");
    if name.is_empty() {
        errors.required(&service.at("name"), "");
    } else {
        errors.invalid_for(&service.at("name"), name, names::dns1123_label(name));
    }
    let port = service.get("port");
    let (name, number) = (port.text("name"), port.int("number"));
    match (name, number) {
        ("", 0) => errors.required(backend.path(), "port name or number is required"),
        ("", number) => {
            errors.invalid_for(&port.at("number"), number, names::port_number(number));
        }
        (name, 0) => errors.invalid_for(&port.at("name"), name, names::port_name(name)),
        (_, _) => errors.invalid(backend.path(), "", "cannot set both port name & port number"),
    }
}

/// A reference to an object of some kind: its group, kind and name.
fn reference(to: &At<'_>, errors: &mut Errors) {
    if let Some(group) = to.opt_text("apiGroup") {
        errors.invalid_for(&to.at("apiGroup"), group, names::dns1123_subdomain(group));
    }
    for field in ["kind", "name"] {
        match to.text(field) {
            "" => errors.required(&to.at(field), ""),
            text => errors.invalid_for(&to.at(field), text, names::path_segment(text, false)),
        }
    }
}

/// `ValidateIngressClass`, `ValidateIngressClassUpdate`.
pub(super) fn ingress_class(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let spec = new.get("spec");
    let controller = spec.get("controller");
    if let Some(old) = old {
        meta::update(&new.get("metadata"), &old.get("metadata"), errors);
        meta::immutable(&controller, &old.get("spec").get("controller"), errors);
    }
    meta::create(&new.get("metadata"), false, meta::subdomain, errors);
    let text = spec.text("controller");
    if text.len() > CONTROLLER_BYTES_MAX {
        errors.too_long(controller.path(), CONTROLLER_BYTES_MAX);
    }
    meta::domain_prefixed_path(text, controller.path(), errors);
    let parameters = spec.get("parameters");
    if parameters.is_set() {
        reference(&parameters, errors);
        parameters_scope(&parameters, errors);
    }
}

fn parameters_scope(parameters: &At<'_>, errors: &mut Errors) {
    let (at, namespace) = (parameters.at("namespace"), parameters.opt_text("namespace"));
    match (parameters.opt_text("scope"), namespace) {
        (None, _) => errors.required(&parameters.at("scope"), ""),
        (Some("Namespace"), None) => {
            errors.required(&at, "`parameters.scope` is set to 'Namespace'");
        }
        (Some("Namespace"), Some(name)) => {
            errors.invalid_for(&at, name, names::dns1123_label(name));
        }
        (Some("Cluster"), Some(_)) => {
            errors.forbidden(&at, "`parameters.scope` is set to 'Cluster'");
        }
        (Some("Cluster"), None) => {}
        (Some(other), _) => {
            errors.not_supported(&parameters.at("scope"), other, &["Cluster", "Namespace"]);
        }
    }
}

/// `ValidateNetworkPolicy`, `ValidateNetworkPolicyUpdate`.
pub(super) fn network_policy(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::check(new, old, meta::subdomain, errors);
    let before = old.map(|old| old.get("spec"));
    // What was accepted once stays so: odd label values of a selector, odd networks.
    let any_value = before.as_ref().is_some_and(|spec| {
        let mut errors = Errors::default();
        meta::label_selector(&spec.get("podSelector"), false, &mut errors);
        !errors.is_empty()
    });
    let known: Vec<&str> = before.iter().flat_map(networks).collect();
    let spec = new.get("spec");
    meta::label_selector(&spec.get("podSelector"), any_value, errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.items(direction) {
            rule.items("ports").for_each(|port| policy_port(&port, errors));
            rule.items(peers).for_each(|one| peer(&one, any_value, &known, errors));
        }
    }
    if spec.len("policyTypes") > 2 {
        let detail = "may not specify more than two policyTypes";
        return errors.invalid(&spec.at("policyTypes"), spec.raw("policyTypes"), detail);
    }
    for (i, kind) in spec.texts("policyTypes").enumerate() {
        if !matches!(kind, "Ingress" | "Egress") {
            errors.not_supported(&spec.at("policyTypes").index(i), kind, &["Ingress", "Egress"]);
        }
    }
}

/// Every network that a policy names.
fn networks<'a>(spec: &At<'a>) -> Vec<&'a str> {
    let mut out = Vec::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for block in spec.items(direction).flat_map(|rule| rule.items(peers)) {
            let block = block.get("ipBlock");
            if block.is_set() {
                out.push(block.text("cidr"));
                out.extend(block.texts("except"));
            }
        }
    }
    out
}

/// `ValidateNetworkPolicyPort`.
fn policy_port(port: &At<'_>, errors: &mut Errors) {
    errors.optional_one_of(port, "protocol", &PROTOCOLS);
    let (at, end_at, end) = (port.at("port"), port.at("endPort"), port.opt_int("endPort"));
    match (port.raw("port"), end) {
        (Value::Number(number), end) => {
            let number = number.as_i64().unwrap_or_default();
            errors.invalid_for(&at, number, names::port_number(number));
            let Some(end) = end else { return };
            if end < number {
                errors.invalid(&end_at, number, "must be greater than or equal to `port`");
            }
            errors.invalid_for(&end_at, end, names::port_number(end));
        }
        (Value::String(name), end) => {
            if let Some(end) = end {
                let detail = "may not be specified when `port` is non-numeric";
                errors.invalid(&end_at, end, detail);
            }
            errors.invalid_for(&at, name.as_str(), names::port_name(name));
        }
        (_, Some(end)) => {
            errors.invalid(&end_at, end, "may not be specified when `port` is not specified");
        }
        (_, None) => {}
    }
}

/// `ValidateNetworkPolicyPeer`.
fn peer(peer: &At<'_>, any_value: bool, known: &[&str], errors: &mut Errors) {
    let block = peer.get("ipBlock");
    let mut peers = usize::from(block.is_set());
    for selector in ["podSelector", "namespaceSelector"] {
        peers += usize::from(peer.has(selector));
        meta::label_selector(&peer.get(selector), any_value, errors);
    }
    if block.is_set() {
        ip_block(&block, known, errors);
    }
    if peers == 0 {
        errors.required(peer.path(), "must specify a peer");
    } else if peers > 1 && block.is_set() {
        errors.forbidden(peer.path(), "may not specify both ipBlock and another peer");
    }
}

/// `ValidateIPBlock`.
fn ip_block(block: &At<'_>, known: &[&str], errors: &mut Errors) {
    let (cidr, at) = (block.text("cidr"), block.at("cidr"));
    if cidr.is_empty() {
        return errors.required(&at, "");
    }
    if !known.contains(&cidr) {
        errors.invalid_for(&at, cidr, net::legacy_cidr(cidr));
    }
    let Some((network, bits)) = net::parse_cidr(cidr) else { return };
    for (i, except) in block.texts("except").enumerate() {
        let at = block.at("except").index(i);
        if !known.contains(&except) {
            errors.invalid_for(&at, except, net::legacy_cidr(except));
        }
        let Some((address, except_bits)) = net::parse_cidr(except) else { continue };
        let within = network.is_ipv6() == address.is_ipv6()
            && net::masked(address, bits) == net::masked(network, bits);
        if !within || bits >= except_bits {
            errors.invalid(&at, except, "must be a strict subset of `cidr`");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::validate::tests::{of_change, of_new};

    const INGRESS: &str = "networking/v1.Ingress";
    const POLICY: &str = "networking/v1.NetworkPolicy";

    fn path(path: &str, kind: &str) -> Value {
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        json!({"path": path, "pathType": kind, "backend": backend})
    }

    fn rule(host: &str, path: &Value) -> Value {
        json!({"spec": {"rules": [{"host": host, "http": {"paths": [path]}}]}})
    }

    #[test]
    fn an_ingress_needs_somewhere_to_send_requests() {
        assert_eq!(
            of_new(INGRESS, &json!({})),
            ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]
        );
        assert!(of_new(INGRESS, &rule("a.example.com", &path("/", "Prefix"))).is_empty());
    }

    #[test]
    fn a_path_is_absolute_and_goes_nowhere_else() {
        let at = "spec.rules[0].http.paths[0]";
        assert_eq!(
            of_new(INGRESS, &rule("a.b", &path("x/../y", "Exact"))),
            [
                format!("{at}.path: Invalid value: \"x/../y\": must be an absolute path"),
                format!("{at}.path: Invalid value: \"x/../y\": must not contain '/../'"),
            ]
        );
        assert_eq!(
            of_new(INGRESS, &rule("a.b", &path("/", "Prefixed"))),
            [format!(
                "{at}.pathType: Unsupported value: \"Prefixed\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\""
            )]
        );
        assert_eq!(
            of_new(INGRESS, &rule("a.b", &json!({"path": "/"}))),
            [format!("{at}.pathType: Required value: pathType must be specified")]
        );
    }

    #[test]
    fn a_backend_is_one_thing_with_one_port() {
        let check = |backend: Value, wanted: &str| {
            assert_eq!(of_new(INGRESS, &json!({"spec": {"defaultBackend": backend}})), [wanted]);
        };
        check(
            json!({}),
            "spec.defaultBackend: Invalid value: \"\": resource or service backend is required",
        );
        check(
            json!({"service": {"name": "web"}}),
            "spec.defaultBackend: Required value: port name or number is required",
        );
        check(
            json!({"service": {"name": "web", "port": {"name": "http", "number": 80}}}),
            "spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number",
        );
        check(
            json!({"resource": {"kind": "", "name": "x"}}),
            "spec.defaultBackend.resource.kind: Required value",
        );
    }

    #[test]
    fn the_class_and_its_old_annotation_agree_when_both_are_there() {
        let metadata = json!({
            "name": "x", "namespace": "default",
            "annotations": {"kubernetes.io/ingress.class": "nginx"},
        });
        let mut ingress = rule("a.b", &path("/", "Exact"));
        ingress["metadata"] = metadata;
        ingress["spec"]["ingressClassName"] = json!("traefik");
        assert_eq!(
            of_new(INGRESS, &ingress),
            [
                "annotations.kubernetes.io/ingress.class: Invalid value: \"nginx\": must match `ingressClassName` when both are specified"
            ]
        );
    }

    #[test]
    fn a_class_says_which_controller_and_keeps_it() {
        const CLASS: &str = "networking/v1.IngressClass";
        let class = |name: &str| json!({"spec": {"controller": name}});
        assert_eq!(of_new(CLASS, &class("")), ["spec.controller: Required value"]);
        assert_eq!(
            of_new(CLASS, &class("nginx")),
            [
                "spec.controller: Invalid value: \"nginx\": must be a domain-prefixed path (such as \"acme.io/foo\")"
            ]
        );
        assert_eq!(
            of_change(CLASS, &class("k8s.io/nginx"), &class("k8s.io/other")),
            ["spec.controller: Invalid value: \"k8s.io/other\": field is immutable"]
        );
    }

    #[test]
    fn a_policy_names_peers_ports_and_directions() {
        let ingress = |from: Value, ports: Value| json!({"spec": {"podSelector": {}, "ingress": [{"from": from, "ports": ports}]}});
        assert_eq!(
            of_new(POLICY, &ingress(json!([{}]), json!([{"port": 80, "endPort": 79}]))),
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
                "spec.ingress[0].from[0]: Required value: must specify a peer",
            ]
        );
        let block =
            json!([{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16"]}}]);
        assert_eq!(
            of_new(POLICY, &ingress(block, json!([]))),
            [
                "spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`"
            ]
        );
    }

    #[test]
    fn an_odd_network_that_was_there_may_stay() {
        let policy =
            |cidr: &str| json!({"spec": {"egress": [{"to": [{"ipBlock": {"cidr": cidr}}]}]}});
        assert_eq!(
            of_new(POLICY, &policy("10.0.0.1/8")),
            [
                "spec.egress[0].to[0].ipBlock.cidr: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length"
            ]
        );
        assert!(of_change(POLICY, &policy("10.0.0.1/8"), &policy("10.0.0.1/8")).is_empty());
    }
}

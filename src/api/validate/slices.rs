//! Validation of EndpointSlices. After `pkg/apis/discovery/validation/validation.go`.

use super::{At, Errors, Path, meta, service};
use crate::api::{names, net};

const ADDRESSES_MAX: usize = 100;
const ENDPOINTS_MAX: usize = 1000;
const PORTS_MAX: usize = 20_000;
const HINTS_MAX: usize = 8;
const TOPOLOGY_LABELS_MAX: usize = 16;

/// `ValidateEndpointSliceCreate`, `ValidateEndpointSliceUpdate`.
pub(super) fn slice(new: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    meta::create(&new.get("metadata"), true, meta::subdomain, errors);
    errors.require_one_of(new, "addressType", &["FQDN", "IPv4", "IPv6"]);
    ports(new, errors);
    if !old.is_some_and(|old| old.get("endpoints").same(&new.get("endpoints"))) {
        endpoints(new, errors);
    }
    if let Some(old) = old {
        meta::immutable(&new.get("addressType"), &old.get("addressType"), errors);
    }
}

fn ports(slice: &At<'_>, errors: &mut Errors) {
    let count = slice.len("ports");
    if count > PORTS_MAX {
        return errors.too_many(&slice.at("ports"), count, PORTS_MAX);
    }
    let mut seen: Vec<&str> = Vec::with_capacity(count);
    for port in slice.items("ports") {
        let name = port.text("name");
        if !name.is_empty() {
            errors.invalid_for(&port.at("name"), name, names::dns1123_label(name));
        }
        once(&mut seen, name, &port.at("name"), errors);
        if port.has("protocol") {
            errors.one_of(&port, "protocol", &["SCTP", "TCP", "UDP"]);
        } else {
            errors.required(&port.at("protocol"), "");
        }
        if let Some(protocol) = port.opt_text("appProtocol") {
            errors.invalid_for(&port.at("appProtocol"), protocol, names::qualified_name(protocol));
        }
    }
}

/// Notes a name and tells if it was there.
fn once<'a>(seen: &mut Vec<&'a str>, name: &'a str, at: &Path, errors: &mut Errors) {
    if seen.contains(&name) {
        errors.duplicate(at, name);
    } else {
        seen.push(name);
    }
}

/// `validateEndpoints`.
fn endpoints(slice: &At<'_>, errors: &mut Errors) {
    let count = slice.len("endpoints");
    if count > ENDPOINTS_MAX {
        return errors.too_many(&slice.at("endpoints"), count, ENDPOINTS_MAX);
    }
    let family = slice.text("addressType");
    for endpoint in slice.items("endpoints") {
        addresses(&endpoint, family, errors);
        if let Some(node) = endpoint.opt_text("nodeName") {
            errors.invalid_for(&endpoint.at("nodeName"), node, names::dns1123_subdomain(node));
        }
        let topology = endpoint.get("deprecatedTopology");
        let labels = endpoint.len("deprecatedTopology");
        if labels > TOPOLOGY_LABELS_MAX {
            errors.too_many(topology.path(), labels, TOPOLOGY_LABELS_MAX);
        }
        meta::labels(&topology, errors);
        if let Some(host) = endpoint.opt_text("hostname") {
            errors.invalid_for(&endpoint.at("hostname"), host, names::dns1123_label(host));
        }
        hints(&endpoint.get("hints"), errors);
    }
}

fn addresses(endpoint: &At<'_>, family: &str, errors: &mut Errors) {
    let (at, count) = (endpoint.at("addresses"), endpoint.len("addresses"));
    if count == 0 {
        errors.required(&at, "must contain at least 1 address");
    } else if count > ADDRESSES_MAX {
        errors.too_many(&at, count, ADDRESSES_MAX);
    }
    for (i, address) in endpoint.texts("addresses").enumerate() {
        let place = at.index(i);
        let messages = match family {
            "IPv4" => net::legacy_ip(address),
            "IPv6" => net::strict_ip(address),
            "FQDN" => {
                domain_name(address, &place, errors);
                continue;
            }
            _ => continue,
        };
        if !messages.is_empty() {
            errors.invalid_for(&place, address, messages);
            continue;
        }
        if net::is_ipv6(address) != (family == "IPv6") {
            errors.invalid(&at, address, format!("must be an {family} address"));
        }
        service::endpoint_address(address, &place, errors);
    }
}

/// `IsFullyQualifiedDomainName`: a name of two labels or more, which may end with a dot.
fn domain_name(name: &str, at: &Path, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(at, "");
    }
    let bare = name.strip_suffix('.').unwrap_or(name);
    let messages = names::dns1123_subdomain(bare);
    if !messages.is_empty() {
        return errors.invalid(at, bare, messages.join(","));
    }
    if !bare.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        return errors.invalid(at, bare, detail);
    }
    let wrong = bare.split('.').find(|label| !names::dns1123_label(label).is_empty());
    if let Some(label) = wrong {
        errors.invalid(at, label, names::dns1123_label(label).join(","));
    }
}

/// `validateHints`.
fn hints(hints: &At<'_>, errors: &mut Errors) {
    for list in ["forZones", "forNodes"] {
        let count = hints.len(list);
        if count > HINTS_MAX {
            return errors.too_many(&hints.at(list), count, HINTS_MAX);
        }
        let mut seen = Vec::with_capacity(count);
        for hint in hints.items(list) {
            let (name, at) = (hint.text("name"), hint.at("name"));
            once(&mut seen, name, &at, errors);
            let messages = if list == "forZones" {
                names::label_value(name)
            } else {
                names::dns1123_subdomain(name)
            };
            errors.invalid_for(&at, name, messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::validate::tests::{of_change, of_new};

    const SLICE: &str = "discovery/v1.EndpointSlice";

    fn slice(family: &str, address: &str) -> Value {
        json!({"addressType": family, "endpoints": [{"addresses": [address]}]})
    }

    #[test]
    fn addresses_are_of_the_slice_s_family() {
        assert!(of_new(SLICE, &slice("IPv4", "10.0.0.1")).is_empty());
        assert!(of_new(SLICE, &slice("FQDN", "a.example.com.")).is_empty());
        assert_eq!(
            of_new(SLICE, &slice("IPv6", "10.0.0.1")),
            ["endpoints[0].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address"]
        );
        assert_eq!(
            of_new(SLICE, &slice("FQDN", "localhost")),
            [
                "endpoints[0].addresses[0]: Invalid value: \"localhost\": should be a domain with at least two segments separated by dots"
            ]
        );
        assert_eq!(
            of_new(SLICE, &slice("IPv4", "127.0.0.1")),
            [
                "endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"
            ]
        );
    }

    #[test]
    fn ports_have_a_protocol_and_names_of_their_own() {
        let ports = json!({"addressType": "IPv4", "ports": [
            {"name": "http", "protocol": "TCP", "port": 80}, {"name": "http", "port": 81},
        ]});
        assert_eq!(
            of_new(SLICE, &ports),
            ["ports[1].name: Duplicate value: \"http\"", "ports[1].protocol: Required value",]
        );
    }

    #[test]
    fn the_family_cannot_change_and_old_endpoints_are_not_looked_at() {
        let [old, new] = ["IPv4", "IPv6"].map(|family| slice(family, "127.0.0.1"));
        assert_eq!(
            of_change(SLICE, &old, &new),
            ["addressType: Invalid value: \"IPv6\": field is immutable"]
        );
    }
}

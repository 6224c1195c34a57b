//! Warnings about addresses and networks that are taken for compatibility, and about the labels that
//! topologies name. After `staging/src/k8s.io/apimachinery/pkg/util/validation/ip.go`
//! (`GetWarningsForIP`, `GetWarningsForCIDR`).

use std::net::IpAddr;

use crate::api::net;
use crate::api::validate::{At, Path};

/// `GetWarningsForIP`.
pub(super) fn address(at: &Path, text: &str, out: &mut Vec<String>) {
    let Some(ip) = net::parse_ip(text) else { return };
    let plain = text.parse::<IpAddr>().ok().filter(|ip| !is_mapped(*ip));
    match plain {
        None => {
            let ip = unmapped(ip);
            out.push(format!("{at}: non-standard IP address \"{text}\" is invalid: use \"{ip}\""));
        }
        Some(IpAddr::V6(ip)) if ip.to_string() != text => {
            out.push(format!(
                "{at}: IPv6 address \"{text}\" should be in RFC 5952 canonical format (\"{ip}\")"
            ));
        }
        Some(_) => {}
    }
}

/// `GetWarningsForCIDR`.
pub(super) fn network(at: &Path, text: &str, out: &mut Vec<String>) {
    let Some((ip, length)) = net::parse_cidr(text) else { return };
    let first = net::masked(ip, length);
    let before = out.len();
    if ip != first {
        let whole = if ip.is_ipv4() { 32 } else { 128 };
        out.push(format!(
            "{at}: CIDR value \"{text}\" is ambiguous in this context (should be \"{first}/{length}\" or \"{ip}/{whole}\"?)"
        ));
    }
    let (written, digits) = text.split_once('/').unwrap_or((text, ""));
    let plain = written.parse::<IpAddr>().ok().filter(|ip| !is_mapped(*ip));
    if plain.is_none() || (digits.len() > 1 && digits.starts_with('0')) {
        out.push(format!(
            "{at}: non-standard CIDR value \"{text}\" is invalid: use \"{first}/{length}\""
        ));
    }
    if out.len() == before && ip.is_ipv6() && format!("{ip}/{length}") != text {
        out.push(format!("{at}: IPv6 CIDR value \"{text}\" should be in RFC 5952 canonical format (\"{ip}/{length}\")"));
    }
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

/// Go writes an address that holds one of IPv4 as that one.
fn unmapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// The addresses of a list.
pub(super) fn of_list(of: &At<'_>, list: &str, out: &mut Vec<String>) {
    for (i, text) in of.texts(list).enumerate() {
        address(&of.at(list).index(i), text, out);
    }
}

/// The addresses of Endpoints; those of the controller are known to be well written.
pub(super) fn endpoints(endpoints: &At<'_>, out: &mut Vec<String>) {
    if managed_by(endpoints, "endpoints.kubernetes.io/managed-by") == "endpoint-controller" {
        return;
    }
    for subset in endpoints.items("subsets") {
        for list in ["addresses", "notReadyAddresses"] {
            for place in subset.items(list) {
                address(&place.at("ip"), place.text("ip"), out);
            }
        }
    }
}

/// The addresses of an EndpointSlice; those of the controllers are known to be well written.
pub(super) fn slice(slice: &At<'_>, out: &mut Vec<String>) {
    let manager = managed_by(slice, "endpointslice.kubernetes.io/managed-by");
    let own = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
    if !own.contains(&manager) {
        for endpoint in slice.items("endpoints") {
            of_list(&endpoint, "addresses", out);
        }
    }
}

fn managed_by<'a>(object: &At<'a>, label: &str) -> &'a str {
    let labels = object.get("metadata").raw("labels");
    labels.get(label).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// `networkPolicyWarnings`.
pub(super) fn network_policy(policy: &At<'_>, out: &mut Vec<String>) {
    let spec = policy.get("spec");
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for peer in spec.items(direction).flat_map(|rule| rule.items(peers).collect::<Vec<_>>()) {
            let block = peer.get("ipBlock");
            if !block.is_set() {
                continue;
            }
            network(&block.at("cidr"), block.text("cidr"), out);
            for (i, except) in block.texts("except").enumerate() {
                network(&block.at("except").index(i), except, out);
            }
        }
    }
}

/// `GetWarningsForNodeSelector`, of a label selector.
pub(super) fn topology(selector: &At<'_>, out: &mut Vec<String>) {
    super::node_selector_term(selector, false, out);
    for (label, _) in selector.entries("matchLabels") {
        if let Some(why) = super::deprecated_label(label) {
            out.push(format!("{}: {why}", selector.at("matchLabels").child(label)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_should_be_written_plainly() {
        let check = |text: &str, expect: &[&str]| {
            let mut out = Vec::new();
            let at = Path::new("x");
            if text.contains('/') {
                network(&at, text, &mut out)
            } else {
                address(&at, text, &mut out)
            }
            assert_eq!(out, expect, "{text}");
        };
        check("10.0.0.1", &[]);
        check(
            "010.0.0.1",
            &[r#"x: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1""#],
        );
        check(
            "FD00::1",
            &[r#"x: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")"#],
        );
        check(
            "::ffff:1.2.3.4",
            &[r#"x: non-standard IP address "::ffff:1.2.3.4" is invalid: use "1.2.3.4""#],
        );
        check("10.0.0.0/8", &[]);
        check(
            "10.1.0.0/8",
            &[
                r#"x: CIDR value "10.1.0.0/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.0.0/32"?)"#,
            ],
        );
    }
}

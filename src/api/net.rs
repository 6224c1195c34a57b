//! IP addresses and networks as the API server reads them.
//!
//! After `k8s.io/utils/net` (the "sloppy" parsers, which take leading zeros) and
//! `staging/src/k8s.io/apimachinery/pkg/util/validation/ip.go` with strict validation, the default
//! of v1.36.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::Messages;

/// Reads an address; octets of IPv4 may have leading zeros (`ParseIPSloppy`).
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return parse_v6(text).map(IpAddr::V6);
    }
    parse_v4(text).map(IpAddr::V4)
}

/// Reads a network: the address as written and the length of its prefix (`ParseCIDRSloppy`).
pub fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address = parse_ip(address)?;
    let most = if address.is_ipv4() && !text.contains(':') { 32 } else { 128 };
    let digits =
        !length.is_empty() && length.len() < 6 && length.bytes().all(|b| b.is_ascii_digit());
    let length: u32 = length.parse().ok().filter(|_| digits)?;
    u8::try_from(length).ok().filter(|l| *l <= most).map(|l| (address, l))
}

/// The first address of a network, as Go prints the network: `10.0.0.0/8`.
pub fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
        }
    }
}

/// Whether it is an IPv6 address; one that holds an IPv4 address is none (`IsIPv6String`).
pub fn is_ipv6(text: &str) -> bool {
    matches!(parse_ip(text), Some(IpAddr::V6(a)) if a.to_ipv4_mapped().is_none())
}

/// What is wrong with an address in a field that is older than strict validation
/// (`IsValidIPForLegacyField`).
pub fn legacy_ip(text: &str) -> Messages {
    let Some(ip) = parse_ip(text) else {
        return vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()];
    };
    let mut out = Messages::new();
    if has_leading_zeros(text) {
        out.push("must not have leading 0s".into());
    }
    if is_mapped(ip) {
        out.push("must not be an IPv4-mapped IPv6 address".into());
    }
    out
}

/// What is wrong with an address in a newer field, which must be canonical too (`IsValidIP`).
pub fn strict_ip(text: &str) -> Messages {
    let out = legacy_ip(text);
    match parse_ip(text) {
        Some(ip) if out.is_empty() && ip.to_string() != text => {
            vec![format!("must be in canonical form (\"{ip}\")")]
        }
        _ => out,
    }
}

/// What is wrong with a network in a field that is older than strict validation
/// (`IsValidCIDRForLegacyField`).
pub fn legacy_cidr(text: &str) -> Messages {
    let Some((address, length)) = parse_cidr(text) else {
        return vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into()];
    };
    let (ip_text, length_text) = text.split_once('/').unwrap_or((text, ""));
    let message =
        if has_leading_zeros(ip_text) || length_text.len() > 1 && length_text.starts_with('0') {
            "must not have leading 0s in IP or prefix length"
        } else if is_mapped(address) {
            "must not have an IPv4-mapped IPv6 address"
        } else if masked(address, length) != address {
            "must not have bits set beyond the prefix length"
        } else {
            return Messages::new();
        };
    vec![message.into()]
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(a) if a.to_ipv4_mapped().is_some())
}

/// Whether an octet of an IPv4 address, alone or at the end of an IPv6 one, has leading zeros.
fn has_leading_zeros(text: &str) -> bool {
    let v4 = text.rsplit(':').next().unwrap_or(text);
    v4.contains('.') && v4.split('.').any(|o| o.len() > 1 && o.starts_with('0'))
}

fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    let Some((head, tail)) = text.rsplit_once(':').filter(|(_, tail)| tail.contains('.')) else {
        return text.parse().ok();
    };
    // The standard parser refuses leading zeros: hand it the octets without.
    let v4 = parse_v4(tail)?;
    format!("{head}:{v4}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_loosely_and_judged_strictly() {
        let check = |text: &str, parses: bool, messages: usize| {
            assert_eq!(
                (parse_ip(text).is_some(), legacy_ip(text).len()),
                (parses, messages),
                "{text}"
            );
        };
        check("10.0.0.1", true, 0);
        check("010.0.0.1", true, 1);
        check("::1", true, 0);
        check("::ffff:1.2.3.4", true, 1);
        check("1.2.3", false, 1);
        check("1.2.3.256", false, 1);
        check("a:b", false, 1);
    }

    #[test]
    fn networks_must_not_have_bits_beyond_their_prefix() {
        assert!(legacy_cidr("10.0.0.0/8").is_empty());
        assert!(legacy_cidr("fd00::/64").is_empty());
        for wrong in ["10.0.0.1/8", "10.0.0.0/08", "10.0.0.0", "10.0.0.0/33", "010.0.0.0/8"] {
            assert_eq!(legacy_cidr(wrong).len(), 1, "{wrong}");
        }
        assert_eq!(strict_ip("FD00::1"), ["must be in canonical form (\"fd00::1\")"]);
    }
}

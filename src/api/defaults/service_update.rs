//! What happens to a Service that is changed, before the change is validated: what the writer left
//! out is taken over, addresses and node ports are allocated, and what the new type does not need
//! goes.
//!
//! After `pkg/registry/core/service/storage` (`storage.go`, `beginUpdate`; `alloc.go`,
//! `allocateUpdate`) and `pkg/registry/core/service/strategy.go` (`dropTypeDependentFields`), for a
//! cluster with IPv4 alone. What is given up goes back to the pools when the change is stored.

use serde_json::{Value, json};

use super::service::{
    Allocator, allocate_addresses, allocate_health_check, init_families, needs_health_check,
};
use crate::api::fields::{
    Fields, fields, fields_or_new, flag, has_any, int, items, items_mut, text, texts,
};
use crate::api::registry::Refusal;
use crate::api::validate::{Errors, Path};

/// `beginUpdate`.
///
/// # Errors
/// The errors that alone are reported then.
pub(in crate::api) fn begin(
    service: &mut Fields,
    old: &mut Fields,
    allocator: &mut impl Allocator,
) -> Result<(), Refusal> {
    on_read(old);
    let old_spec = fields(old, "spec").cloned().unwrap_or_default();
    let spec = fields_or_new(service, "spec");
    take_over(spec, &old_spec);
    agree_on_addresses(spec, &old_spec);
    if keeps_preferred_stacks(spec, &old_spec) {
        return ports(spec, &old_spec, allocator);
    }
    init_families(service, Some(old)).map_err(Refusal::Invalid)?;
    let spec = fields_or_new(service, "spec");
    if text(&old_spec, "type") == "ExternalName" && text(spec, "type") != "ExternalName" {
        allocate_addresses(spec, allocator).map_err(Refusal::Invalid)?;
    }
    ports(spec, &old_spec, allocator)
}

/// `defaultOnReadService`: what old writers did not store.
fn on_read(service: &mut Fields) {
    let spec = fields_or_new(service, "spec");
    if !text(spec, "clusterIP").is_empty() && !has_any(spec, "clusterIPs") {
        let address = text(spec, "clusterIP").to_owned();
        spec.insert("clusterIPs".into(), json!([address]));
    }
    if text(spec, "type") == "ExternalName" {
        spec.remove("internalTrafficPolicy");
        return;
    }
    if has_any(spec, "ipFamilies") {
        return;
    }
    let (policy, families) = match (text(spec, "clusterIP"), has_any(spec, "selector")) {
        ("None", false) => ("RequireDualStack", json!(["IPv4", "IPv6"])),
        ("None", true) => ("SingleStack", json!(["IPv4"])),
        _ => {
            let of = |ip: &str| if crate::api::net::is_ipv6(ip) { "IPv6" } else { "IPv4" };
            let families: Vec<&str> = texts(spec, "clusterIPs").map(of).collect();
            match families.len() {
                0 => return,
                1 => ("SingleStack", json!(families)),
                _ => ("RequireDualStack", json!(families)),
            }
        }
    };
    spec.insert("ipFamilyPolicy".into(), policy.into());
    spec.insert("ipFamilies".into(), families);
}

/// `patchAllocatedValues`.
fn take_over(spec: &mut Fields, old: &Fields) {
    let in_cluster = |of: &Fields| text(of, "type") != "ExternalName";
    if in_cluster(old) && in_cluster(spec) {
        if text(spec, "clusterIP").is_empty() {
            copy(spec, old, "clusterIP");
        }
        if !has_any(spec, "clusterIPs") && has_any(old, "clusterIPs") {
            copy(spec, old, "clusterIPs");
        }
    }
    if allocates_ports(old) && allocates_ports(spec) {
        take_over_ports(spec, old);
    }
    if needs_health_check(old) && needs_health_check(spec) && int(spec, "healthCheckNodePort") == 0
    {
        copy(spec, old, "healthCheckNodePort");
    }
}

/// A port that comes without a node port has the one that its name had, unless another asks for it.
fn take_over_ports(spec: &mut Fields, old: &Fields) {
    let before: Vec<(String, i64)> =
        items(old, "ports").map(|p| (text(p, "name").to_owned(), int(p, "nodePort"))).collect();
    let asked: Vec<i64> = items(spec, "ports").map(|p| int(p, "nodePort")).collect();
    let used =
        |port: i64| port != 0 && before.iter().any(|(_, p)| *p == port) && asked.contains(&port);
    for port in items_mut(spec, "ports").filter(|p| int(p, "nodePort") == 0) {
        let known = before.iter().rfind(|(name, _)| name == text(port, "name"));
        if let Some((_, number)) = known.filter(|(_, number)| *number != 0 && !used(*number)) {
            port.insert("nodePort".into(), (*number).into());
        }
    }
}

fn allocates_ports(spec: &Fields) -> bool {
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => {
            !spec.contains_key("allocateLoadBalancerNodePorts")
                || flag(spec, "allocateLoadBalancerNodePorts")
        }
        _ => false,
    }
}

/// `normalizeClusterIPs`: who changes one of the two fields means both.
fn agree_on_addresses(spec: &mut Fields, old: &Fields) {
    let same_first = text(spec, "clusterIP") == text(old, "clusterIP");
    if has_any(old, "clusterIPs") && !has_any(spec, "clusterIPs") && same_first {
        copy(spec, old, "clusterIPs");
    }
    if same_first || !texts(spec, "clusterIPs").eq(texts(old, "clusterIPs")) {
        return;
    }
    if !text(old, "clusterIP").is_empty() && text(spec, "clusterIP").is_empty() {
        spec.remove("clusterIPs");
    } else {
        let address = text(spec, "clusterIP").to_owned();
        spec.insert("clusterIPs".into(), json!([address]));
    }
}

/// `isMatchingPreferDualStackClusterIPFields`.
fn keeps_preferred_stacks(spec: &Fields, old: &Fields) -> bool {
    let prefers = |of: &Fields| text(of, "ipFamilyPolicy") == "PreferDualStack";
    prefers(spec)
        && (prefers(old) || !old.contains_key("ipFamilyPolicy"))
        && text(spec, "type") == text(old, "type")
        && text(spec, "type") != "ExternalName"
        && same_texts(spec, old, "clusterIPs")
        && same_texts(spec, old, "ipFamilies")
}

fn same_texts(a: &Fields, b: &Fields, list: &str) -> bool {
    texts(a, list).eq(texts(b, list))
}

/// `txnUpdateNodePorts`.
fn ports(spec: &mut Fields, old: &Fields, allocator: &mut impl Allocator) -> Result<(), Refusal> {
    if matches!(text(spec, "type"), "NodePort" | "LoadBalancer") {
        node_ports(spec, old, allocator)?;
    }
    if !needs_health_check(old) && needs_health_check(spec) {
        allocate_health_check(spec, allocator)?;
    }
    Ok(())
}

/// `updateNodePorts`.
fn node_ports(
    spec: &mut Fields,
    old: &Fields,
    allocator: &mut impl Allocator,
) -> Result<(), Refusal> {
    let allocate = allocates_ports(spec);
    let had: Vec<i64> = items(old, "ports").map(|p| int(p, "nodePort")).collect();
    let mut taken: Vec<i64> = Vec::new();
    let mut seen: Vec<(String, Value)> = Vec::new();
    for (i, port) in items_mut(spec, "ports").enumerate() {
        let number = int(port, "nodePort");
        if number == 0 && !allocate {
            continue;
        }
        if number == 0 {
            let number = allocator.next_port();
            port.insert("nodePort".into(), number);
        } else if !had.contains(&number) && !taken.contains(&number) {
            allocator.take_port(number).map_err(|detail| {
                let mut errors = Errors::default();
                let at = Path::new("spec.ports").index(i).child("nodePort");
                errors.invalid(&at, number, detail);
                Refusal::Invalid(errors)
            })?;
            taken.push(number);
        }
        let this =
            (text(port, "protocol").to_owned(), port.get("nodePort").cloned().unwrap_or_default());
        if seen.contains(&this) {
            return Err(Refusal::Internal(format!(
                "duplicate nodePort: {{{} {}}}",
                this.0, this.1
            )));
        }
        seen.push(this);
    }
    Ok(())
}

/// `dropTypeDependentFields`: what the new type has no use for and the writer did not touch.
pub(super) fn drop_dependent(service: &mut Fields, old: &Fields) {
    let Some(before) = fields(old, "spec") else { return };
    let spec = fields_or_new(service, "spec");
    let kinds = [text(before, "type"), text(spec, "type")].map(str::to_owned);
    let leaves = |needs: fn(&str) -> bool| needs(&kinds[0]) && !needs(&kinds[1]);
    if leaves(|kind| kind != "ExternalName") {
        if text(before, "clusterIP") == text(spec, "clusterIP")
            && same_texts(spec, before, "clusterIPs")
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        if same_texts(spec, before, "ipFamilies") {
            spec.remove("ipFamilies");
        }
        if text(spec, "ipFamilyPolicy") == text(before, "ipFamilyPolicy") {
            spec.remove("ipFamilyPolicy");
        }
    }
    if leaves(|kind| matches!(kind, "NodePort" | "LoadBalancer")) {
        let had: Vec<i64> = items(before, "ports").map(|p| int(p, "nodePort")).collect();
        let known =
            |port: &Fields| int(port, "nodePort") == 0 || had.contains(&int(port, "nodePort"));
        if items(spec, "ports").all(known) {
            items_mut(spec, "ports").for_each(|port| {
                port.remove("nodePort");
            });
        }
    }
    if needs_health_check(before)
        && !needs_health_check(spec)
        && int(spec, "healthCheckNodePort") == int(before, "healthCheckNodePort")
    {
        spec.remove("healthCheckNodePort");
    }
    if leaves(|kind| kind == "LoadBalancer") {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if spec.get(field) == before.get(field) {
                spec.remove(field);
            }
        }
    }
    if is_reached_from_outside(before)
        && !is_reached_from_outside(spec)
        && text(spec, "externalTrafficPolicy") == text(before, "externalTrafficPolicy")
    {
        spec.remove("externalTrafficPolicy");
    }
    if kinds[1] != "LoadBalancer" {
        fields_or_new(service, "status").insert("loadBalancer".into(), json!({}));
    }
}

/// `ExternallyAccessible`.
fn is_reached_from_outside(spec: &Fields) -> bool {
    match text(spec, "type") {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => has_any(spec, "externalIPs"),
        _ => false,
    }
}

fn copy(spec: &mut Fields, old: &Fields, field: &str) {
    super::create::set_whole(spec, field, old.get(field));
}

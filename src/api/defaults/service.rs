//! Defaults of Services and endpoints, and what the Service registry fills in on creation: the
//! address families, the cluster addresses, the node ports.
//!
//! After `pkg/apis/core/v1/defaults.go` and `pkg/registry/core/service/storage` (`storage.go`,
//! `alloc.go`), for a cluster with IPv4 alone. The addresses and ports themselves come from whoever
//! keeps them.

use serde_json::Value;

use crate::api::fields::{
    Fields, fields, fields_mut, fields_or_new, fill, fill_absent, has_any, int, items, items_mut,
    text, texts,
};
use crate::api::net;
use crate::api::registry::Refusal;
use crate::api::validate::{Errors, Path};

/// `SetDefaults_Service`.
pub(super) fn service(service: &mut Fields) {
    let spec = fields_or_new(service, "spec");
    fill(spec, "sessionAffinity", "None");
    session_affinity(spec);
    fill(spec, "type", "ClusterIP");
    for port in items_mut(spec, "ports") {
        fill(port, "protocol", "TCP");
        let unset = match port.get("targetPort") {
            None => true,
            Some(target) => target.as_i64() == Some(0) || target.as_str() == Some(""),
        };
        if unset {
            let number = int(port, "port");
            port.insert("targetPort".into(), number.into());
        }
    }
    let kind = text(spec, "type").to_owned();
    let external = match kind.as_str() {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => has_any(spec, "externalIPs"),
        _ => false,
    };
    if external {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        fill_absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill_absent(spec, "allocateLoadBalancerNodePorts", true);
        let ingress = fields_mut(service, "status").and_then(|s| fields_mut(s, "loadBalancer"));
        for address in ingress.into_iter().flat_map(|b| items_mut(b, "ingress")) {
            if !text(address, "ip").is_empty() {
                fill_absent(address, "ipMode", "VIP");
            }
        }
    }
}

pub(super) fn endpoint_port(port: &mut Fields) {
    fill(port, "protocol", "TCP");
}

/// `SetDefaults_EndpointPort` of discovery.k8s.io/v1.
pub(super) fn slice_port(port: &mut Fields) {
    fill_absent(port, "name", "");
    fill_absent(port, "protocol", "TCP");
}

/// Where cluster addresses and node ports come from.
pub trait Allocator {
    /// A free cluster address.
    fn next_address(&mut self) -> Value;
    /// Takes a given cluster address, or says why it cannot.
    ///
    /// # Errors
    /// The text that follows `failed to allocate IP …: `.
    fn take_address(&mut self, address: &str) -> Result<(), String>;
    /// A free node port.
    fn next_port(&mut self) -> Value;
    /// Takes a given node port, or says why it cannot.
    ///
    /// # Errors
    /// The whole detail of the error.
    fn take_port(&mut self, port: i64) -> Result<(), String>;
}

/// The ranges of a cluster where nothing is taken yet: `10.96.0.0/12` and ports 30000-32767.
///
/// For checks of one object by itself; the address it gives is always the same one.
#[derive(Debug)]
pub struct FreeRanges {
    next_port: i64,
    taken: Vec<i64>,
}

impl Default for FreeRanges {
    fn default() -> Self {
        Self { next_port: 32_000, taken: Vec::new() }
    }
}

impl Allocator for FreeRanges {
    fn next_address(&mut self) -> Value {
        "10.96.0.99".into()
    }

    fn take_address(&mut self, address: &str) -> Result<(), String> {
        let octet = address.split('.').nth(1).and_then(|o| o.parse::<u8>().ok());
        if address.starts_with("10.") && octet.is_some_and(|o| (96..112).contains(&o)) {
            return Ok(());
        }
        Err(format!(
            "the provided IP ({address}) is not in the valid range. The range of valid IPs is 10.96.0.0/12"
        ))
    }

    fn next_port(&mut self) -> Value {
        self.next_port += 1;
        self.next_port.into()
    }

    fn take_port(&mut self, port: i64) -> Result<(), String> {
        let range = "The range of valid ports is 30000-32767";
        if !(30000..=32767).contains(&port) {
            return Err(format!("provided port is not in the valid range. {range}"));
        }
        if self.taken.contains(&port) {
            return Err("provided port is already allocated".into());
        }
        self.taken.push(port);
        Ok(())
    }
}

/// What happens to a Service before its creation is validated (`beginCreate`).
///
/// # Errors
/// The errors that alone are reported then.
pub fn begin_create(service: &mut Fields, allocator: &mut impl Allocator) -> Result<(), Refusal> {
    let spec = fields_or_new(service, "spec");
    if !text(spec, "clusterIP").is_empty() && !has_any(spec, "clusterIPs") {
        let address = text(spec, "clusterIP").to_owned();
        spec.insert("clusterIPs".into(), vec![address].into());
    }
    init_families(service, None).map_err(Refusal::Invalid)?;
    let spec = fields_or_new(service, "spec");
    allocate_addresses(spec, allocator).map_err(Refusal::Invalid)?;
    if matches!(text(spec, "type"), "NodePort" | "LoadBalancer") {
        allocate_ports(spec, allocator).map_err(Refusal::Invalid)?;
    }
    if needs_health_check(spec) {
        allocate_health_check(spec, allocator)?;
    }
    Ok(())
}

/// Whether a Service is asked for its health on a port of its own (`NeedsHealthCheck`).
pub(super) fn needs_health_check(spec: &Fields) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

/// `allocHealthCheckNodePort`.
pub(super) fn allocate_health_check(
    spec: &mut Fields,
    allocator: &mut impl Allocator,
) -> Result<(), Refusal> {
    match int(spec, "healthCheckNodePort") {
        0 => {
            let port = allocator.next_port();
            spec.insert("healthCheckNodePort".into(), port);
            Ok(())
        }
        port => allocator.take_port(port).map_err(|why| {
            Refusal::Internal(format!(
                "failed to allocate requested HealthCheck NodePort {port}: {why}"
            ))
        }),
    }
}

/// `initIPFamilyFields`, for a new Service or for one that takes the place of `old`.
pub(super) fn init_families(service: &mut Fields, old: Option<&Fields>) -> Result<(), Errors> {
    let spec = fields_or_new(service, "spec");
    if text(spec, "type") == "ExternalName" {
        return Ok(());
    }
    let old_spec = old.and_then(|old| fields(old, "spec"));
    let bare = text(spec, "clusterIP") == "None" && !has_any(spec, "selector");
    let policy = match old_spec.map(|old| text(old, "ipFamilyPolicy")).filter(|p| !p.is_empty()) {
        Some(kept) => kept,
        None if bare => "RequireDualStack",
        None => "SingleStack",
    };
    fill_absent(spec, "ipFamilyPolicy", policy);
    let before = old.map(|old| Value::Object(old.clone()));
    let errors =
        crate::api::validate::service_cluster_ips(&Value::Object(service.clone()), before.as_ref());
    if !errors.is_empty() {
        return Err(errors);
    }
    let spec = fields_or_new(service, "spec");
    let mut errors = old_spec.map_or_else(Errors::default, |old| fewer_stacks(spec, old));
    errors.append(check_policy(spec));
    errors.append(infer_families(spec));
    if !errors.is_empty() {
        return Err(errors);
    }
    let policy = text(spec, "ipFamilyPolicy").to_owned();
    let mut families: Vec<String> = texts(spec, "ipFamilies").map(str::to_owned).collect();
    if bare {
        if families.is_empty() {
            families.push("IPv4".into());
        }
        if families.len() < 2 && policy != "SingleStack" {
            families.push(if families[0] == "IPv4" { "IPv6".into() } else { "IPv4".into() });
        }
    } else {
        check_cluster_families(&policy, &families)?;
        if families.is_empty() {
            families.push("IPv4".into());
        }
    }
    spec.insert("ipFamilies".into(), families.into());
    Ok(())
}

/// Going back to one stack is asked for by the policy, and then what was second goes.
fn fewer_stacks(spec: &mut Fields, old: &Fields) -> Errors {
    let mut errors = Errors::default();
    let policy = text(spec, "ipFamilyPolicy").to_owned();
    for (name, what) in [("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")] {
        let [count, before] = [&*spec, old].map(|of| texts(of, name).count());
        if policy == "SingleStack" {
            let same = texts(spec, name).eq(texts(old, name));
            if let Some(list) = spec.get_mut(name).and_then(Value::as_array_mut).filter(|_| same) {
                list.truncate(1);
            }
        } else if count > 0 && count < before {
            let detail = format!("must be 'SingleStack' to release the secondary {what}");
            errors.invalid(&Path::new("spec.ipFamilyPolicy"), policy.as_str(), detail);
        }
    }
    errors
}

/// One stack goes with one address and one family.
fn check_policy(spec: &Fields) -> Errors {
    let mut errors = Errors::default();
    let policy = text(spec, "ipFamilyPolicy");
    let at = Path::new("spec.ipFamilyPolicy");
    if policy == "SingleStack" {
        for (list, what) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
            if spec.get(list).and_then(Value::as_array).is_some_and(|l| l.len() == 2) {
                let detail = format!(
                    "must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                );
                errors.invalid(&at, policy, detail);
            }
        }
    }
    errors
}

/// Families follow from the addresses; those the cluster does not have are errors.
fn infer_families(spec: &mut Fields) -> Errors {
    let mut errors = Errors::default();
    let addresses: Vec<String> = texts(spec, "clusterIPs").map(str::to_owned).collect();
    let mut families: Vec<Value> =
        spec.get("ipFamilies").and_then(Value::as_array).cloned().unwrap_or_default();
    let given = addresses.iter().take_while(|a| *a != "None").enumerate();
    for (i, address) in given.skip(families.len()) {
        if net::is_ipv6(address) {
            let given = &Value::from(addresses.clone());
            let at = Path::new("spec.clusterIPs").index(i);
            errors.invalid(&at, given, "IPv6 is not configured on this cluster");
        } else {
            families.push("IPv4".into());
        }
    }
    spec.insert("ipFamilies".into(), families.into());
    errors
}

fn check_cluster_families(policy: &str, families: &[String]) -> Result<(), Errors> {
    let mut errors = Errors::default();
    if policy == "RequireDualStack" {
        let detail = "this cluster is not configured for dual-stack services";
        errors.invalid(&Path::new("spec.ipFamilyPolicy"), policy, detail);
    }
    for (i, family) in families.iter().enumerate().filter(|(_, f)| *f != "IPv4") {
        let at = Path::new("spec.ipFamilies").index(i);
        errors.invalid(&at, family.as_str(), "not configured on this cluster");
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// `allocClusterIPs`, for one family.
pub(super) fn allocate_addresses(
    spec: &mut Fields,
    allocator: &mut impl Allocator,
) -> Result<(), Errors> {
    let first = texts(spec, "clusterIPs").next().unwrap_or_default().to_owned();
    if text(spec, "type") == "ExternalName" || first == "None" {
        return Ok(());
    }
    let address = if first.is_empty() {
        allocator.next_address()
    } else {
        allocator.take_address(&first).map_err(|why| {
            let mut errors = Errors::default();
            let given = &spec.get("clusterIPs").cloned().unwrap_or_default();
            let detail = format!("failed to allocate IP {first}: {why}");
            errors.invalid(&Path::new("spec.clusterIPs"), given, detail);
            errors
        })?;
        first.into()
    };
    spec.insert("clusterIP".into(), address.clone());
    spec.insert("clusterIPs".into(), vec![address].into());
    Ok(())
}

/// `initNodePorts`: entries with one port number share a node port.
fn allocate_ports(spec: &mut Fields, allocator: &mut impl Allocator) -> Result<(), Errors> {
    let wanted = spec.get("allocateLoadBalancerNodePorts").and_then(Value::as_bool) != Some(false);
    let allocate = text(spec, "type") == "NodePort" || wanted;
    let requested: Vec<(i64, i64)> =
        items(spec, "ports").map(|p| (int(p, "port"), int(p, "nodePort"))).collect();
    let mut given: Vec<(i64, Value)> = Vec::new();
    for (i, port) in items_mut(spec, "ports").enumerate() {
        let (number, own) = (int(port, "port"), int(port, "nodePort"));
        if own == 0 && !allocate {
            continue;
        }
        let mut take = |port: i64| {
            allocator.take_port(port).map_err(|detail| {
                let mut errors = Errors::default();
                let at = Path::new("spec.ports").index(i).child("nodePort");
                errors.invalid(&at, port, detail);
                errors
            })
        };
        let shared = given.iter().find(|(n, _)| *n == number).map(|(_, v)| v.clone());
        let node_port = match shared {
            None => match requested.iter().find(|(n, np)| *n == number && *np != 0) {
                Some((_, np)) => {
                    take(*np)?;
                    Value::from(*np)
                }
                None => allocator.next_port(),
            },
            Some(shared) if own == 0 || shared.as_i64() == Some(own) => shared,
            Some(_) => {
                take(own)?;
                Value::from(own)
            }
        };
        if !given.iter().any(|(n, _)| *n == number) {
            given.push((number, node_port.clone()));
        }
        port.insert("nodePort".into(), node_port);
    }
    Ok(())
}

/// Client affinity always has a time-out, no affinity has no configuration.
fn session_affinity(spec: &mut Fields) {
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let timeout = fields(spec, "sessionAffinityConfig")
                .and_then(|c| fields(c, "clientIP"))
                .and_then(|c| c.get("timeoutSeconds"));
            if timeout.is_none() {
                let config = serde_json::json!({"clientIP": {"timeoutSeconds": 10800}});
                spec.insert("sessionAffinityConfig".into(), config);
            }
        }
        _ => {}
    }
}

//! The environment of a container.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`makeEnvironmentVariables`, `podFieldSelectorRuntimeValue`,
//! `containerResourceRuntimeValue`), `pkg/kubelet/envvars` for the variables of Services, and
//! `third_party/forked/golang/expansion` for `$(NAME)`.
//!
//! Left out: variables from files.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::node::NodeState;
use super::runtime::{Nth, ephemeral};
use super::shared::Shared;
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::container::{CommonVariables, Parts, Variables, merge};
use crate::model::{Container, Pod, PodSpec, Resources, wire};

/// Variables by name.
pub(super) type Env = BTreeMap<String, String>;
/// Variables that many containers share.
pub(super) type SharedEnv = CommonVariables;

/// The environment of a container: what its spec gives it, and what tells of Services.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// From the spec; these come before the others.
    pub(super) own: Env,
    /// Of Services, shared by all containers of the namespace.
    pub(super) services: Arc<SharedEnv>,
}

impl Environment {
    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let shared = || self.services.get(name).map(ToString::to_string);
        self.own.get(name).cloned().or_else(shared)
    }

    /// Those from the spec, by name.
    fn own(&self) -> Vec<(Str, Str)> {
        self.own.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// All that the program of a container finds: the runtime sets its host's name, where its spec does not.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    /// What the node agent gives.
    pub(super) given: &'a Environment,
    /// The name of the host inside.
    pub(super) hostname: &'a str,
}

impl Whole<'_> {
    fn names_host(&self) -> bool {
        let Environment { own, services } = self.given;
        own.contains_key(Parts::HOSTNAME) || services.contains_key(Parts::HOSTNAME)
    }
}

impl Variables for Whole<'_> {
    fn get(&self, name: &str) -> Option<Str> {
        match name {
            Parts::HOSTNAME if !self.names_host() => Some(self.hostname.into()),
            _ => self.given.get(name).map(Str::from),
        }
    }

    fn all(&self) -> Vec<(Str, Str)> {
        let mut all = Vec::new();
        if !self.names_host() {
            all.push((Str::new_static(Parts::HOSTNAME), self.hostname.into()));
        }
        merge(&self.given.own(), &self.given.services, &mut all);
        all
    }

    fn parts(&self) -> Option<Parts> {
        let (hostname, common) = (self.hostname.into(), Arc::clone(&self.given.services));
        (!self.names_host()).then(|| Parts { hostname, own: self.given.own(), common })
    }
}

/// The environment of a container, or why it cannot be made.
pub(super) fn of_container(
    pod: &Pod,
    n: Nth,
    ip: Option<Ipv4Addr>,
    node: &NodeState,
    shared: &mut Shared,
) -> Result<Environment, String> {
    let links = pod.spec.wire.enable_service_links != Some(false);
    let services = shared.service_env(&pod.meta.namespace, links);
    let mut own = Env::new();
    let Some(c) = wire_container(&pod.spec, n) else { return Ok(Environment { own, services }) };
    let source = Source { pod, n, ip, node, shared };
    for from in c.env_from.iter().flatten() {
        source.take_all(from, &mut own)?;
    }
    for var in c.env.iter().flatten() {
        let value = match (&var.value, &var.value_from) {
            (Some(text), _) if !text.is_empty() => expand(text, |name| {
                let shared = || services.get(name).map(ToString::to_string);
                own.get(name).cloned().or_else(shared)
            }),
            (_, Some(from)) => match source.value(from)? {
                Some(value) => value,
                None => continue,
            },
            (_, None) => String::new(),
        };
        own.insert(var.name.clone(), value);
    }
    Ok(Environment { own, services })
}

/// The container at a place, in its API form.
pub(super) fn wire_container(spec: &PodSpec, n: Nth) -> Option<&wire::core::Container> {
    let init = spec.wire.init_containers.as_deref().unwrap_or_default();
    match n.index().checked_sub(init.len()) {
        None => init.get(n.index()),
        Some(main) => {
            spec.wire.containers.get(main).or_else(|| ephemeral(spec, n).map(|added| &added.wire))
        }
    }
}

/// The words of a command, with the container's variables of fixed value put in
/// (`ExpandContainerCommandOnlyStatic`).
pub(super) fn expand_words(words: &[Str], spec: &PodSpec, n: Nth) -> Vec<Str> {
    if !words.iter().any(|w| w.contains("$(")) {
        return words.to_vec();
    }
    let vars = wire_container(spec, n).and_then(|c| c.env.as_ref());
    let value = |name: &str| {
        let var = vars.into_iter().flatten().rev().find(|v| v.name == name)?;
        Some(var.value.clone().unwrap_or_default())
    };
    words.iter().map(|w| expand(w, value).into()).collect()
}

/// Replaces `$(NAME)` by the variable's value; `$$` stands for `$`, what is not known stays as it is.
pub(super) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(more) = after.strip_prefix('$') {
            out.push('$');
            rest = more;
            continue;
        }
        let reference = after.strip_prefix('(').and_then(|r| r.split_once(')'));
        match reference {
            Some((name, more)) => {
                match value(name) {
                    Some(v) => out.push_str(&v),
                    None => out.push_str(&rest[at..rest.len() - more.len()]),
                }
                rest = more;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The part of its volume that a mount shows; empty for all of it.
///
/// # Errors
/// When a variable in it has no value (`ExpandContainerVolumeMounts`), or the path leads out of the volume.
pub(super) fn sub_path(
    mount: &wire::core::VolumeMount,
    env: &Environment,
) -> Result<String, String> {
    let mut path = mount.sub_path.clone().unwrap_or_default();
    if let Some(text) = mount.sub_path_expr.as_deref().filter(|t| !t.is_empty()) {
        let missing = std::cell::RefCell::new(std::collections::BTreeSet::new());
        path = expand(text, |name| {
            let value = env.get(name).unwrap_or_default();
            if value.is_empty() {
                missing.borrow_mut().insert(name.to_owned());
            }
            Some(value)
        });
        let missing = missing.into_inner();
        if !missing.is_empty() {
            let names: Vec<String> = missing.into_iter().collect();
            return Err(format!("missing value for {}", names.join(", ")));
        }
    }
    if path.starts_with('/') {
        return Err(format!("error SubPath `{path}` must not be an absolute path"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!("unable to provision SubPath `{path}`: must not contain '..'"));
    }
    Ok(path)
}

/// Where values come from.
struct Source<'a> {
    pod: &'a Pod,
    n: Nth,
    ip: Option<Ipv4Addr>,
    node: &'a NodeState,
    shared: &'a Shared,
}

impl Source<'_> {
    fn take_all(&self, from: &wire::core::EnvFromSource, out: &mut Env) -> Result<(), String> {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(source) = &from.config_map_ref {
            let data = self.map(&source.name, source.optional == Some(true))?;
            let data = data.and_then(|m| m.data.clone()).unwrap_or_default();
            out.extend(data.into_iter().map(|(k, v)| (format!("{prefix}{k}"), v)));
        } else if let Some(source) = &from.secret_ref {
            let data = self.secret(&source.name, source.optional == Some(true))?;
            for (key, value) in data.iter().flat_map(|s| s.data.iter().flatten()) {
                let value = String::from_utf8_lossy(&value.0).into_owned();
                out.insert(format!("{prefix}{key}"), value);
            }
        }
        Ok(())
    }

    /// The value of one variable; `None` where an optional source is missing.
    fn value(&self, from: &wire::core::EnvVarSource) -> Result<Option<String>, String> {
        if let Some(field) = &from.field_ref {
            return field_value(self.pod, &field.field_path, self.ip, self.node).map(Some);
        }
        if let Some(field) = &from.resource_field_ref {
            return self.resource(field).map(Some);
        }
        let namespace = &self.pod.meta.namespace;
        if let Some(key) = &from.config_map_key_ref {
            let optional = key.optional == Some(true);
            let Some(map) = self.map(&key.name, optional)? else { return Ok(None) };
            return match map.data.as_ref().and_then(|d| d.get(&key.key)) {
                Some(value) => Ok(Some(value.clone())),
                None if optional => Ok(None),
                None => Err(format!(
                    "couldn't find key {} in ConfigMap {namespace}/{}",
                    key.key, key.name
                )),
            };
        }
        let Some(key) = &from.secret_key_ref else { return Ok(Some(String::new())) };
        let optional = key.optional == Some(true);
        let Some(secret) = self.secret(&key.name, optional)? else { return Ok(None) };
        match secret.data.as_ref().and_then(|d| d.get(&key.key)) {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value.0).into_owned())),
            None if optional => Ok(None),
            None => {
                Err(format!("couldn't find key {} in Secret {namespace}/{}", key.key, key.name))
            }
        }
    }

    fn map(&self, name: &str, optional: bool) -> Result<Option<&wire::core::ConfigMap>, String> {
        match self.shared.config_map(&self.pod.meta.namespace, name) {
            Some(map) => Ok(Some(&map.body)),
            None if optional => Ok(None),
            None => Err(format!("configmap {name:?} not found")),
        }
    }

    fn secret(&self, name: &str, optional: bool) -> Result<Option<&wire::core::Secret>, String> {
        match self.shared.secret(&self.pod.meta.namespace, name) {
            Some(secret) => Ok(Some(&secret.body)),
            None if optional => Ok(None),
            None => Err(format!("secret {name:?} not found")),
        }
    }

    fn resource(&self, field: &wire::core::ResourceFieldSelector) -> Result<String, String> {
        let spec = &self.pod.spec;
        let named = field.container_name.as_deref().unwrap_or_default();
        let c = if named.is_empty() {
            super::runtime::container(spec, self.n)
        } else {
            spec.container(named)
        };
        let Some(c) = c else { return Err(format!("container {named} not found")) };
        let allocatable = self.shared.allocatable(self.node.slot);
        resource_value(
            c,
            &field.resource,
            field.divisor.as_ref().map(|d| d.0.as_str()),
            allocatable,
        )
    }
}

/// The value of a container's resource in units of the divisor, rounded up.
pub(super) fn resource_value(
    c: &Container,
    resource: &str,
    divisor: Option<&str>,
    allocatable: Option<&Resources>,
) -> Result<String, String> {
    let unsupported = || format!("unsupported container resource : {resource}");
    let (kind, name) = resource.split_once('.').ok_or_else(unsupported)?;
    let amounts = match kind {
        "limits" => &c.limits,
        "requests" => &c.requests,
        _ => return Err(unsupported()),
    };
    let of = |r: &Resources| match name {
        "cpu" => Some(r.cpu_milli),
        "memory" => Some(r.memory),
        "ephemeral-storage" => Some(r.ephemeral_storage),
        other => r.extended.get(other).copied(),
    };
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage");
    if !known && !name.starts_with("hugepages-") {
        return Err(unsupported());
    }
    let mut amount = of(amounts).unwrap_or(0);
    if amount == 0 && kind == "limits" && known {
        // Without a limit a container may use what the node has.
        amount = allocatable.and_then(of).unwrap_or(0);
    }
    let divisor = divisor.and_then(|d| d.parse::<Quantity>().ok());
    let unit = match divisor {
        Some(q) if name == "cpu" => q.milli_value(),
        Some(q) => q.value(),
        None => 0,
    };
    let default = if name == "cpu" { 1000 } else { 1 };
    let unit = if unit <= 0 { default } else { unit };
    let rounded_up = amount.max(0).saturating_add(unit - 1) / unit;
    Ok(rounded_up.to_string())
}

/// The value of a field of the pod (`podFieldSelectorRuntimeValue`).
pub(super) fn field_value(
    pod: &Pod,
    path: &str,
    ip: Option<Ipv4Addr>,
    node: &NodeState,
) -> Result<String, String> {
    let address = |a: Option<Ipv4Addr>| a.map(|a| a.to_string()).unwrap_or_default();
    let entry = |prefix: &str| {
        let key = path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?;
        Some(key.to_owned())
    };
    let of = |labels: &crate::model::Labels, key: &str| {
        labels.get(key).map(|v| v.to_string()).unwrap_or_default()
    };
    let all = |labels: &crate::model::Labels| {
        labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join("\n")
    };
    Ok(match path {
        "metadata.name" => pod.meta.name.to_string(),
        "metadata.namespace" => pod.meta.namespace.to_string(),
        "metadata.uid" => pod.meta.uid.to_string(),
        "metadata.labels" => all(&pod.meta.labels),
        "metadata.annotations" => all(&pod.meta.annotations),
        "spec.nodeName" => node.name.to_string(),
        "spec.serviceAccountName" => pod
            .spec
            .wire
            .service_account_name
            .clone()
            .filter(|s| !s.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
        "status.hostIP" | "status.hostIPs" => address(node.address),
        "status.podIP" | "status.podIPs" => address(ip),
        _ => match (entry("metadata.labels"), entry("metadata.annotations")) {
            (Some(key), _) => of(&pod.meta.labels, &key),
            (None, Some(key)) => of(&pod.meta.annotations, &key),
            (None, None) => return Err(format!("unsupported fieldPath: {path}")),
        },
    })
}

/// The variables that tell of a Service (`envvars.FromServices`).
pub(super) fn of_service(name: &str, ip: &str, ports: &[wire::core::ServicePort], out: &mut Env) {
    let upper = |text: &str| text.replace('-', "_").to_ascii_uppercase();
    let prefix = upper(name);
    let Some(first) = ports.first() else { return };
    let mut set = |name: String, value: String| out.insert(name, value);
    set(format!("{prefix}_SERVICE_HOST"), ip.to_owned());
    set(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
    for port in ports {
        if let Some(name) = port.name.as_deref().filter(|n| !n.is_empty()) {
            set(format!("{prefix}_SERVICE_PORT_{}", upper(name)), port.port.to_string());
        }
    }
    for (i, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let lower = protocol.to_ascii_lowercase();
        let url = format!("{lower}://{ip}:{}", port.port);
        if i == 0 {
            set(format!("{prefix}_PORT"), url.clone());
        }
        let base = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_ascii_uppercase());
        set(base.clone(), url);
        set(format!("{base}_PROTO"), lower);
        set(format!("{base}_PORT"), port.port.to_string());
        set(format!("{base}_ADDR"), ip.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_are_expanded_and_unknown_ones_stay() {
        let check = |text: &str, expect: &str| {
            let value = |name: &str| (name == "A").then(|| "1".to_owned());
            assert_eq!(expand(text, value), expect, "{text}");
        };
        check("x$(A)y", "x1y");
        check("$(B)", "$(B)");
        check("$$(A)", "$(A)");
        check("$A $(A", "$A $(A");
        check("100$", "100$");
        check("$(A)$(A)", "11");
    }
}

//! Containers within a description: of a pod with their statuses, of a template without.
//!
//! Follows `describeContainers` and `DescribeProbe`.

use serde_json::Value;
use std::fmt::Write as _;

use super::super::printers::cells::{has, int, items, quantity, text};
use super::page::{Page, bracketed, date, on, or_none, plain, put, texts, truth};
use crate::base::quantity::Quantity;

/// Where containers stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'v> {
    /// The pod, whose fields variables may refer to; `None` in a template.
    pub(super) pod: Option<&'v Value>,
    /// What stands before each title: nothing in a pod, two spaces in a template.
    pub(super) space: &'static str,
}

impl Place<'_> {
    /// Names are indented by one more where titles are indented.
    pub(super) fn name_indent(self) -> &'static str {
        if self.space.is_empty() { "" } else { " " }
    }
}

/// Writes a list of containers.
pub(super) fn describe(
    page: &mut Page,
    label: &str,
    containers: &[Value],
    statuses: &[Value],
    place: Place<'_>,
) {
    let none = if containers.is_empty() { " <none>" } else { "" };
    put!(page, 0, "{}{label}:{none}\n", place.space);
    for container in containers {
        let name = text(container, "/name");
        let status = statuses.iter().rfind(|s| text(s, "/name") == name);
        put!(page, 1, "{}{name}:\n", place.name_indent());
        basics(page, container, status);
        for (title, field) in [("Command", "/command"), ("Args", "/args")] {
            command(page, title, &texts(container, field));
        }
        if let Some(status) = status {
            state(page, status);
        }
        resources(page, &container["resources"], 2);
        for (title, field) in [
            ("Liveness", "livenessProbe"),
            ("Readiness", "readinessProbe"),
            ("Startup", "startupProbe"),
        ] {
            if container[field].is_object() {
                put!(page, 2, "{title}:\t{}\n", probe(&container[field]));
            }
        }
        env_from(page, container);
        env(page, container, place.pod);
        mounts(page, container);
    }
}

fn basics(page: &mut Page, container: &Value, status: Option<&Value>) {
    if let Some(status) = status {
        put!(page, 2, "Container ID:\t{}\n", text(status, "/containerID"));
    }
    put!(page, 2, "Image:\t{}\n", text(container, "/image"));
    if let Some(status) = status {
        put!(page, 2, "Image ID:\t{}\n", text(status, "/imageID"));
    }
    for (title, field) in [("Port", "/containerPort"), ("Host Port", "/hostPort")] {
        let port = |p: &Value| {
            let number = format!("{}/{}", int(p, field), text(p, "/protocol"));
            match text(p, "/name") {
                "" => number,
                name => format!("{number} ({name})"),
            }
        };
        let ports: Vec<String> = items(container, "/ports").iter().map(port).collect();
        let plural = if ports.len() > 1 { "s" } else { "" };
        put!(page, 2, "{title}{plural}:\t{}\n", or_none(&ports.join(", ")));
    }
    seccomp(page, container, 2);
}

/// The seccomp profile of a pod (level 0) or a container.
pub(super) fn seccomp(page: &mut Page, of: &Value, level: usize) {
    let Some(profile) = of.pointer("/securityContext/seccompProfile").filter(|p| p.is_object())
    else {
        return;
    };
    put!(page, level, "SeccompProfile:\t{}\n", text(profile, "/type"));
    if text(profile, "/type") == "Localhost" {
        let level = if level == 0 { 0 } else { level + 1 };
        put!(page, level, "LocalhostProfile:\t{}\n", text(profile, "/localhostProfile"));
    }
}

fn command(page: &mut Page, title: &str, words: &[&str]) {
    if words.is_empty() {
        return;
    }
    put!(page, 2, "{title}:\n");
    for line in words.iter().flat_map(|w| w.split('\n')) {
        put!(page, 3, "{line}\n");
    }
}

/// Limits and requests, by name.
pub(super) fn resources(page: &mut Page, resources: &Value, level: usize) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let Some(list) = resources[field].as_object().filter(|l| !l.is_empty()) else { continue };
        put!(page, level, "{title}:\n");
        let mut names: Vec<&String> = list.keys().collect();
        names.sort();
        for name in names {
            let amount = amount(&list[name]);
            put!(page, level + 1, "{name}:\t{amount}\n");
        }
    }
}

/// An amount in its canonical form.
pub(super) fn amount(written: &Value) -> String {
    quantity(written, "")
}

fn state(page: &mut Page, status: &Value) {
    one_state(page, "State", &status["state"]);
    if has(status, "/lastState/terminated") {
        one_state(page, "Last State", &status["lastState"]);
    }
    put!(page, 2, "Ready:\t{}\n", truth(status, "/ready"));
    put!(page, 2, "Restart Count:\t{}\n", int(status, "/restartCount"));
}

fn one_state(page: &mut Page, title: &str, state: &Value) {
    if has(state, "/running") {
        put!(page, 2, "{title}:\tRunning\n");
        put!(page, 3, "Started:\t{}\n", date(state, "/running/startedAt"));
        return;
    }
    if has(state, "/waiting") || !has(state, "/terminated") {
        put!(page, 2, "{title}:\tWaiting\n");
        let reason = text(state, "/waiting/reason");
        if !reason.is_empty() {
            put!(page, 3, "Reason:\t{reason}\n");
        }
        return;
    }
    let ended = &state["terminated"];
    put!(page, 2, "{title}:\tTerminated\n");
    for (title, field) in [("Reason", "/reason"), ("Message", "/message")] {
        let said = text(ended, field);
        if !said.is_empty() {
            put!(page, 3, "{title}:\t{said}\n");
        }
    }
    put!(page, 3, "Exit Code:\t{}\n", int(ended, "/exitCode"));
    if int(ended, "/signal") > 0 {
        put!(page, 3, "Signal:\t{}\n", int(ended, "/signal"));
    }
    put!(page, 3, "Started:\t{}\n", date(ended, "/startedAt"));
    put!(page, 3, "Finished:\t{}\n", date(ended, "/finishedAt"));
}

fn probe(probe: &Value) -> String {
    let rest = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        int(probe, "/initialDelaySeconds"),
        int(probe, "/timeoutSeconds"),
        int(probe, "/periodSeconds"),
        int(probe, "/successThreshold"),
        int(probe, "/failureThreshold")
    );
    if has(probe, "/exec") {
        return format!("exec {} {rest}", bracketed(probe, "/exec/command"));
    }
    if let Some(get) = probe.get("httpGet").filter(|g| g.is_object()) {
        let host = host_and_port(text(get, "/host"), &plain(get, "/port", "0"));
        let scheme = text(get, "/scheme").to_lowercase();
        let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
        let path = escaped(text(get, "/path"));
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        return format!("http-get {scheme}//{host}{slash}{path} {rest}");
    }
    if let Some(socket) = probe.get("tcpSocket").filter(|s| s.is_object()) {
        let port = plain(socket, "/port", "0");
        return format!("tcp-socket {}:{port} {rest}", text(socket, "/host"));
    }
    if let Some(grpc) = probe.get("grpc").filter(|g| g.is_object()) {
        return format!("grpc <pod>:{} {} {rest}", int(grpc, "/port"), text(grpc, "/service"));
    }
    format!("unknown {rest}")
}

/// `host:port`, with brackets where the host has colons (`net.JoinHostPort`).
pub(super) fn host_and_port(host: &str, port: &str) -> String {
    if host.contains([':', '%']) { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A path as Go's `url.URL` writes it.
fn escaped(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn env_from(page: &mut Page, container: &Value) {
    let sources = items(container, "/envFrom");
    if sources.is_empty() {
        return;
    }
    put!(page, 2, "Environment Variables from:\n");
    for source in sources {
        let (from, of) = if has(source, "/configMapRef") {
            ("ConfigMap", &source["configMapRef"])
        } else if has(source, "/secretRef") {
            ("Secret", &source["secretRef"])
        } else {
            ("", &Value::Null)
        };
        let (name, optional) = (text(of, "/name"), on(of, "/optional"));
        match text(source, "/prefix") {
            "" => put!(page, 3, "{name}\t{from}\tOptional: {optional}\n"),
            prefix => {
                put!(page, 3, "{name}\t{from} with prefix '{prefix}'\tOptional: {optional}\n");
            }
        }
    }
}

fn env(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let variables = items(container, "/env");
    let none = if variables.is_empty() { "\t<none>" } else { "" };
    put!(page, 2, "Environment:{none}\n");
    for variable in variables {
        let name = text(variable, "/name");
        let Some(from) = variable.get("valueFrom").filter(|f| f.is_object()) else {
            for (i, line) in text(variable, "/value").split('\n').enumerate() {
                let title = if i == 0 { format!("{name}:") } else { String::new() };
                put!(page, 3, "{title}\t{line}\n");
            }
            continue;
        };
        if has(from, "/fieldRef") {
            let path = text(from, "/fieldRef/fieldPath");
            let value = pod.and_then(|pod| field(pod, path)).unwrap_or_default();
            let version = text(from, "/fieldRef/apiVersion");
            put!(page, 3, "{name}:\t{value} ({version}:{path})\n");
        } else if let Some(of) = from.get("resourceFieldRef").filter(|r| r.is_object()) {
            let resource = text(of, "/resource");
            let mut value = resource_value(of, container).unwrap_or_default();
            if value == "0" && matches!(resource, "limits.cpu" | "limits.memory") {
                "node allocatable".clone_into(&mut value);
            }
            put!(page, 3, "{name}:\t{value} ({resource})\n");
        } else if let Some(of) = from.get("secretKeyRef").filter(|r| r.is_object()) {
            let (key, secret) = (text(of, "/key"), text(of, "/name"));
            put!(page, 3, "{name}:\t<set to the key '{key}' in secret '{secret}'>\t");
            put!(page, 0, "Optional: {}\n", on(of, "/optional"));
        } else if let Some(of) = from.get("configMapKeyRef").filter(|r| r.is_object()) {
            let (key, map) = (text(of, "/key"), text(of, "/name"));
            put!(page, 3, "{name}:\t<set to the key '{key}' of config map '{map}'>\t");
            put!(page, 0, "Optional: {}\n", on(of, "/optional"));
        }
    }
}

/// A field of a pod as text: kubectl itself knows the fields of no kind, and so name and namespace alone
/// (`DefaultMetaV1FieldSelectorConversion`).
fn field<'v>(pod: &'v Value, path: &str) -> Option<&'v str> {
    match path {
        "metadata.name" => Some(text(pod, "/metadata/name")),
        "metadata.namespace" => Some(text(pod, "/metadata/namespace")),
        _ => None,
    }
}

/// An amount in units of a divisor, rounded up (`ExtractContainerResourceValue`).
fn resource_value(of: &Value, container: &Value) -> Option<String> {
    let (list, name) = text(of, "/resource").split_once('.')?;
    let known = matches!(list, "limits" | "requests")
        && (matches!(name, "cpu" | "memory" | "ephemeral-storage")
            || name.starts_with("hugepages-"));
    if !known {
        return None;
    }
    let parsed =
        |v: &Value| v.as_str().and_then(|t| t.parse::<Quantity>().ok()).unwrap_or_default();
    let amount = parsed(&container["resources"][list][name]);
    let mut divisor = parsed(&of["divisor"]);
    if divisor.is_zero() {
        divisor = "1".parse().unwrap_or_default();
    }
    let units = |q: &Quantity| if name == "cpu" { q.milli_value() } else { q.value() };
    let (amount, divisor) = (i128::from(units(&amount)), i128::from(units(&divisor).max(1)));
    Some(((amount + divisor - 1).div_euclid(divisor)).to_string())
}

fn mounts(page: &mut Page, container: &Value) {
    let mut mounts: Vec<&Value> = items(container, "/volumeMounts").iter().collect();
    let none = if mounts.is_empty() { "\t<none>" } else { "" };
    put!(page, 2, "Mounts:{none}\n");
    mounts.sort_by_key(|m| text(m, "/mountPath"));
    for mount in mounts {
        let mode = if on(mount, "/readOnly") { "ro" } else { "rw" };
        let path = match text(mount, "/subPath") {
            "" => String::new(),
            path => format!(",path={path:?}"),
        };
        let (at, name) = (text(mount, "/mountPath"), text(mount, "/name"));
        put!(page, 3, "{at} from {name} ({mode}{path})\n");
    }
    let mut devices: Vec<&Value> = items(container, "/volumeDevices").iter().collect();
    if devices.is_empty() {
        return;
    }
    put!(page, 2, "Devices:{none}\n");
    devices.sort_by_key(|d| text(d, "/devicePath"));
    for device in devices {
        put!(page, 3, "{} from {}\n", text(device, "/devicePath"), text(device, "/name"));
    }
}

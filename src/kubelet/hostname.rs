//! The names that a pod's containers see of themselves, and their /etc/hosts.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`GeneratePodHostNameAndDomain`, `nodeHostsFileContent`,
//! `managedHostsFileContent`) and `pkg/kubelet/util` (`GetNodenameForKernel`).

use std::net::Ipv4Addr;

use crate::base::Str;
use crate::container;
use crate::model::Pod;

/// A host name is cut to so many bytes.
const LONGEST: usize = 63;

/// The names of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The host name.
    pub(super) host: Str,
    /// The domain after it; empty where there is none.
    pub(super) domain: String,
    /// What `hostname` tells inside: the host name, or both where the pod asks for that.
    pub(super) inside: Str,
}

/// The names of a pod on `node`.
pub(super) fn of(pod: &Pod, node: &Str, cluster_domain: &str) -> Names {
    let wire = &pod.spec.wire;
    if pod.spec.host_network {
        return Names { host: node.clone(), domain: String::new(), inside: node.clone() };
    }
    if let Some(name) = wire.hostname_override.as_deref() {
        let host = cut(name);
        return Names { inside: host.clone(), host, domain: String::new() };
    }
    let host = cut(pod.hostname());
    let domain = match pod.subdomain() {
        "" => String::new(),
        sub => format!("{sub}.{}.svc.{cluster_domain}", pod.meta.namespace),
    };
    let whole = wire.set_hostname_as_fqdn == Some(true) && !domain.is_empty();
    let inside = if whole { format!("{host}.{domain}").into() } else { host.clone() };
    Names { host, domain, inside }
}

fn cut(name: &str) -> Str {
    if name.len() <= LONGEST {
        return name.into();
    }
    name.get(..LONGEST).unwrap_or(name).trim_end_matches(['-', '.']).into()
}

/// What stands in /etc/hosts of the pod's containers; empty where that is what the containers make of their own name.
pub(super) fn hosts_file(pod: &Pod, names: &Names, ip: Option<Ipv4Addr>) -> String {
    if names.domain.is_empty() && pod.spec.wire.host_aliases.is_none() && !pod.spec.host_network {
        return String::new();
    }
    let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
    let aliases: Vec<(&str, Vec<&str>)> = pod
        .spec
        .wire
        .host_aliases
        .iter()
        .flatten()
        .map(|a| (a.ip.as_str(), a.hostnames.iter().flatten().map(String::as_str).collect()))
        .collect();
    let text = container::hosts_file(&ip, &names.host, &names.domain, &aliases);
    match pod.spec.host_network {
        true => text.replacen("hosts file.", "hosts file (host network).", 1),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::kubelet::testing::pod_of;
    use crate::model::PodSpec;

    fn names(name: &str, mut spec: Value) -> (Names, String) {
        let mut pod = pod_of("main");
        pod.meta.name = name.into();
        spec["containers"] = json!([{"name": "main", "image": "busybox"}]);
        pod.spec = Arc::new(PodSpec::compile(serde_json::from_value(spec).unwrap()));
        let names = of(&pod, &"node-1".into(), "cluster.local");
        let hosts = match hosts_file(&pod, &names, Some([10, 0, 0, 2].into())) {
            // What the container makes then.
            own if own.is_empty() => container::hosts_file("10.0.0.2", &names.inside, "", &[]),
            other => other,
        };
        let own = hosts.lines().skip(7).collect::<Vec<_>>().join("|");
        (names, own)
    }

    #[test]
    fn a_pod_is_called_as_its_spec_says_and_by_its_name_else() {
        let check = |name: &str, spec: Value, inside: &str, hosts: &str| {
            let (names, lines) = names(name, spec.clone());
            assert_eq!((names.inside.as_str(), lines.as_str()), (inside, hosts), "{spec}");
        };
        check("a", json!({}), "a", "10.0.0.2\ta");
        check("a", json!({"hostname": "b"}), "b", "10.0.0.2\tb");
        let sub = json!({"hostname": "b", "subdomain": "s"});
        check("a", sub, "b", "10.0.0.2\tb.s.default.svc.cluster.local\tb");
        let whole = json!({"hostname": "b", "subdomain": "s", "setHostnameAsFQDN": true});
        let fqdn = "b.s.default.svc.cluster.local";
        check("a", whole, fqdn, &format!("10.0.0.2\t{fqdn}\tb"));
        check("a", json!({"setHostnameAsFQDN": true}), "a", "10.0.0.2\ta");
        check("a", json!({"hostNetwork": true}), "node-1", "10.0.0.2\tnode-1");
        check("a", json!({"hostnameOverride": "x.y"}), "x.y", "10.0.0.2\tx.y");
        let aliases = json!({"hostAliases": [{"ip": "10.1.1.1", "hostnames": ["c", "d"]}]});
        check("a", aliases, "a", "10.0.0.2\ta||# Entries added by HostAliases.|10.1.1.1\tc\td");
        let long = "x".repeat(62) + "-y";
        check(&long, json!({}), &"x".repeat(62), &format!("10.0.0.2\t{}", "x".repeat(62)));
    }
}

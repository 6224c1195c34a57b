//! What /etc/resolv.conf of a pod's containers says.
//!
//! Follows `pkg/kubelet/network/dns/dns.go` (`GetPodDNS`, `getPodDNSType`, `appendDNSConfig`). The node's own resolver,
//! which `dnsPolicy: Default` leads to, is a stated one that knows the world outside and no name of the cluster. Left
//! out: the limits on search lists and nameservers with their warnings, IPv6.

use std::net::Ipv4Addr;

use crate::model::Pod;

/// The resolver that nodes have.
const NODE_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// The text; empty where it is what the cluster's DNS asks for.
pub(super) fn resolv_conf(pod: &Pod, dns_server: Ipv4Addr, cluster_domain: &str) -> String {
    let wire = &pod.spec.wire;
    let policy = wire.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let cluster = match policy {
        "ClusterFirst" => !pod.spec.host_network,
        "ClusterFirstWithHostNet" => true,
        _ => false,
    };
    let config = wire.dns_config.as_ref();
    if cluster && config.is_none() {
        return String::new();
    }
    let namespace = &pod.meta.namespace;
    let (mut servers, mut searches, mut options) = (Vec::new(), Vec::new(), Vec::new());
    if cluster {
        servers.push(dns_server.to_string());
        searches.push(format!("{namespace}.svc.{cluster_domain}"));
        searches.push(format!("svc.{cluster_domain}"));
        searches.push(cluster_domain.to_owned());
        options.push(("ndots".to_owned(), Some("5".to_owned())));
    } else if policy != "None" {
        servers.push(NODE_RESOLVER.to_string());
    }
    if let Some(config) = config {
        add_new(&mut servers, config.nameservers.iter().flatten());
        add_new(&mut searches, config.searches.iter().flatten());
        for option in config.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            match options.iter_mut().find(|(known, _)| *known == name) {
                Some((_, value)) => *value = option.value.clone(),
                None => options.push((name, option.value.clone())),
            }
        }
    }
    written(&servers, &searches, &options)
}

fn add_new<'a>(list: &mut Vec<String>, more: impl Iterator<Item = &'a String>) {
    for one in more {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
}

/// The file, as the runtime writes it.
fn written(
    servers: &[String],
    searches: &[String],
    options: &[(String, Option<String>)],
) -> String {
    let mut text = String::new();
    if !searches.is_empty() {
        text.extend(["search ", searches.join(" ").as_str(), "\n"]);
    }
    for server in servers {
        text.extend(["nameserver ", server, "\n"]);
    }
    if !options.is_empty() {
        let shown = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!("{name}:{value}"),
            None => name.clone(),
        };
        let options: Vec<String> = options.iter().map(shown).collect();
        text.extend(["options ", options.join(" ").as_str(), "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::kubelet::testing::pod_of;
    use crate::model::PodSpec;

    fn text(fields: Value) -> String {
        let mut spec = json!({"containers": [{"name": "main", "image": "busybox"}]});
        if let (Some(spec), Some(fields)) = (spec.as_object_mut(), fields.as_object()) {
            spec.extend(fields.clone());
        }
        let mut pod = pod_of("main");
        pod.spec = Arc::new(PodSpec::compile(serde_json::from_value(spec).unwrap()));
        resolv_conf(&pod, Ipv4Addr::new(10, 96, 0, 10), "cluster.local")
    }

    #[test]
    fn a_policy_and_a_config_make_the_resolvers_file() {
        assert_eq!(text(json!({})), "");
        assert_eq!(text(json!({"dnsPolicy": "Default"})), "nameserver 169.254.169.253\n");
        assert_eq!(
            text(json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"],
                "searches": ["a.example", "b.example"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}})),
            "search a.example b.example\nnameserver 1.1.1.1\noptions ndots:2 edns0\n"
        );
        assert_eq!(
            text(json!({"dnsConfig": {"searches": ["corp.example"],
                "options": [{"name": "ndots", "value": "1"}]}})),
            "search default.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\noptions ndots:1\n"
        );
        assert_eq!(text(json!({"hostNetwork": true})), "nameserver 169.254.169.253\n");
        assert_eq!(text(json!({"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"})), "");
    }
}

//! Services and what leads to pods. Follows `describeService`, `describeEndpoints`,
//! `describeEndpointSliceV1`, `describeIngressV1`, `describeIngressClassV1`, `describeServiceCIDRV1`,
//! `describeIPAddressV1`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::printers::cells::{has, int, items, labels, text};
use super::containers::host_and_port;
use super::page::{Page, or_none, plain, put, texts};
use super::{Cluster, events};

/// The label that names a slice's Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// So many addresses are shown of a Service.
const SHOWN: usize = 3;

/// The EndpointSlices of a Service.
fn slices(service: &str, namespace: &str, cluster: &Cluster<'_>) -> Vec<Value> {
    let mut found = (cluster.list)("EndpointSlice", namespace);
    found.retain(|s| s["metadata"]["labels"][SERVICE] == service);
    found
}

/// The ready addresses behind a port, the first of them (`formatEndpointSlices`).
fn endpoints(slices: &[Value], port: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let (mut shown, mut more, mut count) = (Vec::new(), false, 0);
    for slice in slices {
        let ports: Vec<Option<&Value>> = match items(slice, "/ports") {
            // Services without ports have slices without ports.
            [] => vec![None],
            ports => ports.iter().filter(|p| text(p, "/name") == port).map(Some).collect(),
        };
        for port in ports {
            for endpoint in items(slice, "/endpoints") {
                more |= shown.len() == SHOWN;
                if endpoint.pointer("/conditions/ready") == Some(&Value::Bool(false)) {
                    continue;
                }
                let address = text(endpoint, "/addresses/0");
                if !more {
                    shown.push(match port {
                        Some(port) => host_and_port(address, &plain(port, "/port", "0")),
                        None => address.to_owned(),
                    });
                }
                count += 1;
            }
        }
    }
    let list = shown.join(",");
    match more {
        // Addresses that are not ready come after three that are: then there is none to add.
        true => format!("{list} + {} more...", count - SHOWN),
        false => list,
    }
}

/// A Service.
pub(super) fn service(page: &mut Page, service: &Value, cluster: &Cluster<'_>) {
    page.head(service);
    page.meta(service);
    put!(
        page,
        0,
        "Selector:\t{}\n",
        labels(service, "/spec/selector").as_str().unwrap_or_default()
    );
    put!(page, 0, "Type:\t{}\n", text(service, "/spec/type"));
    given(page, "IP Family Policy", text(service, "/spec/ipFamilyPolicy"));
    put!(page, 0, "IP Families:\t{}\n", or_none(&texts(service, "/spec/ipFamilies").join(",")));
    put!(page, 0, "IP:\t{}\n", text(service, "/spec/clusterIP"));
    put!(page, 0, "IPs:\t{}\n", or_none(&texts(service, "/spec/clusterIPs").join(",")));
    given(page, "External IPs", &texts(service, "/spec/externalIPs").join(","));
    given(page, "Desired LoadBalancer IP", text(service, "/spec/loadBalancerIP"));
    given(page, "External Name", text(service, "/spec/externalName"));
    let ingress = items(service, "/status/loadBalancer/ingress");
    if !ingress.is_empty() {
        let all: Vec<String> = ingress.iter().map(balancer).collect();
        put!(page, 0, "LoadBalancer Ingress:\t{}\n", all.join(", "));
    }
    let (name, namespace) = (text(service, "/metadata/name"), text(service, "/metadata/namespace"));
    let slices = slices(name, namespace, cluster);
    for port in items(service, "/spec/ports") {
        service_port(page, port, &slices);
    }
    put!(page, 0, "Session Affinity:\t{}\n", text(service, "/spec/sessionAffinity"));
    given(page, "External Traffic Policy", text(service, "/spec/externalTrafficPolicy"));
    given(page, "Internal Traffic Policy", text(service, "/spec/internalTrafficPolicy"));
    if int(service, "/spec/healthCheckNodePort") != 0 {
        put!(page, 0, "HealthCheck NodePort:\t{}\n", int(service, "/spec/healthCheckNodePort"));
    }
    let ranges = texts(service, "/spec/loadBalancerSourceRanges").join(",");
    given(page, "LoadBalancer Source Ranges", &ranges);
    given(page, "Traffic Distribution", text(service, "/spec/trafficDistribution"));
    events::describe(page, service, cluster);
}

fn given(page: &mut Page, title: &str, value: &str) {
    if !value.is_empty() {
        put!(page, 0, "{title}:\t{value}\n");
    }
}

fn balancer(ingress: &Value) -> String {
    match (text(ingress, "/ip"), text(ingress, "/ipMode")) {
        ("", _) => text(ingress, "/hostname").to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, mode) => format!("{ip} ({mode})"),
    }
}

fn service_port(page: &mut Page, port: &Value, slices: &[Value]) {
    let (name, protocol) = (text(port, "/name"), text(port, "/protocol"));
    let shown = if name.is_empty() { "<unset>" } else { name };
    put!(page, 0, "Port:\t{shown}\t{}/{protocol}\n", int(port, "/port"));
    put!(page, 0, "TargetPort:\t{}/{protocol}\n", plain(port, "/targetPort", "0"));
    given(page, "AppProtocol", text(port, "/appProtocol"));
    if int(port, "/nodePort") != 0 {
        put!(page, 0, "NodePort:\t{shown}\t{}/{protocol}\n", int(port, "/nodePort"));
    }
    put!(page, 0, "Endpoints:\t{}\n", endpoints(slices, name));
}

/// Endpoints.
pub(super) fn legacy_endpoints(page: &mut Page, ep: &Value, cluster: &Cluster<'_>) {
    page.head(ep);
    page.meta(ep);
    put!(page, 0, "Subsets:\n");
    for subset in items(ep, "/subsets") {
        for (title, field) in
            [("Addresses", "/addresses"), ("NotReadyAddresses", "/notReadyAddresses")]
        {
            let all: Vec<&str> = items(subset, field).iter().map(|a| text(a, "/ip")).collect();
            put!(page, 1, "{title}:\t{}\n", or_none(&all.join(",")));
        }
        let ports = items(subset, "/ports");
        if !ports.is_empty() {
            put!(page, 1, "Ports:\n");
            put!(page, 2, "Name\tPort\tProtocol\n");
            put!(page, 2, "----\t----\t--------\n");
            for port in ports {
                let name = plain(port, "/name", "<unset>");
                put!(page, 2, "{name}\t{}\t{}\n", int(port, "/port"), text(port, "/protocol"));
            }
        }
        put!(page, 0, "\n");
    }
    events::describe(page, ep, cluster);
}

/// An EndpointSlice.
pub(super) fn slice(page: &mut Page, slice: &Value, cluster: &Cluster<'_>) {
    page.head(slice);
    page.meta(slice);
    put!(page, 0, "AddressType:\t{}\n", text(slice, "/addressType"));
    match items(slice, "/ports") {
        [] => put!(page, 0, "Ports: <unset>\n"),
        ports => {
            put!(page, 0, "Ports:\n");
            put!(page, 1, "Name\tPort\tProtocol\n");
            put!(page, 1, "----\t----\t--------\n");
            for port in ports {
                let name = match text(port, "/name") {
                    "" => "<unset>",
                    name => name,
                };
                let number = plain(port, "/port", "<unset>");
                put!(page, 1, "{name}\t{number}\t{}\n", text(port, "/protocol"));
            }
        }
    }
    match items(slice, "/endpoints") {
        [] => put!(page, 0, "Endpoints: <none>\n"),
        all => {
            put!(page, 0, "Endpoints:\n");
            for endpoint in all {
                one_endpoint(page, endpoint);
            }
        }
    }
    events::describe(page, slice, cluster);
}

fn one_endpoint(page: &mut Page, endpoint: &Value) {
    let unset = |pointer: &str| plain(endpoint, pointer, "<unset>");
    put!(page, 1, "- Addresses:\t{}\n", or_none(&texts(endpoint, "/addresses").join(", ")));
    put!(page, 2, "Conditions:\n");
    put!(page, 3, "Ready:\t{}\n", unset("/conditions/ready"));
    put!(page, 2, "Hostname:\t{}\n", unset("/hostname"));
    if has(endpoint, "/targetRef") {
        let (kind, name) = (text(endpoint, "/targetRef/kind"), text(endpoint, "/targetRef/name"));
        put!(page, 2, "TargetRef:\t{kind}/{name}\n");
    }
    put!(page, 2, "NodeName:\t{}\n", unset("/nodeName"));
    put!(page, 2, "Zone:\t{}\n", unset("/zone"));
}

/// An Ingress.
pub(super) fn ingress(page: &mut Page, ingress: &Value, cluster: &Cluster<'_>) {
    let namespace = text(ingress, "/metadata/namespace");
    put!(page, 0, "Name:\t{}\n", text(ingress, "/metadata/name"));
    page.labels("Labels", ingress.pointer("/metadata/labels"));
    put!(page, 0, "Namespace:\t{namespace}\n");
    let addresses: BTreeSet<&str> = items(ingress, "/status/loadBalancer/ingress")
        .iter()
        .map(|i| if has(i, "/ip") { text(i, "/ip") } else { text(i, "/hostname") })
        .filter(|a| !a.is_empty())
        .collect();
    let addresses: Vec<&str> = addresses.into_iter().collect();
    put!(page, 0, "Address:\t{}\n", addresses.join(","));
    put!(page, 0, "Ingress Class:\t{}\n", plain(ingress, "/spec/ingressClassName", "<none>"));
    let default = match &ingress["spec"]["defaultBackend"] {
        Value::Null => "<default>".to_owned(),
        backend => self::backend(backend, namespace, cluster),
    };
    put!(page, 0, "Default backend:\t{default}\n");
    let tls = items(ingress, "/spec/tls");
    if !tls.is_empty() {
        put!(page, 0, "TLS:\n");
        for entry in tls {
            let hosts = texts(entry, "/hosts").join(",");
            match text(entry, "/secretName") {
                "" => put!(page, 1, "SNI routes {hosts}\n"),
                secret => put!(page, 1, "{secret} terminates {hosts}\n"),
            }
        }
    }
    put!(page, 0, "Rules:\n  Host\tPath\tBackends\n");
    put!(page, 1, "----\t----\t--------\n");
    let rules = items(ingress, "/spec/rules").iter().filter(|r| has(r, "/http"));
    let mut count = 0;
    for rule in rules {
        count += 1;
        let host = Some(text(rule, "/host")).filter(|h| !h.is_empty()).unwrap_or("*");
        put!(page, 1, "{host}\t\n");
        for path in items(rule, "/http/paths") {
            let backend = backend(&path["backend"], namespace, cluster);
            put!(page, 2, "\t{} \t{backend}\n", text(path, "/path"));
        }
    }
    if count == 0 {
        put!(page, 1, "*\t*\t{default}\n");
    }
    page.annotations("Annotations", ingress.pointer("/metadata/annotations"));
    events::describe(page, ingress, cluster);
}

/// Where an Ingress sends requests, and what is there (`describeBackendV1`).
fn backend(backend: &Value, namespace: &str, cluster: &Cluster<'_>) -> String {
    if has(backend, "/service") {
        let name = text(backend, "/service/name");
        let number = int(backend, "/service/port/number");
        let port = text(backend, "/service/port/name");
        let shown = if number == 0 { port.to_owned() } else { number.to_string() };
        let services = (cluster.list)("Service", namespace);
        let Some(service) = services.iter().find(|s| text(s, "/metadata/name") == name) else {
            return format!("{name}:{shown} (<error: services {name:?} not found>)");
        };
        let chosen = items(service, "/spec/ports").iter().rfind(|p| {
            (number != 0 && int(p, "/port") == number)
                || (!port.is_empty() && text(p, "/name") == port)
        });
        let of_port = chosen.map_or("", |p| text(p, "/name"));
        let endpoints = endpoints(&slices(name, namespace, cluster), of_port);
        return format!("{name}:{shown} ({endpoints})");
    }
    if has(backend, "/resource") {
        let of = &backend["resource"];
        let group = plain(of, "/apiGroup", "<none>");
        return format!(
            "APIGroup: {group}, Kind: {}, Name: {}",
            text(of, "/kind"),
            text(of, "/name")
        );
    }
    String::new()
}

/// An IngressClass.
pub(super) fn ingress_class(page: &mut Page, class: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(class, "/metadata/name"));
    page.meta(class);
    put!(page, 0, "Controller:\t{}\n", text(class, "/spec/controller"));
    let parameters = &class["spec"]["parameters"];
    if parameters.is_object() {
        put!(page, 0, "Parameters:\n");
        if has(parameters, "/apiGroup") {
            put!(page, 1, "APIGroup:\t{}\n", text(parameters, "/apiGroup"));
        }
        put!(page, 1, "Kind:\t{}\n", text(parameters, "/kind"));
        put!(page, 1, "Name:\t{}\n", text(parameters, "/name"));
    }
    events::describe(page, class, cluster);
}

/// A ServiceCIDR.
pub(super) fn service_cidr(page: &mut Page, cidr: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(cidr, "/metadata/name"));
    page.meta(cidr);
    put!(page, 0, "CIDRs:\t{}\n", texts(cidr, "/spec/cidrs").join(", "));
    if !items(cidr, "/status/conditions").is_empty() {
        put!(page, 0, "Status:\n");
        page.conditions_with_time(cidr);
    }
    events::describe(page, cidr, cluster);
}

/// An IPAddress.
pub(super) fn ip_address(page: &mut Page, ip: &Value, cluster: &Cluster<'_>) {
    put!(page, 0, "Name:\t{}\n", text(ip, "/metadata/name"));
    page.meta(ip);
    if has(ip, "/spec/parentRef") {
        put!(page, 0, "Parent Reference:\n");
        for (title, field) in [
            ("Group", "group"),
            ("Resource", "resource"),
            ("Namespace", "namespace"),
            ("Name", "name"),
        ] {
            put!(page, 1, "{title}:\t{}\n", text(ip, &format!("/spec/parentRef/{field}")));
        }
    }
    events::describe(page, ip, cluster);
}

/// A NetworkPolicy.
pub(super) fn policy(page: &mut Page, policy: &Value, _: &Cluster<'_>) {
    page.head(policy);
    let created = super::super::printers::cells::time(policy, "/metadata/creationTimestamp");
    let created =
        created.map_or("0001-01-01 00:00:00".to_owned(), |t| t.format("%F %T").to_string());
    put!(page, 0, "Created on:\t{created} +0000 UTC\n");
    page.meta(policy);
    put!(page, 0, "Spec:\n");
    put!(page, 1, "PodSelector: ");
    match selector_of(policy, "/spec/podSelector").as_str() {
        "<none>" => {
            put!(page, 2, "<none> (Allowing the specific traffic to all pods in this namespace)\n");
        }
        selector => put!(page, 2, "{selector}\n"),
    }
    let types = texts(policy, "/spec/policyTypes");
    let ways = [
        ("Ingress", "ingress", "/spec/ingress", "From", "/from", "source"),
        ("Egress", "egress", "/spec/egress", "To", "/to", "destination"),
    ];
    for (of, word, rules, title, peers, what) in ways {
        if !types.contains(&of) {
            put!(page, 1, "Not affecting {word} traffic\n");
            continue;
        }
        put!(page, 1, "Allowing {word} traffic:\n");
        let rules = items(policy, rules);
        if rules.is_empty() {
            put!(page, 2, "<none> (Selected pods are isolated for {word} connectivity)\n");
        }
        for (i, rule) in rules.iter().enumerate() {
            if i > 0 {
                put!(page, 2, "----------\n");
            }
            policy_ports(page, rule);
            let peers = items(rule, peers);
            if peers.is_empty() {
                put!(page, 2, "{title}: <any> (traffic not restricted by {what})\n");
            }
            for peer in peers {
                put!(page, 2, "{title}:\n");
                policy_peer(page, peer);
            }
        }
    }
    put!(page, 1, "Policy Types: {}\n", or_none(&types.join(", ")));
}

fn selector_of(of: &Value, pointer: &str) -> String {
    let selector = super::super::printers::cells::selector(of, pointer);
    selector.as_str().unwrap_or_default().to_owned()
}

fn policy_ports(page: &mut Page, rule: &Value) {
    let ports = items(rule, "/ports");
    if ports.is_empty() {
        put!(page, 2, "To Port: <any> (traffic allowed to all ports)\n");
    }
    for port in ports {
        let protocol = plain(port, "/protocol", "TCP");
        let number = plain(port, "/port", "<nil>");
        match int(port, "/endPort") {
            0 => put!(page, 2, "To Port: {number}/{protocol}\n"),
            end => put!(page, 2, "To Port Range: {number}-{end}/{protocol}\n"),
        }
    }
}

fn policy_peer(page: &mut Page, peer: &Value) {
    let (pods, spaces) = (has(peer, "/podSelector"), has(peer, "/namespaceSelector"));
    if spaces {
        put!(page, 3, "NamespaceSelector: {}\n", selector_of(peer, "/namespaceSelector"));
    }
    if pods {
        put!(page, 3, "PodSelector: {}\n", selector_of(peer, "/podSelector"));
    }
    if !pods && !spaces && has(peer, "/ipBlock") {
        put!(page, 3, "IPBlock:\n");
        put!(page, 4, "CIDR: {}\n", text(peer, "/ipBlock/cidr"));
        put!(page, 4, "Except: {}\n", texts(peer, "/ipBlock/except").join(", "));
    }
}

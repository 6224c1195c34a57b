//! The cells of what leads to pods, of who may do what, and of rarer kinds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Now;
use super::cells::{age, has, items, name, selector, text, text_or};

/// So many entries of a list are shown.
const SHOWN: usize = 3;

/// The first entries of a list, and how many there are beside (`listWithMoreString`).
fn first_of(all: &[String]) -> String {
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(",");
    match all.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} + {more} more..."),
        _ if shown.is_empty() => "<unset>".to_owned(),
        _ => shown,
    }
}

pub(super) fn endpoint_slice(o: &Value, now: Now) -> Vec<Value> {
    let port = |p: &Value| match p.get("port").and_then(Value::as_i64) {
        Some(number) => number.to_string(),
        None => text_or(p, "/name", "*").to_owned(),
    };
    let ports: Vec<String> = items(o, "/ports").iter().map(port).collect();
    let addresses: Vec<String> = items(o, "/endpoints")
        .iter()
        .flat_map(|e| items(e, "/addresses"))
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect();
    vec![
        name(o),
        text(o, "/addressType").into(),
        first_of(&ports).into(),
        first_of(&addresses).into(),
        age(o, now),
    ]
}

pub(super) fn ingress(o: &Value, now: Now) -> Vec<Value> {
    let rules = items(o, "/spec/rules");
    // A rule after three hosts makes for "more", whether or not it has a host.
    let (mut hosts, mut more) = (Vec::new(), false);
    for rule in rules {
        more |= hosts.len() == SHOWN;
        let host = text(rule, "/host");
        if !more && !host.is_empty() {
            hosts.push(host);
        }
    }
    let hosts = match (hosts.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, true) => format!("{} + {} more...", hosts.join(","), rules.len() - SHOWN),
        (false, false) => hosts.join(","),
    };
    let addresses: BTreeSet<&str> = items(o, "/status/loadBalancer/ingress")
        .iter()
        .map(|i| text_or(i, "/ip", text(i, "/hostname")))
        .filter(|a| !a.is_empty())
        .collect();
    let addresses: Vec<&str> = addresses.into_iter().collect();
    let ports = if items(o, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        name(o),
        text_or(o, "/spec/ingressClassName", "<none>").into(),
        hosts.into(),
        addresses.join(",").into(),
        ports.into(),
        age(o, now),
    ]
}

pub(super) fn ingress_class(o: &Value, now: Now) -> Vec<Value> {
    let parameters = match has(o, "/spec/parameters") {
        true => {
            let part = |field: &str| text(o, &format!("/spec/parameters/{field}"));
            let group = part("apiGroup");
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", part("kind"), part("name"))
        }
        false => "<none>".to_owned(),
    };
    vec![name(o), text(o, "/spec/controller").into(), parameters.into(), age(o, now)]
}

pub(super) fn policy(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), selector(o, "/spec/podSelector"), age(o, now)]
}

pub(super) fn binding(o: &Value, now: Now) -> Vec<Value> {
    let role = format!("{}/{}", text(o, "/roleRef/kind"), text(o, "/roleRef/name"));
    let of = |kind: &str| -> Value {
        let subjects = items(o, "/subjects").iter().filter(|s| text(s, "/kind") == kind);
        let names: Vec<String> = subjects
            .map(|s| match kind {
                "ServiceAccount" => format!("{}/{}", text(s, "/namespace"), text(s, "/name")),
                _ => text(s, "/name").to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    vec![name(o), role.into(), age(o, now), of("User"), of("Group"), of("ServiceAccount")]
}

pub(super) fn csi_node(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), items(o, "/spec/drivers").len().into(), age(o, now)]
}

pub(super) fn attributes_class(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), text(o, "/driverName").into(), age(o, now)]
}

pub(super) fn runtime_class(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), text(o, "/handler").into(), age(o, now)]
}

pub(super) fn webhooks(o: &Value, now: Now) -> Vec<Value> {
    vec![name(o), items(o, "/webhooks").len().into(), age(o, now)]
}

pub(super) fn service_cidr(o: &Value, now: Now) -> Vec<Value> {
    let cidrs: Vec<&str> = items(o, "/spec/cidrs").iter().filter_map(Value::as_str).collect();
    vec![name(o), cidrs.join(",").into(), age(o, now)]
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_show_their_first_three_entries() {
        let now = DateTime::UNIX_EPOCH;
        let port = |n: i64| json!({"port": n});
        let slice = json!({"addressType": "IPv4", "ports": [port(1), port(2), port(3), port(4)],
            "endpoints": []});
        let cells = endpoint_slice(&slice, now);
        assert_eq!((&cells[2], &cells[3]), (&json!("1,2,3 + 1 more..."), &json!("<unset>")));
        let host = |h: &str| json!({"host": h});
        let of =
            json!({"spec": {"rules": [host("a"), host("b"), host("c"), host("d")], "tls": [{}]}});
        let cells = ingress(&of, now);
        assert_eq!(
            (&cells[1], &cells[2], &cells[4]),
            (&json!("<none>"), &json!("a,b,c + 1 more..."), &json!("80, 443"))
        );
    }
}

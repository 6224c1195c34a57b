//! What a container waits for over the network, and why a Service does not answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::fix::{Change, Edit};
use super::look::Look;
use super::{Code, Fix, Reason, Root};
use crate::api::suggest;
use crate::base::Str;
use crate::model::{Kind, Labels, Object, Pod, Ref};
use crate::report::timeline::name;
use crate::sim::machines::{Asked, Met, Question};

/// Questions that were asked longer before the last one than this are of the past.
const LATELY: Duration = Duration::from_secs(120);

/// What a host name means inside the cluster.
enum Named {
    /// A Service of a namespace, and the host in it, if one is named.
    Service(Ref, Option<Str>),
    /// Something outside.
    Outside,
}

impl Look<'_> {
    /// What a container asked of late and did not get, the latest first.
    pub(super) fn asked_in_vain(&self, pod: &Pod, container: &str) -> Vec<&Asked> {
        let asked = self.sim.kubelets().asked(pod, container);
        let Some(last) = asked.last() else { return Vec::new() };
        let lately = |a: &&Asked| last.at.since(a.at) <= LATELY && a.met != Met::Answer;
        asked.iter().rev().filter(lately).collect()
    }

    /// What a container waits for over the network.
    pub(super) fn waits_over_network(&self, pod: &Pod, container: &str, init: bool) -> Vec<Reason> {
        let what = if init { "init container" } else { "container" };
        let mut reasons = Vec::new();
        // What was asked last is what the program hangs on; before it lie retries and side ways.
        for asked in self.asked_in_vain(pod, container).into_iter().take(1) {
            match &asked.of {
                Question::Name(host) if asked.met == Met::Silence => {
                    let text = format!(
                        "{what} {container} asks for {host}, and the cluster's DNS does not answer"
                    );
                    reasons.push(Self::root(
                        Code::UnknownHost,
                        self.source(pod).object,
                        text,
                        Vec::new(),
                    ));
                }
                Question::Name(host) => match self.named(host, &pod.meta.namespace) {
                    Named::Service(service, member) => {
                        let why = format!("({what} {container} asks for {host})");
                        reasons.push(self.to_service(service, member, why));
                    }
                    Named::Outside => {
                        let text =
                            format!("{what} {container} asks for {host}, a name that no DNS knows");
                        let fixes = self.renamed(pod, container, host);
                        reasons.push(Self::root(
                            Code::UnknownHost,
                            self.source(pod).object,
                            text,
                            fixes,
                        ));
                    }
                },
                Question::Connection(to) => {
                    reasons.push(self.to_address(pod, what, container, *to));
                }
            }
        }
        reasons
    }

    fn to_service(&self, service: Ref, member: Option<Str>, why: String) -> Reason {
        if let (Some(member), true) = (member, self.store.find(&service).is_some()) {
            let pod = Ref::new(Kind::Pod, service.key.namespace.clone(), member);
            if self.store.find(&pod).is_some() {
                return Reason::WaitsFor { object: pod, why };
            }
        }
        Reason::WaitsFor { object: service, why }
    }

    fn to_address(&self, pod: &Pod, what: &str, container: &str, to: SocketAddr) -> Reason {
        let ip = to.ip();
        let why = format!("({what} {container} asks for port {})", to.port());
        if let Some(service) = self.service_at(ip) {
            return Reason::WaitsFor { object: service, why };
        }
        let at =
            |p: &&std::sync::Arc<Pod>| p.status.pod_ip.is_some_and(|own| IpAddr::V4(own) == ip);
        if let Some(other) = self.pods().filter(|p| p.meta.uid != pod.meta.uid).find(at) {
            let object = Ref { kind: Kind::Pod, key: other.meta.key() };
            return Reason::WaitsFor { object, why };
        }
        let text = format!("{what} {container} asks for {to}, and nobody listens there");
        Self::root(Code::ServicePort, self.source(pod).object, text, Vec::new())
    }

    fn service_at(&self, ip: IpAddr) -> Option<Ref> {
        let text = ip.to_string();
        let at = |o: &&Object| match o {
            Object::Service(s) => {
                s.body.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()) == Some(text.as_str())
            }
            _ => false,
        };
        self.store.list(Kind::Service).find(at).map(Object::reference)
    }

    /// What a host name means to a pod of that namespace.
    fn named(&self, host: &str, namespace: &Str) -> Named {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let (inside, of_cluster) =
            match host.strip_suffix(".cluster.local").unwrap_or(&host).strip_suffix(".svc") {
                Some(rest) => (rest.to_owned(), true),
                None => (host.clone(), false),
            };
        let parts: Vec<&str> = inside.split('.').collect();
        let service = |name: &str, of: &str| Ref::new(Kind::Service, of, name);
        let is_namespace = |n: &str| self.store.find(&Ref::new(Kind::Namespace, "", n)).is_some();
        match parts[..] {
            [one] => Named::Service(service(one, namespace), None),
            [one, of] if of_cluster || is_namespace(of) => Named::Service(service(one, of), None),
            [member, one] if self.store.find(&service(one, namespace)).is_some() => {
                Named::Service(service(one, namespace), Some(member.into()))
            }
            [member, one, of] if of_cluster || is_namespace(of) => {
                Named::Service(service(one, of), Some(member.into()))
            }
            _ => Named::Outside,
        }
    }

    /// A host that is perhaps meant, where a slip of its first part leads to a Service.
    fn renamed(&self, pod: &Pod, container: &str, host: &str) -> Vec<Fix> {
        let services = self.here(Kind::Service, &pod.meta.namespace);
        let first = host.split('.').next().unwrap_or(host);
        let near = suggest::nearest(first, services.iter().map(|o| o.meta().name.as_str()));
        near.map(|near| self.say_instead(pod, container, first, near)).into_iter().collect()
    }

    /// Has a container's command and variables say another name.
    fn say_instead(&self, pod: &Pod, container: &str, from: &str, to: &str) -> Fix {
        let source = self.source(pod);
        let edit = Edit::Words {
            object: source.object.clone(),
            under: source.spec.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let text = format!(
            "say {to} instead of {from} in container {container} of {}",
            name(&source.object)
        );
        Fix::new(text, vec![edit])
    }

    /// A Service that is asked for and does not exist.
    pub(super) fn missing_service(&self, service: &Ref) -> Root {
        let Ref { key, .. } = service;
        let mut fixes = Vec::new();
        let askers = self.askers(service);
        let here = self.here(Kind::Service, &key.namespace);
        if let Some(near) = suggest::nearest(&key.name, here.iter().map(|o| o.meta().name.as_str()))
            && let Some((pod, container)) = askers.first()
        {
            fixes.push(self.say_instead(pod, container, &key.name, near));
        }
        let port = askers.iter().find_map(|(pod, c)| port_beside(pod, c, &key.name)).unwrap_or(80);
        fixes.extend(self.service_for_workload(service, port));
        let made = |selector: Value| {
            json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": key.name.as_str(), "namespace": key.namespace.as_str()},
                "spec": {"selector": selector, "ports": [{"port": port, "targetPort": 80}]}})
        };
        let selector = json!({"app": key.name.as_str()});
        let service_name = name(service);
        fixes.push(Fix::new(
            format!("make {service_name}"),
            vec![Edit::Add(made(selector.clone()))],
        ));
        let pods = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": key.name.as_str(), "namespace": key.namespace.as_str()},
            "spec": {"selector": {"matchLabels": selector.clone()}, "template": {"metadata": {"labels": selector.clone()},
                "spec": {"containers": [{"name": "main", "image": "nginx:1.27"}]}}}});
        let text = format!("make {service_name}, and pods behind it that answer on port {port}");
        fixes.push(Fix::new(text, vec![Edit::Add(made(selector)), Edit::Add(pods)]));
        let who: Vec<String> = askers
            .iter()
            .map(|(p, c)| format!("container {c} of {}", name(&self.source(p).object)))
            .take(1)
            .collect();
        let text = match who.first() {
            Some(who) => format!("{service_name} does not exist, and {who} waits for it"),
            None => format!("{service_name} does not exist"),
        };
        Root { code: Code::MissingObject, at: service.clone(), text, fixes }
    }

    /// Who asks for a Service in vain.
    fn askers(&self, service: &Ref) -> Vec<(&Pod, Str)> {
        let mut found = Vec::new();
        for pod in self.pods().filter(|p| !p.is_ready()) {
            for c in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
                let asks = self.asked_in_vain(pod, &c.name).iter().any(|a| match &a.of {
                    Question::Name(host) => {
                        matches!(self.named(host, &pod.meta.namespace), Named::Service(s, _) if s == *service)
                    }
                    Question::Connection(to) => self.service_at(to.ip()).as_ref() == Some(service),
                });
                if asks {
                    found.push((&**pod, c.name.clone()));
                }
            }
        }
        found.sort_by(|a, b| (&a.0.meta.name, &a.1).cmp(&(&b.0.meta.name, &b.1)));
        found
    }

    /// A Service for a workload of its name.
    fn service_for_workload(&self, service: &Ref, port: u16) -> Option<Fix> {
        let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet];
        let found = kinds
            .iter()
            .find_map(|kind| self.store.find(&Ref { kind: *kind, key: service.key.clone() }))?;
        let wire = self.wire(found);
        let selector = wire.pointer("/spec/selector/matchLabels")?.clone();
        let target = wire.pointer("/spec/template/spec/containers/0/ports/0/containerPort");
        let target = target.cloned().unwrap_or_else(|| json!(port));
        let document = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": service.key.name.as_str(), "namespace": service.key.namespace.as_str()},
            "spec": {"selector": selector, "ports": [{"port": port, "targetPort": target}]}});
        let text =
            format!("make {} that selects the pods of {}", name(service), name(&found.reference()));
        Some(Fix::new(text, vec![Edit::Add(document)]))
    }

    /// Why a Service does not answer.
    pub(super) fn service(&self, object: &Object) -> Vec<Reason> {
        let of = object.reference();
        let wire = self.wire(object);
        let selector: Vec<(String, String)> = wire["spec"]["selector"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
            .collect();
        if wire["spec"]["type"] == "LoadBalancer"
            && let Some(on) = self.told.waits_for(object.meta().uid)
        {
            let text = format!("{} waits: {on}", name(&of));
            return vec![Self::root(Code::Refused, of, text, Vec::new())];
        }
        if selector.is_empty() {
            let text = format!("{} has no selector, and nobody gave it endpoints", name(&of));
            return vec![Self::root(Code::ServiceSelector, of, text, Vec::new())];
        }
        let selects = |labels: &Labels| {
            selector.iter().all(|(k, v)| labels.get(k).is_some_and(|l| l == v.as_str()))
        };
        let mut behind: Vec<_> = self
            .pods()
            .filter(|p| p.meta.namespace == of.key.namespace && selects(&p.meta.labels))
            .filter(|p| !p.status.phase.is_terminal())
            .collect();
        behind.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        if behind.is_empty() {
            return vec![self.selects_nothing(&of, &selector)];
        }
        if behind.iter().any(|p| p.is_ready()) {
            return self.wrong_port(&of, &wire, &behind).into_iter().collect();
        }
        let waits = behind.iter().map(|p| Reason::WaitsFor {
            object: Ref { kind: Kind::Pod, key: p.meta.key() },
            why: "to be ready".to_owned(),
        });
        waits.collect()
    }

    fn selects_nothing(&self, of: &Ref, selector: &[(String, String)]) -> Reason {
        let told: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let text = format!("{} selects no pod: none has {}", name(of), told.join(","));
        let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet];
        let all = kinds.iter().flat_map(|k| self.here(*k, &of.key.namespace));
        let mut fixes = Vec::new();
        for workload in all.filter(|o| o.meta().controller().is_none()) {
            let wire = self.wire(workload);
            let labels = &wire["spec"]["template"]["metadata"]["labels"];
            let near = selector.iter().all(|(k, v)| {
                let own = labels.get(k).and_then(Value::as_str);
                own.is_some_and(|own| own == v || suggest::nearest(v, [own]).is_some())
            });
            let same = workload.meta().name == of.key.name;
            if !(near || same) {
                continue;
            }
            let wanted = if near {
                let own = selector.iter().map(|(k, _)| (k.clone(), labels[k].clone()));
                Value::Object(own.collect())
            } else {
                wire["spec"]["selector"]["matchLabels"].clone()
            };
            let pairs: Vec<String> = wanted
                .as_object()
                .into_iter()
                .flatten()
                .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
                .collect();
            let text = format!(
                "select {}, the pods of {}, in {}",
                pairs.join(","),
                name(&workload.reference()),
                name(of)
            );
            let changes = vec![Change::set("/spec/selector", wanted)];
            fixes.push(Fix::new(text, vec![Edit::Manifest { object: of.clone(), changes }]));
            if near {
                break;
            }
        }
        let text = match fixes.first() {
            Some(_) => text,
            None => format!("{text}; nothing in the namespace makes such pods"),
        };
        Self::root(Code::ServiceSelector, of.clone(), text, fixes)
    }

    /// A Service whose pods are ready, though nobody listens where it sends to, or asks where it listens.
    fn wrong_port(
        &self,
        of: &Ref,
        wire: &Value,
        behind: &[&std::sync::Arc<Pod>],
    ) -> Option<Reason> {
        let pod = behind.iter().find(|p| p.is_ready())?;
        let listening = self.sim.kubelets().listens_on(pod);
        let ports = wire["spec"]["ports"].as_array()?;
        let asked: Vec<u16> = self
            .askers(of)
            .iter()
            .flat_map(|(p, c)| self.asked_in_vain(p, c))
            .filter_map(|a| match &a.of {
                Question::Connection(to) => Some(to.port()),
                Question::Name(_) => None,
            })
            .collect();
        let own = |p: &Value| p["port"].as_u64().and_then(|n| u16::try_from(n).ok());
        for (i, port) in ports.iter().enumerate() {
            let target = self.target(pod, port);
            if asked.iter().all(|a| own(port) != Some(*a))
                || target.is_some_and(|t| listening.contains(&t))
            {
                continue;
            }
            let sends = port["targetPort"].to_string();
            let there: Vec<String> = listening.iter().map(u16::to_string).collect();
            let there = if there.is_empty() { "no port".to_owned() } else { there.join(", ") };
            let text = format!(
                "{} sends to port {}, and its pods listen on {there}",
                name(of),
                sends.trim_matches('"')
            );
            let fixes = listening.iter().map(|listens| {
                let changes = vec![Change::set(format!("/spec/ports/{i}/targetPort"), *listens)];
                let edits = vec![Edit::Manifest { object: of.clone(), changes }];
                Fix::new(
                    format!("set spec.ports[{i}].targetPort to {listens} in {}", name(of)),
                    edits,
                )
            });
            return Some(Self::root(Code::ServicePort, of.clone(), text, fixes.collect()));
        }
        let wanted = asked.iter().find(|a| ports.iter().all(|p| own(p) != Some(**a)))?;
        let there: Vec<String> = ports.iter().map(|p| p["port"].to_string()).collect();
        let text =
            format!("{} has port {} and is asked for port {wanted}", name(of), there.join(", "));
        let target = listening.first().copied().unwrap_or(*wanted);
        let new = json!({"name": format!("port-{wanted}"), "port": wanted, "targetPort": target});
        let mut changes = Vec::new();
        for (i, port) in ports.iter().enumerate().filter(|(_, p)| p["name"].is_null()) {
            let named = format!("port-{}", port["port"]);
            changes.push(Change::set(format!("/spec/ports/{i}/name"), named));
        }
        changes.push(Change::set("/spec/ports/-", new));
        let edits = vec![Edit::Manifest { object: of.clone(), changes }];
        let fix =
            Fix::new(format!("give {} a port {wanted} that sends to {target}", name(of)), edits);
        Some(Self::root(Code::ServicePort, of.clone(), text, vec![fix]))
    }

    /// The port of a pod to which a port of a Service sends.
    fn target(&self, pod: &Pod, port: &Value) -> Option<u16> {
        let number = |v: &Value| v.as_u64().and_then(|n| u16::try_from(n).ok());
        match &port["targetPort"] {
            Value::String(named) => {
                let all = pod.spec.containers.iter().flat_map(|c| &c.ports);
                all.into_iter().find(|(n, _)| n == named.as_str()).map(|(_, port)| *port)
            }
            Value::Null => number(&port["port"]),
            other => number(other),
        }
    }
}

/// The port that stands behind a host in a container's command: `db:5432`, `nc -z db 5432`.
fn port_beside(pod: &Pod, container: &str, host: &str) -> Option<u16> {
    let container = pod.spec.container(container)?;
    container.command.iter().chain(&container.args).find_map(|text| {
        text.match_indices(host).find_map(|(i, _)| {
            let rest = &text[i + host.len()..];
            let rest = rest
                .trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '-'));
            let digits = rest.strip_prefix([':', ' ']).unwrap_or_default();
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse().ok()
        })
    })
}

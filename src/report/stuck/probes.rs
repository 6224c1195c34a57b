//! Probes that fail: the wrong port, the wrong page, or a program that does not answer.

use serde_json::{Value, json};

use super::fix::Change;
use super::look::Look;
use super::{Code, Fix, Reason};
use crate::model::{Container, ContainerStatus, Handler, Pod, PortRef, Probe};

impl Look<'_> {
    /// The probe that keeps a running container from being ready.
    pub(super) fn probed(
        &self,
        pod: &Pod,
        c: &Container,
        status: &ContainerStatus,
    ) -> Option<Reason> {
        if c.startup.is_some() && status.started != Some(true) {
            return self.probe(pod, c, "startup");
        }
        if c.readiness.is_some() && !status.ready {
            return self.probe(pod, c, "readiness");
        }
        None
    }

    /// Why a probe of a container fails.
    pub(super) fn probe(&self, pod: &Pod, c: &Container, which: &str) -> Option<Reason> {
        let probe = match which {
            "startup" => c.startup.as_ref(),
            "liveness" => c.liveness.as_ref(),
            _ => c.readiness.as_ref(),
        }?;
        let source = self.source(pod);
        let place = Self::place(pod, c)?;
        let path = source.path(&format!("{place}/{which}Probe"));
        let capital = format!("{}{} probe", which[..1].to_uppercase(), &which[1..]);
        let mut said = self.told.warnings(pod.meta.uid).filter(|r| r.reason == "Unhealthy");
        let said = said
            .find(|r| r.message.starts_with(&capital))
            .map(|r| r.message.trim_end().replace('\n', " "));
        let fixes = self.for_probe(pod, c, probe, which, &path);
        let text = format!(
            "the {which} probe of container {} fails: it {}{}",
            c.name,
            asks(&probe.handler),
            said.map_or(String::new(), |s| format!(
                "; {}",
                s.split_once(": ").map_or(s.as_str(), |(_, rest)| rest)
            ))
        );
        Some(Self::root(Code::Probe, source.object, text, fixes))
    }

    fn for_probe(
        &self,
        pod: &Pod,
        c: &Container,
        probe: &Probe,
        which: &str,
        path: &str,
    ) -> Vec<Fix> {
        let source = self.source(pod);
        let mut fixes = Vec::new();
        let listening = self.sim.kubelets().listens_on(pod);
        let field = match &probe.handler {
            Handler::HttpGet(_) => "httpGet",
            _ => "tcpSocket",
        };
        let asked = match &probe.handler {
            Handler::HttpGet(get) => Some(&get.port),
            Handler::TcpSocket { port, .. } => Some(port),
            _ => None,
        };
        if let Some(port) = asked.map(|p| number(p, c)) {
            let declared = c
                .ports
                .iter()
                .map(|(_, p)| *p)
                .filter(|p| listening.is_empty() || listening.contains(p));
            let mut others: Vec<u16> =
                declared.chain(listening.iter().copied()).filter(|p| Some(*p) != port).collect();
            others.dedup();
            if port.is_none_or(|p| !listening.contains(&p)) {
                fixes.extend(others.first().map(|other| {
                    source.fix(
                        &format!(
                            "set the port of the {which} probe of container {} to {other}",
                            c.name
                        ),
                        vec![Change::set(format!("{path}/{field}/port"), json!(other))],
                    )
                }));
            }
            if let Handler::HttpGet(get) = &probe.handler
                && get.path != "/"
            {
                fixes.push(source.fix(
                    &format!(
                        "set the path of the {which} probe of container {} to / (instead of {})",
                        c.name, get.path
                    ),
                    vec![Change::set(format!("{path}/{field}/path"), "/")],
                ));
            }
        }
        if which != "readiness" {
            let more = probe.failure_threshold.saturating_mul(10);
            fixes.push(source.fix(
                &format!(
                    "let the {which} probe of container {} fail {more} times (failureThreshold)",
                    c.name
                ),
                vec![Change::set(format!("{path}/failureThreshold"), json!(more))],
            ));
        }
        fixes.push(source.fix(
            &format!("take the {which} probe of container {} away", c.name),
            vec![Change { path: path.to_owned(), value: None::<Value> }],
        ));
        fixes
    }
}

/// What a probe does, after "it".
fn asks(handler: &Handler) -> String {
    match handler {
        Handler::Exec(words) => {
            let words: Vec<&str> = words.iter().map(smol_str::SmolStr::as_str).collect();
            format!("runs {:?}", words.join(" "))
        }
        Handler::HttpGet(get) => format!("asks for {} on port {}", get.path, shown(&get.port)),
        Handler::TcpSocket { port, .. } => format!("connects to port {}", shown(port)),
        Handler::Grpc { port, .. } => format!("asks over gRPC on port {port}"),
        Handler::Sleep(_) => "sleeps".to_owned(),
    }
}

fn shown(port: &PortRef) -> String {
    match port {
        PortRef::Number(n) => n.to_string(),
        PortRef::Name(name) => name.to_string(),
    }
}

/// The number of a port, where it has one.
fn number(port: &PortRef, c: &Container) -> Option<u16> {
    match port {
        PortRef::Number(n) => Some(*n),
        PortRef::Name(name) => c.ports.iter().find(|(own, _)| own == name).map(|(_, n)| *n),
    }
}

//! Requests that the agent itself makes over the network: probes and hooks.
//!
//! Follows `pkg/probe/http`, `pkg/probe/tcp` and `pkg/probe/grpc`, whose words for failures are kept. A
//! connection is answered at once by whoever listens at the address, refused where nobody does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::desk::Desk;
use super::probes::Answer;
use super::text::go_duration;
use crate::container::{Dialled, dial};
use crate::model::{Container, Handler, HttpGet, PortRef};

/// The answer to a probe, and after how long it comes.
pub(super) struct ProbeReply {
    pub(super) after: Duration,
    pub(super) answer: Answer,
}

/// How a hook's request ended, and after how long.
pub(super) struct HookReply {
    pub(super) after: Duration,
    pub(super) error: Option<String>,
}

fn reply(after: Duration, ok: Option<bool>, text: impl Into<String>, lasting: bool) -> ProbeReply {
    ProbeReply { after, answer: Answer { ok, text: text.into(), lasting } }
}

/// Asks a container's server for a probe.
pub(super) fn probe(
    handler: &Handler,
    c: &Container,
    ip: Option<Ipv4Addr>,
    timeout: Duration,
    d: &Desk<'_, '_>,
) -> ProbeReply {
    match handler {
        Handler::HttpGet(get) => http_probe(get, c, ip, timeout, d),
        Handler::TcpSocket { host, port } => {
            let Some(number) = c.port(port) else { return unknown_port(port) };
            let (name, address) = target(host, ip);
            let to = format!("{name}:{number}");
            match address.map(|a| dial(&d.shared.network, SocketAddr::new(a, number), None)) {
                Some(Dialled::Open | Dialled::Answered { .. }) => {
                    reply(Duration::ZERO, Some(true), "", true)
                }
                Some(Dialled::Refused) => {
                    let text = format!("dial tcp {to}: connect: connection refused");
                    reply(Duration::ZERO, Some(false), text, false)
                }
                Some(Dialled::Silent) => {
                    reply(timeout, Some(false), format!("dial tcp {to}: i/o timeout"), false)
                }
                None => reply(Duration::ZERO, Some(false), lookup_failed(&name), false),
            }
        }
        Handler::Grpc { port, service: _ } => grpc_probe(*port, ip, timeout, d),
        Handler::Exec(_) | Handler::Sleep(_) => {
            reply(Duration::ZERO, None, "missing probe handler", false)
        }
    }
}

fn grpc_probe(port: u16, ip: Option<Ipv4Addr>, timeout: Duration, d: &Desk<'_, '_>) -> ProbeReply {
    let (name, address) = target("", ip);
    match address.map(|a| dial(&d.shared.network, SocketAddr::new(a, port), None)) {
        Some(Dialled::Open | Dialled::Answered { .. }) => {
            reply(Duration::ZERO, Some(true), "service healthy", true)
        }
        // The client keeps trying until its time is up, refused or not.
        Some(Dialled::Refused | Dialled::Silent) | None => {
            let text = format!(
                "timeout: failed to connect service \"{name}:{port}\" within {}: context deadline \
                 exceeded",
                go_duration(timeout)
            );
            reply(timeout, Some(false), text, false)
        }
    }
}

fn http_probe(
    get: &HttpGet,
    c: &Container,
    ip: Option<Ipv4Addr>,
    timeout: Duration,
    d: &Desk<'_, '_>,
) -> ProbeReply {
    let Some(number) = c.port(&get.port) else { return unknown_port(&get.port) };
    let (name, address) = target(&get.host, ip);
    let url = url(get, &name, number);
    let Some(address) = address else {
        return reply(
            Duration::ZERO,
            Some(false),
            format!("Get {url:?}: {}", lookup_failed(&name)),
            false,
        );
    };
    let late = || {
        let text = format!(
            "Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        );
        reply(timeout, Some(false), text, false)
    };
    match dial(&d.shared.network, SocketAddr::new(address, number), Some(&get.path)) {
        Dialled::Answered { delay, .. } if delay >= timeout => late(),
        Dialled::Answered { status, delay, .. } if (200..400).contains(&status) => {
            reply(delay, Some(true), "", delay.is_zero())
        }
        Dialled::Answered { status, delay, .. } => {
            let text = format!("HTTP probe failed with statuscode: {status}");
            reply(delay, Some(false), text, false)
        }
        Dialled::Open => {
            let text = format!("Get {url:?}: EOF");
            reply(Duration::ZERO, Some(false), text, false)
        }
        Dialled::Refused => {
            let to = SocketAddr::new(address, number);
            let text = format!("Get {url:?}: dial tcp {to}: connect: connection refused");
            reply(Duration::ZERO, Some(false), text, false)
        }
        Dialled::Silent => late(),
    }
}

/// Makes the request of a hook; any answer is a success.
pub(super) fn hook(
    get: &HttpGet,
    c: &Container,
    ip: Option<Ipv4Addr>,
    d: &Desk<'_, '_>,
) -> HookReply {
    let failed = |after, error: String| HookReply { after, error: Some(error) };
    let Some(number) = c.port(&get.port) else {
        let text = unknown_port(&get.port).answer.text;
        return failed(Duration::ZERO, text);
    };
    let (name, address) = target(&get.host, ip);
    let url = url(get, &name, number);
    let Some(address) = address else {
        return failed(Duration::ZERO, format!("Get {url:?}: {}", lookup_failed(&name)));
    };
    match dial(&d.shared.network, SocketAddr::new(address, number), Some(&get.path)) {
        Dialled::Answered { delay, .. } => HookReply { after: delay, error: None },
        Dialled::Open => failed(Duration::ZERO, format!("Get {url:?}: EOF")),
        Dialled::Refused => {
            let to = SocketAddr::new(address, number);
            failed(
                Duration::ZERO,
                format!("Get {url:?}: dial tcp {to}: connect: connection refused"),
            )
        }
        Dialled::Silent => {
            let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            failed(Duration::from_secs(30), format!("Get {url:?}: {text}"))
        }
    }
}

/// The host to ask, by name and by address if that is known.
fn target(host: &str, ip: Option<Ipv4Addr>) -> (String, Option<IpAddr>) {
    match host {
        "" => (ip.map(|ip| ip.to_string()).unwrap_or_default(), ip.map(IpAddr::V4)),
        "localhost" => (host.to_owned(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        name => (name.to_owned(), name.parse().ok()),
    }
}

fn url(get: &HttpGet, host: &str, port: u16) -> String {
    let scheme = if get.https { "https" } else { "http" };
    let slash = if get.path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{host}:{port}{slash}{}", get.path)
}

fn lookup_failed(name: &str) -> String {
    format!("dial tcp: lookup {name}: no such host")
}

fn unknown_port(port: &PortRef) -> ProbeReply {
    let text = match port {
        PortRef::Name(name) => format!("couldn't find port: {name:?} in pod spec"),
        PortRef::Number(n) => format!("invalid port number: {n}"),
    };
    reply(Duration::ZERO, None, text, false)
}

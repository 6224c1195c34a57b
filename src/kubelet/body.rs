//! What runs inside a container, as the agent sees it: started, signalled, asked to run commands.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::desk::Desk;
use super::env::Environment;
use super::images::Image;
use super::runtime::Nth;
use super::worker::Worker;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Container, Terminated};

/// What a container is to be started with.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) container: Container,
    pub(super) image: Arc<Image>,
    pub(super) env: Environment,
    pub(super) ip: Option<Ipv4Addr>,
    pub(super) attempt: u32,
}

/// A command that runs in a container beside its program.
pub(super) type ExecId = u32;

/// How such a command ended.
pub(super) struct ExecDone {
    pub(super) code: i32,
    pub(super) output: String,
    /// Whether it would say the same again until the container changes.
    pub(super) lasting: bool,
}

/// The running program of a container.
#[derive(Debug)]
pub(super) struct Body {
    started: SimTime,
    stop: Option<i32>,
}

impl Body {
    pub(super) fn start(
        _w: &Worker,
        _n: Nth,
        _order: Order,
        d: &mut Desk<'_, '_>,
    ) -> Result<Self, String> {
        Ok(Self { started: d.cx.now, stop: None })
    }

    pub(super) fn run(&mut self, d: &mut Desk<'_, '_>) -> Option<Terminated> {
        let code = self.stop?;
        Some(Terminated {
            exit_code: code,
            signal: 0,
            reason: if code == 0 { "Completed" } else { "Error" }.into(),
            message: Str::default(),
            started_at: Some(self.started),
            finished_at: Some(d.cx.now),
            container_id: 0,
        })
    }

    pub(super) fn next(&self) -> Option<SimTime> {
        None
    }
}

impl Worker {
    /// The program of a container is gone.
    pub(super) fn drop_body(&mut self, n: Nth, _d: &mut Desk<'_, '_>) {
        if let Some(body) = self.bodies.get_mut(n.index()) {
            *body = None;
        }
    }

    pub(super) fn signal(&mut self, n: Nth, kill: bool, _d: &mut Desk<'_, '_>) {
        if let Some(Some(body)) = self.bodies.get_mut(n.index()) {
            body.stop = Some(if kill { 137 } else { 0 });
        }
    }

    pub(super) fn exec(
        &mut self,
        _n: Nth,
        _words: &[Str],
        _d: &mut Desk<'_, '_>,
    ) -> Option<ExecId> {
        Some(1)
    }

    pub(super) fn exec_done(&mut self, _n: Nth, _exec: ExecId) -> Option<ExecDone> {
        Some(ExecDone { code: 0, output: String::new(), lasting: true })
    }

    pub(super) fn exec_cancel(&mut self, _n: Nth, _exec: ExecId, _d: &mut Desk<'_, '_>) {}
}

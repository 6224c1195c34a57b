//! Commands that somebody outside runs in a container (`kubectl exec`).
//!
//! After `pkg/kubelet/server` and `cri/streaming`: the command starts at once in the running container, and is asked
//! after until it has ended. One that outlives its container ends with 137.

use super::agent::Agent;
use super::body::ExecId;
use super::desk::Desk;
use super::kubelets::Kubelets;
use super::runtime::{Nth, Run, each};
use super::shared::Shared;

use super::worker::Worker;
use crate::base::Str;
use crate::engine::{ComponentId, Cx};
use crate::model::Uid;

/// A command under way.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    node: ComponentId,
    pod: Uid,
    container: Nth,
    run: u64,
    exec: ExecId,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEnd {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// The exit code of what was killed.
const KILLED: i32 = 137;

impl Kubelets {
    /// Starts a command in a container of the node of that agent. `None` where the container does not run; the
    /// runtime's words where it has no such program.
    pub fn exec(
        &mut self,
        node: ComponentId,
        pod: Uid,
        container: &str,
        words: &[Str],
        cx: &mut Cx<'_>,
    ) -> Option<Result<Execution, String>> {
        let mut started = None;
        self.with(node, cx, |agent, shared, cx| {
            started = agent.exec(pod, container, words, shared, cx);
        });
        started
            .map(|s| s.map(|(container, run, exec)| Execution { node, pod, container, run, exec }))
    }

    /// How a command ended, once it has.
    pub fn exec_end(&mut self, command: &Execution) -> Option<CommandEnd> {
        let killed = CommandEnd { code: KILLED, stdout: String::new(), stderr: String::new() };
        let Some(worker) = self.agent_mut(command.node).and_then(|a| a.worker_mut(command.pod))
        else {
            return Some(killed);
        };
        let current = |r: &Run| r.id == command.run;
        if let Some(end) = worker.command_end(command.container, command.exec) {
            return Some(end);
        }
        let same = worker.actual.current(command.container).is_some_and(current);
        (!same || worker.is_over(command.container)).then_some(killed)
    }
}

impl Agent {
    fn exec(
        &mut self,
        pod: Uid,
        container: &str,
        words: &[Str],
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> Option<Result<(Nth, u64, ExecId), String>> {
        if !self.is_up() {
            return None;
        }
        let mut desk = Desk { cx, node: &mut self.node, shared };
        let worker = self.pods.get_mut(&pod).map(|w| &mut w.worker)?;
        let (n, _) = each(&worker.pod.spec).find(|(_, c)| c.name == container)?;
        let run = worker.actual.current(n).filter(|r| r.exited().is_none())?.id;
        let started = worker.exec(n, words, &mut desk)?;
        self.run(pod, shared, cx);
        Some(started.map(|exec| (n, run, exec)).map_err(|why| {
            let bare = why.strip_prefix("rpc error: code = Unknown desc = ").unwrap_or(&why);
            format!("error executing command in container: {bare}")
        }))
    }
}

impl Worker {
    fn command_end(&mut self, n: Nth, exec: ExecId) -> Option<CommandEnd> {
        let body = self.bodies.get_mut(n.index())?.as_mut()?;
        let (code, stdout, stderr) = body.command_end(exec)?;
        Some(CommandEnd { code, stdout, stderr })
    }
}

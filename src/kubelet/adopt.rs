//! Pods that ran before the simulation began: their containers are taken over, not started.
//!
//! An agent that starts finds in its runtime what its pods' statuses last told (`pkg/kubelet/kubelet.go`,
//! `HandlePodAdditions` after a restart: nothing is started anew). Here the status is all there is, so the
//! runtime's view is made from it.
//!
//! What a dump cannot tell is where a program stood: programs begin anew, as of the time they were
//! started by. Back-offs begin anew too, as after a restart of a real agent.

use std::sync::Arc;

use super::body::{Body, Order};
use super::desk::Desk;
use super::env;
use super::runtime::{Nth, Run, RunState, Sandbox, View, container, each};
use super::worker::Worker;
use crate::base::time::SimTime;
use crate::model::{ContainerState, ContainerStatus, Pod, Terminated};

/// What a node's runtime holds of a pod whose status tells of containers: the view, and how often each
/// container was made. `None` for a pod that never had any.
pub(super) fn found(pod: &Pod, d: &mut Desk<'_, '_>) -> Option<(View, Vec<u32>)> {
    let statuses = || {
        let others = pod.status.containers.iter().chain(pod.status.ephemeral_containers.iter());
        pod.status.init_containers.iter().chain(others)
    };
    if !statuses().any(|s| s.last.is_some() || !waits(s)) {
        return None;
    }
    let mut view = View::default();
    let mut made = Vec::new();
    for (n, c) in each(&pod.spec) {
        let Some(status) = statuses().find(|s| s.name == c.name) else { continue };
        made.resize(n.index() + 1, 0);
        made[n.index()] = status.restart_count + u32::from(!waits(status) || status.last.is_some());
        let mut push = |attempt: u32, id: u64, state: RunState| {
            let Ok(image) = d.shared.images.named(&c.image) else { return };
            d.node.images.pulled(&image, &d.shared.image_model, SimTime::ZERO);
            let id = if id == 0 { d.node.new_run() } else { id };
            view.push(n, Run { id, attempt, sandbox: 0, image, state, actuated: None });
        };
        let attempt = status.restart_count;
        let exited = |how: &Arc<Terminated>| RunState::Exited(Arc::clone(how));
        match &status.state {
            ContainerState::Waiting { .. } => {
                if let Some(last) = &status.last {
                    push(attempt, last.container_id, exited(last));
                }
            }
            ContainerState::Running { started_at } => {
                if let Some(last) = &status.last {
                    push(attempt.saturating_sub(1), last.container_id, exited(last));
                }
                push(attempt, status.container_id, RunState::Running(*started_at));
            }
            ContainerState::Terminated(how) => push(attempt, how.container_id, exited(how)),
        }
    }
    let ip = pod.status.pod_ip.filter(|_| !pod.spec.host_network);
    ip.into_iter().for_each(|ip| d.node.reserve_address(ip));
    let ip = pod.status.pod_ip;
    view.sandbox = Some(Sandbox { attempt: 0, ready: !pod.is_terminal(), ip });
    Some((view, made))
}

const fn waits(status: &ContainerStatus) -> bool {
    matches!(status.state, ContainerState::Waiting { .. })
}

impl Worker {
    /// Lets the programs of containers run that were found running, and believes of their probes what the
    /// status says.
    pub(super) fn revive(&mut self, d: &mut Desk<'_, '_>) {
        let pod = Arc::clone(&self.pod);
        if pod.is_terminal() {
            return;
        }
        self.reports.set(pod.status.clone(), false);
        self.probes.add(&pod.spec, d.cx.now);
        let running: Vec<(Nth, Run, SimTime)> = each(&pod.spec)
            .filter_map(|(n, _)| {
                let run = self.actual.current(n)?;
                let RunState::Running(since) = run.state else { return None };
                Some((n, run.clone(), since))
            })
            .collect();
        for (n, run, since) in running {
            let Some(c) = container(&pod.spec, n) else { continue };
            if let Some(status) = pod.status.container(&c.name) {
                self.probes.believe(n, run.id, status.ready, status.started == Some(true));
            }
            let ip = pod.status.pod_ip;
            let env = env::of_container(&pod, n, ip, d.node, d.shared).unwrap_or_default();
            let (image, attempt) = (Arc::clone(&run.image), run.attempt);
            let text = "they ran before the simulation began: their programs begin anew, as if just started";
            d.assume(self.cause, "pods of the dump", text);
            let spec = Arc::clone(&pod.spec);
            let order = Order { spec, image, env, ip, attempt, run: run.id };
            if let Ok(mut body) = Body::start(self, n, order, d) {
                body.ran_since(since);
                if self.bodies.len() <= n.index() {
                    self.bodies.resize_with(n.index() + 1, || None);
                }
                self.bodies[n.index()] = Some(Box::new(body));
            }
        }
    }
}

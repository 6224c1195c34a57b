//! Which containers of a pod see each other's processes.
//!
//! With `shareProcessNamespace` all of a pod do, and its sandbox's own process is number 1. A container that
//! was added to a pod with a target sees the target's processes, and the target those of it
//! (`pkg/kubelet/kuberuntime/util`, `PidNamespaceForPod`; `NamespaceMode_TARGET` of the runtime). Everybody
//! else is alone.
//!
//! Processes are numbered over all containers that see each other, as their kernel would. A signal reaches
//! another container in the same instant. The sandbox's process heeds none.

use super::desk::Desk;
use super::runtime::{Nth, container, each, ephemeral};
use super::worker::Worker;
use crate::base::Str;
use crate::container::{Peer, Pid, Signal, World, entrypoint};
use crate::model::PodSpec;

/// Between two containers' first processes the runtime's own use up so many numbers.
const USED_UP: Pid = 6;
/// So many signals pass between the containers of a node's pods within one instant.
const SIGNALS_PER_INSTANT: u32 = 1000;

/// Whose processes a container is among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    /// Those of the pod.
    Pod,
    /// Those of that container.
    Of(Nth),
}

fn shares(spec: &PodSpec) -> bool {
    spec.wire.share_process_namespace == Some(true)
}

fn namespace(spec: &PodSpec, n: Nth) -> Namespace {
    if shares(spec) {
        return Namespace::Pod;
    }
    let target = ephemeral(spec, n).map(|added| &added.target).filter(|t| !t.is_empty());
    let found = target.and_then(|target| each(spec).find(|(_, c)| c.name == *target));
    Namespace::Of(found.map_or(n, |(target, _)| target))
}

/// Whether any container of a pod sees processes of another.
pub(super) fn any_shared(spec: &PodSpec) -> bool {
    shares(spec) || spec.ephemeral_containers.iter().any(|added| !added.target.is_empty())
}

/// The arguments of a container's program, as far as its spec and image tell.
fn program(spec: &PodSpec, n: Nth) -> Vec<Str> {
    let Some(c) = container(spec, n) else { return Vec::new() };
    let mut words = c.command.clone();
    if words.is_empty() {
        words.extend(entrypoint(&c.image, &c.args));
    }
    words.extend(c.args.iter().cloned());
    if words.is_empty() {
        let name = c.image.rsplit('/').next().unwrap_or_default();
        words.push(name.split([':', '@']).next().unwrap_or_default().into());
    }
    words
}

impl Worker {
    fn members(&self, n: Nth) -> impl Iterator<Item = Nth> + '_ {
        let spec = &self.pod.spec;
        let of = namespace(spec, n);
        each(spec).map(|(m, _)| m).filter(move |m| namespace(spec, *m) == of)
    }

    /// The number of the first process of a container that starts now.
    pub(super) fn first_pid(&self, n: Nth) -> Pid {
        let spec = &self.pod.spec;
        if !any_shared(spec) || namespace(spec, n) == Namespace::Of(n) {
            return 1;
        }
        self.next_pid(n) + USED_UP
    }

    fn next_pid(&self, n: Nth) -> Pid {
        let bodies = self.members(n).filter_map(|m| self.bodies.get(m.index())?.as_deref());
        bodies.map(|b| b.inside.next_pid(b.first_pid)).max().unwrap_or(1)
    }

    /// Shows a container the processes of others, and its own program where that has none.
    pub(super) fn look_around(&mut self, n: Nth) {
        let shared = any_shared(&self.pod.spec);
        let own = self.bodies.get(n.index()).and_then(|b| b.as_deref());
        if !shared && own.is_none_or(|b| !b.inside.hides_program()) {
            return;
        }
        let spec = std::sync::Arc::clone(&self.pod.spec);
        let mut peers = Vec::new();
        if shares(&spec) {
            let started = self.reports.current(&self.pod).start_time.unwrap_or_default();
            let argv = [Str::new_static("/pause")].into();
            peers.push(Peer { pid: 1, parent: 0, uid: 65535, started, argv });
        }
        for m in self.members(n) {
            let Some(body) = self.bodies.get(m.index()).and_then(|b| b.as_deref()) else {
                continue;
            };
            let (first, since) = (body.first_pid, body.started());
            if m != n {
                peers.extend(body.inside.processes(first, &program(&spec, m), since));
            } else if body.inside.hides_program() {
                let argv = program(&spec, n).into();
                peers.push(Peer { pid: first, parent: 0, uid: 0, started: since, argv });
            }
        }
        let next = if shared { self.next_pid(n) } else { 0 };
        if let Some(Some(body)) = self.bodies.get_mut(n.index()) {
            body.inside.see(peers, next);
        }
    }

    /// Brings the signals that a container has sent to others where they go.
    pub(super) fn deliver(&mut self, n: Nth, d: &mut Desk<'_, '_>) {
        let Some(Some(body)) = self.bodies.get_mut(n.index()) else { return };
        let sent: Vec<(Pid, Signal)> = body.inside.take_sent();
        if sent.is_empty() {
            return;
        }
        if d.node.signals.0 != d.cx.now {
            d.node.signals = (d.cx.now, 0);
        }
        let members: Vec<Nth> = self.members(n).collect();
        for (pid, signal) in sent {
            d.node.signals.1 += 1;
            if d.node.signals.1 > SIGNALS_PER_INSTANT {
                let text = format!(
                    "its containers sent each other more than {SIGNALS_PER_INSTANT} signals without \
                     letting time pass (SIGNALS_PER_INSTANT); further ones are lost"
                );
                d.unmodelled(self.cause, &format!("pod {}", self.pod.meta.name), &text);
                return;
            }
            for m in &members {
                let Some(Some(body)) = self.bodies.get_mut(m.index()) else { continue };
                let first = body.first_pid;
                let mut world = World {
                    now: d.cx.now,
                    network: &d.shared.network,
                    volumes: &mut d.shared.volumes,
                };
                if body.inside.signal_process(pid, signal, first, &mut world) {
                    body.stir();
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::kubelet::testing::Cluster;
    use crate::model::PodSpec;

    fn shell(name: &str, script: &str) -> Value {
        json!({"name": name, "image": "busybox:1.36", "command": ["sh", "-c", script]})
    }

    /// What the containers of the cluster have written.
    fn written(c: &Cluster) -> Vec<String> {
        let line = |l: &String| l.split_once(" > ").map(|(_, text)| text.trim().to_owned());
        c.story.iter().filter_map(line).collect()
    }

    #[test]
    fn containers_that_share_processes_see_and_signal_each_other() {
        let mut c = Cluster::new();
        let sleeper = json!({"name": "a", "image": "busybox:1.36", "command": ["sleep", "1000"]});
        let script = "sleep 2; ps -o pid,args; cat /proc/7/comm; kill -0 99 || kill 7; kill -9 1";
        c.pod(
            "p",
            json!({"shareProcessNamespace": true, "restartPolicy": "Never",
                "containers": [sleeper, shell("b", script)]}),
        );
        c.run(Duration::from_secs(10));
        let lines = written(&c);
        assert_eq!(lines[..3], ["PID   COMMAND", "1 /pause", "7 sleep 1000"], "{lines:?}");
        assert!(lines[3].starts_with("14 sh -c sleep 2"), "{lines:?}");
        assert!(lines.contains(&"sleep".to_owned()), "{lines:?}");
        let pod = c.get("p").unwrap();
        let code = |i: usize| match &pod.status.containers[i].state {
            crate::model::ContainerState::Terminated(t) => t.exit_code,
            other => panic!("{other:?}"),
        };
        assert_eq!((code(0), code(1)), (143, 0));
    }

    #[test]
    fn containers_that_share_nothing_see_their_own_processes_alone() {
        let mut c = Cluster::new();
        let script = "sleep 2; ps -o pid,args | grep -c sleep; sh -c 'echo $PPID'; kill 7 2>&1";
        c.pod("p", json!({"containers": [shell("a", "sleep 1000"), shell("b", script)]}));
        c.run(Duration::from_secs(5));
        assert_eq!(written(&c), ["2", "1", "sh: can't kill pid 7: No such process"]);
    }

    #[test]
    fn a_container_that_was_added_sees_the_processes_of_its_target() {
        let mut c = Cluster::new();
        c.pod(
            "p",
            json!({"containers": [shell("main", "trap 'echo hup' HUP; sleep 1000 & wait")]}),
        );
        c.run(Duration::from_secs(5));
        c.change("p", |pod| {
            let mut wire = (*pod.spec.wire).clone();
            let mut added = shell("dbg", "ps -o pid,args; kill -HUP 1");
            added["targetContainerName"] = json!("main");
            wire.ephemeral_containers = Some(vec![serde_json::from_value(added).unwrap()]);
            pod.spec = PodSpec::compile(wire).into();
        });
        c.run(Duration::from_secs(5));
        let lines = written(&c);
        assert!(lines[1].starts_with("1 sh -c trap"), "{lines:?}");
        assert!(
            lines.contains(&"2 sleep 1000".to_owned()) && lines.contains(&"hup".to_owned()),
            "{lines:?}"
        );
    }

    #[test]
    fn a_command_in_the_container_of_a_known_service_sees_the_service() {
        let mut c = Cluster::new();
        let probe = json!({"exec": {"command": ["sh", "-c", "pidof nginx && kill -0 1"]}});
        c.pod(
            "p",
            json!({"containers": [{"name": "web", "image": "nginx:1.25", "readinessProbe": probe,
                "command": ["nginx", "-g", "daemon off;"]}]}),
        );
        c.run(Duration::from_secs(30));
        assert!(c.get("p").unwrap().is_ready(), "{:#?}", c.story);
    }
}

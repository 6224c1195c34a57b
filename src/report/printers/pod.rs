//! The cells of a pod. Follows `printPod`.

use serde_json::Value;

use super::Now;
use super::cells::{age, has, int, items, name, since, text, text_or, time};

/// What a pod's row says in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// Containers that are ready, native sidecars among them.
    pub ready: usize,
    /// Containers in all, native sidecars among them.
    pub total: usize,
    /// The status: a phase, or the reason that counts most.
    pub status: String,
    /// Restarts of its containers.
    pub restarts: i64,
    /// When the latest of them was.
    pub last_restart: Option<Now>,
}

/// The facts of a pod's row.
pub fn facts(pod: &Value) -> PodFacts {
    let mut row = Row::of(pod);
    let initializing = row.init(pod);
    if !initializing || condition(pod, "Initialized") == Some("True") {
        row.main(pod);
    }
    if has(pod, "/metadata/deletionTimestamp") {
        let terminal = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        if text(pod, "/status/reason") == "NodeLost" {
            row.status = "Unknown".to_owned();
        } else if !terminal {
            row.status = "Terminating".to_owned();
        }
    }
    row.facts()
}

/// All cells.
pub(super) fn row(pod: &Value, now: Now) -> Vec<Value> {
    let facts = facts(pod);
    let restarts = match facts.last_restart {
        Some(at) if facts.restarts != 0 => {
            format!("{} ({} ago)", facts.restarts, since(Some(at), now))
        }
        _ => facts.restarts.to_string(),
    };
    let gates = items(pod, "/spec/readinessGates");
    let open = gates
        .iter()
        .filter(|gate| condition(pod, text(gate, "/conditionType")) == Some("True"))
        .count();
    let gates = match gates.len() {
        0 => "<none>".to_owned(),
        all => format!("{open}/{all}"),
    };
    vec![
        name(pod),
        format!("{}/{}", facts.ready, facts.total).into(),
        facts.status.into(),
        restarts.into(),
        age(pod, now),
        text_or(pod, "/status/podIPs/0/ip", "<none>").into(),
        text_or(pod, "/spec/nodeName", "<none>").into(),
        text_or(pod, "/status/nominatedNodeName", "<none>").into(),
        gates.into(),
    ]
}

/// The status of the first condition of a type.
fn condition<'v>(pod: &'v Value, kind: &str) -> Option<&'v str> {
    let all = items(pod, "/status/conditions");
    all.iter().find(|c| text(c, "/type") == kind).map(|c| text(c, "/status"))
}

/// A row in the making.
struct Row {
    ready: usize,
    total: usize,
    status: String,
    restarts: i64,
    last: Option<Now>,
    /// Of native sidecars alone: they count once the pod is initialized.
    sidecar_restarts: i64,
    sidecar_last: Option<Now>,
}

impl Row {
    fn of(pod: &Value) -> Self {
        let gated = |c: &Value| {
            text(c, "/type") == "PodScheduled" && text(c, "/reason") == "SchedulingGated"
        };
        let status = if items(pod, "/status/conditions").iter().any(gated) {
            "SchedulingGated"
        } else {
            text_or(pod, "/status/reason", text(pod, "/status/phase"))
        };
        let init = items(pod, "/spec/initContainers");
        let sidecars = init.iter().filter(|c| restarts_always(c)).count();
        Self {
            ready: 0,
            total: items(pod, "/spec/containers").len() + sidecars,
            status: status.to_owned(),
            restarts: 0,
            last: None,
            sidecar_restarts: 0,
            sidecar_last: None,
        }
    }

    fn facts(self) -> PodFacts {
        PodFacts {
            ready: self.ready,
            total: self.total,
            status: self.status,
            restarts: self.restarts,
            last_restart: self.last,
        }
    }

    /// Looks at init containers up to the first that has not done its work; whether there is one.
    fn init(&mut self, pod: &Value) -> bool {
        let specs = items(pod, "/spec/initContainers");
        for (i, container) in items(pod, "/status/initContainerStatuses").iter().enumerate() {
            let name = text(container, "/name");
            let sidecar = specs.iter().any(|c| text(c, "/name") == name && restarts_always(c));
            let restarts = int(container, "/restartCount");
            let ended = time(container, "/lastState/terminated/finishedAt");
            self.restarts += restarts;
            self.last = self.last.max(ended);
            if sidecar {
                self.sidecar_restarts += restarts;
                self.sidecar_last = self.sidecar_last.max(ended);
            }
            let terminated = has(container, "/state/terminated");
            if terminated && int(container, "/state/terminated/exitCode") == 0 {
                continue;
            }
            if sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            let waits_for = text(container, "/state/waiting/reason");
            self.status = if terminated {
                format!("Init:{}", ended_as(container))
            } else if !waits_for.is_empty() && waits_for != "PodInitializing" {
                format!("Init:{waits_for}")
            } else {
                format!("Init:{i}/{}", specs.len())
            };
            return true;
        }
        false
    }

    /// Looks at the main containers, the last first.
    fn main(&mut self, pod: &Value) {
        (self.restarts, self.last) = (self.sidecar_restarts, self.sidecar_last);
        let (mut running, mut error) = (false, None);
        for container in items(pod, "/status/containerStatuses").iter().rev() {
            self.restarts += int(container, "/restartCount");
            self.last = self.last.max(time(container, "/lastState/terminated/finishedAt"));
            let waits_for = text(container, "/state/waiting/reason");
            if !waits_for.is_empty() {
                self.status = waits_for.to_owned();
            } else if has(container, "/state/terminated") {
                self.status = ended_as(container);
                if int(container, "/state/terminated/exitCode") != 0 {
                    error = Some(self.status.clone());
                }
            } else if container["ready"] == true && has(container, "/state/running") {
                running = true;
                self.ready += 1;
            }
        }
        if self.status != "Completed" {
            return;
        }
        let ready = items(pod, "/status/conditions")
            .iter()
            .any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
        match (running, error) {
            (true, _) if ready => "Running".clone_into(&mut self.status),
            (_, Some(error)) => self.status = error,
            (true, None) => "NotReady".clone_into(&mut self.status),
            (false, None) => {}
        }
    }
}

fn restarts_always(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

/// How a container ended, in one word.
fn ended_as(container: &Value) -> String {
    let (reason, signal) =
        (text(container, "/state/terminated/reason"), int(container, "/state/terminated/signal"));
    match (reason, signal) {
        ("", 0) => format!("ExitCode:{}", int(container, "/state/terminated/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

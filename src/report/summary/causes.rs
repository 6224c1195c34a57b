//! Why something does not get on: read from statuses and from what components said they wait for.

use std::collections::BTreeMap;

use super::{ContainerState, CronJob, Kind, Meta, Object, Phase, Pod, Ref, SimTime, Store, Uid};
use crate::model::{ConditionStatus, ContainerStatus, conditions};
use crate::report::timeline::{count, duration, name};
use crate::trace::Waiting;

/// What causes are looked for in.
pub(super) struct Look<'a> {
    pub(super) store: &'a Store,
    pub(super) now: SimTime,
    pub(super) waiting: &'a BTreeMap<Uid, Waiting>,
    pub(super) blocked: &'a dyn Fn(&Pod, &str) -> Option<String>,
}

/// How many pods of a workload are named.
const NAMED: usize = 3;

impl Look<'_> {
    /// Why a workload does not get on: its pods' causes, or its controller's.
    pub(super) fn of_workload(&self, owner: &Meta) -> Vec<String> {
        let mut causes = Vec::new();
        let mut more = 0;
        let mut pods: Vec<&Pod> = self
            .store
            .list(Kind::Pod)
            .filter_map(|o| if let Object::Pod(p) = o { Some(&**p) } else { None })
            .filter(|p| !p.is_ready() && !p.status.phase.is_terminal())
            .filter(|p| self.belongs(p, owner.uid))
            .collect();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        for pod in pods {
            let of_pod = self.of_pod(pod);
            if of_pod.is_empty() {
                continue;
            }
            if causes.len() >= NAMED {
                more += 1;
                continue;
            }
            let object = name(&Ref { kind: Kind::Pod, key: pod.meta.key() });
            causes.extend(of_pod.into_iter().map(|cause| format!("{object}: {cause}")));
        }
        if more > 0 {
            causes.push(format!("and {} more", count(more, "pod")));
        }
        causes.extend(self.waiting_for(owner.uid));
        causes
    }

    /// Why a schedule does not do its work: it is suspended, or its latest run does not get on.
    pub(super) fn of_schedule(&self, cron: &CronJob) -> Vec<String> {
        if cron.spec.wire.suspend == Some(true) {
            return vec!["suspended".to_owned()];
        }
        let mine = |o: &&Object| o.meta().controller().is_some_and(|c| c.uid == cron.meta.uid);
        let latest = self
            .store
            .list(Kind::Job)
            .filter(mine)
            .max_by_key(|o| (o.meta().created, o.meta().name.clone()));
        let Some(Object::Job(job)) = latest else { return Vec::new() };
        let of = name(&Ref { kind: Kind::Job, key: job.meta.key() });
        if let Some(failed) = job.status.conditions.iter().find(|c| c.kind == "Failed") {
            return vec![format!("{of} failed: {}", failed.message)];
        }
        if job.status.is_true("Complete") {
            return Vec::new();
        }
        self.of_workload(&job.meta)
    }

    /// What a component last said that an object waits for.
    pub(super) fn waiting_for(&self, uid: Uid) -> Vec<String> {
        self.waiting.get(&uid).map(|w| format!("waits: {}", w.on)).into_iter().collect()
    }

    /// Why a pod is not ready.
    pub(super) fn of_pod(&self, pod: &Pod) -> Vec<String> {
        let status = &pod.status;
        if status.phase == Phase::Failed && !status.reason.is_empty() {
            return vec![format!("{}: {}", status.reason, status.message)];
        }
        if pod.meta.is_terminating() {
            return vec!["is being deleted".to_owned()];
        }
        if let Some(c) = status.condition(conditions::POD_SCHEDULED)
            && c.status == ConditionStatus::False
        {
            return vec![format!("cannot be placed: {}", c.message)];
        }
        if pod.node.is_none() {
            return self.waiting_for(pod.meta.uid);
        }
        let mut causes: Vec<String> = Vec::new();
        for c in status.init_containers.iter() {
            let done = matches!(&c.state, ContainerState::Terminated(t) if t.exit_code == 0);
            if done || c.ready && c.started == Some(true) {
                continue;
            }
            causes.extend(self.of_container(pod, c, "init container"));
            return causes;
        }
        for c in status.containers.iter().filter(|c| !c.ready) {
            causes.extend(self.of_container(pod, c, "container"));
        }
        if causes.is_empty() {
            causes = self.waiting_for(pod.meta.uid);
        }
        causes
    }

    fn of_container(&self, pod: &Pod, c: &ContainerStatus, what: &str) -> Option<String> {
        let name = &c.name;
        Some(match &c.state {
            ContainerState::Waiting { reason, .. } if reason == "PodInitializing" => return None,
            ContainerState::Waiting { reason, message } => {
                let again = match c.restart_count {
                    0 => String::new(),
                    n => format!(" after {}", count(usize::try_from(n).unwrap_or(0), "restart")),
                };
                let message =
                    if message.is_empty() { String::new() } else { format!(": {message}") };
                format!("{what} {name} waits{again}: {reason}{message}")
            }
            ContainerState::Running { started_at } => {
                let since = duration(self.now.since(*started_at));
                let at =
                    (self.blocked)(pod, name).map(|b| format!(", {}", b.trim_start_matches("1: ")));
                let not_ready = if what == "container" { " but is not ready" } else { "" };
                format!("{what} {name} has run for {since}{not_ready}{}", at.unwrap_or_default())
            }
            ContainerState::Terminated(t) => {
                format!("{what} {name} exited {} ({})", t.exit_code, t.reason)
            }
        })
    }

    /// Whether `owner` manages the pod, directly or through a ReplicaSet.
    fn belongs(&self, pod: &Pod, owner: Uid) -> bool {
        let Some(direct) = pod.meta.controller() else { return false };
        if direct.uid == owner {
            return true;
        }
        let above = self.store.by_uid(direct.uid).and_then(|o| o.meta().controller());
        above.is_some_and(|o| o.uid == owner)
    }
}

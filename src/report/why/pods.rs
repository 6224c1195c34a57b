//! Questions about pods: why they start again, wait, fail, go, or are there at all.

use super::{Answer, Asking, Because, End, script};
use crate::model::{
    ConditionStatus, ContainerState, ContainerStatus, Kind, Object, Phase, Pod, conditions,
};
use crate::report::timeline::{count, duration};
use crate::trace::Change;

/// Reasons of a waiting container that say no more than that it is on its way.
const ON_ITS_WAY: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

impl Asking<'_> {
    /// The answers about a pod.
    pub(super) fn pod(&self, pod: &Pod) -> Vec<Answer> {
        let mut answers = Vec::new();
        let all = pod.status.init_containers.iter().chain(pod.status.containers.iter());
        for status in all.filter(|c| c.restart_count > 0) {
            answers.extend(self.restart(pod, status));
        }
        answers.extend(pod.status.ephemeral_containers.iter().map(|c| self.added(pod, c)));
        let gone = self.past.versions(pod.meta.uid).find(super::past::Version::begins_deletion);
        if let Some(version) = gone {
            let went = self
                .past
                .versions(pod.meta.uid)
                .next_back()
                .is_some_and(|v| v.change == Change::Deleted);
            let what = if went { "went" } else { "is being deleted" };
            let mut because = Vec::new();
            self.deleted(&version, &mut because);
            answers.push(Answer { what: Because::then(version.at, what), because });
            if went {
                return answers;
            }
        }
        match pod.status.phase {
            Phase::Failed => answers.push(self.failed(pod)),
            Phase::Succeeded => answers.push(self.succeeded(pod)),
            Phase::Running if pod.is_ready() => answers.push(self.runs(pod)),
            Phase::Pending | Phase::Running | Phase::Unknown if gone.is_none() => {
                let phase = pod.status.phase;
                let what = if phase == Phase::Pending { "is Pending" } else { "is not ready" };
                let mut because = Vec::new();
                self.waits(pod, &mut because);
                answers.push(Answer { what: Because::plain(what), because });
            }
            Phase::Pending | Phase::Running | Phase::Unknown => {}
        }
        answers
    }

    /// Why there is a container that was added to look at the pod, or how it ended.
    fn added(&self, pod: &Pod, status: &ContainerStatus) -> Answer {
        let name = &status.name;
        let mut because = Vec::new();
        let what = match &status.state {
            ContainerState::Terminated(end) => {
                because = self.end_of(pod, name, end);
                let text = format!("ephemeral container {name} ended");
                return Answer {
                    what: Because { at: end.finished_at, ..Because::plain(text) },
                    because,
                };
            }
            ContainerState::Running { started_at } => {
                Because::then(*started_at, format!("ephemeral container {name} runs"))
            }
            ContainerState::Waiting { reason, message } => {
                if !ON_ITS_WAY.contains(&reason.as_str()) {
                    because.push(Because::plain(format!("{reason}: {message}")));
                }
                Because::plain(format!("ephemeral container {name} waits"))
            }
        };
        let holds = |object: &Object| match object {
            Object::Pod(pod) => {
                pod.spec.ephemeral_containers.iter().any(|e| e.container.name == *name)
            }
            _ => false,
        };
        match self.past.versions(pod.meta.uid).find(|version| holds(version.new)) {
            Some(version) => {
                because.push(Because::then(version.at, "it was added to the pod"));
                self.follow(version.cause, version.at, None, &mut because);
            }
            None => because.append(&mut self.made(pod.meta.uid)),
        }
        Answer { what, because }
    }

    /// Why a container was started again.
    fn restart(&self, pod: &Pod, status: &ContainerStatus) -> Option<Answer> {
        let ended = status.last.as_ref().or(match &status.state {
            ContainerState::Terminated(t) => Some(t),
            ContainerState::Running { .. } | ContainerState::Waiting { .. } => None,
        })?;
        let times = count(usize::try_from(status.restart_count).unwrap_or(0), "restart");
        let (what, at) = match &status.state {
            ContainerState::Running { started_at } => ("was started again", Some(*started_at)),
            ContainerState::Waiting { .. } => ("is to be started again", None),
            ContainerState::Terminated(t) => ("was started again", t.started_at),
        };
        let text = format!("container {} {what} ({times})", status.name);
        let because = self.end_of(pod, &status.name, ended);
        Some(Answer { what: Because { at, ..Because::plain(text) }, because })
    }

    /// Why a pod has failed.
    pub(super) fn failed(&self, pod: &Pod) -> Answer {
        let status = &pod.status;
        let mut because = Vec::new();
        match status.reason.as_str() {
            "DeadlineExceeded" => self.deadline(pod, &mut because),
            "" => {
                let ended = status.init_containers.iter().chain(status.containers.iter());
                let failed = ended.filter_map(|c| match &c.state {
                    ContainerState::Terminated(t) if t.exit_code != 0 => Some((c, t)),
                    _ => None,
                });
                match failed.min_by_key(|(_, t)| t.finished_at) {
                    Some((c, t)) => because = self.end_of(pod, &c.name, t),
                    None => self.disrupted(pod, &mut because),
                }
            }
            "Evicted" => {
                because.push(Because::plain(status.message.trim_end()));
                because.push(self.usage(pod));
            }
            reason => {
                because.push(Because::plain(format!("{reason}: {}", status.message.trim_end())));
                because.append(&mut self.made(pod.meta.uid));
            }
        }
        let at = self.since(pod, Phase::Failed);
        Answer { what: Because { at, ..Because::plain("failed") }, because }
    }

    /// A pod that failed without a container that did: others ended it.
    fn disrupted(&self, pod: &Pod, links: &mut Vec<Because>) {
        if let Some(c) = pod.status.condition("DisruptionTarget") {
            links.push(Because::then(c.since, format!("{}: {}", c.reason, c.message)));
        }
        let gone = self.past.versions(pod.meta.uid).find(super::past::Version::begins_deletion);
        if let Some(version) = gone {
            self.deleted(&version, links);
            return;
        }
        let node = pod.node.as_deref().unwrap_or_default();
        if let Some(Object::Node(node)) =
            self.past.find(Kind::Node, &crate::model::Key::new("", node))
            && self.node_trouble(&node.clone(), self.now, links)
        {
            return;
        }
        links.append(&mut self.made(pod.meta.uid));
    }

    /// What uses the memory or the disk of a pod that was evicted.
    fn usage(&self, pod: &Pod) -> Because {
        let stated = pod.meta.annotations.iter().find(|(k, _)| k.starts_with("wavetank.dev/"));
        match stated {
            Some((key, value)) => {
                let text = format!("its program uses what the annotation {key}: {value:?} states");
                Because::plain(text).ends(End::Assumption)
            }
            None => match pod.spec.containers.iter().find_map(|c| Some((c, script::of(c)?))) {
                Some((c, script)) => {
                    let place = script::exits(script, 0);
                    let text =
                        format!("the script of container {} writes it, up to {place}", c.name);
                    Because::plain(text).ends(End::Script)
                }
                None => {
                    Because::plain("its program uses what was assumed of it").ends(End::Assumption)
                }
            },
        }
    }

    fn succeeded(&self, pod: &Pod) -> Answer {
        let ended = pod.status.containers.iter().filter_map(|c| match &c.state {
            ContainerState::Terminated(t) => Some((c, t)),
            _ => None,
        });
        let because = match ended.max_by_key(|(_, t)| t.finished_at) {
            Some((c, t)) => self.end_of(pod, &c.name, t),
            None => self.made(pod.meta.uid),
        };
        let at = self.since(pod, Phase::Succeeded);
        Answer { what: Because { at, ..Because::plain("succeeded") }, because }
    }

    /// When a pod came to its phase.
    fn since(&self, pod: &Pod, phase: Phase) -> Option<crate::base::time::SimTime> {
        let in_phase = |o: &Object| matches!(o, Object::Pod(p) if p.status.phase == phase);
        let mut versions = self.past.versions(pod.meta.uid);
        versions.find(|v| in_phase(v.new)).map(|v| v.at)
    }

    fn runs(&self, pod: &Pod) -> Answer {
        let mut because = Vec::new();
        let placed = self.past.versions(pod.meta.uid).find(|v| match (v.old, v.new) {
            (old, Object::Pod(p)) => {
                p.node.is_some() && !matches!(old, Some(Object::Pod(o)) if o.node.is_some())
            }
            _ => false,
        });
        if let Some(version) = placed {
            let node = pod.node.as_deref().unwrap_or_default();
            because.push(Because::then(version.at, format!("it was placed on {node}")));
        }
        because.append(&mut self.made(pod.meta.uid));
        Answer { what: Because { at: pod.ready_since(), ..Because::plain("runs") }, because }
    }

    /// What a pod that is not ready waits for.
    pub(super) fn waits(&self, pod: &Pod, links: &mut Vec<Because>) {
        if !pod.spec.scheduling_gates.is_empty() && pod.node.is_none() {
            let gates: Vec<&str> =
                pod.spec.scheduling_gates.iter().map(smol_str::SmolStr::as_str).collect();
            links.push(Because::plain(format!(
                "it waits for somebody to take away its scheduling gates: {}",
                gates.join(", ")
            )));
            links.append(&mut self.made(pod.meta.uid));
            return;
        }
        if let Some(c) = pod.status.condition(conditions::POD_SCHEDULED)
            && c.status == ConditionStatus::False
        {
            links.push(Because::then(c.since, format!("no node can take it: {}", c.message)));
            links.push(Because::plain("it waits for a node that can, or for room on one"));
            links.append(&mut self.made(pod.meta.uid));
            return;
        }
        let Some(node) = &pod.node else {
            match self.past.waiting(pod.meta.uid) {
                Some((at, on)) => links.push(Because::then(at, format!("it waits for {on}"))),
                None => links.push(Because::plain("it waits for the scheduler")),
            }
            links.append(&mut self.made(pod.meta.uid));
            return;
        };
        let down = self.past.find(Kind::Node, &crate::model::Key::new("", node.clone()));
        if let Some(Object::Node(n)) = down
            && n.lease_stopped.is_some()
        {
            let n = n.clone();
            if self.node_trouble(&n, self.now, links) {
                return;
            }
        }
        let all = pod.status.init_containers.iter().map(|c| (c, true));
        let all = all.chain(pod.status.containers.iter().map(|c| (c, false)));
        for (status, init) in all {
            let done = matches!(&status.state, ContainerState::Terminated(t) if t.exit_code == 0);
            let serves = status.ready && (!init || status.started == Some(true));
            if (init && done) || serves {
                continue;
            }
            if self.container(pod, status, init, links) {
                return;
            }
        }
        match self.past.waiting(pod.meta.uid) {
            Some((at, on)) => links.push(Because::then(at, format!("it waits for {on}"))),
            None => links.push(Because::plain("it is being started")),
        }
        links.append(&mut self.made(pod.meta.uid));
    }

    /// Why a container does not get on; whether there is more to be said than that it is on its way.
    fn container(
        &self,
        pod: &Pod,
        status: &ContainerStatus,
        init: bool,
        links: &mut Vec<Because>,
    ) -> bool {
        let what = if init { "init container" } else { "container" };
        let name = &status.name;
        match &status.state {
            ContainerState::Waiting { reason, .. } if ON_ITS_WAY.contains(&reason.as_str()) => {
                self.mounts(pod, links)
            }
            ContainerState::Waiting { reason, message } => {
                links.push(Because::plain(format!("{what} {name} waits: {reason}: {message}")));
                match &status.last {
                    Some(end) if reason == "CrashLoopBackOff" => {
                        links.append(&mut self.end_of(pod, name, end));
                    }
                    _ => links.append(&mut self.made(pod.meta.uid)),
                }
                true
            }
            ContainerState::Terminated(end) => {
                links.append(&mut self.end_of(pod, name, end));
                true
            }
            ContainerState::Running { started_at } => {
                let since = duration(self.now.since(*started_at));
                let text = format!("{what} {name} has run for {since} and is not done");
                let not_ready = format!("{what} {name} has run for {since} and is not ready");
                let text = if init && status.started != Some(false) { text } else { not_ready };
                links.push(Because::then(*started_at, text));
                self.unready(pod, status, init, links);
                true
            }
        }
    }

    /// What keeps a running container from being ready or, of an init container, from its end.
    fn unready(&self, pod: &Pod, status: &ContainerStatus, init: bool, links: &mut Vec<Because>) {
        let Some(spec) = pod.spec.container(&status.name) else { return };
        if spec.startup.is_some() && status.started != Some(true) {
            self.failed_probe(pod, &status.name, "startup", self.now, links);
            return;
        }
        if spec.readiness.is_some() && !init {
            self.failed_probe(pod, &status.name, "readiness", self.now, links);
            return;
        }
        let stands = (self.blocked)(pod, &status.name);
        match stands {
            Some(at) => {
                // Of nested places the innermost is told.
                let place = at.split(';').next().unwrap_or(&at).trim_start_matches("1: ");
                links.push(Because::plain(format!("its script is {place}")).ends(End::Script));
            }
            None => links.append(&mut self.made(pod.meta.uid)),
        }
    }

    /// A volume that cannot be mounted.
    fn mounts(&self, pod: &Pod, links: &mut Vec<Because>) -> bool {
        let said = self.past.events(pod.meta.uid).rfind(|(_, r)| r.reason == "FailedMount");
        let Some((fact, record)) = said else { return false };
        links.push(Because::then(fact.at, record.message.trim_end()));
        links.append(&mut self.made(pod.meta.uid));
        true
    }
}

//! What a pod waits for, in the agent's words: the answer to "why is it not ready".
//!
//! A reason is compared by what it is about, and put into words only when that changes.

use super::body::Body;
use super::runtime::{Nth, Run, container, each, each_init, each_main};
use super::text::go_duration;
use super::worker::{Life, Worker};
use crate::base::Str;
use crate::container::Asked;
use crate::model::{ConditionStatus, Kind, PodStatus, Ref};
use crate::trace::Waiting;

/// What a pod waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Reason {
    /// For nothing.
    #[default]
    Nothing,
    /// For a volume that cannot be mounted.
    Volume(Str),
    /// For an image.
    Image(Nth),
    /// For the next try to start a container, after a failure of this kind.
    Start(Nth, Str),
    /// For an init container to end.
    Init(Nth),
    /// For a startup probe.
    Startup(Nth),
    /// For a readiness probe.
    Readiness(Nth),
    /// For a condition that others set.
    Gate(Str),
    /// For containers to end.
    End(Nth),
}

impl Worker {
    /// Where the program of a container stands, for people; `None` for one that does not run.
    pub(super) fn blocked_on(&self, name: &str) -> Option<String> {
        let (n, _) = each(&self.pod.spec).find(|(_, c)| c.name == name)?;
        self.bodies.get(n.index())?.as_deref().map(Body::blocked_on)
    }

    /// What a container asked of the network, in this run or the last.
    pub(super) fn asked(&self, name: &str) -> &[Asked] {
        let Some((n, _)) = each(&self.pod.spec).find(|(_, c)| c.name == name) else { return &[] };
        let running = self.bodies.get(n.index()).and_then(Option::as_deref).map(Body::asked);
        let last = || self.asked.iter().find(|(of, _)| *of == n).map(|(_, asked)| asked.as_slice());
        running.filter(|asked| !asked.is_empty()).or_else(last).unwrap_or_default()
    }

    /// The ports on which the pod's containers listen.
    pub(super) fn listens_on(&self) -> Vec<u16> {
        self.bodies.iter().flatten().flat_map(|body| body.listens_on()).collect()
    }

    /// What the pod waits for now, if that is news.
    pub(super) fn news_of_waiting(&mut self) -> Option<Waiting> {
        let reason = self.reason();
        if reason == self.waiting {
            return None;
        }
        let on = self.words(&reason);
        self.waiting = reason;
        let object = Ref { kind: Kind::Pod, key: self.pod.meta.key() };
        Some(Waiting { object, uid: self.uid(), on: on.into() })
    }

    fn reason(&self) -> Reason {
        match self.life {
            Life::Rejected | Life::Terminated | Life::Finished => return Reason::Nothing,
            Life::Terminating => {
                let running = super::runtime::each(self.spec())
                    .find(|(n, _)| self.actual.current(*n).is_some_and(Run::is_running));
                return running.map_or(Reason::Nothing, |(n, _)| Reason::End(n));
            }
            Life::Syncing => {}
        }
        if let Some(volume) = self.mounts.first_failing() {
            return Reason::Volume(volume.clone());
        }
        if let Some(n) = self.pulling() {
            return Reason::Image(n);
        }
        if let Some(f) = self.failures.first() {
            return Reason::Start(f.container, f.reason.clone());
        }
        let status = self.reports.current(&self.pod);
        self.unready(status)
    }

    /// What keeps a pod from being ready whose containers start without failure.
    fn unready(&self, status: &PodStatus) -> Reason {
        let spec = self.spec();
        let runs = |n: Nth| self.seen.current(n).is_some_and(Run::is_running);
        if let Some((n, _)) = each_init(spec).find(|(n, c)| !c.is_sidecar() && runs(*n)) {
            return Reason::Init(n);
        }
        let sidecars = each_init(spec).filter(|(_, c)| c.is_sidecar());
        for (n, c) in sidecars.chain(each_main(spec)).filter(|(n, _)| runs(*n)) {
            let Some(of) = status.container(&c.name) else { continue };
            if c.startup.is_some() && of.started != Some(true) {
                return Reason::Startup(n);
            }
            if c.readiness.is_some() && !of.ready {
                return Reason::Readiness(n);
            }
        }
        let closed = spec.readiness_gates.iter().find(|gate| {
            self.pod.status.condition(gate).is_none_or(|c| c.status != ConditionStatus::True)
        });
        closed.map_or(Reason::Nothing, |gate| Reason::Gate(gate.clone()))
    }

    fn words(&self, reason: &Reason) -> String {
        let name = |n: Nth| container(self.spec(), n).map(|c| c.name.as_str()).unwrap_or_default();
        match reason {
            Reason::Nothing => String::new(),
            Reason::Volume(volume) => {
                format!("volume {volume} to be mounted{}", self.mounts.why_failing())
            }
            Reason::Image(n) => {
                let image = container(self.spec(), *n).map(|c| c.image.as_str());
                format!("image {} to be pulled", image.unwrap_or_default())
            }
            Reason::Start(n, why) => {
                let failure = self.failures.iter().find(|f| f.container == *n);
                let text = failure.map(|f| f.message.as_str()).unwrap_or_default();
                format!("container {} to start: {why}: {text}", name(*n))
            }
            Reason::Init(n) => {
                format!(
                    "init container {} to end: {}",
                    name(*n),
                    self.blocked_on(name(*n)).unwrap_or_default()
                )
            }
            Reason::Startup(n) => format!("the startup probe of container {}", name(*n)),
            Reason::Readiness(n) => format!("the readiness probe of container {}", name(*n)),
            Reason::Gate(gate) => format!("condition {gate} to be true"),
            Reason::End(n) => {
                let grace = go_duration(std::time::Duration::from_secs(self.grace));
                format!("container {} to end within its grace of {grace}", name(*n))
            }
        }
    }
}

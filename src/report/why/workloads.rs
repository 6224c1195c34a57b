//! Questions about Jobs, other workloads, and whatever else there is.

use std::time::Duration;

use super::past::Version;
use super::{Answer, Asking, Because, End};
use crate::model::{ConditionStatus, Job, Object, Pod, Uid};
use crate::report::timeline::{duration, name};
use crate::trace::Change;

impl Asking<'_> {
    /// The answers about a Job.
    pub(super) fn job(&self, job: &Job, object: &Object) -> Vec<Answer> {
        if let Some(gone) = self.gone_object(object) {
            return vec![gone];
        }
        let holds = |kind: &str| {
            job.status
                .conditions
                .iter()
                .find(|c| c.kind == kind && c.status == ConditionStatus::True)
        };
        if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
            let text = format!("{}: {}", failed.reason, failed.message);
            let mut because = vec![Because::then(failed.since, text)];
            if failed.reason == "DeadlineExceeded" {
                let deadline = job.spec.active_deadline.map(duration).unwrap_or_default();
                let text =
                    format!("its activeDeadlineSeconds were over, {deadline} after its start");
                because.push(Because::plain(text).ends(End::Timer));
            } else {
                self.failed_pods(job.meta.uid, &mut because);
            }
            return vec![Answer { what: Because::then(failed.since, "failed"), because }];
        }
        if let Some(done) = holds("Complete") {
            let because = self.made(job.meta.uid);
            return vec![Answer { what: Because::then(done.since, "is complete"), because }];
        }
        if job.spec.suspend {
            let mut because = vec![Because::plain("spec.suspend is true")];
            self.last_change(object, &mut because);
            return vec![Answer { what: Because::plain("does nothing"), because }];
        }
        vec![self.on_its_way(object)]
    }

    /// The failed pods of a Job: how many, and why the last of them failed.
    fn failed_pods(&self, job: Uid, links: &mut Vec<Because>) {
        let pods = self.pods_of(job);
        let failed = pods.iter().copied().filter(|p| failed(p));
        match failed.clone().max_by_key(|p| (self.failed(p).what.at, p.meta.name.clone())) {
            Some(pod) => {
                let number = failed.count();
                let last = self.failed(pod);
                let name = format!("pod/{}", pod.meta.name);
                let text = match number {
                    1 => format!("{name} failed"),
                    n => format!("{n} of its pods failed, {name} last"),
                };
                links.push(Because { at: last.what.at, ..Because::plain(text) });
                links.extend(last.because);
            }
            None => links.append(&mut self.made(job)),
        }
    }

    /// The pods of a workload, gone ones included, directly or through what it owns.
    fn pods_of(&self, owner: Uid) -> Vec<&Pod> {
        let of = |uid: Option<Uid>| uid == Some(owner);
        let belongs = |pod: &&Pod| {
            let direct = pod.meta.controller().map(|o| o.uid);
            let above = || {
                let object = self.past.last(direct?)?;
                object.meta().controller().map(|o| o.uid)
            };
            of(direct) || of(above())
        };
        let pods = self.past.all(crate::model::Kind::Pod);
        pods.filter_map(|o| if let Object::Pod(p) = o { Some(&**p) } else { None })
            .filter(belongs)
            .collect()
    }

    /// The answers about anything else.
    pub(super) fn workload(&self, object: &Object) -> Vec<Answer> {
        match self.gone_object(object) {
            Some(gone) => vec![gone],
            None => vec![self.on_its_way(object)],
        }
    }

    /// Why an object is going or gone.
    fn gone_object(&self, object: &Object) -> Option<Answer> {
        let uid = object.meta().uid;
        let version = self.past.versions(uid).find(Version::begins_deletion)?;
        let went = self.past.versions(uid).next_back().is_some_and(|v| v.change == Change::Deleted);
        let mut because = Vec::new();
        if let Object::Job(job) = object
            && let Some(ttl) = self.lived_out(job, &version)
        {
            because.push(ttl);
        } else {
            self.deleted(&version, &mut because);
        }
        let what = if went { "went" } else { "is being deleted" };
        let waits = self.past.waiting(uid).filter(|_| !went);
        if let Some((at, on)) = waits {
            because.insert(0, Because::then(at, format!("it waits for {on}")));
        }
        Some(Answer { what: Because::then(version.at, what), because })
    }

    /// A Job whose time to live was over.
    fn lived_out(&self, job: &Job, version: &Version<'_>) -> Option<Because> {
        let ttl = job.spec.ttl?;
        let ended = job.status.conditions.iter().find(|c| {
            matches!(c.kind.as_str(), "Complete" | "Failed") && c.status == ConditionStatus::True
        })?;
        let due = ended.since + ttl;
        let near = version.at >= due && version.at.since(due) < Duration::from_secs(5);
        let text = format!(
            "its ttlSecondsAfterFinished were over, {} after it became {}",
            duration(ttl),
            ended.kind
        );
        near.then(|| Because::then(due, text).ends(End::Timer))
    }

    /// Why an object is as it is: what it waits for, which of its pods are not ready, who made it.
    fn on_its_way(&self, object: &Object) -> Answer {
        let uid = object.meta().uid;
        let pods = self.pods_of(uid);
        let wanting = |p: &&Pod| {
            self.past.versions(p.meta.uid).next_back().is_some_and(|v| v.change != Change::Deleted)
                && !p.is_ready()
                && !p.is_terminal()
        };
        let mut unready: Vec<&Pod> = pods.iter().copied().filter(wanting).collect();
        unready.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        let mut because = Vec::new();
        if let Some(pod) = unready.first() {
            let text = format!(
                "{} is not ready",
                name(&crate::model::Ref { kind: crate::model::Kind::Pod, key: pod.meta.key() })
            );
            because.push(Because::plain(text));
            self.waits(pod, &mut because);
            return Answer { what: Because::plain("is not as it should be"), because };
        }
        if let Some((at, on)) = self.past.waiting(uid) {
            because.push(Because::then(at, format!("it waits for {on}")));
            self.last_change(object, &mut because);
            return Answer { what: Because::plain("waits"), because };
        }
        because.append(&mut self.made(uid));
        Answer { what: Because::then(object.meta().created, "is there"), because }
    }

    /// The last change of an object that somebody decided, and who.
    fn last_change(&self, object: &Object, links: &mut Vec<Because>) {
        let decided =
            |v: &Version<'_>| v.change == Change::Added || super::origin::told(v).is_some();
        let found = self.past.versions(object.meta().uid).rfind(decided);
        match found {
            Some(version) if version.change != Change::Added => {
                links.extend(super::origin::told(&version).map(|t| Because::then(version.at, t)));
                self.follow(version.cause, version.at, None, links);
            }
            _ => links.append(&mut self.made(object.meta().uid)),
        }
    }
}

fn failed(pod: &Pod) -> bool {
    pod.status.phase == crate::model::Phase::Failed
}

//! Where an object comes from and why it went: the causes of facts, back to a step, a time or a fault.

use super::past::Version;
use super::{Asking, Because, End, MAX_LINKS};
use crate::base::time::SimTime;
use crate::model::{ConditionStatus, Kind, Node, Object, Uid};
use crate::report::timeline::name;
use crate::trace::{Change, FactId, FactKind};

impl Asking<'_> {
    /// Why an object is there: who made it, and why.
    pub(super) fn made(&self, uid: Uid) -> Vec<Because> {
        let Some(first) = self.past.versions(uid).next() else {
            return vec![
                Because::plain("it was there when the cluster began").ends(End::Beginning),
            ];
        };
        let mut links = Vec::new();
        self.maker(&first, &mut links);
        links
    }

    /// Adds who made the object of a first version, and goes on from there.
    fn maker(&self, first: &Version<'_>, links: &mut Vec<Because>) {
        let meta = first.new.meta();
        let Some(owner) = meta.controller() else {
            self.step(first.at, "it was made by", links);
            return;
        };
        let words = format!("{}/{}", owner.kind.to_lowercase(), owner.name);
        if owner.kind == "CronJob" {
            let text = format!("{words} makes a Job whenever its schedule comes round");
            links.push(Because::then(first.at, text).ends(End::Timer));
            return;
        }
        links.push(Because::then(first.at, format!("{words} made it")));
        if links.len() < MAX_LINKS {
            self.follow(first.cause, first.at, Some(owner.uid), links);
        }
    }

    /// Follows the causes of facts from `cause` on. Where they run out, the object that was last told of
    /// (`about`) is asked where it comes from.
    pub(super) fn follow(
        &self,
        mut cause: FactId,
        at: SimTime,
        mut about: Option<Uid>,
        links: &mut Vec<Because>,
    ) {
        let mut at = at;
        // Causes are older than what they cause, so that the chain ends; it is bounded all the same.
        for _ in 0..MAX_LINKS * 8 {
            if links.len() >= MAX_LINKS {
                break;
            }
            let Some(fact) = self.past.fact(cause) else { break };
            at = fact.at;
            if let FactKind::StepBegun { .. } = fact.kind {
                self.step(at, "of", links);
                return;
            }
            if let Some(version) = Version::of(fact) {
                about = Some(version.new.meta().uid);
                if let Object::Node(node) = version.new
                    && self.node_trouble(node, at, links)
                {
                    return;
                }
                if let Some(told) = told(&version) {
                    tell(at, told, links);
                    if version.change == Change::Added {
                        let mut more = Vec::new();
                        self.maker(&version, &mut more);
                        links.extend(more);
                        return;
                    }
                }
            }
            cause = fact.cause;
        }
        match about {
            Some(uid) => self.changed_by(uid, at, links),
            None => self.step(at, "of", links),
        }
    }

    /// What last changed an object's spec by that time: a step, or its maker.
    fn changed_by(&self, uid: Uid, by: SimTime, links: &mut Vec<Because>) {
        let Some(object) = self.past.last(uid) else {
            self.step(by, "of", links);
            return;
        };
        let asked = |v: &Version<'_>| {
            v.at <= by
                && (v.change == Change::Added || told(v).is_some() && v.cause == FactId::NONE)
        };
        let found = self.past.versions(uid).rfind(asked);
        match found {
            Some(version) if version.change == Change::Added => {
                self.maker(&version, links);
            }
            Some(version) if object.meta().controller().is_none() || version.begins_deletion() => {
                if let Some(text) = told(&version) {
                    tell(version.at, text, links);
                }
                self.step(version.at, "of", links);
            }
            _ => {
                let mut more = self.made(uid);
                links.append(&mut more);
            }
        }
    }

    /// Adds the step under way at a time.
    pub(super) fn step(&self, at: SimTime, before: &str, links: &mut Vec<Because>) {
        links.push(match self.past.step_at(at) {
            Some((number, step)) => {
                let fault = matches!(step.action, "stop-node" | "start-node");
                let end = if fault { End::Fault } else { End::Step };
                Because::then(step.began, format!("{before} {}", step.words(number))).ends(end)
            }
            None => Because::plain("it was there when the cluster began").ends(End::Beginning),
        });
    }

    /// Why the deletion of an object was asked for.
    pub(super) fn deleted(&self, version: &Version<'_>, links: &mut Vec<Because>) {
        let object = version.new;
        let uid = object.meta().uid;
        let near =
            |at: SimTime| version.at.since(at).as_secs() < 2 && at.since(version.at).as_secs() < 2;
        let said = self.past.events(uid).rfind(|(f, r)| {
            near(f.at)
                && matches!(r.reason.as_str(), "TaintManagerEviction" | "Preempted" | "Evicted")
        });
        if let Some((fact, record)) = said {
            links.push(Because::then(fact.at, format!("{}: {}", record.component, record.message)));
        }
        if let Object::Pod(pod) = object
            && let Some((_, record)) = said
            && record.reason == "TaintManagerEviction"
            && let Some(node) = &pod.node
            && let Some(Object::Node(node)) =
                self.past.find(Kind::Node, &crate::model::Key::new("", node.clone()))
        {
            let node = node.clone();
            if self.node_trouble(&node, version.at, links) {
                return;
            }
        }
        self.follow(version.cause, version.at, None, links);
    }

    /// What befell a node by that time: adds it and its end, if anything did.
    pub(super) fn node_trouble(&self, node: &Node, by: SimTime, links: &mut Vec<Because>) -> bool {
        let name = node.meta.name.as_str();
        let unready = |o: &Object| match o {
            Object::Node(n) => {
                n.conditions.iter().any(|c| c.kind == "Ready" && c.status != ConditionStatus::True)
            }
            _ => false,
        };
        let turned = self
            .past
            .versions(node.meta.uid)
            .rfind(|v| v.at <= by && unready(v.new) && !v.old.is_some_and(unready));
        let stopped = self.past.step_about("stop-node", name, by);
        match (turned, stopped) {
            (Some(version), Some((number, step))) => {
                links
                    .push(Because::then(version.at, format!("node/{name} was no longer heard of")));
                let text = format!("it stopped: {}", step.words(number));
                links.push(Because::then(step.began, text).ends(End::Fault));
                true
            }
            (None, Some((number, step))) => {
                let text = format!("node/{name} stopped: {}", step.words(number));
                links.push(Because::then(step.began, text).ends(End::Fault));
                true
            }
            _ => false,
        }
    }
}

/// Adds a link, unless it says what the last one says.
fn tell(at: SimTime, text: String, links: &mut Vec<Because>) {
    if links.last().is_none_or(|l| l.text != text) {
        links.push(Because::then(at, text));
    }
}

/// What a version changed that somebody decided, in words; `None` for mere status.
pub(super) fn told(version: &Version<'_>) -> Option<String> {
    let object = version.new;
    let words = name(&object.reference());
    match (version.change, version.old) {
        (Change::Added, _) => return Some(format!("{words} was made")),
        (Change::Deleted, _) => return Some(format!("{words} went")),
        (Change::Modified, None) => return None,
        (Change::Modified, Some(_)) => {}
    }
    let old = version.old?;
    if version.begins_deletion() {
        return Some(format!("the deletion of {words} was asked for"));
    }
    if let (Some(before), Some(now)) = (replicas(old), replicas(object))
        && before != now
    {
        return Some(format!("{words} was scaled from {before} to {now}"));
    }
    match (old, object) {
        (Object::Job(a), Object::Job(b)) if a.spec.suspend != b.spec.suspend => {
            let what = if b.spec.suspend { "suspended" } else { "resumed" };
            Some(format!("{words} was {what}"))
        }
        (Object::Job(a), Object::Job(b)) if a.spec.parallelism != b.spec.parallelism => {
            Some(format!("the parallelism of {words} was changed"))
        }
        (Object::Job(a), Object::Job(b)) => {
            let new = b
                .status
                .conditions
                .iter()
                .find(|c| c.status == ConditionStatus::True && !a.status.is_true(&c.kind))?;
            Some(format!("{words} became {}: {}", new.kind, new.message))
        }
        (Object::Node(a), Object::Node(b)) if a.unschedulable != b.unschedulable => {
            let what = if b.unschedulable { "cordoned" } else { "uncordoned" };
            Some(format!("{words} was {what}"))
        }
        (Object::Node(a), Object::Node(b)) if a.taints != b.taints => {
            let new: Vec<&str> = b
                .taints
                .iter()
                .filter(|t| !a.taints.iter().any(|o| o.key == t.key && o.effect == t.effect))
                .map(|t| t.key.as_str())
                .collect();
            Some(match new.is_empty() {
                true => format!("{words} lost a taint"),
                false => format!("{words} was tainted {}", new.join(", ")),
            })
        }
        (Object::Pod(a), Object::Pod(b)) => pod_change(a, b).map(|what| format!("{words} {what}")),
        _ if old.meta().generation != object.meta().generation => {
            Some(format!("{words} was changed"))
        }
        _ => None,
    }
}

/// What became of a pod that others act upon.
fn pod_change(old: &crate::model::Pod, new: &crate::model::Pod) -> Option<String> {
    if !old.is_terminal() && new.is_terminal() {
        let why = new.status.reason.as_str();
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        return Some(format!("became {}{why}", new.status.phase.as_str()));
    }
    if old.node.is_none()
        && let Some(node) = &new.node
    {
        return Some(format!("was placed on {node}"));
    }
    match (old.is_ready(), new.is_ready()) {
        (false, true) => Some("became ready".to_owned()),
        (true, false) => Some("was no longer ready".to_owned()),
        _ => None,
    }
}

/// How many pods an object asks for.
fn replicas(object: &Object) -> Option<i32> {
    Some(match object {
        Object::Deployment(d) => d.spec.wire.replicas.unwrap_or(1),
        Object::ReplicaSet(r) => r.spec.wire.replicas.unwrap_or(1),
        Object::ReplicationController(r) => r.spec.wire.replicas.unwrap_or(1),
        Object::StatefulSet(s) => s.spec.wire.replicas.unwrap_or(1),
        _ => return None,
    })
}

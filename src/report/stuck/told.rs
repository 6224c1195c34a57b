//! What a run tells that is needed in the end to know why something is stuck.
//!
//! Statuses tell most; besides them the last warnings about an object, the last lines of a container and
//! the steps that were refused are kept, so many of each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Uid;
use crate::trace::{Change, EventRecord, EventType, Fact, FactKind, Output, StepDone, Waiting};

/// So many warnings of one object are kept.
const WARNINGS: usize = 6;
/// So many lines of one container are kept.
const LINES: usize = 6;

/// What was told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    warnings: BTreeMap<Uid, VecDeque<(SimTime, Arc<EventRecord>)>>,
    lines: BTreeMap<(Uid, Str), VecDeque<Arc<Output>>>,
    waiting: BTreeMap<Uid, Waiting>,
    refused: Vec<Arc<StepDone>>,
}

impl Told {
    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        match &fact.kind {
            FactKind::Event { record, .. }
                if record.event_type == EventType::Warning || record.reason == "Killing" =>
            {
                let of = self.warnings.entry(record.regarding.uid).or_default();
                of.retain(|(_, r)| r.reason != record.reason || r.message != record.message);
                of.push_back((fact.at, record.clone()));
                if of.len() > WARNINGS {
                    of.pop_front();
                }
            }
            FactKind::Output(line) => {
                let of = self.lines.entry((line.uid, line.container.clone())).or_default();
                of.push_back(line.clone());
                if of.len() > LINES {
                    of.pop_front();
                }
            }
            FactKind::Waiting(w) if w.on.is_empty() => drop(self.waiting.remove(&w.uid)),
            FactKind::Waiting(w) => drop(self.waiting.insert(w.uid, Waiting::clone(w))),
            FactKind::Step(done) if done.exit_code != 0 => self.refused.push(done.clone()),
            FactKind::Object { change: Change::Deleted, object, .. } => {
                self.forget(object.meta().uid);
            }
            FactKind::Event { .. }
            | FactKind::Object { .. }
            | FactKind::Step(_)
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
        }
    }

    /// An object is gone, and will not be stuck: a year of schedules leaves nothing behind but what still stands.
    fn forget(&mut self, uid: Uid) {
        self.warnings.remove(&uid);
        self.waiting.remove(&uid);
        let containers = self.lines.range((uid, Str::default())..);
        let containers: Vec<_> =
            containers.map(|(of, _)| of.clone()).take_while(|(pod, _)| *pod == uid).collect();
        for container in containers {
            self.lines.remove(&container);
        }
    }

    /// The warnings about an object, the latest first.
    pub(super) fn warnings(&self, uid: Uid) -> impl Iterator<Item = &EventRecord> {
        self.warnings.get(&uid).into_iter().flatten().rev().map(|(_, r)| &**r)
    }

    /// The last lines of a container, the latest first.
    pub(super) fn lines(&self, pod: Uid, container: &str) -> impl Iterator<Item = &str> {
        let of = self.lines.get(&(pod, container.into()));
        of.into_iter().flatten().rev().map(|line| line.text.as_str())
    }

    /// What components last said that objects wait for.
    pub fn waiting(&self) -> &BTreeMap<Uid, Waiting> {
        &self.waiting
    }

    /// What a component last said that an object waits for.
    pub fn waits_for(&self, uid: Uid) -> Option<&str> {
        self.waiting.get(&uid).map(|w| w.on.as_str())
    }

    /// Why the last drain of a node failed, if one did.
    pub fn drain_refused(&self, node: &str) -> Option<String> {
        let of_node = |s: &&Arc<StepDone>| {
            let words: Vec<&str> = s.arg.split_whitespace().collect();
            words.contains(&"drain") && words.contains(&node)
        };
        let done = self.refused.iter().rev().find(of_node)?;
        let said = done.stderr.lines().find(|l| l.contains("error")).unwrap_or_default();
        Some(format!("drain failed: {}", said.trim_start_matches("error: ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Inert, Kind, Meta, Ref};
    use crate::trace::{FactId, OutputStream};

    fn fact(kind: FactKind) -> Fact {
        Fact { id: FactId(1), at: SimTime::from_secs(1), cause: FactId::NONE, kind }
    }

    #[test]
    fn nothing_is_kept_of_what_is_gone() {
        let mut told = Told::default();
        for bits in [1, 2] {
            let (uid, pod) = (Uid::from_random(bits), Ref::new(Kind::Pod, "default", "web"));
            for container in ["a", "b"] {
                told.observe(&fact(FactKind::Output(Arc::new(Output {
                    pod: pod.clone(),
                    uid,
                    container: container.into(),
                    attempt: 0,
                    run: 1,
                    stream: OutputStream::Stdout,
                    text: "at work".to_owned(),
                }))));
            }
            told.observe(&fact(FactKind::Waiting(Arc::new(Waiting {
                object: pod,
                uid,
                on: "an image".into(),
            }))));
        }
        let mut meta = Meta::named("default", "web");
        meta.uid = Uid::from_random(1);
        let gone =
            Inert { meta, api_version: "v1".into(), kind: "Pod".into(), body: Arc::default() };
        let change = Change::Deleted;
        told.observe(&fact(FactKind::Object { change, object: gone.into(), old: None }));
        assert_eq!((told.lines.len(), told.waiting.len()), (2, 1));
        assert_eq!(told.lines(Uid::from_random(2), "b").count(), 1);
    }
}

//! What a run tells that is needed in the end to know why something is stuck.
//!
//! Statuses tell most; besides them the last warnings about an object, the last lines of a container and
//! the steps that were refused are kept, so many of each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::Uid;
use crate::trace::{EventRecord, EventType, Fact, FactKind, Output, StepDone, Waiting};

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
            FactKind::Event { .. }
            | FactKind::Object { .. }
            | FactKind::Step(_)
            | FactKind::Warned(_)
            | FactKind::StepBegun { .. }
            | FactKind::Assumed(_)
            | FactKind::Unmodelled(_) => {}
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

//! The timeline: what a newcomer sees first. One line for each thing that happened, in plain words.
//!
//! A fold over facts. Changes of objects become lines by comparing each version with the one before
//! ([`pods`], [`workloads`], [`cluster`]); what containers write is shown as it comes, repeated lines
//! folded ([`output`]); warnings are API events. Normal events say what the lines say already and are
//! shown only with [`Detail::Everything`].

mod cluster;
mod output;
mod pods;
mod render;
mod words;
mod workloads;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::base::time::SimTime;
use crate::model::{Kind, Object, Ref, Uid};
use crate::trace::{Change, EventRecord, EventType, Fact, FactKind, StepDone, Waiting};

pub use render::{Style, render};
pub use words::{clock, count, duration};

/// A wait that is over sooner is not shown.
const SHORT_WAIT: Duration = Duration::from_secs(5);

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What a user cares for.
    Usual,
    /// Normal events and inner objects (EndpointSlices, ControllerRevisions) as well.
    Everything,
}

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// A step of the user's.
    Step,
    /// Something new, or on its way.
    Progress,
    /// Something as it should be: ready, complete.
    Good,
    /// Something that waits.
    Waiting,
    /// Something that went wrong.
    Bad,
    /// Something that ends or is gone.
    Ended,
    /// A line of a container's.
    Output,
    /// A line of a container's standard error.
    ErrorOutput,
    /// What is shown only with everything.
    Quiet,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: SimTime,
    /// What it is about, such as `pod/web-0`; empty for the run as a whole.
    pub object: String,
    /// The container, where it is about one.
    pub container: String,
    /// How it is to be taken.
    pub tone: Tone,
    /// What happened.
    pub text: String,
}

/// So many warnings are remembered: what was shown is not shown again. Then all are forgotten at once.
const WARNINGS: usize = 1 << 16;

/// The fold.
#[derive(Clone, Debug)]
pub struct Timeline {
    detail: Detail,
    outputs: output::Outputs,
    /// What objects wait for and have not been said to wait for yet.
    waits: BTreeMap<Uid, (SimTime, Arc<Waiting>)>,
    /// Since when, in that order; those among them that have ended are no longer in `waits`.
    waits_since: VecDeque<(SimTime, Uid)>,
    /// Warnings shown.
    warnings: BTreeSet<(Ref, String)>,
    lines: Vec<Line>,
}

impl Timeline {
    /// An empty timeline.
    pub fn new(detail: Detail) -> Self {
        Self {
            detail,
            outputs: output::Outputs::default(),
            waits: BTreeMap::new(),
            waits_since: VecDeque::new(),
            warnings: BTreeSet::new(),
            lines: Vec::new(),
        }
    }

    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact) {
        self.long_waits(fact.at);
        match &fact.kind {
            FactKind::Object { change, object, old } => {
                self.object(fact.at, *change, object, old.as_ref());
            }
            FactKind::Event { record, count, .. } => self.event(fact.at, record, *count),
            FactKind::Output(output) => self.outputs.observe(fact.at, output, &mut self.lines),
            // Told where the manifest is read, or by the step that sent it.
            FactKind::Warned(_) => {}
            FactKind::StepBegun { action, arg } => self.step_begins(fact.at, action, arg),
            FactKind::Step(step) => self.step_ends(fact.at, step),
            FactKind::Waiting(waiting) if waiting.on.is_empty() => {
                self.waits.remove(&waiting.uid);
            }
            FactKind::Waiting(waiting) => {
                self.waits.insert(waiting.uid, (fact.at, Arc::clone(waiting)));
                self.waits_since.push_back((fact.at, waiting.uid));
            }
            FactKind::Assumed(a) | FactKind::Unmodelled(a) => {
                if self.detail == Detail::Everything {
                    let text = format!("assumed of {}: {}", a.subject, a.text);
                    self.push(fact.at, String::new(), Tone::Quiet, text);
                }
            }
        }
    }

    /// The lines since the last call.
    pub fn take(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// The last lines: what was folded and not yet said.
    pub fn finish(&mut self, at: SimTime) -> Vec<Line> {
        self.outputs.finish(at, &mut self.lines);
        self.take()
    }

    fn object(&mut self, at: SimTime, change: Change, object: &Object, old: Option<&Object>) {
        let inner = matches!(
            object.kind(),
            Kind::EndpointSlice | Kind::Endpoints | Kind::ControllerRevision
        );
        if inner && self.detail < Detail::Everything {
            return;
        }
        let mut said = Vec::new();
        match change {
            Change::Added => said.push(workloads::created(object)),
            Change::Modified => {
                let Some(old) = old else { return };
                if let (Object::Pod(new), Object::Pod(old)) = (object, old) {
                    if old.node != new.node {
                        // It waits for a node no longer.
                        self.waits.remove(&new.meta.uid);
                    }
                    pods::changed(at, old, new, &mut self.lines);
                    return;
                }
                workloads::changed(old, object, &mut said);
                cluster::changed(old, object, &mut said);
            }
            Change::Deleted => {
                self.waits.remove(&object.meta().uid);
                if let Object::Pod(pod) = object {
                    self.outputs.forget(at, pod.meta.uid, &mut self.lines);
                }
                said.push((Tone::Ended, "gone".to_owned()));
            }
        }
        for (tone, text) in said {
            self.push(at, name(&object.reference()), tone, text);
        }
    }

    fn event(&mut self, at: SimTime, record: &EventRecord, count: u32) {
        let about = &record.regarding.object;
        if record.event_type == EventType::Normal {
            if self.detail == Detail::Everything {
                let text = format!("{}: {}", record.reason, record.message);
                self.push(at, name(about), Tone::Quiet, text);
            }
            return;
        }
        if pods::shown_by_status(&record.reason) {
            return;
        }
        let text = format!("{}: {}", record.reason, record.message);
        if self.warnings.len() >= WARNINGS {
            self.warnings.clear();
        }
        let is_new = self.warnings.insert((about.clone(), text.clone()));
        if is_new || self.detail == Detail::Everything {
            let again = if count > 1 { format!(" ({count} times)") } else { String::new() };
            self.push(at, name(about), Tone::Bad, format!("{text}{again}"));
        }
    }

    fn step_begins(&mut self, at: SimTime, action: &str, arg: &str) {
        let line = match action {
            "apply" => format!("kubectl apply -f {arg}"),
            "kubectl" => format!("kubectl {arg}"),
            other => format!("{other} {arg}"),
        };
        self.push(at, String::new(), Tone::Step, line);
    }

    fn step_ends(&mut self, at: SimTime, step: &StepDone) {
        if step.exit_code != 0 {
            for complaint in step.stderr.lines() {
                self.push(at, String::new(), Tone::Bad, complaint.to_owned());
            }
        }
    }

    /// Says what objects wait for once they have waited for a while: most waits are over in no time.
    fn long_waits(&mut self, now: SimTime) {
        let before = now - SHORT_WAIT;
        let mut due: Vec<(SimTime, Arc<Waiting>)> = Vec::new();
        while let Some((since, uid)) = self.waits_since.pop_front_if(|(since, _)| *since <= before)
        {
            if self.waits.get(&uid).is_some_and(|(latest, _)| *latest == since)
                && let Some(wait) = self.waits.remove(&uid)
            {
                due.push(wait);
            }
        }
        due.sort_by_key(|(since, w)| (*since, w.uid));
        for (since, waiting) in due {
            let object = name(&waiting.object);
            self.push(since + SHORT_WAIT, object, Tone::Waiting, format!("waits: {}", waiting.on));
        }
    }

    fn push(&mut self, at: SimTime, object: String, tone: Tone, text: String) {
        self.lines.push(Line { at, object, container: String::new(), tone, text });
    }
}

/// `pod/web-0`, `other/pod/web-0` outside the default namespace.
pub fn name(object: &Ref) -> String {
    let kind = match object.kind {
        Kind::PersistentVolumeClaim => "pvc",
        Kind::PersistentVolume => "pv",
        Kind::HorizontalPodAutoscaler => "hpa",
        Kind::PodDisruptionBudget => "pdb",
        Kind::Inert => return object.key.name.to_ascii_lowercase(),
        kind => &kind.as_str().to_ascii_lowercase(),
    };
    let short = format!("{kind}/{}", object.key.name);
    match object.key.namespace.as_str() {
        "" | "default" => short,
        namespace => format!("{namespace}/{short}"),
    }
}

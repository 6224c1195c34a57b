//! Why: the chain of causes that led to what an object is, in plain words.
//!
//! A run's facts are kept ([`Past`]), each with its cause. A question is what a user would ask on seeing
//! the object: why did this container start again, why is this pod Pending, why did it go, why did this Job
//! fail. An answer is a chain that begins at the object and ends at something nobody in the cluster
//! decided: a step of the user's, a line of a script, a time that came, a fault, or an assumption about a
//! program. Between them it follows the causes of facts, and, where a component decides by what it has
//! measured (probes, leases, limits), the API events in which it said so.
//!
//! What did not happen has no facts: there the component's own reason stands, what it waits for, and where
//! that waiting ends, with what helps ([`crate::report::stuck`]).

mod ends;
mod origin;
mod past;
mod pods;
pub(super) mod script;
mod workloads;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::summary::Found;
use super::timeline::clock;
use crate::base::time::SimTime;
use crate::model::{Object, Pod, Ref};

pub use past::Past;

/// No chain is longer than this.
const MAX_LINKS: usize = 24;

/// What a chain ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A step of the scenario, or a manifest that it applied.
    Step,
    /// A line of a container's script, or its command.
    Script,
    /// A time that came: a deadline, a schedule, a time to live.
    Timer,
    /// A fault of a machine.
    Fault,
    /// What was assumed, or stated, of a program.
    Assumption,
    /// The cluster as it was found.
    Beginning,
}

impl End {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Script => "script",
            Self::Timer => "timer",
            Self::Fault => "fault",
            Self::Assumption => "assumption",
            Self::Beginning => "beginning",
        }
    }
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// When it was; `None` for what has no time, such as a line of a script.
    pub at: Option<SimTime>,
    /// What, for people.
    pub text: String,
    /// What the chain ends at, if it does so here.
    pub end: Option<End>,
}

impl Because {
    fn then(at: SimTime, text: impl Into<String>) -> Self {
        Self { at: Some(at), text: text.into(), end: None }
    }

    fn plain(text: impl Into<String>) -> Self {
        Self { at: None, text: text.into(), end: None }
    }

    fn ends(mut self, end: End) -> Self {
        self.end = Some(end);
        self
    }
}

/// What happened, or does not, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is asked about: `container main started again, for the 3rd time`.
    pub what: Because,
    /// The chain, the nearest cause first.
    pub because: Vec<Because>,
}

impl Answer {
    /// What the chain ends at; `None` where it ends in the middle of nowhere, which is a defect.
    pub fn end(&self) -> Option<End> {
        self.because.iter().find_map(|b| b.end)
    }
}

/// What answers are found with.
pub(super) struct Asking<'a> {
    past: &'a Past,
    now: SimTime,
    /// Tells where a running container's script stands.
    blocked: &'a dyn Fn(&Pod, &str) -> Option<String>,
}

/// The answers about an object as it is, or was last, at `now`.
pub fn why(
    past: &Past,
    object: &Object,
    now: SimTime,
    blocked: &dyn Fn(&Pod, &str) -> Option<String>,
) -> Vec<Answer> {
    let asking = Asking { past, now, blocked };
    let mut answers = match object {
        Object::Pod(pod) => asking.pod(pod),
        Object::Job(job) => asking.job(job, object),
        _ => asking.workload(object),
    };
    for answer in &mut answers {
        // What follows an end is no part of the chain.
        if let Some(end) = answer.because.iter().position(|b| b.end.is_some()) {
            answer.because.truncate(end + 1);
        }
    }
    answers
}

/// Answers as text, with the root causes of what does not happen.
pub fn text(object: &Ref, answers: &[Answer], found: Option<&Found>, start: SimTime) -> String {
    let mut out = String::new();
    let clock = |at: Option<SimTime>| at.map_or(String::new(), |at| clock(at, start));
    for (i, answer) in answers.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{} {}", super::timeline::name(object), answer.what.text);
        for link in &answer.because {
            let _ = writeln!(out, "  {:>10}  because {}", clock(link.at), link.text);
        }
    }
    for line in found.into_iter().flat_map(Found::lines) {
        let _ = writeln!(out, "  {:>10}  {line}", "");
    }
    out
}

/// Answers as JSON, with the root causes of what does not happen.
pub fn to_json(object: &Ref, answers: &[Answer], found: Option<&Found>, start: SimTime) -> Value {
    let link = |b: &Because| {
        json!({"at": b.at.map(|at| at.since(start).as_secs_f64()), "text": b.text,
            "end": b.end.map(End::as_str)})
    };
    let all: Vec<Value> = answers
        .iter()
        .map(|a| {
            let because: Vec<Value> = a.because.iter().map(link).collect();
            json!({"what": a.what.text, "at": a.what.at.map(|at| at.since(start).as_secs_f64()),
                "because": because, "end": a.end().map(End::as_str)})
        })
        .collect();
    let mut json = json!({"object": super::timeline::name(object), "answers": all});
    if let Some(found) = found {
        let found = found.to_json();
        for field in ["rootCauses", "waitsFor", "fix"] {
            json[field] = found[field].clone();
        }
    }
    json
}

//! The cluster of a session, with what is told of it while time passes.

use std::ops::ControlFlow;

use super::super::monitor::Trigger;
use super::super::remedy;
use super::super::runner::{Ended, Plan, Runner, TimedStep};
use super::forks::Fork;
use crate::api::kinds;
use crate::api::suggest;
use crate::base::time::SimTime;
use crate::model::{Key, Kind, Object, Pod};
use crate::report::explain;
use crate::report::summary::Gathered;
use crate::report::timeline::{Detail, Line, Style, Timeline, render};
use crate::report::why::{self, Past};
use crate::store::ApiError;
use crate::trace::{Fact, StepDone};

/// A run, its past, and its timeline as far as it has been told.
#[derive(Debug)]
pub(super) struct Tank {
    pub(super) runner: Runner,
    pub(super) told: Told,
}

#[derive(Debug)]
pub(super) struct Told {
    pub(super) past: Past,
    /// How many facts have been heard.
    pub(super) heard: u64,
    gathered: Gathered,
    timeline: Timeline,
    style: Style,
    text: String,
}

impl Told {
    /// Takes in a fact. Answers whether something is told of it.
    fn observe(&mut self, fact: &Fact) -> bool {
        self.heard += 1;
        self.past.observe(fact);
        self.gathered.observe(fact);
        self.timeline.observe(fact);
        let lines = self.timeline.take();
        self.add(&lines);
        !lines.is_empty()
    }

    /// The same with an empty past, and nothing that waits to be printed.
    pub(super) fn without_past(&self) -> Self {
        Self {
            past: Past::default(),
            heard: self.heard,
            gathered: self.gathered.clone(),
            timeline: self.timeline.clone(),
            style: self.style,
            text: String::new(),
        }
    }

    fn add(&mut self, lines: &[Line]) {
        lines.iter().for_each(|line| self.text.push_str(&render(line, self.style)));
    }

    /// What was told since it was asked last, with what the timeline has held back.
    fn take(&mut self, now: SimTime) -> String {
        let lines = self.timeline.finish(now);
        self.add(&lines);
        std::mem::take(&mut self.text)
    }
}

impl Tank {
    /// The cluster of a plan; of the pod `explained` decisions are kept.
    ///
    /// # Errors
    /// A cluster that cannot be built.
    pub(super) fn new(mut plan: Plan, explained: Option<Key>) -> Result<Self, Box<ApiError>> {
        plan.options.explained = explained;
        let style = Style { colour: false, start: plan.options.start.0 };
        let timeline = Timeline::new(Detail::Usual);
        let (past, gathered) = (Past::default(), Gathered::default());
        let mut told = Told { past, heard: 0, gathered, timeline, style, text: String::new() };
        let mut runner = Runner::new(plan, &mut |fact| told.past.observe(fact))?;
        runner.keep_history();
        Ok(Self { runner, told })
    }

    /// The run as it was when `fork` was made of it or of what it was then, with the past that both have.
    pub(super) fn of_fork(fork: &Fork, past: &Past) -> Self {
        let told = Told { past: past.up_to(fork.facts), ..fork.told.without_past() };
        Self { runner: fork.runner.clone(), told }
    }

    /// Lets time pass. Answers what happened, in lines.
    pub(super) fn pass(&mut self, until: SimTime) -> String {
        self.pass_some(until, u64::MAX);
        self.taken()
    }

    /// Lets time pass, until so many facts have been heard at least. Answers whether there is more to come.
    pub(super) fn pass_some(&mut self, until: SimTime, facts: u64) -> bool {
        let told = &mut self.told;
        let enough = told.heard.saturating_add(facts);
        self.runner.play(until, &mut |fact| {
            told.observe(fact);
            match told.heard >= enough {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }

    /// What was told since it was asked last.
    pub(super) fn taken(&mut self) -> String {
        self.told.take(self.runner.sim().now())
    }

    /// Lets time pass until something is told.
    pub(super) fn step(&mut self) -> String {
        let told = &mut self.told;
        self.runner.play(SimTime::MAX, &mut |fact| match told.observe(fact) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        self.told.take(self.runner.sim().now())
    }

    /// Lets time pass until a condition holds, or until so many facts have been heard at least. Answers whether
    /// it was broken off.
    pub(super) fn until(&mut self, until: SimTime, trigger: &mut Trigger, facts: u64) -> bool {
        let told = &mut self.told;
        let enough = told.heard.saturating_add(facts);
        self.runner.play(until, &mut |fact| {
            told.observe(fact);
            trigger.observe(fact);
            match trigger.due().is_some() || told.heard >= enough {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }

    /// Lets time pass until nothing changes any more.
    pub(super) fn settle(&mut self) -> (String, Ended) {
        let told = &mut self.told;
        let ended = self.runner.settle(&mut |fact| {
            told.observe(fact);
        });
        (self.told.take(self.runner.sim().now()), ended)
    }

    /// Carries out a step.
    pub(super) fn perform(&mut self, step: &TimedStep) -> (String, Option<StepDone>) {
        let told = &mut self.told;
        let done = self.runner.perform(step, &mut |fact| {
            told.observe(fact);
        });
        (self.told.take(self.runner.sim().now()), done)
    }

    /// The chain of causes that led to an object's state.
    pub(super) fn why(&self, target: &str) -> Result<String, String> {
        let (kind, key) = object_key(target)?;
        let past = &self.told.past;
        let Some(object) = past.find(kind, &key) else {
            let names: Vec<String> = past.all(kind).map(|o| o.meta().name.to_string()).collect();
            return Err(unknown(kind.as_str(), &key, names));
        };
        let sim = self.runner.sim();
        let blocked = |pod: &Pod, container: &str| sim.kubelets().blocked_on(pod, container);
        let answers = why::why(past, object, sim.now(), &blocked);
        let found = remedy::of(None, &self.runner, &self.told.gathered, object);
        Ok(why::text(&object.reference(), &answers, found.as_ref(), self.runner.start()))
    }

    /// Why a pod went to its node, or goes nowhere.
    pub(super) fn explain(&self, key: &Key) -> Result<String, String> {
        match self.told.past.find(Kind::Pod, key) {
            Some(Object::Pod(pod)) => {
                let explanation = self.runner.sim().explain(pod);
                Ok(explain::text(&explanation, self.runner.start()))
            }
            _ => {
                let pods = self.told.past.all(Kind::Pod);
                Err(unknown("pod", key, pods.map(|o| o.meta().name.to_string()).collect()))
            }
        }
    }
}

/// Says that there was no such object, and which is near.
fn unknown(kind: &str, key: &Key, mut names: Vec<String>) -> String {
    const SHOWN: usize = 8;
    let kind = kind.to_lowercase();
    names.sort();
    names.dedup();
    let near = suggest::nearest(&key.name, names.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean {kind}/{near}?"),
        None if names.is_empty() => format!("there was no {kind} at all"),
        None => format!(
            "there were {}",
            names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    format!("there was no {kind} {:?} in namespace {:?}\n  hint: {hint}", key.name, key.namespace)
}

/// `KIND/NAME [-n NAMESPACE]` as the words say it.
fn object_key(target: &str) -> Result<(Kind, Key), String> {
    let words: Vec<&str> = target.split_whitespace().collect();
    let (named, namespace) = match words.as_slice() {
        [named] => (*named, super::NAMESPACE),
        [named, "-n" | "--namespace", namespace] => (*named, *namespace),
        _ => return Err("an object is named as in pod/web-0, or pod/web-0 -n shop".to_owned()),
    };
    let (of, name) = named.split_once('/').unwrap_or(("pod", named));
    let info = kinds::resolve(of).map_err(|e| e.to_string())?;
    let namespace = if info.model().namespaced() { namespace } else { "" };
    Ok((info.model(), Key::new(namespace, name)))
}

/// The pod that the words name.
pub(super) fn pod_key(target: &str) -> Result<Key, String> {
    match object_key(target)? {
        (Kind::Pod, key) => Ok(key),
        (kind, _) => Err(format!(
            "a {} is not scheduled, pods are\n  hint: explain one of its pods, as in `explain pod/web-0`",
            kind.as_str()
        )),
    }
}

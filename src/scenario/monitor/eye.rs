//! An eye on a condition: it hears every fact, and knows whether the condition holds.
//!
//! Whatever is asked of an object is asked when that object changes and not else; what it came to is kept
//! and counted. The cost of a run's eyes is that of the changes they are concerned with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cel;
use super::condition::{Choice, Condition, EventPattern, ExitPattern, Objects, Wanted};
use super::partial;
use crate::api::convert;
use crate::base::Str;
use crate::model::{ContainerState, ContainerStatus, Kind, Object, Pod, Uid};
use crate::trace::{Change, EventRecord, Fact, FactId, FactKind, Output, StepDone};

/// So many objects that do not have what they should are told of.
const TOLD: usize = 3;

/// A fact, and its object as a document once somebody wants it.
pub(super) struct Seen<'f> {
    pub(super) fact: &'f Fact,
    wire: std::cell::OnceCell<Value>,
}

impl<'f> Seen<'f> {
    pub(super) fn new(fact: &'f Fact) -> Self {
        Self { fact, wire: std::cell::OnceCell::new() }
    }

    fn wire(&self, object: &Object) -> &Value {
        self.wire.get_or_init(|| convert::to_wire(object).to_value())
    }
}

/// A condition's eye.
#[derive(Clone, Debug)]
pub(super) struct Eye {
    state: State,
    /// The latest fact that it was concerned with.
    pub(super) last: FactId,
}

#[derive(Clone, Debug)]
enum State {
    /// Chosen objects, each with whether it has the part, and how many do.
    Objects { chosen: BTreeMap<Uid, (Object, bool)>, having: i64, error: Option<String> },
    /// The objects of kinds as values, and what the expression came to.
    Cel { objects: BTreeMap<Kind, BTreeMap<Uid, ::cel::Value>>, holds: Result<bool, String> },
    /// How often it has happened.
    Happened { times: u64, runs: BTreeSet<(Uid, u64)>, near: Option<String> },
    /// Eyes on others.
    Several(Vec<Eye>),
}

impl Eye {
    pub(super) fn on(condition: &Condition) -> Self {
        let state = match condition {
            Condition::Objects(_) => {
                State::Objects { chosen: BTreeMap::new(), having: 0, error: None }
            }
            Condition::Cel(expression) => State::Cel {
                objects: expression.kinds().iter().map(|k| (*k, BTreeMap::new())).collect(),
                holds: Ok(false),
            },
            Condition::Event(_) | Condition::Log(_) | Condition::Exit(_) | Condition::Step(_) => {
                State::Happened { times: 0, runs: BTreeSet::new(), near: None }
            }
            Condition::All(several) | Condition::Any(several) => {
                State::Several(several.iter().map(Self::on).collect())
            }
            Condition::Not(one) => State::Several(vec![Self::on(one)]),
        };
        let mut eye = Self { state, last: FactId::NONE };
        eye.compute(condition);
        eye
    }

    /// Whether it holds: what happens holds from the first time on.
    pub(super) fn holds(&self, condition: &Condition) -> bool {
        match (&self.state, condition) {
            (State::Objects { chosen, having, .. }, Condition::Objects(objects)) => {
                match objects.wanted {
                    Wanted::Count(count) => count.holds(*having),
                    Wanted::Every => *having == i64::try_from(chosen.len()).unwrap_or(i64::MAX),
                }
            }
            (State::Cel { holds, .. }, _) => *holds == Ok(true),
            (State::Happened { times, .. }, _) => *times > 0,
            (State::Several(eyes), Condition::Any(_)) => pairs(eyes, condition).any(each_holds),
            (State::Several(eyes), Condition::Not(_)) => !pairs(eyes, condition).all(each_holds),
            (State::Several(eyes), _) => pairs(eyes, condition).all(each_holds),
            (State::Objects { .. }, _) => false,
        }
    }

    /// How often it has happened; `None` for what holds or not.
    pub(super) fn times(&self) -> Option<u64> {
        match &self.state {
            State::Happened { times, .. } => Some(*times),
            State::Objects { .. } | State::Cel { .. } | State::Several(_) => None,
        }
    }

    /// What happened before counts no more.
    pub(super) fn forget(&mut self) {
        match &mut self.state {
            State::Happened { times, .. } => *times = 0,
            State::Several(eyes) => eyes.iter_mut().for_each(Self::forget),
            State::Objects { .. } | State::Cel { .. } => {}
        }
    }

    /// Takes in a fact. Answers whether it is concerned with it.
    pub(super) fn observe(&mut self, condition: &Condition, seen: &Seen<'_>) -> bool {
        let concerned = match (&mut self.state, condition) {
            (State::Several(eyes), _) => {
                let both = eyes.iter_mut().zip(below(condition));
                both.fold(false, |any, (eye, of)| eye.observe(of, seen) | any)
            }
            (State::Objects { chosen, having, error }, Condition::Objects(objects)) => {
                let FactKind::Object { object, change, .. } = &seen.fact.kind else { return false };
                look(objects, object, *change, seen, (chosen, having, error))
            }
            (State::Cel { objects, .. }, _) => {
                let FactKind::Object { object, change, .. } = &seen.fact.kind else { return false };
                let Some(of_kind) = objects.get_mut(&object.kind()) else { return false };
                let uid = object.meta().uid;
                if *change == Change::Deleted {
                    of_kind.remove(&uid);
                } else {
                    of_kind.insert(uid, cel::value(seen.wire(object)));
                }
                true
            }
            (State::Happened { times, runs, near }, condition) => {
                if let Some(came) = what_came(condition, seen.fact) {
                    *near = Some(came);
                }
                let happened = happenings(condition, seen.fact, runs);
                *times += happened;
                happened > 0
            }
            (State::Objects { .. }, _) => false,
        };
        if concerned {
            self.last = seen.fact.id;
            self.compute(condition);
        }
        concerned
    }

    /// Computes an expression over the cluster anew.
    fn compute(&mut self, condition: &Condition) {
        if let (State::Cel { objects, holds }, Condition::Cel(expression)) =
            (&mut self.state, condition)
        {
            let lists =
                objects.iter().map(|(kind, all)| (kind.plural(), cel::list(all.values().cloned())));
            *holds = expression.holds_with(lists);
        }
    }

    /// The objects that it is about and that keep it from holding, or all if it holds.
    pub(super) fn objects<'a>(&'a self, condition: &'a Condition) -> Vec<&'a Object> {
        match &self.state {
            State::Objects { chosen, .. } => {
                let holds = self.holds(condition);
                let all = chosen.values().filter(|(_, has)| *has == holds);
                all.take(TOLD).map(|(object, _)| object).collect()
            }
            State::Several(eyes) => {
                pairs(eyes, condition).flat_map(|(eye, of)| eye.objects(of)).take(TOLD).collect()
            }
            State::Cel { .. } | State::Happened { .. } => Vec::new(),
        }
    }

    /// Why it holds or does not, in lines.
    pub(super) fn explain(&self, condition: &Condition) -> Vec<String> {
        match (&self.state, condition) {
            (State::Objects { chosen, having, error }, Condition::Objects(objects)) => {
                let mut lines = Vec::new();
                let choice = &objects.choice;
                match chosen.len() {
                    0 => lines.push(format!("there is no {choice}")),
                    n if !choice.is_one() => {
                        lines.push(format!("{having} of {n} chosen by {choice}"));
                    }
                    _ => {}
                }
                let lacking = chosen.values().filter(|(_, has)| !has).take(TOLD);
                for (object, _) in lacking {
                    let wire = convert::to_wire(object).to_value();
                    let name = crate::report::timeline::name(&object.reference());
                    let mut found = partial::differences(&wire, &objects.part);
                    found.extend(objects.tree.iter().flat_map(|t| t.differences(&wire)));
                    lines.extend(found.into_iter().map(|d| format!("{name}: {d}")));
                }
                if let (Some(filter), Some(error)) = (&objects.filter, error) {
                    lines.push(format!("{} cannot be computed: {error}", filter.text()));
                }
                lines
            }
            (State::Cel { holds, objects }, _) => {
                let counts = objects.iter().map(|(k, all)| format!("{} {}", all.len(), k.plural()));
                let mut lines = vec![counts.collect::<Vec<_>>().join(", ")];
                lines.extend(holds.as_ref().err().map(|e| format!("it cannot be computed: {e}")));
                lines
            }
            (State::Happened { times, near, .. }, _) => {
                let happened = match times {
                    0 => "it did not happen".to_owned(),
                    1 => "it happened once".to_owned(),
                    n => format!("it happened {n} times"),
                };
                [Some(happened), near.clone()].into_iter().flatten().collect()
            }
            (State::Several(eyes), _) => pairs(eyes, condition)
                .flat_map(|(eye, of)| {
                    let holds = eye.holds(of);
                    let mark = if holds { "holds" } else { "does not hold" };
                    let below = if holds { Vec::new() } else { eye.explain(of) };
                    [format!("{mark}: {of}")].into_iter().chain(below)
                })
                .collect(),
            (State::Objects { .. }, _) => Vec::new(),
        }
    }
}

/// The conditions that a condition is made of.
fn below(condition: &Condition) -> &[Condition] {
    match condition {
        Condition::All(several) | Condition::Any(several) => several,
        Condition::Not(one) => std::slice::from_ref(one),
        Condition::Objects(_)
        | Condition::Cel(_)
        | Condition::Event(_)
        | Condition::Log(_)
        | Condition::Exit(_)
        | Condition::Step(_) => &[],
    }
}

fn pairs<'a>(
    eyes: &'a [Eye],
    condition: &'a Condition,
) -> impl Iterator<Item = (&'a Eye, &'a Condition)> {
    eyes.iter().zip(below(condition))
}

fn each_holds((eye, condition): (&Eye, &Condition)) -> bool {
    eye.holds(condition)
}

type Looked<'a> = (&'a mut BTreeMap<Uid, (Object, bool)>, &'a mut i64, &'a mut Option<String>);

/// Looks at an object that has changed. Answers whether it is, or was, among the chosen.
fn look(
    objects: &Objects,
    object: &Object,
    change: Change,
    seen: &Seen<'_>,
    (chosen, having, error): Looked<'_>,
) -> bool {
    let uid = object.meta().uid;
    if object.kind() != objects.choice.kind {
        return false;
    }
    let before = chosen.remove(&uid);
    *having -= i64::from(before.as_ref().is_some_and(|(_, has)| *has));
    if change == Change::Deleted || !objects.choice.has(object) {
        return before.is_some();
    }
    let needs_wire = objects.filter.is_some()
        || objects.tree.is_some()
        || objects.part != Value::Object(Default::default());
    let mut has = !needs_wire || partial::has(seen.wire(object), &objects.part);
    if let Some(filter) = objects.filter.as_ref().filter(|_| has) {
        match filter.holds_of(seen.wire(object)) {
            Ok(holds) => has = holds,
            Err(why) => (has, *error) = (false, Some(why)),
        }
    }
    if let Some(tree) = objects.tree.as_ref().filter(|_| has) {
        has = tree.differences(seen.wire(object)).is_empty();
    }
    *having += i64::from(has);
    chosen.insert(uid, (object.clone(), has));
    true
}

/// How often a fact is what a condition is about.
fn happenings(condition: &Condition, fact: &Fact, runs: &mut BTreeSet<(Uid, u64)>) -> u64 {
    match (condition, &fact.kind) {
        (Condition::Event(pattern), FactKind::Event { record, .. }) => {
            u64::from(is_event(pattern, record))
        }
        (Condition::Log(pattern), FactKind::Output(output)) => {
            let Output { pod, container, text, .. } = &**output;
            let about = pattern.pod.as_ref().is_none_or(|p| p.fits(&pod.key.name))
                && pod.key.namespace == pattern.namespace
                && pattern.container.as_ref().is_none_or(|c| c == container);
            u64::from(about && pattern.line.is_match(text))
        }
        (Condition::Exit(pattern), FactKind::Object { object: Object::Pod(pod), .. }) => {
            exits(pattern, pod, runs)
        }
        (Condition::Step(pattern), FactKind::Step(done)) if done.index == pattern.index => {
            let StepDone { exit_code, stdout, stderr, .. } = &**done;
            let refused = *exit_code != 0;
            let output = |r: &regex::Regex| r.is_match(stdout) || r.is_match(stderr);
            u64::from(
                pattern.refused.is_none_or(|r| r == refused)
                    && pattern.exit_code.is_none_or(|c| c.holds(i64::from(*exit_code)))
                    && pattern.output.as_ref().is_none_or(output),
            )
        }
        _ => 0,
    }
}

/// What came of the step that a condition is about.
fn what_came(condition: &Condition, fact: &Fact) -> Option<String> {
    let (Condition::Step(pattern), FactKind::Step(done)) = (condition, &fact.kind) else {
        return None;
    };
    if done.index != pattern.index {
        return None;
    }
    let said = if done.exit_code == 0 { &done.stdout } else { &done.stderr };
    let last = said.lines().last().unwrap_or_default();
    Some(format!("the step ended with {}: {last}", done.exit_code))
}

fn is_event(pattern: &EventPattern, record: &EventRecord) -> bool {
    pattern.reason.as_ref().is_none_or(|r| *r == record.reason)
        && pattern.event_type.is_none_or(|t| t == record.event_type)
        && pattern.message.as_ref().is_none_or(|m| m.is_match(&record.message))
        && pattern.about.as_ref().is_none_or(|about| is_about(about, record))
}

fn is_about(about: &Choice, record: &EventRecord) -> bool {
    let object = &record.regarding.object;
    about.kind == object.kind
        && about
            .name
            .as_ref()
            .is_none_or(|n| n.fits(object.key.name.rsplit('/').next().unwrap_or_default()))
        && about.namespace.as_ref().is_none_or(|n| *n == object.key.namespace)
}

/// How many runs of containers have ended that had not been seen to end.
fn exits(pattern: &ExitPattern, pod: &Pod, runs: &mut BTreeSet<(Uid, u64)>) -> u64 {
    let about = pattern.pod.as_ref().is_none_or(|p| p.fits(&pod.meta.name))
        && pod.meta.namespace == pattern.namespace;
    if !about {
        return 0;
    }
    let named = |c: &&ContainerStatus| {
        let wanted: Option<&Str> = pattern.container.as_ref();
        wanted.is_none_or(|name| *name == c.name)
    };
    let all = pod.status.init_containers.iter().chain(pod.status.containers.iter());
    let mut count = 0;
    for container in all.filter(named) {
        let ended = match &container.state {
            ContainerState::Terminated(how) => Some(how),
            ContainerState::Running { .. } | ContainerState::Waiting { .. } => None,
        };
        for how in [ended, container.last.as_ref()].into_iter().flatten() {
            if !runs.insert((pod.meta.uid, how.container_id)) {
                continue;
            }
            let is_so = pattern.code.is_none_or(|c| c.holds(i64::from(how.exit_code)))
                && pattern.reason.as_ref().is_none_or(|r| *r == how.reason);
            count += u64::from(is_so);
        }
    }
    count
}

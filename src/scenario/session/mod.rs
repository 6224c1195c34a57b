//! A session on a simulated cluster: lines are typed, time passes when one says so, and one may go back.
//!
//! A line is kubectl's, a step as Simulation files have them (`stopNode: node-1`), or one of the session's own
//! ([`help`]). What a line changes is noted with its time; going back, and changing to another branch, is the
//! same run anew up to a time, from the nearest copy of it that was kept ([`forks`]), which determinism makes the
//! same cluster. Lines that only look take no time and are not noted.
//!
//! Nothing here knows a terminal: a line comes in, an [`Answer`] goes out. A session is saved as a Simulation
//! file, in which the same happens at the same times.

mod complete;
mod condition;
mod difference;
mod forks;
mod help;
mod save;
mod tank;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::kubectl::{self, Files, Session as KubectlSession};
use super::monitor::Trigger;
use super::runner::{End, Ended, NAMESPACE, Plan, StepAction, TimedStep};
use super::simulation::snippets;
use crate::api::diagnostic::Diagnostic;
use crate::api::suggest;
use crate::base::length;
use crate::base::time::SimTime;
use crate::model::Kind;
use crate::report::timeline::{clock, count, duration};
use crate::store::ApiError;

pub use help::help;
pub use save::Base;

use forks::Forks;
use tank::Tank;

/// A session goes on for no longer than this.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// How long `until` waits that says nothing else.
const PATIENCE: Duration = Duration::from_secs(3600);
/// There are no more branches than this.
const MAX_BRANCHES: usize = 64;
/// A run is copied once so many facts have been heard of it since it was copied last.
const SPACING: u64 = 2_000;
/// The branch that there is from the start.
const MAIN: &str = "main";

/// What came of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What is printed.
    pub text: String,
    /// What went wrong.
    pub error: Option<String>,
    /// The session is over.
    pub over: bool,
}

impl Answer {
    fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn wrong(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }
}

/// Something that changed the cluster, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    at: SimTime,
    did: Did,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Did {
    /// A kubectl line, without `kubectl`.
    Kubectl(String),
    /// A step as Simulation files have them.
    Step(String),
}

/// One course of events.
#[derive(Clone, Debug)]
struct Branch {
    log: Vec<Entry>,
    now: SimTime,
    /// Where time stood before each line that moved it.
    marks: Vec<SimTime>,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    plan: Plan,
    base: Base,
    folder: PathBuf,
    tank: Tank,
    forks: Forks,
    /// How many facts lie between two copies of the run, at least.
    spacing: u64,
    branch: Branch,
    name: String,
    others: BTreeMap<String, Branch>,
    stop: Option<Arc<AtomicBool>>,
}

impl Session {
    /// A session on the cluster of a plan; paths in lines begin in `folder`.
    ///
    /// # Errors
    /// A cluster that cannot be built.
    pub fn new(mut plan: Plan, base: Base, folder: PathBuf) -> Result<Self, Box<ApiError>> {
        plan.end = End::After(LONGEST);
        let tank = Tank::new(plan.clone(), None)?;
        let now = tank.runner.sim().now();
        let branch = Branch { log: Vec::new(), now, marks: Vec::new() };
        let (name, others) = (MAIN.to_owned(), BTreeMap::new());
        let mut forks = Forks::default();
        forks.keep(&tank.runner, &tank.told, 0);
        let spacing = SPACING;
        Ok(Self { plan, base, folder, tank, forks, spacing, branch, name, others, stop: None })
    }

    /// Has what is under way stop soon after `stop` is set.
    pub fn stop_with(&mut self, stop: Arc<AtomicBool>) {
        self.tank.runner.stop_with(Arc::clone(&stop));
        self.stop = Some(stop);
    }

    /// What stands before a line: the branch, where there are several, and the time.
    pub fn prompt(&self) -> String {
        let at = clock(self.now(), self.tank.runner.start());
        match self.others.is_empty() {
            true => format!("{at}> "),
            false => format!("{} {at}> ", self.name),
        }
    }

    fn now(&self) -> SimTime {
        self.tank.runner.sim().now()
    }

    /// Carries out a line.
    pub fn line(&mut self, line: &str) -> Answer {
        let line = line.trim();
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match verb {
            "" => Answer::default(),
            _ if line.starts_with('#') => Answer::default(),
            "help" | "?" if help::is_verb(rest) => self.kubectl(&format!("{rest} --help")),
            "help" | "?" => self::help(rest),
            "quit" | "exit" => Answer { over: true, ..Answer::default() },
            "step" => self.steps(rest),
            "run" => self.run(rest),
            "until" => self.until(rest),
            "expect" => self.expect(rest),
            "back" => self.back(rest),
            "now" => Answer::of(format!("{}\n", self.when())),
            "branch" => self.branch_off(rest),
            "branches" => Answer::of(self.branches()),
            "switch" => self.switch(rest),
            "diff" => self.diff(rest),
            "why" => self.why(rest),
            "explain" => self.explain(rest),
            "save" => self.save(rest),
            "do" => self.act(rest),
            "apply" if !rest.is_empty() && !rest.starts_with('-') => {
                self.kubectl(&format!("apply -f {rest}"))
            }
            "kubectl" | "k" => self.kubectl(rest),
            _ if verb.ends_with(':') => self.act(line),
            _ if help::is_step(verb) => self.act(&format!("{verb}: {rest}")),
            _ => self.kubectl(line),
        }
    }

    fn when(&self) -> String {
        let now = self.now();
        let digest = self.tank.runner.sim().digest();
        format!(
            "{} ({}), digest {digest:016x}",
            clock(now, self.tank.runner.start()),
            now.to_rfc3339()
        )
    }

    /// Keeps a copy of the run if much has happened since the last one.
    fn copy(&mut self) {
        if self.tank.told.heard >= self.forks.heard().saturating_add(self.spacing) {
            self.forks.keep(&self.tank.runner, &self.tank.told, self.branch.log.len());
        }
    }

    /// Lets time pass, with copies on the way. Answers what happened.
    fn pass(&mut self, until: SimTime) -> String {
        while self.tank.pass_some(until, self.spacing) && !self.is_stopped() {
            self.copy();
        }
        self.tank.taken()
    }

    /// Notes where time stood before a line that moves it.
    fn mark(&mut self) {
        self.copy();
        let now = self.now();
        if self.branch.marks.last() != Some(&now) {
            self.branch.marks.push(now);
        }
    }

    fn moved(&mut self, mut text: String) -> Answer {
        self.branch.now = self.now();
        if self.is_stopped() {
            text.push_str("stopped\n");
        }
        Answer::of(text)
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|s| s.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// `step [N]`: to the next things that happen.
    fn steps(&mut self, rest: &str) -> Answer {
        let n = match rest {
            "" => 1,
            number => match number.parse::<u32>() {
                Ok(n) if (1..=10_000).contains(&n) => n,
                _ => return Answer::wrong(format!("{number:?} is no number from 1 to 10000")),
            },
        };
        self.mark();
        let mut text = String::new();
        for _ in 0..n {
            let told = self.tank.step();
            if told.is_empty() {
                text.push_str("nothing is left to happen\n");
                break;
            }
            text.push_str(&told);
        }
        self.moved(text)
    }

    /// `run [TIME]`.
    fn run(&mut self, rest: &str) -> Answer {
        if rest.is_empty() {
            self.mark();
            let (mut text, ended) = self.tank.settle();
            text.push_str(match ended {
                Ended::Quiet => "nothing is left to happen\n",
                Ended::Settled => "nothing changes any more\n",
                Ended::Limit | Ended::Steps => "the time is up\n",
                Ended::Stopped | Ended::Spent => "",
            });
            return self.moved(text);
        }
        match length::parse(rest) {
            Err(why) => Answer::wrong(format!(
                "{why}\n  hint: as in `run 30s`; `run` alone runs until nothing changes"
            )),
            Ok(length) => {
                self.mark();
                let until = self.now() + length;
                let text = self.pass(until);
                self.moved(text)
            }
        }
    }

    /// `until CONDITION [within TIME]`.
    fn until(&mut self, rest: &str) -> Answer {
        let (written, patience) = match rest.rsplit_once(" within ") {
            Some((condition, time)) => match length::parse(time.trim()) {
                Ok(length) => (condition, length),
                Err(why) => return Answer::wrong(why),
            },
            None => (rest, PATIENCE),
        };
        let condition = match condition::read(written, &self.folder) {
            Ok(condition) => Arc::new(condition),
            Err(why) => return Answer::wrong(why),
        };
        self.mark();
        let until = self.now() + patience;
        let mut trigger = Trigger::new(Arc::clone(&condition), Duration::ZERO, self.now());
        trigger.prime(self.tank.runner.sim().store(), self.now());
        let text = match trigger.due() {
            Some(_) => String::new(),
            None => {
                while self.tank.until(until, &mut trigger, self.spacing)
                    && trigger.due().is_none()
                    && !self.is_stopped()
                {
                    self.copy();
                }
                self.tank.taken()
            }
        };
        let holds = trigger.due().is_some();
        let mut answer = self.moved(text);
        if !holds && !self.is_stopped() {
            let why = trigger.explain().join("\n  ");
            answer.error = Some(format!(
                "it does not hold after {}: {condition}\n  {why}\n  hint: `back` returns to where you were",
                duration(patience)
            ));
        }
        answer
    }

    /// `expect CONDITION`: it must hold now.
    fn expect(&self, rest: &str) -> Answer {
        let condition = match condition::read(rest, &self.folder) {
            Ok(condition) => Arc::new(condition),
            Err(why) => return Answer::wrong(why),
        };
        let mut trigger = Trigger::new(Arc::clone(&condition), Duration::ZERO, self.now());
        trigger.prime(self.tank.runner.sim().store(), self.now());
        match trigger.due() {
            Some(_) => Answer::of(format!("✓ {condition}\n")),
            None => {
                let why = trigger.explain().join("\n  ");
                Answer::wrong(format!("it does not hold: {condition}\n  {why}"))
            }
        }
    }

    /// `back [TIME]`.
    fn back(&mut self, rest: &str) -> Answer {
        let (start, now) = (self.tank.runner.start(), self.now());
        let to = if rest.is_empty() {
            match self.branch.marks.pop() {
                Some(mark) => mark,
                None => return Answer::wrong("there is nothing to go back to"),
            }
        } else {
            match length::parse(rest) {
                Err(why) => {
                    return Answer::wrong(format!(
                        "{why}\n  hint: as in `back 30s`; `back` alone undoes one line"
                    ));
                }
                Ok(length) if length > now.since(start) => start,
                Ok(length) => SimTime::from_nanos(
                    now.as_nanos() - u64::try_from(length.as_nanos()).unwrap_or(u64::MAX),
                ),
            }
        };
        let mut branch = self.branch.clone();
        let before = branch.log.len();
        branch.log.retain(|entry| entry.at < to);
        branch.marks.retain(|mark| *mark < to);
        branch.now = to;
        let undone = before - branch.log.len();
        if let Err(why) = self.take(branch) {
            return Answer::wrong(why);
        }
        let lines =
            if undone == 0 { String::new() } else { format!(", {} undone", count(undone, "line")) };
        Answer::of(format!("it is {}{lines}\n", clock(self.now(), start)))
    }

    /// Becomes a branch: its run anew, from the nearest copy up to where it stood.
    fn take(&mut self, branch: Branch) -> Result<(), String> {
        let tank = self.tank_of(&branch)?;
        self.tank = tank;
        if let Some(stop) = &self.stop {
            self.tank.runner.stop_with(Arc::clone(stop));
        }
        self.forks.retain(&branch, &self.branch.log);
        self.branch = branch;
        Ok(())
    }

    /// The run of a branch, anew from the nearest copy.
    fn tank_of(&self, branch: &Branch) -> Result<Tank, String> {
        match self.forks.nearest(branch, &self.branch.log) {
            Some((fork, lines)) => {
                self.replay(Tank::of_fork(fork, &self.tank.told.past), branch, lines)
            }
            None => self.replay(self.begun(None)?, branch, 0),
        }
    }

    /// The run at its start; `explained` is a pod whose decisions are kept.
    fn begun(&self, explained: Option<crate::model::Key>) -> Result<Tank, String> {
        Tank::new(self.plan.clone(), explained)
            .map_err(|e| format!("the cluster cannot be built: {e}"))
    }

    /// The run of a branch, of which so many lines have been carried out, up to where it stood.
    fn replay(&self, mut tank: Tank, branch: &Branch, lines: usize) -> Result<Tank, String> {
        for entry in &branch.log[lines..] {
            drop(tank.pass(entry.at));
            for step in self.steps_of(&entry.did)? {
                drop(tank.perform(&step));
            }
        }
        drop(tank.pass(branch.now));
        Ok(tank)
    }

    fn branch_off(&mut self, name: &str) -> Answer {
        let is_name = |n: &str| {
            !n.is_empty()
                && n.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if !is_name(name) {
            return Answer::wrong(
                "a branch has a name of letters, digits, - and _, as in `branch two-replicas`",
            );
        }
        if name == self.name || self.others.contains_key(name) {
            return Answer::wrong(format!(
                "there is a branch {name:?}\n  hint: `switch {name}` goes there"
            ));
        }
        if self.others.len() + 1 >= MAX_BRANCHES {
            return Answer::wrong(format!("there are {MAX_BRANCHES} branches, and no more can be"));
        }
        let before = std::mem::replace(&mut self.name, name.to_owned());
        self.others.insert(before.clone(), self.branch.clone());
        let at = clock(self.now(), self.tank.runner.start());
        Answer::of(format!("on {name}, which is {before} up to {at}\n"))
    }

    fn branches(&self) -> String {
        let start = self.tank.runner.start();
        let mut all: Vec<(&str, &Branch)> =
            self.others.iter().map(|(n, b)| (n.as_str(), b)).collect();
        all.push((&self.name, &self.branch));
        all.sort_by_key(|(name, _)| *name);
        let line = |(name, branch): (&str, &Branch)| {
            let mark = if name == self.name { '*' } else { ' ' };
            let (at, lines) = (clock(branch.now, start), count(branch.log.len(), "change"));
            format!("{mark} {name:<20} {at:>12}  {lines}\n")
        };
        all.into_iter().map(line).collect()
    }

    fn other(&self, name: &str) -> Result<&Branch, String> {
        self.others.get(name).ok_or_else(|| {
            let near = suggest::nearest(name, self.others.keys().map(String::as_str));
            let hint = match (near, self.others.is_empty()) {
                (Some(near), _) => format!("did you mean {near}?"),
                (None, true) => "`branch NAME` makes one".to_owned(),
                (None, false) => "`branches` tells which there are".to_owned(),
            };
            format!("there is no other branch {name:?}\n  hint: {hint}")
        })
    }

    fn switch(&mut self, name: &str) -> Answer {
        let branch = match self.other(name) {
            Ok(branch) => branch.clone(),
            Err(why) => return Answer::wrong(why),
        };
        let left = self.branch.clone();
        if let Err(why) = self.take(branch) {
            return Answer::wrong(why);
        }
        self.others.remove(name);
        let before = std::mem::replace(&mut self.name, name.to_owned());
        self.others.insert(before, left);
        Answer::of(format!("on {name}, at {}\n", clock(self.now(), self.tank.runner.start())))
    }

    fn diff(&self, name: &str) -> Answer {
        let other = self.other(name).and_then(|branch| self.tank_of(branch));
        match other {
            Err(why) => Answer::wrong(why),
            Ok(other) => Answer::of(difference::between(
                (&self.name, self.tank.runner.sim().store()),
                (name, other.runner.sim().store()),
            )),
        }
    }

    fn why(&self, target: &str) -> Answer {
        match self.tank.why(target) {
            Ok(text) => Answer::of(text),
            Err(why) => Answer::wrong(why),
        }
    }

    fn explain(&self, target: &str) -> Answer {
        let found = tank::pod_key(target).and_then(|key| {
            let tank = self.replay(self.begun(Some(key.clone()))?, &self.branch, 0)?;
            tank.explain(&key)
        });
        match found {
            Ok(text) => Answer::of(text),
            Err(why) => Answer::wrong(why),
        }
    }

    fn save(&self, rest: &str) -> Answer {
        let end = self.now().since(self.tank.runner.start());
        match save::save(
            &self.base,
            &self.folder,
            rest,
            &self.branch,
            self.tank.runner.start(),
            end,
        ) {
            Ok(text) => Answer::of(text),
            Err(why) => Answer::wrong(why),
        }
    }

    /// A kubectl line: one that looks is answered at once, one that changes takes its time and is noted.
    fn kubectl(&mut self, line: &str) -> Answer {
        let words = match kubectl::split(line) {
            Ok(words) => words,
            Err(why) => return Answer::wrong(why),
        };
        let files = Files { root: self.folder.clone(), confined: false };
        let session =
            KubectlSession { namespace: NAMESPACE, namespace_given: false, files: &files };
        if let Some((stdout, stderr, code)) = self.tank.runner.glance(&words, &session) {
            // What kubectl remarks on where all is well is no mistake.
            if code == 0 {
                return Answer::of(stdout + &stderr);
            }
            let hint = help::hint(line, &stderr);
            let error = Some(format!("{}{hint}", stderr.trim_end()));
            return Answer { text: stdout, error, over: false };
        }
        self.did(Did::Kubectl(line.to_owned()))
    }

    /// A step as Simulation files have them.
    fn act(&mut self, line: &str) -> Answer {
        self.did(Did::Step(line.to_owned()))
    }

    fn steps_of(&self, did: &Did) -> Result<Vec<TimedStep>, String> {
        match did {
            Did::Kubectl(line) => Ok(vec![TimedStep {
                action: StepAction::Kubectl(line.clone()),
                files: Files { root: self.folder.clone(), confined: false },
                ..TimedStep::default()
            }]),
            Did::Step(line) => {
                let nodes = self.tank.runner.sim().store().list(Kind::Node);
                let nodes = nodes.map(|n| n.meta().name.to_string()).collect();
                snippets::step(line, &self.folder, nodes).map_err(|p| told(&p))
            }
        }
    }

    fn did(&mut self, did: Did) -> Answer {
        let steps = match self.steps_of(&did) {
            Ok(steps) => steps,
            Err(why) => return Answer::wrong(why),
        };
        self.mark();
        self.branch.log.push(Entry { at: self.now(), did });
        let (mut text, mut error) = (String::new(), None);
        for step in &steps {
            let (told, done) = self.tank.perform(step);
            text.push_str(&told);
            if let Some(done) = done {
                text.push_str(&done.stdout);
                match done.exit_code {
                    0 => text.push_str(&done.stderr),
                    _ => error = Some(done.stderr.trim_end().to_owned()),
                }
            }
        }
        let answer = self.moved(text);
        Answer { error, ..answer }
    }
}

/// Problems in lines.
fn told(problems: &[Diagnostic]) -> String {
    let each = problems.iter().map(|p| match &p.hint {
        Some(hint) => format!("{}\n  hint: {hint}", p.message),
        None => p.message.clone(),
    });
    each.collect::<Vec<_>>().join("\n")
}

//! A look at a run with kubectl's eyes: floats manifests quietly, stops at a time, and asks.
//!
//! The commands `get`, `describe`, `events` and `top` make a kubectl command line of their options; what is
//! printed comes from the same place as in a scenario's steps ([`Invocation::look`]). Who watches hears the
//! run while it goes on ([`Watch`]).

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::floats::{self, Floats};
use super::{exit_code, ui};
use crate::scenario::kubectl::{Files, History, Invocation, Look, Session, Watch, Way};
use crate::scenario::recorded;
use crate::scenario::runner::{End, NAMESPACE, Plan};
use crate::trace::{Fact, FactKind};

/// Where and when to look.
#[derive(Debug, clap::Args)]
pub(super) struct When {
    #[command(flatten)]
    floats: Floats,
    /// Look at the cluster at this time of the run, such as 90s; by default at its end. Who watches begins then
    #[arg(long, value_name = "TIME", value_parser = recorded::duration)]
    at: Option<Duration>,
    /// The namespace to look into
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

/// The words of a command line in the making.
pub(super) struct Line(Vec<String>);

impl Line {
    /// A line of these words.
    pub(super) fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|w| (*w).to_owned()).collect())
    }

    /// With a switch, where it is on.
    pub(super) fn switch(mut self, name: &str, on: bool) -> Self {
        self.0.extend(on.then(|| format!("--{name}")));
        self
    }

    /// With a flag, where it has a value.
    pub(super) fn flag(mut self, name: &str, value: Option<&String>) -> Self {
        self.0.extend(value.map(|v| format!("--{name}={v}")));
        self
    }
}

impl When {
    /// Loads the run; answers with the exit code where it does not begin.
    fn plan(&self, line: &Line) -> Result<Plan, u8> {
        match floats::prepare(&self.floats, true) {
            Ok(prepared) => Ok(prepared.plan),
            Err(refused) => {
                let code = refused.tell();
                hint(self, line);
                Err(code)
            }
        }
    }

    fn session<'a>(&'a self, files: &'a Files) -> Session<'a> {
        Session {
            namespace: self.namespace.as_deref().unwrap_or(NAMESPACE),
            namespace_given: self.namespace.is_some(),
            files,
        }
    }
}

/// Runs to the time and prints what kubectl would; answers with the exit code.
pub(super) fn run(when: &When, line: &Line) -> u8 {
    if when.at.is_some() && when.floats.length.is_some() {
        ui::err(
            "error: --at and --for are the same here: the time at which the cluster is looked at",
        );
        return exit_code::USAGE;
    }
    look(when, line).unwrap_or_else(|code| code)
}

fn look(when: &When, line: &Line) -> Result<u8, u8> {
    let mut plan = when.plan(line)?;
    if let Some(at) = when.at {
        plan.end = End::After(at);
    }
    let mut history = History::new(true);
    let mut runner = floats::build(plan, &mut |fact| history.observe(fact))?;
    runner.run(&mut |fact| {
        history.observe(fact);
        complain(fact);
    });
    let look = Look { store: runner.sim().store(), now: runner.sim().now(), history: &history };
    let (stdout, stderr, code) = Invocation::look(&line.0, &look, &when.session(&Files::default()));
    ui::out(&stdout);
    Ok(told(&stderr, code))
}

/// Prints what kubectl's watch would, while the run goes on: from its beginning, or from `--at`.
pub(super) fn watch(when: &When, line: &Line, list: bool, types: bool) -> u8 {
    follow(when, line, list, types).unwrap_or_else(|code| code)
}

fn follow(when: &When, line: &Line, list: bool, types: bool) -> Result<u8, u8> {
    let plan = when.plan(line)?;
    let mut history = History::of_events();
    let mut runner = floats::build(plan, &mut |fact| history.observe(fact))?;
    if let Some(at) = when.at {
        runner.play(runner.start().saturating_add(at), &mut |fact| {
            history.observe(fact);
            complain(fact);
            ControlFlow::Continue(())
        });
    }
    let way = Way { list, types, early: when.at.is_none() };
    let look = Look { store: runner.sim().store(), now: runner.sim().now(), history: &history };
    let (mut watch, printed) = Watch::begin(&line.0, way, &look, &when.session(&Files::default()))
        .map_err(|(text, code)| told(&text, code))?;
    told(&printed.stderr, 0);
    let stop = Arc::new(AtomicBool::new(!ui::reaches(&printed.stdout)));
    runner.stop_with(Arc::clone(&stop));
    runner.run(&mut |fact| {
        history.observe(fact);
        complain(fact);
        let text = watch.hear(fact, &history);
        if watch.is_over() || (!text.is_empty() && !ui::reaches(&text)) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let (text, code) = watch.finish();
    Ok(told(&text, code))
}

/// Tells of a step that failed: what is looked at would be another cluster than the one that was meant.
fn complain(fact: &Fact) {
    if let FactKind::Step(step) = &fact.kind
        && step.exit_code != 0
        && !step.expect_error
    {
        let of = format!("{} {}", step.action, step.arg);
        ui::err(&format!("warning: the step {} {of} failed: {}", step.at, step.stderr.trim_end()));
    }
}

/// Prints what kubectl complains of; answers with the exit code.
fn told(stderr: &str, code: i32) -> u8 {
    if !stderr.is_empty() {
        ui::err(stderr.trim_end_matches('\n'));
    }
    if code == 0 { exit_code::OK } else { exit_code::FAILED }
}

/// A name where a path was expected is a mistake that kubectl's habits lead to.
fn hint(when: &When, line: &Line) {
    let Some(first) = when.floats.input.paths.first() else { return };
    let plain = first.to_str().filter(|p| !p.contains(['/', '.']) && !Path::new(p).exists());
    if let (Some(name), Some(of)) = (plain, line.0.get(1).filter(|w| !w.starts_with('-'))) {
        ui::err(&format!("  hint: an object is named with its type, as in {of}/{name}"));
    }
}

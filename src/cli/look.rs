//! A look at a run with kubectl's eyes: floats manifests quietly, stops at a time, and asks.
//!
//! The commands `get`, `describe`, `events` and `top` make a kubectl command line of their options; what is
//! printed comes from the same place as in a scenario's steps ([`Invocation::look`]).

use std::path::Path;
use std::time::Duration;

use super::floats::{self, Floats};
use super::{exit_code, ui};
use crate::scenario::kubectl::{Files, History, Invocation, Look, Session};
use crate::scenario::recorded;
use crate::scenario::runner::{End, NAMESPACE};

/// Where and when to look.
#[derive(Debug, clap::Args)]
pub(super) struct When {
    #[command(flatten)]
    floats: Floats,
    /// Look at the cluster at this time of the run, such as 90s; by default at its end
    #[arg(long, value_name = "TIME", value_parser = recorded::duration, conflicts_with = "length")]
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

/// Runs to the time and prints what kubectl would.
pub(super) fn run(when: &When, line: &Line) -> u8 {
    let mut plan = match floats::prepare(&when.floats, true) {
        Ok(prepared) => prepared.plan,
        Err(refused) => {
            let code = refused.tell();
            hint(when, line);
            return code;
        }
    };
    if let Some(at) = when.at {
        plan.end = End::After(at);
    }
    let mut history = History::new(true);
    let mut runner = match floats::build(plan, &mut |fact| history.observe(fact)) {
        Ok(runner) => runner,
        Err(code) => return code,
    };
    runner.run(&mut |fact| history.observe(fact));
    let look = Look { store: runner.sim().store(), now: runner.sim().now(), history: &history };
    let session = Session {
        namespace: when.namespace.as_deref().unwrap_or(NAMESPACE),
        namespace_given: when.namespace.is_some(),
        files: &Files::default(),
    };
    let (stdout, stderr, code) = Invocation::look(&line.0, &look, &session);
    ui::out(&stdout);
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

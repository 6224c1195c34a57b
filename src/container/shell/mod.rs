//! The interpreter of shell commands: busybox ash 1.36 and bash 5.2, on virtual time.
//!
//! A [`Shell`] is an explicit machine: a stack of [`Frame`](machine::Frame)s over a shared syntax tree, variables,
//! jobs and traps. Each step takes the top frame and leaves the next state; a command that must wait
//! leaves a frame that says so ("blocked at `sleep 3`, line 1"). Forking a subshell clones the shell
//! without its frames; the variables are shared until one of the two changes them.
//!
//! * `lexer`, `words`, `conditions`, `parser`, `ast`: from text to tree, command by command.
//! * `expand`, `params`, `braces`, `glob`, `pattern`, `arith`: words, restartable at substitutions.
//! * `machine`, `compound`, `simple`, `redirect`, `capture`, `jobs`, `traps`: the frames.
//! * `builtins`: one file per family of built-in commands.
//! * `dialect`, `messages`, `quoting`, `print`: what the two shells say, and how.
//!
//! Left out: interactive use (history, prompts, job control by terminal), `fc`, programmable completion,
//! locales other than C.

mod arith;
pub(crate) mod ast;
mod braces;
mod builtins;
mod capture;
mod compound;
mod conditions;
mod dialect;
pub(crate) mod escapes;
mod expand;
mod glob;
mod jobs;
mod lexer;
mod machine;
mod messages;
mod options;
mod params;
mod parser;
pub(crate) mod pattern;
mod print;
mod quoting;
mod redirect;
mod script;
mod simple;
mod start;
mod traps;
pub(crate) mod vars;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::os::Sys;
use super::process::{Pid, Step};
use super::seldom::{Empty, Seldom};
use crate::base::Str;
use crate::base::time::SimTime;
pub(crate) use builtins::test_expr::{TestWorld, evaluate as evaluate_test};
pub(crate) use dialect::Dialect;
use dialect::Origin;
use expand::Memo;
use jobs::Jobs;
use machine::Frame;
use options::Options;
pub(crate) use quoting::backslashes as backslash_quoted;
pub(crate) use script::Script;
use smallvec::SmallVec;
pub(crate) use start::FirstVariables;
use traps::Traps;
pub(crate) use vars::Vars;

/// A function: its body, and where it was defined.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    body: ast::NodeRef,
    source: Str,
}

/// A shell process.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    dialect: Dialect,
    /// `$0`.
    name: Str,
    origin: Origin,
    vars: Vars,
    params: Arc<[Str]>,
    functions: Arc<BTreeMap<Str, Function>>,
    aliases: Arc<BTreeMap<Str, Str>>,
    options: Options,
    /// `$?`
    status: u8,
    last_background: Option<Pid>,
    /// `$$`; 0 until the shell first runs.
    root_pid: Pid,
    parent_pid: Pid,
    started: SimTime,
    jobs: Jobs,
    traps: Traps,
    frames: Vec<Frame>,
    /// The line of the command under way.
    line: u32,
    /// The command under way, for `BASH_COMMAND` and for people.
    current: Option<ast::NodeRef>,
    /// How deep in subshells.
    subshells: u32,
    pipe_status: SmallVec<[u8; 16]>,
    /// Where `getopts` is within a cluster of options.
    getopts_at: usize,
    /// The result of a substitution, for the frame below.
    captured: Option<Memo>,
    /// `$_`: the last argument of the command before; nothing as long as none has run.
    last_argument: Option<Str>,
    /// The status of the last command substitution of the command under way.
    capture_status: Option<u8>,
    rare: Seldom<Rare>,
}

/// What few shells have.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// Files being sourced and functions being called, innermost last.
    calls: Vec<CallInfo>,
    /// Descriptors of process substitutions of the command under way.
    process_fds: Vec<i32>,
    /// Directories of `pushd`.
    dir_stack: Vec<Str>,
    /// Built-in commands that `enable -n` took away.
    disabled: Vec<&'static str>,
    /// Options of `shopt` that mean nothing here and are not as they begin.
    turned: Vec<&'static str>,
}

impl Empty for Rare {
    fn empty() -> &'static Self {
        static EMPTY: Rare = Rare {
            calls: Vec::new(),
            process_fds: Vec::new(),
            dir_stack: Vec::new(),
            disabled: Vec::new(),
            turned: Vec::new(),
        };
        &EMPTY
    }
}

/// One entry of the call stack.
#[derive(Clone, Debug)]
struct CallInfo {
    /// The function; nothing for a sourced file.
    function: Option<Str>,
    /// The file it is from.
    source: Str,
    /// The line it was called from.
    line: u32,
}

impl Shell {
    /// Lets the shell run until it must wait or is done.
    pub(crate) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        self.run(sys)
    }

    /// What it is doing, for people.
    pub(crate) fn describe(&self) -> String {
        let text = self.command_text();
        if text.is_empty() {
            return format!("{} reads its input", self.name);
        }
        format!("blocked at `{text}`, line {}", self.line.max(1))
    }

    /// The text of the command under way.
    fn command_text(&self) -> Str {
        self.current.as_ref().map(|n| print::command(n).into()).unwrap_or_default()
    }

    /// What `BASH_COMMAND` says: in a trap, the command that was under way when it began.
    fn bash_command(&self) -> Str {
        let trapped = self.frames.iter().find_map(|f| match &f.kind {
            machine::FrameKind::Trap(before) => Some(before.command.as_ref()),
            _ => None,
        });
        match trapped {
            Some(node) => node.map(|n| print::command(n).into()).unwrap_or_default(),
            None => self.command_text(),
        }
    }

    fn lineno(&self) -> u32 {
        self.line
    }

    fn grammar(&self) -> parser::Grammar<'_> {
        let aliases =
            (!self.dialect.is_bash() || self.options.expand_aliases).then_some(&*self.aliases);
        parser::Grammar {
            dialect: self.dialect,
            extglob: self.options.extglob,
            aliases,
            max_depth: script::MAX_DEPTH,
        }
    }

    /// Names of the functions being called, innermost first, as `FUNCNAME` has them.
    fn function_names(&self) -> Vec<Str> {
        if !self.rare.calls.iter().any(|c| c.function.is_some()) {
            return Vec::new();
        }
        let mut names: Vec<Str> = self
            .rare
            .calls
            .iter()
            .rev()
            .map(|c| c.function.clone().unwrap_or_else(|| "source".into()))
            .collect();
        if self.origin == Origin::File {
            names.push("main".into());
        }
        names
    }

    fn source_names(&self) -> Vec<Str> {
        let mut names: Vec<Str> = self.rare.calls.iter().rev().map(|c| c.source.clone()).collect();
        if self.origin == Origin::File {
            names.push(self.name.clone());
        }
        names
    }
}

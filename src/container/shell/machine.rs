//! The machine: frames, the step loop, and leaving frames early.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Shell;
use super::ast::{NodeKind, NodeRef};
use super::builtins::pause::Pause;
use super::capture::Capture;
use super::compound::{Call, CaseRun, ForWords, LoopPhase};
use super::dialect::Origin;
use super::expand::Memo;
use super::lexer::Source;
use super::redirect::{RedirectRun, Saved};
use super::script::Script;
use super::simple::{Changed, SimpleRun};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::os::{Program, Sys};
use crate::container::process::{Step, Wait};

/// A level of what the shell is doing.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    /// A failure here is looked at by somebody: `set -e` does not end the shell.
    pub(super) tested: bool,
    /// Nothing comes after this in the process: an external command may take its place.
    pub(super) last: bool,
}

/// The kinds of frames.
#[derive(Clone, Debug)]
pub(super) enum FrameKind {
    /// The shell has not read its arguments.
    Boot,
    /// A node that a forked shell begins with.
    Start(NodeRef),
    /// Reads commands from a text.
    Read(Box<Reader>),
    /// Commands one after the other.
    List(NodeRef, usize),
    /// The right side of `&&` (true) or `||`.
    Pair(NodeRef, bool),
    /// `!`
    Invert,
    /// `time`
    Timed(SimTime, bool),
    /// The condition of an `if` is running.
    If(NodeRef),
    /// A `while`: what of it is running, and the status of the last body.
    While(NodeRef, LoopPhase, u8),
    /// A `for` whose words are being expanded.
    ForWords(Box<ForWords>),
    /// A `for`: its items, and the next one.
    For(NodeRef, Arc<[Str]>, u32),
    /// A `for ((;;))`: 0 before the first test, 1 before a test, 2 in the body.
    ArithFor(NodeRef, u8, Box<[Memo]>),
    /// A `select` waits for its line.
    Select(NodeRef, Arc<[Str]>),
    /// A `case`.
    Case(Box<CaseRun>),
    /// A simple command.
    Simple(Box<SimpleRun>),
    /// The same once it ran, with what is to be put back.
    Ran(Changed),
    /// A compound command with redirections, before they are made.
    Redirect(NodeRef, Box<RedirectRun>),
    /// The same with its body running.
    Restore(Saved),
    /// A function is running.
    Call(Box<Call>),
    /// A file is being sourced; positional parameters to put back.
    Sourced(Option<Arc<[Str]>>),
    /// A foreground job is running.
    WaitJob(u32),
    /// A command substitution is running.
    Capture(Box<Capture>),
    /// `(( ))`
    Arith(NodeRef, Box<[Memo]>),
    /// `[[ ]]`: outputs so far.
    Cond(NodeRef, Box<[Memo]>),
    /// A built-in command waits.
    Pause(Box<Pause>),
    /// A trap is running.
    Trap(Box<Trapped>),
    /// The shell ends with this status.
    Done(u8),
}

/// What is put back after a trap.
#[derive(Clone, Debug)]
pub(super) struct Trapped {
    pub(super) status: u8,
    pub(super) pipe_status: SmallVec<[u8; 16]>,
    /// The command that was under way: `BASH_COMMAND` inside the trap.
    pub(super) command: Option<NodeRef>,
}

impl Frame {
    pub(super) const fn new(kind: FrameKind) -> Self {
        Self { kind, tested: false, last: false }
    }
}

/// What a reader reads for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReaderKind {
    /// The script.
    Main,
    /// Standard input, line by line.
    Stdin,
    /// `eval`.
    Eval,
    /// `.`
    Dot,
    /// A trap.
    Trap,
}

/// A text being read and run.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) source: Source,
    /// The same text as commands, where somebody has read it before.
    pub(super) script: Option<Arc<Script>>,
    pub(super) kind: ReaderKind,
    /// A command of it has run.
    pub(super) ran: bool,
    /// Standard input has ended.
    pub(super) ended: bool,
}

impl Reader {
    pub(super) const fn new(source: Source, kind: ReaderKind) -> Self {
        Self { source, script: None, kind, ran: false, ended: false }
    }

    /// Reads a script that others run too.
    pub(super) fn of(script: Arc<Script>) -> Self {
        let source = script.source();
        Self { script: Some(script), ..Self::new(source, ReaderKind::Main) }
    }
}

/// What a step leaves.
#[derive(Debug)]
pub(super) enum Flow {
    /// Go on.
    Go,
    /// Nothing to do before this.
    Wait(Wait),
    /// The shell ends.
    Exit(u8),
    /// The shell becomes another program.
    Become(Box<Program>),
}

/// A way to leave frames before they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Break(u32),
    Continue(u32),
    Return,
}

/// Frames at once; deeper functions fail.
const MAX_FRAMES: usize = 4000;

impl Shell {
    pub(super) fn run(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        if matches!(self.frames.first(), Some(Frame { kind: FrameKind::Boot, .. })) {
            self.frames.clear();
            self.boot(sys);
        }
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            self.hear_signals(sys);
            if self.at_safe_point() && self.run_traps(sys) {
                continue;
            }
            match self.step(sys) {
                Flow::Go => {}
                Flow::Wait(wait) => return Step::Block(wait),
                Flow::Exit(code) => return Step::Exit(code),
                Flow::Become(program) => return Step::Become(program),
            }
        }
    }

    /// Whether a trap may run now: between commands, not inside the making of one.
    fn at_safe_point(&self) -> bool {
        match self.frames.last().map(|f| &f.kind) {
            Some(
                FrameKind::Read(_)
                | FrameKind::Start(_)
                | FrameKind::List(..)
                | FrameKind::Pair(..)
                | FrameKind::If(_)
                | FrameKind::While(..)
                | FrameKind::For(..)
                | FrameKind::Invert
                | FrameKind::Timed(..)
                | FrameKind::Call(_)
                | FrameKind::Sourced(_)
                | FrameKind::Restore(_)
                | FrameKind::Trap(..),
            )
            | None => true,
            Some(
                FrameKind::Boot
                | FrameKind::ForWords(_)
                | FrameKind::ArithFor(..)
                | FrameKind::Select(..)
                | FrameKind::Case(_)
                | FrameKind::Simple(_)
                | FrameKind::Ran(_)
                | FrameKind::Redirect(..)
                | FrameKind::WaitJob(_)
                | FrameKind::Capture(_)
                | FrameKind::Arith(..)
                | FrameKind::Cond(..)
                | FrameKind::Pause(_)
                | FrameKind::Done(_),
            ) => false,
        }
    }

    fn step(&mut self, sys: &mut Sys<'_, '_>) -> Flow {
        let Some(frame) = self.frames.pop() else {
            self.start_exit(sys, self.status);
            return Flow::Go;
        };
        if self.frames.len() > MAX_FRAMES {
            let text = format!("commands and functions nested more than {MAX_FRAMES} deep (depth)");
            sys.complain(text.clone());
            self.complain(sys, &text);
            self.start_exit(sys, 2);
            return Flow::Go;
        }
        let Frame { kind, tested, last } = frame;
        match kind {
            FrameKind::Boot => Flow::Go,
            FrameKind::Start(node) => self.eval(sys, &node, tested, last),
            FrameKind::Read(reader) => self.step_reader(sys, reader, tested, last),
            FrameKind::List(node, next) => self.step_list(sys, node, next, tested, last),
            FrameKind::Pair(right, and) => {
                if (self.status == 0) == and {
                    return self.eval(sys, &right, tested, last);
                }
                Flow::Go
            }
            FrameKind::Invert => {
                self.status = u8::from(self.status == 0);
                Flow::Go
            }
            FrameKind::Timed(start, posix) => self.step_timed(sys, start, posix),
            FrameKind::If(node) => self.step_if(sys, &node, tested, last),
            FrameKind::While(node, phase, result) => {
                self.step_while(sys, node, phase, result, tested)
            }
            FrameKind::ForWords(run) => self.step_for_words(sys, run, tested),
            FrameKind::For(node, items, next) => self.step_for(sys, node, items, next, tested),
            FrameKind::ArithFor(node, phase, memo) => {
                self.step_arith_for(sys, node, phase, memo.into(), tested)
            }
            FrameKind::Select(node, items) => self.step_select(sys, node, items, tested),
            FrameKind::Case(run) => self.step_case(sys, run, tested, last),
            FrameKind::Simple(run) => self.step_simple(sys, run, tested, last),
            FrameKind::Ran(changed) => {
                self.put_back(sys, changed);
                self.check_failure(sys, tested);
                Flow::Go
            }
            FrameKind::Redirect(node, run) => self.step_redirect(sys, node, run, tested),
            FrameKind::Restore(saved) => {
                saved.restore(sys);
                Flow::Go
            }
            FrameKind::Call(call) => {
                self.leave_call(*call);
                Flow::Go
            }
            FrameKind::Sourced(params) => {
                self.leave_source(params);
                Flow::Go
            }
            FrameKind::WaitJob(job) => self.step_wait_job(sys, job, tested),
            FrameKind::Capture(capture) => self.step_capture(sys, capture),
            FrameKind::Arith(node, memo) => self.step_arith(sys, node, memo.into(), tested),
            FrameKind::Cond(node, memo) => self.step_cond(sys, node, memo.into(), tested),
            FrameKind::Pause(pause) => self.step_pause(sys, *pause),
            FrameKind::Trap(before) => {
                self.status = before.status;
                self.pipe_status = before.pipe_status;
                self.current = before.command;
                Flow::Go
            }
            FrameKind::Done(code) => Flow::Exit(code),
        }
    }

    /// Begins a command.
    pub(super) fn eval(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: &NodeRef,
        tested: bool,
        last: bool,
    ) -> Flow {
        let push = |shell: &mut Self, kind| shell.frames.push(Frame { kind, tested, last });
        if self.options.noexec {
            return Flow::Go;
        }
        match &node.kind {
            NodeKind::Simple(_) => {
                self.line = node.line;
                self.current = Some(Arc::clone(node));
                push(self, FrameKind::Simple(Box::new(SimpleRun::new(node))));
                self.debug_trap();
            }
            NodeKind::Pipeline(nodes) => return self.start_pipeline(sys, node, nodes, tested),
            NodeKind::Not(inner) => {
                push(self, FrameKind::Invert);
                return self.eval(sys, inner, true, false);
            }
            NodeKind::Time(inner, posix) => {
                push(self, FrameKind::Timed(sys.now(), *posix));
                return self.eval(sys, inner, tested, false);
            }
            NodeKind::And(left, right) | NodeKind::Or(left, right) => {
                let and = matches!(node.kind, NodeKind::And(..));
                push(self, FrameKind::Pair(Arc::clone(right), and));
                return self.eval(sys, left, true, false);
            }
            NodeKind::List(_) => push(self, FrameKind::List(Arc::clone(node), 0)),
            NodeKind::Background(inner) => self.start_background(sys, inner),
            NodeKind::Subshell(inner) => return self.start_subshell(sys, inner, tested, last),
            NodeKind::Group(inner) => return self.eval(sys, inner, tested, last),
            NodeKind::If(cond, ..) => {
                push(self, FrameKind::If(Arc::clone(node)));
                return self.eval(sys, cond, true, false);
            }
            NodeKind::While { .. } => {
                push(self, FrameKind::While(Arc::clone(node), LoopPhase::Start, 0))
            }
            NodeKind::For { words, .. } | NodeKind::Select { words, .. } => {
                self.line = node.line;
                self.begin_for(node, words.is_some(), tested);
            }
            NodeKind::ArithFor { .. } => {
                push(self, FrameKind::ArithFor(Arc::clone(node), 0, Box::default()))
            }
            NodeKind::Case { .. } => {
                self.line = node.line;
                push(self, FrameKind::Case(Box::new(CaseRun::new(node))));
                self.debug_trap();
            }
            NodeKind::Function { name, body } => self.define(name, body),
            NodeKind::Redirected(_, _) => {
                push(self, FrameKind::Redirect(Arc::clone(node), Box::default()))
            }
            NodeKind::Arith(_) => {
                self.begin_conditional(node);
                push(self, FrameKind::Arith(Arc::clone(node), Box::default()));
                self.debug_trap();
            }
            NodeKind::Cond(_) => {
                self.begin_conditional(node);
                push(self, FrameKind::Cond(Arc::clone(node), Box::default()));
                self.debug_trap();
            }
            NodeKind::Coproc(name, body) => self.start_coprocess(sys, name, body),
        }
        Flow::Go
    }

    fn begin_conditional(&mut self, node: &NodeRef) {
        self.line = node.line;
        self.current = Some(Arc::clone(node));
    }

    fn step_list(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        next: usize,
        tested: bool,
        last: bool,
    ) -> Flow {
        let NodeKind::List(items) = &node.kind else { return Flow::Go };
        let Some(item) = items.get(next).cloned() else {
            if items.is_empty() {
                self.status = 0;
            }
            return Flow::Go;
        };
        let at_end = next + 1 == items.len();
        if !at_end {
            self.frames.push(Frame {
                kind: FrameKind::List(Arc::clone(&node), next + 1),
                tested,
                last,
            });
        }
        self.eval(sys, &item, tested, last && at_end)
    }

    fn step_reader(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut reader: Box<Reader>,
        tested: bool,
        last: bool,
    ) -> Flow {
        if reader.kind == ReaderKind::Stdin {
            return self.step_stdin(sys, reader);
        }
        let known = reader.script.as_ref().and_then(|s| s.next(&mut reader.source, self.grammar()));
        let read = known
            .map_or_else(|| super::parser::next_command(&mut reader.source, self.grammar()), Ok);
        match read {
            Ok(None) => {
                if !reader.ran && matches!(reader.kind, ReaderKind::Eval | ReaderKind::Dot) {
                    self.status = 0;
                }
                Flow::Go
            }
            Ok(Some(node)) => {
                reader.ran = true;
                let last = last && reader.source.at_end();
                // ash shows what it reads from files, not what it was given.
                let verbose = self.options.verbose
                    && (self.dialect.is_bash() || self.origin != Origin::CommandString);
                self.frames.push(Frame { kind: FrameKind::Read(reader), tested, last });
                self.run_parsed(sys, &node, tested, last, verbose)
            }
            Err(error) => {
                self.syntax_error(sys, &error, reader.kind);
                Flow::Go
            }
        }
    }

    fn run_parsed(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: &NodeRef,
        tested: bool,
        last: bool,
        verbose: bool,
    ) -> Flow {
        if verbose {
            sys.err(&format!("{}\n", super::print::command(node)));
        }
        self.eval(sys, node, tested, last)
    }

    /// Reads standard input line by line, as its commands may read the rest of it.
    fn step_stdin(&mut self, sys: &mut Sys<'_, '_>, mut reader: Box<Reader>) -> Flow {
        loop {
            let before = reader.source.clone();
            match super::parser::next_command(&mut reader.source, self.grammar()) {
                Ok(Some(node)) if reader.ended || reader.source.text.ends_with('\n') => {
                    reader.ran = true;
                    self.frames.push(Frame::new(FrameKind::Read(reader)));
                    return self.run_parsed(sys, &node, false, false, false);
                }
                Ok(None) if reader.ended => return Flow::Go,
                Ok(_) => reader.source = before,
                Err(error) if reader.ended || !error.is_incomplete() => {
                    self.syntax_error(sys, &error, reader.kind);
                    return Flow::Go;
                }
                Err(_) => reader.source = before,
            }
            let mut line = Vec::new();
            match super::builtins::pause::read_line(sys, 0, &mut line) {
                Ok(None) if line.is_empty() => reader.ended = true,
                Ok(None) => {}
                Ok(Some(wait)) => {
                    reader.source.text =
                        format!("{}{}", reader.source.text, crate::container::text::decode(&line))
                            .into();
                    self.frames.push(Frame::new(FrameKind::Read(reader)));
                    return Flow::Wait(wait);
                }
                Err(_) => reader.ended = true,
            }
            let text = format!("{}{}", reader.source.text, crate::container::text::decode(&line));
            if text.len() > sys.os.limits.script_bytes {
                reader.ended = true;
            }
            reader.source.text = text.into();
        }
    }

    /// Looks at a status that nobody tests: the ERR trap, `set -e`.
    pub(super) fn check_failure(&mut self, sys: &mut Sys<'_, '_>, tested: bool) {
        if self.status == 0 || tested {
            return;
        }
        let exit = self.options.errexit;
        if let Some(action) =
            self.traps.error_action(self.inside_function_or_subshell(), self.options.errtrace)
        {
            if exit {
                self.start_exit(sys, self.status);
            }
            self.push_trap(&action);
        } else if exit {
            self.start_exit(sys, self.status);
        }
    }

    fn inside_function_or_subshell(&self) -> bool {
        self.subshells > 0 || self.rare.calls.iter().any(|c| c.function.is_some())
    }

    /// Ends the shell: everything under way is left, the EXIT trap runs, then the process ends.
    pub(super) fn start_exit(&mut self, sys: &mut Sys<'_, '_>, status: u8) {
        while let Some(frame) = self.frames.pop() {
            self.undo(sys, frame.kind);
        }
        self.status = status;
        self.frames.push(Frame::new(FrameKind::Done(status)));
        if let Some(action) = self.traps.take_exit() {
            // The trap's own `exit` replaces this frame.
            self.push_trap(&action);
        }
    }

    /// Leaves frames up to the loop or function that is meant. Where there is none, nothing happens.
    pub(super) fn leave(&mut self, sys: &mut Sys<'_, '_>, leave: Leave) {
        let mut left = match leave {
            Leave::Break(n) | Leave::Continue(n) => n,
            Leave::Return => 1,
        };
        if !self.has_target(leave) {
            return;
        }
        while let Some(frame) = self.frames.pop() {
            let target = is_target(&frame.kind, leave);
            match leave {
                Leave::Return if target => {
                    // The frame itself puts things back.
                    self.frames.push(frame);
                    if let Some(Frame { kind: FrameKind::Read(_), .. }) = self.frames.last() {
                        self.frames.pop();
                    }
                    return;
                }
                Leave::Break(_) | Leave::Continue(_) if target => {
                    left -= 1;
                    if left == 0 || !self.has_target(leave) {
                        if matches!(leave, Leave::Continue(_)) {
                            self.frames.push(frame);
                        } else {
                            self.status = 0;
                        }
                        return;
                    }
                }
                Leave::Break(_) | Leave::Continue(_) | Leave::Return => self.undo(sys, frame.kind),
            }
        }
    }

    /// Whether there is a frame that `leave` can stop at. Loops around a function call count in ash alone.
    fn has_target(&self, leave: Leave) -> bool {
        let ash = !self.dialect.is_bash();
        let within = |f: &&Frame| {
            ash || matches!(leave, Leave::Return) || !matches!(f.kind, FrameKind::Call(_))
        };
        self.frames.iter().rev().take_while(within).any(|f| is_target(&f.kind, leave))
    }

    /// What has to be put back when a frame is left early.
    pub(super) fn undo(&mut self, sys: &mut Sys<'_, '_>, kind: FrameKind) {
        match kind {
            FrameKind::Restore(saved) => saved.restore(sys),
            FrameKind::Redirect(_, run) => run.undo(sys),
            FrameKind::Simple(run) => self.put_back(sys, run.changed()),
            FrameKind::Ran(changed) => self.put_back(sys, changed),
            FrameKind::Call(call) => self.leave_call(*call),
            FrameKind::Sourced(params) => self.leave_source(params),
            FrameKind::Capture(capture) => sys.close(capture.fd()),
            FrameKind::Boot
            | FrameKind::Start(_)
            | FrameKind::Read(_)
            | FrameKind::List(..)
            | FrameKind::Pair(..)
            | FrameKind::Invert
            | FrameKind::Timed(..)
            | FrameKind::If(_)
            | FrameKind::While(..)
            | FrameKind::ForWords(_)
            | FrameKind::For(..)
            | FrameKind::ArithFor(..)
            | FrameKind::Select(..)
            | FrameKind::Case(_)
            | FrameKind::WaitJob(_)
            | FrameKind::Arith(..)
            | FrameKind::Cond(..)
            | FrameKind::Pause(_)
            | FrameKind::Trap(..)
            | FrameKind::Done(_) => {}
        }
    }
}

/// Whether a frame is what `leave` looks for.
fn is_target(kind: &FrameKind, leave: Leave) -> bool {
    match leave {
        Leave::Break(_) | Leave::Continue(_) => {
            matches!(
                kind,
                FrameKind::While(..)
                    | FrameKind::For(..)
                    | FrameKind::ArithFor(..)
                    | FrameKind::Select(..)
            )
        }
        Leave::Return => matches!(kind, FrameKind::Call(_) | FrameKind::Sourced(_)),
    }
}

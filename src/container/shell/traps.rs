//! Signals and traps.

use std::collections::BTreeMap;

use super::Shell;
use super::dialect::Dialect;
use super::lexer::Source;
use super::machine::{Frame, FrameKind, Reader, ReaderKind, Trapped};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::process::{Signal, SignalSet};
use crate::container::seldom::{Empty, Seldom};

/// What a trap is set for, in the order in which `trap` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Exit,
    Signal(Signal),
    /// bash only.
    Debug,
    Err,
    Return,
}

/// Traps that are set.
#[derive(Clone, Debug, Default)]
struct Tables {
    actions: BTreeMap<Event, Str>,
    /// What the parent had, for `trap` in a substitution.
    inherited: BTreeMap<Event, Str>,
}

impl Empty for Tables {
    fn empty() -> &'static Self {
        static EMPTY: Tables = Tables { actions: BTreeMap::new(), inherited: BTreeMap::new() };
        &EMPTY
    }
}

/// The traps of a shell.
#[derive(Clone, Debug, Default)]
pub(super) struct Traps {
    tables: Seldom<Tables>,
    pending: SignalSet,
    /// Signals ignored since before the shell began; they stay so.
    ignored_at_start: SignalSet,
}

impl Traps {
    /// Signals whose handler runs at the next safe point.
    pub(super) const fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The first of them.
    pub(super) fn first_pending(&self) -> Option<Signal> {
        self.pending.iter().next()
    }

    /// All traps that are set; in a fresh subshell, those of its parent.
    pub(super) fn list(&self) -> &BTreeMap<Event, Str> {
        if self.tables.actions.is_empty() { &self.tables.inherited } else { &self.tables.actions }
    }

    /// Whether no trap is set.
    pub(super) fn are_empty(&self) -> bool {
        self.tables.actions.is_empty()
    }

    /// The action for an event.
    pub(super) fn action(&self, event: Event) -> Option<&Str> {
        self.tables.actions.get(&event)
    }

    /// Sets an action.
    pub(super) fn set(&mut self, event: Event, action: Str) {
        self.tables.inherited.clear();
        self.tables.actions.insert(event, action);
    }

    /// Takes an action away.
    pub(super) fn reset(&mut self, event: Event) {
        if let Some(tables) = self.tables.there() {
            tables.inherited.clear();
            tables.actions.remove(&event);
        }
    }

    /// The EXIT action, which runs once.
    pub(super) fn take_exit(&mut self) -> Option<Str> {
        self.tables.there()?.actions.remove(&Event::Exit)
    }

    /// The ERR action, unless it does not reach into functions and subshells.
    pub(super) fn error_action(&self, inside: bool, errtrace: bool) -> Option<Str> {
        let action = self.tables.actions.get(&Event::Err)?;
        (!inside || errtrace).then(|| action.clone())
    }

    /// A signal that was ignored when the shell began cannot be trapped.
    pub(super) const fn inherit_ignored(&mut self, signal: Signal) {
        self.ignored_at_start.insert(signal);
    }

    /// Whether a signal was ignored when the shell began.
    pub(super) const fn is_ignored_for_good(&self, signal: Signal) -> bool {
        self.ignored_at_start.contains(signal)
    }

    /// Subshells lose handlers but keep what is ignored. ERR and DEBUG are kept here and looked at
    /// only where `set -E` lets them.
    pub(super) fn enter_subshell(&mut self) {
        if let Some(tables) = self.tables.there() {
            if !tables.actions.is_empty() {
                tables.inherited = tables.actions.clone();
            }
            tables.actions.retain(|event, action| match event {
                Event::Signal(_) => action.is_empty(),
                Event::Err => true,
                Event::Exit | Event::Debug | Event::Return => false,
            });
        }
        self.pending = SignalSet::default();
    }

    /// In ash only a substitution tells of the parent's traps, not parentheses.
    pub(super) fn forget_parents(&mut self) {
        if let Some(tables) = self.tables.there() {
            tables.inherited.clear();
        }
    }

    /// What a subshell catches by itself.
    pub(super) fn child_caught(&self, _dialect: Dialect) -> SignalSet {
        let mut set = SignalSet::default();
        set.insert(Signal::CHLD);
        set
    }
}

impl Shell {
    /// Notes the signals that came.
    pub(super) fn hear_signals(&mut self, sys: &mut Sys<'_, '_>) {
        let came = sys.take_signals();
        if came.is_empty() {
            return;
        }
        for signal in came.iter() {
            match self.traps.action(Event::Signal(signal)) {
                Some(action) if !action.is_empty() => self.traps.pending.insert(signal),
                Some(_) => {}
                // bash with an EXIT trap ends by itself, wherever it is.
                None if self.dialect.is_bash()
                    && signal != Signal::CHLD
                    && signal != Signal::INT =>
                {
                    self.start_exit(sys, 128 + signal.number());
                    return;
                }
                // ash's own handling of an interrupt: the shell ends, after the command under way.
                None if signal == Signal::INT && !self.dialect.is_bash() => {
                    self.traps.pending.insert(signal)
                }
                None => {}
            }
        }
    }

    /// Runs a pending trap, if there is one.
    pub(super) fn run_traps(&mut self, sys: &mut Sys<'_, '_>) -> bool {
        let Some(signal) = self.traps.first_pending() else { return false };
        self.traps.pending.remove(signal);
        match self.traps.action(Event::Signal(signal)).cloned() {
            Some(action) => self.push_trap(&action),
            None => self.start_exit(sys, 128 + signal.number()),
        }
        true
    }

    /// Runs the commands of a trap; `$?` is as before afterwards.
    pub(super) fn push_trap(&mut self, action: &str) {
        self.frames.push(Frame::new(FrameKind::Trap(Box::new(Trapped {
            status: self.status,
            pipe_status: self.pipe_status.clone(),
            command: self.current.clone(),
        }))));
        let source = Source::at_line(action, self.line);
        self.frames
            .push(Frame::new(FrameKind::Read(Box::new(Reader::new(source, ReaderKind::Trap)))));
    }

    /// bash's DEBUG trap runs before each command, though not inside functions unless they are traced.
    pub(super) fn debug_trap(&mut self) {
        if !self.dialect.is_bash() || self.traps.are_empty() {
            return;
        }
        let inside = self.rare.calls.iter().any(|c| c.function.is_some());
        if inside && !self.options.functrace
            || self.frames.iter().any(|f| matches!(f.kind, FrameKind::Trap(_)))
        {
            return;
        }
        if let Some(action) = self.traps.action(Event::Debug).cloned() {
            self.push_trap(&action);
        }
    }

    /// Tells the kernel what this shell does with a signal now.
    pub(super) fn update_disposition(&self, sys: &mut Sys<'_, '_>, signal: Signal) {
        let action = self.traps.action(Event::Signal(signal));
        let ignored = action.is_some_and(Str::is_empty);
        let own = signal == Signal::CHLD
            || signal == Signal::INT && !self.dialect.is_bash() && self.subshells == 0;
        let caught = action.is_some_and(|a| !a.is_empty())
            || own && !ignored
            || self.ends_by_itself(signal) && !ignored;
        sys.disposition(signal, caught, ignored);
    }

    /// Whether bash catches a signal only to run its EXIT trap.
    fn ends_by_itself(&self, signal: Signal) -> bool {
        self.dialect.is_bash()
            && self.traps.action(Event::Exit).is_some()
            && matches!(
                signal.name(),
                "HUP" | "TERM" | "ALRM" | "USR1" | "USR2" | "ABRT" | "XCPU" | "PIPE"
            )
    }

    /// Does the same for all that an EXIT trap of bash changes.
    pub(super) fn update_terminating(&self, sys: &mut Sys<'_, '_>) {
        if !self.dialect.is_bash() {
            return;
        }
        for name in ["HUP", "TERM", "ALRM", "USR1", "USR2", "ABRT", "XCPU"] {
            if let Some(signal) = Signal::named(name)
                && !self.traps.is_ignored_for_good(signal)
            {
                self.update_disposition(sys, signal);
            }
        }
    }
}

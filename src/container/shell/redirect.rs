//! Redirections: their expansion, making and undoing.

use std::sync::Arc;

use super::Shell;
use super::ast::{NodeKind, NodeRef, Redirect, RedirectKind, Word};
use super::expand::{Ctx, Expander, Memo, Stop};
use super::machine::{Flow, Frame, FrameKind};
use super::vars::Key;
use crate::container::fs::Errno;
use crate::container::os::{Access, OpenMode, Sys, Target};
use crate::container::process::{Fd, Wait};
use crate::container::seldom::Empty;
use crate::container::text::encode;

/// Descriptors that were replaced, with a copy of what was there.
#[derive(Clone, Debug, Default)]
pub(super) struct Saved {
    fds: Vec<(Fd, Option<Fd>)>,
}

/// Copies are kept here or above.
const SAVE_AT: Fd = 10;

impl Saved {
    /// Keeps a copy of a descriptor that is about to change.
    fn keep(&mut self, sys: &mut Sys<'_, '_>, fd: Fd) {
        if self.fds.iter().any(|(f, _)| *f == fd) {
            return;
        }
        let copy = sys.dup_above(fd, SAVE_AT, true).ok();
        self.fds.push((fd, copy));
    }

    /// Puts everything back.
    pub(super) fn restore(self, sys: &mut Sys<'_, '_>) {
        for (fd, copy) in self.fds.into_iter().rev() {
            match copy {
                Some(copy) => {
                    // The copy was made from an open descriptor.
                    let _moved = sys.dup2(copy, fd);
                    sys.close(copy);
                }
                None => sys.close(fd),
            }
        }
    }

    /// Forgets the copies: the changes stay (`exec`).
    pub(super) fn discard(self, sys: &mut Sys<'_, '_>) {
        for (_, copy) in self.fds {
            if let Some(copy) = copy {
                sys.close(copy);
            }
        }
    }

    /// Puts a descriptor in place of standard input.
    pub(super) fn stdin_from(sys: &mut Sys<'_, '_>, fd: Fd) -> Self {
        let mut saved = Self::default();
        saved.keep(sys, 0);
        // `fd` is the end of a pipe that was just made.
        let _moved = sys.dup2(fd, 0);
        sys.close(fd);
        saved
    }

    /// The copy of standard error before the redirections, for messages about them and traces.
    pub(super) fn stderr(&self) -> Fd {
        self.fds.iter().find(|(fd, _)| *fd == 2).and_then(|(_, copy)| *copy).unwrap_or(2)
    }
}

/// The making of redirections.
#[derive(Clone, Debug, Default)]
pub(super) struct RedirectRun {
    next: usize,
    memo: Vec<Memo>,
    pub(super) saved: Saved,
    /// A named pipe that was opened and waits for its other end.
    waiting: Option<Fd>,
}

impl Empty for RedirectRun {
    fn empty() -> &'static Self {
        static EMPTY: RedirectRun = RedirectRun {
            next: 0,
            memo: Vec::new(),
            saved: Saved { fds: Vec::new() },
            waiting: None,
        };
        &EMPTY
    }
}

/// How making redirections ended.
pub(super) enum Made {
    /// All are made.
    Done,
    /// One failed; the message is out.
    Failed,
    /// They wait for something; the frame is to come back.
    Stop(Stop),
    /// A named pipe waits for its other end.
    Fifo,
}

impl RedirectRun {
    /// Undoes what was made so far.
    pub(super) fn undo(self, sys: &mut Sys<'_, '_>) {
        self.saved.restore(sys);
    }

    /// Takes the result of a substitution.
    pub(super) fn remember(&mut self, memo: Memo) {
        self.memo.push(memo);
    }
}

/// The element of an array that `{name[key]}` before a redirection means.
fn of_array(var: &str) -> Option<(&str, Key)> {
    let (name, key) = var.strip_suffix(']')?.split_once('[')?;
    Some((name, key.parse().map_or_else(|_| Key::Text(key.into()), Key::Number)))
}

impl Shell {
    /// A compound command with redirections: makes them, then runs the command.
    pub(super) fn step_redirect(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: NodeRef,
        mut run: Box<RedirectRun>,
        tested: bool,
    ) -> Flow {
        let NodeKind::Redirected(body, redirects) = &node.kind else { return Flow::Go };
        if let Some(memo) = self.captured.take() {
            run.remember(memo);
        }
        self.line = node.line;
        match self.make_redirects(sys, redirects, &mut run) {
            Made::Done => {
                self.frames.push(Frame {
                    kind: FrameKind::Restore(run.saved),
                    tested,
                    last: false,
                });
                self.eval(sys, body, tested, false)
            }
            Made::Failed => {
                run.undo(sys);
                self.status = 1;
                self.check_failure(sys, tested);
                Flow::Go
            }
            Made::Stop(stop) => {
                self.frames.push(Frame {
                    kind: FrameKind::Redirect(Arc::clone(&node), run),
                    tested,
                    last: false,
                });
                self.serve(sys, stop)
            }
            Made::Fifo => {
                self.frames.push(Frame {
                    kind: FrameKind::Redirect(Arc::clone(&node), run),
                    tested,
                    last: false,
                });
                Flow::Wait(Wait::Fifo)
            }
        }
    }

    /// Makes redirections from where `run` is.
    pub(super) fn make_redirects(
        &mut self,
        sys: &mut Sys<'_, '_>,
        redirects: &[Redirect],
        run: &mut RedirectRun,
    ) -> Made {
        while let Some(redirect) = redirects.get(run.next) {
            if let Some(fd) = run.waiting {
                if !sys.fifo_connected(fd) {
                    return Made::Fifo;
                }
                run.waiting = None;
                self.place(sys, redirect, fd, run);
                run.next += 1;
                continue;
            }
            let text = match self.redirect_text(sys, redirect, &run.memo) {
                Ok(text) => text,
                Err(Stop::Fail(failure)) => {
                    self.report_failure(sys, &failure, None);
                    return Made::Failed;
                }
                Err(stop) => return Made::Stop(stop),
            };
            run.memo.clear();
            match self.make(sys, redirect, &text, run) {
                Ok(true) => return Made::Fifo,
                Ok(false) => run.next += 1,
                Err(message) => {
                    let stderr = run.saved.stderr();
                    // Nobody hears of a failure to complain.
                    let _written = sys.write(stderr, &encode(&message));
                    return Made::Failed;
                }
            }
        }
        Made::Done
    }

    fn redirect_text(
        &mut self,
        sys: &mut Sys<'_, '_>,
        redirect: &Redirect,
        memo: &[Memo],
    ) -> Result<String, Stop> {
        let empty = Word::default();
        let word = match &redirect.kind {
            RedirectKind::Here(slot, _) => slot.get().unwrap_or(&empty),
            RedirectKind::Read(w)
            | RedirectKind::Write(w)
            | RedirectKind::Clobber(w)
            | RedirectKind::Append(w)
            | RedirectKind::Update(w)
            | RedirectKind::DupIn(w)
            | RedirectKind::DupOut(w)
            | RedirectKind::Both(w, _)
            | RedirectKind::HereString(w) => w,
        };
        let mut expander = Expander::new(self, sys, memo);
        let text = expander.text(word, Ctx::PLAIN)?;
        self.vars = expander.vars;
        Ok(text)
    }

    /// Makes one redirection. True when a named pipe has to wait for its other end.
    fn make(
        &mut self,
        sys: &mut Sys<'_, '_>,
        redirect: &Redirect,
        text: &str,
        run: &mut RedirectRun,
    ) -> Result<bool, String> {
        let (mode, creates) = match &redirect.kind {
            RedirectKind::Read(_) => (OpenMode::READ, false),
            RedirectKind::Write(_) | RedirectKind::Both(_, false) => {
                (OpenMode { exclusive: self.options.noclobber, ..OpenMode::WRITE }, true)
            }
            RedirectKind::Clobber(_) => (OpenMode::WRITE, true),
            RedirectKind::Append(_) | RedirectKind::Both(_, true) => (OpenMode::APPEND, true),
            RedirectKind::Update(_) => (OpenMode::UPDATE, true),
            RedirectKind::DupIn(w) | RedirectKind::DupOut(w) => {
                return self.duplicate(sys, redirect, text, &w.raw.clone(), run);
            }
            RedirectKind::Here(..) | RedirectKind::HereString(_) => {
                let mut bytes = encode(text);
                if matches!(redirect.kind, RedirectKind::HereString(_)) {
                    bytes.push(b'\n');
                }
                let fd = sys.install(
                    Target::Bytes(bytes),
                    Access { read: true, ..Access::default() },
                    SAVE_AT,
                );
                self.place(sys, redirect, fd, run);
                return Ok(false);
            }
        };
        self.open(sys, redirect, text, mode, creates, run)
    }

    fn open(
        &mut self,
        sys: &mut Sys<'_, '_>,
        redirect: &Redirect,
        text: &str,
        mode: OpenMode,
        creates: bool,
        run: &mut RedirectRun,
    ) -> Result<bool, String> {
        let network = self.dialect.is_bash().then(|| text.strip_prefix("/dev/tcp/")).flatten();
        let opened = match network {
            Some(address) => {
                return self.open_tcp(sys, redirect, address, text, run).map(|()| false);
            }
            None => sys.open(text, mode, SAVE_AT),
        };
        let fd = opened.map_err(|e| self.open_message(text, e, creates))?;
        if !sys.fifo_connected(fd)
            && matches!(
                redirect.kind,
                RedirectKind::Read(_)
                    | RedirectKind::Write(_)
                    | RedirectKind::Append(_)
                    | RedirectKind::Clobber(_)
            )
        {
            run.waiting = Some(fd);
            return Ok(true);
        }
        self.place(sys, redirect, fd, run);
        Ok(false)
    }

    fn open_tcp(
        &mut self,
        sys: &mut Sys<'_, '_>,
        redirect: &Redirect,
        address: &str,
        text: &str,
        run: &mut RedirectRun,
    ) -> Result<(), String> {
        let (host, port) = address.split_once('/').unwrap_or((address, ""));
        let fd = sys.connect_now(host, port, SAVE_AT).map_err(|e| match e {
            Errno::NoEnt => format!(
                "{0}{host}: Name or service not known\n{0}{text}: Invalid argument\n",
                self.prefix()
            ),
            e => format!("{}: connect: {e}\n{}{text}: {e}\n", self.name, self.prefix()),
        })?;
        self.place(sys, redirect, fd, run);
        Ok(())
    }

    fn open_message(&self, path: &str, e: Errno, creates: bool) -> String {
        let prefix = self.prefix();
        if self.dialect.is_bash() {
            return match e {
                Errno::Exists => format!("{prefix}{path}: cannot overwrite existing file\n"),
                Errno::NoEnt if path.is_empty() => format!("{prefix}: No such file or directory\n"),
                e => format!("{prefix}{path}: {e}\n"),
            };
        }
        match (e, creates) {
            (Errno::NoEnt, true) => format!("{prefix}can't create {path}: nonexistent directory\n"),
            (Errno::NoEnt, false) => format!("{prefix}can't open {path}: no such file\n"),
            (e, true) => format!("{prefix}can't create {path}: {e}\n"),
            (e, false) => format!("{prefix}can't open {path}: {e}\n"),
        }
    }

    /// Moves a newly opened descriptor to where the redirection wants it.
    fn place(&mut self, sys: &mut Sys<'_, '_>, redirect: &Redirect, fd: Fd, run: &mut RedirectRun) {
        if let Some(var) = &redirect.var {
            // `{name}>`: the number goes into the variable and stays open.
            let _set = match of_array(var) {
                Some((array, key)) => self.vars.set_element(array, key, fd.to_string().into()),
                None => self.vars.set(var, fd.to_string()),
            };
            return;
        }
        let default = match &redirect.kind {
            RedirectKind::Read(_)
            | RedirectKind::Update(_)
            | RedirectKind::DupIn(_)
            | RedirectKind::Here(..)
            | RedirectKind::HereString(_) => 0,
            RedirectKind::Write(_)
            | RedirectKind::Clobber(_)
            | RedirectKind::Append(_)
            | RedirectKind::DupOut(_)
            | RedirectKind::Both(..) => 1,
        };
        let to = redirect.fd.unwrap_or(default);
        run.saved.keep(sys, to);
        // `fd` has just been opened.
        let _moved = sys.dup2(fd, to);
        if fd != to {
            sys.close(fd);
        }
        if let RedirectKind::Both(..) = redirect.kind {
            run.saved.keep(sys, 2);
            let _moved = sys.dup2(to, 2);
        }
    }

    /// `>&n`, `<&n`, `>&-`, and bash's `>&file`.
    fn duplicate(
        &mut self,
        sys: &mut Sys<'_, '_>,
        redirect: &Redirect,
        text: &str,
        raw: &str,
        run: &mut RedirectRun,
    ) -> Result<bool, String> {
        let output = matches!(redirect.kind, RedirectKind::DupOut(_));
        let to = redirect.fd.unwrap_or(i32::from(output));
        let (digits, moves) = match text.strip_suffix('-') {
            Some(d) if !d.is_empty() => (d, true),
            _ => (text, false),
        };
        if text == "-" {
            let fd = match &redirect.var {
                Some(var) => {
                    let held = match of_array(var) {
                        Some((array, key)) => self.element(&self.vars, sys, array, Some(&key)),
                        None => self.vars.text(var).cloned(),
                    };
                    held.and_then(|t| t.parse().ok()).unwrap_or(-1)
                }
                None => to,
            };
            if redirect.var.is_none() {
                run.saved.keep(sys, fd);
            }
            sys.close(fd);
            return Ok(false);
        }
        let Ok(from) = digits.parse::<Fd>() else {
            if output && redirect.fd.is_none_or(|fd| fd == 1) {
                let both = Redirect {
                    fd: None,
                    var: None,
                    kind: RedirectKind::Both(Word::literal(text), false),
                };
                return self.open(sys, &both, text, OpenMode::WRITE, true, run);
            }
            let prefix = self.prefix();
            return Err(if self.dialect.is_bash() {
                format!("{prefix}{raw}: ambiguous redirect\n")
            } else {
                format!("{prefix}syntax error: bad fd number\n")
            });
        };
        if !sys.is_open(from) {
            let shown = if self.dialect.is_bash() { raw } else { text };
            return Err(format!("{}{shown}: {}\n", self.prefix(), Errno::BadFd));
        }
        run.saved.keep(sys, to);
        // `from` is open, as was just seen.
        let _moved = sys.dup2(from, to);
        if moves && from != to {
            run.saved.keep(sys, from);
            sys.close(from);
        }
        Ok(false)
    }
}

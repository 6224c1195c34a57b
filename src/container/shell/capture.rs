//! Command and process substitution.

use std::sync::Arc;

use super::Shell;
use super::ast::{CommandSub, Node, NodeKind, NodeRef, RedirectKind, Simple, Word};
use super::expand::{Memo, Stop};
use super::machine::{Flow, Frame, FrameKind};
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::{FdPlan, Program, Sys};
use crate::container::process::{Fd, Pid, Wait};
use crate::container::text::decode;

/// A command substitution under way.
#[derive(Clone, Debug)]
pub(super) struct Capture {
    fd: Fd,
    pid: Pid,
    bytes: Vec<u8>,
    /// Its output has ended; only the process is left.
    ended: bool,
}

impl Capture {
    /// The descriptor that it reads from.
    pub(super) const fn fd(&self) -> Fd {
        self.fd
    }
}

impl Shell {
    /// Does what an expansion stopped for. The frame that expands is on the stack and finds the result
    /// in `captured`.
    pub(super) fn serve(&mut self, sys: &mut Sys<'_, '_>, stop: Stop) -> Flow {
        match stop {
            Stop::Command(sub) => self.start_capture(sys, &sub),
            Stop::Process(sub, write) => self.start_process_substitution(sys, &sub, write),
            Stop::Fail(failure) => {
                // The frame that expands will not come back.
                if let Some(frame) = self.frames.pop() {
                    self.drop_frame(sys, frame);
                }
                self.expansion_failed(sys, &failure);
                Flow::Go
            }
        }
    }

    fn start_capture(&mut self, sys: &mut Sys<'_, '_>, sub: &Arc<CommandSub>) -> Flow {
        let Some(body) = &sub.body else {
            self.captured = Some(Memo::Output(Str::default()));
            self.capture_status = Some(0);
            return Flow::Go;
        };
        let body = if self.dialect.is_bash() {
            whole_file(body).unwrap_or_else(|| Arc::clone(body))
        } else {
            Arc::clone(body)
        };
        let (out, into) = sys.pipe();
        let mut child = self.subshell(Some(body));
        child.jobs = self.jobs.seen_by_substitution();
        if self.dialect.is_bash() && !self.options.inherit_errexit && !self.options.posix {
            child.options.errexit = false;
        }
        let plan = FdPlan { moves: vec![(into, 1)], close: vec![out, into] };
        let forked = sys.fork_with(
            Program::Shell(Box::new(child)),
            &plan,
            self.traps.child_caught(self.dialect),
        );
        sys.close(into);
        match forked {
            Ok(pid) => {
                let capture = Capture { fd: out, pid, bytes: Vec::new(), ended: false };
                self.frames.push(Frame::new(FrameKind::Capture(Box::new(capture))));
            }
            Err(e) => {
                sys.close(out);
                self.fork_failed(sys, e);
                self.captured = Some(Memo::Output(Str::default()));
            }
        }
        Flow::Go
    }

    /// Reads the output of a substitution and waits for its end.
    pub(super) fn step_capture(
        &mut self,
        sys: &mut Sys<'_, '_>,
        mut capture: Box<Capture>,
    ) -> Flow {
        if !capture.ended {
            match sys.read_available(capture.fd, &mut capture.bytes) {
                Ok(Some(wait)) => {
                    self.frames.push(Frame::new(FrameKind::Capture(capture)));
                    return Flow::Wait(wait);
                }
                Ok(None) => {}
                Err(Errno::TooBig) => {
                    let text = format!(
                        "a command substitution gave more than {} bytes (memory_bytes)",
                        sys.os.limits.memory_bytes
                    );
                    sys.complain(text);
                }
                Err(_) => {}
            }
            sys.close(capture.fd);
            capture.ended = true;
        }
        self.reap(sys);
        let Some(ended) = self.jobs.take_loose(capture.pid) else {
            self.frames.push(Frame::new(FrameKind::Capture(capture)));
            return Flow::Wait(Wait::Child(None));
        };
        // In ash `$?` stays what it was until the command is over.
        if self.dialect.is_bash() {
            self.status = ended.code();
        }
        self.capture_status = Some(ended.code());
        let mut bytes = capture.bytes;
        while bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        bytes.retain(|&b| b != 0);
        self.captured = Some(Memo::Output(decode(&bytes).into()));
        Flow::Go
    }

    fn start_process_substitution(
        &mut self,
        sys: &mut Sys<'_, '_>,
        sub: &Arc<CommandSub>,
        write: bool,
    ) -> Flow {
        let (out, into) = sys.pipe();
        let (mine, theirs, at) = if write { (into, out, 0) } else { (out, into, 1) };
        let child = self.subshell(sub.body.clone());
        let plan = FdPlan { moves: vec![(theirs, at)], close: vec![out, into] };
        let forked = sys.fork_with(
            Program::Shell(Box::new(child)),
            &plan,
            self.traps.child_caught(self.dialect),
        );
        sys.close(theirs);
        match forked {
            Ok(pid) => {
                self.jobs.loose(pid);
                // bash counts down from 63.
                let fd = (40..=63).rev().find(|&fd| !sys.is_open(fd)).unwrap_or(64);
                // `mine` has just been opened.
                let _moved = sys.dup2(mine, fd);
                sys.close(mine);
                self.rare.process_fds.push(fd);
                self.captured = Some(Memo::Path(format!("/dev/fd/{fd}").into()));
            }
            Err(e) => {
                self.fork_failed(sys, e);
                self.captured = Some(Memo::Path("/dev/null".into()));
            }
        }
        Flow::Go
    }

    /// Closes the descriptors of process substitutions once their command is done.
    pub(super) fn close_process_fds(&mut self, sys: &mut Sys<'_, '_>) {
        let Some(rare) = self.rare.there() else { return };
        for fd in std::mem::take(&mut rare.process_fds) {
            sys.close(fd);
        }
    }
}

/// `$(<file)` of bash is the content of the file.
fn whole_file(body: &NodeRef) -> Option<NodeRef> {
    let NodeKind::Simple(simple) = &body.kind else { return None };
    let only_read = simple.words.is_empty()
        && simple.assigns.is_empty()
        && matches!(simple.redirects.as_slice(), [r] if matches!(r.kind, RedirectKind::Read(_)) && r.fd.is_none_or(|fd| fd == 0));
    only_read.then(|| {
        let words = vec![Word::literal("command"), Word::literal("-p"), Word::literal("cat")];
        Node::new(body.line, NodeKind::Simple(Simple { words, ..simple.clone() }))
    })
}

//! Built-ins that wait: `read`, `wait`. `sleep` is a program, as in shells built without their own: a
//! signal is acted on when it has ended.

use super::reading::{MapRun, ReadRun};
use crate::container::fs::Errno;
use crate::container::os::{Read, Sys};
use crate::container::process::{Ended, Fd, Pid, Wait};
use crate::container::shell::Shell;
use crate::container::shell::machine::{Flow, Frame, FrameKind};

/// A built-in that waits.
#[derive(Clone, Debug)]
pub(in crate::container::shell) enum Pause {
    /// `read`
    Read(Box<ReadRun>),
    /// `mapfile`
    Map(Box<MapRun>),
    /// `wait` for these, in turn; the status is that of the last.
    Wait(Vec<Pid>, u8),
    /// `wait` for all background jobs.
    WaitAll,
    /// `wait -n`; only these, if any are named.
    WaitAny(Vec<Pid>),
}

/// Reads one byte after the other up to the end of a line, so that the rest stays for others. `None`
/// when a line or the end is there, else what to wait for.
pub(in crate::container::shell) fn read_line(
    sys: &mut Sys<'_, '_>,
    fd: Fd,
    line: &mut Vec<u8>,
) -> Result<Option<Wait>, Errno> {
    loop {
        match sys.read(fd, 1)? {
            Read::Data(bytes) => {
                line.extend_from_slice(&bytes);
                if bytes == b"\n" {
                    return Ok(None);
                }
                if line.len() > sys.os.limits.memory_bytes {
                    return Err(Errno::TooBig);
                }
            }
            Read::End => return Ok(None),
            Read::Later(at) => return Ok(Some(Wait::Readable(fd, at))),
        }
    }
}

impl Shell {
    pub(in crate::container::shell) fn step_pause(
        &mut self,
        sys: &mut Sys<'_, '_>,
        pause: Pause,
    ) -> Flow {
        let again = |shell: &mut Self, pause, wait| {
            shell.frames.push(Frame::new(FrameKind::Pause(Box::new(pause))));
            Flow::Wait(wait)
        };
        match pause {
            Pause::Read(run) => self.step_read(sys, run),
            Pause::Map(run) => self.step_mapfile(sys, run),
            Pause::Wait(mut pids, mut status) => {
                self.reap(sys);
                while let Some(&pid) = pids.first() {
                    match self.child_status(pid) {
                        Some(code) => {
                            status = code;
                            pids.remove(0);
                        }
                        None if self.traps.has_pending() => return self.wait_interrupted(),
                        None => return again(self, Pause::Wait(pids, status), Wait::Child(None)),
                    }
                }
                self.status = status;
                Flow::Go
            }
            Pause::WaitAll => {
                self.reap(sys);
                if !self.jobs.any_running() {
                    self.jobs.waited_for_all(self.dialect.is_bash());
                    self.status = 0;
                    return Flow::Go;
                }
                if self.traps.has_pending() {
                    return self.wait_interrupted();
                }
                again(self, Pause::WaitAll, Wait::Child(None))
            }
            Pause::WaitAny(pids) => self.wait_any(sys, pids),
        }
    }

    fn wait_any(&mut self, sys: &mut Sys<'_, '_>, pids: Vec<Pid>) -> Flow {
        self.reap(sys);
        if pids.is_empty() {
            if let Some(job) = self.jobs.next_done() {
                self.status = job.ended().map_or(0, Ended::code);
                return Flow::Go;
            }
        } else if let Some(code) =
            pids.iter().find_map(|&pid| self.child_status(pid).filter(|_| true))
        {
            self.status = code;
            return Flow::Go;
        }
        if !self.jobs.any_running() {
            self.status = 127;
            return Flow::Go;
        }
        if self.traps.has_pending() {
            return self.wait_interrupted();
        }
        self.frames.push(Frame::new(FrameKind::Pause(Box::new(Pause::WaitAny(pids)))));
        Flow::Wait(Wait::Child(None))
    }

    /// A trapped signal ends `wait` at once.
    fn wait_interrupted(&mut self) -> Flow {
        self.status = self.traps.first_pending().map_or(1, |s| 128 + s.number());
        Flow::Go
    }

    /// The status of a child, once it has ended; 127 for what is no child.
    fn child_status(&mut self, pid: Pid) -> Option<u8> {
        let Some(number) = self.jobs.with_pid(pid) else {
            return Some(self.jobs.remembered(pid).map_or(127, Ended::code));
        };
        let job = self.jobs.all.get(&number)?;
        let ended = job.procs.iter().find(|p| p.0 == pid)?.1?;
        if job.is_done() {
            self.jobs.waited_for(number, self.dialect.is_bash());
        }
        Some(ended.code())
    }
}

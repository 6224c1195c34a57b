//! The seam between a program and the kernel of its container: what a process may wait for, how it
//! ends, and the signals it may get.
//!
//! A program is a plain state machine. The kernel resumes it; it does what it can do at once through
//! [`Sys`](super::os::Sys) (files, pipes, processes, names, all answered without delay) and returns a
//! [`Step`] that says what it waits for, or that it is done. Nothing here is a callback and nothing
//! runs beside anything else, so a container can be printed, cloned and compared at any point.

use std::fmt;

use super::fs::Errno;
use super::os::Program;
use crate::base::time::SimTime;

/// A process id inside one container.
pub type Pid = u32;

/// What a program returns from a resume.
#[derive(Debug)]
pub(crate) enum Step {
    /// It can go on only after this. A wake-up may come early: the program looks again.
    Block(Wait),
    /// It used up its slice; others may run first.
    Yield,
    /// It ended with this status.
    Exit(u8),
    /// It becomes another program (exec).
    Become(Box<Program>),
}

/// What a blocked process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A point in time (sleep, a timeout, a slow answer).
    Until(SimTime),
    /// Bytes or the end of a descriptor, until a point in time if one is given.
    Readable(Fd, Option<SimTime>),
    /// The same of either of two descriptors.
    Either(Fd, Fd, Option<SimTime>),
    /// Room in a descriptor.
    Writable(Fd),
    /// A child that ends, until a point in time if one is given.
    Child(Option<SimTime>),
    /// A change of the network (a server that never answers), until a point in time if one is given.
    Network(Option<SimTime>),
    /// A lock on a file that another process holds, until a point in time if one is given.
    Lock(Option<SimTime>),
    /// The other end of a named pipe that is being opened.
    Fifo,
    /// Nothing but a signal.
    Forever,
    /// It would run on without ever letting time pass; see [`super::Limits::steps_per_instant`].
    Spinning,
}

impl Wait {
    /// When the wait ends by itself.
    pub(crate) const fn deadline(self) -> Option<SimTime> {
        match self {
            Self::Until(at) => Some(at),
            Self::Readable(_, until)
            | Self::Either(_, _, until)
            | Self::Child(until)
            | Self::Network(until)
            | Self::Lock(until) => until,
            Self::Writable(_) | Self::Fifo | Self::Forever | Self::Spinning => None,
        }
    }
}

/// A file descriptor number.
pub(crate) type Fd = i32;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned this status.
    Exit(u8),
    /// This signal ended it.
    Killed(Signal),
}

impl Ended {
    /// The exit code as a shell and the container runtime report it: 128 + the signal's number for
    /// one that a signal ended.
    pub const fn code(self) -> u8 {
        match self {
            Self::Exit(code) => code,
            Self::Killed(signal) => 128 + signal.number(),
        }
    }
}

/// A signal that this kernel knows, by its Linux number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(u8);

/// Names by number, without `SIG`. Index 0 is the shells' `EXIT`.
const NAMES: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
    "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Signal {
    /// Hang-up.
    pub const HUP: Self = Self(1);
    /// Interrupt (Ctrl-C).
    pub const INT: Self = Self(2);
    /// Quit; nginx' and others' graceful stop.
    pub const QUIT: Self = Self(3);
    /// The one that nothing can catch.
    pub const KILL: Self = Self(9);
    /// Free for programs.
    pub const USR1: Self = Self(10);
    /// Write to a pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// An alarm clock.
    pub const ALRM: Self = Self(14);
    /// Please end: what the kubelet sends first.
    pub const TERM: Self = Self(15);
    /// A child ended.
    pub const CHLD: Self = Self(17);
    /// Go on.
    pub const CONT: Self = Self(18);
    /// Halt.
    pub const STOP: Self = Self(19);

    /// The signal with this number, 1 to 31.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 31 { Some(Self(number)) } else { None }
    }

    /// The signal with this name, with or without `SIG`, in capitals (`TERM`, `SIGTERM`).
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix("SIG").unwrap_or(name);
        match name {
            "IOT" => Some(Self(6)),
            "CLD" => Some(Self::CHLD),
            "POLL" => Some(Self(29)),
            _ => (1u8..32).find(|&n| NAMES[usize::from(n)] == name).map(Self),
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its name without `SIG`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Whether a process without a handler goes on when it gets this signal.
    pub(crate) fn ignored_by_default(self) -> bool {
        matches!(self.name(), "CHLD" | "CONT" | "URG" | "WINCH")
    }

    /// Whether a process without a handler stops (and may go on later).
    pub(crate) fn stops_by_default(self) -> bool {
        matches!(self.name(), "STOP" | "TSTP" | "TTIN" | "TTOU")
    }

    /// What a shell prints for a child that this signal ended (`strsignal` of glibc).
    pub(crate) fn description(self) -> &'static str {
        match self.name() {
            "HUP" => "Hangup",
            "INT" => "Interrupt",
            "QUIT" => "Quit",
            "ILL" => "Illegal instruction",
            "TRAP" => "Trace/breakpoint trap",
            "ABRT" => "Aborted",
            "BUS" => "Bus error",
            "FPE" => "Floating point exception",
            "KILL" => "Killed",
            "USR1" => "User defined signal 1",
            "SEGV" => "Segmentation fault",
            "USR2" => "User defined signal 2",
            "PIPE" => "Broken pipe",
            "ALRM" => "Alarm clock",
            "TERM" => "Terminated",
            "STOP" => "Stopped (signal)",
            _ => "Unknown signal",
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignalSet(u32);

impl SignalSet {
    /// Adds one.
    pub(crate) const fn insert(&mut self, signal: Signal) {
        self.0 |= 1 << signal.0;
    }

    /// Takes one out.
    pub(crate) const fn remove(&mut self, signal: Signal) {
        self.0 &= !(1 << signal.0);
    }

    /// Whether it is in.
    pub(crate) const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << signal.0) != 0
    }

    /// Whether none is in.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in it, by number.
    pub(crate) fn iter(self) -> impl Iterator<Item = Signal> {
        (1u8..32).map(Signal).filter(move |s| self.contains(*s))
    }
}

/// Why a program could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExecError {
    /// The file is not there, or not to be executed.
    File(Errno),
    /// The file names an interpreter that is not there.
    Interpreter(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_linux_numbers_and_names() {
        assert_eq!(Signal::named("SIGTERM"), Some(Signal::TERM));
        assert_eq!(Signal::named("USR2").map(Signal::number), Some(12));
        assert_eq!(Signal::named("NOSUCH"), None);
        assert_eq!(Signal::named("EXIT"), None);
        assert_eq!(Ended::Killed(Signal::KILL).code(), 137);
    }
}

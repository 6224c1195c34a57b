//! The kernel of one container: its processes, descriptors, pipes and signals, in virtual time.
//!
//! Like Linux inside a PID namespace, seen from user space:
//!
//! * PID 1 has no default actions: a signal that it neither catches nor ignores does nothing, and a
//!   KILL from inside does nothing either. When it ends, everything ends.
//! * Descriptors name shared open files with one offset; pipes hold 64 KiB; a write without a reader
//!   raises SIGPIPE.
//! * Processes run one at a time, in the order in which they became ready; timers of one instant fire
//!   in the order in which they were set, each followed by everything it makes ready.
//!
//! A process is a [`Program`] (a state machine) and its kernel side ([`Proc`]). The kernel resumes a
//! program with a [`Sys`], through which it reaches files, pipes, processes and the network.
//!
//! A container that shares its processes with others sees theirs as [`Peer`]s, and its own first process has
//! another number than 1 and no protection.
//!
//! Left out: terminals, job control by terminal, real user accounting, priorities.

mod descriptors;
mod etc;
mod file_calls;
mod locks;
mod peers;
mod proc_calls;
mod procfs;
mod socket_calls;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::NslookupStyle;
use super::coreutils::Tool;
use super::environment::Environment;
use super::fs::{Files, NodeId, Volumes, Who};
use super::image::Image;
use super::limits::Limits;
use super::net::sockets::Socket;
use super::net::{Asked, Listener, Network, Request};
use super::planned::Assumption;
use super::process::{Ended, Fd, Pid, Signal, SignalSet, Step, Wait};
use super::seldom::{Empty, Seldom};
use super::shell::Shell;
use super::table::Table;
use crate::base::Str;
use crate::base::rng::{Rng, Stream};
use crate::base::time::SimTime;
pub(crate) use descriptors::PipeId;
pub(crate) use descriptors::{Access, OpenMode, Read, Target};
use descriptors::{FileId, OpenFile, Pipe};
pub(crate) use etc::PATHS as ETC;
pub(crate) use file_calls::Change;
pub use peers::Peer;
pub(crate) use proc_calls::{FORK, FdPlan};
pub(crate) use socket_calls::Connected;

/// A descriptor of a process: which open file, and whether exec closes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle {
    file: FileId,
    close_on_exec: bool,
}

/// What a process runs.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// An interpreter of shell commands.
    Shell(Box<Shell>),
    /// A simulated core utility or other known program.
    Tool(Box<Tool>),
}

impl Program {
    /// The arguments that a process has which runs this as `argv`: a tool shares its own.
    fn arguments(&self, argv: &[Str]) -> Arc<[Str]> {
        match self {
            Self::Tool(tool) if *tool.argv == *argv => Arc::clone(&tool.argv),
            Self::Tool(_) | Self::Shell(_) => argv.into(),
        }
    }

    fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        match self {
            Self::Shell(shell) => shell.resume(sys),
            Self::Tool(tool) => tool.resume(sys),
        }
    }

    /// What it is doing, for people.
    fn describe(&self) -> String {
        match self {
            Self::Shell(shell) => shell.describe(),
            Self::Tool(tool) => tool.describe(),
        }
    }
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    Blocked(Wait),
    Zombie(Ended),
}

/// The kernel's side of a process.
#[derive(Clone, Debug)]
pub(crate) struct Proc {
    pub(crate) parent: Pid,
    pub(crate) group: Pid,
    phase: Phase,
    /// The program, except while it runs.
    program: Option<Program>,
    pub(crate) argv: Arc<[Str]>,
    fds: Table<Fd, Handle>,
    pub(crate) cwd: Str,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) umask: u16,
    caught: SignalSet,
    ignored: SignalSet,
    pending: SignalSet,
    /// A caught signal came while it was blocked.
    interrupted: bool,
    /// It is to end by this signal as soon as it stops running.
    doomed: Option<Signal>,
    stopped: bool,
    unsent: Seldom<Unsent>,
    pub(crate) started: SimTime,
}

/// A file that an unprivileged or an exec'ed program writes its output to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SinkId(pub(crate) u32);

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something written, with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// When.
    pub at: SimTime,
    /// Where to.
    pub stream: OutputStream,
    /// What; not cut at lines.
    pub bytes: Vec<u8>,
}

/// The world around a container while it runs.
#[derive(Debug)]
pub struct World<'w> {
    /// The time.
    pub now: SimTime,
    /// Who can be found and reached.
    pub network: &'w Network,
    /// The volumes that containers mount.
    pub volumes: &'w mut Volumes,
}

/// The kernel of one container.
#[derive(Clone, Debug)]
pub(crate) struct Os {
    pub(crate) files: Files,
    pub(crate) image: &'static Image,
    pub(crate) hostname: Str,
    pub(crate) limits: Arc<Limits>,
    pub(crate) random: Draws,
    pub(crate) pod_ip: Option<Ipv4Addr>,
    pub(crate) namespace: Str,
    /// The files in /etc that the runtime makes are there.
    etc_made: bool,
    pub(crate) nslookup: NslookupStyle,
    procs: Table<Pid, Box<Proc>>,
    next_pid: Pid,
    /// The process with whose end everything ends.
    init: Pid,
    ready: VecDeque<Pid>,
    /// In order.
    timers: Vec<(SimTime, u64, Pid)>,
    timer_seq: u64,
    open: Table<FileId, OpenFile>,
    next_id: u32,
    outputs: Table<SinkId, Vec<Output>>,
    output_len: usize,
    steps_at: SimTime,
    steps: u64,
    pub(crate) rare: Seldom<Rare>,
}

/// What few containers have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    pipes: BTreeMap<PipeId, Pipe>,
    sockets: BTreeMap<u32, Socket>,
    fifos: BTreeMap<NodeId, PipeId>,
    /// Ports that processes of this container listen on, with the listener's queue of connections.
    listeners: BTreeMap<u16, Listening>,
    /// Advisory locks on files, with the open files that hold them and whether exclusively.
    locks: BTreeMap<NodeId, Vec<(FileId, bool)>>,
    requests: Vec<Request>,
    /// What was asked of the network.
    pub(crate) asked: Vec<Asked>,
    /// What stands in /etc/hosts, where it is not what a pod without further names has there.
    hosts: Str,
    /// What stands in /etc/resolv.conf, where it is not what the cluster's DNS asks for.
    resolv: Str,
    /// Processes from outside that have ended.
    ended: Table<Pid, Ended>,
    /// Processes of others that are in sight.
    peers: Vec<Peer>,
    /// Signals that were sent to them.
    sent: Vec<(Pid, Signal)>,
    /// Assumptions that programs of this container made.
    pub(crate) assumptions: Vec<Assumption>,
    /// Bounds that were reached, as text.
    pub(crate) complaints: Vec<String>,
}

impl Empty for Rare {
    fn empty() -> &'static Self {
        static EMPTY: Rare = Rare {
            pipes: BTreeMap::new(),
            sockets: BTreeMap::new(),
            fifos: BTreeMap::new(),
            listeners: BTreeMap::new(),
            locks: BTreeMap::new(),
            requests: Vec::new(),
            asked: Vec::new(),
            hosts: Str::new_static(""),
            resolv: Str::new_static(""),
            ended: Table::new(),
            peers: Vec::new(),
            sent: Vec::new(),
            assumptions: Vec::new(),
            complaints: Vec::new(),
        };
        &EMPTY
    }
}

/// Output of a process that has not gone out yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsent {
    /// What a full pipe did not take; the process runs on only after that.
    backlog: VecDeque<(FileId, Vec<u8>)>,
    /// Buffered standard output of a tool, as stdio keeps it.
    stdio: Vec<u8>,
}

impl Empty for Unsent {
    fn empty() -> &'static Self {
        static EMPTY: Unsent = Unsent { backlog: VecDeque::new(), stdio: Vec::new() };
        &EMPTY
    }
}

/// Where random numbers come from: a stream of the container's own, begun with the first draw.
#[derive(Clone, Debug)]
pub(crate) enum Draws {
    /// Nothing was drawn yet.
    Unused(Rng, Str),
    /// Under way.
    Begun(Box<Stream>),
}

impl Draws {
    /// The draws of the container with this key.
    pub(crate) fn new(rng: Rng, key: &str) -> Self {
        Self::Unused(rng, key.into())
    }

    /// The stream.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        if let Self::Unused(rng, key) = self {
            *self = Self::Begun(Box::new(rng.stream("container", key)));
        }
        match self {
            Self::Begun(stream) => stream,
            Self::Unused(..) => unreachable!("it was just begun"),
        }
    }
}

/// A port that a process listens on.
#[derive(Clone, Debug)]
struct Listening {
    /// Connections that nobody has accepted yet: where bytes come from, and where they go.
    queue: VecDeque<(PipeId, PipeId)>,
    /// How it looks from other pods and from the node.
    shown: Listener,
}

/// What the kernel needs to know of a container that starts.
#[derive(Debug)]
pub(crate) struct Boot {
    pub(crate) files: Files,
    pub(crate) image: &'static Image,
    pub(crate) hostname: Str,
    pub(crate) pod_ip: Option<Ipv4Addr>,
    pub(crate) namespace: Str,
    pub(crate) hosts: Str,
    pub(crate) resolv: Str,
    pub(crate) limits: Arc<Limits>,
    pub(crate) random: Draws,
    pub(crate) nslookup: NslookupStyle,
    pub(crate) first_pid: Pid,
}

/// What the kernel needs to know of a process that comes from outside.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) argv: &'a [Str],
    pub(crate) env: &'a Environment,
    pub(crate) cwd: &'a str,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) stdin: &'a [u8],
}

/// Machine steps of one turn; then others may run.
const SLICE: u32 = 20_000;

impl Os {
    pub(crate) fn boot(boot: Boot) -> Self {
        let mut rare: Seldom<Rare> = Seldom::default();
        if !boot.hosts.is_empty() || !boot.resolv.is_empty() {
            rare.hosts = boot.hosts;
            rare.resolv = boot.resolv;
        }
        Self {
            files: boot.files,
            image: boot.image,
            hostname: boot.hostname,
            limits: boot.limits,
            random: boot.random,
            pod_ip: boot.pod_ip,
            namespace: boot.namespace,
            etc_made: false,
            nslookup: boot.nslookup,
            procs: Table::default(),
            next_pid: boot.first_pid,
            init: boot.first_pid,
            ready: VecDeque::new(),
            timers: Vec::new(),
            timer_seq: 0,
            open: Table::default(),
            next_id: 1,
            outputs: Table::default(),
            output_len: 0,
            steps_at: SimTime::ZERO,
            steps: 0,
            rare,
        }
    }

    /// Runs every process until all are blocked, or PID 1 has ended.
    pub(crate) fn run(&mut self, world: &mut World<'_>) {
        if self.steps_at != world.now {
            self.steps_at = world.now;
            self.steps = 0;
        }
        loop {
            while let Some(pid) = self.ready.pop_front() {
                self.turn(pid, world);
                if self.rare.ended.contains_key(&self.init) {
                    return;
                }
            }
            let Some(&(at, _, pid)) = self.timers.first() else { return };
            if at > world.now {
                return;
            }
            self.timers.remove(0);
            self.wake(pid);
        }
    }

    /// When some process wants to go on by itself.
    pub(crate) fn next_timer(&self) -> Option<SimTime> {
        self.timers.first().map(|t| t.0)
    }

    /// Whether some process waits for the network to change.
    pub(crate) fn waits_for_network(&self) -> bool {
        self.procs.values().any(|p| matches!(p.phase, Phase::Blocked(Wait::Network(_))))
    }

    /// Wakes the processes that wait for the network to change.
    pub(crate) fn network_changed(&mut self) {
        let waiting: Vec<Pid> = self
            .procs
            .iter()
            .filter(|(_, p)| matches!(p.phase, Phase::Blocked(Wait::Network(_))))
            .map(|(&pid, _)| pid)
            .collect();
        for pid in waiting {
            self.wake(pid);
        }
    }

    fn turn(&mut self, pid: Pid, world: &mut World<'_>) {
        let Some(proc) = self.procs.get_mut(&pid) else { return };
        if !matches!(proc.phase, Phase::Ready) || proc.stopped {
            return;
        }
        if self.steps > self.limits.steps_per_instant {
            return self.set_aside(pid);
        }
        if !self.drain_backlog(pid, world) {
            return;
        }
        let Some(proc) = self.procs.get_mut(&pid) else { return };
        let Some(mut program) = proc.program.take() else { return };
        let mut sys = Sys { os: self, world, pid, slice: SLICE };
        let step = program.resume(&mut sys);
        let used = u64::from(SLICE - sys.slice) + 1;
        self.steps += used;
        self.after(pid, program, step, world);
    }

    /// Stops a process that would keep this instant from ending.
    fn set_aside(&mut self, pid: Pid) {
        let text = format!(
            "the container's processes took {} steps without letting time pass and were set aside (a busy loop, steps_per_instant; a real one would use a processor until it is stopped)",
            self.limits.steps_per_instant
        );
        if self.rare.complaints.last() != Some(&text) {
            self.rare.complaints.push(text);
        }
        self.block(pid, Wait::Spinning);
    }

    fn after(&mut self, pid: Pid, program: Program, step: Step, world: &mut World<'_>) {
        let Some(proc) = self.procs.get_mut(&pid) else { return };
        if let Some(signal) = proc.doomed {
            return self.finish(pid, Ended::Killed(signal), world);
        }
        proc.interrupted = false;
        match step {
            Step::Exit(code) => {
                if proc.unsent.backlog.is_empty() {
                    return self.finish(pid, Ended::Exit(code), world);
                }
                // It has written all it will; it ends when the pipe took it.
                proc.program = Some(Program::Tool(Box::new(Tool::ended(code))));
                self.drain_backlog(pid, world);
            }
            Step::Become(next) => {
                proc.program = Some(*next);
                self.ready.push_back(pid);
            }
            Step::Yield => {
                proc.program = Some(program);
                self.ready.push_back(pid);
            }
            Step::Block(wait) => {
                proc.program = Some(program);
                // A signal that came while it ran must not be slept through.
                if !proc.pending.is_empty() {
                    proc.interrupted = true;
                    self.ready.push_back(pid);
                } else {
                    self.block(pid, wait);
                }
            }
        }
    }

    fn block(&mut self, pid: Pid, wait: Wait) {
        if let Some(at) = wait.deadline() {
            self.timer_seq += 1;
            let timer = (at, self.timer_seq, pid);
            if self.timers.is_empty() {
                // Most containers have one at a time.
                self.timers.reserve_exact(1);
            }
            self.timers.insert(self.timers.partition_point(|t| *t < timer), timer);
        }
        if let Some(proc) = self.procs.get_mut(&pid) {
            proc.phase = Phase::Blocked(wait);
        }
    }

    /// Makes a blocked process ready.
    fn wake(&mut self, pid: Pid) {
        let Some(proc) = self.procs.get_mut(&pid) else { return };
        if let Phase::Blocked(wait) = proc.phase {
            proc.phase = Phase::Ready;
            if wait.deadline().is_some() {
                self.timers.retain(|t| t.2 != pid);
            }
            self.ready.push_back(pid);
        }
    }

    /// Sends a signal. `outside` is the container runtime, for which PID 1's protection against
    /// KILL does not hold.
    pub(crate) fn signal(
        &mut self,
        pid: Pid,
        signal: Signal,
        outside: bool,
        world: &mut World<'_>,
    ) {
        let Some(proc) = self.procs.get_mut(&pid) else { return };
        if matches!(proc.phase, Phase::Zombie(_)) {
            return;
        }
        let init = pid == 1;
        if signal == Signal::KILL || signal == Signal::STOP {
            if init && !outside {
                return;
            }
        } else if proc.caught.contains(signal) {
            proc.pending.insert(signal);
            proc.interrupted = true;
            self.wake(pid);
            return;
        } else if signal == Signal::CONT {
            if proc.stopped {
                proc.stopped = false;
                self.ready.push_back(pid);
            }
            return;
        } else if init || proc.ignored.contains(signal) || signal.ignored_by_default() {
            return;
        }
        if signal.stops_by_default() {
            proc.stopped = true;
        } else if proc.program.is_none() {
            // It is running right now and sent the signal to itself.
            proc.doomed = Some(signal);
        } else {
            self.finish(pid, Ended::Killed(signal), world);
        }
    }

    /// Ends a process: its descriptors close, its children go to PID 1, its parent hears of it.
    fn finish(&mut self, pid: Pid, ended: Ended, world: &mut World<'_>) {
        let Some(proc) = self.procs.get_mut(&pid) else { return };
        let parent = proc.parent;
        let fds = std::mem::take(&mut proc.fds);
        if let Some(unsent) = proc.unsent.there() {
            unsent.backlog.clear();
        }
        proc.program = None;
        proc.phase = Phase::Zombie(ended);
        self.timers.retain(|t| t.2 != pid);
        for handle in fds.values() {
            self.release(handle.file);
        }
        let orphans: Vec<Pid> =
            self.procs.iter().filter(|(_, p)| p.parent == pid).map(|(&c, _)| c).collect();
        for child in orphans {
            if matches!(self.procs[&child].phase, Phase::Zombie(_)) {
                self.procs.remove(&child);
            } else if let Some(proc) = self.procs.get_mut(&child) {
                // Nobody waits for it any more; it goes quietly.
                proc.parent = u32::MAX;
            }
        }
        if parent == 0 {
            self.procs.remove(&pid);
            self.rare.ended.insert(pid, ended);
            return;
        }
        let waits = match self.procs.get(&parent) {
            Some(p) => matches!(p.phase, Phase::Blocked(Wait::Child(_))),
            None => {
                self.procs.remove(&pid);
                return;
            }
        };
        self.signal(parent, Signal::CHLD, false, world);
        if waits {
            self.wake(parent);
        }
    }

    /// How a process from outside ended, once it did.
    pub(crate) fn ended(&self, pid: Pid) -> Option<Ended> {
        self.rare.ended.get(&pid).copied()
    }

    /// The same, once.
    pub(crate) fn take_ended(&mut self, pid: Pid) -> Option<Ended> {
        self.rare.there()?.ended.remove(&pid)
    }

    /// Leaves the first number to a program that has no process here.
    pub(crate) const fn reserve_init(&mut self) {
        self.next_pid = self.init + 1;
    }

    /// The number of the process with whose end everything ends.
    pub(crate) const fn init(&self) -> Pid {
        self.init
    }

    /// Takes what was written to a sink.
    pub(crate) fn take_output(&mut self, sink: SinkId) -> Vec<Output> {
        let out = self.outputs.remove(&sink).unwrap_or_default();
        self.output_len -= out.iter().map(|o| o.bytes.len()).sum::<usize>();
        out
    }

    /// Takes the requests that were sent to servers.
    pub(crate) fn take_requests(&mut self) -> Vec<Request> {
        self.rare.there().map(|rare| std::mem::take(&mut rare.requests)).unwrap_or_default()
    }

    /// What every process is doing, PID 1 first, with its number where there are several; what a shell waits for
    /// stands in the shell's own words and is not told again.
    pub(crate) fn describe(&self) -> String {
        let mut told: Vec<(Pid, String)> = Vec::new();
        for (pid, p) in self.procs.iter() {
            let wait = match p.phase {
                Phase::Zombie(_) => continue,
                Phase::Blocked(Wait::Spinning) => " (busy, set aside)",
                Phase::Blocked(_) => "",
                Phase::Ready => " (running)",
            };
            let what = p.program.as_ref().map_or_else(|| "ended".to_owned(), Program::describe);
            let is_told = |(of, words): &(Pid, String)| *of == p.parent && words.contains(&what);
            if !told.iter().any(is_told) {
                told.push((*pid, format!("{what}{wait}")));
            }
        }
        match told.as_slice() {
            [(_, words)] => words.clone(),
            several => several
                .iter()
                .map(|(pid, words)| format!("{pid}: {words}"))
                .collect::<Vec<_>>()
                .join("; "),
        }
    }

    /// Ports that processes listen on, with what answers there.
    pub(crate) fn listening(&self) -> Vec<(u16, Listener)> {
        self.rare.listeners.iter().map(|(&port, l)| (port, l.shown.clone())).collect()
    }

    fn next_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }
}

/// The system calls of one running process.
#[derive(Debug)]
pub(crate) struct Sys<'s, 'w> {
    pub(crate) os: &'s mut Os,
    pub(crate) world: &'s mut World<'w>,
    pub(crate) pid: Pid,
    slice: u32,
}

impl Sys<'_, '_> {
    /// The time.
    pub(crate) const fn now(&self) -> SimTime {
        self.world.now
    }

    /// The kernel's side of this process.
    pub(crate) fn me(&self) -> &Proc {
        &self.os.procs[&self.pid]
    }

    pub(crate) fn me_mut(&mut self) -> &mut Proc {
        self.os.procs.get_mut(&self.pid).expect("a running process is in the table")
    }

    /// Counts a step; false when the turn is over.
    pub(crate) const fn tick(&mut self) -> bool {
        self.slice = self.slice.saturating_sub(1);
        self.slice > 0
    }

    /// Counts `n` steps of work that cannot be interrupted.
    pub(crate) fn work(&mut self, n: usize) {
        self.slice = self.slice.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// Counts `n` steps of heavy work even beyond this turn, so that a loop of it is noticed in time.
    pub(crate) fn heavy_work(&mut self, n: usize) {
        self.os.steps = self.os.steps.saturating_add(n as u64);
    }

    /// Whether this process must return at once: it is to die, or a full pipe holds its output.
    pub(crate) fn must_stop(&self) -> bool {
        let me = self.me();
        me.doomed.is_some() || !me.unsent.backlog.is_empty()
    }

    /// The credentials of file operations.
    pub(crate) fn who(&self) -> Who {
        let me = self.me();
        Who { at: self.world.now, uid: me.uid, gid: me.gid, umask: me.umask }
    }

    /// Names a bound that was reached, for the report.
    pub(crate) fn complain(&mut self, text: String) {
        self.os.rare.complaints.push(text);
    }
}

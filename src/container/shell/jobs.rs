//! Child processes: pipelines, background jobs, waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

use super::Shell;
use super::ast::{NodeRef, Word};
use super::machine::{Flow, Frame, FrameKind};
use super::vars::Value;
use crate::base::Str;
use crate::container::fs::Errno;
use crate::container::os::{FdPlan, OpenMode, Program, Sys};
use crate::container::process::{Ended, Pid, Signal, Wait};
use crate::container::seldom::{Empty, Seldom};
use crate::container::table::Table;

/// A job: the processes of one pipeline.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) procs: SmallVec<[(Pid, Option<Ended>); 1]>,
    what: What,
    pub(super) background: bool,
    /// `wait -n` has told of it.
    told: bool,
    /// `wait` has told of it; ash keeps it until `jobs` has too, or its number is needed.
    waited: bool,
}

/// What a job runs; its text is made when somebody asks.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A command with its words expanded.
    Words(Arc<[Str]>),
    /// A pipeline, a subshell, a background command.
    Node(NodeRef),
}

impl Job {
    /// It as text.
    pub(super) fn text(&self) -> Str {
        match &self.what {
            What::Words(words) => words.join(" ").into(),
            What::Node(node) => super::print::command(node).into(),
        }
    }

    /// Whether all its processes have ended.
    pub(super) fn is_done(&self) -> bool {
        self.procs.iter().all(|(_, e)| e.is_some())
    }

    /// The last process.
    pub(super) fn last_pid(&self) -> Pid {
        self.procs.last().map_or(0, |p| p.0)
    }

    /// How the last process ended.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.procs.last().and_then(|p| p.1)
    }
}

/// The jobs of a shell.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    pub(super) all: Table<u32, Job>,
    aside: Seldom<Aside>,
}

/// What few shells have of jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Aside {
    /// Children that belong to no job (substitutions), ended or not.
    loose: BTreeMap<Pid, Option<Ended>>,
    /// The background jobs of the shell that this one is a substitution of; `jobs` lists them.
    outer: Table<u32, Job>,
    /// How processes ended whose job is gone: `wait` answers again.
    remembered: BTreeMap<Pid, Ended>,
}

impl Empty for Aside {
    fn empty() -> &'static Self {
        static EMPTY: LazyLock<Aside> = LazyLock::new(Aside::default);
        &EMPTY
    }
}

/// Jobs that have ended and that nobody waited for; older ones are forgotten.
const MAX_DONE: usize = 64;

impl Jobs {
    /// Enters a job under the next number.
    pub(super) fn add(&mut self, pids: &[Pid], what: What, background: bool) -> u32 {
        self.all.retain(|_, j| !(j.waited && background));
        let done: Vec<u32> =
            self.all.iter().filter(|(_, j)| j.is_done()).map(|(&n, _)| n).collect();
        if done.len() > MAX_DONE {
            for number in &done[..done.len() - MAX_DONE] {
                self.all.remove(number);
            }
        }
        let number = self.all.keys().next_back().map_or(1, |n| n + 1);
        let procs = pids.iter().map(|&p| (p, None)).collect();
        self.all.insert(number, Job { procs, what, background, told: false, waited: false });
        number
    }

    /// `wait` has told of a job that is done.
    pub(super) fn waited_for(&mut self, number: u32, forget: bool) {
        let Some(job) = self.all.get_mut(&number) else { return };
        job.waited = true;
        let ends: Vec<(Pid, Ended)> = job.procs.iter().filter_map(|p| Some((p.0, p.1?))).collect();
        let killed = matches!(job.ended(), Some(Ended::Killed(_)));
        for (pid, ended) in ends {
            self.aside.remembered.insert(pid, ended);
        }
        while self.aside.remembered.len() > MAX_DONE {
            self.aside.remembered.pop_first();
        }
        // bash still lists what a signal ended.
        if forget && !killed {
            self.all.remove(&number);
        }
    }

    /// `wait` has told of all jobs.
    pub(super) fn waited_for_all(&mut self, forget: bool) {
        let done: Vec<u32> =
            self.all.iter().filter(|(_, j)| j.is_done()).map(|(&n, _)| n).collect();
        for number in done {
            self.waited_for(number, forget);
        }
    }

    /// How a process ended whose job is gone.
    pub(super) fn remembered(&self, pid: Pid) -> Option<Ended> {
        self.aside.remembered.get(&pid).copied()
    }

    /// Records the end of a child.
    fn record(&mut self, pid: Pid, ended: Ended) {
        for job in self.all.values_mut() {
            if let Some(entry) = job.procs.iter_mut().find(|p| p.0 == pid && p.1.is_none()) {
                entry.1 = Some(ended);
                return;
            }
        }
        self.aside.loose.insert(pid, Some(ended));
    }

    /// A child outside of jobs.
    pub(super) fn loose(&mut self, pid: Pid) {
        self.aside.loose.insert(pid, None);
    }

    /// How a child outside of jobs ended, once.
    pub(super) fn take_loose(&mut self, pid: Pid) -> Option<Ended> {
        match self.aside.loose.get(&pid) {
            Some(Some(ended)) => {
                let ended = *ended;
                self.aside.loose.remove(&pid);
                Some(ended)
            }
            Some(None) | None => None,
        }
    }

    /// The job with this process.
    pub(super) fn with_pid(&self, pid: Pid) -> Option<u32> {
        self.all.iter().find(|(_, j)| j.procs.iter().any(|p| p.0 == pid)).map(|(&n, _)| n)
    }

    /// The job that `%1`, `%%`, `%+`, `%-`, `%text` names.
    pub(super) fn named(&self, spec: &str) -> Option<u32> {
        let spec = spec.strip_prefix('%')?;
        let mut recent = self.all.iter().filter(|(_, j)| j.background).rev().map(|(&n, _)| n);
        match spec {
            "" | "%" | "+" => recent.next(),
            "-" => recent.nth(1),
            _ => match spec.parse() {
                Ok(n) => self.all.contains_key(&n).then_some(n),
                Err(_) => {
                    self.all.iter().find(|(_, j)| j.text().starts_with(spec)).map(|(&n, _)| n)
                }
            },
        }
    }

    /// A background job that has ended and that `wait -n` has not told of.
    pub(super) fn next_done(&mut self) -> Option<Job> {
        let number = self
            .all
            .iter()
            .find(|(_, j)| j.background && j.is_done() && !j.told)
            .map(|(&n, _)| n)?;
        self.all.remove(&number)
    }

    /// What `jobs` lists.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = (u32, &Job)> {
        let all = if self.all.is_empty() { &self.aside.outer } else { &self.all };
        all.iter().filter(|(_, j)| j.background).map(|(&n, j)| (n, j))
    }

    /// The jobs that a substitution sees.
    pub(super) fn seen_by_substitution(&self) -> Self {
        let outer = self.all.iter().filter(|(_, j)| j.background);
        let outer: Table<u32, Job> = outer.map(|(&n, j)| (n, j.clone())).collect();
        let mut seen = Self::default();
        if !outer.is_empty() {
            seen.aside.outer = outer;
        }
        seen
    }

    /// Whether background jobs are running.
    pub(super) fn any_running(&self) -> bool {
        self.all.values().any(|j| j.background && !j.is_done())
    }
}

impl Shell {
    /// Hears of children that have ended.
    pub(super) fn reap(&mut self, sys: &mut Sys<'_, '_>) {
        while let Some((pid, ended)) = sys.reap(None) {
            self.jobs.record(pid, ended);
        }
    }

    /// Says that no process could be made.
    pub(super) fn fork_failed(&mut self, sys: &mut Sys<'_, '_>, e: Errno) {
        let text =
            if self.dialect.is_bash() { format!("fork: {e}") } else { format!("can't fork: {e}") };
        self.complain(sys, &text);
        self.status = if self.dialect.is_bash() { 254 } else { 2 };
    }

    pub(super) fn start_pipeline(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: &NodeRef,
        nodes: &[NodeRef],
        tested: bool,
    ) -> Flow {
        let mut pids = Vec::new();
        let mut input = None;
        let lastpipe = self.dialect.is_bash() && self.options.lastpipe;
        for (i, command) in nodes.iter().enumerate() {
            let last = i + 1 == nodes.len();
            if last && lastpipe {
                break;
            }
            let pipe = if last { None } else { Some(sys.pipe()) };
            let mut plan = FdPlan::default();
            if let Some(fd) = input {
                plan.moves.push((fd, 0));
                plan.close.push(fd);
            }
            if let Some((out, into)) = pipe {
                plan.moves.push((into, 1));
                plan.close.extend([out, into]);
            }
            let mut child = self.subshell(Some(Arc::clone(command)));
            child.line = node.line;
            // A simple command fails in the eyes of the pipeline alone; a function's own commands have traps.
            if let super::ast::NodeKind::Simple(simple) = &command.kind
                && !simple
                    .words
                    .first()
                    .and_then(Word::as_literal)
                    .is_some_and(|name| self.functions.contains_key(name))
            {
                child.traps.reset(super::traps::Event::Err);
            }
            if let Some(frame) = child.frames.last_mut() {
                frame.tested = tested;
            }
            let forked = sys.fork_with(
                Program::Shell(Box::new(child)),
                &plan,
                self.traps.child_caught(self.dialect),
            );
            if let Some(fd) = input.take() {
                sys.close(fd);
            }
            if let Some((out, into)) = pipe {
                sys.close(into);
                input = Some(out);
            }
            match forked {
                Ok(pid) => pids.push(pid),
                Err(e) => {
                    self.fork_failed(sys, e);
                    break;
                }
            }
        }
        let job = self.jobs.add(&pids, What::Node(Arc::clone(node)), false);
        self.frames.push(Frame { kind: FrameKind::WaitJob(job), tested, last: false });
        if let (true, Some(fd), Some(command)) = (lastpipe, input, nodes.last()) {
            return self.run_last_of_pipe(sys, fd, command, tested);
        }
        Flow::Go
    }

    /// `lastpipe`: the last command runs in this shell, its input from the pipe.
    fn run_last_of_pipe(
        &mut self,
        sys: &mut Sys<'_, '_>,
        fd: i32,
        command: &NodeRef,
        tested: bool,
    ) -> Flow {
        use super::redirect::Saved;
        let saved = Saved::stdin_from(sys, fd);
        self.frames.push(Frame { kind: FrameKind::Restore(saved), tested, last: false });
        self.eval(sys, command, true, false)
    }

    pub(super) fn start_subshell(
        &mut self,
        sys: &mut Sys<'_, '_>,
        inner: &NodeRef,
        tested: bool,
        last: bool,
    ) -> Flow {
        if last && self.traps.are_empty() {
            self.subshells += 1;
            return self.eval(sys, inner, tested, true);
        }
        let mut child = self.subshell(Some(Arc::clone(inner)));
        if !self.dialect.is_bash() {
            child.traps.forget_parents();
        }
        if let Some(frame) = child.frames.last_mut() {
            frame.tested = tested;
        }
        match sys.fork_with(
            Program::Shell(Box::new(child)),
            &FdPlan::default(),
            self.traps.child_caught(self.dialect),
        ) {
            Ok(pid) => {
                let job = self.jobs.add(&[pid], What::Node(Arc::clone(inner)), false);
                self.frames.push(Frame { kind: FrameKind::WaitJob(job), tested, last: false });
            }
            Err(e) => self.fork_failed(sys, e),
        }
        Flow::Go
    }

    pub(super) fn start_background(&mut self, sys: &mut Sys<'_, '_>, inner: &NodeRef) {
        let mut child = self.subshell(Some(Arc::clone(inner)));
        for signal in [Signal::INT, Signal::QUIT] {
            child.traps.inherit_ignored(signal);
        }
        let null = sys.open("/dev/null", OpenMode::READ, 3).ok();
        let plan = null
            .map_or_else(FdPlan::default, |fd| FdPlan { moves: vec![(fd, 0)], close: vec![fd] });
        let forked = sys.fork_with(
            Program::Shell(Box::new(child)),
            &plan,
            self.traps.child_caught(self.dialect),
        );
        if let Some(fd) = null {
            sys.close(fd);
        }
        match forked {
            Ok(pid) => {
                sys.ignore_in(pid, &[Signal::INT, Signal::QUIT]);
                self.jobs.add(&[pid], What::Node(Arc::clone(inner)), true);
                self.last_background = Some(pid);
                self.status = 0;
            }
            Err(e) => self.fork_failed(sys, e),
        }
    }

    pub(super) fn start_coprocess(&mut self, sys: &mut Sys<'_, '_>, name: &Str, body: &NodeRef) {
        let (in_out, in_into) = sys.pipe();
        let (out_out, out_into) = sys.pipe();
        let child = self.subshell(Some(Arc::clone(body)));
        let plan = FdPlan {
            moves: vec![(in_out, 0), (out_into, 1)],
            close: vec![in_out, in_into, out_out, out_into],
        };
        let forked = sys.fork_with(
            Program::Shell(Box::new(child)),
            &plan,
            self.traps.child_caught(self.dialect),
        );
        sys.close(in_out);
        sys.close(out_into);
        match forked {
            Ok(pid) => {
                // bash keeps the ends out of the way of small numbers.
                let read = sys.dup_above(out_out, 60, true).unwrap_or(out_out);
                let write = sys.dup_above(in_into, 60, true).unwrap_or(in_into);
                sys.close(out_out);
                sys.close(in_into);
                let fds = [(0, Str::from(read.to_string())), (1, Str::from(write.to_string()))];
                self.vars.edit(name).value = Value::Array(fds.into_iter().collect());
                // A read-only variable of that name stays.
                let _set = self.vars.set(&format!("{name}_PID"), pid.to_string());
                self.jobs.add(&[pid], What::Node(Arc::clone(body)), true);
                self.last_background = Some(pid);
                self.status = 0;
            }
            Err(e) => self.fork_failed(sys, e),
        }
    }

    /// Waits for a foreground job.
    pub(super) fn step_wait_job(
        &mut self,
        sys: &mut Sys<'_, '_>,
        number: u32,
        tested: bool,
    ) -> Flow {
        self.reap(sys);
        let Some(job) = self.jobs.all.get(&number) else { return Flow::Go };
        if !job.is_done() {
            self.frames.push(Frame { kind: FrameKind::WaitJob(number), tested, last: false });
            return Flow::Wait(Wait::Child(None));
        }
        let Some(job) = self.jobs.all.remove(&number) else { return Flow::Go };
        let mut codes: Vec<u8> = job.procs.iter().map(|p| p.1.map_or(0, Ended::code)).collect();
        if self.dialect.is_bash() && self.options.lastpipe && job.text().contains('|') {
            codes.push(self.status);
        }
        self.status = codes.last().copied().unwrap_or(self.status);
        if self.options.pipefail {
            self.status = codes.iter().rev().find(|c| **c != 0).copied().unwrap_or(0);
        }
        self.pipe_status = codes.into();
        if let Some(Ended::Killed(signal)) = job.ended() {
            self.announce_death(sys, &job, signal);
        }
        self.check_failure(sys, tested);
        Flow::Go
    }

    /// Says that a signal ended a foreground job.
    fn announce_death(&mut self, sys: &mut Sys<'_, '_>, job: &Job, signal: Signal) {
        if signal == Signal::INT || signal == Signal::PIPE {
            return;
        }
        if self.dialect.is_bash() {
            let text = format!(
                "{}{:>6} {:<23} {}\n",
                self.prefix(),
                job.last_pid(),
                signal.description(),
                job.text()
            );
            sys.err(&text);
        } else {
            sys.err(&format!("{}\n", signal.description()));
        }
    }
}

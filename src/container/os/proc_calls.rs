//! The system calls on processes: start, fork, exec, wait, kill.

use std::sync::Arc;

use super::{Access, Launch, Os, OutputStream, Phase, Proc, Program, Sys, Target, World};
use crate::base::Str;
use crate::container::coreutils::Tool;
use crate::container::environment::Environment;
use crate::container::fs::{Errno, Kind};
use crate::container::os::{Read, SinkId};
use crate::container::process::{Ended, ExecError, Fd, Pid, Signal, SignalSet, Wait};
use crate::container::seldom::Seldom;
use crate::container::shell::{Dialect, Shell};
use crate::container::table::Table;

/// What a forked child does with its descriptors: first the moves, then the closing.
#[derive(Clone, Debug, Default)]
pub(crate) struct FdPlan {
    pub(crate) moves: Vec<(Fd, Fd)>,
    pub(crate) close: Vec<Fd>,
}

/// What a process costs in machine steps, one that cannot be had included: a busy loop that starts programs is
/// noticed as soon as one that does not.
pub(crate) const FORK: usize = 100;

/// Links of `#!` lines that are followed.
const MAX_INTERPRETERS: u32 = 4;

impl Os {
    /// Starts a process from outside the container: PID 1, a probe, a hook. Its output goes to a
    /// sink of its own, named by its pid.
    pub(crate) fn launch(
        &mut self,
        launch: &Launch<'_>,
        world: &mut World<'_>,
    ) -> Result<Pid, ExecError> {
        let pid = self.next_pid;
        self.next_pid += 1;
        let proc = Proc {
            parent: 0,
            group: pid,
            phase: Phase::Ready,
            program: None,
            argv: world.volumes.shared.words(launch.argv),
            fds: Table::with_room(3),
            cwd: launch.cwd.into(),
            uid: launch.uid,
            gid: launch.gid,
            umask: 0o022,
            caught: SignalSet::default(),
            ignored: SignalSet::default(),
            pending: SignalSet::default(),
            interrupted: false,
            doomed: None,
            stopped: false,
            unsent: Seldom::default(),
            started: world.now,
        };
        self.procs.insert(pid, Box::new(proc));
        let mut sys = Sys { os: self, world, pid, slice: super::SLICE };
        let stdin = Target::Bytes(launch.stdin.to_vec());
        sys.install(stdin, Access { read: true, ..Access::default() }, 0);
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            sys.install(
                Target::Sink(SinkId(pid), stream),
                Access { write: true, read: true, append: true },
                1,
            );
        }
        let name = launch.argv.first().map_or("", Str::as_str);
        let found = sys.find_program(name, path_of(launch.env.value("PATH")));
        let loaded = found.and_then(|file| sys.load(&file, launch.argv, launch.env));
        match loaded {
            Ok(program) => {
                sys.me_mut().program = Some(program);
                sys.os.ready.push_back(pid);
                Ok(pid)
            }
            Err(e) => {
                self.procs.remove(&pid);
                Err(e)
            }
        }
    }

    /// Whether a process with this PATH would find a command.
    pub(crate) fn finds(
        &mut self,
        name: &str,
        path: Option<Str>,
        pid: Pid,
        world: &mut World<'_>,
    ) -> bool {
        let sys = Sys { os: self, world, pid, slice: super::SLICE };
        sys.find_program(name, path_of(path.as_ref()))
            .is_ok_and(|file| sys.stat(&file, true).is_ok())
    }

    /// A command from outside that the image is assumed to have.
    pub(crate) fn launch_assumed(&mut self, name: &str, world: &mut World<'_>) -> Option<Pid> {
        let env = Environment::default();
        let launch =
            Launch { argv: &["true".into()], env: &env, cwd: "/", uid: 0, gid: 0, stdin: b"" };
        let pid = self.launch(&launch, world).ok()?;
        let mut sys = Sys { os: self, world, pid, slice: super::SLICE };
        let tool = Tool::assumed(&mut sys, name);
        sys.me_mut().program = Some(Program::Tool(Box::new(tool)));
        Some(pid)
    }
}

fn path_of(set: Option<&Str>) -> &str {
    set.map_or(super::super::image::DEFAULT_PATH, Str::as_str)
}

impl Sys<'_, '_> {
    /// The file that a command name means: itself when it has a slash, else the first executable of
    /// that name along `path`.
    pub(crate) fn find_program(&self, name: &str, path: &str) -> Result<String, ExecError> {
        if name.contains('/') {
            return Ok(name.to_owned());
        }
        if name.is_empty() {
            return Err(ExecError::File(Errno::NoEnt));
        }
        let mut denied = None;
        let mut file = String::with_capacity(path.len() + 1 + name.len());
        for dir in path.split(':') {
            file.clear();
            file.push_str(if dir.is_empty() { "." } else { dir });
            if !file.ends_with('/') {
                file.push('/');
            }
            file.push_str(name);
            let Ok(stat) = self.stat(&file, true) else { continue };
            if stat.kind == '-' {
                if self.os.files.may(self.world.volumes, stat.id, self.who(), 0o1) == Ok(true) {
                    return Ok(file);
                }
                denied = Some(Errno::Access);
            }
        }
        Err(ExecError::File(denied.unwrap_or(Errno::NoEnt)))
    }

    /// The program in a file, ready to run with these arguments.
    pub(crate) fn load(
        &mut self,
        file: &str,
        argv: &[Str],
        env: &Environment,
    ) -> Result<Program, ExecError> {
        let mut file = file.to_owned();
        let mut argv = argv.to_vec();
        for _ in 0..MAX_INTERPRETERS {
            let node = self.node(&file, true).map_err(ExecError::File)?;
            let inode = self.os.files.inode(self.world.volumes, node).map_err(ExecError::File)?;
            if inode.is_dir()
                || !self
                    .os
                    .files
                    .may(self.world.volumes, node, self.who(), 0o1)
                    .map_err(ExecError::File)?
            {
                return Err(ExecError::File(Errno::Access));
            }
            let line = match &inode.kind {
                Kind::Program(name) => {
                    let name = name.clone();
                    return Ok(self.program(&name, &argv, env));
                }
                Kind::File(bytes) if bytes.starts_with(b"#!") => {
                    let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
                    crate::container::text::decode(&bytes[2..end])
                }
                Kind::File(_) => return Err(ExecError::File(Errno::NoExec)),
                Kind::Dir(_) | Kind::Link(_) | Kind::Fifo | Kind::Device(_) => {
                    return Err(ExecError::File(Errno::Access));
                }
            };
            let (interpreter, argument) =
                line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
            let mut new: Vec<Str> = vec![interpreter.into()];
            if !argument.trim().is_empty() {
                new.push(argument.trim().into());
            }
            new.push(file.as_str().into());
            new.extend(argv.iter().skip(1).cloned());
            if self.node(interpreter, true).is_err() {
                return Err(ExecError::Interpreter(interpreter.to_owned()));
            }
            argv = new;
            file = interpreter.to_owned();
        }
        Err(ExecError::File(Errno::Loop))
    }

    /// The same; a file without `#!` is a script of the image's /bin/sh, as `execvp` has it.
    pub(crate) fn load_script(
        &mut self,
        file: &str,
        argv: &[Str],
        env: &Environment,
    ) -> Result<Program, ExecError> {
        match self.load(file, argv, env) {
            Err(ExecError::File(Errno::NoExec)) => {
                let mut arguments: Vec<Str> = vec!["sh".into(), file.into()];
                arguments.extend(argv.iter().skip(1).cloned());
                let shell =
                    Shell::new(self.os.image.sh, &arguments, env, &mut self.world.volumes.shared);
                Ok(Program::Shell(Box::new(shell)))
            }
            loaded => loaded,
        }
    }

    fn program(&mut self, name: &str, argv: &[Str], env: &Environment) -> Program {
        let sh = self.os.image.sh;
        let shared = &mut self.world.volumes.shared;
        let shell = |shared, dialect, argv: &[Str]| {
            Program::Shell(Box::new(Shell::new(dialect, argv, env, shared)))
        };
        match name {
            "sh" | "ash" | "dash" => shell(shared, sh, argv),
            "bash" => shell(shared, Dialect::Bash, argv),
            "busybox" => match argv.get(1).map(Str::as_str) {
                Some("sh" | "ash") => shell(shared, Dialect::Ash, &argv[1..]),
                Some(applet) if Tool::is_known(applet) => {
                    Program::Tool(Box::new(Tool::new(applet, shared.words(&argv[1..]), env)))
                }
                _ => Program::Tool(Box::new(Tool::new("busybox", shared.words(argv), env))),
            },
            _ => Program::Tool(Box::new(Tool::new(name, shared.words(argv), env))),
        }
    }

    /// Resets what exec resets: caught signals, descriptors marked so, buffered output.
    pub(crate) fn prepare_exec(&mut self, argv: &[Str]) {
        let me = self.me_mut();
        me.argv = argv.into();
        me.caught = SignalSet::default();
        me.pending = SignalSet::default();
        me.unsent.clear();
        let closing: Vec<Fd> =
            me.fds.iter().filter(|(_, h)| h.close_on_exec).map(|(&fd, _)| fd).collect();
        for fd in closing {
            self.close(fd);
        }
    }

    /// A child that runs `program` with copies of this process' descriptors. With `exec`, what
    /// exec resets is reset in it.
    pub(crate) fn fork(&mut self, program: Program, exec: Option<&[Str]>) -> Result<Pid, Errno> {
        if self.os.procs.len() >= self.os.limits.processes {
            let text = format!(
                "the container has {} processes (processes); fork failed",
                self.os.limits.processes
            );
            self.complain(text);
            return Err(Errno::Again);
        }
        let pid = self.os.next_pid;
        self.os.next_pid += 1;
        let me = self.me();
        let fds = me.fds.filtered(|h| exec.is_none() || !h.close_on_exec);
        let child = Proc {
            parent: self.pid,
            group: me.group,
            phase: Phase::Ready,
            argv: exec.map_or_else(|| Arc::clone(&me.argv), |argv| program.arguments(argv)),
            program: Some(program),
            fds,
            cwd: me.cwd.clone(),
            uid: me.uid,
            gid: me.gid,
            umask: me.umask,
            caught: if exec.is_some() { SignalSet::default() } else { me.caught },
            ignored: me.ignored,
            pending: SignalSet::default(),
            interrupted: false,
            doomed: None,
            stopped: false,
            unsent: Seldom::default(),
            started: self.world.now,
        };
        let files: Vec<_> = child.fds.values().map(|h| h.file).collect();
        for file in files {
            self.os.retain(file);
        }
        self.os.procs.insert(pid, Box::new(child));
        self.os.ready.push_back(pid);
        self.work(FORK);
        Ok(pid)
    }

    /// A forked copy of this process with its descriptors changed.
    pub(crate) fn fork_with(
        &mut self,
        program: Program,
        plan: &FdPlan,
        caught: SignalSet,
    ) -> Result<Pid, Errno> {
        let pid = self.fork(program, None)?;
        let parent = std::mem::replace(&mut self.pid, pid);
        for &(from, to) in &plan.moves {
            // The plan names descriptors that the parent has just opened.
            let _moved = self.dup2(from, to);
        }
        for &fd in &plan.close {
            self.close(fd);
        }
        self.me_mut().caught = caught;
        self.pid = parent;
        Ok(pid)
    }

    /// Starts a process that belongs to nobody, holds no descriptor and is no one's group, as a daemon does that
    /// forks twice.
    pub(crate) fn stand_aside(&mut self, program: Program) -> Result<Pid, Errno> {
        // The child between the two is gone at once, but has had its number.
        self.os.next_pid += 1;
        let pid = self.fork(program, None)?;
        let fds = match self.os.procs.get_mut(&pid) {
            Some(proc) => {
                proc.parent = u32::MAX;
                proc.group = pid;
                proc.caught = SignalSet::default();
                std::mem::take(&mut proc.fds)
            }
            None => return Err(Errno::Again),
        };
        for handle in fds.values() {
            self.os.release(handle.file);
        }
        Ok(pid)
    }

    /// Makes a process the first of a group of its own.
    pub(crate) fn set_group(&mut self, pid: Pid) {
        if let Some(proc) = self.os.procs.get_mut(&pid) {
            proc.group = pid;
        }
    }

    /// Makes a child ignore signals (a background job).
    pub(crate) fn ignore_in(&mut self, pid: Pid, signals: &[Signal]) {
        if let Some(proc) = self.os.procs.get_mut(&pid) {
            for &signal in signals {
                proc.caught.remove(signal);
                proc.ignored.insert(signal);
            }
        }
    }

    /// The home directory of a user by number.
    pub(crate) fn home_of(&mut self, uid: u32) -> Option<String> {
        self.passwd(|fields| fields.get(2).and_then(|f| f.parse().ok()) == Some(uid))
            .and_then(|f| f.get(5).cloned())
    }

    /// The home directory of a user by name.
    pub(crate) fn home_of_user(&mut self, name: &str) -> Option<String> {
        self.passwd(|fields| fields.first().is_some_and(|f| f == name))
            .and_then(|f| f.get(5).cloned())
    }

    /// The fields of the first line of /etc/passwd that fits.
    pub(crate) fn passwd(&mut self, fits: impl Fn(&[String]) -> bool) -> Option<Vec<String>> {
        self.lines_of("/etc/passwd", fits)
    }

    /// The same of /etc/group.
    pub(crate) fn group(&mut self, fits: impl Fn(&[String]) -> bool) -> Option<Vec<String>> {
        self.lines_of("/etc/group", fits)
    }

    fn lines_of(&mut self, path: &str, fits: impl Fn(&[String]) -> bool) -> Option<Vec<String>> {
        let text = String::from_utf8_lossy(&self.content(path).ok()?).into_owned();
        text.lines().map(|l| l.split(':').map(str::to_owned).collect::<Vec<_>>()).find(|f| fits(f))
    }

    /// A child that has ended, any or a certain one; it is gone from the table after that.
    pub(crate) fn reap(&mut self, pid: Option<Pid>) -> Option<(Pid, Ended)> {
        let me = self.pid;
        let found = self.os.procs.iter().find_map(|(&p, proc)| match proc.phase {
            Phase::Zombie(ended) if proc.parent == me && pid.is_none_or(|want| want == p) => {
                Some((p, ended))
            }
            Phase::Zombie(_) | Phase::Ready | Phase::Blocked(_) => None,
        });
        if let Some((pid, _)) = found {
            self.os.procs.remove(&pid);
        }
        found
    }

    /// Sends a signal to a process, `None` for a mere look whether it is there.
    pub(crate) fn kill(&mut self, pid: Pid, signal: Option<Signal>) -> Result<(), Errno> {
        let Some(target) = self.os.procs.get(&pid) else { return self.kill_peer(pid, signal) };
        let me = self.me();
        if me.uid != 0 && me.uid != target.uid {
            return Err(Errno::Perm);
        }
        if let Some(signal) = signal {
            self.os.signal(pid, signal, false, self.world);
        }
        Ok(())
    }

    /// Sends a signal to all processes of a group.
    pub(crate) fn kill_group(&mut self, group: Pid, signal: Option<Signal>) -> Result<(), Errno> {
        let members: Vec<Pid> =
            self.os.procs.iter().filter(|(_, p)| p.group == group).map(|(&pid, _)| pid).collect();
        if members.is_empty() {
            return Err(Errno::NoProcess);
        }
        for pid in members {
            self.kill(pid, signal)?;
        }
        Ok(())
    }

    /// All processes in sight but zombies: pid, parent, arguments.
    pub(crate) fn processes(&self) -> Vec<(Pid, Pid, Arc<[Str]>)> {
        let own = self.os.shown().map(|p| (p.pid, p.parent, p.argv));
        let others = self.os.rare.peers.iter().map(|p| (p.pid, p.parent, Arc::clone(&p.argv)));
        let mut all: Vec<_> = own.chain(others).collect();
        all.sort_by_key(|(pid, ..)| *pid);
        all
    }

    /// The arguments of a process; none of one that is not there.
    pub(crate) fn arguments_of(&self, pid: Pid) -> Arc<[Str]> {
        let own = self.os.procs.get(&pid).map(|p| &p.argv);
        own.or_else(|| self.peer(pid).map(|p| &p.argv)).map(Arc::clone).unwrap_or_default()
    }

    /// The owner and start of a process.
    pub(crate) fn process_facts(&self, pid: Pid) -> Option<(u32, crate::base::time::SimTime)> {
        let own = self.os.procs.get(&pid).map(|p| (p.uid, p.started));
        own.or_else(|| self.peer(pid).map(|p| (p.uid, p.started)))
    }

    /// Sets what this process does with a signal: catch it, ignore it, or neither.
    pub(crate) fn disposition(&mut self, signal: Signal, caught: bool, ignored: bool) {
        let me = self.me_mut();
        me.caught.remove(signal);
        me.ignored.remove(signal);
        if caught {
            me.caught.insert(signal);
        } else if ignored {
            me.ignored.insert(signal);
        }
    }

    /// Whether this process ignores a signal.
    pub(crate) fn ignores(&self, signal: Signal) -> bool {
        self.me().ignored.contains(signal)
    }

    /// Takes the caught signals that came since the last call.
    pub(crate) fn take_signals(&mut self) -> SignalSet {
        std::mem::take(&mut self.me_mut().pending)
    }

    /// Reads everything there is now; true at the end of the input.
    pub(crate) fn read_available(
        &mut self,
        fd: Fd,
        out: &mut Vec<u8>,
    ) -> Result<Option<Wait>, Errno> {
        loop {
            match self.read(fd, 1 << 16)? {
                Read::Data(d) => out.extend_from_slice(&d),
                Read::End => return Ok(None),
                Read::Later(at) => return Ok(Some(Wait::Readable(fd, at))),
            }
            if out.len() > self.os.limits.memory_bytes {
                return Err(Errno::TooBig);
            }
        }
    }
}

//! What runs inside a container: a small operating system in virtual time.
//!
//! A [`Container`] is started from a [`StartSpec`], run whenever its time has come, signalled, and asked to run
//! further commands (probes, hooks). Its owner, the node agent, passes the [`World`] around it: the time, the
//! [`Network`] that names and connections are answered from, and the [`Volumes`] that its mounts lead to. Nothing of it
//! runs on the host, nothing waits, and it can be cloned at any point.
//!
//! ```text
//! let mut c = Container::start(&spec, &mut world)?;    // or a StartError with the runtime's text
//! loop {
//!     let progress = c.run(&mut world);                // all processes until they are blocked
//!     progress.output                                  // what was written, with times
//!     progress.ended                                   // PID 1 is gone
//!     progress.wake                                    // run it again then, at the latest
//! }
//! c.signal(Signal::TERM, &mut world);                  // then run() again
//! let probe = c.exec(&spec, &argv, &mut world)?;       // beside PID 1; run() drives it too
//! c.exec_result(probe)                                 // Some once it has ended
//! ```
//!
//! Two kinds of programs stand behind it. Shells and the core utilities are really interpreted (`os`, `shell`,
//! `coreutils`, `fs`, `net`). Known services and programs that are not known are [planned](planned): a catalogued or
//! assumed behaviour that costs one timer and no memory to speak of. Every assumption is reported.
//!
//! Bounds are in [`Limits`]. Reaching one fails the script's command with an error that names the bound, and is in
//! [`Container::complaints`].

pub mod behavior;
pub mod catalogue;
mod coreutils;
pub mod corpus;
mod environment;
mod fs;
mod image;
mod limits;
mod net;
mod os;
mod outside;
pub mod planned;
mod process;
mod regex;
mod seldom;
mod shared;
mod shell;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use environment::{CommonVariables, Parts, merge};
pub use fs::{Errno, Ino, Mount, Thing, Tree, TreeError, Unmade, VolumeId, Volumes};
pub use limits::Limits;
pub use net::{
    Asked, DnsAnswer, DnsRecord, HttpReply, HttpRule, Listener, Met, Network, Question, Request,
    TcpServer,
};
pub use os::{Output, OutputStream, Peer, World};
pub use outside::{Dialled, ImageUser, dial, entrypoint, image_user, is_planned, stop_signal};
pub use planned::Assumption;
pub use process::{Ended, Pid, Signal};

use environment::Environment;
use fs::Files;
use os::{Boot, Draws, Launch, Os, SinkId};
use planned::Planned;
use process::ExecError;

use crate::base::Str;
use crate::base::rng::Rng;
use crate::base::time::SimTime;

/// How `nslookup` of an image treats a name without dots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NslookupStyle {
    /// It asks every search domain, prints every answer, and fails if one is missing (busybox 1.36).
    #[default]
    EveryDomain,
    /// It stops at the first domain that has the name, also for names with dots.
    FirstMatch,
}

/// The environment of a container. Most programs look at one variable or none, and of what tells of Services there
/// may be hundreds: all of them are only written out where they are needed.
pub trait Variables: std::fmt::Debug {
    /// The value of a variable.
    fn get(&self, name: &str) -> Option<Str>;
    /// All of them, each once.
    fn all(&self) -> Vec<(Str, Str)>;

    /// The same by where they come from, where that is known.
    fn parts(&self) -> Option<Parts> {
        None
    }
}

impl Variables for Vec<(Str, Str)> {
    fn get(&self, name: &str) -> Option<Str> {
        self.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn all(&self) -> Vec<(Str, Str)> {
        self.clone()
    }
}

impl<const N: usize> Variables for [(Str, Str); N] {
    fn get(&self, name: &str) -> Option<Str> {
        self.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn all(&self) -> Vec<(Str, Str)> {
        self.to_vec()
    }
}

/// What a container is started with. The same is needed to run further commands in it.
#[derive(Clone, Debug)]
pub struct StartSpec<'a> {
    /// The image's name.
    pub image: &'a str,
    /// Command and arguments; `None` for the image's own.
    pub argv: Option<&'a [Str]>,
    /// The whole environment.
    pub env: &'a dyn Variables,
    /// The working directory; `/` where nothing is said.
    pub cwd: &'a str,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The name of the host inside, which is mostly that of the pod.
    pub hostname: &'a str,
    /// What stands in /etc/hosts; empty for what a pod without further names has there.
    pub hosts: &'a str,
    /// What stands in /etc/resolv.conf; empty for what the cluster's DNS asks for.
    pub resolv: &'a str,
    /// The pod's address, if it has one.
    pub pod_ip: Option<std::net::Ipv4Addr>,
    /// The pod's namespace, which begins the DNS search list.
    pub namespace: &'a str,
    /// Volumes, outer ones first.
    pub mounts: &'a [Mount],
    /// What PID 1 reads on standard input.
    pub stdin: &'a [u8],
    /// Whether the container is to run until it is stopped (its restart policy is Always), for programs that are
    /// not known.
    pub service: bool,
    /// What the user tells of the program, and how often it was started before.
    pub behavior: Option<(&'a behavior::Behavior, u32)>,
    /// The bounds.
    pub limits: Limits,
    /// Where `$RANDOM`, `mktemp` and /dev/urandom draw from, with a key that is the container's own.
    pub random: (Rng, &'a str),
    /// How `nslookup` follows the search list.
    pub nslookup: NslookupStyle,
    /// The number of its first process: 1 where it shares its processes with nobody.
    pub first_pid: Pid,
}

impl Default for StartSpec<'_> {
    /// A container without an image, alone in its pod: what a caller does not care about.
    fn default() -> Self {
        Self {
            image: "",
            argv: None,
            env: &[] as &[(Str, Str); 0],
            cwd: "/",
            uid: 0,
            gid: 0,
            hostname: "pod-0",
            hosts: "",
            resolv: "",
            pod_ip: None,
            namespace: "default",
            mounts: &[],
            stdin: b"",
            service: false,
            behavior: None,
            limits: Limits::default(),
            random: (Rng::new(1), ""),
            nslookup: NslookupStyle::default(),
            first_pid: 1,
        }
    }
}

/// Why a container's program, or a further command, could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no such file.
    #[error("{}", not_found(program))]
    ExecutableNotFound {
        /// As written in the command.
        program: Str,
    },
    /// The file may not be executed, or is a directory.
    #[error("exec: \"{program}\": permission denied")]
    PermissionDenied {
        /// As written in the command.
        program: Str,
    },
    /// The file is no program and names no interpreter.
    #[error("exec {program}: exec format error")]
    NotAProgram {
        /// As written in the command.
        program: Str,
    },
    /// There is no command.
    #[error("no command specified")]
    NoCommand,
    /// The working directory cannot be made.
    #[error("mkdir {path}: {cause}")]
    WorkingDirectory {
        /// As given.
        path: Str,
        /// Why not.
        cause: Errno,
    },
}

fn not_found(program: &str) -> String {
    if program.contains('/') {
        format!("exec: \"{program}\": stat {program}: no such file or directory")
    } else {
        format!("exec: \"{program}\": executable file not found in $PATH")
    }
}

impl StartError {
    /// The message of a container's status, as containerd and runc word it.
    pub fn runtime_message(&self) -> String {
        format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: {self}"
        )
    }
}

/// What happened in a run.
#[derive(Debug, Default)]
pub struct Progress {
    /// What the program wrote.
    pub output: Vec<Output>,
    /// Requests that were sent to servers.
    pub requests: Vec<Request>,
    /// How PID 1 ended; the container is then over.
    pub ended: Option<Ended>,
    /// When it wants to run again, if nothing else happens.
    pub wake: Option<SimTime>,
    /// Whether it should also be run when the network changes: a process waits for a server.
    pub waits_for_network: bool,
}

/// A command that runs beside a container's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecId(Pid);

/// How such a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecResult {
    /// Its end.
    pub ended: Ended,
    /// What it wrote.
    pub output: Vec<Output>,
}

/// A container that was started.
#[derive(Clone, Debug)]
pub struct Container {
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// Nothing was run in it yet.
    Planned { planned: Planned, told: bool, assumption: Option<Box<Assumption>> },
    /// It has processes.
    Live(Box<Live>),
}

#[derive(Clone, Debug)]
struct Live {
    os: Os,
    /// The program, if it is a planned one; the processes are then all from further commands.
    planned: Option<Box<Planned>>,
    told: bool,
}

impl Container {
    /// Starts a container.
    ///
    /// # Errors
    /// When there is no such program; the container's state then is what [`StartError::runtime_message`] says.
    pub fn start(spec: &StartSpec<'_>, world: &mut World<'_>) -> Result<Self, StartError> {
        Self::start_with(spec, world, None)
    }

    /// The same, with further files in the container.
    fn start_with(
        spec: &StartSpec<'_>,
        world: &mut World<'_>,
        prepare: Option<&mut dyn FnMut(&mut Tree)>,
    ) -> Result<Self, StartError> {
        let image = image::image(spec.image);
        let service = catalogue::by_image(spec.image);
        let plan = |planned, assumption| {
            Ok(Self { body: Body::Planned { planned, told: false, assumption: boxed(assumption) } })
        };
        if let Some((told, attempt)) = spec.behavior.filter(|(b, _)| b.tells_program()) {
            let (rng, key) = spec.random;
            let mut stream = rng.stream("behavior", key);
            let program = told.program(service, spec.service, attempt, &mut stream);
            let image = Str::from(spec.image);
            let length = told.assumes_length(&program).then_some(Assumption::Length { image });
            return plan(Planned::told(program, world.now), length);
        }
        let argv: Vec<Str> = match (spec.argv, service) {
            (None, Some(service)) => {
                return plan(Planned::service(service, spec.env, world.now), None);
            }
            (None, None) => match image::default_command(spec.image) {
                Some(argv) => argv.iter().map(|&a| a.into()).collect(),
                None if image.complete => return Err(StartError::NoCommand),
                None => return Self::assume(spec, world.now),
            },
            (Some([]), _) => return Err(StartError::NoCommand),
            (Some(argv), _) => argv.to_vec(),
        };
        if let Some(service) = catalogue::by_command(&argv)
            && !image.complete
        {
            return plan(Planned::service(service, spec.env, world.now), None);
        }
        let inner = if image.complete { None } else { coreutils::wrappers::inner(&argv) };
        if let Some(service) = inner.and_then(catalogue::by_command) {
            return plan(Planned::service(service, spec.env, world.now), None);
        }
        let wrapped = inner.map(|argv| argv[0].clone());
        let server = if image.complete { None } else { catalogue::http_server(&argv) };
        let argv = server.unwrap_or(argv);
        let mut os = boot(spec, world);
        if let Some(prepare) = prepare {
            os.make_etc(world);
            prepare(&mut os.files.own);
        }
        if let Err(cause) = os.make_directory(spec.cwd, world) {
            return Err(StartError::WorkingDirectory { path: spec.cwd.into(), cause });
        }
        match launch(&mut os, spec, &argv, spec.stdin, world) {
            // What stands behind an init is not known, and so neither is the whole.
            Ok(pid)
                if wrapped
                    .is_some_and(|name| !os.finds(&name, spec.env.get("PATH"), pid, world)) =>
            {
                Self::assume(spec, world.now)
            }
            Ok(_) => {
                Ok(Self { body: Body::Live(Box::new(Live { os, planned: None, told: true })) })
            }
            Err(ExecError::File(Errno::NoEnt)) if !image.complete => Self::assume(spec, world.now),
            Err(error) => Err(start_error(&argv, &error)),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the outcomes of start")]
    fn assume(spec: &StartSpec<'_>, now: SimTime) -> Result<Self, StartError> {
        let image = Str::from(spec.image);
        let assumption =
            if spec.service { Assumption::Service { image } } else { Assumption::Task { image } };
        let planned = Planned::assumed(spec.service, now);
        let assumption = boxed(Some(assumption));
        Ok(Self { body: Body::Planned { planned, told: false, assumption } })
    }

    /// Runs every process until all are blocked, and tells what happened since the last run. Output of further
    /// commands is not in it; see [`Container::exec_result`].
    pub fn run(&mut self, world: &mut World<'_>) -> Progress {
        let now = world.now;
        match &mut self.body {
            Body::Planned { planned, told, .. } => {
                let output = first_words(planned, told, now);
                Progress {
                    output,
                    ended: planned.ended(now),
                    wake: planned.next(now),
                    ..Progress::default()
                }
            }
            Body::Live(live) => {
                live.os.run(world);
                let mut progress = Progress {
                    output: live.os.take_output(SinkId(live.os.init())),
                    requests: live.os.take_requests(),
                    ended: live.os.ended(live.os.init()),
                    wake: live.os.next_timer(),
                    waits_for_network: live.os.waits_for_network(),
                };
                if let Some(planned) = &mut live.planned {
                    progress.output.extend(first_words(planned, &mut live.told, now));
                    progress.ended = planned.ended(now);
                    progress.wake = [progress.wake, planned.next(now)].into_iter().flatten().min();
                }
                progress
            }
        }
    }

    /// Tells the container that the network has changed; it then has to be run.
    pub fn network_changed(&mut self) {
        if let Body::Live(live) = &mut self.body {
            live.os.network_changed();
        }
    }

    /// Sends a signal to PID 1 as the container runtime does; the container then has to be run.
    pub fn signal(&mut self, signal: Signal, world: &mut World<'_>) {
        match &mut self.body {
            Body::Planned { planned, .. } => planned.signal(signal, world.now),
            Body::Live(live) => match &mut live.planned {
                Some(planned) => planned.signal(signal, world.now),
                None => live.os.signal(live.os.init(), signal, true, world),
            },
        }
    }

    /// The processes that others see of it: those that it has, and its program `argv` where that is a planned
    /// one and has none. `first` is the number of that.
    pub fn processes(&self, first: Pid, argv: &[Str], since: SimTime) -> Vec<Peer> {
        let program = || Peer { pid: first, parent: 0, uid: 0, started: since, argv: argv.into() };
        match &self.body {
            Body::Planned { .. } => vec![program()],
            Body::Live(live) => {
                let planned = live.planned.is_some().then(program);
                planned.into_iter().chain(live.os.shown()).collect()
            }
        }
    }

    /// Whether its program is a planned one that has no process among those that it has.
    pub fn hides_program(&self) -> bool {
        matches!(&self.body, Body::Live(live) if live.planned.is_some())
    }

    /// What processes of others it sees from now on, and that numbers below `next` are taken.
    pub fn see(&mut self, others: Vec<Peer>, next: Pid) {
        if let Body::Live(live) = &mut self.body {
            live.os.see(others);
            live.os.number_from(next);
        }
    }

    /// The number that its next process has at least; `first` is that of its first one.
    pub fn next_pid(&self, first: Pid) -> Pid {
        match &self.body {
            Body::Planned { .. } => first + 1,
            Body::Live(live) => live.os.next_pid(),
        }
    }

    /// Takes the signals that its processes sent to those of others.
    pub fn take_sent(&mut self) -> Vec<(Pid, Signal)> {
        match &mut self.body {
            Body::Planned { .. } => Vec::new(),
            Body::Live(live) => live.os.take_sent(),
        }
    }

    /// Sends a signal to a process of it, as one of another container does; whether there is such a process.
    /// `first` is the number of a planned program.
    pub fn signal_process(
        &mut self,
        pid: Pid,
        signal: Signal,
        first: Pid,
        world: &mut World<'_>,
    ) -> bool {
        let planned = match &mut self.body {
            Body::Planned { planned, .. } => Some(planned),
            Body::Live(live) => {
                if live.os.has(pid) {
                    live.os.signal(pid, signal, false, world);
                    return true;
                }
                live.planned.as_deref_mut()
            }
        };
        match planned.filter(|_| pid == first) {
            Some(planned) => {
                planned.signal(signal, world.now);
                true
            }
            None => false,
        }
    }

    /// Starts a further command in the container; the container then has to be run. `spec` is what it was started
    /// with.
    ///
    /// # Errors
    /// When there is no such program in it.
    pub fn exec(
        &mut self,
        spec: &StartSpec<'_>,
        argv: &[Str],
        world: &mut World<'_>,
    ) -> Result<ExecId, StartError> {
        if argv.is_empty() {
            return Err(StartError::NoCommand);
        }
        if let Body::Planned { planned, told, assumption } = &self.body {
            let mut os = boot(spec, world);
            os.reserve_init();
            if let Some(assumption) = assumption {
                os.rare.assumptions.push((**assumption).clone());
            }
            self.body = Body::Live(Box::new(Live {
                os,
                planned: Some(Box::new(planned.clone())),
                told: *told,
            }));
        }
        let Body::Live(live) = &mut self.body else { return Err(StartError::NoCommand) };
        // A program that is told not to be ready fails whatever asks it.
        let fails = [Str::new_static("false")];
        let unready = live.planned.as_ref().is_some_and(|p| p.is_unready(world.now));
        let argv = if unready { &fails } else { argv };
        match launch(&mut live.os, spec, argv, b"", world) {
            Ok(pid) => Ok(ExecId(pid)),
            Err(error) => {
                if !live.os.image.complete
                    && error == ExecError::File(Errno::NoEnt)
                    && let Some(pid) = live.os.launch_assumed(&argv[0], world)
                {
                    return Ok(ExecId(pid));
                }
                Err(start_error(argv, &error))
            }
        }
    }

    /// How a further command ended, once it has; asking again gives nothing.
    pub fn exec_result(&mut self, id: ExecId) -> Option<ExecResult> {
        let Body::Live(live) = &mut self.body else { return None };
        let ended = live.os.take_ended(id.0)?;
        Some(ExecResult { ended, output: live.os.take_output(SinkId(id.0)) })
    }

    /// Ends a further command (a probe's timeout).
    pub fn exec_cancel(&mut self, id: ExecId, world: &mut World<'_>) {
        if let Body::Live(live) = &mut self.body {
            live.os.signal(id.0, Signal::KILL, true, world);
            live.os.take_ended(id.0);
            live.os.take_output(SinkId(id.0));
        }
    }

    /// What it is doing, for people: `blocked at \`sleep 3\`, line 1`.
    pub fn blocked_on(&self) -> String {
        match &self.body {
            Body::Planned { planned, .. } => planned.describe(),
            Body::Live(live) => match &live.planned {
                Some(planned) => planned.describe(),
                None => live.os.describe(),
            },
        }
    }

    /// What its processes asked of the network, the latest question last.
    pub fn asked(&self) -> &[Asked] {
        match &self.body {
            Body::Planned { .. } => &[],
            Body::Live(live) => &live.os.rare.asked,
        }
    }

    /// The ports that it listens on now, with what answers there.
    pub fn listening(&self, now: SimTime) -> Vec<(u16, Listener)> {
        match &self.body {
            Body::Planned { planned, .. } => planned.listening(now),
            Body::Live(live) => {
                let own = live.os.listening();
                live.planned.iter().flat_map(|p| p.listening(now)).chain(own).collect()
            }
        }
    }

    /// Whether what it answers will differ some day by itself.
    pub fn will_change(&self, now: SimTime) -> bool {
        match &self.body {
            Body::Planned { planned, .. } => planned.will_change(now),
            Body::Live(_) => true,
        }
    }

    /// What had to be assumed so far.
    pub fn assumptions(&self) -> Vec<Assumption> {
        match &self.body {
            Body::Planned { assumption, .. } => assumption.iter().map(|a| (**a).clone()).collect(),
            Body::Live(live) => live.os.rare.assumptions.clone(),
        }
    }

    /// Bounds that were reached so far, in words.
    pub fn complaints(&self) -> &[String] {
        match &self.body {
            Body::Planned { .. } => &[],
            Body::Live(live) => &live.os.rare.complaints,
        }
    }

    /// The container's own files, without its volumes; nothing while it owns none.
    pub fn files(&self) -> Option<&Tree> {
        match &self.body {
            Body::Planned { .. } => None,
            Body::Live(live) => Some(&live.os.files.own),
        }
    }

    /// The same, to be changed from outside.
    pub fn files_mut(&mut self) -> Option<&mut Tree> {
        match &mut self.body {
            Body::Planned { .. } => None,
            Body::Live(live) => Some(&mut live.os.files.own),
        }
    }
}

fn boxed(assumption: Option<Assumption>) -> Option<Box<Assumption>> {
    assumption.map(Box::new)
}

/// What a planned program writes when it begins.
fn first_words(planned: &Planned, told: &mut bool, now: SimTime) -> Vec<Output> {
    if std::mem::replace(told, true) {
        return Vec::new();
    }
    let words = planned.complaint().map(|text| Output {
        at: now,
        stream: OutputStream::Stderr,
        bytes: text.into(),
    });
    words.into_iter().collect()
}

/// What the node agent writes into /etc/hosts of a pod's containers (`pkg/kubelet/kubelet_pods.go`,
/// `managedHostsFileContent`): the pod's own names, and further ones by address.
pub fn hosts_file(ip: &str, hostname: &str, domain: &str, aliases: &[(&str, Vec<&str>)]) -> String {
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    match domain {
        "" => text.extend([ip, "\t", hostname, "\n"]),
        domain => text.extend([ip, "\t", hostname, ".", domain, "\t", hostname, "\n"]),
    }
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for (ip, names) in aliases {
        text.extend([*ip, "\t", names.join("\t").as_str(), "\n"]);
    }
    text
}

/// The kernel of a new container.
fn boot(spec: &StartSpec<'_>, world: &mut World<'_>) -> Os {
    let image = image::image(spec.image);
    let (rng, key) = spec.random;
    Os::boot(Boot {
        files: Files::new(&image.tree, spec.mounts, world.volumes, world.now),
        image,
        hostname: spec.hostname.into(),
        pod_ip: spec.pod_ip,
        namespace: spec.namespace.into(),
        hosts: spec.hosts.into(),
        resolv: spec.resolv.into(),
        limits: world.volumes.shared.limits(&spec.limits),
        random: Draws::new(rng, key),
        nslookup: spec.nslookup,
        first_pid: spec.first_pid,
    })
}

fn launch(
    os: &mut Os,
    spec: &StartSpec<'_>,
    argv: &[Str],
    stdin: &[u8],
    world: &mut World<'_>,
) -> Result<Pid, ExecError> {
    let cwd = if spec.cwd.is_empty() { "/" } else { spec.cwd };
    let env = Environment::of_container(spec.env);
    let (uid, gid) = (spec.uid, spec.gid);
    os.launch(&Launch { argv, env: &env, cwd, uid, gid, stdin }, world)
}

fn start_error(argv: &[Str], error: &ExecError) -> StartError {
    let program = argv.first().cloned().unwrap_or_default();
    match error {
        ExecError::File(Errno::Access) => StartError::PermissionDenied { program },
        ExecError::File(Errno::NoExec) => StartError::NotAProgram { program },
        ExecError::File(_) | ExecError::Interpreter(_) => {
            StartError::ExecutableNotFound { program }
        }
    }
}

//! What runs inside a container, as the agent has it: started, run, signalled, asked to run commands.
//!
//! The program itself is [`crate::container`]'s. Here it meets the pod: its spec becomes what the
//! container is started with, what it writes becomes log lines, the ports it listens on appear in the
//! network, its end becomes a [`Terminated`] with a termination message
//! (`pkg/kubelet/kuberuntime`, `getTerminationMessage`).

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use smallvec::SmallVec;

use super::desk::Desk;
use super::env::{self, Environment};
use super::images::Image;
use super::runtime::{Nth, container, is_init};
use super::worker::Worker;
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::behavior::Growth;
use crate::container::{
    self as inside, Asked, Container as Running, Ended, Listener, Mount, OutputStream, Pid,
    Progress, Signal, StartSpec, World,
};
use crate::model::{Container, Kind, PodSpec, Ref, RestartPolicy, Terminated};
use crate::trace::{FactKind, Output, OutputStream as Stream};

pub(super) use crate::container::ExecId;

/// A termination message is cut to this many bytes (`MaxContainerTerminationMessageLength`).
const MESSAGE_BYTES: usize = 4096;
/// And one read from the log to these (`MaxContainerTerminationMessageLogLength` and `…LogLines`).
const LOG_BYTES: usize = 2048;
const LOG_LINES: usize = 80;

/// What a container is to be started with.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The spec of its pod when it was made.
    pub(super) spec: Arc<PodSpec>,
    /// Its image.
    pub(super) image: Arc<Image>,
    /// Its environment.
    pub(super) env: Environment,
    /// The pod's address.
    pub(super) ip: Option<Ipv4Addr>,
    /// How often it was started before.
    pub(super) attempt: u32,
    /// The number of the run.
    pub(super) run: u64,
}

/// How a further command ended.
#[derive(Debug)]
pub(super) struct ExecDone {
    /// Its status.
    pub(super) code: i32,
    /// What it wrote: standard output, then standard error.
    pub(super) output: String,
    /// What it wrote to standard error alone.
    pub(super) errors: String,
}

/// The running program of a container.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) inside: Running,
    /// The number of its first process.
    pub(super) first_pid: Pid,
    image: Arc<Image>,
    attempt: u32,
    run: u64,
    started: SimTime,
    ip: Option<Ipv4Addr>,
    /// When it wants to run again.
    wake: Option<SimTime>,
    /// It is to run now.
    stirred: bool,
    /// A process waits for the network to change.
    pub(super) waits_for_network: bool,
    /// Ports that stand in the network.
    ports: SmallVec<[(u16, Listener); 1]>,
    /// What of a line each stream has written so far.
    partial: [Vec<u8>; 2],
    /// The end of the log, kept where the termination message may be read from it.
    tail: VecDeque<String>,
    keeps_tail: bool,
    /// Bytes of its log.
    logged: i64,
    /// What is told of what it writes beside that.
    disk: Option<Growth>,
    /// When it will have used more memory than it may.
    out_of_memory_at: Option<SimTime>,
    /// The kernel has ended it because it did.
    out_of_memory: bool,
    /// Assumptions and complaints told of so far.
    told: (usize, usize),
}

impl Body {
    /// Where the program stands, for people.
    pub(super) fn blocked_on(&self) -> String {
        self.inside.blocked_on()
    }

    /// What the program asked of the network.
    pub(super) fn asked(&self) -> &[Asked] {
        self.inside.asked()
    }

    /// The ports on which it listens, as the network shows them.
    pub(super) fn listens_on(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().map(|(port, _)| *port)
    }

    /// How a further command ended, once it has: its code, standard output and standard error.
    pub(super) fn command_end(&mut self, exec: ExecId) -> Option<(i32, String, String)> {
        let result = self.inside.exec_result(exec)?;
        let of = |stream: OutputStream| {
            let written = result.output.iter().filter(|o| o.stream == stream);
            let bytes: Vec<u8> = written.flat_map(|o| o.bytes.iter().copied()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Some((i32::from(result.ended.code()), of(OutputStream::Stdout), of(OutputStream::Stderr)))
    }

    /// Starts the program of a container.
    ///
    /// # Errors
    /// When there is no such program, in the runtime's words.
    pub(super) fn start(
        w: &mut Worker,
        n: Nth,
        order: Order,
        d: &mut Desk<'_, '_>,
    ) -> Result<Self, String> {
        let started = d.cx.now;
        let argv = argv(&w.pod.spec, n, &order.env, &order.image);
        let c = container(&order.spec, n);
        let told = c.and_then(|c| super::told::of(&w.pod, c, &d.shared.behaviors));
        if !told.is_some_and(|told| told.tells_program())
            && !inside::is_planned(&order.image.written, argv.as_deref())
        {
            w.fill_mounts(n, d);
            let pod = Arc::clone(&w.pod);
            w.mounts.enter_sub_paths(&pod, n, &order.env, d);
        }
        let first_pid = w.first_pid(n);
        let run = (order.attempt, first_pid);
        let inside = with_spec(w, n, &order.env, &order.image, order.ip, run, d, |spec, world| {
            Running::start(spec, world)
        });
        let inside = inside.map_err(|e| e.runtime_message())?;
        Ok(Self {
            inside,
            first_pid,
            image: order.image,
            attempt: order.attempt,
            run: order.run,
            started,
            ip: order.ip,
            wake: None,
            stirred: true,
            waits_for_network: false,
            ports: SmallVec::new(),
            partial: [Vec::new(), Vec::new()],
            tail: VecDeque::new(),
            keeps_tail: c.is_some_and(|c| c.termination_message_from_logs),
            logged: 0,
            disk: None,
            out_of_memory_at: None,
            out_of_memory: false,
            told: (0, 0),
        })
    }

    /// Bytes of its own files and its log.
    pub(super) fn written(&self) -> i64 {
        let own = self.inside.files().map_or(0, |tree| i64::try_from(tree.bytes()).unwrap_or(0));
        own.saturating_add(self.logged)
    }

    /// Since when it runs.
    pub(super) const fn started(&self) -> SimTime {
        self.started
    }

    /// Whether it is to run now, as something has happened to it.
    pub(super) const fn is_stirred(&self) -> bool {
        self.stirred
    }

    /// It has run since then: it was found running.
    pub(super) fn ran_since(&mut self, since: SimTime) {
        self.started = since;
    }

    /// When it wants to run.
    pub(super) fn next(&self) -> Option<SimTime> {
        if self.stirred {
            return Some(SimTime::ZERO);
        }
        [self.wake, self.out_of_memory_at].into_iter().flatten().min()
    }

    /// It is to run now: something has happened to it.
    pub(super) fn stir(&mut self) {
        self.stirred = true;
    }

    /// The network has changed.
    pub(super) fn network_changed(&mut self) {
        self.inside.network_changed();
        self.stirred = true;
    }

    /// Whether what it answers will differ some day by itself.
    pub(super) fn will_change(&self, now: SimTime) -> bool {
        self.inside.will_change(now)
    }

    /// Whether it runs commands and scripts of its own, rather than a planned behaviour.
    pub(super) fn is_live(&self) -> bool {
        self.inside.files().is_some()
    }

    fn line(&mut self, stream: OutputStream, text: String, w: &Context<'_>, d: &mut Desk<'_, '_>) {
        self.logged += i64::try_from(text.len()).unwrap_or(i64::MAX / 2) + 1;
        if self.keeps_tail {
            self.tail.push_back(text.clone());
            if self.tail.len() > LOG_LINES {
                self.tail.pop_front();
            }
        }
        let line = Output {
            pod: Ref { kind: Kind::Pod, key: w.pod.meta.key() },
            uid: w.pod.meta.uid,
            container: w.name.clone(),
            attempt: self.attempt,
            run: self.run,
            stream: match stream {
                OutputStream::Stdout => Stream::Stdout,
                OutputStream::Stderr => Stream::Stderr,
            },
            text,
        };
        d.cx.fact(w.cause, FactKind::Output(Arc::new(line)));
    }

    /// Splits what was written into lines; `end` also tells of unfinished ones.
    fn write(&mut self, progress: &Progress, end: bool, w: &Context<'_>, d: &mut Desk<'_, '_>) {
        for output in &progress.output {
            let i = usize::from(output.stream == OutputStream::Stderr);
            for piece in output.bytes.split_inclusive(|b| *b == b'\n') {
                self.partial[i].extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    let mut line = std::mem::take(&mut self.partial[i]);
                    line.pop();
                    let text = String::from_utf8_lossy(&line).into_owned();
                    self.line(output.stream, text, w, d);
                }
            }
        }
        for (i, stream) in [OutputStream::Stdout, OutputStream::Stderr].into_iter().enumerate() {
            if end && !self.partial[i].is_empty() {
                let line = std::mem::take(&mut self.partial[i]);
                self.line(stream, String::from_utf8_lossy(&line).into_owned(), w, d);
            }
        }
    }

    /// Tells of new assumptions and bounds that were reached.
    fn confess(&mut self, w: &Context<'_>, d: &mut Desk<'_, '_>) {
        let assumptions = self.inside.assumptions();
        for assumption in assumptions.iter().skip(self.told.0) {
            let subject = match assumption {
                inside::Assumption::Service { image }
                | inside::Assumption::Task { image }
                | inside::Assumption::Length { image } => image,
                inside::Assumption::Command { name } => name,
            };
            d.assume(w.cause, subject, &assumption.to_string());
        }
        let complaints = self.inside.complaints().to_vec();
        for complaint in complaints.iter().skip(self.told.1) {
            let subject = format!("{}/{}", w.pod.meta.name, w.name);
            d.unmodelled(w.cause, &subject, complaint);
        }
        self.told = (assumptions.len(), complaints.len());
    }

    /// Shows the ports it listens on in the network, and takes those away that it no longer does.
    fn show_ports(&mut self, d: &mut Desk<'_, '_>) {
        let Some(ip) = self.ip else { return };
        let now = d.cx.now;
        let listening = self.inside.listening(now);
        let at = |port: u16| SocketAddr::new(IpAddr::V4(ip), port);
        for (port, _) in &self.ports {
            if !listening.iter().any(|(p, _)| p == port) {
                d.shared.network.close(at(*port));
                d.shared.network_changed = true;
            }
        }
        for new in &listening {
            if !self.ports.contains(new) {
                d.shared.network.listen(at(new.0), new.1.clone());
                d.shared.network_changed = true;
            }
        }
        self.ports = listening.into_iter().collect();
    }

    fn close_ports(&mut self, d: &mut Desk<'_, '_>) {
        let Some(ip) = self.ip else { return };
        for (port, _) in std::mem::take(&mut self.ports) {
            d.shared.network.close(SocketAddr::new(IpAddr::V4(ip), port));
            d.shared.network_changed = true;
        }
    }

    fn log_end(&self) -> String {
        let mut text = self.tail.iter().map(|l| format!("{l}\n")).collect::<String>();
        let cut = text.len().saturating_sub(LOG_BYTES);
        let cut = (cut..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(cut);
        text.drain(..cut);
        text
    }
}

/// Whose body it is.
struct Context<'a> {
    pod: &'a crate::model::Pod,
    name: Str,
    cause: crate::trace::FactId,
}

impl Worker {
    /// Lets the program of a container run if its time has come; how it ended, once it has.
    pub(super) fn run_body(&mut self, n: Nth, d: &mut Desk<'_, '_>) -> Option<Terminated> {
        let body = self.bodies.get(n.index())?.as_ref()?;
        if body.next().is_none_or(|at| at > d.cx.now) {
            return None;
        }
        self.look_around(n);
        let mut body = self.bodies.get_mut(n.index())?.take()?;
        body.stirred = false;
        let mut world =
            World { now: d.cx.now, network: &d.shared.network, volumes: &mut d.shared.volumes };
        if body.out_of_memory_at.is_some_and(|at| at <= d.cx.now) {
            (body.out_of_memory_at, body.out_of_memory) = (None, true);
            body.inside.signal(Signal::KILL, &mut world);
        }
        let progress = body.inside.run(&mut world);
        let pod = Arc::clone(&self.pod);
        let name = container(&pod.spec, n).map(|c| c.name.clone()).unwrap_or_default();
        let context = Context { pod: &pod, name, cause: self.cause };
        body.write(&progress, progress.ended.is_some(), &context, d);
        body.confess(&context, d);
        body.wake = progress.wake;
        body.waits_for_network = progress.waits_for_network;
        let ended = progress.ended;
        if ended.is_none() {
            body.show_ports(d);
        }
        let ending = ended.map(|ended| self.ending(n, &body, ended, d));
        self.bodies[n.index()] = Some(body);
        self.deliver(n, d);
        ending
    }

    /// Makes the files of the volumes that a container mounts.
    fn fill_mounts(&mut self, n: Nth, d: &mut Desk<'_, '_>) {
        let pod = Arc::clone(&self.pod);
        self.mounts.fill(&pod, n, self.cause, d);
    }

    fn ending(&self, n: Nth, body: &Body, ended: Ended, d: &Desk<'_, '_>) -> Terminated {
        let code = i32::from(ended.code());
        Terminated {
            exit_code: code,
            signal: 0,
            reason: match (code, body.out_of_memory) {
                (0, _) => "Completed",
                (137, true) => "OOMKilled",
                _ => "Error",
            }
            .into(),
            message: self.termination_message(n, body, code, d).into(),
            started_at: Some(body.started),
            finished_at: Some(d.cx.now),
            container_id: 0,
        }
    }

    fn termination_message(&self, n: Nth, body: &Body, code: i32, d: &Desk<'_, '_>) -> String {
        let Some(c) = container(self.spec(), n) else { return String::new() };
        let path = c.termination_message_path.as_str();
        let mounts = self.mounts.of_container(self.spec(), n);
        let mounted = mounts.iter().rev().find_map(|m| {
            let rest = path.strip_prefix(m.path.as_str()).filter(|r| r.starts_with('/'))?;
            d.shared.volumes.get(m.volume)?.content(&format!("{}{rest}", m.sub_path))
        });
        let own = || body.inside.files().and_then(|f| f.content(path));
        let text = mounted.or_else(own).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..text.len().min(MESSAGE_BYTES)]).into_owned();
        if text.is_empty() && c.termination_message_from_logs && code != 0 {
            return body.log_end();
        }
        text
    }

    /// Takes up what is told of a container that has started: what it uses, and what cannot be read.
    pub(super) fn heed(&mut self, n: Nth, d: &mut Desk<'_, '_>) {
        let pod = Arc::clone(&self.pod);
        let Some(c) = container(&pod.spec, n) else { return };
        let Some(told) = super::told::of(&pod, c, &d.shared.behaviors) else { return };
        for (annotation, problem) in super::told::problems(&pod, &c.name) {
            d.unmodelled(self.cause, &format!("annotation {annotation}"), &problem);
        }
        let now = d.cx.now;
        if let Some(growth) = told.memory {
            d.node.uses.begin(pod.meta.uid, n, growth, now);
        }
        if let Some(growth) = told.disk {
            d.node.disk.told.begin(pod.meta.uid, n, growth, now);
        }
        let out = told
            .memory
            .zip(memory_limit(&pod.spec, c))
            .and_then(|(growth, limit)| growth.reaches(limit));
        let full = told
            .disk
            .filter(|_| c.limits.ephemeral_storage > 0)
            .and_then(|growth| growth.reaches(c.limits.ephemeral_storage + 1));
        if let Some(after) = full {
            self.expect_files(after, d);
        }
        let Some(Some(body)) = self.bodies.get_mut(n.index()) else { return };
        body.disk = told.disk;
        body.out_of_memory_at = out.map(|after| now.saturating_add(after));
    }

    /// The limit of a running container's memory has changed.
    pub(super) fn heed_limit(&mut self, n: Nth, d: &Desk<'_, '_>) {
        let Some(limit) = container(&self.pod.spec, n).map(|c| memory_limit(&self.pod.spec, c))
        else {
            return;
        };
        let using = d.node.uses.growth_of(self.uid(), n);
        let Some(Some(body)) = self.bodies.get_mut(n.index()) else { return };
        body.out_of_memory_at = using.zip(limit).and_then(|((since, growth), limit)| {
            let at = since.saturating_add(growth.reaches(limit)?);
            Some(at.max(d.cx.now))
        });
    }

    /// The kernel ends a container because the node has no memory left.
    pub(super) fn run_out_of_memory(&mut self, n: Nth, now: SimTime) {
        if let Some(Some(body)) = self.bodies.get_mut(n.index()) {
            body.out_of_memory_at = Some(now);
        }
    }

    /// Bytes that a container has written into its own files and its log.
    pub(super) fn bytes_of_body(&self, n: Nth, now: SimTime) -> i64 {
        let Some(Some(body)) = self.bodies.get(n.index()) else { return 0 };
        let told = body.disk.map_or(0, |growth| growth.at(now.since(body.started)));
        body.written().saturating_add(told)
    }

    /// The program of a container is gone.
    pub(super) fn drop_body(&mut self, n: Nth, d: &mut Desk<'_, '_>) {
        d.node.uses.end(self.uid(), n);
        d.node.disk.told.end(self.uid(), n);
        if let Some(mut body) = self.bodies.get_mut(n.index()).and_then(Option::take) {
            body.close_ports(d);
            let asked = body.asked();
            if !asked.is_empty() {
                self.asked.retain(|(of, _)| *of != n);
                self.asked.push((n, asked.to_vec()));
            }
        }
    }

    /// Sends the stop signal to a container, or the one that nothing survives.
    pub(super) fn signal(&mut self, n: Nth, kill: bool, d: &mut Desk<'_, '_>) {
        let Some(Some(body)) = self.bodies.get_mut(n.index()) else { return };
        let signal = if kill { Signal::KILL } else { inside::stop_signal(&body.image.written) };
        let mut world =
            World { now: d.cx.now, network: &d.shared.network, volumes: &mut d.shared.volumes };
        body.inside.signal(signal, &mut world);
        body.stirred = true;
    }

    /// Runs a command in a container; `None` where it does not run, an error where there is no such program.
    pub(super) fn exec(
        &mut self,
        n: Nth,
        words: &[Str],
        d: &mut Desk<'_, '_>,
    ) -> Option<Result<ExecId, String>> {
        self.look_around(n);
        let mut body = self.bodies.get_mut(n.index())?.take()?;
        let run = body.run;
        let was_live = body.is_live();
        if !was_live {
            self.fill_mounts(n, d);
        }
        let env = env::of_container(&self.pod, n, body.ip, d.node, d.shared);
        let env = env.unwrap_or_default();
        if !was_live {
            let pod = Arc::clone(&self.pod);
            self.mounts.enter_sub_paths(&pod, n, &env, d);
        }
        let (image, ip) = (Arc::clone(&body.image), body.ip);
        let of_run = (body.attempt, body.first_pid);
        let result = with_spec(self, n, &env, &image, ip, of_run, d, |spec, world| {
            body.inside.exec(spec, words, world)
        });
        body.stirred = true;
        self.bodies[n.index()] = Some(body);
        Some(result.map_err(|error| {
            // The runtime numbers such commands at random; here the number is the container run's own.
            let id = crate::base::digest::digest_of(0, run.to_le_bytes().as_slice());
            format!(
                "rpc error: code = Unknown desc = failed to exec in container: failed to start exec \
                 \"{id:016x}\": OCI runtime exec failed: exec failed: unable to start container process: \
                 {error}"
            )
        }))
    }

    /// How a command in a container ended, once it has.
    pub(super) fn exec_done(&mut self, n: Nth, exec: ExecId) -> Option<ExecDone> {
        let body = self.bodies.get_mut(n.index())?.as_mut()?;
        let result = body.inside.exec_result(exec)?;
        let of = |stream: OutputStream| -> String {
            let all = result.output.iter().filter(|o| o.stream == stream);
            let bytes: Vec<u8> = all.flat_map(|o| o.bytes.iter().copied()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let errors = of(OutputStream::Stderr);
        let output = of(OutputStream::Stdout) + &errors;
        Some(ExecDone { code: i32::from(result.ended.code()), output, errors })
    }

    /// Ends a command in a container.
    pub(super) fn exec_cancel(&mut self, n: Nth, exec: ExecId, d: &mut Desk<'_, '_>) {
        let Some(Some(body)) = self.bodies.get_mut(n.index()) else { return };
        let mut world =
            World { now: d.cx.now, network: &d.shared.network, volumes: &mut d.shared.volumes };
        body.inside.exec_cancel(exec, &mut world);
        body.stirred = true;
    }
}

/// How much memory a container may use; `None` for any amount.
fn memory_limit(spec: &PodSpec, c: &Container) -> Option<i64> {
    let of_pod = spec.wire.resources.as_ref().and_then(|r| r.limits.as_ref());
    let of_pod = of_pod.map_or(0, |limits| crate::model::Resources::from_list(limits).memory);
    [c.limits.memory, of_pod].into_iter().filter(|l| *l > 0).min()
}

/// Calls `f` with what a container is started with.
#[expect(clippy::too_many_arguments, reason = "a container's spec has many sources")]
fn with_spec<T>(
    w: &Worker,
    n: Nth,
    env: &Environment,
    image: &Image,
    ip: Option<Ipv4Addr>,
    (attempt, first_pid): (u32, Pid),
    d: &mut Desk<'_, '_>,
    f: impl FnOnce(&StartSpec<'_>, &mut World<'_>) -> T,
) -> T {
    let pod = &w.pod;
    let wire = env::wire_container(&pod.spec, n);
    let argv = argv(&pod.spec, n, env, image);
    let (uid, gid) = super::security::ids(&pod.spec, n, image);
    let mounts: Vec<Mount> = w.mounts.of_container(&pod.spec, n);
    let names = super::hostname::of(pod, &d.node.name, &d.shared.network.cluster_domain);
    let hosts = super::hostname::hosts_file(pod, &names, ip);
    let network = &d.shared.network;
    let resolv = super::resolver::resolv_conf(pod, network.dns_server, &network.cluster_domain);
    let vars = env::Whole { given: env, hostname: &names.inside };
    let c = container(&pod.spec, n);
    let policy = c.and_then(|c| c.restart_policy).unwrap_or(pod.spec.restart_policy);
    let sidecar = c.is_some_and(Container::is_sidecar);
    let service = policy == RestartPolicy::Always && (sidecar || !is_init(&pod.spec, n));
    let told = c.and_then(|c| super::told::of(pod, c, &d.shared.behaviors));
    let key = format!("{}/{}/{attempt}", pod.meta.uid, n.0);
    let spec = StartSpec {
        image: &image.written,
        argv: argv.as_deref(),
        env: &vars,
        cwd: wire.and_then(|c| c.working_dir.as_deref()).unwrap_or_default(),
        uid,
        gid,
        hostname: &names.inside,
        hosts: &hosts,
        resolv: &resolv,
        pod_ip: ip,
        namespace: &pod.meta.namespace,
        mounts: &mounts,
        stdin: b"",
        service,
        behavior: told.as_ref().map(|told| (told, attempt)),
        limits: inside::Limits::default(),
        random: (d.cx.rng, &key),
        // As the recorded cluster's: a name is found wherever the search list leads to it.
        nslookup: inside::NslookupStyle::FirstMatch,
        first_pid,
    };
    let mut world =
        World { now: d.cx.now, network: &d.shared.network, volumes: &mut d.shared.volumes };
    f(&spec, &mut world)
}

/// Command and arguments with variables put in; `None` for the image's own.
fn argv(spec: &PodSpec, n: Nth, env: &Environment, image: &Image) -> Option<Vec<Str>> {
    let c = container(spec, n)?;
    if c.command.is_empty() && c.args.is_empty() {
        return None;
    }
    let value = |name: &str| env.get(name);
    let word = |word: &Str| match word.contains('$') {
        true => env::expand(word, value).into(),
        false => word.clone(),
    };
    let words = |from: &[Str]| -> Vec<Str> { from.iter().map(word).collect() };
    let args = words(&c.args);
    let mut all = words(&c.command);
    if all.is_empty() {
        all.extend(inside::entrypoint(&image.written, &args));
    }
    all.extend(args);
    Some(all)
}

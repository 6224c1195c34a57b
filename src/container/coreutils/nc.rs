//! `nc` of busybox (`nc_bloaty`): connects or listens, and copies both ways; also `telnet` without a terminal.
//!
//! Left out: UDP answers (`-u` sends into the void and succeeds), source addresses, hex dumps.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dialling::{Dialling, Met, address};
use super::{Begun, Call, Waiting, durations};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::environment::Environment;
use crate::container::fs::Errno;
use crate::container::net::{Listener, TcpServer};
use crate::container::os::{Read, Sys};
use crate::container::process::{Fd, Step, Wait};

const USAGE: &str =
    "[OPTIONS] HOST PORT  - connect\nnc [OPTIONS] -l -p PORT [HOST] [PORT]  - listen";

#[derive(Clone, Debug, Default)]
struct Options {
    listen: bool,
    again: bool,
    zero: bool,
    udp: bool,
    numeric: bool,
    verbose: u8,
    port: Option<u16>,
    wait: Option<Duration>,
    program: Vec<Str>,
}

/// `nc` under way.
#[derive(Clone, Debug)]
pub(crate) struct Nc {
    options: Options,
    environment: Environment,
    name: String,
    stage: Stage,
    sent: usize,
    received: usize,
}

#[derive(Clone, Debug)]
enum Stage {
    Dial(Dialling),
    Accept(Fd, Option<SimTime>),
    Copy(Copying),
}

/// Bytes on their way in both directions.
#[derive(Clone, Debug)]
struct Copying {
    fd: Fd,
    /// Standard input has ended.
    quiet: bool,
    /// How often the connection may be silent for `-w` seconds after that.
    tries: u8,
    until: Option<SimTime>,
}

/// `nc`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut options = Options::default();
    let mut words: Vec<Str> = Vec::new();
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') || arg.len() < 2 {
            words.push(arg.clone());
            continue;
        }
        for (at, letter) in arg.char_indices().skip(1) {
            match letter {
                'l' => options.listen = true,
                'k' => options.again = true,
                'z' => options.zero = true,
                'u' => options.udp = true,
                'n' => options.numeric = true,
                'v' => options.verbose += 1,
                'e' => {
                    options.program = args.by_ref().cloned().collect();
                    break;
                }
                'p' | 'w' | 's' | 'i' | 'o' | 'q' => {
                    let rest = &arg[at + 1..];
                    let value = match rest {
                        "" => args.next().cloned().unwrap_or_default(),
                        rest => rest.into(),
                    };
                    if let Err(text) = valued(&mut options, letter, &value) {
                        call.err(&text);
                        return Begun::Exit(1);
                    }
                    break;
                }
                other => return call.bad_option(other, USAGE, 1),
            }
        }
    }
    begin(call, options, &words)
}

fn valued(options: &mut Options, letter: char, value: &str) -> Result<(), String> {
    let bad = || format!("invalid number '{value}'");
    match letter {
        'p' => options.port = Some(value.parse().map_err(|_| bad())?),
        'w' => options.wait = Some(durations::one(value).ok_or_else(bad)?),
        _ => {}
    }
    Ok(())
}

fn begin(call: &mut Call<'_, '_, '_>, mut options: Options, words: &[Str]) -> Begun {
    let environment = call.environment.clone();
    if options.listen {
        // `nc -l PORT` is the same as `nc -l -p PORT`.
        let last = words.last().and_then(|w| w.parse().ok());
        let Some(port) = options.port.or(last) else { return call.usage(USAGE, 1) };
        options.port = Some(port);
        let reply = if options.program.is_empty() { call.sys.peek(0) } else { Vec::new() };
        let shown = TcpServer { close: !reply.is_empty(), banner: reply, echo: false };
        let fd = match call.sys.listen(port, Listener::Tcp(Arc::new(shown))) {
            Ok(fd) => fd,
            Err(e) => {
                call.err(&format!("bind: {e}"));
                return Begun::Exit(1);
            }
        };
        if options.verbose > 0 {
            call.sys.err(&format!("listening on 0.0.0.0:{port} ...\n"));
        }
        let until = options.wait.map(|w| call.sys.now().saturating_add(w));
        let nc = Nc {
            options,
            environment,
            name: String::new(),
            stage: Stage::Accept(fd, until),
            sent: 0,
            received: 0,
        };
        return Begun::Wait(Waiting::Nc(Box::new(nc)));
    }
    let (Some(host), Some(port)) = (words.first(), words.get(1)) else {
        return call.usage(USAGE, 1);
    };
    let ip = if options.numeric { host.parse().ok() } else { address(call.sys, host) };
    let Some(ip) = ip else {
        call.err(&format!("bad address '{host}'"));
        return Begun::Exit(1);
    };
    let Ok(port) = port.parse::<u16>() else {
        call.err(&format!("bad port '{port}'"));
        return Begun::Exit(1);
    };
    if options.udp {
        return Begun::Exit(0);
    }
    let limit = options.wait.map(|w| call.sys.now().saturating_add(w));
    let dialling = Dialling::new(call.sys, SocketAddr::new(ip, port), limit);
    let name = host.to_string();
    let nc = Nc { options, environment, name, stage: Stage::Dial(dialling), sent: 0, received: 0 };
    Begun::Wait(Waiting::Nc(Box::new(nc)))
}

impl Nc {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            let done = match &mut self.stage {
                Stage::Dial(_) => self.dial(sys),
                Stage::Accept(fd, until) => {
                    let (fd, until) = (*fd, *until);
                    self.accept(sys, fd, until)
                }
                Stage::Copy(_) => self.copy(sys),
            };
            if let Some(step) = done {
                return step;
            }
        }
    }

    fn dial(&mut self, sys: &mut Sys<'_, '_>) -> Option<Step> {
        let Stage::Dial(dialling) = &self.stage else { return None };
        let to = dialling.to;
        let fd = match dialling.poll(sys) {
            Met::Wait(step) => return Some(step),
            Met::Open(fd) => fd,
            met @ (Met::Refused | Met::Late | Met::Lost) => {
                if self.options.verbose > 1 {
                    let e =
                        if matches!(met, Met::Refused) { Errno::Refused } else { Errno::TimedOut };
                    sys.err(&format!("nc: {} ({to}): {e}\nsent 0, rcvd 0\n", self.name));
                }
                return Some(Step::Exit(1));
            }
        };
        if self.options.verbose > 0 {
            sys.err(&format!("{} ({to}) open\n", self.name));
        }
        if self.options.zero {
            if self.options.verbose > 1 {
                sys.err("sent 0, rcvd 0\n");
            }
            return Some(Step::Exit(0));
        }
        self.serve(sys, fd)
    }

    fn accept(
        &mut self,
        sys: &mut Sys<'_, '_>,
        listening: Fd,
        until: Option<SimTime>,
    ) -> Option<Step> {
        let Some(fd) = sys.accept(listening) else {
            if until.is_some_and(|at| sys.now() >= at) {
                return Some(Step::Exit(1));
            }
            return Some(Step::Block(Wait::Readable(listening, until)));
        };
        if !self.options.program.is_empty() && self.options.again {
            return self.spawn(sys, fd);
        }
        sys.close(listening);
        self.serve(sys, fd)
    }

    /// What happens on an open connection: a program runs on it, or bytes are copied.
    fn serve(&mut self, sys: &mut Sys<'_, '_>, fd: Fd) -> Option<Step> {
        if self.options.program.is_empty() {
            self.stage = Stage::Copy(Copying { fd, quiet: false, tries: 2, until: None });
            return None;
        }
        let program = match self.load(sys) {
            Ok(program) => program,
            Err(step) => return Some(step),
        };
        for to in 0..3 {
            // The connection is open, so it can be anything's twin.
            let _moved = sys.dup2(fd, to);
        }
        sys.close(fd);
        sys.prepare_exec(&self.options.program);
        Some(Step::Become(Box::new(program)))
    }

    fn load(&self, sys: &mut Sys<'_, '_>) -> Result<crate::container::os::Program, Step> {
        let argv = &self.options.program;
        let command = argv.first().map_or("", Str::as_str);
        super::env::load(sys, command, argv, &self.environment).map_err(|(e, status)| {
            sys.err(&format!("nc: can't execute '{command}': {e}\n"));
            Step::Exit(status)
        })
    }

    /// `-lk -e`: a child for each connection.
    fn spawn(&self, sys: &mut Sys<'_, '_>, fd: Fd) -> Option<Step> {
        let program = match self.load(sys) {
            Ok(program) => program,
            Err(step) => return Some(step),
        };
        let plan = crate::container::os::FdPlan {
            moves: (0..3).map(|to| (fd, to)).collect(),
            close: vec![fd],
        };
        // Without room for another process the connection is dropped.
        let _pid = sys.fork_with(program, &plan, crate::container::process::SignalSet::default());
        sys.close(fd);
        while sys.reap(None).is_some() {}
        None
    }

    fn copy(&mut self, sys: &mut Sys<'_, '_>) -> Option<Step> {
        let Stage::Copy(mut state) = std::mem::replace(&mut self.stage, Stage::Accept(-1, None))
        else {
            return Some(Step::Exit(1));
        };
        let mut progress = false;
        if !state.quiet {
            match sys.read(0, 1 << 14) {
                Ok(Read::Data(bytes)) => {
                    progress = true;
                    self.sent += bytes.len();
                    if sys.write(state.fd, &bytes).is_err() {
                        return Some(self.end(sys, 0));
                    }
                }
                Ok(Read::Later(_)) => {}
                Ok(Read::End) | Err(_) => {
                    progress = true;
                    state.quiet = true;
                    state.until = self.options.wait.map(|w| sys.now().saturating_add(w));
                    sys.shut_down(state.fd);
                }
            }
        }
        let mut later = None;
        match sys.read(state.fd, 1 << 14) {
            Ok(Read::Data(bytes)) => {
                progress = true;
                self.received += bytes.len();
                state.tries = 2;
                state.until = self.options.wait.map(|w| sys.now().saturating_add(w));
                if sys.write(1, &bytes).is_err() {
                    return Some(self.end(sys, 1));
                }
            }
            Ok(Read::Later(at)) => later = at,
            Ok(Read::End) | Err(_) => return Some(self.end(sys, 0)),
        }
        let step = if progress { None } else { self.idle(sys, &mut state, later) };
        self.stage = Stage::Copy(state);
        step
    }

    /// Neither side has anything now.
    fn idle(
        &self,
        sys: &mut Sys<'_, '_>,
        state: &mut Copying,
        later: Option<SimTime>,
    ) -> Option<Step> {
        if state.quiet && state.until.is_some_and(|at| sys.now() >= at) {
            state.tries -= 1;
            if state.tries == 0 {
                return Some(self.end(sys, 0));
            }
            state.until = self.options.wait.map(|w| sys.now().saturating_add(w));
        }
        let until = if state.quiet { state.until } else { None };
        let at = match (until, later) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let wait =
            if state.quiet { Wait::Readable(state.fd, at) } else { Wait::Either(0, state.fd, at) };
        Some(Step::Block(wait))
    }

    fn end(&self, sys: &mut Sys<'_, '_>, status: u8) -> Step {
        if self.options.verbose > 1 {
            sys.err(&format!("sent {}, rcvd {}\n", self.sent, self.received));
        }
        Step::Exit(status)
    }
}

/// `telnet`: without a terminal it is a connection that is copied both ways, with a line of its own before.
pub(super) fn telnet(call: &mut Call<'_, '_, '_>) -> Begun {
    let words: Vec<Str> = call.args.iter().filter(|a| !a.starts_with('-')).cloned().collect();
    let Some(host) = words.first() else {
        return call.usage("[-a] [-l USER] HOST [PORT]", 1);
    };
    let port = words.get(1).map_or("23", Str::as_str);
    let Ok(port) = port.parse::<u16>() else {
        call.err(&format!("bad port '{port}'"));
        return Begun::Exit(1);
    };
    let Some(ip) = address(call.sys, host) else {
        call.err(&format!("bad address '{host}'"));
        return Begun::Exit(1);
    };
    let dialling = Dialling::new(call.sys, SocketAddr::new(ip, port), None);
    Begun::Wait(Waiting::Telnet(Box::new(Telnet {
        host: host.to_string(),
        dialling: Some(dialling),
        nc: Nc {
            options: Options::default(),
            environment: Environment::default(),
            name: host.to_string(),
            stage: Stage::Accept(-1, None),
            sent: 0,
            received: 0,
        },
    })))
}

/// `telnet` under way.
#[derive(Clone, Debug)]
pub(crate) struct Telnet {
    host: String,
    /// Until it is connected.
    dialling: Option<Dialling>,
    nc: Nc,
}

impl Telnet {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        let Some(dialling) = &self.dialling else {
            return match self.nc.resume(sys) {
                Step::Exit(_) => {
                    sys.err("Connection closed by foreign host\n");
                    Step::Exit(1)
                }
                step => step,
            };
        };
        let ip = dialling.to.ip();
        match dialling.poll(sys) {
            Met::Wait(step) => step,
            Met::Refused => {
                sys.err(&format!(
                    "telnet: can't connect to remote host ({ip}): Connection refused\n"
                ));
                Step::Exit(1)
            }
            Met::Late | Met::Lost => {
                sys.err(&format!(
                    "telnet: can't connect to remote host ({ip}): Connection timed out\n"
                ));
                Step::Exit(1)
            }
            Met::Open(fd) => {
                self.dialling = None;
                self.nc.stage = Stage::Copy(Copying { fd, quiet: false, tries: 2, until: None });
                let host = &self.host;
                sys.out(format!("\nConnected to {host}\n").as_bytes());
                sys.flush();
                Step::Yield
            }
        }
    }
}

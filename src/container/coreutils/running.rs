//! Tools that run another program: `timeout`, `time`, `nice`, `nohup`, `setsid`, `watch`, `flock`; and `usleep`.

use std::time::Duration;

use super::env::{become_command, load};
use super::{Begun, Call, Tool, Waiting, durations};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::environment::Environment;
use crate::container::image::Family;
use crate::container::os::{OpenMode, Program, Sys};
use crate::container::process::{Ended, Fd, Pid, Signal, Step, Wait};

/// `usleep`
pub(super) fn usleep(call: &mut Call<'_, '_, '_>) -> Begun {
    let Some(word) = call.args.first() else { return call.usage("N", 1) };
    match word.parse() {
        Ok(micros) => {
            let until = call.sys.now().saturating_add(Duration::from_micros(micros));
            Begun::Wait(Waiting::Until(until, 0))
        }
        Err(_) => {
            call.err(&format!("invalid number '{word}'"));
            Begun::Exit(1)
        }
    }
}

/// `nice`: priorities change nothing here.
pub(super) fn nice(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut rest = call.args;
    match rest.first().map(Str::as_str) {
        None => {
            call.out("0\n");
            return Begun::Exit(0);
        }
        Some("-n") => rest = rest.get(2..).unwrap_or_default(),
        Some(word) if word.starts_with("-n") || word.starts_with("--adjustment=") => {
            rest = &rest[1..];
        }
        Some(word) => {
            let number = word.strip_prefix('-').filter(|n| !n.is_empty());
            if number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())) {
                rest = &rest[1..];
            }
        }
    }
    run(call, rest, "[-n ADJUST] [PROG ARGS]")
}

/// `nohup`: without a terminal it only makes the program ignore HUP.
pub(super) fn nohup(call: &mut Call<'_, '_, '_>) -> Begun {
    call.sys.disposition(Signal::HUP, false, true);
    run(call, call.args, "PROG ARGS")
}

/// `setsid`
pub(super) fn setsid(call: &mut Call<'_, '_, '_>) -> Begun {
    let rest = match call.args.first() {
        Some(option) if option == "-c" => &call.args[1..],
        _ => call.args,
    };
    if call.sys.me().group == call.sys.pid {
        // A group's leader cannot begin a session, so a child does, and nobody waits for it.
        let Some(command) = rest.first() else { return call.usage("[-c] PROG ARGS", 1) };
        let Ok(program) = load(call.sys, command, rest, call.environment) else {
            call.err(&format!("can't execute '{command}': No such file or directory"));
            return Begun::Exit(127);
        };
        return match call.sys.fork(program, Some(rest)) {
            Ok(pid) => {
                call.sys.set_group(pid);
                Begun::Exit(0)
            }
            Err(e) => {
                call.err(&format!("fork: {e}"));
                Begun::Exit(1)
            }
        };
    }
    call.sys.set_group(call.sys.pid);
    run(call, rest, "[-c] PROG ARGS")
}

fn run(call: &mut Call<'_, '_, '_>, argv: &[Str], usage: &str) -> Begun {
    match argv.first() {
        Some(command) => become_command(call, command, argv, call.environment),
        None => call.usage(usage, 1),
    }
}

/// What `timeout` was told.
struct Told {
    signal: Signal,
    after: Duration,
    kill_after: Option<Duration>,
    preserve: bool,
    from: usize,
}

const TIMEOUT: &str = "[-s SIG] [-k KILL_SECS] SECS PROG ARGS";

/// `timeout`
pub(super) fn timeout(call: &mut Call<'_, '_, '_>) -> Begun {
    let gnu = call.sys.os.image.family != Family::Busybox;
    let failure = if gnu { 125 } else { 1 };
    let told = match read_timeout(call, failure) {
        Ok(told) => told,
        Err(begun) => return *begun,
    };
    let argv = &call.args[told.from..];
    if gnu { under_parent(call, argv, &told) } else { under_watch(call, argv, &told) }
}

fn read_timeout(call: &mut Call<'_, '_, '_>, failure: u8) -> Result<Told, Box<Begun>> {
    let mut told = Told {
        signal: Signal::TERM,
        after: Duration::ZERO,
        kill_after: None,
        preserve: false,
        from: 0,
    };
    let args = call.args;
    let mut at = 0;
    while let Some(arg) = args.get(at).filter(|a| a.starts_with('-') && a.len() > 1) {
        at += 1;
        // A long option goes by its first letter.
        let (name, inline) = match arg.strip_prefix("--") {
            Some("") => break,
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (name.chars().next(), Some(Str::from(value))),
                None => (long.chars().next(), None),
            },
            None => {
                let mut letters = arg[1..].chars();
                let letter = letters.next();
                (letter, Some(letters.as_str()).filter(|rest| !rest.is_empty()).map(Str::from))
            }
        };
        let name = name.unwrap_or('-');
        match name {
            'p' => told.preserve = true,
            'f' | 'v' => {}
            's' | 'k' | 't' => {
                let value = inline.unwrap_or_else(|| {
                    at += 1;
                    args.get(at - 1).cloned().unwrap_or_default()
                });
                let fine = match name {
                    's' => signal(&value).map(|s| told.signal = s),
                    'k' => durations::one(&value).map(|d| told.kill_after = Some(d)),
                    _ => durations::one(&value).map(|d| told.after = d),
                };
                if fine.is_none() {
                    let what = if name == 's' { "bad signal name" } else { "invalid number" };
                    call.err(&format!("{what} '{value}'"));
                    return Err(Box::new(Begun::Exit(failure)));
                }
            }
            other => return Err(Box::new(call.bad_option(other, TIMEOUT, failure))),
        }
    }
    let Some(length) = args.get(at) else { return Err(Box::new(call.usage(TIMEOUT, failure))) };
    match durations::one(length) {
        Some(length) => told.after = length,
        None => {
            call.err(&format!("invalid number '{length}'"));
            return Err(Box::new(Begun::Exit(failure)));
        }
    }
    told.from = at + 1;
    if args.len() == told.from {
        return Err(Box::new(call.usage(TIMEOUT, failure)));
    }
    Ok(told)
}

fn signal(word: &str) -> Option<Signal> {
    match word.parse() {
        Ok(number) => Signal::new(number),
        Err(_) => Signal::named(&word.to_ascii_uppercase()),
    }
}

/// busybox: the program takes this process' place, and another one of nobody's watches it.
fn under_watch(call: &mut Call<'_, '_, '_>, argv: &[Str], told: &Told) -> Begun {
    let watched = call.sys.pid;
    let watch = Watch {
        watched,
        signal: told.signal,
        at: call.sys.now().saturating_add(told.after),
        then: told.kill_after,
    };
    if told.after > Duration::ZERO
        && let Err(e) = call.sys.stand_aside(Program::Tool(Box::new(Tool::waiting(
            "timeout",
            Waiting::Watch(Box::new(watch)),
        ))))
    {
        call.err(&format!("vfork: {e}"));
        return Begun::Exit(1);
    }
    become_command(call, &argv[0], argv, call.environment)
}

/// The process that watches over another one's time.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    watched: Pid,
    signal: Signal,
    at: SimTime,
    then: Option<Duration>,
}

impl Watch {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.kill(self.watched, None).is_err() {
                return Step::Exit(0);
            }
            if sys.now() < self.at {
                // It looks once a second whether there is anything left to watch.
                let next = sys.now().saturating_add(Duration::from_secs(1)).min(self.at);
                return Step::Block(Wait::Until(next));
            }
            // The process may have ended at this very instant.
            let _sent = sys.kill(self.watched, Some(self.signal));
            let Some(then) = self.then.take() else { return Step::Exit(0) };
            self.signal = Signal::KILL;
            self.at = sys.now().saturating_add(then);
        }
    }
}

/// GNU: the program is a child, and its end or the time's is told by the status.
fn under_parent(call: &mut Call<'_, '_, '_>, argv: &[Str], told: &Told) -> Begun {
    let command = &argv[0];
    let program = match load(call.sys, command, argv, call.environment) {
        Ok(program) => program,
        Err((e, status)) => {
            call.err(&format!("failed to run command '{command}': {e}"));
            return Begun::Exit(status);
        }
    };
    match call.sys.fork(program, Some(argv)) {
        Ok(child) => {
            // What ends the parent is passed on to the child.
            for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
                call.sys.disposition(signal, true, false);
            }
            let at = call.sys.now().saturating_add(told.after);
            Begun::Wait(Waiting::Limit(Box::new(Limit {
                child,
                signal: told.signal,
                at: (told.after > Duration::ZERO).then_some(at),
                then: told.kill_after,
                over: false,
                preserve: told.preserve,
            })))
        }
        Err(e) => {
            call.err(&format!("fork system call failed: {e}"));
            Begun::Exit(125)
        }
    }
}

/// GNU `timeout` under way.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    child: Pid,
    signal: Signal,
    at: Option<SimTime>,
    then: Option<Duration>,
    over: bool,
    preserve: bool,
}

impl Limit {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        for signal in sys.take_signals().iter() {
            // It may have ended by itself already.
            let _sent = sys.kill(self.child, Some(signal));
        }
        if let Some((_, ended)) = sys.reap(Some(self.child)) {
            return Step::Exit(match ended {
                Ended::Killed(Signal::KILL) => 137,
                _ if self.over && !self.preserve => 124,
                ended => ended.code(),
            });
        }
        if self.at.is_some_and(|at| sys.now() >= at) {
            self.over = true;
            // The child is there: it has just not been reaped.
            let _sent = sys.kill(self.child, Some(self.signal));
            self.at = self.then.take().map(|then| sys.now().saturating_add(then));
            self.signal = Signal::KILL;
            return Step::Yield;
        }
        Step::Block(Wait::Child(self.at))
    }
}

/// `time`
pub(super) fn time(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut rest = call.args;
    let mut format = Str::new_static("real\t%E\nuser\t%u\nsys\t%T");
    let mut to: Option<(Str, bool)> = None;
    let mut append = false;
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        match option.as_str() {
            "-p" => format = Str::new_static("real %e\nuser %U\nsys %S"),
            "-f" | "-o" => {
                let value = rest.get(1).cloned().unwrap_or_default();
                if option == "-f" {
                    format = value;
                } else {
                    to = Some((value, append));
                }
                rest = &rest[1..];
            }
            "-a" => append = true,
            "-v" => format = Str::new_static("\tElapsed (wall clock) time (h:mm:ss or m:ss): %E"),
            _ => {
                let letter = option.chars().nth(1).unwrap_or('-');
                return call.bad_option(letter, "[-vpa] [-o FILE] PROG ARGS", 1);
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    let Some(command) = rest.first() else { return call.usage("[-vpa] [-o FILE] PROG ARGS", 1) };
    let program = match load(call.sys, command, rest, call.environment) {
        Ok(program) => program,
        Err((e, status)) => {
            call.err(&format!("can't execute '{command}': {e}"));
            return Begun::Exit(status);
        }
    };
    match call.sys.fork(program, Some(rest)) {
        Ok(child) => Begun::Wait(Waiting::Timing(Box::new(Timing {
            child,
            began: call.sys.now(),
            format,
            to: to.map(|(file, _)| (file, append)),
        }))),
        Err(e) => {
            call.err(&format!("vfork: {e}"));
            Begun::Exit(1)
        }
    }
}

/// `time` under way.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    child: Pid,
    began: SimTime,
    format: Str,
    to: Option<(Str, bool)>,
}

impl Timing {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        let Some((_, ended)) = sys.reap(Some(self.child)) else {
            return Step::Block(Wait::Child(None));
        };
        let mut text = match ended {
            Ended::Exit(0) => String::new(),
            Ended::Exit(status) => format!("Command exited with non-zero status {status}\n"),
            Ended::Killed(signal) => {
                format!("Command terminated by signal {}\n", signal.number())
            }
        };
        let spent = sys.now().since(self.began);
        text.push_str(&written(&self.format, spent, ended));
        text.push('\n');
        match &self.to {
            None => sys.err(&text),
            Some((file, append)) => {
                let mode = if *append { OpenMode::APPEND } else { OpenMode::WRITE };
                match sys.open(file, mode, 3) {
                    Ok(fd) => {
                        // A full disk leaves the file short.
                        let _written = sys.write(fd, &crate::container::text::encode(&text));
                        sys.close(fd);
                    }
                    Err(e) => sys.err(&format!("time: can't open '{file}': {e}\n")),
                }
            }
        }
        Step::Exit(ended.code())
    }
}

fn written(format: &str, spent: Duration, ended: Ended) -> String {
    let (seconds, hundredths) = (spent.as_secs(), spent.subsec_millis() / 10);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        let text = match (c, c == '%' || c == '\\') {
            ('%', _) => match chars.next() {
                Some('E') if seconds >= 3600 => {
                    format!("{}h {}m {:02}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
                }
                Some('E') => format!("{}m {}.{hundredths:02}s", seconds / 60, seconds % 60),
                Some('e') => format!("{seconds}.{hundredths:02}"),
                // Processors take no time here.
                Some('u' | 'T') => "0m 0.00s".to_owned(),
                Some('U' | 'S') => "0.00".to_owned(),
                Some('P') => "0%".to_owned(),
                Some('x') => ended.code().to_string(),
                Some('%') => "%".to_owned(),
                Some(_) => "0".to_owned(),
                None => "%".to_owned(),
            },
            ('\\', _) => match chars.next() {
                Some('n') => "\n".to_owned(),
                Some('t') => "\t".to_owned(),
                Some(other) => other.to_string(),
                None => String::new(),
            },
            (c, _) => c.to_string(),
        };
        out.push_str(&text);
    }
    out
}

/// `watch`
pub(super) fn watch(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut rest = call.args;
    let mut period = Duration::from_secs(2);
    let mut title = true;
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        if option == "-t" || option == "--no-title" {
            title = false;
        } else if let Some(value) = option.strip_prefix("-n") {
            let value = if value.is_empty() {
                rest = &rest[1..];
                rest.first().cloned().unwrap_or_default()
            } else {
                value.into()
            };
            match durations::one(&value) {
                Some(length) => period = length.max(Duration::from_millis(100)),
                None => {
                    call.err(&format!("invalid number '{value}'"));
                    return Begun::Exit(1);
                }
            }
        } else {
            let letter = option.chars().nth(1).unwrap_or('-');
            return call.bad_option(letter, "[-n SEC] [-t] PROG ARGS", 1);
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    if rest.is_empty() {
        return call.usage("[-n SEC] [-t] PROG ARGS", 1);
    }
    Begun::Wait(Waiting::Watching(Box::new(Watching {
        command: rest.join(" ").into(),
        environment: call.environment.clone(),
        period,
        title,
        child: None,
        until: None,
    })))
}

/// `watch` under way.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    command: Str,
    environment: Environment,
    period: Duration,
    title: bool,
    child: Option<Pid>,
    until: Option<SimTime>,
}

impl Watching {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        if let Some(child) = self.child {
            if sys.reap(Some(child)).is_none() {
                return Step::Block(Wait::Child(None));
            }
            self.child = None;
            self.until = Some(sys.now().saturating_add(self.period));
        }
        if let Some(until) = self.until
            && sys.now() < until
        {
            return Step::Block(Wait::Until(until));
        }
        let mut text = "\x1b[H\x1b[J".to_owned();
        if self.title {
            let tenths = self.period.as_millis() / 100;
            let head = format!("Every {}.{}s: {}", tenths / 10, tenths % 10, self.command);
            crate::container::text::push(&mut text, format_args!("{head}\n"));
        }
        sys.out(&crate::container::text::encode(&text));
        sys.flush();
        let argv: [Str; 3] = ["sh".into(), "-c".into(), self.command.clone()];
        let Ok(program) = load(sys, "/bin/sh", &argv, &self.environment) else {
            return Step::Exit(127);
        };
        match sys.fork(program, Some(&argv)) {
            Ok(pid) => {
                self.child = Some(pid);
                Step::Block(Wait::Child(None))
            }
            Err(e) => {
                sys.err(&format!("watch: vfork: {e}\n"));
                Step::Exit(1)
            }
        }
    }
}

const FLOCK: &str = "[-sxun] FD | { FILE [-c] PROG ARGS }";

/// `flock`
pub(super) fn flock(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut rest = call.args;
    let (mut shared, mut unlock, mut now) = (false, false, false);
    let mut limit = None;
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        match option.as_str() {
            "-s" | "--shared" => shared = true,
            "-x" | "-e" | "--exclusive" => shared = false,
            "-u" | "--unlock" => unlock = true,
            "-n" | "--nonblock" => now = true,
            "-w" | "--timeout" => {
                limit = rest.get(1).and_then(|w| durations::one(w));
                rest = &rest[1..];
            }
            _ => {
                let letter = option.chars().nth(1).unwrap_or('-');
                return call.bad_option(letter, FLOCK, 1);
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    let Some(place) = rest.first() else { return call.usage(FLOCK, 1) };
    let mut argv = rest[1..].to_vec();
    let fd = if argv.is_empty() {
        let Ok(fd) = place.parse::<Fd>() else {
            call.err(&format!("invalid number '{place}'"));
            return Begun::Exit(1);
        };
        fd
    } else {
        let folder = call.sys.stat(place, true).is_ok_and(|s| s.kind == 'd');
        let mode =
            if folder { OpenMode::READ } else { OpenMode { truncate: false, ..OpenMode::APPEND } };
        match call.sys.open(place, mode, 3) {
            Ok(fd) => fd,
            Err(e) => {
                call.err(&format!("can't open '{place}': {e}"));
                return Begun::Exit(1);
            }
        }
    };
    if argv.first().is_some_and(|a| a == "-c") {
        let text = argv[1..].join(" ");
        argv = vec!["/bin/sh".into(), "-c".into(), text.into()];
    }
    if unlock {
        call.sys.unlock(fd);
        return Begun::Exit(0);
    }
    let until =
        if now { Some(call.sys.now()) } else { limit.map(|l| call.sys.now().saturating_add(l)) };
    Begun::Wait(Waiting::Locking(Box::new(Locking {
        fd,
        shared,
        until,
        argv,
        environment: call.environment.clone(),
        child: None,
    })))
}

/// `flock` under way.
#[derive(Clone, Debug)]
pub(crate) struct Locking {
    fd: Fd,
    shared: bool,
    until: Option<SimTime>,
    argv: Vec<Str>,
    environment: Environment,
    child: Option<Pid>,
}

impl Locking {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        if let Some(child) = self.child {
            return match sys.reap(Some(child)) {
                Some((_, ended)) => Step::Exit(ended.code()),
                None => Step::Block(Wait::Child(None)),
            };
        }
        match sys.lock(self.fd, !self.shared) {
            Ok(true) => {}
            Ok(false) if self.until.is_some_and(|at| sys.now() >= at) => return Step::Exit(1),
            Ok(false) => return Step::Block(Wait::Lock(self.until)),
            Err(e) => {
                sys.err(&format!("flock: {}: {e}\n", self.fd));
                return Step::Exit(1);
            }
        }
        let Some(command) = self.argv.first() else { return Step::Exit(0) };
        let program = match load(sys, command, &self.argv, &self.environment) {
            Ok(program) => program,
            Err((e, status)) => {
                sys.err(&format!("flock: can't execute '{command}': {e}\n"));
                return Step::Exit(status);
            }
        };
        match sys.fork(program, Some(&self.argv)) {
            Ok(pid) => {
                self.child = Some(pid);
                Step::Block(Wait::Child(None))
            }
            Err(e) => {
                sys.err(&format!("flock: vfork: {e}\n"));
                Step::Exit(1)
            }
        }
    }
}

//! Programs that stand before another one: the small inits `tini` and `dumb-init`, which run it as a child, pass
//! signals on and reap what is left over; `su`, `gosu` and `su-exec`, which become it as another user.
//!
//! Under an init a program is not PID 1, and so a signal that it does not handle ends it.

use super::env::{become_command, load};
use super::options::Syntax;
use super::{Begun, Call, Waiting};
use crate::base::Str;
use crate::container::image::DEFAULT_PATH;
use crate::container::os::Sys;
use crate::container::process::{Pid, Signal, Step, Wait};

/// The number of a user whom the image is not known to have.
const SOME_USER: u32 = 999;

/// What a command line runs that begins with one of the wrappers of entry points; nothing if it begins with none.
pub(crate) fn inner(argv: &[Str]) -> Option<&[Str]> {
    let name = argv.first()?.rsplit('/').next()?;
    let rest = &argv[1..];
    match name {
        "tini" | "tini-static" | "docker-init" | "dumb-init" => Some(after_options(rest)),
        "gosu" | "su-exec" => rest.get(1..),
        _ => None,
    }
    .filter(|rest| !rest.is_empty())
}

fn after_options(args: &[Str]) -> &[Str] {
    let mut rest = args;
    while let Some(arg) = rest.first().filter(|a| a.starts_with('-')) {
        let value = matches!(arg.as_str(), "-e" | "-p" | "-r" | "--rewrite");
        rest = rest.get(1 + usize::from(value)..).unwrap_or_default();
        if arg == "--" {
            break;
        }
    }
    rest
}

/// `tini`, `dumb-init`
pub(super) fn init(call: &mut Call<'_, '_, '_>) -> Begun {
    let dumb = call.name == "dumb-init";
    let argv = after_options(call.args);
    let options = &call.args[..call.args.len() - argv.len()];
    let group = if dumb {
        !options.iter().any(|o| o == "-c" || o == "--single-child")
    } else {
        options.iter().any(|o| o == "-g")
    };
    let Some(command) = argv.first() else {
        call.sys.err(&format!("Usage: {} [option] program [args]\n", call.name));
        return Begun::Exit(1);
    };
    let program = match load(call.sys, command, argv, call.environment) {
        Ok(program) => program,
        Err((e, status)) if !dumb => {
            call.sys.err(&format!("[FATAL tini (7)] exec {command} failed: {e}\n"));
            return Begun::Exit(status);
        }
        Err((e, _)) => {
            call.sys.err(&format!("[dumb-init] {command}: {e}\n"));
            return Begun::Exit(2);
        }
    };
    match call.sys.fork(program, Some(argv)) {
        Ok(child) => {
            call.sys.set_group(child);
            for signal in PASSED {
                call.sys.disposition(signal, true, false);
            }
            Begun::Wait(Waiting::Init(Init { child, group }))
        }
        Err(e) => {
            call.err(&format!("fork failed: {e}"));
            Begun::Exit(1)
        }
    }
}

/// The signals that an init passes on.
const PASSED: [Signal; 5] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR1, Signal::TERM];

/// `tini` or `dumb-init` under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Init {
    child: Pid,
    /// Signals go to all of the child's group.
    group: bool,
}

impl Init {
    /// Lets it run until it must wait or is done.
    pub(super) fn resume(self, sys: &mut Sys<'_, '_>) -> Step {
        for signal in sys.take_signals().iter() {
            // The child may have ended already.
            let _sent = if self.group {
                sys.kill_group(self.child, Some(signal))
            } else {
                sys.kill(self.child, Some(signal))
            };
        }
        while let Some((pid, ended)) = sys.reap(None) {
            if pid == self.child {
                return Step::Exit(ended.code());
            }
        }
        Step::Block(Wait::Child(None))
    }
}

/// `gosu`, `su-exec`
pub(super) fn as_user(call: &mut Call<'_, '_, '_>) -> Begun {
    let [who, argv @ ..] = call.args else {
        call.sys.err(&format!("Usage: {} user-spec command [args]\n", call.name));
        return Begun::Exit(1);
    };
    let Some(command) = argv.first() else {
        call.sys.err(&format!("Usage: {} user-spec command [args]\n", call.name));
        return Begun::Exit(1);
    };
    let (user, group) = who.split_once(':').map_or((who.as_str(), None), |(u, g)| (u, Some(g)));
    let entry = call
        .sys
        .passwd(|f| f.first().is_some_and(|n| n == user) || f.get(2).is_some_and(|n| n == user));
    let number = |entry: &Option<Vec<String>>, i: usize| -> Option<u32> {
        entry.as_ref()?.get(i)?.parse().ok()
    };
    let uid = number(&entry, 2).or_else(|| user.parse().ok()).unwrap_or(SOME_USER);
    let mut gid = number(&entry, 3).unwrap_or(if uid == 0 { 0 } else { uid });
    if let Some(group) = group {
        let found = call.sys.group(|f| f.first().is_some_and(|n| n == group));
        gid = group.parse().ok().or_else(|| number(&found, 2)).unwrap_or(SOME_USER);
    }
    if call.sys.me().uid != 0 && call.sys.me().uid != uid {
        call.err(&format!("error: failed switching to \"{who}\": operation not permitted"));
        return Begun::Exit(1);
    }
    let home = entry.and_then(|f| f.get(5).cloned()).unwrap_or_else(|| "/".to_owned());
    let mut environment = call.environment.to_vec();
    set(&mut environment, "HOME", &home);
    (call.sys.me_mut().uid, call.sys.me_mut().gid) = (uid, gid);
    become_command(call, command, argv, &environment.into())
}

fn set(environment: &mut Vec<(Str, Str)>, name: &str, value: &str) {
    match environment.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) => *old = value.into(),
        None => environment.push((name.into(), value.into())),
    }
}

const SU: Syntax = Syntax {
    short: "+lmps:c:",
    long: &[("command", 'c'), ("login", 'l'), ("preserve-environment", 'm'), ("shell", 's')],
    usage: "[-lmp] [-s SH] [-] [USER [FILE ARGS]]",
    status: 1,
};

/// `su`, by root or to oneself: there is nobody to type a password.
pub(super) fn su(call: &mut Call<'_, '_, '_>) -> Begun {
    // Options may also stand behind the user: `su postgres -c CMD`.
    let mut given = match call.options(SU) {
        Ok(options) => options,
        Err(begun) => return begun,
    };
    let mut login = given.has('l');
    let mut words = std::mem::take(&mut given.operands);
    if words.first().is_some_and(|w| w == "-") {
        login = true;
        words.remove(0);
    }
    let user = if words.is_empty() { Str::new_static("root") } else { words.remove(0) };
    if words.first().is_some_and(|w| w.starts_with('-')) {
        match call.options_of(&words, SU) {
            Ok(more) => {
                given.given.extend(more.given);
                words = more.operands;
            }
            Err(begun) => return begun,
        }
    }
    let Some(entry) = call.sys.passwd(|f| f.first().is_some_and(|n| *n == *user)) else {
        call.err(&format!("unknown user {user}"));
        return Begun::Exit(1);
    };
    let field = |i: usize| entry.get(i).cloned().unwrap_or_default();
    let (uid, gid) = (field(2).parse().unwrap_or(SOME_USER), field(3).parse().unwrap_or(SOME_USER));
    if call.sys.me().uid != 0 && call.sys.me().uid != uid {
        call.err("must be suid to work properly");
        return Begun::Exit(1);
    }
    let shell = given.value('s').cloned().unwrap_or_else(|| match field(6).as_str() {
        "" => "/bin/sh".into(),
        shell => shell.into(),
    });
    let mut environment = call.environment.to_vec();
    if login {
        environment.retain(|(name, _)| name == "TERM");
        set(&mut environment, "PATH", DEFAULT_PATH);
        // A home that is not there leaves one in the root directory.
        let _moved = call.sys.chdir(&field(5)).or_else(|_| call.sys.chdir("/"));
    }
    if login || !given.has('m') && !given.has('p') {
        set(&mut environment, "HOME", &field(5));
        set(&mut environment, "SHELL", &shell);
        if login || uid != 0 {
            set(&mut environment, "USER", &user);
            set(&mut environment, "LOGNAME", &user);
        }
    }
    (call.sys.me_mut().uid, call.sys.me_mut().gid) = (uid, gid);
    let name = shell.rsplit('/').next().unwrap_or("sh");
    let mut argv = vec![if login { format!("-{name}").into() } else { Str::from(name) }];
    if let Some(command) = given.value('c') {
        argv.extend(["-c".into(), command.clone()]);
    }
    argv.extend(words);
    become_command(call, &shell, &argv, &environment.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_behind_a_wrapper_is_found() {
        let check = |line: &str, want: &str| {
            let argv: Vec<Str> = line.split(' ').map(Str::from).collect();
            assert_eq!(inner(&argv).map(|a| a.join(" ")).unwrap_or_default(), want, "{line}");
        };
        check("/sbin/tini -- nginx -g x", "nginx -g x");
        check("tini -g -e 143 java -jar", "java -jar");
        check("dumb-init app --port 1", "app --port 1");
        check("gosu redis redis-server", "redis-server");
        check("su-exec 1000:1000 app", "app");
        check("tini --", "");
        check("nginx", "");
    }
}

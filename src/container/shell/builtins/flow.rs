//! Control: `eval`, `.`, `exit`, `return`, `break`, `shift` and their kin.

use super::{Args, Done};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::shell::lexer::Source;
use crate::container::shell::machine::{Flow, Frame, FrameKind, Leave, Reader, ReaderKind};
use crate::container::shell::{CallInfo, Shell};
use crate::container::text::decode;

/// `:`, `true`
pub(super) fn colon(_: &mut Shell, _: &mut Sys<'_, '_>, _: &Args<'_>) -> Done {
    Done::Status(0)
}

/// `false`
pub(super) fn fails(_: &mut Shell, _: &mut Sys<'_, '_>, _: &Args<'_>) -> Done {
    Done::Status(1)
}

/// `eval`
pub(super) fn eval(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let text = args.rest().join(" ");
    if text.trim().is_empty() {
        return Done::Status(0);
    }
    if text.len() > sys.os.limits.script_bytes {
        shell.builtin_error(
            sys,
            "eval",
            &format!("text longer than {} bytes (script_bytes)", sys.os.limits.script_bytes),
        );
        return Done::Fatal(2);
    }
    let source = Source::at_line(&text, shell.line);
    let reader = Reader::new(source, ReaderKind::Eval);
    shell.frames.push(Frame {
        kind: FrameKind::Read(Box::new(reader)),
        tested: args.tested,
        last: false,
    });
    Done::Flow(Flow::Go)
}

/// `.` and `source`
pub(super) fn source(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let Some(file) = args.rest().first().filter(|f| *f != "--").or_else(|| args.rest().get(1))
    else {
        if bash {
            shell.builtin_error(sys, args.name(), "filename argument required");
            sys.err(&format!("{0}: usage: {0} filename [arguments]\n", args.name()));
        } else {
            sys.err(&format!("{}filename argument required\n", shell.builtin_prefix(args.name())));
        }
        return Done::Fatal(2);
    };
    let path = match find_source(shell, sys, file) {
        Some(path) => path,
        None => {
            if bash {
                shell.complain(sys, &format!("{file}: No such file or directory"));
                return Done::Fatal(1);
            }
            shell.builtin_error(sys, args.name(), &format!("{file}: not found"));
            return Done::Fatal(2);
        }
    };
    let content = match sys.content(&path) {
        Ok(content) if content.len() <= sys.os.limits.script_bytes => content,
        Ok(_) => {
            shell.complain(
                sys,
                &format!("{file}: longer than {} bytes (script_bytes)", sys.os.limits.script_bytes),
            );
            return Done::Fatal(2);
        }
        Err(e) if bash => {
            let text = if e == crate::container::fs::Errno::IsDir {
                format!("{file}: is a directory")
            } else {
                format!("{file}: {e}")
            };
            if e == crate::container::fs::Errno::IsDir {
                shell.builtin_error(sys, args.name(), &text);
            } else {
                shell.complain(sys, &text);
            }
            return Done::Fatal(1);
        }
        Err(e) => {
            shell.builtin_error(sys, args.name(), &format!("can't open '{file}': {e}"));
            return Done::Fatal(2);
        }
    };
    let rest: Vec<Str> = args.rest().iter().skip_while(|a| *a != file).skip(1).cloned().collect();
    let params = (!rest.is_empty()).then(|| std::mem::replace(&mut shell.params, rest.into()));
    shell.rare.calls.push(CallInfo { function: None, source: file.clone(), line: shell.line });
    shell.frames.push(Frame { kind: FrameKind::Sourced(params), tested: args.tested, last: false });
    let reader = Reader::new(Source::new(&decode(&content)), ReaderKind::Dot);
    shell.frames.push(Frame {
        kind: FrameKind::Read(Box::new(reader)),
        tested: args.tested,
        last: false,
    });
    Done::Flow(Flow::Go)
}

fn find_source(shell: &Shell, sys: &Sys<'_, '_>, file: &str) -> Option<String> {
    if file.contains('/') {
        return Some(file.to_owned());
    }
    let path = shell.vars.text("PATH").cloned().unwrap_or_default();
    let in_path = path
        .split(':')
        .map(|dir| if dir.is_empty() { file.to_owned() } else { format!("{dir}/{file}") });
    let found = in_path.into_iter().find(|p| sys.stat(p, true).is_ok_and(|s| s.kind != 'd'));
    // bash also looks here; ash does not.
    found.or_else(|| {
        (shell.dialect.is_bash() && sys.stat(file, true).is_ok()).then(|| file.to_owned())
    })
}

/// The number that `exit`, `return` and `shift` take. `Err` is the outcome after the message.
fn number(shell: &Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Result<Option<i64>, Done> {
    let rest = args.rest();
    let rest = if rest.first().is_some_and(|a| a == "--") { &rest[1..] } else { rest };
    let Some(text) = rest.first() else { return Ok(None) };
    let parsed = text.trim().parse::<i64>().ok();
    if shell.dialect.is_bash() {
        let Some(n) = parsed else {
            shell.builtin_error(sys, args.name(), &format!("{text}: numeric argument required"));
            return Err(Done::Exit(2));
        };
        if rest.len() > 1 {
            shell.builtin_error(sys, args.name(), "too many arguments");
            return Err(if args.name() == "exit" { Done::Exit(1) } else { Done::Status(1) });
        }
        return Ok(Some(n));
    }
    match parsed.filter(|n| *n >= 0 && i32::try_from(*n).is_ok()) {
        Some(n) => Ok(Some(n)),
        None => {
            shell.builtin_error(sys, args.name(), &format!("Illegal number: {text}"));
            Err(Done::Exit(2))
        }
    }
}

fn low_byte(n: i64) -> u8 {
    u8::try_from(n & 0xff).expect("eight bits")
}

/// `exit`
pub(super) fn exit(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    match number(shell, sys, args) {
        Ok(n) => Done::Exit(n.map_or(shell.status_for_exit(), low_byte)),
        Err(done) => done,
    }
}

/// `return`
pub(super) fn return_(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let inside =
        shell.frames.iter().any(|f| matches!(f.kind, FrameKind::Call(_) | FrameKind::Sourced(_)));
    if !inside && shell.rare.calls.is_empty() && shell.dialect.is_bash() {
        shell.builtin_error(sys, "return", "can only `return' from a function or sourced script");
        return Done::Status(2);
    }
    let status = match number(shell, sys, args) {
        Ok(n) => n.map_or(shell.status, low_byte),
        Err(Done::Exit(status)) if shell.dialect.is_bash() => status,
        Err(done) => return done,
    };
    // At top level of a script it ends ash; in a subshell of a function, the subshell.
    if inside { Done::Return(status) } else { Done::Exit(status) }
}

/// `break` and `continue`
pub(super) fn leave_loop(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let in_loop = shell.frames.iter().any(|f| {
        matches!(
            f.kind,
            FrameKind::While(..)
                | FrameKind::For(..)
                | FrameKind::ArithFor(..)
                | FrameKind::Select(..)
        )
    });
    if !in_loop && (shell.dialect.is_bash() || args.rest().is_empty()) {
        if shell.dialect.is_bash() {
            let text = "only meaningful in a `for', `while', or `until' loop";
            shell.builtin_error(sys, args.name(), text);
        }
        return Done::Status(0);
    }
    let count = match args.rest().first() {
        None => 1,
        Some(text) => match text.parse::<u32>() {
            Ok(n) if n > 0 => n,
            _ if shell.dialect.is_bash() => {
                let why = if text.parse::<i64>().is_ok() {
                    "loop count out of range"
                } else {
                    "numeric argument required"
                };
                shell.builtin_error(sys, args.name(), &format!("{text}: {why}"));
                return if why.starts_with('l') {
                    Done::Leave(Leave::Break(u32::MAX))
                } else {
                    Done::Exit(128)
                };
            }
            _ => {
                shell.builtin_error(sys, args.name(), &format!("Illegal number: {text}"));
                return Done::Fatal(2);
            }
        },
    };
    shell.status = 0;
    if !in_loop {
        return Done::Status(0);
    }
    Done::Leave(if args.name() == "break" { Leave::Break(count) } else { Leave::Continue(count) })
}

/// `shift`
pub(super) fn shift(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let n = match number(shell, sys, args) {
        Ok(n) => n.unwrap_or(1),
        Err(Done::Exit(_)) if shell.dialect.is_bash() => return Done::Status(1),
        Err(Done::Exit(status)) => return Done::Fatal(status),
        Err(done) => return done,
    };
    if n < 0 {
        shell.builtin_error(sys, "shift", &format!("{n}: shift count out of range"));
        return Done::Status(1);
    }
    match usize::try_from(n) {
        Ok(n) if n <= shell.params.len() => {
            shell.params = shell.params[n..].into();
            Done::Status(0)
        }
        _ => Done::Status(1),
    }
}

/// `builtin`
pub(super) fn builtin(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let Some(name) = args.rest().first() else { return Done::Status(0) };
    let Some(found) = super::find(name, shell.dialect) else {
        shell.builtin_error(sys, "builtin", &format!("{name}: not a shell builtin"));
        return Done::Status(1);
    };
    let inner = Args {
        words: args.rest(),
        arrays: args.arrays.clone(),
        tested: args.tested,
        last: args.last,
    };
    (found.run)(shell, sys, &inner)
}

/// `caller`
pub(super) fn caller(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let n: usize = args.rest().first().and_then(|t| t.parse().ok()).unwrap_or(0);
    let Some(call) = shell.rare.calls.iter().rev().nth(n) else { return Done::Status(1) };
    let names = shell.function_names();
    let text = if args.rest().is_empty() {
        format!("{} {}\n", call.line, call.source)
    } else {
        format!("{} {} {}\n", call.line, names.get(n + 1).map_or("main", Str::as_str), call.source)
    };
    Done::Status(shell.builtin_output(sys, "caller", &text))
}

impl Shell {
    /// The status with which a bare `exit` ends: in a trap, the one before it.
    fn status_for_exit(&self) -> u8 {
        let done = self.frames.iter().find_map(|f| match f.kind {
            FrameKind::Done(status) => Some(status),
            _ => None,
        });
        let trap = self.frames.iter().rev().find_map(|f| match &f.kind {
            FrameKind::Trap(before) => Some(before.status),
            _ => None,
        });
        done.or(trap).unwrap_or(self.status)
    }
}

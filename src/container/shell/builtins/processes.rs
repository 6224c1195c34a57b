//! `wait`, `kill`, `jobs` and their kin.

use super::pause::Pause;
use super::{Args, Done};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::process::{Ended, Pid, Signal};
use crate::container::shell::Shell;
use crate::container::text::push;

/// The process that a pid or `%job` names. `Err` is the word.
fn target(shell: &Shell, word: &str) -> Result<i64, String> {
    if word.starts_with('%') {
        let number = shell.jobs.named(word).ok_or_else(|| word.to_owned())?;
        let job = shell.jobs.all.get(&number).ok_or_else(|| word.to_owned())?;
        return Ok(i64::from(job.procs.first().map_or(0, |p| p.0)));
    }
    word.parse().map_err(|_| word.to_owned())
}

/// `wait`
pub(super) fn wait(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    let mut any = false;
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        any |= option.contains('n');
        // `-p NAME` and `-pNAME`: the variable is not set, the words behind it are waited for.
        let takes = option.ends_with('p');
        if takes && rest.len() == 1 {
            shell.builtin_error(sys, "wait", "-p: option requires an argument");
            return Done::Status(2);
        }
        rest = &rest[1 + usize::from(takes)..];
    }
    shell.reap(sys);
    if rest.is_empty() {
        return Done::Pause(if any { Pause::WaitAny(Vec::new()) } else { Pause::WaitAll });
    }
    let mut pids: Vec<Pid> = Vec::new();
    let mut missing = false;
    for word in rest {
        let pid = match target(shell, word) {
            Ok(pid) => Pid::try_from(pid).ok().filter(|&p| {
                shell.jobs.with_pid(p).is_some() || shell.jobs.remembered(p).is_some()
            }),
            Err(_) => {
                if bash {
                    let why = if word.starts_with('%') {
                        "no such job"
                    } else {
                        "not a pid or valid job spec"
                    };
                    let text = if word.starts_with('%') {
                        format!("{word}: {why}")
                    } else {
                        format!("`{word}': {why}")
                    };
                    shell.builtin_error(sys, "wait", &text);
                } else {
                    shell.builtin_error(sys, "wait", &format!("Illegal number: {word}"));
                    return Done::Fatal(2);
                }
                missing = true;
                None
            }
        };
        match pid {
            Some(pid) => pids.push(pid),
            None => {
                if bash && !missing {
                    shell.builtin_error(
                        sys,
                        "wait",
                        &format!("pid {word} is not a child of this shell"),
                    );
                }
                // No child: status 127, but the others are waited for.
                pids.push(Pid::MAX);
            }
        }
    }
    Done::Pause(if any { Pause::WaitAny(pids) } else { Pause::Wait(pids, 0) })
}

/// The signal that a word names: a number or a name, `EXIT`/`0` as `None`.
pub(super) fn signal_of(word: &str, any_case: bool) -> Option<Option<Signal>> {
    if let Ok(n) = word.parse::<u8>() {
        return if n == 0 { Some(None) } else { Signal::new(n).map(Some) };
    }
    let upper = if any_case { word.to_ascii_uppercase() } else { word.to_owned() };
    if upper == "EXIT" || upper == "SIGEXIT" {
        return Some(None);
    }
    Signal::named(&upper).map(Some)
}

/// `kill`
pub(super) fn kill(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    let mut signal = Some(Signal::TERM);
    let bad = |shell: &Shell, sys: &mut Sys<'_, '_>, name: &str| {
        if bash {
            shell.builtin_error(sys, "kill", &format!("{name}: invalid signal specification"));
        } else {
            sys.err(&format!("sh: bad signal name '{name}'\n"));
        }
        Done::Status(1)
    };
    match rest.first().map(Str::as_str) {
        Some("-l" | "-L") => return list_signals(shell, sys, &rest[1..]),
        Some("-s" | "-n") => {
            let Some(name) = rest.get(1) else { return usage(shell, sys) };
            match signal_of(name, true) {
                Some(s) => signal = s,
                None => return bad(shell, sys, name),
            }
            rest = &rest[2..];
        }
        Some("--") => rest = &rest[1..],
        Some(option) if option.len() > 1 && option.starts_with('-') => {
            match signal_of(&option[1..], true) {
                Some(s) => signal = s,
                None => return bad(shell, sys, &option[1..]),
            }
            rest = &rest[1..];
        }
        Some(_) | None => {}
    }
    if rest.first().is_some_and(|a| a == "--") {
        rest = &rest[1..];
    }
    if rest.is_empty() {
        return usage(shell, sys);
    }
    if !bash
        && let Some(job) = rest.iter().find(|w| w.starts_with('%') && target(shell, w).is_err())
    {
        shell.builtin_error(sys, "kill", &format!("{job}: no such job"));
        return Done::Fatal(2);
    }
    let mut failed = 0;
    for word in rest {
        if !kill_one(shell, sys, word, signal) {
            failed += 1;
        }
    }
    Done::Status(if bash { u8::from(failed == rest.len()) } else { u8::from(failed > 0) })
}

fn kill_one(shell: &Shell, sys: &mut Sys<'_, '_>, word: &str, signal: Option<Signal>) -> bool {
    let bash = shell.dialect.is_bash();
    let pid = match target(shell, word) {
        Ok(pid) => pid,
        Err(word) if bash => {
            let text = if word.starts_with('%') {
                format!("{word}: no such job")
            } else {
                format!("{word}: arguments must be process or job IDs")
            };
            shell.builtin_error(sys, "kill", &text);
            return false;
        }
        Err(word) => {
            sys.err(&format!("sh: invalid number '{word}'\n"));
            return false;
        }
    };
    let sent = match pid {
        0 => sys.kill_group(sys.me().group, signal),
        -1 => {
            let others: Vec<Pid> = sys
                .processes()
                .into_iter()
                .map(|p| p.0)
                .filter(|&p| p != 1 && p != sys.pid)
                .collect();
            others.into_iter().try_for_each(|p| sys.kill(p, signal))
        }
        n if n < 0 => sys.kill_group(Pid::try_from(-n).unwrap_or(Pid::MAX), signal),
        n => sys.kill(Pid::try_from(n).unwrap_or(Pid::MAX), signal),
    };
    if let Err(e) = sent {
        if bash {
            shell.builtin_error(sys, "kill", &format!("({pid}) - {e}"));
        } else {
            sys.err(&format!("sh: can't kill pid {pid}: {e}\n"));
        }
        return false;
    }
    true
}

fn usage(shell: &Shell, sys: &mut Sys<'_, '_>) -> Done {
    if shell.dialect.is_bash() {
        sys.err("kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]\n");
        return Done::Status(2);
    }
    sys.err("sh: you need to specify whom to kill\n");
    Done::Status(1)
}

fn list_signals(shell: &Shell, sys: &mut Sys<'_, '_>, words: &[Str]) -> Done {
    let mut out = String::new();
    let mut status = 0;
    for word in words {
        // A status of a process that a signal ended counts too.
        let reduced =
            word.parse::<u8>().ok().map(|n| if n > 128 { n - 128 } else { n }.to_string());
        match signal_of(reduced.as_deref().unwrap_or(word), true) {
            Some(Some(s)) if word.parse::<u8>().is_ok() => {
                push(&mut out, format_args!("{}\n", s.name()))
            }
            Some(Some(s)) => push(&mut out, format_args!("{}\n", s.number())),
            Some(None) if word == "0" => out.push_str("EXIT\n"),
            Some(None) => out.push_str("0\n"),
            None => {
                if shell.dialect.is_bash() {
                    shell.builtin_error(
                        sys,
                        "kill",
                        &format!("{word}: invalid signal specification"),
                    );
                } else {
                    sys.err(&format!("sh: unknown signal '{word}'\n"));
                }
                status = 1;
            }
        }
    }
    if words.is_empty() {
        out = if shell.dialect.is_bash() { bash_table() } else { ash_table() };
    }
    let written = shell.builtin_output(sys, "kill", &out);
    Done::Status(written.max(status))
}

fn ash_table() -> String {
    let mut out = String::new();
    for n in 1..32 {
        if let Some(s) = Signal::new(n) {
            push(&mut out, format_args!("{n:2}) {}\n", s.name()));
        }
    }
    out
}

fn bash_table() -> String {
    let mut out = String::new();
    for n in 1..32u8 {
        if let Some(s) = Signal::new(n) {
            push(
                &mut out,
                format_args!("{n:2}) SIG{}{}", s.name(), if n % 5 == 0 { "\n" } else { "\t" }),
            );
        }
    }
    out.push('\n');
    out
}

/// `jobs`
pub(super) fn jobs(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    shell.reap(sys);
    let pids_only = args.rest().iter().any(|a| a == "-p");
    let long = args.rest().iter().any(|a| a == "-l");
    let mut out = String::new();
    let last = shell.jobs.listed().map(|j| j.0).next_back();
    let before = shell.jobs.listed().map(|j| j.0).rev().nth(1);
    for (number, job) in shell.jobs.listed() {
        if pids_only {
            push(&mut out, format_args!("{}\n", job.procs.first().map_or(0, |p| p.0)));
            continue;
        }
        let mark = if Some(number) == last {
            '+'
        } else if Some(number) == before {
            '-'
        } else {
            ' '
        };
        let state = match job.ended() {
            None => "Running".to_owned(),
            Some(Ended::Exit(0)) => "Done".to_owned(),
            Some(Ended::Exit(n)) => {
                if shell.dialect.is_bash() {
                    format!("Exit {n}")
                } else {
                    format!("Done({n})")
                }
            }
            Some(Ended::Killed(s)) => s.description().to_owned(),
        };
        let pid = if long { format!("{} ", job.last_pid()) } else { String::new() };
        let amp = if shell.dialect.is_bash() && job.ended().is_none() { " &" } else { "" };
        if shell.dialect.is_bash() {
            push(
                &mut out,
                format_args!("[{number}]{mark}  {pid}{state:<23} {}{amp}\n", job.text()),
            );
        } else {
            // Without job control ash does not keep what a job runs.
            let line = format!("[{number}]{mark}  {pid}{state}");
            push(&mut out, format_args!("{line:<33}\n"));
        }
    }
    shell.jobs.all.retain(|_, j| !(j.background && j.is_done()));
    Done::Status(shell.builtin_output(sys, "jobs", &out))
}

/// `fg`: there is no job control.
pub(super) fn fg(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    if shell.dialect.is_bash() {
        shell.builtin_error(sys, args.name(), "no job control");
        return Done::Status(1);
    }
    shell.builtin_error(sys, args.name(), "job (null) not created under job control");
    Done::Fatal(2)
}

/// `bg`: there is no job control.
pub(super) fn bg(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    fg(shell, sys, args)
}

/// `disown`
pub(super) fn disown(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    if args.rest().is_empty() && shell.jobs.listed().next().is_none() {
        shell.builtin_error(sys, "disown", "current: no such job");
        return Done::Status(1);
    }
    let named: Vec<u32> = args
        .rest()
        .iter()
        .filter_map(|a| shell.jobs.named(a).or_else(|| shell.jobs.with_pid(a.parse().ok()?)))
        .collect();
    shell.jobs.all.retain(|n, j| {
        !(j.background
            && (args.rest().is_empty()
                || named.contains(n)
                || args.rest().iter().any(|a| a == "-a")))
    });
    Done::Status(0)
}

/// `times`: processors take no time here.
pub(super) fn times(shell: &mut Shell, sys: &mut Sys<'_, '_>, _: &Args<'_>) -> Done {
    Done::Status(shell.builtin_output(sys, "times", "0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n"))
}

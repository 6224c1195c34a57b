//! `trap`

use super::processes::signal_of;
use super::{Args, Done};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::process::Signal;
use crate::container::shell::Shell;
use crate::container::shell::quoting::{ash_single, single};
use crate::container::shell::traps::Event;
use crate::container::text::push;

/// The event that a word names.
fn event(shell: &Shell, word: &str) -> Option<Event> {
    if shell.dialect.is_bash() {
        match word {
            "ERR" => return Some(Event::Err),
            "DEBUG" => return Some(Event::Debug),
            "RETURN" => return Some(Event::Return),
            _ => {}
        }
    }
    match signal_of(word, true)? {
        None => Some(Event::Exit),
        Some(signal) => Some(Event::Signal(signal)),
    }
}

fn name(shell: &Shell, event: Event) -> String {
    match event {
        Event::Exit => "EXIT".to_owned(),
        Event::Err => "ERR".to_owned(),
        Event::Debug => "DEBUG".to_owned(),
        Event::Return => "RETURN".to_owned(),
        Event::Signal(s) if shell.dialect.is_bash() => format!("SIG{}", s.name()),
        Event::Signal(s) => s.name().to_owned(),
    }
}

fn list(shell: &Shell, only: &[Event]) -> String {
    let mut out = String::new();
    for (&event, action) in shell.traps.list() {
        if only.is_empty() || only.contains(&event) {
            let quoted = if shell.dialect.is_bash() { single(action) } else { ash_single(action) };
            push(&mut out, format_args!("trap -- {quoted} {}\n", name(shell, event)));
        }
    }
    out
}

/// `trap`
pub(super) fn trap(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    match rest.first().map(Str::as_str) {
        Some("-l") => {
            let words = [Str::from("kill"), Str::from("-l")];
            return super::processes::kill(
                shell,
                sys,
                &Args { words: &words, arrays: Vec::new(), tested: args.tested, last: false },
            );
        }
        Some("-p") if bash => {
            let only: Vec<Event> = rest[1..].iter().filter_map(|w| event(shell, w)).collect();
            let text = list(shell, &only);
            return Done::Status(shell.builtin_output(sys, "trap", &text));
        }
        Some("--") => rest = &rest[1..],
        Some(_) | None => {}
    }
    let Some(first) = rest.first() else {
        let text = list(shell, &[]);
        return Done::Status(shell.builtin_output(sys, "trap", &text));
    };
    // With one word, or a number first, actions are taken away.
    let alone = rest.len() == 1 || first.parse::<u32>().is_ok() && signal_of(first, true).is_some();
    let (action, words) =
        if alone { (None, rest) } else { (Some(first.clone()).filter(|a| a != "-"), &rest[1..]) };
    if alone && rest.len() == 1 && first == "-" {
        return Done::Status(0);
    }
    let mut status = 0;
    for word in words {
        let Some(event) = event(shell, word) else {
            if bash && alone && rest.len() == 1 {
                sys.err("trap: usage: trap [-lp] [[arg] signal_spec ...]\n");
                return Done::Status(2);
            }
            shell.builtin_error(sys, "trap", &format!("{word}: invalid signal specification"));
            status = 1;
            continue;
        };
        if let Event::Signal(signal) = event {
            // What was ignored at the start stays ignored; KILL and STOP cannot be caught.
            if shell.traps.is_ignored_for_good(signal)
                || signal == Signal::KILL
                || signal == Signal::STOP
            {
                continue;
            }
        }
        match &action {
            Some(action) => shell.traps.set(event, action.clone()),
            None => shell.traps.reset(event),
        }
        match event {
            Event::Signal(signal) => shell.update_disposition(sys, signal),
            Event::Exit => shell.update_terminating(sys),
            Event::Err | Event::Debug | Event::Return => {}
        }
    }
    Done::Status(status)
}

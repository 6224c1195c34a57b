//! Tools that find processes and signal them: `kill`, `killall`, `pidof`, `pgrep`, `pkill`.

use std::sync::Arc;

use super::{Begun, Call};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::process::{Pid, Signal};
use crate::container::regex::Regex;
use crate::container::text::push;

/// The signal of a word: a number or a name; 0 is a mere look.
fn named(word: &str) -> Option<Option<Signal>> {
    match word.parse::<u8>() {
        Ok(0) => Some(None),
        Ok(number) => Signal::new(number).map(Some),
        Err(_) => Signal::named(&word.to_ascii_uppercase()).map(Some),
    }
}

/// The signal that options name (`-9`, `-KILL`, `-s KILL`), and what follows them.
fn chosen<'a>(
    call: &mut Call<'_, '_, '_>,
    args: &'a [Str],
) -> Result<(Option<Signal>, &'a [Str]), Box<Begun>> {
    let (word, rest) = match args.first().map(Str::as_str) {
        Some("-s") => match args.get(1) {
            Some(word) => (word.as_str(), &args[2..]),
            None => ("", &args[1..]),
        },
        Some(option) if option.len() > 1 && option.starts_with('-') && option != "--" => {
            (&option[1..], &args[1..])
        }
        Some(_) | None => return Ok((Some(Signal::TERM), args)),
    };
    match named(word) {
        Some(signal) => Ok((signal, rest)),
        None => {
            call.err(&format!("bad signal name '{word}'"));
            Err(Box::new(Begun::Exit(1)))
        }
    }
}

fn list(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut out = String::new();
    if call.args.len() > 1 {
        for word in &call.args[1..] {
            let signal = match word.parse::<u8>() {
                Ok(number) => Signal::new(number & 0x7f),
                Err(_) => Signal::named(&word.to_ascii_uppercase()),
            };
            match signal {
                Some(s) if word.parse::<u8>().is_ok() => {
                    push(&mut out, format_args!("{}\n", s.name()))
                }
                Some(s) => push(&mut out, format_args!("{}\n", s.number())),
                None => {
                    call.err(&format!("unknown signal '{word}'"));
                    return Begun::Exit(1);
                }
            }
        }
    } else {
        for signal in (1..32).filter_map(Signal::new) {
            push(&mut out, format_args!("{:2}) {}\n", signal.number(), signal.name()));
        }
    }
    call.out(&out);
    Begun::Exit(0)
}

/// `kill`
pub(super) fn kill(call: &mut Call<'_, '_, '_>) -> Begun {
    if call.args.first().is_some_and(|a| a == "-l") {
        return list(call);
    }
    let (signal, mut rest) = match chosen(call, call.args) {
        Ok(chosen) => chosen,
        Err(begun) => return *begun,
    };
    if rest.first().is_some_and(|a| a == "--") {
        rest = &rest[1..];
    }
    if rest.is_empty() {
        call.err("you need to specify whom to kill");
        return Begun::Exit(1);
    }
    let mut failed = false;
    for word in rest {
        let Ok(pid) = word.parse::<i64>() else {
            call.err(&format!("invalid number '{word}'"));
            failed = true;
            continue;
        };
        let own = call.sys.me().group;
        let sent = match pid {
            0 => call.sys.kill_group(own, signal),
            -1 => {
                let me = call.sys.pid;
                let others = call.sys.processes().into_iter().map(|p| p.0);
                let others: Vec<Pid> = others.filter(|&p| p != 1 && p != me).collect();
                others.into_iter().try_for_each(|p| call.sys.kill(p, signal))
            }
            n if n < 0 => {
                let group = Pid::try_from(n.unsigned_abs()).unwrap_or(Pid::MAX);
                call.sys.kill_group(group, signal)
            }
            n => call.sys.kill(Pid::try_from(n).unwrap_or(Pid::MAX), signal),
        };
        if let Err(e) = sent {
            call.err(&format!("can't kill pid {pid}: {e}"));
            failed = true;
        }
    }
    Begun::Exit(u8::from(failed))
}

/// What a process is called: the last part of its program's name, as the kernel keeps it.
fn command(argv: &[Str]) -> &str {
    let first = argv.first().map_or("", Str::as_str);
    first.rsplit('/').next().unwrap_or(first).trim_start_matches('-')
}

fn by_name(sys: &Sys<'_, '_>, name: &str) -> Vec<Pid> {
    let wanted = name.rsplit('/').next().unwrap_or(name);
    let fits = |argv: &[Str]| {
        command(argv) == wanted
            // A script goes by the name of its file as well.
            || argv.get(1).is_some_and(|script| {
                argv.len() > 1
                    && matches!(command(argv), "sh" | "ash" | "bash" | "dash")
                    && script.rsplit('/').next() == Some(wanted)
            })
    };
    sys.processes().into_iter().filter(|(_, _, argv)| fits(argv)).map(|p| p.0).collect()
}

/// `killall`
pub(super) fn killall(call: &mut Call<'_, '_, '_>) -> Begun {
    if call.args.first().is_some_and(|a| a == "-l") {
        return list(call);
    }
    let plain = |a: &&Str| !matches!(a.as_str(), "-q" | "-v" | "-w");
    let quiet = call.args.iter().any(|a| a == "-q");
    let args: Vec<Str> = call.args.iter().filter(plain).cloned().collect();
    let (signal, rest) = match chosen(call, &args) {
        Ok(chosen) => chosen,
        Err(begun) => return *begun,
    };
    if rest.is_empty() {
        call.err("you need to specify whom to kill");
        return Begun::Exit(1);
    }
    let mut failed = false;
    for name in rest {
        let me = call.sys.pid;
        let found: Vec<Pid> = by_name(call.sys, name).into_iter().filter(|&p| p != me).collect();
        if found.is_empty() {
            failed = true;
            if !quiet {
                call.err(&format!("{name}: no process killed"));
            }
        }
        for pid in found {
            if let Err(e) = call.sys.kill(pid, signal) {
                failed = true;
                call.err(&format!("can't kill pid {pid}: {e}"));
            }
        }
    }
    Begun::Exit(u8::from(failed))
}

/// `pidof`
pub(super) fn pidof(call: &mut Call<'_, '_, '_>) -> Begun {
    let (mut single, mut omit) = (false, Vec::new());
    let mut names = Vec::new();
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" => single = true,
            "-o" => {
                let word = args.next().cloned().unwrap_or_default();
                let pid =
                    if word == "%PPID" { Some(call.sys.me().parent) } else { word.parse().ok() };
                omit.extend(pid);
            }
            "-x" => {}
            other if other.len() > 1 && other.starts_with('-') => {
                let letter = other.chars().nth(1).unwrap_or('-');
                return call.bad_option(letter, "[-s] [-o PID] [NAME]...", 1);
            }
            _ => names.push(arg.clone()),
        }
    }
    let mut found: Vec<Pid> = Vec::new();
    for name in &names {
        let mut pids = by_name(call.sys, name);
        pids.retain(|p| !omit.contains(p));
        // The newest first, as /proc is read and the list is built.
        pids.reverse();
        found.extend(pids);
    }
    if single {
        found.truncate(1);
    }
    if found.is_empty() {
        return Begun::Exit(1);
    }
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    call.out(&format!("{}\n", text.join(" ")));
    Begun::Exit(0)
}

/// What `pgrep` and `pkill` look for.
#[derive(Default)]
struct Search {
    full: bool,
    exact: bool,
    invert: bool,
    newest: bool,
    oldest: bool,
    names: bool,
    count: bool,
    parent: Option<Pid>,
    user: Option<u32>,
    signal: Option<Option<Signal>>,
    pattern: Option<Str>,
}

/// `pgrep`
pub(super) fn pgrep(call: &mut Call<'_, '_, '_>) -> Begun {
    let search = match read_search(call) {
        Ok(search) => search,
        Err(begun) => return *begun,
    };
    let found = match find(call, &search) {
        Ok(found) => found,
        Err(begun) => return *begun,
    };
    let mut out = String::new();
    if search.count {
        push(&mut out, format_args!("{}\n", found.len()));
    } else {
        for (pid, argv) in &found {
            if search.names {
                push(&mut out, format_args!("{pid} {}\n", shown(argv, search.full)));
            } else {
                push(&mut out, format_args!("{pid}\n"));
            }
        }
    }
    call.out(&out);
    Begun::Exit(u8::from(found.is_empty()))
}

/// `pkill`
pub(super) fn pkill(call: &mut Call<'_, '_, '_>) -> Begun {
    let search = match read_search(call) {
        Ok(search) => search,
        Err(begun) => return *begun,
    };
    let found = match find(call, &search) {
        Ok(found) => found,
        Err(begun) => return *begun,
    };
    let signal = search.signal.unwrap_or(Some(Signal::TERM));
    for (pid, _) in &found {
        // One that may not be signalled is passed over.
        let _sent = call.sys.kill(*pid, signal);
    }
    Begun::Exit(u8::from(found.is_empty()))
}

const SEARCH: &str = "[-flnovx] [-s SID|-P PPID|PATTERN]";

fn read_search(call: &mut Call<'_, '_, '_>) -> Result<Search, Box<Begun>> {
    let mut search = Search::default();
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            search.pattern = Some(arg.clone());
            continue;
        };
        if call.name == "pkill"
            && let Some(signal) = named(letters)
        {
            search.signal = Some(signal);
            continue;
        }
        for (at, letter) in letters.char_indices() {
            match letter {
                'f' => search.full = true,
                'x' => search.exact = true,
                'v' => search.invert = true,
                'n' => search.newest = true,
                'o' => search.oldest = true,
                'l' | 'a' => {
                    search.names = true;
                    search.full |= letter == 'a';
                }
                'c' => search.count = true,
                'P' | 's' | 'u' | 'U' => {
                    let value = match &letters[at + 1..] {
                        "" => args.next().cloned().unwrap_or_default(),
                        rest => rest.into(),
                    };
                    match letter {
                        'P' => search.parent = value.parse().ok(),
                        'u' | 'U' => {
                            let number = call.sys.passwd(|f| f.first() == Some(&value.to_string()));
                            let number = number.and_then(|f| f.get(2)?.parse().ok());
                            search.user = value.parse().ok().or(number);
                        }
                        _ => {}
                    }
                    break;
                }
                other => return Err(Box::new(call.bad_option(other, SEARCH, 1))),
            }
        }
    }
    if search.pattern.is_none() && search.parent.is_none() && search.user.is_none() {
        return Err(Box::new(call.usage(SEARCH, 1)));
    }
    Ok(search)
}

fn shown(argv: &[Str], full: bool) -> String {
    if full { argv.join(" ") } else { command(argv).to_owned() }
}

fn find(
    call: &mut Call<'_, '_, '_>,
    search: &Search,
) -> Result<Vec<(Pid, Arc<[Str]>)>, Box<Begun>> {
    let pattern = match search.pattern.as_deref().map(|p| Regex::extended(p, false)) {
        None => None,
        Some(Ok(regex)) => Some(regex),
        Some(Err(e)) => {
            call.err(e.0);
            return Err(Box::new(Begun::Exit(1)));
        }
    };
    let me = call.sys.pid;
    let mut found = Vec::new();
    for (pid, parent, argv) in call.sys.processes() {
        if pid == me {
            continue;
        }
        let text = shown(&argv, search.full);
        let fits = pattern.as_ref().is_none_or(|regex| {
            let found = regex.find_at(&text, 0).and_then(|spans| spans.first().copied().flatten());
            found.is_some_and(|span| !search.exact || span == (0, text.len()))
        });
        let fits = fits
            && search.parent.is_none_or(|p| p == parent)
            && search.user.is_none_or(|u| call.sys.process_facts(pid).is_some_and(|f| f.0 == u));
        if fits != search.invert {
            found.push((pid, argv));
        }
    }
    if search.newest && found.len() > 1 {
        found = found.split_off(found.len() - 1);
    }
    if search.oldest {
        found.truncate(1);
    }
    Ok(found)
}

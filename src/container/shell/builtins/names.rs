//! What a command name means: `type`, `command`, `hash`.

use super::{Args, Done};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::shell::Shell;
use crate::container::shell::parser::is_keyword;
use crate::container::text::push;

/// What a name means.
enum Meaning {
    Alias(Str),
    Keyword,
    Function,
    Builtin(bool),
    File(String),
}

fn is_reserved(shell: &Shell, name: &str) -> bool {
    is_keyword(name)
        || shell.dialect.is_bash() && matches!(name, "[[" | "]]" | "time" | "select" | "coproc")
}

fn meanings(shell: &Shell, sys: &Sys<'_, '_>, name: &str, functions: bool) -> Vec<Meaning> {
    let mut out = Vec::new();
    if let Some(value) = shell.aliases.get(name)
        && (!shell.dialect.is_bash() || shell.options.expand_aliases)
    {
        out.push(Meaning::Alias(value.clone()));
    }
    if is_reserved(shell, name) {
        out.push(Meaning::Keyword);
    }
    if functions && shell.functions.contains_key(name) {
        out.push(Meaning::Function);
    }
    if let Some(builtin) = shell.builtin(name) {
        out.push(Meaning::Builtin(builtin.special));
    }
    let path = shell.vars.text("PATH").map_or("", Str::as_str);
    if let Ok(file) = sys.find_program(name, path)
        && sys.access(&file, 1) == Ok(true)
        && sys.stat(&file, true).is_ok_and(|s| s.kind != 'd')
    {
        out.push(Meaning::File(file));
    }
    out
}

/// `type`
pub(super) fn type_(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    let mut letters = String::new();
    while let Some(option) = rest.first().filter(|a| bash && a.starts_with('-') && a.len() > 1) {
        letters.push_str(&option[1..]);
        rest = &rest[1..];
    }
    let has = |c: char| letters.contains(c);
    let mut out = String::new();
    let mut status = 0;
    for name in rest {
        let mut found = meanings(shell, sys, name, !has('f'));
        if has('P') || has('p') {
            let only_file = has('P') || matches!(found.first(), Some(Meaning::File(_)));
            match found
                .into_iter()
                .find_map(|m| if let Meaning::File(f) = m { Some(f) } else { None })
            {
                Some(file) if only_file => push(&mut out, format_args!("{file}\n")),
                Some(_) => {}
                None => status = 1,
            }
            continue;
        }
        if !has('a') {
            found.truncate(1);
        }
        if found.is_empty() {
            if !has('t') {
                status = if bash { 1 } else { 127 };
                if bash {
                    shell.builtin_error(sys, "type", &format!("{name}: not found"));
                } else {
                    push(&mut out, format_args!("{name}: not found\n"));
                }
            } else {
                status = 1;
            }
            continue;
        }
        for meaning in found {
            let text =
                if has('t') { kind(&meaning).to_owned() } else { describe(shell, name, &meaning) };
            push(&mut out, format_args!("{text}\n"));
        }
    }
    let written = shell.builtin_output(sys, "type", &out);
    Done::Status(written.max(status))
}

const fn kind(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Alias(_) => "alias",
        Meaning::Keyword => "keyword",
        Meaning::Function => "function",
        Meaning::Builtin(_) => "builtin",
        Meaning::File(_) => "file",
    }
}

fn describe(shell: &Shell, name: &str, meaning: &Meaning) -> String {
    let bash = shell.dialect.is_bash();
    match meaning {
        Meaning::Alias(value) if bash => format!("{name} is aliased to `{value}'"),
        Meaning::Alias(value) => format!("{name} is an alias for {value}"),
        Meaning::Keyword => format!("{name} is a shell keyword"),
        Meaning::Function if bash => match shell.functions.get(name) {
            Some(f) => format!(
                "{name} is a function\n{name} () \n{}",
                crate::container::shell::print::function_body(&f.body)
            ),
            None => format!("{name} is a function"),
        },
        Meaning::Function => format!("{name} is a function"),
        Meaning::Builtin(true) if !bash => format!("{name} is a special shell builtin"),
        Meaning::Builtin(_) => format!("{name} is a shell builtin"),
        Meaning::File(file) => format!("{name} is {file}"),
    }
}

/// `command`
pub(super) fn command(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut rest = args.rest();
    let (mut short, mut long) = (false, false);
    let mut default_path = false;
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        rest = &rest[1..];
        if option == "--" {
            break;
        }
        for letter in option[1..].chars() {
            match letter {
                'v' => short = true,
                'V' => long = true,
                'p' => default_path = true,
                _ => {
                    let text = if shell.dialect.is_bash() {
                        format!("-{letter}: invalid option")
                    } else {
                        format!("Illegal option -{letter}")
                    };
                    shell.builtin_error(sys, "command", &text);
                    return Done::Fatal(2);
                }
            }
        }
    }
    if short || long {
        return look_up(shell, sys, rest, long);
    }
    if rest.is_empty() {
        return Done::Status(0);
    }
    let old_path = shell.vars.get("PATH").cloned();
    if default_path {
        // A read-only PATH stays.
        let _set = shell.vars.set("PATH", crate::container::image::DEFAULT_PATH);
    }
    let words = rest.to_vec();
    let flow = if let Some(builtin) = shell.builtin(&words[0]) {
        let inner = Args {
            words: &words,
            arrays: args.arrays.clone(),
            tested: args.tested,
            last: args.last,
        };
        let done = (builtin.run)(shell, sys, &inner);
        // Through `command`, a special built-in is as any other.
        shell.builtin_done(sys, done, false, args.tested)
    } else {
        shell.dispatch(sys, words, Vec::new(), false, args.tested, args.last && !default_path)
    };
    if default_path {
        shell.vars.restore("PATH", old_path);
    }
    Done::Flow(flow)
}

fn look_up(shell: &Shell, sys: &mut Sys<'_, '_>, names: &[Str], long: bool) -> Done {
    let bash = shell.dialect.is_bash();
    let mut out = String::new();
    let mut status = 0;
    let mut any = false;
    for name in names {
        let Some(meaning) = meanings(shell, sys, name, true).into_iter().next() else {
            status = if bash { 1 } else { 127 };
            if long {
                if bash {
                    shell.builtin_error(sys, "command", &format!("{name}: not found"))
                } else {
                    push(&mut out, format_args!("{name}: not found\n"))
                }
            }
            continue;
        };
        any = true;
        let text = if long {
            describe(shell, name, &meaning)
        } else {
            match &meaning {
                Meaning::Alias(value) => format!(
                    "alias {}",
                    super::aliases::definition(shell, name, value).trim_start_matches("alias ")
                ),
                Meaning::Keyword | Meaning::Function | Meaning::Builtin(_) => name.to_string(),
                Meaning::File(file) => file.clone(),
            }
        };
        push(&mut out, format_args!("{text}\n"));
    }
    let written = shell.builtin_output(sys, "command", &out);
    // For bash it is enough that one of them is there.
    Done::Status(written.max(if bash && any { 0 } else { status }))
}

/// `hash`. Where commands were found is not kept: it is looked up whenever it is asked for.
pub(super) fn hash(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let names: Vec<&Str> = args.rest().iter().filter(|a| !a.starts_with('-')).collect();
    let has = |letter: char| args.rest().iter().any(|a| a.starts_with('-') && a.contains(letter));
    if names.is_empty() && !has('r') && bash {
        return Done::Status(shell.builtin_output(sys, "hash", "hash: hash table empty\n"));
    }
    let mut out = String::new();
    let mut status = 0;
    for name in &names {
        let known = shell.builtin(name).is_some() || shell.functions.contains_key(name.as_str());
        match sys.find_program(name, shell.vars.text("PATH").map_or("", Str::as_str)) {
            Ok(file) if has('t') && names.len() > 1 => {
                push(&mut out, format_args!("{name}\t{file}\n"))
            }
            Ok(file) if has('t') => push(&mut out, format_args!("{file}\n")),
            Err(_) if !known => {
                shell.builtin_error(sys, "hash", &format!("{name}: not found"));
                status = 1;
            }
            Ok(_) | Err(_) => {}
        }
    }
    let written = shell.builtin_output(sys, "hash", &out);
    Done::Status(written.max(status))
}

//! bash's `enable` and the part of `compgen` that scripts use.

use super::{Args, Done, all, find};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::shell::Shell;
use crate::container::text::push;

/// `enable`
pub(super) fn enable(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut rest = args.rest();
    let mut letters = String::new();
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        letters.push_str(&option[1..]);
        rest = &rest[1..];
    }
    let has = |c: char| letters.contains(c);
    if let Some(bad) = letters.chars().find(|c| !"anps".contains(*c)) {
        shell.builtin_error(sys, "enable", &format!("-{bad}: invalid option"));
        sys.err("enable: usage: enable [-a] [-dnps] [-f filename] [name ...]\n");
        return Done::Status(2);
    }
    if rest.is_empty() {
        let mut out = String::new();
        for builtin in all(shell.dialect).filter(|b| b.special || !has('s')) {
            let off = shell.rare.disabled.contains(&builtin.name);
            if has('a') || off == has('n') {
                let sign = if off { "-n " } else { "" };
                push(&mut out, format_args!("enable {sign}{}\n", builtin.name));
            }
        }
        return Done::Status(shell.builtin_output(sys, "enable", &out));
    }
    let mut status = 0;
    for name in rest {
        let Some(builtin) = find(name, shell.dialect) else {
            shell.builtin_error(sys, "enable", &format!("{name}: not a shell builtin"));
            status = 1;
            continue;
        };
        shell.rare.disabled.retain(|n| *n != builtin.name);
        if has('n') {
            shell.rare.disabled.push(builtin.name);
        }
    }
    Done::Status(status)
}

/// `compgen`: names of variables, functions, built-ins and aliases, and words of a list.
pub(super) fn compgen(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut found: Vec<Str> = Vec::new();
    let mut prefix = Str::default();
    let mut rest = args.rest().iter();
    while let Some(word) = rest.next() {
        let action = match word.as_str() {
            "-v" => "variable",
            "-e" => "export",
            "-b" => "builtin",
            "-a" => "alias",
            "-c" => "command",
            "-A" => rest.next().map_or("", Str::as_str),
            "-W" => {
                let list = rest.next().cloned().unwrap_or_default();
                found.extend(list.split_whitespace().map(Str::from));
                continue;
            }
            "--" => continue,
            option if option.starts_with('-') => {
                shell.builtin_error(sys, "compgen", &format!("{option}: invalid option"));
                return Done::Status(2);
            }
            _ => {
                prefix = word.clone();
                continue;
            }
        };
        let variables = |exported: bool| {
            let kept = shell.vars.iter().filter(move |(_, v)| v.exported || !exported);
            kept.map(|(name, _)| name.clone()).filter(|n| !n.contains('('))
        };
        let command = action == "command";
        match action {
            "variable" => found.extend(variables(false)),
            "export" => found.extend(variables(true)),
            _ => {}
        }
        if action == "function" || command {
            found.extend(shell.functions.keys().cloned());
        }
        if action == "builtin" || command {
            found.extend(all(shell.dialect).map(|b| Str::from(b.name)));
        }
        if action == "alias" || command {
            found.extend(shell.aliases.keys().cloned());
        }
    }
    sys.work(found.len());
    found.retain(|name| name.starts_with(prefix.as_str()));
    let text: String = found.iter().map(|name| format!("{name}\n")).collect();
    let written = shell.builtin_output(sys, "compgen", &text);
    Done::Status(written.max(u8::from(found.is_empty())))
}

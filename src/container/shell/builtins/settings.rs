//! `set`, `shopt`, `umask`, `ulimit`.

use super::{Args, Done};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::shell::Shell;
use crate::container::shell::options::{SET_OPTIONS, SHOPTS};
use crate::container::text::push;

/// `set`
pub(super) fn set(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    if rest.is_empty() {
        let text = shell.assignments();
        return Done::Status(shell.builtin_output(sys, "set", &text));
    }
    let mut positional = false;
    while let Some(option) = rest.first() {
        if option == "--" {
            positional = true;
            rest = &rest[1..];
            break;
        }
        if option == "-" {
            shell.options.xtrace = false;
            shell.options.verbose = false;
            positional = rest.len() > 1;
            rest = &rest[1..];
            break;
        }
        if !option.starts_with(['-', '+']) || option.len() < 2 {
            positional = true;
            break;
        }
        let on = option.starts_with('-');
        rest = &rest[1..];
        for letter in option[1..].chars() {
            if letter == 'o' {
                let Some(name) = rest.first() else {
                    let text = list(shell, on);
                    return Done::Status(shell.builtin_output(sys, "set", &text));
                };
                if !shell.set_by_name(name, on) {
                    if bash {
                        shell.builtin_error(sys, "set", &format!("{name}: invalid option name"));
                        return Done::Status(2);
                    }
                    shell.builtin_error(
                        sys,
                        "set",
                        &format!("illegal option {} {name}", &option[..1]),
                    );
                    return Done::Status(1);
                }
                rest = &rest[1..];
            } else if shell.set_by_letter(letter, on).is_err() {
                let sign = &option[..1];
                if bash {
                    shell.builtin_error(sys, "set", &format!("{sign}{letter}: invalid option"));
                    sys.err("set: usage: set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]\n");
                    return Done::Status(2);
                }
                shell.builtin_error(sys, "set", &format!("illegal option {sign}{letter}"));
                return Done::Exit(2);
            }
        }
    }
    if positional {
        shell.params = rest.into();
        if !bash {
            shell.reset_getopts();
        }
    }
    Done::Status(0)
}

/// The options as `set -o` (or, to be read back, `set +o`) lists them.
fn list(shell: &Shell, table: bool) -> String {
    let bash = shell.dialect.is_bash();
    let mut out = String::new();
    let names = if bash { &BASH_OPTIONS[..] } else { &ASH_OPTIONS[..] };
    for name in names {
        let option = SET_OPTIONS.iter().find(|o| o.name == *name);
        let on = option.map_or(*name == "interactive-comments", |o| (o.get)(&shell.options));
        let (state, sign) = if on { ("on", '-') } else { ("off", '+') };
        match (table, bash) {
            (true, true) => push(&mut out, format_args!("{name:<15}\t{state}\n")),
            (true, false) => push(&mut out, format_args!("{name:<16}{state}\n")),
            (false, _) => push(&mut out, format_args!("set {sign}o {name}\n")),
        }
    }
    out
}

/// What ash lists, in its order.
const ASH_OPTIONS: [&str; 14] = [
    "errexit",
    "noglob",
    "ignoreeof",
    "monitor",
    "noexec",
    "xtrace",
    "verbose",
    "noclobber",
    "allexport",
    "notify",
    "nounset",
    "errtrace",
    "vi",
    "pipefail",
];

/// What bash lists; those that mean nothing without a terminal are off.
const BASH_OPTIONS: [&str; 27] = [
    "allexport",
    "braceexpand",
    "emacs",
    "errexit",
    "errtrace",
    "functrace",
    "hashall",
    "histexpand",
    "history",
    "ignoreeof",
    "interactive-comments",
    "keyword",
    "monitor",
    "noclobber",
    "noexec",
    "noglob",
    "nolog",
    "notify",
    "nounset",
    "onecmd",
    "physical",
    "pipefail",
    "posix",
    "privileged",
    "verbose",
    "vi",
    "xtrace",
];

/// `shopt`
pub(super) fn shopt(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut rest = args.rest();
    let mut letters = String::new();
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        letters.push_str(&option[1..]);
        rest = &rest[1..];
    }
    if let Some(bad) = letters.chars().find(|c| !"pqsuo".contains(*c)) {
        shell.builtin_error(sys, "shopt", &format!("-{bad}: invalid option"));
        sys.err("shopt: usage: shopt [-pqsu] [-o] [optname ...]\n");
        return Done::Status(2);
    }
    let has = |c: char| letters.contains(c);
    let all: Vec<&str> =
        if has('o') { BASH_OPTIONS.to_vec() } else { SHOPT.iter().map(|s| s.0).collect() };
    let line = |name: &str, on: bool| match (has('p'), has('o')) {
        (true, true) => format!("set {}o {name}\n", if on { '-' } else { '+' }),
        (true, false) => format!("shopt -{} {name}\n", if on { 's' } else { 'u' }),
        (false, _) => format!("{name:<15}\t{}\n", if on { "on" } else { "off" }),
    };
    let mut out = String::new();
    let mut status = 0;
    if rest.is_empty() {
        for name in all {
            let on = is_on(shell, name, has('o'));
            if !(has('s') && !on || has('u') && on) {
                out.push_str(&line(name, on));
            }
        }
        return Done::Status(shell.builtin_output(sys, "shopt", &out));
    }
    for name in rest {
        let Some(name) = all.iter().find(|n| *n == name) else {
            let kind = if has('o') { "" } else { "shell " };
            shell.builtin_error(sys, "shopt", &format!("{name}: invalid {kind}option name"));
            status = 1;
            continue;
        };
        if has('s') || has('u') {
            turn(shell, name, has('o'), has('s'));
            continue;
        }
        let on = is_on(shell, name, has('o'));
        status = status.max(u8::from(!on));
        if !has('q') {
            out.push_str(&line(name, on));
        }
    }
    let written = shell.builtin_output(sys, "shopt", &out);
    Done::Status(written.max(status))
}

/// Whether an option of `set -o` or of `shopt` is on.
fn is_on(shell: &Shell, name: &str, of_set: bool) -> bool {
    if of_set {
        let option = SET_OPTIONS.iter().find(|o| o.name == name);
        return option.map_or(name == "interactive-comments", |o| (o.get)(&shell.options));
    }
    match SHOPTS.iter().find(|o| o.name == name) {
        Some(option) => (option.get)(&shell.options),
        None => {
            let begins = SHOPT.iter().any(|(n, on)| *n == name && *on);
            begins != shell.rare.turned.contains(&name)
        }
    }
}

fn turn(shell: &mut Shell, name: &'static str, of_set: bool, on: bool) {
    let table = if of_set { SET_OPTIONS } else { SHOPTS };
    if let Some(option) = table.iter().find(|o| o.name == name) {
        (option.set)(&mut shell.options, on);
    } else if !of_set && is_on(shell, name, false) != on {
        let count = shell.rare.turned.len();
        shell.rare.turned.retain(|n| *n != name);
        if shell.rare.turned.len() == count {
            shell.rare.turned.push(name);
        }
    }
}

/// The options of bash 5.2's `shopt`, and whether a script's shell begins with each.
const SHOPT: [(&str, bool); 57] = [
    ("autocd", false),
    ("assoc_expand_once", false),
    ("cdable_vars", false),
    ("cdspell", false),
    ("checkhash", false),
    ("checkjobs", false),
    ("checkwinsize", true),
    ("cmdhist", true),
    ("compat31", false),
    ("compat32", false),
    ("compat40", false),
    ("compat41", false),
    ("compat42", false),
    ("compat43", false),
    ("compat44", false),
    ("complete_fullquote", true),
    ("direxpand", false),
    ("dirspell", false),
    ("dotglob", false),
    ("execfail", false),
    ("expand_aliases", false),
    ("extdebug", false),
    ("extglob", false),
    ("extquote", true),
    ("failglob", false),
    ("force_fignore", true),
    ("globasciiranges", true),
    ("globskipdots", true),
    ("globstar", false),
    ("gnu_errfmt", false),
    ("histappend", false),
    ("histreedit", false),
    ("histverify", false),
    ("hostcomplete", true),
    ("huponexit", false),
    ("inherit_errexit", false),
    ("interactive_comments", true),
    ("lastpipe", false),
    ("lithist", false),
    ("localvar_inherit", false),
    ("localvar_unset", false),
    ("login_shell", false),
    ("mailwarn", false),
    ("no_empty_cmd_completion", false),
    ("nocaseglob", false),
    ("nocasematch", false),
    ("noexpand_translation", false),
    ("nullglob", false),
    ("patsub_replacement", true),
    ("progcomp", true),
    ("progcomp_alias", false),
    ("promptvars", true),
    ("restricted_shell", false),
    ("shift_verbose", false),
    ("sourcepath", true),
    ("varredir_close", false),
    ("xpg_echo", false),
];

/// `umask`
pub(super) fn umask(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let symbolic = args.rest().iter().any(|a| a == "-S");
    let mask = sys.me().umask;
    let Some(text) = args.rest().iter().find(|a| !a.starts_with("-S") && *a != "-p") else {
        let text = if symbolic {
            let class = |shift: u16| {
                let bits = !(mask >> shift) & 7;
                [(4, 'r'), (2, 'w'), (1, 'x')]
                    .iter()
                    .filter(|(b, _)| bits & b != 0)
                    .map(|(_, c)| *c)
                    .collect::<String>()
            };
            format!("u={},g={},o={}\n", class(6), class(3), class(0))
        } else {
            format!("{mask:04o}\n")
        };
        return Done::Status(shell.builtin_output(sys, "umask", &text));
    };
    let new = if text.starts_with(|c: char| c.is_ascii_digit()) {
        u16::from_str_radix(text, 8).ok().filter(|m| *m <= 0o777)
    } else {
        crate::container::coreutils::modes::apply(text, !mask & 0o777, false, 0).map(|m| !m & 0o777)
    };
    match new {
        Some(new) => {
            sys.me_mut().umask = new;
            Done::Status(0)
        }
        None => {
            let bash = shell.dialect.is_bash();
            let octal = text.starts_with(|c: char| c.is_ascii_digit());
            let why = match (bash, octal) {
                (true, true) => format!("{text}: octal number out of range"),
                (true, false) => format!(
                    "`{}': invalid symbolic mode operator",
                    text.chars().next().unwrap_or(' ')
                ),
                (false, _) => format!("illegal mode: {text}"),
            };
            shell.builtin_error(sys, "umask", &why);
            Done::Fatal(if bash { 1 } else { 2 })
        }
    }
}

/// `ulimit`: limits are not modelled; the usual ones of a container are shown.
pub(super) fn ulimit(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let letters: String = args.rest().iter().filter_map(|a| a.strip_prefix('-')).collect();
    if args.rest().iter().any(|a: &Str| !a.starts_with('-')) {
        return Done::Status(0);
    }
    let kind = letters.chars().find(|c| !matches!(c, 'H' | 'S')).unwrap_or('f');
    let text = match kind {
        'n' => "1048576\n",
        's' => "8192\n",
        _ => "unlimited\n",
    };
    Done::Status(shell.builtin_output(sys, "ulimit", text))
}

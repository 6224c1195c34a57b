//! `alias` and `unalias`.

use std::sync::Arc;

use super::{Args, Done};
use crate::container::os::Sys;
use crate::container::shell::Shell;
use crate::container::shell::quoting::{ash_single, single};
use crate::container::text::push;

/// An alias as it is printed.
pub(super) fn definition(shell: &Shell, name: &str, value: &str) -> String {
    if shell.dialect.is_bash() {
        format!("alias {name}={}", single(value))
    } else {
        format!("{name}={}", ash_single(value))
    }
}

/// `alias`
pub(super) fn alias(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut out = String::new();
    let mut status = 0;
    let words: Vec<_> = args.rest().iter().filter(|w| *w != "-p" && *w != "--").collect();
    if words.is_empty() {
        for (name, value) in shell.aliases.iter() {
            push(&mut out, format_args!("{}\n", definition(shell, name, value)));
        }
    }
    for word in words {
        match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Arc::make_mut(&mut shell.aliases).insert(name.into(), value.into());
            }
            _ => match shell.aliases.get(word) {
                Some(value) => push(&mut out, format_args!("{}\n", definition(shell, word, value))),
                None => {
                    let text = format!("{word}: not found");
                    if shell.dialect.is_bash() {
                        shell.builtin_error(sys, "alias", &text);
                    } else {
                        sys.err(&format!("{}: {word} not found\n", args.name()));
                    }
                    status = 1;
                }
            },
        }
    }
    let written = shell.builtin_output(sys, "alias", &out);
    Done::Status(written.max(status))
}

/// `unalias`
pub(super) fn unalias(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut status = 0;
    for word in args.rest() {
        if word == "-a" {
            shell.aliases = Arc::default();
            return Done::Status(0);
        }
        if Arc::make_mut(&mut shell.aliases).remove(word).is_none() {
            if shell.dialect.is_bash() {
                shell.builtin_error(sys, "unalias", &format!("{word}: not found"));
            } else {
                sys.err(&format!("unalias: {word} not found\n"));
            }
            status = 1;
        }
    }
    Done::Status(status)
}

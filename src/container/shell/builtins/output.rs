//! `echo`, `printf`, `test`, `let`.

use super::{Args, Done};
use crate::base::Str;
use crate::container::coreutils::{echo, printf as formats};
use crate::container::os::Sys;
use crate::container::shell::Shell;
use crate::container::shell::expand::{Expander, Stop};

/// `echo`
pub(super) fn echo(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bytes = echo::render(args.rest(), shell.dialect.is_bash());
    Done::Status(shell.builtin_bytes(sys, "echo", &bytes))
}

/// `printf`
pub(super) fn printf(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    let mut target = None;
    if bash && rest.first().is_some_and(|a| a == "-v") {
        target = rest.get(1).cloned();
        rest = rest.get(2..).unwrap_or_default();
    }
    if rest.first().is_some_and(|a| a == "--") {
        rest = &rest[1..];
    }
    let Some(format) = rest.first() else {
        if bash {
            sys.err(&format!(
                "{}usage: printf [-v var] format [arguments]\n",
                shell.builtin_prefix("printf")
            ));
        } else {
            sys.err("BusyBox v1.36.1 () multi-call binary.\n\nUsage: printf FORMAT [ARG]...\n");
        }
        return Done::Status(2);
    };
    let result = formats::format(format, &rest[1..], bash, sys.now());
    for text in &result.errors {
        let prefix = shell.applet_prefix("printf");
        sys.err(&format!("{prefix}{text}\n"));
    }
    if let Some(name) = target {
        let text = crate::container::text::decode(&result.bytes);
        return match assign_target(shell, sys, &name, &text) {
            Ok(()) => Done::Status(result.status),
            Err(done) => done,
        };
    }
    let written = shell.builtin_bytes(sys, "printf", &result.bytes);
    Done::Status(written.max(result.status))
}

/// Assigns to `name` or `name[subscript]`.
pub(super) fn assign_target(
    shell: &mut Shell,
    sys: &mut Sys<'_, '_>,
    target: &str,
    text: &str,
) -> Result<(), Done> {
    let set = match target.split_once('[') {
        Some((name, rest)) if rest.ends_with(']') => {
            let index = &rest[..rest.len() - 1];
            let word = super::super::ast::Word::literal(index);
            let mut expander = Expander::new(shell, sys, &[]);
            let key = match expander.key(name, &word) {
                Ok(key) => key,
                Err(Stop::Fail(failure)) => return Err(Done::Stop(failure)),
                Err(_) => return Err(Done::Status(1)),
            };
            shell.vars.set_element(name, key, text.into())
        }
        _ => shell.vars.set(target, text),
    };
    set.map_err(|e| {
        shell.read_only_error(sys, &e.0);
        Done::Flow(crate::container::shell::machine::Flow::Go)
    })
}

/// `test`, `[`, and ash's `[[`
pub(super) fn test(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let name = args.name().to_owned();
    let mut words: Vec<Str> = args.rest().to_vec();
    let closing = match name.as_str() {
        "[" => Some("]"),
        "[[" => Some("]]"),
        _ => None,
    };
    if let Some(closing) = closing {
        if words.last().is_none_or(|w| w != closing) {
            let prefix = shell.applet_prefix(&name);
            let text = if shell.dialect.is_bash() {
                "missing `]'".to_owned()
            } else {
                format!("missing {closing}")
            };
            sys.err(&format!("{prefix}{text}\n"));
            return Done::Status(2);
        }
        words.pop();
    }
    let vars = shell.vars.clone();
    let world = super::test_expr::TestWorld {
        sys,
        bash: shell.dialect.is_bash(),
        extended: name == "[[",
        vars: Some(&vars),
    };
    match super::test_expr::evaluate(&words, world) {
        Ok(true) => Done::Status(0),
        Ok(false) => Done::Status(1),
        Err(text) => {
            let prefix = shell.applet_prefix(&name);
            sys.err(&format!("{prefix}{text}\n"));
            Done::Status(2)
        }
    }
}

/// `let`
pub(super) fn let_(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    if args.rest().is_empty() {
        if shell.dialect.is_bash() {
            shell.builtin_error(sys, "let", "expression expected");
            return Done::Status(1);
        }
        shell.builtin_error(sys, "let", "expression expected");
        return Done::Fatal(2);
    }
    let mut value = 0;
    for text in args.rest() {
        let mut expander = Expander::new(shell, sys, &[]);
        match expander.arith_text(text) {
            Ok(v) => {
                value = v;
                shell.vars = expander.vars;
            }
            Err(Stop::Fail(failure)) => {
                if shell.dialect.is_bash() {
                    shell.report_failure(sys, &failure, Some("let"));
                    return Done::Status(1);
                }
                return Done::Stop(failure);
            }
            Err(_) => return Done::Status(1),
        }
    }
    Done::Status(u8::from(value == 0))
}

//! Declarations: `export`, `readonly`, `local`, `declare`, `unset`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Args, Done};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::shell::Shell;
use crate::container::shell::expand::Stop;
use crate::container::shell::params::attributes;
use crate::container::shell::quoting::{ash_single, double};
use crate::container::shell::vars::{Value, Var, exported_function, is_name, name_len};
use crate::container::text::push;

/// `export` and `readonly`
pub(super) fn export(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let exporting = args.name() == "export";
    let mut rest = args.rest();
    let (mut print, mut remove, mut functions) = (false, false, false);
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        rest = &rest[1..];
        if option == "--" {
            break;
        }
        for letter in option[1..].chars() {
            match letter {
                'p' => print = true,
                'n' if bash || exporting => remove = true,
                'f' if bash => functions = true,
                'a' | 'A' if bash => {}
                _ => {
                    let text = if bash {
                        format!("-{letter}: invalid option")
                    } else {
                        format!("Illegal option -{letter}")
                    };
                    shell.builtin_error(sys, args.name(), &text);
                    return Done::Fatal(2);
                }
            }
        }
    }
    if rest.is_empty() || print && rest.is_empty() {
        let text =
            shell.declarations(|v| if exporting { v.exported } else { v.readonly }, args.name());
        return Done::Status(shell.builtin_output(sys, args.name(), &text));
    }
    let mut status = 0;
    for word in rest {
        if functions {
            if shell.functions.contains_key(word) {
                shell.vars.edit_itself(&exported_function(word)).exported = false;
            } else {
                shell.builtin_error(sys, args.name(), &format!("{word}: not a function"));
                status = 1;
            }
            continue;
        }
        match assign_word(shell, sys, args, word) {
            Ok(name) => {
                let var = shell.vars.edit(&name);
                if exporting {
                    var.exported = !remove;
                } else {
                    var.readonly = true;
                }
            }
            Err(Done::Status(s)) => status = s,
            Err(done) => return done,
        }
    }
    Done::Status(status)
}

/// Does the assignment of a word `name[=value]` and returns the name.
fn assign_word(
    shell: &mut Shell,
    sys: &mut Sys<'_, '_>,
    args: &Args<'_>,
    word: &str,
) -> Result<Str, Done> {
    let bash = shell.dialect.is_bash();
    let len = name_len(word);
    let name: Str = word[..len].into();
    let rest = &word[len..];
    if let Some(array) = args.arrays.iter().find(|a| a.name == name)
        && matches!(rest, "=" | "+=")
    {
        if let Err(Stop::Fail(failure)) = shell.assign_array(sys, array.clone()) {
            return Err(Done::Stop(failure));
        }
        return Ok(name);
    }
    let (append, value) = match (rest.strip_prefix("+=").filter(|_| bash), rest.strip_prefix('=')) {
        (Some(value), _) => (true, Some(value)),
        (None, Some(value)) => (false, Some(value)),
        (None, None) if rest.is_empty() && len > 0 => return Ok(name),
        (None, None) if bash && rest.starts_with('[') && len > 0 => {
            let Some((target, value)) = word.split_once('=') else { return Ok(name) };
            super::output::assign_target(shell, sys, target, value)?;
            return Ok(name);
        }
        (None, None) => (false, None),
    };
    if len == 0 || value.is_none() {
        if bash {
            shell.builtin_error(sys, args.name(), &format!("`{word}': not a valid identifier"));
            return Err(Done::Status(1));
        }
        let text = format!("{}: bad variable name", word.split('=').next().unwrap_or(word));
        shell.builtin_error(sys, args.name(), &text);
        return Err(Done::Fatal(2));
    }
    let text = value.unwrap_or_default().to_owned();
    let text = match shell.appended(sys, &name, None, append, text) {
        Ok(text) => text,
        Err(Stop::Fail(failure)) => return Err(Done::Stop(failure)),
        Err(_) => return Err(Done::Status(1)),
    };
    if let Err(e) = shell.vars.set(&name, text) {
        if bash {
            shell.builtin_error(sys, args.name(), &format!("{}: readonly variable", e.0));
            return Err(Done::Status(1));
        }
        shell.builtin_error(sys, args.name(), &format!("{}: is read only", e.0));
        return Err(Done::Fatal(2));
    }
    Ok(name)
}

/// `local`
pub(super) fn local(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    if !shell.rare.calls.iter().any(|c| c.function.is_some()) {
        if shell.dialect.is_bash() {
            shell.builtin_error(sys, "local", "can only be used in a function");
            return Done::Status(1);
        }
        shell.builtin_error(sys, "local", "not in a function");
        return Done::Exit(2);
    }
    if shell.dialect.is_bash() {
        return declare(shell, sys, args);
    }
    for word in args.rest() {
        let name = &word[..name_len(word)];
        if is_name(name) {
            let fresh = shell.make_local(name) == Some(true);
            if word.len() == name.len() {
                // Without a value it is unset, unless it is local already.
                if fresh {
                    shell.vars.restore(name, None);
                }
                continue;
            }
        }
        if let Err(done) = assign_word(shell, sys, args, word) {
            return done;
        }
    }
    Done::Status(0)
}

/// What `declare` switches on and off.
#[derive(Default)]
struct Attributes {
    on: String,
    off: String,
}

/// `declare`, `typeset`, and bash's `local`
pub(super) fn declare(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let mut rest = args.rest();
    let mut attributes = Attributes::default();
    while let Some(option) = rest.first().filter(|a| a.starts_with(['-', '+']) && a.len() > 1) {
        rest = &rest[1..];
        if option == "--" {
            break;
        }
        if let Some(bad) = option[1..].chars().find(|c| !"aAfFgiIlnprtux".contains(*c)) {
            shell.builtin_error(
                sys,
                args.name(),
                &format!("{}{bad}: invalid option", &option[..1]),
            );
            return Done::Status(2);
        }
        if option.starts_with('-') {
            attributes.on.push_str(&option[1..])
        } else {
            attributes.off.push_str(&option[1..])
        }
    }
    let has = |c: char| attributes.on.contains(c);
    if has('f') || has('F') {
        return functions(shell, sys, args.name(), rest, has('F'));
    }
    if has('p') && rest.is_empty() || rest.is_empty() {
        let text = if has('p') || !attributes.on.is_empty() {
            shell.declarations(|v| attributes_fit(v, &attributes.on), "declare")
        } else {
            shell.assignments()
        };
        return Done::Status(shell.builtin_output(sys, args.name(), &text));
    }
    if has('p') {
        return print_some(shell, sys, args.name(), rest);
    }
    let local = !has('g') && shell.rare.calls.iter().any(|c| c.function.is_some());
    let mut status = 0;
    for word in rest {
        match declare_word(shell, sys, args, word, &attributes, local) {
            Ok(()) => {}
            Err(Done::Status(s)) => status = s,
            Err(done) => return done,
        }
    }
    Done::Status(status)
}

fn attributes_fit(var: &Var, letters: &str) -> bool {
    let own = attributes(var);
    letters.chars().filter(|c| *c != 'p').all(|c| own.contains(c))
}

fn declare_word(
    shell: &mut Shell,
    sys: &mut Sys<'_, '_>,
    args: &Args<'_>,
    word: &str,
    attributes: &Attributes,
    local: bool,
) -> Result<(), Done> {
    let name: Str = word[..name_len(word)].into();
    if local && !name.is_empty() {
        if shell.vars.get_itself(&name).is_some_and(|v| v.readonly) {
            shell.builtin_error(sys, args.name(), &format!("{name}: readonly variable"));
            return Err(Done::Status(1));
        }
        shell.make_local(&name);
    }
    let has = |c: char| attributes.on.contains(c);
    if !name.is_empty() {
        let var = if has('n') { shell.vars.edit_itself(&name) } else { shell.vars.edit(&name) };
        if has('A') && !matches!(var.value, Value::Assoc(_)) {
            var.value = Value::Assoc(BTreeMap::new());
        } else if has('a') && !matches!(var.value, Value::Array(_) | Value::Assoc(_)) {
            let first = var.text().cloned();
            var.value = Value::Array(first.map(|t| (0, t)).into_iter().collect());
        }
        var.integer |= has('i');
        var.lower |= has('l');
        var.upper |= has('u');
        var.exported |= has('x');
        for c in attributes.off.chars() {
            match c {
                'i' => var.integer = false,
                'l' => var.lower = false,
                'u' => var.upper = false,
                'x' => var.exported = false,
                'n' => var.reference = false,
                _ => {}
            }
        }
        if has('n') {
            let var = shell.vars.edit_itself(&name);
            var.reference = true;
            if let Some((_, target)) = word.split_once('=') {
                var.value = Value::Text(target.into());
            }
            return Ok(());
        }
    }
    assign_word(shell, sys, args, word)?;
    if has('r') {
        shell.vars.edit(&name).readonly = true;
    }
    Ok(())
}

fn functions(
    shell: &Shell,
    sys: &mut Sys<'_, '_>,
    command: &str,
    names: &[Str],
    only_names: bool,
) -> Done {
    let mut out = String::new();
    let mut status = 0;
    let all: Vec<Str> =
        if names.is_empty() { shell.functions.keys().cloned().collect() } else { names.to_vec() };
    for name in all {
        match shell.functions.get(&name) {
            None => status = 1,
            Some(_) if only_names && names.is_empty() => {
                push(&mut out, format_args!("declare -f {name}\n"))
            }
            Some(_) if only_names => push(&mut out, format_args!("{name}\n")),
            Some(f) => push(
                &mut out,
                format_args!(
                    "{name} () \n{}\n",
                    crate::container::shell::print::function_body(&f.body)
                ),
            ),
        }
    }
    let written = shell.builtin_output(sys, command, &out);
    Done::Status(written.max(status))
}

fn print_some(shell: &Shell, sys: &mut Sys<'_, '_>, command: &str, names: &[Str]) -> Done {
    let mut out = String::new();
    let mut status = 0;
    for name in names {
        match shell.vars.get_itself(name) {
            Some(var) => push(&mut out, format_args!("{}\n", definition(name, var, true))),
            None => {
                shell.builtin_error(sys, command, &format!("{name}: not found"));
                status = 1;
            }
        }
    }
    let written = shell.builtin_output(sys, command, &out);
    Done::Status(written.max(status))
}

/// A variable as `declare -p` shows it.
pub(in crate::container::shell) fn definition(name: &str, var: &Var, _whole: bool) -> String {
    let letters = attributes(var);
    let flags = if letters.is_empty() { "--".to_owned() } else { format!("-{letters}") };
    match &var.value {
        Value::Unset => format!("declare {flags} {name}"),
        Value::Text(t) => format!("declare {flags} {name}={}", double(t)),
        Value::Array(a) => {
            let items: Vec<String> =
                a.iter().map(|(k, v)| format!("[{k}]={}", double(v))).collect();
            format!("declare {flags} {name}=({})", items.join(" "))
        }
        Value::Assoc(a) => {
            let items: Vec<String> =
                a.iter().map(|(k, v)| format!("[{k}]={} ", double(v))).collect();
            format!("declare {flags} {name}=({})", items.concat())
        }
    }
}

/// `unset`
pub(super) fn unset(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    let (mut functions, mut variables, mut reference) = (false, false, false);
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        rest = &rest[1..];
        match option.as_str() {
            "-f" => functions = true,
            "-v" => variables = true,
            "-n" if bash => reference = true,
            "--" => break,
            other => {
                let text = if bash {
                    format!("{other}: invalid option")
                } else {
                    format!("Illegal option {other}")
                };
                shell.builtin_error(sys, "unset", &text);
                return Done::Fatal(2);
            }
        }
    }
    let mut status = 0;
    for word in rest {
        if functions {
            Arc::make_mut(&mut shell.functions).remove(word);
            continue;
        }
        if let Some((name, index)) = word.split_once('[').filter(|_| bash)
            && let Some(index) = index.strip_suffix(']')
        {
            unset_element(shell, sys, name, index);
            continue;
        }
        if !is_name(word) {
            if bash && shell.functions.contains_key(word) && !variables {
                Arc::make_mut(&mut shell.functions).remove(word);
                continue;
            }
            let text = if bash {
                format!("`{word}': not a valid identifier")
            } else {
                format!("{word}: bad variable name")
            };
            shell.builtin_error(sys, "unset", &text);
            if !bash {
                return Done::Fatal(2);
            }
            status = 1;
            continue;
        }
        if bash
            && !variables
            && shell.vars.get_itself(word).is_none()
            && shell.functions.contains_key(word)
        {
            Arc::make_mut(&mut shell.functions).remove(word);
            continue;
        }
        if reference {
            shell.vars.restore(word, None);
            continue;
        }
        if shell.vars.unset(word).is_err() {
            let text = if bash {
                format!("{word}: cannot unset: readonly variable")
            } else {
                format!("{word}: is read only")
            };
            shell.builtin_error(sys, "unset", &text);
            if !bash {
                return Done::Exit(2);
            }
            status = 1;
        }
    }
    Done::Status(status)
}

fn unset_element(shell: &mut Shell, sys: &mut Sys<'_, '_>, name: &str, index: &str) {
    use crate::container::shell::expand::Expander;
    use crate::container::shell::vars::Key;
    if matches!(index, "@" | "*") {
        // A read-only array stays.
        let _unset = shell.vars.unset(name);
        return;
    }
    let word = crate::container::shell::ast::Word::literal(index);
    let mut expander = Expander::new(shell, sys, &[]);
    let Ok(key) = expander.key(name, &word) else { return };
    match (&mut shell.vars.edit(name).value, key) {
        (Value::Array(a), Key::Number(n)) => {
            let n = if n < 0 { a.keys().next_back().map_or(0, |l| l + 1) + n } else { n };
            a.remove(&n);
        }
        (Value::Assoc(a), Key::Text(k)) => drop(a.remove(&k)),
        _ => {}
    }
}

impl Shell {
    /// The variables that fit, as `export -p` or `declare -p` print them.
    pub(super) fn declarations(&self, fits: impl Fn(&Var) -> bool, command: &str) -> String {
        let mut out = String::new();
        for (name, var) in self.vars.iter().filter(|(n, v)| is_name(n) && fits(v)) {
            if self.dialect.is_bash() {
                push(&mut out, format_args!("{}\n", definition(name, var, true)));
            } else {
                match var.text() {
                    Some(text) => {
                        push(&mut out, format_args!("{command} {name}={}\n", ash_single(text)))
                    }
                    None => push(&mut out, format_args!("{command} {name}\n")),
                }
            }
        }
        out
    }

    /// All variables as `set` prints them.
    pub(super) fn assignments(&self) -> String {
        let mut out = String::new();
        for (name, var) in self.vars.iter().filter(|(n, _)| is_name(n)) {
            match &var.value {
                Value::Unset => {}
                Value::Text(t) if self.dialect.is_bash() => {
                    let shown = if t.is_empty() {
                        String::new()
                    } else {
                        crate::container::shell::quoting::bash_trace(t)
                    };
                    push(&mut out, format_args!("{name}={shown}\n"));
                }
                Value::Text(t) => push(&mut out, format_args!("{name}={}\n", ash_single(t))),
                Value::Array(_) | Value::Assoc(_) => {
                    let text = definition(name, var, true);
                    let value = text.split_once('=').map_or("()", |(_, v)| v);
                    push(&mut out, format_args!("{name}={value}\n"));
                }
            }
        }
        out
    }
}

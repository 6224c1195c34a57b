//! `cd`, `pwd` and bash's directory stack.

use super::{Args, Done};
use crate::base::Str;
use crate::container::fs::{Errno, join, normalise};
use crate::container::os::Sys;
use crate::container::shell::Shell;

/// `cd`
pub(super) fn cd(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let bash = shell.dialect.is_bash();
    let mut rest = args.rest();
    let mut physical = false;
    while let Some(option) =
        rest.first().filter(|a| matches!(a.as_str(), "-L" | "-P" | "-e" | "-@" | "--"))
    {
        rest = &rest[1..];
        match option.as_str() {
            "-P" => physical = true,
            "-L" => physical = false,
            "--" => break,
            _ => {}
        }
    }
    if bash && rest.len() > 1 {
        shell.builtin_error(sys, "cd", "too many arguments");
        return Done::Status(1);
    }
    let (target, mut print) = match rest.first().map(Str::as_str) {
        None => match shell.vars.text("HOME").cloned() {
            Some(home) => (home, false),
            None if bash => {
                shell.builtin_error(sys, "cd", "HOME not set");
                return Done::Status(1);
            }
            None => return Done::Status(0),
        },
        Some("-") => match shell.vars.text("OLDPWD").cloned() {
            Some(old) if !(bash && old.is_empty()) => (old, true),
            _ if bash => {
                shell.builtin_error(sys, "cd", "OLDPWD not set");
                return Done::Status(1);
            }
            _ => (Str::default(), true),
        },
        Some(dir) => (dir.into(), false),
    };
    if target.is_empty() {
        return Done::Status(0);
    }
    let mut choices: Vec<(String, bool)> = Vec::new();
    if !target.starts_with('/')
        && !target.starts_with("./")
        && !target.starts_with("../")
        && target != "."
        && target != ".."
    {
        for dir in
            shell.vars.text("CDPATH").map_or("", Str::as_str).split(':').filter(|d| !d.is_empty())
        {
            choices.push((format!("{dir}/{target}"), true));
        }
    }
    choices.push((target.to_string(), false));
    let mut error = Errno::NoEnt;
    for (path, shown) in choices {
        match change(shell, sys, &path, physical) {
            Ok(()) => {
                print |= shown;
                let text = format!("{}\n", sys.me().cwd);
                return Done::Status(if print {
                    shell.builtin_output(sys, "cd", &text)
                } else {
                    0
                });
            }
            Err(e) => error = e,
        }
    }
    if bash {
        shell.builtin_error(sys, "cd", &format!("{target}: {error}"));
        return Done::Status(1);
    }
    shell.builtin_error(sys, "cd", &format!("can't cd to {target}: {error}"));
    Done::Status(2)
}

fn change(
    shell: &mut Shell,
    sys: &mut Sys<'_, '_>,
    path: &str,
    physical: bool,
) -> Result<(), Errno> {
    let logical = normalise(&join(&sys.me().cwd, path));
    // A name that is not there must fail before its dots are taken away.
    sys.stat(path, true)?;
    let new = if physical { sys.real_path(path)? } else { logical };
    let old = sys.me().cwd.clone();
    sys.chdir(&new)?;
    let old = shell.vars.text("PWD").cloned().unwrap_or(old);
    // Read-only PWD and OLDPWD stay as they are.
    let _set = shell.vars.set("OLDPWD", old);
    let _set = shell.vars.set("PWD", sys.me().cwd.clone());
    Ok(())
}

/// `pwd`
pub(super) fn pwd(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let cwd = sys.me().cwd.to_string();
    let physical = args.rest().iter().any(|a| a == "-P");
    let text = if physical { sys.real_path(".").unwrap_or(cwd) } else { cwd };
    Done::Status(shell.builtin_output(sys, "pwd", &format!("{text}\n")))
}

/// The stack, the working directory first.
fn entries(shell: &Shell, sys: &Sys<'_, '_>) -> Vec<Str> {
    let rest = shell.rare.dir_stack.iter().rev().cloned();
    std::iter::once(sys.me().cwd.clone()).chain(rest).collect()
}

/// The entry that `+N` (from the left) or `-N` (from the right) means.
fn index(word: &str, count: usize) -> Option<usize> {
    let (sign, digits) = word.split_at_checked(1)?;
    let n: usize = digits.parse().ok()?;
    match sign {
        "+" => (n < count).then_some(n),
        "-" => (count.checked_sub(1)?).checked_sub(n),
        _ => None,
    }
}

fn is_index(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(['+', '-'])
        && word.bytes().skip(1).all(|b| b.is_ascii_digit())
}

fn stack_line(shell: &Shell, sys: &Sys<'_, '_>) -> String {
    let all: Vec<String> = entries(shell, sys).iter().map(|dir| short(shell, dir)).collect();
    format!("{}\n", all.join(" "))
}

/// A path with the home directory as `~`.
fn short(shell: &Shell, dir: &str) -> String {
    let home = shell.vars.text("HOME").map_or("", Str::as_str);
    match dir.strip_prefix(home) {
        Some(rest) if !home.is_empty() && (rest.is_empty() || rest.starts_with('/')) => {
            format!("~{rest}")
        }
        _ => dir.to_owned(),
    }
}

/// `dirs`
pub(super) fn dirs(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let has = |letter: char| {
        let mut options = args.rest().iter().filter(|a| a.starts_with('-') && !is_index(a));
        options.any(|a| a.contains(letter))
    };
    if has('c') {
        shell.rare.dir_stack.clear();
        return Done::Status(0);
    }
    let all = entries(shell, sys);
    let name = |dir: &Str| if has('l') { dir.to_string() } else { short(shell, dir) };
    if let Some(word) = args.rest().iter().find(|a| is_index(a)) {
        let Some(at) = index(word, all.len()) else {
            let text = format!("{}: directory stack index out of range", &word[1..]);
            shell.builtin_error(sys, "dirs", &text);
            return Done::Status(1);
        };
        let text = format!("{}\n", name(&all[at]));
        return Done::Status(shell.builtin_output(sys, "dirs", &text));
    }
    let text = if has('v') {
        all.iter().enumerate().map(|(i, dir)| format!("{i:2}  {}\n", name(dir))).collect()
    } else if has('p') {
        all.iter().map(|dir| format!("{}\n", name(dir))).collect()
    } else {
        format!("{}\n", all.iter().map(name).collect::<Vec<_>>().join(" "))
    };
    Done::Status(shell.builtin_output(sys, "dirs", &text))
}

/// `pushd`
pub(super) fn pushd(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let stay = args.rest().iter().any(|a| a == "-n");
    let here = sys.me().cwd.clone();
    let word = args.rest().iter().find(|a| is_index(a) || !a.starts_with('-'));
    match word {
        Some(word) if is_index(word) => {
            let mut all = entries(shell, sys);
            let Some(at) = index(word, all.len()) else {
                let text = format!("{word}: directory stack index out of range");
                shell.builtin_error(sys, "pushd", &text);
                return Done::Status(1);
            };
            all.rotate_left(at);
            let first = if stay { here } else { all[0].clone() };
            if let Err(e) = change(shell, sys, &first, false) {
                shell.builtin_error(sys, "pushd", &format!("{first}: {e}"));
                return Done::Status(1);
            }
            all.remove(0);
            all.reverse();
            shell.rare.dir_stack = all;
        }
        Some(dir) if stay => shell.rare.dir_stack.push(dir.clone()),
        word => {
            let Some(target) = word.cloned().or_else(|| shell.rare.dir_stack.pop()) else {
                shell.builtin_error(sys, "pushd", "no other directory");
                return Done::Status(1);
            };
            if let Err(e) = change(shell, sys, &target, false) {
                shell.builtin_error(sys, "pushd", &format!("{target}: {e}"));
                return Done::Status(1);
            }
            shell.rare.dir_stack.push(here);
        }
    }
    let text = stack_line(shell, sys);
    Done::Status(shell.builtin_output(sys, "pushd", &text))
}

/// `popd`
pub(super) fn popd(shell: &mut Shell, sys: &mut Sys<'_, '_>, args: &Args<'_>) -> Done {
    let count = shell.rare.dir_stack.len();
    if count == 0 {
        shell.builtin_error(sys, "popd", "directory stack empty");
        return Done::Status(1);
    }
    let stay = args.rest().iter().any(|a| a == "-n");
    let at = match args.rest().iter().find(|a| is_index(a)) {
        None => usize::from(stay),
        Some(word) => match index(word, count + 1) {
            Some(at) => at,
            None => {
                let text = format!("{word}: directory stack index out of range");
                shell.builtin_error(sys, "popd", &text);
                return Done::Status(1);
            }
        },
    };
    if at == 0 {
        let target = shell.rare.dir_stack.pop().unwrap_or_default();
        if let Err(e) = change(shell, sys, &target, false) {
            shell.builtin_error(sys, "popd", &format!("{target}: {e}"));
            return Done::Status(1);
        }
    } else {
        shell.rare.dir_stack.remove(count - at);
    }
    let text = stack_line(shell, sys);
    Done::Status(shell.builtin_output(sys, "popd", &text))
}

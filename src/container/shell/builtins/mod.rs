//! Built-in commands: a table, and one file per family.
//!
//! A built-in is a function of its shell, the system and its arguments. What cannot be done at once
//! (a wait, a line to read, commands to run) it leaves behind as a frame, by [`Done`].

mod aliases;
pub(super) mod conditional;
pub(super) mod declare;
mod directories;
mod enable;
mod flow;
mod names;
mod output;
pub(super) mod pause;
mod processes;
mod reading;
mod settings;
pub(crate) mod test_expr;
mod trap;

use super::expand::Failure;
use super::machine::{Flow, Leave};
use super::simple::ArrayValue;
use super::{Dialect, Shell};
use crate::base::Str;
use crate::container::os::Sys;

/// What a built-in leaves behind.
#[derive(Debug)]
pub(super) enum Done {
    /// It is done with this status.
    Status(u8),
    /// An error: of a special built-in it ends ash.
    Fatal(u8),
    /// An expansion inside it failed.
    Stop(Failure),
    /// The shell ends.
    Exit(u8),
    /// Loops are left.
    Leave(Leave),
    /// The function or sourced file is left with this status.
    Return(u8),
    /// It waits.
    Pause(pause::Pause),
    /// It has pushed frames or is waiting already.
    Flow(Flow),
}

/// The arguments of a built-in.
#[derive(Debug)]
pub(super) struct Args<'a> {
    /// The words, its own name first.
    pub(super) words: &'a [Str],
    /// Arrays among the words of a declaration.
    pub(super) arrays: Vec<ArrayValue>,
    pub(super) tested: bool,
    pub(super) last: bool,
}

impl Args<'_> {
    /// The words after the name.
    pub(super) fn rest(&self) -> &[Str] {
        &self.words[1..]
    }

    /// The name it was called by.
    pub(super) fn name(&self) -> &str {
        &self.words[0]
    }
}

type Run = fn(&mut Shell, &mut Sys<'_, '_>, &Args<'_>) -> Done;

/// A built-in command.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// POSIX' special built-ins: assignments before them stay, errors end ash.
    pub(super) special: bool,
    ash: bool,
    bash: bool,
    pub(super) run: Run,
}

const fn both(name: &'static str, special: bool, run: Run) -> Builtin {
    Builtin { name, special, ash: true, bash: true, run }
}

const fn ash(name: &'static str, run: Run) -> Builtin {
    Builtin { name, special: false, ash: true, bash: false, run }
}

const fn bash(name: &'static str, run: Run) -> Builtin {
    Builtin { name, special: false, ash: false, bash: true, run }
}

/// All built-in commands. `exec` is part of the simple command itself.
static BUILTINS: &[Builtin] = &[
    both(".", true, flow::source),
    both(":", true, flow::colon),
    both("[", false, output::test),
    ash("[[", output::test),
    both("alias", false, aliases::alias),
    both("bg", false, processes::bg),
    both("break", true, flow::leave_loop),
    bash("builtin", flow::builtin),
    bash("caller", flow::caller),
    both("cd", false, directories::cd),
    ash("chdir", directories::cd),
    both("command", false, names::command),
    bash("compgen", enable::compgen),
    both("continue", true, flow::leave_loop),
    bash("declare", declare::declare),
    bash("dirs", directories::dirs),
    bash("disown", processes::disown),
    both("echo", false, output::echo),
    bash("enable", enable::enable),
    both("eval", true, flow::eval),
    both("exec", true, flow::colon),
    both("exit", true, flow::exit),
    both("export", true, declare::export),
    both("false", false, flow::fails),
    both("fg", false, processes::fg),
    both("getopts", false, reading::getopts),
    both("hash", false, names::hash),
    both("help", false, flow::colon),
    both("history", false, flow::colon),
    both("jobs", false, processes::jobs),
    both("kill", false, processes::kill),
    both("let", false, output::let_),
    both("local", false, declare::local),
    bash("mapfile", reading::mapfile),
    bash("popd", directories::popd),
    both("printf", false, output::printf),
    bash("pushd", directories::pushd),
    both("pwd", false, directories::pwd),
    both("read", false, reading::read),
    bash("readarray", reading::mapfile),
    both("readonly", true, declare::export),
    both("return", true, flow::return_),
    both("set", true, settings::set),
    both("shift", true, flow::shift),
    bash("shopt", settings::shopt),
    both("source", true, flow::source),
    both("test", false, output::test),
    both("times", true, processes::times),
    both("trap", true, trap::trap),
    both("true", false, flow::colon),
    both("type", false, names::type_),
    bash("typeset", declare::declare),
    both("ulimit", false, settings::ulimit),
    both("umask", false, settings::umask),
    both("unalias", false, aliases::unalias),
    both("unset", true, declare::unset),
    both("wait", false, processes::wait),
];

/// All built-ins of a shell, by name.
pub(super) fn all(dialect: Dialect) -> impl Iterator<Item = &'static Builtin> {
    BUILTINS.iter().filter(move |b| if dialect.is_bash() { b.bash } else { b.ash })
}

/// The built-in of this name.
pub(super) fn find(name: &str, dialect: Dialect) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name && if dialect.is_bash() { b.bash } else { b.ash })
}

/// Whether a name is that of a special built-in.
pub(super) fn is_special(name: &str) -> bool {
    BUILTINS.iter().any(|b| b.name == name && b.special)
}

/// Whether arguments of this command that look like assignments are not split.
pub(super) fn is_declaration(name: &str, in_bash: bool) -> bool {
    matches!(name, "export" | "readonly" | "local")
        || in_bash && matches!(name, "declare" | "typeset")
        || !in_bash && name == "alias"
}

impl Shell {
    /// The built-in of this name, unless it was taken away.
    pub(super) fn builtin(&self, name: &str) -> Option<&'static Builtin> {
        find(name, self.dialect).filter(|b| !self.rare.disabled.contains(&b.name))
    }

    /// Prints a message of a built-in.
    pub(super) fn builtin_error(&self, sys: &mut Sys<'_, '_>, command: &str, text: &str) {
        sys.err(&format!("{}{text}\n", self.builtin_prefix(command)));
    }

    /// Writes to standard output; says so when that fails and returns the status.
    pub(super) fn builtin_output(&self, sys: &mut Sys<'_, '_>, command: &str, text: &str) -> u8 {
        self.builtin_bytes(sys, command, &crate::container::text::encode(text))
    }

    /// The same for bytes.
    pub(super) fn builtin_bytes(&self, sys: &mut Sys<'_, '_>, command: &str, bytes: &[u8]) -> u8 {
        match sys.write(1, bytes) {
            Ok(()) => 0,
            Err(e) => {
                if self.dialect.is_bash() {
                    self.builtin_error(sys, command, &format!("write error: {e}"));
                } else {
                    sys.err(&format!("{}: write error: {e}\n", self.name));
                }
                1
            }
        }
    }
}

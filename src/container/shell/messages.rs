//! What the shell says when something goes wrong, and what happens then.

use super::Shell;
use super::arith::ArithError;
use super::dialect::Origin;
use super::expand::Failure;
use super::lexer::SyntaxError;
use super::machine::{Frame, ReaderKind};
use crate::container::os::Sys;

impl Shell {
    /// The file being sourced, if any.
    fn sourced_file(&self) -> Option<&str> {
        self.rare.calls.iter().rev().find(|c| c.function.is_none()).map(|c| c.source.as_str())
    }

    /// The beginning of a message of the shell itself.
    pub(super) fn prefix(&self) -> String {
        self.prefix_at(self.line)
    }

    fn prefix_at(&self, line: u32) -> String {
        let sourced = self.sourced_file();
        if self.dialect.is_bash() {
            let name = sourced.unwrap_or(&self.name);
            return format!("{name}: line {line}: ");
        }
        match (sourced, self.origin) {
            (Some(file), _) => format!("{}: {file}: line {line}: ", self.name),
            (None, Origin::File) => format!("{}: line {line}: ", self.name),
            (None, Origin::CommandString | Origin::Stdin) => format!("{}: ", self.name),
        }
    }

    /// The beginning of a message of a built-in command.
    pub(super) fn builtin_prefix(&self, command: &str) -> String {
        if self.dialect.is_bash() {
            format!("{}{command}: ", self.prefix())
        } else {
            format!("{}: {command}: line {}: ", self.name, self.line)
        }
    }

    /// The beginning of a message of an applet that ash runs in itself.
    pub(super) fn applet_prefix(&self, command: &str) -> String {
        if self.dialect.is_bash() { self.builtin_prefix(command) } else { "sh: ".to_owned() }
    }

    /// Prints a message of the shell itself.
    pub(super) fn complain(&self, sys: &mut Sys<'_, '_>, text: &str) {
        sys.err(&format!("{}{text}\n", self.prefix()));
    }

    /// Prints a trace of `set -x`.
    pub(super) fn trace(&self, sys: &mut Sys<'_, '_>, text: &str) {
        sys.err(&format!("{}{text}\n", self.trace_prefix()));
    }

    /// What a trace begins with.
    pub(super) fn trace_prefix(&self) -> String {
        let ps4 = self.vars.text("PS4").map_or("+ ", |s| s.as_str());
        if self.dialect.is_bash() && self.subshells > 0 {
            // The first character is repeated, once per level.
            let first = ps4.chars().next().map(String::from).unwrap_or_default();
            let levels = usize::try_from(self.trace_depth()).unwrap_or(0);
            return format!("{}{ps4}", first.repeat(levels));
        }
        ps4.to_owned()
    }

    /// How deep in substitutions, for traces: plain subshells do not count.
    const fn trace_depth(&self) -> u32 {
        0
    }

    /// Prints a syntax error and does what follows from it.
    pub(super) fn syntax_error(
        &mut self,
        sys: &mut Sys<'_, '_>,
        error: &SyntaxError,
        kind: ReaderKind,
    ) {
        let bash = self.dialect.is_bash();
        let prefix = if bash {
            let from = match (kind, self.origin) {
                (ReaderKind::Main, Origin::CommandString) => format!("{}: -c: ", self.name),
                (ReaderKind::Eval, _) => format!("{}: eval: ", self.name),
                _ => format!("{}: ", self.sourced_file().unwrap_or(&self.name)),
            };
            format!("{from}line {}: ", error.line)
        } else {
            self.prefix_at(error.line)
        };
        sys.err(&super::dialect::syntax_message(self.dialect, &prefix, error));
        self.status = 2;
        match kind {
            ReaderKind::Eval | ReaderKind::Dot | ReaderKind::Trap if bash => {}
            _ => self.start_exit(sys, 2),
        }
    }

    /// A failed expansion ends the command, and mostly the shell.
    pub(super) fn expansion_failed(&mut self, sys: &mut Sys<'_, '_>, failure: &Failure) {
        self.report_failure(sys, failure, None);
        let bash = self.dialect.is_bash();
        let status = match failure {
            Failure::Unset { .. } | Failure::Unbound(_) if bash => self.unset_status(),
            Failure::NoMatch(_) => {
                self.status = 1;
                return;
            }
            _ => {
                if bash {
                    1
                } else {
                    2
                }
            }
        };
        self.start_exit(sys, status);
    }

    /// The status with which bash ends for an unset variable: 127 from `-c`, 1 otherwise.
    fn unset_status(&self) -> u8 {
        if self.origin == Origin::CommandString && self.subshells == 0 && !self.options.errexit {
            127
        } else {
            1
        }
    }

    /// Prints why an expansion failed.
    pub(super) fn report_failure(
        &mut self,
        sys: &mut Sys<'_, '_>,
        failure: &Failure,
        command: Option<&str>,
    ) {
        let bash = self.dialect.is_bash();
        let text = match failure {
            Failure::BadSubstitution(raw) if bash => format!("{raw}: bad substitution"),
            Failure::BadSubstitution(_) => "syntax error: bad substitution".to_owned(),
            Failure::Unset { name, message, colon } => match message {
                Some(message) => format!("{name}: {message}"),
                None if bash => {
                    format!("{name}: parameter {}not set", if *colon { "null or " } else { "" })
                }
                None => {
                    format!("{name}: parameter not set{}", if *colon { " or null" } else { "" })
                }
            },
            Failure::Unbound(name) if bash => format!("{name}: unbound variable"),
            Failure::Unbound(name) => format!("{name}: parameter not set"),
            Failure::ReadOnly(name) => return self.read_only_message(sys, name),
            Failure::Arith { text, error } => self.arith_message(text, error, command),
            Failure::BadIndirect(name) => format!("{name}: invalid indirect expansion"),
            Failure::NegativeLength(raw) => format!("{}: substring expression < 0", raw.trim()),
            Failure::TooLong(limit) => {
                let text = format!("an expansion gave more than {limit} bytes (memory_bytes)");
                sys.complain(text.clone());
                text
            }
            Failure::NoMatch(pattern) => format!("no match: {pattern}"),
        };
        self.complain(sys, &text);
    }

    fn arith_message(&self, text: &str, error: &ArithError, command: Option<&str>) -> String {
        if !self.dialect.is_bash() {
            return match error {
                ArithError::Zero(_) => "divide by zero".to_owned(),
                ArithError::ReadOnly(name) => format!("{name}: is read only"),
                ArithError::Deep => "expression recursion loop detected".to_owned(),
                ArithError::Syntax(..) | ArithError::Unbound(_) => {
                    "arithmetic syntax error".to_owned()
                }
            };
        }
        let begin = command.map(|c| format!("{c}: ")).unwrap_or_default();
        let text = text.trim_start();
        match error {
            ArithError::Zero(rest) => {
                format!("{begin}{text}: division by 0 (error token is \"{rest}\")")
            }
            ArithError::Syntax(why, rest) => {
                // bash shows the inner expression when a variable's value is at fault.
                let shown = if text.ends_with(rest.as_str()) {
                    text.to_owned()
                } else {
                    self.expression_with(text, rest)
                };
                format!("{begin}{shown}: {why} (error token is \"{rest}\")")
            }
            ArithError::Unbound(name) => format!("{name}: unbound variable"),
            ArithError::ReadOnly(name) => format!("{name}: readonly variable"),
            ArithError::Deep => format!(
                "{begin}{text}: expression recursion level exceeded (error token is \"{text}\")"
            ),
        }
    }

    /// The value of the variable in `text` whose end is `rest`.
    fn expression_with(&self, text: &str, rest: &str) -> String {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words
            .filter_map(|w| self.vars.text(w))
            .find(|v| v.ends_with(rest))
            .map_or_else(|| text.to_owned(), ToString::to_string)
    }

    fn read_only_message(&mut self, sys: &mut Sys<'_, '_>, name: &str) {
        let text = if self.dialect.is_bash() {
            format!("{name}: readonly variable")
        } else {
            format!("{name}: is read only")
        };
        self.complain(sys, &text);
    }

    /// An assignment to a read-only variable ends the shell.
    pub(super) fn read_only_error(&mut self, sys: &mut Sys<'_, '_>, name: &str) {
        self.read_only_message(sys, name);
        let status = if self.dialect.is_bash() { 1 } else { 2 };
        self.start_exit(sys, status);
    }

    /// Drops a frame that cannot go on.
    pub(super) fn drop_frame(&mut self, sys: &mut Sys<'_, '_>, frame: Frame) {
        self.undo(sys, frame.kind);
    }
}

//! The two shells that are played, and how they word their messages.

use super::parser::{SyntaxError, SyntaxKind};

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// busybox ash 1.36.
    Ash,
    /// bash 5.2.
    Bash,
}

impl Dialect {
    /// Whether it is bash.
    pub(crate) const fn is_bash(self) -> bool {
        matches!(self, Self::Bash)
    }
}

/// Where a script comes from, for the beginning of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `sh -c`.
    CommandString,
    /// A script file.
    File,
    /// Standard input.
    Stdin,
}

/// The lines of a syntax error as bash prints them, after the name of the shell; ash's is one line.
pub(crate) fn syntax_message(dialect: Dialect, prefix: &str, error: &SyntaxError) -> String {
    match dialect {
        Dialect::Ash => format!("{prefix}syntax error: {}\n", ash_text(error)),
        Dialect::Bash => bash_text(prefix, error),
    }
}

fn ash_text(error: &SyntaxError) -> String {
    match &error.kind {
        SyntaxKind::Unexpected { ash, .. } => match error.expecting {
            Some(expecting) => format!("unexpected {ash} (expecting {expecting})"),
            None => format!("unexpected {ash}"),
        },
        SyntaxKind::End => match error.expecting {
            Some(expecting) => format!("unexpected end of file (expecting {expecting})"),
            None => "unexpected end of file".to_owned(),
        },
        SyntaxKind::Unclosed('}') => "missing '}'".to_owned(),
        SyntaxKind::Unclosed('`') => "EOF in backquote substitution".to_owned(),
        SyntaxKind::Unclosed('(') => "missing '))'".to_owned(),
        SyntaxKind::Unclosed(')') => "unexpected end of file (expecting \")\")".to_owned(),
        SyntaxKind::Unclosed(_) => "unterminated quoted string".to_owned(),
        SyntaxKind::Other(text) => text.clone(),
    }
}

fn bash_text(prefix: &str, error: &SyntaxError) -> String {
    match &error.kind {
        SyntaxKind::Unexpected { bash, .. } => format!(
            "{prefix}syntax error near unexpected token `{bash}'\n{prefix}`{}'\n",
            error.source_line
        ),
        SyntaxKind::End => format!("{prefix}syntax error: unexpected end of file\n"),
        SyntaxKind::Unclosed(c) => {
            let c = if *c == '(' { ')' } else { *c };
            format!("{prefix}unexpected EOF while looking for matching `{c}'\n")
        }
        SyntaxKind::Other(text) => format!("{prefix}syntax error: {text}\n"),
    }
}

//! Printing. A reader that has gone away (`| head`) is no error.

use std::io::{self, IsTerminal as _, Write as _};

use crate::api::diagnostic::render::Style;

/// Writes a text to standard output.
pub(super) fn out(text: &str) {
    drop(io::stdout().lock().write_all(text.as_bytes()));
}

/// Writes a text to standard output: whether there is somebody left to read it.
pub(super) fn reaches(text: &str) -> bool {
    io::stdout().lock().write_all(text.as_bytes()).is_ok()
}

/// Writes a line to standard error.
pub(super) fn err(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// How diagnostics are drawn on standard error: in colours on a terminal, plain in a pipe.
pub(super) fn diagnostic_style() -> Style {
    if io::stderr().is_terminal() {
        Style::Fancy { colour: true, width: WIDTH }
    } else {
        Style::Plain
    }
}

/// The width that diagnostics are drawn for.
const WIDTH: usize = 100;

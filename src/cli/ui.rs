//! Printing. A reader that has gone away (`| head`) is no error.

use std::io::{self, Write as _};

/// Writes a text to standard output.
pub(super) fn out(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Writes a line to standard error.
pub(super) fn err(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

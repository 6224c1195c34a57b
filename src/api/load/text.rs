//! The text of one file that the user named.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::api::diagnostic::{Code, Diagnostic};

/// The text of a file of at most `most` bytes; `bound` says so in words.
///
/// # Errors
/// A file that cannot be read, is larger, or is no UTF-8.
pub fn text_of(path: &Path, most: u64, bound: &str) -> Result<String, Box<Diagnostic>> {
    let name = path.display();
    let unreadable = |error: io::Error| {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            _ => Code::Unreadable,
        };
        Box::new(Diagnostic::new(code, format!("{name} cannot be read: {error}")))
    };
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(unreadable)?;
    opened.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        let text = format!("{name} is too large: {bound}");
        return Err(Box::new(Diagnostic::new(Code::Limit, text)));
    }
    String::from_utf8(bytes)
        .map_err(|_| Box::new(Diagnostic::new(Code::NotText, format!("{name} is not text"))))
}

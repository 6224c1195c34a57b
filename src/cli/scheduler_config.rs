//! The scheduler's settings of a run: `--scheduler-config FILE`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::ui;
use crate::api::diagnostic::{Code, Diagnostic, render};
use crate::api::source::Source;
use crate::sim::scheduling::{Config, config_file};

/// No file of settings is larger.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the file; what it says without effect is told, unless `quiet`.
pub(super) fn read(file: &Path, quiet: bool) -> Result<Config, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let unreadable = |error: std::io::Error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => Code::NotFound,
            _ => Code::Unreadable,
        };
        vec![Diagnostic::new(code, format!("cannot read {name}: {error}"))]
    };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        let text =
            format!("{name} is too large: a scheduler's settings may have {MAX_BYTES} bytes");
        return Err(vec![Diagnostic::new(Code::Limit, text)]);
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| vec![Diagnostic::new(Code::NotText, format!("{name} is not text"))])?;
    let settings = config_file::read(&Source::new(name, text))?;
    if !settings.warnings.is_empty() && !quiet {
        ui::err(render::render(&settings.warnings, ui::diagnostic_style()).trim_end());
    }
    Ok(settings.config)
}

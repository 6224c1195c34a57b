//! The scheduler's settings of a run: `--scheduler-config FILE`.

use std::path::Path;

use super::ui;
use crate::api::diagnostic::{Diagnostic, render};
use crate::api::load;
use crate::api::source::Source;
use crate::sim::scheduling::{Config, config_file};

/// No file of settings is larger.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the file; what it says without effect is told, unless `quiet`.
pub(super) fn read(file: &Path, quiet: bool) -> Result<Config, Vec<Diagnostic>> {
    let bound = format!("a scheduler's settings may have {MAX_BYTES} bytes");
    let text = load::text_of(file, MAX_BYTES, &bound).map_err(|problem| vec![*problem])?;
    let name = file.display().to_string();
    let settings = config_file::read(&Source::new(name, text))?;
    if !settings.warnings.is_empty() && !quiet {
        ui::err(render::render(&settings.warnings, ui::diagnostic_style()).trim_end());
    }
    Ok(settings.config)
}

//! `wavetank convert`: manifests of old API versions, written in the current form.

use std::fs;
use std::path::Path;

use super::input::Input;
use super::{exit_code, ui};
use crate::api::diagnostic::render;
use crate::api::load::Rules;
use crate::api::rewrite::{Rewritten, rewrite};

/// Write manifests in the form that Kubernetes v1.36 serves, keeping comments
///
/// Only what the conversion changes is touched: the apiVersion, and fields that the old version filled in
/// or called otherwise. The result is printed; with --write the files themselves are changed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// Change the files instead of printing the result
    #[arg(short, long)]
    write: bool,
    /// Say nothing on standard error
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> u8 {
    if args.input.is_empty() {
        ui::err(
            "error: nothing to convert\n  hint: name files or folders, or pipe manifests in with -f -",
        );
        return exit_code::USAGE;
    }
    let loaded = match args.input.load_by(Rules::Left) {
        Ok(loaded) => loaded,
        Err(problems) => {
            ui::err(render::render(&problems, ui::diagnostic_style()).trim_end());
            return exit_code::BAD_INPUT;
        }
    };
    if !loaded.warnings.is_empty() && !args.quiet {
        ui::err(render::render(&loaded.warnings, ui::diagnostic_style()).trim_end());
    }
    let files = rewrite(&loaded.manifests);
    for file in files.iter().filter(|file| !file.in_place && !args.quiet) {
        ui::err(&format!(
            "note: {} could not be changed in place; it is written anew, without its comments",
            file.source.name()
        ));
    }
    if args.write {
        return write(&files, args.quiet);
    }
    let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
    ui::out(&joined(&texts));
    exit_code::OK
}

/// The texts as one stream of documents.
fn joined(texts: &[&str]) -> String {
    let mut all = String::new();
    for text in texts {
        if !all.is_empty() {
            if !all.ends_with('\n') {
                all.push('\n');
            }
            if !text.starts_with("---") {
                all.push_str("---\n");
            }
        }
        all.push_str(text);
    }
    all
}

fn write(files: &[Rewritten], quiet: bool) -> u8 {
    for file in files {
        let name = file.source.name();
        if name == "<stdin>" {
            ui::out(&file.text);
            continue;
        }
        if file.text == file.source.text() {
            continue;
        }
        if let Err(error) = fs::write(Path::new(name), &file.text) {
            ui::err(&format!("error: cannot write {name}: {error}"));
            return exit_code::IO;
        }
        if !quiet {
            ui::err(&format!("{name} is written in the current form"));
        }
    }
    exit_code::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_joined_as_documents() {
        assert_eq!(joined(&["a: 1", "b: 2\n"]), "a: 1\n---\nb: 2\n");
        assert_eq!(joined(&["a: 1\n", "---\nb: 2\n"]), "a: 1\n---\nb: 2\n");
        assert_eq!(joined(&["a: 1\n"]), "a: 1\n");
    }
}

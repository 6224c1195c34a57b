//! Files that a command line names: manifests and data.
//!
//! The steps of a scenario read files of the scenario's folder and none outside of it; what a user types
//! on the command line may name any file. Nothing is ever fetched from the network.

use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::args::Args;
use super::{Cx, Failure};
use crate::api::limits::Limits;
use crate::api::load::{self, FieldValidation, Options, Rules};

/// Where relative paths begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The folder.
    pub root: PathBuf,
    /// Whether paths must stay in it.
    pub confined: bool,
}

/// No file of data (`--from-file`) may be larger than this: 1 MiB, the largest ConfigMap.
const MAX_DATA: u64 = 1 << 20;

impl Files {
    /// The file that a path names.
    pub(super) fn resolve(&self, path: &str) -> Result<PathBuf, Failure> {
        if path == "-" {
            return Err("steps have no standard input\nwavetank hint: name a file".into());
        }
        if path.starts_with("http://") || path.starts_with("https://") {
            return Err(format!("{path} is not fetched: wavetank does not use the network\nwavetank hint: save it as a file and name that").into());
        }
        let path = Path::new(path);
        let leaves = path.is_absolute() || path.components().any(|c| c == Component::ParentDir);
        if self.confined && leaves {
            return Err(format!(
                "{} is not read: a step reads files of its scenario's folder alone",
                path.display()
            )
            .into());
        }
        Ok(self.root.join(path))
    }

    /// The bytes of a file of data.
    pub(super) fn data(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let file = self.resolve(path)?;
        let failed = |error: &std::io::Error| {
            Failure::Plain(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("error reading {path}: no such file or directory")
                }
                _ => format!("error reading {path}: {error}"),
            })
        };
        let mut bytes = Vec::new();
        let open = fs::File::open(&file).map_err(|e| failed(&e))?;
        open.take(MAX_DATA + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
        if bytes.len() as u64 > MAX_DATA {
            return Err(format!("{path} is larger than {MAX_DATA} bytes").into());
        }
        Ok(bytes)
    }

    /// The names of the plain files of a folder, sorted; `None` where it is no folder.
    pub(super) fn folder(&self, path: &str) -> Result<Option<Vec<String>>, Failure> {
        /// No folder may hold more entries than this.
        const MAX_ENTRIES: usize = 10_000;
        let folder = self.resolve(path)?;
        if !folder.is_dir() {
            return Ok(None);
        }
        let failed =
            |e: std::io::Error| Failure::Plain(format!("error listing files in {path}: {e}"));
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)?.take(MAX_ENTRIES) {
            let entry = entry.map_err(failed)?;
            if entry.path().is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(Some(names))
    }
}

/// The documents of the files that `-f` names, each with its file as it was named.
///
/// # Errors
/// What kubectl says about a file that cannot be read.
pub(super) fn documents(args: &Args, cx: &Cx<'_>) -> Result<Vec<(Value, String)>, Failure> {
    let validation = match args.text("validate") {
        "warn" => FieldValidation::Warn,
        "ignore" | "false" => FieldValidation::Ignore,
        "" | "strict" | "true" => FieldValidation::Strict,
        other => {
            return Err(format!("invalid - validate option {other:?}; must be one of: strict (or true), warn, ignore (or false)").into());
        }
    };
    let mut documents = Vec::new();
    for path in args.list("filename") {
        let file = cx.files.resolve(path)?;
        if !file.exists() && !path.contains(['*', '?', '[']) {
            return Err(format!("the path {path:?} does not exist").into());
        }
        let options = Options { limits: Limits::default(), validation, rules: Rules::Left };
        let loaded = load::load_with(&[file], None, options).map_err(|problems| {
            let text = |p: &crate::api::diagnostic::Diagnostic| {
                p.server.clone().unwrap_or_else(|| p.message.clone())
            };
            Failure::Exit(1, problems.iter().map(text).collect::<Vec<_>>().join("\n"))
        })?;
        let manifests = loaded.manifests.into_iter();
        documents.extend(manifests.map(|m| (m.value, named_as(path, m.origin.source.name(), cx))));
    }
    Ok(documents)
}

/// A file's path as kubectl prints it: as it was named, and with the file's name where a folder was.
fn named_as(path: &str, file: &str, cx: &Cx<'_>) -> String {
    let inside = Path::new(file).strip_prefix(&cx.files.root).unwrap_or(Path::new(file));
    if inside.as_os_str().is_empty() { path.to_owned() } else { inside.display().to_string() }
}

//! The files that a run is made of, found before it is made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::floats::Floats;
use crate::scenario::scheduler_perf::{self, Wanted};
use crate::scenario::simulation;

/// No more files are looked at, and no deeper in folders.
const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 32;

/// Every file that a run reads, as its path is written.
///
/// # Errors
/// Standard input, which nobody can read again; what cannot be loaded at all; too many files.
pub(super) fn named_files(floats: &Floats) -> Result<BTreeSet<PathBuf>, String> {
    let mut files = BTreeSet::new();
    let named = floats.input.named();
    if named.iter().chain(&floats.from).any(|path| path.as_os_str() == "-") {
        return Err("what comes from standard input cannot be kept in a checkpoint\n  hint: put it into a file".to_owned());
    }
    for path in
        named.iter().chain(&floats.from).chain(&floats.cluster).chain(&floats.scheduler_config)
    {
        if path.is_dir() {
            walk(path, 0, &mut files)?;
        } else if path.is_file() {
            files.insert(path.clone());
        }
    }
    if let Some(file) = named.iter().find(|path| path.is_file() && simulation::is_simulation(path))
        && let Ok(simulation) = simulation::read(file)
    {
        for source in &simulation.sources {
            if source.is_dir() {
                walk(source, 0, &mut files)?;
            } else {
                files.extend(source.is_file().then(|| source.clone()));
            }
        }
    } else if !floats.input.is_empty() {
        // Patterns and folders: what is loaded tells where it was written.
        let loaded = floats.input.load().map(|loaded| loaded.manifests).unwrap_or_default();
        let written = loaded.iter().map(|m| PathBuf::from(m.origin.source.name()));
        files.extend(written.filter(|path| path.is_file()));
    }
    files.extend(floats.openb.iter().cloned());
    if let Some(file) = &floats.scenario {
        files.insert(file.clone());
        walk(file.parent().unwrap_or(Path::new(".")), 0, &mut files)?;
    }
    if let Some(file) = &floats.scheduler_perf
        && let Ok(perf) = scheduler_perf::read(file, &Wanted { name: floats.case.clone() })
    {
        files.extend(perf.files);
    }
    for step in &floats.step {
        let words: Vec<&str> = step.split_whitespace().collect();
        let after = words.windows(2).filter(|w| matches!(w[0], "-f" | "--filename")).map(|w| w[1]);
        let joined = words.iter().filter_map(|w| w.strip_prefix("--filename="));
        files.extend(after.chain(joined).map(PathBuf::from).filter(|path| path.is_file()));
    }
    Ok(files)
}

/// The manifests in a folder.
fn walk(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    let entries =
        fs::read_dir(folder).map_err(|e| format!("{} cannot be read: {e}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if files.len() > MOST_FILES || depth > DEEPEST {
            return Err(format!(
                "{} holds more than {MOST_FILES} files, or nests deeper than {DEEPEST}",
                folder.display()
            ));
        }
        if path.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.insert(path);
        }
    }
    Ok(())
}

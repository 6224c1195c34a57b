//! Simulations in files and folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::diagnostic::Diagnostic;
use crate::scenario::simulation::{self, Simulation};
use crate::scenario::suites;

/// So many entries of folders are looked at.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// Folders nest no deeper than this.
pub(super) const MAX_DEPTH: usize = 64;

type Found = (Vec<Arc<Simulation>>, Vec<Diagnostic>);

/// The simulations of files and folders that fit the filters, and what is wrong with those that cannot be
/// read.
///
/// # Errors
/// A path that does not exist, or a folder without any simulation.
pub(super) fn find(
    paths: &[PathBuf],
    filters: &[String],
    settings: &suites::Settings,
) -> Result<Found, String> {
    let mut files = Vec::new();
    for path in paths {
        if suites::is_suite(path) {
            files.push(path.clone());
        } else if path.is_dir() {
            let before = files.len();
            let mut looked_at = 0;
            folder(path, &mut files, &mut looked_at, 0)?;
            if files.len() == before {
                return Err(format!(
                    "there is no simulation in {}\n  hint: a simulation begins with apiVersion: \
                     wavetank.dev/v1alpha1 and kind: Simulation",
                    path.display()
                ));
            }
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(format!("the path {:?} does not exist", path.display().to_string()));
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|f| seen.insert(f.clone()));
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let read = match suites::is_suite(&file) {
            true => suites::read(&file, settings),
            false => simulation::read(&file).map(|s| vec![s]),
        };
        match read {
            Ok(all) => found.extend(all.into_iter().filter(|s| fits(s, filters)).map(Arc::new)),
            Err(wrong) => problems.extend(wrong),
        }
    }
    Ok((found, problems))
}

fn folder(
    path: &Path,
    files: &mut Vec<PathBuf>,
    looked_at: &mut usize,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("{}: folders nest more than {MAX_DEPTH} levels", path.display()));
    }
    let failed = |e: std::io::Error| format!("the folder {} cannot be read: {e}", path.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        *looked_at += 1;
        if *looked_at > MAX_ENTRIES {
            return Err(format!("more than {MAX_ENTRIES} entries in {}", path.display()));
        }
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let yaml = entry.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if hidden || entry.is_symlink() && entry.is_dir() {
            continue;
        }
        if entry.is_dir() && suites::is_suite(&entry) {
            files.push(entry);
        } else if entry.is_dir() {
            folder(&entry, files, looked_at, depth + 1)?;
        } else if yaml && (simulation::is_simulation(&entry) || suites::is_suite(&entry)) {
            files.push(entry);
        }
    }
    Ok(())
}

fn fits(simulation: &Simulation, filters: &[String]) -> bool {
    let fits_one = |filter: &String| {
        let label = filter
            .split_once('=')
            .is_some_and(|(key, value)| simulation.labels.get(key).is_some_and(|has| has == value));
        label || simulation.name.contains(filter.as_str())
    };
    filters.is_empty() || filters.iter().any(fits_one)
}

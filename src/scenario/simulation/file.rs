//! The file of a simulation, with its places: what is wrong is told where it stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::load;
use crate::api::source::Source;
use crate::api::tree::{NodeId, Tree, parse_path};

/// A file under reading.
#[derive(Debug)]
pub(super) struct File {
    /// Its text.
    pub(super) source: Arc<Source>,
    /// The document of the simulation in it.
    pub(super) tree: Arc<Tree>,
    /// The folder from which paths in it begin.
    pub(super) folder: PathBuf,
    /// The files and folders that it names.
    pub(super) named: Vec<PathBuf>,
    /// What is wrong.
    pub(super) problems: Vec<Diagnostic>,
    /// What is told beside errors.
    pub(super) warnings: Vec<Diagnostic>,
}

impl File {
    /// Notes that something is wrong with what stands at a path.
    pub(super) fn wrong(&mut self, path: &str, text: impl Into<String>) {
        let problem = self.problem(path, text);
        self.problems.push(problem);
    }

    /// The same, with advice if there is any.
    pub(super) fn wrong_with(&mut self, path: &str, text: impl Into<String>, hint: Option<String>) {
        let problem = self.problem(path, text).maybe_hint(hint);
        self.problems.push(problem);
    }

    /// A problem at a path.
    pub(super) fn problem(&self, path: &str, text: impl Into<String>) -> Diagnostic {
        let node = self.node(path);
        let span = super::schema::place(&self.source, &self.tree, node);
        let problem = Diagnostic::new(Code::Invalid, text).at(&self.source, span);
        if path.is_empty() { problem } else { problem.path(path) }
    }

    /// What is written at a path, or its nearest parent that is.
    pub(super) fn node(&self, path: &str) -> NodeId {
        self.tree.find(Tree::ROOT, &parse_path(path)).0
    }

    /// What a path of the file names.
    pub(super) fn path(&mut self, path: &str) -> PathBuf {
        let full = self.folder.join(path);
        if !self.named.contains(&full) {
            self.named.push(full.clone());
        }
        full
    }

    /// Loads the manifests of files and folders that are named at `at`.
    pub(super) fn load(&mut self, paths: &[&str], at: &str) -> Vec<load::Manifest> {
        let full: Vec<PathBuf> = paths.iter().map(|p| self.path(p)).collect();
        if paths.contains(&"-") {
            self.wrong(at, "a simulation has no standard input: name files");
            return Vec::new();
        }
        for (path, full) in paths.iter().zip(&full) {
            if !full.exists() && !path.contains(['*', '?', ':']) {
                self.wrong(at, format!("the path {path:?} does not exist: {}", full.display()));
                return Vec::new();
            }
        }
        let loaded = load::load_with(&full, None, load::Options::default());
        self.take(loaded)
    }

    /// Loads the manifests that stand in the file itself.
    pub(super) fn load_inner(&mut self, paths: &[String]) -> Vec<load::Manifest> {
        let roots: Vec<NodeId> = paths.iter().map(|p| self.node(p)).collect();
        let options = load::Options::default();
        let loaded = load::load_parts(&self.source, &self.tree, &roots, options);
        self.take(loaded)
    }

    /// The manifests of a load; its warnings and problems are noted.
    pub(super) fn take(
        &mut self,
        loaded: Result<load::Loaded, Vec<Diagnostic>>,
    ) -> Vec<load::Manifest> {
        match loaded {
            Ok(loaded) => {
                self.warnings.extend(loaded.warnings);
                loaded.manifests
            }
            Err(problems) => {
                self.problems.extend(problems);
                Vec::new()
            }
        }
    }
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

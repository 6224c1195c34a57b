//! Steps that are written one at a time, as a session's: `killPod: web-0`, `await: {…}`.
//!
//! Each is read as if it stood in a file, so that it means the same and is told the same when it is wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::file::File;
use super::read::decode;
use super::schema;
use super::steps::{self, Ready, World};
use super::{API_VERSION, KIND};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::source::Source;
use crate::scenario::runner::TimedStep;

/// The steps of a line such as `stopNode: node-1`; paths in it begin in `folder`, and `nodes` are those that
/// it may name.
///
/// # Errors
/// All that is wrong with it.
pub fn step(
    line: &str,
    folder: &Path,
    nodes: BTreeSet<String>,
) -> Result<Vec<TimedStep>, Vec<Diagnostic>> {
    let text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\nsteps:\n- {line}\n");
    let source = Source::new("the line", text);
    let read = read_documents(source.text(), &Limits::default()).into_iter().next();
    let document = match read {
        Some(Ok(document)) => document,
        Some(Err(error)) => {
            return Err(vec![Diagnostic::new(Code::YamlSyntax, error.problem.to_string())]);
        }
        None => return Err(vec![Diagnostic::new(Code::NothingToLoad, "there is no step")]),
    };
    let mut file = File {
        tree: Arc::new(document.tree),
        folder: folder.to_owned(),
        named: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        source,
    };
    schema::check(&file.source.clone(), &Arc::clone(&file.tree), &mut file.problems);
    if !file.problems.is_empty() {
        return Err(file.problems);
    }
    let written = decode(&file)?;
    let mut world = World { nodes, prepare: &|_: &mut Value| {} };
    let mut ready = Ready::default();
    steps::compile(&mut file, written.steps.as_deref().unwrap_or_default(), &mut world, &mut ready);
    if file.problems.iter().any(Diagnostic::is_error) {
        return Err(file.problems);
    }
    Ok(ready.steps)
}

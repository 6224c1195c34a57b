//! Files to manifests: everything the user named is read, split, brought to the current form and
//! checked, and all that is wrong is told at once.
//!
//! Follows k8s.io/cli-runtime/pkg/resource (`FileVisitor`, `StreamVisitor`, `FlattenListVisitor`) for
//! what is read and how lists are taken apart. [`files`] finds the inputs; [`Manifest`] keeps what the
//! document says now ([`Manifest::value`], in the current version) and where each field was written.
//!
//! Left out: `kustomization.yaml` and Helm charts are not rendered; they are recognised and refused
//! with a hint.

mod classify;
mod fields;
mod files;
mod own;
mod rules;
mod text;

pub use self::text::text_of;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Code, Diagnostic, Severity};
use super::documents::{self, Document, DocumentError, ErrorKind};
use super::kinds::KindInfo;
use super::limits::Limits;
use super::source::{Source, Span};
use super::tree::{self, NodeId, Step, Tree};
use crate::base::Str;

/// One object as it was written, in the current version.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it was written.
    pub origin: Origin,
    /// Its `apiVersion` now.
    pub api_version: Str,
    /// Its `kind`.
    pub kind: Str,
    /// The kind, if v1.36 serves it; `None` for custom resources and for files of our own.
    pub info: Option<&'static KindInfo>,
    /// The document.
    pub value: Value,
}

impl Manifest {
    /// `metadata.name`; empty if there is none.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `metadata.namespace`; empty if there is none.
    pub fn namespace(&self) -> &str {
        self.value["metadata"]["namespace"].as_str().unwrap_or_default()
    }

    /// `Deployment/web`, as diagnostics name it.
    pub fn title(&self) -> String {
        match self.name() {
            "" => self.kind.to_string(),
            name => format!("{}/{name}", self.kind),
        }
    }

    /// A diagnostic about the field at `path` (as Kubernetes writes paths), placed where that field, or
    /// the nearest part of it that was written, stands.
    pub fn diagnostic(&self, code: Code, path: &str, message: impl Into<String>) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(code, message)
            .at(&self.origin.source, self.origin.span(path))
            .object(self.title());
        if !path.is_empty() {
            diagnostic = diagnostic.path(path);
        }
        diagnostic
    }
}

/// Where a manifest was written.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file.
    pub source: Arc<Source>,
    /// Which document of the file, from 1; empty documents count.
    pub document: u32,
    /// The values of the document with their places, as they were written (before conversion).
    pub tree: Arc<Tree>,
    /// The object in it: the root, or an item of a list.
    pub root: NodeId,
}

impl Origin {
    /// The place of the field at `path`: its value, or its key when the value is a whole block, or the
    /// nearest parent that was written.
    pub fn span(&self, path: &str) -> Span {
        self.span_of(&tree::parse_path(path))
    }

    /// The same for a path in steps.
    pub fn span_of(&self, path: &[Step]) -> Span {
        let (node, whole) = self.tree.find(self.root, path);
        self.node_span(node, whole && !path.is_empty())
    }

    fn node_span(&self, id: NodeId, value: bool) -> Span {
        let node = self.tree.node(id);
        let multi_line = self.source.slice(node.span).contains('\n');
        if value && !node.span.is_empty() && !multi_line {
            return node.span;
        }
        if !node.key_span.is_empty() {
            return node.key_span;
        }
        first_line(&self.source, node.span)
    }
}

/// The part of a span on its first line.
fn first_line(source: &Source, span: Span) -> Span {
    let text = source.slice(span);
    let length = text.find('\n').map_or(text.len(), |end| text[..end].trim_end().len());
    Span::new(span.start as usize, span.start as usize + length.max(1))
}

/// What was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The manifests, in the order of files and documents.
    pub manifests: Vec<Manifest>,
    /// Warnings and notes; no errors.
    pub warnings: Vec<Diagnostic>,
}

impl Loaded {
    /// Kinds that are kept without behaviour, each once with the number of objects, by name: to be said
    /// in a summary.
    pub fn inert_kinds(&self) -> Vec<(String, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        let declared: std::collections::BTreeSet<(&str, &str)> = self
            .manifests
            .iter()
            .filter(|m| classify::is_own(&m.api_version) && m.kind == own::CUSTOM_WORKLOAD)
            .map(|m| &m.value["spec"])
            .map(|s| (s["group"].as_str().unwrap_or(""), s["kind"].as_str().unwrap_or("")))
            .collect();
        for manifest in &self.manifests {
            let (group, _) = super::kinds::split(&manifest.api_version);
            let inert = match manifest.info {
                // An Ingress is kept as a document, but it is given an address.
                Some(info) => info.model() == crate::model::Kind::Inert && info.kind != "Ingress",
                None => {
                    !classify::is_own(&manifest.api_version)
                        && !declared.contains(&(group, &*manifest.kind))
                }
            };
            if inert {
                *counts.entry(manifest.kind.to_string()).or_insert(0) += 1;
            }
        }
        counts.into_iter().collect()
    }
}

/// What is done about fields that a kind does not have, or that stand twice; kubectl's `--validate`.
/// A value of a wrong type is always an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldValidation {
    /// They are errors.
    #[default]
    Strict,
    /// They are warnings.
    Warn,
    /// They are passed over.
    Ignore,
}

/// How input is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// What is done about unknown fields.
    pub validation: FieldValidation,
    /// Whether the rules of the API are checked here.
    pub rules: Rules,
}

/// Whether a load checks the rules of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rules {
    /// What breaks one is told.
    #[default]
    Checked,
    /// They are left to the API server that the manifests are sent to, as kubectl leaves them.
    Left,
}

/// Reads everything that `paths` names: files, folders, patterns, `-` for the standard input.
///
/// # Errors
/// All that is wrong, warnings included, in the order of the input; at least one is an error.
pub fn load(
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    limits: &Limits,
) -> Result<Loaded, Vec<Diagnostic>> {
    load_with(paths, stdin, Options { limits: *limits, ..Options::default() })
}

/// Reads everything that `paths` names, as [`load`] does, with all that can be chosen.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    options: Options,
) -> Result<Loaded, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let sources = files::read_all(paths, stdin, &options.limits, &mut problems);
    finish(&sources, options, problems)
}

/// Reads texts that are in memory already.
///
/// # Errors
/// As [`load`].
pub fn load_sources(sources: &[Arc<Source>], options: Options) -> Result<Loaded, Vec<Diagnostic>> {
    finish(sources, options, Vec::new())
}

/// Reads manifests that stand inside another document: the parts `roots` of `tree`, which was read from
/// `source`.
///
/// # Errors
/// As [`load`].
pub fn load_parts(
    source: &Arc<Source>,
    tree: &Arc<Tree>,
    roots: &[NodeId],
    options: Options,
) -> Result<Loaded, Vec<Diagnostic>> {
    let (mut drafts, mut problems) = (Vec::new(), Vec::new());
    for root in roots {
        let (source, tree) = (Arc::clone(source), Arc::clone(tree));
        let origin = Origin { source, document: 1, tree, root: *root };
        let draft = Draft { origin, json: false, implied: None };
        classify::flatten(draft, &mut drafts, &mut problems);
    }
    sorted_out(drafts, options, problems)
}

fn finish(
    sources: &[Arc<Source>],
    options: Options,
    mut problems: Vec<Diagnostic>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let limits = &options.limits;
    let mut drafts = Vec::new();
    for source in sources {
        read_source(source, limits, &mut drafts, &mut problems);
        if drafts.len() > limits.documents {
            let message = format!("more than {} documents", limits.documents);
            problems.push(Diagnostic::new(Code::Limit, message).at(source, Span::new(0, 0)));
            break;
        }
    }
    sorted_out(drafts, options, problems)
}

/// Drafts as manifests, or all that is wrong with them.
fn sorted_out(
    drafts: Vec<Draft>,
    options: Options,
    mut problems: Vec<Diagnostic>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let limits = &options.limits;
    let manifests = classify::classify(drafts, &options, &mut problems);
    if problems.iter().any(Diagnostic::is_error) {
        if problems.len() > limits.problems {
            problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
            let more = problems.len() - limits.problems;
            problems.truncate(limits.problems);
            let mut rest =
                Diagnostic::new(Code::Limit, format!("{more} more problems are not shown"));
            rest.severity = Severity::Note;
            problems.push(rest);
        }
        return Err(problems);
    }
    Ok(Loaded { manifests, warnings: problems })
}

/// A mapping that was found, before anything is known about it.
struct Draft {
    origin: Origin,
    json: bool,
    implied: Implied,
}

/// The `apiVersion` and `kind` that a typed list gives its items.
type Implied = Option<(String, String)>;

fn read_source(
    source: &Arc<Source>,
    limits: &Limits,
    drafts: &mut Vec<Draft>,
    problems: &mut Vec<Diagnostic>,
) {
    let read = documents::read_documents(source.text(), limits);
    for (index, document) in read.into_iter().enumerate() {
        match document {
            Ok(document) => take_document(source, index + 1, document, drafts, problems),
            Err(error) => problems.push(syntax_problem(source, &error)),
        }
    }
}

fn take_document(
    source: &Arc<Source>,
    number: usize,
    document: Document,
    drafts: &mut Vec<Draft>,
    problems: &mut Vec<Diagnostic>,
) {
    for repeated in &document.repeated {
        let path = document.tree.path(Tree::ROOT, repeated.mapping);
        let path = [path, vec![Step::Field(repeated.key.clone())]].concat();
        let path = tree::write_path(&path);
        let message = format!("the key \"{}\" is repeated; the last one counts", repeated.key);
        problems.push(
            Diagnostic::new(Code::DuplicateKey, message)
                .at(source, repeated.again)
                .related(source, repeated.first, "it stands here first")
                .path(path)
                .hint("remove one of the two"),
        );
    }
    let origin = Origin {
        source: Arc::clone(source),
        document: u32::try_from(number).unwrap_or(u32::MAX),
        tree: Arc::new(document.tree),
        root: Tree::ROOT,
    };
    classify::flatten(Draft { origin, json: document.json, implied: None }, drafts, problems);
}

/// What cannot be read, with advice for what is often meant.
fn syntax_problem(source: &Arc<Source>, error: &DocumentError) -> Diagnostic {
    let code = match error.kind {
        ErrorKind::Yaml => Code::YamlSyntax,
        ErrorKind::Json => Code::JsonSyntax,
        ErrorKind::Limit => Code::Limit,
    };
    // What lacks an end is shown where it begins.
    let begins = ["could not find expected ':'", "found unexpected end of stream"];
    let span = match error.context {
        Some(context) if begins.contains(&error.problem.as_str()) => first_line(source, context),
        _ => error.span,
    };
    let diagnostic = Diagnostic::new(code, &error.problem).at(source, span);
    let diagnostic = match error.kind {
        ErrorKind::Limit => diagnostic,
        ErrorKind::Yaml | ErrorKind::Json => {
            diagnostic.server(format!("error parsing {}: {}", source.name(), error.text))
        }
    };
    diagnostic.maybe_hint(syntax_hint(source, error, span).map(str::to_owned))
}

fn syntax_hint(source: &Source, error: &DocumentError, span: Span) -> Option<&'static str> {
    let text = source.text();
    let start = text[..floor(text, span.start)].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    if line.contains("{{") {
        return Some("this looks like a template: render it first (helm template, for example)");
    }
    if indent.contains('\t') {
        return Some("YAML is indented with spaces, not with tabs");
    }
    match error.problem.as_str() {
        "mapping values are not allowed in this context" => {
            Some("quote the value if it contains \": \", or check the indentation of this line")
        }
        "did not find expected key" | "did not find expected '-' indicator" => {
            Some("this line is indented differently from those before it")
        }
        "could not find expected ':'" => Some("a key needs a \":\" and a space after it"),
        "found character that cannot start any token" => {
            Some("quote the value if it is meant to begin with this character")
        }
        "found unexpected end of stream" => Some("the closing quote is missing"),
        "control characters are not allowed" => Some("is this a text file?"),
        _ => None,
    }
}

fn floor(text: &str, at: u32) -> usize {
    let mut at = (at as usize).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

//! A scheduler's file of settings: `KubeSchedulerConfiguration`, read strictly and judged as
//! kube-scheduler does at its start.
//!
//! Follows `cmd/kube-scheduler/app/options`, `pkg/scheduler/apis/config/v1` (defaults, merging of
//! plugins), `pkg/scheduler/apis/config/validation`, and `NewFramework` in
//! `pkg/scheduler/framework/runtime/framework.go` for what shows only when profiles are built. The
//! texts are those of the real component; each has its place in the file.
//!
//! Extenders are refused: nothing is called over a network here. Settings of the process (leader
//! election, client connection, profiling, parallelism) are read and judged, and change nothing.

mod args;
mod plugins;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::config::{Config, Profile};
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::documents::{Document, ErrorKind, read_documents};
use crate::api::limits::Limits;
use crate::api::schema::{self, Struct};
use crate::api::source::Source;
use crate::api::strict::{self, Finding, FindingKind, Order};
use crate::api::suggest;
use crate::api::tree::{NodeId, Step, Tree, parse_path, write_path};
use crate::api::validate::{At, Errors, Path};

const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
const KIND: &str = "KubeSchedulerConfiguration";

/// What a file says.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// What it says that has no effect here.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a file of settings.
///
/// # Errors
/// All that is wrong with it, of the first step that finds anything wrong: reading, decoding,
/// judging, building the profiles.
pub fn read(source: &Arc<Source>) -> Result<Settings, Vec<Diagnostic>> {
    let document = only_document(source)?;
    let file = File { source, tree: &document.tree };
    file.check_kind()?;
    let top = struct_of("KubeSchedulerConfiguration");
    let order = if document.json { Order::Written } else { Order::Sorted };
    file.check_strictly(top, order)?;
    let written = document.tree.value(Tree::ROOT);
    let mut value = schema::decode(top, &written)
        .map(|d| d.value)
        .map_err(|e| vec![file.problem(Code::WrongType, &e.path, e.message)])?;
    args::set_defaults(&mut value);
    plugins::set_defaults(&mut value);
    file.validate(top, &value)?;
    file.build(&value)
}

fn struct_of(name: &str) -> &'static Struct {
    schema::named(&format!("kubescheduler/v1.{name}")).expect("the table has the scheduler's types")
}

/// The one document of a file.
fn only_document(source: &Arc<Source>) -> Result<Document, Vec<Diagnostic>> {
    let mut found = Vec::new();
    for document in read_documents(source.text(), &Limits::default()) {
        match document {
            Ok(d) if d.tree.is_empty() || d.tree.value(Tree::ROOT).is_null() => {}
            Ok(d) => found.push(d),
            Err(e) => {
                let code = match e.kind {
                    ErrorKind::Yaml => Code::YamlSyntax,
                    ErrorKind::Json => Code::JsonSyntax,
                    ErrorKind::Limit => Code::Limit,
                };
                return Err(vec![Diagnostic::new(code, e.problem).at(source, e.span)]);
            }
        }
    }
    let hint = format!("it begins with\napiVersion: {API_VERSION}\nkind: {KIND}");
    let wrong = |text: String| vec![Diagnostic::new(Code::NotAnObject, text).hint(hint.clone())];
    match found.len() {
        0 => Err(wrong(format!("{} holds no document", source.name()))),
        1 => Ok(found.remove(0)),
        n => Err(wrong(format!(
            "a scheduler's settings are one document, {} has {n}",
            source.name()
        ))),
    }
}

/// The file, with its places.
struct File<'a> {
    source: &'a Arc<Source>,
    tree: &'a Tree,
}

impl File<'_> {
    /// A problem at a path, or at the nearest thing that is written.
    fn problem(&self, code: Code, path: &str, message: impl Into<String>) -> Diagnostic {
        let (node, _) = self.tree.find(Tree::ROOT, &parse_path(path));
        let node = self.tree.node(node);
        let span = if node.key_span.is_empty() { node.span } else { node.key_span };
        Diagnostic::new(code, message).object(KIND).path(path).at(self.source, span)
    }

    fn check_kind(&self) -> Result<(), Vec<Diagnostic>> {
        let text =
            |key| self.tree.text(Tree::ROOT, key).map(ToString::to_string).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version == API_VERSION && kind == KIND {
            return Ok(());
        }
        let (code, path, message) = if version.is_empty() {
            (Code::MissingApiVersion, "apiVersion", "Object 'apiVersion' is missing".to_owned())
        } else if kind.is_empty() {
            (Code::MissingKind, "kind", "Object 'Kind' is missing".to_owned())
        } else {
            let message = format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \
                 \"pkg/scheduler/apis/config/scheme/scheme.go:30\""
            );
            let path = if kind == KIND { "apiVersion" } else { "kind" };
            (Code::UnknownVersion, path, message)
        };
        Err(vec![self.problem(code, path, message).expected(format!("{API_VERSION}, kind {KIND}"))])
    }

    /// Misspelt, repeated and mistyped fields, of the file itself and of the plugins' arguments.
    fn check_strictly(&self, top: &'static Struct, order: Order) -> Result<(), Vec<Diagnostic>> {
        let findings = strict::check(top, self.tree, Tree::ROOT, order);
        let server = strict::server_text(&findings);
        let mut problems: Vec<Diagnostic> =
            findings.into_iter().map(|f| self.finding(&[], f)).collect();
        if let (Some(first), Some(text)) = (problems.first_mut(), server) {
            first.server = Some(text);
        }
        for (i, profile) in self.list(Tree::ROOT, "profiles").into_iter().enumerate() {
            for (j, config) in self.list(profile, "pluginConfig").into_iter().enumerate() {
                problems.extend(self.check_args(i, j, config, order));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn list(&self, node: NodeId, key: &str) -> Vec<NodeId> {
        let list = self.tree.child(node, key);
        list.map(|l| self.tree.children(l).collect()).unwrap_or_default()
    }

    fn check_args(&self, i: usize, j: usize, config: NodeId, order: Order) -> Vec<Diagnostic> {
        let Some(name) = self.tree.text(config, "name") else { return Vec::new() };
        let Some(of) = args::type_of(name) else { return Vec::new() };
        let Some(node) = self.tree.child(config, "args") else { return Vec::new() };
        let place = format!("profiles[{i}].pluginConfig[{j}]");
        let kind = self.tree.text(node, "kind").map_or("", |k| k.as_str());
        let wanted = format!("{name}Args");
        if !kind.is_empty() && kind != wanted {
            let group = API_VERSION.split('/').next().unwrap_or_default();
            let text = format!(
                "decoding .{place}: args for plugin {name} were not of type {wanted}.{group}, got \
                 {kind}.{group}"
            );
            return vec![self.problem(Code::Invalid, &format!("{place}.args.kind"), text)];
        }
        let findings = strict::check(of, self.tree, node, order);
        let said = strict::server_text(&findings);
        let base = parse_path(&format!("{place}.args"));
        let mut problems: Vec<Diagnostic> =
            findings.into_iter().map(|f| self.finding(&base, f)).collect();
        if let (Some(first), Some(text)) = (problems.first_mut(), said) {
            let strictly = if text.starts_with("strict") { "strict decoding error: " } else { "" };
            first.server = Some(format!(
                "{strictly}decoding .{place}: {strictly}decoding args for plugin {name}: {text}"
            ));
        }
        problems
    }

    fn finding(&self, base: &[Step], finding: Finding) -> Diagnostic {
        let code = match finding.kind {
            FindingKind::Unknown => Code::UnknownField,
            FindingKind::Duplicate => Code::DuplicateField,
            FindingKind::Type | FindingKind::Fatal => Code::WrongType,
        };
        let path: Vec<Step> = base.iter().chain(&finding.path).cloned().collect();
        let problem = self.problem(code, &write_path(&path), finding.message);
        let problem = problem.maybe_hint(finding.hint);
        if finding.expected.is_empty() { problem } else { problem.expected(finding.expected) }
    }

    /// As `ValidateKubeSchedulerConfiguration`.
    fn validate(&self, top: &'static Struct, value: &Value) -> Result<(), Vec<Diagnostic>> {
        let at = At::new(top, value);
        let mut errors = Errors::default();
        if at.int("parallelism") <= 0 {
            let text = "should be an integer value greater than zero";
            errors.invalid(&Path::new("parallelism"), at.int("parallelism"), text);
        }
        let mut names: Vec<(&str, Path)> = Vec::new();
        for profile in at.items("profiles") {
            let name = profile.text("schedulerName");
            if name.is_empty() {
                errors.required(&profile.at("schedulerName"), "");
            }
            percentage(&profile, &mut errors);
            plugins::validate(&profile, &mut errors);
            args::validate(&profile, &mut errors);
            if let Some((_, first)) = names.iter().rfind(|(n, _)| *n == name) {
                errors.duplicate(&profile.at("schedulerName"), first.to_string());
            }
            names.push((name, profile.at("schedulerName")));
        }
        percentage(&at, &mut errors);
        let (first, longest) = (at.int("podInitialBackoffSeconds"), at.int("podMaxBackoffSeconds"));
        if first <= 0 {
            errors.invalid(&at.at("podInitialBackoffSeconds"), first, "must be greater than 0");
        }
        if longest < first {
            let text = "must be greater than or equal to PodInitialBackoffSeconds";
            errors.invalid(&at.at("podMaxBackoffSeconds"), longest, text);
        }
        let mut problems: Vec<Diagnostic> =
            errors.0.iter().map(|e| self.problem(Code::Invalid, &e.field, e.to_string())).collect();
        if !at.is_empty("extenders") {
            let text = "extenders are not modelled: nothing is called over a network";
            problems.push(
                self.problem(Code::Invalid, "extenders", text)
                    .hint("take `extenders` out; what they decide can be written as labels, taints and affinity"),
            );
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Builds the profiles (`profile.NewMap`).
    fn build(&self, value: &Value) -> Result<Settings, Vec<Diagnostic>> {
        let at = At::new(struct_of("KubeSchedulerConfiguration"), value);
        let mut config = Config {
            profiles: Vec::new(),
            percentage_of_nodes_to_score: narrow(at.int("percentageOfNodesToScore")),
            initial_backoff: seconds(at.int("podInitialBackoffSeconds")),
            max_backoff: seconds(at.int("podMaxBackoffSeconds")),
        };
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        for profile in at.items("profiles") {
            match plugins::expand(&profile) {
                Ok(built) => {
                    for (path, text) in built.warnings {
                        let said = self.problem(Code::ApiWarning, &path, text);
                        warnings.push(said);
                    }
                    config.profiles.push(Profile {
                        scheduler_name: profile.text("schedulerName").into(),
                        percentage_of_nodes_to_score: profile
                            .opt_int("percentageOfNodesToScore")
                            .map(narrow),
                        args: args::compile(&profile),
                        ..built.profile
                    });
                }
                Err(wrong) => {
                    let name = profile.text("schedulerName");
                    let text = format!(
                        "initializing profiles: creating profile for scheduler name {name}: {}",
                        wrong.text
                    );
                    let known = wrong.unknown.as_deref();
                    let near = known.and_then(|w| suggest::nearest(w, plugins::names()));
                    problems.push(
                        self.problem(Code::Invalid, &wrong.path, text)
                            .maybe_hint(near.map(|n| format!("did you mean {n}?"))),
                    );
                }
            }
        }
        if problems.is_empty() { Ok(Settings { config, warnings }) } else { Err(problems) }
    }
}

fn percentage(at: &At<'_>, errors: &mut Errors) {
    if let Some(p) = at.opt_int("percentageOfNodesToScore")
        && !(0..=100).contains(&p)
    {
        errors.invalid(&at.at("percentageOfNodesToScore"), p, "not in valid range [0-100]");
    }
}

fn narrow(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or(0))
}

//! Misspelt, repeated and mistyped fields of a manifest, each with its place.
//!
//! A manifest of an old version is checked after its conversion, which leaves what it does not know
//! where it was; one of autoscaling/v1, whose type is known, as it was written.

use super::{FieldValidation, Manifest};
use crate::api::diagnostic::{Code, Diagnostic, Severity};
use crate::api::kinds;
use crate::api::schema;
use crate::api::strict::{self, Finding, FindingKind, Order};
use crate::api::tree::{self, Tree};

/// Tells what strict decoding finds in `manifest`, which was written in the version `written_as`.
pub(super) fn check(
    manifest: &Manifest,
    written_as: &str,
    json: bool,
    validation: FieldValidation,
    problems: &mut Vec<Diagnostic>,
) {
    let order = if json { Order::Written } else { Order::Sorted };
    let origin = &manifest.origin;
    let findings = if let Some(of) = schema::kind(written_as, &manifest.kind) {
        strict::check(of, &origin.tree, origin.root, order)
    } else if let Some(of) = schema::kind(&manifest.api_version, &manifest.kind) {
        strict::check(of, &Tree::from_value(&manifest.value), Tree::ROOT, Order::Sorted)
    } else {
        strict::check_metadata(&origin.tree, origin.root, order)
    };
    let server = strict::server_text(&findings).map(|text| {
        let (kind, (_, version)) = (&manifest.kind, kinds::split(written_as));
        format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {text}")
    });
    let mut found: Vec<Diagnostic> =
        findings.into_iter().map(|finding| diagnostic(manifest, finding)).collect();
    let is_unknown = |code| matches!(code, Code::UnknownField | Code::DuplicateField);
    match validation {
        FieldValidation::Strict => {}
        FieldValidation::Ignore => found.retain(|problem| !is_unknown(problem.code)),
        FieldValidation::Warn => {
            for problem in found.iter_mut().filter(|problem| is_unknown(problem.code)) {
                problem.severity = Severity::Warning;
            }
        }
    }
    found.sort_by_key(|problem| problem.location.as_ref().map(|location| location.span.start));
    if let Some(first) = found.iter_mut().find(|problem| problem.is_error()) {
        first.server = server;
    }
    problems.extend(found);
}

fn diagnostic(manifest: &Manifest, finding: Finding) -> Diagnostic {
    let path = tree::write_path(&finding.path);
    let (code, message) = match finding.kind {
        FindingKind::Unknown => (Code::UnknownField, finding.message),
        FindingKind::Duplicate => (Code::DuplicateField, finding.message),
        FindingKind::Type | FindingKind::Fatal if finding.found.is_empty() => {
            (Code::WrongType, finding.message)
        }
        FindingKind::Type | FindingKind::Fatal => {
            (Code::WrongType, format!("{path} is {}", in_words(&finding.found)))
        }
    };
    let origin = &manifest.origin;
    let mut problem = manifest.diagnostic(code, &path, message);
    let (node, whole) = origin.tree.find(origin.root, &finding.path);
    let span = match finding.kind {
        FindingKind::Unknown | FindingKind::Duplicate if whole => origin.tree.node(node).key_span,
        FindingKind::Unknown | FindingKind::Duplicate | FindingKind::Type | FindingKind::Fatal => {
            origin.span_of(&finding.path)
        }
    };
    problem = problem.at(&origin.source, span).maybe_hint(finding.hint);
    if finding.kind == FindingKind::Duplicate && whole {
        let (parent, _) = origin.tree.find(origin.root, &finding.path[..finding.path.len() - 1]);
        let key = &origin.tree.node(node).key;
        let same = origin.tree.children(parent).find(|child| origin.tree.node(*child).key == *key);
        if let Some(first) = same {
            let span = origin.tree.node(first).key_span;
            problem = problem.related(&origin.source, span, "it stands here first");
        }
    }
    if !finding.expected.is_empty() {
        problem = problem.expected(finding.expected);
    }
    problem
}

/// Go's name of a kind of value, as a reader of YAML calls it.
fn in_words(found: &str) -> String {
    match found {
        "string" => "a text".to_owned(),
        "bool" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a mapping".to_owned(),
        "number" => "a number".to_owned(),
        other => format!("the {other}"),
    }
}

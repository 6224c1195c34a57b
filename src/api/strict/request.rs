//! A request body as the API server decodes it: from text to the object's kind, or to its answer.
//!
//! Follows k8s.io/apimachinery/pkg/runtime/serializer/json (`Serializer.Decode`,
//! `SimpleMetaFactory.Interpret`) and k8s.io/apiserver/pkg/endpoints/handlers (`transformDecodeError`).

use super::{FindingKind, Order, check, server_text};
use crate::api::json;
use crate::api::kinds;
use crate::api::legacy;
use crate::api::limits::Limits;
use crate::api::schema;
use crate::api::tree::{Data, Tree};

/// The kind that a request's address stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint<'a> {
    /// Its `apiVersion`.
    pub api_version: &'a str,
    /// Its `kind`.
    pub kind: &'a str,
}

/// What the server makes of a body.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Why it is refused under `fieldValidation=Strict`.
    pub strict: Option<String>,
    /// Why it is refused under `fieldValidation=Ignore`.
    pub lenient: Option<String>,
    /// What the client is warned of under `fieldValidation=Warn`.
    pub warnings: Vec<String>,
    /// The `apiVersion` and `kind` that were read, once they could be.
    pub object: Option<(String, String)>,
}

impl Verdict {
    /// The message of the Status for a refusal, `BadRequest`; `None` where the kind was never read.
    pub fn status(&self, error: &str, endpoint: Endpoint<'_>) -> Option<String> {
        let (api_version, kind) = self.object.as_ref()?;
        let (_, version) = kinds::split(api_version);
        Some(format!(
            "{kind} in version \"{version}\" cannot be handled as a {}: {error}",
            endpoint.kind
        ))
    }
}

/// Decodes `body` as a request to `endpoint`.
pub fn decode(body: &str, endpoint: Endpoint<'_>) -> Verdict {
    let refused = |error: String| Verdict {
        strict: Some(error.clone()),
        lenient: Some(error),
        ..Verdict::default()
    };
    let parse_error =
        |problem: &str| format!("couldn't get version/kind; json parse error: {problem}");
    let tree = match json::read_whole(body, &Limits::default()) {
        Ok(tree) => tree,
        Err(error) => return refused(parse_error(&error.problem)),
    };
    let (api_version, kind) = match interpret(&tree) {
        Ok(found) => found,
        Err(problem) => return refused(parse_error(&problem)),
    };
    if api_version.matches('/').count() > 1 {
        return refused(format!("unexpected GroupVersion string: {api_version}"));
    }
    let (api_version, kind) = with_defaults(&api_version, kind, endpoint);
    let known = kinds::served(&api_version, &kind).is_some()
        || legacy::old_version(&api_version, &kind).is_some()
        || schema::kind(&api_version, &kind).is_some();
    let object = Some((api_version.clone(), kind.clone()));
    if !known {
        let scheme = "pkg/api/legacyscheme/scheme.go:30";
        let error = format!(
            "no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"{scheme}\""
        );
        return Verdict { object, ..refused(error) };
    }
    let findings = schema::kind(&api_version, &kind)
        .map(|of| check(of, &tree, Tree::ROOT, Order::Written))
        .unwrap_or_default();
    let fatal = findings
        .iter()
        .any(|finding| matches!(finding.kind, FindingKind::Fatal | FindingKind::Type));
    let text = server_text(&findings);
    if let (true, Some(error)) = (fatal, &text) {
        return Verdict { object, ..refused(error.clone()) };
    }
    if (kinds::split(&api_version).0, kind.as_str())
        != (kinds::split(endpoint.api_version).0, endpoint.kind)
    {
        return Verdict { object, ..refused(no_conversion(&api_version, &kind, endpoint)) };
    }
    let warnings = findings.into_iter().map(|finding| finding.message).collect();
    Verdict { strict: text, lenient: None, warnings, object }
}

/// Another kind than the address stands for has no way into it.
fn no_conversion(api_version: &str, kind: &str, endpoint: Endpoint<'_>) -> String {
    let (_, version) = kinds::split(api_version);
    let (group, _) = kinds::split(endpoint.api_version);
    let package = match group.split('.').next() {
        None | Some("") => "core",
        Some(package) => package,
    };
    format!("converting ({version}.{kind}) to ({package}.{}): unknown conversion", endpoint.kind)
}

/// What the body leaves out is taken from the address.
fn with_defaults(api_version: &str, kind: String, endpoint: Endpoint<'_>) -> (String, String) {
    let kind = if kind.is_empty() { endpoint.kind.to_owned() } else { kind };
    let (group, version) = kinds::split(api_version);
    let (default_group, default_version) = kinds::split(endpoint.api_version);
    let api_version = if version.is_empty() && group.is_empty() {
        endpoint.api_version.to_owned()
    } else if version.is_empty() && group == default_group {
        kinds::join(group, default_version)
    } else {
        api_version.to_owned()
    };
    (api_version, kind)
}

/// Reads `apiVersion` and `kind` as Go's own decoder does, for which case does not matter.
fn interpret(tree: &Tree) -> Result<(String, String), String> {
    let mut found = (String::new(), String::new());
    let root = &tree.node(Tree::ROOT).data;
    match root {
        Data::Null => return Ok(found),
        Data::Mapping => {}
        other @ (Data::Bool(_) | Data::Number(..) | Data::String(_) | Data::Sequence) => {
            let into = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                        Kind string \"json:\\\"kind,omitempty\\\"\" }";
            let name = other.json_name();
            return Err(format!("json: cannot unmarshal {name} into Go value of type {into}"));
        }
    }
    let mut problem = None;
    for child in tree.children(Tree::ROOT) {
        let node = tree.node(child);
        let (slot, name) = if node.key.eq_ignore_ascii_case("apiVersion") {
            (&mut found.0, "apiVersion")
        } else if node.key.eq_ignore_ascii_case("kind") {
            (&mut found.1, "kind")
        } else {
            continue;
        };
        match &node.data {
            Data::String(text) => *slot = text.to_string(),
            Data::Null => {}
            other if problem.is_none() => {
                let found = other.json_name();
                problem = Some(format!(
                    "json: cannot unmarshal {found} into Go struct field .{name} of type string"
                ));
            }
            Data::Bool(_) | Data::Number(..) | Data::Sequence | Data::Mapping => {}
        }
    }
    problem.map_or(Ok(found), Err)
}

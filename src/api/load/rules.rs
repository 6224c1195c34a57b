//! The rules of the API, told with the place of each field that breaks one.
//!
//! A manifest that reads well is sent the way of a create request ([`registry::create`]), by itself and to
//! a cluster where nothing is taken. What the API server would refuse is told here before anything runs;
//! what depends on other objects (quotas, names that exist) is the API server's business during the run.

use serde_json::Value;

use super::Manifest;
use crate::api::defaults::create::System;
use crate::api::defaults::service::FreeRanges;
use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::registry::{self, Refusal};
use crate::api::status::Status;
use crate::api::suggest;
use crate::api::validate::{ErrorType, FieldError, quote};

/// What the server gives to an object that is only looked at. None of it shows.
const SYSTEM: System<'_> = System {
    namespace: "default",
    uid: "00000000-0000-4000-8000-000000000000",
    now: "2026-01-01T00:00:00Z",
    suffix: "xxxxx",
};

/// Values longer than this are left out of a message; the server's own words have them.
const SHOWN_CHARS: usize = 60;

/// Tells which rules of the API `manifest` breaks.
pub(super) fn check(manifest: &Manifest, problems: &mut Vec<Diagnostic>) {
    if super::classify::is_own(&manifest.api_version) {
        return super::own::check(manifest, problems);
    }
    let admitted = admitted(manifest);
    let value = admitted.as_ref().unwrap_or(&manifest.value);
    match registry::examine(value, SYSTEM, &mut FreeRanges::default()) {
        Err(Refusal::UnknownKind) => {}
        Ok(warnings) => {
            problems.extend(warnings.iter().map(|warning| warned(manifest, warning)));
        }
        Err(Refusal::Invalid(errors)) => {
            let from = problems.len();
            problems.extend(errors.0.iter().map(|error| broken(manifest, error)));
            problems[from..].sort_by_key(|p| p.location.as_ref().map(|l| l.span.start));
        }
        Err(refusal @ (Refusal::Decode(_) | Refusal::BadRequest(_) | Refusal::Internal(_))) => {
            let Some(of) = registry::struct_of(&manifest.value) else { return };
            let status = Status::of_refusal(of, manifest.name(), &refusal);
            problems.push(manifest.diagnostic(Code::Invalid, "", status.message));
        }
    }
}

/// The document with what admission would have set before validation looks at it; `None` where that is
/// nothing. Of a pod: the name of its service account, without which it may not ask for a token.
fn admitted(manifest: &Manifest) -> Option<Value> {
    let spec = &manifest.value["spec"];
    let unnamed = spec["serviceAccountName"].as_str().is_none_or(str::is_empty);
    if manifest.info.is_none_or(|info| info.kind != "Pod") || !unnamed || !spec.is_object() {
        return None;
    }
    let mut value = manifest.value.clone();
    value["spec"]["serviceAccountName"] = "default".into();
    Some(value)
}

/// A warning; most begin with the path of the field that they are about.
fn warned(manifest: &Manifest, warning: &str) -> Diagnostic {
    let first = warning.split(' ').next().unwrap_or_default();
    let (path, message) = match (first.strip_suffix(':'), first.starts_with("spec.")) {
        (Some(path), _) => (path, warning[first.len()..].trim_start()),
        (None, true) => (first, warning),
        (None, false) => ("", warning),
    };
    let said = format!("Warning: {warning}");
    manifest.diagnostic(Code::ApiWarning, path, message.to_owned()).server(said)
}

fn broken(manifest: &Manifest, error: &FieldError) -> Diagnostic {
    let path = if error.field == "<nil>" { "" } else { error.field.as_str() };
    // As kubectl words a refusal (`pkg/cmd/util/helpers.go`, `checkErr`).
    let (kind, name) = (&manifest.kind, quote(manifest.name()));
    manifest
        .diagnostic(Code::Invalid, path, message(error))
        .server(format!("The {kind} {name} is invalid: {error}"))
        .maybe_hint(hint(manifest, error))
}

/// What is wrong, in one line: the server's words, without a value that would fill the screen.
fn message(error: &FieldError) -> String {
    let long = error.value.as_ref().is_some_and(|value| value.chars().count() > SHOWN_CHARS);
    match (long, error.detail.is_empty()) {
        (true, false) => format!("{}: {}", error.kind.text(), error.detail),
        (true, true) => error.kind.text().to_owned(),
        (false, _) => error.body(),
    }
}

/// What could be done about it, where something can be said.
fn hint(manifest: &Manifest, error: &FieldError) -> Option<String> {
    let value = error.value.as_deref().map(unquoted).unwrap_or_default();
    match error.kind {
        ErrorType::NotSupported => {
            let supported = error.detail.strip_prefix("supported values: ")?;
            let known = supported.split(", ").map(unquoted).filter(|known| !known.is_empty());
            suggest::nearest(value, known).map(|nearest| format!("did you mean {nearest:?}?"))
        }
        ErrorType::Invalid if error.detail.contains("RFC 1123") => {
            let better = as_label(value);
            (better != value && !better.is_empty()).then(|| format!("{better:?} would do"))
        }
        ErrorType::Invalid if error.detail.contains("does not match template `labels`") => {
            let (wanted, given) = (
                &manifest.value["spec"]["selector"]["matchLabels"],
                &manifest.value["spec"]["template"]["metadata"]["labels"],
            );
            Some(format!("the selector asks for {wanted}, the template has {given}"))
        }
        ErrorType::Required if error.field == "metadata.name" => {
            Some("give it a name: metadata.name, or metadata.generateName for a random one".into())
        }
        ErrorType::Required if error.field == "spec.template.spec.restartPolicy" => {
            Some("pods of a Job need restartPolicy: Never or OnFailure".into())
        }
        ErrorType::NotFound
        | ErrorType::Required
        | ErrorType::Duplicate
        | ErrorType::Invalid
        | ErrorType::Forbidden
        | ErrorType::TooLong
        | ErrorType::TooMany
        | ErrorType::Internal
        | ErrorType::TypeInvalid => None,
    }
}

fn unquoted(shown: &str) -> &str {
    shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(shown)
}

/// The nearest text that is a name: in small letters, with dashes for what is not allowed in one.
fn as_label(text: &str) -> String {
    let dashed: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    dashed.trim_matches(['-', '.']).chars().take(63).collect()
}

#[cfg(test)]
mod tests {
    use crate::api::load::{Options, load_sources};
    use crate::api::source::Source;

    /// `line:column message [hint]` of each problem of a text.
    fn told(text: &str) -> Vec<String> {
        let loaded = load_sources(&[Source::new("a.yaml", text)], Options::default());
        let problems = loaded.err().unwrap_or_default();
        let line = |p: &crate::api::diagnostic::Diagnostic| {
            let place = p.location.as_ref().map(|l| l.place().to_string()).unwrap_or_default();
            let hint = p.hint.as_ref().map(|h| format!(" [{h}]")).unwrap_or_default();
            format!("{place} {}{hint}", p.message)
        };
        problems.iter().map(line).collect()
    }

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: NAME\nspec:\n  restartPolicy: POLICY\n  containers:\n  - name: a\n    image: IMAGE\n";

    fn pod(name: &str, policy: &str, image: &str) -> String {
        POD.replace("NAME", name).replace("POLICY", policy).replace("IMAGE", image)
    }

    #[test]
    fn broken_rules_are_told_where_they_are_broken() {
        assert_eq!(told(&pod("web", "Always", "nginx")), [""; 0]);
        assert_eq!(
            told(&pod("web", "Allways", "nginx")),
            [
                "6:18 Unsupported value: \"Allways\": supported values: \"Always\", \"OnFailure\", \"Never\" \
              [did you mean \"Always\"?]"
            ]
        );
        let name = told(&pod("My_Web", "Always", "nginx"));
        assert_eq!(name.len(), 1);
        assert!(name[0].starts_with("4:9 Invalid value: \"My_Web\""), "{name:?}");
        assert!(name[0].ends_with("[\"my-web\" would do]"), "{name:?}");
        assert_eq!(told(&pod("web", "Always", "''")), ["9:12 Required value"]);
    }

    #[test]
    fn a_pod_may_ask_for_a_token_of_the_default_account() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a, image: b}]\n  \
                    volumes:\n  - name: t\n    projected: {sources: [{serviceAccountToken: {path: token}}]}\n";
        assert_eq!(told(text), [""; 0]);
    }

    #[test]
    fn all_rules_of_all_documents_are_told_at_once() {
        let text = format!("{}---\n{}", pod("web", "Neverr", "''"), pod("b", "x", "nginx"));
        assert_eq!(told(&text).len(), 3);
    }

    #[test]
    fn a_selector_that_misses_its_template_is_told_with_both() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector:\n    \
                    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: wbe}\n    spec:\n      \
                    containers:\n      - {name: a, image: b}\n";
        let told = told(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("the selector asks for {\"app\":\"web\"}"), "{told:?}");
        assert!(told[0].contains("`selector` does not match template `labels`"), "{told:?}");
    }
}

//! What the API server answers when it refuses: `metav1.Status`.
//!
//! After `staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go`.

use serde_json::{Value, json};

use super::registry::Refusal;
use super::schema::{DecodeError, Struct};
use super::validate::Errors;

/// A refusal as the API server words it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason: `Invalid`.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// The name, group and kind it is about, and the causes, as JSON; null where there are none.
    pub details: Value,
}

impl Status {
    /// 422 for field errors (`NewInvalid`).
    pub fn invalid(of: &Struct, name: &str, errors: &Errors) -> Self {
        let (group, kind) = group_kind(of);
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let causes: Vec<Value> = errors
            .0
            .iter()
            .map(|e| json!({"reason": e.kind.reason(), "message": e.body(), "field": e.field}))
            .collect();
        let mut details = json!({"name": name, "group": group, "kind": kind, "causes": causes});
        if group.is_empty()
            && let Some(details) = details.as_object_mut()
        {
            details.remove("group");
        }
        let quoted = super::validate::quote(name);
        Self {
            code: 422,
            reason: "Invalid",
            message: format!("{qualified} {quoted} is invalid: {}", errors.aggregate()),
            details,
        }
    }

    /// 400 for a request that makes no sense (`NewBadRequest`).
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { code: 400, reason: "BadRequest", message: message.into(), details: Value::Null }
    }

    /// 500 (`NewInternalError`).
    pub fn internal(message: &str) -> Self {
        Self {
            code: 500,
            reason: "InternalError",
            message: format!("Internal error occurred: {message}"),
            details: json!({"causes": [{"message": message}]}),
        }
    }

    /// The answer to a refused write of an object.
    pub fn of_refusal(of: &Struct, name: &str, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::UnknownKind => Self::bad_request("no kind is registered"),
            Refusal::Decode(error) => Self::undecodable(of, error),
            Refusal::Invalid(errors) => Self::invalid(of, name, errors),
            Refusal::BadRequest(message) => Self::bad_request(message.clone()),
            Refusal::Internal(message) => Self::internal(message),
        }
    }

    fn undecodable(of: &Struct, error: &DecodeError) -> Self {
        let (_, kind) = group_kind(of);
        let version = of.key.split_once('/').and_then(|(_, rest)| rest.split('.').next());
        let version = version.unwrap_or_default();
        Self::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
        ))
    }
}

/// The API group (empty for the core one) and the kind of a struct.
pub fn group_kind(of: &Struct) -> (&'static str, &'static str) {
    let (group, rest) = of.key.split_once('/').unwrap_or(("", of.key));
    let kind = rest.split_once('.').map_or(rest, |(_, kind)| kind);
    let group = match group {
        "core" => "",
        "storage" => "storage.k8s.io",
        "scheduling" => "scheduling.k8s.io",
        "coordination" => "coordination.k8s.io",
        "discovery" => "discovery.k8s.io",
        "networking" => "networking.k8s.io",
        "rbac" => "rbac.authorization.k8s.io",
        "node" => "node.k8s.io",
        group => group,
    };
    (group, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::schema;
    use crate::api::validate::Path;

    #[test]
    fn one_error_stands_bare_and_several_in_brackets() {
        let of = schema::kind("batch/v1", "Job").unwrap();
        let mut errors = Errors::default();
        errors.required(&Path::new("spec.template"), "");
        let text = Status::invalid(of, "pi", &errors).message;
        assert_eq!(text, "Job.batch \"pi\" is invalid: spec.template: Required value");
        errors.required(&Path::new("spec.template"), "");
        assert_eq!(Status::invalid(of, "pi", &errors).message, text);
        errors.forbidden(&Path::new("spec.x"), "no");
        assert_eq!(
            Status::invalid(of, "pi", &errors).message,
            "Job.batch \"pi\" is invalid: [spec.template: Required value, spec.x: Forbidden: no]"
        );
    }
}

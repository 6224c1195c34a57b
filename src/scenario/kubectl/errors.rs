//! What kubectl says when something is refused, and with which exit code.
//!
//! After `k8s.io/kubectl/pkg/cmd/util/helpers.go`, `checkErr` and `StandardErrorMessage`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::store::{ApiError, ErrorReason};

/// A refusal of the API server as a client reads it (`metav1.Status`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Why, in one word; may be empty.
    pub(super) reason: String,
    /// For people.
    pub(super) message: String,
    /// What it is about, where the server says so.
    pub(super) details: Option<Details>,
}

/// What a refusal is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    /// The kind of the object, or its resource; may be empty.
    pub(super) kind: String,
    /// The name of the object; may be empty.
    pub(super) name: String,
    /// Field and message of each cause.
    pub(super) causes: Vec<(String, String)>,
}

impl From<&ApiError> for Status {
    fn from(error: &ApiError) -> Self {
        let details = error.object.as_ref().map(|(kind, name)| Details {
            kind: kind.to_string(),
            name: name.to_string(),
            causes: error.causes.clone(),
        });
        Self { reason: error.reason.as_str().to_owned(), message: error.message.clone(), details }
    }
}

/// Why kubectl does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// An error of kubectl's own.
    Plain(String),
    /// A refusal of the server's.
    Status(Box<Status>),
    /// The command that was run ended so; the text is kubectl's.
    Exit(i32, String),
    /// Nothing is said: exit code 1 (`ErrExit`).
    Silent,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<&ApiError> for Failure {
    fn from(error: &ApiError) -> Self {
        Self::Status(Box::new(error.into()))
    }
}

impl From<Box<ApiError>> for Failure {
    fn from(error: Box<ApiError>) -> Self {
        (&*error).into()
    }
}

impl Failure {
    /// A usage error of `kubectl VERB` (`UsageErrorf`).
    pub(super) fn usage(verb: &str, text: &str) -> Self {
        Self::Plain(format!("{text}\nSee 'kubectl {verb} -h' for help and examples"))
    }

    /// A refusal that the server would answer, made here.
    pub(super) fn server(reason: ErrorReason, message: impl Into<String>) -> Self {
        ApiError::new(reason, message).into()
    }

    /// Whether an object does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(s) if s.reason == "NotFound")
    }

    /// The same with what was being done and where the object came from (`AddSourceToErr`).
    pub(super) fn with_source(self, verb: &str, source: &str) -> Self {
        if source.is_empty() {
            return self;
        }
        match self {
            Self::Status(mut status) => {
                status.message = format!("error when {verb} {source:?}: {}", status.message);
                Self::Status(status)
            }
            Self::Plain(text) => Self::Plain(format!("error when {verb} {source:?}: {text}")),
            other => other,
        }
    }

    /// The bare text, as `%v` has it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Exit(_, text) => text,
            Self::Status(status) => &status.message,
            Self::Silent => "exit",
        }
    }

    /// The text as one among several errors (`messageForError`).
    fn among_others(&self) -> String {
        match self {
            Self::Status(status) => standard(status),
            other => other.text().to_owned(),
        }
    }
}

/// A server's refusal in a line (`StandardErrorMessage`).
fn standard(status: &Status) -> String {
    match status.reason.as_str() {
        "Unauthorized" => {
            format!("error: You must be logged in to the server ({})", status.message)
        }
        "" => format!("Error from server: {}", status.message),
        reason => format!("Error from server ({reason}): {}", status.message),
    }
}

/// What is written to standard error about `failures`, and the exit code (`checkErr`).
pub(super) fn check(failures: &[Failure]) -> (String, i32) {
    match failures {
        [] => (String::new(), 0),
        [Failure::Silent] => (String::new(), 1),
        [Failure::Exit(code, text)] => (text.clone(), *code),
        [Failure::Status(status)] if status.reason == "Invalid" => (invalid(status), 1),
        [Failure::Status(status)] => (standard(status), 1),
        [Failure::Plain(text)] if text.starts_with("error: ") => (text.clone(), 1),
        [Failure::Plain(text)] => (format!("error: {text}"), 1),
        several => {
            let texts: Vec<String> = several.iter().map(Failure::among_others).collect();
            (texts.join("\n"), 1)
        }
    }
}

fn invalid(status: &Status) -> String {
    let Some(details) = &status.details else {
        return match status.message.as_str() {
            "" => "The request is invalid".to_owned(),
            message => format!("The request is invalid: {message}"),
        };
    };
    let mut text = if !details.kind.is_empty() || !details.name.is_empty() {
        format!("The {} {} is invalid", details.kind, crate::api::validate::quote(&details.name))
    } else if !status.message.is_empty() && details.causes.is_empty() {
        format!("The request is invalid: {}", status.message)
    } else {
        "The request is invalid".to_owned()
    };
    let mut causes: Vec<String> = Vec::new();
    for (field, message) in &details.causes {
        let cause = format!("{field}: {message}");
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    match causes.as_slice() {
        [] => {}
        [one] => {
            let _ = writeln!(text, ": {one}");
        }
        several => {
            text.push_str(": \n");
            for cause in several {
                let _ = writeln!(text, "* {cause}");
            }
        }
    }
    text
}

/// Checks a case of the corpus `kubectl-error`.
///
/// # Errors
/// How our text or exit code differs.
pub(in crate::scenario) fn check_case(case: &Value) -> Result<(), String> {
    let (given, wanted) = (&case["in"], &case["out"]);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let status = &given["status"];
    let details = status["details"].as_object().map(|details| {
        let causes = details.get("causes").and_then(Value::as_array);
        Details {
            kind: details.get("kind").map(text).unwrap_or_default(),
            name: details.get("name").map(text).unwrap_or_default(),
            causes: causes
                .into_iter()
                .flatten()
                .map(|c| (text(&c["field"]), text(&c["message"])))
                .collect(),
        }
    });
    let status =
        Status { reason: text(&status["reason"]), message: text(&status["message"]), details };
    let failure = Failure::Status(Box::new(status))
        .with_source(&text(&given["verb"]), &text(&given["source"]));
    let (ours, code) = check(&[failure]);
    let theirs = text(&wanted["stderr"]);
    if ours != theirs || i64::from(code) != wanted["exitCode"].as_i64().unwrap_or_default() {
        return Err(format!("we say {code} {ours:?}, they say {} {theirs:?}", wanted["exitCode"]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_has_a_prefix_and_several_stand_bare() {
        let plain = Failure::from("no");
        assert_eq!(check(std::slice::from_ref(&plain)), ("error: no".into(), 1));
        let server = Failure::server(ErrorReason::NotFound, "pods \"a\" not found");
        let both = [server, plain];
        let text = "Error from server (NotFound): pods \"a\" not found\nno";
        assert_eq!(check(&both), (text.into(), 1));
        assert_eq!(check(&[Failure::Exit(3, String::new())]), (String::new(), 3));
    }
}

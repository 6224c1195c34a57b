//! What is wrong with an input, told so that it can be put right: where, what, what was expected, why
//! the API server would refuse it, and what was perhaps meant.
//!
//! A [`Diagnostic`] is data; [`render`] draws it for a terminal or a pipe, [`exchange`] writes it for
//! editors (JSON) and for code scanning (SARIF). Each has a stable [`Code`]; the command line's exit
//! codes are the command line's business.

pub mod exchange;
pub mod render;

use std::fmt;
use std::sync::Arc;

use super::source::{Place, Source, Span};

/// One thing to tell about the input.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// What kind of thing it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop at its end.
    pub message: String,
    /// Where it is; `None` when it is about an input as a whole that has no text.
    pub location: Option<Location>,
    /// Another place that helps to understand, and why.
    pub related: Vec<(Location, String)>,
    /// The object it is about: `Deployment/web`.
    pub object: Option<String>,
    /// The path of the field: `spec.template.spec.containers[0].image`.
    pub path: Option<String>,
    /// What kubectl or the API server itself says.
    pub server: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
    /// What else there is to know about it.
    pub note: Option<String>,
    /// What could be done.
    pub hint: Option<String>,
}

/// A place in a source.
#[derive(Clone, Debug)]
pub struct Location {
    /// The text.
    pub source: Arc<Source>,
    /// The part of it.
    pub span: Span,
}

impl Location {
    /// The line and column where it begins.
    pub fn place(&self) -> Place {
        self.source.place(self.span.start)
    }
}

/// `web.yaml:12:7`
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name(), self.place())
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// It is accepted, but hardly what was meant.
    Warning,
    /// It is refused.
    Error,
}

impl Severity {
    /// `error`, `warning`, `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident;)*) => {
        /// What kind of thing a diagnostic tells. The text form is stable.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable text form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means, in a sentence.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)* }
            }

            /// How bad it is unless said otherwise.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// A path names nothing.
    NotFound = "not-found", Error;
    /// A file or folder cannot be read.
    Unreadable = "unreadable", Error;
    /// A URL was given; nothing is fetched.
    UrlRefused = "url-refused", Error;
    /// A symbolic link leads out of the folder that was named.
    OutsideFolder = "outside-folder", Error;
    /// A folder or pattern holds no manifest file.
    NothingToLoad = "nothing-to-load", Error;
    /// A bound on the size of the input was reached.
    Limit = "limit", Error;
    /// The file is not text.
    NotText = "not-text", Error;
    /// Bytes that are no UTF-8 were read as replacement characters.
    ReplacedBytes = "replaced-bytes", Warning;
    /// The text is not YAML as kubectl reads it.
    YamlSyntax = "yaml-syntax", Error;
    /// The text is not JSON.
    JsonSyntax = "json-syntax", Error;
    /// A document is not a mapping.
    NotAnObject = "not-an-object", Error;
    /// A document has no apiVersion.
    MissingApiVersion = "missing-api-version", Error;
    /// A document has no kind.
    MissingKind = "missing-kind", Error;
    /// No API group has this kind.
    UnknownKind = "unknown-kind", Error;
    /// The kind exists, but not in this group or version.
    UnknownVersion = "unknown-version", Error;
    /// The manifest is in a form that the cluster no longer serves; it was brought to the current one.
    LegacyVersion = "legacy-version", Warning;
    /// The kind was removed from Kubernetes without a successor.
    RemovedKind = "removed-kind", Error;
    /// A field that the kind does not have.
    UnknownField = "unknown-field", Error;
    /// A key stands more than once in a JSON object, which the API server refuses.
    DuplicateField = "duplicate-field", Error;
    /// A key stands more than once in a YAML mapping; kubectl keeps the last one, silently.
    DuplicateKey = "duplicate-key", Warning;
    /// A value has another type than the field.
    WrongType = "wrong-type", Error;
    /// One object is given more than once.
    SameObjectTwice = "same-object-twice", Warning;
    /// A value breaks a rule of the API.
    Invalid = "invalid", Error;
    /// What a dump of a cluster does not hold was assumed.
    SnapshotAssumed = "snapshot-assumed", Note;
    /// A value is accepted, but the API server warns about it.
    ApiWarning = "api-warning", Warning;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Diagnostic {
    /// A diagnostic with the severity that its code usually has.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            location: None,
            related: Vec::new(),
            object: None,
            path: None,
            server: None,
            expected: None,
            note: None,
            hint: None,
        }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Span) -> Self {
        self.location = Some(Location { source: Arc::clone(source), span });
        self
    }

    /// The same, with a second place and what it has to do with it.
    #[must_use]
    pub fn related(mut self, source: &Arc<Source>, span: Span, why: impl Into<String>) -> Self {
        self.related.push((Location { source: Arc::clone(source), span }, why.into()));
        self
    }

    /// The same, about an object.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// The same, about a field.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same, with the words of kubectl or the API server.
    #[must_use]
    pub fn server(mut self, text: impl Into<String>) -> Self {
        self.server = Some(text.into());
        self
    }

    /// The same, with what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// The same, with what else there is to know.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// The same, with advice if there is any.
    #[must_use]
    pub fn maybe_hint(mut self, text: Option<String>) -> Self {
        self.hint = text.or(self.hint);
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The first line of the plain form: `web.yaml:3:5: error[unknown-field]: …`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}[{}]: {}", self.severity.as_str(), self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_case_and_described() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
            assert!(code.description().ends_with('.'), "{code}");
        }
    }
}

//! Field selectors: `status.phase=Running,spec.nodeName!=node-1`.

use std::fmt;

/// A field selector: every term must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Its terms, sorted by their text.
    pub terms: Vec<Term>,
}

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The field's name.
    pub field: String,
    /// Whether it must be the value, or must not.
    pub equal: bool,
    /// The value, unescaped.
    pub value: String,
}

/// Why a text is no field selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSelectorError {
    /// A term without an operator: the selector and the term.
    #[error("invalid selector: '{0}'; can't understand '{1}'")]
    Term(String, String),
    /// A backslash before something else than a backslash, a comma or an equals sign.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A comma or an equals sign in a value without a backslash: its code point.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(u32),
    /// A field that the kind does not support.
    #[error("field label not supported: {0}")]
    NotSupported(String),
    /// A field other than name and namespace, of a kind that supports no others
    /// (`apimachinery/pkg/runtime/conversion.go`, `DefaultMetaV1FieldSelectorConversion`).
    #[error("{0:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")]
    Unknown(String),
}

impl FieldSelector {
    /// Reads a selector (`ParseSelector`).
    ///
    /// # Errors
    /// See [`FieldSelectorError`].
    pub fn parse(text: &str) -> Result<Self, FieldSelectorError> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms = Vec::new();
        for part in parts.into_iter().filter(|p| !p.is_empty()) {
            let Some((field, equal, value)) = split_term(part) else {
                return Err(FieldSelectorError::Term(text.to_owned(), part.to_owned()));
            };
            terms.push(Term { field: field.to_owned(), equal, value: unescape(value)? });
        }
        // A lone term that anything meets is no condition; in a list such terms go one by one.
        terms.retain(|t: &Term| !t.field.is_empty() || !t.value.is_empty());
        Ok(Self { terms })
    }

    /// Whether every term holds; `get` answers with a field's value, empty for none.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> &'a str) -> bool {
        self.terms.iter().all(|t| (get(&t.field) == t.value) == t.equal)
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The fields' names as the API server stores them, or the first that the kind does not support
    /// (`AddFieldLabelConversionFunc` of `pkg/apis/*/v1/conversion.go`). `key` is a key of
    /// [`crate::api::schema`].
    ///
    /// # Errors
    /// A field that the kind does not support.
    pub fn for_kind(mut self, key: &str) -> Result<Self, FieldSelectorError> {
        for term in &mut self.terms {
            if key == "core/v1.Pod" && term.field == "spec.host" {
                term.field = "spec.nodeName".into();
            }
            let field = term.field.as_str();
            let common = matches!(field, "metadata.name" | "metadata.namespace");
            if common || supported(key).contains(&field) {
                continue;
            }
            return Err(match supported(key) {
                [] => FieldSelectorError::Unknown(term.field.clone()),
                _ => FieldSelectorError::NotSupported(term.field.clone()),
            });
        }
        Ok(self)
    }
}

/// The fields, beside name and namespace, by which a kind's objects are selected.
pub fn supported(key: &str) -> &'static [&'static str] {
    match key {
        "core/v1.Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "core/v1.Node" => &["spec.unschedulable"],
        "core/v1.ReplicationController" => &["status.replicas"],
        "core/v1.Namespace" => &["status.phase"],
        "core/v1.Secret" => &["type"],
        "core/v1.Service" => &["spec.clusterIP", "spec.type"],
        "core/v1.Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "batch/v1.Job" => &["status.successful"],
        _ => &[],
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            let operator = if term.equal { "=" } else { "!=" };
            write!(f, "{}{operator}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

/// Cuts at commas that no backslash precedes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == ',' {
            parts.push(&text[start..i]);
            start = i + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The field, whether `=` or `!=`, and the rest, cut at the first operator.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.char_indices().find(|(i, c)| *c == '=' || term[*i..].starts_with("!="))?.0;
    let rest = &term[at..];
    let (equal, value) = match rest.strip_prefix("!=") {
        Some(value) => (false, value),
        None => (true, rest.strip_prefix("==").unwrap_or(&rest[1..])),
    };
    Some((&term[..at], equal, value))
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=")
}

fn unescape(value: &str) -> Result<String, FieldSelectorError> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(FieldSelectorError::Escape(format!("\\{c}"))),
                None => return Err(FieldSelectorError::Escape("\\".into())),
            },
            ',' | '=' => return Err(FieldSelectorError::Unescaped(u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_sorted_and_values_escaped() {
        let check = |text: &str, canonical: &str| {
            assert_eq!(FieldSelector::parse(text).unwrap().to_string(), canonical);
        };
        check("b=1,a!=2", "a!=2,b=1");
        check("a==x\\,y", "a=x\\,y");
        check(",,", "");
    }

    #[test]
    fn a_kind_supports_its_own_fields() {
        let parse = |text| FieldSelector::parse(text).unwrap();
        let pods = parse("spec.host=n").for_kind("core/v1.Pod").unwrap();
        assert_eq!(pods.to_string(), "spec.nodeName=n");
        assert!(pods.matches(|field| if field == "spec.nodeName" { "n" } else { "" }));
        let refused = |key| parse("status.fase=x").for_kind(key).unwrap_err().to_string();
        assert_eq!(refused("core/v1.Pod"), "field label not supported: status.fase");
        assert_eq!(
            refused("core/v1.ConfigMap"),
            "\"status.fase\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        );
    }
}

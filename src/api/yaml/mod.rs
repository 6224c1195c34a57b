//! YAML as kubectl reads it, with the place of every value.
//!
//! kubectl reads YAML 1.1 with a fork of go-yaml 2, which follows libyaml. That matters: a closing
//! bracket may stand at the column of its key, `yes` is a truth value, `0777` is octal, the last of two
//! equal keys counts. Readers made for YAML 1.2 refuse or read differently what works on a cluster, so
//! this one follows the original: [`scan`] makes tokens, [`parse`] events, [`compose`] documents,
//! [`resolve`] gives plain scalars their meaning.
//!
//! Nothing recurses over the text, and the depth, the number of values and the expansion of aliases
//! are bounded ([`Limits`]).
//!
//! [`write`] is the way back, for `-o yaml`.

mod compose;
pub mod go;
pub mod kyaml;
mod parse;
pub(in crate::api) mod resolve;
mod scalars;
mod scan;
pub mod write;

use std::borrow::Cow;
use std::fmt;

use super::limits::Limits;
use super::source::Span;
use super::tree::{NodeId, Tree};
use crate::base::Str;

/// One YAML document as it was read.
#[derive(Debug)]
pub struct YamlDocument {
    /// Its values; a document without content is a single null.
    pub tree: Tree,
    /// Keys that were written more than once.
    pub repeated: Vec<Repeated>,
}

/// A key that stands in its mapping more than once.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// The mapping.
    pub mapping: NodeId,
    /// The key.
    pub key: Str,
    /// Where it stands first.
    pub first: Span,
    /// Where it stands again.
    pub again: Span,
}

/// Why a document could not be read.
#[derive(Clone, PartialEq, Debug)]
pub struct YamlError {
    /// What is wrong, in kubectl's words.
    pub problem: Cow<'static, str>,
    /// The line that kubectl names, counted within the document; `None` where it names none.
    pub line: Option<usize>,
    /// Where the reader noticed.
    pub span: Span,
    /// Where the thing begins that could not be read to its end.
    pub context: Option<Span>,
    /// At what step it failed.
    pub stage: Stage,
}

/// The step at which reading failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The text is not YAML, or means something that no document may hold.
    Yaml,
    /// The document has no form in JSON.
    Conversion,
    /// A bound of [`Limits`] was reached; kubectl may have gone on.
    Limit,
}

impl YamlError {
    fn new(stage: Stage, problem: impl Into<Cow<'static, str>>, span: Span) -> Self {
        Self { problem: problem.into(), line: None, span, context: None, stage }
    }

    fn at(problem: String, span: Span) -> Self {
        Self::new(Stage::Yaml, problem, span)
    }

    fn conversion(problem: String, span: Span) -> Self {
        Self::new(Stage::Conversion, problem, span)
    }

    fn too_deep(limits: &Limits, span: Span) -> Self {
        let problem = format!("nested deeper than {} levels", limits.depth);
        Self::new(Stage::Limit, problem, Span { end: span.start + 1, ..span })
    }

    fn too_many_nodes(limits: &Limits, span: Span) -> Self {
        let problem = format!("more than {} values in one document", limits.nodes);
        Self::new(Stage::Limit, problem, Span { end: span.start + 1, ..span })
    }
}

/// The text of kubectl (after the name of the file), for bounds our own.
impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stage, self.line) {
            (Stage::Yaml, Some(line)) => {
                write!(f, "error converting YAML to JSON: yaml: line {line}: {}", self.problem)
            }
            (Stage::Yaml, None) => {
                write!(f, "error converting YAML to JSON: yaml: {}", self.problem)
            }
            (Stage::Conversion, _) => write!(f, "error converting YAML to JSON: {}", self.problem),
            (Stage::Limit, _) => f.write_str(&self.problem),
        }
    }
}

impl std::error::Error for YamlError {}

/// Reads one document. Spans count from the start of `text`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read_document(text: &str, limits: &Limits) -> Result<YamlDocument, YamlError> {
    if let Some((at, control)) = text.char_indices().find(|(_, c)| is_control(*c)) {
        let problem = "control characters are not allowed";
        return Err(YamlError::new(Stage::Yaml, problem, Span::new(at, at + control.len_utf8())));
    }
    // A last line without an end reads as if it had one.
    let text = match text.ends_with('\n') {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{text}\n")),
    };
    let (tree, repeated) = compose::compose(&text, limits)?;
    Ok(YamlDocument { tree, repeated })
}

/// Whether YAML forbids a character everywhere.
fn is_control(c: char) -> bool {
    !matches!(c,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        read_document(text, &Limits::default())
            .map(|document| document.tree.value(Tree::ROOT))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn documents_read_as_kubectl_reads_them() {
        let check = |text: &str, value: Value| assert_eq!(read(text), Ok(value), "{text:?}");
        check("a: [\n \"x\",\n]\n", json!({"a": ["x"]}));
        check("a:\n  b: {\nx: 1\n}\n", json!({"a": {"b": {"x": 1}}}));
        check("a:\n- b\n- c: d\n  e: f\n-\n", json!({"a": ["b", {"c": "d", "e": "f"}, null]}));
        check("a: \"x\ny\"\nb: 'it''s\n\n  so'\n", json!({"a": "x y", "b": "it's\nso"}));
        check("a: \"x\\\n  y\\x41\\u00e9\"", json!({"a": "x yAé".replace(' ', "")}));
        check(
            "a: |\n  x\n   y\n\n  z\nb: >-\n  p\n  q\n\n  r\n",
            json!({"a": "x\n y\n\nz\n", "b": "p q\nr"}),
        );
        check(
            "a: &x {b: c}\nd:\n  <<: *x\n  e: f\n",
            json!({"a": {"b": "c"}, "d": {"b": "c", "e": "f"}}),
        );
        check("? a\n: b\n", json!({"a": "b"}));
        check(
            "{a: 1, b, \"c\":2, d: [x: z]}",
            json!({"a": 1, "b": null, "c": 2, "d": [{"x": "z"}]}),
        );
        check("a: 1\n...\n}broken", json!({"a": 1}));
        check("--- |\n a\n", json!("a\n"));
        check("\u{feff}a: b", json!({"a": "b"}));
        check("a: b\r\nc:\r\n- d\r\n", json!({"a": "b", "c": ["d"]}));
        check("", json!(null));
    }
}
